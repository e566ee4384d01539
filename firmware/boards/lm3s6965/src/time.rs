//! Time since boot, and an alarm that ends the sleep.
//!
//! SysTick runs through its full 24 bits (335 ms): a tick of a millisecond would lose time whenever a busy host
//! held the emulator up for longer.

use core::cell::Cell;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use critical_section::{CriticalSection, Mutex};
use hearth_shared::wire::HubTicks;

use crate::CLOCK_HZ;
use crate::registers::{Line, unmask, write};

const PERIOD: u32 = 1 << 24;
const TIMER0: u32 = 0x4003_0000;
const PER_MS: u64 = CLOCK_HZ as u64 / 1000;

static WRAPS: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));
static LATEST: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

pub(crate) fn start(syst: &mut SYST) {
    write(TIMER0 + 0x0C, 0);
    // 32 bits, one shot, interrupt at its end.
    write(TIMER0, 0);
    write(TIMER0 + 0x04, 1);
    write(TIMER0 + 0x18, 1);
    unmask(Line::Timer0A);
    syst.set_clock_source(SystClkSource::Core);
    syst.set_reload(PERIOD - 1);
    syst.clear_current();
    syst.enable_interrupt();
    syst.enable_counter();
}

fn read(cs: CriticalSection<'_>) -> u64 {
    let mut wraps = WRAPS.borrow(cs).get();
    let mut count = SYST::get_current();
    if cortex_m::peripheral::SCB::is_pendst_pending() {
        // It went through zero and its interrupt waits for us.
        wraps = wraps.wrapping_add(1);
        count = SYST::get_current();
    }
    let cycles = u64::from(wraps) * u64::from(PERIOD) + u64::from((PERIOD - count) % PERIOD);
    let latest = LATEST.borrow(cs);
    latest.set(latest.get().max(cycles / PER_MS));
    latest.get()
}

/// Milliseconds since boot.
pub fn now() -> HubTicks {
    critical_section::with(|cs| HubTicks::from_millis(read(cs)))
}

pub(crate) fn wrapped() {
    critical_section::with(|cs| {
        let wraps = WRAPS.borrow(cs);
        wraps.set(wraps.get().wrapping_add(1));
    });
}

pub(crate) fn alarm_rang() {
    write(TIMER0 + 0x24, 1);
}

/// Sleeps until `until`, or until something happens; `busy` is asked with interrupts held back, so that what
/// happens between asking and sleeping ends the sleep at once.
pub fn sleep_until(until: HubTicks, busy: impl Fn() -> bool) {
    critical_section::with(|cs| {
        let wait = until.millis().saturating_sub(read(cs)).clamp(1, 1000);
        write(TIMER0 + 0x0C, 0);
        write(TIMER0 + 0x28, u32::try_from(wait * PER_MS).unwrap_or(u32::MAX));
        write(TIMER0 + 0x0C, 1);
        if !busy() {
            // A pending interrupt ends this, masked or not.
            cortex_m::asm::wfi();
        }
    });
}
