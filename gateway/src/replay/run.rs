//! One person's records through the path, under a clock that only moves when it is told to.
//!
//! Each line is received at the moment it was measured. Before a line is taken, everything that was
//! due earlier is done at its own moment: timers of alerts, evaluations of the plan at the beginning
//! of a day, prompts after quiet hours. After the last line the clock runs on to the plan's first final
//! evaluation, so that every series ends with a verdict; what comes then is marked as after the record.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hearth_shared::observation::Quantity;
use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::assess::series::usual_spacing_s;
use crate::control::Verb;
use crate::control::command::{
    DeviceAssign, DeviceSettings, PatientSettings, PlanAssign, PlanEvent,
};
use crate::intake::Outcome;
use crate::programme::Programme;
use crate::store::StoreError;

use super::engine::Engine;
use super::gather::Gathered;
use super::line::{self, LineReading, Note};
use super::patient::{Counts, ReplayedPatient};
use super::plans::{self, Plans};
use super::settings::{self, Options};
use super::source::{self, Series};

/// Lines committed at once: a day of a sensor has 288.
const BATCH_MAX: usize = 512;
/// Ticks at one moment before the clock is moved on by a second: a room that never has enough of
/// one moment must not stop the replay.
const TICKS_MAX: u32 = 64;

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Files.
    #[error(transparent)]
    Source(#[from] source::SourceError),
    /// The store in memory.
    #[error("the store in memory: {0}")]
    Store(#[from] StoreError),
    /// The path.
    #[error("the path could not be opened: {0}")]
    Open(String),
    /// The zone is not known.
    #[error("\"{0}\" is no time zone; name one such as Europe/London")]
    Zone(String),
    /// The programme or its parameters are wrong.
    #[error("{0}")]
    Plan(String),
    /// A command was refused.
    #[error("{subject}: {sentence}")]
    Refused {
        /// Whose.
        subject: String,
        /// What the gateway said.
        sentence: String,
    },
    /// A message could not be read back: a bug.
    #[error("a message could not be read back: {0}")]
    Message(#[from] serde_json::Error),
    /// The page or the output could not be written.
    #[error("{}: {cause}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What it answered.
        #[source]
        cause: std::io::Error,
    },
}

/// One person's replay: the record, and each message as a JSON line if wanted.
#[derive(Debug)]
pub struct Replayed {
    /// What was seen.
    pub patient: ReplayedPatient,
    /// JSON lines, each with its end.
    pub messages: Vec<u8>,
}

/// A line with its place in time.
struct Placed<'s> {
    at: UnixMillis,
    octets: &'s [u8],
    number: u32,
    read: Option<LineReading>,
}

