//! A broker as far as custody is concerned: sessions, QoS 1, retained messages, and every way in which one
//! lets its clients down. It acknowledges before anything is durable, as brokers do.

use std::collections::{BTreeMap, VecDeque};

use super::dice::Dice;

/// Who talks to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// The gateway's uplink.
    Gateway,
    /// The hospital's consumer.
    Hospital,
}

/// What goes over a connection. Delivery is in order; the end of a connection is a packet, too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Packet {
    Connect,
    Connack { session_present: bool },
    Subscribe { pkid: u16, filters: Vec<(String, u8)> },
    Suback { pkid: u16, codes: Vec<u8> },
    Publish { pkid: u16, topic: String, payload: Vec<u8>, retain: bool },
    Puback { pkid: u16, code: u8 },
    Ping,
    Pong,
    Closed,
}

/// What survives when the broker's process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// Everything, as if each message were synced.
    All,
    /// Nothing: no session, no retained message, no queue.
    Nothing,
    /// What was written at the last autosave, as Mosquitto does by default.
    Autosave,
}

#[derive(Clone, Debug, Default)]
struct Session {
    filters: Vec<(String, u8)>,
    waiting: VecDeque<(String, Vec<u8>)>,
    flying: BTreeMap<u16, (String, Vec<u8>)>,
    pkid: u16,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    sessions: BTreeMap<Client, Session>,
    retained: BTreeMap<String, Vec<u8>>,
}

/// A packet on its way to a client.
pub type Outgoing = (Client, u64, Packet);

/// The broker.
#[derive(Debug)]
pub struct Broker {
    up: bool,
    frozen: bool,
    refuses: bool,
    kept: Kept,
    autosave: Kept,
    links: BTreeMap<Client, u64>,
    stalled: Vec<Outgoing>,
    queue_max: usize,
    duplicates_per_mille: u64,
}

impl Broker {
    /// A broker that keeps at most `queue_max` messages for a client that is away and delivers some twice.
    #[must_use]
    pub fn new(queue_max: usize, duplicates_per_mille: u64) -> Self {
        Self {
            up: true,
            frozen: false,
            refuses: false,
            kept: Kept::default(),
            autosave: Kept::default(),
            links: BTreeMap::new(),
            stalled: Vec::new(),
            queue_max,
            duplicates_per_mille,
        }
    }

    /// From now on, or no longer, messages of the lanes are refused (0x97, quota exceeded).
    pub const fn refuse(&mut self, refuses: bool) {
        self.refuses = refuses;
    }

    /// Stops reading; connections stay open.
    pub const fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Whether it reads.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Whether its process runs.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// Reads on, beginning with what has piled up.
    pub fn thaw(&mut self, dice: &mut Dice, out: &mut Vec<Outgoing>) {
        self.frozen = false;
        for (client, link, packet) in std::mem::take(&mut self.stalled) {
            self.take(client, link, packet, dice, out);
        }
    }

    /// Writes its state to disk.
    pub fn save(&mut self) {
        self.autosave = self.kept.clone();
    }

    /// The process dies; connections end.
    pub fn die(&mut self, survives: Survives) {
        self.up = false;
        self.frozen = false;
        self.links.clear();
        self.stalled.clear();
        match survives {
            Survives::All => {}
            Survives::Nothing => (self.kept, self.autosave) = Default::default(),
            Survives::Autosave => self.kept = self.autosave.clone(),
        }
    }

    /// The process starts again.
    pub const fn start(&mut self) {
        self.up = true;
    }

    /// Forgets sessions and retained messages without going down (an operator cleared it).
    pub fn forget(&mut self, out: &mut Vec<Outgoing>) {
        self.kept = Kept::default();
        for (client, link) in std::mem::take(&mut self.links) {
            out.push((client, link, Packet::Closed));
        }
    }

