//! The topics of one gateway, in one place.

use crate::uplink::message::Lane;

/// Longest gateway id or consumer name, in octets.
pub const NAME_MAX: usize = 64;

/// Whether a gateway id or consumer name may stand in a topic: letters, digits, `-`, `_`, `.`.
pub fn valid_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// What a topic of ours means when a message comes in on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A command.
    Command,
    /// A watermark of the named consumer.
    Watermark(String),
    /// A request to send again.
    Replay,
    /// Our own canary came back.
    Canary,
}

/// The topics of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    base: String,
}

impl Topics {
    /// `gateway` is the gateway's id; see [`valid_name`].
    pub fn new(gateway: &str) -> Self {
        Self { base: format!("hearth/v1/{gateway}") }
    }
    /// Messages of one lane.
    pub fn lane(&self, lane: Lane) -> String {
        format!("{}/{}", self.base, lane.as_str())
    }
    /// Retained state of the gateway.
    pub fn status(&self) -> String {
        format!("{}/status", self.base)
    }
    /// Commands, incoming.
    pub fn commands(&self) -> String {
        format!("{}/commands", self.base)
    }
    /// Answers to what came in.
    pub fn results(&self) -> String {
        format!("{}/results", self.base)
    }
    /// The watermarks of one consumer, incoming; `+` for all of them.
    pub fn watermarks(&self, consumer: &str) -> String {
        format!("{}/watermarks/{consumer}", self.base)
    }
    /// Requests to send again, incoming.
    pub fn replay(&self) -> String {
        format!("{}/replay", self.base)
    }
    /// Our own round trip.
    pub fn canary(&self) -> String {
        format!("{}/canary", self.base)
    }

    /// What a message on `topic` is; `None`: not one of ours.
    pub fn inbound(&self, topic: &str) -> Option<Inbound> {
        let rest = topic.strip_prefix(&self.base)?.strip_prefix('/')?;
        match rest {
            "commands" => Some(Inbound::Command),
            "replay" => Some(Inbound::Replay),
            "canary" => Some(Inbound::Canary),
            other => Some(Inbound::Watermark(other.strip_prefix("watermarks/")?.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_incoming_topic_is_recognised_and_no_other() {
        let topics = Topics::new("ward-3");
        assert_eq!(topics.inbound(&topics.commands()), Some(Inbound::Command));
        assert_eq!(topics.inbound(&topics.replay()), Some(Inbound::Replay));
        assert_eq!(topics.inbound(&topics.canary()), Some(Inbound::Canary));
        assert_eq!(
            topics.inbound(&topics.watermarks("ehr")),
            Some(Inbound::Watermark("ehr".to_owned()))
        );
        for other in ["hearth/v1/ward-3", "hearth/v1/ward-33/commands", "hearth/v1/ward-3/alerts"] {
            assert_eq!(topics.inbound(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_cannot_reach_into_other_topics() {
        for bad in ["", "a/b", "+", "#", "Zoë", &"x".repeat(NAME_MAX + 1)] {
            assert!(!valid_name(bad), "{bad}");
        }
        assert!(valid_name("ward-3.home_1"));
    }
}
