//! What was counted: duplicates, quarantined payloads, losses. Nothing vanishes without a number
//! here.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, params};

use super::{Queries, StoreError, Tx};

/// Second copies of readings already held.
pub const DUPLICATES: &str = "duplicates";
/// Payloads kept with a reason and acted on by nobody.
pub const QUARANTINED: &str = "quarantined";
/// Rows that did not fit their checksum.
pub const DAMAGED: &str = "damaged";
/// Engine states rebuilt by replaying observations.
pub const REBUILT: &str = "engine_states_rebuilt";

/// Adds to a counter.
///
/// # Errors
/// What SQLite answered.
pub fn add(tx: &Tx<'_>, name: &str, n: u64) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into counter (name, n) values (?1, ?2)
             on conflict (name) do update set n = n + excluded.n",
        )?
        .execute(params![name, n as i64])?;
    Ok(())
}

/// A counter; 0 if nothing was counted yet.
///
/// # Errors
/// What SQLite answered.
pub fn get(q: &impl Queries, name: &str) -> Result<u64, StoreError> {
    let n: Option<i64> = q
        .connection()
        .prepare_cached("select n from counter where name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(n.unwrap_or(0).unsigned_abs())
}

/// All counters by name.
///
/// # Errors
/// What SQLite answered.
pub fn all(q: &impl Queries) -> Result<Vec<(String, u64)>, StoreError> {
    let mut statement =
        q.connection().prepare_cached("select name, n from counter order by name")?;
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Counts second copies of one device.
///
/// # Errors
/// What SQLite answered.
pub fn add_duplicates(
    tx: &Tx<'_>,
    device: &str,
    n: u64,
    last: UnixMillis,
) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into duplicate (device, n, last_ms) values (?1, ?2, ?3)
             on conflict (device) do update set n = n + excluded.n, last_ms = excluded.last_ms",
        )?
        .execute(params![device, n as i64, last.millis()])?;
    add(tx, DUPLICATES, n)
}

/// Second copies by device: device, how many, when the last came.
///
/// # Errors
/// What SQLite answered.
pub fn duplicates(q: &impl Queries) -> Result<Vec<(String, u64, UnixMillis)>, StoreError> {
    let mut statement = q
        .connection()
        .prepare_cached("select device, n, last_ms from duplicate order by device")?;
    let rows = statement.query_map([], |row| {
        let n: i64 = row.get(1)?;
        Ok((row.get(0)?, n.unsigned_abs(), UnixMillis::from_millis(row.get(2)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Something is lost, and known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The device, where known.
    pub device: Option<String>,
    /// Start of the lost stretch, where known.
    pub from: Option<UnixMillis>,
    /// End of the lost stretch, where known.
    pub to: Option<UnixMillis>,
    /// How many readings or rows.
    pub count: u64,
    /// Why, as a plain sentence.
    pub reason: String,
    /// When it was found out.
    pub noted: UnixMillis,
}

/// Writes a loss down.
///
/// # Errors
/// What SQLite answered.
pub fn note_loss(tx: &Tx<'_>, loss: &Loss) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into loss (device, from_ms, to_ms, count, reason, noted_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            loss.device,
            loss.from.map(UnixMillis::millis),
            loss.to.map(UnixMillis::millis),
            loss.count as i64,
            loss.reason,
            loss.noted.millis(),
        ])?;
    Ok(())
}

/// All losses, oldest first.
///
/// # Errors
/// What SQLite answered.
pub fn losses(q: &impl Queries) -> Result<Vec<Loss>, StoreError> {
    let mut statement = q.connection().prepare_cached(
        "select device, from_ms, to_ms, count, reason, noted_ms from loss order by seq",
    )?;
    let time = |ms: Option<i64>| ms.map(UnixMillis::from_millis);
    let rows = statement.query_map([], |row| {
        Ok(Loss {
            device: row.get(0)?,
            from: time(row.get(1)?),
            to: time(row.get(2)?),
            count: row.get::<_, i64>(3)?.unsigned_abs(),
            reason: row.get(4)?,
            noted: UnixMillis::from_millis(row.get(5)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
