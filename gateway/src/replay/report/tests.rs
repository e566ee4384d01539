#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use hearth_shared::observation::Quantity;

use super::super::patient::*;
use super::*;

const DAY: i64 = 86_400;

/// A person with a reading a day on three days of four, falling from 190 to 150, one HI, one
/// implausible, alerts and prompts.
fn person(subject: &str, fall: f64, verdict: &str, reason: Option<&str>) -> ReplayedPatient {
    let first = 20_000;
    let days: Vec<i32> = (first..first + 60).filter(|d| d % 4 != 0).collect();
    let value = |d: i32| 190.0 + f64::from(d * 7 % 11) - fall * f64::from(d - first) / 60.0;
    let mut points: Vec<Point> = days
        .iter()
        .flat_map(|d| {
            let at = |h: i64, v, counted| Point {
                local_s: i64::from(*d) * DAY + h * 3600,
                value: Shown::Value(v),
                second: None,
                counted,
            };
            [at(7, value(*d), true), at(18, value(*d) + 40.0, false)]
        })
        .collect();
    points.push(Point {
        local_s: i64::from(first + 9) * DAY,
        value: Shown::Above,
        second: None,
        counted: true,
    });
    points.push(Point {
        local_s: i64::from(first + 20) * DAY,
        value: Shown::Implausible(150.0),
        second: None,
        counted: false,
    });
    let sentence = "Fasting glucose fell by 3 mg/dL (range -2 to 8) since the start, less than the 20 \
                    that count as an improvement.";
    let made = |day: i32, phase: &str| VerdictMark {
        day,
        phase: phase.to_owned(),
        verdict: verdict.to_owned(),
        reason: reason.map(str::to_owned),
        published: (phase == "final").then(|| verdict.to_owned()),
        action: "FollowUpVisit".to_owned(),
        sentence: sentence.to_owned(),
    };
    let alert = |day: i32, rule: &str, level| AlertMark {
        local_s: i64::from(first + day) * DAY + 8 * 3600,
        rule: rule.to_owned(),
        level,
        reason: "met".to_owned(),
    };
    let prompt = |day: i32, kind: &str| PromptMark {
        local_s: i64::from(first + day) * DAY + 9 * 3600,
        kind: kind.to_owned(),
        text: String::new(),
        programme: Some("fasting-glucose-6w".to_owned()),
        after_record: false,
    };
    ReplayedPatient {
        subject: subject.to_owned(),
        files: vec!["data-01".to_owned()],
        layout: "aim94",
        zone: "America/Chicago".to_owned(),
        days: (first, first + 59),
        remarks: Vec::new(),
        courses: vec![Course {
            programme: "fasting-glucose-6w".to_owned(),
            quantity: Quantity::Glucose,
            unit: "mg/dL",
            start_day: first + 14,
            baseline: (first, first + 21),
            recent: (first + 38, first + 59),
            target: (Some(80.0), Some(130.0)),
            target_second: (None, None),
            medication: vec![(first + 14, "metformin 500 mg".to_owned())],
            points,
            medians: days.iter().map(|d| (*d, value(*d), None)).collect(),
            verdicts: vec![made(first + 49, "interim"), made(first + 56, "final")],
        }],
        alerts: vec![
            alert(9, "G3", Level::Critical),
            alert(24, "G2", Level::Urgent),
            alert(24, "G2", Level::Urgent),
            alert(40, "G5", Level::Advisory),
        ],
        prompts: vec![prompt(30, "nudge"), prompt(56, "follow_up_visit")],
        tasks: vec![TaskMark {
            local_s: i64::from(first + 59) * DAY,
            reason: "Two prompts, no answer: please call.".to_owned(),
            after_record: false,
        }],
        counts: Counts {
            records: 100,
            observed: 98,
            noted: 1,
            quarantined: 1,
            ..Counts::default()
        },
        quarantine: vec![("\"06-31-1990\" is no date".to_owned(), 1)],
    }
}

fn page(people: &[ReplayedPatient]) -> String {
    let mut report = Report::begin(tempfile::tempfile().unwrap());
    for patient in people {
        report.add(patient).unwrap();
    }
    let about = About {
        decisions: vec!["Plan fasting-glucose-6w, started on the first day + 14.".to_owned()],
        lines: "200 lines: 196 observed, 2 noted, 2 quarantined.".to_owned(),
    };
    let mut page = Vec::new();
    report.finish(&mut page, &about).unwrap();
    String::from_utf8(page).unwrap()
}

