//! A whole household from one TOML file for a first start: patients, devices and whose they are, plans,
//! pauses and medication changes. `household.example.toml` shows every key.
//!
//! The file says how things should be; [`Household::commands`] compares that with the store and gives
//! the commands that are missing, so applying the same file twice changes nothing, and what people have
//! changed since through other keys stays.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::checked_toml::{self, Document, Problem};
use crate::control::command::{
    Command, DeviceAssign, DeviceSettings, PatientSettings, Pause, PlanAssign, PlanEvent, Verb,
    nearest,
};
use crate::control::execute::{Origin, check};
use crate::outreach::{Context, local, zone_of};
use crate::store::patient::{self, Patient};
use crate::store::plan::{self, PlanState};
use crate::store::{Queries, StoreError, command, device};

/// Ids of commands from a household file are UUIDv5 in this namespace.
const NAMESPACE: Uuid = Uuid::from_u128(0x2f0f_3b0a_5a0c_5c1e_8f6d_0f4f_6b7a_91c4);

/// The word that switches a rule off in `limits`; TOML has no null.
const OFF: &str = "off";

/// A household as its file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Household {
    file: File,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    patient: Vec<PatientEntry>,
    #[serde(default)]
    device: Vec<DeviceEntry>,
    #[serde(default)]
    plan: Vec<PlanEntry>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatientEntry {
    id: String,
    name: Option<String>,
    contact: Option<String>,
    zone: Option<String>,
    language: Option<String>,
    monitoring: Option<bool>,
    prompts: Option<bool>,
    quiet_hours: Option<[String; 2]>,
    daily_cap: Option<u8>,
    start: Option<String>,
    #[serde(default)]
    limits: BTreeMap<String, Value>,
    #[serde(default)]
    pause: Vec<PauseEntry>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseEntry {
    from: String,
    to: String,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceEntry {
    id: String,
    kind: String,
    model: Option<String>,
    address: Option<String>,
    zone: Option<String>,
    expected_interval_s: Option<u32>,
    #[serde(default)]
    owner: Vec<OwnerEntry>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnerEntry {
    patient: String,
    slot: Option<u8>,
    from: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanEntry {
    id: String,
    patient: String,
    programme: String,
    start: Option<String>,
    overrides: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    medication_change: Vec<ChangeEntry>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeEntry {
    day: String,
    note: Option<String>,
}

impl PatientEntry {
    fn settings(&self) -> PatientSettings {
        let limits = self.limits.iter().map(|(rule, values)| {
            let off = values.as_str() == Some(OFF);
            (rule.clone(), if off { Value::Null } else { values.clone() })
        });
        PatientSettings {
            id: self.id.clone(),
            name: self.name.clone(),
            contact: self.contact.clone(),
            zone: self.zone.clone(),
            language: self.language.clone(),
            monitoring: self.monitoring,
            prompts: self.prompts,
            quiet_hours: self.quiet_hours.clone(),
            daily_cap: self.daily_cap,
            start: self.start.clone(),
            limits: (!self.limits.is_empty()).then(|| limits.collect()),
        }
    }

    fn pauses(&self) -> impl Iterator<Item = Pause> {
        self.pause.iter().map(|pause| Pause {
            id: self.id.clone(),
            from: pause.from.clone(),
            to: pause.to.clone(),
            reason: pause.reason.clone(),
        })
    }
}

impl DeviceEntry {
    fn settings(&self) -> DeviceSettings {
        DeviceSettings {
            id: self.id.clone(),
            kind: Some(self.kind.clone()),
            model: self.model.clone(),
            address: self.address.clone(),
            zone: self.zone.clone(),
            expected_interval_s: self.expected_interval_s,
        }
    }
}

/// Collects problems of meaning with their places.
struct Findings<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, checked: Result<(), String>) {
        if let Err(sentence) = checked {
            let sentence = sentence.trim_end_matches('.').to_owned();
            self.problems.push(self.document.problem(key, sentence, None));
        }
    }

    fn twice<'i>(&mut self, list: &str, ids: impl Iterator<Item = &'i str>) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, id) in ids.enumerate() {
            if let Some(first) = seen.get(id) {
                let message =
                    format!("{list} {id:?} is listed twice, first as number {}", first + 1);
                self.problems.push(self.document.problem(
                    &format!("{list}.{place}.id"),
                    message,
                    None,
                ));
            } else {
                seen.insert(id, place);
            }
        }
    }

    fn refers(&mut self, key: &str, id: &str, known: &BTreeSet<&str>) {
        if !known.contains(id) {
            let help =
                nearest(id, known.iter().copied()).map(|near| format!("did you mean {near}?"));
            let message = format!("no [[patient]] of this file has the id {id:?}");
            self.problems.push(self.document.problem(key, message, help));
        }
    }
}

