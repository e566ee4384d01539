//! Asks the shared rules about committed observations, and puts their answers into words.

pub mod series;

pub mod sentence;
