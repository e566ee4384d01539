#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use hearth_shared::observation::{DisplayUnit, Marks, Reading, Value};
use hearth_shared::time::UtcOffsetMinutes;
use hearth_shared::units::{Decimal, Glucose, Pressure};
use uuid::Uuid;

use super::*;
use crate::clock::BootId;
use crate::outreach::tests::{Home, ana};
use crate::outreach::{self, answer, need as needs};
use crate::store::attribution::{self, Decision, Method};
use crate::store::journal::{self, Kind, RowOutcome};
use crate::store::need::{self, NeedState};
use crate::store::observation::Observation;
use crate::store::outbox;
use crate::store::outbox_page::Fetch;
use crate::store::prompt::{self, Prompt};
use crate::store::verdict;
use crate::store::{device, task};
use crate::uplink::message::Lane;

/// Day 100 of the worked examples in B8.
const START: i64 = 20_500;
const EXAMPLE: i64 = START - 100;

fn zone() -> TimeZone {
    local::zone("Europe/Madrid").unwrap()
}

fn at(day: i64, minute: u16) -> Now {
    let wall = local::at(day, minute, &zone());
    Now { wall, monotonic_ms: 0, boot: BootId([0; 16]), trusted: true }
}

/// One life: what is measured, and the gateway ticking as often as it asks to.
struct Life {
    home: Home,
    now: Now,
}

impl Life {
    fn new(name: &str, patient: &Patient) -> Self {
        Self { home: Home::new(name, patient), now: at(START - 15, 0) }
    }

