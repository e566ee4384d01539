//! What the radio's task does with its hands: calls that take time, one after the other, so that the task
//! itself never waits. Sessions and pairings run beside it.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::air::{Address, Bond, Fault, Reply};
use super::central::{Central, CentralEvent};
use super::connection::{News, Plan, Shell};
use super::enrol::Secured;
use super::pairing::{Pairing, PairingEvent};
use super::security;
use crate::clock::Clock;
use crate::writer::{WriteError, Writer};

/// How often it is asked whether the service still answers.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long the adapter stays off when it is reset.
const OFF_FOR: Duration = Duration::from_secs(1);
/// How long the restart command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(30);
/// How long sessions may take to commit what they hold when the radio goes away.
const SESSIONS_WITHIN: Duration = Duration::from_secs(10);

/// What is to be done, in this order.
pub(super) enum Order {
    /// Open the adapter, or open it anew.
    Open,
    StartScan,
    StopScan,
    Session(Box<Plan>),
    ResetAdapter,
    RestartService,
    Pair {
        address: Address,
        stale: bool,
    },
    Answer(Reply),
    BreakOff,
    Unbond(Address),
}

/// What came of it, and what the air says.
#[derive(Debug)]
pub(super) enum Told {
    Up(Result<Vec<Bond>, Fault>),
    Scanning(Result<(), Fault>),
    Paired(Result<Secured, Fault>),
    Unbonded(Address, Result<(), Fault>),
    Fault(Fault),
    Central(CentralEvent),
    Pairing(PairingEvent),
    News(News),
    /// The writer is gone.
    Gone(WriteError),
}

/// The task.
pub(super) struct Hands {
    pub(super) adapter: String,
    pub(super) restart_command: Vec<String>,
    pub(super) clock: Clock,
    pub(super) writer: Writer,
    pub(super) told: mpsc::Sender<Told>,
}

struct Stack {
    central: Central,
    pairing: Pairing,
    own_address: Option<Address>,
    /// Ends everything that belongs to this stack.
    life: CancellationToken,
}

impl Hands {
    /// Carries out orders until they end or `stop`; then sessions commit what they hold.
    pub(super) async fn run(self, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        let mut stack: Option<Stack> = None;
        let mut beside = JoinSet::new();
        loop {
            let order = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = beside.join_next(), if !beside.is_empty() => continue,
                order = orders.recv() => match order {
                    Some(order) => order,
                    None => break,
                },
            };
            match order {
                Order::Open => {
                    if let Some(old) = stack.take() {
                        old.life.cancel();
                    }
                    let opened = self.open(&stop).await;
                    let told = match opened {
                        Ok((new, bonds)) => {
                            stack = Some(new);
                            Ok(bonds)
                        }
                        Err(fault) => Err(fault),
                    };
                    self.tell(Told::Up(told)).await;
                }
                Order::RestartService => self.restart_service().await,
                Order::Unbond(address) => {
                    let done = match &stack {
                        Some(stack) => stack.pairing.unbond(address).await,
                        None => Err(Fault::NoDaemon),
                    };
                    self.tell(Told::Unbonded(address, done)).await;
                }
                order => {
                    if let Some(stack) = &stack {
                        self.with(stack, order, &mut beside).await;
                    }
                }
            }
        }
        if let Some(stack) = stack {
            stack.life.cancel();
            let _ = stack.central.stop_scan().await;
        }
        let rest = async { while beside.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(SESSIONS_WITHIN, rest).await;
    }

    async fn tell(&self, told: Told) {
        let _ = self.told.send(told).await;
    }

