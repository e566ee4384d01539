//! A library's MQTT 5 broker (mqtt5) behind one boxed future, for a home or ward without a broker of
//! its own. In a crate by itself, so that a change of the gateway does not compile the broker again.
//!
//! What must be known: its PubAck runs about a second ahead of its disk, so a kill can lose what it
//! acknowledged. The gateway's outbox keeps rows until the consumers confirm them, whatever the broker.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::MqttBroker;
use mqtt5::broker::auth::PasswordAuthProvider;
use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Clients at a time; a ward has a gateway and a handful of consumers.
pub const CLIENTS_MAX: usize = 64;
/// Octets of a packet.
pub const PACKET_MAX: usize = 1024 * 1024;
/// How long a session without its client is kept at most, s.
pub const SESSION_EXPIRY_S: u64 = 7 * 86_400;
/// Messages kept for a client that is away.
pub const QUEUED_MAX: usize = 100_000;
/// Octets kept for a client that is away.
pub const QUEUED_OCTETS_MAX: usize = 64 * 1024 * 1024;
/// Retained messages: one status per gateway and a reserve.
pub const RETAINED_MAX: usize = 1_000;
/// Time that an orderly end may take.
pub const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Where sessions, queues and retained messages are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Gone with the process.
    Memory,
    /// In this folder, which is created if need be. Never a default: the library would take one below
    /// the working directory.
    Folder(PathBuf),
}

/// A user name with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How the broker runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address and port; port 0 takes a free one, which `bound` tells.
    pub listen: SocketAddr,
    /// Where it keeps what it must keep.
    pub storage: Storage,
    /// Who may connect; empty: anybody who can reach `listen`.
    pub logins: Vec<Login>,
}

impl Settings {
    /// The loopback address at `port`, without passwords.
    pub fn loopback(port: u16, storage: Storage) -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), storage, logins: Vec::new() }
    }
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Anybody in the network could read and write everything.
    #[error(
        "the embedded broker would listen on {0} without passwords; set a password or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The folder cannot be made or written.
    #[error("the embedded broker cannot use the folder {folder}: {cause}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The address is taken or not ours.
    #[error("the embedded broker cannot listen on {listen}: {cause}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the library said.
        cause: String,
    },
    /// A password could not be prepared.
    #[error("the embedded broker cannot use the login {username}: {cause}")]
    Login {
        /// User name.
        username: String,
        /// What the library said.
        cause: String,
    },
    /// It ended by itself.
    #[error("the embedded broker ended: {0}")]
    Ended(String),
}

fn config(settings: &Settings) -> Result<BrokerConfig, BrokerError> {
    let mut storage = StorageConfig::new()
        .with_backend(StorageBackend::Memory)
        .with_persistence(true)
        .with_max_queued_messages_per_client(QUEUED_MAX)
        .with_max_queued_bytes_per_client(QUEUED_OCTETS_MAX);
    if let Storage::Folder(folder) = &settings.storage {
        std::fs::create_dir_all(folder)
            .map_err(|cause| BrokerError::Folder { folder: folder.clone(), cause })?;
        storage = storage.with_backend(StorageBackend::File).with_base_dir(folder.clone());
    }
    let mut config = BrokerConfig::default()
        .with_bind_address(settings.listen)
        .with_max_clients(CLIENTS_MAX)
        .with_max_packet_size(PACKET_MAX)
        .with_session_expiry(Duration::from_secs(SESSION_EXPIRY_S))
        .with_max_retained_messages(RETAINED_MAX)
        .with_max_retained_message_size(PACKET_MAX)
        .with_storage(storage);
    config.sys_topics_enabled = false;
    // The library wants a password file otherwise; who may connect is decided by the provider that
    // `serve` sets, which knows the logins and refuses anybody else.
    config.auth_config.allow_anonymous = true;
    Ok(config)
}

