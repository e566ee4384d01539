//! Every model's session, played to its driver line by line; the format is told in
//! `devices/README.md`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use hearth_gateway::radio::air::{Address, Advert, Fault, Place, Properties, Services, short, sig};
use hearth_gateway::radio::drivers::{
    Briefing, Driver, Ending, Event, Finding, Moment, Step, for_profile,
};
use hearth_gateway::radio::profile::{Profile, Profiles};
use jiff::SignedDuration;
use jiff::civil::{DateTime, date};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("devices")
}

/// A place as transcripts write it: 16-bit UUIDs, or the beginning of a long one.
fn place_text(place: Place) -> String {
    let one = |uuid| short(uuid).map_or_else(|| uuid.to_string(), |short| format!("{short:04X}"));
    format!("{}/{}", one(place.service), one(place.characteristic))
}

fn place(text: &str) -> Place {
    let one = |text: &str| match u16::from_str_radix(text, 16) {
        Ok(short) if text.len() == 4 => sig(short),
        _ => text.parse().unwrap_or_else(|_| panic!("{text} is no UUID")),
    };
    let (service, characteristic) = text.split_once('/').unwrap_or_else(|| panic!("{text}: no /"));
    Place { service: one(service), characteristic: one(characteristic) }
}

fn octets(text: &str) -> Vec<u8> {
    let one = |pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("{pair} in {text}"));
    text.split_whitespace().map(one).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!(" {octet:02X}")).collect()
}

fn seconds(text: &str) -> i64 {
    let civil: DateTime = text.parse().unwrap_or_else(|_| panic!("{text} is no time"));
    civil.duration_since(date(1970, 1, 1).at(0, 0, 0, 0)).as_secs()
}

fn face(seconds: i64) -> String {
    let civil = date(1970, 1, 1).at(0, 0, 0, 0) + SignedDuration::from_secs(seconds);
    civil.to_string()
}

/// One file.
struct Transcript {
    path: PathBuf,
    head: BTreeMap<String, Vec<String>>,
    body: Vec<String>,
}

impl Transcript {
    fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, body) = text.split_once("\n\n").expect("a head, an empty line, a body");
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in head.lines().filter(|line| !line.starts_with('#')) {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{path:?}: {line}"));
            keys.entry(key.to_owned()).or_default().push(value.trim().to_owned());
        }
        Self { path, head: keys, body: body.lines().map(str::to_owned).collect() }
    }

    fn name(&self) -> String {
        self.path.strip_prefix(folder()).unwrap().display().to_string()
    }

    fn said(&self, key: &str) -> Option<&str> {
        self.head.get(key).map(|values| values[0].as_str())
    }

    fn profile<'p>(&self, profiles: &'p Profiles) -> &'p Profile {
        let id = self.said("profile").unwrap_or_else(|| panic!("{} names no profile", self.name()));
        profiles.named(id).unwrap_or_else(|| panic!("{}: no profile {id}", self.name()))
    }

    fn services(&self) -> Services {
        let mut services = Services::new();
        for line in self.head.get("service").into_iter().flatten() {
            let (service, rest) = line.split_once(": ").unwrap();
            for item in rest.split_whitespace() {
                let (characteristic, may) = item.split_once('=').unwrap();
                let properties = Properties {
                    read: may.contains('r'),
                    write: may.contains('w'),
                    write_without_response: may.contains('W'),
                    notify: may.contains('n'),
                    indicate: may.contains('i'),
                };
                services.insert(place(&format!("{service}/{characteristic}")), properties);
            }
        }
        services
    }

    fn briefing(&self) -> Briefing {
        let mut briefing = Briefing::default();
        for word in self.said("brief").unwrap_or_default().split_whitespace() {
            match word.split_once('=') {
                Some(("cursor", number)) => briefing.cursor = Some(number.parse().unwrap()),
                Some(("base", time)) => briefing.cursor_base_s = Some(seconds(time)),
                Some(("register", code)) => briefing.register = Some(code.parse().unwrap()),
                Some(("consent", pair)) => {
                    let (slot, code) = pair.split_once(':').unwrap();
                    briefing.consents.push((slot.parse().unwrap(), code.parse().unwrap()));
                }
                None if word == "pairing" => briefing.pairing = true,
                _ => panic!("{}: brief {word}", self.name()),
            }
        }
        briefing
    }
}

