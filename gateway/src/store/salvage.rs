//! A damaged file is moved aside and every row that is whole goes into a new one. What is not whole
//! is counted and listed; no value is taken over that does not fit its checksum.
//!
//! An observation that is damaged while its raw row is whole is decoded again at the next start,
//! under the same id. A missing raw row of a whole observation is replaced by an empty, quarantined
//! one. The new file is complete before the old one is moved, so a crash in between loses neither.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::counter::{self, Loss};
use super::open::{Place, beside, prepare};
use super::{Queries, StoreError, Tx, attribution, device, journal, observation, outbox};
use hearth_shared::time::UnixMillis;

/// Tries to get past an unreadable stretch of one table before giving it up.
const TRIES_MAX: u32 = 400;

/// What a salvage kept and lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// Where the damaged file is now.
    pub moved_to: PathBuf,
    /// Rows kept, by table.
    pub kept: BTreeMap<String, u64>,
    /// Rows lost, by table; one that nobody can count is counted once.
    pub lost: BTreeMap<String, u64>,
    /// Observations that were damaged and will be decoded again from their raw rows.
    pub decode_again: u64,
}

/// Finishes a salvage that was cut off after its new file was complete.
pub(super) fn finish(path: &Path) -> Result<(), StoreError> {
    let fresh = beside(path, ".salvage");
    if path.exists() || !fresh.exists() {
        return Ok(());
    }
    // The old log must not be taken for the new file's.
    move_aside(path, &beside(path, ".damaged-unfinished"))?;
    rename(&fresh, path)
}

/// Moves the damaged file aside and puts a new one with every whole row in its place.
pub(super) fn salvage(path: &Path, now_s: i64) -> Result<SalvageReport, StoreError> {
    let fresh = beside(path, ".salvage");
    for end in ["", "-wal", "-shm"] {
        remove(&beside(&fresh, end))?;
    }
    let mut report = SalvageReport { moved_to: free_name(path, now_s), ..SalvageReport::default() };
    let mut new = prepare(&Place::File(fresh.clone()))?;
    new.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
    let graft = beside(path, ".salvage-graft");
    let old = open_damaged(path).or_else(|_| {
        // The table of tables itself is damaged: the rest may be whole.
        let grafted = graft_schema(path, &fresh, &graft)
            .map_err(|source| StoreError::Io { path: graft.clone(), source });
        grafted.and_then(|()| open_damaged(&graft).map_err(StoreError::from))
    });
    {
        let transaction = new.transaction()?;
        let tx = Tx::over(transaction);
        if let Ok(old) = &old {
            copy_all(&tx, old, &mut report)?;
        }
        note(&tx, &report, old.is_err(), now_s)?;
        tx.transaction.commit()?;
    }
    if old.is_err() {
        // Written down as such above; nobody may be told that nothing is lost.
        lose(&mut report, "everything", 1);
    }
    new.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
    drop(new);
    drop(old);
    for end in ["", "-wal", "-shm"] {
        remove(&beside(&graft, end))?;
    }
    for end in ["-wal", "-shm"] {
        remove(&beside(&fresh, end))?;
    }
    move_aside(path, &report.moved_to)?;
    rename(&fresh, path)?;
    Ok(report)
}

/// The size of SQLite's pages here, and of the header of the first.
const PAGE: usize = 4096;
const HEADER: usize = 100;

/// Copies the damaged file and puts the pages of the table of tables of a fresh file into the copy:
/// both were made by the same statements in the same order, so every table begins on the same page.
fn graft_schema(path: &Path, fresh: &Path, to: &Path) -> std::io::Result<()> {
    let (mut octets, fresh) = (std::fs::read(path)?, std::fs::read(fresh)?);
    octets.resize(octets.len().next_multiple_of(PAGE), 0);
    for page in schema_pages(&fresh) {
        let (from, to) = ((page - 1) * PAGE, page * PAGE);
        if let (Some(new), Some(old)) = (fresh.get(from..to), octets.get_mut(from..to)) {
            old.copy_from_slice(new);
        }
    }
    // The number of pages; no free list, since nothing is written to the copy.
    let pages = u32::try_from(octets.len() / PAGE).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(header) = octets.get_mut(28..40) {
        header.fill(0);
        header[..4].copy_from_slice(&pages);
    }
    std::fs::write(to, &octets)?;
    let log = beside(path, "-wal");
    if log.exists() {
        std::fs::copy(&log, beside(to, "-wal"))?;
    }
    Ok(())
}

