//! A whole household from one TOML file for a first start: patients, devices and whose they are, plans,
//! pauses and medication changes. `household.example.toml` shows every key.
//!
//! The file says how things should be; [`Household::commands`] compares that with the store and gives
//! the commands that are missing, so applying the same file twice changes nothing, and what people have
//! changed since through other keys stays.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::checked_toml::{self, Document, Problem};
use crate::control::command::{
    Command, DeviceAssign, DeviceSettings, PatientSettings, Pause, PlanAssign, PlanEvent, Verb,
};
use crate::control::execute::{Origin, check};
use crate::outreach::{Context, local, zone_of};
use crate::store::patient::{self, Patient};
use crate::store::plan::{self, PlanState};
use crate::store::{Queries, StoreError, command, device, radio};

mod meaning;

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
    alias: Option<String>,
    model: Option<String>,
    profile: Option<String>,
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
            alias: self.alias.clone(),
            model: self.model.clone(),
            profile: self.profile.clone(),
            address: self.address.clone(),
            zone: self.zone.clone(),
            expected_interval_s: self.expected_interval_s,
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
        let problems = meaning::problems(&file, &document, ctx);
        if problems.is_empty() { Ok(Self { file }) } else { Err(problems) }
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

impl PlanEntry {
    fn plan(&self, start_day: i64) -> plan::Plan {
        let mut plan = plan::Plan::new(
            self.id.as_str(),
            self.patient.as_str(),
            self.programme.as_str(),
            start_day,
        );
        plan.overrides = self.overrides.clone().unwrap_or_default();
        plan
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
            forget_same(&mut wanted.alias, |alias| known.alias.as_ref() == Some(alias));
            let profile = radio::profile(q, &entry.id)?;
            forget_same(&mut wanted.profile, |wanted| profile.as_ref() == Some(wanted));
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
