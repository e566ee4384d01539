//! The only unsafe code of this chip: its registers, its interrupt lines, and the words that outlive a reset.
#![allow(unsafe_code)]

use core::mem::MaybeUninit;
use core::ptr::{read_volatile, write_volatile};

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

/// Reads a register.
pub(crate) fn read(address: u32) -> u32 {
    // SAFETY: callers name registers of the data sheet's memory map; reading one has no effect on memory.
    unsafe { read_volatile(address as *const u32) }
}

/// Writes a register.
pub(crate) fn write(address: u32, value: u32) {
    // SAFETY: callers name registers of the data sheet's memory map; none of those used here moves memory.
    unsafe { write_volatile(address as *mut u32, value) }
}

/// Interrupts in use (data sheet, table 2-9).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Line {
    PortE = 4,
    Uart0 = 5,
    Uart1 = 6,
    Timer0A = 19,
    PortF = 30,
}

// SAFETY: the numbers are those of the chip and never change.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Lets an interrupt through.
pub(crate) fn unmask(line: Line) {
    // SAFETY: no code here relies on an interrupt being masked; shared state is behind critical sections.
    unsafe { NVIC::unmask(line) }
}

/// Not cleared by the start-up code: what was said before a reset. Power off leaves noise.
#[unsafe(link_section = ".uninit.LAST_WORDS")]
static mut LAST_WORDS: MaybeUninit<[u32; 3]> = MaybeUninit::uninit();

/// Keeps three words over a reset.
pub(crate) fn keep(words: [u32; 3]) {
    // SAFETY: one core; called from the main loop, or from the panic handler after which nothing else runs.
    unsafe { write_volatile((&raw mut LAST_WORDS).cast(), words) }
}

/// What was kept, or noise.
pub(crate) fn kept() -> [u32; 3] {
    // SAFETY: any bits are three words; one core.
    unsafe { read_volatile((&raw const LAST_WORDS).cast::<[u32; 3]>()) }
}
