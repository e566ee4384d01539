//! What a household file means, checked before anything of it is done: every problem with its line.

use std::collections::{BTreeMap, BTreeSet};

use super::{DeviceEntry, File, PatientEntry, PlanEntry};
use crate::assess::days;
use crate::checked_toml::{Document, Problem};
use crate::control::command::{DeviceSettings, PatientSettings, nearest};
use crate::control::execute::check;
use crate::outreach::{self, Context, local};

/// Everything that is wrong with a file that could be read, in the order of its lines.
pub(super) fn problems(file: &File, document: &Document, ctx: &Context<'_>) -> Vec<Problem> {
    let mut findings = Findings { document, problems: Vec::new() };
    findings.twice("patient", file.patient.iter().map(|p| p.id.as_str()));
    findings.twice("device", file.device.iter().map(|d| d.id.as_str()));
    findings.twice("plan", file.plan.iter().map(|p| p.id.as_str()));
    let patients: BTreeSet<&str> = file.patient.iter().map(|p| p.id.as_str()).collect();
    for (place, entry) in file.patient.iter().enumerate() {
        check_patient(&mut findings, ctx, place, entry);
    }
    for (place, entry) in file.plan.iter().enumerate() {
        let owner = file.patient.iter().find(|patient| patient.id == entry.patient);
        if let Some(language) = owner.and_then(|owner| owner.language.as_deref())
            && let Some(programme) = ctx.programmes.get(&entry.programme)
            && ctx.templates.language(language).is_some()
            && !outreach::speaks(programme, language)
        {
            let sentence =
                format!("this programme has no texts in the patient's language {language:?}");
            findings.add(&format!("plan.{place}.programme"), Err(sentence));
        }
    }
    let mut addresses: BTreeMap<String, &str> = BTreeMap::new();
    for (place, entry) in file.device.iter().enumerate() {
        check_device(&mut findings, place, entry, &patients, &mut addresses);
    }
    for (place, entry) in file.plan.iter().enumerate() {
        check_plan(&mut findings, ctx, place, entry, &patients);
    }
    let mut problems = findings.problems;
    problems.sort_by(|a, b| (a.line, a.column, &a.key).cmp(&(b.line, b.column, &b.key)));
    problems
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
    findings.add(&at("alias"), only(|all, one| one.alias.clone_from(&all.alias)));
    findings.add(&at("profile"), only(|all, one| one.profile.clone_from(&all.profile)));
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
    let programmes: Vec<&str> = ctx.programmes.iter().map(|p| p.id.as_str()).collect();
    if programmes.contains(&entry.programme.as_str()) {
        let start_day = start.and_then(|(_, day)| day).unwrap_or(0);
        findings.add(&at("overrides"), days::check(ctx.programmes, &entry.plan(start_day)));
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

fn check_moment(text: Option<&str>) -> Result<(), String> {
    match text {
        Some(text) if local::parse_day(text).is_none() && local::parse_moment(text).is_none() => {
            Err(format!("{text:?} is neither a date nor a moment; write it like 2026-03-31"))
        }
        _ => Ok(()),
    }
}
