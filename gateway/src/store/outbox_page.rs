//! The outbox as its reader sees it: what to read, what was read, and in what form a row was
//! acknowledged. Plain data, filled in by [`outbox`](super::outbox).

use hearth_shared::time::UnixMillis;
use uuid::Uuid;

use crate::uplink::message::Lane;

/// One row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The lane.
    pub lane: Lane,
    /// Number on the lane, from 1.
    pub seq: u64,
    /// Id of what is told.
    pub id: Uuid,
    /// Kind of the message.
    pub kind: String,
    /// Patient id.
    pub patient: Option<String>,
    /// The body as JSON.
    pub body: String,
    /// When it was made.
    pub created: UnixMillis,
    /// After this moment it must not be acted on.
    pub expires: Option<UnixMillis>,
    /// Expired or withdrawn: only its tombstone may be sent.
    pub tombstone: bool,
    /// Its checksum is wrong: only a tombstone may be sent.
    pub damaged: bool,
}

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The lane.
    pub lane: Lane,
    /// Rows with a higher number.
    pub after: u64,
    /// Rows at most.
    pub limit: u32,
    /// `None`: queued rows. `Some`: every row still kept, up to and with this number.
    pub replay_to: Option<u64>,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Rows in ascending order.
    pub rows: Vec<Row>,
    /// Last number given on the lane.
    pub last: u64,
}

/// In what form a row was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The message itself.
    Message,
    /// Its tombstone: expired or withdrawn.
    Tombstone,
    /// A tombstone because the broker cannot take the message, or because it is damaged.
    SetAside,
}

/// One row that the broker acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The lane.
    pub lane: Lane,
    /// Its number.
    pub seq: u64,
    /// As what it was sent.
    pub form: Form,
}
