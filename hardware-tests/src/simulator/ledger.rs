//! What must hold: noted after every commit, settled at the end.

use std::collections::{BTreeMap, BTreeSet};

use hearth_gateway::clock::Now;
use hearth_gateway::intake::Outcome;
use hearth_gateway::store::{Queries, Reader};
use hearth_gateway::uplink::message::{Body, Lane};
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::gateway::{self, DAILY_CAP, QUIET_MIN};
use super::home::Record;
use super::hospital::Hospital;

/// Notices of alerts below C in a local day at most.
const NOTICES_A_DAY: usize = hearth_gateway::outreach::governor::NOTICES_A_DAY;

/// A payload as a device sends it: device, characteristic, octets.
type Key = (&'static str, u16, Vec<u8>);

/// What a prompt counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Care,
    Notice,
    Uncounted,
}

/// What was committed, promised and sent.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Ids by payload, for what carries a stamp or number.
    ids: BTreeMap<Key, Vec<Uuid>>,
    /// Payloads whose commit succeeded, with or without a reading in them.
    committed: BTreeSet<Key>,
    /// Payloads that a device was told are durable.
    promised: BTreeSet<Key>,
    /// Device, stamp and value of what was read: another copy in other octets is one reading.
    copies: BTreeSet<(&'static str, i64, u32)>,
    /// Expected value by observation id (the first of a payload).
    values: BTreeMap<Uuid, u32>,
    /// All observation ids.
    observations: BTreeSet<Uuid>,
    examined: u64,
    sent: BTreeSet<Uuid>,
    days: BTreeMap<(String, i64, bool), usize>,
    stopped: BTreeSet<String>,
    /// Prompts that left.
    pub prompts: u64,
    /// Payloads promised, with repetitions.
    pub acknowledged: u64,
}

fn sql<T>(result: Result<T, rusqlite::Error>) -> Result<T, String> {
    result.map_err(|error| format!("the store cannot be read: {error}"))
}

impl Ledger {
    /// A commit of this record succeeded.
    ///
    /// # Errors
    /// What was violated.
    pub fn commit(
        &mut self,
        device: &'static str,
        record: &Record,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let key: Key = (device, record.sent.characteristic, record.sent.octets.clone());
        match outcome {
            Outcome::Observed { ids, .. } => {
                let strong = record.stamp_s.is_some();
                if strong && let Some(known) = self.ids.get(&key) {
                    return Err(format!("{key:?} was observed as {known:?} and as {ids:?}"));
                }
                if ids.is_empty() {
                    return Err(format!("{key:?} was observed without an id"));
                }
                for id in ids {
                    if !self.observations.insert(*id) {
                        return Err(format!("the id {id} of {key:?} was given before"));
                    }
                }
                if let (Some(first), Some(value)) = (ids.first(), record.value) {
                    self.values.insert(*first, value);
                    if let Some(stamp_s) = record.stamp_s {
                        self.copies.insert((device, stamp_s, value));
                    }
                }
                if strong {
                    self.ids.insert(key.clone(), ids.clone());
                }
            }
            Outcome::Duplicate { .. } => {
                let copy = record.stamp_s.zip(record.value);
                let copy = copy.is_some_and(|(s, v)| self.copies.contains(&(device, s, v)));
                if !self.committed.contains(&key) && !copy {
                    return Err(format!("{key:?} was called a duplicate, but it is the first"));
                }
            }
            Outcome::Quarantined { reason, .. } => {
                if record.value.is_some() && device != "stranger" {
                    return Err(format!("{key:?} was quarantined: {reason}"));
                }
            }
            Outcome::Noted { .. } => {
                if record.value.is_some() {
                    return Err(format!("no reading was seen in {key:?}"));
                }
            }
        }
        self.committed.insert(key);
        Ok(())
    }

    /// A device was told that this record is durable.
    pub fn promise(&mut self, device: &'static str, record: &Record) {
        self.acknowledged += 1;
        self.promised.insert((device, record.sent.characteristic, record.sent.octets.clone()));
    }

