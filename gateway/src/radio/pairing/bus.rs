//! One connection of ours to the system bus, and the calls on it: each has its own deadline and ends
//! in a [`Fault`].

use std::sync::Arc;
use std::time::Duration;

use dbus::Path;
use dbus::arg::{AppendAll, PropMap, ReadAll, RefArg, Variant};
use dbus::nonblock::{Proxy, SyncConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::air::{Address, Fault};
use super::super::bluez_error::{On, fault};

/// BlueZ's name on the bus.
pub(super) const BLUEZ: &str = "org.bluez";
pub(super) const ADAPTER: &str = "org.bluez.Adapter1";
pub(super) const DEVICE: &str = "org.bluez.Device1";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Connecting blocks a thread until the bus has said hello; a bus that takes longer is as good as none.
const HELLO: Duration = Duration::from_secs(10);

/// All objects of BlueZ: path, then interface, then properties.
pub(super) type Objects =
    std::collections::HashMap<Path<'static>, std::collections::HashMap<String, PropMap>>;

/// An error of the bus as text, so that the table of faults needs no bus.
pub(super) struct Refusal {
    /// Name of the error.
    pub(super) name: String,
    /// Its message.
    pub(super) message: String,
}

impl Refusal {
    /// The fault it means, by what was spoken to.
    pub(super) fn on(&self, on: On<'_>) -> Fault {
        fault(on, &self.name, &self.message)
    }

    /// Whether our own deadline, or the bus's, passed without an answer.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(
            self.name.as_str(),
            "org.freedesktop.DBus.Error.Timeout" | "org.freedesktop.DBus.Error.TimedOut"
        )
    }
}

impl From<dbus::Error> for Refusal {
    fn from(error: dbus::Error) -> Self {
        Self {
            name: error.name().unwrap_or_default().to_owned(),
            message: error.message().unwrap_or_default().to_owned(),
        }
    }
}

/// A connection to the system bus. `DBUS_SYSTEM_BUS_ADDRESS` is honoured, by libdbus.
pub(super) struct Bus {
    pub(super) connection: Arc<SyncConnection>,
    lost: watch::Receiver<bool>,
    reader: JoinHandle<()>,
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Bus {
    /// Connects.
    pub(super) async fn open() -> Result<Self, Fault> {
        // libdbus connects in a blocking manner.
        let opening = tokio::task::spawn_blocking(dbus_tokio::connection::new_system_sync);
        let (resource, connection) = match timeout(HELLO, opening).await {
            Ok(Ok(Ok(both))) => both,
            Ok(Ok(Err(error))) => return Err(Refusal::from(error).on(On::Daemon)),
            Ok(Err(_)) | Err(_) => return Err(Fault::NoBus),
        };
        // The same signal may be wanted by several matches.
        connection.set_signal_match_mode(true);
        let (gone, lost) = watch::channel(false);
        let reader = tokio::spawn(async move {
            // It ends only when the connection does; why is nothing that anybody could act upon.
            let _ = resource.await;
            gone.send_replace(true);
        });
        Ok(Self { connection, lost, reader })
    }

    /// Whether the connection is gone.
    pub(super) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Ends once the connection is gone.
    pub(super) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut lost = self.lost.clone();
        async move {
            // An error: the reader has ended, and the connection with it.
            let _ = lost.wait_for(|lost| *lost).await;
        }
    }

