//! The work of a patient's day: missed measurements (`clinical-rules` A12) and the evaluations of NI-1
//! that are due (B5), each missed day in order after an outage, in the patient's zone.
//!
//! What is decided here is committed with what follows from it: verdict, needs, nudges and tasks. A
//! verdict once issued stands. Prompts are never sent for days long gone: nudges that an outage held up
//! are dropped and counted.

use hearth_shared::assess::trend::Plan as Rule;
use hearth_shared::observation::{Absent, Quantity};
use hearth_shared::time::{ClockTrust, UnixMillis};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::assess::series::Selection;
use crate::clock::Now;
use crate::outreach::{self, Context, local, zone_of};
use crate::programme::plan::PlanSpec;
use crate::programme::{Library, Programme, SeriesKind};
use crate::store::observation::{self, SeriesRow, Standing};
use crate::store::patient::{self, Patient};
use crate::store::plan::{self, Plan, PlanEvent};
use crate::store::{Queries, StoreError, Tx, counter};

mod evaluations;
mod missed;

/// While the gateway's clock is not trusted no day is judged; asked again after this time.
const CLOCK_RETRY_S: i64 = 60;

/// One plan on its day.
struct Day<'a> {
    tx: &'a Tx<'a>,
    ctx: &'a Context<'a>,
    plan: &'a Plan,
    programme: &'a Programme,
    patient: &'a Patient,
    events: &'a [PlanEvent],
    zone: &'a TimeZone,
    today: i64,
    now: Now,
}

/// Does the day's work of every plan that is due. Returns when the next one is.
///
/// # Errors
/// What the store answered.
pub fn daily(tx: &Tx<'_>, ctx: &Context<'_>, now: Now) -> Result<Option<UnixMillis>, StoreError> {
    if !now.trusted {
        let waiting = plan::next_due(tx)?.is_some();
        return Ok(waiting.then(|| now.wall.plus_seconds(CLOCK_RETRY_S)));
    }
    for mut due in plan::due(tx, now.wall)? {
        let next = one(tx, ctx, &mut due, now)?;
        due.next = Some(next.max(now.wall.plus_seconds(1)));
        plan::put(tx, &due)?;
    }
    plan::next_due(tx)
}

fn one(tx: &Tx<'_>, ctx: &Context<'_>, due: &mut Plan, now: Now) -> Result<UnixMillis, StoreError> {
    let tomorrow = |zone: &TimeZone| local::start_of(local::day(now.wall, zone) + 1, zone);
    let Some(patient) = patient::get(tx, &due.patient)? else {
        return Ok(tomorrow(&TimeZone::UTC));
    };
    let zone = zone_of(&patient).unwrap_or(TimeZone::UTC);
    let known = ctx.programmes.get(&due.programme);
    let (Some(programme), true) = (known, patient.monitoring && patient.closed.is_none()) else {
        if known.is_none() {
            counter::add(tx, "plans_without_programme", 1)?;
        }
        return Ok(tomorrow(&zone));
    };
    outreach::ask_missing(tx, ctx, &patient, now)?;
    let events = plan::events(tx, &due.id)?;
    let before = due.clone();
    let day = Day {
        tx,
        ctx,
        plan: &before,
        programme,
        patient: &patient,
        events: &events,
        zone: &zone,
        today: local::day(now.wall, &zone),
        now,
    };
    let (silence, wake) = missed::close(&day)?;
    due.silence = silence;
    (due.publisher, due.evaluated_day) = evaluations::run(&day)?;
    Ok(wake.min(tomorrow(&zone)))
}

