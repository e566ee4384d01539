//! The SD card in SPI mode, one block at a time (SD Physical Layer Simplified Specification 3.01, chapter 7).
//!
//! The emulated card still sets the idle bit in its answer to CMD58, which ready-made drivers refuse.

use crate::pins::{Pin, Port};
use crate::spi::Spi;

/// Octets of a block.
pub const BLOCK: usize = 512;

/// What the card did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardFault {
    /// There is none.
    Missing,
    /// It answered with this code.
    Refused(u8),
    /// It did not answer in time.
    Silent,
}

/// The card, and the bus that it shares with the screen.
pub struct Card {
    /// The bus.
    pub spi: Spi,
    select: Pin,
    by_block: bool,
}

impl Card {
    /// Wakes the card.
    ///
    /// # Errors
    /// [`CardFault`] if there is none, or it does not get ready.
    pub fn new(mut spi: Spi) -> Result<Self, CardFault> {
        let select = Pin::output(Port::D, 0, true);
        // At least 74 clocks before the first command.
        spi.write(&[0xFF; 10]);
        let mut card = Self { spi, select, by_block: false };
        (0..32).find(|_| card.ask(0, 0, 0x95) == Ok(1)).ok_or(CardFault::Missing)?;
        let mut echo = [0; 4];
        let second = card.selected(|card| {
            let answer = card.command(8, 0x1AA, 0x87)?;
            card.spi.read(&mut echo);
            Ok(answer & 4 == 0)
        })?;
        let capacity = if second { 0x4000_0000 } else { 0 };
        (0..10_000)
            .find(|_| card.ask(55, 0, 0x65).is_ok() && card.ask(41, capacity, 0x77) == Ok(0))
            .ok_or(CardFault::Silent)?;
        let mut registers = [0; 4];
        card.selected(|card| {
            card.command(58, 0, 0xFD)?;
            card.spi.read(&mut registers);
            Ok(())
        })?;
        card.by_block = registers[0] & 0x40 != 0;
        Ok(card)
    }

    fn selected<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, CardFault>,
    ) -> Result<T, CardFault> {
        self.select.set(false);
        let done = act(self);
        self.select.set(true);
        self.spi.exchange(0xFF);
        done
    }

    fn ask(&mut self, command: u8, argument: u32, check: u8) -> Result<u8, CardFault> {
        self.selected(|card| card.command(command, argument, check))
    }

    fn command(&mut self, command: u8, argument: u32, check: u8) -> Result<u8, CardFault> {
        let [a, b, c, d] = argument.to_be_bytes();
        self.spi.write(&[0xFF, 0x40 | command, a, b, c, d, check]);
        (0..16).map(|_| self.spi.exchange(0xFF)).find(|o| o & 0x80 == 0).ok_or(CardFault::Silent)
    }

    fn wait(&mut self, good: impl Fn(u8) -> bool) -> Result<u8, CardFault> {
        (0..100_000).map(|_| self.spi.exchange(0xFF)).find(|o| good(*o)).ok_or(CardFault::Silent)
    }

    fn address(&self, block: u32) -> u32 {
        if self.by_block { block } else { block * BLOCK as u32 }
    }

    /// Reads a block.
    ///
    /// # Errors
    /// [`CardFault`].
    pub fn read(&mut self, block: u32, octets: &mut [u8; BLOCK]) -> Result<(), CardFault> {
        let address = self.address(block);
        self.selected(|card| match card.command(17, address, 0xFF)? {
            0 => {
                card.wait(|octet| octet == 0xFE)?;
                card.spi.read(octets);
                // A checksum that this mode does not use.
                card.spi.read(&mut [0; 2]);
                Ok(())
            }
            code => Err(CardFault::Refused(code)),
        })
    }

    /// Writes a block and waits until the card has it.
    ///
    /// # Errors
    /// [`CardFault`].
    pub fn write(&mut self, block: u32, octets: &[u8; BLOCK]) -> Result<(), CardFault> {
        let address = self.address(block);
        self.selected(|card| {
            match card.command(24, address, 0xFF)? {
                0 => {}
                code => return Err(CardFault::Refused(code)),
            }
            card.spi.write(&[0xFF, 0xFE]);
            card.spi.write(octets);
            card.spi.write(&[0xFF, 0xFF]);
            let answer = card.wait(|octet| octet != 0xFF)?;
            if answer & 0x1F != 5 {
                return Err(CardFault::Refused(answer));
            }
            card.wait(|octet| octet == 0xFF)?;
            Ok(())
        })
    }
}
