//! The evaluations of NI-1 that are due for one plan: verdict, evidence, sentence, and what is done.

use std::collections::BTreeMap;

use hearth_shared::assess::trend::{
    Action, DueDay, Evaluation, Plan as Rule, Published, Publisher, RULE, Reason, Verdict, combine,
    due_days, evaluate,
};
use hearth_shared::observation::DisplayUnit;
use serde_json::Value as Json;

use super::{Day, rules_of};
use crate::assess::sentence::{Language, Speech, sentence, sentence_short};
use crate::assess::series::{Selection, SeriesReading, daily, in_steps, usual_spacing_s};
use crate::exchange::trend::evaluation_json;
use crate::outreach::need::{self, Finding};
use crate::outreach::{id_of, local, raise_task};
use crate::programme::{ProgrammeSeries, SeriesKind};
use crate::store::observation::SeriesRow;
use crate::store::task::Task;
use crate::store::verdict::{self, Verdict as Issued};
use crate::store::{StoreError, counter, outbox};
use crate::uplink::message::{self, Body, Lane};

/// A series of the plan with its rule and what has been evaluated of it.
struct Judged<'a> {
    series: &'a ProgrammeSeries,
    rule: &'a Rule,
    evaluation: Evaluation,
    unit: DisplayUnit,
}

/// The publisher's state to keep, and the last day that was evaluated.
type Progress = (Option<Vec<u8>>, Option<i64>);

/// A day judged further ahead than this was judged while the gateway's clock stood ahead; a patient who
/// travels west steps back by one.
const AHEAD_DAYS: i64 = 1;

/// Runs every evaluation that is due and has not been issued, oldest first.
pub(super) fn run(day: &Day<'_>) -> Result<Progress, StoreError> {
    let mut kept = (day.plan.publisher.clone(), day.plan.evaluated_day);
    if kept.1.is_some_and(|done| done > day.today + AHEAD_DAYS) {
        take_back(day)?;
        kept = (None, None);
    }
    let mut rules = match rules_of(day.programme, day.plan) {
        Ok(rules) => rules,
        Err(sentence) => {
            // Checked when the plan was assigned: the programme's file has changed since.
            cannot_run(day, &sentence)?;
            return Ok(kept);
        }
    };
    let Some((_, first, _)) = rules.first() else { return Ok(kept) };
    let events: Vec<i32> =
        day.events.iter().filter_map(|event| i32::try_from(event.day).ok()).collect();
    let due: Vec<DueDay> = due_days(first, &events)
        .take_while(|due| i64::from(due.day) <= day.today)
        .filter(|due| kept.1.is_none_or(|done| i64::from(due.day) > done))
        .collect();
    let Some(last) = due.last().map(|due| i64::from(due.day)) else { return Ok(kept) };
    let mut publisher: Publisher =
        kept.0.as_deref().and_then(|octets| postcard::from_bytes(octets).ok()).unwrap_or_default();
    let rows = fetch(day, &rules)?;
    // What the plan says of its slots stands; the programme's are suited to the sensor.
    if !day.plan.overrides.contains_key("tir") {
        for ((_, _, selection), rows) in rules.iter_mut().zip(&rows) {
            let times = rows.iter().map(|row| row.stored.observation.measured.seconds());
            selection.summary = selection.summary.suited_to(usual_spacing_s(times));
        }
    }
    for due in due {
        issue(day, &rules, &rows, &events, &due, &mut publisher)?;
    }
    Ok((postcard::to_allocvec(&publisher).ok(), Some(last)))
}

/// Takes back what was judged of days that have not come yet: they are judged again when they do, with
/// the readings they then have. Verdicts of days gone by stand; the publisher goes through them anew.
fn take_back(day: &Day<'_>) -> Result<(), StoreError> {
    for never in verdict::remove_after(day.tx, &day.plan.id, day.today + AHEAD_DAYS)? {
        outbox::withdraw(day.tx, verdict_id(day, never))?;
        counter::add(day.tx, "verdicts_taken_back", 1)?;
    }
    Ok(())
}

fn verdict_id(day: &Day<'_>, of: i64) -> uuid::Uuid {
    id_of(&["verdict", &day.plan.id, &of.to_string()])
}

