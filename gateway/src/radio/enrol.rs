//! A pairing conversation, as a machine: a window that a person opened, the device that is heard in it, the
//! digits, the first session, and a plain end. One conversation at a time; nothing pairs without one.

use super::air::{Address, Fault, Question, Reply};
use super::drivers::{Ending, Finding};
use crate::requests::{NearDevice, PairRequest, PersonSays, Telling, Told, WINDOW_S};

/// A device that is not named is chosen after this long, so that the nearest wins and not the first.
const CHOOSE_MS: i64 = 3_000;
/// How long pairing itself may take: a person fetches glasses and types six digits.
const PAIRING_MS: i64 = 75_000;
/// Lines of one conversation; a person reads some twenty.
const LINES_MAX: usize = 500;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A device was heard; it fits the request, as far as announcements go.
    Heard(NearDevice, Address, Fit),
    /// The agent is asked.
    Asked(Address, Question),
    /// A person answers.
    Says(PersonSays),
    /// Pairing is over.
    Paired(Result<Secured, Fault>),
    /// The device stands on the roster under this id.
    Enrolled(String),
    /// The roster did not take it, and why.
    NotEnrolled(String),
    /// What the first session learned; seconds the device's clock is behind ours, where it is a clock.
    Found(Finding, Option<i64>),
    /// Values that are durable.
    Collected(u32),
    /// The first session is over.
    Ended(Ending),
    /// The radio went away.
    Down(Fault),
    /// The person broke off.
    Cancel,
    /// Time passes.
    Tick,
}

/// How a heard device fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Its model can be spoken with.
    pub supported: bool,
    /// Its model is paired at all.
    pub bonds: bool,
    /// A key of it is here, and it works as far as is known.
    pub bonded: bool,
    /// A key of it is here that the device no longer takes.
    pub stale: bool,
}

/// What is known of a new bond; `None`: unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Secured {
    /// LE Secure Connections.
    pub secure_connections: Option<bool>,
    /// Protected against a man in the middle.
    pub authenticated: Option<bool>,
    /// Octets of the key.
    pub key_octets: Option<u8>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Let the agent say yes to this address, and pair; `stale`: remove the old key first.
    Pair {
        /// Which.
        address: Address,
        /// An old key is removed first.
        stale: bool,
    },
    /// The agent's answer.
    Answer(Reply),
    /// Break the pairing off.
    BreakOff(Address),
    /// Put it on the roster.
    Enrol(Address),
    /// Hold its first session.
    Open(Address),
    /// The window is closed.
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Until then; the strongest so far.
    Waiting {
        until: i64,
        choose: Option<(i64, NearDevice, Address, Fit)>,
    },
    Pairing {
        address: Address,
        until: i64,
        asked: Option<Question>,
    },
    Enrolling {
        address: Address,
    },
    Session {
        address: Address,
    },
    Over,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Enrol {
    request: PairRequest,
    phase: Phase,
    lines: Vec<Told>,
    device: Option<String>,
    clock: Option<i64>,
}

impl Enrol {
    /// Opens the window.
    pub fn new(request: PairRequest, hint: Option<String>, now: i64) -> Self {
        let seconds = request.seconds.unwrap_or(WINDOW_S);
        let until = now + i64::from(seconds) * 1_000;
        let phase = Phase::Waiting { until, choose: None };
        let mut enrol = Self { request, phase, lines: Vec::new(), device: None, clock: None };
        enrol.tell(Telling::WindowOpen { seconds, hint });
        enrol
    }

    /// What was asked for.
    pub const fn request(&self) -> &PairRequest {
        &self.request
    }

    /// What was told after this number.
    pub fn lines(&self, after: u64) -> &[Told] {
        let from = usize::try_from(after).unwrap_or(usize::MAX).min(self.lines.len());
        self.lines.get(from..).unwrap_or_default()
    }

    /// Nothing follows.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The device the conversation is about, once it is chosen.
    pub const fn address(&self) -> Option<Address> {
        match self.phase {
            Phase::Pairing { address, .. }
            | Phase::Enrolling { address }
            | Phase::Session { address } => Some(address),
            Phase::Waiting { .. } | Phase::Over => None,
        }
    }

    /// It waits for a device, and this may be the one.
    pub fn wants(&self, address: Address) -> bool {
        let named = self.request.address.as_deref().and_then(|text| text.parse().ok());
        matches!(self.phase, Phase::Waiting { .. })
            && named.is_none_or(|named: Address| named == address)
    }

