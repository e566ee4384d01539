//! Bytes in, rows out: the whole path over a store in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicU32, Ordering};

use hearth_shared::observation::{MealContext, Quantity};
use hearth_shared::time::ClockTrust;
use rusqlite::types::Value as Sql;
use uuid::Uuid;

use super::*;
use crate::clock::BootId;
use crate::intake::{LinkSecurity, Payload};
use crate::store::device::{self, Device, Owner};
use crate::store::patient::{self, Patient};
use crate::store::{MemoryDisk, Queries};

/// 2026-03-02T08:00:00Z, a Monday; Berlin is at +01:00.
const START_S: i64 = 1_772_438_400;

static DISKS: AtomicU32 = AtomicU32::new(0);

fn at(offset_s: i64) -> Now {
    Now {
        wall: UnixMillis::from_seconds(START_S + offset_s),
        monotonic_ms: u64::try_from(offset_s + 100_000_000).unwrap() * 1000,
        boot: BootId([1; 16]),
        trusted: true,
    }
}

fn settings() -> PathSettings {
    PathSettings::new("gw-1", TimeZone::get("Europe/Berlin").unwrap())
        .with_quirks(crate::radio::profile::Profiles::built_in().quirks())
}

pub(super) fn person(id: &str) -> Patient {
    Patient {
        id: id.into(),
        zone: Some("Europe/Berlin".into()),
        language: Some("en".into()),
        monitoring: true,
        prompts: Some(true),
        quiet_min: Some((1320, 420)),
        start: UnixMillis::from_seconds(START_S - 90 * 86_400),
        limits: serde_json::Map::new(),
        mutes: Vec::new(),
        daily_cap: 2,
        closed: None,
    }
}

/// Anna owns the meter and the cuff; Anna and Ben share the scale.
fn household(tx: &Tx<'_>) -> Result<(), StoreError> {
    let added = UnixMillis::from_seconds(START_S - 30 * 86_400);
    for id in ["anna", "ben"] {
        patient::put(tx, &person(id))?;
    }
    for (id, kind) in
        [("meter", "glucose_meter"), ("cuff", "blood_pressure_cuff"), ("scale", "weight_scale")]
    {
        device::put(tx, &Device::new(id, kind, added))?;
    }
    let from = UnixMillis::from_seconds(START_S - 400 * 86_400);
    for (device, slot, patient) in [
        ("meter", None, "anna"),
        ("cuff", None, "anna"),
        ("scale", Some(1), "anna"),
        ("scale", Some(2), "ben"),
    ] {
        let (device, patient) = (device.into(), patient.into());
        device::add_owner(tx, &Owner { device, slot, patient, from, to: None })?;
    }
    Ok(())
}

struct World {
    disk: MemoryDisk,
    path: Option<Path>,
}

impl World {
    fn new() -> Self {
        let name = format!("path-{}", DISKS.fetch_add(1, Ordering::Relaxed));
        let disk = MemoryDisk::new(&name).unwrap();
        let mut store = Store::open_shared_memory(disk.name()).unwrap();
        store.transaction(household).unwrap();
        Self { disk, path: Some(Path::open(store, settings()).unwrap()) }
    }

    fn path(&mut self) -> &mut Path {
        self.path.as_mut().unwrap()
    }

    /// The process dies and starts again.
    fn crash(&mut self) {
        self.path = None;
        let store = Store::open_shared_memory(self.disk.name()).unwrap();
        self.path = Some(Path::open(store, settings()).unwrap());
    }

    fn take(&mut self, arrivals: &[Arrival]) -> Vec<Outcome> {
        self.path().take(arrivals).unwrap()
    }

    fn one(&mut self, arrival: Arrival) -> Outcome {
        self.take(&[arrival]).remove(0)
    }

