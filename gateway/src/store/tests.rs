#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use hearth_shared::observation::{DisplayUnit, Marks, Quantity, Reading, Value};
use hearth_shared::time::{ClockTrust, UnixMillis, UtcOffsetMinutes};
use hearth_shared::units::Glucose;
use uuid::Uuid;

use super::backup::{self, BackupError};
use super::journal::{Kind, RowOutcome};
use super::observation::{Observation, Standing};
use super::*;
use crate::clock::{BootId, Now};
use crate::intake::{Arrival, LinkSecurity, Payload};

fn now() -> Now {
    Now {
        wall: UnixMillis::from_seconds(1_800_000_000),
        monotonic_ms: 77,
        boot: BootId([3; 16]),
        trusted: true,
    }
}

fn arrival(n: u32) -> Arrival {
    Arrival {
        device: "meter".into(),
        payload: Payload::Gatt { characteristic: 0x2A18, octets: n.to_le_bytes().repeat(8) },
        received: now(),
        connection: 1,
        position: n,
        clock_offset_s: Some(-3600),
        link: LinkSecurity {
            encrypted: Some(true),
            authenticated: Some(false),
            secure_connections: None,
        },
    }
}

fn observation(n: u32, journal_seq: i64) -> Observation {
    Observation {
        id: Uuid::from_u128(u128::from(n) + 1),
        journal_seq,
        part: 0,
        device: "meter".into(),
        slot: None,
        sequence: None,
        weak: false,
        reading: Reading {
            quantity: Quantity::Glucose,
            value: Ok(Value::Glucose(Glucose::from_umol_per_l(5000 + n))),
            unit: DisplayUnit::MmolPerL,
            marks: Marks { battery_low: true, ..Marks::default() },
            meal: None,
        },
        ambiguous: true,
        pressed: true,
        measured: UnixMillis::from_seconds(1_799_000_000 + i64::from(n)),
        offset: UtcOffsetMinutes::new(-210).unwrap(),
        clock: ClockTrust::Corrected,
        clock_error_s: Some(60),
        device_time: Some(format!("2027-01-01T00:00:{n}")),
        received: now().wall,
        standing: Standing::Accepted,
    }
}

/// Raw rows with their observations, unclaimed.
fn fill(store: &mut Store, numbers: std::ops::Range<u32>) {
    store
        .transaction::<_, StoreError>(|tx| {
            for n in numbers {
                let seq = journal::append(tx, &arrival(n), RowOutcome::Observed, None)?;
                let o = observation(n, seq);
                let observation_seq = observation::insert(tx, &o)?;
                attribution::decide(
                    tx,
                    &attribution::Decision {
                        observation_seq,
                        quantity: Quantity::Glucose,
                        measured: o.measured,
                        patient: None,
                        method: attribution::Method::Unclaimed,
                        by: "roster",
                        at: now().wall,
                    },
                )?;
            }
            Ok(())
        })
        .unwrap();
}

fn folder() -> (tempfile::TempDir, StoreOptions) {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions::at(folder.path().join("hearth.db"));
    (folder, options)
}

/// The whole file without a log, closed.
fn flush(store: Store) {
    store
        .connection_for_faults()
        .query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))
        .unwrap();
}

fn flip(path: &Path, at: u64, bit: u8) {
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut octet = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut octet).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[octet[0] ^ (1 << bit)]).unwrap();
}

fn rows(store: &Store) -> (u64, u64, u64) {
    let reader = store.reader().unwrap();
    let (mut whole, mut wrong, mut damaged) = (0, 0, 0);
    observation::scan::<StoreError>(&reader, 0, |row| {
        match row {
            Ok(row) => {
                let n = u32::try_from(row.observation.id.as_u128() - 1).unwrap();
                let same = row.observation == observation(n, row.observation.journal_seq);
                if same { whole += 1 } else { wrong += 1 }
            }
            Err(StoreError::Row { .. }) => damaged += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    })
    .unwrap();
    (whole, wrong, damaged)
}

#[test]
fn what_goes_in_comes_out_unchanged() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill(&mut store, 0..3);
    assert_eq!(rows(&store), (3, 0, 0));
    let reader = store.reader().unwrap();
    let row = journal::get(&reader, 2).unwrap().unwrap();
    assert_eq!(row.arrival, Some(arrival(1)));
    assert_eq!(row.outcome, RowOutcome::Observed);
}

