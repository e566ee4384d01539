//! The words of the alert engine: rules, levels, phases, and what it says to the outside.

use serde::{Deserialize, Serialize};

/// Declares an enum whose variants have one spelling in the exchange format.
macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+ }
        impl $name {
            /// Every variant, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The spelling of the exchange format.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
            /// The variant of this spelling.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

spelled! {
    /// A rule of the table of immediate alerts, in table order.
    RuleId {
        /// Very low glucose, below 54 mg/dL unless the plan says otherwise.
        G1 = "G1",
        /// Low glucose, below 70 mg/dL.
        G2 = "G2",
        /// Very high glucose, above 400 mg/dL or HI.
        G3 = "G3",
        /// Two high readings an hour to a day apart.
        G4 = "G4",
        /// Three low episodes within a week.
        G5 = "G5",
        /// High pressure.
        P1 = "P1",
        /// Low systolic pressure.
        P2 = "P2",
        /// High pressure in pregnancy or after birth; replaces P1.
        P3 = "P3",
        /// Fast or slow pulse at rest.
        H1 = "H1",
        /// Very low oxygen saturation.
        O1 = "O1",
        /// Low oxygen saturation.
        O2 = "O2",
        /// Weight gain within a day or two.
        W1 = "W1",
        /// Weight gain within a week.
        W2 = "W2",
        /// Fever.
        T1 = "T1",
    }
}

spelled! {
    /// How soon somebody must act. The order is from the least to the most urgent.
    Level {
        /// Next working day.
        Advisory = "A",
        /// Today.
        Urgent = "U",
        /// Within minutes.
        Critical = "C",
    }
}

spelled! {
    /// Where a rule stands in its life cycle.
    Phase {
        /// Nothing to say.
        Idle = "Idle",
        /// Met once; the patient is asked to measure again.
        Pending = "Pending",
        /// In force, not acknowledged by staff.
        Active = "Active",
        /// In force, acknowledged by staff.
        Acked = "Acked",
        /// Over, but staff have not acknowledged it yet.
        Cleared = "Cleared",
    }
}

spelled! {
    /// Why a rule changed.
    Reason {
        /// A reading met the condition.
        Met = "met",
        /// The repeat met it too.
        Confirmed = "confirmed",
        /// The repeat did not meet it.
        NotConfirmed = "not_confirmed",
        /// No repeat came before the deadline.
        Silence = "silence",
        /// A symptom, or a reading beyond the limit while one is in force.
        Symptom = "symptom",
        /// A second reading within the deadline made it critical.
        Raised = "raised",
        /// Raised by a late reading before, met by a live one now.
        Live = "live",
        /// A new episode of a rule that was still in force.
        Again = "again",
        /// A reading beyond the re-arm value.
        Rearmed = "rearmed",
        /// The worse rule of the same side took over.
        Superseded = "superseded",
        /// Staff acknowledged.
        Ack = "ack",
        /// The patient acknowledged.
        AckPatient = "ack_patient",
        /// Monitoring ended.
        Off = "off",
    }
}

spelled! {
    /// Who is told. A carer gets what the patient gets.
    Recipient {
        /// The patient.
        Patient = "patient",
        /// The care team.
        Staff = "staff",
        /// The screen or lamp of the hub, without a name.
        Hub = "hub",
    }
}

spelled! {
    /// What a notice is.
    NoticeKind {
        /// A rule became active or critical.
        Alert = "alert",
        /// Please measure again.
        MeasureAgain = "measure_again",
        /// A critical rule is still met.
        Repeat = "repeat",
        /// One line in place of the fourth and later alerts of a week.
        Summary = "summary",
        /// A device or its clock needs a look.
        Device = "device",
        /// Is this reading yours?
        Claim = "claim",
        /// It is over.
        AllClear = "all_clear",
    }
}

spelled! {
    /// What was measured.
    Quantity {
        /// Capillary glucose, mg/dL.
        Glucose = "glucose",
        /// Continuous glucose, mg/dL.
        Cgm = "cgm",
        /// Blood pressure, mmHg.
        Pressure = "bp",
        /// Pulse at rest, per minute.
        Pulse = "pulse",
        /// Weight, 10 g.
        Weight = "weight",
        /// Oxygen saturation, percent.
        Saturation = "spo2",
        /// Body temperature, 0.1 degC.
        Temperature = "temp",
    }
}

spelled! {
    /// What the person answered to an explicit question.
    Symptom {
        /// Counts for pressure and pulse.
        General = "general",
        /// Counts for pressure.
        Pressure = "bp",
        /// Counts for pulse.
        Pulse = "pulse",
    }
}

spelled! {
    /// Who acknowledges.
    AckBy {
        /// The patient: stops the repeats, puts the ladder off once.
        Patient = "patient",
        /// The care team.
        Staff = "staff",
    }
}

spelled! {
    /// Whose reading it is.
    Claim {
        /// By the device's owner, as far as anybody knows.
        Auto = "auto",
        /// Not decided: no state changes.
        Nobody = "none",
        /// A person said so.
        Person = "person",
    }
}

/// What shares one notice to the patient and one all-clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Low,
    High,
    Lows,
    Pressure,
    Pulse,
    Saturation,
    Weight,
    Temperature,
}

