//! What Hearth would record of a measurement, and whether it believes it.

use std::fmt::Write as _;

use hearth_shared::assess::plausibility::{Plausibility, judge};
use hearth_shared::gatt::{self, Measurement};
use hearth_shared::observation::{DisplayUnit, Marks, Reading, Value};
use hearth_shared::units::Decimal;

/// One line per reading, with a heading; nothing where a measurement gives no reading.
pub(crate) fn report(measurement: &Measurement<'_>) -> String {
    let readings = gatt::readings(measurement);
    if readings.is_empty() {
        return String::new();
    }
    readings.iter().fold("recorded as\n".to_owned(), |mut text, reading| {
        // Writing to a string cannot fail.
        let _ = match reading {
            Ok(reading) => writeln!(text, "  {}", line(reading)),
            Err(refused) => {
                writeln!(
                    text,
                    "  {}: quarantined, {} {} is out of all bounds",
                    refused.quantity.as_str(),
                    refused.field.as_str(),
                    refused.found
                )
            }
        };
        text
    })
}

fn line(reading: &Reading) -> String {
    let (quantity, marks) = (reading.quantity.as_str(), marks(reading.marks));
    match &reading.value {
        Ok(value) => {
            let judged = match judge(reading.quantity, value) {
                Plausibility::Accepted => "plausible",
                Plausibility::DangerousSide => "implausible, on the dangerous side",
                Plausibility::HarmlessSide => "implausible, on the harmless side",
                Plausibility::Impossible => "impossible, so quarantined",
            };
            format!("{quantity}: {}, {judged}{marks}", shown(value, reading.unit))
        }
        Err(absent) => format!("{quantity}: no value ({}){marks}", absent.as_str()),
    }
}

/// A value as the device showed it, with its UCUM unit.
fn shown(value: &Value, unit: DisplayUnit) -> String {
    let text = |decimal: Option<Decimal>| decimal.map_or_else(String::new, |d| d.to_string());
    let digits = match value {
        Value::Glucose(v) => text(v.displayed(unit)),
        Value::BloodPressure { systolic, diastolic, .. } => {
            format!("{}/{}", text(systolic.displayed(unit)), text(diastolic.displayed(unit)))
        }
        Value::Rate(v) => text(v.displayed(unit)),
        Value::Saturation(v) => text(v.displayed(unit)),
        Value::Temperature(v) => text(v.displayed(unit)),
        Value::Mass(v) => text(v.displayed(unit)),
    };
    format!("{digits} {}", unit.ucum())
}

fn marks(marks: Marks) -> String {
    let words = [
        (marks.invalid, "invalid"),
        (marks.suspect, "suspect"),
        (marks.preliminary, "preliminary"),
        (marks.clock_fault, "clock fault"),
        (marks.battery_low, "battery low"),
    ];
    let set: Vec<&str> = words.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
    if set.is_empty() { String::new() } else { format!(", marked {}", set.join(", ")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use hearth_shared::gatt::{Characteristic, Context, decode};

    use super::report;

    fn check(characteristic: Characteristic, octets: &[u8], expected: &str) {
        let measurement = decode(characteristic, octets, Context::default()).unwrap();
        assert_eq!(report(&measurement), expected);
    }

    #[test]
    fn what_would_be_recorded_is_said_with_a_judgement() {
        use Characteristic as C;
        check(
            C::BloodPressureMeasurement,
            &[0x14, 0x78, 0, 0x50, 0, 0x61, 0, 0x48, 0, 1, 0],
            "recorded as\n  blood_pressure: 120/80 mm[Hg], plausible, marked suspect\n  \
             pulse_rate: 72 /min, plausible, marked suspect\n",
        );
        check(
            C::BloodPressureMeasurement,
            &[5, 0x79, 0, 0x51, 0, 0x6A, 0, 0x00, 0x3F],
            "recorded as\n  blood_pressure: 121.0/81.0 kPa, impossible, so quarantined\n  \
             pulse_rate: quarantined, pulse_rate -256000 is out of all bounds\n",
        );
        check(
            C::WeightMeasurement,
            &[0, 255, 255],
            "recorded as\n  weight: no value (measurement_failed)\n",
        );
        check(
            C::WeightMeasurement,
            &[1, 0x54, 0x3D],
            "recorded as\n  weight: 157.00 [lb_av], plausible\n",
        );
        check(C::BatteryLevel, &[15], "");
    }
}
