#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn shown(characteristic: &str, hex: &str) -> (String, Outcome) {
    let mut out = Vec::new();
    let outcome =
        decode_one(characteristic, hex, Context::default(), &mut out, false).expect("a vector");
    (String::from_utf8(out).expect("text"), outcome)
}

#[test]
fn octets_are_read_as_people_write_them() {
    for text in ["1b0400", "1B 04 00", "0x1b0400", "0x1b, 0x04, 0x00", "1b:04:00", "1b-04-00\n"] {
        assert_eq!(parse_hex(text).unwrap(), [0x1b, 4, 0], "{text}");
    }
    assert!(parse_hex("").unwrap().is_empty());
    assert_eq!(parse_hex("1b0"), Err(Trouble::OddDigits { digits: 3 }));
    assert_eq!(parse_hex("1g"), Err(Trouble::NotHex { position: 1, found: 'g' }));
    assert_eq!(parse_hex("1bé0"), Err(Trouble::NotHex { position: 2, found: 'é' }));
}

#[test]
fn a_characteristic_has_many_names() {
    for name in [
        "2A18",
        "0x2a18",
        "00002A18-0000-1000-8000-00805F9B34FB",
        "00002a1800001000800000805f9b34fb",
        "glucose-measurement",
        "Glucose Measurement",
        "glucose_measurement",
    ] {
        assert_eq!(parse_characteristic(name), Ok(Characteristic::GlucoseMeasurement), "{name}");
    }
    assert_eq!(parse_characteristic("SFLOAT"), Ok(Characteristic::Sfloat));
    for unknown in ["2A00", "12342a18-0000-1000-8000-00805f9b34fb", "", "+a18", "zzz"] {
        assert!(parse_characteristic(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn an_unknown_name_gets_a_suggestion_and_the_list() {
    let (text, outcome) = shown("glucose-mesurement", "00");
    assert_eq!(outcome, Outcome::Usage);
    assert!(text.contains("did you mean `glucose-measurement`?"), "{text}");
    assert!(text.contains("2A18  glucose-measurement"), "{text}");
    assert_eq!(text.lines().count(), 2 + Characteristic::ALL.len());
}

#[test]
fn a_glucose_record_is_shown_with_units() {
    let (text, outcome) = shown("2A18", "1b0400e407070e0b06055a0277b0f80000");
    assert_eq!(outcome, Outcome::Decoded);
    assert!(text.starts_with("2A18 glucose-measurement, 17 octets\n"), "{text}");
    assert!(text.contains("0.00119 kg/L  = 119 mg/dL"), "{text}");
    assert!(text.contains("base_time            2020-07-14 11:06:05"), "{text}");
    assert!(text.contains("undetermined_plasma (8)"), "{text}");
}

#[test]
fn a_caret_stands_under_what_is_wrong() {
    let (text, outcome) = shown("2A35", "02780050006100ea070d01080000");
    assert_eq!(outcome, Outcome::Refused);
    let expected = "\
2A35 blood-pressure-measurement, 14 octets
invalid_date

    0  02 78 00 50 00 61 00 ea 07 0d 01 08 00 00
                                  ^^

no calendar has month 13 (offset 9); months are 1 to 12, and 0 for unknown.
";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_missing_field_is_pointed_at_behind_the_end() {
    let (text, _) = shown("2A35", "004800");
    assert!(text.contains("\n    0  00 48 00\n                ^^\n"), "{text}");
    assert!(text.contains("diastolic needs 2 octets at offset 3, and 0 octets are left"), "{text}");
    let (text, _) = shown("2A34", &"00".repeat(2));
    assert!(text.contains("\n    0  00 00\n          ^^\n"), "{text}");
    let (text, _) = shown("2A08", &"00".repeat(18));
    assert!(text.contains("\n                            ^^^^^^^^^^^^^^^^^^^^^^^^^^\n"), "{text}");
    assert!(text.contains("\n   16  00 00\n       ^^^^^\n"), "{text}");
    let (text, _) = shown("2A18", "");
    assert!(text.contains("\n    0  \n       ^^\n"), "{text}");
}

#[test]
fn every_kind_of_rejection_has_a_sentence_and_advice() {
    for (characteristic, hex, kind, part) in [
        ("2A19", "6400", "trailing_bytes", "1 octet is too many"),
        ("2A19", "65", "reserved_value", "allowed are 0 to 100"),
        ("2AA7", "070078001e00ff", "bad_size", "its flags ask for 6 or, with a CRC, 8"),
        ("2AA7", "080078001e001234", "crc_mismatch", "the CRC at offset 6 is 0x3412"),
        ("2A52", "050001", "bad_length", "2 or 4 octets, and 1 octet is left"),
        ("2A52", "0100", "invalid_operator", "needs an operator of 1 to 6"),
        ("2A52", "0801", "invalid_operator", "takes operator 0"),
        ("2A9F", "0201ffff", "out_of_range", "at most 9999"),
    ] {
        let (text, outcome) = shown(characteristic, hex);
        assert_eq!(outcome, Outcome::Refused);
        assert!(text.contains(&format!("\n{kind}\n")), "{text}");
        assert!(text.contains(part), "{text}");
        assert!(text.contains('^'), "{text}");
    }
    let mut out = Vec::new();
    let context = Context { e2e_crc: Some(true) };
    decode_one("2AA7", "060078001e00", context, &mut out, false).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("crc_missing"));
}

#[test]
fn json_is_one_object_that_any_reader_takes() {
    for (characteristic, hex, outcome) in [
        ("2A18", "1b0400e407070e0b06055a0277b0f80000", Outcome::Decoded),
        ("2A18", "1b04", Outcome::Refused),
        ("2A18", "1b0", Outcome::Usage),
        ("\"\\", "1b", Outcome::Usage),
    ] {
        let mut out = Vec::new();
        let got = decode_one(characteristic, hex, Context::default(), &mut out, true).unwrap();
        assert_eq!(got, outcome);
        let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(parsed["error"] == false, outcome == Outcome::Decoded, "{parsed}");
        assert_eq!(parsed["decoded"].is_null(), outcome != Outcome::Decoded);
    }
}

fn lines(input: &[u8]) -> (Vec<serde_json::Value>, Summary) {
    let mut out = Vec::new();
    let summary = decode_json_lines(input, &mut out).unwrap();
    let parsed = String::from_utf8(out).unwrap();
    (parsed.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), summary)
}

#[test]
fn each_line_gets_its_answer_in_order() {
    let input = br#"{"id":"a","characteristic":"2A19","hex":"0f"}
{"id":7,"characteristic":"2A19","hex":"65","note":"ignored"}

{"id":"c","characteristic":"2AA7","hex":"060078001e00","context":{"e2e_crc":true}}
{"id":"d","characteristic":"2A00","hex":"00"}
not json
{"id":"f","characteristic":"2A19"}
{"id":"g","characteristic":"2A19","hex":"0"}
{"id":"h","characteristic":"2A19","hex":"00","context":{"e2e_crc":1}}
[1]
{"characteristic":"2A19","hex":"64"}"#;
    let (out, summary) = lines(input);
    assert_eq!(summary, Summary { decoded: 2, refused: 3, malformed: 5 });
    assert_eq!(summary.outcome(), Outcome::Usage);
    let first = r#"{"id":"a","decoded":{"level_percent":15},"error":false}"#;
    assert_eq!(out[0], serde_json::from_str::<serde_json::Value>(first).unwrap());
    assert_eq!(
        (out[1]["id"].as_i64(), out[1]["error"].as_str()),
        (Some(7), Some("reserved_value"))
    );
    assert_eq!(out[2]["error"], "crc_missing");
    assert_eq!(out[3]["error"], "unknown_characteristic");
    for (n, id) in [(4, None), (5, Some("f")), (6, Some("g")), (7, Some("h")), (8, None)] {
        assert_eq!(out[n]["id"].as_str(), id);
        assert!(out[n]["error"].as_str().unwrap().starts_with("malformed: "), "{}", out[n]);
        assert!(out[n]["decoded"].is_null());
    }
    assert_eq!(out[9]["error"], false);
}

#[test]
fn long_lines_and_foreign_octets_are_refused_and_the_next_line_is_answered() {
    let mut input = vec![b'a'; 200_000];
    input.extend(b"\n\xff\xfe\n{\"id\":1,\"characteristic\":\"2A19\",\"hex\":\"00\"}\r\n");
    let (out, summary) = lines(&input);
    assert_eq!(summary, Summary { decoded: 1, refused: 0, malformed: 2 });
    assert_eq!(out[2]["id"], 1);
}
