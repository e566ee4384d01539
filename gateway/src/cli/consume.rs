//! `hearth consume`: a small consumer that keeps to the contract, for people who want to look, and as
//! an example for integrators.
//!
//! 1. A message is made durable before it is acknowledged ([`book::Book::commit`]).
//! 2. It is told apart by lane, number and id; the same one again is dropped.
//! 3. A gap that stays open is asked for (`replay`), also at the end, which the retained status tells.
//! 4. What is held without a gap is confirmed (`watermarks/<consumer>`): the gateway may then forget it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::uplink::broker::{self, Hello, Link, Received};
use crate::uplink::machine::Outbound;
use crate::uplink::message::{Answer, Body, Envelope, Lane, ReplayRequest, Status, Watermark};
use crate::uplink::reason::{self, Fault};
use crate::uplink::topics::{Topics, valid_name};
use crate::uplink::transport::Endpoint;

pub mod book;
mod command;

pub use command::Consume;

use book::{Book, BookError, Lost, Taken, Why};

/// Connection, login and CONNACK within this time.
const CONNECT: Duration = Duration::from_secs(15);
/// Keep alive, s.
const KEEP_ALIVE_S: u16 = 30;
/// A gap may close by itself for so long: alerts overtake, and a message may be under way.
const GAP_GRACE: Duration = Duration::from_secs(1);
/// The same gap is asked for again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Numbers asked for at once.
const ASK_MAX: u64 = 1_000;
/// Confirmed at most this often, and again after [`CONFIRM_AGAIN`] in case one got lost.
const CONFIRM: Duration = Duration::from_millis(500);
/// See [`CONFIRM`].
const CONFIRM_AGAIN: Duration = Duration::from_secs(30);
/// Pause before connecting again; doubled up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(250);
/// See [`PAUSE`].
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Messages made durable with one sync at most.
const BATCH_MAX: usize = 500;
/// Own messages under way at most.
const WINDOW: usize = 8;
/// Time for the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// One plain line each.
    Lines,
    /// The message as it came, one line of JSON each.
    JsonLines,
    /// Nothing.
    Nothing,
}

/// What to consume.
#[derive(Clone)]
pub struct ConsumeSettings {
    /// Where the broker is.
    pub endpoint: Endpoint,
    /// User name and password.
    pub login: Option<(String, String)>,
    /// The gateway's id.
    pub gateway: String,
    /// The consumer's name; the gateway forgets only what its configured consumers confirmed.
    pub consumer: String,
    /// The file of what is held.
    pub state: PathBuf,
    /// Leave out what was sent before.
    pub since_start: bool,
    /// End after so many new messages.
    pub count: Option<u64>,
    /// How messages are printed.
    pub print: Print,
}

impl std::fmt::Debug for ConsumeSettings {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumeSettings")
            .field("endpoint", &self.endpoint)
            .field("gateway", &self.gateway)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// New messages.
    pub new: u64,
    /// Messages that came again and were dropped.
    pub duplicates: u64,
    /// Replays asked for.
    pub replays: u64,
    /// Numbers that the gateway does not hold any more.
    pub lost: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Connections.
    pub connections: u64,
}

/// Why consuming ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The consumer's or gateway's name cannot stand in a topic.
    #[error("\"{0}\" is not a valid name: 1 to 64 letters, digits, '-', '_' or '.'")]
    Name(String),
    /// The file cannot be used.
    #[error(transparent)]
    Book(#[from] BookError),
    /// A person has to change something first.
    #[error("{0}")]
    Broker(Fault),
    /// The gateway's numbers have started over, so the file belongs to an earlier journal.
    #[error(
        "the gateway's numbers on lane {lane} have started over; its journal was replaced or restored. \
         Start with another --state file, and keep the old one"
    )]
    Renumbered {
        /// The lane.
        lane: &'static str,
    },
    /// Printing failed.
    #[error("cannot print: {0}")]
    Output(std::io::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Again(fault)
    }
}

enum Stop {
    Again(Fault),
    Done,
    Failed(ConsumeError),
}

