//! One course as an inline SVG on one time axis. Colour never stands alone: every mark has a shape
//! and a letter, the second series is dashed, windows are labelled.

use std::fmt::Write;

use super::super::patient::{AlertMark, Course, Level, Point, PromptMark, ReplayedPatient, Shown};
use super::text::{Escaped, civil, date, date_short, moment, number, verdict};

/// Size of the drawing in user units; it scales with the page.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 46.0;
const PLOT: f64 = 220.0;
const BOTTOM: f64 = TOP + PLOT;
/// Middle of the lanes under the plot.
const ALERT_LANE: f64 = BOTTOM + 52.0;
const PROMPT_LANE: f64 = BOTTOM + 84.0;
/// Below the plot without and with lanes.
const HEIGHT: [f64; 2] = [BOTTOM + 40.0, BOTTOM + 106.0];
/// Marks nearer than this are drawn as one with a count.
const BIN: f64 = 18.0;
/// More points than this are drawn as a bar from the lowest to the highest per column.
const THIN_ABOVE: usize = 1500;
/// Width of such a column.
const COLUMN: f64 = 1.5;

/// Where days and values lie in the drawing.
struct Scale {
    from_day: i32,
    days: f64,
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn x(&self, local_s: i64) -> f64 {
        let day = local_s as f64 / 86_400.0 - f64::from(self.from_day);
        LEFT + (day / self.days).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn x_day(&self, day: i32) -> f64 {
        self.x(i64::from(day) * 86_400)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) * PLOT
    }

    /// Axis limits that hold the readings and the target, on round numbers.
    fn of(patient: &ReplayedPatient, course: &Course) -> Self {
        let mut values: Vec<f64> = course
            .points
            .iter()
            .flat_map(|p| {
                let first = match p.value {
                    Shown::Value(v) => Some(v),
                    _ => None,
                };
                [first, p.second.filter(|_| first.is_some())]
            })
            .flatten()
            .collect();
        let targets = [course.target, course.target_second];
        values.extend(targets.iter().flat_map(|t| [t.0, t.1]).flatten());
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (lowest, highest) = if lowest.is_finite() && highest.is_finite() {
            (lowest, highest)
        } else {
            (0.0, 100.0)
        };
        let span = (highest - lowest).max(0.5);
        let step = round_step(span / 5.0);
        let low = ((lowest - span * 0.04) / step).floor() * step;
        let low = if lowest >= 0.0 { low.max(0.0) } else { low };
        let high = ((highest + span * 0.04) / step).ceil() * step;
        let last_mark = course.verdicts.last().map_or(patient.days.1, |v| v.day);
        let from_day = patient.days.0.min(course.baseline.0.max(patient.days.0 - 7));
        let to_day = patient.days.1.max(last_mark) + 1;
        Self { from_day, days: f64::from((to_day - from_day).max(7)), low, high, step }
    }
}

/// 1, 2 or 5 times a power of ten, not below `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let first = [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|s| *s >= rough);
    first.unwrap_or(10.0 * power)
}

/// Draws one course; `id` is unique on the page.
pub(super) fn draw(out: &mut String, patient: &ReplayedPatient, course: &Course, id: &str) {
    let scale = Scale::of(patient, course);
    let [bare, with_lanes] = HEIGHT;
    let marked = !patient.alerts.is_empty() || patient.asked(course).next().is_some();
    let height = if marked { with_lanes } else { bare };
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
        Escaped(format!("{} of {} over time", title(course), patient.subject)),
        Escaped(super::words(patient, course)),
    );
    windows(out, course, &scale);
    axes(out, course, &scale);
    readings(out, course, &scale);
    events(out, course, &scale);
    lanes(out, patient, course, &scale);
    out.push_str("</svg>");
}

/// What is drawn, for people.
pub(super) fn title(course: &Course) -> String {
    let words = course.quantity.as_str().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect())
}

