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

/// The connected and greeted household of [`simulated_home`] with its meter in reach.
fn with_meter(home: &Home) -> Household {
    let mut household = Household::connect(home);
    household.send(&format!(r#"{{"event":"hello","version":1,"now_ms":{START_MS}}}"#));
    assert_eq!(household.answer()["command"], "reached");
    household.send(&format!(
        r#"{{"event":"connected","address":"C0:00:00:00:00:01","connection":1,"encrypted":true,"device_clock_s":{}}}"#,
        START_MS / 1000
    ));
    household
}

fn value(position: u32) -> String {
    let hex = crate::daemon::glucose(u8::try_from(position % 200).unwrap(), 6, 100);
    format!(
        r#"{{"event":"value","address":"C0:00:00:00:00:01","connection":1,"position":{position},"characteristic":"2A18","hex":"{hex}"}}"#
    )
}

#[test]
fn on_a_full_disk_nothing_is_acknowledged_until_there_is_room() {
    if std::process::Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: prlimit is not installed");
        return;
    }
    let mut home = simulated_home(free_port());
    // A file may not grow beyond 600 kB: what a full disk answers, without filling one. The broker's
    // files are smaller.
    home.start_with("ulimit -S -f 600; exec \"$0\" run --verbose");
    let mut household = with_meter(&home);
    let mut committed = 0;
    let mut position = 0;
    household.patience(Duration::from_secs(3));
    let refused_at = loop {
        assert!(position < 3_000, "the disk never filled up");
        household.send(&value(position));
        match household.try_answer() {
            Some(answer) => {
                assert_eq!(answer["command"], "committed");
                committed += 1;
            }
            None => break position,
        }
        position += 1;
    };
    let status = home.status();
    assert_eq!(status["disk"]["full"], true, "{status}");
    assert_eq!(status["journal"]["rows"], committed, "what was acknowledged is there: {status}");
    let asked = home.run(&["patient", "add", "p2"]);
    assert_eq!(asked.status.code(), Some(5), "{}", text(&asked));
    assert!(text(&asked).contains("make room"), "{}", text(&asked));

    // Room again: the value that waited is committed without being sent a second time.
    let id = home.id().to_string();
    let mut lift = std::process::Command::new("prlimit");
    assert!(lift.args(["--pid", &id, "--fsize=unlimited"]).status().unwrap().success());
    household.patience(Duration::from_secs(30));
    let answer = household.answer();
    assert_eq!(
        (&answer["command"], &answer["position"]),
        (&"committed".into(), &refused_at.into())
    );
    assert_eq!(home.status()["disk"]["full"], false);
    assert_eq!(home.status()["journal"]["rows"], committed + 1);
    assert_eq!(home.stop(), Some(0), "{}", home.said());
}

#[test]
fn a_damaged_database_is_told_never_replaced_and_salvaged_only_when_asked() {
    let mut home = Home::quiet();
    home.start();
    for n in 0..40 {
        let id = format!("p{n}");
        assert!(home.run(&["patient", "add", &id]).status.success());
    }
    assert!(home.run(&["backup", "copy"]).status.success());
    assert_eq!(home.stop(), Some(0));
    assert!(home.run(&["restore", "copy"]).status.success());
    let database = home.path("data/hearth.db");
    let mut octets = std::fs::read(&database).unwrap();
    // The b-tree header of a page in the middle: no table can be read past it.
    let page = octets.len() / 4096 / 2 * 4096;
    octets[page..page + 64].fill(0xAA);
    std::fs::write(&database, &octets).unwrap();

    let refused = home.run(&["run"]);
    assert_eq!(refused.status.code(), Some(6), "{}", text(&refused));
    assert!(text(&refused).contains("--salvage"), "{}", text(&refused));
    assert_eq!(std::fs::read(&database).unwrap(), octets, "it was left as it was");

    home.start_with("exec \"$0\" run --verbose --salvage");
    home.wait("the salvage is told", |home| home.said().contains("damaged file is"));
    assert_eq!(home.stop(), Some(0), "{}", home.said());
}

#[test]
fn a_clock_that_nobody_vouches_for_is_told_and_a_person_can_vouch() {
    let mut home = Home::new("[uplink]\nenabled = false");
    home.start();
    let before = home.status();
    if before["clock"]["trust"] == "network" {
        println!("this machine's clock is synchronised: only the confirmation is tried");
    } else {
        assert_eq!(before["clock"]["trusted"], false, "{before}");
        let told = home.run(&["status"]);
        assert_eq!(told.status.code(), Some(1));
        assert!(text(&told).contains("hearth clock confirm"), "{}", text(&told));
    }
    let confirmed = home.run(&["clock", "confirm"]);
    assert_eq!(confirmed.status.code(), Some(0), "{}", text(&confirmed));
    assert_eq!(home.status()["clock"]["trust"], "person");
    assert_eq!(home.stop(), Some(0));
    // The machine has not started again meanwhile.
    home.start();
    assert_eq!(home.status()["clock"]["trust"], "person");
    assert_eq!(home.stop(), Some(0));
}
