//! Commands about plans and programmes.

use serde_json::json;

use super::{
    Doing, Failure, Said, check_id, id_result, invalid, one_of, parse_day, patient, refuse, said,
    unknown,
};
use crate::assess::days;
use crate::control::command::{PlanAssign, PlanEvent, ProgrammePause};
use crate::outreach::{self, local, need as needs, zone_of};
use crate::store::Tx;
use crate::store::need::{self, NeedState};
use crate::store::patient::Pause;
use crate::store::plan::{self, Plan, PlanState};
use crate::store::prompt;

/// What can happen to a plan.
const EVENTS: [&str; 1] = ["medication_change"];

/// A plan starts within these days of today: further away is a slip of the pen.
const START_DAYS_MAX: i64 = 366;

fn known(tx: &Tx<'_>, id: &str) -> Result<Plan, Failure> {
    if let Some(plan) = plan::get(tx, id)? {
        return Ok(plan);
    }
    let all = plan::list(tx, None)?;
    Err(unknown("plan", id, all.iter().map(|p| p.id.as_str())))
}

pub(super) fn assign(doing: &Doing<'_>, assign: &PlanAssign) -> Result<Said, Failure> {
    check_id("plan", &assign.id)?;
    if plan::get(doing.tx, &assign.id)?.is_some() {
        return Err(refuse("exists", format!("The plan {} is listed already.", assign.id)));
    }
    let owner = patient::enrolled(doing.tx, &assign.patient)?;
    let programmes = doing.ctx.programmes;
    if programmes.get(&assign.programme).is_none() {
        let ids = programmes.iter().map(|p| p.id.as_str());
        return Err(unknown("programme", &assign.programme, ids));
    }
    let running = plan::list(doing.tx, Some(&owner.id))?;
    if let Some(twin) =
        running.iter().find(|p| p.programme == assign.programme && p.state != PlanState::Closed)
    {
        let sentence = format!(
            "The patient {} has the programme {} already (plan {}); close that plan first.",
            owner.id, assign.programme, twin.id
        );
        return Err(refuse("exists", sentence));
    }
    if let (Some(language), Some(programme)) = (&owner.language, programmes.get(&assign.programme))
        && !outreach::speaks(programme, language)
    {
        return Err(invalid(format!(
            "The programme {} has no texts in the patient's language {language:?}.",
            programme.id
        )));
    }
    let zone = zone_of(&owner).unwrap_or(jiff::tz::TimeZone::UTC);
    let today = local::day(doing.now.wall, &zone);
    let start_day = match &assign.start {
        Some(start) => parse_day("start", start)?,
        None => today,
    };
    let mut plan =
        Plan::new(assign.id.as_str(), owner.id.as_str(), assign.programme.as_str(), start_day);
    plan.overrides = assign.overrides.clone().unwrap_or_default();
    if (start_day - today).abs() > START_DAYS_MAX {
        let start = local::date_of(start_day);
        return Err(invalid(format!("The start {start} is more than a year away from today.")));
    }
    days::check(programmes, &plan).map_err(invalid)?;
    plan::put(doing.tx, &plan)?;
    let start = local::date_of(start_day).to_string();
    let sentence =
        format!("The patient {} has the programme {} from {start} on.", owner.id, assign.programme);
    Ok(said(sentence, json!({"id": plan.id, "patient": owner.id, "start": start})))
}

pub(super) fn event(doing: &Doing<'_>, event: &PlanEvent) -> Result<Said, Failure> {
    let plan = known(doing.tx, &event.id)?;
    if plan.state == PlanState::Closed {
        return Err(refuse("over", format!("The plan {} is closed.", plan.id)));
    }
    let kind = one_of("The event", &event.event, &EVENTS)?;
    let day = parse_day("day", &event.day)?;
    if (day - plan.start_day).abs() > START_DAYS_MAX {
        let sentence = format!("The day {} is more than a year away from the start.", event.day);
        return Err(invalid(sentence));
    }
    let row = plan::PlanEvent { day, kind: kind.to_owned(), note: event.note.clone() };
    let sentence = if plan::add_event(doing.tx, &plan.id, &row)? {
        format!("The plan {} has a {kind} on {}; its clock starts anew.", plan.id, event.day)
    } else {
        format!("The plan {} had that {kind} on {} already.", plan.id, event.day)
    };
    plan::wake(doing.tx, &plan.patient)?;
    Ok(said(sentence, json!({"id": plan.id, "day": event.day})))
}

pub(super) fn close(doing: &Doing<'_>, id: &str) -> Result<Said, Failure> {
    let mut plan = known(doing.tx, id)?;
    if plan.state == PlanState::Closed {
        return Err(refuse("over", format!("The plan {id} is closed already.")));
    }
    plan.state = PlanState::Closed;
    plan::put(doing.tx, &plan)?;
    let nudges = prompt::open_nudges(doing.tx, id)?;
    outreach::withdraw(doing.tx, nudges, "plan_closed", None, doing.now)?;
    for open in need::list(doing.tx, Some(&plan.patient))? {
        if open.plan.as_deref() == Some(id) && open.state != NeedState::Closed {
            needs::close(doing.tx, open, "plan_closed", doing.now)?;
        }
    }
    Ok(said(format!("The plan {id} is closed; its history stays."), id_result(id)))
}

pub(super) fn pause_programme(doing: &Doing<'_>, pause: &ProgrammePause) -> Result<Said, Failure> {
    let programmes = doing.ctx.programmes;
    if programmes.get(&pause.id).is_none() {
        let ids = programmes.iter().map(|p| p.id.as_str());
        return Err(unknown("programme", &pause.id, ids));
    }
    let to = parse_day("to", &pause.to)?;
    let today = local::day(doing.now.wall, &jiff::tz::TimeZone::UTC);
    // The day before, so that a pause can be ended early.
    if to < today - 1 || to > today + START_DAYS_MAX {
        return Err(invalid("A pause of a programme ends between yesterday and a year from now."));
    }
    // A zone further east may already be a day ahead.
    let row = Pause { from_day: today, to_day: to, reason: pause.reason.clone() };
    plan::put_programme_pause(doing.tx, &pause.id, &row)?;
    let sentence = format!(
        "The programme {} asks nothing of anybody until {}; alerts go on.",
        pause.id, pause.to
    );
    Ok(said(sentence, json!({"id": pause.id, "to": pause.to})))
}
