//! A conversation with the radio as people read it: what it tells in, lines, answers and an end out.
//! Pure; `ask.rs` carries it out.

use std::collections::BTreeMap;

use super::words;
use crate::requests::{NearDevice, PersonSays, Telling};

/// What a person said beforehand, on the command line.
#[derive(Clone, Debug, Default)]
pub(super) struct Beforehand {
    /// The six digits.
    pub(super) passkey: Option<String>,
    /// Yes to every question that has no digits of its own.
    pub(super) yes: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Show this line.
    Say(String),
    /// Show this line in place of the last one of its kind.
    Progress(String),
    /// Ask the person; the answer is a line.
    Ask(String),
    /// Answer the radio.
    Answer(PersonSays),
    /// It is on the roster now.
    Enrolled(String),
    /// It is over, and well.
    Done,
    /// It is over, and not well: code, sentence, next step.
    Failed(String, String, String),
}

/// Which question waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    Passkey,
    Confirm(String),
}

/// What was learned meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    /// The device that was heard.
    pub(super) heard: Option<NearDevice>,
    /// It was paired: the words for Secure Connections and for protection.
    pub(super) paired: Option<(String, String)>,
    /// It showed digits to be typed.
    pub(super) shows_digits: bool,
    /// Digits were compared.
    pub(super) compares: bool,
    /// What it says about itself.
    pub(super) information: BTreeMap<String, String>,
    /// Its clock was told, and set.
    pub(super) clock: Option<(i64, bool, Option<i64>)>,
    /// It said how many records it holds.
    pub(super) records: Option<u32>,
    /// Values that came.
    pub(super) values: u32,
    /// Highest user slot it spoke of.
    pub(super) slots: u8,
    /// Steps of a certification: what, result, detail.
    pub(super) steps: Vec<(String, String, String)>,
    /// The device on the roster.
    pub(super) device: Option<String>,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk {
    beforehand: Beforehand,
    question: Option<Question>,
    tried: bool,
    /// What was learned so far.
    pub(super) learned: Learned,
}

impl Talk {
    pub(super) fn new(beforehand: Beforehand) -> Self {
        Self { beforehand, ..Self::default() }
    }

