//! The uplink's decisions: events and the time in, actions out. No socket, no clock, no thread.

use std::collections::{BTreeMap, VecDeque};

use crate::clock::Now;
use crate::store::outbox_page::{Fetch, Form, Page, Row, Sent};
use crate::uplink::incoming::{self, Parsed};
use crate::uplink::lane::{LaneQueue, PAGE};
use crate::uplink::message::{Answer, Lane, LaneStatus, ReplayRequest, Status};
use crate::uplink::reason::{self, Fault};
use crate::uplink::render::{Rendered, publish_size, render, rfc3339};
use crate::uplink::source::{UplinkWrite, UplinkWritten};
use crate::uplink::topics::Topics;

mod connection;
mod traffic;

pub use connection::Pace;

/// Messages under way at most, whatever the broker allows: bounds what is sent twice after a cut.
pub const WINDOW_MAX: u16 = 256;
/// "Online" means a message of our own came back within this time, ms.
pub const ROUND_TRIP_MAX_MS: u64 = 120_000;
/// Time between two canaries, ms: three may be lost before we are not online any more.
pub const CANARY_MS: u64 = 30_000;
/// The status is said again after this time, ms, so that a consumer learns the last numbers.
pub const STATUS_MS: u64 = 60_000;
/// Time between two removals of confirmed rows, ms.
pub const FORGET_MS: u64 = 60_000;
/// Answers waiting to be published at most; the oldest is dropped and counted, its sender may ask again.
pub const ANSWERS_MAX: usize = 1_000;
/// Replay requests waiting at most; a further one is refused.
pub const REPLAYS_MAX: usize = 64;
/// Days that rows are kept where no consumer is configured.
pub const KEEP_DAYS: u32 = 7;

/// What the machine has to know.
#[derive(Clone, Debug)]
pub struct MachineSettings {
    /// The gateway's id.
    pub gateway: String,
    /// Consumers whose watermarks let rows be forgotten.
    pub consumers: Vec<String>,
    /// Without consumers: days that acknowledged rows are kept.
    pub keep_days: u32,
    /// Time limits of the connection.
    pub pace: Pace,
    /// Seed of the jitter.
    pub seed: u64,
}

/// What the broker allows, from its CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Messages under way.
    pub receive_maximum: u16,
    /// Octets of a packet; `None`: no limit.
    pub maximum_packet_size: Option<u32>,
    /// Highest QoS.
    pub maximum_qos: u8,
    /// Whether it keeps retained messages.
    pub retain_available: bool,
    /// Keep alive that the broker wants instead of ours, s.
    pub keep_alive_s: Option<u16>,
}

impl Default for ServerLimits {
    /// What MQTT 5 says for a CONNACK without properties.
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            maximum_qos: 2,
            retain_available: true,
            keep_alive_s: None,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The broker accepted us.
    Connected {
        /// It still knows our session.
        session_present: bool,
        /// What it allows.
        limits: ServerLimits,
    },
    /// There is no connection, or it ended.
    Disconnected(Fault),
    /// Subscriptions were answered, a code each.
    SubAck {
        /// Packet id.
        pkid: u16,
        /// Reason codes in the order of the filters.
        codes: Vec<u8>,
    },
    /// A message was taken or refused.
    PubAck {
        /// Packet id.
        pkid: u16,
        /// Reason code.
        code: u8,
        /// What the broker said about it.
        said: Option<String>,
    },
    /// A message came in.
    Publish {
        /// Topic.
        topic: String,
        /// Octets.
        payload: Vec<u8>,
        /// Packet id; 0 for QoS 0.
        pkid: u16,
    },
    /// The broker answered a ping.
    Pong,
    /// A read of the outbox.
    Rows {
        /// What was asked.
        asked: Fetch,
        /// What came; an error is a sentence.
        page: Result<Page, String>,
    },
    /// Acknowledgements are written down.
    Stored(Vec<Sent>),
    /// The writer replied to a [`Action::Write`].
    Written {
        /// Token of the write.
        token: u64,
        /// The reply.
        written: UplinkWritten,
    },
    /// The store committed further rows.
    Wake,
    /// What the status says besides.
    Notes {
        /// Where readings come from.
        adapter: Option<String>,
        /// Who is silent, and why.
        notes: Vec<String>,
    },
    /// Time has passed.
    Timer,
    /// End: say goodbye, leave the unsent in the outbox.
    Stop,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open a connection.
    Connect,
    /// Drop the connection.
    Close,
    /// Send DISCONNECT and close.
    Disconnect,
    /// Subscribe; filter and QoS.
    Subscribe {
        /// Packet id.
        pkid: u16,
        /// Filters with the highest QoS wanted.
        filters: Vec<(String, u8)>,
    },
    /// Publish at QoS 1.
    Publish(Outbound),
    /// Acknowledge an incoming message.
    PubAck {
        /// Packet id.
        pkid: u16,
    },
    /// Send PINGREQ.
    Ping,
    /// Read the outbox.
    Fetch(Fetch),
    /// The broker acknowledged a row: write it down with the next batch.
    Acknowledged(Sent),
    /// Hand to the single writer.
    Write {
        /// Comes back with the reply.
        token: u64,
        /// What to write.
        write: UplinkWrite,
    },
    /// The end.
    Stopped,
}

