//! From a measurement to what Hearth records: quantities in fine units, or why there is no value.
//!
//! `clinical-rules` A9 and `bluetooth-profiles` 4.1, 5.1, 6.1, 7.4, 9.3, 11.1, 12. Plausibility is
//! judged later (`assess::plausibility`); here only what the octets themselves say counts.

use heapless::Vec;

use super::blood_pressure::{BloodPressureMeasurement, CuffStatus};
use super::body_composition::BodyCompositionMeasurement;
use super::cgm::{self, CgmRecord};
use super::enhanced_blood_pressure::{EnhancedBloodPressure, Pressures};
use super::glucose::{self, GlucoseMeasurement};
use super::heart_rate::{HeartRateMeasurement, SensorContact};
use super::pulse_oximeter::{PlxStatus, SpO2AndPulse, device_status, measurement_status};
use super::{Field, Flags, Measurement, Number, Scaled, Special, Unit, VALUE_MAX};
use crate::observation::{Absent, DisplayUnit, Marks, Quantity, Reading, Value};
use crate::units::{Decimal, Glucose, Mass, Pressure, Rate, Saturation, Temperature};

/// As many readings as one value can hold: CGM records of six octets.
pub const READINGS_MAX: usize = 85;
#[allow(clippy::arithmetic_side_effects)]
const _: () = assert!(READINGS_MAX == VALUE_MAX / 6);

/// A number that no stored unit can hold (negative weight, a pulse of -256000): the octets go to
/// quarantine for this quantity; the other readings of the same measurement stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrepresentable {
    /// What was measured.
    pub quantity: Quantity,
    /// The field that holds the number.
    pub field: Field,
    /// The number as sent.
    pub found: Decimal,
}

/// The readings of one measurement in the order of its fields; for CGM one per record.
pub type Readings = Vec<Result<Reading, Unrepresentable>, READINGS_MAX>;

/// What Hearth records of a measurement. Features, control points, times and intermediate cuff
/// pressures give none; a glucose context (2A34) is joined to its record by the gateway.
pub fn readings(measurement: &Measurement<'_>) -> Readings {
    let mut out = Out(Readings::new());
    match measurement {
        Measurement::Glucose(m) => out.glucose(m),
        Measurement::BloodPressure(m) => out.blood_pressure(m),
        Measurement::EnhancedBloodPressure(m) => out.enhanced_blood_pressure(m),
        Measurement::Weight(m) => out.mass(m.weight),
        Measurement::BodyComposition(m) => out.body_composition(m),
        Measurement::PlxSpotCheck(m) => out.oximeter(&m.normal, &m.status, m.clock_not_set()),
        Measurement::PlxContinuous(m) => out.oximeter(&m.normal, &m.status, false),
        Measurement::Temperature(m) => out.temperature(m.temperature, Marks::default()),
        Measurement::IntermediateTemperature(m) => {
            out.temperature(m.temperature, Marks { preliminary: true, ..Marks::default() });
        }
        Measurement::Cgm(m) => m.records().for_each(|record| out.cgm(&record)),
        Measurement::HeartRate(m) => out.heart_rate(m),
        _ => {}
    }
    out.0
}

/// Why a special code is no value.
const fn absent(special: Special) -> Absent {
    match special {
        Special::NaN => Absent::NotANumber,
        Special::NRes => Absent::NotAtResolution,
        Special::PositiveInfinity => Absent::AboveRange,
        Special::NegativeInfinity => Absent::BelowRange,
        Special::Reserved => Absent::Reserved,
    }
}

/// The readings so far. Pushing never overflows: only CGM gives more than three, and its records
/// take six octets each.
struct Out(Readings);

impl Out {
    fn push(&mut self, reading: Result<Reading, Unrepresentable>) {
        let pushed = self.0.push(reading);
        debug_assert!(pushed.is_ok());
    }

