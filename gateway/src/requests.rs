//! What a person may ask of the radio, and what it tells meanwhile: the same for the command line and a
//! console. Plain data; the radio's task answers through [`Radio`].

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the radio; each client has one under way.
pub const REQUESTS_MAX: usize = 16;

/// A pairing window closes by itself after this long.
pub const WINDOW_S: u32 = 120;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum RadioRequest {
    /// Which devices were heard in the last minutes.
    Near,
    /// Open a window and pair this device in it. The conversation is heard by `hear`.
    Pair(PairRequest),
    /// The person's answer to a question of the conversation.
    Answer(PersonSays),
    /// Close the window; what is under way is broken off.
    Cancel,
    /// What was told after this number; waits up to two seconds for news.
    Hear {
        /// Number of the last line known; 0: from the start of the conversation.
        after: u64,
    },
    /// Remove the bond of this address, here only.
    Unbond {
        /// Bluetooth address.
        address: String,
    },
    /// How the radio is.
    State,
    /// A scripted session with a device on the table: like `pair`, and everything is written down.
    Certify(PairRequest),
}

/// Which device is to be paired, and as what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PairRequest {
    /// Its address; absent: the first one heard that is in pairing mode and not yet on the roster.
    pub address: Option<String>,
    /// The device id under which its readings are kept: as it stands on the roster with this address, or
    /// as it is put there once it is paired; absent: one is made up.
    pub device: Option<String>,
    /// Profile id; absent: recognised by what it announces.
    pub profile: Option<String>,
    /// Consent codes of its user slots (User Data Service).
    pub consents: Vec<(u8, u16)>,
    /// Register a new user on it with this consent code.
    pub register: Option<u16>,
    /// Whose it is from now on.
    pub patient: Option<String>,
    /// Which of its user slots is theirs; absent: the whole device.
    pub slot: Option<u8>,
    /// Since when it is theirs, RFC 3339 or local date; readings from before wait for a word.
    pub from: Option<String>,
    /// How long the window stays open; absent: [`WINDOW_S`].
    pub seconds: Option<u32>,
}

/// What the person answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PersonSays {
    /// The six digits that the device shows.
    Passkey(String),
    /// Yes, the digits are the same.
    Yes,
    /// No.
    No,
}

/// One line of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Counts from 1 within a conversation.
    pub n: u64,
    /// What is told.
    #[serde(flatten)]
    pub what: Telling,
}

/// What the radio tells while a device is paired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Telling {
    /// The window is open; the device is to be put into pairing mode.
    WindowOpen {
        /// For so long.
        seconds: u32,
        /// How this model is put into pairing mode, where that is known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        hint: Option<String>,
    },
    /// The device was heard.
    Heard(NearDevice),
    /// It is being connected and paired.
    Pairing,
    /// Type the six digits that the device shows.
    AskPasskey,
    /// Are these digits on the device?
    AskConfirm {
        /// Six of them.
        digits: String,
    },
    /// Enter these digits on the device.
    ShowDigits {
        /// Six of them.
        digits: String,
    },
    /// Paired; what is known of the bond.
    Paired {
        /// LE Secure Connections: `yes`, `no`, `unknown`.
        secure_connections: String,
        /// Protected against a man in the middle: `yes`, `no`, `unknown`.
        authenticated: String,
        /// Octets of the key, where known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key_octets: Option<u8>,
    },
    /// The device is on the roster under this id.
    Enrolled {
        /// Device id.
        device: String,
    },
    /// What it says about itself.
    Information {
        /// `manufacturer`, `model`, `firmware`, `hardware`, `software`, `battery`.
        what: String,
        /// The text.
        text: String,
    },
    /// Its clock: how far it was off, and how far it is off now that it was set.
    Clock {
        /// Seconds it was behind ours (negative: ahead).
        before_s: i64,
        /// The same after it was set and read back; absent: not set, or it cannot be read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        after_s: Option<i64>,
    },
    /// Records it holds, in all and new ones.
    Records {
        /// In all.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        held: Option<u32>,
        /// From the cursor on.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        new: Option<u32>,
    },
    /// So many values are in the journal from this session.
    Collected {
        /// Values.
        values: u32,
    },
    /// A user slot of the device took its consent code, or did not, or was registered.
    Slot {
        /// Its number.
        slot: u8,
        /// `accepted`, `refused`, `registered`.
        state: String,
    },
    /// One step of a certification.
    Step {
        /// What was tried.
        what: String,
        /// `pass`, `fail`, `skipped`.
        result: String,
        /// The detail.
        detail: String,
    },
    /// It is over, and well.
    Done {
        /// Device id, where it is on the roster.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        device: Option<String>,
    },
    /// It is over, and not well.
    Failed {
        /// A word for programs.
        code: String,
        /// What happened.
        sentence: String,
        /// What to do next.
        next: String,
    },
}

