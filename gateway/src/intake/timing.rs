//! From what the device's clock showed to UTC, and how surely. Pure; recomputable from the journal.
//!
//! `clinical-rules` B6 where it differs from `bluetooth-profiles` 17.3. In this order:
//!
//! | case | measured | clock |
//! |---|---|---|
//! | a line of a file | its own time | `unchecked` |
//! | our own clock was never set | the stamp in its zone, else reception | `gateway_unset` |
//! | no usable stamp | reception | `collector`, with a fault bit `suspect` |
//! | fault bit; 1970 or 2000 without a comparison | reception | `suspect` |
//! | compared in this connection, off by more than 5 min | stamp + difference | `corrected` |
//! | compared, off by at most 2 min / by 2 to 5 min | stamp | `synchronised` / `unchecked` |
//! | not compared | stamp | `unchecked` |
//! | then: more than 10 min after reception, or 400 days before pairing | reception | `suspect` |
//! | then: up to 10 min after reception | reception | as it was |
//!
//! A corrected stamp that would lie in the future although the stamp itself does not was taken
//! before the device's clock was set back: the stamp stands, `unchecked`, its error unknown.

use hearth_shared::time::{ClockTrust, UnixMillis};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::decode::Stamp;
use crate::clock::Now;

/// A difference beyond this is applied (B6).
const SHIFT_S: i64 = 5 * 60;
/// A difference up to this counts as none (17.3).
const SYNCHRONISED_S: i64 = 2 * 60;
/// A stamp further ahead of reception is not believed (B6).
const AHEAD_S: i64 = 10 * 60;
/// A stamp further before pairing is not believed (B6).
const BEFORE_PAIRING_S: i64 = 400 * 86_400;
/// The step of a clock that stands twice on one stamp is at most this in every zone in use.
const OVERLAP_S: i64 = 3600;

/// What is known about one stamp.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What the payload says.
    pub stamp: Stamp,
    /// The device reported that its clock is not set or faulty.
    pub clock_fault: bool,
    /// Our UTC minus the device's clock read as UTC, sampled in this connection.
    pub clock_offset_s: Option<i64>,
    /// When it was received.
    pub received: Now,
    /// When the device came onto the roster.
    pub paired: UnixMillis,
    /// The zone of the device's clock.
    pub zone: &'a TimeZone,
    /// A line of a recorded file: it carries its own time.
    pub recorded: bool,
}

/// When it was, and how surely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// UTC.
    pub measured: UnixMillis,
    /// How it was arrived at.
    pub clock: ClockTrust,
    /// Bound on the error in seconds; `None`: unknown.
    pub error_s: Option<i64>,
    /// The stamp stood twice on the clock, or never (the change to or from summer time).
    pub ambiguous: bool,
    /// The stamp lay more than 10 min after reception: the device's clock needs a look.
    pub ahead: bool,
}

/// Derives the time of measurement.
pub fn resolve(case: &Case<'_>) -> Timing {
    let reception = |clock, error_s| Timing {
        measured: case.received.wall,
        clock,
        error_s,
        ambiguous: false,
        ahead: false,
    };
    if !case.recorded && !case.received.trusted {
        return match case.stamp {
            Stamp::None => reception(ClockTrust::GatewayUnset, None),
            _ => {
                let (measured, ambiguous) = instant(case, None);
                Timing {
                    measured,
                    clock: ClockTrust::GatewayUnset,
                    error_s: None,
                    ambiguous,
                    ahead: false,
                }
            }
        };
    }
    if case.recorded {
        let (measured, ambiguous) = match case.stamp {
            Stamp::None => (case.received.wall, false),
            _ => instant(case, None),
        };
        let error_s = ambiguous.then_some(OVERLAP_S);
        let clock = ClockTrust::Unchecked;
        return clamp(case, Timing { measured, clock, error_s, ambiguous, ahead: false });
    }
    match case.stamp {
        _ if case.clock_fault => reception(ClockTrust::Suspect, None),
        // Received as it was measured, or a stored record without a time: unknown how long ago.
        Stamp::None => reception(ClockTrust::Collector, None),
        Stamp::Local(seconds) if case.clock_offset_s.is_none() && is_default(seconds) => {
            reception(ClockTrust::Suspect, None)
        }
        Stamp::Local(_) => clamp(case, local(case)),
        Stamp::Utc(seconds) => clamp(
            case,
            Timing {
                measured: UnixMillis::from_seconds(seconds),
                clock: ClockTrust::Unchecked,
                error_s: None,
                ambiguous: false,
                ahead: false,
            },
        ),
    }
}

