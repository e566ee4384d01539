//! A stand-in for `bluetoothd`: an `org.bluez` on a private `dbus-daemon`, scripted by a test.
//!
//! It has one adapter, devices that advertise, connect, are paired by each kind of question and serve
//! characteristics, and every manner of failing that matters: each method may stay unanswered or be
//! refused with BlueZ's own words, objects vanish, the name changes hands in the middle of a call, the
//! process dies. Object paths, interfaces and errors are those of BlueZ (`doc/org.bluez.*.rst`).
//!
//! libdbus reads the address of the system bus once per process, so every scenario that needs a bus runs
//! in a process of its own: see `tests/it/fake_bluez.rs`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path as File, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dbus::arg::{PropMap, RefArg, Variant};
use dbus::channel::{Channel, MatchingReceiver, Sender};
use dbus::message::MatchRule;
use dbus::nonblock::{Proxy, SyncConnection};
use dbus::{Message, Path};
use hearth_gateway::radio::air::{Address, Place, sig};
use tokio::task::JoinHandle;
use uuid::Uuid;

const ADAPTER: &str = "org.bluez.Adapter1";
const DEVICE: &str = "org.bluez.Device1";
const SERVICE: &str = "org.bluez.GattService1";
const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";

/// An agent has this long to answer; BlueZ gives it 60 s.
const AGENT_ANSWERS: Duration = Duration::from_secs(10);

/// A `dbus-daemon` of a test's own, with its own configuration and socket.
pub struct PrivateBus {
    daemon: Child,
    socket: PathBuf,
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        // An error: it has ended already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl PrivateBus {
    /// Starts it in this folder; `None` where `dbus-daemon` is not installed.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(folder: &File) -> Result<Option<Self>> {
        let socket = folder.join("bus");
        let configuration = folder.join("bus.conf");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"#,
            socket.display()
        );
        fs::write(&configuration, text)?;
        let started = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile"])
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("bus.log"))?)
            .spawn();
        let daemon = match started {
            Ok(daemon) => daemon,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("starting dbus-daemon"),
        };
        let bus = Self { daemon, socket };
        let began = Instant::now();
        // The socket is there before it is listened on.
        while UnixStream::connect(&bus.socket).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                let log = fs::read_to_string(folder.join("bus.log")).unwrap_or_default();
                bail!("dbus-daemon did not listen within 10 s: {log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Some(bus))
    }

    /// Its address, for `DBUS_SYSTEM_BUS_ADDRESS`.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.daemon.id()
    }
}

/// How a device takes being paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Nothing is asked.
    #[default]
    JustWorks,
    /// The agent is asked for consent.
    Authorize,
    /// The device shows these digits.
    Passkey(u32),
    /// Both show these digits.
    Confirm(u32),
    /// The device takes these digits.
    Display(u32),
    /// It hangs up: bonded to somebody else.
    HangsUp,
    /// It says no.
    Refuses,
    /// It never answers.
    Silent,
    /// It asks for digits and then takes its question back.
    TakesBack,
}

/// A characteristic.
#[derive(Clone, Debug)]
pub struct Characteristic {
    /// Where it stands.
    pub place: Place,
    /// BlueZ's words for what may be done: `read`, `write`, `notify`, `indicate` …
    pub flags: Vec<&'static str>,
    /// What a read gives.
    pub value: Vec<u8>,
    /// Somebody asked for its values.
    pub notifying: bool,
}

/// A device.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Device {
    pub address: Address,
    pub name: Option<String>,
    pub services: Vec<Uuid>,
    pub manufacturer: BTreeMap<u16, Vec<u8>>,
    pub rssi: Option<i16>,
    pub connected: bool,
    pub paired: bool,
    pub trusted: bool,
    pub manner: Manner,
    pub characteristics: Vec<Characteristic>,
    /// Values that it sends as soon as it is subscribed to, before the call is answered.
    pub sends: Vec<(Place, Vec<u8>)>,
    /// Glucose records, oldest first, that it reports through its record access control point.
    pub records: Vec<Vec<u8>>,
    /// A report stops without a word after this many records.
    pub falls_silent_after: Option<usize>,
}

