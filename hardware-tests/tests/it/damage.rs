//! Bits that flip in the file, and files that are not ours to open.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use hearth_gateway::path::Path;
use hearth_gateway::store::outbox_page::Fetch;
use hearth_gateway::store::{
    Reader, Store, StoreError, StoreOptions, audit, device, journal, outbox,
};
use hearth_gateway::uplink::message::Lane;
use hearth_hardware_tests::simulator::dice::Dice;
use hearth_hardware_tests::simulator::gateway::{START_MS, household, settings};
use hearth_hardware_tests::simulator::home;
use hearth_shared::time::UnixMillis;

use hearth_gateway::clock::{BootId, Now};

fn at(ms: u64) -> Now {
    let wall = UnixMillis::from_millis(START_MS + i64::try_from(ms).unwrap());
    Now { wall, monotonic_ms: ms, boot: BootId([1; 16]), trusted: true }
}

/// A file with some two hundred readings, everything in the main file.
pub(crate) fn fill(place: &FilePath, deliveries: usize) {
    let mut store = Store::open(&StoreOptions::at(place)).unwrap();
    store.transaction(household).unwrap();
    let mut path = Path::open(store, settings()).unwrap();
    let mut dice = Dice::new(5);
    let mut devices = home::devices();
    let mut now_ms = 0;
    for round in 0..deliveries {
        let index = round % devices.len();
        for _ in 0..8 {
            now_ms += 300_000;
            devices[index].measure(at(now_ms).wall.millis(), &mut dice);
        }
        let visit = devices[index].visit(index, at(now_ms).wall.millis(), &mut dice);
        let part = 0..visit.places.len();
        path.take(&devices[index].arrivals(&visit, part.clone(), at(now_ms))).unwrap();
        devices[index].confirm(&visit, part);
        devices[index].forget();
        path.tick(at(now_ms)).unwrap();
    }
    drop(path);
    let plain = rusqlite::Connection::open(place).unwrap();
    plain.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
}

/// What the program's own reading functions say, by place: a value, or that it is damaged.
type Told = BTreeMap<String, Option<String>>;

