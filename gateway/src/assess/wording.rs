//! One plain sentence for a notice to staff or hub: what was measured, in the unit the device
//! displayed, against which limit. No name, no patient id.

use hearth_shared::assess::alerts::{Limits, NoticeKind, Notification, RuleId, Source};
use hearth_shared::observation::{Absent, DisplayUnit, Quantity, Value};
use hearth_shared::units::{Decimal, Glucose, Mass, Pressure, Temperature};

use serde_json::Value as Json;

use crate::store::observation::{self, Observation};
use crate::store::{Queries, StoreError};

/// Silence is no reassurance: whoever reads this knows that the one reading stands alone.
const UNANSWERED: &str = " No repeat measurement came in time.";

/// What a notice speaks of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// The reading.
    pub reading: Option<&'a Observation>,
    /// It was to be measured again, and nothing came: the alert is one by silence.
    pub unanswered: bool,
}

/// The sentence of a notice.
pub fn reason(n: &Notification, subject: Subject<'_>, limits: &Limits) -> String {
    let about = subject.reading;
    let measured = about.map_or_else(|| "A reading".to_owned(), describe);
    let unit = about.map(|o| o.reading.unit);
    let late = if n.late { "Received late. " } else { "" };
    match (n.kind, n.rule) {
        (NoticeKind::Device, _) => {
            let what = about.map_or("A reading", |o| name(o.reading.quantity));
            format!("{what} came with an impossible value or time: please look at the device.")
        }
        (NoticeKind::Claim, _) => {
            format!("{measured} is far from the weights before: whose is it?")
        }
        (NoticeKind::AllClear, Source::Rule(rule)) => {
            format!("{measured}: no longer {}.", beyond(rule, limits, unit))
        }
        (NoticeKind::Summary, Source::Rule(rule)) => format!(
            "{late}{measured}, {}: the fourth such alert or later within seven days, single notices rest.",
            beyond(rule, limits, unit)
        ),
        (kind, Source::Rule(rule)) => {
            let again = match (kind, n.step) {
                (NoticeKind::Repeat, _) => " Still so.",
                (_, Some(2 | 3)) => " Nobody has acknowledged it yet.",
                _ => "",
            };
            let silence = if subject.unanswered { UNANSWERED } else { "" };
            format!("{late}{measured}, {}.{silence}{again}", beyond(rule, limits, unit))
        }
        (_, Source::Plausibility) => format!("{late}{measured}: doubtful, to be measured again."),
    }
}

/// What a rule watches, in plain words.
pub fn watched(rule: RuleId) -> &'static str {
    match rule {
        RuleId::G1 => "glucose very low",
        RuleId::G2 => "glucose low",
        RuleId::G3 => "glucose very high",
        RuleId::G4 => "glucose high twice",
        RuleId::G5 => "glucose low again and again",
        RuleId::P1 | RuleId::P3 => "blood pressure very high",
        RuleId::P2 => "blood pressure low",
        RuleId::H1 => "pulse too slow or too fast",
        RuleId::O1 => "oxygen saturation very low",
        RuleId::O2 => "oxygen saturation low",
        RuleId::W1 | RuleId::W2 => "weight up fast",
        RuleId::T1 => "temperature high",
    }
}

/// Puts into words what listed alerts and unclaimed readings are about: `reading` says what was
/// measured, `about` what the rule watches.
///
/// # Errors
/// What the database answered; a damaged reading is said to be one.
pub fn tell_listed(q: &impl Queries, rows: &mut [Json]) -> Result<(), StoreError> {
    for row in rows.iter_mut().filter_map(Json::as_object_mut) {
        if let Some(seq) = row.remove("observation_seq").as_ref().and_then(Json::as_i64) {
            let reading = match observation::get(q, seq) {
                Ok(stored) => stored.map(|stored| describe(&stored.observation)),
                Err(StoreError::Row { .. }) => Some("damaged on the disk".to_owned()),
                Err(error) => return Err(error),
            };
            row.insert("reading".to_owned(), reading.into());
        }
        let rule = row.get("rule").and_then(Json::as_str).and_then(RuleId::parse);
        if let Some(rule) = rule.filter(|_| row.contains_key("raised")) {
            row.insert("about".to_owned(), watched(rule).into());
        }
    }
    Ok(())
}

/// What was measured, as the device displayed it.
pub fn describe(o: &Observation) -> String {
    let what = name(o.reading.quantity);
    match o.reading.value {
        Ok(value) => format!("{what} {}", display(value, o.reading.unit)),
        Err(Absent::AboveRange) => format!("{what} HI (above the device's range)"),
        Err(Absent::BelowRange) => format!("{what} LO (below the device's range)"),
        Err(reason) => format!("{what} without a value ({})", reason.as_str().replace('_', " ")),
    }
}

const fn name(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Glucose => "Glucose",
        Quantity::ContinuousGlucose => "Sensor glucose",
        Quantity::BloodPressure => "Blood pressure",
        Quantity::PulseRate => "Pulse",
        Quantity::HeartRate => "Heart rate",
        Quantity::Saturation => "Oxygen saturation",
        Quantity::Temperature => "Temperature",
        Quantity::Weight => "Weight",
        Quantity::BodyFat => "Body fat",
    }
}

