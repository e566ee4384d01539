//! The central: commands in, events out. The only file that names btleplug.
//!
//! - Nothing is decided here, and nothing is waited for without a deadline.
//! - Nothing is left behind: a connection attempt that fails, takes too long or is dropped ends in
//!   `Disconnect`, and so does a [`Link`] that is dropped.
//! - btleplug's streams do not end when `bluetoothd` or the bus goes away. Whoever holds a [`Link`] asks
//!   [`Link::is_connected`], or watches [`super::pairing::PairingEvent`].

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bluez_async::BluetoothError;
use btleplug::api::{
    Central as _, CentralEvent as Raw, CentralState, CharPropFlags, Characteristic, Manager as _,
    Peripheral as _, ValueNotification, WriteType,
};
use btleplug::platform::{Adapter, Manager, Peripheral, PeripheralId};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::air::{Address, Advert, Fault, Place, Properties, Services};
use super::bluez_error::{On, fault};
use super::pairing::{Scan, ScanWas};

/// What the radio tells unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CentralEvent {
    /// A device is heard now. What BlueZ only remembers does not come here.
    Advert(Advert),
    /// A device connected, by whosever wish.
    Connected(Address),
    /// A device's link ended.
    Disconnected(Address),
    /// The adapter was switched on or off.
    Power(bool),
    /// Nothing more will come: the bus is gone. Open anew.
    StreamEnded,
}

/// Events that may wait for the shell: some seconds of a busy street. An advert beyond that is dropped
/// and counted, since the device says it again; everything else waits.
const EVENTS_MAX: usize = 256;

/// Values that may wait for one connection: more than any known meter sends before its acknowledgement is
/// due, and little memory. Beyond it, they wait in the library.
const VALUES_MAX: usize = 1024;

/// BlueZ's word for "signal strength not known" (HCI: 127).
const RSSI_UNKNOWN: i16 = 127;

/// How long each kind of call may take. Tests shorten them.
#[derive(Clone, Copy, Debug)]
pub struct CentralDeadlines {
    /// Connecting to the bus and finding the adapter: milliseconds, unless one of them is frozen.
    pub open: Duration,
    /// A call that does not wait for a device: the controller may have to answer.
    pub call: Duration,
    /// Connecting and resolving services: BlueZ gives up connecting after 20 s or so; a device with
    /// many services takes seconds more.
    pub connect: Duration,
    /// Listing services: dozens of calls, each of milliseconds.
    pub services: Duration,
    /// One read, write or subscription: a device answers within a second, first elevating the link's
    /// security may take some; ATT itself gives up after 30 s.
    pub io: Duration,
    /// Disconnecting: BlueZ waits 2 s before it forces the link down.
    pub disconnect: Duration,
}

impl Default for CentralDeadlines {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(15),
            call: Duration::from_secs(10),
            connect: Duration::from_secs(28),
            services: Duration::from_secs(15),
            io: Duration::from_secs(20),
            disconnect: Duration::from_secs(5),
        }
    }
}

struct Inner {
    adapter: Adapter,
    name: String,
    scan: Scan,
    deadlines: CentralDeadlines,
    dropped_adverts: Arc<AtomicU64>,
    follower: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(follower) = locked(&self.follower).take() {
            follower.abort();
        }
    }
}

/// One adapter.
#[derive(Clone)]
pub struct Central(Arc<Inner>);

impl Central {
    /// Opens an adapter by its name (`hci0`), and its events.
    ///
    /// # Errors
    /// [`Fault::NoBus`], [`Fault::NotPermitted`], [`Fault::NoDaemon`], [`Fault::DaemonFrozen`],
    /// [`Fault::NoAdapter`].
    pub async fn open(adapter: &str) -> Result<(Self, mpsc::Receiver<CentralEvent>), Fault> {
        Self::open_with(adapter, CentralDeadlines::default()).await
    }

    /// Like [`Central::open`], with deadlines of one's own.
    ///
    /// # Errors
    /// As there.
    pub async fn open_with(
        adapter: &str,
        deadlines: CentralDeadlines,
    ) -> Result<(Self, mpsc::Receiver<CentralEvent>), Fault> {
        let name = adapter.to_owned();
        let scan = Scan::open(&name, deadlines.call).await?;
        let (adapter, stream) =
            timeout(deadlines.open, open(&name)).await.map_err(|_| Fault::DaemonFrozen)??;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let dropped_adverts = Arc::new(AtomicU64::new(0));
        let follower = Follower {
            adapter: adapter.clone(),
            events: sender,
            deadline: deadlines.call,
            dropped: dropped_adverts.clone(),
        };
        let follower = tokio::spawn(follower.run(stream, scan.lost()));
        let follower = Mutex::new(Some(follower));
        let inner = Inner { adapter, name, scan, deadlines, dropped_adverts, follower };
        Ok((Self(Arc::new(inner)), events))
    }

