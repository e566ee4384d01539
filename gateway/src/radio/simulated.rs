//! The household's side of the radio: a Unix socket on which a simulated household connects
//! devices, hands over characteristic values and drives the clock.
//!
//! [`Household`] is the machine: one event and the time in, one [`Action`] out. [`Simulated::run`] carries
//! lines. A value is told `committed` only after the writer committed it; until then the household
//! waits, because nothing more is read from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hearth_shared::time::UnixMillis;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::RadioCommand;
use super::household::{Action, Household, understood};
use crate::clock::{Backwards, Clock};
use crate::intake::Arrival;
use crate::json_lines::{Line, Lines};
use crate::writer::{WriteError, Writer};

/// Longest line: an attribute value has 512 octets at most (Core Specification 5.4, 3.F.3.2.9),
/// 1024 hex digits; the rest is names.
const LINE_MAX: usize = 4096;

/// Arrivals handed to the writer at once: what has arrived, up to the writer's own cap.
const BATCH_MAX: usize = 256;

/// How long a household that left without goodbye may take to return before real time goes on.
const RETURN_WITHIN: Duration = Duration::from_secs(10);

/// How long one answer may take to be read by the household.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the broker may take to be there before a household's clock starts all the same.
const ONLINE_WITHIN: Duration = Duration::from_secs(5);

/// How long the clock waits for messages to leave before it moves on.
const SENT_WITHIN: Duration = Duration::from_secs(2);

/// First and longest pause between two attempts to commit while the disk is full.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Moments done at one and the same due time before the advance goes on regardless: a tick that
/// does not settle what is due would otherwise hold the clock for ever.
const SAME_MOMENT_MAX: u32 = 64;

/// What `hearth status` says of the simulated radio.
#[derive(Debug, Default)]
pub struct RadioState {
    /// A household is connected.
    pub connected: AtomicBool,
    /// Lines that were refused.
    pub refused: AtomicU64,
    /// Values that were committed.
    pub committed: AtomicU64,
}

/// What keeps the story in step when weeks pass in seconds: a prompt that expires in two days must
/// have left before the household's clock has moved on.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Messages that expire wait to be sent.
    pub queued: watch::Receiver<bool>,
    /// The broker is reachable.
    pub online: watch::Receiver<bool>,
    /// Messages are sent to a broker at all.
    pub uplink: bool,
}

impl Pace {
    /// Waits until the broker is there for the first time, at most [`ONLINE_WITHIN`].
    async fn wait_for_broker(&mut self) {
        if self.uplink {
            let online = self.online.wait_for(|&online| online);
            let _ = tokio::time::timeout(ONLINE_WITHIN, online).await;
        }
    }

    /// Waits until nothing that expires is queued, nobody is there to take it, or [`SENT_WITHIN`]
    /// has passed.
    async fn wait_until_sent(&mut self) {
        if !self.uplink {
            return;
        }
        let online = &mut self.online;
        let queued = &mut self.queued;
        let done = async {
            tokio::select! {
                _ = queued.wait_for(|&queued| !queued) => {}
                _ = online.wait_for(|&online| !online) => {}
            }
        };
        let _ = tokio::time::timeout(SENT_WITHIN, done).await;
    }
}

/// Settings and neighbours of the simulated radio.
#[derive(Debug)]
pub struct Simulated {
    /// The listening socket.
    pub listener: UnixListener,
    /// The clock that the household drives.
    pub clock: Clock,
    /// The one writer.
    pub writer: Writer,
    /// Counted for the status.
    pub state: Arc<RadioState>,
    /// Notified once the clock has its first moment; answered before the household goes on.
    pub started: mpsc::Sender<oneshot::Sender<()>>,
    /// Keeps the clock from running ahead of the messages.
    pub pace: Pace,
}

/// Why one household's conversation ended.
enum End {
    /// It said goodbye.
    Bye,
    /// It went away in the middle, or did not read its answers.
    Lost,
    /// The gateway stops.
    Stop,
}