/// The pages of the table of tables in a fresh file: the first, and its children, if it has any
/// (file format 1.6: type, freeblock, cells, content, fragments, rightmost child).
fn schema_pages(file: &[u8]) -> Vec<usize> {
    let u16_at =
        |at: usize| file.get(at..at + 2).map(|b| usize::from(b[0]) << 8 | usize::from(b[1]));
    let u32_at = |at: usize| Some(u16_at(at)? << 16 | u16_at(at + 2)?);
    let mut pages = vec![1];
    if file.get(HEADER) == Some(&0x05) {
        pages.extend(u32_at(HEADER + 8));
        for cell in 0..u16_at(HEADER + 3).unwrap_or(0) {
            pages.extend(u16_at(HEADER + 12 + 2 * cell).and_then(u32_at));
        }
    }
    pages
}

fn open_damaged(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let old = Connection::open_with_flags(path, flags)?;
    old.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    old.pragma_update(None, "query_only", true)?;
    old.pragma_update(None, "cell_size_check", true)?;
    old.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))?;
    // Only whether the table of tables knows it: its own pages may be damaged, and those of all the
    // other tables whole.
    old.prepare("select 1 from journal")?;
    Ok(old)
}

fn copy_all(tx: &Tx<'_>, old: &Connection, report: &mut SalvageReport) -> Result<(), StoreError> {
    tx.transaction.execute_batch("delete from lane")?;
    // In the order of their creation: what a row refers to is there first.
    for table in tables(&tx.transaction)? {
        match table.as_str() {
            // Derived from attributions below.
            "series" | "claim_tray" => continue,
            table => copy(tx, old, table, report)?,
        }
        match table.as_str() {
            "journal" => replace_damaged_journal(tx, report)?,
            "observation" => drop_damaged_observations(tx, report)?,
            "attribution" => void_damaged_decisions(tx, report)?,
            "device_owner" => drop_damaged_owners(tx, report)?,
            _ => {}
        }
    }
    tx.transaction.execute_batch(
        "insert or ignore into lane values (1, 0), (2, 0);
         insert or ignore into series (patient, quantity, measured_ms, observation_seq)
           select a.patient, o.quantity, o.measured_ms, o.seq
           from observation o join attribution a on a.observation_seq = o.seq
           where a.patient is not null
             and a.seq = (select max(seq) from attribution where observation_seq = o.seq);
         insert or ignore into claim_tray (observation_seq, since_ms)
           select o.seq, a.decided_ms
           from observation o join attribution a on a.observation_seq = o.seq
           where a.patient is null
             and a.seq = (select max(seq) from attribution where observation_seq = o.seq);",
    )?;
    orphans(tx)?;
    keep_numbers(tx, old, report)?;
    let gaps = outbox::fill_gaps(tx)?;
    lose(report, "outbox", gaps);
    Ok(())
}

fn lose(report: &mut SalvageReport, table: &str, n: u64) {
    if n > 0 {
        *report.lost.entry(table.to_owned()).or_default() += n;
    }
}

/// Rows of the new file that do not fit their checksum.
fn damaged_rows(tx: &Tx<'_>, table: &str) -> Result<Vec<i64>, StoreError> {
    let mut damaged = Vec::new();
    let mut each = |seq: Result<i64, StoreError>| match seq {
        Ok(_) => Ok(()),
        Err(StoreError::Row { seq, .. }) => {
            damaged.push(seq);
            Ok(())
        }
        Err(error) => Err(error),
    };
    match table {
        "journal" => journal::scan(tx, 0, |row| each(row.map(|r| r.seq)))?,
        _ => observation::scan(tx, 0, |row| each(row.map(|r| r.seq)))?,
    }
    Ok(damaged)
}

fn tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite%'
         order by rowid",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn replace_damaged_journal(tx: &Tx<'_>, report: &mut SalvageReport) -> Result<(), StoreError> {
    for seq in damaged_rows(tx, "journal")? {
        journal::stand_in(tx, seq)?;
        lose(report, "journal", 1);
    }
    Ok(())
}

/// A damaged observation goes; its raw row, if it is whole, is judged again.
fn drop_damaged_observations(tx: &Tx<'_>, report: &mut SalvageReport) -> Result<(), StoreError> {
    for seq in damaged_rows(tx, "observation")? {
        tx.transaction.execute(
            "update journal set outcome = 0, detail = null
             where seq = (select journal_seq from observation where seq = ?1) and kind in (1, 2, 5)",
            [seq],
        )?;
        tx.transaction.execute("delete from observation where seq = ?1", [seq])?;
        lose(report, "observation", 1);
    }
    Ok(())
}

/// A decision that is damaged is nobody's: the reading waits for a person.
fn void_damaged_decisions(tx: &Tx<'_>, report: &mut SalvageReport) -> Result<(), StoreError> {
    attribution::sum_missing(tx.connection())?;
    for seq in attribution::damaged(tx)?.0 {
        attribution::void(tx, seq)?;
        lose(report, "attribution", 1);
    }
    Ok(())
}

