//! Temperature in thousandths of a degree Celsius.

use serde::{Deserialize, Serialize};

/// Temperature in thousandths of a degree Celsius.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Temperature(i32);

impl Temperature {
    /// From thousandths of a degree Celsius.
    pub const fn from_milli_celsius(value: i32) -> Self {
        Self(value)
    }
    /// In thousandths of a degree Celsius.
    pub const fn milli_celsius(self) -> i32 {
        self.0
    }
}