    /// A value, an absence, or, where `value` holds a number that `convert` refuses, neither.
    fn number(
        &mut self,
        (quantity, field): (Quantity, Field),
        value: Result<Decimal, Absent>,
        (unit, marks): (DisplayUnit, Marks),
        convert: impl Fn(Decimal) -> Option<Value>,
    ) {
        let value = match value {
            Ok(decimal) => match convert(decimal) {
                Some(value) => Ok(value),
                None => {
                    let found = decimal;
                    return self.push(Err(Unrepresentable { quantity, field, found }));
                }
            },
            Err(reason) => Err(reason),
        };
        self.push(Ok(Reading { quantity, value, unit, marks, meal: None }));
    }

    fn glucose(&mut self, m: &GlucoseMeasurement<'_>) {
        use glucose::status;
        let has = |bits: &[u8]| m.sensor_status.is_some_and(|s| s.has_any(bits));
        let (high, low) = (has(&[status::RESULT_TOO_HIGH]), has(&[status::RESULT_TOO_LOW]));
        let marks = Marks {
            // Too high and too low at once is a contradiction.
            invalid: (high && low)
                || has(&[
                    status::SENSOR_MALFUNCTION,
                    status::SAMPLE_INSUFFICIENT,
                    status::STRIP_INSERTION_ERROR,
                    status::STRIP_TYPE_INCORRECT,
                    status::TEMPERATURE_TOO_HIGH,
                    status::TEMPERATURE_TOO_LOW,
                    status::READ_INTERRUPTED,
                    status::GENERAL_FAULT,
                ]),
            battery_low: has(&[status::BATTERY_LOW]),
            clock_fault: has(&[status::TIME_FAULT]),
            ..Marks::default()
        };
        let moles = m.concentration.is_some_and(|c| c.unit == Unit::MolPerL);
        let unit = if moles { DisplayUnit::MmolPerL } else { DisplayUnit::MgPerDl };
        let value = match m.concentration.map(|c| c.value) {
            _ if m.is_control_solution() => Err(Absent::TestData),
            // No concentration of glucose is negative; meters for two analytes mark ketone so,
            // 0xFFFF (-0.1) included.
            Some(Ok(decimal)) if decimal.mantissa < 0 => Err(Absent::OtherAnalyte),
            _ if high && !low => Err(Absent::AboveRange),
            _ if low && !high => Err(Absent::BelowRange),
            Some(value) => value.map_err(absent),
            None => Err(Absent::NotIncluded),
        };
        self.number((Quantity::Glucose, Field::Concentration), value, (unit, marks), |decimal| {
            let glucose = if moles {
                Glucose::from_mol_per_l(decimal)
            } else {
                Glucose::from_kg_per_l(decimal)
            };
            glucose.map(Value::Glucose)
        });
    }

    fn cgm(&mut self, record: &CgmRecord) {
        use cgm::status;
        let has = |flags: Option<Flags>, bits: &[u8]| flags.is_some_and(|f| f.has_any(bits));
        let marks = Marks {
            invalid: has(
                record.status,
                &[status::SENSOR_TYPE_INCORRECT, status::SENSOR_MALFUNCTION, status::GENERAL_FAULT],
            ) || has(
                record.cal_temp,
                &[status::CAL_TEMPERATURE_TOO_HIGH, status::CAL_TEMPERATURE_TOO_LOW],
            ),
            battery_low: has(record.status, &[status::BATTERY_LOW]),
            clock_fault: has(record.cal_temp, &[status::CAL_TIME_SYNC_REQUIRED]),
            ..Marks::default()
        };
        let low = has(record.warning, &[status::WARNING_BELOW_DEVICE_RANGE]);
        let high = has(record.warning, &[status::WARNING_ABOVE_DEVICE_RANGE]);
        let marks = Marks { invalid: marks.invalid || (low && high), ..marks };
        let value = match record.concentration.value {
            _ if high && !low => Err(Absent::AboveRange),
            _ if low && !high => Err(Absent::BelowRange),
            value => value.map_err(absent),
        };
        let of = (Quantity::ContinuousGlucose, Field::Concentration);
        self.number(of, value, (DisplayUnit::MgPerDl, marks), |decimal| {
            Glucose::from_mg_per_dl(decimal).map(Value::Glucose)
        });
    }

