//! Needs: what a person needs next, with bounded attempts to reach them.

use std::collections::BTreeMap;

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::{Queries, StoreError, Tx};

/// How far a need has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedState {
    /// The patient is being asked.
    Open,
    /// The visit is booked; nobody is asked any more.
    Booked,
    /// A nurse's task has taken over.
    HandedToNurse,
    /// Over, with an outcome.
    Closed,
}

impl NeedState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Booked => "booked",
            Self::HandedToNurse => "handed_to_nurse",
            Self::Closed => "closed",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "open" => Self::Open,
            "booked" => Self::Booked,
            "handed_to_nurse" => Self::HandedToNurse,
            _ => Self::Closed,
        }
    }
}

/// What a person needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// UUIDv5 of what it came from.
    pub id: Uuid,
    /// Patient id.
    pub patient: String,
    /// The plan it came from.
    pub plan: Option<String>,
    /// `follow_up_visit`, `measure_more`.
    pub kind: String,
    /// One plain sentence, for staff.
    pub reason: String,
    /// How the values went, for the patient, by language.
    pub short: BTreeMap<String, String>,
    /// How far it has come.
    pub state: NeedState,
    /// Prompts made so far.
    pub attempts: u32,
    /// Prompts at most; then a nurse.
    pub attempts_max: u32,
    /// Next attempt.
    pub next: Option<UnixMillis>,
    /// Opened at.
    pub opened: UnixMillis,
    /// Last change.
    pub changed: UnixMillis,
    /// How it ended.
    pub outcome: Option<String>,
}

const COLUMNS: &str = "id, patient, plan, kind, reason, state, attempts, attempts_max, next_ms, \
                       opened_ms, changed_ms, outcome, short";

pub(super) fn uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Uuid> {
    let octets: Vec<u8> = row.get(index)?;
    Uuid::from_slice(&octets).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            index,
            rusqlite::types::Type::Blob,
            Box::new(error),
        )
    })
}

pub(super) fn optional_uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Uuid>> {
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => uuid(row, index).map(Some),
    }
}

pub(super) fn optional_millis(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<UnixMillis>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(UnixMillis::from_millis))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Need> {
    let state: String = row.get(5)?;
    Ok(Need {
        id: uuid(row, 0)?,
        patient: row.get(1)?,
        plan: row.get(2)?,
        kind: row.get(3)?,
        reason: row.get(4)?,
        state: NeedState::from_word(&state),
        attempts: row.get(6)?,
        attempts_max: row.get(7)?,
        next: optional_millis(row, 8)?,
        opened: UnixMillis::from_millis(row.get(9)?),
        changed: UnixMillis::from_millis(row.get(10)?),
        outcome: row.get(11)?,
        short: serde_json::from_str(&row.get::<_, String>(12)?).unwrap_or_default(),
    })
}

/// The need with this id.
///
/// # Errors
/// What SQLite answered.
pub fn get(q: &impl Queries, id: Uuid) -> Result<Option<Need>, StoreError> {
    Ok(q.connection()
        .prepare_cached(&format!("select {COLUMNS} from need where id = ?1"))?
        .query_row([id.as_bytes().as_slice()], from_row)
        .optional()?)
}

/// All needs, or those of one patient, newest first.
///
/// # Errors
/// What SQLite answered.
pub fn list(q: &impl Queries, patient: Option<&str>) -> Result<Vec<Need>, StoreError> {
    let mut query = q.connection().prepare_cached(&format!(
        "select {COLUMNS} from need where ?1 is null or patient = ?1 order by opened_ms desc, id"
    ))?;
    let rows = query.query_map([patient], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest need of a kind that a plan brought up.
///
/// # Errors
/// What SQLite answered.
pub fn newest(q: &impl Queries, plan: &str, kind: &str) -> Result<Option<Need>, StoreError> {
    Ok(q.connection()
        .prepare_cached(&format!(
            "select {COLUMNS} from need where plan = ?1 and kind = ?2
             order by opened_ms desc, id limit 1"
        ))?
        .query_row(params![plan, kind], from_row)
        .optional()?)
}

/// Open needs whose next attempt is due, earliest first.
///
/// # Errors
/// What SQLite answered.
pub fn due(q: &impl Queries, now: UnixMillis) -> Result<Vec<Need>, StoreError> {
    let mut query = q.connection().prepare_cached(&format!(
        "select {COLUMNS} from need where state = 'open' and next_ms <= ?1 order by next_ms, id"
    ))?;
    let rows = query.query_map([now.millis()], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next open need is due.
///
/// # Errors
/// What SQLite answered.
pub fn next_due(q: &impl Queries) -> Result<Option<UnixMillis>, StoreError> {
    let next: Option<i64> = q
        .connection()
        .prepare_cached("select min(next_ms) from need where state = 'open'")?
        .query_row([], |row| row.get(0))?;
    Ok(next.map(UnixMillis::from_millis))
}

/// Writes a need as a whole.
///
/// # Errors
/// What SQLite answered.
pub fn put(tx: &Tx<'_>, need: &Need) -> Result<(), StoreError> {
    let short = serde_json::to_string(&need.short).map_err(StoreError::Message)?;
    tx.connection()
        .prepare_cached(&format!(
            "insert into need ({COLUMNS})
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             on conflict (id) do update set short = ?13, reason = ?5, state = ?6, attempts = ?7,
                 attempts_max = ?8, next_ms = ?9, changed_ms = ?11, outcome = ?12"
        ))?
        .execute(params![
            need.id.as_bytes().as_slice(),
            need.patient,
            need.plan,
            need.kind,
            need.reason,
            need.state.as_str(),
            need.attempts,
            need.attempts_max,
            need.next.map(UnixMillis::millis),
            need.opened.millis(),
            need.changed.millis(),
            need.outcome,
            short,
        ])?;
    Ok(())
}
