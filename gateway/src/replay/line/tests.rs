#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use hearth_shared::observation::{Absent, MealContext, Quantity, Value};
use proptest::prelude::*;

use super::{LineError, LineReading, LineTime, Note, decode};
use crate::intake::LineFormat;

/// The line in a few words: time, subject, values in stored units, notes; or the error.
fn said(format: LineFormat, line: &str) -> String {
    match decode(format, line.as_bytes()) {
        Ok(read) => words(&read),
        Err(error) => error.to_string(),
    }
}

fn words(read: &LineReading) -> String {
    let mut parts = vec![read.time.device_time()];
    parts.extend(read.subject.clone());
    for reading in &read.readings {
        let value = match reading.value {
            Err(why) => why.as_str().to_owned(),
            Ok(Value::Glucose(g)) => format!("{} umol/L", g.umol_per_l()),
            Ok(Value::BloodPressure { systolic, diastolic, mean }) => {
                let mean = mean.map_or(String::new(), |m| format!("/{}", m.pascals()));
                format!("{}/{}{mean} Pa", systolic.pascals(), diastolic.pascals())
            }
            Ok(Value::Rate(r)) => format!("{} /10min", r.tenths_per_minute()),
            Ok(Value::Mass(m)) => format!("{} g", m.grams()),
            Ok(Value::Saturation(s)) => format!("{} permille", s.tenths_percent()),
            Ok(Value::Temperature(t)) => format!("{} mdegC", t.milli_celsius()),
        };
        let meal = reading.meal.map_or(String::new(), |m| format!(" {}", m.as_str()));
        parts.push(format!("{} {value}{meal}", reading.quantity.as_str()));
    }
    parts.extend(read.notes.iter().map(Note::to_string));
    if read.repaired {
        parts.push("repaired".to_owned());
    }
    parts.join(" | ")
}

#[test]
fn aim94_codes_become_meals_doses_and_notes() {
    let check = |line: &str, expected: &str| assert_eq!(said(LineFormat::Aim94, line), expected);
    check("03-05-1990\t7:15\t58\t119", "1990-03-05T07:15:00 | glucose 6605 umol/L fasting");
    check("03-05-1990\t12:15\t60\t090", "1990-03-05T12:15:00 | glucose 4996 umol/L preprandial");
    check("03-05-1990\t14:15\t61\t180", "1990-03-05T14:15:00 | glucose 9991 umol/L postprandial");
    check("03-05-1990\t18:00\t64\t100", "1990-03-05T18:00:00 | glucose 5551 umol/L preprandial");
    check("03-05-1990\t22:00\t48\t100", "1990-03-05T22:00:00 | glucose 5551 umol/L");
    check("03-05-1990\t22:00\t57\t100", "1990-03-05T22:00:00 | glucose 5551 umol/L");
    check("03-05-1990\t7:15\t33\t006", "1990-03-05T07:15:00 | regular insulin, 6 units");
    check("03-05-1990\t7:15\t34\t0", "1990-03-05T07:15:00 | NPH insulin, 0 units");
    check("03-05-1990\t7:15\t35\t02.5", "1990-03-05T07:15:00 | ultralente insulin, 2.5 units");
    check("03-05-1990\t7:15\t65\t0", "1990-03-05T07:15:00 | symptoms of a low glucose");
    check("03-05-1990\t7:15\t67\t0", "1990-03-05T07:15:00 | meal: more");
    check("03-05-1990\t7:15\t71\t0", "1990-03-05T07:15:00 | exercise: less");
    check("03-05-1990\t7:15\t72\t0", "1990-03-05T07:15:00 | special event");
    check("03-05-1990\t7:15\t56\t130", "1990-03-05T07:15:00 | undocumented code 56: 130");
    check("03-05-1990\t7:15\t99\t130", "code 99 does not exist in this layout");
}

#[test]
fn aim94_warts_have_a_deliberate_outcome() {
    let check = |line: &str, expected: &str| assert_eq!(said(LineFormat::Aim94, line), expected);
    check("06-31-1990\t7:15\t58\t119", "\"06-31-1990\" is no date (month-day-year)");
    check("02-29-1990\t7:15\t33\t004", "\"02-29-1990\" is no date (month-day-year)");
    let hours = "hours:minutes, 00:00 to 23:59";
    for bad in ["56:35", "188:00", "11:0", "24:00", "", "7", "7:15:99", "7:1x"] {
        let line = format!("03-05-1990\t{bad}\t58\t119");
        check(&line, &format!("\"{bad}\" is no time of day ({hours})"));
    }
    check("03-05-1990\t7:15\t58\t0Hi", "1990-03-05T07:15:00 | glucose above_range fasting");
    check("03-05-1990\t7:15\t58\t0Lo", "1990-03-05T07:15:00 | glucose below_range fasting");
    check("03-05-1990\t7:15\t58\t000", "1990-03-05T07:15:00 | glucose not_included fasting");
    check("03-05-1990\t7:15\t58\t", "1990-03-05T07:15:00 | glucose not_included fasting");
    check("03-05-1990\t7:15\t58\t5", "1990-03-05T07:15:00 | glucose 278 umol/L fasting");
    check("03-05-1990\t7:15\t58\tabc", "glucose \"abc\" is no number");
    check("03-05-1990\t7:15\t58", "3 cells where 4 are needed");
    check("03-05-1990\t7:00\t0\t", "1990-03-05T07:00:00 | undocumented code 0: ");
    check("\t119\t33\t3A", "\"\" is no date (month-day-year)");
}

