//! What each consumer holds durably: only this lets the outbox forget.

use hearth_shared::time::UnixMillis;
use rusqlite::params;

use super::{Queries, StoreError, Tx};
use crate::uplink::message::{Lane, Watermark};

/// What became of a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It moved forward.
    Moved,
    /// The consumer had already confirmed at least as much.
    Known,
    /// It lies beyond the last number given, so it cannot be about this gateway's lane.
    Beyond {
        /// Last number given on the lane.
        last: u64,
    },
}

/// Notes a watermark. It only ever moves forward, and never beyond the last number given: one that did
/// would let rows be forgotten that nobody has seen.
///
/// # Errors
/// What SQLite answered.
pub fn store(tx: &Tx<'_>, mark: &Watermark, at: UnixMillis) -> Result<Taken, StoreError> {
    let lane = mark.lane as u8;
    let last: i64 = tx
        .transaction
        .prepare_cached("select last from lane where lane = ?1")?
        .query_row(params![lane], |row| row.get(0))?;
    let last = last.unsigned_abs();
    if mark.seq > last {
        return Ok(Taken::Beyond { last });
    }
    let changed = tx
        .transaction
        .prepare_cached(
            "insert into watermark (consumer, lane, seq, at_ms) values (?1, ?2, ?3, ?4)
             on conflict (consumer, lane) do update set seq = excluded.seq, at_ms = excluded.at_ms
             where excluded.seq > seq",
        )?
        .execute(params![
            mark.consumer,
            lane,
            i64::try_from(mark.seq).unwrap_or(i64::MAX),
            at.millis()
        ])?;
    Ok(if changed > 0 { Taken::Moved } else { Taken::Known })
}

/// Up to which number all of `consumers` have confirmed a lane; 0 where one of them never did.
///
/// # Errors
/// What SQLite answered.
pub fn confirmed(from: &impl Queries, consumers: &[String], lane: Lane) -> Result<u64, StoreError> {
    let mut least: Option<u64> = None;
    for consumer in consumers {
        let seq: i64 = from
            .connection()
            .prepare_cached(
                "select coalesce(max(seq), 0) from watermark where consumer = ?1 and lane = ?2",
            )?
            .query_row(params![consumer, lane as u8], |row| row.get(0))?;
        let seq = seq.unsigned_abs();
        least = Some(least.map_or(seq, |l| l.min(seq)));
    }
    Ok(least.unwrap_or(0))
}

/// One consumer's progress on one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The consumer's name.
    pub consumer: String,
    /// Lane number as stored: 1 alerts, 2 observations.
    pub lane: u8,
    /// Confirmed up to this number.
    pub seq: u64,
    /// When it said so.
    pub at: UnixMillis,
}

/// All watermarks, for people.
///
/// # Errors
/// What SQLite answered.
pub fn list(from: &impl Queries) -> Result<Vec<Progress>, StoreError> {
    let rows = from
        .connection()
        .prepare_cached("select consumer, lane, seq, at_ms from watermark order by 1, 2")?
        .query_map([], |row| {
            Ok(Progress {
                consumer: row.get(0)?,
                lane: row.get(1)?,
                seq: row.get::<_, i64>(2)?.unsigned_abs(),
                at: UnixMillis::from_millis(row.get(3)?),
            })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(rows)
}
