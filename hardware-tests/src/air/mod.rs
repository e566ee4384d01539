//! A home's air in virtual time: the real watch, the real sessions and drivers and the real path, against devices
//! that are machines too. One seed is the whole run.
//!
//! What it leaves out is the radio itself: no packet is lost, links end where the seed says so. Connecting
//! takes as long as it was measured to take with BlueZ.

mod peripheral;
mod week;

pub use peripheral::{CODE, Kind, Peripheral};
pub use week::{Figures, Week, live};