    fn blood_pressure(&mut self, m: &BloodPressureMeasurement<'_>) {
        let pressures = [m.systolic, m.diastolic, m.mean_arterial_pressure];
        self.cuff(pressures, m.pulse_rate, m.measurement_status);
    }

    fn enhanced_blood_pressure(&mut self, m: &EnhancedBloodPressure<'_>) {
        // A cuff that is still inflating (2B35) has no result.
        if let Pressures::Result { systolic, diastolic, mean_arterial_pressure } = m.pressures {
            let pressures = [systolic, diastolic, mean_arterial_pressure];
            self.cuff(pressures, m.pulse_rate, m.measurement_status);
        }
    }

    /// A cuff's pressures as one reading and its pulse as another. Where the systolic is no
    /// number, its reason stands for both pressures, otherwise the diastolic's.
    fn cuff(&mut self, pressures: [Number; 3], pulse: Option<Number>, status: Option<CuffStatus>) {
        let [systolic, diastolic, mean] = pressures;
        let suspect = status.is_some_and(CuffStatus::is_suspect);
        let marks = Marks { suspect, ..Marks::default() };
        let kpa = systolic.unit == Unit::KPa;
        let unit = if kpa { DisplayUnit::KPa } else { DisplayUnit::MmHg };
        let pascals = |decimal: Decimal| {
            if kpa { Pressure::from_kpa(decimal) } else { Pressure::from_mmhg(decimal) }
        };
        let mean = mean.decimal().filter(|m| m.mantissa > 0).and_then(pascals);
        let second = diastolic.value.map_err(absent);
        let both = systolic.value.map_err(absent).and_then(|s| second.map(|_| s));
        let low = second.ok().map(pascals);
        let field = if matches!(low, Some(None)) { Field::Diastolic } else { Field::Systolic };
        self.number((Quantity::BloodPressure, field), both, (unit, marks), |decimal| {
            let (systolic, diastolic) = (pascals(decimal)?, low??);
            Some(Value::BloodPressure { systolic, diastolic, mean })
        });
        if let Some(pulse) = pulse {
            self.pulse(pulse.value.map_err(absent), marks);
        }
    }

    fn pulse(&mut self, value: Result<Decimal, Absent>, marks: Marks) {
        let of = (Quantity::PulseRate, Field::PulseRate);
        self.number(of, value, (DisplayUnit::PerMinute, marks), rate);
    }

