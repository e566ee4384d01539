//! The path in memory, one per person: the same rooms as in the daemon, told a virtual time.

use std::sync::atomic::{AtomicU64, Ordering};

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;

use crate::clock::{BootId, Now};
use crate::control::execute::Origin;
use crate::control::{Command, Verb};
use crate::intake::{Arrival, LineFormat, LinkSecurity, Outcome, Payload};
use crate::path::{Path, PathSettings};
use crate::store::outbox_page::{Fetch, Row};
use crate::store::{Reader, Store, StoreError, need, outbox, prompt};
use crate::uplink::message::Lane;

use super::plans::Plans;
use super::run::RunError;

/// The gateway's id in every message of a replay.
const GATEWAY: &str = "replay";

/// Messages read from the outbox at once.
const PAGE: u32 = 4096;

/// Names the databases in memory of one process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A path of its own and a clock that only moves when it is told to.
#[derive(Debug)]
pub(super) struct Engine {
    path: Path,
    started: UnixMillis,
    commands: u64,
    connection: u32,
    read: [u64; 2],
}

impl Engine {
    /// An empty store; the clock starts at `started`.
    pub(super) fn open(
        started: UnixMillis,
        zone: TimeZone,
        plans: &Plans,
    ) -> Result<Self, RunError> {
        let name = format!("replay-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let store = Store::open_shared_memory(&name)?;
        let settings = PathSettings::new(GATEWAY, zone).with_programmes(plans.shared());
        let path = Path::open(store, settings).map_err(|e| RunError::Open(e.to_string()))?;
        Ok(Self { path, started, commands: 0, connection: 0, read: [0, 0] })
    }

    /// The time as every room is told it.
    pub(super) fn now(&self, wall: UnixMillis) -> Now {
        let since = wall.millis().saturating_sub(self.started.millis());
        let monotonic_ms = u64::try_from(since).unwrap_or(0);
        Now { wall, monotonic_ms, boot: BootId([0; 16]), trusted: true }
    }

    /// Executes a command; a refusal is told in its own words.
    pub(super) fn command(
        &mut self,
        verb: Verb,
        at: UnixMillis,
    ) -> Result<Result<(), String>, StoreError> {
        self.commands += 1;
        let id = format!("replay-{}", self.commands);
        let command = Command { id, gateway: None, expires: None, verb };
        let answer = self.path.execute(&command, Origin::Household, self.now(at))?;
        Ok(if answer.done { Ok(()) } else { Err(answer.sentence) })
    }

    /// Takes lines of one device, each received when it was measured.
    pub(super) fn take(
        &mut self,
        lines: &[(UnixMillis, &str, &[u8])],
        format: LineFormat,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut arrivals = Vec::with_capacity(lines.len());
        for (at, device, octets) in lines {
            // Each line is a delivery of its own, as it would have been at home.
            self.connection = self.connection.wrapping_add(1);
            arrivals.push(Arrival {
                device: (*device).to_owned(),
                payload: Payload::Line { format, octets: octets.to_vec() },
                received: self.now(*at),
                connection: self.connection,
                position: 0,
                clock_offset_s: None,
                link: LinkSecurity::default(),
            });
        }
        self.path.take(&arrivals)
    }

    /// Does what is due, and says when the next thing is.
    pub(super) fn tick(&mut self, at: UnixMillis) -> Result<Option<UnixMillis>, StoreError> {
        let now = self.now(at);
        self.path.tick(now)
    }

    /// The messages made since the last call, in the order of their lanes and numbers, each prompt with
    /// the plan it serves.
    pub(super) fn messages(&mut self) -> Result<Vec<(Row, Option<String>)>, StoreError> {
        let reader = self.path.store().reader()?;
        let mut rows = Vec::new();
        for (lane, read) in Lane::ALL.into_iter().zip(&mut self.read) {
            loop {
                let fetch = Fetch { lane, after: *read, limit: PAGE, replay_to: None };
                let page = outbox::page(&reader, &fetch)?;
                let Some(last) = page.rows.last() else { break };
                *read = last.seq;
                for row in page.rows {
                    let plan = plan_of(&reader, &row)?;
                    rows.push((row, plan));
                }
            }
        }
        Ok(rows)
    }
}

/// The plan a prompt serves: a nudge knows it, any other is of a need.
fn plan_of(reader: &Reader, row: &Row) -> Result<Option<String>, StoreError> {
    if row.kind != "prompt" {
        return Ok(None);
    }
    let Some(sent) = prompt::get(reader, row.id)? else { return Ok(None) };
    match (sent.plan, sent.need) {
        (None, Some(id)) => Ok(need::get(reader, id)?.and_then(|need| need.plan)),
        (plan, _) => Ok(plan),
    }
}
