//! `hearth backup`, `hearth restore`: a consistent copy while the gateway runs, and back.

use std::path::PathBuf;

use super::client::{Daemon, internal};
use super::exit::{Exit, Failure};
use super::print::{self, Format};
use crate::control::query::{Answer, Request};

/// Make a consistent copy of the database while the gateway runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth backup /var/backups/hearth-2027-01-31.db")]
pub struct Backup {
    /// Where to; a file that does not exist yet, on a disk the gateway's user may write to
    pub to: PathBuf,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

impl Backup {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        // The gateway writes the file, so the path must not depend on where this command was started.
        let to = std::path::absolute(&self.to).map_err(|e| Failure::file("used", &self.to, &e))?;
        match self.daemon.ask(&Request::Backup { to: to.clone() })? {
            Answer::Done { result } if self.format.json => print::out(&format!("{result}\n"))?,
            Answer::Done { .. } => print::out(&format!("The copy is in {}.\n", to.display()))?,
            other => return Err(internal(format!("{other:?}"))),
        }
        Ok(Exit::Ok)
    }
}
