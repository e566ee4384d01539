//! Commands about patients.

use hearth_shared::assess::alerts;
use hearth_shared::time::UnixMillis;
use serde_json::{Map, json};

use super::{
    Doing, Failure, LiveAlerts, LiveAnswer, LiveEvent, Said, check_id, id_result, invalid, limits,
    moment_or_day, one_of, parse_day, parse_moment, refuse, said, unknown,
};
use crate::control::command::{Mute, PatientSettings, Pause, Symptom, nearest};
use crate::outreach::governor;
use crate::outreach::templates::Templates;
use crate::outreach::{self, answer, local, zone_of};
use crate::store::patient::{self, Patient, Person};
use crate::store::{StoreError, Tx, outbox, plan, prompt};

/// Why a plan may rest.
pub(super) const PAUSE_REASONS: [&str; 5] = ["away", "ill", "hospital", "repair", "programme"];

/// Longest pause in days and longest mute in seconds: nothing is silent without an end in sight.
const PAUSE_DAYS_MAX: i64 = 366;
const MUTE_S_MAX: i64 = 31 * 86_400;

/// Nobody is helped by more prompts a day than this.
const DAILY_CAP_MAX: u8 = 10;

/// The patient, or who was perhaps meant.
pub(super) fn known(tx: &Tx<'_>, id: &str) -> Result<Patient, Failure> {
    if let Some(patient) = patient::get(tx, id)? {
        return Ok(patient);
    }
    let all = patient::list(tx)?;
    Err(unknown("patient", id, all.iter().map(|p| p.id.as_str())))
}

/// The patient, if monitoring has not been ended for good.
pub(super) fn enrolled(tx: &Tx<'_>, id: &str) -> Result<Patient, Failure> {
    let patient = known(tx, id)?;
    match patient.closed {
        None => Ok(patient),
        Some(_) => Err(refuse("over", format!("Monitoring of the patient {id} was ended."))),
    }
}

pub(super) fn add(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    settings: &PatientSettings,
) -> Result<Said, Failure> {
    check_id("patient", &settings.id)?;
    if patient::get(doing.tx, &settings.id)?.is_some() {
        let sentence = format!("The patient {} is listed already.", settings.id);
        return Err(refuse("exists", sentence));
    }
    let mut patient = blank(&settings.id, doing.now.wall);
    change(doing.ctx.templates, &mut patient, settings)?;
    keep(doing, live, &patient, settings)?;
    let mut said = said(format!("The patient {} is listed.", patient.id), id_result(&patient.id));
    said.remarks = missing(&patient);
    Ok(said)
}

pub(super) fn edit(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    settings: &PatientSettings,
) -> Result<Said, Failure> {
    let before = enrolled(doing.tx, &settings.id)?;
    let mut patient = before.clone();
    change(doing.ctx.templates, &mut patient, settings)?;
    speaks_of_plans(doing, &patient)?;
    keep(doing, live, &patient, settings)?;
    if before.prompts != Some(false) && patient.prompts == Some(false) {
        answer::stop(doing.tx, &mut patient, doing.now)?;
    }
    if before.monitoring && !patient.monitoring {
        answer::monitoring_ended(doing.tx, &patient.id, doing.now)?;
    }
    let sentence = format!("The settings of the patient {} are changed.", patient.id);
    let mut said = said(sentence, id_result(&patient.id));
    said.remarks = missing(&patient);
    Ok(said)
}

/// The programmes of the patient's plans must have texts in the patient's language.
fn speaks_of_plans(doing: &Doing<'_>, patient: &Patient) -> Result<(), Failure> {
    let Some(language) = patient.language.as_deref() else { return Ok(()) };
    for running in plan::list(doing.tx, Some(&patient.id))? {
        let programme = doing.ctx.programmes.get(&running.programme);
        let mute = programme.is_some_and(|programme| !outreach::speaks(programme, language));
        if mute && running.state != plan::PlanState::Closed {
            return Err(invalid(format!(
                "The programme {} of the patient's plan {} has no texts in the language {language:?}.",
                running.programme, running.id
            )));
        }
    }
    Ok(())
}

/// A patient of whom nothing is known yet.
fn blank(id: &str, start: UnixMillis) -> Patient {
    Patient {
        id: id.to_owned(),
        zone: None,
        language: None,
        monitoring: true,
        prompts: None,
        quiet_min: Some(governor::QUIET_MIN),
        start,
        limits: Map::new(),
        mutes: Vec::new(),
        daily_cap: 2,
        closed: None,
    }
}

