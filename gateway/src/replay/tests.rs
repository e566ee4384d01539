//! Whole files in, verdicts and sums out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::all::{self, Totals, Watch};
use super::patient::{Level, ReplayedPatient};
use super::plans::Plans;
use super::run::{Replayed, RunError};
use super::settings::{Options, Plan, Start};
use super::source;

struct Nobody;

impl Watch for Nobody {
    fn read(&self, _: u64) {}
    fn done(&self, _: u64) {}
}

fn replay(options: &Options) -> Result<(Vec<Replayed>, Totals), RunError> {
    let plans = Plans::load(options)?;
    let found = source::find(&options.paths, options.format)?;
    let mut people = Vec::new();
    let totals = all::everybody(&found, options, &plans, &Nobody, |replayed| {
        people.push(replayed);
        Ok::<(), RunError>(())
    })?;
    Ok((people, totals))
}

fn fixtures() -> Options {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/replay"));
    Options { paths: vec![path], messages: true, ..Options::default() }
}

fn verdicts(people: &[Replayed]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for course in people.iter().flat_map(|p| &p.patient.courses) {
        let (verdict, reason, _) = course.verdict().expect("every series ends with a verdict");
        let words = reason.map_or(verdict.to_owned(), |r| format!("{verdict}({r})"));
        *counts.entry(words).or_default() += 1;
    }
    counts
}

fn person<'p>(people: &'p [Replayed], subject: &str) -> &'p ReplayedPatient {
    &people.iter().find(|p| p.patient.subject == subject).expect("in the fixtures").patient
}

#[test]
fn every_line_of_every_layout_ends_somewhere() {
    let (people, totals) = replay(&fixtures()).unwrap();
    assert!(totals.add_up(), "{totals:?}");
    let lines = totals.lines;
    assert_eq!((lines.lines, lines.headers, lines.blank, lines.joined), (287, 6, 1, 2));
    let counts = totals.counts;
    assert_eq!((counts.observed, counts.noted, counts.duplicate), (262, 5, 3));
    assert_eq!((counts.quarantined, counts.absent, counts.repaired), (8, 8, 2));
    let names: Vec<&str> = people.iter().map(|p| p.patient.subject.as_str()).collect();
    let expected =
        ["90001", "clinic-log", "diary", "flash", "Person 7", "steady", "better", "501", "502"];
    assert_eq!(names, expected);
}

#[test]
fn who_does_not_improve_is_prompted_and_who_improves_is_left_in_peace() {
    let (people, _) = replay(&fixtures()).unwrap();
    let steady = person(&people, "steady");
    let found = steady.courses[0].verdict().unwrap();
    assert_eq!(found.0, "NotImproving");
    assert!(found.2.sentence.contains("fasting glucose"), "{}", found.2.sentence);
    let kinds: Vec<&str> = steady.prompts.iter().map(|p| p.kind.as_str()).collect();
    assert!(kinds.contains(&"follow_up_visit"), "{kinds:?}");
    let visit = steady.prompts.iter().find(|p| p.kind == "follow_up_visit").unwrap();
    let hour = visit.local_s.rem_euclid(86_400) / 3600;
    assert!((7..22).contains(&hour), "a prompt in quiet hours, at {hour}");
    assert_eq!(steady.alerts_at(Level::Critical), 1, "the low of 20 January");

    let better = person(&people, "better");
    assert_eq!(better.courses[0].verdict().unwrap().0, "Improving");
    assert_eq!(better.prompts.iter().filter(|p| p.kind == "follow_up_visit").count(), 0);
    assert_eq!(better.courses[0].medication.len(), 1);
    assert_eq!(better.courses[0].start_day, better.days.0 + 14, "the day of the new tablet");
}

#[test]
fn all_verdicts_of_the_fixtures_are_as_they_were() {
    let (people, _) = replay(&fixtures()).unwrap();
    let found: Vec<(String, usize)> = verdicts(&people).into_iter().collect();
    let expected = [("Improving(Shift)", 1), ("InsufficientData(Recent)", 7), ("NotImproving", 1)];
    assert_eq!(found, expected.map(|(words, n)| (words.to_owned(), n)));
}

