//! What a person needs next: bounded attempts to reach them, then a nurse's call.

use std::collections::BTreeMap;

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::governor::{Missing, Refusal};
use super::{Context, id_of, local, paused_until, raise_task, withdraw, zone_of};
use crate::clock::Now;
use crate::store::need::{self, Need, NeedState};
use crate::store::patient::{self, Patient};
use crate::store::prompt::{self, Prompt, PromptState};
use crate::store::task::{self, Task};
use crate::store::{StoreError, Tx, plan};

/// Within so many seconds a booked visit has usually taken place: 28 days.
const VISIT_S: i64 = 28 * 86_400;

/// How a person is asked, and when a nurse takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Prompts at most.
    pub attempts: u32,
    /// Days between two prompts.
    pub wait_days: i64,
    /// Days between the last prompt and the nurse's task.
    pub call_days: i64,
    /// Hours after which an unanswered prompt is over.
    pub expiry_hours: i64,
    /// A nurse takes over after the last attempt; else the need just ends.
    pub then_nurse: bool,
    /// Good hours [from, to) in local minutes of the day.
    pub hours_min: (u16, u16),
}

impl Default for Ladder {
    /// Two tries three days apart, from nine in the morning to seven in the evening.
    fn default() -> Self {
        Self {
            attempts: 2,
            wait_days: 3,
            call_days: 3,
            expiry_hours: 72,
            then_nurse: true,
            hours_min: (540, 1140),
        }
    }
}

impl Ladder {
    /// The first moment at or after `at` that lies within the good hours.
    pub fn good_moment(&self, at: UnixMillis, zone: &TimeZone) -> UnixMillis {
        let (from, to) = self.hours_min;
        let (day, minute) = (local::day(at, zone), local::minute(at, zone));
        if minute < from {
            local::at(day, from, zone)
        } else if minute >= to {
            local::at(day + 1, from, zone)
        } else {
            at
        }
    }
}

/// Why an attempt did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Refused(Refusal),
    Missing(Missing),
}

/// What somebody was found to need.
#[derive(Clone, Copy, Debug)]
pub struct Finding<'a> {
    /// Plan id.
    pub plan: &'a str,
    /// Patient id.
    pub patient: &'a str,
    /// `follow_up_visit`, `measure_more`.
    pub kind: &'a str,
    /// One plain sentence, for staff.
    pub reason: &'a str,
    /// How the values went, for the patient, by language.
    pub short: &'a BTreeMap<String, String>,
    /// Local day of the finding.
    pub day: i64,
}

/// Opens a need, or confirms the one that is there: an open one keeps its attempts, one with a nurse
/// stays there, a booked one stays booked. Returns its id.
///
/// # Errors
/// What the store answered.
pub fn find(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    finding: &Finding<'_>,
    now: Now,
) -> Result<Uuid, StoreError> {
    if let Some(mut known) = need::newest(tx, finding.plan, finding.kind)?
        && known.state != NeedState::Closed
    {
        finding.reason.clone_into(&mut known.reason);
        finding.short.clone_into(&mut known.short);
        if known.state == NeedState::Booked {
            // `changed` stays when it was booked.
            if now.wall >= known.changed.plus_seconds(VISIT_S) {
                visit_again(tx, &known, finding, now)?;
            }
        } else {
            known.changed = now.wall;
        }
        need::put(tx, &known)?;
        return Ok(known.id);
    }
    let ladder = ladder(tx, ctx, Some(finding.plan), finding.kind)?;
    let need = Need {
        id: id_of(&["need", finding.plan, finding.kind, &finding.day.to_string()]),
        patient: finding.patient.to_owned(),
        plan: Some(finding.plan.to_owned()),
        kind: finding.kind.to_owned(),
        reason: finding.reason.to_owned(),
        short: finding.short.clone(),
        state: NeedState::Open,
        attempts: 0,
        attempts_max: ladder.attempts,
        next: Some(now.wall),
        opened: now.wall,
        changed: now.wall,
        outcome: None,
    };
    need::put(tx, &need)?;
    Ok(need.id)
}

