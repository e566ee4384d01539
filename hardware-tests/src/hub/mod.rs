//! A hub without hardware: the emulated board, and the gateway's end of its line.

pub mod board;

pub mod far_end;

pub mod picture;
