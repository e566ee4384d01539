//! The layouts of published data sets with one comma-separated table.

use hearth_shared::observation::{Absent, DisplayUnit, Quantity, Reading, Value};
use hearth_shared::units::Pressure;

use super::{LineError, LineReading, Note, cells, number, reading, time};

/// One man's pressure diary (R package bp, `bp_jhs`):
/// `local_time,systolic_mmhg,diastolic_mmhg,pulse_bpm`.
pub(super) fn bp_diary(text: &str) -> Result<LineReading, LineError> {
    let [at, systolic, diastolic, pulse] = cells::<4>(text, ',')?;
    let mut line = LineReading::at(time::iso_local(at)?);
    line.readings.push(pressure(systolic, diastolic, "")?);
    line.readings.push(rate(pulse)?);
    Ok(line)
}

/// HYPNOS ambulatory pressure (R package bp, `bp_hypnos`): `id,visit,nr,local_time,systolic_mmhg,`
/// `map_mmhg,diastolic_mmhg,heart_rate_bpm,wake`.
pub(super) fn bp_hypnos(text: &str) -> Result<LineReading, LineError> {
    let [id, _, _, at, systolic, mean, diastolic, pulse, wake] = cells::<9>(text, ',')?;
    let mut line = LineReading::at(time::iso_local(at)?);
    line.subject = subject(id);
    line.readings.push(pressure(systolic, diastolic, mean)?);
    line.readings.push(rate(pulse)?);
    match wake {
        "0" => line.notes.push(Note::Asleep),
        "1" | "" => {}
        _ => {
            let known = "0, 1 or empty";
            return Err(LineError::Word { name: "wake", text: wake.to_owned(), known });
        }
    }
    Ok(line)
}

/// Fitbit weight log: `Id,Date,WeightKg,WeightPounds,Fat,BMI`. The kilograms count; the pounds
/// are the same weighing. `Fat` is a share of the body weight in percent, mostly empty.
pub(super) fn fitbit_weight(text: &str) -> Result<LineReading, LineError> {
    let [id, date, kg, _, fat, _] = cells::<6>(text, ',')?;
    let mut line = LineReading::at(time::month_first_date(date)?);
    line.subject = subject(id);
    let weight = if kg.is_empty() { Err(Absent::NotIncluded) } else { Ok(number::kg(kg)?) };
    line.readings.push(reading(Quantity::Weight, weight, DisplayUnit::Kilogram));
    if !fat.is_empty() {
        let value = Ok(super::hearth::percent("body fat", fat)?);
        line.readings.push(reading(Quantity::BodyFat, value, DisplayUnit::Percent));
    }
    Ok(line)
}

/// iglu example CGM: `id,epoch_s,local_time_utc_minus_5,glucose_mg_dl`. The epoch counts.
pub(super) fn iglu(text: &str) -> Result<LineReading, LineError> {
    let [id, epoch, _, glucose] = cells::<4>(text, ',')?;
    let wrong = || LineError::Number { name: "epoch_s", text: epoch.to_owned() };
    let seconds: i64 = epoch.parse().map_err(|_| wrong())?;
    // 1900 to 2199, as for written dates.
    if !(-2_208_988_800..7_258_118_400).contains(&seconds) {
        return Err(number::range("epoch_s", epoch));
    }
    let mut line = LineReading::at(time::LineTime::Utc { seconds });
    line.subject = subject(id);
    let value = sensor(glucose, number::mg_per_dl)?;
    line.readings.push(reading(Quantity::ContinuousGlucose, value, DisplayUnit::MgPerDl));
    Ok(line)
}

/// T1D-UOM continuous glucose: `bg_ts,value`, DD/MM/YYYY HH:MM wall clock and mmol/L.
pub(super) fn t1d_uom(text: &str) -> Result<LineReading, LineError> {
    let [at, glucose] = cells::<2>(text, ',')?;
    let mut line = LineReading::at(time::day_first(at)?);
    let value = sensor(glucose, number::mmol_per_l)?;
    line.readings.push(reading(Quantity::ContinuousGlucose, value, DisplayUnit::MmolPerL));
    Ok(line)
}

fn sensor(
    text: &str,
    parse: impl Fn(&str) -> Result<Value, LineError>,
) -> Result<Result<Value, Absent>, LineError> {
    if text.is_empty() || text.eq_ignore_ascii_case("na") {
        return Ok(Err(Absent::NotIncluded));
    }
    match number::saturated(text) {
        Some(end) => Ok(Err(end)),
        None => parse(text).map(Ok),
    }
}

fn pressure(systolic: &str, diastolic: &str, mean: &str) -> Result<Reading, LineError> {
    let cell = |name, text: &str| -> Result<Option<Pressure>, LineError> {
        let empty = text.is_empty() || text.eq_ignore_ascii_case("na");
        if empty { Ok(None) } else { number::mmhg(name, text).map(Some) }
    };
    let mean = cell("mean", mean)?;
    let value = match (cell("systolic", systolic)?, cell("diastolic", diastolic)?) {
        (Some(systolic), Some(diastolic)) => Ok(Value::BloodPressure { systolic, diastolic, mean }),
        _ => Err(Absent::NotIncluded),
    };
    Ok(reading(Quantity::BloodPressure, value, DisplayUnit::MmHg))
}

fn rate(text: &str) -> Result<Reading, LineError> {
    let empty = text.is_empty() || text.eq_ignore_ascii_case("na");
    let value = if empty { Err(Absent::NotIncluded) } else { Ok(number::per_minute(text)?) };
    Ok(reading(Quantity::PulseRate, value, DisplayUnit::PerMinute))
}

fn subject(id: &str) -> Option<String> {
    let id = id.trim_matches('"');
    (!id.is_empty()).then(|| id.to_owned())
}
