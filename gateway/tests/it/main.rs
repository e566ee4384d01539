//! Behaviour at the edges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod uplink;
