//! `hearth clock`: a person's word that the gateway's clock is right.

use clap::Subcommand;

use super::client::Daemon;
use super::exit::{Exit, Failure};
use super::print;
use crate::control::query::Request;

/// Confirm the gateway's clock where no time server can be reached
///
/// Until the clock is synchronised or confirmed, times are marked and nothing personal is sent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  date; hearth clock confirm")]
pub struct Clock {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say that the gateway's clock is right; holds until the machine starts again
    #[command(after_help = "Example:\n  date; hearth clock confirm")]
    Confirm {
        #[command(flatten)]
        daemon: Daemon,
    },
}

impl Clock {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let Action::Confirm { daemon } = self.action;
        daemon.ask(&Request::ClockConfirm)?;
        print::out("The clock is confirmed until the machine starts again.\n")?;
        Ok(Exit::Ok)
    }
}