    /// Starts to scan: Low Energy only, with repeated data, without a filter by service. The adapter is
    /// not switched on by it.
    ///
    /// # Errors
    /// [`Fault::Busy`] where BlueZ says "in progress": its discovery is out of step. Else what is wrong
    /// with adapter or daemon.
    pub async fn start_scan(&self) -> Result<(), Fault> {
        self.0.scan.start().await
    }

    /// Stops it.
    ///
    /// # Errors
    /// [`Fault::Busy`] where BlueZ says "in progress": the tell of a discovery that has stalled. Else
    /// what is wrong with adapter or daemon.
    pub async fn stop_scan(&self) -> Result<ScanWas, Fault> {
        self.0.scan.stop().await
    }

    /// Adverts dropped since the start because the shell did not take them.
    pub fn dropped_adverts(&self) -> u64 {
        self.0.dropped_adverts.load(Ordering::Relaxed)
    }

    /// Connects a device that BlueZ knows, and waits until its services are resolved.
    ///
    /// # Errors
    /// [`Fault::NotHeard`], [`Fault::NotConnected`], [`Fault::Timeout`], [`Fault::Busy`], or what is
    /// wrong with adapter or daemon. No half connection is left.
    ///
    /// # Cancellation
    /// Dropping it ends the attempt.
    pub async fn connect(&self, address: &Address) -> Result<Link, Fault> {
        let deadlines = self.0.deadlines;
        let on_adapter = |error| of(error, On::Adapter(&self.0.name));
        let all = timeout(deadlines.call, self.0.adapter.peripherals())
            .await
            .map_err(|_| Fault::DaemonFrozen)?
            .map_err(on_adapter)?;
        let found = all.into_iter().find(|one| one.address().into_inner() == address.0);
        let peripheral = found.ok_or(Fault::NotHeard)?;
        // From here on, dropping disconnects.
        let link = Link(Arc::new(LinkInner {
            peripheral,
            address: *address,
            deadlines,
            places: Mutex::default(),
            filter: Arc::default(),
            orders: Mutex::default(),
            closed: AtomicBool::new(false),
        }));
        let connected = match timeout(deadlines.connect, link.0.peripheral.connect()).await {
            Ok(Ok(())) => return Ok(link),
            Ok(Err(error)) => of(error, On::Device),
            Err(_) => Fault::Timeout("connecting"),
        };
        // An error: there is nothing to end, or nobody to end it.
        let _ = link.disconnect().await;
        Err(connected)
    }
}

async fn open(name: &str) -> Result<(Adapter, Events), Fault> {
    let runtime = tokio::runtime::Handle::current();
    // libdbus connects in a blocking manner.
    let opening = tokio::task::spawn_blocking(move || runtime.block_on(Manager::new()));
    let manager = opening.await.map_err(|_| Fault::NoBus)?;
    let manager = manager.map_err(|error| of(error, On::Daemon))?;
    for adapter in manager.adapters().await.map_err(|error| of(error, On::Daemon))? {
        let on = On::Adapter(name);
        let info = adapter.adapter_info().await.map_err(|error| of(error, on))?;
        if info.split(' ').next() == Some(name) {
            let events = adapter.events().await.map_err(|error| of(error, on))?;
            return Ok((adapter, events));
        }
    }
    Err(Fault::NoAdapter(name.to_owned()))
}

type Events = Pin<Box<dyn Stream<Item = Raw> + Send>>;

/// Turns btleplug's events into ours.
struct Follower {
    adapter: Adapter,
    events: mpsc::Sender<CentralEvent>,
    deadline: Duration,
    dropped: Arc<AtomicU64>,
}

