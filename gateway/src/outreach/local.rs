//! The patient's local day and clock. Days are numbered from 1970-01-01 in local time.

use hearth_shared::time::UnixMillis;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Seconds of a day without a change of the clock.
const DAY_S: i64 = 86_400;

/// The zone of this IANA name. Only names with their usual spelling: `Europe/Berlin`, `UTC`.
pub fn zone(name: &str) -> Option<TimeZone> {
    let zone = TimeZone::get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

fn timestamp(at: UnixMillis) -> Timestamp {
    Timestamp::from_millisecond(at.millis())
        .unwrap_or_else(|_| if at.millis() < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Number of a civil date.
pub fn day_of(date: Date) -> i64 {
    // From date to date: moments end a day before the calendar does, so a zone would lose its last
    // day.
    date.duration_since(jiff::civil::date(1970, 1, 1)).as_secs().div_euclid(DAY_S)
}

/// The civil date with this number; saturates at the ends of the calendar.
pub fn date_of(day: i64) -> Date {
    Timestamp::from_second(day.saturating_mul(DAY_S)).map_or_else(
        |_| if day < 0 { Date::MIN } else { Date::MAX },
        |midnight| midnight.to_zoned_datetime(TimeZone::UTC).date(),
    )
}

/// The local day number at a moment.
pub fn day(at: UnixMillis, zone: &TimeZone) -> i64 {
    day_of(timestamp(at).to_zoned_datetime(zone.clone()).date())
}

/// The minute of the local day at a moment, 0..=1439.
pub fn minute(at: UnixMillis, zone: &TimeZone) -> u16 {
    let time = timestamp(at).to_zoned_datetime(zone.clone()).time();
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

/// Local time minus UTC in minutes, as in force at a moment.
pub fn offset_min(at: UnixMillis, zone: &TimeZone) -> i16 {
    i16::try_from(zone.to_offset(timestamp(at)).seconds().div_euclid(60)).unwrap_or(0)
}

/// The moment at which the local clock shows this minute of this day. A time that the clock skips
/// is moved forward by the gap; one that comes twice is the earlier.
pub fn at(day: i64, minute: u16, zone: &TimeZone) -> UnixMillis {
    let hour = i8::try_from((minute / 60).min(23)).unwrap_or(0);
    let minute = i8::try_from(minute % 60).unwrap_or(0);
    let zoned = date_of(day).at(hour, minute, 0, 0).to_zoned_datetime(zone.clone());
    UnixMillis::from_millis(match zoned {
        Ok(zoned) => zoned.timestamp().as_millisecond(),
        Err(_) => day.saturating_mul(DAY_S).saturating_mul(1000),
    })
}

/// The first moment of a local day.
pub fn start_of(day: i64, zone: &TimeZone) -> UnixMillis {
    let date = date_of(day);
    UnixMillis::from_millis(match date.to_zoned_datetime(zone.clone()) {
        Ok(zoned) => zoned.timestamp().as_millisecond(),
        Err(_) => day.saturating_mul(DAY_S).saturating_mul(1000),
    })
}

/// An ISO 8601 date as a day number.
pub fn parse_day(text: &str) -> Option<i64> {
    let date: Date = text.parse().ok()?;
    // jiff reads a date out of a longer date and time as well; here only the date is meant.
    (text.len() == 10).then(|| day_of(date))
}

/// A moment as RFC 3339 UTC with milliseconds, as the contract writes it.
pub fn rfc3339(at: UnixMillis) -> String {
    let stamp = timestamp(at).to_zoned_datetime(TimeZone::UTC);
    stamp.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Reads RFC 3339 with an offset.
pub fn parse_moment(text: &str) -> Option<UnixMillis> {
    let stamp: Timestamp = text.parse().ok()?;
    Some(UnixMillis::from_millis(stamp.as_millisecond()))
}

/// A moment as staff read it: local date and time in the patient's zone.
pub fn plain(at: UnixMillis, zone: &TimeZone) -> String {
    timestamp(at).to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn days_are_counted_in_the_patients_zone() {
        let berlin = zone("Europe/Berlin").unwrap();
        let late = parse_moment("2026-03-01T23:30:00Z").unwrap();
        assert_eq!(date_of(day(late, &berlin)).to_string(), "2026-03-02");
        assert_eq!(minute(late, &berlin), 30);
        assert_eq!(day(UnixMillis::from_millis(-1), &TimeZone::UTC), -1);
    }

    #[test]
    fn every_date_of_the_calendar_has_its_own_number() {
        for (text, number) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2026-03-02", 20_514),
            ("9999-12-31", 2_932_896),
        ] {
            let day = parse_day(text).unwrap();
            assert_eq!((day, date_of(day).to_string().as_str()), (number, text));
        }
    }

    #[test]
    fn a_skipped_hour_moves_forward_and_a_doubled_one_is_the_first() {
        let berlin = zone("Europe/Berlin").unwrap();
        let spring = parse_day("2026-03-29").unwrap();
        assert_eq!(rfc3339(at(spring, 150, &berlin)), "2026-03-29T01:30:00.000Z");
        let autumn = parse_day("2026-10-25").unwrap();
        assert_eq!(rfc3339(at(autumn, 150, &berlin)), "2026-10-25T00:30:00.000Z");
        assert_eq!(rfc3339(start_of(autumn, &berlin)), "2026-10-24T22:00:00.000Z");
    }

    #[test]
    fn only_the_usual_spelling_of_a_zone_is_taken() {
        assert!(zone("Europe/Berlin").is_some());
        assert!(zone("europe/berlin").is_none());
        assert!(zone("Mars/Base").is_none());
    }

    #[test]
    fn a_date_is_a_date_and_nothing_longer() {
        assert_eq!(parse_day("1970-01-02"), Some(1));
        assert_eq!(parse_day("1969-12-31"), Some(-1));
        assert_eq!(parse_day("2026-02-30"), None);
        assert_eq!(parse_day("2026-02-03T10:00"), None);
    }
}
