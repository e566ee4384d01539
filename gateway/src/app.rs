//! Builds channels, spawns every task, stops them in path order.
//!
//! ```text
//! household ─► radio ─► writer's thread ─► database ─► uplink ─► broker
//!              people ─► control ─┘            └─► control's answers
//! ```
//!
//! At the end: sources first, then what has arrived is committed, then the uplink gets a bounded
//! time, then the broker, then the control socket. What has not left stays in the database.

use std::path::Path as FilePath;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::exit::{Exit, Failure, plain};
use crate::clock::{Clock, RequireSync};
use crate::config::{Adapter, Config, Loaded};
use crate::control::socket::{self, Access};
use crate::radio::profile::Profiles;
use crate::radio::simulated::{Pace, RadioState, Simulated};
use crate::store::{Store, StoreOptions};
use crate::writer::{WriteError, Writer};

mod adherence;
mod custody;
mod desk;
mod failures;
mod health;
mod links;
mod log;
mod radio;
mod rooms;
mod signals;
mod timer;

use desk::Desk;
use failures::{ended, internal, salvage_sentence, socket_failure, store_failure};
use health::Health;
use signals::StopSignals;

/// How often it is checked that no task has met a fault.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long sources may take to finish what they hold.
const SOURCES_WITHIN: Duration = Duration::from_secs(5);

/// How long the uplink may take to say goodbye.
const UPLINK_WITHIN: Duration = Duration::from_secs(5);

/// How long broker and control socket may take.
const LAST_WITHIN: Duration = Duration::from_secs(5);

/// Whether plain lines on stdout say what is up and where.
#[derive(Clone, Copy, Debug)]
pub struct Talk(pub bool);

impl Talk {
    fn say(self, line: &str) {
        if self.0 {
            // Nobody reads: the log tells the same.
            let _ = crate::cli::print::out(&format!("{line}\n"));
        }
    }
}

/// Checks the files that a configuration names: programmes and household.
///
/// # Errors
/// All problems of the first file that cannot be used.
pub fn check(config: &Config) -> Result<(), Failure> {
    rooms::check(config)
}

/// The device models that a gateway with this configuration knows.
///
/// # Errors
/// A file of the configured folder cannot be used.
pub fn models(config: &Config) -> Result<Profiles, Failure> {
    rooms::models(config)
}

/// Runs the gateway until a signal ends it.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(loaded: Loaded, file: &FilePath, talk: Talk) -> Result<Exit, Failure> {
    let started = Instant::now();
    // What the gateway keeps is not for every user of the machine.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    log::start(&loaded.config.log);
    log::panic_hook();
    // One crypto provider for the process; a second one would panic at the first connection.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for remark in &loaded.remarks {
        tracing::warn!(remark, "the configuration deserves a look");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| internal(&format!("the runtime did not start: {}", plain(&error))))?;
    let outcome = runtime.block_on(async {
        let gateway = Gateway::start(loaded.config, started).await?;
        gateway.announce(file, talk);
        gateway.serve(talk).await
    });
    runtime.shutdown_timeout(LAST_WITHIN);
    outcome
}

