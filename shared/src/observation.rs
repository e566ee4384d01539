//! The record everything revolves around: what was measured, or why there is no value.

use serde::{Deserialize, Serialize};

pub use crate::units::DisplayUnit;
use crate::units::{Glucose, Mass, Pressure, Rate, Saturation, Temperature};

/// What kind of quantity an observation is about. The discriminants are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Quantity {
    /// Capillary or plasma glucose from a meter (2A18).
    Glucose = 1,
    /// Interstitial glucose from a CGM sensor (2AA7).
    ContinuousGlucose = 2,
    /// Systolic and diastolic pressure with the mean where given (2A35, 2B34).
    BloodPressure = 3,
    /// Pulse at rest from a cuff or an oximeter.
    PulseRate = 4,
    /// Heart rate from a strap or watch (2A37); no resting rule applies to it.
    HeartRate = 5,
    /// Peripheral oxygen saturation (2A5E, 2A5F).
    Saturation = 6,
    /// Body temperature (2A1C).
    Temperature = 7,
    /// Body weight (2A9D, 2A9C).
    Weight = 8,
    /// Body fat as a share of body weight (2A9C).
    BodyFat = 9,
}

impl Quantity {
    /// All quantities in the order of their codes.
    pub const ALL: [Quantity; 9] = [
        Self::Glucose,
        Self::ContinuousGlucose,
        Self::BloodPressure,
        Self::PulseRate,
        Self::HeartRate,
        Self::Saturation,
        Self::Temperature,
        Self::Weight,
        Self::BodyFat,
    ];

    /// The word used in JSON, topics and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Glucose => "glucose",
            Self::ContinuousGlucose => "continuous_glucose",
            Self::BloodPressure => "blood_pressure",
            Self::PulseRate => "pulse_rate",
            Self::HeartRate => "heart_rate",
            Self::Saturation => "saturation",
            Self::Temperature => "temperature",
            Self::Weight => "weight",
            Self::BodyFat => "body_fat",
        }
    }

    /// The quantity with this stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|q| *q as u8 == code)
    }
}

/// A measured value in Hearth's fine integer units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Glucose of a meter or sensor.
    Glucose(Glucose),
    /// One inflation of a cuff.
    BloodPressure {
        /// Systolic pressure.
        systolic: Pressure,
        /// Diastolic pressure.
        diastolic: Pressure,
        /// Mean arterial pressure, where the device computed one.
        mean: Option<Pressure>,
    },
    /// Pulse or heart rate.
    Rate(Rate),
    /// Oxygen saturation, or body fat: a share in tenths of a percent.
    Saturation(Saturation),
    /// Body temperature.
    Temperature(Temperature),
    /// Body weight.
    Mass(Mass),
}

/// Why an observation has no value. The discriminants are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Absent {
    /// NaN: the device could not compute a value.
    NotANumber = 1,
    /// NRes: the value does not fit the device's resolution.
    NotAtResolution = 2,
    /// +INF, "HI": above the device's range. Rules rank it past the outermost limit.
    AboveRange = 3,
    /// -INF, "LO": below the device's range. Rules rank it past the outermost limit.
    BelowRange = 4,
    /// A code the specification reserves.
    Reserved = 5,
    /// The device says that the measurement failed (0xFFFF weight, failed inflation).
    MeasurementFailed = 6,
    /// Lost contact with skin or finger, sensor off or not attached.
    LostContact = 7,
    /// Control solution, demonstration or test data: nobody's body was measured.
    TestData = 8,
    /// The record carries no value at all (a glucose record without concentration).
    NotIncluded = 9,
    /// The octets mark another analyte (a ketone record in a glucose characteristic).
    OtherAnalyte = 10,
}

impl Absent {
    /// All reasons in the order of their codes.
    pub const ALL: [Absent; 10] = [
        Self::NotANumber,
        Self::NotAtResolution,
        Self::AboveRange,
        Self::BelowRange,
        Self::Reserved,
        Self::MeasurementFailed,
        Self::LostContact,
        Self::TestData,
        Self::NotIncluded,
        Self::OtherAnalyte,
    ];

    /// The word used in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotANumber => "not_a_number",
            Self::NotAtResolution => "not_at_resolution",
            Self::AboveRange => "above_range",
            Self::BelowRange => "below_range",
            Self::Reserved => "reserved",
            Self::MeasurementFailed => "measurement_failed",
            Self::LostContact => "lost_contact",
            Self::TestData => "test_data",
            Self::NotIncluded => "not_included",
            Self::OtherAnalyte => "other_analyte",
        }
    }

    /// The reason with this stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|a| *a as u8 == code)
    }
}

/// What the device or the decoder said about one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Marks {
    /// The device says that the value is bad (status bits): `clinical-rules` A9 *invalid*.
    pub invalid: bool,
    /// Something about the circumstances is doubtful (movement, loose cuff, low perfusion): A9
    /// *suspicious*; the patient is asked to measure again.
    pub suspect: bool,
    /// The value is still settling or intermediate and is no result.
    pub preliminary: bool,
    /// The device reported that its clock is not set or faulty.
    pub clock_fault: bool,
    /// The device's battery is low.
    pub battery_low: bool,
}

/// The circumstances of a glucose value, where the device or the file says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[allow(missing_docs)]
pub enum MealContext {
    Preprandial = 1,
    Postprandial = 2,
    Fasting = 3,
    Casual = 4,
    Bedtime = 5,
}

impl MealContext {
    /// All contexts in the order of their codes, which are those of 2A34 `meal`.
    pub const ALL: [MealContext; 5] =
        [Self::Preprandial, Self::Postprandial, Self::Fasting, Self::Casual, Self::Bedtime];

    /// The word used in JSON and as NI-1's `ctx`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preprandial => "preprandial",
            Self::Postprandial => "postprandial",
            Self::Fasting => "fasting",
            Self::Casual => "casual",
            Self::Bedtime => "bedtime",
        }
    }

    /// The context with this stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| *c as u8 == code)
    }
}

/// One quantity out of one decoded characteristic: a cuff yields a pressure and a pulse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What was measured.
    pub quantity: Quantity,
    /// The value, or why there is none.
    pub value: Result<Value, Absent>,
    /// The unit the device displayed.
    pub unit: DisplayUnit,
    /// What the device said about it.
    pub marks: Marks,
    /// Meal context, where known.
    pub meal: Option<MealContext>,
}
