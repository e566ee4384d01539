//! What must hold for every series of events, whatever the values.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

const DAY: u32 = 86_400;

/// Values that sit on and beside the limits of a quantity, and a few far away.
fn value(quantity: Quantity) -> BoxedStrategy<Value> {
    let near = |limits: &'static [i32]| {
        (proptest::sample::select(limits), -1_i32..=1).prop_map(|(limit, d)| limit + d).boxed()
    };
    match quantity {
        Quantity::Glucose | Quantity::Cgm => prop_oneof![
            8 => near(&[54, 70, 80, 120, 220, 250, 300, 400]).prop_map(Value::Number),
            2 => near(&[10, 20, 39, 401, 600, 1000]).prop_map(Value::Number),
            1 => Just(Value::High),
            1 => Just(Value::Low),
        ]
        .boxed(),
        Quantity::Pressure => {
            let systolic = near(&[60, 90, 100, 130, 150, 160, 170, 180, 260]);
            let diastolic = near(&[30, 50, 80, 100, 110, 120, 160]);
            (systolic, diastolic).prop_map(|(sys, dia)| Value::Pressure { sys, dia }).boxed()
        }
        Quantity::Pulse => near(&[25, 40, 45, 72, 120, 130, 250]).prop_map(Value::Number).boxed(),
        Quantity::Weight => {
            near(&[2000, 8000, 8090, 8136, 8200, 8226, 8300, 8700]).prop_map(Value::Number).boxed()
        }
        Quantity::Saturation => near(&[50, 92, 94, 95, 97]).prop_map(Value::Number).boxed(),
        Quantity::Temperature => {
            near(&[250, 300, 350, 370, 375, 380, 430, 450]).prop_map(Value::Number).boxed()
        }
    }
}

fn pause() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0_u32..120,
        6 => (0_u32..20).prop_map(|m| m * 60),
        4 => (0_u32..200).prop_map(|m| m * 300),
        2 => (0_u32..100).prop_map(|h| h * 3600),
    ]
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let quantity = proptest::sample::select(Quantity::ALL);
    let flags = (proptest::bool::weighted(0.1), proptest::bool::weighted(0.1));
    let lag = prop_oneof![
        8 => Just(0_i64), 2 => 0_i64..600, 1 => 7100_i64..7300, 1 => 0_i64..200_000,
        1 => -2000_i64..0,
    ];
    let claim = prop_oneof![
        12 => Just(Claim::Auto), 1 => Just(Claim::Nobody), 1 => Just(Claim::Person),
    ];
    let record = prop_oneof![8 => Just(None), 1 => (0_u32..9).prop_map(Some)];
    let rest = (flags, lag, claim, record);
    quantity.prop_flat_map(value_of).prop_flat_map(move |(quantity, value)| {
        rest.clone().prop_map(move |((invalid, suspect), lag, claim, record)| Reading {
            t: u32::try_from(i64::from(ZERO) - lag).unwrap(),
            arrived: ZERO,
            quantity,
            value,
            flags: Flags { invalid, suspect },
            claim,
            identity: Identity { record, device: None },
        })
    })
}

fn value_of(quantity: Quantity) -> impl Strategy<Value = (Quantity, Value)> {
    value(quantity).prop_map(move |value| (quantity, value))
}

/// One event at the zero of the worked examples.
fn any_event(settings: bool) -> BoxedStrategy<Event> {
    let t = ZERO;
    let symptom = proptest::sample::select(Symptom::ALL);
    let ack = (proptest::sample::select(RuleId::ALL), proptest::sample::select(AckBy::ALL));
    let set = (
        proptest::option::of(-840_i16..=840),
        proptest::option::of(any::<bool>()),
        proptest::option::weighted(0.3, any::<bool>()),
    );
    let usual = prop_oneof![
        20 => any_reading().prop_map(Event::Reading),
        1 => symptom.prop_map(move |symptom| Event::Symptom { t, symptom }),
        4 => ack.prop_map(move |(rule, by)| Event::Ack { t, rule, by }),
        1 => Just(Event::Tick { t }),
    ];
    if !settings {
        return usual.boxed();
    }
    let set = set.prop_map(move |(tz, prompts, monitor)| Event::Set { t, tz, prompts, monitor });
    prop_oneof![26 => usual, 1 => set].boxed()
}

