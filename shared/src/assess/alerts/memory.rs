//! What the rules remember of earlier readings, each part bounded.

use super::limits::Limits;
use super::reading::{Fingerprint, Reading};
use heapless::{Deque, Vec};
use serde::{Deserialize, Serialize};

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;
/// A week, the window of G5, of the weights and of flapping.
pub(super) const WEEK: u32 = 168 * HOUR;
/// A CGM run raises or re-arms from this length on.
pub(super) const RUN: u32 = 15 * MINUTE;
/// A longer gap between two CGM values ends every run.
const RUN_GAP: u32 = 30 * MINUTE;
const LOW_APART: u32 = 2 * HOUR;

/// Identities remembered of each quantity.
pub(super) const IDENTITIES: usize = 64;
/// Weights remembered.
pub(super) const WEIGHTS: usize = 32;

/// What is remembered of each quantity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QuantityMemory {
    /// Measured time and number of the newest reading taken.
    pub(super) newest: Option<(u32, i32)>,
    /// When the patient was last asked to repeat a suspicious reading.
    pub(super) asked: Option<u32>,
    /// When staff were last told to look at the device.
    pub(super) device_notice: Option<u32>,
    identities: Deque<Fingerprint, IDENTITIES>,
}

impl QuantityMemory {
    pub(super) fn knows(&self, reading: &Reading) -> bool {
        let fingerprint = reading.fingerprint();
        fingerprint.is_some_and(|f| self.identities.iter().any(|known| *known == f))
    }

    pub(super) fn remember(&mut self, reading: &Reading) {
        let Some(fingerprint) = reading.fingerprint() else { return };
        if self.identities.is_full() {
            self.identities.pop_front();
        }
        // Cannot fail: there is room now.
        let _ = self.identities.push_back(fingerprint);
    }

    /// A reading measured at `t` is older than one taken before.
    pub(super) fn is_old(&self, t: u32) -> bool {
        self.newest.is_some_and(|(newest, _)| t < newest)
    }

    pub(super) fn take(&mut self, t: u32, number: i32) {
        if !self.is_old(t) {
            self.newest = Some((t, number));
        }
    }

    /// Number of the newest reading, if it was measured at most `window` seconds before `t`.
    pub(super) fn recent(&self, t: u32, window: u32) -> Option<i32> {
        let (newest, number) = self.newest?;
        (newest <= t && t - newest <= window).then_some(number)
    }
}

/// First and last time of one cluster of highs, the memory of G4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HighCluster(Option<(u32, u32)>);

impl HighCluster {
    /// A high at `t` lies an hour to a day from the first or the last one kept.
    pub(super) fn meets(self, t: u32) -> bool {
        let far = |other: u32| (HOUR..=DAY).contains(&t.abs_diff(other));
        self.0.is_some_and(|(first, last)| far(first) || far(last))
    }

    /// Takes a high at `t`.
    pub(super) fn take(&mut self, t: u32) {
        let Some((first, last)) = self.0 else {
            self.0 = Some((t, t));
            return;
        };
        if t > last {
            if t - last >= HOUR {
                self.0 = Some((t, t));
            } else {
                self.0 = Some((if t.saturating_sub(first) < HOUR { first } else { last }, t));
            }
        } else if t < first && last.saturating_sub(t) < HOUR {
            self.0 = Some((t, last));
        }
    }

    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Starts of the latest three low episodes in order of time, the memory of G5.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LowEpisodes(Vec<u32, 3>);

impl LowEpisodes {
    /// Offers a low that began at `start`; true if it is a new start that meets G5.
    pub(super) fn offer(&mut self, start: u32) -> bool {
        if self.0.iter().any(|kept| kept.abs_diff(start) < LOW_APART) {
            return false;
        }
        if self.0.is_full() {
            if self.0.first().is_some_and(|first| start < *first) {
                return false;
            }
            self.0.remove(0);
        }
        let at = self.0.iter().position(|kept| *kept > start).unwrap_or(self.0.len());
        // Cannot fail: there is room, and `at` is at most the length.
        let _ = self.0.insert(at, start);
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => self.0.is_full() && last.saturating_sub(*first) <= WEEK,
            _ => false,
        }
    }

    /// A value at `t` lies at least a week after the last start.
    pub(super) fn are_over(&self, t: u32) -> bool {
        self.0.last().is_some_and(|last| t >= *last && t - last >= WEEK)
    }
}

