//! A payload, of the air or of a file, in one form: readings with their stamps, or what else it
//! says.

use hearth_shared::assess::plausibility::{self, Plausibility};
use hearth_shared::device::{Sequence, UserSlot};
use hearth_shared::gatt::quirk::{self, Mended, Quirk};
use hearth_shared::gatt::{self, Context, DateTime, DecodeError, Measurement, taidoc};
use hearth_shared::observation::{Absent, DisplayUnit, Marks, MealContext, Quantity, Reading};

use super::{Payload, VendorProtocol};
use crate::replay::line::{self, LineTime};
use crate::store::observation::Standing;

/// The meal code, reserved in the standard, by which CareSens meters mark a record of ketone.
const MEAL_KETONE: u8 = 6;
/// Minutes of a sensor's first day: A9.
const SETTLING_MINUTES: u16 = 24 * 60;

/// The time a payload gives for a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// None, or none that can be used.
    None,
    /// What the device's clock showed: seconds since 1970 of that clock, without a zone.
    Local(i64),
    /// Seconds since the epoch.
    Utc(i64),
}

/// Who used the device, as far as the device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It says nothing.
    Unsaid,
    /// It says that it does not know (0xFF).
    Unknown,
    /// One of its slots.
    Known(UserSlot),
}

/// One value of a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Place within the payload.
    pub place: u8,
    /// The reading and how plausible it is, or why this value is quarantined.
    pub reading: Result<(Reading, Standing), Refused>,
    /// When it was measured.
    pub stamp: Stamp,
    /// The same as text, as the device gave it.
    pub device_time: Option<String>,
}

/// A value that cannot be.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// What was measured, without the value.
    pub reading: Reading,
    /// Why it is quarantined: a word, a colon, a plain sentence.
    pub reason: String,
}

/// What a payload says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// At least one value, perhaps quarantined.
    Readings {
        /// The values in the order of the payload.
        parts: Vec<Part>,
        /// The device's user.
        slot: Slot,
        /// The record number.
        sequence: Option<Sequence>,
        /// The stamp as sent, before any offset: what identifies the record.
        base_time: Option<String>,
        /// Only its circumstances, which follow, tell whether it is glucose at all.
        awaits_context: bool,
    },
    /// Circumstances of a glucose record that came or comes by itself (2A34).
    Meal {
        /// The record they belong to.
        sequence: Sequence,
        /// The meal, where it says so.
        meal: Option<MealContext>,
        /// The record is one of ketone.
        ketone: bool,
    },
    /// Battery, percent.
    Battery(u8),
    /// Start of a sensor session (2AAA): readings count minutes from here.
    SessionStart(SessionStart),
    /// How many records the device holds.
    Records(u32),
    /// Features, control points, clocks, notes: nothing to keep beside the octets.
    Nothing,
}

/// Start of a sensor session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStart {
    /// The clock face, seconds since 1970 of that clock.
    pub local_s: i64,
    /// The same in UTC, where zone and daylight saving are known.
    pub utc_s: Option<i64>,
}

/// Says what a payload means. `session` is the start of the sensor's session, where one is known;
/// `quirks` are those of the device's model.
///
/// # Errors
/// Why the payload is quarantined: a word for the kind, a colon, a plain sentence.
pub fn decode(
    payload: &Payload,
    session: Option<SessionStart>,
    quirks: &[Quirk],
) -> Result<Content, String> {
    match payload {
        Payload::Gatt { characteristic, octets } => {
            let mended = mended(*characteristic, octets, quirks)?;
            let (characteristic, octets) = match &mended {
                Some((characteristic, octets)) => (*characteristic, octets.as_slice()),
                None => (*characteristic, octets.as_slice()),
            };
            let measurement = gatt::decode_uuid16(characteristic, octets, Context::default())
                .map_err(|e| refusal(characteristic, e))?;
            let mut content = from_measurement(&measurement, session);
            if quirks.contains(&Quirk::CaresensKetone) {
                mark_ketone(&measurement, &mut content);
            }
            Ok(content)
        }
        Payload::Line { format, octets } => {
            let line = line::decode(*format, octets).map_err(|e| format!("line: {e}"))?;
            Ok(from_line(&line))
        }
        Payload::Vendor { protocol: VendorProtocol::Taidoc, octets } => from_taidoc(octets, quirks),
    }
}

/// What the model's quirks make of a value; `None`: it stands as it was sent.
fn mended(
    characteristic: u16,
    octets: &[u8],
    quirks: &[Quirk],
) -> Result<Option<(u16, Vec<u8>)>, String> {
    let mut value = None;
    for quirk in quirks {
        let (characteristic, octets) = match &value {
            Some((characteristic, octets)) => (*characteristic, Vec::as_slice(octets)),
            None => (characteristic, octets),
        };
        match quirk.mend(characteristic, octets) {
            Mended::AsSent => {}
            Mended::As { characteristic, octets } => {
                value = Some((characteristic, octets.to_vec()))
            }
            Mended::Refused(why) => return Err(format!("{}: {why}", quirk.name())),
        }
    }
    Ok(value)
}

