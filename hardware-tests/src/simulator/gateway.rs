//! The gateway as a process: the real path and the real uplink over a disk in memory that outlives it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use hearth_gateway::clock::{BootId, EARLIEST_PLAUSIBLE, Now};
use hearth_gateway::control::execute::Origin;
use hearth_gateway::intake::Arrival;
use hearth_gateway::outreach::templates::Templates;
use hearth_gateway::path::{OpenError, Path, PathSettings};
use hearth_gateway::programme::Library;
use hearth_gateway::store::device::{self, Owner};
use hearth_gateway::store::outbox_page::Sent;
use hearth_gateway::store::patient::{self, Patient};
use hearth_gateway::store::plan::{self, Plan, PlanState};
use hearth_gateway::store::{MemoryDisk, Queries, Reader, Store, StoreError, Tx};
use hearth_gateway::uplink::machine::{Action, Event, Machine, MachineSettings};
use hearth_gateway::uplink::message::{Answer, CONTRACT};
use hearth_gateway::uplink::source::{UplinkWrite, UplinkWritten};
use hearth_gateway::uplink::{Pace, incoming, source};
use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;

use super::home::Record;
use super::hospital;

/// The gateway's id.
pub const ID: &str = "gw";

/// Where the simulation begins: 2026-03-02T09:00:00Z, a Monday.
pub const START_MS: i64 = 1_772_442_000_000;

/// Ana: Spanish, in Madrid, wants prompts.
pub const ANA: &str = "ana";
/// Ben: English, in Chicago, wants prompts.
pub const BEN: &str = "ben";

/// The zone of a patient.
#[must_use]
pub fn zone(patient: &str) -> &'static str {
    if patient == ANA { "Europe/Madrid" } else { "America/Chicago" }
}

/// Quiet hours of both patients, local minutes [from, to).
pub const QUIET_MIN: (u16, u16) = (1320, 420);
/// Prompts a local day of both patients.
pub const DAILY_CAP: u8 = 2;

/// What lives as long as the process.
#[derive(Debug)]
pub struct Process {
    /// The path.
    pub path: Path,
    /// The uplink's own reader.
    pub reader: Reader,
    /// The uplink.
    pub machine: Machine,
    /// The present connection to the broker.
    pub link: Option<u64>,
    /// Acknowledgements not yet handed to the writer.
    pub batch: Vec<Sent>,
    /// Acknowledgements with the writer.
    pub flushing: Option<Vec<Sent>>,
    /// Whether a flush is on the agenda.
    pub flush_due: bool,
    /// When the agenda has a timer for it, ms.
    pub timer_ms: u64,
    /// Arrivals that a broken shell has acknowledged and not yet committed.
    pub owed: VecDeque<(usize, Vec<Record>, Vec<Arrival>)>,
}

/// The machine that the process runs on.
#[derive(Debug)]
pub struct Gateway {
    disk: MemoryDisk,
    settings: PathSettings,
    /// For opening needs.
    pub templates: &'static Templates,
    /// The process, while it runs.
    pub process: Option<Process>,
    /// Counts processes; what was meant for an earlier one is void.
    pub life: u64,
    /// Error of the wall clock, ms.
    pub clock_error_ms: i64,
    /// Whether the wall clock counts as synchronised.
    pub synchronised: bool,
    booted_ms: u64,
    boots: u8,
    /// While the disk is full: pages it may have.
    full: Option<i64>,
    seed: u64,
}

/// The path's settings: the programmes that come with Hearth, read once.
#[must_use]
pub fn settings() -> PathSettings {
    static LIBRARY: OnceLock<Arc<Library>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| Arc::new(Library::built_in()));
    PathSettings::new(ID, TimeZone::UTC).with_programmes(Arc::clone(library))
}

impl Gateway {
    /// A gateway with two patients and their devices; its process does not run yet.
    ///
    /// # Errors
    /// What the store answered.
    pub fn new(seed: u64) -> Result<Self, OpenError> {
        use std::sync::atomic::{AtomicU64, Ordering};
        // Two lives of one seed in one process are two disks; the name is part of nothing else.
        static DISKS: AtomicU64 = AtomicU64::new(0);
        let name = format!("life-{}", DISKS.fetch_add(1, Ordering::Relaxed));
        let disk = MemoryDisk::new(&name)?;
        Store::open_shared_memory(&name)?.transaction(household)?;
        Ok(Self {
            disk,
            settings: settings(),
            templates: Templates::builtin()?,
            process: None,
            life: 0,
            clock_error_ms: 0,
            synchronised: true,
            booted_ms: 0,
            boots: 1,
            full: None,
            seed,
        })
    }

    /// The time as the gateway sees it. `true_ms` is the wall clock's truth.
    #[must_use]
    pub fn now(&self, now_ms: u64, true_ms: i64, trusts_any_clock: bool) -> Now {
        let wall = UnixMillis::from_millis(true_ms.saturating_add(self.clock_error_ms));
        let mut boot = [0; 16];
        boot[0] = self.boots;
        Now {
            wall,
            monotonic_ms: now_ms.saturating_sub(self.booted_ms),
            boot: BootId(boot),
            trusted: trusts_any_clock || (self.synchronised && wall >= EARLIEST_PLAUSIBLE),
        }
    }

    /// The machine restarts: monotonic time begins anew.
    pub const fn reboot(&mut self, now_ms: u64) {
        self.boots = self.boots.wrapping_add(1);
        self.booted_ms = now_ms;
    }

