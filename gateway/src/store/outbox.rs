//! What goes out: gapless numbers per lane, given in the committing transaction.
//!
//! A row's life (`outbox.state`):
//!
//! | state | is |
//! |---|---|
//! | 0 | queued |
//! | 1 | acknowledged by the broker, which is not yet durable: kept until the consumers confirm |
//! | 2 | expired or withdrawn; its tombstone is queued |
//! | 3 | its tombstone is acknowledged |
//! | 4 | set aside: the broker cannot take it (too large) or it is damaged; a tombstone stands in its place |
//!
//! After a lost session 1 and 4 go back to 0 and 3 to 2, as far as no watermark covers them.

use hearth_shared::time::UnixMillis;
use rusqlite::{Row as SqlRow, params};
use uuid::Uuid;

use super::outbox_page::{Fetch, Form, Page, Row, Sent};
use super::{Queries, StoreError, Tx};
use crate::uplink::message::{Body, Lane};

/// One message to send, not yet numbered.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The lane.
    pub lane: Lane,
    /// Id of what is told.
    pub id: Uuid,
    /// Patient id, where there is one.
    pub patient: Option<String>,
    /// What is told.
    pub body: Body,
    /// When it was made.
    pub created: UnixMillis,
    /// After this moment it must not be acted on.
    pub expires: Option<UnixMillis>,
}

/// Numbers a message and puts it into its lane. Returns the number.
///
/// # Errors
/// What SQLite answered; the caller's transaction is then rolled back.
pub fn push(tx: &Tx<'_>, message: &Outgoing) -> Result<u64, StoreError> {
    let lane = message.lane as u8;
    let seq: i64 = tx
        .transaction
        .prepare_cached("update lane set last = last + 1 where lane = ?1 returning last")?
        .query_row(params![lane], |row| row.get(0))?;
    let body = serde_json::to_string(&message.body).map_err(StoreError::Message)?;
    let kind = message.body.kind();
    let checksum = checksum(&Summed {
        lane,
        seq,
        id: message.id,
        kind,
        patient: message.patient.as_deref(),
        body: &body,
        created: message.created,
        expires: message.expires,
    });
    tx.transaction
        .prepare_cached(
            "insert into outbox (lane, seq, id, kind, patient, body, created_ms, expires_ms, checksum)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            lane,
            seq,
            message.id.as_bytes().as_slice(),
            kind,
            message.patient,
            body,
            message.created.millis(),
            message.expires.map(UnixMillis::millis),
            checksum,
        ])?;
    Ok(seq.unsigned_abs())
}

/// What the checksum covers; `state` and `acked_ms` change and stand outside.
struct Summed<'a> {
    lane: u8,
    seq: i64,
    id: Uuid,
    kind: &'a str,
    patient: Option<&'a str>,
    body: &'a str,
    created: UnixMillis,
    expires: Option<UnixMillis>,
}

fn checksum(row: &Summed<'_>) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[row.lane]);
    sum.update(&row.seq.to_le_bytes());
    sum.update(row.id.as_bytes());
    for text in [row.kind, row.patient.unwrap_or(""), row.body] {
        sum.update(&(text.len() as u64).to_le_bytes());
        sum.update(text.as_bytes());
    }
    sum.update(&row.created.millis().to_le_bytes());
    sum.update(&row.expires.map_or(i64::MIN, UnixMillis::millis).to_le_bytes());
    sum.finalize()
}

const COLUMNS: &str = "lane, seq, id, kind, patient, body, created_ms, expires_ms, state, checksum";

fn read_row(row: &SqlRow<'_>) -> Result<Row, rusqlite::Error> {
    let lane_number: u8 = row.get(0)?;
    let seq: i64 = row.get(1)?;
    let id: Vec<u8> = row.get(2)?;
    let id = Uuid::from_slice(&id).unwrap_or_default();
    let kind: String = row.get(3)?;
    let patient: Option<String> = row.get(4)?;
    let body: String = row.get(5)?;
    let created = UnixMillis::from_millis(row.get(6)?);
    let expires = row.get::<_, Option<i64>>(7)?.map(UnixMillis::from_millis);
    let state: i64 = row.get(8)?;
    let sum = checksum(&Summed {
        lane: lane_number,
        seq,
        id,
        kind: &kind,
        patient: patient.as_deref(),
        body: &body,
        created,
        expires,
    });
    let damaged = row.get::<_, i64>(9)? != i64::from(sum);
    Ok(Row {
        lane: if lane_number == Lane::Alerts as u8 { Lane::Alerts } else { Lane::Observations },
        seq: seq.unsigned_abs(),
        id,
        kind,
        patient,
        body,
        created,
        expires,
        tombstone: matches!(state, 2 | 3),
        damaged,
    })
}

