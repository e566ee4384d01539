//! The commands, the same over the local socket and over MQTT: journalled before they are acknowledged,
//! executed once per id.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Longest command in octets; limits of all rules with every value are about 2 KiB.
pub const COMMAND_MAX: usize = 64 * 1024;

/// Longest id in octets.
pub const ID_MAX: usize = 128;

/// One command as it stands on the wire: `{"id", "gateway"?, "expires"?, "verb", "with"}`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
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

/// The wire form. Serde's `flatten` would let unknown keys pass, so the verb is read in a second step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    id: String,
    #[serde(default)]
    gateway: Option<String>,
    #[serde(default)]
    expires: Option<String>,
    verb: String,
    with: Value,
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let wire = Wire::deserialize(from)?;
        if wire.id.is_empty() || wire.id.len() > ID_MAX {
            return Err(D::Error::custom(format!("`id` must have 1 to {ID_MAX} octets")));
        }
        let verb = serde_json::json!({"verb": wire.verb, "with": wire.with});
        let verb = serde_json::from_value(verb)
            .map_err(|error| D::Error::custom(explain(&error.to_string())))?;
        Ok(Self { id: wire.id, gateway: wire.gateway, expires: wire.expires, verb })
    }
}

/// A command that could not be read; the next one is not held up by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Its id, where at least that could be read.
    pub id: Option<String>,
    /// What is wrong, as one sentence.
    pub sentence: String,
}

impl Command {
    /// Reads one command.
    ///
    /// # Errors
    /// What is wrong with it, with the nearest known word where there is one.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        let fail = |id, sentence: String| Malformed { id, sentence };
        if octets.len() > COMMAND_MAX {
            let sentence = format!(
                "The command has {} octets; {COMMAND_MAX} are allowed at most.",
                octets.len()
            );
            return Err(fail(None, sentence));
        }
        let value: Value = serde_json::from_slice(octets)
            .map_err(|error| fail(None, format!("The command is no JSON: {error}.")))?;
        let id = value.get("id").and_then(Value::as_str).filter(|id| id.len() <= ID_MAX);
        let id = id.map(str::to_owned);
        serde_json::from_value(value).map_err(|error| {
            fail(id, format!("The command is refused: {}.", explain(&error.to_string())))
        })
    }

    /// The command as the journal keeps it: without name and contact, so that a person can be erased.
    pub fn journal_form(&self) -> Vec<u8> {
        let mut command = self.clone();
        if let Verb::PatientAdd(settings) | Verb::PatientEdit(settings) = &mut command.verb {
            for field in [&mut settings.name, &mut settings.contact] {
                if field.is_some() {
                    *field = Some("(kept apart)".to_owned());
                }
            }
        }
        // A map with text keys always has a JSON form.
        serde_json::to_vec(&command).unwrap_or_default()
    }
}

/// Serde's words with the nearest known key or verb instead of the whole list.
fn explain(message: &str) -> String {
    let (what, rest) = match message.split_once(" `") {
        Some(("unknown field", rest)) => ("the key", rest),
        Some(("unknown variant", rest)) => ("the word", rest),
        _ => return message.to_owned(),
    };
    let mut words = rest.split('`');
    let Some(given) = words.next() else { return message.to_owned() };
    let known: Vec<&str> = words.skip(1).step_by(2).collect();
    match nearest(given, known.iter().copied()) {
        Some(near) => format!("{what} `{given}` is not known; did you mean `{near}`?"),
        None => format!("{what} `{given}` is not known; possible are {}", known.join(", ")),
    }
}

/// The nearest of some known words, if it is near enough to be meant.
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|word| {
            (strsim::damerau_levenshtein(&given.to_lowercase(), &word.to_lowercase()), word)
        })
        .filter(|(distance, word)| *distance <= 1 + word.len().min(given.len()) / 4)
        .min()
        .map(|(_, word)| word)
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
    /// A programme asks nothing of anybody until an end; alerts go on.
    ProgrammePause(ProgrammePause),
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

impl Verb {
    /// The word on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::PatientAdd(_) => "patient_add",
            Self::PatientEdit(_) => "patient_edit",
            Self::PatientClose(_) => "patient_close",
            Self::PatientErase(_) => "patient_erase",
            Self::PatientPause(_) => "patient_pause",
            Self::PatientMute(_) => "patient_mute",
            Self::PatientSymptom(_) => "patient_symptom",
            Self::ProgrammePause(_) => "programme_pause",
            Self::PlanAssign(_) => "plan_assign",
            Self::PlanEvent(_) => "plan_event",
            Self::PlanClose(_) => "plan_close",
            Self::DeviceAdd(_) => "device_add",
            Self::DeviceEdit(_) => "device_edit",
            Self::DeviceAssign(_) => "device_assign",
            Self::DeviceClose(_) => "device_close",
            Self::AlertAcknowledge(_) => "alert_acknowledge",
            Self::NeedBook(_) => "need_book",
            Self::NeedClose(_) => "need_close",
            Self::TaskClose(_) => "task_close",
            Self::PromptAnswer(_) => "prompt_answer",
            Self::Claim(_) => "claim",
        }
    }
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

/// A pause of a programme for everybody, for example while its medicine is not to be had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgrammePause {
    /// Programme id.
    pub id: String,
    /// Last date, ISO 8601; a pause always ends.
    pub to: String,
    /// Why, for the record.
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
    /// What people call it here, never a person's name; empty: nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Model name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Id of its model profile; absent: recognised when the radio meets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
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
    /// `done`, `later`, `help`, `stop`; to a question for the reason also `away`, `ill`, `device`.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_command_is_read_and_written_the_same() {
        let text = r#"{"id":"c1","verb":"need_book","with":{"id":"n1"}}"#;
        let command = Command::parse(text.as_bytes()).unwrap();
        assert_eq!(command.verb, Verb::NeedBook(Target { id: "n1".into() }));
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        let check = |text: &str, id: Option<&str>, part: &str| {
            let error = Command::parse(text.as_bytes()).unwrap_err();
            assert!(error.sentence.contains(part), "{}", error.sentence);
            assert_eq!(error.id.as_deref(), id);
        };
        let add = r#"{"id":"c1","verb":"patient_add","with":{"id":"p1","zon":"UTC"}}"#;
        check(add, Some("c1"), "`zon` is not known; did you mean `zone`?");
        check(r#"{"id":"c1","verb":"need_bok","with":{"id":"n"}}"#, Some("c1"), "`need_book`");
        check(
            r#"{"id":"c","verb":"need_book","with":{"id":"n"},"expire":1}"#,
            Some("c"),
            "`expires`",
        );
        check(r#"{"id":"c","verb":"need_book"}"#, Some("c"), "with");
        check(r#"{"verb":"need_book","with":{"id":"n"}}"#, None, "id");
        check("[", None, "no JSON");
        check(&"x".repeat(COMMAND_MAX + 1), None, "at most");
    }

    #[test]
    fn the_journal_keeps_no_name() {
        let text = r#"{"id":"c","verb":"patient_add","with":{"id":"p","name":"Ana Ruiz"}}"#;
        let kept = Command::parse(text.as_bytes()).unwrap().journal_form();
        let kept = String::from_utf8(kept).unwrap();
        assert!(!kept.contains("Ana") && kept.contains("kept apart"), "{kept}");
    }
}
