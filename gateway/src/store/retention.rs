//! Old readings leave, where somebody wants that (`store.retention_days`): raw rows with everything
//! that hangs on them, oldest first, a few at a time, counted.
//!
//! What stays, however old:
//! - rows received while the clock was not trusted: nobody knows how old they are;
//! - rows nobody has judged, readings nobody has claimed, readings of an alert that is not over;
//! - readings whose message is still kept for a consumer, or for the broker's confirmation;
//! - what an open plan may still compare with;
//! - executed commands, so that none is executed twice;
//! - the ids of what left, so that a device that sends it again sends a duplicate.

use std::collections::HashSet;

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, params};

use super::journal::{Kind, RowOutcome};
use super::{Queries, Store, StoreError, Tx, counter};

/// Raw rows a step looks at: some milliseconds of work, which no alert notices.
const ROWS: usize = 256;

/// Days before its start that a plan may look at: `RING_SPAN_MAX` of `hearth_shared::assess::trend`
/// (126) bounds all windows together; the rest is margin for pauses.
const PLAN_LOOKS_BACK_DAYS: i64 = 180;

/// Counter of raw rows that left.
pub const ROWS_FORGOTTEN: &str = "forgotten_rows";
/// Counter of observations that left.
pub const OBSERVATIONS_FORGOTTEN: &str = "forgotten_observations";

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The last raw row looked at: the next step goes on behind it.
    pub through: i64,
    /// Raw rows that left.
    pub rows: u64,
    /// Observations that left.
    pub observations: u64,
    /// Nothing older lies behind `through`.
    pub finished: bool,
}

/// One observation that may leave.
struct Leaving {
    seq: i64,
    id: [u8; 16],
    quantity: i64,
    measured_ms: i64,
}

impl Store {
    /// Lets the next few rows behind `after` leave that were received before `before`.
    ///
    /// # Errors
    /// What SQLite answered; then nothing has left.
    pub fn forget_old(&mut self, before: UnixMillis, after: i64) -> Result<Step, StoreError> {
        // Everything that refers to a row leaves with it, by hand: SQLite would search whole tables
        // for references, row by row, while readings wait.
        self.references(false)?;
        let done = self.transaction(|tx| step(tx, before, after));
        self.references(true)?;
        done
    }

    fn references(&self, checked: bool) -> Result<(), StoreError> {
        match &self.connection {
            Some(connection) => Ok(connection.pragma_update(None, "foreign_keys", checked)?),
            // The transaction says so.
            None => Ok(()),
        }
    }
}

fn step(tx: &Tx<'_>, before: UnixMillis, after: i64) -> Result<Step, StoreError> {
    let mut done = Step { through: after, ..Step::default() };
    let mut old = Vec::new();
    for (seq, received_ms, trusted, may_leave) in looked_at(tx, after, &mut done)? {
        if trusted && received_ms >= before.millis() {
            done.finished = true;
            break;
        }
        done.through = seq;
        if trusted && may_leave {
            old.push(seq);
        }
    }
    let in_alert = of_open_alerts(tx)?;
    let mut leaving = Vec::new();
    for seq in old {
        if let Some(observations) = free(tx, seq, &in_alert)? {
            leaving.push((seq, observations));
        }
    }
    let kept = messages(tx, leaving.iter().flat_map(|(_, o)| o.iter().map(|o| o.id)).collect())?;
    leaving.retain(|(_, observations)| observations.iter().all(|o| !kept.contains(&o.id)));

    let rows: HashSet<i64> = leaving.iter().map(|(seq, _)| *seq).collect();
    set_aside_payloads(tx, &rows, (after, done.through))?;
    for (seq, observations) in &leaving {
        for observation in observations {
            forget_observation(tx, *seq, observation)?;
            done.observations += 1;
        }
        tx.transaction
            .prepare_cached("delete from meal_context where journal_seq = ?1")?
            .execute([seq])?;
        tx.transaction.prepare_cached("delete from journal where seq = ?1")?.execute([seq])?;
        done.rows += 1;
    }
    if done.rows > 0 {
        counter::add(tx, ROWS_FORGOTTEN, done.rows)?;
        counter::add(tx, OBSERVATIONS_FORGOTTEN, done.observations)?;
    }
    Ok(done)
}

