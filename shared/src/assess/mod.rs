//! What a reading asks of people: immediate alerts, missed measurements, the NI-1 verdict.

pub mod trend;
