//! A consistent copy of the database while it is in use, and the way back.
//!
//! A backup is a folder with the copy (`hearth.db`) and a manifest (`manifest.json`: schema, size,
//! CRC-32 of the whole file, last number of the journal). Restoring goes to a place where no
//! database is; one that is there is kept beside it, and a running daemon's is refused.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::open::{self, Place, SCHEMA, beside, prepare, take_lock};
use super::{Queries, Reader, StoreError, salvage};

/// Name of the copy within the folder.
pub const DATABASE: &str = "hearth.db";
/// Name of the manifest within the folder.
pub const MANIFEST: &str = "manifest.json";

/// Pages copied without letting anybody else in between; a page has 4 KB.
const PAGES: i32 = 256;

/// A writer may hold the database this long; then the backup fails.
const TRIES_MAX: u32 = 600;
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Schema version of the copy.
    pub schema: i64,
    /// Size in octets.
    pub octets: u64,
    /// CRC-32 of the whole file.
    pub crc32: u32,
    /// Last number of the journal in it.
    pub journal_seq: i64,
}

/// Why a backup or a restore did not happen.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The manifest cannot be read.
    #[error("{} is no manifest of a backup: {source}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The copy is not what the manifest says.
    #[error("{} is not the file its manifest describes ({what}): nothing was restored", path.display())]
    Differs {
        /// The copy.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The writer never paused.
    #[error("the database was busy for too long; try again")]
    Busy,
}

/// Copies the database into `folder`, which is made and must not hold a backup yet. Readers and the
/// writer go on meanwhile.
///
/// # Errors
/// [`StoreError::Occupied`] where a backup is there already, or what the disk answered.
pub fn backup(from: &Reader, folder: &Path) -> Result<Manifest, BackupError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    if !folder.is_dir() {
        use std::os::unix::fs::DirBuilderExt;
        let mut made = std::fs::DirBuilder::new();
        made.recursive(true).mode(0o700).create(folder).map_err(io(folder))?;
    }
    let (copy, manifest_file) = (folder.join(DATABASE), folder.join(MANIFEST));
    for path in [&copy, &manifest_file] {
        if path.exists() {
            return Err(StoreError::Occupied { path: path.clone() }.into());
        }
    }
    let unfinished = beside(&copy, ".unfinished");
    let _ = std::fs::remove_file(&unfinished);
    open::make_private(&unfinished)?;
    copy_pages(from.connection(), &unfinished)?;
    let found = check(&unfinished)?;
    salvage::rename(&unfinished, &copy)?;
    let text = serde_json::to_vec_pretty(&found).map_err(StoreError::Message)?;
    let temporary = beside(&manifest_file, ".unfinished");
    std::fs::write(&temporary, text).map_err(io(&temporary))?;
    File::open(&temporary).and_then(|f| f.sync_all()).map_err(io(&temporary))?;
    salvage::rename(&temporary, &manifest_file)?;
    Ok(found)
}

fn copy_pages(from: &Connection, to: &Path) -> Result<(), BackupError> {
    let mut target = Connection::open(to).map_err(StoreError::from)?;
    target.pragma_update(None, "synchronous", "full").map_err(StoreError::from)?;
    {
        let job = Backup::new(from, &mut target).map_err(StoreError::from)?;
        let mut tries = 0;
        loop {
            match job.step(PAGES).map_err(StoreError::from)? {
                StepResult::Done => break,
                StepResult::More => {}
                _ => {
                    tries += 1;
                    if tries > TRIES_MAX {
                        return Err(BackupError::Busy);
                    }
                    std::thread::sleep(TRY_AGAIN);
                }
            }
        }
    }
    // One file without a log, so that it can be copied anywhere.
    target.pragma_update(None, "journal_mode", "delete").map_err(StoreError::from)?;
    File::open(to)
        .and_then(|f| f.sync_all())
        .map_err(|source| BackupError::Io { path: to.to_owned(), source })
}

/// Checks the copy itself and describes it.
fn check(copy: &Path) -> Result<Manifest, BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags).map_err(StoreError::from)?;
    let findings = open::findings(&connection, "pragma integrity_check")?;
    if !findings.is_empty() {
        return Err(StoreError::Damaged { path: copy.to_owned(), findings }.into());
    }
    let number = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(StoreError::from)
    };
    let schema = number("pragma user_version")?;
    let journal_seq = number("select coalesce(max(seq), 0) from journal")?;
    drop(connection);
    let (octets, crc32) = sum(copy)?;
    Ok(Manifest { schema, octets, crc32, journal_seq })
}

fn sum(path: &Path) -> Result<(u64, u32), BackupError> {
    let io = |source| BackupError::Io { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let (mut hasher, mut octets, mut buffer) = (crc32fast::Hasher::new(), 0, vec![0; 64 * 1024]);
    loop {
        let n = reader.read(&mut buffer).map_err(io)?;
        if n == 0 {
            return Ok((octets, hasher.finalize()));
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
        octets += n as u64;
    }
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The backup.
    pub manifest: Manifest,
    /// Where the database that was there before is now.
    pub kept: Option<PathBuf>,
}

/// Puts the backup in `folder` at `to`. A database that is there is kept as
/// `<to>.before-restore-<time>`; `now_s` names it.
///
/// # Errors
/// [`StoreError::InUse`] while a daemon runs on `to`; [`BackupError::Differs`] where the copy is
/// not what its manifest says; [`StoreError::Newer`] where it is of a newer version. Then nothing
/// has changed.
pub fn restore(folder: &Path, to: &Path, now_s: i64) -> Result<Restored, BackupError> {
    let copy = folder.join(DATABASE);
    let manifest = read_manifest(folder)?;
    let _lock = take_lock(to)?;
    let (octets, crc32) = sum(&copy)?;
    let differs = |what| BackupError::Differs { path: copy.clone(), what };
    if octets != manifest.octets {
        return Err(differs("another size"));
    }
    if crc32 != manifest.crc32 {
        return Err(differs("another checksum"));
    }
    if manifest.schema > SCHEMA {
        let (found, known) = (manifest.schema, SCHEMA);
        return Err(StoreError::Newer { path: copy, found, known }.into());
    }
    let fresh = beside(to, ".restore");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(&fresh, end));
    }
    std::fs::copy(&copy, &fresh)
        .map_err(|source| BackupError::Io { path: fresh.clone(), source })?;
    // Opens it as the daemon would: settings, schema, check.
    let connection = prepare(&Place::File(fresh.clone()))?;
    connection
        .query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))
        .map_err(StoreError::from)?;
    drop(connection);
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(&fresh, end));
    }
    let kept = to.exists().then(|| beside(to, &format!(".before-restore-{now_s}")));
    if let Some(kept) = &kept {
        if kept.exists() {
            return Err(StoreError::Occupied { path: kept.clone() }.into());
        }
        salvage::move_aside(to, kept)?;
    }
    salvage::rename(&fresh, to)?;
    Ok(Restored { manifest, kept })
}

/// The manifest of a backup.
///
/// # Errors
/// Why it cannot be read.
pub fn read_manifest(folder: &Path) -> Result<Manifest, BackupError> {
    let path = folder.join(MANIFEST);
    let text =
        std::fs::read(&path).map_err(|source| BackupError::Io { path: path.clone(), source })?;
    serde_json::from_slice(&text).map_err(|source| BackupError::Manifest { path, source })
}
