//! `hearth alert`: what must be seen.

use clap::Subcommand;

use super::client::{Daemon, done, listed, shown};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::control::Verb;
use crate::control::command::Acknowledge;
use crate::control::query::Listing;

/// List and acknowledge alerts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth alert list\n  hearth alert acknowledge --patient p1 --rule G1"
)]
pub struct Alert {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List alerts, critical ones first
    #[command(after_help = "Example:\n  hearth alert list")]
    List {
        /// Of this patient only
        #[arg(long, value_name = "ID")]
        patient: Option<String>,
        /// Those that are over, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show an alert with its history
    #[command(after_help = "Example:\n  hearth alert show 0f6d7c1e-1111-5222-8333-444455556666")]
    Show {
        /// Alert id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say that an alert was seen
    #[command(after_help = "Example:\n  hearth alert acknowledge --patient p1 --rule G1")]
    Acknowledge {
        /// Patient id
        #[arg(long)]
        patient: String,
        /// Rule id, for example G1
        #[arg(long)]
        rule: String,
        /// Who has seen it
        #[arg(long, default_value = "staff", value_parser = ["staff", "patient"])]
        by: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
}

impl Alert {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::List { patient, all, format, daemon } => listed(
                &daemon,
                format,
                (Listing::Alerts, patient, all),
                &[
                    ("level", "LEVEL"),
                    ("patient", "PATIENT"),
                    ("rule", "RULE"),
                    ("about", "ABOUT"),
                    ("reading", "READING"),
                    ("state", "STATE"),
                    ("raised", "RAISED"),
                    ("acked_by", "ACKNOWLEDGED BY"),
                    ("id", "ALERT"),
                ],
                "No open alerts.",
            ),
            Action::Show { id, format, daemon } => shown(&daemon, format, Listing::Alerts, id),
            Action::Acknowledge { patient, rule, by, format, daemon } => {
                done(&daemon, format, Verb::AlertAcknowledge(Acknowledge { patient, rule, by }))
            }
        }
    }
}
