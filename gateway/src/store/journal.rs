//! What arrived, before anybody judged it. Only `outcome` and `detail` of a row ever change; the
//! rest is under its checksum.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, Row, params};

use super::checksum::Sum;
use super::{Queries, StoreError, Tx};
use crate::clock::{BootId, Now};
use crate::intake::{Arrival, LineFormat, LinkSecurity, Payload, VendorProtocol};

/// What a raw row is. The codes are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The value of a GATT characteristic.
    Gatt = 1,
    /// One line of a recorded file.
    Line = 2,
    /// A command, as its octets came in.
    Command = 3,
    /// A trial row: proves that a commit works.
    Probe = 4,
    /// A record in a maker's own protocol.
    Vendor = 5,
}

/// What became of a raw row. The codes are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RowOutcome {
    /// Not yet judged: decoded at the next start.
    Pending = 0,
    /// At least one observation came of it.
    Observed = 1,
    /// A second copy, in other octets, of a reading already held.
    Duplicate = 2,
    /// Kept with a reason; nobody acts on it.
    Quarantined = 3,
    /// No reading is in it.
    Noted = 4,
    /// A command that was executed, or a probe.
    Done = 5,
}

impl RowOutcome {
    /// All outcomes in the order of their codes.
    pub const ALL: [RowOutcome; 6] = [
        Self::Pending,
        Self::Observed,
        Self::Duplicate,
        Self::Quarantined,
        Self::Noted,
        Self::Done,
    ];

    /// The word used in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Observed => "observed",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
            Self::Noted => "noted",
            Self::Done => "done",
        }
    }

    /// The outcome with this stored code.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|o| *o as i64 == code)
    }
}

/// The immutable columns of a row, as they go in and come out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Columns<'a> {
    seq: i64,
    kind: i64,
    device: Option<&'a str>,
    characteristic: Option<i64>,
    payload: &'a [u8],
    received: UnixMillis,
    monotonic_ms: i64,
    boot: &'a [u8],
    trusted: i64,
    connection: i64,
    position: i64,
    link: i64,
    clock_offset_s: Option<i64>,
}

impl Columns<'_> {
    fn checksum(&self) -> u32 {
        let mut sum = Sum::default();
        sum.int(self.seq).int(self.kind).text(self.device).optional(self.characteristic);
        sum.blob(self.payload).int(self.received.millis()).int(self.monotonic_ms).blob(self.boot);
        sum.int(self.trusted).int(self.connection).int(self.position).int(self.link);
        sum.optional(self.clock_offset_s).finish()
    }
}

/// Appends one arrival with what became of it. Returns its number.
///
/// # Errors
/// What SQLite answered; the caller's transaction is then rolled back.
pub fn append(
    tx: &Tx<'_>,
    arrival: &Arrival,
    outcome: RowOutcome,
    detail: Option<&str>,
) -> Result<i64, StoreError> {
    let (kind, characteristic, octets) = match &arrival.payload {
        Payload::Gatt { characteristic, octets } => (Kind::Gatt, *characteristic, octets),
        Payload::Line { format, octets } => (Kind::Line, *format as u16, octets),
        Payload::Vendor { protocol, octets } => (Kind::Vendor, *protocol as u16, octets),
    };
    insert(
        tx,
        &Columns {
            seq: tx.next("journal")?,
            kind: kind as i64,
            device: Some(&arrival.device),
            characteristic: Some(i64::from(characteristic)),
            payload: octets,
            received: arrival.received.wall,
            monotonic_ms: signed(arrival.received.monotonic_ms),
            boot: &arrival.received.boot.0,
            trusted: i64::from(arrival.received.trusted),
            connection: i64::from(arrival.connection),
            position: i64::from(arrival.position),
            link: link_bits(arrival.link),
            clock_offset_s: arrival.clock_offset_s,
        },
        outcome,
        detail,
    )
}