impl Device {
    /// A device that BlueZ remembers and that is not heard.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            name: None,
            services: Vec::new(),
            manufacturer: BTreeMap::new(),
            rssi: None,
            connected: false,
            paired: false,
            trusted: false,
            manner: Manner::default(),
            characteristics: Vec::new(),
            sends: Vec::new(),
            records: Vec::new(),
            falls_silent_after: None,
        }
    }

    /// What its record access control point does when this is written to it (Glucose Service, 3.4).
    fn on_record_access(&self, control: Place, request: &[u8]) -> Vec<(Place, Vec<u8>)> {
        let measurement = Place { characteristic: sig(0x2A18), ..control };
        let from = |record: &Vec<u8>, first: u16| {
            let number = record.get(1..3).and_then(|octets| octets.try_into().ok());
            number.is_some_and(|octets| u16::from_le_bytes(octets) >= first)
        };
        let chosen: Vec<&Vec<u8>> = match request {
            [_, 1] => self.records.iter().collect(),
            [_, 3, 1, low, high] => {
                let first = u16::from_le_bytes([*low, *high]);
                self.records.iter().filter(|record| from(record, first)).collect()
            }
            [_, 5] => self.records.first().into_iter().collect(),
            [_, 6] => self.records.last().into_iter().collect(),
            // "Operator not supported".
            [op, ..] => return vec![(control, vec![6, 0, *op, 4])],
            [] => return Vec::new(),
        };
        match request.first() {
            Some(4) => {
                let [low, high] = u16::try_from(chosen.len()).unwrap_or(u16::MAX).to_le_bytes();
                vec![(control, vec![5, 0, low, high])]
            }
            Some(1) if chosen.is_empty() => vec![(control, vec![6, 0, 1, 6])],
            Some(1) => {
                let report = chosen.into_iter().map(|record| (measurement, record.clone()));
                match self.falls_silent_after {
                    Some(count) => report.take(count).collect(),
                    None => report.chain([(control, vec![6, 0, 1, 1])]).collect(),
                }
            }
            // "Op code not supported".
            Some(op) => vec![(control, vec![6, 0, *op, 2])],
            None => Vec::new(),
        }
    }

    /// Adds a characteristic.
    #[must_use]
    pub fn with(mut self, place: Place, flags: &[&'static str], value: &[u8]) -> Self {
        let flags = flags.to_vec();
        let value = value.to_vec();
        self.characteristics.push(Characteristic { place, flags, value, notifying: false });
        self
    }
}

/// What a method does instead of its work.
#[derive(Clone, Debug)]
enum Instead {
    NoAnswer,
    Refusal { name: String, message: String },
}

