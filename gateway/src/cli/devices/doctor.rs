//! `hearth devices doctor`: why the radio, or a device, does not do what it should.

use std::path::Path;

use serde_json::{Value, json};

use super::super::client::Daemon;
use super::super::exit::{Exit, Failure};
use super::super::print::{self, Format};
use super::words;
use crate::config::{self, Adapter};
use crate::control::query::{Answer, List, Listing, Request};
use crate::control::status::StatusReport;
use crate::radio::profile::Profile;
use crate::requests::RadioHealth;

mod machine;

use machine::Machine;

/// Find out why the radio or a device does not work: each line is ok or says what to do
///
/// Looks at the machine by itself (adapter, rfkill, D-Bus, Bluetooth service, permission) and asks the
/// gateway where one runs (radio, pairing agent, bonds, clock, each device).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth devices doctor\n  \
    hearth devices doctor --json | jq 'select(.state == \"problem\")'\n\n\
    Exit codes: 0 all is well, 1 there is a problem")]
pub(super) struct Doctor {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    /// What was looked at.
    what: String,
    /// `None`: it cannot be said.
    well: Option<bool>,
    /// What was found.
    says: String,
    /// What to do about it.
    next: Option<String>,
}

fn well(what: &str, says: impl Into<String>) -> Check {
    Check { what: what.to_owned(), well: Some(true), says: says.into(), next: None }
}

fn unknown(what: &str, says: impl Into<String>) -> Check {
    Check { what: what.to_owned(), well: None, says: says.into(), next: None }
}

fn problem(what: &str, says: impl Into<String>, next: impl Into<String>) -> Check {
    let next = Some(next.into());
    Check { what: what.to_owned(), well: Some(false), says: says.into(), next }
}

impl Check {
    const fn state(&self) -> &'static str {
        match self.well {
            Some(true) => "ok",
            Some(false) => "problem",
            None => "unknown",
        }
    }
}

impl Doctor {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut checks = Vec::new();
        let adapter = self.settings(&mut checks);
        checks.extend(Machine::here().look(&adapter));
        self.gateway(&mut checks);
        let ill = checks.iter().filter(|check| check.well == Some(false)).count();
        if self.format.json {
            print::out(
                &checks.iter().map(|check| format!("{}\n", json_of(check))).collect::<String>(),
            )?;
        } else {
            print::out(&told(&checks))?;
        }
        Ok(if ill == 0 { Exit::Ok } else { Exit::Negative })
    }

    /// What the settings say of the radio; the adapter to look for.
    fn settings(&self, checks: &mut Vec<Check>) -> String {
        let found = config::find(self.daemon.config.as_deref());
        let Some(file) = found else {
            checks.push(problem(
                "settings",
                "No configuration file was found.",
                "name one: hearth devices doctor --config FILE",
            ));
            return machine::FIRST.to_owned();
        };
        let adapter = match config::load(&file) {
            Ok(loaded) => loaded.config.radio.adapter,
            Err(_) => {
                checks.push(problem(
                    "settings",
                    format!("{} cannot be used.", file.display()),
                    format!("mend it: hearth check-config --config {}", file.display()),
                ));
                return machine::FIRST.to_owned();
            }
        };
        checks.push(of_settings(&adapter, &file, &Machine::here().adapters()));
        adapter.bluetooth().unwrap_or(machine::FIRST).to_owned()
    }

    /// What the gateway says, where one runs.
    fn gateway(&self, checks: &mut Vec<Check>) {
        let status = match self.daemon.ask(&Request::Status) {
            Ok(Answer::Status { status }) => status,
            Ok(_) => {
                checks.push(problem(
                    "gateway",
                    "The gateway's answer was not understood.",
                    "check that it runs the same version: hearth status, hearth --version",
                ));
                return;
            }
            Err(failure) => {
                let next = failure.next.unwrap_or_else(|| "look at its log".to_owned());
                checks.push(problem("gateway", failure.sentence, next));
                return;
            }
        };
        checks.push(well("gateway", format!("{} answers.", status.gateway)));
        checks.push(of_clock(&status));
        let list = List { what: Listing::Devices, patient: None, all: false };
        let devices = self.daemon.rows(&Request::List(list)).unwrap_or_default();
        match &status.radio.health {
            Some(health) => {
                checks.extend(of_radio(health));
                checks.extend(of_bonds(health, &devices));
            }
            None => checks.push(unknown("radio", "The gateway has no Bluetooth radio.")),
        }
        let models = super::models::known(&self.daemon);
        if let Err(failure) = &models {
            checks.push(problem("models", failure.sentence.clone(), "hearth check-config"));
        }
        for device in &devices {
            let Some(id) = device.get("id").and_then(Value::as_str) else { continue };
            match super::show::device(&self.daemon, id) {
                Ok(whole) => {
                    let profile = whole.get("profile").and_then(Value::as_str);
                    if let (Ok(models), Some(profile)) = (&models, profile) {
                        checks.extend(of_profile(id, profile, models.named(profile)));
                    }
                    checks.extend(of_device(id, &whole));
                }
                Err(failure) => checks.push(unknown(id, failure.sentence)),
            }
        }
    }
}

