//! An observation as the rules see it: steps, flags, and what stands for "beyond the device's
//! range".

use hearth_shared::assess::alerts::{
    Claim, Flags, Identity, Quantity as RuleQuantity, Reading, Value as RuleValue,
};
use hearth_shared::observation::{Absent, Quantity, Value};
use hearth_shared::time::UnixMillis;

use super::{Case, seconds};
use crate::store::{Queries, StoreError, observation};

/// A pulse this far from the other device's within [`OTHER_PULSE_S`] is suspicious (A9).
const OTHER_PULSE_STEPS: i32 = 20;
const OTHER_PULSE_S: i64 = 120;

/// How far ahead of reception a stamp that was not believed is shown to the engine, which then asks
/// for a look at the device's clock (its own limit is 600 s).
const AHEAD_S: i64 = 601;

/// The reading as the rules see it; `None` where no rule watches it or it has no value to watch.
pub(super) fn to_reading(case: &Case<'_>, claim: Claim, now: UnixMillis) -> Option<Reading> {
    let o = case.observation;
    let quantity = rule_quantity(o.reading.quantity)?;
    if o.reading.marks.preliminary {
        return None;
    }
    let value = match (case.impossible, o.reading.value) {
        // No such number exists for any quantity: the engine asks for a look at the device.
        (true, _) => RuleValue::Number(-1),
        (false, Ok(value)) => rule_value(value),
        (false, Err(reason)) => beyond_range(quantity, reason)?,
    };
    let arrived = seconds(now);
    let t = if case.ahead { seconds(now.plus_seconds(AHEAD_S)) } else { seconds(o.measured) };
    Some(Reading {
        t,
        arrived,
        quantity,
        value,
        flags: Flags { invalid: o.reading.marks.invalid, suspect: o.reading.marks.suspect },
        claim,
        identity: Identity { record: None, device: Some(crc32fast::hash(o.device.as_bytes())) },
    })
}

fn rule_quantity(quantity: Quantity) -> Option<RuleQuantity> {
    Some(match quantity {
        Quantity::Glucose => RuleQuantity::Glucose,
        Quantity::ContinuousGlucose => RuleQuantity::Cgm,
        Quantity::BloodPressure => RuleQuantity::Pressure,
        Quantity::PulseRate => RuleQuantity::Pulse,
        Quantity::Saturation => RuleQuantity::Saturation,
        Quantity::Temperature => RuleQuantity::Temperature,
        Quantity::Weight => RuleQuantity::Weight,
        Quantity::HeartRate | Quantity::BodyFat => return None,
    })
}

fn rule_value(value: Value) -> RuleValue {
    match value {
        Value::Glucose(v) => RuleValue::Number(v.step()),
        Value::BloodPressure { systolic, diastolic, .. } => {
            RuleValue::Pressure { sys: systolic.step(), dia: diastolic.step() }
        }
        Value::Rate(v) => RuleValue::Number(v.step()),
        Value::Saturation(v) => RuleValue::Number(v.step()),
        Value::Temperature(v) => RuleValue::Number(v.step()),
        Value::Mass(v) => RuleValue::Number(v.step()),
    }
}

/// Beyond the device's range ranks past the outermost limit: the extreme of what is possible (A9),
/// implausible on the dangerous side, so that it raises and never clears.
fn beyond_range(quantity: RuleQuantity, reason: Absent) -> Option<RuleValue> {
    let above = match reason {
        Absent::AboveRange => true,
        Absent::BelowRange => false,
        _ => return None,
    };
    Some(match (quantity, above) {
        (RuleQuantity::Glucose | RuleQuantity::Cgm, true) => RuleValue::High,
        (RuleQuantity::Glucose | RuleQuantity::Cgm, false) => RuleValue::Low,
        (RuleQuantity::Pressure, true) => RuleValue::Pressure { sys: 300, dia: 200 },
        (RuleQuantity::Pressure, false) => RuleValue::Pressure { sys: 20, dia: 10 },
        (RuleQuantity::Pulse, true) => RuleValue::Number(300),
        (RuleQuantity::Pulse, false) => RuleValue::Number(20),
        (RuleQuantity::Temperature, true) => RuleValue::Number(450),
        (RuleQuantity::Saturation, false) => RuleValue::Number(50),
        // Nobody watches these sides.
        _ => return None,
    })
}

/// Another device's pulse within two minutes is more than 20 away (A9).
pub(super) fn differs_from_other(
    q: &impl Queries,
    patient: &str,
    case: &Case<'_>,
) -> Result<bool, StoreError> {
    let Ok(Value::Rate(rate)) = case.observation.reading.value else { return Ok(false) };
    let at = case.observation.measured;
    let (rows, _) = observation::series(
        q,
        patient,
        Quantity::PulseRate,
        at.plus_seconds(-OTHER_PULSE_S),
        at.plus_seconds(OTHER_PULSE_S + 1),
    )?;
    Ok(rows.iter().map(|r| &r.stored.observation).any(|o| match o.reading.value {
        Ok(Value::Rate(other)) => {
            o.device != case.observation.device
                && (other.step() - rate.step()).abs() > OTHER_PULSE_STEPS
        }
        _ => false,
    }))
}