/// Replays one person.
///
/// # Errors
/// See [`RunError`].
pub fn series(series: &Series, options: &Options, plans: &Plans) -> Result<Replayed, RunError> {
    let zone_name = options.zone.as_deref().unwrap_or_else(|| settings::zone(series.format));
    let zone = TimeZone::get(zone_name).map_err(|_| RunError::Zone(zone_name.to_owned()))?;
    let lines = place(series, &zone);
    let day = |at: UnixMillis| day_of(&zone, at);
    let readable = || lines.iter().filter(|l| l.read.is_some()).map(|l| l.at);
    let first = readable().min().unwrap_or(UnixMillis::from_seconds(0));
    let last = readable().max().unwrap_or(first);
    let days = (day(first), day(last));

    let quantities = quantities(&lines);
    let mut run = Run {
        engine: Engine::open(first.plus_seconds(-86_400), zone.clone(), plans)?,
        patient: opaque(&series.subject),
        subject: series.subject.clone(),
        zone: zone_name.to_owned(),
    };
    let began = first.plus_seconds(-3600);
    run.enrol(&lines, &quantities, began)?;
    let (mut frames, mut remarks) = (Vec::new(), Vec::new());
    for programme in chosen(&quantities, plans)? {
        let start_day = options.start.day(days.0);
        let plan = format!("{}-{}", run.patient, programme.id);
        let set = options.set.clone();
        if !set.contains_key("tir") {
            remarks.extend(plans::suited_slots(&programme, spacing_s(&lines)));
        }
        run.assign(&plan, &programme, start_day, set, days.0, began)?;
        frames.push(plans.frame(&programme, plan, start_day, options)?);
    }
    let plan_ids: Vec<String> = frames.iter().map(|f| f.plan.clone()).collect();
    let horizon = frames.iter().map(|f| f.start_day + f.horizon).max().unwrap_or(days.1);
    let changes = medication(&lines, &zone);

    let mut outcomes = Tally::default();
    let mut gathered = Gathered::new(zone.clone(), frames);
    let mut messages = Vec::new();
    let mut due = run.engine.tick(began)?;
    let mut events = changes.iter().peekable();
    let mut from = 0;
    while from < lines.len() {
        let Some(next) = lines.get(from) else { break };
        due = run.advance(due, next.at)?;
        while let Some((change, note)) = events.next_if(|(change, _)| *change <= day(next.at)) {
            run.medication(&plan_ids, *change, note, next.at)?;
        }
        let until = due.unwrap_or(UnixMillis::from_millis(i64::MAX));
        let batch = lines.get(from..).unwrap_or_default();
        let take = batch
            .iter()
            .take(BATCH_MAX)
            .take_while(|l| l.at < until && day(l.at) == day(next.at))
            .count()
            .max(1);
        let batch = batch.get(..take).unwrap_or_default();
        let device = &|l: &Placed<'_>| device_of(l);
        let handed: Vec<_> = batch.iter().map(|l| (l.at, device(l), l.octets)).collect();
        let handed: Vec<_> = handed.iter().map(|(at, d, o)| (*at, d.as_str(), *o)).collect();
        let told = run.engine.take(&handed, series.format)?;
        outcomes.count(batch, &told, &series.subject, options.messages.then_some(&mut messages));
        from += take;
        let now = batch.last().map_or(next.at, |l| l.at);
        due = run.engine.tick(now)?;
    }
    drain(&mut run, &mut gathered, false, options, &mut messages)?;
    let end_day = horizon.max(days.1 + 1);
    let end = start_of(&zone, end_day).plus_seconds(24 * 3600);
    // What is said on the day after the last line is about the recording; later it is not.
    let close = start_of(&zone, days.1 + 1).plus_seconds(14 * 3600).min(end);
    due = run.advance(due, close)?;
    drain(&mut run, &mut gathered, false, options, &mut messages)?;
    run.advance(due, end)?;
    drain(&mut run, &mut gathered, true, options, &mut messages)?;

    outcomes.counts.absent = gathered.absent;
    let mut files: Vec<String> = Vec::new();
    for path in &series.files {
        files.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    let patient = ReplayedPatient {
        subject: series.subject.clone(),
        files,
        layout: source::name(series.format),
        zone: zone_name.to_owned(),
        days,
        remarks,
        courses: gathered.courses(&changes),
        alerts: std::mem::take(&mut gathered.alerts),
        prompts: std::mem::take(&mut gathered.prompts),
        tasks: std::mem::take(&mut gathered.tasks),
        counts: outcomes.counts,
        quarantine: outcomes.quarantine.into_iter().collect(),
    };
    Ok(Replayed { patient, messages })
}

struct Run {
    engine: Engine,
    patient: String,
    subject: String,
    zone: String,
}

impl Run {
    fn command(&mut self, verb: Verb, at: UnixMillis) -> Result<(), RunError> {
        let refused = |sentence| RunError::Refused { subject: self.subject.clone(), sentence };
        self.engine.command(verb, at)?.map_err(refused)
    }

    /// The person, and each device that the lines name.
    fn enrol(
        &mut self,
        lines: &[Placed<'_>],
        quantities: &[Quantity],
        at: UnixMillis,
    ) -> Result<(), RunError> {
        let settings = PatientSettings {
            id: self.patient.clone(),
            zone: Some(self.zone.clone()),
            language: Some("en".to_owned()),
            monitoring: Some(true),
            prompts: Some(true),
            ..PatientSettings::default()
        };
        self.command(Verb::PatientAdd(settings), at)?;
        let mut devices: Vec<String> = lines.iter().map(device_of).collect();
        devices.sort();
        devices.dedup();
        let kind = quantities.first().copied().map(settings::device_kind);
        for device in devices {
            let settings = DeviceSettings {
                id: device.clone(),
                kind: Some(kind.unwrap_or("glucose_meter").to_owned()),
                zone: Some(self.zone.clone()),
                ..DeviceSettings::default()
            };
            self.command(Verb::DeviceAdd(settings), at)?;
            let owner =
                DeviceAssign { id: device, patient: self.patient.clone(), slot: None, from: None };
            self.command(Verb::DeviceAssign(owner), at)?;
        }
        Ok(())
    }

    fn assign(
        &mut self,
        plan: &str,
        programme: &Programme,
        start_day: i32,
        set: serde_json::Map<String, serde_json::Value>,
        first_day: i32,
        at: UnixMillis,
    ) -> Result<(), RunError> {
        if (start_day - first_day).abs() > 366 {
            return Err(RunError::Plan(format!(
                "{}: the start lies more than a year from the first reading.",
                self.subject
            )));
        }
        let assign = PlanAssign {
            id: plan.to_owned(),
            patient: self.patient.clone(),
            programme: programme.id.clone(),
            start: Some(date(start_day)),
            overrides: (!set.is_empty()).then_some(set),
        };
        self.command(Verb::PlanAssign(assign), at)
    }

    fn medication(
        &mut self,
        plans: &[String],
        day: i32,
        note: &str,
        at: UnixMillis,
    ) -> Result<(), RunError> {
        for plan in plans {
            let event = PlanEvent {
                id: plan.clone(),
                day: date(day),
                event: "medication_change".to_owned(),
                note: (!note.is_empty()).then(|| note.to_owned()),
            };
            self.command(Verb::PlanEvent(event), at)?;
        }
        Ok(())
    }

    /// Does everything that is due before `to`, each at its own moment.
    fn advance(
        &mut self,
        mut due: Option<UnixMillis>,
        to: UnixMillis,
    ) -> Result<Option<UnixMillis>, RunError> {
        let mut clock = UnixMillis::from_millis(i64::MIN);
        let mut ticks = 0;
        while let Some(at) = due.filter(|at| *at < to) {
            // A moment that is asked for again and again moves on.
            ticks = if at <= clock { ticks + 1 } else { 0 };
            clock = if ticks > TICKS_MAX { clock.plus_seconds(1) } else { clock.max(at) };
            if clock >= to {
                break;
            }
            due = self.engine.tick(clock)?;
        }
        Ok(due)
    }
}

/// Decodes each line for its time, and puts them in order. A line that cannot be read stands where
/// its neighbour above stands, so that it is quarantined on the day it was written.
fn place<'s>(series: &'s Series, zone: &TimeZone) -> Vec<Placed<'s>> {
    let mut lines: Vec<Placed<'s>> = Vec::with_capacity(series.records.len());
    let mut before = None;
    for record in &series.records {
        let read = line::decode(series.format, &record.octets).ok();
        let at = read.as_ref().map(|r| UnixMillis::from_seconds(r.time.utc_seconds(zone)));
        before = at.or(before);
        let at = before.unwrap_or(UnixMillis::from_millis(i64::MIN));
        lines.push(Placed { at, octets: &record.octets, number: record.line, read });
    }
    // Lines above the first readable one stand where that one stands.
    let first = lines.iter().find(|l| l.read.is_some()).map(|l| l.at);
    for line in &mut lines {
        if line.at.millis() == i64::MIN {
            line.at = first.unwrap_or(UnixMillis::from_seconds(0));
        }
    }
    lines.sort_by_key(|line| line.at);
    lines
}

