//! The unit in which a device displayed a value.

use serde::{Deserialize, Serialize};

/// The unit in which the device displayed the value; conversions for people go back to it.
/// The discriminants are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum DisplayUnit {
    MgPerDl = 1,
    MmolPerL = 2,
    MmHg = 3,
    KPa = 4,
    PerMinute = 5,
    Percent = 6,
    Celsius = 7,
    Fahrenheit = 8,
    Kilogram = 9,
    Pound = 10,
}

impl DisplayUnit {
    /// All units in the order of their codes.
    pub const ALL: [DisplayUnit; 10] = [
        Self::MgPerDl,
        Self::MmolPerL,
        Self::MmHg,
        Self::KPa,
        Self::PerMinute,
        Self::Percent,
        Self::Celsius,
        Self::Fahrenheit,
        Self::Kilogram,
        Self::Pound,
    ];

    /// UCUM code (unitsofmeasure.org).
    pub const fn ucum(self) -> &'static str {
        match self {
            Self::MgPerDl => "mg/dL",
            Self::MmolPerL => "mmol/L",
            Self::MmHg => "mm[Hg]",
            Self::KPa => "kPa",
            Self::PerMinute => "/min",
            Self::Percent => "%",
            Self::Celsius => "Cel",
            Self::Fahrenheit => "[degF]",
            Self::Kilogram => "kg",
            Self::Pound => "[lb_av]",
        }
    }

    /// The unit with this stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|u| *u as u8 == code)
    }
}
