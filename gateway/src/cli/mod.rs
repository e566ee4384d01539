//! To be written.

pub mod consume;
