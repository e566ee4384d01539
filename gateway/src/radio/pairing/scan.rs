//! Who is heard, on a connection of its own.
//!
//! btleplug tells of adverts too, but asks BlueZ for everything it knows of the device at each of them,
//! and asks for both transports. Here the signals are read as they are: one that arrives is heard now,
//! costs no call, and is not lost when the device's object is gone a moment later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dbus::Path;
use dbus::arg::{PropMap, RefArg, Variant, prop_cast};
use dbus::channel::MatchingReceiver;
use dbus::message::{MatchRule, SignalArgs};
use dbus::nonblock::stdintf::org_freedesktop_dbus::{
    ObjectManagerInterfacesAdded, ObjectManagerInterfacesRemoved, PropertiesPropertiesChanged,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::super::air::{Address, Advert, Fault};
use super::super::bluez_error::On;
use super::bus::{ADAPTER, Bus, DEVICE, PROPERTIES, Refusal, adapter_path, address_in};

/// Devices whose last words are kept: BlueZ forgets what it has not heard for half a minute, and tells
/// so. More than this many at once are heard without their earlier words.
const KNOWN_MAX: usize = 4096;

/// BlueZ's word for "signal strength not known" (HCI: 127).
const RSSI_UNKNOWN: i16 = 127;

/// What a signal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// A device is heard now.
    Heard(Advert),
    /// Its link is up, or has ended.
    Connected(Address, bool),
    /// The adapter was switched on or off.
    Power(bool),
}

/// What is known of the devices of one adapter, from signal to signal.
struct Sky {
    adapter: Path<'static>,
    known: BTreeMap<Address, Advert>,
}

impl Sky {
    /// The address of a device of this adapter; its services and characteristics are none.
    fn device(&self, path: &str) -> Option<Address> {
        let below = path.strip_prefix(&*self.adapter)?.strip_prefix('/')?;
        if below.contains('/') { None } else { address_in(path) }
    }

    /// An object was added, or was there before.
    fn added(&mut self, path: &str, properties: &PropMap) -> Option<Sighting> {
        let address = self.device(path)?;
        let advert = self.merge(address, properties);
        // What BlueZ only remembers has no signal strength.
        advert.rssi.is_some().then_some(Sighting::Heard(advert))
    }

    fn changed(&mut self, path: &str, changed: &PropMap, invalid: &[String]) -> Vec<Sighting> {
        let Some(address) = self.device(path) else { return Vec::new() };
        let advert = self.merge(address, changed);
        let mut sightings = Vec::new();
        // These change by what a device sends, and by nothing else.
        if ["RSSI", "ManufacturerData", "ServiceData"]
            .iter()
            .any(|&name| changed.contains_key(name))
        {
            sightings.push(Sighting::Heard(advert));
        }
        if let Some(connected) = prop_cast::<bool>(changed, "Connected") {
            sightings.push(Sighting::Connected(address, *connected));
        }
        if invalid.iter().any(|name| name == "RSSI")
            && let Some(known) = self.known.get_mut(&address)
        {
            known.rssi = None;
        }
        sightings
    }

    fn removed(&mut self, path: &str) {
        if let Some(address) = self.device(path) {
            self.known.remove(&address);
        }
    }

