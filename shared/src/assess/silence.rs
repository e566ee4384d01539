//! Missed measurements: who has fallen silent, and what to do about it (clinical rules, A12).
//!
//! Local days and minutes come from the caller; there is no clock here. The state holds the last
//! 64 local days as bits, so that a reading that comes late still counts for its own day, and a
//! pause stated afterwards still takes its days out.

use heapless::Deque;
use serde::{Deserialize, Serialize};

/// Minutes of a day.
const DAY_MINUTES: u16 = 1440;
/// Days remembered one by one.
const WINDOW: u32 = u64::BITS;
/// At most this many nudges within [`NUDGE_SPAN`].
const NUDGES: usize = 3;
/// 168 h in seconds.
const NUDGE_SPAN: u64 = 168 * 3600;
/// Of 30 days, fewer measured ones than this are shown to staff.
pub const ATTENTION_BELOW: u8 = 16;

/// A window of the local day in which a measurement is wanted, and until when it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    from: u16,
    to: u16,
    grace: u16,
}

impl Slot {
    /// Minutes of the local day: `[from, to)`, and the end of the grace, at most 1440, the end
    /// of the day. `None` for an empty window or a minute beyond the day.
    pub const fn new(from: u16, to: u16, grace: u16) -> Option<Self> {
        if from < to && to <= DAY_MINUTES && 0 < grace && grace <= DAY_MINUTES {
            Some(Self { from, to, grace })
        } else {
            None
        }
    }

    /// A fasting slot: waited for until 12:00.
    pub const fn fasting(from: u16, to: u16) -> Option<Self> {
        Self::new(from, to, DAY_MINUTES / 2)
    }

    /// Any other slot: waited for until the end of the local day.
    pub const fn any_time(from: u16, to: u16) -> Option<Self> {
        Self::new(from, to, DAY_MINUTES)
    }

    const fn holds(self, minute: u16) -> bool {
        self.from <= minute && minute < self.to
    }
}

/// Local days, both included, on which nothing is planned: away, ill, hospital, repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// First local day, counted from 1970-01-01.
    pub first: i32,
    /// Last local day.
    pub last: i32,
}

/// After how many missed planned days in a row something happens. Heart failure or
/// hypoglycaemia plans set their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// A friendly nudge.
    pub nudge: u16,
    /// Another one, asking for a reason.
    pub ask_reason: u16,
    /// One task for staff.
    pub staff_task: u16,
}

impl Default for Patience {
    fn default() -> Self {
        Self { nudge: 2, ask_reason: 4, staff_task: 7 }
    }
}

/// What is planned.
#[derive(Clone, Copy, Debug)]
pub struct SilencePlan<'a> {
    /// First planned local day, counted from 1970-01-01.
    pub first: i32,
    /// Last planned local day; `None` for no end.
    pub last: Option<i32>,
    /// Planned weekdays: bit 0 is Monday, bit 6 Sunday.
    pub weekdays: u8,
    /// The slots of a planned day; without one nothing is planned.
    pub slots: &'a [Slot],
    /// Stated pauses, also those stated afterwards.
    pub pauses: &'a [Pause],
    /// When something happens.
    pub patience: Patience,
}

impl SilencePlan<'_> {
    /// Every day of the week.
    pub const EVERY_DAY: u8 = 0b111_1111;

    fn is_paused(&self, day: i32) -> bool {
        self.pauses.iter().any(|pause| pause.first <= day && day <= pause.last)
    }

    /// Planned by the calendar, pauses apart.
    fn is_scheduled(&self, day: i32) -> bool {
        // 1970-01-01 was a Thursday, weekday 3.
        let weekday = (i64::from(day) + 3).rem_euclid(7);
        !self.slots.is_empty()
            && self.first <= day
            && self.last.is_none_or(|last| day <= last)
            && (self.weekdays >> weekday) & 1 == 1
    }

    /// Minute at which the last grace of a day ends.
    fn last_grace(&self) -> u16 {
        self.slots.iter().map(|slot| slot.grace).max().unwrap_or(DAY_MINUTES)
    }
}

