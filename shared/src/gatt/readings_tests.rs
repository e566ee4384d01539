use std::vec::Vec as List;

use super::*;
use crate::device::{Sequence, UserSlot};
use crate::gatt::{
    Characteristic as C, Context, DateTime, base_time, decode, device_time, sequence, user_slot,
};
use crate::units::{Glucose, Mass, Pressure, Rate, Saturation, Temperature};

fn octets(hex: &str) -> List<u8> {
    let digits: List<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn all(characteristic: C, hex: &str) -> List<Result<Reading, Unrepresentable>> {
    let octets = octets(hex);
    let decoded = decode(characteristic, &octets, Context::default()).unwrap();
    readings(&decoded).into_iter().collect()
}

fn one(characteristic: C, hex: &str) -> Reading {
    let all = all(characteristic, hex);
    assert_eq!(all.len(), 1, "{hex}");
    all[0].unwrap()
}

const GLUCOSE: &str = "021500e8070614080000";

/// A glucose record with these concentration, type and location octets.
fn glucose(rest: &str) -> Reading {
    one(C::GlucoseMeasurement, &std::format!("{GLUCOSE}{rest}"))
}

#[test]
fn a_glucose_value_keeps_its_unit() {
    let mass = glucose("77b011");
    let expected = Glucose::from_umol_per_l(6605);
    assert_eq!((mass.value, mass.unit), (Ok(Value::Glucose(expected)), DisplayUnit::MgPerDl));
    assert_eq!(mass.marks, Marks::default());
    let moles = one(C::GlucoseMeasurement, "061500e807061408000037c011");
    let expected = Glucose::from_umol_per_l(5500);
    assert_eq!((moles.value, moles.unit), (Ok(Value::Glucose(expected)), DisplayUnit::MmolPerL));
}

#[test]
fn a_glucose_record_without_a_value_says_why() {
    for (rest, reason) in [
        ("ff0711", Absent::NotANumber),
        ("000811", Absent::NotAtResolution),
        ("fe0711", Absent::AboveRange),
        ("020811", Absent::BelowRange),
        ("010811", Absent::Reserved),
        ("64b01a", Absent::TestData),
        ("64b041", Absent::TestData),
        ("fe071a", Absent::TestData),
        ("ffff11", Absent::OtherAnalyte),
        ("f0bf11", Absent::OtherAnalyte),
    ] {
        assert_eq!(glucose(rest).value, Err(reason), "{rest}");
    }
    let empty = one(C::GlucoseMeasurement, "001500e8070614080000");
    assert_eq!(empty.value, Err(Absent::NotIncluded));
}

#[test]
fn glucose_status_bits_become_marks_or_a_range() {
    let with = |bits: u16| {
        let [low, high] = bits.to_le_bytes();
        let hex = std::format!("0a1500e807061408000064b011{low:02x}{high:02x}");
        one(C::GlucoseMeasurement, &hex)
    };
    for bit in [1, 2, 3, 4, 7, 8, 9, 10] {
        let reading = with(1 << bit);
        assert_eq!(reading.marks, Marks { invalid: true, ..Marks::default() }, "bit {bit}");
        assert!(reading.value.is_ok());
    }
    assert_eq!(with(1).marks, Marks { battery_low: true, ..Marks::default() });
    assert_eq!(with(1 << 11).marks, Marks { clock_fault: true, ..Marks::default() });
    assert_eq!(with(1 << 5).value, Err(Absent::AboveRange));
    assert_eq!(with(1 << 6).value, Err(Absent::BelowRange));
    assert!(with(3 << 5).marks.invalid && with(3 << 5).value.is_ok());
    assert_eq!(with(0xF000).marks, Marks::default());
    // A result beyond the range may come without a number at all.
    let bare = one(C::GlucoseMeasurement, "081500e80706140800002000");
    assert_eq!(bare.value, Err(Absent::AboveRange));
}

#[test]
fn a_cuff_gives_a_pressure_and_a_pulse() {
    let both = all(C::BloodPressureMeasurement, "0478005000ff074800");
    let mmhg = |v| Pressure::from_mmhg(Decimal::new(v, 0)).unwrap();
    let value = Value::BloodPressure { systolic: mmhg(120), diastolic: mmhg(80), mean: None };
    assert_eq!(both[0].unwrap().value, Ok(value));
    assert_eq!(both[0].unwrap().unit, DisplayUnit::MmHg);
    assert_eq!(both[1].unwrap().quantity, Quantity::PulseRate);
    assert_eq!(both[1].unwrap().value, Ok(Value::Rate(Rate::from_tenths_per_minute(720))));
    let mean = |hex| match one(C::BloodPressureMeasurement, hex).value {
        Ok(Value::BloodPressure { mean, .. }) => mean,
        other => panic!("{other:?}"),
    };
    assert_eq!(mean("00780050000000"), None);
    assert_eq!(mean("00780050006100"), Some(mmhg(97)));
    let kpa = one(C::BloodPressureMeasurement, "01a0f06af07cf0");
    assert_eq!(kpa.unit, DisplayUnit::KPa);
    let pascals = Pressure::from_pascals;
    let (systolic, diastolic, mean) = (pascals(16_000), pascals(10_600), Some(pascals(12_400)));
    assert_eq!(kpa.value, Ok(Value::BloodPressure { systolic, diastolic, mean }));
    let enhanced = all(C::EnhancedBloodPressureMeasurement, "04780050006100ff07");
    assert_eq!(enhanced[1].unwrap().value, Err(Absent::NotANumber));
    assert!(all(C::EnhancedIntermediateCuffPressure, "002800").is_empty());
    assert!(all(C::IntermediateCuffPressure, "0028000000 0000").is_empty());
}

#[test]
fn a_pulse_that_no_unit_holds_leaves_the_pressure_standing() {
    let hex = "566a0047000000ea07080b121f00003f000000";
    let both = all(C::BloodPressureMeasurement, hex);
    assert!(both[0].unwrap().value.is_ok());
    let refused = both[1].unwrap_err();
    assert_eq!((refused.quantity, refused.field), (Quantity::PulseRate, Field::PulseRate));
    assert_eq!(refused.found, Decimal::new(-256, 3));
}

#[test]
fn cuff_specials_and_status_bits_are_kept() {
    let value = |hex| one(C::BloodPressureMeasurement, hex).value;
    assert_eq!(value("00ff07ff07ff07"), Err(Absent::NotANumber));
    assert_eq!(value("00fe0702080008"), Err(Absent::AboveRange));
    assert_eq!(value("0078000208ff07"), Err(Absent::BelowRange));
    for (status, suspect) in
        [(0x01, true), (0x02, true), (0x04, true), (0x20, true), (0x18, false), (0xC0, false)]
    {
        let hex = std::format!("10780050006100{status:02x}00");
        assert_eq!(one(C::BloodPressureMeasurement, &hex).marks.suspect, suspect, "{status}");
    }
}

#[test]
fn scales_give_weight_and_fat_and_stubs_give_nothing() {
    let weight = |hex| one(C::WeightMeasurement, hex);
    assert_eq!(weight("003e3e").value, Ok(Value::Mass(Mass::from_grams(79_670))));
    assert_eq!(weight("01543d").value, Ok(Value::Mass(Mass::from_grams(71_214))));
    assert_eq!(weight("01543d").unit, DisplayUnit::Pound);
    assert_eq!(weight("00ffff").value, Err(Absent::MeasurementFailed));
    let both = all(C::BodyCompositionMeasurement, "0004c200b036");
    assert_eq!(both[0].unwrap().value, Ok(Value::Mass(Mass::from_grams(70_000))));
    let fat = both[1].unwrap();
    assert_eq!(fat.quantity, Quantity::BodyFat);
    assert_eq!(fat.value, Ok(Value::Saturation(Saturation::from_tenths_percent(194))));
    assert_eq!(
        one(C::BodyCompositionMeasurement, "0000ffff").value,
        Err(Absent::MeasurementFailed)
    );
    assert!(all(C::BodyCompositionMeasurement, "9803000096230000000000000000").is_empty());
    // A fat of 0 with an impedance is no stub; it goes on to be found impossible.
    assert_eq!(all(C::BodyCompositionMeasurement, "000200000a00").len(), 1);
}

#[test]
fn an_oximeter_gives_saturation_and_pulse_with_what_it_says_of_them() {
    let with = |status: u16, device: u32| {
        let [low, high] = status.to_le_bytes();
        let [a, b, c, _] = device.to_le_bytes();
        let hex = std::format!("0c61004800{low:02x}{high:02x}{a:02x}{b:02x}{c:02x}");
        let both = all(C::PlxContinuousMeasurement, &hex);
        assert_eq!(both.len(), 2);
        assert_eq!(both[0].unwrap().marks, both[1].unwrap().marks);
        both[0].unwrap()
    };
    let plain = with(0, 0);
    assert_eq!(plain.value, Ok(Value::Saturation(Saturation::from_tenths_percent(970))));
    assert_eq!(plain.marks, Marks::default());
    for (bit, reason) in
        [(10, Absent::TestData), (11, Absent::TestData), (13, Absent::MeasurementFailed)]
    {
        assert_eq!(with(1 << bit, 0).value, Err(reason), "status bit {bit}");
    }
    for bit in [11, 15] {
        assert_eq!(with(0, 1 << bit).value, Err(Absent::LostContact), "device bit {bit}");
    }
    for reading in [with(1 << 12, 0), with(1 << 15, 0), with(0, 2), with(0, 8), with(0, 0x4080)] {
        assert!(reading.marks.invalid && reading.value.is_ok());
    }
    for bit in [2, 4, 5, 6, 8, 9, 10, 12, 13] {
        let marks = Marks { suspect: true, ..Marks::default() };
        assert_eq!(with(0, 1 << bit).marks, marks, "device bit {bit}");
    }
    assert!(with(1 << 14, 0).marks.suspect);
    assert!(with(1 << 5, 0).marks.preliminary);
    assert!(!with(1 << 5 | 1 << 7, 0).marks.preliminary);
    assert_eq!(with(1 << 9, 1), plain);
    let spot = all(C::PlxSpotCheckMeasurement, "1061000000");
    assert!(spot[0].unwrap().marks.clock_fault && spot[0].unwrap().marks.suspect);
    assert_eq!(spot[1].unwrap().value, Err(Absent::LostContact));
    let out = all(C::PlxSpotCheckMeasurement, "00ff07ff07");
    assert!(out.iter().all(|r| r.unwrap().value == Err(Absent::NotANumber)));
}

#[test]
fn temperatures_sensors_and_straps_give_one_reading_each() {
    let celsius = one(C::TemperatureMeasurement, "006d0100ff");
    let expected = Temperature::from_milli_celsius(36_500);
    assert_eq!(celsius.value, Ok(Value::Temperature(expected)));
    let fahrenheit = one(C::TemperatureMeasurement, "01da0300ff");
    assert_eq!(fahrenheit.unit, DisplayUnit::Fahrenheit);
    assert_eq!(fahrenheit.value, Ok(Value::Temperature(Temperature::from_milli_celsius(37_000))));
    assert!(one(C::IntermediateTemperature, "006d0100ff").marks.preliminary);
    let strap = |hex| one(C::HeartRateMeasurement, hex);
    assert_eq!(strap("0055").value, Ok(Value::Rate(Rate::from_tenths_per_minute(850))));
    assert_eq!(strap("0455").value, Err(Absent::LostContact));
    assert_eq!(strap("0000").value, Err(Absent::LostContact));
    let records =
        all(C::CgmMeasurement, "060078001e00 0600ff071f00 07207800200080 0780780021 0002");
    assert_eq!(records.len(), 4);
    let expected = Glucose::from_mg_per_dl(Decimal::new(120, 0)).unwrap();
    assert_eq!(records[0].unwrap().value, Ok(Value::Glucose(expected)));
    assert_eq!(records[1].unwrap().value, Err(Absent::NotANumber));
    assert_eq!(records[2].unwrap().value, Err(Absent::AboveRange));
    assert!(records[3].unwrap().marks.battery_low);
    let many = "060078001e00".repeat(READINGS_MAX);
    assert_eq!(all(C::CgmMeasurement, &many).len(), READINGS_MAX);
}

#[test]
fn times_numbers_and_slots_are_told() {
    let told = |characteristic, hex: &str, check: fn(&Measurement<'_>)| {
        let octets = octets(hex);
        check(&decode(characteristic, &octets, Context::default()).unwrap());
    };
    fn stamp(time: Option<DateTime>) -> Option<[u8; 7]> {
        time.map(DateTime::to_octets)
    }
    told(C::GlucoseMeasurement, "010400e407070e0b06055a02", |m| {
        assert_eq!(stamp(base_time(m)), Some([0xE4, 7, 7, 14, 11, 6, 5]));
        assert_eq!(stamp(device_time(m)), Some([0xE4, 7, 7, 14, 21, 8, 5]));
        assert_eq!(sequence(m), Some(Sequence(4)));
        assert_eq!(user_slot(m), None);
    });
    told(C::PlxSpotCheckMeasurement, "1161004800e407070e0b0605", |m| {
        assert!(base_time(m).is_some() && device_time(m).is_none());
    });
    told(C::WeightMeasurement, "06003e000000000b060502", |m| {
        assert!(base_time(m).is_some() && device_time(m).is_none());
        assert_eq!(user_slot(m), Some(UserSlot(2)));
    });
    told(C::WeightMeasurement, "04003eff", |m| assert_eq!(user_slot(m), None));
    told(C::EnhancedBloodPressureMeasurement, "627800500064000000000001000000", |m| {
        assert_eq!(stamp(base_time(m)), Some([0xD0, 7, 1, 1, 0, 0, 0]));
        assert_eq!(stamp(device_time(m)), Some([0xD0, 7, 1, 1, 0, 0, 1]));
    });
    told(C::BatteryLevel, "0f", |m| assert!(readings(m).is_empty() && base_time(m).is_none()));
}
