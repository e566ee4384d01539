//! A small JSON tree whose numbers are exact decimals and whose fields keep their order.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use hearth_shared::gatt::{Code, DateTime, Flags, Number, Scaled, UserId};
use hearth_shared::units::Decimal;

/// A JSON value. Numbers are text that was formed without binary floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is printed.
    Number(String),
    /// A string.
    Text(Cow<'static, str>),
    /// An array.
    Array(Vec<Json>),
    /// An object in the order of its fields.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// The field with this name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(fields) => fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v),
            _ => None,
        }
    }
}

impl fmt::Display for Json {
    /// On one line, without spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => write_text(f, text),
            Self::Array(items) => {
                f.write_char('[')?;
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            Self::Object(fields) => {
                f.write_char('{')?;
                for (n, (name, value)) in fields.iter().enumerate() {
                    if n > 0 {
                        f.write_char(',')?;
                    }
                    write_text(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            c if u32::from(c) < 0x20 || c == '\u{7f}' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// An object in the making.
#[derive(Default)]
pub(super) struct Fields(Vec<(&'static str, Json)>);

impl Fields {
    pub(super) fn new() -> Self {
        Self::default()
    }
    /// A field that is always there; `None` becomes `null`.
    pub(super) fn put(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.0.push((name, value.into()));
        self
    }
    /// A field that is there where it has a value.
    pub(super) fn maybe(self, name: &'static str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }
    /// Reserved flag bits, where one is set.
    pub(super) fn reserved(self, bits: impl Into<u32>) -> Self {
        let bits = bits.into();
        self.maybe("rfu_flag_bits", (bits != 0).then_some(bits))
    }
    /// Octets after the last known field, where there are any.
    pub(super) fn additional(self, octets: &[u8]) -> Self {
        self.maybe("additional_octets", (!octets.is_empty()).then(|| hex(octets)))
    }
    pub(super) fn done(self) -> Json {
        Json::Object(self.0)
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// `n * 10^-places` without trailing zeros.
pub(super) fn fixed(n: i128, places: usize) -> Json {
    let digits = format!("{:0width$}", n.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    let sign = if n < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Json::Number(format!("{sign}{whole}{point}{fraction}"))
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Json {
            fn from(value: $integer) -> Self {
                Self::Number(value.to_string())
            }
        }
    )*};
}
integers!(u8, u16, u32, i8, i16, i32);

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&'static str> for Json {
    fn from(value: &'static str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl From<Fields> for Json {
    fn from(value: Fields) -> Self {
        value.done()
    }
}

impl From<Vec<Json>> for Json {
    fn from(value: Vec<Json>) -> Self {
        Self::Array(value)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Decimal> for Json {
    /// The number, without the zeros that only carry precision: 200e-2 is `2`.
    fn from(value: Decimal) -> Self {
        Self::Number(value.trimmed().to_string())
    }
}

impl From<Number> for Json {
    fn from(number: Number) -> Self {
        number_fields(number).done()
    }
}

/// `{value, mantissa, exponent, unit}`, or `{value: null, special, unit}`.
pub(super) fn number_fields(number: Number) -> Fields {
    let fields = match number.value {
        Ok(decimal) => Fields::new()
            .put("value", decimal)
            .put("mantissa", decimal.mantissa)
            .put("exponent", decimal.exponent),
        Err(special) => Fields::new().put("value", Json::Null).put("special", special.as_str()),
    };
    fields.put("unit", number.unit.as_str())
}

impl From<Scaled> for Json {
    /// `{value, raw, unit}`; an unsuccessful measurement has value `null` and says so.
    fn from(scaled: Scaled) -> Self {
        let failed = scaled.is_unsuccessful().then_some("measurement_unsuccessful");
        Fields::new()
            .put("value", scaled.decimal())
            .put("raw", scaled.raw)
            .maybe("special", failed)
            .put("unit", scaled.unit.as_str())
            .done()
    }
}

impl From<Code> for Json {
    fn from(code: Code) -> Self {
        Fields::new().put("raw", code.raw()).put("name", code.name()).done()
    }
}

impl From<UserId> for Json {
    fn from(id: UserId) -> Self {
        Fields::new().put("raw", id.0).put("unknown", id.is_unknown()).done()
    }
}

/// The names of the bits that are set.
pub(super) fn bit_names(flags: Flags) -> Json {
    Json::Array(flags.names().map(Json::from).collect())
}

/// `{raw, flags}`.
pub(super) fn status(flags: Flags) -> Fields {
    Fields::new().put("raw", flags.raw()).put("flags", bit_names(flags))
}

/// `YYYY-MM-DDThh:mm:ss`; `None` if a part of the date is unknown.
pub(super) fn iso(time: DateTime) -> Option<String> {
    let (year, month, day) = (time.year()?, time.month()?, time.day()?);
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
}

impl From<DateTime> for Json {
    fn from(time: DateTime) -> Self {
        Fields::new()
            .put("year", time.year())
            .put("month", time.month())
            .put("day", time.day())
            .put("hour", time.hour())
            .put("minute", time.minute())
            .put("second", time.second())
            .put("iso", iso(time))
            .done()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn decimals_are_printed_as_exact_numbers() {
        for (mantissa, exponent, text) in
            [(119, -5, "0.00119"), (189, -1, "18.9"), (200, -2, "2"), (0, -2, "0"), (2, 3, "2000")]
        {
            assert_eq!(Json::from(Decimal::new(mantissa, exponent)).to_string(), text);
        }
        assert_eq!(fixed(1_376_953, 4).to_string(), "137.6953");
        assert_eq!(fixed(-5, 4).to_string(), "-0.0005");
        assert_eq!(fixed(370_000, 4).to_string(), "37");
        assert_eq!(fixed(0, 4).to_string(), "0");
    }

    #[test]
    fn text_is_escaped_so_that_any_reader_takes_it() {
        let text = Json::from("a\"b\\c\n\u{1}é".to_owned()).to_string();
        let back: String = serde_json::from_str(&text).unwrap();
        assert_eq!(back, "a\"b\\c\n\u{1}é");
    }
}
