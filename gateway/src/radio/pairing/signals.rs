//! Who owns `org.bluez` and which adapters there are, signal by signal; a new owner gets our agent.

use std::sync::Arc;
use std::time::Duration;

use dbus::Path;
use dbus::message::{MatchRule, SignalArgs};
use dbus::nonblock::stdintf::org_freedesktop_dbus::{
    ObjectManagerInterfacesAdded, ObjectManagerInterfacesRemoved,
};
use dbus::nonblock::{MsgMatch, Proxy, SyncConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::air::Fault;
use super::super::bluez_error::On;
use super::PairingEvent;
use super::agent::{AGENT_PATH, Agent};
use super::bus::{ADAPTER, BLUEZ, Bus, Refusal};

/// Signals that may wait for our reader: only those about owners and adapters are kept, so more than
/// a few at once mean that the daemon restarts in a loop.
const SIGNALS_MAX: usize = 64;

/// A new daemon owns its name before it serves its objects; it is asked this often, a pause apart.
const REGISTER_TRIES: u32 = 5;
const REGISTER_PAUSE: Duration = Duration::from_millis(500);

/// The task that follows the signals, and what keeps them coming.
pub(super) struct Reader {
    task: JoinHandle<()>,
    _matches: Vec<MsgMatch>,
}

impl Reader {
    /// Begins: afterwards the agent knows the owner, and the owner the agent.
    pub(super) async fn begin(
        bus: &Bus,
        agent: &Arc<Agent>,
        manager: Manager,
        deadline: Duration,
    ) -> Result<Self, Fault> {
        let (seen, signals) = mpsc::channel(SIGNALS_MAX);
        let matches = watch(bus, agent, &seen).await?;
        agent.set_first_owner(owner(bus, deadline).await);
        if agent.owner().is_some() {
            // Why it failed comes out at the first ping, which tries again.
            let _ = register(agent, &manager).await;
        }
        let task = tokio::spawn(follow(agent.clone(), manager, signals, bus.lost()));
        Ok(Self { task, _matches: matches })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) type Manager = Proxy<'static, Arc<SyncConnection>>;

/// Makes our agent known and the default. The adapter's abilities in pairing are those of the default
/// agent; without one, even Just Works fails.
pub(super) async fn register(agent: &Agent, manager: &Manager) -> Result<(), Fault> {
    const MANAGER: &str = "org.bluez.AgentManager1";
    let path = Path::from(AGENT_PATH);
    let owner = agent.owner();
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
    agent.set_registered(owner.as_deref());
    Ok(())
}

const OWNER_CHANGED: &str = "NameOwnerChanged";

/// A signal that matters here.
enum Seen {
    Owner(Option<String>),
    Added(String),
    Removed(String),
}

pub(super) fn adapter_name(path: &Path<'_>) -> Option<String> {
    path.strip_prefix("/org/bluez/").filter(|name| !name.contains('/')).map(str::to_owned)
}

/// Asks the bus for the signals, and keeps what matters of them.
async fn watch(
    bus: &Bus,
    agent: &Arc<Agent>,
    seen: &mpsc::Sender<Seen>,
) -> Result<Vec<MsgMatch>, Fault> {
    let mut matches = Vec::new();
    let bluez = BLUEZ.into();
    let rules = [
        MatchRule::new_signal("org.freedesktop.DBus", OWNER_CHANGED)
            .with_sender("org.freedesktop.DBus"),
        ObjectManagerInterfacesAdded::match_rule(Some(&bluez), None),
        ObjectManagerInterfacesRemoved::match_rule(Some(&bluez), None),
    ];
    for rule in rules {
        let (seen, agent) = (seen.clone(), agent.clone());
        let on_signal = move |message| {
            let Some(signal) = signal(&message) else { return true };
            if let Seen::Owner(owner) = &signal {
                // Here and not in the task that follows: the next message may be a question of
                // somebody who is not the owner any more.
                agent.set_owner(owner.clone());
            }
            // Full: see `SIGNALS_MAX`. Who owns the name is kept all the same, and a ping registers.
            seen.try_send(signal).is_ok() || !seen.is_closed()
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
                agent.tell(PairingEvent::DaemonGone).await;
            }
            Some(Seen::Owner(Some(_))) => {
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
