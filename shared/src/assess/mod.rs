//! What a reading asks of people: immediate alerts, missed measurements, the NI-1 verdict.

pub mod plausibility;

pub mod alerts;

pub mod silence;

pub mod trend;
