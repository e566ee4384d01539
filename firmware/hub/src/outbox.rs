//! What the gateway has not committed yet, in flash: bounded, numbered, in order.
//!
//! - A record is kept, whole and with its number, when [`Outbox::keep`] says so, and stays until the gateway
//!   acknowledges it. A power cut at any moment leaves every kept record, in order, and at most the one whose
//!   keeping was cut besides.
//! - Nothing is overwritten. When room gets short the newest sample is refused, and the caller counts it;
//!   [`RESERVED`] stays free for answers, alerts and what tells of the loss.
//! - Memory does not grow with what is kept: the flash is read again from its oldest page.
//!
//! This is the only file that drives a future, and each to its end: the library's promise holds only then.

use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_futures::block_on;
use embedded_storage::nor_flash::MultiwriteNorFlash;
use hearth_shared::wire::{BootId, Content, RECORD_CONTENT_MAX, Record, RecordId, Stamp};
use sequential_storage::cache::page_pointers::ArrayPagePointers;
use sequential_storage::cache::page_states::ArrayPageStates;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage};

use crate::StoreFault;

/// Pages that the outbox can use; more are left alone.
pub const PAGES_MAX: usize = 64;

/// Octets of free flash that samples leave to answers, alerts and losses: two pages of 4 KiB hold about a
/// hundred and fifty of them.
pub const RESERVED: u32 = 2 * 4096;

/// Longest record in its encoded form: id, the one before, stamp, length, content.
pub const RECORD_MAX: usize = 10 + 11 + 21 + 1 + RECORD_CONTENT_MAX;

/// Octets of a [`RecordBuffer`].
pub const RECORD_BUFFER: usize = 112;

const _: () = assert!(RECORD_MAX <= RECORD_BUFFER, "buffers hold a record in whole words");

/// A record as it stands in flash and on the line.
pub type RecordBuffer = [u8; RECORD_BUFFER];

type Pages = Cache<ArrayPageStates<PAGES_MAX>, ArrayPagePointers<PAGES_MAX>, Uncached>;

/// Where in the flash, in octets; both ends on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First octet.
    pub start: u32,
    /// First octet after it.
    pub end: u32,
}

/// What came of keeping something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It will outlive any power cut.
    Yes(RecordId),
    /// There is no room: nothing was changed.
    Full,
}

/// The outbox.
pub struct Outbox<F: MultiwriteNorFlash> {
    queue: QueueStorage<BlockingAsync<F>, Pages>,
    room: u32,
    boot: BootId,
    /// Number of the record kept last in this boot.
    number: u32,
    kept: u32,
    oldest: Option<RecordId>,
    newest: Option<RecordId>,
}

