//! Body Composition Measurement 2A9C. Its feature 2A9B is in `weight_scale`.
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 2 | flags | - | always |
//! | 2 | 2 | body fat, 0xFFFF unsuccessful | 0.1 % | always |
//! | 3 | 7 | time stamp | - | flag 1 |
//! | 4 | 1 | user id, 0xFF unknown | - | flag 2 |
//! | 5 | 2 | basal metabolism | kJ | flag 3 |
//! | 6 | 2 | muscle percentage | 0.1 % | flag 4 |
//! | 7-10 | 2 each | muscle, fat-free, soft lean, water mass | 0.005 kg / 0.01 lb | flags 5-8 |
//! | 11 | 2 | impedance | 0.1 Ohm | flag 9 |
//! | 12 | 2 | weight | 0.005 kg / 0.01 lb | flag 10 |
//! | 13 | 2 | height | 0.001 m / 0.1 in | flag 11 |
//!
//! `bluetooth-profiles` 7.1. Flag 0 imperial, flag 12 multiple packets, flags 13-15 reserved.

use super::cursor::Cursor;
use super::number::bit;
use super::weight_scale::{System, count};
use super::{DateTime, DecodeError, Field, Scaled, Unit, UserId};
use crate::units::Decimal;

/// One measurement of a body composition monitor, or one packet of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BodyCompositionMeasurement<'a> {
    pub flags: u16,
    pub body_fat: Scaled,
    pub timestamp: Option<DateTime>,
    pub user_id: Option<UserId>,
    pub basal_metabolism: Option<Scaled>,
    pub muscle_percentage: Option<Scaled>,
    pub muscle_mass: Option<Scaled>,
    pub fat_free_mass: Option<Scaled>,
    pub soft_lean_mass: Option<Scaled>,
    pub body_water_mass: Option<Scaled>,
    pub impedance: Option<Scaled>,
    pub weight: Option<Scaled>,
    pub height: Option<Scaled>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> BodyCompositionMeasurement<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u16 = 0xE000;

    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        const TENTH: Decimal = Decimal::new(1, -1);
        let flags = c.u16(Field::Flags)?;
        let system = System::from_flag(bit(flags, 0));
        let body_fat = c.u16(Field::BodyFat)?;
        let timestamp = bit(flags, 1).then(|| c.date_time(Field::Timestamp)).transpose()?;
        let user_id = bit(flags, 2).then(|| c.u8(Field::UserId)).transpose()?;
        let mut next = |flag, field| bit(flags, flag).then(|| c.u16(field)).transpose();
        let basal_metabolism = next(3, Field::BasalMetabolism)?;
        let muscle_percentage = next(4, Field::MusclePercentage)?;
        let muscle_mass = next(5, Field::MuscleMass)?;
        let fat_free_mass = next(6, Field::FatFreeMass)?;
        let soft_lean_mass = next(7, Field::SoftLeanMass)?;
        let body_water_mass = next(8, Field::BodyWaterMass)?;
        let impedance = next(9, Field::Impedance)?;
        let weight = next(10, Field::Weight)?;
        let height = next(11, Field::Height)?;
        let mass = |raw| system.mass(raw);
        Ok(Self {
            flags,
            body_fat: Scaled { can_fail: true, ..count(body_fat, TENTH, Unit::Percent) },
            timestamp,
            user_id: user_id.map(UserId),
            basal_metabolism: basal_metabolism
                .map(|raw| count(raw, Decimal::new(1, 0), Unit::Kilojoule)),
            muscle_percentage: muscle_percentage.map(|raw| count(raw, TENTH, Unit::Percent)),
            muscle_mass: muscle_mass.map(mass),
            fat_free_mass: fat_free_mass.map(mass),
            soft_lean_mass: soft_lean_mass.map(mass),
            body_water_mass: body_water_mass.map(mass),
            impedance: impedance.map(|raw| count(raw, TENTH, Unit::Ohm)),
            weight: weight.map(mass),
            height: height.map(|raw| system.height(raw)),
            additional: c.rest(),
        })
    }

    /// The unit system of masses and height.
    pub fn system(&self) -> System {
        System::from_flag(bit(self.flags, 0))
    }

    /// Whether this is one of two packets of one measurement.
    pub fn is_multiple_packet(&self) -> bool {
        bit(self.flags, 12)
    }

    /// Fat and impedance of exactly 0: a placeholder that some scales send many times before the
    /// real frame (`bluetooth-profiles` 7.4).
    pub fn is_stub(&self) -> bool {
        self.body_fat.raw == 0 && self.impedance.is_some_and(|i| i.raw == 0)
    }
}