fn told(reader: &Reader) -> Result<Told, StoreError> {
    let mut told = Told::new();
    let mut rows = Vec::new();
    journal::scan::<StoreError>(reader, 0, |row| {
        match row {
            Ok(stored) => {
                rows.push(stored.seq);
                let arrival = format!("{:?} {:?}", stored.arrival, stored.octets);
                told.insert(format!("journal {}", stored.seq), Some(arrival));
            }
            Err(StoreError::Row { seq, .. }) => {
                told.insert(format!("journal {seq}"), None);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    for row in rows {
        for exported in audit::observations_of(reader, row)? {
            match exported.stored {
                Ok(stored) => {
                    // Nobody's is what a damaged decision becomes; somebody else's never.
                    told.insert(format!("owner {}", stored.seq), exported.patient);
                    let value = format!("{:?}", stored.observation);
                    told.insert(format!("observation {}", stored.seq), Some(value));
                }
                Err(seq) => drop(told.insert(format!("observation {seq}"), None)),
            }
        }
    }
    for entry in device::all(reader)? {
        let owners = device::owners(reader, &entry.id)?;
        let value = (!owners.is_empty()).then(|| format!("{owners:?}"));
        told.insert(format!("owners of {}", entry.id), value);
    }
    for lane in Lane::ALL {
        let all = Fetch { lane, after: 0, limit: 100_000, replay_to: Some(u64::MAX >> 1) };
        for row in outbox::page(reader, &all)?.rows {
            let value =
                (!row.damaged).then(|| format!("{} {:?} {}", row.id, row.patient, row.body));
            told.insert(format!("{lane:?} {}", row.seq), value);
        }
    }
    Ok(told)
}

/// What became of a copy with one flipped bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It does not open: the damage is named.
    Refused,
    /// It opens, and reading or `hearth journal verify` says what is damaged.
    Reported,
    /// Every value is as it was.
    Unchanged,
}

fn fate(place: &FilePath, before: &Told) -> Result<Fate, String> {
    let store = match Store::open(&StoreOptions::at(place)) {
        Ok(store) => store,
        Err(_) => return Ok(Fate::Refused),
    };
    let Ok(reader) = store.reader() else { return Ok(Fate::Refused) };
    let now = told(&reader);
    let sound = matches!(audit::verify(&reader), Ok((_, findings)) if findings.is_empty());
    let Ok(now) = now else { return Ok(Fate::Reported) };
    let mut damaged = !sound;
    for (name, value) in before {
        match now.get(name) {
            Some(same) if same == value => {}
            Some(None) => damaged = true,
            Some(other) => {
                return Err(format!("{name} changed from {value:?} to {other:?}"));
            }
            None if damaged => {}
            None => return Err(format!("{name} is gone without a word")),
        }
    }
    if let Some(new) =
        now.iter().find(|(name, value)| value.is_some() && !before.contains_key(*name))
        && sound
    {
        return Err(format!("{new:?} appeared"));
    }
    Ok(if damaged { Fate::Reported } else { Fate::Unchanged })
}

#[test]
fn a_flipped_bit_never_becomes_a_changed_value() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let whole = folder.path().join("whole.db");
    fill(&whole, 30);
    let before = {
        let store = Store::open(&StoreOptions::at(&whole)).unwrap();
        let reader = store.reader().unwrap();
        assert!(audit::verify(&reader).unwrap().1.is_empty(), "the whole file is sound");
        told(&reader).unwrap()
    };
    let readings = before.keys().filter(|name| name.starts_with("observation")).count();
    assert!(readings >= 150, "{readings}");
    let octets = std::fs::read(&whole).unwrap();
    let flips = if std::env::var_os("HEARTH_SLOW").is_some() { 5_000 } else { 400 };
    let mut dice = Dice::new(77);
    let mut fates: BTreeMap<Fate, u32> = BTreeMap::new();
    let copy = folder.path().join("copy.db");
    for _ in 0..flips {
        let (byte, bit) = (dice.place(octets.len()), dice.between(0, 7));
        let mut flipped = octets.clone();
        flipped[byte] ^= 1 << bit;
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("copy.db{suffix}")));
        }
        std::fs::write(&copy, flipped).unwrap();
        match fate(&copy, &before) {
            Ok(fate) => *fates.entry(fate).or_default() += 1,
            Err(what) => panic!("bit {bit} of octet {byte}: {what}"),
        }
    }
    println!("{flips} flipped bits in {} octets, {readings} readings: {fates:?}", octets.len());
    assert!(fates.get(&Fate::Reported).copied().unwrap_or(0) > 20, "{fates:?}");
}

#[test]
fn a_flipped_bit_in_the_log_never_becomes_a_changed_value() {
    // The frames of the log carry checksums of their own: from a damaged one on nothing is read.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let whole = folder.path().join("whole.db");
    fill(&whole, 6);
    {
        let store = Store::open(&StoreOptions::at(&whole)).unwrap();
        let mut path = Path::open(store, settings()).unwrap();
        let mut device = home::devices().remove(0);
        let mut dice = Dice::new(6);
        for nth in 0..20 {
            let now = at(90_000_000 + nth * 300_000);
            device.measure(now.wall.millis(), &mut dice);
            let visit = device.visit(0, now.wall.millis(), &mut dice);
            let part = 0..visit.places.len();
            path.take(&device.arrivals(&visit, part.clone(), now)).unwrap();
            device.confirm(&visit, part);
        }
    }
    let octets = std::fs::read(folder.path().join("whole.db-wal")).unwrap();
    assert!(octets.len() > 40_000, "{}", octets.len());
    let main = std::fs::read(&whole).unwrap();
    let before = {
        let store = Store::open(&StoreOptions::at(&whole)).unwrap();
        told(&store.reader().unwrap()).unwrap()
    };
    let mut dice = Dice::new(78);
    let copy = folder.path().join("copy.db");
    for _ in 0..60 {
        let (byte, bit) = (dice.place(octets.len()), dice.between(0, 7));
        let mut flipped = octets.clone();
        flipped[byte] ^= 1 << bit;
        let _ = std::fs::remove_file(folder.path().join("copy.db-shm"));
        std::fs::write(&copy, &main).unwrap();
        std::fs::write(folder.path().join("copy.db-wal"), flipped).unwrap();
        let Ok(store) = Store::open(&StoreOptions::at(&copy)) else { continue };
        for (name, value) in told(&store.reader().unwrap()).unwrap() {
            if value.is_some() {
                assert_eq!(before.get(&name), Some(&value), "bit {bit} of octet {byte}: {name}");
            }
        }
    }
}

