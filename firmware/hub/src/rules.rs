//! The shared rules on the hub itself: safety alerts appear at once, with the gateway away as well.
//!
//! The state of the rules lives in memory only. After a reset it is built again from the samples that the
//! outbox still holds: what the gateway has acknowledged, it also watches.

use heapless::Vec;
use hearth_shared::assess::alerts::{
    AlertPlan, Claim, Engine, Event, Flags, Identity, Level, Limits, NoticeKind, Notification,
    Quantity, QuietHours, Reading, Recipient, RuleId, Sink, Source, Transition, Value,
};
use hearth_shared::observation::Quantity as Observed;
use hearth_shared::units::{Glucose, Mass, Pressure, Rate, Saturation, Temperature};
use hearth_shared::wire::{HubAlert, Person, Sample};

/// People of a household whose rules run here.
pub const PERSONS_MAX: usize = 2;

/// What one event can make the rules say, at most; more is dropped, the most urgent come first by the
/// order of the table.
pub const SAID_MAX: usize = 8;

/// Something to be shown to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// As it stands in a record.
    pub alert: HubAlert,
    /// What it is about.
    pub quantity: Quantity,
}

#[derive(Clone, Copy)]
struct Watched {
    limits: Limits,
    start: u32,
}

/// The rules of everybody. An engine takes ten kilobytes: each is made once, here, and never moved.
#[derive(Default)]
pub struct Rules {
    engines: [Engine; PERSONS_MAX],
    watched: [Option<Watched>; PERSONS_MAX],
    quiet: Option<QuietHours>,
}

/// Collects what is meant for the person or the hub.
struct Collect<'a> {
    person: u8,
    said: &'a mut Vec<Said, SAID_MAX>,
}

impl Sink for Collect<'_> {
    fn transition(&mut self, _: Transition) {}
    fn notification(&mut self, notice: Notification) {
        if notice.to == Recipient::Staff {
            return;
        }
        let Source::Rule(rule) = notice.rule else { return };
        let place =
            |found: Option<usize>| found.and_then(|at| u8::try_from(at).ok()).unwrap_or(255);
        let alert = HubAlert {
            person: self.person,
            rule: place(RuleId::ALL.iter().position(|known| *known == rule)),
            level: place(Level::ALL.iter().position(|known| *known == notice.level)),
            kind: place(NoticeKind::ALL.iter().position(|known| *known == notice.kind)),
        };
        // Beyond the limit the first, most urgent ones stand.
        let _ = self.said.push(Said { alert, quantity: quantity_of(rule) });
    }
}

const fn quantity_of(rule: RuleId) -> Quantity {
    match rule {
        RuleId::G1 | RuleId::G2 | RuleId::G3 | RuleId::G4 | RuleId::G5 => Quantity::Glucose,
        RuleId::P1 | RuleId::P2 | RuleId::P3 => Quantity::Pressure,
        RuleId::H1 => Quantity::Pulse,
        RuleId::O1 | RuleId::O2 => Quantity::Saturation,
        RuleId::W1 | RuleId::W2 => Quantity::Weight,
        RuleId::T1 => Quantity::Temperature,
    }
}

/// A sample in the steps of the rules; `None` for one without a value that a rule could use.
pub fn reading(sample: &Sample, measured: u32, now: u32, claim: Claim) -> Option<Reading> {
    use hearth_shared::observation::Absent;
    let number = |value| Some(Value::Number(value));
    let (quantity, value) = match (sample.quantity()?, sample.absent().ok()?) {
        (Observed::Glucose, Some(Absent::AboveRange)) => (Quantity::Glucose, Some(Value::High)),
        (Observed::Glucose, Some(Absent::BelowRange)) => (Quantity::Glucose, Some(Value::Low)),
        (_, Some(_)) => return None,
        (Observed::Glucose, None) => {
            let value = Glucose::from_umol_per_l(u32::try_from(sample.value).ok()?);
            (Quantity::Glucose, number(value.step()))
        }
        (Observed::BloodPressure, None) => {
            let step = |pascals| Pressure::from_pascals(pascals).step();
            let value = Value::Pressure { sys: step(sample.value), dia: step(sample.second) };
            (Quantity::Pressure, Some(value))
        }
        (Observed::PulseRate, None) => {
            let value = Rate::from_tenths_per_minute(u16::try_from(sample.value).ok()?);
            (Quantity::Pulse, number(value.step()))
        }
        (Observed::Saturation, None) => {
            let value = Saturation::from_tenths_percent(u16::try_from(sample.value).ok()?);
            (Quantity::Saturation, number(value.step()))
        }
        (Observed::Temperature, None) => {
            let value = Temperature::from_milli_celsius(sample.value);
            (Quantity::Temperature, number(value.step()))
        }
        (Observed::Weight, None) => {
            let value = Mass::from_grams(u32::try_from(sample.value).ok()?);
            (Quantity::Weight, number(value.step()))
        }
        _ => return None,
    };
    if sample.marks & 4 != 0 {
        // Preliminary: no result yet.
        return None;
    }
    let flags = Flags { invalid: sample.marks & 1 != 0, suspect: sample.marks & 2 != 0 };
    let identity = Identity { record: None, device: Some(u32::from(sample.sensor)) };
    Some(Reading { t: measured, arrived: now, quantity, value: value?, flags, claim, identity })
}