#[test]
fn the_page_says_the_verdict_in_words_and_draws_every_mark() {
    let page = page(&[person("patient 1", 0.0, "NotImproving", None)]);
    for needed in [
        "Not improving",
        "less than the 20 that count as an improvement",
        "class=\"base\"",
        "class=\"recent\"",
        "class=\"target\"",
        "medication changed. metformin 500 mg",
        "class=\"mark-C\"",
        "class=\"mark-U\"",
        "class=\"mark-A\"",
        "class=\"mark-P\"",
        "class=\"ends\"",
        "class=\"odd\"",
        "1 critical",
        "2 urgent",
        "<desc id=\"p1-0-d\">",
        "prefers-color-scheme: dark",
        "@media print",
    ] {
        assert!(page.contains(needed), "{needed} is missing");
    }
}

#[test]
fn a_prompt_stands_under_the_chart_of_its_programme_only() {
    let mut both = person("patient 1", 0.0, "NotImproving", None);
    let mut weight = both.courses[0].clone();
    weight.programme = "weight-loss-24w".to_owned();
    both.courses.push(weight);
    both.prompts[0].text = "Your glucose, please.".to_owned();
    both.prompts[1].text = "Please book a visit about your weight.".to_owned();
    both.prompts[1].programme = Some("weight-loss-24w".to_owned());
    let page = page(&[both]);
    let sections: Vec<&str> = page.split("<section").skip(1).collect();
    let [glucose, weight] = sections[..] else { panic!("{} sections", sections.len()) };
    assert!(glucose.contains("Your glucose, please.") && !glucose.contains("about your weight"));
    assert!(weight.contains("about your weight") && !weight.contains("Your glucose, please."));
    assert!(glucose.contains(": friendly nudge") && !glucose.contains(": book a follow-up visit"));
    assert!(weight.contains(": book a follow-up visit") && !weight.contains(": friendly nudge"));
}

#[test]
fn nothing_outside_the_page_is_asked_for_and_no_script_runs() {
    let page = page(&[person("patient 1", 40.0, "Improving", Some("Shift"))]);
    for forbidden in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_hostile_name_stays_text() {
    let mut hostile = person("<img onerror=x>\"'&", 0.0, "<b>", Some("<i>"));
    hostile.zone = "</p>".to_owned();
    hostile.courses[0].medication[0].1 = "</title><script>".to_owned();
    hostile.tasks[0].reason = "<script>".to_owned();
    hostile.quarantine[0].0 = "<script>".to_owned();
    let page = page(&[hostile]);
    assert!(!page.contains("<img") && !page.contains("<script") && !page.contains("<b>&"));
    assert!(page.contains("&lt;img onerror=x&gt;&quot;&#39;&amp;"));
}

#[test]
fn a_person_without_a_single_value_still_has_a_page() {
    let mut empty = person("nobody", 0.0, "InsufficientData", Some("Recent"));
    let course = empty.courses.first_mut().unwrap();
    course.points.clear();
    course.medians.clear();
    course.verdicts.clear();
    course.target = (None, None);
    let page = page(&[empty]);
    assert!(page.contains("too short for an evaluation"));
    assert!(!page.contains("NaN") && !page.contains("inf"), "no number may be undefined");
}

#[test]
fn a_long_sensor_series_stays_small() {
    let mut sensor = person("sensor", 0.0, "NotImproving", None);
    let course = sensor.courses.first_mut().unwrap();
    let first = i64::from(sensor.days.0) * DAY;
    course.points = (0..45_000)
        .map(|i| Point {
            local_s: first + i * 115,
            value: Shown::Value(100.0 + (i * 37 % 211) as f64),
            second: None,
            counted: true,
        })
        .collect();
    let page = page(&[sensor]);
    assert!(page.len() < 100_000, "{} octets", page.len());
}

/// Writes a page to look at when `HEARTH_REPORT_SAMPLE` names a file.
#[test]
fn sample_page_has_every_kind_of_person() {
    let people = [
        person("patient 1", 0.0, "NotImproving", None),
        person("patient 2", 60.0, "Improving", Some("Shift")),
        person("patient 3", -50.0, "Worsening", None),
        person("patient 4", 0.0, "InsufficientData", Some("TooNoisy")),
        person("patient 5", 90.0, "AtTarget", None),
    ];
    let page = page(&people);
    assert_eq!(page.matches("<section").count(), people.len());
    if let Some(path) = std::env::var_os("HEARTH_REPORT_SAMPLE") {
        std::fs::write(path, page).unwrap();
    }
}
