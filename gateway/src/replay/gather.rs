//! From the messages that would have gone out to the record of one person. Nothing is judged here:
//! what is shown is what the path has said.

use std::collections::BTreeMap;

use hearth_shared::observation::Quantity;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::patient::{AlertMark, Course, Level, Point, PromptMark, Shown, TaskMark, VerdictMark};
use crate::store::outbox_page::Row;
use crate::uplink::message::{self, Body};

/// What the plan looks at, as far as a drawing needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    /// Plan id.
    pub(super) plan: String,
    /// Programme id.
    pub(super) programme: String,
    /// What it watches.
    pub(super) quantity: Quantity,
    /// First local day.
    pub(super) start_day: i32,
    /// Days from the start to the first final evaluation.
    pub(super) horizon: i32,
    /// Days before and after the start that count as baseline.
    pub(super) base: (i32, i32),
    /// Length of the recent window in days.
    pub(super) recent: i32,
    /// Target in rule steps, inclusive.
    pub(super) target: (Option<i64>, Option<i64>),
    /// Target of the diastolic series.
    pub(super) target_second: (Option<i64>, Option<i64>),
    /// Context a reading must have.
    pub(super) context: Option<String>,
    /// Clock window in minutes, [from, to).
    pub(super) window: Option<(i64, i64)>,
    /// Minute at which a local day begins.
    pub(super) day_start: i64,
    /// Readings kept per day.
    pub(super) per_day: usize,
}

/// Everything gathered so far.
#[derive(Debug)]
pub(super) struct Gathered {
    zone: TimeZone,
    frames: Vec<Frame>,
    points: BTreeMap<&'static str, Vec<(Point, Option<String>)>>,
    units: BTreeMap<&'static str, &'static str>,
    verdicts: BTreeMap<String, Vec<VerdictMark>>,
    pub(super) alerts: Vec<AlertMark>,
    pub(super) prompts: Vec<PromptMark>,
    pub(super) tasks: Vec<TaskMark>,
    pub(super) absent: u64,
}

impl Gathered {
    pub(super) fn new(zone: TimeZone, frames: Vec<Frame>) -> Self {
        Self {
            zone,
            frames,
            points: BTreeMap::new(),
            units: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            alerts: Vec::new(),
            prompts: Vec::new(),
            tasks: Vec::new(),
            absent: 0,
        }
    }

    /// Takes one message; `ended`: the recording is over. `plan` is the plan a prompt serves.
    pub(super) fn take(
        &mut self,
        row: &Row,
        plan: Option<&str>,
        ended: bool,
    ) -> Result<(), serde_json::Error> {
        // A prompt that was taken back later, because the person measured, had gone out all the same.
        if row.tombstone && row.kind != "prompt" {
            return Ok(());
        }
        let made = self.local(row.created.millis().div_euclid(1000));
        match serde_json::from_str::<Body>(&row.body)? {
            Body::Observation(seen) => self.observation(&seen),
            Body::Alert(change) => self.alert(&change, made),
            Body::Prompt(prompt) => self.prompts.push(PromptMark {
                local_s: made,
                kind: prompt.prompt,
                text: prompt.text,
                programme: self
                    .frames
                    .iter()
                    .find(|frame| plan == Some(frame.plan.as_str()))
                    .map(|frame| frame.programme.clone()),
                after_record: ended,
            }),
            Body::Task(task) if task.state == "open" => {
                self.tasks.push(TaskMark {
                    local_s: made,
                    reason: task.reason,
                    after_record: ended,
                });
            }
            Body::Verdict(verdict) => self.verdict(verdict),
            Body::Task(_) | Body::Notice(_) | Body::Tombstone(_) => {}
            #[allow(unreachable_patterns)] // Answers to commands and the like are of no interest.
            _ => {}
        }
        Ok(())
    }

    fn local(&self, utc_s: i64) -> i64 {
        let at = Timestamp::from_second(utc_s).unwrap_or(Timestamp::UNIX_EPOCH);
        utc_s + i64::from(self.zone.to_offset(at).seconds())
    }