impl Follower {
    async fn run(self, mut stream: Events, lost: impl Future<Output = ()> + Send) {
        let mut lost = std::pin::pin!(lost);
        loop {
            let raw = tokio::select! {
                raw = stream.next() => raw,
                () = &mut lost => None,
            };
            let Some(raw) = raw else {
                // An error: the shell is gone already.
                let _ = self.events.send(CentralEvent::StreamEnded).await;
                return;
            };
            let told = match raw {
                Raw::DeviceConnected(id) => self.tell(&id, CentralEvent::Connected).await,
                Raw::DeviceDisconnected(id) => self.tell(&id, CentralEvent::Disconnected).await,
                Raw::StateUpdate(state) => {
                    let on = state == CentralState::PoweredOn;
                    self.events.send(CentralEvent::Power(on)).await.is_ok()
                }
                // These come for what BlueZ remembers as well, when the stream begins and when services
                // are resolved: only a signal strength says that it is heard.
                Raw::DeviceDiscovered(id) | Raw::ServicesAdvertisement { id, .. } => {
                    self.hear(&id, Heard::IfStrengthIsKnown).await
                }
                Raw::RssiUpdate { id, .. }
                | Raw::ManufacturerDataAdvertisement { id, .. }
                | Raw::ServiceDataAdvertisement { id, .. } => self.hear(&id, Heard::Now).await,
                Raw::DeviceUpdated(_) | Raw::DeviceServicesModified(_) => true,
            };
            if !told {
                return;
            }
        }
    }

    /// `false`: nobody listens any more.
    async fn tell(&self, id: &PeripheralId, event: fn(Address) -> CentralEvent) -> bool {
        let Some(address) = address_of(id) else { return true };
        self.events.send(event(address)).await.is_ok()
    }

    async fn hear(&self, id: &PeripheralId, heard: Heard) -> bool {
        // A device that vanished meanwhile, or a daemon that does not answer: the ping tells of that.
        if let Ok(Some(advert)) = timeout(self.deadline, self.advert(id)).await
            && (advert.rssi.is_some() || heard == Heard::Now)
            && let Err(mpsc::error::TrySendError::Full(_)) =
                self.events.try_send(CentralEvent::Advert(advert))
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        !self.events.is_closed()
    }

