//! Why the program went down, kept over the reset and told in the next `Hello`.
//!
//! The chip's own reset-cause register always reads 0 in the emulator.

use hearth_shared::wire::ResetCause;

use crate::registers::{keep, kept};

const MAGIC: u32 = 0x4C41_5354;

/// Keeps cause and detail over a reset, not over a power cut.
pub fn say(cause: ResetCause, detail: u32) {
    let cause = u32::from(cause.0);
    keep([MAGIC ^ cause ^ detail, cause, detail]);
}

/// What was said before, once; a power cut otherwise.
pub fn hear() -> (ResetCause, u32) {
    let [check, cause, detail] = kept();
    keep([0; 3]);
    match u8::try_from(cause) {
        Ok(code) if check == MAGIC ^ cause ^ detail => (ResetCause(code), detail),
        _ => (ResetCause::POWER, 0),
    }
}
