//! `hearth decode`: what the octets of a characteristic mean, or where they are wrong.

mod command;
mod explain;
mod json_lines;
mod recorded;

use std::io::{self, Write};

use hearth_shared::gatt::{self, Characteristic, Context};

use crate::gatt_json::{self, Json};

pub use command::Decode;
pub use json_lines::{Summary, decode_json_lines};

/// How a decode ended; a shell wants these as exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The octets were decoded (0).
    Decoded,
    /// The octets are wrong, and it was said where (1).
    Refused,
    /// The characteristic or the hexadecimal digits were not understood (2).
    Usage,
}

/// Decodes one value and writes every field with its unit, or a caret under the octets that are
/// wrong with what was expected and what to do. With `json` it is one object on one line.
pub fn decode_one(
    characteristic: &str,
    hex: &str,
    context: Context,
    out: &mut dyn Write,
    json: bool,
) -> io::Result<Outcome> {
    let request = parse_characteristic(characteristic).and_then(|c| Ok((c, parse_hex(hex)?)));
    let (characteristic, octets) = match request {
        Ok(request) => request,
        Err(trouble) => {
            if json {
                let text = Json::from(format!("malformed: {}", trouble.summary()));
                writeln!(out, "{{\"decoded\":null,\"error\":{text}}}")?;
            } else {
                writeln!(out, "{}", trouble.for_people())?;
            }
            return Ok(Outcome::Usage);
        }
    };
    match gatt::decode(characteristic, &octets, context) {
        Ok(measurement) => {
            let fields = gatt_json::render(&measurement);
            if json {
                writeln!(out, "{{\"decoded\":{fields},\"error\":false}}")?;
            } else {
                writeln!(out, "{}", title(characteristic, octets.len()))?;
                write!(out, "{}{}", gatt_json::table(&fields), recorded::report(&measurement))?;
            }
            Ok(Outcome::Decoded)
        }
        Err(error) => {
            if json {
                let message = Json::from(explain::sentence(error));
                let (kind, at) = (error.kind(), error.span().0);
                let error = format!("\"error\":\"{kind}\",\"offset\":{at},\"message\":{message}");
                writeln!(out, "{{\"decoded\":null,{error}}}")?;
            } else {
                writeln!(out, "{}", title(characteristic, octets.len()))?;
                write!(out, "{}", explain::report(error, &octets))?;
            }
            Ok(Outcome::Refused)
        }
    }
}

/// `2A18 glucose-measurement, 17 octets`.
fn title(characteristic: Characteristic, octets: usize) -> String {
    let s = if octets == 1 { "" } else { "s" };
    match characteristic.uuid16() {
        Some(uuid) => format!("{uuid:04X} {}, {octets} octet{s}", characteristic.name()),
        None => format!("{}, {octets} octet{s}", characteristic.name()),
    }
}

/// What was not understood on the command line or in a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No characteristic of this name or number; the nearest name, if one is near.
    Unknown { given: String, nearest: Option<&'static str> },
    /// Not hexadecimal digits, from this character on.
    NotHex { position: usize, found: char },
    /// An odd number of hexadecimal digits.
    OddDigits { digits: usize },
}

impl Trouble {
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Unknown { given, nearest: Some(name) } => {
                format!("nothing decodes `{given}`; did you mean `{name}`?")
            }
            Self::Unknown { given, nearest: None } => format!("nothing decodes `{given}`"),
            Self::NotHex { position, found } => {
                format!(
                    "character {} of the octets, `{found}`, is no hexadecimal digit",
                    position + 1
                )
            }
            Self::OddDigits { digits } => {
                format!("{digits} hexadecimal digits are no whole number of octets")
            }
        }
    }

    fn for_people(&self) -> String {
        let summary = self.summary();
        match self {
            Self::Unknown { .. } => {
                let list: String = Characteristic::ALL
                    .iter()
                    .map(|c| match c.uuid16() {
                        Some(uuid) => format!("\n  {uuid:04X}  {}", c.name()),
                        None => format!("\n        {}", c.name()),
                    })
                    .collect();
                format!("error: {summary}\nThese are known, by number, 128-bit UUID or name:{list}")
            }
            Self::NotHex { .. } | Self::OddDigits { .. } => {
                format!(
                    "error: {summary}\nGive two digits per octet, such as `1b 04 00` or `0x1b0400`."
                )
            }
        }
    }
}

/// The part of a 128-bit UUID that the 16-bit numbers of the SIG share.
const BASE_UUID_TAIL: &str = "00001000800000805f9b34fb";

/// A characteristic given as `2A18`, `0x2a18`, a 128-bit SIG UUID, `SFLOAT`, or a SIG name.
pub(crate) fn parse_characteristic(given: &str) -> Result<Characteristic, Trouble> {
    let word = given.trim().to_lowercase().replace(['_', ' '], "-");
    let name = Characteristic::ALL.iter().find(|c| c.name() == word);
    if let Some(characteristic) = name {
        return Ok(*characteristic);
    }
    let digits = word.trim_start_matches("0x").replace('-', "");
    let short = match digits.len() {
        4 => Some(digits.as_str()),
        8 => digits.strip_prefix("0000"),
        32 => digits.strip_suffix(BASE_UUID_TAIL).and_then(|d| d.strip_prefix("0000")),
        _ => None,
    };
    let by_number = short
        .filter(|s| s.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|s| u16::from_str_radix(s, 16).ok())
        .and_then(Characteristic::from_uuid16);
    by_number.ok_or_else(|| Trouble::Unknown { given: given.to_owned(), nearest: nearest(&word) })
}

/// The name that is most like `word`, if it is much alike.
fn nearest(word: &str) -> Option<&'static str> {
    let alike = |name: &'static str| (strsim::jaro_winkler(name, word), name);
    let best = Characteristic::ALL.iter().map(|c| alike(c.name()));
    best.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.8).map(|(_, name)| name)
}

/// Octets given as hexadecimal digits in either case, with or without `0x`, blanks, colons,
/// hyphens, commas or underscores between octets.
pub(crate) fn parse_hex(text: &str) -> Result<Vec<u8>, Trouble> {
    let mut digits: Vec<u8> = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    while let Some((position, c)) = chars.next() {
        let prefix = c == '0' && matches!(chars.peek(), Some((_, 'x' | 'X')));
        if prefix && digits.len().is_multiple_of(2) {
            chars.next();
        } else if let Some(digit) = c.to_digit(16).and_then(|d| u8::try_from(d).ok()) {
            digits.push(digit);
        } else if !(c.is_whitespace() || matches!(c, ':' | '-' | ',' | '_')) {
            return Err(Trouble::NotHex { position, found: c });
        }
    }
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(Trouble::OddDigits { digits: digits.len() });
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
