//! What commands tell the alert rules: acknowledgements, answers about symptoms, changed settings,
//! and whose a reading is. A claim joins the history, the time of measurement stays, and the
//! reading then goes through the rules at that time.

use hearth_shared::time::UnixMillis;
use uuid::Uuid;

use super::live::{Case, Live, PatientNotice};
use crate::clock::Now;
use crate::control::execute::{LiveAlerts, LiveAnswer, LiveEvent};
use crate::intake::{message, roster};
use crate::store::attribution::{self, Decision, Method};
use crate::store::{StoreError, Tx, alert, device, observation, plan};

/// Carries commands to the rules, inside the command's transaction.
#[derive(Debug)]
pub struct Desk<'a> {
    /// The engines.
    pub live: &'a mut Live,
    /// What patients are to be told.
    pub notices: &'a mut Vec<PatientNotice>,
}

impl LiveAlerts for Desk<'_> {
    fn event(
        &mut self,
        tx: &Tx<'_>,
        patient: &str,
        event: LiveEvent,
        now: Now,
    ) -> Result<LiveAnswer, StoreError> {
        let at = now.wall;
        match event {
            LiveEvent::Acknowledge { rule, by } => {
                if alert::open(tx, patient, rule.as_str())?.is_none() {
                    let why = format!("No alert {} of this patient is open.", rule.as_str());
                    return Ok(LiveAnswer::Ignored(why));
                }
                self.live.acknowledge(tx, patient, (rule, by), at, self.notices)?;
            }
            LiveEvent::Symptom(symptom) => {
                self.live.symptom(tx, patient, symptom, at, self.notices)?;
            }
            LiveEvent::Settings => self.live.settings_changed(tx, patient, at, self.notices)?,
            LiveEvent::Claim { observation, decided_by } => {
                let claim = Claim { observation, patient, by: &decided_by };
                return take_claim(tx, self, &claim, at);
            }
        }
        Ok(LiveAnswer::Taken)
    }
}

/// What a person says.
#[derive(Clone, Copy, Debug)]
struct Claim<'a> {
    /// The reading.
    observation: Uuid,
    /// Whose it is.
    patient: &'a str,
    /// Id of the command.
    by: &'a str,
}

/// Takes a claim. An alert that the reading raised for somebody else stays until staff acknowledge
/// it: it was told, and cannot be untold.
fn take_claim(
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
    let owners = device::owners(tx, &stored.device)?;
    let shared = roster::is_shared(&owners, stored.measured);
    let (owner, decisions) = attribution::owner(tx, seq)?;
    // On a device of several people the rules may be waiting for exactly this word: the roster alone
    // does not make a weight far from those before somebody's.
    let confirms = shared && decisions == 1;
    if owner.as_deref() == Some(claim.patient) && !confirms {
        let why = format!("The reading is the patient {}'s already.", claim.patient);
        return Ok(LiveAnswer::Ignored(why));
    }
    let moved = owner.as_deref().is_some_and(|owner| owner != claim.patient);
    let method = if moved { Method::Reattributed } else { Method::Claimed };
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
    // The days of both are counted anew: one has measured, the other perhaps has not.
    for patient in owner.as_deref().into_iter().chain([claim.patient]) {
        plan::wake(tx, patient)?;
    }
    let case = Case {
        observation_seq: Some(seq),
        observation: &stored,
        impossible: false,
        ahead: false,
        shared,
        claimed: true,
    };
    desk.live.reading(tx, claim.patient, &case, now, desk.notices)?;
    Ok(LiveAnswer::Taken)
}