#[test]
fn an_aim94_record_broken_over_two_lines_is_read_as_one() {
    let check = |line: &str, expected: &str| assert_eq!(said(LineFormat::Aim94, line), expected);
    let head = "03-05-1990\t7:00\t0\t";
    check(
        &format!("{head}\n\t119\t33\t3A"),
        "1990-03-05T07:00:00 | glucose 6605 umol/L fasting | repaired",
    );
    check(
        &format!("{head}\r\n\t007\t33\t21"),
        "1990-03-05T07:00:00 | regular insulin, 7 units | repaired",
    );
    check(
        &format!("{head}\n\t018\t33\t22"),
        "1990-03-05T07:00:00 | NPH insulin, 18 units | repaired",
    );
    check(&format!("{head}\n\t018\t33\tXY"), "code \"XY\" is no number");
}

#[test]
fn pressure_diaries_give_pressure_and_pulse() {
    let diary = |line: &str, expected: &str| assert_eq!(said(LineFormat::BpDiary, line), expected);
    diary(
        "2020-02-03 08:09:10,120,80,61",
        "2020-02-03T08:09:10 | blood_pressure 15999/10666 Pa | pulse_rate 610 /10min",
    );
    diary(
        "2020-02-03 08:09:10,120,,NA",
        "2020-02-03T08:09:10 | blood_pressure not_included | pulse_rate not_included",
    );
    let hypnos =
        |line: &str, expected: &str| assert_eq!(said(LineFormat::BpHypnos, line), expected);
    hypnos(
        "9001,1,3,2020-02-03 23:00:00,120,90,80,61,0",
        "2020-02-03T23:00:00 | 9001 | blood_pressure 15999/10666/11999 Pa | pulse_rate 610 /10min \
         | asleep",
    );
    hypnos(
        "9001,1,3,2020-02-03 23:00:00,120,90,80,61,7",
        "wake \"7\" is not known; it may be 0, 1 or empty",
    );
}

#[test]
fn weights_lose_the_noise_of_single_precision() {
    let check =
        |line: &str, expected: &str| assert_eq!(said(LineFormat::FitbitWeight, line), expected);
    check("77,4-2-2020,56.70000076,125.0021043,,21.4", "2020-04-02 | 77 | weight 56700 g");
    check(
        "77,4-12-2020,57.29999924,126.3,22,21.4",
        "2020-04-12 | 77 | weight 57300 g | body_fat 220 permille",
    );
    check("77,13-2-2020,56.7,125,,21.4", "\"13-2-2020\" is no date (month-day-year)");
}

#[test]
fn cgm_lines_are_continuous_glucose_in_their_own_unit() {
    let iglu = |line: &str, expected: &str| assert_eq!(said(LineFormat::Iglu, line), expected);
    iglu(
        "Person 9,1580717350,2020-02-03 03:09:10,119",
        "2020-02-03T08:09:10Z | Person 9 | continuous_glucose 6605 umol/L",
    );
    iglu("Person 9,99999999999,x,119", "epoch_s 99999999999 is beyond what can be stored");
    let uom = |line: &str, expected: &str| assert_eq!(said(LineFormat::T1dUom, line), expected);
    uom("03/02/2024 08:09,5.9\r", "2024-02-03T08:09:00 | continuous_glucose 5900 umol/L");
    uom("13/02/2024 08:09,5.25", "2024-02-13T08:09:00 | continuous_glucose 5250 umol/L");
    uom("02/13/2024 08:09,5.2", "\"02/13/2024\" is no date (day/month/year)");
    uom("13/02/2024 08:09,0.1", "2024-02-13T08:09:00 | continuous_glucose 100 umol/L");
    uom("13/02/2024 08:09,27.8", "2024-02-13T08:09:00 | continuous_glucose 27800 umol/L");
    uom("13/02/2024 08:09,", "2024-02-13T08:09:00 | continuous_glucose not_included");
}

