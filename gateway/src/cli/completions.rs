//! `hearth completions`: a completion script for a shell.

use clap_complete::Shell;

use super::exit::{Exit, Failure};
use super::print;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth completions bash > /usr/share/bash-completion/completions/hearth"
)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "hearth", &mut script);
        print::out(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Ok)
    }
}