/// A visit was booked weeks ago, and the finding has come up again: the patient is not asked, but a
/// person looks whether the visit took place. One task per finding.
fn visit_again(
    tx: &Tx<'_>,
    need: &Need,
    finding: &Finding<'_>,
    now: Now,
) -> Result<(), StoreError> {
    let reason = format!(
        "{} A visit was booked before and is still open here: did it take place? Close it with its \
         outcome (hearth need close), or book again.",
        finding.reason
    );
    let task = Task {
        id: id_of(&["visit_again", &need.id.to_string(), &finding.day.to_string()]),
        patient: Some(need.patient.clone()),
        need: None,
        kind: "care_team".to_owned(),
        reason,
        level: "A".to_owned(),
        done: None,
        made: now.wall,
        outcome: None,
    };
    raise_task(tx, task)?;
    Ok(())
}

/// The reason is gone (a verdict that things improve): open needs of the plan end, and nothing of
/// them is sent any more.
///
/// # Errors
/// What the store answered.
pub fn reason_gone(tx: &Tx<'_>, plan: &str, kind: &str, now: Now) -> Result<(), StoreError> {
    match need::newest(tx, plan, kind)? {
        Some(need) if need.state == NeedState::Open => close(tx, need, "reason_gone", now),
        _ => Ok(()),
    }
}

/// Nobody is told "not improving" on a good day: an open need waits until then.
///
/// # Errors
/// What the store answered.
pub fn hold(
    tx: &Tx<'_>,
    plan: &str,
    kind: &str,
    until: UnixMillis,
    now: Now,
) -> Result<(), StoreError> {
    let Some(mut need) = need::newest(tx, plan, kind)? else { return Ok(()) };
    if need.state != NeedState::Open || need.next.is_some_and(|next| next >= until) {
        return Ok(());
    }
    let waiting = prompt::of_need(tx, need.id)?
        .into_iter()
        .filter(|prompt| prompt.state == PromptState::Waiting)
        .collect::<Vec<_>>();
    // An attempt that has not left does not count.
    need.attempts = need.attempts.saturating_sub(u32::try_from(waiting.len()).unwrap_or(0));
    withdraw(tx, waiting, "good_day", None, now)?;
    need.next = Some(until);
    need.changed = now.wall;
    need::put(tx, &need)
}

/// Ends a need with an outcome; prompts that nobody answered are taken back, its task is done.
///
/// # Errors
/// What the store answered.
pub fn close(tx: &Tx<'_>, mut need: Need, outcome: &str, now: Now) -> Result<(), StoreError> {
    end_prompts(tx, need.id, outcome, now)?;
    end_task(tx, need.id, outcome, now)?;
    need.state = NeedState::Closed;
    need.next = None;
    need.changed = now.wall;
    need.outcome = Some(outcome.to_owned());
    need::put(tx, &need)
}

/// The visit is booked: no further prompts, the nurse's task is done.
///
/// # Errors
/// What the store answered.
pub fn book(tx: &Tx<'_>, mut need: Need, now: Now) -> Result<(), StoreError> {
    end_prompts(tx, need.id, "booked", now)?;
    end_task(tx, need.id, "booked", now)?;
    need.state = NeedState::Booked;
    need.next = None;
    need.changed = now.wall;
    need.outcome = Some("booked".to_owned());
    need::put(tx, &need)
}

/// Notes on the last prompt of a need what it led to, and takes back the unanswered ones.
fn end_prompts(tx: &Tx<'_>, need: Uuid, outcome: &str, now: Now) -> Result<(), StoreError> {
    let mut prompts = prompt::of_need(tx, need)?;
    if let Some(last) = prompts.iter_mut().rfind(|prompt| prompt.sent.is_some()) {
        // What worked is remembered with its channel and its hour of the day.
        last.outcome = Some(outcome.to_owned());
        prompt::update(tx, last)?;
    }
    withdraw(tx, prompts, outcome, None, now)
}

