//! What a reading asks of people: immediate alerts, missed measurements, the NI-1 verdict.

pub mod alerts;

pub mod plausibility;

pub mod silence;

pub mod trend;
