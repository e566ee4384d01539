//! The immediate alerts of all patients: fetches plan, limits and engine state, lets the shared
//! rules judge, and writes what they say in the same transaction. One engine per patient; the ones
//! in use stay in a bounded cache and are written once per batch, if they changed.
//!
//! Here no rule is decided: that is `hearth_shared::assess::alerts`. A state that cannot be read is
//! rebuilt, silently, from the patient's last eight days of observations.

use std::collections::BTreeMap;

use hearth_shared::assess::alerts::{
    AckBy, AlertPlan, Claim, Engine, Event, Limits, Mute, Notification, Quantity as RuleQuantity,
    QuietHours, Reason, RuleId, Settings, Sink, Symptom, Transition,
};
use hearth_shared::time::{ClockTrust, UnixMillis};
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::assess::wording::Subject;
use crate::outreach::local;
use crate::store::observation::{self, Observation};
use crate::store::{StoreError, Tx, alert, counter, patient};

mod reading;
mod telling;

use reading::{differs_from_other, to_reading};
use telling::{notification, tell, transition};

/// Version of the table of rules; part of every alert's id.
pub const RULES_VERSION: &str = "A10 v1";

/// Engine states kept in memory: a household has a few, a ward some hundred; each takes about 6 KB.
const CACHE_MAX: usize = 512;

/// The longest memory of the rules is 168 h; a day more covers every time zone.
const REBUILD_S: i64 = 8 * 86_400;

/// What the rules want a patient to be told; outreach decides whether it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientNotice {
    /// Patient id.
    pub patient: String,
    /// What the rules say.
    pub notification: Notification,
    /// The reading it is about.
    pub observation: Option<Uuid>,
}

/// A reading on its way to the rules.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Its row; `None` for a value that is quarantined as impossible.
    pub observation_seq: Option<i64>,
    /// The observation.
    pub observation: &'a Observation,
    /// The value is impossible: nothing but a device notice comes of it.
    pub impossible: bool,
    /// The stamp lay more than 10 min after reception.
    pub ahead: bool,
    /// The device has several owners at that time.
    pub shared: bool,
    /// A person said whose it is.
    pub claimed: bool,
}

/// One patient's configuration and engine.
#[derive(Clone, Debug)]
struct Member {
    limits: Limits,
    quiet: Option<QuietHours>,
    mutes: Vec<Mute>,
    start: u32,
    zone: TimeZone,
    prompts: bool,
    monitor: bool,
    engine: Engine,
    changed: bool,
}

/// Everything the engine says in one event, in order.
#[derive(Default)]
struct Said(Vec<Word>);

enum Word {
    Transition(Transition),
    Notification(Notification),
}

impl Sink for Said {
    fn transition(&mut self, transition: Transition) {
        self.0.push(Word::Transition(transition));
    }
    fn notification(&mut self, notification: Notification) {
        self.0.push(Word::Notification(notification));
    }
}

/// The engines of all patients.
#[derive(Debug)]
pub struct Live {
    gateway_zone: TimeZone,
    members: BTreeMap<String, Member>,
}

impl Live {
    /// No engine is loaded yet. The zone is used for patients without one of their own.
    pub fn new(gateway_zone: TimeZone) -> Self {
        Self { gateway_zone, members: BTreeMap::new() }
    }

    /// Forgets what is in memory: after a rollback it may differ from the store.
    pub fn forget(&mut self) {
        self.members.clear();
    }

    /// A patient's settings changed: they are read again at the next event, and stored mutes, quiet
    /// hours and limits hold from then on. Consent, zone and monitoring go to the engine at `now`.
    ///
    /// # Errors
    /// What the store answered.
    pub fn settings_changed(
        &mut self,
        tx: &Tx<'_>,
        patient: &str,
        now: UnixMillis,
        out: &mut Vec<PatientNotice>,
    ) -> Result<(), StoreError> {
        if let Some(member) = self.members.get(patient) {
            if member.changed {
                keep(tx, patient, member)?;
            }
            self.members.remove(patient);
        }
        let before = alert::snapshot(tx, patient)?;
        if before == alert::Snapshot::Nothing {
            return Ok(());
        }
        self.event(tx, patient, None, now, |member| member.settings_event(now), out)
    }

