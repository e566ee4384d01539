//! Cases in, answers out, as JSON lines, so that any other implementation can be compared.
//!
//! Keys are sorted and nothing is spaced, so that equal answers are equal bytes. A case that
//! cannot be read gives an error in its place, and the run goes on.

pub mod alerts;

pub mod trend;
