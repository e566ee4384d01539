//! Pressure in pascal.

use serde::{Deserialize, Serialize};

/// Pressure in pascal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pressure(i32);

impl Pressure {
    /// From pascal.
    pub const fn from_pascals(value: i32) -> Self {
        Self(value)
    }
    /// In pascal.
    pub const fn pascals(self) -> i32 {
        self.0
    }
}
