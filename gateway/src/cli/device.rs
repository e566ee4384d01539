//! `hearth device`: which devices are used, and whose they are.

use clap::Subcommand;

use super::client::{Daemon, done, listed, shown};
use super::exit::{Exit, Failure};
use super::print::Format;
use crate::control::Verb;
use crate::control::command::{DeviceAssign, DeviceSettings, Target};
use crate::control::query::Listing;

/// Put devices on the roster and say whose they are
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth device add cuff-1 --kind blood_pressure_cuff --address C0:FF:EE:00:00:01\n  hearth device assign cuff-1 --patient p1"
)]
pub struct Device {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put a device on the roster
    #[command(
        after_help = "Example:\n  hearth device add cuff-1 --kind blood_pressure_cuff --address C0:FF:EE:00:00:01"
    )]
    Add {
        /// Opaque id
        id: String,
        /// What it is: glucose_meter, blood_pressure_cuff, weight_scale, ...
        #[arg(long)]
        kind: Option<String>,
        /// Model name
        #[arg(long)]
        model: Option<String>,
        /// Bluetooth address
        #[arg(long)]
        address: Option<String>,
        /// Zone of its clock [default: its owner's]
        #[arg(long)]
        zone: Option<String>,
        /// Longest ordinary silence in seconds
        #[arg(long, value_name = "SECONDS")]
        expected_interval_s: Option<u32>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Change what is given, leave the rest
    #[command(after_help = "Example:\n  hearth device edit cuff-1 --expected-interval-s 172800")]
    Edit {
        /// Opaque id
        id: String,
        /// What it is: glucose_meter, blood_pressure_cuff, weight_scale, ...
        #[arg(long)]
        kind: Option<String>,
        /// Model name
        #[arg(long)]
        model: Option<String>,
        /// Bluetooth address
        #[arg(long)]
        address: Option<String>,
        /// Zone of its clock [default: its owner's]
        #[arg(long)]
        zone: Option<String>,
        /// Longest ordinary silence in seconds
        #[arg(long, value_name = "SECONDS")]
        expected_interval_s: Option<u32>,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say whose a device, or one of its user slots, is
    #[command(after_help = "Example:\n  hearth device assign cuff-1 --patient p1 --slot 1")]
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
    /// List devices
    #[command(after_help = "Example:\n  hearth device list")]
    List {
        /// Those no longer used, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show a device
    #[command(after_help = "Example:\n  hearth device show cuff-1")]
    Show {
        /// Device id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Take a device out of use
    #[command(after_help = "Example:\n  hearth device close cuff-1")]
    Close {
        /// Device id
        id: String,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        daemon: Daemon,
    },
}

impl Device {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.action {
            Action::Add { id, kind, model, address, zone, expected_interval_s, format, daemon } => {
                done(
                    &daemon,
                    format,
                    Verb::DeviceAdd(DeviceSettings {
                        id,
                        kind,
                        model,
                        address,
                        zone,
                        expected_interval_s,
                    }),
                )
            }
            Action::Edit {
                id,
                kind,
                model,
                address,
                zone,
                expected_interval_s,
                format,
                daemon,
            } => done(
                &daemon,
                format,
                Verb::DeviceEdit(DeviceSettings {
                    id,
                    kind,
                    model,
                    address,
                    zone,
                    expected_interval_s,
                }),
            ),
            Action::Assign { id, patient, slot, from, format, daemon } => {
                done(&daemon, format, Verb::DeviceAssign(DeviceAssign { id, patient, slot, from }))
            }
            Action::List { all, format, daemon } => listed(
                &daemon,
                format,
                (Listing::Devices, None, all),
                &[
                    ("id", "DEVICE"),
                    ("kind", "KIND"),
                    ("model", "MODEL"),
                    ("address", "ADDRESS"),
                    ("owners", "OWNERS"),
                    ("battery_percent", "BATTERY %"),
                    ("last_seen", "LAST SEEN"),
                ],
                "No devices are on the roster. Add one: hearth device add --help",
            ),
            Action::Show { id, format, daemon } => shown(&daemon, format, Listing::Devices, id),
            Action::Close { id, format, daemon } => {
                done(&daemon, format, Verb::DeviceClose(Target { id }))
            }
        }
    }
}
