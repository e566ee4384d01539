//! Rate in tenths per minute.

use serde::{Deserialize, Serialize};

/// Rate in tenths per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rate(u16);

impl Rate {
    /// From tenths per minute.
    pub const fn from_tenths_per_minute(value: u16) -> Self {
        Self(value)
    }
    /// In tenths per minute.
    pub const fn tenths_per_minute(self) -> u16 {
        self.0
    }
}
