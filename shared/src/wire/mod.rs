//! The line between a hub and its gateway: one page from which the other end can be written.
//!
//! # From the outside in
//!
//! 1. **Line**: any that carries octets in order, may lose, flip and invent them: a serial port at 115,200 baud,
//!    8 data bits, no parity, one stop bit, no flow control, or USB CDC-ACM.
//! 2. **Frame** ([`frame`]): `00`, COBS of content and CRC-32, `00`. An empty frame is nothing.
//! 3. **Content**, 2 to [`CONTENT_MAX`] octets:
//!
//!    | offset | size | field |
//!    | --- | --- | --- |
//!    | 0 | 1 | version of the sender, [`WIRE_VERSION`] |
//!    | 1 | 1 | kind: 0 plain, 1 sealed, 2 "I do not speak your version" |
//!    | 2 | | plain: payload. Sealed: counter, payload, tag, see [`session`]. Kind 2: lowest and highest version spoken, one octet each |
//!
//!    A content of another version is answered with kind 2, at most once a second, and dropped; version, kind and
//!    the answer of kind 2 keep this layout for ever. The hub keeps its records meanwhile. Other kinds are dropped.
//! 4. **Payload**: one message, encoded by postcard's rules below: [`ToGateway`] or [`ToHub`] by the direction. It
//!    must end where the content ends (before the tag). Only messages that say so may come plain.
//!
//! # Values
//!
//! Fields stand in the order in which the types declare them, without names, padding or alignment
//! (postcard 1, <https://postcard.jamesmunns.com/wire-format>):
//!
//! | type | octets |
//! | --- | --- |
//! | `u8`, `[u8; n]` | as they are |
//! | `bool` | `00` or `01` |
//! | `u16` `u32` `u64`, lengths, numbers of variants | 7 bits an octet, least significant first, bit 7 set on all but the last: 300 is `AC 02` |
//! | `i16` `i32` `i64` | zigzag, then as unsigned: 0, -1, 1, -2 are 0, 1, 2, 3 |
//! | option | `00`, or `01` and the value |
//! | `&str`, `&[u8]`, list | length, then the octets (UTF-8) or values |
//! | enum | number of the variant, then its fields |
//! | a struct around one field | that field |
//!
//! A message or record kind beyond those known is [`MessageError::Unknown`]: a record is kept and acknowledged
//! all the same, any other message is answered with [`Refused`].
//!
//! # The conversation
//!
//! ```text
//! hub                                       gateway
//!  | Hello (plain) ------------------------> |   knows the hub by its id, the key by its check
//!  | <------------------------ Welcome (plain)|   both make the keys of the session
//!  | Status (sealed) ----------------------> |   the seal holds: it is the hub
//!  | <--- Clock, Settings, Person, LastReading, Prompt … (sealed)
//!  | Record, Record, … --------------------> |   commits, all or none
//!  | <------------------------------- Ack    |   the hub may erase through this one
//! ```
//!
//! - The hub says `Hello` after boot, when the line opens, after `Refused` with [`RefusalCode::NO_SESSION`], and
//!   after 5 s without an answer to it or 30 s without any sealed frame; at most once a second.
//! - A gateway that hears a sealed frame without a session answers plainly with `NO_SESSION`. It sends something
//!   sealed at least every 10 s (`Clock` will do).
//! - Records go in order, at most [`WINDOW`] beyond the last acknowledged. What is not acknowledged within 1 s, or
//!   when the same acknowledgement comes again, is sent again from the oldest. The gateway commits before it acknowledges, takes a record that it knows as
//!   committed, and acknowledges it again. One whose `after` is later than the last committed is dropped, and the
//!   last one committed acknowledged again: what was lost on the way comes again.
//! - Prompts: the gateway sends those that are open after each opening, and each new one. The hub answers each time
//!   with `PromptState`. An answer comes as a record, once; a prompt that was answered is never shown again.
//!   What the rules on the hub say is an alert record, and a prompt of the hub's own with an id by
//!   [`PromptId::of_hub`]; its answer is a record like any other.
//! - Identity of a record: hub, storage, boot, number. See [`StorageId`].
//! - Pairing: a person opens the window at the hub (hold the first button for three seconds; a hub that was never
//!   paired stands open). The gateway sends `PairOffer`, the hub keeps the key, answers `PairAccepted`, closes the
//!   window and opens a session. Both show the digits of the key.
//!
//! What must be absent: allocation, floats, panics, and anything that believes an octet before its CRC, or an order
//! before its seal.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)]