    /// Rows of a query, a line each, columns divided by blanks.
    fn rows(&mut self, sql: &str) -> Vec<String> {
        let reader = self.path().store().reader().unwrap();
        let mut statement = reader.connection().prepare(sql).unwrap();
        let n = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells: Vec<String> = (0..n)
                .map(|i| match row.get::<_, Sql>(i).unwrap() {
                    Sql::Null => "-".into(),
                    Sql::Integer(n) => n.to_string(),
                    Sql::Real(r) => r.to_string(),
                    Sql::Text(t) => t,
                    Sql::Blob(b) => b.iter().map(|b| format!("{b:02x}")).collect(),
                })
                .collect();
            Ok(cells.join(" "))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn count(&mut self, table: &str) -> i64 {
        self.rows(&format!("select count(*) from {table}"))[0].parse().unwrap()
    }
}

/// A stamp of the clock in Berlin, seven octets.
fn face(offset_s: i64) -> Vec<u8> {
    let local = jiff::Timestamp::from_second(START_S + offset_s + 3600).unwrap();
    let t = TimeZone::UTC.to_datetime(local);
    let mut out = t.year().to_le_bytes().to_vec();
    for part in [t.month(), t.day(), t.hour(), t.minute(), t.second()] {
        out.push(part.unsigned_abs());
    }
    out
}

fn arrival(device: &str, characteristic: u16, octets: Vec<u8>, now: Now, place: u32) -> Arrival {
    Arrival {
        device: device.into(),
        payload: Payload::Gatt { characteristic, octets },
        received: now,
        connection: 1,
        position: place,
        clock_offset_s: Some(-3600),
        link: LinkSecurity { encrypted: Some(true), ..LinkSecurity::default() },
    }
}

/// 2A18 with a concentration in mg/dL (kg/L times 10^5).
fn glucose_octets(sequence: u16, stamp: &[u8], mg_per_dl: u16) -> Vec<u8> {
    let mut out = vec![0x02];
    out.extend(sequence.to_le_bytes());
    out.extend(stamp);
    out.extend((0xB000 | mg_per_dl).to_le_bytes());
    out.push(0x11);
    out
}

fn glucose(sequence: u16, offset_s: i64, mg_per_dl: u16) -> Arrival {
    let octets = glucose_octets(sequence, &face(offset_s), mg_per_dl);
    arrival("meter", 0x2A18, octets, at(offset_s + 5), u32::from(sequence))
}

/// 2A35 in mmHg with stamp and pulse.
fn pressure(offset_s: i64, systolic: u16, diastolic: u16, pulse: u16) -> Arrival {
    let mut out = vec![0x06];
    for v in [systolic, diastolic, 0x07FF] {
        out.extend(v.to_le_bytes());
    }
    out.extend(face(offset_s));
    out.extend(pulse.to_le_bytes());
    arrival("cuff", 0x2A35, out, at(offset_s + 5), 1)
}

/// 2A9D in 5 g steps, without a stamp, with or without a user.
fn weight(kg_times_200: u16, user: Option<u8>, now: Now, place: u32) -> Arrival {
    let mut out = vec![if user.is_some() { 0x04 } else { 0x00 }];
    out.extend(kg_times_200.to_le_bytes());
    if let Some(user) = user {
        out.push(user);
        // BMI and height belong to the same flag only where bit 3 is set.
    }
    arrival("scale", 0x2A9D, out, now, place)
}

#[test]
fn a_low_glucose_becomes_observation_alert_notice_and_message() {
    let mut world = World::new();
    let outcome = world.one(glucose(7, 0, 53));
    let Outcome::Observed { journal_seq: 1, ids } = outcome else { panic!("{outcome:?}") };
    assert_eq!(ids.len(), 1);
    assert_eq!(
        world.rows(
            "select o.device, o.sequence, o.quantity, o.v1, o.unit, o.offset_min, o.clock,
               o.device_time, a.patient, a.method from observation o
             join attribution a on a.observation_seq = o.seq"
        ),
        ["meter 7 1 2942 1 60 1 2026-03-02T09:00:00 anna 1"]
    );
    assert_eq!(world.rows("select rule, level, state, late from alert"), ["G1 C Active 0"]);
    let kinds = world.rows("select lane, seq, kind from outbox order by lane, seq");
    assert_eq!(kinds, ["1 1 alert", "1 2 prompt", "2 1 observation"]);
    let body = world.rows("select body from outbox where kind = 'observation'").remove(0);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["value"], 53);
    assert_eq!(body["unit"], "mg/dL");
    assert_eq!(body["measured"], "2026-03-02T09:00:00+01:00");
    assert_eq!(body["clock"], "synchronised");
}

#[test]
fn staff_are_told_by_the_ladder_with_a_sentence_and_without_a_name() {
    let mut world = World::new();
    world.one(glucose(7, 0, 53));
    let next = world.path().tick(at(60)).unwrap().unwrap();
    assert!(next <= at(905).wall, "{next:?}");
    world.path().tick(at(906)).unwrap();
    let bodies = world.rows("select body from outbox where kind = 'notice'");
    assert_eq!(bodies.len(), 1);
    let body: serde_json::Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(body["to"], "staff");
    assert_eq!(body["step"], 1);
    assert_eq!(body["reason"], "Glucose 53 mg/dL, below the limit of 54 mg/dL.");
    // The engine's state outlives the process: the second step comes on time.
    world.crash();
    world.path().tick(at(1806)).unwrap();
    let bodies = world.rows("select body from outbox where kind = 'notice' order by seq");
    assert_eq!(bodies.len(), 2);
    assert!(bodies[1].contains("Nobody has acknowledged it yet."), "{}", bodies[1]);
}

#[test]
fn an_alert_by_silence_tells_staff_that_no_repeat_measurement_came() {
    let mut world = World::new();
    // Above 400: the patient is asked to measure again within ten minutes, and does not.
    world.one(glucose(7, 0, 410));
    assert_eq!(world.rows("select state from alert"), ["Pending"]);
    for after_s in [606, 606 + 905, 606 + 1806] {
        world.path().tick(at(after_s)).unwrap();
    }
    let told = |world: &mut World| -> Vec<String> {
        let bodies = world.rows("select body from outbox where kind = 'notice' order by seq");
        let read = |body: &String| serde_json::from_str::<serde_json::Value>(body).unwrap();
        bodies.iter().map(|body| read(body)["reason"].as_str().unwrap().to_owned()).collect()
    };
    let alone =
        "Glucose 410 mg/dL, above the limit of 400 mg/dL. No repeat measurement came in time.";
    assert_eq!(
        told(&mut world),
        [alone.to_owned(), format!("{alone} Nobody has acknowledged it yet.")]
    );
    // A reading that comes after all speaks for itself.
    world.one(glucose(8, 2500, 420));
    world.path().tick(at(606 + 3606)).unwrap();
    let last = told(&mut world).pop().unwrap();
    assert!(last.starts_with("Glucose 4"), "{last}");

    let mut confirmed = World::new();
    confirmed.one(glucose(7, 0, 410));
    confirmed.one(glucose(8, 300, 420));
    confirmed.path().tick(at(300 + 910)).unwrap();
    assert!(told(&mut confirmed).iter().all(|said| !said.contains("repeat")));
}

