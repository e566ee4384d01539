//! The life cycle of one rule: Idle, Pending, Active, Acked, Cleared.
//!
//! This is the one state machine of every rule. It is told what a reading means to the rule
//! ([`Sight`]) and how far the reading may be trusted ([`Trust`]); it knows nothing of values.

use super::escalation::Ladder;
use super::notices::Notices;
use super::plan::Context;
use super::words::{Level, Phase, Reason, RuleId, Sink, Transition};
use heapless::Deque;
use serde::{Deserialize, Serialize};

const MINUTE: u32 = 60;
const DAY: u32 = 86_400;
/// A repeat sooner after the first reading than this is no second reading.
const APART: u32 = MINUTE;

/// What one reading means to one rule.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sight {
    /// It meets the condition.
    pub(super) met: bool,
    /// A symptom in force makes it critical.
    pub(super) severe: bool,
    /// It lies beyond the re-arm value.
    pub(super) rearm: bool,
    /// Least seconds between the first and a second reading, where more than a minute.
    pub(super) apart: u32,
}

/// How far one reading may be trusted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    /// When it was measured, Unix seconds.
    pub(super) t: u32,
    /// Late or old: may raise, and nothing else.
    pub(super) late: bool,
    /// Invalid by device status: may raise, and nothing else.
    pub(super) invalid: bool,
    /// Implausible on the dangerous side: may raise and confirm, and nothing else.
    pub(super) implausible: bool,
}

impl Trust {
    fn confirms(self) -> bool {
        !self.late && !self.invalid
    }

    fn clears(self) -> bool {
        self.confirms() && !self.implausible
    }
}

/// The weight a gain is measured from, and the clause it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frozen {
    /// 10 g.
    pub(super) weight: i32,
    /// W2 by the median of days three and four before, instead of the lowest of a week.
    pub(super) by_median: bool,
}

/// Everything one rule remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RuleState {
    pub(super) phase: Phase,
    pub(super) level: Level,
    /// Raised by a late or old reading and by no live one since.
    pub(super) late: bool,
    /// The activation brought no notice of its own.
    pub(super) summarised: bool,
    /// The patient got an alert since the rule was last Idle or Cleared.
    pub(super) alerted: bool,
    /// The patient has acknowledged this activation.
    pub(super) pressed: bool,
    /// Level and lateness of the entry still open for staff while Pending came from Cleared.
    open_entry: Option<(Level, bool)>,
    /// Measured time of the first reading.
    pub(super) first: u32,
    /// Latest measured time at which the condition was met.
    last: Option<u32>,
    /// Pending: end of waiting. Active: end of the window of the second reading.
    deadline: Option<u64>,
    pub(super) ladder: Option<Ladder>,
    /// Last alert or repeat to the patient, sent or held back by STOP.
    pub(super) noticed: u32,
    pub(super) acknowledged: Option<u32>,
    pub(super) activations: Deque<u32, 3>,
    pub(super) summary: Option<u32>,
    pub(super) frozen: Option<Frozen>,
}

impl Default for RuleState {
    fn default() -> Self {
        Self {
            phase: Phase::Idle,
            level: Level::Advisory,
            late: false,
            summarised: false,
            alerted: false,
            pressed: false,
            open_entry: None,
            first: 0,
            last: None,
            deadline: None,
            ladder: None,
            noticed: 0,
            acknowledged: None,
            activations: Deque::new(),
            summary: None,
            frozen: None,
        }
    }
}

/// What one event is about, for one rule.
pub(super) struct Turn<'a, S: Sink> {
    pub(super) rule: RuleId,
    /// The level of an activation without a symptom.
    pub(super) base: Level,
    /// Active at the first reading, without asking for a repeat.
    pub(super) at_once: bool,
    pub(super) context: &'a Context<'a>,
    pub(super) notices: &'a mut Notices,
    pub(super) out: &'a mut S,
}

impl RuleState {
    /// Pending, Active or Acked.
    pub(super) fn in_force(&self) -> bool {
        matches!(self.phase, Phase::Pending | Phase::Active | Phase::Acked)
    }

