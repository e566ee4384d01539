//! AIM-94 diabetes logs (AAAI Spring Symposium 1994; UCI data set 34 "Diabetes").
//!
//! Four cells separated by a tab:
//!
//! | cell | form | example |
//! |---|---|---|
//! | date | MM-DD-YYYY | `04-21-1991` |
//! | time | H:MM, wall clock | `9:09` |
//! | code | see [`decode`] | `58` |
//! | value | mg/dL, or units of insulin | `100` |
//!
//! Where a meter's record was broken over two lines, the first carries code 0 and no value and
//! the second `⇥value⇥33⇥code`, its code in hexadecimal: 3A, 21, 22 stand for 58, 33, 34. All
//! records of this kind in the set come in such threes with a plausible glucose and two doses.

use hearth_shared::observation::{Absent, DisplayUnit, MealContext, Quantity, Reading};

use super::{LineError, LineReading, Note, cells, number, reading, time, with_meal};

/// Reads one record; one that was broken over two lines carries the line end in its middle.
pub(super) fn decode(text: &str) -> Result<LineReading, LineError> {
    if let Some((head, tail)) = text.split_once('\n') {
        return broken(head.trim_end_matches('\r'), tail);
    }
    let [date, clock, code, value] = cells::<4>(text, '\t')?;
    let code =
        code.parse().map_err(|_| LineError::Number { name: "code", text: code.to_owned() })?;
    record(date, clock, code, value)
}

fn broken(head: &str, tail: &str) -> Result<LineReading, LineError> {
    let [date, clock, _, _] = cells::<4>(head, '\t')?;
    let [_, value, _, code] = cells::<4>(tail, '\t')?;
    let code = u16::from_str_radix(code, 16)
        .map_err(|_| LineError::Number { name: "code", text: code.to_owned() })?;
    Ok(LineReading { repaired: true, ..record(date, clock, code, value)? })
}

fn record(date: &str, clock: &str, code: u16, value: &str) -> Result<LineReading, LineError> {
    let mut line = LineReading::at(time::month_first(date, clock)?);
    match code {
        48 | 57 => line.readings.push(glucose(value, None)?),
        58 => line.readings.push(glucose(value, Some(MealContext::Fasting))?),
        60 | 62 | 64 => line.readings.push(glucose(value, Some(MealContext::Preprandial))?),
        59 | 61 | 63 => line.readings.push(glucose(value, Some(MealContext::Postprandial))?),
        _ => line.notes.push(note(code, value)?),
    }
    Ok(line)
}

/// A meter of that time pads with zeros; `000` is a cell nobody filled in.
fn glucose(value: &str, meal: Option<MealContext>) -> Result<Reading, LineError> {
    let value = if value.bytes().all(|b| b == b'0') {
        Err(Absent::NotIncluded)
    } else if let Some(end) = number::saturated(value) {
        Err(end)
    } else {
        Ok(number::mg_per_dl(value)?)
    };
    Ok(with_meal(reading(Quantity::Glucose, value, DisplayUnit::MgPerDl), meal))
}

fn note(code: u16, value: &str) -> Result<Note, LineError> {
    let dose = |kind| {
        let trimmed = value.trim_start_matches('0');
        let padded = trimmed.is_empty() || trimmed.starts_with('.');
        let units = if padded { format!("0{trimmed}") } else { trimmed.to_owned() };
        Note::Insulin { kind, units }
    };
    Ok(match code {
        33 => dose("regular"),
        34 => dose("NPH"),
        35 => dose("ultralente"),
        65 => Note::HypoglycaemicSymptoms,
        66 => Note::Meal("usual"),
        67 => Note::Meal("more"),
        68 => Note::Meal("less"),
        69 => Note::Exercise("usual"),
        70 => Note::Exercise("more"),
        71 => Note::Exercise("less"),
        72 => Note::SpecialEvent,
        0 | 4 | 36 | 56 => Note::Undocumented { code, value: value.to_owned() },
        _ => return Err(LineError::Code { code }),
    })
}
