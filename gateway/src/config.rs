//! The settings in `hearth.toml`, checked whole before anything starts: every problem at once,
//! with its line, what was expected and what to do about it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checked_toml::{self, Problem};

mod check;
mod misplaced;

pub use check::looks_like_a_name;

/// Where a packaged gateway keeps its settings.
pub const SYSTEM_FILE: &str = "/etc/hearth/hearth.toml";
/// Looked for first, in the current folder.
pub const LOCAL_FILE: &str = "hearth.toml";
/// Names the configuration file when no option does.
pub const ENVIRONMENT: &str = "HEARTH_CONFIG";

/// All settings. `hearth.example.toml` explains each one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this gateway is.
    pub gateway: Gateway,
    /// Where messages go.
    pub uplink: Uplink,
    /// A broker inside the gateway.
    pub embedded_broker: EmbeddedBroker,
    /// Where readings come from.
    pub radio: Radio,
    /// The local socket.
    pub control: Control,
    /// When the gateway's clock is trusted.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// Patients, devices and plans of a first start.
    pub household: Household,
    /// Care programmes.
    pub programmes: Programmes,
    /// What is logged.
    pub log: Log,
}

/// Who this gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// Stands in topics and messages; opaque, never a person's or a ward's name.
    pub id: String,
    /// IANA time zone of this place.
    pub zone: String,
    /// Folder of the database and of everything else the gateway keeps.
    pub data_dir: PathBuf,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            id: "gateway-1".to_owned(),
            zone: "UTC".to_owned(),
            data_dir: PathBuf::from("/var/lib/hearth"),
        }
    }
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uplink {
    /// Whether messages are sent to a broker at all.
    pub enabled: bool,
    /// The broker's host name or address.
    pub host: String,
    /// Its port; 1883 plain, 8883 with TLS.
    pub port: u16,
    /// Encryption; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// User name, where the broker asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File with the password, one line; readable by the gateway's user alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Consumers whose watermark must confirm a message before it is forgotten.
    pub consumers: Vec<String>,
    /// Days a message is kept where no consumer is named.
    pub retention_days: u16,
    /// Seconds of silence after which either side checks the connection.
    pub keepalive_s: u16,
}

impl Default for Uplink {
    fn default() -> Self {
        Self {
            enabled: true,
            host: "127.0.0.1".to_owned(),
            port: 1883,
            tls: None,
            username: None,
            password_file: None,
            consumers: Vec::new(),
            retention_days: 30,
            keepalive_s: 30,
        }
    }
}

/// Encryption of the connection to the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate authorities (PEM); absent: those of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// This gateway's certificate (PEM), where the broker asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM); readable by the gateway's user alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// A broker inside the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedBroker {
    /// Whether it runs.
    pub enabled: bool,
    /// `address:port`; loopback unless somebody must reach it from elsewhere.
    pub listen: String,
    /// Folder of its sessions and retained messages, below the data folder unless absolute.
    pub storage: PathBuf,
}

impl Default for EmbeddedBroker {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: "127.0.0.1:1883".to_owned(),
            storage: PathBuf::from("broker"),
        }
    }
}

/// Where readings come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Adapter {
    /// Nowhere: the gateway keeps, assesses and sends what it has.
    #[default]
    None,
    /// A simulated household on a local socket, which also drives the clock.
    Simulated,
    /// The Bluetooth adapter of this name: `hci0`, `hci1`, …
    Bluetooth(String),
}

impl Adapter {
    /// The word in the file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Simulated => "simulated",
            Self::Bluetooth(name) => name,
        }
    }

    /// The name of the Bluetooth adapter, where there is one.
    pub fn bluetooth(&self) -> Option<&str> {
        match self {
            Self::Bluetooth(name) => Some(name),
            Self::None | Self::Simulated => None,
        }
    }
}

impl Serialize for Adapter {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Adapter {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        let number = word.strip_prefix("hci").unwrap_or_default();
        match word.as_str() {
            "none" => Ok(Self::None),
            "simulated" => Ok(Self::Simulated),
            _ if (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self::Bluetooth(word))
            }
            _ => Err(serde::de::Error::unknown_variant(&word, &["none", "simulated", "hci0"])),
        }
    }
}

/// Where readings come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Radio {
    /// `none`, `simulated`, or the Bluetooth adapter: `hci0`.
    pub adapter: Adapter,
    /// Socket of the simulated household, below the data folder unless absolute.
    pub socket: PathBuf,
    /// Folder of device models (`*.toml`) beside those that come with Hearth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<PathBuf>,
    /// The last resort when the Bluetooth service does not answer, word by word; empty: staff are told.
    pub restart_command: Vec<String>,
}

impl Default for Radio {
    fn default() -> Self {
        Self {
            adapter: Adapter::None,
            socket: PathBuf::from("radio.sock"),
            models: None,
            restart_command: Vec::new(),
        }
    }
}

/// The local socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Its path, below the data folder unless absolute.
    pub socket: PathBuf,
    /// File mode in octal; who may write may ask and command.
    pub mode: String,
    /// Group of the file; absent: that of the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/hearth/control.sock"),
            mode: "0660".to_owned(),
            group: None,
        }
    }
}

/// When the gateway's clock is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Only after synchronisation over the network, or a person's word.
    pub require_sync: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Self { require_sync: true }
    }
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Free space below which status and staff are told, in mebibytes.
    pub disk_alarm_mib: u32,
    /// A damaged database is moved aside and every whole row kept, instead of not starting.
    pub salvage: bool,
    /// Days that readings are kept; 0: for ever.
    pub retention_days: u32,
}

/// Readings are kept for so many days at least: more than a year, so that every course and a
/// year's report can still be looked at, and far longer than any rule looks back.
pub(crate) const RETENTION_DAYS_MIN: u32 = 400;

