//! What came in, read with suspicion: a size limit, unknown fields named, a sentence for each fault.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::control::Command;
use crate::uplink::message::{ReplayRequest, Watermark};
use crate::uplink::source::{INCOMING_MAX, UplinkWrite};
use crate::uplink::topics::{Inbound, valid_name};

/// What a message turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parsed {
    /// Not for us.
    Ignored,
    /// Our own canary.
    Canary(Vec<u8>),
    /// To be written down before it is acknowledged.
    Write {
        /// Last part of the topic.
        to: &'static str,
        /// What to write.
        write: UplinkWrite,
    },
    /// A consumer asks for messages again.
    Replay(ReplayRequest),
}

pub(crate) fn parse(inbound: Option<Inbound>, payload: Vec<u8>) -> Parsed {
    let (to, result) = match inbound {
        None => return Parsed::Ignored,
        Some(Inbound::Canary) => return Parsed::Canary(payload),
        Some(Inbound::Command) => {
            // Read here only for the verdict; the application executes from the journalled octets.
            let problem = match sized(&payload) {
                Ok(()) => command(&payload).err(),
                Err(too_large) => Some(too_large),
            };
            return quarantine_or_run("commands", payload, problem);
        }
        Some(Inbound::Watermark(name)) => ("watermarks", watermark(&name, &payload).map(Ok)),
        Some(Inbound::Replay) => ("replay", replay(&payload).map(Err)),
    };
    match result {
        Ok(Ok(mark)) => Parsed::Write { to, write: UplinkWrite::Watermark(mark) },
        Ok(Err(request)) => Parsed::Replay(request),
        Err(problem) => quarantine_or_run(to, payload, Some(problem)),
    }
}

fn quarantine_or_run(to: &'static str, mut payload: Vec<u8>, problem: Option<String>) -> Parsed {
    payload.truncate(INCOMING_MAX);
    Parsed::Write { to, write: UplinkWrite::Incoming { to, payload, problem } }
}

fn sized(payload: &[u8]) -> Result<(), String> {
    if payload.len() > INCOMING_MAX {
        return Err(format!(
            "The message has {} octets; {INCOMING_MAX} are allowed.",
            payload.len()
        ));
    }
    Ok(())
}

fn object(payload: &[u8], allowed: &[&str]) -> Result<Map<String, Value>, String> {
    sized(payload)?;
    let value: Value =
        serde_json::from_slice(payload).map_err(|e| format!("This is not JSON: {e}."))?;
    let Value::Object(fields) = value else {
        return Err("A JSON object is expected.".to_owned());
    };
    if let Some(name) = fields.keys().find(|name| !allowed.contains(&name.as_str())) {
        let shown: String = name.chars().take(40).collect();
        let near = allowed
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        let hint = match near.filter(|n| strsim::jaro_winkler(n, name) > 0.8) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known are {}.", allowed.join(", ")),
        };
        return Err(format!("The field \"{shown}\" is not known; {hint}"));
    }
    Ok(fields)
}

fn typed<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(fields)).map_err(|e| {
        let mut sentence = e.to_string();
        if let Some(first) = sentence.get(..1) {
            let upper = first.to_uppercase();
            sentence.replace_range(..1, &upper);
        }
        if !sentence.ends_with(['.', '?']) {
            sentence.push('.');
        }
        sentence
    })
}

/// Reads a command as it comes over MQTT. Names and contacts are refused here: over MQTT there are
/// only opaque ids.
///
/// # Errors
/// One sentence saying what is wrong and, where it can be guessed, what was meant.
pub fn command(payload: &[u8]) -> Result<Command, String> {
    let fields = object(payload, &["id", "gateway", "expires", "verb", "with"])?;
    let verb = fields.get("verb").and_then(Value::as_str).unwrap_or_default();
    if matches!(verb, "patient_add" | "patient_edit") {
        let with = fields.get("with").and_then(Value::as_object);
        let named = with.and_then(|w| ["name", "contact"].into_iter().find(|k| w.contains_key(*k)));
        if let Some(field) = named {
            return Err(format!("The field \"{field}\" is accepted over the local socket only."));
        }
    }
    let command: Command = typed(fields)?;
    if command.id.is_empty() || command.id.len() > 128 {
        return Err("The field \"id\" must have 1 to 128 octets.".to_owned());
    }
    Ok(command)
}

