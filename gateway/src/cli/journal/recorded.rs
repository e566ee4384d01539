//! The readings in Hearth's own layout of recorded files, so that a rule can be tried on them
//! before it is switched on: `hearth journal export --csv`, then `hearth replay`.

use std::io::Write;

use hearth_shared::observation::{DisplayUnit, Value};

use super::{Exports, JournalError, Selection};
use crate::intake::message;
use crate::outreach::local;
use crate::replay::line::HEARTH_HEADER as HEADER;
use crate::store::audit::{self, Exported};
use crate::store::{Reader, StoreError, journal, plan};

/// Writes the readings that have an owner, oldest first by arrival, then the medication changes of
/// their plans. Values stand as the device displayed them.
///
/// # Errors
/// See [`JournalError`].
pub fn export_csv(
    reader: &Reader,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<Exports, JournalError> {
    let mut exports = Exports::default();
    writeln!(out, "{HEADER}")?;
    journal::scan::<JournalError>(reader, selection.after, |row| {
        let stored = match row {
            Ok(stored) => stored,
            Err(StoreError::Row { .. }) => {
                exports.damaged += 1;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let device = stored.arrival.as_ref().map(|arrival| arrival.device.as_str());
        if selection.device.is_some() && selection.device.as_deref() != device {
            return Ok(());
        }
        for exported in audit::observations_of(reader, stored.seq)? {
            if selection.patient.is_some() && exported.patient != selection.patient {
                continue;
            }
            exports.damaged += u64::from(exported.stored.is_err());
            if let Some(line) = line(&exported) {
                exports.lines += 1;
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    })?;
    exports.lines += changes(reader, selection.patient.as_deref(), out)?;
    out.flush()?;
    Ok(exports)
}

/// One reading; `None` where it has no owner or its row is damaged.
fn line(exported: &Exported) -> Option<String> {
    let patient = exported.patient.as_deref()?;
    let o = &exported.stored.as_ref().ok()?.observation;
    let [value, value2] = match o.reading.value {
        Ok(value) => displayed(value, o.reading.unit)?,
        Err(reason) => [reason.as_str().to_owned(), String::new()],
    };
    Some(
        [
            word(&o.device).as_str(),
            o.reading.quantity.as_str(),
            &message::local_time(o.measured, o.offset.minutes()),
            &value,
            &value2,
            o.reading.unit.ucum(),
            exported.meal.map_or("", |meal| meal.as_str()),
            &message::marks(o.reading.marks).join(" "),
            &word(patient),
        ]
        .join(","),
    )
}

fn displayed(value: Value, unit: DisplayUnit) -> Option<[String; 2]> {
    let first = match value {
        Value::Glucose(v) => v.displayed(unit),
        Value::BloodPressure { systolic, .. } => systolic.displayed(unit),
        Value::Rate(v) => v.displayed(unit),
        Value::Saturation(v) => v.displayed(unit),
        Value::Temperature(v) => v.displayed(unit),
        Value::Mass(v) => v.displayed(unit),
    };
    let second = match value {
        Value::BloodPressure { diastolic, .. } => diastolic.displayed(unit)?.to_string(),
        _ => String::new(),
    };
    Some([first?.to_string(), second])
}

/// The medication changes of all plans, each day of a patient once.
fn changes(
    reader: &Reader,
    patient: Option<&str>,
    out: &mut dyn Write,
) -> Result<u64, JournalError> {
    let mut lines = std::collections::BTreeSet::new();
    for plan in plan::list(reader, patient)? {
        for event in plan::events(reader, &plan.id)? {
            let note = event.note.as_deref().unwrap_or_default().replace(char::is_control, " ");
            let (day, patient) = (local::date_of(event.day), word(&plan.patient));
            lines.insert(format!(",medication_change,{day},,,,,,{patient},{note}"));
        }
    }
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    Ok(lines.len() as u64)
}

/// A name without what would end its cell.
fn word(name: &str) -> String {
    name.replace(|c: char| c == ',' || c.is_control(), "_")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::clock::{BootId, Now};
    use crate::control::Command;
    use crate::control::execute::Origin;
    use crate::intake::{Arrival, LineFormat, LinkSecurity, Payload};
    use crate::path::{Path, PathSettings};
    use crate::programme::Library;
    use crate::store::{Store, StoreOptions};

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
        "d1,glucose,2026-03-01T09:30:00+01:00,above_range,,mg/dL,,,p1",
        "d1,blood_pressure,2026-03-01T10:30:00+01:00,141,88,mm[Hg],,,p1",
        "d1,blood_pressure,2026-03-01T10:40:00+01:00,18.8,11.7,kPa,,invalid,p1",
        "d1,weight,2026-03-01T10:50:00+01:00,176.40,,[lb_av],,,p1",
        "d1,temperature,2026-03-01T11:00:00+01:00,98.6,,[degF],,,p1",
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
        let unclaimed = "nobodys,weight,2026-03-01T10:50:00+01:00,80.0,,kg";
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
        let met = export_csv(&reader, &Selection::default(), &mut out).unwrap();
        assert_eq!(met, Exports { lines: READINGS.len() as u64 + 1, damaged: 0 });
        let text = String::from_utf8(out).unwrap();
        let change = ",medication_change,2026-03-01,,,,,,p1,metformin, twice";
        let expected: Vec<&str> = [HEADER].into_iter().chain(READINGS).chain([change]).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);

        let nobody = Selection { patient: Some("p2".to_owned()), ..Selection::default() };
        let met = export_csv(&reader, &nobody, &mut Vec::new()).unwrap();
        assert_eq!(met, Exports::default());
    }
}
