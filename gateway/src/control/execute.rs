//! Carries out commands: each id once, all of it or nothing, and always with a plain sentence.

use hearth_shared::assess::alerts::{AckBy, RuleId, Symptom};
use hearth_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::command::nearest;
use super::{Command, Verb};
use crate::clock::Now;
use crate::outreach::{Context, local};
use crate::store::command::Executed;
use crate::store::{StoreError, Tx, command as commands};

mod care;
mod device;
mod limits;
mod patient;
mod plan;

/// Where a command came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The local socket.
    Socket,
    /// A message. No name or contact is taken this way.
    Mqtt,
    /// A household file.
    Household,
}

impl Origin {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Mqtt => "mqtt",
            Self::Household => "household",
        }
    }
}

/// The answer to a command; the same for the same id, however often it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandResult {
    /// Id of the command.
    pub id: String,
    /// Whether it was done; else nothing of it was.
    pub done: bool,
    /// A word for programs: `done`, or why not: `unknown_id`, `exists`, `invalid`, `expired`,
    /// `wrong_gateway`, `not_here`, `over`.
    pub code: String,
    /// One plain sentence.
    pub sentence: String,
    /// What to know beyond that, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// What programs may want to have.
    pub result: Value,
}

/// What the alert rules must be told, because it changes their state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveEvent {
    /// Somebody has seen an alert.
    Acknowledge {
        /// Which.
        rule: RuleId,
        /// Who.
        by: AckBy,
    },
    /// The patient answered an explicit question.
    Symptom(Symptom),
    /// Zone, consent, monitoring, quiet hours, mutes or limits have changed; they are in the store.
    Settings,
    /// An observation is this patient's, says a person.
    Claim {
        /// Observation id.
        observation: Uuid,
        /// Id of the command.
        decided_by: String,
    },
}

/// What the alert rules made of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveAnswer {
    /// It was taken.
    Taken,
    /// It changes nothing, and why, as one sentence.
    Ignored(String),
}

/// The running alert rules of all patients.
pub trait LiveAlerts {
    /// Takes one event inside the caller's transaction, with everything that follows from it.
    ///
    /// # Errors
    /// What the store answered.
    fn event(
        &mut self,
        tx: &Tx<'_>,
        patient: &str,
        event: LiveEvent,
        now: Now,
    ) -> Result<LiveAnswer, StoreError>;
}

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    code: &'static str,
    sentence: String,
}

/// Either nothing was wrong with the store, or with the command.
enum Failure {
    Refused(Refused),
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn refuse(code: &'static str, sentence: impl Into<String>) -> Failure {
    Failure::Refused(Refused { code, sentence: sentence.into() })
}

fn invalid(sentence: impl Into<String>) -> Failure {
    refuse("invalid", sentence)
}

/// What a verb says when it is done.
#[derive(Debug, Default)]
struct Said {
    sentence: String,
    remarks: Vec<String>,
    result: Value,
}

fn said(sentence: impl Into<String>, result: Value) -> Said {
    Said { sentence: sentence.into(), remarks: Vec::new(), result }
}

/// One command on its way through.
struct Doing<'a> {
    tx: &'a Tx<'a>,
    ctx: &'a Context<'a>,
    command: &'a str,
    now: Now,
}