    fn tick_until(&mut self, until: Now) {
        for _ in 0..100 {
            let now = self.now;
            let next = self.home.within(|tx, ctx| {
                let days = daily(tx, ctx, now)?;
                let care = outreach::tick(tx, ctx, now)?;
                Ok([days, care].into_iter().flatten().min())
            });
            match next {
                Some(next) if next < until.wall => self.now.wall = next.max(self.now.wall),
                _ => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("it never came to rest before {}", local::rfc3339(until.wall));
    }

    /// Lives through the days, measuring at half past seven what `value` says.
    fn days(&mut self, days: std::ops::Range<i64>, value: impl Fn(i64) -> Option<Value>) {
        for day in days {
            self.tick_until(at(day, 450));
            if let Some(value) = value(day) {
                self.measure(value);
            }
            self.tick_until(at(day + 1, 0));
        }
    }

    fn measure(&mut self, value: Value) {
        let now = self.now;
        self.home.within(|tx, _| put(tx, value, now));
    }

    fn prompts(&mut self) -> Vec<Prompt> {
        let mut sent = self.home.within(|tx, _| prompt::list(tx, None));
        sent.retain(|prompt| prompt.sent.is_some());
        sent.sort_by_key(|prompt| prompt.sent);
        sent
    }

    fn tasks(&mut self) -> Vec<task::Task> {
        let mut tasks = self.home.within(|tx, _| task::list(tx, None));
        tasks.sort_by_key(|task| task.made);
        tasks
    }

    fn verdicts(&mut self) -> Vec<verdict::Verdict> {
        self.home.within(|tx, _| verdict::list(tx, "plan1"))
    }

    fn need(&mut self) -> need::Need {
        self.home.within(|tx, _| need::newest(tx, "plan1", "follow_up_visit")).unwrap()
    }
}

fn put(tx: &Tx<'_>, value: Value, now: Now) -> Result<(), StoreError> {
    let journal_seq =
        journal::append_command(tx, Kind::Probe, b"reading", &now, RowOutcome::Done, None)?;
    let (quantity, unit) = match value {
        Value::BloodPressure { .. } => (Quantity::BloodPressure, DisplayUnit::MmHg),
        _ => (Quantity::Glucose, DisplayUnit::MgPerDl),
    };
    let offset = local::offset_min(now.wall, &zone());
    let observation = Observation {
        id: Uuid::from_u128(now.wall.millis().unsigned_abs().into()),
        journal_seq,
        part: 0,
        device: "d1".into(),
        slot: None,
        sequence: None,
        weak: false,
        reading: Reading { quantity, value: Ok(value), unit, marks: Marks::default(), meal: None },
        ambiguous: false,
        pressed: false,
        measured: now.wall,
        offset: UtcOffsetMinutes::new(offset).unwrap(),
        clock: ClockTrust::Synchronised,
        clock_error_s: Some(1),
        device_time: None,
        received: now.wall,
        standing: Standing::Accepted,
    };
    let seq = observation::insert(tx, &observation)?;
    attribution::decide(
        tx,
        &Decision {
            observation_seq: seq,
            quantity,
            measured: now.wall,
            patient: Some("p1"),
            method: Method::SoleOwner,
            by: "roster",
            at: now.wall,
        },
    )
}

fn glucose(mg_per_dl: i64) -> Value {
    let number = Decimal::new(i32::try_from(mg_per_dl).unwrap(), 0);
    Value::Glucose(Glucose::from_mg_per_dl(number).unwrap())
}

fn wave(d: i64) -> i64 {
    (7 * d).rem_euclid(11)
}

/// B8, first row: nothing changes; every fourth day is missed.
fn unchanged(day: i64) -> Option<Value> {
    let d = day - EXAMPLE;
    (d % 4 != 0).then(|| glucose(175 + wave(d)))
}

/// B8, second row: it falls by 40 in 20 days.
fn improving(day: i64) -> Option<Value> {
    let d = day - EXAMPLE;
    (d % 4 != 0).then(|| glucose(175 + wave(d) - (2 * (d - 100)).clamp(0, 40)))
}

fn local_time(prompt: &Prompt) -> String {
    local::plain(prompt.sent.unwrap(), &zone())
}

#[test]
fn ten_weeks_without_improvement_prompt_at_six_weeks_then_again_then_a_nurse() {
    let mut life = Life::new("founding_story", &ana());
    life.days(START - 14..START + 42, unchanged);
    assert!(life.prompts().is_empty(), "nothing before six weeks");
    life.days(START + 42..START + 43, unchanged);
    let prompts = life.prompts();
    assert_eq!(prompts.len(), 1, "exactly one");
    let first = &prompts[0];
    assert_eq!(first.kind, "follow_up_visit");
    // Six weeks after 2026-02-16, at nine in the morning in Madrid, by her name, in Spanish.
    assert_eq!(local_time(first), "2026-03-30 09:00");
    assert!(first.text.starts_with("Hola, Ana. "), "{}", first.text);
    assert!(first.text.ends_with("Por favor, pida una visita."), "{}", first.text);
    assert!(!first.text.contains('{'));
    let due = life.verdicts();
    let final_verdict = due.iter().find(|verdict| verdict.phase == "final").unwrap();
    assert_eq!(final_verdict.verdict, "NotImproving");
    assert_eq!(final_verdict.published.as_deref(), Some("NotImproving"));
    let evidence = &final_verdict.evidence[0];
    let number = |name: &str| evidence[name].as_i64().unwrap();
    assert_eq!((number("base_med4"), number("recent_med4"), number("shift4")), (720, 722, 2));
    assert_eq!((number("mk_s"), number("trend4"), number("mid4")), (-15, 0, 80));

    life.days(START + 43..START + 50, unchanged);
    let times: Vec<_> = life.prompts().iter().map(local_time).collect();
    assert_eq!(times, ["2026-03-30 09:00", "2026-04-02 09:00"]);
    let tasks = life.tasks();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].kind, "call");
    let reason = &tasks[0].reason;
    assert!(reason.starts_with(&final_verdict.sentence), "{reason}");
    assert!(reason.contains("2 prompts were sent (2026-03-30 09:00, 2026-04-02 09:00)"));
    assert_eq!(life.need().state, NeedState::HandedToNurse);

