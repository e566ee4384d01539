//! The limits of one patient, in rule steps, with the defaults of the programme.
//!
//! Every limit lies inside the range of accepted values, ends included; that is why a rule may
//! compare the number of an implausible reading and find the same as for HI or LO.

use super::words::Level;
use serde::{Deserialize, Serialize};

macro_rules! limit_struct {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident = $default:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$fdoc])* pub $field: i32,)+ }
        impl Default for $name {
            fn default() -> Self { Self { $($field: $default,)+ } }
        }
    };
}

limit_struct! {
    /// G1, mg/dL: met below `lo`, re-armed from `rearm`.
    VeryLow {
        /// Met below this.
        lo = 54,
        /// Re-armed at or above this.
        rearm = 70,
    }
}
limit_struct! {
    /// G2, mg/dL: met below `lo`, re-armed from `rearm`.
    Low {
        /// Met below this.
        lo = 70,
        /// Re-armed at or above this.
        rearm = 80,
    }
}
limit_struct! {
    /// G3, mg/dL: met above `hi`, re-armed below `rearm`.
    VeryHigh {
        /// Met above this.
        hi = 400,
        /// Re-armed below this.
        rearm = 300,
    }
}
limit_struct! {
    /// G4, mg/dL: met by two readings above `hi`, re-armed below `rearm`.
    High {
        /// Met above this.
        hi = 250,
        /// Re-armed below this.
        rearm = 220,
    }
}
limit_struct! {
    /// G5, mg/dL: an episode starts below `lo`.
    Lows {
        /// Low below this.
        lo = 70,
    }
}
limit_struct! {
    /// P1, mmHg: met above `sys` or above `dia`, re-armed below both re-arm values.
    HighPressure {
        /// Systolic: met above this.
        sys = 180,
        /// Diastolic: met above this.
        dia = 120,
        /// Systolic: re-armed below this.
        rearm_sys = 170,
        /// Diastolic: re-armed below this.
        rearm_dia = 110,
    }
}
limit_struct! {
    /// P2, mmHg: met below `sys`, and below `sym` while a symptom is in force.
    LowPressure {
        /// Met below this.
        sys = 90,
        /// Met below this with a symptom.
        sym = 100,
        /// Re-armed at or above this.
        rearm = 100,
    }
}
limit_struct! {
    /// P3, mmHg: met from `sys` or from `dia`, re-armed below both re-arm values.
    PregnancyPressure {
        /// Systolic: met at or above this.
        sys = 160,
        /// Diastolic: met at or above this.
        dia = 110,
        /// Systolic: re-armed below this.
        rearm_sys = 150,
        /// Diastolic: re-armed below this.
        rearm_dia = 100,
    }
}
limit_struct! {
    /// H1, per minute: met above `hi` or below `lo`, re-armed strictly between the re-arm values.
    PulseRange {
        /// Met above this.
        hi = 130,
        /// Met below this.
        lo = 40,
        /// Re-armed below this.
        rearm_hi = 120,
        /// Re-armed above this.
        rearm_lo = 45,
    }
}
limit_struct! {
    /// O1, percent: met at or below `le`, re-armed from `rearm`.
    VeryLowSaturation {
        /// Met at or below this.
        le = 92,
        /// Re-armed at or above this.
        rearm = 94,
    }
}
limit_struct! {
    /// O2, percent: met at or below `le`, re-armed from `rearm`.
    LowSaturation {
        /// Met at or below this.
        le = 94,
        /// Re-armed at or above this.
        rearm = 95,
    }
}
limit_struct! {
    /// W1, 10 g: met from `gain` above the reference, re-armed below `rearm` above it.
    DayGain {
        /// Met at or above this gain. 3 lb is 136 or 137 after rounding: the smaller one.
        gain = 136,
        /// Re-armed below this gain.
        rearm = 90,
    }
}
limit_struct! {
    /// W2, 10 g: met from `gain` above the lowest of a week or above `med` over the median.
    WeekGain {
        /// Met at or above this gain on the lowest. 5 lb is 226 or 227: the smaller one.
        gain = 226,
        /// Met above this gain on the median.
        med = 200,
        /// Re-armed below this gain.
        rearm = 136,
    }
}