impl Telling {
    /// Nothing follows.
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. })
    }
}

/// A device that was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearDevice {
    /// Bluetooth address.
    pub address: String,
    /// Its name, where it tells one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The profile that fits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<String>,
    /// The model as people say it, where a profile fits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// 16-bit UUIDs of the services it announces.
    pub services: Vec<String>,
    /// Signal strength, dBm.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rssi: Option<i16>,
    /// Seconds since it was heard.
    pub heard_s_ago: u32,
    /// A key of it is here.
    pub bonded: bool,
    /// Its id on the roster.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
}

/// How the radio is; part of `hearth status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RadioHealth {
    /// `ok`, or the code of what is wrong.
    pub state: String,
    /// What is wrong, as one plain sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sentence: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// Since when, RFC 3339 UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
    /// It scans.
    pub scanning: bool,
    /// Seconds since anything was heard.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heard_s_ago: Option<u32>,
    /// Addresses of devices that are connected now.
    pub connected: Vec<String>,
    /// Sessions since the start: complete, incomplete, failed.
    pub sessions: [u64; 3],
    /// Scans restarted.
    pub scan_restarts: u64,
    /// Adapter resets.
    pub adapter_resets: u64,
    /// Times `bluetoothd` went away or was started anew.
    pub daemon_restarts: u64,
    /// Panics in the background tasks of the Bluetooth library, survived.
    pub library_panics: u64,
    /// Devices refused because their link was not encrypted.
    pub refused_links: u64,
    /// Our pairing agent is the one that BlueZ asks; absent: not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_default: Option<bool>,
    /// Addresses of devices of which a key is here; absent: not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bonds: Option<Vec<String>>,
}

/// What the radio answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "radio", rename_all = "snake_case")]
pub enum RadioAnswer {
    /// Done, or begun.
    Done,
    /// To `near`.
    Near {
        /// Strongest first.
        devices: Vec<NearDevice>,
    },
    /// To `hear`.
    Told {
        /// In order.
        lines: Vec<Told>,
    },
    /// To `state`.
    State {
        /// See there.
        health: RadioHealth,
    },
    /// Not done.
    Refused {
        /// A word for programs.
        code: String,
        /// Why.
        sentence: String,
        /// What to do next.
        next: String,
    },
}

/// The way to the radio's task.
#[derive(Clone, Debug)]
pub struct Radio(mpsc::Sender<(RadioRequest, oneshot::Sender<RadioAnswer>)>);

/// The end that the radio's task reads.
pub type RadioRequests = mpsc::Receiver<(RadioRequest, oneshot::Sender<RadioAnswer>)>;

impl Radio {
    /// A handle, and the end that the task reads.
    pub fn channel() -> (Self, RadioRequests) {
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        (Self(sender), receiver)
    }

    /// Asks. `None`: the radio's task has ended.
    pub async fn ask(&self, request: RadioRequest) -> Option<RadioAnswer> {
        let (reply, answer) = oneshot::channel();
        self.0.send((request, reply)).await.ok()?;
        answer.await.ok()
    }
}