/// A number as SQLite keeps it; numbers beyond its range cannot have been given.
fn sql(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// The next rows of a lane: queued ones, or for a replay all that are still kept.
///
/// # Errors
/// What SQLite answered.
pub fn page(from: &impl Queries, fetch: &Fetch) -> Result<Page, StoreError> {
    let connection = from.connection();
    let lane = fetch.lane as u8;
    let last: i64 = connection
        .prepare_cached("select last from lane where lane = ?1")?
        .query_row(params![lane], |row| row.get(0))?;
    let sql_text = match fetch.replay_to {
        None => format!(
            "select {COLUMNS} from outbox where lane = ?1 and seq > ?2 and seq <= ?3
             and state in (0, 2) order by seq limit ?4"
        ),
        Some(_) => format!(
            "select {COLUMNS} from outbox where lane = ?1 and seq > ?2 and seq <= ?3
             order by seq limit ?4"
        ),
    };
    let to = fetch.replay_to.map_or(i64::MAX, sql);
    let rows = connection
        .prepare_cached(&sql_text)?
        .query_map(params![lane, sql(fetch.after), to, fetch.limit], read_row)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Page { rows, last: last.unsigned_abs() })
}

/// Notes what the broker acknowledged. A row that was withdrawn meanwhile keeps its tombstone queued.
///
/// # Errors
/// What SQLite answered.
pub fn acknowledge(tx: &Tx<'_>, sent: &[Sent], at: UnixMillis) -> Result<(), StoreError> {
    let mut set_aside = 0_u64;
    for one in sent {
        let (to, from, or) = match one.form {
            Form::Message => (1, 0, 0),
            Form::Tombstone => (3, 0, 2),
            Form::SetAside => (4, 0, 0),
        };
        let changed = tx
            .transaction
            .prepare_cached(
                "update outbox set state = ?1, acked_ms = ?2
                 where lane = ?3 and seq = ?4 and state in (?5, ?6)",
            )?
            .execute(params![to, at.millis(), one.lane as u8, sql(one.seq), from, or])?;
        if one.form == Form::SetAside && changed > 0 {
            set_aside += 1;
        }
    }
    count(tx, "uplink_set_aside", set_aside)
}

/// Replaces a message by its tombstone, unless it is one already. Returns whether it was still there.
///
/// # Errors
/// What SQLite answered.
pub fn withdraw(tx: &Tx<'_>, id: Uuid) -> Result<bool, StoreError> {
    let changed = tx
        .transaction
        .prepare_cached("update outbox set state = 2 where id = ?1 and state in (0, 1, 4)")?
        .execute(params![id.as_bytes().as_slice()])?;
    Ok(changed > 0)
}

/// Takes the words out of every kept prompt to a patient, whose name may stand in them, and puts
/// tombstones in their place. Returns how many there were.
///
/// # Errors
/// What SQLite answered.
pub fn blank_prompts(tx: &Tx<'_>, patient: &str) -> Result<u64, StoreError> {
    let lane = Lane::Alerts as u8;
    let select = format!(
        "select {COLUMNS} from outbox where lane = ?1 and kind = 'prompt' and patient = ?2"
    );
    let rows = tx
        .transaction
        .prepare_cached(&select)?
        .query_map(params![lane, patient], read_row)?
        .collect::<Result<Vec<_>, _>>()?;
    for row in &rows {
        let Ok(Body::Prompt(mut prompt)) = serde_json::from_str(&row.body) else { continue };
        prompt.text.clear();
        let body = serde_json::to_string(&Body::Prompt(prompt)).map_err(StoreError::Message)?;
        let sum = checksum(&Summed {
            lane,
            seq: sql(row.seq),
            id: row.id,
            kind: &row.kind,
            patient: row.patient.as_deref(),
            body: &body,
            created: row.created,
            expires: row.expires,
        });
        tx.transaction
            .prepare_cached(
                "update outbox set body = ?3, checksum = ?4,
                     state = case when state in (0, 1, 4) then 2 else state end
                 where lane = ?1 and seq = ?2",
            )?
            .execute(params![lane, sql(row.seq), body, sum])?;
    }
    Ok(rows.len() as u64)
}

