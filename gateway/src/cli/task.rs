//! `hearth task`: what a nurse has to do.

use clap::Subcommand;

use super::client::{Daemon, done, listed, shown};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::control::Verb;
use crate::control::command::Outcome;
use crate::control::query::Listing;

/// List and close the tasks of staff
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth task list")]
pub struct Task {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List tasks, urgent ones first
    #[command(after_help = "Example:\n  hearth task list")]
    List {
        /// Of this patient only
        #[arg(long, value_name = "ID")]
        patient: Option<String>,
        /// Done ones, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show a task
    #[command(after_help = "Example:\n  hearth task show 0f6d7c1e-1111-5222-8333-444455556666")]
    Show {
        /// Task id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say that a task is done, with an outcome
    #[command(
        after_help = "Example:\n  hearth task close 0f6d7c1e-1111-5222-8333-444455556666 --outcome reached"
    )]
    Close {
        /// Task id
        id: String,
        /// One word that says how it ended: booked, reached, could_not_reach, ...
        #[arg(long)]
        outcome: String,
        /// For the record
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
}

impl Task {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::List { patient, all, format, daemon } => listed(
                &daemon,
                format,
                (Listing::Tasks, patient, all),
                &[
                    ("level", "LEVEL"),
                    ("patient", "PATIENT"),
                    ("kind", "TASK"),
                    ("state", "STATE"),
                    ("made", "SINCE"),
                    ("id", "ID"),
                    ("reason", "WHY"),
                ],
                "No open tasks.",
            ),
            Action::Show { id, format, daemon } => shown(&daemon, format, Listing::Tasks, id),
            Action::Close { id, outcome, note, format, daemon } => {
                done(&daemon, format, Verb::TaskClose(Outcome { id, outcome, note }))
            }
        }
    }
}