    async fn advert(&self, id: &PeripheralId) -> Option<Advert> {
        let peripheral = self.adapter.peripheral(id).await.ok()?;
        let known = peripheral.properties().await.ok()??;
        Some(Advert {
            address: Address(known.address.into_inner()),
            random: known.address_type == Some(btleplug::api::AddressType::Random),
            // Not the alias: without a name, BlueZ puts the address there.
            name: known.advertisement_name,
            services: known.services,
            manufacturer: known.manufacturer_data.into_iter().collect(),
            service_data: known.service_data.into_iter().collect(),
            rssi: known.rssi.filter(|rssi| *rssi != RSSI_UNKNOWN),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Now,
    IfStrengthIsKnown,
}

/// btleplug shows an id as the end of its path: `hci0/dev_C0_FF_EE_00_00_01`.
fn address_of(id: &PeripheralId) -> Option<Address> {
    let shown = id.to_string();
    shown.split_once("/dev_")?.1.replace('_', ":").parse().ok()
}

struct LinkInner {
    peripheral: Peripheral,
    address: Address,
    deadlines: CentralDeadlines,
    places: Mutex<BTreeMap<Place, Characteristic>>,
    filter: Arc<Mutex<Filter>>,
    /// The way to the task that passes values on, once there is one.
    orders: Mutex<Option<mpsc::UnboundedSender<ReadDone>>>,
    closed: AtomicBool,
}

impl Drop for LinkInner {
    fn drop(&mut self) {
        if *self.closed.get_mut() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (peripheral, deadline) = (self.peripheral.clone(), self.deadlines.disconnect);
            // Nobody is left who could be told how it went.
            runtime.spawn(async move { drop(timeout(deadline, peripheral.disconnect()).await) });
        }
    }
}

/// One connected device. Dropping the last clone disconnects it.
#[derive(Clone)]
pub struct Link(Arc<LinkInner>);

impl Link {
    /// Whose link it is.
    pub fn address(&self) -> Address {
        self.0.address
    }

    /// Everything that the device offers. BlueZ may say "resolved" before the last characteristic is
    /// there: whoever misses one asks again.
    ///
    /// # Errors
    /// [`Fault::Timeout`], [`Fault::Disconnected`], or what is wrong with the daemon.
    pub async fn services(&self) -> Result<Services, Fault> {
        let link = &self.0;
        timeout(link.deadlines.services, link.peripheral.discover_services())
            .await
            .map_err(|_| Fault::Timeout("listing its services"))?
            .map_err(|error| of(error, On::Link))?;
        let found = link.peripheral.characteristics();
        let services = found.iter().map(|one| (place_of(one), properties_of(one))).collect();
        *locked(&link.places) = found.into_iter().map(|one| (place_of(&one), one)).collect();
        Ok(services)
    }

    /// The values that the device sends at the places subscribed to, in order. To be opened before the
    /// first subscription: the first value may come before its answer. A second call replaces the first.
    /// The receiver ends with the link's last clone, not with the connection.
    ///
    /// # Errors
    /// [`Fault::Timeout`], or what is wrong with the daemon.
    pub async fn values(&self) -> Result<mpsc::Receiver<(Place, Vec<u8>)>, Fault> {
        let link = &self.0;
        let stream = timeout(link.deadlines.call, link.peripheral.notifications())
            .await
            .map_err(|_| Fault::DaemonFrozen)?
            .map_err(|error| of(error, On::Link))?;
        let (sender, values) = mpsc::channel(VALUES_MAX);
        // One order per read, and reads come one at a time.
        let (orders, taken) = mpsc::unbounded_channel();
        *locked(&link.orders) = Some(orders);
        tokio::spawn(pass_on(stream, link.filter.clone(), taken, sender));
        Ok(values)
    }

    /// Reads a characteristic.
    ///
    /// # Errors
    /// [`Fault::Missing`], [`Fault::Att`], [`Fault::PairingNeeded`], [`Fault::Timeout`],
    /// [`Fault::Disconnected`], or what is wrong with the daemon.
    pub async fn read(&self, place: Place) -> Result<Vec<u8>, Fault> {
        let link = &self.0;
        let characteristic = self.characteristic(place)?;
        locked(&link.filter).begin_read(place);
        let mut done = Reading { link, place, octets: None };
        let octets = timeout(link.deadlines.io, link.peripheral.read(&characteristic))
            .await
            .map_err(|_| Fault::Timeout("reading"))?
            .map_err(|error| of(error, On::Link))?;
        done.octets = Some(octets.clone());
        Ok(octets)
    }

    /// Writes a characteristic; with `response`, waits for the device's answer.
    ///
    /// # Errors
    /// As [`Link::read`].
    pub async fn write(&self, place: Place, octets: &[u8], response: bool) -> Result<(), Fault> {
        let link = &self.0;
        let characteristic = self.characteristic(place)?;
        let kind = if response { WriteType::WithResponse } else { WriteType::WithoutResponse };
        timeout(link.deadlines.io, link.peripheral.write(&characteristic, octets, kind))
            .await
            .map_err(|_| Fault::Timeout("writing"))?
            .map_err(|error| of(error, On::Link))
    }

    /// Asks for a characteristic's notifications or indications.
    ///
    /// # Errors
    /// As [`Link::read`].
    pub async fn subscribe(&self, place: Place) -> Result<(), Fault> {
        let link = &self.0;
        let characteristic = self.characteristic(place)?;
        // Before the answer: the first value may overtake it.
        locked(&link.filter).subscribed.insert(place);
        let subscribed = timeout(link.deadlines.io, link.peripheral.subscribe(&characteristic))
            .await
            .map_err(|_| Fault::Timeout("subscribing"))
            .and_then(|done| done.map_err(|error| of(error, On::Link)));
        if subscribed.is_err() {
            locked(&link.filter).subscribed.remove(&place);
        }
        subscribed
    }

    /// Wants no more of them.
    ///
    /// # Errors
    /// As [`Link::read`].
    pub async fn unsubscribe(&self, place: Place) -> Result<(), Fault> {
        let link = &self.0;
        let characteristic = self.characteristic(place)?;
        let done = timeout(link.deadlines.io, link.peripheral.unsubscribe(&characteristic))
            .await
            .map_err(|_| Fault::Timeout("unsubscribing"))?
            .map_err(|error| of(error, On::Link));
        // What was on its way still counts.
        if done.is_ok() {
            locked(&link.filter).subscribed.remove(&place);
        }
        done
    }

    /// Ends the connection. One that has ended already is no error.
    ///
    /// # Errors
    /// [`Fault::Timeout`], or what is wrong with the daemon; the link counts as ended all the same.
    pub async fn disconnect(&self) -> Result<(), Fault> {
        let link = &self.0;
        let ended = timeout(link.deadlines.disconnect, link.peripheral.disconnect()).await;
        link.closed.store(true, Ordering::Relaxed);
        match ended.map_err(|_| Fault::Timeout("disconnecting"))? {
            Ok(()) => Ok(()),
            Err(error) => match of(error, On::Link) {
                Fault::Disconnected => Ok(()),
                fault => Err(fault),
            },
        }
    }

    /// Whether it is connected now.
    ///
    /// # Errors
    /// What is wrong with the daemon.
    pub async fn is_connected(&self) -> Result<bool, Fault> {
        let link = &self.0;
        let connected = timeout(link.deadlines.call, link.peripheral.is_connected()).await;
        match connected.map_err(|_| Fault::DaemonFrozen)? {
            Ok(connected) => Ok(connected),
            Err(error) => match of(error, On::Link) {
                // BlueZ has forgotten the device altogether.
                Fault::Disconnected => Ok(false),
                fault => Err(fault),
            },
        }
    }

    fn characteristic(&self, place: Place) -> Result<Characteristic, Fault> {
        locked(&self.0.places).get(&place).cloned().ok_or(Fault::Missing(place))
    }
}

fn place_of(characteristic: &Characteristic) -> Place {
    Place { service: characteristic.service_uuid, characteristic: characteristic.uuid }
}

fn properties_of(characteristic: &Characteristic) -> Properties {
    let has = |flag| characteristic.properties.contains(flag);
    Properties {
        read: has(CharPropFlags::READ),
        write: has(CharPropFlags::WRITE),
        write_without_response: has(CharPropFlags::WRITE_WITHOUT_RESPONSE),
        notify: has(CharPropFlags::NOTIFY),
        indicate: has(CharPropFlags::INDICATE),
    }
}

/// What a place sends, as it came.
type Value = (Place, Vec<u8>);

/// A read has ended; these octets were its answer.
struct ReadDone(Place, Option<Vec<u8>>);

/// Tells so however the read ends.
struct Reading<'a> {
    link: &'a LinkInner,
    place: Place,
    octets: Option<Vec<u8>>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let done = ReadDone(self.place, self.octets.take());
        let passed_on = match &*locked(&self.link.orders) {
            Some(orders) => orders.send(done).is_ok(),
            None => false,
        };
        if !passed_on {
            // Nobody wants values, so none is held.
            locked(&self.link.filter).end_read(self.place, None);
        }
    }
}

