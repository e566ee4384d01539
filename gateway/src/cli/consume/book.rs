//! What a consumer holds, as a file of JSON lines that is only ever appended to: every message once, as
//! it came, and every stretch of numbers that is lost for good. The file is the truth; what is printed
//! is a view of it. An integrator would use a table with the key (gateway, lane, seq, tombstone or not)
//! and write in one transaction what this does with one append and one sync.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::uplink::message::{Body, CONTRACT, Envelope, Lane};

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// Reading or writing failed.
    #[error("the file {path} cannot be used: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A line in the middle is not ours.
    #[error("line {line} of {path} is not a message: {cause}; it was not written by this program")]
    Line {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// The file belongs to another gateway.
    #[error("{path} holds messages of gateway {theirs}, not of {ours}; name another file")]
    Gateway {
        /// The file.
        path: PathBuf,
        /// Its gateway.
        theirs: String,
        /// Ours.
        ours: String,
    },
}

/// A stretch of numbers that will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The lane.
    pub lane: Lane,
    /// First number.
    pub from: u64,
    /// Last number.
    pub to: u64,
    /// `not_kept`: the gateway does not hold it any more; `skipped`: from before the start.
    pub why: Why,
}

/// Why a stretch will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The gateway does not hold it any more.
    NotKept,
    /// From before the start, and not wanted.
    Skipped,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Message(Box<Envelope>),
    Lost { lost: Lost },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Not seen before; appended.
    New,
    /// Seen before: dropped.
    Duplicate,
    /// The number is held with another id: the gateway's numbers have started over.
    Renumbered,
}

#[derive(Debug, Default)]
struct LaneBook {
    /// Everything up to here is held, or lost for good.
    through: u64,
    /// Held beyond `through`.
    beyond: BTreeSet<u64>,
    /// Ids by number; all of them, because this is an example: a table would have them on disk.
    ids: BTreeMap<u64, uuid::Uuid>,
    tombstones: HashSet<u64>,
}

impl LaneBook {
    fn hold(&mut self, from: u64, to: u64) {
        if to <= self.through {
            return;
        }
        if from <= self.through.saturating_add(1) {
            self.through = to;
        } else {
            self.beyond.extend(from..=to);
        }
        while self.beyond.first().is_some_and(|first| *first <= self.through.saturating_add(1)) {
            if let Some(first) = self.beyond.pop_first() {
                self.through = self.through.max(first);
            }
        }
    }
}

/// The file and what is known from it.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    gateway: String,
    file: File,
    waiting: Vec<u8>,
    lanes: [LaneBook; 2],
}

const fn index(lane: Lane) -> usize {
    match lane {
        Lane::Alerts => 0,
        Lane::Observations => 1,
    }
}

impl Book {
    /// Opens the file, or makes it. A last line that a power cut tore is cut off: it was never
    /// confirmed, so it comes again.
    ///
    /// # Errors
    /// If the file cannot be used or is not ours.
    pub fn open(path: &Path, gateway: &str) -> Result<Self, BookError> {
        let fault = |cause| BookError::File { path: path.to_owned(), cause };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(fault)?;
        let mut book = Self {
            path: path.to_owned(),
            gateway: gateway.to_owned(),
            file,
            waiting: Vec::new(),
            lanes: Default::default(),
        };
        let whole = book.load()?;
        book.file.set_len(whole).map_err(fault)?;
        book.file.seek(io::SeekFrom::End(0)).map_err(fault)?;
        Ok(book)
    }

