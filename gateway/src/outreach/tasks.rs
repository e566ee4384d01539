//! What becomes a nurse's task: kept once per cause, told when it opens and when it is done.

use hearth_shared::time::UnixMillis;

use super::governor::{Language, Missing};
use super::{Context, id_of, patient_facts};
use crate::clock::Now;
use crate::store::patient::Patient;
use crate::store::prompt::Prompt;
use crate::store::task::{self, Task};
use crate::store::{StoreError, Tx, outbox};
use crate::uplink::message::{self, Body, Lane};

/// The same missing fact is asked of staff again only after so long, in seconds.
const ASK_STAFF_AGAIN_S: i64 = 7 * 86_400;

/// Asks staff for what keeps a patient from getting prompts, before anybody waits for one.
///
/// # Errors
/// What the store answered.
pub(crate) fn ask_missing(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    patient: &Patient,
    now: Now,
) -> Result<(), StoreError> {
    let facts = patient_facts(ctx, patient);
    if facts.consent == Some(false) || !facts.monitored {
        return Ok(());
    }
    let missing = [
        (facts.consent.is_none(), Missing::Consent),
        (facts.language == Language::Unknown, Missing::Language),
        (facts.language == Language::WithoutText, Missing::TextInLanguage),
        (facts.zone.is_none(), Missing::Zone),
    ];
    // The first suffices: the next is asked once it is known.
    match missing.into_iter().find(|(is_missing, _)| *is_missing) {
        Some((_, what)) => ask_staff(tx, patient, what, now),
        None => Ok(()),
    }
}

/// One task for staff to find out what is missing, not more often than once a week.
pub(super) fn ask_staff(
    tx: &Tx<'_>,
    patient: &Patient,
    missing: Missing,
    now: Now,
) -> Result<(), StoreError> {
    let kind = if missing == Missing::Consent { "consent" } else { "data" };
    let reason = format!("No prompt can be sent: {}. Please find out.", missing.plain());
    let recent = now.wall.plus_seconds(-ASK_STAFF_AGAIN_S);
    let asked = task::list(tx, Some(&patient.id))?
        .into_iter()
        .any(|task| task.reason == reason && (task.done.is_none() || task.made > recent));
    if asked {
        return Ok(());
    }
    let made = now.wall.millis().to_string();
    let id = id_of(&["missing", &patient.id, missing.as_str(), &made]);
    raise_task(
        tx,
        Task {
            id,
            patient: Some(patient.id.clone()),
            need: None,
            kind: kind.to_owned(),
            reason,
            level: "A".to_owned(),
            done: None,
            made: now.wall,
            outcome: None,
        },
    )?;
    Ok(())
}

/// A critical notice does not reach the patient: a nurse has to know now, not when the alert's ladder
/// comes to staff.
///
/// # Errors
/// What the store answered.
pub(super) fn cannot_tell(
    tx: &Tx<'_>,
    prompt: &Prompt,
    why: &str,
    now: Now,
) -> Result<(), StoreError> {
    let rule = prompt.rule.as_deref().unwrap_or_default();
    let reason = format!(
        "A critical notice (rule {rule}) could not be given to the patient: {why}. Please call now."
    );
    // A repeat of the notice adds nothing to a call that is still to be made.
    let waits = task::list(tx, Some(&prompt.patient))?;
    if waits.iter().any(|task| task.done.is_none() && task.reason == reason) {
        return Ok(());
    }
    raise_task(
        tx,
        Task {
            id: id_of(&["cannot_tell", &prompt.id.to_string()]),
            patient: Some(prompt.patient.clone()),
            need: None,
            kind: "call".to_owned(),
            reason,
            level: "C".to_owned(),
            done: None,
            made: now.wall,
            outcome: None,
        },
    )?;
    Ok(())
}

/// Keeps a task and tells it. False if the same task was raised before.
///
/// # Errors
/// What the store answered.
pub fn raise_task(tx: &Tx<'_>, task: Task) -> Result<bool, StoreError> {
    if !task::add(tx, &task)? {
        return Ok(false);
    }
    tell_task(tx, &task, "open", task.made)?;
    Ok(true)
}

/// Ends a task and tells it. False if it was ended before.
///
/// # Errors
/// What the store answered.
pub fn finish_task(tx: &Tx<'_>, task: &Task, outcome: &str, now: Now) -> Result<bool, StoreError> {
    if !task::finish(tx, task.id, outcome, now.wall)? {
        return Ok(false);
    }
    tell_task(tx, task, "done", now.wall)?;
    Ok(true)
}

fn tell_task(tx: &Tx<'_>, task: &Task, state: &str, at: UnixMillis) -> Result<(), StoreError> {
    let outgoing = outbox::Outgoing {
        lane: Lane::Alerts,
        id: task.id,
        patient: task.patient.clone(),
        body: Body::Task(message::Task {
            task: task.kind.clone(),
            reason: task.reason.clone(),
            level: task.level.clone(),
            state: state.to_owned(),
            need: task.need,
        }),
        created: at,
        expires: None,
    };
    outbox::push(tx, &outgoing)?;
    Ok(())
}
