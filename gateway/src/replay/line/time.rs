//! The time of a line, before anybody has said in which zone it was written.

use jiff::civil::{Date, DateTime, Time};

use super::LineError;

/// When a line says that it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineTime {
    /// Wall-clock time of an unnamed zone: seconds since 1970-01-01T00:00:00 of that clock.
    Local {
        /// As if the wall clock were UTC.
        seconds: i64,
    },
    /// An instant: seconds since 1970-01-01T00:00:00Z.
    Utc {
        /// Seconds since the epoch.
        seconds: i64,
    },
    /// A date without a time of day. It stands for 08:00 local ([`DATE_ONLY_SECOND`]), the hour
    /// at which most people weigh themselves, and is shown as a date.
    DateOnly {
        /// Days since 1970-01-01.
        day: i32,
    },
}

/// Second of the local day that a date without time stands for: 08:00.
pub const DATE_ONLY_SECOND: i64 = 8 * 3600;

impl LineTime {
    /// Seconds of the local wall clock, or `None` where the line gives UTC.
    pub fn local_seconds(self) -> Option<i64> {
        match self {
            Self::Local { seconds } => Some(seconds),
            Self::DateOnly { day } => Some(i64::from(day) * 86_400 + DATE_ONLY_SECOND),
            Self::Utc { .. } => None,
        }
    }

    /// Seconds since the epoch in this zone. A wall-clock time that exists twice is taken the
    /// first time; one that a change to summer time skipped is moved on by the skip.
    pub fn utc_seconds(self, zone: &jiff::tz::TimeZone) -> i64 {
        match self.local_seconds() {
            None => match self {
                Self::Utc { seconds } => seconds,
                _ => 0,
            },
            Some(seconds) => {
                let civil = civil(seconds);
                zone.to_timestamp(civil).map_or(seconds, jiff::Timestamp::as_second)
            }
        }
    }

    /// As the device gave it, ISO 8601: `2026-03-01T07:30:00`, with `Z` for UTC, or a date alone.
    pub fn device_time(self) -> String {
        match self {
            Self::Local { seconds } => civil(seconds).to_string(),
            Self::Utc { seconds } => format!("{}Z", civil(seconds)),
            Self::DateOnly { day } => civil(i64::from(day) * 86_400).date().to_string(),
        }
    }
}

/// The civil time of seconds since the epoch; saturates at the years -9999 and 9999.
fn civil(seconds: i64) -> DateTime {
    let clamped = seconds.clamp(
        jiff::Timestamp::MIN.as_second() + 86_400,
        jiff::Timestamp::MAX.as_second() - 86_400,
    );
    jiff::Timestamp::from_second(clamped)
        .map_or(DateTime::MIN, |t| jiff::tz::TimeZone::UTC.to_datetime(t))
}

fn seconds(date: Date, time: Time) -> i64 {
    day(date) * 86_400
        + i64::from(time.hour()) * 3600
        + i64::from(time.minute()) * 60
        + i64::from(time.second())
}

fn day(date: Date) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    (date - epoch).get_days().into()
}

