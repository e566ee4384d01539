//! `hearth devices`: hear, pair, list, look after and give up devices, and say whose they are.

use clap::Subcommand;

use super::client::{Daemon, done, listed};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::config::looks_like_a_name;
use crate::control::Verb;
use crate::control::command::{DeviceAssign, DeviceSettings, Target};
use crate::control::query::Listing;

mod ask;
mod certify;
mod doctor;
mod forget;
mod models;
mod pair;
mod scan;
mod show;
mod talk;
mod words;

/// Pair devices, look after them, and say whose they are
#[derive(Debug, clap::Args)]
#[command(
    alias = "device",
    after_help = "Example:\n  hearth devices scan\n  hearth devices pair --as cuff-1 --patient p1\n  \
                  hearth devices list\n\n`hearth device` is the same command."
)]
pub struct Devices {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Scan(scan::Scan),
    Pair(pair::Pair),
    /// List devices
    #[command(after_help = "Example:\n  hearth devices list")]
    List {
        /// Those no longer used, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    Show(show::Show),
    /// Put a device on the roster without pairing it
    #[command(
        after_help = "Example:\n  hearth devices add cuff-1 --kind blood_pressure_cuff --address C0:FF:EE:00:00:01"
    )]
    Add {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Change what is given, leave the rest
    #[command(after_help = "Example:\n  hearth devices edit cuff-1 --expected-interval-s 172800")]
    Edit {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say what people call a device; never a person's name
    #[command(after_help = "Example:\n  hearth devices rename cuff-1 \"blue cuff\"")]
    Rename {
        /// Device id
        id: String,
        /// What people call it; empty: nothing any more
        name: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say whose a device, or one of its user slots, is
    #[command(after_help = "Example:\n  hearth devices assign cuff-1 --patient p1 --slot 1")]
    Assign {
        /// Device id
        id: String,
        /// Patient id
        #[arg(long)]
        patient: String,
        /// User slot of the device [default: the whole device]
        #[arg(long)]
        slot: Option<u8>,
        /// From when, RFC 3339 or local date [default: now]
        #[arg(long)]
        from: Option<String>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    Forget(forget::Forget),
    /// Take a device out of use; its bond stays
    #[command(after_help = "Example:\n  hearth devices close cuff-1")]
    Close {
        /// Device id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    Models(models::Models),
    Doctor(doctor::Doctor),
    Certify(certify::Certify),
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// Opaque id
    id: String,
    /// What it is: glucose_meter, blood_pressure_cuff, weight_scale, ...
    #[arg(long)]
    kind: Option<String>,
    /// What people call it; never a person's name
    #[arg(long)]
    alias: Option<String>,
    /// Model name
    #[arg(long)]
    model: Option<String>,
    /// Model profile [default: recognised when it is met]
    #[arg(long)]
    profile: Option<String>,
    /// Bluetooth address
    #[arg(long)]
    address: Option<String>,
    /// Zone of its clock [default: its owner's]
    #[arg(long)]
    zone: Option<String>,
    /// Longest ordinary silence in seconds
    #[arg(long, value_name = "SECONDS")]
    expected_interval_s: Option<u32>,
}

impl From<Settings> for DeviceSettings {
    fn from(given: Settings) -> Self {
        Self {
            id: given.id,
            kind: given.kind,
            alias: given.alias,
            model: given.model,
            profile: given.profile,
            address: given.address,
            zone: given.zone,
            expected_interval_s: given.expected_interval_s,
        }
    }
}

impl Devices {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::Scan(command) => command.run(),
            Action::Pair(command) => command.run(),
            Action::Show(command) => command.run(),
            Action::Forget(command) => command.run(),
            Action::Models(command) => command.run(),
            Action::Doctor(command) => command.run(),
            Action::Certify(command) => command.run(),
            Action::Add { settings, format, daemon } => {
                let mut settings = DeviceSettings::from(settings);
                if let Some(id) = &settings.profile {
                    let known = models::known(&daemon)?;
                    let profile = models::named(&known, id)?;
                    settings.kind.get_or_insert_with(|| profile.kind.clone());
                }
                done(&daemon, format, Verb::DeviceAdd(settings))
            }
            Action::Edit { settings, format, daemon } => {
                check_profile(&daemon, settings.profile.as_deref())?;
                done(&daemon, format, Verb::DeviceEdit(settings.into()))
            }
            Action::Rename { id, name, format, daemon } => {
                let alias = Some(name);
                done(
                    &daemon,
                    format,
                    Verb::DeviceEdit(DeviceSettings { id, alias, ..DeviceSettings::default() }),
                )
            }
            Action::Assign { id, patient, slot, from, format, daemon } => {
                done(&daemon, format, Verb::DeviceAssign(DeviceAssign { id, patient, slot, from }))
            }
            Action::List { all, format, daemon } => listed(
                &daemon,
                format,
                (Listing::Devices, None, all),
                &[
                    ("id", "DEVICE"),
                    ("alias", "CALLED"),
                    ("kind", "KIND"),
                    ("profile", "PROFILE"),
                    ("address", "ADDRESS"),
                    ("owners", "OWNERS"),
                    ("bonded", "BONDED"),
                    ("state", "STATE"),
                    ("battery_percent", "BATTERY %"),
                    ("last_seen", "LAST SEEN"),
                ],
                "No devices are on the roster. Pair one: hearth devices pair --help",
            ),
            Action::Close { id, format, daemon } => {
                done(&daemon, format, Verb::DeviceClose(Target { id }))
            }
        }
    }
}

/// The state of a device in words, and what to do about it.
pub(super) fn told_of_state(word: &str) -> (String, Option<&'static str>) {
    (words::state(word), words::next(word))
}

/// A model that the gateway does not know is better told before anything is done with it.
fn check_profile(daemon: &Daemon, id: Option<&str>) -> Result<(), Failure> {
    match id {
        Some(id) => models::named(&models::known(daemon)?, id).map(drop),
        None => Ok(()),
    }
}

/// An id that is nobody's name: it stands in topics and logs.
fn check_id(id: Option<&str>) -> Result<(), Failure> {
    match id {
        Some(id) if looks_like_a_name(id) => Err(Failure::new(
            Exit::Usage,
            format!("{id} looks like a person's name; ids stand in topics and logs"),
        )
        .next("use an opaque id, for example cuff-1")),
        _ => Ok(()),
    }
}