fn end_task(tx: &Tx<'_>, need: Uuid, outcome: &str, now: Now) -> Result<(), StoreError> {
    while let Some(task) = task::open_of_need(tx, need)? {
        super::finish_task(tx, &task, outcome, now)?;
    }
    Ok(())
}

/// The next attempt of every need that is due, or the nurse's task after the last one.
pub(super) fn attempt_due(tx: &Tx<'_>, ctx: &Context<'_>, now: Now) -> Result<(), StoreError> {
    for mut need in need::due(tx, now.wall)? {
        let Some(patient) = patient::get(tx, &need.patient)? else { continue };
        if patient.closed.is_some() || !patient.monitoring {
            close(tx, need, "monitoring_ended", now)?;
            continue;
        }
        if need.attempts >= need.attempts_max {
            if !ladder(tx, ctx, need.plan.as_deref(), &need.kind)?.then_nurse {
                close(tx, need, "no_answer", now)?;
                continue;
            }
            let why = tried(tx, &need, &patient)?;
            hand_over(tx, need, &why, now)?;
            continue;
        }
        let ladder = ladder(tx, ctx, need.plan.as_deref(), &need.kind)?;
        let mut due = now.wall;
        if let Some(zone) = zone_of(&patient) {
            if let Some(until) = paused_until(tx, &patient, need.plan.as_deref(), &zone, now.wall)?
            {
                need.next = Some(ladder.good_moment(until, &zone));
                need.changed = now.wall;
                need::put(tx, &need)?;
                continue;
            }
            due = ladder.good_moment(now.wall, &zone);
        }
        need.attempts += 1;
        need.next = None;
        need.changed = now.wall;
        need::put(tx, &need)?;
        let attempt = prompt_of(&need, due, ladder, now);
        prompt::add(tx, &attempt)?;
    }
    Ok(())
}

fn prompt_of(need: &Need, due: UnixMillis, ladder: Ladder, now: Now) -> Prompt {
    Prompt {
        id: id_of(&["attempt", &need.id.to_string(), &need.attempts.to_string()]),
        need: Some(need.id),
        plan: need.plan.clone(),
        missed: None,
        patient: need.patient.clone(),
        kind: need.kind.clone(),
        level: None,
        rule: None,
        language: String::new(),
        text: String::new(),
        silent: false,
        attempt: need.attempts,
        created: now.wall,
        due,
        expires: due.plus_seconds(ladder.expiry_hours.max(1) * 3600),
        state: PromptState::Waiting,
        why: None,
        sent: None,
        lane_seq: None,
        local_hour: None,
        answer: None,
        outcome: None,
    }
}

/// An attempt left: the next step is due after the ladder's wait.
pub(super) fn attempt_sent(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    prompt: &Prompt,
    now: Now,
) -> Result<(), StoreError> {
    let Some((mut need, patient)) = of(tx, prompt)? else { return Ok(()) };
    need.next = Some(next_step(tx, ctx, &need, &patient, now)?);
    need.changed = now.wall;
    need::put(tx, &need)
}

/// An attempt did not leave: what is missing is a nurse's question, anything else is the next attempt.
pub(super) fn attempt_failed(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    prompt: &Prompt,
    failure: Failure,
    now: Now,
) -> Result<(), StoreError> {
    let Some((mut need, patient)) = of(tx, prompt)? else { return Ok(()) };
    let why = match failure {
        Failure::Refused(Refusal::NotMonitored) => return close(tx, need, "monitoring_ended", now),
        Failure::Refused(Refusal::Stop) => "The patient has stopped prompts.".to_owned(),
        Failure::Missing(missing) => format!("No prompt was sent: {}.", missing.plain()),
        Failure::Refused(_) => {
            need.next = Some(next_step(tx, ctx, &need, &patient, now)?);
            need.changed = now.wall;
            return need::put(tx, &need);
        }
    };
    hand_over(tx, need, &why, now)
}

