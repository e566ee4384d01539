//! A decimal as a device shows it: integer mantissa and power of ten, never a binary float.

use core::fmt;

use serde::{Deserialize, Serialize};

/// `mantissa * 10^exponent`. The exponent carries the displayed precision: 20e-1 shows as `2.0`.
///
/// Worked value: the octets `C8 E0` (SFLOAT) are mantissa 200, exponent -2, shown as `2.00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decimal {
    /// The digits with their sign.
    pub mantissa: i32,
    /// The power of ten, -128..=127.
    pub exponent: i8,
}

impl Decimal {
    /// `mantissa * 10^exponent`.
    pub const fn new(mantissa: i32, exponent: i8) -> Self {
        Self { mantissa, exponent }
    }

    /// This value times `10^power`; `None` when the exponent leaves -128..=127.
    pub const fn shifted(self, power: i8) -> Option<Self> {
        match self.exponent.checked_add(power) {
            Some(exponent) => Some(Self { mantissa: self.mantissa, exponent }),
            None => None,
        }
    }

    /// The same number without trailing zeros after the point: 200e-2 becomes 2e0.
    pub const fn trimmed(self) -> Self {
        let mut out = self;
        // At most ten rounds: a mantissa of 32 bits has ten digits.
        while out.exponent < 0 && out.mantissa % 10 == 0 && out.mantissa != 0 {
            out.mantissa /= 10;
            out.exponent += 1;
        }
        if out.mantissa == 0 && out.exponent < 0 {
            out.exponent = 0;
        }
        out
    }

    /// This value times `numerator / denominator`, rounded once, half away from zero.
    ///
    /// `None` when the result does not fit. The denominator must be above zero.
    /// Worked value: 119 mg/dL by 10000000 / 180156 is 6605 µmol/L.
    pub(crate) fn scaled(self, numerator: i64, denominator: i64) -> Option<i64> {
        let product = i128::from(self.mantissa) * i128::from(numerator);
        let power = 10_i128.checked_pow(u32::from(self.exponent.unsigned_abs()));
        let rounded = if product == 0 {
            0
        } else if self.exponent >= 0 {
            divide_rounded(product.checked_mul(power?)?, i128::from(denominator))
        } else {
            // The product is below 2^94 only in theory and below 10^27 for every caller; a divisor
            // too large for 128 bits leaves nothing of it.
            match power.and_then(|p| p.checked_mul(i128::from(denominator))) {
                Some(divisor) => divide_rounded(product, divisor),
                None => 0,
            }
        };
        i64::try_from(rounded).ok()
    }
}

/// The one rounding function: `n / d` to the nearest integer, half away from zero; `d` above zero.
pub(crate) const fn divide_rounded(n: i128, d: i128) -> i128 {
    let half = d / 2;
    if n >= 0 { n.saturating_add(half) / d } else { n.saturating_sub(half) / d }
}

impl fmt::Display for Decimal {
    /// Exactly the digits the device showed, without an exponent: `2.00`, `20470`, `-0.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs();
        if self.exponent >= 0 {
            write!(f, "{sign}{digits}")?;
            if digits != 0 {
                for _ in 0..self.exponent {
                    f.write_str("0")?;
                }
            }
            return Ok(());
        }
        let places = u32::from(self.exponent.unsigned_abs());
        let (whole, fraction, width) = match 10_u32.checked_pow(places) {
            Some(power) => (digits / power, digits % power, places),
            // More places than a mantissa has digits: all of them stand after the point.
            None => (0, digits, places),
        };
        write!(f, "{sign}{whole}.")?;
        let mut have = 1;
        let mut rest = fraction;
        while rest >= 10 {
            rest /= 10;
            have += 1;
        }
        for _ in have..width {
            f.write_str("0")?;
        }
        write!(f, "{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_decimal_prints_the_digits_that_were_shown() {
        for (mantissa, exponent, text) in [
            (200, -2, "2.00"),
            (20, -1, "2.0"),
            (2, 2, "200"),
            (0, 5, "0"),
            (0, -1, "0.0"),
            (-1, -1, "-0.1"),
            (119, -5, "0.00119"),
            (-2048, -1, "-204.8"),
            (120, -8, "0.00000120"),
            (i32::MIN, -10, "-0.2147483648"),
            (7, -12, "0.000000000007"),
        ] {
            assert_eq!(Decimal::new(mantissa, exponent).to_string(), text);
        }
        assert_eq!(Decimal::new(-1, 127).to_string().len(), 129);
        assert_eq!(Decimal::new(1, -128).to_string().len(), 130);
    }

    #[test]
    fn trimming_keeps_the_number() {
        assert_eq!(Decimal::new(200, -2).trimmed(), Decimal::new(2, 0));
        assert_eq!(Decimal::new(205, -2).trimmed(), Decimal::new(205, -2));
        assert_eq!(Decimal::new(0, -7).trimmed(), Decimal::new(0, 0));
        assert_eq!(Decimal::new(200, 1).trimmed(), Decimal::new(200, 1));
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (n, d, q) in [(5, 10, 1), (-5, 10, -1), (4, 10, 0), (-4, 10, 0), (15, 10, 2), (1, 3, 0)]
        {
            assert_eq!(divide_rounded(n, d), q, "{n}/{d}");
        }
    }

    #[test]
    fn absurd_exponents_are_refused_or_vanish() {
        assert_eq!(Decimal::new(1, 127).scaled(1, 1), None);
        assert_eq!(Decimal::new(1, 30).scaled(1, 1), None);
        assert_eq!(Decimal::new(i32::MAX, -128).scaled(10_000_000, 1), Some(0));
        assert_eq!(Decimal::new(0, 127).scaled(10_000_000, 1), Some(0));
        assert_eq!(Decimal::new(119, 0).scaled(10_000_000, 180_156), Some(6605));
    }
}
