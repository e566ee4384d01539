//! `hearth prompt`: what was said to patients.

use clap::Subcommand;

use super::client::{Daemon, done, listed, shown};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::control::Verb;
use crate::control::command::Answer;
use crate::control::query::Listing;

/// List prompts and record a patient's answer
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth prompt list --patient p1")]
pub struct Prompt {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List prompts that wait or were sent
    #[command(after_help = "Example:\n  hearth prompt list --patient p1 --all")]
    List {
        /// Of this patient only
        #[arg(long, value_name = "ID")]
        patient: Option<String>,
        /// Answered, dropped and expired ones, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show a prompt
    #[command(after_help = "Example:\n  hearth prompt show 0f6d7c1e-1111-5222-8333-444455556666")]
    Show {
        /// Prompt id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Record what the patient answered
    #[command(
        after_help = "Example:\n  hearth prompt answer 0f6d7c1e-1111-5222-8333-444455556666 done"
    )]
    Answer {
        /// Prompt id
        id: String,
        /// The answer
        #[arg(value_parser = ["done", "later", "help", "stop"])]
        answer: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
}

impl Prompt {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::List { patient, all, format, daemon } => listed(
                &daemon,
                format,
                (Listing::Prompts, patient, all),
                &[
                    ("created", "MADE"),
                    ("patient", "PATIENT"),
                    ("kind", "PROMPT"),
                    ("state", "STATE"),
                    ("why", "WHY"),
                    ("language", "LANGUAGE"),
                    ("id", "ID"),
                    ("text", "TEXT"),
                ],
                "No prompts wait for an answer.",
            ),
            Action::Show { id, format, daemon } => shown(&daemon, format, Listing::Prompts, id),
            Action::Answer { id, answer, format, daemon } => {
                done(&daemon, format, Verb::PromptAnswer(Answer { id, answer }))
            }
        }
    }
}
