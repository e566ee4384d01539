//! What is said to a connected device, and in which order: one driver per manner of speaking.
//!
//! A [`Driver`] is told an event and answers with steps. It does no I/O and holds no clock: a
//! transcript is a complete test of it. Only `connection` carries the steps out, one
//! after the other and each with a deadline. Every value that arrives is journalled there before
//! the driver hears of it; a driver decides what is asked, never what is kept.

mod generic;
mod record_access;
mod segments;
mod services;
mod taidoc;
mod time;
mod users;

#[cfg(test)]
mod tests;

use uuid::Uuid;

use super::air::{Fault, Place, Services};
use super::profile::Profile;
use crate::intake::VendorProtocol;

/// The time, as the shell gives it with every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Our clock, milliseconds since the epoch.
    pub utc_ms: i64,
    /// The same moment on the wall at the device's place: seconds since 1970 of that clock face.
    pub local_s: i64,
    /// Our clock is trusted: only then a device's clock is set.
    pub trusted: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The link is up, as secure as the model's policy asks, and these are its services.
    Opened(&'a Services),
    /// A [`Step::Read`] was carried out.
    Read {
        /// What was read.
        place: Place,
        /// The octets.
        result: Result<&'a [u8], Fault>,
    },
    /// A [`Step::Write`] was carried out.
    Written {
        /// Where.
        place: Place,
        /// Done, or why not.
        result: Result<(), Fault>,
    },
    /// A [`Step::Subscribe`] was carried out.
    Subscribed {
        /// To what.
        place: Place,
        /// Done, or why not.
        result: Result<(), Fault>,
    },
    /// A notification or indication; it is in the journal already.
    Value {
        /// From where.
        place: Place,
        /// The octets.
        octets: &'a [u8],
    },
    /// The time of the last [`Step::Wait`] is over.
    Timer,
    /// The link ended; whether that was the natural end, the driver knows. No step but `Found` and
    /// `Done` follows.
    Closed,
}

/// What is to be done. Steps are carried out in order; the answer to one comes before the next is
/// begun. Values and the timer may come at any moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read a characteristic.
    Read(Place),
    /// Write one.
    Write {
        /// Where.
        place: Place,
        /// What.
        octets: Vec<u8>,
        /// Wait for the device's answer.
        response: bool,
    },
    /// Ask for its values from now on.
    Subscribe(Place),
    /// No more of its values.
    Unsubscribe(Place),
    /// Journal something that was read (battery, features, clock): it is an arrival like a value.
    Keep {
        /// 16-bit UUID.
        characteristic: u16,
        /// The octets.
        octets: Vec<u8>,
    },
    /// Journal a record in the maker's own protocol: its frames, as they came.
    KeepVendor {
        /// Which protocol.
        protocol: VendorProtocol,
        /// The frames.
        octets: Vec<u8>,
    },
    /// Say so with [`Event::Timer`] after this time; replaces the wait before it.
    Wait {
        /// Milliseconds.
        after_ms: u32,
    },
    /// What was learned about the device.
    Found(Finding),
    /// The session is over. Nothing follows.
    Done(Ending),
}

/// What a session learns about a device beside its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Its clock before anything was set: the face it showed, seconds since 1970 of that face. The shell
    /// turns it into the difference under which all values of this connection are timed.
    Clock {
        /// What it showed.
        face_s: i64,
    },
    /// Its clock was set and read back.
    ClockSet {
        /// What it showed afterwards; `None`: it cannot be read.
        face_s: Option<i64>,
    },
    /// Manufacturer, model, firmware … of the Device Information service; never a serial number.
    Information {
        /// 16-bit UUID (2A29, 2A24, 2A26, 2A27, 2A28).
        characteristic: u16,
        /// The text, trimmed.
        text: String,
    },
    /// Records it holds in all.
    RecordsHeld(u32),
    /// Records it holds from the cursor on, before they were asked for.
    RecordsNew(u32),
    /// Oldest and newest record number, where they were asked for.
    RecordRange {
        /// Oldest.
        first: u16,
        /// Newest.
        last: u16,
    },
    /// Its numbering started anew: the cursor was forgotten and everything was asked for.
    SequenceReset,
    /// A user slot accepted its consent code, or refused it.
    Consent {
        /// The slot.
        slot: u8,
        /// Accepted.
        accepted: bool,
    },
    /// A user slot was registered on the device.
    Registered {
        /// Its index there.
        slot: u8,
    },
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything new was taken.
    Complete,
    /// What came is good, more is there: ask again at the next meeting.
    Incomplete(Fault),
    /// Nothing can be done with this device as it is.
    Failed(Fault),
}

/// What the gateway knows of a device when it connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Briefing {
    /// Number of the record that came last in the last complete transfer of the numbering in use,
    /// which a [`Finding::SequenceReset`] begins. Where numbers wrapped this is a small one although
    /// the device still holds higher ones.
    pub cursor: Option<u16>,
    /// Base time of that record, seconds since 1970 of the device's clock face, where it is known: the
    /// same number at a later time tells of a numbering that started anew.
    pub cursor_base_s: Option<i64>,
    /// User slots with their consent codes (User Data Service), as they were registered.
    pub consents: Vec<(u8, u16)>,
    /// Register a user with this consent code, because somebody asked for it while pairing.
    pub register: Option<u16>,
    /// The device was paired in this connection. Some regard pairing as finished only once the host
    /// leaves: one without record access is left as soon as its clock is set.
    pub pairing: bool,
}

/// One manner of speaking with a device.
pub trait Driver: Send {
    /// Takes an event and says what is to be done.
    fn on(&mut self, event: Event<'_>, now: Moment) -> Vec<Step>;
}

/// Makes a driver of its own for one model.
type Own = fn(&Profile, Briefing) -> Box<dyn Driver>;

/// Models that speak a protocol of their own, by their profiles' ids. A test shows that none is in
/// here twice.
const OWN: [(&str, Own); 1] = [("taidoc", |profile, _| Box::new(taidoc::Taidoc::new(profile)))];

/// The driver for a model: its own where it has one, the generic one last.
pub fn for_profile(profile: &Profile, briefing: Briefing) -> Box<dyn Driver> {
    match OWN.iter().find(|(id, _)| *id == profile.id) {
        Some((_, own)) => own(profile, briefing),
        None => Box::new(generic::Generic::new(profile, briefing)),
    }
}

/// Whether a model has a driver of its own.
pub fn has_own(profile: &Profile) -> bool {
    OWN.iter().any(|(id, _)| *id == profile.id)
}

/// The services whose values a session journals, for people and for `hearth devices certify`.
pub const STANDARD_SERVICES: [Uuid; 8] = [
    super::air::sig(0x1808),
    super::air::sig(0x1809),
    super::air::sig(0x180D),
    super::air::sig(0x1810),
    super::air::sig(0x181B),
    super::air::sig(0x181D),
    super::air::sig(0x181F),
    super::air::sig(0x1822),
];
