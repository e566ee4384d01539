//! The rules against a second implementation in Python, written from the specification alone: random cases,
//! compared to the byte. Skipped, and said so, where there is no `python3`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("second-opinion").join(name)
}

fn python(name: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new("python3")
        .arg(script(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join();
    Some(output.stdout)
}

fn check(name: &str, count: &str, run: fn(&[u8], &mut Vec<u8>)) {
    for seed in ["1", "2"] {
        let Some(cases) = python(name, &["--random", seed, count], b"") else {
            println!("skipped: python3 is not installed");
            return;
        };
        let theirs = python(name, &[], &cases).unwrap();
        let mut ours = Vec::new();
        run(&cases, &mut ours);
        assert!(!ours.is_empty(), "{name} made no cases");
        let (ours, theirs) = (String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
        let cases = String::from_utf8(cases).unwrap();
        assert_eq!(ours.lines().count(), theirs.lines().count());
        for ((case, ours), theirs) in cases.lines().zip(ours.lines()).zip(theirs.lines()) {
            assert_eq!(ours, theirs, "seed {seed}, case {case}");
        }
    }
}

#[test]
fn both_give_the_same_verdicts_on_random_courses() {
    check("ni1.py", "400", |cases, out| {
        hearth_gateway::exchange::trend::run(cases, out).unwrap();
    });
}

#[test]
fn both_give_the_same_alerts_on_random_events() {
    check("alerts.py", "400", |cases, out| {
        hearth_gateway::exchange::alerts::run(cases, out).unwrap();
    });
}
