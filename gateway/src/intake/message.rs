//! An observation as the message that goes out.

use hearth_shared::observation::{DisplayUnit, Marks, MealContext, Value};
use hearth_shared::time::UnixMillis;
use hearth_shared::units::Decimal;
use serde_json::Number;

use crate::outreach::local;
use crate::store::observation::{self, Observation};
use crate::store::outbox::{self, Outgoing};
use crate::store::{StoreError, Tx, attribution, meal};
use crate::uplink::message::{self, Body, Lane};

/// Numbers a new observation for its lane.
///
/// # Errors
/// What the store answered.
pub fn push(
    tx: &Tx<'_>,
    o: &Observation,
    patient: Option<&str>,
    meal: Option<MealContext>,
    created: UnixMillis,
) -> Result<(), StoreError> {
    send(tx, o, patient, (meal, 0), created)
}

/// Tells an observation again after its owner or its circumstances changed. One that does not fit
/// its checksum any more is not told.
///
/// # Errors
/// What the store answered.
pub fn push_revision(tx: &Tx<'_>, seq: i64, created: UnixMillis) -> Result<(), StoreError> {
    let stored = match observation::get(tx, seq) {
        Ok(Some(stored)) => stored,
        Ok(None) | Err(StoreError::Row { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let (patient, decisions) = attribution::owner(tx, seq)?;
    let (later, contexts) = meal::context(tx, seq)?;
    let meal = later.or(stored.observation.reading.meal);
    let marked = u32::from(stored.observation.pressed);
    let revision = decisions.saturating_sub(1) + contexts + marked;
    send(tx, &stored.observation, patient.as_deref(), (meal, revision), created)
}

fn send(
    tx: &Tx<'_>,
    o: &Observation,
    patient: Option<&str>,
    (meal, revision): (Option<MealContext>, u32),
    created: UnixMillis,
) -> Result<(), StoreError> {
    let message = Outgoing {
        lane: Lane::Observations,
        id: o.id,
        patient: patient.map(str::to_owned),
        body: Body::Observation(body(o, meal, revision)),
        created,
        expires: None,
    };
    outbox::push(tx, &message)?;
    Ok(())
}

/// The body of the message.
pub fn body(o: &Observation, meal: Option<MealContext>, revision: u32) -> message::Observation {
    let [value, diastolic, mean] = numbers(o);
    message::Observation {
        device: o.device.clone(),
        quantity: o.reading.quantity.as_str().to_owned(),
        value,
        diastolic,
        mean,
        unit: o.reading.unit.ucum().to_owned(),
        absent: o.reading.value.err().map(|a| a.as_str().to_owned()),
        measured: local_time(o.measured, o.offset.minutes()),
        clock: o.clock.as_str().to_owned(),
        received: local::rfc3339(o.received),
        device_time: o.device_time.clone(),
        sequence: o.sequence.map(|s| s.0),
        slot: o.slot.map(|s| s.0),
        meal: meal.map(|m| m.as_str().to_owned()),
        plausibility: o.standing.as_str().to_owned(),
        marks: marks(o.reading.marks),
        journal_seq: o.journal_seq,
        weak_identity: o.weak,
        revision,
    }
}

/// Value (or systolic), diastolic, mean in the displayed unit.
pub fn numbers(o: &Observation) -> [Option<Number>; 3] {
    let Ok(value) = o.reading.value else { return [None, None, None] };
    let unit = o.reading.unit;
    match value {
        Value::BloodPressure { systolic, diastolic, mean } => [
            number(systolic.displayed(unit)),
            number(diastolic.displayed(unit)),
            mean.and_then(|m| number(m.displayed(unit))),
        ],
        other => [number(displayed(other, unit)), None, None],
    }
}

fn displayed(value: Value, unit: DisplayUnit) -> Option<Decimal> {
    match value {
        Value::Glucose(v) => v.displayed(unit),
        Value::BloodPressure { systolic, .. } => systolic.displayed(unit),
        Value::Rate(v) => v.displayed(unit),
        Value::Saturation(v) => v.displayed(unit),
        Value::Temperature(v) => v.displayed(unit),
        Value::Mass(v) => v.displayed(unit),
    }
}

fn number(decimal: Option<Decimal>) -> Option<Number> {
    decimal?.to_string().parse().ok()
}

/// The words of the marks that are set.
pub fn marks(m: Marks) -> Vec<String> {
    let all = [
        (m.invalid, "invalid"),
        (m.suspect, "suspect"),
        (m.preliminary, "preliminary"),
        (m.clock_fault, "clock_fault"),
        (m.battery_low, "battery_low"),
    ];
    all.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()).collect()
}

/// RFC 3339 with an offset: `2026-03-01T07:30:00+01:00`; milliseconds only where there are any.
pub fn local_time(at: UnixMillis, offset_min: i16) -> String {
    let shifted = at.plus_seconds(i64::from(offset_min) * 60);
    let utc = local::rfc3339(shifted);
    let face = utc.trim_end_matches('Z');
    let face = face.strip_suffix(".000").unwrap_or(face);
    if offset_min == 0 {
        return format!("{face}Z");
    }
    let (sign, minutes) = if offset_min < 0 { ('-', -offset_min) } else { ('+', offset_min) };
    format!("{face}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
