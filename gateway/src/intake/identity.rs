//! The same record twice: an id that does not depend on who received it, when, or in which zone.
//!
//! UUIDv5 over canonical octets: device, service, user slot, record number, the stamp as sent and
//! the payload itself, then the place of the value within it. Two gateways that hear one meter make
//! one id. What has neither a stamp nor a record number (a plain scale) would make two weighings
//! one: there gateway, boot, connection and position take part, and the id is *weak*.

use hearth_shared::device::Sequence;
use uuid::Uuid;

use super::decode::Slot;
use super::{Arrival, Payload};

/// Hearth's own namespace; never change it: every id of every journal rests on it.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x6f0d_8a3c_41b7_4e52_9d1e_7c2a_58b3_e946);

/// The place that stands for the payload as a whole.
const WHOLE: u8 = 255;

/// What a payload's ids rest on.
#[derive(Clone, Debug)]
pub struct Identity {
    octets: Vec<u8>,
    /// It rests on connection and position.
    pub weak: bool,
}

/// What the payload says about its record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The device's user.
    pub slot: Slot,
    /// The record number.
    pub sequence: Option<Sequence>,
    /// The stamp as sent; for sensors the start of the session.
    pub stamp: Option<&'a str>,
}

impl Identity {
    /// The identity of an arrival.
    pub fn of(arrival: &Arrival, record: Record<'_>, gateway: &str) -> Self {
        let (service, octets) = match &arrival.payload {
            Payload::Gatt { characteristic, octets } => (u32::from(*characteristic), octets),
            Payload::Line { format, octets } => (0x1_0000 | u32::from(*format as u16), octets),
            Payload::Vendor { protocol, octets } => {
                (0x2_0000 | u32::from(*protocol as u16), octets)
            }
        };
        let weak = record.stamp.is_none() && record.sequence.is_none();
        let mut out = Vec::with_capacity(octets.len() + arrival.device.len() + 96);
        text(&mut out, "observation 1");
        text(&mut out, &arrival.device);
        out.extend_from_slice(&service.to_be_bytes());
        out.extend_from_slice(&match record.slot {
            Slot::Unsaid => [0, 0],
            Slot::Unknown => [1, 0xFF],
            Slot::Known(slot) => [1, slot.0],
        });
        match record.sequence {
            Some(Sequence(n)) => {
                out.push(1);
                out.extend_from_slice(&n.to_be_bytes());
            }
            None => out.push(0),
        }
        match record.stamp {
            Some(stamp) => {
                out.push(1);
                text(&mut out, stamp);
            }
            None => out.push(0),
        }
        out.extend_from_slice(&(octets.len() as u64).to_be_bytes());
        out.extend_from_slice(octets);
        if weak {
            text(&mut out, gateway);
            out.extend_from_slice(&arrival.received.boot.0);
            out.extend_from_slice(&arrival.connection.to_be_bytes());
            out.extend_from_slice(&arrival.position.to_be_bytes());
        }
        Self { octets: out, weak }
    }

    /// The id of the value at this place.
    pub fn part(&mut self, place: u8) -> Uuid {
        self.octets.push(place);
        let id = Uuid::new_v5(&NAMESPACE, &self.octets);
        self.octets.pop();
        id
    }

    /// The id of the payload as a whole, for what becomes no observation.
    pub fn whole(&mut self) -> Uuid {
        self.part(WHOLE)
    }
}

fn text(out: &mut Vec<u8>, value: &str) {
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value.as_bytes());
}

/// The id of an alert: the same rule, patient and reading make the same alert, however often they
/// are judged.
pub fn alert_id(rule: &str, version: &str, patient: &str, observation: Option<Uuid>) -> Uuid {
    let mut out = Vec::with_capacity(64);
    for part in ["alert 1", rule, version, patient] {
        text(&mut out, part);
    }
    out.extend_from_slice(observation.unwrap_or_default().as_bytes());
    Uuid::new_v5(&NAMESPACE, &out)
}

