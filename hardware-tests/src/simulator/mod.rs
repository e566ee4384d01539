//! One process, one seed, virtual time: the gateway's real path and its real uplink, a broker, a consumer and
//! two homes, with faults between any two steps.
//!
//! - [`home`]: devices that send what real ones send, also twice, out of order and with wrong clocks.
//! - [`gateway`]: the shell around [`hearth_gateway::path::Path`] and the uplink's machine, with a disk that
//!   outlives the process.
//! - [`broker`]: sessions, retained messages and what becomes of them when it dies, freezes or refuses.
//! - [`hospital`]: a consumer that keeps to the contract.
//! - [`world`]: who does what when; [`ledger`]: what must hold after every step and at the end.
//!
//! Nothing here reads a clock or draws from anything but the seed, so a life replays bit for bit: two runs
//! of one seed say the same lines, and [`Life::digest`] shows it.

pub mod broker;
pub mod dice;
pub mod gateway;
pub mod home;
pub mod hospital;
pub mod ledger;
pub mod trace;
pub mod world;

use std::io::Write;

/// A safeguard that is taken away on purpose, to see whether the simulator notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The shell tells devices that a record is durable before it is committed.
    AcknowledgesBeforeCommit,
    /// The shell lets the outbox forget a row as soon as the broker has acknowledged it.
    ForgetsAtPuback,
    /// The shell calls every clock trusted.
    TrustsAnyClock,
    /// The consumer confirms the highest number it has seen instead of the last without a gap.
    ConsumerConfirmsAhead,
    /// The consumer counts what it already holds.
    ConsumerBooksTwice,
}

impl Planted {
    /// All of them.
    pub const ALL: [Planted; 5] = [
        Self::AcknowledgesBeforeCommit,
        Self::ForgetsAtPuback,
        Self::TrustsAnyClock,
        Self::ConsumerConfirmsAhead,
        Self::ConsumerBooksTwice,
    ];

    /// The word for the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcknowledgesBeforeCommit => "acknowledges-before-commit",
            Self::ForgetsAtPuback => "forgets-at-puback",
            Self::TrustsAnyClock => "trusts-any-clock",
            Self::ConsumerConfirmsAhead => "consumer-confirms-ahead",
            Self::ConsumerBooksTwice => "consumer-books-twice",
        }
    }
}

/// A life that ended well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Of everything that happened.
    pub digest: u64,
    /// Steps taken.
    pub steps: u64,
    /// Payloads that devices were told are durable.
    pub acknowledged: u64,
    /// Observations at the consumer.
    pub observations: u64,
    /// Messages at the consumer, both lanes.
    pub messages: u64,
    /// Prompts among them.
    pub prompts: u64,
    /// Faults injected.
    pub faults: u64,
    /// Times that the gateway's process ended without warning.
    pub crashes: u64,
}

impl Life {
    /// Adds the numbers of another life; digests are mixed.
    pub const fn add(&mut self, other: &Self) {
        self.digest = self.digest.rotate_left(1) ^ other.digest;
        self.steps += other.steps;
        self.acknowledged += other.acknowledged;
        self.observations += other.observations;
        self.messages += other.messages;
        self.prompts += other.prompts;
        self.faults += other.faults;
        self.crashes += other.crashes;
    }
}

/// Something that must never happen did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// What was violated.
    pub what: String,
    /// The last lines before it.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        write!(f, "replay: hearth-simulate --seed {} --verbose", self.seed)
    }
}

/// Lives through one seed. Every line also goes to `out`.
///
/// # Errors
/// What was violated, with the last lines before it.
pub fn live(
    seed: u64,
    planted: Option<Planted>,
    out: Option<&mut dyn Write>,
) -> Result<Life, Box<Violation>> {
    let mut world = world::World::new(seed, planted, out);
    world.live().map_err(|what| Box::new(Violation { seed, what, trace: world.trace().recent() }))
}