fn transcripts() -> Vec<Transcript> {
    let mut paths = Vec::new();
    for folder in [folder(), folder().join("faults")] {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "txt")));
    }
    paths.sort();
    paths.into_iter().map(Transcript::read).collect()
}

fn said(step: &Step) -> String {
    match step {
        Step::Read(place) => format!("read {}", place_text(*place)),
        Step::Write { place, octets, response } => {
            let manner = if *response { "write" } else { "write!" };
            format!("{manner} {}{}", place_text(*place), hex(octets))
        }
        Step::Subscribe(place) => format!("subscribe {}", place_text(*place)),
        Step::Unsubscribe(place) => format!("unsubscribe {}", place_text(*place)),
        Step::Keep { characteristic, octets } => {
            format!("keep {characteristic:04X}{}", hex(octets))
        }
        Step::KeepVendor { protocol, octets } => {
            format!("keep vendor {}{}", *protocol as u16, hex(octets))
        }
        Step::Wait { after_ms } => format!("wait {after_ms}"),
        Step::Found(finding) => format!("found {}", found(finding)),
        Step::Done(Ending::Complete) => "done complete".into(),
        Step::Done(Ending::Incomplete(fault)) => format!("done incomplete: {fault}"),
        Step::Done(Ending::Failed(fault)) => format!("done failed: {fault}"),
    }
}

fn found(finding: &Finding) -> String {
    match finding {
        Finding::Clock { face_s } => format!("clock {}", face(*face_s)),
        Finding::ClockSet { face_s: Some(face_s) } => format!("clock set {}", face(*face_s)),
        Finding::ClockSet { face_s: None } => "clock set, unread".into(),
        Finding::Information { characteristic, text } => {
            format!("information {characteristic:04X} {text:?}")
        }
        Finding::RecordsHeld(count) => format!("records held {count}"),
        Finding::RecordsNew(count) => format!("records new {count}"),
        Finding::RecordRange { first, last } => format!("records {first} to {last}"),
        Finding::SequenceReset => "sequence reset".into(),
        Finding::Consent { slot, accepted: true } => format!("consent of {slot}"),
        Finding::Consent { slot, accepted: false } => format!("no consent of {slot}"),
        Finding::Registered { slot } => format!("registered as {slot}"),
    }
}

/// A step that waits for an answer.
#[derive(Clone, Copy)]
enum Waits {
    Read(Place),
    Write(Place),
    Subscribe(Place),
}

/// The driver of a transcript and what it was told so far.
struct Player {
    driver: Box<dyn Driver>,
    services: Services,
    now: Moment,
    waiting: VecDeque<Waits>,
    done: Option<Ending>,
}

impl Player {
    fn new(transcript: &Transcript, profile: &Profile) -> Self {
        Self {
            driver: for_profile(profile, transcript.briefing()),
            services: transcript.services(),
            now: Moment { utc_ms: 0, local_s: 0, trusted: false },
            waiting: VecDeque::new(),
            done: None,
        }
    }

    fn tell(&mut self, event: Event<'_>) -> Vec<Step> {
        let steps = self.driver.on(event, self.now);
        for step in &steps {
            assert!(self.done.is_none(), "something after the end: {step:?}");
            self.waiting.extend(match step {
                Step::Read(place) => Some(Waits::Read(*place)),
                Step::Write { place, .. } => Some(Waits::Write(*place)),
                Step::Subscribe(place) => Some(Waits::Subscribe(*place)),
                _ => None,
            });
            if let Step::Done(ending) = step {
                self.done = Some(ending.clone());
            }
        }
        steps
    }

    /// The answer to the oldest step that waits for one.
    fn answer(&mut self, result: Result<&[u8], Fault>) -> Vec<Step> {
        let event = match self.waiting.pop_front().expect("no step waits for an answer") {
            Waits::Read(place) => Event::Read { place, result },
            Waits::Write(place) => Event::Written { place, result: result.map(drop) },
            Waits::Subscribe(place) => Event::Subscribed { place, result: result.map(drop) },
        };
        self.tell(event)
    }

