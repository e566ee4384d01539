//! The thread that owns the path's writer: one request after the other, arrivals as one batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

use super::rooms;
use crate::clock::Now;
use crate::intake::Arrival;
use crate::path::Path;
use crate::store::{Reader, StoreError, listing, probe};
use crate::uplink::source::{self, UplinkWrite, UplinkWritten, WriteRequest};
use crate::writer::{BATCH_MAX, Reply, Request, WriteError};

/// What the thread tells everybody else.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    /// Counts commits; whoever waits on it reads the store when it changes.
    pub(super) committed: watch::Sender<i64>,
    /// Messages that expire wait to be sent.
    pub(super) queued: watch::Sender<bool>,
    /// The disk takes nothing at present.
    pub(super) full: Arc<AtomicBool>,
}

/// How the thread ended.
#[derive(Debug)]
pub(super) enum End {
    /// Nobody asks any more.
    Done,
    /// The database can no longer be used.
    Fatal(String),
}

/// Starts the thread. The second value becomes ready when it ends.
pub(super) fn spawn(
    gateway: String,
    path: Path,
    reader: Reader,
    requests: mpsc::Receiver<Request>,
    signals: Signals,
) -> std::io::Result<(JoinHandle<()>, oneshot::Receiver<End>)> {
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
        let mut custody = Custody { path, reader, requests, signals, fatal: None, gateway };
        let how = custody.run();
        let _ = ended.send(how);
    })?;
    Ok((thread, end))
}

struct Custody {
    path: Path,
    reader: Reader,
    requests: mpsc::Receiver<Request>,
    signals: Signals,
    fatal: Option<String>,
    gateway: String,
}

impl Custody {
    fn run(&mut self) -> End {
        self.tell();
        let mut held = None;
        while let Some(request) = held.take().or_else(|| self.requests.blocking_recv()) {
            match request {
                Request::Arrivals { arrivals, reply } => held = self.arrivals(arrivals, reply),
                other => self.other(other),
            }
            if let Some(reason) = self.fatal.take() {
                return End::Fatal(reason);
            }
            self.tell();
        }
        End::Done
    }

    /// Commits these and every arrival that waits behind them, up to the cap, as one batch. The
    /// request that ended the batch comes back.
    fn arrivals(
        &mut self,
        mut batch: Vec<Arrival>,
        reply: Reply<Vec<crate::intake::Outcome>>,
    ) -> Option<Request> {
        let mut replies = vec![(batch.len(), reply)];
        let mut next = None;
        while batch.len() < BATCH_MAX {
            match self.requests.try_recv() {
                Ok(Request::Arrivals { arrivals, reply }) => {
                    replies.push((arrivals.len(), reply));
                    batch.extend(arrivals);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        let taken = self.path.take(&batch);
        match self.settled(taken) {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                for (count, reply) in replies {
                    let _ = reply.send(Ok(outcomes.by_ref().take(count).collect()));
                }
            }
            Err(error) => {
                for (_, reply) in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
        next
    }
}

impl Custody {
    fn other(&mut self, request: Request) {
        match request {
            Request::Arrivals { reply, .. } => drop(reply.send(Err(WriteError::Gone))),
            Request::Tick { now, reply } => {
                let done = self.path.tick(now);
                let _ = reply.send(self.settled(done));
            }
            Request::Execute { command, origin, now, reply } => {
                let done = rooms::execute(&mut self.path, &command, origin, now);
                let _ = reply.send(self.settled(done));
            }
            Request::DeviceAt { address, reply } => {
                // That reading works says nothing about a disk that takes no rows.
                let found = listing::device_at(&self.reader, &address);
                let _ = reply.send(found.or_else(|error| self.settled(Err(error))));
            }
            Request::Probe { now, reply } => {
                let done = self.path.store().transaction(|tx| probe::note(tx, now.wall));
                let _ = reply.send(self.settled(done));
            }
            Request::Uplink { write, now } => self.uplink(write, now),
            Request::Work(work) => work(&mut self.path),
        }
    }

    /// Writes of the uplink; what came in from the broker enters through the path like everything
    /// else.
    fn uplink(&mut self, request: WriteRequest, now: Now) {
        let WriteRequest { token, write, reply } = request;
        let done = match write {
            UplinkWrite::Incoming { to, payload, problem } => {
                let came = (to, payload.as_slice(), problem.as_deref());
                rooms::incoming(&mut self.path, &self.gateway, came, now)
            }
            write => self.path.store().transaction(|tx| source::apply(tx, &write, now.wall)),
        };
        let written = match self.settled(done) {
            Ok(written) => written,
            Err(error) => UplinkWritten::Failed(error.to_string()),
        };
        // The uplink is gone: it comes again after the next start.
        let _ = reply.send((token, written));
    }

    /// Sorts errors by what a caller does with them, and keeps count of the disk's state.
    fn settled<T>(&mut self, done: Result<T, StoreError>) -> Result<T, WriteError> {
        let error = match done {
            Ok(value) => {
                if self.signals.full.swap(false, Ordering::Relaxed) {
                    tracing::info!("the disk takes rows again");
                }
                return Ok(value);
            }
            Err(error) => error,
        };
        match error {
            StoreError::Disk(_) => {
                if !self.signals.full.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "nothing is acknowledged until the disk takes rows again");
                }
                Err(WriteError::NoRoom(error.to_string()))
            }
            error => {
                tracing::error!(%error, "the database can no longer be used");
                let reason = error.to_string();
                self.fatal = Some(reason.clone());
                Err(WriteError::Fatal(reason))
            }
        }
    }

    fn tell(&mut self) {
        self.signals.committed.send_modify(|count| *count += 1);
        if let Ok(queued) = listing::anything_expiring_queued(&self.reader) {
            self.signals
                .queued
                .send_if_modified(|known| std::mem::replace(known, queued) != queued);
        }
    }
}
