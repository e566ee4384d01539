//! Hearth's own layout for recorded readings.

use hearth_shared::observation::{
    Absent, DisplayUnit, Marks, MealContext, Quantity, Reading, Value,
};
use hearth_shared::units::{Decimal, Saturation, Temperature};

use super::{LineError, LineReading, Note, number, reading, time};

/// The header line; cells after `unit` may be left out from the end.
pub const HEADER: &str = "device,quantity,time,value,value2,unit,meal,flags,subject,note";

/// The layout, for `hearth replay --help`.
pub const HELP: &str = "\
Hearth's own CSV has this header (cells from `meal` on may be left out from the end):
  device,quantity,time,value,value2,unit,meal,flags,subject,note
  device    any name without a comma; the same record of one device is kept once
  quantity  glucose, continuous_glucose, blood_pressure, pulse_rate, heart_rate, saturation,
            temperature, weight, body_fat; or an event: medication_change, note
  time      2026-03-01T07:30:00Z, 2026-03-01T07:30:00+01:00, or local: 2026-03-01 07:30[:00];
            a date alone stands for 08:00 local
  value     a number; HI or LO beyond the device's range; empty or a reason (not_included,
            measurement_failed, lost_contact, test_data, not_a_number) where there is none
  value2    diastolic for blood_pressure, otherwise empty
  unit      mg/dL mmol/L, mmHg kPa, /min, %, C F, kg lb
  meal      fasting, preprandial, postprandial, casual, bedtime, or empty
  flags     any of invalid suspect preliminary clock_fault battery_low, divided by spaces
  subject   whose it is; absent: the file is one person's
  note      free text to the end of the line
Example:
  meter-1,glucose,2026-03-01 07:30,132,,mg/dL,fasting
  cuff-1,blood_pressure,2026-03-01 07:34,141,88,mmHg
  ,medication_change,2026-03-20,,,,,,,metformin 1000 mg";

const QUANTITIES: &str = "glucose, continuous_glucose, blood_pressure, pulse_rate, heart_rate, \
     saturation, temperature, weight, body_fat, medication_change or note";
const UNITS: &str = "mg/dL, mmol/L, mmHg, kPa, /min, %, C, F, kg or lb";
const MEALS: &str = "fasting, preprandial, postprandial, casual, bedtime or empty";
const FLAGS: &str = "invalid, suspect, preliminary, clock_fault, battery_low";

pub(super) fn decode(text: &str) -> Result<LineReading, LineError> {
    let mut found = [""; 10];
    let mut count = 0;
    for (place, cell) in found.iter_mut().zip(text.splitn(10, ',')) {
        *place = cell.trim();
        count += 1;
    }
    let [device, quantity, at, value, value2, unit, meal, flags, subject, note] = found;
    let event = matches!(quantity, "medication_change" | "note");
    let needed = if event { 3 } else { 6 };
    if count < needed {
        return Err(LineError::Cells { found: count, needed });
    }
    let mut line = LineReading::at(time::iso(at)?);
    line.device = (!device.is_empty()).then(|| device.to_owned());
    line.subject = (!subject.is_empty()).then(|| subject.to_owned());
    match quantity {
        "medication_change" => line.notes.push(Note::MedicationChange(note.to_owned())),
        "note" => line.notes.push(Note::Text(note.to_owned())),
        _ => {
            let mut measured = measured(quantity_of(quantity)?, [value, value2], unit)?;
            measured.meal = meal_of(meal)?;
            measured.marks = marks_of(flags)?;
            line.readings.push(measured);
            if !note.is_empty() {
                line.notes.push(Note::Text(note.to_owned()));
            }
        }
    }
    Ok(line)
}

fn quantity_of(text: &str) -> Result<Quantity, LineError> {
    let word = |q: &Quantity| q.as_str() == text;
    Quantity::ALL.iter().copied().find(word).ok_or_else(|| LineError::Word {
        name: "quantity",
        text: text.to_owned(),
        known: QUANTITIES,
    })
}

fn unit_of(text: &str) -> Result<DisplayUnit, LineError> {
    Ok(match text {
        "mmHg" => DisplayUnit::MmHg,
        "C" | "°C" => DisplayUnit::Celsius,
        "F" | "°F" => DisplayUnit::Fahrenheit,
        "lb" => DisplayUnit::Pound,
        "bpm" => DisplayUnit::PerMinute,
        _ => DisplayUnit::ALL
            .into_iter()
            .find(|u| u.ucum() == text)
            .ok_or_else(|| LineError::Word { name: "unit", text: text.to_owned(), known: UNITS })?,
    })
}