    /// Looks at what the last commits put onto the lane of prompts.
    ///
    /// # Errors
    /// What was violated.
    pub fn look(&mut self, reader: &Reader, now: Now, clock_is_set: bool) -> Result<(), String> {
        let connection = reader.connection();
        let mut statement = sql(connection.prepare_cached(
            "select seq, id, patient, body from outbox where lane = 1 and seq > ?1
             and kind = 'prompt' order by seq",
        ))?;
        let rows = sql(statement.query_map([self.examined.cast_signed()], |row| {
            let id: Vec<u8> = row.get(1)?;
            let (patient, body): (Option<String>, String) = (row.get(2)?, row.get(3)?);
            Ok((row.get::<_, i64>(0)?, id, patient.unwrap_or_default(), body))
        }))?;
        for row in rows {
            let (seq, id, patient, body) = sql(row)?;
            self.examined = seq.unsigned_abs();
            let id = Uuid::from_slice(&id).map_err(|error| error.to_string())?;
            self.prompt(id, &patient, &body, now, clock_is_set)
                .map_err(|what| format!("prompt {id} to {patient} {what}: {body}"))?;
        }
        let mut statement =
            sql(connection.prepare_cached("select id from patient where prompts = 0"))?;
        let stopped = sql(statement.query_map([], |row| row.get(0)))?;
        self.stopped = sql(stopped.collect())?;
        Ok(())
    }

    fn prompt(
        &mut self,
        id: Uuid,
        patient: &str,
        body: &str,
        now: Now,
        clock_is_set: bool,
    ) -> Result<(), String> {
        let Ok(Body::Prompt(prompt)) = serde_json::from_str(body) else {
            return Err("cannot be read".to_owned());
        };
        self.prompts += 1;
        if !self.sent.insert(id) {
            return Err("left twice".to_owned());
        }
        if self.stopped.contains(patient) {
            return Err("left after STOP".to_owned());
        }
        if !clock_is_set {
            return Err("left while the clock was not set".to_owned());
        }
        let zone = TimeZone::get(gateway::zone(patient)).map_err(|error| error.to_string())?;
        let at = jiff::Timestamp::from_millisecond(now.wall.millis());
        let local = zone.to_datetime(at.map_err(|error| error.to_string())?);
        let minute = local.hour().unsigned_abs() as u16 * 60 + local.minute().unsigned_abs() as u16;
        let quiet = minute >= QUIET_MIN.0 || minute < QUIET_MIN.1;
        let critical = prompt.level.as_deref() == Some("C");
        if quiet && !critical && !prompt.silent {
            return Err(format!("left at {local}, within the quiet hours"));
        }
        let class = match (prompt.prompt.as_str(), critical) {
            ("measure_again", _) | (_, true) => Class::Uncounted,
            ("alert" | "repeat" | "all_clear", false) => Class::Notice,
            _ => Class::Care,
        };
        if class == Class::Uncounted {
            return Ok(());
        }
        let day = i64::from(
            local.date().since(jiff::civil::date(1970, 1, 1)).map_or(0, |s| s.get_days()),
        );
        let care = class == Class::Care;
        let count = self.days.entry((patient.to_owned(), day, care)).or_insert(0);
        *count += 1;
        let cap = if care { usize::from(DAILY_CAP) } else { NOTICES_A_DAY };
        if *count > cap {
            return Err(format!("is number {count} of {}, the cap is {cap}", local.date()));
        }
        Ok(())
    }

    /// After everything has drained.
    ///
    /// # Errors
    /// What was violated.
    pub fn settle(&self, reader: &Reader, hospital: &Hospital) -> Result<(), String> {
        self.journal(reader)?;
        self.needs(reader)?;
        self.lanes(reader, hospital)?;
        self.readings(hospital)
    }

