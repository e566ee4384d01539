//! One lane's rows in memory: read ahead, under way, refused, and acknowledged but not yet written down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::store::outbox_page::{Fetch, Page, Row};
use crate::uplink::message::Lane;

/// Rows read at once from the backlog: large enough that reading is no cost, small enough for memory
/// (512 rows of about 600 octets are 300 kB).
pub(crate) const PAGE: u32 = 512;
/// Rows read at once from lane `alerts`: few, because a prompt may be withdrawn while it waits here.
pub(crate) const PAGE_ALERTS: u32 = 64;
/// After so many refusals in a row the lane is tried with single rows at growing intervals.
const PROBE_AFTER: u32 = 3;
/// First pause after a refusal, ms; doubled each time.
const REFUSED_PAUSE_MS: u64 = 2_000;
/// Longest pause of one refused row, ms.
const REFUSED_PAUSE_MAX_MS: u64 = 300_000;
/// Longest pause of a whole lane, ms: a fresh alert behind rows that are refused for ever waits no longer.
const HOLD_MAX_MS: u64 = 15_000;
/// An idle lane looks at its whole queue again, ms: rows that were withdrawn or queued again meanwhile.
const SWEEP_MS: u64 = 15_000;

fn pause_ms(attempts: u32) -> u64 {
    REFUSED_PAUSE_MS.saturating_mul(1 << attempts.min(10)).min(REFUSED_PAUSE_MAX_MS)
}

#[derive(Clone, Debug)]
struct Refused {
    row: Row,
    attempts: u32,
    due_ms: u64,
}

/// The state of one lane.
#[derive(Clone, Debug)]
pub(crate) struct LaneQueue {
    lane: Lane,
    cursor: u64,
    more: bool,
    fetching: bool,
    stale: bool,
    excluded: BTreeSet<u64>,
    queue: VecDeque<Row>,
    flying: BTreeSet<u64>,
    refused: BTreeMap<u64, Refused>,
    attempts: BTreeMap<u64, u32>,
    unstored: BTreeSet<u64>,
    refusals: u32,
    hold_until_ms: u64,
    probe_refused: bool,
    sweep_ms: u64,
    /// A row behind the cursor may have become a tombstone.
    changed: bool,
    last: u64,
}

impl LaneQueue {
    pub(crate) fn new(lane: Lane) -> Self {
        Self {
            lane,
            cursor: 0,
            more: true,
            fetching: false,
            stale: false,
            excluded: BTreeSet::new(),
            queue: VecDeque::new(),
            flying: BTreeSet::new(),
            refused: BTreeMap::new(),
            attempts: BTreeMap::new(),
            unstored: BTreeSet::new(),
            refusals: 0,
            hold_until_ms: 0,
            probe_refused: false,
            sweep_ms: 0,
            changed: false,
            last: 0,
        }
    }

    /// Last number given, as far as known here.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }
    /// Rows that the broker refused and that are tried again.
    pub(crate) fn refused(&self) -> usize {
        self.refused.len()
    }
    /// Nothing waits, flies or was refused, as far as known here.
    pub(crate) fn drained(&self) -> bool {
        !self.more && self.queue.is_empty() && self.flying.is_empty() && self.refused.is_empty()
    }

    /// The store has further rows. Of what stands on lane `alerts` a prompt may have been withdrawn:
    /// the consumer hears of it at once, not with the next sweep.
    pub(crate) fn woken(&mut self) {
        self.more = true;
        self.changed = self.lane == Lane::Alerts;
    }

    /// Starts over from the beginning of the queue: after a lost session, or to find rows that changed.
    pub(crate) fn rewind(&mut self) {
        self.queue.clear();
        self.cursor = 0;
        self.more = true;
        self.stale = self.fetching;
    }

    /// What to read next, if anything. At most one read per lane is under way.
    pub(crate) fn fetch(&mut self, now_ms: u64) -> Option<Fetch> {
        let limit = if self.lane == Lane::Alerts { PAGE_ALERTS } else { PAGE };
        if self.fetching || self.queue.len() >= limit as usize / 2 {
            return None;
        }
        let idle = self.queue.is_empty() && self.flying.is_empty() && self.unstored.is_empty();
        // With rows that are refused again and again only the slow sweep starts over: it must not
        // hide the rows behind them.
        let changed = self.changed && self.refused.is_empty();
        // A gateway at work commits all the time: being woken must not put the slow sweep off.
        let sweeps = idle && (changed || now_ms >= self.sweep_ms);
        if !self.more && !sweeps {
            return None;
        }
        if sweeps {
            self.cursor = 0;
            self.changed = false;
            self.sweep_ms = now_ms.saturating_add(SWEEP_MS);
        }
        self.fetching = true;
        self.more = false;
        // What is known now may still stand as queued in the snapshot that is going to be read.
        self.excluded = self.flying.iter().chain(&self.unstored).copied().collect();
        self.excluded.extend(self.refused.keys());
        Some(Fetch { lane: self.lane, after: self.cursor, limit, replay_to: None })
    }

