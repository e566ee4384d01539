//! What a replay is asked to do, and what it decides where nobody said.

use std::path::PathBuf;

use hearth_shared::observation::Quantity;

use crate::intake::LineFormat;

/// A replay as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Layout of all files; otherwise told by their content.
    pub format: Option<LineFormat>,
    /// Programme for everybody; otherwise by quantity.
    pub plan: Option<Plan>,
    /// When plans start.
    pub start: Start,
    /// IANA zone of wall-clock times and of local days; otherwise by layout.
    pub zone: Option<String>,
    /// NI-1 parameters that differ from the programme's.
    pub set: serde_json::Map<String, serde_json::Value>,
    /// Whether each message is wanted as a JSON line.
    pub messages: bool,
}

/// A programme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// One that comes with Hearth.
    Id(String),
    /// One in a file.
    File(PathBuf),
}

/// The first local day of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Days after the first local day with a record.
    After(u32),
    /// A local day number.
    Day(i32),
}

/// The first fourteen days are the baseline.
impl Default for Start {
    fn default() -> Self {
        Self::After(14)
    }
}

impl Start {
    /// `+14` or `2026-03-01`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || "expected a date such as 2026-03-01, or days after the first as +14".to_owned();
        if let Some(days) = text.strip_prefix('+') {
            return days.parse().ok().filter(|d| *d <= 3650).map(Self::After).ok_or_else(wrong);
        }
        let date: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
        Ok(Self::Day((date - jiff::civil::date(1970, 1, 1)).get_days()))
    }

    /// The day for a record whose first local day is `first`.
    pub fn day(self, first: i32) -> i32 {
        match self {
            Self::After(days) => first.saturating_add(i32::try_from(days).unwrap_or(i32::MAX)),
            Self::Day(day) => day,
        }
    }
}

/// `name=value` of `--set`; the value is a number, or JSON as in a programme file.
///
/// # Errors
/// What was expected.
pub fn parse_set(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected name=value, such as mid=20")?;
    let value: serde_json::Value = match serde_json::from_str(value) {
        Ok(value) => value,
        Err(_) => serde_json::Value::String(value.to_owned()),
    };
    let value = match (name, &value) {
        ("mid", serde_json::Value::Number(n)) => serde_json::json!({ "abs": n }),
        _ => value,
    };
    Ok((name.to_owned(), value))
}

/// The zone in which a layout's wall-clock times were most likely written.
pub const fn zone(format: LineFormat) -> &'static str {
    match format {
        // St. Louis; the diary and the sensors are from the United States as well.
        LineFormat::Aim94 => "America/Chicago",
        LineFormat::BpDiary | LineFormat::BpHypnos | LineFormat::Iglu => "America/New_York",
        LineFormat::FitbitWeight => "America/New_York",
        LineFormat::T1dUom => "Europe/London",
        LineFormat::Hearth => "UTC",
    }
}

/// The programme that suits a quantity; `None`: no plan watches it, alerts do.
pub const fn programme(quantity: Quantity) -> Option<&'static str> {
    match quantity {
        Quantity::Glucose => Some("fasting-glucose-6w"),
        Quantity::ContinuousGlucose => Some("cgm-time-in-range"),
        Quantity::BloodPressure => Some("home-blood-pressure-6w"),
        Quantity::Weight => Some("weight-loss-24w"),
        Quantity::PulseRate
        | Quantity::HeartRate
        | Quantity::Saturation
        | Quantity::Temperature
        | Quantity::BodyFat => None,
    }
}

/// The kind of device that measures a quantity, as the roster calls it.
pub const fn device_kind(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Glucose => "glucose_meter",
        Quantity::ContinuousGlucose => "continuous_glucose_monitor",
        Quantity::BloodPressure => "blood_pressure_cuff",
        Quantity::Weight | Quantity::BodyFat => "weight_scale",
        Quantity::Temperature => "thermometer",
        Quantity::PulseRate | Quantity::Saturation => "pulse_oximeter",
        Quantity::HeartRate => "heart_rate_monitor",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_start_is_a_date_or_days_after_the_first() {
        assert_eq!(Start::parse("+14"), Ok(Start::After(14)));
        assert_eq!(Start::parse("1970-01-11"), Ok(Start::Day(10)));
        assert!(Start::parse("+99999").is_err() && Start::parse("soon").is_err());
        assert_eq!((Start::After(14).day(100), Start::Day(7).day(100)), (114, 7));
    }

    #[test]
    fn a_parameter_is_a_number_or_json() {
        assert_eq!(parse_set("horizon=56"), Ok(("horizon".to_owned(), json!(56))));
        assert_eq!(parse_set("mid=20"), Ok(("mid".to_owned(), json!({"abs": 20}))));
        assert_eq!(parse_set("mid={\"bp\":1100}"), Ok(("mid".to_owned(), json!({"bp": 1100}))));
        assert_eq!(parse_set("ctx=fasting"), Ok(("ctx".to_owned(), json!("fasting"))));
        assert!(parse_set("horizon").is_err());
    }
}