    async fn open(&self, stop: &CancellationToken) -> Result<(Stack, Vec<Bond>), Fault> {
        let (pairing, mut asked) = Pairing::open(&self.adapter).await?;
        match pairing.ping().await {
            // Ours to switch on: nobody else decides over a gateway's adapter.
            Err(Fault::AdapterOff) => pairing.power(true).await?,
            other => other?,
        }
        let bonds = pairing.bonds().await?;
        let own_address = pairing.adapter_address().await.ok();
        let (central, mut events) = Central::open(&self.adapter).await?;
        let life = stop.child_token();
        let (told, ended) = (self.told.clone(), life.clone());
        tokio::spawn(async move {
            loop {
                let said = tokio::select! {
                    () = ended.cancelled() => return,
                    event = asked.recv() => event.map(Told::Pairing),
                    event = events.recv() => event.map(Told::Central),
                };
                // A stream that ends is told as an event of its own; here only this stack's end is left.
                let Some(said) = said else { return };
                if told.send(said).await.is_err() {
                    return;
                }
            }
        });
        let (told, ended, pinged) = (self.told.clone(), life.clone(), pairing.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = ended.cancelled() => return,
                    () = tokio::time::sleep(PING_EVERY) => {}
                }
                if let Err(fault) = pinged.ping().await
                    && told.send(Told::Fault(fault)).await.is_err()
                {
                    return;
                }
            }
        });
        Ok((Stack { central, pairing, own_address, life }, bonds))
    }

    async fn with(&self, stack: &Stack, order: Order, beside: &mut JoinSet<()>) {
        match order {
            Order::StartScan => {
                let started = stack.central.start_scan().await;
                self.tell(Told::Scanning(started)).await;
            }
            Order::StopScan => {
                if let Err(fault) = stack.central.stop_scan().await {
                    tracing::debug!(code = fault.code(), "the scan did not stop in order");
                }
            }
            Order::ResetAdapter => {
                tracing::warn!("nobody is heard: the adapter is switched off and on");
                let _ = stack.pairing.power(false).await;
                tokio::time::sleep(OFF_FOR).await;
                let on = stack.pairing.power(true).await;
                self.tell(Told::Fault(on.err().unwrap_or(Fault::AdapterOff))).await;
            }
            Order::Session(plan) => {
                let shell = Shell {
                    central: stack.central.clone(),
                    writer: self.writer.clone(),
                    clock: self.clock.clone(),
                    told: self.told.clone(),
                    adapter: self.adapter.clone(),
                    own_address: stack.own_address,
                };
                let (told, life) = (self.told.clone(), stack.life.clone());
                beside.spawn(async move {
                    if let Err(error) = shell.hold(*plan, life).await {
                        let _ = told.send(Told::Gone(error)).await;
                    }
                });
            }
            Order::Pair { address, stale } => {
                let (pairing, told, own) =
                    (stack.pairing.clone(), self.told.clone(), stack.own_address);
                if stale && let Err(fault) = pairing.unbond(address).await {
                    tracing::debug!(code = fault.code(), "the old key was not removed");
                }
                beside.spawn(async move {
                    let paired = pair(&pairing, own, address).await;
                    let _ = told.send(Told::Paired(paired)).await;
                });
            }
            Order::Answer(reply) => {
                stack.pairing.answer(reply);
            }
            Order::BreakOff => {
                stack.pairing.deny();
            }
            Order::Open | Order::RestartService | Order::Unbond(_) => {}
        }
    }

    async fn restart_service(&self) {
        let Some((program, arguments)) = self.restart_command.split_first() else {
            tracing::error!(
                "the Bluetooth service does not answer; no radio.restart_command is set"
            );
            return;
        };
        tracing::warn!(program, "the Bluetooth service is restarted");
        let command = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .status();
        match tokio::time::timeout(COMMAND_WITHIN, command).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => tracing::error!(program, %status, "the restart command failed"),
            Ok(Err(error)) => tracing::error!(program, %error, "the restart command did not start"),
            Err(_) => tracing::error!(program, "the restart command took too long"),
        }
    }
}

async fn pair(pairing: &Pairing, own: Option<Address>, address: Address) -> Result<Secured, Fault> {
    pairing.allow(address);
    let paired = pairing.pair(address).await;
    pairing.deny();
    paired?;
    // Otherwise a disconnect would also keep the device from coming back by itself.
    if let Err(fault) = pairing.trust(address, true).await {
        tracing::debug!(code = fault.code(), "the device was not marked as trusted");
    }
    let folder = std::path::Path::new(security::BONDS);
    let strength = own.and_then(|own| security::bond(folder, own, address)).unwrap_or_default();
    Ok(Secured {
        secure_connections: strength.secure_connections,
        authenticated: strength.authenticated,
        key_octets: strength.key_octets,
    })
}
