//! Stored blood pressure records (2B36) put together: a record comes in one or more segments, and
//! what it holds is another characteristic's value (Blood Pressure Service 1.1, 3.6).

use hearth_shared::gatt::crc::e2e_crc;
use hearth_shared::gatt::{self, Measurement};

/// Octets of a contained value; a longer one is no blood pressure.
const VALUE_MAX: usize = 512;

/// What a segment completes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// More follows.
    Part,
    /// The record is complete.
    Record {
        /// Its number.
        number: u16,
        /// 16-bit UUID of the characteristic whose value it holds.
        characteristic: u16,
        /// That value.
        octets: Vec<u8>,
    },
    /// A segment is missing, or the CRC does not fit: the record is not taken.
    Broken,
}

/// The record under way.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Rolling counter of the segment that is expected next, number, characteristic.
    next: Option<(u8, u16, u16)>,
    octets: Vec<u8>,
    /// All segments as they came: the CRC covers them.
    whole: Vec<u8>,
}

impl Segments {
    /// Takes a value of 2B36; `with_crc`: the device says that its records end in a CRC.
    pub(super) fn take(&mut self, value: &[u8], with_crc: bool) -> Joined {
        let decoded = gatt::decode_uuid16(0x2B36, value, gatt::Context::default());
        let Ok(Measurement::BloodPressureRecord(record)) = decoded else {
            self.next = None;
            return Joined::Broken;
        };
        let segment = record.segment;
        let is = (segment.counter(), record.sequence_number, record.uuid16);
        if segment.is_first() {
            self.octets.clear();
            self.whole.clear();
        } else if self.next != Some(is) {
            self.next = None;
            return Joined::Broken;
        }
        self.octets.extend_from_slice(record.recorded);
        self.whole.extend_from_slice(value);
        if !segment.is_last() {
            let counter = (segment.counter() + 1) & 0x3F;
            self.next = Some((counter, is.1, is.2));
            return if self.octets.len() <= VALUE_MAX { Joined::Part } else { Joined::Broken };
        }
        self.next = None;
        if with_crc && !self.strip_crc() {
            return Joined::Broken;
        }
        let octets = std::mem::take(&mut self.octets);
        Joined::Record { number: is.1, characteristic: is.2, octets }
    }

    /// Takes the CRC off the end; `false`: it does not fit. Devices are met that count it over the
    /// contained octets alone.
    fn strip_crc(&mut self) -> bool {
        let Some((contained, crc)) = self.octets.split_last_chunk::<2>() else { return false };
        let crc = u16::from_le_bytes(*crc);
        let Some((segments, _)) = self.whole.split_last_chunk::<2>() else { return false };
        let fits = e2e_crc(segments) == crc || e2e_crc(contained) == crc;
        if fits {
            self.octets.truncate(contained.len());
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(header: u8, number: u16, contained: &[u8]) -> Vec<u8> {
        [&[header][..], &number.to_le_bytes(), &0x2B34_u16.to_le_bytes(), contained].concat()
    }

    fn record(number: u16, octets: &[u8]) -> Joined {
        Joined::Record { number, characteristic: 0x2B34, octets: octets.to_vec() }
    }

    #[test]
    fn one_segment_and_three_make_the_same_record() {
        let mut segments = Segments::default();
        assert_eq!(segments.take(&segment(0b11, 7, &[1, 2, 3]), false), record(7, &[1, 2, 3]));
        for (header, octet) in [(0b01, 1), (0b0100, 2)] {
            assert_eq!(segments.take(&segment(header, 7, &[octet]), false), Joined::Part);
        }
        assert_eq!(segments.take(&segment(0b1010, 7, &[3]), false), record(7, &[1, 2, 3]));
        // The counter rolls over.
        assert_eq!(segments.take(&segment(63 << 2 | 1, 8, &[4]), false), Joined::Part);
        assert_eq!(segments.take(&segment(0b10, 8, &[5]), false), record(8, &[4, 5]));
    }

    #[test]
    fn a_record_with_a_hole_is_not_taken_and_the_next_one_is() {
        let mut segments = Segments::default();
        assert_eq!(segments.take(&segment(0b01, 7, &[1]), false), Joined::Part);
        assert_eq!(segments.take(&segment(0b1010, 7, &[3]), false), Joined::Broken);
        assert_eq!(segments.take(&segment(0b1110, 7, &[3]), false), Joined::Broken);
        assert_eq!(segments.take(&[0b11, 1], false), Joined::Broken);
        assert_eq!(segments.take(&segment(0b11, 8, &[1]), false), record(8, &[1]));
    }

    #[test]
    fn a_crc_is_checked_and_taken_off() {
        let mut segments = Segments::default();
        let mut whole = segment(0b11, 7, &[1, 2, 3]);
        whole.extend_from_slice(&e2e_crc(&whole).to_le_bytes());
        assert_eq!(segments.take(&whole, true), record(7, &[1, 2, 3]));
        whole[6] ^= 1;
        assert_eq!(segments.take(&whole, true), Joined::Broken);
    }
}
