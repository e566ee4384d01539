#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Seek, SeekFrom, Write as _};

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;

use super::*;
use crate::clock::{BootId, Now};
use crate::intake::{Arrival, LinkSecurity};
use crate::path::{Path as ReadingPath, PathSettings};
use crate::store::device::{self, Device};
use crate::store::{Store, StoreOptions};

/// A journal with a reading nobody owns, a duplicate and octets that are no reading.
fn journal_at(path: &Path) -> ReadingPath {
    let mut store = Store::open(&StoreOptions::at(path)).unwrap();
    let at = UnixMillis::from_seconds(1_772_438_400);
    store
        .transaction::<_, StoreError>(|tx| {
            device::put(tx, &Device::new("meter", "glucose_meter", at))
        })
        .unwrap();
    let mut path = ReadingPath::open(store, PathSettings::new("gw-1", TimeZone::UTC)).unwrap();
    let arrival = |octets: &[u8], position| Arrival {
        device: "meter".into(),
        payload: Payload::Gatt { characteristic: 0x2A18, octets: octets.to_vec() },
        received: Now { wall: at, monotonic_ms: 5, boot: BootId([1; 16]), trusted: true },
        connection: 1,
        position,
        clock_offset_s: None,
        link: LinkSecurity::default(),
    };
    // Record 7, 2026-03-02 07:30:00, 110 mg/dL.
    let good = [0x02, 7, 0, 0xEA, 0x07, 3, 2, 7, 30, 0, 110, 0xB0, 0x11];
    path.take(&[arrival(&good, 1), arrival(&[0x02, 7], 2), arrival(&good, 3)]).unwrap();
    path
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn an_export_says_everything_that_is_known_of_a_reading() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hearth.db");
    let _running = journal_at(&file);
    let reader = Reader::open(&file).unwrap();
    let all = Selection::default();
    let lines = text(|out| {
        let done = export(&reader, &all, Form::JsonLines, out).unwrap();
        assert_eq!(done, Exports { lines: 2, damaged: 0 });
    });
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    for (name, value) in [
        ("journal_seq", json!(1)),
        ("device", json!("meter")),
        ("sequence", json!(7)),
        ("quantity", json!("glucose")),
        ("value", json!(110)),
        ("unit", json!("mg/dL")),
        ("raw", json!("020700EA070302071E006EB011")),
        ("measured", json!("2026-03-02T07:30:00Z")),
        ("received", json!("2026-03-02T08:00:00.000Z")),
        ("clock", json!("unchecked")),
        ("patient", Value::Null),
        ("state", json!("unclaimed")),
        ("shown", json!("110 mg/dL")),
    ] {
        assert_eq!(first[name], value, "{name} in {first}");
    }
    let second: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["state"], "quarantined");
    assert!(second["reason"].as_str().unwrap().starts_with("truncated: "), "{second}");
    let only = Selection { quarantine: true, ..Selection::default() };
    let table = text(|out| {
        export(&reader, &only, Form::Table, out).unwrap();
    });
    assert_eq!(table.lines().count(), 2, "{table}");
    let other = Selection { device: Some("cuff".into()), ..Selection::default() };
    assert_eq!(export(&reader, &other, Form::JsonLines, &mut Vec::new()).unwrap().lines, 0);
}

#[test]
fn stats_count_what_was_taken_in_and_what_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hearth.db");
    let _running = journal_at(&file);
    let reader = Reader::open(&file).unwrap();
    let line = text(|out| stats(&reader, &file, Form::JsonLines, out).unwrap());
    let s: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(s["journal"], json!({"observed": 1, "quarantined": 1}));
    assert_eq!(s["observations"], json!({"glucose": 1}));
    assert_eq!(s["quarantined"], json!({"truncated": 1}));
    assert_eq!(s["duplicates"][0]["count"], 1);
    assert_eq!(s["backlog"][1]["queued"], 1);
    assert!(s["files"]["hearth.db"].as_u64().unwrap() > 0);
    let table = text(|out| stats(&reader, &file, Form::Table, out).unwrap());
    assert!(table.contains("quarantined, truncated       1"), "{table}");
}

#[test]
fn verify_finds_a_flipped_bit_and_an_export_withholds_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hearth.db");
    drop(journal_at(&file));
    let reader = Reader::open(&file).unwrap();
    let sound = verify(&reader, Form::Table, &mut Vec::new()).unwrap();
    assert_eq!(sound.findings, []);
    assert_eq!((sound.checked.journal, sound.checked.observations), (2, 1));
    drop(reader);
    // Moves everything into the file, then flips one bit of the glucose value (6106 umol/L).
    let mut octets = std::fs::read(settled(&file)).unwrap();
    let value = 6106_u16.to_be_bytes();
    let stamp = b"2026-03-02T07:30:00";
    // The stamp stands in an index, too; only the row has the value before it.
    let stamps = (60..octets.len()).filter(|i| octets[*i..].starts_with(stamp));
    let before = |at: usize| (at - 60..at).find(|i| octets[*i..*i + 2] == value);
    let place = stamps.into_iter().find_map(before).unwrap();
    octets[place + 1] ^= 0x04;
    let mut out = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    out.seek(SeekFrom::Start(0)).unwrap();
    out.write_all(&octets).unwrap();
    drop(out);
    let reader = Reader::open(&file).unwrap();
    let found = verify(&reader, Form::JsonLines, &mut Vec::new()).unwrap().findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, "checksum");
    let lines = text(|out| {
        let done = export(&reader, &Selection::default(), Form::JsonLines, out).unwrap();
        assert_eq!(done.damaged, 1);
    });
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["state"], "damaged");
    assert_eq!(first["value"], Value::Null);
}

/// Puts the log into the file by a backup and moves that in its place.
fn settled(file: &Path) -> std::path::PathBuf {
    let folder = file.parent().unwrap().join("copy");
    crate::store::backup::backup(&Reader::open(file).unwrap(), &folder).unwrap();
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
    std::fs::copy(folder.join("hearth.db"), file).unwrap();
    file.to_owned()
}