#[test]
fn a_sensor_pressed_on_in_the_night_is_marked_when_its_value_comes_back() {
    let mut world = World::new();
    let added = UnixMillis::from_seconds(START_S - 30 * 86_400);
    let owned = world.path().store().transaction(|tx| {
        device::put(tx, &Device::new("sensor", "continuous_glucose_monitor", added))?;
        let (device, patient) = ("sensor".into(), "anna".into());
        device::add_owner(tx, &Owner { device, slot: None, patient, from: added, to: None })?;
        device::keep_session(tx, "sensor", START_S - 10 * 86_400, Some(START_S - 10 * 86_400))
    });
    owned.unwrap();
    // 2026-03-03, from two in the morning in Berlin on, a value every five minutes.
    let value = |n: u16, mg_per_dl: u16| {
        let offset_s = 17 * 3600 + 300 * i64::from(n);
        let minutes = u16::try_from((10 * 86_400 + offset_s) / 60).unwrap();
        let [low, high] = minutes.to_le_bytes();
        let octets = vec![6, 0, mg_per_dl.to_le_bytes()[0], mg_per_dl.to_le_bytes()[1], low, high];
        arrival("sensor", 0x2AA7, octets, at(offset_s + 5), u32::from(n))
    };
    for (n, mg_per_dl) in [120, 90, 66, 60, 62, 64].into_iter().enumerate() {
        world.one(value(n.try_into().unwrap(), mg_per_dl));
    }
    let marks = "select marks from observation order by seq";
    assert_eq!(world.rows(marks), ["0"; 6], "nobody knows yet");
    let alerts = world.rows("select rule, state from alert");
    assert_eq!(alerts, ["G2 Active"], "the low is told at once, dip or not");
    // The night goes on: the process starts anew, the value comes back.
    world.crash();
    world.one(value(6, 108));
    let pressed = (1 << 6 | 1 << 1).to_string();
    assert_eq!(world.rows(marks), ["0", &pressed, &pressed, &pressed, &pressed, &pressed, "0"]);
    assert_eq!(world.rows("select rule, state from alert"), alerts);
    // Told again as suspect, with the value as it was; a further value tells nothing twice.
    world.one(value(7, 110));
    let again: Vec<serde_json::Value> = world
        .rows("select body from outbox where kind = 'observation' order by seq")
        .iter()
        .map(|body| serde_json::from_str(body).unwrap())
        .filter(|body: &serde_json::Value| body["revision"] == 1)
        .collect();
    let told: Vec<_> = again.iter().map(|body| (&body["value"], &body["marks"][0])).collect();
    let suspect = serde_json::Value::from("suspect");
    assert_eq!(
        told,
        [90, 66, 60, 62, 64]
            .map(serde_json::Value::from)
            .iter()
            .map(|v| (v, &suspect))
            .collect::<Vec<_>>()
    );
    // The journal export shows the row, and the row is whole.
    let reader = world.path().store().reader().unwrap();
    let (_, findings) = crate::store::audit::verify(&reader).unwrap();
    assert_eq!(findings, []);
}

#[test]
fn advice_to_staff_in_the_night_says_until_when_it_waits() {
    let mut world = World::new();
    // The third low episode within a week at three in the morning in Berlin.
    for (n, hours) in [(1, 0), (2, 5), (3, 18)] {
        world.one(glucose(n, hours * 3600, 60));
    }
    let notices = world.rows("select body from outbox where kind = 'notice' order by seq");
    let read = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let advice: Vec<_> = notices.iter().map(read).filter(|n| n["rule"] == "G5").collect();
    assert_eq!(advice.len(), 1, "{notices:?}");
    assert_eq!(advice[0]["deferred_until"], "2026-03-03T06:00:00.000Z");
    let urgent: Vec<_> = notices.iter().map(read).filter(|n| n["rule"] == "G2").collect();
    assert!(!urgent.is_empty() && urgent.iter().all(|n| n.get("deferred_until").is_none()));
}

#[test]
fn a_reading_has_the_plan_looked_at_whose_nudge_is_on_its_way() {
    let mut world = World::new();
    let statements = |nudge: &str| {
        format!(
            "insert into plan (id, patient, programme, start_day, overrides, state, next_ms)
               values ('{nudge}', 'anna', 'fasting-glucose-6w', 20000, '{{}}', 'active', 99);
             insert into prompt (id, patient, kind, language, text, silent, attempt, created_ms, due_ms,
               expires_ms, state, plan, missed)
               values (randomblob(16), 'anna', 'nudge', 'en', 'x', 0, 1, 1, 1, 9, '{nudge}', '{nudge}', 2);"
        )
    };
    for state in ["sent", "answered"] {
        let sql = statements(state);
        let done = world.path().store().transaction(|tx| {
            tx.connection().execute_batch(&sql)?;
            Ok::<_, StoreError>(())
        });
        done.unwrap();
    }
    world.one(weight(16_000, Some(2), at(60), 1));
    let next = "select id, next_ms from plan order by id";
    assert_eq!(world.rows(next), ["answered 99", "sent 99"], "somebody else's reading");
    world.one(glucose(1, 120, 130));
    assert_eq!(world.rows(next), ["answered 99", "sent -"]);
}