    /// Calls a method of BlueZ and waits this long for the answer.
    pub(super) async fn call<R: ReadAll + 'static, A: AppendAll>(
        &self,
        path: &Path<'_>,
        (interface, method): (&str, &str),
        arguments: A,
        deadline: Duration,
    ) -> Result<R, Refusal> {
        if self.is_lost() {
            return Err(Refusal {
                name: "org.freedesktop.DBus.Error.Disconnected".to_owned(),
                message: String::new(),
            });
        }
        let proxy = Proxy::new(BLUEZ, path.clone(), deadline, self.connection.clone());
        let call = proxy.method_call(interface, method, arguments);
        tokio::select! {
            answer = call => answer.map_err(Refusal::from),
            // Without its reader a call would only wait for its deadline.
            () = self.lost() => Err(Refusal {
                name: "org.freedesktop.DBus.Error.Disconnected".to_owned(),
                message: String::new(),
            }),
        }
    }

    /// Reads one property.
    pub(super) async fn property<T>(
        &self,
        path: &Path<'_>,
        (interface, name): (&str, &str),
        deadline: Duration,
    ) -> Result<T, Refusal>
    where
        T: dbus::arg::Arg + for<'a> dbus::arg::Get<'a> + 'static,
    {
        let (value,): (Variant<T>,) =
            self.call(path, (PROPERTIES, "Get"), (interface, name), deadline).await?;
        Ok(value.0)
    }

    /// Writes one property.
    pub(super) async fn set_property<T>(
        &self,
        path: &Path<'_>,
        (interface, name): (&str, &str),
        value: T,
        deadline: Duration,
    ) -> Result<(), Refusal>
    where
        T: dbus::arg::Arg + dbus::arg::Append,
    {
        let arguments = (interface, name, Variant(value));
        self.call(path, (PROPERTIES, "Set"), arguments, deadline).await
    }

    /// Everything that BlueZ has.
    pub(super) async fn objects(&self, deadline: Duration) -> Result<Objects, Refusal> {
        let method = ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        let (objects,): (Objects,) = self.call(&Path::from("/"), method, (), deadline).await?;
        Ok(objects)
    }
}

/// Path of an adapter, or `None` where the name is none.
pub(super) fn adapter_path(adapter: &str) -> Option<Path<'static>> {
    Path::new(format!("/org/bluez/{adapter}")).ok()
}

/// Path of a device below its adapter.
pub(super) fn device_path(adapter: &Path<'_>, address: Address) -> Path<'static> {
    let address = address.to_string().replace(':', "_");
    Path::from(format!("{adapter}/dev_{address}"))
}

/// The address in the path of a device, or of anything below it.
pub(super) fn address_in(path: &str) -> Option<Address> {
    let (_, rest) = path.split_once("/dev_")?;
    rest.get(..17)?.replace('_', ":").parse().ok()
}

/// A yes or no among properties.
pub(super) fn flag(properties: &PropMap, name: &str) -> bool {
    properties.get(name).and_then(|value| value.0.as_u64()).is_some_and(|value| value != 0)
}

/// The scan, on a connection of its own: BlueZ keeps a discovery and its filter per connection, and
/// btleplug's asks for both transports, which would spend half of the radio's time on classic
/// Bluetooth. The adverts that it brings are signals to everybody, so btleplug hears them all the same.
pub(crate) struct Scan {
    bus: Bus,
    adapter: String,
    path: Path<'static>,
    deadline: Duration,
}

/// What a stopped scan was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanWas {
    /// It ran, and was stopped.
    Running,
    /// There was none to stop.
    Idle,
}

impl Scan {
    /// Connects; each call may take this long.
    pub(crate) async fn open(adapter: &str, deadline: Duration) -> Result<Self, Fault> {
        let path = adapter_path(adapter).ok_or_else(|| Fault::NoAdapter(adapter.to_owned()))?;
        Ok(Self { bus: Bus::open().await?, adapter: adapter.to_owned(), path, deadline })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_tells_its_address() {
        let address = "C0:FF:EE:00:00:0A".parse().unwrap();
        let path = device_path(&adapter_path("hci0").unwrap(), address);
        assert_eq!(&*path, "/org/bluez/hci0/dev_C0_FF_EE_00_00_0A");
        assert_eq!(address_in(&path), Some(address));
        assert_eq!(address_in(&format!("{path}/service0001/char0002")), Some(address));
        assert_eq!(address_in("/org/bluez/hci0"), None);
        assert_eq!(address_in("/org/bluez/hci0/dev_C0"), None);
        assert!(adapter_path("no adapter").is_none());
    }
}
