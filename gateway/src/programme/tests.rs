#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::text::{fill, placeholders};
use super::*;

fn fasting() -> &'static str {
    BUILT_IN[0].1
}

/// `line key: message` of all problems.
fn problems(text: &str) -> Vec<String> {
    let problems = Programme::parse("p.toml", text).err().unwrap_or_default();
    problems.iter().map(|p| format!("{} {}: {}", p.line, p.key, p.message)).collect()
}

#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert!(fasting().contains(from), "{from} is not in the programme");
    let found = problems(&fasting().replacen(from, to, 1));
    let found: Vec<&str> =
        found.iter().map(|p| p.split_once(' ').map_or("", |(_, rest)| rest)).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_programme_that_is_compiled_in_is_sound() {
    for (name, text) in BUILT_IN {
        let programme =
            Programme::parse(name, text).unwrap_or_else(|problems| panic!("{}", problems[0]));
        assert_eq!(format!("{}.toml", programme.id), name);
        for (action, texts, audience) in programme.action.all() {
            let languages: Vec<&str> = texts.languages().collect();
            assert_eq!(languages, ["de", "en", "es"], "{name} {action}");
            for text in texts.0.values().filter(|_| audience == Audience::Patient) {
                let longest = text
                    .split_inclusive(['.', '?', '!', ':'])
                    .map(|sentence| sentence.split_whitespace().count())
                    .max();
                assert!(longest <= Some(16), "{name} {action}: {text}");
            }
        }
        // A programme written out again reads back as itself.
        let written = toml::to_string(&programme).unwrap();
        assert_eq!(Programme::parse(name, &written).unwrap(), programme);
    }
    assert_eq!(Library::built_in().iter().count(), BUILT_IN.len());
}

#[test]
fn the_recommended_plans_are_those_of_b2() {
    let library = Library::built_in();
    let plan = |id: &str, kind| library.get(id).unwrap().series_of(kind).unwrap().plan.clone();
    let changed = |id: &str, kind| {
        let plan = toml::Table::try_from(plan(id, kind)).unwrap();
        let defaults = toml::Table::try_from(PlanSpec::default()).unwrap();
        let changes = plan.iter().filter(|(name, value)| defaults.get(*name) != Some(value));
        let mut text: Vec<String> = changes
            .map(|(name, value)| format!("{name}={}", value.to_string().replace(' ', "")))
            .collect();
        text.sort();
        text.join(" ")
    };
    use SeriesKind::*;
    assert_eq!(changed("fasting-glucose-6w", Glucose), "tod=[240,660]");
    assert_eq!(changed("glucose-high-baseline", Glucose), "mid={bp=1100} tod=[240,660]");
    assert_eq!(
        changed("home-blood-pressure-6w", Systolic),
        "base_after=5 base_before=21 day_start=240 mid={abs=5} plaus=[60,260] recent=28 \
         recent_min=10 target={hi=129}"
    );
    assert_eq!(
        changed("home-blood-pressure-6w", Diastolic),
        "base_after=5 base_before=21 day_start=240 mid={abs=3} plaus=[30,160] recent=28 \
         recent_min=10 target={hi=79}"
    );
    assert_eq!(
        changed("weight-loss-24w", Weight),
        "horizon=56 mid={bp=60} plaus=[2000,30000] target={drop_bp=500}"
    );
    assert_eq!(
        changed("cgm-time-in-range", ContinuousGlucose),
        "dir=\"up\" mid={abs=100} summary=\"tir\" target={lo=700}"
    );
}

#[test]
fn a_window_that_cannot_fit_its_attempts_is_refused() {
    check(
        "window_days = 14",
        "window_days = 5",
        &["ladder.window_days: 2 attempts and the call need 6 days, but the window has 5"],
    );
    let ladder = Programme::parse("p", fasting()).unwrap().ladder;
    assert_eq!(ladder.call_day(), 6);
}

#[test]
fn all_problems_of_meaning_are_found() {
    let tod = "tod = [240, 660]";
    check(tod, "horizn = 3", &["series.0.plan.horizn: unknown key `horizn`"]);
    check(
        tod,
        "horizon = 0\nstep = 0\nplaus = [600, 20]\ngrey = [0, 1]",
        &[
            "series.0.plan.horizon: horizon must be at least 1",
            "series.0.plan.step: step must be at least 1",
            "series.0.plan.plaus: plaus: 600 lies above 20",
            "series.0.plan.grey: grey must be at least 1",
        ],
    );
}

