//! Power cuts at every write of the real path on a real file. A binary of its own: the recorder is the default
//! VFS of the whole process while it runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hearth_gateway::clock::{BootId, Now};
use hearth_gateway::intake::Outcome;
use hearth_gateway::path::Path;
use hearth_gateway::store::{Queries, Reader, Store, StoreOptions, Tx, audit, observation};
use hearth_hardware_tests::power_cut::{Aftermath, Op, Recorder, Unsynced, aftermath};
use hearth_hardware_tests::simulator::dice::Dice;
use hearth_hardware_tests::simulator::gateway::{START_MS, household, settings};
use hearth_hardware_tests::simulator::home;
use hearth_shared::time::UnixMillis;
use rusqlite::types::ValueRef;

/// The recorder and its log belong to the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Crash states of the long log at least; `HEARTH_SLOW=1` visits every boundary in each of three ways.
const STATES_MIN: usize = 2_200;

/// Everything a commit must bring along whole.
const TABLES: [&str; 15] = [
    "journal",
    "observation",
    "attribution",
    "series",
    "claim_tray",
    "alert",
    "alert_state",
    "prompt",
    "task",
    "need",
    "outbox",
    "lane",
    "counter",
    "duplicate",
    "device",
];

/// A folder in memory where there is one: thousands of states are written and read once.
fn folder() -> tempfile::TempDir {
    let memory = FilePath::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

fn at(ms: u64) -> Now {
    let wall = UnixMillis::from_millis(START_MS + i64::try_from(ms).unwrap());
    Now { wall, monotonic_ms: 1_000_000 + ms, boot: BootId([1; 16]), trusted: true }
}

/// One number for the content of all tables.
fn fingerprint(reader: &Reader) -> u64 {
    let mut sum = DefaultHasher::new();
    for table in TABLES {
        let mut statement = reader.connection().prepare(&format!("select * from {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            table.hash(&mut sum);
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    ValueRef::Null => sum.write_u8(0),
                    ValueRef::Integer(n) => n.hash(&mut sum),
                    ValueRef::Real(r) => r.to_bits().hash(&mut sum),
                    ValueRef::Text(octets) | ValueRef::Blob(octets) => octets.hash(&mut sum),
                }
            }
        }
    }
    sum.finish()
}

/// What a run left behind.
struct Recorded {
    log: Vec<Op>,
    /// Fingerprint after a commit, and how many commits that were.
    commits: BTreeMap<u64, u64>,
    /// Id, value and device of every reading, with the commit that brought it.
    readings: Vec<(uuid::Uuid, Option<i64>, String, u64)>,
    alerts: i64,
}

/// Thirty-six deliveries and the rules' ticks between them, with a checkpoint every 48 pages.
fn record(seed: u64) -> Recorded {
    let folder = folder();
    let recorder = Recorder::install().unwrap();
    let mut store = Store::open(&StoreOptions::at(folder.path().join("gw.db"))).unwrap();
    store.transaction(household).unwrap();
    store
        .transaction(|tx| {
            tx.connection().pragma_update(None, "wal_autocheckpoint", 48).map_err(Into::into)
        })
        .map_err(|error: hearth_gateway::store::StoreError| error)
        .unwrap();
    let reader = store.reader().unwrap();
    let mut path = Path::open(store, settings()).unwrap();
    let mut dice = Dice::new(seed);
    let mut devices = home::devices();
    let mut commits = BTreeMap::from([(fingerprint(&reader), 1)]);
    let (mut readings, mut count, mut now_ms) = (Vec::new(), 1, 0);
    recorder.acknowledged(count);
    for round in 0..36_usize {
        now_ms += dice.between(30_000, 2_400_000);
        let index = round % devices.len();
        let device = &mut devices[index];
        for _ in 0..dice.between(4, 14) {
            now_ms += 61_000;
            device.measure(at(now_ms).wall.millis(), &mut dice);
        }
        let visit = device.visit(index, at(now_ms).wall.millis(), &mut dice);
        let part = 0..visit.places.len();
        let outcomes = path.take(&device.arrivals(&visit, part.clone(), at(now_ms))).unwrap();
        count += 1;
        commits.insert(fingerprint(&reader), count);
        recorder.acknowledged(count);
        device.confirm(&visit, part);
        device.forget();
        for outcome in outcomes {
            let Outcome::Observed { ids, .. } = outcome else { continue };
            for id in ids {
                let v1 = reader.connection().query_row(
                    "select v1 from observation where id = ?1",
                    [id.as_bytes().as_slice()],
                    |row| row.get(0),
                );
                readings.push((id, v1.unwrap(), device.id.to_owned(), count));
            }
        }
        if round % 3 == 0 {
            now_ms += 901_000;
            path.tick(at(now_ms)).unwrap();
            count += 1;
            commits.insert(fingerprint(&reader), count);
            recorder.acknowledged(count);
        }
    }
    let alerts = reader.connection().query_row("select count(*) from alert", [], |r| r.get(0));
    Recorded { log: recorder.finish(), commits, readings, alerts: alerts.unwrap() }
}

