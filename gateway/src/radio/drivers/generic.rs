//! Every device that keeps to the standard services: meters, cuffs, scales, oximeters,
//! thermometers, sensors, straps.
//!
//! ```text
//! settle ─► read (model, features, battery) ─► clock: read, set, read back ─► users: consent
//!   ─► subscribe (measurement, context, control point last) ─► stored records ─► linger ─► leave
//! ```
//!
//! One step that has an answer is under way at a time; the queue of tasks is made once, from what
//! the device offers and what its model allows. A refusal of something that is not needed is passed
//! over. What is needed: a subscription to one measurement, and the control point of its records.

use std::collections::VecDeque;

use super::record_access::{End, RecordAccess, Said, Stamped, Terms, Told};
use super::segments::{Joined, Segments};
use super::services::{
    BATTERY, CUFF_FEATURE, FIRMWARE, INFORMATION, RECORD_ACCESS, SERVICES, STORED_PRESSURE,
    Service, expected, information, keep, records_in,
};
use super::time::{self, Clock};
use super::users::{self, Request};
use super::{Briefing, Driver, Ending, Event, Finding, Moment, Step};
use crate::radio::air::{Fault, Place, Properties, Services, short, sig};
use crate::radio::profile::{Access, Ends, Profile, Reads, SetWhen};

/// Until the first value of a device that gives its values by itself.
const FIRST_VALUE_MS: u32 = 15_000;
/// Until the first notification of a clock that asks to be set.
const CLOCK_MS: u32 = 2_000;
/// A device that ends the link by itself is left after this all the same.
const ITS_OWN_END_MS: u32 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Pause(u32),
    /// A text of the Device Information service.
    Inform(Place),
    /// Read and journal.
    Keep(Place),
    ReadClock(Place),
    /// Subscribe to the clock and wait for its first notification.
    HearClock(Place),
    SetClock(Place),
    ReadClockBack(Place),
    SubscribeUsers,
    Ask(Request),
    ReadOwnData(Place),
    WriteOwnData(Place),
    Subscribe {
        place: Place,
        /// A measurement: without any of them there is nothing to be had.
        measurement: bool,
    },
    Records(Place),
    Linger,
    AwaitItsEnd,
}

/// What is under way.
#[derive(Debug)]
enum Doing {
    /// Not opened yet.
    Nothing,
    Pausing,
    /// A step whose answer is awaited.
    Step(Task),
    /// The clock's first notification is awaited.
    ClockHeard,
    /// The user control point's indication is awaited.
    Answer(Request),
    Records(Box<RecordAccess>),
    Lingering,
    ItsEnd,
    Over,
}

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Generic {
    profile: Profile,
    briefing: Briefing,
    clock: Clock,
    offers: Services,
    tasks: VecDeque<Task>,
    doing: Doing,
    /// In the order in which they were made.
    subscribed: Vec<Place>,
    /// A measurement is subscribed to.
    hears: bool,
    /// Why a measurement could not be subscribed to.
    refused: Option<Fault>,
    /// What the clock showed.
    face_s: Option<i64>,
    clock_done: bool,
    /// Octets of the user's own data, or its change increment.
    own: Vec<u8>,
    values: u32,
    /// The stored blood pressure record under way, and whether such records end in a CRC.
    segments: Segments,
    with_crc: bool,
    resubscribed: bool,
    ending: Ending,
}

impl Generic {
    pub(super) fn new(profile: &Profile, briefing: Briefing) -> Self {
        Self {
            profile: profile.clone(),
            briefing,
            clock: Clock::default(),
            offers: Services::new(),
            tasks: VecDeque::new(),
            doing: Doing::Nothing,
            subscribed: Vec::new(),
            hears: false,
            refused: None,
            face_s: None,
            clock_done: false,
            own: Vec::new(),
            values: 0,
            segments: Segments::default(),
            with_crc: false,
            resubscribed: false,
            ending: Ending::Complete,
        }
    }

    fn offer(&self, place: Place) -> Option<Properties> {
        self.offers.get(&place).copied()
    }

