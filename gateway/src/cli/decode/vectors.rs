//! Whole sets of vectors through the command's own lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::decode_json_lines;

/// A decimal as sign, digits without zeros at either end, and power of ten.
fn decimal(text: &str) -> (bool, String, i64) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i64>().unwrap()),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let exponent = exponent - i64::try_from(fraction.len()).unwrap();
    let trimmed = all.trim_end_matches('0');
    let exponent = exponent + i64::try_from(all.len() - trimmed.len()).unwrap();
    let trimmed = trimmed.trim_start_matches('0');
    if trimmed.is_empty() {
        (false, String::new(), 0)
    } else {
        (negative, trimmed.to_owned(), exponent)
    }
}

/// Whether two JSON values are the same, numbers compared as decimals (2 is 2.0).
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => decimal(&a.to_string()) == decimal(&b.to_string()),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

/// Runs vectors through the command's own lines and lists those that differ.
fn check(vectors: &[Value]) -> Vec<String> {
    let input: String = vectors.iter().map(|vector| format!("{vector}\n")).collect();
    let mut out = Vec::new();
    let summary = decode_json_lines(input.as_bytes(), &mut out).unwrap();
    assert_eq!(summary.malformed, 0);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.lines().count(), vectors.len());
    out.lines()
        .zip(vectors)
        .filter_map(|(line, vector)| {
            let got: Value = serde_json::from_str(line).unwrap();
            let same = got["id"] == vector["id"]
                && got["error"] == vector["error"]
                && same(&got["decoded"], &vector["expected"]);
            (!same).then(|| {
                format!("{}\n  got    {line}\n  wanted {}", vector["id"], vector["expected"])
            })
        })
        .collect()
}

#[test]
fn all_reference_vectors_decode_as_expected() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/gatt-vectors.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no reference vectors beside this repository");
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(vectors.len() >= 200, "{}", vectors.len());
    let wrong = check(&vectors);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn fixtures() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tests/vectors");
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

/// The fixture lines of the shared crate are `hex [context] | expected | source`.
#[test]
fn the_project_s_own_vectors_decode_as_expected() {
    let mut vectors = Vec::new();
    for (path, text) in fixtures() {
        let characteristic = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for (n, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let [hex, expected, _source] = line.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("{path:?} line {}: not `hex | expected | source`", n + 1);
            };
            let (hex, context) = match hex.split_once(" e2e_crc=") {
                Some((hex, supported)) => (hex, format!(r#"{{"e2e_crc":{supported}}}"#)),
                None => (hex, "null".to_owned()),
            };
            let (expected, error) = match expected.strip_prefix("error ") {
                Some(kind) => ("null", format!("\"{kind}\"")),
                None => (expected, "false".to_owned()),
            };
            let hex = if hex == "-" { "" } else { hex };
            let id = format!("{characteristic} line {}", n + 1);
            let vector = format!(
                r#"{{"id":"{id}","characteristic":"{characteristic}","hex":"{hex}",
                "context":{context},"expected":{expected},"error":{error}}}"#
            );
            vectors.push(serde_json::from_str(&vector).unwrap_or_else(|e| panic!("{e}: {vector}")));
        }
    }
    assert!(vectors.len() >= 100, "{}", vectors.len());
    let wrong = check(&vectors);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn numbers_are_compared_as_decimals() {
    for (a, b, equal) in [
        ("2", "2.0", true),
        ("1.2e-06", "0.0000012", true),
        ("-256000", "-2.56e5", true),
        ("0", "-0.0", true),
        ("2", "20", false),
        ("0.1", "-0.1", false),
    ] {
        assert_eq!(decimal(a) == decimal(b), equal, "{a} {b}");
    }
}

#[test]
fn absurd_numbers_are_written_out_exactly() {
    let line = br#"{"id":1,"characteristic":"FLOAT","hex":"ffffff7f"}"#;
    let mut out = Vec::new();
    decode_json_lines(&line[..], &mut out).unwrap();
    let value = format!("\"value\":-1{},\"mantissa\":-1,\"exponent\":127", "0".repeat(127));
    assert!(String::from_utf8(out).unwrap().contains(&value));
}