fn json_of(check: &Check) -> Value {
    json!({"check": check.what, "state": check.state(), "says": check.says, "next": check.next})
}

fn told(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let what = print::printable(&check.what);
        text.push_str(&format!(
            "{:<7} {what:width$}  {}\n",
            check.state(),
            print::printable(&check.says)
        ));
        if let Some(next) = &check.next {
            text.push_str(&format!("{:<7} {:width$}  next: {next}\n", "", ""));
        }
    }
    match checks.iter().filter(|check| check.well == Some(false)).count() {
        0 => text.push_str("Nothing is wrong as far as can be seen.\n"),
        n => text.push_str(&format!("{}.\n", words::count(n as u64, "problem"))),
    }
    text
}

fn of_settings(adapter: &Adapter, file: &Path, there: &[String]) -> Check {
    let example = there.first().map_or(machine::FIRST, |name| name.as_str());
    match adapter {
        Adapter::Bluetooth(name) => well("settings", format!("{} names {name}.", file.display())),
        Adapter::Simulated => unknown(
            "settings",
            format!("{} names the simulated household: no radio is used.", file.display()),
        ),
        Adapter::None => problem(
            "settings",
            format!("{} names no Bluetooth adapter.", file.display()),
            format!("set radio.adapter = {example:?} there and restart the gateway"),
        ),
    }
}

fn of_clock(status: &StatusReport) -> Check {
    if status.clock.trusted {
        well("clock", status.clock.sentence.clone())
    } else {
        problem(
            "clock",
            format!(
                "The gateway's clock is not trusted, so no device's clock is set: {}.",
                status.clock.sentence
            ),
            "wait for the network's time, or: hearth clock confirm",
        )
    }
}

fn of_radio(health: &RadioHealth) -> Vec<Check> {
    let mut checks = Vec::new();
    let heard = match health.heard_s_ago {
        Some(s) => format!("something was heard {} ago", words::stretch(u64::from(s))),
        None => "nothing was heard yet".to_owned(),
    };
    checks.push(match health.state.as_str() {
        "ok" if health.scanning => well("radio", format!("It scans; {heard}.")),
        "ok" => well("radio", format!("It is well; {heard}.")),
        "starting" => unknown("radio", "It is starting: ask again in a few seconds."),
        code => {
            let fault = words::fault(code);
            let says = health.sentence.clone().or_else(|| fault.as_ref().map(|f| f.sentence()));
            let next = health.next.clone().or_else(|| fault.map(|f| f.next().to_owned()));
            problem(
                "radio",
                says.unwrap_or_else(|| format!("It is not well: {}.", code.replace('_', " "))),
                next.unwrap_or_else(|| "look at the gateway's log".to_owned()),
            )
        }
    });
    checks.push(match health.agent_default {
        Some(true) => well("agent", "BlueZ asks this gateway when a device is paired."),
        Some(false) => problem(
            "agent",
            "Another program answers when a device is paired.",
            "close it (an open bluetoothctl, a desktop's Bluetooth window), then restart the gateway",
        ),
        None => unknown("agent", "Whether BlueZ asks this gateway is not known."),
    });
    if health.library_panics > 0 {
        checks.push(unknown(
            "library",
            format!(
                "The Bluetooth library failed {} in the background; it was survived.",
                words::count(health.library_panics, "time")
            ),
        ));
    }
    checks
}