/// Everything that runs.
struct Gateway {
    config: Config,
    started: Instant,
    desk: Arc<Desk>,
    writer: Writer,
    thread: std::thread::JoinHandle<()>,
    ended: oneshot::Receiver<custody::End>,
    sources: CancellationToken,
    source_tasks: Vec<(&'static str, JoinHandle<()>)>,
    links: links::Links,
    control_stop: CancellationToken,
    control: JoinHandle<()>,
    salvaged: Option<String>,
    stop_signals: StopSignals,
}

impl Gateway {
    async fn start(config: Config, started: Instant) -> Result<Self, Failure> {
        let stop_signals = StopSignals::listen()?;
        let clock = Clock::system(RequireSync(config.clock.require_sync));
        if confirmed_in_this_boot(&config, &clock) {
            clock.confirm();
        }
        make_folder(&config.gateway.data_dir)?;
        // The store first: its lock decides which of two gateways runs.
        let store = open_store(&config, &clock)?;
        let listener = listen(&config)?;
        let radio_listener = listen_radio(&config)?;
        let salvaged = store.salvaged().map(salvage_sentence);
        let reader = store.reader().map_err(store_failure)?;
        let desk_reader = Arc::new(Mutex::new(store.reader().map_err(store_failure)?));
        let uplink_reader = store.reader().map_err(store_failure)?;
        let programmes = Arc::new(rooms::programmes(&config)?);
        let path = rooms::path(store, &config, programmes.clone())?;

        let (writer, requests) = Writer::channel();
        let (committed, committed_seen) = watch::channel(0);
        let (queued, queued_seen) = watch::channel(false);
        let full = Arc::new(AtomicBool::new(false));
        let signals = custody::Signals { committed, queued, full: full.clone() };
        let (thread, ended) =
            custody::spawn(config.gateway.id.clone(), path, reader, requests, signals).map_err(
                |error| internal(&format!("the writer did not start: {}", plain(&error))),
            )?;

        let radio_task = radio::bluetooth(&config, &clock, &writer, committed_seen.clone())?;
        let (tell_notes, notes) = watch::channel(Vec::new());
        let ports = links::Ports {
            clock: clock.clone(),
            writer: writer.clone(),
            committed: committed_seen,
            notes,
        };
        let links = links::Links::start(&config, ports, uplink_reader).await?;
        let radio = Arc::new(RadioState::default());
        let desk = Arc::new(Desk {
            config: config.clone(),
            clock: clock.clone(),
            writer: writer.clone(),
            reader: desk_reader,
            programmes,
            household: radio.clone(),
            radio: radio_task.as_ref().map(|(handle, _)| handle.clone()),
            broker: links.status.clone(),
            full,
            started,
        });

        let sources = CancellationToken::new();
        let (first_moment, moments) = mpsc::channel(1);
        let mut source_tasks = Vec::new();
        if let Some(listener) = radio_listener {
            let pace = Pace {
                queued: queued_seen,
                online: links.online.clone(),
                uplink: config.uplink.enabled,
            };
            let simulated = Simulated {
                listener,
                clock: clock.clone(),
                writer: writer.clone(),
                state: radio,
                started: first_moment,
                pace,
            };
            let stop = sources.clone();
            source_tasks.push(("simulated radio", tokio::spawn(ended_by(simulated.run(stop)))));
        } else {
            rooms::apply_household(&config, &writer, &clock).await?;
        }
        if let Some((_, bluetooth)) = radio_task {
            let stop = sources.clone();
            source_tasks.push(("Bluetooth radio", tokio::spawn(ended_by(bluetooth.run(stop)))));
        }
        let timer =
            timer::timer(config.clone(), clock.clone(), writer.clone(), moments, sources.clone());
        source_tasks.push(("timer", tokio::spawn(timer)));
        if config.store.retention_days > 0 {
            let days = config.store.retention_days;
            let task = timer::retention(days, clock.clone(), writer.clone(), sources.clone());
            source_tasks.push(("retention", tokio::spawn(task)));
        }
        let notes = timer::tell_what_needs_a_look(desk.clone(), tell_notes, sources.clone());
        source_tasks.push(("status", tokio::spawn(notes)));

        let control_stop = CancellationToken::new();
        let control = tokio::spawn(socket::serve(listener, desk.clone(), control_stop.clone()));
        Ok(Self {
            config,
            started,
            desk,
            writer,
            thread,
            ended,
            sources,
            source_tasks,
            links,
            control_stop,
            control,
            salvaged,
            stop_signals,
        })
    }

    fn announce(&self, file: &FilePath, talk: Talk) {
        let took = self.started.elapsed().as_millis();
        talk.say(&format!(
            "Hearth {} is up after {took} ms, with {}.",
            env!("CARGO_PKG_VERSION"),
            file.display()
        ));
        for (name, what) in crate::cli::check_config::parts(&self.config) {
            talk.say(&format!("  {name:<9}  {what}"));
        }
        if let Some(report) = &self.salvaged {
            talk.say(&format!("The database was damaged and moved aside: {report}"));
            tracing::warn!(report, "the database was damaged and moved aside");
        }
        talk.say("Ask it: hearth status. Stop it: Ctrl-C.");
        tracing::info!(gateway = self.config.gateway.id, took_ms = took as u64, "up");
        health::tell(&[NotifyState::Ready, NotifyState::Status("running")]);
    }

