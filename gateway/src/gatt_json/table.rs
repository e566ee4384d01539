//! A measurement as aligned lines for people: field, value, unit.

use std::fmt::Write as _;

use hearth_shared::units::Decimal;

use super::tree::Json;

/// Every field on a line of its own, values and units aligned under each other.
pub fn table(json: &Json) -> String {
    let mut rows = Vec::new();
    push_rows(&mut rows, String::new(), json);
    let name_width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<name_width$}  {value}");
        text
    })
}

/// The rows of `json` under `name`; an object that is one value to a person is one row.
fn push_rows(rows: &mut Vec<(String, String)>, name: String, json: &Json) {
    if let Some(value) = one_value(json) {
        let name = if name.is_empty() { "value".to_owned() } else { name };
        rows.push((name, value));
        return;
    }
    match json {
        Json::Object(fields) => {
            for (field, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                push_rows(rows, format!("{name}{dot}{field}"), value);
            }
        }
        Json::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                push_rows(rows, format!("{name}[{n}]"), item);
            }
        }
        _ => {}
    }
}

/// What a person reads as one value; `None` for a structure.
fn one_value(json: &Json) -> Option<String> {
    match json {
        Json::Null => Some("unknown".to_owned()),
        Json::Bool(true) => Some("yes".to_owned()),
        Json::Bool(false) => Some("no".to_owned()),
        Json::Number(digits) => Some(digits.clone()),
        Json::Text(text) if text.is_empty() => Some("(empty)".to_owned()),
        Json::Text(text) => Some(text.clone().into_owned()),
        Json::Array(items)
            if items.iter().all(|i| matches!(i, Json::Number(_) | Json::Text(_))) =>
        {
            let words: Vec<String> = items.iter().filter_map(one_value).collect();
            Some(if words.is_empty() { "none".to_owned() } else { words.join(", ") })
        }
        Json::Array(_) => None,
        Json::Object(_) => quantity(json).or_else(|| named(json)).or_else(|| moment(json)),
    }
}

fn text<'a>(json: &'a Json, name: &str) -> Option<&'a str> {
    match json.get(name)? {
        Json::Text(text) => Some(text),
        Json::Number(digits) => Some(digits),
        _ => None,
    }
}

/// A number with its unit, with the digits that the device sent, and what it showed.
fn quantity(json: &Json) -> Option<String> {
    json.get("value")?;
    let unit = text(json, "unit").unwrap_or("");
    let parsed = |name| text(json, name).and_then(|digits| digits.parse().ok());
    let digits = match (parsed("mantissa"), text(json, "exponent").and_then(|e| e.parse().ok())) {
        (Some(mantissa), Some(exponent)) => Decimal::new(mantissa, exponent).to_string(),
        _ => match (text(json, "value"), text(json, "special")) {
            (Some(value), _) => value.to_owned(),
            (None, Some(special)) => format!("no number ({special})"),
            (None, None) => return None,
        },
    };
    let shown = [("mg_per_dL", "mg/dL"), ("mmol_per_L", "mmol/L"), ("celsius", "Cel")];
    let shown = shown
        .iter()
        .find_map(|(name, unit)| text(json, name).map(|value| format!("  = {value} {unit}")));
    Some(format!("{digits} {unit}{}", shown.unwrap_or_default()).trim_end().to_owned())
}

/// A code or a set of bits with its name, or a user slot.
fn named(json: &Json) -> Option<String> {
    let raw = text(json, "raw")?;
    if let Some(name) = text(json, "name") {
        return Some(format!("{name} ({raw})"));
    }
    if let Some(unknown) = json.get("unknown") {
        let minutes = text(json, "minutes").map(|m| format!("{m} min (raw {raw})"));
        return Some(match (unknown, minutes) {
            (Json::Bool(true), _) => format!("unknown ({raw})"),
            (_, Some(minutes)) => minutes,
            (_, None) => raw.to_owned(),
        });
    }
    let bits = one_value(json.get("flags")?)?;
    let range = text(json, "pulse_rate_range").map(|r| format!("; pulse rate range: {r}"));
    let reserved = text(json, "rfu").filter(|rfu| *rfu != "0");
    let reserved = reserved.map(|rfu| format!("; reserved bits: {rfu}"));
    Some(format!("{bits} (raw {raw}){}{}", range.unwrap_or_default(), reserved.unwrap_or_default()))
}

/// A date and time, question marks where a part is unknown.
fn moment(json: &Json) -> Option<String> {
    if let (Some(seconds), Some(epoch)) = (text(json, "seconds"), text(json, "epoch")) {
        let clock = text(json, "iso").unwrap_or("unknown").replacen('T', " ", 1);
        return Some(format!("{clock} ({seconds} s since {epoch})"));
    }
    json.get("iso")?;
    if let Some(iso) = text(json, "iso") {
        return Some(iso.replacen('T', " ", 1));
    }
    let part = |name, width: usize| match text(json, name) {
        Some(digits) => format!("{digits:0>width$}"),
        None => "?".repeat(width),
    };
    let date = format!("{}-{}-{}", part("year", 4), part("month", 2), part("day", 2));
    let time = format!("{}:{}:{}", part("hour", 2), part("minute", 2), part("second", 2));
    Some(format!("{date} {time} (date incomplete)"))
}

#[cfg(test)]
mod tests {
    use hearth_shared::gatt::{Characteristic, Context, decode};

    use super::super::render;
    use super::*;

    fn shown(characteristic: Characteristic, octets: &[u8]) -> String {
        decode(characteristic, octets, Context::default())
            .map(|m| table(&render(&m)))
            .unwrap_or_default()
    }

    #[test]
    fn a_cuff_reads_as_aligned_lines() {
        let octets = [
            0x1E, 0x8A, 0, 0x58, 0, 0xFF, 0x07, 0, 0, 4, 17, 20, 41, 59, 0x3C, 0, 0xFF, 0x27, 0x80,
        ];
        assert_eq!(
            shown(Characteristic::BloodPressureMeasurement, &octets),
            "  flags                   30\n\
             \x20 unit                    mmHg\n\
             \x20 systolic                138 mmHg\n\
             \x20 diastolic               88 mmHg\n\
             \x20 mean_arterial_pressure  no number (NaN) mmHg\n\
             \x20 timestamp               ????-04-17 20:41:59 (date incomplete)\n\
             \x20 pulse_rate              60 /min\n\
             \x20 user_id                 unknown (255)\n\
             \x20 measurement_status      body_movement, cuff_too_loose, irregular_pulse, \
             improper_position (raw 32807); pulse rate range: within; reserved bits: 32768\n"
        );
    }

    #[test]
    fn a_temperature_keeps_the_digits_that_were_sent_and_says_celsius() {
        let octets = [0x01, 0x38, 0x27, 0x00, 0xFE];
        let text = shown(Characteristic::TemperatureMeasurement, &octets);
        assert!(text.contains("100.40 degF  = 38 Cel"), "{text}");
    }

    #[test]
    fn records_and_bare_numbers_have_names() {
        let text = shown(Characteristic::CgmMeasurement, &[6, 0, 120, 0, 30, 0]);
        assert!(text.contains("records[0].concentration"), "{text}");
        assert_eq!(shown(Characteristic::Sfloat, &[0xC8, 0xE0]), "  value  2.00\n");
        let text = shown(Characteristic::TimeZone, &[0x16]);
        assert_eq!(text, "  value  330 min (raw 22)\n");
    }
}
