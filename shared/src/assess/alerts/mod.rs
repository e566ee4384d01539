//! Immediate alerts: what one reading asks of people, now.
//!
//! A table of rules (`conditions`) over one small state machine (`rule`). The engine holds the
//! whole bounded state of one patient; plan and limits are passed with every event. Nothing here
//! reads a clock: time comes with the events, and a timer fires with its own time, so that every
//! replica that learns of it, however late, records the same.
//!
//! What must be absent: floats, allocation, panics, and any dependence on how often ticks come.

mod arrival;
mod conditions;
mod engine;
mod escalation;
mod limits;
mod memory;
mod notices;
mod plan;
mod reading;
mod rule;
mod words;

#[cfg(test)]
mod tests;

pub use engine::{Engine, Event};
pub use limits::{
    DayGain, Fever, High, HighPressure, Limits, LimitsError, Low, LowPressure, LowSaturation, Lows,
    PregnancyPressure, PulseRange, VeryHigh, VeryLow, VeryLowSaturation, WeekGain,
};
pub use plan::{AlertPlan, Mute, QuietHours, Settings};
pub use reading::{Flags, Identity, Reading, Value};
pub use words::{
    AckBy, Claim, Level, NoticeKind, Notification, Phase, Quantity, Reason, Recipient, RuleId,
    Sink, Source, Symptom, Transition,
};
