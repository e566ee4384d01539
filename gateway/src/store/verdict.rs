//! NI-1 verdicts as issued, and the readings they rest on.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, Row, params};

use super::{Queries, StoreError, Tx};

/// One evaluation, as issued.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Plan id.
    pub plan: String,
    /// Local day number.
    pub day: i64,
    /// `interim` or `final`.
    pub phase: String,
    /// Number of the final evaluation, from 0.
    pub k: u32,
    /// Raw verdict.
    pub verdict: String,
    /// Its reason.
    pub reason: Option<String>,
    /// What patient and care team see.
    pub published: Option<String>,
    /// What was done.
    pub action: String,
    /// Evidence with the names of B10, one per series.
    pub evidence: Vec<serde_json::Value>,
    /// One plain sentence.
    pub sentence: String,
    /// Rule and version.
    pub rule: String,
    /// When.
    pub made: UnixMillis,
}

const COLUMNS: &str =
    "plan, day, phase, k, verdict, reason, published, action, evidence, sentence, rule, made_ms";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Verdict> {
    let evidence: String = row.get(8)?;
    Ok(Verdict {
        plan: row.get(0)?,
        day: row.get(1)?,
        phase: row.get(2)?,
        k: row.get(3)?,
        verdict: row.get(4)?,
        reason: row.get(5)?,
        published: row.get(6)?,
        action: row.get(7)?,
        evidence: serde_json::from_str(&evidence).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                8,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })?,
        sentence: row.get(9)?,
        rule: row.get(10)?,
        made: UnixMillis::from_millis(row.get(11)?),
    })
}

/// Keeps a verdict. False if this day was issued before: that one stands.
///
/// # Errors
/// What SQLite answered.
pub fn add(tx: &Tx<'_>, verdict: &Verdict) -> Result<bool, StoreError> {
    let evidence = serde_json::to_string(&verdict.evidence).map_err(StoreError::Message)?;
    let added = tx
        .connection()
        .prepare_cached(&format!(
            "insert into verdict ({COLUMNS})
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             on conflict (plan, day) do nothing"
        ))?
        .execute(params![
            verdict.plan,
            verdict.day,
            verdict.phase,
            verdict.k,
            verdict.verdict,
            verdict.reason,
            verdict.published,
            verdict.action,
            evidence,
            verdict.sentence,
            verdict.rule,
            verdict.made.millis(),
        ])?;
    Ok(added > 0)
}

/// Removes the verdicts of a plan about days after `day`. Returns those days.
///
/// # Errors
/// What SQLite answered.
pub fn remove_after(tx: &Tx<'_>, plan: &str, day: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement = tx
        .connection()
        .prepare_cached("delete from verdict where plan = ?1 and day > ?2 returning day")?;
    let days = statement.query_map(params![plan, day], |row| row.get(0))?;
    Ok(days.collect::<Result<_, _>>()?)
}

/// The verdicts of a plan, earliest first.
///
/// # Errors
/// What SQLite answered.
pub fn list(q: &impl Queries, plan: &str) -> Result<Vec<Verdict>, StoreError> {
    let mut query = q
        .connection()
        .prepare_cached(&format!("select {COLUMNS} from verdict where plan = ?1 order by day"))?;
    let rows = query.query_map([plan], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest verdict of a plan.
///
/// # Errors
/// What SQLite answered.
pub fn newest(q: &impl Queries, plan: &str) -> Result<Option<Verdict>, StoreError> {
    Ok(q.connection()
        .prepare_cached(&format!(
            "select {COLUMNS} from verdict where plan = ?1 order by day desc limit 1"
        ))?
        .query_row([plan], from_row)
        .optional()?)
}
