#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use hearth_shared::device::Sequence;
use hearth_shared::observation::{DisplayUnit, Marks, Quantity, Reading, Value};
use hearth_shared::time::{ClockTrust, UtcOffsetMinutes};
use hearth_shared::units::Glucose;
use uuid::Uuid;

use super::*;
use crate::clock::{BootId, Now};
use crate::intake::{Arrival, LinkSecurity, Payload};
use crate::store::journal::{self, RowOutcome};
use crate::store::observation::{self, Observation, Standing};
use crate::store::{Store, StoreOptions, device as roster};
use crate::uplink::message::Lane;

fn at(second: i64) -> UnixMillis {
    UnixMillis::from_seconds(1_800_000_000 + second)
}

/// A store with one meter.
fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&StoreOptions::at(folder.path().join("hearth.db"))).unwrap();
    write(&mut store, |tx| {
        let mut meter = roster::Device::new("meter-1", "glucose_meter", at(0));
        meter.address = Some("C0:FF:EE:00:00:01".to_owned());
        roster::put(tx, &meter)
    });
    (folder, store)
}

fn write(store: &mut Store, work: impl FnOnce(&Tx<'_>) -> Result<(), StoreError>) {
    store.transaction(work).unwrap();
}

fn arrival(n: u16) -> Arrival {
    Arrival {
        device: "meter-1".into(),
        payload: Payload::Gatt { characteristic: 0x2A18, octets: n.to_le_bytes().to_vec() },
        received: Now { wall: at(0), monotonic_ms: 1, boot: BootId([3; 16]), trusted: true },
        connection: 1,
        position: u32::from(n),
        clock_offset_s: None,
        link: LinkSecurity::default(),
    }
}

/// Records of these numbers, as the path keeps them.
fn records(tx: &Tx<'_>, numbers: impl IntoIterator<Item = u16>) -> Result<(), StoreError> {
    for n in numbers {
        let arrival = arrival(n);
        let journal_seq = journal::append(tx, &arrival, RowOutcome::Observed, None)?;
        let observation = Observation {
            id: Uuid::from_u128(u128::from(journal_seq.unsigned_abs())),
            journal_seq,
            part: 0,
            device: "meter-1".into(),
            slot: None,
            sequence: Some(Sequence(n)),
            weak: false,
            reading: Reading {
                quantity: Quantity::Glucose,
                value: Ok(Value::Glucose(Glucose::from_umol_per_l(5_000 + u32::from(n)))),
                unit: DisplayUnit::MmolPerL,
                marks: Marks::default(),
                meal: None,
            },
            ambiguous: false,
            pressed: false,
            measured: at(i64::from(n)),
            offset: UtcOffsetMinutes::new(0).unwrap(),
            clock: ClockTrust::Synchronised,
            clock_error_s: None,
            device_time: None,
            received: at(0),
            standing: Standing::Accepted,
        };
        observation::insert(tx, &observation)?;
        crate::intake::message::push(tx, &observation, Some("p1"), None, at(0))?;
    }
    Ok(())
}

fn brief(store: &Store) -> DeviceBriefing {
    let reader = store.reader().unwrap();
    briefing(&reader, "c0:ff:ee:00:00:01").unwrap().unwrap()
}

#[test]
fn the_cursor_is_the_number_that_came_last_and_a_reset_forgets_it() {
    let (_folder, mut store) = store();
    assert_eq!(brief(&store).cursor, None);
    write(&mut store, |tx| records(tx, [7, 8, 9]));
    assert_eq!(brief(&store).cursor, Some(9));
    write(&mut store, |tx| sequence_reset(tx, "meter-1"));
    assert_eq!(brief(&store).cursor, None);
    write(&mut store, |tx| records(tx, [1, 2]));
    assert_eq!(brief(&store).cursor, Some(2));
    // Numbers begin again at 0 behind the highest.
    write(&mut store, |tx| records(tx, [65_534, 65_535, 0]));
    assert_eq!(brief(&store).cursor, Some(0));
    let all = completeness(&store.reader().unwrap(), "meter-1", &[]).unwrap();
    assert_eq!((all.collected, all.resets), (8, 1));
}

#[test]
fn a_device_nobody_listed_or_that_is_retired_has_no_briefing() {
    let (_folder, mut store) = store();
    assert_eq!(briefing(&store.reader().unwrap(), "C0:FF:EE:00:00:99").unwrap(), None);
    write(&mut store, |tx| {
        let mut meter = roster::get(tx, "meter-1")?.unwrap();
        meter.retired = Some(at(1));
        roster::put(tx, &meter)
    });
    assert_eq!(briefing(&store.reader().unwrap(), "C0:FF:EE:00:00:01").unwrap(), None);
}

#[test]
fn bond_profile_and_consents_are_kept_and_replaced() {
    let (_folder, mut store) = store();
    write(&mut store, |tx| {
        set_profile(tx, "meter-1", "contour-next-one")?;
        consent(tx, "meter-1", 2, Some(1234))?;
        consent(tx, "meter-1", 1, Some(9999))?;
        consent(tx, "meter-1", 1, Some(42))?;
        let note = BondNote { bonded: Some(true), key_octets: Some(16), ..BondNote::default() };
        bond(tx, "meter-1", &note, at(5))
    });
    let known = brief(&store);
    assert_eq!(known.profile.as_deref(), Some("contour-next-one"));
    assert_eq!(known.consents, [(1, 42), (2, 1234)]);
    assert_eq!((known.bonded, known.state.as_str()), (Some(true), "new"));
    write(&mut store, |tx| {
        consent(tx, "meter-1", 1, None)?;
        bond(tx, "meter-1", &BondNote { bonded: Some(false), ..BondNote::default() }, at(6))
    });
    assert_eq!(brief(&store).consents, [(2, 1234)]);
    let row = &rows(&store.reader().unwrap(), None).unwrap()[0];
    assert_eq!(
        (row.bonded, row.key_octets, row.bonded_ms),
        (Some(false), None, Some(at(6).millis()))
    );
    let nobody = store.transaction(|tx| set_profile(tx, "nobody", "x"));
    assert!(nobody.is_err(), "a device that is not on the roster has a row");
}

#[test]
fn the_moment_of_a_state_stays_as_long_as_its_word() {
    let (_folder, mut store) = store();
    let since = |store: &Store| {
        let row = rows(&store.reader().unwrap(), Some("meter-1")).unwrap().remove(0);
        (row.state, row.state_ms.unwrap())
    };
    for (word, second, expected) in
        [("ok", 1, 1), ("ok", 2, 1), ("bond_lost", 3, 3), ("bond_lost", 4, 3), ("ok", 5, 5)]
    {
        write(&mut store, |tx| state(tx, "meter-1", word, at(second)));
        assert_eq!(since(&store), (word.to_owned(), at(expected).millis()), "{word} {second}");
    }
}

#[test]
fn a_session_leaves_what_it_found_and_the_list_of_sessions_is_bounded() {
    let (_folder, mut store) = store();
    write(&mut store, |tx| {
        for n in 0..i64::from(SESSIONS_MAX) + 5 {
            session(tx, &SessionNote::new("meter-1", (at(n * 10), at(n * 10 + 4)), How::Complete))?;
        }
        let mut note = SessionNote::new("meter-1", (at(9_000), at(9_007)), How::Failed);
        note.code = Some("not_encrypted".to_owned());
        note.clock_before_s = Some(130);
        note.clock_set = true;
        note.clock_after_s = Some(0);
        note.information = vec![(0x2A26, "1.2".to_owned()), (0x2A25, "serial".to_owned())];
        note.records_held = Some(3);
        note.record_range = Some((5, 7));
        note.registered = vec![(1, 4711)];
        session(tx, &note)
    });
    let reader = store.reader().unwrap();
    let kept = sessions(&reader, "meter-1", 1_000).unwrap();
    assert_eq!(kept.len(), SESSIONS_MAX as usize);
    assert_eq!((kept[0].how, kept[0].code.as_deref()), (How::Failed, Some("not_encrypted")));
    let row = rows(&reader, Some("meter-1")).unwrap().remove(0);
    assert_eq!(row.sessions, [u64::from(SESSIONS_MAX) + 5, 0, 1]);
    assert_eq!((row.state.as_str(), row.firmware.as_deref()), ("not_encrypted", Some("1.2")));
    assert_eq!((row.clock_before_s, row.clock_after_s), (Some(130), Some(0)));
    // All of it on one day: 4 s each, and 7 s.
    assert_eq!(row.radio_ms, (i64::from(SESSIONS_MAX) + 5) * 4_000 + 7_000);
    assert_eq!(consents(&reader, "meter-1").unwrap(), [(1, 4711)]);
    drop(reader);
    write(&mut store, |tx| {
        let next_day = (at(100_000), at(100_001));
        session(tx, &SessionNote::new("meter-1", next_day, How::Incomplete))
    });
    let row = rows(&store.reader().unwrap(), Some("meter-1")).unwrap().remove(0);
    assert_eq!((row.radio_ms, row.state.as_str()), (1_000, "ok"));
    assert_eq!(row.clock_before_s, Some(130), "a session without a clock took the last one away");
}

#[test]
fn a_lost_bond_stays_the_cause_however_its_sessions_fail_and_ends_with_one_that_goes_well() {
    let (_folder, mut store) = store();
    let failed = |code: &str, second| {
        let mut note = SessionNote::new("meter-1", (at(second), at(second + 1)), How::Failed);
        note.code = Some(code.to_owned());
        note
    };
    let word = |store: &Store| brief(store).state;
    write(&mut store, |tx| session(tx, &failed("timeout", 1)));
    assert_eq!(word(&store), "timeout");
    write(&mut store, |tx| state(tx, "meter-1", "bond_lost", at(5)));
    write(&mut store, |tx| session(tx, &failed("not_connected", 10)));
    assert_eq!(word(&store), "bond_lost");
    write(&mut store, |tx| {
        session(tx, &SessionNote::new("meter-1", (at(20), at(21)), How::Incomplete))
    });
    assert_eq!(word(&store), "ok");
}

#[test]
fn completeness_names_what_is_missing_and_how_far_the_rest_has_gone() {
    let (_folder, mut store) = store();
    let ask = |store: &Store, consumers: &[&str]| {
        let consumers: Vec<String> = consumers.iter().map(|c| (*c).to_owned()).collect();
        completeness(&store.reader().unwrap(), "meter-1", &consumers).unwrap()
    };
    assert_eq!(ask(&store, &[]).verdict, "unknown");
    write(&mut store, |tx| {
        records(tx, [1, 2, 3, 6, 7])?;
        let mut note = SessionNote::new("meter-1", (at(0), at(1)), How::Complete);
        note.records_held = Some(9);
        note.record_range = Some((1, 10));
        session(tx, &note)
    });
    let some = ask(&store, &["ehr"]);
    assert_eq!((some.held, some.collected, some.verdict.as_str()), (Some(9), 5, "incomplete"));
    assert_eq!(some.missing, [(4, 5), (8, 10)]);
    assert_eq!((some.acknowledged, some.confirmed), (0, Some(0)));

    // Number 4 was deleted on the device: nothing is missing once as many are here as it holds.
    write(&mut store, |tx| records(tx, [5, 8, 9, 10]));
    let all = ask(&store, &[]);
    assert_eq!((all.collected, all.verdict.as_str()), (9, "complete"));
    assert_eq!((all.missing, all.confirmed), (Vec::new(), None));

    write(&mut store, |tx| {
        tx.transaction.execute("update outbox set state = 1, acked_ms = 1 where seq <= 6", [])?;
        let mark = crate::uplink::message::Watermark {
            lane: Lane::Observations,
            seq: 4,
            consumer: "ehr".to_owned(),
        };
        crate::store::watermark::store(tx, &mark, at(2)).map(drop)
    });
    let gone = ask(&store, &["ehr"]);
    assert_eq!((gone.acknowledged, gone.confirmed), (6, Some(4)));
}

#[test]
fn the_highest_number_of_all_is_no_gap_behind_itself() {
    assert_eq!(completeness::missing(&[65_534, 65_535], 65_533, 65_535), [(65_533, 65_533)]);
    assert_eq!(completeness::missing(&[], 3, 4), [(3, 4)]);
    let every_other: Vec<u16> = (0..100).filter(|n| n % 2 == 0).collect();
    assert_eq!(completeness::missing(&every_other, 0, 99).len(), MISSING_MAX);
}

#[test]
fn a_ring_that_has_sent_more_than_it_holds_is_judged_by_its_last_session() {
    let (_folder, mut store) = store();
    let verdict =
        |store: &Store| completeness(&store.reader().unwrap(), "meter-1", &[]).unwrap().verdict;
    let met = |how, second| {
        let mut note = SessionNote::new("meter-1", (at(second), at(second + 1)), how);
        note.records_held = Some(3);
        note
    };
    write(&mut store, |tx| {
        records(tx, [1, 2, 3, 4, 5])?;
        session(tx, &met(How::Incomplete, 1))
    });
    assert_eq!(verdict(&store), "incomplete", "five are here, but perhaps not the newest");
    write(&mut store, |tx| {
        session(tx, &met(How::Complete, 10))?;
        let failed = SessionNote::new("meter-1", (at(20), at(21)), How::Failed);
        session(tx, &failed)
    });
    assert_eq!(verdict(&store), "complete", "a session that failed asked nothing");
    write(&mut store, |tx| {
        let mut empty = met(How::Complete, 30);
        empty.records_held = Some(0);
        session(tx, &empty)
    });
    assert_eq!(verdict(&store), "complete");
}

#[test]
fn a_set_aside_record_is_here_under_its_number_and_what_left_by_age_is_not_missing() {
    let (_folder, mut store) = store();
    let ask = |store: &Store| completeness(&store.reader().unwrap(), "meter-1", &[]).unwrap();
    write(&mut store, |tx| {
        records(tx, [3, 4, 6])?;
        let mut note = SessionNote::new("meter-1", (at(0), at(1)), How::Complete);
        (note.records_held, note.record_range) = (Some(6), Some((1, 6)));
        session(tx, &note)
    });
    assert_eq!(ask(&store).missing, [(1, 2), (5, 5)]);
    write(&mut store, |tx| {
        // Number 5 came with octets that are no glucose record.
        let mut odd = arrival(5);
        odd.payload = Payload::Gatt { characteristic: 0x2A18, octets: vec![0, 5, 0, 9] };
        journal::append(tx, &odd, RowOutcome::Quarantined, Some("too short")).map(drop)
    });
    let found = ask(&store);
    assert_eq!((found.missing, found.set_aside, found.collected), (vec![(1, 2)], 1, 4));
    write(&mut store, |tx| {
        tx.transaction.execute("insert into forgotten values (x'00', 1)", [])?;
        Ok(())
    });
    let aged = ask(&store);
    assert_eq!((aged.missing, aged.verdict.as_str()), (Vec::new(), "complete"));
}
