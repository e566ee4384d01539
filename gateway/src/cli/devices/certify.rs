//! `hearth devices certify`: a scripted session with a device on the table becomes a model file and a
//! report.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use toml::Table;

use super::super::client::{Daemon, internal};
use super::super::exit::{Exit, Failure};
use super::super::print::{self, Format};
use super::ask;
use super::pair::Which;
use super::talk::Learned;
use super::words;
use crate::radio::profile::Profile;
use crate::requests::RadioRequest;

/// Try everything with a device on the table, and write a model file and a report
///
/// The device is paired, asked what it offers, its clock is read and set, its records are fetched; each
/// step passes or fails. The model file goes into the folder that `radio.models` names.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth devices certify --output models/example-one.toml --report report.md\n\n\
    Exit codes: 0 every step passed, 1 one failed"
)]
pub(super) struct Certify {
    #[command(flatten)]
    which: Which,
    /// Id of the model, small letters, digits and dashes [default: the name of the file, or maker and model]
    #[arg(long, value_name = "ID")]
    model_id: Option<String>,
    /// What it is, where its services do not say: glucose_meter, blood_pressure_cuff, ...
    #[arg(long)]
    kind: Option<String>,
    /// Write the model file here [default: to stdout]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the report here, as text for people
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

impl Certify {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        super::check_id(self.which.id.as_deref())?;
        super::check_profile(&self.daemon, self.which.profile.as_deref())?;
        if let Some(file) = &self.output {
            let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let id = self.model_id.as_deref().unwrap_or(stem);
            if slug(id) != id || stem != id || file.extension().is_none_or(|end| end != "toml") {
                return Err(Failure::new(
                    Exit::Usage,
                    "A model file is called like its model, in small letters, digits and dashes",
                )
                .next(format!(
                    "--output {}",
                    file.with_file_name(slug(id)).with_extension("toml").display()
                )));
            }
        }
        for file in [&self.output, &self.report].into_iter().flatten() {
            if file.exists() {
                return Err(Failure::new(
                    Exit::Io,
                    format!("{} exists: nothing was overwritten", file.display()),
                )
                .next("name a new file, or move that one away"));
            }
        }
        let mut talk = self.which.talk();
        let first = RadioRequest::Certify(self.which.request());
        let ended =
            ask::converse(&self.daemon, self.format, first, &mut talk, &mut |_| Ok(Value::Null));
        let mut learned = talk.learned;
        if learned.heard.is_none() {
            // Nothing was tried: there is nothing to report.
            ended?;
            return Err(Failure::new(Exit::Negative, "The device was not heard.")
                .next("look for the reason: hearth devices doctor"));
        }
        let steps = steps(&learned, ended.as_ref().err());
        if !self.format.json {
            let line = |(what, result, detail): &Step| format!("{result:<7} {what}: {detail}\n");
            print::out(&steps.iter().map(line).collect::<String>())?;
        }
        learned.steps.extend(steps);
        let failed = count(&learned, "fail");
        let summary = format!(
            "{} passed, {failed} failed, {} skipped",
            count(&learned, "pass"),
            count(&learned, "skipped")
        );
        let model = self.model(&learned);
        if let Some(file) = &self.report {
            write(file, &report(&learned, &summary))?;
        }
        if let (Some(file), Ok((text, _))) = (&self.output, &model) {
            write(file, text)?;
        }
        if self.format.json {
            let model = model.as_ref().ok().map(|(_, profile)| json!(profile));
            let steps: Vec<Value> = learned
                .steps
                .iter()
                .map(|(step, result, detail)| json!({"step": step, "result": result, "detail": detail}))
                .collect();
            let whole = json!({"summary": summary, "steps": steps, "model": model});
            print::out(&format!("{whole}\n"))?;
        } else {
            print::out(&format!("{summary}.\n"))?;
            match (&self.output, &model) {
                (None, Ok((text, _))) => print::out(&format!("\n{text}"))?,
                (Some(file), Ok(_)) => print::out(&format!(
                    "The model is in {}: put it into the folder that radio.models names.\n",
                    file.display()
                ))?,
                (_, Err(_)) => {}
            }
        }
        ended?;
        model?;
        Ok(if failed == 0 { Exit::Ok } else { Exit::Negative })
    }