/// Appends the octets of a command, or a probe (empty octets). Returns the row's number.
///
/// # Errors
/// What SQLite answered.
pub fn append_command(
    tx: &Tx<'_>,
    kind: Kind,
    octets: &[u8],
    now: &Now,
    outcome: RowOutcome,
    detail: Option<&str>,
) -> Result<i64, StoreError> {
    let columns = Columns {
        seq: tx.next("journal")?,
        kind: kind as i64,
        device: None,
        characteristic: None,
        payload: octets,
        received: now.wall,
        monotonic_ms: signed(now.monotonic_ms),
        boot: &now.boot.0,
        trusted: i64::from(now.trusted),
        connection: 0,
        position: 0,
        link: 0,
        clock_offset_s: None,
    };
    insert(tx, &columns, outcome, detail)
}

fn insert(
    tx: &Tx<'_>,
    c: &Columns<'_>,
    outcome: RowOutcome,
    detail: Option<&str>,
) -> Result<i64, StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into journal (seq, kind, device, characteristic, payload, received_ms,
               monotonic_ms, boot, clock_trusted, connection, position, link, clock_offset_s,
               checksum, outcome, detail)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            c.seq,
            c.kind,
            c.device,
            c.characteristic,
            c.payload,
            c.received.millis(),
            c.monotonic_ms,
            c.boot,
            c.trusted,
            c.connection,
            c.position,
            c.link,
            c.clock_offset_s,
            c.checksum(),
            outcome as i64,
            detail,
        ])?;
    Ok(c.seq)
}

/// Says what became of a row.
///
/// # Errors
/// What SQLite answered.
pub fn settle(
    tx: &Tx<'_>,
    seq: i64,
    outcome: RowOutcome,
    detail: Option<&str>,
) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached("update journal set outcome = ?2, detail = ?3 where seq = ?1")?
        .execute(params![seq, outcome as i64, detail])?;
    Ok(())
}

/// A raw row read back, its checksum verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub seq: i64,
    /// Code of [`Kind`].
    pub kind: i64,
    /// The arrival, for [`Kind::Gatt`], and for [`Kind::Line`] and [`Kind::Vendor`] of a known kind.
    pub arrival: Option<Arrival>,
    /// The raw octets.
    pub octets: Vec<u8>,
    /// When it was received.
    pub received: UnixMillis,
    /// What became of it.
    pub outcome: RowOutcome,
    /// Why, in words.
    pub detail: Option<String>,
}

const COLUMNS: &str = "seq, kind, device, characteristic, payload, received_ms, monotonic_ms, boot,
    clock_trusted, connection, position, link, clock_offset_s, checksum, outcome, detail";

fn stored(row: &Row<'_>) -> Result<Stored, StoreError> {
    let seq: i64 = row.get(0)?;
    let damaged = || StoreError::Row { table: "journal", seq };
    let columns = columns(row).map_err(|_| damaged())?;
    let sum: i64 = row.get(13).map_err(|_| damaged())?;
    if i64::from(columns.checksum()) != sum {
        return Err(damaged());
    }
    Ok(Stored {
        seq,
        kind: columns.kind,
        arrival: arrival(&columns),
        octets: columns.payload.to_vec(),
        received: columns.received,
        // An unknown code comes from a flipped bit outside the checksum: judge the row again.
        outcome: row.get(14).ok().and_then(RowOutcome::from_code).unwrap_or(RowOutcome::Pending),
        detail: row.get(15).unwrap_or(None),
    })
}

fn columns<'r>(row: &'r Row<'_>) -> Result<Columns<'r>, rusqlite::Error> {
    Ok(Columns {
        seq: row.get(0)?,
        kind: row.get(1)?,
        device: row.get_ref(2)?.as_str_or_null()?,
        characteristic: row.get(3)?,
        payload: row.get_ref(4)?.as_blob()?,
        received: UnixMillis::from_millis(row.get(5)?),
        monotonic_ms: row.get(6)?,
        boot: row.get_ref(7)?.as_blob()?,
        trusted: row.get(8)?,
        connection: row.get(9)?,
        position: row.get(10)?,
        link: row.get(11)?,
        clock_offset_s: row.get(12)?,
    })
}

