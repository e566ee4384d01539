//! Points in time and how far they can be trusted.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// From whole seconds since the epoch; saturates beyond the range of `i64` milliseconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }
    /// Whole seconds since the epoch, rounded towards minus infinity.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// This instant moved by `seconds`; saturates.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}

/// Local time minus UTC in minutes, as in force at one instant. Range -1440..=1440.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct UtcOffsetMinutes(i16);

impl UtcOffsetMinutes {
    /// `None` outside -1440..=1440.
    pub const fn new(minutes: i16) -> Option<Self> {
        if minutes < -1440 || minutes > 1440 { None } else { Some(Self(minutes)) }
    }
    /// The offset in minutes, east positive.
    pub const fn minutes(self) -> i16 {
        self.0
    }
}

/// How a measured time was arrived at (`bluetooth-profiles` 17.3): the word shown beside each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockTrust {
    /// The device's clock was compared with ours in this connection and was within 2 minutes.
    Synchronised,
    /// The device's clock was off by a known amount, which was applied.
    Corrected,
    /// The device gave a time that nobody has compared with ours in this connection.
    Unchecked,
    /// No usable device time: the time of reception is used.
    Collector,
    /// The device's time contradicts ours (future, before pairing, factory default, fault bit).
    Suspect,
    /// The gateway's own clock was not synchronised when this arrived.
    GatewayUnset,
}

impl ClockTrust {
    /// The word used in JSON, logs and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synchronised => "synchronised",
            Self::Corrected => "corrected",
            Self::Unchecked => "unchecked",
            Self::Collector => "collector",
            Self::Suspect => "suspect",
            Self::GatewayUnset => "gateway_unset",
        }
    }
}