    /// Lets the rules judge a reading of a patient, at `now` (the time of reception).
    ///
    /// # Errors
    /// What the store answered.
    pub fn reading(
        &mut self,
        tx: &Tx<'_>,
        patient: &str,
        case: &Case<'_>,
        now: UnixMillis,
        out: &mut Vec<PatientNotice>,
    ) -> Result<(), StoreError> {
        let claim = if case.claimed { Claim::Person } else { Claim::Auto };
        let Some(mut reading) = to_reading(case, claim, now) else { return Ok(()) };
        if reading.quantity == RuleQuantity::Pulse && differs_from_other(tx, patient, case)? {
            reading.flags.suspect = true;
        }
        self.event(tx, patient, Some(case), now, |_| Some(Event::Reading(reading)), out)
    }

    /// An unclaimed reading: if it would be critical for any candidate, staff and hub hear of it at
    /// once, without a name. No state changes.
    ///
    /// # Errors
    /// What the store answered.
    pub fn unclaimed(
        &mut self,
        tx: &Tx<'_>,
        candidates: &[String],
        case: &Case<'_>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let Some(reading) = to_reading(case, Claim::Nobody, now) else { return Ok(()) };
        let mut limits = Vec::with_capacity(candidates.len());
        let mut start = u32::MAX;
        for patient in candidates {
            let member = self.member(tx, patient, None, now)?;
            if member.monitor {
                limits.push(member.limits);
                start = if is_timeless(case) { 0 } else { start.min(member.start) };
            }
        }
        if candidates.is_empty() {
            // Nobody is known to use the device: the defaults are nobody's own limits, but safe.
            (limits, start) = (vec![Limits::default()], 0);
        }
        let Some((first, others)) = limits.split_first() else { return Ok(()) };
        let plan = AlertPlan { quiet: None, mutes: &[], shared: false, start, others };
        let mut said = Said::default();
        let mut engine = Engine::new(Settings::default());
        engine.handle(&plan, first, &Event::Reading(reading), &mut said);
        for word in said.0 {
            if let Word::Notification(n) = word {
                let subject = Subject { reading: Some(case.observation), unanswered: false };
                tell(tx, None, &n, subject, first, now)?;
            }
        }
        Ok(())
    }

    /// A person answered a question about symptoms.
    ///
    /// # Errors
    /// What the store answered.
    pub fn symptom(
        &mut self,
        tx: &Tx<'_>,
        patient: &str,
        symptom: Symptom,
        now: UnixMillis,
        out: &mut Vec<PatientNotice>,
    ) -> Result<(), StoreError> {
        let t = seconds(now);
        self.event(tx, patient, None, now, |_| Some(Event::Symptom { t, symptom }), out)
    }

    /// Staff or the patient has seen an alert.
    ///
    /// # Errors
    /// What the store answered.
    pub fn acknowledge(
        &mut self,
        tx: &Tx<'_>,
        patient: &str,
        (rule, by): (RuleId, AckBy),
        now: UnixMillis,
        out: &mut Vec<PatientNotice>,
    ) -> Result<(), StoreError> {
        let t = seconds(now);
        self.event(tx, patient, None, now, |_| Some(Event::Ack { t, rule, by }), out)
    }

    /// Fires what is due at `now` for all patients. Returns when something is due next.
    ///
    /// # Errors
    /// What the store answered.
    pub fn tick(
        &mut self,
        tx: &Tx<'_>,
        now: UnixMillis,
        out: &mut Vec<PatientNotice>,
    ) -> Result<(), StoreError> {
        let t = seconds(now);
        for patient in alert::due(tx, now.seconds())? {
            self.event(tx, &patient, None, now, |_| Some(Event::Tick { t }), out)?;
        }
        Ok(())
    }

