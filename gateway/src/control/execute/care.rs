//! Commands about alerts, needs, tasks, prompts and unclaimed readings.

use hearth_shared::assess::alerts::{AckBy, RuleId};
use serde_json::json;
use uuid::Uuid;

use super::{
    Doing, Failure, LiveAlerts, LiveAnswer, LiveEvent, Said, id_result, invalid, one_of,
    parse_uuid, patient, refuse, said,
};
use crate::control::command::{Acknowledge, Answer, Claim, Outcome};
use crate::outreach::answer::{self, Answered};
use crate::outreach::{finish_task, id_of, need as needs, raise_task};
use crate::store::need::{self, Need, NeedState};
use crate::store::task::{self, Task};
use crate::store::{Tx, prompt};

/// How something can end. "Could not reach" and "not needed" are ordinary outcomes: nobody has to
/// lie to get an entry off the list.
const OUTCOMES: [&str; 7] =
    ["booked", "visited", "reached", "could_not_reach", "not_needed", "moved", "done"];

/// Calls that reach nobody before the need ends as such.
const CALLS_MAX: usize = 3;

pub(super) fn acknowledge(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    acknowledge: &Acknowledge,
) -> Result<Said, Failure> {
    let patient = patient::enrolled(doing.tx, &acknowledge.patient)?;
    let rules: Vec<&str> = RuleId::ALL.iter().map(|rule| rule.as_str()).collect();
    let rule = one_of("The rule", &acknowledge.rule, &rules)?;
    let by = one_of("Who acknowledges", &acknowledge.by, &["staff", "patient"])?;
    let (Some(rule), Some(by)) = (RuleId::parse(rule), AckBy::parse(by)) else {
        return Err(invalid("The acknowledgement cannot be read."));
    };
    let event = LiveEvent::Acknowledge { rule, by };
    match live.event(doing.tx, &patient.id, event, doing.now)? {
        LiveAnswer::Taken => {
            let sentence =
                format!("{} of the patient {} is acknowledged.", rule.as_str(), patient.id);
            Ok(said(sentence, json!({"patient": patient.id, "rule": rule.as_str()})))
        }
        LiveAnswer::Ignored(why) => Err(refuse("over", why)),
    }
}

fn known_need(tx: &Tx<'_>, id: &str) -> Result<Need, Failure> {
    let id = parse_uuid("need", id)?;
    need::get(tx, id)?
        .ok_or_else(|| refuse("unknown_id", format!("There is no need with the id {id}.")))
}

pub(super) fn book(doing: &Doing<'_>, id: &str) -> Result<Said, Failure> {
    let need = known_need(doing.tx, id)?;
    match need.state {
        NeedState::Closed => Err(refuse("over", format!("The need {id} is closed already."))),
        NeedState::Booked => Ok(said("The visit was booked already.", id_result(id))),
        NeedState::Open | NeedState::HandedToNurse => {
            needs::book(doing.tx, need, doing.now)?;
            Ok(said("The visit is booked; no further prompts are sent.", id_result(id)))
        }
    }
}

pub(super) fn close_need(doing: &Doing<'_>, outcome: &Outcome) -> Result<Said, Failure> {
    let word = one_of("The outcome", &outcome.outcome, &OUTCOMES)?;
    let need = known_need(doing.tx, &outcome.id)?;
    if need.state == NeedState::Closed {
        return Err(refuse("over", format!("The need {} is closed already.", outcome.id)));
    }
    needs::close(doing.tx, need, word, doing.now)?;
    Ok(said(format!("The need is closed: {word}."), id_result(&outcome.id)))
}