#[test]
fn hearths_own_layout_speaks_every_quantity_and_unit() {
    let check = |line: &str, expected: &str| assert_eq!(said(LineFormat::Hearth, line), expected);
    check(
        "m,glucose,2026-03-01 07:30,5.9,,mmol/L,fasting",
        "2026-03-01T07:30:00 | glucose 5900 umol/L fasting",
    );
    check("m,glucose,2026-03-01T07:30:00Z,HI,,mg/dL", "2026-03-01T07:30:00Z | glucose above_range");
    check(
        "m,glucose,2026-03-01T07:30:00+01:00,119,,mg/dL",
        "2026-03-01T06:30:00Z | glucose 6605 umol/L",
    );
    check(
        "m,glucose,2026-03-01T07:30-05:30,119,,mg/dL",
        "2026-03-01T13:00:00Z | glucose 6605 umol/L",
    );
    check(
        "c,blood_pressure,2026-03-01,16.0,10.7,kPa",
        "2026-03-01 | blood_pressure 16000/10700 Pa",
    );
    check(
        "s,weight,2026-03-01 07:30,150.5,,lb,,,ann,after breakfast, in shoes",
        "2026-03-01T07:30:00 | ann | weight 68266 g | after breakfast, in shoes",
    );
    check(
        "t,temperature,2026-03-01 07:30,98.6,,F",
        "2026-03-01T07:30:00 | temperature 37000 mdegC",
    );
    check("o,saturation,2026-03-01 07:30,97.5,,%", "2026-03-01T07:30:00 | saturation 975 permille");
    check(
        "o,heart_rate,2026-03-01 07:30,lost_contact,,/min",
        "2026-03-01T07:30:00 | heart_rate lost_contact",
    );
    check(
        ",medication_change,2026-03-20,,,,,,,metformin 1000 mg",
        "2026-03-20 | medication changed: metformin 1000 mg",
    );
    check("m,glucose,2026-03-01 07:30,5.9,,kg", "glucose is not measured in kg");
    check(
        "m,glucosse,2026-03-01 07:30,5.9,,kg",
        "quantity \"glucosse\" is not known; it may be glucose, \
        continuous_glucose, blood_pressure, pulse_rate, heart_rate, saturation, temperature, weight, \
        body_fat, medication_change or note",
    );
    check("m,glucose,2026-03-01 07:30,5.9", "4 cells where 6 are needed");
    check("m,glucose,2026-02-30 07:30,5.9,,mg/dL", "\"2026-02-30\" is no date (year-month-day)");
}

#[test]
fn flags_and_devices_are_kept() {
    let line = b"m7,glucose,2026-03-01 07:30,132,,mg/dL,casual,suspect battery_low,bo";
    let read = decode(LineFormat::Hearth, line).unwrap();
    let reading = read.readings.first().unwrap();
    assert!(reading.marks.suspect && reading.marks.battery_low && !reading.marks.invalid);
    assert_eq!(reading.meal, Some(MealContext::Casual));
    assert_eq!(read.device.as_deref(), Some("m7"));
    assert_eq!(reading.quantity, Quantity::Glucose);
}

#[test]
fn hostile_octets_are_refused_with_a_sentence() {
    let bad = decode(LineFormat::T1dUom, b"\xff\xfe").unwrap_err();
    assert_eq!(bad.to_string(), "the line is not text: octet 0 is not UTF-8");
    let long = vec![b'1'; 5000];
    assert!(matches!(decode(LineFormat::Hearth, &long), Err(LineError::TooLong { octets: 5000 })));
}

#[test]
fn a_wall_clock_hour_that_exists_twice_is_the_first_and_a_skipped_one_moves_on() {
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
    let utc = |line: &str| {
        let read = decode(LineFormat::T1dUom, line.as_bytes()).unwrap();
        LineTime::Utc { seconds: read.time.utc_seconds(&zone) }.device_time()
    };
    assert_eq!(utc("29/10/2023 01:30,5"), "2023-10-29T00:30:00Z");
    assert_eq!(utc("31/03/2024 01:30,5"), "2024-03-31T01:30:00Z");
    assert_eq!(utc("01/07/2024 01:30,5"), "2024-07-01T00:30:00Z");
    let day = decode(LineFormat::FitbitWeight, b"7,7-1-2024,60,,,").unwrap();
    assert_eq!(day.time.local_seconds().unwrap() % 86_400, 8 * 3600);
}

#[test]
fn zero_is_absent_only_where_a_log_pads_with_zeros() {
    let read = decode(LineFormat::Aim94, b"03-05-1990\t7:15\t48\t000").unwrap();
    assert_eq!(read.readings.first().unwrap().value, Err(Absent::NotIncluded));
    let read = decode(LineFormat::T1dUom, b"03/05/2024 07:15,0").unwrap();
    assert!(read.readings.first().unwrap().value.is_ok());
}

proptest! {
    #[test]
    fn no_octets_make_a_decoder_panic(code in 1u16..=7, octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(LineFormat::from_code(code).unwrap(), &octets);
    }

    #[test]
    fn no_line_like_text_makes_a_decoder_panic(code in 1u16..=7, text in "[0-9a-zA-Z,:/\t \n.+-]{0,80}") {
        let _ = decode(LineFormat::from_code(code).unwrap(), text.as_bytes());
    }
}
