//! Characteristic octets to measurements.
//!
//! [`decode`] turns the value of one characteristic into a [`Measurement`], one to one with its
//! specification; [`readings`] turns a measurement into what Hearth records. Variable parts stay
//! borrowed from the payload, so nothing is allocated and nothing is bounded but the payload.
//!
//! Invariants: every octet is taken by [`cursor`]; no index, no `as`, no unchecked arithmetic, no
//! panic on any input. A value that ends early is refused whole, never filled up. Reserved bits
//! and codes inside measurements are kept and named `reserved`; plausibility is not judged here
//! (`assess::plausibility`). Unless a file says otherwise the least significant octet comes first
//! (`bluetooth-profiles` 1 and 2).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)
)]

pub mod battery;
pub mod blood_pressure;
pub mod body_composition;
pub mod cgm;
pub mod cgm_control;
mod characteristic;
pub mod crc;
pub mod current_time;
pub mod cursor;
mod date_time;
pub mod encode;
pub mod enhanced_blood_pressure;
mod error;
mod field;
pub mod glucose;
pub mod glucose_context;
pub mod heart_rate;
mod measurement;
pub mod medfloat;
pub mod names;
pub mod number;
pub mod pulse_oximeter;
pub mod quirk;
mod readings;
pub mod record_access;
pub mod taidoc;
pub mod thermometer;
pub mod user_data;
pub mod weight_scale;

pub use characteristic::Characteristic;
pub use cursor::Context;
pub use date_time::DateTime;
pub use error::DecodeError;
pub use field::Field;
pub use measurement::{
    Measurement, base_time, decode, decode_uuid16, device_time, sequence, time_offset_minutes,
    user_slot,
};
pub use medfloat::{Medfloat, Special};
pub use number::{Code, Flags, Number, Scaled, Unit, UserId};
pub use readings::{READINGS_MAX, Readings, Unrepresentable, readings};

/// The longest attribute value the Attribute Protocol allows, in octets.
pub const VALUE_MAX: usize = 512;