/// Carries out one command. `journal_seq` is the row that holds it as it came
/// ([`Command::journal_form`]); both are in the caller's transaction.
///
/// # Errors
/// What the store answered; a refusal is a result, not an error.
pub fn execute(
    tx: &Tx<'_>,
    ctx: &Context<'_>,
    live: &mut dyn LiveAlerts,
    command: &Command,
    (origin, journal_seq): (Origin, i64),
    now: Now,
) -> Result<CommandResult, StoreError> {
    if let Some(before) = commands::find(tx, &command.id)? {
        return serde_json::from_str(&before.result).map_err(StoreError::Message);
    }
    let done = match admit(ctx, command, origin, now) {
        Err(refused) => Err(refused),
        Ok(()) => {
            let attempt = tx.attempt(|tx| {
                let doing = Doing { tx, ctx, command: &command.id, now };
                apply(&doing, live, &command.verb)
            })?;
            match attempt {
                Ok(said) => Ok(said),
                Err(Failure::Refused(refused)) => Err(refused),
                Err(Failure::Store(error)) => return Err(error),
            }
        }
    };
    let result = match done {
        Ok(said) => CommandResult {
            id: command.id.clone(),
            done: true,
            code: "done".to_owned(),
            sentence: said.sentence,
            remarks: said.remarks,
            result: said.result,
        },
        Err(refused) => CommandResult {
            id: command.id.clone(),
            done: false,
            code: refused.code.to_owned(),
            sentence: refused.sentence,
            remarks: Vec::new(),
            result: Value::Null,
        },
    };
    let text = serde_json::to_string(&result).map_err(StoreError::Message)?;
    commands::add(
        tx,
        &Executed {
            id: command.id.clone(),
            journal_seq,
            verb: command.verb.as_str().to_owned(),
            origin: origin.as_str().to_owned(),
            state: if result.done { "done" } else { "refused" }.to_owned(),
            result: text,
            done: now.wall,
        },
    )?;
    Ok(result)
}

/// Checks what a household file says by itself, before anything is known of the store.
pub(crate) mod check {
    use super::{Failure, device, patient};
    use crate::control::command::{DeviceSettings, PatientSettings, Pause};
    use crate::outreach::templates::Templates;

    fn sentence<T>(checked: Result<T, Failure>) -> Result<T, String> {
        checked.map_err(|failure| match failure {
            Failure::Refused(refused) => refused.sentence,
            Failure::Store(error) => error.to_string(),
        })
    }

    pub(crate) fn patient(templates: &Templates, settings: &PatientSettings) -> Result<(), String> {
        sentence(patient::check(templates, settings))
    }

    pub(crate) fn device(settings: &DeviceSettings) -> Result<(), String> {
        sentence(device::check(settings))
    }

    pub(crate) fn pause(pause: &Pause) -> Result<crate::store::patient::Pause, String> {
        sentence(patient::pause_row(pause))
    }

    pub(crate) fn quiet_hours([from, to]: &[String; 2]) -> Result<Option<(u16, u16)>, String> {
        let clock = |text| sentence(patient::clock("quiet_hours", text));
        let (from, to) = (clock(from)?, clock(to)?);
        Ok((from != to).then_some((from, to)))
    }

    pub(crate) fn address(text: &str) -> Result<String, String> {
        sentence(device::normal_address(text))
    }

    pub(crate) fn plan_id(id: &str) -> Result<(), String> {
        sentence(super::check_id("plan", id))
    }
}

/// Whether the command may be carried out here and now, by where it came from.
fn admit(ctx: &Context<'_>, command: &Command, origin: Origin, now: Now) -> Result<(), Refused> {
    let refuse = |code, sentence: String| Err(Refused { code, sentence });
    if let Some(gateway) = command.gateway.as_deref().filter(|id| *id != ctx.gateway) {
        let sentence =
            format!("The command is for the gateway {gateway}; this is {}.", ctx.gateway);
        return refuse("wrong_gateway", sentence);
    }
    if let Some(expires) = command.expires.as_deref() {
        let Some(end) = local::parse_moment(expires) else {
            let sentence = format!("`expires` is no moment: {expires} (RFC 3339 is expected).");
            return refuse("invalid", sentence);
        };
        if !now.trusted {
            let sentence = "The gateway's clock is not set, so nobody can say whether the command has \
                            expired; nothing was done.";
            return refuse("expired", sentence.to_owned());
        }
        if now.wall > end {
            return refuse(
                "expired",
                format!("The command expired at {expires}; nothing was done."),
            );
        }
    }
    if let Verb::PatientAdd(settings) | Verb::PatientEdit(settings) = &command.verb
        && origin == Origin::Mqtt
        && (settings.name.is_some() || settings.contact.is_some())
    {
        let sentence = "Names and contacts are not taken over MQTT; use the gateway's own socket.";
        return refuse("not_here", sentence.to_owned());
    }
    Ok(())
}

