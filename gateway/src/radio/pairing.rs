//! Pairing, bonds, and how the adapter and `bluetoothd` are: what btleplug does not offer, over D-Bus.
//! This folder is the only place that names it.
//!
//! - The agent ([`agent`]) is registered with `bluetoothd` as long as this lives, and anew whenever
//!   `org.bluez` gets a new owner. It refuses everything but the one device of the open window.
//! - Only Low Energy: the scan ([`Scan`]) asks for that transport alone, and the agent refuses the
//!   questions of classic Bluetooth.
//! - Every call has a deadline, and ends in a [`Fault`]. Nothing is decided here.

mod agent;
mod bus;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dbus::Path;
use dbus::channel::{MatchingReceiver, Token};
use dbus::message::{MatchRule, SignalArgs};
use dbus::nonblock::stdintf::org_freedesktop_dbus::{
    ObjectManagerInterfacesAdded, ObjectManagerInterfacesRemoved,
};
use dbus::nonblock::{MsgMatch, Proxy, SyncConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::air::{Address, Bond, Fault, Question, Reply};
use super::bluez_error::{On, pairing_fault};
use super::rfkill;
use agent::{AGENT_PATH, Agent};
use bus::{ADAPTER, BLUEZ, Bus, DEVICE, Refusal, adapter_path, address_in, device_path, flag};

pub(crate) use bus::Scan;
pub use bus::ScanWas;

/// What happens beside what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairingEvent {
    /// Nobody owns `org.bluez` any more.
    DaemonGone,
    /// `org.bluez` has a new owner; the agent is registered with it, or [`Pairing::ping`] tells why not.
    DaemonBack,
    /// The agent is asked about the device of the open window. `Passkey` and `Confirm` wait for
    /// [`Pairing::answer`]; `Display` is only to be shown, and `Authorize` was granted by the window.
    Asked {
        /// Which device.
        address: Address,
        /// What.
        question: Question,
    },
    /// BlueZ took its question back.
    AskCancelled,
    /// An adapter appeared.
    AdapterAdded(String),
    /// An adapter disappeared.
    AdapterRemoved(String),
    /// The connection to the bus is gone: open anew. Nothing follows.
    BusLost,
}

/// Events that may wait for the shell: a handful per pairing, and some when the daemon restarts.
const EVENTS_MAX: usize = 64;

/// Signals that may wait for our reader: only those about owners and adapters are kept, so more than
/// a few at once mean that the daemon restarts in a loop.
const SIGNALS_MAX: usize = 64;

/// A new daemon owns its name before it serves its objects; it is asked this often, a pause apart.
const REGISTER_TRIES: u32 = 5;
const REGISTER_PAUSE: Duration = Duration::from_millis(500);

/// How long each kind of call may take. Tests shorten them.
#[derive(Clone, Debug)]
pub struct PairingDeadlines {
    /// Reading a property of a running daemon takes milliseconds; one that needs this long is frozen.
    pub ping: Duration,
    /// Any other call that does not wait for a device: the controller may have to answer.
    pub call: Duration,
    /// `Pair`: the person needs time to read six digits and type them; SMP gives up after 30 s of silence.
    pub pair: Duration,
    /// Reading a question, going to the device, typing: less than BlueZ's own 60 s for its agents.
    pub answer: Duration,
    /// Where rfkill is read.
    pub switches: PathBuf,
}

impl Default for PairingDeadlines {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(5),
            call: Duration::from_secs(10),
            pair: Duration::from_secs(60),
            answer: Duration::from_secs(55),
            switches: PathBuf::from(rfkill::SWITCHES),
        }
    }
}

struct Inner {
    bus: Bus,
    agent: Arc<Agent>,
    served: Token,
    adapter: String,
    path: Path<'static>,
    deadlines: PairingDeadlines,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The connection holds the agent, and the agent the connection.
        self.bus.connection.stop_receive(self.served);
    }
}

