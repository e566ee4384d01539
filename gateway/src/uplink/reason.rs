//! Every way a broker can refuse, each with its own sentence and remedy. Codes are those of MQTT 5,
//! section 2.4; local faults (network, TLS) have words of their own.

use std::fmt;

/// Something that keeps messages from being delivered: a sentence for people and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable word, for counters and tests.
    pub word: &'static str,
    /// What happened.
    pub sentence: String,
    /// What to do.
    pub remedy: &'static str,
    /// Waiting will not help; a person has to change something. Retried at a slower pace.
    pub configuration: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sentence, self.remedy)
    }
}

impl Fault {
    /// A fault that waiting may cure.
    pub fn passing(word: &'static str, sentence: impl Into<String>, remedy: &'static str) -> Self {
        Self { word, sentence: sentence.into(), remedy, configuration: false }
    }
    /// A fault that a person has to cure.
    pub fn lasting(word: &'static str, sentence: impl Into<String>, remedy: &'static str) -> Self {
        Self { word, sentence: sentence.into(), remedy, configuration: true }
    }
    /// Adds what the broker itself said, if anything.
    #[must_use]
    pub fn saying(mut self, reason: Option<&str>) -> Self {
        if let Some(reason) = reason.filter(|r| !r.trim().is_empty()) {
            // A broker's text is foreign: one line, bounded.
            let text: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
            self.sentence.push_str(&format!(" It said: \"{text}\"."));
        }
        self
    }
}

