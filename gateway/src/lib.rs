//! x

pub mod exchange;
