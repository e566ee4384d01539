//! A scale with user slots: Weight Measurement 2A9D in SI units with time stamp and user id.

use super::{DeviceTime, Sent};

/// A two-person scale.
#[derive(Clone, Copy, Debug)]
pub struct Scale;

impl Scale {
    /// Flags: bit 1 time stamp, 2 user id; 5 g a count, so `grams` is rounded down to 5 g.
    pub fn measure(self, time: DeviceTime, grams: u32, slot: u8) -> Sent {
        let mut octets = vec![0x06];
        octets.extend(u16::try_from(grams / 5).unwrap_or(0xffff).to_le_bytes());
        octets.extend(time.octets());
        octets.push(slot);
        Sent { characteristic: 0x2a9d, octets }
    }
}
