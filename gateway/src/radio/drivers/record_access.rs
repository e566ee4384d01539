//! Stored records by the Record Access Control Point (2A52): how many there are, which are new,
//! and all of those, once.
//!
//! ```text
//! count all ─► count from the cursor on ─► report from there on ─► grace ─► over
//!     │none: over        │none: newest?         │                    │fewer than counted: all
//!     │refused: go on    └─ below the cursor: the numbering started anew: all
//! ```
//!
//! A request that the device does not know falls back to "all records", whose double records cost
//! a look-up each. Nothing is ever deleted. After a silence of thirty seconds the procedure has
//! failed: what came is good, and no other is begun on this link (Glucose Profile 1.0.1, 5.5).

use std::collections::BTreeSet;

use hearth_shared::gatt::encode::{RecordRequest, Which, record_access_request};
use hearth_shared::gatt::record_access::{FilterValue, Operand, RecordAccess as Answer};
use hearth_shared::gatt::{self, Measurement};

use super::{Finding, Step};
use crate::radio::air::{Fault, Place};

/// Silence that ends a procedure (Glucose Profile 1.0.1, 5.5: thirty seconds).
const PROCEDURE_MS: u32 = 30_000;
/// After the answer records may still be on their way to us: BlueZ keeps the order within one
/// signal stream only.
const GRACE_MS: u32 = 300;
/// Before a busy device is asked again.
const BUSY_MS: [u32; 3] = [1_000, 2_000, 5_000];
/// The highest record number; the next one is 0.
const LAST_NUMBER: u16 = u16::MAX;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    CountAll,
    CountNew,
    Newest,
    New,
    All,
    Abort,
}

impl Ask {
    const fn op_code(self) -> u8 {
        match self {
            Self::CountAll | Self::CountNew => 4,
            Self::Newest | Self::New | Self::All => 1,
            Self::Abort => 3,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Asked, not answered.
    Running(Ask),
    /// To be asked once the pause is over.
    Pausing(Ask),
    /// Answered; late records may come.
    Grace(Ask),
    Over,
}

/// What the machine is told.
#[derive(Debug)]
pub(super) enum Told<'a> {
    Start,
    /// The write to the control point was carried out.
    Written(Result<(), Fault>),
    /// An indication of the control point.
    Answer(&'a [u8]),
    /// The records in one value.
    Records(&'a [Stamped]),
    /// Something that belongs to a record (context, a segment).
    Part,
    Timer,
    /// The link ended.
    Closed,
}

/// How the procedure ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    /// What came is good; ask again at another meeting.
    Incomplete(Fault),
    /// Not with this device as it is.
    Unusable(Fault),
    /// The device says that its subscriptions are not in place (0x81 of old, 0xFD).
    NotSubscribed,
}

/// What is to be done, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) steps: Vec<Step>,
    pub(super) end: Option<End>,
}

impl Said {
    fn end(end: End) -> Self {
        Self { steps: Vec::new(), end: Some(end) }
    }

    fn wait(after_ms: u32) -> Self {
        Self { steps: vec![Step::Wait { after_ms }], end: None }
    }

    fn found(finding: Finding, mut then: Self) -> Self {
        then.steps.insert(0, Step::Found(finding));
        then
    }
}

/// What is looked at of a record, where it has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamped {
    pub(super) number: Option<u16>,
    /// What the device's own undisturbed clock showed.
    pub(super) base_s: Option<i64>,
}

/// What is known before the device is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// Number of the newest record that is held; `None`: everything is asked for.
    pub(super) cursor: Option<u16>,
    /// Its base time.
    pub(super) cursor_base_s: Option<i64>,
    /// Between two requests, for devices that need it.
    pub(super) pause_ms: u32,
}

/// One transfer.
#[derive(Debug)]
pub(super) struct RecordAccess {
    control: Place,
    terms: Terms,
    phase: Phase,
    /// Writes whose outcome has not been told; an answer can overtake it.
    unwritten: u8,
    held: Option<u32>,
    new: Option<u32>,
    /// Numbers that came in answer to the request that is running.
    numbers: BTreeSet<u16>,
    unnumbered: u32,
    newest: Stamped,
    busy: usize,
    aborted: bool,
}

impl RecordAccess {
    pub(super) fn new(control: Place, terms: Terms) -> Self {
        Self {
            control,
            terms,
            phase: Phase::Idle,
            unwritten: 0,
            held: None,
            new: None,
            numbers: BTreeSet::new(),
            unnumbered: 0,
            newest: Stamped::default(),
            busy: 0,
            aborted: false,
        }
    }

    pub(super) const fn control(&self) -> Place {
        self.control
    }

