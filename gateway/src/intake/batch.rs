//! One delivery of arrivals inside one transaction: raw rows, observations, owners, messages, then
//! the alert rules over what was new, sorted by measured time.
//!
//! Duplicates: a payload all of whose readings are already held leaves no raw row (its octets are
//! in the journal already, they are part of its id); it is counted for its device. So ten thousand
//! records sent again cost ten thousand look-ups and one counter.

use std::collections::{BTreeMap, BTreeSet};

use hearth_shared::device::Sequence;
use hearth_shared::gatt::quirk::Quirk;
use hearth_shared::observation::{MealContext, Quantity, Reading};
use hearth_shared::time::{UnixMillis, UtcOffsetMinutes};
use uuid::Uuid;

mod judging;

use judging::{Delivery, Item};

use super::decode::{self, Content, Part, Slot};
use super::directory::Directory;
use super::identity::{Identity, Record};
use super::roster::Decision;
use super::timing::{self, Timing};
use super::{Arrival, Outcome, Payload, message, roster};
use crate::store::attribution::{self, Method};
use crate::store::device::{self, Sighting};
use crate::store::journal::{self, RowOutcome};
use crate::store::observation::{self, Observation, Standing};
use crate::store::{StoreError, Tx, counter, meal, plan};

/// A context record belongs to a reading received within this time: record numbers restart.
const CONTEXT_S: i64 = 86_400;

/// Reason of payloads from devices that are not on the roster (yet).
pub const UNKNOWN_DEVICE: &str = "unknown_device: not on the roster";

/// What stands beside a context that says that its record is one of ketone.
const KETONE: &str = "ketone: its record is none of glucose";

/// Why a record waits whose circumstances say whether it is glucose at all.
fn awaiting(sequence: Sequence) -> String {
    format!(
        "awaits_context: only the circumstances of record {} tell what was measured",
        sequence.0
    )
}

/// What is known of a record beside it.
enum Said {
    Nothing,
    Glucose,
    Ketone,
}

/// What a batch is given beside its transaction.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// This gateway's id; part of weak ids.
    pub gateway: &'a str,
    /// Devices, owners and zones.
    pub directory: &'a mut Directory,
}

/// One batch being taken in.
#[derive(Debug)]
pub struct Batch<'a, 's> {
    tx: &'a Tx<'s>,
    around: Surroundings<'a>,
    items: Vec<Item>,
    deliveries: Vec<Delivery>,
    sightings: BTreeMap<String, Sighting>,
    duplicates: BTreeMap<String, (u64, UnixMillis)>,
    quarantined: u64,
    /// Patients of new readings.
    heard_of: BTreeSet<String>,
}

impl<'a, 's> Batch<'a, 's> {
    /// Nothing is taken in yet.
    pub fn new(tx: &'a Tx<'s>, around: Surroundings<'a>) -> Self {
        Self {
            tx,
            around,
            items: Vec::new(),
            deliveries: Vec::new(),
            sightings: BTreeMap::new(),
            duplicates: BTreeMap::new(),
            quarantined: 0,
            heard_of: BTreeSet::new(),
        }
    }

    /// Takes one arrival. With `row`, its raw row is already in the journal (kept by an earlier run
    /// that did not come to judge it).
    ///
    /// # Errors
    /// What the store answered; a payload that cannot be read is no error, it is quarantined.
    pub fn take(&mut self, arrival: &Arrival, row: Option<i64>) -> Result<Outcome, StoreError> {
        let Some(entry) = self.around.directory.device(self.tx, &arrival.device)? else {
            return self.quarantine(arrival, row, UNKNOWN_DEVICE);
        };
        let (session, quirks) = (entry.session, entry.quirks.clone());
        self.sighting(arrival, |s| s.last_seen = s.last_seen.max(Some(arrival.received.wall)));
        match decode::decode(&arrival.payload, session, &quirks) {
            Err(reason) => self.quarantine(arrival, row, &reason),
            Ok(Content::Readings { mut parts, slot, sequence, base_time, awaits_context }) => {
                let stamp = base_time.or_else(|| parts.first().and_then(|p| p.device_time.clone()));
                let record = Record { slot, sequence, stamp: stamp.as_deref() };
                let mut identity = Identity::of(arrival, record, self.around.gateway);
                if let (true, Some(sequence)) = (awaits_context, sequence) {
                    match self.said_of(arrival, sequence, &mut identity)? {
                        Said::Nothing => return self.quarantine(arrival, row, &awaiting(sequence)),
                        Said::Ketone => decode::of_another_analyte(&mut parts),
                        Said::Glucose => {}
                    }
                }
                self.readings(arrival, row, Payloads { parts, slot, sequence, identity })
            }
            Ok(Content::Meal { sequence, meal, ketone }) => {
                let outcome = self.meal(arrival, row, (sequence, meal, ketone))?;
                if quirks.contains(&Quirk::CaresensKetone) {
                    self.release(arrival, sequence)?;
                }
                Ok(outcome)
            }
            Ok(Content::Battery(percent)) => {
                self.sighting(arrival, |s| s.battery_percent = Some(percent));
                self.noted(arrival, row)
            }
            Ok(Content::Records(n)) => {
                self.sighting(arrival, |s| s.records_reported = Some(n));
                self.noted(arrival, row)
            }
            Ok(Content::SessionStart(start)) => {
                device::keep_session(self.tx, &arrival.device, start.local_s, start.utc_s)?;
                self.around.directory.session_started(&arrival.device, start);
                self.noted(arrival, row)
            }
            Ok(Content::Nothing) => self.noted(arrival, row),
        }
    }

