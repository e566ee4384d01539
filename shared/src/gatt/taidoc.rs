//! TaiDoc and Fora: frames of eight octets over a service of their own, and what they say.
//!
//! | offset | octets | field |
//! |---|---|---|
//! | 0 | 1 | 0x51 |
//! | 1 | 1 | command |
//! | 2 | 4 | data |
//! | 6 | 1 | 0xA3 asked, 0xA5 answered |
//! | 7 | 1 | sum of the seven octets before |
//!
//! | command | data asked | data answered |
//! |---|---|---|
//! | 0x23 clock, 0x33 set clock | - / clock | clock |
//! | 0x24 model | - | four decimal digits as BCD, low octet first; two octets |
//! | 0x2B count | - | uint16; two octets |
//! | 0x25 time of a record | index uint16, 0 the newest | clock |
//! | 0x26 value of a record | the same | by kind, see [`Record::readings`] |
//!
//! Clock: uint16 of year since 2000 (7 bits), month (4), day (5); minute (6 bits), hour (5 bits); no
//! seconds. From public sources (glucometerutils, TransafeRx, advmeds-bluetooth-lib); the
//! commands that clear a memory (0x52) or switch off (0x50) are not spoken.

use heapless::Vec;

use super::DateTime;
use super::date_time::Parts;
use crate::observation::{Absent, DisplayUnit, Marks, MealContext, Quantity, Reading, Value};
use crate::units::{Decimal, Glucose, Pressure, Rate, Temperature};

/// Octets of a frame.
pub const FRAME: usize = 8;
/// Octets of a stored record as it is journalled: model, time frame, value frame.
pub const RECORD: usize = 18;
const START: u8 = 0x51;
const ASKED: u8 = 0xA3;
const ANSWERED: u8 = 0xA5;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command {
    Clock = 0x23,
    Model = 0x24,
    RecordTime = 0x25,
    RecordValue = 0x26,
    Count = 0x2B,
    SetClock = 0x33,
}

impl Command {
    const fn code(self) -> u8 {
        match self {
            Self::Clock => 0x23,
            Self::Model => 0x24,
            Self::RecordTime => 0x25,
            Self::RecordValue => 0x26,
            Self::Count => 0x2B,
            Self::SetClock => 0x33,
        }
    }
}

fn sum(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |sum, octet| sum.wrapping_add(*octet))
}

fn frame(command: Command, [a, b, c, d]: [u8; 4], direction: u8) -> [u8; FRAME] {
    let code = command.code();
    let sum = sum(&[START, code, a, b, c, d, direction]);
    [START, code, a, b, c, d, direction, sum]
}

/// The frame that asks. Worked value: the count is `51 2B 00 00 00 00 A3 1F`.
pub fn request(command: Command, data: [u8; 4]) -> [u8; FRAME] {
    frame(command, data, ASKED)
}

/// The frame that answers, as a simulated meter sends it.
pub fn response(command: Command, data: [u8; 4]) -> [u8; FRAME] {
    frame(command, data, ANSWERED)
}

/// The data of an answer to `command`; `None`: it is none, or it is damaged.
pub fn answer(command: Command, octets: &[u8]) -> Option<[u8; 4]> {
    let [_, _, a, b, c, d, _, _] = <[u8; FRAME]>::try_from(octets).ok()?;
    (octets == response(command, [a, b, c, d])).then_some([a, b, c, d])
}

/// What a clock, or the time of a record, shows; `None`: no calendar has it.
pub fn time([low, high, minute, hour]: [u8; 4]) -> Option<DateTime> {
    let day = u16::from_le_bytes([low, high]);
    let part = |shift: u32, mask: u16| u8::try_from((day >> shift) & mask).ok();
    DateTime::new(Parts {
        year: (day >> 9).checked_add(2000)?,
        month: part(5, 0x0F)?,
        day: part(0, 0x1F)?,
        // The upper bits are flags on some models.
        hour: hour & 0x1F,
        minute: minute & 0x3F,
        second: 0,
    })
    .filter(|time| time.is_complete())
}

/// The data that sets a clock; `None` outside 2000 to 2127.
pub fn clock(time: DateTime) -> Option<[u8; 4]> {
    let year = time.year()?.checked_sub(2000).filter(|year| *year < 128)?;
    let day = year << 9 | u16::from(time.month()?) << 5 | u16::from(time.day()?);
    let [low, high] = day.to_le_bytes();
    Some([low, high, time.minute(), time.hour()])
}

/// A stored record, as it is journalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Model as BCD: 0x4255 is TD-4255.
    pub model: u16,
    /// When, by its clock.
    pub time: Option<DateTime>,
    value: [u8; 4],
}

