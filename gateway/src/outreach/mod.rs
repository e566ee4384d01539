//! What leaves for a patient, when, and in which words; and what becomes a nurse's task instead.
//!
//! A *need* has bounded attempts; each attempt is a *prompt*; a prompt leaves only through
//! [`governor::judge`]. All of it happens inside the caller's transaction, so a crash can neither
//! send twice (ids derive from need and attempt, or from rule and observation) nor forget.
//!
//! Must be absent: a way around the governor, a prompt without an end, a need without a last attempt.

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::clock::Now;
use crate::programme::text::fill;
use crate::programme::{Audience, Library, Programme};
use crate::store::patient::{self, Patient};
use crate::store::prompt::{self, Prompt, PromptState};
use crate::store::{Queries, StoreError, Tx, counter, outbox, plan};
use crate::uplink::message::{self, Body, Lane};

pub mod answer;
pub mod governor;
pub mod local;
pub mod need;
pub mod notice;
mod tasks;
pub mod templates;

pub use tasks::{finish_task, raise_task};

pub(crate) use tasks::ask_missing;
use tasks::ask_staff;

use governor::{Candidate, Facts, Kind, Language, Level, Missing, Refusal, Ruling, Sent, Wait};
use templates::{RuleFamily, Templates};

/// Ids of needs, prompts and tasks are UUIDv5 in this namespace: the same cause, the same id.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_0c0e_7d0a_5f0b_9a3e_5d9b_1f42_c6d1);

/// A nudge is about a day: after this many seconds the next day has its own.
const NUDGE_S: i64 = 24 * 3600;

/// While the gateway's clock is not trusted, waiting prompts are looked at again after this time.
const CLOCK_RETRY_S: i64 = 60;

/// What outreach is given by the program that runs it.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The gateway's id.
    pub gateway: &'a str,
    /// The texts.
    pub templates: &'a Templates,
    /// The programmes.
    pub programmes: &'a Library,
}

/// The ladder a programme gives for a kind of need; one that is no longer known: the usual one.
pub(crate) fn programme_ladder(ctx: &Context<'_>, programme: &str, kind: &str) -> need::Ladder {
    let usual = need::Ladder::default();
    let Some(programme) = ctx.programmes.get(programme) else { return usual };
    let ladder = programme.ladder;
    // "Measure more" is asked once: a week later the rule itself sends a person (B5).
    let asked_once = kind == "measure_more";
    need::Ladder {
        attempts: if asked_once { 1 } else { ladder.attempts },
        wait_days: i64::from(ladder.days_between),
        call_days: i64::from(ladder.days_to_call),
        expiry_hours: i64::from(ladder.prompt_expiry_hours),
        then_nurse: !asked_once,
        ..usual
    }
}

/// Whether a programme has all its texts to patients in a language.
pub(crate) fn speaks(programme: &Programme, language: &str) -> bool {
    let all = programme.action.all();
    let to_patients = all.iter().filter(|(_, _, audience)| *audience == Audience::Patient);
    to_patients.into_iter().all(|(_, texts, _)| texts.in_language(language).is_some())
}

/// A stable id for a cause.
pub(crate) fn id_of(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, parts.join("\u{1f}").as_bytes())
}

/// The patient's zone, where it is known and valid.
pub(crate) fn zone_of(patient: &Patient) -> Option<TimeZone> {
    patient.zone.as_deref().and_then(local::zone)
}

/// Does everything that is due: attempts of needs, waiting prompts, prompts nobody answered in time.
/// Returns when it wants to be called again.
///
/// # Errors
/// What the store answered.
pub fn tick(tx: &Tx<'_>, ctx: &Context<'_>, now: Now) -> Result<Option<UnixMillis>, StoreError> {
    if now.trusted {
        need::attempt_due(tx, ctx, now)?;
        release_due(tx, ctx, now)?;
        for mut lapsed in prompt::lapsed(tx, now.wall)? {
            lapsed.state = PromptState::Expired;
            lapsed.outcome.get_or_insert_with(|| "expired".to_owned());
            prompt::update(tx, &lapsed)?;
        }
    }
    let next =
        [crate::store::need::next_due(tx)?, prompt::next_due(tx)?].into_iter().flatten().min();
    // Due things that stay while the clock is not trusted must not make the caller spin.
    let soonest = now.wall.plus_seconds(if now.trusted { 1 } else { CLOCK_RETRY_S });
    Ok(next.map(|at| at.max(soonest)))
}

