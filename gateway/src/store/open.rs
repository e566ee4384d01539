//! Opening the file: the lock, the settings that custody rests on, the schema, the check of what is
//! there. A damaged file is never replaced by an empty one without a word.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::{Reader, Store, StoreError, salvage};

/// `Hrth`: marks the file as Hearth's (`pragma application_id`).
pub const APPLICATION_ID: i64 = 0x4872_7468;

/// SQLite before 3.51.3 can damage a WAL file when a checkpoint and a reset race.
const SQLITE_MIN: i32 = 3_051_003;

/// Pages in the log before a commit checkpoints it: 1000 pages are about 4 MB, a second of a burst.
pub(super) const WAL_PAGES: i64 = 1000;

/// The WAL file is cut back to this size after a checkpoint, so a burst does not hold the disk.
const WAL_BYTES_MAX: i64 = 16 << 20;

/// Distinct statements a batch, an evaluation and the uplink prepare; about 90 today.
const STATEMENTS: usize = 160;

/// A reader waits this long for a lock (only recovery and a backup's last step hold one).
const BUSY: Duration = Duration::from_secs(5);

/// Lines of a check that are kept for the message.
const FINDINGS: usize = 5;

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("migrations/0001_path.sql")),
    M::up(include_str!("migrations/0002_custody.sql")),
    M::up(include_str!("migrations/0003_retention.sql")),
    M::up(include_str!("migrations/0004_radio.sql")),
    M::up(include_str!("migrations/0005_whose.sql")),
];

/// The schema version this program writes.
pub const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// How to open the store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The database file; its folder must exist.
    pub path: PathBuf,
    /// A damaged file is moved aside as `<path>.damaged-<time>` and every whole row kept.
    pub salvage: bool,
    /// Names the file moved aside: seconds since 1970 (the store reads no clock).
    pub now_s: i64,
}

impl StoreOptions {
    /// Opens `path`, refusing a damaged file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), salvage: false, now_s: 0 }
    }
}

/// A file, or a shared database in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    Memory(String),
}

impl Place {
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Memory(_) => None,
        }
    }

    fn connect(&self, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
        match self {
            Self::File(path) => Connection::open_with_flags(path, flags),
            Self::Memory(name) => Connection::open_with_flags(
                format!("file:/{name}?vfs=memdb"),
                flags | OpenFlags::SQLITE_OPEN_URI,
            ),
        }
    }
}

/// Holds a database in memory while no [`Store`] does: the disk that outlives a crash of the
/// process in a simulation. Dropping it (and every store on it) forgets everything.
#[derive(Debug)]
pub struct MemoryDisk {
    name: String,
    _anchor: Connection,
}

impl MemoryDisk {
    /// A disk in memory; two of the same name in one process are the same disk.
    ///
    /// # Errors
    /// What SQLite answered.
    pub fn new(name: &str) -> Result<Self, StoreError> {
        let place = Place::Memory(name.to_owned());
        let anchor = place.connect(OpenFlags::default())?;
        // memdb counts a database as open only once it was read.
        anchor.query_row("pragma schema_version", [], |_| Ok(()))?;
        Ok(Self { name: name.to_owned(), _anchor: anchor })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

pub(super) fn name_place(error: StoreError, place: &Place) -> StoreError {
    match (error, place) {
        (StoreError::Damaged { findings, .. }, Place::File(path)) => {
            StoreError::Damaged { path: path.clone(), findings }
        }
        (error, _) => error,
    }
}

impl Store {
    /// Opens the file, creates or migrates its schema and checks it.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::Foreign`],
    /// [`StoreError::Damaged`] (unless `salvage` is set), or what the disk answered.
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let lock = take_lock(&options.path)?;
        let place = Place::File(options.path.clone());
        salvage::finish(&options.path)?;
        let (connection, salvaged) = match prepare(&place) {
            Ok(connection) => (connection, None),
            Err(StoreError::Damaged { .. }) if options.salvage => {
                let report = salvage::salvage(&options.path, options.now_s)?;
                (prepare(&place)?, Some(report))
            }
            Err(error) => return Err(error),
        };
        Ok(Self { connection: Some(connection), place, _lock: Some(lock), salvaged, commits: 0 })
    }

    /// Opens a database in memory that lives as long as a [`MemoryDisk`] or a store of that name.
    /// Dropping the store and opening it again models a crash of the process.
    ///
    /// # Errors
    /// What SQLite answered.
    pub fn open_shared_memory(name: &str) -> Result<Self, StoreError> {
        let place = Place::Memory(name.to_owned());
        let connection = prepare(&place)?;
        Ok(Self { connection: Some(connection), place, _lock: None, salvaged: None, commits: 0 })
    }

    /// A reader with a connection of its own.
    ///
    /// # Errors
    /// What SQLite answered.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let connection = self.place.connect(OpenFlags::default())?;
        reading(connection)
    }
}

