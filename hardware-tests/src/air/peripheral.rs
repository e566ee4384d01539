//! A device on the air as a machine: it advertises after a measurement, answers reads and writes, and sends what
//! it holds. It knows the truth: everything that was ever measured with it.

use std::collections::{BTreeSet, VecDeque};

use hearth_gateway::radio::air::{Address, Advert, Fault, Place, Properties, Services};
use hearth_gateway::radio::conversation::Call;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::devices::{Cuff, DeviceTime, GlucoseMeter, Inflation, Scale, Sent};

/// Between two values of one device.
const BETWEEN_MS: i64 = 30;

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Keeps its records; gives them by record access.
    Meter,
    /// Gives what it has not given, oldest first, and forgets it once that is confirmed.
    Cuff,
    /// Gives a user's weights once the user has consented; forgets them once confirmed.
    Scale,
}

/// A link from the device's side.
#[derive(Clone, Debug, Default)]
struct Link {
    subscribed: BTreeSet<Place>,
    consented: Option<u8>,
    outgoing: VecDeque<(i64, Place, Vec<u8>)>,
    last_ms: i64,
}

/// One device.
#[derive(Clone, Debug)]
pub struct Peripheral {
    /// Its address.
    pub address: Address,
    /// Its id on the roster.
    pub device: &'static str,
    /// Id of its model profile.
    pub profile: &'static str,
    /// What it is.
    pub kind: Kind,
    /// How far its clock is ahead of the truth, ms.
    pub clock_error_ms: i64,
    /// It advertises until then.
    pub awake_until: i64,
    /// It goes on advertising while it has power, as some scales do.
    pub talkative: bool,
    /// It has measured since somebody last heard it.
    pub fresh: bool,
    /// Everything that was measured, by its octets.
    pub truth: Vec<Vec<u8>>,
    /// What it was told is taken, although the other side was not yet sure of it: lost if that side dies.
    pub confirmed: BTreeSet<Vec<u8>>,
    meter: GlucoseMeter,
    /// Measurements under way: when each is done, its value, its slot, and how long it says so.
    begun: Vec<(i64, u16, u8, i64)>,
    /// Values by record number (a record and its context), or one by one.
    memory: Vec<(u16, Vec<Sent>)>,
    numbers: u16,
    zone: TimeZone,
    link: Option<Link>,
}

const fn measurement(kind: Kind) -> Place {
    match kind {
        Kind::Meter => Place::sig(0x1808, 0x2A18),
        Kind::Cuff => Place::sig(0x1810, 0x2A35),
        Kind::Scale => Place::sig(0x181D, 0x2A9D),
    }
}
const CONTEXT: Place = Place::sig(0x1808, 0x2A34);
const RACP: Place = Place::sig(0x1808, 0x2A52);
const TIME: Place = Place::sig(0x1805, 0x2A2B);
const CUFF_TIME: Place = Place::sig(0x1810, 0x2A08);
const BATTERY: Place = Place::sig(0x180F, 0x2A19);
const MODEL: Place = Place::sig(0x180A, 0x2A24);
const USER: Place = Place::sig(0x181C, 0x2A9F);
const USER_INDEX: Place = Place::sig(0x181C, 0x2A9A);

/// The consent code of every user here.
pub const CODE: u16 = 3_752;

impl Peripheral {
    /// A device that has measured nothing yet.
    #[must_use]
    pub fn new(
        kind: Kind,
        address: Address,
        (device, profile): (&'static str, &'static str),
    ) -> Self {
        Self {
            address,
            device,
            profile,
            kind,
            clock_error_ms: 0,
            awake_until: 0,
            talkative: false,
            fresh: false,
            truth: Vec::new(),
            confirmed: BTreeSet::new(),
            meter: GlucoseMeter::new(0),
            begun: Vec::new(),
            memory: Vec::new(),
            numbers: 0,
            zone: TimeZone::get("Europe/Madrid").unwrap_or(TimeZone::UTC),
            link: None,
        }
    }

    fn face(&self, now_ms: i64) -> DeviceTime {
        let shown = Timestamp::from_millisecond(now_ms + self.clock_error_ms).unwrap_or_default();
        DeviceTime::new(self.zone.to_datetime(shown))
    }

    /// Somebody begins to measure; the device is silent until it is done.
    pub fn begin(&mut self, done_ms: i64, value: u16, slot: u8, awake_ms: i64) {
        self.begun.push((done_ms, value, slot, awake_ms));
    }

    /// Measurements that are done now.
    pub fn finish(&mut self, now_ms: i64) {
        let (done, begun) = self.begun.drain(..).partition(|(at, ..)| *at <= now_ms);
        self.begun = begun;
        let done: Vec<(i64, u16, u8, i64)> = done;
        for (_, value, slot, awake_ms) in done {
            self.measure(value, slot, now_ms, awake_ms);
        }
    }

