#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::outreach::tests::{PROGRAMME, now_at, with_context};
use crate::store::journal::{self, Kind, RowOutcome};
use crate::store::outbox;
use crate::store::outbox_page::Fetch;
use crate::store::{Store, patient as patients, task};
use crate::uplink::message::Lane;

/// Takes everything and remembers it.
#[derive(Default)]
struct Heard(Vec<(String, LiveEvent)>);

impl LiveAlerts for Heard {
    fn event(
        &mut self,
        _: &Tx<'_>,
        patient: &str,
        event: LiveEvent,
        _: Now,
    ) -> Result<LiveAnswer, StoreError> {
        self.0.push((patient.to_owned(), event));
        Ok(LiveAnswer::Taken)
    }
}

struct Desk {
    store: Store,
    heard: Heard,
    count: u32,
}

impl Desk {
    fn new(name: &str) -> Self {
        Self { store: Store::open_shared_memory(name).unwrap(), heard: Heard::default(), count: 0 }
    }

    fn send(&mut self, command: &str, origin: Origin) -> CommandResult {
        let command = Command::parse(command.as_bytes()).unwrap();
        let now = now_at("2026-03-02T12:00:00Z");
        let heard = &mut self.heard;
        let store = &mut self.store;
        with_context(|ctx| {
            store
                .transaction(|tx| {
                    let octets = command.journal_form();
                    let row = journal::append_command(
                        tx,
                        Kind::Command,
                        &octets,
                        &now,
                        RowOutcome::Noted,
                        None,
                    )?;
                    execute(tx, ctx, heard, &command, (origin, row), now)
                })
                .unwrap()
        })
    }