fn release_due(tx: &Tx<'_>, ctx: &Context<'_>, now: Now) -> Result<(), StoreError> {
    let mut due = prompt::due(tx, now.wall)?;
    merge(tx, &mut due)?;
    for prompt in due {
        release(tx, ctx, prompt, now)?;
    }
    Ok(())
}

/// Of waiting notices of one family to one patient only the weightiest leaves: highest level, then
/// alert, repeat, request, all-clear, then the latest.
fn merge(tx: &Tx<'_>, due: &mut Vec<Prompt>) -> Result<(), StoreError> {
    let weight = |p: &Prompt| {
        let place = ["all_clear", "measure_again", "repeat", "alert"];
        let kind = place.iter().position(|kind| *kind == p.kind);
        (p.level.as_deref().and_then(Level::parse), kind, p.created, p.id)
    };
    let family =
        |p: &Prompt| p.rule.as_deref().map(|rule| (p.patient.clone(), RuleFamily::of(rule)));
    let mut kept: Vec<Prompt> = Vec::new();
    for candidate in due.drain(..) {
        let group = family(&candidate);
        let rival = kept.iter_mut().find(|p| group.is_some() && family(p) == group);
        let Some(rival) = rival else {
            kept.push(candidate);
            continue;
        };
        let mut lesser = candidate;
        if weight(&lesser) > weight(rival) {
            std::mem::swap(&mut lesser, rival);
        }
        lesser.state = PromptState::Withdrawn;
        lesser.why = Some("merged".to_owned());
        prompt::update(tx, &lesser)?;
    }
    *due = kept;
    Ok(())
}

/// A nudge after missed measurements (`clinical-rules` A12): now or never. `kind` is `nudge` or
/// `nudge_reason`, with the planned days missed in a row.
///
/// # Errors
/// What the store answered.
pub(crate) fn nudge(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    plan: &plan::Plan,
    (kind, missed): (&str, u16),
    day: i64,
    now: Now,
) -> Result<(), StoreError> {
    let prompt = Prompt {
        id: id_of(&["nudge", &plan.id, &day.to_string()]),
        need: None,
        plan: Some(plan.id.clone()),
        missed: Some(missed),
        patient: plan.patient.clone(),
        kind: kind.to_owned(),
        level: None,
        rule: None,
        language: String::new(),
        text: String::new(),
        silent: false,
        attempt: 1,
        created: now.wall,
        due: now.wall,
        expires: now.wall.plus_seconds(NUDGE_S),
        state: PromptState::Waiting,
        why: None,
        sent: None,
        lane_seq: None,
        local_hour: None,
        answer: None,
        outcome: None,
    };
    if prompt::add(tx, &prompt)? { release(tx, ctx, prompt, now) } else { Ok(()) }
}

/// Asks the governor about a waiting prompt and does what it says.
fn release(tx: &Tx<'_>, ctx: &Context<'_>, mut prompt: Prompt, now: Now) -> Result<(), StoreError> {
    let Some(patient) = patient::get(tx, &prompt.patient)? else { return Ok(()) };
    if notice::is_void(tx, &prompt)? {
        prompt.state = PromptState::Withdrawn;
        prompt.why = Some("superseded".to_owned());
        return prompt::update(tx, &prompt);
    }
    let facts = facts(tx, ctx, &patient, &prompt, now.wall)?;
    let candidate = Candidate {
        id: prompt.id,
        kind: kind_of(&prompt),
        silent: prompt.silent,
        expires: prompt.expires,
    };
    let ruling = match words(tx, ctx, &patient, &prompt)? {
        // The rules have nothing to say to a patient here: a text that cannot be found is a bug.
        None if facts.language == Language::Known => Ruling::Task(Missing::TextInLanguage),
        _ => governor::judge(&facts, &candidate, &history(tx, &patient.id, now.wall)?, now),
    };
    if let Some(why) = unreachable(&ruling)
        && kind_of(&prompt).is_critical()
        && prompt.kind != "all_clear"
    {
        tasks::cannot_tell(tx, &prompt, why, now)?;
    }
    match ruling {
        Ruling::Send => send(tx, ctx, &patient, prompt, now),
        Ruling::Defer(until, wait) => {
            prompt.due = need::good_hour(tx, ctx, &prompt, &patient, until)?;
            prompt.why = Some(wait.as_str().to_owned());
            prompt::update(tx, &prompt)
        }
        Ruling::Drop(refusal) => {
            end(tx, &mut prompt, refusal.as_str())?;
            need::attempt_failed(tx, ctx, &prompt, need::Failure::Refused(refusal), now)
        }
        Ruling::Task(missing) => {
            end(tx, &mut prompt, missing.as_str())?;
            if prompt.need.is_some() {
                need::attempt_failed(tx, ctx, &prompt, need::Failure::Missing(missing), now)
            } else {
                ask_staff(tx, &patient, missing, now)
            }
        }
    }
}

