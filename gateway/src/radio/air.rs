//! What the air says and takes: plain types between the central, the agent, the watch and the
//! drivers. No library's type is in here, so that all of them can be driven without a radio.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A Bluetooth device address, as BlueZ shows it: the identity address of a bonded device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 6]);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no address; expected are six pairs of hex digits with colons between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Bluetooth address is six pairs of hex digits, for example C0:FF:EE:00:00:01")]
pub struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair = pairs.next().filter(|p| p.len() == 2).ok_or(NoAddress)?;
            let digits = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *octet =
                digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten().ok_or(NoAddress)?;
        }
        if pairs.next().is_some() { Err(NoAddress) } else { Ok(Self(octets)) }
    }
}

/// The 128-bit form of a 16-bit UUID of the Bluetooth SIG (Core Specification 3.B.2.5.1).
pub const fn sig(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_1000_8000_0080_5F9B_34FB | (short as u128) << 96)
}

/// The 16-bit form of a UUID, where it has one.
pub fn short(uuid: Uuid) -> Option<u16> {
    let short = u16::try_from(uuid.as_u128() >> 96).ok()?;
    (sig(short) == uuid).then_some(short)
}

/// A characteristic of a connected device. The service belongs to it: 2A52, 2A08 and 2A2B stand in several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// UUID of the service.
    pub service: Uuid,
    /// UUID of the characteristic.
    pub characteristic: Uuid,
}

impl Place {
    /// A place of the Bluetooth SIG by its two 16-bit UUIDs.
    pub const fn sig(service: u16, characteristic: u16) -> Self {
        Self { service: sig(service), characteristic: sig(characteristic) }
    }
}

/// What may be done at a [`Place`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Properties {
    pub read: bool,
    pub write: bool,
    pub write_without_response: bool,
    pub notify: bool,
    pub indicate: bool,
}

/// Everything that a connected device offers, in a fixed order.
pub type Services = BTreeMap<Place, Properties>;

/// What is known of a device that is near, or that BlueZ remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Its address.
    pub address: Address,
    /// The address is a random one (static or resolvable).
    pub random: bool,
    /// Its name, where it tells one.
    pub name: Option<String>,
    /// Services it announces.
    pub services: Vec<Uuid>,
    /// Company id and data.
    pub manufacturer: BTreeMap<u16, Vec<u8>>,
    /// Service data.
    pub service_data: BTreeMap<Uuid, Vec<u8>>,
    /// Signal strength in dBm; `None`: remembered, not heard now.
    pub rssi: Option<i16>,
}

impl Advert {
    /// A device of which only the address is known.
    pub fn of(address: Address) -> Self {
        Self {
            address,
            random: false,
            name: None,
            services: Vec::new(),
            manufacturer: BTreeMap::new(),
            service_data: BTreeMap::new(),
            rssi: None,
        }
    }
}

/// A device that BlueZ remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    /// Its address.
    pub address: Address,
    /// A key of it is stored here.
    pub bonded: bool,
    /// It is connected now.
    pub connected: bool,
}

/// What the agent is asked while a device is being paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The device shows six digits; they are typed here.
    Passkey,
    /// The same six digits stand on both sides: yes or no.
    Confirm(u32),
    /// The device is to be told these six digits.
    Display(u32),
    /// Just Works: nothing to compare; only the open window allows it.
    Authorize,
}

/// What a person answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The six digits, 0 to 999999.
    Passkey(u32),
    /// Yes, they are the same.
    Yes,
    /// No.
    No,
}

