//! Two homes: devices that measure, keep what nobody has confirmed, and send it as real devices do: again,
//! twice, out of order, with clocks that step or fall back to their first day, now and then in nonsense.

use hearth_gateway::clock::Now;
use hearth_gateway::intake::{Arrival, LinkSecurity, Payload};

use super::dice::Dice;
use crate::devices::{Cuff, DeviceTime, GlucoseMeter, Inflation, Scale, Sent};

/// What stands in a home.
#[derive(Clone, Debug)]
enum Kind {
    Meter(GlucoseMeter),
    Cuff,
    /// With user slots and a clock.
    Scale,
    /// Without a clock: its readings have a weak identity.
    PlainScale,
    /// Nobody put it onto the roster.
    Stranger,
}

/// One payload that a device keeps.
#[derive(Clone, Debug)]
pub struct Record {
    /// What goes over the air.
    pub sent: Sent,
    /// The value as displayed: mg/dL, systolic mmHg, or grams; `None` for nonsense and circumstances.
    pub value: Option<u32>,
    /// The second that the device's clock showed, as if it were UTC.
    pub stamp_s: Option<i64>,
    /// The gateway's owner of the device has said that it is durable.
    pub confirmed: bool,
    /// When it was measured, true time, ms.
    pub measured_ms: i64,
}

/// A device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Id on the gateway's roster.
    pub id: &'static str,
    kind: Kind,
    /// Its home's local time minus UTC, s.
    pub zone_s: i64,
    /// Error of its clock, s.
    pub clock_error_s: i64,
    /// What it keeps, oldest first.
    pub records: Vec<Record>,
    connections: u32,
}

/// Records that a device keeps after they were confirmed, and sends again.
const MEMORY: usize = 8;

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// The devices of both homes. Ana lives in Madrid (winter time, +1 h), Ben in Chicago (-6 h).
#[must_use]
pub fn devices() -> Vec<Device> {
    let device = |id, kind, zone_s| Device {
        id,
        kind,
        zone_s,
        clock_error_s: 0,
        records: Vec::new(),
        connections: 0,
    };
    vec![
        device("meter-ana", Kind::Meter(GlucoseMeter::new(100)), 3600),
        device("cuff-ana", Kind::Cuff, 3600),
        device("scale", Kind::Scale, 3600),
        device("meter-ben", Kind::Meter(GlucoseMeter::new(0)), -6 * 3600),
        device("plain-scale", Kind::PlainScale, -6 * 3600),
        device("stranger", Kind::Stranger, 3600),
    ]
}

/// One visit of a device: what it sends, in order, and which of its records that is.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Index of the device.
    pub device: usize,
    /// Number of the connection.
    pub connection: u32,
    /// Its clock, sampled in this connection, s as if it were UTC.
    pub clock_s: Option<i64>,
    /// Places in [`Device::records`], in the order of sending; a place may stand twice.
    pub places: Vec<usize>,
}

impl Device {
    fn clock(&self, true_ms: i64) -> DeviceTime {
        let local_s = true_ms.div_euclid(1000) + self.zone_s + self.clock_error_s;
        let at = jiff::Timestamp::from_second(local_s).unwrap_or_default();
        DeviceTime::new(jiff::tz::TimeZone::UTC.to_datetime(at))
    }

    /// Somebody measures.
    pub fn measure(&mut self, true_ms: i64, dice: &mut Dice) {
        let time = self.clock(true_ms);
        let keep = |sent, value, stamped: bool| Record {
            sent,
            value,
            stamp_s: stamped.then(|| time.seconds()),
            confirmed: false,
            measured_ms: true_ms,
        };
        if dice.chance(25) {
            // A frame cut short, or a characteristic that nobody knows.
            let length = dice.between(0, 5);
            let octets: Vec<u8> = (0..length).map(|_| dice.draw().to_le_bytes()[0]).collect();
            let characteristic = if dice.chance(500) { 0x2a18 } else { 0x2aff };
            self.records.push(keep(Sent { characteristic, octets }, None, false));
            return;
        }
        match &mut self.kind {
            Kind::Meter(meter) => {
                let value = match dice.between(0, 99) {
                    0..=7 => dice.between(30, 53),
                    8..=11 => dice.between(400, 560),
                    _ => dice.between(80, 260),
                };
                let meal = dice.chance(400).then_some(3);
                let value = u16::try_from(value).unwrap_or(100);
                for sent in meter.measure(time, value, meal) {
                    let context = sent.characteristic == 0x2a34;
                    let shown = (!context).then_some(u32::from(value));
                    self.records.push(keep(sent, shown, !context));
                }
            }
            Kind::Cuff => {
                let systolic = dice.between(105, 150) + if dice.chance(60) { 70 } else { 0 };
                let systolic = i16::try_from(systolic).unwrap_or(120);
                let diastolic = i16::try_from(dice.between(65, 95)).unwrap_or(80);
                let inflation = Inflation { systolic, diastolic, pulse: 72, slot: 0xff };
                let sent = Cuff.measure(time, inflation);
                self.records.push(keep(sent, Some(u32::from(systolic.unsigned_abs())), true));
            }
            Kind::Scale => {
                let grams = u32::try_from(dice.between(11_000, 18_000)).unwrap_or(14_000) * 5;
                let slot = if dice.chance(500) { 1 } else { 2 };
                self.records.push(keep(Scale.measure(time, grams, slot), Some(grams), true));
            }
            Kind::PlainScale | Kind::Stranger => {
                // Flags 0: SI, no stamp, no user; 5 g a count.
                let count = u16::try_from(dice.between(11_000, 18_000)).unwrap_or(14_000);
                let [low, high] = count.to_le_bytes();
                let sent = Sent { characteristic: 0x2a9d, octets: vec![0, low, high] };
                self.records.push(keep(sent, Some(u32::from(count) * 5), false));
            }
        }
    }