#[test]
fn a_second_daemon_is_refused_with_a_remedy() {
    let (_folder, options) = folder();
    let store = Store::open(&options).unwrap();
    let error = Store::open(&options).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("stop it"), "{error}");
    drop(store);
    Store::open(&options).unwrap();
}

#[test]
fn the_settings_that_custody_rests_on_are_in_force() {
    let (_folder, options) = folder();
    let store = Store::open(&options).unwrap();
    let connection = store.connection_for_faults();
    let text = |name: &str| -> String {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|v| format!("{v:?}"))
            .unwrap()
    };
    for (name, wanted) in [
        ("journal_mode", "Text(\"wal\")"),
        ("synchronous", "Integer(2)"),
        ("foreign_keys", "Integer(1)"),
        ("application_id", "Integer(1215460456)"),
        ("user_version", "Integer(5)"),
        ("wal_autocheckpoint", "Integer(0)"),
        ("journal_size_limit", "Integer(16777216)"),
    ] {
        assert_eq!(text(name), wanted, "{name}");
    }
    assert!(rusqlite::version_number() >= 3_051_003);
}

#[test]
fn a_newer_schema_is_refused_with_both_numbers_and_left_alone() {
    let (_folder, options) = folder();
    let store = Store::open(&options).unwrap();
    store.connection_for_faults().pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let error = Store::open(&StoreOptions { salvage: true, ..options }).unwrap_err().to_string();
    assert!(
        error.contains("schema 99") && error.contains(&format!("up to {}", open::SCHEMA)),
        "{error}"
    );
}

#[test]
fn an_older_schema_is_migrated_with_its_rows() {
    let (_folder, options) = folder();
    let old = Connection::open(&options.path).unwrap();
    old.execute_batch(include_str!("migrations/0001_path.sql")).unwrap();
    old.pragma_update(None, "application_id", open::APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute_batch("insert into counter values ('kept', 7)").unwrap();
    drop(old);
    let error = Reader::open(&options.path).unwrap_err();
    assert!(matches!(error, StoreError::Older { found: 1, known: open::SCHEMA, .. }), "{error:?}");
    let store = Store::open(&options).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(counter::get(&reader, "kept").unwrap(), 7);
    assert!(counter::duplicates(&reader).unwrap().is_empty());
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let (_folder, options) = folder();
    let other = Connection::open(&options.path).unwrap();
    other.execute_batch("create table mine (x); insert into mine values (1)").unwrap();
    drop(other);
    let before = std::fs::read(&options.path).unwrap();
    let error = Store::open(&StoreOptions { salvage: true, ..options.clone() }).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    let reader = Reader::open(&options.path).unwrap_err();
    assert!(matches!(reader, StoreError::Foreign { .. }), "{reader:?}");
    let other = Connection::open(&options.path).unwrap();
    let n: i64 = other.query_row("select x from mine", [], |row| row.get(0)).unwrap();
    assert_eq!((n, before.is_empty()), (1, false));
}

#[test]
fn a_full_disk_is_told_from_other_errors_at_every_page_and_nothing_of_the_batch_stays() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill(&mut store, 0..10);
    let pages: i64 = store
        .connection_for_faults()
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    let mut full = 0;
    for extra in 0..40 {
        let connection = store.connection_for_faults();
        connection
            .pragma_update_and_check(None, "max_page_count", pages + extra, |_| Ok(()))
            .unwrap();
        let done = store.transaction::<_, StoreError>(|tx| {
            for n in 100..400 {
                journal::append(tx, &arrival(n), RowOutcome::Noted, None)?;
            }
            Ok(())
        });
        match done {
            Err(StoreError::Disk(_)) => full += 1,
            Err(error) => panic!("{error:?}"),
            Ok(()) => break,
        }
        assert_eq!(journal::last(&store.reader().unwrap()).unwrap(), 10);
    }
    assert!(full > 3, "{full}");
    // Room again: the same work is done.
    let connection = store.connection_for_faults();
    connection.pragma_update_and_check(None, "max_page_count", 1 << 30, |_| Ok(())).unwrap();
    fill(&mut store, 10..20);
    assert_eq!(rows(&store), (20, 0, 0));
}

