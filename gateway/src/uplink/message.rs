//! The messages of the contract: what goes out and what may come in. The AsyncAPI document and its
//! golden messages are generated from these types (`contract/`).
//!
//! Topics (`{gateway}` is the gateway's id):
//!
//! | topic | retained | what |
//! |---|---|---|
//! | `hearth/v1/{gateway}/alerts` | no | lane `alerts`: alerts, prompts, tasks, their tombstones |
//! | `hearth/v1/{gateway}/observations` | no | lane `observations`: observations, verdicts |
//! | `hearth/v1/{gateway}/status` | yes | [`Status`]; the will says `offline` |
//! | `hearth/v1/{gateway}/commands` | no | in: [`crate::control::Command`] |
//! | `hearth/v1/{gateway}/results` | no | answers to commands |
//! | `hearth/v1/{gateway}/watermarks/{consumer}` | no | in: [`Watermark`] |
//! | `hearth/v1/{gateway}/replay` | no | in: [`ReplayRequest`] |
//! | `hearth/v1/{gateway}/canary` | no | our own round trip: "online" means it came back lately |
//!
//! No name, birth date or record number stands in a topic or in any message but a prompt's text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the message contract; a change of meaning raises it.
pub const CONTRACT: &str = "hearth/1";

/// A backlog of its own with gapless numbers. `alerts` overtakes `observations`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Lane {
    /// Alerts, prompts, tasks.
    Alerts = 1,
    /// Observations, verdicts.
    Observations = 2,
}

impl Lane {
    /// Both lanes, the more urgent first.
    pub const ALL: [Lane; 2] = [Self::Alerts, Self::Observations];

    /// The word used in topics and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Observations => "observations",
        }
    }
}

/// One message on a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// Always [`CONTRACT`].
    pub contract: String,
    /// The gateway's id.
    pub gateway: String,
    /// The lane.
    pub lane: Lane,
    /// Number on the lane, from 1, without a gap.
    pub seq: u64,
    /// Id of what is told; the same thing told again has the same id.
    pub id: uuid::Uuid,
    /// Patient id (opaque); absent for unclaimed readings and device notices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// When it was made, RFC 3339 UTC with milliseconds.
    pub created: String,
    /// After this moment it must not be acted on, RFC 3339 UTC; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What is told.
    pub body: Body,
}

/// What a message tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A value, or why there is none.
    Observation(Observation),
    /// A change in the life of an alert.
    Alert(Alert),
    /// A notice of the alert rules to staff or hub.
    Notice(Notice),
    /// A message to a patient.
    Prompt(Prompt),
    /// Something for a nurse to do.
    Task(Task),
    /// An NI-1 evaluation.
    Verdict(Verdict),
    /// What had this number has expired or was withdrawn.
    Tombstone(Tombstone),
}

impl Body {
    /// The word of the `kind` field.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Observation(_) => "observation",
            Self::Alert(_) => "alert",
            Self::Notice(_) => "notice",
            Self::Prompt(_) => "prompt",
            Self::Task(_) => "task",
            Self::Verdict(_) => "verdict",
            Self::Tombstone(_) => "tombstone",
        }
    }
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// Device id (opaque).
    pub device: String,
    /// `glucose`, `blood_pressure`, …
    pub quantity: String,
    /// The value in `unit` as the device displayed it; blood pressure: systolic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Number>,
    /// Diastolic pressure in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diastolic: Option<serde_json::Number>,
    /// Mean arterial pressure in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<serde_json::Number>,
    /// UCUM code.
    pub unit: String,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
    /// Measured, RFC 3339 with the offset of the patient's zone.
    pub measured: String,
    /// How the measured time was arrived at.
    pub clock: String,
    /// Received, RFC 3339 UTC.
    pub received: String,
    /// The device's own time, without zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_time: Option<String>,
    /// The device's record number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u16>,
    /// The device's user slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u8>,
    /// `fasting`, `preprandial`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meal: Option<String>,
    /// `accepted`, `implausible`.
    pub plausibility: String,
    /// Device status: `invalid`, `suspect`, `preliminary`, `clock_fault`, `battery_low`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// Row of the gateway's journal with the raw octets.
    pub journal_seq: i64,
    /// The identity rests on connection and position: a re-send cannot be told from a second reading.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weak_identity: bool,
    /// Counts revisions of the same observation (owner or meal context changed), from 0.
    #[serde(default)]
    pub revision: u32,
}

/// A transition of an alert (`clinical-rules` A11).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// `G1` … `T1`.
    pub rule: String,
    /// `A`, `U`, `C`.
    pub level: String,
    /// State before.
    pub from: String,
    /// State after.
    pub to: String,
    /// `met`, `confirmed`, `silence`, …
    pub reason: String,
    /// When, RFC 3339 UTC.
    pub at: String,
    /// Raised by a late or old reading.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Observation that was being assessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observation: Option<uuid::Uuid>,
}

