//! `hearth devices show`: everything that is known of one device.

use serde_json::Value;

use super::super::client::Daemon;
use super::super::exit::{Exit, Failure};
use super::super::print::{self, Format, cell};
use super::words;
use crate::control::query::{Listing, Request};

/// Show a device: owner, bond, clock, last sessions, and whether everything it holds is here
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth devices show meter-1\n  \
    hearth devices show meter-1 --json | jq .completeness")]
pub(super) struct Show {
    /// Device id
    id: String,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

impl Show {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let device = device(&self.daemon, &self.id)?;
        if self.format.json {
            print::thing(self.format, &device)?;
        } else {
            print::out(&told(&device))?;
        }
        Ok(Exit::Ok)
    }
}

/// The device with this id.
///
/// # Errors
/// There is none, or no gateway answers.
pub(super) fn device(daemon: &Daemon, id: &str) -> Result<Value, Failure> {
    let request = Request::Show { what: Listing::Devices, id: id.to_owned() };
    daemon.rows(&request)?.into_iter().next().ok_or_else(|| {
        Failure::new(Exit::Negative, format!("There is no device with the id {id}."))
            .next("list them: hearth devices list --all")
    })
}

/// The device as people read it.
fn told(device: &Value) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let text = |from: &Value, field: &str| cell(from.get(field));
    let has = |from: &Value, field: &str| from.get(field).is_some_and(|v| !v.is_null());
    lines.push(("device", text(device, "id")));
    for (field, name) in [
        ("alias", "called"),
        ("kind", "kind"),
        ("model", "model"),
        ("profile", "profile"),
        ("address", "address"),
        ("owners", "owners"),
        ("zone", "zone"),
        ("battery_percent", "battery"),
        ("added", "added"),
        ("last_seen", "last seen"),
        ("retired", "retired"),
    ] {
        if has(device, field) {
            let percent = if field == "battery_percent" { " %" } else { "" };
            lines.push((name, format!("{}{percent}", text(device, field))));
        }
    }
    match device.get("radio").filter(|radio| radio.is_object()) {
        None => lines.push(("radio", "The radio has not met it yet.".to_owned())),
        Some(radio) => met(radio, &mut lines),
    }
    for (at, session) in sessions(device).into_iter().enumerate() {
        lines.push((if at == 0 { "sessions" } else { "" }, session));
    }
    if let Some(complete) = device.get("completeness").filter(|c| c.is_object()) {
        complete_lines(complete, &mut lines);
    }
    lines.iter().map(|(name, line)| format!("{name:<9} {line}\n")).collect()
}

fn number(from: &Value, field: &str) -> Option<i64> {
    from.get(field).and_then(Value::as_i64)
}

fn met(radio: &Value, lines: &mut Vec<(&str, String)>) {
    let word = radio.get("state").and_then(Value::as_str).unwrap_or("new");
    let since = radio.get("since").and_then(Value::as_str);
    let since = since.map(|at| format!(" (since {at})")).unwrap_or_default();
    lines.push(("radio", format!("{}{since}", words::state(word))));
    if let Some(next) = words::next(word) {
        lines.push(("", format!("next: {next}")));
    }
    let known = |field: &str, yes: &str, no: &str| match radio.get(field).and_then(Value::as_bool) {
        Some(true) => Some(yes.to_owned()),
        Some(false) => Some(no.to_owned()),
        None => None,
    };
    let mut bond = vec![known("bonded", "here", "none").unwrap_or_else(|| "unknown".to_owned())];
    bond.extend(known(
        "authenticated",
        "protected against a man in the middle",
        "not protected against a man in the middle",
    ));
    bond.extend(known("secure_connections", "LE Secure Connections", "LE legacy pairing"));
    bond.extend(number(radio, "key_octets").map(|n| format!("key of {n} octets")));
    bond.extend(radio.get("bonded_at").and_then(Value::as_str).map(|at| format!("since {at}")));
    lines.push(("bond", bond.join(", ")));
    if let Some(before) = number(radio, "clock_before_s") {
        let set = radio.get("clock_set").and_then(Value::as_bool) == Some(true);
        let after = match (set, number(radio, "clock_after_s")) {
            (false, _) => "; left as it was".to_owned(),
            (true, Some(after)) => format!("; set; then {}", words::off(after)),
            (true, None) => "; set; it cannot be read back".to_owned(),
        };
        let at = cell(radio.get("clock_at"));
        lines.push(("clock", format!("{}{after} ({at})", words::off(before))));
    }
    let parts: Vec<String> = ["manufacturer", "model", "firmware", "hardware", "software"]
        .iter()
        .filter(|field| radio.get(**field).is_some_and(|v| !v.is_null()))
        .map(|field| format!("{field} {}", cell(radio.get(*field))))
        .collect();
    if !parts.is_empty() {
        lines.push(("says", parts.join(", ")));
    }
    let of = |field: &str| number(radio, field).unwrap_or_default();
    lines.push((
        "met",
        format!(
            "{} complete, {} incomplete, {} failed; {} on the radio on {}",
            of("sessions_complete"),
            of("sessions_incomplete"),
            of("sessions_failed"),
            words::stretch(of("radio_s").unsigned_abs()),
            cell(radio.get("radio")),
        ),
    ));
}

