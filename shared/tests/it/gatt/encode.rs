//! What an encoder writes, the decoder reads back field by field.

use hearth_shared::gatt::encode::{self, Concentration, Which};
use hearth_shared::gatt::record_access::{FilterValue, Operand};
use hearth_shared::gatt::{Characteristic, Context, DateTime, Measurement, Medfloat, Special};
use hearth_shared::gatt::{Unit, decode};
use hearth_shared::units::Decimal;
use proptest::option::of;
use proptest::prelude::*;

fn special() -> impl Strategy<Value = Medfloat> {
    prop_oneof![
        Just(Special::NaN),
        Just(Special::NRes),
        Just(Special::PositiveInfinity),
        Just(Special::NegativeInfinity),
        Just(Special::Reserved)
    ]
    .prop_map(Err)
}

fn sfloat() -> impl Strategy<Value = Medfloat> {
    let number = (-2048..=2047_i32, -8..=7_i8).prop_map(|(m, e)| Ok(Decimal::new(m, e)));
    let number = number.prop_filter(
        "special with exponent 0",
        |n| !matches!(n, Ok(d) if d.exponent == 0 && !(-2045..=2045).contains(&d.mantissa)),
    );
    prop_oneof![4 => number, 1 => special()]
}

fn float() -> impl Strategy<Value = Medfloat> {
    let number =
        (-8_000_000..=8_000_000_i32, any::<i8>()).prop_map(|(m, e)| Ok(Decimal::new(m, e)));
    prop_oneof![4 => number, 1 => special()]
}

/// Any clock face, also one with unknown parts.
fn date_time() -> impl Strategy<Value = DateTime> {
    let complete = (-12_244_089_600_i64..253_402_300_800)
        .prop_filter_map("calendar", DateTime::from_local_seconds);
    let unknown = Just([0_u8, 0, 0, 0, 1, 2, 3]).prop_map(|octets| {
        match decode(Characteristic::DateTime, &octets, Context::default()) {
            Ok(Measurement::DateTime(time)) => time,
            other => panic!("{other:?}"),
        }
    });
    prop_oneof![9 => complete, 1 => unknown]
}

/// Decodes and hands the measurement to `check`.
fn read<'a>(characteristic: Characteristic, octets: &'a [u8]) -> Measurement<'a> {
    decode(characteristic, octets, Context::default()).unwrap()
}

