//! The engine: takes one event at a time, fires what was due before it, and asks the rules.

use super::conditions::{Case, base_level};
use super::limits::Limits;
use super::memory::{HighCluster, LowEpisodes, QuantityMemory, Runs, Weight, Weights};
use super::notices::Notices;
use super::plan::{AlertPlan, Context, Settings};
use super::reading::{Plausibility, Reading};
use super::rule::{RuleState, Trust, Turn};
use super::words::{AckBy, Claim, Level, QUANTITIES, Quantity, RULES, RuleId, Sink, Symptom};
use serde::{Deserialize, Serialize};

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;
/// A reading measured longer ago than this when it arrives is late.
const LATE: u32 = 2 * HOUR;
/// A stamp further ahead of the arrival than this is worth a look at the device's clock.
const AHEAD: u32 = 10 * MINUTE;
/// Least time between two requests to repeat a suspicious reading of one quantity.
const ASK_AGAIN: u32 = 30 * MINUTE;
/// A symptom is in force for this long.
const SYMPTOM: u32 = 30 * MINUTE;

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
        (state.phase, state.level())
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

    fn turn<'a, S: Sink>(
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

    fn supersede_lesser(
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
        *self = Self { now: self.now, settings: self.settings, ..Self::default() };
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

    fn memory(&mut self, quantity: Quantity) -> &mut QuantityMemory {
        &mut self.quantities[quantity as usize]
    }

    fn reading(
        &mut self,
        context: &Context<'_>,
        reading: &Reading,
        notices: &mut Notices,
        out: &mut impl Sink,
    ) {
        let (now, quantity) = (context.now, reading.quantity);
        if self.memory(quantity).knows(reading) {
            return;
        }
        let unclaimed = reading.claim == Claim::Nobody;
        let t = reading.t.min(now);
        if reading.t - t > AHEAD && !unclaimed {
            self.device_notice(quantity, now, notices);
        }
        let plausibility = reading.plausibility();
        let usable = matches!(plausibility, Plausibility::Accepted | Plausibility::Dangerous);
        let off = self.is_off(reading, t);
        if t < context.plan.start {
            if !unclaimed && usable && !(off && context.plan.shared) {
                self.memory(quantity).remember(reading);
                self.keep_weight(context, reading, t, off);
            }
            return;
        }
        if unclaimed {
            if usable {
                unclaimed_notice(context, reading, now - t > LATE, notices);
            }
            return;
        }
        if !usable {
            self.device_notice(quantity, now, notices);
            return;
        }
        if off && context.plan.shared {
            notices.claim();
            return;
        }
        self.memory(quantity).remember(reading);
        let newest = self.memory(quantity).newest;
        let in_order = newest.is_none_or(|(newest, _)| t > newest);
        if quantity == Quantity::Cgm && (reading.flags.invalid || !in_order) {
            return;
        }
        let late = now - t > LATE || self.memory(quantity).is_old(t);
        let implausible = plausibility == Plausibility::Dangerous;
        let trust = Trust { t, late, invalid: reading.flags.invalid, implausible };
        let suspicious = off || implausible || self.is_suspicious(reading, t);
        self.judge(context, reading, trust, notices, out);
        if suspicious && !late {
            self.ask_again(context, quantity, notices);
        }
        self.keep_weight(context, reading, t, off);
        self.memory(quantity).take(t, reading.number());
    }

    /// Lets every rule of this quantity see the reading, in table order.
    fn judge(
        &mut self,
        context: &Context<'_>,
        reading: &Reading,
        trust: Trust,
        notices: &mut Notices,
        out: &mut impl Sink,
    ) {
        let case = Case { context, reading, trust };
        let previous = self.memory(reading.quantity).newest.map(|(newest, _)| newest);
        if reading.quantity == Quantity::Cgm {
            self.runs.take(previous, trust.t, reading.number(), context.limits);
        }
        for rule in case.rules() {
            // Also for a rule that rests: memories of G4 and G5 go on.
            let Some((sight, frozen)) = self.sight(&case, *rule) else { continue };
            if self.rests(&case, *rule) {
                continue;
            }
            let deadline = case.deadline(*rule);
            let (state, mut turn) = self.turn(*rule, context, notices, out);
            let was_in_force = state.in_force();
            let was_up = state.is_up();
            let supersedes = state.see(&mut turn, sight, trust, deadline);
            let rearmed = was_up && !state.in_force();
            if !was_in_force {
                state.frozen = frozen.filter(|_| state.in_force());
            }
            if supersedes {
                self.supersede_lesser(*rule, context, notices, out);
            }
            if rearmed {
                self.forget(*rule);
            }
        }
    }

    /// What re-arming a rule makes forget: the cluster of G4, the run below of the others.
    fn forget(&mut self, rule: RuleId) {
        match rule {
            RuleId::G1 => self.runs.below_g1 = None,
            RuleId::G2 => self.runs.below_g2 = None,
            RuleId::G4 => self.highs.forget(),
            RuleId::G5 => self.runs.below_g5 = None,
            _ => {}
        }
    }

    /// More than 5 kg off the week before, and nobody has said whose weight it is.
    fn is_off(&self, reading: &Reading, t: u32) -> bool {
        reading.quantity == Quantity::Weight
            && reading.claim != Claim::Person
            && reading.plausibility() == Plausibility::Accepted
            && self.weights.is_off(t, reading.number())
    }

    fn keep_weight(&mut self, context: &Context<'_>, reading: &Reading, t: u32, off: bool) {
        let wanted = reading.quantity == Quantity::Weight && !off && !reading.flags.invalid;
        if let (true, Ok(value)) = (wanted, u16::try_from(reading.number())) {
            self.weights.take(Weight::new(t, value, context.settings.day(t)));
        }
    }

    /// The value itself gives reason to measure again, whatever the rules say.
    fn is_suspicious(&mut self, reading: &Reading, t: u32) -> bool {
        let number = reading.number();
        let memory = self.memory(reading.quantity);
        let by_value = match reading.quantity {
            Quantity::Glucose => memory.recent(t, 15 * MINUTE).is_some_and(|before| {
                let (before, now) = (before.clamp(20, 600), number.clamp(20, 600));
                // The second clause: sugar on the finger.
                (before - now).abs() > 150 || (before > 300 && now < 180)
            }),
            Quantity::Pressure => {
                let pulse_pressure = number - reading.diastolic();
                let third = memory.recent(t, 10 * MINUTE);
                !(20..=100).contains(&pulse_pressure)
                    || third.is_some_and(|before| (before - number).abs() > 20)
            }
            Quantity::Temperature => number < 350,
            _ => false,
        };
        by_value || reading.flags.invalid || reading.flags.suspect
    }

    /// Asks for another reading in place of a suspicious one, unless that was said otherwise.
    fn ask_again(&mut self, context: &Context<'_>, quantity: Quantity, notices: &mut Notices) {
        let now = context.now;
        let memory = self.memory(quantity);
        let recent = memory.asked.is_some_and(|asked| now.saturating_sub(asked) < ASK_AGAIN);
        let may = context.settings.prompts && !context.hushed() && !notices.any();
        if quantity != Quantity::Cgm && may && !recent {
            memory.asked = Some(now);
            notices.request();
        }
    }

    /// At most one device notice per quantity in 24 hours.
    fn device_notice(&mut self, quantity: Quantity, now: u32, notices: &mut Notices) {
        let memory = self.memory(quantity);
        if memory.device_notice.is_none_or(|told| now.saturating_sub(told) >= DAY) {
            memory.device_notice = Some(now);
            notices.device();
        }
    }
}

/// An unclaimed reading at which a critical rule of any candidate holds: own limits first, then
/// the others'; the first rule in table order.
fn unclaimed_notice(context: &Context<'_>, reading: &Reading, late: bool, notices: &mut Notices) {
    let candidates = core::iter::once(context.limits).chain(context.plan.others);
    let holds = |limits: &Limits| super::conditions::critical_by_number(limits, reading);
    if let Some(rule) = candidates.into_iter().find_map(holds) {
        notices.unclaimed(rule, late);
    }
}
