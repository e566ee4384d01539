//! `hearth run`: the daemon.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::check_config;
use super::exit::{Exit, Failure};
use crate::app;

/// Run the gateway
///
/// The configuration is checked whole before anything starts. Ends cleanly on SIGTERM and SIGINT:
/// sources first, then what has arrived is committed, then messages get a bounded time to leave;
/// what has not left stays in the database.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth run --config hearth.toml\n\n\
    Exit codes: 0 stopped by a signal, 4 the configuration is wrong, 6 the database cannot be used, \
    7 another gateway uses the data folder")]
pub struct Run {
    /// The configuration file [default: hearth.toml, then /etc/hearth/hearth.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say on the terminal what is up and where, also where stdout is none
    #[arg(long)]
    pub verbose: bool,
    /// Move a damaged database aside and keep every whole row of it
    #[arg(long)]
    pub salvage: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (path, mut loaded) = check_config::load(self.config.as_deref())?;
        loaded.config.store.salvage |= self.salvage;
        let talk = app::Talk(self.verbose || std::io::stdout().is_terminal());
        app::run(loaded, &path, talk)
    }
}
