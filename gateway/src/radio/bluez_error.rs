//! What BlueZ and the bus say when something fails, turned into one of our [`Fault`]s. Only text goes
//! in, so that the whole table is tested without a bus.
//!
//! Names and messages are those of BlueZ's `src/error.c`, `src/device.c` (`new_authentication_return`)
//! and `src/gatt-client.c` (`create_gatt_dbus_error`), and of the D-Bus specification.

use super::air::{Fault, Question};

/// What was spoken to when it failed: the same answer means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On<'a> {
    /// The bus itself, or the daemon as a whole.
    Daemon,
    /// The adapter of this name.
    Adapter(&'a str),
    /// A device that is being looked for, connected or removed.
    Device,
    /// A characteristic of a connected device, or the link itself.
    Link,
}

/// The fault that an error of this name with this message means.
pub fn fault(on: On<'_>, name: &str, message: &str) -> Fault {
    if let Some(error) = name.strip_prefix("org.freedesktop.DBus.Error.") {
        return of_the_bus(on, error, message);
    }
    if let Some(error) = name.strip_prefix("org.bluez.Error.") {
        return of_bluez(on, error, message);
    }
    // systemd's own words when it was asked to start the daemon and cannot.
    if name.starts_with("org.freedesktop.systemd1.") {
        return Fault::NoDaemon;
    }
    other(name, message)
}

/// How far the conversation with the person came in a pairing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Talk {
    /// Nothing was asked.
    #[default]
    Silent,
    /// This was asked last, and answered, shown, or taken back.
    Asked(Question),
    /// The person said no.
    SaidNo,
    /// Nobody answered in time.
    Unanswered,
}

/// The fault that a failed `Pair` means.
pub fn pairing_fault(name: &str, message: &str, talk: Talk) -> Fault {
    let Some(error) = name.strip_prefix("org.bluez.Error.") else {
        return fault(On::Device, name, message);
    };
    match (error, talk) {
        ("AlreadyExists", _) => Fault::AlreadyBonded,
        ("AuthenticationTimeout", _) => Fault::PairingTimeout,
        ("AuthenticationRejected", _) => Fault::PairingRefused,
        ("ConnectionAttemptFailed", _) => Fault::NotConnected,
        ("AuthenticationFailed" | "AuthenticationCanceled", Talk::Unanswered) => {
            Fault::PairingTimeout
        }
        // The digits are the only thing that can be wrong once they were typed.
        ("AuthenticationFailed", Talk::Asked(Question::Passkey | Question::Display(_))) => {
            Fault::WrongPasskey
        }
        // Nothing was asked and the device said no, or hung up: that is how a device behaves which
        // keeps to one host, and one that is not in pairing mode.
        ("AuthenticationFailed" | "AuthenticationCanceled", Talk::Silent) => Fault::BondedElsewhere,
        ("AuthenticationFailed" | "AuthenticationCanceled", _) => Fault::PairingRefused,
        _ => of_bluez(On::Device, error, message),
    }
}

fn of_the_bus(on: On<'_>, error: &str, message: &str) -> Fault {
    match error {
        "ServiceUnknown" | "NameHasNoOwner" => Fault::NoDaemon,
        spawn if spawn.starts_with("Spawn.") => Fault::NoDaemon,
        // The daemon's end of the bus closed with our call in it.
        "NoReply" if message.contains("disconnected") => Fault::NoDaemon,
        "NoReply" | "Timeout" | "TimedOut" => match on {
            On::Daemon | On::Adapter(_) => Fault::DaemonFrozen,
            On::Device | On::Link => Fault::Timeout("bluetoothd"),
        },
        "AccessDenied" | "AuthFailed" => Fault::NotPermitted,
        "NoServer" | "FileNotFound" | "Disconnected" | "BadAddress" | "IOError" | "NoNetwork" => {
            Fault::NoBus
        }
        // The D-Bus library's words when its connection is gone.
        "Failed" if matches!(message, "Failed to send message" | "Read/write failed") => {
            Fault::NoBus
        }
        "UnknownObject" | "UnknownMethod" | "UnknownInterface" | "UnknownProperty" => match on {
            On::Daemon => Fault::NoDaemon,
            On::Adapter(adapter) => Fault::NoAdapter(adapter.to_owned()),
            On::Device => Fault::NotHeard,
            // BlueZ takes a device's objects away together with its link.
            On::Link => Fault::Disconnected,
        },
        _ => other(error, message),
    }
}

