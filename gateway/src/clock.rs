//! The only reader of the wall clock; everything else is told the time.
//!
//! Two ways to run: the system's clock, or a clock driven by a simulated household, which moves
//! only when it is told to and goes on in real time once the household has left.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hearth_shared::time::UnixMillis;

/// No clock that shows less than this (2026-01-01T00:00:00Z) was ever set: Hearth did not exist
/// then.
pub const EARLIEST_PLAUSIBLE: UnixMillis = UnixMillis::from_seconds(1_767_225_600);

/// How long one answer to "is the clock synchronised?" is believed.
const SYNC_CHECK_EVERY: Duration = Duration::from_secs(5);

/// Left by systemd-timesyncd once the clock has been set from the network since boot.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

/// A running chronyd or ntpd writes its drift file only while it is synchronised; the pid file
/// says that it runs in this boot.
const DRIFT_FILES: [(&str, &str); 4] = [
    ("/run/chrony/chronyd.pid", "/var/lib/chrony/chrony.drift"),
    ("/run/chrony/chronyd.pid", "/var/lib/chrony/drift"),
    ("/run/ntpd.pid", "/var/lib/ntpsec/ntp.drift"),
    ("/run/ntpd.pid", "/var/lib/ntp/ntp.drift"),
];

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

/// Why the wall clock is trusted, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Synchronised over the network.
    Network,
    /// A person said that it is right.
    Person,
    /// The configuration says that nobody needs to ask (`clock.require_sync = false`).
    NotRequired,
    /// A simulated household sets the time.
    Simulated,
    /// Not yet synchronised.
    NotSet,
}

impl Trust {
    /// The sentence shown on `hearth status`.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Network => "synchronised over the network",
            Self::Person => "confirmed by a person",
            Self::NotRequired => "trusted because clock.require_sync is false",
            Self::Simulated => "set by the simulated household",
            Self::NotSet => {
                "not synchronised: times are marked and nothing personal is sent \
                 (check it, then: hearth clock confirm)"
            }
        }
    }

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Person => "person",
            Self::NotRequired => "not_required",
            Self::Simulated => "simulated",
            Self::NotSet => "not_set",
        }
    }
}

/// Where the time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The machine's clock.
    System,
    /// Stands still at this moment until it is moved.
    Driven(i64),
    /// Runs on from `wall_ms`, which it showed at `since`.
    Released { wall_ms: i64, since: Instant },
}

/// The household wanted to move the clock backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock already shows {shown_ms} ms and cannot go back to {wanted_ms} ms")]
pub struct Backwards {
    /// What the clock shows, milliseconds since the epoch.
    pub shown_ms: i64,
    /// What was asked for.
    pub wanted_ms: i64,
}

/// A handle to the one clock of the process; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    uptime_at_start: Duration,
    boot: BootId,
    require_sync: bool,
    confirmed: AtomicBool,
    network: Mutex<Option<(Instant, bool)>>,
    source: Mutex<Source>,
}

impl Clock {
    /// The machine's clock. With `require_sync` it is trusted only after synchronisation or a
    /// person's word.
    pub fn system(require_sync: RequireSync) -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            uptime_at_start: uptime(),
            boot: boot_id(),
            require_sync: require_sync.0,
            confirmed: AtomicBool::new(false),
            network: Mutex::new(None),
            source: Mutex::new(Source::System),
        }))
    }

    /// The time now.
    pub fn now(&self) -> Now {
        let inner = &*self.0;
        let since_start = inner.started.elapsed();
        let wall = match *inner.source.lock().unwrap_or_else(PoisonError::into_inner) {
            Source::System => system_wall(),
            Source::Driven(ms) => UnixMillis::from_millis(ms),
            Source::Released { wall_ms, since } => {
                UnixMillis::from_millis(wall_ms.saturating_add(millis(since.elapsed()) as i64))
            }
        };
        Now {
            wall,
            monotonic_ms: millis(inner.uptime_at_start.saturating_add(since_start)),
            boot: inner.boot,
            trusted: self.trust_at(wall) != Trust::NotSet,
        }
    }

    /// The machine's own clock, also while a simulated household drives ours: for what happens
    /// outside the household, such as the connection to the broker.
    pub fn machine(&self) -> UnixMillis {
        system_wall()
    }

    /// Why the clock is trusted now, or that it is not.
    pub fn trust(&self) -> Trust {
        self.trust_at(self.now().wall)
    }

    /// A person says that the clock is right. Refused while it shows a moment before Hearth
    /// existed.
    pub fn confirm(&self) -> bool {
        if self.now().wall < EARLIEST_PLAUSIBLE {
            return false;
        }
        self.0.confirmed.store(true, Ordering::Relaxed);
        true
    }

    /// This start of the machine.
    pub fn boot(&self) -> BootId {
        self.0.boot
    }

    /// Whether a household holds the clock, so that nothing may be done on account of real time.
    pub fn is_driven(&self) -> bool {
        matches!(*self.source(), Source::Driven(_))
    }

    /// Whether a household holds the clock or held it.
    pub fn was_driven(&self) -> bool {
        !matches!(*self.source(), Source::System)
    }

    /// Moves a driven clock to `to`; takes it over from the machine at the first call.
    ///
    /// # Errors
    /// The clock never goes back once it was driven.
    pub fn drive(&self, to: UnixMillis) -> Result<(), Backwards> {
        let mut source = self.source();
        let shown_ms = match *source {
            Source::System => i64::MIN,
            Source::Driven(ms) => ms,
            Source::Released { wall_ms, since } => {
                wall_ms.saturating_add(millis(since.elapsed()) as i64)
            }
        };
        if to.millis() < shown_ms {
            return Err(Backwards { shown_ms, wanted_ms: to.millis() });
        }
        *source = Source::Driven(to.millis());
        Ok(())
    }

    /// The household is gone: the clock runs on from where it stands. No effect on any other clock.
    pub fn release(&self) {
        let mut source = self.source();
        if let Source::Driven(wall_ms) = *source {
            *source = Source::Released { wall_ms, since: Instant::now() };
        }
    }

    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        self.0.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trust_at(&self, wall: UnixMillis) -> Trust {
        if !matches!(*self.source(), Source::System) {
            return Trust::Simulated;
        }
        if wall < EARLIEST_PLAUSIBLE {
            return Trust::NotSet;
        }
        if !self.0.require_sync {
            return Trust::NotRequired;
        }
        if self.0.confirmed.load(Ordering::Relaxed) {
            return Trust::Person;
        }
        let mut network = self.0.network.lock().unwrap_or_else(PoisonError::into_inner);
        let synchronised = match *network {
            // Once synchronised, the clock stays set for this boot.
            Some((_, true)) => true,
            Some((at, answer)) if at.elapsed() < SYNC_CHECK_EVERY => answer,
            _ => {
                let answer = synchronised_over_network();
                *network = Some((Instant::now(), answer));
                answer
            }
        };
        if synchronised { Trust::Network } else { Trust::NotSet }
    }
}

