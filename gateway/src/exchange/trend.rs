//! `hearth assess`: cases of NI-1 in, verdicts with evidence out, as JSON lines
//! (`clinical-rules` B10).
//!
//! Decisions where B10 leaves room: blank lines are passed over; a case without `id` has id null;
//! `readings` must be there, even if empty; `ctx` may be null; while `sat` is not 0, `v` may be
//! null too; magnitudes beyond the rule's arithmetic (values above 10^9, windows above 10^6
//! days) make a case an error like any other.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use hearth_shared::assess::trend::plan::DAY_MAX;
use hearth_shared::assess::trend::{Evaluation, Plan, Published, Publisher, due_days, evaluate};

use crate::assess::series::{Saturated, Selection, SeriesReading, daily};
use crate::programme::plan::{PlanSpec, given};

/// How many cases were read, and how many of them were malformed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases read.
    pub cases: u64,
    /// Cases answered with an error; the command's exit status is 1 if there are any.
    pub errors: u64,
}

/// Answers every line of `input` with one line of `out`.
///
/// # Errors
/// Only those of reading and writing; a malformed case is answered, and the run goes on.
pub fn run(mut input: impl BufRead, mut out: impl Write) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        summary.cases += 1;
        let (id, answer) = answer(&line);
        match answer {
            Ok(evals) => serde_json::to_writer(&mut out, &Answer { evals, id })?,
            Err(error) => {
                summary.errors += 1;
                serde_json::to_writer(&mut out, &Refusal { error, id })?;
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(summary)
}

// The fields of everything written stand in the order of their names.

#[derive(Serialize)]
struct Answer {
    evals: Vec<EvalOut>,
    id: Value,
}

#[derive(Serialize)]
struct Refusal {
    error: String,
    id: Value,
}

#[derive(Serialize)]
struct EvalOut {
    action: &'static str,
    day: i32,
    evidence: EvidenceOut,
    k: u32,
    phase: &'static str,
    published: Option<&'static str>,
    reason: Option<&'static str>,
    verdict: &'static str,
}

#[derive(Serialize)]
struct EvidenceOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    base_med4: Option<i64>,
    last_day: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mid4: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mk_s: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mk_var18: Option<i32>,
    n_base: u32,
    n_base_pre: u32,
    n_recent: u32,
    n_trend: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    overshoot: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recent_med4: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift4: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift_hi4: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift_lo4: Option<i64>,
    start: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trend4: Option<i64>,
}

impl EvalOut {
    fn new(e: &Evaluation, published: Published) -> Self {
        let Evaluation { evidence, .. } = e;
        let change = evidence.change;
        Self {
            action: published.action.as_str(),
            day: e.day,
            evidence: EvidenceOut {
                base_med4: evidence.base_med4,
                last_day: evidence.last_day,
                mid4: change.map(|c| c.mid4),
                mk_s: change.map(|c| c.mk_s),
                mk_var18: change.map(|c| c.mk_var18),
                n_base: evidence.n_base,
                n_base_pre: evidence.n_base_pre,
                n_recent: evidence.n_recent,
                n_trend: evidence.n_trend,
                overshoot: evidence.overshoot,
                recent_med4: evidence.recent_med4,
                shift4: change.map(|c| c.shift4),
                shift_hi4: change.map(|c| c.shift_hi4),
                shift_lo4: change.map(|c| c.shift_lo4),
                start: evidence.start,
                trend4: change.map(|c| c.trend4),
            },
            k: e.k,
            phase: e.phase.as_str(),
            published: published.verdict.map(|v| v.as_str()),
            reason: e.reason.map(|r| r.as_str()),
            verdict: e.verdict.as_str(),
        }
    }
}

/// One evaluation as B10 writes it: for stores and reports that keep the same form.
pub fn evaluation_json(evaluation: &Evaluation, published: Published) -> String {
    serde_json::to_string(&EvalOut::new(evaluation, published)).unwrap_or_default()
}

