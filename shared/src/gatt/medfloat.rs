//! IEEE 11073-20601 SFLOAT and FLOAT as an integer mantissa and a power of ten.
//!
//! | type | octets | exponent | mantissa |
//! |---|---|---|---|
//! | SFLOAT | 2 | bits 12-15, two's complement, -8..7 | bits 0-11, two's complement |
//! | FLOAT | 4 | bits 24-31, two's complement, -128..127 | bits 0-23, two's complement |
//!
//! `bluetooth-profiles` 2.2 and 2.3. There is no bias. The five special mantissas are special only
//! with exponent 0: 0xFFFF is -0.1, and `FF FF FF 7F` is -1 * 10^127.
//! Worked value: `77 B0` is mantissa 119, exponent -5.

pub use crate::units::Decimal;

/// Why a medical float is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    /// Not a number: missing, or it could not be computed.
    NaN,
    /// Not at this resolution.
    NRes,
    /// Above the measurable range.
    PositiveInfinity,
    /// Below the measurable range.
    NegativeInfinity,
    /// The code reserved for future use.
    Reserved,
}

impl Special {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NaN => "NaN",
            Self::NRes => "NRes",
            Self::PositiveInfinity => "+INF",
            Self::NegativeInfinity => "-INF",
            Self::Reserved => "reserved",
        }
    }
}

/// A number with the digits that were sent, or the special code in its place.
pub type Medfloat = Result<Decimal, Special>;

/// The value of a 16-bit medical float.
pub fn from_sfloat(raw: u16) -> Medfloat {
    match raw {
        0x07FF => return Err(Special::NaN),
        0x0800 => return Err(Special::NRes),
        0x07FE => return Err(Special::PositiveInfinity),
        0x0802 => return Err(Special::NegativeInfinity),
        0x0801 => return Err(Special::Reserved),
        _ => {}
    }
    let [low, high] = raw.to_le_bytes();
    // Shifting a signed octet right keeps the sign: the upper nibble is the exponent.
    let exponent = i8::from_le_bytes([high]) >> 4;
    // The mantissa moves to the top of 16 bits and back, which spreads its sign bit.
    let mantissa = i16::from_le_bytes([low << 4, (high << 4) | (low >> 4)]) >> 4;
    Ok(Decimal::new(i32::from(mantissa), exponent))
}

/// The value of a 32-bit medical float.
pub fn from_float(raw: u32) -> Medfloat {
    match raw {
        0x007F_FFFF => return Err(Special::NaN),
        0x0080_0000 => return Err(Special::NRes),
        0x007F_FFFE => return Err(Special::PositiveInfinity),
        0x0080_0002 => return Err(Special::NegativeInfinity),
        0x0080_0001 => return Err(Special::Reserved),
        _ => {}
    }
    let [low, middle, high, exponent] = raw.to_le_bytes();
    let mantissa = i32::from_le_bytes([0, low, middle, high]) >> 8;
    Ok(Decimal::new(mantissa, i8::from_le_bytes([exponent])))
}

/// A 16-bit medical float; `None` if mantissa or exponent do not fit, or would read as special.
pub fn to_sfloat(value: Medfloat) -> Option<u16> {
    let decimal = match value {
        Ok(decimal) => decimal,
        Err(Special::NaN) => return Some(0x07FF),
        Err(Special::NRes) => return Some(0x0800),
        Err(Special::PositiveInfinity) => return Some(0x07FE),
        Err(Special::NegativeInfinity) => return Some(0x0802),
        Err(Special::Reserved) => return Some(0x0801),
    };
    if !(-2048..=2047).contains(&decimal.mantissa) || !(-8..=7).contains(&decimal.exponent) {
        return None;
    }
    let [low, high, ..] = decimal.mantissa.to_le_bytes();
    let [exponent] = decimal.exponent.to_le_bytes();
    let raw = u16::from_le_bytes([low, (high & 0x0F) | (exponent << 4)]);
    (from_sfloat(raw) == value).then_some(raw)
}

/// A 32-bit medical float; `None` if the mantissa does not fit, or would read as special.
pub fn to_float(value: Medfloat) -> Option<u32> {
    let decimal = match value {
        Ok(decimal) => decimal,
        Err(Special::NaN) => return Some(0x007F_FFFF),
        Err(Special::NRes) => return Some(0x0080_0000),
        Err(Special::PositiveInfinity) => return Some(0x007F_FFFE),
        Err(Special::NegativeInfinity) => return Some(0x0080_0002),
        Err(Special::Reserved) => return Some(0x0080_0001),
    };
    if !(-0x80_0000..=0x7F_FFFF).contains(&decimal.mantissa) {
        return None;
    }
    let [low, middle, high, _] = decimal.mantissa.to_le_bytes();
    let [exponent] = decimal.exponent.to_le_bytes();
    let raw = u32::from_le_bytes([low, middle, high, exponent]);
    (from_float(raw) == value).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sfloat_comes_back() {
        for raw in 0..=u16::MAX {
            assert_eq!(to_sfloat(from_sfloat(raw)), Some(raw), "{raw:#06x}");
        }
    }

    #[test]
    fn special_codes_are_special_only_with_exponent_zero() {
        assert_eq!(from_sfloat(0x17FF), Ok(Decimal::new(2047, 1)));
        assert_eq!(from_sfloat(0xFFFF), Ok(Decimal::new(-1, -1)));
        assert_eq!(from_sfloat(0xB077), Ok(Decimal::new(119, -5)));
        assert_eq!(from_float(0x7FFF_FFFF), Ok(Decimal::new(-1, 127)));
        assert_eq!(from_float(0xFF00_016D), Ok(Decimal::new(365, -1)));
        assert_eq!(from_float(0x00FF_FB2E), Ok(Decimal::new(-1234, 0)));
    }

    #[test]
    fn what_would_read_as_special_is_not_encoded() {
        assert_eq!(to_sfloat(Ok(Decimal::new(2047, 0))), None);
        assert_eq!(to_sfloat(Ok(Decimal::new(2048, 0))), None);
        assert_eq!(to_sfloat(Ok(Decimal::new(1, 8))), None);
        assert_eq!(to_float(Ok(Decimal::new(0x7F_FFFF, 0))), None);
        assert_eq!(to_float(Ok(Decimal::new(-0x80_0001, 0))), None);
        assert_eq!(to_float(Ok(Decimal::new(365, -1))), Some(0xFF00_016D));
    }
}
