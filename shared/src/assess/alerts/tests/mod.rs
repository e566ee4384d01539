#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod golden;
mod naive;
mod properties;
mod rules;

use super::*;
use std::format;
use std::string::String;
use std::vec::Vec;

/// 10:00 UTC of day 20000, the zero of the worked examples.
const ZERO: u32 = 20_000 * 86_400 + 36_000;

/// Keeps what the engine says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Log {
    transitions: Vec<Transition>,
    notifications: Vec<Notification>,
}

impl Sink for Log {
    fn transition(&mut self, transition: Transition) {
        self.transitions.push(transition);
    }
    fn notification(&mut self, notification: Notification) {
        self.notifications.push(notification);
    }
}

/// Everything one run needs.
#[derive(Clone, Debug)]
struct Patient {
    quiet: Option<QuietHours>,
    mutes: Vec<Mute>,
    settings: Settings,
    shared: bool,
    start: u32,
    others: Vec<Limits>,
    limits: Limits,
}

impl Default for Patient {
    fn default() -> Self {
        Self {
            quiet: Some(QuietHours::DEFAULT),
            mutes: Vec::new(),
            settings: Settings::default(),
            shared: false,
            start: 0,
            others: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Patient {
    fn plan(&self) -> AlertPlan<'_> {
        AlertPlan {
            quiet: self.quiet,
            mutes: &self.mutes,
            shared: self.shared,
            start: self.start,
            others: &self.others,
        }
    }

    fn run(&self, events: &[Event]) -> Log {
        let mut engine = Engine::new(self.settings);
        let mut log = Log::default();
        for event in events {
            engine.handle(&self.plan(), &self.limits, event, &mut log);
        }
        log
    }
}

/// `m`, `m:ss`, `-m` after the zero.
fn moment(text: &str) -> u32 {
    let (minutes, seconds) = text.split_once(':').unwrap_or((text, "0"));
    let offset = minutes.parse::<i64>().unwrap() * 60 + seconds.parse::<i64>().unwrap();
    u32::try_from(i64::from(ZERO) + offset).unwrap()
}

fn show_moment(t: u64) -> String {
    let offset = i64::try_from(t).unwrap() - i64::from(ZERO);
    if offset % 60 == 0 {
        format!("{}", offset / 60)
    } else {
        format!("{}:{:02}", offset / 60, offset % 60)
    }
}

/// One event in the notation of the worked examples.
fn event(text: &str) -> Event {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (measured, arrived) = words[0].split_once('@').unwrap_or((words[0], words[0]));
    let (t, arrived) = (moment(measured), moment(arrived));
    match words[1] {
        "tick" => Event::Tick { t },
        "symptom" => Event::Symptom { t, symptom: Symptom::parse(words[2]).unwrap() },
        "ack" => {
            let (rule, by) = (RuleId::parse(words[2]).unwrap(), AckBy::parse(words[3]).unwrap());
            Event::Ack { t, rule, by }
        }
        "set" => {
            let (name, value) = words[2].split_once('=').unwrap();
            let flag = |wanted: &str| (name == wanted).then(|| value == "true");
            let tz = (name == "tz").then(|| value.parse().unwrap());
            Event::Set { t, tz, prompts: flag("prompts"), monitor: flag("monitor") }
        }
        quantity => Event::Reading(reading(t, arrived, quantity, &words[2..])),
    }
}

fn reading(t: u32, arrived: u32, quantity: &str, words: &[&str]) -> Reading {
    let value = match words[0] {
        "HI" => Value::High,
        "LO" => Value::Low,
        text => match text.split_once('/') {
            Some((sys, dia)) => {
                Value::Pressure { sys: sys.parse().unwrap(), dia: dia.parse().unwrap() }
            }
            None => Value::Number(text.parse().unwrap()),
        },
    };
    let mut reading = Reading {
        t,
        arrived,
        quantity: Quantity::parse(quantity).unwrap(),
        value,
        flags: Flags::default(),
        claim: Claim::Auto,
        identity: Identity::default(),
    };
    for word in &words[1..] {
        match *word {
            "invalid" => reading.flags.invalid = true,
            "suspect" => reading.flags.suspect = true,
            other => match other.split_once('=').unwrap() {
                ("claim", claim) => reading.claim = Claim::parse(claim).unwrap(),
                ("id", id) => reading.identity.record = Some(id.parse().unwrap()),
                ("dev", device) => reading.identity.device = Some(device.parse().unwrap()),
                _ => panic!("{other}"),
            },
        }
    }
    reading
}

fn events(text: &str) -> Vec<Event> {
    text.split(';').map(|e| event(e.trim())).collect()
}

fn initial(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "I",
        Phase::Pending => "P",
        Phase::Active => "A",
        Phase::Acked => "K",
        Phase::Cleared => "C",
    }
}

fn show_transition(t: &Transition) -> String {
    let (rule, level, reason) = (t.rule.as_str(), t.level.as_str(), t.reason.as_str());
    let (at, from, to) = (show_moment(t.t.into()), initial(t.from), initial(t.to));
    let late = if t.late { " late" } else { "" };
    format!("{at} {rule} {from}>{to} {level} {reason}{late}")
}

fn show_notification(n: &Notification) -> String {
    let (to, rule) = (n.to.as_str(), n.rule.as_str());
    let (level, kind) = (n.level.as_str(), n.kind.as_str());
    let mut text = format!("{} {to} {rule} {level} {kind}", show_moment(n.t.into()));
    if let Some(step) = n.step {
        text += &format!(" step={step}");
    }
    if n.late {
        text += " late";
    }
    if n.silent {
        text += " silent";
    }
    if let Some(until) = n.deferred_until {
        text += &format!(" until={}", show_moment(until));
    }
    text
}

fn show(log: &Log) -> (String, String) {
    let transitions: Vec<String> = log.transitions.iter().map(show_transition).collect();
    let notifications: Vec<String> = log.notifications.iter().map(show_notification).collect();
    let or_dash = |list: Vec<String>| if list.is_empty() { "-".into() } else { list.join("; ") };
    (or_dash(transitions), or_dash(notifications))
}

/// Runs events in the notation of the worked examples and compares what comes out.
fn check(patient: &Patient, input: &str, transitions: &str, notifications: &str) {
    let shown = show(&patient.run(&events(input)));
    assert_eq!(shown, (transitions.into(), notifications.into()), "{input}");
}