impl Simulated {
    /// Serves one household after the other until `stop`.
    ///
    /// # Errors
    /// The writer is gone: the process ends.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), WriteError> {
        loop {
            let lost = self.clock.is_driven();
            let accepted = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(RETURN_WITHIN), if lost => {
                    tracing::warn!("the household did not return; the clock goes on in real time");
                    self.clock.release();
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a household could not be let in");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            self.state.connected.store(true, Ordering::Relaxed);
            tracing::info!("a simulated household is connected");
            let end = self.converse(stream, &stop).await;
            self.state.connected.store(false, Ordering::Relaxed);
            match end? {
                End::Bye => tracing::info!("the household said goodbye; real time goes on"),
                End::Lost => tracing::warn!("the household went away without goodbye"),
                End::Stop => return Ok(()),
            }
        }
    }

    async fn converse(
        &mut self,
        stream: UnixStream,
        stop: &CancellationToken,
    ) -> Result<End, WriteError> {
        let (read, mut write) = stream.into_split();
        let mut lines = Lines::new(read, LINE_MAX);
        let mut household = Household::default();
        let mut batch: Vec<Arrival> = Vec::new();
        loop {
            // What has arrived is committed before anything else is waited for.
            if !batch.is_empty() && (batch.len() >= BATCH_MAX || !lines.ready()) {
                let full = std::mem::take(&mut batch);
                if !self.commit(full, &mut write, stop).await? {
                    return Ok(if stop.is_cancelled() { End::Stop } else { End::Lost });
                }
            }
            let line = tokio::select! {
                () = stop.cancelled() => return Ok(End::Stop),
                line = next(&mut lines, self.listener.accept()) => line,
            };
            let text = match line {
                Line::Text(text) => Ok(text),
                Line::TooLong => Err(format!("a line may have {LINE_MAX} octets at most")),
                Line::NotText => Err("the line is not UTF-8 text".to_owned()),
                Line::End { partial } => {
                    if partial > 0 {
                        self.state.refused.fetch_add(1, Ordering::Relaxed);
                    }
                    return Ok(End::Lost);
                }
            };
            let action = text.and_then(|text| understood(&text)).and_then(|event| {
                let now = self.clock.now();
                household.on(event, now)
            });
            // Order is kept: what came before is durable before the next step is done.
            if !matches!(action, Ok(Action::Arrive(_))) && !batch.is_empty() {
                let before = std::mem::take(&mut batch);
                if !self.commit(before, &mut write, stop).await? {
                    return Ok(if stop.is_cancelled() { End::Stop } else { End::Lost });
                }
            }
            let answer = match action {
                Ok(Action::Arrive(arrival)) => {
                    batch.push(arrival);
                    None
                }
                Ok(Action::Release) => {
                    self.clock.release();
                    return Ok(End::Bye);
                }
                Ok(action) => self.act(action, &mut household).await?,
                Err(reason) => Some(RadioCommand::Refused { reason }),
            };
            if let Some(answer) = answer {
                if let RadioCommand::Refused { reason } = &answer {
                    self.state.refused.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(reason, "a line of the household was refused");
                }
                if !tell(&mut write, &answer).await {
                    return Ok(End::Lost);
                }
            }
        }
    }

    async fn act(
        &mut self,
        action: Action,
        household: &mut Household,
    ) -> Result<Option<RadioCommand>, WriteError> {
        match action {
            Action::Start(at) => {
                self.pace.wait_for_broker().await;
                if let Err(backwards) = self.clock.drive(at) {
                    return Ok(Some(RadioCommand::Refused { reason: backwards.to_string() }));
                }
                let (done, wait) = oneshot::channel();
                if self.started.send(done).await.is_ok() {
                    let _ = wait.await;
                }
                Ok(Some(RadioCommand::Reached { now_ms: at.millis() }))
            }
            Action::Connect { address, connection } => {
                if let Some(id) = self.writer.device_at(address).await? {
                    household.named(connection, id);
                }
                Ok(None)
            }
            Action::Advance(to) => match self.advance(to).await {
                Ok(()) => Ok(Some(RadioCommand::Reached { now_ms: to.millis() })),
                Err(Halted::Backwards(backwards)) => {
                    Ok(Some(RadioCommand::Refused { reason: backwards.to_string() }))
                }
                Err(Halted::Write(error)) => Err(error),
            },
            Action::Arrive(_) | Action::Release | Action::Nothing => Ok(None),
        }
    }

