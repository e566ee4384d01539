//! What intake must know of devices, owners and zones, read once and kept until a command changes
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_shared::gatt::quirk::Quirk;
use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;

use super::decode::SessionStart;
use crate::outreach::local;
use crate::store::device::{self, Device, Owner};
use crate::store::{Queries, StoreError, patient};

/// A device and what belongs to it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its row.
    pub device: Device,
    /// Its owners, past and present.
    pub owners: Vec<Owner>,
    /// Start of the running sensor session.
    pub session: Option<SessionStart>,
    /// How its model departs from the standards.
    pub quirks: Vec<Quirk>,
    zone: Option<TimeZone>,
}

/// How models depart from the standards, by the name their devices have in the roster (the ids of
/// their profiles).
pub type Quirks = BTreeMap<String, Vec<Quirk>>;

/// Devices, owners and zones in memory.
#[derive(Debug)]
pub struct Directory {
    gateway_zone: TimeZone,
    quirks: Arc<Quirks>,
    devices: BTreeMap<String, Option<Entry>>,
    zones: BTreeMap<String, Option<TimeZone>>,
}

/// Devices kept in memory; unknown ids take a place, too, and must not fill it without end.
const DEVICES_MAX: usize = 4096;

impl Directory {
    /// Nothing is known yet.
    pub fn new(gateway_zone: TimeZone, quirks: Arc<Quirks>) -> Self {
        Self { gateway_zone, quirks, devices: BTreeMap::new(), zones: BTreeMap::new() }
    }

    /// Forgets everything: a command or a rollback may have changed it.
    pub fn forget(&mut self) {
        self.devices.clear();
        self.zones.clear();
    }

    /// A device on the roster, not retired.
    ///
    /// # Errors
    /// What the store answered.
    pub fn device(&mut self, q: &impl Queries, id: &str) -> Result<Option<&Entry>, StoreError> {
        if !self.devices.contains_key(id) {
            if self.devices.len() >= DEVICES_MAX {
                self.devices.clear();
            }
            let entry = load(q, id, &self.quirks)?;
            self.devices.insert(id.to_owned(), entry);
        }
        Ok(self.devices.get(id).and_then(Option::as_ref))
    }

    /// The running session of a sensor began.
    pub fn session_started(&mut self, device: &str, start: SessionStart) {
        if let Some(Some(entry)) = self.devices.get_mut(device) {
            entry.session = Some(start);
        }
    }

    /// The zone of a device's clock (its own, its only owner's, the gateway's), and since when it
    /// is on the roster.
    ///
    /// # Errors
    /// What the store answered.
    pub fn device_zone(
        &mut self,
        q: &impl Queries,
        id: &str,
        at: UnixMillis,
    ) -> Result<(TimeZone, UnixMillis), StoreError> {
        let Some(entry) = self.device(q, id)? else {
            return Ok((self.gateway_zone.clone(), at));
        };
        let added = entry.device.added;
        if let Some(zone) = &entry.zone {
            return Ok((zone.clone(), added));
        }
        let current = |o: &&Owner| o.to.is_none_or(|to| at < to);
        let mut owners = entry.owners.iter().filter(current).map(|o| o.patient.clone());
        let (first, rest) = (owners.next(), owners.collect::<Vec<_>>());
        let only = first.filter(|first| rest.iter().all(|other| other == first));
        let zone = match only {
            Some(patient) => self.patient_zone(q, &patient)?,
            None => None,
        };
        Ok((zone.unwrap_or_else(|| self.gateway_zone.clone()), added))
    }

    /// Local time minus UTC in minutes where a patient lives, or at the gateway.
    ///
    /// # Errors
    /// What the store answered.
    pub fn offset_min(
        &mut self,
        q: &impl Queries,
        patient: Option<&str>,
        at: UnixMillis,
    ) -> Result<i16, StoreError> {
        let zone = match patient {
            Some(patient) => self.patient_zone(q, patient)?,
            None => None,
        };
        Ok(local::offset_min(at, zone.as_ref().unwrap_or(&self.gateway_zone)))
    }

    fn patient_zone(&mut self, q: &impl Queries, id: &str) -> Result<Option<TimeZone>, StoreError> {
        if let Some(zone) = self.zones.get(id) {
            return Ok(zone.clone());
        }
        let zone = patient::get(q, id)?.and_then(|p| p.zone).as_deref().and_then(local::zone);
        self.zones.insert(id.to_owned(), zone.clone());
        Ok(zone)
    }
}

fn load(q: &impl Queries, id: &str, quirks: &Quirks) -> Result<Option<Entry>, StoreError> {
    let Some(device) = device::get(q, id)?.filter(|d| d.retired.is_none()) else {
        return Ok(None);
    };
    let zone = device.zone.as_deref().and_then(local::zone);
    let session = device::session(q, id)?.map(|(local_s, utc_s)| SessionStart { local_s, utc_s });
    let quirks = device.model.as_ref().and_then(|model| quirks.get(model)).cloned();
    let (owners, quirks) = (device::owners(q, id)?, quirks.unwrap_or_default());
    Ok(Some(Entry { owners, device, session, quirks, zone }))
}
