//! Behaviour at the edges of the shared core, a module per folder of `src`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod gatt;
mod wire;