impl Rules {
    /// Nobody is watched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nobody is watched any more, and nothing is remembered.
    pub fn clear(&mut self) {
        self.quiet = None;
        for slot in 0..PERSONS_MAX {
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: usize) {
        // Monitoring off makes the engine forget everything; there is nobody to tell.
        for on in [false, true] {
            let event = Event::Set { t: 0, tz: None, prompts: None, monitor: Some(on) };
            self.handle(slot, &event, &mut Vec::new());
        }
        if let Some(watched) = self.watched.get_mut(slot) {
            *watched = None;
        }
    }

    /// Quiet hours as local minutes; equal ends for none.
    pub fn set_quiet(&mut self, from: u16, to: u16) {
        self.quiet = QuietHours::new(from, to);
    }

    /// Takes a person's limits; the memory of the rules stays. `false` if slot or limits make no sense.
    pub fn set_person(&mut self, person: &Person) -> bool {
        let slot = usize::from(person.slot);
        if !person.present {
            self.forget(slot);
            return slot < PERSONS_MAX;
        }
        if person.limits.validate().is_err() {
            return false;
        }
        let Some(place) = self.watched.get_mut(slot) else { return false };
        *place = Some(Watched { limits: person.limits, start: person.start });
        true
    }

    /// Local time and consent, in force from now on.
    pub fn set_settings(&mut self, slot: u8, now: u32, tz: i16, prompts: Option<bool>) {
        let mut said = Vec::new();
        let event = Event::Set { t: now, tz: Some(tz), prompts, monitor: None };
        self.handle(usize::from(slot), &event, &mut said);
    }

    /// What a sample makes the rules say.
    pub fn judge(&mut self, sample: &Sample, measured: u32, now: u32) -> Vec<Said, SAID_MAX> {
        let mut said = Vec::new();
        let slot = usize::from(sample.person);
        let (slot, claim) =
            if slot < PERSONS_MAX { (slot, Claim::Auto) } else { (0, Claim::Nobody) };
        if let Some(reading) = reading(sample, measured, now, claim) {
            self.handle(slot, &Event::Reading(reading), &mut said);
        }
        said
    }

    /// What has come due by now.
    pub fn tick(&mut self, now: u32) -> Vec<Said, SAID_MAX> {
        let mut said = Vec::new();
        for slot in 0..PERSONS_MAX {
            let due = self.engines.get(slot).and_then(Engine::next_due);
            if due.is_some_and(|due| due <= u64::from(now)) {
                self.handle(slot, &Event::Tick { t: now }, &mut said);
            }
        }
        said
    }

    /// The next Unix second at which [`Self::tick`] has something to do.
    pub fn next_due(&self) -> Option<u32> {
        let due = self.engines.iter().filter_map(Engine::next_due).min()?;
        u32::try_from(due).ok()
    }

    fn handle(&mut self, slot: usize, event: &Event, said: &mut Vec<Said, SAID_MAX>) {
        let mut others: Vec<Limits, PERSONS_MAX> = Vec::new();
        for (place, watched) in self.watched.iter().enumerate() {
            if let Some(watched) = watched.as_ref().filter(|_| place != slot) {
                // Fewer than there are places.
                let _ = others.push(watched.limits);
            }
        }
        let quiet = self.quiet;
        let Some(Some(watched)) = self.watched.get(slot) else { return };
        let Some(engine) = self.engines.get_mut(slot) else { return };
        let shared = !others.is_empty();
        let plan = AlertPlan { quiet, mutes: &[], shared, start: watched.start, others: &others };
        let person = u8::try_from(slot).unwrap_or(u8::MAX);
        engine.handle(&plan, &watched.limits, event, &mut Collect { person, said });
    }
}
