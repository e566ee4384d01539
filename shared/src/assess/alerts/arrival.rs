//! What happens to a reading on arrival: identity, clock, plausibility, then the rules.

use super::conditions::{Case, critical_by_number};
use super::engine::Engine;
use super::limits::Limits;
use super::memory::{QuantityMemory, Weight};
use super::notices::Notices;
use super::plan::Context;
use super::reading::{Plausibility, Reading};
use super::rule::Trust;
use super::words::{Claim, Quantity, RuleId, Sink};

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;
/// A reading measured longer ago than this when it arrives is late.
const LATE: u32 = 2 * HOUR;
/// A stamp further ahead of the arrival than this is worth a look at the device's clock.
const AHEAD: u32 = 10 * MINUTE;
/// Least time between two requests to repeat a suspicious reading of one quantity.
const ASK_AGAIN: u32 = 30 * MINUTE;
impl Engine {
    fn memory(&mut self, quantity: Quantity) -> &mut QuantityMemory {
        &mut self.quantities[quantity as usize]
    }

    /// Takes one reading while monitoring is on.
    pub(super) fn reading(
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
                    || third.is_some_and(|before| before.abs_diff(number) > 20)
            }
            Quantity::Temperature => number < 350,
            _ => false,
        };
        // On CGM the caller marks artefacts, which are no reason to ask by themselves.
        let marked = reading.flags.suspect && reading.quantity != Quantity::Cgm;
        by_value || reading.flags.invalid || marked
    }

    /// Asks for another reading in place of a suspicious one, unless that was said otherwise.
    fn ask_again(&mut self, context: &Context<'_>, quantity: Quantity, notices: &mut Notices) {
        let now = context.now;
        let memory = self.memory(quantity);
        let recent = memory.asked.is_some_and(|asked| now.saturating_sub(asked) < ASK_AGAIN);
        let may = context.settings.prompts && !context.hushed() && !notices.any();
        if may && !recent {
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
    let holds = |limits: &Limits| critical_by_number(limits, reading);
    if let Some(rule) = candidates.into_iter().find_map(holds) {
        notices.unclaimed(rule, late);
    }
}