    /// Takes what the radio tells.
    pub(super) fn on(&mut self, telling: &Telling) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut say = |line: String| acts.push(Act::Say(line));
        match telling {
            Telling::WindowOpen { seconds, hint } => {
                let open = words::stretch(u64::from(*seconds));
                say(format!("The window is open for {open}. Put the device into pairing mode."));
                if let Some(hint) = hint {
                    say(format!("  {hint}"));
                }
            }
            Telling::Heard(near) => {
                say(heard(near));
                self.learned.heard = Some(near.clone());
            }
            Telling::Pairing => say("Pairing …".to_owned()),
            Telling::AskPasskey => {
                self.learned.shows_digits = true;
                return self.passkey();
            }
            Telling::AskConfirm { digits } => {
                self.learned.compares = true;
                return self.confirm(digits);
            }
            Telling::ShowDigits { digits } => {
                say(format!("Enter these digits on the device: {}", spaced(digits)));
            }
            Telling::Paired { secure_connections, authenticated, key_octets } => {
                self.question = None;
                self.learned.paired = Some((secure_connections.clone(), authenticated.clone()));
                say(paired(secure_connections, authenticated, *key_octets));
            }
            Telling::Enrolled { device } => {
                self.learned.device = Some(device.clone());
                say(format!("It is on the roster as {device}."));
                acts.push(Act::Enrolled(device.clone()));
            }
            Telling::Information { what, text } => {
                self.learned.information.insert(what.clone(), text.clone());
                say(format!("It says: {} {text}.", what.replace('_', " ")));
            }
            Telling::Clock { before_s, after_s } => say(self.clock(*before_s, *after_s)),
            Telling::Records { held, new } => {
                self.learned.records = held.or(self.learned.records);
                say(records(*held, *new));
            }
            Telling::Collected { values } => {
                self.learned.values = self.learned.values.max(*values);
                let values = words::count(u64::from(*values), "value");
                acts.push(Act::Progress(format!("{values} from it in the journal.")));
            }
            Telling::Slot { slot, state } => {
                self.learned.slots = self.learned.slots.max(*slot);
                say(match state.as_str() {
                    "accepted" => format!("User slot {slot} took its consent code."),
                    "refused" => format!(
                        "User slot {slot} refused its consent code: its readings cannot be fetched."
                    ),
                    "registered" => format!("User slot {slot} was registered on the device."),
                    other => format!("User slot {slot}: {other}."),
                });
            }
            Telling::Step { what, result, detail } => {
                let detail_too =
                    if detail.is_empty() { String::new() } else { format!(": {detail}") };
                say(format!("{result:<7} {what}{detail_too}"));
                self.learned.steps.push((what.clone(), result.clone(), detail.clone()));
            }
            Telling::Done { device } => {
                if device.is_some() {
                    self.learned.device.clone_from(device);
                }
                acts.push(Act::Done);
            }
            Telling::Failed { code, sentence, next } => {
                acts.push(Act::Failed(code.clone(), sentence.clone(), next.clone()));
            }
        }
        acts
    }

    /// Takes a line that the person typed; one that answers nothing is asked for again.
    pub(super) fn typed(&mut self, line: &str) -> Vec<Act> {
        let Some(question) = self.question.take() else { return Vec::new() };
        let line = line.trim();
        let no = ["n", "no"].contains(&line.to_lowercase().as_str());
        let answer = match &question {
            _ if no => Some(PersonSays::No),
            Question::Passkey => six_digits(line).map(PersonSays::Passkey),
            Question::Confirm(digits) => {
                let yes = ["y", "yes"].contains(&line.to_lowercase().as_str());
                let same = six_digits(line).map(|typed| typed == *digits);
                match (yes, same) {
                    (true, _) | (_, Some(true)) => Some(PersonSays::Yes),
                    (_, Some(false)) => Some(PersonSays::No),
                    _ => None,
                }
            }
        };
        match answer {
            Some(answer) => vec![Act::Answer(answer)],
            None => {
                let again = match &question {
                    Question::Passkey => "Six digits are expected, or no:",
                    Question::Confirm(_) => "Please answer yes or no:",
                };
                self.question = Some(question);
                vec![Act::Ask(again.to_owned())]
            }
        }
    }

    /// Whether a line from the person is waited for.
    pub(super) const fn waits(&self) -> bool {
        self.question.is_some()
    }

    fn passkey(&mut self) -> Vec<Act> {
        // Given beforehand, it is tried once: the device shows other digits every time.
        match self.beforehand.passkey.clone().filter(|_| !self.tried) {
            Some(digits) => {
                self.tried = true;
                vec![Act::Answer(PersonSays::Passkey(digits))]
            }
            None => {
                self.question = Some(Question::Passkey);
                vec![Act::Ask("Type the six digits that the device shows:".to_owned())]
            }
        }
    }

    fn confirm(&mut self, digits: &str) -> Vec<Act> {
        let shown = Act::Say(format!("The digits are {}.", spaced(digits)));
        match &self.beforehand.passkey {
            Some(given) if given == digits => vec![shown, Act::Answer(PersonSays::Yes)],
            Some(_) => vec![shown, Act::Answer(PersonSays::No)],
            None if self.beforehand.yes => vec![shown, Act::Answer(PersonSays::Yes)],
            None => {
                self.question = Some(Question::Confirm(digits.to_owned()));
                vec![shown, Act::Ask("Does the device show the same? (yes/no)".to_owned())]
            }
        }
    }

    fn clock(&mut self, before_s: i64, after_s: Option<i64>) -> String {
        // The second word about a clock is about its being set.
        let set = after_s.is_some() || self.learned.clock.is_some();
        self.learned.clock = Some((before_s, set, after_s));
        match (set, after_s) {
            (false, _) if before_s == 0 => "Its clock is exact.".to_owned(),
            (false, _) => format!("Its clock is {}.", words::off(before_s)),
            (true, Some(after_s)) => {
                format!("Its clock was {}; set; now {}.", words::off(before_s), words::off(after_s))
            }
            (true, None) => "Its clock was set; it cannot be read back.".to_owned(),
        }
    }
}

/// Six digits, however they were grouped.
pub(super) fn six_digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    (digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

fn spaced(digits: &str) -> String {
    match digits.split_at_checked(3) {
        Some((first, last)) => format!("{first} {last}"),
        None => digits.to_owned(),
    }
}

fn heard(near: &NearDevice) -> String {
    let name = near.model.as_ref().or(near.name.as_ref());
    let name = name.map_or_else(|| "a device".to_owned(), |name| name.to_owned());
    let signal = near.rssi.map(|dbm| format!(", signal {dbm} dBm")).unwrap_or_default();
    format!("Heard {name} ({}{signal}).", near.address)
}

fn paired(secure_connections: &str, authenticated: &str, key_octets: Option<u8>) -> String {
    let mut what = Vec::new();
    match authenticated {
        "yes" => what.push("protected against a man in the middle".to_owned()),
        "no" => what.push("not protected against a man in the middle".to_owned()),
        _ => {}
    }
    match secure_connections {
        "yes" => what.push("by LE Secure Connections".to_owned()),
        "no" => what.push("by LE legacy pairing".to_owned()),
        _ => {}
    }
    what.extend(key_octets.map(|n| format!("key of {n} octets")));
    if what.is_empty() { "Paired.".to_owned() } else { format!("Paired, {}.", what.join(", ")) }
}

fn records(held: Option<u32>, new: Option<u32>) -> String {
    let count = |n: u32| words::count(u64::from(n), "record");
    match (held, new) {
        (Some(held), Some(new)) => format!("It holds {}, {new} of them new.", count(held)),
        (Some(held), None) => format!("It holds {}.", count(held)),
        (None, Some(1)) => "1 of its records is new.".to_owned(),
        (None, Some(new)) => format!("{new} of its records are new."),
        (None, None) => "It does not say how many records it holds.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