/// A device with a damaged owner has none: what is left could make it somebody's alone.
fn drop_damaged_owners(tx: &Tx<'_>, report: &mut SalvageReport) -> Result<(), StoreError> {
    device::sum_missing(tx.connection())?;
    for row in device::damaged_owners(tx)?.0 {
        let gone = tx.transaction.execute(
            "delete from device_owner
             where device = (select device from device_owner where rowid = ?1)",
            [row],
        )?;
        lose(report, "device_owner", gone as u64);
    }
    Ok(())
}

/// Raw rows that once made an observation of which nothing is left are judged again, too;
/// observations without a decision wait for one in the claim tray.
fn orphans(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.transaction.execute_batch(
        "update journal set outcome = 0, detail = null
           where outcome = 1 and kind in (1, 2, 5)
             and not exists (select 1 from observation o where o.journal_seq = journal.seq);
         insert into attribution (observation_seq, patient, method, decided_by, decided_ms)
           select o.seq, null, 4, 'salvage', o.received_ms from observation o
           where not exists (select 1 from attribution a where a.observation_seq = o.seq);
         insert or ignore into claim_tray (observation_seq, since_ms)
           select o.seq, o.received_ms from observation o
           join attribution a on a.observation_seq = o.seq and a.decided_by = 'salvage';",
    )?;
    attribution::sum_missing(tx.connection())
}

/// Numbers that were given must not be given again, and raw rows that are gone are counted.
fn keep_numbers(
    tx: &Tx<'_>,
    old: &Connection,
    report: &mut SalvageReport,
) -> Result<(), StoreError> {
    for table in ["journal", "observation", "attribution", "loss"] {
        let last: i64 = old
            .query_row(
                "select coalesce(max(seq), 0) from sqlite_sequence where name = ?1",
                [table],
                |row| row.get(0),
            )
            .unwrap_or(0);
        tx.transaction.execute(
            "update sqlite_sequence set seq = max(seq, ?2) where name = ?1",
            rusqlite::params![table, last],
        )?;
    }
    let redecode: i64 = tx.transaction.query_row(
        "select count(*) from journal where outcome = 0 and kind in (1, 2, 5)",
        [],
        |row| row.get(0),
    )?;
    report.decode_again = redecode.unsigned_abs();
    let holes: i64 = tx.transaction.query_row(
        "select coalesce((select seq from sqlite_sequence where name = 'journal'), 0)
           - coalesce(min(seq), 1) + 1 - count(*) from journal",
        [],
        |row| row.get(0),
    )?;
    // Rows that were let go by age are no loss; the first row left tells the same from below.
    let (last, kept): (i64, i64) = tx.transaction.query_row(
        "select coalesce((select seq from sqlite_sequence where name = 'journal'), 0), count(*)
         from journal",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let let_go = i64::try_from(super::retention::rows_forgotten(tx)?).unwrap_or(i64::MAX);
    let holes = holes.min(last.saturating_sub(kept).saturating_sub(let_go));
    lose(report, "journal", u64::try_from(holes).unwrap_or(0));
    Ok(())
}

/// Copies every row of a table that can be read and that the new schema takes.
fn copy(
    tx: &Tx<'_>,
    old: &Connection,
    table: &str,
    report: &mut SalvageReport,
) -> Result<(), StoreError> {
    let known = columns(&tx.transaction, table)?;
    // A damaged schema may not know the table at all.
    let there = columns(old, table).unwrap_or_default();
    let shared: Vec<&str> =
        known.iter().filter(|c| there.contains(c)).map(String::as_str).collect();
    if shared.is_empty() {
        return Ok(());
    }
    let list = shared.join(", ");
    let marks = vec!["?"; shared.len()].join(", ");
    let sql = format!("insert or ignore into {table} ({list}) values ({marks})");
    let journal_column = shared.iter().position(|c| *c == "journal_seq");
    let (mut kept, mut refused, mut missing) = (0, 0, 0);
    let unreadable = pump(old, table, &list, shared.len(), &mut |row| {
        let mut statement = tx.transaction.prepare_cached(&sql)?;
        let mut done = statement.execute(params_from_iter(&row));
        if done.is_err()
            && table == "observation"
            && let Some(Value::Integer(seq)) = journal_column.and_then(|at| row.get(at))
        {
            journal::stand_in(tx, *seq)?;
            missing += 1;
            done = statement.execute(params_from_iter(&row));
        }
        match done {
            Ok(n) => kept += n as u64,
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                return Err(error.into());
            }
            Err(_) => refused += 1,
        }
        Ok(())
    })?;
    if kept > 0 {
        report.kept.insert(table.to_owned(), kept);
    }
    lose(report, "journal", missing);
    lose(report, table, refused + u64::from(unreadable && table != "journal"));
    Ok(())
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare("select name from pragma_table_info(?1)")?;
    let rows = statement.query_map([table], |row| row.get(0))?;
    rows.collect()
}

