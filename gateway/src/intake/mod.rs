//! Turns arrivals into observations; the only writer of observations, alerts and their outbox rows.

pub mod arrival;

pub use arrival::{Arrival, LineFormat, LinkSecurity, Outcome, Payload};