    fn ask(&mut self, verb: &str, with: &str) -> CommandResult {
        self.count += 1;
        let command = format!(r#"{{"id":"c{}","verb":"{verb}","with":{with}}}"#, self.count);
        self.send(&command, Origin::Socket)
    }

    fn done(&mut self, verb: &str, with: &str) -> CommandResult {
        let result = self.ask(verb, with);
        assert!(result.done, "{verb} {with}: {}", result.sentence);
        result
    }

    fn refused(&mut self, verb: &str, with: &str, part: &str) {
        let result = self.ask(verb, with);
        assert!(!result.done, "{verb} {with} was done");
        assert!(result.sentence.contains(part), "{verb} {with}: {}", result.sentence);
    }
}

const ANA: &str = r#"{"id":"p1","zone":"Europe/Madrid","language":"es","prompts":true}"#;

#[test]
fn each_id_is_executed_once_and_answered_the_same() {
    let mut desk = Desk::new("once");
    let add = format!(r#"{{"id":"x","verb":"patient_add","with":{ANA}}}"#);
    let first = desk.send(&add, Origin::Mqtt);
    assert!(first.done);
    assert_eq!(desk.send(&add, Origin::Mqtt), first);
    assert_eq!(desk.heard.0, [("p1".to_owned(), LiveEvent::Settings)]);
    desk.refused("patient_add", ANA, "listed already");
    let counted = desk.store.transaction(|tx| crate::store::command::counts(tx)).unwrap();
    assert_eq!((counted.done, counted.refused), (1, 1), "a repetition counts once");
}

#[test]
fn a_command_for_another_gateway_or_too_late_does_nothing() {
    let mut desk = Desk::new("elsewhere");
    let other = format!(r#"{{"id":"a","gateway":"g2","verb":"patient_add","with":{ANA}}}"#);
    assert_eq!(desk.send(&other, Origin::Mqtt).code, "wrong_gateway");
    let late = format!(
        r#"{{"id":"b","expires":"2026-03-02T11:59:59Z","verb":"patient_add","with":{ANA}}}"#
    );
    assert_eq!(desk.send(&late, Origin::Mqtt).code, "expired");
    let named = r#"{"id":"c","verb":"patient_add","with":{"id":"p1","name":"Ana"}}"#;
    assert_eq!(desk.send(named, Origin::Mqtt).code, "not_here");
    let patients = desk.store.transaction(|tx| patients::list(tx)).unwrap();
    assert!(patients.is_empty());
}

#[test]
fn what_cannot_be_is_refused_with_a_plain_sentence() {
    let mut desk = Desk::new("refused");
    desk.refused("patient_add", r#"{"id":"p 1"}"#, "does not fit");
    desk.refused("patient_add", r#"{"id":"p1","zone":"madrid"}"#, "did you mean Europe/Madrid?");
    desk.refused("patient_add", r#"{"id":"p1","language":"fr"}"#, "there are de, en, es");
    desk.refused("patient_add", r#"{"id":"p1","quiet_hours":["25:00","07:00"]}"#, "like 22:00");
    desk.refused("patient_add", r#"{"id":"p1","limits":{"G1":{"lo":3.0}}}"#, "mmol/L");
    desk.done("patient_add", ANA);
    desk.refused("patient_edit", r#"{"id":"p2"}"#, "did you mean p1?");
    desk.refused(
        "patient_pause",
        r#"{"id":"p1","from":"2026-03-05","to":"2026-03-01","reason":"away"}"#,
        "before it begins",
    );
    desk.refused(
        "patient_pause",
        r#"{"id":"p1","from":"2026-03-05","to":"2026-03-06","reason":"awy"}"#,
        "did you mean away?",
    );
    desk.refused("patient_mute", r#"{"id":"p1","until":"2026-03-01T00:00:00Z"}"#, "before it has");
    desk.refused("device_add", r#"{"id":"d1","kind":"glucose_metr"}"#, "glucose_meter?");
    desk.done("device_add", r#"{"id":"d1","kind":"glucose_meter","address":"c4-2f-90-12-34-56"}"#);
    desk.refused("device_add", r#"{"id":"d1","kind":"glucose_meter"}"#, "listed already");
    desk.refused(
        "device_add",
        r#"{"id":"d2","kind":"weight_scale","address":"C4:2F:90:12:34:56"}"#,
        "belongs to the device d1",
    );
    desk.refused("device_assign", r#"{"id":"d1","patient":"p9"}"#, "did you mean p1?");
    desk.refused(
        "plan_assign",
        r#"{"id":"x","patient":"p1","programme":"fasting-glucose6w"}"#,
        "fasting-glucose-6w?",
    );
    for start in ["9999-12-31", "1970-01-01"] {
        desk.refused(
            "plan_assign",
            &format!(r#"{{"id":"x","patient":"p1","programme":"{PROGRAMME}","start":"{start}"}}"#),
            &format!("The start {start} is more than a year away"),
        );
    }
    desk.refused("alert_acknowledge", r#"{"patient":"p1","rule":"g1","by":"staff"}"#, "G1?");
    desk.refused("need_book", r#"{"id":"n1"}"#, "UUIDs");
}

#[test]
fn a_refused_command_leaves_nothing_behind() {
    let mut desk = Desk::new("nothing_behind");
    desk.done("patient_add", ANA);
    let with = r#"{"id":"p1","zone":"UTC","limits":{"G1":{"lo":700}}}"#;
    desk.refused("patient_edit", with, "outside what can be measured");
    let patient = desk.store.transaction(|tx| patients::get(tx, "p1")).unwrap().unwrap();
    assert_eq!(patient.zone.as_deref(), Some("Europe/Madrid"));
}

#[test]
fn an_absent_field_is_left_as_it_is_and_rules_stay() {
    let mut desk = Desk::new("absent_field");
    desk.done("patient_add", ANA);
    desk.done("patient_edit", r#"{"id":"p1","limits":{"G1":{"lo":60}},"name":"Ana"}"#);
    desk.done("patient_edit", r#"{"id":"p1","limits":{"G5":null},"contact":"+34 600"}"#);
    let (patient, person) = desk
        .store
        .transaction(|tx| {
            let person = patients::person(tx, "p1")?;
            Ok::<_, StoreError>((patients::get(tx, "p1")?.unwrap(), person))
        })
        .unwrap();
    assert_eq!(patient.limits.len(), 2);
    assert_eq!(patient.language.as_deref(), Some("es"));
    assert_eq!(person.name.as_deref(), Some("Ana"));
    desk.done("patient_erase", r#"{"id":"p1"}"#);
    let person = desk.store.transaction(|tx| patients::person(tx, "p1")).unwrap();
    assert_eq!(person, patients::Person::default());
}

#[test]
fn a_device_changes_hands_and_a_closed_patient_owns_nothing() {
    let mut desk = Desk::new("changes_hands");
    desk.done("patient_add", ANA);
    desk.done("patient_add", r#"{"id":"p2"}"#);
    desk.done("device_add", r#"{"id":"d1","kind":"glucose_meter"}"#);
    desk.done("device_assign", r#"{"id":"d1","patient":"p1","from":"2026-02-01"}"#);
    let again = desk.done("device_assign", r#"{"id":"d1","patient":"p1","from":"2026-02-01"}"#);
    assert!(again.sentence.contains("already"));
    desk.done("device_assign", r#"{"id":"d1","patient":"p2","from":"2026-03-01"}"#);
    desk.done("patient_close", r#"{"id":"p2"}"#);
    desk.refused("patient_edit", r#"{"id":"p2"}"#, "was ended");
    let owners = desk.store.transaction(|tx| crate::store::device::owners(tx, "d1")).unwrap();
    assert_eq!(owners.len(), 2);
    assert!(owners.iter().all(|owner| owner.to.is_some()));
}

#[test]
fn acknowledgement_and_symptoms_reach_the_alert_rules() {
    let mut desk = Desk::new("reach_rules");
    desk.done("patient_add", ANA);
    desk.done("alert_acknowledge", r#"{"patient":"p1","rule":"G1","by":"staff"}"#);
    desk.done("patient_symptom", r#"{"id":"p1","symptom":"bp"}"#);
    desk.refused("patient_symptom", r#"{"id":"p1","symptom":"pain"}"#, "possible are");
    let events: Vec<_> = desk.heard.0.iter().map(|(_, event)| event.clone()).collect();
    assert_eq!(
        events,
        [
            LiveEvent::Settings,
            LiveEvent::Acknowledge { rule: RuleId::G1, by: AckBy::Staff },
            LiveEvent::Symptom(Symptom::Pressure),
        ]
    );
}

#[test]
fn a_call_that_reaches_nobody_is_tried_three_times_and_then_says_so() {
    let mut desk = Desk::new("reaches_nobody");
    desk.done("patient_add", r#"{"id":"p1"}"#);
    desk.done("plan_assign", r#"{"id":"plan1","patient":"p1","programme":"fasting-glucose-6w"}"#);
    let now = now_at("2026-03-02T12:00:00Z");
    let store = &mut desk.store;
    let need = with_context(|ctx| {
        store
            .transaction(|tx| {
                let finding = crate::outreach::need::Finding {
                    plan: "plan1",
                    patient: "p1",
                    kind: "follow_up_visit",
                    reason: "Not improving.",
                    short: &std::collections::BTreeMap::new(),
                    day: 1,
                };
                let id = crate::outreach::need::find(tx, ctx, &finding, now)?;
                crate::outreach::tick(tx, ctx, now)?;
                crate::outreach::tick(tx, ctx, now)?;
                Ok::<_, StoreError>(id)
            })
            .unwrap()
    });
    for call in 1..=3 {
        let open = desk.store.transaction(|tx| task::open_of_need(tx, need)).unwrap();
        let open = open.expect("a call task is open");
        let with = format!(r#"{{"id":"{}","outcome":"could_not_reach"}}"#, open.id);
        let result = desk.done("task_close", &with);
        assert_eq!(result.remarks[0].contains("closed as not reached"), call == 3);
        desk.refused("task_close", &with, "done already");
    }
    let closed = desk.store.transaction(|tx| crate::store::need::get(tx, need)).unwrap().unwrap();
    assert_eq!(closed.outcome.as_deref(), Some("could_not_reach"));
}

#[test]
fn an_erased_name_is_nowhere_any_more() {
    let mut desk = Desk::new("erased");
    let named = ANA.replace("\"zone\"", "\"name\":\"Ana Ruiz\",\"zone\"");
    desk.done("patient_add", &named);
    let with = format!(r#"{{"id":"plan1","patient":"p1","programme":"{PROGRAMME}"}}"#);
    desk.done("plan_assign", &with);
    let now = now_at("2026-03-02T12:00:00Z");
    let store = &mut desk.store;
    with_context(|ctx| {
        store.transaction(|tx| {
            let finding = crate::outreach::need::Finding {
                plan: "plan1",
                patient: "p1",
                kind: "follow_up_visit",
                reason: "Not improving.",
                short: &std::collections::BTreeMap::new(),
                day: 1,
            };
            crate::outreach::need::find(tx, ctx, &finding, now)?;
            crate::outreach::tick(tx, ctx, now)
        })
    })
    .unwrap();
    let texts = |desk: &mut Desk| {
        let fetch = Fetch { lane: Lane::Alerts, after: 0, limit: 100, replay_to: Some(100) };
        let page = desk.store.transaction(|tx| outbox::page(tx, &fetch)).unwrap();
        assert!(page.rows.iter().all(|row| !row.damaged));
        page.rows.into_iter().map(|row| (row.body, row.tombstone)).collect::<Vec<_>>()
    };
    let sent = texts(&mut desk);
    assert!(sent.len() == 1 && sent[0].0.contains("Ana Ruiz") && !sent[0].1, "{sent:?}");
    desk.done("patient_erase", r#"{"id":"p1"}"#);
    let kept = texts(&mut desk);
    assert!(kept.len() == 1 && !kept[0].0.contains("Ana") && kept[0].1, "{kept:?}");
    let prompts = desk.store.transaction(|tx| crate::store::prompt::list(tx, None)).unwrap();
    assert!(prompts.iter().all(|prompt| prompt.text.is_empty()));
}

#[test]
fn a_paused_programme_is_paused_until_an_end() {
    let mut desk = Desk::new("paused_programme");
    let pause = |to: &str| format!(r#"{{"id":"{PROGRAMME}","to":"{to}","reason":"no strips"}}"#);
    desk.done("programme_pause", &pause("2026-04-01"));
    desk.refused("programme_pause", &pause("2028-04-01"), "a year from now");
    let known = desk
        .store
        .transaction(|tx| crate::store::plan::programme_pause(tx, PROGRAMME))
        .unwrap()
        .unwrap();
    assert_eq!(
        (known.to_day, known.reason.as_str()),
        (local::parse_day("2026-04-01").unwrap(), "no strips")
    );
}

#[test]
fn a_pause_or_the_end_of_a_plan_takes_its_nudges_back() {
    for (name, verb, with) in [
        (
            "pause",
            "patient_pause",
            r#"{"id":"p1","from":"2026-03-02","to":"2026-03-09","reason":"ill"}"#,
        ),
        ("end", "plan_close", r#"{"id":"plan1"}"#),
    ] {
        let mut desk = Desk::new(&format!("nudge_back_{name}"));
        desk.done(
            "patient_add",
            r#"{"id":"p1","zone":"Europe/Madrid","language":"es","prompts":true}"#,
        );
        desk.done(
            "plan_assign",
            &format!(r#"{{"id":"plan1","patient":"p1","programme":"{PROGRAMME}"}}"#),
        );
        let now = now_at("2026-03-02T11:00:00Z");
        let nudge = |tx: &Tx<'_>| {
            let running = crate::store::plan::get(tx, "plan1")?.unwrap();
            with_context(|ctx| {
                crate::outreach::nudge(tx, ctx, &running, ("nudge", 2), 20_514, now)
            })?;
            crate::store::prompt::open_nudges(tx, "plan1")
        };
        assert_eq!(desk.store.transaction(nudge).unwrap().len(), 1);
        desk.done(verb, with);
        let open = |tx: &Tx<'_>| crate::store::prompt::open_nudges(tx, "plan1");
        assert!(desk.store.transaction(open).unwrap().is_empty(), "{name}");
        let fetch = Fetch { lane: Lane::Alerts, after: 0, limit: 9, replay_to: None };
        let page = desk.store.transaction(|tx| outbox::page(tx, &fetch)).unwrap();
        assert!(page.rows.iter().any(|row| row.kind == "prompt" && row.tombstone), "{name}");
    }
}

#[test]
fn a_device_is_called_what_it_is_and_nobodys_name() {
    let mut desk = Desk::new("alias");
    desk.done("patient_add", r#"{"id":"p1","name":"Ana Ruiz"}"#);
    desk.done("device_add", r#"{"id":"cuff-1","kind":"blood_pressure_cuff"}"#);
    desk.done("device_edit", r#"{"id":"cuff-1","alias":" blue cuff ","profile":"example-one"}"#);
    let row = desk
        .store
        .transaction(|tx| {
            crate::store::listing::show(tx, crate::control::query::Listing::Devices, "cuff-1")
        })
        .unwrap()
        .unwrap();
    assert_eq!(
        (row["alias"].as_str(), row["profile"].as_str()),
        (Some("blue cuff"), Some("example-one"))
    );
    desk.refused(
        "device_edit",
        r#"{"id":"cuff-1","alias":"Anna Schmidt"}"#,
        "looks like a person's name",
    );
    desk.refused("device_edit", r#"{"id":"cuff-1","alias":"cuff of ruiz"}"#, "is a patient's name");
    desk.refused("device_edit", r#"{"id":"cuff-1","profile":"Example One"}"#, "does not fit");
    desk.done("device_edit", r#"{"id":"cuff-1","alias":"","kind":"glucose_sensor"}"#);
    let device =
        desk.store.transaction(|tx| crate::store::device::get(tx, "cuff-1")).unwrap().unwrap();
    assert_eq!((device.alias, device.kind.as_str()), (None, "continuous_glucose_monitor"));
}

#[test]
fn a_retired_device_gives_its_address_up_and_one_in_use_does_not() {
    let mut desk = Desk::new("address");
    let add = |id: &str| {
        format!(r#"{{"id":"{id}","kind":"weight_scale","address":"c0:ff:ee:00:00:01"}}"#)
    };
    desk.done("device_add", &add("scale-1"));
    desk.refused("device_add", &add("scale-2"), "belongs to the device scale-1");
    desk.done("device_close", r#"{"id":"scale-1"}"#);
    desk.done("device_add", &add("scale-2"));
    let at = |tx: &Tx<'_>| crate::store::radio::briefing(tx, "C0:FF:EE:00:00:01");
    assert_eq!(desk.store.transaction(at).unwrap().unwrap().device, "scale-2");
}