/// A device's clock face, corrected if it was compared in this connection.
fn local(case: &Case<'_>) -> Timing {
    let now_s = case.received.wall.seconds();
    let difference = case
        .clock_offset_s
        .map(|offset| offset.saturating_add(zone_offset_s(case.zone, case.received.wall)));
    let (measured, ambiguous) = instant(case, difference);
    let clock = ClockTrust::Unchecked;
    let plain = Timing { measured, clock, error_s: None, ambiguous, ahead: false };
    let Some(difference) = difference else { return plain };
    let off = difference.saturating_abs();
    if off <= SHIFT_S {
        let clock =
            if off <= SYNCHRONISED_S { ClockTrust::Synchronised } else { ClockTrust::Unchecked };
        let error = if ambiguous { OVERLAP_S } else { 0 };
        return Timing { clock, error_s: Some(off + 60 + error), ..plain };
    }
    let shifted = measured.plus_seconds(difference);
    let is_future = |t: UnixMillis| t.seconds() > now_s.saturating_add(AHEAD_S);
    if is_future(shifted) && !is_future(measured) && measured >= oldest(case) {
        return plain;
    }
    let clock = ClockTrust::Corrected;
    Timing { measured: shifted, clock, error_s: Some(60), ambiguous, ahead: false }
}

/// The last step of the table: what contradicts our own time is not believed.
fn clamp(case: &Case<'_>, t: Timing) -> Timing {
    let received = case.received.wall;
    let ahead_ms = t.measured.millis().saturating_sub(received.millis());
    let ancient = !case.recorded && t.measured < oldest(case);
    if ahead_ms > AHEAD_S * 1000 || ancient {
        return Timing {
            measured: received,
            clock: ClockTrust::Suspect,
            error_s: None,
            ambiguous: t.ambiguous,
            ahead: ahead_ms > AHEAD_S * 1000,
        };
    }
    if ahead_ms > 0 {
        let ahead_s = ahead_ms / 1000 + 1;
        let error_s = t.error_s.map(|e| e.max(ahead_s));
        return Timing { measured: received, error_s, ..t };
    }
    t
}

fn oldest(case: &Case<'_>) -> UnixMillis {
    case.paired.plus_seconds(-BEFORE_PAIRING_S)
}

/// The stamp in the zone. A face the clock showed twice is the one just before reception if there
/// is one, else the first; a face it never showed is moved by the gap.
fn instant(case: &Case<'_>, difference: Option<i64>) -> (UnixMillis, bool) {
    let face = match case.stamp {
        Stamp::None => return (case.received.wall, false),
        Stamp::Utc(seconds) => return (UnixMillis::from_seconds(seconds), false),
        Stamp::Local(seconds) => seconds,
    };
    let Some(civil) = civil(face) else { return (UnixMillis::from_seconds(face), false) };
    let found = case.zone.to_ambiguous_timestamp(civil);
    let ambiguous = found.is_ambiguous();
    let at = |t: Result<Timestamp, jiff::Error>| {
        t.map_or(UnixMillis::from_seconds(face), |t| UnixMillis::from_millis(t.as_millisecond()))
    };
    if !ambiguous {
        return (at(found.compatible()), false);
    }
    let (first, second) = (at(found.earlier()), at(found.later()));
    let (first, second) = (first.min(second), first.max(second));
    let ago_s = case.received.wall.seconds().saturating_sub(second.seconds());
    // A device whose clock is off says nothing about which of the two it was.
    let checked = difference.is_none_or(|d| d.saturating_abs() <= SHIFT_S);
    let live = checked && (-SYNCHRONISED_S..=AHEAD_S).contains(&ago_s);
    (if live { second } else { first }, true)
}

fn civil(seconds: i64) -> Option<DateTime> {
    Timestamp::from_second(seconds).ok().map(|t| TimeZone::UTC.to_datetime(t))
}

fn zone_offset_s(zone: &TimeZone, at: UnixMillis) -> i64 {
    Timestamp::from_millisecond(at.millis()).map_or(0, |t| i64::from(zone.to_offset(t).seconds()))
}

/// 1970 or 2000: where clocks start after their battery was taken out.
fn is_default(face_s: i64) -> bool {
    civil(face_s).is_none_or(|t| matches!(t.year(), 1970 | 2000))
}

#[cfg(test)]
mod tests;