/// The task that follows the signals, and what keeps them coming.
struct Reader {
    task: JoinHandle<()>,
    _matches: Vec<MsgMatch>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The way to BlueZ's pairing. Dropping the last clone takes the agent away.
#[derive(Clone)]
pub struct Pairing {
    inner: Arc<Inner>,
    _reader: Arc<Reader>,
}

impl Pairing {
    /// Connects to the bus and offers the agent for this adapter (`hci0`). Works without `bluetoothd` as
    /// well: [`PairingEvent::DaemonBack`] tells when it comes.
    ///
    /// # Errors
    /// [`Fault::NoBus`], [`Fault::NotPermitted`], [`Fault::NoAdapter`] for a name that can be none.
    pub async fn open(adapter: &str) -> Result<(Self, mpsc::Receiver<PairingEvent>), Fault> {
        Self::open_with(adapter, PairingDeadlines::default()).await
    }

    /// Like [`Pairing::open`], with deadlines of one's own.
    ///
    /// # Errors
    /// As there.
    pub async fn open_with(
        adapter: &str,
        deadlines: PairingDeadlines,
    ) -> Result<(Self, mpsc::Receiver<PairingEvent>), Fault> {
        let path = adapter_path(adapter).ok_or_else(|| Fault::NoAdapter(adapter.to_owned()))?;
        let bus = Bus::open().await?;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let agent = Agent::new(sender, deadlines.answer);
        let served = agent.serve(&bus.connection);
        let (seen, signals) = mpsc::channel(SIGNALS_MAX);
        // From here on, dropping takes the agent off the connection again.
        let inner = Inner { bus, agent, served, adapter: adapter.to_owned(), path, deadlines };
        let matches = watch_signals(&inner.bus, &seen).await?;
        inner.agent.set_owner(owner(&inner.bus, inner.deadlines.call).await);
        if inner.agent.owner().is_some() {
            // Why it failed comes out at the first ping, which tries again.
            let _ = inner.register().await;
        }
        let lost = inner.bus.lost();
        let reader = follow(inner.agent.clone(), inner.manager(), signals, lost);
        let reader = Reader { task: tokio::spawn(reader), _matches: matches };
        Ok((Self { inner: Arc::new(inner), _reader: Arc::new(reader) }, events))
    }

    /// Lets this device be paired from now on, and no other.
    pub fn allow(&self, address: Address) {
        self.inner.agent.allow(Some(address));
    }

    /// Lets none be paired. A pairing under way ends with [`Fault::WindowClosed`].
    pub fn deny(&self) {
        self.inner.agent.allow(None);
    }

    /// Answers the question that waits; `false`: none does.
    pub fn answer(&self, reply: Reply) -> bool {
        self.inner.agent.answer(reply)
    }

    /// Pairs the device of the open window: BlueZ connects it where it is not connected. Once it is done,
    /// the device is bonded and stays connected.
    ///
    /// # Errors
    /// [`Fault::WindowClosed`] without a window for it, [`Fault::AlreadyBonded`], [`Fault::PairingTimeout`],
    /// [`Fault::PairingRefused`], [`Fault::WrongPasskey`], [`Fault::BondedElsewhere`],
    /// [`Fault::NotConnected`], [`Fault::NotHeard`], or what is wrong with adapter or daemon.
    ///
    /// # Cancellation
    /// Dropping it cancels the pairing.
    pub async fn pair(&self, address: Address) -> Result<(), Fault> {
        let inner = &self.inner;
        let mut window = inner.agent.window();
        if *window.borrow_and_update() != Some(address) {
            return Err(Fault::WindowClosed);
        }
        let path = device_path(&inner.path, address);
        let on = |refusal: Refusal| refusal.on(On::Device);
        // On a device that is paired already, `Pair` may hang.
        let paired: bool = inner
            .bus
            .property(&path, (DEVICE, "Paired"), inner.deadlines.call)
            .await
            .map_err(on)?;
        if paired {
            return Err(Fault::AlreadyBonded);
        }
        // Another program's agent may have become the default meanwhile (an open bluetoothctl).
        inner.register().await?;
        inner.agent.begin();
        let mut cancel = CancelPairing { inner: inner.clone(), path: path.clone(), armed: true };
        let call = (DEVICE, "Pair");
        let pairing = inner.bus.call::<(), _>(&path, call, (), inner.deadlines.pair);
        let closed = async { drop(window.wait_for(|open| *open != Some(address)).await) };
        let outcome = tokio::select! {
            outcome = pairing => outcome,
            () = closed => {
                cancel.now().await;
                return Err(Fault::WindowClosed);
            }
        };
        match outcome {
            Ok(()) => {
                cancel.armed = false;
                Ok(())
            }
            Err(refusal) if refusal.is_timeout() => {
                cancel.now().await;
                Err(Fault::PairingTimeout)
            }
            Err(refusal) => {
                cancel.armed = false;
                Err(pairing_fault(&refusal.name, &refusal.message, inner.agent.talk()))
            }
        }
    }

