//! Simulated devices: each keeps its clock and its records, and gives what it would send over the air.

mod cuff;
mod meter;
mod scale;

pub use cuff::{Cuff, Inflation};
pub use meter::GlucoseMeter;
pub use scale::Scale;

/// One characteristic value as it goes over the air.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// 16-bit UUID.
    pub characteristic: u16,
    /// The attribute value.
    pub octets: Vec<u8>,
}

/// A civil time without a zone, as a device's clock shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceTime(jiff::civil::DateTime);

impl DeviceTime {
    /// The clock of a device that shows `local`.
    pub fn new(local: jiff::civil::DateTime) -> Self {
        Self(local)
    }

    /// Date Time (GATT Specification Supplement): year uint16, month, day, hour, minute, second.
    pub fn octets(self) -> [u8; 7] {
        let [year_low, year_high] = self.0.year().to_le_bytes();
        let part = |value: i8| value.unsigned_abs();
        [
            year_low,
            year_high,
            part(self.0.month()),
            part(self.0.day()),
            part(self.0.hour()),
            part(self.0.minute()),
            part(self.0.second()),
        ]
    }

    /// The clock's reading in seconds, taken as if it were UTC.
    pub fn seconds(self) -> i64 {
        self.0.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_secs()
    }
}

/// SFLOAT (IEEE 11073-20601): exponent -8..=7 in the top nibble, mantissa -2048..=2047 below.
/// Worked value: 119 with exponent -5 is 0xB077, sent as `77 b0`.
fn sfloat(mantissa: i16, exponent: i8) -> [u8; 2] {
    let top = u16::from(exponent.cast_unsigned() & 0x0f) << 12;
    (top | (mantissa.cast_unsigned() & 0x0fff)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sfloat_is_written_as_the_specification_shows_it() {
        assert_eq!(sfloat(119, -5), [0x77, 0xb0]);
        assert_eq!(sfloat(-1, -1), [0xff, 0xff]);
        assert_eq!(sfloat(200, -2), [0xc8, 0xe0]);
    }

    #[test]
    fn a_glucose_record_is_written_as_a_known_capture() {
        // Accu-Chek Guide without the time offset: sequence 4, 2020-07-14 11:06:05, 119 mg/dL.
        let mut meter = GlucoseMeter::new(3);
        let time = DeviceTime::new(jiff::civil::date(2020, 7, 14).at(11, 6, 5, 0));
        let sent = meter.measure(time, 119, None);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].characteristic, 0x2a18);
        assert_eq!(sent[0].octets, [0x02, 4, 0, 0xe4, 0x07, 7, 14, 11, 6, 5, 0x77, 0xb0, 0x11]);
    }

    #[test]
    fn a_fasting_record_is_followed_by_its_context() {
        let mut meter = GlucoseMeter::new(0);
        let time = DeviceTime::new(jiff::civil::date(2026, 1, 5).at(7, 30, 0, 0));
        let sent = meter.measure(time, 180, Some(3));
        assert_eq!(sent[0].octets[0], 0x12, "the flags announce the context");
        assert_eq!(sent[1], Sent { characteristic: 0x2a34, octets: vec![0x02, 1, 0, 3] });
    }
}
