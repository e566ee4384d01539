//! Power cuts: the files as they could be found after one at any recorded moment.
//!
//! A `kill -9` proves nothing here, because the kernel still writes what the process had handed over. So the writes of a run
//! are recorded ([`Recorder`]), and for each moment the files are built up again: what was synced is there; of what
//! was written since, any subset can be there, and a write can be torn at a sector. Names are taken to be
//! journalled in order, as ext4, XFS and btrfs do: a deletion is durable once anything is synced after it.

mod recorder;

use std::collections::BTreeMap;
use std::path::Path;

pub use recorder::{Op, Recorder};

/// Octets that reach the medium together or not at all.
const SECTOR: usize = 512;

/// How the writes that were not synced fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// All of them reached the medium.
    All,
    /// None did.
    None,
    /// A random subset did, by this seed, and the last one of it is torn at a sector.
    Some(u64),
}

/// The files after a power cut, and what had been acknowledged by then.
#[derive(Clone, Debug)]
pub struct Aftermath {
    /// File name (without folder) to octets.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The highest number acknowledged before the cut; 0 if none.
    pub acknowledged: u64,
}

impl Aftermath {
    /// Writes the files into an empty folder.
    ///
    /// # Errors
    /// What the operating system answered.
    pub fn write_to(&self, folder: &Path) -> std::io::Result<()> {
        for (name, octets) in &self.files {
            std::fs::write(folder.join(name), octets)?;
        }
        Ok(())
    }
}

/// The files after a cut just before operation `at` of `log` (`at == log.len()`: after everything).
#[must_use]
pub fn aftermath(log: &[Op], at: usize, unsynced: Unsynced) -> Aftermath {
    let before = log.get(..at).unwrap_or(log);
    let mut durable_until: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names_until = 0;
    let mut acknowledged = 0;
    for (index, op) in before.iter().enumerate() {
        match op {
            Op::Sync(name) => {
                durable_until.insert(name, index);
                names_until = index;
            }
            Op::Acknowledged(number) => acknowledged = *number,
            Op::Write(..) | Op::Truncate(..) | Op::Delete(..) => {}
        }
    }
    let mut dice = match unsynced {
        Unsynced::Some(seed) => seed,
        Unsynced::All | Unsynced::None => 0,
    };
    let mut draw = move || {
        dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (index, op) in before.iter().enumerate() {
        let name = match op {
            Op::Write(name, ..) | Op::Truncate(name, _) | Op::Delete(name) => name.as_str(),
            Op::Sync(_) | Op::Acknowledged(_) => continue,
        };
        let durable = match op {
            Op::Delete(_) => index < names_until,
            _ => durable_until.get(name).is_some_and(|until| index < *until),
        };
        let (kept, torn) = match unsynced {
            _ if durable => (true, false),
            Unsynced::All => (true, false),
            Unsynced::None => (false, false),
            Unsynced::Some(_) => (draw() % 2 == 0, draw() % 4 == 0),
        };
        if !kept {
            continue;
        }
        match op {
            Op::Write(_, offset, octets) => {
                let whole = octets.len();
                let sectors = u64::try_from(whole.div_ceil(SECTOR)).unwrap_or(1);
                let length = if torn {
                    usize::try_from(draw() % sectors.max(1)).unwrap_or(0) * SECTOR
                } else {
                    whole
                };
                let file = files.entry(name.to_owned()).or_default();
                let start = usize::try_from(*offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(length.min(whole));
                if file.len() < end {
                    file.resize(end, 0);
                }
                if let (Some(place), Some(part)) =
                    (file.get_mut(start..end), octets.get(..end - start))
                {
                    place.copy_from_slice(part);
                }
            }
            Op::Truncate(_, size) => {
                let size = usize::try_from(*size).unwrap_or(usize::MAX);
                files.entry(name.to_owned()).or_default().resize(size, 0);
            }
            Op::Delete(_) => {
                files.remove(name);
            }
            Op::Sync(_) | Op::Acknowledged(_) => {}
        }
    }
    Aftermath { files, acknowledged }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;

    fn write(octet: u8, offset: u64) -> Op {
        Op::Write("a".into(), offset, vec![octet; 4])
    }

    #[test]
    fn what_was_synced_is_always_there() {
        let log = [write(1, 0), Op::Sync("a".into()), Op::Acknowledged(1), write(2, 4)];
        let none = aftermath(&log, 4, Unsynced::None);
        assert_eq!(none.files["a"], [1, 1, 1, 1]);
        assert_eq!(none.acknowledged, 1);
        let all = aftermath(&log, 4, Unsynced::All);
        assert_eq!(all.files["a"], [1, 1, 1, 1, 2, 2, 2, 2]);
        for seed in 0..50 {
            let some = aftermath(&log, 4, Unsynced::Some(seed));
            assert_eq!(some.files["a"][..4], [1, 1, 1, 1]);
        }
        assert!(aftermath(&log, 0, Unsynced::All).files.is_empty());
    }

    #[test]
    fn a_real_database_survives_every_cut_and_loses_nothing_acknowledged() {
        // The recorder itself is checked on plain SQLite: WAL and FULL keep what was committed, and
        // `synchronous=OFF` loses it, so a missing sync would be seen.
        let lost = |synchronous: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            let recorder = Recorder::install().expect("SQLite takes a VFS");
            let db = rusqlite::Connection::open(folder.path().join("t.db")).expect("opens");
            db.execute_batch(&format!(
                "pragma journal_mode=wal; pragma synchronous={synchronous};
                 pragma wal_autocheckpoint=8; create table t (n integer primary key, b blob)"
            ))
            .expect("creates");
            for n in 1..=40_u64 {
                db.execute("insert into t values (?1, zeroblob(900))", [n.cast_signed()])
                    .expect("inserts");
                recorder.acknowledged(n);
            }
            drop(db);
            let log = recorder.finish();
            let mut lost = 0;
            for at in (0..log.len()).step_by(3) {
                for unsynced in [Unsynced::None, Unsynced::All, Unsynced::Some(at as u64)] {
                    let after = aftermath(&log, at, unsynced);
                    let folder = tempfile::tempdir().expect("a folder");
                    after.write_to(folder.path()).expect("writes");
                    let db = rusqlite::Connection::open(folder.path().join("t.db")).expect("opens");
                    let held: Option<i64> = db
                        .query_row(
                            "select count(*) from t where n <= ?1",
                            [after.acknowledged.cast_signed()],
                            |row| row.get(0),
                        )
                        .ok();
                    if after.acknowledged > 0 && held != Some(after.acknowledged.cast_signed()) {
                        lost += 1;
                    }
                }
            }
            lost
        };
        assert_eq!(lost("full"), 0, "WAL with FULL keeps every commit");
        assert!(
            lost("off") > 0,
            "without syncs the cut must be seen, else this test proves nothing"
        );
    }
}