/// One message to publish at QoS 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Packet id.
    pub pkid: u16,
    /// Topic.
    pub topic: String,
    /// Octets.
    pub payload: Vec<u8>,
    /// Kept by the broker for later subscribers.
    pub retain: bool,
    /// Sent before under the same packet id.
    pub dup: bool,
    /// Message Expiry Interval, s.
    pub expiry_s: Option<u32>,
}

/// What the uplink looks like from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UplinkView {
    /// `online`, `degraded`, `connecting`, `offline`.
    pub state: &'static str,
    /// What does not work, with its remedy.
    pub problem: Option<Fault>,
    /// Messages of the lanes that the broker took since the start.
    pub taken: u64,
    /// Refusals since the start.
    pub refused: u64,
    /// Rows set aside since the start.
    pub set_aside: u64,
    /// Connections since the start.
    pub connections: u64,
    /// Messages under way.
    pub in_flight: usize,
}

#[derive(Clone, Debug)]
enum Cargo {
    Row(Row, Form),
    Replay(Lane, u64),
    Answer,
    Status,
    Canary,
}

#[derive(Clone, Debug)]
struct Flight {
    cargo: Cargo,
    packet: Outbound,
    order: u64,
    since_ms: u64,
}

#[derive(Clone, Debug)]
struct Replay {
    request: ReplayRequest,
    next: u64,
    queue: VecDeque<Row>,
    fetching: bool,
    finished: bool,
    missing: Vec<(u64, u64)>,
    not_before_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting { until_ms: u64 },
    Connecting { until_ms: u64 },
    Preparing { until_ms: u64, subscribed: bool, recovered: bool },
    Ready { since_ms: u64 },
    Stopping { until_ms: u64 },
    Stopped,
}

#[derive(Clone, Debug)]
enum Pending {
    Recovery,
    Housekeeping,
    Incoming { pkid: u16, to: &'static str },
}

/// The uplink.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: MachineSettings,
    topics: Topics,
    phase: Phase,
    limits: ServerLimits,
    attempts: u32,
    jitter: u64,
    lanes: [LaneQueue; 2],
    flights: BTreeMap<u16, Flight>,
    next_pkid: u16,
    order: u64,
    subscribe_pkid: u16,
    own: VecDeque<(Cargo, String, Vec<u8>)>,
    replays: VecDeque<Replay>,
    replay_turn: bool,
    pending: BTreeMap<u64, Pending>,
    token: u64,
    counts: BTreeMap<String, u32>,
    heard_ms: u64,
    said_ms: u64,
    ping_since_ms: Option<u64>,
    canary: u64,
    canary_due_ms: u64,
    round_trip_ms: Option<u64>,
    status_due_ms: u64,
    said_state: Option<&'static str>,
    said_last: [u64; 2],
    forget_due_ms: u64,
    connection_fault: Option<Fault>,
    subscribe_fault: Option<Fault>,
    /// Of lane alerts, lane observations, and our own messages.
    publish_fault: [Option<Fault>; 3],
    resubscribe_ms: u64,
    adapter: Option<String>,
    notes: Vec<String>,
    view: UplinkView,
}

const fn index(lane: Lane) -> usize {
    match lane {
        Lane::Alerts => 0,
        Lane::Observations => 1,
    }
}

impl Machine {
    /// A machine that connects at its first step.
    pub fn new(settings: MachineSettings) -> Self {
        Self {
            topics: Topics::new(&settings.gateway),
            phase: Phase::Waiting { until_ms: 0 },
            limits: ServerLimits::default(),
            attempts: 0,
            jitter: settings.seed,
            lanes: [LaneQueue::new(Lane::Alerts), LaneQueue::new(Lane::Observations)],
            flights: BTreeMap::new(),
            next_pkid: 1,
            order: 0,
            subscribe_pkid: 0,
            own: VecDeque::new(),
            replays: VecDeque::new(),
            replay_turn: false,
            pending: BTreeMap::new(),
            token: 0,
            counts: BTreeMap::new(),
            heard_ms: 0,
            said_ms: 0,
            ping_since_ms: None,
            canary: settings.seed,
            canary_due_ms: 0,
            round_trip_ms: None,
            status_due_ms: 0,
            said_state: None,
            said_last: [0; 2],
            forget_due_ms: 0,
            connection_fault: None,
            subscribe_fault: None,
            publish_fault: [None, None, None],
            resubscribe_ms: u64::MAX,
            adapter: None,
            notes: Vec::new(),
            view: UplinkView { state: "offline", ..UplinkView::default() },
            settings,
        }
    }