    fn sighting(&mut self, arrival: &Arrival, change: impl FnOnce(&mut Sighting)) {
        match self.sightings.get_mut(&arrival.device) {
            Some(sighting) => change(sighting),
            None => change(self.sightings.entry(arrival.device.clone()).or_default()),
        }
    }

    /// Appends the raw row, or says what became of the one that is there.
    fn row(
        &self,
        arrival: &Arrival,
        row: Option<i64>,
        outcome: RowOutcome,
        detail: Option<&str>,
    ) -> Result<i64, StoreError> {
        match row {
            None => journal::append(self.tx, arrival, outcome, detail),
            Some(seq) => {
                journal::settle(self.tx, seq, outcome, detail)?;
                Ok(seq)
            }
        }
    }

    fn noted(&mut self, arrival: &Arrival, row: Option<i64>) -> Result<Outcome, StoreError> {
        let journal_seq = self.row(arrival, row, RowOutcome::Noted, None)?;
        Ok(Outcome::Noted { journal_seq })
    }

    /// Counts a second copy. A row that is already there is marked as one.
    fn duplicate(
        &mut self,
        arrival: &Arrival,
        row: Option<i64>,
        journal_seq: i64,
    ) -> Result<Outcome, StoreError> {
        if let Some(seq) = row {
            journal::settle(self.tx, seq, RowOutcome::Duplicate, None)?;
        }
        let count =
            self.duplicates.entry(arrival.device.clone()).or_insert((0, arrival.received.wall));
        count.0 += 1;
        count.1 = count.1.max(arrival.received.wall);
        Ok(Outcome::Duplicate { journal_seq })
    }

    fn quarantine(
        &mut self,
        arrival: &Arrival,
        row: Option<i64>,
        reason: &str,
    ) -> Result<Outcome, StoreError> {
        // What cannot be read has no record of its own: its octets are all that is known of it.
        let record = Record { slot: Slot::Unsaid, sequence: None, stamp: Some("quarantine") };
        let id = Identity::of(arrival, record, self.around.gateway).whole();
        if let Some(earlier) = journal::known(self.tx, &id)?.filter(|seq| Some(*seq) != row) {
            return self.duplicate(arrival, row, earlier);
        }
        let journal_seq = self.row(arrival, row, RowOutcome::Quarantined, Some(reason))?;
        journal::remember(self.tx, &id, journal_seq)?;
        self.quarantined += 1;
        Ok(Outcome::Quarantined { journal_seq, reason: reason.to_owned() })
    }

    /// Circumstances of a glucose record: joined to it, or waiting for it.
    fn meal(
        &mut self,
        arrival: &Arrival,
        row: Option<i64>,
        (sequence, said, ketone): (Sequence, Option<MealContext>, bool),
    ) -> Result<Outcome, StoreError> {
        let record = Record { slot: Slot::Unsaid, sequence: Some(sequence), stamp: None };
        let id = Identity::of(arrival, record, self.around.gateway).whole();
        let since = arrival.received.wall.plus_seconds(-CONTEXT_S);
        let reading = meal::glucose_of(self.tx, &arrival.device, sequence, since)?;
        if let (None, Some(earlier)) = (reading, journal::known(self.tx, &id)?)
            && Some(earlier) != row
        {
            return self.duplicate(arrival, row, earlier);
        }
        let detail = ketone.then_some(KETONE);
        let journal_seq = self.row(arrival, row, RowOutcome::Noted, detail)?;
        journal::remember(self.tx, &id, journal_seq)?;
        let context = meal::Context {
            journal_seq,
            device: arrival.device.clone(),
            sequence,
            meal: said,
            received: arrival.received.wall,
            observation_seq: reading,
        };
        meal::keep_context(self.tx, &context)?;
        if let (Some(seq), Some(_)) = (reading, said) {
            message::push_revision(self.tx, seq, arrival.received.wall)?;
        }
        Ok(Outcome::Noted { journal_seq })
    }