pub mod frame;

mod identity;

mod record;

pub mod session;

mod to_gateway;

mod to_hub;

pub use identity::{BootId, GatewayId, HubId, HubTicks, PromptId, RecordId, Stamp, StorageId};
pub use record::{
    Answer, Choice, Content, HubAlert, Loss, RECORD_CONTENT_MAX, ResetCause, Restart, Sample,
};
pub use session::{Key, Session, Side};
pub use to_gateway::{
    Hello, HubLog, LOG_TEXT_MAX, PairAccepted, PromptState, Record, Status, ToGateway, UpdateStatus,
};
pub use to_hub::{
    ANSWER_WORD_MAX, ANSWERS_MAX, Ack, CHUNK_MAX, Clock, Forget, LastReading, Offer,
    PROMPT_TEXT_MAX, PairOffer, Person, Prompt, READING_TEXT_MAX, Settings, ToHub, UpdateBegin,
    UpdateChunk, Welcome, Withdraw,
};

use serde::{Deserialize, Serialize};

/// The version spoken here. Raised when the meaning of something changes, not when something is appended.
pub const WIRE_VERSION: u8 = 1;

/// Kind of a content: a message without a seal.
pub const KIND_PLAIN: u8 = 0;
/// Kind of a content: counter, message, tag.
pub const KIND_SEALED: u8 = 1;
/// Kind of a content: the sender does not speak the version it heard.
pub const KIND_VERSION: u8 = 2;

/// Longest payload: the longest prompt, or a piece of an update.
pub const PAYLOAD_MAX: usize = 600;

/// Longest content: version, kind, counter, payload, tag.
pub const CONTENT_MAX: usize = PAYLOAD_MAX + session::SEAL_SIZE;

/// Records under way at most.
pub const WINDOW: u32 = 16;

const _: () = {
    // Number, id, level, direction, expiry, text, three answers.
    let prompt = 1 + 16 + 1 + 1 + 5 + 2 + PROMPT_TEXT_MAX + 1 + ANSWERS_MAX * (2 + ANSWER_WORD_MAX);
    assert!(prompt <= PAYLOAD_MAX, "the longest prompt fits a frame");
    assert!(1 + 5 + 2 + CHUNK_MAX <= PAYLOAD_MAX, "the longest chunk fits a frame");
    let reading = 1 + 10 + 1 + 1 + 3 * (1 + READING_TEXT_MAX);
    assert!(reading <= PAYLOAD_MAX, "the longest reading fits a frame");
    // Number, record id, the one before, stamp, content.
    assert!(1 + 10 + 11 + 21 + 1 + RECORD_CONTENT_MAX <= PAYLOAD_MAX, "a record fits a frame");
    assert!(1 + 10 + 1 + 3 + 1 + LOG_TEXT_MAX <= PAYLOAD_MAX, "a log line fits a frame");
    // Number, slot, two flags, start, fourteen rules of at most four numbers of five octets.
    assert!(1 + 1 + 2 + 5 + 14 * (1 + 4 * 5) <= PAYLOAD_MAX, "a person fits a frame");
};

/// Why octets on the line are no frame. Each is counted, none is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameError {
    /// Longer than any frame.
    TooLong,
    /// Shorter than any frame.
    TooShort,
    /// Not the COBS form of anything.
    Stuffing,
    /// The CRC does not hold.
    Checksum,
}

/// Why a content is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealError {
    /// Too short, or not sealed, or of another version.
    Malformed,
    /// Not from the other side of this session, or changed on the way.
    Tag,
    /// Its counter is not above the last one.
    Replayed,
    /// The payload does not fit.
    TooLong,
    /// All counters are used up.
    Exhausted,
}

/// Why a payload is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageError {
    /// A number that this version does not know.
    Unknown(u32),
    /// The octets do not form what their number says, or something follows them.
    Malformed,
    /// A part is longer than allowed.
    TooLong,
    /// It came without a seal and needs one.
    Unsealed,
    /// The content is of this version and of an unknown kind.
    Kind(u8),
    /// The content is of this version.
    Version(u8),
}

/// Why something was refused. Unknown numbers are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RefusalCode(pub u16);

