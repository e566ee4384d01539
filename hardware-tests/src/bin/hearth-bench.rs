//! Prints what Hearth costs, as ratios against named peers that run in the same minutes on the same machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use hearth_hardware_tests::bench::{Python, backlog, commits, decoding, latency, sustained, trend};

/// What Hearth costs, as ratios against named peers that run in the same minutes on the same machine.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example:\n  scripts/bench\n  scripts/bench commits latency")]
struct Options {
    /// The parts to run; all of them when none is named.
    parts: Vec<Part>,
    /// The gateway's binary.
    #[arg(long)]
    hearth: PathBuf,
    /// A Python with the packages of hardware-tests/peers/requirements.txt.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Decoding,
    Trend,
    Commits,
    Sustained,
    Latency,
    Backlog,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let python = Python::find(&options.python);
    let mut failed = false;
    for part in Part::value_variants() {
        if !options.parts.is_empty() && !options.parts.contains(part) {
            continue;
        }
        let result = match part {
            Part::Decoding => decoding(python.as_ref()),
            Part::Trend => trend(python.as_ref()),
            Part::Commits => commits(),
            Part::Sustained => sustained(&options.hearth, python.as_ref()),
            Part::Latency => latency(&options.hearth),
            Part::Backlog => backlog(&options.hearth),
        };
        if let Err(error) = result {
            println!("  could not be measured: {error:#}");
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
