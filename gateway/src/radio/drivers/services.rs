//! The standard services: what is read of them, what they send, and what a value of them is to the
//! session it came in.

use hearth_shared::gatt::{self, DateTime, Measurement};

use super::record_access::Stamped;
use super::{Finding, Step};
use crate::radio::air::{Place, short};

/// A standard service: what is kept of its features, and what it sends.
pub(super) struct Service {
    pub(super) uuid: u16,
    /// Read and journalled.
    pub(super) keeps: &'static [u16],
    /// Of these the first that is there is subscribed to.
    pub(super) measurement: &'static [u16],
    /// What comes beside it.
    pub(super) beside: &'static [u16],
    /// Its records have numbers, by which new ones can be asked for.
    pub(super) numbered: bool,
}

pub(super) const RECORD_ACCESS: u16 = 0x2A52;
pub(super) const STORED_PRESSURE: u16 = 0x2B36;
/// Its bit 6: records end in a CRC.
pub(super) const CUFF_FEATURE: Place = Place::sig(0x1810, 0x2A49);
pub(super) const BATTERY: Place = Place::sig(0x180F, 0x2A19);
pub(super) const FIRMWARE: Place = Place::sig(0x180A, 0x2A26);
/// Maker, model, firmware. The serial number (2A25) is never read: it is personal.
pub(super) const INFORMATION: [Place; 3] =
    [Place::sig(0x180A, 0x2A29), Place::sig(0x180A, 0x2A24), FIRMWARE];

/// Pressures while the cuff inflates (2A36, 2B35) and the oximeter's course from second to second
/// beside a spot check (2A5F) are no results and are not asked for.
pub(super) const SERVICES: [Service; 8] = [
    Service {
        uuid: 0x1808,
        keeps: &[0x2A51],
        measurement: &[0x2A18],
        beside: &[0x2A34],
        numbered: true,
    },
    Service {
        uuid: 0x1810,
        keeps: &[0x2A49],
        measurement: &[0x2B34, 0x2A35],
        beside: &[0x2B36],
        numbered: true,
    },
    Service {
        uuid: 0x181D,
        keeps: &[0x2A9E],
        measurement: &[0x2A9D],
        beside: &[],
        numbered: false,
    },
    Service {
        uuid: 0x181B,
        keeps: &[0x2A9B],
        measurement: &[0x2A9C],
        beside: &[],
        numbered: false,
    },
    Service {
        uuid: 0x1822,
        keeps: &[0x2A60],
        measurement: &[0x2A5E, 0x2A5F],
        beside: &[],
        numbered: false,
    },
    Service {
        uuid: 0x1809,
        keeps: &[0x2A1D],
        measurement: &[0x2A1C],
        beside: &[],
        numbered: false,
    },
    Service {
        uuid: 0x181F,
        keeps: &[0x2AA8, 0x2AAA],
        measurement: &[0x2AA7],
        beside: &[],
        numbered: true,
    },
    Service {
        uuid: 0x180D,
        keeps: &[0x2A38],
        measurement: &[0x2A37],
        beside: &[],
        numbered: false,
    },
];

/// What a device of this kind must have.
pub(super) fn expected(kind: &str) -> Place {
    match kind {
        "blood_pressure_cuff" => Place::sig(0x1810, 0x2A35),
        "weight_scale" => Place::sig(0x181D, 0x2A9D),
        "pulse_oximeter" => Place::sig(0x1822, 0x2A5E),
        "thermometer" => Place::sig(0x1809, 0x2A1C),
        "glucose_sensor" => Place::sig(0x181F, 0x2AA7),
        "heart_rate_sensor" => Place::sig(0x180D, 0x2A37),
        _ => Place::sig(0x1808, 0x2A18),
    }
}

pub(super) fn keep(place: Place, octets: &[u8]) -> Option<Step> {
    let characteristic = short(place.characteristic)?;
    Some(Step::Keep { characteristic, octets: octets.to_vec() })
}

/// A text of the Device Information service, without the filling some devices put behind it.
pub(super) fn information(place: Place, octets: &[u8]) -> Option<Step> {
    let characteristic = short(place.characteristic)?;
    let text = String::from_utf8_lossy(octets);
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned();
    let found = Finding::Information { characteristic, text };
    Some(Step::Found(found)).filter(|_| !octets.is_empty())
}

/// The records in a value; `None`: it is a part of one.
pub(super) fn records_in(uuid: u16, octets: &[u8]) -> Option<Vec<Stamped>> {
    let Ok(measurement) = gatt::decode_uuid16(uuid, octets, gatt::Context::default()) else {
        // Undecodable is quarantined, but it was a record all the same.
        return Some(vec![Stamped::default()]);
    };
    match &measurement {
        Measurement::GlucoseContext(_) => None,
        // A sensor counts minutes since its session began instead.
        Measurement::Cgm(cgm) => {
            let minutes = cgm.records().map(|record| record.time_offset_minutes);
            Some(minutes.map(|minutes| Stamped { number: Some(minutes), base_s: None }).collect())
        }
        other => {
            let number = gatt::sequence(other).map(|sequence| sequence.0);
            let base_s = gatt::base_time(other).and_then(DateTime::local_seconds);
            Some(vec![Stamped { number, base_s }])
        }
    }
}