impl RefusalCode {
    /// There is no session: say `Hello`.
    pub const NO_SESSION: Self = Self(1);
    /// The hub is not paired with this gateway.
    pub const NOT_PAIRED: Self = Self(2);
    /// The pairing window is not open.
    pub const WINDOW_CLOSED: Self = Self(3);
    /// A message of a later version.
    pub const UNKNOWN_MESSAGE: Self = Self(4);
    /// A message that cannot be read.
    pub const MALFORMED: Self = Self(5);
    /// A value outside its range.
    pub const OUT_OF_RANGE: Self = Self(6);
    /// The storage does not answer.
    pub const STORAGE: Self = Self(7);
    /// Update: the signature does not hold.
    pub const SIGNATURE: Self = Self(16);
    /// Update: made for another board.
    pub const OTHER_BOARD: Self = Self(17);
    /// Update: older than allowed.
    pub const OLDER: Self = Self(18);
    /// Update: does not fit.
    pub const TOO_BIG: Self = Self(19);
    /// Update: the digest does not hold, or octets are missing.
    pub const CORRUPT: Self = Self(20);
    /// Update: this board cannot be updated over the line.
    pub const NO_UPDATE: Self = Self(21);
    /// Update: the new program did not confirm itself.
    pub const NOT_CONFIRMED: Self = Self(22);
}

/// Something was not accepted. Plain, it is advice: nothing is erased on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why.
    pub code: RefusalCode,
    /// Number of the message that was refused, 255 if it had none.
    pub about: u8,
}

/// Reads a value whose first field is a number below `known`, and that ends where `octets` end.
fn decode_exactly<'a, T: Deserialize<'a>>(octets: &'a [u8], known: u32) -> Result<T, MessageError> {
    let (number, _) =
        postcard::take_from_bytes::<u32>(octets).map_err(|_| MessageError::Malformed)?;
    if number >= known {
        return Err(MessageError::Unknown(number));
    }
    let (value, rest) =
        postcard::take_from_bytes::<T>(octets).map_err(|_| MessageError::Malformed)?;
    if rest.is_empty() { Ok(value) } else { Err(MessageError::Malformed) }
}

/// A content by its kind, before anything in it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened<'a> {
    /// A payload without a seal.
    Plain(&'a [u8]),
    /// A content for [`Session::open`].
    Sealed(&'a [u8]),
    /// The other side does not speak our version, but these.
    Version {
        /// Lowest.
        lowest: u8,
        /// Highest.
        highest: u8,
    },
}

/// Sorts a content by version and kind.
///
/// # Errors
/// [`MessageError::Version`] to be answered with [`version_refusal`]; [`MessageError::Kind`] and
/// [`MessageError::Malformed`] to be dropped.
pub fn sort(content: &[u8]) -> Result<Opened<'_>, MessageError> {
    let ([version, kind], rest) =
        content.split_first_chunk::<2>().ok_or(MessageError::Malformed)?;
    // This one is understood in every version, and never answered.
    if *kind == KIND_VERSION {
        return match rest {
            [lowest, highest, ..] => Ok(Opened::Version { lowest: *lowest, highest: *highest }),
            _ => Err(MessageError::Malformed),
        };
    }
    if *version != WIRE_VERSION {
        return Err(MessageError::Version(*version));
    }
    match *kind {
        KIND_PLAIN => Ok(Opened::Plain(rest)),
        KIND_SEALED => Ok(Opened::Sealed(content)),
        other => Err(MessageError::Kind(other)),
    }
}

/// The content that says which versions are spoken here.
pub const fn version_refusal() -> [u8; 4] {
    [WIRE_VERSION, KIND_VERSION, WIRE_VERSION, WIRE_VERSION]
}

/// Puts version and kind before the payload that stands in `content[2..][..size]`.
///
/// # Errors
/// [`MessageError::TooLong`] if it does not fit.
pub fn plain(content: &mut [u8; CONTENT_MAX], size: usize) -> Result<&[u8], MessageError> {
    let end = size.checked_add(2).ok_or(MessageError::TooLong)?;
    let whole = content.get_mut(..end).ok_or(MessageError::TooLong)?;
    *whole.first_chunk_mut::<2>().ok_or(MessageError::TooLong)? = [WIRE_VERSION, KIND_PLAIN];
    Ok(whole)
}