#[test]
fn the_log_is_checkpointed_and_its_file_stays_bounded() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    let mut largest = 0;
    for batch in 0..120_u32 {
        fill(&mut store, batch * 100..batch * 100 + 100);
        largest =
            largest.max(std::fs::metadata(open::beside(&options.path, "-wal")).unwrap().len());
    }
    let main = std::fs::metadata(&options.path).unwrap().len();
    assert!(main > 3_000_000, "{main}");
    assert!(largest < 10_000_000, "{largest}");
}

#[test]
fn errors_of_the_disk_are_told_apart_by_what_a_caller_does() {
    let check = |code: i32, expected: &str| {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let found = format!("{:?}", StoreError::from(error));
        assert!(found.starts_with(expected), "{code}: {found}");
    };
    check(ffi::SQLITE_FULL, "Disk");
    check(ffi::SQLITE_IOERR_WRITE, "Disk");
    check(ffi::SQLITE_IOERR_FSYNC, "Fatal");
    check(ffi::SQLITE_IOERR_DIR_FSYNC, "Fatal");
    check(ffi::SQLITE_CORRUPT, "Damaged");
    check(ffi::SQLITE_NOTADB, "Damaged");
    check(ffi::SQLITE_CONSTRAINT, "Sqlite");
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    store.abandon();
    let again = store.transaction::<(), StoreError>(|_| Ok(())).unwrap_err();
    assert!(matches!(again, StoreError::Fatal(_)), "{again:?}");
}

#[test]
fn a_flipped_bit_never_becomes_a_changed_value() {
    let (folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill(&mut store, 0..400);
    flush(store);
    let original = std::fs::read(&options.path).unwrap();
    let (mut damaged_rows, mut damaged_files, mut salvaged) = (0, 0, 0);
    // A prime step meets headers, cells and free space of every kind of page.
    for at in (100..original.len()).step_by(3_331) {
        std::fs::write(&options.path, &original).unwrap();
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(open::beside(&options.path, end));
        }
        flip(&options.path, at as u64, (at % 8) as u8);
        match Store::open(&options) {
            Ok(store) => {
                let (whole, wrong, damaged) = rows(&store);
                assert_eq!(wrong, 0, "octet {at}");
                assert!(whole + damaged <= 400);
                damaged_rows += damaged;
            }
            Err(StoreError::Damaged { .. } | StoreError::Foreign { .. }) => {
                damaged_files += 1;
                if damaged_files % 3 != 0 {
                    continue;
                }
                let options = StoreOptions { salvage: true, now_s: 5, ..options.clone() };
                let Ok(store) = Store::open(&options) else { continue };
                let (whole, wrong, damaged) = rows(&store);
                assert_eq!((wrong, damaged), (0, 0), "octet {at}");
                let report = store.salvaged().unwrap().clone();
                assert!(report.moved_to.exists());
                let lost: u64 = report.lost.values().sum();
                assert!(whole == 400 || lost > 0, "octet {at}: {whole} {report:?}");
                assert!(whole > 300, "octet {at}: {whole} {report:?}");
                salvaged += 1;
            }
            Err(error) => panic!("octet {at}: {error:?}"),
        }
    }
    assert!(
        damaged_rows > 5 && damaged_files > 3 && salvaged > 0,
        "{damaged_rows} {damaged_files} {salvaged}"
    );
    drop(folder);
}