impl Household {
    /// Reads a file and reports everything that is wrong with it at once.
    ///
    /// # Errors
    /// All problems, each with its line.
    pub fn read(source: &str, text: &str, ctx: &Context<'_>) -> Result<Self, Vec<Problem>> {
        let (file, document): (File, Document) = checked_toml::read(source, text)?;
        let mut findings = Findings { document: &document, problems: Vec::new() };
        findings.twice("patient", file.patient.iter().map(|p| p.id.as_str()));
        findings.twice("device", file.device.iter().map(|d| d.id.as_str()));
        findings.twice("plan", file.plan.iter().map(|p| p.id.as_str()));
        let patients: BTreeSet<&str> = file.patient.iter().map(|p| p.id.as_str()).collect();
        for (place, entry) in file.patient.iter().enumerate() {
            check_patient(&mut findings, ctx, place, entry);
        }
        let mut addresses: BTreeMap<String, &str> = BTreeMap::new();
        for (place, entry) in file.device.iter().enumerate() {
            check_device(&mut findings, place, entry, &patients, &mut addresses);
        }
        for (place, entry) in file.plan.iter().enumerate() {
            check_plan(&mut findings, ctx, place, entry, &patients);
        }
        let mut problems = findings.problems;
        if problems.is_empty() {
            Ok(Self { file })
        } else {
            problems.sort_by(|a, b| (a.line, a.column, &a.key).cmp(&(b.line, b.column, &b.key)));
            Err(problems)
        }
    }

    /// The commands that make the store say what the file says, in the order to execute them in; none
    /// if it says so already. The same file and store give the same ids.
    ///
    /// # Errors
    /// What the store answered.
    pub fn commands(&self, q: &impl Queries) -> Result<Vec<Command>, StoreError> {
        let mut verbs = Vec::new();
        for entry in &self.file.patient {
            patient_verbs(q, entry, &mut verbs)?;
        }
        for entry in &self.file.device {
            device_verbs(q, entry, &mut verbs)?;
        }
        for entry in &self.file.plan {
            self.plan_verbs(q, entry, &mut verbs)?;
        }
        for entry in &self.file.patient {
            pause_verbs(q, entry, &mut verbs)?;
        }
        // With the count, a setting that is changed to and fro is a new command each time; without
        // the time, a start that was cut short goes on with the same ones.
        let done = command::done_by(q, Origin::Household.as_str())?;
        let command = |verb: Verb| {
            let text = serde_json::to_string(&verb).map_err(StoreError::Message)?;
            let id = Uuid::new_v5(&NAMESPACE, format!("{done}\u{1f}{text}").as_bytes());
            let id = format!("household-{id}");
            Ok(Command { id, gateway: None, expires: None, verb })
        };
        verbs.into_iter().map(command).collect()
    }

    fn plan_verbs(
        &self,
        q: &impl Queries,
        entry: &PlanEntry,
        verbs: &mut Vec<Verb>,
    ) -> Result<(), StoreError> {
        let known = plan::get(q, &entry.id)?;
        let same = known.as_ref().is_some_and(|plan| {
            plan.patient == entry.patient
                && plan.programme == entry.programme
                && entry
                    .start
                    .as_deref()
                    .is_none_or(|start| local::parse_day(start) == Some(plan.start_day))
        });
        if !same {
            // Where another plan has this id the answer says so.
            verbs.push(Verb::PlanAssign(PlanAssign {
                id: entry.id.clone(),
                patient: entry.patient.clone(),
                programme: entry.programme.clone(),
                start: entry.start.clone(),
                overrides: entry.overrides.clone(),
            }));
        }
        if known.is_some_and(|plan| plan.state == PlanState::Closed) {
            return Ok(());
        }
        let events = plan::events(q, &entry.id)?;
        for change in &entry.medication_change {
            let day = local::parse_day(&change.day);
            if events.iter().any(|event| Some(event.day) == day) {
                continue;
            }
            verbs.push(Verb::PlanEvent(PlanEvent {
                id: entry.id.clone(),
                day: change.day.clone(),
                event: "medication_change".to_owned(),
                note: change.note.clone(),
            }));
        }
        Ok(())
    }
}

