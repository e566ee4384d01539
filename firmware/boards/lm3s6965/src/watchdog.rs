//! Watchdog 0: its first time-out is an interrupt that nobody takes, its second resets the board.

use crate::CLOCK_HZ;
use crate::registers::{read, write};

const WATCHDOG: u32 = 0x4000_0000;

/// Starts it; it cannot be stopped again.
pub fn start(ms: u32) {
    write(0x400F_E100, read(0x400F_E100) | (1 << 3));
    write(WATCHDOG, ms.saturating_mul(CLOCK_HZ / 1000) / 2);
    write(WATCHDOG + 0x08, 0b11);
}

/// Puts the reset off.
pub fn feed() {
    write(WATCHDOG + 0x0C, 1);
}
