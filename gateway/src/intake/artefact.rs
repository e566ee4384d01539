//! A person who sleeps on a glucose sensor presses its value down: a steep fall at night that comes back
//! within the hour (`clinical-rules` A9). It is known for one only afterwards, when the value has come
//! back; the readings of the dip are then marked suspect and told again. The alert they may have raised
//! stands: nobody waits an hour to see whether a low was real.

use hearth_shared::observation::{Absent, Quantity, Value};
use hearth_shared::time::{ClockTrust, UnixMillis};

use super::message;
use crate::store::observation::{self, Observation};
use crate::store::{StoreError, Tx, counter};

/// A fall steeper than this is meant, mg/dL per minute (A9).
const FALL_PER_MIN: i64 = 4;
/// It comes back within this time (A9).
const BACK_S: i64 = 60 * 60;
/// Values further apart are no fall from one to the next (the gap that ends a run, A10).
const GAP_S: i64 = 30 * 60;
/// Night on the person's clock, the usual quiet hours: minutes [from, to).
const NIGHT_MIN: (i64, i64) = (22 * 60, 7 * 60);
/// HI and LO, just beyond what a sensor shows (A9: 39 to 401).
const BEYOND: (i64, i64) = (38, 402);

/// One value of a sensor.
#[derive(Clone, Copy, Debug)]
struct Point {
    t_s: i64,
    /// Minute of the person's day.
    minute: i64,
    /// mg/dL.
    value: i64,
}

impl Point {
    fn of(o: &Observation) -> Option<Self> {
        let value = match o.reading.value {
            Ok(Value::Glucose(glucose)) => i64::from(glucose.step()),
            Err(Absent::BelowRange) => BEYOND.0,
            Err(Absent::AboveRange) => BEYOND.1,
            _ => return None,
        };
        let local_s = o.measured.seconds() + 60 * i64::from(o.offset.minutes());
        let minute = local_s.rem_euclid(86_400) / 60;
        Some(Self { t_s: o.measured.seconds(), minute, value })
    }

    fn is_at_night(self) -> bool {
        self.minute >= NIGHT_MIN.0 || self.minute < NIGHT_MIN.1
    }

    /// From here on a later value is this one again: as far below as two good devices may differ
    /// (A1: 15 mg/dL, from 100 on 15 %).
    fn regained(self) -> i64 {
        self.value - if self.value < 100 { 15 } else { self.value * 15 / 100 }
    }
}

/// Which of these values, in the order of time, lie in a dip.
fn dips(points: &[Point]) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, pair) in points.windows(2).enumerate() {
        let [before, low] = pair else { continue };
        let gap_s = low.t_s - before.t_s;
        let steep = 60 * (before.value - low.value) > FALL_PER_MIN * gap_s;
        let regained = before.regained();
        if !steep || gap_s > GAP_S || !low.is_at_night() || low.value >= regained {
            continue;
        }
        let back = points
            .iter()
            .enumerate()
            .skip(at + 2)
            .take_while(|(_, later)| later.t_s - low.t_s <= BACK_S)
            .find(|(_, later)| later.value >= regained);
        if let Some((back, _)) = back {
            found.extend(at + 1..back);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a reading can belong to a dip or end one.
pub(super) fn is_watched(o: &Observation) -> bool {
    let clock = !matches!(o.clock, ClockTrust::Suspect | ClockTrust::GatewayUnset);
    let end = NIGHT_MIN.1 + BACK_S / 60;
    let night = |p: Point| p.is_at_night() || p.minute < end;
    o.reading.quantity == Quantity::ContinuousGlucose
        && clock
        && !o.reading.marks.invalid
        && Point::of(o).is_some_and(night)
}

/// Marks the dips that new readings of a person's sensor, measured in `from..=to`, may have shown.
pub(super) fn mark(
    tx: &Tx<'_>,
    (patient, device): (&str, &str),
    (from, to): (UnixMillis, UnixMillis),
    now: UnixMillis,
) -> Result<(), StoreError> {
    let (from, to) = (from.plus_seconds(-(BACK_S + GAP_S)), to.plus_seconds(BACK_S + 1));
    let (rows, _) = observation::series(tx, patient, Quantity::ContinuousGlucose, from, to)?;
    let (mut seqs, mut points) = (Vec::new(), Vec::new());
    for row in &rows {
        let seen = &row.stored.observation;
        let usable = seen.device == device
            && !seen.reading.marks.invalid
            && !matches!(seen.clock, ClockTrust::Suspect | ClockTrust::GatewayUnset);
        if let Some(point) = Point::of(seen).filter(|_| usable) {
            seqs.push((row.stored.seq, seen.pressed));
            points.push(point);
        }
    }
    for at in dips(&points) {
        if let Some((seq, false)) = seqs.get(at) {
            observation::mark_pressed(tx, *seq)?;
            message::push_revision(tx, *seq, now)?;
            counter::add(tx, "sensor_dips_marked", 1)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Every five minutes from this minute of the day on.
    fn check(from_min: i64, values: &[i64], expected: &[usize]) {
        let points: Vec<Point> = values
            .iter()
            .zip(0..)
            .map(|(value, n)| Point {
                t_s: n * 300,
                minute: (from_min + n * 5) % 1440,
                value: *value,
            })
            .collect();
        assert_eq!(dips(&points), expected, "{values:?} from {from_min}");
    }

    #[test]
    fn a_steep_fall_at_night_that_comes_back_is_a_dip() {
        check(180, &[120, 95, 70, 62, 66, 104, 118], &[1, 2, 3, 4]);
        // 20 in five minutes is 4 a minute, not more.
        check(180, &[100, 80, 80, 100], &[]);
        check(180, &[100, 79, 80, 85], &[1, 2]);
        // LO counts as just below what the sensor shows.
        check(180, &[90, 38, 38, 88], &[1, 2]);
        // Two dips of one night.
        check(60, &[120, 80, 118, 119, 85, 120], &[1, 4]);
    }

    #[test]
    fn by_day_or_without_a_return_within_the_hour_it_is_none() {
        check(12 * 60, &[120, 70, 60, 118], &[]);
        check(180, &[120, 70, 60, 58, 57, 55], &[]);
        let hour = |between: usize| {
            let low = std::iter::repeat_n(60, between);
            [120].into_iter().chain(low).chain([118]).collect::<Vec<_>>()
        };
        check(180, &hour(12), &(1..=12).collect::<Vec<_>>());
        check(180, &hour(13), &[]);
        // A fall before bedtime is none, whatever follows; one that wakes into the morning is.
        check(21 * 60 + 50, &[120, 70, 118], &[]);
        check(6 * 60 + 50, &[120, 70, 70, 118], &[1, 2]);
    }
}