    fn opened(&mut self, services: &Services, now: Moment) -> Vec<Step> {
        self.offers = services.clone();
        self.clock = Clock::of(services, &self.profile.clock);
        if let Some(reason) = &self.profile.unsupported {
            return self.over(Ending::Failed(Fault::NotSupported(reason.clone())));
        }
        let measurements = self.measurements();
        if measurements.is_empty() {
            return self.over(Ending::Failed(Fault::Missing(expected(&self.profile.kind))));
        }
        if self.profile.records.access == Access::RecordAccess
            && let (None, Some((service, ..))) =
                (measurements.iter().find(|(.., control)| control.is_some()), measurements.first())
        {
            let control = Place::sig(service.uuid, RECORD_ACCESS);
            return self.over(Ending::Failed(Fault::Missing(control)));
        }
        self.plan(&measurements);
        self.next(now)
    }

    /// Measurement, what comes beside it, and the control point of its records, by service.
    fn measurements(&self) -> Vec<(&'static Service, Vec<Place>, Option<Place>)> {
        let mut found = Vec::new();
        for service in &SERVICES {
            let place = |uuid: &u16| Place::sig(service.uuid, *uuid);
            let there = |place: &Place| self.offers.contains_key(place);
            let Some(measurement) = service.measurement.iter().map(place).find(there) else {
                continue;
            };
            let mut places = vec![measurement];
            let control = Some(place(&RECORD_ACCESS))
                .filter(there)
                .filter(|_| self.profile.records.access != Access::Indications);
            places.extend(service.beside.iter().map(place).filter(there));
            found.push((service, places, control));
        }
        found
    }