/// Which values are the device's own. BlueZ signals the answer of a read like a notification, right
/// before it answers the read, so a value of a place that is being read is held until that is known.
#[derive(Default)]
struct Filter {
    subscribed: BTreeSet<Place>,
    held: BTreeMap<Place, Vec<Vec<u8>>>,
}

impl Filter {
    fn begin_read(&mut self, place: Place) {
        self.held.entry(place).or_default();
    }

    /// The value, where it may be passed on now.
    fn take(&mut self, place: Place, octets: Vec<u8>) -> Option<Value> {
        if !self.subscribed.contains(&place) {
            return None;
        }
        match self.held.get_mut(&place) {
            Some(held) => {
                held.push(octets);
                None
            }
            None => Some((place, octets)),
        }
    }

    /// What was held, without the answer itself.
    fn end_read(&mut self, place: Place, answer: Option<&[u8]>) -> Vec<Value> {
        let mut held = self.held.remove(&place).unwrap_or_default();
        if let Some(echo) = held.iter().rposition(|octets| Some(octets.as_slice()) == answer) {
            held.remove(echo);
        }
        held.into_iter().map(|octets| (place, octets)).collect()
    }
}

async fn pass_on(
    mut stream: Pin<Box<dyn Stream<Item = ValueNotification> + Send>>,
    filter: Arc<Mutex<Filter>>,
    mut orders: mpsc::UnboundedReceiver<ReadDone>,
    values: mpsc::Sender<Value>,
) {
    loop {
        let passed = tokio::select! {
            // The echo of a read stands in the stream before its answer is seen: the stream goes first.
            biased;
            value = stream.next() => match value {
                Some(ValueNotification { uuid, service_uuid, value }) => {
                    let place = Place { service: service_uuid, characteristic: uuid };
                    locked(&filter).take(place, value).into_iter().collect()
                }
                None => return,
            },
            done = orders.recv() => match done {
                Some(ReadDone(place, answer)) => {
                    locked(&filter).end_read(place, answer.as_deref())
                }
                // The link is gone, or another receiver has taken over.
                None => return,
            },
            () = values.closed() => return,
        };
        for value in passed {
            if values.send(value).await.is_err() {
                return;
            }
        }
    }
}

