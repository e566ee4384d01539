//! Listens on the broker like any other client and tells what it hears in plain lines.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hearth_gateway::uplink::message::{Body, Envelope, Lane};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};

/// How long the broker may take to answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(20);
/// A lane is quiet when nothing came for so long.
const QUIET: Duration = Duration::from_millis(60);
/// How long to wait for what is still on its way at the end of a week.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// What the narrator heard, with the number on its lane.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it was made.
    pub at: Timestamp,
    /// The message.
    pub envelope: Envelope,
}

/// A client of the broker that reads the lanes.
pub struct Narrator {
    client: Client,
    heard: Receiver<(String, Vec<u8>)>,
    gateway: String,
    last: BTreeMap<Lane, u64>,
    held: Vec<Seen>,
    results: BTreeMap<String, String>,
}

impl Narrator {
    /// Connects and subscribes; returns when the broker has confirmed the subscriptions.
    ///
    /// # Errors
    /// A sentence, when the broker does not answer in 20 s or refuses.
    pub fn connect(host: &str, port: u16, gateway: &str) -> Result<Self> {
        let started = Instant::now();
        loop {
            match Self::try_connect(host, port, gateway) {
                Ok(narrator) => return Ok(narrator),
                Err(error) if started.elapsed() > CONNECT_DEADLINE => {
                    return Err(error)
                        .with_context(|| format!("no broker answers on {host}:{port}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn try_connect(host: &str, port: u16, gateway: &str) -> Result<Self> {
        let mut options = MqttOptions::new("hearth-home", host, port);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_clean_start(true);
        let (client, mut connection) = Client::new(options, 64);
        let topics = ["alerts", "observations", "results"];
        for topic in topics {
            client.subscribe(format!("hearth/v1/{gateway}/{topic}"), QoS::AtLeastOnce)?;
        }
        let (tell, heard) = channel();
        let (ready, is_ready) = channel();
        std::thread::Builder::new().name("narrator".into()).spawn(move || {
            let mut confirmed = 0;
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        confirmed += 1;
                        if confirmed == topics.len() {
                            let _ = ready.send(Ok(()));
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                        if tell.send((topic, publish.payload.to_vec())).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let _ = ready.send(Err(error.to_string()));
                        return;
                    }
                }
            }
        })?;
        match is_ready.recv_timeout(CONNECT_DEADLINE) {
            Ok(Ok(())) => Ok(Self {
                client,
                heard,
                gateway: gateway.to_owned(),
                last: BTreeMap::new(),
                held: Vec::new(),
                results: BTreeMap::new(),
            }),
            Ok(Err(error)) => bail!("{error}"),
            Err(_) => bail!("the broker did not confirm the subscriptions"),
        }
    }

    /// Everything that was told since the last call, in the order of its time: waits until
    /// the lanes are quiet.
    ///
    /// # Errors
    /// When the connection to the broker ended or a message does not keep to the contract.
    pub fn drain(&mut self) -> Result<Vec<Seen>> {
        let deadline = Instant::now() + DRAIN_DEADLINE;
        while Instant::now() < deadline {
            match self.heard.recv_timeout(QUIET) {
                Ok((topic, payload)) => self.take(&topic, &payload)?,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => bail!("the broker went away"),
            }
        }
        let mut seen = std::mem::take(&mut self.held);
        seen.sort_by_key(|seen| seen.at);
        Ok(seen)
    }

    fn take(&mut self, topic: &str, payload: &[u8]) -> Result<()> {
        if topic.ends_with("/results") {
            let result: serde_json::Value = serde_json::from_slice(payload)?;
            if let Some(id) = result.get("id").and_then(serde_json::Value::as_str) {
                self.results.insert(id.to_owned(), result.to_string());
            }
            return Ok(());
        }
        let envelope: Envelope = serde_json::from_slice(payload)
            .with_context(|| format!("a message on {topic} does not keep to the contract"))?;
        let last = self.last.entry(envelope.lane).or_insert(0);
        if envelope.seq <= *last {
            return Ok(());
        }
        *last = envelope.seq;
        let at: Timestamp = envelope.created.parse()?;
        self.held.push(Seen { at, envelope });
        Ok(())
    }

    /// Sends a command the way any console would, and waits for its result.
    ///
    /// # Errors
    /// When no result comes within 5 s.
    pub fn command(&mut self, id: &str, command: &serde_json::Value) -> Result<String> {
        let topic = format!("hearth/v1/{}/commands", self.gateway);
        self.client.publish(topic, QoS::AtLeastOnce, false, command.to_string())?;
        let deadline = Instant::now() + DRAIN_DEADLINE;
        loop {
            if let Some(result) = self.results.remove(id) {
                return Ok(result);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok((topic, payload)) => self.take(&topic, &payload)?,
                Err(_) => bail!("no result of command {id} came back"),
            }
        }
    }
}

/// What a rule of the alerts watches, in plain words.
fn watched(rule: &str) -> &'static str {
    match rule {
        "G1" => "glucose very low",
        "G2" => "glucose low",
        "G3" => "glucose very high",
        "G4" => "glucose high twice",
        "G5" => "glucose low again and again",
        "P1" | "P3" => "blood pressure very high",
        "P2" => "blood pressure low",
        "H1" => "pulse",
        "O1" | "O2" => "oxygen low",
        "W1" | "W2" => "weight up",
        "T1" => "temperature high",
        _ => "a reading",
    }
}

impl Seen {
    /// The line of the story, or `None` for what is only counted.
    pub fn line(&self, zone: &TimeZone, names: &dyn Fn(&str) -> String) -> Option<String> {
        let who = self.envelope.patient.as_deref().map_or_else(|| "nobody".to_owned(), names);
        let when = self.at.to_zoned_datetime(zone.clone()).strftime("%a %e %b %H:%M").to_string();
        let text = match &self.envelope.body {
            Body::Observation(_) | Body::Tombstone(_) => return None,
            Body::Alert(alert) if alert.to == "Active" && alert.from != "Active" => {
                let level = match alert.level.as_str() {
                    "C" => "critical",
                    "U" => "urgent",
                    _ => "advisory",
                };
                format!("ALERT    {who}: {level}, {} (rule {})", watched(&alert.rule), alert.rule)
            }
            Body::Alert(_) => return None,
            Body::Notice(notice) => {
                let to = if notice.to == "staff" { "STAFF" } else { "HUB" };
                format!("{to:<8} about {who}: {}", notice.reason)
            }
            Body::Prompt(prompt) => format!("PROMPT   to {who}: \u{201c}{}\u{201d}", prompt.text),
            Body::Task(task) if task.state == "open" => {
                format!("TASK     for the nurse, {who}: {}", task.reason)
            }
            Body::Task(_) => format!("TASK     for the nurse, {who}: done"),
            Body::Verdict(verdict) if verdict.phase == "final" => {
                format!("VERDICT  {who}: {}", verdict.sentence)
            }
            Body::Verdict(_) => return None,
        };
        Some(format!("  {when}  {text}"))
    }
}