    /// Its clock goes wrong, or its battery is changed.
    pub fn disturb_clock(&mut self, true_ms: i64, dice: &mut Dice) {
        self.clock_error_s = match dice.between(0, 3) {
            0 => 0,
            1 => dice.signed(-7200, 7200),
            // Many cuffs fall back to their first day.
            2 => 1_609_459_200 - true_ms.div_euclid(1000) + dice.signed(0, 600),
            _ => dice.signed(-2, 3) * DAY_S,
        };
    }

    /// A factory reset: numbers start over and the memory is gone, unless something is not confirmed yet.
    pub fn reset(&mut self) {
        if self.records.iter().all(|record| record.confirmed)
            && let Kind::Meter(meter) = &mut self.kind
        {
            *meter = GlucoseMeter::new(0);
            self.records.clear();
        }
    }

    /// It connects and wants to send what is not confirmed, and perhaps everything it remembers.
    pub fn visit(&mut self, index: usize, true_ms: i64, dice: &mut Dice) -> Visit {
        self.connections += 1;
        let all = dice.chance(300) && !matches!(self.kind, Kind::PlainScale | Kind::Cuff);
        let mut places: Vec<usize> =
            (0..self.records.len()).filter(|i| all || !self.records[*i].confirmed).collect();
        if dice.chance(150) {
            for at in (1..places.len()).rev() {
                places.swap(at, dice.place(at + 1));
            }
        }
        if dice.chance(100) && !matches!(self.kind, Kind::PlainScale) && !places.is_empty() {
            let twice = places[dice.place(places.len())];
            places.push(twice);
        }
        let clock_s = (!matches!(self.kind, Kind::PlainScale) && dice.chance(750))
            .then(|| self.clock(true_ms).seconds());
        Visit { device: index, connection: self.connections, clock_s, places }
    }

    /// The arrivals of a part of a visit, as the radio would hand them over.
    pub fn arrivals(&self, visit: &Visit, part: std::ops::Range<usize>, now: Now) -> Vec<Arrival> {
        let of = |position: usize| {
            let record = self.records.get(*visit.places.get(position)?)?;
            Some(Arrival {
                device: self.id.to_owned(),
                payload: Payload::Gatt {
                    characteristic: record.sent.characteristic,
                    octets: record.sent.octets.clone(),
                },
                received: now,
                connection: visit.connection,
                position: u32::try_from(position).unwrap_or(u32::MAX),
                clock_offset_s: visit.clock_s.map(|clock_s| now.wall.seconds() - clock_s),
                link: LinkSecurity { encrypted: Some(true), ..LinkSecurity::default() },
            })
        };
        part.filter_map(of).collect()
    }

    /// The records of a part of a visit.
    pub fn records_of(&self, visit: &Visit, part: std::ops::Range<usize>) -> Vec<Record> {
        let places = visit.places.get(part).unwrap_or_default();
        places.iter().filter_map(|place| self.records.get(*place).cloned()).collect()
    }

    /// Part of a visit was said to be durable: the device may forget it, and does so sooner or later.
    pub fn confirm(&mut self, visit: &Visit, part: std::ops::Range<usize>) {
        for place in visit.places.get(part).unwrap_or_default() {
            if let Some(record) = self.records.get_mut(*place) {
                record.confirmed = true;
            }
        }
    }

    /// The connection has ended: the memory is bounded, a cuff keeps nothing that was confirmed.
    pub fn forget(&mut self) {
        let keep = if matches!(self.kind, Kind::Cuff | Kind::PlainScale) { 0 } else { MEMORY };
        let spare = self.records.iter().filter(|r| r.confirmed).count().saturating_sub(keep);
        let mut gone = 0;
        self.records.retain(|record| {
            let old = record.confirmed && gone < spare;
            gone += usize::from(old);
            !old
        });
    }

    /// Whether everything it measured is durable elsewhere, as far as it was told.
    #[must_use]
    pub fn is_empty_handed(&self) -> bool {
        self.records.iter().all(|record| record.confirmed)
    }
}
