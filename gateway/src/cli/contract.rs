//! `hearth contract`: the AsyncAPI document, for generators and people.

use std::io::{self, Write};

use super::exit::{Exit, Failure};

/// Print the message contract as an AsyncAPI 3 document
///
/// Topics, messages and their fields, generated from the types that the gateway itself uses.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth contract > hearth.asyncapi.json\n  hearth contract | jq .channels"
)]
pub struct Contract {}

impl Contract {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        super::print::unless_nobody_reads(print(&mut io::stdout().lock()))?;
        Ok(Exit::Ok)
    }
}

/// Prints the AsyncAPI 3 document of the message contract.
///
/// # Errors
/// What writing to `out` answered.
pub fn print(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(crate::uplink::contract::document().as_bytes())
}
