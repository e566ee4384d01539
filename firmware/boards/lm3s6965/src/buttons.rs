//! Three buttons beside the screen, from the top: the pad's up, right and down. They are low when pressed.

use hearth_shared::wire::HubTicks;

use crate::pins::{Pin, Port};
use crate::registers::{Line, unmask};

/// A change sooner after the last is the contact bouncing.
const BOUNCE_MS: u64 = 20;

/// The buttons.
pub struct Buttons {
    pins: [Pin; 3],
    down: [bool; 3],
    changed: [HubTicks; 3],
}

impl Buttons {
    /// A button that is down at the start reports nothing until it is released: the emulator's pad begins so.
    pub fn new(now: HubTicks) -> Self {
        let pins = [Pin::input(Port::E, 0), Pin::input(Port::E, 3), Pin::input(Port::E, 1)];
        unmask(Line::PortE);
        unmask(Line::PortF);
        let down = core::array::from_fn(|i| !pins[i].is_high());
        Self { pins, down, changed: [now; 3] }
    }

    /// The next change: which button, and whether it is down.
    pub fn change(&mut self, now: HubTicks) -> Option<(usize, bool)> {
        for i in 0..3 {
            let down = !self.pins[i].is_high();
            if down != self.down[i] && now.millis_since(self.changed[i]) >= BOUNCE_MS {
                self.down[i] = down;
                self.changed[i] = now;
                return Some((i, down));
            }
        }
        None
    }

    /// A change waits for the contact to settle: look again soon.
    pub fn unsettled(&self) -> bool {
        (0..3).any(|i| self.pins[i].is_high() == self.down[i])
    }
}
