//! What the alert rules say to a patient. The rules decide whether and when; here it gets its words,
//! its end, and passes the governor.

use hearth_shared::assess::alerts::{NoticeKind, Notification, Recipient};
use hearth_shared::time::UnixMillis;
use uuid::Uuid;

use super::templates::RuleFamily;
use super::{Context, governor::Kind, governor::Level, id_of, kind_of, release};
use crate::clock::Now;
use crate::store::prompt::{self, Prompt, PromptState};
use crate::store::{StoreError, Tx};

/// Takes one notification of the alert rules. Those to staff and hub are the caller's
/// (`Body::Notice`); here they are left alone. The same notification again makes no twin.
///
/// # Errors
/// What the store answered.
pub fn notice(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    patient: &str,
    notification: &Notification,
    observation: Option<Uuid>,
    now: Now,
) -> Result<(), StoreError> {
    let told = matches!(
        notification.kind,
        NoticeKind::Alert | NoticeKind::Repeat | NoticeKind::MeasureAgain | NoticeKind::AllClear
    );
    if notification.to != Recipient::Patient || !told {
        return Ok(());
    }
    let (rule, kind) = (notification.rule.as_str(), notification.kind.as_str());
    let level = notification.level.as_str();
    let origin = observation.map_or_else(String::new, |id| id.to_string());
    let t = notification.t.to_string();
    let due = notification
        .deferred_until
        .and_then(|until_s| i64::try_from(until_s).ok())
        .map_or(now.wall, UnixMillis::from_seconds)
        .max(now.wall);
    let prompt = Prompt {
        id: id_of(&["notice", patient, rule, kind, level, &t, &origin]),
        need: None,
        plan: None,
        missed: None,
        patient: patient.to_owned(),
        kind: kind.to_owned(),
        level: Some(level.to_owned()),
        rule: Some(rule.to_owned()),
        language: String::new(),
        text: String::new(),
        silent: notification.silent,
        attempt: 1,
        created: now.wall,
        due,
        expires: due.plus_seconds(lifetime_s(rule, notification.kind, level)),
        state: PromptState::Waiting,
        why: None,
        sent: None,
        lane_seq: None,
        local_hour: None,
        answer: None,
        outcome: None,
    };
    // A stronger word takes the place of what still waits in the same family.
    if notification.kind != NoticeKind::MeasureAgain {
        let family = RuleFamily::of(rule);
        let waiting = prompt::pending(tx, patient)?
            .into_iter()
            .filter(|p| p.state == PromptState::Waiting && p.id != prompt.id)
            .filter(|p| p.rule.as_deref().is_some_and(|rule| RuleFamily::of(rule) == family))
            .collect();
        super::withdraw(tx, waiting, "superseded", None, now)?;
    }
    if !prompt::add(tx, &prompt)? {
        return Ok(());
    }
    if prompt.due <= now.wall { release(tx, ctx, prompt, now) } else { Ok(()) }
}

/// How long a notice means anything, in seconds after it is due. A request is over with the rule's
/// own deadline (`clinical-rules` A10), an alert when a new reading would be wanted instead.
fn lifetime_s(rule: &str, kind: NoticeKind, level: &str) -> i64 {
    const MINUTE: i64 = 60;
    match (kind, rule, level) {
        // The deadline of the weight rules is noon; a morning's request lives until then.
        (NoticeKind::MeasureAgain, "W1" | "W2", _) => 5 * 60 * MINUTE,
        (NoticeKind::MeasureAgain, "T1" | "A9", _) => 30 * MINUTE,
        (NoticeKind::MeasureAgain, _, _) => 10 * MINUTE,
        (_, _, "C") => 60 * MINUTE,
        (NoticeKind::AllClear, _, _) => 6 * 60 * MINUTE,
        _ => 12 * 60 * MINUTE,
    }
}

/// A request that waited for the end of the quiet hours has become pointless: the rule it serves no
/// longer waits for a second reading.
pub(super) fn is_void(tx: &Tx<'_>, prompt: &Prompt) -> Result<bool, StoreError> {
    let waited = prompt.due > prompt.created;
    match (kind_of(prompt), prompt.rule.as_deref()) {
        (Kind::MeasureAgain(Level::U), Some(rule)) if waited && rule != "A9" => {
            Ok(!prompt::rule_is_pending(tx, &prompt.patient, rule)?)
        }
        _ => Ok(false),
    }
}