    /// The model file, and as the gateway will read it.
    fn model(&self, learned: &Learned) -> Result<(String, Profile), Failure> {
        let stem = self.output.as_ref().and_then(|file| file.file_stem()?.to_str());
        let id = self.model_id.as_deref().or(stem);
        let table = table(learned, id, self.kind.as_deref())?;
        let body = toml::to_string(&table).map_err(internal)?;
        let id = table.get("id").and_then(toml::Value::as_str).unwrap_or_default();
        let profile = Profile::parse(&format!("{id}.toml"), id, &body).map_err(|problems| {
            let mut failure = Failure::new(
                Exit::Negative,
                "What the session said is no whole model; the lines are above.",
            )
            .next("write the model by hand: every key is explained in the files of gateway/models");
            failure.problems = problems;
            failure
        })?;
        let head = "# Written by `hearth devices certify` from one session with one device: read each line, \
                    and add\n# what only its manual says (users, pairing hint, whether it deletes what it has sent).\n";
        Ok((format!("{head}{body}"), profile))
    }
}

/// What was tried, `pass`, `fail` or `skipped`, and the detail.
type Step = (String, String, String);

/// A clock that is off by less was set to the second.
const EXACT_S: i64 = 2;
/// A clock that is off by less was set, but knows no seconds.
const MINUTE_S: i64 = 60;

/// The verdict on what a session showed.
fn steps(learned: &Learned, ended: Option<&Failure>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |what: &str, result: &str, detail: String| {
        steps.push((what.to_owned(), result.to_owned(), detail));
    };
    let services = learned.heard.as_ref().map(|near| near.services.clone()).unwrap_or_default();
    match services.iter().find_map(|service| kind_of(service)) {
        Some(kind) => step("announces what it is", "pass", kind.replace('_', " ")),
        None => step(
            "announces what it is",
            "skipped",
            "none of the services that it announces says so".to_owned(),
        ),
    }
    match &learned.paired {
        Some((_, authenticated)) => {
            let protected = match authenticated.as_str() {
                "yes" => "protected against a man in the middle",
                "no" => "without protection against a man in the middle",
                _ => "its protection is not known",
            };
            step("is paired", "pass", protected.to_owned());
        }
        None => step("is paired", "skipped", "it was not paired in this session".to_owned()),
    }
    match learned.information.get("model") {
        Some(model) => step("says its model", "pass", model.clone()),
        None => step("says its model", "skipped", "no Device Information service".to_owned()),
    }
    match learned.clock {
        None => step("has a clock", "skipped", "none that can be read".to_owned()),
        Some((before, set, after)) => {
            step("has a clock", "pass", words::off(before));
            match (set, after.map(i64::abs)) {
                (false, _) => step("takes the time", "skipped", "it was not set".to_owned()),
                (true, None) => {
                    step("takes the time", "fail", "it cannot be read back".to_owned());
                }
                (true, Some(off)) if off <= EXACT_S => {
                    step("takes the time", "pass", "to the second".to_owned());
                }
                (true, Some(off)) if off <= MINUTE_S => {
                    step("takes the time", "pass", "to the minute".to_owned());
                }
                (true, Some(_)) => step(
                    "takes the time",
                    "fail",
                    format!("it was set and is still {}", words::off(after.unwrap_or_default())),
                ),
            }
        }
    }
    let values = words::count(u64::from(learned.values), "value");
    match (learned.records, learned.values) {
        (Some(held), got) if got >= held && held > 0 => {
            step("hands its records over", "pass", format!("{values}, {held} held"));
        }
        (Some(held), _) if held > 0 => {
            step("hands its records over", "fail", format!("{values}, but {held} held"));
        }
        (_, 0) => step(
            "hands its records over",
            "fail",
            "nothing came: measure once, then try again".to_owned(),
        ),
        (_, _) => step("hands its records over", "pass", values),
    }
    match ended {
        None => step("ends in order", "pass", "the session is complete".to_owned()),
        Some(failure) => {
            step("ends in order", "fail", format!("{} ({})", failure.sentence, failure.code))
        }
    }
    steps
}

fn count(learned: &Learned, result: &str) -> usize {
    learned.steps.iter().filter(|step| step.1 == result).count()
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let made = std::fs::File::create_new(file).and_then(|mut to| to.write_all(text.as_bytes()));
    made.map_err(|error| Failure::file("written", file, &error))
}

