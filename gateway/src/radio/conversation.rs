//! One session with one device, as a machine: it carries a driver's steps to the shell one by one, and
//! every value to the journal before the driver hears of it.
//!
//! What a device says is committed in the order in which it came, as a batch of everything that has
//! arrived meanwhile; one batch is under way at a time. A session is over only when all of it is
//! committed: `Done` never overtakes a value.

use std::collections::VecDeque;

use super::air::{Fault, Place, Services, short};
use super::drivers::{Driver, Ending, Event, Finding, Moment, Step};
use crate::clock::Now;
use crate::intake::{Arrival, LinkSecurity, Payload};

/// Values that may wait for the disk. A meter with 10,000 records is held back by its own link long
/// before; beyond this the link is closed, and what was not taken is asked for again.
pub const WAITING_MAX: usize = 4_096;

/// Values in one commit: the same cap as the writer's.
const BATCH_MAX: usize = 512;

/// A step for the radio, answered by [`Input::Answered`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Read.
    Read(Place),
    /// Write.
    Write {
        /// Where.
        place: Place,
        /// What.
        octets: Vec<u8>,
        /// Wait for the device's answer.
        response: bool,
    },
    /// Ask for values.
    Subscribe(Place),
    /// No more values.
    Unsubscribe(Place),
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The link is up.
    Opened(&'a Services),
    /// The call under way was answered; octets where it was a read.
    Answered(Result<Vec<u8>, Fault>),
    /// A notification or indication.
    Value(Place, Vec<u8>),
    /// The batch under way is durable.
    Committed,
    /// The wait is over.
    Timer,
    /// The link is gone.
    Lost(Fault),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Carry this out and answer; nothing else is asked meanwhile.
    Call(Call),
    /// Commit these and say so.
    Commit(Vec<Arrival>),
    /// Say [`Input::Timer`] after this time, in place of the time before.
    Wait {
        /// Milliseconds.
        after_ms: u32,
    },
    /// What was learned.
    Found(Finding),
    /// The session is over; everything it took is durable.
    Done(Ending),
}

/// What stands on every arrival of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Device id, or its address where no roster has it.
    pub device: String,
    /// Counts the connections since boot.
    pub connection: u32,
    /// What is known of the link.
    pub link: LinkSecurity,
}

/// Something that came, or was read to be kept.
struct Item {
    /// For the journal.
    arrival: Option<Arrival>,
    /// For the driver, afterwards.
    tell: Option<(Place, Vec<u8>)>,
}

/// The machine.
pub struct Conversation {
    driver: Box<dyn Driver>,
    heading: Heading,
    steps: VecDeque<Step>,
    calling: Option<Call>,
    /// Not yet handed to the writer.
    waiting: VecDeque<Item>,
    /// Being committed: what the driver is told afterwards.
    committing: Option<Vec<(Place, Vec<u8>)>>,
    position: u32,
    values: u32,
    clock_offset_s: Option<i64>,
    ending: Option<Ending>,
    /// The link is gone, and whether the driver knows.
    lost: Option<(Fault, bool)>,
    over: bool,
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation").field("heading", &self.heading).finish_non_exhaustive()
    }
}

impl Conversation {
    /// A session that begins.
    pub fn new(driver: Box<dyn Driver>, heading: Heading) -> Self {
        Self {
            driver,
            heading,
            steps: VecDeque::new(),
            calling: None,
            waiting: VecDeque::new(),
            committing: None,
            position: 0,
            values: 0,
            clock_offset_s: None,
            ending: None,
            lost: None,
            over: false,
        }
    }

    /// Measurements that came as notifications or indications so far, those not yet durable included.
    pub const fn values(&self) -> u32 {
        self.values
    }

    /// Takes an input. `now` is the time of the shell, `moment` the same for the driver.
    pub fn on(&mut self, input: Input<'_>, now: Now, moment: Moment) -> Vec<Output> {
        let mut out = Vec::new();
        if self.over {
            return out;
        }
        match input {
            Input::Opened(services) => self.ask(Event::Opened(services), moment),
            Input::Answered(result) => self.answered(result, moment),
            Input::Value(place, octets) => self.value(place, octets, now),
            Input::Committed => self.committed(moment),
            Input::Timer => self.ask(Event::Timer, moment),
            Input::Lost(fault) => {
                self.calling = None;
                self.steps.retain(|step| matches!(step, Step::Found(_) | Step::Done(_)));
                self.lost.get_or_insert((fault, false));
            }
        }
        self.go_on(now, moment, &mut out);
        out
    }

    fn ask(&mut self, event: Event<'_>, moment: Moment) {
        if self.ending.is_none() {
            self.steps.extend(self.driver.on(event, moment));
        }
    }

