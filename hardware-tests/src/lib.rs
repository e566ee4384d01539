//! Stand-ins for hardware, and the scenarios that run on them.
//!
//! - [`air`]: a home's devices and the real radio rooms in virtual time, from one seed.
//! - [`mod@bench`]: figures against named peers.
//! - [`devices`]: meters, cuffs and scales that keep records and speak in real characteristic octets. Their encoders
//!   are written from the specification a second time, apart from the shared decoders, so that one
//!   mistake cannot hide in both.
//! - [`fake_bluez`]: a `bluetoothd` on a private bus that fails in every way that matters.
//! - [`power_cut`]: the files as they could be found after a power cut at any moment.
//! - [`hub`]: the hub on an emulated board, and the gateway's end of its line.
//! - [`household`]: three people with different courses, their devices, and the story of ten weeks with them.
//! - [`virtual_radio`]: a Linux guest with a real Bluetooth stack and devices of an independent one on one emulated air.
//! - [`simulator`]: the gateway, a broker, a consumer and homes in one process, from one seed, in virtual time.

pub mod air;

pub mod bench;

pub mod devices;

pub mod fake_bluez;

pub mod household;

pub mod hub;

pub mod power_cut;

pub mod simulator;

pub mod virtual_radio;