fn mark_ketone(measurement: &Measurement<'_>, content: &mut Content) {
    match (measurement, content) {
        (Measurement::Glucose(record), Content::Readings { awaits_context, .. }) => {
            *awaits_context = record.context_follows();
        }
        (Measurement::GlucoseContext(context), Content::Meal { ketone, .. }) => {
            *ketone = context.meal.is_some_and(|meal| meal.raw() == MEAL_KETONE);
        }
        _ => {}
    }
}

/// The same without its values: they are those of another analyte.
pub fn of_another_analyte(parts: &mut [Part]) {
    for part in parts {
        if let Ok((reading, standing)) = &mut part.reading {
            reading.value = Err(Absent::OtherAnalyte);
            *standing = Standing::Accepted;
        }
    }
}

fn refusal(characteristic: u16, error: DecodeError) -> String {
    let (at, octets) = error.span();
    match error {
        DecodeError::UnknownCharacteristic { .. } => {
            format!("unknown_characteristic: nothing decodes {characteristic:04X}")
        }
        _ => format!("{}: {characteristic:04X}, octet {at}, {octets} octets", error.kind()),
    }
}

fn from_measurement(m: &Measurement<'_>, session: Option<SessionStart>) -> Content {
    match m {
        Measurement::GlucoseContext(c) => Content::Meal {
            sequence: Sequence(c.sequence_number),
            meal: c.meal.and_then(|code| MealContext::from_code(code.raw())),
            ketone: false,
        },
        Measurement::BatteryLevel(percent) => Content::Battery(*percent),
        Measurement::CgmSessionStart(start) => match start.start.local_seconds() {
            Some(local_s) => {
                let utc_s = start.utc().and_then(DateTime::local_seconds);
                Content::SessionStart(SessionStart { local_s, utc_s })
            }
            None => Content::Nothing,
        },
        Measurement::RecordAccess(record) => records(record),
        _ => readings(m, session),
    }
}

fn records(record: &gatt::record_access::RecordAccess) -> Content {
    match record.operand {
        gatt::record_access::Operand::NumberOfRecords(count) => Content::Records(count),
        _ => Content::Nothing,
    }
}

fn readings(m: &Measurement<'_>, session: Option<SessionStart>) -> Content {
    let found = gatt::readings(m);
    if found.is_empty() {
        return Content::Nothing;
    }
    let time = gatt::device_time(m);
    let stamp = time.and_then(DateTime::local_seconds).map_or(Stamp::None, Stamp::Local);
    let text = time.map(face);
    let offsets: Vec<u16> = match m {
        Measurement::Cgm(cgm) => cgm.records().map(|r| r.time_offset_minutes).collect(),
        _ => Vec::new(),
    };
    let parts = found
        .iter()
        .enumerate()
        .map(|(place, reading)| {
            let (stamp, device_time) = match (offsets.get(place), session) {
                (Some(minutes), Some(start)) => after_start(start, *minutes),
                (Some(_), None) => (Stamp::None, None),
                (None, _) => (stamp, text.clone()),
            };
            Part {
                place: u8::try_from(place).unwrap_or(u8::MAX),
                reading: match reading {
                    Ok(reading) => judge(settling(*reading, offsets.get(place))),
                    Err(number) => Err(Refused {
                        reading: no_value(number.quantity),
                        reason: format!(
                            "impossible: {} of {} cannot be stored",
                            number.quantity.as_str(),
                            number.found
                        ),
                    }),
                },
                stamp,
                device_time,
            }
        })
        .collect();
    Content::Readings {
        parts,
        slot: slot(m),
        sequence: gatt::sequence(m),
        base_time: gatt::base_time(m).filter(|t| t.is_complete()).map(face),
        awaits_context: false,
    }
}

/// A sensor's first day is marked: it is still settling (A9). Such a value raises alarms as any
/// other and is never a reason to ask again by itself. The other artefact of A9, a fall at night that
/// comes back within the hour, is only known afterwards: `artefact` marks it then.
fn settling(mut reading: Reading, minutes: Option<&u16>) -> Reading {
    let early = minutes.is_some_and(|minutes| *minutes < SETTLING_MINUTES);
    if early && reading.quantity == Quantity::ContinuousGlucose {
        reading.marks.suspect = true;
    }
    reading
}

fn after_start(start: SessionStart, minutes: u16) -> (Stamp, Option<String>) {
    let offset = i64::from(minutes) * 60;
    let text = DateTime::from_local_seconds(start.local_s.saturating_add(offset)).map(face);
    let stamp = match start.utc_s {
        Some(utc) => Stamp::Utc(utc.saturating_add(offset)),
        None => Stamp::Local(start.local_s.saturating_add(offset)),
    };
    (stamp, text)
}

