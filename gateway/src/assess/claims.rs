//! A person says whose a reading is. The decision joins the history, the time of measurement stays, and
//! the reading then goes through the rules at that time.

use hearth_shared::time::UnixMillis;
use uuid::Uuid;

use super::live::{Case, Desk};
use crate::control::execute::LiveAnswer;
use crate::intake::{message, roster};
use crate::store::attribution::{self, Decision, Method};
use crate::store::{StoreError, Tx, device, observation};

/// What a person says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    /// The reading.
    pub(super) observation: Uuid,
    /// Whose it is.
    pub(super) patient: &'a str,
    /// Id of the command.
    pub(super) by: &'a str,
}

/// Takes a claim. An alert that the reading raised for somebody else stays until staff acknowledge
/// it: it was told, and cannot be untold.
pub(super) fn claim(
    tx: &Tx<'_>,
    desk: &mut Desk<'_>,
    claim: &Claim<'_>,
    now: UnixMillis,
) -> Result<LiveAnswer, StoreError> {
    let Some((seq, _)) = observation::find(tx, &claim.observation)? else {
        return Ok(LiveAnswer::Ignored(format!("There is no reading {}.", claim.observation)));
    };
    let stored = match observation::get(tx, seq) {
        Ok(Some(stored)) => stored.observation,
        Ok(None) | Err(StoreError::Row { .. }) => {
            let why = "The reading is damaged on the disk and is nobody's value any more.";
            return Ok(LiveAnswer::Ignored(why.to_owned()));
        }
        Err(error) => return Err(error),
    };
    let (owner, _) = attribution::owner(tx, seq)?;
    if owner.as_deref() == Some(claim.patient) {
        let why = format!("The reading is the patient {}'s already.", claim.patient);
        return Ok(LiveAnswer::Ignored(why));
    }
    let method = if owner.is_some() { Method::Reattributed } else { Method::Claimed };
    attribution::change(
        tx,
        &Decision {
            observation_seq: seq,
            quantity: stored.reading.quantity,
            measured: stored.measured,
            patient: Some(claim.patient),
            method,
            by: claim.by,
            at: now,
        },
    )?;
    message::push_revision(tx, seq, now)?;
    let owners = device::owners(tx, &stored.device)?;
    let case = Case {
        observation_seq: Some(seq),
        observation: &stored,
        impossible: false,
        ahead: false,
        shared: roster::is_shared(&owners, stored.measured),
        claimed: true,
    };
    desk.live.reading(tx, claim.patient, &case, now, desk.notices)?;
    Ok(LiveAnswer::Taken)
}
