//! What goes out: gapless numbers per lane, given in the committing transaction.

use hearth_shared::time::UnixMillis;
use rusqlite::params;
use uuid::Uuid;

use super::{StoreError, Tx};
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
    let checksum = checksum(lane, seq, message, kind, &body);
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

fn checksum(lane: u8, seq: i64, message: &Outgoing, kind: &str, body: &str) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[lane]);
    sum.update(&seq.to_le_bytes());
    sum.update(message.id.as_bytes());
    for text in [kind, message.patient.as_deref().unwrap_or(""), body] {
        sum.update(&(text.len() as u64).to_le_bytes());
        sum.update(text.as_bytes());
    }
    sum.update(&message.created.millis().to_le_bytes());
    sum.update(&message.expires.map_or(i64::MIN, UnixMillis::millis).to_le_bytes());
    sum.finalize()
}
