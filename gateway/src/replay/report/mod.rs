//! The report: one self-contained page that opens offline, prints, and needs no script.
//!
//! Sections are spooled beside the target while people are replayed, so that memory does not grow
//! with their number; the page is put together at the end, summary first. All text passes
//! `text::Escaped`. Nothing here judges: it shows what the path has said.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};

use super::patient::{Course, Level, PromptMark, ReplayedPatient, Shown};
use text::{Escaped, count, date, moment, number, verdict};

mod chart;
mod text;

const STYLE: &str = include_str!("page.css");

/// What the page says about the replay as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// One plain sentence per decision that was taken for the reader: plans, start, zones.
    pub decisions: Vec<String>,
    /// One plain sentence with the line counts.
    pub lines: String,
}

/// A page in the making.
#[derive(Debug)]
pub struct Report {
    spool: BufWriter<File>,
    rows: String,
    tally: Vec<(String, &'static str, &'static str, usize)>,
    people: usize,
}

impl Report {
    /// Begins a page; `spool` is an empty temporary file, readable and writable.
    pub fn begin(spool: File) -> Self {
        Self { spool: BufWriter::new(spool), rows: String::new(), tally: Vec::new(), people: 0 }
    }

    /// Adds one person.
    ///
    /// # Errors
    /// What the file system answered.
    pub fn add(&mut self, patient: &ReplayedPatient) -> io::Result<()> {
        self.people += 1;
        let anchor = format!("p{}", self.people);
        for course in &patient.courses {
            let (mark, class, words) = match course.verdict() {
                Some((found, reason, _)) => verdict(found, reason),
                None => ("?", "open", "No evaluation".to_owned()),
            };
            match self.tally.iter_mut().find(|(w, ..)| *w == words) {
                Some((_, _, _, n)) => *n += 1,
                None => self.tally.push((words, class, mark, 1)),
            }
        }
        row(&mut self.rows, patient, &anchor);
        let mut section = String::new();
        section_of(&mut section, patient, &anchor);
        self.spool.write_all(section.as_bytes())
    }

    /// Writes the page.
    ///
    /// # Errors
    /// What the file system answered.
    pub fn finish(mut self, mut page: impl Write, about: &About) -> io::Result<()> {
        self.spool.flush()?;
        let mut spooled = self.spool.into_inner().map_err(io::IntoInnerError::into_error)?;
        spooled.rewind()?;
        let mut head = String::new();
        self.tally.sort_by_key(|(words, class, ..)| (rank(class), words.clone()));
        opening(&mut head, about, self.people, &self.tally, &self.rows);
        page.write_all(head.as_bytes())?;
        io::copy(&mut BufReader::new(spooled), &mut page)?;
        page.write_all(FOOT.as_bytes())?;
        page.flush()
    }
}

fn rank(class: &str) -> u8 {
    match class {
        "bad" => 0,
        "watch" => 1,
        "good" => 2,
        _ => 3,
    }
}

const TOO_SHORT: &str = "The recording is too short for an evaluation.";

const FOOT: &str = "<footer><p>Made by <code>hearth replay</code> from recorded readings. Nothing \
    was sent to anybody. A verdict is an aid for a care team and no diagnosis; it does not replace \
    an emergency number.</p></footer>\n</main>\n</body>\n</html>\n";

fn opening(
    out: &mut String,
    about: &About,
    people: usize,
    tally: &[(String, &str, &str, usize)],
    rows: &str,
) {
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Hearth: replay of {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>What Hearth would have said</h1>\n<p class=\"soft\">Recorded readings of {} were taken \
         through the same rules as live ones, day by day.</p>\n",
        count(people, "person", "people"),
        count(people, "person", "people"),
    );
    for decision in &about.decisions {
        let _ = writeln!(out, "<p class=\"soft small\">{}</p>", Escaped(decision));
    }
    if !about.lines.is_empty() {
        let _ = writeln!(out, "<p class=\"soft small\">{}</p>", Escaped(&about.lines));
    }
    out.push_str("<ul class=\"tally\" aria-label=\"Verdicts\">");
    for (words, class, mark, n) in tally {
        let _ = write!(
            out,
            "<li class=\"{class}\"><b>{n}</b><span aria-hidden=\"true\">{mark}</span> {}</li>",
            Escaped(words)
        );
    }
    let _ = write!(
        out,
        "</ul>\n<div class=\"summary\"><table><thead><tr><th scope=\"col\">Person</th>\
         <th scope=\"col\">Watched</th><th scope=\"col\">Verdict</th><th scope=\"col\">Why</th>\
         <th scope=\"col\">Alerts</th><th scope=\"col\" class=\"n\">Prompts</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>\n"
    );
}

