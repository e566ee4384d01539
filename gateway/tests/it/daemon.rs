//! The daemon as a process: start, ask, stop.

use std::os::unix::fs::PermissionsExt;

use crate::home::{Home, Household, text};

#[test]
fn it_starts_answers_and_stops_cleanly() {
    let mut home = Home::quiet();
    home.start();
    let status = home.status();
    assert_eq!(status["gateway"], "gw-1");
    assert_eq!(status["radio"]["simulated"], false);
    assert_eq!(status["broker"]["state"], "off");
    assert_eq!(status["clock"]["trusted"], true);
    let mode = |name| std::fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data/control.sock"), 0o660);
    assert_eq!(mode("data/hearth.db") & 0o007, 0, "readings are not for every user");

    let empty = home.run(&["alert", "list"]);
    assert_eq!(text(&empty), "No open alerts.\n");
    assert_eq!(home.run(&["patient", "show", "nobody"]).status.code(), Some(1));

    assert_eq!(home.stop(), Some(0), "{}", home.said());
    assert!(!home.path("data/control.sock").exists());
    assert!(home.said().contains("Stopped."), "{}", home.said());
}

#[test]
fn a_second_daemon_on_the_same_data_is_refused() {
    let mut home = Home::quiet();
    home.start();
    let second = home.run(&["run"]);
    assert_eq!(second.status.code(), Some(7), "{}", text(&second));
    assert!(text(&second).contains("another hearth"), "{}", text(&second));
    assert_eq!(home.status()["gateway"], "gw-1", "the first one still answers");
    assert_eq!(home.stop(), Some(0));
}