/// What is kept of a message that is refused: names and contacts, which must not come over MQTT, are
/// taken out, so that a person can be erased without touching the journal.
///
/// Where a name begins in something that is no JSON cannot be told, so none of its text is kept: how
/// long it was, its CRC-32 and the parser's finding with line and column remain, which is enough for
/// whoever sent it to find it among what was sent, and the place in it.
pub fn without_names(payload: &[u8]) -> Vec<u8> {
    fn blank(value: &mut Value) -> bool {
        match value {
            Value::Object(fields) => {
                let mut found = false;
                for (key, value) in fields.iter_mut() {
                    let personal = matches!(key.as_str(), "name" | "contact") && !value.is_null();
                    if personal {
                        *value = Value::from("(not kept)");
                    }
                    found |= personal || blank(value);
                }
                found
            }
            Value::Array(values) => values.iter_mut().fold(false, |found, v| blank(v) | found),
            _ => false,
        }
    }
    // serde_json bounds the depth it reads, and so the depth of this.
    let mut value = match serde_json::from_slice::<Value>(payload) {
        Ok(value) => value,
        // The parser's words are fixed ones; they quote nothing.
        Err(error) => return trace(payload, &error.to_string()),
    };
    if blank(&mut value) || may_repeat(payload) {
        serde_json::to_vec(&value).unwrap_or_default()
    } else {
        payload.to_owned()
    }
}

/// What remains of octets that are no JSON.
fn trace(payload: &[u8], error: &str) -> Vec<u8> {
    let kept = json!({"not_json": {
        "octets": payload.len(),
        "crc32": format!("{:08x}", crc32fast::hash(payload)),
        "error": error,
    }});
    serde_json::to_vec(&kept).unwrap_or_default()
}

/// Whether a field could stand in the text that reading it has dropped: of a key given twice only the
/// last value is seen, and a key can be spelt with escapes.
fn may_repeat(payload: &[u8]) -> bool {
    [&b"\"name\""[..], b"\"contact\"", b"\\"]
        .iter()
        .any(|part| payload.windows(part.len()).any(|window| window == *part))
}

/// The id of a command that could not be read, if at least that can be.
pub fn command_id(payload: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    let id = value.get("id")?.as_str()?;
    (!id.is_empty() && id.len() <= 128).then(|| id.to_owned())
}

fn watermark(name: &str, payload: &[u8]) -> Result<Watermark, String> {
    let mark: Watermark = typed(object(payload, &["consumer", "lane", "seq"])?)?;
    if mark.consumer != name {
        return Err("The consumer's name differs from the one in the topic.".to_owned());
    }
    if !valid_name(name) {
        return Err("A consumer's name has 1 to 64 letters, digits, '-', '_' or '.'.".to_owned());
    }
    Ok(mark)
}