    /// What is known now.
    fn merge(&mut self, address: Address, properties: &PropMap) -> Advert {
        let mut advert = self.known.get(&address).cloned().unwrap_or_else(|| Advert::of(address));
        if let Some(kind) = prop_cast::<String>(properties, "AddressType") {
            advert.random = kind == "random";
        }
        if let Some(name) = prop_cast::<String>(properties, "Name") {
            advert.name = Some(name.clone());
        }
        if let Some(uuids) = prop_cast::<Vec<String>>(properties, "UUIDs") {
            advert.services = uuids.iter().filter_map(|uuid| uuid.parse().ok()).collect();
        }
        if let Some(rssi) = prop_cast::<i16>(properties, "RSSI") {
            advert.rssi = Some(*rssi).filter(|rssi| *rssi != RSSI_UNKNOWN);
        }
        if let Some(data) = properties.get("ManufacturerData") {
            advert.manufacturer = dictionary(&data.0, |company| {
                company.as_u64().and_then(|company| u16::try_from(company).ok())
            });
        }
        if let Some(data) = properties.get("ServiceData") {
            let uuid =
                |uuid: &dyn RefArg| uuid.as_str().and_then(|uuid| Uuid::parse_str(uuid).ok());
            advert.service_data = dictionary(&data.0, uuid);
        }
        if self.known.len() < KNOWN_MAX || self.known.contains_key(&address) {
            self.known.insert(address, advert.clone());
        }
        advert
    }
}

/// A dictionary of octets; entries of another shape are none.
fn dictionary<K: Ord>(
    data: &dyn RefArg,
    key: impl Fn(&dyn RefArg) -> Option<K>,
) -> BTreeMap<K, Vec<u8>> {
    let mut entries = BTreeMap::new();
    let Some(mut flat) = data.as_iter() else { return entries };
    // Keys and values in turn.
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        // The value is a variant around an array.
        let octets = value.as_iter().and_then(|mut inner| inner.next()).and_then(octets);
        if let (Some(name), Some(octets)) = (key(name), octets) {
            entries.insert(name, octets);
        }
    }
    entries
}

fn octets(array: &dyn RefArg) -> Option<Vec<u8>> {
    array
        .as_iter()?
        .map(|octet| octet.as_u64().and_then(|octet| u8::try_from(octet).ok()))
        .collect()
}

/// What a stopped scan was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanWas {
    /// It ran, and was stopped.
    Running,
    /// There was none to stop.
    Idle,
}

/// The scan of one adapter, and what it brings. BlueZ ends the scan when this is dropped.
pub(crate) struct Scan {
    bus: Bus,
    adapter: String,
    path: Path<'static>,
    deadline: Duration,
}