    let (need, now) = (life.need(), life.now);
    life.home.within(|tx, _| needs::book(tx, need, now));
    life.days(START + 50..START + 70, unchanged);
    assert_eq!(life.need().state, NeedState::Booked);
    assert_eq!(life.prompts().len(), 2, "booking stops further prompts");
    let tasks = life.tasks();
    assert!(tasks.iter().all(|task| task.done.is_some()), "{tasks:?}");
    // What worked is remembered: the channel, the hour, the outcome.
    let last = life.prompts().pop().unwrap();
    assert_eq!((last.local_hour, last.outcome.as_deref()), (Some(9), Some("booked")));
}

#[test]
fn who_improves_is_left_in_peace() {
    let mut life = Life::new("improving", &ana());
    life.days(START - 14..START + 70, improving);
    assert_eq!(life.prompts(), []);
    assert_eq!(life.tasks(), []);
    let verdicts = life.verdicts();
    let last = verdicts.last().unwrap();
    assert_eq!((last.verdict.as_str(), last.day), ("Improving", START + 70 - 7));
}

#[test]
fn silence_brings_nudges_on_day_two_and_four_and_a_nurse_on_seven() {
    let mut life = Life::new("silent", &ana());
    let quiet_from = START + 10;
    life.days(START - 14..START + 24, |day| improving(day).filter(|_| day < quiet_from));
    // Day 112 is the fourth that is skipped anyway; 113 is the second in a row.
    let prompts = life.prompts();
    let seen: Vec<_> = prompts.iter().map(|p| (p.kind.as_str(), local_time(p))).collect();
    let date = |day: i64| format!("{} 12:00", local::date_of(day));
    let expected = [("nudge", date(quiet_from + 1)), ("nudge_reason", date(quiet_from + 3))];
    assert_eq!(seen, expected);
    assert!(prompts[1].text.contains("4 días"), "{}", prompts[1].text);
    let tasks = life.tasks();
    assert_eq!(tasks.len(), 1);
    assert_eq!(local::plain(tasks[0].made, &zone()), date(quiet_from + 6));
    assert!(tasks[0].reason.contains("7 planned days"), "{}", tasks[0].reason);
}

#[test]
fn a_day_that_ends_at_midnight_brings_its_nudge_in_the_morning_and_staff_read_no_id() {
    midnight_grace("silent_pressure", &ana());
}

#[test]
fn a_patient_without_quiet_hours_is_not_nudged_at_midnight_either() {
    midnight_grace("silent_pressure_no_quiet", &Patient { quiet_min: None, ..ana() });
}

#[track_caller]
fn midnight_grace(name: &str, patient: &Patient) {
    let mut life = Life::new(name, patient);
    life.home.within(|tx, _| {
        let mut running = plan::get(tx, "plan1")?.unwrap();
        running.programme = "home-blood-pressure-6w".into();
        plan::put(tx, &running)
    });
    let mmhg = |v: i32| Pressure::from_mmhg(Decimal::new(v, 0)).unwrap();
    let value = Value::BloodPressure { systolic: mmhg(138), diastolic: mmhg(84), mean: None };
    let quiet_from = START + 10;
    life.days(START - 14..START + 24, |day| (day < quiet_from).then_some(value));
    let seen: Vec<_> = life.prompts().iter().map(|p| (p.kind.clone(), local_time(p))).collect();
    // The grace ends with the day; the next moment outside the quiet hours is seven in the morning.
    let date = |day: i64| format!("{} 07:00", local::date_of(day));
    let expected = [("nudge", date(quiet_from + 2)), ("nudge_reason", date(quiet_from + 4))];
    assert_eq!(seen, expected.map(|(kind, at)| (kind.to_owned(), at)));
    let task = life.tasks().remove(0);
    let (as_of, last) = (local::date_of(quiet_from + 7), local::date_of(quiet_from - 1));
    assert_eq!(
        task.reason,
        format!(
            "No blood pressure on 7 planned days in a row (as of {as_of}); the last one was taken on \
             {last} 07:30. Please call."
        )
    );
}

