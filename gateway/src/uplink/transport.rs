//! TCP and TLS to the broker, and what each failure means to the person who has to mend it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::uplink::broker::Stream;
use crate::uplink::reason::Fault;

/// TLS settings; files are read at every connection, so that a renewed certificate needs no restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates to trust (PEM); absent: those of the operating system.
    pub ca_file: Option<PathBuf>,
    /// Our certificate chain and key (PEM).
    pub client: Option<(PathBuf, PathBuf)>,
    /// Name that the broker's certificate must show; absent: the host.
    pub server_name: Option<String>,
}

/// Where the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `None`: without TLS.
    pub tls: Option<Tls>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

pub(crate) async fn open(endpoint: &Endpoint) -> Result<Box<dyn Stream>, Fault> {
    let addresses: Vec<_> = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(|error| {
            Fault::passing(
                "name",
                format!("The name {} could not be resolved: {error}.", endpoint.host),
                "Check `host` and the machine's name service.",
            )
        })?
        .collect();
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small packets must not wait for the next one.
                let _ = stream.set_nodelay(true);
                return match &endpoint.tls {
                    None => Ok(Box::new(stream)),
                    Some(tls) => secure(stream, endpoint, tls).await,
                };
            }
            Err(error) => last = Some(error),
        }
    }
    Err(explain_connect(endpoint, last.as_ref()))
}

fn explain_connect(endpoint: &Endpoint, error: Option<&io::Error>) -> Fault {
    match error.map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => Fault::passing(
            "refused",
            format!("Nothing listens at {endpoint}."),
            "Start the broker, or correct `host` and `port`.",
        ),
        Some(ErrorKind::TimedOut) => Fault::passing(
            "timed_out",
            format!("{endpoint} does not answer."),
            "Check firewall and network between gateway and broker.",
        ),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => Fault::passing(
            "unreachable",
            format!("There is no way to {endpoint}."),
            "Check the gateway's network.",
        ),
        _ => Fault::passing(
            "network",
            match error {
                Some(error) => format!("{endpoint} could not be reached: {error}."),
                None => format!("The name {} has no address.", endpoint.host),
            },
            "Check the network between gateway and broker.",
        ),
    }
}

fn unreadable(path: &Path, what: &str, error: impl fmt::Display) -> Fault {
    Fault::lasting(
        "tls_file",
        format!("The {what} {} could not be read: {error}.", path.display()),
        "Check that the file exists, is PEM, and may be read by the gateway's user.",
    )
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let list = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(path, what, error))?;
    if list.is_empty() {
        return Err(unreadable(path, what, "no certificate is in it"));
    }
    Ok(list)
}

fn client_config(tls: &Tls) -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    match &tls.ca_file {
        Some(path) => {
            for certificate in certificates(path, "CA file")? {
                roots.add(certificate).map_err(|error| unreadable(path, "CA file", error))?;
            }
        }
        None => {
            let native = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(native.certs);
            if roots.is_empty() {
                return Err(Fault::lasting(
                    "tls_no_roots",
                    "This machine has no trusted certificates.",
                    "Install the package ca-certificates, or name `ca` in `[uplink.tls]`.",
                ));
            }
        }
    }
    // Named, not the process default: a second provider in the binary would make that panic.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::passing("tls", format!("TLS: {error}."), "Report this."))?
        .with_root_certificates(roots);
    let Some((chain_file, key_file)) = &tls.client else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(chain_file, "client certificate")?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| unreadable(key_file, "client key", error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        Fault::lasting(
            "tls_client_key",
            format!("Client certificate and key do not fit together: {error}."),
            "Name a certificate and its own key.",
        )
    })
}

async fn secure(
    stream: TcpStream,
    endpoint: &Endpoint,
    tls: &Tls,
) -> Result<Box<dyn Stream>, Fault> {
    let config = client_config(tls)?;
    let name = tls.server_name.as_deref().unwrap_or(&endpoint.host);
    let server_name = ServerName::try_from(name.to_owned()).map_err(|_| {
        Fault::lasting(
            "tls_name",
            format!("\"{name}\" is neither a host name nor an address."),
            "Correct `host`.",
        )
    })?;
    let connector = TlsConnector::from(Arc::new(config));
    match connector.connect(server_name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(explain_tls(endpoint, name, &error)),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}

fn explain_tls(endpoint: &Endpoint, name: &str, error: &io::Error) -> Fault {
    use rustls::{CertificateError as Certificate, Error};
    match tls_error(error) {
        Some(Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        )) => Fault::lasting(
            "tls_wrong_name",
            format!("The certificate of {endpoint} is not for the name {name}."),
            "Use the name in the certificate as `host`.",
        ),
        Some(Error::InvalidCertificate(Certificate::UnknownIssuer)) => Fault::lasting(
            "tls_unknown_issuer",
            format!("The certificate of {endpoint} was issued by nobody we trust."),
            "Name its issuer's certificate as `ca` in `[uplink.tls]`.",
        ),
        Some(Error::InvalidCertificate(
            Certificate::Expired | Certificate::ExpiredContext { .. },
        )) => Fault::lasting(
            "tls_expired",
            format!("The certificate of {endpoint} has expired."),
            "Renew it, or set the gateway's clock.",
        ),
        Some(Error::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        )) => Fault::lasting(
            "tls_not_yet",
            format!("The certificate of {endpoint} is not valid yet."),
            "Set the gateway's clock.",
        ),
        Some(Error::InvalidMessage(_)) => Fault::lasting(
            "tls_plain_port",
            format!("{endpoint} does not speak TLS."),
            "Use the broker's TLS port (usually 8883), or remove `[uplink.tls]`.",
        ),
        Some(Error::AlertReceived(alert)) => Fault::lasting(
            "tls_alert",
            format!("{endpoint} ended the TLS handshake: {alert:?}."),
            "It may want a client certificate: name `certificate` and `key` in `[uplink.tls]`.",
        ),
        _ if error.kind() == ErrorKind::UnexpectedEof
            || error.kind() == ErrorKind::ConnectionReset =>
        {
            Fault::lasting(
                "tls_plain_port",
                format!("{endpoint} closed the connection during the TLS handshake."),
                "Use the broker's TLS port (usually 8883), or remove `[uplink.tls]`.",
            )
        }
        _ => Fault::passing(
            "tls",
            format!("TLS with {endpoint} failed: {error}."),
            "Look into the broker's log.",
        ),
    }
}

/// Why reading ended. In TLS 1.3 a server refuses a client certificate only after the handshake.
pub(crate) fn explain_read(error: &io::Error) -> Fault {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => Fault::lasting(
            "tls_alert",
            format!("The broker ended the TLS connection: {alert:?}."),
            "It may want a client certificate: name `certificate` and `key` in `[uplink.tls]`.",
        ),
        _ => Fault::passing(
            "network",
            format!("The connection broke: {error}."),
            "Check the network between gateway and broker.",
        ),
    }
}
