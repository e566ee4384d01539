//! The machine against a naive broker, store and consumer, all driven by one seed in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hearth_shared::time::UnixMillis;

use super::*;
use crate::clock::BootId;
use crate::uplink::message::{Body, Envelope, Watermark};
use crate::uplink::source::INCOMING_MAX;

const CONSUMER: &str = "ehr";

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn at(ms: u64) -> Now {
    Now {
        wall: UnixMillis::from_millis(1_800_000_000_000 + ms as i64),
        monotonic_ms: ms,
        boot: BootId([0; 16]),
        trusted: true,
    }
}

fn row(lane: Lane, seq: u64, size: usize) -> Row {
    let text = "x".repeat(size);
    Row {
        lane,
        seq,
        id: uuid::Uuid::from_u128(u128::from(seq) + ((lane as u128) << 64)),
        kind: "task".into(),
        patient: None,
        body: format!(
            "{{\"kind\":\"task\",\"task\":\"call\",\"reason\":\"{text}\",\"level\":\"A\",\"state\":\"open\"}}"
        ),
        created: UnixMillis::from_millis(1_800_000_000_000),
        expires: None,
        tombstone: false,
        damaged: false,
    }
}

/// The outbox as a plain list: row and state as in `store/outbox.rs`.
#[derive(Default)]
struct Store {
    rows: BTreeMap<(u8, u64), (Row, u8)>,
    watermark: [u64; 2],
}

impl Store {
    fn push(&mut self, lane: Lane, size: usize) {
        let seq = self.last(lane) + 1;
        self.rows.insert((lane as u8, seq), (row(lane, seq, size), 0));
    }
    fn last(&self, lane: Lane) -> u64 {
        self.rows.range((lane as u8, 0)..(lane as u8 + 1, 0)).next_back().map_or(0, |(k, _)| k.1)
    }
    fn page(&self, fetch: &Fetch) -> Page {
        let to = fetch.replay_to.unwrap_or(u64::MAX);
        let lane = fetch.lane as u8;
        let rows = self
            .rows
            .iter()
            .filter(|((l, seq), (_, state))| {
                let wanted = fetch.replay_to.is_some() || matches!(state, 0 | 2);
                *l == lane && *seq > fetch.after && *seq <= to && wanted
            })
            .take(fetch.limit as usize)
            .map(|(_, (row, state))| Row { tombstone: matches!(state, 2 | 3), ..row.clone() })
            .collect();
        Page { rows, last: self.last(fetch.lane) }
    }
    fn apply(&mut self, write: &UplinkWrite) -> UplinkWritten {
        match write {
            UplinkWrite::Acknowledged(sent) => {
                for one in sent {
                    let state = &mut self.rows.get_mut(&(one.lane as u8, one.seq)).unwrap().1;
                    *state = match (one.form, *state) {
                        (Form::Message, 0) => 1,
                        (Form::Tombstone, 0 | 2) => 3,
                        (Form::SetAside, 0) => 4,
                        (_, other) => other,
                    };
                }
                UplinkWritten::Done
            }
            UplinkWrite::SessionLost { .. } => {
                for ((lane, seq), (_, state)) in &mut self.rows {
                    if *seq > self.watermark[*lane as usize - 1] {
                        *state = match *state {
                            1 | 4 => 0,
                            3 => 2,
                            other => other,
                        };
                    }
                }
                UplinkWritten::Done
            }
            UplinkWrite::Watermark(mark) => {
                let known = &mut self.watermark[mark.lane as usize - 1];
                *known = (*known).max(mark.seq);
                UplinkWritten::Done
            }
            UplinkWrite::Forget { .. } | UplinkWrite::Count(_) => UplinkWritten::Done,
            UplinkWrite::Incoming { .. } => UplinkWritten::Answers(Vec::new()),
        }
    }
}

