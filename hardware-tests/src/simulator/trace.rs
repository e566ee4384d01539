//! What happened, line by line: a digest of all of it, and the last lines for the report of a failure.

use std::collections::VecDeque;
use std::fmt::{Arguments, Write as _};
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;

/// Lines kept for the report of a failure.
const KEPT: usize = 40;

/// The trace of one life.
pub struct Trace<'o> {
    digest: DefaultHasher,
    lines: u64,
    recent: VecDeque<String>,
    out: Option<&'o mut dyn Write>,
}

impl std::fmt::Debug for Trace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl<'o> Trace<'o> {
    /// An empty trace; every line also goes to `out`.
    pub fn new(out: Option<&'o mut dyn Write>) -> Self {
        Self { digest: DefaultHasher::new(), lines: 0, recent: VecDeque::with_capacity(KEPT), out }
    }

    /// Notes one line, at milliseconds of the simulation.
    pub fn say(&mut self, at_ms: u64, line: Arguments<'_>) {
        let mut text = match self.recent.len() {
            KEPT => self.recent.pop_front().unwrap_or_default(),
            _ => String::new(),
        };
        text.clear();
        // Writing to a string cannot fail.
        let _ = write!(text, "{at_ms:>9} {line}");
        self.digest.write(text.as_bytes());
        self.lines += 1;
        if let Some(out) = &mut self.out {
            let _ = writeln!(out, "{text}");
        }
        self.recent.push_back(text);
    }

    /// A number that is the same for two runs exactly if they said the same lines.
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// How many lines were said.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines.
    pub fn recent(&self) -> Vec<String> {
        self.recent.iter().cloned().collect()
    }
}
