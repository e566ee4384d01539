//! Scenarios over the whole path: seeds of the simulator, damaged files, full disks, killed processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod air;
mod damage;
mod disk;
mod fake_bluez;
mod killed;
mod process;
mod radio_faults;
mod second_opinion;
mod simulator;
mod transcripts;