#[test]
fn files_that_are_not_ours_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gw.db");
    fill(&place, 2);
    let open = |name: &str| Store::open(&StoreOptions::at(folder.path().join(name)));
    let first = open("gw.db").unwrap();
    assert!(matches!(open("gw.db"), Err(StoreError::InUse { .. })), "a second one on one file");
    drop(first);
    assert!(open("gw.db").is_ok(), "the lock goes with its owner");

    std::fs::copy(&place, folder.path().join("newer.db")).unwrap();
    let newer = rusqlite::Connection::open(folder.path().join("newer.db")).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    drop(newer);
    let refused = open("newer.db");
    assert!(matches!(refused, Err(StoreError::Newer { found: 999, .. })), "{refused:?}");

    let foreign = rusqlite::Connection::open(folder.path().join("foreign.db")).unwrap();
    foreign.execute_batch("create table t (n)").unwrap();
    drop(foreign);
    assert!(matches!(open("foreign.db"), Err(StoreError::Foreign { .. })));

    std::fs::write(folder.path().join("text.db"), "these are no readings ".repeat(500)).unwrap();
    let refused = open("text.db");
    assert!(refused.is_err());
    assert!(folder.path().join("text.db").metadata().unwrap().len() > 10_000, "it is left alone");

    let cut = std::fs::read(&place).unwrap();
    std::fs::write(folder.path().join("cut.db"), &cut[..cut.len() / 2]).unwrap();
    assert!(matches!(open("cut.db"), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_damaged_file_is_moved_aside_and_its_whole_rows_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gw.db");
    fill(&place, 20);
    let before = {
        let store = Store::open(&StoreOptions::at(&place)).unwrap();
        told(&store.reader().unwrap()).unwrap()
    };
    let mut octets = std::fs::read(&place).unwrap();
    // A page of the middle is overwritten.
    let at = octets.len() / 4096 / 2 * 4096;
    octets[at..at + 4096].fill(0x5a);
    std::fs::write(&place, octets).unwrap();
    assert!(matches!(Store::open(&StoreOptions::at(&place)), Err(StoreError::Damaged { .. })));
    let options = StoreOptions { salvage: true, now_s: 1_772_442_000, ..StoreOptions::at(&place) };
    let store = Store::open(&options).unwrap();
    let after = told(&store.reader().unwrap()).unwrap();
    let kept = before.iter().filter(|(name, v)| after.get(*name) == Some(v)).count();
    assert!(kept * 10 > before.len() * 6, "{kept} of {} were kept", before.len());
    for (name, value) in &after {
        if name.starts_with("observation") || name.starts_with("journal") {
            assert!(before.get(name) == Some(value) || value.is_none(), "{name} changed");
        }
    }
    let aside = std::fs::read_dir(folder.path()).unwrap();
    let aside = aside.filter(|f| {
        f.as_ref().is_ok_and(|f| f.file_name().to_string_lossy().contains(".damaged-"))
    });
    assert!(aside.count() >= 1, "the damaged file is kept for people");
}
