//! Answers what the control socket is asked: from a reader of its own, or through the writer.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hearth_shared::time::UnixMillis;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::adherence;
use crate::assess::wording;
use crate::clock::Clock;
use crate::config::{Adapter, Config};
use crate::control::execute::Origin;
use crate::control::query::{Answer, List, Listing, Request};
use crate::control::socket::Answers;
use crate::control::status::{
    BrokerStatus, ClockStatus, CommandStatus, DiskStatus, JournalStatus, LaneStatus, RadioStatus,
    SilentDevice, StatusReport, TroubledDevice,
};
use crate::control::{Command, Verb};
use crate::programme::Library;
use crate::radio::simulated::RadioState;
use crate::requests::{Radio, RadioAnswer, RadioHealth, RadioRequest};
use crate::store::{Reader, StoreError, backup, command, listing, radio};
use crate::writer::{WriteError, Writer};

/// Rows with their readings and rules in words.
fn rows(
    reader: &Reader,
    list: &List,
    (programmes, now): (&Library, UnixMillis),
) -> Result<Vec<Value>, StoreError> {
    let mut rows = listing::list(reader, list)?;
    wording::tell_listed(reader, &mut rows)?;
    if list.what == Listing::Plans {
        adherence::add(reader, programmes, &mut rows, now)?;
    }
    Ok(rows)
}

/// One thing, it and its alerts in words.
fn one(
    reader: &Reader,
    what: Listing,
    id: &str,
    (programmes, consumers, now): (&Library, &[String], UnixMillis),
) -> Result<Option<Value>, StoreError> {
    let Some(found) = listing::show(reader, what, id)? else { return Ok(None) };
    let mut found = [found];
    wording::tell_listed(reader, &mut found)?;
    if let Some(Value::Array(alerts)) = found[0].get_mut("alerts") {
        wording::tell_listed(reader, alerts)?;
    }
    if what == Listing::Plans {
        adherence::add(reader, programmes, &mut found, now)?;
    }
    if what == Listing::Devices
        && let Value::Object(device) = &mut found[0]
    {
        let complete = radio::completeness(reader, id, consumers)?;
        device.insert("completeness".to_owned(), listing::completeness(&complete));
    }
    if let (Listing::Patients, Some(Value::Array(plans))) = (what, found[0].get_mut("plans")) {
        adherence::add(reader, programmes, plans, now)?;
    }
    let [found] = found;
    Ok(Some(found))
}

/// Everything the desk needs to answer.
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) writer: Writer,
    pub(super) reader: Arc<Mutex<Reader>>,
    pub(super) programmes: Arc<Library>,
    /// The simulated household's side.
    pub(super) household: Arc<RadioState>,
    /// The Bluetooth radio's task, where one is configured.
    pub(super) radio: Option<Radio>,
    pub(super) broker: watch::Receiver<BrokerStatus>,
    pub(super) full: Arc<AtomicBool>,
    pub(super) started: Instant,
}

/// What the database says of the status, read in one go.
type Counts =
    (Vec<LaneStatus>, JournalStatus, CommandStatus, Vec<SilentDevice>, Vec<TroubledDevice>);

/// The radio answers from memory, news within two seconds; one that needs longer is not well.
const RADIO_WITHIN: Duration = Duration::from_secs(10);

/// How long the status waits for the radio's part.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);

impl Answers for Desk {
    async fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Status => self.status().await,
            Request::Command { command } => self.execute(*command).await,
            Request::List(list) => self.list(list).await,
            Request::Show { what, id } => self.show(what, id).await,
            Request::ClockConfirm => self.confirm_clock(),
            Request::Radio { request } => self.ask_radio(request).await,
            Request::Backup { to } => self.backup(to).await,
        }
    }
}