/// T1, 0.1 degC: met from `ge`, re-armed below `rearm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fever {
    /// Met at or above this.
    pub ge: i32,
    /// Re-armed below this.
    pub rearm: i32,
    /// `Urgent` asks for a repeat first, `Critical` (chemotherapy) is active at once.
    pub level: Level,
}

impl Default for Fever {
    fn default() -> Self {
        Self { ge: 380, rearm: 375, level: Level::Urgent }
    }
}

/// The limits of one patient; a rule that is `None` is off. P1 is off while P3 is on.
///
/// In serde's form a rule that is not named has its defaults, one that is null is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "UPPERCASE")]
pub struct Limits {
    /// Very low glucose.
    pub g1: Option<VeryLow>,
    /// Low glucose.
    pub g2: Option<Low>,
    /// Very high glucose.
    pub g3: Option<VeryHigh>,
    /// High glucose, twice.
    pub g4: Option<High>,
    /// Repeated lows.
    pub g5: Option<Lows>,
    /// High pressure.
    pub p1: Option<HighPressure>,
    /// Low pressure.
    pub p2: Option<LowPressure>,
    /// High pressure in pregnancy; off by default.
    pub p3: Option<PregnancyPressure>,
    /// Pulse at rest.
    pub h1: Option<PulseRange>,
    /// Very low saturation.
    pub o1: Option<VeryLowSaturation>,
    /// Low saturation.
    pub o2: Option<LowSaturation>,
    /// Gain in a day or two.
    pub w1: Option<DayGain>,
    /// Gain in a week.
    pub w2: Option<WeekGain>,
    /// Fever.
    pub t1: Option<Fever>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            g1: Some(VeryLow::default()),
            g2: Some(Low::default()),
            g3: Some(VeryHigh::default()),
            g4: Some(High::default()),
            g5: Some(Lows::default()),
            p1: Some(HighPressure::default()),
            p2: Some(LowPressure::default()),
            p3: None,
            h1: Some(PulseRange::default()),
            o1: Some(VeryLowSaturation::default()),
            o2: Some(LowSaturation::default()),
            w1: Some(DayGain::default()),
            w2: Some(WeekGain::default()),
            t1: Some(Fever::default()),
        }
    }
}

/// Why limits are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsError {
    /// A value of this rule lies outside the range of accepted readings.
    Range(super::RuleId),
    /// The re-arm value of this rule lies on the wrong side of its limit.
    Rearm(super::RuleId),
    /// The worse of two rules of one side would be met later than the lesser one.
    Order {
        /// The worse rule.
        worse: super::RuleId,
        /// The lesser rule.
        lesser: super::RuleId,
    },
}

const GLUCOSE: (i32, i32) = (20, 600);
const SYSTOLIC: (i32, i32) = (60, 260);
const DIASTOLIC: (i32, i32) = (30, 160);
const PULSE: (i32, i32) = (25, 250);
const SATURATION: (i32, i32) = (50, 100);
const TEMPERATURE: (i32, i32) = (300, 430);

const fn within(value: i32, range: (i32, i32)) -> bool {
    range.0 <= value && value <= range.1
}

impl Limits {
    /// Checks every rule that is given, and the order of the rules of one side.
    pub fn validate(&self) -> Result<(), LimitsError> {
        self.validate_glucose()?;
        self.validate_pressure()?;
        self.validate_rest()
    }

