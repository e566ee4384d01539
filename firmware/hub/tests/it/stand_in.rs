//! A flash chip in memory: writes clear bits, erasing sets them, and power goes when it is told to.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash,
};

pub(crate) const PAGE: usize = 4096;

pub(crate) struct Chip {
    pub(crate) octets: Vec<u8>,
    /// Writes and erasures so far.
    pub(crate) operations: u64,
    /// Before this one power goes: half of it is done, and nothing after it.
    pub(crate) cut_at: Option<u64>,
}

/// A handle; the chip outlives the program that uses it, as a real one does.
#[derive(Clone)]
pub(crate) struct Flash(pub(crate) Rc<RefCell<Chip>>);

impl Flash {
    pub(crate) fn blank(pages: usize) -> Self {
        let octets = vec![0xFF; pages * PAGE];
        Self(Rc::new(RefCell::new(Chip { octets, operations: 0, cut_at: None })))
    }

    pub(crate) fn cut_at(&self, operation: u64) {
        self.0.borrow_mut().cut_at = Some(operation);
    }

    /// Power comes back.
    pub(crate) fn power_on(&self) {
        self.0.borrow_mut().cut_at = None;
    }

    pub(crate) fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// Does `act` on all octets of the range, or on the first half of them if power goes in between.
    fn operate(
        &self,
        from: usize,
        count: usize,
        act: impl Fn(usize, &mut u8),
    ) -> Result<(), NorFlashErrorKind> {
        let mut chip = self.0.borrow_mut();
        let number = chip.operations;
        let done = match chip.cut_at {
            Some(cut) if number > cut => return Err(NorFlashErrorKind::Other),
            // Of one word not even half: before it.
            Some(cut) if number == cut => count / 2 / 4 * 4,
            _ => count,
        };
        chip.operations += 1;
        for (i, octet) in chip.octets[from..from + done].iter_mut().enumerate() {
            act(i, octet);
        }
        if done == count { Ok(()) } else { Err(NorFlashErrorKind::Other) }
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        let from = offset as usize;
        bytes.copy_from_slice(&self.0.borrow().octets[from..from + bytes.len()]);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.0.borrow().octets.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        assert!((from as usize).is_multiple_of(PAGE) && (to as usize).is_multiple_of(PAGE));
        self.operate(from as usize, (to - from) as usize, |_, octet| *octet = 0xFF)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4), "words only");
        self.operate(offset as usize, bytes.len(), |i, octet| *octet &= bytes[i])
    }
}

impl MultiwriteNorFlash for Flash {}