impl Day<'_> {
    /// The readings of a quantity measured from a local day on that rules may look at: accepted, not
    /// bad by the device's word, with a time that can be believed.
    fn readings(&self, quantity: Quantity, from_day: i64) -> Result<Vec<SeriesRow>, StoreError> {
        // A day more on both sides: each reading's own offset decides its local day.
        let from = local::start_of(from_day - 1, &TimeZone::UTC);
        let to = self.now.wall.plus_seconds(86_400);
        let (mut rows, damaged) =
            observation::series(self.tx, &self.patient.id, quantity, from, to)?;
        if !damaged.is_empty() {
            counter::add(self.tx, "readings_damaged_at_evaluation", damaged.len() as u64)?;
        }
        rows.retain(|row| {
            let seen = &row.stored.observation;
            seen.standing == Standing::Accepted
                && !seen.reading.marks.preliminary
                && !matches!(seen.clock, ClockTrust::Suspect | ClockTrust::GatewayUnset)
                && matches!(
                    seen.reading.value,
                    Ok(_) | Err(Absent::AboveRange | Absent::BelowRange)
                )
        });
        Ok(rows)
    }
}

/// The parameters of a series of a plan: the programme's, with the plan's overrides on them.
pub(crate) fn spec_of(series: &PlanSpec, plan: &Plan) -> Result<PlanSpec, String> {
    if plan.overrides.is_empty() {
        return Ok(series.clone());
    }
    let Ok(Value::Object(mut spec)) = serde_json::to_value(series) else {
        return Err("The programme's parameters cannot be written as JSON.".to_owned());
    };
    for (name, value) in &plan.overrides {
        spec.insert(name.clone(), value.clone());
    }
    serde_json::from_value(Value::Object(spec))
        .map_err(|error| format!("The parameters of the plan cannot be read: {error}."))
}

/// The rule and the selection of every series of a plan.
fn rules_of(
    programme: &Programme,
    plan: &Plan,
) -> Result<Vec<(SeriesKind, Rule, Selection)>, String> {
    let build = |series: &crate::programme::ProgrammeSeries| {
        let spec = spec_of(&series.plan, plan)?;
        let (rule, selection) = spec
            .build(plan.start_day)
            .map_err(|error| format!("The parameter {}: {}.", error.parameter, error.message))?;
        Ok((series.quantity, rule, selection))
    };
    programme.series.iter().map(build).collect()
}

/// Whether a plan can run: its parameters hold, and all attempts of a need fit into its window.
///
/// # Errors
/// Why not, as one sentence.
pub fn check(programmes: &Library, plan: &Plan) -> Result<(), String> {
    let Some(programme) = programmes.get(&plan.programme) else {
        return Err(format!("There is no programme {}.", plan.programme));
    };
    for (_, rule, _) in rules_of(programme, plan)? {
        let p = rule.parameters();
        if p.horizon > p.last_eval {
            return Err(format!(
                "The first final evaluation (day {}) comes after the last one (day {}).",
                p.horizon, p.last_eval
            ));
        }
        let needed = i64::from(programme.ladder.call_day());
        // A need found at the last evaluation still has the days until a follow-up would be due again.
        let window = p.last_eval - p.horizon + p.cooldown;
        if needed > window {
            return Err(format!(
                "The plan's window cannot fit its attempts: {} prompts and the nurse's call take {needed} \
                 days, but from the first final evaluation on there are {window}.",
                programme.ladder.attempts
            ));
        }
    }
    Ok(())
}

/// What a nurse sees of how regularly a patient measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adherence {
    /// Measured and planned days of the last 14 complete local days.
    pub fortnight: (u8, u8),
    /// The same of the last 30.
    pub month: (u8, u8),
    /// Planned days missed in a row.
    pub run: u16,
    /// Fewer than 16 of 30 days are measured, on a plan that has run that long.
    pub needs_attention: bool,
}

/// How regularly the patient of a plan measures, as of its last day's work.
///
/// # Errors
/// What the store answered.
pub fn adherence(
    q: &impl Queries,
    programmes: &Library,
    plan: &Plan,
    today: i64,
) -> Result<Option<Adherence>, StoreError> {
    let Some(programme) = programmes.get(&plan.programme) else { return Ok(None) };
    missed::adherence(q, programme, plan, today)
}

#[cfg(test)]
mod tests;
