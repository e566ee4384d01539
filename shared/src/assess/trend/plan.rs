//! The parameters of NI-1 (B2) and the check that makes a [`Plan`] of them.

use serde::{Deserialize, Serialize};

/// Whether lower or higher values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Lower is better (glucose, pressure, weight).
    Down,
    /// Higher is better (time in range).
    Up,
}

/// When the goal counts as reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A range in the plan's unit, both ends inclusive; an end that is `None` is open.
    Range {
        /// Lower end.
        lo: Option<i64>,
        /// Upper end.
        hi: Option<i64>,
    },
    /// A change of the recent median by this many basis points (1/100 %) of the baseline's.
    DropBasisPoints(i64),
}

/// The minimal important difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mid {
    /// In the plan's unit.
    Absolute(i64),
    /// In basis points (1/100 %) of the baseline median; at least a quarter unit.
    BasisPoints(i64),
}

/// A fraction of two positive integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    /// Numerator, 1..=2^31-1.
    pub num: i64,
    /// Denominator, 1..=2^31-1.
    pub den: i64,
}

impl Ratio {
    /// `num / den`.
    pub const fn new(num: i64, den: i64) -> Self {
        Self { num, den }
    }
    pub(super) const fn wide(self) -> (i128, i128) {
        (self.num as i128, self.den as i128)
    }
}

/// The parameters of B2 that decide; those that select readings belong to the host.
/// Days are counts of local days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Local day number of the start (days since 1970-01-01 in local time).
    pub start: i64,
    /// L: days from the effective start to the first final evaluation.
    pub horizon: i64,
    /// Days of the baseline window before the start.
    pub base_before: i64,
    /// Days of the baseline window from the start on.
    pub base_after: i64,
    /// Where the baseline is thin: later days are added up to this one.
    pub base_after_max: i64,
    /// Measured days wanted in the baseline.
    pub base_want: i64,
    /// Measured days needed in the baseline.
    pub base_min: i64,
    /// Days of the recent window.
    pub recent: i64,
    /// Measured days needed in it.
    pub recent_min: i64,
    /// The last days, in which something must have been measured.
    pub fresh: i64,
    /// Measured days needed in them.
    pub fresh_min: i64,
    /// Ignore the first day ever measured: 0 or 1.
    pub drop_first: i64,
    /// Whether lower or higher is better.
    pub dir: Direction,
    /// The goal.
    pub target: Target,
    /// The minimal important difference.
    pub mid: Mid,
    /// Borderline zone around the MID, as a fraction of it.
    pub grey: Ratio,
    /// Half width of the interval, in MIDs, from which the data count as too noisy.
    pub noisy: Ratio,
    /// Quantile for "improving by trend".
    pub z_trend: Ratio,
    /// Quantile for "worsening".
    pub z_worse: Ratio,
    /// Quantile of the interval.
    pub z_ci: Ratio,
    /// Variance inflation for serial correlation.
    pub vif: Ratio,
    /// How often a borderline verdict is put off.
    pub defer_max: i64,
    /// Days between evaluations.
    pub step: i64,
    /// Day after the start from which interim evaluations are made.
    pub first_interim: i64,
    /// Last day after the start with a final evaluation.
    pub last_eval: i64,
    /// Days between two follow-up prompts at least.
    pub cooldown: i64,
    /// Follow-up prompts at most.
    pub max_prompts: i64,
    /// Readings kept per local day: the earliest.
    pub k_per_day: i64,
}

