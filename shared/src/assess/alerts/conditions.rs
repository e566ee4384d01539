//! The table of rules: which readings a rule sees, when it is met, and what re-arms it.
//!
//! All comparisons are integer, and strict exactly where the table says so.

use super::engine::Engine;
use super::limits::{Limits, WeekGain};
use super::memory::{RUN, is_run};
use super::plan::Context;
use super::reading::Reading;
use super::rule::{Frozen, Sight, Trust};
use super::words::{Level, Phase, Quantity, RuleId};

const HOUR: u32 = 3600;

/// The level of an activation without a symptom and without a second reading.
pub(super) fn base_level(rule: RuleId, limits: &Limits) -> Level {
    match rule {
        RuleId::G1 | RuleId::G3 | RuleId::P3 | RuleId::O1 => Level::Critical,
        RuleId::G5 => Level::Advisory,
        RuleId::T1 => limits.t1.map_or(Level::Urgent, |l| l.level),
        _ => Level::Urgent,
    }
}

/// The first critical rule that holds by number alone. CGM values never reach it.
pub(super) fn critical_by_number(limits: &Limits, reading: &Reading) -> Option<RuleId> {
    let (v, dia) = (reading.number(), reading.diastolic());
    let critical = |rule: RuleId| base_level(rule, limits) == Level::Critical;
    match reading.quantity {
        Quantity::Glucose if limits.g1.is_some_and(|l| v < l.lo) => Some(RuleId::G1),
        Quantity::Glucose if limits.g3.is_some_and(|l| v > l.hi) => Some(RuleId::G3),
        Quantity::Pressure if limits.p3.is_some_and(|l| v >= l.sys || dia >= l.dia) => {
            Some(RuleId::P3)
        }
        Quantity::Saturation if limits.o1.is_some_and(|l| v <= l.le) => Some(RuleId::O1),
        Quantity::Temperature if limits.t1.is_some_and(|l| v >= l.ge) && critical(RuleId::T1) => {
            Some(RuleId::T1)
        }
        _ => None,
    }
}

/// One reading before the rules.
pub(super) struct Case<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) reading: &'a Reading,
    pub(super) trust: Trust,
}

impl Case<'_> {
    /// The rules that see this quantity, in table order.
    pub(super) fn rules(&self) -> &'static [RuleId] {
        use RuleId::{G1, G2, G3, G4, G5, H1, O1, O2, P1, P2, P3, T1, W1, W2};
        match self.reading.quantity {
            Quantity::Glucose => &[G1, G2, G3, G4, G5],
            Quantity::Cgm => &[G1, G2, G3, G5],
            Quantity::Pressure => &[P1, P2, P3],
            Quantity::Pulse => &[H1],
            Quantity::Weight => &[W1, W2],
            Quantity::Saturation => &[O1, O2],
            Quantity::Temperature => &[T1],
        }
    }

    /// Until when a rule that asks first waits for the repeat, Unix seconds.
    pub(super) fn deadline(&self, rule: RuleId) -> u64 {
        let (settings, now) = (self.context.settings, self.context.now);
        let today = settings.day(now);
        let at = match rule {
            RuleId::W1 => settings.noon(today).max(i64::from(now) + i64::from(HOUR)),
            RuleId::W2 => settings.noon(today + 1),
            _ => i64::from(now) + i64::from(rule.repeat_within()),
        };
        u64::try_from(at).unwrap_or(0)
    }
}

impl Engine {
    /// The lesser rule rests while the worse one is up, and either not late or met by this very
    /// number.
    pub(super) fn rests(&self, case: &Case<'_>, rule: RuleId) -> bool {
        let Some(worse) = rule.worse() else { return false };
        let (state, v) = (self.rule(worse), case.reading.number());
        let limits = case.context.limits;
        let met = match worse {
            RuleId::G1 => limits.g1.is_some_and(|l| v < l.lo),
            RuleId::G3 => limits.g3.is_some_and(|l| v > l.hi),
            _ => limits.o1.is_some_and(|l| v <= l.le),
        };
        state.is_up() && (!state.late || met)
    }

