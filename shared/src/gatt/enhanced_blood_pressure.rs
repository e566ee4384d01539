//! Enhanced Blood Pressure Measurement 2B34, Enhanced Intermediate Cuff Pressure 2B35 and Blood
//! Pressure Record 2B36 (Blood Pressure Service 1.1).
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 1 | flags | - | always |
//! | 2 | 2 | systolic (2B35: current cuff pressure), SFLOAT | mmHg, with flag 0 kPa | always |
//! | 3 | 2 | diastolic, SFLOAT | same | 2B34 |
//! | 4 | 2 | mean arterial pressure, SFLOAT | same | 2B34 |
//! | 5 | 4 | time stamp of the base clock | s since 1900, with flag 6 since 2000 | flag 1 |
//! | 6 | 2 | pulse rate, SFLOAT | /min | flag 2 |
//! | 7 | 1 | user id, 0xFF unknown | - | flag 3 |
//! | 8 | 2 | measurement status | bits | flag 4 |
//! | 9 | 4 | user-facing time | as the time stamp | flag 5 |
//!
//! 2B36: segmentation header 1 (bit 0 first, bit 1 last, bits 2-7 counter), sequence number 2,
//! characteristic UUID 2, contained octets to the end.
//! `bluetooth-profiles` 5.4 and 5.5. Flag 7 reserved.

use super::blood_pressure::{CuffStatus, pressure_unit};
use super::cursor::Cursor;
use super::number::bit;
use super::{DateTime, DecodeError, Field, Number, Unit, UserId};

/// Seconds on a sensor's clock since the start of 1900 or 2000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochTime {
    /// Seconds since the epoch.
    pub seconds: u32,
    /// The year whose first second is the epoch: 1900 or 2000.
    pub epoch: u16,
}

impl EpochTime {
    /// 1900-01-01 and 2000-01-01 00:00:00 in seconds since 1970-01-01.
    const FROM_1900: i64 = -2_208_988_800;
    const FROM_2000: i64 = 946_684_800;

    fn new(seconds: u32, flags: u8) -> Self {
        Self { seconds, epoch: if bit(flags, 6) { 2000 } else { 1900 } }
    }

    /// The clock face. Worked value: 3790656256 s since 1900 is 2020-02-14 08:04:16.
    pub fn date_time(self) -> Option<DateTime> {
        let start = if self.epoch == 2000 { Self::FROM_2000 } else { Self::FROM_1900 };
        DateTime::from_local_seconds(start.checked_add(i64::from(self.seconds))?)
    }
}

/// One measurement of a cuff that keeps its own second counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EnhancedBloodPressure<'a> {
    pub flags: u8,
    pub pressures: Pressures,
    /// The base clock.
    pub timestamp: Option<EpochTime>,
    pub pulse_rate: Option<Number>,
    pub user_id: Option<UserId>,
    pub measurement_status: Option<CuffStatus>,
    /// With zone, daylight saving and what the user set.
    pub user_facing_time: Option<EpochTime>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

/// The pressures of a result (2B34) or of a cuff that is inflating (2B35).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Pressures {
    Result { systolic: Number, diastolic: Number, mean_arterial_pressure: Number },
    Current(Number),
}

impl<'a> EnhancedBloodPressure<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0x80;

    pub(super) fn decode_result(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let unit = pressure_unit(flags);
        let systolic = Number { value: c.sfloat(Field::Systolic)?, unit };
        let diastolic = Number { value: c.sfloat(Field::Diastolic)?, unit };
        let mean = Number { value: c.sfloat(Field::MeanArterialPressure)?, unit };
        let result = Pressures::Result { systolic, diastolic, mean_arterial_pressure: mean };
        Self::decode_rest(c, flags, result)
    }

    pub(super) fn decode_intermediate(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let value = c.sfloat(Field::CurrentCuffPressure)?;
        let current = Pressures::Current(Number { value, unit: pressure_unit(flags) });
        Self::decode_rest(c, flags, current)
    }

    fn decode_rest(
        mut c: Cursor<'a>,
        flags: u8,
        pressures: Pressures,
    ) -> Result<Self, DecodeError> {
        let timestamp = bit(flags, 1).then(|| c.u32(Field::Timestamp)).transpose()?;
        let pulse = bit(flags, 2).then(|| c.sfloat(Field::PulseRate)).transpose()?;
        let user_id = bit(flags, 3).then(|| c.u8(Field::UserId)).transpose()?;
        let status = bit(flags, 4).then(|| c.u16(Field::MeasurementStatus)).transpose()?;
        let user_time = bit(flags, 5).then(|| c.u32(Field::UserFacingTime)).transpose()?;
        Ok(Self {
            flags,
            pressures,
            timestamp: timestamp.map(|seconds| EpochTime::new(seconds, flags)),
            pulse_rate: pulse.map(|value| Number { value, unit: Unit::PerMinute }),
            user_id: user_id.map(UserId),
            measurement_status: status.map(CuffStatus),
            user_facing_time: user_time.map(|seconds| EpochTime::new(seconds, flags)),
            additional: c.rest(),
        })
    }
}

/// A segment of a stored record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BloodPressureRecord<'a> {
    pub segment: Segment,
    pub sequence_number: u16,
    /// The characteristic whose octets are contained.
    pub uuid16: u16,
    /// The contained octets; an E2E-CRC is still among the last segment's.
    pub recorded: &'a [u8],
}

/// A segmentation header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment(pub u8);

impl Segment {
    /// Whether the record starts here.
    pub fn is_first(self) -> bool {
        bit(self.0, 0)
    }
    /// Whether the record ends here.
    pub fn is_last(self) -> bool {
        bit(self.0, 1)
    }
    /// The rolling counter, 0..=63.
    pub const fn counter(self) -> u8 {
        self.0 >> 2
    }
}

impl<'a> BloodPressureRecord<'a> {
    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            segment: Segment(c.u8(Field::SegmentationHeader)?),
            sequence_number: c.u16(Field::SequenceNumber)?,
            uuid16: c.u16(Field::Uuid)?,
            recorded: c.rest(),
        })
    }
}