impl<E: Into<ConsumeError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Consumes until `stop`, or until enough messages have come. Connects again whenever it has to;
/// `say` is told what goes wrong meanwhile, one sentence at a time.
///
/// # Errors
/// Where trying again cannot help.
///
/// # Cancellation
/// Safe: what was not made durable was not acknowledged and comes again.
pub async fn run(
    settings: &ConsumeSettings,
    out: &mut (dyn Write + Send),
    say: &mut (dyn FnMut(&str) + Send),
    stop: CancellationToken,
) -> Result<Summary, ConsumeError> {
    for name in [&settings.gateway, &settings.consumer] {
        if !valid_name(name) {
            return Err(ConsumeError::Name(name.clone()));
        }
    }
    let mut consumer = Consumer {
        topics: Topics::new(&settings.gateway),
        book: Book::open(&settings.state, &settings.gateway)?,
        settings,
        out,
        summary: Summary::default(),
        last: [0; 2],
        gaps: [None, None],
        confirmed: [0; 2],
        confirmed_at: None,
        unanswered: BTreeSet::new(),
        pkid: 0,
        skip: settings.since_start,
    };
    let mut pause = PAUSE;
    loop {
        let before = consumer.summary;
        let ended = tokio::select! {
            () = stop.cancelled() => return Ok(consumer.summary),
            ended = consumer.connection(&stop) => ended,
        };
        match ended {
            Stop::Done => return Ok(consumer.summary),
            Stop::Failed(error) => return Err(error),
            Stop::Again(fault) if fault.configuration => return Err(ConsumeError::Broker(fault)),
            Stop::Again(fault) => say(&fault.to_string()),
        }
        if consumer.summary.new > before.new {
            pause = PAUSE;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(consumer.summary),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

struct Consumer<'a> {
    settings: &'a ConsumeSettings,
    topics: Topics,
    book: Book,
    out: &'a mut (dyn Write + Send),
    summary: Summary,
    /// Last numbers given, as the status says.
    last: [u64; 2],
    /// The first gap of each lane: since when it is open, when it was asked for.
    gaps: [Option<Gap>; 2],
    confirmed: [u64; 2],
    confirmed_at: Option<Instant>,
    unanswered: BTreeSet<u16>,
    pkid: u16,
    skip: bool,
}

#[derive(Clone, Copy)]
struct Gap {
    range: (u64, u64),
    since: Instant,
    asked: Option<Instant>,
}

impl Consumer<'_> {
    /// One connection, to its end.
    async fn connection(&mut self, stop: &CancellationToken) -> Stop {
        match self.serve(stop).await {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Result<std::convert::Infallible, Stop> {
        let hello = Hello {
            client_id: format!("hearth-consumer-{}", self.settings.consumer),
            login: self.settings.login.clone(),
            keep_alive_s: KEEP_ALIVE_S,
            will: None,
            clean_start: self.skip,
        };
        let connecting = broker::connect(&self.settings.endpoint, &hello);
        let (mut link, ..) = tokio::time::timeout(CONNECT, connecting).await.map_err(|_| {
            Fault::passing("no_answer", "The broker did not answer in time.", "Check that it runs.")
        })??;
        self.summary.connections += 1;
        self.unanswered.clear();
        self.confirmed_at = None;
        let mut filters: Vec<_> =
            Lane::ALL.iter().map(|lane| (self.topics.lane(*lane), 1)).collect();
        filters.extend([(self.topics.results(), 1), (self.topics.status(), 1)]);
        let pkid = self.next_pkid();
        link.subscribe(pkid, &filters)?;
        let mut heard = Instant::now();
        let mut pinged = false;
        loop {
            let wait = Duration::from_millis(100);
            let received = tokio::time::timeout(wait, link.next()).await;
            let mut acknowledge = Vec::new();
            if let Ok(received) = received {
                (heard, pinged) = (Instant::now(), false);
                self.take(received?, &filters, &mut acknowledge)?;
                while acknowledge.len() < BATCH_MAX && !self.enough() {
                    let Some(received) = link.take()? else { break };
                    self.take(received, &filters, &mut acknowledge)?;
                }
            }
            // Durable first, then acknowledged, then confirmed.
            self.book.commit()?;
            self.out.flush().map_err(ConsumeError::Output)?;
            for pkid in acknowledge {
                link.acknowledge(pkid)?;
            }
            self.ask(&mut link)?;
            self.confirm(&mut link)?;
            if self.enough() || stop.is_cancelled() {
                self.confirmed_at = None;
                self.confirm(&mut link)?;
                link.goodbye(GOODBYE).await;
                return Err(Stop::Done);
            }
            let silent = heard.elapsed();
            if silent > Duration::from_secs(u64::from(KEEP_ALIVE_S)) {
                return Err(Stop::Again(Fault::passing(
                    "silent",
                    "The broker has stopped answering.",
                    "Check whether it hangs.",
                )));
            }
            if !pinged && silent > Duration::from_secs(u64::from(KEEP_ALIVE_S) / 2) {
                pinged = true;
                link.ping()?;
            }
        }
    }

    fn enough(&self) -> bool {
        self.settings.count.is_some_and(|count| self.summary.new >= count)
    }

    fn next_pkid(&mut self) -> u16 {
        self.pkid = self.pkid.checked_add(1).unwrap_or(1);
        self.pkid
    }

    fn take(
        &mut self,
        received: Received,
        filters: &[(String, u8)],
        acknowledge: &mut Vec<u16>,
    ) -> Result<(), Stop> {
        match received {
            Received::SubAck { codes, .. } => {
                if let Some((filter, code)) =
                    filters.iter().zip(codes).find(|(_, code)| *code >= 0x80)
                {
                    return Err(Stop::Again(reason::subscribe(code, &filter.0)));
                }
            }
            Received::PubAck { pkid, code, said } => {
                self.unanswered.remove(&pkid);
                if code >= 0x80 {
                    let topic = self.topics.watermarks(&self.settings.consumer);
                    return Err(Stop::Again(reason::publish(code, &topic).saying(said.as_deref())));
                }
            }
            Received::Pong => {}
            Received::Publish { topic, payload, pkid } => {
                if topic == self.topics.status() {
                    self.status(&payload);
                } else if topic == self.topics.results() {
                    self.answer(&payload);
                } else {
                    self.message(&payload)?;
                }
                if pkid != 0 {
                    acknowledge.push(pkid);
                }
            }
        }
        Ok(())
    }

    fn message(&mut self, payload: &[u8]) -> Result<(), Stop> {
        let envelope: Envelope = match serde_json::from_slice(payload) {
            Ok(envelope) if Book::understands(&envelope) => envelope,
            _ => {
                // Of a later version: acknowledged, or it would come for ever, but not confirmed.
                self.summary.unreadable += 1;
                return Ok(());
            }
        };
        if envelope.gateway != self.settings.gateway {
            return Ok(());
        }
        match self.book.take(&envelope) {
            Taken::New => {
                self.summary.new += 1;
                let printed = match self.settings.print {
                    Print::Nothing => Ok(()),
                    Print::Lines => writeln!(self.out, "{}", line(&envelope)),
                    Print::JsonLines => {
                        self.out.write_all(payload).and_then(|()| writeln!(self.out))
                    }
                };
                printed.map_err(ConsumeError::Output)?;
            }
            Taken::Duplicate => self.summary.duplicates += 1,
            Taken::Renumbered => {
                let lane = envelope.lane.as_str();
                return Err(Stop::Failed(ConsumeError::Renumbered { lane }));
            }
        }
        Ok(())
    }

    fn status(&mut self, payload: &[u8]) {
        let Ok(status) = serde_json::from_slice::<Status>(payload) else { return };
        if status.lanes.is_empty() {
            // The will: the broker knows no numbers.
            return;
        }
        for lane in status.lanes {
            let known = &mut self.last[lane.lane as usize - 1];
            *known = (*known).max(lane.last);
            // A lower number says nothing: a retained status may be older than what we hold.
            let through = self.book.through(lane.lane);
            if self.skip && lane.last > through {
                let (from, to) = (through + 1, lane.last);
                self.book.lose(Lost { lane: lane.lane, from, to, why: Why::Skipped });
            }
        }
        self.skip = false;
    }

    /// The gateway says that numbers we asked for are not kept any more.
    fn answer(&mut self, payload: &[u8]) {
        let Ok(answer) = serde_json::from_slice::<Answer>(payload) else { return };
        let Some(result) = answer.result.filter(|_| answer.to == "replay" && !answer.ok) else {
            return;
        };
        let ours = result.get("consumer").and_then(|c| c.as_str()) == Some(&self.settings.consumer);
        let lane = result.get("lane").cloned().and_then(|l| serde_json::from_value(l).ok());
        let missing: Option<Vec<(u64, u64)>> =
            result.get("missing").cloned().and_then(|m| serde_json::from_value(m).ok());
        let (true, Some(lane), Some(missing)) = (ours, lane, missing) else { return };
        for (from, to) in missing {
            // Only what we may have asked for: a number beyond would hide what is yet to come.
            let asked = from >= 1 && from <= to && to - from < ASK_MAX;
            if !asked || to > self.last[lane as usize - 1].max(self.book.highest(lane)) {
                continue;
            }
            self.book.lose(Lost { lane, from, to, why: Why::NotKept });
            self.summary.lost += to.saturating_sub(from) + 1;
        }
    }

    /// Asks for a gap that has stayed open.
    fn ask(&mut self, link: &mut Link) -> Result<(), Stop> {
        for (at, lane) in Lane::ALL.into_iter().enumerate() {
            let Some(range) = self.book.gap(lane, self.last[at], ASK_MAX) else {
                self.gaps[at] = None;
                continue;
            };
            let now = Instant::now();
            let gap = match self.gaps[at] {
                Some(gap) if gap.range.0 == range.0 => gap,
                // The rest of a longer gap: it has been open as long as the part that was asked for.
                Some(gap) if gap.asked.is_some() && range.0 == gap.range.1.saturating_add(1) => {
                    Gap { range, since: gap.since, asked: None }
                }
                _ => Gap { range, since: now, asked: None },
            };
            self.gaps[at] = Some(Gap { range, ..gap });
            let again = gap.asked.is_none_or(|asked| asked.elapsed() > ASK_AGAIN);
            if gap.since.elapsed() < GAP_GRACE || !again || self.unanswered.len() >= WINDOW {
                continue;
            }
            let consumer = self.settings.consumer.clone();
            let request = ReplayRequest { consumer, lane, from: range.0, to: range.1 };
            let topic = self.topics.replay();
            self.publish(link, topic, serde_json::to_vec(&request).unwrap_or_default())?;
            self.summary.replays += 1;
            self.gaps[at] = Some(Gap { range, asked: Some(now), ..gap });
        }
        Ok(())
    }

    /// Confirms what is held without a gap.
    fn confirm(&mut self, link: &mut Link) -> Result<(), Stop> {
        let since = self.confirmed_at.map(|at| at.elapsed());
        if since.is_some_and(|s| s < CONFIRM) {
            return Ok(());
        }
        let again = since.is_none_or(|s| s > CONFIRM_AGAIN);
        for (at, lane) in Lane::ALL.into_iter().enumerate() {
            let seq = self.book.through(lane);
            let moved = seq > self.confirmed[at] || (again && seq > 0);
            if !moved || self.unanswered.len() >= WINDOW {
                continue;
            }
            let consumer = self.settings.consumer.clone();
            let topic = self.topics.watermarks(&consumer);
            let mark = Watermark { consumer, lane, seq };
            self.publish(link, topic, serde_json::to_vec(&mark).unwrap_or_default())?;
            self.confirmed[at] = seq;
            self.confirmed_at = Some(Instant::now());
        }
        Ok(())
    }

    fn publish(&mut self, link: &mut Link, topic: String, payload: Vec<u8>) -> Result<(), Stop> {
        let pkid = self.next_pkid();
        self.unanswered.insert(pkid);
        let message = Outbound { pkid, topic, payload, retain: false, dup: false, expiry_s: None };
        link.publish(&message)?;
        Ok(())
    }
}

/// A message as one plain line.
pub fn line(envelope: &Envelope) -> String {
    let who = envelope.patient.as_deref().unwrap_or("nobody yet");
    let head = format!("{:>12} {:>6}  {who}", envelope.lane.as_str(), envelope.seq);
    let said = match &envelope.body {
        Body::Observation(o) => match (&o.value, &o.diastolic, &o.absent) {
            (Some(v), Some(d), _) => format!("{} {v}/{d} {} at {}", o.quantity, o.unit, o.measured),
            (Some(v), None, _) => format!("{} {v} {} at {}", o.quantity, o.unit, o.measured),
            (None, _, why) => format!(
                "{} without a value ({}) at {}",
                o.quantity,
                why.as_deref().unwrap_or("no reason"),
                o.measured
            ),
        },
        Body::Alert(a) => format!("alert {} level {}: {} to {}", a.rule, a.level, a.from, a.to),
        Body::Notice(n) => format!("notice to {}, level {}: {}", n.to, n.level, n.reason),
        Body::Prompt(p) => format!("prompt {} ({}): {}", p.prompt, p.language, p.text),
        Body::Task(t) => format!("task {} ({}): {}", t.task, t.state, t.reason),
        Body::Verdict(v) => format!("verdict {}: {}", v.verdict, v.sentence),
        Body::Tombstone(t) => format!("{} number withdrawn: {}", t.of, t.reason),
    };
    // A text may hold line breaks; the line stays one.
    format!("{head}  {said}").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
