#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::clock::BootId;

/// 2026-03-02T08:00:00Z.
const RECEIVED_S: i64 = 1_772_438_400;

fn now(trusted: bool) -> Now {
    Now {
        wall: UnixMillis::from_seconds(RECEIVED_S),
        monotonic_ms: 0,
        boot: BootId([0; 16]),
        trusted,
    }
}

struct Given {
    /// The device's face relative to reception, in UTC.
    stamp: Stamp,
    offset_s: Option<i64>,
    fault: bool,
    trusted: bool,
    recorded: bool,
    zone: &'static str,
}

/// A device in UTC, nothing compared.
fn plain(stamp: Stamp) -> Given {
    Given { stamp, offset_s: None, fault: false, trusted: true, recorded: false, zone: "UTC" }
}

fn resolved(given: &Given) -> Timing {
    let zone = TimeZone::get(given.zone).unwrap();
    resolve(&Case {
        stamp: given.stamp,
        clock_fault: given.fault,
        clock_offset_s: given.offset_s,
        received: now(given.trusted),
        paired: UnixMillis::from_seconds(RECEIVED_S - 10 * 86_400),
        zone: &zone,
        recorded: given.recorded,
    })
}

/// Measured relative to reception in seconds, clock, error.
fn check(given: &Given, measured_s: i64, clock: ClockTrust, error_s: Option<i64>) {
    let t = resolved(given);
    let found = (t.measured.millis() / 1000 - RECEIVED_S, t.clock, t.error_s);
    assert_eq!(found, (measured_s, clock, error_s));
}

fn face(relative_s: i64) -> Stamp {
    Stamp::Local(RECEIVED_S + relative_s)
}

#[test]
fn a_compared_clock_is_believed_corrected_or_left() {
    use ClockTrust::{Corrected, Synchronised, Unchecked};
    let with = |offset_s, stamp| Given { offset_s: Some(offset_s), ..plain(stamp) };
    check(&with(0, face(-60)), -60, Synchronised, Some(60));
    check(&with(120, face(-60)), -60, Synchronised, Some(180));
    check(&with(-121, face(-600)), -600, Unchecked, Some(181));
    check(&with(300, face(-600)), -600, Unchecked, Some(360));
    check(&with(301, face(-600)), -299, Corrected, Some(60));
    // Twelve hours slow, a year slow, two days fast.
    check(&with(43_200, face(-43_260)), -60, Corrected, Some(60));
    check(&with(31_536_000, face(-31_536_060)), -60, Corrected, Some(60));
    check(&with(-172_800, face(172_740)), -60, Corrected, Some(60));
    // The battery was out: the clock starts in 2000, and was compared.
    check(&with(RECEIVED_S - 946_684_900, Stamp::Local(946_684_840)), -60, Corrected, Some(60));
    check(&plain(face(-3600)), -3600, Unchecked, None);
}

#[test]
fn a_record_from_before_the_clock_was_set_back_keeps_its_stamp() {
    // The clock now says 2000; this record was stamped last week.
    let offset_s = Some(RECEIVED_S - 946_684_900);
    let given = Given { offset_s, ..plain(face(-7 * 86_400)) };
    check(&given, -7 * 86_400, ClockTrust::Unchecked, None);
}

#[test]
fn what_contradicts_our_own_time_is_not_believed_and_not_dropped() {
    use ClockTrust::{Suspect, Unchecked};
    check(&plain(face(600)), 0, Unchecked, None);
    check(&plain(face(601)), 0, Suspect, None);
    assert!(resolved(&plain(face(601))).ahead && !resolved(&plain(face(600))).ahead);
    // Pairing minus 400 days.
    check(&plain(face(-410 * 86_400)), -410 * 86_400, Unchecked, None);
    check(&plain(face(-410 * 86_400 - 1)), 0, Suspect, None);
    check(&plain(Stamp::Local(946_684_900)), 0, Suspect, None);
    check(&plain(Stamp::Local(50)), 0, Suspect, None);
    check(&Given { fault: true, ..plain(face(-60)) }, 0, Suspect, None);
    check(&Given { offset_s: Some(0), ..plain(face(90)) }, 0, ClockTrust::Synchronised, Some(91));
}

