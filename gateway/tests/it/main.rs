//! Behaviour at the edges: the real binary in a folder of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, missing_docs)]

mod commands;
mod daemon;
mod home;
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod uplink;