    /// What a context that is here already says of a record.
    fn said_of(
        &self,
        arrival: &Arrival,
        sequence: Sequence,
        identity: &mut Identity,
    ) -> Result<Said, StoreError> {
        if observation::find(self.tx, &identity.part(0))?.is_some() {
            // A copy of what was judged; it does not wait again.
            return Ok(Said::Glucose);
        }
        let since = arrival.received.wall.plus_seconds(-CONTEXT_S);
        let waiting = meal::waiting(self.tx, &arrival.device, sequence, since)?;
        Ok(match waiting {
            None => Said::Nothing,
            Some(Some(detail)) if detail == KETONE => Said::Ketone,
            Some(_) => Said::Glucose,
        })
    }

    /// Judges records again that waited for the context that has come now.
    fn release(&mut self, arrival: &Arrival, sequence: Sequence) -> Result<(), StoreError> {
        let reason = awaiting(sequence);
        let held = journal::quarantined(self.tx, &arrival.device, &reason)?;
        journal::release(self.tx, &arrival.device, &reason)?;
        for (seq, waiting) in held {
            self.take(&waiting, Some(seq))?;
        }
        Ok(())
    }

    fn readings(
        &mut self,
        arrival: &Arrival,
        row: Option<i64>,
        mut payload: Payloads,
    ) -> Result<Outcome, StoreError> {
        let ids: Vec<Uuid> = payload.parts.iter().map(|p| payload.identity.part(p.place)).collect();
        let mut held = Vec::with_capacity(ids.len());
        for id in &ids {
            held.push(match observation::find(self.tx, id)? {
                Some((_, journal_seq)) => Some(journal_seq),
                None => journal::known(self.tx, id)?,
            });
        }
        if let Some(earlier) = held.iter().copied().reduce(|a, b| a.and(b)).flatten()
            && Some(earlier) != row
        {
            return self.duplicate(arrival, row, earlier);
        }
        let journal_seq = self.row(arrival, row, RowOutcome::Observed, None)?;
        let (mut kept, mut reasons, mut twins) = (Vec::new(), Vec::new(), 0);
        for ((part, id), held) in payload.parts.iter().zip(&ids).zip(held) {
            if held.is_some() {
                kept.push(*id);
                continue;
            }
            match self.part(arrival, journal_seq, &payload, part, *id)? {
                Became::Observation => kept.push(*id),
                Became::Twin => twins += 1,
                Became::Quarantined(reason) => reasons.push(reason),
            }
        }
        self.outcome(arrival, journal_seq, (kept, reasons, twins))
    }

    /// Says on the raw row what became of its parts, where that is not simply "observed".
    fn outcome(
        &mut self,
        arrival: &Arrival,
        journal_seq: i64,
        (kept, reasons, twins): (Vec<Uuid>, Vec<String>, u64),
    ) -> Result<Outcome, StoreError> {
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        if reason.is_some() {
            self.quarantined += 1;
        }
        if !kept.is_empty() {
            if reason.is_some() {
                journal::settle(self.tx, journal_seq, RowOutcome::Observed, reason.as_deref())?;
            }
            return Ok(Outcome::Observed { journal_seq, ids: kept });
        }
        match reason {
            Some(reason) => {
                journal::settle(self.tx, journal_seq, RowOutcome::Quarantined, Some(&reason))?;
                Ok(Outcome::Quarantined { journal_seq, reason })
            }
            None => {
                debug_assert!(twins > 0);
                self.duplicate(arrival, Some(journal_seq), journal_seq)
            }
        }
    }

    /// Makes one value an observation, unless it is impossible or a second copy in other octets.
    fn part(
        &mut self,
        arrival: &Arrival,
        journal_seq: i64,
        payload: &Payloads,
        part: &Part,
        id: Uuid,
    ) -> Result<Became, StoreError> {
        let (reading, standing, refused) = match &part.reading {
            Ok((reading, standing)) => (*reading, *standing, None),
            Err(refused) => (refused.reading, Standing::Accepted, Some(refused.reason.clone())),
        };
        let timing = self.timing(arrival, part, &reading)?;
        let decision = self.decide(arrival, payload.slot, timing.measured)?;
        let offset = self.offset(&decision, timing.measured)?;
        let observation = Observation {
            id,
            journal_seq,
            part: part.place,
            device: arrival.device.clone(),
            slot: match payload.slot {
                Slot::Known(slot) => Some(slot),
                Slot::Unknown | Slot::Unsaid => None,
            },
            sequence: payload.sequence,
            weak: payload.identity.weak,
            reading,
            ambiguous: timing.ambiguous,
            pressed: false,
            measured: timing.measured,
            offset,
            clock: timing.clock,
            clock_error_s: timing.error_s,
            device_time: part.device_time.clone(),
            received: arrival.received.wall,
            standing,
        };
        if let Some(reason) = refused {
            journal::remember(self.tx, &id, journal_seq)?;
            self.item(arrival, None, observation, timing.ahead, decision)?;
            return Ok(Became::Quarantined(reason));
        }
        if observation::twin(self.tx, &observation)?.is_some() {
            journal::remember(self.tx, &id, journal_seq)?;
            return Ok(Became::Twin);
        }
        self.keep(arrival, observation, timing.ahead, decision)?;
        Ok(Became::Observation)
    }

