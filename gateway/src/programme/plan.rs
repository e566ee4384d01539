//! The parameters of an NI-1 plan by their names in `clinical-rules` B2 and B10, as they stand in
//! programme files and in cases of `hearth assess`.

use serde::{Deserialize, Deserializer, Serialize};

use hearth_shared::assess::trend::{Direction, Mid, Parameters, Plan, PlanError, Ratio, Target};

use crate::assess::series::{Selection, Summary};

/// All parameters but `start` and `events`; what is not given has the default of B2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names and their meaning are those of B2, given below in its order.
pub struct PlanSpec {
    pub horizon: i64,
    pub base_before: i64,
    pub base_after: i64,
    pub base_after_max: i64,
    pub base_want: i64,
    pub base_min: i64,
    pub recent: i64,
    pub recent_min: i64,
    pub fresh: i64,
    pub fresh_min: i64,
    pub drop_first: i64,
    pub lookback: i64,
    pub dir: Direction,
    pub target: TargetSpec,
    pub mid: MidSpec,
    pub grey: [i64; 2],
    pub noisy: [i64; 2],
    pub z_trend: [i64; 2],
    pub z_worse: [i64; 2],
    pub z_ci: [i64; 2],
    pub vif: [i64; 2],
    pub defer_max: i64,
    pub step: i64,
    pub first_interim: i64,
    pub last_eval: i64,
    pub cooldown: i64,
    pub max_prompts: i64,
    pub plaus: [i64; 2],
    pub k_per_day: i64,
    pub day_start: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tod: Option<[i64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<String>,
    pub tz: i64,
    pub summary: SummaryKind,
    pub tir: TimeInRangeSpec,
}

/// `{ lo, hi }`, either end open if absent, or `{ drop_bp }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// Lower end, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lo: Option<i64>,
    /// Upper end, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hi: Option<i64>,
    /// Basis points of the baseline.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub drop_bp: Option<i64>,
}

/// `{ abs }` or `{ bp }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MidSpec {
    /// In the plan's unit.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub abs: Option<i64>,
    /// Basis points of the baseline median.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub bp: Option<i64>,
}

/// How a day is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SummaryKind {
    /// The median of the day's readings.
    Median,
    /// Time in range.
    Tir,
}

/// The parameters of time in range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeInRangeSpec {
    /// Lower end, inclusive.
    pub lo: i64,
    /// Upper end, inclusive.
    pub hi: i64,
    /// Minutes of a slot.
    pub slot: i64,
    /// Slots a day needs.
    pub min_n: i64,
}

/// A name that is present must have a value: null is not "absent".
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl Default for PlanSpec {
    fn default() -> Self {
        let p = Parameters::starting(0);
        let pair = |ratio: Ratio| [ratio.num, ratio.den];
        Self {
            horizon: p.horizon,
            base_before: p.base_before,
            base_after: p.base_after,
            base_after_max: p.base_after_max,
            base_want: p.base_want,
            base_min: p.base_min,
            recent: p.recent,
            recent_min: p.recent_min,
            fresh: p.fresh,
            fresh_min: p.fresh_min,
            drop_first: p.drop_first,
            lookback: 90,
            dir: p.dir,
            target: TargetSpec { lo: Some(80), hi: Some(130), drop_bp: None },
            mid: MidSpec { abs: Some(20), bp: None },
            grey: pair(p.grey),
            noisy: pair(p.noisy),
            z_trend: pair(p.z_trend),
            z_worse: pair(p.z_worse),
            z_ci: pair(p.z_ci),
            vif: pair(p.vif),
            defer_max: p.defer_max,
            step: p.step,
            first_interim: p.first_interim,
            last_eval: p.last_eval,
            cooldown: p.cooldown,
            max_prompts: p.max_prompts,
            plaus: [20, 600],
            k_per_day: p.k_per_day,
            day_start: 0,
            tod: None,
            ctx: None,
            tz: 0,
            summary: SummaryKind::Median,
            tir: TimeInRangeSpec { lo: 70, hi: 180, slot: 5, min_n: 202 },
        }
    }
}

/// A parameter that is out of bounds, or two that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SpecError {
    /// Name of the parameter.
    pub parameter: &'static str,
    /// What is wrong.
    pub message: String,
}

