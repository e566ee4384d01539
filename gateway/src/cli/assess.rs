//! `hearth assess`: cases in, verdicts with evidence out, comparable with any other implementation.

use std::io::{BufWriter, stdin, stdout};
use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::print;
use crate::exchange::{alerts, trend};

/// Evaluate cases of the trend rule NI-1, or of the alert rules, as JSON lines
///
/// One case a line in, one answer a line out, keys sorted, no spaces, so that two implementations
/// can be compared octet by octet. A malformed case is answered with an error in its place and the
/// run goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    echo '{\"id\":1,\"plan\":{\"start\":20000},\"readings\":[]}' | hearth assess\n  \
    hearth assess --alerts cases.jsonl > answers.jsonl\n\n\
    Exit codes: 0 every case was answered, 1 some cases had errors")]
pub struct Assess {
    /// The cases are of the alert rules
    #[arg(long)]
    pub alerts: bool,
    /// The cases [default: stdin]
    pub file: Option<PathBuf>,
}

impl Assess {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let output = BufWriter::new(stdout().lock());
        let errors = match (self.alerts, &self.file) {
            (true, Some(path)) => alerts::run(print::open(path)?, output).map(|s| s.errors),
            (true, None) => alerts::run(stdin().lock(), output).map(|s| s.errors),
            (false, Some(path)) => trend::run(print::open(path)?, output).map(|s| s.errors),
            (false, None) => trend::run(stdin().lock(), output).map(|s| s.errors),
        };
        let errors = print::unless_nobody_reads(errors)?;
        Ok(if errors.unwrap_or(0) == 0 { Exit::Ok } else { Exit::Negative })
    }
}