/// The kind of device that offers this service.
fn kind_of(service: &str) -> Option<&'static str> {
    Some(match service.to_uppercase().as_str() {
        "1808" => "glucose_meter",
        "1810" => "blood_pressure_cuff",
        "181D" | "181B" => "weight_scale",
        "1822" => "pulse_oximeter",
        "1809" => "thermometer",
        "181F" => "glucose_sensor",
        "180D" => "heart_rate_sensor",
        _ => return None,
    })
}

/// What one session with a device says about its model; what is as ever is left out.
fn table(learned: &Learned, id: Option<&str>, kind: Option<&str>) -> Result<Table, Failure> {
    let near = learned.heard.clone().ok_or_else(|| {
        Failure::new(Exit::Negative, "The device was not heard, so there is no model to write.")
            .next("wake it within two metres and try again")
    })?;
    let says = |what: &str| learned.information.get(what).cloned();
    let maker = says("manufacturer").unwrap_or_else(|| "unknown".to_owned());
    let name = says("model").or_else(|| near.name.clone()).unwrap_or_else(|| "unknown".to_owned());
    let kind = kind.or_else(|| near.services.iter().find_map(|service| kind_of(service)));
    let kind = kind.ok_or_else(|| {
        Failure::new(Exit::Negative, "What kind of device it is cannot be told from its services.")
            .next("say it: --kind blood_pressure_cuff")
    })?;
    let id = id.map_or_else(|| slug(&format!("{maker} {name}")), str::to_owned);
    let failed = count(learned, "fail") > 0;
    let mut root = Table::new();
    for (key, value) in [
        ("id", id.as_str()),
        ("maker", &maker),
        ("name", &name),
        ("kind", kind),
        ("gatt", if failed { "quirks" } else { "standard" }),
    ] {
        root.insert(key.to_owned(), value.into());
    }
    root.insert(
        "advertises".to_owned(),
        advertises(&near.name, &near.services, (&maker, &name)).into(),
    );
    let mut bond = Table::new();
    bond.insert(
        "policy".to_owned(),
        if learned.paired.is_some() { "required" } else { "none" }.into(),
    );
    let passkey = match (learned.shows_digits, learned.compares) {
        (true, _) => "device_shows",
        (false, true) => "compare",
        (false, false) => "none",
    };
    bond.insert("passkey".to_owned(), passkey.into());
    root.insert("bond".to_owned(), bond.into());
    let mut clock = Table::new();
    match learned.clock {
        None => drop(clock.insert("set_by".to_owned(), "none".into())),
        // It took the time, but not to the second.
        Some((_, true, Some(after))) if after.abs() > 2 => {
            clock.insert("resolution_s".to_owned(), 60.into());
        }
        Some(_) => {}
    }
    if !clock.is_empty() {
        root.insert("clock".to_owned(), clock.into());
    }
    let mut records = Table::new();
    let access = if learned.records.is_some() { "record_access" } else { "indications" };
    records.insert("access".to_owned(), access.into());
    root.insert("records".to_owned(), records.into());
    if learned.slots > 0 {
        let mut users = Table::new();
        users.insert("slots".to_owned(), i64::from(learned.slots).into());
        users.insert("consent".to_owned(), true.into());
        root.insert("users".to_owned(), users.into());
    }
    Ok(root)
}

fn advertises(name: &Option<String>, services: &[String], (maker, model): (&str, &str)) -> Table {
    let mut table = Table::new();
    if let Some(name) = name {
        // What follows the last letter is often a part of the serial number.
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let pattern = if stem.len() < name.len() && !stem.is_empty() {
            format!("{stem}*")
        } else {
            name.clone()
        };
        table.insert("names".to_owned(), vec![pattern].into());
    }
    let known: Vec<String> = services.iter().filter(|s| kind_of(s).is_some()).cloned().collect();
    if !known.is_empty() {
        table.insert("services".to_owned(), known.into());
    }
    if maker != "unknown" {
        table.insert("information".to_owned(), vec![format!("{maker}/{model}")].into());
    }
    table
}

/// An id: small letters, digits and dashes.
fn slug(text: &str) -> String {
    let mut id = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.trim_end_matches('-').chars().take(64).collect()
}

