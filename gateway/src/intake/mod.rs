//! Turns arrivals into observations; the only writer of observations, alerts and their outbox rows.
//!
//! Pure parts, composed by `path`: [`decode`] says what octets mean, [`timing`] when it was,
//! [`identity`] whether it is the same record again, [`roster`] whose it is.

pub mod arrival;

mod artefact;

pub mod batch;

pub mod decode;

pub mod directory;

pub mod identity;

pub mod message;

pub mod roster;

pub mod timing;

pub use arrival::{Arrival, LineFormat, LinkSecurity, Outcome, Payload, VendorProtocol};