#[test]
fn a_cuff_yields_a_pressure_and_a_pulse() {
    let mut world = World::new();
    let outcome = world.one(pressure(0, 191, 104, 88));
    let Outcome::Observed { ids, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(ids.len(), 2);
    assert_eq!(
        world.rows("select quantity, part, v1, v2 from observation order by seq"),
        ["3 0 25465 13866", "4 1 880 -"]
    );
    assert_eq!(world.rows("select rule, level from alert"), ["P1 U"]);
    let notice = world.rows("select body from outbox where kind = 'notice'").remove(0);
    assert!(
        notice.contains(
            "Blood pressure 191/104 mmHg, above the limit (either number) of 180/120 mmHg."
        ),
        "{notice}"
    );
}

#[test]
fn ten_thousand_records_sent_again_make_no_duplicate_and_no_growth() {
    let mut world = World::new();
    let records: Vec<Arrival> = (0..10_000_u16)
        .map(|n| glucose(n, -600 * (10_000 - i64::from(n)), 100 + n % 7))
        .map(|a| Arrival { received: at(0), ..a })
        .collect();
    for batch in records.chunks(500) {
        world.take(batch);
    }
    let before = (world.count("observation"), world.count("journal"), world.count("outbox"));
    assert_eq!(before.0, 10_000);
    world.crash();
    let mut again = records;
    for a in &mut again {
        (a.connection, a.received) = (2, at(3600));
    }
    again.reverse();
    for batch in again.chunks(333) {
        for outcome in world.take(batch) {
            assert!(matches!(outcome, Outcome::Duplicate { .. }), "{outcome:?}");
        }
    }
    let after = (world.count("observation"), world.count("journal"), world.count("outbox"));
    assert_eq!(before, after);
    let last = at(3600).wall.millis();
    assert_eq!(world.rows("select * from duplicate"), [format!("meter 10000 {last}")]);
    assert_eq!(world.path().status().unwrap().duplicates, 10_000);
}

#[test]
fn the_same_reading_in_other_octets_is_one_reading() {
    let mut world = World::new();
    world.one(glucose(7, 0, 110));
    // Sent again under another record number (a meter that renumbers).
    let twin = world.one(glucose(8, 0, 110));
    assert!(matches!(twin, Outcome::Duplicate { .. }), "{twin:?}");
    // The same stamp with another value is another reading.
    assert!(matches!(world.one(glucose(9, 0, 112)), Outcome::Observed { .. }));
    assert_eq!(world.count("observation"), 2);
    // The twin's own octets are kept once, and a third copy of them is not.
    assert_eq!(world.count("journal"), 3);
    assert!(matches!(world.one(glucose(8, 0, 110)), Outcome::Duplicate { journal_seq: 2 }));
    assert_eq!(world.count("journal"), 3);
}

#[test]
fn bad_octets_are_kept_with_a_reason_and_counted_once() {
    let mut world = World::new();
    let bad = arrival("meter", 0x2A18, vec![0x02, 1, 0], at(0), 1);
    let outcome = world.one(bad.clone());
    let Outcome::Quarantined { reason, .. } = &outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("truncated: 2A18"), "{reason}");
    assert_eq!(world.rows("select outcome, payload from journal"), ["3 020100"]);
    assert!(matches!(world.one(bad), Outcome::Duplicate { journal_seq: 1 }));
    let unknown = arrival("meter", 0x1234, vec![1], at(1), 2);
    assert!(matches!(world.one(unknown), Outcome::Quarantined { .. }));
    assert_eq!(world.path().status().unwrap().quarantined, 2);
}

#[test]
fn an_unknown_device_is_quarantined_not_guessed() {
    let mut world = World::new();
    let mut stranger = glucose(1, 0, 53);
    stranger.device = "stranger".into();
    let outcome = world.one(stranger);
    assert!(
        matches!(&outcome, Outcome::Quarantined { reason, .. } if reason.starts_with("unknown_device")),
        "{outcome:?}"
    );
    assert_eq!(world.count("alert"), 0);
}

#[test]
fn an_impossible_value_is_quarantined_beside_its_good_neighbour_and_staff_look_at_the_device() {
    let mut world = World::new();
    let outcome = world.one(pressure(0, 90, 110, 70));
    assert!(matches!(&outcome, Outcome::Observed { ids, .. } if ids.len() == 1), "{outcome:?}");
    let rows = world.rows("select outcome, detail from journal");
    assert!(rows[0].starts_with("1 impossible: "), "{rows:?}");
    assert_eq!(world.rows("select quantity from observation"), ["4"]);
    let notice = world.rows("select body from outbox where kind = 'notice'").remove(0);
    assert!(notice.contains("please look at the device"), "{notice}");
    assert!(matches!(world.one(pressure(0, 90, 110, 70)), Outcome::Duplicate { .. }));
}

#[test]
fn a_weight_without_stamp_is_weak_and_two_are_two() {
    let mut world = World::new();
    world.one(weight(16_000, Some(1), at(0), 1));
    world.one(weight(16_000, Some(1), at(30), 2));
    assert_eq!(
        world.rows("select weak, v1, clock from observation order by seq"),
        ["1 80000 4", "1 80000 4"]
    );
    // The very same arrival handed over twice is one.
    let again = world.one(weight(16_000, Some(1), at(30), 2));
    assert!(matches!(again, Outcome::Duplicate { .. }), "{again:?}");
}

#[test]
fn a_reading_that_may_be_anybodys_waits_and_a_critical_one_is_told_without_a_name() {
    let mut world = World::new();
    world.one(weight(16_000, None, at(0), 1));
    world.one(weight(16_000, Some(0xFF), at(5), 2));
    assert_eq!(world.count("claim_tray"), 2);
    assert_eq!(world.count("series"), 0);
    // Ben uses Anna's meter, too, from now on: nobody can tell whose a value is.
    world
        .path()
        .store()
        .transaction(|tx| {
            device::add_owner(
                tx,
                &Owner {
                    device: "meter".into(),
                    slot: None,
                    patient: "ben".into(),
                    from: at(0).wall,
                    to: None,
                },
            )
        })
        .unwrap();
    world.path().directory.forget();
    world.one(glucose(1, 60, 50));
    assert_eq!(world.count("alert"), 0);
    let notices = world.rows("select patient, body from outbox where kind = 'notice' order by seq");
    assert_eq!(notices.len(), 2, "{notices:?}");
    for (notice, to) in notices.iter().zip(["staff", "hub"]) {
        assert!(notice.starts_with("- "), "{notice}");
        assert!(notice.contains(&format!("\"to\":\"{to}\"")), "{notice}");
        assert!(!notice.contains("anna") && !notice.contains("ben"), "{notice}");
    }
}

