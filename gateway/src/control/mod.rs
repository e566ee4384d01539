//! What people, the console and MQTT may ask of the daemon: one `Command`, whatever way it came.

pub mod command;

pub mod execute;

pub mod query;

pub mod socket;

pub mod status;

pub use command::{Command, Verb};
