//! An exported row as a line of Hearth's own CSV (`hearth replay --help` documents it).

use serde_json::Value;

pub(super) use crate::replay::line::HEARTH_HEADER as HEADER;

/// The line of a reading; `None` for a row that is no reading, is damaged, or whose owner is not known.
pub(super) fn line(row: &Value) -> Option<String> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    if text("state") != Some("observed") {
        return None;
    }
    let (device, quantity, measured) = (text("device")?, text("quantity")?, text("measured")?);
    let number = |name: &str| row.get(name).and_then(Value::as_number).map(ToString::to_string);
    let value = number("value").or_else(|| text("absent").map(absent)).unwrap_or_default();
    let unit = match text("unit")? {
        "mm[Hg]" => "mmHg",
        "Cel" => "C",
        "[degF]" => "F",
        "[lb_av]" => "lb",
        unit => unit,
    };
    let mut flags: Vec<&str> = row
        .get("marks")
        .and_then(Value::as_array)
        .map(|marks| marks.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    // Its time was not believed when it was taken in; nobody should believe it later.
    if matches!(text("clock"), Some("suspect" | "gateway_unset")) && !flags.contains(&"clock_fault")
    {
        flags.push("clock_fault");
    }
    Some(
        [
            device,
            quantity,
            measured,
            &value,
            &number("diastolic").unwrap_or_default(),
            unit,
            text("meal").unwrap_or_default(),
            &flags.join(" "),
            text("patient")?,
        ]
        .map(cell)
        .join(","),
    )
}

/// Why there is no value, in the words of the layout.
fn absent(word: &str) -> String {
    match word {
        "above_range" => "HI",
        "below_range" => "LO",
        "not_included" | "measurement_failed" | "lost_contact" | "test_data" | "not_a_number" => {
            word
        }
        _ => "",
    }
    .to_owned()
}

/// The layout knows no quotes: what would end a cell is left out.
fn cell(text: &str) -> String {
    text.chars().filter(|c| *c != ',' && !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reading_is_a_line_of_the_layout_and_nothing_else_is() {
        let mut row = json!({
            "state": "observed", "device": "cuff-1", "quantity": "blood_pressure", "value": 141,
            "diastolic": 88, "unit": "mm[Hg]", "measured": "2026-03-01T07:34:00+01:00",
            "clock": "synchronised", "marks": ["suspect"], "patient": "p1",
        });
        let expected = "cuff-1,blood_pressure,2026-03-01T07:34:00+01:00,141,88,mmHg,,suspect,p1";
        assert_eq!(line(&row).unwrap(), expected);
        row["clock"] = json!("suspect");
        assert!(line(&row).unwrap().ends_with(",suspect clock_fault,p1"));
        row["value"] = Value::Null;
        row["absent"] = json!("above_range");
        assert!(line(&row).unwrap().contains(",HI,88,"));
        for state in ["damaged", "unclaimed", "quarantined", "done"] {
            row["state"] = json!(state);
            assert_eq!(line(&row), None);
        }
    }
}
