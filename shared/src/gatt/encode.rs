//! Values to octets: what a simulated meter, cuff or scale sends, and what a collector writes.
//!
//! Each encoder is the inverse of the decoder of the same characteristic; the tables stand there.
//! Numbers are [`Medfloat`]s; one that SFLOAT or FLOAT cannot hold gives `None`.

use heapless::Vec;

use super::medfloat::{to_float, to_sfloat};
use super::record_access::FilterValue;
use super::{DateTime, Medfloat};

/// Room for the longest value encoded here (2A34 with all fields: 17 octets).
pub const ENCODED_MAX: usize = 20;

/// The octets of one value; they fit an ATT payload of the default size.
pub type Encoded = Vec<u8, ENCODED_MAX>;

/// Octets in the making; a push that does not fit makes the whole value `None`.
struct Writer(Option<Encoded>);

impl Writer {
    fn new() -> Self {
        Self(Some(Encoded::new()))
    }

    fn octets(mut self, octets: &[u8]) -> Self {
        self.0 = self.0.and_then(|mut out| out.extend_from_slice(octets).ok().map(|()| out));
        self
    }

    fn u8(self, value: u8) -> Self {
        self.octets(&[value])
    }

    fn u16(self, value: u16) -> Self {
        self.octets(&value.to_le_bytes())
    }

    fn sfloat(self, value: Medfloat) -> Self {
        match to_sfloat(value) {
            Some(raw) => self.u16(raw),
            None => Self(None),
        }
    }

    fn float(self, value: Medfloat) -> Self {
        match to_float(value) {
            Some(raw) => self.octets(&raw.to_le_bytes()),
            None => Self(None),
        }
    }

    fn date_time(self, value: DateTime) -> Self {
        self.octets(&value.to_octets())
    }

    /// Writes `value` where there is one.
    fn maybe<T>(self, value: Option<T>, write: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => write(self, value),
            None => self,
        }
    }
}

/// A flag where something is present.
fn flag(present: bool, mask: u8) -> u8 {
    if present { mask } else { 0 }
}

/// A concentration with the unit a meter sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concentration {
    /// In kg/L: 119 mg/dL is 119e-5.
    KgPerL(Medfloat),
    /// In mol/L: 5.9 mmol/L is 59e-4.
    MolPerL(Medfloat),
}

/// A glucose record to send (2A18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct GlucoseRecord {
    pub sequence_number: u16,
    pub base_time: DateTime,
    pub time_offset_minutes: Option<i16>,
    /// Concentration, sample type and sample location (0..=15 each).
    pub concentration: Option<(Concentration, u8, u8)>,
    pub sensor_status: Option<u16>,
    pub context_follows: bool,
}

/// Octets of 2A18.
pub fn glucose_measurement(record: &GlucoseRecord) -> Option<Encoded> {
    let moles = matches!(record.concentration, Some((Concentration::MolPerL(_), _, _)));
    let flags = flag(record.time_offset_minutes.is_some(), 0x01)
        | flag(record.concentration.is_some(), 0x02)
        | flag(moles, 0x04)
        | flag(record.sensor_status.is_some(), 0x08)
        | flag(record.context_follows, 0x10);
    Writer::new()
        .u8(flags)
        .u16(record.sequence_number)
        .date_time(record.base_time)
        .maybe(record.time_offset_minutes, |w, offset| w.octets(&offset.to_le_bytes()))
        .maybe(record.concentration, |w, (concentration, sample_type, location)| {
            let (Concentration::KgPerL(value) | Concentration::MolPerL(value)) = concentration;
            w.sfloat(value).u8((sample_type & 0x0F) | (location << 4))
        })
        .maybe(record.sensor_status, Writer::u16)
        .0
}

/// A glucose context to send (2A34): the fields a simulated meter uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct GlucoseContextRecord {
    pub sequence_number: u16,
    /// Carbohydrate id and kilograms.
    pub carbohydrate: Option<(u8, Medfloat)>,
    pub meal: Option<u8>,
    /// Tester and health (0..=15 each).
    pub tester_and_health: Option<(u8, u8)>,
    /// Seconds and percent.
    pub exercise: Option<(u16, u8)>,
    /// Medication id and kilograms.
    pub medication: Option<(u8, Medfloat)>,
    pub hba1c_percent: Option<Medfloat>,
}