/// Opens what is left after a cut and checks all of it. Returns the number of commits found.
fn examine(recorded: &Recorded, after: &Aftermath, folder: &FilePath) -> Result<u64, String> {
    after.write_to(folder).unwrap();
    let place = folder.join("gw.db");
    let store =
        Store::open(&StoreOptions::at(&place)).map_err(|e| format!("does not open: {e}"))?;
    let path = Path::open(store, settings()).map_err(|e| format!("the path does not open: {e}"))?;
    let mut store = path.into_store();
    let reader = store.reader().map_err(|e| e.to_string())?;
    if after.acknowledged == 0 {
        // Cut while the file was made: nobody was told anything, and it can be used.
        let patients = reader
            .connection()
            .query_row("select count(*) from patient", [], |row| row.get::<_, i64>(0));
        if patients.map_err(|e| e.to_string())? == 0 {
            store.transaction(household).map_err(|e| format!("cannot be used: {e}"))?;
        }
        return Ok(0);
    }
    let found = recorded
        .commits
        .get(&fingerprint(&reader))
        .copied()
        .ok_or("the content is not that of any commit: something is there by half")?;
    if found < after.acknowledged {
        return Err(format!("{} commits were acknowledged, {found} are there", after.acknowledged));
    }
    store
        .transaction(|tx| Ok::<_, hearth_gateway::store::StoreError>(whole(recorded, tx, found)))
        .map_err(|e| e.to_string())??;
    Ok(found)
}

/// Every reading of these commits is there with its value, its message and sound checksums.
fn whole(recorded: &Recorded, tx: &Tx<'_>, commits: u64) -> Result<(), String> {
    // As `hearth journal verify` does.
    let (_, findings) = audit::verify(tx).map_err(|e| e.to_string())?;
    if let Some(finding) = findings.first() {
        return Err(format!("the journal is not whole: {}", finding.sentence));
    }
    let mut find = tx
        .connection()
        .prepare_cached(
            "select o.seq, o.v1, o.device,
                    exists (select 1 from outbox b where b.lane = 2 and b.id = o.id)
             from observation o where o.id = ?1",
        )
        .map_err(|e| e.to_string())?;
    for (id, v1, device, _) in recorded.readings.iter().filter(|(.., commit)| *commit <= commits) {
        let row = find.query_row([id.as_bytes().as_slice()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?))
        });
        let (seq, value, of, told): (_, Option<i64>, _, bool) =
            row.map_err(|e| format!("reading {id} of {device}: {e}"))?;
        if (value, &of) != (*v1, device) {
            return Err(format!("reading {id} changed from {v1:?} to {value:?}"));
        }
        if !told {
            return Err(format!("reading {id} has no message"));
        }
        observation::get(tx, seq).map_err(|e| format!("reading {id}: {e}"))?;
    }
    Ok(())
}

