//! The far end of the path: the embedded broker and the uplink, and how `hearth status` sees them.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::cli::exit::{Exit, Failure};
use crate::clock::Clock;
use crate::config::{Adapter, Config};
use crate::control::status::BrokerStatus;
use crate::store::{Reader, listing};
use crate::uplink::transport::{Endpoint, Tls};
use crate::uplink::{self, Pace, UplinkPorts, UplinkSettings, UplinkView};
use crate::writer::Writer;

/// Writes of the uplink that may wait: it bounds its own, this only decouples it from the writer.
const WRITES_MAX: usize = 64;

/// How long the embedded broker may take to listen.
#[cfg(feature = "embedded-broker")]
const BROKER_WITHIN: Duration = Duration::from_secs(5);

/// What the far end needs of the rest.
pub(super) struct Ports {
    pub(super) clock: Clock,
    pub(super) writer: Writer,
    pub(super) committed: watch::Receiver<i64>,
    pub(super) notes: watch::Receiver<Vec<String>>,
}

/// The running far end.
pub(super) struct Links {
    pub(super) status: watch::Receiver<BrokerStatus>,
    pub(super) online: watch::Receiver<bool>,
    uplink: Option<(CancellationToken, JoinHandle<()>)>,
    broker: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Links {
    /// Starts the broker, waits until it listens, then starts the uplink.
    pub(super) async fn start(
        config: &Config,
        ports: Ports,
        reader: Reader,
    ) -> Result<Self, Failure> {
        let broker = start_broker(config).await?;
        let first = BrokerStatus {
            address: format!("{}:{}", config.uplink.host, config.uplink.port),
            embedded: config.embedded_broker.enabled,
            state: if config.uplink.enabled { "offline" } else { "off" }.to_owned(),
            since: Some(listing::rfc3339(ports.clock.machine())),
            ..BrokerStatus::default()
        };
        let (status, status_seen) = watch::channel(first);
        let (online, online_seen) = watch::channel(false);
        let uplink =
            config.uplink.enabled.then(|| start_uplink(config, ports, reader, (status, online)));
        Ok(Self { status: status_seen, online: online_seen, uplink, broker })
    }

    /// Tasks whose end means that the gateway is not well.
    pub(super) fn watched(&self) -> Vec<(&'static str, AbortHandle)> {
        let uplink = self.uplink.iter().map(|(_, task)| ("uplink", task.abort_handle()));
        let broker = self.broker.iter().map(|(_, task)| ("embedded broker", task.abort_handle()));
        uplink.chain(broker).collect()
    }

    /// The uplink says goodbye first, then the broker stops.
    pub(super) async fn stop(self, uplink_within: Duration, broker_within: Duration) {
        let parts = [
            ("uplink", self.uplink, uplink_within),
            ("embedded broker", self.broker, broker_within),
        ];
        for (name, part, within) in parts {
            let Some((stop, task)) = part else { continue };
            stop.cancel();
            if tokio::time::timeout(within, task).await.is_err() {
                tracing::warn!(name, "did not stop in time");
            }
        }
    }
}

fn start_uplink(
    config: &Config,
    ports: Ports,
    reader: Reader,
    (status, online): (watch::Sender<BrokerStatus>, watch::Sender<bool>),
) -> (CancellationToken, JoinHandle<()>) {
    let stop = CancellationToken::new();
    let (writes, mut written) = mpsc::channel(WRITES_MAX);
    let (view, view_seen) = watch::channel(UplinkView::default());
    let clock = ports.clock.clone();
    let uplink_ports = UplinkPorts {
        source: Box::new(reader),
        writes,
        committed: ports.committed,
        notes: ports.notes,
        view,
        clock: Box::new(move || clock.now()),
    };
    let running = uplink::run(settings(config, &ports.clock), uplink_ports, stop.clone());
    let (clock, writer) = (ports.clock.clone(), ports.writer);
    tokio::spawn(async move {
        // Ends when the uplink has ended and its last write is handed over.
        while let Some(write) = written.recv().await {
            if writer.uplink(write, clock.now()).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(show(view_seen, status, online, ports.clock));
    let task = tokio::spawn(async move {
        if let Err(error) = running.await {
            tracing::error!(%error, "the uplink has ended");
        }
    });
    (stop, task)
}

fn settings(config: &Config, clock: &Clock) -> UplinkSettings {
    let uplink = &config.uplink;
    let tls = uplink.tls.as_ref().map(|tls| Tls {
        ca_file: tls.ca.clone(),
        client: tls.certificate.clone().zip(tls.key.clone()),
        server_name: None,
    });
    let now = clock.now();
    UplinkSettings {
        gateway: config.gateway.id.clone(),
        endpoint: Endpoint { host: uplink.host.clone(), port: uplink.port, tls },
        client_id: None,
        username: uplink.username.clone(),
        password_file: uplink.password_file.clone(),
        consumers: uplink.consumers.clone(),
        keep_days: u32::from(uplink.retention_days),
        pace: Pace { keep_alive_s: uplink.keepalive_s, ..Pace::default() },
        // Jitter only has to differ between gateways.
        seed: now.wall.millis().unsigned_abs() ^ u64::from(std::process::id()),
        adapter: (config.radio.adapter == Adapter::Simulated).then(|| "simulated".to_owned()),
    }
}

/// Turns the uplink's view into what `hearth status` shows, and remembers since when.
async fn show(
    mut view: watch::Receiver<UplinkView>,
    status: watch::Sender<BrokerStatus>,
    online: watch::Sender<bool>,
    clock: Clock,
) {
    while view.changed().await.is_ok() {
        let seen = view.borrow_and_update().clone();
        let now = clock.machine();
        let is_online = seen.state == "online";
        online.send_if_modified(|known| std::mem::replace(known, is_online) != is_online);
        status.send_modify(|status| {
            if status.state != shown(&seen) {
                status.since = Some(listing::rfc3339(now));
            }
            note(status, &seen);
        });
    }
}

/// Another attempt in an outage is still the same outage, with the same beginning.
fn shown(seen: &UplinkView) -> &'static str {
    if seen.state == "connecting" && seen.problem.is_some() { "offline" } else { seen.state }
}

fn note(status: &mut BrokerStatus, seen: &UplinkView) {
    status.state = shown(seen).to_owned();
    status.reason = seen.problem.as_ref().map(|p| format!("{} {}", p.sentence, p.remedy));
}

#[cfg(feature = "embedded-broker")]
async fn start_broker(
    config: &Config,
) -> Result<Option<(CancellationToken, JoinHandle<()>)>, Failure> {
    use hearth_embedded_broker as embedded;
    let wanted = &config.embedded_broker;
    if !wanted.enabled {
        return Ok(None);
    }
    let sentence = |why: &str| {
        Failure::new(Exit::Io, format!("The gateway did not start: {why}."))
            .next("set embedded_broker.listen (and uplink.host, uplink.port) to a free address")
    };
    let listen =
        wanted.listen.parse().map_err(|_| sentence("embedded_broker.listen is no address"))?;
    let settings = embedded::Settings {
        listen,
        storage: embedded::Storage::Folder(wanted.storage.clone()),
        logins: logins(config)?,
    };
    let stop = CancellationToken::new();
    let (tell, bound) = tokio::sync::oneshot::channel();
    let running = embedded::run(settings, tell, stop.clone());
    let mut task = tokio::spawn(async move {
        let ended = running.await;
        if let Err(error) = &ended {
            tracing::error!(%error, "the embedded broker has ended");
        }
        ended.map_err(|error| error.to_string())
    });
    tokio::select! {
        Ok(_) = bound => {}
        ended = &mut task => {
            let why = match ended {
                Ok(Err(why)) => why,
                _ => "the embedded broker ended before it listened".to_owned(),
            };
            return Err(sentence(&why));
        }
        () = tokio::time::sleep(BROKER_WITHIN) => {
            return Err(sentence("the embedded broker did not listen in time"));
        }
    }
    let task = tokio::spawn(async move {
        let _ = task.await;
    });
    Ok(Some((stop, task)))
}

/// Who may connect to the embedded broker: the uplink's own user, where there is one.
#[cfg(feature = "embedded-broker")]
fn logins(config: &Config) -> Result<Vec<hearth_embedded_broker::Login>, Failure> {
    let uplink = &config.uplink;
    let (Some(username), Some(file)) = (&uplink.username, &uplink.password_file) else {
        return Ok(Vec::new());
    };
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    Ok(vec![hearth_embedded_broker::Login { username: username.clone(), password }])
}

#[cfg(not(feature = "embedded-broker"))]
async fn start_broker(
    config: &Config,
) -> Result<Option<(CancellationToken, JoinHandle<()>)>, Failure> {
    if config.embedded_broker.enabled {
        return Err(Failure::new(
            Exit::Configuration,
            "This hearth was built without the embedded broker.",
        ));
    }
    Ok(None)
}