#[derive(Default)]
struct World {
    adapter: bool,
    powered: bool,
    discovering: bool,
    stalled: bool,
    filter: Vec<String>,
    devices: BTreeMap<Address, Device>,
    /// Unique name and path of the agents, the default one last.
    agents: Vec<(String, Path<'static>)>,
    instead: BTreeMap<String, Instead>,
    frozen: bool,
    /// `Interface.Method`, without the interface's `org.bluez.`, in order.
    calls: Vec<String>,
    /// The `Pair` that waits for its end.
    pairing: Option<(Message, JoinHandle<()>)>,
    /// Signals that follow the answer of the call under way.
    afterwards: Vec<Message>,
}

type Shared = Arc<Mutex<World>>;

fn locked(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Process {
    connection: Arc<SyncConnection>,
    reader: JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The stand-in. What it knows survives its death, as BlueZ's bonds do.
pub struct FakeBluez {
    bus: String,
    world: Shared,
    process: Option<Process>,
}

impl FakeBluez {
    /// Starts it on the bus at this address, with an adapter `hci0` that is on, and without devices.
    ///
    /// # Errors
    /// The bus does not take it.
    pub async fn start(bus: &str) -> Result<Self> {
        let world = World { adapter: true, powered: true, ..World::default() };
        let world = Arc::new(Mutex::new(world));
        let mut fake = Self { bus: bus.to_owned(), world, process: None };
        fake.come_back().await?;
        Ok(fake)
    }

    /// Dies: its connection closes, and the bus tells everybody who waits for an answer.
    pub fn die(&mut self) {
        self.process = None;
        let mut world = locked(&self.world);
        world.agents.clear();
        world.discovering = false;
        world.pairing = None;
        for device in world.devices.values_mut() {
            device.connected = false;
            device.rssi = None;
        }
    }

    /// Starts anew.
    ///
    /// # Errors
    /// The bus does not take it.
    pub async fn come_back(&mut self) -> Result<()> {
        let mut channel = Channel::open_private(&self.bus)?;
        channel.register()?;
        let (resource, connection) =
            dbus_tokio::connection::from_channel::<SyncConnection>(channel)?;
        let reader = tokio::spawn(async move { drop(resource.await) });
        let world = self.world.clone();
        let answering = Arc::downgrade(&connection);
        connection.start_receive(
            MatchRule::new_method_call(),
            Box::new(move |message, _: &SyncConnection| {
                if let Some(connection) = answering.upgrade() {
                    on_call(&world, &connection, message);
                }
                true
            }),
        );
        let process = Process { connection, reader };
        process.connection.request_name("org.bluez", true, true, true).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Gives its name up without closing its connection: what was asked before stays unanswered.
    ///
    /// # Errors
    /// The bus does not answer.
    pub async fn release_name(&self) -> Result<()> {
        let process = self.process.as_ref().context("it is dead")?;
        process.connection.release_name("org.bluez").await?;
        Ok(())
    }

    /// Takes its name again.
    ///
    /// # Errors
    /// The bus does not answer.
    pub async fn take_name(&self) -> Result<()> {
        let process = self.process.as_ref().context("it is dead")?;
        process.connection.request_name("org.bluez", true, true, true).await?;
        Ok(())
    }

    /// This method (`Device1.Connect`, `Properties.Get` …) is never answered from now on.
    pub fn silence(&self, method: &str) {
        locked(&self.world).instead.insert(method.to_owned(), Instead::NoAnswer);
    }

    /// This method is refused from now on.
    pub fn refuse(&self, method: &str, name: &str, message: &str) {
        let refusal = Instead::Refusal { name: name.to_owned(), message: message.to_owned() };
        locked(&self.world).instead.insert(method.to_owned(), refusal);
    }

    /// Every method does its work again.
    pub fn heal(&self) {
        let mut world = locked(&self.world);
        world.instead.clear();
        world.frozen = false;
    }

    /// Nothing is answered from now on.
    pub fn freeze(&self) {
        locked(&self.world).frozen = true;
    }

    /// What was called since the last time, `Interface.Method`.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.world).calls)
    }

    /// Keys and values of the discovery filter.
    pub fn filter(&self) -> Vec<String> {
        locked(&self.world).filter.clone()
    }

    /// Whether it scans.
    pub fn is_discovering(&self) -> bool {
        locked(&self.world).discovering
    }

    /// Agents that are registered; the default one is the last.
    pub fn agents(&self) -> usize {
        locked(&self.world).agents.len()
    }

    /// A device as it is now.
    pub fn device(&self, address: Address) -> Option<Device> {
        locked(&self.world).devices.get(&address).cloned()
    }

    /// Makes a device known, or changes it, without a signal.
    pub fn put(&self, device: Device) {
        locked(&self.world).devices.insert(device.address, device);
    }

    /// The discovery stalls: it goes on by its own account, and nothing is heard until it is started anew.
    pub fn stall(&self) {
        locked(&self.world).stalled = true;
    }

    /// The device advertises: BlueZ adds its object, or tells what changed, where it scans.
    pub fn advertise(&self, device: &Device) {
        let mut world = locked(&self.world);
        if !world.discovering || world.stalled {
            return;
        }
        let known = world.devices.insert(device.address, device.clone()).is_some();
        drop(world);
        let path = device_path(device.address);
        if known {
            let rssi = device.rssi.map(|rssi| ("RSSI".to_owned(), boxed(rssi)));
            let mut changed: PropMap = rssi.into_iter().collect();
            if !device.manufacturer.is_empty() {
                let data = manufacturer(&device.manufacturer);
                changed.insert("ManufacturerData".to_owned(), data);
            }
            self.emit(changed_signal(&path, DEVICE, changed));
        } else {
            self.emit(added(&path, DEVICE, device_properties(device)));
        }
    }

    /// The device sends a value.
    pub fn notify(&self, address: Address, place: Place, octets: &[u8]) {
        let world = locked(&self.world);
        let Some(path) = world.devices.get(&address).and_then(|it| place_path(it, place)) else {
            return;
        };
        drop(world);
        self.emit(value_signal(&path, octets));
    }

    /// The device's link ends.
    pub fn hang_up(&self, address: Address) {
        if let Some(process) = &self.process {
            disconnect(&self.world, &process.connection, address);
        }
    }

    /// The device's object vanishes.
    pub fn vanish(&self, address: Address) {
        locked(&self.world).devices.remove(&address);
        self.emit(removed(&device_path(address), DEVICE));
    }

    /// The adapter is pulled out.
    pub fn unplug(&self) {
        let mut world = locked(&self.world);
        world.adapter = false;
        world.devices.clear();
        drop(world);
        self.emit(removed(&adapter_path(), ADAPTER));
    }

    /// The adapter is plugged in again.
    pub fn plug(&self) {
        let mut world = locked(&self.world);
        world.adapter = true;
        let properties = adapter_properties(&world);
        drop(world);
        self.emit(added(&adapter_path(), ADAPTER, properties));
    }

    /// The adapter is switched on or off, by somebody else.
    pub fn set_power(&self, on: bool) {
        locked(&self.world).powered = on;
        let changed = PropMap::from([("Powered".to_owned(), boxed(on))]);
        self.emit(changed_signal(&adapter_path(), ADAPTER, changed));
    }

    /// Asks the default agent a question about this device, as if it wanted to be paired by itself.
    /// `None`: there is no agent; `Some(false)`: it refused.
    pub async fn ask(&self, address: Address) -> Option<bool> {
        let process = self.process.as_ref()?;
        let (name, path) = locked(&self.world).agents.last().cloned()?;
        let agent = Proxy::new(name, path, AGENT_ANSWERS, process.connection.clone());
        let arguments = (device_path(address),);
        let call = agent.method_call("org.bluez.Agent1", "RequestAuthorization", arguments);
        let answer: Result<(), dbus::Error> = call.await;
        Some(answer.is_ok())
    }

    fn emit(&self, signal: Message) {
        if let Some(process) = &self.process {
            // An error: the bus is gone, and with it whoever could listen.
            let _ = process.connection.send(signal);
        }
    }
}

fn boxed<T: RefArg + 'static>(value: T) -> Variant<Box<dyn RefArg>> {
    Variant(Box::new(value))
}

fn adapter_path() -> Path<'static> {
    Path::from("/org/bluez/hci0")
}

fn device_path(address: Address) -> Path<'static> {
    Path::from(format!("/org/bluez/hci0/dev_{}", address.to_string().replace(':', "_")))
}

