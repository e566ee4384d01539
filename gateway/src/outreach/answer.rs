//! What a patient answers, and what follows. Nothing is ever answered to an answer.

use super::need::{book, close, hand_over};
use super::{Context, id_of, local, raise_task, withdraw, zone_of};
use crate::clock::Now;
use crate::store::need::{self, NeedState};
use crate::store::patient::{self, Patient};
use crate::store::prompt::{self, Prompt, PromptState};
use crate::store::task::Task;
use crate::store::{StoreError, Tx, plan};

/// The answers a prompt of this kind can be given with one press.
pub fn possible(kind: &str) -> &'static [&'static str] {
    match kind {
        "alert" | "repeat" => &["done", "help"],
        "all_clear" => &["done"],
        "measure_again" => &["done", "later", "help"],
        "nudge_reason" => &["away", "ill", "device", "later", "help", "stop"],
        _ => &["done", "later", "help", "stop"],
    }
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It was noted.
    Noted,
    /// It was the patient's press on an alert: the alert rules have to be told.
    AlertSeen,
    /// The prompt had been answered before, or its time is over: nothing follows.
    TooLate,
}

/// Takes the answer to a prompt that was sent. Each prompt is answered once.
///
/// # Errors
/// What the store answered.
pub fn take(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    mut prompt: Prompt,
    answer: &str,
    now: Now,
) -> Result<Answered, StoreError> {
    let Some(mut patient) = patient::get(tx, &prompt.patient)? else {
        return Ok(Answered::TooLate);
    };
    if answer == "stop" {
        // Whatever became of the prompt: STOP is always heard.
        if prompt.answer.is_none() {
            prompt.answer = Some(answer.to_owned());
            prompt.outcome = Some(answer.to_owned());
            prompt.state = PromptState::Answered;
            prompt::update(tx, &prompt)?;
        }
        stop(tx, &mut patient, now)?;
        return Ok(Answered::Noted);
    }
    let open = matches!(prompt.state, PromptState::Sent | PromptState::Expired);
    if !open || prompt.answer.is_some() {
        if answer != "help" {
            return Ok(Answered::TooLate);
        }
        // Whatever became of the prompt: a call for help is always heard, too.
        ask_for_help(tx, &patient, &prompt, answer, now)?;
        of_need(tx, ctx, &patient, &prompt, answer, now)?;
        return Ok(Answered::Noted);
    }
    prompt.answer = Some(answer.to_owned());
    prompt.outcome = Some(answer.to_owned());
    prompt.state = PromptState::Answered;
    prompt::update(tx, &prompt)?;
    if answer == "help" || matches!(answer, "away" | "ill" | "device") {
        ask_for_help(tx, &patient, &prompt, answer, now)?;
    }
    if prompt.rule.is_some() {
        let seen = answer == "done" && matches!(prompt.kind.as_str(), "alert" | "repeat");
        return Ok(if seen { Answered::AlertSeen } else { Answered::Noted });
    }
    of_need(tx, ctx, &patient, &prompt, answer, now)?;
    Ok(Answered::Noted)
}

fn of_need(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    patient: &Patient,
    prompt: &Prompt,
    answer: &str,
    now: Now,
) -> Result<(), StoreError> {
    let Some(id) = prompt.need else { return Ok(()) };
    let Some(mut need) = need::get(tx, id)?.filter(|need| need.state == NeedState::Open) else {
        return Ok(());
    };
    match answer {
        "done" if need.kind == "follow_up_visit" => book(tx, need, now),
        "done" => close(tx, need, "done", now),
        "help" => hand_over(tx, need, "The patient asked for help.", now),
        "later" => {
            // Tomorrow at a good hour; the attempts stay as they are bounded.
            let tomorrow = now.wall.plus_seconds(86_400);
            let ladder = match need.plan.as_deref() {
                Some(id) => plan::get(tx, id)?
                    .map(|plan| super::programme_ladder(ctx, &plan.programme, &need.kind)),
                None => None,
            }
            .unwrap_or_default();
            let next = zone_of(patient).map_or(tomorrow, |z| ladder.good_moment(tomorrow, &z));
            need.next = Some(next);
            need.changed = now.wall;
            need::put(tx, &need)
        }
        _ => Ok(()),
    }
}

/// A press that a person has to hear: one task, with the patient's word.
fn ask_for_help(
    tx: &Tx<'_>,
    patient: &Patient,
    prompt: &Prompt,
    answer: &str,
    now: Now,
) -> Result<(), StoreError> {
    let need = prompt.need.map(|id| need::get(tx, id)).transpose()?.flatten();
    if need.is_some_and(|need| need.state == NeedState::Open) {
        // The need's own call task says so.
        return Ok(());
    }
    let critical = prompt.level.as_deref() == Some("C");
    let at = zone_of(patient)
        .map_or_else(|| local::rfc3339(now.wall), |zone| local::plain(now.wall, &zone));
    let (kind, level, reason) = match answer {
        "help" if critical => {
            ("call", "C", format!("The patient asked for help after a critical alert ({at})."))
        }
        "help" => ("call", "U", format!("The patient asked for help ({at}).")),
        "device" => {
            ("device", "A", "The patient says that something is wrong with the device.".to_owned())
        }
        word => (
            "data",
            "A",
            format!(
                "The patient is {word} and has not measured. Please enter a pause with its end."
            ),
        ),
    };
    raise_task(
        tx,
        Task {
            id: id_of(&["answer", &prompt.id.to_string(), answer]),
            patient: Some(patient.id.clone()),
            need: None,
            kind: kind.to_owned(),
            reason,
            level: level.to_owned(),
            done: None,
            made: now.wall,
            outcome: None,
        },
    )?;
    Ok(())
}

/// STOP: consent to prompts ends at once, whatever waits is taken back, and a nurse gets the needs
/// that are open. Monitoring goes on.
///
/// # Errors
/// What the store answered.
pub fn stop(tx: &Tx<'_>, patient: &mut Patient, now: Now) -> Result<(), StoreError> {
    patient.prompts = Some(false);
    patient::put(tx, patient)?;
    withdraw(tx, prompt::pending(tx, &patient.id)?, "stop", None, now)?;
    for need in need::list(tx, Some(&patient.id))? {
        if need.state == NeedState::Open {
            hand_over(tx, need, "The patient has stopped prompts.", now)?;
        }
    }
    Ok(())
}

/// Monitoring has ended: prompts are taken back, needs end with their tasks.
///
/// # Errors
/// What the store answered.
pub fn monitoring_ended(tx: &Tx<'_>, patient: &str, now: Now) -> Result<(), StoreError> {
    withdraw(tx, prompt::pending(tx, patient)?, "monitoring_ended", None, now)?;
    for need in need::list(tx, Some(patient))? {
        if need.state != NeedState::Closed {
            close(tx, need, "monitoring_ended", now)?;
        }
    }
    Ok(())
}