/// Years outside 1900..=2199 are slips of the pen in every layout that is read here.
fn date(text: &str, needed: &'static str, order: [usize; 3]) -> Result<Date, LineError> {
    let wrong = || LineError::Date { text: text.to_owned(), needed };
    let mut parts = text.split(['-', '/']);
    let part = [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default);
    let number = |place: usize, widest: usize| -> Result<i16, LineError> {
        let cell = part.get(place).copied().unwrap_or_default();
        let digits = (1..=widest).contains(&cell.len()) && cell.bytes().all(|b| b.is_ascii_digit());
        if digits { cell.parse().map_err(|_| wrong()) } else { Err(wrong()) }
    };
    if parts.next().is_some() {
        return Err(wrong());
    }
    let [y, m, d] = order;
    let (year, month, day) = (number(y, 4)?, number(m, 2)?, number(d, 2)?);
    if !(1900..=2199).contains(&year) {
        return Err(wrong());
    }
    let (month, day) = (i8::try_from(month), i8::try_from(day));
    match (month, day) {
        (Ok(month), Ok(day)) => Date::new(year, month, day).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// `H:MM`, `HH:MM` or `HH:MM:SS`; a minute of one digit is a slip and no time.
fn time(text: &str, needed: &'static str) -> Result<Time, LineError> {
    let wrong = || LineError::Time { text: text.to_owned(), needed };
    let mut parts = text.split(':');
    let mut number = |absent: Option<i8>, widths: std::ops::RangeInclusive<usize>| match parts
        .next()
    {
        None => absent.ok_or_else(wrong),
        Some(cell) if widths.contains(&cell.len()) && cell.bytes().all(|b| b.is_ascii_digit()) => {
            cell.parse().map_err(|_| wrong())
        }
        Some(_) => Err(wrong()),
    };
    let (hour, minute) = (number(None, 1..=2)?, number(None, 2..=2)?);
    let second = number(Some(0), 2..=2)?;
    if parts.next().is_some() {
        return Err(wrong());
    }
    Time::new(hour, minute, second, 0).map_err(|_| wrong())
}

/// Month, day, year of AIM-94 and of Fitbit.
pub(super) const MDY: &str = "month-day-year";
/// ISO 8601.
pub(super) const YMD: &str = "year-month-day";
/// Day, month, year of T1D-UOM.
pub(super) const DMY: &str = "day/month/year";
/// 24-hour clock.
pub(super) const HM: &str = "hours:minutes, 00:00 to 23:59";

/// Date and time of day in two cells of AIM-94.
pub(super) fn month_first(date_cell: &str, time_cell: &str) -> Result<LineTime, LineError> {
    let date = date(date_cell, MDY, [2, 0, 1])?;
    Ok(LineTime::Local { seconds: seconds(date, time(time_cell, HM)?) })
}

/// A date alone, month first.
pub(super) fn month_first_date(cell: &str) -> Result<LineTime, LineError> {
    let date = date(cell, MDY, [2, 0, 1])?;
    Ok(LineTime::DateOnly { day: i32::try_from(day(date)).unwrap_or_default() })
}

/// `DD/MM/YYYY HH:MM`.
pub(super) fn day_first(cell: &str) -> Result<LineTime, LineError> {
    let (d, t) = cell.split_once(' ').ok_or_else(|| no_time(cell))?;
    Ok(LineTime::Local { seconds: seconds(date(d, DMY, [2, 1, 0])?, time(t.trim(), HM)?) })
}

/// `YYYY-MM-DD HH:MM:SS`, wall clock.
pub(super) fn iso_local(cell: &str) -> Result<LineTime, LineError> {
    match iso(cell)? {
        found @ LineTime::Local { .. } => Ok(found),
        _ => Err(no_time(cell)),
    }
}

/// ISO 8601: a date; a date and time; the same with `Z` or an offset such as `+01:00`.
pub(super) fn iso(cell: &str) -> Result<LineTime, LineError> {
    let Some(at) = cell.find([' ', 'T', 't']) else {
        let date = date(cell, YMD, [0, 1, 2])?;
        return Ok(LineTime::DateOnly { day: i32::try_from(day(date)).unwrap_or_default() });
    };
    let (d, t) =
        (cell.get(..at).unwrap_or_default(), cell.get(at + 1..).unwrap_or_default().trim());
    let date = date(d, YMD, [0, 1, 2])?;
    if let Some(t) = t.strip_suffix(['Z', 'z']) {
        return Ok(LineTime::Utc { seconds: seconds(date, time(t, HM)?) });
    }
    if let Some(at) = t.find(['+', '-']) {
        let (clock, offset) = (t.get(..at).unwrap_or_default(), t.get(at..).unwrap_or_default());
        let east = offset.starts_with('+');
        let shift = time(offset.get(1..).unwrap_or_default(), "an offset such as +01:00")?;
        let shift = i64::from(shift.hour()) * 3600 + i64::from(shift.minute()) * 60;
        let local = seconds(date, time(clock, HM)?);
        return Ok(LineTime::Utc { seconds: if east { local - shift } else { local + shift } });
    }
    Ok(LineTime::Local { seconds: seconds(date, time(t, HM)?) })
}

fn no_time(cell: &str) -> LineError {
    LineError::Time { text: cell.to_owned(), needed: HM }
}
