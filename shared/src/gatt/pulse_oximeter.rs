//! Pulse Oximeter Service: spot check 2A5E, continuous 2A5F, features 2A60.
//!
//! | order | octets | 2A5E, with its flag | 2A5F, with its flag | unit |
//! |---|---|---|---|---|
//! | 1 | 1 | flags | flags | - |
//! | 2 | 2 + 2 | SpO2, pulse rate | SpO2, pulse rate (normal) | %, /min (SFLOAT) |
//! | 3 | 7 / 2 + 2 | time stamp, 0 | SpO2, pulse rate (fast), 0 | - / as above |
//! | 4 | 2 + 2 | - | SpO2, pulse rate (slow), 1 | as above |
//! | 5 | 2 | measurement status, 1 | 2 | bits |
//! | 6 | 3 | device and sensor status, 2 | 3 | bits |
//! | 7 | 2 | pulse amplitude index, 3 | 4 | % (SFLOAT) |
//!
//! 2A5E flag 4: the device's clock is not set. Flags 5-7 reserved in both.
//! 2A60: features u16, measurement status support u16 (bit 0), device status support u24 (bit 1).
//! `bluetooth-profiles` 9.

use super::cursor::Cursor;
use super::number::bit;
use super::{DateTime, DecodeError, Field, Flags, Number, Unit, names};

/// Bit numbers of the measurement status.
pub mod measurement_status {
    #![allow(missing_docs)]
    pub const ONGOING: u8 = 5;
    pub const VALIDATED: u8 = 7;
    pub const FULLY_QUALIFIED: u8 = 8;
    pub const DEMONSTRATION: u8 = 10;
    pub const TESTING: u8 = 11;
    pub const CALIBRATION_ONGOING: u8 = 12;
    pub const UNAVAILABLE: u8 = 13;
    pub const QUESTIONABLE: u8 = 14;
    pub const INVALID: u8 = 15;
    /// Reserved.
    pub const RESERVED: u32 = 0x001F;
}

/// Bit numbers of the device and sensor status.
pub mod device_status {
    #![allow(missing_docs)]
    pub const EQUIPMENT_MALFUNCTION: u8 = 1;
    pub const SIGNAL_PROCESSING_IRREGULARITY: u8 = 2;
    pub const INADEQUATE_SIGNAL: u8 = 3;
    pub const POOR_SIGNAL: u8 = 4;
    pub const LOW_PERFUSION: u8 = 5;
    pub const ERRATIC_SIGNAL: u8 = 6;
    pub const NONPULSATILE_SIGNAL: u8 = 7;
    pub const QUESTIONABLE_PULSE: u8 = 8;
    pub const SIGNAL_ANALYSIS_ONGOING: u8 = 9;
    pub const SENSOR_INTERFERENCE: u8 = 10;
    pub const SENSOR_UNCONNECTED_TO_USER: u8 = 11;
    pub const UNKNOWN_SENSOR: u8 = 12;
    pub const SENSOR_DISPLACED: u8 = 13;
    pub const SENSOR_MALFUNCTIONING: u8 = 14;
    pub const SENSOR_DISCONNECTED: u8 = 15;
    /// Reserved.
    pub const RESERVED: u32 = 0xFF_0000;
}

/// One pair of saturation and pulse rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SpO2AndPulse {
    pub spo2: Number,
    pub pulse_rate: Number,
}

impl SpO2AndPulse {
    fn decode(c: &mut Cursor<'_>, spo2: Field, pulse: Field) -> Result<Self, DecodeError> {
        Ok(Self {
            spo2: Number { value: c.sfloat(spo2)?, unit: Unit::Percent },
            pulse_rate: Number { value: c.sfloat(pulse)?, unit: Unit::PerMinute },
        })
    }
}

/// The optional end that both measurements share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PlxStatus {
    pub measurement_status: Option<Flags>,
    pub device_sensor_status: Option<Flags>,
    pub pulse_amplitude_index: Option<Number>,
}

