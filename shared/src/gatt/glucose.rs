//! Glucose Measurement 2A18 and Glucose Feature 2A51.
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 1 | flags | - | always |
//! | 2 | 2 | sequence number | - | always |
//! | 3 | 7 | base time | - | always |
//! | 4 | 2 | time offset, signed | min | flag 0 |
//! | 5 | 2 | concentration, SFLOAT | kg/L, with flag 2 mol/L | flag 1 |
//! | 6 | 1 | type (low nibble), sample location (high nibble) | - | flag 1 |
//! | 7 | 2 | sensor status | bits | flag 3 |
//!
//! `bluetooth-profiles` 4.1 and 4.3. Flag 4: a context (2A34) follows; flags 5-7 reserved.
//! The user's time is base time plus offset; offsets 0x7FFF and 0x8000 are no offset.

use super::cursor::Cursor;
use super::number::bit;
use super::{Code, DateTime, DecodeError, Field, Flags, Number, Unit, names};

/// Bit numbers of the sensor status.
pub mod status {
    #![allow(missing_docs)]
    pub const BATTERY_LOW: u8 = 0;
    pub const SENSOR_MALFUNCTION: u8 = 1;
    pub const SAMPLE_INSUFFICIENT: u8 = 2;
    pub const STRIP_INSERTION_ERROR: u8 = 3;
    pub const STRIP_TYPE_INCORRECT: u8 = 4;
    pub const RESULT_TOO_HIGH: u8 = 5;
    pub const RESULT_TOO_LOW: u8 = 6;
    pub const TEMPERATURE_TOO_HIGH: u8 = 7;
    pub const TEMPERATURE_TOO_LOW: u8 = 8;
    pub const READ_INTERRUPTED: u8 = 9;
    pub const GENERAL_FAULT: u8 = 10;
    pub const TIME_FAULT: u8 = 11;
}

/// The code of control solution as a sample type.
pub const TYPE_CONTROL_SOLUTION: u8 = 10;
/// The code of control solution as a sample location.
pub const LOCATION_CONTROL_SOLUTION: u8 = 4;

/// One record of a glucose meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct GlucoseMeasurement<'a> {
    pub flags: u8,
    pub sequence_number: u16,
    /// The meter's own undisturbed clock.
    pub base_time: DateTime,
    pub time_offset_minutes: Option<i16>,
    pub concentration: Option<Number>,
    pub sample_type: Option<Code>,
    pub sample_location: Option<Code>,
    pub sensor_status: Option<Flags>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> GlucoseMeasurement<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0xE0;

    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let sequence_number = c.u16(Field::SequenceNumber)?;
        let base_time = c.date_time(Field::BaseTime)?;
        let time_offset_minutes = bit(flags, 0).then(|| c.i16(Field::TimeOffset)).transpose()?;
        let unit = if bit(flags, 2) { Unit::MolPerL } else { Unit::KgPerL };
        let concentration = bit(flags, 1).then(|| c.sfloat(Field::Concentration)).transpose()?;
        let nibbles = bit(flags, 1).then(|| c.u8(Field::TypeAndLocation)).transpose()?;
        let status = bit(flags, 3).then(|| c.u16(Field::SensorStatus)).transpose()?;
        Ok(Self {
            flags,
            sequence_number,
            base_time,
            time_offset_minutes,
            concentration: concentration.map(|value| Number { value, unit }),
            sample_type: nibbles.map(|n| Code::new(n & 0x0F, names::SAMPLE_TYPE)),
            sample_location: nibbles.map(|n| Code::new(n >> 4, names::SAMPLE_LOCATION)),
            sensor_status: status.map(|s| Flags::new(u32::from(s), names::GLUCOSE_STATUS)),
            additional: c.rest(),
        })
    }

    /// Whether a context with the same sequence number follows.
    pub fn context_follows(&self) -> bool {
        bit(self.flags, 4)
    }

    /// What the meter showed its user: base time plus offset; `None` if a part of the date is
    /// unknown, the offset is an over- or underrun, or the sum leaves the calendar.
    pub fn measurement_time(&self) -> Option<DateTime> {
        match self.time_offset_minutes {
            Some(i16::MAX | i16::MIN) => None,
            offset => {
                let minutes = i64::from(offset.unwrap_or(0));
                self.base_time.plus_seconds(minutes.saturating_mul(60))
            }
        }
    }

    /// Whether type or location says that control solution was measured.
    pub fn is_control_solution(&self) -> bool {
        self.sample_type.is_some_and(|t| t.raw() == TYPE_CONTROL_SOLUTION)
            || self.sample_location.is_some_and(|l| l.raw() == LOCATION_CONTROL_SOLUTION)
    }
}

/// A set of features of a device: 2A51, 2A49, and the start of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// The named features.
    pub supported: Flags,
    /// The bits that the specification reserves.
    pub reserved: u32,
}

impl Features {
    /// 16 bits of which those above `last` are reserved, and nothing else.
    pub(super) fn decode_u16(
        mut c: Cursor<'_>,
        table: names::BitNames,
        reserved: u32,
    ) -> Result<Self, DecodeError> {
        c.at_most(2)?;
        let raw = u32::from(c.u16(Field::Features)?);
        Ok(Self { supported: Flags::new(raw, table), reserved: raw & reserved })
    }
}
