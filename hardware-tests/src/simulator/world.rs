//! Who does what when: the agenda, the wires between the parts, and time.

use std::collections::BTreeMap;
use std::io::Write;

use hearth_gateway::clock::Now;
use hearth_gateway::intake::Outcome;
use hearth_gateway::path::OpenError;
use hearth_gateway::store::StoreError;
use hearth_gateway::store::outbox_page::Fetch;
use hearth_gateway::uplink::machine::Event as UplinkEvent;
use hearth_gateway::uplink::source::UplinkWrite;
use hearth_shared::time::UnixMillis;

use super::broker::{Broker, Client, Packet};
use super::dice::Dice;
use super::gateway::{Gateway, START_MS};
use super::home::{self, Device, Record, Visit};
use super::hospital::Hospital;
use super::ledger::Ledger;
use super::trace::Trace;
use super::{Life, Planted};

mod faults;
mod people;
mod wires;

pub(super) use faults::Disturbance;

/// Steps after which a life that does not come to an end is given up.
const STEPS_MAX: u64 = 200_000;
/// Time after which everything must have drained once the faults are over, ms.
const DRAIN_MS: u64 = 1_200_000;
/// The daemon's tick in an active time, ms.
const TICK_MS: u64 = 5_000;
/// The consumer's own timer, ms.
const REMIND_MS: u64 = 2_000;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    Measure(usize),
    Connect(usize),
    Part(Visit, usize),
    Owed(u64),
    ToBroker(Client, u64, Packet),
    ToClient(Client, u64, Packet),
    Fetch(u64, Fetch),
    Write(u64, u64, UplinkWrite),
    Flush(u64),
    Timer(u64, u64),
    Tick(u64),
    Remind,
    HospitalConnects,
    Command,
    Need,
    Fault(Disturbance),
    BrokerStarts,
    Thaw,
    Accept,
    DiskFree,
    Start(u64),
}

/// Everything there is.
#[derive(Debug)]
pub struct World<'o> {
    pub(super) dice: Dice,
    trace: Trace<'o>,
    planted: Option<Planted>,
    agenda: BTreeMap<(u64, u64), Event>,
    order: u64,
    now_ms: u64,
    /// Time that passed while everything slept, ms.
    skipped_ms: i64,
    pub(super) gateway: Option<Gateway>,
    pub(super) broker: Broker,
    pub(super) hospital: Hospital,
    pub(super) devices: Vec<Device>,
    visiting: Vec<bool>,
    ledger: Ledger,
    links: u64,
    /// Last delivery by client and direction, so that packets stay in order.
    wires: BTreeMap<(Client, bool), u64>,
    wrote_ms: u64,
    due: Option<UnixMillis>,
    /// The gateway's process is to die at its next commit: before it, or after it.
    dies_at_commit: Option<bool>,
    healed: bool,
    life: Life,
    commands: u32,
    seed: u64,
}

type Step = Result<(), String>;

fn store(error: &StoreError) -> String {
    format!("the store answered: {error}")
}

impl<'o> World<'o> {
    /// The world of a seed, before anything has happened.
    pub fn new(seed: u64, planted: Option<Planted>, out: Option<&'o mut dyn Write>) -> Self {
        let mut dice = Dice::new(seed);
        let queue_max = if dice.chance(300) { 5 } else { 1000 };
        let duplicates = if dice.chance(400) { 100 } else { 0 };
        let devices = home::devices();
        Self {
            broker: Broker::new(queue_max, duplicates),
            dice,
            trace: Trace::new(out),
            planted,
            agenda: BTreeMap::new(),
            order: 0,
            now_ms: 0,
            skipped_ms: 0,
            gateway: None,
            hospital: Hospital::new(super::gateway::ID, planted),
            visiting: vec![false; devices.len()],
            devices,
            ledger: Ledger::default(),
            links: 0,
            wires: BTreeMap::new(),
            wrote_ms: 0,
            due: None,
            dies_at_commit: None,
            healed: false,
            life: Life::default(),
            commands: 0,
            seed,
        }
    }