/// The id of a notice: what it says, to whom, about which reading, at which moment of the rules.
pub fn notice_id(words: &[&str], t_s: i64, observation: Option<Uuid>) -> Uuid {
    let mut out = Vec::with_capacity(96);
    text(&mut out, "notice 1");
    for word in words {
        text(&mut out, word);
    }
    out.extend_from_slice(&t_s.to_be_bytes());
    out.extend_from_slice(observation.unwrap_or_default().as_bytes());
    Uuid::new_v5(&NAMESPACE, &out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use hearth_shared::device::UserSlot;
    use hearth_shared::time::UnixMillis;

    use super::*;
    use crate::clock::{BootId, Now};
    use crate::intake::LinkSecurity;

    fn arrival() -> Arrival {
        Arrival {
            device: "cuff-1".into(),
            payload: Payload::Gatt {
                characteristic: 0x2A35,
                octets: vec![0, 120, 0, 80, 0, 90, 0],
            },
            received: Now {
                wall: UnixMillis::from_seconds(1_800_000_000),
                monotonic_ms: 5,
                boot: BootId([7; 16]),
                trusted: true,
            },
            connection: 3,
            position: 4,
            clock_offset_s: Some(12),
            link: LinkSecurity::default(),
        }
    }

    const STAMPED: Record<'_> =
        Record { slot: Slot::Unsaid, sequence: None, stamp: Some("2026-03-01T07:30:00") };

    fn id(arrival: &Arrival, record: Record<'_>, gateway: &str) -> Uuid {
        Identity::of(arrival, record, gateway).part(0)
    }

    #[test]
    fn who_received_it_and_when_is_no_part_of_a_strong_id() {
        let first = arrival();
        let mut second = arrival();
        second.received.wall = UnixMillis::from_seconds(1_900_000_000);
        second.received.boot = BootId([9; 16]);
        (second.connection, second.position, second.clock_offset_s) = (80, 90, None);
        assert_eq!(id(&first, STAMPED, "here"), id(&second, STAMPED, "there"));
        assert_eq!(id(&first, STAMPED, "here").to_string(), "f086f879-bad0-555c-a43d-6be16407e003");
    }

    #[test]
    fn without_stamp_and_number_two_weighings_stay_two() {
        let plain = Record { stamp: None, ..STAMPED };
        let first = arrival();
        let mut second = arrival();
        second.position = 5;
        assert!(Identity::of(&first, plain, "here").weak);
        assert_ne!(id(&first, plain, "here"), id(&second, plain, "here"));
        assert_ne!(id(&first, plain, "here"), id(&first, plain, "there"));
        assert_eq!(id(&first, plain, "here"), id(&first, plain, "here"));
    }

    #[test]
    fn every_part_of_a_strong_id_counts() {
        let base = arrival();
        let mut other_device = arrival();
        other_device.device = "cuff-2".into();
        let mut other_octets = arrival();
        other_octets.payload =
            Payload::Gatt { characteristic: 0x2A35, octets: vec![0, 121, 0, 80, 0, 90, 0] };
        let mut other_service = arrival();
        other_service.payload =
            Payload::Gatt { characteristic: 0x2A36, octets: vec![0, 120, 0, 80, 0, 90, 0] };
        let mut ids = vec![
            id(&base, STAMPED, "g"),
            id(&other_device, STAMPED, "g"),
            id(&other_octets, STAMPED, "g"),
            id(&other_service, STAMPED, "g"),
            id(&base, Record { slot: Slot::Known(UserSlot(1)), ..STAMPED }, "g"),
            id(&base, Record { slot: Slot::Unknown, ..STAMPED }, "g"),
            id(&base, Record { sequence: Some(Sequence(1)), ..STAMPED }, "g"),
            id(&base, Record { stamp: Some("2026-03-01T07:30:01"), ..STAMPED }, "g"),
            Identity::of(&base, STAMPED, "g").part(1),
            Identity::of(&base, STAMPED, "g").whole(),
        ];
        let n = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), n);
    }
}
