//! The path of a reading, as one synchronous machine: the daemon, `hearth replay` and the simulator
//! drive the same code. Arrivals, a moment or a command go in; everything that follows from it is
//! committed in one transaction, or nothing of it is.
//!
//! The caller commits in batches: what has arrived meanwhile goes into one [`Path::take`]. Nothing
//! may be acknowledged before it returned `Ok`.

use std::sync::Arc;

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;

use crate::assess::days;
use crate::assess::desk::Desk;
use crate::assess::live::{Live, PatientNotice};
use crate::clock::Now;
use crate::control::execute::{CommandResult, Origin, execute};
use crate::control::{Command, Verb};
use crate::intake::batch::{Batch, Surroundings, UNKNOWN_DEVICE};
use crate::intake::directory::{Directory, Quirks};
use crate::intake::{Arrival, Outcome};
use crate::outreach::templates::{TemplateError, Templates};
use crate::outreach::{self, notice};
use crate::programme::Library;
use crate::store::journal::{self, Kind, RowOutcome};
use crate::store::{Store, StoreError, Tx, alert, command as commands, counter, observation};

/// Raw rows judged in one transaction at a start.
const PENDING_BATCH: u32 = 500;

/// What a path is given by the program that runs it.
#[derive(Clone)]
pub struct PathSettings {
    /// This gateway's id: part of weak ids, and the addressee of commands.
    pub gateway_id: String,
    /// The zone of clocks and patients that have none of their own.
    pub zone: TimeZone,
    /// The care programmes.
    pub programmes: Arc<Library>,
    /// How models of devices depart from the standards.
    pub quirks: Arc<Quirks>,
}

impl PathSettings {
    /// A path without programmes: no plan can be assigned.
    pub fn new(gateway_id: impl Into<String>, zone: TimeZone) -> Self {
        Self {
            gateway_id: gateway_id.into(),
            zone,
            programmes: Arc::default(),
            quirks: Arc::default(),
        }
    }

    /// The same with what is known of these models.
    #[must_use]
    pub fn with_quirks(self, quirks: Quirks) -> Self {
        Self { quirks: Arc::new(quirks), ..self }
    }

    /// The same with these care programmes.
    #[must_use]
    pub fn with_programmes(self, programmes: Arc<Library>) -> Self {
        Self { programmes, ..self }
    }
}

impl std::fmt::Debug for PathSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PathSettings")
            .field("gateway_id", &self.gateway_id)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

/// Why a path could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The texts built into the program.
    #[error("a text of the program is damaged: {0}")]
    Templates(#[from] TemplateError),
}

/// What stands in the store, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathStatus {
    /// Last number of the journal.
    pub journal_seq: i64,
    /// Raw rows not yet judged.
    pub pending: u64,
    /// Readings waiting for an owner.
    pub unclaimed: u64,
    /// Second copies, since the beginning.
    pub duplicates: u64,
    /// Quarantined payloads, since the beginning.
    pub quarantined: u64,
    /// Rows lost, since the beginning.
    pub lost: u64,
}

/// The path over one store.
#[derive(Debug)]
pub struct Path {
    store: Store,
    settings: PathSettings,
    templates: &'static Templates,
    directory: Directory,
    live: Live,
}

impl Path {
    /// Opens the path: raw rows that nobody has judged are judged first.
    ///
    /// # Errors
    /// What the store answered.
    pub fn open(store: Store, settings: PathSettings) -> Result<Self, OpenError> {
        let (zone, quirks) = (settings.zone.clone(), Arc::clone(&settings.quirks));
        let mut path = Self {
            store,
            settings,
            templates: Templates::builtin()?,
            directory: Directory::new(zone.clone(), quirks),
            live: Live::new(zone),
        };
        path.judge_pending()?;
        Ok(path)
    }

