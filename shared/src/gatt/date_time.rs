//! Date Time: the seven octets of a device's clock face.
//!
//! | offset | octets | field | range | unknown |
//! |---|---|---|---|---|
//! | 0 | 2 | year | 1582..=9999 | 0 |
//! | 2 | 1 | month | 1..=12 | 0 |
//! | 3 | 1 | day | 1..=31 | 0 |
//! | 4 | 1 | hour | 0..=23 | - |
//! | 5 | 1 | minute | 0..=59 | - |
//! | 6 | 1 | second | 0..=59 | - |
//!
//! `bluetooth-profiles` 2.4. There is no time zone. Calendar arithmetic is proleptic Gregorian on
//! days since 1970-01-01 (the well-known civil-from-days method, Hinnant 2013).

use super::{DecodeError, Field};

/// What a device's clock showed. Year, month and day are 0 where the device does not know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// The parts of a date and time, for building one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Parts {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

/// Days in a month; a year of 0 is unknown and allows 29 February, a month of 0 allows 31 days.
const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => {
            let leap =
                year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            if leap { 29 } else { 28 }
        }
        _ => 31,
    }
}

impl DateTime {
    /// Checks the parts; `at` is where the seven octets start in the whole value.
    pub(super) fn from_octets(octets: [u8; 7], at: u16) -> Result<Self, DecodeError> {
        let [low, high, month, day, hour, minute, second] = octets;
        let year = u16::from_le_bytes([low, high]);
        let bad = |field, offset: u16, found| {
            Err(DecodeError::InvalidDate { field, at: at.saturating_add(offset), found })
        };
        if year != 0 && !(1582..=9999).contains(&year) {
            return bad(Field::Year, 0, year);
        }
        if month > 12 {
            return bad(Field::Month, 2, u16::from(month));
        }
        if day > days_in_month(year, month) {
            return bad(Field::Day, 3, u16::from(day));
        }
        if hour > 23 {
            return bad(Field::Hour, 4, u16::from(hour));
        }
        if minute > 59 {
            return bad(Field::Minute, 5, u16::from(minute));
        }
        if second > 59 {
            return bad(Field::Second, 6, u16::from(second));
        }
        Ok(Self { year, month, day, hour, minute, second })
    }

    /// From parts; `None` if no calendar has them. Zero year, month or day mean unknown.
    pub fn new(parts: Parts) -> Option<Self> {
        let [low, high] = parts.year.to_le_bytes();
        let Parts { month, day, hour, minute, second, .. } = parts;
        Self::from_octets([low, high, month, day, hour, minute, second], 0).ok()
    }

    /// The seven octets as sent.
    pub const fn to_octets(self) -> [u8; 7] {
        let [low, high] = self.year.to_le_bytes();
        [low, high, self.month, self.day, self.hour, self.minute, self.second]
    }

    /// The year, if known.
    pub const fn year(self) -> Option<u16> {
        if self.year == 0 { None } else { Some(self.year) }
    }
    /// The month 1..=12, if known.
    pub const fn month(self) -> Option<u8> {
        if self.month == 0 { None } else { Some(self.month) }
    }
    /// The day 1..=31, if known.
    pub const fn day(self) -> Option<u8> {
        if self.day == 0 { None } else { Some(self.day) }
    }
    /// The hour, 0..=23.
    pub const fn hour(self) -> u8 {
        self.hour
    }
    /// The minute, 0..=59.
    pub const fn minute(self) -> u8 {
        self.minute
    }
    /// The second, 0..=59.
    pub const fn second(self) -> u8 {
        self.second
    }

    /// Whether year, month and day are all known.
    pub const fn is_complete(self) -> bool {
        self.year != 0 && self.month != 0 && self.day != 0
    }

    /// Seconds since 1970-01-01 00:00:00 on the clock that showed this; `None` if a part of the
    /// date is unknown.
    pub fn local_seconds(self) -> Option<i64> {
        if !self.is_complete() {
            return None;
        }
        let days =
            days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day))?;
        let minutes = i64::from(self.hour).checked_mul(60)?.checked_add(i64::from(self.minute))?;
        let seconds = minutes.checked_mul(60)?.checked_add(i64::from(self.second))?;
        days.checked_mul(86_400)?.checked_add(seconds)
    }

    /// The clock face at so many seconds since 1970-01-01 00:00:00; `None` outside 1582..=9999.
    pub fn from_local_seconds(seconds: i64) -> Option<Self> {
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400))?;
        let of_day = seconds.rem_euclid(86_400);
        Self::new(Parts {
            year: u16::try_from(year).ok().filter(|y| (1582..=9999).contains(y))?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
            hour: u8::try_from(of_day.div_euclid(3600)).ok()?,
            minute: u8::try_from(of_day.div_euclid(60).rem_euclid(60)).ok()?,
            second: u8::try_from(of_day.rem_euclid(60)).ok()?,
        })
    }

    /// This time moved by so many seconds over days and years; `None` if a part is unknown or the
    /// result leaves 1582..=9999. Worked value: 2020-07-14 11:06:05 and 602 min is 21:08:05.
    pub fn plus_seconds(self, seconds: i64) -> Option<Self> {
        Self::from_local_seconds(self.local_seconds()?.checked_add(seconds)?)
    }
}