/// Services of a device in the order of their first characteristic.
fn services(device: &Device) -> Vec<Uuid> {
    let mut services = Vec::new();
    for characteristic in &device.characteristics {
        if !services.contains(&characteristic.place.service) {
            services.push(characteristic.place.service);
        }
    }
    services
}

fn service_path(device: &Device, service: Uuid) -> Option<String> {
    let number = services(device).iter().position(|one| *one == service)?;
    Some(format!("{}/service{:04x}", device_path(device.address), number + 1))
}

fn place_path(device: &Device, place: Place) -> Option<Path<'static>> {
    let number = device.characteristics.iter().position(|one| one.place == place)?;
    let service = service_path(device, place.service)?;
    Some(Path::from(format!("{service}/char{:04x}", number + 1)))
}

fn manufacturer(data: &BTreeMap<u16, Vec<u8>>) -> Variant<Box<dyn RefArg>> {
    let data: HashMap<u16, Variant<Box<dyn RefArg>>> =
        data.iter().map(|(company, octets)| (*company, boxed(octets.clone()))).collect();
    boxed(data)
}

fn adapter_properties(world: &World) -> PropMap {
    PropMap::from([
        ("Address".to_owned(), boxed("00:1A:7D:DA:71:13".to_owned())),
        ("AddressType".to_owned(), boxed("public".to_owned())),
        ("Name".to_owned(), boxed("gateway".to_owned())),
        ("Alias".to_owned(), boxed("gateway".to_owned())),
        ("Modalias".to_owned(), boxed("usb:v1D6Bp0246d0542".to_owned())),
        ("Powered".to_owned(), boxed(world.powered)),
        ("Discovering".to_owned(), boxed(world.discovering)),
    ])
}

fn device_properties(device: &Device) -> PropMap {
    let uuids: Vec<String> = device.services.iter().map(Uuid::to_string).collect();
    let alias = device.address.to_string().replace(':', "-");
    let mut properties = PropMap::from([
        ("Address".to_owned(), boxed(device.address.to_string())),
        ("AddressType".to_owned(), boxed("random".to_owned())),
        ("Alias".to_owned(), boxed(device.name.clone().unwrap_or(alias))),
        ("Paired".to_owned(), boxed(device.paired)),
        ("Bonded".to_owned(), boxed(device.paired)),
        ("Connected".to_owned(), boxed(device.connected)),
        ("ServicesResolved".to_owned(), boxed(device.connected)),
        ("Trusted".to_owned(), boxed(device.trusted)),
        ("Blocked".to_owned(), boxed(false)),
        ("LegacyPairing".to_owned(), boxed(false)),
        ("UUIDs".to_owned(), boxed(uuids)),
        ("Adapter".to_owned(), boxed(adapter_path())),
    ]);
    if let Some(name) = &device.name {
        properties.insert("Name".to_owned(), boxed(name.clone()));
    }
    if let Some(rssi) = device.rssi {
        properties.insert("RSSI".to_owned(), boxed(rssi));
    }
    if !device.manufacturer.is_empty() {
        properties.insert("ManufacturerData".to_owned(), manufacturer(&device.manufacturer));
    }
    properties
}

