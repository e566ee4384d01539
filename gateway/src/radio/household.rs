//! The household as a machine: one event and the time in, one [`Action`] out.

use std::collections::BTreeMap;

use hearth_shared::time::UnixMillis;

use super::RadioEvent;
use crate::clock::Now;
use crate::intake::{Arrival, LinkSecurity, Payload};

/// The protocol this gateway speaks.
pub const PROTOCOL: u32 = 1;

/// Connections a household may hold at once; a home has a handful of devices.
const CONNECTIONS_MAX: usize = 64;

/// What an event asks of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The clock starts at this moment.
    Start(UnixMillis),
    /// A device is there; its id is looked up under this address.
    Connect {
        /// Bluetooth address.
        address: String,
        /// Counts connections.
        connection: u32,
    },
    /// A payload for intake.
    Arrive(Arrival),
    /// Do what is due up to this moment, then say so.
    Advance(UnixMillis),
    /// Real time goes on.
    Release,
    /// Nothing to do.
    Nothing,
}

#[derive(Clone, Debug)]
struct Connection {
    address: String,
    device: String,
    link: LinkSecurity,
    clock_offset_s: Option<i64>,
}

/// What is known of the connected household.
#[derive(Debug, Default)]
pub struct Household {
    greeted: bool,
    connections: BTreeMap<u32, Connection>,
}

impl Household {
    /// Takes one event.
    ///
    /// # Errors
    /// One plain sentence for the household when the event cannot be carried out; nothing changed.
    pub fn on(&mut self, event: RadioEvent, now: Now) -> Result<Action, String> {
        if !self.greeted && !matches!(event, RadioEvent::Hello { .. }) {
            return Err("the first line must be hello with the protocol version".to_owned());
        }
        match event {
            RadioEvent::Hello { version, now_ms } => {
                if version != PROTOCOL {
                    return Err(format!(
                        "protocol version {version} is not known here; this gateway speaks {PROTOCOL}"
                    ));
                }
                self.greeted = true;
                self.connections.clear();
                Ok(Action::Start(UnixMillis::from_millis(now_ms)))
            }
            RadioEvent::Connected { address, connection, encrypted, device_clock_s } => {
                if self.connections.len() >= CONNECTIONS_MAX
                    && !self.connections.contains_key(&connection)
                {
                    return Err(format!("{CONNECTIONS_MAX} devices are connected; no more fit"));
                }
                let clock_offset_s = device_clock_s.map(|s| now.wall.seconds().saturating_sub(s));
                let link = LinkSecurity { encrypted, ..LinkSecurity::default() };
                let known = Connection {
                    device: address.clone(),
                    address: address.clone(),
                    link,
                    clock_offset_s,
                };
                self.connections.insert(connection, known);
                Ok(Action::Connect { address, connection })
            }
            RadioEvent::Value { address, connection, position, characteristic, hex } => self
                .value(&address, connection, position, (&characteristic, &hex), now)
                .map(Action::Arrive),
            RadioEvent::Disconnected { address, connection } => {
                self.check(&address, connection)?;
                self.connections.remove(&connection);
                Ok(Action::Nothing)
            }
            RadioEvent::Time { now_ms } => Ok(Action::Advance(UnixMillis::from_millis(now_ms))),
            RadioEvent::Bye {} => {
                self.connections.clear();
                Ok(Action::Release)
            }
        }
    }

    /// The roster knows this connection's device under `id`. A device that is on no roster keeps
    /// its address, under which intake quarantines what it says.
    pub fn named(&mut self, connection: u32, id: String) {
        if let Some(known) = self.connections.get_mut(&connection) {
            known.device = id;
        }
    }

    fn check(&self, address: &str, connection: u32) -> Result<&Connection, String> {
        match self.connections.get(&connection) {
            Some(known) if known.address == address => Ok(known),
            Some(known) => Err(format!(
                "connection {connection} belongs to {}, not to {address}",
                known.address
            )),
            None => Err(format!("connection {connection} was never announced by connected")),
        }
    }

    fn value(
        &self,
        address: &str,
        connection: u32,
        position: u32,
        (characteristic, hex): (&str, &str),
        now: Now,
    ) -> Result<Arrival, String> {
        let known = self.check(address, connection)?;
        let hex_digits = characteristic.bytes().all(|digit| digit.is_ascii_hexdigit());
        let characteristic = (characteristic.len() == 4 && hex_digits)
            .then(|| u16::from_str_radix(characteristic, 16).ok())
            .flatten()
            .ok_or("characteristic must be four hex digits, for example 2A18")?;
        let octets = octets(hex).ok_or("hex must be an even number of hex digits")?;
        Ok(Arrival {
            device: known.device.clone(),
            payload: Payload::Gatt { characteristic, octets },
            received: now,
            connection,
            position,
            clock_offset_s: known.clock_offset_s,
            link: known.link,
        })
    }
}

/// The octets of an even number of hex digits.
fn octets(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// One line as an event.
///
/// # Errors
/// One plain sentence for the household.
pub(super) fn understood(line: &str) -> Result<RadioEvent, String> {
    serde_json::from_str(line).map_err(|error| format!("the line is no event: {error}"))
}

#[cfg(test)]
mod tests;
