//! `hearth backup`, `hearth restore`: a consistent copy while the gateway runs, and back.

use std::path::PathBuf;

use serde_json::json;

use super::client::{Daemon, internal};
use super::exit::{Exit, Failure};
use super::print::{self, Format};
use crate::clock::{Clock, RequireSync};
use crate::control::query::{Answer, Request};
use crate::store::StoreError;
use crate::store::backup::{BackupError, restore};

/// Make a consistent copy of the database while the gateway runs
///
/// The copy is a folder with the database and a manifest that says what must be in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth backup /var/lib/hearth/backups/2027-01-31")]
pub struct Backup {
    /// Folder for the copy, where the gateway's user may write; it must not hold one yet
    pub folder: PathBuf,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

impl Backup {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        // The gateway writes it, so the path must not depend on where this command was started.
        let folder = std::path::absolute(&self.folder)
            .map_err(|error| Failure::file("used", &self.folder, &error))?;
        match self.daemon.ask(&Request::Backup { to: folder.clone() })? {
            Answer::Done { result } if self.format.json => print::out(&format!("{result}\n"))?,
            Answer::Done { .. } => print::out(&format!("The copy is in {}.\n", folder.display()))?,
            other => return Err(internal(format!("{other:?}"))),
        }
        Ok(Exit::Ok)
    }
}

/// Put a copy back in place of the database; the gateway must not run meanwhile
///
/// The copy is checked against its manifest first. A database that is there is kept beside the
/// restored one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  systemctl stop hearth\n  \
    hearth restore /var/lib/hearth/backups/2027-01-31\n  systemctl start hearth")]
pub struct Restore {
    /// Folder of the copy
    pub folder: PathBuf,
    /// The gateway's configuration file [default: hearth.toml, then /etc/hearth/hearth.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

impl Restore {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (_, loaded) = super::check_config::load(self.config.as_deref())?;
        let to = loaded.config.database();
        let now_s = Clock::system(RequireSync(false)).now().wall.seconds();
        crate::app::make_folder(&loaded.config.gateway.data_dir)?;
        let restored = restore(&self.folder, &to, now_s).map_err(|error| failure(&error))?;
        if self.format.json {
            let result = json!({
                "database": to,
                "kept": restored.kept,
                "manifest": restored.manifest,
            });
            print::out(&format!("{result}\n"))?;
        } else {
            let journal = restored.manifest.journal_seq;
            print::out(&format!("{} is restored up to journal row {journal}.\n", to.display()))?;
            if let Some(kept) = restored.kept {
                print::out(&format!("What was there before is kept as {}.\n", kept.display()))?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn failure(error: &BackupError) -> Failure {
    let exit = match error {
        BackupError::Store(StoreError::InUse { .. }) => Exit::InUse,
        BackupError::Io { .. } => Exit::Io,
        _ => Exit::Store,
    };
    let failure = Failure::new(exit, format!("Nothing was restored: {error}"));
    match exit {
        Exit::InUse => failure.next("stop the gateway first: systemctl stop hearth"),
        _ => failure.next("name the folder that `hearth backup` made, with both of its files"),
    }
}