/// Checks settings by themselves, without the store.
pub(super) fn check(templates: &Templates, settings: &PatientSettings) -> Result<(), Failure> {
    check_id("patient", &settings.id)?;
    let mut patient = blank(&settings.id, UnixMillis::from_millis(0));
    change(templates, &mut patient, settings)
}

/// What keeps the patient from getting prompts.
fn missing(patient: &Patient) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut remark = |is_missing: bool, what: &str| {
        if is_missing {
            remarks.push(format!("{what} is not known, so no prompt will be sent."));
        }
    };
    remark(patient.zone.is_none(), "The time zone");
    remark(patient.language.is_none(), "The language");
    remark(patient.prompts.is_none(), "Whether the patient agrees to prompts");
    remarks
}

fn keep(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    patient: &Patient,
    settings: &PatientSettings,
) -> Result<(), StoreError> {
    patient::put(doing.tx, patient)?;
    plan::wake(doing.tx, &patient.id)?;
    if settings.name.is_some() || settings.contact.is_some() {
        let known = patient::person(doing.tx, &patient.id)?;
        let person = Person {
            name: settings.name.clone().or(known.name),
            contact: settings.contact.clone().or(known.contact),
        };
        patient::put_person(doing.tx, &patient.id, &person)?;
    }
    live.event(doing.tx, &patient.id, LiveEvent::Settings, doing.now)?;
    Ok(())
}

/// The settings of the command put over those of the patient, checked.
fn change(
    templates: &Templates,
    patient: &mut Patient,
    settings: &PatientSettings,
) -> Result<(), Failure> {
    if let Some(zone) = &settings.zone {
        check_zone(zone)?;
        patient.zone = Some(zone.clone());
    }
    if let Some(language) = &settings.language {
        if templates.language(language).is_none() {
            let known = templates.languages().collect::<Vec<_>>().join(", ");
            return Err(invalid(format!(
                "There are no texts in the language {language:?}; there are {known}."
            )));
        }
        patient.language = Some(language.clone());
    }
    patient.monitoring = settings.monitoring.unwrap_or(patient.monitoring);
    patient.prompts = settings.prompts.or(patient.prompts);
    if let Some([from, to]) = &settings.quiet_hours {
        let (from, to) = (clock("quiet_hours", from)?, clock("quiet_hours", to)?);
        patient.quiet_min = (from != to).then_some((from, to));
    }
    if let Some(cap) = settings.daily_cap {
        if cap > DAILY_CAP_MAX {
            return Err(invalid(format!("At most {DAILY_CAP_MAX} prompts a day are possible.")));
        }
        patient.daily_cap = cap;
    }
    if let Some(start) = &settings.start {
        let zone = zone_of(patient).unwrap_or(jiff::tz::TimeZone::UTC);
        patient.start = moment_or_day("start", start, &zone)?;
    }
    if let Some(given) = &settings.limits {
        patient.limits = limits::merge(&patient.limits, given)?;
    }
    Ok(())
}

/// A zone by its usual name, or the nearest one.
pub(super) fn check_zone(name: &str) -> Result<(), Failure> {
    if local::zone(name).is_some() {
        return Ok(());
    }
    let all: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    // A city alone is the usual mistake: it is the last part of the name.
    let city = all
        .iter()
        .map(String::as_str)
        .find(|zone| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)));
    let near = city.or_else(|| nearest(name, all.iter().map(String::as_str)));
    let hint = near.map_or_else(
        || "names are like Europe/Berlin.".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    Err(invalid(format!("There is no time zone {name:?}; {hint}")))
}

/// A local time of the day in minutes.
pub(super) fn clock(what: &str, text: &str) -> Result<u16, Failure> {
    let parts = text.split_once(':').filter(|(hours, minutes)| {
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        digits(hours) && digits(minutes)
    });
    let time = parts.and_then(|(hours, minutes)| {
        let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    });
    time.ok_or_else(|| {
        invalid(format!("{what}: {text:?} is no time of the day; write it like 22:00."))
    })
}

pub(super) fn close(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    id: &str,
) -> Result<Said, Failure> {
    let mut patient = enrolled(doing.tx, id)?;
    patient.monitoring = false;
    patient.closed = Some(doing.now.wall);
    patient::put(doing.tx, &patient)?;
    for mut running in plan::list(doing.tx, Some(id))? {
        running.state = plan::PlanState::Closed;
        plan::put(doing.tx, &running)?;
    }
    patient::end_ownerships(doing.tx, id, doing.now.wall)?;
    answer::monitoring_ended(doing.tx, id, doing.now)?;
    live.event(doing.tx, id, LiveEvent::Settings, doing.now)?;
    Ok(said(format!("Monitoring of the patient {id} has ended; history stays."), id_result(id)))
}