impl SpecError {
    fn new(parameter: &'static str, message: impl Into<String>) -> Self {
        Self { parameter, message: message.into() }
    }
}

impl From<PlanError> for SpecError {
    fn from(error: PlanError) -> Self {
        let parameter = match error {
            PlanError::TooSmall { parameter, .. }
            | PlanError::TooLarge { parameter, .. }
            | PlanError::Reversed { parameter } => parameter,
            PlanError::NoTarget => "target",
            PlanError::RingTooShort { .. } => "last_eval",
        };
        Self::new(parameter, error.to_string())
    }
}

impl PlanSpec {
    /// The plan that starts on local day `start`, and which readings it looks at.
    ///
    /// # Errors
    /// The first parameter that B10 calls malformed, or that the rule cannot compute with.
    pub fn build(&self, start: i64) -> Result<(Plan, Selection), SpecError> {
        let selection = self.selection()?;
        let ratio = |[num, den]: [i64; 2]| Ratio::new(num, den);
        let plan = Plan::new(Parameters {
            start,
            horizon: self.horizon,
            base_before: self.base_before,
            base_after: self.base_after,
            base_after_max: self.base_after_max,
            base_want: self.base_want,
            base_min: self.base_min,
            recent: self.recent,
            recent_min: self.recent_min,
            fresh: self.fresh,
            fresh_min: self.fresh_min,
            drop_first: self.drop_first,
            dir: self.dir,
            target: self.target()?,
            mid: self.mid()?,
            grey: ratio(self.grey),
            noisy: ratio(self.noisy),
            z_trend: ratio(self.z_trend),
            z_worse: ratio(self.z_worse),
            z_ci: ratio(self.z_ci),
            vif: ratio(self.vif),
            defer_max: self.defer_max,
            step: self.step,
            first_interim: self.first_interim,
            last_eval: self.last_eval,
            cooldown: self.cooldown,
            max_prompts: self.max_prompts,
            k_per_day: self.k_per_day,
        })?;
        Ok((plan, selection))
    }

    fn target(&self) -> Result<Target, SpecError> {
        match self.target {
            TargetSpec { lo: None, hi: None, drop_bp: Some(bp) } => Ok(Target::DropBasisPoints(bp)),
            TargetSpec { lo, hi, drop_bp: None } => Ok(Target::Range { lo, hi }),
            _ => Err(SpecError::new("target", "target has either lo and hi, or drop_bp")),
        }
    }

    fn mid(&self) -> Result<Mid, SpecError> {
        match self.mid {
            MidSpec { abs: Some(abs), bp: None } => Ok(Mid::Absolute(abs)),
            MidSpec { abs: None, bp: Some(bp) } => Ok(Mid::BasisPoints(bp)),
            _ => Err(SpecError::new("mid", "mid has exactly one of abs and bp")),
        }
    }

    fn selection(&self) -> Result<Selection, SpecError> {
        let ordered = |name, [lo, hi]: [i64; 2]| match lo <= hi {
            true => Ok((lo, hi)),
            false => Err(SpecError::new(name, format!("{name}: {lo} lies above {hi}"))),
        };
        let at_least = |name, value: i64, minimum: i64| match value >= minimum {
            true => Ok(()),
            false => Err(SpecError::new(name, format!("{name} must be at least {minimum}"))),
        };
        at_least("lookback", self.lookback, 0)?;
        at_least("day_start", self.day_start, 0)?;
        at_least("tir", self.tir.slot, 1)?;
        at_least("tir", self.tir.min_n, 1)?;
        let (lo, hi) = ordered("tir", [self.tir.lo, self.tir.hi])?;
        if self.tod.is_some_and(|[from, to]| from >= to) {
            return Err(SpecError::new("tod", "tod: the window ends before it begins"));
        }
        Ok(Selection {
            plaus: ordered("plaus", self.plaus)?,
            tod: self.tod.map(|[from, to]| (from, to)),
            ctx: self.ctx.clone(),
            tz: self.tz,
            day_start: self.day_start,
            lookback: self.lookback,
            k_per_day: self.k_per_day,
            summary: match self.summary {
                SummaryKind::Median => Summary::Median,
                SummaryKind::Tir => {
                    Summary::TimeInRange { lo, hi, slot: self.tir.slot, min_n: self.tir.min_n }
                }
            },
        })
    }
}