    fn observation(&mut self, seen: &message::Observation) {
        if seen.revision > 0 {
            return;
        }
        let quantity = Quantity::ALL.into_iter().find(|q| q.as_str() == seen.quantity);
        let (Some(quantity), Some(local_s)) = (quantity, wall_clock(&seen.measured)) else {
            return;
        };
        let number =
            |n: &Option<serde_json::Number>| n.as_ref().and_then(serde_json::Number::as_f64);
        let value = match (number(&seen.value), seen.absent.as_deref()) {
            (Some(value), _) if seen.plausibility == "accepted" => Shown::Value(value),
            (Some(value), _) => Shown::Implausible(value),
            (None, Some("above_range")) => Shown::Above,
            (None, Some("below_range")) => Shown::Below,
            (None, _) => Shown::Absent,
        };
        if seen.absent.is_some() {
            self.absent += 1;
        }
        let marked = seen.marks.iter().any(|m| m == "invalid");
        let counted = !marked && !matches!(value, Shown::Implausible(_) | Shown::Absent);
        let point = Point { local_s, value, second: number(&seen.diastolic), counted };
        self.units.entry(quantity.as_str()).or_insert_with(|| unit(&seen.unit));
        self.points.entry(quantity.as_str()).or_default().push((point, seen.meal.clone()));
    }

    fn alert(&mut self, change: &message::Alert, made: i64) {
        let local_s = wall_utc(&change.at).map_or(made, |utc| self.local(utc));
        let level = Level::from_letter(&change.level);
        if change.to != "Active" {
            return;
        }
        match change.reason.as_str() {
            "raised" | "symptom" if matches!(change.from.as_str(), "Active" | "Acked") => {
                let same = |a: &&mut AlertMark| a.rule == change.rule;
                if let Some(mark) = self.alerts.iter_mut().rev().find(same) {
                    mark.level = level;
                }
            }
            "live" | "ack_patient" => {}
            reason => self.alerts.push(AlertMark {
                local_s,
                rule: change.rule.clone(),
                level,
                reason: reason.to_owned(),
            }),
        }
    }

    fn verdict(&mut self, made: message::Verdict) {
        let Some(day) = day_number(&made.day) else { return };
        self.verdicts.entry(made.plan).or_default().push(VerdictMark {
            day,
            phase: made.phase,
            verdict: made.verdict,
            reason: made.reason,
            published: made.published,
            action: made.action,
            sentence: made.sentence,
        });
    }

    /// One course per plan, with what it counts and its daily medians.
    pub(super) fn courses(&mut self, medication: &[(i32, String)]) -> Vec<Course> {
        let frames = std::mem::take(&mut self.frames);
        frames.into_iter().map(|frame| self.course(frame, medication)).collect()
    }

    fn course(&mut self, frame: Frame, medication: &[(i32, String)]) -> Course {
        let word = frame.quantity.as_str();
        let unit = self.units.get(word).copied().unwrap_or("");
        let mut points: Vec<Point> = Vec::new();
        for (mut point, meal) in self.points.remove(word).unwrap_or_default() {
            let minute = point.local_s.rem_euclid(86_400) / 60;
            let in_window = frame.window.is_none_or(|(from, to)| (from..to).contains(&minute));
            let in_context = frame.context.as_ref().is_none_or(|c| meal.as_ref() == Some(c));
            point.counted &= in_window && in_context;
            points.push(point);
        }
        points.sort_by_key(|p| p.local_s);
        let verdicts = self.verdicts.remove(&frame.plan).unwrap_or_default();
        let last = verdicts.last().map(|v| v.day);
        let changes = medication.iter().map(|(day, _)| *day);
        let start_day = changes
            .filter(|day| *day > frame.start_day && last.is_none_or(|last| *day <= last))
            .max()
            .unwrap_or(frame.start_day);
        let end = last.unwrap_or(start_day + 42);
        let scaled = |(low, high): (Option<i64>, Option<i64>)| {
            let to_unit = |steps: i64| in_unit(frame.quantity, unit, steps);
            (low.map(to_unit), high.map(to_unit))
        };
        Course {
            medians: medians(&points, frame.day_start, frame.per_day),
            target: scaled(frame.target),
            target_second: scaled(frame.target_second),
            programme: frame.programme,
            quantity: frame.quantity,
            unit,
            start_day,
            baseline: (start_day - frame.base.0, start_day + frame.base.1),
            recent: (end - frame.recent, end),
            medication: medication.to_vec(),
            points,
            verdicts,
        }
    }
}

/// Rule steps (1 mg/dL, 1 mmHg, 10 g) in the unit that is shown.
fn in_unit(quantity: Quantity, unit: &str, steps: i64) -> f64 {
    let steps = steps as f64;
    match (quantity, unit) {
        (_, "mmol/L") => steps / 18.015_6,
        (_, "kPa") => steps * 0.133_322,
        (Quantity::Weight, "lb") => steps / 45.359_2,
        (Quantity::Weight, _) => steps / 100.0,
        _ => steps,
    }
}

