//! The gateway's end of a hub's line, reduced to custody: it keeps records, acknowledges what it has, and sends
//! the prompts it is given. It stands in for the gateway where only the hub is under test.

use hearth_shared::wire::frame::{self, Accumulator, FRAME_MAX};
use hearth_shared::wire::session::{HEADER_SIZE, digest};
use hearth_shared::wire::{
    Ack, CONTENT_MAX, Clock, Content, GatewayId, Hello, Key, Opened, PairOffer, PromptState,
    RecordId, RefusalCode, Refused, Session, Side, Status, StorageId, ToGateway, ToHub, Welcome,
    plain, sort,
};

/// The far end.
pub struct FarEnd {
    accumulator: Accumulator,
    session: Option<Session>,
    key: Key,
    offers_key: bool,
    nonce: u128,
    out: Vec<u8>,
    /// The latest `Hello`.
    pub hello: Option<Hello>,
    /// Whether records are committed and acknowledged; otherwise they are only heard.
    pub commits: bool,
    /// Every record that was heard, as often as it was: a hub sends what it has kept.
    pub heard: Vec<(RecordId, Content)>,
    /// What was committed, in order.
    pub records: Vec<(RecordId, Content)>,
    /// What became of prompts.
    pub prompts: Vec<PromptState>,
    /// The latest `Status`.
    pub status: Option<Status>,
    /// What the hub did not accept.
    pub refused: Vec<Refused>,
    /// Sessions that the hub opened and proved.
    pub sessions: u32,
}

impl FarEnd {
    /// With a key; `offers_key` pairs a hub that stands open.
    pub fn new(key: [u8; 32], offers_key: bool) -> Self {
        Self {
            accumulator: Accumulator::new(),
            session: None,
            key: Key::from_octets(key),
            offers_key,
            nonce: 0,
            out: Vec::new(),
            hello: None,
            commits: true,
            heard: Vec::new(),
            records: Vec::new(),
            prompts: Vec::new(),
            status: None,
            refused: Vec::new(),
            sessions: 0,
        }
    }

    /// The process was killed and started again: only what was committed is left.
    pub fn restart(&mut self) {
        self.accumulator.clear();
        self.session = None;
        self.out.clear();
    }

    /// Octets for the hub.
    pub fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn put(&mut self, content: &[u8]) {
        let mut line = [0; FRAME_MAX];
        if let Ok(line) = frame::write(content, &mut line) {
            self.out.extend(line);
        }
    }

    fn say_plain(&mut self, message: &ToHub<'_>) -> Option<[u8; 32]> {
        let mut content = [0; CONTENT_MAX];
        let size = message.encode(&mut content[2..]).ok()?;
        let content = plain(&mut content, size).ok()?.to_vec();
        self.put(&content);
        Some(digest(&content))
    }

    /// Says something under the session's seal; `false` if there is none.
    pub fn say(&mut self, message: &ToHub<'_>) -> bool {
        let mut content = [0; CONTENT_MAX];
        let Some(session) = self.session.as_mut().filter(|session| session.confirmed()) else {
            return false;
        };
        let Ok(size) = message.encode(&mut content[HEADER_SIZE..]) else { return false };
        let Ok(content) = session.seal(&mut content, size) else { return false };
        let content = content.to_vec();
        self.put(&content);
        true
    }

    /// Octets of the hub; `utc_ms` is the time it is told.
    pub fn hear(&mut self, octets: &[u8], utc_ms: i64) {
        for octet in octets {
            let Some(Ok(content)) = self.accumulator.push(*octet) else { continue };
            let content = content.to_vec();
            match sort(&content) {
                Ok(Opened::Plain(payload)) => {
                    if let Ok(message) = ToGateway::decode(payload) {
                        self.hear_plain(message, &content);
                    }
                }
                Ok(Opened::Sealed(sealed)) => self.hear_sealed(sealed, utc_ms),
                _ => {}
            }
        }
    }

    fn hear_plain(&mut self, message: ToGateway<'_>, content: &[u8]) {
        match message {
            ToGateway::Hello(hello) => {
                self.hello = Some(hello);
                self.session = None;
                if hello.key_check == self.key.check() {
                    self.nonce += 1;
                    let nonce = self.nonce.to_le_bytes();
                    let welcome = Welcome { gateway: GatewayId(1), nonce };
                    let Some(said) = self.say_plain(&ToHub::Welcome(welcome)) else { return };
                    let heard = digest(content);
                    self.session = Some(Session::new(&self.key, Side::Gateway, &heard, &said));
                } else if self.offers_key {
                    let key = *self.key.octets();
                    let (gateway, storage) = (GatewayId(1), StorageId(4711));
                    self.say_plain(&ToHub::PairOffer(PairOffer { gateway, storage, key }));
                }
            }
            ToGateway::Refused(refused) => self.refused.push(refused),
            _ => {}
        }
    }

    fn hear_sealed(&mut self, content: &[u8], utc_ms: i64) {
        let Some(session) = &mut self.session else {
            let refused = Refused { code: RefusalCode::NO_SESSION, about: 255 };
            self.say_plain(&ToHub::Refused(refused));
            return;
        };
        let first = !session.confirmed();
        let Ok(payload) = session.open(content).map(<[u8]>::to_vec) else { return };
        if first {
            self.sessions += 1;
            let clock = Clock { utc_ms, offset_min: 0, change_ms: None, then_min: 0 };
            self.say(&ToHub::Clock(clock));
        }
        match ToGateway::decode(&payload) {
            Ok(ToGateway::Record(record)) => {
                let known = self.records.last().map(|(id, _)| *id);
                let Ok(content) = record.read() else { return };
                self.heard.push((record.id, content));
                if !self.commits {
                    return;
                }
                if record.follows(known) && Some(record.id) > known {
                    self.records.push((record.id, content));
                }
                let storage = self.hello.map_or(StorageId(0), |hello| hello.storage);
                if let Some((through, _)) = self.records.last().copied() {
                    self.say(&ToHub::Ack(Ack { storage, through }));
                }
            }
            Ok(ToGateway::Status(status)) => self.status = Some(status),
            Ok(ToGateway::PromptState(state)) => self.prompts.push(state),
            Ok(ToGateway::Refused(refused)) => self.refused.push(refused),
            _ => {}
        }
    }
}