/// Every object that is there now, in order: path, interface, properties.
fn objects(world: &World) -> Vec<(Path<'static>, &'static str, PropMap)> {
    let mut all = Vec::new();
    if world.adapter {
        all.push((adapter_path(), ADAPTER, adapter_properties(world)));
    }
    for device in world.devices.values() {
        all.push((device_path(device.address), DEVICE, device_properties(device)));
        if !device.connected {
            continue;
        }
        for service in services(device) {
            if let Some(path) = service_path(device, service) {
                let properties = PropMap::from([
                    ("UUID".to_owned(), boxed(service.to_string())),
                    ("Primary".to_owned(), boxed(true)),
                    ("Device".to_owned(), boxed(device_path(device.address))),
                ]);
                all.push((Path::from(path), SERVICE, properties));
            }
        }
        for one in &device.characteristics {
            let service = service_path(device, one.place.service).map(Path::from);
            if let (Some(path), Some(service)) = (place_path(device, one.place), service) {
                let flags: Vec<String> = one.flags.iter().map(|&flag| flag.to_owned()).collect();
                let properties = PropMap::from([
                    ("UUID".to_owned(), boxed(one.place.characteristic.to_string())),
                    ("Service".to_owned(), boxed(service)),
                    ("Flags".to_owned(), boxed(flags)),
                    ("Notifying".to_owned(), boxed(one.notifying)),
                    ("Value".to_owned(), boxed(one.value.clone())),
                ]);
                all.push((path, CHARACTERISTIC, properties));
            }
        }
    }
    all
}

/// The introspection of a path: btleplug looks for the children's names there. `None`: nothing is there.
fn introspection(world: &World, path: &str) -> Option<String> {
    let below = format!("{}/", path.trim_end_matches('/'));
    let all = objects(world);
    let mut children: Vec<String> = all
        .iter()
        .filter_map(|(object, _, _)| object.strip_prefix(below.as_str()))
        .map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
        .collect();
    if children.is_empty() && !all.iter().any(|(object, _, _)| **object == *path) {
        return None;
    }
    children.dedup();
    let nodes: String = children.iter().map(|name| format!("<node name=\"{name}\"/>")).collect();
    Some(format!("<node>{nodes}</node>"))
}

fn changed_signal(path: &Path<'_>, interface: &str, changed: PropMap) -> Message {
    let (interface_of, member) = (PROPERTIES.into(), "PropertiesChanged".into());
    Message::signal(path, &interface_of, &member).append3(interface, changed, Vec::<String>::new())
}

fn value_signal(path: &Path<'_>, octets: &[u8]) -> Message {
    let changed = PropMap::from([("Value".to_owned(), boxed(octets.to_vec()))]);
    changed_signal(path, CHARACTERISTIC, changed)
}

fn added(path: &Path<'static>, interface: &str, properties: PropMap) -> Message {
    let interfaces = HashMap::from([(interface.to_owned(), properties)]);
    Message::signal(&"/".into(), &OBJECTS.into(), &"InterfacesAdded".into())
        .append2(path.clone(), interfaces)
}

fn removed(path: &Path<'static>, interface: &str) -> Message {
    Message::signal(&"/".into(), &OBJECTS.into(), &"InterfacesRemoved".into())
        .append2(path.clone(), vec![interface.to_owned()])
}