    /// Somebody has measured: `value` is mg/dL, mmHg systolic, or 5 g counts; `slot` a user of the device.
    fn measure(&mut self, value: u16, slot: u8, now_ms: i64, awake_ms: i64) {
        let face = self.face(now_ms);
        let sent = match self.kind {
            Kind::Meter => self.meter.measure(face, value, value.is_multiple_of(2).then_some(3)),
            Kind::Cuff => {
                let systolic = i16::try_from(value).unwrap_or(120);
                let inflation = Inflation { systolic, diastolic: systolic - 45, pulse: 66, slot };
                vec![Cuff.measure(face, inflation)]
            }
            Kind::Scale => vec![Scale.measure(face, u32::from(value) * 5, slot)],
        };
        self.numbers = self.numbers.wrapping_add(1);
        self.truth.extend(sent.iter().map(|s| s.octets.clone()));
        self.memory.push((self.numbers, sent));
        self.fresh = true;
        self.awake_until = self.awake_until.max(now_ms + awake_ms);
        if let Some(consented) = self.link.as_ref().map(|link| link.consented) {
            self.push_memory(now_ms, consented);
        }
    }

    /// What it says on the air now.
    #[must_use]
    pub fn advert(&self, now_ms: i64) -> Option<Advert> {
        let heard = self.link.is_none()
            && self.begun.is_empty()
            && (self.talkative || now_ms < self.awake_until);
        heard.then(|| Advert {
            services: vec![measurement(self.kind).service],
            rssi: Some(-60),
            ..Advert::of(self.address)
        })
    }

    /// Whether somebody is connected.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// A connection comes; the device takes it while it advertises.
    pub fn connect(&mut self, now_ms: i64) -> Option<Services> {
        self.advert(now_ms)?;
        self.link = Some(Link::default());
        let read = Properties { read: true, ..Properties::default() };
        let write = Properties { write: true, indicate: true, ..Properties::default() };
        let (notify, indicate) = (
            Properties { notify: true, ..Properties::default() },
            Properties { indicate: true, ..Properties::default() },
        );
        let clock = Properties { read: true, write: true, ..Properties::default() };
        let mut services = Services::from([(BATTERY, read), (MODEL, read)]);
        match self.kind {
            Kind::Meter => services.extend([
                (measurement(self.kind), notify),
                (CONTEXT, notify),
                (RACP, write),
                (TIME, clock),
            ]),
            Kind::Cuff => services.extend([(measurement(self.kind), indicate), (CUFF_TIME, clock)]),
            Kind::Scale => services.extend([
                (measurement(self.kind), indicate),
                (TIME, clock),
                (USER, write),
                (USER_INDEX, read),
            ]),
        }
        Some(services)
    }

    /// The link is gone; what was not confirmed is kept.
    pub fn disconnect(&mut self) {
        self.link = None;
    }

    /// Answers a call.
    ///
    /// # Errors
    /// As a device would.
    pub fn call(&mut self, call: &Call, now_ms: i64) -> Result<Vec<u8>, Fault> {
        if self.link.is_none() {
            return Err(Fault::Disconnected);
        }
        match call {
            Call::Read(place) => self.read(*place, now_ms),
            Call::Write { place, octets, .. } => {
                self.write(*place, octets, now_ms).map(|()| Vec::new())
            }
            Call::Subscribe(place) => {
                if let Some(link) = self.link.as_mut() {
                    link.subscribed.insert(*place);
                }
                if self.kind == Kind::Cuff && *place == measurement(self.kind) {
                    self.push_memory(now_ms, None);
                }
                if self.kind == Kind::Scale && *place == measurement(self.kind) {
                    let consented = self.link.as_ref().and_then(|link| link.consented);
                    self.push_memory(now_ms, consented);
                }
                Ok(Vec::new())
            }
            Call::Unsubscribe(place) => {
                if let Some(link) = self.link.as_mut() {
                    link.subscribed.remove(place);
                }
                Ok(Vec::new())
            }
        }
    }

    fn read(&self, place: Place, now_ms: i64) -> Result<Vec<u8>, Fault> {
        if place == BATTERY {
            return Ok(vec![81]);
        }
        if place == MODEL {
            return Ok(b"Simulated".to_vec());
        }
        if place == USER_INDEX {
            return Ok(vec![self.link.as_ref().and_then(|link| link.consented).unwrap_or(0xFF)]);
        }
        let face = self.face(now_ms).octets();
        if place == TIME {
            return Ok([&face[..], &[0, 0, 0]].concat());
        }
        if place == CUFF_TIME { Ok(face.to_vec()) } else { Err(Fault::Att(0x0A)) }
    }