fn judge(reading: Reading) -> Result<(Reading, Standing), Refused> {
    let Ok(value) = &reading.value else { return Ok((reading, Standing::Accepted)) };
    match plausibility::judge(reading.quantity, value) {
        Plausibility::Accepted => Ok((reading, Standing::Accepted)),
        Plausibility::DangerousSide => Ok((reading, Standing::Dangerous)),
        Plausibility::HarmlessSide => Ok((reading, Standing::Harmless)),
        Plausibility::Impossible => {
            let quantity = reading.quantity.as_str();
            let reason = format!("impossible: no body has this {quantity}, or its unit is wrong");
            Err(Refused { reading: Reading { value: Err(Absent::NotIncluded), ..reading }, reason })
        }
    }
}

fn slot(m: &Measurement<'_>) -> Slot {
    let id = match m {
        Measurement::BloodPressure(m) => m.user_id,
        Measurement::EnhancedBloodPressure(m) => m.user_id,
        Measurement::Weight(m) => m.user_id,
        Measurement::BodyComposition(m) => m.user_id,
        _ => None,
    };
    match id {
        None => Slot::Unsaid,
        Some(id) if id.is_unknown() => Slot::Unknown,
        Some(id) => Slot::Known(UserSlot(id.0)),
    }
}

/// A clock face as text, ISO 8601 without a zone. Unknown parts are 0.
fn face(t: DateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        t.year().unwrap_or(0),
        t.month().unwrap_or(0),
        t.day().unwrap_or(0),
        t.hour(),
        t.minute(),
        t.second()
    )
}

fn from_line(line: &line::LineReading) -> Content {
    if line.readings.is_empty() {
        return Content::Nothing;
    }
    let stamp = match line.time {
        LineTime::Utc { seconds } => Stamp::Utc(seconds),
        other => other.local_seconds().map_or(Stamp::None, Stamp::Local),
    };
    let text = line.time.device_time();
    let parts = line
        .readings
        .iter()
        .zip(0_u8..)
        .map(|(reading, place)| Part {
            place,
            reading: judge(*reading),
            stamp,
            device_time: Some(text.clone()),
        })
        .collect();
    Content::Readings {
        parts,
        slot: Slot::Unsaid,
        sequence: None,
        base_time: Some(text),
        awaits_context: false,
    }
}

fn from_taidoc(octets: &[u8], quirks: &[Quirk]) -> Result<Content, String> {
    let damaged = || "taidoc: the frames of this record are damaged".to_owned();
    let record = taidoc::Record::read(octets).ok_or_else(damaged)?;
    if quirks.contains(&Quirk::Fora2037) && record.time.and_then(DateTime::year) == Some(2037) {
        return Err(format!("{}: {}", Quirk::Fora2037.name(), quirk::MADE_UP));
    }
    let readings = record.readings();
    if readings.is_empty() {
        return Err(format!("taidoc: nothing is known of the values of TD-{:04X}", record.model));
    }
    let text = record.time.map(face);
    let stamp = record.time.and_then(DateTime::local_seconds).map_or(Stamp::None, Stamp::Local);
    let parts = readings
        .iter()
        .zip(0_u8..)
        .map(|(reading, place)| Part {
            place,
            reading: judge(*reading),
            stamp,
            device_time: text.clone(),
        })
        .collect();
    Ok(Content::Readings {
        parts,
        slot: Slot::Unsaid,
        sequence: None,
        base_time: text,
        awaits_context: false,
    })
}

fn no_value(quantity: Quantity) -> Reading {
    Reading {
        quantity,
        value: Err(Absent::NotIncluded),
        unit: DisplayUnit::Percent,
        marks: Marks::default(),
        meal: None,
    }
}

/// Whether a rule of `clinical-rules` A10 watches this quantity.
pub const fn is_watched(quantity: Quantity) -> bool {
    !matches!(quantity, Quantity::HeartRate | Quantity::BodyFat)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_first_day_of_a_sensor_is_marked() {
        let start = SessionStart { local_s: 1_772_366_400, utc_s: None };
        for (minutes, session, marked) in [
            (0, Some(start), true),
            (1439, None, true),
            (1440, Some(start), false),
            (14_400, Some(start), false),
        ] {
            let [low, high] = u16::to_le_bytes(minutes);
            // 100 mg/dL.
            let octets = vec![6, 0, 100, 0, low, high];
            let payload = Payload::Gatt { characteristic: 0x2AA7, octets };
            let Ok(Content::Readings { parts, .. }) = decode(&payload, session, &[]) else {
                panic!("{minutes}: no readings");
            };
            let (reading, standing) = parts[0].reading.clone().ok().unwrap();
            assert_eq!(reading.marks, Marks { suspect: marked, ..Marks::default() }, "{minutes}");
            assert_eq!(standing, Standing::Accepted);
        }
    }
}
