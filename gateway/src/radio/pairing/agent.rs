//! The agent that BlueZ asks while a device is being paired (`org.bluez.Agent1`). It says no to
//! everybody but `bluetoothd`, and to every device but the one that the open window is for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dbus::channel::{MatchingReceiver, Token};
use dbus::message::MatchRule;
use dbus::nonblock::SyncConnection;
use dbus::{MethodErr, Path};
use dbus_crossroads::{Context, Crossroads, IfaceBuilder};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::super::air::{Address, Question, Reply};
use super::super::bluez_error::Talk;
use super::PairingEvent;
use super::bus::address_in;

/// Where our agent stands on our connection.
pub(super) const AGENT_PATH: &str = "/org/hearth/agent";

/// The shell takes events at once; one that does not is gone, and the question with it.
const EVENT_TAKEN: Duration = Duration::from_secs(5);

#[derive(Default)]
struct State {
    /// Who owns `org.bluez`: nobody else may ask.
    owner: Option<String>,
    /// BlueZ knows this agent.
    registered: bool,
    /// How far the pairing under way has come with the person.
    talk: Talk,
    /// Where its answer is waited for.
    waiting: Option<oneshot::Sender<Reply>>,
}

/// What the agent and the handle share.
pub(super) struct Agent {
    state: Mutex<State>,
    /// The one device that may be paired now.
    window: watch::Sender<Option<Address>>,
    events: mpsc::Sender<PairingEvent>,
    /// How long a person may think.
    patience: Duration,
}

fn rejected() -> MethodErr {
    ("org.bluez.Error.Rejected", "no pairing window is open for this device").into()
}

fn canceled() -> MethodErr {
    ("org.bluez.Error.Canceled", "nobody answered").into()
}