#[test]
fn a_meal_joins_its_record_in_either_order_and_is_told_again() {
    let mut world = World::new();
    let context = |sequence: u16, place| {
        let mut out = vec![0x02];
        out.extend(sequence.to_le_bytes());
        out.push(3);
        arrival("meter", 0x2A34, out, at(10), place)
    };
    assert!(matches!(world.one(glucose(7, 0, 110)), Outcome::Observed { .. }));
    assert!(matches!(world.one(context(7, 2)), Outcome::Noted { .. }));
    assert!(matches!(world.one(context(7, 3)), Outcome::Duplicate { .. }));
    world.one(context(8, 4));
    world.one(glucose(8, 60, 115));
    let messages = world.rows(
        "select json_extract(body, '$.sequence'), json_extract(body, '$.meal'),
           json_extract(body, '$.revision') from outbox where kind = 'observation' order by seq",
    );
    assert_eq!(messages, ["7 - 0", "7 fasting 1", "8 fasting 0"]);
    let reader = world.path().store().reader().unwrap();
    let (rows, damaged) =
        observation::series(&reader, "anna", Quantity::Glucose, at(-60).wall, at(600).wall)
            .unwrap();
    assert!(damaged.is_empty());
    let meals: Vec<_> = rows.iter().map(|r| r.meal).collect();
    assert_eq!(meals, [Some(MealContext::Fasting); 2]);
}

/// A device of Anna's whose model is known to depart from the standard.
fn add_model(world: &mut World, id: &str, model: &str) {
    let added = UnixMillis::from_seconds(START_S - 30 * 86_400);
    let owner = Owner {
        device: id.into(),
        slot: None,
        patient: "anna".into(),
        from: UnixMillis::from_seconds(START_S - 400 * 86_400),
        to: None,
    };
    let device = Device { model: Some(model.into()), ..Device::new(id, "any", added) };
    let path = world.path();
    path.store()
        .transaction(|tx| device::put(tx, &device).and_then(|()| device::add_owner(tx, &owner)))
        .unwrap();
    path.directory.forget();
}

const OBSERVED: &str =
    "select device, quantity, v1, absent, slot, device_time from observation order by seq";

fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_record_of_ketone_waits_for_its_context_and_never_becomes_glucose() {
    let mut world = World::new();
    add_model(&mut world, "dual", "caresens");
    let record = |sequence: u8, mg_per_dl: u8, place| {
        let octets = [0x12, sequence, 0, 0xEA, 7, 3, 2, 7, 50, sequence, mg_per_dl, 0xB0, 0x11];
        arrival("dual", 0x2A18, octets.to_vec(), at(10), place)
    };
    let context = |sequence: u8, meal, place| {
        arrival("dual", 0x2A34, vec![0x02, sequence, 0, meal], at(10), place)
    };
    let outcomes = world.take(&[
        record(6, 101, 1),
        context(6, 1, 2),
        record(7, 12, 3), // 1.2 mmol/L of ketone, 12 mg/dL if it were glucose
        context(7, 6, 4),
        record(7, 12, 5), // the last record twice
        context(8, 6, 6), // the other way round
        record(8, 13, 7),
        record(9, 14, 8), // and one whose context is lost
    ]);
    assert!(matches!(outcomes[4], Outcome::Duplicate { .. }), "{outcomes:?}");
    assert!(matches!(outcomes[6], Outcome::Observed { .. }), "{outcomes:?}");
    assert!(matches!(&outcomes[7], Outcome::Quarantined { reason, .. }
        if reason.starts_with("awaits_context: ")));
    let of = |world: &mut World| {
        world.rows("select sequence, v1, absent from observation order by sequence")
    };
    // 101 mg/dL in micromoles, then no glucose (absence 10) twice.
    assert_eq!(of(&mut world), ["6 5606 -", "7 - 10", "8 - 10"]);
    assert_eq!(world.count("alert"), 0);
    // Its context comes after all, in another connection and after a crash.
    world.crash();
    assert!(matches!(world.one(context(9, 2, 9)), Outcome::Noted { .. }));
    assert_eq!(of(&mut world)[3], "9 777 -");
    assert!(world.count("alert") > 0, "14 mg/dL of glucose is an emergency");
}

#[test]
fn models_that_depart_from_the_standard_are_read_as_they_mean_it() {
    let mut world = World::new();
    for (id, model) in [
        ("bm85", "beurer-bm85"),
        ("mi", "xiaomi-mi-scale-v2"),
        ("renpho", "renpho-es-wbe28"),
        ("fora", "diamond-mini"),
    ] {
        add_model(&mut world, id, model);
    }
    let take = |world: &mut World, device: &str, characteristic, hex: &str| {
        world.one(arrival(device, characteristic, unhex(hex), at(10), 1))
    };
    let cuff = "566a0047000000ea07080b121f00003f000000";
    assert!(matches!(take(&mut world, "bm85", 0x2A35, cuff), Outcome::Observed { .. }));
    let scale = "0204e307011d1135010000ac3f";
    assert!(matches!(take(&mut world, "mi", 0x2A9C, scale), Outcome::Observed { .. }));
    let renpho = "4e6a07ea0707040c1a06aa00000000";
    assert!(matches!(take(&mut world, "renpho", 0x2A9D, renpho), Outcome::Observed { .. }));
    let made_up = "030200f507010a0d310000000db011";
    let refused = take(&mut world, "fora", 0x2A18, made_up);
    assert!(
        matches!(&refused, Outcome::Quarantined { reason, .. } if reason.starts_with("fora_2037")),
        "{refused:?}"
    );
    // The same octets of a device without that name are what the standard says: quarantine here.
    assert!(matches!(take(&mut world, "scale", 0x2A9C, scale), Outcome::Quarantined { .. }));
    let rows = world.rows(OBSERVED);
    assert_eq!(rows.len(), 4, "{rows:#?}");
}