    /// Takes one event and appends what is to be done.
    pub fn step(&mut self, now: &Now, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Connected { session_present, limits } => {
                self.connected(now, session_present, limits, out);
            }
            Event::Disconnected(fault) => self.disconnected(now, fault, out),
            Event::SubAck { pkid, codes } => self.subscribed(now, pkid, &codes, out),
            Event::PubAck { pkid, code, said } => self.answered(now, pkid, code, said, out),
            Event::Publish { topic, payload, pkid } => {
                self.came_in(now, &topic, payload, pkid, out);
            }
            Event::Pong => self.heard(now),
            Event::Rows { asked, page } => self.read(now, &asked, page),
            Event::Stored(sent) => {
                for one in sent {
                    self.lanes[index(one.lane)].stored(one.seq);
                }
            }
            Event::Written { token, written } => self.written(now, token, written, out),
            Event::Wake => self.lanes.iter_mut().for_each(LaneQueue::woken),
            Event::Notes { adapter, notes } => {
                if self.adapter != adapter || self.notes != notes {
                    self.status_due_ms = 0;
                }
                self.adapter = adapter;
                self.notes = notes;
            }
            Event::Timer => {}
            Event::Stop => self.stop(now, out),
        }
        self.run_timers(now, out);
        self.fill(now, out);
        self.fetch(now, out);
        self.view.in_flight = self.flights.len();
        self.view.state = self.state(now);
        if self.view.problem.as_ref() != self.problem() {
            self.view.problem = self.problem().cloned();
        }
    }

    /// What it looks like from outside.
    pub fn view(&self) -> &UplinkView {
        &self.view
    }

    /// `online` only while a message of our own came back lately.
    fn state(&self, now: &Now) -> &'static str {
        let round_trip = self
            .round_trip_ms
            .is_some_and(|at| now.monotonic_ms.saturating_sub(at) < ROUND_TRIP_MAX_MS);
        match self.phase {
            Phase::Ready { .. } if self.hindered() => "degraded",
            Phase::Ready { .. } if round_trip => "online",
            Phase::Ready { .. } => "connecting",
            Phase::Connecting { .. } | Phase::Preparing { .. } => "connecting",
            Phase::Waiting { .. } | Phase::Stopping { .. } | Phase::Stopped => "offline",
        }
    }

    /// Whether something keeps messages from flowing; one row that was set aside does not.
    fn hindered(&self) -> bool {
        let lane = |f: &Option<Fault>| {
            f.as_ref().is_some_and(|f| !matches!(f.word, "too_large" | "damaged"))
        };
        self.subscribe_fault.is_some() || self.publish_fault.iter().any(lane)
    }

    fn problem(&self) -> Option<&Fault> {
        self.connection_fault
            .as_ref()
            .or(self.publish_fault.iter().find_map(Option::as_ref))
            .or(self.subscribe_fault.as_ref())
    }

    fn count(&mut self, name: impl Into<String>) {
        let n = self.counts.entry(name.into()).or_insert(0);
        *n = n.saturating_add(1);
    }

    fn write(&mut self, pending: Pending, write: UplinkWrite, out: &mut Vec<Action>) {
        self.token += 1;
        self.pending.insert(self.token, pending);
        out.push(Action::Write { token: self.token, write });
    }

    /// When the machine wants a [`Event::Timer`] at the latest, in monotonic ms.
    pub fn wake_ms(&self, now: &Now) -> u64 {
        let now_ms = now.monotonic_ms;
        let mut due = vec![self.forget_due_ms];
        match self.phase {
            Phase::Waiting { until_ms }
            | Phase::Connecting { until_ms }
            | Phase::Preparing { until_ms, .. }
            | Phase::Stopping { until_ms } => due.push(until_ms),
            Phase::Ready { .. } => {
                due.extend(self.lanes.iter().map(LaneQueue::wake_ms));
                due.extend([self.canary_due_ms, self.status_due_ms, self.next_liveness_ms()]);
                due.push(self.resubscribe_ms);
                due.extend(self.replays.front().map(|r| r.not_before_ms));
                due.extend(self.round_trip_ms.map(|at| at.saturating_add(ROUND_TRIP_MAX_MS)));
            }
            Phase::Stopped => {}
        }
        // What is already due was done in the last step or waits for something else than time.
        due.into_iter().filter(|&d| d > now_ms).min().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