pub(super) fn close_task(doing: &Doing<'_>, outcome: &Outcome) -> Result<Said, Failure> {
    let word = one_of("The outcome", &outcome.outcome, &OUTCOMES)?;
    let id = parse_uuid("task", &outcome.id)?;
    let Some(task) = task::get(doing.tx, id)? else {
        return Err(refuse("unknown_id", format!("There is no task with the id {id}.")));
    };
    if !finish_task(doing.tx, &task, word, doing.now)? {
        return Err(refuse("over", format!("The task {id} is done already.")));
    }
    let mut said = said(format!("The task is done: {word}."), id_result(&outcome.id));
    let need = match task.need {
        Some(need) => need::get(doing.tx, need)?,
        None => None,
    };
    let Some(need) = need.filter(|need| need.state == NeedState::HandedToNurse) else {
        return Ok(said);
    };
    match word {
        "booked" => {
            needs::book(doing.tx, need, doing.now)?;
            said.remarks.push("The need it came from is booked.".to_owned());
        }
        "could_not_reach" => said.remarks.push(call_again(doing, need)?),
        word => {
            needs::close(doing.tx, need, word, doing.now)?;
            said.remarks.push("The need it came from is closed.".to_owned());
        }
    }
    Ok(said)
}

/// A call that reached nobody is tried again a bounded number of times.
fn call_again(doing: &Doing<'_>, need: Need) -> Result<String, Failure> {
    let calls = task::list(doing.tx, Some(&need.patient))?;
    let calls = calls.iter().filter(|task| task.need == Some(need.id)).count();
    if calls >= CALLS_MAX {
        needs::close(doing.tx, need, "could_not_reach", doing.now)?;
        return Ok(format!("After {calls} calls the need is closed as not reached."));
    }
    let next = Task {
        id: id_of(&["call", &need.id.to_string(), &calls.to_string()]),
        patient: Some(need.patient.clone()),
        need: Some(need.id),
        kind: "call".to_owned(),
        reason: format!("{} Call {calls} reached nobody.", need.reason),
        level: "A".to_owned(),
        done: None,
        made: doing.now.wall,
        outcome: None,
    };
    raise_task(doing.tx, next)?;
    Ok("Another call is on the list.".to_owned())
}

pub(super) fn answer(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    given: &Answer,
) -> Result<Said, Failure> {
    let id = parse_uuid("prompt", &given.id)?;
    let Some(found) = prompt::get(doing.tx, id)? else {
        return Err(refuse("unknown_id", format!("There is no prompt with the id {id}.")));
    };
    let mut words = answer::possible(&found.kind).to_vec();
    if !words.contains(&"stop") {
        words.push("stop");
    }
    let word = one_of("The answer", &given.answer, &words)?;
    let (patient, rule) = (found.patient.clone(), found.rule.clone());
    match answer::take(doing.tx, doing.ctx, found, word, doing.now)? {
        Answered::TooLate => {
            let sentence =
                "The prompt was answered before, or is no longer open; nothing was changed.";
            Err(refuse("over", sentence))
        }
        Answered::Noted => {
            if word == "stop" {
                live.event(doing.tx, &patient, LiveEvent::Settings, doing.now)?;
                let sentence = "Prompts to the patient have stopped; monitoring goes on.";
                return Ok(said(sentence, id_result(&given.id)));
            }
            Ok(said(format!("The answer is noted: {word}."), id_result(&given.id)))
        }
        Answered::AlertSeen => {
            if let Some(rule) = rule.as_deref().and_then(RuleId::parse) {
                let event = LiveEvent::Acknowledge { rule, by: AckBy::Patient };
                live.event(doing.tx, &patient, event, doing.now)?;
            }
            Ok(said("The patient has seen the alert.", id_result(&given.id)))
        }
    }
}

pub(super) fn claim(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    claim: &Claim,
) -> Result<Said, Failure> {
    let patient = patient::enrolled(doing.tx, &claim.patient)?;
    let observation: Uuid = parse_uuid("reading", &claim.observation)?;
    let event = LiveEvent::Claim { observation, decided_by: doing.command.to_owned() };
    match live.event(doing.tx, &patient.id, event, doing.now)? {
        LiveAnswer::Taken => {
            let sentence = format!("The reading is the patient {}'s; its time stays.", patient.id);
            Ok(said(sentence, json!({"observation": claim.observation, "patient": patient.id})))
        }
        LiveAnswer::Ignored(why) => Err(refuse("over", why)),
    }
}