fn windows(out: &mut String, course: &Course, scale: &Scale) {
    let window = |out: &mut String, (from, to): (i32, i32), class: &str, label: &str| {
        if to <= from || f64::from(to - scale.from_day) <= 0.0 {
            return;
        }
        let (x1, x2) = (scale.x_day(from), scale.x_day(to));
        if x2 - x1 < 1.0 {
            return;
        }
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x1:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{PLOT}\"/>\
             <path class=\"window-edge {class}-line\" d=\"M{x1:.1} {TOP}H{x2:.1}\"/>\
             <text class=\"{class}-text\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
            x2 - x1,
            x1 + 3.0,
            TOP - 6.0
        );
    };
    window(out, course.baseline, "base", "baseline");
    let recent = (course.recent.0.max(course.baseline.1), course.recent.1);
    window(out, recent, "recent", "recent");
    for (low, high) in [course.target, course.target_second] {
        if low.is_none() && high.is_none() {
            continue;
        }
        let (top, bottom) = (high.map_or(TOP, |v| scale.y(v)), low.map_or(BOTTOM, |v| scale.y(v)));
        let right = WIDTH - RIGHT;
        if low.is_some() && high.is_some() {
            let _ = write!(
                out,
                "<rect class=\"target\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" \
                 height=\"{:.1}\" opacity=\".75\"/>",
                right - LEFT,
                (bottom - top).max(0.0)
            );
        }
        for (edge, y) in [(high, top), (low, bottom)] {
            if edge.is_some() {
                let _ = write!(out, "<path class=\"target-edge\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            }
        }
    }
}

fn axes(out: &mut String, course: &Course, scale: &Scale) {
    let steps = ((scale.high - scale.low) / scale.step).round() as i32;
    for i in 0..=steps.clamp(1, 12) {
        let value = scale.low + f64::from(i) * scale.step;
        let (y, minor) = (scale.y(value), if i % 2 == 0 { "" } else { " class=\"minor\"" });
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>\
             <text{minor} x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            number(value)
        );
    }
    let _ = write!(
        out,
        "<text class=\"strong\" x=\"{:.1}\" y=\"16\">{}</text>",
        4.0,
        Escaped(course.unit)
    );
    let ticks = ticks(scale);
    for (i, day) in ticks.iter().enumerate() {
        let x = scale.x_day(*day);
        let minor = if i % 2 == 0 { "" } else { " class=\"minor\"" };
        let new_year = i == 0
            || ticks.get(i.wrapping_sub(1)).is_some_and(|d| civil(*d).year() != civil(*day).year());
        let y = BOTTOM + 20.0;
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{x:.1} {BOTTOM}v6\"/>\
             <text{minor} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
            date_short(*day)
        );
        if new_year {
            let year = civil(*day).year();
            let y = y + 14.0;
            let _ = write!(
                out,
                "<text class=\"year\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{year}</text>"
            );
        }
    }
}

/// Days with a date below: Mondays, or firsts of months where weeks would be too near.
fn ticks(scale: &Scale) -> Vec<i32> {
    let days = scale.days as i32;
    let last = scale.from_day + days;
    if days <= 14 {
        return (scale.from_day..=last).step_by(2).collect();
    }
    let every = [7, 14, 28].into_iter().find(|every| days / every <= 12);
    match every {
        // 1970-01-01 was a Thursday: day 4 is a Monday.
        Some(every) => {
            let first = scale.from_day + (4 - scale.from_day).rem_euclid(7);
            (first..=last - 2).step_by(every as usize).collect()
        }
        None => {
            let firsts = (scale.from_day..=last).filter(|day| civil(*day).day() == 1);
            let firsts: Vec<i32> = firsts.collect();
            let keep = firsts.len().div_ceil(12).max(1);
            firsts.into_iter().step_by(keep).collect()
        }
    }
}

