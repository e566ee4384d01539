//! A glucose meter: Glucose Measurement 2A18 and, with a meal, its context 2A34.

use super::{DeviceTime, Sent, sfloat};

/// A meter that numbers its records from where it left off.
#[derive(Clone, Debug)]
pub struct GlucoseMeter {
    sequence: u16,
}

impl GlucoseMeter {
    /// A meter whose last record was number `last`.
    pub fn new(last: u16) -> Self {
        Self { sequence: last }
    }

    /// One test strip: `mg_per_dl` in 20..=600, `meal` as in 2A34 (3 = fasting).
    ///
    /// 2A18: flags (bit 1 concentration, type and location; bit 4 context follows; unit kg/L), sequence,
    /// base time, SFLOAT kg/L (104 mg/dL is 104e-5), type 1 capillary whole blood, location 1 finger.
    pub fn measure(&mut self, time: DeviceTime, mg_per_dl: u16, meal: Option<u8>) -> Vec<Sent> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut octets = vec![if meal.is_some() { 0x12 } else { 0x02 }];
        octets.extend(self.sequence.to_le_bytes());
        octets.extend(time.octets());
        octets.extend(sfloat(i16::try_from(mg_per_dl).unwrap_or(i16::MAX), -5));
        octets.push(0x11);
        let mut sent = vec![Sent { characteristic: 0x2a18, octets }];
        if let Some(meal) = meal {
            let mut octets = vec![0x02];
            octets.extend(self.sequence.to_le_bytes());
            octets.push(meal);
            sent.push(Sent { characteristic: 0x2a34, octets });
        }
        sent
    }
}
