//! What comes from outside is hostile, and systemd wants to be told.

use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Stdio;
use std::time::Duration;

use hearth_gateway::uplink::broker::{self, Hello, Received};
use hearth_gateway::uplink::machine::Outbound;
use hearth_gateway::uplink::transport::Endpoint;

use crate::daemon::{START_MS, free_port, simulated_home};
use crate::home::{Home, Household, text};

#[test]
fn a_household_that_talks_nonsense_or_vanishes_harms_nobody() {
    let mut home = simulated_home(free_port());
    home.start();
    // Vanishes in the middle of a line.
    let mut stream = UnixStream::connect(home.path("data/radio.sock")).unwrap();
    stream.write_all(b"{\"event\":\"hel").unwrap();
    drop(stream);
    home.wait("the half household has left", |home| home.status()["radio"]["connected"] == false);

    let mut household = Household::connect(&home);
    for nonsense in ["{}", "[1]", "{\"event\":\"time\",\"now_ms\":1}", "\u{0}\u{1}"] {
        household.send(nonsense);
        assert_eq!(household.answer()["command"], "refused", "{nonsense:?}");
    }
    household.send(&"x".repeat(100_000));
    assert_eq!(household.answer()["command"], "refused");
    household.send(&format!(r#"{{"event":"hello","version":1,"now_ms":{START_MS}}}"#));
    assert_eq!(household.answer()["command"], "reached", "the good line behind still counts");

    // There is room for one household, and the clock never goes back.
    let mut second = Household::connect(&home);
    assert_eq!(second.answer()["command"], "refused");
    household.send(&format!(r#"{{"event":"time","now_ms":{}}}"#, START_MS - 1));
    assert_eq!(household.answer()["command"], "refused");

    // A device that is on no roster is kept and set aside, and its sender is told that it is kept.
    household.send(
        r#"{"event":"connected","address":"AA","connection":9,"encrypted":null,"device_clock_s":null}"#,
    );
    household.send(
        r#"{"event":"value","address":"AA","connection":9,"position":0,"characteristic":"2A18","hex":"00"}"#,
    );
    assert_eq!(household.answer()["command"], "committed");
    let status = home.status();
    assert_eq!(status["journal"]["quarantined"], 1, "{status}");
    assert_eq!(status["radio"]["refused"], 7, "{status}");

    // Gone without goodbye in the middle: it may come back and go on.
    drop(household);
    home.wait("the household is missed", |home| home.status()["radio"]["connected"] == false);
    let mut back = Household::connect(&home);
    back.send(&format!(r#"{{"event":"hello","version":1,"now_ms":{}}}"#, START_MS + 1000));
    assert_eq!(back.answer()["command"], "reached");
    assert_eq!(home.stop(), Some(0), "{}", home.said());
}

#[test]
fn commands_over_the_broker_are_executed_once_and_bad_ones_are_answered() {
    let port = free_port();
    let mut home = simulated_home(port);
    home.start();
    home.wait("the broker is reached", |home| home.status()["broker"]["state"] == "online");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answers = runtime.block_on(async {
        let endpoint = Endpoint { host: "127.0.0.1".into(), port, tls: None };
        let hello = Hello {
            client_id: "nurse".into(),
            login: None,
            keep_alive_s: 30,
            will: None,
            clean_start: true,
        };
        let (mut link, ..) = broker::connect(&endpoint, &hello).await.unwrap();
        link.subscribe(1, &[("hearth/v1/gw-1/results".into(), 1)]).unwrap();
        let good = r#"{"id":"c1","verb":"patient_add","with":{"id":"p9","zone":"Europe/Berlin"}}"#;
        let named = r#"{"id":"c2","verb":"patient_add","with":{"id":"p8","name":"Anna"}}"#;
        let payloads =
            [good.to_owned(), "garbage".into(), "x".repeat(200_000), named.into(), good.into()];
        for (payload, pkid) in payloads.into_iter().zip(2..) {
            link.publish(&Outbound {
                pkid,
                topic: "hearth/v1/gw-1/commands".into(),
                payload: payload.into_bytes(),
                retain: false,
                dup: false,
                expiry_s: None,
            })
            .unwrap();
        }
        let mut answers = Vec::new();
        while answers.len() < 5 {
            let received = tokio::time::timeout(Duration::from_secs(20), link.next()).await;
            if let Received::Publish { payload, pkid, .. } = received.unwrap().unwrap() {
                link.acknowledge(pkid).unwrap();
                let answer: serde_json::Value = serde_json::from_slice(&payload).unwrap();
                answers.push((answer["id"].as_str().map(str::to_owned), answer["ok"] == true));
            }
        }
        answers
    });
    let id = |id: &str| Some(id.to_owned());
    assert_eq!(
        answers,
        [(id("c1"), true), (None, false), (None, false), (id("c2"), false), (id("c1"), true)]
    );
    let list = text(&home.run(&["patient", "list", "--json"]));
    assert_eq!(list.matches("\"id\":\"p9\"").count(), 1, "{list}");
    assert!(!list.contains("p8") && !home.said().contains("Anna"), "{list}");
    assert_eq!(home.status()["journal"]["quarantined"], 3);
    assert_eq!(home.stop(), Some(0), "{}", home.said());
}

#[test]
fn systemd_is_told_of_the_start_the_heartbeat_and_the_end() {
    let home = Home::quiet();
    let path = home.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut daemon = home
        .command(&["run"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "300000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut wait_for = |word: &str| {
        while !told.contains(word) {
            let mut buffer = [0; 1024];
            let length = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("{word}: {e}\n{told}"));
            told.push_str(&String::from_utf8_lossy(&buffer[..length]));
            told.push('\n');
        }
    };
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    let id = daemon.id().to_string();
    let signal = |name: &str| {
        std::process::Command::new("kill").args([name, &id]).status().unwrap();
    };
    // SIGHUP changes nothing and ends nothing.
    signal("-HUP");
    std::thread::sleep(Duration::from_millis(50));
    assert!(daemon.try_wait().unwrap().is_none());
    signal("-INT");
    wait_for("STOPPING=1");
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}