impl Desk {
    /// Asks the database without holding up the async threads.
    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Answer> {
        let reader = self.reader.clone();
        let done = tokio::task::spawn_blocking(move || {
            ask(&reader.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Answer::refused("store", format!("{error}."))),
            Err(_) => Err(Answer::refused("internal", "The question met a fault in Hearth.")),
        }
    }

    /// How the gateway is.
    pub(super) async fn report(&self) -> Result<StatusReport, Answer> {
        let now = self.clock.now().wall;
        let counts = self.read(move |reader| -> Result<Counts, StoreError> {
            Ok((
                listing::backlog(reader)?,
                listing::journal(reader)?,
                command::counts(reader)?,
                listing::silent_devices(reader, now)?,
                listing::troubled_devices(reader)?,
            ))
        });
        let (backlog, journal, commands, mut silent, troubled) = counts.await?;
        let health = self.radio_health().await;
        if let Some(health) =
            health.as_ref().filter(|h| !matches!(h.state.as_str(), "ok" | "starting"))
        {
            // While the radio hears nothing, no device can be blamed.
            let why = health.sentence.as_deref().unwrap_or("it is not well");
            for device in &mut silent {
                device.cause = format!("the radio: {}", why.trim_end_matches('.'));
            }
        }
        Ok(StatusReport {
            gateway: self.config.gateway.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.started.elapsed().as_secs(),
            clock: self.clock_status(now),
            radio: self.radio_status(health, troubled),
            broker: self.broker.borrow().clone(),
            backlog,
            journal,
            commands,
            disk: self.disk(),
            silent,
        })
    }

    async fn status(&self) -> Answer {
        match self.report().await {
            Ok(status) => Answer::Status { status: Box::new(status) },
            Err(answer) => answer,
        }
    }

    fn clock_status(&self, now: UnixMillis) -> ClockStatus {
        let trust = self.clock.trust();
        ClockStatus {
            now: listing::rfc3339(now),
            trusted: self.clock.now().trusted,
            trust: trust.as_str().to_owned(),
            sentence: trust.sentence().to_owned(),
        }
    }

    fn radio_status(
        &self,
        health: Option<RadioHealth>,
        troubled: Vec<TroubledDevice>,
    ) -> RadioStatus {
        let simulated = self.config.radio.adapter == Adapter::Simulated;
        RadioStatus {
            adapter: self.config.radio.adapter.as_str().to_owned(),
            simulated,
            connected: self.household.connected.load(Ordering::Relaxed),
            committed: self.household.committed.load(Ordering::Relaxed),
            refused: self.household.refused.load(Ordering::Relaxed),
            socket: simulated.then(|| self.config.radio.socket.display().to_string()),
            health,
            troubled,
        }
    }

    /// How the Bluetooth radio is; `None` where none is configured.
    async fn radio_health(&self) -> Option<RadioHealth> {
        let ill = |state: &str, sentence: &str| RadioHealth {
            state: state.to_owned(),
            sentence: Some(sentence.to_owned()),
            next: Some("look for the reason: hearth devices doctor".to_owned()),
            ..RadioHealth::default()
        };
        let radio = self.radio.as_ref()?;
        let answer = tokio::time::timeout(HEALTH_WITHIN, radio.ask(RadioRequest::State)).await;
        Some(match answer {
            Ok(Some(RadioAnswer::State { health })) => health,
            Ok(Some(_)) => ill("radio_fault", "The radio answered something else."),
            Ok(None) => ill("radio_ended", "The radio's task has ended."),
            Err(_) => ill("radio_stalled", "The radio's task does not answer."),
        })
    }

    /// Asks the radio, with an end to every wait.
    async fn ask_radio(&self, request: RadioRequest) -> Answer {
        let Some(radio) = &self.radio else {
            return Answer::Refused {
                code: "no_radio".to_owned(),
                sentence: "This gateway has no Bluetooth radio.".to_owned(),
                next: Some(
                    "set radio.adapter = \"hci0\" in hearth.toml and restart the gateway; \
                     hearth devices doctor names the adapters of this machine"
                        .to_owned(),
                ),
            };
        };
        if let RadioRequest::Pair(pair) | RadioRequest::Certify(pair) = &request
            && let Some(problem) = pair.device.as_deref().and_then(id_of_a_name)
        {
            return Answer::Refused {
                code: "name_as_id".to_owned(),
                sentence: problem,
                next: Some("use an opaque id, for example cuff-1".to_owned()),
            };
        }
        let doctor = Some("look for the reason: hearth devices doctor".to_owned());
        match tokio::time::timeout(RADIO_WITHIN, radio.ask(request)).await {
            Ok(Some(RadioAnswer::Refused { code, sentence, next })) => {
                Answer::Refused { code, sentence, next: Some(next) }
            }
            Ok(Some(answer)) => match serde_json::to_value(answer) {
                Ok(result) => Answer::Done { result },
                Err(error) => Answer::refused("internal", format!("{error}.")),
            },
            Ok(None) => Answer::Refused {
                code: "radio_ended".to_owned(),
                sentence: "The radio's task has ended.".to_owned(),
                next: doctor,
            },
            Err(_) => Answer::Refused {
                code: "radio_stalled".to_owned(),
                sentence: "The radio's task does not answer.".to_owned(),
                next: doctor,
            },
        }
    }

    fn disk(&self) -> DiskStatus {
        let folder = &self.config.gateway.data_dir;
        let size = |end: &str| {
            let mut path = self.config.database().into_os_string();
            path.push(end);
            std::fs::metadata(path).map_or(0, |meta| meta.len())
        };
        let free = rustix::fs::statvfs(folder).ok().map(|s| s.f_bavail.saturating_mul(s.f_frsize));
        let alarm_below = u64::from(self.config.store.disk_alarm_mib) << 20;
        DiskStatus {
            folder: folder.display().to_string(),
            database_octets: size("") + size("-wal"),
            free_octets: free,
            full: self.full.load(Ordering::Relaxed),
            alarm: free.is_some_and(|octets| octets < alarm_below),
        }
    }

    async fn execute(&self, command: Command) -> Answer {
        if let Some(problem) = name_as_id(&command.verb) {
            return Answer::Refused {
                code: "name_as_id".to_owned(),
                sentence: problem,
                next: Some("use an opaque id, for example p-7f3a; the name has --name".to_owned()),
            };
        }
        match self.writer.execute(command, Origin::Socket, self.clock.now()).await {
            Ok(done) if done.done => {
                Answer::Done { result: serde_json::to_value(done).unwrap_or_default() }
            }
            Ok(not) => Answer::refused(&not.code, not.sentence),
            Err(error) => refused(&error),
        }
    }

    async fn list(&self, list: List) -> Answer {
        let (programmes, now) = (self.programmes.clone(), self.clock.now().wall);
        match self.read(move |reader| rows(reader, &list, (&programmes, now))).await {
            Ok(rows) => Answer::Rows { rows },
            Err(answer) => answer,
        }
    }

    async fn show(&self, what: Listing, id: String) -> Answer {
        let (programmes, now) = (self.programmes.clone(), self.clock.now().wall);
        let consumers = self.config.uplink.consumers.clone();
        match self.read(move |reader| one(reader, what, &id, (&programmes, &consumers, now))).await
        {
            Ok(found) => Answer::Rows { rows: found.into_iter().collect() },
            Err(answer) => answer,
        }
    }

    fn confirm_clock(&self) -> Answer {
        if !self.clock.confirm() {
            return Answer::Refused {
                code: "clock".to_owned(),
                sentence: "The clock shows a moment before Hearth existed; it cannot be right."
                    .to_owned(),
                next: Some("set it first: date --set '…'".to_owned()),
            };
        }
        let boot = uuid::Uuid::from_bytes(self.clock.boot().0).to_string();
        let kept = std::fs::write(confirmation(&self.config), boot).is_ok();
        tracing::info!(kept, "a person confirmed the clock");
        Answer::Done { result: json!({ "confirmed": true, "kept_over_a_restart": kept }) }
    }

    async fn backup(&self, to: PathBuf) -> Answer {
        let reader = self.reader.clone();
        let wanted = to.clone();
        // A reader of its own would be better kept free, but a copy is rare and takes seconds.
        let done = tokio::task::spawn_blocking(move || {
            backup::backup(&reader.lock().unwrap_or_else(PoisonError::into_inner), &wanted)
        });
        match done.await {
            Ok(Ok(manifest)) => {
                Answer::Done { result: json!({ "folder": to, "manifest": manifest }) }
            }
            Ok(Err(error)) => Answer::Refused {
                code: "backup".to_owned(),
                sentence: format!("No copy was made: {error}."),
                next: Some("name a new folder that the gateway's user may write to".to_owned()),
            },
            Err(_) => Answer::refused("internal", "The copy met a fault in Hearth."),
        }
    }
}

/// Where a person's word about the clock is kept: it holds for one start of the machine.
pub(super) fn confirmation(config: &Config) -> PathBuf {
    config.gateway.data_dir.join("clock-confirmed")
}

fn refused(error: &WriteError) -> Answer {
    match error {
        WriteError::NoRoom(why) => Answer::Refused {
            code: "disk_full".to_owned(),
            sentence: format!("Nothing was done: {why}."),
            next: Some("make room on the disk, then try again".to_owned()),
        },
        WriteError::Fatal(why) => Answer::refused("store", format!("Nothing was done: {why}.")),
        WriteError::Gone => Answer::refused("stopping", "Nothing was done: the gateway stops."),
    }
}

/// An id that looks like a name would stand in topics and logs.
fn name_as_id(verb: &Verb) -> Option<String> {
    let id = match verb {
        Verb::PatientAdd(settings) => &settings.id,
        Verb::DeviceAdd(settings) => &settings.id,
        Verb::PlanAssign(plan) => &plan.id,
        _ => return None,
    };
    id_of_a_name(id)
}

fn id_of_a_name(id: &str) -> Option<String> {
    crate::config::looks_like_a_name(id)
        .then(|| format!("{id} looks like a person's name; ids stand in topics and logs."))
}
