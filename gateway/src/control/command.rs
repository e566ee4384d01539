//! The commands, the same over the local socket and over MQTT: journalled before they are acknowledged,
//! executed once per id.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One command as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Chosen by the sender; the same id is executed once and answered again with the same result.
    pub id: String,
    /// The gateway it is meant for; another gateway refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Not to be executed after this moment, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What is asked.
    #[serde(flatten)]
    pub verb: Verb,
}

/// What can be asked. Ids are opaque; a patient's name only ever stands in `patient_add` and `patient_edit`
/// over the local socket, never over MQTT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verb", content = "with", rename_all = "snake_case")]
pub enum Verb {
    /// Enrols a patient.
    PatientAdd(PatientSettings),
    /// Changes what is given, leaves the rest.
    PatientEdit(PatientSettings),
    /// Ends monitoring and closes plans; history stays.
    PatientClose(Target),
    /// Erases name and contact; the chain of observations stays.
    PatientErase(Target),
    /// No days are planned from–to (inclusive local dates).
    PatientPause(Pause),
    /// Silences everything but level C until an end.
    PatientMute(Mute),
    /// The patient answered an explicit question about symptoms.
    PatientSymptom(Symptom),
    /// Starts a programme.
    PlanAssign(PlanAssign),
    /// A medication change or other event of a plan.
    PlanEvent(PlanEvent),
    /// Stops a plan.
    PlanClose(Target),
    /// Puts a device on the roster.
    DeviceAdd(DeviceSettings),
    /// Changes what is given, leaves the rest.
    DeviceEdit(DeviceSettings),
    /// From now on (or `from`) the device, or one of its slots, is this patient's.
    DeviceAssign(DeviceAssign),
    /// The device is no longer used.
    DeviceClose(Target),
    /// Staff or the patient has seen an alert.
    AlertAcknowledge(Acknowledge),
    /// The visit of a need is booked: no further prompts.
    NeedBook(Target),
    /// A need is closed, with an outcome word.
    NeedClose(Outcome),
    /// A nurse's task is done, with an outcome word.
    TaskClose(Outcome),
    /// The patient's answer to a prompt.
    PromptAnswer(Answer),
    /// An unclaimed or wrongly attributed observation is this patient's.
    Claim(Claim),
}

/// Names one thing by its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its id.
    pub id: String,
}

/// A patient's settings; on `patient_edit` an absent field is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientSettings {
    /// Opaque id.
    pub id: String,
    /// Name, kept apart; local socket and household file only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Contact, kept apart; local socket and household file only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// IANA time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// BCP 47 language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Enrolled in monitoring; default yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<bool>,
    /// Consent to prompts; unknown: none are sent and staff are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts: Option<bool>,
    /// Quiet hours, local `["22:00", "07:00"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<[String; 2]>,
    /// Prompts a day at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_cap: Option<u8>,
    /// Monitoring since, RFC 3339 or local date; default now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Limits by rule id, names and steps of `clinical-rules` A13; `null` switches a rule off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<BTreeMap<String, serde_json::Value>>,
}

/// A pause of all plans of a patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Patient id.
    pub id: String,
    /// First local date, ISO 8601.
    pub from: String,
    /// Last local date, ISO 8601; a pause always ends.
    pub to: String,
    /// `away`, `ill`, `hospital`, `repair`, `programme`.
    pub reason: String,
}

/// A mute always has an end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// Patient id.
    pub id: String,
    /// From, RFC 3339; default now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until, RFC 3339.
    pub until: String,
}

/// An answered question about symptoms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Symptom {
    /// Patient id.
    pub id: String,
    /// `general`, `bp`, `pulse`.
    pub symptom: String,
}

/// Starts a programme for a patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanAssign {
    /// Plan id, chosen by the sender.
    pub id: String,
    /// Patient id.
    pub patient: String,
    /// Programme id.
    pub programme: String,
    /// Local date on which it starts; default today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// NI-1 parameters that differ from the programme's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<serde_json::Map<String, serde_json::Value>>,
}

/// An event of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanEvent {
    /// Plan id.
    pub id: String,
    /// Local date.
    pub day: String,
    /// `medication_change`.
    pub event: String,
    /// What changed, for the nurse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A device's settings; on `device_edit` an absent field is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceSettings {
    /// Opaque id.
    pub id: String,
    /// `glucose_meter`, `blood_pressure_cuff`, `weight_scale`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Model name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Bluetooth address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Zone of its clock; default the owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Longest ordinary silence, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_interval_s: Option<u32>,
}

/// Whose a device, or one of its slots, is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceAssign {
    /// Device id.
    pub id: String,
    /// Patient id.
    pub patient: String,
    /// User slot of the device; absent: the whole device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u8>,
    /// From when, RFC 3339 or local date; default now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Somebody has seen an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// Patient id.
    pub patient: String,
    /// Rule id, `G1` ….
    pub rule: String,
    /// `staff` or `patient`.
    pub by: String,
}

/// A thing is over, with a word that says how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Its id.
    pub id: String,
    /// `booked`, `reached`, `could_not_reach`, `not_needed`, `moved`, …
    pub outcome: String,
    /// For the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The patient's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Prompt id.
    pub id: String,
    /// `done`, `later`, `help`, `stop`.
    pub answer: String,
}

/// Whose an observation is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Observation id.
    pub observation: String,
    /// Patient id.
    pub patient: String,
}
