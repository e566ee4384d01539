//! The one SQLite file: one writer, some readers. The only room that names rusqlite.
//!
//! Invariants: WAL, `synchronous=FULL`, foreign keys and STRICT tables are asserted at every start
//! (`open.rs`); what a caller was told is committed is on the disk; a row whose checksum does not
//! fit its columns never leaves the process as a value. Nothing here reads the clock.

use std::cell::Cell;
use std::path::PathBuf;

use rusqlite::{Connection, ErrorCode, ffi};

pub mod alert;
pub mod attribution;
pub mod audit;
pub mod backup;
mod checksum;
pub mod command;
pub mod counter;
pub mod device;
pub mod journal;
pub mod listing;
pub mod meal;
pub mod need;
pub mod observation;
pub mod open;
pub mod outbox;
pub mod outbox_page;
pub mod patient;
pub mod plan;
pub mod probe;
pub mod prompt;
pub mod radio;
pub mod retention;
mod salvage;
pub mod task;
pub mod verdict;
pub mod watermark;

pub use open::{MemoryDisk, StoreOptions};
pub use salvage::SalvageReport;

/// What went wrong in the store; a variant per thing a caller does differently.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite refused.
    #[error("the database answered: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// A message could not be written as JSON: a bug.
    #[error("a message could not be written as JSON: {0}")]
    Message(serde_json::Error),
    /// The disk is full or took nothing: nothing of this transaction is held, nothing may be
    /// acknowledged; try again later.
    #[error(
        "the disk took nothing ({0}): free some space; readings wait in their devices until then"
    )]
    Disk(#[source] rusqlite::Error),
    /// A sync to disk failed. What the disk holds is no longer known; the handle is closed and the
    /// process must end and start again.
    #[error(
        "a sync to disk failed ({0}): the process ends, the next start reads what the disk kept"
    )]
    Fatal(#[source] rusqlite::Error),
    /// Another process holds the database.
    #[error(
        "another hearth runs on this journal (lock {}): stop it, or give this one another path",
        lock.display()
    )]
    InUse {
        /// The lock file.
        lock: PathBuf,
    },
    /// The database was written by a newer version.
    #[error(
        "{} has schema {found}, this version of hearth knows up to {known}: \
         install the newer version",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The database was written by an older version and only read here.
    #[error(
        "{} has schema {found}, this version of hearth needs {known}: start the gateway once, \
         it migrates the file",
        path.display()
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The version needed.
        known: i64,
    },
    /// The file is a database, but not Hearth's.
    #[error("{} is not a Hearth journal (application id {found:#x}): give another path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its application id.
        found: i64,
    },
    /// The database is damaged.
    #[error(
        "{} is damaged ({}): start with --salvage to move it aside and keep every row that is \
         whole, or restore a backup",
        path.display(), findings.join("; ")
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check found, at most a few lines.
        findings: Vec<String>,
    },
    /// The SQLite library is older than the oldest that keeps a WAL file whole.
    #[error("SQLite {found} can damage a WAL file; 3.51.3 or later is needed")]
    OldSqlite {
        /// Its version.
        found: &'static str,
    },
    /// A setting the custody of readings rests on did not take.
    #[error("the database did not take {name}={wanted}: it says {found}")]
    Setting {
        /// The pragma.
        name: &'static str,
        /// What was asked for.
        wanted: String,
        /// What is in force.
        found: String,
    },
    /// A file operation beside the database failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A row does not fit its checksum: it is no value any more, it is a loss to be counted.
    #[error("row {seq} of {table} does not fit its checksum")]
    Row {
        /// The table.
        table: &'static str,
        /// Its row.
        seq: i64,
    },
    /// A place that must be empty is not.
    #[error("{} exists: nothing was overwritten", path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
    },
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error().copied() else { return Self::Sqlite(error) };
        const FSYNC: [i32; 2] = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
        match code.code {
            _ if FSYNC.contains(&code.extended_code) => Self::Fatal(error),
            ErrorCode::DiskFull | ErrorCode::SystemIoFailure => Self::Disk(error),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged {
                path: PathBuf::from("the database"),
                findings: vec![error.to_string()],
            },
            _ => Self::Sqlite(error),
        }
    }
}

/// Commits between two looks at the length of the log; a commit of a full batch adds some hundred
/// pages.
const CHECKPOINT_EVERY: u32 = 4;

/// The single writer of the database file.
#[derive(Debug)]
pub struct Store {
    /// `None` after a failed sync: nothing is written through a handle that may lie.
    connection: Option<Connection>,
    place: open::Place,
    /// Held as long as the store is; the lock goes with the file.
    _lock: Option<std::fs::File>,
    salvaged: Option<SalvageReport>,
    commits: u32,
}

/// One write transaction: everything in it is durable together, or none of it.
#[derive(Debug)]
pub struct Tx<'s> {
    transaction: rusqlite::Transaction<'s>,
    /// Last numbers given in this transaction, by table; 0: not yet read.
    last_journal: Cell<i64>,
    last_observation: Cell<i64>,
    /// The first observation put in by this transaction; `i64::MAX`: none.
    first_observation: Cell<i64>,
}

/// A reader with a connection of its own; never delays a commit.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

/// Anything that can be asked: a reader, or a writer inside its transaction.
pub trait Queries {
    /// The connection to ask; for the files of this room only.
    #[doc(hidden)]
    fn connection(&self) -> &Connection;
}

