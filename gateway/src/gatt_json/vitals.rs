//! Measurements of a body.

use hearth_shared::gatt::blood_pressure::{BloodPressureMeasurement, CuffStatus};
use hearth_shared::gatt::body_composition::BodyCompositionMeasurement;
use hearth_shared::gatt::enhanced_blood_pressure::{
    BloodPressureRecord, EnhancedBloodPressure, EpochTime, Pressures,
};
use hearth_shared::gatt::glucose::GlucoseMeasurement;
use hearth_shared::gatt::glucose_context::GlucoseContext;
use hearth_shared::gatt::heart_rate::HeartRateMeasurement;
use hearth_shared::gatt::pulse_oximeter::{
    PlxContinuous, PlxFeatures, PlxSpotCheck, PlxStatus, device_status, measurement_status,
};
use hearth_shared::gatt::thermometer::TemperatureMeasurement;
use hearth_shared::gatt::weight_scale::WeightMeasurement;
use hearth_shared::gatt::{Flags, Number, Unit};
use hearth_shared::units::Decimal;

use super::tree::{Fields, Json, fixed, hex, iso, number_fields, status};

pub(super) fn glucose(m: &GlucoseMeasurement<'_>) -> Json {
    Fields::new()
        .put("flags", m.flags)
        .put("sequence_number", m.sequence_number)
        .put("base_time", m.base_time)
        .maybe("time_offset_minutes", m.time_offset_minutes)
        .put("measurement_time", m.measurement_time().and_then(iso))
        .maybe("concentration", m.concentration.map(concentration))
        .maybe("type", m.sample_type)
        .maybe("sample_location", m.sample_location)
        .maybe("sensor_status", m.sensor_status.map(|s| reserved_status(s, 0xF000)))
        .put("context_follows", m.context_follows())
        .reserved(m.flags & GlucoseMeasurement::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

/// A concentration with what the meter showed.
fn concentration(number: Number) -> Json {
    let moles = number.unit == Unit::MolPerL;
    let (name, power) = if moles { ("mmol_per_L", 3) } else { ("mg_per_dL", 5) };
    let shown = number.decimal().and_then(|decimal| decimal.shifted(power));
    number_fields(number).maybe(name, shown).done()
}

/// `{raw, flags, rfu}`.
fn reserved_status(flags: Flags, mask: u32) -> Json {
    status(flags).put("rfu", flags.raw() & mask).done()
}

pub(super) fn glucose_context(m: &GlucoseContext<'_>) -> Json {
    let overrun = m.exercise_duration_s == Some(u16::MAX);
    let duration = m.exercise_duration_s.map(|s| if overrun { Json::Null } else { s.into() });
    Fields::new()
        .put("flags", m.flags)
        .put("sequence_number", m.sequence_number)
        .maybe("extended_flags", m.extended_flags)
        .maybe("carbohydrate_id", m.carbohydrate_id)
        .maybe("carbohydrate", m.carbohydrate)
        .maybe("meal", m.meal)
        .maybe("tester", m.tester)
        .maybe("health", m.health)
        .maybe("exercise_duration_s", duration)
        .maybe("exercise_duration_overrun", overrun.then_some(true))
        .maybe("exercise_intensity_percent", m.exercise_intensity_percent)
        .maybe("medication_id", m.medication_id)
        .maybe("medication", m.medication)
        .maybe("hba1c", m.hba1c)
        .additional(m.additional)
        .done()
}

/// How 2A35 calls its pressures.
pub(super) const RESULT: [&str; 3] = ["systolic", "diastolic", "mean_arterial_pressure"];
/// How 2A36 calls them.
pub(super) const INTERMEDIATE: [&str; 3] = ["current_cuff_pressure", "unused_1", "unused_2"];

pub(super) fn blood_pressure(
    m: &BloodPressureMeasurement<'_>,
    [first, second, third]: [&'static str; 3],
) -> Json {
    Fields::new()
        .put("flags", m.flags)
        .put("unit", m.systolic.unit.as_str())
        .put(first, m.systolic)
        .put(second, m.diastolic)
        .put(third, m.mean_arterial_pressure)
        .maybe("timestamp", m.timestamp)
        .maybe("pulse_rate", m.pulse_rate)
        .maybe("user_id", m.user_id)
        .maybe("measurement_status", m.measurement_status.map(cuff_status))
        .reserved(m.flags & BloodPressureMeasurement::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

fn cuff_status(cuff: CuffStatus) -> Json {
    status(cuff.flags())
        .put("pulse_rate_range", cuff.pulse_rate_range())
        .put("rfu", cuff.reserved())
        .done()
}

pub(super) fn enhanced_blood_pressure(m: &EnhancedBloodPressure<'_>) -> Json {
    let fields = Fields::new().put("flags", m.flags);
    let fields = match m.pressures {
        Pressures::Result { systolic, diastolic, mean_arterial_pressure } => fields
            .put("unit", systolic.unit.as_str())
            .put("systolic", systolic)
            .put("diastolic", diastolic)
            .put("mean_arterial_pressure", mean_arterial_pressure),
        Pressures::Current(current) => {
            fields.put("unit", current.unit.as_str()).put("current_cuff_pressure", current)
        }
    };
    fields
        .maybe("timestamp", m.timestamp.map(epoch_time))
        .maybe("pulse_rate", m.pulse_rate)
        .maybe("user_id", m.user_id)
        .maybe("measurement_status", m.measurement_status.map(cuff_status))
        .maybe("user_facing_time", m.user_facing_time.map(epoch_time))
        .reserved(m.flags & EnhancedBloodPressure::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

fn epoch_time(time: EpochTime) -> Json {
    Fields::new()
        .put("seconds", time.seconds)
        .put("epoch", time.epoch)
        .put("iso", time.date_time().and_then(iso))
        .done()
}

pub(super) fn blood_pressure_record(m: &BloodPressureRecord<'_>) -> Json {
    Fields::new()
        .put("first_segment", m.segment.is_first())
        .put("last_segment", m.segment.is_last())
        .put("segment_counter", m.segment.counter())
        .put("sequence_number", m.sequence_number)
        .put("uuid", format!("{:04X}", m.uuid16))
        .put("recorded", hex(m.recorded))
        .done()
}

pub(super) fn weight(m: &WeightMeasurement<'_>) -> Json {
    Fields::new()
        .put("flags", m.flags)
        .put("system", m.system().as_str())
        .put("weight", m.weight)
        .maybe("timestamp", m.timestamp)
        .maybe("user_id", m.user_id)
        .maybe("bmi", m.bmi)
        .maybe("height", m.height)
        .reserved(m.flags & WeightMeasurement::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

pub(super) fn body_composition(m: &BodyCompositionMeasurement<'_>) -> Json {
    Fields::new()
        .put("flags", m.flags)
        .put("system", m.system().as_str())
        .put("body_fat", m.body_fat)
        .maybe("timestamp", m.timestamp)
        .maybe("user_id", m.user_id)
        .maybe("basal_metabolism", m.basal_metabolism)
        .maybe("muscle_percentage", m.muscle_percentage)
        .maybe("muscle_mass", m.muscle_mass)
        .maybe("fat_free_mass", m.fat_free_mass)
        .maybe("soft_lean_mass", m.soft_lean_mass)
        .maybe("body_water_mass", m.body_water_mass)
        .maybe("impedance", m.impedance)
        .maybe("weight", m.weight)
        .maybe("height", m.height)
        .put("multiple_packet", m.is_multiple_packet())
        .reserved(m.flags & BodyCompositionMeasurement::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

fn plx_measurement_status(flags: Flags) -> Json {
    reserved_status(flags, measurement_status::RESERVED)
}

fn plx_device_status(flags: Flags) -> Json {
    reserved_status(flags, device_status::RESERVED)
}

fn plx_status(fields: Fields, m: &PlxStatus) -> Fields {
    fields
        .maybe("measurement_status", m.measurement_status.map(plx_measurement_status))
        .maybe("device_sensor_status", m.device_sensor_status.map(plx_device_status))
        .maybe("pulse_amplitude_index", m.pulse_amplitude_index)
}

pub(super) fn plx_spot_check(m: &PlxSpotCheck<'_>) -> Json {
    let fields = Fields::new()
        .put("flags", m.flags)
        .put("spo2", m.normal.spo2)
        .put("pulse_rate", m.normal.pulse_rate)
        .maybe("timestamp", m.timestamp);
    plx_status(fields, &m.status)
        .put("device_clock_not_set", m.clock_not_set())
        .reserved(m.flags & PlxSpotCheck::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

pub(super) fn plx_continuous(m: &PlxContinuous<'_>) -> Json {
    let fields = Fields::new()
        .put("flags", m.flags)
        .put("spo2", m.normal.spo2)
        .put("pulse_rate", m.normal.pulse_rate)
        .maybe("spo2_fast", m.fast.map(|pair| pair.spo2))
        .maybe("pulse_rate_fast", m.fast.map(|pair| pair.pulse_rate))
        .maybe("spo2_slow", m.slow.map(|pair| pair.spo2))
        .maybe("pulse_rate_slow", m.slow.map(|pair| pair.pulse_rate));
    plx_status(fields, &m.status)
        .reserved(m.flags & PlxContinuous::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

pub(super) fn plx_features(m: &PlxFeatures<'_>) -> Json {
    let status = m.measurement_status_support.map(plx_measurement_status);
    let device = m.device_sensor_status_support.map(plx_device_status);
    super::supported(m.supported)
        .maybe("measurement_status_support", status)
        .maybe("device_sensor_status_support", device)
        .reserved(m.reserved)
        .additional(m.additional)
        .done()
}

pub(super) fn temperature(m: &TemperatureMeasurement<'_>) -> Json {
    let fahrenheit = m.temperature.unit == Unit::Fahrenheit;
    let celsius = m.temperature.decimal().filter(|_| fahrenheit).map(celsius);
    Fields::new()
        .put("flags", m.flags)
        .put("temperature", number_fields(m.temperature).maybe("celsius", celsius))
        .maybe("timestamp", m.timestamp)
        .maybe("temperature_type", m.temperature_type)
        .reserved(m.flags & TemperatureMeasurement::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

/// (F - 32) * 5 / 9 with at most four places, rounded half away from zero; `null` for numbers no
/// temperature has (beyond 30 places or digits).
fn celsius(fahrenheit: Decimal) -> Json {
    let exact = || {
        let power = 10_i128.checked_pow(u32::from(fahrenheit.exponent.unsigned_abs()))?;
        let mantissa = i128::from(fahrenheit.mantissa);
        let (value, scale) = if fahrenheit.exponent < 0 {
            (mantissa, power)
        } else {
            (mantissa.checked_mul(power)?, 1)
        };
        let above_freezing = value.checked_sub(scale.checked_mul(32)?)?;
        let (n, d) = (above_freezing.checked_mul(50_000)?, scale.checked_mul(9)?);
        let half = if n < 0 { -(d / 2) } else { d / 2 };
        Some(n.checked_add(half)? / d)
    };
    exact().map_or(Json::Null, |ten_thousandths| fixed(ten_thousandths, 4))
}

pub(super) fn heart_rate(m: &HeartRateMeasurement<'_>) -> Json {
    let with_unit =
        |value: u16, unit: &'static str| Fields::new().put("value", value).put("unit", unit);
    let raw = m.rr_intervals_1024().map(|all| all.map(Json::from).collect::<Vec<_>>());
    let ms = m.rr_intervals_1024().map(|all| all.map(rr_milliseconds).collect::<Vec<_>>());
    Fields::new()
        .put("flags", m.flags)
        .put("heart_rate", with_unit(m.heart_rate, "/min"))
        .put("sensor_contact", m.sensor_contact.as_str())
        .maybe("energy_expended", m.energy_expended.map(|energy| with_unit(energy, "kJ")))
        .maybe("rr_intervals_raw_1024", raw)
        .maybe("rr_intervals_ms", ms)
        .reserved(m.flags & HeartRateMeasurement::RESERVED_FLAGS)
        .additional(m.additional)
        .done()
}

/// raw * 1000 / 1024 with four places. A tie goes to the even digit, as in the golden vectors,
/// which were made by a language that rounds so; nothing is stored from it.
fn rr_milliseconds(raw: u16) -> Json {
    let eighths = i128::from(raw) * 78_125;
    let (down, rest) = (eighths / 8, eighths % 8);
    let up = rest > 4 || (rest == 4 && down % 2 == 1);
    fixed(down + i128::from(up), 4)
}