/// Number of rules; the table is indexed by `RuleId as usize`.
pub(super) const RULES: usize = RuleId::ALL.len();
/// Number of quantities.
pub(super) const QUANTITIES: usize = Quantity::ALL.len();

const MINUTE: u32 = 60;

impl RuleId {
    /// Position in the table.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    pub(super) const fn family(self) -> Family {
        match self {
            Self::G1 | Self::G2 => Family::Low,
            Self::G3 | Self::G4 => Family::High,
            Self::G5 => Family::Lows,
            Self::P1 | Self::P2 | Self::P3 => Family::Pressure,
            Self::H1 => Family::Pulse,
            Self::O1 | Self::O2 => Family::Saturation,
            Self::W1 | Self::W2 => Family::Weight,
            Self::T1 => Family::Temperature,
        }
    }

    /// The lesser rule of the same side, which gives way when this one becomes active.
    pub(super) const fn lesser(self) -> Option<Self> {
        match self {
            Self::G1 => Some(Self::G2),
            Self::G3 => Some(Self::G4),
            Self::O1 => Some(Self::O2),
            _ => None,
        }
    }

    /// The worse rule of the same side, while which this one rests.
    pub(super) const fn worse(self) -> Option<Self> {
        match self {
            Self::G2 => Some(Self::G1),
            Self::G4 => Some(Self::G3),
            Self::O2 => Some(Self::O1),
            _ => None,
        }
    }

    /// Seconds within which a second reading makes an urgent rule critical.
    pub(super) const fn second_reading(self) -> Option<u32> {
        match self {
            Self::G2 => Some(30 * MINUTE),
            Self::P1 => Some(10 * MINUTE),
            _ => None,
        }
    }

    /// Seconds from the first reading to the end of waiting for its repeat, for the rules that
    /// ask first. The two weight rules wait until a local noon instead.
    pub(super) const fn repeat_within(self) -> u32 {
        match self {
            Self::T1 => 30 * MINUTE,
            Self::O1 | Self::O2 => 4 * MINUTE,
            _ => 10 * MINUTE,
        }
    }
}

/// Which rule a notice belongs to; not every notice comes from the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// A rule of the table.
    Rule(RuleId),
    /// Plausibility: about a reading or its device, spelled `A9`, always at level A.
    Plausibility,
}

impl Source {
    /// The spelling of the exchange format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.as_str(),
            Self::Plausibility => "A9",
        }
    }
}

/// A change of one rule. From Active to Active where only level, lateness or the patient's
/// acknowledgement changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transition {
    /// Unix seconds: the time of processing, or the timer's own time.
    pub t: u32,
    /// Which rule.
    pub rule: RuleId,
    /// Its level after the change; where it ends, the level it had.
    pub level: Level,
    /// Phase before.
    pub from: Phase,
    /// Phase after.
    pub to: Phase,
    /// Why.
    pub reason: Reason,
    /// The activation came from a late or old reading.
    pub late: bool,
}

/// Something to tell somebody. The outreach governor still applies consent, caps and merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Notification {
    /// Unix seconds: the time of processing, or the timer's own time.
    pub t: u32,
    /// Whom to tell.
    pub to: Recipient,
    /// On whose behalf.
    pub rule: Source,
    /// How urgent.
    pub level: Level,
    /// What it is.
    pub kind: NoticeKind,
    /// Step of the ladder, 1 to 3: staff, second contact, on call.
    pub step: Option<u8>,
    /// The alert stems from a late or old reading.
    pub late: bool,
    /// Shown without sound: quiet hours or a mute.
    pub silent: bool,
    /// Not to be shown before this moment, Unix seconds. May lie beyond 2106.
    pub deferred_until: Option<u64>,
}

/// Receives what the engine says, in order of origin.
pub trait Sink {
    /// A rule changed.
    fn transition(&mut self, transition: Transition);
    /// Somebody is to be told.
    fn notification(&mut self, notification: Notification);
}
