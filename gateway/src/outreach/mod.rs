//! What leaves for a patient, when, and in which words.

pub mod governor;
pub mod local;
