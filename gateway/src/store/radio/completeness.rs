//! Whether everything a device holds is here, and has gone on.

use rusqlite::{OptionalExtension, params};

use crate::store::{Queries, StoreError, watermark};
use crate::uplink::message::Lane;

/// Stretches of missing record numbers that are told; more are of no use to a person.
pub const MISSING_MAX: usize = 20;

/// Glucose Measurement.
const GLUCOSE: u16 = 0x2A18;

/// What a device says it holds, beside what is here and what has gone on: one record is one raw row,
/// however many values it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Records it said it holds.
    pub held: Option<u32>,
    /// Oldest record number it said it holds.
    pub first: Option<u16>,
    /// Newest.
    pub last: Option<u16>,
    /// When it said so, milliseconds since the epoch.
    pub said_ms: Option<i64>,
    /// Records of it in the journal, set-aside ones included.
    pub collected: u64,
    /// Of these, records that could not be taken as readings and are set aside.
    pub set_aside: u64,
    /// Of the collected ones, records that the broker has acknowledged.
    pub acknowledged: u64,
    /// Of these, records that every named consumer has confirmed; `None`: no consumer is named.
    pub confirmed: Option<u64>,
    /// How often it began to number its records anew.
    pub resets: u32,
    /// Stretches of numbers between `first` and `last` that are not in the journal, at most
    /// [`MISSING_MAX`]; empty where as many records are here as it holds, because numbers may be skipped.
    pub missing: Vec<(u16, u16)>,
    /// `complete`, `incomplete`, or `unknown` where the device does not say what it holds.
    pub verdict: String,
}

/// Whether everything the device holds is here, and has gone on. `consumers` are those that must
/// confirm a message.
///
/// # Errors
/// What SQLite answered.
pub fn completeness(
    q: &impl Queries,
    device: &str,
    consumers: &[String],
) -> Result<Completeness, StoreError> {
    let said = q
        .connection()
        .prepare_cached(
            "select records_held, record_first, record_last, records_ms, epoch, epoch_journal_seq
             from device_radio where device = ?1",
        )?
        .query_row([device], |row| {
            let found = Completeness {
                held: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
                said_ms: row.get(3)?,
                resets: row.get(4)?,
                ..Completeness::default()
            };
            Ok((found, row.get::<_, i64>(5)?))
        })
        .optional()?;
    let (mut found, since) = said.unwrap_or_default();
    counts(q, device, consumers, &mut found)?;
    let forgotten = q
        .connection()
        .prepare_cached("select exists(select 1 from forgotten)")?
        .query_row([], |row| row.get::<_, bool>(0))?;
    // After a restart of its numbering, old records stand here under their old numbers.
    let numbered = match (found.first, found.last) {
        (Some(first), Some(last)) if found.resets == 0 => Some((first, last)),
        _ => None,
    };
    if let Some((first, last)) = numbered {
        let numbers = numbers(q, device, since)?;
        // What has left by age is not missing.
        let oldest = numbers.first().copied().filter(|_| forgotten);
        let first = oldest.map_or(first, |oldest| oldest.max(first));
        let here = numbers.iter().filter(|n| (first..=last).contains(n)).count() as u64;
        if found.held.is_none_or(|held| here < u64::from(held)) {
            found.missing = missing(&numbers, first, last);
        }
    }
    let short = found.held.is_some_and(|held| !forgotten && found.collected < u64::from(held));
    found.verdict = match (found.held, numbered) {
        (Some(0), _) => "complete",
        (None, None) => "unknown",
        (_, Some(_)) if found.missing.is_empty() => "complete",
        (_, Some(_)) => "incomplete",
        _ if short => "incomplete",
        // It holds less than it ever sent, and does not number: only its last session can say.
        _ => match super::sessions(q, device, super::SESSIONS_MAX)?
            .iter()
            .find(|session| session.how != super::How::Failed)
            .map(|session| session.how)
        {
            Some(super::How::Complete) => "complete",
            Some(_) => "incomplete",
            None => "unknown",
        },
    }
    .to_owned();
    Ok(found)
}

fn counts(
    q: &impl Queries,
    device: &str,
    consumers: &[String],
    found: &mut Completeness,
) -> Result<(), StoreError> {
    let count = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<u64, StoreError> {
        let n = q
            .connection()
            .prepare_cached(sql)?
            .query_row(parameters, |row| row.get::<_, i64>(0))?;
        Ok(n.unsigned_abs())
    };
    let lane = Lane::Observations as u8;
    found.set_aside =
        count("select count(*) from journal where outcome = 3 and device = ?1", &[&device])?;
    let readings =
        count("select count(distinct journal_seq) from observation where device = ?1", &[&device])?;
    found.collected = readings + found.set_aside;
    let queued = count(
        "select count(distinct o.journal_seq) from observation o where o.device = ?1 and o.id in
           (select id from outbox where lane = ?2 and state in (0, 2, 4))",
        &[&device, &lane],
    )?;
    found.acknowledged = readings.saturating_sub(queued);
    if !consumers.is_empty() {
        let through = watermark::confirmed(q, consumers, Lane::Observations)?;
        let through = i64::try_from(through).unwrap_or(i64::MAX);
        let open = count(
            "select count(distinct o.journal_seq) from observation o where o.device = ?1 and o.id in
               (select id from outbox where lane = ?2 and seq > ?3)",
            &[&device, &lane, &through],
        )?;
        found.confirmed = Some(readings.saturating_sub(open));
    }
    Ok(())
}

/// Record numbers in the journal, of the numbering in use, ascending; set-aside glucose records, which have
/// their number behind one octet of flags (Glucose Service 3.1), included.
fn numbers(q: &impl Queries, device: &str, since: i64) -> Result<Vec<u16>, StoreError> {
    let mut statement = q.connection().prepare_cached(
        "select distinct sequence from observation
         where device = ?1 and sequence is not null and journal_seq > ?2",
    )?;
    let rows = statement.query_map(params![device, since], |row| row.get(0))?;
    let mut numbers = rows.collect::<Result<Vec<u16>, _>>()?;
    let mut statement = q.connection().prepare_cached(
        "select payload from journal
         where outcome = 3 and device = ?1 and characteristic = ?2 and seq > ?3",
    )?;
    let rows = statement.query_map(params![device, GLUCOSE, since], |row| row.get(0))?;
    for payload in rows.collect::<Result<Vec<Vec<u8>>, _>>()? {
        if let [_, low, high, ..] = payload[..] {
            numbers.push(u16::from_le_bytes([low, high]));
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Stretches of `first..=last` that are not among the ascending `numbers`.
pub(super) fn missing(numbers: &[u16], first: u16, last: u16) -> Vec<(u16, u16)> {
    let mut gaps = Vec::new();
    let mut next = u32::from(first);
    let inside = numbers.iter().filter(|n| (first..=last).contains(n)).map(|n| u32::from(*n));
    for number in inside.chain([u32::from(last) + 1]) {
        if number > next
            && let (Ok(from), Ok(to)) = (u16::try_from(next), u16::try_from(number - 1))
        {
            gaps.push((from, to));
        }
        next = number + 1;
    }
    gaps.truncate(MISSING_MAX);
    gaps
}
