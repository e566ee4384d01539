//! Asks the shared rules about committed observations, and puts their answers into words.

pub mod days;

pub mod desk;

pub mod live;

pub mod series;

pub mod sentence;

pub mod wording;