/// Examines states on two threads; returns how many.
fn examine_all(recorded: &Recorded, states: &[(usize, Unsynced)]) -> usize {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((cut, unsynced)) = states.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let after = aftermath(&recorded.log, *cut, *unsynced);
                    let folder = folder();
                    if let Err(what) = examine(recorded, &after, folder.path()) {
                        let op = recorded.log.get(*cut).map(short);
                        failures.lock().unwrap().push(format!(
                            "cut before operation {cut} ({op:?}), {unsynced:?}: {what}"
                        ));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let shown = failures.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {} states:\n{shown}", failures.len(), states.len());
    states.len()
}

fn short(op: &Op) -> String {
    match op {
        Op::Write(name, offset, octets) => format!("write {name} {offset}+{}", octets.len()),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_power_cut_at_any_write_loses_nothing_that_was_acknowledged() {
    let _alone = ALONE.lock().unwrap();
    let recorded = record(11);
    assert!(recorded.readings.len() >= 250, "{} readings", recorded.readings.len());
    assert!(recorded.alerts >= 5, "{} alerts", recorded.alerts);
    let checkpoints =
        recorded.log.iter().filter(|op| matches!(op, Op::Sync(name) if name == "gw.db")).count();
    assert!(checkpoints >= 2, "{checkpoints} checkpoints");
    // The first commit that was acknowledged ends the making of the file, which has its own test.
    let made = recorded.log.iter().position(|op| matches!(op, Op::Acknowledged(1))).unwrap();
    let cuts: Vec<usize> = (made + 1..=recorded.log.len()).collect();
    let slow = std::env::var_os("HEARTH_SLOW").is_some();
    let (step, ways) = if slow { (1, 5) } else { (cuts.len().div_ceil(STATES_MIN).max(1), 3) };
    let mut states = Vec::new();
    let each = if slow { ways } else { STATES_MIN.div_ceil(cuts.len() / step).min(ways) };
    for (nth, cut) in cuts.into_iter().step_by(step).enumerate() {
        let seed = cut as u64;
        let all = [
            Unsynced::Some(seed),
            Unsynced::None,
            Unsynced::All,
            Unsynced::Some(seed ^ 0xffff),
            Unsynced::Some(seed ^ 0xabcd_0000),
        ];
        states.extend((0..each).map(|way| (cut, all[(nth + way) % ways])));
    }
    let examined = examine_all(&recorded, &states);
    println!(
        "{examined} crash states of {} operations ({checkpoints} checkpoints), {} readings, {} alerts",
        recorded.log.len(),
        recorded.readings.len(),
        recorded.alerts
    );
    assert!(examined >= 2_000, "{examined} states");
}

#[test]
fn a_power_cut_while_the_file_is_made_leaves_one_that_can_be_used() {
    let _alone = ALONE.lock().unwrap();
    let place: PathBuf;
    let recorder = Recorder::install().unwrap();
    {
        let folder = folder();
        place = folder.path().join("gw.db");
        let mut store = Store::open(&StoreOptions::at(&place)).unwrap();
        store.transaction(household).unwrap();
    }
    let log = recorder.finish();
    let recorded = Recorded { log, commits: BTreeMap::new(), readings: Vec::new(), alerts: 0 };
    let mut states = Vec::new();
    for cut in 0..=recorded.log.len() {
        let seed = cut as u64;
        let all =
            [Unsynced::None, Unsynced::All, Unsynced::Some(seed), Unsynced::Some(seed ^ 0xffff)];
        states.extend(all.map(|unsynced| (cut, unsynced)));
    }
    let examined = examine_all(&recorded, &states);
    println!("{examined} crash states of {} operations", recorded.log.len());
}

#[test]
fn a_commit_that_was_not_synced_would_be_seen() {
    // The check itself is checked: the log without its syncs loses what was acknowledged.
    let _alone = ALONE.lock().unwrap();
    let mut recorded = record(12);
    recorded.log.retain(|op| !matches!(op, Op::Sync(name) if name.ends_with("-wal")));
    let seen = (0..40).any(|nth| {
        let cut = recorded.log.len() * (nth + 1) / 41;
        let after = aftermath(&recorded.log, cut, Unsynced::None);
        examine(&recorded, &after, folder().path()).is_err()
    });
    assert!(seen);
}
