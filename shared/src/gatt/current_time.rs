//! Current Time 2A2B, Date Time 2A08, Time Zone 2A0E, DST Offset 2A0D, Local Time Information
//! 2A0F and Reference Time Information 2A14.
//!
//! | characteristic | octets | fields |
//! |---|---|---|
//! | 2A08 | 7 | date and time |
//! | 2A2B | 7, 1, 1, 1 | date and time, day of week 0..=7, 1/256 s, adjust reason bits |
//! | 2A0E | 1 | signed quarter hours -48..=56, -128 unknown |
//! | 2A0D | 1 | 0 standard, 2 +30 min, 4 +60 min, 8 +120 min, 255 unknown |
//! | 2A0F | 1, 1 | time zone, DST offset |
//! | 2A14 | 1, 1, 1, 1 | source, accuracy in 1/8 s, days and hours since update |
//!
//! `bluetooth-profiles` 2.4, 2.5 and 13.

use super::cursor::Cursor;
use super::{Code, DateTime, DecodeError, Field, Flags, names};

/// Current Time 2A2B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CurrentTime {
    pub timestamp: DateTime,
    /// 1 Monday to 7 Sunday, 0 unknown; often wrong and never used.
    pub day_of_week: Code,
    pub fractions256: u8,
    pub adjust_reason: Flags,
}

impl CurrentTime {
    pub(super) fn decode(mut c: Cursor<'_>) -> Result<Self, DecodeError> {
        c.at_most(10)?;
        let timestamp = c.date_time(Field::Timestamp)?;
        let at = c.position();
        let day = c.u8(Field::DayOfWeek)?;
        let fractions256 = c.u8(Field::Fractions256)?;
        let reason = c.u8(Field::AdjustReason)?;
        if day > 7 {
            let found = i32::from(day);
            return Err(DecodeError::ReservedValue { field: Field::DayOfWeek, at, found });
        }
        Ok(Self {
            timestamp,
            day_of_week: Code::new(day, names::DAY_OF_WEEK),
            fractions256,
            adjust_reason: Flags::new(u32::from(reason), names::ADJUST_REASON),
        })
    }
}

/// 2A08.
pub(super) fn date_time(mut c: Cursor<'_>) -> Result<DateTime, DecodeError> {
    c.at_most(7)?;
    c.date_time(Field::Timestamp)
}

/// A time zone without daylight saving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(i8);

impl TimeZone {
    /// The value as sent.
    pub const fn raw(self) -> i8 {
        self.0
    }
    /// Minutes east of UTC; `None` if unknown.
    pub fn minutes(self) -> Option<i16> {
        if self.0 == i8::MIN { None } else { Some(i16::from(self.0).saturating_mul(15)) }
    }

    pub(super) fn read(c: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let at = c.position();
        let raw = c.i8(Field::TimeZone)?;
        if raw != i8::MIN && !(-48..=56).contains(&raw) {
            let found = i32::from(raw);
            return Err(DecodeError::ReservedValue { field: Field::TimeZone, at, found });
        }
        Ok(Self(raw))
    }

    pub(super) fn decode(mut c: Cursor<'_>) -> Result<Self, DecodeError> {
        c.at_most(1)?;
        Self::read(&mut c)
    }
}

/// How far daylight saving moves the clock forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DstOffset(u8);

impl DstOffset {
    /// The value as sent.
    pub const fn raw(self) -> u8 {
        self.0
    }
    /// Minutes; `None` if unknown.
    pub fn minutes(self) -> Option<i16> {
        if self.0 == u8::MAX { None } else { Some(i16::from(self.0).saturating_mul(15)) }
    }

    pub(super) fn read(c: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let at = c.position();
        let raw = c.u8(Field::DstOffset)?;
        if !matches!(raw, 0 | 2 | 4 | 8 | 255) {
            let found = i32::from(raw);
            return Err(DecodeError::ReservedValue { field: Field::DstOffset, at, found });
        }
        Ok(Self(raw))
    }

    pub(super) fn decode(mut c: Cursor<'_>) -> Result<Self, DecodeError> {
        c.at_most(1)?;
        Self::read(&mut c)
    }
}

/// Local Time Information 2A0F.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LocalTimeInformation {
    pub time_zone: TimeZone,
    pub dst_offset: DstOffset,
}

impl LocalTimeInformation {
    pub(super) fn decode(mut c: Cursor<'_>) -> Result<Self, DecodeError> {
        c.at_most(2)?;
        Ok(Self { time_zone: TimeZone::read(&mut c)?, dst_offset: DstOffset::read(&mut c)? })
    }
}

/// Reference Time Information 2A14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ReferenceTimeInformation {
    pub source: Code,
    /// Drift in 1/8 s; 254 larger, 255 unknown.
    pub accuracy: u8,
    /// 255: 255 days or more.
    pub days_since_update: u8,
    /// 255: 255 days or more.
    pub hours_since_update: u8,
}

impl ReferenceTimeInformation {
    pub(super) fn decode(mut c: Cursor<'_>) -> Result<Self, DecodeError> {
        c.at_most(4)?;
        Ok(Self {
            source: Code::new(c.u8(Field::TimeSource)?, names::TIME_SOURCE),
            accuracy: c.u8(Field::Accuracy)?,
            days_since_update: c.u8(Field::DaysSinceUpdate)?,
            hours_since_update: c.u8(Field::HoursSinceUpdate)?,
        })
    }
}