/// An answer in BlueZ's words: the part after `org.bluez.Error.`, and the message.
type Refused = (&'static str, String);

fn on_call(world: &Shared, connection: &Arc<SyncConnection>, message: Message) {
    let interface = message.interface().map(|name| name.to_string()).unwrap_or_default();
    let member = message.member().map(|name| name.to_string()).unwrap_or_default();
    let path = message.path().map(|path| path.into_static()).unwrap_or_default();
    let short = interface.rsplit('.').next().unwrap_or_default();
    let method = format!("{short}.{member}");
    let mut here = locked(world);
    here.calls.push(method.clone());
    if here.frozen {
        return;
    }
    match here.instead.get(&method) {
        Some(Instead::NoAnswer) => return,
        Some(Instead::Refusal { name, message: words }) => {
            let words = std::ffi::CString::new(words.as_str()).unwrap_or_default();
            let refusal = message.error(&name.as_str().into(), &words);
            // An error: the caller is gone.
            let _ = connection.send(refusal);
            return;
        }
        None => {}
    }
    drop(here);
    let answer = match method.as_str() {
        "Introspectable.Introspect" => introspection(&locked(world), &path)
            .map(|nodes| message.method_return().append1(nodes))
            .ok_or_else(unknown),
        "ObjectManager.GetManagedObjects" => {
            let mut all: HashMap<Path<'static>, HashMap<String, PropMap>> = HashMap::new();
            for (path, interface, properties) in objects(&locked(world)) {
                all.entry(path).or_default().insert(interface.to_owned(), properties);
            }
            Ok(message.method_return().append1(all))
        }
        "Properties.Get" | "Properties.GetAll" => get(&locked(world), &message, &path),
        "Properties.Set" => set(world, connection, &message, &path),
        "AgentManager1.RegisterAgent" => {
            let sender = message.sender().map(|name| name.to_string()).unwrap_or_default();
            let agent: Path<'static> = message.read1().unwrap_or_default();
            let agents = &mut locked(world).agents;
            if agents.iter().any(|(name, _)| *name == sender) {
                Err(("AlreadyExists", "Already Exists".to_owned()))
            } else {
                agents.insert(0, (sender, agent));
                Ok(message.method_return())
            }
        }
        "AgentManager1.RequestDefaultAgent" => {
            let sender = message.sender().map(|name| name.to_string()).unwrap_or_default();
            // The default one is the last.
            locked(world).agents.sort_by_key(|(name, _)| *name == sender);
            Ok(message.method_return())
        }
        _ if path == adapter_path() => on_adapter(world, connection, &message, &member),
        _ => match on_device(world, connection, &message, &path, &member) {
            Some(answer) => answer,
            None => return begin_pairing(world, connection, message),
        },
    };
    let reply = match answer {
        Ok(reply) => reply,
        Err((name, words)) => {
            let name = if name.starts_with("Unknown") {
                format!("org.freedesktop.DBus.Error.{name}")
            } else {
                format!("org.bluez.Error.{name}")
            };
            let words = std::ffi::CString::new(words).unwrap_or_default();
            message.error(&name.into(), &words)
        }
    };
    // An error: the caller is gone.
    let _ = connection.send(reply);
    let afterwards = std::mem::take(&mut locked(world).afterwards);
    for signal in afterwards {
        let _ = connection.send(signal);
    }
}

fn unknown() -> Refused {
    ("UnknownObject", "Method doesn't exist".to_owned())
}

fn get(world: &World, message: &Message, path: &Path<'static>) -> Result<Message, Refused> {
    let mut arguments = message.iter_init();
    let interface: String = arguments.read().map_err(|_| unknown())?;
    let found = objects(world).into_iter().find(|one| one.0 == *path && one.1 == interface);
    let (_, _, mut properties) = found.ok_or_else(unknown)?;
    if message.member().is_some_and(|member| &*member == "GetAll") {
        return Ok(message.method_return().append1(properties));
    }
    let name: String = arguments.read().map_err(|_| unknown())?;
    let value = properties.remove(&name);
    let value = value.ok_or_else(|| ("UnknownProperty", format!("no {name}")))?;
    Ok(message.method_return().append1(value))
}

fn set(
    world: &Shared,
    connection: &Arc<SyncConnection>,
    message: &Message,
    path: &Path<'static>,
) -> Result<Message, Refused> {
    let (interface, name, value): (String, String, Variant<bool>) =
        message.read3().map_err(|_| unknown())?;
    let mut here = locked(world);
    match name.as_str() {
        "Powered" if here.adapter => here.powered = value.0,
        "Trusted" => {
            let device = here.devices.values_mut().find(|one| device_path(one.address) == *path);
            device.ok_or_else(unknown)?.trusted = value.0;
        }
        _ => return Err(unknown()),
    }
    drop(here);
    let changed = PropMap::from([(name, boxed(value.0))]);
    let _ = connection.send(changed_signal(path, &interface, changed));
    Ok(message.method_return())
}

fn on_adapter(
    world: &Shared,
    connection: &Arc<SyncConnection>,
    message: &Message,
    member: &str,
) -> Result<Message, Refused> {
    let mut here = locked(world);
    if !here.adapter {
        return Err(unknown());
    }
    match member {
        "SetDiscoveryFilter" => {
            let filter: PropMap = message.read1().unwrap_or_default();
            here.filter = filter
                .iter()
                .map(|(key, value)| match value.0.as_str() {
                    Some(text) => format!("{key}={text}"),
                    None => format!("{key}={}", value.0.as_u64().unwrap_or_default()),
                })
                .collect();
            here.filter.sort();
            Ok(message.method_return())
        }
        "StartDiscovery" if !here.powered => Err(("NotReady", "Resource Not Ready".to_owned())),
        "StartDiscovery" if here.discovering => {
            Err(("InProgress", "Operation already in progress".to_owned()))
        }
        "StopDiscovery" if !here.discovering => Err(("Failed", "No discovery started".to_owned())),
        "StartDiscovery" | "StopDiscovery" => {
            here.discovering = member == "StartDiscovery";
            if here.discovering {
                here.stalled = false;
                return Ok(message.method_return());
            }
            // What was heard is only remembered from now on.
            let heard = here
                .devices
                .values_mut()
                .filter_map(|device| device.rssi.take().map(|_| device_path(device.address)));
            for path in heard.collect::<Vec<_>>() {
                let (interface, member) = (PROPERTIES.into(), "PropertiesChanged".into());
                let signal = Message::signal(&path, &interface, &member);
                let invalid = vec!["RSSI".to_owned()];
                let _ = connection.send(signal.append3(DEVICE, PropMap::new(), invalid));
            }
            Ok(message.method_return())
        }
        "RemoveDevice" => {
            let path: Path<'static> = message.read1().unwrap_or_default();
            let found = here.devices.keys().find(|one| device_path(**one) == path).copied();
            let address = found.ok_or(("DoesNotExist", "Does Not Exist".to_owned()))?;
            here.devices.remove(&address);
            drop(here);
            let _ = connection.send(removed(&path, DEVICE));
            Ok(message.method_return())
        }
        _ => Err(("UnknownMethod", format!("no {member}"))),
    }
}

/// `None`: it is a pairing that begins.
fn on_device(
    world: &Shared,
    connection: &Arc<SyncConnection>,
    message: &Message,
    path: &Path<'static>,
    member: &str,
) -> Option<Result<Message, Refused>> {
    let mut here = locked(world);
    let found = here.devices.values().find(|one| {
        let own = device_path(one.address);
        *path == own || path.starts_with(&format!("{own}/"))
    });
    let Some(device) = found.cloned() else { return Some(Err(unknown())) };
    let address = device.address;
    if *path == device_path(address) {
        match member {
            "Connect" => {
                drop(here);
                connect(world, connection, address);
            }
            "Disconnect" => {
                drop(here);
                disconnect(world, connection, address);
            }
            "Pair" if device.paired => {
                return Some(Err(("AlreadyExists", "Already Exists".to_owned())));
            }
            "Pair" => return None,
            "CancelPairing" => {
                let Some((_, task)) = &here.pairing else {
                    return Some(Err(("DoesNotExist", "Does Not Exist".to_owned())));
                };
                task.abort();
                drop(here);
                end_pairing(world, connection, Err("AuthenticationCanceled"));
            }
            _ => return Some(Err(("UnknownMethod", format!("no {member}")))),
        }
        return Some(Ok(message.method_return()));
    }
    let place = device
        .characteristics
        .iter()
        .find(|one| place_path(&device, one.place).as_ref() == Some(path));
    let Some(one) = place.filter(|_| device.connected).cloned() else {
        return Some(Err(unknown()));
    };
    let there = here.devices.get_mut(&address)?;
    let own = there.characteristics.iter_mut().find(|other| other.place == one.place)?;
    match member {
        "ReadValue" => {
            drop(here);
            // BlueZ signals what was read, right before it answers.
            let _ = connection.send(value_signal(path, &one.value));
            return Some(Ok(message.method_return().append1(one.value)));
        }
        "WriteValue" => {
            own.value = message.read1().unwrap_or_default();
            let request = own.value.clone();
            if one.place.characteristic == sig(0x2A52) {
                here.afterwards = device
                    .on_record_access(one.place, &request)
                    .iter()
                    .filter_map(|(place, octets)| {
                        Some(value_signal(&place_path(&device, *place)?, octets))
                    })
                    .collect();
            }
        }
        "StartNotify" if own.notifying => {
            return Some(Err(("InProgress", "Operation already in progress".to_owned())));
        }
        "StartNotify" => {
            own.notifying = true;
            let sends = device.sends.clone();
            drop(here);
            for (place, octets) in sends.iter().filter(|(place, _)| *place == one.place) {
                let sender =
                    locked(world).devices.get(&address).and_then(|it| place_path(it, *place));
                if let Some(path) = sender {
                    let _ = connection.send(value_signal(&path, octets));
                }
            }
        }
        "StopNotify" => own.notifying = false,
        _ => return Some(Err(("UnknownMethod", format!("no {member}")))),
    }
    Some(Ok(message.method_return()))
}

fn tell_connected(connection: &SyncConnection, address: Address, connected: bool) {
    let changed = PropMap::from([
        ("Connected".to_owned(), boxed(connected)),
        ("ServicesResolved".to_owned(), boxed(connected)),
    ]);
    let _ = connection.send(changed_signal(&device_path(address), DEVICE, changed));
}

fn connect(world: &Shared, connection: &SyncConnection, address: Address) {
    if let Some(device) = locked(world).devices.get_mut(&address) {
        device.connected = true;
    }
    tell_connected(connection, address, true);
}

fn disconnect(world: &Shared, connection: &SyncConnection, address: Address) {
    let was = locked(world).devices.get_mut(&address).is_some_and(|device| {
        for characteristic in &mut device.characteristics {
            characteristic.notifying = false;
        }
        std::mem::take(&mut device.connected)
    });
    if was {
        tell_connected(connection, address, false);
    }
}

fn begin_pairing(world: &Shared, connection: &Arc<SyncConnection>, message: Message) {
    let mut here = locked(world);
    let path = message.path().map(|path| path.into_static()).unwrap_or_default();
    let device = here.devices.values().find(|one| device_path(one.address) == path);
    if let Some((address, manner)) = device.map(|device| (device.address, device.manner)) {
        // Its end waits for the lock, so it finds the message.
        let task = tokio::spawn(pair((world.clone(), connection.clone(), address, manner)));
        here.pairing = Some((message, task));
    }
}

/// Asks the default agent what the device's manner of pairing needs, and ends the pairing.
async fn pair(
    (world, connection, address, manner): (Shared, Arc<SyncConnection>, Address, Manner),
) {
    const AGENT: &str = "org.bluez.Agent1";
    const FAILED: Result<(), &str> = Err("AuthenticationFailed");
    connect(&world, &connection, address);
    let agent = locked(&world).agents.last().cloned();
    let Some((name, path)) = agent else {
        // "No agent available for request".
        return end_pairing(&world, &connection, FAILED);
    };
    let agent = Proxy::new(name, path, AGENT_ANSWERS, connection.clone());
    let device = device_path(address);
    let said_yes = |answer: Result<(), dbus::Error>| answer.or(FAILED);
    let outcome = match manner {
        Manner::JustWorks => Ok(()),
        Manner::Authorize => {
            said_yes(agent.method_call(AGENT, "RequestAuthorization", (device,)).await)
        }
        Manner::Confirm(digits) => {
            said_yes(agent.method_call(AGENT, "RequestConfirmation", (device, digits)).await)
        }
        Manner::Display(digits) => {
            // Once at first, once for every digit that is typed there.
            let mut shown = Ok(());
            for entered in 0..3_u16 {
                let arguments = (device.clone(), digits, entered);
                shown = agent.method_call(AGENT, "DisplayPasskey", arguments).await;
            }
            said_yes(shown)
        }
        Manner::Passkey(expected) => {
            let typed = agent.method_call(AGENT, "RequestPasskey", (device,)).await;
            let typed: Result<(u32,), dbus::Error> = typed;
            typed
                .ok()
                .filter(|(digits,)| *digits == expected)
                .map(drop)
                .ok_or("AuthenticationFailed")
        }
        Manner::TakesBack => {
            let asked = agent.method_call::<(u32,), _, _, _>(AGENT, "RequestPasskey", (device,));
            let back = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                agent.method_call::<(), _, _, _>(AGENT, "Cancel", ()).await
            };
            let _ = tokio::join!(asked, back);
            Err("AuthenticationCanceled")
        }
        Manner::HangsUp => Err("AuthenticationCanceled"),
        Manner::Refuses => Err("AuthenticationRejected"),
        Manner::Silent => std::future::pending().await,
    };
    end_pairing(&world, &connection, outcome);
}

fn end_pairing(world: &Shared, connection: &SyncConnection, outcome: Result<(), &str>) {
    let mut here = locked(world);
    let Some((pair, _)) = here.pairing.take() else { return };
    let path = pair.path().map(|path| path.into_static()).unwrap_or_default();
    let device = here.devices.values_mut().find(|one| device_path(one.address) == path);
    let address = device.map(|device| {
        device.paired = outcome.is_ok();
        device.address
    });
    drop(here);
    let reply = match outcome {
        Ok(()) => {
            let changed = ["Paired", "Bonded"].map(|name| (name.to_owned(), boxed(true)));
            let _ = connection.send(changed_signal(&path, DEVICE, PropMap::from(changed)));
            pair.method_return()
        }
        Err(name) => {
            if let Some(address) = address {
                disconnect(world, connection, address);
            }
            pair.error(&format!("org.bluez.Error.{name}").into(), c"Authentication Failed")
        }
    };
    let _ = connection.send(reply);
}