type Each<'a> = dyn FnMut(Vec<Value>) -> Result<(), StoreError> + 'a;

/// Reads every row that can be read: forwards, over unreadable stretches, and from the far side
/// back. Returns whether there was an unreadable stretch.
fn pump(
    old: &Connection,
    table: &str,
    list: &str,
    width: usize,
    each: &mut Each<'_>,
) -> Result<bool, StoreError> {
    let has_rowid = old.prepare(&format!("select rowid from {table} limit 0")).is_ok();
    if !has_rowid {
        let forwards = format!("select 0, {list} from {table}");
        let (_, whole) = stretch(old, &forwards, [0, 0], width, each)?;
        if !whole {
            let key: Vec<&str> = list.split(", ").collect();
            let backwards =
                format!("select 0, {list} from {table} order by {} desc", key.join(" desc, "));
            stretch(old, &backwards, [0, 0], width, each)?;
        }
        return Ok(!whole);
    }
    let ahead = format!(
        "select rowid, {list} from {table} where rowid > ?1 and rowid <= ?2 order by rowid"
    );
    let back = format!(
        "select rowid, {list} from {table} where rowid > ?1 and rowid <= ?2 order by rowid desc"
    );
    let (mut after, mut step, mut tries) = (i64::MIN, 1_i64, 0);
    let mut broken = None;
    loop {
        let (last, whole) = stretch(old, &ahead, [after, i64::MAX], width, each)?;
        if (last.is_some() || whole)
            && let Some(from) = broken.take()
        {
            // Past the stretch: what lies before the first good row, from its far side.
            stretch(old, &back, [from, after], width, each)?;
            step = 1;
        }
        after = last.unwrap_or(after);
        if whole {
            return Ok(tries > 0);
        }
        tries += 1;
        if tries > TRIES_MAX {
            return Ok(true);
        }
        broken = Some(broken.unwrap_or(after));
        after = after.max(0).saturating_add(step);
        step = step.saturating_mul(2).min(1 << 40);
    }
}

/// Reads rows until the end or the first that cannot be read. Returns the last key, and whether the
/// end was reached.
fn stretch(
    old: &Connection,
    sql: &str,
    bounds: [i64; 2],
    width: usize,
    each: &mut Each<'_>,
) -> Result<(Option<i64>, bool), StoreError> {
    let Ok(mut statement) = old.prepare(sql) else { return Ok((None, false)) };
    let bound = statement.parameter_count();
    let Ok(mut rows) = statement.query(params_from_iter(bounds.iter().take(bound))) else {
        return Ok((None, false));
    };
    let mut last = None;
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok((last, true)),
            Err(_) => return Ok((last, false)),
        };
        let key: Result<i64, _> = row.get(0);
        let values: Result<Vec<Value>, _> = (1..=width).map(|i| row.get(i)).collect();
        if let Ok(key) = key {
            last = Some(key);
        }
        if let Ok(values) = values {
            each(values)?;
        }
    }
}

/// Writes down what was lost, where everybody looks for it.
fn note(
    tx: &Tx<'_>,
    report: &SalvageReport,
    unreadable: bool,
    now_s: i64,
) -> Result<(), StoreError> {
    let noted = UnixMillis::from_seconds(now_s);
    let place = report.moved_to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let write = |count: u64, reason: String| {
        counter::add(tx, counter::DAMAGED, count)?;
        counter::note_loss(tx, &Loss { device: None, from: None, to: None, count, reason, noted })
    };
    for (table, count) in &report.lost {
        let reason = format!("damage on the disk: rows of {table} are not whole; see {place}");
        write(*count, reason)?;
    }
    if unreadable {
        let reason = format!("damage on the disk: nothing could be read; see {place}");
        write(1, reason)?;
    }
    Ok(())
}

fn free_name(path: &Path, now_s: i64) -> PathBuf {
    let first = beside(path, &format!(".damaged-{now_s}"));
    let mut name = first.clone();
    let mut n = 1;
    while name.exists() {
        n += 1;
        name = beside(&first, &format!("-{n}"));
    }
    name
}

/// Moves a database with its log.
pub(super) fn move_aside(path: &Path, to: &Path) -> Result<(), StoreError> {
    for end in ["", "-wal", "-shm"] {
        let from = beside(path, end);
        if from.exists() {
            rename(&from, &beside(to, end))?;
        }
    }
    Ok(())
}

/// Renames durably: the folder is synced, too.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { path: from.to_owned(), source };
    std::fs::rename(from, to).map_err(io)?;
    let folder = to.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
