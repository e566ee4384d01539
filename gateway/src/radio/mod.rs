//! Who is near, and what they said.
//!
//! ```text
//!             watch (who is connected, recovery)      enrol (a pairing conversation)
//!                 ▲ │                                      ▲ │
//! people ─► requests ─► bluetooth (the task) ◄─────────────┘ ▼
//!                 ▲ │ orders, one after the other
//!               hands ─► central (GATT) · pairing (agent, bonds) · security (the kernel's word)
//!                 └─► connection ─► conversation ─► drivers (what is asked, by profile)
//!                          └─► writer: every value, before anybody else hears of it
//! ```
//!
//! `watch`, `enrol`, `conversation` and `drivers` are machines without I/O; what they decide is in them alone,
//! and a home's air is simulated with them. Models are data (`profile`, `gateway/models`).
//!
//! A simulated household can stand in the place of all that (`adapter = "simulated"`): one JSON object a line in
//! both directions over a Unix socket that the gateway listens on. It drives the clock: it announces a moment,
//! the gateway does everything that is due up to it and answers `reached`, so ten weeks pass as fast as the
//! machine allows and always the same way.

pub mod air;
pub mod bluetooth;
pub mod bluez_error;
pub mod central;
mod connection;
pub mod conversation;
pub mod drivers;
pub mod enrol;
mod hands;
pub mod household;
pub mod pairing;
pub mod profile;
mod records;
pub mod rfkill;
pub mod security;
pub mod simulated;
pub mod watch;

use serde::{Deserialize, Serialize};

/// From the central (or the household) to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum RadioEvent {
    /// First line of a household: its protocol version and the moment its clock starts.
    Hello {
        /// Protocol version, 1.
        version: u32,
        /// Milliseconds since the epoch.
        now_ms: i64,
    },
    /// A device connected.
    Connected {
        /// Bluetooth address, as advertised.
        address: String,
        /// Counts connections.
        connection: u32,
        /// What is known of the encryption of the link.
        encrypted: Option<bool>,
        /// The device's clock as read in this connection (seconds, its local time read as UTC).
        device_clock_s: Option<i64>,
    },
    /// A characteristic value arrived.
    Value {
        /// Bluetooth address.
        address: String,
        /// The connection it came in.
        connection: u32,
        /// Place within the connection.
        position: u32,
        /// 16-bit UUID, upper-case hex.
        characteristic: String,
        /// The octets in hex.
        hex: String,
    },
    /// The device went away.
    Disconnected {
        /// Bluetooth address.
        address: String,
        /// The connection that ended.
        connection: u32,
    },
    /// The household's clock moved to this moment: do what is due.
    Time {
        /// Milliseconds since the epoch.
        now_ms: i64,
    },
    /// The household is done; the gateway goes on in real time from here.
    Bye {},
}

/// From the gateway to the central (or the household).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum RadioCommand {
    /// Everything of this connection up to this position is durable; the device may forget it.
    Committed {
        /// The connection.
        connection: u32,
        /// Through this position.
        position: u32,
    },
    /// All that was due up to this moment has been done and committed.
    Reached {
        /// Milliseconds since the epoch.
        now_ms: i64,
    },
    /// The event could not be understood.
    Refused {
        /// Why, as a plain sentence.
        reason: String,
    },
}