/// A notice of the alert rules to staff or to the hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// `staff` or `hub`.
    pub to: String,
    /// Rule, or `A9`.
    pub rule: String,
    /// `A`, `U`, `C`.
    pub level: String,
    /// `alert`, `repeat`, `summary`, `device`, `claim`, `all_clear`.
    pub notice: String,
    /// Step of the ladder, 1 to 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u8>,
    /// When, RFC 3339 UTC.
    pub at: String,
    /// Raised by a late or old reading.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Not to be shown before this moment (the end of the patient's quiet hours, for advice that is no
    /// business of the night), RFC 3339 UTC; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_until: Option<String>,
    /// One plain sentence: what was measured, against which limit.
    pub reason: String,
    /// Observation that was being assessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observation: Option<uuid::Uuid>,
}

/// A message to a patient, after the governor let it through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prompt {
    /// `follow_up_visit`, `measure_more`, `nudge`, `measure_again`, `alert`, `all_clear`, …
    pub prompt: String,
    /// The need it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<uuid::Uuid>,
    /// Attempt, from 1.
    pub attempt: u32,
    /// BCP 47 language of the text.
    pub language: String,
    /// What the patient reads.
    pub text: String,
    /// Shown without sound or light.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// Level of the alert, for notices of alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Answers the patient may give: `done`, `later`, `help`.
    pub answers: Vec<String>,
}

/// Something for a nurse to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// `call`, `care_team`, `consent`, `data`, `device`, `disk`; more may come.
    pub task: String,
    /// One plain sentence: why.
    pub reason: String,
    /// `A`, `U`, `C`.
    pub level: String,
    /// `open` or `done`.
    pub state: String,
    /// The need it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<uuid::Uuid>,
}

/// An NI-1 evaluation (`clinical-rules` B).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Plan id.
    pub plan: String,
    /// Programme id.
    pub programme: String,
    /// Local day, ISO 8601.
    pub day: String,
    /// `interim` or `final`.
    pub phase: String,
    /// Raw verdict of this day.
    pub verdict: String,
    /// Reason of the raw verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What patient and care team see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// `None`, `MeasureMore`, `FollowUpVisit`, `CareTeamTask`.
    pub action: String,
    /// The evidence in one plain sentence.
    pub sentence: String,
    /// Evidence with the names of B10, one per series.
    pub evidence: Vec<serde_json::Value>,
    /// Rule and version.
    pub rule: String,
}

/// The number was given, its message must no longer be acted on. A message that was confirmed before it
/// was taken back gets its tombstone under a new number; the envelope's id is then that of the message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tombstone {
    /// Kind of the message that had this number.
    pub of: String,
    /// `expired`, `withdrawn`, `too_large` (for this broker; the gateway still holds it) or `damaged`
    /// (its checksum is wrong in the gateway's outbox).
    pub reason: String,
}

/// A consumer says what it holds durably.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watermark {
    /// The consumer's name, as in the topic.
    pub consumer: String,
    /// The lane.
    pub lane: Lane,
    /// Everything up to this number is durable there.
    pub seq: u64,
}

/// A consumer asks for messages again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// The consumer's name.
    pub consumer: String,
    /// The lane.
    pub lane: Lane,
    /// First number wanted.
    pub from: u64,
    /// Last number wanted.
    pub to: u64,
}

/// The gateway's state on its retained status topic. The broker itself publishes the will
/// `{"state":"offline"}`, so every other field may be absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// `online`: a message of our own came back from the broker within two minutes; `degraded`:
    /// connected, but `problem` says what does not work; `offline`.
    pub state: String,
    /// [`CONTRACT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The gateway's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// When this was said, RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Last number given on each lane: a consumer whose highest is lower has something to ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<LaneStatus>,
    /// What does not work, as one sentence with its remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Where readings come from: `simulated` is always said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Who is silent, and the likeliest cause; ids only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How far a lane has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaneStatus {
    /// The lane.
    pub lane: Lane,
    /// Last number given; 0: none yet.
    pub last: u64,
}

/// The answer to anything that came in: a command, a watermark, a replay request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// [`CONTRACT`].
    pub contract: String,
    /// The gateway's id.
    pub gateway: String,
    /// The id of the command; absent where it could not be read, and for other messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Last part of the topic it came in on: `commands`, `watermarks`, `replay`.
    pub to: String,
    /// Whether it was done.
    pub ok: bool,
    /// Why not, as one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the command gave back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

impl Answer {
    /// The answer to something that could not be done.
    pub fn refused(gateway: &str, to: &str, id: Option<String>, error: impl Into<String>) -> Self {
        Self {
            contract: CONTRACT.to_owned(),
            gateway: gateway.to_owned(),
            id,
            to: to.to_owned(),
            ok: false,
            error: Some(error.into()),
            result: None,
        }
    }
}