    async fn serve(mut self, talk: Talk) -> Result<Exit, Failure> {
        let health_stop = CancellationToken::new();
        let watched = self.watched();
        let health = Health {
            clock: self.desk.clock.clone(),
            writer: self.writer.clone(),
            dead: Box::new(move || {
                watched.iter().find(|(_, task)| task.is_finished()).map(|(name, _)| *name)
            }),
        };
        let health = tokio::spawn(health.run(health_stop.clone()));
        let outcome = self.wait_for_the_end().await;
        health_stop.cancel();
        let _ = health.await;
        talk.say("Stopping: sources first, then what has arrived, then what waits to be sent.");
        health::tell(&[NotifyState::Stopping]);
        let fatal = self.stop().await;
        match (outcome, fatal) {
            (Err(failure), _) | (Ok(()), Some(failure)) => Err(failure),
            (Ok(()), None) => {
                talk.say("Stopped. What has not left is kept for the next start.");
                Ok(Exit::Ok)
            }
        }
    }

    /// Tasks whose end means that the gateway is not well.
    fn watched(&self) -> Vec<(&'static str, tokio::task::AbortHandle)> {
        let mut watched: Vec<_> =
            self.source_tasks.iter().map(|(name, task)| (*name, task.abort_handle())).collect();
        watched.push(("control socket", self.control.abort_handle()));
        watched.extend(self.links.watched());
        watched
    }

    /// A signal, or the end of the writer.
    async fn wait_for_the_end(&mut self) -> Result<(), Failure> {
        let watched = self.watched();
        loop {
            tokio::select! {
                () = self.stop_signals.stop() => return Ok(()),
                end = &mut self.ended => return Err(ended(end)),
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if let Some((name, _)) = watched.iter().find(|(_, task)| task.is_finished()) {
                        return Err(internal(&format!("the {name} has ended")));
                    }
                }
            }
        }
    }

    /// Stops in the order of the path. What ended the writer before its time comes back.
    async fn stop(self) -> Option<Failure> {
        self.sources.cancel();
        for (name, task) in self.source_tasks {
            if tokio::time::timeout(SOURCES_WITHIN, task).await.is_err() {
                tracing::warn!(name, "did not stop in time");
            }
        }
        // Requests are answered in order: once this one is, everything that arrived is committed.
        let _ = tokio::time::timeout(SOURCES_WITHIN, self.writer.device_at(String::new())).await;
        self.links.stop(UPLINK_WITHIN, LAST_WITHIN).await;
        self.control_stop.cancel();
        if tokio::time::timeout(LAST_WITHIN, self.control).await.is_err() {
            tracing::warn!("the control socket did not stop in time");
        }
        for socket in [&self.config.control.socket, &self.config.radio.socket] {
            let _ = std::fs::remove_file(socket);
        }
        // The last handles go; the thread sees the end of its channel.
        drop((self.writer, self.desk));
        let end = tokio::time::timeout(LAST_WITHIN, self.ended).await;
        match end {
            Ok(Ok(custody::End::Done)) => {
                let _ = self.thread.join();
                tracing::info!("stopped");
                None
            }
            Ok(end) => Some(ended(end)),
            Err(_) => Some(internal("the writer did not stop in time")),
        }
    }
}

async fn ended_by(task: impl Future<Output = Result<(), WriteError>>) {
    if let Err(error) = task.await {
        tracing::warn!(%error, "a source has ended");
    }
}

fn confirmed_in_this_boot(config: &Config, clock: &Clock) -> bool {
    let boot = uuid::Uuid::from_bytes(clock.boot().0).to_string();
    std::fs::read_to_string(desk::confirmation(config)).is_ok_and(|text| text.trim() == boot)
}

pub(crate) fn make_folder(folder: &FilePath) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Failure::file("made", folder, &error))
}

fn listen(config: &Config) -> Result<UnixListener, Failure> {
    let access = Access { mode: config.control_mode(), group: config.control.group.clone() };
    socket::listen(&config.control.socket, &access).map_err(socket_failure)
}

fn listen_radio(config: &Config) -> Result<Option<UnixListener>, Failure> {
    if config.radio.adapter != Adapter::Simulated {
        return Ok(None);
    }
    let access = Access { mode: 0o660, group: None };
    socket::listen(&config.radio.socket, &access).map(Some).map_err(socket_failure)
}

fn open_store(config: &Config, clock: &Clock) -> Result<Store, Failure> {
    let mut options = StoreOptions::at(config.database());
    options.salvage = config.store.salvage;
    options.now_s = clock.now().wall.seconds();
    Store::open(&options).map_err(store_failure)
}