/// Everything outside of the machine.
struct World {
    random: Random,
    now_ms: u64,
    machine: Machine,
    store: Store,
    /// Octets on the way to the broker: whole actions, in order.
    to_broker: VecDeque<Action>,
    to_machine: VecDeque<Event>,
    connected: bool,
    limits: ServerLimits,
    session: bool,
    refuse: bool,
    under_way: BTreeSet<u16>,
    /// Messages that the broker holds for the consumer, and what the consumer holds.
    queue: VecDeque<Vec<u8>>,
    held: BTreeMap<(u8, u64), (uuid::Uuid, bool)>,
    told_last: [u64; 2],
    fetches: VecDeque<Fetch>,
    /// Writes not yet committed.
    writes: VecDeque<(u64, UplinkWrite)>,
    /// Incoming packet ids whose write is not committed: must not be acknowledged.
    uncommitted: BTreeMap<u64, (u16, u64)>,
    next_incoming: u16,
    /// Packet ids that came in on this connection, and whether they may be acknowledged.
    may_acknowledge: BTreeMap<u16, bool>,
    hearing: u16,
    connection: u64,
    /// What the broker took, ever.
    accepted: BTreeSet<(u8, u64)>,
    batch: Vec<Sent>,
    stopped: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let limits = ServerLimits {
            receive_maximum: [1, 2, 3, 20, 300][random.below(5) as usize],
            maximum_packet_size: if random.one_in(2) { Some(700) } else { None },
            ..ServerLimits::default()
        };
        Self {
            machine: Machine::new(MachineSettings {
                gateway: "g".into(),
                consumers: vec![CONSUMER.into()],
                keep_days: 7,
                pace: Pace::default(),
                seed,
            }),
            random,
            now_ms: 1,
            store: Store::default(),
            to_broker: VecDeque::new(),
            to_machine: VecDeque::new(),
            connected: false,
            limits,
            session: false,
            refuse: false,
            under_way: BTreeSet::new(),
            queue: VecDeque::new(),
            held: BTreeMap::new(),
            told_last: [0; 2],
            fetches: VecDeque::new(),
            writes: VecDeque::new(),
            uncommitted: BTreeMap::new(),
            next_incoming: 0,
            may_acknowledge: BTreeMap::new(),
            hearing: 0,
            connection: 0,
            accepted: BTreeSet::new(),
            batch: Vec::new(),
            stopped: false,
        }
    }

    fn feed(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.machine.step(&at(self.now_ms), event, &mut actions);
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect => {
                let event = if self.random.one_in(4) {
                    Event::Disconnected(Fault::passing("refused", "Nothing listens.", "Start it."))
                } else {
                    self.connected = true;
                    self.under_way.clear();
                    Event::Connected { session_present: self.session, limits: self.limits }
                };
                self.session |= self.connected;
                self.to_machine.push_back(event);
            }
            Action::Close | Action::Disconnect => self.cut(),
            Action::Stopped => self.stopped = true,
            Action::Fetch(fetch) => self.fetches.push_back(fetch),
            Action::Acknowledged(sent) => {
                let taken = self.accepted.contains(&(sent.lane as u8, sent.seq));
                assert!(taken, "{sent:?} counts as delivered, but the broker never took it");
                self.batch.push(sent);
            }
            Action::Write { token, write } => {
                if matches!(write, UplinkWrite::Watermark(_) | UplinkWrite::Incoming { .. }) {
                    self.uncommitted.insert(token, (self.hearing, self.connection));
                }
                self.writes.push_back((token, write));
            }
            Action::Publish(ref message) => {
                assert!(self.connected, "published without a connection");
                let fresh = self.under_way.insert(message.pkid);
                assert!(fresh, "packet id {} is under way already", message.pkid);
                let window = usize::from(self.limits.receive_maximum.min(WINDOW_MAX));
                assert!(self.under_way.len() <= window, "more under way than allowed");
                let size = publish_size(
                    message.topic.len(),
                    message.payload.len(),
                    message.expiry_s.is_some(),
                );
                assert!(size <= self.limits.maximum_packet_size.unwrap_or(u32::MAX) as usize);
                self.to_broker.push_back(action);
            }
            Action::PubAck { pkid } => {
                let committed = self.may_acknowledge.remove(&pkid).expect("never came in");
                assert!(committed, "acknowledged before it was committed");
            }
            Action::Subscribe { .. } | Action::Ping => self.to_broker.push_back(action),
        }
    }

    /// The connection breaks: what was on the way is lost.
    fn cut(&mut self) {
        self.connected = false;
        self.connection += 1;
        self.to_broker.clear();
        self.to_machine.clear();
        self.under_way.clear();
        self.may_acknowledge.clear();
    }

    fn broker_takes_one(&mut self) {
        let Some(action) = self.to_broker.pop_front() else { return };
        match action {
            Action::Ping => self.to_machine.push_back(Event::Pong),
            Action::Subscribe { pkid, filters } => {
                let codes = filters.iter().map(|f| f.1).collect();
                self.to_machine.push_back(Event::SubAck { pkid, codes });
            }
            Action::Publish(message) => {
                self.under_way.remove(&message.pkid);
                let lane =
                    message.topic.ends_with("/alerts") || message.topic.ends_with("/observations");
                let refused = lane && self.refuse && self.random.one_in(2);
                if !refused && lane {
                    let envelope: Envelope = serde_json::from_slice(&message.payload).unwrap();
                    self.accepted.insert((envelope.lane as u8, envelope.seq));
                    self.queue.push_back(message.payload.clone());
                }
                if message.topic.ends_with("/status") {
                    let status: Status = serde_json::from_slice(&message.payload).unwrap();
                    for lane in status.lanes {
                        self.told_last[lane.lane as usize - 1] = lane.last;
                    }
                }
                if message.topic.ends_with("/canary") {
                    let (topic, payload) = (message.topic, message.payload);
                    self.to_machine.push_back(Event::Publish { topic, payload, pkid: 0 });
                }
                let code = if refused { 0x97 } else { 0 };
                self.to_machine.push_back(Event::PubAck { pkid: message.pkid, code, said: None });
            }
            other => panic!("{other:?}"),
        }
    }

    fn consumer_takes_one(&mut self) {
        let Some(payload) = self.queue.pop_front() else { return };
        let envelope: Envelope = serde_json::from_slice(&payload).unwrap();
        let key = (envelope.lane as u8, envelope.seq);
        let tombstone = matches!(envelope.body, Body::Tombstone(_));
        let (id, _) = *self.held.entry(key).or_insert((envelope.id, tombstone));
        assert_eq!(id, envelope.id, "a number stands for two things");
    }

    fn through(&self, lane: Lane) -> u64 {
        (1..).take_while(|seq| self.held.contains_key(&(lane as u8, *seq))).last().unwrap_or(0)
    }

    fn send_in(&mut self, last: &str, payload: Vec<u8>) {
        if self.connected {
            self.next_incoming = self.next_incoming % 1000 + 1;
            let pkid = self.next_incoming;
            // A replay request needs no commit; everything else does.
            self.may_acknowledge.insert(pkid, last == "replay");
            let topic = format!("hearth/v1/g/{last}");
            self.to_machine.push_back(Event::Publish { topic, payload, pkid });
        }
    }

    /// The consumer confirms what it has, and asks for what it lacks.
    fn consumer_speaks(&mut self) {
        for lane in Lane::ALL {
            let (consumer, seq) = (CONSUMER.to_owned(), self.through(lane));
            let mark = Watermark { consumer, lane, seq };
            self.send_in("watermarks/ehr", serde_json::to_vec(&mark).unwrap());
            let last = self.told_last[lane as usize - 1];
            if last > seq {
                let request =
                    ReplayRequest { consumer: CONSUMER.into(), lane, from: seq + 1, to: last };
                self.send_in("replay", serde_json::to_vec(&request).unwrap());
            }
        }
    }

    fn commit_one(&mut self) {
        if let Some((token, write)) = self.writes.pop_front() {
            let written = self.store.apply(&write);
            if let Some((pkid, connection)) = self.uncommitted.remove(&token)
                && connection == self.connection
            {
                self.may_acknowledge.insert(pkid, true);
            }
            self.feed(Event::Written { token, written });
        } else if !self.batch.is_empty() {
            let sent = std::mem::take(&mut self.batch);
            self.store.apply(&UplinkWrite::Acknowledged(sent.clone()));
            self.feed(Event::Stored(sent));
        }
    }

    fn read_one(&mut self) {
        if let Some(asked) = self.fetches.pop_front() {
            let page = self.store.page(&asked);
            self.feed(Event::Rows { asked, page: Ok(page) });
        }
    }

    fn machine_hears_one(&mut self) {
        if let Some(event) = self.to_machine.pop_front() {
            if let Event::Publish { pkid, .. } = &event {
                self.hearing = *pkid;
            }
            self.feed(event);
        }
    }

    /// One step of whatever happens next; `faults` says whether things may break.
    fn step(&mut self, faults: bool) {
        match self.random.below(if faults { 16 } else { 12 }) {
            0..=2 => self.broker_takes_one(),
            3..=5 => self.machine_hears_one(),
            6 => self.consumer_takes_one(),
            7 => self.read_one(),
            8 => self.commit_one(),
            9 => {
                self.now_ms += 1 + self.random.below(400);
                self.feed(Event::Timer);
            }
            10 if self.random.one_in(20) => self.consumer_speaks(),
            11 => {
                let due = self.machine.wake_ms(&at(self.now_ms));
                if self.idle() && due < u64::MAX {
                    self.now_ms = self.now_ms.max(due);
                    self.feed(Event::Timer);
                }
            }
            12 => {
                let lane = Lane::ALL[self.random.below(2) as usize];
                let size = if self.random.one_in(10) { 900 } else { 20 };
                self.store.push(lane, size);
                self.feed(Event::Wake);
            }
            13 if self.random.one_in(10) => {
                let lane = 1 + self.random.below(2) as u8;
                let key = (lane, 1 + self.random.below(30));
                if let Some((_, state)) = self.store.rows.get_mut(&key)
                    && matches!(*state, 0 | 1)
                {
                    *state = 2;
                }
            }
            14 if self.random.one_in(15) => {
                if self.connected {
                    self.cut();
                    let fault = Fault::passing("closed", "Closed.", "Wait.");
                    self.feed(Event::Disconnected(fault));
                }
                // Died: the session may be gone, and with it what it had said yes to.
                if self.random.one_in(2) {
                    self.session = false;
                    self.queue.clear();
                } else if self.random.one_in(3) {
                    let keep = self.random.below(self.queue.len() as u64 + 1) as usize;
                    self.queue.truncate(keep);
                }
            }
            15 if self.random.one_in(20) => self.refuse = !self.refuse,
            _ => {}
        }
    }

    fn idle(&self) -> bool {
        self.to_broker.is_empty()
            && self.to_machine.is_empty()
            && self.fetches.is_empty()
            && self.writes.is_empty()
            && self.batch.is_empty()
    }

    fn complete(&self) -> bool {
        Lane::ALL.iter().all(|lane| self.through(*lane) == self.store.last(*lane))
            && self.store.rows.values().all(|(_, state)| !matches!(state, 0 | 2))
    }
}

