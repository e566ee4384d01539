//! What the radio knows of a device beside its values: bond, clock, records held, sessions; and what
//! follows from it: where to go on asking, and whether everything the device holds is here.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, Row, params};

use super::{Queries, StoreError, Tx};

mod completeness;

pub use completeness::{Completeness, MISSING_MAX, completeness};

/// Sessions that are kept of each device: months of a daily cuff, two days of one that is met every
/// quarter of an hour.
pub const SESSIONS_MAX: u32 = 200;

/// What a session must know of a device before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceBriefing {
    /// Device id.
    pub device: String,
    /// Its kind.
    pub kind: String,
    /// Id of its model profile; `None`: to be recognised.
    pub profile: Option<String>,
    /// Number of the record that came last into the journal, of the numbering in use. Devices send
    /// in the order of their numbers; of one that does not, records come twice, and none is left out.
    pub cursor: Option<u16>,
    /// User slots with their consent codes.
    pub consents: Vec<(u8, u16)>,
    /// Whether a bond was made; `None`: not known.
    pub bonded: Option<bool>,
    /// `new`, `ok`, or the code of what was wrong when it was last met.
    pub state: String,
}

/// The briefing of the device in use at this address; `None`: nobody listed it.
///
/// # Errors
/// What SQLite answered.
pub fn briefing(q: &impl Queries, address: &str) -> Result<Option<DeviceBriefing>, StoreError> {
    let found = q
        .connection()
        .prepare_cached(
            "select d.id, d.kind, r.profile, r.bonded, coalesce(r.state, 'new'),
               (select o.sequence from observation o where o.device = d.id
                 and o.sequence is not null and o.journal_seq > coalesce(r.epoch_journal_seq, 0)
                 order by o.journal_seq desc limit 1)
             from device d left join device_radio r on r.device = d.id
             where d.address = upper(?1) and d.retired_ms is null",
        )?
        .query_row([address], |row| {
            Ok(DeviceBriefing {
                device: row.get(0)?,
                kind: row.get(1)?,
                profile: row.get(2)?,
                bonded: row.get(3)?,
                state: row.get(4)?,
                cursor: row.get(5)?,
                consents: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut briefing) = found else { return Ok(None) };
    briefing.consents = consents(q, &briefing.device)?;
    Ok(Some(briefing))
}

/// User slots of a device with their consent codes, by slot.
///
/// # Errors
/// What SQLite answered.
pub fn consents(q: &impl Queries, device: &str) -> Result<Vec<(u8, u16)>, StoreError> {
    let sql = "select slot, consent from device_slot where device = ?1 order by slot";
    let mut statement = q.connection().prepare_cached(sql)?;
    let rows = statement.query_map([device], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps the consent code of a user slot; `None`: there is none any more.
///
/// # Errors
/// What SQLite answered; unknown devices are refused.
pub fn consent(tx: &Tx<'_>, device: &str, slot: u8, code: Option<u16>) -> Result<(), StoreError> {
    match code {
        Some(code) => tx
            .transaction
            .prepare_cached(
                "insert into device_slot (device, slot, consent) values (?1, ?2, ?3)
                 on conflict (device, slot) do update set consent = excluded.consent",
            )?
            .execute(params![device, slot, code])?,
        None => tx
            .transaction
            .prepare_cached("delete from device_slot where device = ?1 and slot = ?2")?
            .execute(params![device, slot])?,
    };
    Ok(())
}

/// Makes the radio's row of a device, where there is none yet.
fn row(tx: &Tx<'_>, device: &str) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into device_radio (device) values (?1) on conflict (device) do nothing",
        )?
        .execute([device])?;
    Ok(())
}

/// The id of the device's model profile, where one was chosen or recognised.
///
/// # Errors
/// What SQLite answered.
pub fn profile(q: &impl Queries, device: &str) -> Result<Option<String>, StoreError> {
    let sql = "select profile from device_radio where device = ?1";
    let found = q.connection().prepare_cached(sql)?.query_row([device], |row| row.get(0));
    Ok(found.optional()?.flatten())
}

/// Keeps which model profile a device has.
///
/// # Errors
/// What SQLite answered; unknown devices are refused.
pub fn set_profile(tx: &Tx<'_>, device: &str, profile: &str) -> Result<(), StoreError> {
    row(tx, device)?;
    tx.transaction
        .prepare_cached("update device_radio set profile = ?2 where device = ?1")?
        .execute(params![device, profile])?;
    Ok(())
}

/// What is known of a bond; `None`: unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BondNote {
    /// A key is here.
    pub bonded: Option<bool>,
    /// It was made by LE Secure Connections.
    pub secure_connections: Option<bool>,
    /// It is protected against a man in the middle.
    pub authenticated: Option<bool>,
    /// Octets of the key.
    pub key_octets: Option<u8>,
}

/// Keeps what is known of a bond; replaces what was known.
///
/// # Errors
/// What SQLite answered; unknown devices are refused.
pub fn bond(tx: &Tx<'_>, device: &str, note: &BondNote, now: UnixMillis) -> Result<(), StoreError> {
    row(tx, device)?;
    tx.transaction
        .prepare_cached(
            "update device_radio set bonded = ?2, secure_connections = ?3, authenticated = ?4,
               key_octets = ?5, bonded_ms = ?6 where device = ?1",
        )?
        .execute(params![
            device,
            note.bonded,
            note.secure_connections,
            note.authenticated,
            note.key_octets,
            now.millis()
        ])?;
    Ok(())
}

/// Keeps how a device is: `ok`, `bond_lost`, `out_of_range`, or the code of another fault. The moment
/// stays as long as the word does.
///
/// # Errors
/// What SQLite answered; unknown devices are refused.
pub fn state(tx: &Tx<'_>, device: &str, word: &str, now: UnixMillis) -> Result<(), StoreError> {
    row(tx, device)?;
    tx.transaction
        .prepare_cached(
            "update device_radio set state = ?2, state_ms = ?3
             where device = ?1 and (state <> ?2 or state_ms is null)",
        )?
        .execute(params![device, word, now.millis()])?;
    Ok(())
}

/// The device began to number its records anew: what is known of the old numbers is no cursor any
/// more. To be called as soon as it is noticed, before the records are asked for again.
///
/// # Errors
/// What SQLite answered; unknown devices are refused.
pub fn sequence_reset(tx: &Tx<'_>, device: &str) -> Result<(), StoreError> {
    row(tx, device)?;
    tx.transaction
        .prepare_cached(
            "update device_radio set epoch = epoch + 1, record_first = null, record_last = null,
               epoch_journal_seq = (select coalesce(max(seq), 0) from journal) where device = ?1",
        )?
        .execute([device])?;
    Ok(())
}

/// How a session ended. The codes are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum How {
    /// Everything new was taken.
    Complete = 1,
    /// What came is good, more is there.
    Incomplete = 2,
    /// Nothing could be done.
    Failed = 3,
}

/// What one session found; `None` leaves what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionNote {
    /// Device id.
    pub device: String,
    /// When it began.
    pub started: UnixMillis,
    /// When it ended.
    pub ended: UnixMillis,
    /// How.
    pub how: How,
    /// Code of the fault, unless it was complete.
    pub code: Option<String>,
    /// Values that were committed.
    pub values: u32,
    /// Seconds its clock was behind ours before anything was set; negative: ahead.
    pub clock_before_s: Option<i64>,
    /// Its clock was set.
    pub clock_set: bool,
    /// The same after it was set and read back.
    pub clock_after_s: Option<i64>,
    /// Texts of the Device Information service by characteristic: 2A29, 2A24, 2A26, 2A27, 2A28.
    pub information: Vec<(u16, String)>,
    /// Records it holds.
    pub records_held: Option<u32>,
    /// Records it held from the cursor on.
    pub records_new: Option<u32>,
    /// Oldest and newest record number it holds.
    pub record_range: Option<(u16, u16)>,
    /// User slots that were registered, with their consent codes.
    pub registered: Vec<(u8, u16)>,
}

impl SessionNote {
    /// A session of which nothing more is known.
    pub fn new(
        device: impl Into<String>,
        (started, ended): (UnixMillis, UnixMillis),
        how: How,
    ) -> Self {
        Self {
            device: device.into(),
            started,
            ended,
            how,
            code: None,
            values: 0,
            clock_before_s: None,
            clock_set: false,
            clock_after_s: None,
            information: Vec::new(),
            records_held: None,
            records_new: None,
            record_range: None,
            registered: Vec::new(),
        }
    }
}

/// Keeps a session and what it found. The device's state becomes `ok`; or the code of a failed one, unless a
/// cause is known already ([`state`]).
///
/// # Errors
/// What SQLite answered; unknown devices are refused.
pub fn session(tx: &Tx<'_>, s: &SessionNote) -> Result<(), StoreError> {
    row(tx, &s.device)?;
    let (ended, device) = (s.ended.millis(), s.device.as_str());
    tx.transaction
        .prepare_cached(
            "insert into radio_session (device, started_ms, ended_ms, how, how_many, code)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![device, s.started.millis(), ended, s.how as u8, s.values, s.code])?;
    tx.transaction
        .prepare_cached(
            "delete from radio_session where device = ?1 and seq <= (select seq from radio_session
             where device = ?1 order by seq desc limit 1 offset ?2)",
        )?
        .execute(params![device, SESSIONS_MAX])?;
    let day = s.ended.seconds().div_euclid(86_400);
    let connected = s.ended.millis().saturating_sub(s.started.millis()).max(0);
    let counted = match s.how {
        How::Complete => "sessions_complete = sessions_complete + 1",
        How::Incomplete => "sessions_incomplete = sessions_incomplete + 1",
        How::Failed => "sessions_failed = sessions_failed + 1",
    };
    tx.transaction
        .prepare_cached(&format!(
            "update device_radio set {counted}, radio_day = ?2,
               radio_ms = ?3 + case when radio_day = ?2 then radio_ms else 0 end where device = ?1"
        ))?
        .execute(params![device, day, connected])?;
    if s.clock_before_s.is_some() || s.clock_set {
        tx.transaction
            .prepare_cached(
                "update device_radio set clock_before_s = ?2, clock_set = ?3, clock_after_s = ?4,
                   clock_ms = ?5 where device = ?1",
            )?
            .execute(params![device, s.clock_before_s, s.clock_set, s.clock_after_s, ended])?;
    }
    if s.records_held.is_some() || s.records_new.is_some() || s.record_range.is_some() {
        let (first, last) = (s.record_range.map(|r| r.0), s.record_range.map(|r| r.1));
        tx.transaction
            .prepare_cached(
                "update device_radio set records_held = coalesce(?2, records_held),
                   records_new = coalesce(?3, records_new),
                   record_first = coalesce(?4, record_first),
                   record_last = coalesce(?5, record_last), records_ms = ?6 where device = ?1",
            )?
            .execute(params![device, s.records_held, s.records_new, first, last, ended])?;
    }
    for (characteristic, text) in &s.information {
        let Some(column) = column_of(*characteristic) else { continue };
        let sql = format!("update device_radio set {column} = ?2 where device = ?1");
        tx.transaction.prepare_cached(&sql)?.execute(params![device, text])?;
    }
    for (slot, code) in &s.registered {
        consent(tx, device, *slot, Some(*code))?;
    }
    let word = match (s.how, &s.code) {
        (How::Failed, Some(code)) => code,
        (How::Failed, None) => "failed",
        _ => return state(tx, device, "ok", s.ended),
    };
    // A cause that was found out is not replaced by the next symptom of it.
    tx.transaction
        .prepare_cached(
            "update device_radio set state = ?2, state_ms = ?3
             where device = ?1 and state in ('new', 'ok')",
        )?
        .execute(params![device, word, ended])?;
    Ok(())
}

/// Where a text of the Device Information service stands. A serial number (2A25) is not kept.
fn column_of(characteristic: u16) -> Option<&'static str> {
    Some(match characteristic {
        0x2A29 => "manufacturer",
        0x2A24 => "model",
        0x2A26 => "firmware",
        0x2A27 => "hardware",
        0x2A28 => "software",
        _ => return None,
    })
}

