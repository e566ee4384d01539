//! The engine: takes one event at a time, fires what was due before it, and asks the rules.

use super::conditions::base_level;
use super::limits::Limits;
use super::memory::{HighCluster, LowEpisodes, QuantityMemory, Runs, Weights};
use super::notices::Notices;
use super::plan::{AlertPlan, Context, Settings};
use super::reading::Reading;
use super::rule::{RuleState, Turn};
use super::words::{AckBy, Level, QUANTITIES, RULES, RuleId, Sink, Symptom};
use serde::{Deserialize, Serialize};

/// A symptom is in force for this long, seconds.
const SYMPTOM: u32 = 30 * 60;

/// One thing that happens, in order of processing time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A reading arrived.
    Reading(Reading),
    /// The person answered an explicit question.
    Symptom {
        /// Unix seconds.
        t: u32,
        /// What they answered.
        symptom: Symptom,
    },
    /// Somebody acknowledged a rule.
    Ack {
        /// Unix seconds.
        t: u32,
        /// Which rule.
        rule: RuleId,
        /// Who.
        by: AckBy,
    },
    /// Time passed.
    Tick {
        /// Unix seconds.
        t: u32,
    },
    /// Settings changed; in force from this event on. `None` leaves one as it is.
    Set {
        /// Unix seconds.
        t: u32,
        /// Offset of the local clock from UTC, minutes.
        tz: Option<i16>,
        /// Consent to prompts.
        prompts: Option<bool>,
        /// Monitoring on or off; off forgets everything.
        monitor: Option<bool>,
    },
}

impl Event {
    /// The time of processing, Unix seconds.
    pub const fn time(&self) -> u32 {
        match self {
            Self::Reading(reading) => reading.arrived,
            Self::Symptom { t, .. }
            | Self::Ack { t, .. }
            | Self::Tick { t }
            | Self::Set { t, .. } => *t,
        }
    }
}

/// The whole bounded state of one patient. Its serialised form leaves out plan and limits, and
/// is small while little is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// Latest time of processing.
    now: u32,
    settings: Settings,
    rules: Rules,
    pub(super) quantities: [QuantityMemory; QUANTITIES],
    pub(super) highs: HighCluster,
    pub(super) lows: LowEpisodes,
    pub(super) runs: Runs,
    pub(super) weights: Weights,
    /// When each symptom was reported last.
    symptoms: [Option<u32>; Symptom::ALL.len()],
}

/// The states of all rules. A rule that was never used takes one byte in serialised form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[Option<RuleState>; RULES]", into = "[Option<RuleState>; RULES]")]
struct Rules([RuleState; RULES]);

impl From<[Option<RuleState>; RULES]> for Rules {
    fn from(kept: [Option<RuleState>; RULES]) -> Self {
        Self(kept.map(Option::unwrap_or_default))
    }
}

impl From<Rules> for [Option<RuleState>; RULES] {
    fn from(rules: Rules) -> Self {
        let fresh = RuleState::default();
        rules.0.map(|rule| (rule != fresh).then_some(rule))
    }
}

impl Engine {
    /// A patient of whom nothing is known yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// The settings in force.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// Phase and level of a rule, for display: the level means nothing while it is Idle.
    pub fn standing(&self, rule: RuleId) -> (super::Phase, Level) {
        let state = self.rule(rule);
        (state.phase, state.level)
    }

    /// The next moment, Unix seconds, at which a tick would do something. It may lie beyond
    /// 2106, when no event can reach it any more.
    pub fn next_due(&self) -> Option<u64> {
        self.rules.0.iter().filter_map(RuleState::due).min()
    }

    /// Takes one event: first fires every timer that was due before it (for a tick, at it too),
    /// then does what the event asks. An event earlier than the one before counts as
    /// simultaneous with it.
    pub fn handle(
        &mut self,
        plan: &AlertPlan<'_>,
        limits: &Limits,
        event: &Event,
        out: &mut impl Sink,
    ) {
        let now = event.time().max(self.now);
        let until = if matches!(event, Event::Tick { .. }) {
            u64::from(now)
        } else {
            u64::from(now).saturating_sub(1)
        };
        let mut context = Context { plan, limits, settings: self.settings, now };
        if now > self.now || matches!(event, Event::Tick { .. }) {
            self.fire_timers(&context, until, out);
        }
        self.now = now;
        let mut notices = Notices::default();
        match event {
            Event::Reading(reading) if self.settings.monitor => {
                self.reading(&context, reading, &mut notices, out);
            }
            Event::Symptom { symptom, .. } if self.settings.monitor => {
                self.symptom(&context, *symptom, &mut notices, out);
            }
            Event::Ack { rule, by, .. } if self.settings.monitor => {
                let (state, mut turn) = self.turn(*rule, &context, &mut notices, out);
                state.acknowledge(&mut turn, *by);
            }
            Event::Set { tz, prompts, monitor, .. } => {
                self.settings.tz = tz.unwrap_or(self.settings.tz);
                self.settings.prompts = prompts.unwrap_or(self.settings.prompts);
                self.settings.monitor = monitor.unwrap_or(self.settings.monitor);
                context.settings = self.settings;
                if !self.settings.monitor {
                    self.turn_off(&context, &mut notices, out);
                }
            }
            _ => return,
        }
        notices.flush(&context, |rule| self.rule(rule).in_force(), out);
    }