#[test]
fn impossible_parameters_are_named() {
    let tod = "tod = [240, 660]";
    check(tod, "mid = { abs = 0 }", &["series.0.plan.mid: mid must be at least 1"]);
    check(
        tod,
        "tod = [300, 660]",
        &["series.0.plan.tod: a slot of the measuring schedule lies outside tod"],
    );
    check(tod, "ctx = 'fastin'", &["series.0.plan.ctx: `fastin` is no known context"]);
    check(
        tod,
        "horizon = 90",
        &["series.0.plan.horizon: no final evaluation: last_eval 84 < horizon"],
    );
    check(
        tod,
        "recent_min = 22",
        &["series.0.plan.recent_min: recent_min 22 does not fit a window of 21 days"],
    );
    check(
        tod,
        "base_before = 60",
        &["series.0.plan.last_eval: base_before + last_eval is 144; at most 126 days are kept"],
    );
    check(
        tod,
        "target = { lo = 800 }",
        &["series.0.plan.target: the target's 800 lies outside plaus 20 to 600"],
    );
    check(
        "quantity = \"glucose\"",
        "quantity = \"glucos\"",
        &["series.0.quantity: `glucos` is not an allowed value"],
    );
    check(
        "from = \"04:00\"",
        "from = \"4 am\"",
        &["measure.slot.0.from: expected a time from \"00:00\" to \"24:00\", found \"4 am\""],
    );
    check(
        "from = \"04:00\"",
        "from = \"11:30\"",
        &["measure.slot.0.to: the slot ends before it begins at 11:30"],
    );
    check("attempts = 2", "attempts = 0", &["ladder.attempts: there are 1 to 10 attempts"]);
    check(
        "{sentence_short} That",
        "{sentence_shrt} That",
        &["action.follow_up_visit.en: unknown placeholder {sentence_shrt}"],
    );
    check(
        "{sentence_short} That",
        "{sentence_short That",
        &["action.follow_up_visit.en: a brace is not closed, or not opened, at octet 0"],
    );
    check(
        "id = \"fasting-glucose-6w\"",
        "id = \"Fasting\"",
        &["id: an id has lower case letters, digits and hyphens only"],
    );
}

#[test]
fn placeholders_are_found_and_filled() {
    assert_eq!(placeholders("a {b} c {d}"), Ok(vec!["b", "d"]));
    assert_eq!(placeholders("ü{b"), Err(2));
    assert_eq!(placeholders("a } b"), Err(2));
    assert_eq!(placeholders("{a{b}}"), Err(0));
    let value = |name: &str| (name == "b").then(|| "{x}".to_owned());
    assert_eq!(fill("a {b} c {d}.", value), "a {x} c .");
}

#[test]
fn a_text_is_never_given_in_another_language() {
    let texts = &Programme::parse("p", fasting()).unwrap().action.nudge;
    assert_eq!(texts.in_language("de-AT"), texts.in_language("de"));
    assert!(texts.in_language("de").is_some());
    assert_eq!(texts.in_language("fr"), None);
}

#[test]
fn clock_times_are_read_strictly() {
    let at = |text| ClockTime::parse(text).map(ClockTime::minutes);
    assert_eq!((at("00:00"), at("09:05"), at("24:00")), (Some(0), Some(545), Some(1440)));
    for wrong in ["24:01", "9:05", "09:60", "0905", "-1:00", "+1:00", "٠٩:٠٥", ""] {
        assert_eq!(at(wrong), None, "{wrong}");
    }
}

#[test]
fn weekdays_follow_the_calendar() {
    assert_eq!(Weekday::of_day(0), Weekday::Thursday);
    assert_eq!(Weekday::of_day(-1), Weekday::Wednesday);
    assert_eq!(Weekday::of_day(20_000), Weekday::Friday, "4 October 2024");
}

#[test]
fn a_folder_adds_programmes_and_reports_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("a.toml", &fasting().replace("six weeks\"", "my way\""));
    put("notes.txt", "not a programme");
    let mut library = Library::built_in();
    library.add_folder(folder.path()).unwrap();
    assert_eq!(library.iter().count(), BUILT_IN.len());
    assert_eq!(library.get("fasting-glucose-6w").unwrap().title, "Fasting glucose, my way");
    put("b.toml", fasting());
    put("c.toml", "id = 3");
    let LoadError::Problems(problems) = library.add_folder(folder.path()).unwrap_err() else {
        panic!("problems expected");
    };
    let in_file = |name: &str| problems.iter().filter(|p| p.source.ends_with(name)).count();
    assert_eq!(in_file("b.toml"), 1);
    assert!(in_file("c.toml") >= 5, "{problems:?}");
    assert!(library.add_folder(&folder.path().join("none")).is_err());
}