#[test]
fn a_page_of_rubbish_costs_its_rows_and_they_are_counted() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill(&mut store, 0..2000);
    flush(store);
    // Two pages of the table of tables, and many in the middle of the file.
    let mut file = OpenOptions::new().write(true).open(&options.path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in [60_u64, 61].into_iter().chain((130..pages).step_by(11)) {
        file.seek(SeekFrom::Start((page - 1) * 4096)).unwrap();
        file.write_all(&[0xA5; 4096]).unwrap();
    }
    drop(file);
    assert!(matches!(Store::open(&options), Err(StoreError::Damaged { .. })));
    let original = std::fs::read(&options.path).unwrap();
    let options = StoreOptions { salvage: true, now_s: 1_800_000_000, ..options };
    let mut store = Store::open(&options).unwrap();
    let report = store.salvaged().unwrap().clone();
    let name = report.moved_to.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, "hearth.db.damaged-1800000000");
    assert_eq!(std::fs::read(&report.moved_to).unwrap(), original);
    let (whole, wrong, damaged) = rows(&store);
    assert!(whole > 1000 && whole < 2000 && wrong == 0 && damaged == 0, "{whole} {report:?}");
    // Observations whose raw rows are whole will be there again after the next start.
    assert!(report.decode_again > 0 && report.decode_again + whole <= 2000, "{report:?}");
    let reader = store.reader().unwrap();
    let losses = counter::losses(&reader).unwrap();
    assert!(losses.iter().any(|l| l.reason.contains("rows of journal")), "{losses:?}");
    assert_eq!(journal::last(&reader).unwrap(), 2000);
    // Numbers go on after the last one given.
    fill(&mut store, 5000..5001);
    assert_eq!(journal::last(&store.reader().unwrap()).unwrap(), 2001);
    drop(reader);
    drop(store);
    Store::open(&StoreOptions { salvage: false, ..options }).unwrap();
}

#[test]
fn rubbish_instead_of_a_database_is_moved_aside_only_when_asked_to() {
    let (_folder, options) = folder();
    std::fs::write(&options.path, vec![0x5A; 20_000]).unwrap();
    assert!(matches!(Store::open(&options), Err(StoreError::Damaged { .. })));
    assert_eq!(std::fs::read(&options.path).unwrap().len(), 20_000);
    let store = Store::open(&StoreOptions { salvage: true, now_s: 9, ..options }).unwrap();
    let losses = counter::losses(&store.reader().unwrap()).unwrap();
    assert!(losses[0].reason.contains("nothing could be read"), "{losses:?}");
}

#[test]
fn a_damaged_mark_on_our_own_tables_is_damage_and_nobody_elses_file() {
    let older = (0..8).filter(|bit| open::SCHEMA >> bit & 1 == 1);
    let versions = older.map(|bit| ("schema version", 63, bit));
    for (mark, octet, bit) in std::iter::once(("application id", 68, 1)).chain(versions) {
        let (_folder, options) = folder();
        let mut store = Store::open(&options).unwrap();
        fill(&mut store, 0..5);
        flush(store);
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(open::beside(&options.path, end));
        }
        // The schema becomes an older one; `H` of the application id becomes another letter.
        flip(&options.path, octet, bit);
        let error = Store::open(&options).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{mark}: {error:?}");
        let options = StoreOptions { salvage: true, now_s: 3, ..options };
        assert_eq!(rows(&Store::open(&options).unwrap()), (5, 0, 0), "{mark}");
    }
}

#[test]
fn a_salvage_cut_off_between_its_renames_is_finished() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill(&mut store, 0..5);
    flush(store);
    // The new file is complete, the old one is already moved, its log is not.
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(open::beside(&options.path, end));
    }
    std::fs::rename(&options.path, open::beside(&options.path, ".salvage")).unwrap();
    std::fs::write(open::beside(&options.path, "-wal"), b"a log of the old file").unwrap();
    let store = Store::open(&options).unwrap();
    assert_eq!(rows(&store), (5, 0, 0));
}

