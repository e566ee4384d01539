//! Whom a rule tells, and how it goes on until somebody acknowledges: notices of an activation,
//! flapping, the ladder, repeats, acknowledgements.

use super::memory::WEEK;
use super::rule::{RuleState, Turn};
use super::words::{AckBy, Level, NoticeKind, Phase, Reason, Sink};
use serde::{Deserialize, Serialize};

const MINUTE: u32 = 60;
const DAY: u32 = 86_400;
/// Seconds from a critical activation to staff, second contact and on call.
const STEPS: [u64; 3] = [15 * 60, 30 * 60, 60 * 60];
/// The patient's acknowledgement puts the ladder off by this, once.
const PUT_OFF: u64 = 15 * 60;
const REPEAT: u32 = 5 * MINUTE;
const REPEAT_ACKNOWLEDGED: u32 = 30 * MINUTE;

/// The steps to staff of a critical rule that staff have not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ladder {
    /// Unix seconds from which the steps are counted.
    pub(super) base: u64,
    /// Next step, 1 to 3.
    pub(super) step: u8,
}

impl Ladder {
    /// When the next step is due, Unix seconds; `None` after the last one.
    pub(super) fn due(self) -> Option<u64> {
        let after = STEPS.get(usize::from(self.step).checked_sub(1)?)?;
        Some(self.base.saturating_add(*after))
    }
}

impl RuleState {
    /// The fourth activation below C within a week brings one summary instead of notices.
    pub(super) fn count_activation<S: Sink>(&mut self, turn: &mut Turn<'_, S>, level: Level) {
        let now = turn.context.now;
        let week = |then: u32| now.saturating_sub(then) <= WEEK;
        let fourth =
            self.activations.is_full() && self.activations.front().is_some_and(|a| week(*a));
        self.summarised = fourth && level != Level::Critical;
        if self.summarised && self.summary.is_none_or(|then| !week(then)) {
            self.summary = Some(now);
            turn.notices.staff(turn.rule, level, NoticeKind::Summary, false);
        }
        if self.activations.is_full() {
            self.activations.pop_front();
        }
        // Cannot fail: there is room now.
        let _ = self.activations.push_back(now);
    }

    /// The notices of an activation, of a rise to C, or of a rule become live.
    pub(super) fn notify<S: Sink>(&mut self, turn: &mut Turn<'_, S>) {
        let (rule, level, late, now) = (turn.rule, self.level, self.late, turn.context.now);
        if !late && level != Level::Advisory {
            turn.notices.patient(rule, level, NoticeKind::Alert);
            self.alerted |= turn.context.settings.prompts;
        }
        self.noticed = now;
        match level {
            Level::Critical => {
                let staff_at_once = late || !turn.context.settings.prompts;
                if staff_at_once {
                    turn.notices.ladder(rule, level, 1, late);
                }
                // A late ladder goes on only if the reading is at most a day old.
                let ends = late && now.saturating_sub(self.first) > DAY;
                let step = if staff_at_once { 2 } else { 1 };
                self.ladder = (!ends).then_some(Ladder { base: u64::from(now), step });
            }
            Level::Urgent => turn.notices.staff(rule, level, NoticeKind::Alert, late),
            Level::Advisory if late => {}
            Level::Advisory => turn.notices.staff(rule, level, NoticeKind::Alert, false),
        }
    }

    /// Repeats the notice of a critical rule that is still met.
    pub(super) fn repeat_notice<S: Sink>(&mut self, turn: &mut Turn<'_, S>) {
        let now = turn.context.now;
        let quiet_for = now.saturating_sub(self.noticed);
        let due = match self.acknowledged {
            None => quiet_for >= REPEAT,
            Some(at) => {
                quiet_for >= REPEAT_ACKNOWLEDGED && now.saturating_sub(at) >= REPEAT_ACKNOWLEDGED
            }
        };
        if !due {
            return;
        }
        self.noticed = now;
        turn.notices.patient(turn.rule, self.level, NoticeKind::Repeat);
        if self.phase == Phase::Acked {
            turn.notices.staff(turn.rule, self.level, NoticeKind::Repeat, false);
        }
    }

    /// Somebody acknowledges.
    pub(super) fn acknowledge<S: Sink>(&mut self, turn: &mut Turn<'_, S>, by: AckBy) {
        match (by, self.phase) {
            (AckBy::Staff, Phase::Active) => {
                self.acknowledged = Some(turn.context.now);
                self.ladder = None;
                self.go(turn, Phase::Acked, Reason::Ack);
            }
            (AckBy::Staff, Phase::Cleared) => self.go(turn, Phase::Idle, Reason::Ack),
            (AckBy::Patient, Phase::Active) if !self.pressed => {
                self.pressed = true;
                self.acknowledged = Some(turn.context.now);
                if let Some(ladder) = self.ladder.as_mut().filter(|ladder| ladder.step == 1) {
                    ladder.base = ladder.base.saturating_add(PUT_OFF);
                }
                self.go(turn, Phase::Active, Reason::AckPatient);
            }
            _ => {}
        }
    }
}