    /// Removes the device with its bond from BlueZ; one that is not there is removed already.
    ///
    /// # Errors
    /// What is wrong with adapter or daemon.
    pub async fn unbond(&self, address: Address) -> Result<(), Fault> {
        let path = device_path(&self.inner.path, address);
        let call = (ADAPTER, "RemoveDevice");
        match self.inner.bus.call(&self.inner.path, call, (path,), self.inner.deadlines.call).await
        {
            Ok(()) => Ok(()),
            Err(Refusal { name, .. }) if name == "org.bluez.Error.DoesNotExist" => Ok(()),
            Err(refusal) => Err(self.on_adapter(&refusal)),
        }
    }

    /// Whether the device may connect by itself.
    ///
    /// # Errors
    /// [`Fault::NotHeard`] where BlueZ does not know it, or what is wrong with adapter or daemon.
    pub async fn trust(&self, address: Address, trusted: bool) -> Result<(), Fault> {
        let path = device_path(&self.inner.path, address);
        let property = (DEVICE, "Trusted");
        let set = self.inner.bus.set_property(&path, property, trusted, self.inner.deadlines.call);
        set.await.map_err(|refusal| refusal.on(On::Device))
    }

    /// Devices of this adapter that are bonded or connected, by address.
    ///
    /// # Errors
    /// What is wrong with the daemon.
    pub async fn bonds(&self) -> Result<Vec<Bond>, Fault> {
        let objects = self.inner.bus.objects(self.inner.deadlines.call).await;
        let objects = objects.map_err(|refusal| refusal.on(On::Daemon))?;
        let below = format!("{}/", self.inner.path);
        let bonds: BTreeMap<Address, Bond> = objects
            .iter()
            .filter(|(path, _)| path.starts_with(&below))
            .filter_map(|(path, interfaces)| {
                let properties = interfaces.get(DEVICE)?;
                let address = address_in(path)?;
                // `Bonded` is there since BlueZ 5.65; before, `Paired` is the nearest.
                let stored = if properties.contains_key("Bonded") { "Bonded" } else { "Paired" };
                let bonded = flag(properties, stored);
                let connected = flag(properties, "Connected");
                Some((address, Bond { address, bonded, connected }))
            })
            .filter(|(_, bond)| bond.bonded || bond.connected)
            .collect();
        Ok(bonds.into_values().collect())
    }

    /// Whether the adapter can be used: bus, daemon, adapter, power, and the agent in its place.
    ///
    /// # Errors
    /// The first of these that is not so.
    pub async fn ping(&self) -> Result<(), Fault> {
        let inner = &self.inner;
        if inner.bus.is_lost() {
            return Err(Fault::NoBus);
        }
        // A call to a name without owner would have the bus start the daemon and wait for it.
        if inner.agent.owner().is_none() {
            return Err(Fault::NoDaemon);
        }
        let powered = (ADAPTER, "Powered");
        let powered = inner.bus.property(&inner.path, powered, inner.deadlines.ping).await;
        if powered.map_err(|refusal| self.on_adapter(&refusal))? {
            if inner.agent.is_registered() { Ok(()) } else { inner.register().await }
        } else {
            Err(self.why_off())
        }
    }

    /// Asks the bus to start `bluetoothd`, where its package lets the bus do so.
    ///
    /// # Errors
    /// [`Fault::NoDaemon`] where it does not start, [`Fault::NoBus`], [`Fault::NotPermitted`].
    pub async fn start_daemon(&self) -> Result<(), Fault> {
        let inner = &self.inner;
        let bus = Proxy::new(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            inner.deadlines.call,
            inner.bus.connection.clone(),
        );
        let call = bus.method_call("org.freedesktop.DBus", "StartServiceByName", (BLUEZ, 0_u32));
        let started: Result<(u32,), dbus::Error> = call.await;
        started.map(drop).map_err(|error| match Refusal::from(error).on(On::Daemon) {
            Fault::DaemonFrozen => Fault::NoDaemon,
            fault => fault,
        })
    }

