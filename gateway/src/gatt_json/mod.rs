//! Decoded measurements as JSON and as lines for people.
//!
//! Field names are those of `bluetooth-profiles` sections 1 and 22. Numbers are exact decimals.

mod control;
mod table;
mod tree;
mod vitals;

use hearth_shared::gatt::current_time::{DstOffset, TimeZone};
use hearth_shared::gatt::glucose::Features;
use hearth_shared::gatt::weight_scale::{Resolution, ScaleFeatures};
use hearth_shared::gatt::{DateTime, Flags, Measurement};

pub use table::table;
pub use tree::Json;
use tree::{Fields, bit_names, iso};

/// All fields of a decoded measurement.
pub fn render(measurement: &Measurement<'_>) -> Json {
    use Measurement as M;
    match measurement {
        M::Number(m) => Json::from(*m),
        M::Glucose(m) => vitals::glucose(m),
        M::GlucoseContext(m) => vitals::glucose_context(m),
        M::GlucoseFeature(m) | M::BloodPressureFeature(m) => features(m),
        M::RecordAccess(m) => control::record_access(m),
        M::BloodPressure(m) => vitals::blood_pressure(m, vitals::RESULT),
        M::IntermediateCuffPressure(m) => vitals::blood_pressure(m, vitals::INTERMEDIATE),
        M::EnhancedBloodPressure(m) => vitals::enhanced_blood_pressure(m),
        M::BloodPressureRecord(m) => vitals::blood_pressure_record(m),
        M::Weight(m) => vitals::weight(m),
        M::WeightScaleFeature(m) => scale_features(m, "weight_resolution"),
        M::BodyComposition(m) => vitals::body_composition(m),
        M::BodyCompositionFeature(m) => scale_features(m, "mass_resolution"),
        M::UserIndex(m) => Json::from(*m),
        M::ChangeIncrement(m) => Fields::new().put("change_increment", *m).done(),
        M::UserControlPoint(m) => control::user_control_point(m),
        M::RegisteredUser(m) => Fields::new()
            .put("first_segment", m.segment.is_first())
            .put("last_segment", m.segment.is_last())
            .put("segment_counter", m.segment.counter())
            .put("user_index", m.user_index)
            .put("user_name", String::from_utf8_lossy(m.user_name).into_owned())
            .done(),
        M::PlxSpotCheck(m) => vitals::plx_spot_check(m),
        M::PlxContinuous(m) => vitals::plx_continuous(m),
        M::PlxFeatures(m) => vitals::plx_features(m),
        M::Temperature(m) | M::IntermediateTemperature(m) => vitals::temperature(m),
        M::TemperatureType(m) | M::BodyLocation(m) => Json::from(*m),
        M::MeasurementInterval(m) => Fields::new().put("interval_s", *m).done(),
        M::Cgm(m) => control::cgm_measurement(m),
        M::CgmFeature(m) => control::cgm_feature(m),
        M::CgmStatus(m) => control::cgm_status(m),
        M::CgmSessionStart(m) => control::cgm_session_start(m),
        M::CgmSessionRun(m) => {
            Fields::new().put("run_time_hours", m.run_time_hours).put("crc", m.crc.map(crc)).done()
        }
        M::CgmControlPoint(m) => control::cgm_control_point(m),
        M::HeartRate(m) => vitals::heart_rate(m),
        M::CurrentTime(m) => Fields::new()
            .put("timestamp", m.timestamp)
            .put("day_of_week", m.day_of_week.name())
            .put("fractions256", m.fractions256)
            .put("adjust_reason", bit_names(m.adjust_reason))
            .done(),
        M::DateTime(m) => Fields::new().put("timestamp", *m).done(),
        M::TimeZone(m) => time_zone(*m),
        M::DstOffset(m) => dst_offset(*m),
        M::LocalTimeInformation(m) => Fields::new()
            .put("time_zone", time_zone(m.time_zone))
            .put("dst_offset", dst_offset(m.dst_offset))
            .done(),
        M::ReferenceTimeInformation(m) => Fields::new()
            .put("source", m.source)
            .put("accuracy_eighths_s", m.accuracy)
            .put("days_since_update", m.days_since_update)
            .put("hours_since_update", m.hours_since_update)
            .done(),
        M::BatteryLevel(m) => Fields::new().put("level_percent", *m).done(),
    }
}

fn supported(flags: Flags) -> Fields {
    Fields::new().put("raw", flags.raw()).put("supported", bit_names(flags))
}

fn features(m: &Features) -> Json {
    supported(m.supported).reserved(m.reserved).done()
}

fn scale_features(m: &ScaleFeatures, mass: &'static str) -> Json {
    let height = resolution(m.height_resolution_code, m.height_resolution(), ("m", "in"));
    supported(m.supported)
        .put(mass, resolution(m.mass_resolution_code, m.mass_resolution(), ("kg", "lb")))
        .put("height_resolution", height)
        .reserved(m.reserved)
        .done()
}

fn resolution(code: u8, known: Resolution, names: (&'static str, &'static str)) -> Json {
    let fields = Fields::new().put("code", code);
    match known {
        Resolution::Unspecified => fields.put(names.0, Json::Null).put(names.1, Json::Null),
        Resolution::Known { si, imperial } => fields.put(names.0, si).put(names.1, imperial),
        Resolution::Reserved => fields.put("reserved", true),
    }
    .done()
}

fn crc(value: u16) -> String {
    format!("0x{value:04X}")
}

fn time_zone(zone: TimeZone) -> Json {
    offset(Json::from(zone.raw()), zone.minutes())
}

fn dst_offset(dst: DstOffset) -> Json {
    offset(Json::from(dst.raw()), dst.minutes())
}

fn offset(raw: Json, minutes: Option<i16>) -> Json {
    Fields::new().put("raw", raw).put("unknown", minutes.is_none()).put("minutes", minutes).done()
}

fn utc(time: DateTime) -> Option<String> {
    iso(time).map(|text| text + "Z")
}