/// The fault that an error of btleplug means.
fn of(error: btleplug::Error, on: On<'_>) -> Fault {
    use btleplug::Error as E;
    match error {
        E::PermissionDenied => Fault::NotPermitted,
        E::DeviceNotFound => Fault::NotHeard,
        E::NotConnected => Fault::Disconnected,
        E::TimedOut(_) => Fault::Timeout("bluetoothd"),
        E::Other(error) => match error.downcast_ref::<BluetoothError>() {
            Some(BluetoothError::DbusError(error)) => {
                let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
                fault(on, &text(error.name()), &text(error.message()))
            }
            Some(BluetoothError::ServiceDiscoveryTimedOut) => Fault::Timeout("resolving services"),
            _ => Fault::Other(error.to_string()),
        },
        error => Fault::Other(error.to_string()),
    }
}

static LIBRARY_PANICS: AtomicU64 = AtomicU64::new(0);

/// For the process's panic hook: whether a panic at this source file (`Location::file`) is one of the
/// Bluetooth library's background tasks; then it is counted, and the hook lets the process live.
///
/// bluez-async 0.9 unwraps the answer when it takes a signal match back in a task of its own, which
/// fails when the daemon or the bus is gone. The task holds nothing else and nobody waits for it.
pub fn is_library_panic(file: &str) -> bool {
    const BACKGROUND: &str = "messagestream.rs";
    let ours = file.contains("bluez-async-") && file.ends_with(BACKGROUND);
    if ours {
        LIBRARY_PANICS.fetch_add(1, Ordering::Relaxed);
    }
    ours
}

/// Panics that [`is_library_panic`] has counted since the start.
pub fn library_panics() -> u64 {
    LIBRARY_PANICS.load(Ordering::Relaxed)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of ours is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Place = Place::sig(0x1808, 0x2A18);
    const B: Place = Place::sig(0x180F, 0x2A19);

    #[test]
    fn only_what_was_subscribed_to_is_passed_on() {
        let mut filter = Filter::default();
        filter.subscribed.insert(A);
        assert_eq!(filter.take(A, vec![1]), Some((A, vec![1])));
        assert_eq!(filter.take(B, vec![1]), None);
    }

    #[test]
    fn the_echo_of_a_read_is_no_notification() {
        let mut filter = Filter::default();
        filter.subscribed.extend([A, B]);
        filter.begin_read(B);
        assert_eq!(filter.take(B, vec![98]), None);
        assert_eq!(filter.take(A, vec![1]), Some((A, vec![1])), "another place goes on");
        assert_eq!(filter.take(B, vec![99]), None);
        assert_eq!(filter.take(B, vec![99]), None);
        let expected = vec![(B, vec![98]), (B, vec![99])];
        assert_eq!(filter.end_read(B, Some(&[99])), expected, "one of the two was the echo");
        assert_eq!(filter.take(B, vec![99]), Some((B, vec![99])));
    }

    #[test]
    fn a_read_that_failed_releases_what_it_held() {
        let mut filter = Filter::default();
        filter.subscribed.insert(A);
        filter.begin_read(A);
        assert_eq!(filter.take(A, vec![1]), None);
        assert_eq!(filter.end_read(A, None), vec![(A, vec![1])]);
    }

    #[test]
    fn only_the_library_s_background_task_may_panic() {
        let before = library_panics();
        let registry = "registry/src/index.crates.io-1949cf8c6b5b557f";
        assert!(is_library_panic(&format!("{registry}/bluez-async-0.9.0/src/messagestream.rs")));
        assert!(!is_library_panic(&format!("{registry}/bluez-async-0.9.0/src/lib.rs")));
        assert!(!is_library_panic("gateway/src/radio/messagestream.rs"));
        assert_eq!(library_panics(), before + 1);
    }

    #[test]
    fn an_error_without_a_bus_keeps_its_meaning() {
        let boxed = |error: BluetoothError| btleplug::Error::Other(Box::new(error));
        let timed_out = boxed(BluetoothError::ServiceDiscoveryTimedOut);
        assert_eq!(of(timed_out, On::Device), Fault::Timeout("resolving services"));
        assert_eq!(of(btleplug::Error::DeviceNotFound, On::Device), Fault::NotHeard);
    }
}