/// A moment on the local clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalMinute {
    /// Local day, counted from 1970-01-01.
    pub day: i32,
    /// Minute of the local day, 0 to 1439.
    pub minute: u16,
}

/// Something to do because of missed measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SilenceAction {
    /// A friendly nudge to the patient.
    Nudge,
    /// A nudge that asks for the reason: away, ill, device.
    AskReason,
    /// One task for staff.
    StaffTask,
    /// Clock error, dead battery or lost bond is the likeliest cause: a device notice, no nudge.
    DeviceNotice,
}

/// Whether the patient can be nudged right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NudgeWeather {
    /// Neither quiet hours nor a mute.
    pub open: bool,
    /// The device is the likeliest cause of the silence.
    pub device_suspected: bool,
}

/// Measured of planned days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adherence {
    /// Planned days with an accepted reading in a slot.
    pub measured: u8,
    /// Planned days.
    pub planned: u8,
}

/// Everything remembered of one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The latest day known: bit 0 of the two below.
    newest: Option<i32>,
    scheduled: u64,
    measured: u64,
    /// Latest day whose last grace has ended.
    closed: Option<i32>,
    /// Scheduled days missed in a row just before the days remembered one by one.
    missed_before: u16,
    /// A nudge that waits for waking hours.
    waiting: Option<SilenceAction>,
    /// Local day of the last nudge.
    nudged_on: Option<i32>,
    /// Unix seconds of the last nudges.
    nudged: Deque<u64, NUDGES>,
}

impl Silence {
    /// An accepted reading of the planned quantity, at its local time of measurement, which must
    /// not lie ahead of its arrival (the clock rule of the alerts sees to that). A day that becomes
    /// a measured one withdraws the nudge that has not been sent; true if one was waiting. Readings
    /// of a day that is measured already change nothing, so a caller may hand all of them again.
    pub fn measured(&mut self, plan: &SilencePlan<'_>, at: LocalMinute) -> bool {
        let in_slot = plan.slots.iter().any(|slot| slot.holds(at.minute));
        if !in_slot || !plan.is_scheduled(at.day) || plan.is_paused(at.day) {
            return false;
        }
        self.advance(plan, at.day);
        let Some(bit) = self.bit(at.day).filter(|bit| self.measured & bit == 0) else {
            return false;
        };
        self.measured |= bit;
        self.waiting.take().is_some()
    }

    /// Closes every planned day whose last grace has ended by `now`, oldest first, and hands out
    /// what follows at once: staff tasks and device notices. Nudges wait for [`Self::nudge`].
    /// Of several days closed in one go, as after an outage, the last nudge replaces the others.
    pub fn close(
        &mut self,
        plan: &SilencePlan<'_>,
        now: LocalMinute,
        weather: NudgeWeather,
        mut act: impl FnMut(SilenceAction),
    ) {
        let ended = now.minute >= plan.last_grace();
        let last = if ended { now.day } else { now.day.saturating_sub(1) };
        let next = self.closed.map_or(plan.first, |day| day.saturating_add(1).max(plan.first));
        if last < next {
            return;
        }
        // Nothing that lies further back than a pause of the whole window can matter one by one.
        for day in next.max(last.saturating_sub(40_000))..=last {
            self.advance(plan, day);
            self.closed = Some(day);
            if !self.is_planned(plan, day) {
                continue;
            }
            match self.due(plan) {
                Some(SilenceAction::StaffTask) => act(SilenceAction::StaffTask),
                Some(_) if weather.device_suspected => act(SilenceAction::DeviceNotice),
                Some(nudge) => self.waiting = Some(nudge),
                None => {}
            }
        }
    }

    fn due(&self, plan: &SilencePlan<'_>) -> Option<SilenceAction> {
        let run = self.run(plan);
        let patience = plan.patience;
        if run == 0 {
            None
        } else if run == patience.staff_task {
            Some(SilenceAction::StaffTask)
        } else if run == patience.ask_reason {
            Some(SilenceAction::AskReason)
        } else if run == patience.nudge {
            Some(SilenceAction::Nudge)
        } else {
            None
        }
    }

