//! Asks the shared rules about committed observations, and puts their answers into words.

mod claims;

pub mod live;

pub mod series;

pub mod wording;
