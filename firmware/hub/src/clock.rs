//! Ticks since boot, and what the gateway said they mean.

use hearth_shared::wire::{Clock, HubTicks, Stamp};

const MINUTE_MS: i64 = 60_000;
const DAY_MIN: i64 = 1440;

/// The hub's clock. It is right once the gateway has told the time in this boot, and says so until then.
#[derive(Clone, Copy, Debug, Default)]
pub struct HubClock {
    /// UTC milliseconds at tick 0 of this boot.
    zero_ms: Option<i64>,
    /// The time last known in an earlier boot: a floor for the rules, never a stamp.
    floor_ms: i64,
    offset_min: i16,
    /// Summer time: from this moment on another offset.
    change: Option<(i64, i16)>,
}

impl HubClock {
    /// With what was last known before this boot, milliseconds since 1970.
    pub const fn after(floor_ms: i64) -> Self {
        Self { zero_ms: None, floor_ms, offset_min: 0, change: None }
    }

    /// The gateway says what time it is now.
    pub fn set(&mut self, now: HubTicks, told: &Clock) {
        self.zero_ms = told.utc_ms.checked_sub(signed(now));
        self.offset_min = told.offset_min;
        self.change = told.change_ms.map(|at| (at, told.then_min));
    }

    /// Milliseconds since 1970, if they are known.
    pub fn utc_ms(&self, now: HubTicks) -> Option<i64> {
        self.zero_ms?.checked_add(signed(now))
    }

    /// This moment as it stands in a record.
    pub fn stamp(&self, now: HubTicks) -> Stamp {
        Stamp { ticks: now, utc_ms: self.utc_ms(now) }
    }

    /// Unix seconds for the rules, which compare times with each other: never before what was known.
    pub fn rule_seconds(&self, now: HubTicks) -> u32 {
        let ms = self.utc_ms(now).unwrap_or(self.floor_ms.saturating_add(signed(now)));
        u32::try_from(ms.div_euclid(1000)).unwrap_or(0)
    }

    /// Local time minus UTC now, minutes.
    pub fn offset_min(&self, now: HubTicks) -> i16 {
        match (self.change, self.utc_ms(now)) {
            (Some((at, then)), Some(utc)) if utc >= at => then,
            _ => self.offset_min,
        }
    }

    /// Minute of the local day, if the time is known.
    pub fn minute(&self, now: HubTicks) -> Option<u16> {
        let minutes = self.utc_ms(now)?.div_euclid(MINUTE_MS);
        let local = minutes.saturating_add(i64::from(self.offset_min(now)));
        u16::try_from(local.rem_euclid(DAY_MIN)).ok()
    }
}

fn signed(ticks: HubTicks) -> i64 {
    i64::try_from(ticks.millis()).unwrap_or(i64::MAX)
}
