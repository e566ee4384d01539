//! To be written.

pub mod consume;

pub mod contract;