    /// Reads all lines; returns the length of the whole ones.
    fn load(&mut self) -> Result<u64, BookError> {
        let path = self.path.clone();
        let fault = |cause| BookError::File { path: path.clone(), cause };
        let mut reader = BufReader::new(self.file.try_clone().map_err(fault)?);
        let (mut whole, mut number) = (0_u64, 0_usize);
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = reader.read_until(b'\n', &mut text).map_err(fault)?;
            number += 1;
            if read == 0 || text.last() != Some(&b'\n') {
                return Ok(whole);
            }
            match serde_json::from_slice(&text) {
                Ok(Line::Message(envelope)) if envelope.gateway != self.gateway => {
                    return Err(BookError::Gateway {
                        path,
                        theirs: envelope.gateway,
                        ours: self.gateway.clone(),
                    });
                }
                Ok(Line::Message(envelope)) => self.note(&envelope),
                Ok(Line::Lost { lost }) => self.lanes[index(lost.lane)].hold(lost.from, lost.to),
                Err(cause) => return Err(BookError::Line { path, line: number, cause }),
            }
            whole += read as u64;
        }
    }

    fn note(&mut self, envelope: &Envelope) {
        let lane = &mut self.lanes[index(envelope.lane)];
        lane.hold(envelope.seq, envelope.seq);
        lane.ids.insert(envelope.seq, envelope.id);
        if matches!(envelope.body, Body::Tombstone(_)) {
            lane.tombstones.insert(envelope.seq);
        }
    }

    /// Takes a message: new ones wait for [`Book::commit`], others are dropped. A tombstone for a
    /// number that is held is new once: the message is withdrawn.
    pub fn take(&mut self, envelope: &Envelope) -> Taken {
        let lane = &self.lanes[index(envelope.lane)];
        match lane.ids.get(&envelope.seq) {
            Some(id) if *id != envelope.id => return Taken::Renumbered,
            Some(_) => {
                let tombstone = matches!(envelope.body, Body::Tombstone(_));
                if !tombstone || lane.tombstones.contains(&envelope.seq) {
                    return Taken::Duplicate;
                }
            }
            // Lost or skipped: it came after all, but what lies behind the mark stays behind it.
            None if envelope.seq <= lane.through || lane.beyond.contains(&envelope.seq) => {
                return Taken::Duplicate;
            }
            None => {}
        }
        self.note(envelope);
        // An envelope always serialises.
        self.waiting.extend(serde_json::to_vec(envelope).unwrap_or_default());
        self.waiting.push(b'\n');
        Taken::New
    }

    /// Notes a stretch that will not come.
    pub fn lose(&mut self, lost: Lost) {
        self.lanes[index(lost.lane)].hold(lost.from, lost.to);
        let line = serde_json::json!({ "lost": lost });
        self.waiting.extend(line.to_string().into_bytes());
        self.waiting.push(b'\n');
    }

    /// Makes everything taken durable. Only after this may it be acknowledged or confirmed.
    ///
    /// # Errors
    /// What the system said; the program has to end, because nobody knows what is on the disk.
    pub fn commit(&mut self) -> Result<(), BookError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.waiting).and_then(|()| self.file.sync_data());
        written.map_err(|cause| BookError::File { path: self.path.clone(), cause })?;
        self.waiting.clear();
        Ok(())
    }

    /// Everything up to this number is held: what the watermark says.
    pub fn through(&self, lane: Lane) -> u64 {
        self.lanes[index(lane)].through
    }

    /// The highest number held, or lost for good.
    pub fn highest(&self, lane: Lane) -> u64 {
        let lane = &self.lanes[index(lane)];
        lane.beyond.last().copied().unwrap_or(0).max(lane.through)
    }

    /// The first stretch that is missing below `last` or below what is held, at most `limit` numbers.
    pub fn gap(&self, lane: Lane, last: u64, limit: u64) -> Option<(u64, u64)> {
        let lane = &self.lanes[index(lane)];
        let from = lane.through.saturating_add(1);
        let to = match lane.beyond.first() {
            Some(first) => first.saturating_sub(1),
            None => last,
        };
        (from <= to).then(|| (from, to.min(from.saturating_add(limit.saturating_sub(1)))))
    }

    /// Messages held on a lane.
    pub fn held(&self, lane: Lane) -> usize {
        self.lanes[index(lane)].ids.len()
    }

    /// Whether the message is one this program understands.
    pub fn understands(envelope: &Envelope) -> bool {
        envelope.contract == CONTRACT
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::uplink::message::Tombstone;

    fn message(seq: u64, of: Option<&str>) -> Envelope {
        let observation = serde_json::json!({
            "kind": "observation", "device": "d", "quantity": "mass", "unit": "kg",
            "measured": "2026-01-01T08:00:00+01:00", "clock": "collector",
            "received": "2026-01-01T07:00:00.000Z", "plausibility": "accepted", "journal_seq": seq,
        });
        let body = match of {
            None => serde_json::from_value(observation).unwrap(),
            Some(reason) => {
                Body::Tombstone(Tombstone { of: "prompt".into(), reason: reason.into() })
            }
        };
        Envelope {
            contract: CONTRACT.into(),
            gateway: "g".into(),
            lane: Lane::Observations,
            seq,
            id: uuid::Uuid::from_u128(u128::from(seq)),
            patient: None,
            created: "2026-01-01T07:00:00.000Z".into(),
            expires: None,
            body,
        }
    }

    const LANE: Lane = Lane::Observations;

    #[test]
    fn in_whatever_order_and_however_often_each_message_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held.jsonl");
        let mut book = Book::open(&path, "g").unwrap();
        for seq in [1, 2, 5, 4, 2, 5, 1] {
            let _ = book.take(&message(seq, None));
        }
        assert_eq!((book.through(LANE), book.gap(LANE, 9, 100)), (2, Some((3, 3))));
        assert_eq!(book.take(&message(3, None)), Taken::New);
        assert_eq!((book.through(LANE), book.gap(LANE, 5, 100)), (5, None));
        assert_eq!(book.gap(LANE, 9, 2), Some((6, 7)));
        book.commit().unwrap();
        // After a restart the same is held.
        let mut book = Book::open(&path, "g").unwrap();
        assert_eq!((book.through(LANE), book.held(LANE)), (5, 5));
        assert_eq!(book.take(&message(4, None)), Taken::Duplicate);
        let mut other = message(4, None);
        other.id = uuid::Uuid::nil();
        assert_eq!(book.take(&other), Taken::Renumbered);
    }

    #[test]
    fn a_tombstone_for_a_held_number_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held.jsonl");
        let mut book = Book::open(&path, "g").unwrap();
        assert_eq!(book.take(&message(1, None)), Taken::New);
        assert_eq!(book.take(&message(1, Some("withdrawn"))), Taken::New);
        book.commit().unwrap();
        let mut book = Book::open(&path, "g").unwrap();
        assert_eq!(book.take(&message(1, Some("withdrawn"))), Taken::Duplicate);
    }

    #[test]
    fn a_file_cut_anywhere_opens_with_its_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held.jsonl");
        let mut book = Book::open(&path, "g").unwrap();
        for seq in 1..=3 {
            let _ = book.take(&message(seq, None));
        }
        book.lose(Lost { lane: LANE, from: 4, to: 6, why: Why::NotKept });
        book.commit().unwrap();
        let all = std::fs::read(&path).unwrap();
        for cut in 0..=all.len() {
            std::fs::write(&path, &all[..cut]).unwrap();
            let mut book = Book::open(&path, "g").unwrap();
            let lines = all[..cut].iter().filter(|b| **b == b'\n').count() as u64;
            assert_eq!(book.through(LANE), if lines == 4 { 6 } else { lines });
            // And can be written on.
            let next = book.through(LANE) + 1;
            let _ = book.take(&message(next, None));
            book.commit().unwrap();
            assert_eq!(Book::open(&path, "g").unwrap().through(LANE), next);
        }
    }

    #[test]
    fn a_foreign_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "buy milk\n").unwrap();
        assert!(matches!(Book::open(&path, "g"), Err(BookError::Line { line: 1, .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "buy milk\n");
    }
}
