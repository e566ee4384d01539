//! Pins of the ports (PL061 with masked data addressing: the address says which bits a write touches).

use crate::registers::{read, write};

/// A port's base address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Port(u32);

impl Port {
    /// Serial ports 0, SPI.
    pub const A: Self = Self(0x4000_4000);
    /// The screen's data or command pin.
    pub const C: Self = Self(0x4000_6000);
    /// Serial port 1, the card's select pin.
    pub const D: Self = Self(0x4000_7000);
    /// Buttons.
    pub const E: Self = Self(0x4002_4000);
    /// A button.
    pub const F: Self = Self(0x4002_5000);

    /// Hands pins to the part that the chip connects to them.
    pub fn alternate(self, mask: u32) {
        write(self.0 + 0x420, read(self.0 + 0x420) | mask);
        write(self.0 + 0x51C, read(self.0 + 0x51C) | mask);
    }

    /// Takes note of the port's interrupts.
    pub fn clear_interrupts(self) {
        write(self.0 + 0x41C, 0xFF);
    }
}

/// One pin.
pub struct Pin {
    port: Port,
    mask: u32,
}

impl Pin {
    /// An output.
    pub fn output(port: Port, number: u8, high: bool) -> Self {
        let pin = Self { port, mask: 1 << number };
        write(port.0 + 0x51C, read(port.0 + 0x51C) | pin.mask);
        // Direction first: data written to an input is dropped. The emulator passes on changes only, so it
        // is shown both levels.
        write(port.0 + 0x400, read(port.0 + 0x400) | pin.mask);
        pin.set(!high);
        pin.set(high);
        pin
    }

    /// An input with pull-up that interrupts on both edges.
    pub fn input(port: Port, number: u8) -> Self {
        let pin = Self { port, mask: 1 << number };
        write(port.0 + 0x51C, read(port.0 + 0x51C) | pin.mask);
        write(port.0 + 0x400, read(port.0 + 0x400) & !pin.mask);
        write(port.0 + 0x510, read(port.0 + 0x510) | pin.mask);
        write(port.0 + 0x404, read(port.0 + 0x404) & !pin.mask);
        write(port.0 + 0x408, read(port.0 + 0x408) | pin.mask);
        write(port.0 + 0x41C, pin.mask);
        write(port.0 + 0x410, read(port.0 + 0x410) | pin.mask);
        pin
    }

    /// Drives the pin.
    pub fn set(&self, high: bool) {
        write(self.port.0 + (self.mask << 2), if high { self.mask } else { 0 });
    }

    /// Reads the pin.
    pub fn is_high(&self) -> bool {
        read(self.port.0 + (self.mask << 2)) != 0
    }
}
