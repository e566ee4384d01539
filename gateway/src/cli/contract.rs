//! `hearth contract`: the AsyncAPI document, for generators and people.

use std::io::{self, Write};

/// Prints the AsyncAPI 3 document of the message contract.
///
/// # Errors
/// What writing to `out` answered.
pub fn print(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(crate::uplink::contract::document().as_bytes())
}