    /// State of one rule. The table has a place for every rule.
    pub(super) fn rule(&self, rule: RuleId) -> &RuleState {
        &self.rules.0[rule.index()]
    }

    pub(super) fn rule_mut(&mut self, rule: RuleId) -> &mut RuleState {
        &mut self.rules.0[rule.index()]
    }

    pub(super) fn turn<'a, S: Sink>(
        &'a mut self,
        rule: RuleId,
        context: &'a Context<'a>,
        notices: &'a mut Notices,
        out: &'a mut S,
    ) -> (&'a mut RuleState, Turn<'a, S>) {
        let base = base_level(rule, context.limits);
        let at_once = match rule {
            RuleId::G1 | RuleId::G2 | RuleId::G4 | RuleId::G5 | RuleId::P1 | RuleId::P3 => true,
            RuleId::T1 => base == Level::Critical,
            _ => false,
        };
        (self.rule_mut(rule), Turn { rule, base, at_once, context, notices, out })
    }

    /// Fires every timer due at or before `until`: earliest first, then in table order. Each is
    /// an event of its own, at its own time.
    fn fire_timers(&mut self, context: &Context<'_>, until: u64, out: &mut impl Sink) {
        loop {
            let due = |rule: &RuleId| self.rule(*rule).due().map(|due| (due, *rule));
            let Some((due, rule)) = RuleId::ALL.iter().filter_map(due).min() else { return };
            let Ok(at) = u32::try_from(due) else { return };
            if due > until {
                return;
            }
            let context = Context { now: at, ..*context };
            let mut notices = Notices::default();
            let (state, mut turn) = self.turn(rule, &context, &mut notices, out);
            if state.fire(&mut turn) {
                self.supersede_lesser(rule, &context, &mut notices, out);
            }
            notices.flush(&context, |rule| self.rule(rule).in_force(), out);
        }
    }

    pub(super) fn supersede_lesser(
        &mut self,
        worse: RuleId,
        context: &Context<'_>,
        notices: &mut Notices,
        out: &mut impl Sink,
    ) {
        if let Some(lesser) = worse.lesser() {
            let (state, mut turn) = self.turn(lesser, context, notices, out);
            state.supersede(&mut turn);
        }
    }

    fn turn_off(&mut self, context: &Context<'_>, notices: &mut Notices, out: &mut impl Sink) {
        for rule in RuleId::ALL {
            let (state, mut turn) = self.turn(*rule, context, notices, out);
            state.turn_off(&mut turn);
        }
        // Part by part: a whole fresh engine on the stack would be the deepest that a small board meets.
        let Self { now: _, settings: _, rules, quantities, highs, lows, runs, weights, symptoms } =
            self;
        for rule in &mut rules.0 {
            *rule = RuleState::default();
        }
        for quantity in quantities {
            *quantity = QuantityMemory::default();
        }
        (*highs, *lows) = (HighCluster::default(), LowEpisodes::default());
        (*runs, *weights) = (Runs::default(), Weights::default());
        *symptoms = [None; Symptom::ALL.len()];
    }

    fn symptom(
        &mut self,
        context: &Context<'_>,
        symptom: Symptom,
        notices: &mut Notices,
        out: &mut impl Sink,
    ) {
        self.symptoms[symptom as usize] = Some(context.now);
        let pressure = symptom != Symptom::Pulse;
        let pulse = symptom != Symptom::Pressure;
        for (rule, counts) in [(RuleId::P1, pressure), (RuleId::P2, pressure), (RuleId::H1, pulse)]
        {
            if counts {
                let (state, mut turn) = self.turn(rule, context, notices, out);
                state.symptom(&mut turn);
            }
        }
    }

    /// A symptom that counts for this rule is in force.
    pub(super) fn symptom_holds(&self, rule: RuleId, now: u32) -> bool {
        let holds = |symptom: Symptom| {
            let reported = self.symptoms[symptom as usize];
            reported.is_some_and(|at| now.saturating_sub(at) <= SYMPTOM)
        };
        match rule {
            RuleId::P1 | RuleId::P2 => holds(Symptom::General) || holds(Symptom::Pressure),
            RuleId::H1 => holds(Symptom::General) || holds(Symptom::Pulse),
            _ => false,
        }
    }
}
