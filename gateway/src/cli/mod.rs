//! The subcommands of the `hearth` binary, one file each.

pub mod decode;