/// Queues again what the broker had acknowledged and no consumer of `consumers` has confirmed; without
/// named consumers nothing, because nobody will ever confirm. Returns how many rows.
///
/// # Errors
/// What SQLite answered.
pub fn requeue(tx: &Tx<'_>, consumers: &[String]) -> Result<u64, StoreError> {
    let mut requeued = 0_u64;
    if consumers.is_empty() {
        return Ok(0);
    }
    for lane in Lane::ALL {
        let confirmed = super::watermark::confirmed(tx, consumers, lane)?;
        let changed = tx
            .transaction
            .prepare_cached(
                "update outbox set state = case state when 3 then 2 else 0 end
                 where lane = ?1 and seq > ?2 and state in (1, 3, 4)",
            )?
            .execute(params![lane as u8, sql(confirmed)])?;
        requeued += changed as u64;
    }
    count(tx, "uplink_requeued", requeued)?;
    Ok(requeued)
}

/// Rows a call of [`forget`] removes at most, so that it never holds up intake.
pub const FORGET_MAX: u32 = 2_000;

/// Removes what need not be kept: with named consumers what all of them confirmed, without any what
/// the broker acknowledged before `acknowledged_before`. At most [`FORGET_MAX`] rows per lane and call;
/// returns how many were removed.
///
/// # Errors
/// What SQLite answered.
pub fn forget(
    tx: &Tx<'_>,
    consumers: &[String],
    acknowledged_before: UnixMillis,
) -> Result<u64, StoreError> {
    let mut removed = 0_u64;
    for lane in Lane::ALL {
        let changed = if consumers.is_empty() {
            tx.transaction
                .prepare_cached(
                    "delete from outbox where lane = ?1 and seq in (select seq from outbox
                     where lane = ?1 and state in (1, 3, 4) and acked_ms < ?2
                     order by seq limit ?3)",
                )?
                .execute(params![lane as u8, acknowledged_before.millis(), FORGET_MAX])?
        } else {
            let confirmed = super::watermark::confirmed(tx, consumers, lane)?;
            tx.transaction
                .prepare_cached(
                    "delete from outbox where lane = ?1 and seq in (select seq from outbox
                     where lane = ?1 and seq <= ?2 and state <> 2 order by seq limit ?3)",
                )?
                .execute(params![lane as u8, sql(confirmed), FORGET_MAX])?
        };
        removed += changed as u64;
    }
    Ok(removed)
}

/// How much waits on one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The lane.
    pub lane: Lane,
    /// Rows not yet acknowledged by the broker.
    pub queued: u64,
    /// When the oldest of them was made.
    pub oldest: Option<UnixMillis>,
    /// Rows kept, acknowledged or not.
    pub kept: u64,
    /// Rows set aside because the broker cannot take them, or damaged.
    pub set_aside: u64,
    /// Last number given.
    pub last: u64,
}

/// How much waits, per lane.
///
/// # Errors
/// What SQLite answered.
pub fn backlog(from: &impl Queries) -> Result<[Backlog; 2], StoreError> {
    let of = |lane: Lane| -> Result<Backlog, StoreError> {
        let backlog = from
            .connection()
            .prepare_cached(
                "select (select count(*) from outbox where lane = ?1 and state in (0, 2)),
                        (select created_ms from outbox where lane = ?1 and state in (0, 2)
                         order by seq limit 1),
                        (select count(*) from outbox where lane = ?1),
                        (select count(*) from outbox where lane = ?1 and state = 4),
                        (select last from lane where lane = ?1)",
            )?
            .query_row(params![lane as u8], |row| {
                Ok(Backlog {
                    lane,
                    queued: row.get::<_, i64>(0)?.unsigned_abs(),
                    oldest: row.get::<_, Option<i64>>(1)?.map(UnixMillis::from_millis),
                    kept: row.get::<_, i64>(2)?.unsigned_abs(),
                    set_aside: row.get::<_, i64>(3)?.unsigned_abs(),
                    last: row.get::<_, i64>(4)?.unsigned_abs(),
                })
            })?;
        Ok(backlog)
    };
    Ok([of(Lane::Alerts)?, of(Lane::Observations)?])
}