fn readings(out: &mut String, course: &Course, scale: &Scale) {
    let dense = course.points.len() > THIN_ABOVE;
    let class = if dense { " dense" } else { "" };
    let draw = |out: &mut String, class: &str, values: Vec<(i64, f64)>| {
        if values.is_empty() {
            return;
        }
        let _ = write!(out, "<path class=\"{class}\" d=\"");
        for (x, low, high) in thin(&values, scale) {
            let _ = match high - low > 0.5 {
                true => write!(out, "M{x:.1} {low:.1}V{high:.1}"),
                false => write!(out, "M{x:.1} {low:.1}h0"),
            };
        }
        out.push_str("\"/>");
    };
    let of = |counted: bool| -> Vec<(i64, f64)> {
        let pick = |p: &Point| match p.value {
            Shown::Value(v) if p.counted == counted => Some((p.local_s, v)),
            _ => None,
        };
        course.points.iter().filter_map(pick).collect()
    };
    draw(out, &format!("other{class}"), of(false));
    let second = |p: &Point| p.second.filter(|_| p.counted).map(|v| (p.local_s, v));
    draw(out, "second-point", course.points.iter().filter_map(second).collect());
    draw(out, &format!("point{class}"), of(true));
    odd(out, course, scale);
    let line = |out: &mut String, class: &str, values: Vec<(i32, f64)>| {
        let mut before: Option<i32> = None;
        let mut d = String::new();
        for (day, value) in values {
            // A gap of more than two weeks is no line.
            let joined = before.is_some_and(|b| day - b <= 14);
            let x = scale.x(i64::from(day) * 86_400 + 43_200);
            let _ = write!(d, "{}{x:.1} {:.1}", if joined { 'L' } else { 'M' }, scale.y(value));
            before = Some(day);
        }
        if !d.is_empty() {
            let _ = write!(out, "<path class=\"{class}\" d=\"{d}\"/>");
        }
    };
    line(out, "second", course.medians.iter().filter_map(|m| Some((m.0, m.2?))).collect());
    line(out, "median", course.medians.iter().map(|m| (m.0, m.1)).collect());
}

/// The places of readings; a long row becomes a bar from the lowest to the highest of each column
/// of the drawing.
fn thin(values: &[(i64, f64)], scale: &Scale) -> Vec<(f64, f64, f64)> {
    let places = values.iter().map(|(t, v)| (scale.x(*t), scale.y(*v)));
    if values.len() <= THIN_ABOVE {
        return places.map(|(x, y)| (x, y, y)).collect();
    }
    let mut kept: Vec<(f64, f64, f64)> = Vec::new();
    for (x, y) in places {
        let column = (x / COLUMN).round() * COLUMN;
        match kept.last_mut() {
            Some((c, low, high)) if *c == column => (*low, *high) = (low.min(y), high.max(y)),
            _ => kept.push((column, y, y)),
        }
    }
    kept
}

/// Beyond the device's range: a triangle at the edge. Implausible: a cross.
fn odd(out: &mut String, course: &Course, scale: &Scale) {
    let (mut ends, mut crosses) = (String::new(), String::new());
    for point in &course.points {
        let x = scale.x(point.local_s);
        let _ = match point.value {
            Shown::Above => write!(ends, "M{x:.1} {:.1}l4 7h-8z", TOP + 1.0),
            Shown::Below => write!(ends, "M{x:.1} {:.1}l4 -7h-8z", BOTTOM - 1.0),
            Shown::Implausible(v) => {
                let y = scale.y(v);
                write!(crosses, "M{:.1} {:.1}l6 6m0 -6l-6 6", x - 3.0, y - 3.0)
            }
            Shown::Value(_) | Shown::Absent => Ok(()),
        };
    }
    if !ends.is_empty() {
        let _ = write!(out, "<path class=\"ends\" d=\"{ends}\"/>");
    }
    if !crosses.is_empty() {
        let _ = write!(out, "<path class=\"odd\" d=\"{crosses}\"/>");
    }
}

/// The start, medication changes and evaluations.
fn events(out: &mut String, course: &Course, scale: &Scale) {
    let x = scale.x_day(course.start_day);
    let _ = write!(
        out,
        "<path class=\"start\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/>\
         <text class=\"minor\" x=\"{:.1}\" y=\"{:.1}\">start</text>",
        x + 4.0,
        BOTTOM - 6.0
    );
    for (day, note) in &course.medication {
        let x = scale.x_day(*day);
        let _ = write!(
            out,
            "<g><title>{}</title><path class=\"med\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/>\
             <text class=\"strong\" x=\"{:.1}\" y=\"{:.1}\">Rx</text></g>",
            Escaped(format!("{}: medication changed. {note}", date(*day))),
            x + 4.0,
            TOP + 14.0
        );
    }
    for made in &course.verdicts {
        let (mark, _, words) = verdict(&made.verdict, made.reason.as_deref());
        let class = if made.phase == "final" { "strong" } else { "minor" };
        let _ = write!(
            out,
            "<g><title>{}</title><text class=\"{class}\" x=\"{:.1}\" y=\"16\" \
             text-anchor=\"middle\">{mark}</text></g>",
            Escaped(format!("{}, {}: {words}. {}", date(made.day), made.phase, made.sentence)),
            scale.x_day(made.day),
        );
    }
}