/// The same event `by` seconds later.
fn moved(event: &Event, by: u32) -> Event {
    let mut event = *event;
    match &mut event {
        Event::Reading(reading) => {
            reading.t = reading.t.saturating_add(by);
            reading.arrived = reading.arrived.saturating_add(by);
        }
        Event::Symptom { t, .. }
        | Event::Ack { t, .. }
        | Event::Tick { t }
        | Event::Set { t, .. } => *t = t.saturating_add(by),
    }
    event
}

/// A series of events in order. Half of them dwell on one or two quantities, so that rules get
/// far into their life cycles.
fn series(settings: bool) -> impl Strategy<Value = Vec<Event>> {
    let only = proptest::option::of(proptest::sample::select(Quantity::ALL));
    (vec((pause(), any_event(settings)), 1..60), only).prop_map(|(steps, only)| {
        let mut now = 0;
        let mut events = Vec::new();
        for (pause, event) in steps {
            now += pause;
            let wanted = match (&event, only) {
                (Event::Reading(reading), Some(only)) => {
                    let glucose = |q: Quantity| matches!(q, Quantity::Glucose | Quantity::Cgm);
                    reading.quantity == only || (glucose(only) && glucose(reading.quantity))
                }
                _ => true,
            };
            if wanted {
                events.push(moved(&event, now));
            }
        }
        events
    })
}

