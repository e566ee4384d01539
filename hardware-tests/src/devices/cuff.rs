//! An upper-arm cuff: Blood Pressure Measurement 2A35 with time stamp, pulse, user slot and status.

use super::{DeviceTime, Sent, sfloat};

/// A cuff; it forgets a result once it has been confirmed, as many do.
#[derive(Clone, Copy, Debug)]
pub struct Cuff;

/// One inflation.
#[derive(Clone, Copy, Debug)]
pub struct Inflation {
    /// mmHg.
    pub systolic: i16,
    /// mmHg.
    pub diastolic: i16,
    /// /min.
    pub pulse: i16,
    /// Slot on the cuff, 0xFF unknown.
    pub slot: u8,
}

impl Cuff {
    /// Flags: bit 1 time stamp, 2 pulse, 3 user id, 4 status; mmHg.
    pub fn measure(self, time: DeviceTime, inflation: Inflation) -> Sent {
        let mut octets = vec![0x1e];
        octets.extend(sfloat(inflation.systolic, 0));
        octets.extend(sfloat(inflation.diastolic, 0));
        octets.extend(sfloat(
            inflation.diastolic + (inflation.systolic - inflation.diastolic) / 3,
            0,
        ));
        octets.extend(time.octets());
        octets.extend(sfloat(inflation.pulse, 0));
        octets.push(inflation.slot);
        octets.extend([0, 0]);
        Sent { characteristic: 0x2a35, octets }
    }
}
