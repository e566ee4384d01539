//! A device's clock: where it stands, what it shows, and the octets that set it.

use hearth_shared::gatt::{self, DateTime, Measurement, encode};

use super::Moment;
use crate::radio::air::{Place, Properties, Services, short, sig};
use crate::radio::profile::{ClockPolicy, SetBy, SetWhen};

const CURRENT_TIME: u16 = 0x2A2B;
const DATE_TIME: u16 = 0x2A08;
/// Current Time Service.
const CURRENT_TIME_SERVICE: u16 = 0x1805;
/// Adjust reason "external reference update" (Current Time Service 1.1, 3.1).
const EXTERNAL_REFERENCE: u8 = 0x02;

/// Where a device's clock is read, and where it is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) read: Option<Place>,
    pub(super) set: Option<Place>,
    pub(super) notifies: Option<Place>,
}

impl Clock {
    /// Of what the device offers, as far as the model's policy allows.
    pub(super) fn of(services: &Services, policy: &ClockPolicy) -> Self {
        let current = find(services, CURRENT_TIME);
        let date = find(services, DATE_TIME);
        let writable = |found: Option<(Place, Properties)>| found.filter(|(_, p)| writes(*p));
        let set = match policy.set_by {
            SetBy::Auto => writable(current).or(writable(date)),
            SetBy::CurrentTime => current,
            SetBy::DateTime => date,
            SetBy::None => None,
        };
        // What is set is what is compared: the other clock of a device with two is only second best.
        let read = [set, current, date].into_iter().flatten().find(|(_, p)| p.read);
        let notifies = current.filter(|(_, p)| p.notify || p.indicate);
        let place = |found: Option<(Place, Properties)>| found.map(|(place, _)| place);
        Self { read: place(read), set: place(set), notifies: place(notifies) }
    }
}

const fn writes(p: Properties) -> bool {
    p.write || p.write_without_response
}

/// The characteristic, in its own service before any other.
fn find(services: &Services, characteristic: u16) -> Option<(Place, Properties)> {
    let own = Place::sig(CURRENT_TIME_SERVICE, characteristic);
    let anywhere = || services.iter().find(|(p, _)| p.characteristic == sig(characteristic));
    services.get_key_value(&own).or_else(anywhere).map(|(place, p)| (*place, *p))
}

/// What a clock showed, seconds since 1970 of its face; `None` where it shows no date.
pub(super) fn face(place: Place, octets: &[u8]) -> Option<i64> {
    let characteristic = short(place.characteristic)?;
    match gatt::decode_uuid16(characteristic, octets, gatt::Context::default()).ok()? {
        Measurement::CurrentTime(time) => time.timestamp.local_seconds(),
        Measurement::DateTime(time) => time.local_seconds(),
        _ => None,
    }
}

/// The octets that set the clock at `place` to this moment.
pub(super) fn octets(place: Place, now: Moment) -> Option<Vec<u8>> {
    let face = DateTime::from_local_seconds(now.local_s)?;
    if place.characteristic != sig(CURRENT_TIME) {
        return Some(face.to_octets().to_vec());
    }
    // 1970-01-01 was a Thursday, the fourth day of the week from Monday.
    let day = (now.local_s.div_euclid(86_400) + 3).rem_euclid(7) + 1;
    let day = u8::try_from(day).unwrap_or(0);
    Some(encode::current_time(face, day, 0, EXTERNAL_REFERENCE).to_vec())
}

/// Whether the clock is to be set now.
pub(super) fn is_due(policy: &ClockPolicy, face_s: Option<i64>, now: Moment) -> bool {
    if !now.trusted {
        return false;
    }
    match (policy.when, face_s) {
        (SetWhen::EveryConnection | SetWhen::AtFirstNotification, _) | (_, None) => true,
        (SetWhen::OnDrift, Some(face_s)) => {
            let allowed = policy.tolerance_s.max(policy.resolution_s);
            face_s.abs_diff(now.local_s) > u64::from(allowed)
        }
    }
}