/// Runs the broker until `stop`. `bound` is told the address once clients can connect.
///
/// # Cancellation
/// Dropping it ends the broker without writing what its storage still holds back.
pub fn run(
    settings: Settings,
    bound: oneshot::Sender<SocketAddr>,
    stop: CancellationToken,
) -> Pin<Box<dyn Future<Output = Result<(), BrokerError>> + Send>> {
    Box::pin(serve(settings, bound, stop))
}

async fn serve(
    settings: Settings,
    bound: oneshot::Sender<SocketAddr>,
    stop: CancellationToken,
) -> Result<(), BrokerError> {
    if settings.logins.is_empty() && !settings.listen.ip().is_loopback() {
        return Err(BrokerError::Open(settings.listen));
    }
    let listen = settings.listen;
    let mut broker = MqttBroker::with_config(config(&settings)?)
        .await
        .map_err(|cause| BrokerError::Listen { listen, cause: cause.to_string() })?;
    if !settings.logins.is_empty() {
        let users = PasswordAuthProvider::new().with_anonymous(false);
        for login in &settings.logins {
            users.add_user(login.username.clone(), &login.password).map_err(|cause| {
                BrokerError::Login { username: login.username.clone(), cause: cause.to_string() }
            })?;
        }
        broker = broker.with_auth_provider(Arc::new(users));
    }
    let address = broker.local_addr().unwrap_or(listen);
    let handle = broker.shutdown_handle();
    let mut ready = broker.ready_receiver();
    let mut running = std::pin::pin!(broker.run());
    let mut bound = Some(bound);
    loop {
        tokio::select! {
            ended = &mut running => {
                let why = ended.err().map_or("without a reason".to_owned(), |e| e.to_string());
                return Err(BrokerError::Ended(why));
            }
            Ok(()) = ready.changed(), if bound.is_some() => {
                if let Some(bound) = bound.take() {
                    // Nobody may be waiting for the address.
                    let _ = bound.send(address);
                }
            }
            () = stop.cancelled() => break,
        }
    }
    handle.shutdown();
    match tokio::time::timeout(STOP_WITHIN, running).await {
        Ok(Ok(())) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(BrokerError::Ended(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn it_tells_its_port_writes_only_into_its_folder_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().join("broker"));
        let before = std::fs::read_dir(".").unwrap().count();
        let (tell, bound) = oneshot::channel();
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(Settings::loopback(0, storage), tell, stop.clone()));
        let address = bound.await.unwrap();
        assert_ne!(address.port(), 0);
        tokio::net::TcpStream::connect(address).await.unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
        assert!(folder.path().join("broker").is_dir());
        assert_eq!(std::fs::read_dir(".").unwrap().count(), before);
    }

    #[tokio::test]
    async fn a_taken_port_and_an_open_network_are_refused() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let (tell, _) = oneshot::channel();
        let result = run(Settings::loopback(port, Storage::Memory), tell, CancellationToken::new());
        assert!(matches!(result.await, Err(BrokerError::Listen { .. })));
        let mut open = Settings::loopback(0, Storage::Memory);
        open.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let (tell, _) = oneshot::channel();
        let result = run(open, tell, CancellationToken::new()).await;
        assert!(matches!(result, Err(BrokerError::Open(_))));
    }

    #[tokio::test]
    async fn with_a_login_it_starts_and_refuses_anybody_else() {
        let mut settings = Settings::loopback(0, Storage::Memory);
        settings.logins = vec![Login { username: "ward".into(), password: "right".into() }];
        let (tell, bound) = oneshot::channel();
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(settings, tell, stop.clone()));
        let mut stream = tokio::net::TcpStream::connect(bound.await.unwrap()).await.unwrap();
        // CONNECT of MQTT 5 without a user: protocol name, version 5, clean start, client id "a".
        let hello = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01a";
        stream.write_all(hello).await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[0], 0x20, "a CONNACK");
        assert!(answer[3] >= 0x80, "refused: {answer:x?}");
        stop.cancel();
        task.await.unwrap().unwrap();
    }
}