    /// The lines so far.
    pub fn trace(&self) -> &Trace<'o> {
        &self.trace
    }

    pub(super) fn say(&mut self, line: std::fmt::Arguments<'_>) {
        self.trace.say(self.now_ms, line);
    }

    pub(super) fn true_ms(&self) -> i64 {
        START_MS.saturating_add(self.skipped_ms).saturating_add_unsigned(self.now_ms)
    }

    pub(super) fn after(&mut self, delay_ms: u64, event: Event) {
        self.order += 1;
        self.agenda.insert((self.now_ms + delay_ms, self.order), event);
    }

    pub(super) fn soon(&mut self, most_ms: u64, event: Event) {
        let delay_ms = self.dice.between(1, most_ms);
        self.after(delay_ms, event);
    }

    fn next_link(&mut self) -> u64 {
        self.links += 1;
        self.links
    }

    pub(super) fn now(&self) -> Now {
        let trusts = self.planted == Some(Planted::TrustsAnyClock);
        match &self.gateway {
            Some(gateway) => gateway.now(self.now_ms, self.true_ms(), trusts),
            None => Now {
                wall: UnixMillis::from_millis(self.true_ms()),
                monotonic_ms: self.now_ms,
                boot: hearth_gateway::clock::BootId([0; 16]),
                trusted: true,
            },
        }
    }

    /// Lives through everything.
    ///
    /// # Errors
    /// What was violated.
    pub fn live(&mut self) -> Result<Life, String> {
        self.gateway = Some(Gateway::new(self.seed).map_err(|error| error.to_string())?);
        self.start()?;
        self.after(0, Event::HospitalConnects);
        self.after(1, Event::Remind);
        let rounds = self.dice.between(3, 8);
        for round in 0..rounds {
            self.say(format_args!("round {round}"));
            self.plan_round();
            let length_ms = self.dice.between(8_000, 40_000);
            self.run_until(self.now_ms + length_ms, false)?;
            self.skip()?;
        }
        self.heal()?;
        self.run_until(self.now_ms + DRAIN_MS, true)?;
        if !self.is_done() {
            let last = self.last();
            return Err(format!("not drained after {DRAIN_MS} ms: lanes end at {last:?}"));
        }
        let gateway = self.gateway.as_ref().ok_or("no gateway")?;
        let reader = gateway.inspect().map_err(|error| store(&error))?;
        self.ledger.settle(&reader, &self.hospital)?;
        let [alerts, observations] = self.last();
        let steps = self.life.steps;
        self.say(format_args!("ends well: {alerts} and {observations} messages, {steps} steps"));
        self.life.messages = alerts + observations;
        self.life.observations = observations;
        self.life.acknowledged = self.ledger.acknowledged;
        self.life.prompts = self.ledger.prompts;
        self.life.digest = self.trace.digest();
        Ok(self.life)
    }

    fn run_until(&mut self, end_ms: u64, until_done: bool) -> Step {
        while let Some((at, _)) = self.agenda.first_key_value().map(|(key, _)| *key)
            && at <= end_ms
        {
            let Some((_, event)) = self.agenda.pop_first() else { break };
            self.now_ms = at;
            self.life.steps += 1;
            if self.life.steps > STEPS_MAX {
                return Err(format!("still busy after {STEPS_MAX} steps"));
            }
            self.happen(event)?;
            if until_done && self.is_done() {
                return Ok(());
            }
        }
        self.now_ms = self.now_ms.max(end_ms);
        Ok(())
    }

    /// The last numbers of both lanes.
    fn last(&self) -> [u64; 2] {
        let reader = self.gateway.as_ref().and_then(|g| g.process.as_ref()).map(|p| &p.reader);
        let of = |lane| {
            let fetch = Fetch { lane, after: u64::MAX >> 1, limit: 1, replay_to: None };
            let page = reader.map(|r| hearth_gateway::store::outbox::page(r, &fetch));
            page.and_then(Result::ok).map_or(u64::MAX, |page| page.last)
        };
        use hearth_gateway::uplink::message::Lane;
        [of(Lane::Alerts), of(Lane::Observations)]
    }

    fn is_done(&self) -> bool {
        self.hospital.commands.is_empty()
            && !self.visiting.contains(&true)
            && self.devices.iter().all(Device::is_empty_handed)
            && self.hospital.is_done(self.last())
    }

    /// Everything sleeps for some hours; what falls due meanwhile is done on time.
    fn skip(&mut self) -> Step {
        let mut left_ms = match self.dice.between(0, 9) {
            0..=3 => self.dice.signed(60_000, 1_800_000),
            4..=8 => self.dice.signed(1_800_000, 14 * 3_600_000),
            _ => self.dice.signed(86_400_000, 4 * 86_400_000),
        };
        self.say(format_args!("sleeps {left_ms} ms"));
        for _ in 0..10 {
            let wall = self.now().wall.millis();
            let hop = self.due.map_or(i64::MAX, |due| (due.millis() - wall).max(1_000));
            let hop = hop.min(left_ms);
            self.skipped_ms += hop;
            left_ms -= hop;
            self.tick()?;
            if left_ms <= 0 {
                return Ok(());
            }
        }
        self.skipped_ms += left_ms;
        self.tick()
    }

    fn happen(&mut self, event: Event) -> Step {
        match event {
            Event::Measure(index) => {
                let true_ms = self.true_ms();
                self.devices[index].measure(true_ms, &mut self.dice);
                let id = self.devices[index].id;
                self.say(format_args!("{id} measures"));
                self.soon(4_000, Event::Connect(index));
                Ok(())
            }
            Event::Connect(index) => self.connect(index),
            Event::Part(visit, from) => self.part(visit, from),
            Event::Owed(life) => self.owed(life),
            Event::ToBroker(client, link, packet) => {
                let mut out = Vec::new();
                self.broker.take(client, link, packet, &mut self.dice, &mut out);
                self.deliver(out);
                Ok(())
            }
            Event::ToClient(Client::Gateway, link, packet) => self.gateway_takes(link, packet),
            Event::ToClient(Client::Hospital, link, packet) => self.hospital_takes(link, packet),
            Event::Fetch(life, fetch) => self.fetch(life, fetch),
            Event::Write(life, token, write) => self.write(life, token, write),
            Event::Flush(life) => self.flush(life),
            Event::Timer(life, at) => {
                let Some(process) = self.process(life) else { return Ok(()) };
                if process.timer_ms != at {
                    return Ok(());
                }
                process.timer_ms = u64::MAX;
                self.feed(UplinkEvent::Timer)
            }
            Event::Tick(life) => {
                if self.process(life).is_none() {
                    return Ok(());
                }
                self.tick()?;
                self.after(TICK_MS, Event::Tick(life));
                Ok(())
            }
            Event::Remind => {
                let packets = self.hospital.remind(self.now_ms);
                self.hospital_sends(packets);
                self.after(REMIND_MS, Event::Remind);
                Ok(())
            }
            Event::HospitalConnects => {
                if self.hospital.link.is_none() {
                    let link = self.next_link();
                    self.hospital.link = Some(link);
                    self.send(Client::Hospital, true, link, Packet::Connect);
                }
                Ok(())
            }
            Event::Command => self.command(),
            Event::Need => self.need(),
            other => self.fault(other),
        }
    }

    /// After a commit: the uplink is woken, and what left is looked at.
    pub(super) fn committed(&mut self) -> Step {
        self.feed(UplinkEvent::Wake)?;
        let now = self.now();
        let Some(gateway) = &self.gateway else { return Ok(()) };
        let set = gateway.synchronised && now.wall >= hearth_gateway::clock::EARLIEST_PLAUSIBLE;
        match &gateway.process {
            Some(process) => self.ledger.look(&process.reader, now, set),
            None => Ok(()),
        }
    }

    pub(super) fn tick(&mut self) -> Step {
        let now = self.now();
        let Some(process) = self.gateway.as_mut().and_then(|g| g.process.as_mut()) else {
            return Ok(());
        };
        match process.path.tick(now) {
            Ok(due) => self.due = due,
            Err(StoreError::Disk(_)) => return Ok(()),
            Err(error) => return Err(store(&error)),
        }
        self.committed()
    }

    pub(super) fn start(&mut self) -> Step {
        let Some(gateway) = &mut self.gateway else { return Ok(()) };
        match gateway.start() {
            Ok(()) => {
                let life = gateway.life;
                self.say(format_args!("gateway starts, life {life}"));
                self.after(10, Event::Tick(life));
                self.feed(UplinkEvent::Timer)?;
                self.committed()
            }
            Err(OpenError::Store(StoreError::Disk(_))) => {
                let life = gateway.life;
                self.after(5_000, Event::Start(life));
                Ok(())
            }
            Err(error) => Err(format!("the gateway does not start: {error}")),
        }
    }

    /// Writes the outcomes of committed records into the ledger.
    pub(super) fn note(&mut self, device: usize, records: &[Record], outcomes: &[Outcome]) -> Step {
        let id = self.devices[device].id;
        for (outcome, record) in outcomes.iter().zip(records) {
            self.say(format_args!("{id} {outcome:?}"));
            self.ledger.commit(id, record, outcome)?;
        }
        Ok(())
    }

    pub(super) fn promise(&mut self, visit: &Visit, part: std::ops::Range<usize>) {
        let device = &self.devices[visit.device];
        for place in visit.places.get(part.clone()).unwrap_or_default() {
            if let Some(record) = device.records.get(*place) {
                self.ledger.promise(device.id, record);
            }
        }
        self.devices[visit.device].confirm(visit, part);
    }
}