    /// Takes what has arrived. When this returns `Ok` all of it is durable, with every observation,
    /// owner, alert and message that follows from it; the outcomes stand in the order of the
    /// arrivals.
    ///
    /// # Errors
    /// What the store answered; then none of it is held and nothing may be acknowledged.
    pub fn take(&mut self, arrivals: &[Arrival]) -> Result<Vec<Outcome>, StoreError> {
        let Some(last) = arrivals.last() else { return Ok(Vec::new()) };
        let now = last.received;
        self.transaction(|parts, tx| {
            let around =
                Surroundings { gateway: &parts.settings.gateway_id, directory: parts.directory };
            let mut batch = Batch::new(tx, around);
            let mut outcomes = Vec::with_capacity(arrivals.len());
            for arrival in arrivals {
                outcomes.push(batch.take(arrival, None)?);
            }
            let mut notices = Vec::new();
            batch.judge(parts.live, &mut notices)?;
            batch.finish()?;
            parts.close(tx, notices, now)?;
            Ok(outcomes)
        })
    }

    /// Does everything that is due at `now`: timers of the alert rules, then the day's work of
    /// outreach. Returns when something is due next.
    ///
    /// # Errors
    /// What the store answered; then nothing of it was done.
    pub fn tick(&mut self, now: Now) -> Result<Option<UnixMillis>, StoreError> {
        self.transaction(|parts, tx| {
            let mut notices = Vec::new();
            parts.live.tick(tx, now.wall, &mut notices)?;
            parts.close(tx, notices, now)?;
            let context = parts.context();
            let days = days::daily(tx, &context, now)?;
            let care = outreach::tick(tx, &context, now)?;
            let rules = alert::next_due(tx)?.map(UnixMillis::from_seconds);
            Ok([days, care, rules].into_iter().flatten().min())
        })
    }

    /// Executes a command, once per id; the same id gets the same answer again. The command is in
    /// the journal before anything of it is done, in the same transaction.
    ///
    /// # Errors
    /// What the store answered. A refused command is no error: its result says so.
    pub fn execute(
        &mut self,
        command: &Command,
        origin: Origin,
        now: Now,
    ) -> Result<CommandResult, StoreError> {
        let result = self.transaction(|parts, tx| {
            if let Some(before) = commands::find(tx, &command.id)? {
                return serde_json::from_str(&before.result).map_err(StoreError::Message);
            }
            let octets = command.journal_form();
            let (kind, outcome) = (Kind::Command, RowOutcome::Done);
            let seq = journal::append_command(tx, kind, &octets, &now, outcome, None)?;
            let mut notices = Vec::new();
            let context = outreach::Context {
                gateway: &parts.settings.gateway_id,
                templates: parts.templates,
                programmes: &parts.settings.programmes,
            };
            let mut desk = Desk { live: &mut *parts.live, notices: &mut notices };
            let result = execute(tx, &context, &mut desk, command, (origin, seq), now)?;
            if !result.done {
                // What was undone in the store must be undone in memory.
                parts.live.forget();
                notices.clear();
            }
            parts.close(tx, notices, now)?;
            match &command.verb {
                Verb::DeviceAdd(added) if result.done => {
                    journal::release(tx, &added.id, UNKNOWN_DEVICE)?;
                }
                _ => {}
            }
            Ok(result)
        })?;
        self.directory.forget();
        if matches!(command.verb, Verb::DeviceAdd(_)) && result.done {
            self.judge_pending()?;
        }
        Ok(result)
    }

    /// Keeps a command that cannot be executed, with its octets and the reason.
    ///
    /// # Errors
    /// What the store answered.
    pub fn quarantine_command(
        &mut self,
        octets: &[u8],
        reason: &str,
        now: Now,
    ) -> Result<i64, StoreError> {
        self.transaction(|_, tx| {
            counter::add(tx, counter::QUARANTINED, 1)?;
            let outcome = RowOutcome::Quarantined;
            journal::append_command(tx, Kind::Command, octets, &now, outcome, Some(reason))
        })
    }