fn apply(doing: &Doing<'_>, live: &mut dyn LiveAlerts, verb: &Verb) -> Result<Said, Failure> {
    match verb {
        Verb::PatientAdd(settings) => patient::add(doing, live, settings),
        Verb::PatientEdit(settings) => patient::edit(doing, live, settings),
        Verb::PatientClose(target) => patient::close(doing, live, &target.id),
        Verb::PatientErase(target) => patient::erase(doing, &target.id),
        Verb::PatientPause(pause) => patient::pause(doing, pause),
        Verb::PatientMute(mute) => patient::mute(doing, live, mute),
        Verb::PatientSymptom(symptom) => patient::symptom(doing, live, symptom),
        Verb::ProgrammePause(pause) => plan::pause_programme(doing, pause),
        Verb::PlanAssign(assign) => plan::assign(doing, assign),
        Verb::PlanEvent(event) => plan::event(doing, event),
        Verb::PlanClose(target) => plan::close(doing, &target.id),
        Verb::DeviceAdd(settings) => device::add(doing, settings),
        Verb::DeviceEdit(settings) => device::edit(doing, settings),
        Verb::DeviceAssign(assign) => device::assign(doing, assign),
        Verb::DeviceClose(target) => device::close(doing, &target.id),
        Verb::AlertAcknowledge(acknowledge) => care::acknowledge(doing, live, acknowledge),
        Verb::NeedBook(target) => care::book(doing, &target.id),
        Verb::NeedClose(outcome) => care::close_need(doing, outcome),
        Verb::TaskClose(outcome) => care::close_task(doing, outcome),
        Verb::PromptAnswer(answer) => care::answer(doing, live, answer),
        Verb::Claim(claim) => care::claim(doing, live, claim),
    }
}

/// Ids stand in topics and file names, so only these letters.
fn check_id(what: &str, id: &str) -> Result<(), Failure> {
    let fits = !id.is_empty()
        && id.len() <= 64
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits {
        Ok(())
    } else {
        Err(invalid(format!(
            "The id of a {what} has 1 to 64 letters, digits, `-`, `_` or `.`; {id:?} does not fit."
        )))
    }
}

/// There is no such thing, but perhaps one with nearly that id.
fn unknown<'k>(what: &str, id: &str, known: impl IntoIterator<Item = &'k str>) -> Failure {
    let hint = match nearest(id, known) {
        Some(near) => format!("; did you mean {near}?"),
        None => ".".to_owned(),
    };
    refuse("unknown_id", format!("There is no {what} with the id {id}{hint}"))
}

/// One of some words, or a refusal that names the nearest.
fn one_of<'w>(what: &str, given: &str, words: &[&'w str]) -> Result<&'w str, Failure> {
    words.iter().copied().find(|word| *word == given).ok_or_else(|| {
        let hint = match nearest(given, words.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("possible are {}.", words.join(", ")),
        };
        invalid(format!("{what} {given:?} is not known; {hint}"))
    })
}

fn parse_uuid(what: &str, id: &str) -> Result<Uuid, Failure> {
    Uuid::parse_str(id).map_err(|_| {
        refuse(
            "unknown_id",
            format!("There is no {what} with the id {id}: ids of this kind are UUIDs."),
        )
    })
}

fn parse_day(what: &str, text: &str) -> Result<i64, Failure> {
    local::parse_day(text)
        .ok_or_else(|| invalid(format!("{what} {text:?} is no date; write it like 2026-03-31.")))
}

fn parse_moment(what: &str, text: &str) -> Result<UnixMillis, Failure> {
    local::parse_moment(text).ok_or_else(|| {
        invalid(format!("{what} {text:?} is no moment; write it like 2026-03-31T08:00:00Z."))
    })
}

/// A moment, or the start of a local day.
fn moment_or_day(what: &str, text: &str, zone: &jiff::tz::TimeZone) -> Result<UnixMillis, Failure> {
    match local::parse_day(text) {
        Some(day) => Ok(local::start_of(day, zone)),
        None => parse_moment(what, text),
    }
}

fn id_result(id: &str) -> Value {
    json!({ "id": id })
}

#[cfg(test)]
mod tests;
