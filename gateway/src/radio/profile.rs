//! A device model as data: how it is recognised, bonded, told the time, asked for its records and
//! left. One TOML file per model in `gateway/models`; a new model that keeps to the GATT standards
//! is a new file, no Rust.

use serde::{Deserialize, Serialize};

use super::air::Advert;

mod check;
mod library;
#[cfg(test)]
mod tests;

pub use library::{LoadError, Profiles};

/// One model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its id: lower case, digits and dashes; the file's name.
    pub id: String,
    /// Maker.
    pub maker: String,
    /// Model, as people say it.
    pub name: String,
    /// `glucose_meter`, `blood_pressure_cuff`, `weight_scale`, `pulse_oximeter`, `thermometer`,
    /// `glucose_sensor`, `heart_rate_sensor`.
    pub kind: String,
    /// How far it keeps to the GATT standards.
    pub gatt: Gatt,
    /// Public sources that a real device was met with this profile; empty: unverified.
    #[serde(default)]
    pub confirmed: Vec<String>,
    /// How it is recognised.
    pub advertises: Advertises,
    /// Bonding.
    #[serde(default)]
    pub bond: BondPolicy,
    /// Its clock.
    #[serde(default)]
    pub clock: ClockPolicy,
    /// Its stored records.
    #[serde(default)]
    pub records: RecordPolicy,
    /// Its users.
    #[serde(default)]
    pub users: UserPolicy,
    /// Timing of a session.
    #[serde(default)]
    pub session: SessionPolicy,
    /// Longest ordinary silence, seconds; absent: that of its owner's plan.
    #[serde(default)]
    pub expected_interval_s: Option<u32>,
    /// Departures from the standard that the decoder must know, by name.
    #[serde(default)]
    pub quirks: Vec<String>,
    /// What a person does to bring it into pairing mode: one sentence.
    #[serde(default)]
    pub pairing_hint: Option<String>,
    /// Why it is recognised and yet not supported: one sentence for people.
    #[serde(default)]
    pub unsupported: Option<String>,
    /// For the integrator.
    #[serde(default)]
    pub note: Option<String>,
}

/// How far a model keeps to the GATT standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gatt {
    /// To the letter, as far as is known.
    Standard,
    /// With departures that `quirks` name.
    Quirks,
    /// A protocol of its own: a driver file, or not supported.
    Private,
}

/// How a model is recognised: every part given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Advertises {
    /// Its name: patterns with `*` at the end for the rest.
    pub names: Vec<String>,
    /// 16-bit UUIDs in hex, any of which it announces.
    pub services: Vec<String>,
    /// Company id of its manufacturer data.
    pub company: Option<u16>,
    /// Manufacturer (2A29) and model (2A24) of the Device Information service, once connected:
    /// `maker/model`, both as `names`; any of them.
    pub information: Vec<String>,
    /// How it says in its advertisement whether records wait; absent: it does not.
    pub unread: Option<Unread>,
}

/// See [`Advertises::unread`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unread {
    /// Manufacturer data of company 0x020E: a tag, flags (bits 0 and 1 users less one, bit 2 its
    /// clock is not set, bit 3 pairing mode), then for each user the last record number (uint16)
    /// and how many records wait.
    Omron,
}

/// What an advertisement says of waiting records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Of all its users.
    pub records: u32,
    /// It asks for the time.
    pub clock_not_set: bool,
}

impl Waiting {
    /// Whether connecting is worth the device's battery.
    pub const fn is_news(self) -> bool {
        self.records > 0 || self.clock_not_set
    }
}

const OMRON: u16 = 0x020E;

impl Profile {
    /// What an advertisement says of waiting records; `None`: nothing, so that only connecting tells.
    pub fn waiting(&self, advert: &Advert) -> Option<Waiting> {
        let Unread::Omron = self.advertises.unread?;
        let (tag, data) = advert.manufacturer.get(&OMRON)?.split_first()?;
        let (flags, users) = data.split_first().filter(|_| *tag == 1)?;
        let count = usize::from(flags & 0x03) + 1;
        let (users, _) = users.as_chunks::<3>();
        let users = users.get(..count)?;
        let records = users.iter().map(|[_, _, waiting]| u32::from(*waiting)).sum();
        Some(Waiting { records, clock_not_set: flags & 0x04 != 0 })
    }
}