fn answer(line: &[u8]) -> (Value, Result<Vec<EvalOut>, String>) {
    let mut case = match serde_json::from_slice::<Value>(line) {
        Ok(Value::Object(case)) => case,
        Ok(_) => return (Value::Null, Err("a case is a JSON object".to_owned())),
        Err(error) => return (Value::Null, Err(format!("not JSON: {error}"))),
    };
    let id = case.remove("id").unwrap_or_default();
    (id, Case::read(case).and_then(|case| case.assess()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadingIn {
    t: i64,
    v: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    tz: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    id: Option<String>,
    ctx: Option<String>,
    #[serde(default)]
    sat: i64,
    #[serde(default)]
    q: bool,
}

impl ReadingIn {
    fn reading(&self) -> Result<SeriesReading<'_>, String> {
        let saturated = match self.sat {
            0 => Saturated::No,
            1 => Saturated::High,
            -1 => Saturated::Low,
            other => return Err(format!("sat is {other}; it is 1 (HI), -1 (LO) or 0")),
        };
        let value = match (self.v, saturated) {
            (Some(value), _) => value,
            (None, Saturated::No) => return Err("a reading has no v".to_owned()),
            (None, _) => 0,
        };
        Ok(SeriesReading {
            t: self.t,
            value,
            saturated,
            tz: self.tz,
            id: self.id.as_deref(),
            ctx: self.ctx.as_deref(),
            invalid: self.q,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventIn {
    day: i64,
}

struct Case {
    plan: Plan,
    selection: Selection,
    events: Vec<i32>,
    readings: Vec<ReadingIn>,
    eval_days: Option<Vec<i32>>,
}

impl Case {
    fn read(mut case: Map<String, Value>) -> Result<Self, String> {
        let Some(Value::Object(mut plan)) = case.remove("plan") else {
            return Err("plan is no object".to_owned());
        };
        let readings = case.remove("readings").ok_or("readings are missing")?;
        let eval_days = case.remove("eval_days");
        if let Some((name, _)) = case.iter().next() {
            return Err(format!("unknown name {name:?}"));
        }
        let start = plan.remove("start").ok_or("plan: start is missing")?;
        let start: i64 = typed("start", start)?;
        let events = plan.remove("events").unwrap_or_else(|| Value::Array(Vec::new()));
        all_objects("events", &events)?;
        let events: Vec<EventIn> = typed("events", events)?;
        let events = events.iter().map(|e| day_in_range(e.day)).collect::<Result<_, _>>()?;
        shapes(&plan)?;
        let spec: PlanSpec = typed("plan", Value::Object(plan))?;
        let (plan, selection) = spec.build(start).map_err(|error| format!("plan: {error}"))?;
        all_objects("readings", &readings)?;
        let readings = typed("readings", readings)?;
        let eval_days = match eval_days {
            None => None,
            Some(days) => {
                let days: Vec<i64> = typed("eval_days", days)?;
                let mut days: Vec<i32> =
                    days.into_iter().map(day_in_range).collect::<Result<_, _>>()?;
                days.sort_unstable();
                Some(days)
            }
        };
        Ok(Self { plan, selection, events, readings, eval_days })
    }

    fn assess(&self) -> Result<Vec<EvalOut>, String> {
        let readings: Vec<SeriesReading<'_>> =
            self.readings.iter().map(ReadingIn::reading).collect::<Result<_, _>>()?;
        let series = daily(&self.selection, self.plan.parameters().start, readings)
            .map_err(|error| error.to_string())?;
        let mut publisher = Publisher::new();
        let mut evals = Vec::new();
        let mut assess = |day: i32| -> Result<(), String> {
            let evaluation = evaluate(&self.plan, &self.events, series.measured(), day)
                .map_err(|error| error.to_string())?;
            let published = publisher.take(&self.plan, &evaluation);
            evals.push(EvalOut::new(&evaluation, published));
            Ok(())
        };
        match &self.eval_days {
            Some(days) => days.iter().copied().try_for_each(&mut assess)?,
            None => due_days(&self.plan, &self.events).try_for_each(|due| assess(due.day))?,
        }
        Ok(evals)
    }
}

fn typed<T: serde::de::DeserializeOwned>(name: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))
}

fn day_in_range(day: i64) -> Result<i32, String> {
    i32::try_from(day)
        .ok()
        .filter(|_| (-DAY_MAX..=DAY_MAX).contains(&day))
        .ok_or_else(|| format!("the day {day} is out of range"))
}

/// Serde also takes a list of values for a structure, which B10 does not know.
fn all_objects(name: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Array(items) if items.iter().all(Value::is_object) => Ok(()),
        _ => Err(format!("{name} is no list of objects")),
    }
}

/// The same for the objects inside a plan; and names of variants are strings.
fn shapes(plan: &Map<String, Value>) -> Result<(), String> {
    for name in ["target", "mid", "tir"] {
        if plan.get(name).is_some_and(|value| !value.is_object()) {
            return Err(format!("plan: {name} is no object"));
        }
    }
    for name in ["dir", "summary"] {
        if plan.get(name).is_some_and(|value| !value.is_string()) {
            return Err(format!("plan: {name} is no string"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
