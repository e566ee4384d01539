//! What is configured beside the limits: quiet hours, mutes, owners of the scale.
//!
//! Plan and limits are passed with every event and are no part of the engine's state, so that
//! both may be replaced between any two events.

use super::limits::Limits;
use serde::{Deserialize, Serialize};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// Quiet hours as local minutes of the day, `[from, to)`; they may run over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    from: u16,
    to: u16,
}

impl QuietHours {
    /// 22:00 to 07:00 local.
    pub const DEFAULT: Self = Self { from: 1320, to: 420 };

    /// `None` for a minute beyond 1439 and for equal ends, which mean no quiet hours.
    pub const fn new(from: u16, to: u16) -> Option<Self> {
        if from < 1440 && to < 1440 && from != to { Some(Self { from, to }) } else { None }
    }

    /// Seconds until the end, if the local second of the day lies within.
    fn remaining(self, second_of_day: i64) -> Option<i64> {
        let minute = second_of_day / MINUTE;
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        let inside =
            if from < to { from <= minute && minute < to } else { from <= minute || minute < to };
        inside.then(|| (to * MINUTE - second_of_day).rem_euclid(DAY))
    }
}

/// A span of Unix seconds, `[from, to)`, in which the patient asked not to be disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// First second.
    pub from: u32,
    /// First second after it.
    pub to: u32,
}

/// The configured part of a patient that is not a limit.
#[derive(Clone, Copy, Debug)]
pub struct AlertPlan<'a> {
    /// Quiet hours; `None` for none.
    pub quiet: Option<QuietHours>,
    /// Mutes, always with an end.
    pub mutes: &'a [Mute],
    /// The scale has several owners.
    pub shared: bool,
    /// Start of monitoring, Unix seconds. Earlier readings only serve as weight references.
    pub start: u32,
    /// Limits of the other people an unclaimed reading may belong to.
    pub others: &'a [Limits],
}

impl Default for AlertPlan<'_> {
    fn default() -> Self {
        Self { quiet: Some(QuietHours::DEFAULT), mutes: &[], shared: false, start: 0, others: &[] }
    }
}

/// What may change while monitoring runs, by an event of its own; part of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Offset of the local clock from UTC, minutes.
    pub tz: i16,
    /// Consent to prompts; without it nothing goes to the patient.
    pub prompts: bool,
    /// Monitoring is on; while it is not, readings, symptoms and acknowledgements are ignored.
    pub monitor: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tz: 0, prompts: true, monitor: true }
    }
}

impl Settings {
    /// Seconds of the local clock since its 1970.
    pub(super) fn local(self, t: u32) -> i64 {
        i64::from(t) + i64::from(self.tz) * MINUTE
    }

    /// Local day number.
    pub(super) fn day(self, t: u32) -> i64 {
        self.local(t).div_euclid(DAY)
    }

    /// The noon of a local day, Unix seconds.
    pub(super) fn noon(self, day: i64) -> i64 {
        day * DAY + DAY / 2 - i64::from(self.tz) * MINUTE
    }
}

/// What one event is judged against.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) plan: &'a AlertPlan<'a>,
    pub(super) limits: &'a Limits,
    pub(super) settings: Settings,
    /// Unix seconds of processing, or the time of the timer that fires.
    pub(super) now: u32,
}

impl Context<'_> {
    /// End of the quiet hours, if `t` lies within them.
    fn quiet_until(&self, t: i64) -> Option<i64> {
        let local = t + i64::from(self.settings.tz) * MINUTE;
        self.plan.quiet?.remaining(local.rem_euclid(DAY)).map(|rest| t + rest)
    }

    fn muted_until(&self, t: i64) -> Option<i64> {
        let holds = |m: &&Mute| i64::from(m.from) <= t && t < i64::from(m.to);
        self.plan.mutes.iter().find(holds).map(|m| i64::from(m.to))
    }

    /// End of the quiet hours that are now; mutes do not count.
    pub(super) fn quiet_end(&self) -> Option<i64> {
        self.quiet_until(i64::from(self.now))
    }

    /// Quiet hours or a mute hold now.
    pub(super) fn hushed(&self) -> bool {
        let now = i64::from(self.now);
        self.quiet_until(now).is_some() || self.muted_until(now).is_some()
    }

    /// The next moment that is neither quiet nor muted; now itself if it is neither.
    pub(super) fn next_open(&self) -> i64 {
        let mut t = i64::from(self.now);
        // Each mute can be left once, with at most one stretch of quiet hours before and after.
        for _ in 0..=2 * self.plan.mutes.len() + 1 {
            match self.quiet_until(t).or_else(|| self.muted_until(t)) {
                Some(end) => t = end,
                None => break,
            }
        }
        t
    }
}
