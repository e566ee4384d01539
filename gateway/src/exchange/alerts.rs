//! Immediate alerts: `hearth assess --alerts`.
//!
//! One case a line: `{"id", "plan", "limits", "events"}`; one answer a line:
//! `{"id", "notifications", "transitions"}` or `{"error", "id"}`. Values are in rule steps, times
//! are Unix seconds. A number written with a point or an exponent is no integer here, whatever
//! its value; of a name given twice in one object the last counts.

use std::io::{self, BufRead, Write};

use hearth_shared::assess::alerts::{
    AckBy, AlertPlan, Claim, Engine, Event, Flags, Identity, Limits, Mute, Notification, Quantity,
    QuietHours, Reading, RuleId, Settings, Sink, Symptom, Transition, Value,
};
use serde_json::{Map, Value as Json, json};

/// What a run went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines answered.
    pub cases: u64,
    /// Lines answered with an error; the exit status is 1 if there are any.
    pub errors: u64,
}

/// Which part of a case is malformed; the first one in this order is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Malformed {
    /// The case itself or its plan.
    Plan,
    Limits,
    /// The form of an event, or no list of events.
    Event,
    /// An event earlier than the one before.
    Order,
}

impl Malformed {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Limits => "limits",
            Self::Event => "event",
            Self::Order => "order",
        }
    }
}

/// Answers every line of `input`; blank lines are passed over.
///
/// # Errors
/// Only those of reading and writing: a malformed case is an answer.
pub fn run(mut input: impl BufRead, mut out: impl Write) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            out.flush()?;
            return Ok(summary);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = answer(&line);
        summary.cases += 1;
        summary.errors += u64::from(answer.get("error").is_some());
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
    }
}

fn answer(line: &[u8]) -> Json {
    let Ok(Json::Object(case)) = serde_json::from_slice(line) else {
        return json!({"error": Malformed::Plan.as_str(), "id": null});
    };
    let id = case.get("id").cloned().unwrap_or(Json::Null);
    let answer = match answer_case(&case) {
        Ok(log) => json!({
            "id": id, "notifications": log.notifications, "transitions": log.transitions,
        }),
        Err(error) => json!({"error": error.as_str(), "id": id}),
    };
    sorted(answer)
}

/// Sorts the names of every object, whatever order the map type keeps.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut pairs: Vec<(String, Json)> = map.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs.into_iter().map(|(name, value)| (name, sorted(value))).collect()
        }
        Json::Array(list) => list.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// What the engine said, already as JSON.
#[derive(Default)]
struct Log {
    notifications: Vec<Json>,
    transitions: Vec<Json>,
}

impl Sink for Log {
    fn transition(&mut self, said: Transition) {
        let mut row = json!({
            "t": said.t, "rule": said.rule.as_str(), "level": said.level.as_str(),
            "from": said.from.as_str(), "to": said.to.as_str(), "reason": said.reason.as_str(),
        });
        if said.late {
            row["late"] = Json::Bool(true);
        }
        self.transitions.push(row);
    }

    fn notification(&mut self, said: Notification) {
        let mut row = json!({
            "t": said.t, "to": said.to.as_str(), "rule": said.rule.as_str(),
            "level": said.level.as_str(), "kind": said.kind.as_str(),
        });
        if let Some(step) = said.step {
            row["step"] = step.into();
        }
        if said.late {
            row["late"] = Json::Bool(true);
        }
        if said.silent {
            row["silent"] = Json::Bool(true);
        }
        if let Some(until) = said.deferred_until {
            row["deferred_until"] = until.into();
        }
        self.notifications.push(row);
    }
}