    /// One line of the device; `None`: the line is no event.
    fn line(&mut self, line: &str) -> Option<Vec<Step>> {
        if let Some(time) = line.strip_prefix("@ ") {
            let mut words = time.split_whitespace();
            let local_s = seconds(words.next().unwrap());
            let trusted = words.next() != Some("untrusted");
            self.now = Moment { utc_ms: local_s * 1000, local_s, trusted };
            return None;
        }
        let event = line.strip_prefix("<- ")?;
        Some(match event {
            "opened" => {
                let services = self.services.clone();
                self.tell(Event::Opened(&services))
            }
            "closed" => self.tell(Event::Closed),
            "timer" => self.tell(Event::Timer),
            "ok" => self.answer(Ok(&[])),
            "lost" => self.answer(Err(Fault::Disconnected)),
            "timeout" => self.answer(Err(Fault::Timeout("answer"))),
            _ => match event.strip_prefix("refused ") {
                Some(code) => self.answer(Err(Fault::Att(u8::from_str_radix(code, 16).unwrap()))),
                None => self.octets(event),
            },
        })
    }

    fn octets(&mut self, event: &str) -> Vec<Step> {
        if let Some(text) = event.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return self.answer(Ok(text.as_bytes()));
        }
        match event.split_once(' ') {
            Some((at, value)) if at.contains('/') => {
                self.tell(Event::Value { place: place(at), octets: &octets(value) })
            }
            _ => self.answer(Ok(&octets(event))),
        }
    }
}

/// A line without its remark.
fn content(line: &str) -> &str {
    line.split(" # ").next().unwrap_or_default().trim_end()
}

/// The transcript with the driver's lines as they are now.
fn played(transcript: &Transcript, profile: &Profile) -> Vec<String> {
    let mut player = Player::new(transcript, profile);
    let mut lines = Vec::new();
    // Remarks behind the driver's lines stay with them while the lines stay the same.
    let mut old = transcript.body.iter().filter(|line| line.starts_with("-> ")).peekable();
    for line in transcript.body.iter().filter(|line| !line.starts_with("-> ")) {
        lines.push(line.clone());
        for step in player.line(content(line)).unwrap_or_default() {
            let new = format!("-> {}", said(&step));
            match old.next_if(|line| content(line) == new) {
                Some(line) => lines.push(line.clone()),
                None => lines.push(new),
            }
        }
    }
    assert!(player.done.is_some(), "{} does not come to an end", transcript.name());
    lines
}