/// A row of the table: code, word, what was refused, remedy, whether a person has to act.
type Row = (u8, &'static str, &'static str, &'static str, bool);

const WAIT: &str = "Nothing to do; it is tried again.";

const CONNECT: &[Row] = &[
    (0x80, "unspecified", "without saying why", "Look into the broker's log.", false),
    (
        0x81,
        "malformed",
        "because it could not read our CONNECT",
        "Check that it speaks MQTT 5.",
        true,
    ),
    (0x82, "protocol", "because of a protocol error", "Check that it speaks MQTT 5.", true),
    (0x83, "implementation", "by a rule of its own", "Look into the broker's log.", true),
    (
        0x84,
        "version",
        "because it does not speak MQTT 5",
        "Use a broker with MQTT 5, e.g. Mosquitto 2.",
        true,
    ),
    (
        0x85,
        "client_id",
        "because it does not accept the client id",
        "Set another `client_id`.",
        true,
    ),
    (
        0x86,
        "credentials",
        "because user name or password is wrong",
        "Correct `username` and the file named by `password_file`.",
        true,
    ),
    (
        0x87,
        "not_authorised",
        "because user name or password is wrong, or this user may not connect",
        "Check `username` and the file named by `password_file`, and the broker's access list.",
        true,
    ),
    (0x88, "unavailable", "because the server is not available", WAIT, false),
    (0x89, "busy", "because it is busy", WAIT, false),
    (
        0x8A,
        "banned",
        "because this client is banned",
        "Ask the broker's operator to lift the ban.",
        true,
    ),
    (
        0x8C,
        "method",
        "because of the authentication method",
        "Use user name and password, or a client certificate.",
        true,
    ),
    (
        0x90,
        "will_topic",
        "because the topic of our will is not allowed",
        "Allow `hearth/v1/<gateway>/status` for this user.",
        true,
    ),
    (
        0x95,
        "too_large",
        "because our CONNECT is larger than it allows",
        "Raise the broker's maximum packet size.",
        true,
    ),
    (0x97, "quota", "because a quota is used up", "Raise the quota at the broker.", true),
    (
        0x99,
        "payload_format",
        "because of the format of our will",
        "Turn off payload checks for the status topic.",
        true,
    ),
    (
        0x9A,
        "no_retain",
        "because it does not keep retained messages",
        "Allow retained messages; the status needs them.",
        true,
    ),
    (
        0x9B,
        "no_qos",
        "because it does not offer QoS 1",
        "Allow QoS 1; nothing is sent without it.",
        true,
    ),
    (
        0x9C,
        "other_server",
        "and points to another server",
        "Set `host` to the server that it names.",
        true,
    ),
    (0x9D, "moved", "because the server has moved", "Set `host` to the new server.", true),
    (0x9F, "rate", "because connections come too fast", WAIT, false),
];

const DISCONNECT: &[Row] = &[
    (0x00, "normal", "in good order", WAIT, false),
    (0x04, "with_will", "and published our will", WAIT, false),
    (0x80, "unspecified", "without saying why", "Look into the broker's log.", false),
    (
        0x81,
        "malformed",
        "because it could not read a packet",
        "Report this; it is a bug on one side.",
        false,
    ),
    (
        0x82,
        "protocol",
        "because of a protocol error",
        "Report this; it is a bug on one side.",
        false,
    ),
    (0x83, "implementation", "by a rule of its own", "Look into the broker's log.", false),
    (
        0x87,
        "not_authorised",
        "because this user may not do that",
        "Allow the topics `hearth/v1/<gateway>/#` for this user.",
        true,
    ),
    (0x89, "busy", "because it is busy", WAIT, false),
    (0x8B, "shutting_down", "because it is shutting down", WAIT, false),
    (
        0x8D,
        "keep_alive",
        "because it heard nothing for too long",
        "Check the network between gateway and broker.",
        false,
    ),
    (
        0x8E,
        "taken_over",
        "because another client uses our client id",
        "Give each gateway its own id.",
        true,
    ),
    (
        0x8F,
        "filter",
        "because of a topic filter",
        "Allow the topics `hearth/v1/<gateway>/#` for this user.",
        true,
    ),
    (
        0x90,
        "topic",
        "because of a topic name",
        "Allow the topics `hearth/v1/<gateway>/#` for this user.",
        true,
    ),
    (
        0x93,
        "receive_maximum",
        "because too many messages were under way",
        "Report this; it is a bug on one side.",
        false,
    ),
    (0x94, "alias", "because of a topic alias", "Report this; it is a bug on one side.", false),
    (
        0x95,
        "too_large",
        "because a packet was larger than it allows",
        "Raise the broker's maximum packet size.",
        true,
    ),
    (
        0x96,
        "rate",
        "because messages come too fast",
        "Raise the broker's message rate for this client.",
        false,
    ),
    (0x97, "quota", "because a quota is used up", "Raise the quota at the broker.", true),
    (0x98, "administrative", "by its operator's hand", "Ask the broker's operator.", false),
    (
        0x99,
        "payload_format",
        "because of a payload's format",
        "Turn off payload checks for `hearth/v1/#`.",
        true,
    ),
    (
        0x9A,
        "no_retain",
        "because it does not keep retained messages",
        "Allow retained messages; the status needs them.",
        true,
    ),
    (
        0x9B,
        "no_qos",
        "because it does not offer QoS 1",
        "Allow QoS 1; nothing is sent without it.",
        true,
    ),
    (
        0x9C,
        "other_server",
        "and points to another server",
        "Set `host` to the server that it names.",
        true,
    ),
    (0x9D, "moved", "because the server has moved", "Set `host` to the new server.", true),
    (
        0x9E,
        "shared",
        "because it has no shared subscriptions",
        "Report this; the gateway uses none.",
        false,
    ),
    (0x9F, "rate", "because connections come too fast", WAIT, false),
    (0xA0, "connect_time", "because the connection had lasted its time", WAIT, false),
    (
        0xA1,
        "subscription_id",
        "because it has no subscription ids",
        "Report this; the gateway uses none.",
        false,
    ),
    (
        0xA2,
        "wildcards",
        "because it has no wildcard subscriptions",
        "Allow wildcards; watermarks need one.",
        true,
    ),
];

const PUBLISH: &[Row] = &[
    (0x80, "unspecified", "without saying why", "Look into the broker's log.", false),
    (0x83, "implementation", "by a rule of its own", "Look into the broker's log.", false),
    (
        0x87,
        "not_authorised",
        "because this user may not publish there",
        "Allow this user to write `hearth/v1/<gateway>/#`.",
        true,
    ),
    (
        0x90,
        "topic",
        "because of its topic",
        "Allow this user to write `hearth/v1/<gateway>/#`.",
        true,
    ),
    (
        0x91,
        "packet_id",
        "because its packet id was in use",
        "Nothing to do; it is sent again under another id.",
        false,
    ),
    (0x97, "quota", "because a quota is used up", "Raise the quota at the broker.", false),
    (
        0x99,
        "payload_format",
        "because of its format",
        "Turn off payload checks for `hearth/v1/#`.",
        true,
    ),
];

const SUBSCRIBE: &[Row] = &[
    (0x80, "unspecified", "without saying why", "Look into the broker's log.", false),
    (0x83, "implementation", "by a rule of its own", "Look into the broker's log.", false),
    (
        0x87,
        "not_authorised",
        "because this user may not read there",
        "Allow this user to read `hearth/v1/<gateway>/#`.",
        true,
    ),
    (
        0x8F,
        "filter",
        "because of the filter",
        "Allow this user to read `hearth/v1/<gateway>/#`.",
        true,
    ),
    (0x91, "packet_id", "because the packet id was in use", WAIT, false),
    (
        0x97,
        "quota",
        "because a quota is used up",
        "Raise the subscriptions allowed per client.",
        true,
    ),
    (
        0x9E,
        "shared",
        "because it has no shared subscriptions",
        "Report this; the gateway uses none.",
        false,
    ),
    (
        0xA1,
        "subscription_id",
        "because it has no subscription ids",
        "Report this; the gateway uses none.",
        false,
    ),
    (
        0xA2,
        "wildcards",
        "because it has no wildcard subscriptions",
        "Allow wildcards; watermarks need one.",
        true,
    ),
];

fn look_up(table: &[Row], code: u8, what: &str) -> Fault {
    match table.iter().find(|row| row.0 == code) {
        Some(&(_, word, why, remedy, configuration)) => {
            Fault { word, sentence: format!("{what} {why}."), remedy, configuration }
        }
        None => Fault::passing(
            "unknown_code",
            format!("{what} with the unknown code 0x{code:02x}."),
            "Look into the broker's log.",
        ),
    }
}

/// Why a CONNECT was refused.
pub fn connect(code: u8) -> Fault {
    look_up(CONNECT, code, "The broker refused the connection")
}
/// Why the broker ended the connection.
pub fn disconnect(code: u8) -> Fault {
    look_up(DISCONNECT, code, "The broker ended the connection")
}
/// Why a message was not taken. `topic` is the topic it was for.
pub fn publish(code: u8, topic: &str) -> Fault {
    look_up(PUBLISH, code, &format!("The broker did not take a message on {topic}"))
}
/// Why a subscription was refused.
pub fn subscribe(code: u8, filter: &str) -> Fault {
    look_up(SUBSCRIBE, code, &format!("The broker refused the subscription to {filter}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_a_table_has_its_own_sentence_and_a_remedy() {
        for table in [CONNECT, DISCONNECT, PUBLISH, SUBSCRIBE] {
            let mut words: Vec<_> = table.iter().map(|row| row.1).collect();
            words.sort_unstable();
            words.dedup();
            assert!(words.len() == table.len() || table == DISCONNECT, "a word stands twice");
            let mut sentences: Vec<_> = table.iter().map(|row| row.2).collect();
            sentences.sort_unstable();
            sentences.dedup();
            assert_eq!(sentences.len(), table.len(), "a sentence stands twice");
            assert!(table.iter().all(|row| row.3.ends_with('.')));
        }
        assert!(connect(0x86).to_string().contains("password is wrong"));
        assert_eq!(connect(0xEE).word, "unknown_code");
    }

    #[test]
    fn foreign_text_is_kept_to_one_bounded_line() {
        let fault = connect(0x87).saying(Some(&format!("no\n{}", "x".repeat(500))));
        assert!(!fault.sentence.contains('\n') && fault.sentence.len() < 330);
    }
}
