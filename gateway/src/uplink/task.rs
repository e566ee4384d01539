//! The shell: carries the machine's actions to socket, store and clock, without a decision in it.

use std::collections::VecDeque;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Now;
use crate::store::outbox_page::{Fetch, Page, Sent};
use crate::uplink::broker::{self, Hello, Link, Received};
use crate::uplink::machine::{
    Action, Event, Machine, MachineSettings, Pace, ServerLimits, UplinkView,
};
use crate::uplink::reason::Fault;
use crate::uplink::source::{OutboxSource, UplinkWrite, UplinkWritten, WriteRequest};
use crate::uplink::topics::Topics;
use crate::uplink::transport::Endpoint;

/// Acknowledgements are written down together: after this time at the latest, ms. They are in no
/// hurry (a row acknowledged twice is only sent twice), and each write costs the journal a sync.
const BATCH_MS: u64 = 100;
/// Acknowledgements in one write at most.
const BATCH_MAX: usize = 2_000;
/// A failed write of acknowledgements is tried again after this time, ms.
const BATCH_RETRY_MS: u64 = 2_000;
/// Time for the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Packets handled before other events get a turn.
const BURST: usize = 256;

/// Who the gateway is to the broker, and where the broker is.
#[derive(Clone, Debug)]
pub struct UplinkSettings {
    /// The gateway's id, part of every topic.
    pub gateway: String,
    /// Where the broker is.
    pub endpoint: Endpoint,
    /// Client id; absent: `hearth-<gateway>`.
    pub client_id: Option<String>,
    /// User name.
    pub username: Option<String>,
    /// File with the password; read at every connection, one line.
    pub password_file: Option<PathBuf>,
    /// Consumers whose watermarks let rows be forgotten; none: rows are kept for `keep_days`.
    pub consumers: Vec<String>,
    /// Without consumers: days that acknowledged rows are kept.
    pub keep_days: u32,
    /// Time limits.
    pub pace: Pace,
    /// Seed of the jitter between attempts.
    pub seed: u64,
    /// `simulated` or another word for where readings come from; said on every status.
    pub adapter: Option<String>,
}

/// What ties the uplink to the rest of the gateway.
pub struct UplinkPorts {
    /// Where rows are read.
    pub source: Box<dyn OutboxSource>,
    /// Where writes go.
    pub writes: mpsc::Sender<WriteRequest>,
    /// Changes whenever the store committed something.
    pub committed: watch::Receiver<i64>,
    /// Who is silent, and why; said on the status topic.
    pub notes: watch::Receiver<Vec<String>>,
    /// What people are told about the uplink.
    pub view: watch::Sender<UplinkView>,
    /// The time.
    pub clock: Box<dyn Fn() -> Now + Send + Sync>,
}

/// The uplink cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UplinkError {
    /// The writer has ended.
    #[error("the store's writer has ended before the uplink")]
    WriterGone,
}

/// A connection, whether the session was known, and what the broker allows.
type Linked = Result<(Link, bool, ServerLimits), Fault>;
type Connecting = Pin<Box<dyn Future<Output = Linked> + Send>>;
/// The source comes back from the reading thread with what it read.
type Read = (Box<dyn OutboxSource>, Result<Page, String>);
type Reply = (u64, UplinkWritten);

/// Runs until `stop`, then says goodbye within a bounded time; the unsent stays in the outbox.
///
/// # Cancellation
/// Dropping it loses nothing but the goodbye: rows not acknowledged in the store are sent again.
pub fn run(
    settings: UplinkSettings,
    ports: UplinkPorts,
    stop: CancellationToken,
) -> Pin<Box<dyn Future<Output = Result<(), UplinkError>> + Send>> {
    Box::pin(Shell::new(settings, ports).run(stop))
}

struct Shell {
    settings: UplinkSettings,
    ports: UplinkPorts,
    machine: Machine,
    link: Option<Link>,
    connecting: Option<Connecting>,
    fetches: VecDeque<Fetch>,
    source: Option<Box<dyn OutboxSource>>,
    reading: Option<(Fetch, JoinHandle<Read>)>,
    replies: (mpsc::UnboundedSender<Reply>, mpsc::UnboundedReceiver<Reply>),
    batch: Vec<Sent>,
    batch_due_ms: u64,
    written: Option<Vec<Sent>>,
    actions: Vec<Action>,
    /// State and problem as last logged.
    told: (&'static str, Option<&'static str>),
    stopped: bool,
}

