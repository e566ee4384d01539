//! What a programme must hold beyond its types; every problem is reported.

use hearth_shared::observation::MealContext;

use super::plan::{PlanSpec, SpecError, SummaryKind};
use super::text::{PLACEHOLDERS, placeholders};
use super::{Audience, Ladder, Programme, SeriesKind};
use crate::checked_toml::{Document, Problem, nearest};

/// Longest text to a patient in characters: three lines of the hub's screen, two of an SMS.
const PATIENT_TEXT_MAX: usize = 300;
/// Longest text to staff in characters.
const STAFF_TEXT_MAX: usize = 600;

/// Collects problems at places of one document.
struct Findings<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let help = Some(help.into()).filter(|help: &String| !help.is_empty());
        self.problems.push(self.document.problem(key, message, help));
    }
}

/// All problems of meaning, by line.
pub(super) fn problems(programme: &Programme, document: &Document) -> Vec<Problem> {
    let mut findings = Findings { document, problems: Vec::new() };
    heading(programme, &mut findings);
    series(programme, &mut findings);
    schedule(programme, &mut findings);
    texts(programme, &mut findings);
    ladder(&programme.ladder, &mut findings);
    findings.problems.sort_by_key(|p| (p.line, p.column));
    findings.problems
}

fn heading(programme: &Programme, findings: &mut Findings<'_>) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if programme.id.is_empty() || !programme.id.chars().all(plain) {
        findings.add("id", "an id has lower case letters, digits and hyphens only", "");
    }
    if programme.version == 0 {
        findings.add("version", "versions count from 1", "");
    }
    for (key, text) in [("title", &programme.title), ("hypothesis", &programme.hypothesis)] {
        if text.trim().is_empty() {
            findings.add(key, format!("{key} is empty"), "");
        }
    }
}

fn series(programme: &Programme, findings: &mut Findings<'_>) {
    let kinds: Vec<SeriesKind> = programme.series.iter().map(|s| s.quantity).collect();
    if kinds.len() != 1 && kinds != [SeriesKind::Systolic, SeriesKind::Diastolic] {
        findings.add(
            "series",
            "a programme has one series, or systolic and diastolic in this order",
            "write a programme of its own for another quantity",
        );
    }
    for (index, series) in programme.series.iter().enumerate() {
        let at = |parameter: &str| format!("series.{index}.plan.{parameter}");
        for error in all_errors(&series.plan) {
            findings.add(&at(error.parameter), error.message, "");
        }
        for (parameter, message, help) in impossible(&series.plan) {
            findings.add(&at(parameter), message, help);
        }
        if series.plan.summary == SummaryKind::Tir
            && series.quantity != SeriesKind::ContinuousGlucose
        {
            findings.add(&at("summary"), "time in range needs continuous_glucose", "");
        }
        let outside = programme.measure.slot.iter().any(|slot| {
            let (from, to) = (i64::from(slot.from.minutes()), i64::from(slot.to.minutes()));
            series.plan.tod.is_some_and(|[tod_from, tod_to]| from < tod_from || to > tod_to)
        });
        if outside {
            findings.add(
                &at("tod"),
                "a slot of the measuring schedule lies outside tod",
                "a reading there would count as measured, but never in the verdict",
            );
        }
    }
}

/// Every error of `PlanSpec::build`: a parameter found wrong goes back to its default, and the
/// rest is looked at again.
fn all_errors(spec: &PlanSpec) -> Vec<SpecError> {
    let mut errors: Vec<SpecError> = Vec::new();
    let mut spec = spec.clone();
    while let Err(error) = spec.build(0) {
        let known = errors.iter().any(|e| e.parameter == error.parameter);
        if known {
            break;
        }
        let Ok(mut table) = toml::Table::try_from(&spec) else { break };
        table.remove(error.parameter);
        errors.push(error);
        let Ok(next) = table.try_into() else { break };
        spec = next;
    }
    errors
}

