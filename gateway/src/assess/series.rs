//! Readings of one person and quantity to daily values: `clinical-rules` B3, all steps.
//!
//! Steps 1 to 3 need every reading's identity, so they run here and not in the bounded core. The
//! result depends only on the set of readings: order, repetition and lateness change nothing.

use std::collections::BTreeMap;

use hearth_shared::assess::trend::plan::{DAY_MAX, VALUE_MAX};
use hearth_shared::assess::trend::{DayValue, Measured};
use hearth_shared::observation::{Absent, Value};

use crate::programme::SeriesKind;

/// Which readings count, and what a day's value is (B2; the rest of B2 is the rule's `Plan`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Accepted values in the plan's unit, both ends inclusive; HI and LO count as the ends.
    pub plaus: (i64, i64),
    /// Minutes of the local clock a reading must lie in, `from <= minute < to`.
    pub tod: Option<(i64, i64)>,
    /// Context tag a reading must have.
    pub ctx: Option<String>,
    /// Offset from UTC in minutes for readings without their own.
    pub tz: i64,
    /// Minute of the local clock at which a local day begins.
    pub day_start: i64,
    /// Days before the start that are looked at.
    pub lookback: i64,
    /// Readings kept per day for the median: the earliest.
    pub k_per_day: i64,
    /// How a day is summed up.
    pub summary: Summary,
}

/// Usual time between two values, seconds, from which on a sensor fills quarter hours rather than
/// slots of five minutes.
const QUARTER_HOURLY_FROM_S: i64 = 600;

/// Slots of 15 minutes a day needs: 70 % of 96 (B3).
const QUARTER_HOURS_MIN: i64 = 68;

/// The usual time between two values in seconds: the median of the steps between measured times
/// (ascending; equal ones count once). `None` where there are less than two.
pub fn usual_spacing_s(times: impl Iterator<Item = i64>) -> Option<i64> {
    let mut before = None;
    let mut steps: Vec<i64> =
        times.filter_map(|t| before.replace(t).map(|b: i64| t - b)).filter(|s| *s > 0).collect();
    let middle = steps.len() / 2;
    (!steps.is_empty()).then(|| *steps.select_nth_unstable(middle).1)
}

/// How a day's readings become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// Twice the median of the kept readings.
    Median,
    /// Twice the per mille of clock slots whose first reading lies within `lo..=hi`.
    TimeInRange {
        /// Lower end of the range, inclusive.
        lo: i64,
        /// Upper end of the range, inclusive.
        hi: i64,
        /// Length of a slot in minutes.
        slot: i64,
        /// Slots needed for a day to count as measured.
        min_n: i64,
    },
}

impl Summary {
    /// The same for a sensor that gives a value as often as this ([`usual_spacing_s`]). A programme
    /// counts slots of five minutes; a sensor with a value every 15 minutes could never fill 202 of
    /// them, so its slots are quarter hours, and a day needs 68 (B3: 70 %).
    #[must_use]
    pub const fn suited_to(self, spacing_s: Option<i64>) -> Self {
        match (self, spacing_s) {
            (Self::TimeInRange { lo, hi, slot: ..=9, .. }, Some(QUARTER_HOURLY_FROM_S..)) => {
                Self::TimeInRange { lo, hi, slot: 15, min_n: QUARTER_HOURS_MIN }
            }
            (other, _) => other,
        }
    }
}

/// What a device showed instead of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Saturated {
    /// A number.
    #[default]
    No,
    /// HI: above the device's range.
    High,
    /// LO: below the device's range.
    Low,
}

/// One reading as the rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesReading<'a> {
    /// Measured time, UTC seconds.
    pub t: i64,
    /// Value in the plan's unit; ignored if saturated.
    pub value: i64,
    /// HI or LO.
    pub saturated: Saturated,
    /// Local time minus UTC in minutes, where the reading has its own.
    pub tz: Option<i64>,
    /// Identity: the observation's id. Without one, second and value are the identity.
    pub id: Option<&'a str>,
    /// Context tag, such as `fasting`.
    pub ctx: Option<&'a str>,
    /// The device says that the value is bad.
    pub invalid: bool,
}

/// An observation's value in the plan's unit (the rule's steps of A9), with HI and LO; `None` if it
/// says nothing about this series. A value that A9 calls implausible or invalid stays out of every
/// trend: the caller says so with [`SeriesReading::invalid`].
pub fn in_steps(kind: SeriesKind, value: &Result<Value, Absent>) -> Option<(i64, Saturated)> {
    let step = match (kind, value) {
        (_, Err(Absent::AboveRange)) => return Some((0, Saturated::High)),
        (_, Err(Absent::BelowRange)) => return Some((0, Saturated::Low)),
        (SeriesKind::Glucose | SeriesKind::ContinuousGlucose, Ok(Value::Glucose(glucose))) => {
            glucose.step()
        }
        (SeriesKind::Systolic, Ok(Value::BloodPressure { systolic, .. })) => systolic.step(),
        (SeriesKind::Diastolic, Ok(Value::BloodPressure { diastolic, .. })) => diastolic.step(),
        (SeriesKind::Weight, Ok(Value::Mass(mass))) => mass.step(),
        _ => return None,
    };
    Some((i64::from(step), Saturated::No))
}

