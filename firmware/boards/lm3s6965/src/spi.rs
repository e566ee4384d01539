//! SSI0 (PL022) as an SPI bus, shared by screen and card.

use crate::pins::Port;
use crate::registers::{read, write};

const SSI0: u32 = 0x4000_8000;

/// The bus.
pub struct Spi(());

impl Default for Spi {
    fn default() -> Self {
        Self::new()
    }
}

impl Spi {
    /// Eight bits, mode 0.
    pub fn new() -> Self {
        Port::A.alternate(0b11_1100);
        write(SSI0 + 0x04, 0);
        write(SSI0 + 0x10, 4);
        write(SSI0, 7);
        write(SSI0 + 0x04, 2);
        Self(())
    }

    /// Sends an octet and returns the one that came.
    pub fn exchange(&mut self, octet: u8) -> u8 {
        // The bus always moves: both waits end after one octet's time.
        while read(SSI0 + 0x0C) & 2 == 0 {}
        write(SSI0 + 0x08, u32::from(octet));
        while read(SSI0 + 0x0C) & 4 == 0 {}
        (read(SSI0 + 0x08) & 0xFF) as u8
    }

    /// Sends octets.
    pub fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.exchange(*octet);
        }
    }

    /// Reads octets.
    pub fn read(&mut self, octets: &mut [u8]) {
        for octet in octets {
            *octet = self.exchange(0xFF);
        }
    }
}
