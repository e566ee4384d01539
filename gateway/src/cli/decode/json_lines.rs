//! `hearth decode --json-lines`: any set of vectors, one JSON object per line in and out.

use std::io::{self, BufRead, Write};

use hearth_shared::gatt::{self, Context};
use serde_json::Value;

use super::{Outcome, Trouble, parse_characteristic, parse_hex};
use crate::gatt_json::{self, Json};

/// The longest line that is read; the longest value is 1024 digits.
const LINE_MAX: usize = 64 * 1024;

/// What became of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// Lines whose octets were decoded.
    pub decoded: u64,
    /// Lines whose octets were refused.
    pub refused: u64,
    /// Lines that were not understood.
    pub malformed: u64,
}

impl Summary {
    /// Refused octets are an answer; a line that was not understood is a failure.
    pub const fn outcome(&self) -> Outcome {
        if self.malformed == 0 { Outcome::Decoded } else { Outcome::Usage }
    }
}

/// What one line asks.
struct Request {
    id: Value,
    question: Result<(gatt::Characteristic, Vec<u8>, Context), Question>,
}

/// Why a line cannot be answered with fields.
enum Question {
    /// It is not understood.
    Malformed(String),
    /// Its characteristic is well formed and unknown.
    Unknown,
}

/// Reads `{"id", "characteristic", "hex", "context"}` lines and writes one
/// `{"id", "decoded": {…} or null, "error": false or the kind}` for each, in order. A line that is
/// not understood gets `"error": "malformed: …"`; blank lines are passed over.
pub fn decode_json_lines(mut input: impl BufRead, mut out: impl Write) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut line = Vec::new();
    while read_line(&mut input, &mut line)? {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let request = parse(&line);
        let (decoded, error) = match request.question {
            Ok((characteristic, octets, context)) => {
                match gatt::decode(characteristic, &octets, context) {
                    Ok(measurement) => {
                        summary.decoded += 1;
                        (gatt_json::render(&measurement), Json::Bool(false))
                    }
                    Err(error) => {
                        summary.refused += 1;
                        (Json::Null, Json::from(error.kind()))
                    }
                }
            }
            Err(Question::Unknown) => {
                summary.refused += 1;
                (Json::Null, Json::from("unknown_characteristic"))
            }
            Err(Question::Malformed(why)) => {
                summary.malformed += 1;
                (Json::Null, Json::from(format!("malformed: {why}")))
            }
        };
        writeln!(out, "{{\"id\":{},\"decoded\":{decoded},\"error\":{error}}}", request.id)?;
    }
    out.flush()?;
    Ok(summary)
}

/// Reads a line into `line`, of a longer one `LINE_MAX + 1` octets and passes over the rest;
/// `false` at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = available.iter().position(|octet| *octet == b'\n');
        let taken = end.unwrap_or(available.len());
        let room = (LINE_MAX + 1).saturating_sub(line.len());
        line.extend(available.iter().take(taken.min(room)));
        input.consume(if end.is_some() { taken + 1 } else { taken });
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn parse(line: &[u8]) -> Request {
    let malformed = |id, why: String| Request { id, question: Err(Question::Malformed(why)) };
    if line.len() > LINE_MAX {
        return malformed(Value::Null, format!("a line of more than {LINE_MAX} octets"));
    }
    let fields = match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return malformed(Value::Null, "the line is no JSON object".to_owned()),
        Err(error) => return malformed(Value::Null, format!("the line is no JSON ({error})")),
    };
    let id = fields.get("id").cloned().unwrap_or(Value::Null);
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(format!("`{name}` is no string")),
        None => Err(format!("`{name}` is missing")),
    };
    let (characteristic, hex) = match (text("characteristic"), text("hex")) {
        (Ok(characteristic), Ok(hex)) => (characteristic, hex),
        (Err(why), _) | (_, Err(why)) => return malformed(id, why),
    };
    let context = match context(fields.get("context")) {
        Ok(context) => context,
        Err(why) => return malformed(id, why),
    };
    let octets = match parse_hex(hex) {
        Ok(octets) => octets,
        Err(trouble) => return malformed(id, trouble.summary()),
    };
    let question = match parse_characteristic(characteristic) {
        Ok(characteristic) => Ok((characteristic, octets, context)),
        Err(Trouble::Unknown { .. }) => Err(Question::Unknown),
        Err(trouble) => Err(Question::Malformed(trouble.summary())),
    };
    Request { id, question }
}

/// `{"e2e_crc": true | false | null}`; other keys are passed over.
fn context(value: Option<&Value>) -> Result<Context, String> {
    let fields = match value {
        None | Some(Value::Null) => return Ok(Context::default()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err("`context` is no object".to_owned()),
    };
    match fields.get("e2e_crc") {
        None | Some(Value::Null) => Ok(Context::default()),
        Some(Value::Bool(supported)) => Ok(Context { e2e_crc: Some(*supported) }),
        Some(_) => Err("`context.e2e_crc` is neither true nor false".to_owned()),
    }
}