/// Why a patient who agrees to prompts cannot be told now, as the end of a sentence for staff. STOP
/// and the end of monitoring are known to the alert rules, which turn to staff by themselves.
fn unreachable(ruling: &Ruling) -> Option<&'static str> {
    match ruling {
        Ruling::Task(missing) => Some(missing.plain()),
        Ruling::Defer(_, Wait::GatewayClock) => Some("the gateway's clock is not set"),
        Ruling::Drop(Refusal::Expired) => Some("it was too late to tell the patient"),
        Ruling::Send | Ruling::Defer(..) | Ruling::Drop(_) => None,
    }
}

fn end(tx: &Tx<'_>, prompt: &mut Prompt, why: &str) -> Result<(), StoreError> {
    prompt.state = match why {
        "expired" => PromptState::Expired,
        _ => PromptState::Dropped,
    };
    prompt.why = Some(why.to_owned());
    counter::add(tx, &format!("prompts_not_sent_{why}"), 1)?;
    prompt::update(tx, prompt)
}

fn send(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    patient: &Patient,
    mut prompt: Prompt,
    now: Now,
) -> Result<(), StoreError> {
    let Some((language, text)) = words(tx, ctx, patient, &prompt)? else { return Ok(()) };
    let body = Body::Prompt(message::Prompt {
        prompt: prompt.kind.clone(),
        need: prompt.need,
        attempt: prompt.attempt,
        language: language.clone(),
        text: text.clone(),
        silent: prompt.silent,
        level: prompt.level.clone(),
        answers: answer::possible(&prompt.kind).iter().map(|word| (*word).to_owned()).collect(),
    });
    let outgoing = outbox::Outgoing {
        lane: Lane::Alerts,
        id: prompt.id,
        patient: Some(patient.id.clone()),
        body,
        created: now.wall,
        expires: Some(prompt.expires),
    };
    prompt.lane_seq = Some(outbox::push(tx, &outgoing)?);
    prompt.language = language;
    prompt.text = text;
    prompt.state = PromptState::Sent;
    prompt.why = None;
    prompt.sent = Some(now.wall);
    prompt.local_hour =
        zone_of(patient).and_then(|zone| u8::try_from(local::minute(now.wall, &zone) / 60).ok());
    prompt::update(tx, &prompt)?;
    need::attempt_sent(tx, ctx, &prompt, now)
}

/// Language and text of a prompt, or `None` while the language is unknown or has no texts.
fn words(
    q: &impl Queries,
    ctx: &Context<'_>,
    patient: &Patient,
    prompt: &Prompt,
) -> Result<Option<(String, String)>, StoreError> {
    let Some(language) = patient.language.as_deref().and_then(|tag| ctx.templates.language(tag))
    else {
        return Ok(None);
    };
    if let Some(rule) = prompt.rule.as_deref() {
        let level = prompt.level.as_deref().unwrap_or("A");
        let text = ctx.templates.notice(language, rule, level, &prompt.kind).map(str::to_owned);
        return Ok(text.map(|text| (language.to_owned(), text)));
    }
    let programme = match prompt.plan.as_deref() {
        Some(id) => plan::get(q, id)?.and_then(|plan| ctx.programmes.get(&plan.programme)),
        None => None,
    };
    let text = match programme.map(|programme| &programme.action) {
        Some(action) => {
            let texts = match prompt.kind.as_str() {
                "follow_up_visit" => &action.follow_up_visit,
                "measure_more" => &action.measure_more,
                "nudge_reason" => &action.ask_reason,
                _ => &action.nudge,
            };
            let need = prompt.need.map(|id| crate::store::need::get(q, id)).transpose()?.flatten();
            let short = need.and_then(|need| need.short.get(language).cloned());
            texts.in_language(language).map(|text| {
                fill(text, |name| match name {
                    "sentence_short" => short.clone(),
                    "days" => prompt.missed.map(|days| days.to_string()),
                    "attempts" => Some(prompt.attempt.to_string()),
                    _ => None,
                })
            })
        }
        None => ctx.templates.care(language, &prompt.kind, prompt.attempt).map(str::to_owned),
    };
    let name = patient::person(q, &patient.id)?.name;
    let text = text.map(|text| ctx.templates.greeted(language, text.trim(), name.as_deref()));
    Ok(text.map(|text| (language.to_owned(), text)))
}