impl Queries for Tx<'_> {
    fn connection(&self) -> &Connection {
        &self.transaction
    }
}

impl Queries for Reader {
    fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Store {
    /// Runs `work` in one immediate transaction and commits it.
    ///
    /// # Errors
    /// What `work` returned, after a rollback, or what the commit answered. After
    /// [`StoreError::Fatal`] the handle is closed and every later call fails the same way.
    pub fn transaction<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let outcome = match self.connection.as_mut() {
            Some(connection) => transact(connection, work),
            None => return Err(closed().into()),
        };
        match outcome {
            Ok(value) => {
                self.checkpoint();
                Ok(value)
            }
            Err(Failure::Work(error)) => Err(error),
            Err(Failure::Store(error)) => {
                let error = open::name_place(error, &self.place);
                if matches!(error, StoreError::Fatal(_)) {
                    self.abandon();
                }
                Err(error.into())
            }
        }
    }

    /// Moves the log into the database once it is long. What was just committed is durable in the
    /// log, so nothing that goes wrong here takes it back; after a failed sync the handle is
    /// closed.
    fn checkpoint(&mut self) {
        self.commits = self.commits.wrapping_add(1);
        if !self.commits.is_multiple_of(CHECKPOINT_EVERY) || self.place.path().is_none() {
            return;
        }
        let Some(connection) = self.connection.as_ref() else { return };
        let pages = |mode: &str| {
            connection.query_row(&format!("pragma wal_checkpoint({mode})"), [], |row| {
                row.get::<_, i64>(1)
            })
        };
        let done = match pages("noop") {
            Ok(length) if length >= open::WAL_PAGES => pages("passive"),
            other => other,
        };
        match done.map_err(StoreError::from) {
            Err(error @ StoreError::Fatal(_)) => {
                tracing::error!(%error, "the database handle is closed");
                self.abandon();
            }
            // A full disk or a reader in the way: the log grows on, and the next try comes soon.
            Err(error) => tracing::warn!(%error, "the log could not be checkpointed"),
            Ok(_) => {}
        }
    }

    /// Closes the handle without a checkpoint: after a failed sync SQLite's cache may hold pages
    /// the disk does not.
    fn abandon(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection);
        }
    }

    /// The writer's connection, for tests that make it fail.
    #[cfg(test)]
    #[allow(clippy::expect_used)]
    pub(crate) fn connection_for_faults(&self) -> &Connection {
        self.connection.as_ref().expect("the handle is open")
    }

    /// What a salvage at this start kept and lost, if there was one.
    pub fn salvaged(&self) -> Option<&SalvageReport> {
        self.salvaged.as_ref()
    }

    /// Where the database is; `None` in memory.
    pub fn path(&self) -> Option<&std::path::Path> {
        self.place.path()
    }
}

enum Failure<E> {
    Work(E),
    Store(StoreError),
}

fn transact<T, E>(
    connection: &mut Connection,
    work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
) -> Result<T, Failure<E>> {
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(|e| Failure::Store(e.into()))?;
    let tx = Tx::over(transaction);
    let value = work(&tx).map_err(Failure::Work)?;
    tx.transaction.commit().map_err(|e| Failure::Store(e.into()))?;
    Ok(value)
}

fn closed() -> StoreError {
    StoreError::Fatal(rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_IOERR_FSYNC),
        Some("the handle was closed after a failed sync".into()),
    ))
}

impl<'s> Tx<'s> {
    fn over(transaction: rusqlite::Transaction<'s>) -> Self {
        Self {
            transaction,
            last_journal: Cell::new(0),
            last_observation: Cell::new(0),
            first_observation: Cell::new(i64::MAX),
        }
    }
}

impl Tx<'_> {
    /// Runs `work` so that it can be undone alone: on `Err` nothing of it stays in the transaction.
    ///
    /// # Errors
    /// The outer error is the store's; the inner one is what `work` returned.
    pub fn attempt<T, E>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        self.transaction.execute_batch("savepoint attempt")?;
        let outcome = work(self);
        if self.transaction.is_autocommit() {
            // Out of space in the middle of a statement: SQLite took the whole transaction back, and
            // the savepoint with it.
            let full = ffi::Error::new(ffi::SQLITE_FULL);
            return Err(StoreError::from(rusqlite::Error::SqliteFailure(full, None)));
        }
        if outcome.is_err() {
            self.transaction.execute_batch("rollback to attempt")?;
        }
        self.transaction.execute_batch("release attempt")?;
        Ok(outcome)
    }

    /// The next number of a table, without a second use of one, also of deleted rows.
    fn next(&self, table: &'static str) -> Result<i64, StoreError> {
        let last = if table == "journal" { &self.last_journal } else { &self.last_observation };
        if last.get() == 0 {
            let found: i64 = self
                .transaction
                .prepare_cached(
                    "select coalesce(max(seq), 0) from sqlite_sequence where name = ?1",
                )?
                .query_row([table], |row| row.get(0))?;
            last.set(found);
        }
        last.set(last.get() + 1);
        if table != "journal" && self.first_observation.get() == i64::MAX {
            self.first_observation.set(last.get());
        }
        Ok(last.get())
    }

    /// Observations from this row on were put in by this transaction; `i64::MAX`: none was.
    pub fn first_new_observation(&self) -> i64 {
        self.first_observation.get()
    }
}

#[cfg(test)]
mod tests;