    fn write(&mut self, place: Place, octets: &[u8], now_ms: i64) -> Result<(), Fault> {
        if place == TIME || place == CUFF_TIME {
            let Some(&[a, b, month, day, hour, minute, second]) = octets.first_chunk::<7>() else {
                return Err(Fault::Att(0x0D));
            };
            let part = |value: u8| i8::try_from(value).unwrap_or(0);
            let year = i16::from_le_bytes([a, b]);
            let set = jiff::civil::DateTime::new(
                year,
                part(month),
                part(day),
                part(hour),
                part(minute),
                part(second),
                0,
            )
            .ok()
            .and_then(|face| self.zone.to_timestamp(face).ok())
            .ok_or(Fault::Att(0x80))?;
            self.clock_error_ms = set.as_millisecond() - now_ms;
            return Ok(());
        }
        match (place == RACP, place == USER, octets) {
            (true, _, [op, operator, rest @ ..]) => {
                self.record_access(*op, *operator, rest, now_ms)
            }
            (_, true, [0x02, slot, low, high]) => {
                let right = u16::from_le_bytes([*low, *high]) == CODE;
                if right && let Some(link) = self.link.as_mut() {
                    link.consented = Some(*slot);
                }
                self.send(USER, vec![0x20, 0x02, if right { 1 } else { 5 }], now_ms);
                if right {
                    self.push_memory(now_ms, Some(*slot));
                }
            }
            _ => return Err(Fault::Att(0x80)),
        }
        Ok(())
    }

    fn record_access(&mut self, op: u8, operator: u8, rest: &[u8], now_ms: i64) {
        let least = match (operator, rest) {
            (1, []) => 0,
            (3, [1, low, high]) => u16::from_le_bytes([*low, *high]),
            // First and last: a record each.
            (5, []) | (6, []) => 0,
            _ => return self.send(RACP, vec![6, 0, op, 4], now_ms),
        };
        let mut found: Vec<(u16, Vec<Sent>)> =
            self.memory.iter().filter(|(number, _)| *number >= least).cloned().collect();
        match operator {
            5 => found.truncate(1),
            6 => found = found.pop().into_iter().collect(),
            _ => {}
        }
        match op {
            4 => {
                let [low, high] = u16::try_from(found.len()).unwrap_or(u16::MAX).to_le_bytes();
                self.send(RACP, vec![5, 0, low, high], now_ms);
            }
            1 => {
                let code = if found.is_empty() { 6 } else { 1 };
                for sent in found.into_iter().flat_map(|(_, sent)| sent) {
                    let place = if sent.characteristic == 0x2A34 {
                        CONTEXT
                    } else {
                        measurement(self.kind)
                    };
                    self.send(place, sent.octets, now_ms);
                }
                self.send(RACP, vec![6, 0, 1, code], now_ms);
            }
            _ => self.send(RACP, vec![6, 0, op, 2], now_ms),
        }
    }

    /// What waits for the other side: of this user only, where the device knows users.
    fn push_memory(&mut self, now_ms: i64, consented: Option<u8>) {
        if self.kind == Kind::Meter {
            return;
        }
        let place = measurement(self.kind);
        let listening = self.link.as_ref().is_some_and(|link| link.subscribed.contains(&place));
        if !listening || (self.kind == Kind::Scale && consented.is_none()) {
            return;
        }
        let queued: BTreeSet<Vec<u8>> = self
            .link
            .iter()
            .flat_map(|link| link.outgoing.iter().map(|(_, _, octets)| octets.clone()))
            .collect();
        let waiting: Vec<Vec<u8>> = self
            .memory
            .iter()
            .flat_map(|(_, sent)| sent)
            .filter(|sent| self.kind == Kind::Cuff || sent.octets.last() == consented.as_ref())
            .map(|sent| sent.octets.clone())
            .filter(|octets| !queued.contains(octets))
            .collect();
        for octets in waiting {
            self.send(place, octets, now_ms);
        }
    }

    fn send(&mut self, place: Place, octets: Vec<u8>, now_ms: i64) {
        if let Some(link) = self.link.as_mut()
            && link.subscribed.contains(&place)
        {
            let at = (now_ms + BETWEEN_MS).max(link.last_ms + BETWEEN_MS);
            link.last_ms = at;
            link.outgoing.push_back((at, place, octets));
        }
    }

    /// When it sends next.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        self.link.as_ref().and_then(|link| link.outgoing.front()).map(|(at, ..)| *at)
    }

    /// What it sends now. An indication is confirmed by the other side's host at once: then it is forgotten.
    pub fn pop(&mut self, now_ms: i64) -> Option<(Place, Vec<u8>)> {
        let link = self.link.as_mut()?;
        if link.outgoing.front()?.0 > now_ms {
            return None;
        }
        let (_, place, octets) = link.outgoing.pop_front()?;
        if self.kind != Kind::Meter && place == measurement(self.kind) {
            self.memory.retain(|(_, sent)| sent.iter().all(|s| s.octets != octets));
            self.confirmed.insert(octets.clone());
        }
        Some((place, octets))
    }
}
