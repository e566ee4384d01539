//! The command line of `hearth consume`.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::{ConsumeError, ConsumeSettings, Print, Summary, run};
use crate::cli::exit::{Exit, Failure};
use crate::config::{self, Config};
use crate::uplink::transport::{Endpoint, Tls};

/// Read a gateway's messages from the broker, each once, and confirm what is held
///
/// A small consumer that keeps to the contract: it makes each message durable, drops what comes
/// twice, asks for what is missing, and confirms, so that the gateway may forget. An example for
/// integrators, and a way to look.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth consume --consumer ehr --state ehr.book\n  \
    hearth consume --host broker.example --port 8883 --ca ca.pem --gateway gateway-1 --json\n\n\
    Exit codes: 0 stopped or enough messages, 8 the broker or the state file cannot be used")]
pub struct Consume {
    /// Read broker and gateway from this configuration [default: hearth.toml, then
    /// /etc/hearth/hearth.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The broker's host name or address
    #[arg(long)]
    pub host: Option<String>,
    /// The broker's port
    #[arg(long)]
    pub port: Option<u16>,
    /// Certificate authorities (PEM); with this the connection is encrypted
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// User name at the broker
    #[arg(long, requires = "password_file")]
    pub username: Option<String>,
    /// File with the password, one line
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// The gateway's id
    #[arg(long, value_name = "ID")]
    pub gateway: Option<String>,
    /// This consumer's name; the gateway forgets only what its configured consumers confirmed
    #[arg(long, value_name = "NAME", default_value = "hearth-consume")]
    pub consumer: String,
    /// The file of what is held; made if it is not there
    #[arg(long, value_name = "FILE", default_value = "hearth-consume.book")]
    pub state: PathBuf,
    /// Leave out what was sent before this start
    #[arg(long)]
    pub since_start: bool,
    /// End after so many new messages
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Print each message as it came, one line of JSON each
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print no messages
    #[arg(long)]
    pub quiet: bool,
}

impl Consume {
    /// Consumes until a signal or enough messages.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = self.settings()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let done = runtime.block_on(until_a_signal(&settings));
        let summary = done.map_err(failure)?;
        if std::io::stderr().is_terminal() {
            let Summary { new, duplicates, replays, lost, .. } = summary;
            eprintln!(
                "{new} new, {duplicates} came twice, {replays} replays asked for, {lost} lost."
            );
        }
        Ok(Exit::Ok)
    }

    fn settings(&self) -> Result<ConsumeSettings, Failure> {
        let config = self.configured()?;
        let uplink = &config.uplink;
        let tls = match (&self.ca, &uplink.tls) {
            (Some(ca), _) => Some(Tls { ca_file: Some(ca.clone()), ..Tls::default() }),
            (None, Some(tls)) if self.host.is_none() => Some(Tls {
                ca_file: tls.ca.clone(),
                client: tls.certificate.clone().zip(tls.key.clone()),
                server_name: None,
            }),
            _ => None,
        };
        let login = match (&self.username, &self.password_file) {
            (Some(name), Some(file)) => Some((name.clone(), password(file)?)),
            _ if self.host.is_some() => None,
            _ => match (&uplink.username, &uplink.password_file) {
                (Some(name), Some(file)) => Some((name.clone(), password(file)?)),
                _ => None,
            },
        };
        Ok(ConsumeSettings {
            endpoint: Endpoint {
                host: self.host.clone().unwrap_or_else(|| uplink.host.clone()),
                port: self.port.unwrap_or(uplink.port),
                tls,
            },
            login,
            gateway: self.gateway.clone().unwrap_or_else(|| config.gateway.id.clone()),
            consumer: self.consumer.clone(),
            state: self.state.clone(),
            since_start: self.since_start,
            count: self.count,
            print: match (self.json, self.quiet) {
                (true, _) => Print::JsonLines,
                (_, true) => Print::Nothing,
                _ => Print::Lines,
            },
        })
    }

    /// The configuration, where one is named or found; a consumer elsewhere needs none.
    fn configured(&self) -> Result<Config, Failure> {
        match config::find(self.config.as_deref()) {
            Some(path) if self.config.is_some() || self.host.is_none() => {
                let loaded = crate::cli::check_config::load(Some(&path))?;
                Ok(loaded.1.config)
            }
            _ => Ok(Config::default()),
        }
    }
}

fn password(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::file("read", file, &e))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

async fn until_a_signal(settings: &ConsumeSettings) -> Result<Summary, ConsumeError> {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        stopping.cancel();
    });
    let mut say = |sentence: &str| eprintln!("note: {sentence}");
    match run(settings, &mut stdout(), &mut say, stop).await {
        // Nobody reads any more: what was printed was read, the rest comes at the next start.
        Err(ConsumeError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Ok(Summary::default())
        }
        done => done,
    }
}

fn failure(error: ConsumeError) -> Failure {
    let exit = match error {
        ConsumeError::Name(_) => Exit::Usage,
        _ => Exit::Io,
    };
    Failure::new(exit, format!("{error}."))
}