impl Reader {
    /// Reads a journal beside a running daemon, or without one.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Foreign`], or what the file answered.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let place = Place::File(path.to_owned());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = place.connect(flags)?;
        let found = identify(&connection, &place).map_err(|e| name_place(e, &place))?;
        if found != SCHEMA {
            // It lacks tables that the queries name; only the writer migrates.
            return Err(StoreError::Older { path: path.to_owned(), found, known: SCHEMA });
        }
        reading(connection)
    }
}

fn reading(connection: Connection) -> Result<Reader, StoreError> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(Reader { connection })
}

/// `<db>.lock`, held for the life of the store.
pub(super) fn take_lock(path: &Path) -> Result<File, StoreError> {
    let lock = beside(path, ".lock");
    let io = |source| StoreError::Io { path: lock.clone(), source };
    let file = private().create(true).truncate(false).write(true).open(&lock).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { lock }),
        Err(TryLockError::Error(source)) => Err(StoreError::Io { path: lock, source }),
    }
}

/// Mode of what holds people's readings: nobody else on the machine may read it, whatever the umask.
pub(super) const PRIVATE: u32 = 0o600;

/// Options for a new file that is not for everybody.
pub(super) fn private() -> std::fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.mode(PRIVATE);
    options
}

/// Makes an empty file with mode [`PRIVATE`] where there is none, for SQLite to fill: its log and its
/// shared memory take over the mode of the database. A file that others may read is closed to them;
/// a group that was let in stays.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    match private().create_new(true).write(true).open(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error)),
    }
    for file in ["", "-wal", "-shm"].map(|end| beside(path, end)) {
        let Ok(found) = std::fs::metadata(&file) else { continue };
        let mode = found.permissions().mode();
        if mode & 0o007 != 0 {
            // Somebody else's file is used as it is: its owner decides.
            let _ = std::fs::set_permissions(&file, PermissionsExt::from_mode(mode & 0o770));
        }
    }
    Ok(())
}

/// `path` with `suffix` after its whole name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Connects, asserts the settings, brings the schema up to date and checks the file.
pub(super) fn prepare(place: &Place) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(StoreError::OldSqlite { found: rusqlite::version() });
    }
    if let Some(path) = place.path() {
        make_private(path)?;
    }
    let mut connection = place.connect(OpenFlags::default())?;
    let named = |e| name_place(e, place);
    settle(&connection, place).map_err(named)?;
    let version = identify(&connection, place).map_err(named)?;
    if version > 0 {
        check(&connection, place)?;
    }
    migrate(&mut connection, version).map_err(named)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn migrate(connection: &mut Connection, version: i64) -> Result<(), StoreError> {
    if version == 0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    if version < SCHEMA {
        Migrations::from_slice(MIGRATIONS).to_latest(connection).map_err(|e| match e {
            // What a step makes is there already: the version is damaged, not old.
            rusqlite_migration::Error::RusqliteError { err, .. } if makes_twice(&err) => {
                StoreError::Damaged {
                    path: PathBuf::from("the database"),
                    findings: vec![format!("schema version {version} on tables of a later one")],
                }
            }
            rusqlite_migration::Error::RusqliteError { err, .. } => StoreError::from(err),
            other => StoreError::Sqlite(rusqlite::Error::ToSqlConversionFailure(other.into())),
        })?;
    }
    assert_setting(connection, "user_version", SCHEMA)?;
    assert_setting(connection, "application_id", APPLICATION_ID)?;
    // Not part of a step: a process that dies in between finishes it at its next start.
    let transaction = connection.transaction()?;
    super::attribution::sum_missing(&transaction).map_err(misread)?;
    super::device::sum_missing(&transaction).map_err(misread)?;
    Ok(transaction.commit()?)
}