fn fetch(
    day: &Day<'_>,
    rules: &[(SeriesKind, Rule, Selection)],
) -> Result<Vec<Vec<SeriesRow>>, StoreError> {
    rules
        .iter()
        .map(|(kind, _, selection)| {
            let from = day.plan.start_day - selection.lookback;
            day.readings(kind.quantity(), from)
        })
        .collect()
}

fn issue(
    day: &Day<'_>,
    rules: &[(SeriesKind, Rule, Selection)],
    rows: &[Vec<SeriesRow>],
    events: &[i32],
    due: &DueDay,
    publisher: &mut Publisher,
) -> Result<(), StoreError> {
    let mut judged = Vec::new();
    for (((kind, rule, selection), rows), series) in
        rules.iter().zip(rows).zip(&day.programme.series)
    {
        let ids: Vec<String> =
            rows.iter().map(|row| row.stored.observation.id.to_string()).collect();
        let readings = rows.iter().zip(&ids).filter_map(|(row, id)| reading(*kind, row, id));
        let evaluation = daily(selection, day.plan.start_day, readings)
            .map_err(|error| error.to_string())
            .and_then(|series| {
                evaluate(rule, events, series.measured(), due.day).map_err(|e| e.to_string())
            });
        match evaluation {
            Ok(evaluation) => {
                judged.push(Judged { series, rule, evaluation, unit: shown_unit(rows) });
            }
            Err(sentence) => return cannot_run(day, &sentence),
        }
    }
    let Some(decided) = deciding(&judged) else { return Ok(()) };
    let published = publisher.take(decided.rule, &decided.evaluation);
    if tell(day, &judged, decided, published)? {
        follow(day, decided, published)?;
    }
    Ok(())
}

/// The series whose verdict is the plan's: the only one, or the worse of two.
fn deciding<'a, 'j>(judged: &'j [Judged<'a>]) -> Option<&'j Judged<'a>> {
    match judged {
        [only] => Some(only),
        [first, second, ..] => {
            let worse = combine(&first.evaluation, &second.evaluation);
            Some(if std::ptr::eq(worse, &second.evaluation) { second } else { first })
        }
        [] => None,
    }
}

fn reading<'r>(kind: SeriesKind, row: &'r SeriesRow, id: &'r str) -> Option<SeriesReading<'r>> {
    let seen = &row.stored.observation;
    let (value, saturated) = in_steps(kind, &seen.reading.value)?;
    Some(SeriesReading {
        t: seen.measured.seconds(),
        value,
        saturated,
        tz: Some(i64::from(seen.offset.minutes())),
        id: Some(id),
        ctx: row.meal.map(|meal| meal.as_str()),
        invalid: seen.reading.marks.invalid,
    })
}

/// The unit the patient's device showed last.
fn shown_unit(rows: &[SeriesRow]) -> DisplayUnit {
    rows.last().map_or(DisplayUnit::MgPerDl, |row| row.stored.observation.reading.unit)
}

impl Judged<'_> {
    fn sentence(&self, language: Language) -> String {
        let speech = Speech::about(self.series, self.unit, language);
        sentence(&self.evaluation, self.rule, &speech)
    }

    fn short(&self) -> BTreeMap<String, String> {
        let one = |language: Language| {
            let speech = Speech::about(self.series, self.unit, language);
            (language.code().to_owned(), sentence_short(&self.evaluation, self.rule, &speech))
        };
        Language::ALL.into_iter().map(one).collect()
    }
}