/// Days since 1970-01-01 of a date; the year starts in March, so that a leap day ends it.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let shifted = if month <= 2 { year.checked_sub(1)? } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_of_year = month.checked_add(9)?.rem_euclid(12);
    let day_of_year = month_of_year.checked_mul(153)?.checked_add(2)?.div_euclid(5);
    let day_of_year = day_of_year.checked_add(day)?.checked_sub(1)?;
    let leap_days = year_of_era.div_euclid(4).checked_sub(year_of_era.div_euclid(100))?;
    let day_of_era = year_of_era.checked_mul(365)?.checked_add(leap_days)?;
    let day_of_era = day_of_era.checked_add(day_of_year)?;
    era.checked_mul(146_097)?.checked_add(day_of_era)?.checked_sub(719_468)
}

/// Year, month and day of so many days since 1970-01-01.
fn civil_from_days(days: i64) -> Option<(i64, i64, i64)> {
    let shifted = days.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let corrected = day_of_era
        .checked_sub(day_of_era.div_euclid(1_460))?
        .checked_add(day_of_era.div_euclid(36_524))?
        .checked_sub(day_of_era.div_euclid(146_096))?;
    let year_of_era = corrected.div_euclid(365);
    let leap_days = year_of_era.div_euclid(4).checked_sub(year_of_era.div_euclid(100))?;
    let before_year = year_of_era.checked_mul(365)?.checked_add(leap_days)?;
    let day_of_year = day_of_era.checked_sub(before_year)?;
    let month_of_year = day_of_year.checked_mul(5)?.checked_add(2)?.div_euclid(153);
    let before_month = month_of_year.checked_mul(153)?.checked_add(2)?.div_euclid(5);
    let day = day_of_year.checked_sub(before_month)?.checked_add(1)?;
    let month = month_of_year.checked_add(2)?.rem_euclid(12).checked_add(1)?;
    let year = era.checked_mul(400)?.checked_add(year_of_era)?;
    Some((if month <= 2 { year.checked_add(1)? } else { year }, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Option<DateTime> {
        DateTime::new(Parts { year, month, day, hour, minute, second })
    }

    #[test]
    fn every_day_from_1582_to_9999_follows_the_one_before() {
        let mut day = at(1582, 1, 1, 0, 0, 0).unwrap();
        let mut seconds = day.local_seconds().unwrap();
        let mut days = 1_u32;
        while let Some(next) = day.plus_seconds(86_400) {
            seconds += 86_400;
            assert_eq!(next.local_seconds(), Some(seconds));
            assert!(next > day);
            day = next;
            days += 1;
        }
        assert_eq!(Some(day), at(9999, 12, 31, 0, 0, 0));
        assert_eq!(days, 3_074_611);
    }

    #[test]
    fn known_instants_agree() {
        assert_eq!(at(1970, 1, 1, 0, 0, 0).unwrap().local_seconds(), Some(0));
        assert_eq!(at(2000, 2, 29, 12, 0, 0).unwrap().local_seconds(), Some(951_825_600));
        assert_eq!(at(1900, 1, 1, 0, 0, 0).unwrap().local_seconds(), Some(-2_208_988_800));
        assert_eq!(
            at(2020, 7, 14, 11, 6, 5).unwrap().plus_seconds(602 * 60),
            at(2020, 7, 14, 21, 8, 5)
        );
        assert_eq!(
            at(2024, 1, 1, 0, 30, 0).unwrap().plus_seconds(-60 * 60),
            at(2023, 12, 31, 23, 30, 0)
        );
        assert_eq!(at(9999, 12, 31, 23, 59, 59).unwrap().plus_seconds(1), None);
    }

    #[test]
    fn impossible_dates_are_refused_and_unknown_parts_are_not() {
        for bad in [
            at(1581, 1, 1, 0, 0, 0),
            at(10_000, 1, 1, 0, 0, 0),
            at(2024, 13, 1, 0, 0, 0),
            at(2023, 2, 29, 0, 0, 0),
            at(1900, 2, 29, 0, 0, 0),
            at(2024, 4, 31, 0, 0, 0),
            at(0, 2, 30, 0, 0, 0),
            at(2024, 0, 32, 0, 0, 0),
            at(2024, 1, 1, 24, 0, 0),
            at(2024, 1, 1, 0, 60, 0),
            at(2024, 1, 1, 0, 0, 60),
        ] {
            assert_eq!(bad, None);
        }
        for unknown in [at(0, 2, 29, 1, 2, 3), at(2024, 0, 31, 0, 0, 0), at(2024, 3, 0, 0, 0, 0)] {
            assert_eq!(unknown.unwrap().local_seconds(), None);
        }
    }
}
