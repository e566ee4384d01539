//! `hearth need`: what patients need next.

use clap::Subcommand;

use super::client::{Daemon, done, listed, shown};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::control::Verb;
use crate::control::command::{Outcome, Target};
use crate::control::query::Listing;

/// List needs, book the visit, close them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth need list")]
pub struct Need {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List needs
    #[command(after_help = "Example:\n  hearth need list")]
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
    /// Show a need
    #[command(after_help = "Example:\n  hearth need show 0f6d7c1e-1111-5222-8333-444455556666")]
    Show {
        /// Need id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say that the visit is booked: no further prompts
    #[command(after_help = "Example:\n  hearth need book 0f6d7c1e-1111-5222-8333-444455556666")]
    Book {
        /// Need id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Close a need with an outcome
    #[command(
        after_help = "Example:\n  hearth need close 0f6d7c1e-1111-5222-8333-444455556666 --outcome not_needed"
    )]
    Close {
        /// Need id
        id: String,
        /// One word that says how it ended: booked, reached, not_needed, moved, ...
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

impl Need {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::List { patient, all, format, daemon } => listed(
                &daemon,
                format,
                (Listing::Needs, patient, all),
                &[
                    ("patient", "PATIENT"),
                    ("kind", "NEED"),
                    ("state", "STATE"),
                    ("attempts", "TRIES"),
                    ("attempts_max", "AT MOST"),
                    ("opened", "OPENED"),
                    ("id", "ID"),
                    ("reason", "WHY"),
                ],
                "No open needs.",
            ),
            Action::Show { id, format, daemon } => shown(&daemon, format, Listing::Needs, id),
            Action::Book { id, format, daemon } => {
                done(&daemon, format, Verb::NeedBook(Target { id }))
            }
            Action::Close { id, outcome, note, format, daemon } => {
                done(&daemon, format, Verb::NeedClose(Outcome { id, outcome, note }))
            }
        }
    }
}
