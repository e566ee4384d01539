//! `hearth devices pair`: a person and a device are led through pairing.

use serde_json::Value;

use super::super::client::Daemon;
use super::super::exit::{Exit, Failure};
use super::super::print::{self, Format};
use super::ask;
use super::talk::{Beforehand, Talk, six_digits};
use crate::control::query::{Listing, Request};
use crate::radio::air::Address;
use crate::requests::{PairRequest, RadioRequest};

/// Pair a device: the window opens, the device is heard, paired, asked for its readings and listed
///
/// Digits are typed when they are asked for, on a terminal or as a line of stdin; `--passkey` gives them
/// beforehand. A window closes by itself after two minutes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth devices pair --as cuff-1 --patient p1\n  \
    hearth devices pair C0:FF:EE:00:00:01 --as meter-1 --passkey 123456 --json\n\n\
    Exit codes: 0 paired, 1 not paired (the code says why), 5 refused")]
pub(super) struct Pair {
    #[command(flatten)]
    which: Which,
    /// Close a window that is open, and break off what is under way in it
    #[arg(long, conflicts_with_all = ["address", "id", "passkey", "patient"])]
    cancel: bool,
    /// Whose it is, by id [default: nobody's yet; its readings wait to be claimed]
    #[arg(long, value_name = "PATIENT")]
    patient: Option<String>,
    /// Only this user slot of the device is the patient's
    #[arg(long, requires = "patient")]
    slot: Option<u8>,
    /// The patient's from this moment, RFC 3339 or local date [default: now]
    #[arg(long, requires = "patient")]
    from: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

/// Which device is meant, and what is said beforehand.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Bluetooth address [default: the nearest device in pairing mode that is not paired yet]
    pub(super) address: Option<Address>,
    /// The id under which its readings are kept [default: one is made up]
    #[arg(long = "as", value_name = "ID")]
    pub(super) id: Option<String>,
    /// Its model profile [default: recognised]
    #[arg(long)]
    pub(super) profile: Option<String>,
    /// Consent code of a user slot; may be given for several
    #[arg(long, value_name = "SLOT=CODE", value_parser = slot_and_code)]
    pub(super) consent: Vec<(u8, u16)>,
    /// Register a new user on the device with this consent code
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(0..=9999))]
    pub(super) register: Option<u16>,
    /// Six digits, in place of asking for them
    #[arg(long, value_name = "DIGITS", value_parser = digits)]
    pub(super) passkey: Option<String>,
    /// Say yes when digits are to be compared
    #[arg(long)]
    pub(super) yes: bool,
    /// How long the window stays open
    #[arg(long, value_name = "SECONDS", default_value_t = crate::requests::WINDOW_S,
        value_parser = clap::value_parser!(u32).range(10..=600))]
    pub(super) seconds: u32,
}

fn digits(text: &str) -> Result<String, String> {
    six_digits(text).ok_or_else(|| "six digits are expected, for example 012345".to_owned())
}

fn slot_and_code(text: &str) -> Result<(u8, u16), String> {
    let parsed = text.split_once('=').and_then(|(slot, code)| {
        Some((slot.parse().ok()?, code.parse().ok().filter(|code| *code <= 9_999)?))
    });
    parsed.ok_or_else(|| "a slot and its code are expected, for example 1=4711".to_owned())
}

impl Which {
    pub(super) fn request(&self) -> PairRequest {
        PairRequest {
            address: self.address.map(|address| address.to_string()),
            device: self.id.clone(),
            profile: self.profile.clone(),
            consents: self.consent.clone(),
            register: self.register,
            seconds: Some(self.seconds),
            ..PairRequest::default()
        }
    }

    pub(super) fn talk(&self) -> Talk {
        Talk::new(Beforehand { passkey: self.passkey.clone(), yes: self.yes })
    }
}

impl Pair {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if self.cancel {
            ask::radio(&self.daemon, RadioRequest::Cancel)?;
            if !self.format.json {
                print::out("The window is closed.\n")?;
            }
            return Ok(Exit::Ok);
        }
        super::check_id(self.which.id.as_deref())?;
        super::check_profile(&self.daemon, self.which.profile.as_deref())?;
        self.check_patient()?;
        let mut talk = self.which.talk();
        // The radio assigns it before it fetches anything, so that no reading has to be claimed.
        let patient = self.patient.clone();
        let assigned = patient.is_some();
        let mut enrolled = |device: &str| {
            Ok(patient.as_ref().map_or(
                Value::Null,
                |patient| serde_json::json!({"sentence": format!("{device} is {patient}'s.")}),
            ))
        };
        let request = PairRequest {
            patient: self.patient.clone(),
            slot: self.slot,
            from: self.from.clone(),
            ..self.which.request()
        };
        let first = RadioRequest::Pair(request);
        ask::converse(&self.daemon, self.format, first, &mut talk, &mut enrolled)?;
        if !self.format.json {
            let device = talk.learned.device.as_deref().unwrap_or("the device");
            print::out(&format!("Done: {device} is paired.\n"))?;
            if !assigned {
                print::out(&format!(
                    "Nobody owns it yet: its readings wait to be claimed. \
                     Say whose it is: hearth devices assign {device} --patient ID\n"
                ))?;
            }
        }
        Ok(Exit::Ok)
    }

    /// A patient that nobody knows is better found out before the device is in pairing mode.
    fn check_patient(&self) -> Result<(), Failure> {
        let Some(id) = &self.patient else { return Ok(()) };
        let request = Request::Show { what: Listing::Patients, id: id.clone() };
        if self.daemon.rows(&request)?.is_empty() {
            return Err(Failure::new(
                Exit::Negative,
                format!("There is no patient with the id {id}."),
            )
            .next("list them: hearth patient list; add one: hearth patient add --help"));
        }
        Ok(())
    }
}
