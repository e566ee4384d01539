//! A row of the outbox as the octets of one message, and how large its packet is.

use hearth_shared::time::UnixMillis;

use crate::store::outbox_page::{Form, Row};
use crate::uplink::message::{Body, CONTRACT, Tombstone};

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.millis())
        .map(|t| t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        .unwrap_or_else(|_| "1970-01-01T00:00:00.000Z".to_owned())
}

/// The envelope of `row` around `body`, which is JSON already: it is not parsed again, because a
/// backlog of 100,000 rows passes here.
fn envelope(gateway: &str, row: &Row, body: &str) -> Vec<u8> {
    let mut text = String::with_capacity(body.len() + 256);
    let quote = |value: &str| serde_json::Value::from(value).to_string();
    text.push_str("{\"contract\":");
    text.push_str(&quote(CONTRACT));
    text.push_str(",\"gateway\":");
    text.push_str(&quote(gateway));
    text.push_str(",\"lane\":");
    text.push_str(&quote(row.lane.as_str()));
    text.push_str(&format!(",\"seq\":{},\"id\":\"{}\"", row.seq, row.id));
    if let Some(patient) = &row.patient {
        text.push_str(",\"patient\":");
        text.push_str(&quote(patient));
    }
    text.push_str(&format!(",\"created\":\"{}\"", rfc3339(row.created)));
    if let Some(expires) = row.expires {
        text.push_str(&format!(",\"expires\":\"{}\"", rfc3339(expires)));
    }
    text.push_str(",\"body\":");
    text.push_str(body);
    text.push('}');
    text.into_bytes()
}

/// What is to be sent for a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The octets.
    pub payload: Vec<u8>,
    /// As what the row goes out.
    pub form: Form,
    /// Message Expiry Interval in seconds; never for observations.
    pub expiry_s: Option<u32>,
    /// Why a tombstone stands in the message's place.
    pub reason: Option<&'static str>,
}

fn tombstone(gateway: &str, row: &Row, form: Form, reason: &'static str) -> Rendered {
    let body = Body::Tombstone(Tombstone { of: row.kind.clone(), reason: reason.to_owned() });
    // Two plain strings always serialise.
    let body = serde_json::to_string(&body).unwrap_or_default();
    // A damaged row's texts are not repeated.
    let mut bare = row.clone();
    if row.damaged {
        bare.patient = None;
    }
    let payload = envelope(gateway, &bare, &body);
    Rendered { payload, form, expiry_s: None, reason: Some(reason) }
}

/// The message of `row`, or the tombstone in its place. `wall` is the wall clock if it can be trusted;
/// without it nothing expires here. `fits` says whether the broker takes a packet with this payload.
/// `None`: not even a tombstone fits.
pub fn render(
    gateway: &str,
    row: &Row,
    wall: Option<UnixMillis>,
    fits: impl Fn(usize, Option<u32>) -> bool,
) -> Option<Rendered> {
    let left_ms = row.expires.zip(wall).map(|(e, w)| e.millis().saturating_sub(w.millis()));
    let expired = left_ms.is_some_and(|left| left <= 0);
    let rendered = if row.damaged {
        tombstone(gateway, row, Form::SetAside, "damaged")
    } else if row.tombstone || expired {
        let reason = if expired { "expired" } else { "withdrawn" };
        tombstone(gateway, row, Form::Tombstone, reason)
    } else {
        let expiry_s = left_ms.map(|left| {
            // Rounded up: a message must not vanish before its time.
            u32::try_from(left.saturating_add(999) / 1000).unwrap_or(u32::MAX)
        });
        let payload = envelope(gateway, row, &row.body);
        if fits(payload.len(), expiry_s) {
            Rendered { payload, form: Form::Message, expiry_s, reason: None }
        } else {
            tombstone(gateway, row, Form::SetAside, "too_large")
        }
    };
    fits(rendered.payload.len(), rendered.expiry_s).then_some(rendered)
}

/// Octets of a QoS 1 PUBLISH packet as `broker.rs` writes it (MQTT 5, section 3.3): fixed header,
/// topic, packet id, properties (only a Message Expiry Interval, 5 octets), payload.
pub const fn publish_size(topic: usize, payload: usize, expiry: bool) -> usize {
    let properties = if expiry { 5 } else { 0 };
    let rest = 2 + topic + 2 + 1 + properties + payload;
    let length = match rest {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    };
    1 + length + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::uplink::message::{Envelope, Lane, Prompt};

    fn row() -> Row {
        let body = Body::Prompt(Prompt {
            prompt: "nudge".into(),
            need: None,
            attempt: 1,
            language: "en".into(),
            text: "A \"quoted\" line\nand another".into(),
            silent: false,
            level: None,
            answers: vec!["done".into()],
        });
        Row {
            lane: Lane::Alerts,
            seq: 7,
            id: uuid::Uuid::from_u128(9),
            kind: "prompt".into(),
            patient: Some("p\"1".into()),
            body: serde_json::to_string(&body).unwrap(),
            created: UnixMillis::from_millis(1_700_000_000_007),
            expires: Some(UnixMillis::from_millis(1_700_000_100_000)),
            tombstone: false,
            damaged: false,
        }
    }

    fn parsed(rendered: &Rendered) -> Envelope {
        serde_json::from_slice(&rendered.payload).unwrap()
    }

    #[test]
    fn a_message_says_what_its_row_says() {
        let row = row();
        let wall = UnixMillis::from_millis(1_700_000_090_001);
        let rendered = render("g", &row, Some(wall), |_, _| true).unwrap();
        assert_eq!((rendered.form, rendered.expiry_s), (Form::Message, Some(10)));
        let envelope = parsed(&rendered);
        assert_eq!((envelope.seq, envelope.lane), (7, Lane::Alerts));
        assert_eq!(envelope.patient.as_deref(), Some("p\"1"));
        assert_eq!(envelope.created, "2023-11-14T22:13:20.007Z");
        assert_eq!(serde_json::to_string(&envelope.body).unwrap(), row.body);
        // Field for field what serde would have written.
        assert_eq!(serde_json::to_vec(&envelope).unwrap(), rendered.payload);
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Row), wall: i64, max: usize, form: Form, reason: &str) {
        let mut row = row();
        change(&mut row);
        let wall = UnixMillis::from_millis(wall);
        let rendered = render("g", &row, Some(wall), |size, _| size <= max).unwrap();
        assert_eq!(rendered.form, form);
        match parsed(&rendered).body {
            Body::Tombstone(t) => {
                assert_eq!((t.of.as_str(), t.reason.as_str()), ("prompt", reason))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_tombstone_stands_where_the_message_may_not() {
        let now = 1_700_000_000_000;
        check(|_| (), 1_700_000_100_000, 9999, Form::Tombstone, "expired");
        check(|r| r.tombstone = true, now, 9999, Form::Tombstone, "withdrawn");
        check(|r| r.damaged = true, now, 9999, Form::SetAside, "damaged");
        check(|r| r.body.push_str(&" ".repeat(9000)), now, 999, Form::SetAside, "too_large");
        assert_eq!(render("g", &row(), None, |_, _| false), None);
    }

    #[test]
    fn without_a_trusted_clock_nothing_expires() {
        let rendered = render("g", &row(), None, |_, _| true).unwrap();
        assert_eq!((rendered.form, rendered.expiry_s), (Form::Message, None));
    }
}
