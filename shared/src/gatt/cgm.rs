//! CGM Measurement 2AA7, Feature 2AA8, Status 2AA9, Session Start Time 2AAA, Session Run Time 2AAB.
//!
//! 2AA7 is one or more records back to back:
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 1 | size of the record with itself and CRC | octets | always |
//! | 2 | 1 | flags | - | always |
//! | 3 | 2 | concentration, SFLOAT | mg/dL | always |
//! | 4 | 2 | time offset since session start | min | always |
//! | 5 | 1 | status | bits | flag 7 |
//! | 6 | 1 | calibration and temperature | bits | flag 6 |
//! | 7 | 1 | warning | bits | flag 5 |
//! | 8 | 2 | trend, SFLOAT | mg/dL/min | flag 0 |
//! | 9 | 2 | quality, SFLOAT | % | flag 1 |
//! | 10 | 2 | E2E-CRC | - | when supported |
//!
//! 2AA8: features u24, type (low) and location (high nibble), CRC always present, checked only if
//! bit 12 is set. 2AA9: time offset u16 min, status, cal/temp, warning, \[CRC\]. 2AAA: date and
//! time, time zone i8, DST u8, \[CRC\]. 2AAB: run time u16 h, \[CRC\]. `bluetooth-profiles` 11.

use super::crc;
use super::current_time::{DstOffset, TimeZone};
use super::cursor::{Context, Cursor};
use super::number::bit;
use super::{Code, DateTime, DecodeError, Field, Flags, Number, Unit, names};

/// The three annunciation octets' bit numbers that matter for a value.
pub mod status {
    #![allow(missing_docs)]
    pub const BATTERY_LOW: u8 = 1;
    pub const SENSOR_TYPE_INCORRECT: u8 = 2;
    pub const SENSOR_MALFUNCTION: u8 = 3;
    pub const GENERAL_FAULT: u8 = 5;
    pub const CAL_TIME_SYNC_REQUIRED: u8 = 0;
    pub const CAL_TEMPERATURE_TOO_HIGH: u8 = 4;
    pub const CAL_TEMPERATURE_TOO_LOW: u8 = 5;
    pub const WARNING_BELOW_DEVICE_RANGE: u8 = 6;
    pub const WARNING_ABOVE_DEVICE_RANGE: u8 = 7;
}

/// One record of a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CgmRecord {
    pub size: u8,
    pub flags: u8,
    pub concentration: Number,
    /// Minutes since the session started.
    pub time_offset_minutes: u16,
    pub status: Option<Flags>,
    pub cal_temp: Option<Flags>,
    pub warning: Option<Flags>,
    pub trend: Option<Number>,
    pub quality: Option<Number>,
    pub crc: Option<u16>,
}

/// The octets of a record without optional fields and CRC.
const RECORD_MIN: u16 = 6;

impl CgmRecord {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0x1C;

    /// Reads one record; `outer` ends after it.
    fn read(outer: &mut Cursor<'_>, context: Context) -> Result<Self, DecodeError> {
        let start = outer.position();
        let size = Cursor::clone(outer).u8(Field::Size)?;
        if u16::from(size) < RECORD_MIN {
            let found = u16::from(size);
            return Err(DecodeError::BadSize { at: start, need: RECORD_MIN, found });
        }
        let record = outer.slice(Field::Size, usize::from(size))?;
        let mut c = Cursor::starting_at(record, start);
        c.u8(Field::Size)?;
        let flags = c.u8(Field::Flags)?;
        let has_crc = Self::check_size(start, size, flags, context)?;
        let concentration = c.sfloat(Field::Concentration)?;
        let time_offset_minutes = c.u16(Field::TimeOffset)?;
        let status = bit(flags, 7).then(|| c.u8(Field::Status)).transpose()?;
        let cal_temp = bit(flags, 6).then(|| c.u8(Field::CalTemp)).transpose()?;
        let warning = bit(flags, 5).then(|| c.u8(Field::Warning)).transpose()?;
        let trend = bit(flags, 0).then(|| c.sfloat(Field::Trend)).transpose()?;
        let quality = bit(flags, 1).then(|| c.sfloat(Field::Quality)).transpose()?;
        let crc = has_crc.then(|| crc::checked(record, &mut c)).transpose()?;
        Ok(Self {
            size,
            flags,
            concentration: Number { value: concentration, unit: Unit::MgPerDl },
            time_offset_minutes,
            status: status.map(|s| octet(s, names::CGM_STATUS)),
            cal_temp: cal_temp.map(|s| octet(s, names::CGM_CAL_TEMP)),
            warning: warning.map(|s| octet(s, names::CGM_WARNING)),
            trend: trend.map(|value| Number { value, unit: Unit::MgPerDlPerMinute }),
            quality: quality.map(|value| Number { value, unit: Unit::Percent }),
            crc,
        })
    }

    /// Whether the record carries a CRC; its size must be what its flags ask for, or two more.
    fn check_size(at: u16, size: u8, flags: u8, context: Context) -> Result<bool, DecodeError> {
        let octets = |flag, n: u16| if bit(flags, flag) { n } else { 0 };
        let optional = [octets(7, 1), octets(6, 1), octets(5, 1), octets(0, 2), octets(1, 2)];
        let need = optional.iter().fold(RECORD_MIN, |sum, n| sum.saturating_add(*n));
        let found = u16::from(size);
        match (found.checked_sub(need), context.e2e_crc) {
            (Some(0), Some(true)) => Err(DecodeError::CrcMissing { at: at.saturating_add(found) }),
            (Some(0), _) => Ok(false),
            (Some(2), None | Some(true)) => Ok(true),
            _ => Err(DecodeError::BadSize { at, need, found }),
        }
    }
}