    /// What was read; `asked` is the read it answers.
    pub(crate) fn arrived(&mut self, asked: &Fetch, page: Page) {
        self.fetching = false;
        self.last = self.last.max(page.last);
        if std::mem::take(&mut self.stale) {
            // Rewound meanwhile: this page belongs to the time before.
            self.more = true;
            return;
        }
        if page.rows.len() >= asked.limit as usize {
            self.more = true;
        }
        if let Some(row) = page.rows.last() {
            self.cursor = row.seq;
        }
        let excluded = std::mem::take(&mut self.excluded);
        for row in page.rows {
            let known = excluded.contains(&row.seq)
                || self.flying.contains(&row.seq)
                || self.unstored.contains(&row.seq)
                || self.refused.contains_key(&row.seq);
            if !known {
                self.queue.push_back(row);
            }
        }
    }

    /// A read failed; it is tried again with the next sweep.
    pub(crate) fn fetch_failed(&mut self) {
        self.fetching = false;
        self.stale = false;
        self.excluded.clear();
        self.cursor = 0;
        self.queue.clear();
    }

    /// The next row to send.
    pub(crate) fn next(&mut self, now_ms: u64) -> Option<Row> {
        let probing = self.refusals >= PROBE_AFTER;
        if now_ms < self.hold_until_ms || (probing && !self.flying.is_empty()) {
            return None;
        }
        let due = self.refused.values().find(|r| r.due_ms <= now_ms).map(|r| r.row.seq);
        // While probing take turns, so that a few rows that are refused for ever do not hide that
        // the others would be taken.
        let skip = probing && !self.probe_refused && !self.queue.is_empty();
        let row = match due {
            Some(seq) if !skip => {
                let refused = self.refused.remove(&seq)?;
                self.attempts.insert(seq, refused.attempts);
                refused.row
            }
            _ => self.queue.pop_front()?,
        };
        if probing {
            self.probe_refused = !self.probe_refused;
        }
        self.flying.insert(row.seq);
        Some(row)
    }

    /// The broker took a row; it must still be written down.
    pub(crate) fn taken(&mut self, seq: u64) {
        self.flying.remove(&seq);
        self.attempts.remove(&seq);
        self.unstored.insert(seq);
        if self.refusals >= PROBE_AFTER {
            // The lane as a whole was refused, and is not any more.
            self.refused.values_mut().for_each(|refused| refused.due_ms = 0);
        }
        self.refusals = 0;
        self.hold_until_ms = 0;
    }

    /// An acknowledgement is written down.
    pub(crate) fn stored(&mut self, seq: u64) {
        self.unstored.remove(&seq);
    }

    /// The broker refused a row: it is tried again later.
    pub(crate) fn refuse(&mut self, row: Row, now_ms: u64) {
        let seq = row.seq;
        self.flying.remove(&seq);
        let attempts = self.attempts.remove(&seq).unwrap_or(0);
        let due_ms = now_ms.saturating_add(pause_ms(attempts));
        self.refused.insert(seq, Refused { row, attempts: attempts.saturating_add(1), due_ms });
        if self.refusals >= PROBE_AFTER && now_ms < self.hold_until_ms {
            // Sent before the pause began: says nothing new.
            return;
        }
        self.refusals = self.refusals.saturating_add(1);
        if let Some(level) = self.refusals.checked_sub(PROBE_AFTER) {
            self.hold_until_ms = now_ms.saturating_add(pause_ms(level).min(HOLD_MAX_MS));
        }
    }

    /// Rows under way are not under way any more (the connection is new): back to the front, in order.
    pub(crate) fn landed(&mut self, mut rows: Vec<Row>) {
        rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
        for row in rows {
            self.flying.remove(&row.seq);
            self.queue.push_front(row);
        }
    }

    /// A new connection: what held the lane may be gone.
    pub(crate) fn reconnected(&mut self) {
        self.hold_until_ms = 0;
        self.refusals = 0;
        for refused in self.refused.values_mut() {
            refused.due_ms = 0;
        }
    }

    /// When this lane wants to be asked again, ms.
    pub(crate) fn wake_ms(&self) -> u64 {
        let due = self.refused.values().map(|r| r.due_ms).min();
        let due = due.map_or(u64::MAX, |d| d.max(self.hold_until_ms));
        let held = if self.queue.is_empty() { u64::MAX } else { self.hold_until_ms };
        let held = if held == 0 { u64::MAX } else { held };
        let sweep = if self.fetching { u64::MAX } else { self.sweep_ms };
        due.min(held).min(sweep)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_commit_makes_the_alerts_look_back_at_once_and_observations_only_with_the_sweep() {
        for (lane, again) in [(Lane::Alerts, 0), (Lane::Observations, 7)] {
            let mut queue = LaneQueue::new(lane);
            let asked = queue.fetch(0).unwrap();
            queue.arrived(&asked, Page { rows: Vec::new(), last: 7 });
            queue.cursor = 7;
            assert_eq!(queue.fetch(1), None, "nothing is new");
            queue.woken();
            assert_eq!(queue.fetch(1).unwrap().after, again, "{lane:?}");
        }
    }

    #[test]
    fn a_message_withdrawn_after_it_was_sent_is_found_although_commits_go_on() {
        let mut lane = LaneQueue::new(Lane::Observations);
        let mut swept = Vec::new();
        for second in 0..60 {
            // Every commit wakes the lane; reading on finds nothing behind the last row.
            lane.woken();
            while let Some(fetch) = lane.fetch(second * 1_000) {
                if fetch.after == 0 {
                    swept.push(second);
                }
                let rows = Vec::new();
                lane.arrived(&fetch, Page { rows, last: 7 });
                lane.cursor = 7;
            }
        }
        assert_eq!(swept, [0, 15, 30, 45]);
    }
}
