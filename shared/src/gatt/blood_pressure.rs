//! Blood Pressure Measurement 2A35 and Intermediate Cuff Pressure 2A36.
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 1 | flags | - | always |
//! | 2 | 2 | systolic (2A36: current cuff pressure), SFLOAT | mmHg, with flag 0 kPa | always |
//! | 3 | 2 | diastolic (2A36: unused), SFLOAT | same | always |
//! | 4 | 2 | mean arterial pressure (2A36: unused), SFLOAT | same | always |
//! | 5 | 7 | time stamp | - | flag 1 |
//! | 6 | 2 | pulse rate, SFLOAT | /min | flag 2 |
//! | 7 | 1 | user id, 0xFF unknown | - | flag 3 |
//! | 8 | 2 | measurement status | bits | flag 4 |
//!
//! `bluetooth-profiles` 5.1 and 5.2. Flags 5-7 reserved. NaN or 0 as mean pressure: none computed.

use super::cursor::Cursor;
use super::number::bit;
use super::{DateTime, DecodeError, Field, Flags, Number, Unit, UserId, names};

/// Bit numbers of the measurement status.
pub mod status {
    #![allow(missing_docs)]
    pub const BODY_MOVEMENT: u8 = 0;
    pub const CUFF_TOO_LOOSE: u8 = 1;
    pub const IRREGULAR_PULSE: u8 = 2;
    pub const IMPROPER_POSITION: u8 = 5;
}

/// Measurement status of a cuff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CuffStatus(pub u16);

impl CuffStatus {
    /// The named bits.
    pub fn flags(self) -> Flags {
        Flags::new(u32::from(self.0), names::BLOOD_PRESSURE_STATUS)
    }
    /// Bits 3 and 4: the pulse against the cuff's own limits.
    pub const fn pulse_rate_range(self) -> &'static str {
        match (self.0 >> 3) & 0b11 {
            0 => "within",
            1 => "exceeds_upper",
            2 => "below_lower",
            _ => "reserved",
        }
    }
    /// Bits 6 to 15, reserved.
    pub const fn reserved(self) -> u16 {
        self.0 & 0xFFC0
    }
    /// Whether one of the bits that make a reading doubtful is set.
    pub fn is_suspect(self) -> bool {
        self.flags().has_any(&[
            status::BODY_MOVEMENT,
            status::CUFF_TOO_LOOSE,
            status::IRREGULAR_PULSE,
            status::IMPROPER_POSITION,
        ])
    }
}

/// One measurement of a cuff, or its pressure while it inflates (2A36).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BloodPressureMeasurement<'a> {
    pub flags: u8,
    /// 2A36: the current cuff pressure.
    pub systolic: Number,
    /// 2A36: unused.
    pub diastolic: Number,
    /// 2A36: unused.
    pub mean_arterial_pressure: Number,
    pub timestamp: Option<DateTime>,
    pub pulse_rate: Option<Number>,
    pub user_id: Option<UserId>,
    pub measurement_status: Option<CuffStatus>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

/// How the three pressures are called.
pub(super) const RESULT: [Field; 3] =
    [Field::Systolic, Field::Diastolic, Field::MeanArterialPressure];
/// How they are called in 2A36.
pub(super) const INTERMEDIATE: [Field; 3] =
    [Field::CurrentCuffPressure, Field::Unused1, Field::Unused2];

impl<'a> BloodPressureMeasurement<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0xE0;

    pub(super) fn decode(mut c: Cursor<'a>, fields: [Field; 3]) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let [first, second, third] = fields;
        let systolic = c.sfloat(first)?;
        let diastolic = c.sfloat(second)?;
        let mean = c.sfloat(third)?;
        let timestamp = bit(flags, 1).then(|| c.date_time(Field::Timestamp)).transpose()?;
        let pulse = bit(flags, 2).then(|| c.sfloat(Field::PulseRate)).transpose()?;
        let user_id = bit(flags, 3).then(|| c.u8(Field::UserId)).transpose()?;
        let status = bit(flags, 4).then(|| c.u16(Field::MeasurementStatus)).transpose()?;
        let unit = pressure_unit(flags);
        Ok(Self {
            flags,
            systolic: Number { value: systolic, unit },
            diastolic: Number { value: diastolic, unit },
            mean_arterial_pressure: Number { value: mean, unit },
            timestamp,
            pulse_rate: pulse.map(|value| Number { value, unit: Unit::PerMinute }),
            user_id: user_id.map(UserId),
            measurement_status: status.map(CuffStatus),
            additional: c.rest(),
        })
    }
}

/// Flag 0 of all blood pressure values.
pub(super) fn pressure_unit(flags: u8) -> Unit {
    if bit(flags, 0) { Unit::KPa } else { Unit::MmHg }
}