    fn answered(&mut self, result: Result<Vec<u8>, Fault>, moment: Moment) {
        let Some(call) = self.calling.take() else { return };
        match call {
            Call::Read(place) => {
                let result = result.as_deref().map_err(Clone::clone);
                self.ask(Event::Read { place, result }, moment);
            }
            Call::Write { place, .. } => {
                self.ask(Event::Written { place, result: result.map(drop) }, moment);
            }
            Call::Subscribe(place) => {
                self.ask(Event::Subscribed { place, result: result.map(drop) }, moment);
            }
            // Whether the device still listens is of no consequence: the link is about to end.
            Call::Unsubscribe(_) => {}
        }
    }

    fn value(&mut self, place: Place, octets: Vec<u8>, now: Now) {
        let arrival = short(place.characteristic).map(|characteristic| {
            // Control points answer a question; everything else is a measurement.
            if !matches!(characteristic, 0x2A52 | 0x2A9F | 0x2AAC | 0x2A2B | 0x2A19) {
                self.values += 1;
            }
            self.arrival(Payload::Gatt { characteristic, octets: octets.clone() }, now)
        });
        self.waiting.push_back(Item { arrival, tell: Some((place, octets)) });
    }

    fn arrival(&mut self, payload: Payload, now: Now) -> Arrival {
        let position = self.position;
        self.position += 1;
        Arrival {
            device: self.heading.device.clone(),
            payload,
            received: now,
            connection: self.heading.connection,
            position,
            clock_offset_s: self.clock_offset_s,
            link: self.heading.link,
        }
    }

    fn keep(&mut self, payload: Payload, now: Now) {
        let arrival = Some(self.arrival(payload, now));
        self.waiting.push_back(Item { arrival, tell: None });
    }

    fn committed(&mut self, moment: Moment) {
        for (place, octets) in self.committing.take().unwrap_or_default() {
            self.ask(Event::Value { place, octets: &octets }, moment);
        }
    }

    /// The next batch, where none is under way. What holds nothing for the journal is told at once.
    fn commit(&mut self, out: &mut Vec<Output>) -> bool {
        if self.committing.is_some() || self.waiting.is_empty() {
            return false;
        }
        let count = self.waiting.len().min(BATCH_MAX);
        let (mut arrivals, mut told) = (Vec::with_capacity(count), Vec::new());
        for item in self.waiting.drain(..count) {
            arrivals.extend(item.arrival);
            told.extend(item.tell);
        }
        self.committing = Some(told);
        if arrivals.is_empty() {
            return true;
        }
        out.push(Output::Commit(arrivals));
        false
    }

    /// Hands out what can be done now.
    fn go_on(&mut self, now: Now, moment: Moment, out: &mut Vec<Output>) {
        loop {
            while self.calling.is_none() && self.ending.is_none() {
                let Some(step) = self.steps.pop_front() else { break };
                self.step(step, now, out);
            }
            if self.waiting.len() > WAITING_MAX && self.ending.is_none() {
                self.ending = Some(Ending::Incomplete(Fault::Busy));
            }
            if !self.commit(out) {
                break;
            }
            self.committed(moment);
        }
        if self.committing.is_some() {
            return;
        }
        // The driver hears of the end after the last value: only it knows whether that was all.
        if self.ending.is_none()
            && let Some((fault, false)) = &self.lost
        {
            let fault = fault.clone();
            self.lost = Some((fault.clone(), true));
            self.ask(Event::Closed, moment);
            while let Some(step) = self.steps.pop_front() {
                self.step(step, now, out);
            }
            self.ending.get_or_insert(Ending::Incomplete(fault));
        }
        if let Some(ending) = self.ending.take() {
            self.over = true;
            out.push(Output::Done(ending));
        }
    }

    fn step(&mut self, step: Step, now: Now, out: &mut Vec<Output>) {
        match step {
            Step::Read(_)
            | Step::Write { .. }
            | Step::Subscribe(_)
            | Step::Unsubscribe(_)
            | Step::Wait { .. }
                if self.lost.is_some() => {}
            Step::Read(place) => self.call(Call::Read(place), out),
            Step::Write { place, octets, response } => {
                self.call(Call::Write { place, octets, response }, out);
            }
            Step::Subscribe(place) => self.call(Call::Subscribe(place), out),
            Step::Unsubscribe(place) => self.call(Call::Unsubscribe(place), out),
            Step::Keep { characteristic, octets } => {
                self.keep(Payload::Gatt { characteristic, octets }, now);
            }
            Step::KeepVendor { protocol, octets } => {
                self.values += 1;
                self.keep(Payload::Vendor { protocol, octets }, now);
            }
            Step::Wait { after_ms } => out.push(Output::Wait { after_ms }),
            Step::Found(finding) => {
                if let Finding::Clock { face_s } = finding {
                    self.clock_offset_s = Some(now.wall.seconds().saturating_sub(face_s));
                }
                out.push(Output::Found(finding));
            }
            Step::Done(ending) => {
                self.steps.clear();
                self.ending = Some(ending);
            }
        }
    }

    fn call(&mut self, call: Call, out: &mut Vec<Output>) {
        self.calling = Some(call.clone());
        out.push(Output::Call(call));
    }
}

#[cfg(test)]
mod tests;