fn count(tx: &Tx<'_>, name: &str, n: u64) -> Result<(), StoreError> {
    if n > 0 { super::counter::add(tx, name, n) } else { Ok(()) }
}

/// Adds to a counter of the uplink, e.g. `uplink_refused_not_authorised`.
///
/// # Errors
/// What SQLite answered.
pub fn count_uplink(tx: &Tx<'_>, name: &str, n: u32) -> Result<(), StoreError> {
    count(tx, name, u64::from(n))
}

/// Puts a tombstone in the place of every number of a lane that is missing between the first row kept
/// and the last number given (after damage), so that a consumer is told instead of waiting. Returns
/// how many there were.
///
/// # Errors
/// What SQLite answered.
pub(super) fn fill_gaps(tx: &Tx<'_>) -> Result<u64, StoreError> {
    let mut filled = 0;
    for lane in Lane::ALL {
        let lane = lane as u8;
        tx.transaction.execute(
            "update lane set last = max(last, coalesce((select max(seq) from outbox where lane = ?1), 0))
             where lane = ?1",
            [lane],
        )?;
        let missing: Vec<i64> = {
            let mut statement = tx.transaction.prepare(
                "with recursive n (seq) as (
                   select min(seq) from outbox where lane = ?1
                   union all select seq + 1 from n
                     where seq < (select last from lane where lane = ?1))
                 select seq from n where seq is not null
                   and not exists (select 1 from outbox o where o.lane = ?1 and o.seq = n.seq)",
            )?;
            let rows = statement.query_map([lane], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        for seq in missing {
            let created = UnixMillis::from_millis(0);
            let checksum = checksum(&Summed {
                lane,
                seq,
                id: Uuid::nil(),
                kind: "lost",
                patient: None,
                body: "{}",
                created,
                expires: None,
            });
            tx.transaction.execute(
                "insert into outbox (lane, seq, id, kind, body, created_ms, state, checksum)
                 values (?1, ?2, ?3, 'lost', '{}', 0, 2, ?4)",
                params![lane, seq, Uuid::nil().as_bytes().as_slice(), checksum],
            )?;
            filled += 1;
        }
    }
    Ok(filled)
}

/// Calls `each` with lane, number and whether the row does not fit its checksum, for every message.
/// Returns how many there are.
///
/// # Errors
/// What SQLite answered.
pub(super) fn scan(
    q: &impl Queries,
    mut each: impl FnMut(Lane, u64, bool),
) -> Result<u64, StoreError> {
    let sql = format!("select {COLUMNS} from outbox order by lane, seq");
    let mut statement = q.connection().prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut n = 0;
    while let Some(row) = rows.next()? {
        n += 1;
        // A column of the wrong type is damage, too.
        match read_row(row) {
            Ok(row) => each(row.lane, row.seq, row.damaged),
            Err(_) => each(Lane::Observations, row.get::<_, i64>(1)?.unsigned_abs(), true),
        }
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::store::Store;
    use crate::store::watermark::{self, Taken};
    use crate::uplink::message::{Task, Watermark};

    fn store(name: &str, rows: u64) -> Store {
        let mut store = Store::open_shared_memory(name).unwrap();
        in_tx(&mut store, |tx| (1..=rows).try_for_each(|n| push(tx, &message(n)).map(|_| ())));
        store
    }

    fn in_tx<T>(store: &mut Store, work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> T {
        store.transaction(work).unwrap()
    }

    fn message(n: u64) -> Outgoing {
        Outgoing {
            lane: Lane::Alerts,
            id: Uuid::from_u128(u128::from(n)),
            patient: None,
            body: Body::Task(Task {
                task: "call".into(),
                reason: "Why".into(),
                level: "A".into(),
                state: "open".into(),
                need: None,
            }),
            created: UnixMillis::from_millis(5),
            expires: None,
        }
    }

    fn queued(store: &mut Store) -> Vec<(u64, bool)> {
        let fetch = Fetch { lane: Lane::Alerts, after: 0, limit: 100, replay_to: None };
        let page = in_tx(store, |tx| page(tx, &fetch));
        page.rows.iter().map(|r| (r.seq, r.tombstone)).collect()
    }

    fn sent(seq: u64, form: Form) -> Sent {
        Sent { lane: Lane::Alerts, seq, form }
    }

    fn confirm(store: &mut Store, consumer: &str, seq: u64) -> Taken {
        let mark = Watermark { consumer: consumer.into(), lane: Lane::Alerts, seq };
        in_tx(store, |tx| watermark::store(tx, &mark, UnixMillis::from_millis(9)))
    }

    const AT: UnixMillis = UnixMillis::from_millis(10);

    #[test]
    fn numbers_have_no_gap_even_after_a_rollback() {
        let mut store = store("outbox_gapless", 2);
        let failed: Result<(), StoreError> = store.transaction(|tx| {
            push(tx, &message(3))?;
            Err(StoreError::Sqlite(rusqlite::Error::InvalidQuery))
        });
        assert!(failed.is_err());
        assert_eq!(in_tx(&mut store, |tx| push(tx, &message(3))), 3);
        assert_eq!(queued(&mut store), [(1, false), (2, false), (3, false)]);
    }

    #[test]
    fn what_no_consumer_confirmed_is_queued_again_and_kept() {
        let mut store = store("outbox_requeue", 4);
        let both = ["a".to_owned(), "b".to_owned()];
        let all = [
            sent(1, Form::Message),
            sent(2, Form::Message),
            sent(3, Form::Tombstone),
            sent(4, Form::SetAside),
        ];
        in_tx(&mut store, |tx| acknowledge(tx, &all, AT));
        assert_eq!(queued(&mut store), []);
        confirm(&mut store, "a", 4);
        // One consumer is not all of them.
        assert_eq!(in_tx(&mut store, |tx| forget(tx, &both, AT)), 0);
        confirm(&mut store, "b", 1);
        assert_eq!(in_tx(&mut store, |tx| forget(tx, &both, AT)), 1);
        assert_eq!(in_tx(&mut store, |tx| requeue(tx, &both)), 3);
        assert_eq!(queued(&mut store), [(2, false), (3, true), (4, false)]);
        // Without named consumers nobody will ever confirm: days count instead.
        assert_eq!(in_tx(&mut store, |tx| requeue(tx, &[])), 0);
        in_tx(&mut store, |tx| acknowledge(tx, &all, AT));
        assert_eq!(in_tx(&mut store, |tx| forget(tx, &[], AT)), 0);
        assert_eq!(in_tx(&mut store, |tx| forget(tx, &[], AT.plus_seconds(1))), 3);
    }

    #[test]
    fn a_row_withdrawn_under_way_still_owes_its_tombstone() {
        let mut store = store("outbox_withdraw", 1);
        assert!(in_tx(&mut store, |tx| withdraw(tx, Uuid::from_u128(1))));
        in_tx(&mut store, |tx| acknowledge(tx, &[sent(1, Form::Message)], AT));
        assert_eq!(queued(&mut store), [(1, true)]);
        in_tx(&mut store, |tx| acknowledge(tx, &[sent(1, Form::Tombstone)], AT));
        assert_eq!(queued(&mut store), []);
        assert!(!in_tx(&mut store, |tx| withdraw(tx, Uuid::from_u128(1))));
    }

    #[test]
    fn a_watermark_only_moves_forward_and_never_beyond_what_was_given() {
        let mut store = store("outbox_watermark", 3);
        assert_eq!(confirm(&mut store, "a", 2), Taken::Moved);
        assert_eq!(confirm(&mut store, "a", 1), Taken::Known);
        assert_eq!(confirm(&mut store, "a", 4), Taken::Beyond { last: 3 });
        let list = in_tx(&mut store, |tx| watermark::list(tx));
        assert_eq!((list.len(), list[0].seq), (1, 2));
    }

    #[test]
    fn a_flipped_bit_is_never_sent_as_a_value() {
        let mut store = store("outbox_flip", 3);
        in_tx(&mut store, |tx| {
            let flip = "update outbox set body = replace(body, 'Why', 'Whx') where seq = 2";
            Ok(tx.transaction.execute(flip, [])?)
        });
        let fetch = Fetch { lane: Lane::Alerts, after: 0, limit: 100, replay_to: Some(9) };
        let page = in_tx(&mut store, |tx| page(tx, &fetch));
        assert_eq!(page.rows.iter().map(|r| r.damaged).collect::<Vec<_>>(), [false, true, false]);
    }
}
