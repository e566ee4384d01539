//! `hearth man`: the manual pages, generated from the command line itself.

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::print;

/// Print the manual page of hearth, or write one page per command into a folder
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth man --output /usr/local/share/man/man1\n  hearth man | man -l -"
)]
pub struct Man {
    /// Folder to write all pages to; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let Some(folder) = self.output else {
            let mut page = Vec::new();
            clap_mangen::Man::new(super::command()).render(&mut page)?;
            print::out(&String::from_utf8_lossy(&page))?;
            return Ok(Exit::Ok);
        };
        std::fs::create_dir_all(&folder).map_err(|e| Failure::file("made", &folder, &e))?;
        clap_mangen::generate_to(super::command(), &folder)
            .map_err(|e| Failure::file("written to", &folder, &e))?;
        Ok(Exit::Ok)
    }
}