/// Octets of 2A34.
pub fn glucose_context(record: &GlucoseContextRecord) -> Option<Encoded> {
    let flags = flag(record.carbohydrate.is_some(), 0x01)
        | flag(record.meal.is_some(), 0x02)
        | flag(record.tester_and_health.is_some(), 0x04)
        | flag(record.exercise.is_some(), 0x08)
        | flag(record.medication.is_some(), 0x10)
        | flag(record.hba1c_percent.is_some(), 0x40);
    Writer::new()
        .u8(flags)
        .u16(record.sequence_number)
        .maybe(record.carbohydrate, |w, (id, kg)| w.u8(id).sfloat(kg))
        .maybe(record.meal, Writer::u8)
        .maybe(record.tester_and_health, |w, (tester, health)| {
            w.u8((tester & 0x0F) | (health << 4))
        })
        .maybe(record.exercise, |w, (seconds, percent)| w.u16(seconds).u8(percent))
        .maybe(record.medication, |w, (id, kg)| w.u8(id).sfloat(kg))
        .maybe(record.hba1c_percent, Writer::sfloat)
        .0
}

/// A cuff's result to send (2A35).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CuffRecord {
    /// Whether the pressures are in kPa instead of mmHg.
    pub kpa: bool,
    pub systolic: Medfloat,
    pub diastolic: Medfloat,
    pub mean_arterial_pressure: Medfloat,
    pub timestamp: Option<DateTime>,
    pub pulse_rate: Option<Medfloat>,
    pub user_id: Option<u8>,
    pub measurement_status: Option<u16>,
}

/// Octets of 2A35.
pub fn blood_pressure_measurement(record: &CuffRecord) -> Option<Encoded> {
    let flags = flag(record.kpa, 0x01)
        | flag(record.timestamp.is_some(), 0x02)
        | flag(record.pulse_rate.is_some(), 0x04)
        | flag(record.user_id.is_some(), 0x08)
        | flag(record.measurement_status.is_some(), 0x10);
    Writer::new()
        .u8(flags)
        .sfloat(record.systolic)
        .sfloat(record.diastolic)
        .sfloat(record.mean_arterial_pressure)
        .maybe(record.timestamp, Writer::date_time)
        .maybe(record.pulse_rate, Writer::sfloat)
        .maybe(record.user_id, Writer::u8)
        .maybe(record.measurement_status, Writer::u16)
        .0
}

/// A weighing to send (2A9D). Counts are 0.005 kg or 0.01 lb; 0xFFFF says unsuccessful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WeightRecord {
    /// Whether counts are pounds and inches.
    pub imperial: bool,
    pub weight_counts: u16,
    pub timestamp: Option<DateTime>,
    pub user_id: Option<u8>,
    /// Body mass index in 0.1 kg/m2 and height in 0.001 m or 0.1 in.
    pub bmi_and_height: Option<(u16, u16)>,
}

/// Octets of 2A9D.
pub fn weight_measurement(record: &WeightRecord) -> Option<Encoded> {
    let flags = flag(record.imperial, 0x01)
        | flag(record.timestamp.is_some(), 0x02)
        | flag(record.user_id.is_some(), 0x04)
        | flag(record.bmi_and_height.is_some(), 0x08);
    Writer::new()
        .u8(flags)
        .u16(record.weight_counts)
        .maybe(record.timestamp, Writer::date_time)
        .maybe(record.user_id, Writer::u8)
        .maybe(record.bmi_and_height, |w, (bmi, height)| w.u16(bmi).u16(height))
        .0
}

/// A temperature to send (2A1C).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TemperatureRecord {
    /// Whether the number is in degrees Fahrenheit.
    pub fahrenheit: bool,
    pub temperature: Medfloat,
    pub timestamp: Option<DateTime>,
    pub temperature_type: Option<u8>,
}

/// Octets of 2A1C.
pub fn temperature_measurement(record: &TemperatureRecord) -> Option<Encoded> {
    let flags = flag(record.fahrenheit, 0x01)
        | flag(record.timestamp.is_some(), 0x02)
        | flag(record.temperature_type.is_some(), 0x04);
    Writer::new()
        .u8(flags)
        .float(record.temperature)
        .maybe(record.timestamp, Writer::date_time)
        .maybe(record.temperature_type, Writer::u8)
        .0
}