/// Token of the write of acknowledgements; the machine's own tokens start at 1.
const BATCH_TOKEN: u64 = 0;

enum Happened {
    Event(Event),
    Linked(Linked),
    Read(Result<Read, tokio::task::JoinError>),
    Replied(u64, UplinkWritten),
    Nothing,
}

impl Shell {
    fn new(settings: UplinkSettings, mut ports: UplinkPorts) -> Self {
        let machine = Machine::new(MachineSettings {
            gateway: settings.gateway.clone(),
            consumers: settings.consumers.clone(),
            keep_days: settings.keep_days,
            pace: settings.pace,
            seed: settings.seed,
        });
        let source = std::mem::replace(&mut ports.source, Box::new(Empty));
        Self {
            settings,
            ports,
            machine,
            link: None,
            connecting: None,
            fetches: VecDeque::new(),
            source: Some(source),
            reading: None,
            replies: mpsc::unbounded_channel(),
            batch: Vec::new(),
            batch_due_ms: u64::MAX,
            written: None,
            actions: Vec::new(),
            told: ("", None),
            stopped: false,
        }
    }

    fn now(&self) -> Now {
        (self.ports.clock)()
    }

    async fn run(mut self, stop: CancellationToken) -> Result<(), UplinkError> {
        let notes = self.ports.notes.borrow_and_update().clone();
        let adapter = self.settings.adapter.clone();
        self.feed(Event::Notes { adapter, notes }).await?;
        let mut stopping = false;
        while !self.stopped {
            let happened = self.wait(&stop, &mut stopping).await;
            self.handle(happened).await?;
            self.drain_link().await?;
            self.flush_batch().await?;
        }
        self.last_batch().await
    }

    /// Waits for whatever comes first. Every branch is cancel-safe.
    async fn wait(&mut self, stop: &CancellationToken, stopping: &mut bool) -> Happened {
        let now = self.now();
        let due_ms = self.machine.wake_ms(&now).min(self.batch_due_ms);
        // An hour at most, so that a clock that jumps cannot make us sleep for ever.
        let pause = due_ms.saturating_sub(now.monotonic_ms).clamp(1, 3_600_000);
        let reading = self.reading.as_mut().map(|(_, handle)| handle);
        tokio::select! {
            biased;
            () = stop.cancelled(), if !*stopping => {
                *stopping = true;
                Happened::Event(Event::Stop)
            }
            Some((token, written)) = self.replies.1.recv() => Happened::Replied(token, written),
            linked = some(self.connecting.as_mut()) => {
                self.connecting = None;
                Happened::Linked(linked)
            }
            read = some(reading) => Happened::Read(read),
            received = next(self.link.as_mut()) => match received {
                Ok(received) => Happened::Event(event(received)),
                Err(fault) => {
                    self.link = None;
                    Happened::Event(Event::Disconnected(fault))
                }
            },
            Ok(()) = self.ports.committed.changed() => Happened::Event(Event::Wake),
            Ok(()) = self.ports.notes.changed() => {
                let notes = self.ports.notes.borrow_and_update().clone();
                Happened::Event(Event::Notes { adapter: self.settings.adapter.clone(), notes })
            }
            () = tokio::time::sleep(Duration::from_millis(pause)) => Happened::Nothing,
        }
    }

