//! A stretch of the card as flash: pages of 4 KiB, words of four octets, writes that only clear bits.

use core::cell::RefCell;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash,
};

use crate::card::{BLOCK, Card};

const PAGE: u32 = 4096;

/// The flash. The block read last is kept: the hub reads many small things beside each other.
pub struct CardFlash<'c> {
    card: &'c RefCell<Card>,
    first: u32,
    pages: u32,
    block: [u8; BLOCK],
    held: Option<u32>,
}

impl<'c> CardFlash<'c> {
    /// `pages` pages from this block of the card on.
    pub fn new(card: &'c RefCell<Card>, first: u32, pages: u32) -> Self {
        Self { card, first, pages, block: [0; BLOCK], held: None }
    }

    fn fetch(&mut self, block: u32) -> Result<(), NorFlashErrorKind> {
        if self.held == Some(block) {
            return Ok(());
        }
        self.held = None;
        let mut card = self.card.try_borrow_mut().map_err(|_| NorFlashErrorKind::Other)?;
        card.read(self.first + block, &mut self.block).map_err(|_| NorFlashErrorKind::Other)?;
        self.held = Some(block);
        Ok(())
    }

    fn flush(&mut self, block: u32) -> Result<(), NorFlashErrorKind> {
        let mut card = self.card.try_borrow_mut().map_err(|_| NorFlashErrorKind::Other)?;
        self.held = None;
        card.write(self.first + block, &self.block).map_err(|_| NorFlashErrorKind::Other)?;
        self.held = Some(block);
        Ok(())
    }

    fn inside(&self, from: u32, size: usize) -> Result<(), NorFlashErrorKind> {
        let end = u32::try_from(size).ok().and_then(|size| from.checked_add(size));
        let fits = end.is_some_and(|end| end <= self.pages * PAGE);
        if fits { Ok(()) } else { Err(NorFlashErrorKind::OutOfBounds) }
    }
}

impl ErrorType for CardFlash<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for CardFlash<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.inside(offset, octets.len())?;
        let mut at = offset as usize;
        let mut rest = octets;
        while !rest.is_empty() {
            self.fetch((at / BLOCK) as u32)?;
            let from = at % BLOCK;
            let count = rest.len().min(BLOCK - from);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&self.block[from..from + count]);
            rest = later;
            at += count;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        (self.pages * PAGE) as usize
    }
}

impl NorFlash for CardFlash<'_> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.inside(from, to.saturating_sub(from) as usize)?;
        for block in from / BLOCK as u32..to / BLOCK as u32 {
            self.block = [0xFF; BLOCK];
            self.flush(block)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), NorFlashErrorKind> {
        self.inside(offset, octets.len())?;
        let mut at = offset as usize;
        let mut rest = octets;
        while !rest.is_empty() {
            let block = (at / BLOCK) as u32;
            self.fetch(block)?;
            let from = at % BLOCK;
            let count = rest.len().min(BLOCK - from);
            let (now, later) = rest.split_at(count);
            for (place, octet) in self.block[from..from + count].iter_mut().zip(now) {
                *place &= *octet;
            }
            self.flush(block)?;
            rest = later;
            at += count;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for CardFlash<'_> {}
