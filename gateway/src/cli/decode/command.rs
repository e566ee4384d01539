//! The command line of `hearth decode`.

use std::io::{BufWriter, stdin, stdout};
use std::path::PathBuf;

use hearth_shared::gatt::Context;

use super::{Outcome, decode_json_lines, decode_one};
use crate::cli::exit::{Exit, Failure};
use crate::cli::print;

/// Say what the octets of a characteristic mean, or where they are wrong
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth decode 2A18 \"1b 01 00 e7 07 03 0a 08 1e 00 00 00 64 b0 f8 00 00\"\n  \
    hearth decode weight-measurement 0x00a41f\n  \
    hearth decode --json-lines < vectors.jsonl\n\n\
    Exit codes: 0 decoded, 1 the octets are wrong, 2 the question was not understood"
)]
pub struct Decode {
    /// Its number, 128-bit UUID or name: 2A18, glucose-measurement
    #[arg(required_unless_present = "json_lines")]
    pub characteristic: Option<String>,
    /// The octets in hex; blanks, colons and 0x are fine
    #[arg(required_unless_present = "json_lines", num_args = 1..)]
    pub hex: Vec<String>,
    /// Whether the sensor's features announce an E2E-CRC (CGM characteristics only)
    #[arg(long, value_name = "true|false")]
    pub e2e_crc: Option<bool>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Read {"id", "characteristic", "hex", "context"} lines, write {"id", "decoded", "error"}
    /// lines
    #[arg(long, conflicts_with_all = ["characteristic", "hex", "json", "e2e_crc"])]
    pub json_lines: bool,
    /// With --json-lines: read from this file instead of stdin
    #[arg(long, value_name = "FILE", requires = "json_lines")]
    pub input: Option<PathBuf>,
}

impl Decode {
    /// Decodes and prints.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let outcome = if self.json_lines {
            let output = BufWriter::new(stdout().lock());
            let summary = print::unless_nobody_reads(match &self.input {
                Some(path) => decode_json_lines(print::open(path)?, output),
                None => decode_json_lines(stdin().lock(), output),
            })?;
            summary.map_or(Outcome::Decoded, |summary| summary.outcome())
        } else {
            let context = Context { e2e_crc: self.e2e_crc };
            let (characteristic, hex) =
                (self.characteristic.unwrap_or_default(), self.hex.join(" "));
            let mut out = Vec::new();
            let outcome = decode_one(&characteristic, &hex, context, &mut out, self.json)?;
            let text = String::from_utf8_lossy(&out);
            if outcome == Outcome::Usage && !self.json {
                eprint!("{text}");
            } else {
                print::out(&text)?;
            }
            outcome
        };
        Ok(match outcome {
            Outcome::Decoded => Exit::Ok,
            Outcome::Refused => Exit::Negative,
            Outcome::Usage => Exit::Usage,
        })
    }
}
