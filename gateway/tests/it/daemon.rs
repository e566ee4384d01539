//! The daemon as a process: start, ask, stop.

use std::os::unix::fs::PermissionsExt;

use crate::home::{Home, text};

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