    /// Switches the adapter on or off.
    ///
    /// # Errors
    /// [`Fault::Blocked`] where rfkill holds it, or what is wrong with adapter or daemon.
    pub async fn power(&self, on: bool) -> Result<(), Fault> {
        let property = (ADAPTER, "Powered");
        let set =
            self.inner.bus.set_property(&self.inner.path, property, on, self.inner.deadlines.call);
        set.await.map_err(|refusal| {
            let fault = self.on_adapter(&refusal);
            // BlueZ before 5.68 says only "Failed" when rfkill is the reason.
            if on { self.blocked().unwrap_or(fault) } else { fault }
        })
    }

    /// Names of the adapters that BlueZ has.
    ///
    /// # Errors
    /// What is wrong with the daemon.
    pub async fn adapters(&self) -> Result<Vec<String>, Fault> {
        let objects = self.inner.bus.objects(self.inner.deadlines.call).await;
        let objects = objects.map_err(|refusal| refusal.on(On::Daemon))?;
        let mut names: Vec<String> = objects
            .iter()
            .filter(|(_, interfaces)| interfaces.contains_key(ADAPTER))
            .filter_map(|(path, _)| adapter_name(path))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The adapter's own address: BlueZ keeps its bonds in a folder of that name.
    ///
    /// # Errors
    /// What is wrong with adapter or daemon.
    pub async fn adapter_address(&self) -> Result<Address, Fault> {
        let address: Result<String, _> = self
            .inner
            .bus
            .property(&self.inner.path, (ADAPTER, "Address"), self.inner.deadlines.call)
            .await;
        let address = address.map_err(|refusal| self.on_adapter(&refusal))?;
        address.parse().map_err(|_| Fault::Other("the adapter has no address".to_owned()))
    }

    fn on_adapter(&self, refusal: &Refusal) -> Fault {
        match refusal.on(On::Adapter(&self.inner.adapter)) {
            Fault::AdapterOff | Fault::Blocked(_) => self.why_off(),
            fault => fault,
        }
    }

    fn why_off(&self) -> Fault {
        self.blocked().unwrap_or(Fault::AdapterOff)
    }

    fn blocked(&self) -> Option<Fault> {
        rfkill::blocked(&self.inner.deadlines.switches, &self.inner.adapter)
    }
}

impl Inner {
    fn manager(&self) -> Manager {
        Proxy::new(BLUEZ, "/org/bluez", self.deadlines.ping, self.bus.connection.clone())
    }

    async fn register(&self) -> Result<(), Fault> {
        register(&self.agent, &self.manager()).await
    }
}

type Manager = Proxy<'static, Arc<SyncConnection>>;

/// Makes our agent known and the default. The adapter's abilities in pairing are those of the default
/// agent; without one, even Just Works fails.
async fn register(agent: &Agent, manager: &Manager) -> Result<(), Fault> {
    const MANAGER: &str = "org.bluez.AgentManager1";
    let path = Path::from(AGENT_PATH);
    // It can show digits, take digits, and compare them; whatever a device can do, we can answer.
    let arguments = (path.clone(), "KeyboardDisplay");
    let call = manager.method_call(MANAGER, "RegisterAgent", arguments);
    let registered: Result<(), dbus::Error> = call.await;
    match registered.map_err(Refusal::from) {
        Ok(()) => {}
        Err(refusal) if refusal.name == "org.bluez.Error.AlreadyExists" => {}
        Err(refusal) => return Err(refusal.on(On::Daemon)),
    }
    let call = manager.method_call(MANAGER, "RequestDefaultAgent", (path,));
    let default: Result<(), dbus::Error> = call.await;
    default.map_err(|error| Refusal::from(error).on(On::Daemon))?;
    agent.set_registered();
    Ok(())
}

/// Tells BlueZ to stop a pairing that nobody waits for any more.
struct CancelPairing {
    inner: Arc<Inner>,
    path: Path<'static>,
    armed: bool,
}

impl CancelPairing {
    async fn now(&mut self) {
        self.armed = false;
        cancel_pairing(&self.inner, &self.path).await;
    }
}

impl Drop for CancelPairing {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.armed, tokio::runtime::Handle::try_current()) {
            let (inner, path) = (self.inner.clone(), self.path.clone());
            runtime.spawn(async move { cancel_pairing(&inner, &path).await });
        }
    }
}

