//! The hub on its emulated board: the very program that would be flashed, its serial line, screen, buttons and
//! storage. Left out, with a word, where the emulator or the chip's target is missing (`scripts/test` brings
//! both).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hub_emulated;
