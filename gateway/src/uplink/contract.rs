//! The message contract as an AsyncAPI 3 document, generated from the types, and one golden message of
//! each kind. Both are checked in below `gateway/contract/`; a test fails when they differ from what is
//! generated here.

use asyncapi_rust_models::{
    AsyncApiSpec, Channel, ChannelRef, Components, Info, Message, MessageRef,
    MqttOperationBindings, Operation, OperationAction, OperationBindings, Parameter, Schema,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::control::Command;
use crate::uplink::message::{Answer, Envelope, ReplayRequest, Status, Watermark};

/// Version of the document; its first part is the one in [`crate::uplink::message::CONTRACT`].
const VERSION: &str = "1.0.0";

const ABOUT: &str = "Messages of a Hearth gateway over MQTT 5. Delivery is at least once: a message is \
told apart by lane, `seq` and `id`; each lane is numbered without a gap, so a consumer sees what it \
misses and asks for it on `replay`. What it holds durably it confirms on `watermarks/{consumer}`; only \
then does the gateway forget. A tombstone carries the number of a message that expired, was withdrawn, \
or cannot be sent. Of outgoing messages ignore fields that you do not know; in incoming ones the \
gateway refuses them with a sentence on `results`. No name, birth date or record number stands in a topic.";

/// One channel of the contract.
struct Part {
    name: &'static str,
    topic: &'static str,
    message: &'static str,
    /// The gateway sends it; else it receives it.
    sent: bool,
    retain: bool,
    title: &'static str,
}

const PARTS: &[Part] = &[
    Part {
        name: "alerts",
        topic: "alerts",
        message: "Envelope",
        sent: true,
        retain: false,
        title: "Alerts, notices, prompts and tasks; they overtake observations",
    },
    Part {
        name: "observations",
        topic: "observations",
        message: "Envelope",
        sent: true,
        retain: false,
        title: "Observations and verdicts; they never expire",
    },
    Part {
        name: "status",
        topic: "status",
        message: "Status",
        sent: true,
        retain: true,
        title: "State of the gateway, retained; the broker itself says offline",
    },
    Part {
        name: "results",
        topic: "results",
        message: "Answer",
        sent: true,
        retain: false,
        title: "Answers to commands, watermarks and replay requests",
    },
    Part {
        name: "commands",
        topic: "commands",
        message: "Command",
        sent: false,
        retain: false,
        title: "Commands; journalled before they are acknowledged, executed once per id",
    },
    Part {
        name: "watermarks",
        topic: "watermarks/{consumer}",
        message: "Watermark",
        sent: false,
        retain: false,
        title: "What a consumer holds durably",
    },
    Part {
        name: "replay",
        topic: "replay",
        message: "ReplayRequest",
        sent: false,
        retain: false,
        title: "A consumer asks for messages again",
    },
];

fn parameter(description: &str, example: &str) -> Parameter {
    Parameter {
        description: Some(description.to_owned()),
        default: None,
        enum_values: None,
        examples: Some(vec![example.to_owned()]),
        location: None,
    }
}

fn channel(part: &Part) -> Channel {
    let mut parameters = vec![(
        "gateway".to_owned(),
        parameter("The gateway's id: 1 to 64 letters, digits, '-', '_' or '.'.", "ward-3"),
    )];
    if part.topic.contains("{consumer}") {
        let consumer = parameter("The consumer's name, as in the gateway's configuration.", "ehr");
        parameters.push(("consumer".to_owned(), consumer));
    }
    let reference = format!("#/components/messages/{}", part.message);
    Channel {
        address: Some(format!("hearth/v1/{{gateway}}/{}", part.topic)),
        messages: Some(
            [(part.message.to_owned(), MessageRef::Reference { reference })].into_iter().collect(),
        ),
        parameters: Some(parameters.into_iter().collect()),
    }
}

fn operation(part: &Part) -> Operation {
    let reference = format!("#/channels/{}", part.name);
    let message = format!("{reference}/messages/{}", part.message);
    Operation {
        action: if part.sent { OperationAction::Send } else { OperationAction::Receive },
        channel: ChannelRef { reference },
        messages: Some(vec![MessageRef::Reference { reference: message }]),
        bindings: Some(OperationBindings {
            mqtt: Some(MqttOperationBindings {
                qos: Some(1),
                retain: Some(part.retain),
                message_expiry_interval: None,
                binding_version: Some("0.2.0".to_owned()),
            }),
        }),
    }
}

fn message<T: JsonSchema>(
    generator: &mut SchemaGenerator,
    name: &str,
    title: &str,
) -> (String, Message) {
    let _ = generator.subschema_for::<T>();
    let message = Message {
        name: Some(name.to_owned()),
        title: Some(title.to_owned()),
        content_type: Some("application/json".to_owned()),
        payload: Some(Schema::Reference { reference: format!("#/components/schemas/{name}") }),
        ..Message::default()
    };
    (name.to_owned(), message)
}

/// The document, as indented JSON with a line end.
pub fn document() -> String {
    // AsyncAPI 3 schemas are a superset of JSON Schema draft 07.
    let mut settings = SchemaSettings::draft07();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let messages = [
        message::<Envelope>(&mut generator, "Envelope", "One message on a lane"),
        message::<Status>(&mut generator, "Status", "State of the gateway"),
        message::<Answer>(&mut generator, "Answer", "Answer to an incoming message"),
        message::<Command>(&mut generator, "Command", "A command"),
        message::<Watermark>(&mut generator, "Watermark", "A consumer's watermark"),
        message::<ReplayRequest>(&mut generator, "ReplayRequest", "A request to send again"),
    ];
    let schemas = generator.take_definitions(true);
    let spec = AsyncApiSpec {
        asyncapi: "3.0.0".to_owned(),
        info: Info {
            title: "Hearth gateway".to_owned(),
            version: VERSION.to_owned(),
            description: Some(ABOUT.to_owned()),
        },
        servers: None,
        channels: Some(PARTS.iter().map(|p| (p.name.to_owned(), channel(p))).collect()),
        operations: Some(PARTS.iter().map(|p| (title_id(p), operation(p))).collect()),
        components: Some(Components {
            messages: Some(messages.into_iter().collect()),
            schemas: Some(schemas.into_iter().map(|(k, v)| (k, Schema::Any(v))).collect()),
        }),
    };
    let mut value = serde_json::to_value(&spec).unwrap_or(Value::Null);
    // The library's channels and operations have no title; the document shall explain itself.
    for part in PARTS {
        value["channels"][part.name]["title"] = json!(part.title);
        value["operations"][title_id(part)]["title"] = json!(part.title);
    }
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

fn title_id(part: &Part) -> String {
    format!("{}_{}", if part.sent { "send" } else { "receive" }, part.name)
}

fn envelope(lane: &str, seq: u64, body: Value) -> Value {
    json!({
        "contract": "hearth/1", "gateway": "ward-3", "lane": lane, "seq": seq,
        "id": "3a3f1b52-6c1e-5c1c-9a53-0d6c2f0f4b11", "patient": "p-0017",
        "created": "2026-03-01T07:00:02.120Z", "body": body,
    })
}

/// One message of each kind: file name (without `.json`) and content.
pub fn golden() -> Vec<(&'static str, Value)> {
    let mut all = golden_outgoing();
    all.extend(golden_incoming());
    all
}

fn golden_outgoing() -> Vec<(&'static str, Value)> {
    let need = "b0c7a0ef-8a6e-5a41-8f50-3f3f0a2f7c55";
    let observed = "5f0f2c7e-0f5e-5a55-a5ad-1d0f6f6f0a01";
    let mut prompt = envelope(
        "alerts",
        43,
        json!({
            "kind": "prompt", "prompt": "follow_up_visit", "need": need, "attempt": 1,
            "language": "en", "text": "Please book a follow-up visit.",
            "answers": ["done", "later", "help"],
        }),
    );
    prompt["expires"] = json!("2026-03-03T07:00:00.000Z");
    vec![
        (
            "observation",
            envelope(
                "observations",
                1204,
                json!({
                    "kind": "observation", "device": "meter-1", "quantity": "glucose", "value": 112,
                    "unit": "mg/dL", "measured": "2026-03-01T08:00:00+01:00", "clock": "synchronised",
                    "received": "2026-03-01T07:00:02.000Z", "device_time": "2026-03-01T08:00:00",
                    "sequence": 87, "meal": "fasting", "plausibility": "accepted", "journal_seq": 5012,
                    "revision": 0,
                }),
            ),
        ),
        (
            "observation-absent",
            envelope(
                "observations",
                1205,
                json!({
                    "kind": "observation", "device": "cuff-1", "quantity": "blood_pressure",
                    "unit": "mm[Hg]", "absent": "not_a_number", "measured": "2026-03-01T08:05:00+01:00",
                    "clock": "collector", "received": "2026-03-01T07:05:00.000Z",
                    "plausibility": "accepted", "marks": ["invalid"], "journal_seq": 5013,
                    "weak_identity": true, "revision": 0,
                }),
            ),
        ),
        (
            "verdict",
            envelope(
                "observations",
                1206,
                json!({
                    "kind": "verdict", "plan": "plan-0017", "programme": "prediabetes-6w",
                    "day": "2026-03-01", "phase": "final", "verdict": "NotImproved",
                    "published": "NotImproved", "action": "FollowUpVisit",
                    "sentence": "Fasting glucose has not improved in six weeks.",
                    "evidence": [{ "n_base": 12, "n_recent": 9 }], "rule": "NI-1 v1",
                }),
            ),
        ),
        (
            "alert",
            envelope(
                "alerts",
                41,
                json!({
                    "kind": "alert", "rule": "G1", "level": "C", "from": "Idle", "to": "Active",
                    "reason": "met", "at": "2026-03-01T07:00:02Z", "observation": observed,
                }),
            ),
        ),
        (
            "notice",
            envelope(
                "alerts",
                42,
                json!({
                    "kind": "notice", "to": "staff", "rule": "G1", "level": "C", "notice": "alert",
                    "step": 1, "at": "2026-03-01T07:00:02Z",
                    "reason": "Glucose 48 mg/dL is below the limit of 54 mg/dL.",
                    "observation": observed,
                }),
            ),
        ),
        ("prompt", prompt),
        (
            "task",
            envelope(
                "alerts",
                44,
                json!({
                    "kind": "task", "task": "call", "reason": "Two prompts were not answered.",
                    "level": "A", "state": "open", "need": need,
                }),
            ),
        ),
        (
            "tombstone",
            envelope(
                "alerts",
                45,
                json!({
                    "kind": "tombstone", "of": "prompt", "reason": "expired",
                }),
            ),
        ),
        (
            "status",
            json!({
                "state": "online", "contract": "hearth/1", "gateway": "ward-3",
                "at": "2026-03-01T07:00:02.000Z",
                "lanes": [{ "lane": "alerts", "last": 45 }, { "lane": "observations", "last": 1206 }],
                "adapter": "simulated", "notes": ["cuff-1: not measuring since 2026-02-20"],
            }),
        ),
        ("status-will", json!({ "state": "offline" })),
        (
            "answer",
            json!({
                "contract": "hearth/1", "gateway": "ward-3", "id": "c-1", "to": "commands",
                "ok": true, "result": { "state": "booked" },
            }),
        ),
        (
            "answer-refused",
            json!({
                "contract": "hearth/1", "gateway": "ward-3", "to": "commands", "ok": false,
                "error": "The field \"wiht\" is not known; did you mean \"with\"?",
            }),
        ),
    ]
}

fn golden_incoming() -> Vec<(&'static str, Value)> {
    vec![
        (
            "command",
            json!({
                "id": "c-1", "gateway": "ward-3", "expires": "2026-03-01T09:00:00Z",
                "verb": "need_book", "with": { "id": "b0c7a0ef-8a6e-5a41-8f50-3f3f0a2f7c55" },
            }),
        ),
        ("watermark", json!({ "consumer": "ehr", "lane": "observations", "seq": 1206 })),
        ("replay", json!({ "consumer": "ehr", "lane": "observations", "from": 1100, "to": 1120 })),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::uplink::incoming;
    use crate::uplink::message::{Body, Tombstone};

    fn folder() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/contract"))
    }

    /// Compares a file with what is generated; `HEARTH_UPDATE_CONTRACT=1` writes it instead.
    fn check_file(name: &str, generated: &str) {
        let path = folder().join(name);
        if std::env::var_os("HEARTH_UPDATE_CONTRACT").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, generated).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        // As values: the order of fields depends on what other crates ask of serde_json.
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        assert!(
            value(&kept) == value(generated),
            "contract/{name} differs from the types; if the change is meant, run the tests with \
             HEARTH_UPDATE_CONTRACT=1 and look at the difference"
        );
    }

    fn pretty(value: &Value) -> String {
        format!("{}\n", serde_json::to_string_pretty(value).unwrap())
    }

    #[test]
    fn the_checked_in_contract_is_what_the_types_say() {
        check_file("asyncapi.json", &document());
        for (name, value) in golden() {
            check_file(&format!("golden/{name}.json"), &pretty(&value));
        }
        // And no file is left over.
        let names: BTreeSet<_> = golden().iter().map(|(n, _)| format!("{n}.json")).collect();
        let files = std::fs::read_dir(folder().join("golden")).unwrap();
        let kept: BTreeSet<_> =
            files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(kept, names);
    }

    /// Parses with the type, writes it again, and wants the same: no field is lost or renamed.
    fn round_trip<T: serde::de::DeserializeOwned + serde::Serialize>(name: &str, value: &Value) {
        let parsed: T = serde_json::from_value(value.clone())
            .unwrap_or_else(|error| panic!("golden {name}: {error}"));
        assert_eq!(&serde_json::to_value(&parsed).unwrap(), value, "golden {name}");
    }

    #[test]
    fn every_golden_message_goes_through_its_type_and_back() {
        let mut kinds = BTreeSet::new();
        for (name, value) in golden() {
            match name {
                "status" | "status-will" => round_trip::<Status>(name, &value),
                "answer" | "answer-refused" => round_trip::<Answer>(name, &value),
                "command" => {
                    round_trip::<Command>(name, &value);
                    incoming::command(value.to_string().as_bytes()).unwrap();
                }
                "watermark" => round_trip::<Watermark>(name, &value),
                "replay" => round_trip::<ReplayRequest>(name, &value),
                _ => {
                    round_trip::<Envelope>(name, &value);
                    kinds.insert(value["body"]["kind"].as_str().unwrap().to_owned());
                }
            }
        }
        // `kind` is exhaustive, so a new kind without a golden message is found here.
        let body = Body::Tombstone(Tombstone { of: "prompt".into(), reason: "expired".into() });
        assert!(kinds.contains(body.kind()));
        assert_eq!(kinds.len(), 7, "{kinds:?}");
    }

    fn references(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                    into.insert(reference.to_owned());
                }
                map.values().for_each(|v| references(v, into));
            }
            Value::Array(list) => list.iter().for_each(|v| references(v, into)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        assert_eq!(document["asyncapi"], "3.0.0");
        let mut all = BTreeSet::new();
        references(&document, &mut all);
        assert!(all.len() > 20);
        for reference in all {
            let pointer = reference.strip_prefix('#').expect("a reference within the document");
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        for part in PARTS {
            let title = &document["channels"][part.name]["title"];
            assert_eq!(title, part.title);
        }
    }
}