    /// The nudge to send now, if one waits and the patient is awake: at most one a local day and
    /// three in 168 h; what that holds back is dropped. Consent and the daily cap over all
    /// programmes are the governor's. `unix_s` is now in Unix seconds.
    pub fn nudge(
        &mut self,
        today: i32,
        unix_s: u64,
        weather: NudgeWeather,
    ) -> Option<SilenceAction> {
        if !weather.open {
            return None;
        }
        let nudge = self.waiting.take()?;
        if weather.device_suspected {
            return Some(SilenceAction::DeviceNotice);
        }
        let week = |then: u64| unix_s.saturating_sub(then) <= NUDGE_SPAN;
        let spent = self.nudged.is_full() && self.nudged.front().is_some_and(|then| week(*then));
        if spent || self.nudged_on == Some(today) {
            return None;
        }
        if self.nudged.is_full() {
            self.nudged.pop_front();
        }
        // Cannot fail: there is room now.
        let _ = self.nudged.push_back(unix_s);
        self.nudged_on = Some(today);
        Some(nudge)
    }

    /// A nudge waits for waking hours.
    pub const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Planned days in a row that are not measured, ending with the latest whose grace ended.
    pub fn run(&self, plan: &SilencePlan<'_>) -> u16 {
        let Some(closed) = self.closed else { return 0 };
        let mut run = 0;
        for back in 0..WINDOW {
            let day = closed.saturating_sub_unsigned(back);
            let Some(bit) = self.bit(day) else { break };
            if !self.is_planned(plan, day) {
                continue;
            }
            if self.measured & bit != 0 {
                return run;
            }
            run += 1;
        }
        self.missed_before.saturating_add(run)
    }

    /// Measured of planned days over the last `days` complete local days before `today`, at most
    /// 63. Call [`Self::close`] first.
    pub fn adherence(&self, plan: &SilencePlan<'_>, today: i32, days: u8) -> Adherence {
        let mut adherence = Adherence { measured: 0, planned: 0 };
        for back in 1..=u32::from(days).min(WINDOW - 1) {
            let day = today.saturating_sub_unsigned(back);
            if self.is_planned(plan, day) {
                adherence.planned += 1;
                let bit = self.bit(day).unwrap_or(0);
                adherence.measured += u8::from(self.measured & bit != 0);
            }
        }
        adherence
    }

    /// Fewer than 16 of the last 30 complete local days are measured, and the plan has run that
    /// long: to be shown to staff.
    pub fn needs_attention(&self, plan: &SilencePlan<'_>, today: i32) -> bool {
        let ran = today.saturating_sub(30) >= plan.first;
        ran && self.adherence(plan, today, 30).measured < ATTENTION_BELOW
    }

    /// The bit of a day, if it is remembered one by one.
    fn bit(&self, day: i32) -> Option<u64> {
        let back = i64::from(self.newest?) - i64::from(day);
        1_u64.checked_shl(u32::try_from(back).ok()?)
    }

    /// As it was scheduled when the day came, without the pauses known now.
    fn is_planned(&self, plan: &SilencePlan<'_>, day: i32) -> bool {
        self.bit(day).is_some_and(|bit| self.scheduled & bit != 0) && !plan.is_paused(day)
    }

    /// Makes `day` the newest one, if it is newer.
    fn advance(&mut self, plan: &SilencePlan<'_>, day: i32) {
        let Some(newest) = self.newest else {
            self.newest = Some(day);
            self.scheduled = u64::from(plan.is_scheduled(day));
            return;
        };
        for next in newest.saturating_add(1).max(day.saturating_sub(40_000))..=day {
            let oldest = 1 << (WINDOW - 1);
            let leaving = next.saturating_sub_unsigned(WINDOW);
            if self.scheduled & oldest != 0 && !plan.is_paused(leaving) {
                let missed = self.measured & oldest == 0;
                self.missed_before = if missed { self.missed_before.saturating_add(1) } else { 0 };
            }
            self.scheduled = self.scheduled << 1 | u64::from(plan.is_scheduled(next));
            self.measured <<= 1;
            self.newest = Some(next);
        }
    }
}

#[cfg(test)]
mod tests;