#[test]
fn a_backup_is_taken_while_the_writer_goes_on_and_restores_to_the_same_rows() {
    let (folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill(&mut store, 0..50);
    let to = folder.path().join("backup");
    let manifest = backup::backup(&store.reader().unwrap(), &to).unwrap();
    assert_eq!(manifest.journal_seq, 50);
    fill(&mut store, 50..60);
    assert!(matches!(
        backup::backup(&store.reader().unwrap(), &to),
        Err(BackupError::Store(StoreError::Occupied { .. }))
    ));
    // Never over a running daemon's.
    assert!(matches!(
        backup::restore(&to, &options.path, 7),
        Err(BackupError::Store(StoreError::InUse { .. }))
    ));
    drop(store);
    let restored = backup::restore(&to, &options.path, 7).unwrap();
    assert_eq!(restored.manifest, manifest);
    let kept = restored.kept.unwrap();
    assert_eq!(rows(&Store::open(&options).unwrap()), (50, 0, 0));
    // What was there before is whole.
    assert_eq!(rows(&Store::open(&StoreOptions::at(kept)).unwrap()), (60, 0, 0));
    let elsewhere = folder.path().join("new").join("hearth.db");
    std::fs::create_dir(elsewhere.parent().unwrap()).unwrap();
    assert_eq!(backup::restore(&to, &elsewhere, 7).unwrap().kept, None);
}

#[test]
fn a_changed_backup_is_not_restored() {
    let (folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill(&mut store, 0..50);
    let to = folder.path().join("backup");
    backup::backup(&store.reader().unwrap(), &to).unwrap();
    drop(store);
    let before = std::fs::read(&options.path).unwrap();
    flip(&to.join(backup::DATABASE), 9000, 3);
    assert!(matches!(backup::restore(&to, &options.path, 7), Err(BackupError::Differs { .. })));
    assert_eq!(std::fs::read(&options.path).unwrap(), before);
    std::fs::write(to.join(backup::MANIFEST), b"{}").unwrap();
    assert!(matches!(backup::restore(&to, &options.path, 7), Err(BackupError::Manifest { .. })));
}

#[test]
fn a_crash_in_memory_keeps_what_was_committed_and_nothing_else() {
    let disk = MemoryDisk::new("store-crash").unwrap();
    let mut store = Store::open_shared_memory(disk.name()).unwrap();
    fill(&mut store, 0..3);
    let refused = store.transaction::<(), StoreError>(|tx| {
        journal::append_command(tx, Kind::Command, b"{}", &now(), RowOutcome::Done, None)?;
        Err(StoreError::Row { table: "journal", seq: 0 })
    });
    assert!(refused.is_err());
    drop(store);
    let store = Store::open_shared_memory(disk.name()).unwrap();
    assert_eq!(rows(&store), (3, 0, 0));
    assert_eq!(journal::last(&store.reader().unwrap()).unwrap(), 3);
}

#[test]
fn an_attempt_that_fails_leaves_the_rest_of_its_transaction() {
    let disk = MemoryDisk::new("store-attempt").unwrap();
    let mut store = Store::open_shared_memory(disk.name()).unwrap();
    store
        .transaction::<_, StoreError>(|tx| {
            counter::add(tx, "kept", 1)?;
            let inner = tx.attempt(|tx| {
                counter::add(tx, "undone", 1)?;
                Err::<(), StoreError>(StoreError::Row { table: "counter", seq: 0 })
            })?;
            assert!(inner.is_err());
            counter::add(tx, "after", 1)
        })
        .unwrap();
    let all = counter::all(&store.reader().unwrap()).unwrap();
    assert_eq!(all, [("after".to_owned(), 1), ("kept".to_owned(), 1)]);
}

#[test]
fn what_holds_readings_is_for_its_owner_alone_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hearth.db");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    // As an earlier version, or a copy by hand, left it.
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    drop(Store::open(&StoreOptions::at(&path)).unwrap());
    assert_eq!(mode(&path) & 0o777, 0o660);

    let path = folder.path().join("new.db");
    let store = Store::open(&StoreOptions::at(&path)).unwrap();
    for end in ["", "-wal", "-shm", ".lock"] {
        let mut name = path.clone().into_os_string();
        name.push(end);
        assert_eq!(mode(std::path::Path::new(&name)) & 0o777, 0o600, "{end}");
    }
    let to = folder.path().join("copy");
    super::backup::backup(&store.reader().unwrap(), &to).unwrap();
    assert_eq!(mode(&to) & 0o777, 0o700);
    assert_eq!(mode(&to.join("hearth.db")) & 0o777, 0o600);
}

/// Lets everything go that may, and says how many rows and observations left.
fn forget_all(store: &mut Store, before_s: i64) -> (u64, u64) {
    let (mut after, mut rows, mut observations) = (0, 0, 0);
    loop {
        let step = store.forget_old(UnixMillis::from_seconds(before_s), after).unwrap();
        rows += step.rows;
        observations += step.observations;
        after = step.through;
        if step.finished {
            return (rows, observations);
        }
    }
}

/// `fill`, owned by a patient.
fn fill_owned(store: &mut Store, numbers: std::ops::Range<u32>) {
    fill(store, numbers);
    store
        .transaction::<_, StoreError>(|tx| {
            tx.transaction.execute_batch(
                "update attribution set patient = 'p', checksum = null; delete from claim_tray;
                 insert into series select 'p', quantity, measured_ms, seq from observation;",
            )?;
            attribution::sum_missing(tx.connection())
        })
        .unwrap();
}

#[test]
fn old_readings_leave_in_steps_and_their_ids_stay() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill_owned(&mut store, 0..600);
    let received = now().wall.seconds();
    assert_eq!(forget_all(&mut store, received), (0, 0), "nothing is older");
    let step = store.forget_old(UnixMillis::from_seconds(received + 1), 0).unwrap();
    assert_eq!((step.rows, step.finished), (256, false), "a few at a time");
    assert_eq!(forget_all(&mut store, received + 1), (344, 344));
    let reader = store.reader().unwrap();
    let (_, findings) = audit::verify(&reader).unwrap();
    assert_eq!(findings, []);
    assert_eq!(listing::journal(&reader).unwrap().forgotten, 600);
    for n in [0, 599] {
        let id = observation(n, 0).id;
        assert_eq!(observation::find(&reader, &id).unwrap(), None);
        assert_eq!(journal::known(&reader, &id).unwrap(), Some(i64::from(n) + 1));
    }
    // Numbers are not given a second time.
    fill(&mut store, 600..601);
    assert_eq!(journal::last(&store.reader().unwrap()).unwrap(), 601);
}