impl Record {
    /// Takes the octets of a journalled record apart; `None`: they are none, or damaged.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let (model, rest) = octets.split_first_chunk::<2>()?;
        let (time_frame, value_frame) = rest.split_first_chunk::<FRAME>()?;
        Some(Self {
            model: u16::from_le_bytes(*model),
            time: time(answer(Command::RecordTime, time_frame)?),
            value: answer(Command::RecordValue, value_frame)?,
        })
    }

    /// Its readings; empty for a kind of device that is not known here.
    ///
    /// | model | value |
    /// |---|---|
    /// | TD-4… glucose | mg/dL uint16, -, kind in bits 2 to 5 (0 glucose), meal in 6 and 7 |
    /// | TD-3… pressure | systolic, -, diastolic, pulse |
    /// | TD-1… temperature | 0.1 °C, from 1000 on 0.01 °C |
    pub fn readings(&self) -> Vec<Reading, 2> {
        let [a, b, c, d] = self.value;
        let word = i32::from(u16::from_le_bytes([a, b]));
        let mut out = Vec::new();
        let mut push = |quantity, value: Result<Value, Absent>, unit, meal| {
            let reading = Reading { quantity, value, unit, marks: Marks::default(), meal };
            let pushed = out.push(reading);
            debug_assert!(pushed.is_ok());
        };
        let whole = |octet: u8| Decimal::new(i32::from(octet), 0);
        match self.model >> 12 {
            4 => {
                let meal = match d >> 6 {
                    1 => Some(MealContext::Preprandial),
                    2 => Some(MealContext::Postprandial),
                    _ => None,
                };
                let value = match (d >> 2 & 0x0F, word) {
                    (0, 0) => Err(Absent::MeasurementFailed),
                    (0, _) => Glucose::from_mg_per_dl(Decimal::new(word, 0))
                        .map(Value::Glucose)
                        .ok_or(Absent::Reserved),
                    _ => Err(Absent::OtherAnalyte),
                };
                push(Quantity::Glucose, value, DisplayUnit::MgPerDl, meal);
            }
            3 => {
                let pressure = |octet| Pressure::from_mmhg(whole(octet)).filter(|_| octet > 0);
                let value = match (pressure(a), pressure(c)) {
                    (Some(systolic), Some(diastolic)) => {
                        Ok(Value::BloodPressure { systolic, diastolic, mean: None })
                    }
                    _ => Err(Absent::MeasurementFailed),
                };
                push(Quantity::BloodPressure, value, DisplayUnit::MmHg, None);
                let rate = Rate::from_per_minute(whole(d)).filter(|_| d > 0).map(Value::Rate);
                let rate = rate.ok_or(Absent::MeasurementFailed);
                push(Quantity::PulseRate, rate, DisplayUnit::PerMinute, None);
            }
            1 => {
                let exponent = if word >= 1000 { -2 } else { -1 };
                let value = Temperature::from_celsius(Decimal::new(word, exponent));
                let value = value.map(Value::Temperature).ok_or(Absent::MeasurementFailed);
                push(Quantity::Temperature, value, DisplayUnit::Celsius, None);
            }
            _ => {}
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn record(model: u16, value: [u8; 4]) -> Record {
        let time = clock(
            DateTime::new(Parts { year: 2026, month: 5, day: 12, hour: 18, minute: 50, second: 0 })
                .unwrap(),
        );
        let mut octets: Vec<u8, RECORD> = Vec::new();
        octets.extend_from_slice(&model.to_le_bytes()).unwrap();
        octets.extend_from_slice(&response(Command::RecordTime, time.unwrap())).unwrap();
        octets.extend_from_slice(&response(Command::RecordValue, value)).unwrap();
        Record::read(&octets).unwrap()
    }

    #[test]
    fn frames_are_those_of_public_captures() {
        assert_eq!(request(Command::Count, [0; 4]), [0x51, 0x2B, 0, 0, 0, 0, 0xA3, 0x1F]);
        assert_eq!(request(Command::Clock, [0; 4]), [0x51, 0x23, 0, 0, 0, 0, 0xA3, 0x17]);
        assert_eq!(
            request(Command::RecordTime, [0, 0, 1, 0]),
            [0x51, 0x25, 0, 0, 1, 0, 0xA3, 0x1A]
        );
        let mut damaged = response(Command::Count, [7, 0, 0, 0]);
        assert_eq!(answer(Command::Count, &damaged), Some([7, 0, 0, 0]));
        assert_eq!(answer(Command::Clock, &damaged), None);
        damaged[2] = 8;
        assert_eq!(answer(Command::Count, &damaged), None);
        assert_eq!(answer(Command::Count, &damaged[..7]), None);
    }

    #[test]
    fn every_minute_of_a_clock_comes_back() {
        for seconds in (946_684_800..4_986_000_000_i64).step_by(7_777 * 60) {
            let seconds = seconds.div_euclid(60) * 60;
            let time_of = DateTime::from_local_seconds(seconds).unwrap();
            let Some(data) = clock(time_of) else {
                assert!(time_of.year().unwrap() > 2127);
                continue;
            };
            assert_eq!(time(data), Some(time_of));
        }
        assert_eq!(time([0, 0, 0, 0]), None);
    }

    #[test]
    fn values_are_read_by_the_kind_of_the_model() {
        let glucose = record(0x4255, [0x65, 0, 0, 0x40]);
        assert_eq!(glucose.time.unwrap().local_seconds(), Some(1_778_611_800));
        let reading = glucose.readings()[0];
        assert_eq!(reading.meal, Some(MealContext::Preprandial));
        let Ok(Value::Glucose(value)) = reading.value else { panic!("{reading:?}") };
        assert_eq!(value.mg_per_dl(), 101);
        // Kind 7: ketone.
        let ketone = record(0x4255, [0x24, 0, 0, 0x1C]).readings()[0];
        assert_eq!(ketone.value, Err(Absent::OtherAnalyte));

        let readings = record(0x3128, [128, 0, 82, 64]).readings();
        let Ok(Value::BloodPressure { systolic, diastolic, .. }) = readings[0].value else {
            panic!("{readings:?}")
        };
        assert_eq!((systolic.mmhg(), diastolic.mmhg()), (128, 82));
        assert!(
            matches!(readings[1].value, Ok(Value::Rate(rate)) if rate.tenths_per_minute() == 640)
        );

        for (raw, milli) in [(366_u16, 36_600), (3664, 36_640)] {
            let [low, high] = raw.to_le_bytes();
            let reading = record(0x1261, [low, high, 0, 0]).readings()[0];
            assert!(
                matches!(reading.value, Ok(Value::Temperature(t)) if t.milli_celsius() == milli),
                "{reading:?}"
            );
        }
        assert!(record(0x8255, [97, 0, 0, 66]).readings().is_empty());
    }
}
