//! Executed commands: each id once, with the answer it was given.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, params};

use super::{Queries, StoreError, Tx};
use crate::control::status::CommandStatus;

/// One executed (or refused) command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Id given by the sender.
    pub id: String,
    /// Journal row with the command as it came.
    pub journal_seq: i64,
    /// The verb.
    pub verb: String,
    /// `mqtt`, `socket`, `household`.
    pub origin: String,
    /// `done` or `refused`.
    pub state: String,
    /// The answer as JSON.
    pub result: String,
    /// When.
    pub done: UnixMillis,
}

/// The answer an id was given, if it was executed before.
///
/// # Errors
/// What SQLite answered.
pub fn find(q: &impl Queries, id: &str) -> Result<Option<Executed>, StoreError> {
    Ok(q.connection()
        .prepare_cached(
            "select id, journal_seq, verb, origin, state, result, done_ms
             from command where id = ?1",
        )?
        .query_row([id], |row| {
            Ok(Executed {
                id: row.get(0)?,
                journal_seq: row.get(1)?,
                verb: row.get(2)?,
                origin: row.get(3)?,
                state: row.get(4)?,
                result: row.get(5)?,
                done: UnixMillis::from_millis(row.get(6)?),
            })
        })
        .optional()?)
}

/// Keeps the answer of a command.
///
/// # Errors
/// What SQLite answered, also when the id was executed before.
pub fn add(tx: &Tx<'_>, executed: &Executed) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached(
            "insert into command (id, journal_seq, verb, origin, state, result, done_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            executed.id,
            executed.journal_seq,
            executed.verb,
            executed.origin,
            executed.state,
            executed.result,
            executed.done.millis(),
        ])?;
    Ok(())
}

/// How many commands are kept, by how they ended.
///
/// # Errors
/// What SQLite answered.
pub fn counts(q: &impl Queries) -> Result<CommandStatus, StoreError> {
    let sql =
        "select coalesce(sum(state = 'done'), 0), coalesce(sum(state <> 'done'), 0) from command";
    let (done, refused): (i64, i64) =
        q.connection().prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(CommandStatus { done: done.unsigned_abs(), refused: refused.unsigned_abs() })
}

/// How many commands of an origin were done.
///
/// # Errors
/// What SQLite answered.
pub fn done_by(q: &impl Queries, origin: &str) -> Result<u64, StoreError> {
    let n: i64 = q
        .connection()
        .prepare_cached("select count(*) from command where origin = ?1 and state = 'done'")?
        .query_row([origin], |row| row.get(0))?;
    Ok(n.unsigned_abs())
}