/// A table of the right version without a column it has: the table of tables is damaged.
fn misread(error: StoreError) -> StoreError {
    match error {
        StoreError::Sqlite(rusqlite::Error::SqlInputError { msg, .. }) => {
            StoreError::Damaged { path: PathBuf::from("the database"), findings: vec![msg] }
        }
        other => other,
    }
}

fn makes_twice(error: &rusqlite::Error) -> bool {
    let twice =
        |msg: &String| ["already exists", "duplicate column"].iter().any(|w| msg.contains(w));
    match error {
        rusqlite::Error::SqlInputError { msg, .. }
        | rusqlite::Error::SqliteFailure(_, Some(msg)) => twice(msg),
        _ => false,
    }
}

/// The schema version; 0 for a new file.
fn identify(connection: &Connection, place: &Place) -> Result<i64, StoreError> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (id, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 =
        connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    let path = || place.path().map_or_else(|| PathBuf::from("memory"), Path::to_path_buf);
    let ours: i64 = connection.query_row(
        "select count(*) from sqlite_schema
         where type = 'table' and name in ('journal', 'observation', 'outbox')",
        [],
        |row| row.get(0),
    )?;
    if ours == 3 && (id != APPLICATION_ID || version == 0) {
        // Our tables under another mark: the first page is damaged, not somebody else's.
        let finding = format!("application id {id:#x}, schema {version}");
        return Err(StoreError::Damaged { path: path(), findings: vec![finding] });
    }
    if id != APPLICATION_ID && (tables > 0 || id != 0) {
        return Err(StoreError::Foreign { path: path(), found: id });
    }
    if version > SCHEMA {
        return Err(StoreError::Newer { path: path(), found: version, known: SCHEMA });
    }
    Ok(version)
}

fn settle(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    // A close must not write: after a failed sync the cache cannot be trusted, and a start is quick
    // with a WAL of bounded size.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    if place.path().is_some() {
        connection.pragma_update(None, "journal_mode", "wal")?;
        assert_text(connection, "journal_mode", "wal")?;
        // SQLite's own checkpoint hides a failed sync; `Store::transaction` does it where it is
        // seen.
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
        assert_setting(connection, "wal_autocheckpoint", 0)?;
        assert_setting(connection, "journal_size_limit", WAL_BYTES_MAX)?;
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    assert_setting(connection, "synchronous", 2)?;
    assert_setting(connection, "foreign_keys", 1)
}

fn assert_setting(
    connection: &Connection,
    name: &'static str,
    wanted: i64,
) -> Result<(), StoreError> {
    let found: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
    if found == wanted {
        return Ok(());
    }
    Err(StoreError::Setting { name, wanted: wanted.to_string(), found: found.to_string() })
}

fn assert_text(
    connection: &Connection,
    name: &'static str,
    wanted: &str,
) -> Result<(), StoreError> {
    let found: String = connection.pragma_query_value(None, name, |row| row.get(0))?;
    if found == wanted {
        return Ok(());
    }
    Err(StoreError::Setting { name, wanted: wanted.to_owned(), found })
}

/// `quick_check`: the structure of every page, without the indexes' content.
fn check(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    let findings = findings(connection, "pragma quick_check")?;
    match place.path() {
        Some(path) if !findings.is_empty() => {
            Err(StoreError::Damaged { path: path.to_owned(), findings })
        }
        _ => Ok(()),
    }
}

/// Lines of a check other than `ok`; an error while checking is a finding, too.
pub(super) fn findings(connection: &Connection, check: &str) -> Result<Vec<String>, StoreError> {
    let mut out = Vec::new();
    let mut statement = connection.prepare(check)?;
    let mut rows = statement.query([])?;
    loop {
        match rows.next() {
            Ok(None) => return Ok(out),
            Ok(Some(row)) => {
                let text: String = row.get(0)?;
                // One row of SQLite's may hold many lines, under a heading.
                let lines = text.lines().filter(|l| *l != "ok" && !l.starts_with("***"));
                for line in lines.map(|l| l.trim_end_matches('.')) {
                    if out.len() < FINDINGS {
                        out.push(line.to_owned());
                    }
                }
            }
            Err(error) => {
                out.push(error.to_string());
                return Ok(out);
            }
        }
    }
}
