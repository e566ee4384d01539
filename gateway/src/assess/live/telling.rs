//! What the rules say, written down and sent on: the alert with its history, and messages to staff
//! and hub.

use hearth_shared::assess::alerts::{
    Limits, Notification, Phase, Reason, Recipient, Source, Transition,
};
use hearth_shared::time::UnixMillis;
use serde_json::json;

use super::{Case, PatientNotice, RULES_VERSION};
use crate::assess::wording::{self, Subject};
use crate::intake::identity::{alert_id, notice_id};
use crate::outreach::local;
use crate::store::observation;
use crate::store::outbox::{self, Outgoing};
use crate::store::{StoreError, Tx, alert};
use crate::uplink::message::{self, Body, Lane};

/// Writes a change of a rule into the patient's alert and tells it.
pub(super) fn transition(
    tx: &Tx<'_>,
    patient: &str,
    tr: &Transition,
    case: Option<&Case<'_>>,
) -> Result<(), StoreError> {
    let at = UnixMillis::from_seconds(i64::from(tr.t));
    let rule = tr.rule.as_str();
    let id = case.map(|c| c.observation.id);
    let existing = alert::open(tx, patient, rule)?;
    if existing.is_none() && tr.to == Phase::Idle && tr.from == Phase::Idle {
        return Ok(());
    }
    let mut row = existing.unwrap_or_else(|| alert::Alert {
        id: alert_id(rule, RULES_VERSION, patient, id),
        patient: patient.to_owned(),
        rule: rule.to_owned(),
        level: tr.level.as_str().to_owned(),
        state: tr.to.as_str().to_owned(),
        late: tr.late,
        observation_seq: None,
        raised: at,
        measured: None,
        changed: at,
        acked: None,
        acked_by: None,
        history: Vec::new(),
    });
    let met = !matches!(
        tr.reason,
        Reason::NotConfirmed | Reason::Rearmed | Reason::Superseded | Reason::Off | Reason::Ack
    );
    if let (true, Some(case)) = (met, case) {
        row.observation_seq = case.observation_seq;
        row.measured = Some(case.observation.measured);
    }
    row.level = tr.level.as_str().to_owned();
    row.state = tr.to.as_str().to_owned();
    row.late = tr.late;
    row.changed = at;
    match (tr.reason, tr.to) {
        (Reason::Ack, _) => (row.acked, row.acked_by) = (Some(at), Some("staff".to_owned())),
        // A new episode or a rise is seen by nobody yet.
        (_, Phase::Active) => (row.acked, row.acked_by) = (None, None),
        _ => {}
    }
    row.history.push(json!({
        "t": local::rfc3339(at), "level": tr.level.as_str(), "from": tr.from.as_str(),
        "to": tr.to.as_str(), "reason": tr.reason.as_str(), "late": tr.late, "observation": id,
    }));
    alert::put(tx, &row)?;
    let body = Body::Alert(message::Alert {
        rule: rule.to_owned(),
        level: tr.level.as_str().to_owned(),
        from: tr.from.as_str().to_owned(),
        to: tr.to.as_str().to_owned(),
        reason: tr.reason.as_str().to_owned(),
        at: local::rfc3339(at),
        late: tr.late,
        observation: id,
    });
    let patient = Some(patient.to_owned());
    let message =
        Outgoing { lane: Lane::Alerts, id: row.id, patient, body, created: at, expires: None };
    outbox::push(tx, &message)?;
    Ok(())
}

/// Sends a notification its way: to the patient through outreach, else as a message.
pub(super) fn notification(
    tx: &Tx<'_>,
    patient: &str,
    n: &Notification,
    case: Option<&Case<'_>>,
    limits: &Limits,
    out: &mut Vec<PatientNotice>,
) -> Result<(), StoreError> {
    // A timer speaks of the reading that raised its alert.
    let open = match (case, n.rule) {
        (None, Source::Rule(rule)) => alert::open(tx, patient, rule.as_str())?,
        _ => None,
    };
    let stored = match open.as_ref().and_then(|alert| alert.observation_seq) {
        Some(seq) => match observation::get(tx, seq) {
            Ok(stored) => stored,
            Err(StoreError::Row { .. }) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    let about = case.map(|c| c.observation).or(stored.as_ref().map(|s| &s.observation));
    let unanswered = open.as_ref().is_some_and(is_by_silence);
    if n.to == Recipient::Patient {
        let observation = about.map(|o| o.id);
        out.push(PatientNotice { patient: patient.to_owned(), notification: *n, observation });
        return Ok(());
    }
    let at = UnixMillis::from_seconds(i64::from(n.t));
    tell(tx, Some(patient), n, Subject { reading: about, unanswered }, limits, at)
}

/// Whether the last thing that happened to an alert is that no repeat measurement came.
fn is_by_silence(alert: &alert::Alert) -> bool {
    let last = alert.history.last().and_then(|change| change.get("reason")?.as_str());
    last == Some(Reason::Silence.as_str())
}

/// A message to staff or hub. Without a patient where nobody has claimed the reading.
pub(super) fn tell(
    tx: &Tx<'_>,
    patient: Option<&str>,
    n: &Notification,
    subject: Subject<'_>,
    limits: &Limits,
    created: UnixMillis,
) -> Result<(), StoreError> {
    let at = UnixMillis::from_seconds(i64::from(n.t));
    let step = n.step.map_or_else(String::new, |s| s.to_string());
    let (to, rule, kind) = (n.to.as_str(), n.rule.as_str(), n.kind.as_str());
    let id = subject.reading.map(|o| o.id);
    let words = [patient.unwrap_or(""), to, rule, n.level.as_str(), kind, &step];
    let body = Body::Notice(message::Notice {
        to: to.to_owned(),
        rule: rule.to_owned(),
        level: n.level.as_str().to_owned(),
        notice: kind.to_owned(),
        step: n.step,
        at: local::rfc3339(at),
        late: n.late,
        deferred_until: n
            .deferred_until
            .and_then(|until_s| i64::try_from(until_s).ok())
            .map(|until_s| local::rfc3339(UnixMillis::from_seconds(until_s))),
        reason: wording::reason(n, subject, limits),
        observation: id,
    });
    let message = Outgoing {
        lane: Lane::Alerts,
        id: notice_id(&words, i64::from(n.t), id),
        patient: patient.map(str::to_owned),
        body,
        created,
        expires: None,
    };
    outbox::push(tx, &message)?;
    Ok(())
}
