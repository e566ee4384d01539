//! The watchdog is fed only when every part of the program has checked in.

use hearth_shared::wire::HubTicks;

/// A part of the program. The numbers are told as the detail of a watchdog reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The loop itself, by `poll`.
    Loop,
    /// The serial line: octets are taken, or there are none.
    Line,
    /// The flash answered.
    Store,
    /// The screen was drawn, or had nothing new.
    Screen,
}

/// Each part checks in at least this often; the watchdog's own time-out is longer.
pub const PERIOD_MS: u64 = 3_000;

/// Who has checked in when.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckIns {
    last: [HubTicks; 4],
}

const fn place(part: Part) -> usize {
    match part {
        Part::Loop => 0,
        Part::Line => 1,
        Part::Store => 2,
        Part::Screen => 3,
    }
}

impl CheckIns {
    /// All parts have just checked in: the program starts.
    pub const fn at(now: HubTicks) -> Self {
        Self { last: [now; 4] }
    }

    /// A part did its work.
    pub fn check_in(&mut self, part: Part, now: HubTicks) {
        if let Some(last) = self.last.get_mut(place(part)) {
            *last = now;
        }
    }

    /// The part that is overdue, if one is: then the watchdog must not be fed, and its number is kept
    /// over the reset.
    pub fn overdue(&self, now: HubTicks) -> Option<u8> {
        let late = self.last.iter().position(|last| now.millis_since(*last) > PERIOD_MS)?;
        u8::try_from(late).ok()
    }
}