    fn journal(&self, reader: &Reader) -> Result<(), String> {
        let connection = reader.connection();
        let mut statement = sql(connection.prepare(
            "select j.device, j.characteristic, j.payload, j.outcome,
                    (select count(*) from observation o where o.journal_seq = j.seq)
             from journal j where j.kind = 1",
        ))?;
        let mut rows = sql(statement.query([]))?;
        let mut held: BTreeSet<(String, u16, Vec<u8>)> = BTreeSet::new();
        while let Some(row) = sql(rows.next())? {
            let (outcome, parts): (i64, i64) = (sql(row.get(3))?, sql(row.get(4))?);
            if outcome == 0 {
                return Err("a raw row has no outcome".to_owned());
            }
            if (outcome == 1) != (parts > 0) {
                return Err(format!("a raw row with outcome {outcome} has {parts} observations"));
            }
            held.insert((sql(row.get(0))?, sql(row.get(1))?, sql(row.get(2))?));
        }
        for (device, characteristic, octets) in &self.promised {
            let key = ((*device).to_owned(), *characteristic, octets.clone());
            let copied = !held.contains(&key) && self.committed.contains(&(device, key.1, key.2));
            if !held.contains(&((*device).to_owned(), *characteristic, octets.clone())) && !copied {
                return Err(format!(
                    "{device} was told that {characteristic:04x} {octets:02x?} is durable; it is lost"
                ));
            }
        }
        let mut statement = sql(connection.prepare("select id from observation"))?;
        let ids = sql(statement.query_map([], |row| row.get::<_, Vec<u8>>(0)))?;
        let mut found = BTreeSet::new();
        for id in ids {
            found.insert(Uuid::from_slice(&sql(id)?).map_err(|error| error.to_string())?);
        }
        if found != self.observations {
            let odd: Vec<_> = found.symmetric_difference(&self.observations).collect();
            return Err(format!("observations differ from what was committed: {odd:?}"));
        }
        Ok(())
    }

    fn needs(&self, reader: &Reader) -> Result<(), String> {
        let twice: i64 = sql(reader.connection().query_row(
            "select count(*) from (select 1 from need where state = 'open'
             group by patient, kind having count(*) > 1)",
            [],
            |row| row.get(0),
        ))?;
        if twice > 0 { Err("two needs of one kind are open".to_owned()) } else { Ok(()) }
    }

    fn lanes(&self, reader: &Reader, hospital: &Hospital) -> Result<(), String> {
        let mut all = 0;
        for lane in Lane::ALL {
            let last: i64 = sql(reader.connection().query_row(
                "select last from lane where lane = ?1",
                [lane as u8],
                |row| row.get(0),
            ))?;
            let shelf = &hospital.shelves[lane as usize - 1];
            let last = last.unsigned_abs();
            all += last;
            if shelf.held.len() as u64 != last || shelf.through != last {
                return Err(format!(
                    "lane {} has {last} numbers, the consumer holds {} and all up to {}",
                    lane.as_str(),
                    shelf.held.len(),
                    shelf.through
                ));
            }
        }
        if hospital.booked != all {
            return Err(format!("{all} messages were booked as {}", hospital.booked));
        }
        Ok(())
    }

    fn readings(&self, hospital: &Hospital) -> Result<(), String> {
        let mut seen: BTreeSet<(Uuid, u32)> = BTreeSet::new();
        for envelope in hospital.shelves[1].held.values() {
            let observation = match &envelope.body {
                Body::Observation(observation) => observation,
                Body::Tombstone(_) => {
                    return Err(format!("observation {} became a tombstone", envelope.id));
                }
                _ => continue,
            };
            if !seen.insert((envelope.id, observation.revision)) {
                return Err(format!("observation {} is twice at the consumer", envelope.id));
            }
            let Some(expected) = self.values.get(&envelope.id) else { continue };
            let shown = observation.value.as_ref().and_then(serde_json::Number::as_f64);
            let scale = if observation.unit == "kg" { 1000.0 } else { 1.0 };
            let got = shown.map(|value| (value * scale).round());
            if got != Some(f64::from(*expected)) {
                return Err(format!(
                    "observation {} shows {shown:?} {}, the device showed {expected}",
                    envelope.id, observation.unit
                ));
            }
        }
        let first: BTreeSet<Uuid> =
            seen.iter().filter(|(_, r)| *r == 0).map(|(id, _)| *id).collect();
        if first != self.observations {
            let odd: Vec<_> = first.symmetric_difference(&self.observations).take(5).collect();
            return Err(format!("the consumer's readings are not those of the devices: {odd:?}"));
        }
        Ok(())
    }
}