    /// Every due moment up to `to`, one by one and in order, each with the clock standing at that
    /// moment.
    async fn advance(&mut self, to: UnixMillis) -> Result<(), Halted> {
        let mut same_moment = 0;
        let mut previous = None;
        let mut due = self.tick().await?;
        while let Some(at) = due.filter(|&at| at <= to && same_moment < SAME_MOMENT_MAX) {
            let at = at.max(self.clock.now().wall);
            same_moment = if previous == Some(at) { same_moment + 1 } else { 0 };
            previous = Some(at);
            self.clock.drive(at).map_err(Halted::Backwards)?;
            due = self.tick().await?;
        }
        if same_moment >= SAME_MOMENT_MAX {
            tracing::error!("what is due at one moment does not settle; the clock goes on");
        }
        self.clock.drive(to).map_err(Halted::Backwards)?;
        self.tick().await?;
        Ok(())
    }

    async fn tick(&mut self) -> Result<Option<UnixMillis>, Halted> {
        let due = loop {
            match self.writer.tick(self.clock.now()).await {
                Ok(due) => break due,
                Err(WriteError::NoRoom(_)) => tokio::time::sleep(BACKOFF_MAX).await,
                Err(error) => return Err(Halted::Write(error)),
            }
        };
        self.pace.wait_until_sent().await;
        Ok(due)
    }

    /// Commits a batch, however long that takes, then says so. False: the household or the gateway
    /// goes.
    async fn commit(
        &mut self,
        batch: Vec<Arrival>,
        write: &mut OwnedWriteHalf,
        stop: &CancellationToken,
    ) -> Result<bool, WriteError> {
        let mut pause = BACKOFF_MIN;
        let mut through: BTreeMap<u32, u32> = BTreeMap::new();
        for arrival in &batch {
            let last = through.entry(arrival.connection).or_default();
            *last = (*last).max(arrival.position);
        }
        let count = batch.len() as u64;
        // Nothing is acknowledged while the disk is full; the household keeps its values.
        loop {
            match self.writer.arrivals(batch.clone()).await {
                Ok(_) => break,
                Err(WriteError::NoRoom(_)) => {
                    tokio::select! {
                        () = stop.cancelled() => return Ok(false),
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(BACKOFF_MAX);
                }
                Err(error) => return Err(error),
            }
        }
        self.state.committed.fetch_add(count, Ordering::Relaxed);
        for (connection, position) in through {
            if !tell(write, &RadioCommand::Committed { connection, position }).await {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

enum Halted {
    Backwards(Backwards),
    Write(WriteError),
}

/// The next line; whoever else knocks meanwhile is told that there is room for one household only.
async fn next(
    lines: &mut Lines<OwnedReadHalf>,
    knock: impl Future<Output = std::io::Result<(UnixStream, tokio::net::unix::SocketAddr)>>,
) -> Line {
    let mut knock = std::pin::pin!(knock);
    let mut answered = false;
    loop {
        tokio::select! {
            line = lines.next() => return line.unwrap_or(Line::End { partial: 0 }),
            other = &mut knock, if !answered => {
                answered = true;
                if let Ok((stream, _)) = other {
                    let (_, mut write) = stream.into_split();
                    let reason = "another household is connected".to_owned();
                    tell(&mut write, &RadioCommand::Refused { reason }).await;
                }
            }
        }
    }
}

/// False: the household does not read.
async fn tell(write: &mut OwnedWriteHalf, command: &RadioCommand) -> bool {
    let Ok(mut line) = serde_json::to_vec(command) else { return false };
    line.push(b'\n');
    let written = tokio::time::timeout(ANSWER_WITHIN, write.write_all(&line)).await;
    matches!(written, Ok(Ok(())))
}