#[test]
fn a_record_in_a_makers_own_protocol_is_read_from_its_frames() {
    use crate::intake::VendorProtocol;
    let mut world = World::new();
    add_model(&mut world, "td", "taidoc");
    // TD-4255: 2026-03-02 07:50, 101 mg/dL before a meal; the second is a record of 2037.
    let record = |frames: &str, place| {
        let octets = unhex(&format!("5542{frames}"));
        let payload = Payload::Vendor { protocol: VendorProtocol::Taidoc, octets };
        Arrival { payload, ..arrival("td", 0, Vec::new(), at(10), place) }
    };
    assert!(matches!(world.one(record("5125", 1)), Outcome::Quarantined { .. }), "cut off");
    let time = |year: u16| {
        let [low, high] = ((year - 2000) << 9 | 3 << 5 | 2).to_le_bytes();
        let frame = hearth_shared::gatt::taidoc::response(
            hearth_shared::gatt::taidoc::Command::RecordTime,
            [low, high, 50, 7],
        );
        frame.map(|octet| format!("{octet:02x}")).concat()
    };
    // 101, nothing, kind 0 before a meal.
    let value = "512665000040a5c1";
    let outcome = world.one(record(&format!("{}{value}", time(2026)), 2));
    assert!(matches!(outcome, Outcome::Observed { .. }), "{outcome:?}");
    let again = world.one(record(&format!("{}{value}", time(2026)), 3));
    assert!(matches!(again, Outcome::Duplicate { .. }), "{again:?}");
    let made_up = world.one(record(&format!("{}{value}", time(2037)), 4));
    assert!(
        matches!(&made_up, Outcome::Quarantined { reason, .. } if reason.starts_with("fora_2037")),
        "{made_up:?}"
    );
    let rows = world.rows("select quantity, v1, meal, device_time, weak from observation");
    assert_eq!(rows, ["1 5606 1 2026-03-02T07:50:00 0"]);
    // What is in the journal comes back as what it was.
    world.crash();
    assert_eq!(
        world.rows("select kind, characteristic, outcome from journal order by seq"),
        ["5 1 3", "5 1 1", "5 1 3"]
    );
}

#[test]
fn battery_and_clock_are_noted_on_the_device() {
    let mut world = World::new();
    assert!(matches!(
        world.one(arrival("meter", 0x2A19, vec![80], at(0), 1)),
        Outcome::Noted { .. }
    ));
    world.one(glucose(9, 0, 110));
    let reader = world.path().store().reader().unwrap();
    let device = device::get(&reader, "meter").unwrap().unwrap();
    assert_eq!(device.battery_percent, Some(80));
    assert_eq!(device.last_sequence, Some(9));
    assert_eq!(device.clock_trust, Some(ClockTrust::Synchronised));
    assert_eq!(device.last_seen, Some(at(5).wall));
}

#[test]
fn a_delivery_is_judged_by_measured_time_whatever_its_order() {
    let mut forward = World::new();
    let mut backward = World::new();
    let records: Vec<Arrival> = [(0, 60), (600, 45), (1200, 69), (1440, 71)]
        .iter()
        .zip(1_u16..)
        .map(|((t, v), n)| Arrival { received: at(1500), ..glucose(n, *t, *v) })
        .collect();
    forward.take(&records);
    let reversed: Vec<Arrival> = records.into_iter().rev().collect();
    backward.take(&reversed);
    let sql = "select rule, level, state, late, changed_ms from alert order by rule, raised_ms";
    let rows = forward.rows(sql);
    assert!(rows.len() >= 2, "{rows:?}");
    assert_eq!(rows, backward.rows(sql));
    let sql = "select id from alert order by id";
    assert_eq!(forward.rows(sql), backward.rows(sql));
}

/// Everything that matters afterwards, without row numbers.
fn summary(world: &mut World) -> Vec<String> {
    let mut out = world.rows("select id, v1, v2, measured_ms from observation order by id");
    out.extend(world.rows("select id, rule, level, state from alert order by id"));
    out.extend(world.rows(
        "select lane, kind, id, patient, count(*) from outbox group by lane, kind, id, patient
         order by lane, kind, id",
    ));
    out.extend(world.rows("select patient, quantity, measured_ms from series order by 1, 2, 3"));
    out
}

/// A week of one meter and one cuff, one delivery a day.
fn week() -> Vec<Vec<Arrival>> {
    (0..7_i64)
        .map(|day| {
            let t = day * 86_400;
            let n = u16::try_from(day * 3).unwrap();
            vec![
                glucose(n, t, 95 + n),
                glucose(n + 1, t + 600, if day == 3 { 52 } else { 120 }),
                pressure(t + 700, 128 + n, 82, 71),
            ]
        })
        .collect()
}

#[test]
fn re_delivery_in_any_order_changes_nothing() {
    let mut once = World::new();
    for delivery in week() {
        once.take(&delivery);
    }
    let expected = summary(&mut once);
    for round in 0..3 {
        for delivery in week().iter().rev() {
            let mut delivery = delivery.clone();
            delivery.rotate_left(round);
            for a in &mut delivery {
                a.received = at(8 * 86_400);
                a.connection = 50;
            }
            once.take(&delivery);
        }
        assert_eq!(summary(&mut once), expected);
    }
}

