//! What boards with the LM3S6965 share: clocks, serial ports, screen, card, buttons, watchdog.
//!
//! QEMU's `lm3s6965evb` is the only such board at hand. It has no flash controller that could be written, so
//! a stretch of the SD card stands in for the hub's flash; everything above it does not know.
//! On a PC this crate is empty: a workspace build passes over it.
#![cfg_attr(target_os = "none", no_std)]

#[cfg(target_os = "none")]
pub mod buttons;
#[cfg(target_os = "none")]
pub mod card;
#[cfg(target_os = "none")]
pub mod card_flash;
#[cfg(target_os = "none")]
pub mod interrupts;
#[cfg(target_os = "none")]
pub mod last_words;
#[cfg(target_os = "none")]
pub mod oled;
#[cfg(target_os = "none")]
pub mod pins;
#[cfg(target_os = "none")]
mod registers;
#[cfg(target_os = "none")]
pub mod spi;
#[cfg(target_os = "none")]
pub mod time;
#[cfg(target_os = "none")]
pub mod uart;
#[cfg(target_os = "none")]
pub mod watchdog;

/// Core clock after `init`.
pub const CLOCK_HZ: u32 = 50_000_000;

/// PLL to 50 MHz from the 8 MHz crystal, clocks on for the parts in use, time running
/// (data sheet of the LM3S6965, chapter 5).
#[cfg(target_os = "none")]
pub fn init(core: &mut cortex_m::Peripherals) {
    use registers::{read, write};
    const RCC: u32 = 0x400F_E060;
    const RIS: u32 = 0x400F_E050;
    let mut rcc = read(RCC);
    // Bypass the PLL while it is changed.
    rcc |= 1 << 11;
    rcc &= !(1 << 22);
    write(RCC, rcc);
    // Crystal, main oscillator, PLL powered.
    rcc &= !((0xF << 6) | (3 << 4) | (1 << 13));
    rcc |= 0xE << 6;
    write(RCC, rcc);
    // 200 MHz / 4.
    rcc = (rcc & !(0xF << 23)) | (3 << 23) | (1 << 22);
    write(RCC, rcc);
    // The PLL locks within half a millisecond; a watchdog does not run yet.
    for _ in 0..100_000 {
        if read(RIS) & (1 << 6) != 0 {
            break;
        }
    }
    write(RCC, rcc & !(1 << 11));
    // UART0, UART1, SSI0, timer 0; ports A to G.
    write(0x400F_E104, read(0x400F_E104) | 0b11 | (1 << 4) | (1 << 16));
    write(0x400F_E108, read(0x400F_E108) | 0x7F);
    time::start(&mut core.SYST);
}