#[test]
fn what_somebody_still_needs_stays_however_old_it_is() {
    let check = |what: &str, sql: &str| {
        let (_folder, options) = folder();
        let mut store = Store::open(&options).unwrap();
        fill_owned(&mut store, 0..3);
        store.transaction::<_, StoreError>(|tx| Ok(tx.transaction.execute_batch(sql)?)).unwrap();
        let gone = forget_all(&mut store, now().wall.seconds() + 1);
        assert_eq!(gone, (2, 2), "{what}");
        assert_eq!(rows(&store).0, 1, "{what}");
        let (_, findings) = audit::verify(&store.reader().unwrap()).unwrap();
        assert!(findings.iter().all(|f| f.kind != "foreign_key"), "{what}: {findings:?}");
    };
    let of = "(select id from observation where seq = 2)";
    check(
        "a message no consumer has confirmed",
        &format!(
            "insert into outbox (lane, seq, id, kind, body, created_ms, checksum)
             select 2, 1, {of}, 'observation', '{{}}', 0, 0"
        ),
    );
    check("a reading nobody has claimed", "insert into claim_tray values (2, 0)");
    check("a row nobody has judged", "update journal set outcome = 0 where seq = 2");
    check("a time nobody trusts", "update journal set clock_trusted = 0 where seq = 2");
    check(
        "an alert that is not over",
        "insert into alert (id, patient, rule, level, state, late, observation_seq, raised_ms,
                            changed_ms, history)
         values (x'01', 'p', 'G1', 'C', 'Active', 0, 2, 0, 0, '[]')",
    );
}

#[test]
fn what_an_open_plan_may_look_at_stays() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill_owned(&mut store, 0..3);
    let day = observation(0, 1).measured.seconds() / 86_400;
    let plan = |store: &mut Store, start: i64, state: &str| {
        let sql = format!(
            "insert or ignore into patient (id, monitoring, start_ms, limits) values ('p', 1, 0, '{{}}');
             insert or replace into plan (id, patient, programme, start_day, overrides, state)
             values ('plan', 'p', 'x', {start}, '{{}}', '{state}')"
        );
        store.transaction::<_, StoreError>(|tx| Ok(tx.transaction.execute_batch(&sql)?)).unwrap();
    };
    let before = now().wall.seconds() + 1;
    plan(&mut store, day + 100, "paused");
    assert_eq!(forget_all(&mut store, before), (0, 0));
    plan(&mut store, day + 200, "closed");
    assert_eq!(forget_all(&mut store, before), (3, 3));
}

