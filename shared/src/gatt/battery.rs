//! Battery Level 2A19: one octet, 0..=100 %; everything else is reserved.
//!
//! `bluetooth-profiles` 14.

use super::cursor::Cursor;
use super::{DecodeError, Field};

/// The charge in percent.
pub(super) fn level_percent(mut c: Cursor<'_>) -> Result<u8, DecodeError> {
    c.at_most(1)?;
    let level = c.u8(Field::Level100)?;
    if level > 100 {
        let found = i32::from(level);
        return Err(DecodeError::ReservedValue { field: Field::Level100, at: 0, found });
    }
    Ok(level)
}