fn check_patient(
    findings: &mut Findings<'_>,
    ctx: &Context<'_>,
    place: usize,
    entry: &PatientEntry,
) {
    let at = |key: &str| format!("patient.{place}.{key}");
    let whole = entry.settings();
    let only = |change: fn(&PatientSettings, &mut PatientSettings)| {
        let mut settings = PatientSettings { id: "x".to_owned(), ..PatientSettings::default() };
        change(&whole, &mut settings);
        check::patient(ctx.templates, &settings)
    };
    findings.add(&at("id"), only(|all, one| one.id.clone_from(&all.id)));
    findings.add(&at("zone"), only(|all, one| one.zone.clone_from(&all.zone)));
    findings.add(&at("language"), only(|all, one| one.language.clone_from(&all.language)));
    findings.add(&at("quiet_hours"), only(|all, one| one.quiet_hours.clone_from(&all.quiet_hours)));
    findings.add(&at("daily_cap"), only(|all, one| one.daily_cap = all.daily_cap));
    findings.add(&at("start"), only(|all, one| one.start.clone_from(&all.start)));
    findings.add(&at("limits"), only(|all, one| one.limits.clone_from(&all.limits)));
    for (number, pause) in entry.pauses().enumerate() {
        findings.add(&at(&format!("pause.{number}")), check::pause(&pause).map(|_| ()));
    }
}

fn check_device<'f>(
    findings: &mut Findings<'_>,
    place: usize,
    entry: &'f DeviceEntry,
    patients: &BTreeSet<&str>,
    addresses: &mut BTreeMap<String, &'f str>,
) {
    let at = |key: &str| format!("device.{place}.{key}");
    let whole = entry.settings();
    let only = |change: fn(&DeviceSettings, &mut DeviceSettings)| {
        let mut settings = DeviceSettings { id: "x".to_owned(), ..DeviceSettings::default() };
        change(&whole, &mut settings);
        check::device(&settings)
    };
    findings.add(&at("id"), only(|all, one| one.id.clone_from(&all.id)));
    findings.add(&at("kind"), only(|all, one| one.kind.clone_from(&all.kind)));
    findings.add(&at("zone"), only(|all, one| one.zone.clone_from(&all.zone)));
    let interval = only(|all, one| one.expected_interval_s = all.expected_interval_s);
    findings.add(&at("expected_interval_s"), interval);
    match entry.address.as_deref().map(check::address) {
        Some(Ok(address)) => {
            if let Some(other) = addresses.insert(address, &entry.id) {
                let sentence = format!("the device {other:?} has this address too");
                findings.add(&at("address"), Err(sentence));
            }
        }
        Some(Err(sentence)) => findings.add(&at("address"), Err(sentence)),
        None => {}
    }
    let mut slots = BTreeSet::new();
    for (number, owner) in entry.owner.iter().enumerate() {
        let key = format!("owner.{number}");
        findings.refers(&at(&format!("{key}.patient")), &owner.patient, patients);
        if !slots.insert(owner.slot) {
            let sentence = match owner.slot {
                Some(slot) => format!("slot {slot} of this device has an owner already"),
                None => "this device has an owner already; give each owner a slot".to_owned(),
            };
            findings.add(&at(&key), Err(sentence));
        }
        findings.add(&at(&format!("{key}.from")), check_moment(owner.from.as_deref()));
    }
}

fn check_plan(
    findings: &mut Findings<'_>,
    ctx: &Context<'_>,
    place: usize,
    entry: &PlanEntry,
    patients: &BTreeSet<&str>,
) {
    let at = |key: &str| format!("plan.{place}.{key}");
    findings.add(&at("id"), check::plan_id(&entry.id));
    findings.refers(&at("patient"), &entry.patient, patients);
    let start = entry.start.as_deref().map(|start| (start, local::parse_day(start)));
    if let Some((start, None)) = start {
        findings.add(&at("start"), Err(format!("{start:?} is no date; write it like 2026-03-31")));
    }
    let programmes = ctx.programmes.ids();
    if programmes.iter().any(|id| *id == entry.programme) {
        let start_day = start.and_then(|(_, day)| day).unwrap_or(0);
        findings.add(&at("overrides"), ctx.programmes.check(&entry.plan(start_day)));
    } else {
        let help = nearest(&entry.programme, programmes.iter().copied());
        let message = format!(
            "there is no programme {:?}; there are {}",
            entry.programme,
            programmes.join(", ")
        );
        let help = help.map(|near| format!("did you mean {near}?"));
        findings.problems.push(findings.document.problem(&at("programme"), message, help));
    }
    for (number, change) in entry.medication_change.iter().enumerate() {
        let day = local::parse_day(&change.day).map(|_| ());
        let sentence = format!("{:?} is no date; write it like 2026-03-31", change.day);
        findings.add(&at(&format!("medication_change.{number}.day")), day.ok_or(sentence));
    }
}

impl PlanEntry {
    fn plan(&self, start_day: i64) -> plan::Plan {
        plan::Plan {
            id: self.id.clone(),
            patient: self.patient.clone(),
            programme: self.programme.clone(),
            start_day,
            overrides: self.overrides.clone().unwrap_or_default(),
            state: PlanState::Active,
            publisher: None,
            silence: None,
            evaluated_day: None,
        }
    }
}