    /// Writes every engine state that changed since the last time.
    ///
    /// # Errors
    /// What the store answered.
    pub fn keep(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for (patient, member) in &mut self.members {
            if member.changed {
                keep(tx, patient, member)?;
                member.changed = false;
            }
        }
        while self.members.len() > CACHE_MAX {
            self.members.pop_first();
        }
        Ok(())
    }

    fn event(
        &mut self,
        tx: &Tx<'_>,
        patient: &str,
        case: Option<&Case<'_>>,
        now: UnixMillis,
        event: impl FnOnce(&Member) -> Option<Event>,
        out: &mut Vec<PatientNotice>,
    ) -> Result<(), StoreError> {
        let member = self.member(tx, patient, case, now)?;
        let mut said = Said::default();
        if let Some(set) = member.settings_event(now) {
            member.handle(&set, case, &mut said);
        }
        if let Some(event) = event(member) {
            member.handle(&event, case, &mut said);
        }
        member.changed = true;
        let limits = member.limits;
        let t = seconds(now);
        for word in said.0 {
            match word {
                Word::Transition(tr) => {
                    let current = case.filter(|_| tr.t == t && tr.reason != Reason::Silence);
                    transition(tx, patient, &tr, current)?;
                }
                Word::Notification(n) => {
                    let current = case.filter(|_| n.t == t);
                    notification(tx, patient, &n, current, &limits, out)?;
                }
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        tx: &Tx<'_>,
        patient: &str,
        case: Option<&Case<'_>>,
        now: UnixMillis,
    ) -> Result<&mut Member, StoreError> {
        if !self.members.contains_key(patient) {
            let judged = case.and_then(|c| c.observation_seq);
            let member = load(tx, patient, &self.gateway_zone, (now, judged))?;
            self.members.insert(patient.to_owned(), member);
        }
        // Present: it was put in above.
        self.members.get_mut(patient).ok_or(StoreError::Row { table: "patient", seq: 0 })
    }
}

impl Member {
    fn handle(&mut self, event: &Event, case: Option<&Case<'_>>, said: &mut Said) {
        let plan = AlertPlan {
            quiet: self.quiet,
            mutes: &self.mutes,
            shared: case.is_some_and(|c| c.shared),
            start: if case.is_some_and(is_timeless) { 0 } else { self.start },
            others: &[],
        };
        self.engine.handle(&plan, &self.limits, event, said);
    }

    /// What the engine does not know yet: the offset in force now (summer time, travel), consent,
    /// end of monitoring.
    fn settings_event(&self, now: UnixMillis) -> Option<Event> {
        let known = self.engine.settings();
        let tz = local::offset_min(now, &self.zone);
        let event = Event::Set {
            t: seconds(now),
            tz: (known.tz != tz).then_some(tz),
            prompts: (known.prompts != self.prompts).then_some(self.prompts),
            monitor: (known.monitor != self.monitor).then_some(self.monitor),
        };
        match event {
            Event::Set { tz: None, prompts: None, monitor: None, .. } => None,
            event => Some(event),
        }
    }
}

fn load(
    tx: &Tx<'_>,
    id: &str,
    gateway_zone: &TimeZone,
    (now, judged): (UnixMillis, Option<i64>),
) -> Result<Member, StoreError> {
    let row = patient::get(tx, id)?;
    let zone = row.as_ref().and_then(|p| p.zone.as_deref()).and_then(local::zone);
    let zone = zone.unwrap_or_else(|| gateway_zone.clone());
    let monitor = row.as_ref().is_some_and(|p| p.monitoring && p.closed.is_none());
    let prompts = row.as_ref().is_some_and(|p| p.prompts == Some(true));
    let limits = row.as_ref().map_or_else(Limits::default, |p| limits(&p.limits));
    let settings = Settings { tz: local::offset_min(now, &zone), prompts, monitor };
    let mut member = Member {
        limits,
        quiet: row
            .as_ref()
            .and_then(|p| p.quiet_min)
            .and_then(|(from, to)| QuietHours::new(from, to)),
        mutes: row.iter().flat_map(|p| &p.mutes).map(|&(f, t)| mute(f, t)).collect(),
        start: row.as_ref().map_or(0, |p| seconds(p.start)),
        zone,
        prompts,
        monitor,
        engine: Engine::new(settings),
        changed: false,
    };
    match alert::snapshot(tx, id)? {
        alert::Snapshot::Nothing => {}
        alert::Snapshot::Whole(bytes) => match postcard::from_bytes(&bytes) {
            Ok(engine) => member.engine = engine,
            Err(_) => rebuild(tx, id, &mut member, (now, judged))?,
        },
        alert::Snapshot::Damaged => rebuild(tx, id, &mut member, (now, judged))?,
    }
    Ok(member)
}

/// Limits as the patient's row has them. What cannot be read is a rule with its defaults: rather an
/// alert too many than a rule that nobody knows to be off. The row was checked when it was written.
fn limits(map: &serde_json::Map<String, serde_json::Value>) -> Limits {
    serde_json::from_value(serde_json::Value::Object(map.clone())).unwrap_or_default()
}

fn mute(from: i64, to: i64) -> Mute {
    let clamp = |s: i64| u32::try_from(s.max(0)).unwrap_or(u32::MAX);
    Mute { from: clamp(from), to: clamp(to) }
}

/// Replays the patient's last days without a word, then the acknowledgements that still stand.
/// Readings of this very transaction, and the one that is about to be judged, are left out: they
/// are to be heard.
fn rebuild(
    tx: &Tx<'_>,
    id: &str,
    member: &mut Member,
    (now, judged): (UnixMillis, Option<i64>),
) -> Result<(), StoreError> {
    let (mut rows, damaged) = observation::since(tx, id, now.plus_seconds(-REBUILD_S))?;
    rows.retain(|r| r.seq < tx.first_new_observation() && Some(r.seq) != judged);
    rows.sort_by_key(|r| (r.observation.received, r.observation.measured, r.seq));
    for row in rows {
        let received = row.observation.received;
        let case = Case {
            observation_seq: Some(row.seq),
            observation: &row.observation,
            impossible: false,
            ahead: false,
            shared: false,
            claimed: false,
        };
        if let Some(reading) = to_reading(&case, Claim::Auto, received) {
            member.handle(&Event::Reading(reading), Some(&case), &mut Said::default());
        }
    }
    for rule in alert::acked(tx, id)? {
        if let Some(rule) = RuleId::parse(&rule) {
            let ack = Event::Ack { t: seconds(now), rule, by: AckBy::Staff };
            member.handle(&ack, None, &mut Said::default());
        }
    }
    member.changed = true;
    counter::add(tx, counter::REBUILT, 1)?;
    if !damaged.is_empty() {
        counter::add(tx, counter::DAMAGED, damaged.len() as u64)?;
    }
    for seq in damaged {
        observation::set_aside(tx, seq)?;
    }
    Ok(())
}

fn keep(tx: &Tx<'_>, patient: &str, member: &Member) -> Result<(), StoreError> {
    // The engine is plain data of fixed size: writing it into a vector cannot fail.
    let bytes = postcard::to_allocvec(&member.engine).unwrap_or_default();
    alert::keep_snapshot(tx, patient, &bytes, member.engine.next_due())
}

fn seconds(t: UnixMillis) -> u32 {
    u32::try_from(t.seconds().max(0)).unwrap_or(u32::MAX)
}

/// Received while our own clock was not set, in 1970: it must not pass for history from before the start of
/// monitoring, or a critical value would stay without a word.
fn is_timeless(case: &Case<'_>) -> bool {
    case.observation.clock == ClockTrust::GatewayUnset
}