/// Why something on the radio failed: a fixed list, each with a code for programs, one plain
/// sentence and the next step for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum Fault {
    /// The machine has no Bluetooth adapter of this name.
    NoAdapter(String),
    /// The adapter is switched off.
    AdapterOff,
    /// rfkill holds the adapter off; `true`: by a hardware switch.
    Blocked(bool),
    /// Nobody owns `org.bluez` on the system bus.
    NoDaemon,
    /// `bluetoothd` does not answer.
    DaemonFrozen,
    /// There is no system bus to be reached.
    NoBus,
    /// The system bus or BlueZ does not let this user do it.
    NotPermitted,
    /// The device was not heard.
    NotHeard,
    /// Connecting failed: out of range, asleep, or busy with somebody else.
    NotConnected,
    /// Connecting to a bonded device is refused again and again although it is near.
    BondLost,
    /// The link is not encrypted although this device is bonded.
    NotEncrypted,
    /// The device asks for pairing before it answers.
    PairingNeeded,
    /// The digits did not fit.
    WrongPasskey,
    /// The device, or the person, said no.
    PairingRefused,
    /// Nobody typed or pressed in time.
    PairingTimeout,
    /// The device belongs to another host, or refuses to be paired a second time.
    BondedElsewhere,
    /// A key for this device is already here.
    AlreadyBonded,
    /// No pairing window is open, or it has closed.
    WindowClosed,
    /// A call took longer than it may; the word says which.
    Timeout(&'static str),
    /// The link ended in the middle.
    Disconnected,
    /// The device answered with an ATT error.
    Att(u8),
    /// A service or characteristic that the model must have is not there.
    Missing(Place),
    /// The model is known and speaks what this gateway does not; the sentence says why.
    NotSupported(String),
    /// The device kept some of its stored records back; the sentence says how.
    Records(String),
    /// Two controllers of the radio want the same thing at once; it is tried again.
    Busy,
    /// Anything else, in BlueZ's words.
    Other(String),
}

