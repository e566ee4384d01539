//! The hub's program at its edges, on a PC: the same library that boards run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod home;
mod outbox;
mod picture;
mod screens;
mod stand_in;
