//! Exchange of cases with other implementations, as JSON lines.

pub mod alerts;
pub mod trend;