#[test]
fn every_driver_says_what_its_transcript_says() {
    let profiles = Profiles::built_in();
    let bless = std::env::var_os("HEARTH_BLESS").is_some();
    let mut wrong = Vec::new();
    for transcript in transcripts() {
        let lines = played(&transcript, transcript.profile(&profiles));
        if lines == transcript.body {
            continue;
        }
        if bless {
            let text = std::fs::read_to_string(&transcript.path).unwrap();
            let (head, _) = text.split_once("\n\n").unwrap();
            std::fs::write(&transcript.path, format!("{head}\n\n{}\n", lines.join("\n"))).unwrap();
        }
        let at = lines.iter().zip(&transcript.body).position(|(new, old)| new != old);
        let at = at.unwrap_or(lines.len().min(transcript.body.len()));
        let line = |lines: &[String]| lines.get(at).cloned().unwrap_or("the end".into());
        wrong.push(format!(
            "{}: line {} of its body is\n    {}\n  and the driver says\n    {}",
            transcript.name(),
            at + 1,
            line(&transcript.body),
            line(&lines)
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_profile_has_a_transcript_and_every_transcript_an_origin() {
    let profiles = Profiles::built_in();
    let all = transcripts();
    let told: BTreeSet<&str> = all.iter().filter_map(|t| t.said("profile")).collect();
    let missing: Vec<&str> =
        profiles.iter().map(|p| p.id.as_str()).filter(|id| !told.contains(id)).collect();
    assert!(missing.is_empty(), "without a transcript: {missing:?}");
    for transcript in &all {
        let origin = transcript.said("origin").unwrap_or_default();
        let named = ["capture ", "constructed from "]
            .iter()
            .any(|start| origin.strip_prefix(start).is_some_and(|source| source.len() > 8));
        assert!(named, "{} does not say where it is from: {origin:?}", transcript.name());
        let captured = origin.starts_with("capture ");
        let profile = transcript.profile(&profiles);
        assert!(
            profile.confirmed.is_empty() || captured,
            "{} is confirmed and its transcript is not a capture",
            profile.id
        );
    }
}

#[test]
fn every_model_is_recognised_by_what_its_transcript_says_of_it() {
    let profiles = Profiles::built_in();
    for transcript in transcripts() {
        let expected = transcript.said("profile");
        let mut recognised = false;
        if let Some(said) = transcript.said("advert") {
            let mut advert = Advert::of(Address([0xC0, 0xFF, 0xEE, 0, 0, 1]));
            let mut rest = said;
            if let Some((name, more)) = said.strip_prefix('"').and_then(|s| s.split_once('"')) {
                advert.name = Some(name.to_owned());
                rest = more;
            }
            let uuids = rest.split_whitespace().map(|uuid| u16::from_str_radix(uuid, 16).unwrap());
            advert.services = uuids.map(sig).collect();
            let found = profiles.for_advert(&advert).map(|profile| profile.id.as_str());
            assert_eq!(found, expected, "{}", transcript.name());
            recognised = true;
        }
        if let Some((maker, model)) = transcript.said("information").and_then(|s| s.split_once('/'))
        {
            let found = profiles.for_information(maker, model).map(|profile| profile.id.as_str());
            assert_eq!(found, expected, "{}", transcript.name());
            recognised = true;
        }
        assert!(recognised, "{} does not say how it is recognised", transcript.name());
    }
}

/// The device's lines of a transcript, without what drivers say.
fn events(transcript: &Transcript) -> Vec<String> {
    let lines = transcript.body.iter().map(|line| content(line).to_owned());
    lines.filter(|line| line.starts_with("<- ") || line.starts_with("@ ")).collect()
}

#[test]
fn a_link_cut_after_any_line_ends_the_session_once_and_never_well_too_early() {
    let profiles = Profiles::built_in();
    let mut cuts = 0;
    for transcript in transcripts() {
        let events = events(&transcript);
        for cut in 1..events.len() {
            let mut player = Player::new(&transcript, transcript.profile(&profiles));
            let mut last = Vec::new();
            for line in &events[..cut] {
                last = player.line(line).unwrap_or(last);
            }
            if player.done.is_some() {
                continue;
            }
            let steps = player.tell(Event::Closed);
            assert!(
                matches!(steps.as_slice(), [Step::Done(_)]),
                "{} cut after line {cut}: {steps:?}",
                transcript.name()
            );
            // What was asked and not answered is not complete.
            let asked = last.iter().any(|s| matches!(s, Step::Read(_) | Step::Write { .. }));
            let complete = player.done == Some(Ending::Complete);
            assert!(!(asked && complete), "{} cut after line {cut}", transcript.name());
            assert!(player.tell(Event::Timer).is_empty() && player.tell(Event::Closed).is_empty());
            cuts += 1;
        }
    }
    assert!(cuts > 100, "{cuts}");
}

#[test]
fn no_refused_read_ends_a_session() {
    let profiles = Profiles::built_in();
    for transcript in transcripts() {
        for fault in [Fault::Att(0x02), Fault::Att(0x05), Fault::Att(0x0E), Fault::Timeout("read")]
        {
            let mut player = Player::new(&transcript, transcript.profile(&profiles));
            player.now = Moment { utc_ms: 0, local_s: 1_700_000_000, trusted: true };
            let services = player.services.clone();
            let mut steps = player.tell(Event::Opened(&services));
            if player.done.is_some() {
                // Not supported, or without what the model must have.
                continue;
            }
            let mut subscribed = false;
            for _ in 0..100 {
                subscribed |= steps.iter().any(|step| matches!(step, Step::Subscribe(_)));
                if player.done.is_some() {
                    break;
                }
                steps = match player.waiting.front() {
                    Some(Waits::Read(_)) => player.answer(Err(fault.clone())),
                    Some(_) => player.answer(Ok(&[])),
                    None => player.tell(Event::Timer),
                };
            }
            let pairing = transcript.briefing().pairing;
            assert!(subscribed || pairing, "{}: {fault:?}", transcript.name());
            assert!(player.done.is_some(), "{}: {fault:?}", transcript.name());
        }
    }
}

#[test]
fn nothing_is_ever_deleted_and_no_serial_number_is_read() {
    for transcript in transcripts() {
        for line in transcript.body.iter().filter(|line| line.starts_with("-> ")) {
            let deletes = line.contains("/2A52 02") || line.contains("/2A9F 03");
            assert!(!deletes && !line.contains("2A25"), "{}: {line}", transcript.name());
        }
    }
}
