//! From a characteristic and its octets to one decoded value.

use super::blood_pressure::{self, BloodPressureMeasurement};
use super::body_composition::BodyCompositionMeasurement;
use super::cgm::{CgmFeature, CgmMeasurement, CgmSessionRun, CgmSessionStart, CgmStatus};
use super::cgm_control::CgmControlPoint;
use super::current_time::{
    self, CurrentTime, DstOffset, LocalTimeInformation, ReferenceTimeInformation, TimeZone,
};
use super::cursor::Cursor;
use super::enhanced_blood_pressure::{BloodPressureRecord, EnhancedBloodPressure};
use super::glucose::{Features, GlucoseMeasurement};
use super::glucose_context::GlucoseContext;
use super::heart_rate::{self, HeartRateMeasurement};
use super::pulse_oximeter::{PlxContinuous, PlxFeatures, PlxSpotCheck};
use super::record_access::RecordAccess;
use super::thermometer::{self, TemperatureMeasurement};
use super::user_data::{self, RegisteredUser, UserControlPoint};
use super::weight_scale::{ScaleFeatures, WeightMeasurement};
use super::{
    Characteristic, Code, Context, DateTime, DecodeError, Field, Number, Unit, UserId, VALUE_MAX,
    battery, names,
};
use crate::device::{Sequence, UserSlot};