async fn cancel_pairing(inner: &Inner, path: &Path<'static>) {
    // An error: there is nothing to cancel, or nobody to cancel it; both are as good as cancelled.
    let _ =
        inner.bus.call::<(), _>(path, (DEVICE, "CancelPairing"), (), inner.deadlines.ping).await;
}

const OWNER_CHANGED: &str = "NameOwnerChanged";

/// A signal that matters here.
enum Seen {
    Owner(Option<String>),
    Added(String),
    Removed(String),
}

fn adapter_name(path: &Path<'_>) -> Option<String> {
    path.strip_prefix("/org/bluez/").filter(|name| !name.contains('/')).map(str::to_owned)
}

/// Asks the bus for the signals, and keeps what matters of them.
async fn watch_signals(bus: &Bus, seen: &mpsc::Sender<Seen>) -> Result<Vec<MsgMatch>, Fault> {
    let mut matches = Vec::new();
    let bluez = BLUEZ.into();
    let rules = [
        MatchRule::new_signal("org.freedesktop.DBus", OWNER_CHANGED)
            .with_sender("org.freedesktop.DBus"),
        ObjectManagerInterfacesAdded::match_rule(Some(&bluez), None),
        ObjectManagerInterfacesRemoved::match_rule(Some(&bluez), None),
    ];
    for rule in rules {
        let seen = seen.clone();
        let on_signal = move |message| {
            // Full: see `SIGNALS_MAX`; the owner is read anew by the next ping's failure.
            signal(&message).is_none_or(|signal| seen.try_send(signal).is_ok() || !seen.is_closed())
        };
        let matched = bus.connection.add_match(rule.static_clone()).await;
        let matched = matched.map_err(|error| Refusal::from(error).on(On::Daemon))?;
        matches.push(matched.msg_cb(on_signal));
    }
    Ok(matches)
}

fn signal(message: &dbus::Message) -> Option<Seen> {
    if message.member().is_some_and(|member| &*member == OWNER_CHANGED) {
        let (name, _, owner) = message.read3::<String, String, String>().ok()?;
        let owner = Some(owner).filter(|owner| !owner.is_empty());
        return (name == BLUEZ).then_some(Seen::Owner(owner));
    }
    if let Some(added) = ObjectManagerInterfacesAdded::from_message(message) {
        let name = adapter_name(&added.object)?;
        return added.interfaces.contains_key(ADAPTER).then_some(Seen::Added(name));
    }
    let removed = ObjectManagerInterfacesRemoved::from_message(message)?;
    let name = adapter_name(&removed.object)?;
    removed.interfaces.iter().any(|name| name == ADAPTER).then_some(Seen::Removed(name))
}

async fn owner(bus: &Bus, deadline: Duration) -> Option<String> {
    let connection = bus.connection.clone();
    let proxy = Proxy::new("org.freedesktop.DBus", "/org/freedesktop/DBus", deadline, connection);
    let call = proxy.method_call("org.freedesktop.DBus", "GetNameOwner", (BLUEZ,));
    let owner: Result<(String,), dbus::Error> = call.await;
    owner.ok().map(|(owner,)| owner)
}

/// Follows owner and adapters.
async fn follow(
    agent: Arc<Agent>,
    manager: Manager,
    mut signals: mpsc::Receiver<Seen>,
    lost: impl Future<Output = ()> + Send,
) {
    let mut lost = std::pin::pin!(lost);
    loop {
        let seen = tokio::select! {
            seen = signals.recv() => seen,
            () = &mut lost => None,
        };
        match seen {
            Some(Seen::Owner(None)) => {
                agent.set_owner(None);
                agent.tell(PairingEvent::DaemonGone).await;
            }
            Some(Seen::Owner(owner)) => {
                agent.set_owner(owner);
                for attempt in 1..=REGISTER_TRIES {
                    if register(&agent, &manager).await.is_ok() {
                        break;
                    }
                    if attempt < REGISTER_TRIES {
                        sleep(REGISTER_PAUSE).await;
                    }
                }
                agent.tell(PairingEvent::DaemonBack).await;
            }
            Some(Seen::Added(name)) => agent.tell(PairingEvent::AdapterAdded(name)).await,
            Some(Seen::Removed(name)) => agent.tell(PairingEvent::AdapterRemoved(name)).await,
            None => {
                agent.set_owner(None);
                agent.tell(PairingEvent::BusLost).await;
                return;
            }
        }
    }
}