impl Scan {
    /// Connects; each call may take this long. `tell` is called from within the reader of the bus and
    /// may not wait.
    pub(crate) async fn open(
        adapter: &str,
        deadline: Duration,
        tell: impl Fn(Sighting) + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let path = adapter_path(adapter).ok_or_else(|| Fault::NoAdapter(adapter.to_owned()))?;
        let bus = Bus::open().await?;
        let sky = Sky { adapter: path.clone(), known: BTreeMap::new() };
        let sky = Arc::new(Mutex::new(sky));
        let scan = Self { bus, adapter: adapter.to_owned(), path, deadline };
        scan.listen(&sky, Arc::new(tell)).await?;
        // What BlueZ remembers: a later signal brings only what changed.
        let objects = scan.bus.objects(deadline).await;
        let objects = objects.map_err(|refusal| refusal.on(On::Daemon))?;
        let mut sky = sky.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, interfaces) in &objects {
            if let Some(properties) = interfaces.get(DEVICE) {
                // Not told: when it was heard is not known.
                sky.added(path, properties);
            }
        }
        drop(sky);
        Ok(scan)
    }

    async fn listen(
        &self,
        sky: &Arc<Mutex<Sky>>,
        tell: Arc<impl Fn(Sighting) + Send + Sync + 'static>,
    ) -> Result<(), Fault> {
        const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";
        let below = format!("path_namespace='{}'", self.path);
        // Without the first argument, every value of every characteristic would come here as well.
        for (interface, more) in [
            (OBJECTS, String::new()),
            (PROPERTIES, format!(",{below},arg0='{DEVICE}'")),
            (PROPERTIES, format!(",{below},arg0='{ADAPTER}'")),
        ] {
            let rule = format!("type='signal',sender='org.bluez',interface='{interface}'{more}");
            let added = timeout(self.deadline, self.bus.connection.add_match_no_cb(&rule)).await;
            let added = added.map_err(|_| Fault::NoBus)?;
            added.map_err(|error| Refusal::from(error).on(On::Daemon))?;
        }
        for interface in [OBJECTS, PROPERTIES] {
            let (sky, tell) = (sky.clone(), tell.clone());
            let rule =
                MatchRule::new().with_type(dbus::MessageType::Signal).with_interface(interface);
            self.bus.connection.start_receive(
                rule,
                Box::new(move |message, _| {
                    let mut sky = sky.lock().unwrap_or_else(PoisonError::into_inner);
                    let sightings = on_signal(&mut sky, &message);
                    drop(sky);
                    sightings.into_iter().for_each(|sighting| tell(sighting));
                    true
                }),
            );
        }
        Ok(())
    }

    /// Starts it: Low Energy only, with repeated data.
    pub(crate) async fn start(&self) -> Result<(), Fault> {
        let on = On::Adapter(&self.adapter);
        let mut filter = PropMap::new();
        let boxed = |value: Box<dyn RefArg>| Variant(value);
        filter.insert("Transport".to_owned(), boxed(Box::new("le".to_owned())));
        // Any filter also lifts BlueZ's rule that only discoverable devices are shown; without
        // duplicates, the same unread count of a cuff would be hidden.
        filter.insert("DuplicateData".to_owned(), boxed(Box::new(true)));
        let call = (ADAPTER, "SetDiscoveryFilter");
        let filtered: Result<(), _> =
            self.bus.call(&self.path, call, (filter,), self.deadline).await;
        filtered.map_err(|refusal| refusal.on(on))?;
        let call = (ADAPTER, "StartDiscovery");
        let started: Result<(), _> = self.bus.call(&self.path, call, (), self.deadline).await;
        started.map_err(|refusal| refusal.on(on))
    }

    /// Stops it. "In progress" is [`Fault::Busy`]: the scan is out of step with the controller.
    pub(crate) async fn stop(&self) -> Result<ScanWas, Fault> {
        let call = (ADAPTER, "StopDiscovery");
        let stopped: Result<(), _> = self.bus.call(&self.path, call, (), self.deadline).await;
        match stopped {
            Ok(()) => Ok(ScanWas::Running),
            Err(refusal) if refusal.message == "No discovery started" => Ok(ScanWas::Idle),
            Err(refusal) => Err(refusal.on(On::Adapter(&self.adapter))),
        }
    }

    /// Ends once the bus is gone; with it, nothing is heard any more.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.bus.lost()
    }
}

