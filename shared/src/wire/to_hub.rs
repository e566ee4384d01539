//! What a gateway says to its hub.

use super::{GatewayId, MessageError, PromptId, RecordId, Refused, StorageId, decode_exactly};
use crate::assess::alerts::Limits;
use crate::wire::record::Choice;
use serde::{Deserialize, Serialize};

/// Messages known to this version.
const MESSAGES: u32 = 14;

/// Longest text of a prompt, octets of UTF-8.
pub const PROMPT_TEXT_MAX: usize = 480;
/// Longest word on an answer, octets of UTF-8.
pub const ANSWER_WORD_MAX: usize = 24;
/// Longest part of a last reading, octets of UTF-8.
pub const READING_TEXT_MAX: usize = 64;
/// Answers of a prompt: one for each button.
pub const ANSWERS_MAX: usize = 3;
/// Octets of an image in one message.
pub const CHUNK_MAX: usize = 512;

/// A message to the hub. Variants are appended, never moved: their order is their number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// The largest, limits, is rare; a box would need an allocator.
#[allow(clippy::large_enum_variant)]
pub enum ToHub<'a> {
    /// 0, plain: answers `Hello`.
    Welcome(Welcome),
    /// 1: everything up to this record is committed; the hub may erase it.
    Ack(Ack),
    /// 2: something to show, and what may be answered.
    #[serde(borrow)]
    Prompt(Prompt<'a>),
    /// 3: take a prompt off; one that was answered stays answered.
    Withdraw(Withdraw),
    /// 4: what time it is.
    Clock(Clock),
    /// 5: how the hub behaves towards the person.
    Settings(Settings),
    /// 6: one person of the household, and the limits of that person's alerts.
    Person(Person),
    /// 7: the last reading, worded for the person.
    LastReading(#[serde(borrow)] LastReading<'a>),
    /// 8, plain: a key, while the pairing window is open.
    PairOffer(PairOffer),
    /// 9: the pairing ends.
    Forget(Forget),
    /// 10: a new program is about to come.
    UpdateBegin(UpdateBegin),
    /// 11: a piece of it.
    UpdateChunk(#[serde(borrow)] UpdateChunk<'a>),
    /// 12: that was all; check it and restart.
    UpdateFinish,
    /// 13: a message was not accepted.
    Refused(Refused),
}

/// The gateway's half of the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The gateway.
    pub gateway: GatewayId,
    /// Drawn at random for this session.
    pub nonce: [u8; 16],
}

/// Committed through this record, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The storage it belongs to; of another one it is not meant for this hub's records.
    pub storage: StorageId,
    /// The last one committed.
    pub through: RecordId,
}

/// Something to show.
///
/// Words stand in reading order, one space between them; a no-break space (U+00A0) keeps words on one
/// line in the order given. Within a word the characters stand as they are drawn, from left to right: in a
/// right-to-left language the gateway has turned each word round, and shaped it where the script needs it.
/// The hub breaks lines between words, and places words from the right if `right_to_left`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt<'a> {
    /// Which; the same one again changes nothing.
    pub id: PromptId,
    /// 0 ordinary, 1 advisory, 2 urgent, 3 critical: shown in quiet hours and with sound.
    pub level: u8,
    /// Words run from right to left.
    pub right_to_left: bool,
    /// It is taken off after this many seconds from now.
    pub expires_in_s: u32,
    /// The text, at most [`PROMPT_TEXT_MAX`] octets.
    pub text: &'a str,
    /// One for each button, from the first.
    #[serde(borrow)]
    pub answers: heapless::Vec<Offer<'a>, ANSWERS_MAX>,
}

/// An answer that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer<'a> {
    /// What a press means.
    pub choice: Choice,
    /// What stands beside the button, at most [`ANSWER_WORD_MAX`] octets.
    pub word: &'a str,
}

/// Take a prompt off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// Which.
    pub prompt: PromptId,
}

/// What time it is, at the moment of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Milliseconds since 1970 UTC.
    pub utc_ms: i64,
    /// Local time minus UTC, minutes.
    pub offset_min: i16,
    /// The offset changes at this moment, milliseconds since 1970 UTC (summer time), to `then_min`.
    pub change_ms: Option<i64>,
    /// Offset after the change.
    pub then_min: i16,
}

