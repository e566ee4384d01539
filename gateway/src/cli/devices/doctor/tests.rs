#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn states(checks: &[Check]) -> Vec<&str> {
    checks.iter().map(Check::state).collect()
}

#[test]
fn the_report_has_a_line_for_each_and_a_next_step_for_each_problem() {
    let checks = [
        well("adapter", "hci0 is there."),
        problem("rfkill", "It is blocked.", "rfkill unblock bluetooth"),
        unknown("agent", "Not known."),
    ];
    assert_eq!(
        told(&checks),
        "ok      adapter  hci0 is there.\n\
         problem rfkill   It is blocked.\n\
         \x20                next: rfkill unblock bluetooth\n\
         unknown agent    Not known.\n\
         1 problem.\n"
    );
    assert_eq!(json_of(&checks[1])["state"], "problem");
}

#[test]
fn settings_without_an_adapter_name_one_that_is_there() {
    let file = Path::new("hearth.toml");
    let none = of_settings(&Adapter::None, file, &["hci3".to_owned()]);
    assert!(none.next.unwrap().contains("radio.adapter = \"hci3\""));
    let named = of_settings(&Adapter::Bluetooth("hci0".to_owned()), file, &[]);
    assert_eq!(named.well, Some(true));
}

#[test]
fn a_radio_that_is_not_well_says_what_to_do_even_if_it_only_gives_a_code() {
    let mut health =
        RadioHealth { state: "ok".to_owned(), scanning: true, ..RadioHealth::default() };
    assert_eq!(states(&of_radio(&health)), ["ok", "unknown"]);
    health.state = "no_bluetoothd".to_owned();
    health.agent_default = Some(false);
    health.library_panics = 2;
    let checks = of_radio(&health);
    assert_eq!(states(&checks), ["problem", "problem", "unknown"]);
    assert!(checks[0].next.as_ref().unwrap().contains("systemctl enable --now bluetooth"));
    health.state = "something_new".to_owned();
    assert!(of_radio(&health)[0].says.contains("something new"));
}

#[test]
fn bonds_are_held_against_the_roster() {
    let devices = [
        json!({"id": "cuff-1", "address": "C0:FF:EE:00:00:01", "bonded": true}),
        json!({"id": "scale-1", "address": "C0:FF:EE:00:00:02", "bonded": null}),
    ];
    let bonds = |list: &[&str]| RadioHealth {
        bonds: Some(list.iter().map(|a| (*a).to_owned()).collect()),
        ..RadioHealth::default()
    };
    assert_eq!(states(&of_bonds(&bonds(&["C0:FF:EE:00:00:01"]), &devices)), ["ok"]);
    let wrong = of_bonds(&bonds(&["C0:FF:EE:00:00:09"]), &devices);
    assert_eq!(states(&wrong), ["problem", "problem"]);
    assert!(wrong[0].says.starts_with("cuff-1 was paired"));
    assert!(wrong[1].next.as_ref().unwrap().contains("bluetoothctl remove C0:FF:EE:00:00:09"));
    assert_eq!(states(&of_bonds(&RadioHealth::default(), &devices)), ["unknown"]);
}

#[test]
fn a_model_that_is_not_known_or_cannot_be_spoken_with_is_told() {
    let known = crate::radio::profile::Profiles::built_in();
    assert_eq!(of_profile("m-1", "contour-next", known.named("contour-next")), None);
    let gone = of_profile("m-1", "gone", known.named("gone")).unwrap();
    assert!(gone.next.unwrap().contains("hearth devices edit m-1 --profile"), "{}", gone.says);
    let private = known.iter().find(|profile| profile.unsupported.is_some()).unwrap();
    let told = of_profile("m-1", &private.id, Some(private)).unwrap();
    assert_eq!(told.well, Some(false));
}

#[test]
fn each_device_is_told_with_its_bond_clock_and_records() {
    let device = |radio: Value, verdict: &str| {
        json!({
            "id": "meter-1", "address": "C0:FF:EE:00:00:01", "profile": "generic", "radio": radio,
            "last_sessions": [{"started": "2026-03-01T00:00:00Z", "how": "complete"}],
            "completeness": {"verdict": verdict},
        })
    };
    let good =
        of_device("meter-1", &device(json!({"state": "ok", "clock_before_s": 5}), "complete"));
    assert_eq!(states(&good), ["ok"]);
    assert!(good[0].says.contains("2026-03-01T00:00:00Z complete"), "{good:?}");
    let radio = json!({"state": "bond_lost", "clock_before_s": 9, "clock_after_s": -600});
    let bad = of_device("meter-1", &device(radio, "incomplete"));
    assert_eq!(states(&bad), ["problem", "problem", "problem"]);
    assert!(bad[1].says.contains("10 min ahead"), "{bad:?}");
    let bare = of_device("scale-1", &json!({"id": "scale-1", "address": null, "radio": null}));
    assert_eq!(states(&bare), ["ok", "problem"]);
}