    /// It is in its first session.
    pub const fn in_session(&self) -> bool {
        matches!(self.phase, Phase::Session { .. })
    }

    /// Takes an input at `now` (monotonic milliseconds).
    pub fn on(&mut self, input: Input, now: i64) -> Vec<Output> {
        let mut out = Vec::new();
        match (input, self.phase.clone()) {
            (_, Phase::Over) => {}
            (Input::Heard(near, address, fit), Phase::Waiting { until, choose }) => {
                self.heard((near, address, fit), (until, choose), now, &mut out);
            }
            (Input::Asked(address, question), Phase::Pairing { address: ours, until, .. })
                if address == ours =>
            {
                self.phase = Phase::Pairing { address, until, asked: Some(question) };
                self.asked(question, &mut out);
            }
            (Input::Says(says), Phase::Pairing { address, until, asked: Some(question) }) => {
                self.phase = Phase::Pairing { address, until, asked: None };
                match reply(question, &says) {
                    Some(reply) => out.push(Output::Answer(reply)),
                    None => {
                        // Not digits: asked once more.
                        self.phase = Phase::Pairing { address, until, asked: Some(question) };
                        self.asked(question, &mut out);
                    }
                }
            }
            (Input::Paired(Ok(secured)), Phase::Pairing { address, .. }) => {
                self.tell(Telling::Paired {
                    secure_connections: word(secured.secure_connections),
                    authenticated: word(secured.authenticated),
                    key_octets: secured.key_octets,
                });
                self.enrol(address, &mut out);
            }
            (Input::Paired(Err(fault)), Phase::Pairing { .. }) => self.fail(&fault, &mut out),
            (Input::Enrolled(device), Phase::Enrolling { address }) => {
                self.tell(Telling::Enrolled { device: device.clone() });
                self.device = Some(device);
                self.phase = Phase::Session { address };
                out.push(Output::Open(address));
            }
            (Input::NotEnrolled(sentence), Phase::Enrolling { .. }) => {
                self.end(
                    Telling::Failed {
                        code: "not_enrolled".to_owned(),
                        sentence,
                        next: "It is paired; choose another id: hearth devices pair --as ID."
                            .to_owned(),
                    },
                    &mut out,
                );
            }
            (Input::Found(finding, behind_s), Phase::Session { .. }) => {
                self.found(finding, behind_s);
            }
            (Input::Collected(values), Phase::Session { .. }) => {
                self.tell(Telling::Collected { values });
            }
            (Input::Ended(ending), Phase::Session { .. }) => match ending {
                Ending::Complete | Ending::Incomplete(Fault::Disconnected) => {
                    let device = self.device.clone();
                    self.end(Telling::Done { device }, &mut out);
                }
                Ending::Incomplete(fault) | Ending::Failed(fault) => self.fail(&fault, &mut out),
            },
            (Input::Down(fault), _) => self.fail(&fault, &mut out),
            (Input::Cancel, _) => self.fail(&Fault::WindowClosed, &mut out),
            (Input::Tick, Phase::Waiting { until, choose }) => match choose {
                Some((at, near, address, fit)) if now >= at => {
                    self.chosen(near, address, fit, now, &mut out);
                }
                None if now >= until => self.fail(&Fault::NotHeard, &mut out),
                _ => {}
            },
            (Input::Tick, Phase::Pairing { until, .. }) if now >= until => {
                self.fail(&Fault::PairingTimeout, &mut out);
            }
            _ => {}
        }
        out
    }

    fn heard(
        &mut self,
        (near, address, fit): (NearDevice, Address, Fit),
        (until, choose): (i64, Option<(i64, NearDevice, Address, Fit)>),
        now: i64,
        out: &mut Vec<Output>,
    ) {
        if self.request.address.is_some() {
            return self.chosen(near, address, fit, now, out);
        }
        // Somebody named no device: only what can be spoken with and is not paired yet is meant.
        if !fit.supported || fit.bonded {
            return;
        }
        let choose = match choose {
            None => (now + CHOOSE_MS, near, address, fit),
            Some((at, before, _, _)) if near.rssi > before.rssi => (at, near, address, fit),
            Some(kept) => kept,
        };
        self.phase = Phase::Waiting { until, choose: Some(choose) };
    }