fn answer_case(case: &Map<String, Json>) -> Result<Log, Malformed> {
    only(case, &["id", "plan", "limits", "events"]).ok_or(Malformed::Plan)?;
    if !case.contains_key("id") {
        return Err(Malformed::Plan);
    }
    let plan = match case.get("plan") {
        None => Plan::default(),
        Some(plan) => Plan::read(plan).ok_or(Malformed::Plan)?,
    };
    let limits = match case.get("limits") {
        None => Limits::default(),
        Some(limits) => read_limits(limits).ok_or(Malformed::Limits)?,
    };
    let events = case.get("events").and_then(Json::as_array).ok_or(Malformed::Event)?;
    let mut parsed = Vec::with_capacity(events.len());
    let mut now = 0;
    for event in events {
        let event = read_event(event).ok_or(Malformed::Event)?;
        if event.time() < now {
            return Err(Malformed::Order);
        }
        now = event.time();
        parsed.push(event);
    }
    let mut engine = Engine::new(plan.settings);
    let mut log = Log::default();
    for event in &parsed {
        engine.handle(&plan.borrow(), &limits, event, &mut log);
    }
    Ok(log)
}

/// The plan of a case, owned.
#[derive(Default)]
struct Plan {
    settings: Settings,
    quiet: Quiet,
    mutes: Vec<Mute>,
    shared: bool,
    start: u32,
    others: Vec<Limits>,
}

struct Quiet(Option<QuietHours>);

impl Default for Quiet {
    fn default() -> Self {
        Self(Some(QuietHours::DEFAULT))
    }
}

impl Plan {
    fn borrow(&self) -> AlertPlan<'_> {
        AlertPlan {
            quiet: self.quiet.0,
            mutes: &self.mutes,
            shared: self.shared,
            start: self.start,
            others: &self.others,
        }
    }

    fn read(plan: &Json) -> Option<Self> {
        let mut read = Self::default();
        for (name, value) in plan.as_object()? {
            match name.as_str() {
                "tz" => read.settings.tz = read_offset(value)?,
                "prompts" => read.settings.prompts = value.as_bool()?,
                "monitor" => read.settings.monitor = value.as_bool()?,
                "quiet" => read.quiet = Quiet(read_quiet(value)?),
                "mute" => {
                    read.mutes = value.as_array()?.iter().map(read_mute).collect::<Option<_>>()?;
                }
                "shared" => read.shared = value.as_bool()?,
                "start" => read.start = second(value)?,
                "others" => {
                    read.others =
                        value.as_array()?.iter().map(read_limits).collect::<Option<_>>()?;
                }
                _ => return None,
            }
        }
        Some(read)
    }
}

/// An integer; `None` for a number with a point or an exponent, and for what is no number.
fn integer(value: &Json) -> Option<i64> {
    // Beyond i64 every caller would refuse the value for its range.
    value.as_i64()
}

/// A time or an identity: 0 to 2^32-1.
fn second(value: &Json) -> Option<u32> {
    u32::try_from(integer(value)?).ok()
}

/// Minutes from UTC, at most a day either way.
fn read_offset(value: &Json) -> Option<i16> {
    let minutes = i16::try_from(integer(value)?).ok()?;
    (-1440..=1440).contains(&minutes).then_some(minutes)
}

fn read_pair(value: &Json) -> Option<(u32, u32)> {
    match value.as_array()?.as_slice() {
        [from, to] => Some((second(from)?, second(to)?)),
        _ => None,
    }
}

fn read_quiet(value: &Json) -> Option<Option<QuietHours>> {
    if value.is_null() {
        return Some(None);
    }
    let (from, to) = read_pair(value)?;
    let minute = |m: u32| u16::try_from(m).ok().filter(|m| *m < 1440);
    Some(QuietHours::new(minute(from)?, minute(to)?))
}

fn read_mute(value: &Json) -> Option<Mute> {
    let (from, to) = read_pair(value)?;
    Some(Mute { from, to })
}