proptest! {
    #[test]
    fn glucose_comes_back(
        sequence_number: u16,
        base_time in date_time(),
        time_offset_minutes in of(any::<i16>()),
        value in of((sfloat(), any::<bool>(), 0..=15_u8, 0..=15_u8)),
        sensor_status in of(any::<u16>()),
        context_follows: bool,
    ) {
        let concentration = value.map(|(value, moles, t, l)| {
            (if moles { Concentration::MolPerL(value) } else { Concentration::KgPerL(value) }, t, l)
        });
        let octets = encode::glucose_measurement(&encode::GlucoseRecord {
            sequence_number, base_time, time_offset_minutes, concentration, sensor_status,
            context_follows,
        }).unwrap();
        let Measurement::Glucose(m) = read(Characteristic::GlucoseMeasurement, &octets) else {
            panic!("another characteristic");
        };
        prop_assert_eq!(m.sequence_number, sequence_number);
        prop_assert_eq!(m.base_time, base_time);
        prop_assert_eq!(m.time_offset_minutes, time_offset_minutes);
        prop_assert_eq!(m.concentration.map(|c| c.value), value.map(|v| v.0));
        let unit = value.map(|v| if v.1 { Unit::MolPerL } else { Unit::KgPerL });
        prop_assert_eq!(m.concentration.map(|c| c.unit), unit);
        prop_assert_eq!(m.sample_type.map(|c| c.raw()), value.map(|v| v.2));
        prop_assert_eq!(m.sample_location.map(|c| c.raw()), value.map(|v| v.3));
        prop_assert_eq!(m.sensor_status.map(|s| s.raw()), sensor_status.map(u32::from));
        prop_assert_eq!(m.context_follows(), context_follows);
        prop_assert!(m.additional.is_empty());
    }

    #[test]
    fn a_glucose_context_comes_back(
        sequence_number: u16,
        carbohydrate in of((any::<u8>(), sfloat())),
        meal in of(any::<u8>()),
        tester_and_health in of((0..=15_u8, 0..=15_u8)),
        exercise in of((any::<u16>(), any::<u8>())),
        medication in of((any::<u8>(), sfloat())),
        hba1c_percent in of(sfloat()),
    ) {
        let octets = encode::glucose_context(&encode::GlucoseContextRecord {
            sequence_number, carbohydrate, meal, tester_and_health, exercise, medication,
            hba1c_percent,
        }).unwrap();
        let characteristic = Characteristic::GlucoseMeasurementContext;
        let Measurement::GlucoseContext(m) = read(characteristic, &octets) else {
            panic!("another characteristic");
        };
        prop_assert_eq!(m.sequence_number, sequence_number);
        prop_assert_eq!(m.carbohydrate_id.map(|c| c.raw()), carbohydrate.map(|c| c.0));
        prop_assert_eq!(m.carbohydrate.map(|c| c.value), carbohydrate.map(|c| c.1));
        prop_assert_eq!(m.meal.map(|c| c.raw()), meal);
        prop_assert_eq!(m.tester.map(|c| c.raw()), tester_and_health.map(|t| t.0));
        prop_assert_eq!(m.health.map(|c| c.raw()), tester_and_health.map(|t| t.1));
        prop_assert_eq!(m.exercise_duration_s, exercise.map(|e| e.0));
        prop_assert_eq!(m.exercise_intensity_percent, exercise.map(|e| e.1));
        prop_assert_eq!(m.medication_id.map(|c| c.raw()), medication.map(|c| c.0));
        prop_assert_eq!(m.medication.map(|c| c.value), medication.map(|c| c.1));
        prop_assert_eq!(m.hba1c.map(|c| c.value), hba1c_percent);
    }

    #[test]
    fn a_cuff_comes_back(
        kpa: bool,
        pressures in [sfloat(), sfloat(), sfloat()],
        timestamp in of(date_time()),
        pulse_rate in of(sfloat()),
        user_id in of(any::<u8>()),
        measurement_status in of(any::<u16>()),
    ) {
        let [systolic, diastolic, mean_arterial_pressure] = pressures;
        let octets = encode::blood_pressure_measurement(&encode::CuffRecord {
            kpa, systolic, diastolic, mean_arterial_pressure, timestamp, pulse_rate, user_id,
            measurement_status,
        }).unwrap();
        let characteristic = Characteristic::BloodPressureMeasurement;
        let Measurement::BloodPressure(m) = read(characteristic, &octets) else {
            panic!("another characteristic");
        };
        prop_assert_eq!(m.systolic.unit, if kpa { Unit::KPa } else { Unit::MmHg });
        let back = [m.systolic.value, m.diastolic.value, m.mean_arterial_pressure.value];
        prop_assert_eq!(back, pressures);
        prop_assert_eq!(m.timestamp, timestamp);
        prop_assert_eq!(m.pulse_rate.map(|p| p.value), pulse_rate);
        prop_assert_eq!(m.user_id.map(|id| id.0), user_id);
        prop_assert_eq!(m.measurement_status.map(|s| s.0), measurement_status);
    }

    #[test]
    fn a_weighing_comes_back(
        imperial: bool,
        weight_counts: u16,
        timestamp in of(date_time()),
        user_id in of(any::<u8>()),
        bmi_and_height in of((any::<u16>(), any::<u16>())),
    ) {
        let octets = encode::weight_measurement(&encode::WeightRecord {
            imperial, weight_counts, timestamp, user_id, bmi_and_height,
        }).unwrap();
        let Measurement::Weight(m) = read(Characteristic::WeightMeasurement, &octets) else {
            panic!("another characteristic");
        };
        prop_assert_eq!(m.weight.raw, weight_counts);
        prop_assert_eq!(m.weight.unit, if imperial { Unit::Pound } else { Unit::Kilogram });
        prop_assert_eq!(m.timestamp, timestamp);
        prop_assert_eq!(m.user_id.map(|id| id.0), user_id);
        prop_assert_eq!(m.bmi.map(|b| b.raw), bmi_and_height.map(|b| b.0));
        prop_assert_eq!(m.height.map(|h| h.raw), bmi_and_height.map(|b| b.1));
    }

    #[test]
    fn a_temperature_comes_back(
        fahrenheit: bool,
        temperature in float(),
        timestamp in of(date_time()),
        temperature_type in of(any::<u8>()),
    ) {
        let octets = encode::temperature_measurement(&encode::TemperatureRecord {
            fahrenheit, temperature, timestamp, temperature_type,
        }).unwrap();
        let Measurement::Temperature(m) = read(Characteristic::TemperatureMeasurement, &octets)
        else {
            panic!("another characteristic");
        };
        prop_assert_eq!(m.temperature.value, temperature);
        let unit = if fahrenheit { Unit::Fahrenheit } else { Unit::Celsius };
        prop_assert_eq!(m.temperature.unit, unit);
        prop_assert_eq!(m.timestamp, timestamp);
        prop_assert_eq!(m.temperature_type.map(|t| t.raw()), temperature_type);
    }

    #[test]
    fn a_spot_check_comes_back(
        spo2 in sfloat(),
        pulse_rate in sfloat(),
        timestamp in of(date_time()),
        measurement_status in of(any::<u16>()),
        device_sensor_status in of(0..=0xFF_FFFF_u32),
        pulse_amplitude_index in of(sfloat()),
        clock_not_set: bool,
    ) {
        let record = encode::SpotCheckRecord {
            spo2, pulse_rate, timestamp, measurement_status, device_sensor_status,
            pulse_amplitude_index, clock_not_set,
        };
        let octets = encode::plx_spot_check(&record).unwrap();
        let Measurement::PlxSpotCheck(m) = read(Characteristic::PlxSpotCheckMeasurement, &octets)
        else {
            panic!("another characteristic");
        };
        prop_assert_eq!((m.normal.spo2.value, m.normal.pulse_rate.value), (spo2, pulse_rate));
        prop_assert_eq!(m.timestamp, timestamp);
        let status = m.status.measurement_status.map(|s| s.raw());
        prop_assert_eq!(status, measurement_status.map(u32::from));
        prop_assert_eq!(m.status.device_sensor_status.map(|s| s.raw()), device_sensor_status);
        let index = m.status.pulse_amplitude_index.map(|i| i.value);
        prop_assert_eq!(index, pulse_amplitude_index);
        prop_assert_eq!(m.clock_not_set(), clock_not_set);
    }

    #[test]
    fn a_current_time_comes_back(time in date_time(), day in 0..=7_u8, fractions: u8, reason: u8) {
        let octets = encode::current_time(time, day, fractions, reason);
        let Measurement::CurrentTime(m) = read(Characteristic::CurrentTime, &octets) else {
            panic!("another characteristic");
        };
        prop_assert_eq!(m.timestamp, time);
        prop_assert_eq!((m.day_of_week.raw(), m.fractions256), (day, fractions));
        prop_assert_eq!(m.adjust_reason.raw(), u32::from(reason));
    }

    #[test]
    fn a_record_request_comes_back(
        count: bool,
        kind in 0..5_u8,
        number in any::<(u16, u16)>(),
        times in of((date_time(), date_time())),
    ) {
        let (low, high) = match times {
            Some((low, high)) => (FilterValue::Time(low), FilterValue::Time(high)),
            None => (FilterValue::Number(number.0), FilterValue::Number(number.1)),
        };
        let filter_type = if times.is_some() { 2 } else { 1 };
        let (which, operator, operand) = match kind {
            0 => (Which::All, 1, Operand::None),
            1 => (Which::First, 5, Operand::None),
            2 => (Which::Last, 6, Operand::None),
            3 => (Which::AtLeast(low), 3, Operand::One { filter_type, value: low }),
            _ => {
                (Which::Within(low, high), 4, Operand::Range { filter_type, min: low, max: high })
            }
        };
        let request = if count {
            encode::RecordRequest::Count(which)
        } else {
            encode::RecordRequest::Report(which)
        };
        let octets = encode::record_access_request(request).unwrap();
        let Measurement::RecordAccess(m) = read(Characteristic::RecordAccessControlPoint, &octets)
        else {
            panic!("another characteristic");
        };
        prop_assert_eq!(m.op_code.raw(), if count { 4 } else { 1 });
        prop_assert_eq!(m.operator.raw(), operator);
        prop_assert_eq!(m.operand, operand);
    }
}