fn row(out: &mut String, patient: &ReplayedPatient, anchor: &str) {
    for (i, course) in patient.courses.iter().enumerate() {
        let (badge, why) = match course.verdict() {
            Some((found, reason, made)) => (badge(found, reason), text::evidence(&made.sentence)),
            None => (badge("", None), TOO_SHORT.to_owned()),
        };
        let person = Escaped(&patient.subject);
        let _ = write!(
            out,
            "<tr><td data-label=\"Person\"><a href=\"#{anchor}-{i}\">{person}</a></td>\
             <td data-label=\"Watched\">{}</td><td>{badge}</td><td>{}</td>",
            Escaped(chart::title(course)),
            Escaped(why),
        );
        if i == 0 {
            let _ = write!(
                out,
                "<td data-label=\"Alerts\">{}</td><td class=\"n\" data-label=\"Prompts\">{}</td></tr>",
                levels(patient),
                patient.prompts_sent()
            );
        } else {
            out.push_str("<td data-label=\"Alerts\">see above</td><td class=\"n\"></td></tr>");
        }
    }
}

fn badge(found: &str, reason: Option<&str>) -> String {
    let (mark, class, words) = verdict(found, reason);
    format!(
        "<span class=\"badge {class}\"><span class=\"mark\" aria-hidden=\"true\">{mark}</span>{}</span>",
        Escaped(words)
    )
}

