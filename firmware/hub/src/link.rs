//! The hub's end of the line: frames in and out, the session, and when to call again.

use hearth_shared::wire::frame::{self, Accumulator, FRAME_MAX};
use hearth_shared::wire::session::{HEADER_SIZE, digest};
use hearth_shared::wire::{
    CONTENT_MAX, Hello, HubTicks, Key, MessageError, Opened, Session, Side, ToGateway, plain, sort,
    version_refusal,
};

/// Nobody answered `Hello`: again after this long.
const CALL_AGAIN_MS: u64 = 5_000;
/// At most one `Hello` in this time.
const CALL_AT_MOST_MS: u64 = 1_000;
/// No sealed frame for this long: the gateway is gone.
const SILENCE_MS: u64 = 30_000;

enum State {
    /// Calls from this moment on.
    Idle(HubTicks),
    /// `Hello` was said, its digest is kept.
    Calling([u8; 32]),
    /// Keys are made; the gateway's first sealed frame decides whether they are right.
    Open(Session),
}

/// What came over the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A payload without a seal, of this length, at the front of the place.
    Plain(usize),
    /// A payload whose seal held, of this length, at the front of the place.
    Sealed(usize),
    /// A content of another version: the other side has to be told.
    OtherVersion,
}

/// The link.
pub struct Link {
    accumulator: Accumulator,
    state: State,
    /// When `Hello` was said last.
    called: Option<HubTicks>,
    calls: u32,
    heard: HubTicks,
    bad_frames: u32,
    out: [u8; FRAME_MAX],
    /// Part of `out` that is to be sent: from, to.
    pending: (usize, usize),
    refused_version: Option<HubTicks>,
}

impl Link {
    /// Silent, and about to call.
    pub const fn new(now: HubTicks) -> Self {
        Self {
            accumulator: Accumulator::new(),
            state: State::Idle(now),
            called: None,
            calls: 0,
            heard: now,
            bad_frames: 0,
            out: [0; FRAME_MAX],
            pending: (0, 0),
            refused_version: None,
        }
    }

    /// Takes an octet of the line; a whole frame's payload is written to the front of `place`.
    pub fn hear(
        &mut self,
        octet: u8,
        now: HubTicks,
        place: &mut [u8; CONTENT_MAX],
    ) -> Option<Heard> {
        let content = match self.accumulator.push(octet)? {
            Ok(content) => content,
            Err(_) => {
                self.bad_frames = self.bad_frames.saturating_add(1);
                return None;
            }
        };
        let (payload, sealed) = match sort(content) {
            Ok(Opened::Plain(payload)) => (payload, false),
            Ok(Opened::Sealed(content)) => {
                let State::Open(session) = &mut self.state else { return None };
                match session.open(content) {
                    Ok(payload) => (payload, true),
                    Err(_) => {
                        self.bad_frames = self.bad_frames.saturating_add(1);
                        return None;
                    }
                }
            }
            Err(MessageError::Version(_)) => return Some(Heard::OtherVersion),
            // The gateway speaks other versions: the records are kept until it speaks ours.
            Ok(Opened::Version { .. }) | Err(_) => return None,
        };
        if sealed {
            self.heard = now;
        }
        let size = payload.len();
        place.get_mut(..size)?.copy_from_slice(payload);
        Some(if sealed { Heard::Sealed(size) } else { Heard::Plain(size) })
    }

    /// The gateway answered `Hello` with these octets of payload.
    pub fn welcomed(&mut self, key: &Key, payload: &[u8], now: HubTicks) -> bool {
        let State::Calling(hello) = &self.state else { return false };
        let mut content = [0; CONTENT_MAX];
        let Some(place) = content.get_mut(2..).and_then(|rest| rest.get_mut(..payload.len()))
        else {
            return false;
        };
        place.copy_from_slice(payload);
        let Ok(content) = plain(&mut content, payload.len()) else { return false };
        self.state = State::Open(Session::new(key, Side::Hub, hello, &digest(content)));
        self.heard = now;
        true
    }