fn lanes(out: &mut String, patient: &ReplayedPatient, course: &Course, scale: &Scale) {
    let label = |out: &mut String, y: f64, text: &str| {
        let x = LEFT - 8.0;
        let y = y + 4.0;
        let _ = write!(
            out,
            "<text class=\"lane\" x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{text}</text>"
        );
    };
    if !patient.alerts.is_empty() {
        label(out, ALERT_LANE, "alerts");
    }
    for marks in bins(&patient.alerts, scale, |a: &AlertMark| a.local_s) {
        let worst = marks.iter().map(|a| a.level).max().unwrap_or(Level::Advisory);
        let say = |a: &&AlertMark| format!("{} {} {}", moment(a.local_s), a.rule, a.level.word());
        mark(out, &marks, scale, ALERT_LANE, shape(worst), worst.letter(), &say, |a| a.local_s);
    }
    let asked: Vec<PromptMark> = patient.asked(course).cloned().collect();
    if !asked.is_empty() {
        label(out, PROMPT_LANE, "prompts");
    }
    for marks in bins(&asked, scale, |p: &PromptMark| p.local_s) {
        let visit = marks.iter().any(|p| p.kind == "follow_up_visit");
        let letter = match marks.first().map(|p| p.kind.as_str()) {
            _ if visit => 'V',
            Some("measure_more") => 'M',
            _ => 'N',
        };
        let say = |p: &&PromptMark| format!("{}: {}", moment(p.local_s), p.word());
        mark(out, &marks, scale, PROMPT_LANE, "P", letter, &say, |p| p.local_s);
    }
}

fn shape(level: Level) -> &'static str {
    match level {
        Level::Critical => "C",
        Level::Urgent => "U",
        Level::Advisory => "A",
    }
}

/// Neighbours in time whose marks would overlap, in the order of time.
fn bins<'m, T>(marks: &'m [T], scale: &Scale, at: impl Fn(&T) -> i64) -> Vec<Vec<&'m T>> {
    let mut bins: Vec<(f64, Vec<&T>)> = Vec::new();
    for mark in marks {
        let x = scale.x(at(mark));
        match bins.last_mut() {
            Some((first, bin)) if x - *first < BIN => bin.push(mark),
            _ => bins.push((x, vec![mark])),
        }
    }
    bins.into_iter().map(|(_, bin)| bin).collect()
}

/// A triangle, a diamond, a circle (C, U, A) or a rounded card (prompt) with its letter.
#[allow(clippy::too_many_arguments)]
fn mark<T>(
    out: &mut String,
    marks: &[&T],
    scale: &Scale,
    y: f64,
    shape: &str,
    letter: char,
    say: &dyn Fn(&&T) -> String,
    at: impl Fn(&T) -> i64,
) {
    let Some(first) = marks.first() else { return };
    let x = scale.x(at(first));
    let told: Vec<String> = marks.iter().take(8).map(say).collect();
    let more = marks.len().saturating_sub(8);
    let more = if more == 0 { String::new() } else { format!("\nand {more} more") };
    let _ = write!(out, "<g class=\"m\"><title>{}{more}</title>", Escaped(told.join("\n")));
    let _ = match shape {
        "C" => write!(out, "<path class=\"mark-C\" d=\"M{x:.1} {:.1}l9.5 16h-19z\"/>", y - 10.0),
        "U" => write!(out, "<path class=\"mark-U\" d=\"M{x:.1} {:.1}l9 9l-9 9l-9 -9z\"/>", y - 9.0),
        "A" => write!(out, "<circle class=\"mark-A\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7.5\"/>"),
        _ => write!(
            out,
            "<rect class=\"mark-P\" x=\"{:.1}\" y=\"{:.1}\" width=\"16\" height=\"15\" rx=\"4\"/>",
            x - 8.0,
            y - 7.5
        ),
    };
    let on = if shape == "P" { "on-P" } else { "on" };
    let _ = write!(out, "<text class=\"{on}\" x=\"{x:.1}\" y=\"{:.1}\">{letter}</text>", y + 3.8);
    if marks.len() > 1 {
        let _ = write!(
            out,
            "<text class=\"times minor\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">\u{d7}{}</text>",
            y + 15.0,
            marks.len()
        );
    }
    out.push_str("</g>");
}
