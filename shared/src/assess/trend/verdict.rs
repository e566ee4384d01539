//! What an evaluation says: verdict, reason and the numbers behind it.

use serde::{Deserialize, Serialize};

use super::{RULE, TREND_DAYS_MAX};

/// What the evaluation found. Stored and shown by these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Verdict {
    /// The change against the baseline is one to the worse, and significant.
    Worsening = 1,
    /// The change does not reach the minimal important difference.
    NotImproving = 2,
    /// The data cannot tell.
    InsufficientData = 3,
    /// The change, or the trend, reaches the minimal important difference.
    Improving = 4,
    /// The recent median lies within the target.
    AtTarget = 5,
}

impl Verdict {
    /// The name in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worsening => "Worsening",
            Self::NotImproving => "NotImproving",
            Self::InsufficientData => "InsufficientData",
            Self::Improving => "Improving",
            Self::AtTarget => "AtTarget",
        }
    }
    /// Worsening or NotImproving: what asks for a follow-up visit.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Worsening | Self::NotImproving)
    }
}

/// Why the data cannot tell, or what shows the improvement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Reason {
    /// Too few measured days in the recent window.
    Recent = 1,
    /// Too few of them in the last days.
    Stale = 2,
    /// Too few measured days in the baseline.
    Baseline = 3,
    /// The interval of the change is too wide, and the important difference lies inside.
    TooNoisy = 4,
    /// The change lies so near the important difference that the verdict is put off.
    Borderline = 5,
    /// Improving: the change reaches the important difference.
    Shift = 6,
    /// Improving: only the projected trend does.
    Trend = 7,
}

impl Reason {
    /// The name in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recent => "Recent",
            Self::Stale => "Stale",
            Self::Baseline => "Baseline",
            Self::TooNoisy => "TooNoisy",
            Self::Borderline => "Borderline",
            Self::Shift => "Shift",
            Self::Trend => "Trend",
        }
    }
}

/// Before the horizon, or from it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// E < s + L.
    Interim,
    /// E >= s + L.
    Final,
}

impl Phase {
    /// The name in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interim => "interim",
            Self::Final => "final",
        }
    }
}

/// The numbers behind a verdict; `None` where the evaluation ended before computing them.
/// Changes are oriented: positive ones are improvements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Effective start s, local day.
    pub start: i32,
    /// Measured days of the baseline.
    pub n_base: u32,
    /// How many of them lie before s.
    pub n_base_pre: u32,
    /// Measured days of the recent window.
    pub n_recent: u32,
    /// Measured days of the whole series looked at.
    pub n_trend: u32,
    /// The last measured day before E.
    pub last_day: Option<i32>,
    /// Median of the recent window, quarter units.
    pub recent_med4: Option<i64>,
    /// Median of the baseline, quarter units.
    pub base_med4: Option<i64>,
    /// The recent median lies beyond the far end of the target.
    pub overshoot: bool,
    /// The comparison, once it was made.
    pub change: Option<Change>,
}

/// The comparison of recent days with the baseline, and the trend (B4 step 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Hodges-Lehmann shift, quarter units.
    pub shift4: i64,
    /// Lower end of its interval.
    pub shift_lo4: i64,
    /// Upper end of its interval.
    pub shift_hi4: i64,
    /// Mann-Kendall S.
    pub mk_s: i32,
    /// 18 times the variance of S.
    pub mk_var18: i32,
    /// Theil-Sen slope as a change over L days, quarter units.
    pub trend4: i64,
    /// The minimal important difference, quarter units.
    pub mid4: i64,
}

/// The result of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The local day E at whose beginning it holds.
    pub day: i32,
    /// Interim or final.
    pub phase: Phase,
    /// How many steps after the horizon; 0 at an interim evaluation.
    pub k: u32,
    /// What was found.
    pub verdict: Verdict,
    /// Why, where the verdict alone does not say it.
    pub reason: Option<Reason>,
    /// The numbers.
    pub evidence: Evidence,
}

impl Evaluation {
    /// Rule and version that made it.
    pub const fn rule(&self) -> &'static str {
        RULE
    }
}

/// More than 128 measured days between the beginning of the baseline and E.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrendTooLong {
    /// How many there are.
    pub days: usize,
}

impl core::fmt::Display for TrendTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the trend has {} days; at most {TREND_DAYS_MAX} are assessed", self.days)
    }
}

impl core::error::Error for TrendTooLong {}
