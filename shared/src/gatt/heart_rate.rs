//! Heart Rate Measurement 2A37 and Body Sensor Location 2A38.
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 1 | flags | - | always |
//! | 2 | 1, with flag 0 2 | heart rate | /min | always |
//! | 3 | 2 | energy expended | kJ | flag 3 |
//! | 4 | 2 each, to the end, at least one | RR interval, oldest first | 1/1024 s | flag 4 |
//!
//! Flags 1 and 2: contact (0 and 1 not supported, 2 not detected, 3 detected). Flags 5-7 reserved.
//! `bluetooth-profiles` 12.

use super::cursor::Cursor;
use super::number::bit;
use super::{Code, DecodeError, Field, names};

/// Contact of the sensor with the skin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SensorContact {
    NotSupported,
    NotDetected,
    Detected,
}

impl SensorContact {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSupported => "not_supported",
            Self::NotDetected => "not_detected",
            Self::Detected => "detected",
        }
    }
}

/// One value of a heart rate strap or watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct HeartRateMeasurement<'a> {
    pub flags: u8,
    /// Beats per minute.
    pub heart_rate: u16,
    pub sensor_contact: SensorContact,
    /// Kilojoules since the last reset.
    pub energy_expended: Option<u16>,
    rr_intervals: Option<&'a [[u8; 2]]>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> HeartRateMeasurement<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0xE0;

    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let heart_rate = if bit(flags, 0) {
            c.u16(Field::HeartRate)?
        } else {
            u16::from(c.u8(Field::HeartRate)?)
        };
        let energy_expended = bit(flags, 3).then(|| c.u16(Field::EnergyExpended)).transpose()?;
        let mut rr_intervals = None;
        if bit(flags, 4) {
            let (pairs, odd) = c.rest().as_chunks::<2>();
            c.slice(Field::RrIntervals, c.rest().len().saturating_sub(odd.len()))?;
            if !odd.is_empty() || pairs.is_empty() {
                return Err(c.missing(Field::RrIntervals, 2));
            }
            rr_intervals = Some(pairs);
        }
        let sensor_contact = match (flags >> 1) & 0b11 {
            2 => SensorContact::NotDetected,
            3 => SensorContact::Detected,
            _ => SensorContact::NotSupported,
        };
        let additional = c.rest();
        Ok(Self { flags, heart_rate, sensor_contact, energy_expended, rr_intervals, additional })
    }

    /// The RR intervals in 1/1024 s, oldest first; `None` where the flags announce none.
    pub fn rr_intervals_1024(&self) -> Option<impl Iterator<Item = u16> + 'a> {
        self.rr_intervals.map(|pairs| pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
    }
}

/// 2A38.
pub(super) fn body_location(mut c: Cursor<'_>) -> Result<Code, DecodeError> {
    c.at_most(1)?;
    Ok(Code::new(c.u8(Field::BodyLocation)?, names::BODY_LOCATION))
}
