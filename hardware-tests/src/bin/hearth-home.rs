//! The household of the demo: a process of its own that stands where the radio's central stands.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use hearth_gateway::radio::RadioEvent;
use hearth_gateway::uplink::message::Body;
use hearth_hardware_tests::household::{
    EDITH, Happening, KARIM, Narrator, PEOPLE, ROSA, Radio, Seen, What, happenings,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Three people, their meters, cuff and scale: connects to a gateway with adapter = "simulated", drives its
/// clock through ten weeks, and tells what any MQTT client can hear.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  hearth-home --socket demo/radio.sock --broker 127.0.0.1:18830"
)]
struct Options {
    /// The gateway's radio socket.
    #[arg(long)]
    socket: PathBuf,
    /// The broker to listen on, HOST:PORT.
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    /// The gateway's id, as in its topics.
    #[arg(long, default_value = "demo")]
    gateway: String,
    /// Seed of the days; the same seed tells the same story.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Weeks to live through.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=52))]
    weeks: i32,
    /// First day, ISO 8601.
    #[arg(long, default_value = "2026-03-02")]
    first_day: Date,
    /// Zone of the home.
    #[arg(long, default_value = "Europe/London")]
    zone: String,
    /// After the story, go on in real time: until interrupted.
    #[arg(long)]
    keep_running: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hearth-home: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One line of the story; a closed pipe ends it quietly.
fn say(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// The gateway writes down together, within a tenth of a second, what the broker has acknowledged.
const AT_REST: Duration = Duration::from_millis(300);

struct Home {
    radio: Radio,
    narrator: Narrator,
    zone: TimeZone,
    connection: u32,
    commands: u32,
    /// The verdict of each plan that was told last: the same one a week later is no news.
    told: BTreeMap<String, String>,
}

fn run(options: &Options) -> Result<()> {
    let zone = TimeZone::get(&options.zone).context("--zone must be an IANA time zone")?;
    let (host, port) = options
        .broker
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .context("--broker must be HOST:PORT, for example 127.0.0.1:1883")?;
    let start = options.first_day.at(0, 0, 0, 0).to_zoned_datetime(zone.clone())?;
    let mut radio = Radio::connect(&options.socket)?;
    radio.send(&RadioEvent::Hello { version: 1, now_ms: start.timestamp().as_millisecond() })?;
    let narrator = Narrator::connect(host, port, &options.gateway)?;
    let mut home =
        Home { radio, narrator, zone, connection: 0, commands: 0, told: BTreeMap::new() };
    let mut week_of = WeekOfReadings::default();
    let days = happenings(options.seed, options.first_day, options.weeks * 7);
    let mut next = days.iter().peekable();
    for week in 0..options.weeks {
        let first = options.first_day.saturating_add(jiff::Span::new().weeks(week));
        say(&format!("Week {} of {} (from {first})", week + 1, options.weeks));
        for day in 0..7 {
            let end = first.saturating_add(jiff::Span::new().days(day + 1)).at(0, 0, 0, 0);
            while let Some(visit) = next.next_if(|visit| visit.at < end) {
                home.visit(visit, &mut week_of)?;
            }
            let midnight = end.to_zoned_datetime(home.zone.clone())?.timestamp().as_millisecond();
            // What the gateway does at midnight belongs to the day, and the week, that begins.
            home.radio.advance(midnight - 1)?;
            home.listen(&mut week_of)?;
        }
        say(&week_of.line());
        week_of = WeekOfReadings::default();
    }
    if options.keep_running {
        return home.go_on();
    }
    // The last midnight is lived through as well: who asks the gateway now finds it at rest.
    let end =
        options.first_day.saturating_add(jiff::Span::new().weeks(options.weeks)).at(0, 0, 0, 0);
    home.radio.advance(end.to_zoned_datetime(home.zone.clone())?.timestamp().as_millisecond())?;
    home.listen(&mut week_of)?;
    std::thread::sleep(AT_REST);
    home.radio.send(&RadioEvent::Bye {})?;
    Ok(())
}

impl Home {
    /// A device wakes up, connects, hands over what it has and goes away once that is durable.
    fn visit(&mut self, visit: &Happening, week: &mut WeekOfReadings) -> Result<()> {
        let at = visit.at.to_zoned_datetime(self.zone.clone())?.timestamp().as_millisecond();
        self.radio.advance(at + 20_000)?;
        // A story of its own is told in the order in which it happens.
        if visit.what != What::Ordinary {
            self.listen(week)?;
        }
        match visit.what {
            What::Low => say("  (Karim feels shaky on the way home and measures)"),
            What::Recovered => say("  (he has eaten, waited, and measures again)"),
            What::Ordinary => {}
        }
        self.connection += 1;
        self.radio.send(&RadioEvent::Connected {
            address: visit.address.to_owned(),
            connection: self.connection,
            encrypted: Some(true),
            device_clock_s: Some(visit.clock.seconds()),
        })?;
        let mut through = 0;
        for (position, sent) in (0..).zip(&visit.sent) {
            let hex = sent.octets.iter().map(|octet| format!("{octet:02x}")).collect();
            self.radio.send(&RadioEvent::Value {
                address: visit.address.to_owned(),
                connection: self.connection,
                position,
                characteristic: format!("{:04X}", sent.characteristic),
                hex,
            })?;
            through = position;
        }
        self.radio.committed(self.connection, through)?;
        self.radio.send(&RadioEvent::Disconnected {
            address: visit.address.to_owned(),
            connection: self.connection,
        })?;
        if visit.what != What::Ordinary {
            self.listen(week)?;
        }
        Ok(())
    }

    /// Tells what the broker carried, and lets the nurse do what it asks of her.
    fn listen(&mut self, week: &mut WeekOfReadings) -> Result<()> {
        loop {
            let asked = self.commands;
            let heard = self.narrator.drain()?;
            for seen in &heard {
                week.count(seen);
                if let Some(line) = seen.line(&self.zone, &name_of)
                    && self.is_news(seen)
                {
                    say(&line);
                }
            }
            // She has read all of it before she acts, and what she did is told as well.
            for seen in &heard {
                self.nurse(seen)?;
            }
            if self.commands == asked {
                return Ok(());
            }
        }
    }

    /// Whether a message tells something that was not told before.
    fn is_news(&mut self, seen: &Seen) -> bool {
        let Body::Verdict(verdict) = &seen.envelope.body else { return true };
        let before = self.told.insert(verdict.plan.clone(), verdict.verdict.clone());
        before.as_ref() != Some(&verdict.verdict)
    }

    /// The nurse's part: she acknowledges a critical alert she is called about, and answers a call task by
    /// calling the patient and booking the visit.
    fn nurse(&mut self, seen: &Seen) -> Result<()> {
        match (&seen.envelope.body, seen.envelope.patient.as_deref()) {
            (Body::Task(task), Some(patient)) if task.state == "open" && task.task == "call" => {
                let Some(need) = task.need else { return Ok(()) };
                say(&format!("  (the nurse calls {} and books the visit)", name_of(patient)));
                let with = serde_json::json!({ "id": need });
                self.command("need_book", &with)
            }
            (Body::Alert(alert), Some(patient)) if alert.level == "C" && alert.to == "Cleared" => {
                say(&format!(
                    "  (the nurse sees the alert of {}, all clear by now)",
                    name_of(patient)
                ));
                let with =
                    serde_json::json!({ "patient": patient, "rule": alert.rule, "by": "staff" });
                self.command("alert_acknowledge", &with)
            }
            _ => Ok(()),
        }
    }

    fn command(&mut self, verb: &str, with: &serde_json::Value) -> Result<()> {
        self.commands += 1;
        let id = format!("nurse-{}", self.commands);
        let command = serde_json::json!({ "id": id, "verb": verb, "with": with });
        let result = self.narrator.command(&id, &command)?;
        if !result.contains("\"done\"") {
            say(&format!("  (the gateway answered {result})"));
        }
        Ok(())
    }

    /// After the story: the clock is let go and the gateway goes on in real time.
    fn go_on(&mut self) -> Result<()> {
        self.radio.send(&RadioEvent::Bye {})?;
        say("The story is over; the gateway stays up in real time. Press Ctrl-C to end.");
        loop {
            std::thread::sleep(Duration::from_secs(60));
            let mut week = WeekOfReadings::default();
            self.listen(&mut week)?;
        }
    }
}

fn name_of(patient: &str) -> String {
    PEOPLE
        .iter()
        .find(|person| person.id == patient)
        .map_or_else(|| patient.to_owned(), |person| person.name.to_owned())
}

/// What arrived over the broker in one week.
#[derive(Debug, Default)]
struct WeekOfReadings {
    glucose: [Vec<u64>; 2],
    pressures: u32,
    weights: u32,
}

impl WeekOfReadings {
    fn count(&mut self, seen: &Seen) {
        let Body::Observation(observation) = &seen.envelope.body else { return };
        if observation.revision > 0 {
            return;
        }
        let patient = seen.envelope.patient.as_deref();
        match (observation.quantity.as_str(), patient) {
            ("glucose", Some(id)) => {
                let value = observation.value.as_ref().and_then(serde_json::Number::as_u64);
                let list = usize::from(id == KARIM.id);
                self.glucose[list].extend(value);
            }
            ("blood_pressure", _) => self.pressures += 1,
            ("weight", _) => self.weights += 1,
            _ => {}
        }
    }

    fn line(&self) -> String {
        let of = |name: &str, values: &[u64]| {
            let mut values = values.to_vec();
            values.sort_unstable();
            match values.get(values.len() / 2) {
                Some(median) => {
                    format!("{name} {} glucose readings, median {median} mg/dL", values.len())
                }
                None => format!("{name} no glucose reading"),
            }
        };
        format!(
            "  readings: {}; {}; {} {} blood pressures; scale {} weight{}",
            of(ROSA.name, &self.glucose[0]),
            of(KARIM.name, &self.glucose[1]),
            EDITH.name,
            if self.pressures == 0 { "no".to_owned() } else { self.pressures.to_string() },
            self.weights,
            if self.weights == 1 { "" } else { "s" },
        )
    }
}
