//! Mass in grams.
//!
//! One pound is 453.59237 g exactly; A9 works with 453.592 g, which agrees for all that a scale
//! displays. Worked value: 157.00 lb is stored as 71214 g and comes back as 157.00.

use serde::{Deserialize, Serialize};

use super::decimal::divide_rounded;
use super::{Decimal, DisplayUnit, narrow, to_i32};

/// 0.01 lb is `POUND / POUND_SCALE` g.
const POUND: i64 = 453_592;
const POUND_SCALE: i64 = 100_000;

/// Mass in grams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mass(u32);

impl Mass {
    /// From grams.
    pub const fn from_grams(value: u32) -> Self {
        Self(value)
    }
    /// From kilograms; `None` if negative or too large.
    pub fn from_kg(value: Decimal) -> Option<Self> {
        narrow(value.scaled(1000, 1)).map(Self)
    }
    /// From pounds, A9 `(n*453592 + 50000)/100000` for hundredths; `None` if negative or too large.
    pub fn from_lb(value: Decimal) -> Option<Self> {
        narrow(value.shifted(2)?.scaled(POUND, POUND_SCALE)).map(Self)
    }
    /// In grams.
    pub const fn grams(self) -> u32 {
        self.0
    }
    /// In hundredths of a pound.
    pub fn lb_hundredths(self) -> i32 {
        to_i32(divide_rounded(i128::from(self.0) * i128::from(POUND_SCALE), i128::from(POUND)))
    }
    /// The rules' step: 10 g, A9 `(g + 5)/10`.
    pub fn step(self) -> i32 {
        to_i32(divide_rounded(i128::from(self.0), 10))
    }
    /// What the device showed in this unit, kilograms with two or three places and pounds with
    /// two; `None` if the unit is not one of mass.
    pub fn displayed(self, unit: DisplayUnit) -> Option<Decimal> {
        match unit {
            DisplayUnit::Kilogram if self.0.is_multiple_of(10) => {
                Some(Decimal::new(self.step(), -2))
            }
            DisplayUnit::Kilogram => Some(Decimal::new(to_i32(i128::from(self.0)), -3)),
            DisplayUnit::Pound => Some(Decimal::new(self.lb_hundredths(), -2)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_displayable_hundredth_of_a_pound_comes_back() {
        for shown in 0..=89_999 {
            let stored = Mass::from_lb(Decimal::new(shown, -2)).unwrap();
            let formula = (i64::from(shown) * 453_592 + 50_000) / 100_000;
            assert_eq!(i64::from(stored.grams()), formula);
            assert_eq!(stored.displayed(DisplayUnit::Pound), Some(Decimal::new(shown, -2)));
            assert_eq!(i64::from(stored.step()), (i64::from(stored.grams()) + 5) / 10);
        }
    }

    #[test]
    fn every_count_of_five_grams_comes_back() {
        for count in 0..=65_535 {
            let stored = Mass::from_kg(Decimal::new(count * 5, -3)).unwrap();
            let shown = stored.displayed(DisplayUnit::Kilogram).unwrap();
            assert_eq!(shown.trimmed(), Decimal::new(count * 5, -3).trimmed());
            assert!(shown.exponent <= -2);
        }
    }

    #[test]
    fn whole_pounds_differ_by_the_steps_that_the_limits_take() {
        let steps =
            |lb_hundredths: i32| Mass::from_lb(Decimal::new(lb_hundredths, -2)).unwrap().step();
        for start in (2_000..=89_000).step_by(7) {
            for (pounds, low) in [(2, 90), (3, 136), (5, 226)] {
                let gain = steps(start + pounds * 100) - steps(start);
                assert!(gain == low || gain == low + 1, "{start}+{pounds}: {gain}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Mass::from_kg(Decimal::new(-1, -3)), None);
        assert_eq!(Mass::from_kg(Decimal::new(5, 6)), None);
        assert_eq!(Mass::from_lb(Decimal::new(1, 126)), None);
        assert_eq!(Mass::from_grams(1).displayed(DisplayUnit::Celsius), None);
    }
}