impl Agent {
    pub(super) fn new(events: mpsc::Sender<PairingEvent>, patience: Duration) -> Arc<Self> {
        let window = watch::Sender::new(None);
        Arc::new(Self { state: Mutex::default(), window, events, patience })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and it holds no invariant of two fields.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets who owns `org.bluez`. A new owner does not know the agent.
    pub(super) fn set_owner(&self, owner: Option<String>) {
        let mut state = self.state();
        state.owner = owner;
        state.registered = false;
        // Whoever asked is gone.
        state.waiting = None;
    }

    pub(super) fn owner(&self) -> Option<String> {
        self.state().owner.clone()
    }

    pub(super) fn set_registered(&self) {
        self.state().registered = true;
    }

    pub(super) fn is_registered(&self) -> bool {
        self.state().registered
    }

    /// Opens the window for one device, or closes it. What is being asked for another one is refused.
    pub(super) fn allow(&self, address: Option<Address>) {
        self.window.send_replace(address);
        let mut state = self.state();
        state.talk = Talk::Silent;
        state.waiting = None;
    }

    pub(super) fn window(&self) -> watch::Receiver<Option<Address>> {
        self.window.subscribe()
    }

    /// Forgets what was asked in an earlier pairing.
    pub(super) fn begin(&self) {
        self.state().talk = Talk::Silent;
    }

    pub(super) fn talk(&self) -> Talk {
        self.state().talk
    }

    /// Whether a question was waiting for it.
    pub(super) fn answer(&self, reply: Reply) -> bool {
        let waiting = self.state().waiting.take();
        waiting.is_some_and(|waiting| waiting.send(reply).is_ok())
    }

    pub(super) async fn tell(&self, event: PairingEvent) {
        // Either the shell is gone, and with it everybody who could want to know, or it hangs: then
        // waiting on would block the agent as well.
        let _ = timeout(EVENT_TAKEN, self.events.send(event)).await;
    }

    /// The device a question is about, where it may be asked.
    fn admitted(&self, context: &Context, device: &Path<'_>) -> Result<Address, MethodErr> {
        let sender = context.message().sender().map(|name| name.to_string());
        let address = address_in(device).filter(|address| *self.window.borrow() == Some(*address));
        if sender.is_none() || sender != self.owner() {
            return Err(rejected());
        }
        address.ok_or_else(rejected)
    }

    /// Asks the person, until the answer, the end of patience, or the end of the window.
    async fn ask(&self, address: Address, question: Question) -> Result<Reply, MethodErr> {
        let (sender, answer) = oneshot::channel();
        {
            let mut state = self.state();
            state.talk = Talk::Asked(question);
            state.waiting = Some(sender);
        }
        self.tell(PairingEvent::Asked { address, question }).await;
        match timeout(self.patience, answer).await {
            Ok(Ok(Reply::No)) => {
                self.state().talk = Talk::SaidNo;
                Err(rejected())
            }
            Ok(Ok(reply)) => Ok(reply),
            // The window closed, or BlueZ took the question back.
            Ok(Err(_)) => Err(rejected()),
            Err(_) => {
                let mut state = self.state();
                state.talk = Talk::Unanswered;
                state.waiting = None;
                Err(canceled())
            }
        }
    }

    /// Digits to be typed here.
    async fn passkey(&self, address: Address) -> Result<u32, MethodErr> {
        match self.ask(address, Question::Passkey).await? {
            Reply::Passkey(digits) if digits <= 999_999 => Ok(digits),
            _ => Err(rejected()),
        }
    }

    async fn confirmation(&self, address: Address, digits: u32) -> Result<(), MethodErr> {
        match self.ask(address, Question::Confirm(digits)).await? {
            Reply::Yes => Ok(()),
            _ => Err(rejected()),
        }
    }

    /// Shown, not asked: BlueZ goes on at once, and calls again for every digit that is typed.
    async fn display(&self, address: Address, digits: u32) {
        let question = Question::Display(digits);
        let before = std::mem::replace(&mut self.state().talk, Talk::Asked(question));
        if before != Talk::Asked(question) {
            self.tell(PairingEvent::Asked { address, question }).await;
        }
    }

    /// Just Works: the open window is the answer; it is told all the same.
    async fn authorization(&self, address: Address) {
        self.state().talk = Talk::Asked(Question::Authorize);
        self.tell(PairingEvent::Asked { address, question: Question::Authorize }).await;
    }

    async fn cancel(&self) {
        let was_waiting = self.state().waiting.take().is_some();
        if was_waiting {
            self.tell(PairingEvent::AskCancelled).await;
        }
    }

    /// Puts the agent on the connection. The token takes it off again.
    pub(super) fn serve(self: &Arc<Self>, connection: &Arc<SyncConnection>) -> Token {
        let mut crossroads = Crossroads::new();
        let spawn = Box::new(|future| drop(tokio::spawn(future)));
        crossroads.set_async_support(Some((connection.clone(), spawn)));
        let interface = crossroads
            .register("org.bluez.Agent1", |builder: &mut IfaceBuilder<()>| self.describe(builder));
        crossroads.insert(AGENT_PATH, &[interface], ());
        let rule = MatchRule::new_method_call();
        connection.start_receive(
            rule,
            Box::new(move |message, connection| {
                // An error: the message was no call; the rule lets none such through.
                let _ = crossroads.handle_message(message, connection);
                true
            }),
        )
    }

    /// The methods of `org.bluez.Agent1` (BlueZ, doc/org.bluez.Agent.rst). Those of classic Bluetooth
    /// are there to be refused.
    fn describe(self: &Arc<Self>, builder: &mut IfaceBuilder<()>) {
        type Device = (Path<'static>,);
        builder.method("Release", (), (), |_, (), (): ()| Ok(()));
        builder.method("RequestPinCode", ("device",), ("pincode",), |_, (), _: Device| {
            Err::<(String,), _>(rejected())
        });
        builder.method(
            "DisplayPinCode",
            ("device", "pincode"),
            (),
            |_, (), _: (Path<'static>, String)| Err::<(), _>(rejected()),
        );
        builder.method(
            "AuthorizeService",
            ("device", "uuid"),
            (),
            |_, (), _: (Path<'static>, String)| Err::<(), _>(rejected()),
        );
        let agent = self.clone();
        builder.method_with_cr_async(
            "RequestPasskey",
            ("device",),
            ("passkey",),
            move |mut context, _, (device,): Device| {
                let agent = agent.clone();
                async move {
                    let result = match agent.admitted(&context, &device) {
                        Ok(address) => agent.passkey(address).await,
                        Err(no) => Err(no),
                    };
                    context.reply(result.map(|digits| (digits,)))
                }
            },
        );
        let agent = self.clone();
        builder.method_with_cr_async(
            "RequestConfirmation",
            ("device", "passkey"),
            (),
            move |mut context, _, (device, digits): (Path<'static>, u32)| {
                let agent = agent.clone();
                async move {
                    let result = match agent.admitted(&context, &device) {
                        Ok(address) => agent.confirmation(address, digits).await,
                        Err(no) => Err(no),
                    };
                    context.reply(result)
                }
            },
        );
        let agent = self.clone();
        builder.method_with_cr_async(
            "DisplayPasskey",
            ("device", "passkey", "entered"),
            (),
            move |mut context, _, (device, digits, _): (Path<'static>, u32, u16)| {
                let agent = agent.clone();
                async move {
                    let result = match agent.admitted(&context, &device) {
                        Ok(address) => {
                            agent.display(address, digits).await;
                            Ok(())
                        }
                        Err(no) => Err(no),
                    };
                    context.reply(result)
                }
            },
        );
        let agent = self.clone();
        builder.method_with_cr_async(
            "RequestAuthorization",
            ("device",),
            (),
            move |mut context, _, (device,): Device| {
                let agent = agent.clone();
                async move {
                    let result = match agent.admitted(&context, &device) {
                        Ok(address) => {
                            agent.authorization(address).await;
                            Ok(())
                        }
                        Err(no) => Err(no),
                    };
                    context.reply(result)
                }
            },
        );
        let agent = self.clone();
        builder.method_with_cr_async("Cancel", (), (), move |mut context, _, (): ()| {
            let agent = agent.clone();
            async move {
                let sender = context.message().sender().map(|name| name.to_string());
                if sender.is_some() && sender == agent.owner() {
                    agent.cancel().await;
                }
                context.reply(Ok(()))
            }
        });
    }
}