fn octet(raw: u8, table: names::BitNames) -> Flags {
    Flags::new(u32::from(raw), table)
}

/// All records of one notification; each was checked when the value was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgmMeasurement<'a> {
    octets: &'a [u8],
    context: Context,
}

impl<'a> CgmMeasurement<'a> {
    pub(super) fn decode(octets: &'a [u8], context: Context) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(octets);
        // One record at least; each takes six octets at least, so this ends within 86 rounds.
        CgmRecord::read(&mut c, context)?;
        while !c.rest().is_empty() {
            CgmRecord::read(&mut c, context)?;
        }
        Ok(Self { octets, context })
    }

    /// The records in the order they were sent.
    pub fn records(&self) -> impl Iterator<Item = CgmRecord> + use<'a> {
        let context = self.context;
        let mut c = Cursor::new(self.octets);
        core::iter::from_fn(move || {
            if c.rest().is_empty() { None } else { CgmRecord::read(&mut c, context).ok() }
        })
    }
}

/// Features of a sensor (2AA8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CgmFeature {
    pub supported: Flags,
    /// The bits that the specification reserves.
    pub reserved: u32,
    pub sample_type: Code,
    pub sample_location: Code,
    pub crc: u16,
    /// Whether bit 12 promises a CRC, so that it was compared.
    pub crc_checked: bool,
}

impl CgmFeature {
    /// The bit that says that values carry an E2E-CRC: it goes into [`Context`].
    pub const E2E_CRC: u8 = 12;

    pub(super) fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(octets);
        c.at_most(6)?;
        let raw = c.u24(Field::Features)?;
        let nibbles = c.u8(Field::TypeAndLocation)?;
        let supported = Flags::new(raw, names::CGM_FEATURE);
        let crc_checked = supported.has(Self::E2E_CRC);
        let crc = if crc_checked { crc::checked(octets, &mut c)? } else { c.u16(Field::Crc)? };
        Ok(Self {
            supported,
            reserved: raw & 0xFE_0000,
            sample_type: Code::new(nibbles & 0x0F, names::SAMPLE_TYPE),
            sample_location: Code::new(nibbles >> 4, names::CGM_SAMPLE_LOCATION),
            crc,
            crc_checked,
        })
    }
}

/// Reads the `N` octets of a fixed value and the CRC behind them, the CRC first: octets that are
/// not what was sent are not worth interpreting.
fn fixed<'a, const N: usize>(
    octets: &'a [u8],
    field: Field,
    context: Context,
) -> Result<(Cursor<'a>, Option<u16>), DecodeError> {
    let mut c = Cursor::new(octets);
    let content = c.slice(field, N)?;
    let crc = crc::tail(octets, &mut c, context)?;
    Ok((Cursor::new(content), crc))
}

/// Status 2AA9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CgmStatus {
    pub time_offset_minutes: u16,
    pub status: Flags,
    pub cal_temp: Flags,
    pub warning: Flags,
    pub crc: Option<u16>,
}

impl CgmStatus {
    pub(super) fn decode(octets: &[u8], context: Context) -> Result<Self, DecodeError> {
        let (mut c, crc) = fixed::<5>(octets, Field::Status, context)?;
        Ok(Self {
            time_offset_minutes: c.u16(Field::TimeOffset)?,
            status: octet(c.u8(Field::Status)?, names::CGM_STATUS),
            cal_temp: octet(c.u8(Field::CalTemp)?, names::CGM_CAL_TEMP),
            warning: octet(c.u8(Field::Warning)?, names::CGM_WARNING),
            crc,
        })
    }
}

/// Session Start Time 2AAA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CgmSessionStart {
    pub start: DateTime,
    pub time_zone: TimeZone,
    pub dst_offset: DstOffset,
    pub crc: Option<u16>,
}

impl CgmSessionStart {
    pub(super) fn decode(octets: &[u8], context: Context) -> Result<Self, DecodeError> {
        let (mut c, crc) = fixed::<9>(octets, Field::SessionStartTime, context)?;
        Ok(Self {
            start: c.date_time(Field::SessionStartTime)?,
            time_zone: TimeZone::read(&mut c)?,
            dst_offset: DstOffset::read(&mut c)?,
            crc,
        })
    }

    /// The start in UTC: local time minus zone minus daylight saving; `None` if one is unknown.
    /// Worked value: 13:08:24 at +120 and +60 min is 10:08:24 UTC.
    pub fn utc(&self) -> Option<DateTime> {
        let zone = i64::from(self.time_zone.minutes()?);
        let dst = i64::from(self.dst_offset.minutes()?);
        self.start.plus_seconds(zone.checked_add(dst)?.checked_mul(-60)?)
    }
}

/// Session Run Time 2AAB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CgmSessionRun {
    pub run_time_hours: u16,
    pub crc: Option<u16>,
}

impl CgmSessionRun {
    pub(super) fn decode(octets: &[u8], context: Context) -> Result<Self, DecodeError> {
        let (mut c, crc) = fixed::<2>(octets, Field::RunTime, context)?;
        Ok(Self { run_time_hours: c.u16(Field::RunTime)?, crc })
    }
}