/// The radio's row of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceRadio {
    /// Device id.
    pub device: String,
    /// Id of its model profile.
    pub profile: Option<String>,
    /// A key is here.
    pub bonded: Option<bool>,
    /// LE Secure Connections.
    pub secure_connections: Option<bool>,
    /// Protected against a man in the middle.
    pub authenticated: Option<bool>,
    /// Octets of the key.
    pub key_octets: Option<u8>,
    /// When the bond was last made or found gone, milliseconds since the epoch.
    pub bonded_ms: Option<i64>,
    /// `new`, `ok`, or the code of what is wrong.
    pub state: String,
    /// Since when, milliseconds since the epoch.
    pub state_ms: Option<i64>,
    /// Seconds its clock was behind ours; negative: ahead.
    pub clock_before_s: Option<i64>,
    /// It was set then.
    pub clock_set: Option<bool>,
    /// The same after it was set and read back.
    pub clock_after_s: Option<i64>,
    /// When, milliseconds since the epoch.
    pub clock_ms: Option<i64>,
    /// As it says.
    pub manufacturer: Option<String>,
    /// As it says.
    pub model: Option<String>,
    /// As it says.
    pub firmware: Option<String>,
    /// Sessions since it came onto the roster: complete, incomplete, failed.
    pub sessions: [u64; 3],
    /// UTC day (since 1970-01-01) of `radio_ms`.
    pub radio_day: Option<i64>,
    /// Milliseconds it was connected on that day.
    pub radio_ms: i64,
}

