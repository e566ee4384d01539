//! What must hold for any octets, as plain functions: fuzz targets and seeded tests call the same.

use hearth_shared::assess::plausibility::judge;
use hearth_shared::gatt::{
    self, Characteristic, Context, DecodeError, Measurement, READINGS_MAX, VALUE_MAX,
};

/// A name, and what to do with the octets a fuzzer found.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, one per group of decoders.
pub const TARGETS: [Target; 8] = [
    ("gatt_numbers_and_time", numbers_and_time),
    ("gatt_glucose", glucose),
    ("gatt_blood_pressure", blood_pressure),
    ("gatt_scales", scales),
    ("gatt_oximeter", oximeter),
    ("gatt_thermometer_and_heart_rate", thermometer_and_heart_rate),
    ("gatt_cgm", cgm),
    ("gatt_control_points", control_points),
];

/// Bare numbers, dates, zones, battery.
pub fn numbers_and_time(data: &[u8]) {
    use Characteristic as C;
    check_each(
        &[
            C::Sfloat,
            C::Float,
            C::CurrentTime,
            C::DateTime,
            C::TimeZone,
            C::DstOffset,
            C::LocalTimeInformation,
            C::ReferenceTimeInformation,
            C::BatteryLevel,
        ],
        data,
    );
}

/// Glucose records, contexts and features.
pub fn glucose(data: &[u8]) {
    use Characteristic as C;
    check_each(&[C::GlucoseMeasurement, C::GlucoseMeasurementContext, C::GlucoseFeature], data);
}

/// Cuffs, old and enhanced.
pub fn blood_pressure(data: &[u8]) {
    use Characteristic as C;
    check_each(
        &[
            C::BloodPressureMeasurement,
            C::IntermediateCuffPressure,
            C::BloodPressureFeature,
            C::EnhancedBloodPressureMeasurement,
            C::EnhancedIntermediateCuffPressure,
            C::BloodPressureRecord,
        ],
        data,
    );
}

/// Scales and body composition.
pub fn scales(data: &[u8]) {
    use Characteristic as C;
    check_each(
        &[
            C::WeightMeasurement,
            C::WeightScaleFeature,
            C::BodyCompositionMeasurement,
            C::BodyCompositionFeature,
        ],
        data,
    );
}

/// Pulse oximeters.
pub fn oximeter(data: &[u8]) {
    use Characteristic as C;
    check_each(&[C::PlxSpotCheckMeasurement, C::PlxContinuousMeasurement, C::PlxFeatures], data);
}

/// Thermometers and heart rate straps.
pub fn thermometer_and_heart_rate(data: &[u8]) {
    use Characteristic as C;
    check_each(
        &[
            C::TemperatureMeasurement,
            C::IntermediateTemperature,
            C::TemperatureType,
            C::MeasurementInterval,
            C::HeartRateMeasurement,
            C::BodySensorLocation,
        ],
        data,
    );
}

/// Continuous glucose sensors.
pub fn cgm(data: &[u8]) {
    use Characteristic as C;
    check_each(
        &[
            C::CgmMeasurement,
            C::CgmFeature,
            C::CgmStatus,
            C::CgmSessionStartTime,
            C::CgmSessionRunTime,
        ],
        data,
    );
}

/// Control points and user data.
pub fn control_points(data: &[u8]) {
    use Characteristic as C;
    check_each(
        &[
            C::RecordAccessControlPoint,
            C::CgmSpecificOpsControlPoint,
            C::UserControlPoint,
            C::RegisteredUser,
            C::UserIndex,
            C::DatabaseChangeIncrement,
        ],
        data,
    );
}

/// The first octet chooses the characteristic and what is known of the CRC; the rest is the value.
fn check_each(characteristics: &[Characteristic], data: &[u8]) {
    let Some((choice, octets)) = data.split_first() else { return };
    let e2e_crc = [None, Some(true), Some(false)][usize::from(*choice >> 4) % 3];
    let chosen = characteristics[usize::from(*choice & 0x0F) % characteristics.len()];
    check(chosen, octets, Context { e2e_crc });
}

/// Decodes and asserts what must hold for any octets: no panic, errors that point into the value,
/// readings in range, times that a calendar has.
///
/// # Panics
///
/// If one of these does not hold.
pub fn check(characteristic: Characteristic, octets: &[u8], context: Context) {
    let decoded = gatt::decode(characteristic, octets, context);
    assert_eq!(decoded, gatt::decode(characteristic, octets, context));
    match decoded {
        Ok(measurement) => check_measurement(&measurement, octets),
        Err(error) => check_error(error, octets),
    }
}

fn check_measurement(measurement: &Measurement<'_>, octets: &[u8]) {
    assert!(octets.len() <= VALUE_MAX);
    let readings = gatt::readings(measurement);
    assert!(readings.len() <= READINGS_MAX);
    if let Measurement::Cgm(cgm) = measurement {
        assert_eq!(readings.len(), cgm.records().count());
        assert_eq!(octets.len(), cgm.records().map(|r| usize::from(r.size)).sum::<usize>());
    }
    for reading in readings.iter().flatten() {
        if let Ok(value) = &reading.value {
            // A value is judged as its own quantity, whatever the number.
            let _ = judge(reading.quantity, value);
        }
    }
    if let Some(time) = gatt::device_time(measurement) {
        let seconds = time.local_seconds();
        assert_eq!(seconds.and_then(gatt::DateTime::from_local_seconds), Some(time));
    }
    let _ = (gatt::base_time(measurement), gatt::sequence(measurement));
    let _ = (gatt::user_slot(measurement), gatt::time_offset_minutes(measurement));
}

fn check_error(error: DecodeError, octets: &[u8]) {
    let (at, length) = error.span();
    assert!(length > 0, "{error:?}");
    // A missing field starts at most at the end of the value.
    assert!(usize::from(at) <= octets.len().max(1), "{error:?} in {} octets", octets.len());
    if let DecodeError::Truncated { need, have, .. } = error {
        assert!(have < need, "{error:?}");
    }
    assert!(!error.kind().is_empty());
}