impl Default for Store {
    fn default() -> Self {
        Self { disk_alarm_mib: 256, salvage: false, retention_days: 0 }
    }
}

/// Patients, devices and plans of a first start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Household {
    /// The file; applied at each start, each entry once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// Care programmes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Programmes {
    /// Folder of programme files (`*.toml`) beside those that come with Hearth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// JSON lines for programs.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// What is logged. Never a name or a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`.
    pub level: LogLevel,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Config {
    /// Path of the database.
    pub fn database(&self) -> PathBuf {
        self.gateway.data_dir.join("hearth.db")
    }

    /// Paths that may be given below the data folder, made whole; `base` is the folder of the file.
    fn resolved(mut self, base: &Path) -> Self {
        // Through its components, so that `data_dir = "."` leaves no `/.` at the end.
        let below = |folder: &Path, path: &mut PathBuf| {
            *path = folder.join(&*path).components().collect();
        };
        below(base, &mut self.gateway.data_dir);
        let data = self.gateway.data_dir.clone();
        below(&data, &mut self.embedded_broker.storage);
        below(&data, &mut self.radio.socket);
        below(&data, &mut self.control.socket);
        let tls = self.uplink.tls.as_mut();
        let (ca, certificate, key) = tls.map_or((None, None, None), |t| {
            (t.ca.as_mut(), t.certificate.as_mut(), t.key.as_mut())
        });
        let files = [
            ca,
            certificate,
            key,
            self.uplink.password_file.as_mut(),
            self.household.file.as_mut(),
            self.programmes.folder.as_mut(),
            self.radio.models.as_mut(),
        ];
        for path in files.into_iter().flatten() {
            below(base, path);
        }
        self
    }

    /// The mode of the control socket; checked when the file was read.
    pub fn control_mode(&self) -> u32 {
        u32::from_str_radix(self.control.mode.trim_start_matches("0o"), 8).unwrap_or(0o600)
    }
}

/// A configuration that was read, with what deserves a look although it works.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, paths made whole.
    pub config: Config,
    /// Things that work but deserve a look, one plain sentence each.
    pub remarks: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} could not be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The file says things that cannot be.
    #[error("{path} has {} problem(s)", problems.len())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All of them, by line.
        problems: Vec<Problem>,
    },
}

/// The configuration file: as given, as the environment says, in the current folder, in `/etc`.
pub fn find(given: Option<&Path>) -> Option<PathBuf> {
    if let Some(given) = given {
        return Some(given.to_owned());
    }
    if let Some(named) = std::env::var_os(ENVIRONMENT).filter(|name| !name.is_empty()) {
        return Some(PathBuf::from(named));
    }
    [LOCAL_FILE, SYSTEM_FILE].iter().map(PathBuf::from).find(|path| path.exists())
}

/// The control socket that a configuration file names, however wrong the rest of it is.
pub fn control_socket_of(file: &Path) -> Option<PathBuf> {
    places_of(file).map(|config| config.control.socket)
}

/// The database that a configuration file names, however wrong the rest of it is.
pub fn database_of(file: &Path) -> Option<PathBuf> {
    places_of(file).map(|config| config.database())
}

/// As much of a configuration file as says where models are, however wrong the rest of it is.
pub fn models_of(file: &Path) -> Option<Config> {
    places_of(file)
}

/// Data folder, control socket and models, read without a look at anything else.
fn places_of(file: &Path) -> Option<Config> {
    let text = read_bounded(file).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let word = |section: &str, key: &str| -> Option<PathBuf> {
        Some(PathBuf::from(table.get(section)?.as_table()?.get(key)?.as_str()?))
    };
    let mut config = Config::default();
    if let Some(folder) = word("gateway", "data_dir") {
        config.gateway.data_dir = folder;
    }
    if let Some(socket) = word("control", "socket") {
        config.control.socket = socket;
    }
    config.radio.models = word("radio", "models");
    Some(config.resolved(&folder_of(file)))
}

/// Reads and checks a file, and what it names on this machine.
///
/// # Errors
/// See [`ConfigError`].
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let text = read_bounded(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse(path, &text).map_err(|problems| ConfigError::Wrong { path: path.to_owned(), problems })
}

/// As [`load`], for text that was read already.
///
/// # Errors
/// All problems, by line.
pub fn parse(path: &Path, text: &str) -> Result<Loaded, Vec<Problem>> {
    let source = path.display().to_string();
    let document = checked_toml::Document::parse(&source, text)?;
    match document.read::<Config>() {
        Ok(config) => {
            let config = config.resolved(&folder_of(path));
            let (problems, remarks) = check::check(&config, &document);
            if problems.is_empty() { Ok(Loaded { config, remarks }) } else { Err(problems) }
        }
        Err(problems) => {
            let mut problems: Vec<Problem> =
                problems.into_iter().map(|p| misplaced::explain(p, text)).collect();
            // What can be read is checked all the same, so that one round of mending is enough.
            problems.extend(misplaced::check_the_rest(text, path, &problems));
            problems.sort_by_key(|problem| (problem.line, problem.column));
            problems.dedup_by(|a, b| a.line == b.line && a.key == b.key);
            Err(problems)
        }
    }
}

/// A file of settings is a few kilobytes; more is another file, or a device without an end.
const OCTETS_MAX: u64 = 4 << 20;

/// The text of a file of settings.
///
/// # Errors
/// What the system answered, or that it is too large or no text.
pub(crate) fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut octets = Vec::new();
    std::fs::File::open(path)?.take(OCTETS_MAX + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > OCTETS_MAX {
        return Err(wrong("it has more than 4 MiB, which is no file of settings"));
    }
    String::from_utf8(octets).map_err(|_| wrong("it is not UTF-8 text"))
}

fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests;