fn arrival(c: &Columns<'_>) -> Option<Arrival> {
    let characteristic = u16::try_from(c.characteristic?).ok()?;
    let octets = c.payload.to_vec();
    let payload = match c.kind {
        1 => Payload::Gatt { characteristic, octets },
        2 => Payload::Line { format: LineFormat::from_code(characteristic)?, octets },
        5 => Payload::Vendor { protocol: VendorProtocol::from_code(characteristic)?, octets },
        _ => return None,
    };
    Some(Arrival {
        device: c.device?.to_owned(),
        payload,
        received: Now {
            wall: c.received,
            monotonic_ms: c.monotonic_ms.unsigned_abs(),
            boot: BootId(c.boot.try_into().ok()?),
            trusted: c.trusted != 0,
        },
        connection: u32::try_from(c.connection).ok()?,
        position: u32::try_from(c.position).ok()?,
        clock_offset_s: c.clock_offset_s,
        link: link_from_bits(c.link),
    })
}

/// One row, or `None`.
///
/// # Errors
/// [`StoreError::Row`] where the checksum does not fit.
pub fn get(q: &impl Queries, seq: i64) -> Result<Option<Stored>, StoreError> {
    let sql = format!("select {COLUMNS} from journal where seq = ?1");
    let mut statement = q.connection().prepare_cached(&sql)?;
    statement.query_row([seq], |row| Ok(stored(row))).optional()?.transpose()
}