/// The next raw rows: number, receipt, whether the clock was trusted, whether the kind may leave.
fn looked_at(
    tx: &Tx<'_>,
    after: i64,
    done: &mut Step,
) -> Result<Vec<(i64, i64, bool, bool)>, StoreError> {
    let mut statement = tx.transaction.prepare_cached(
        "select seq, received_ms, clock_trusted <> 0,
                outcome <> ?3 and (kind <> ?4 or outcome = ?5)
         from journal where seq > ?1 order by seq limit ?2",
    )?;
    let rows = statement.query_map(
        params![
            after,
            ROWS as i64,
            RowOutcome::Pending as i64,
            Kind::Command as i64,
            RowOutcome::Quarantined as i64
        ],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    done.finished = rows.len() < ROWS;
    Ok(rows)
}

fn of_open_alerts(tx: &Tx<'_>) -> Result<HashSet<i64>, StoreError> {
    let mut statement = tx.transaction.prepare_cached(
        "select observation_seq from alert
         where state in ('Pending', 'Active', 'Acked', 'Cleared') and observation_seq is not null",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The observations of a raw row, or `None` where one of them, or the row itself, is still needed.
fn free(
    tx: &Tx<'_>,
    row: i64,
    in_alert: &HashSet<i64>,
) -> Result<Option<Vec<Leaving>>, StoreError> {
    // Circumstances stay as long as the reading that they belong to.
    let circumstances: Option<i64> = tx
        .transaction
        .prepare_cached(
            "select 1 from meal_context m join observation o on o.seq = m.observation_seq
             where m.journal_seq = ?1 and o.journal_seq <> ?1",
        )?
        .query_row([row], |row| row.get(0))
        .optional()?;
    if circumstances.is_some() {
        return Ok(None);
    }
    let mut statement = tx.transaction.prepare_cached(
        "select o.seq, o.id, o.quantity, o.measured_ms,
                exists (select 1 from claim_tray c where c.observation_seq = o.seq)
                or exists (select 1 from attribution a join plan p on p.patient = a.patient
                           where a.observation_seq = o.seq and p.state <> 'closed'
                             and o.measured_ms >= (p.start_day - ?2) * 86400000)
         from observation o where o.journal_seq = ?1",
    )?;
    let mut rows = statement.query(params![row, PLAN_LOOKS_BACK_DAYS])?;
    let mut observations = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        if row.get::<_, bool>(4)? || in_alert.contains(&seq) {
            return Ok(None);
        }
        let (id, quantity, measured_ms) = (row.get(1)?, row.get(2)?, row.get(3)?);
        observations.push(Leaving { seq, id, quantity, measured_ms });
    }
    Ok(Some(observations))
}

/// Which of these ids still have a message in the outbox: one walk, because it has no index by id.
fn messages(tx: &Tx<'_>, ids: HashSet<[u8; 16]>) -> Result<HashSet<[u8; 16]>, StoreError> {
    let mut found = HashSet::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let mut statement = tx.transaction.prepare_cached("select id from outbox")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: [u8; 16] = row.get(0)?;
        if ids.contains(&id) {
            found.insert(id);
        }
    }
    Ok(found)
}

/// The ids of payloads that were set aside move along, so that their next copy is a duplicate.
fn set_aside_payloads(
    tx: &Tx<'_>,
    rows: &HashSet<i64>,
    (after, through): (i64, i64),
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let found: Vec<([u8; 16], i64)> = {
        let mut statement = tx.transaction.prepare_cached(
            "select id, journal_seq from known where journal_seq > ?1 and journal_seq <= ?2",
        )?;
        let found = statement.query_map([after, through], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.collect::<Result<_, _>>()?
    };
    for (id, row) in found.into_iter().filter(|(_, row)| rows.contains(row)) {
        remember(tx, &id, row)?;
        tx.transaction.prepare_cached("delete from known where id = ?1")?.execute([id])?;
    }
    Ok(())
}

fn forget_observation(tx: &Tx<'_>, row: i64, o: &Leaving) -> Result<(), StoreError> {
    remember(tx, &o.id, row)?;
    tx.transaction
        .prepare_cached(
            "delete from series where observation_seq = ?1 and quantity = ?2 and measured_ms = ?3
               and patient in (select patient from attribution where observation_seq = ?1)",
        )?
        .execute(params![o.seq, o.quantity, o.measured_ms])?;
    for sql in [
        "delete from attribution where observation_seq = ?1",
        "delete from meal_context where observation_seq = ?1",
        "delete from observation where seq = ?1",
    ] {
        tx.transaction.prepare_cached(sql)?.execute([o.seq])?;
    }
    Ok(())
}

fn remember(tx: &Tx<'_>, id: &[u8; 16], row: i64) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached("insert or ignore into forgotten (id, journal_seq) values (?1, ?2)")?
        .execute(params![id, row])?;
    Ok(())
}

/// Raw rows that left so far.
///
/// # Errors
/// What SQLite answered.
pub fn rows_forgotten(q: &impl Queries) -> Result<u64, StoreError> {
    counter::get(q, ROWS_FORGOTTEN)
}