impl Parameters {
    /// The defaults of B2: fasting glucose, six weeks, from this local day on.
    pub const fn starting(start: i64) -> Self {
        Self {
            start,
            horizon: 42,
            base_before: 14,
            base_after: 7,
            base_after_max: 14,
            base_want: 7,
            base_min: 6,
            recent: 21,
            recent_min: 8,
            fresh: 7,
            fresh_min: 2,
            drop_first: 1,
            dir: Direction::Down,
            target: Target::Range { lo: Some(80), hi: Some(130) },
            mid: Mid::Absolute(20),
            grey: Ratio::new(1, 3),
            noisy: Ratio::new(2, 1),
            z_trend: Ratio::new(200, 100),
            z_worse: Ratio::new(165, 100),
            z_ci: Ratio::new(165, 100),
            vif: Ratio::new(3, 2),
            defer_max: 2,
            step: 7,
            first_interim: 21,
            last_eval: 84,
            cooldown: 14,
            max_prompts: 3,
            k_per_day: 8,
        }
    }
}

/// Why parameters are no plan. `parameter` is the name of B2 in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The number is smaller than allowed.
    TooSmall {
        /// Name in B2.
        parameter: &'static str,
        /// Smallest allowed.
        minimum: i64,
    },
    /// The number is larger than the rule's arithmetic allows.
    TooLarge {
        /// Name in B2.
        parameter: &'static str,
        /// Largest allowed.
        maximum: i64,
    },
    /// The lower end lies above the upper end.
    Reversed {
        /// Name in B2.
        parameter: &'static str,
    },
    /// The target has no end at all.
    NoTarget,
    /// `base_before + last_eval` exceeds what the ring of 128 days holds (B7).
    RingTooShort {
        /// What the plan asks for.
        days: i64,
        /// What fits: 126.
        maximum: i64,
    },
}

impl core::fmt::Display for PlanError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooSmall { parameter, minimum } => {
                write!(f, "{parameter} must be at least {minimum}")
            }
            Self::TooLarge { parameter, maximum } => {
                write!(f, "{parameter} must be at most {maximum}")
            }
            Self::Reversed { parameter } => {
                write!(f, "{parameter}: the lower end lies above the upper end")
            }
            Self::NoTarget => write!(f, "target has no end"),
            Self::RingTooShort { days, maximum } => {
                write!(f, "base_before + last_eval is {days}; at most {maximum} days are kept")
            }
        }
    }
}

impl core::error::Error for PlanError {}

/// Local days lie within +-2^30 (about three million years), so that sums stay in 32 bits.
pub const DAY_MAX: i64 = 1 << 30;
/// Windows and other counts of days.
pub const SPAN_MAX: i64 = 1_000_000;
/// Values, limits and basis points: y = 2 x value fits 32 bits.
pub const VALUE_MAX: i64 = 1_000_000_000;
/// Members of a ratio.
pub const RATIO_MAX: i64 = i32::MAX as i64;
/// `base_before + last_eval` at most (B7).
pub const RING_SPAN_MAX: i64 = 126;

// The widest products of the rule, in bits, with these bounds (all in i128 unless said):
// z^2 m n (m+n+1) vif: 62 + 14 + 9 + 31 = 116;  18 (S-1)^2 z^2 vif: 5 + 26 + 62 + 31 = 124.
const _: () = assert!(RATIO_MAX < 1 << 31 && 2 * VALUE_MAX < i32::MAX as i64);
// In i64: a difference of y times L is below 4e9 x 1e6 < 2^63.
const _: () = assert!(4 * VALUE_MAX * SPAN_MAX < i64::MAX / 4);

/// Parameters that passed [`Plan::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan(Parameters);

impl Plan {
    /// Checks the parameters by B10's list and by the bounds of the arithmetic.
    ///
    /// # Errors
    /// The first parameter that is out of bounds.
    pub const fn new(p: Parameters) -> Result<Self, PlanError> {
        match check(&p) {
            Ok(()) => Ok(Self(p)),
            Err(error) => Err(error),
        }
    }

    /// The parameters, which hold what [`Plan::new`] checked.
    pub const fn parameters(&self) -> &Parameters {
        &self.0
    }

    /// The same plan from another start; `None` if that day is out of bounds.
    pub const fn starting(mut self, start: i64) -> Option<Self> {
        if start < -DAY_MAX || start > DAY_MAX {
            return None;
        }
        self.0.start = start;
        Some(self)
    }
}

