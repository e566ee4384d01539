//! A whole household from one TOML file.
