//! Whose an observation is: a decision of its own, with history. The newest row of an observation
//! counts; `series` and `claim_tray` follow in the same transaction.

use hearth_shared::observation::Quantity;
use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, params};

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

/// Writes the first decision about a new observation.
///
/// # Errors
/// What SQLite answered.
pub fn decide(tx: &Tx<'_>, d: &Decision<'_>) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into attribution (observation_seq, patient, method, decided_by, decided_ms)
             values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![d.observation_seq, d.patient, d.method as i64, d.by, d.at.millis()])?;
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

/// The owner in force and how many decisions there were.
///
/// # Errors
/// What SQLite answered.
pub fn owner(q: &impl Queries, observation_seq: i64) -> Result<(Option<String>, u32), StoreError> {
    let mut statement = q.connection().prepare_cached(
        "select patient, (select count(*) from attribution where observation_seq = ?1)
         from attribution where observation_seq = ?1 order by seq desc limit 1",
    )?;
    let found =
        statement.query_row([observation_seq], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.unwrap_or((None, 0)))
}