impl Fault {
    /// A word for programs, part of the contract.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoAdapter(_) => "no_adapter",
            Self::AdapterOff => "adapter_off",
            Self::Blocked(_) => "blocked",
            Self::NoDaemon => "no_bluetoothd",
            Self::DaemonFrozen => "bluetoothd_frozen",
            Self::NoBus => "no_system_bus",
            Self::NotPermitted => "not_permitted",
            Self::NotHeard => "not_heard",
            Self::NotConnected => "not_connected",
            Self::BondLost => "bond_lost",
            Self::NotEncrypted => "not_encrypted",
            Self::PairingNeeded => "pairing_needed",
            Self::WrongPasskey => "wrong_passkey",
            Self::PairingRefused => "pairing_refused",
            Self::PairingTimeout => "pairing_timeout",
            Self::BondedElsewhere => "bonded_elsewhere",
            Self::AlreadyBonded => "already_bonded",
            Self::WindowClosed => "window_closed",
            Self::Timeout(_) => "timeout",
            Self::Disconnected => "disconnected",
            Self::Att(_) => "att_error",
            Self::Missing(_) => "missing_characteristic",
            Self::NotSupported(_) => "not_supported",
            Self::Records(_) => "records_kept_back",
            Self::Busy => "busy",
            Self::Other(_) => "other",
        }
    }

    /// What happened, as one plain sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::NoAdapter(name) => {
                return format!("This machine has no Bluetooth adapter called {name}.");
            }
            Self::AdapterOff => "The Bluetooth adapter is switched off.",
            Self::Blocked(true) => "The Bluetooth adapter is switched off by a hardware switch.",
            Self::Blocked(false) => "The Bluetooth adapter is blocked by rfkill.",
            Self::NoDaemon => "The Bluetooth service (bluetoothd) is not running.",
            Self::DaemonFrozen => "The Bluetooth service (bluetoothd) does not answer.",
            Self::NoBus => "The system's D-Bus cannot be reached.",
            Self::NotPermitted => "This user may not use Bluetooth.",
            Self::NotHeard => "The device was not heard.",
            Self::NotConnected => "The device did not let itself be connected.",
            Self::BondLost => {
                "The device no longer knows this gateway: one of them has lost the bond."
            }
            Self::NotEncrypted => {
                "The link is not encrypted although the device is paired; what it says is not taken."
            }
            Self::PairingNeeded => "The device answers only once it is paired.",
            Self::WrongPasskey => "The six digits did not fit.",
            Self::PairingRefused => "Pairing was refused.",
            Self::PairingTimeout => "Nobody typed the digits or pressed the button in time.",
            Self::BondedElsewhere => {
                "The device does not want to be paired: it may be bonded to a phone."
            }
            Self::AlreadyBonded => "The device is already paired with this gateway.",
            Self::WindowClosed => "No pairing window is open.",
            Self::Timeout(what) => return format!("The device took too long to answer: {what}."),
            Self::Disconnected => "The connection ended in the middle.",
            Self::Att(code) => return format!("The device answered with the ATT error 0x{code:02X}."),
            Self::Missing(place) => {
                return match (short(place.service), short(place.characteristic)) {
                    (Some(service), Some(characteristic)) => format!(
                        "The device lacks the characteristic {characteristic:04X} of the service {service:04X}."
                    ),
                    _ => format!("The device lacks the characteristic {}.", place.characteristic),
                };
            }
            Self::NotSupported(why) => return format!("The device is not supported: {why}."),
            Self::Records(how) => return format!("The device kept records back: {how}."),
            Self::Busy => "The radio is busy with another device.",
            Self::Other(words) => return format!("Bluetooth failed: {words}."),
        }
        .to_owned()
    }

    /// What a person does next.
    pub const fn next(&self) -> &'static str {
        match self {
            Self::NoAdapter(_) => {
                "Plug a Bluetooth adapter in, or name another one: radio.adapter in hearth.toml."
            }
            Self::AdapterOff => "It is switched on by itself; if not: bluetoothctl power on.",
            Self::Blocked(true) => "Move the machine's wireless switch, or leave flight mode.",
            Self::Blocked(false) => "Unblock it: rfkill unblock bluetooth.",
            Self::NoDaemon => "Start it: systemctl enable --now bluetooth.",
            Self::DaemonFrozen => "Restart it: systemctl restart bluetooth.",
            Self::NoBus => "Start it: systemctl start dbus.",
            Self::NotPermitted => {
                "Add the gateway's user to the group bluetooth, then restart the gateway."
            }
            Self::NotHeard => {
                "Bring it within two metres, wake it (measure, or hold its button), and try again."
            }
            Self::NotConnected => {
                "Bring it within two metres, measure once more, and wait a minute."
            }
            Self::BondLost | Self::NotEncrypted => {
                "Pair it anew: hearth devices forget, put it into pairing mode, hearth devices pair."
            }
            Self::PairingNeeded => "Put it into pairing mode, then: hearth devices pair.",
            Self::WrongPasskey => {
                "Put it into pairing mode again and type the digits it shows then."
            }
            Self::PairingRefused => "Put it into pairing mode again and say yes on both sides.",
            Self::PairingTimeout => "Put it into pairing mode again and answer within a minute.",
            Self::BondedElsewhere => {
                "Remove it from the phone's app and the phone's Bluetooth settings, then pair again."
            }
            Self::AlreadyBonded => {
                "Nothing needs to be done; to start over: hearth devices forget."
            }
            Self::WindowClosed => "Open one: hearth devices pair.",
            Self::NotSupported(_) => "Use another device, or enter its readings by hand.",
            Self::Timeout(_) | Self::Disconnected | Self::Busy | Self::Records(_) => {
                "Nothing: it is tried again when the device is heard next."
            }
            Self::Att(_) | Self::Missing(_) => {
                "Check the model: hearth devices show; for a new model: hearth devices certify."
            }
            Self::Other(_) => "Look for the reason: hearth devices doctor.",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_written_and_nothing_else_does() {
        let text = "C0:FF:EE:00:00:0A";
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        assert_eq!("c0:ff:ee:00:00:0a".parse::<Address>().unwrap().to_string(), text);
        for wrong in
            ["", "C0:FF:EE:00:00", "C0:FF:EE:00:00:0A:0B", "C0:FF:EE:00:00:+A", "C0FFEE00000A"]
        {
            assert_eq!(wrong.parse::<Address>(), Err(NoAddress), "{wrong}");
        }
    }

    #[test]
    fn a_short_uuid_comes_back() {
        assert_eq!(sig(0x2A18).to_string(), "00002a18-0000-1000-8000-00805f9b34fb");
        assert_eq!(short(sig(0x2A18)), Some(0x2A18));
        assert_eq!(short(Uuid::from_u128(0x2A18)), None);
    }
}