/// Whether the machine's clock needs a proof before it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequireSync(pub bool);

fn system_wall() -> UnixMillis {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => UnixMillis::from_millis(millis(since) as i64),
        Err(before) => {
            UnixMillis::from_millis(0i64.saturating_sub(millis(before.duration()) as i64))
        }
    }
}

/// Whole milliseconds; 2^63 of them are 292 million years, so the value fits an i64.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1)
}

/// Time since boot from `/proc/uptime` ("12345.67 …", hundredths of a second); zero elsewhere,
/// where the boot id is new with each start of the process.
fn uptime() -> Duration {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let (seconds, hundredths) = text
        .split_whitespace()
        .next()
        .and_then(|word| word.split_once('.'))
        .and_then(|(s, h)| Some((s.parse::<u64>().ok()?, h.parse::<u64>().ok()?)))
        .unwrap_or((0, 0));
    Duration::from_secs(seconds) + Duration::from_millis(hundredths.min(99) * 10)
}

fn boot_id() -> BootId {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    match uuid::Uuid::parse_str(text.trim()) {
        Ok(id) => BootId(id.into_bytes()),
        // Without the kernel's word each start of the process counts as a boot.
        Err(_) => {
            let seed = format!("{}/{}", std::process::id(), system_wall().millis());
            BootId(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, seed.as_bytes()).into_bytes())
        }
    }
}

fn synchronised_over_network() -> bool {
    if Path::new(TIMESYNCD).exists() {
        return true;
    }
    let Some(booted) = SystemTime::now().checked_sub(uptime()) else { return false };
    DRIFT_FILES.iter().any(|(pid, drift)| {
        Path::new(pid).exists()
            && std::fs::metadata(drift)
                .and_then(|meta| meta.modified())
                .is_ok_and(|written| written >= booted)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_driven_clock_stands_still_and_never_goes_back() {
        let clock = Clock::system(RequireSync(true));
        clock.drive(UnixMillis::from_seconds(1_800_000_000)).unwrap();
        assert!(clock.is_driven());
        assert_eq!(clock.now().wall.seconds(), 1_800_000_000);
        assert!(clock.now().trusted);
        assert_eq!(
            clock.drive(UnixMillis::from_seconds(1_799_999_999)),
            Err(Backwards { shown_ms: 1_800_000_000_000, wanted_ms: 1_799_999_999_000 })
        );
        clock.drive(UnixMillis::from_seconds(1_800_000_060)).unwrap();
        assert_eq!(clock.now().wall.seconds(), 1_800_000_060);
    }

    #[test]
    fn after_the_household_the_clock_runs_on_from_where_it_stood() {
        let clock = Clock::system(RequireSync(true));
        clock.drive(UnixMillis::from_seconds(1_800_000_000)).unwrap();
        clock.release();
        assert!(!clock.is_driven());
        let shown = clock.now().wall.seconds();
        assert!((1_800_000_000..1_800_000_060).contains(&shown), "{shown}");
        assert_eq!(clock.trust(), Trust::Simulated);
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_trusted_whatever_is_configured() {
        let clock = Clock::system(RequireSync(false));
        assert_eq!(clock.trust_at(UnixMillis::from_seconds(86_400)), Trust::NotSet);
        assert_eq!(clock.trust_at(EARLIEST_PLAUSIBLE), Trust::NotRequired);
    }

    #[test]
    fn a_persons_word_makes_the_clock_trusted() {
        let clock = Clock::system(RequireSync(true));
        assert!(clock.confirm());
        assert!(clock.now().trusted);
    }

    #[test]
    fn monotonic_time_grows_and_all_clones_share_one_clock() {
        let clock = Clock::system(RequireSync(true));
        let other = clock.clone();
        let first = clock.now();
        assert!(other.now().monotonic_ms >= first.monotonic_ms);
        assert_eq!(other.boot(), first.boot);
        clock.drive(UnixMillis::from_seconds(1_800_000_000)).unwrap();
        assert!(other.is_driven());
    }
}