    async fn handle(&mut self, happened: Happened) -> Result<(), UplinkError> {
        match happened {
            Happened::Event(event) => self.feed(event).await,
            Happened::Nothing => self.feed(Event::Timer).await,
            Happened::Linked(Ok((link, session_present, limits))) => {
                self.link = Some(link);
                self.feed(Event::Connected { session_present, limits }).await
            }
            Happened::Linked(Err(fault)) => self.feed(Event::Disconnected(fault)).await,
            Happened::Read(read) => {
                let Some((asked, _)) = self.reading.take() else { return Ok(()) };
                let page = match read {
                    Ok((source, page)) => {
                        self.source = Some(source);
                        page
                    }
                    Err(error) => Err(format!("reading the outbox failed: {error}")),
                };
                if let Err(sentence) = &page {
                    tracing::warn!(%sentence, "the outbox could not be read");
                }
                self.read_next();
                self.feed(Event::Rows { asked, page }).await
            }
            Happened::Replied(BATCH_TOKEN, written) => {
                let Some(sent) = self.written.take() else { return Ok(()) };
                match written {
                    UplinkWritten::Failed(sentence) => {
                        tracing::warn!(%sentence, "acknowledgements could not be written down");
                        self.batch.extend(sent);
                        self.batch_due_ms = self.now().monotonic_ms + BATCH_RETRY_MS;
                        Ok(())
                    }
                    _ => self.feed(Event::Stored(sent)).await,
                }
            }
            Happened::Replied(token, written) => self.feed(Event::Written { token, written }).await,
        }
    }

    /// Handles packets that are already here, so that answers to them leave together.
    async fn drain_link(&mut self) -> Result<(), UplinkError> {
        for _ in 0..BURST {
            let Some(link) = self.link.as_mut() else { return Ok(()) };
            match link.take() {
                Ok(Some(received)) => self.feed(event(received)).await?,
                Ok(None) => return Ok(()),
                Err(fault) => {
                    self.link = None;
                    self.feed(Event::Disconnected(fault)).await?;
                }
            }
        }
        Ok(())
    }

    async fn feed(&mut self, event: Event) -> Result<(), UplinkError> {
        let now = self.now();
        let mut actions = std::mem::take(&mut self.actions);
        self.machine.step(&now, event, &mut actions);
        for action in actions.drain(..) {
            self.act(&now, action).await?;
        }
        self.actions = actions;
        let view = self.machine.view();
        // One line for an outage, not two for every attempt to end it.
        let now_told = (view.state, view.problem.as_ref().map(|problem| problem.word));
        let is_retry = view.state == "connecting" && view.problem.is_some();
        if now_told != self.told && !is_retry {
            self.told = now_told;
            match &view.problem {
                Some(problem) => tracing::warn!(state = view.state, %problem, "uplink"),
                None => tracing::info!(state = view.state, "uplink"),
            }
        }
        self.ports.view.send_if_modified(|shown| {
            let changed = shown != view;
            if changed {
                shown.clone_from(view);
            }
            changed
        });
        Ok(())
    }

    async fn act(&mut self, now: &Now, action: Action) -> Result<(), UplinkError> {
        let result = match (action, self.link.as_mut()) {
            (Action::Connect, _) => {
                self.connecting = Some(self.connect());
                Ok(())
            }
            (Action::Close, _) => {
                self.link = None;
                self.connecting = None;
                Ok(())
            }
            (Action::Disconnect, _) => {
                if let Some(link) = self.link.take() {
                    link.goodbye(GOODBYE).await;
                }
                Ok(())
            }
            (Action::Stopped, _) => {
                self.stopped = true;
                Ok(())
            }
            (Action::Fetch(fetch), _) => {
                self.fetches.push_back(fetch);
                self.read_next();
                Ok(())
            }
            (Action::Acknowledged(sent), _) => {
                if self.batch.is_empty() {
                    self.batch_due_ms = now.monotonic_ms + BATCH_MS;
                }
                self.batch.push(sent);
                Ok(())
            }
            (Action::Write { token, write }, _) => return self.write(token, write).await,
            // Without a link the packet is void: the machine hears of the end next.
            (_, None) => Ok(()),
            (Action::Subscribe { pkid, filters }, Some(link)) => link.subscribe(pkid, &filters),
            (Action::Publish(message), Some(link)) => link.publish(&message),
            (Action::PubAck { pkid }, Some(link)) => link.acknowledge(pkid),
            (Action::Ping, Some(link)) => link.ping(),
        };
        if let Err(fault) = result {
            tracing::error!(%fault, "a packet could not be written");
        }
        Ok(())
    }