#[test]
fn a_reading_takes_a_waiting_nudge_back_and_a_sent_one_has_worked() {
    // Quiet until the afternoon: the nudge of noon waits.
    let patient = Patient { quiet_min: Some((1200, 960)), ..ana() };
    let mut life = Life::new("waiting_nudge", &patient);
    let day = START + 10;
    life.days(START - 14..day, |_| Some(glucose(150)));
    life.days(day..day + 1, |_| None);
    life.tick_until(at(day + 1, 730));
    assert!(life.prompts().is_empty());
    // Measured in the slot, arrived late.
    let early = Now { wall: at(day + 1, 480).wall, ..life.now };
    life.home.within(|tx, _| put(tx, glucose(150), early));
    life.days(day + 1..day + 2, |_| None);
    assert!(life.prompts().is_empty());

    let mut life = Life::new("sent_nudge", &ana());
    life.days(START - 14..day, |_| Some(glucose(150)));
    life.days(day..day + 2, |_| None);
    life.days(day + 2..day + 4, |_| Some(glucose(150)));
    assert_eq!(life.prompts()[0].outcome.as_deref(), Some("measured"));
}

#[test]
fn a_pause_asks_for_nothing_and_a_flat_battery_is_no_failing_of_the_patient() {
    let away = |day: i64| (START..START + 8).contains(&day);
    let mut life = Life::new("away", &ana());
    let pause = patient::Pause { from_day: START, to_day: START + 7, reason: "away".into() };
    life.home.within(|tx, _| patient::put_pause(tx, "p1", &pause));
    life.days(START - 14..START + 9, |day| (!away(day)).then(|| glucose(150)));
    assert!(life.prompts().is_empty() && life.tasks().is_empty());

    let mut life = Life::new("flat_battery", &ana());
    life.home.within(|tx, _| {
        let mut meter = device::Device::new("d1", "glucose_meter", at(START - 20, 0).wall);
        meter.battery_percent = Some(3);
        device::put(tx, &meter)?;
        device::assign(tx, "d1", None, "p1", at(START - 20, 0).wall)
    });
    life.days(START - 14..START + 8, |day| (!away(day)).then(|| glucose(150)));
    assert!(life.prompts().is_empty());
    let tasks = life.tasks();
    let kinds: Vec<_> = tasks.iter().map(|task| task.kind.as_str()).collect();
    assert_eq!(kinds, ["device", "device", "call"]);
    assert!(!tasks.iter().any(|task| task.reason.contains("p1")), "no id of a person: {tasks:?}");
    assert!(tasks[0].reason.contains("the battery of d1 is at 3 %"), "{}", tasks[0].reason);
}

#[test]
fn the_flat_battery_of_another_device_is_no_reason_not_to_ask() {
    let mut life = Life::new("flat_scale", &ana());
    life.home.within(|tx, _| {
        let mut scale = device::Device::new("s1", "weight_scale", at(START - 20, 0).wall);
        scale.battery_percent = Some(3);
        device::put(tx, &scale)?;
        device::assign(tx, "s1", None, "p1", at(START - 20, 0).wall)
    });
    life.days(START - 14..START + 2, |day| (day < START).then(|| glucose(150)));
    assert_eq!(life.prompts().len(), 1);
    assert!(life.tasks().is_empty());
}

#[test]
fn after_a_clock_that_stood_far_ahead_the_days_are_counted_again() {
    let mut life = Life::new("clock_ahead", &ana());
    life.days(START - 14..START + 2, |_| Some(glucose(150)));
    life.now = at(START + 300, 600);
    let now = life.now;
    life.home.within(|tx, ctx| daily(tx, ctx, now));
    // Somebody set it right.
    life.now = at(START + 2, 30);
    life.days(START + 2..START + 4, |_| None);
    let times: Vec<_> = life.prompts().iter().map(local_time).collect();
    assert_eq!(times, [format!("{} 12:00", local::date_of(START + 3))]);
}

