//! Exchange of cases with other implementations, as JSON lines.

pub mod trend;
