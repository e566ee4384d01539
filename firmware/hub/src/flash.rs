//! One flash chip for two keepers.

use core::cell::RefCell;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// A handle on the board's flash. Outbox and memory hold one each and use it in turn.
pub struct Shared<'f, F>(&'f RefCell<F>);

impl<'f, F> Shared<'f, F> {
    /// A handle.
    pub const fn new(flash: &'f RefCell<F>) -> Self {
        Self(flash)
    }
}

/// What went wrong with the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashFault {
    /// The chip or its driver said so.
    Driver(NorFlashErrorKind),
    /// Both keepers used it at once: a bug here, and nothing was written.
    InUse,
}

impl NorFlashError for FlashFault {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Driver(kind) => *kind,
            Self::InUse => NorFlashErrorKind::Other,
        }
    }
}

impl<F: ErrorType> ErrorType for Shared<'_, F> {
    type Error = FlashFault;
}

impl<F: NorFlash> Shared<'_, F> {
    fn with<T>(&self, act: impl FnOnce(&mut F) -> Result<T, F::Error>) -> Result<T, FlashFault> {
        let mut flash = self.0.try_borrow_mut().map_err(|_| FlashFault::InUse)?;
        act(&mut flash).map_err(|fault| FlashFault::Driver(fault.kind()))
    }
}

impl<F: NorFlash> ReadNorFlash for Shared<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashFault> {
        self.with(|flash| flash.read(offset, bytes))
    }
    fn capacity(&self) -> usize {
        self.0.try_borrow().map_or(0, |flash| flash.capacity())
    }
}

impl<F: NorFlash> NorFlash for Shared<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashFault> {
        self.with(|flash| flash.erase(from, to))
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashFault> {
        self.with(|flash| flash.write(offset, bytes))
    }
}

impl<F: MultiwriteNorFlash> MultiwriteNorFlash for Shared<'_, F> {}