#[test]
fn after_a_clock_that_stood_ahead_evaluations_go_on_when_it_comes_back() {
    let days = |life: &mut Life| life.verdicts().iter().map(|v| v.day - START).collect::<Vec<_>>();
    let mut life = Life::new("evaluated_ahead", &ana());
    life.days(START - 14..START + 30, unchanged);
    let before = life.verdicts();
    assert_eq!(days(&mut life), [21, 28]);
    life.now = at(START + 300, 600);
    let now = life.now;
    life.home.within(|tx, ctx| daily(tx, ctx, now));
    assert_eq!(life.verdicts().len(), 10, "judged through to the last");
    // Somebody set it right; what was told of days to come is taken back, what came before stands.
    life.now = at(START + 30, 600);
    life.tick_until(at(START + 30, 700));
    assert_eq!(life.verdicts(), before);
    let told = life.home.within(|tx, _| {
        let lane = Lane::Observations;
        outbox::page(tx, &Fetch { lane, after: 0, limit: 100, replay_to: Some(100) })
    });
    let gone: Vec<bool> =
        told.rows.iter().filter(|row| row.kind == "verdict").map(|row| row.tombstone).collect();
    assert_eq!(gone.len(), 10);
    assert_eq!(gone.iter().filter(|gone| **gone).count(), 8);
    life.days(START + 31..START + 44, unchanged);
    assert_eq!(days(&mut life), [21, 28, 35, 42]);
    assert_eq!(life.verdicts()[3].verdict, "NotImproving");
}

#[test]
fn a_programme_on_hold_asks_nothing_until_its_end_and_then_goes_on() {
    let mut life = Life::new("on_hold", &ana());
    let pause = patient::Pause {
        from_day: START + 40,
        to_day: START + 47,
        reason: "medicine not to be had".into(),
    };
    life.home.within(|tx, _| plan::put_programme_pause(tx, "fasting-glucose-6w", &pause));
    life.days(START - 14..START + 49, |day| unchanged(day).filter(|_| day < START + 43));
    let prompts = life.prompts();
    assert_eq!(prompts.len(), 1, "no nudge for the days on hold");
    assert_eq!(local_time(&prompts[0]), format!("{} 09:00", local::date_of(START + 48)));
}

#[test]
fn stop_after_the_first_prompt_hands_over_and_nothing_more_is_sent() {
    let mut life = Life::new("stop_midway", &ana());
    life.days(START - 14..START + 43, unchanged);
    let (first, now) = (life.prompts().remove(0), life.now);
    life.home.within(|tx, ctx| answer::take(tx, ctx, first, "stop", now));
    // From here on she does not measure either: no nudge may leave.
    life.days(START + 43..START + 70, |_| None);
    assert_eq!(life.prompts().len(), 1);
    assert!(life.tasks()[0].reason.ends_with("The patient has stopped prompts."));
}

#[test]
fn after_an_outage_each_missed_evaluation_is_made_once_and_in_order() {
    let mut life = Life::new("outage", &ana());
    life.days(START - 14..START + 35, unchanged);
    // Three weeks without the gateway; the meter's memory is read afterwards.
    for day in START + 35..START + 57 {
        if let Some(value) = unchanged(day) {
            life.home.within(|tx, _| put(tx, value, at(day, 450)));
        }
    }
    life.now = at(START + 57, 600);
    life.tick_until(at(START + 57, 700));
    let days = |life: &mut Life| life.verdicts().iter().map(|v| v.day - START).collect::<Vec<_>>();
    assert_eq!(days(&mut life), [21, 28, 35, 42, 49, 56]);
    let sent = life.prompts();
    assert_eq!(sent.len(), 1, "one prompt, now; none for the past");
    assert_eq!(local_time(&sent[0]), format!("{} 10:00", local::date_of(START + 57)));
    // More readings of the past change nothing that was issued.
    let issued = life.verdicts();
    life.home.within(|tx, _| put(tx, glucose(90), at(START + 30, 452)));
    life.home.within(|tx, _| plan::wake(tx, "p1"));
    life.tick_until(at(START + 58, 0));
    assert_eq!(life.verdicts(), issued);
}