fn of(tx: &Tx<'_>, prompt: &Prompt) -> Result<Option<(Need, Patient)>, StoreError> {
    let Some(id) = prompt.need else { return Ok(None) };
    let Some(need) = need::get(tx, id)?.filter(|need| need.state == NeedState::Open) else {
        return Ok(None);
    };
    Ok(patient::get(tx, &need.patient)?.map(|patient| (need, patient)))
}

fn next_step(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    need: &Need,
    patient: &Patient,
    now: Now,
) -> Result<UnixMillis, StoreError> {
    let ladder = ladder(tx, ctx, need.plan.as_deref(), &need.kind)?;
    let last = need.attempts >= need.attempts_max;
    let days = if last { ladder.call_days } else { ladder.wait_days };
    let next = now.wall.plus_seconds(days.max(1) * 86_400);
    Ok(zone_of(patient).map_or(next, |zone| ladder.good_moment(next, &zone)))
}

/// The good hour at or after the moment to which an attempt was put off, if it comes before the attempt
/// is over; what serves no need is asked again at that very moment.
pub(super) fn good_hour(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    prompt: &Prompt,
    patient: &Patient,
    until: UnixMillis,
) -> Result<UnixMillis, StoreError> {
    let (Some(_), Some(zone)) = (prompt.need, zone_of(patient)) else { return Ok(until) };
    let ladder = ladder(tx, ctx, prompt.plan.as_deref(), &prompt.kind)?;
    let good = ladder.good_moment(until, &zone);
    Ok(if good < prompt.expires { good } else { until })
}

/// Which prompts were sent, as a nurse reads it.
fn tried(tx: &Tx<'_>, need: &Need, patient: &Patient) -> Result<String, StoreError> {
    let zone = zone_of(patient).unwrap_or(TimeZone::UTC);
    let sent: Vec<_> = prompt::of_need(tx, need.id)?
        .into_iter()
        .filter_map(|prompt| prompt.sent)
        .map(|at| local::plain(at, &zone))
        .collect();
    Ok(match sent.len() {
        0 => "No prompt could be sent.".to_owned(),
        1 => format!("One prompt was sent ({}) without an answer.", sent.join(", ")),
        n => format!("{n} prompts were sent ({}) without an answer.", sent.join(", ")),
    })
}

/// A nurse takes over, with the reason.
///
/// # Errors
/// What the store answered.
pub fn hand_over(tx: &Tx<'_>, mut need: Need, why: &str, now: Now) -> Result<(), StoreError> {
    let waiting = prompt::of_need(tx, need.id)?
        .into_iter()
        .filter(|prompt| prompt.state == PromptState::Waiting)
        .collect();
    withdraw(tx, waiting, "handed_to_nurse", None, now)?;
    need.state = NeedState::HandedToNurse;
    need.next = None;
    need.changed = now.wall;
    need::put(tx, &need)?;
    raise_task(
        tx,
        Task {
            id: id_of(&["call", &need.id.to_string()]),
            patient: Some(need.patient.clone()),
            need: Some(need.id),
            kind: "call".to_owned(),
            reason: format!("{} {why}", need.reason),
            level: "A".to_owned(),
            done: None,
            made: now.wall,
            outcome: None,
        },
    )?;
    Ok(())
}

/// The ladder of a plan's programme for a kind of need.
fn ladder(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    plan_id: Option<&str>,
    kind: &str,
) -> Result<Ladder, StoreError> {
    let Some(plan_id) = plan_id else { return Ok(Ladder::default()) };
    let Some(plan) = plan::get(tx, plan_id)? else { return Ok(Ladder::default()) };
    Ok(super::programme_ladder(ctx, &plan.programme, kind))
}