/// One kept weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Weight {
    pub(super) t: u32,
    /// 10 g.
    pub(super) value: u16,
    /// Local day by the offset in force when it came, minus the day by UTC.
    shift: i8,
}

impl Weight {
    pub(super) fn new(t: u32, value: u16, local_day: i64) -> Self {
        let shift = i8::try_from(local_day - i64::from(t / DAY)).unwrap_or(0);
        Self { t, value, shift }
    }

    fn day(&self) -> i64 {
        i64::from(self.t / DAY) + i64::from(self.shift)
    }
}

/// The weights latest by measured time, oldest first; of equal times the earlier arrival first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Weights(Vec<Weight, WEIGHTS>);

impl Weights {
    pub(super) fn take(&mut self, weight: Weight) {
        if self.0.is_full() {
            if self.0.first().is_some_and(|oldest| weight.t < oldest.t) {
                return;
            }
            self.0.remove(0);
        }
        let at = self.0.iter().position(|kept| kept.t > weight.t).unwrap_or(self.0.len());
        // Cannot fail: there is room, and `at` is at most the length.
        let _ = self.0.insert(at, weight);
    }

    /// Lower middle of the weights that `wanted` picks, if they are at least `least`.
    fn lower_middle(&self, least: usize, wanted: impl Fn(&Weight) -> bool) -> Option<i32> {
        let mut values: Vec<u16, WEIGHTS> =
            self.0.iter().filter(|w| wanted(w)).map(|w| w.value).collect();
        values.sort_unstable();
        if values.len() < least {
            return None;
        }
        values.get(values.len().checked_sub(1)? / 2).map(|v| i32::from(*v))
    }

    fn in_week_before(t: u32) -> impl Fn(&Weight) -> bool {
        move |w| w.t < t && t - w.t <= WEEK
    }

    /// More than 5 kg off the lower middle of the week before, given three or more weights.
    pub(super) fn is_off(&self, t: u32, value: i32) -> bool {
        self.lower_middle(3, Self::in_week_before(t)).is_some_and(|m| (value - m).abs() > 500)
    }

    /// The latest weight from 48 to 20 hours before `t`.
    pub(super) fn day_reference(&self, t: u32) -> Option<i32> {
        let age = 20 * HOUR..=48 * HOUR;
        let found = self.0.iter().rev().find(|w| w.t < t && age.contains(&(t - w.t)));
        found.map(|w| i32::from(w.value))
    }

    /// The lowest weight of the week before `t`.
    pub(super) fn lowest(&self, t: u32) -> Option<i32> {
        let wanted = Self::in_week_before(t);
        self.0.iter().filter(|w| wanted(w)).map(|w| i32::from(w.value)).min()
    }

    /// Lower middle of all weights of the local days three and four days before `day`.
    pub(super) fn median(&self, day: i64) -> Option<i32> {
        self.lower_middle(1, |w| w.day() == day - 4 || w.day() == day - 3)
    }
}

/// Starts of the runs the latest CGM value belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Runs {
    /// Below the limit of G1, G2, G5.
    pub(super) below_g1: Option<u32>,
    pub(super) below_g2: Option<u32>,
    pub(super) below_g5: Option<u32>,
    /// At or above the re-arm value of G1, the limit of G2.
    pub(super) above_g1: Option<u32>,
    pub(super) above_g2: Option<u32>,
}

impl Runs {
    /// Takes a value at `t`, later than `previous`, the time of the value before.
    pub(super) fn take(&mut self, previous: Option<u32>, t: u32, v: i32, limits: &Limits) {
        if previous.is_none_or(|p| t.saturating_sub(p) > RUN_GAP) {
            *self = Self::default();
        }
        let step = |run: &mut Option<u32>, inside: bool| {
            *run = if inside { Some(run.unwrap_or(t)) } else { None };
        };
        step(&mut self.below_g1, limits.g1.is_some_and(|l| v < l.lo));
        step(&mut self.below_g2, limits.g2.is_some_and(|l| v < l.lo));
        step(&mut self.below_g5, limits.g5.is_some_and(|l| v < l.lo));
        step(&mut self.above_g1, limits.g1.is_some_and(|l| v >= l.rearm));
        step(&mut self.above_g2, limits.g2.is_some_and(|l| v >= l.lo));
    }
}

/// A run that began at `start` is long enough at `t`.
pub(super) fn is_run(start: Option<u32>, t: u32) -> bool {
    start.is_some_and(|start| t >= start && t - start >= RUN)
}