#[test]
fn a_salvage_does_not_call_old_rows_lost() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    fill_owned(&mut store, 0..100);
    // One in the middle stays, so that there is a hole behind it.
    store
        .transaction::<_, StoreError>(|tx| {
            Ok(tx.transaction.execute_batch("insert into claim_tray values (50, 0)")?)
        })
        .unwrap();
    assert_eq!(forget_all(&mut store, now().wall.seconds() + 1), (99, 99));
    flush(store);
    let report = salvage::salvage(&options.path, 5).unwrap();
    assert_eq!(report.lost.get("journal"), None, "{report:?}");
    let store = Store::open(&options).unwrap();
    assert_eq!(listing::journal(&store.reader().unwrap()).unwrap().forgotten, 99);

    // What is really missing is still counted.
    store
        .connection_for_faults()
        .execute_batch("pragma foreign_keys = off; delete from journal")
        .unwrap();
    flush(store);
    let report = salvage::salvage(&options.path, 6).unwrap();
    assert_eq!(report.lost.get("journal"), Some(&1), "{report:?}");
}

#[test]
fn a_table_whose_first_page_is_lost_takes_no_other_table_with_it() {
    for lost in ["journal", "meta", "patient", "observation"] {
        let (_folder, options) = folder();
        let mut store = Store::open(&options).unwrap();
        fill(&mut store, 0..300);
        store.transaction::<_, StoreError>(|tx| counter::add(tx, "kept", 7)).unwrap();
        let page: i64 = store
            .connection_for_faults()
            .query_row("select rootpage from sqlite_schema where name = ?1", [lost], |r| r.get(0))
            .unwrap();
        flush(store);
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(open::beside(&options.path, end));
        }
        let mut file = OpenOptions::new().write(true).open(&options.path).unwrap();
        file.seek(SeekFrom::Start((page - 1).unsigned_abs() * 4096)).unwrap();
        file.write_all(&[0xff; 4096]).unwrap();
        drop(file);
        assert!(matches!(Store::open(&options), Err(StoreError::Damaged { .. })), "{lost}");

        let options = StoreOptions { salvage: true, now_s: 9, ..options };
        let store = Store::open(&options).unwrap();
        let report = store.salvaged().unwrap();
        let reader = store.reader().unwrap();
        assert_eq!(counter::get(&reader, "kept").unwrap(), 7, "{lost}: {report:?}");
        assert!(report.lost.values().sum::<u64>() > 0, "{lost}: {report:?}");
        if lost != "observation" {
            assert_eq!(rows(&store), (300, 0, 0), "{lost}: {report:?}");
        }
        assert_eq!(journal::last(&reader).unwrap(), 300, "{lost}: {report:?}");
    }
}

/// Three people, a meter of the first, a scale of two, and ten readings of the meter.
fn people(store: &mut Store) {
    let person = |id: &str| patient::Patient {
        id: id.to_owned(),
        zone: None,
        language: None,
        monitoring: true,
        prompts: None,
        quiet_min: None,
        start: now().wall,
        limits: serde_json::Map::new(),
        mutes: Vec::new(),
        daily_cap: 2,
        closed: None,
    };
    fill(store, 0..10);
    let done = store.transaction::<_, StoreError>(|tx| {
        for id in ["p1", "p2", "p3"] {
            patient::put(tx, &person(id))?;
        }
        for id in ["meter", "scale"] {
            device::put(tx, &device::Device::new(id, "weight_scale", now().wall))?;
        }
        let from = UnixMillis::from_seconds(1_700_000_000);
        device::assign(tx, "meter", None, "p1", from)?;
        device::assign(tx, "scale", Some(1), "p1", from)?;
        device::assign(tx, "scale", Some(2), "p2", from)?;
        device::assign(tx, "scale", Some(2), "p3", from.plus_seconds(60))?;
        for n in 0..10 {
            let seen = observation(n, i64::from(n) + 1);
            let decision = attribution::Decision {
                observation_seq: i64::from(n) + 1,
                quantity: seen.reading.quantity,
                measured: seen.measured,
                patient: Some("p1"),
                method: attribution::Method::Claimed,
                by: "c1",
                at: now().wall,
            };
            attribution::change(tx, &decision)?;
        }
        Ok(())
    });
    done.unwrap();
}