/// The daily values of one series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Measured days, ascending.
    pub days: Vec<DayValue>,
    /// The smallest local day with an accepted reading.
    pub first_day: Option<i32>,
    /// Distinct readings accepted, within the lookback.
    pub accepted: usize,
}

impl Series {
    /// The input of an evaluation.
    pub fn measured(&self) -> Measured<'_> {
        Measured { days: &self.days, first_day: self.first_day }
    }
}

/// A reading that the rule's arithmetic cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// The measured time lies millions of years away.
    #[error("the time {t} of a reading is out of range")]
    Time {
        /// UTC seconds.
        t: i64,
    },
    /// `plaus` accepts a value beyond +-1 000 000 000.
    #[error("the value {value} of a reading is out of range")]
    Value {
        /// The value.
        value: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Accepted {
    /// Local time in seconds; the order of B3 is (local time, value).
    local: i64,
    value: i64,
    day: i32,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identity<'a> {
    Given(&'a str),
    TimeAndValue(i64, i64),
}

/// Daily values of all `readings` for a plan that begins on local day `start`.
///
/// # Errors
/// An accepted reading with a time or value beyond what the rule can compute with.
pub fn daily<'a>(
    selection: &Selection,
    start: i64,
    readings: impl IntoIterator<Item = SeriesReading<'a>>,
) -> Result<Series, SeriesError> {
    let mut distinct: BTreeMap<Identity<'a>, Accepted> = BTreeMap::new();
    for reading in readings {
        let Some(accepted) = accept(selection, &reading)? else { continue };
        let identity = match reading.id {
            Some(id) => Identity::Given(id),
            None => Identity::TimeAndValue(reading.t, accepted.value),
        };
        let kept = distinct.entry(identity).or_insert(accepted);
        *kept = accepted.min(*kept);
    }
    let earliest = start.saturating_sub(selection.lookback);
    let mut accepted: Vec<Accepted> =
        distinct.into_values().filter(|a| i64::from(a.day) >= earliest).collect();
    // The order of (local time, value); the day is a function of the local time.
    accepted.sort_unstable();
    let days = accepted.chunk_by(|a, b| a.day == b.day).filter_map(|day| {
        let y = match selection.summary {
            Summary::Median => Some(median_y(day, selection.k_per_day)),
            Summary::TimeInRange { lo, hi, slot, min_n } => {
                let inside = |value| lo <= value && value <= hi;
                time_in_range_y(day, inside, slot, min_n)
            }
        };
        Some(DayValue { day: day.first()?.day, y: y? })
    });
    Ok(Series {
        days: days.collect(),
        first_day: accepted.first().map(|a| a.day),
        accepted: accepted.len(),
    })
}

/// B3 steps 1 and 2.
fn accept(
    selection: &Selection,
    reading: &SeriesReading<'_>,
) -> Result<Option<Accepted>, SeriesError> {
    let (lo, hi) = selection.plaus;
    let value = match reading.saturated {
        Saturated::No => reading.value,
        Saturated::High => hi,
        Saturated::Low => lo,
    };
    let wrong_ctx = selection.ctx.is_some() && selection.ctx.as_deref() != reading.ctx;
    if reading.invalid || value < lo || value > hi || wrong_ctx {
        return Ok(None);
    }
    let out_of_range = SeriesError::Time { t: reading.t };
    let minutes = reading.tz.unwrap_or(selection.tz);
    let local = minutes
        .checked_mul(60)
        .and_then(|offset| reading.t.checked_add(offset))
        .ok_or(out_of_range)?;
    let minute = local.rem_euclid(86_400) / 60;
    if selection.tod.is_some_and(|(from, to)| minute < from || minute >= to) {
        return Ok(None);
    }
    let day = selection
        .day_start
        .checked_mul(60)
        .and_then(|shift| local.checked_sub(shift))
        .map(|seconds| seconds.div_euclid(86_400))
        .filter(|day| (-DAY_MAX..=DAY_MAX).contains(day))
        .and_then(|day| i32::try_from(day).ok())
        .ok_or(out_of_range)?;
    if value.checked_abs().is_none_or(|size| size > VALUE_MAX) {
        return Err(SeriesError::Value { value });
    }
    Ok(Some(Accepted { local, value, day }))
}

/// B3 step 5 for a median; `day` holds at least one reading, in order.
fn median_y(day: &[Accepted], k_per_day: i64) -> i32 {
    let kept = usize::try_from(k_per_day).unwrap_or(usize::MAX).clamp(1, day.len().max(1));
    let mut values: Vec<i64> = day.iter().take(kept).map(|a| a.value).collect();
    values.sort_unstable();
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    // `accept` keeps values within 10^9, so the sum of two fits 32 bits.
    (at((values.len().saturating_sub(1)) / 2) + at(values.len() / 2)) as i32
}

/// B3 step 5 for time in range. Slots follow the clock, whatever `day_start` is.
fn time_in_range_y(
    day: &[Accepted],
    inside: impl Fn(i64) -> bool,
    slot: i64,
    min_n: i64,
) -> Option<i32> {
    let slot_seconds = slot.max(1).saturating_mul(60);
    let mut slots: BTreeMap<i64, bool> = BTreeMap::new();
    for reading in day {
        let slot = reading.local.rem_euclid(86_400) / slot_seconds;
        slots.entry(slot).or_insert_with(|| inside(reading.value));
    }
    let n = slots.len() as i64;
    if n == 0 || n < min_n {
        return None;
    }
    let within = slots.values().filter(|within| **within).count() as i64;
    i32::try_from(2 * (1000 * within / n)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hearth_shared::units::{Glucose, Mass, Pressure};

    use super::*;

    #[test]
    fn observations_come_in_the_steps_of_the_rule() {
        use SeriesKind::{ContinuousGlucose, Diastolic, Glucose as Meter, Systolic, Weight};
        let number = |step| Some((step, Saturated::No));
        let sugar = Ok(Value::Glucose(Glucose::from_umol_per_l(10_000)));
        assert_eq!(in_steps(Meter, &sugar), number(180));
        assert_eq!(in_steps(ContinuousGlucose, &sugar), number(180));
        assert_eq!(in_steps(Weight, &sugar), None);
        let (systolic, diastolic) =
            (Pressure::from_pascals(16_000), Pressure::from_pascals(10_666));
        let pressure = Ok(Value::BloodPressure { systolic, diastolic, mean: None });
        assert_eq!(in_steps(Systolic, &pressure), number(120));
        assert_eq!(in_steps(Diastolic, &pressure), number(80));
        let mass = Ok(Value::Mass(Mass::from_grams(81_360)));
        assert_eq!(in_steps(Weight, &mass), number(8136));
        assert_eq!(in_steps(Meter, &Err(Absent::AboveRange)), Some((0, Saturated::High)));
        assert_eq!(in_steps(Meter, &Err(Absent::BelowRange)), Some((0, Saturated::Low)));
        assert_eq!(in_steps(Meter, &Err(Absent::NotANumber)), None);
    }

    #[test]
    fn slots_are_suited_to_how_often_the_sensor_speaks() {
        let slots = |slot, min_n| Summary::TimeInRange { lo: 70, hi: 180, slot, min_n };
        let five = slots(5, 202);
        let spacing = |minutes: &[i64]| usual_spacing_s(minutes.iter().map(|m| m * 60));
        // A gap, a second copy, and one value alone say nothing about the usual.
        for every_five in [&[0, 5, 10, 180, 185, 190][..], &[0, 0, 5, 5, 10], &[3], &[]] {
            assert_eq!(five.suited_to(spacing(every_five)), five, "{every_five:?}");
        }
        for quarter_hourly in [&[0, 15, 30, 45][..], &[0, 16, 29, 300, 314], &[0, 10]] {
            assert_eq!(five.suited_to(spacing(quarter_hourly)), slots(15, 68));
        }
        for own in [slots(15, 80), slots(30, 30), Summary::Median] {
            assert_eq!(own.suited_to(Some(900)), own);
        }
    }

    #[test]
    fn what_the_rule_cannot_compute_with_is_an_error() {
        let selection = Selection {
            plaus: (i64::MIN, i64::MAX),
            tod: None,
            ctx: None,
            tz: 0,
            day_start: 0,
            lookback: 90,
            k_per_day: 8,
            summary: Summary::Median,
        };
        let reading = SeriesReading {
            t: 0,
            value: 1,
            saturated: Saturated::No,
            tz: None,
            id: None,
            ctx: None,
            invalid: false,
        };
        let of = |reading| daily(&selection, 0, [reading]);
        assert_eq!(of(reading).unwrap().days, [DayValue { day: 0, y: 2 }]);
        for value in [i64::MIN, i64::MAX, VALUE_MAX + 1] {
            assert_eq!(of(SeriesReading { value, ..reading }), Err(SeriesError::Value { value }));
        }
        for t in [i64::MIN, i64::MAX, 1 << 60] {
            assert_eq!(of(SeriesReading { t, ..reading }), Err(SeriesError::Time { t }));
        }
        let far = SeriesReading { tz: Some(i64::MAX), ..reading };
        assert_eq!(of(far), Err(SeriesError::Time { t: 0 }));
        let rejected = SeriesReading { invalid: true, t: i64::MAX, ..reading };
        assert_eq!(of(rejected).unwrap(), Series::default());
    }
}
