//! x

pub mod cli;
pub mod gatt_json;