#[test]
fn without_a_stamp_the_time_of_reception_is_used_and_says_so() {
    check(&plain(Stamp::None), 0, ClockTrust::Collector, None);
    check(&Given { fault: true, ..plain(Stamp::None) }, 0, ClockTrust::Suspect, None);
}

#[test]
fn while_our_own_clock_is_not_set_every_time_says_so() {
    let unset = |stamp| Given { trusted: false, offset_s: Some(99_999), ..plain(stamp) };
    check(&unset(Stamp::None), 0, ClockTrust::GatewayUnset, None);
    check(&unset(face(86_400)), 86_400, ClockTrust::GatewayUnset, None);
    check(&unset(Stamp::Local(50)), 50 - RECEIVED_S, ClockTrust::GatewayUnset, None);
}

#[test]
fn a_line_of_a_file_carries_its_own_time() {
    let line = |stamp| Given { recorded: true, ..plain(stamp) };
    check(&line(face(-20 * 365 * 86_400)), -20 * 365 * 86_400, ClockTrust::Unchecked, None);
    check(&line(Stamp::Utc(RECEIVED_S - 5)), -5, ClockTrust::Unchecked, None);
    check(&Given { trusted: false, ..line(face(-5)) }, -5, ClockTrust::Unchecked, None);
    check(&line(face(601)), 0, ClockTrust::Suspect, None);
}

#[test]
fn a_face_the_clock_showed_twice_or_never_is_marked() {
    // Berlin, 2025-10-26: 03:00 summer time became 02:00. 02:30 came at 00:30 and at 01:30 UTC.
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let face = 1_761_445_800; // 2025-10-26T02:30:00 read as UTC
    let case = |received_s: i64, offset_s| {
        let received = Now { wall: UnixMillis::from_seconds(received_s), ..now(true) };
        resolve(&Case {
            stamp: Stamp::Local(face),
            clock_fault: false,
            clock_offset_s: offset_s,
            received,
            paired: received.wall,
            zone: &zone,
            recorded: false,
        })
    };
    let (first, second) = (face - 7200, face - 3600);
    // Live in the second hour.
    let live = case(second + 20, Some(-3600));
    assert_eq!((live.measured.seconds(), live.ambiguous), (second, true));
    // Handed over a day later: the first.
    let later = case(second + 86_400, Some(-3600));
    assert_eq!((later.measured.seconds(), later.ambiguous), (first, true));
    assert_eq!(later.error_s, Some(3660));
    // Spring, 2026-03-29: 02:30 never was; it is moved on to 03:30 summer time, 01:30 UTC.
    let face = 1_774_751_400;
    let received = Now { wall: UnixMillis::from_seconds(face + 86_400), ..now(true) };
    let gap = resolve(&Case {
        stamp: Stamp::Local(face),
        clock_fault: false,
        clock_offset_s: None,
        received,
        paired: received.wall,
        zone: &zone,
        recorded: false,
    });
    assert!(gap.ambiguous);
    let off = gap.measured.seconds() - face;
    assert!(off == -3600 || off == -7200, "{off}");
}

#[test]
fn a_device_in_another_zone_than_utc_is_read_there() {
    // New York is at -05:00: a right clock shows five hours less than UTC.
    let given =
        Given { zone: "America/New_York", offset_s: Some(5 * 3600), ..plain(face(-5 * 3600 - 60)) };
    check(&given, -60, ClockTrust::Synchronised, Some(60));
    // The traveller's device still shows Berlin time: shifted.
    let given = Given { zone: "America/New_York", offset_s: Some(-3600), ..plain(face(3600 - 60)) };
    check(&given, -60, ClockTrust::Corrected, Some(60));
}
