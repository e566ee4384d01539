//! What a nurse has to do.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::need::{optional_millis, optional_uuid, uuid};
use super::{Queries, StoreError, Tx};

/// Something for a nurse to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// UUIDv5 of what it came from: the same cause makes one task.
    pub id: Uuid,
    /// Patient id.
    pub patient: Option<String>,
    /// The need it came from.
    pub need: Option<Uuid>,
    /// `call`, `data`, `consent`, `device`, …
    pub kind: String,
    /// One plain sentence: why.
    pub reason: String,
    /// `A`, `U`, `C`.
    pub level: String,
    /// Done already.
    pub done: Option<UnixMillis>,
    /// Made at.
    pub made: UnixMillis,
    /// How it ended.
    pub outcome: Option<String>,
}

const COLUMNS: &str = "id, patient, need, kind, reason, level, made_ms, done_ms, outcome";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: uuid(row, 0)?,
        patient: row.get(1)?,
        need: optional_uuid(row, 2)?,
        kind: row.get(3)?,
        reason: row.get(4)?,
        level: row.get(5)?,
        made: UnixMillis::from_millis(row.get(6)?),
        done: optional_millis(row, 7)?,
        outcome: row.get(8)?,
    })
}

/// The task with this id.
///
/// # Errors
/// What SQLite answered.
pub fn get(q: &impl Queries, id: Uuid) -> Result<Option<Task>, StoreError> {
    Ok(q.connection()
        .prepare_cached(&format!("select {COLUMNS} from task where id = ?1"))?
        .query_row([id.as_bytes().as_slice()], from_row)
        .optional()?)
}

/// All tasks, or those of one patient, newest first.
///
/// # Errors
/// What SQLite answered.
pub fn list(q: &impl Queries, patient: Option<&str>) -> Result<Vec<Task>, StoreError> {
    let mut query = q.connection().prepare_cached(&format!(
        "select {COLUMNS} from task where ?1 is null or patient = ?1 order by made_ms desc, id"
    ))?;
    let rows = query.query_map([patient], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The open task of a need.
///
/// # Errors
/// What SQLite answered.
pub fn open_of_need(q: &impl Queries, need: Uuid) -> Result<Option<Task>, StoreError> {
    Ok(q.connection()
        .prepare_cached(&format!(
            "select {COLUMNS} from task where need = ?1 and state = 'open' order by id limit 1"
        ))?
        .query_row([need.as_bytes().as_slice()], from_row)
        .optional()?)
}

/// Adds a task. False if the same task was made before, open or done.
///
/// # Errors
/// What SQLite answered.
pub fn add(tx: &Tx<'_>, task: &Task) -> Result<bool, StoreError> {
    let added = tx
        .connection()
        .prepare_cached(
            "insert into task (id, patient, need, kind, reason, level, state, made_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, 'open', ?7) on conflict (id) do nothing",
        )?
        .execute(params![
            task.id.as_bytes().as_slice(),
            task.patient,
            task.need.map(|need| need.as_bytes().to_vec()),
            task.kind,
            task.reason,
            task.level,
            task.made.millis(),
        ])?;
    Ok(added > 0)
}

/// Ends a task. False if it was ended before.
///
/// # Errors
/// What SQLite answered.
pub fn finish(tx: &Tx<'_>, id: Uuid, outcome: &str, done: UnixMillis) -> Result<bool, StoreError> {
    let changed = tx
        .connection()
        .prepare_cached(
            "update task set state = 'done', outcome = ?2, done_ms = ?3
             where id = ?1 and state = 'open'",
        )?
        .execute(params![id.as_bytes().as_slice(), outcome, done.millis()])?;
    Ok(changed > 0)
}
