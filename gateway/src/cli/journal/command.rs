//! The command line of `hearth journal`.

use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;

use clap::Subcommand;

use super::{Form, JournalError, Selection, export, stats, verify};
use crate::cli::check_config;
use crate::cli::exit::{Exit, Failure};
use crate::config::{self, Config};
use crate::store::{Reader, StoreError};

/// Export, verify and count what the gateway knows
///
/// Reads the database beside a running gateway, or without one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth journal export --json > journal.jsonl\n  hearth journal verify\n  \
    hearth journal stats"
)]
pub struct Journal {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print every observation and every raw row without one, oldest first
    #[command(after_help = "Example:\n  hearth journal export --patient p1\n  \
        hearth journal export --quarantine --json\n  \
        hearth journal export --csv > readings.csv && hearth replay --report report.html readings.csv\n\n\
        Exit codes: 0 all rows are whole, 1 some do not fit their checksum")]
    Export {
        /// Rows after this number of the journal
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: i64,
        /// Of this device only
        #[arg(long, value_name = "ID")]
        device: Option<String>,
        /// Of this patient only
        #[arg(long, value_name = "ID")]
        patient: Option<String>,
        /// Rows that were set aside, and damaged ones, only
        #[arg(long)]
        quarantine: bool,
        /// Readings with an owner as CSV that `hearth replay` reads
        #[arg(long, conflicts_with_all = ["json", "quarantine"])]
        csv: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Check every row against its checksum and every chain against its end
    #[command(after_help = "Example:\n  hearth journal verify && echo whole\n\n\
        Exit codes: 0 all is well, 1 something is not as it must be")]
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Count what is there
    #[command(after_help = "Example:\n  hearth journal stats --json | jq .observations")]
    Stats {
        #[command(flatten)]
        place: Place,
    },
}

/// Which database, and how to print.
#[derive(Debug, clap::Args)]
struct Place {
    /// The gateway's configuration file [default: hearth.toml, then /etc/hearth/hearth.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database itself, for example that of a backup
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    database: Option<PathBuf>,
    /// Print JSON lines for programs
    #[arg(long)]
    json: bool,
}

impl Place {
    fn database(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.database {
            return Ok(path.clone());
        }
        let file = check_config::file(self.config.as_deref())?;
        // A mistake elsewhere in the settings must not keep anybody from the readings.
        Ok(config::database_of(&file).unwrap_or_else(|| Config::default().database()))
    }

    fn open(&self) -> Result<(PathBuf, Reader), Failure> {
        let path = self.database()?;
        if !path.is_file() {
            return Err(Failure::new(Exit::Io, format!("There is no database {}", path.display()))
                .next("name it with --config or --database; the first `hearth run` makes it"));
        }
        let reader = Reader::open(&path).map_err(|error| unreadable(&error))?;
        Ok((path, reader))
    }

    const fn form(&self) -> Form {
        if self.json { Form::JsonLines } else { Form::Table }
    }
}

impl Journal {
    /// Does it and prints.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let mut out = BufWriter::new(stdout().lock());
        let well = match self.action {
            Action::Export { after, device, patient, quarantine, csv, place } => {
                let (_, reader) = place.open()?;
                let selection = Selection { after, device, patient, quarantine };
                let form = if csv { Form::Csv } else { place.form() };
                export(&reader, &selection, form, &mut out).map(|met| met.damaged == 0)
            }
            Action::Verify { place } => {
                let (_, reader) = place.open()?;
                verify(&reader, place.form(), &mut out).map(|found| found.findings.is_empty())
            }
            Action::Stats { place } => {
                let (path, reader) = place.open()?;
                stats(&reader, &path, place.form(), &mut out).map(|()| true)
            }
        };
        let well = well.and_then(|well| out.flush().map(|()| well).map_err(JournalError::from));
        match well {
            Ok(true) => Ok(Exit::Ok),
            Ok(false) => Ok(Exit::Negative),
            Err(error) if error.is_closed_pipe() => Ok(Exit::Ok),
            Err(error) => {
                Err(Failure::new(Exit::Store, format!("The journal cannot be told: {error}")))
            }
        }
    }
}

fn unreadable(error: &StoreError) -> Failure {
    Failure::new(Exit::Store, format!("The journal cannot be read: {error}"))
}