    /// The process starts.
    ///
    /// # Errors
    /// What the store answered.
    pub fn start(&mut self) -> Result<(), OpenError> {
        self.life += 1;
        let mut store = Store::open_shared_memory(self.disk.name())?;
        limit(&mut store, self.full)?;
        let reader = store.reader()?;
        let path = Path::open(store, self.settings.clone())?;
        let machine = Machine::new(MachineSettings {
            gateway: ID.to_owned(),
            consumers: vec![hospital::NAME.to_owned()],
            keep_days: 7,
            pace: Pace { reconnect_max_ms: 8_000, ..Pace::default() },
            seed: self.seed ^ self.life,
        });
        self.process = Some(Process {
            path,
            reader,
            machine,
            link: None,
            batch: Vec::new(),
            flushing: None,
            flush_due: false,
            timer_ms: u64::MAX,
            owed: VecDeque::new(),
        });
        Ok(())
    }

    /// The process ends without warning.
    pub fn crash(&mut self) {
        self.process = None;
        self.life += 1;
    }

    /// From now on the disk takes `pages` more pages; `None`: as many as wanted.
    ///
    /// # Errors
    /// What the store answered.
    pub fn fill(&mut self, pages: Option<i64>) -> Result<(), StoreError> {
        self.full = match (pages, &mut self.process) {
            (Some(more), Some(process)) => {
                let used: i64 = process.path.store().transaction(pages_used)?;
                Some(used + more)
            }
            _ => None,
        };
        match &mut self.process {
            Some(process) => limit(process.path.store(), self.full),
            None => Ok(()),
        }
    }

    /// Whether the disk is full.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// The programmes, for opening needs.
    #[must_use]
    pub fn settings(&self) -> &PathSettings {
        &self.settings
    }

    /// A reader that lives beside the process.
    ///
    /// # Errors
    /// What the store answered.
    pub fn inspect(&self) -> Result<Reader, StoreError> {
        Store::open_shared_memory(self.disk.name())?.reader()
    }
}

impl Process {
    /// One step of the uplink.
    pub fn step(&mut self, now: &Now, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.machine.step(now, event, &mut actions);
        actions
    }

    /// What the writer does for the uplink, as the daemon does it.
    ///
    /// # Errors
    /// What the store answered.
    pub fn write(&mut self, write: &UplinkWrite, now: Now) -> Result<UplinkWritten, StoreError> {
        let UplinkWrite::Incoming { to, payload, problem } = write else {
            return self.path.store().transaction(|tx| source::apply(tx, write, now.wall));
        };
        let parsed = match problem {
            Some(problem) => Err(problem.clone()),
            None => incoming::command(payload),
        };
        let answer = match parsed {
            Err(problem) => {
                self.path.quarantine_command(payload, &problem, now)?;
                Answer::refused(ID, to, incoming::command_id(payload), problem)
            }
            Ok(command) => {
                let done = self.path.execute(&command, Origin::Mqtt, now)?;
                Answer {
                    contract: CONTRACT.to_owned(),
                    gateway: ID.to_owned(),
                    id: Some(command.id),
                    to: (*to).to_owned(),
                    ok: done.done,
                    error: (!done.done).then(|| done.sentence.clone()),
                    result: None,
                }
            }
        };
        Ok(UplinkWritten::Answers(vec![answer]))
    }
}

fn pages_used(tx: &Tx<'_>) -> Result<i64, StoreError> {
    Ok(tx.connection().pragma_query_value(None, "page_count", |row| row.get(0))?)
}

fn limit(store: &mut Store, pages: Option<i64>) -> Result<(), StoreError> {
    store.transaction(|tx| {
        let pages = pages.unwrap_or(1_073_741_823);
        tx.connection().query_row(&format!("pragma max_page_count = {pages}"), [], |_| Ok(()))?;
        Ok(())
    })
}

/// Two patients, their devices and a plan each.
///
/// # Errors
/// What the store answered.
pub fn household(tx: &Tx<'_>) -> Result<(), StoreError> {
    let start = UnixMillis::from_millis(START_MS);
    for (id, language) in [(ANA, "es"), (BEN, "en")] {
        let patient = Patient {
            id: id.to_owned(),
            zone: Some(zone(id).to_owned()),
            language: Some(language.to_owned()),
            monitoring: true,
            prompts: Some(true),
            quiet_min: Some(QUIET_MIN),
            start: start.plus_seconds(-90 * 86_400),
            limits: serde_json::Map::new(),
            mutes: Vec::new(),
            daily_cap: DAILY_CAP,
            closed: None,
        };
        patient::put(tx, &patient)?;
        let plan = Plan {
            id: format!("plan-{id}"),
            patient: id.to_owned(),
            programme: "fasting-glucose-6w".to_owned(),
            start_day: START_MS / 86_400_000 - 14,
            overrides: serde_json::Map::new(),
            state: PlanState::Active,
            publisher: None,
            silence: None,
            evaluated_day: None,
            next: None,
        };
        plan::put(tx, &plan)?;
    }
    let whole = [
        ("meter-ana", "glucose_meter", ANA),
        ("cuff-ana", "blood_pressure_cuff", ANA),
        ("meter-ben", "glucose_meter", BEN),
        ("plain-scale", "weight_scale", BEN),
    ];
    let mut owners = Vec::new();
    for (id, kind, patient) in whole {
        device::put(tx, &device::Device::new(id, kind, start))?;
        owners.push((id, None, patient));
    }
    device::put(tx, &device::Device::new("scale", "weight_scale", start))?;
    owners.extend([("scale", Some(1), ANA), ("scale", Some(2), BEN)]);
    for (device, slot, patient) in owners {
        let from = start.plus_seconds(-20 * 366 * 86_400);
        let (device, patient) = (device.to_owned(), patient.to_owned());
        device::add_owner(tx, &Owner { device, slot, patient, from, to: None })?;
    }
    Ok(())
}
