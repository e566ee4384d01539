//! Golden lines, every truncation of them, and random octets from printed seeds.
//!
//! Fields are named by the gateway's own rendering, so that the same lines are compared field by
//! field on every word size that this crate is tested on.

mod encode;
// Only the rendering of fields is wanted of it here.
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../../../gateway/src/gatt_json/mod.rs"]
mod gatt_json;
// The fuzz targets are public for their own crate.
#[allow(unreachable_pub)]
#[path = "../../../hardware-tests/fuzz/src/gatt.rs"]
mod targets;

use std::path::{Path, PathBuf};

use hearth_shared::gatt::{Characteristic, Context, DecodeError, decode};
use serde_json::Value;

/// One golden line, or one reference vector.
struct Vector {
    place: String,
    characteristic: Characteristic,
    octets: Vec<u8>,
    context: Context,
    /// The fields, `null` where the octets are refused.
    expected: Value,
    /// `None` where the octets decode, or the kind of rejection.
    error: Option<String>,
    /// Whether a shorter value is legal, because something optional ends it.
    may_be_shorter: bool,
}

fn octets(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

fn characteristic(name: &str) -> Characteristic {
    match u16::from_str_radix(name, 16) {
        Ok(uuid16) => Characteristic::from_uuid16(uuid16).expect(name),
        Err(_) if name == "SFLOAT" => Characteristic::Sfloat,
        Err(_) => Characteristic::Float,
    }
}

/// Values whose last part has no announced length, so that a prefix can be whole.
fn may_be_shorter(characteristic: Characteristic, octets: &[u8], expected: &str) -> bool {
    use Characteristic as C;
    expected.contains("additional_octets")
        || match characteristic {
            C::BloodPressureRecord | C::RegisteredUser => true,
            C::HeartRateMeasurement => expected.contains("rr_intervals"),
            C::CgmMeasurement => octets.len() != usize::from(octets.first().copied().unwrap_or(0)),
            C::RecordAccessControlPoint => expected.contains("number_of_records"),
            _ => false,
        }
}

/// The project's own lines: `hex [e2e_crc=true|false] | expected or error kind | source`.
fn own_vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut vectors = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            let [hex, expected, _source] = line.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("{name} line {}: not `hex | expected | source`", n + 1);
            };
            let (hex, e2e_crc) = match hex.split_once(" e2e_crc=") {
                Some((hex, supported)) => (hex, Some(supported == "true")),
                None => (hex, None),
            };
            let octets = octets(if hex == "-" { "" } else { hex });
            let characteristic = characteristic(&name);
            vectors.push(Vector {
                place: format!("{name} line {}", n + 1),
                characteristic,
                may_be_shorter: may_be_shorter(characteristic, &octets, expected),
                octets,
                context: Context { e2e_crc },
                expected: serde_json::from_str(expected).unwrap_or(Value::Null),
                error: expected.strip_prefix("error ").map(str::to_owned),
            });
        }
    }
    vectors
}

/// The reference vectors, where they lie beside this repository.
fn reference_vectors() -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/gatt-vectors.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: no reference vectors beside this repository");
        return Vec::new();
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    let vector = |v: &Value| {
        let octets = octets(v["hex"].as_str().unwrap());
        let characteristic = characteristic(v["characteristic"].as_str().unwrap());
        let expected = v["expected"].to_string();
        Vector {
            place: v["id"].to_string(),
            characteristic,
            may_be_shorter: may_be_shorter(characteristic, &octets, &expected),
            octets,
            context: Context { e2e_crc: v["context"]["e2e_crc"].as_bool() },
            expected: v["expected"].clone(),
            error: v["error"].as_str().map(str::to_owned),
        }
    };
    vectors.iter().map(vector).collect()
}

fn all_vectors() -> Vec<Vector> {
    let mut vectors = own_vectors();
    assert!(vectors.len() >= 150, "{}", vectors.len());
    vectors.extend(reference_vectors());
    vectors
}

