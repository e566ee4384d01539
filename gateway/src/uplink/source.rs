//! Between uplink and store: rows are read through [`OutboxSource`], everything written goes as an
//! [`UplinkWrite`] to the single writer.

use hearth_shared::time::UnixMillis;
use tokio::sync::mpsc;

use crate::store::outbox_page::{Fetch, Page, Sent};
use crate::store::{Queries, Reader, StoreError, Tx, outbox, watermark};
use crate::uplink::message::{Answer, Lane, Watermark};

/// Where the uplink reads rows from.
pub trait OutboxSource: Send {
    /// Reads one page. Blocking; called off the async threads.
    ///
    /// # Errors
    /// A sentence for the log; the uplink tries again later.
    fn fetch(&mut self, fetch: &Fetch) -> Result<Page, String>;
}

impl OutboxSource for Reader {
    fn fetch(&mut self, fetch: &Fetch) -> Result<Page, String> {
        outbox::page(self, fetch).map_err(|e| e.to_string())
    }
}

/// What the uplink asks of the single writer.
#[derive(Clone, Debug, PartialEq)]
pub enum UplinkWrite {
    /// The broker acknowledged these rows.
    Acknowledged(Vec<Sent>),
    /// The broker has forgotten our session: queue again what no consumer confirmed.
    SessionLost {
        /// Consumers that count.
        consumers: Vec<String>,
    },
    /// Remove rows that need not be kept.
    Forget {
        /// Consumers that count.
        consumers: Vec<String>,
        /// Without consumers: what was acknowledged before this moment.
        acknowledged_before: UnixMillis,
    },
    /// A consumer confirmed.
    Watermark(Watermark),
    /// Add to counters.
    Count(Vec<(String, u32)>),
    /// Something came in that must be journalled before it is acknowledged: a command, or a message
    /// that cannot be read (`problem`), which is quarantined. For the application: it journals the
    /// octets, executes a command, and replies with the answers to publish.
    Incoming {
        /// Last part of the topic: `commands`, `watermarks` or `replay`.
        to: &'static str,
        /// The octets as they came; of an oversize message the first [`INCOMING_MAX`].
        payload: Vec<u8>,
        /// Why it cannot be executed; it is quarantined then.
        problem: Option<String>,
    },
}

/// Octets of an incoming message at most; a longer one is quarantined.
pub const INCOMING_MAX: usize = 64 * 1024;

/// What the writer replies, after the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum UplinkWritten {
    /// Done.
    Done,
    /// Refused, with a sentence: acknowledged to the broker all the same.
    Refused(String),
    /// Answers to publish (for [`UplinkWrite::Incoming`]).
    Answers(Vec<Answer>),
    /// The commit failed; nothing is acknowledged, and it will come again.
    Failed(String),
}

/// A write and where the reply goes. The channel is unbounded because the uplink itself bounds how
/// many writes are under way; a synchronous writer can therefore always reply without waiting.
#[derive(Debug)]
pub struct WriteRequest {
    /// Comes back with the reply.
    pub token: u64,
    /// What to write.
    pub write: UplinkWrite,
    /// Where the reply goes.
    pub reply: mpsc::UnboundedSender<(u64, UplinkWritten)>,
}

/// Carries out a write within the writer's transaction. [`UplinkWrite::Incoming`] belongs to the
/// application and is refused here.
///
/// # Errors
/// What the store answered; the transaction is then rolled back.
pub fn apply(
    tx: &Tx<'_>,
    write: &UplinkWrite,
    now: UnixMillis,
) -> Result<UplinkWritten, StoreError> {
    match write {
        UplinkWrite::Acknowledged(sent) => {
            outbox::acknowledge(tx, sent, now)?;
            Ok(UplinkWritten::Done)
        }
        UplinkWrite::SessionLost { consumers } => {
            outbox::requeue(tx, consumers)?;
            Ok(UplinkWritten::Done)
        }
        UplinkWrite::Forget { consumers, acknowledged_before } => {
            outbox::forget(tx, consumers, *acknowledged_before)?;
            Ok(UplinkWritten::Done)
        }
        UplinkWrite::Watermark(mark) => Ok(match watermark::store(tx, mark, now)? {
            watermark::Taken::Moved | watermark::Taken::Known => UplinkWritten::Done,
            watermark::Taken::Beyond { last } => UplinkWritten::Refused(format!(
                "The watermark {} lies beyond {last}, the last number given on this lane.",
                mark.seq
            )),
        }),
        UplinkWrite::Count(counts) => {
            for (name, n) in counts {
                outbox::count_uplink(tx, name, *n)?;
            }
            Ok(UplinkWritten::Done)
        }
        UplinkWrite::Incoming { .. } => {
            Ok(UplinkWritten::Failed("incoming messages enter through the journal".to_owned()))
        }
    }
}

// A page is read from a connection that is moved between threads.
const _: () = {
    const fn sendable<T: Send>() {}
    sendable::<Reader>();
};

/// Up to which numbers the outbox is confirmed, for people.
///
/// # Errors
/// What the store answered.
pub fn confirmed(from: &impl Queries, consumers: &[String]) -> Result<[u64; 2], StoreError> {
    Ok([
        watermark::confirmed(from, consumers, Lane::Alerts)?,
        watermark::confirmed(from, consumers, Lane::Observations)?,
    ])
}