#[test]
fn whatever_happens_the_consumer_ends_with_every_number() {
    let mut rows = 0;
    for seed in 0..150 {
        let mut world = World::new(seed);
        for _ in 0..1_500 {
            world.step(true);
        }
        world.refuse = false;
        let mut steps = 0_u64;
        while !world.complete() {
            world.step(false);
            steps += 1;
            assert!(
                steps < 400_000,
                "seed {seed}: {:?} of {:?}, {:?}",
                Lane::ALL.map(|l| world.through(l)),
                Lane::ALL.map(|l| world.store.last(l)),
                world.machine.view()
            );
        }
        rows += world.store.rows.len();
    }
    assert!(rows > 5_000, "the seeds do little: {rows} rows");
}

/// A machine that is connected and ready, with so many rows of each lane waiting.
fn ready(limits: ServerLimits, alerts: u64, observations: u64) -> World {
    let mut world = World::new(1);
    world.limits = limits;
    (0..observations).for_each(|_| world.store.push(Lane::Observations, 20));
    world.feed(Event::Timer);
    world.to_machine.clear();
    world.connected = true;
    world.feed(Event::Connected { session_present: true, limits });
    world.broker_takes_one();
    world.machine_hears_one();
    (0..alerts).for_each(|_| world.store.push(Lane::Alerts, 20));
    world
}

