//! E2E-CRC (`bluetooth-profiles` 2.6): CRC-16/MCRF4XX, sent least significant octet first.

use super::cursor::{Context, Cursor};
use super::{DecodeError, Field};

/// Polynomial x^16 + x^12 + x^5 + 1 reflected, start 0xFFFF, no final XOR.
///
/// Worked value: the ASCII digits `123456789` give 0x6F91.
pub fn e2e_crc(octets: &[u8]) -> u16 {
    octets.iter().fold(0xFFFF, |crc, octet| {
        (0..8).fold(
            crc ^ u16::from(*octet),
            |c, _| {
                if c & 1 == 1 { (c >> 1) ^ 0x8408 } else { c >> 1 }
            },
        )
    })
}

/// Reads the CRC that ends `whole`, compares it, and refuses what follows it.
///
/// Whether there is one is said by the context; while that is unknown, two further octets are
/// one, and any other number of them (a cut CRC, or too many) is refused.
pub(super) fn tail(
    whole: &[u8],
    cursor: &mut Cursor<'_>,
    context: Context,
) -> Result<Option<u16>, DecodeError> {
    match (context.e2e_crc, cursor.rest().len()) {
        (Some(true), 0) => return Err(DecodeError::CrcMissing { at: cursor.position() }),
        (None, 0) => return Ok(None),
        (Some(false), _) => return cursor.finish().map(|()| None),
        _ => {}
    }
    let crc = checked(whole, cursor)?;
    cursor.finish()?;
    Ok(Some(crc))
}

/// Reads two octets and compares them with the CRC of everything in `whole` before them.
pub(super) fn checked(whole: &[u8], cursor: &mut Cursor<'_>) -> Result<u16, DecodeError> {
    let at = cursor.position();
    let covered = whole.len().saturating_sub(cursor.rest().len());
    let found = cursor.u16(Field::Crc)?;
    let computed = e2e_crc(whole.split_at_checked(covered).map_or(whole, |(head, _)| head));
    if found == computed {
        Ok(found)
    } else {
        Err(DecodeError::CrcMismatch { at, computed, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_specification_hold() {
        assert_eq!(e2e_crc(b"123456789"), 0x6F91);
        assert_eq!(e2e_crc(b"A"), 0x5C0A);
        assert_eq!(e2e_crc(&[0x3E, 1, 2, 3, 4, 5, 6, 7, 8, 9]), 0x2F01);
        assert_eq!(e2e_crc(&[]), 0xFFFF);
    }
}