fn kinds_found(store: &Store) -> Vec<&'static str> {
    let (_, findings) = audit::verify(&store.reader().unwrap()).unwrap();
    findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_changed_bit_makes_a_device_or_a_reading_nobodys_never_somebody_elses() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    people(&mut store);
    assert_eq!(kinds_found(&store), [""; 0]);
    let damage = |store: &Store, sql: &str| {
        assert_eq!(store.connection_for_faults().execute(sql, []).unwrap(), 1, "{sql}");
    };
    // One bit each: another slot, another person, another time, the end gone.
    for change in ["slot = 3", "patient = 'p3'", "from_ms = from_ms + 1048576", "to_ms = 0"] {
        let sql = format!("update device_owner set {change} where device = 'scale' and slot = 1");
        let owners = |store: &Store| device::owners(&store.reader().unwrap(), "scale").unwrap();
        assert_eq!(owners(&store).len(), 3);
        damage(&store, &sql);
        assert_eq!(owners(&store), [], "{change}");
        assert_eq!(kinds_found(&store), ["checksum"], "{change}");
        // Whoever says anew whose it is settles it; the other people of the scale have theirs.
        let from = UnixMillis::from_seconds(1_700_000_000);
        let mended = store.transaction(|tx| device::assign(tx, "scale", Some(1), "p1", from));
        mended.unwrap();
        assert_eq!(owners(&store).len(), 3, "{change}");
        assert_eq!(kinds_found(&store), [""; 0], "{change}");
    }
    let reader = store.reader().unwrap();
    let (from, to) = (UnixMillis::from_seconds(0), UnixMillis::from_seconds(1 << 40));
    let series = || observation::series(&reader, "p1", Quantity::Glucose, from, to).unwrap();
    assert_eq!((series().0.len(), series().1.len()), (10, 0));
    damage(
        &store,
        "update attribution set patient = 'p3' where observation_seq = 4 and method = 3",
    );
    assert_eq!(attribution::owner(&reader, 4).unwrap(), (None, 2), "not p3, nor the one before");
    assert_eq!((series().0.len(), series().1), (9, vec![4]));
    damage(&store, "update series set patient = 'p3' where observation_seq = 5");
    let other = observation::series(&reader, "p3", Quantity::Glucose, from, to).unwrap();
    assert_eq!((other.0.len(), other.1), (0, vec![5]), "it is in nobody else's course");
    let found = kinds_found(&store);
    assert!(found.contains(&"checksum") && found.contains(&"series"), "{found:?}");
}

#[test]
fn a_file_of_the_schema_before_gets_the_checksums_of_its_owners() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    people(&mut store);
    store
        .connection_for_faults()
        .execute_batch(
            "drop index attribution_unsummed; alter table attribution drop column checksum;
             alter table device_owner drop column checksum; pragma user_version = 4;",
        )
        .unwrap();
    drop(store);
    let store = Store::open(&options).unwrap();
    assert_eq!(kinds_found(&store), [""; 0]);
    let reader = store.reader().unwrap();
    assert_eq!(device::owners(&reader, "scale").unwrap().len(), 3);
    assert_eq!(attribution::owner(&reader, 4).unwrap(), (Some("p1".to_owned()), 2));
}

#[test]
fn after_salvage_what_is_damaged_is_nobodys() {
    let (_folder, options) = folder();
    let mut store = Store::open(&options).unwrap();
    people(&mut store);
    store
        .connection_for_faults()
        .execute_batch(
            "update device_owner set patient = 'p3' where device = 'scale' and slot = 1;
             update attribution set patient = 'p3' where observation_seq = 4 and method = 3;",
        )
        .unwrap();
    flush(store);
    // Damage that keeps the file from opening: a page of the journal's tree.
    let mut octets = std::fs::read(&options.path).unwrap();
    octets[2 * 4096] ^= 0x40;
    std::fs::write(&options.path, octets).unwrap();
    let store = Store::open(&StoreOptions { salvage: true, now_s: 5, ..options }).unwrap();
    assert!(store.salvaged().is_some(), "the file was whole");
    let reader = store.reader().unwrap();
    assert_eq!(device::owners(&reader, "scale").unwrap(), []);
    assert_eq!(device::owners(&reader, "meter").unwrap().len(), 1);
    assert_eq!(attribution::owner(&reader, 4).unwrap().0, None);
    assert!(!kinds_found(&store).contains(&"checksum"));
}