    /// Active or Acked.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Active | Phase::Acked)
    }

    /// When a timer of this rule fires next, Unix seconds.
    pub(super) fn due(&self) -> Option<u64> {
        match self.phase {
            Phase::Pending => self.deadline,
            _ => self.ladder.and_then(Ladder::due),
        }
    }

    pub(super) fn go<S: Sink>(&mut self, turn: &mut Turn<'_, S>, to: Phase, reason: Reason) {
        let from = core::mem::replace(&mut self.phase, to);
        let (level, late) = (self.level, self.late);
        let (t, rule) = (turn.context.now, turn.rule);
        turn.out.transition(Transition { t, rule, level, from, to, reason, late });
    }

    fn touch(&mut self, t: u32) {
        self.last = self.last.max(Some(t));
    }

    /// Judges one reading. True if the rule became Active by it and is not late, so that the
    /// lesser rule of the same side has to give way.
    pub(super) fn see<S: Sink>(
        &mut self,
        turn: &mut Turn<'_, S>,
        sight: Sight,
        trust: Trust,
        deadline: u64,
    ) -> bool {
        match self.phase {
            Phase::Idle | Phase::Cleared => sight.met && self.raise(turn, sight, trust, deadline),
            Phase::Pending => self.repeated(turn, sight, trust),
            Phase::Active | Phase::Acked => {
                let later = self.last.is_none_or(|last| trust.t > last);
                if sight.rearm && trust.clears() && later {
                    self.rearm(turn);
                    return false;
                }
                sight.met && self.still_met(turn, sight, trust)
            }
        }
    }

    /// Condition met while Idle or Cleared.
    fn raise<S: Sink>(
        &mut self,
        turn: &mut Turn<'_, S>,
        sight: Sight,
        trust: Trust,
        deadline: u64,
    ) -> bool {
        self.touch(trust.t);
        if sight.severe || trust.late || turn.at_once {
            let level = if sight.severe { Level::Critical } else { turn.base };
            self.activate(turn, Reason::Met, level, Some(trust));
            return !trust.late;
        }
        self.open_entry = (self.phase == Phase::Cleared).then_some((self.level, self.late));
        self.level = turn.base;
        self.late = false;
        self.first = trust.t;
        self.deadline = Some(deadline);
        self.go(turn, Phase::Pending, Reason::Met);
        self.ask(turn, deadline);
        false
    }

    /// Asks the patient to measure again; below C in the open, or not at all.
    fn ask<S: Sink>(&self, turn: &mut Turn<'_, S>, deadline: u64) {
        if self.level == Level::Critical || !turn.context.hushed() {
            turn.notices.measure_again(turn.rule, self.level, None);
            return;
        }
        let open = u64::try_from(turn.context.next_open()).unwrap_or(0);
        if open < deadline {
            turn.notices.measure_again(turn.rule, self.level, Some(open));
        }
    }

    /// A reading while Pending.
    fn repeated<S: Sink>(&mut self, turn: &mut Turn<'_, S>, sight: Sight, trust: Trust) -> bool {
        if sight.met {
            self.touch(trust.t);
        }
        let apart = i64::from(trust.t) - i64::from(self.first);
        if !trust.confirms() || apart < i64::from(APART) {
            return false;
        }
        if sight.met {
            let (level, reason) = if sight.severe {
                (Level::Critical, Reason::Symptom)
            } else {
                (self.level, Reason::Confirmed)
            };
            self.activate(turn, reason, level, None);
            return true;
        }
        if !trust.implausible {
            let back = if self.open_entry.is_some() { Phase::Cleared } else { Phase::Idle };
            self.deadline = None;
            self.go(turn, back, Reason::NotConfirmed);
            if let Some((level, late)) = self.open_entry.take() {
                self.level = level;
                self.late = late;
            }
        }
        false
    }

    /// Condition met while Active or Acked.
    fn still_met<S: Sink>(&mut self, turn: &mut Turn<'_, S>, sight: Sight, trust: Trust) -> bool {
        let episode = match self.level {
            Level::Critical => Some(DAY),
            Level::Urgent => Some(3 * DAY),
            Level::Advisory => None,
        };
        let since = self.last.map(|last| i64::from(trust.t) - i64::from(last));
        let again = episode.zip(since).is_some_and(|(episode, since)| since > i64::from(episode));
        self.touch(trust.t);
        if again {
            let level = if sight.severe { Level::Critical } else { turn.base };
            self.activate(turn, Reason::Again, level, Some(trust));
            return !trust.late;
        }
        if !trust.confirms() {
            return false;
        }
        let urgent = self.level == Level::Urgent;
        if urgent && sight.severe {
            self.rise(turn, Reason::Symptom);
            return true;
        }
        if self.late {
            self.become_live(turn, trust.t);
            return true;
        }
        let apart = i64::from(trust.t) - i64::from(self.first);
        let within = self.deadline.is_some_and(|d| u64::from(turn.context.now) <= d);
        if urgent && within && apart >= i64::from(APART.max(sight.apart)) {
            self.rise(turn, Reason::Raised);
            return true;
        }
        if self.level == Level::Critical {
            self.repeat_notice(turn);
        }
        false
    }

    /// Becomes Active anew. `reading` is `None` where a repeat, its absence or a symptom ends
    /// the waiting: then the first reading stays, and nothing is late.
    fn activate<S: Sink>(
        &mut self,
        turn: &mut Turn<'_, S>,
        reason: Reason,
        level: Level,
        reading: Option<Trust>,
    ) {
        self.level = level;
        self.late = reading.is_some_and(|r| r.late);
        self.open_entry = None;
        self.alerted &= self.is_up();
        if let Some(reading) = reading {
            self.first = reading.t;
        }
        self.begin(turn);
        self.go(turn, Phase::Active, reason);
        self.count_activation(turn, level);
        if !self.summarised {
            self.notify(turn);
        }
    }

    /// Forgets who acknowledged an earlier activation, and opens the window of the second reading.
    fn begin<S: Sink>(&mut self, turn: &Turn<'_, S>) {
        self.pressed = false;
        self.acknowledged = None;
        self.ladder = None;
        let window = turn.rule.second_reading().filter(|_| !self.late);
        self.deadline = window.map(|w| u64::from(turn.context.now) + u64::from(w));
    }

    /// From U to C, notified anew.
    fn rise<S: Sink>(&mut self, turn: &mut Turn<'_, S>, reason: Reason) {
        self.level = Level::Critical;
        self.late = false;
        self.summarised = false;
        self.begin(turn);
        self.go(turn, Phase::Active, reason);
        self.notify(turn);
    }

    /// Raised late before, met by a live reading measured at `t` now.
    fn become_live<S: Sink>(&mut self, turn: &mut Turn<'_, S>, t: u32) {
        self.late = false;
        self.first = t;
        self.begin(turn);
        self.go(turn, Phase::Active, Reason::Live);
        if !self.summarised {
            self.notify(turn);
        }
    }

    fn rearm<S: Sink>(&mut self, turn: &mut Turn<'_, S>) {
        let staff = self.phase == Phase::Active;
        self.go(turn, if staff { Phase::Cleared } else { Phase::Idle }, Reason::Rearmed);
        if self.level != Level::Advisory && !self.summarised {
            turn.notices.all_clear(turn.rule, self.level, self.alerted, staff);
        }
        self.end();
    }

    fn end(&mut self) {
        self.ladder = None;
        self.deadline = None;
        self.frozen = None;
    }

    /// Gives way to the worse rule of the same side.
    pub(super) fn supersede<S: Sink>(&mut self, turn: &mut Turn<'_, S>) {
        if self.phase != Phase::Idle {
            self.go(turn, Phase::Idle, Reason::Superseded);
            self.open_entry = None;
            self.end();
        }
    }

    /// Monitoring ends.
    pub(super) fn turn_off<S: Sink>(&mut self, turn: &mut Turn<'_, S>) {
        if self.phase != Phase::Idle {
            self.go(turn, Phase::Idle, Reason::Off);
        }
        *self = Self::default();
    }

    /// The person reports a symptom that counts for this rule.
    pub(super) fn symptom<S: Sink>(&mut self, turn: &mut Turn<'_, S>) {
        match self.phase {
            Phase::Pending => self.activate(turn, Reason::Symptom, Level::Critical, None),
            Phase::Active | Phase::Acked if self.level == Level::Urgent => {
                self.rise(turn, Reason::Symptom);
            }
            _ => {}
        }
    }

    /// Fires the timer that is due: the deadline of Pending, or the next step of the ladder.
    /// True as for [`Self::see`].
    pub(super) fn fire<S: Sink>(&mut self, turn: &mut Turn<'_, S>) -> bool {
        if self.phase == Phase::Pending {
            self.activate(turn, Reason::Silence, self.level, None);
            return true;
        }
        if let Some(ladder) = self.ladder.take() {
            turn.notices.ladder(turn.rule, self.level, ladder.step, self.late);
            let next = Ladder { step: ladder.step.saturating_add(1), ..ladder };
            self.ladder = next.due().map(|_| next);
        }
        false
    }
}