fn check_moment(text: Option<&str>) -> Result<(), String> {
    match text {
        Some(text) if local::parse_day(text).is_none() && local::parse_moment(text).is_none() => {
            Err(format!("{text:?} is neither a date nor a moment; write it like 2026-03-31"))
        }
        _ => Ok(()),
    }
}

fn patient_verbs(
    q: &impl Queries,
    entry: &PatientEntry,
    verbs: &mut Vec<Verb>,
) -> Result<(), StoreError> {
    let mut wanted = entry.settings();
    let Some(known) = patient::get(q, &entry.id)? else {
        verbs.push(Verb::PatientAdd(wanted));
        return Ok(());
    };
    if known.closed.is_some() {
        // A person ended this; a file does not take it back.
        return Ok(());
    }
    let person = patient::person(q, &entry.id)?;
    forget_same(&mut wanted.name, |name| person.name.as_ref() == Some(name));
    forget_same(&mut wanted.contact, |contact| person.contact.as_ref() == Some(contact));
    forget_same(&mut wanted.zone, |zone| known.zone.as_ref() == Some(zone));
    forget_same(&mut wanted.language, |language| known.language.as_ref() == Some(language));
    forget_same(&mut wanted.monitoring, |on| known.monitoring == *on);
    forget_same(&mut wanted.prompts, |on| known.prompts == Some(*on));
    forget_same(&mut wanted.daily_cap, |cap| known.daily_cap == *cap);
    forget_same(&mut wanted.quiet_hours, |hours| {
        check::quiet_hours(hours).is_ok_and(|quiet| quiet == known.quiet_min)
    });
    forget_same(&mut wanted.start, |start| same_moment(&known, start));
    forget_same(&mut wanted.limits, |limits| {
        limits.iter().all(|(rule, values)| known.limits.get(rule) == Some(values))
    });
    let nothing = PatientSettings { id: entry.id.clone(), ..PatientSettings::default() };
    // STOP is the patient's word: a file from before does not take it back.
    if known.prompts == Some(false) {
        wanted.prompts = None;
    }
    if wanted != nothing {
        verbs.push(Verb::PatientEdit(wanted));
    }
    Ok(())
}

fn forget_same<T>(field: &mut Option<T>, same: impl FnOnce(&T) -> bool) {
    if field.as_ref().is_some_and(same) {
        *field = None;
    }
}

fn same_moment(known: &Patient, start: &str) -> bool {
    let zone = zone_of(known).unwrap_or(jiff::tz::TimeZone::UTC);
    let day = local::parse_day(start).map(|day| local::start_of(day, &zone));
    day.or_else(|| local::parse_moment(start)) == Some(known.start)
}

fn device_verbs(
    q: &impl Queries,
    entry: &DeviceEntry,
    verbs: &mut Vec<Verb>,
) -> Result<(), StoreError> {
    let mut wanted = entry.settings();
    match device::get(q, &entry.id)? {
        None => verbs.push(Verb::DeviceAdd(wanted)),
        Some(known) if known.retired.is_some() => return Ok(()),
        Some(known) => {
            forget_same(&mut wanted.kind, |kind| known.kind == *kind);
            forget_same(&mut wanted.model, |model| known.model.as_ref() == Some(model));
            forget_same(&mut wanted.zone, |zone| known.zone.as_ref() == Some(zone));
            forget_same(&mut wanted.address, |address| {
                check::address(address).ok() == known.address
            });
            forget_same(&mut wanted.expected_interval_s, |s| known.expected_interval_s == Some(*s));
            let nothing = DeviceSettings { id: entry.id.clone(), ..DeviceSettings::default() };
            if wanted != nothing {
                verbs.push(Verb::DeviceEdit(wanted));
            }
        }
    }
    let owners = device::owners(q, &entry.id)?;
    for owner in &entry.owner {
        let current = owners.iter().any(|known| {
            known.slot == owner.slot && known.patient == owner.patient && known.to.is_none()
        });
        if !current {
            verbs.push(Verb::DeviceAssign(DeviceAssign {
                id: entry.id.clone(),
                patient: owner.patient.clone(),
                slot: owner.slot,
                from: owner.from.clone(),
            }));
        }
    }
    Ok(())
}

fn pause_verbs(
    q: &impl Queries,
    entry: &PatientEntry,
    verbs: &mut Vec<Verb>,
) -> Result<(), StoreError> {
    let known = patient::pauses(q, &entry.id)?;
    let new = |pause: &Pause| !check::pause(pause).is_ok_and(|row| known.contains(&row));
    verbs.extend(entry.pauses().filter(new).map(Verb::PatientPause));
    Ok(())
}

#[cfg(test)]
mod tests;
