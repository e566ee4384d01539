//! The kinds of value that occur in measurements: a number with its unit, a code, a set of bits.

use super::names::{BitNames, CodeNames};
use super::{Medfloat, Special};
use crate::units::Decimal;

/// The unit a characteristic uses for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Unit {
    None,
    MmHg,
    KPa,
    PerMinute,
    KgPerL,
    MolPerL,
    MgPerDl,
    MgPerDlPerMinute,
    Kilogram,
    Pound,
    Metre,
    Inch,
    KgPerM2,
    Percent,
    Kilojoule,
    Ohm,
    Litre,
    Celsius,
    Fahrenheit,
}

impl Unit {
    /// The name in JSON; `None` for a bare number.
    pub const fn as_str(self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::MmHg => "mmHg",
            Self::KPa => "kPa",
            Self::PerMinute => "/min",
            Self::KgPerL => "kg/L",
            Self::MolPerL => "mol/L",
            Self::MgPerDl => "mg/dL",
            Self::MgPerDlPerMinute => "mg/dL/min",
            Self::Kilogram => "kg",
            Self::Pound => "lb",
            Self::Metre => "m",
            Self::Inch => "in",
            Self::KgPerM2 => "kg/m2",
            Self::Percent => "%",
            Self::Kilojoule => "kJ",
            Self::Ohm => "Ohm",
            Self::Litre => "L",
            Self::Celsius => "Cel",
            Self::Fahrenheit => "degF",
        })
    }
}

/// A medical float with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The digits that were sent, or the special code.
    pub value: Medfloat,
    /// The unit they are in.
    pub unit: Unit,
}

impl Number {
    /// The digits; `None` for a special code.
    pub fn decimal(self) -> Option<Decimal> {
        self.value.ok()
    }
    /// The special code in place of a number.
    pub fn special(self) -> Option<Special> {
        self.value.err()
    }
}

/// An integer that counts steps of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// The integer that was sent.
    pub raw: u16,
    /// How much one count is.
    pub step: Decimal,
    /// The unit of the step.
    pub unit: Unit,
    /// Whether 0xFFFF says that the measurement was unsuccessful (weight, body fat).
    pub can_fail: bool,
}

impl Scaled {
    /// The value in `unit`; `None` if the measurement was unsuccessful.
    pub fn decimal(self) -> Option<Decimal> {
        if self.is_unsuccessful() {
            return None;
        }
        // At most 65535 * 50: the steps are 1 and 5.
        let mantissa = i32::from(self.raw).saturating_mul(self.step.mantissa);
        Some(Decimal::new(mantissa, self.step.exponent))
    }
    /// Whether the device says that it could not measure.
    pub const fn is_unsuccessful(self) -> bool {
        self.can_fail && self.raw == 0xFFFF
    }
}

/// A set of named bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    raw: u32,
    names: BitNames,
}

impl Flags {
    /// The bits with the table that names them.
    pub const fn new(raw: u32, names: BitNames) -> Self {
        Self { raw, names }
    }
    /// The bits as sent.
    pub const fn raw(self) -> u32 {
        self.raw
    }
    /// Whether the bit with this number is set.
    pub fn has(self, bit: u8) -> bool {
        self.raw.checked_shr(u32::from(bit)).is_some_and(|shifted| shifted & 1 == 1)
    }
    /// Whether one of these bits is set.
    pub fn has_any(self, bits: &[u8]) -> bool {
        bits.iter().any(|bit| self.has(*bit))
    }
    /// The names of the bits that are set, in ascending order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.names.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| *name)
    }
}

/// A code with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    raw: u8,
    names: CodeNames,
}

impl Code {
    /// The code with the table that names it.
    pub const fn new(raw: u8, names: CodeNames) -> Self {
        Self { raw, names }
    }
    /// The code as sent.
    pub const fn raw(self) -> u8 {
        self.raw
    }
    /// Its name, or `reserved`.
    pub fn name(self) -> &'static str {
        self.names.iter().find(|(code, _)| *code == self.raw).map_or("reserved", |(_, name)| *name)
    }
}

/// The slot of a device that serves several people: a number on the device, never a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub u8);

impl UserId {
    /// 255: the device does not know who it was.
    pub const fn is_unknown(self) -> bool {
        self.0 == 0xFF
    }
}

/// Whether the bit with this number is set in an octet or two of flags.
pub(super) fn bit(flags: impl Into<u32>, number: u8) -> bool {
    flags.into().checked_shr(u32::from(number)).is_some_and(|shifted| shifted & 1 == 1)
}