/// Whether and how a model is bonded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BondPolicy {
    /// `required`: nothing is taken over an unencrypted link; `optional`; `none`: never paired.
    pub policy: Bonding,
    /// Where the six digits stand.
    pub passkey: Passkey,
    /// Hosts it remembers at once; 1: pairing here evicts the phone.
    pub hosts: u8,
}

impl Default for BondPolicy {
    fn default() -> Self {
        Self { policy: Bonding::Required, passkey: Passkey::None, hosts: 1 }
    }
}

/// See [`BondPolicy::policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Bonding {
    Required,
    Optional,
    None,
}

/// See [`BondPolicy::passkey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passkey {
    /// Just Works.
    None,
    /// On the device; typed here.
    DeviceShows,
    /// On both; compared.
    Compare,
}

/// How a model's clock is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockPolicy {
    /// By which characteristic.
    pub set_by: SetBy,
    /// When.
    pub when: SetWhen,
    /// Seconds it can tell apart; 60: its seconds mean nothing.
    pub resolution_s: u32,
    /// A difference up to this is left alone, seconds.
    pub tolerance_s: u32,
}

impl Default for ClockPolicy {
    fn default() -> Self {
        Self { set_by: SetBy::Auto, when: SetWhen::OnDrift, resolution_s: 1, tolerance_s: 30 }
    }
}

/// See [`ClockPolicy::set_by`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetBy {
    /// 2A2B where writable, else 2A08 of the measurement's service, else not at all.
    #[serde(rename = "auto")]
    Auto,
    /// Current Time.
    #[serde(rename = "2A2B")]
    CurrentTime,
    /// Date Time inside the measurement's service.
    #[serde(rename = "2A08")]
    DateTime,
    /// Never: it is corrected by its difference.
    #[serde(rename = "none")]
    None,
}

/// See [`ClockPolicy::when`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetWhen {
    /// When it differs by more than the tolerance.
    OnDrift,
    /// In every connection, before anything is asked for.
    EveryConnection,
    /// At its first notification of 2A2B.
    AtFirstNotification,
}

/// How a model hands over its stored records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordPolicy {
    /// By which procedure.
    pub access: Access,
    /// It forgets a record once it is delivered.
    pub deletes_after_send: bool,
    /// Numbers can be trusted to grow: a cursor is used.
    pub cursor: bool,
    /// Pause between two procedures, milliseconds.
    pub pause_ms: u32,
}

impl Default for RecordPolicy {
    fn default() -> Self {
        Self { access: Access::Auto, deletes_after_send: false, cursor: true, pause_ms: 0 }
    }
}

/// See [`RecordPolicy::access`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// By record access where the service has it, else as they come.
    Auto,
    /// Record Access Control Point (2A52).
    RecordAccess,
    /// As they come after subscribing.
    Indications,
}

/// A model's users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserPolicy {
    /// Slots of its users; 0: it knows none.
    pub slots: u8,
    /// Number of the first slot in its records.
    pub first: u8,
    /// A user must consent by a code in every connection (User Data Service).
    pub consent: bool,
    /// After consent the user's own data is read and written back unchanged, else the device sends
    /// empty frames.
    pub write_back: bool,
}

/// Timing of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionPolicy {
    /// Pause after opening, before the first step, milliseconds.
    pub settle_ms: u32,
    /// What is read before the device is asked for its values.
    pub reads: Reads,
    /// Pause before the clock is touched and before subscribing, milliseconds.
    pub pause_ms: u32,
    /// Silence after the last value that ends the session, milliseconds.
    pub idle_ms: u32,
    /// The address is left alone this long after a session, seconds.
    pub hold_off_s: u32,
    /// Who ends the link.
    pub ends: Ends,
    /// Stop its notifications before leaving.
    pub unsubscribe: bool,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            settle_ms: 0,
            reads: Reads::Everything,
            pause_ms: 0,
            idle_ms: 5_000,
            hold_off_s: 40,
            ends: Ends::Host,
            unsubscribe: true,
        }
    }
}

/// See [`SessionPolicy::reads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// Maker, model, firmware, features, battery.
    Everything,
    /// The firmware only: a device that goes to sleep while it is asked too much.
    Firmware,
    /// Nothing.
    Nothing,
}

/// See [`SessionPolicy::ends`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// The gateway, once it has everything.
    Host,
    /// The device; the gateway waits for it, and leaves after a minute all the same.
    Device,
}