fn of_bluez(on: On<'_>, error: &str, message: &str) -> Fault {
    if let Some(code) = att_error(message) {
        return Fault::Att(code);
    }
    match error {
        "NotReady" => Fault::AdapterOff,
        "Blocked" => Fault::Blocked(false),
        "InProgress" | "AlreadyConnected" => Fault::Busy,
        "AlreadyExists" => Fault::AlreadyBonded,
        "DoesNotExist" => Fault::NotHeard,
        "NotConnected" => Fault::Disconnected,
        "AuthenticationTimeout" => Fault::PairingTimeout,
        "AuthenticationRejected" | "AuthenticationCanceled" | "AuthenticationFailed" => {
            Fault::PairingRefused
        }
        "ConnectionAttemptFailed" | "NotAvailable" => Fault::NotConnected,
        // ATT errors 0x02, 0x03 and 0x05/0x0C/0x0F have words instead of a number.
        "NotPermitted" if message == "Read not permitted" => Fault::Att(0x02),
        "NotPermitted" if message == "Write not permitted" => Fault::Att(0x03),
        "NotPermitted" if matches!(on, On::Link) => Fault::PairingNeeded,
        "NotAuthorized" if matches!(on, On::Link) => Fault::Att(0x08),
        "NotSupported" if matches!(on, On::Link) => Fault::Att(0x06),
        "InvalidOffset" => Fault::Att(0x07),
        "InvalidValueLength" => Fault::Att(0x0D),
        "NotPermitted" | "NotAuthorized" => Fault::NotPermitted,
        "Failed" => of_failed(on, message),
        _ => other(error, message),
    }
}

/// `org.bluez.Error.Failed` carries its meaning in the message: a word of BlueZ's own, or the C
/// library's text of an error number (older versions).
fn of_failed(on: On<'_>, message: &str) -> Fault {
    const OFF: [&str; 3] = ["Not Powered", "Network is down", "Resource Not Ready"];
    const BUSY: [&str; 3] =
        ["Operation already in progress", "Device or resource busy", "Operation in progress"];
    const GONE: [&str; 3] =
        ["Not connected", "Transport endpoint is not connected", "Connection reset by peer"];
    const NO_CONNECTION: [&str; 8] = [
        "Host is down",
        "Connection timed out",
        "Connection refused",
        "Software caused connection abort",
        "Input/output error",
        "Too many links",
        "Function not implemented",
        "Page Timeout",
    ];
    if message.contains("rfkill") {
        Fault::Blocked(false)
    } else if OFF.contains(&message) {
        Fault::AdapterOff
    } else if BUSY.contains(&message) {
        Fault::Busy
    } else if GONE.contains(&message) {
        match on {
            On::Link => Fault::Disconnected,
            _ => Fault::NotConnected,
        }
    } else if message.starts_with("le-connection-") || message.starts_with("br-connection-") {
        match message.split_once("-connection-").map_or("", |(_, why)| why) {
            "adapter-not-powered" => Fault::AdapterOff,
            "busy" | "already-connected" => Fault::Busy,
            _ => Fault::NotConnected,
        }
    } else if NO_CONNECTION.contains(&message) {
        Fault::NotConnected
    } else {
        other("Failed", message)
    }
}

/// The number in "Operation failed with ATT error: 0x80".
fn att_error(message: &str) -> Option<u8> {
    let digits = message.split_once("ATT error: 0x")?.1;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    u8::from_str_radix(digits.get(..end)?, 16).ok()
}