impl<F: MultiwriteNorFlash> Outbox<F> {
    /// Opens what an earlier boot left, and shows each record to `seen`, oldest first. `boot` is this boot:
    /// higher than that of any record.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer or its form is beyond repair.
    pub fn open(
        flash: F,
        extent: Extent,
        boot: BootId,
        mut seen: impl FnMut(&Record<'_>),
    ) -> Result<Self, StoreFault> {
        let page = u32::try_from(F::ERASE_SIZE).map_err(|_| StoreFault::Layout)?;
        let pages = extent.end.saturating_sub(extent.start).checked_div(page);
        if pages.is_none_or(|pages| usize::try_from(pages).is_ok_and(|pages| pages > PAGES_MAX)) {
            return Err(StoreFault::Layout);
        }
        let config =
            QueueConfig::try_new(extent.start..extent.end).map_err(|_| StoreFault::Layout)?;
        let cache = Cache::new(ArrayPageStates::new(), ArrayPagePointers::new(), Uncached);
        let mut outbox = Self {
            queue: QueueStorage::new(BlockingAsync::new(flash), config, cache),
            room: extent.end.saturating_sub(extent.start),
            boot,
            number: 0,
            kept: 0,
            oldest: None,
            newest: None,
        };
        let mut count = 0_u32;
        let (mut oldest, mut newest) = (None, None);
        outbox.each(|record| {
            count = count.saturating_add(1);
            oldest = oldest.or(Some(record.id));
            newest = Some(record.id);
            seen(record);
            true
        })?;
        (outbox.kept, outbox.oldest, outbox.newest) = (count, oldest, newest);
        Ok(outbox)
    }

    /// Shows records, oldest first, until `seen` says that it is enough.
    fn each(&mut self, mut seen: impl FnMut(&Record<'_>) -> bool) -> Result<(), StoreFault> {
        let mut buffer: RecordBuffer = [0; RECORD_BUFFER];
        let mut entries = block_on(self.queue.iter())?;
        // Bounded by what fits the flash.
        while let Some(entry) = block_on(entries.next(&mut buffer))? {
            // Every entry has the library's checksum; one that is no record is none of ours.
            if let Ok(record) = postcard::from_bytes::<Record<'_>>(&entry)
                && !seen(&record)
            {
                break;
            }
        }
        Ok(())
    }

    /// Whether a sample would find room.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer.
    pub fn has_room(&mut self) -> Result<bool, StoreFault> {
        Ok(block_on(self.queue.space_left())? >= RESERVED)
    }

    /// Keeps a record.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer: the record may or may not be kept.
    pub fn keep(&mut self, at: Stamp, content: &Content) -> Result<Kept, StoreFault> {
        if !content.has_reserved_room() && !self.has_room()? {
            return Ok(Kept::Full);
        }
        let mut place = [0; RECORD_CONTENT_MAX];
        let content = content.encode(&mut place).map_err(|_| StoreFault::Layout)?;
        let id = RecordId { boot: self.boot, number: self.number.saturating_add(1) };
        let mut buffer: RecordBuffer = [0; RECORD_BUFFER];
        // What was before it is told when it is sent.
        let record = Record { id, after: None, at, content };
        let octets = postcard::to_slice(&record, &mut buffer).map_err(|_| StoreFault::Layout)?;
        match block_on(self.queue.push(octets, false)) {
            Ok(()) => {}
            Err(sequential_storage::Error::FullStorage) => return Ok(Kept::Full),
            Err(fault) => return Err(fault.into()),
        }
        self.number = id.number;
        self.kept = self.kept.saturating_add(1);
        self.oldest = self.oldest.or(Some(id));
        self.newest = Some(id);
        Ok(Kept::Yes(id))
    }

    /// Writes the record that follows `after` into `buffer` and returns it; the oldest for `None`.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer.
    pub fn next<'b>(
        &mut self,
        after: Option<RecordId>,
        buffer: &'b mut RecordBuffer,
    ) -> Result<Option<Record<'b>>, StoreFault> {
        if self.newest.is_none() || (after.is_some() && after >= self.newest) {
            return Ok(None);
        }
        let mut size = None;
        let mut before = None;
        self.each(|record| {
            if Some(record.id) <= after {
                before = Some(record.id);
                return true;
            }
            let record = Record { after: before, ..*record };
            size = postcard::to_slice(&record, buffer).ok().map(|used| used.len());
            false
        })?;
        let Some(size) = size else { return Ok(None) };
        Ok(buffer.get(..size).and_then(|octets| postcard::from_bytes(octets).ok()))
    }

    /// The gateway has committed everything through this record: erases it, and returns how many records
    /// that were.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer; some may be erased then, from the oldest.
    pub fn acknowledge(&mut self, through: RecordId) -> Result<u32, StoreFault> {
        let mut erased = 0_u32;
        let mut oldest = None;
        let mut buffer: RecordBuffer = [0; RECORD_BUFFER];
        if self.oldest.is_none_or(|oldest| through < oldest) {
            return Ok(0);
        }
        let mut entries = block_on(self.queue.iter())?;
        // Bounded by what is kept.
        while let Some(entry) = block_on(entries.next(&mut buffer))? {
            let id = postcard::from_bytes::<Record<'_>>(&entry).map(|record| record.id);
            if let Ok(id) = id {
                if id > through {
                    oldest = Some(id);
                    break;
                }
                erased = erased.saturating_add(1);
            }
            block_on(entry.pop())?;
        }
        self.kept = self.kept.saturating_sub(erased);
        self.oldest = oldest;
        if oldest.is_none() {
            self.newest = None;
            self.kept = 0;
        }
        Ok(erased)
    }

    /// Erases everything, acknowledged or not: the hub goes to other people.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer.
    pub fn clear(&mut self) -> Result<(), StoreFault> {
        block_on(self.queue.erase_all())?;
        (self.kept, self.oldest, self.newest) = (0, None, None);
        Ok(())
    }

    /// Records kept.
    pub const fn kept(&self) -> u32 {
        self.kept
    }

    /// The oldest one kept.
    pub const fn oldest(&self) -> Option<RecordId> {
        self.oldest
    }

    /// The newest one kept.
    pub const fn newest(&self) -> Option<RecordId> {
        self.newest
    }

    /// This boot.
    pub const fn boot(&self) -> BootId {
        self.boot
    }

    /// Flash in use, per mille.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer.
    pub fn used_permille(&mut self) -> Result<u16, StoreFault> {
        let free = block_on(self.queue.space_left())?;
        let used = u64::from(self.room.saturating_sub(free)).saturating_mul(1000);
        Ok(used.checked_div(u64::from(self.room)).and_then(|p| u16::try_from(p).ok()).unwrap_or(0))
    }
}