fn report(learned: &Learned, summary: &str) -> String {
    let name = learned.heard.as_ref().and_then(|near| near.name.clone()).unwrap_or_default();
    let mut text = format!("# Certification: {}\n\n{summary}\n\n", print::printable(&name));
    for (what, text_of) in &learned.information {
        text.push_str(&format!("- {what}: {}\n", print::printable(text_of)));
    }
    text.push_str(&format!("- values: {}\n\n", words::count(u64::from(learned.values), "value")));
    text.push_str("| step | result | detail |\n|---|---|---|\n");
    for (what, result, detail) in &learned.steps {
        let cell = |text: &str| print::printable(text).replace('|', "/");
        text.push_str(&format!("| {} | {result} | {} |\n", cell(what), cell(detail)));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::requests::NearDevice;

    fn learned() -> Learned {
        Learned {
            heard: Some(NearDevice {
                address: "C0:FF:EE:00:00:01".to_owned(),
                name: Some("Meter+01234567".to_owned()),
                profile: None,
                model: None,
                services: vec!["1808".to_owned(), "180A".to_owned()],
                rssi: Some(-50),
                heard_s_ago: 0,
                bonded: false,
                device: None,
            }),
            paired: Some(("yes".to_owned(), "yes".to_owned())),
            shows_digits: true,
            information: [("manufacturer", "Example Ltd."), ("model", "One")]
                .map(|(what, text)| (what.to_owned(), text.to_owned()))
                .into(),
            clock: Some((130, true, Some(20))),
            records: Some(3),
            steps: vec![
                ("pair".to_owned(), "pass".to_owned(), String::new()),
                ("records | all".to_owned(), "pass".to_owned(), "3 of 3".to_owned()),
            ],
            ..Learned::default()
        }
    }

    #[test]
    fn a_session_becomes_a_model_that_the_gateway_reads() {
        let table = table(&learned(), None, None).unwrap();
        let body = toml::to_string(&table).unwrap();
        let profile = Profile::parse("x", "example-ltd-one", &body).unwrap();
        assert_eq!(
            (profile.id.as_str(), profile.kind.as_str()),
            ("example-ltd-one", "glucose_meter")
        );
        assert_eq!(profile.advertises.names, ["Meter+*"]);
        assert_eq!(profile.advertises.services, ["1808"]);
        assert_eq!(profile.advertises.information, ["Example Ltd./One"]);
        assert_eq!(profile.bond.passkey, crate::radio::profile::Passkey::DeviceShows);
        assert_eq!(profile.records.access, crate::radio::profile::Access::RecordAccess);
        assert_eq!(
            (profile.clock.resolution_s, profile.gatt),
            (60, crate::radio::profile::Gatt::Standard)
        );
    }

    #[test]
    fn a_session_is_judged_step_by_step() {
        let result = |learned: &Learned, ended: Option<&Failure>| -> Vec<String> {
            steps(learned, ended).into_iter().map(|(_, result, _)| result).collect()
        };
        let mut device = Learned { values: 3, ..learned() };
        assert_eq!(result(&device, None), ["pass"; 7]);
        // Set, and still minutes off: it only says that it took the time.
        device.clock = Some((130, true, Some(130)));
        device.values = 2;
        device.paired = None;
        let lost = Failure::new(Exit::Negative, "The connection ended in the middle.");
        assert_eq!(
            result(&device, Some(&lost)),
            ["pass", "skipped", "pass", "pass", "fail", "fail", "fail"]
        );
        device.clock = Some((0, true, None));
        (device.records, device.values) = (None, 1);
        assert_eq!(result(&device, None)[4..], ["fail", "pass", "pass"]);
    }

    #[test]
    fn what_cannot_be_told_is_asked_for() {
        let mut unheard = learned();
        unheard.heard = None;
        assert!(table(&unheard, None, None).is_err());
        let mut odd = learned();
        odd.heard.as_mut().unwrap().services = vec!["FFF0".to_owned()];
        assert!(table(&odd, None, None).unwrap_err().next.unwrap().contains("--kind"));
        assert_eq!(
            table(&odd, Some("x-1"), Some("thermometer")).unwrap()["id"].as_str(),
            Some("x-1")
        );
    }

    #[test]
    fn the_report_has_each_step_and_no_address() {
        let text = report(&learned(), "2 passed, 0 failed, 0 skipped");
        assert!(text.contains("| records / all | pass | 3 of 3 |"), "{text}");
        assert!(text.contains("- manufacturer: Example Ltd.") && !text.contains("C0:FF"), "{text}");
    }
}
