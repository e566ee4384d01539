//! What the hub remembers over a power cut beside its records: small values by a key, in flash.

use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_futures::block_on;
use embedded_storage::nor_flash::MultiwriteNorFlash;
use hearth_shared::wire::{BootId, GatewayId, StorageId};
use sequential_storage::cache::Cache;
use sequential_storage::cache::key_pointers::ArrayKeyPointers;
use sequential_storage::cache::page_pointers::ArrayPagePointers;
use sequential_storage::cache::page_states::ArrayPageStates;
use sequential_storage::map::{MapConfig, MapStorage};
use serde::{Deserialize, Serialize};

use crate::StoreFault;
use crate::outbox::Extent;

/// Pages that the memory can use.
pub const PAGES_MAX: usize = 8;

/// Longest value, octets. A person's limits are the longest.
pub const VALUE_MAX: usize = 320;

type Pages =
    Cache<ArrayPageStates<PAGES_MAX>, ArrayPagePointers<PAGES_MAX>, ArrayKeyPointers<u8, 8>, u8>;

/// What can be remembered. The numbers stand in flash: appended, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Slot {
    /// [`BootId`] of the latest boot.
    Boot = 0,
    /// [`Pairing`].
    Pairing = 1,
    /// [`StorageId`].
    Storage = 2,
    /// The gateway's `Settings`.
    Settings = 3,
    /// `Loss` that could not be recorded yet.
    Loss = 4,
    /// Milliseconds since 1970 when the time was last known.
    LastTime = 5,
    /// The first `Person`.
    Person0 = 6,
    /// The second `Person`.
    Person1 = 7,
    /// The last reading in words.
    LastReading = 8,
}

/// The gateway that this hub belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    /// Which.
    pub gateway: GatewayId,
    /// The octets of the key.
    pub key: [u8; 32],
}

/// The memory.
pub struct Memory<F: MultiwriteNorFlash> {
    map: MapStorage<u8, BlockingAsync<F>, Pages>,
}

impl<F: MultiwriteNorFlash> Memory<F> {
    /// Opens what an earlier boot left.
    ///
    /// # Errors
    /// [`StoreFault::Layout`] if the extent does not suit the flash.
    pub fn open(flash: F, extent: Extent) -> Result<Self, StoreFault> {
        let page = u32::try_from(F::ERASE_SIZE).map_err(|_| StoreFault::Layout)?;
        let pages = extent.end.saturating_sub(extent.start).checked_div(page);
        if pages.is_none_or(|pages| usize::try_from(pages).is_ok_and(|pages| pages > PAGES_MAX)) {
            return Err(StoreFault::Layout);
        }
        let config =
            MapConfig::try_new(extent.start..extent.end).map_err(|_| StoreFault::Layout)?;
        let cache =
            Cache::new(ArrayPageStates::new(), ArrayPagePointers::new(), ArrayKeyPointers::new());
        Ok(Self { map: MapStorage::new(BlockingAsync::new(flash), config, cache) })
    }

    /// Counts this boot: the number is kept before anybody uses it.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer.
    pub fn begin_boot(&mut self) -> Result<BootId, StoreFault> {
        let before: BootId = self.recall(Slot::Boot)?.unwrap_or_default();
        let boot = BootId(before.0.saturating_add(1));
        self.remember(Slot::Boot, &boot)?;
        Ok(boot)
    }

    /// The value of a slot, if there is one and this program can read it.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer.
    pub fn recall<T: for<'d> Deserialize<'d>>(
        &mut self,
        slot: Slot,
    ) -> Result<Option<T>, StoreFault> {
        let mut buffer = [0; VALUE_MAX + 16];
        let octets: Option<&[u8]> = block_on(self.map.fetch_item(&mut buffer, &key(slot)))?;
        Ok(octets.filter(|octets| !octets.is_empty()).and_then(|o| postcard::from_bytes(o).ok()))
    }

    /// Remembers a value in place of the one before.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer or the value is too long.
    pub fn remember<T: Serialize>(&mut self, slot: Slot, value: &T) -> Result<(), StoreFault> {
        let mut place = [0; VALUE_MAX];
        let octets = postcard::to_slice(value, &mut place).map_err(|_| StoreFault::Layout)?;
        self.store(slot, octets)
    }

    /// Forgets the value of a slot: an empty one takes its place.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer.
    pub fn forget(&mut self, slot: Slot) -> Result<(), StoreFault> {
        self.store(slot, &[])
    }

    fn store(&mut self, slot: Slot, octets: &[u8]) -> Result<(), StoreFault> {
        let mut buffer = [0; VALUE_MAX + 16];
        Ok(block_on(self.map.store_item(&mut buffer, &key(slot), &octets))?)
    }

    /// The life of this storage; 0 before the first pairing.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash does not answer.
    pub fn storage(&mut self) -> Result<StorageId, StoreFault> {
        Ok(self.recall(Slot::Storage)?.unwrap_or_default())
    }
}

const fn key(slot: Slot) -> u8 {
    // The number of the variant, as declared.
    #[allow(clippy::as_conversions)]
    {
        slot as u8
    }
}
