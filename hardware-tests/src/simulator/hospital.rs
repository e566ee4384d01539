//! The consumer: holds each message once, asks for what is missing, confirms what it holds without a gap, and
//! sends commands until they are answered.

use std::collections::{BTreeMap, BTreeSet};

use hearth_gateway::uplink::message::{
    Answer, Body, Envelope, Lane, ReplayRequest, Status, Watermark,
};
use hearth_gateway::uplink::topics::Topics;

use super::Planted;
use super::broker::Packet;

/// Its name, and the only consumer that the gateway waits for.
pub const NAME: &str = "hospital";
/// A gap may close by itself for so long, ms.
const GAP_GRACE_MS: u64 = 1_000;
/// The same is asked for again after this time, ms.
const AGAIN_MS: u64 = 8_000;
/// Numbers asked for at once.
const ASK_MAX: u64 = 200;

/// What it holds of one lane.
#[derive(Debug, Default)]
pub struct Shelf {
    /// By number: what was taken last (a tombstone may take the place of its message).
    pub held: BTreeMap<u64, Envelope>,
    /// Everything up to here is held.
    pub through: u64,
    /// The last number given, as far as the status says.
    pub last: u64,
    gap: Option<(u64, u64)>,
    asked_ms: Option<u64>,
    confirmed: (u64, u64),
}

/// The consumer.
#[derive(Debug)]
pub struct Hospital {
    topics: Topics,
    planted: Option<Planted>,
    /// The present connection.
    pub link: Option<u64>,
    /// Both lanes.
    pub shelves: [Shelf; 2],
    /// Messages booked, which must be as many as there are numbers.
    pub booked: u64,
    /// Commands not yet answered: id to octets.
    pub commands: BTreeMap<String, Vec<u8>>,
    /// Ids of answered commands.
    pub answered: BTreeSet<String>,
    commanded_ms: u64,
    ready: bool,
    pkid: u16,
}

const fn index(lane: Lane) -> usize {
    match lane {
        Lane::Alerts => 0,
        Lane::Observations => 1,
    }
}

impl Hospital {
    /// A consumer of one gateway that holds nothing.
    #[must_use]
    pub fn new(gateway: &str, planted: Option<Planted>) -> Self {
        Self {
            topics: Topics::new(gateway),
            planted,
            link: None,
            shelves: Default::default(),
            booked: 0,
            commands: BTreeMap::new(),
            answered: BTreeSet::new(),
            commanded_ms: 0,
            ready: false,
            pkid: 0,
        }
    }

    /// Whether everything up to these numbers is held and every command answered.
    #[must_use]
    pub fn is_done(&self, last: [u64; 2]) -> bool {
        self.commands.is_empty() && self.shelves.iter().zip(last).all(|(s, last)| s.through >= last)
    }

    fn next_pkid(&mut self) -> u16 {
        self.pkid = self.pkid.checked_add(1).unwrap_or(1);
        self.pkid
    }

    fn publish(&mut self, topic: String, payload: Vec<u8>) -> Packet {
        Packet::Publish { pkid: self.next_pkid(), topic, payload, retain: false }
    }

