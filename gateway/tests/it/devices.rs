//! `hearth devices` over the real daemon, where no Bluetooth radio is needed.

use serde_json::Value;

use crate::daemon::{START_MS, free_port, glucose, simulated_home};
use crate::home::{Home, Household, text};

#[test]
fn without_a_radio_what_needs_one_is_refused_with_the_next_step_and_the_roster_works() {
    let mut home = Home::quiet();
    home.start();
    for arguments in [&["devices", "pair"][..], &["devices", "scan"], &["devices", "certify"]] {
        let output = home.run(arguments);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains("error[no_radio]") && said.contains("radio.adapter"), "{said}");
    }
    let nobody = home.run(&["devices", "pair", "--patient", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", text(&nobody));
    assert!(text(&nobody).contains("no patient with the id nobody"), "{}", text(&nobody));
    let named = home.run(&["devices", "pair", "--as", "AnnaSchmidt"]);
    assert_eq!(named.status.code(), Some(2), "{}", text(&named));

    let add = [
        "device",
        "add",
        "cuff-1",
        "--kind",
        "blood_pressure_cuff",
        "--address",
        "C0:FF:EE:00:00:01",
    ];
    assert!(home.run(&add).status.success());
    assert!(home.run(&["devices", "rename", "cuff-1", "blue cuff"]).status.success());
    let refused = home.run(&["devices", "rename", "cuff-1", "Anna Schmidt"]);
    assert_eq!(refused.status.code(), Some(5), "{}", text(&refused));
    let listed = text(&home.run(&["device", "list"]));
    assert!(listed.contains("blue cuff") && listed.contains("C0:FF:EE:00:00:01"), "{listed}");

    let forgotten = home.run(&["devices", "forget", "cuff-1"]);
    let said = text(&forgotten);
    assert!(forgotten.status.success() && said.contains("On the device"), "{said}");
    assert!(text(&home.run(&["devices", "list"])).contains("No devices"));
    // It may come back under another id: the address is free.
    let again = [
        "devices",
        "add",
        "cuff-2",
        "--kind",
        "blood_pressure_cuff",
        "--address",
        "C0:FF:EE:00:00:01",
    ];
    assert!(home.run(&again).status.success());
    assert_eq!(home.run(&["devices", "show", "nothing"]).status.code(), Some(1));
    assert_eq!(home.stop(), Some(0));
}

#[test]
fn what_a_device_sent_is_counted_beside_what_has_gone_on() {
    let mut home = simulated_home(free_port());
    home.start();
    let mut household = Household::connect(&home);
    household.send(&format!(r#"{{"event":"hello","version":1,"now_ms":{START_MS}}}"#));
    assert_eq!(household.answer()["command"], "reached");
    let address = "C0:00:00:00:00:01";
    household.send(&format!(
        r#"{{"event":"connected","address":"{address}","connection":1,"encrypted":true,"device_clock_s":null}}"#
    ));
    for n in 0..3_u8 {
        household.send(&format!(
            r#"{{"event":"value","address":"{address}","connection":1,"position":{n},"characteristic":"2A18","hex":"{}"}}"#,
            glucose(n, n, 100 + n)
        ));
    }
    let device = |home: &Home| -> Value {
        let output = home.run(&["devices", "show", "meter-1", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
    };
    home.wait("three records are here and with the broker", |home| {
        let complete = &device(home)["completeness"];
        complete["collected"] == 3 && complete["acknowledged"] == 3
    });
    let shown = device(&home);
    // Nobody asked this device how many records it holds.
    assert_eq!(shown["completeness"]["verdict"], "unknown");
    assert_eq!(shown["radio"], Value::Null);
    let said = text(&home.run(&["devices", "show", "meter-1"]));
    assert!(said.contains("collected 3 records\n"), "{said}");
    assert!(said.contains("delivered 3 acknowledged by the broker"), "{said}");
    assert_eq!(home.stop(), Some(0), "{}", home.said());
}

#[test]
fn doctor_looks_at_the_machine_by_itself_where_no_gateway_runs() {
    let home = Home::new("[radio]\nadapter = \"hci97\"");
    let output = home.run(&["devices", "doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let state = |check: &str| {
        let line = lines.iter().find(|line| line["check"] == check);
        line.unwrap_or_else(|| panic!("{check}: {lines:#?}"))["state"].clone()
    };
    assert_eq!((state("settings"), state("adapter")), ("ok".into(), "problem".into()));
    assert_eq!(state("gateway"), "problem");
    for check in ["rfkill", "D-Bus", "service", "permission"] {
        state(check);
    }
    for line in lines.iter().filter(|line| line["state"] == "problem") {
        assert!(line["next"].as_str().is_some_and(|next| !next.is_empty()), "{line}");
    }
    let said = text(&home.run(&["devices", "doctor"]));
    assert!(
        said.contains("no adapter called hci97") || said.contains("no Bluetooth adapter"),
        "{said}"
    );
}
