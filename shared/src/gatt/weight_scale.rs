//! Weight Measurement 2A9D and Weight Scale Feature 2A9E.
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 1 | flags | - | always |
//! | 2 | 2 | weight, 0xFFFF unsuccessful | 0.005 kg, with flag 0 0.01 lb | always |
//! | 3 | 7 | time stamp | - | flag 1 |
//! | 4 | 1 | user id, 0xFF unknown | - | flag 2 |
//! | 5 | 2 | body mass index | 0.1 kg/m2 | flag 3 |
//! | 6 | 2 | height | 0.001 m, with flag 0 0.1 in | flag 3 |
//!
//! 2A9E, 4 octets: bits 0-2 features, bits 3-6 weight resolution, bits 7-9 height resolution.
//! `bluetooth-profiles` 6. Flags 4-7 reserved. The resolution never changes the size of a count.

use super::cursor::Cursor;
use super::number::bit;
use super::{DateTime, DecodeError, Field, Flags, Scaled, Unit, UserId, names};
use crate::units::Decimal;

/// One weighing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WeightMeasurement<'a> {
    pub flags: u8,
    pub weight: Scaled,
    pub timestamp: Option<DateTime>,
    pub user_id: Option<UserId>,
    pub bmi: Option<Scaled>,
    pub height: Option<Scaled>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> WeightMeasurement<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0xF0;

    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let system = System::from_flag(bit(flags, 0));
        let weight = c.u16(Field::Weight)?;
        let timestamp = bit(flags, 1).then(|| c.date_time(Field::Timestamp)).transpose()?;
        let user_id = bit(flags, 2).then(|| c.u8(Field::UserId)).transpose()?;
        let bmi = bit(flags, 3).then(|| c.u16(Field::Bmi)).transpose()?;
        let height = bit(flags, 3).then(|| c.u16(Field::Height)).transpose()?;
        Ok(Self {
            flags,
            weight: Scaled { can_fail: true, ..system.mass(weight) },
            timestamp,
            user_id: user_id.map(UserId),
            bmi: bmi.map(|raw| count(raw, Decimal::new(1, -1), Unit::KgPerM2)),
            height: height.map(|raw| system.height(raw)),
            additional: c.rest(),
        })
    }

    /// The unit system of weight and height.
    pub fn system(&self) -> System {
        System::from_flag(bit(self.flags, 0))
    }
}

/// The unit system of a scale's masses and heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Kilograms and metres.
    Si,
    /// Pounds and inches.
    Imperial,
}

/// A count of `step` without a code for failure.
pub(super) const fn count(raw: u16, step: Decimal, unit: Unit) -> Scaled {
    Scaled { raw, step, unit, can_fail: false }
}

impl System {
    pub(super) const fn from_flag(imperial: bool) -> Self {
        if imperial { Self::Imperial } else { Self::Si }
    }
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Si => "SI",
            Self::Imperial => "imperial",
        }
    }
    pub(super) const fn mass(self, raw: u16) -> Scaled {
        match self {
            Self::Si => count(raw, Decimal::new(5, -3), Unit::Kilogram),
            Self::Imperial => count(raw, Decimal::new(1, -2), Unit::Pound),
        }
    }
    pub(super) const fn height(self, raw: u16) -> Scaled {
        match self {
            Self::Si => count(raw, Decimal::new(1, -3), Unit::Metre),
            Self::Imperial => count(raw, Decimal::new(1, -1), Unit::Inch),
        }
    }
}

/// How finely a scale measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Code 0: not specified.
    Unspecified,
    /// In SI and in imperial units (kg and lb, or m and in).
    Known {
        /// Kilograms or metres.
        si: Decimal,
        /// Pounds or inches.
        imperial: Decimal,
    },
    /// A code that the specification reserves.
    Reserved,
}

/// Features of a scale (2A9E, and 2A9B of a body composition monitor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ScaleFeatures {
    pub supported: Flags,
    pub mass_resolution_code: u8,
    pub height_resolution_code: u8,
    /// The bits that the specification reserves.
    pub reserved: u32,
}

impl ScaleFeatures {
    pub(super) fn decode_weight_scale(c: Cursor<'_>) -> Result<Self, DecodeError> {
        Self::decode(c, names::WEIGHT_SCALE_FEATURE, 3, 0xFFFF_FC00)
    }

    pub(super) fn decode_body_composition(c: Cursor<'_>) -> Result<Self, DecodeError> {
        Self::decode(c, names::BODY_COMPOSITION_FEATURE, 11, 0xFFFC_0000)
    }

    /// Four bits of mass resolution from `first`, then three of height resolution.
    fn decode(
        mut c: Cursor<'_>,
        table: names::BitNames,
        first: u32,
        reserved: u32,
    ) -> Result<Self, DecodeError> {
        c.at_most(4)?;
        let raw = c.u32(Field::Features)?;
        let [codes, next, ..] = raw.checked_shr(first).unwrap_or(0).to_le_bytes();
        Ok(Self {
            supported: Flags::new(raw, table),
            mass_resolution_code: codes & 0x0F,
            height_resolution_code: ((codes >> 4) | (next << 4)) & 0x07,
            reserved: raw & reserved,
        })
    }

    /// How finely mass is measured, in kilograms and pounds.
    pub const fn mass_resolution(&self) -> Resolution {
        let (si, imperial) = match self.mass_resolution_code {
            0 => return Resolution::Unspecified,
            1 => (Decimal::new(5, -1), Decimal::new(1, 0)),
            2 => (Decimal::new(2, -1), Decimal::new(5, -1)),
            3 => (Decimal::new(1, -1), Decimal::new(2, -1)),
            4 => (Decimal::new(5, -2), Decimal::new(1, -1)),
            5 => (Decimal::new(2, -2), Decimal::new(5, -2)),
            6 => (Decimal::new(1, -2), Decimal::new(2, -2)),
            7 => (Decimal::new(5, -3), Decimal::new(1, -2)),
            _ => return Resolution::Reserved,
        };
        Resolution::Known { si, imperial }
    }

    /// How finely height is measured, in metres and inches.
    pub const fn height_resolution(&self) -> Resolution {
        let (si, imperial) = match self.height_resolution_code {
            0 => return Resolution::Unspecified,
            1 => (Decimal::new(1, -2), Decimal::new(1, 0)),
            2 => (Decimal::new(5, -3), Decimal::new(5, -1)),
            3 => (Decimal::new(1, -3), Decimal::new(1, -1)),
            _ => return Resolution::Reserved,
        };
        Resolution::Known { si, imperial }
    }
}
