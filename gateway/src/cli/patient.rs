//! `hearth patient`: who is monitored, and on what terms.

use std::collections::BTreeMap;

use clap::Subcommand;

use super::client::{Daemon, done, listed, shown};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::control::Verb;
use crate::control::command::{Mute, PatientSettings, Pause, Symptom, Target};
use crate::control::query::Listing;

/// Enrol patients, change their settings, pause, mute, close
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth patient add p1 --zone Europe/Berlin --language de --prompts true\n  \
    hearth patient list"
)]
pub struct Patient {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Enrol a patient
    #[command(after_help = "Example:\n  hearth patient add p1 --zone Europe/Berlin --language de \
        --prompts true --quiet 22:00-07:00")]
    Add {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Change what is given, leave the rest
    #[command(after_help = "Example:\n  hearth patient edit p1 --language en")]
    Edit {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// List patients
    #[command(after_help = "Example:\n  hearth patient list --json")]
    List {
        /// Those no longer monitored, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show a patient with plans, alerts, needs and tasks
    #[command(after_help = "Example:\n  hearth patient show p1")]
    Show {
        /// Patient id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Plan no measurements from one local day to another
    #[command(
        after_help = "Example:\n  hearth patient pause p1 --from 2027-07-01 --to 2027-07-14 --reason away"
    )]
    Pause {
        /// Patient id
        id: String,
        /// First day, local date
        #[arg(long)]
        from: String,
        /// Last day, local date; a pause always ends
        #[arg(long)]
        to: String,
        /// Why
        #[arg(long, value_parser = ["away", "ill", "hospital", "repair", "programme"])]
        reason: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Silence everything but critical alerts until an end
    #[command(after_help = "Example:\n  hearth patient mute p1 --until 2027-07-01T18:00:00+02:00")]
    Mute {
        /// Patient id
        id: String,
        /// From when, RFC 3339 [default: now]
        #[arg(long)]
        from: Option<String>,
        /// Until when, RFC 3339; a mute always ends
        #[arg(long)]
        until: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Record that the patient answered a question about symptoms with yes
    #[command(after_help = "Example:\n  hearth patient symptom p1 bp")]
    Symptom {
        /// Patient id
        id: String,
        /// What the symptom belongs to
        #[arg(value_parser = ["general", "bp", "pulse"])]
        symptom: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// End monitoring; what was measured stays
    #[command(after_help = "Example:\n  hearth patient close p1")]
    Close {
        /// Patient id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Erase name and contact; what was measured stays, under the id alone
    #[command(after_help = "Example:\n  hearth patient erase p1")]
    Erase {
        /// Patient id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// What can be said of a patient.
#[derive(Debug, clap::Args)]
struct Settings {
    /// Opaque id, never a name
    id: String,
    /// Name; kept apart, said to nobody but the patient, in the greeting of prompts
    #[arg(long)]
    name: Option<String>,
    /// How to reach the patient; kept apart, never sent
    #[arg(long)]
    contact: Option<String>,
    /// IANA time zone, for example Europe/Berlin
    #[arg(long)]
    zone: Option<String>,
    /// Language of prompts, BCP 47, for example de
    #[arg(long)]
    language: Option<String>,
    /// Enrolled in monitoring [default: true]
    #[arg(long, value_name = "true|false")]
    monitoring: Option<bool>,
    /// Consent to prompts; while unknown none are sent and staff are asked
    #[arg(long, value_name = "true|false")]
    prompts: Option<bool>,
    /// Quiet hours, local, for example 22:00-07:00
    #[arg(long, value_name = "FROM-TO", value_parser = quiet)]
    quiet: Option<[String; 2]>,
    /// Prompts a day at most
    #[arg(long, value_name = "N")]
    daily_cap: Option<u8>,
    /// Monitoring since, RFC 3339 or local date [default: now]
    #[arg(long)]
    start: Option<String>,
    /// A rule's limits as JSON, or null to switch it off; may be repeated
    #[arg(long, value_name = "RULE=JSON", value_parser = limit)]
    limit: Vec<(String, serde_json::Value)>,
}

fn quiet(text: &str) -> Result<[String; 2], String> {
    match text.split_once('-') {
        Some((from, to)) => Ok([from.trim().to_owned(), to.trim().to_owned()]),
        None => Err("write it as 22:00-07:00".to_owned()),
    }
}

fn limit(text: &str) -> Result<(String, serde_json::Value), String> {
    let (rule, json) = text.split_once('=').ok_or("write it as G1='{\"lo\": 60}'")?;
    let value =
        serde_json::from_str(json).map_err(|e| format!("what follows = is no JSON: {e}"))?;
    Ok((rule.to_owned(), value))
}

impl From<Settings> for PatientSettings {
    fn from(s: Settings) -> Self {
        let limits: BTreeMap<_, _> = s.limit.into_iter().collect();
        Self {
            id: s.id,
            name: s.name,
            contact: s.contact,
            zone: s.zone,
            language: s.language,
            monitoring: s.monitoring,
            prompts: s.prompts,
            quiet_hours: s.quiet,
            daily_cap: s.daily_cap,
            start: s.start,
            limits: (!limits.is_empty()).then_some(limits),
        }
    }
}

impl Patient {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::Add { settings, format, daemon } => {
                done(&daemon, format, Verb::PatientAdd(settings.into()))
            }
            Action::Edit { settings, format, daemon } => {
                done(&daemon, format, Verb::PatientEdit(settings.into()))
            }
            Action::List { all, format, daemon } => listed(
                &daemon,
                format,
                (Listing::Patients, None, all),
                &[
                    ("id", "PATIENT"),
                    ("name", "NAME"),
                    ("zone", "ZONE"),
                    ("language", "LANGUAGE"),
                    ("monitoring", "MONITORED"),
                    ("prompts", "PROMPTS"),
                    ("devices", "DEVICES"),
                    ("open_alerts", "OPEN ALERTS"),
                ],
                "No patients are enrolled. Add one: hearth patient add p1",
            ),
            Action::Show { id, format, daemon } => shown(&daemon, format, Listing::Patients, id),
            Action::Pause { id, from, to, reason, format, daemon } => {
                done(&daemon, format, Verb::PatientPause(Pause { id, from, to, reason }))
            }
            Action::Mute { id, from, until, format, daemon } => {
                done(&daemon, format, Verb::PatientMute(Mute { id, from, until }))
            }
            Action::Symptom { id, symptom, format, daemon } => {
                done(&daemon, format, Verb::PatientSymptom(Symptom { id, symptom }))
            }
            Action::Close { id, format, daemon } => {
                done(&daemon, format, Verb::PatientClose(Target { id }))
            }
            Action::Erase { id, format, daemon } => {
                done(&daemon, format, Verb::PatientErase(Target { id }))
            }
        }
    }
}
