//! The home hub's program as a library: it keeps readings, shows prompts and takes an answer.
//!
//! The path of a sample: a board's sensor ─► `hub` ─► [`outbox`] (flash) ─► `link` ─► gateway, and only then is
//! it erased. Prompts and settings come the other way.
//!
//! The program is polled: a board hands in octets, presses and samples with the time, calls `poll`, and is told
//! when to call again. It knows no board, no interrupt and no executor, and runs on a PC as it does on a chip.
//!
//! Invariants: nothing is acknowledged to a person before it is kept; nothing kept is overwritten before the
//! gateway has it; memory is fixed at build time; no allocation, no float, no panic.
#![no_std]
#![deny(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

pub mod checkin;

pub mod clock;

pub mod flash;

pub mod hub;

pub mod link;

pub mod memory;

pub mod outbox;

pub mod prompts;

pub mod reading;

pub mod rules;

pub mod screen;

pub mod signals;

pub use hub::{Hub, Layout, Made, Start, Wake};
pub use rules::Rules;

use flash::FlashFault;

/// Why something could not be kept or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// The flash itself.
    Flash,
    /// What stands in the flash makes no sense, and could not be repaired.
    Corrupt,
    /// The extents do not suit the flash, or a value does not suit its place: a mistake in the program.
    Layout,
}

impl<E> From<sequential_storage::Error<E>> for StoreFault {
    fn from(fault: sequential_storage::Error<E>) -> Self {
        match fault {
            sequential_storage::Error::Storage { .. } => Self::Flash,
            sequential_storage::Error::Corrupted { .. } => Self::Corrupt,
            _ => Self::Layout,
        }
    }
}

impl From<FlashFault> for StoreFault {
    fn from(_: FlashFault) -> Self {
        Self::Flash
    }
}
