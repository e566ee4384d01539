//! Frames on a line that loses, flips and invents octets.
//!
//! | on the line | |
//! | --- | --- |
//! | `00` | delimiter: ends whatever stood on the line before |
//! | COBS of content and checksum | contains no `00` (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999) |
//! | `00` | delimiter: ends the frame |
//!
//! | decoded offset | size | field |
//! | --- | --- | --- |
//! | 0 | n, 2 to [`CONTENT_MAX`] | content, see the page of the module |
//! | n | 4 | CRC-32 of the content, least significant octet first |
//!
//! The CRC is CRC-32/ISO-HDLC (the one of Ethernet and zip: polynomial 0x04C11DB7 reflected, start and
//! final XOR 0xFFFFFFFF). Worked value: the content `31 32 .. 39` has the CRC 0xCBF43926, sent as
//! `26 39 F4 CB`.
//!
//! [`Accumulator`] collects no more than one frame, and nothing behind it sees an octet before the
//! CRC held. A damaged or overlong frame costs itself only: the next delimiter starts afresh.

use super::{CONTENT_MAX, FrameError};
use crc::{CRC_32_ISO_HDLC, Crc};

const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Octets of the checksum.
pub const CRC_SIZE: usize = 4;

/// Content and checksum.
pub const BODY_MAX: usize = CONTENT_MAX + CRC_SIZE;

/// Longest COBS form of a body: one octet more for each 254 begun.
pub const STUFFED_MAX: usize = BODY_MAX + BODY_MAX.div_ceil(254);

/// Longest frame, with both delimiters.
pub const FRAME_MAX: usize = STUFFED_MAX + 2;

const _: () = assert!(FRAME_MAX <= 1024, "hub and gateway hold several frames");

/// The CRC-32 of these octets.
pub fn checksum(octets: &[u8]) -> u32 {
    CRC32.checksum(octets)
}

/// Puts `content` on the line: writes delimiter, COBS form and delimiter into `line` and returns the
/// part of it that is in use.
///
/// # Errors
/// [`FrameError::TooLong`] for a content longer than [`CONTENT_MAX`], [`FrameError::TooShort`] for one
/// that no receiver would take.
pub fn write<'a>(content: &[u8], line: &'a mut [u8; FRAME_MAX]) -> Result<&'a [u8], FrameError> {
    if content.len() > CONTENT_MAX {
        return Err(FrameError::TooLong);
    }
    if content.len() < 2 {
        return Err(FrameError::TooShort);
    }
    let (first, rest) = line.split_first_mut().ok_or(FrameError::TooLong)?;
    *first = 0;
    let mut encoder = cobs::CobsEncoder::new(rest);
    let sum = checksum(content).to_le_bytes();
    encoder.push(content).map_err(|_| FrameError::TooLong)?;
    encoder.push(&sum).map_err(|_| FrameError::TooLong)?;
    let used = encoder.finalize();
    // COBS itself writes no delimiter.
    *rest.get_mut(used).ok_or(FrameError::TooLong)? = 0;
    line.get(..used.saturating_add(2)).ok_or(FrameError::TooLong)
}

/// Collects octets from the line until a whole frame is there.
pub struct Accumulator {
    stuffed: [u8; STUFFED_MAX],
    used: usize,
    /// What came since the last delimiter is longer than any frame.
    overlong: bool,
}

impl Default for Accumulator {
    fn default() -> Self {
        Self::new()
    }
}

impl Accumulator {
    /// With nothing collected: the first octets up to a delimiter may be the tail of a frame.
    pub const fn new() -> Self {
        Self { stuffed: [0; STUFFED_MAX], used: 0, overlong: false }
    }

    /// Forgets what was collected: the line was opened anew.
    pub fn clear(&mut self) {
        self.used = 0;
        self.overlong = false;
    }

    /// Takes one octet. At a delimiter it returns the content of the frame that it ends, or what was
    /// wrong with it; empty frames are passed over.
    pub fn push(&mut self, octet: u8) -> Option<Result<&[u8], FrameError>> {
        if octet != 0 {
            match self.stuffed.get_mut(self.used) {
                Some(place) => {
                    *place = octet;
                    self.used = self.used.saturating_add(1);
                }
                None => self.overlong = true,
            }
            return None;
        }
        let (used, overlong) = (self.used, self.overlong);
        self.clear();
        if overlong {
            return Some(Err(FrameError::TooLong));
        }
        if used == 0 {
            return None;
        }
        Some(Self::unstuff(self.stuffed.get_mut(..used)?))
    }

    fn unstuff(stuffed: &mut [u8]) -> Result<&[u8], FrameError> {
        let size = cobs::decode_in_place(stuffed).map_err(|_| FrameError::Stuffing)?;
        let body = stuffed.get(..size).ok_or(FrameError::Stuffing)?;
        let (content, sum) = body.split_last_chunk::<CRC_SIZE>().ok_or(FrameError::TooShort)?;
        if content.len() < 2 {
            return Err(FrameError::TooShort);
        }
        if content.len() > CONTENT_MAX {
            return Err(FrameError::TooLong);
        }
        if checksum(content) != u32::from_le_bytes(*sum) {
            return Err(FrameError::Checksum);
        }
        Ok(content)
    }
}