#[test]
fn a_fault_at_any_step_leaves_all_or_nothing_and_the_retry_ends_the_same() {
    let mut whole = World::new();
    for delivery in week() {
        whole.take(&delivery);
    }
    let expected = summary(&mut whole);
    // Every insert into these tables counts as a step; the n-th one fails.
    let tables =
        ["journal", "observation", "attribution", "series", "alert", "alert_state", "outbox"];
    let mut failed = 0;
    for n in (1..24).chain([31, 40, 52, 67, 75, 90, 120, 150]) {
        let mut world = World::new();
        let mut steps = String::from(
            "create temp table countdown (n integer); create temp table fault (x);
             insert into countdown values (",
        );
        steps.push_str(&format!("{n});"));
        for table in tables {
            steps.push_str(&format!(
                "create temp trigger fault_{table} before insert on main.{table} begin
                   update countdown set n = n - 1;
                   select raise(abort, 'injected') where (select n from countdown) = 0;
                 end;"
            ));
        }
        world.path().store().connection_for_faults().execute_batch(&steps).unwrap();
        for delivery in week() {
            let before = summary(&mut world);
            match world.path().take(&delivery) {
                Ok(_) => {}
                Err(error) => {
                    failed += 1;
                    assert!(error.to_string().contains("injected"), "{error}");
                    assert_eq!(summary(&mut world), before, "step {n}");
                    if n % 2 == 0 {
                        // Takes the triggers with it.
                        world.crash();
                    } else {
                        let connection = world.path().store().connection_for_faults();
                        connection.execute_batch("update countdown set n = -1").unwrap();
                    }
                    world.take(&delivery);
                }
            }
        }
        assert_eq!(summary(&mut world), expected, "step {n}");
        let lanes = world.rows(
            "select l.lane, l.last - count(o.seq) from lane l left join outbox o using (lane)
             group by l.lane",
        );
        assert_eq!(lanes, ["1 0", "2 0"], "step {n}");
    }
    assert!(failed > 25, "{failed}");
}

fn command(id: &str, verb: &str, with: &str) -> Command {
    Command::parse(format!(r#"{{"id":"{id}","verb":"{verb}","with":{with}}}"#).as_bytes()).unwrap()
}

fn execute_one(world: &mut World, command: &Command, offset_s: i64) -> CommandResult {
    world.path().execute(command, Origin::Socket, at(offset_s)).unwrap()
}

#[test]
fn a_claim_keeps_time_and_history_and_the_reading_is_judged_then() {
    let mut world = World::new();
    world.one(weight(16_000, None, at(0), 1));
    let id = world.rows("select lower(hex(id)) from observation").remove(0);
    let id = Uuid::parse_str(&id).unwrap();
    let with = format!(r#"{{"observation":"{id}","patient":"ben"}}"#);
    let result = execute_one(&mut world, &command("c1", "claim", &with), 600);
    assert!(result.done, "{result:?}");
    assert_eq!(world.count("claim_tray"), 0);
    let measured = at(0).wall.millis();
    assert_eq!(world.rows("select patient, measured_ms from series"), [format!("ben {measured}")]);
    // It was Anna's after all.
    let with = format!(r#"{{"observation":"{id}","patient":"anna"}}"#);
    assert!(execute_one(&mut world, &command("c2", "claim", &with), 700).done);
    assert!(!execute_one(&mut world, &command("c3", "claim", &with), 700).done);
    assert_eq!(
        world.rows("select patient, method, decided_by from attribution order by seq"),
        ["- 4 roster", "ben 3 c1", "anna 5 c2"]
    );
    assert_eq!(
        world.rows(
            "select patient, json_extract(body, '$.revision') from outbox
             where kind = 'observation' order by seq"
        ),
        ["- 0", "ben 1", "anna 2"]
    );
    assert_eq!(world.rows("select patient from series"), ["anna"]);
}

#[test]
fn a_person_who_confirms_an_odd_weight_on_a_shared_scale_lets_the_rules_judge_it() {
    let mut world = World::new();
    for (n, days) in [(1, 3), (2, 2), (3, 1)] {
        world.one(weight(16_000, Some(1), at(-days * 86_400), n));
    }
    world.one(weight(18_000, Some(1), at(0), 4));
    let notice = "select json_extract(body, '$.notice') from outbox where kind = 'notice'";
    assert_eq!(world.rows(notice), ["claim"], "the hub asks whose it is");
    assert_eq!(world.count("alert"), 0);
    let newest = "select lower(hex(id)) from observation order by seq desc limit 1";
    let id = Uuid::parse_str(&world.rows(newest)[0]).unwrap();
    let with = format!(r#"{{"observation":"{id}","patient":"anna"}}"#);
    let result = execute_one(&mut world, &command("c1", "claim", &with), 600);
    assert!(result.done, "{result:?}");
    let alerts = world.rows("select rule, state from alert order by rule");
    assert_eq!(alerts, ["W1 Pending", "W2 Pending"]);
    // Said once is enough.
    assert!(!execute_one(&mut world, &command("c2", "claim", &with), 700).done);
    assert_eq!(world.count("series"), 4);
}

#[test]
fn a_command_is_journalled_executed_once_and_answered_the_same_again() {
    let mut world = World::new();
    let mute = command("m1", "patient_mute", r#"{"id":"anna","until":"2026-03-02T10:00:00Z"}"#);
    let first = execute_one(&mut world, &mute, 0);
    assert!(first.done, "{first:?}");
    world.crash();
    assert_eq!(execute_one(&mut world, &mute, 50), first);
    assert_eq!(world.count("command"), 1);
    assert_eq!(world.rows("select kind, outcome from journal"), ["3 5"]);
    // The mute holds for the rules at once: an urgent notice is silent.
    world.one(glucose(7, 60, 62));
    let silent =
        world.rows("select json_extract(body, '$.silent') from outbox where kind = 'prompt'");
    assert_eq!(silent, ["1"]);
    let bad = world.path().quarantine_command(b"{", "no JSON", at(70)).unwrap();
    assert_eq!(
        world.rows(&format!("select outcome, detail from journal where seq = {bad}")),
        ["3 no JSON"]
    );
}

#[test]
fn what_a_new_device_had_sent_before_it_was_known_is_judged_once_it_is() {
    let mut world = World::new();
    let mut early = glucose(3, 0, 110);
    early.device = "meter-2".into();
    assert!(matches!(world.one(early.clone()), Outcome::Quarantined { .. }));
    let add = command("d1", "device_add", r#"{"id":"meter-2","kind":"glucose_meter"}"#);
    let result = execute_one(&mut world, &add, 60);
    assert!(result.done, "{result:?}");
    assert_eq!(world.rows("select outcome from journal where kind = 1"), ["1"]);
    assert_eq!(world.count("observation"), 1);
    assert!(matches!(world.one(early), Outcome::Duplicate { journal_seq: 1 }));
}

#[test]
fn a_damaged_engine_state_is_rebuilt_without_a_word_and_goes_on() {
    let mut world = World::new();
    for delivery in week() {
        world.take(&delivery);
    }
    world.one(glucose(90, 7 * 86_400, 50));
    let before = world.rows("select id, rule, state from alert order by id");
    let messages = world.count("outbox");
    let connection = world.path().store().connection_for_faults();
    connection.execute_batch("update alert_state set snapshot = x'00ff'").unwrap();
    world.crash();
    // The re-armed low clears what was raised before the damage.
    world.one(glucose(91, 7 * 86_400 + 900, 90));
    assert_eq!(world.rows("select n from counter where name = 'engine_states_rebuilt'"), ["1"]);
    assert_eq!(world.rows("select id from alert order by id").len(), before.len());
    let states = world.rows("select state from alert where rule = 'G1' order by raised_ms desc");
    assert_eq!(states[0], "Cleared");
    assert!(world.count("outbox") > messages);
}

#[test]
fn a_raw_row_without_an_outcome_is_judged_at_the_next_start_under_the_same_ids() {
    let mut world = World::new();
    world.one(glucose(7, 0, 53));
    let expected = world.rows("select id, v1, measured_ms from observation");
    let alert = world.rows("select id from alert");
    // As after a salvage that lost the observation but not the raw row.
    let connection = world.path().store().connection_for_faults();
    connection
        .execute_batch(
            "delete from series; delete from attribution; delete from observation;
             update journal set outcome = 0",
        )
        .unwrap();
    world.crash();
    assert_eq!(world.rows("select id, v1, measured_ms from observation"), expected);
    assert_eq!(world.rows("select outcome from journal"), ["1"]);
    assert_eq!(world.rows("select id from alert"), alert);
    assert_eq!(world.path().status().unwrap().pending, 0);
}

#[test]
fn while_the_gateways_clock_is_not_set_readings_are_kept_and_marked_and_nobody_is_prompted() {
    let mut world = World::new();
    let mut low = glucose(7, 0, 50);
    low.received.trusted = false;
    world.one(low);
    assert_eq!(world.rows("select clock from observation"), ["6"]);
    assert_eq!(world.rows("select kind from outbox where kind = 'prompt'"), Vec::<String>::new());
    assert_eq!(world.count("alert"), 1);
}

#[test]
fn stored_records_without_a_time_alarm_only_by_the_newest() {
    let mut world = World::new();
    // The clock shows 2000 and was not compared: three stored records, the last is in range.
    let lost: Vec<Arrival> = [(1_u16, 45_u16), (2, 48), (3, 110)]
        .iter()
        .map(|(n, v)| {
            let stamp = [0xD0, 0x07, 1, 1, 0, u8::try_from(*n).unwrap(), 0];
            let mut a = arrival("meter", 0x2A18, glucose_octets(*n, &stamp, *v), at(0), 1);
            a.clock_offset_s = None;
            a
        })
        .collect();
    world.take(&lost);
    assert_eq!(world.rows("select clock, count(*) from observation group by 1"), ["5 3"]);
    assert_eq!(world.count("alert"), 0);
    // A low that is the newest does alarm, with the time of reception.
    let stamp = [0xD0, 0x07, 1, 1, 0, 9, 0];
    let mut low = arrival("meter", 0x2A18, glucose_octets(4, &stamp, 45), at(60), 2);
    low.clock_offset_s = None;
    world.one(low);
    assert_eq!(world.rows("select rule, state from alert"), ["G1 Active"]);
}

#[test]
fn a_critical_value_alarms_while_the_gateways_clock_was_never_set() {
    let mut world = World::new();
    // No battery behind the clock: 1970-01-02. The meter knows the time and says so.
    let unset = Now { wall: UnixMillis::from_seconds(86_400), trusted: false, ..at(5) };
    world.one(Arrival {
        received: unset,
        clock_offset_s: Some(86_400 - START_S - 3600),
        ..glucose(7, 0, 53)
    });
    assert_eq!(world.rows("select clock from observation"), ["6"]);
    assert_eq!(world.rows("select rule, level from alert"), ["G1 C"]);
    // Nothing personal is sent meanwhile; staff are told without a name.
    assert_eq!(world.rows("select kind from outbox where kind = 'prompt'"), Vec::<String>::new());
    world.path().tick(Now { wall: UnixMillis::from_seconds(87_400), ..unset }).unwrap();
    let step = "select count(*) from outbox where kind = 'notice' and body like '%\"step\":1%'";
    assert_eq!(world.rows(step), ["1"]);
}
