//! Commands that need no daemon.

use crate::home::{Home, text};

#[test]
fn five_mistakes_are_five_problems_and_nothing_starts() {
    let home = Home::new(
        "[uplink]\nkeepalive_ms = 60000\nhots = \"broker\"\nport = 0\n\
         [log]\nlevel = \"loud\"\n[clock]\nrequire_sync = 1",
    );
    let output = home.run(&["check-config"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert_eq!(said.matches("error: ").count(), 5, "{said}");
    for part in ["keepalive_s = 60", "did you mean `host`?", "port 0", "`loud`", "true or false"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(said.contains("hearth.toml has 5 problems; nothing was started."), "{said}");

    let json = home.run(&["check-config", "--json"]);
    let lines = String::from_utf8(json.stdout).unwrap();
    assert_eq!(lines.lines().count(), 5);
    for line in lines.lines() {
        let problem: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(problem["line"].as_u64().is_some_and(|n| n > 5), "{line}");
    }

    let run = home.run(&["run"]);
    assert_eq!(run.status.code(), Some(4));
    assert!(!home.path("data").exists(), "nothing may have been made");
}

#[test]
fn a_good_configuration_is_answered_with_what_would_start() {
    let home = Home::new("[radio]\nadapter = \"simulated\"");
    let output = home.run(&["check-config"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("SIMULATED") && said.contains("Europe/Berlin"), "{said}");
    let json: serde_json::Value =
        serde_json::from_slice(&home.run(&["check-config", "--json"]).stdout).unwrap();
    assert_eq!(json["config"]["gateway"]["id"], "gw-1");
}

#[test]
fn without_a_daemon_commands_say_which_socket_was_tried_and_how_to_start_it() {
    let home = Home::quiet();
    for arguments in [&["status"][..], &["patient", "list"], &["alert", "list", "--json"]] {
        let output = home.run(arguments);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("data/control.sock"), "{said}");
        assert!(said.contains("hearth run --config hearth.toml"), "{said}");
    }
}

#[test]
fn usage_errors_and_help_have_their_exit_codes() {
    let home = Home::quiet();
    assert_eq!(home.run(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(home.run(&["patient", "add"]).status.code(), Some(2));
    let help = home.run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let said = text(&help);
    for part in ["Exit codes:", "NO_COLOR", "Example", "no gateway answers"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert_eq!(home.run(&["--version"]).status.code(), Some(0));
}

#[test]
fn completions_and_manual_pages_exist_for_every_command() {
    let home = Home::quiet();
    for shell in ["bash", "zsh", "fish"] {
        let output = home.run(&["completions", shell]);
        assert!(output.status.success());
        assert!(text(&output).contains("check-config"), "{shell}");
    }
    let output = home.run(&["man", "--output", "man"]);
    assert!(output.status.success(), "{}", text(&output));
    let pages: Vec<String> = std::fs::read_dir(home.path("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["hearth.1", "hearth-run.1", "hearth-patient-add.1", "hearth-decode.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} not in {pages:?}");
    }
    assert!(text(&home.run(&["man"])).contains("check"));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure_and_pipes_get_no_colour() {
    let home = Home::quiet();
    let mut child =
        home.command(&["completions", "zsh"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let bad = Home::new("[log]\nlevel = \"loud\"");
    assert!(!text(&bad.run(&["check-config"])).contains('\u{1b}'));
}

#[test]
fn octets_are_explained_or_refused_with_the_right_exit_code() {
    let home = Home::quiet();
    let good = home.run(&["decode", "2A19", "64"]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    assert_eq!(home.run(&["decode", "2A9D", "00"]).status.code(), Some(1));
    assert_eq!(home.run(&["decode", "2A9D", "xy"]).status.code(), Some(2));
}

#[test]
fn malformed_cases_are_answered_in_place_and_told_by_the_exit_code() {
    let home = Home::quiet();
    std::fs::write(home.path("cases"), "{\"id\":1,\"events\":[]}\nnonsense\n").unwrap();
    let output = home.run(&["assess", "--alerts", "cases"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.lines().nth(1).unwrap().contains("\"error\":\"plan\""), "{lines}");

    let case = r#"{"id":1,"plan":{"start":20000,"dir":"down","target":{"hi":126},"mid":{"abs":9}},"readings":[],"eval_days":[20014]}"#;
    std::fs::write(home.path("trend"), format!("{case}\n")).unwrap();
    let output = home.run(&["assess", "trend"]);
    assert!(text(&output).contains("\"evals\":["), "{}", text(&output));
}
