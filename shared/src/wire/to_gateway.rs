//! What a hub says to its gateway.

use super::{
    BootId, HubId, HubTicks, MessageError, PromptId, RECORD_CONTENT_MAX, RecordId, Refused, Stamp,
    StorageId, decode_exactly,
};
use crate::wire::record::{Content, ResetCause};
use serde::{Deserialize, Serialize};

/// Messages known to this version.
const MESSAGES: u32 = 8;

/// Longest text of a log line, octets of UTF-8.
pub const LOG_TEXT_MAX: usize = 96;

/// A message to the gateway. Variants are appended, never moved: their order is their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToGateway<'a> {
    /// 0, plain: opens a session.
    Hello(Hello),
    /// 1: one thing that was kept. Sent again until it is acknowledged.
    #[serde(borrow)]
    Record(Record<'a>),
    /// 2: how the hub is; the first sealed message of a session, then each minute and on `Query`.
    Status(Status),
    /// 3: what became of a prompt that was sent down.
    PromptState(PromptState),
    /// 4: a line for the technician; not kept, may be lost.
    Log(#[serde(borrow)] HubLog<'a>),
    /// 5: how far an update is.
    Update(UpdateStatus),
    /// 6, plain: the key was taken.
    PairAccepted(PairAccepted),
    /// 7: a message was not accepted.
    Refused(Refused),
}

/// Who calls, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The hub.
    pub hub: HubId,
    /// Kind of board; 1 is QEMU's lm3s6965evb, 2 the Raspberry Pi Pico, 3 the Pico 2, 0 a PC.
    pub board: u32,
    /// Version of the program: major << 24, minor << 16, patch.
    pub firmware: u32,
    /// The program has confirmed itself; otherwise the next reset brings back the one before.
    pub confirmed: bool,
    /// The slot that runs: 0 or 1.
    pub slot: u8,
    /// Digest of the rules that run: both sides must have the same for the same verdicts.
    pub rules: u32,
    /// [`super::Key::check`] of the key it holds; 0 while it has none.
    pub key_check: u32,
    /// Life of its storage; 0 before the first pairing.
    pub storage: StorageId,
    /// This boot.
    pub boot: BootId,
    /// Why it started.
    pub cause: ResetCause,
    /// The oldest record it still keeps; what is before it was acknowledged.
    pub oldest: Option<RecordId>,
    /// The newest record it keeps.
    pub newest: Option<RecordId>,
    /// Never used before with this key.
    pub nonce: [u8; 16],
}

/// One record: who, when, what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<'a> {
    /// Which.
    pub id: RecordId,
    /// The record kept before it that has not been erased either; nothing for the oldest. A gateway that has
    /// not committed it lacks a record, and takes this one later.
    pub after: Option<RecordId>,
    /// When.
    pub at: Stamp,
    /// Encoded [`Content`], at most [`RECORD_CONTENT_MAX`] octets. It is an octet string of its own so that
    /// a gateway can keep one that it cannot read.
    #[serde(borrow)]
    pub content: &'a [u8],
}

impl Record<'_> {
    /// Whether a gateway that has committed everything through `known` lacks nothing before this record.
    pub fn follows(&self, known: Option<RecordId>) -> bool {
        self.after <= known
    }

    /// The content, if this version can read it.
    ///
    /// # Errors
    /// As [`Content::decode`].
    pub fn read(&self) -> Result<Content, MessageError> {
        Content::decode(self.content)
    }
}

/// How the hub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its clock now.
    pub now: Stamp,
    /// Records kept.
    pub kept: u32,
    /// Storage in use, per mille.
    pub storage_permille: u16,
    /// Samples refused since the storage was formatted and not yet told as a loss.
    pub refused: u32,
    /// Damaged frames heard since boot.
    pub bad_frames: u32,
    /// Revision of the settings in force.
    pub settings: u32,
    /// Prompts that wait for an answer.
    pub prompts: u8,
}

/// What became of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptState {
    /// Which.
    pub prompt: PromptId,
    /// 0 waits its turn, 1 on the screen, 2 no room: send it again later, 3 was answered before, 4 its time
    /// is over, 5 withdrawn, 6 not understood. Unknown numbers are carried.
    pub state: u8,
}

impl PromptState {
    /// It waits until the one before it is answered, or for the end of the quiet hours.
    pub const WAITS: u8 = 0;
    /// It is on the screen.
    pub const SHOWN: u8 = 1;
    /// Too many wait.
    pub const NO_ROOM: u8 = 2;
    /// Its answer is kept already.
    pub const ANSWERED: u8 = 3;
    /// Nobody answered in time.
    pub const EXPIRED: u8 = 4;
    /// It was taken off as asked.
    pub const WITHDRAWN: u8 = 5;
    /// Its text or its answers do not fit the screen's limits.
    pub const MALFORMED: u8 = 6;
}

/// A line for the technician. No name and no value of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubLog<'a> {
    /// When.
    pub at: HubTicks,
    /// 1 error, 2 warning, 3 information.
    pub level: u8,
    /// Number of the event, for which a program may look.
    pub code: u16,
    /// The same in English, at most [`LOG_TEXT_MAX`] octets.
    pub text: &'a str,
}

/// How far an update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// 0 none, 1 receiving, 2 checking, 3 accepted: restarting, 4 refused, 5 runs unconfirmed, 6 confirmed,
    /// 7 rolled back. Unknown numbers are carried.
    pub state: u8,
    /// Why it was refused or rolled back, a [`super::RefusalCode`] number; 0 otherwise.
    pub reason: u16,
    /// The octet that is wanted next.
    pub next: u32,
}

/// The key was taken, after the person held the window open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairAccepted {
    /// The hub.
    pub hub: HubId,
    /// Its storage's life: the one offered if it had none.
    pub storage: StorageId,
    /// [`super::Key::check`] of the key it kept.
    pub key_check: u32,
}

impl<'a> ToGateway<'a> {
    /// Writes the message and returns its length.
    ///
    /// # Errors
    /// [`MessageError::TooLong`] if it does not fit or a part is longer than allowed.
    pub fn encode(&self, place: &mut [u8]) -> Result<usize, MessageError> {
        self.check()?;
        postcard::to_slice(self, place).map(|used| used.len()).map_err(|_| MessageError::TooLong)
    }

    /// Reads a message: all of the octets, no more and no less.
    ///
    /// # Errors
    /// [`MessageError::Unknown`] for a message of a later version, otherwise what is wrong with it.
    pub fn decode(octets: &'a [u8]) -> Result<Self, MessageError> {
        let message: Self = decode_exactly(octets, MESSAGES)?;
        message.check()?;
        Ok(message)
    }

    /// May be believed without a seal: it opens the session or only says no.
    pub const fn may_be_plain(&self) -> bool {
        matches!(self, Self::Hello(_) | Self::PairAccepted(_) | Self::Refused(_))
    }

    fn check(&self) -> Result<(), MessageError> {
        let fits = match self {
            Self::Record(record) => record.content.len() <= RECORD_CONTENT_MAX,
            Self::Log(log) => log.text.len() <= LOG_TEXT_MAX,
            _ => true,
        };
        if fits { Ok(()) } else { Err(MessageError::TooLong) }
    }
}
