//! The central: commands in, events out. With its `link`, the only place that names btleplug.
//!
//! - Nothing is decided here, and nothing is waited for without a deadline.
//! - Nothing is left behind: a connection attempt that fails, takes too long or is dropped ends in
//!   `Disconnect`, and so does a [`Link`] that is dropped.
//! - Adverts, and who is connected, come from our own signals ([`super::pairing`]); btleplug carries GATT.
//! - btleplug's streams do not end when `bluetoothd` or the bus goes away. Whoever holds a [`Link`] asks
//!   [`Link::is_connected`], or watches [`super::pairing::PairingEvent`].

mod link;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bluez_async::BluetoothError;
use btleplug::api::{Central as _, Manager as _, Peripheral as _};
use btleplug::platform::{Adapter, Manager};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::air::{Address, Advert, Fault};
use super::bluez_error::{On, fault};
use super::pairing::{Scan, ScanWas, Sighting};

pub use link::Link;

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
/// and counted, since the device says it again.
const EVENTS_MAX: usize = 256;

/// Of these, adverts leave so many free for what is said only once. A shell that has not taken that many
/// changes of its few links hangs: for it, the stream ends.
const EVENTS_RESERVED: usize = 64;

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
    teller: Arc<Teller>,
    ending: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ending.abort();
    }
}

/// The way of events to the shell.
struct Teller {
    events: Mutex<Option<mpsc::Sender<CentralEvent>>>,
    dropped: AtomicU64,
}

impl Teller {
    fn tell(&self, sighting: Sighting) {
        let mut events = locked(&self.events);
        let Some(sender) = events.as_ref() else { return };
        let event = match sighting {
            Sighting::Heard(_) if sender.capacity() <= EVENTS_RESERVED => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Sighting::Heard(advert) => CentralEvent::Advert(advert),
            Sighting::Connected(address, true) => CentralEvent::Connected(address),
            Sighting::Connected(address, false) => CentralEvent::Disconnected(address),
            Sighting::Power(on) => CentralEvent::Power(on),
        };
        if sender.try_send(event).is_err() {
            *events = None;
        }
    }

    /// Says that nothing more will come.
    async fn end(&self) {
        let sender = locked(&self.events).take();
        if let Some(sender) = sender {
            // An error: the shell is gone already.
            let _ = sender.send(CentralEvent::StreamEnded).await;
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
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let teller =
            Arc::new(Teller { events: Mutex::new(Some(sender)), dropped: AtomicU64::new(0) });
        let telling = teller.clone();
        let scan =
            Scan::open(&name, deadlines.call, move |sighting| telling.tell(sighting)).await?;
        let adapter =
            timeout(deadlines.open, open(&name)).await.map_err(|_| Fault::DaemonFrozen)??;
        let (lost, telling) = (scan.lost(), teller.clone());
        let ending = tokio::spawn(async move {
            lost.await;
            telling.end().await;
        });
        Ok((Self(Arc::new(Inner { adapter, name, scan, deadlines, teller, ending })), events))
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
        self.0.teller.dropped.load(Ordering::Relaxed)
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
        let link = Link::new(peripheral, *address, deadlines);
        link.connect().await?;
        Ok(link)
    }
}

async fn open(name: &str) -> Result<Adapter, Fault> {
    let runtime = tokio::runtime::Handle::current();
    // libdbus connects in a blocking manner.
    let opening = tokio::task::spawn_blocking(move || runtime.block_on(Manager::new()));
    let manager = opening.await.map_err(|_| Fault::NoBus)?;
    let manager = manager.map_err(|error| of(error, On::Daemon))?;
    for adapter in manager.adapters().await.map_err(|error| of(error, On::Daemon))? {
        let on = On::Adapter(name);
        let info = adapter.adapter_info().await.map_err(|error| of(error, on))?;
        if info.split(' ').next() == Some(name) {
            return Ok(adapter);
        }
    }
    Err(Fault::NoAdapter(name.to_owned()))
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

    #[test]
    fn adverts_leave_room_for_what_is_said_once() {
        let (sender, mut events) = mpsc::channel(EVENTS_MAX);
        let teller = Teller { events: Mutex::new(Some(sender)), dropped: AtomicU64::new(0) };
        let device = Address([1; 6]);
        for _ in 0..EVENTS_MAX {
            teller.tell(Sighting::Heard(Advert::of(device)));
        }
        let reserved = u64::try_from(EVENTS_RESERVED).unwrap_or_default();
        assert_eq!(teller.dropped.load(Ordering::Relaxed), reserved);
        for _ in 0..EVENTS_RESERVED {
            teller.tell(Sighting::Connected(device, true));
        }
        // One more than a shell that is alive would leave there: it hangs, and is told so.
        teller.tell(Sighting::Connected(device, false));
        let mut taken = Vec::new();
        while let Ok(event) = events.try_recv() {
            taken.push(event);
        }
        assert_eq!(taken.len(), EVENTS_MAX);
        assert_eq!(taken.last(), Some(&CentralEvent::Connected(device)));
        assert_eq!(events.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
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
