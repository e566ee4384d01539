//! Mass in grams.

use serde::{Deserialize, Serialize};

/// Mass in grams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mass(u32);

impl Mass {
    /// From grams.
    pub const fn from_grams(value: u32) -> Self {
        Self(value)
    }
    /// In grams.
    pub const fn grams(self) -> u32 {
        self.0
    }
}