/// Keeps and tells a verdict. False if this day was issued before: that one stands, with its actions.
fn tell(
    day: &Day<'_>,
    judged: &[Judged<'_>],
    decided: &Judged<'_>,
    published: Published,
) -> Result<bool, StoreError> {
    let evaluation = &decided.evaluation;
    let evidence = judged.iter().map(|one| {
        let json = evaluation_json(&one.evaluation, published);
        let whole: Json = serde_json::from_str(&json).unwrap_or_default();
        whole.get("evidence").cloned().unwrap_or_default()
    });
    let issued = Issued {
        plan: day.plan.id.clone(),
        day: i64::from(evaluation.day),
        phase: evaluation.phase.as_str().to_owned(),
        k: evaluation.k,
        verdict: evaluation.verdict.as_str().to_owned(),
        reason: evaluation.reason.map(|reason| reason.as_str().to_owned()),
        published: published.verdict.map(|verdict| verdict.as_str().to_owned()),
        action: published.action.as_str().to_owned(),
        evidence: evidence.collect(),
        sentence: decided.sentence(Language::English),
        rule: RULE.to_owned(),
        made: day.now.wall,
    };
    if !verdict::add(day.tx, &issued)? {
        counter::add(day.tx, "verdicts_already_issued", 1)?;
        return Ok(false);
    }
    let body = Body::Verdict(message::Verdict {
        plan: issued.plan,
        programme: day.programme.id.clone(),
        day: local::date_of(issued.day).to_string(),
        phase: issued.phase,
        verdict: issued.verdict,
        reason: issued.reason,
        published: issued.published,
        action: issued.action,
        sentence: issued.sentence,
        evidence: issued.evidence,
        rule: issued.rule,
    });
    let outgoing = outbox::Outgoing {
        lane: Lane::Observations,
        id: verdict_id(day, issued.day),
        patient: Some(day.plan.patient.clone()),
        body,
        created: day.now.wall,
        expires: None,
    };
    outbox::push(day.tx, &outgoing)?;
    Ok(true)
}

/// What follows from a verdict: needs open, are confirmed, wait or end; a person is asked to look.
fn follow(day: &Day<'_>, decided: &Judged<'_>, published: Published) -> Result<(), StoreError> {
    let (tx, plan, now) = (day.tx, &day.plan.id, day.now);
    let evaluation = &decided.evaluation;
    let good = matches!(evaluation.verdict, Verdict::Improving | Verdict::AtTarget);
    if good {
        if published.verdict == Some(evaluation.verdict) {
            need::reason_gone(tx, plan, "follow_up_visit", now)?;
        } else {
            let next = i64::from(evaluation.day) + decided.rule.parameters().step;
            let until = local::start_of(next.max(day.today + 1), day.zone);
            need::hold(tx, plan, "follow_up_visit", until, now)?;
        }
    }
    let lacking = matches!(
        evaluation.reason,
        Some(Reason::Recent | Reason::Stale | Reason::Baseline | Reason::TooNoisy)
    );
    if !lacking {
        need::reason_gone(tx, plan, "measure_more", now)?;
    }
    let kind = match published.action {
        Action::None => return Ok(()),
        Action::CareTeamTask => {
            let since = local::date_of(i64::from(evaluation.evidence.start));
            // The clock of the rule runs from the last medication change, or else from the start.
            let changed = day.events.iter().any(|event| event.day <= i64::from(evaluation.day));
            let what = if changed { "Last medication change" } else { "Start of the plan" };
            let reason = format!(
                "Please look at this course. {} {what}: {since}.",
                decided.sentence(Language::English)
            );
            let id = id_of(&["care_team", plan, &evaluation.day.to_string()]);
            return task(day, id, "care_team", reason);
        }
        Action::FollowUpVisit => "follow_up_visit",
        Action::MeasureMore => "measure_more",
    };
    let reason = decided.sentence(Language::English);
    let finding = Finding {
        plan,
        patient: &day.plan.patient,
        kind,
        reason: &reason,
        short: &decided.short(),
        day: i64::from(evaluation.day),
    };
    need::find(tx, day.ctx, &finding, now)?;
    Ok(())
}

/// A plan that cannot be evaluated is a person's business, once.
fn cannot_run(day: &Day<'_>, sentence: &str) -> Result<(), StoreError> {
    counter::add(day.tx, "evaluations_failed", 1)?;
    let reason = format!("The plan {} cannot be evaluated: {sentence}", day.plan.id);
    task(day, id_of(&["cannot_run", &day.plan.id, sentence]), "data", reason)
}

fn task(day: &Day<'_>, id: uuid::Uuid, kind: &str, reason: String) -> Result<(), StoreError> {
    raise_task(
        day.tx,
        Task {
            id,
            patient: Some(day.plan.patient.clone()),
            need: None,
            kind: kind.to_owned(),
            reason,
            level: "A".to_owned(),
            done: None,
            made: day.now.wall,
            outcome: None,
        },
    )?;
    Ok(())
}