    /// Takes a packet and says what goes back.
    ///
    /// # Errors
    /// What breaks the contract, as a sentence.
    pub fn take(&mut self, packet: Packet, now_ms: u64) -> Result<Vec<Packet>, String> {
        match packet {
            Packet::Connack { .. } => {
                let topics = &self.topics;
                let mut filters: Vec<_> = Lane::ALL.iter().map(|l| (topics.lane(*l), 1)).collect();
                filters.extend([(topics.results(), 1), (topics.status(), 1)]);
                Ok(vec![Packet::Subscribe { pkid: self.next_pkid(), filters }])
            }
            Packet::Suback { .. } => {
                self.ready = true;
                for shelf in &mut self.shelves {
                    (shelf.asked_ms, shelf.confirmed.1) = (None, 0);
                }
                self.commanded_ms = 0;
                Ok(self.remind(now_ms))
            }
            Packet::Publish { pkid, topic, payload, .. } => {
                if topic == self.topics.status() {
                    self.status(&payload)?;
                } else if topic == self.topics.results() {
                    self.answer(&payload)?;
                } else {
                    self.message(&payload, now_ms)?;
                }
                Ok(vec![Packet::Puback { pkid, code: 0 }])
            }
            Packet::Closed => {
                (self.link, self.ready) = (None, false);
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn status(&mut self, payload: &[u8]) -> Result<(), String> {
        let status: Status = serde_json::from_slice(payload)
            .map_err(|error| format!("the status cannot be read: {error}"))?;
        for lane in status.lanes {
            let shelf = &mut self.shelves[index(lane.lane)];
            shelf.last = shelf.last.max(lane.last);
        }
        Ok(())
    }

    fn answer(&mut self, payload: &[u8]) -> Result<(), String> {
        let answer: Answer = serde_json::from_slice(payload)
            .map_err(|error| format!("an answer cannot be read: {error}"))?;
        if let Some(id) = answer.id
            && self.commands.remove(&id).is_some()
        {
            self.answered.insert(id);
        }
        Ok(())
    }

    fn message(&mut self, payload: &[u8], now_ms: u64) -> Result<(), String> {
        let envelope: Envelope = serde_json::from_slice(payload)
            .map_err(|error| format!("a message cannot be read: {error}"))?;
        let (lane, seq) = (envelope.lane, envelope.seq);
        let shelf = &mut self.shelves[index(lane)];
        if let Some(known) = shelf.held.get(&seq) {
            if known.id != envelope.id {
                return Err(format!(
                    "number {seq} of lane {} came as {} and as {}",
                    lane.as_str(),
                    known.id,
                    envelope.id
                ));
            }
            let dead = |e: &Envelope| matches!(e.body, Body::Tombstone(_));
            if !dead(known) && !dead(&envelope) && known.body != envelope.body {
                return Err(format!("number {seq} of lane {} changed", lane.as_str()));
            }
            if self.planted == Some(Planted::ConsumerBooksTwice) {
                self.booked += 1;
            }
            if dead(&envelope) {
                shelf.held.insert(seq, envelope);
            }
            return Ok(());
        }
        shelf.held.insert(seq, envelope);
        self.booked += 1;
        while shelf.held.contains_key(&(shelf.through + 1)) {
            shelf.through += 1;
        }
        shelf.last = shelf.last.max(seq);
        if shelf.through < shelf.last {
            if shelf.gap.is_none_or(|(from, _)| from != shelf.through + 1) {
                shelf.gap = Some((shelf.through + 1, now_ms));
                shelf.asked_ms = None;
            }
        } else {
            shelf.gap = None;
        }
        Ok(())
    }

    /// What is due: questions for gaps, confirmations, commands without an answer.
    pub fn remind(&mut self, now_ms: u64) -> Vec<Packet> {
        let mut out = Vec::new();
        if !self.ready {
            return out;
        }
        for lane in Lane::ALL {
            let shelf = &mut self.shelves[index(lane)];
            if shelf.through < shelf.last && shelf.gap.is_none() {
                shelf.gap = Some((shelf.through + 1, now_ms));
                shelf.asked_ms = None;
            }
            let open = shelf.gap.is_some_and(|(_, since)| now_ms >= since + GAP_GRACE_MS);
            let due = shelf.asked_ms.is_none_or(|at| now_ms >= at + AGAIN_MS);
            if shelf.through < shelf.last && open && due {
                shelf.asked_ms = Some(now_ms);
                let from = shelf.through + 1;
                let to = shelf.held.range(from..).next().map_or(shelf.last, |(seq, _)| seq - 1);
                let to = to.min(from + ASK_MAX);
                let request = ReplayRequest { consumer: NAME.into(), lane, from, to };
                let payload = serde_json::to_vec(&request).unwrap_or_default();
                let topic = self.topics.replay();
                out.push(self.publish(topic, payload));
            }
            let shelf = &mut self.shelves[index(lane)];
            let seq = match self.planted {
                Some(Planted::ConsumerConfirmsAhead) => {
                    shelf.held.last_key_value().map_or(0, |(seq, _)| *seq)
                }
                _ => shelf.through,
            };
            let (confirmed, at_ms) = shelf.confirmed;
            if seq > 0 && (seq > confirmed || at_ms == 0 || now_ms >= at_ms + 10 * AGAIN_MS) {
                shelf.confirmed = (seq, now_ms.max(1));
                let mark = Watermark { consumer: NAME.into(), lane, seq };
                let payload = serde_json::to_vec(&mark).unwrap_or_default();
                let topic = self.topics.watermarks(NAME);
                out.push(self.publish(topic, payload));
            }
        }
        if !self.commands.is_empty()
            && (self.commanded_ms == 0 || now_ms >= self.commanded_ms + AGAIN_MS)
        {
            self.commanded_ms = now_ms.max(1);
            let payloads: Vec<_> = self.commands.values().cloned().collect();
            for payload in payloads {
                let topic = self.topics.commands();
                out.push(self.publish(topic, payload));
            }
        }
        out
    }

    /// Something to be told the gateway, until it answers.
    pub fn command(&mut self, id: String, payload: Vec<u8>) {
        self.commands.insert(id, payload);
        self.commanded_ms = 0;
    }
}