    /// What the reading means to a rule, and the reference a gain would be frozen at. `None`
    /// for a rule that is off. Takes the reading into the memories of G4 and G5.
    pub(super) fn sight(
        &mut self,
        case: &Case<'_>,
        rule: RuleId,
    ) -> Option<(Sight, Option<Frozen>)> {
        let limits = case.context.limits;
        let (v, dia) = (case.reading.number(), case.reading.diastolic());
        let symptom = self.symptom_holds(rule, case.context.now);
        let plain = |met: bool, rearm: bool| Sight { met, rearm, severe: false, apart: 0 };
        let sight = match rule {
            RuleId::G1 => {
                let l = limits.g1?;
                let runs = (self.runs.below_g1, self.runs.above_g1);
                self.low_sight(case, rule, v < l.lo, v >= l.rearm, runs)
            }
            RuleId::G2 => {
                let l = limits.g2?;
                let runs = (self.runs.below_g2, self.runs.above_g2);
                self.low_sight(case, rule, v < l.lo, v >= l.rearm, runs)
            }
            RuleId::G3 => limits.g3.map(|l| plain(v > l.hi, v < l.rearm))?,
            RuleId::G4 => {
                let l = limits.g4?;
                let high = v > l.hi;
                let sight = plain(high && self.highs.meets(case.trust.t), v < l.rearm);
                if high && !case.trust.invalid {
                    self.highs.take(case.trust.t);
                }
                sight
            }
            RuleId::G5 => {
                let low = v < limits.g5?.lo;
                let start = self.low_start(case, low);
                let met = start.is_some_and(|start| self.lows.offer(start));
                plain(met, !low && self.lows.are_over(case.trust.t))
            }
            RuleId::P1 => {
                let l = limits.p1.filter(|_| limits.p3.is_none())?;
                let met = v > l.sys || dia > l.dia;
                Sight { severe: symptom, ..plain(met, v < l.rearm_sys && dia < l.rearm_dia) }
            }
            RuleId::P2 => {
                let l = limits.p2?;
                let met = v < l.sys || (symptom && v < l.sym);
                Sight { severe: symptom && v < l.sys, ..plain(met, v >= l.rearm) }
            }
            RuleId::P3 => {
                let l = limits.p3?;
                plain(v >= l.sys || dia >= l.dia, v < l.rearm_sys && dia < l.rearm_dia)
            }
            RuleId::H1 => {
                let l = limits.h1?;
                let met = v > l.hi || v < l.lo;
                Sight { severe: symptom, ..plain(met, l.rearm_lo < v && v < l.rearm_hi) }
            }
            RuleId::O1 => limits.o1.map(|l| plain(v <= l.le, v >= l.rearm))?,
            RuleId::O2 => limits.o2.map(|l| plain(v <= l.le, v >= l.rearm))?,
            RuleId::T1 => limits.t1.map(|l| plain(v >= l.ge, v < l.rearm))?,
            RuleId::W1 | RuleId::W2 => return self.gain_sight(case, rule),
        };
        Some((sight, None))
    }

    /// G1 and G2: a meter's value by itself; on CGM runs raise and re-arm, while a single low
    /// value keeps an active rule met.
    fn low_sight(
        &self,
        case: &Case<'_>,
        rule: RuleId,
        low: bool,
        rearm: bool,
        (below, above): (Option<u32>, Option<u32>),
    ) -> Sight {
        if case.reading.quantity != Quantity::Cgm {
            return Sight { met: low, rearm, severe: false, apart: 0 };
        }
        let t = case.trust.t;
        let met = low && (self.rule(rule).is_up() || is_run(below, t));
        Sight { met, rearm: is_run(above, t), severe: false, apart: RUN }
    }

    /// The start of the low episode this reading belongs to, if it is one for G5.
    fn low_start(&self, case: &Case<'_>, low: bool) -> Option<u32> {
        if !low || case.trust.invalid {
            None
        } else if case.reading.quantity == Quantity::Cgm {
            self.runs.below_g5.filter(|start| is_run(Some(*start), case.trust.t))
        } else {
            Some(case.trust.t)
        }
    }

    /// W1 and W2: from the frozen reference while in force, else from the weights kept. Once
    /// staff have acknowledged, a reading near its own reference re-arms too, because a gain
    /// that stays never would.
    fn gain_sight(&self, case: &Case<'_>, rule: RuleId) -> Option<(Sight, Option<Frozen>)> {
        let limits = case.context.limits;
        let (t, v) = (case.trust.t, case.reading.number());
        let (gain, own) = if rule == RuleId::W1 {
            // One clause only, so that its median value is never asked for.
            let l = limits.w1?;
            let gain = WeekGain { gain: l.gain, med: i32::MAX, rearm: l.rearm };
            (gain, self.weights.day_reference(t))
        } else {
            (limits.w2?, self.weights.lowest(t))
        };
        let reaches = |from: Frozen| {
            let up = v.saturating_sub(from.weight);
            if from.by_median { up > gain.med } else { up >= gain.gain }
        };
        let own = own.map(|weight| Frozen { weight, by_median: false });
        let state = self.rule(rule);
        if let Some(frozen) = state.frozen.filter(|_| state.in_force()) {
            let near = |from: Frozen| v.saturating_sub(from.weight) < gain.rearm;
            let acked = state.phase == Phase::Acked;
            let rearm = near(frozen) || (acked && own.is_some_and(near));
            let sight = Sight { met: reaches(frozen), rearm, severe: false, apart: 0 };
            return Some((sight, Some(frozen)));
        }
        let median = if rule == RuleId::W2 {
            self.weights.median(case.context.settings.day(t))
        } else {
            None
        };
        let by_median = median.map(|weight| Frozen { weight, by_median: true });
        let found = own.filter(|own| reaches(*own)).or(by_median.filter(|m| reaches(*m)));
        let sight = Sight { met: found.is_some(), rearm: false, severe: false, apart: 0 };
        Some((sight, found))
    }
}
