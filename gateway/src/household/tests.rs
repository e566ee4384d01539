#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::clock::Now;
use crate::control::execute::{CommandResult, LiveAlerts, LiveAnswer, LiveEvent, execute};
use crate::outreach::tests::{now_at, with_context};
use crate::store::journal::{self, Kind, RowOutcome};
use crate::store::{Store, Tx};

const EXAMPLE: &str = include_str!("../../household.example.toml");

struct Deaf;

impl LiveAlerts for Deaf {
    fn event(
        &mut self,
        _: &Tx<'_>,
        _: &str,
        _: LiveEvent,
        _: Now,
    ) -> Result<LiveAnswer, StoreError> {
        Ok(LiveAnswer::Taken)
    }
}

fn read(text: &str) -> Result<Household, Vec<Problem>> {
    with_context(|ctx| Household::read("household.toml", text, ctx))
}

fn apply(store: &mut Store, household: &Household) -> Vec<CommandResult> {
    let now = now_at("2026-02-20T12:00:00Z");
    with_context(|ctx| {
        store
            .transaction(|tx| {
                let mut results = Vec::new();
                for command in household.commands(tx)? {
                    let octets = command.journal_form();
                    let (kind, noted) = (Kind::Command, RowOutcome::Noted);
                    let row = journal::append_command(tx, kind, &octets, &now, noted, None)?;
                    let origin = (Origin::Household, row);
                    results.push(execute(tx, ctx, &mut Deaf, &command, origin, now)?);
                }
                Ok::<_, StoreError>(results)
            })
            .unwrap()
    })
}

#[test]
fn the_example_shows_every_key() {
    let household = read(EXAMPLE).unwrap();
    let file = household.file;
    let ana = &file.patient[0];
    assert!(ana.name.is_some() && ana.contact.is_some() && ana.zone.is_some());
    assert!(ana.language.is_some() && ana.monitoring.is_some() && ana.prompts.is_some());
    assert!(ana.quiet_hours.is_some() && ana.daily_cap.is_some() && ana.start.is_some());
    assert!(!ana.limits.is_empty() && ana.limits["G5"] == OFF && !ana.pause.is_empty());
    let meter = &file.device[0];
    assert!(meter.model.is_some() && meter.address.is_some() && meter.zone.is_some());
    assert!(meter.expected_interval_s.is_some() && meter.owner[0].from.is_some());
    assert!(file.device[1].owner[0].slot.is_some());
    let plan = &file.plan[0];
    assert!(plan.start.is_some() && plan.overrides.is_some());
    assert!(plan.medication_change[0].note.is_some());
}

#[test]
fn applying_the_example_twice_changes_nothing() {
    let mut store = Store::open_shared_memory("household_twice").unwrap();
    let household = read(EXAMPLE).unwrap();
    let first = apply(&mut store, &household);
    for result in &first {
        assert!(result.done, "{}", result.sentence);
    }
    // Two patients, two devices, three owners, one plan, one event, one pause.
    assert_eq!(first.len(), 10);
    assert!(apply(&mut store, &household).is_empty());
}

#[test]
fn a_setting_changed_to_and_fro_is_changed_each_time_and_a_stop_stays() {
    let mut store = Store::open_shared_memory("household_to_and_fro").unwrap();
    let plain = "[[patient]]\nid = \"p1\"\nprompts = true\nzone = \"Europe/Madrid\"\n";
    let moved = plain.replace("Madrid", "Berlin");
    apply(&mut store, &read(plain).unwrap());
    for (text, zone) in [(moved.as_str(), "Europe/Berlin"), (plain, "Europe/Madrid")].repeat(2) {
        let results = apply(&mut store, &read(text).unwrap());
        assert_eq!(results.len(), 1);
        let patient = store.transaction(|tx| patient::get(tx, "p1")).unwrap().unwrap();
        assert_eq!(patient.zone.as_deref(), Some(zone));
    }
    store
        .transaction(|tx| {
            let mut stopped = patient::get(tx, "p1")?.unwrap();
            stopped.prompts = Some(false);
            patient::put(tx, &stopped)
        })
        .unwrap();
    assert!(apply(&mut store, &read(plain).unwrap()).is_empty());
}

#[test]
fn everything_wrong_is_told_at_once_with_its_line() {
    let text = r#"
[[patient]]
id = "p1"
zone = "Berlin"
langage = "de"

[[patient]]
id = "p2"
quiet_hours = ["22:00", "7"]
[patient.limits]
G1 = { lo = 3.0 }

[[patient]]
id = "p2"
language = "fr"
"#;
    // First what cannot be read at all.
    let problems = read(text).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].line, 5);
    let problems = read(&text.replace("langage", "language")).unwrap_err();
    let told: Vec<_> = problems.iter().map(|p| (p.line, p.message.as_str())).collect();
    let expected = [
        (4, "did you mean Europe/Berlin?"),
        (9, "like 22:00"),
        (10, "looks like mmol/L"),
        (14, "listed twice"),
        (15, "there are de, en, es"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((line, message), (at, part)) in told.iter().zip(expected) {
        assert!(*line == at && message.contains(part), "{line}: {message}, wanted {at}: {part}");
    }
}

#[test]
fn devices_and_plans_are_checked_against_patients_and_each_other() {
    let text = r#"
[[patient]]
id = "ana"

[[device]]
id = "d1"
kind = "glucose_meter"
address = "C4:2F:90:12:34:56"
[[device.owner]]
patient = "anna"

[[device]]
id = "d2"
kind = "toaster"
address = "c4:2f:90:12:34:56"
[[device.owner]]
patient = "ana"
[[device.owner]]
patient = "ana"
from = "yesterday"

[[plan]]
id = "x"
patient = "ana"
programme = "fasting-glucose-6"
start = "2026-13-01"
"#;
    let problems = read(text).unwrap_err();
    let keys: Vec<_> = problems.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "device.0.owner.0.patient",
            "device.1.kind",
            "device.1.address",
            "device.1.owner.1",
            "device.1.owner.1.from",
            "plan.0.programme",
            "plan.0.start",
        ]
    );
    assert_eq!(problems[0].help.as_deref(), Some("did you mean ana?"));
}