const fn between(
    parameter: &'static str,
    value: i64,
    minimum: i64,
    maximum: i64,
) -> Result<(), PlanError> {
    if value < minimum {
        return Err(PlanError::TooSmall { parameter, minimum });
    }
    if value > maximum {
        return Err(PlanError::TooLarge { parameter, maximum });
    }
    Ok(())
}

/// `?` for a `const fn`.
macro_rules! check {
    ($result:expr) => {
        if let Err(error) = $result {
            return Err(error);
        }
    };
}

const fn check(p: &Parameters) -> Result<(), PlanError> {
    check!(between("start", p.start, -DAY_MAX, DAY_MAX));
    check!(between("horizon", p.horizon, 1, SPAN_MAX));
    check!(between("base_before", p.base_before, 0, SPAN_MAX));
    check!(between("base_after", p.base_after, 0, SPAN_MAX));
    check!(between("base_after_max", p.base_after_max, 1, SPAN_MAX));
    check!(between("base_want", p.base_want, 1, SPAN_MAX));
    check!(between("base_min", p.base_min, 0, SPAN_MAX));
    check!(between("recent", p.recent, 1, SPAN_MAX));
    check!(between("recent_min", p.recent_min, 0, SPAN_MAX));
    check!(between("fresh", p.fresh, 1, SPAN_MAX));
    check!(between("fresh_min", p.fresh_min, 0, SPAN_MAX));
    check!(between("drop_first", p.drop_first, 0, 1));
    check!(between("defer_max", p.defer_max, 0, SPAN_MAX));
    check!(between("step", p.step, 1, SPAN_MAX));
    check!(between("first_interim", p.first_interim, 0, SPAN_MAX));
    check!(between("last_eval", p.last_eval, 1, SPAN_MAX));
    check!(between("cooldown", p.cooldown, 1, SPAN_MAX));
    check!(between("max_prompts", p.max_prompts, 1, SPAN_MAX));
    check!(between("k_per_day", p.k_per_day, 1, SPAN_MAX));
    check!(ratio("grey", p.grey));
    check!(ratio("noisy", p.noisy));
    check!(ratio("z_trend", p.z_trend));
    check!(ratio("z_worse", p.z_worse));
    check!(ratio("z_ci", p.z_ci));
    check!(ratio("vif", p.vif));
    check!(target(p.target));
    let (Mid::Absolute(mid) | Mid::BasisPoints(mid)) = p.mid;
    check!(between("mid", mid, -VALUE_MAX, VALUE_MAX));
    let days = p.base_before + p.last_eval;
    if days > RING_SPAN_MAX {
        return Err(PlanError::RingTooShort { days, maximum: RING_SPAN_MAX });
    }
    Ok(())
}

const fn ratio(parameter: &'static str, ratio: Ratio) -> Result<(), PlanError> {
    check!(between(parameter, ratio.num, 1, RATIO_MAX));
    between(parameter, ratio.den, 1, RATIO_MAX)
}

const fn target(target: Target) -> Result<(), PlanError> {
    match target {
        Target::DropBasisPoints(bp) => between("target", bp, -VALUE_MAX, VALUE_MAX),
        Target::Range { lo: None, hi: None } => Err(PlanError::NoTarget),
        Target::Range { lo: Some(lo), hi: Some(hi) } => {
            check!(between("target", lo, -VALUE_MAX, VALUE_MAX));
            check!(between("target", hi, -VALUE_MAX, VALUE_MAX));
            if lo > hi { Err(PlanError::Reversed { parameter: "target" }) } else { Ok(()) }
        }
        Target::Range { lo: Some(end), hi: None } | Target::Range { lo: None, hi: Some(end) } => {
            between("target", end, -VALUE_MAX, VALUE_MAX)
        }
    }
}
