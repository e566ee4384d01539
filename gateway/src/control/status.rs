//! How the gateway is, as one record: `hearth status` prints it, nothing in it names a person.

use serde::{Deserialize, Serialize};

use crate::requests::RadioHealth;

/// The whole status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The gateway's id.
    pub gateway: String,
    /// Version of Hearth.
    pub version: String,
    /// Seconds since this process started.
    pub uptime_s: u64,
    /// The gateway's clock.
    pub clock: ClockStatus,
    /// Where readings come from.
    pub radio: RadioStatus,
    /// The connection to the broker.
    pub broker: BrokerStatus,
    /// What waits to be sent, per lane.
    pub backlog: Vec<LaneStatus>,
    /// What the journal holds.
    pub journal: JournalStatus,
    /// What was asked of the gateway and how it ended.
    #[serde(default)]
    pub commands: CommandStatus,
    /// The disk under the data folder.
    pub disk: DiskStatus,
    /// Devices that should have been heard by now.
    pub silent: Vec<SilentDevice>,
}

/// The gateway's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// What it shows, RFC 3339 UTC.
    pub now: String,
    /// Whether times are trusted.
    pub trusted: bool,
    /// `network`, `person`, `not_required`, `simulated`, `not_set`.
    pub trust: String,
    /// The same as a sentence.
    pub sentence: String,
}

/// Where readings come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RadioStatus {
    /// `none`, `simulated`, or the Bluetooth adapter.
    pub adapter: String,
    /// Readings come from a simulation, not from anybody's body.
    pub simulated: bool,
    /// A household is connected.
    pub connected: bool,
    /// Values committed since the start.
    pub committed: u64,
    /// Lines refused since the start.
    pub refused: u64,
    /// The socket it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// How the Bluetooth radio is, where one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<RadioHealth>,
    /// Devices that somebody must see to, because of their bond.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubled: Vec<TroubledDevice>,
}

/// A device with which no session succeeds until a person does something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubledDevice {
    /// Device id.
    pub device: String,
    /// The code of what is wrong: `bond_lost`, `not_encrypted`, …
    pub state: String,
    /// Since when, RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// The connection to the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// `host:port`.
    pub address: String,
    /// The gateway runs the broker itself.
    pub embedded: bool,
    /// `online` (a round trip within the last two minutes), `degraded`, `connecting`, `offline`,
    /// `off`.
    pub state: String,
    /// Since when by the machine's own clock, also where a household drives ours; RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why it is offline, as one plain sentence with the remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What waits on a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStatus {
    /// `alerts` or `observations`.
    pub lane: String,
    /// Messages the broker has not acknowledged.
    pub queued: u64,
    /// When the oldest of them was made, RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// Messages kept until a consumer confirms them, queued ones included.
    pub kept: u64,
    /// Last number given.
    pub last: u64,
    /// What each consumer has confirmed.
    pub watermarks: Vec<ConsumerStatus>,
}

/// What one consumer has confirmed on a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerStatus {
    /// Its name.
    pub consumer: String,
    /// Everything up to this number is durable there.
    pub seq: u64,
    /// When it said so, RFC 3339 UTC.
    pub at: String,
}

/// What the journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Raw rows.
    pub rows: u64,
    /// Raw rows without an outcome.
    pub pending: u64,
    /// Raw rows set aside with a reason.
    pub quarantined: u64,
    /// Observations.
    pub observations: u64,
    /// Readings that nobody has claimed.
    pub unclaimed: u64,
    /// Readings sent again by a device, counted once.
    pub duplicates: u64,
    /// Readings known to be lost.
    pub lost: u64,
    /// Raw rows that were let go by age.
    #[serde(default)]
    pub forgotten: u64,
    /// Alerts that are not over.
    pub open_alerts: u64,
    /// Tasks nobody has done yet.
    pub open_tasks: u64,
}

/// Commands, as far back as they are kept. The same one sent again counts once; one that could not
/// be read is a payload set aside ([`JournalStatus::quarantined`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandStatus {
    /// Executed.
    pub done: u64,
    /// Refused with a reason.
    pub refused: u64,
}

/// The disk under the data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// The data folder.
    pub folder: String,
    /// Size of the database with its log, octets.
    pub database_octets: u64,
    /// Free octets, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_octets: Option<u64>,
    /// Arrivals are refused because nothing more can be written.
    pub full: bool,
    /// Less is free than `store.disk_alarm_mib`.
    pub alarm: bool,
}

/// A device that should have been heard by now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilentDevice {
    /// Device id.
    pub device: String,
    /// Its kind.
    pub kind: String,
    /// Whose it is, by id.
    pub patients: Vec<String>,
    /// Last heard, RFC 3339 UTC; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The likeliest cause, as far as it is known.
    pub cause: String,
}