fn meal_of(text: &str) -> Result<Option<MealContext>, LineError> {
    if text.is_empty() {
        return Ok(None);
    }
    let found = MealContext::ALL.into_iter().find(|m| m.as_str() == text);
    found.map(Some).ok_or_else(|| LineError::Word {
        name: "meal",
        text: text.to_owned(),
        known: MEALS,
    })
}

fn marks_of(text: &str) -> Result<Marks, LineError> {
    let mut marks = Marks::default();
    for word in text.split_whitespace() {
        match word {
            "invalid" => marks.invalid = true,
            "suspect" => marks.suspect = true,
            "preliminary" => marks.preliminary = true,
            "clock_fault" => marks.clock_fault = true,
            "battery_low" => marks.battery_low = true,
            _ => {
                let text = word.to_owned();
                return Err(LineError::Word { name: "flags", text, known: FLAGS });
            }
        }
    }
    Ok(marks)
}

fn measured(quantity: Quantity, value: [&str; 2], unit: &str) -> Result<Reading, LineError> {
    let unit = unit_of(unit)?;
    let fits = match quantity {
        Quantity::Glucose | Quantity::ContinuousGlucose => {
            matches!(unit, DisplayUnit::MgPerDl | DisplayUnit::MmolPerL)
        }
        Quantity::BloodPressure => matches!(unit, DisplayUnit::MmHg | DisplayUnit::KPa),
        Quantity::PulseRate | Quantity::HeartRate => unit == DisplayUnit::PerMinute,
        Quantity::Saturation | Quantity::BodyFat => unit == DisplayUnit::Percent,
        Quantity::Temperature => matches!(unit, DisplayUnit::Celsius | DisplayUnit::Fahrenheit),
        Quantity::Weight => matches!(unit, DisplayUnit::Kilogram | DisplayUnit::Pound),
    };
    if !fits {
        return Err(LineError::Unit { quantity: quantity.as_str(), unit: unit.ucum() });
    }
    let [first, second] = value;
    let value = match absent(first) {
        Some(why) => Err(why),
        None => Ok(number_of(quantity, first, second, unit)?),
    };
    Ok(reading(quantity, value, unit))
}

fn absent(text: &str) -> Option<Absent> {
    if text.is_empty() {
        return Some(Absent::NotIncluded);
    }
    let word = Absent::ALL.into_iter().find(|a| a.as_str() == text);
    word.or_else(|| number::saturated(text))
}

fn number_of(
    quantity: Quantity,
    text: &str,
    diastolic: &str,
    unit: DisplayUnit,
) -> Result<Value, LineError> {
    match (quantity, unit) {
        (Quantity::BloodPressure, DisplayUnit::KPa) => Ok(Value::BloodPressure {
            systolic: number::kpa("systolic", text)?,
            diastolic: number::kpa("diastolic", diastolic)?,
            mean: None,
        }),
        (Quantity::BloodPressure, _) => Ok(Value::BloodPressure {
            systolic: number::mmhg("systolic", text)?,
            diastolic: number::mmhg("diastolic", diastolic)?,
            mean: None,
        }),
        (_, DisplayUnit::MmolPerL) => number::mmol_per_l(text),
        (_, DisplayUnit::PerMinute) => number::per_minute(text),
        (_, DisplayUnit::Percent) => percent("share", text),
        (_, DisplayUnit::Celsius | DisplayUnit::Fahrenheit) => temperature(text, unit),
        (_, DisplayUnit::Kilogram) => number::kg(text),
        (_, DisplayUnit::Pound) => number::lb(text),
        _ => number::mg_per_dl(text),
    }
}

/// A share in percent with up to one place.
pub(super) fn percent(name: &'static str, text: &str) -> Result<Value, LineError> {
    let value: Decimal = number::decimal(name, text, 1)?.trimmed();
    Saturation::from_percent(value).map(Value::Saturation).ok_or_else(|| number::range(name, text))
}

fn temperature(text: &str, unit: DisplayUnit) -> Result<Value, LineError> {
    let value = number::decimal("temperature", text, 2)?.trimmed();
    let found = match unit {
        DisplayUnit::Fahrenheit => Temperature::from_fahrenheit(value),
        _ => Temperature::from_celsius(value),
    };
    found.map(Value::Temperature).ok_or_else(|| number::range("temperature", text))
}