    /// Takes what happened and says what is to be done.
    pub(super) fn on(&mut self, told: Told<'_>) -> Said {
        let said = match told {
            Told::Start => self.write(Ask::CountAll),
            Told::Written(result) => self.written(result),
            Told::Answer(octets) => self.answer(octets),
            Told::Records(numbers) => self.records(numbers),
            Told::Part => self.part(),
            Told::Timer => self.timer(),
            Told::Closed => self.closed(),
        };
        if said.end.is_some() {
            self.phase = Phase::Over;
        }
        said
    }

    fn request(&self, ask: Ask) -> RecordRequest {
        // After the cursor comes the next number; `LAST_NUMBER` never gets here.
        let from = FilterValue::Number(self.terms.cursor.unwrap_or(0).saturating_add(1));
        match ask {
            Ask::CountAll => RecordRequest::Count(Which::All),
            Ask::CountNew => RecordRequest::Count(Which::AtLeast(from)),
            Ask::Newest => RecordRequest::Report(Which::Last),
            Ask::New => RecordRequest::Report(Which::AtLeast(from)),
            Ask::All => RecordRequest::Report(Which::All),
            Ask::Abort => RecordRequest::Abort,
        }
    }

    fn write(&mut self, ask: Ask) -> Said {
        self.phase = Phase::Running(ask);
        self.numbers.clear();
        self.unnumbered = 0;
        self.unwritten = self.unwritten.saturating_add(1);
        let octets = record_access_request(self.request(ask)).unwrap_or_default().to_vec();
        let write = Step::Write { place: self.control, octets, response: true };
        Said { steps: vec![write, Step::Wait { after_ms: PROCEDURE_MS }], end: None }
    }

    /// The next request, after the pause that the model needs.
    fn ask(&mut self, ask: Ask) -> Said {
        if self.terms.pause_ms == 0 {
            return self.write(ask);
        }
        self.phase = Phase::Pausing(ask);
        Said::wait(self.terms.pause_ms)
    }

    fn written(&mut self, result: Result<(), Fault>) -> Said {
        self.unwritten = self.unwritten.saturating_sub(1);
        let (Phase::Running(ask), Err(fault), 0) = (self.phase, result, self.unwritten) else {
            return Said::default();
        };
        match fault {
            Fault::Att(0x05 | 0x0C | 0x0F) | Fault::PairingNeeded => {
                Said::end(End::Unusable(Fault::PairingNeeded))
            }
            Fault::Att(0x81 | 0xFD) => Said::end(End::NotSubscribed),
            Fault::Att(0x80 | 0xFE) if !self.aborted => {
                self.aborted = true;
                self.write(Ask::Abort)
            }
            Fault::Att(_) if ask != Ask::All => self.unknown(ask),
            Fault::Att(code) => Said::end(End::Unusable(Fault::Att(code))),
            other => Said::end(End::Incomplete(other)),
        }
    }

    fn answer(&mut self, octets: &[u8]) -> Said {
        let Phase::Running(ask) = self.phase else { return Said::default() };
        let decoded = gatt::decode_uuid16(0x2A52, octets, gatt::Context::default());
        let Ok(Measurement::RecordAccess(Answer { operand, .. })) = decoded else {
            return Said::default();
        };
        match operand {
            Operand::NumberOfRecords(count) if ask.op_code() == 4 => self.counted(ask, count),
            Operand::Response { request_op_code, response } if request_op_code == ask.op_code() => {
                self.responded(ask, response.raw())
            }
            _ => Said::default(),
        }
    }

    fn counted(&mut self, ask: Ask, count: u32) -> Said {
        if ask == Ask::CountAll {
            self.held = Some(count);
            let then = if count == 0 { Said::end(End::Complete) } else { self.after_count() };
            return Said::found(Finding::RecordsHeld(count), then);
        }
        self.new = Some(count);
        // None above the cursor although records are there: nothing new, or numbered anew.
        let then = self.ask(if count == 0 { Ask::Newest } else { Ask::New });
        Said::found(Finding::RecordsNew(count), then)
    }

    fn after_count(&mut self) -> Said {
        match self.terms.cursor {
            None => self.ask(Ask::All),
            Some(LAST_NUMBER) => self.anew(),
            Some(_) => self.ask(Ask::CountNew),
        }
    }

    /// The numbering started anew: the cursor means nothing any more.
    fn anew(&mut self) -> Said {
        let then = self.ask(Ask::All);
        Said::found(Finding::SequenceReset, then)
    }