prop_compose! {
    fn any_patient()(
        quiet in proptest::option::of((0_u16..1440, 0_u16..1440)),
        mutes in vec((0_u32..900_000, 0_u32..90_000), 0..3),
        tz in -840_i16..=840,
        prompts in proptest::bool::weighted(0.9),
        shared in proptest::bool::weighted(0.2),
        early in 0_u32..50_000,
        pregnant in proptest::bool::weighted(0.2),
        chemotherapy in proptest::bool::weighted(0.3),
        off in 0_u16..200,
    ) -> Patient {
        let p3 = pregnant.then(PregnancyPressure::default);
        let mut limits = Limits { p3, ..Limits::default() };
        if chemotherapy {
            limits.t1 = Some(Fever { level: Level::Critical, ..Fever::default() });
        }
        match off {
            0..20 => limits.g1 = None,
            20..40 => limits.g2 = None,
            40..60 => limits.w1 = None,
            60..80 => limits.o1 = None,
            80..100 => limits.g3 = None,
            _ => {}
        }
        Patient {
            quiet: quiet.and_then(|(from, to)| QuietHours::new(from, to)),
            mutes: mutes.into_iter().map(|(from, length)| Mute {
                from: ZERO + from, to: ZERO + from + length,
            }).collect(),
            settings: Settings { tz, prompts, monitor: true },
            shared,
            start: if early > 40_000 { ZERO + (early - 40_000) } else { 0 },
            others: Vec::new(),
            limits,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn extra_ticks_change_nothing(
        patient in any_patient(), events in series(true), ticks in vec(0_u32..600_000, 0..60),
    ) {
        let taken: BTreeSet<u32> = events.iter().map(Event::time).collect();
        let last = events.last().map_or(ZERO, Event::time);
        let mut with_ticks: Vec<Event> = events.clone();
        for tick in ticks {
            let t = ZERO + tick;
            if t < last && !taken.contains(&t) {
                with_ticks.push(Event::Tick { t });
            }
        }
        // Stable: events of one time keep their order.
        with_ticks.sort_by_key(Event::time);
        prop_assert_eq!(patient.run(&with_ticks), patient.run(&events));
    }

    #[test]
    fn whole_days_move_only_the_days(
        patient in any_patient(), events in series(true), days in 1_u32..400,
    ) {
        let by = days * DAY;
        let mut later = patient.clone();
        for mute in &mut later.mutes {
            mute.from += by;
            mute.to += by;
        }
        later.start = if patient.start == 0 { 0 } else { patient.start + by };
        let mut log = later.run(&events.iter().map(|e| moved(e, by)).collect::<Vec<_>>());
        log.transitions.iter_mut().for_each(|said| said.t -= by);
        for said in &mut log.notifications {
            said.t -= by;
            said.deferred_until = said.deferred_until.map(|t| t - u64::from(by));
        }
        prop_assert_eq!(log, patient.run(&events));
    }

    #[test]
    fn a_twin_right_after_its_reading_changes_nothing(
        patient in any_patient(), events in series(true), which in vec(any::<bool>(), 60),
    ) {
        let patient = Patient { shared: false, ..patient };
        let mut twins = Vec::new();
        for (event, doubled) in events.iter().zip(which) {
            twins.push(*event);
            match event {
                // Nothing remembers what belongs to nobody yet.
                Event::Reading(reading) if reading.claim == Claim::Nobody => {}
                Event::Reading(_) if doubled => twins.push(*event),
                _ => {}
            }
        }
        prop_assert_eq!(patient.run(&twins), patient.run(&events));
    }

    #[test]
    fn without_consent_the_transitions_stay_and_the_patient_hears_nothing(
        patient in any_patient(), events in series(false),
    ) {
        let told = Patient {
            settings: Settings { prompts: true, ..patient.settings }, ..patient.clone()
        };
        let untold = Patient {
            settings: Settings { prompts: false, ..patient.settings }, ..patient
        };
        let log = untold.run(&events);
        prop_assert_eq!(&log.transitions, &told.run(&events).transitions);
        prop_assert!(log.notifications.iter().all(|n| n.to != Recipient::Patient));
    }

    #[test]
    fn a_snapshot_between_any_two_events_changes_nothing(
        patient in any_patient(), events in series(true),
    ) {
        let mut engine = Engine::new(patient.settings);
        let mut log = Log::default();
        for event in &events {
            let bytes = postcard::to_allocvec(&engine).unwrap();
            let restored: Engine = postcard::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&restored, &engine);
            engine = restored;
            engine.handle(&patient.plan(), &patient.limits, event, &mut log);
        }
        prop_assert_eq!(log, patient.run(&events));
    }

    /// At most one notice per family and event to the patient; nothing goes back in time; a rule
    /// leaves the phase it was in; the deferred is deferred.
    #[test]
    fn what_is_said_is_in_order(patient in any_patient(), events in series(true)) {
        let mut engine = Engine::new(patient.settings);
        let mut phases = [Phase::Idle; 14];
        let mut last = 0;
        for event in &events {
            let mut log = Log::default();
            engine.handle(&patient.plan(), &patient.limits, event, &mut log);
            let mut families: Vec<(u32, String)> = Vec::new();
            for said in &log.transitions {
                prop_assert!(last <= said.t && said.t <= event.time());
                last = said.t;
                let phase = &mut phases[said.rule as usize];
                prop_assert_eq!(*phase, said.from);
                *phase = said.to;
            }
            for rule in RuleId::ALL {
                prop_assert_eq!(engine.standing(*rule).0, phases[*rule as usize]);
            }
            for said in &log.notifications {
                prop_assert!(said.deferred_until.is_none_or(|t| t > u64::from(said.t)));
                prop_assert!(!(said.silent && said.to != Recipient::Patient));
                if let (Recipient::Patient, Source::Rule(rule)) = (said.to, said.rule) {
                    // Timers fire as events of their own.
                    if said.t == event.time() && !matches!(event, Event::Tick { .. }) {
                        families.push((said.t, format!("{:?}", rule.family())));
                    }
                }
            }
            let count = families.len();
            families.sort();
            families.dedup();
            prop_assert_eq!(families.len(), count);
        }
    }

    #[test]
    fn nothing_fires_before_the_next_due_time(
        patient in any_patient(), events in series(true),
    ) {
        let mut engine = Engine::new(patient.settings);
        for event in &events {
            engine.handle(&patient.plan(), &patient.limits, event, &mut Log::default());
            let tick = |t: u64| {
                let mut log = Log::default();
                let t = u32::try_from(t).unwrap();
                let tick = Event::Tick { t };
                engine.clone().handle(&patient.plan(), &patient.limits, &tick, &mut log);
                log != Log::default()
            };
            match engine.next_due() {
                None => prop_assert!(!tick(u64::from(u32::MAX))),
                Some(due) => {
                    prop_assert!(due <= u64::from(event.time()) || !tick(due - 1));
                    prop_assert!(tick(due));
                }
            }
        }
    }
}

fn wild_time() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(u32::MAX), 0_u32..100_000, u32::MAX - 100_000..u32::MAX, any::<u32>()]
}