#[test]
fn a_medication_change_starts_the_clock_anew() {
    let mut life = Life::new("medication", &ana());
    let change = PlanEvent { day: START + 30, kind: "medication_change".into(), note: None };
    life.home.within(|tx, _| plan::add_event(tx, "plan1", &change));
    life.days(START - 14..START + 71, unchanged);
    assert!(life.prompts().is_empty(), "six weeks after the change are not over");
    life.days(START + 71..START + 73, unchanged);
    assert_eq!(local_time(&life.prompts()[0]), format!("{} 09:00", local::date_of(START + 72)));
}

#[test]
fn pressure_is_judged_by_its_worse_series_with_the_evidence_of_both() {
    let mut life = Life::new("pressure", &ana());
    life.home.within(|tx, _| {
        let mut running = plan::get(tx, "plan1")?.unwrap();
        running.programme = "home-blood-pressure-6w".into();
        plan::put(tx, &running)
    });
    let mmhg = |v: i64| Pressure::from_mmhg(Decimal::new(i32::try_from(v).unwrap(), 0)).unwrap();
    life.days(START - 14..START + 43, |day| {
        let d = day - EXAMPLE;
        let (systolic, diastolic) = (mmhg(118 + wave(d) % 3), mmhg(92 + wave(d) % 3));
        Some(Value::BloodPressure { systolic, diastolic, mean: None })
    });
    let verdicts = life.verdicts();
    let last = verdicts.last().unwrap();
    assert_eq!((last.verdict.as_str(), last.evidence.len()), ("NotImproving", 2));
    assert_eq!(life.prompts().len(), 1);
}

#[test]
fn unknown_consent_is_asked_of_staff_once_and_a_need_goes_to_a_nurse() {
    let mut life = Life::new("unknown_consent_day", &Patient { prompts: None, ..ana() });
    life.days(START - 14..START + 46, unchanged);
    assert!(life.prompts().is_empty());
    let tasks = life.tasks();
    let kinds: Vec<_> = tasks.iter().map(|task| task.kind.as_str()).collect();
    assert_eq!(kinds, ["consent", "call"]);
    let why = "No prompt was sent: it is not known whether the patient agrees to prompts.";
    assert!(tasks[1].reason.ends_with(why), "{}", tasks[1].reason);
}

#[test]
fn before_the_clock_is_trusted_no_day_is_judged() {
    let mut life = Life::new("untrusted_day", &ana());
    let now = Now { trusted: false, ..at(START + 42, 600) };
    let next = life.home.within(|tx, ctx| daily(tx, ctx, now));
    assert_eq!(next, Some(now.wall.plus_seconds(60)));
    assert!(life.verdicts().is_empty());
}

#[test]
fn a_plan_whose_attempts_do_not_fit_or_whose_parameters_do_not_hold_is_refused() {
    let library = Library::built_in();
    let check_with = |overrides: &str| {
        let mut plan = Plan::new("x", "p1", "fasting-glucose-6w", START);
        plan.overrides = serde_json::from_str(overrides).unwrap();
        check(&library, &plan)
    };
    assert_eq!(check_with("{}"), Ok(()));
    let refused = |overrides: &str, part: &str| {
        let sentence = check_with(overrides).unwrap_err();
        assert!(sentence.contains(part), "{sentence}");
    };
    refused(r#"{"cooldown":2,"last_eval":42}"#, "cannot fit its attempts");
    refused(r#"{"horizon":90}"#, "comes after the last one");
    refused(r#"{"horizont":42}"#, "horizont");
    refused(r#"{"recent":0}"#, "recent");
}