#[test]
fn the_json_lines_hold_each_observation_and_each_line_without_one() {
    let (people, totals) = replay(&fixtures()).unwrap();
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for replayed in &people {
        for line in replayed.messages.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!(line["subject"], replayed.patient.subject.as_str());
            *kinds.entry(line["body"]["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(kinds["quarantined"], totals.counts.quarantined);
    assert_eq!(kinds["duplicate"], totals.counts.duplicate);
    assert!(kinds["observation"] >= totals.counts.observed);
    for kind in ["note", "verdict", "alert", "prompt"] {
        assert!(kinds.contains_key(kind), "{kind} is missing in {kinds:?}");
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let (first, totals) = replay(&fixtures()).unwrap();
    let (second, again) = replay(&fixtures()).unwrap();
    assert_eq!(totals, again);
    for (one, other) in first.iter().zip(&second) {
        assert_eq!(one.patient, other.patient);
        assert!(one.messages == other.messages, "{} differs", one.patient.subject);
    }
}

#[test]
fn a_plan_a_start_and_parameters_can_be_tried() {
    let path = fixtures().paths[0].join("two-people.csv");
    let options = Options {
        paths: vec![path],
        plan: Some(Plan::Id("fasting-glucose-6w".to_owned())),
        start: Start::After(21),
        zone: Some("Europe/Berlin".to_owned()),
        set: [super::settings::parse_set("mid=60").unwrap()].into_iter().collect(),
        ..Options::default()
    };
    let (people, _) = replay(&options).unwrap();
    let better = person(&people, "better");
    assert_eq!(better.zone, "Europe/Berlin");
    assert_ne!(better.courses[0].verdict().unwrap().0, "Improving", "45 are less than 60");
}

#[test]
fn what_cannot_be_used_is_refused_with_the_remedy() {
    let refusal = |options: Options| replay(&options).unwrap_err().to_string();
    let plan = Plan::Id("fasting-glucos-6w".to_owned());
    let error = refusal(Options { plan: Some(plan), ..fixtures() });
    assert!(error.contains("did you mean fasting-glucose-6w?"), "{error}");
    let error = refusal(Options { zone: Some("Europe/Lundon".to_owned()), ..fixtures() });
    assert_eq!(error, "\"Europe/Lundon\" is no time zone; name one such as Europe/London");
    let set = super::settings::parse_set("horizn=3").unwrap();
    let error = refusal(Options { set: [set].into_iter().collect(), ..fixtures() });
    assert!(error.contains("horizn"), "{error}");
}

/// All published data sets, where they lie beside the project; the months of sensor values only
/// with `HEARTH_SLOW=1`, otherwise one month of one person.
#[test]
fn the_published_data_sets_end_with_a_verdict_each() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let slow = std::env::var_os("HEARTH_SLOW").is_some();
    let sensors = if slow { "t1d_uom" } else { "t1d_uom/UoMGlucose2307.csv" };
    let sets = ["aim94", "bp_hypnos", "bp_jhs", "fitbit_weight", "iglu", sensors];
    let paths: Vec<PathBuf> =
        sets.iter().map(|set| folder.join(set)).filter(|set| set.exists()).collect();
    if paths.is_empty() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let (people, totals) = replay(&Options { paths, ..Options::default() }).unwrap();
    assert!(totals.add_up(), "{totals:?}");
    assert!(!people.is_empty());
    println!("{totals:?}\n{:?}", verdicts(&people));
    for replayed in &people {
        let patient = &replayed.patient;
        assert_eq!(patient.courses.len(), 1, "{}", patient.subject);
        let reasons = patient.quarantine.iter().map(|(reason, _)| reason);
        for reason in reasons {
            assert!(reason.starts_with("line: ") || reason.starts_with("impossible: "), "{reason}");
        }
    }
}
