//! TaiDoc and Fora: one question, one answer, in frames of eight octets.
//!
//! ```text
//! subscribe ─► clock: ask, set, heard back ─► model ─► count ─► time and value of each record
//! ```
//!
//! Records have no numbers, index 0 is the newest: all are read every time and told apart by their
//! content. A frame that does not come within five seconds ends the session: its answer could
//! otherwise be taken for that of the next question. Frames that nobody asked for are passed over.

use hearth_shared::gatt::DateTime;
use hearth_shared::gatt::taidoc::{self, Command, RECORD};
use uuid::Uuid;

use super::{Driver, Ending, Event, Finding, Moment, Step, time};
use crate::intake::VendorProtocol;
use crate::radio::air::{Fault, Place, Services};
use crate::radio::profile::Profile;

/// Asked and answered at one characteristic.
const PLACE: Place = Place {
    service: Uuid::from_u128(0x0000_1523_1212_EFDE_1523_785F_EABC_D123),
    characteristic: Uuid::from_u128(0x0000_1524_1212_EFDE_1523_785F_EABC_D123),
};

const ANSWER_MS: u32 = 5_000;
/// No meter holds more; a count above is damaged.
const RECORDS_MAX: u16 = 2_000;

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    Subscribing,
    Asking(Command),
    Over,
}

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Taidoc {
    profile: Profile,
    doing: Doing,
    with_response: bool,
    model: [u8; 2],
    count: u16,
    /// Of the record that is asked for.
    index: u16,
    /// The frame with its time.
    time: Vec<u8>,
    kept: u32,
}

impl Taidoc {
    pub(super) fn new(profile: &Profile) -> Self {
        Self {
            profile: profile.clone(),
            doing: Doing::Nothing,
            with_response: true,
            model: [0; 2],
            count: 0,
            index: 0,
            time: Vec::new(),
            kept: 0,
        }
    }

    fn opened(&mut self, services: &Services) -> Vec<Step> {
        let Some(properties) = services.get(&PLACE) else {
            return self.over(Ending::Failed(Fault::Missing(PLACE)));
        };
        self.with_response = properties.write || !properties.write_without_response;
        self.doing = Doing::Subscribing;
        vec![Step::Subscribe(PLACE)]
    }

    fn ask(&mut self, command: Command, data: [u8; 4]) -> Vec<Step> {
        self.doing = Doing::Asking(command);
        let octets = taidoc::request(command, data).to_vec();
        let write = Step::Write { place: PLACE, octets, response: self.with_response };
        vec![write, Step::Wait { after_ms: ANSWER_MS }]
    }

    fn ask_record(&mut self, command: Command) -> Vec<Step> {
        let [low, high] = self.index.to_le_bytes();
        self.ask(command, [low, high, 0, 0])
    }

    /// The next record, or the end.
    fn next_record(&mut self) -> Vec<Step> {
        if self.index < self.count {
            return self.ask_record(Command::RecordTime);
        }
        let mut steps = Vec::new();
        if self.profile.session.unsubscribe {
            steps.push(Step::Unsubscribe(PLACE));
        }
        steps.extend(self.over(Ending::Complete));
        steps
    }

    fn answered(
        &mut self,
        command: Command,
        data: [u8; 4],
        octets: &[u8],
        now: Moment,
    ) -> Vec<Step> {
        let face = |data| taidoc::time(data).and_then(DateTime::local_seconds);
        match command {
            Command::Clock => {
                let face_s = face(data);
                let found = face_s.map(|face_s| Step::Found(Finding::Clock { face_s }));
                let mut steps: Vec<Step> = found.into_iter().collect();
                let set = DateTime::from_local_seconds(now.local_s).and_then(taidoc::clock);
                steps.extend(match set {
                    Some(set) if time::is_due(&self.profile.clock, face_s, now) => {
                        self.ask(Command::SetClock, set)
                    }
                    _ => self.ask(Command::Model, [0; 4]),
                });
                steps
            }
            Command::SetClock => {
                let mut steps = vec![Step::Found(Finding::ClockSet { face_s: face(data) })];
                steps.extend(self.ask(Command::Model, [0; 4]));
                steps
            }
            Command::Model => {
                let [low, high, ..] = data;
                self.model = [low, high];
                let text = format!("TD-{high:02X}{low:02X}");
                let found = Finding::Information { characteristic: 0x2A24, text };
                let mut steps = vec![Step::Found(found)];
                steps.extend(self.ask(Command::Count, [0; 4]));
                steps
            }
            Command::Count => {
                let [low, high, ..] = data;
                self.count = u16::from_le_bytes([low, high]);
                if self.count > RECORDS_MAX {
                    let how = format!("it says that it holds {}", self.count);
                    return self.over(Ending::Failed(Fault::Records(how)));
                }
                let held = Finding::RecordsHeld(u32::from(self.count));
                let mut steps = vec![Step::Found(held)];
                steps.extend(self.next_record());
                steps
            }
            Command::RecordTime => {
                self.time = octets.to_vec();
                self.ask_record(Command::RecordValue)
            }
            Command::RecordValue => {
                let mut record = Vec::with_capacity(RECORD);
                record.extend_from_slice(&self.model);
                record.append(&mut self.time);
                record.extend_from_slice(octets);
                self.kept += 1;
                self.index += 1;
                let protocol = VendorProtocol::Taidoc;
                let mut steps = vec![Step::KeepVendor { protocol, octets: record }];
                steps.extend(self.next_record());
                steps
            }
        }
    }

    /// What has been kept is good.
    fn broken(&mut self, fault: Fault) -> Vec<Step> {
        let needs_pairing = matches!(fault, Fault::Att(0x05 | 0x0C | 0x0F) | Fault::PairingNeeded);
        self.over(match fault {
            _ if needs_pairing => Ending::Failed(Fault::PairingNeeded),
            Fault::Att(_) if self.kept == 0 => Ending::Failed(fault),
            fault => Ending::Incomplete(fault),
        })
    }

    fn over(&mut self, ending: Ending) -> Vec<Step> {
        self.doing = Doing::Over;
        vec![Step::Done(ending)]
    }
}

impl Driver for Taidoc {
    fn on(&mut self, event: Event<'_>, now: Moment) -> Vec<Step> {
        match (event, self.doing) {
            (_, Doing::Over) => Vec::new(),
            (Event::Opened(services), Doing::Nothing) => self.opened(services),
            (Event::Subscribed { result: Ok(()), .. }, Doing::Subscribing) => {
                self.ask(Command::Clock, [0; 4])
            }
            (Event::Value { place: PLACE, octets }, Doing::Asking(command)) => {
                match taidoc::answer(command, octets) {
                    Some(data) => self.answered(command, data, octets, now),
                    None => Vec::new(),
                }
            }
            (Event::Subscribed { result: Err(fault), .. }, Doing::Subscribing)
            | (Event::Written { result: Err(fault), .. }, Doing::Asking(_)) => self.broken(fault),
            (Event::Timer, Doing::Asking(_)) => self.broken(Fault::Timeout("a frame")),
            (Event::Closed, _) => self.broken(Fault::Disconnected),
            _ => Vec::new(),
        }
    }
}
