//! Circumstances of a glucose reading that came in a record of their own (2A34): they wait for the
//! reading, or join it.

use hearth_shared::device::Sequence;
use hearth_shared::observation::MealContext;
use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, params};

use super::{Queries, StoreError, Tx};

/// Puts a context beside the reading it belongs to, or lets it wait for the reading.
///
/// # Errors
/// What SQLite answered.
pub fn keep_context(tx: &Tx<'_>, context: &Context) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into meal_context (journal_seq, device, sequence, meal, received_ms, observation_seq)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            context.journal_seq,
            context.device,
            context.sequence.0,
            context.meal.map(|m| m as i64),
            context.received.millis(),
            context.observation_seq,
        ])?;
    Ok(())
}

/// Circumstances of a reading that came in a record of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The raw row.
    pub journal_seq: i64,
    /// Device id.
    pub device: String,
    /// The record it belongs to.
    pub sequence: Sequence,
    /// The meal, where it says so.
    pub meal: Option<MealContext>,
    /// When it was received.
    pub received: UnixMillis,
    /// The reading, once it is there.
    pub observation_seq: Option<i64>,
}

/// The newest glucose reading of a device with this record number and no context yet, received at
/// or after `since` (a number restarts).
///
/// # Errors
/// What SQLite answered.
pub fn glucose_of(
    q: &impl Queries,
    device: &str,
    sequence: Sequence,
    since: UnixMillis,
) -> Result<Option<i64>, StoreError> {
    Ok(q.connection()
        .prepare_cached(
            "select o.seq from observation o
             where o.device = ?1 and o.sequence = ?2 and o.quantity = 1 and o.received_ms >= ?3
               and not exists (select 1 from meal_context m where m.observation_seq = o.seq)
             order by o.seq desc limit 1",
        )?
        .query_row(params![device, sequence.0, since.millis()], |row| row.get(0))
        .optional()?)
}

/// What stands beside the newest context of this record that still waits for its reading: the
/// detail of its raw row. The outer `None`: no context waits.
///
/// # Errors
/// What SQLite answered.
pub fn waiting(
    q: &impl Queries,
    device: &str,
    sequence: Sequence,
    since: UnixMillis,
) -> Result<Option<Option<String>>, StoreError> {
    Ok(q.connection()
        .prepare_cached(
            "select journal.detail from meal_context
             join journal on journal.seq = meal_context.journal_seq
             where meal_context.device = ?1 and sequence = ?2 and observation_seq is null
               and meal_context.received_ms >= ?3
             order by journal_seq desc limit 1",
        )?
        .query_row(params![device, sequence.0, since.millis()], |row| row.get(0))
        .optional()?)
}

/// Joins a waiting context of this record, received at or after `since`, to its reading. Returns
/// the meal, if one was waiting.
///
/// # Errors
/// What SQLite answered.
pub fn join_context(
    tx: &Tx<'_>,
    device: &str,
    sequence: Sequence,
    since: UnixMillis,
    observation_seq: i64,
) -> Result<Option<MealContext>, StoreError> {
    let found: Option<(i64, Option<u8>)> = tx
        .transaction
        .prepare_cached(
            "select journal_seq, meal from meal_context
             where device = ?1 and sequence = ?2 and observation_seq is null and received_ms >= ?3
             order by journal_seq desc limit 1",
        )?
        .query_row(params![device, sequence.0, since.millis()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((journal_seq, meal)) = found else { return Ok(None) };
    tx.transaction
        .prepare_cached("update meal_context set observation_seq = ?2 where journal_seq = ?1")?
        .execute(params![journal_seq, observation_seq])?;
    Ok(meal.and_then(MealContext::from_code))
}

/// The meal of an observation that came in a record of its own, and how many such records there
/// are.
///
/// # Errors
/// What SQLite answered.
pub fn context(
    q: &impl Queries,
    observation_seq: i64,
) -> Result<(Option<MealContext>, u32), StoreError> {
    let (meal, n): (Option<u8>, u32) = q
        .connection()
        .prepare_cached(
            "select (select meal from meal_context where observation_seq = ?1
                     order by journal_seq desc limit 1), count(*)
             from meal_context where observation_seq = ?1",
        )?
        .query_row([observation_seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((meal.and_then(MealContext::from_code), n))
}
