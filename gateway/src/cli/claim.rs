//! `hearth claim`: readings that are nobody's yet.

use clap::Subcommand;

use super::client::{Daemon, done, listed};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::control::Verb;
use crate::control::command::Claim as Claimed;
use crate::control::query::Listing;

/// List readings without an owner and say whose they are
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth claim list")]
pub struct Claim {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List readings without an owner
    #[command(after_help = "Example:\n  hearth claim list")]
    List {
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say whose a reading is
    #[command(
        after_help = "Example:\n  hearth claim assign 0f6d7c1e-1111-5222-8333-444455556666 --patient p1"
    )]
    Assign {
        /// Observation id
        observation: String,
        /// Patient id
        #[arg(long)]
        patient: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
}

impl Claim {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::List { format, daemon } => listed(
                &daemon,
                format,
                (Listing::Claims, None, true),
                &[
                    ("id", "OBSERVATION"),
                    ("reading", "READING"),
                    ("device", "DEVICE"),
                    ("slot", "SLOT"),
                    ("measured", "MEASURED"),
                    ("since", "WAITS SINCE"),
                ],
                "Every reading has an owner.",
            ),
            Action::Assign { observation, patient, format, daemon } => {
                done(&daemon, format, Verb::Claim(Claimed { observation, patient }))
            }
        }
    }
}