    /// Starts over: the gateway knows no session, or the key changed.
    pub fn restart(&mut self, now: HubTicks) {
        let soonest = self.called.map_or(now, |called| called.plus_millis(CALL_AT_MOST_MS));
        self.state = State::Idle(soonest.max(now));
    }

    /// A gateway answers, and its seal held.
    pub fn connected(&self) -> bool {
        matches!(&self.state, State::Open(session) if session.confirmed())
    }

    /// Keys are made; the gateway may not have proved itself yet.
    pub const fn open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Gives up what was not answered. Returns the count for the nonce of a `Hello` that is due.
    pub fn call_due(&mut self, now: HubTicks) -> Option<u32> {
        match &self.state {
            State::Idle(at) if *at <= now => {
                self.calls = self.calls.saturating_add(1);
                return Some(self.calls);
            }
            State::Calling(_) => {
                let called = self.called.unwrap_or_default();
                if now.millis_since(called) >= CALL_AGAIN_MS {
                    self.restart(now);
                }
            }
            State::Open(session) => {
                let patience = if session.confirmed() { SILENCE_MS } else { CALL_AGAIN_MS };
                if now.millis_since(self.heard) >= patience {
                    self.restart(now);
                }
            }
            State::Idle(_) => {}
        }
        None
    }

    /// When [`Self::call_due`] has something to do.
    pub fn next_due(&self) -> HubTicks {
        match &self.state {
            State::Idle(at) => *at,
            State::Calling(_) => self.called.unwrap_or_default().plus_millis(CALL_AGAIN_MS),
            State::Open(session) if session.confirmed() => self.heard.plus_millis(SILENCE_MS),
            State::Open(_) => self.heard.plus_millis(CALL_AGAIN_MS),
        }
    }

    /// Says `Hello`.
    pub fn call(&mut self, hello: Hello, now: HubTicks) {
        let mut content = [0; CONTENT_MAX];
        let Some(size) = payload(&ToGateway::Hello(hello), &mut content, 2) else { return };
        let Ok(content) = plain(&mut content, size) else { return };
        let hash = digest(content);
        self.put(content);
        self.called = Some(now);
        self.state = State::Calling(hash);
    }

    /// Room for another frame.
    pub const fn idle(&self) -> bool {
        self.pending.0 >= self.pending.1
    }

    /// Sends a message; `false` if the line is busy or there is no session to seal it with.
    pub fn send(&mut self, message: &ToGateway<'_>) -> bool {
        if !self.idle() {
            return false;
        }
        let mut content = [0; CONTENT_MAX];
        match &mut self.state {
            State::Open(session) => {
                let Some(size) = payload(message, &mut content, HEADER_SIZE) else { return false };
                let Ok(content) = session.seal(&mut content, size) else { return false };
                let Ok(line) = frame::write(content, &mut self.out) else { return false };
                self.pending = (0, line.len());
                true
            }
            _ if message.may_be_plain() => {
                let Some(size) = payload(message, &mut content, 2) else { return false };
                let Ok(content) = plain(&mut content, size) else { return false };
                self.put(content);
                true
            }
            _ => false,
        }
    }

    /// Tells the other side which version is spoken here, at most once a second.
    pub fn refuse_version(&mut self, now: HubTicks) {
        let recent = self.refused_version.is_some_and(|at| now.millis_since(at) < 1000);
        if !recent && self.idle() {
            self.refused_version = Some(now);
            self.put(&version_refusal());
        }
    }

    fn put(&mut self, content: &[u8]) {
        if let Ok(line) = frame::write(content, &mut self.out) {
            self.pending = (0, line.len());
        }
    }

    /// Octets for the line.
    pub fn outgoing(&self) -> &[u8] {
        self.out.get(self.pending.0..self.pending.1).unwrap_or(&[])
    }

    /// So many of them were taken.
    pub fn taken(&mut self, count: usize) {
        self.pending.0 = self.pending.0.saturating_add(count);
    }

    /// Damaged or unsealed frames since boot.
    pub const fn bad_frames(&self) -> u32 {
        self.bad_frames
    }
}

fn payload(message: &ToGateway<'_>, content: &mut [u8; CONTENT_MAX], at: usize) -> Option<usize> {
    message.encode(content.get_mut(at..)?).ok()
}
