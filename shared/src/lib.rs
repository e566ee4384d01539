//! The `no_std` core of Hearth: what a device's bytes mean, and what a reading asks of people.
//!
//! Modules stand in the order of the path of one observation:
//! `units`, `time`, `device` name the words; [`gatt`] turns octets into measurements;
//! [`observation`] is the record everything revolves around; [`assess`] judges it; [`wire`] is
//! what hub and gateway say to each other.
//!
//! Invariants: no I/O, no clock, no allocation, no float, no panic. Time is always passed in.
//! The same source runs on the gateway and on the hub and gives the same bits on both.
#![no_std]
#![deny(clippy::float_arithmetic, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#[cfg(test)]
extern crate std;

pub mod units;

pub mod time;

pub mod device;

pub mod gatt;

pub mod observation;

pub mod assess;

pub mod wire;