    fn plan(&mut self, measurements: &[(&'static Service, Vec<Place>, Option<Place>)]) {
        let mut tasks = Vec::new();
        let session = self.profile.session.clone();
        tasks.extend(Some(Task::Pause(session.settle_ms)));
        let readable = |place: &Place| self.offer(*place).is_some_and(|p| p.read);
        match session.reads {
            Reads::Everything => {
                tasks.extend(INFORMATION.into_iter().filter(readable).map(Task::Inform));
                let features = measurements.iter().flat_map(|(service, ..)| {
                    service.keeps.iter().map(|uuid| Place::sig(service.uuid, *uuid))
                });
                tasks.extend(features.chain([BATTERY]).filter(readable).map(Task::Keep));
            }
            Reads::Firmware => {
                tasks.extend(Some(FIRMWARE).filter(readable).map(Task::Inform));
            }
            Reads::Nothing => {}
        }
        tasks.push(Task::Pause(session.pause_ms));
        tasks.extend(self.clock_tasks());
        tasks.extend(self.user_tasks());
        let record_access = measurements.iter().any(|(.., control)| control.is_some());
        // Paired, and the clock set: pairing is finished when we leave (A&D).
        if !(self.briefing.pairing && !record_access && session.ends == Ends::Host) {
            tasks.push(Task::Pause(session.pause_ms));
            tasks.extend(self.value_tasks(measurements));
        }
        self.tasks = tasks.into_iter().filter(|task| *task != Task::Pause(0)).collect();
    }

    fn clock_tasks(&self) -> Vec<Task> {
        let policy = &self.profile.clock;
        if let (SetWhen::AtFirstNotification, Some(place)) = (policy.when, self.clock.notifies) {
            return vec![Task::HearClock(place)];
        }
        let read = self.clock.read.map(Task::ReadClock);
        read.into_iter().chain(self.clock.set.map(Task::SetClock)).collect()
    }

    /// A code that somebody gave is used, whatever the profile says of users.
    fn asks_users(&self) -> bool {
        self.offers.contains_key(&users::CONTROL)
    }

    fn user_tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        if !self.asks_users() {
            return tasks;
        }
        if self.briefing.register.is_none() && self.briefing.consents.is_empty() {
            return tasks;
        }
        tasks.push(Task::SubscribeUsers);
        tasks.extend(self.briefing.register.map(|code| Task::Ask(Request::Register { code })));
        let first = self.briefing.consents.first();
        tasks.extend(first.map(|&(slot, code)| Task::Ask(Request::Consent { slot, code })));
        tasks
    }

    fn value_tasks(
        &self,
        measurements: &[(&'static Service, Vec<Place>, Option<Place>)],
    ) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (_, places, control) in measurements {
            for (index, place) in places.iter().enumerate() {
                tasks.push(Task::Subscribe { place: *place, measurement: index == 0 });
            }
            tasks.extend(control.map(|place| Task::Subscribe { place, measurement: false }));
        }
        tasks.extend(measurements.iter().filter_map(|(.., control)| *control).map(Task::Records));
        // An oximeter that stores sends the spot check under way by itself, too.
        if measurements.iter().any(|(s, _, control)| control.is_none() || s.uuid == 0x1822) {
            tasks.push(Task::Linger);
        }
        // One user after the other: consent is that of one user at a time.
        let others = self.briefing.consents.iter().skip(1).filter(|_| self.asks_users());
        for &(slot, code) in others {
            tasks.extend([Task::Ask(Request::Consent { slot, code }), Task::Linger]);
        }
        if self.profile.session.ends == Ends::Device {
            tasks.push(Task::AwaitItsEnd);
        }
        tasks
    }

    /// Begins the next task.
    fn next(&mut self, now: Moment) -> Vec<Step> {
        while let Some(task) = self.tasks.pop_front() {
            let (doing, steps) = match task {
                Task::Pause(after_ms) => (Doing::Pausing, vec![Step::Wait { after_ms }]),
                Task::Inform(place)
                | Task::Keep(place)
                | Task::ReadClock(place)
                | Task::ReadClockBack(place)
                | Task::ReadOwnData(place) => (Doing::Step(task), vec![Step::Read(place)]),
                Task::HearClock(place) | Task::Subscribe { place, .. } => {
                    (Doing::Step(task), vec![Step::Subscribe(place)])
                }
                Task::SubscribeUsers => (Doing::Step(task), vec![Step::Subscribe(users::CONTROL)]),
                Task::SetClock(place) => match self.clock_octets(place, now) {
                    Some(octets) => (Doing::Step(task), vec![self.write(place, octets)]),
                    None => continue,
                },
                Task::Ask(request) => {
                    let write = self.write(users::CONTROL, request.octets());
                    (Doing::Answer(request), vec![write, Step::Wait { after_ms: users::ANSWER_MS }])
                }
                Task::WriteOwnData(place) => {
                    let octets = std::mem::take(&mut self.own);
                    (Doing::Step(task), vec![self.write(place, octets)])
                }
                Task::Records(control) => {
                    if !self.hears {
                        continue;
                    }
                    return self.records(control, now);
                }
                Task::Linger | Task::AwaitItsEnd if !self.hears => continue,
                Task::Linger => {
                    let idle = self.profile.session.idle_ms;
                    let after_ms = if self.values == 0 { idle.max(FIRST_VALUE_MS) } else { idle };
                    (Doing::Lingering, vec![Step::Wait { after_ms }])
                }
                Task::AwaitItsEnd => (Doing::ItsEnd, vec![Step::Wait { after_ms: ITS_OWN_END_MS }]),
            };
            self.doing = doing;
            return steps;
        }
        self.leave()
    }

    fn write(&self, place: Place, octets: Vec<u8>) -> Step {
        // Where nothing is known of a place, the safer way of writing.
        let response = self.offer(place).is_none_or(|p| p.write || !p.write_without_response);
        Step::Write { place, octets, response }
    }

    fn clock_octets(&mut self, place: Place, now: Moment) -> Option<Vec<u8>> {
        self.clock_done = true;
        if !time::is_due(&self.profile.clock, self.face_s, now) {
            return None;
        }
        time::octets(place, now)
    }

    fn records(&mut self, control: Place, now: Moment) -> Vec<Step> {
        let numbered = SERVICES.iter().any(|s| sig(s.uuid) == control.service && s.numbered);
        let policy = &self.profile.records;
        let terms = Terms {
            cursor: self.briefing.cursor.filter(|_| policy.cursor && numbered),
            cursor_base_s: self.briefing.cursor_base_s,
            pause_ms: policy.pause_ms,
        };
        self.doing = Doing::Records(Box::new(RecordAccess::new(control, terms)));
        self.tell_records(Told::Start, now)
    }

    fn tell_records(&mut self, told: Told<'_>, now: Moment) -> Vec<Step> {
        let Doing::Records(records) = &mut self.doing else { return Vec::new() };
        let control = records.control();
        let Said { mut steps, end } = records.on(told);
        match end {
            None => {}
            Some(End::Complete) => steps.extend(self.next(now)),
            Some(End::NotSubscribed) if !self.resubscribed => {
                self.resubscribed = true;
                let again = self.subscribed.iter().filter(|p| p.service == control.service);
                let again: Vec<Task> =
                    again.map(|&place| Task::Subscribe { place, measurement: false }).collect();
                self.tasks.push_front(Task::Records(control));
                for task in again.into_iter().rev() {
                    self.tasks.push_front(task);
                }
                steps.extend(self.next(now));
            }
            Some(End::NotSubscribed) => {
                let fault = Fault::Records("it does not see that its values are asked for".into());
                steps.extend(self.give_up(fault));
            }
            // No other procedure on this link.
            Some(End::Incomplete(fault)) => {
                self.ending = Ending::Incomplete(fault);
                steps.extend(self.leave());
            }
            Some(End::Unusable(fault)) => steps.extend(self.give_up(fault)),
        }
        steps
    }

    fn give_up(&mut self, fault: Fault) -> Vec<Step> {
        self.ending =
            if self.values > 0 { Ending::Incomplete(fault) } else { Ending::Failed(fault) };
        self.leave()
    }

    fn leave(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.profile.session.unsubscribe {
            let newest_first = self.subscribed.drain(..).rev();
            steps.extend(newest_first.map(Step::Unsubscribe));
        }
        let ending = match (&self.ending, self.refused.take()) {
            (Ending::Complete, Some(fault)) if !self.hears => Ending::Failed(fault),
            (ending, _) => ending.clone(),
        };
        steps.extend(self.over(ending));
        steps
    }

    fn over(&mut self, ending: Ending) -> Vec<Step> {
        self.doing = Doing::Over;
        self.tasks.clear();
        vec![Step::Done(ending)]
    }

    fn closed(&mut self) -> Vec<Step> {
        // A device that has said everything may leave before we do.
        let ending = match &mut self.doing {
            Doing::Lingering | Doing::ItsEnd => self.ending.clone(),
            Doing::Records(records) => match records.on(Told::Closed).end {
                Some(End::Complete) => Ending::Complete,
                _ => Ending::Incomplete(Fault::Disconnected),
            },
            _ => Ending::Incomplete(Fault::Disconnected),
        };
        self.over(ending)
    }

    fn read(&mut self, place: Place, result: Result<&[u8], Fault>, now: Moment) -> Vec<Step> {
        let Doing::Step(task) = self.doing else { return Vec::new() };
        if let Err(fault) = &result
            && ends_the_link(fault)
        {
            return self.lost(fault.clone());
        }
        let mut steps = Vec::new();
        match (task, result) {
            (Task::Inform(_), Ok(octets)) => steps.extend(information(place, octets)),
            (Task::Keep(_), Ok(octets)) => {
                self.with_crc |=
                    place == CUFF_FEATURE && octets.first().is_some_and(|f| f & 0x40 != 0);
                steps.extend(keep(place, octets));
            }
            (Task::ReadClock(_), Ok(octets)) => {
                steps.extend(keep(place, octets));
                self.face_s = time::face(place, octets);
                let found = self.face_s.map(|face_s| Step::Found(Finding::Clock { face_s }));
                steps.extend(found);
            }
            (Task::ReadClockBack(_), result) => {
                let face_s = result.ok().and_then(|octets| time::face(place, octets));
                steps.push(Step::Found(Finding::ClockSet { face_s }));
            }
            (Task::ReadOwnData(_), Ok(octets)) => {
                self.own = octets.to_vec();
                if place == users::CHANGE_INCREMENT
                    && let Ok(old) = <[u8; 4]>::try_from(octets)
                {
                    self.own = u32::from_le_bytes(old).wrapping_add(1).to_le_bytes().to_vec();
                }
                self.tasks.push_front(Task::WriteOwnData(place));
            }
            _ => {}
        }
        steps.extend(self.next(now));
        steps
    }

    fn written(&mut self, place: Place, result: Result<(), Fault>, now: Moment) -> Vec<Step> {
        if let Doing::Records(records) = &self.doing
            && records.control() == place
        {
            return self.tell_records(Told::Written(result), now);
        }
        if let Err(fault) = &result
            && ends_the_link(fault)
        {
            return self.lost(fault.clone());
        }
        match (&self.doing, result) {
            (Doing::Step(Task::SetClock(at)), Ok(())) if *at == place => {
                let mut steps = Vec::new();
                match self.offer(place).is_some_and(|p| p.read) {
                    true => self.tasks.push_front(Task::ReadClockBack(place)),
                    false => steps.push(Step::Found(Finding::ClockSet { face_s: None })),
                }
                steps.extend(self.next(now));
                steps
            }
            (Doing::Step(Task::SetClock(at) | Task::WriteOwnData(at)), _) if *at == place => {
                self.next(now)
            }
            // Refused by the Attribute Protocol: no indication will follow.
            (Doing::Answer(_), Err(_)) if place == users::CONTROL => self.next(now),
            _ => Vec::new(),
        }
    }

    fn subscribed(&mut self, place: Place, result: Result<(), Fault>, now: Moment) -> Vec<Step> {
        let Doing::Step(task) = self.doing else { return Vec::new() };
        if result.is_ok() && !self.subscribed.contains(&place) {
            self.subscribed.push(place);
        }
        if let Err(fault) = &result
            && ends_the_link(fault)
        {
            return self.lost(fault.clone());
        }
        match (task, result) {
            // Its first notification may have come before this answer.
            (Task::HearClock(_), Ok(())) if !self.clock_done => {
                self.doing = Doing::ClockHeard;
                vec![Step::Wait { after_ms: CLOCK_MS }]
            }
            (Task::Subscribe { measurement: true, .. }, Ok(())) => {
                self.hears = true;
                self.next(now)
            }
            (Task::Subscribe { place, measurement }, Err(fault)) => {
                let control = place.characteristic == sig(RECORD_ACCESS);
                match fault {
                    fault if wants_pairing(&fault) && (measurement || control) => {
                        self.give_up(Fault::PairingNeeded)
                    }
                    fault if measurement => {
                        self.refused = Some(fault);
                        self.next(now)
                    }
                    fault if control => self.give_up(fault),
                    _ => self.next(now),
                }
            }
            _ => self.next(now),
        }
    }

    fn value(&mut self, place: Place, octets: &[u8], now: Moment) -> Vec<Step> {
        if Some(place) == self.clock.notifies {
            return match self.profile.clock.when {
                SetWhen::AtFirstNotification => self.clock_heard(place, octets, now),
                SetWhen::OnDrift | SetWhen::EveryConnection => Vec::new(),
            };
        }
        if place == users::CONTROL {
            return self.user_answer(octets, now);
        }
        let service = SERVICES.iter().find(|s| sig(s.uuid) == place.service);
        let Some((service, uuid)) = service.zip(short(place.characteristic)) else {
            return Vec::new();
        };
        if uuid == RECORD_ACCESS {
            return self.tell_records_at(place, Told::Answer(octets), now);
        }
        let measurement = service.measurement.contains(&uuid);
        if !measurement && !service.beside.contains(&uuid) {
            return Vec::new();
        }
        self.values = self.values.saturating_add(1);
        if uuid == STORED_PRESSURE {
            return self.segment(place, octets, now);
        }
        match self.doing {
            Doing::Records(_) => {
                let numbers = records_in(uuid, octets);
                let told = numbers.as_deref().map_or(Told::Part, Told::Records);
                self.tell_records_at(place, told, now)
            }
            Doing::Lingering => vec![Step::Wait { after_ms: self.profile.session.idle_ms }],
            _ => Vec::new(),
        }
    }

    /// A segment of a stored record: what it holds is journalled once it is whole.
    fn segment(&mut self, place: Place, octets: &[u8], now: Moment) -> Vec<Step> {
        match self.segments.take(octets, self.with_crc) {
            Joined::Part | Joined::Broken => self.tell_records_at(place, Told::Part, now),
            Joined::Record { number, characteristic, octets } => {
                let record = Stamped { number: Some(number), base_s: None };
                let mut steps = vec![Step::Keep { characteristic, octets }];
                steps.extend(self.tell_records_at(place, Told::Records(&[record]), now));
                steps
            }
        }
    }

    /// Tells the transfer that is under way, if it is one of this service.
    fn tell_records_at(&mut self, place: Place, told: Told<'_>, now: Moment) -> Vec<Step> {
        match &self.doing {
            Doing::Records(records) if records.control().service == place.service => {
                self.tell_records(told, now)
            }
            _ => Vec::new(),
        }
    }

    /// A clock that notifies asks to be set, once.
    fn clock_heard(&mut self, place: Place, octets: &[u8], now: Moment) -> Vec<Step> {
        if self.clock_done {
            return Vec::new();
        }
        self.clock_done = true;
        self.face_s = time::face(place, octets);
        let found = self.face_s.map(|face_s| Step::Found(Finding::Clock { face_s }));
        let mut steps: Vec<Step> = found.into_iter().collect();
        let after = match self.doing {
            Doing::ClockHeard => None,
            Doing::Lingering => Some(Task::Linger),
            Doing::ItsEnd => Some(Task::AwaitItsEnd),
            // Once what is under way is done.
            _ => {
                self.set_clock_next();
                return steps;
            }
        };
        after.into_iter().for_each(|task| self.tasks.push_front(task));
        self.set_clock_next();
        steps.extend(self.next(now));
        steps
    }

    fn set_clock_next(&mut self) {
        if let Some(place) = self.clock.set {
            self.tasks.push_front(Task::SetClock(place));
        }
    }

    fn user_answer(&mut self, octets: &[u8], now: Moment) -> Vec<Step> {
        let Doing::Answer(request) = self.doing else { return Vec::new() };
        let Some(finding) = request.answer(octets) else { return Vec::new() };
        match (request, &finding) {
            (Request::Register { code }, Some(Finding::Registered { slot })) => {
                self.tasks.push_front(Task::Ask(Request::Consent { slot: *slot, code }));
            }
            (Request::Consent { .. }, Some(Finding::Consent { accepted: true, .. }))
                if self.profile.users.write_back =>
            {
                let both = |place: &Place| self.offer(*place).is_some_and(|p| p.read && p.write);
                let own = users::OWN_DATA.into_iter().chain([users::CHANGE_INCREMENT]);
                let tasks: Vec<Task> = own.filter(both).map(Task::ReadOwnData).collect();
                for task in tasks.into_iter().rev() {
                    self.tasks.push_front(task);
                }
            }
            _ => {}
        }
        let mut steps: Vec<Step> = finding.map(Step::Found).into_iter().collect();
        steps.extend(self.next(now));
        steps
    }

    fn timer(&mut self, now: Moment) -> Vec<Step> {
        match self.doing {
            Doing::Records(_) => self.tell_records(Told::Timer, now),
            // It did not ask; it may be set all the same.
            Doing::ClockHeard => {
                self.set_clock_next();
                if let Some(place) = self.clock.read {
                    self.tasks.push_front(Task::ReadClock(place));
                }
                self.next(now)
            }
            Doing::Pausing | Doing::Answer(_) | Doing::Lingering | Doing::ItsEnd => self.next(now),
            Doing::Nothing | Doing::Step(_) | Doing::Over => Vec::new(),
        }
    }

    /// The link does not carry any more.
    fn lost(&mut self, fault: Fault) -> Vec<Step> {
        self.over(Ending::Incomplete(fault))
    }
}

impl Driver for Generic {
    fn on(&mut self, event: Event<'_>, now: Moment) -> Vec<Step> {
        match (event, &self.doing) {
            (_, Doing::Over) => Vec::new(),
            (Event::Opened(services), Doing::Nothing) => self.opened(services, now),
            (Event::Opened(_), _) => Vec::new(),
            (Event::Read { place, result }, _) => self.read(place, result, now),
            (Event::Written { place, result }, _) => self.written(place, result, now),
            (Event::Subscribed { place, result }, _) => self.subscribed(place, result, now),
            (Event::Value { place, octets }, _) => self.value(place, octets, now),
            (Event::Timer, _) => self.timer(now),
            (Event::Closed, _) => self.closed(),
        }
    }
}

const fn ends_the_link(fault: &Fault) -> bool {
    matches!(fault, Fault::Disconnected | Fault::NotConnected | Fault::DaemonFrozen)
}

/// Insufficient authentication, key size, encryption (Core Specification 3.F.3.4.1.1).
const fn wants_pairing(fault: &Fault) -> bool {
    matches!(fault, Fault::Att(0x05 | 0x0C | 0x0F) | Fault::PairingNeeded | Fault::NotEncrypted)
}