/// Keys that are here beside what the roster says.
fn of_bonds(health: &RadioHealth, devices: &[Value]) -> Vec<Check> {
    let Some(bonds) = &health.bonds else {
        return vec![unknown("bonds", "Which keys are here is not known.")];
    };
    let text = |device: &Value, field: &str| {
        device.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut checks = Vec::new();
    for device in devices {
        let (id, address) = (text(device, "id"), text(device, "address"));
        let bonded = device.get("bonded").and_then(Value::as_bool) == Some(true);
        if bonded && !address.is_empty() && !bonds.contains(&address) {
            checks.push(problem(
                "bonds",
                format!("{id} was paired, but its key is no longer here."),
                format!("put it into pairing mode, then: hearth devices pair {address} --as {id}"),
            ));
        }
    }
    let stray = bonds.iter().filter(|bond| !devices.iter().any(|d| text(d, "address") == **bond));
    for address in stray {
        checks.push(problem(
            "bonds",
            format!("{address} is paired with this machine, but on no roster."),
            format!("list it: hearth devices pair {address}; or remove it: bluetoothctl remove {address}"),
        ));
    }
    if checks.is_empty() {
        let keys = words::count(bonds.len() as u64, "key");
        checks.push(well("bonds", format!("{keys} here, as the roster says.")));
    }
    checks
}

/// Whether the device's model is one that can be spoken with.
fn of_profile(id: &str, name: &str, profile: Option<&Profile>) -> Option<Check> {
    let Some(profile) = profile else {
        return Some(problem(
            id,
            format!("No model is called {name} here."),
            format!("choose one: hearth devices models; hearth devices edit {id} --profile MODEL"),
        ));
    };
    profile.unsupported.as_ref().map(|why| {
        problem(
            id,
            format!("Its model cannot be spoken with: {why}"),
            "use another device, or the readings that its own app exports",
        )
    })
}

/// A clock that is off by more than this is a problem: readings are corrected by the difference, but a
/// person who looks at the device is misled.
const CLOCK_OFF_S: i64 = 120;

fn of_device(id: &str, device: &Value) -> Vec<Check> {
    let mut checks = Vec::new();
    let radio = device.get("radio").filter(|radio| radio.is_object());
    let word = radio.and_then(|radio| radio.get("state")).and_then(Value::as_str).unwrap_or("new");
    let last = device.pointer("/last_sessions/0");
    let last = last.map(|s| {
        format!(" Last session: {} {}.", print::cell(s.get("started")), print::cell(s.get("how")))
    });
    let says = format!("{}{}", words::state(word), last.unwrap_or_default());
    checks.push(match words::next(word) {
        None => well(id, says),
        Some(next) => problem(id, says, next),
    });
    if device.get("address").is_none_or(Value::is_null) {
        checks.push(problem(
            id,
            "It has no Bluetooth address, so the radio cannot know it.",
            format!(
                "put it into pairing mode, then: hearth devices pair --as {id}; \
                     or: hearth devices edit {id} --address ADDRESS"
            ),
        ));
    } else if device.get("profile").is_none_or(Value::is_null) {
        checks.push(unknown(id, "Its model profile is recognised when it is met."));
    }
    let off = radio.and_then(|radio| {
        let number = |field: &str| radio.get(field).and_then(Value::as_i64);
        number("clock_after_s").or_else(|| number("clock_before_s"))
    });
    if let Some(off) = off.filter(|off| off.abs() > CLOCK_OFF_S) {
        checks.push(problem(
            id,
            format!("Its clock is {}; its readings are corrected by that.", words::off(off)),
            "set its clock by hand, or let it be met while the gateway's clock is trusted",
        ));
    }
    let complete = device.get("completeness");
    if complete.and_then(|c| c.get("verdict")).and_then(Value::as_str) == Some("incomplete") {
        checks.push(problem(
            id,
            "It holds records that are not here yet.",
            format!("let it be met once more; which ones: hearth devices show {id}"),
        ));
    }
    checks
}

#[cfg(test)]
mod tests;
