//! Saturation in tenths of a percent.

use serde::{Deserialize, Serialize};

use super::decimal::divide_rounded;
use super::{Decimal, DisplayUnit, narrow, to_i32};

/// Saturation in tenths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Saturation(u16);

impl Saturation {
    /// From tenths of a percent.
    pub const fn from_tenths_percent(value: u16) -> Self {
        Self(value)
    }
    /// From percent; `None` if negative or above 6553.5.
    pub fn from_percent(value: Decimal) -> Option<Self> {
        narrow(value.scaled(10, 1)).map(Self)
    }
    /// In tenths of a percent.
    pub const fn tenths_percent(self) -> u16 {
        self.0
    }
    /// The rules' step: percent, A9 `(x + 5)/10`.
    pub fn step(self) -> i32 {
        to_i32(divide_rounded(i128::from(self.0), 10))
    }
    /// What the device showed, with a decimal place only where one was needed; `None` if the unit
    /// is not percent.
    pub fn displayed(self, unit: DisplayUnit) -> Option<Decimal> {
        match unit {
            DisplayUnit::Percent => Some(Decimal::new(i32::from(self.0), -1).trimmed()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_displayable_value_comes_back() {
        for shown in 0..=299 {
            let stored = Saturation::from_percent(Decimal::new(shown, 0)).unwrap();
            assert_eq!(stored.displayed(DisplayUnit::Percent), Some(Decimal::new(shown, 0)));
            assert_eq!(stored.step(), shown);
        }
        for shown in 0..=2999 {
            let stored = Saturation::from_percent(Decimal::new(shown, -1)).unwrap();
            let back = stored.displayed(DisplayUnit::Percent).unwrap();
            assert_eq!(back, Decimal::new(shown, -1).trimmed());
            assert_eq!(stored.step(), (shown + 5) / 10);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Saturation::from_percent(Decimal::new(-1, 0)), None);
        assert_eq!(Saturation::from_percent(Decimal::new(-256, 3)), None);
        assert_eq!(Saturation::from_percent(Decimal::new(6554, 0)), None);
        assert_eq!(Saturation::from_tenths_percent(970).displayed(DisplayUnit::MmHg), None);
    }
}