    fn keep(
        &mut self,
        arrival: &Arrival,
        mut observation: Observation,
        ahead: bool,
        decision: Decision,
    ) -> Result<(), StoreError> {
        let (patient, method) = match &decision {
            Decision::Owner { patient, method } => (Some(patient.as_str()), *method),
            Decision::Unclaimed { .. } => (None, Method::Unclaimed),
        };
        let seq = observation::insert(self.tx, &observation)?;
        attribution::decide(
            self.tx,
            &attribution::Decision {
                observation_seq: seq,
                quantity: observation.reading.quantity,
                measured: observation.measured,
                patient,
                method,
                by: "roster",
                at: arrival.received.wall,
            },
        )?;
        if let Some(patient) = patient {
            self.heard_of.insert(patient.to_owned());
        }
        let mut known = observation.reading.meal;
        if let (Some(sequence), Quantity::Glucose) =
            (observation.sequence, observation.reading.quantity)
        {
            let since = arrival.received.wall.plus_seconds(-CONTEXT_S);
            let waiting = meal::join_context(self.tx, &arrival.device, sequence, since, seq)?;
            known = waiting.or(known);
        }
        message::push(self.tx, &observation, patient, known, arrival.received.wall)?;
        self.sighting(arrival, |s| {
            s.clock_trust = Some(observation.clock);
            s.last_sequence = observation.sequence.map(|n| n.0).or(s.last_sequence);
        });
        observation.reading.meal = known;
        self.item(arrival, Some(seq), observation, ahead, decision)
    }

    fn timing(
        &mut self,
        arrival: &Arrival,
        part: &Part,
        reading: &Reading,
    ) -> Result<Timing, StoreError> {
        let received = arrival.received;
        let (zone, paired) =
            self.around.directory.device_zone(self.tx, &arrival.device, received.wall)?;
        Ok(timing::resolve(&timing::Case {
            stamp: part.stamp,
            clock_fault: reading.marks.clock_fault,
            clock_offset_s: arrival.clock_offset_s,
            received,
            paired,
            zone: &zone,
            recorded: matches!(arrival.payload, Payload::Line { .. }),
        }))
    }

    fn decide(
        &mut self,
        arrival: &Arrival,
        slot: Slot,
        measured: UnixMillis,
    ) -> Result<Decision, StoreError> {
        let entry = self.around.directory.device(self.tx, &arrival.device)?;
        Ok(entry.map_or(Decision::Unclaimed { candidates: Vec::new() }, |entry| {
            roster::decide(&entry.owners, slot, measured)
        }))
    }

    /// Local time minus UTC at the time of measurement, where the owner lives.
    fn offset(
        &mut self,
        decision: &Decision,
        measured: UnixMillis,
    ) -> Result<UtcOffsetMinutes, StoreError> {
        let minutes = match decision {
            Decision::Owner { patient, .. } => {
                self.around.directory.offset_min(self.tx, Some(patient), measured)?
            }
            Decision::Unclaimed { .. } => {
                self.around.directory.offset_min(self.tx, None, measured)?
            }
        };
        Ok(UtcOffsetMinutes::new(minutes).unwrap_or_default())
    }

    /// Writes what was counted and what devices said about themselves.
    ///
    /// # Errors
    /// What the store answered.
    pub fn finish(self) -> Result<(), StoreError> {
        for (id, sighting) in &self.sightings {
            device::seen(self.tx, id, sighting)?;
        }
        for patient in &self.heard_of {
            plan::wake_for_nudges(self.tx, patient)?;
        }
        for (device, (n, last)) in &self.duplicates {
            counter::add_duplicates(self.tx, device, *n, *last)?;
        }
        if self.quarantined > 0 {
            counter::add(self.tx, counter::QUARANTINED, self.quarantined)?;
        }
        Ok(())
    }
}

/// What became of one value.
enum Became {
    Observation,
    Twin,
    Quarantined(String),
}

/// The readings of one payload and what they rest on.
struct Payloads {
    parts: Vec<Part>,
    slot: Slot,
    sequence: Option<Sequence>,
    identity: Identity,
}