type Impossible = (&'static str, String, String);

/// Parameters that are well formed, but can never work as meant.
fn impossible(p: &PlanSpec) -> Vec<Impossible> {
    let mut found: Vec<Impossible> = Vec::new();
    let mut add = |parameter, message: String, help: &str| {
        found.push((parameter, message, help.to_owned()));
    };
    if p.mid.abs.or(p.mid.bp).is_some_and(|mid| mid < 1) {
        add("mid", "mid must be at least 1".into(), "");
    }
    if p.target.drop_bp.is_some_and(|bp| !(1..=10_000).contains(&bp)) {
        let help = "basis points are hundredths of a percent: 500 is 5 %";
        add("target", "drop_bp lies within 1 and 10000".into(), help);
    }
    if p.summary == SummaryKind::Median {
        let [low, high] = p.plaus;
        for end in [p.target.lo, p.target.hi].into_iter().flatten() {
            if low <= high && (end < low || end > high) {
                let message = format!("the target's {end} lies outside plaus {low} to {high}");
                add("target", message, "both are in the plan's unit: mg/dL, mmHg or 10 g");
            }
        }
    }
    if p.horizon > p.last_eval {
        let message = format!("no final evaluation: last_eval {} < horizon", p.last_eval);
        add("horizon", message, "the first final evaluation is on day `horizon`");
    }
    let base_days = p.base_before + p.base_after.max(p.base_after_max);
    for (parameter, wanted, window) in [
        ("recent_min", p.recent_min, p.recent),
        ("fresh_min", p.fresh_min, p.fresh),
        ("base_min", p.base_min, base_days),
    ] {
        if wanted > window {
            let message = format!("{parameter} {wanted} does not fit a window of {window} days");
            add(parameter, message, "");
        }
    }
    if p.tz != 0 {
        add("tz", "a programme has no zone".into(), "the zone is the patient's; leave tz out");
    }
    let contexts = MealContext::ALL.map(MealContext::as_str);
    if let Some(ctx) = p.ctx.as_deref().filter(|ctx| !contexts.contains(ctx)) {
        let help = match nearest(ctx, contexts.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", contexts.join(", ")),
        };
        add("ctx", format!("`{ctx}` is no known context"), &help);
    }
    found
}

fn schedule(programme: &Programme, findings: &mut Findings<'_>) {
    let measure = &programme.measure;
    if measure.weekdays.is_empty() {
        findings.add("measure.weekdays", "no day is planned", "leave it out for every day");
    }
    if measure.slot.is_empty() {
        findings.add("measure.slot", "no slot is planned", "");
    }
    for (index, slot) in measure.slot.iter().enumerate() {
        let at = |key: &str| format!("measure.slot.{index}.{key}");
        if slot.from >= slot.to {
            findings.add(&at("to"), format!("the slot ends before it begins at {}", slot.from), "");
        }
        if slot.grace_until < slot.to {
            let message = format!("the grace ends before the slot does at {}", slot.to);
            findings.add(&at("grace_until"), message, "");
        }
    }
    let rising = 1 <= measure.nudge_days
        && measure.nudge_days < measure.ask_reason_days
        && measure.ask_reason_days < measure.staff_task_days;
    if !rising {
        findings.add(
            "measure.nudge_days",
            "nudge_days, ask_reason_days and staff_task_days rise, from 1 on",
            "2, 4 and 7 are the defaults",
        );
    }
}

fn texts(programme: &Programme, findings: &mut Findings<'_>) {
    for (action, texts, audience) in programme.action.all() {
        let at = |language: &str| format!("action.{action}.{language}");
        if texts.in_language("en").is_none() {
            findings.add(&format!("action.{action}"), "the text in English (en) is missing", "");
        }
        for (language, text) in &texts.0 {
            if !matches!(language.len(), 2 | 3) || !language.chars().all(|c| c.is_ascii_lowercase())
            {
                let help = "use the ISO 639 code in lower case: en, de, es";
                findings.add(&at(language), format!("`{language}` is no language code"), help);
            }
            let most = match audience {
                Audience::Patient => PATIENT_TEXT_MAX,
                Audience::Staff => STAFF_TEXT_MAX,
            };
            let length = text.chars().count();
            if text.trim().is_empty() {
                findings.add(&at(language), "the text is empty", "");
            } else if length > most {
                let message = format!("the text has {length} characters, at most {most} are read");
                findings.add(&at(language), message, "");
            }
            match placeholders(text) {
                Err(octet) => {
                    let message = format!("a brace is not closed, or not opened, at octet {octet}");
                    findings.add(&at(language), message, "a placeholder is {name}");
                }
                Ok(names) => {
                    for name in names.into_iter().filter(|name| !PLACEHOLDERS.contains(name)) {
                        let help = match nearest(name, PLACEHOLDERS.into_iter()) {
                            Some(near) => format!("did you mean {{{near}}}?"),
                            None => format!("known: {}", PLACEHOLDERS.join(", ")),
                        };
                        findings.add(
                            &at(language),
                            format!("unknown placeholder {{{name}}}"),
                            help,
                        );
                    }
                }
            }
        }
    }
}

fn ladder(ladder: &Ladder, findings: &mut Findings<'_>) {
    if !(1..=10).contains(&ladder.attempts) {
        findings.add("ladder.attempts", "there are 1 to 10 attempts", "two is a good number");
    }
    if ladder.days_between == 0 && ladder.attempts > 1 {
        let help = "one prompt a day at most";
        findings.add("ladder.days_between", "there is at least a day between attempts", help);
    }
    if ladder.prompt_expiry_hours == 0 {
        findings.add("ladder.prompt_expiry_hours", "a prompt lives at least an hour", "");
    }
    if ladder.call_day() > ladder.window_days {
        findings.add(
            "ladder.window_days",
            format!(
                "{} attempts and the call need {} days, but the window has {}",
                ladder.attempts,
                ladder.call_day(),
                ladder.window_days
            ),
            format!("set window_days = {} or more, or make fewer attempts", ladder.call_day()),
        );
    }
    if u64::from(ladder.prompt_expiry_hours) > 24 * u64::from(ladder.window_days) {
        findings.add("ladder.prompt_expiry_hours", "a prompt outlives the window", "");
    }
}