fn wild_value() -> impl Strategy<Value = Value> {
    let number = || {
        prop_oneof![
            -1_000_000_i32..=1_000_000,
            0_i32..700,
            2000_i32..9000,
            Just(i32::MIN),
            Just(i32::MAX)
        ]
    };
    prop_oneof![
        4 => number().prop_map(Value::Number),
        4 => (number(), number()).prop_map(|(sys, dia)| Value::Pressure { sys, dia }),
        1 => Just(Value::High),
        1 => Just(Value::Low),
    ]
}

fn wild_event() -> impl Strategy<Value = Event> {
    let reading = (
        wild_time(),
        wild_time(),
        proptest::sample::select(Quantity::ALL),
        wild_value(),
        (any::<bool>(), any::<bool>()),
        proptest::sample::select(Claim::ALL),
        (proptest::option::of(0_u32..3), proptest::option::of(any::<u32>())),
    )
        .prop_map(|(t, arrived, quantity, value, flags, claim, identity)| {
            Event::Reading(Reading {
                t,
                arrived,
                quantity,
                value,
                flags: Flags { invalid: flags.0, suspect: flags.1 },
                claim,
                identity: Identity { record: identity.0, device: identity.1 },
            })
        });
    let symptom = (wild_time(), proptest::sample::select(Symptom::ALL));
    let ack =
        (wild_time(), proptest::sample::select(RuleId::ALL), proptest::sample::select(AckBy::ALL));
    let set = (
        wild_time(),
        proptest::option::of(any::<i16>()),
        proptest::option::of(any::<bool>()),
        proptest::option::of(any::<bool>()),
    );
    prop_oneof![
        20 => reading,
        2 => symptom.prop_map(|(t, symptom)| Event::Symptom { t, symptom }),
        2 => ack.prop_map(|(t, rule, by)| Event::Ack { t, rule, by }),
        2 => wild_time().prop_map(|t| Event::Tick { t }),
        1 => set.prop_map(|(t, tz, prompts, monitor)| Event::Set { t, tz, prompts, monitor }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Out of order, at the ends of time, with values of every size and shape.
    #[test]
    fn a_soup_of_events_never_panics_and_stays_bounded(
        patient in any_patient(), events in vec(wild_event(), 0..80),
        wide in (any::<u32>(), any::<u32>()), start in wild_time(),
    ) {
        let mutes = std::vec![Mute { from: wide.0, to: wide.1 }, Mute { from: 0, to: u32::MAX }];
        let patient = Patient { mutes, start, others: std::vec![patient.limits], ..patient };
        let mut engine = Engine::new(patient.settings);
        for event in &events {
            engine.handle(&patient.plan(), &patient.limits, event, &mut Log::default());
            engine.next_due();
        }
        prop_assert!(postcard::to_allocvec(&engine).unwrap().len() <= 8 * 1024);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The store checks its rows; a snapshot that is damaged all the same must not end the run.
    #[test]
    fn a_damaged_snapshot_never_panics(
        patient in any_patient(), events in series(true), more in vec(wild_event(), 0..20),
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut engine = Engine::new(patient.settings);
        for event in &events {
            engine.handle(&patient.plan(), &patient.limits, event, &mut Log::default());
        }
        let mut bytes = postcard::to_allocvec(&engine).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(mut engine) = postcard::from_bytes::<Engine>(&bytes) {
            for event in more.iter().chain(&events) {
                engine.handle(&patient.plan(), &patient.limits, event, &mut Log::default());
            }
        }
    }
}

#[test]
fn the_state_is_small_while_little_is_in_use() {
    let size = |engine: &Engine| postcard::to_allocvec(engine).unwrap().len();
    let patient = Patient::default();
    let mut engine = Engine::new(patient.settings);
    let fresh = size(&engine);
    for n in 0..200_u32 {
        let value = Value::Number(80 + i32::try_from(n * 37 % 200).unwrap());
        let t = ZERO + n * 6 * 3600;
        let event = Event::Reading(Reading { value, ..reading(t, t, "glucose", &["1"]) });
        engine.handle(&patient.plan(), &patient.limits, &event, &mut Log::default());
    }
    let used = size(&engine);
    std::println!("fresh {fresh} B, 200 readings {used} B, in memory {} B", size_of::<Engine>());
    assert!(fresh <= 64, "{fresh}");
    assert!(used <= 1024, "{used}");
    assert!(size_of::<Engine>() <= 16 * 1024);
}