pub(super) fn erase(doing: &Doing<'_>, id: &str) -> Result<Said, Failure> {
    known(doing.tx, id)?;
    let held = patient::erase_person(doing.tx, id)?;
    // What is on its way or still kept for consumers carries the name in its words.
    outbox::blank_prompts(doing.tx, id)?;
    let sentence = if held {
        format!("Name and contact of the patient {id} are erased; readings stay under the id.")
    } else {
        format!("No name or contact of the patient {id} was held.")
    };
    Ok(said(sentence, id_result(id)))
}

pub(super) fn pause(doing: &Doing<'_>, pause: &Pause) -> Result<Said, Failure> {
    let known = enrolled(doing.tx, &pause.id)?;
    let row = pause_row(pause)?;
    patient::put_pause(doing.tx, &pause.id, &row)?;
    plan::wake(doing.tx, &pause.id)?;
    let zone = zone_of(&known).unwrap_or(jiff::tz::TimeZone::UTC);
    if (row.from_day..=row.to_day).contains(&local::day(doing.now.wall, &zone)) {
        // Who is away or ill is not reminded by what is still on its way.
        for running in plan::list(doing.tx, Some(&pause.id))? {
            let nudges = prompt::open_nudges(doing.tx, &running.id)?;
            outreach::withdraw(doing.tx, nudges, "paused", None, doing.now)?;
        }
    }
    let sentence = format!(
        "Nothing is planned for the patient {} from {} to {} ({}).",
        pause.id, pause.from, pause.to, row.reason
    );
    Ok(said(sentence, json!({"id": pause.id, "from": pause.from, "to": pause.to})))
}

/// The pause as it is kept, checked by itself.
pub(super) fn pause_row(pause: &Pause) -> Result<patient::Pause, Failure> {
    let reason = one_of("The reason", &pause.reason, &PAUSE_REASONS)?;
    let (from, to) = (parse_day("from", &pause.from)?, parse_day("to", &pause.to)?);
    if to < from {
        let sentence = format!("The pause ends ({}) before it begins ({}).", pause.to, pause.from);
        return Err(invalid(sentence));
    }
    if to - from >= PAUSE_DAYS_MAX {
        return Err(invalid(format!("A pause has {PAUSE_DAYS_MAX} days at most.")));
    }
    Ok(patient::Pause { from_day: from, to_day: to, reason: reason.to_owned() })
}

pub(super) fn mute(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    mute: &Mute,
) -> Result<Said, Failure> {
    let mut patient = enrolled(doing.tx, &mute.id)?;
    let now_s = doing.now.wall.seconds();
    let from_s = match &mute.from {
        Some(from) => parse_moment("from", from)?.seconds(),
        None => now_s,
    };
    let until_s = parse_moment("until", &mute.until)?.seconds();
    if until_s <= from_s || until_s <= now_s {
        let sentence = format!("The mute would end at {}, before it has begun.", mute.until);
        return Err(invalid(sentence));
    }
    if until_s - from_s > MUTE_S_MAX {
        return Err(invalid("A mute has 31 days at most."));
    }
    patient.mutes.retain(|(_, to_s)| *to_s > now_s);
    patient.mutes.push((from_s, until_s));
    patient::put(doing.tx, &patient)?;
    live.event(doing.tx, &patient.id, LiveEvent::Settings, doing.now)?;
    let sentence = format!(
        "All but critical notices to the patient {} are silent until {}.",
        mute.id, mute.until
    );
    Ok(said(sentence, json!({"id": mute.id, "until": mute.until})))
}

pub(super) fn symptom(
    doing: &Doing<'_>,
    live: &mut dyn LiveAlerts,
    symptom: &Symptom,
) -> Result<Said, Failure> {
    let patient = enrolled(doing.tx, &symptom.id)?;
    let words: Vec<&str> = alerts::Symptom::ALL.iter().map(|word| word.as_str()).collect();
    let word = one_of("The symptom", &symptom.symptom, &words)?;
    let Some(kind) = alerts::Symptom::parse(word) else {
        return Err(invalid(format!("The symptom {word} is not known.")));
    };
    match live.event(doing.tx, &patient.id, LiveEvent::Symptom(kind), doing.now)? {
        LiveAnswer::Taken => {
            let sentence = "The symptom is noted and counts for 30 minutes.";
            Ok(said(sentence, id_result(&patient.id)))
        }
        LiveAnswer::Ignored(why) => Err(refuse("over", why)),
    }
}