/// How the hub behaves towards the person. Kept through a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Counts changes; told back in `Status`.
    pub revision: u32,
    /// Two letters of ISO 639-1, lower case, of the hub's own words; one it does not have is English.
    pub language: [u8; 2],
    /// Quiet hours from this minute of the local day; equal to `quiet_to` for none.
    pub quiet_from: u16,
    /// To this minute.
    pub quiet_to: u16,
    /// Muted until this moment, milliseconds since 1970 UTC.
    pub muted_until_ms: Option<i64>,
    /// Volume, 0 silent to 3; a critical alert sounds at 1 at least.
    pub volume: u8,
    /// Weight is shown in pounds instead of kilograms.
    pub pounds: bool,
    /// Temperature is shown in Fahrenheit.
    pub fahrenheit: bool,
    /// Glucose is shown in mmol/L.
    pub mmol: bool,
}

/// One person of the household as the rules know them: no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Which, from 0.
    pub slot: u8,
    /// Whether there is such a person; without, the slot's rules and their memory are dropped.
    pub present: bool,
    /// Consent to prompts; without it the hub says nothing to the person but critical alerts.
    pub prompts: bool,
    /// Start of monitoring, Unix seconds.
    pub start: u32,
    /// Limits of the alerts: for each of G1 G2 G3 G4 G5 P1 P2 P3 H1 O1 O2 W1 W2 T1 an option of its numbers.
    pub limits: Limits,
}

/// The last reading, worded for the person; kept through a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReading<'a> {
    /// When it was measured, milliseconds since 1970 UTC.
    pub utc_ms: i64,
    /// Words run from right to left, as in [`Prompt`].
    pub right_to_left: bool,
    /// 0 as expected, 1 advisory, 2 urgent, 3 critical: a sign of its own shape on the screen.
    pub level: u8,
    /// What was measured, in her language.
    pub what: &'a str,
    /// The value with its unit.
    pub value: &'a str,
    /// What it means.
    pub meaning: &'a str,
}

/// A key for a hub whose pairing window a person holds open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairOffer {
    /// Who offers.
    pub gateway: GatewayId,
    /// For a storage that has no name yet; drawn at random, not 0.
    pub storage: StorageId,
    /// The octets of the [`super::Key`].
    pub key: [u8; 32],
}

/// The pairing ends: the key and the settings are erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forget {
    /// Records that nobody has acknowledged are erased too: the hub goes to other people.
    pub records: bool,
}

/// A new program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateBegin {
    /// Its length in octets.
    pub size: u32,
    /// Its version, as in `Hello`.
    pub firmware: u32,
    /// The board it was made for, as in `Hello`.
    pub board: u32,
    /// SHA-256 of the image.
    pub digest: [u8; 32],
    /// First half of the Ed25519 signature over size, firmware, board (each 4 octets, least significant
    /// first) and digest.
    pub signature_r: [u8; 32],
    /// Second half.
    pub signature_s: [u8; 32],
}

/// A piece of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateChunk<'a> {
    /// Place of its first octet; another than the one wanted next is answered with the one wanted.
    pub offset: u32,
    /// At most [`CHUNK_MAX`] octets.
    #[serde(borrow)]
    pub octets: &'a [u8],
}

impl<'a> ToHub<'a> {
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

    /// May be believed without a seal: it opens the session, pairs in the window, or only says no.
    pub const fn may_be_plain(&self) -> bool {
        matches!(self, Self::Welcome(_) | Self::PairOffer(_) | Self::Refused(_))
    }

    fn check(&self) -> Result<(), MessageError> {
        let fits = match self {
            Self::Prompt(prompt) => {
                prompt.text.len() <= PROMPT_TEXT_MAX
                    && prompt.answers.iter().all(|offer| offer.word.len() <= ANSWER_WORD_MAX)
            }
            Self::LastReading(last) => [last.what, last.value, last.meaning]
                .iter()
                .all(|part| part.len() <= READING_TEXT_MAX),
            Self::UpdateChunk(chunk) => chunk.octets.len() <= CHUNK_MAX,
            _ => true,
        };
        if fits { Ok(()) } else { Err(MessageError::TooLong) }
    }
}