/// The unit as people write it.
fn unit(ucum: &str) -> &'static str {
    match ucum {
        "mg/dL" => "mg/dL",
        "mmol/L" => "mmol/L",
        "mm[Hg]" => "mmHg",
        "kPa" => "kPa",
        "kg" => "kg",
        "[lb_av]" => "lb",
        "/min" => "per minute",
        "Cel" => "\u{b0}C",
        "[degF]" => "\u{b0}F",
        "%" => "%",
        _ => "",
    }
}

/// Daily medians of what the plan counts: the earliest `per_day` readings of a day that begins at
/// minute `day_start`. For drawing; the rule computes its own.
fn medians(points: &[Point], day_start: i64, per_day: usize) -> Vec<(i32, f64, Option<f64>)> {
    let mut days: BTreeMap<i32, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for point in points.iter().filter(|p| p.counted) {
        let Shown::Value(value) = point.value else { continue };
        let day = (point.local_s - 60 * day_start).div_euclid(86_400);
        let day = days.entry(i32::try_from(day).unwrap_or_default()).or_default();
        if day.0.len() < per_day {
            day.0.push(value);
            day.1.extend(point.second);
        }
    }
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let (low, high) = ((values.len().checked_sub(1)?) / 2, values.len() / 2);
        Some((values.get(low)? + values.get(high)?) / 2.0)
    };
    days.into_iter()
        .filter_map(|(day, (first, second))| Some((day, middle(first)?, middle(second))))
        .collect()
}

/// The wall clock of an RFC 3339 time with an offset: `2026-03-01T07:30:00+01:00` is 07:30.
fn wall_clock(text: &str) -> Option<i64> {
    let zoned: jiff::fmt::temporal::Pieces<'_> = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    let civil = zoned.date().to_datetime(zoned.time()?);
    TimeZone::UTC.to_timestamp(civil).ok().map(Timestamp::as_second)
}

fn wall_utc(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

pub(super) fn day_number(text: &str) -> Option<i32> {
    let date: jiff::civil::Date = text.parse().ok()?;
    Some((date - jiff::civil::date(1970, 1, 1)).get_days())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_median_of_a_day_is_that_of_its_earliest_counted_readings() {
        let at = |hour: i64, value, counted| Point {
            local_s: hour * 3600,
            value: Shown::Value(value),
            second: None,
            counted,
        };
        let points = [
            at(3, 100.0, true),
            at(7, 140.0, true),
            at(8, 120.0, true),
            at(9, 999.0, false),
            at(12, 500.0, true),
        ];
        assert_eq!(medians(&points, 0, 3), [(0, 120.0, None)]);
        assert_eq!(medians(&points, 240, 2), [(-1, 100.0, None), (0, 130.0, None)]);
    }

    #[test]
    fn a_prompt_that_was_taken_back_later_had_gone_out() {
        let mut gather = Gathered::new(TimeZone::UTC, Vec::new());
        let body = message::Prompt {
            prompt: "nudge".to_owned(),
            need: None,
            attempt: 1,
            language: "en".to_owned(),
            text: "Please measure.".to_owned(),
            silent: false,
            level: None,
            answers: Vec::new(),
        };
        let row = Row {
            lane: message::Lane::Alerts,
            seq: 1,
            id: uuid::Uuid::nil(),
            kind: "prompt".to_owned(),
            patient: Some("p1".to_owned()),
            body: serde_json::to_string(&Body::Prompt(body)).unwrap(),
            created: hearth_shared::time::UnixMillis::from_seconds(60),
            expires: None,
            tombstone: true,
            damaged: false,
        };
        gather.take(&row, None, false).unwrap();
        assert_eq!(gather.prompts.len(), 1);
    }

    #[test]
    fn steps_come_back_in_the_unit_that_was_displayed() {
        assert_eq!(in_unit(Quantity::Glucose, "mg/dL", 130), 130.0);
        assert!((in_unit(Quantity::ContinuousGlucose, "mmol/L", 180) - 9.99).abs() < 0.01);
        assert_eq!(in_unit(Quantity::Weight, "kg", 6150), 61.5);
    }

    #[test]
    fn the_wall_clock_is_read_as_it_was_shown() {
        assert_eq!(wall_clock("1970-01-02T07:30:00+01:00"), Some(86_400 + 27_000));
        assert_eq!(wall_clock("1970-01-02T07:30:00.000-05:00"), Some(86_400 + 27_000));
        assert_eq!(wall_clock("nonsense"), None);
        assert_eq!(day_number("1970-01-11"), Some(10));
    }
}
