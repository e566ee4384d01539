//! Who speaks, and which record is meant.

use serde::{Deserialize, Serialize};

/// A hub, for its whole life: the chip's serial number, or a hash of it. Written as 16 hexadecimal
/// digits where people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HubId(pub u64);

/// A gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GatewayId(pub u64);

/// One life of a hub's storage, drawn at random by the gateway at the first pairing after the storage
/// was formatted; 0 until then. Boots count from 1 again in a new storage, so it is part of what
/// identifies a record.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct StorageId(pub u32);

/// The count of boots since the storage was formatted, from 1. It is kept before it is used, so no two
/// boots share one, not even with a power cut in between.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct BootId(pub u32);

/// Names one record within a [`StorageId`]. The order is the order in which records were kept and are
/// handed over.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct RecordId {
    /// The boot in which it was kept.
    pub boot: BootId,
    /// Its number within that boot, from 1 without gaps.
    pub number: u32,
}

/// A prompt: the octets of its UUID, most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PromptId(pub [u8; 16]);

/// How the id of a prompt begins that the hub's own rules put on its screen.
const OWN: &[u8; 8] = b"hearthub";

impl PromptId {
    /// The id of the hub's own prompt about the alert in this record: `hearthub`, boot and number, each four
    /// octets, most significant first. Worked value: boot 1, number 2 is `6865617274687562 00000001 00000002`.
    pub fn of_hub(alert: RecordId) -> Self {
        let mut id = [0; 16];
        let tail = alert.boot.0.to_be_bytes().into_iter().chain(alert.number.to_be_bytes());
        for (place, octet) in id.iter_mut().zip(OWN.iter().copied().chain(tail)) {
            *place = octet;
        }
        Self(id)
    }

    /// The record of the alert that this prompt is about, if it is one of the hub's own. A number of 2^24 or
    /// more stands for an alert that could not be kept.
    pub fn alert(&self) -> Option<RecordId> {
        let (own, rest) = self.0.split_first_chunk::<8>()?;
        let (boot, rest) = rest.split_first_chunk::<4>()?;
        let number = rest.first_chunk::<4>()?;
        let (boot, number) = (u32::from_be_bytes(*boot), u32::from_be_bytes(*number));
        (own == OWN).then_some(RecordId { boot: BootId(boot), number })
    }
}

/// The hub's clock: milliseconds since this boot.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct HubTicks(u64);

impl HubTicks {
    /// From milliseconds since boot.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }
    /// Milliseconds since boot.
    pub const fn millis(self) -> u64 {
        self.0
    }
    /// Later by `millis`; saturates.
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
    /// Milliseconds from `earlier` to this moment; 0 if it is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// When something happened, as far as the hub knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Since the boot of the record's [`RecordId`].
    pub ticks: HubTicks,
    /// The same moment in milliseconds since 1970 UTC, if this boot had been told the time by then.
    /// Without it the gateway derives the time from the ticks, if the boot is still running.
    pub utc_ms: Option<i64>,
}