fn kind_of(prompt: &Prompt) -> Kind {
    let level = prompt.level.as_deref().and_then(Level::parse).unwrap_or(Level::A);
    match prompt.kind.as_str() {
        "measure_again" => Kind::MeasureAgain(level),
        "nudge" | "nudge_reason" => Kind::Nudge,
        _ if prompt.rule.is_some() => Kind::Notice(level),
        _ => Kind::Care,
    }
}

/// What left for the patient within a week of now, in both directions of the clock.
fn history(q: &impl Queries, patient: &str, now: UnixMillis) -> Result<Vec<Sent>, StoreError> {
    let week_s = governor::WEEK_MS / 1000 + 86_400;
    let sent =
        prompt::sent_between(q, patient, now.plus_seconds(-week_s), now.plus_seconds(week_s))?;
    Ok(sent.iter().filter_map(|p| Some(Sent { id: p.id, kind: kind_of(p), at: p.sent? })).collect())
}

fn facts(
    q: &impl Queries,
    ctx: &Context<'_>,
    patient: &Patient,
    prompt: &Prompt,
    now: UnixMillis,
) -> Result<Facts, StoreError> {
    let mut facts = patient_facts(ctx, patient);
    if let Some(zone) = &facts.zone {
        facts.paused_until = paused_until(q, patient, prompt.plan.as_deref(), zone, now)?;
    }
    Ok(facts)
}

/// What the governor must know of a patient, pauses apart.
pub(crate) fn patient_facts(ctx: &Context<'_>, patient: &Patient) -> Facts {
    Facts {
        monitored: patient.monitoring && patient.closed.is_none(),
        consent: patient.prompts,
        language: match patient.language.as_deref() {
            None => Language::Unknown,
            Some(tag) if ctx.templates.language(tag).is_some() => Language::Known,
            Some(_) => Language::WithoutText,
        },
        zone: zone_of(patient),
        quiet_min: patient.quiet_min,
        mutes_s: patient.mutes.clone(),
        daily_cap: patient.daily_cap,
        paused_until: None,
    }
}

/// The end of the pause of the patient, or of the programme of a plan, that is in force.
pub(crate) fn paused_until(
    q: &impl Queries,
    patient: &Patient,
    plan_id: Option<&str>,
    zone: &TimeZone,
    now: UnixMillis,
) -> Result<Option<UnixMillis>, StoreError> {
    let today = local::day(now, zone);
    let mut pauses = patient::pauses(q, &patient.id)?;
    if let Some(id) = plan_id
        && let Some(plan) = plan::get(q, id)?
        && let Some(pause) = plan::programme_pause(q, &plan.programme)?
    {
        pauses.push(pause);
        pauses.sort_by_key(|pause| pause.from_day);
    }
    let mut last: Option<i64> = None;
    for pause in pauses {
        // Pauses that follow upon each other count as one.
        let from = last.map_or(today, |day| day + 1);
        if pause.from_day <= from && from <= pause.to_day {
            last = Some(pause.to_day);
        }
    }
    Ok(last.map(|day| local::start_of(day + 1, zone)))
}

/// Takes back what has not been answered: waiting prompts, and numbered ones by a tombstone. One that
/// is confirmed and no longer kept gets its tombstone under a new number, with the prompt's id.
pub(crate) fn withdraw(
    tx: &Tx<'_>,
    prompts: Vec<Prompt>,
    why: &str,
    outcome: Option<&str>,
    now: Now,
) -> Result<(), StoreError> {
    for mut prompt in prompts {
        if !matches!(prompt.state, PromptState::Waiting | PromptState::Sent) {
            continue;
        }
        if prompt.state == PromptState::Sent {
            take_back(tx, &prompt, now)?;
        }
        prompt.state = PromptState::Withdrawn;
        prompt.why = Some(why.to_owned());
        if let Some(outcome) = outcome {
            prompt.outcome = Some(outcome.to_owned());
        }
        prompt::update(tx, &prompt)?;
    }
    Ok(())
}

fn take_back(tx: &Tx<'_>, prompt: &Prompt, now: Now) -> Result<(), StoreError> {
    if prompt::take_back(tx, prompt)? != prompt::TakenBack::Gone {
        return Ok(());
    }
    let body = Body::Tombstone(message::Tombstone {
        of: "prompt".to_owned(),
        reason: "withdrawn".to_owned(),
    });
    let outgoing = outbox::Outgoing {
        lane: Lane::Alerts,
        id: prompt.id,
        patient: Some(prompt.patient.clone()),
        body,
        created: now.wall,
        expires: None,
    };
    outbox::push(tx, &outgoing)?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
