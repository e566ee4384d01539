//! Glucose in micromoles per litre.
//!
//! Molar mass 180.156 g/mol (`bluetooth-profiles` 15): 1 mmol/L is 18.0156 mg/dL.
//! Worked value: 119 mg/dL is stored as 6605 µmol/L and comes back as 119.

use serde::{Deserialize, Serialize};

use super::decimal::divide_rounded;
use super::{Decimal, DisplayUnit, narrow, to_i32};

/// 1 µmol/L is `MOLAR / MOLAR_SCALE` = 0.0180156 mg/dL.
const MOLAR: i64 = 180_156;
const MOLAR_SCALE: i64 = 10_000_000;

/// Glucose in micromoles per litre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Glucose(u32);

impl Glucose {
    /// From micromoles per litre.
    pub const fn from_umol_per_l(value: u32) -> Self {
        Self(value)
    }
    /// From milligrams per decilitre, A9 `(v*10000000 + 90078)/180156`; `None` if negative or
    /// beyond 77 376 412 mg/dL, which `u32` cannot hold.
    pub fn from_mg_per_dl(value: Decimal) -> Option<Self> {
        narrow(value.scaled(MOLAR_SCALE, MOLAR)).map(Self)
    }
    /// From millimoles per litre, `100n` for tenths; `None` if negative or too large.
    pub fn from_mmol_per_l(value: Decimal) -> Option<Self> {
        narrow(value.scaled(1000, 1)).map(Self)
    }
    /// From kilograms per litre, the mass unit of 2A18: 0.00119 kg/L is 119 mg/dL.
    pub fn from_kg_per_l(value: Decimal) -> Option<Self> {
        Self::from_mg_per_dl(value.shifted(5)?)
    }
    /// From moles per litre, the substance unit of 2A18: 0.0059 mol/L is 5.9 mmol/L.
    pub fn from_mol_per_l(value: Decimal) -> Option<Self> {
        Self::from_mmol_per_l(value.shifted(3)?)
    }
    /// In micromoles per litre.
    pub const fn umol_per_l(self) -> u32 {
        self.0
    }
    /// In whole milligrams per decilitre, A9 `(u*180156 + 5000000)/10000000`.
    pub fn mg_per_dl(self) -> i32 {
        to_i32(divide_rounded(i128::from(self.0) * i128::from(MOLAR), i128::from(MOLAR_SCALE)))
    }
    /// In tenths of a millimole per litre.
    pub fn mmol_per_l_tenths(self) -> i32 {
        to_i32(divide_rounded(i128::from(self.0), 100))
    }
    /// The rules' step: milligrams per decilitre.
    pub fn step(self) -> i32 {
        self.mg_per_dl()
    }
    /// What the device showed in this unit; `None` if the unit is not one of glucose.
    pub fn displayed(self, unit: DisplayUnit) -> Option<Decimal> {
        match unit {
            DisplayUnit::MgPerDl => Some(Decimal::new(self.mg_per_dl(), 0)),
            DisplayUnit::MmolPerL => Some(Decimal::new(self.mmol_per_l_tenths(), -1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_displayable_mg_per_dl_comes_back() {
        for shown in 0..=1099 {
            let stored = Glucose::from_mg_per_dl(Decimal::new(shown, 0)).unwrap();
            let formula = (i64::from(shown) * 10_000_000 + 90_078) / 180_156;
            assert_eq!(i64::from(stored.umol_per_l()), formula);
            assert_eq!(stored.displayed(DisplayUnit::MgPerDl), Some(Decimal::new(shown, 0)));
            assert_eq!(stored.step(), shown);
            assert_eq!(Glucose::from_kg_per_l(Decimal::new(shown, -5)), Some(stored));
        }
    }

    #[test]
    fn every_displayable_tenth_of_mmol_per_l_comes_back() {
        for shown in 0..=599 {
            let stored = Glucose::from_mmol_per_l(Decimal::new(shown, -1)).unwrap();
            assert_eq!(i64::from(stored.umol_per_l()), i64::from(shown) * 100);
            assert_eq!(stored.displayed(DisplayUnit::MmolPerL), Some(Decimal::new(shown, -1)));
            assert_eq!(Glucose::from_mol_per_l(Decimal::new(shown, -4)), Some(stored));
            let step = (i64::from(stored.umol_per_l()) * 180_156 + 5_000_000) / 10_000_000;
            assert_eq!(i64::from(stored.step()), step);
        }
    }

    #[test]
    fn the_limits_of_both_units_meet() {
        for (tenths, mg) in [(39, 70), (30, 54), (100, 180), (139, 250)] {
            assert_eq!(Glucose::from_mmol_per_l(Decimal::new(tenths, -1)).unwrap().step(), mg);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Glucose::from_mg_per_dl(Decimal::new(-1, 0)), None);
        assert_eq!(Glucose::from_mol_per_l(Decimal::new(81, 3)), None);
        assert_eq!(Glucose::from_kg_per_l(Decimal::new(1, 127)), None);
        assert_eq!(Glucose::from_umol_per_l(u32::MAX).displayed(DisplayUnit::KPa), None);
        assert_eq!(Glucose::from_umol_per_l(u32::MAX).mg_per_dl(), 77_376_413);
    }
}