/// A spot check to send (2A5E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SpotCheckRecord {
    pub spo2: Medfloat,
    pub pulse_rate: Medfloat,
    pub timestamp: Option<DateTime>,
    pub measurement_status: Option<u16>,
    /// The lower 24 bits.
    pub device_sensor_status: Option<u32>,
    pub pulse_amplitude_index: Option<Medfloat>,
    pub clock_not_set: bool,
}

/// Octets of 2A5E.
pub fn plx_spot_check(record: &SpotCheckRecord) -> Option<Encoded> {
    let flags = flag(record.timestamp.is_some(), 0x01)
        | flag(record.measurement_status.is_some(), 0x02)
        | flag(record.device_sensor_status.is_some(), 0x04)
        | flag(record.pulse_amplitude_index.is_some(), 0x08)
        | flag(record.clock_not_set, 0x10);
    Writer::new()
        .u8(flags)
        .sfloat(record.spo2)
        .sfloat(record.pulse_rate)
        .maybe(record.timestamp, Writer::date_time)
        .maybe(record.measurement_status, Writer::u16)
        .maybe(record.device_sensor_status, |w, status| {
            let [low, middle, high, _] = status.to_le_bytes();
            w.octets(&[low, middle, high])
        })
        .maybe(record.pulse_amplitude_index, Writer::sfloat)
        .0
}

/// Octets of 2A2B: what a collector writes to set a clock. `day_of_week` is 1 Monday to 7 Sunday,
/// 0 unknown; `adjust_reason` 0x01 manual, 0x02 external reference.
pub fn current_time(
    timestamp: DateTime,
    day_of_week: u8,
    fractions256: u8,
    adjust_reason: u8,
) -> [u8; 10] {
    let [a, b, c, d, e, f, g] = timestamp.to_octets();
    [a, b, c, d, e, f, g, day_of_week, fractions256, adjust_reason]
}

/// Which stored records a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// The oldest.
    First,
    /// The newest.
    Last,
    /// From this value upward.
    AtLeast(FilterValue),
    /// From the first value to the second, both included.
    Within(FilterValue, FilterValue),
}

/// A request to a record access control point (2A52). Deleting is not among them: the gateway
/// never deletes from a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordRequest {
    /// Send the records.
    Report(Which),
    /// Say how many there are.
    Count(Which),
    /// Stop what is going on.
    Abort,
}

/// Octets of a 2A52 request: from number 42 upward is `01 03 01 2A 00`.
pub fn record_access_request(request: RecordRequest) -> Option<Encoded> {
    let (op_code, which) = match request {
        RecordRequest::Report(which) => (1, which),
        RecordRequest::Count(which) => (4, which),
        RecordRequest::Abort => return Writer::new().octets(&[3, 0]).0,
    };
    let filter_type = |value| match value {
        FilterValue::Number(_) => 1,
        FilterValue::Time(_) => 2,
    };
    let filter = |w: Writer, value| match value {
        FilterValue::Number(number) => w.u16(number),
        FilterValue::Time(time) => w.date_time(time),
    };
    let writer = Writer::new().u8(op_code);
    match which {
        Which::All => writer.u8(1).0,
        Which::First => writer.u8(5).0,
        Which::Last => writer.u8(6).0,
        Which::AtLeast(value) => filter(writer.u8(3).u8(filter_type(value)), value).0,
        Which::Within(min, max) if filter_type(min) == filter_type(max) => {
            filter(filter(writer.u8(4).u8(filter_type(min)), min), max).0
        }
        Which::Within(..) => None,
    }
}

/// Octets of a 2A52 answer that a simulated meter sends: `06 00 request code`.
pub const fn record_access_response(request_op_code: u8, response_code: u8) -> [u8; 4] {
    [6, 0, request_op_code, response_code]
}

/// Octets of a 2A52 answer that a simulated meter sends: `05 00 count`.
pub const fn record_access_count(count: u16) -> [u8; 4] {
    let [low, high] = count.to_le_bytes();
    [5, 0, low, high]
}