/// The decoded value of one characteristic. Variable parts borrow from the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Measurement<'a> {
    Number(Number),
    Glucose(GlucoseMeasurement<'a>),
    GlucoseContext(GlucoseContext<'a>),
    GlucoseFeature(Features),
    RecordAccess(RecordAccess),
    BloodPressure(BloodPressureMeasurement<'a>),
    IntermediateCuffPressure(BloodPressureMeasurement<'a>),
    BloodPressureFeature(Features),
    EnhancedBloodPressure(EnhancedBloodPressure<'a>),
    BloodPressureRecord(BloodPressureRecord<'a>),
    Weight(WeightMeasurement<'a>),
    WeightScaleFeature(ScaleFeatures),
    BodyComposition(BodyCompositionMeasurement<'a>),
    BodyCompositionFeature(ScaleFeatures),
    UserIndex(UserId),
    ChangeIncrement(u32),
    UserControlPoint(UserControlPoint),
    RegisteredUser(RegisteredUser<'a>),
    PlxSpotCheck(PlxSpotCheck<'a>),
    PlxContinuous(PlxContinuous<'a>),
    PlxFeatures(PlxFeatures<'a>),
    Temperature(TemperatureMeasurement<'a>),
    IntermediateTemperature(TemperatureMeasurement<'a>),
    TemperatureType(Code),
    MeasurementInterval(u16),
    Cgm(CgmMeasurement<'a>),
    CgmFeature(CgmFeature),
    CgmStatus(CgmStatus),
    CgmSessionStart(CgmSessionStart),
    CgmSessionRun(CgmSessionRun),
    CgmControlPoint(CgmControlPoint),
    HeartRate(HeartRateMeasurement<'a>),
    BodyLocation(Code),
    CurrentTime(CurrentTime),
    DateTime(DateTime),
    TimeZone(TimeZone),
    DstOffset(DstOffset),
    LocalTimeInformation(LocalTimeInformation),
    ReferenceTimeInformation(ReferenceTimeInformation),
    BatteryLevel(u8),
}

/// Decodes the value of one characteristic, or says where its octets are wrong.
pub fn decode(
    characteristic: Characteristic,
    octets: &[u8],
    context: Context,
) -> Result<Measurement<'_>, DecodeError> {
    use {Characteristic as C, Measurement as M};
    if octets.len() > VALUE_MAX {
        let found = u16::try_from(octets.len()).unwrap_or(u16::MAX);
        return Err(DecodeError::BadLength { at: 0, found });
    }
    let c = Cursor::new(octets);
    Ok(match characteristic {
        C::Sfloat => M::Number(bare(c, 2)?),
        C::Float => M::Number(bare(c, 4)?),
        C::GlucoseMeasurement => M::Glucose(GlucoseMeasurement::decode(c)?),
        C::GlucoseMeasurementContext => M::GlucoseContext(GlucoseContext::decode(c)?),
        C::GlucoseFeature => {
            M::GlucoseFeature(Features::decode_u16(c, names::GLUCOSE_FEATURE, 0xF800)?)
        }
        C::RecordAccessControlPoint => M::RecordAccess(RecordAccess::decode(c)?),
        C::BloodPressureMeasurement => {
            M::BloodPressure(BloodPressureMeasurement::decode(c, blood_pressure::RESULT)?)
        }
        C::IntermediateCuffPressure => M::IntermediateCuffPressure(
            BloodPressureMeasurement::decode(c, blood_pressure::INTERMEDIATE)?,
        ),
        C::BloodPressureFeature => {
            M::BloodPressureFeature(Features::decode_u16(c, names::BLOOD_PRESSURE_FEATURE, 0xFE00)?)
        }
        C::EnhancedBloodPressureMeasurement => {
            M::EnhancedBloodPressure(EnhancedBloodPressure::decode_result(c)?)
        }
        C::EnhancedIntermediateCuffPressure => {
            M::EnhancedBloodPressure(EnhancedBloodPressure::decode_intermediate(c)?)
        }
        C::BloodPressureRecord => M::BloodPressureRecord(BloodPressureRecord::decode(c)?),
        C::WeightMeasurement => M::Weight(WeightMeasurement::decode(c)?),
        C::WeightScaleFeature => M::WeightScaleFeature(ScaleFeatures::decode_weight_scale(c)?),
        C::BodyCompositionMeasurement => M::BodyComposition(BodyCompositionMeasurement::decode(c)?),
        C::BodyCompositionFeature => {
            M::BodyCompositionFeature(ScaleFeatures::decode_body_composition(c)?)
        }
        C::UserIndex => M::UserIndex(user_data::user_index(c)?),
        C::DatabaseChangeIncrement => M::ChangeIncrement(user_data::change_increment(c)?),
        C::UserControlPoint => M::UserControlPoint(UserControlPoint::decode(c)?),
        C::RegisteredUser => M::RegisteredUser(RegisteredUser::decode(c)?),
        C::PlxSpotCheckMeasurement => M::PlxSpotCheck(PlxSpotCheck::decode(c)?),
        C::PlxContinuousMeasurement => M::PlxContinuous(PlxContinuous::decode(c)?),
        C::PlxFeatures => M::PlxFeatures(PlxFeatures::decode(c)?),
        C::TemperatureMeasurement => M::Temperature(TemperatureMeasurement::decode(c)?),
        C::IntermediateTemperature => {
            M::IntermediateTemperature(TemperatureMeasurement::decode(c)?)
        }
        C::TemperatureType => M::TemperatureType(thermometer::temperature_type(c)?),
        C::MeasurementInterval => M::MeasurementInterval(thermometer::measurement_interval(c)?),
        C::CgmMeasurement => M::Cgm(CgmMeasurement::decode(octets, context)?),
        C::CgmFeature => M::CgmFeature(CgmFeature::decode(octets)?),
        C::CgmStatus => M::CgmStatus(CgmStatus::decode(octets, context)?),
        C::CgmSessionStartTime => M::CgmSessionStart(CgmSessionStart::decode(octets, context)?),
        C::CgmSessionRunTime => M::CgmSessionRun(CgmSessionRun::decode(octets, context)?),
        C::CgmSpecificOpsControlPoint => {
            M::CgmControlPoint(CgmControlPoint::decode(octets, context)?)
        }
        C::HeartRateMeasurement => M::HeartRate(HeartRateMeasurement::decode(c)?),
        C::BodySensorLocation => M::BodyLocation(heart_rate::body_location(c)?),
        C::CurrentTime => M::CurrentTime(CurrentTime::decode(c)?),
        C::DateTime => M::DateTime(current_time::date_time(c)?),
        C::TimeZone => M::TimeZone(TimeZone::decode(c)?),
        C::DstOffset => M::DstOffset(DstOffset::decode(c)?),
        C::LocalTimeInformation => M::LocalTimeInformation(LocalTimeInformation::decode(c)?),
        C::ReferenceTimeInformation => {
            M::ReferenceTimeInformation(ReferenceTimeInformation::decode(c)?)
        }
        C::BatteryLevel => M::BatteryLevel(battery::level_percent(c)?),
    })
}

/// [`decode`] by 16-bit UUID.
pub fn decode_uuid16(
    uuid16: u16,
    octets: &[u8],
    context: Context,
) -> Result<Measurement<'_>, DecodeError> {
    match Characteristic::from_uuid16(uuid16) {
        Some(characteristic) => decode(characteristic, octets, context),
        None => Err(DecodeError::UnknownCharacteristic { uuid16 }),
    }
}

/// A medical float of two or four octets and nothing else.
fn bare(mut c: Cursor<'_>, length: u16) -> Result<Number, DecodeError> {
    c.at_most(length)?;
    let value = if length == 2 { c.sfloat(Field::Number)? } else { c.float(Field::Number)? };
    Ok(Number { value, unit: Unit::None })
}

/// The time stamp as sent, without the offset and perhaps with unknown parts: what identifies a
/// record. Values without a stamp of their own give `None`.
pub fn base_time(measurement: &Measurement<'_>) -> Option<DateTime> {
    match measurement {
        Measurement::Glucose(m) => Some(m.base_time),
        Measurement::BloodPressure(m) | Measurement::IntermediateCuffPressure(m) => m.timestamp,
        Measurement::EnhancedBloodPressure(m) => m.timestamp?.date_time(),
        Measurement::Weight(m) => m.timestamp,
        Measurement::BodyComposition(m) => m.timestamp,
        Measurement::PlxSpotCheck(m) => m.timestamp,
        Measurement::Temperature(m) | Measurement::IntermediateTemperature(m) => m.timestamp,
        Measurement::CgmSessionStart(m) => Some(m.start),
        Measurement::CurrentTime(m) => Some(m.timestamp),
        Measurement::DateTime(m) => Some(*m),
        _ => None,
    }
}

/// What the device's clock showed its user: base time plus offset, or the user-facing time. `None`
/// without a stamp, with an unknown part, with an unusable offset, or when the device says that
/// its clock is not set. It has no zone.
pub fn device_time(measurement: &Measurement<'_>) -> Option<DateTime> {
    match measurement {
        Measurement::Glucose(m) => m.measurement_time(),
        Measurement::EnhancedBloodPressure(m) => {
            m.user_facing_time.or(m.timestamp).and_then(|time| time.date_time())
        }
        Measurement::PlxSpotCheck(m) if m.clock_not_set() => None,
        other => base_time(other).filter(|time| time.is_complete()),
    }
}

/// The glucose record's offset in minutes as sent, over- and underrun included.
pub fn time_offset_minutes(measurement: &Measurement<'_>) -> Option<i16> {
    match measurement {
        Measurement::Glucose(m) => m.time_offset_minutes,
        _ => None,
    }
}

/// The record number, where the device gives one.
pub fn sequence(measurement: &Measurement<'_>) -> Option<Sequence> {
    match measurement {
        Measurement::Glucose(m) => Some(Sequence(m.sequence_number)),
        Measurement::GlucoseContext(m) => Some(Sequence(m.sequence_number)),
        Measurement::BloodPressureRecord(m) => Some(Sequence(m.sequence_number)),
        _ => None,
    }
}

/// The slot of the device's user, where it names one; "unknown user" is `None`.
pub fn user_slot(measurement: &Measurement<'_>) -> Option<UserSlot> {
    let id = match measurement {
        Measurement::BloodPressure(m) | Measurement::IntermediateCuffPressure(m) => m.user_id,
        Measurement::EnhancedBloodPressure(m) => m.user_id,
        Measurement::Weight(m) => m.user_id,
        Measurement::BodyComposition(m) => m.user_id,
        _ => None,
    };
    id.filter(|id| !id.is_unknown()).map(|id| UserSlot(id.0))
}