/// What is measured, the most frequent first.
fn quantities(lines: &[Placed<'_>]) -> Vec<Quantity> {
    let mut seen: BTreeMap<Quantity, u64> = BTreeMap::new();
    for reading in lines.iter().filter_map(|l| l.read.as_ref()).flat_map(|r| &r.readings) {
        *seen.entry(reading.quantity).or_default() += 1;
    }
    let mut found: Vec<(Quantity, u64)> = seen.into_iter().collect();
    found.sort_by_key(|(quantity, n)| (std::cmp::Reverse(*n), *quantity));
    // The pressure of a cuff comes before its pulse.
    found.sort_by_key(|(quantity, _)| settings::programme(*quantity).is_none());
    found.into_iter().map(|(quantity, _)| quantity).collect()
}

/// The usual time between two values of a sensor, in seconds; `None` without one.
fn spacing_s(lines: &[Placed<'_>]) -> Option<i64> {
    let sensor = |l: &&Placed<'_>| {
        let cgm =
            |r: &LineReading| r.readings.iter().any(|r| r.quantity == Quantity::ContinuousGlucose);
        l.read.as_ref().is_some_and(cgm)
    };
    let mut times: Vec<i64> = lines.iter().filter(sensor).map(|l| l.at.seconds()).collect();
    times.sort_unstable();
    usual_spacing_s(times.into_iter())
}

/// The programmes for what is measured: the one that was named, or those that suit.
fn chosen(quantities: &[Quantity], plans: &Plans) -> Result<Vec<Programme>, RunError> {
    if let Some(named) = plans.named() {
        let watched = named.series.first().map(|s| s.quantity.quantity());
        let fits = watched.is_some_and(|q| quantities.contains(&q));
        return Ok(if fits { vec![named.clone()] } else { Vec::new() });
    }
    let ids = quantities.iter().filter_map(|q| settings::programme(*q));
    ids.map(|id| plans.get(id).cloned()).collect()
}

/// Medication changes by local day.
fn medication(lines: &[Placed<'_>], zone: &TimeZone) -> Vec<(i32, String)> {
    let mut changes: Vec<(i32, String)> = Vec::new();
    for line in lines {
        for note in line.read.iter().flat_map(|r| &r.notes) {
            if let Note::MedicationChange(what) = note {
                let day = day_of(zone, line.at);
                if changes.last().map(|(d, _)| *d) != Some(day) {
                    changes.push((day, what.clone()));
                }
            }
        }
    }
    changes
}

fn drain(
    run: &mut Run,
    gathered: &mut Gathered,
    ended: bool,
    options: &Options,
    messages: &mut Vec<u8>,
) -> Result<(), RunError> {
    for (row, plan) in run.engine.messages()? {
        gathered.take(&row, plan.as_deref(), ended)?;
        if options.messages {
            let body: serde_json::Value = serde_json::from_str(&row.body)?;
            let mut line = json!({
                "subject": run.subject,
                "id": row.id,
                "lane": row.lane.as_str(),
                "seq": row.seq,
                "created": crate::store::listing::rfc3339(row.created),
                "body": body,
            });
            if ended && let Some(fields) = line.as_object_mut() {
                fields.insert("after_record".to_owned(), true.into());
            }
            messages.extend_from_slice(line.to_string().as_bytes());
            messages.push(b'\n');
        }
    }
    Ok(())
}

/// Counts where lines went; those without an observation become JSON lines of their own.
#[derive(Default)]
struct Tally {
    counts: Counts,
    quarantine: BTreeMap<String, u64>,
}

impl Tally {
    fn count(
        &mut self,
        lines: &[Placed<'_>],
        told: &[Outcome],
        subject: &str,
        mut out: Option<&mut Vec<u8>>,
    ) {
        for (line, outcome) in lines.iter().zip(told) {
            self.counts.records += 1;
            let read = line.read.as_ref();
            self.counts.repaired += u64::from(read.is_some_and(|r| r.repaired));
            let mut say = |body: serde_json::Value| {
                if let Some(out) = out.as_mut() {
                    let line = json!({"subject": subject, "line": line.number, "body": body});
                    out.extend_from_slice(line.to_string().as_bytes());
                    out.push(b'\n');
                }
            };
            match outcome {
                Outcome::Observed { .. } => self.counts.observed += 1,
                Outcome::Duplicate { .. } => {
                    self.counts.duplicate += 1;
                    say(json!({"kind": "duplicate"}));
                }
                Outcome::Quarantined { reason, .. } => {
                    self.counts.quarantined += 1;
                    *self.quarantine.entry(reason.clone()).or_default() += 1;
                    say(json!({"kind": "quarantined", "reason": reason}));
                }
                Outcome::Noted { .. } => self.counts.noted += 1,
            }
            let time = read.map(|r| r.time.device_time());
            for note in read.iter().flat_map(|r| &r.notes) {
                let (kind, text) = (note.kind(), note.to_string());
                say(json!({"kind": "note", "note": kind, "text": text, "device_time": time}));
            }
        }
    }
}

/// The device a line names; lines that name none share one.
fn device_of(line: &Placed<'_>) -> String {
    let named = line.read.as_ref().and_then(|r| r.device.as_deref());
    named.map_or_else(|| "recorded".to_owned(), opaque)
}

/// An id out of a name: letters, digits, hyphens; anything else becomes a hyphen.
fn opaque(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let id: String = name.chars().take(40).map(plain).collect();
    let id = id.trim_matches('-');
    if id.is_empty() { "person".to_owned() } else { id.to_owned() }
}

fn day_of(zone: &TimeZone, at: UnixMillis) -> i32 {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let local = at.as_second() + i64::from(zone.to_offset(at).seconds());
    i32::try_from(local.div_euclid(86_400)).unwrap_or_default()
}

fn start_of(zone: &TimeZone, day: i32) -> UnixMillis {
    let civil = jiff::civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().days(day))
        .unwrap_or(jiff::civil::Date::MAX)
        .to_datetime(jiff::civil::Time::midnight());
    zone.to_timestamp(civil).map_or(UnixMillis::from_seconds(i64::from(day) * 86_400), |t| {
        UnixMillis::from_millis(t.as_millisecond())
    })
}

fn date(day: i32) -> String {
    super::line::LineTime::DateOnly { day }.device_time()
}