    /// The numbers of `hearth status`.
    ///
    /// # Errors
    /// What the store answered.
    pub fn status(&mut self) -> Result<PathStatus, StoreError> {
        self.store.transaction(|tx| {
            Ok(PathStatus {
                journal_seq: journal::last(tx)?,
                pending: journal::count_pending(tx)?,
                unclaimed: observation::count_unclaimed(tx)?,
                duplicates: counter::get(tx, counter::DUPLICATES)?,
                quarantined: counter::get(tx, counter::QUARANTINED)?,
                lost: counter::losses(tx)?.iter().map(|l| l.count).sum(),
            })
        })
    }

    /// The store, for writers of their own tables and for readers.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Gives the store back.
    pub fn into_store(self) -> Store {
        self.store
    }

    /// Judges raw rows without an outcome, oldest first. A row that does not fit its checksum is
    /// set aside and counted as a loss.
    fn judge_pending(&mut self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let seen = self.transaction(|parts, tx| {
                let rows = journal::pending(tx, after, PENDING_BATCH)?;
                let Some(through) = rows.iter().map(seq_of).max() else { return Ok(None) };
                let around = Surroundings {
                    gateway: &parts.settings.gateway_id,
                    directory: parts.directory,
                };
                let mut batch = Batch::new(tx, around);
                let mut now = None;
                for row in rows {
                    now = judge_row(tx, &mut batch, row)?.or(now);
                }
                let mut notices = Vec::new();
                batch.judge(parts.live, &mut notices)?;
                batch.finish()?;
                if let Some(now) = now {
                    parts.close(tx, notices, now)?;
                }
                Ok(Some(through))
            })?;
            match seen {
                Some(through) => after = through,
                None => return Ok(()),
            }
        }
    }

    /// Runs `work` in one transaction; after a rollback what is in memory is forgotten, since it
    /// may say more than the store.
    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Parts<'_>, &Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut parts = Parts {
            settings: &self.settings,
            templates: self.templates,
            directory: &mut self.directory,
            live: &mut self.live,
        };
        let done = self.store.transaction(|tx| work(&mut parts, tx));
        if done.is_err() {
            self.live.forget();
            self.directory.forget();
        }
        done
    }
}

/// Everything of a path but its store.
struct Parts<'a> {
    settings: &'a PathSettings,
    templates: &'a Templates,
    directory: &'a mut Directory,
    live: &'a mut Live,
}

impl Parts<'_> {
    fn context(&self) -> outreach::Context<'_> {
        outreach::Context {
            gateway: &self.settings.gateway_id,
            templates: self.templates,
            programmes: &self.settings.programmes,
        }
    }

    /// Hands the rules' words for patients to outreach and keeps the engines that changed.
    fn close(
        &mut self,
        tx: &Tx<'_>,
        notices: Vec<PatientNotice>,
        now: Now,
    ) -> Result<(), StoreError> {
        let context = self.context();
        for said in notices {
            let PatientNotice { patient, notification, observation } = said;
            notice::notice(tx, &context, &patient, &notification, observation, now)?;
        }
        self.live.keep(tx)
    }
}

fn seq_of(row: &Result<journal::Stored, StoreError>) -> i64 {
    match row {
        Ok(stored) => stored.seq,
        Err(StoreError::Row { seq, .. }) => *seq,
        Err(_) => 0,
    }
}

/// Judges one raw row of an earlier run. Returns when it was received.
fn judge_row(
    tx: &Tx<'_>,
    batch: &mut Batch<'_, '_>,
    row: Result<journal::Stored, StoreError>,
) -> Result<Option<Now>, StoreError> {
    match row {
        Ok(journal::Stored { seq, arrival: Some(arrival), .. }) => {
            batch.take(&arrival, Some(seq))?;
            Ok(Some(arrival.received))
        }
        Ok(stored) => {
            let detail = Some("unknown_kind: this version does not know such rows");
            journal::settle(tx, stored.seq, RowOutcome::Quarantined, detail)?;
            Ok(None)
        }
        Err(StoreError::Row { seq, .. }) => {
            let detail = Some("damaged: the row does not fit its checksum");
            journal::settle(tx, seq, RowOutcome::Quarantined, detail)?;
            counter::add(tx, counter::DAMAGED, 1)?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
