//! An exported row as a line of Hearth's own CSV (`hearth replay --help` documents it).

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::Value;

use super::JournalError;
use crate::outreach::local;
pub(super) use crate::replay::line::HEARTH_HEADER as HEADER;
use crate::store::{Reader, plan};

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

/// The medication changes of all plans, each day of a patient once, as events of the
/// layout. Returns how many.
///
/// # Errors
/// See [`JournalError`].
pub(super) fn changes(
    reader: &Reader,
    patient: Option<&str>,
    out: &mut dyn Write,
) -> Result<u64, JournalError> {
    let mut lines = BTreeSet::new();
    for plan in plan::list(reader, patient)? {
        for event in plan::events(reader, &plan.id)? {
            let note = event.note.as_deref().unwrap_or_default().replace(char::is_control, " ");
            let (day, patient) = (local::date_of(event.day), cell(&plan.patient));
            lines.insert(format!(",medication_change,{day},,,,,,{patient},{note}"));
        }
    }
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    Ok(lines.len() as u64)
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
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;
    use crate::cli::journal::{Exports, Form, Selection, export};
    use crate::clock::{BootId, Now};
    use crate::control::Command;
    use crate::control::execute::Origin;
    use crate::intake::{Arrival, LineFormat, LinkSecurity, Payload};
    use crate::path::{Path, PathSettings};
    use crate::programme::Library;
    use crate::store::{Store, StoreOptions};

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

    const COMMANDS: [&str; 7] = [
        r#"{"id":"1","verb":"patient_add","with":{"id":"p1","zone":"Europe/Madrid","monitoring":true}}"#,
        r#"{"id":"2","verb":"device_add","with":{"id":"d1","kind":"glucose_meter"}}"#,
        r#"{"id":"3","verb":"device_add","with":{"id":"nobodys","kind":"weight_scale"}}"#,
        r#"{"id":"4","verb":"device_assign","with":{"id":"d1","patient":"p1"}}"#,
        r#"{"id":"5","verb":"plan_assign","with":{"id":"a","patient":"p1","programme":"fasting-glucose-6w"}}"#,
        r#"{"id":"6","verb":"plan_assign","with":{"id":"b","patient":"p1","programme":"weight-loss-24w"}}"#,
        r#"{"id":"7","verb":"plan_event","with":{"id":"a","day":"2026-03-01","event":"medication_change","note":"metformin, twice"}}"#,
    ];

    /// What is exported is what was taken in, to the digit and the octet.
    const READINGS: [&str; 8] = [
        "d1,glucose,2026-03-01T07:30:00+01:00,132,,mg/dL,fasting,,p1",
        "d1,glucose,2026-03-01T08:30:00+01:00,7.3,,mmol/L,postprandial,suspect battery_low,p1",
        "d1,glucose,2026-03-01T09:30:00+01:00,HI,,mg/dL,,,p1",
        "d1,blood_pressure,2026-03-01T10:30:00+01:00,141,88,mmHg,,,p1",
        "d1,blood_pressure,2026-03-01T10:40:00+01:00,18.8,11.7,kPa,,invalid,p1",
        "d1,weight,2026-03-01T10:50:00+01:00,176.4,,lb,,,p1",
        "d1,temperature,2026-03-01T11:00:00+01:00,98.6,,F,,,p1",
        "d1,saturation,2026-03-01T11:10:00+01:00,97,,%,,,p1",
    ];

    #[test]
    fn exported_readings_are_what_replay_takes_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hearth.db");
        let store = Store::open(&StoreOptions::at(&file)).unwrap();
        let settings =
            PathSettings::new("g1", TimeZone::UTC).with_programmes(Arc::new(Library::built_in()));
        let mut path = Path::open(store, settings).unwrap();
        let now = |text: &str| Now {
            wall: local::parse_moment(text).unwrap(),
            monotonic_ms: 0,
            boot: BootId([0; 16]),
            trusted: true,
        };
        for command in COMMANDS {
            let command = Command::parse(command.as_bytes()).unwrap();
            let done = path.execute(&command, Origin::Socket, now("2026-03-01T05:00:00Z")).unwrap();
            assert!(done.done, "{done:?}");
        }
        let unclaimed = "nobodys,weight,2026-03-01T10:50:00+01:00,80,,kg";
        for (position, line) in (0..).zip(READINGS.iter().chain([&unclaimed])) {
            let device = line.split(',').next().unwrap();
            let arrival = Arrival {
                device: device.to_owned(),
                payload: Payload::Line {
                    format: LineFormat::Hearth,
                    octets: line.as_bytes().to_vec(),
                },
                received: now("2026-03-01T12:00:00Z"),
                connection: 1,
                position,
                clock_offset_s: None,
                link: LinkSecurity::default(),
            };
            path.take(&[arrival]).unwrap();
        }
        let reader = Reader::open(&file).unwrap();
        let mut out = Vec::new();
        let met = export(&reader, &Selection::default(), Form::Csv, &mut out).unwrap();
        assert_eq!(met, Exports { lines: READINGS.len() as u64 + 1, damaged: 0 });
        let text = String::from_utf8(out).unwrap();
        let change = ",medication_change,2026-03-01,,,,,,p1,metformin, twice";
        let expected: Vec<&str> = [HEADER].into_iter().chain(READINGS).chain([change]).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);

        let nobody = Selection { patient: Some("p2".to_owned()), ..Selection::default() };
        let met = export(&reader, &nobody, Form::Csv, &mut Vec::new()).unwrap();
        assert_eq!(met, Exports::default());
    }
}
