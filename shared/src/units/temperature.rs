//! Temperature in thousandths of a degree Celsius.
//!
//! °C = (°F - 32) * 5 / 9 (`bluetooth-profiles` 15). Worked value: 98.6 °F is 37000 m°C.

use serde::{Deserialize, Serialize};

use super::decimal::divide_rounded;
use super::{Decimal, DisplayUnit, narrow, to_i32};

/// Temperature in thousandths of a degree Celsius.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Temperature(i32);

impl Temperature {
    /// From thousandths of a degree Celsius.
    pub const fn from_milli_celsius(value: i32) -> Self {
        Self(value)
    }
    /// From degrees Celsius; `None` beyond `i32` thousandths.
    pub fn from_celsius(value: Decimal) -> Option<Self> {
        narrow(value.scaled(1000, 1)).map(Self)
    }
    /// From degrees Fahrenheit, A9 `((n - 320)*1000 + 9)/18` for tenths; finer values are rounded
    /// once as well. `None` beyond `i32` thousandths.
    pub fn from_fahrenheit(value: Decimal) -> Option<Self> {
        // The offset of 32 joins before the rounding to m°C = (value - 32) * 5000 / 9; below a
        // millionth of a degree nothing displayed is lost.
        let micro = value.scaled(1_000_000, 1)?;
        let offset = i128::from(micro) - 32_000_000;
        narrow(i64::try_from(divide_rounded(offset * 5, 9_000)).ok()).map(Self)
    }
    /// In thousandths of a degree Celsius.
    pub const fn milli_celsius(self) -> i32 {
        self.0
    }
    /// In tenths of a degree Fahrenheit.
    pub fn fahrenheit_tenths(self) -> i32 {
        to_i32(divide_rounded(i128::from(self.0) * 18, 1000) + 320)
    }
    /// The rules' step: 0.1 °C, A9 `(m + 50)/100` with floor division.
    pub fn step(self) -> i32 {
        to_i32((i128::from(self.0) + 50).div_euclid(100))
    }
    /// What the device showed in this unit, °C with one or two places and °F with one; `None` if
    /// the unit is not one of temperature.
    pub fn displayed(self, unit: DisplayUnit) -> Option<Decimal> {
        let hundredths = to_i32(divide_rounded(i128::from(self.0), 10));
        match unit {
            DisplayUnit::Celsius if hundredths % 10 == 0 => Some(Decimal::new(hundredths / 10, -1)),
            DisplayUnit::Celsius => Some(Decimal::new(hundredths, -2)),
            DisplayUnit::Fahrenheit => Some(Decimal::new(self.fahrenheit_tenths(), -1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_displayable_tenth_of_fahrenheit_comes_back() {
        for shown in -400..=1199 {
            let stored = Temperature::from_fahrenheit(Decimal::new(shown, -1)).unwrap();
            let formula = ((i64::from(shown) - 320) * 1000 + 9).div_euclid(18);
            assert_eq!(i64::from(stored.milli_celsius()), formula, "{shown}");
            assert_eq!(stored.displayed(DisplayUnit::Fahrenheit), Some(Decimal::new(shown, -1)));
        }
    }

    #[test]
    fn every_displayable_tenth_of_celsius_comes_back() {
        for shown in -500..=599 {
            let stored = Temperature::from_celsius(Decimal::new(shown, -1)).unwrap();
            assert_eq!(stored.milli_celsius(), shown * 100);
            assert_eq!(stored.displayed(DisplayUnit::Celsius), Some(Decimal::new(shown, -1)));
            assert_eq!(stored.step(), shown);
        }
        for shown in -5000..=5999 {
            let stored = Temperature::from_celsius(Decimal::new(shown, -2)).unwrap();
            let back = stored.displayed(DisplayUnit::Celsius).unwrap();
            assert_eq!(back.trimmed(), Decimal::new(shown, -2).trimmed());
        }
    }

    #[test]
    fn hundredths_of_fahrenheit_are_rounded_once() {
        let check = |mantissa, exponent, milli| {
            let stored = Temperature::from_fahrenheit(Decimal::new(mantissa, exponent));
            assert_eq!(stored.map(Temperature::milli_celsius), Some(milli));
        };
        check(10_040, -2, 38_000);
        check(986, -1, 37_000);
        check(9_877, -2, 37_094);
        check(99, 0, 37_222);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Temperature::from_celsius(Decimal::new(3, 6)), None);
        assert_eq!(Temperature::from_fahrenheit(Decimal::new(8_000_000, 4)), None);
        assert_eq!(Temperature::from_fahrenheit(Decimal::new(1, 127)), None);
        assert_eq!(Temperature::from_milli_celsius(0).displayed(DisplayUnit::Pound), None);
        assert_eq!(Temperature::from_milli_celsius(-50).step(), 0);
    }
}
