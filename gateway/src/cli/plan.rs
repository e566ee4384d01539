//! `hearth plan`: care programmes of patients.

use clap::Subcommand;

use super::client::{Daemon, done, listed, shown};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::control::Verb;
use crate::control::command::{PlanAssign, PlanEvent, Target};
use crate::control::query::Listing;

/// Start, show and stop care programmes of patients
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth plan assign plan-1 --patient p1 --programme fasting-glucose-6w\n  hearth plan list"
)]
pub struct Plan {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a programme for a patient
    #[command(
        after_help = "Example:\n  hearth plan assign plan-1 --patient p1 --programme fasting-glucose-6w"
    )]
    Assign {
        /// Plan id, chosen by you
        id: String,
        /// Patient id
        #[arg(long)]
        patient: String,
        /// Programme id
        #[arg(long)]
        programme: String,
        /// Local date on which it starts [default: today]
        #[arg(long)]
        start: Option<String>,
        /// Parameters that differ from the programme's, as a JSON object
        #[arg(long, value_name = "JSON", value_parser = object)]
        overrides: Option<serde_json::Map<String, serde_json::Value>>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Record a medication change
    #[command(
        after_help = "Example:\n  hearth plan event plan-1 --day 2027-02-01 --note \"dose doubled\""
    )]
    Event {
        /// Plan id
        id: String,
        /// Local date
        #[arg(long)]
        day: String,
        /// What happened
        #[arg(long, default_value = "medication_change", value_parser = ["medication_change"])]
        event: String,
        /// What changed, for the nurse
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// List plans
    #[command(after_help = "Example:\n  hearth plan list --patient p1")]
    List {
        /// Of this patient only
        #[arg(long, value_name = "ID")]
        patient: Option<String>,
        /// Closed ones, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show a plan with its events and verdicts
    #[command(after_help = "Example:\n  hearth plan show plan-1")]
    Show {
        /// Plan id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Stop a plan
    #[command(after_help = "Example:\n  hearth plan close plan-1")]
    Close {
        /// Plan id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
}

fn object(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|e| format!("this is no JSON object: {e}"))
}

impl Plan {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::Assign { id, patient, programme, start, overrides, format, daemon } => done(
                &daemon,
                format,
                Verb::PlanAssign(PlanAssign { id, patient, programme, start, overrides }),
            ),
            Action::Event { id, day, event, note, format, daemon } => {
                done(&daemon, format, Verb::PlanEvent(PlanEvent { id, day, event, note }))
            }
            Action::List { patient, all, format, daemon } => listed(
                &daemon,
                format,
                (Listing::Plans, patient, all),
                &[
                    ("id", "PLAN"),
                    ("patient", "PATIENT"),
                    ("programme", "PROGRAMME"),
                    ("start", "START"),
                    ("state", "STATE"),
                    ("measured", "MEASURED"),
                    ("published", "VERDICT"),
                    ("sentence", "WHY"),
                ],
                "No plans.",
            ),
            Action::Show { id, format, daemon } => shown(&daemon, format, Listing::Plans, id),
            Action::Close { id, format, daemon } => {
                done(&daemon, format, Verb::PlanClose(Target { id }))
            }
        }
    }
}
