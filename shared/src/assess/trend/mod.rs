//! NI-1, the "not improving" verdict: `clinical-rules` part B, version 1.
//!
//! The readings of the last weeks are compared with a baseline around the start; a change counts
//! only if it reaches the minimal important difference, or if the whole series shows a
//! significant trend that projects to it. Everything is integers: *half units* `y` are twice a
//! daily median, *quarter units* (names ending in `4`) are twice a median of half units.
//!
//! * [`plan`]: the parameters of B2, checked once.
//! * [`days`]: readings to daily values in bounded memory (B3 steps 4 and 5, B7).
//! * [`mod@evaluate`]: one evaluation, a pure function of plan and measured days (B4).
//! * [`verdict`]: what it says.
//! * [`schedule`]: when to evaluate, what is published, what is done about it (B5).
//!
//! Absent on purpose: no float, no buffer of pairs, no allocation, no clock. Choosing which
//! readings count (B3 steps 1 to 3) needs every reading's identity and is the host's work.
//!
//! Cost: medians of pairs are found by bisecting the value and counting, so no pairs are stored:
//! at most some 20 counts of 8128 pairs for each middle element. By the compiler's stack sizes
//! (thumbv6m, release) one evaluation takes about 1 KiB of stack, `DayRing::days` another 1 KiB
//! for the days it returns; the ring itself is 6 KiB.

pub mod days;
pub mod evaluate;
pub mod plan;
pub mod schedule;
mod select;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use days::{DayRing, DayValue, Measured};
pub use evaluate::evaluate;
pub use plan::{Direction, Mid, Parameters, Plan, PlanError, Ratio, Target};
pub use schedule::{Action, DueDay, Outcome, Published, Publisher, combine, due_days};
pub use verdict::{Change, Evaluation, Evidence, Phase, Reason, TrendTooLong, Verdict};

/// The rule's name and version as shown beside every verdict.
pub const RULE: &str = "NI-1 v1";

/// Most days one evaluation may look at (B7).
pub const TREND_DAYS_MAX: usize = 128;
