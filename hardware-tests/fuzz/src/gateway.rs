//! What must hold for whatever people, brokers and files hand to the gateway: fuzz targets and
//! seeded tests call the same functions.

use std::path::Path as FilePath;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use hearth_gateway::checked_toml::Problem;
use hearth_gateway::clock::{BootId, Now};
use hearth_gateway::control::Command;
use hearth_gateway::control::execute::Origin;
use hearth_gateway::exchange;
use hearth_gateway::household::Household;
use hearth_gateway::intake::LineFormat;
use hearth_gateway::outreach::Context;
use hearth_gateway::outreach::templates::Templates;
use hearth_gateway::path::{Path, PathSettings};
use hearth_gateway::programme::{Library, Programme};
use hearth_gateway::replay::line;
use hearth_gateway::store::{Store, audit};
use hearth_gateway::uplink::incoming;
use hearth_gateway::{config, control};

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;

/// A name, and what to do with the octets a fuzzer found.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("gateway_command", command),
    ("gateway_commands_executed", commands_executed),
    ("gateway_configuration", configuration),
    ("gateway_household", household),
    ("gateway_programme", programme),
    ("gateway_line", replayed_line),
    ("gateway_assess", assess),
];

/// 2026-03-01T12:00:00Z: the moment at which commands are executed here.
const NOON_MS: i64 = 1_772_366_400_000;

fn templates() -> &'static Templates {
    Templates::builtin().expect("the built-in texts")
}

fn library() -> &'static Arc<Library> {
    static LIBRARY: OnceLock<Arc<Library>> = OnceLock::new();
    LIBRARY.get_or_init(|| Arc::new(Library::built_in()))
}

/// One command as it comes over the socket, and as it comes over MQTT: refused in one sentence, or
/// read, written and read again to the same.
pub fn command(data: &[u8]) {
    match Command::parse(data) {
        Ok(read) => {
            let written = serde_json::to_vec(&read).expect("a command has a JSON form");
            assert_eq!(Command::parse(&written).as_ref(), Ok(&read), "written and read again");
            let kept = Command::parse(&read.journal_form()).expect("what the journal keeps");
            assert_eq!((&kept.id, kept.verb.as_str()), (&read.id, read.verb.as_str()));
        }
        Err(refused) => {
            assert!(!refused.sentence.is_empty(), "a refusal says why");
            assert!(refused.id.is_none_or(|id| id.len() <= control::command::ID_MAX));
        }
    }
    if let Err(sentence) = incoming::command(data) {
        assert!(!sentence.is_empty(), "a refusal says why");
    }
    let _ = incoming::command_id(data);
}

/// Commands, one a line, executed one after the other on an empty gateway: whatever they ask, each
/// gets one answer, the same again for the same id, and the store stays sound.
pub fn commands_executed(data: &[u8]) {
    static STORES: AtomicU64 = AtomicU64::new(0);
    let name = format!("fuzzed-{}", STORES.fetch_add(1, Ordering::Relaxed));
    let store = Store::open_shared_memory(&name).expect("a store in memory");
    let settings = PathSettings::new("g1", TimeZone::UTC).with_programmes(library().clone());
    let mut path = Path::open(store, settings).expect("a path over an empty store");
    for (line, octets) in data.split(|octet| *octet == b'\n').take(64).enumerate() {
        let wall = UnixMillis::from_millis(NOON_MS + 60_000 * line as i64);
        let now = Now { wall, monotonic_ms: line as u64, boot: BootId([0; 16]), trusted: true };
        match Command::parse(octets) {
            Ok(command) => {
                let answer = path.execute(&command, Origin::Socket, now).expect("an answer");
                assert!(!answer.sentence.is_empty(), "an answer says what was done, or why not");
                let again = path.execute(&command, Origin::Socket, now).expect("an answer");
                assert_eq!(again.done, answer.done, "once per id");
            }
            Err(refused) => {
                path.quarantine_command(octets, &refused.sentence, now).expect("kept");
            }
        }
        path.tick(now).expect("a tick");
    }
    let mut store = path.into_store();
    let (_, findings) = store.transaction(|tx| audit::verify(tx)).expect("an audit");
    assert!(findings.is_empty(), "{findings:?}");
}

/// A configuration file: every refusal is a list of problems that can be shown.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(problems) = config::parse(FilePath::new("/nowhere/hearth.toml"), text) {
        shown(&problems, text);
    }
}

/// A household file.
pub fn household(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let context = Context { gateway: "g1", templates: templates(), programmes: library() };
    if let Err(problems) = Household::read("household.toml", text, &context) {
        shown(&problems, text);
    }
}

/// A care programme: what passes the check has a plan for every one of its series.
pub fn programme(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Programme::parse("programme.toml", text) {
        Ok(programme) => assert!(!programme.series.is_empty(), "a programme without a series"),
        Err(problems) => shown(&problems, text),
    }
}

/// One line of a recorded file in each of the layouts.
pub fn replayed_line(data: &[u8]) {
    for format in LineFormat::ALL {
        if let Err(error) = line::decode(format, data) {
            assert!(!error.to_string().is_empty(), "a quarantine has a reason");
        }
    }
}

/// Cases of `hearth assess`: one answer a case, in order, each a line of JSON.
pub fn assess(data: &[u8]) {
    let cases = data.split(|octet| *octet == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
    let mut out = Vec::new();
    let trend = exchange::trend::run(data, &mut out).expect("memory can be written");
    assert_eq!(trend.cases, cases as u64);
    answered(&out, cases);
    out.clear();
    let alerts = exchange::alerts::run(data, &mut out).expect("memory can be written");
    assert_eq!(alerts.cases, cases as u64);
    answered(&out, cases);
}

fn answered(out: &[u8], cases: usize) {
    let lines: Vec<&[u8]> = out.split_inclusive(|octet| *octet == b'\n').collect();
    assert_eq!(lines.len(), cases, "one answer a case");
    for line in lines {
        serde_json::from_slice::<serde_json::Value>(line).expect("an answer is JSON");
    }
}

/// A refused file names at least one problem, each at a line the file has, and can be printed.
fn shown(problems: &[Problem], text: &str) {
    assert!(!problems.is_empty(), "a refusal says why");
    let lines = text.lines().count().max(1);
    for problem in problems {
        assert!((1..=lines + 1).contains(&problem.line), "line {} of {lines}", problem.line);
        assert!(!problem.render(false).is_empty() && !problem.to_json().is_empty());
    }
}