fn replay(payload: &[u8]) -> Result<ReplayRequest, String> {
    let request: ReplayRequest = typed(object(payload, &["consumer", "lane", "from", "to"])?)?;
    if !valid_name(&request.consumer) {
        return Err("A consumer's name has 1 to 64 letters, digits, '-', '_' or '.'.".to_owned());
    }
    if request.from == 0 || request.to < request.from {
        return Err("\"from\" must be at least 1, and \"to\" not less than \"from\".".to_owned());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[track_caller]
    fn check(payload: &str, part: &str) {
        let error = command(payload.as_bytes()).unwrap_err();
        assert!(error.to_lowercase().contains(&part.to_lowercase()), "{error}");
        assert!(error.ends_with(['.', '?']), "not a sentence: {error}");
    }

    #[test]
    fn a_faulty_command_is_told_what_is_wrong() {
        check("{", "not JSON");
        check("[]", "object");
        check(r#"{"id":"a","verb":"claim","wiht":{}}"#, "did you mean \"with\"?");
        check(r#"{"id":"a","verb":"explode","with":{}}"#, "`explode` is not known");
        check(r#"{"id":"","verb":"need_book","with":{"id":"n"}}"#, "must have 1 to 128");
        check(r#"{"id":"a","verb":"need_book","with":{"id":"n","x":1}}"#, "x");
        check(r#"{"id":"a","verb":"patient_add","with":{"id":"p","name":"Ann"}}"#, "local socket");
        check(&format!("\"{}\"", "x".repeat(INCOMING_MAX)), "octets");
    }

    #[test]
    fn a_good_command_is_read() {
        let payload = br#"{"id":"a","gateway":"g","verb":"need_book","with":{"id":"n"}}"#;
        assert_eq!(command(payload).unwrap().id, "a");
    }

    #[test]
    fn a_refused_name_is_not_kept_and_everything_else_is() {
        let kept = without_names(
            br#"{"id":"a","verb":"patient_add","with":{"id":"p","name":"Ann","x":[{"contact":1}]}}"#,
        );
        let kept = String::from_utf8(kept).unwrap();
        assert!(!kept.contains("Ann") && kept.contains("patient_add"), "{kept}");
        assert!(kept.contains(r#""contact":"(not kept)""#), "{kept}");
        for other in [&br#"{"id": "name", "with": {"n": 1.0e2}}"#[..], b"[ 3 ]"] {
            let value = |octets: &[u8]| serde_json::from_slice::<Value>(octets).unwrap();
            assert_eq!(value(&without_names(other)), value(other));
        }
        let spaced = br#"{ "id" : "a", "verb": "explode" }"#;
        assert_eq!(without_names(spaced), spaced);
    }

    #[test]
    fn a_name_hidden_from_the_reader_is_not_kept() {
        for hidden in [
            r#"{"id":"a","verb":"patient_add","with":{"id":"p","name":"Ann Example"#,
            r#"{"with":{"name":"Ann"},"with":{"name":null}}"#,
            r#"{"with":{"name":"Ann"},"with":{}}"#,
            r#"{"with":{"n\u0061me":"Ann"},"with":{}}"#,
            r#"{"with":{"contact":"Ann",}}"#,
            "Ann",
            &format!("{}{{\"name\":\"Ann\"}}{}", "[".repeat(200), "]".repeat(200)),
        ] {
            let kept = String::from_utf8(without_names(hidden.as_bytes())).unwrap();
            assert!(!kept.contains("Ann"), "{kept}");
        }
    }

    #[test]
    fn whoever_sent_what_is_no_json_finds_it_and_the_place() {
        let kept: Value = serde_json::from_slice(&without_names(b"{\"id\":\"a\",\n }")).unwrap();
        let kept = &kept["not_json"];
        assert_eq!(kept["octets"], 13);
        // `printf '{"id":"a",\n }' | gzip -c | tail -c8 | od -An -tx4 -N4`
        assert_eq!(kept["crc32"], "91141db8");
        assert!(kept["error"].as_str().unwrap().ends_with("at line 2 column 2"), "{kept}");
        // What is no text at all leaves the same trace, and nothing is as long as nothing.
        for other in [&b"\xff{"[..], b""] {
            let kept: Value = serde_json::from_slice(&without_names(other)).unwrap();
            assert_eq!(kept["not_json"]["octets"], other.len());
        }
    }

    #[test]
    fn a_watermark_for_somebody_else_is_quarantined() {
        let payload = br#"{"consumer":"b","lane":"alerts","seq":3}"#.to_vec();
        let parsed = parse(Some(Inbound::Watermark("a".into())), payload.clone());
        assert!(matches!(
            parsed,
            Parsed::Write { write: UplinkWrite::Incoming { problem: Some(_), .. }, .. }
        ));
        let parsed = parse(Some(Inbound::Watermark("b".into())), payload);
        assert!(matches!(parsed, Parsed::Write { write: UplinkWrite::Watermark(_), .. }));
    }

    #[test]
    fn octets_of_any_kind_are_answered_without_a_panic() {
        let mut seed = 0x1234_5678_9abc_def0_u64;
        for length in 0..400 {
            let octets: Vec<u8> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 56) as u8
                })
                .collect();
            assert!(command(&octets).is_err());
            for inbound in [Inbound::Command, Inbound::Replay, Inbound::Watermark("a".into())] {
                assert!(matches!(parse(Some(inbound), octets.clone()), Parsed::Write { .. }));
            }
        }
    }
}
