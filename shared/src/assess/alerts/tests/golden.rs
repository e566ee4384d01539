//! The worked examples of the specification.

use super::*;
use serde_json::Value as Json;

const VECTORS: &str = include_str!("../../../../tests/vectors/alerts.txt");

/// Plan and limits of one row, `None` where the limits are refused.
fn patient(text: &str) -> Option<Patient> {
    let mut patient = Patient::default();
    if text == "-" {
        return Some(patient);
    }
    let case: Json = serde_json::from_str(&format!("{{{}}}", text.trim_matches('`'))).unwrap();
    for (name, value) in case.get("plan").and_then(Json::as_object).into_iter().flatten() {
        match name.as_str() {
            "quiet" => {
                let ends: Vec<u16> = serde_json::from_value(value.clone()).unwrap();
                patient.quiet = QuietHours::new(ends[0], ends[1]);
            }
            "shared" => patient.shared = value.as_bool().unwrap(),
            "tz" => patient.settings.tz = value.as_i64().unwrap().try_into().unwrap(),
            "others" => patient.others = serde_json::from_value(value.clone()).unwrap(),
            other => panic!("{other}"),
        }
    }
    if let Some(limits) = case.get("limits") {
        patient.limits = serde_json::from_value(limits.clone()).unwrap();
    }
    patient.limits.validate().is_ok().then_some(patient)
}

#[test]
fn the_worked_examples_come_out_as_printed() {
    let rows: Vec<&str> = VECTORS.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rows.len(), 35);
    let mut wrong = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [number, trap, case, input, transitions, notifications] = cells[..] else {
            panic!("{row}")
        };
        let shown = match patient(case) {
            Some(patient) => show(&patient.run(&events(input))),
            None => ("error limits".into(), "-".into()),
        };
        let printed = (String::from(transitions), String::from(notifications));
        if shown != printed {
            wrong.push(format!("{number} {trap}\n  shown   {shown:?}\n  printed {printed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows differ\n{}", wrong.len(), wrong.join("\n"));
}
