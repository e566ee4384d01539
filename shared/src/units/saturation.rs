//! Saturation in tenths of a percent.

use serde::{Deserialize, Serialize};

/// Saturation in tenths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Saturation(u16);

impl Saturation {
    /// From tenths of a percent.
    pub const fn from_tenths_percent(value: u16) -> Self {
        Self(value)
    }
    /// In tenths of a percent.
    pub const fn tenths_percent(self) -> u16 {
        self.0
    }
}
