//! Numbers as people and spreadsheets write them, rounded once to what the unit can hold.

use hearth_shared::observation::{Absent, Value};
use hearth_shared::units::{Decimal, Glucose, Mass, Pressure, Rate};

use super::LineError;

/// `123`, `007`, `5.9`, `56.70000076`, `-3`: the number times `10^places`, rounded half away
/// from zero. `None` for anything else, or beyond `i32`.
fn scaled(text: &str, places: u32) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    if !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut n: i64 = 0;
    let mut fraction = part.bytes();
    for b in whole.bytes().chain((0..places).map(|_| fraction.next().unwrap_or(b'0'))) {
        n = n.checked_mul(10)?.checked_add(i64::from(b - b'0'))?;
    }
    if fraction.next().is_some_and(|b| b >= b'5') {
        n = n.checked_add(1)?;
    }
    i32::try_from(if negative { -n } else { n }).ok()
}

/// A decimal with the places a device of this kind can display.
pub(super) fn decimal(name: &'static str, text: &str, places: u8) -> Result<Decimal, LineError> {
    let number = || LineError::Number { name, text: text.to_owned() };
    let looks_like = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    match scaled(text, u32::from(places)) {
        Some(n) => Ok(Decimal::new(n, -(places as i8))),
        None if looks_like && text.len() > 9 => {
            Err(LineError::Range { name, text: text.to_owned() })
        }
        None => Err(number()),
    }
}

/// `HI`, `0Hi`, `high` and `LO`, `0Lo`, `low`; the zeros are padding.
pub(super) fn saturated(text: &str) -> Option<Absent> {
    let word = text.trim_start_matches('0');
    if word.eq_ignore_ascii_case("hi") || word.eq_ignore_ascii_case("high") {
        Some(Absent::AboveRange)
    } else if word.eq_ignore_ascii_case("lo") || word.eq_ignore_ascii_case("low") {
        Some(Absent::BelowRange)
    } else {
        None
    }
}

/// Glucose in mg/dL, whole or with one place.
pub(super) fn mg_per_dl(text: &str) -> Result<Value, LineError> {
    let value = decimal("glucose", text, 1)?.trimmed();
    Glucose::from_mg_per_dl(value).map(Value::Glucose).ok_or_else(|| range("glucose", text))
}

/// Glucose in mmol/L with up to two places.
pub(super) fn mmol_per_l(text: &str) -> Result<Value, LineError> {
    let value = decimal("glucose", text, 2)?.trimmed();
    Glucose::from_mmol_per_l(value).map(Value::Glucose).ok_or_else(|| range("glucose", text))
}

/// Pressure in mmHg, whole or with one place.
pub(super) fn mmhg(name: &'static str, text: &str) -> Result<Pressure, LineError> {
    Pressure::from_mmhg(decimal(name, text, 1)?.trimmed()).ok_or_else(|| range(name, text))
}

/// Pressure in kPa with one place.
pub(super) fn kpa(name: &'static str, text: &str) -> Result<Pressure, LineError> {
    Pressure::from_kpa(decimal(name, text, 2)?.trimmed()).ok_or_else(|| range(name, text))
}

/// Beats per minute with up to one place.
pub(super) fn per_minute(text: &str) -> Result<Value, LineError> {
    let value = decimal("rate", text, 1)?.trimmed();
    Rate::from_per_minute(value).map(Value::Rate).ok_or_else(|| range("rate", text))
}

/// Kilograms; scales show two places, a few three.
pub(super) fn kg(text: &str) -> Result<Value, LineError> {
    let value = decimal("weight", text, 3)?.trimmed();
    Mass::from_kg(value).map(Value::Mass).ok_or_else(|| range("weight", text))
}

/// Pounds with up to two places.
pub(super) fn lb(text: &str) -> Result<Value, LineError> {
    let value = decimal("weight", text, 2)?.trimmed();
    Mass::from_lb(value).map(Value::Mass).ok_or_else(|| range("weight", text))
}

pub(super) fn range(name: &'static str, text: &str) -> LineError {
    LineError::Range { name, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::scaled;

    #[test]
    fn numbers_are_rounded_once_half_away_from_zero() {
        let check =
            |text: &str, places, expected| assert_eq!(scaled(text, places), expected, "{text}");
        check("009", 0, Some(9));
        check("56.70000076", 3, Some(56_700));
        check("57.29999924", 3, Some(57_300));
        check("-0.05", 1, Some(-1));
        check("5.25", 1, Some(53));
        check(".5", 1, Some(5));
        check("7.", 0, Some(7));
        check("", 0, None);
        check(".", 0, None);
        check("-", 0, None);
        check("1e3", 0, None);
        check("0x1F", 0, None);
        check("99999999999", 0, None);
        check("99999999999999999999999999", 3, None);
    }
}