    fn validate_glucose(&self) -> Result<(), LimitsError> {
        use super::RuleId::{G1, G2, G3, G4, G5};
        let lows = [
            (G1, self.g1.map(|l| (l.lo, l.rearm))),
            (G2, self.g2.map(|l| (l.lo, l.rearm))),
            (G5, self.g5.map(|l| (l.lo, l.lo))),
        ];
        for (rule, limit) in lows {
            let Some((lo, rearm)) = limit else { continue };
            check(within(lo, GLUCOSE), LimitsError::Range(rule))?;
            check(lo <= rearm && rearm <= GLUCOSE.1, LimitsError::Rearm(rule))?;
        }
        let highs =
            [(G3, self.g3.map(|l| (l.hi, l.rearm))), (G4, self.g4.map(|l| (l.hi, l.rearm)))];
        for (rule, limit) in highs {
            let Some((hi, rearm)) = limit else { continue };
            check(within(hi, GLUCOSE), LimitsError::Range(rule))?;
            check(GLUCOSE.0 <= rearm && rearm <= hi, LimitsError::Rearm(rule))?;
        }
        if let (Some(worse), Some(lesser)) = (self.g1, self.g2) {
            check(worse.lo <= lesser.lo, LimitsError::Order { worse: G1, lesser: G2 })?;
        }
        if let (Some(worse), Some(lesser)) = (self.g3, self.g4) {
            check(lesser.hi <= worse.hi, LimitsError::Order { worse: G3, lesser: G4 })?;
        }
        Ok(())
    }

    fn validate_pressure(&self) -> Result<(), LimitsError> {
        use super::RuleId::{P1, P2, P3};
        let highs = [
            (P1, self.p1.map(|l| (l.sys, l.dia, l.rearm_sys, l.rearm_dia))),
            (P3, self.p3.map(|l| (l.sys, l.dia, l.rearm_sys, l.rearm_dia))),
        ];
        for (rule, limit) in highs {
            let Some((sys, dia, rearm_sys, rearm_dia)) = limit else { continue };
            check(within(sys, SYSTOLIC) && within(dia, DIASTOLIC), LimitsError::Range(rule))?;
            let rearms = SYSTOLIC.0 <= rearm_sys
                && rearm_sys <= sys
                && DIASTOLIC.0 <= rearm_dia
                && rearm_dia <= dia;
            check(rearms, LimitsError::Rearm(rule))?;
        }
        if let Some(l) = self.p2 {
            check(within(l.sys, SYSTOLIC) && within(l.sym, SYSTOLIC), LimitsError::Range(P2))?;
            let ordered = l.sys <= l.sym && l.sym <= l.rearm && l.rearm <= SYSTOLIC.1;
            check(ordered, LimitsError::Rearm(P2))?;
        }
        Ok(())
    }

    fn validate_rest(&self) -> Result<(), LimitsError> {
        use super::RuleId::{H1, O1, O2, T1, W1, W2};
        if let Some(l) = self.h1 {
            check(within(l.hi, PULSE) && within(l.lo, PULSE), LimitsError::Range(H1))?;
            let ordered = l.lo <= l.rearm_lo
                && i64::from(l.rearm_lo) + 1 < i64::from(l.rearm_hi)
                && l.rearm_hi <= l.hi;
            check(ordered, LimitsError::Rearm(H1))?;
        }
        let saturations =
            [(O1, self.o1.map(|l| (l.le, l.rearm))), (O2, self.o2.map(|l| (l.le, l.rearm)))];
        for (rule, limit) in saturations {
            let Some((le, rearm)) = limit else { continue };
            check(within(le, SATURATION), LimitsError::Range(rule))?;
            check(le < rearm && rearm <= SATURATION.1, LimitsError::Rearm(rule))?;
        }
        if let (Some(worse), Some(lesser)) = (self.o1, self.o2) {
            check(worse.le <= lesser.le, LimitsError::Order { worse: O1, lesser: O2 })?;
        }
        if let Some(l) = self.w1 {
            check(0 < l.rearm && l.rearm <= l.gain, LimitsError::Rearm(W1))?;
        }
        if let Some(l) = self.w2 {
            let ordered = 0 < l.rearm && l.rearm <= l.gain && l.rearm <= l.med;
            check(ordered, LimitsError::Rearm(W2))?;
        }
        if let Some(l) = self.t1 {
            let level = matches!(l.level, Level::Urgent | Level::Critical);
            check(within(l.ge, TEMPERATURE) && level, LimitsError::Range(T1))?;
            check(TEMPERATURE.0 <= l.rearm && l.rearm <= l.ge, LimitsError::Rearm(T1))?;
        }
        Ok(())
    }
}

fn check(holds: bool, error: LimitsError) -> Result<(), LimitsError> {
    if holds { Ok(()) } else { Err(error) }
}
