//! Alerts and the state of the engine they come from, one row per patient, under a checksum.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::checksum::Sum;
use super::{Queries, StoreError, Tx};

/// One alert of one patient, from the reading that raised it to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// UUIDv5 of rule, rule version, patient and observation.
    pub id: Uuid,
    /// Patient id.
    pub patient: String,
    /// `G1` … `T1`.
    pub rule: String,
    /// `A`, `U`, `C`.
    pub level: String,
    /// `Pending`, `Active`, `Acked`, `Cleared`, `Idle`.
    pub state: String,
    /// Raised by a late or old reading.
    pub late: bool,
    /// The reading that raised it.
    pub observation_seq: Option<i64>,
    /// When it was raised.
    pub raised: UnixMillis,
    /// When that reading was measured.
    pub measured: Option<UnixMillis>,
    /// Last change.
    pub changed: UnixMillis,
    /// When staff acknowledged it.
    pub acked: Option<UnixMillis>,
    /// Who did.
    pub acked_by: Option<String>,
    /// Its transitions, oldest first.
    pub history: Vec<serde_json::Value>,
}

/// The alert of a rule that has not ended, if there is one.
///
/// # Errors
/// What SQLite answered.
pub fn open(q: &impl Queries, patient: &str, rule: &str) -> Result<Option<Alert>, StoreError> {
    Ok(q.connection()
        .prepare_cached(
            "select id, patient, rule, level, state, late, observation_seq, raised_ms, measured_ms,
               changed_ms, acked_ms, acked_by, history
             from alert where patient = ?1 and rule = ?2
               and state in ('Pending', 'Active', 'Acked', 'Cleared')
             order by raised_ms desc limit 1",
        )?
        .query_row(params![patient, rule], |row| {
            let time = |ms: Option<i64>| ms.map(UnixMillis::from_millis);
            let history: String = row.get(12)?;
            Ok(Alert {
                id: Uuid::from_bytes(row.get(0)?),
                patient: row.get(1)?,
                rule: row.get(2)?,
                level: row.get(3)?,
                state: row.get(4)?,
                late: row.get(5)?,
                observation_seq: row.get(6)?,
                raised: UnixMillis::from_millis(row.get(7)?),
                measured: time(row.get(8)?),
                changed: UnixMillis::from_millis(row.get(9)?),
                acked: time(row.get(10)?),
                acked_by: row.get(11)?,
                history: serde_json::from_str(&history).unwrap_or_default(),
            })
        })
        .optional()?)
}

/// Puts an alert in, or its changed row.
///
/// # Errors
/// What SQLite answered.
pub fn put(tx: &Tx<'_>, a: &Alert) -> Result<(), StoreError> {
    let history = serde_json::to_string(&a.history).map_err(StoreError::Message)?;
    tx.transaction
        .prepare_cached(
            "insert into alert (id, patient, rule, level, state, late, observation_seq, raised_ms,
               measured_ms, changed_ms, acked_ms, acked_by, history)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             on conflict (id) do update set level = excluded.level, state = excluded.state,
               late = excluded.late, changed_ms = excluded.changed_ms,
               acked_ms = excluded.acked_ms, acked_by = excluded.acked_by,
               history = excluded.history",
        )?
        .execute(params![
            a.id.as_bytes().as_slice(),
            a.patient,
            a.rule,
            a.level,
            a.state,
            a.late,
            a.observation_seq,
            a.raised.millis(),
            a.measured.map(UnixMillis::millis),
            a.changed.millis(),
            a.acked.map(UnixMillis::millis),
            a.acked_by,
            history,
        ])?;
    Ok(())
}

/// Rules of a patient that staff have acknowledged and that are still in force.
///
/// # Errors
/// What SQLite answered.
pub fn acked(q: &impl Queries, patient: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = q.connection().prepare_cached(
        "select rule from alert where patient = ?1 and state = 'Acked' order by rule",
    )?;
    let rows = statement.query_map([patient], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn checksum(patient: &str, snapshot: &[u8], due_s: Option<i64>) -> u32 {
    Sum::default().text(Some(patient)).blob(snapshot).optional(due_s).finish()
}

/// What stands where a patient's engine state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// Nothing was kept yet.
    Nothing,
    /// The state as it was kept.
    Whole(Vec<u8>),
    /// It does not fit its checksum: the state must be rebuilt from observations.
    Damaged,
}

/// A patient's engine state.
///
/// # Errors
/// What SQLite answered.
pub fn snapshot(q: &impl Queries, patient: &str) -> Result<Snapshot, StoreError> {
    let found: Option<(Vec<u8>, Option<i64>, i64)> = q
        .connection()
        .prepare_cached("select snapshot, due_s, checksum from alert_state where patient = ?1")?
        .query_row([patient], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(match found {
        None => Snapshot::Nothing,
        Some((bytes, due, sum)) if i64::from(checksum(patient, &bytes, due)) == sum => {
            Snapshot::Whole(bytes)
        }
        Some(_) => Snapshot::Damaged,
    })
}

/// Keeps a patient's engine state and when a tick would do something.
///
/// # Errors
/// What SQLite answered.
pub fn keep_snapshot(
    tx: &Tx<'_>,
    patient: &str,
    snapshot: &[u8],
    due_s: Option<u64>,
) -> Result<(), StoreError> {
    let due_s = due_s.map(|s| i64::try_from(s).unwrap_or(i64::MAX));
    tx.transaction
        .prepare_cached(
            "insert into alert_state (patient, snapshot, due_s, checksum) values (?1, ?2, ?3, ?4)
             on conflict (patient) do update set snapshot = excluded.snapshot,
               due_s = excluded.due_s, checksum = excluded.checksum",
        )?
        .execute(params![patient, snapshot, due_s, checksum(patient, snapshot, due_s)])?;
    Ok(())
}

/// Patients whose engine has something to do at or before `now_s`, the most overdue first.
///
/// # Errors
/// What SQLite answered.
pub fn due(q: &impl Queries, now_s: i64) -> Result<Vec<String>, StoreError> {
    let mut statement = q.connection().prepare_cached(
        "select patient from alert_state where due_s <= ?1 order by due_s, patient",
    )?;
    let rows = statement.query_map([now_s], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next engine has something to do, Unix seconds.
///
/// # Errors
/// What SQLite answered.
pub fn next_due(q: &impl Queries) -> Result<Option<i64>, StoreError> {
    Ok(q.connection()
        .prepare_cached("select min(due_s) from alert_state")?
        .query_row([], |row| row.get(0))?)
}
