//! The hub on QEMU's `lm3s6965evb`: serial port 0 is the gateway, serial port 1 stands where sensors are.
//!
//! A line `quantity value` on port 1 is a sample, both as in the wire's `Sample`: `8 71200` is a weight of 71.2 kg.
//! `!hang` and `!fault` make the program hang or meet a fault of its own: there is no other way to see what
//! watchdog and reset make of it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
fn main() {
    println!("This program is for the board: build it for thumbv7m-none-eabi.");
}

#[cfg(target_os = "none")]
mod board {
    use core::cell::RefCell;
    use core::panic::PanicInfo;

    use hearth_board_lm3s6965::buttons::Buttons;
    use hearth_board_lm3s6965::card::{BLOCK, Card};
    use hearth_board_lm3s6965::card_flash::CardFlash;
    use hearth_board_lm3s6965::oled::Oled;
    use hearth_board_lm3s6965::spi::Spi;
    use hearth_board_lm3s6965::uart::Serial;
    use hearth_board_lm3s6965::{init, last_words, time, watchdog};
    use hearth_hub::outbox::Extent;
    use hearth_hub::{Hub, Layout, Made, Rules, Start};
    use hearth_shared::wire::{HubId, ResetCause, Sample};

    /// The card's block with the serial number, and the first of the flash.
    const SERIAL_BLOCK: u32 = 63;
    const FLASH_BLOCK: u32 = 64;
    const PAGE: u32 = 4096;
    /// Four pages to remember, sixty-four for records.
    const LAYOUT: Layout = Layout {
        memory: Extent { start: 0, end: 4 * PAGE },
        outbox: Extent { start: 4 * PAGE, end: 68 * PAGE },
    };

    #[cortex_m_rt::entry]
    fn main() -> ! {
        let Some(mut core) = cortex_m::Peripherals::take() else { restart(line!()) };
        init(&mut core);
        let (cause, detail) = last_words::hear();
        let Ok(card) = Card::new(Spi::new()) else { restart(line!()) };
        let card = RefCell::new(card);
        let mut serial = [0; BLOCK];
        if card.borrow_mut().read(SERIAL_BLOCK, &mut serial).is_err() {
            restart(line!());
        }
        let hub = HubId(serial.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)));
        let made = Made { hub, board: 1, firmware: 0x0000_0001, slot: 0, confirmed: true };
        let flash = RefCell::new(CardFlash::new(&card, FLASH_BLOCK, 68));
        let start = Start { cause, detail, now: time::now() };
        let mut rules = Rules::new();
        let started = Hub::start(made, &flash, LAYOUT, start, &mut rules);
        let Ok(mut hub) = started else { restart(line!()) };
        let mut oled = Oled::new(&mut card.borrow_mut().spi);
        let mut gateway = Serial::gateway();
        let mut sensors = Serial::sensors();
        let mut buttons = Buttons::new(time::now());
        let mut line: heapless::Vec<u8, 32> = heapless::Vec::new();
        // Whatever ends this program without a word of its own is the watchdog: the loop itself hung.
        last_words::say(ResetCause::WATCHDOG, 0);
        watchdog::start(5_000);
        loop {
            let now = time::now();
            let mut octets = [0; 64];
            let count = gateway.read(&mut octets);
            hub.receive(&octets[..count], now);
            let count = sensors.read(&mut octets);
            for octet in &octets[..count] {
                if *octet != b'\n' {
                    // An overlong line is no sample.
                    let _ = line.push(*octet);
                    continue;
                }
                match core::mem::take(&mut line).as_slice() {
                    b"!hang" => loop {
                        cortex_m::asm::nop();
                    },
                    b"!fault" => restart(line!()),
                    text => {
                        if let Some(sample) = sample(text) {
                            hub.sample(&sample, now);
                        }
                    }
                }
            }
            while let Some((button, down)) = buttons.change(now) {
                if down { hub.press(button, now) } else { hub.release(button) }
            }
            let wake = hub.poll(now);
            let sent = gateway.write(hub.outgoing());
            hub.sent(sent);
            if wake.redraw {
                let Ok(()) = hub.draw(&mut oled);
                oled.show(&mut card.borrow_mut().spi, wake.dim);
            }
            hub.screen_checked(now);
            match hub.overdue(now) {
                None => watchdog::feed(),
                Some(part) => last_words::say(ResetCause::WATCHDOG, u32::from(part)),
            }
            let settling = buttons.unsettled();
            let soon = if settling { now.plus_millis(10) } else { wake.at };
            // After a frame there may be another one.
            if sent == 0 && hub.outgoing().is_empty() {
                let busy =
                    || gateway.has_come() || sensors.has_come() || buttons.unsettled() != settling;
                time::sleep_until(soon, busy);
            }
        }
    }

    fn sample(line: &[u8]) -> Option<Sample> {
        let (quantity, value) = core::str::from_utf8(line).ok()?.trim().split_once(' ')?;
        let value = value.parse().ok()?;
        Some(Sample {
            sensor: 0,
            quantity: quantity.parse().ok()?,
            absent: 0,
            value,
            second: 0,
            raw: value,
            unit: 9,
            marks: 0,
            person: 0,
        })
    }

    /// Starts over and says why.
    fn restart(line: u32) -> ! {
        last_words::say(ResetCause::PANIC, line);
        cortex_m::peripheral::SCB::sys_reset()
    }

    #[panic_handler]
    fn panic(info: &PanicInfo<'_>) -> ! {
        restart(info.location().map_or(0, |place| place.line()))
    }
}
