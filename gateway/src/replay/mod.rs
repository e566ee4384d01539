//! Recorded readings through the very same path as live ones, and the report on what they show.

pub mod line;

pub mod source;

pub mod patient;

pub mod report;