/// The radio's rows by device id; of one device, or of all that were met.
///
/// # Errors
/// What SQLite answered.
pub fn rows(q: &impl Queries, device: Option<&str>) -> Result<Vec<DeviceRadio>, StoreError> {
    let mut statement = q.connection().prepare_cached(
        "select device, profile, bonded, secure_connections, authenticated, key_octets, bonded_ms, state,
           state_ms, clock_before_s, clock_set, clock_after_s, clock_ms, manufacturer, model,
           firmware, sessions_complete, sessions_incomplete, sessions_failed, radio_day, radio_ms
         from device_radio where ?1 is null or device = ?1 order by device",
    )?;
    let rows = statement.query_map([device], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> Result<DeviceRadio, rusqlite::Error> {
    let count = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
    Ok(DeviceRadio {
        device: row.get(0)?,
        profile: row.get(1)?,
        bonded: row.get(2)?,
        secure_connections: row.get(3)?,
        authenticated: row.get(4)?,
        key_octets: row.get(5)?,
        bonded_ms: row.get(6)?,
        state: row.get(7)?,
        state_ms: row.get(8)?,
        clock_before_s: row.get(9)?,
        clock_set: row.get(10)?,
        clock_after_s: row.get(11)?,
        clock_ms: row.get(12)?,
        manufacturer: row.get(13)?,
        model: row.get(14)?,
        firmware: row.get(15)?,
        sessions: [count(16)?, count(17)?, count(18)?],
        radio_day: row.get(19)?,
        radio_ms: row.get(20)?,
    })
}

/// One session that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// When it began.
    pub started: UnixMillis,
    /// When it ended.
    pub ended: UnixMillis,
    /// How.
    pub how: How,
    /// Values that were committed.
    pub values: u32,
    /// Code of the fault, unless it was complete.
    pub code: Option<String>,
}

/// The last sessions of a device, newest first.
///
/// # Errors
/// What SQLite answered.
pub fn sessions(q: &impl Queries, device: &str, most: u32) -> Result<Vec<Session>, StoreError> {
    let mut statement = q.connection().prepare_cached(
        "select started_ms, ended_ms, how, how_many, code from radio_session
         where device = ?1 order by seq desc limit ?2",
    )?;
    let rows = statement.query_map(params![device, most], |row| {
        Ok(Session {
            started: UnixMillis::from_millis(row.get(0)?),
            ended: UnixMillis::from_millis(row.get(1)?),
            how: match row.get::<_, i64>(2)? {
                1 => How::Complete,
                2 => How::Incomplete,
                _ => How::Failed,
            },
            values: row.get(3)?,
            code: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests;
