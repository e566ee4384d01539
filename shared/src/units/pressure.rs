//! Pressure in pascal.
//!
//! 1 mmHg is 133.322 Pa; A9 uses 10000000 / 75006 Pa, which agrees over all that a cuff displays.
//! Worked value: 120 mmHg is stored as 15999 Pa and comes back as 120.

use serde::{Deserialize, Serialize};

use super::decimal::divide_rounded;
use super::{Decimal, DisplayUnit, narrow, to_i32};

/// 1 Pa is `MMHG / MMHG_SCALE` mmHg.
const MMHG: i64 = 75_006;
const MMHG_SCALE: i64 = 10_000_000;

/// Pressure in pascal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pressure(i32);

impl Pressure {
    /// From pascal.
    pub const fn from_pascals(value: i32) -> Self {
        Self(value)
    }
    /// From millimetres of mercury, A9 `(v*10000000 + 37503)/75006`; `None` beyond `i32` pascals.
    pub fn from_mmhg(value: Decimal) -> Option<Self> {
        narrow(value.scaled(MMHG_SCALE, MMHG)).map(Self)
    }
    /// From kilopascals, `100n` for tenths; `None` beyond `i32` pascals.
    pub fn from_kpa(value: Decimal) -> Option<Self> {
        narrow(value.scaled(1000, 1)).map(Self)
    }
    /// In pascal.
    pub const fn pascals(self) -> i32 {
        self.0
    }
    /// In whole millimetres of mercury, A9 `(p*75006 + 5000000)/10000000` with floor division.
    pub fn mmhg(self) -> i32 {
        let scaled = i64::from(self.0) * MMHG + MMHG_SCALE / 2;
        to_i32(i128::from(scaled.div_euclid(MMHG_SCALE)))
    }
    /// In tenths of a kilopascal.
    pub fn kpa_tenths(self) -> i32 {
        to_i32(divide_rounded(i128::from(self.0), 100))
    }
    /// The rules' step: millimetres of mercury.
    pub fn step(self) -> i32 {
        self.mmhg()
    }
    /// What the device showed in this unit; `None` if the unit is not one of pressure.
    pub fn displayed(self, unit: DisplayUnit) -> Option<Decimal> {
        match unit {
            DisplayUnit::MmHg => Some(Decimal::new(self.mmhg(), 0)),
            DisplayUnit::KPa => Some(Decimal::new(self.kpa_tenths(), -1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_displayable_mmhg_comes_back() {
        for shown in 0..=319 {
            let stored = Pressure::from_mmhg(Decimal::new(shown, 0)).unwrap();
            let formula = (i64::from(shown) * 10_000_000 + 37_503) / 75_006;
            assert_eq!(i64::from(stored.pascals()), formula);
            assert_eq!(stored.displayed(DisplayUnit::MmHg), Some(Decimal::new(shown, 0)));
            assert_eq!(stored.step(), shown);
        }
    }

    #[test]
    fn every_displayable_tenth_of_kpa_comes_back() {
        for shown in 0..=429 {
            let stored = Pressure::from_kpa(Decimal::new(shown, -1)).unwrap();
            assert_eq!(stored.pascals(), shown * 100);
            assert_eq!(stored.displayed(DisplayUnit::KPa), Some(Decimal::new(shown, -1)));
            let step = (i64::from(stored.pascals()) * 75_006 + 5_000_000) / 10_000_000;
            assert_eq!(i64::from(stored.step()), step);
        }
    }

    #[test]
    fn the_short_constant_agrees_with_the_conventional_mmhg() {
        // 1 mmHg = 133.322387415 Pa exactly (`bluetooth-profiles` 15).
        for shown in 0_i64..=319 {
            let exact = (shown * 133_322_387_415 + 500_000_000) / 1_000_000_000;
            let ours = Pressure::from_mmhg(Decimal::new(i32::try_from(shown).unwrap(), 0)).unwrap();
            assert!((i64::from(ours.pascals()) - exact).abs() <= 1, "{shown} mmHg");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Pressure::from_mmhg(Decimal::new(2047, 7)), None);
        assert_eq!(Pressure::from_kpa(Decimal::new(2_147_484, 0)), None);
        assert_eq!(Pressure::from_mmhg(Decimal::new(-1, 0)).unwrap().pascals(), -133);
        assert_eq!(Pressure::from_pascals(i32::MIN).displayed(DisplayUnit::Percent), None);
    }
}