/// A value with its unit as people write it.
pub fn display(value: Value, unit: DisplayUnit) -> String {
    let number = |d: Option<Decimal>| d.map_or_else(|| "?".to_owned(), |d| d.to_string());
    let text = match value {
        Value::Glucose(v) => number(v.displayed(unit)),
        Value::BloodPressure { systolic, diastolic, .. } => {
            format!("{}/{}", number(systolic.displayed(unit)), number(diastolic.displayed(unit)))
        }
        Value::Rate(v) => number(v.displayed(unit)),
        Value::Saturation(v) => number(v.displayed(unit)),
        Value::Temperature(v) => number(v.displayed(unit)),
        Value::Mass(v) => number(v.displayed(unit)),
    };
    match unit {
        DisplayUnit::PerMinute => format!("{text}/min"),
        _ => format!("{text} {}", label(unit)),
    }
}

const fn label(unit: DisplayUnit) -> &'static str {
    match unit {
        DisplayUnit::MgPerDl => "mg/dL",
        DisplayUnit::MmolPerL => "mmol/L",
        DisplayUnit::MmHg => "mmHg",
        DisplayUnit::KPa => "kPa",
        DisplayUnit::PerMinute => "/min",
        DisplayUnit::Percent => "%",
        DisplayUnit::Celsius => "°C",
        DisplayUnit::Fahrenheit => "°F",
        DisplayUnit::Kilogram => "kg",
        DisplayUnit::Pound => "lb",
    }
}

/// The condition of a rule with the patient's own limit.
fn beyond(rule: RuleId, l: &Limits, unit: Option<DisplayUnit>) -> String {
    let glucose = |step: i32| glucose(step, unit);
    let above = |limit: Option<String>, word: &str| match limit {
        Some(limit) => format!("{word} {limit}"),
        None => format!("{word} the limit"),
    };
    match rule {
        RuleId::G1 => above(l.g1.map(|x| glucose(x.lo)), "below the limit of"),
        RuleId::G2 => above(l.g2.map(|x| glucose(x.lo)), "below the limit of"),
        RuleId::G3 => above(l.g3.map(|x| glucose(x.hi)), "above the limit of"),
        RuleId::G4 => above(l.g4.map(|x| glucose(x.hi)), "the second within a day above"),
        RuleId::G5 => {
            above(l.g5.map(|x| glucose(x.lo)), "the third episode within seven days below")
        }
        RuleId::P1 => {
            above(l.p1.map(|x| pressures(x.sys, x.dia, unit)), "above the limit (either number) of")
        }
        RuleId::P2 => above(l.p2.map(|x| pressure(x.sys, unit)), "systolic below"),
        RuleId::P3 => above(
            l.p3.map(|x| pressures(x.sys, x.dia, unit)),
            "at or above the limit (either number) of",
        ),
        RuleId::H1 => {
            above(l.h1.map(|x| format!("{} to {}/min", x.lo, x.hi)), "outside the limits of")
        }
        RuleId::O1 => above(l.o1.map(|x| format!("{} %", x.le)), "at or below the limit of"),
        RuleId::O2 => above(l.o2.map(|x| format!("{} %", x.le)), "at or below the limit of"),
        RuleId::W1 => above(l.w1.map(|x| mass(x.gain, unit)), "up within two days by at least"),
        RuleId::W2 => above(l.w2.map(|x| mass(x.gain, unit)), "up within a week by at least"),
        RuleId::T1 => above(l.t1.map(|x| temperature(x.ge, unit)), "at or above the limit of"),
    }
}

fn glucose(step: i32, unit: Option<DisplayUnit>) -> String {
    let unit = unit.unwrap_or(DisplayUnit::MgPerDl);
    Glucose::from_mg_per_dl(Decimal::new(step, 0))
        .map_or_else(|| step.to_string(), |v| display(Value::Glucose(v), unit))
}

fn pressure(step: i32, unit: Option<DisplayUnit>) -> String {
    let unit = unit.unwrap_or(DisplayUnit::MmHg);
    let shown = Pressure::from_mmhg(Decimal::new(step, 0)).and_then(|p| p.displayed(unit));
    shown.map_or_else(|| step.to_string(), |d| format!("{d} {}", label(unit)))
}

fn pressures(sys: i32, dia: i32, unit: Option<DisplayUnit>) -> String {
    let unit = unit.unwrap_or(DisplayUnit::MmHg);
    let of = |step: i32| Pressure::from_mmhg(Decimal::new(step, 0));
    match (of(sys), of(dia)) {
        (Some(systolic), Some(diastolic)) => {
            display(Value::BloodPressure { systolic, diastolic, mean: None }, unit)
        }
        _ => format!("{sys}/{dia}"),
    }
}

/// Gains are kept in steps of 10 g.
fn mass(step: i32, unit: Option<DisplayUnit>) -> String {
    let unit = unit.unwrap_or(DisplayUnit::Kilogram);
    Mass::from_kg(Decimal::new(step, -2))
        .map_or_else(|| step.to_string(), |v| display(Value::Mass(v), unit))
}

fn temperature(step: i32, unit: Option<DisplayUnit>) -> String {
    let unit = unit.unwrap_or(DisplayUnit::Celsius);
    Temperature::from_celsius(Decimal::new(step, -1))
        .map_or_else(|| step.to_string(), |v| display(Value::Temperature(v), unit))
}
