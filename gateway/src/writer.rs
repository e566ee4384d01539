//! The way to the one thread that owns the path's writer. Everybody asks through a bounded
//! channel; what has arrived meanwhile is committed as one batch. The thread itself is
//! [`crate::app`]'s.

use hearth_shared::time::UnixMillis;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Now;
use crate::control::Command;
use crate::control::execute::{CommandResult, Origin};
use crate::intake::{Arrival, Outcome};
use crate::uplink::source::WriteRequest;

/// Requests that may wait. Each source has one batch under way and each client one request: a few
/// dozen at most; a full channel slows its source.
pub const REQUESTS_MAX: usize = 64;

/// Arrivals in one commit: at 0.1 ms each a batch takes about 50 ms, which no alert notices.
pub const BATCH_MAX: usize = 512;

/// Why something was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The disk took nothing: nothing is held, nothing may be acknowledged; try again later.
    #[error("the disk took nothing: {0}")]
    NoRoom(String),
    /// The database can no longer be used; the process ends.
    #[error("the database can no longer be used: {0}")]
    Fatal(String),
    /// The gateway stops.
    #[error("the gateway stops")]
    Gone,
}

/// Work that the owner of another room brings along, done on the writer's thread.
pub type Work = Box<dyn FnOnce(&mut crate::path::Path) + Send>;

/// The answer's way back.
pub type Reply<T> = oneshot::Sender<Result<T, WriteError>>;

/// What the writer is asked to do.
pub enum Request {
    /// Commit these, all or none, then say what became of each.
    Arrivals {
        /// In the order of arrival.
        arrivals: Vec<Arrival>,
        /// One outcome each.
        reply: Reply<Vec<Outcome>>,
    },
    /// Do what is due at this moment; the next due moment comes back.
    Tick {
        /// The moment.
        now: Now,
        /// The next moment at which something is due.
        reply: Reply<Option<UnixMillis>>,
    },
    /// Execute a command once.
    Execute {
        /// The command.
        command: Box<Command>,
        /// Where it came from.
        origin: Origin,
        /// When.
        now: Now,
        /// What became of it.
        reply: Reply<CommandResult>,
    },
    /// The id of the device with this address.
    DeviceAt {
        /// Bluetooth address.
        address: String,
        /// Its id, where the roster has one.
        reply: Reply<Option<String>>,
    },
    /// Commit a row that proves that writing works.
    Probe {
        /// When.
        now: Now,
        /// Done.
        reply: Reply<()>,
    },
    /// What the uplink wants written.
    Uplink {
        /// The write and where its reply goes.
        write: WriteRequest,
        /// When.
        now: Now,
    },
    /// Anything else.
    Work(Work),
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Arrivals { .. } => "Arrivals",
            Self::Tick { .. } => "Tick",
            Self::Execute { .. } => "Execute",
            Self::DeviceAt { .. } => "DeviceAt",
            Self::Probe { .. } => "Probe",
            Self::Uplink { .. } => "Uplink",
            Self::Work(_) => "Work",
        })
    }
}

/// A handle to the writer's thread.
#[derive(Clone, Debug)]
pub struct Writer(mpsc::Sender<Request>);

impl Writer {
    /// A handle and the end that the thread reads.
    pub fn channel() -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        (Self(sender), receiver)
    }

    /// Commits arrivals. When this returns `Ok`, all of them are durable.
    ///
    /// # Errors
    /// See [`WriteError`]; then none of them is held.
    pub async fn arrivals(&self, arrivals: Vec<Arrival>) -> Result<Vec<Outcome>, WriteError> {
        self.ask(|reply| Request::Arrivals { arrivals, reply }).await
    }

    /// Does what is due at `now`.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn tick(&self, now: Now) -> Result<Option<UnixMillis>, WriteError> {
        self.ask(|reply| Request::Tick { now, reply }).await
    }

    /// Executes a command once per id.
    ///
    /// # Errors
    /// See [`WriteError`]. A refused command is no error of the writer: its result says so.
    pub async fn execute(
        &self,
        command: Command,
        origin: Origin,
        now: Now,
    ) -> Result<CommandResult, WriteError> {
        let command = Box::new(command);
        self.ask(|reply| Request::Execute { command, origin, now, reply }).await
    }

    /// The id of the device with this Bluetooth address.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn device_at(&self, address: String) -> Result<Option<String>, WriteError> {
        self.ask(|reply| Request::DeviceAt { address, reply }).await
    }

    /// Commits a row that proves that writing works.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn probe(&self, now: Now) -> Result<(), WriteError> {
        self.ask(|reply| Request::Probe { now, reply }).await
    }

    /// Hands over a write of the uplink; the reply goes its own way.
    ///
    /// # Errors
    /// [`WriteError::Gone`] when the gateway stops.
    pub async fn uplink(&self, write: WriteRequest, now: Now) -> Result<(), WriteError> {
        self.0.send(Request::Uplink { write, now }).await.map_err(|_| WriteError::Gone)
    }

    /// Runs `work` on the writer's thread, between two commits.
    ///
    /// # Errors
    /// [`WriteError::Gone`] when the gateway stops.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut crate::path::Path) -> T + Send + 'static,
    ) -> Result<T, WriteError> {
        self.ask(|reply| {
            Request::Work(Box::new(move |path| {
                let _ = reply.send(Ok(work(path)));
            }))
        })
        .await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(request(reply)).await.map_err(|_| WriteError::Gone)?;
        answer.await.map_err(|_| WriteError::Gone)?
    }
}