/// `2 critical, 5 urgent`, or `none`.
fn levels(patient: &ReplayedPatient) -> String {
    let mut parts = Vec::new();
    for level in [Level::Critical, Level::Urgent, Level::Advisory] {
        let n = patient.alerts_at(level);
        if n > 0 {
            let letter = level.letter();
            parts.push(format!("<span class=\"level {letter}\">{n} {}</span>", level.word()));
        }
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn section_of(out: &mut String, patient: &ReplayedPatient, anchor: &str) {
    for (i, course) in patient.courses.iter().enumerate() {
        let id = format!("{anchor}-{i}");
        let found = course.verdict();
        let shown = found.map_or_else(|| badge("", None), |(v, reason, _)| badge(v, reason));
        let sentence =
            found.map_or(TOO_SHORT.to_owned(), |(.., made)| text::evidence(&made.sentence));
        let _ = write!(
            out,
            "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<div class=\"head\">\
             <h2 id=\"{id}-h\">{}</h2>{shown}</div>\n<p class=\"says\">{}</p>\n\
             <p class=\"soft small\">{}</p>\n<figure>",
            Escaped(&patient.subject),
            Escaped(sentence),
            Escaped(facts(patient, course)),
        );
        chart::draw(out, patient, course, &id);
        for remark in &patient.remarks {
            let _ = write!(out, "<p class=\"soft small\">{}</p>", Escaped(remark));
        }
        legend(out, patient, course);
        out.push_str("</figure>\n");
        told(out, patient, course);
        tables(out, patient, course);
        out.push_str("</section>\n");
    }
}

/// File, layout, zone, days and plan in one line.
fn facts(patient: &ReplayedPatient, course: &Course) -> String {
    format!(
        "{} \u{b7} {} to {} \u{b7} {} \u{b7} plan {} from {} \u{b7} days counted in {}",
        chart::title(course),
        date(patient.days.0),
        date(patient.days.1),
        count(course.points.len(), "reading", "readings"),
        course.programme,
        date(course.start_day),
        patient.zone,
    )
}

/// The chart in words, for screen readers.
fn words(patient: &ReplayedPatient, course: &Course) -> String {
    let values: Vec<f64> = course
        .points
        .iter()
        .filter_map(|p| match p.value {
            Shown::Value(v) => Some(v),
            _ => None,
        })
        .collect();
    let range =
        match (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max)) {
            (Some(low), Some(high)) => {
                format!("between {} and {} {}", number(low), number(high), course.unit)
            }
            _ => "without a value".to_owned(),
        };
    let medians = match (course.medians.first(), course.medians.last()) {
        (Some(first), Some(last)) => format!(
            " The daily median was {} on {} and {} on {}.",
            number(first.1),
            date(first.0),
            number(last.1),
            date(last.0)
        ),
        _ => String::new(),
    };
    let verdict = match course.verdict() {
        Some((found, reason, _)) => text::verdict(found, reason).2,
        None => "no evaluation".to_owned(),
    };
    format!(
        "{} from {} to {}, {range}.{medians} Verdict: {verdict}. {}: {} critical, {} urgent, {} \
         advisory. {}. The same numbers stand in the tables below the drawing.",
        count(course.points.len(), "reading", "readings"),
        date(patient.days.0),
        date(patient.days.1),
        count(patient.alerts.len(), "alert", "alerts"),
        patient.alerts_at(Level::Critical),
        patient.alerts_at(Level::Urgent),
        patient.alerts_at(Level::Advisory),
        count(patient.prompts_sent(), "prompt", "prompts"),
    )
}

fn legend(out: &mut String, patient: &ReplayedPatient, course: &Course) {
    out.push_str("<figcaption><ul class=\"legend\">");
    let mut item = |drawing: &str, words: &str| {
        let _ = write!(
            out,
            "<li><svg viewBox=\"0 0 28 16\" aria-hidden=\"true\">{drawing}</svg>{words}</li>"
        );
    };
    let pressure = course.points.iter().any(|p| p.second.is_some());
    let all = course.points.iter().all(|p| p.counted);
    let name = if pressure { "systolic" } else { "reading" };
    item("<path class=\"point\" d=\"M6 8h0M14 5h0M22 10h0\"/>", name);
    if !all {
        item(
            "<path class=\"other\" d=\"M6 8h0M14 5h0M22 10h0\"/>",
            "reading the plan does not count",
        );
    }
    item("<path class=\"median\" d=\"M2 10L14 5L26 9\"/>", "daily median");
    if pressure {
        item("<path class=\"second\" d=\"M2 10L14 5L26 9\"/>", "diastolic, daily median");
    }
    if course.target != (None, None) {
        item(
            "<rect class=\"target\" width=\"28\" height=\"16\"/><path class=\"target-edge\" \
             d=\"M0 1H28\"/>",
            "target",
        );
    }
    if course.points.iter().any(|p| matches!(p.value, Shown::Above | Shown::Below)) {
        item("<path class=\"ends\" d=\"M14 4l5 8h-10z\"/>", "beyond the device\u{2019}s range");
    }
    if course.points.iter().any(|p| matches!(p.value, Shown::Implausible(_))) {
        item("<path class=\"odd\" d=\"M10 4l8 8m0 -8l-8 8\"/>", "implausible");
    }
    if !course.medication.is_empty() {
        item("<path class=\"med\" d=\"M14 0V16\"/>", "medication changed");
    }
    let alerted = |level| patient.alerts_at(level) > 0;
    if alerted(Level::Critical) {
        item("<path class=\"mark-C\" d=\"M14 0l9 15h-18z\"/>", "critical alert");
    }
    if alerted(Level::Urgent) {
        item("<path class=\"mark-U\" d=\"M14 0l8 8l-8 8l-8 -8z\"/>", "urgent alert");
    }
    if alerted(Level::Advisory) {
        item("<circle class=\"mark-A\" cx=\"14\" cy=\"8\" r=\"7\"/>", "advisory alert");
    }
    if patient.asked(course).next().is_some() {
        item(
            "<rect class=\"mark-P\" x=\"6\" y=\"1\" width=\"16\" height=\"14\" rx=\"4\"/>",
            "prompt (V visit, M measure more, N nudge)",
        );
    }
    if !course.verdicts.is_empty() {
        out.push_str(
            "<li>evaluations on top: \u{2197} improving, \u{2192} not improving, \u{2198} worsening, \
             \u{25ce} at target, ? cannot tell</li>",
        );
    }
    out.push_str("</ul></figcaption>");
}

/// What would have been asked of the person and of the team.
fn told(out: &mut String, patient: &ReplayedPatient, course: &Course) {
    let prompts: Vec<_> = patient.asked(course).collect();
    let tasks: Vec<_> = patient.tasks.iter().filter(|t| !t.after_record).collect();
    // What was found on the days after the last record still says what would have come of it.
    let visit = |p: &PromptMark| p.after_record && p.kind == "follow_up_visit" && p.is_of(course);
    if patient.prompts.iter().any(visit) {
        out.push_str(
            "<p class=\"small\">The record ends just before a follow-up visit would have been asked \
             for.</p>\n",
        );
    } else if prompts.is_empty() && tasks.is_empty() {
        out.push_str("<p class=\"soft small\">Nobody would have been asked for anything.</p>\n");
    }
    if !prompts.is_empty() {
        out.push_str("<h3>The person would have been asked</h3><ul class=\"events small\">");
        // The same words more than once are one entry with its dates.
        let mut said: Vec<(String, Vec<String>)> = Vec::new();
        for prompt in &prompts {
            let words = if prompt.text.is_empty() { prompt.word() } else { prompt.text.clone() };
            let at = moment(prompt.local_s);
            match said.iter_mut().find(|(text, _)| *text == words) {
                Some((_, times)) => times.push(at),
                None => said.push((words, vec![at])),
            }
        }
        for (words, times) in said.iter().take(12) {
            let (shown, more) = (times.iter().take(6), times.len().saturating_sub(6));
            let shown: Vec<&str> = shown.map(String::as_str).collect();
            let more = if more == 0 { String::new() } else { format!(" and {more} more times") };
            let _ = write!(
                out,
                "<li>{} <span class=\"soft\">({}{more})</span></li>",
                Escaped(words),
                shown.join("; ")
            );
        }
        more(out, said.len());
    }
    if !tasks.is_empty() {
        out.push_str("<h3>A nurse would have been asked</h3><ul class=\"events small\">");
        for task in tasks.iter().take(12) {
            let _ = write!(
                out,
                "<li><span class=\"soft\">{}:</span> {}</li>",
                moment(task.local_s),
                Escaped(&task.reason)
            );
        }
        more(out, tasks.len());
    }
}

fn more(out: &mut String, n: usize) {
    if n > 12 {
        let _ = write!(out, "<li class=\"soft\">and {} more</li>", n - 12);
    }
    out.push_str("</ul>\n");
}

fn tables(out: &mut String, patient: &ReplayedPatient, course: &Course) {
    let _ =
        write!(out, "<details><summary>Evaluations, alerts and daily values as tables</summary>");
    out.push_str(
        "<h3>Evaluations</h3><table><thead><tr><th scope=\"col\">Day</th><th scope=\"col\">Kind</th>\
         <th scope=\"col\">Verdict</th><th scope=\"col\">Shown to the team</th>\
         <th scope=\"col\">Action</th></tr></thead><tbody>",
    );
    for made in &course.verdicts {
        let published = made.published.as_deref();
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            date(made.day),
            Escaped(&made.phase),
            Escaped(verdict(&made.verdict, made.reason.as_deref()).2),
            Escaped(published.map_or("nothing yet".to_owned(), |p| verdict(p, None).2)),
            Escaped(action(&made.action)),
        );
    }
    out.push_str("</tbody></table>");
    if !patient.alerts.is_empty() {
        out.push_str(
            "<h3>Alerts</h3><table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">Rule</th>\
             <th scope=\"col\">Level</th></tr></thead><tbody>",
        );
        for alert in patient.alerts.iter().take(TABLE_ROWS) {
            let _ = write!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                moment(alert.local_s),
                Escaped(&alert.rule),
                alert.level.word()
            );
        }
        cut(out, patient.alerts.len(), 3);
    }
    let second = course.medians.iter().any(|m| m.2.is_some());
    let _ = write!(
        out,
        "<h3>Daily medians, {}</h3><table><thead><tr><th scope=\"col\">Day</th>\
         <th scope=\"col\" class=\"n\">{}</th>{}</tr></thead><tbody>",
        Escaped(course.unit),
        if second { "Systolic" } else { "Median" },
        if second { "<th scope=\"col\" class=\"n\">Diastolic</th>" } else { "" }
    );
    for (day, value, other) in course.medians.iter().take(TABLE_ROWS) {
        let other = match other {
            Some(other) => format!("<td class=\"n\">{}</td>", number(*other)),
            None => String::new(),
        };
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=\"n\">{}</td>{other}</tr>",
            date(*day),
            number(*value)
        );
    }
    cut(out, course.medians.len(), if second { 3 } else { 2 });
    let _ = write!(out, "<p class=\"soft small\">{}</p>", Escaped(sums(patient)));
    out.push_str("</details>\n");
}

/// Rows of a table at most; `--output` has all of them.
const TABLE_ROWS: usize = 400;

fn cut(out: &mut String, n: usize, columns: usize) {
    if n > TABLE_ROWS {
        let _ = write!(
            out,
            "<tr><td colspan=\"{columns}\">and {} more; --output has them all</td></tr>",
            n - TABLE_ROWS
        );
    }
    out.push_str("</tbody></table>");
}

fn action(word: &str) -> &str {
    match word {
        "None" => "nothing",
        "MeasureMore" => "ask to measure more",
        "FollowUpVisit" => "ask to book a visit",
        "CareTeamTask" => "task for the care team",
        other => other,
    }
}

/// Where each record went, in one sentence.
fn sums(patient: &ReplayedPatient) -> String {
    let counts = patient.counts;
    let mut text = format!(
        "{}: {} observed, {} noted, {} duplicate, {} quarantined.",
        count(counts.records as usize, "record", "records"),
        counts.observed,
        counts.noted,
        counts.duplicate,
        counts.quarantined
    );
    for (reason, n) in patient.quarantine.iter().take(6) {
        let _ = write!(text, " Quarantined: {reason} ({n}).");
    }
    text
}

#[cfg(test)]
mod tests;