fn on_signal(sky: &mut Sky, message: &dbus::Message) -> Vec<Sighting> {
    if let Some(change) = PropertiesPropertiesChanged::from_message(message) {
        let path = message.path().map(|path| path.to_string()).unwrap_or_default();
        let changed = &change.changed_properties;
        return match change.interface_name.as_str() {
            DEVICE => sky.changed(&path, changed, &change.invalidated_properties),
            ADAPTER if *path == *sky.adapter => prop_cast::<bool>(changed, "Powered")
                .map(|on| Sighting::Power(*on))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        };
    }
    if let Some(added) = ObjectManagerInterfacesAdded::from_message(message) {
        let properties = added.interfaces.get(DEVICE);
        return properties.and_then(|it| sky.added(&added.object, it)).into_iter().collect();
    }
    if let Some(removed) = ObjectManagerInterfacesRemoved::from_message(message)
        && removed.interfaces.iter().any(|name| name == DEVICE)
    {
        sky.removed(&removed.object);
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use super::*;
    use crate::radio::air::sig;

    const PATH: &str = "/org/bluez/hci0/dev_C0_FF_EE_00_00_01";
    const METER: Address = Address([0xC0, 0xFF, 0xEE, 0, 0, 1]);

    fn sky() -> Sky {
        Sky { adapter: adapter_path("hci0").unwrap(), known: BTreeMap::new() }
    }

    fn boxed<T: RefArg + 'static>(value: T) -> Variant<Box<dyn RefArg>> {
        Variant(Box::new(value))
    }

    fn properties(some: Vec<(&str, Variant<Box<dyn RefArg>>)>) -> PropMap {
        some.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn what_is_remembered_is_no_advert_and_what_is_heard_adds_to_it() {
        let mut sky = sky();
        let remembered = properties(vec![
            ("Name", boxed("meter".to_owned())),
            ("AddressType", boxed("random".to_owned())),
            ("UUIDs", boxed(vec![sig(0x1808).to_string(), "nonsense".to_owned()])),
        ]);
        assert_eq!(sky.added(PATH, &remembered), None);
        let heard = sky.changed(PATH, &properties(vec![("RSSI", boxed(-50_i16))]), &[]);
        let expected = Advert {
            random: true,
            name: Some("meter".to_owned()),
            services: vec![sig(0x1808)],
            rssi: Some(-50),
            ..Advert::of(METER)
        };
        assert_eq!(heard, [Sighting::Heard(expected.clone())]);
        assert!(sky.changed(PATH, &PropMap::new(), &["RSSI".to_owned()]).is_empty());
        assert_eq!(sky.known[&METER].rssi, None, "the scan was stopped");
        let company: HashMap<u16, Variant<Box<dyn RefArg>>> =
            HashMap::from([(0x0075, boxed(vec![1_u8, 2]))]);
        let service: HashMap<String, Variant<Box<dyn RefArg>>> =
            HashMap::from([(sig(0x181D).to_string(), boxed(vec![3_u8]))]);
        let data =
            properties(vec![("ManufacturerData", boxed(company)), ("ServiceData", boxed(service))]);
        let expected = Advert {
            rssi: None,
            manufacturer: [(0x0075, vec![1, 2])].into(),
            service_data: [(sig(0x181D), vec![3])].into(),
            ..expected
        };
        assert_eq!(sky.changed(PATH, &data, &[]), [Sighting::Heard(expected)]);
        sky.removed(PATH);
        let heard = sky.added(PATH, &properties(vec![("RSSI", boxed(-60_i16))]));
        let forgotten = Advert { rssi: Some(-60), ..Advert::of(METER) };
        assert_eq!(heard, Some(Sighting::Heard(forgotten)));
    }

    #[test]
    fn only_devices_of_this_adapter_count() {
        let mut sky = sky();
        let near = properties(vec![("RSSI", boxed(-50_i16)), ("Connected", boxed(true))]);
        for path in [
            "/org/bluez/hci1/dev_C0_FF_EE_00_00_01",
            "/org/bluez/hci0/dev_C0_FF_EE_00_00_01/service0001",
            "/org/bluez/hci0",
            "/org/bluez/hci01/dev_C0_FF_EE_00_00_01",
            "/org/bluez/hci0/dev_nonsense",
        ] {
            assert_eq!(sky.added(path, &near), None, "{path}");
            assert!(sky.changed(path, &near, &[]).is_empty(), "{path}");
        }
        assert!(sky.known.is_empty());
        let connected = properties(vec![("Connected", boxed(true))]);
        let expected = [Sighting::Connected(METER, true)];
        assert_eq!(sky.changed(PATH, &connected, &[]), expected, "a link is no advert");
        let unknown = properties(vec![("RSSI", boxed(RSSI_UNKNOWN))]);
        assert_eq!(sky.added(PATH, &unknown), None);
    }

    #[test]
    fn a_crowd_is_heard_and_not_remembered() {
        let mut sky = sky();
        let near = properties(vec![("RSSI", boxed(-50_i16))]);
        for number in 0..=u16::try_from(KNOWN_MAX).unwrap() {
            let [high, low] = number.to_be_bytes();
            let path = format!("/org/bluez/hci0/dev_00_00_00_00_{high:02X}_{low:02X}");
            assert!(sky.added(&path, &near).is_some());
        }
        assert_eq!(sky.known.len(), KNOWN_MAX);
    }
}
