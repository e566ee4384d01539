//! What a source hands to intake.

use crate::clock::Now;

/// The layout of one line of a recorded file; the line itself is the raw payload.
/// The discriminants are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum LineFormat {
    /// Hearth's own CSV (`hearth replay --help` documents it).
    Hearth = 1,
    /// AIM-94 diabetes logs.
    Aim94 = 2,
    /// One home blood pressure diary (bp_jhs).
    BpDiary = 3,
    /// HYPNOS ambulatory blood pressure.
    BpHypnos = 4,
    /// Fitbit weight logs.
    FitbitWeight = 5,
    /// iglu example CGM.
    Iglu = 6,
    /// T1D-UOM continuous glucose.
    T1dUom = 7,
}

impl LineFormat {
    /// All formats in the order of their codes.
    pub const ALL: [LineFormat; 7] = [
        Self::Hearth,
        Self::Aim94,
        Self::BpDiary,
        Self::BpHypnos,
        Self::FitbitWeight,
        Self::Iglu,
        Self::T1dUom,
    ];

    /// The format with this stored code.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| *f as u16 == code)
    }
}

/// A protocol of a maker's own whose records the decoder knows.
/// The discriminants are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum VendorProtocol {
    /// A stored record of a TaiDoc device: model, time frame, value frame
    /// ([`hearth_shared::gatt::taidoc::Record`]).
    Taidoc = 1,
}

impl VendorProtocol {
    /// All protocols in the order of their codes.
    pub const ALL: [VendorProtocol; 1] = [Self::Taidoc];

    /// The protocol with this stored code.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| *p as u16 == code)
    }
}

/// Raw octets and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The value of a GATT characteristic, as it came over the air.
    Gatt {
        /// 16-bit UUID.
        characteristic: u16,
        /// The attribute value.
        octets: Vec<u8>,
    },
    /// One line of a recorded file.
    Line {
        /// Its layout.
        format: LineFormat,
        /// The line without its end.
        octets: Vec<u8>,
    },
    /// A record in a maker's own protocol, as its frames came over the air.
    Vendor {
        /// Which protocol.
        protocol: VendorProtocol,
        /// The frames of one record.
        octets: Vec<u8>,
    },
}

/// What is known about the link a payload came over. Unknown is never assumed to be good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkSecurity {
    /// Encrypted with the bond's key.
    pub encrypted: Option<bool>,
    /// Paired with protection against a man in the middle.
    pub authenticated: Option<bool>,
    /// LE Secure Connections.
    pub secure_connections: Option<bool>,
}

/// One payload from one device, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Device id as in the roster; an unknown device is quarantined, not guessed.
    pub device: String,
    /// The raw octets.
    pub payload: Payload,
    /// When it was received.
    pub received: Now,
    /// Counts the connections since boot.
    pub connection: u32,
    /// Place within the connection.
    pub position: u32,
    /// Our UTC minus the device's clock (read as UTC), in seconds, sampled in this connection.
    pub clock_offset_s: Option<i64>,
    /// What is known of the link.
    pub link: LinkSecurity,
}

/// What became of one arrival, in the order of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At least one observation, with or without a value.
    Observed {
        /// Journal sequence of the raw row.
        journal_seq: i64,
        /// Observation ids, in the order of the parts.
        ids: Vec<uuid::Uuid>,
    },
    /// Already held; counted.
    Duplicate {
        /// Journal sequence of the raw row.
        journal_seq: i64,
    },
    /// Kept with its octets and a reason; counted.
    Quarantined {
        /// Journal sequence of the raw row.
        journal_seq: i64,
        /// The reason, as a plain sentence.
        reason: String,
    },
    /// No reading is in it (battery level, features, meal context, device clock).
    Noted {
        /// Journal sequence of the raw row.
        journal_seq: i64,
    },
}
