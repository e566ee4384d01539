//! Care programmes: TOML data.

pub mod plan;