    fn chosen(
        &mut self,
        near: NearDevice,
        address: Address,
        fit: Fit,
        now: i64,
        out: &mut Vec<Output>,
    ) {
        let model = near.model.clone().or(near.name.clone());
        self.tell(Telling::Heard(near));
        if !fit.supported {
            let model = model.unwrap_or_else(|| "device".to_owned());
            return self.end(
                Telling::Failed {
                    code: "not_supported".to_owned(),
                    sentence: format!("This {model} does not speak a protocol known here."),
                    next: "A model that keeps to a standard profile is a file: hearth devices certify."
                        .to_owned(),
                },
                out,
            );
        }
        if !fit.bonds || (fit.bonded && !fit.stale) {
            return self.enrol(address, out);
        }
        self.phase = Phase::Pairing { address, until: now + PAIRING_MS, asked: None };
        self.tell(Telling::Pairing);
        out.push(Output::Pair { address, stale: fit.stale });
    }

    fn asked(&mut self, question: Question, out: &mut Vec<Output>) {
        match question {
            Question::Passkey => self.tell(Telling::AskPasskey),
            Question::Confirm(n) => self.tell(Telling::AskConfirm { digits: format!("{n:06}") }),
            Question::Display(n) => self.tell(Telling::ShowDigits { digits: format!("{n:06}") }),
            // The person opened the window for this very device.
            Question::Authorize => out.push(Output::Answer(Reply::Yes)),
        }
    }

    fn enrol(&mut self, address: Address, out: &mut Vec<Output>) {
        self.phase = Phase::Enrolling { address };
        out.push(Output::Enrol(address));
    }

    fn found(&mut self, finding: Finding, behind_s: Option<i64>) {
        match finding {
            Finding::Clock { .. } => {
                self.clock = behind_s;
                if let Some(before_s) = behind_s {
                    self.tell(Telling::Clock { before_s, after_s: None });
                }
            }
            Finding::ClockSet { .. } => {
                let before_s = self.clock.unwrap_or_default();
                self.tell(Telling::Clock { before_s, after_s: behind_s });
            }
            Finding::Information { characteristic, text } => {
                let what = match characteristic {
                    0x2A29 => "manufacturer",
                    0x2A24 => "model",
                    0x2A26 => "firmware",
                    0x2A27 => "hardware",
                    0x2A28 => "software",
                    _ => return,
                };
                self.tell(Telling::Information { what: what.to_owned(), text });
            }
            Finding::RecordsHeld(n) => self.tell(Telling::Records { held: Some(n), new: None }),
            Finding::RecordsNew(n) => self.tell(Telling::Records { held: None, new: Some(n) }),
            Finding::Consent { slot, accepted } => {
                let state = if accepted { "accepted" } else { "refused" }.to_owned();
                self.tell(Telling::Slot { slot, state });
            }
            Finding::Registered { slot } => {
                self.tell(Telling::Slot { slot, state: "registered".to_owned() });
            }
            Finding::RecordRange { .. } | Finding::SequenceReset => {}
        }
    }

    fn fail(&mut self, fault: &Fault, out: &mut Vec<Output>) {
        if let Phase::Pairing { address, .. } = self.phase {
            out.push(Output::BreakOff(address));
        }
        self.end(
            Telling::Failed {
                code: fault.code().to_owned(),
                sentence: fault.sentence(),
                next: fault.next().to_owned(),
            },
            out,
        );
    }

    fn end(&mut self, telling: Telling, out: &mut Vec<Output>) {
        self.tell(telling);
        self.phase = Phase::Over;
        out.push(Output::Over);
    }

    fn tell(&mut self, what: Telling) {
        // Progress replaces itself, so that ten thousand records are one line.
        if let (Telling::Collected { .. }, Some(Told { what: Telling::Collected { .. }, .. })) =
            (&what, self.lines.last())
            && self.lines.len() >= LINES_MAX / 2
        {
            return;
        }
        if self.lines.len() < LINES_MAX || what.is_last() {
            self.lines.push(Told { n: self.lines.len() as u64 + 1, what });
        }
    }
}

/// The agent's answer, where the person's fits the question.
fn reply(question: Question, says: &PersonSays) -> Option<Reply> {
    match (question, says) {
        (_, PersonSays::No) => Some(Reply::No),
        (Question::Passkey, PersonSays::Passkey(text)) => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
            let six = digits.len() == 6 && digits.bytes().all(|c| c.is_ascii_digit());
            six.then(|| digits.parse().ok()).flatten().map(Reply::Passkey)
        }
        (Question::Passkey, PersonSays::Yes) => None,
        (_, PersonSays::Yes) => Some(Reply::Yes),
        (_, PersonSays::Passkey(_)) => None,
    }
}

fn word(known: Option<bool>) -> String {
    match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