    /// Takes a packet of a client.
    pub fn take(
        &mut self,
        client: Client,
        link: u64,
        packet: Packet,
        dice: &mut Dice,
        out: &mut Vec<Outgoing>,
    ) {
        if self.frozen {
            self.stalled.push((client, link, packet));
            return;
        }
        if packet == Packet::Connect && self.up {
            self.connect(client, link, out);
            return;
        }
        if self.links.get(&client) != Some(&link) {
            if packet != Packet::Closed {
                out.push((client, link, Packet::Closed));
            }
            return;
        }
        match packet {
            Packet::Closed => drop(self.links.remove(&client)),
            Packet::Ping => out.push((client, link, Packet::Pong)),
            Packet::Subscribe { pkid, filters } => self.subscribe(client, link, pkid, filters, out),
            Packet::Publish { pkid, topic, payload, retain } => {
                let lane = topic.ends_with("/alerts") || topic.ends_with("/observations");
                if self.refuses && lane {
                    out.push((client, link, Packet::Puback { pkid, code: 0x97 }));
                    return;
                }
                if retain {
                    self.kept.retained.insert(topic.clone(), payload.clone());
                }
                self.route(&topic, &payload, dice, out);
                out.push((client, link, Packet::Puback { pkid, code: 0 }));
            }
            Packet::Puback { pkid, .. } => {
                if let Some(session) = self.kept.sessions.get_mut(&client) {
                    session.flying.remove(&pkid);
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self, client: Client, link: u64, out: &mut Vec<Outgoing>) {
        if let Some(old) = self.links.insert(client, link) {
            out.push((client, old, Packet::Closed));
        }
        let session_present = self.kept.sessions.contains_key(&client);
        let session = self.kept.sessions.entry(client).or_default();
        out.push((client, link, Packet::Connack { session_present }));
        for (pkid, (topic, payload)) in &session.flying {
            out.push((client, link, publish(*pkid, topic, payload)));
        }
        while let Some((topic, payload)) = session.waiting.pop_front() {
            let pkid = session.fly(topic.clone(), payload.clone());
            out.push((client, link, publish(pkid, &topic, &payload)));
        }
    }

    fn subscribe(
        &mut self,
        client: Client,
        link: u64,
        pkid: u16,
        filters: Vec<(String, u8)>,
        out: &mut Vec<Outgoing>,
    ) {
        let Some(session) = self.kept.sessions.get_mut(&client) else { return };
        let codes = filters.iter().map(|(_, qos)| *qos).collect();
        for (filter, qos) in filters {
            session.filters.retain(|(known, _)| *known != filter);
            session.filters.push((filter, qos));
        }
        out.push((client, link, Packet::Suback { pkid, codes }));
        let retained: Vec<_> = self
            .kept
            .retained
            .iter()
            .filter(|(topic, _)| session.wants(topic).is_some())
            .map(|(topic, payload)| (topic.clone(), payload.clone()))
            .collect();
        for (topic, payload) in retained {
            let pkid = session.fly(topic.clone(), payload.clone());
            out.push((client, link, publish(pkid, &topic, &payload)));
        }
    }

    fn route(&mut self, topic: &str, payload: &[u8], dice: &mut Dice, out: &mut Vec<Outgoing>) {
        for (client, session) in &mut self.kept.sessions {
            let Some(qos) = session.wants(topic) else { continue };
            match (self.links.get(client), qos) {
                (Some(link), 0) => out.push((*client, *link, publish(0, topic, payload))),
                (None, 0) => {}
                (Some(link), _) => {
                    let copies = if dice.chance(self.duplicates_per_mille) { 2 } else { 1 };
                    for _ in 0..copies {
                        let pkid = session.fly(topic.to_owned(), payload.to_vec());
                        out.push((*client, *link, publish(pkid, topic, payload)));
                    }
                }
                (None, _) if session.waiting.len() < self.queue_max => {
                    session.waiting.push_back((topic.to_owned(), payload.to_vec()));
                }
                // A full queue drops the newest, as brokers do.
                (None, _) => {}
            }
        }
    }
}

impl Session {
    fn fly(&mut self, topic: String, payload: Vec<u8>) -> u16 {
        loop {
            self.pkid = self.pkid.checked_add(1).unwrap_or(1);
            if !self.flying.contains_key(&self.pkid) {
                self.flying.insert(self.pkid, (topic, payload));
                return self.pkid;
            }
        }
    }

    /// The highest quality of service with which it subscribed to this topic.
    fn wants(&self, topic: &str) -> Option<u8> {
        let fits = |filter: &str| match filter.strip_suffix('+') {
            Some(stem) => topic.strip_prefix(stem).is_some_and(|rest| !rest.contains('/')),
            None => filter == topic,
        };
        self.filters.iter().filter(|(filter, _)| fits(filter)).map(|(_, qos)| *qos).max()
    }
}

fn publish(pkid: u16, topic: &str, payload: &[u8]) -> Packet {
    Packet::Publish { pkid, topic: topic.to_owned(), payload: payload.to_vec(), retain: false }
}
