//! Temperature Measurement 2A1C, Intermediate Temperature 2A1E, Temperature Type 2A1D and
//! Measurement Interval 2A21.
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 1 | flags | - | always |
//! | 2 | 4 | temperature, FLOAT (32 bits) | °C, with flag 0 °F | always |
//! | 3 | 7 | time stamp | - | flag 1 |
//! | 4 | 1 | temperature type | - | flag 2 |
//!
//! 2A1D is the type alone; 2A21 a u16 of seconds, 0 for none.
//! `bluetooth-profiles` 10. Flags 3-7 reserved. 2A1E is never a result.

use super::cursor::Cursor;
use super::number::bit;
use super::{Code, DateTime, DecodeError, Field, Number, Unit, names};

/// A temperature, final (2A1C) or intermediate (2A1E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TemperatureMeasurement<'a> {
    pub flags: u8,
    pub temperature: Number,
    pub timestamp: Option<DateTime>,
    pub temperature_type: Option<Code>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> TemperatureMeasurement<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0xF8;

    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let value = c.float(Field::Temperature)?;
        let timestamp = bit(flags, 1).then(|| c.date_time(Field::Timestamp)).transpose()?;
        let site = bit(flags, 2).then(|| c.u8(Field::TemperatureType)).transpose()?;
        let unit = if bit(flags, 0) { Unit::Fahrenheit } else { Unit::Celsius };
        Ok(Self {
            flags,
            temperature: Number { value, unit },
            timestamp,
            temperature_type: site.map(|raw| Code::new(raw, names::TEMPERATURE_TYPE)),
            additional: c.rest(),
        })
    }
}

/// 2A1D.
pub(super) fn temperature_type(mut c: Cursor<'_>) -> Result<Code, DecodeError> {
    c.at_most(1)?;
    Ok(Code::new(c.u8(Field::TemperatureType)?, names::TEMPERATURE_TYPE))
}

/// 2A21, seconds.
pub(super) fn measurement_interval(mut c: Cursor<'_>) -> Result<u16, DecodeError> {
    c.at_most(2)?;
    c.u16(Field::IntervalSeconds)
}