fn sessions(device: &Value) -> Vec<String> {
    let all = device.get("last_sessions").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .map(|session| {
            let values = number(session, "received").unwrap_or_default().unsigned_abs();
            let code = session.get("code").and_then(Value::as_str);
            let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
            format!(
                "{} {}{code}, {}",
                cell(session.get("started")),
                cell(session.get("how")),
                words::count(values, "value")
            )
        })
        .collect()
}

fn complete_lines(complete: &Value, lines: &mut Vec<(&str, String)>) {
    let held = match (number(complete, "held"), number(complete, "first"), number(complete, "last"))
    {
        (Some(held), Some(first), Some(last)) => {
            format!("{}, numbers {first} to {last}", words::count(held.unsigned_abs(), "record"))
        }
        (Some(held), ..) => words::count(held.unsigned_abs(), "record"),
        (None, Some(first), Some(last)) => format!("numbers {first} to {last}"),
        _ => "it does not say how many records".to_owned(),
    };
    let said = complete.get("said").and_then(Value::as_str);
    let said = said.map(|at| format!(" (as it said {at})")).unwrap_or_default();
    lines.push(("holds", format!("{held}{said}")));
    let count = |field: &str| number(complete, field).unwrap_or_default().unsigned_abs();
    let aside = count("set_aside");
    let aside = if aside == 0 { String::new() } else { format!(", {aside} of them set aside") };
    lines.push(("collected", format!("{}{aside}", words::count(count("collected"), "record"))));
    let confirmed = match number(complete, "confirmed") {
        Some(n) => format!("{n} confirmed by every consumer"),
        None => "no consumer is named that could confirm".to_owned(),
    };
    lines.push((
        "delivered",
        format!("{} acknowledged by the broker, {confirmed}", count("acknowledged")),
    ));
    let missing = cell(complete.get("missing"));
    if missing != "-" {
        lines.push(("missing", format!("numbers {missing}")));
    }
    if count("resets") > 0 {
        lines.push((
            "",
            format!("it began to number anew {}", words::count(count("resets"), "time")),
        ));
    }
    lines.push((
        "complete",
        match complete.get("verdict").and_then(Value::as_str) {
            Some("complete") => "yes: everything it said it holds is here",
            Some("incomplete") => "no: the rest is asked for at the next meeting",
            _ => "unknown",
        }
        .to_owned(),
    ));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_shows_its_own_count_beside_what_was_collected_and_delivered() {
        let text = told(&json!({
            "id": "meter-1", "kind": "glucose_meter", "alias": null, "battery_percent": 80,
            "owners": [{"patient": "p1", "slot": null}],
            "radio": {
                "state": "bond_lost", "since": "2026-03-01T00:00:00Z", "bonded": true,
                "authenticated": true, "secure_connections": null, "key_octets": 16,
                "clock_before_s": 130, "clock_set": true, "clock_after_s": 0,
                "clock_at": "2026-03-01T00:00:00Z", "firmware": "1.2", "sessions_complete": 3,
                "sessions_incomplete": 1, "sessions_failed": 0, "radio_s": 70, "radio": "2026-03-01"
            },
            "last_sessions": [
                {"started": "2026-03-01T00:00:00Z", "how": "failed", "code": "not_encrypted", "received": 1}
            ],
            "completeness": {
                "verdict": "incomplete", "held": 9, "first": 1, "last": 10, "said": "x", "collected": 6,
                "set_aside": 1, "acknowledged": 5, "confirmed": 4, "resets": 0, "missing": ["4-5", "9"]
            }
        }));
        for part in [
            "battery   80 %\n",
            "radio     The device no longer knows this gateway",
            "next: Pair it anew",
            "bond      here, protected against a man in the middle, key of 16 octets\n",
            "clock     2 min 10 s behind; set; then exact (2026-03-01T00:00:00Z)\n",
            "met       3 complete, 1 incomplete, 0 failed; 1 min 10 s on the radio on 2026-03-01\n",
            "sessions  2026-03-01T00:00:00Z failed (not_encrypted), 1 value\n",
            "holds     9 records, numbers 1 to 10 (as it said x)\n",
            "collected 6 records, 1 of them set aside\n",
            "delivered 5 acknowledged by the broker, 4 confirmed by every consumer\n",
            "missing   numbers 4-5, 9\n",
            "complete  no",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("called"), "{text}");
    }

    #[test]
    fn a_device_the_radio_never_met_says_so() {
        let text = told(&json!({"id": "scale-1", "kind": "weight_scale", "radio": null}));
        assert!(text.contains("radio     The radio has not met it yet.\n"), "{text}");
    }
}