fn published(world: &mut World) -> Vec<String> {
    let actions = std::mem::take(&mut world.to_broker);
    actions
        .into_iter()
        .filter_map(|a| match a {
            Action::Publish(m) => m.topic.rsplit('/').next().map(str::to_owned),
            _ => None,
        })
        .collect()
}

#[test]
fn an_alert_goes_out_at_once_while_the_backlog_fills_the_window() {
    let limits = ServerLimits { receive_maximum: 20, ..ServerLimits::default() };
    let mut world = ready(limits, 0, 1_000);
    world.read_one();
    world.read_one();
    let before = published(&mut world);
    assert_eq!(before.iter().filter(|t| *t == "observations").count() + 1, 15, "{before:?}");
    world.store.push(Lane::Alerts, 20);
    world.feed(Event::Wake);
    world.read_one();
    assert_eq!(published(&mut world), ["alerts"]);
}

#[test]
fn what_was_under_way_is_sent_again_under_its_own_packet_id() {
    let mut world = ready(ServerLimits::default(), 0, 3);
    world.read_one();
    world.read_one();
    let first: Vec<_> = world.to_broker.drain(..).collect();
    world.cut();
    world.feed(Event::Disconnected(Fault::passing("closed", "Closed.", "Wait.")));
    world.now_ms += 60_000;
    world.feed(Event::Timer);
    world.to_machine.clear();
    world.connected = true;
    let limits = ServerLimits::default();
    world.feed(Event::Connected { session_present: true, limits });
    world.broker_takes_one();
    world.machine_hears_one();
    let again: Vec<_> = world.to_broker.iter().take(first.len()).cloned().collect();
    for (a, b) in first.iter().zip(&again) {
        let (Action::Publish(a), Action::Publish(b)) = (a, b) else { panic!("{a:?} {b:?}") };
        assert_eq!((a.pkid, &a.payload, false, true), (b.pkid, &b.payload, a.dup, b.dup));
    }
}