/// A glucose record (2A18): sequence, local time of the device, 53 mg/dL from a finger.
pub fn glucose(sequence: u8, hour: u8, mg_per_dl: u8) -> String {
    // flags 02: concentration in kg/L, type and location; SFLOAT n × 10^-5 kg/L is n mg/dL.
    let record =
        [0x02, sequence, 0x00, 0xEB, 0x07, 0x03, 0x01, hour, 0x00, 0x00, mg_per_dl, 0xB0, 0x11];
    record.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// 2027-03-01T07:00:00Z.
pub const START_MS: i64 = 1_803_884_400_000;

const HOUSEHOLD: &str = r#"
[[patient]]
id = "p1"
zone = "UTC"
language = "en"
prompts = true
start = "2027-02-01"

[[device]]
id = "meter-1"
kind = "glucose_meter"
address = "C0:00:00:00:00:01"

[[device.owner]]
patient = "p1"
from = "2027-02-01"
"#;

pub fn simulated_home(port: u16) -> Home {
    let home = Home::new(&format!(
        "[uplink]\nport = {port}\nconsumers = [\"ehr\"]\n\
         [embedded_broker]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\n\
         [radio]\nadapter = \"simulated\"\n[household]\nfile = \"household.toml\""
    ));
    std::fs::write(home.path("household.toml"), HOUSEHOLD).unwrap();
    home
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_simulated_value_is_committed_assessed_and_published() {
    let mut home = simulated_home(free_port());
    home.start();
    let mut household = Household::connect(&home);
    household.send(&format!(r#"{{"event":"hello","version":1,"now_ms":{START_MS}}}"#));
    assert_eq!(household.answer(), serde_json::json!({"command":"reached","now_ms":START_MS}));
    household.send("garbage");
    assert_eq!(household.answer()["command"], "refused");
    let connected = START_MS / 1000 + 3600;
    household.send(&format!(r#"{{"event":"time","now_ms":{}}}"#, connected * 1000));
    assert_eq!(household.answer()["command"], "reached");
    household.send(&format!(
        r#"{{"event":"connected","address":"C0:00:00:00:00:01","connection":1,"encrypted":true,"device_clock_s":{connected}}}"#
    ));
    for (position, (sequence, hour, value)) in [(1, 7, 100), (2, 8, 53)].into_iter().enumerate() {
        let hex = glucose(sequence, hour, value);
        household.send(&format!(
            r#"{{"event":"value","address":"C0:00:00:00:00:01","connection":1,"position":{position},"characteristic":"2A18","hex":"{hex}"}}"#
        ));
    }
    // One answer or two, depending on how the values arrived; the last one covers both.
    loop {
        let answer = household.answer();
        assert_eq!(answer["command"], "committed", "{answer}");
        if answer["position"] == 1 {
            break;
        }
    }
    household.send(&format!(r#"{{"event":"time","now_ms":{}}}"#, connected * 1000 + 60_000));
    assert_eq!(household.answer()["command"], "reached");

    let status = home.status();
    assert_eq!(status["radio"]["simulated"], true);
    assert_eq!(status["radio"]["committed"], 2, "{status}");
    assert_eq!(status["radio"]["refused"], 1, "{status}");
    assert_eq!(status["journal"]["observations"], 2, "{status}");
    assert_eq!(status["journal"]["open_alerts"], 1, "{status}");
    assert_eq!(status["broker"]["state"], "online", "{status}");

    let alerts = home.run(&["alert", "list", "--json"]);
    assert!(text(&alerts).contains("\"rule\":\"G1\""), "{}", text(&alerts));
    // What was published is there for a consumer, each message once.
    let last = |lane: usize| status["backlog"][lane]["last"].as_u64().unwrap();
    let count = (last(0) + last(1)).to_string();
    let output = home.run(&["consume", "--consumer", "ehr", "--count", &count, "--json"]);
    let messages: Vec<serde_json::Value> = String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| messages.iter().filter(|m| m["body"]["kind"] == kind).count();
    assert_eq!(of("observation"), 2, "{}", text(&output));
    assert!(of("alert") >= 1 && of("prompt") >= 1, "{}", text(&output));

    // The journal is read beside the running gateway.
    let exported = text(&home.run(&["journal", "export", "--json"]));
    assert_eq!(exported.matches("\"state\":\"observed\"").count(), 2, "{exported}");
    assert_eq!(exported.matches("\"source\":\"command\"").count(), 3, "{exported}");
    let verified = home.run(&["journal", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
    assert_eq!(home.run(&["journal", "stats", "--json"]).status.code(), Some(0));

    household.send(r#"{"event":"bye"}"#);
    home.wait("the household has left", |home| home.status()["radio"]["connected"] == false);
    assert_eq!(home.stop(), Some(0), "{}", home.said());

    // After a restart everything is still there, and the alert is no second one.
    home.start();
    assert_eq!(home.status()["journal"]["observations"], 2);
    assert_eq!(home.status()["journal"]["open_alerts"], 1);
    assert_eq!(home.stop(), Some(0), "{}", home.said());
}

#[test]
fn people_get_in_and_out_through_the_socket() {
    let mut home = Home::quiet();
    home.start();
    let ok = |arguments: &[&str]| {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
        text(&output)
    };
    ok(&[
        "patient",
        "add",
        "p1",
        "--zone",
        "Europe/Berlin",
        "--language",
        "de",
        "--prompts",
        "true",
    ]);
    ok(&[
        "device",
        "add",
        "cuff-1",
        "--kind",
        "blood_pressure_cuff",
        "--address",
        "C0:FF:EE:00:00:01",
    ]);
    ok(&["device", "assign", "cuff-1", "--patient", "p1"]);
    ok(&["patient", "edit", "p1", "--quiet", "22:00-07:00"]);
    ok(&["plan", "assign", "plan-1", "--patient", "p1", "--programme", "fasting-glucose-6w"]);
    let list = ok(&["patient", "list"]);
    assert!(
        list.contains("p1") && list.contains("Europe/Berlin") && list.contains("cuff-1"),
        "{list}"
    );
    assert!(ok(&["plan", "list"]).contains("fasting-glucose-6w"));
    let shown: serde_json::Value =
        serde_json::from_str(&ok(&["patient", "show", "p1", "--json"])).unwrap();
    assert_eq!(shown["quiet_from"], "22:00");
    assert_eq!(shown["plans"][0]["id"], "plan-1");
    assert!(ok(&["device", "list"]).contains("C0:FF:EE:00:00:01"));

    for (arguments, part) in [
        (&["patient", "add", "AnnaSchmidt"][..], "person's name"),
        (&["patient", "add", "p1"], "p1"),
        (&["patient", "edit", "p2", "--language", "en"], "p2"),
        (&["plan", "assign", "x", "--patient", "p1", "--programme", "no-such"], "no-such"),
        (&["need", "book", "0f6d7c1e-1111-5222-8333-444455556666"], "0f6d7c1e"),
    ] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(5), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(part), "{arguments:?}: {}", text(&output));
    }
    ok(&["plan", "close", "plan-1"]);
    ok(&["patient", "close", "p1"]);
    assert_eq!(
        ok(&["patient", "list"]),
        "No patients are enrolled. Add one: hearth patient add p1\n"
    );
    assert!(ok(&["patient", "list", "--all"]).contains("p1"));
    assert_eq!(home.stop(), Some(0), "{}", home.said());
}

#[test]
fn a_backup_is_made_while_it_runs_and_comes_back() {
    let mut home = Home::quiet();
    home.start();
    assert!(home.run(&["patient", "add", "p1"]).status.success());
    let made = home.run(&["backup", "copy"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made));
    let again = home.run(&["backup", "copy"]);
    assert_eq!(again.status.code(), Some(5), "a copy is never overwritten: {}", text(&again));
    assert!(home.run(&["patient", "add", "p2"]).status.success());
    let running = home.run(&["restore", "copy"]);
    assert_eq!(running.status.code(), Some(7), "{}", text(&running));
    assert_eq!(home.stop(), Some(0));

    let restored = home.run(&["restore", "copy"]);
    assert_eq!(restored.status.code(), Some(0), "{}", text(&restored));
    home.start();
    let list = text(&home.run(&["patient", "list", "--json"]));
    assert!(list.contains("\"p1\"") && !list.contains("\"p2\""), "{list}");
    assert_eq!(home.stop(), Some(0));
}
