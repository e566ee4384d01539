//! Whose an observation is: a decision of its own, with history. The newest row of an observation
//! counts; `series` and `claim_tray` follow in the same transaction.

use hearth_shared::observation::Quantity;
use hearth_shared::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::checksum::Sum;
use super::{Queries, StoreError, Tx};

/// How an owner was found. The codes are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Method {
    /// The device has one owner.
    SoleOwner = 1,
    /// The device's slot has one owner.
    UserSlot = 2,
    /// A person said so.
    Claimed = 3,
    /// Nobody knows: it waits in the claim tray.
    Unclaimed = 4,
    /// A person corrected an earlier decision.
    Reattributed = 5,
}

impl Method {
    /// The word used in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SoleOwner => "sole_owner",
            Self::UserSlot => "user_slot",
            Self::Claimed => "claimed",
            Self::Unclaimed => "unclaimed",
            Self::Reattributed => "reattributed",
        }
    }
}

/// One decision.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// The observation's row.
    pub observation_seq: i64,
    /// Its quantity and measured time, for the series.
    pub quantity: Quantity,
    /// When it was measured.
    pub measured: UnixMillis,
    /// The owner; `None`: unclaimed.
    pub patient: Option<&'a str>,
    /// How that was found.
    pub method: Method,
    /// `roster`, or the id of a command.
    pub by: &'a str,
    /// When.
    pub at: UnixMillis,
}

/// A decision as it stands in its row.
struct Written {
    observation_seq: i64,
    patient: Option<String>,
    method: i64,
    by: String,
    at_ms: i64,
}

const COLUMNS: &str = "observation_seq, patient, method, decided_by, decided_ms, checksum, seq";

impl Written {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            observation_seq: row.get(0)?,
            patient: row.get(1)?,
            method: row.get(2)?,
            by: row.get(3)?,
            at_ms: row.get(4)?,
        })
    }

    /// The decision, unless the row does not fit its checksum.
    fn whole(row: &Row<'_>) -> Option<Self> {
        let written = Self::read(row).ok()?;
        let sum: i64 = row.get(5).ok()?;
        (sum == i64::from(written.checksum())).then_some(written)
    }

    /// The row's own number is not part of it: it is only known once the row is there.
    fn checksum(&self) -> u32 {
        let mut sum = Sum::default();
        sum.int(self.observation_seq).text(self.patient.as_deref()).int(self.method);
        sum.text(Some(&self.by)).int(self.at_ms);
        sum.finish()
    }
}

/// Gives rows of an earlier schema their checksum.
///
/// # Errors
/// What SQLite answered.
pub(super) fn sum_missing(connection: &Connection) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare(&format!("select {COLUMNS} from attribution where checksum is null"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let sum = Written::read(row)?.checksum();
        connection
            .prepare_cached("update attribution set checksum = ?2 where seq = ?1")?
            .execute(params![row.get::<_, i64>(6)?, sum])?;
    }
    Ok(())
}

/// The numbers of the rows that do not fit their checksum, and how many rows there are.
///
/// # Errors
/// What SQLite answered.
pub(super) fn damaged(q: &impl Queries) -> Result<(Vec<i64>, u64), StoreError> {
    let mut statement =
        q.connection().prepare(&format!("select {COLUMNS} from attribution order by seq"))?;
    let mut rows = statement.query([])?;
    let (mut damaged, mut n) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        n += 1;
        if Written::whole(row).is_none() {
            damaged.push(row.get(6)?);
        }
    }
    Ok((damaged, n))
}

/// A decision that does not fit its checksum is made one that nobody has taken: the reading waits for
/// a person. An earlier one is not fallen back upon, it may be what was put right.
///
/// # Errors
/// What SQLite answered.
pub(super) fn void(tx: &Tx<'_>, seq: i64) -> Result<(), StoreError> {
    let (observation_seq, at_ms): (i64, i64) = tx.transaction.query_row(
        "select a.observation_seq, coalesce(o.received_ms, 0) from attribution a
         left join observation o on o.seq = a.observation_seq where a.seq = ?1",
        [seq],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let written = Written {
        observation_seq,
        patient: None,
        method: Method::Unclaimed as i64,
        by: "salvage".to_owned(),
        at_ms,
    };
    tx.transaction.execute(
        "update attribution set patient = null, method = ?2, decided_by = ?3, decided_ms = ?4,
           checksum = ?5 where seq = ?1",
        params![seq, written.method, written.by, at_ms, written.checksum()],
    )?;
    Ok(())
}

/// Writes the first decision about a new observation.
///
/// # Errors
/// What SQLite answered.
pub fn decide(tx: &Tx<'_>, d: &Decision<'_>) -> Result<(), StoreError> {
    let written = Written {
        observation_seq: d.observation_seq,
        patient: d.patient.map(str::to_owned),
        method: d.method as i64,
        by: d.by.to_owned(),
        at_ms: d.at.millis(),
    };
    tx.transaction
        .prepare_cached(
            "insert into attribution
               (observation_seq, patient, method, decided_by, decided_ms, checksum)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            written.observation_seq,
            written.patient,
            written.method,
            written.by,
            written.at_ms,
            written.checksum()
        ])?;
    match d.patient {
        Some(patient) => tx
            .transaction
            .prepare_cached(
                "insert or ignore into series (patient, quantity, measured_ms, observation_seq)
                 values (?1, ?2, ?3, ?4)",
            )?
            .execute(params![patient, d.quantity as i64, d.measured.millis(), d.observation_seq])?,
        None => tx
            .transaction
            .prepare_cached(
                "insert or ignore into claim_tray (observation_seq, since_ms) values (?1, ?2)",
            )?
            .execute(params![d.observation_seq, d.at.millis()])?,
    };
    Ok(())
}

/// Writes a later decision: the earlier ones stay as history, the time of measurement does not
/// change.
///
/// # Errors
/// What SQLite answered.
pub fn change(tx: &Tx<'_>, d: &Decision<'_>) -> Result<(), StoreError> {
    super::observation::set_aside(tx, d.observation_seq)?;
    decide(tx, d)
}

/// The owner in force and how many decisions there were. A decision that does not fit its checksum is
/// nobody's: an earlier one may be what was put right.
///
/// # Errors
/// What SQLite answered.
pub fn owner(q: &impl Queries, observation_seq: i64) -> Result<(Option<String>, u32), StoreError> {
    let sql = format!(
        "select {COLUMNS}, (select count(*) from attribution where observation_seq = ?1)
         from attribution where observation_seq = ?1 order by seq desc limit 1"
    );
    let found = q
        .connection()
        .prepare_cached(&sql)?
        .query_row([observation_seq], |row| {
            Ok((Written::whole(row).and_then(|written| written.patient), row.get(7)?))
        })
        .optional()?;
    Ok(found.unwrap_or((None, 0)))
}
