//! The only reader of the wall clock; everything else is told the time.

use hearth_shared::time::UnixMillis;

/// One start of the machine: monotonic times of different boots cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BootId(pub [u8; 16]);

/// The time as every room is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock.
    pub wall: UnixMillis,
    /// Milliseconds since boot; never steps.
    pub monotonic_ms: u64,
    /// The boot that `monotonic_ms` counts from.
    pub boot: BootId,
    /// Whether the wall clock has been synchronised, or confirmed by a person. While it is not,
    /// nothing personal is sent and times are marked.
    pub trusted: bool,
}