impl PlxStatus {
    /// Reads the three fields, announced by three flags from `first` upwards.
    fn decode(c: &mut Cursor<'_>, flags: u8, first: u8) -> Result<Self, DecodeError> {
        let mut announced = (0..3).map(|n: u8| bit(flags, first.saturating_add(n)));
        let mut next = || announced.next().unwrap_or(false);
        let status = next().then(|| c.u16(Field::MeasurementStatus)).transpose()?;
        let device = next().then(|| c.u24(Field::DeviceSensorStatus)).transpose()?;
        let index = next().then(|| c.sfloat(Field::PulseAmplitudeIndex)).transpose()?;
        Ok(Self {
            measurement_status: status.map(measurement),
            device_sensor_status: device.map(|s| Flags::new(s, names::PLX_DEVICE_STATUS)),
            pulse_amplitude_index: index.map(|value| Number { value, unit: Unit::Percent }),
        })
    }
}

fn measurement(status: u16) -> Flags {
    Flags::new(u32::from(status), names::PLX_MEASUREMENT_STATUS)
}

/// A spot check (2A5E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PlxSpotCheck<'a> {
    pub flags: u8,
    pub normal: SpO2AndPulse,
    pub timestamp: Option<DateTime>,
    pub status: PlxStatus,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> PlxSpotCheck<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0xE0;

    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let normal = SpO2AndPulse::decode(&mut c, Field::Spo2, Field::PulseRate)?;
        let timestamp = bit(flags, 0).then(|| c.date_time(Field::Timestamp)).transpose()?;
        let status = PlxStatus::decode(&mut c, flags, 1)?;
        Ok(Self { flags, normal, timestamp, status, additional: c.rest() })
    }

    /// Whether the device says that its clock is not set, so that the time stamp is of no use.
    pub fn clock_not_set(&self) -> bool {
        bit(self.flags, 4)
    }
}

/// A continuous value (2A5F), without a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PlxContinuous<'a> {
    pub flags: u8,
    pub normal: SpO2AndPulse,
    pub fast: Option<SpO2AndPulse>,
    pub slow: Option<SpO2AndPulse>,
    pub status: PlxStatus,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> PlxContinuous<'a> {
    /// The flags that the specification reserves.
    pub const RESERVED_FLAGS: u8 = 0xE0;

    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let normal = SpO2AndPulse::decode(&mut c, Field::Spo2, Field::PulseRate)?;
        let fast = bit(flags, 0)
            .then(|| SpO2AndPulse::decode(&mut c, Field::Spo2Fast, Field::PulseRateFast))
            .transpose()?;
        let slow = bit(flags, 1)
            .then(|| SpO2AndPulse::decode(&mut c, Field::Spo2Slow, Field::PulseRateSlow))
            .transpose()?;
        let status = PlxStatus::decode(&mut c, flags, 2)?;
        Ok(Self { flags, normal, fast, slow, status, additional: c.rest() })
    }
}

/// Features of an oximeter (2A60).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PlxFeatures<'a> {
    pub supported: Flags,
    /// The bits that the specification reserves.
    pub reserved: u32,
    pub measurement_status_support: Option<Flags>,
    pub device_sensor_status_support: Option<Flags>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> PlxFeatures<'a> {
    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let raw = c.u16(Field::Features)?;
        let status = bit(raw, 0).then(|| c.u16(Field::MeasurementStatusSupport)).transpose()?;
        let device = bit(raw, 1).then(|| c.u24(Field::DeviceSensorStatusSupport)).transpose()?;
        Ok(Self {
            supported: Flags::new(u32::from(raw), names::PLX_FEATURE),
            reserved: u32::from(raw & 0xFF00),
            measurement_status_support: status.map(measurement),
            device_sensor_status_support: device.map(|s| Flags::new(s, names::PLX_DEVICE_STATUS)),
            additional: c.rest(),
        })
    }
}
