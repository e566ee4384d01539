//! Recorded readings through the very same path as live ones, and the report on what they show.

pub mod line;

pub mod source;

pub mod settings;

pub mod plans;

mod engine;

mod gather;

pub mod run;

pub mod all;

pub mod patient;

pub mod report;

#[cfg(test)]
mod tests;