    fn oximeter(&mut self, pair: &SpO2AndPulse, status: &PlxStatus, clock_fault: bool) {
        use {device_status as device, measurement_status as measured};
        let says = |bits: &[u8]| status.measurement_status.is_some_and(|s| s.has_any(bits));
        let sensor = |bits: &[u8]| status.device_sensor_status.is_some_and(|s| s.has_any(bits));
        let reason = if says(&[measured::DEMONSTRATION, measured::TESTING]) {
            Some(Absent::TestData)
        } else if sensor(&[device::SENSOR_UNCONNECTED_TO_USER, device::SENSOR_DISCONNECTED]) {
            Some(Absent::LostContact)
        } else if says(&[measured::UNAVAILABLE]) {
            Some(Absent::MeasurementFailed)
        } else {
            None
        };
        let no_pulse = pair.pulse_rate.decimal().is_none_or(|pulse| pulse.mantissa == 0);
        let marks = Marks {
            invalid: says(&[measured::CALIBRATION_ONGOING, measured::INVALID])
                || sensor(&[
                    device::EQUIPMENT_MALFUNCTION,
                    device::INADEQUATE_SIGNAL,
                    device::NONPULSATILE_SIGNAL,
                    device::SENSOR_MALFUNCTIONING,
                ]),
            suspect: no_pulse
                || says(&[measured::QUESTIONABLE])
                || sensor(&[
                    device::SIGNAL_PROCESSING_IRREGULARITY,
                    device::POOR_SIGNAL,
                    device::LOW_PERFUSION,
                    device::ERRATIC_SIGNAL,
                    device::QUESTIONABLE_PULSE,
                    device::SIGNAL_ANALYSIS_ONGOING,
                    device::SENSOR_INTERFERENCE,
                    device::UNKNOWN_SENSOR,
                    device::SENSOR_DISPLACED,
                ]),
            preliminary: says(&[measured::ONGOING])
                && !says(&[measured::VALIDATED, measured::FULLY_QUALIFIED]),
            clock_fault,
            battery_low: false,
        };
        let or_reason = |number: Number| match reason {
            Some(reason) => Err(reason),
            None => number.value.map_err(absent),
        };
        let of = (Quantity::Saturation, Field::Spo2);
        self.number(of, or_reason(pair.spo2), (DisplayUnit::Percent, marks), percent);
        let pulse = or_reason(pair.pulse_rate).and_then(|pulse| {
            if pulse.mantissa == 0 { Err(Absent::LostContact) } else { Ok(pulse) }
        });
        self.pulse(pulse, marks);
    }

    fn temperature(&mut self, number: Number, marks: Marks) {
        let fahrenheit = number.unit == Unit::Fahrenheit;
        let unit = if fahrenheit { DisplayUnit::Fahrenheit } else { DisplayUnit::Celsius };
        let value = number.value.map_err(absent);
        let of = (Quantity::Temperature, Field::Temperature);
        self.number(of, value, (unit, marks), |decimal| {
            let temperature = if fahrenheit {
                Temperature::from_fahrenheit(decimal)
            } else {
                Temperature::from_celsius(decimal)
            };
            temperature.map(Value::Temperature)
        });
    }

    fn mass(&mut self, weight: Scaled) {
        let pounds = weight.unit == Unit::Pound;
        let unit = if pounds { DisplayUnit::Pound } else { DisplayUnit::Kilogram };
        let value = weight.decimal().ok_or(Absent::MeasurementFailed);
        let of = (Quantity::Weight, Field::Weight);
        self.number(of, value, (unit, Marks::default()), |decimal| {
            let mass = if pounds { Mass::from_lb(decimal) } else { Mass::from_kg(decimal) };
            mass.map(Value::Mass)
        });
    }

    fn body_composition(&mut self, m: &BodyCompositionMeasurement<'_>) {
        if let Some(weight) = m.weight {
            self.mass(weight);
        }
        if !m.is_stub() {
            let value = m.body_fat.decimal().ok_or(Absent::MeasurementFailed);
            let of = (Quantity::BodyFat, Field::BodyFat);
            self.number(of, value, (DisplayUnit::Percent, Marks::default()), percent);
        }
    }

    fn heart_rate(&mut self, m: &HeartRateMeasurement<'_>) {
        let lost = m.heart_rate == 0 || m.sensor_contact == SensorContact::NotDetected;
        let value = if lost {
            Err(Absent::LostContact)
        } else {
            Ok(Decimal::new(i32::from(m.heart_rate), 0))
        };
        let of = (Quantity::HeartRate, Field::HeartRate);
        self.number(of, value, (DisplayUnit::PerMinute, Marks::default()), rate);
    }
}

fn rate(decimal: Decimal) -> Option<Value> {
    Rate::from_per_minute(decimal).map(Value::Rate)
}

fn percent(decimal: Decimal) -> Option<Value> {
    Saturation::from_percent(decimal).map(Value::Saturation)
}

#[cfg(test)]
#[path = "readings_tests.rs"]
mod tests;