#[test]
fn the_octets_of_the_specification_are_written() {
    let request = |request| encode::record_access_request(request).unwrap().to_vec();
    use encode::RecordRequest::{Abort, Count, Report};
    let number = FilterValue::Number;
    assert_eq!(request(Report(Which::All)), [1, 1]);
    assert_eq!(request(Report(Which::AtLeast(number(42)))), [1, 3, 1, 0x2A, 0]);
    assert_eq!(request(Report(Which::Within(number(10), number(20)))), [1, 4, 1, 10, 0, 20, 0]);
    assert_eq!(request(Count(Which::All)), [4, 1]);
    assert_eq!(request(Abort), [3, 0]);
    let time = DateTime::from_local_seconds(0).unwrap();
    let mixed = Which::Within(number(1), FilterValue::Time(time));
    assert_eq!(encode::record_access_request(Report(mixed)), None);
    assert_eq!(encode::record_access_response(1, 6), [6, 0, 1, 6]);
    assert_eq!(encode::record_access_count(258), [5, 0, 2, 1]);
}

#[test]
fn a_number_that_the_octets_cannot_hold_is_not_written() {
    let record = encode::TemperatureRecord {
        fahrenheit: false,
        temperature: Ok(Decimal::new(i32::MAX, 0)),
        timestamp: None,
        temperature_type: None,
    };
    assert_eq!(encode::temperature_measurement(&record), None);
}
