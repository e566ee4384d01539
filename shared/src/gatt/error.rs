//! Why octets are refused: what is wrong, where, what was needed and what was found.

use super::Field;

/// The rejection of a whole value (`bluetooth-profiles` 1). Offsets count octets from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeError {
    /// The value ends before a field that is mandatory or announced by the flags.
    Truncated {
        /// The field that is missing or cut.
        field: Field,
        /// Where the field starts.
        at: u16,
        /// How many octets the field needs.
        need: u16,
        /// How many are left.
        have: u16,
    },
    /// A value of fixed length, or a command, goes on after its last field.
    TrailingBytes {
        /// Where the surplus starts.
        at: u16,
        /// How many octets are too many.
        surplus: u16,
    },
    /// A field holds a number that the specification reserves and that cannot be passed over.
    ReservedValue {
        /// The field.
        field: Field,
        /// Where it starts.
        at: u16,
        /// What it holds.
        found: i32,
    },
    /// A date that no calendar has: month 13, 30 February, hour 24, year 1581.
    InvalidDate {
        /// The part that is wrong.
        field: Field,
        /// Where that part starts.
        at: u16,
        /// What it holds.
        found: u16,
    },
    /// The E2E-CRC at the end does not fit the octets before it.
    CrcMismatch {
        /// Where the CRC starts.
        at: u16,
        /// The CRC of the octets before it.
        computed: u16,
        /// The CRC that was sent.
        found: u16,
    },
    /// The sensor promises an E2E-CRC and sent none.
    CrcMissing {
        /// Where the CRC would start.
        at: u16,
    },
    /// A CGM record whose size does not fit its flags.
    BadSize {
        /// Where the record starts.
        at: u16,
        /// The size its flags ask for, without CRC.
        need: u16,
        /// The size it claims.
        found: u16,
    },
    /// A record count that is neither two nor four octets long, or a value beyond 512 octets.
    BadLength {
        /// Where the field starts.
        at: u16,
        /// How many octets it has.
        found: u16,
    },
    /// A record access operator that does not belong to its op code.
    InvalidOperator {
        /// The op code.
        op_code: u8,
        /// The operator.
        found: u8,
    },
    /// A number beyond the range that its field allows (consent code above 9999).
    OutOfRange {
        /// The field.
        field: Field,
        /// Where it starts.
        at: u16,
        /// The largest number allowed.
        max: u16,
        /// What it holds.
        found: u16,
    },
    /// Nothing here decodes a characteristic with this number.
    UnknownCharacteristic {
        /// Its 16-bit UUID.
        uuid16: u16,
    },
}

impl DecodeError {
    /// The word for the kind of rejection, as in the golden vectors.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::TrailingBytes { .. } => "trailing_bytes",
            Self::ReservedValue { .. } => "reserved_value",
            Self::InvalidDate { .. } => "invalid_date",
            Self::CrcMismatch { .. } => "crc_mismatch",
            Self::CrcMissing { .. } => "crc_missing",
            Self::BadSize { .. } => "bad_size",
            Self::BadLength { .. } => "bad_length",
            Self::InvalidOperator { .. } => "invalid_operator",
            Self::OutOfRange { .. } => "out_of_range",
            Self::UnknownCharacteristic { .. } => "unknown_characteristic",
        }
    }

    /// The octet where the trouble starts, and how many octets it spans (at least one).
    pub const fn span(self) -> (u16, u16) {
        match self {
            Self::Truncated { at, have, .. } => (at, if have == 0 { 1 } else { have }),
            Self::TrailingBytes { at, surplus } => (at, surplus),
            Self::ReservedValue { field, at, .. } | Self::InvalidDate { field, at, .. } => {
                (at, field.octets())
            }
            Self::CrcMismatch { at, .. } => (at, 2),
            Self::CrcMissing { at } => (at, 2),
            Self::BadSize { at, .. } => (at, 1),
            Self::BadLength { at, found } => (at, if found == 0 { 1 } else { found }),
            Self::InvalidOperator { .. } => (1, 1),
            Self::OutOfRange { at, .. } => (at, 2),
            Self::UnknownCharacteristic { .. } => (0, 1),
        }
    }
}