    fn responded(&mut self, ask: Ask, code: u8) -> Said {
        match (code, ask) {
            (_, Ask::Abort) => self.ask(Ask::CountAll),
            // Counts are answered by a number; any other answer is none.
            (1, Ask::CountAll | Ask::CountNew) => self.unknown(ask),
            (1, _) => {
                self.phase = Phase::Grace(ask);
                Said::wait(GRACE_MS)
            }
            (6, Ask::CountAll | Ask::CountNew) => self.counted(ask, 0),
            (6, _) => self.conclude(ask),
            (8, Ask::Newest | Ask::New | Ask::All) => Said::end(End::Incomplete(stopped())),
            (10, _) => match BUSY_MS.get(self.busy) {
                Some(wait) => {
                    self.busy += 1;
                    self.phase = Phase::Pausing(ask);
                    Said::wait(*wait)
                }
                None => {
                    Said::end(End::Incomplete(Fault::Records("it says that it is busy".into())))
                }
            },
            (_, Ask::All) => Said::end(End::Unusable(Fault::Records(format!(
                "it refuses to report them (code {code})"
            )))),
            _ => self.unknown(ask),
        }
    }

    /// The device does not know this request, or refuses it.
    fn unknown(&mut self, ask: Ask) -> Said {
        match ask {
            Ask::CountAll => self.after_count(),
            Ask::CountNew => self.ask(Ask::New),
            Ask::Newest | Ask::New | Ask::All | Ask::Abort => self.ask(Ask::All),
        }
    }

    fn records(&mut self, records: &[Stamped]) -> Said {
        for record in records {
            match record.number {
                Some(number) => {
                    self.numbers.insert(number);
                    self.newest = *record;
                }
                None => self.unnumbered = self.unnumbered.saturating_add(1),
            }
        }
        self.part()
    }

    fn closed(&mut self) -> Said {
        // A meter may leave as soon as it has answered; then nothing was late.
        let said = match self.phase {
            Phase::Grace(Ask::New | Ask::All) => Self::compared(self.came(), self.counted_last()),
            _ => Said::default(),
        };
        let lost = || Said::end(End::Incomplete(Fault::Disconnected));
        if said.end == Some(End::Complete) { said } else { lost() }
    }

    /// How many records the report under way should have brought.
    fn counted_last(&self) -> Option<u32> {
        match self.phase {
            Phase::Grace(Ask::New) => self.new,
            _ => self.held,
        }
    }

    fn part(&self) -> Said {
        match self.phase {
            Phase::Running(Ask::Newest | Ask::New | Ask::All) => Said::wait(PROCEDURE_MS),
            Phase::Grace(_) => Said::wait(GRACE_MS),
            _ => Said::default(),
        }
    }

    fn came(&self) -> u32 {
        u32::try_from(self.numbers.len()).unwrap_or(u32::MAX).saturating_add(self.unnumbered)
    }

    /// A report is over: is that all?
    fn conclude(&mut self, ask: Ask) -> Said {
        let came = self.came();
        match ask {
            Ask::Newest => match (self.numbers.last().copied(), self.terms.cursor) {
                // The same number at a later time is another record.
                (Some(newest), Some(cursor)) if newest == cursor && self.is_later() => self.anew(),
                (Some(newest), Some(cursor)) if newest == cursor => Said::end(End::Complete),
                (Some(newest), Some(cursor)) if newest > cursor => self.ask(Ask::New),
                (Some(_), _) => self.anew(),
                // It holds records and does not show the newest: everything, then.
                (None, _) => self.ask(Ask::All),
            },
            Ask::New if self.newest.number == Some(LAST_NUMBER) => self.anew(),
            Ask::New if self.new.is_some_and(|new| new > 0) && came == 0 => self.ask(Ask::All),
            Ask::New => Self::compared(came, self.new),
            Ask::All | Ask::CountAll | Ask::CountNew | Ask::Abort => {
                Self::compared(came, self.held)
            }
        }
    }

    /// Whether the newest record was made after the one that the cursor stands for.
    fn is_later(&self) -> bool {
        let known = self.newest.base_s.zip(self.terms.cursor_base_s);
        known.is_some_and(|(newest, cursor)| newest > cursor)
    }

    fn compared(came: u32, counted: Option<u32>) -> Said {
        match counted.filter(|counted| came < *counted) {
            None => Said::end(End::Complete),
            Some(counted) => Said::end(End::Incomplete(Fault::Records(format!(
                "it counted {counted} and handed over {came}"
            )))),
        }
    }

    fn timer(&mut self) -> Said {
        match self.phase {
            Phase::Running(_) => Said::end(End::Incomplete(Fault::Timeout("stored records"))),
            Phase::Pausing(ask) => self.write(ask),
            Phase::Grace(ask) => self.conclude(ask),
            Phase::Idle | Phase::Over => Said::default(),
        }
    }
}

fn stopped() -> Fault {
    Fault::Records("it stopped before all were handed over".into())
}