    fn connect(&self) -> Connecting {
        let settings = self.settings.clone();
        Box::pin(async move {
            let login = login(&settings).await?;
            let hello = Hello {
                client_id: settings
                    .client_id
                    .clone()
                    .unwrap_or_else(|| format!("hearth-{}", settings.gateway)),
                login,
                keep_alive_s: settings.pace.keep_alive_s,
                will: Some((
                    Topics::new(&settings.gateway).status(),
                    br#"{"state":"offline"}"#.to_vec(),
                )),
                clean_start: false,
            };
            broker::connect(&settings.endpoint, &hello).await
        })
    }

    /// One read at a time, off the async threads.
    fn read_next(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let Some(fetch) = self.fetches.pop_front() else { return };
        let Some(mut source) = self.source.take() else { return };
        let handle = tokio::task::spawn_blocking(move || {
            let page = source.fetch(&fetch);
            (source, page)
        });
        self.reading = Some((fetch, handle));
    }

    async fn write(&mut self, token: u64, write: UplinkWrite) -> Result<(), UplinkError> {
        let request = WriteRequest { token, write, reply: self.replies.0.clone() };
        // A full channel means that the writer is busy: waiting here slows the broker, not intake.
        self.ports.writes.send(request).await.map_err(|_| UplinkError::WriterGone)
    }

    async fn flush_batch(&mut self) -> Result<(), UplinkError> {
        let due = self.now().monotonic_ms >= self.batch_due_ms || self.batch.len() >= BATCH_MAX;
        if self.batch.is_empty() || self.written.is_some() || !due {
            return Ok(());
        }
        let rest = self.batch.split_off(self.batch.len().min(BATCH_MAX));
        let sent = std::mem::replace(&mut self.batch, rest);
        self.batch_due_ms =
            if self.batch.is_empty() { u64::MAX } else { self.now().monotonic_ms + BATCH_MS };
        self.written = Some(sent.clone());
        self.write(BATCH_TOKEN, UplinkWrite::Acknowledged(sent)).await
    }

    /// Before the end: what the broker acknowledged is written down, else it would be sent again.
    async fn last_batch(mut self) -> Result<(), UplinkError> {
        let limit = Duration::from_millis(self.settings.pace.stop_ms);
        let write = async {
            while self.written.is_some() || !self.batch.is_empty() {
                self.batch_due_ms = 0;
                self.flush_batch().await?;
                match self.replies.1.recv().await {
                    Some((BATCH_TOKEN, _)) => self.written = None,
                    Some(_) => {}
                    None => break,
                }
            }
            Ok(())
        };
        tokio::time::timeout(limit, write).await.unwrap_or(Ok(()))
    }
}

async fn login(settings: &UplinkSettings) -> Result<Option<(String, String)>, Fault> {
    let Some(username) = settings.username.clone() else { return Ok(None) };
    let Some(path) = settings.password_file.clone() else {
        return Ok(Some((username, String::new())));
    };
    let shown = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    match read {
        Ok(Ok(text)) => Ok(Some((username, text.trim_end_matches(['\r', '\n']).to_owned()))),
        Ok(Err(error)) => Err(Fault::lasting(
            "password_file",
            format!("The password file {shown} could not be read: {error}."),
            "Check that it exists and may be read by the gateway's user.",
        )),
        Err(error) => Err(Fault::passing("password_file", error.to_string(), "Report this.")),
    }
}

fn event(received: Received) -> Event {
    match received {
        Received::Publish { topic, payload, pkid } => {
            Event::Publish { topic, payload: payload.to_vec(), pkid }
        }
        Received::PubAck { pkid, code, said } => Event::PubAck { pkid, code, said },
        Received::SubAck { pkid, codes } => Event::SubAck { pkid, codes },
        Received::Pong => Event::Pong,
    }
}

async fn next(link: Option<&mut Link>) -> Result<Received, Fault> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

async fn some<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Stands where the source was before it moved to the reading thread.
struct Empty;

impl OutboxSource for Empty {
    fn fetch(&mut self, _: &Fetch) -> Result<Page, String> {
        Ok(Page::default())
    }
}