#[test]
fn every_characteristic_has_golden_lines() {
    let vectors = own_vectors();
    for characteristic in Characteristic::ALL {
        let of = |v: &&Vector| v.characteristic == characteristic;
        assert!(vectors.iter().filter(of).any(|v| v.error.is_none()), "{}", characteristic.name());
    }
}

/// Whether two JSON values are the same; 2 is 2.0, and other numbers are read by one reader from
/// the same digits.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

#[test]
fn every_vector_decodes_or_is_refused_as_expected() {
    for vector in all_vectors() {
        let decoded = decode(vector.characteristic, &vector.octets, vector.context);
        let kind = decoded.err().map(DecodeError::kind);
        assert_eq!(kind, vector.error.as_deref(), "{}", vector.place);
        let fields = decoded.map_or("null".to_owned(), |m| gatt_json::render(&m).to_string());
        let got: Value = serde_json::from_str(&fields).unwrap();
        assert!(same(&got, &vector.expected), "{}\n{fields}\n{}", vector.place, vector.expected);
        targets::check(vector.characteristic, &vector.octets, vector.context);
    }
}

#[test]
fn every_truncation_of_every_vector_is_refused_or_legal() {
    let mut refused = 0;
    for vector in all_vectors() {
        for length in 0..vector.octets.len() {
            let prefix = &vector.octets[..length];
            targets::check(vector.characteristic, prefix, vector.context);
            if vector.error.is_some() || vector.may_be_shorter {
                continue;
            }
            let at = format!("{} cut to {length}", vector.place);
            let error = decode(vector.characteristic, prefix, vector.context).expect_err(&at);
            let crc_cut_off = vector.context.e2e_crc == Some(true)
                && length + 2 == vector.octets.len()
                && error.kind() == "crc_missing";
            assert!(error.kind() == "truncated" || crc_cut_off, "{at}: {error:?}");
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn one_octet_more_is_reported_or_refused() {
    for vector in all_vectors().iter().filter(|v| v.error.is_none()) {
        let mut longer = vector.octets.clone();
        longer.push(0);
        targets::check(vector.characteristic, &longer, vector.context);
    }
}

/// A small generator whose numbers are the same everywhere (SplitMix64, Steele 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn octet(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// The seed of a run: `HEARTH_SEED`, or a fixed one, printed either way.
fn seed() -> u64 {
    let seed = std::env::var("HEARTH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(2026);
    println!("HEARTH_SEED={seed}");
    seed
}

#[test]
fn random_octets_never_break_a_decoder() {
    let mut random = Random(seed());
    for _ in 0..2_000 {
        for characteristic in Characteristic::ALL {
            let longest = if random.below(20) == 0 { 600 } else { 24 };
            let length = random.below(longest);
            let octets: Vec<u8> = (0..length).map(|_| random.octet()).collect();
            let e2e_crc = [None, Some(true), Some(false)][random.below(3)];
            targets::check(characteristic, &octets, Context { e2e_crc });
        }
    }
}

#[test]
fn changed_vectors_never_break_a_decoder() {
    let mut random = Random(seed());
    for vector in all_vectors().iter().filter(|v| !v.octets.is_empty()) {
        for _ in 0..200 {
            let mut octets = vector.octets.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(octets.len());
                octets[at] ^= 1 << random.below(8);
            }
            targets::check(vector.characteristic, &octets, vector.context);
        }
    }
}

#[test]
fn every_fuzz_target_takes_random_octets() {
    let mut random = Random(seed());
    for (name, target) in targets::TARGETS {
        println!("{name}");
        target(&[]);
        for _ in 0..3_000 {
            let octets: Vec<u8> = (0..random.below(64)).map(|_| random.octet()).collect();
            target(&octets);
        }
    }
}

#[test]
fn a_value_beyond_what_a_radio_carries_is_refused() {
    let octets = vec![6; 513];
    let error = decode(Characteristic::CgmMeasurement, &octets, Context::default()).unwrap_err();
    assert_eq!(error, DecodeError::BadLength { at: 0, found: 513 });
}