fn other(name: &str, message: &str) -> Fault {
    Fault::Other(match message {
        "" => name.to_owned(),
        message => format!("{message} ({name})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUS: &str = "org.freedesktop.DBus.Error.";
    const BLUEZ: &str = "org.bluez.Error.";

    #[test]
    fn every_known_answer_has_its_fault() {
        use On::{Adapter, Daemon, Device, Link};
        let hci = Adapter("hci0");
        let no_adapter = || Fault::NoAdapter("hci0".to_owned());
        let gone = "Message recipient disconnected from message bus without replying";
        let missing = "Method \"ReadValue\" with signature \"a{sv}\" doesn't exist";
        for (on, prefix, name, message, expected) in [
            (hci, BUS, "ServiceUnknown", "", Fault::NoDaemon),
            (hci, BUS, "NameHasNoOwner", "", Fault::NoDaemon),
            (hci, BUS, "Spawn.ChildExited", "Launch helper exited", Fault::NoDaemon),
            (Link, BUS, "NoReply", gone, Fault::NoDaemon),
            (hci, BUS, "NoReply", "Did not receive a reply", Fault::DaemonFrozen),
            (hci, BUS, "Timeout", "Timeout waiting for reply", Fault::DaemonFrozen),
            (Daemon, BUS, "Timeout", "", Fault::DaemonFrozen),
            (Device, BUS, "Timeout", "", Fault::Timeout("bluetoothd")),
            (Daemon, BUS, "AccessDenied", "Rejected send message", Fault::NotPermitted),
            (Daemon, BUS, "FileNotFound", "Failed to connect to socket", Fault::NoBus),
            (Daemon, BUS, "NoServer", "", Fault::NoBus),
            (Link, BUS, "Failed", "Failed to send message", Fault::NoBus),
            (hci, BUS, "UnknownObject", missing, no_adapter()),
            (hci, BUS, "UnknownMethod", missing, no_adapter()),
            (Device, BUS, "UnknownObject", missing, Fault::NotHeard),
            (Link, BUS, "UnknownObject", missing, Fault::Disconnected),
            (Daemon, BUS, "UnknownObject", missing, Fault::NoDaemon),
            (hci, BLUEZ, "NotReady", "Resource Not Ready", Fault::AdapterOff),
            (hci, BLUEZ, "Blocked", "Blocked through rfkill", Fault::Blocked(false)),
            (hci, BLUEZ, "Failed", "Blocked through rfkill", Fault::Blocked(false)),
            (hci, BLUEZ, "Failed", "Not Powered", Fault::AdapterOff),
            (hci, BLUEZ, "InProgress", "Operation already in progress", Fault::Busy),
            (Device, BLUEZ, "InProgress", "In Progress", Fault::Busy),
            (Device, BLUEZ, "Failed", "Device or resource busy", Fault::Busy),
            (Device, BLUEZ, "Failed", "le-connection-abort-by-local", Fault::NotConnected),
            (Device, BLUEZ, "Failed", "le-connection-adapter-not-powered", Fault::AdapterOff),
            (Device, BLUEZ, "Failed", "le-connection-busy", Fault::Busy),
            (Device, BLUEZ, "Failed", "br-connection-page-timeout", Fault::NotConnected),
            (
                Device,
                BLUEZ,
                "NotAvailable",
                "br-connection-profile-unavailable",
                Fault::NotConnected,
            ),
            (Device, BLUEZ, "Failed", "Host is down", Fault::NotConnected),
            (Device, BLUEZ, "Failed", "Not connected", Fault::NotConnected),
            (Device, BLUEZ, "DoesNotExist", "Does Not Exist", Fault::NotHeard),
            (Device, BLUEZ, "AlreadyExists", "Already Exists", Fault::AlreadyBonded),
            (Link, BLUEZ, "Failed", "Not connected", Fault::Disconnected),
            (Link, BLUEZ, "NotConnected", "Not Connected", Fault::Disconnected),
            (Link, BLUEZ, "NotPermitted", "Not paired", Fault::PairingNeeded),
            (Link, BLUEZ, "NotPermitted", "Read not permitted", Fault::Att(2)),
            (Link, BLUEZ, "NotPermitted", "Write not permitted", Fault::Att(3)),
            (Link, BLUEZ, "NotSupported", "Operation is not supported", Fault::Att(6)),
            (Link, BLUEZ, "Failed", "Operation failed with ATT error: 0x80", Fault::Att(0x80)),
            (Link, BLUEZ, "Failed", "Operation failed with ATT error: 0x0e", Fault::Att(0x0E)),
            (hci, BLUEZ, "NotAuthorized", "", Fault::NotPermitted),
        ] {
            let name = format!("{prefix}{name}");
            assert_eq!(fault(on, &name, message), expected, "{on:?} {name} {message}");
        }
        assert_eq!(fault(Daemon, "org.freedesktop.systemd1.NoSuchUnit", ""), Fault::NoDaemon);
        assert_eq!(
            fault(Link, "org.bluez.Error.Failed", "something new"),
            Fault::Other("something new (Failed)".to_owned())
        );
    }

    #[test]
    fn a_failed_pairing_is_told_by_what_was_asked() {
        let failed = "org.bluez.Error.AuthenticationFailed";
        let canceled = "org.bluez.Error.AuthenticationCanceled";
        let asked = Talk::Asked;
        for (name, talk, expected) in [
            (failed, asked(Question::Passkey), Fault::WrongPasskey),
            (failed, asked(Question::Display(1)), Fault::WrongPasskey),
            (failed, asked(Question::Confirm(1)), Fault::PairingRefused),
            (failed, asked(Question::Authorize), Fault::PairingRefused),
            (failed, Talk::SaidNo, Fault::PairingRefused),
            (failed, Talk::Unanswered, Fault::PairingTimeout),
            (failed, Talk::Silent, Fault::BondedElsewhere),
            (canceled, Talk::Silent, Fault::BondedElsewhere),
            (canceled, Talk::Unanswered, Fault::PairingTimeout),
            (canceled, asked(Question::Passkey), Fault::PairingRefused),
            ("org.bluez.Error.AuthenticationRejected", Talk::Silent, Fault::PairingRefused),
            ("org.bluez.Error.AuthenticationTimeout", Talk::Silent, Fault::PairingTimeout),
            ("org.bluez.Error.AlreadyExists", Talk::Silent, Fault::AlreadyBonded),
            ("org.bluez.Error.ConnectionAttemptFailed", Talk::Silent, Fault::NotConnected),
            ("org.bluez.Error.InProgress", Talk::Silent, Fault::Busy),
            ("org.freedesktop.DBus.Error.UnknownObject", Talk::Silent, Fault::NotHeard),
        ] {
            assert_eq!(pairing_fault(name, "", talk), expected, "{name} {talk:?}");
        }
    }
}