fn read_limits(value: &Json) -> Option<Limits> {
    // A struct could also be read from a list, which the format does not know.
    let rules = value.as_object()?.values();
    if !rules.into_iter().all(|rule| rule.is_object() || rule.is_null()) {
        return None;
    }
    let limits: Limits = serde_json::from_value(value.clone()).ok()?;
    limits.validate().ok()?;
    Some(limits)
}

/// `None` if the object has a name beyond these.
fn only(object: &Map<String, Json>, names: &[&str]) -> Option<()> {
    object.keys().all(|name| names.contains(&name.as_str())).then_some(())
}

fn read_event(event: &Json) -> Option<Event> {
    let event = event.as_object()?;
    let text = |name: &str| event.get(name).and_then(Json::as_str);
    let t = second(event.get("t")?)?;
    match text("k")? {
        "reading" => read_reading(event, t).map(Event::Reading),
        "symptom" => {
            only(event, &["k", "t", "q"])?;
            Some(Event::Symptom { t, symptom: Symptom::parse(text("q")?)? })
        }
        "ack" => {
            only(event, &["k", "t", "rule", "by"])?;
            let (rule, by) = (RuleId::parse(text("rule")?)?, AckBy::parse(text("by")?)?);
            Some(Event::Ack { t, rule, by })
        }
        "tick" => {
            only(event, &["k", "t"])?;
            Some(Event::Tick { t })
        }
        "set" => {
            only(event, &["k", "t", "tz", "prompts", "monitor"])?;
            let flag = |name: &str| optional(event.get(name), Json::as_bool);
            let tz = optional(event.get("tz"), read_offset)?;
            Some(Event::Set { t, tz, prompts: flag("prompts")?, monitor: flag("monitor")? })
        }
        _ => None,
    }
}

/// Reads what may be absent: `None` if it is there and malformed.
fn optional<T>(value: Option<&Json>, read: impl Fn(&Json) -> Option<T>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| read(value).map(Some))
}

fn read_reading(event: &Map<String, Json>, t: u32) -> Option<Reading> {
    only(event, &["k", "t", "arrived", "q", "v", "sat", "flags", "claim", "id", "dev"])?;
    let quantity = Quantity::parse(event.get("q")?.as_str()?)?;
    let claim = match event.get("claim") {
        None => Claim::Auto,
        Some(claim) => Claim::parse(claim.as_str()?)?,
    };
    let identity = Identity {
        record: optional(event.get("id"), second)?,
        device: optional(event.get("dev"), second)?,
    };
    let flags = optional(event.get("flags"), read_flags)?.unwrap_or_default();
    let arrived = second(event.get("arrived")?)?;
    let value = read_value(quantity, event.get("v"), event.get("sat"))?;
    Some(Reading { t, arrived, quantity, value, flags, claim, identity })
}

/// Either a value or, for glucose, the mark of its saturation.
fn read_value(quantity: Quantity, value: Option<&Json>, saturated: Option<&Json>) -> Option<Value> {
    let step = |v: &Json| {
        let v = i32::try_from(integer(v)?).ok()?;
        (-1_000_000..=1_000_000).contains(&v).then_some(v)
    };
    match (quantity, value, saturated) {
        (Quantity::Pressure, Some(value), None) => match value.as_array()?.as_slice() {
            [sys, dia] => Some(Value::Pressure { sys: step(sys)?, dia: step(dia)? }),
            _ => None,
        },
        (_, Some(value), None) => Some(Value::Number(step(value)?)),
        (Quantity::Glucose | Quantity::Cgm, None, Some(mark)) => match integer(mark)? {
            1 => Some(Value::High),
            -1 => Some(Value::Low),
            _ => None,
        },
        _ => None,
    }
}

fn read_flags(list: &Json) -> Option<Flags> {
    let mut flags = Flags::default();
    for flag in list.as_array()? {
        match flag.as_str()? {
            "invalid" => flags.invalid = true,
            "suspect" => flags.suspect = true,
            _ => return None,
        }
    }
    Some(flags)
}

#[cfg(test)]
mod tests;
