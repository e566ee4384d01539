//! The only code that takes octets off a payload: typed reads that know where they are.

use super::{DateTime, DecodeError, Field, Medfloat, medfloat};

/// What the octets do not say themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Context {
    /// Whether the CGM feature (2AA8 bit 12) announces an E2E-CRC; `None` while unknown.
    pub e2e_crc: Option<bool>,
}

/// A position in a payload. Every read advances, or fails with the field and what was missing.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    at: u16,
}

/// A length as the errors carry it; payloads are bounded to 512 octets before.
fn octets(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

impl<'a> Cursor<'a> {
    /// At the first octet of `payload`.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload, at: 0 }
    }

    /// At the first octet of a part that starts `at` octets into the whole value.
    pub const fn starting_at(part: &'a [u8], at: u16) -> Self {
        Self { rest: part, at }
    }

    /// How many octets have been taken.
    pub const fn position(&self) -> u16 {
        self.at
    }

    /// The octets that have not been taken.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` octets.
    pub fn take<const N: usize>(&mut self, field: Field) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                self.at = self.at.saturating_add(octets(N));
                Ok(*head)
            }
            None => Err(self.missing(field, octets(N))),
        }
    }

    /// The next `length` octets as a slice.
    pub fn slice(&mut self, field: Field, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(length) {
            Some((head, rest)) => {
                self.rest = rest;
                self.at = self.at.saturating_add(octets(length));
                Ok(head)
            }
            None => Err(self.missing(field, octets(length))),
        }
    }

    /// The error for a field that needs `need` octets here and does not have them.
    pub fn missing(&self, field: Field, need: u16) -> DecodeError {
        DecodeError::Truncated { field, at: self.at, need, have: octets(self.rest.len()) }
    }

    /// An unsigned octet.
    pub fn u8(&mut self, field: Field) -> Result<u8, DecodeError> {
        self.take(field).map(u8::from_le_bytes)
    }

    /// A signed octet.
    pub fn i8(&mut self, field: Field) -> Result<i8, DecodeError> {
        self.take(field).map(i8::from_le_bytes)
    }

    /// Two octets, unsigned.
    pub fn u16(&mut self, field: Field) -> Result<u16, DecodeError> {
        self.take(field).map(u16::from_le_bytes)
    }

    /// Two octets, signed.
    pub fn i16(&mut self, field: Field) -> Result<i16, DecodeError> {
        self.take(field).map(i16::from_le_bytes)
    }

    /// Three octets, unsigned.
    pub fn u24(&mut self, field: Field) -> Result<u32, DecodeError> {
        let [low, middle, high] = self.take(field)?;
        Ok(u32::from_le_bytes([low, middle, high, 0]))
    }

    /// Four octets, unsigned.
    pub fn u32(&mut self, field: Field) -> Result<u32, DecodeError> {
        self.take(field).map(u32::from_le_bytes)
    }

    /// A 16-bit medical float.
    pub fn sfloat(&mut self, field: Field) -> Result<Medfloat, DecodeError> {
        self.u16(field).map(medfloat::from_sfloat)
    }

    /// A 32-bit medical float.
    pub fn float(&mut self, field: Field) -> Result<Medfloat, DecodeError> {
        self.u32(field).map(medfloat::from_float)
    }

    /// A date and time of seven octets.
    pub fn date_time(&mut self, field: Field) -> Result<DateTime, DecodeError> {
        let at = self.at;
        DateTime::from_octets(self.take(field)?, at)
    }

    /// Refuses octets that are left over.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes { at: self.at, surplus: octets(self.rest.len()) })
        }
    }

    /// Refuses a value of fixed length that is longer than `length` octets, before its content
    /// is looked at. A shorter one is noticed at the field that is missing.
    pub fn at_most(&self, length: u16) -> Result<(), DecodeError> {
        match octets(self.rest.len()).checked_sub(length) {
            Some(surplus) if surplus > 0 => {
                Err(DecodeError::TrailingBytes { at: self.at.saturating_add(length), surplus })
            }
            _ => Ok(()),
        }
    }
}
