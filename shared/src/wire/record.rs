//! What the hub keeps until the gateway has committed it: the content of a record.
//!
//! Numbers of `Content` are the record kinds. A kind that the gateway does not know is committed as it
//! came and acknowledged: a mended decoder can read it later.

use super::{BootId, MessageError, PromptId, Stamp, decode_exactly};
use crate::assess::alerts::{Level, RuleId};
use crate::observation::{Absent, DisplayUnit, Quantity};
use serde::{Deserialize, Serialize};

/// Longest encoded content, octets.
pub const RECORD_CONTENT_MAX: usize = 64;

/// Kinds of content known to this version.
const KINDS: u32 = 6;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// 0: a value of a sensor of the hub.
    Sample(Sample),
    /// 1: a press on a prompt.
    Answer(Answer),
    /// 2: the rules on the hub said something to the person.
    Alert(HubAlert),
    /// 3: the help button was pressed while no prompt was shown.
    Help,
    /// 4: samples were refused because the storage was full.
    Loss(Loss),
    /// 5: the hub started.
    Restart(Restart),
}

/// One raw value of a hub sensor. Codes are those of `observation`; unknown ones are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Which of the hub's sensors, from 0.
    pub sensor: u8,
    /// [`Quantity`] code.
    pub quantity: u8,
    /// 0 for a value, otherwise the [`Absent`] code that says why there is none.
    pub absent: u8,
    /// The value in the fine unit of its quantity: g, m°C, µmol/L, Pa (systolic), 0.1 %, 0.1/min.
    pub value: i32,
    /// Diastolic pressure in Pa; 0 for all else.
    pub second: i32,
    /// What the sensor itself said, before calibration: a converter's count.
    pub raw: i32,
    /// [`DisplayUnit`] code of what the screen showed.
    pub unit: u8,
    /// Bit 0: invalid by the sensor's own word; bit 1: suspect (unstable, moved); bit 2: preliminary.
    pub marks: u8,
    /// Whose, as far as the hub knows: the slot of a `Person`; 255 for nobody's yet.
    pub person: u8,
}

impl Sample {
    /// [`Self::person`] of a sample that nobody has claimed.
    pub const NOBODY: u8 = 255;

    /// The quantity, if this version knows its code.
    pub fn quantity(&self) -> Option<Quantity> {
        Quantity::from_code(self.quantity)
    }

    /// Why there is no value: `Ok(None)` if there is one, `Err` for an unknown code.
    ///
    /// # Errors
    /// The unknown code.
    pub fn absent(&self) -> Result<Option<Absent>, u8> {
        match self.absent {
            0 => Ok(None),
            code => Absent::from_code(code).map(Some).ok_or(code),
        }
    }

    /// The unit that was displayed, if this version knows its code.
    pub fn unit(&self) -> Option<DisplayUnit> {
        DisplayUnit::from_code(self.unit)
    }
}

/// What a person can say with one press. Unknown numbers are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choice(pub u8);

impl Choice {
    /// Done, or seen.
    pub const DONE: Self = Self(1);
    /// Ask me later.
    pub const LATER: Self = Self(2);
    /// I need help.
    pub const HELP: Self = Self(3);
    /// I am away.
    pub const AWAY: Self = Self(4);
    /// I am unwell.
    pub const ILL: Self = Self(5);
    /// Something is wrong with the device.
    pub const DEVICE: Self = Self(6);
    /// No more prompts.
    pub const STOP: Self = Self(7);
    /// The first of two possible owners claims the reading.
    pub const FIRST_OWNER: Self = Self(8);
    /// The second of two possible owners claims the reading.
    pub const SECOND_OWNER: Self = Self(9);
    /// The reading is nobody's of this household.
    pub const NOBODY: Self = Self(10);
}

/// A press, kept before the screen said thank you. A prompt has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which prompt.
    pub prompt: PromptId,
    /// What was pressed.
    pub choice: Choice,
    /// Milliseconds from the moment it was shown to the press.
    pub after_ms: u32,
}

/// An alert of the rules on the hub, shown at once. The gateway runs the same rules on the same sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubAlert {
    /// Slot of the person.
    pub person: u8,
    /// Place of the rule in the table of rules, from 0: G1 G2 G3 G4 G5 P1 P2 P3 H1 O1 O2 W1 W2 T1.
    pub rule: u8,
    /// 0 advisory, 1 urgent, 2 critical.
    pub level: u8,
    /// What it was: 0 alert, 1 measure again, 2 repeat, 3 summary, 4 device, 5 claim, 6 all clear.
    pub kind: u8,
}

impl HubAlert {
    /// The rule, if this version knows its number.
    pub fn rule(&self) -> Option<RuleId> {
        RuleId::ALL.get(usize::from(self.rule)).copied()
    }
    /// The level, if this version knows its number.
    pub fn level(&self) -> Option<Level> {
        Level::ALL.get(usize::from(self.level)).copied()
    }
}

/// Samples that found no room, in a stretch without one that did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// How many; saturates.
    pub count: u32,
    /// When the first was refused.
    pub first: Stamp,
    /// When the last was refused.
    pub last: Stamp,
}

/// Why the hub stopped before. Unknown numbers are carried.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ResetCause(pub u8);

impl ResetCause {
    /// Nothing was left to say why: power was off.
    pub const POWER: Self = Self(0);
    /// The program asked for it: an update, or a person's word.
    pub const ASKED: Self = Self(1);
    /// A part of the program did not check in, and the watchdog reset the hub.
    pub const WATCHDOG: Self = Self(2);
    /// The program met a broken invariant.
    pub const PANIC: Self = Self(3);
    /// The processor met a fault.
    pub const FAULT: Self = Self(4);
    /// The supply voltage was too low.
    pub const BROWN_OUT: Self = Self(5);
}

/// The hub started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Why.
    pub cause: ResetCause,
    /// More about it: the line of a panic, the part that did not check in, the address of a fault.
    pub detail: u32,
    /// The boot before this one.
    pub before: BootId,
    /// The firmware's version, as in `Hello`.
    pub firmware: u32,
}

impl Content {
    /// Writes the content and returns the part of `place` in use.
    ///
    /// # Errors
    /// [`MessageError::TooLong`] if it does not fit.
    pub fn encode<'a>(&self, place: &'a mut [u8]) -> Result<&'a [u8], MessageError> {
        postcard::to_slice(self, place).map(|used| &*used).map_err(|_| MessageError::TooLong)
    }

    /// Reads a content. A kind that is not known yet is told by its number.
    ///
    /// # Errors
    /// [`MessageError::Unknown`] for a kind of a later version, [`MessageError::Malformed`] otherwise.
    pub fn decode(octets: &[u8]) -> Result<Self, MessageError> {
        decode_exactly(octets, KINDS)
    }

    /// Whether it may use the room that is reserved: all but samples.
    pub const fn has_reserved_room(&self) -> bool {
        !matches!(self, Self::Sample(_))
    }
}
