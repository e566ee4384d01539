//! Glucose in micromoles per litre.

use serde::{Deserialize, Serialize};

/// Glucose in micromoles per litre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Glucose(u32);

impl Glucose {
    /// From micromoles per litre.
    pub const fn from_umol_per_l(value: u32) -> Self {
        Self(value)
    }
    /// In micromoles per litre.
    pub const fn umol_per_l(self) -> u32 {
        self.0
    }
}