#[test]
fn a_silent_broker_is_left_and_the_status_is_not_online() {
    let mut world = ready(ServerLimits::default(), 0, 0);
    for _ in 0..50 {
        world.broker_takes_one();
        world.machine_hears_one();
    }
    assert_eq!(world.machine.view().state, "online");
    // The broker freezes: nothing comes back any more.
    while world.connected {
        world.now_ms = world.machine.wake_ms(&at(world.now_ms));
        world.feed(Event::Timer);
        assert!(world.now_ms < 60_000, "never left");
    }
    assert_eq!(world.machine.view().problem.as_ref().unwrap().word, "silent");
    assert_eq!(world.machine.view().state, "offline");
}

#[test]
fn without_the_canary_it_is_not_online_although_it_is_connected() {
    let mut world = ready(ServerLimits::default(), 0, 0);
    for _ in 0..2_000 {
        world.broker_takes_one();
        world.to_machine.retain(|e| !matches!(e, Event::Publish { .. }));
        world.machine_hears_one();
        world.now_ms += 100;
        world.feed(Event::Timer);
        assert_ne!(world.machine.view().state, "online");
    }
    assert!(world.connected, "pings were answered");
    assert!(world.now_ms > ROUND_TRIP_MAX_MS);
}

#[test]
fn an_oversize_message_is_cut_for_the_quarantine() {
    let mut world = ready(ServerLimits::default(), 0, 0);
    world.writes.clear();
    world.send_in("commands", vec![b'x'; INCOMING_MAX * 3]);
    world.to_machine.rotate_right(1);
    world.machine_hears_one();
    let Some((_, UplinkWrite::Incoming { payload, problem, .. })) = world.writes.pop_back() else {
        panic!("not written")
    };
    assert_eq!(payload.len(), INCOMING_MAX);
    assert!(problem.unwrap().contains("octets"));
}

#[test]
fn a_refused_subscription_is_said_and_tried_again() {
    let mut world = ready(ServerLimits::default(), 0, 0);
    world.cut();
    world.feed(Event::Disconnected(Fault::passing("closed", "Closed.", "Wait.")));
    world.now_ms += 60_000;
    world.feed(Event::Timer);
    world.to_machine.clear();
    world.connected = true;
    let limits = ServerLimits::default();
    world.feed(Event::Connected { session_present: true, limits });
    let Some(Action::Subscribe { pkid, .. }) = world.to_broker.pop_front() else { panic!() };
    world.feed(Event::SubAck { pkid, codes: vec![0x87, 1, 1, 0] });
    let problem = world.machine.view().problem.clone().unwrap();
    assert!(problem.sentence.contains("hearth/v1/g/commands"), "{problem}");
    assert_eq!(world.machine.view().state, "degraded");
    world.to_broker.clear();
    world.now_ms += 30_000;
    world.feed(Event::Timer);
    let again = world.to_broker.iter().find_map(|a| match a {
        Action::Subscribe { pkid, .. } => Some(*pkid),
        _ => None,
    });
    world.feed(Event::SubAck { pkid: again.unwrap(), codes: vec![1, 1, 1, 0] });
    assert_eq!(world.machine.view().problem, None);
}
