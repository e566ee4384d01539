//! Behaviour at the edges: the real binary in a folder of its own, the uplink against a broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, missing_docs)]

mod commands;
mod daemon;
mod devices;
mod edges;
mod fuzz;
mod home;
mod rooms;
mod uplink;