/// Up to `limit` rows after `after` that nobody has judged, oldest first; a row that does not fit
/// its checksum stands as an error in its place.
///
/// # Errors
/// What SQLite answered.
#[allow(clippy::type_complexity)]
pub fn pending(
    q: &impl Queries,
    after: i64,
    limit: u32,
) -> Result<Vec<Result<Stored, StoreError>>, StoreError> {
    let sql = format!(
        "select {COLUMNS} from journal where outcome = 0 and seq > ?1 order by seq limit ?2"
    );
    let mut statement = q.connection().prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, limit], |row| Ok(stored(row)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Calls `each` with every row after `after`, oldest first, checksums verified.
///
/// # Errors
/// What SQLite answered, or what `each` returned.
pub fn scan<E: From<StoreError>>(
    q: &impl Queries,
    after: i64,
    mut each: impl FnMut(Result<Stored, StoreError>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = format!("select {COLUMNS} from journal where seq > ?1 order by seq");
    let mut statement = q.connection().prepare_cached(&sql).map_err(StoreError::from)?;
    let mut rows = statement.query([after]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        each(stored(row))?;
    }
    Ok(())
}

/// The row whose content was judged before without becoming an observation of its own, or that has
/// left since ([`super::retention`]).
///
/// # Errors
/// What SQLite answered.
pub fn known(q: &impl Queries, id: &uuid::Uuid) -> Result<Option<i64>, StoreError> {
    Ok(q.connection()
        .prepare_cached(
            "select journal_seq from known where id = ?1
             union all select journal_seq from forgotten where id = ?1 limit 1",
        )?
        .query_row([id.as_bytes().as_slice()], |row| row.get(0))
        .optional()?)
}

/// Remembers content that became no observation of its own.
///
/// # Errors
/// What SQLite answered.
pub fn remember(tx: &Tx<'_>, id: &uuid::Uuid, journal_seq: i64) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached("insert or ignore into known (id, journal_seq) values (?1, ?2)")?
        .execute(params![id.as_bytes().as_slice(), journal_seq])?;
    Ok(())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Two bits a fact: 0 unknown, 2 no, 3 yes.
fn link_bits(link: LinkSecurity) -> i64 {
    let facts = [link.encrypted, link.authenticated, link.secure_connections];
    facts.iter().rev().fold(0, |bits, fact| bits << 2 | fact.map_or(0, |yes| 2 | i64::from(yes)))
}

fn link_from_bits(bits: i64) -> LinkSecurity {
    let fact = |place: u32| match bits >> (2 * place) & 3 {
        2 => Some(false),
        3 => Some(true),
        _ => None,
    };
    LinkSecurity { encrypted: fact(0), authenticated: fact(1), secure_connections: fact(2) }
}

/// The last number given; 0 in an empty journal.
///
/// # Errors
/// What SQLite answered.
pub fn last(q: &impl Queries) -> Result<i64, StoreError> {
    Ok(q.connection()
        .prepare_cached("select coalesce(max(seq), 0) from journal")?
        .query_row([], |row| row.get(0))?)
}

/// How many rows nobody has judged.
///
/// # Errors
/// What SQLite answered.
pub fn count_pending(q: &impl Queries) -> Result<u64, StoreError> {
    let n: i64 = q
        .connection()
        .prepare_cached("select count(*) from journal where outcome = 0")?
        .query_row([], |row| row.get(0))?;
    Ok(n.unsigned_abs())
}

/// The rows of a device that were quarantined for this reason, oldest first; a damaged one is left
/// out, it is found and counted elsewhere.
///
/// # Errors
/// What SQLite answered.
pub fn quarantined(
    q: &impl Queries,
    device: &str,
    reason: &str,
) -> Result<Vec<(i64, Arrival)>, StoreError> {
    let sql = format!(
        "select {COLUMNS} from journal where outcome = 3 and device = ?1 and detail = ?2
         order by seq"
    );
    let mut statement = q.connection().prepare_cached(&sql)?;
    let rows = statement.query_map(params![device, reason], |row| Ok(stored(row)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?.into_iter().filter_map(Result::ok);
    Ok(rows.filter_map(|row| row.arrival.map(|arrival| (row.seq, arrival))).collect())
}

/// Lets the rows of a device that were quarantined for this reason be judged again.
///
/// # Errors
/// What SQLite answered.
pub fn release(tx: &Tx<'_>, device: &str, reason: &str) -> Result<usize, StoreError> {
    tx.transaction.execute(
        "delete from known where journal_seq in
           (select seq from journal where outcome = 3 and device = ?1 and detail = ?2)",
        params![device, reason],
    )?;
    Ok(tx.transaction.execute(
        "update journal set outcome = 0, detail = null
         where outcome = 3 and device = ?1 and detail = ?2",
        params![device, reason],
    )?)
}

/// Stands in for a raw row that was damaged or is gone: empty, quarantined, with a checksum of its
/// own.
///
/// # Errors
/// What SQLite answered.
pub(super) fn stand_in(tx: &Tx<'_>, seq: i64) -> Result<(), StoreError> {
    let columns = Columns {
        seq,
        kind: Kind::Probe as i64,
        device: None,
        characteristic: None,
        payload: &[],
        received: UnixMillis::from_millis(0),
        monotonic_ms: 0,
        boot: &[0; 16],
        trusted: 0,
        connection: 0,
        position: 0,
        link: 0,
        clock_offset_s: None,
    };
    tx.transaction.execute(
        "insert into journal (seq, kind, payload, received_ms, monotonic_ms, boot, clock_trusted,
           connection, position, link, checksum, outcome, detail)
         values (?1, ?2, x'', 0, 0, ?3, 0, 0, 0, 0, ?4, 3, 'damaged: the octets are lost')
         on conflict (seq) do update set kind = excluded.kind, device = null,
           characteristic = null, payload = excluded.payload, received_ms = 0, monotonic_ms = 0,
           boot = excluded.boot, clock_trusted = 0, connection = 0, position = 0, link = 0,
           clock_offset_s = null, checksum = excluded.checksum, outcome = 3,
           detail = excluded.detail",
        params![seq, columns.kind, columns.boot, columns.checksum()],
    )?;
    Ok(())
}
