//! `hearth replay`: what Hearth would have said about readings that were recorded earlier.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::exit::{Exit, Failure};
use crate::replay::all::{self, Totals, Watch};
use crate::replay::patient::{Level, ReplayedPatient};
use crate::replay::plans::Plans;
use crate::replay::report::{About, Report};
use crate::replay::run::{Replayed, RunError};
use crate::replay::settings::{self, Options, Plan, Start};
use crate::replay::source;

/// Try the rules on recorded readings, as if they had arrived day by day
///
/// Reads files and folders of recorded readings, takes them through the same path as live ones under a
/// virtual clock, and tells for each person the verdict, why, the alerts, and the prompts that would have
/// gone out. Nothing is sent to anybody and nothing is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, after_long_help = after_long_help())]
pub struct Replay {
    /// Files or folders with recorded readings; the layout is told by the content
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Layout of all files, where the content does not tell it
    #[arg(long, value_parser = source::NAMES.map(|(name, _)| name))]
    pub format: Option<String>,
    /// Programme for everybody: its id, or a TOML file [default: by what is measured]
    #[arg(long, value_name = "ID|FILE")]
    pub plan: Option<String>,
    /// First local day of the plan: a date, or days after the first reading
    #[arg(long, value_name = "DATE|+DAYS", default_value = "+14", value_parser = Start::parse)]
    pub start: Start,
    /// Time zone of wall-clock times and of local days [default: that of the data set, UTC for own files]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// Another value of a parameter of the rule, such as mid=15; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = settings::parse_set)]
    pub set: Vec<(String, serde_json::Value)>,
    /// Write every observation, alert, prompt, verdict and note as JSON lines (- for standard output)
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write one page for people, with a chart of each person; it opens offline
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// No progress bar
    #[arg(long)]
    pub no_progress: bool,
}

const AFTER_HELP: &str = "Example:\n  hearth replay diary.csv\n  \
    hearth replay --report last-year.html --zone Europe/London readings/\n  \
    hearth replay --plan fasting-glucose-6w --start 2026-03-01 --set mid=15 meter.csv";

fn after_long_help() -> String {
    format!(
        "{AFTER_HELP}\n\nLayouts:\n  {}\n\n{}",
        source::NAMES.map(|(name, _)| name).join(", "),
        crate::replay::line::HEARTH_HELP
    )
}

impl Replay {
    /// Replays, prints one line per person and the sums.
    ///
    /// # Errors
    /// Files, plans or outputs that cannot be used, with the remedy.
    pub fn run(self) -> Result<Exit, Failure> {
        let options = self.options();
        let plans = Plans::load(&options).map_err(|error| refused(&error))?;
        let found = source::find(&options.paths, options.format)
            .map_err(|error| refused(&RunError::Source(error)))?;
        let octets = found.files.iter().map(|f| f.octets).sum();
        let bar = Bar::new(octets, self.no_progress);
        let mut told = Told::begin(&self, &found)?;
        let each = |replayed: Replayed| told.person(&replayed, &bar);
        let totals = all::everybody(&found, &options, &plans, &bar, each)?;
        bar.0.finish_and_clear();
        told.finish(&totals, &self)?;
        Ok(if totals.add_up() { Exit::Ok } else { Exit::Internal })
    }

    fn options(&self) -> Options {
        let plan = self.plan.as_ref().map(|plan| {
            let file = plan.ends_with(".toml") || plan.contains(std::path::MAIN_SEPARATOR);
            if file { Plan::File(plan.into()) } else { Plan::Id(plan.clone()) }
        });
        Options {
            paths: self.files.clone(),
            format: self.format.as_deref().and_then(source::from_name),
            plan,
            start: self.start,
            zone: self.zone.clone(),
            set: self.set.iter().cloned().collect(),
            messages: self.output.is_some(),
        }
    }
}

fn refused(error: &RunError) -> Failure {
    let text = error.to_string();
    let sentence = if text.ends_with(['.', ')']) { text } else { format!("{text}.") };
    let exit = match error {
        RunError::Source(source::SourceError::Io { .. }) | RunError::Write { .. } => Exit::Io,
        RunError::Source(_) | RunError::Zone(_) => Exit::Usage,
        RunError::Plan(_) => Exit::Configuration,
        RunError::Refused { .. } => Exit::Refused,
        RunError::Store(_) => Exit::Store,
        RunError::Open(_) | RunError::Message(_) => Exit::Internal,
    };
    Failure::new(exit, sentence)
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        refused(&error)
    }
}

/// The progress bar; hidden where nobody watches.
struct Bar(ProgressBar);

impl Bar {
    fn new(octets: u64, hidden: bool) -> Self {
        let hidden = hidden || !io::stderr().is_terminal();
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(octets), target);
        if let Ok(style) = ProgressStyle::with_template(
            "{wide_bar:.cyan/dim} {bytes}/{total_bytes} read, {msg} replayed",
        ) {
            bar.set_style(style);
        }
        bar.set_message("0 people");
        Self(bar)
    }
}

impl Watch for Bar {
    fn read(&self, octets: u64) {
        self.0.inc(octets);
    }
    fn done(&self, _: u64) {}
}

/// Everything that is written.
struct Told {
    /// People's lines go to stdout, or to stderr while stdout carries JSON.
    people: Box<dyn Write>,
    output: Option<(PathBuf, Box<dyn Write>)>,
    report: Option<(PathBuf, Report)>,
    verdicts: BTreeMap<String, u64>,
    zones: BTreeMap<String, BTreeSet<&'static str>>,
    programmes: BTreeMap<String, u64>,
    names: usize,
    n: u64,
}

impl Told {
    fn begin(asked: &Replay, found: &source::Found) -> Result<Self, Failure> {
        let stdout = asked.output.as_deref() == Some(Path::new("-"));
        let output = match &asked.output {
            None => None,
            Some(path) if stdout => {
                Some((path.clone(), Box::new(BufWriter::new(io::stdout())) as Box<dyn Write>))
            }
            Some(path) => {
                let file = File::create(path).map_err(|e| Failure::file("written", path, &e))?;
                Some((path.clone(), Box::new(BufWriter::new(file)) as Box<dyn Write>))
            }
        };
        let report = match &asked.report {
            None => None,
            Some(path) => {
                let spool = spool(path).map_err(|e| Failure::file("written", path, &e))?;
                Some((path.clone(), Report::begin(spool)))
            }
        };
        let people: Box<dyn Write> =
            if stdout { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        let mut told = Self {
            people,
            output,
            report,
            verdicts: BTreeMap::new(),
            zones: BTreeMap::new(),
            programmes: BTreeMap::new(),
            names: 0,
            n: 0,
        };
        if !found.skipped.is_empty() {
            let names: Vec<_> = found.skipped.iter().map(|p| p.display().to_string()).collect();
            told.say(&format!("Skipped, no readings in: {}\n", names.join(", ")))?;
        }
        Ok(told)
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        match self.people.write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn person(&mut self, replayed: &Replayed, bar: &Bar) -> Result<(), Failure> {
        let patient = &replayed.patient;
        self.n += 1;
        bar.0.set_message(format!("{} people", self.n));
        self.zones.entry(patient.zone.clone()).or_default().insert(patient.layout);
        if patient.courses.is_empty() {
            *self.verdicts.entry("no plan watches it".to_owned()).or_default() += 1;
        }
        for course in &patient.courses {
            *self.programmes.entry(course.programme.clone()).or_default() += 1;
            let words = match course.verdict() {
                Some((found, None, _)) => found.to_owned(),
                Some((found, Some(reason), _)) => format!("{found}({reason})"),
                None => "no evaluation".to_owned(),
            };
            *self.verdicts.entry(words).or_default() += 1;
        }
        let lines = lines(patient);
        self.names = self.names.max(patient.subject.chars().count());
        bar.0.suspend(|| self.say(&lines))?;
        if let Some((path, output)) = &mut self.output {
            let written = output.write_all(&replayed.messages);
            let summary = format!("{}\n", summary(patient));
            let written = written.and_then(|()| output.write_all(summary.as_bytes()));
            written.map_err(|e| Failure::file("written", path, &e))?;
        }
        if let Some((path, report)) = &mut self.report {
            report.add(patient).map_err(|e| Failure::file("written", path, &e))?;
        }
        Ok(())
    }

    fn finish(mut self, totals: &Totals, asked: &Replay) -> Result<(), Failure> {
        let about = self.about(totals, asked);
        let mut text = String::from("\n");
        for decision in &about.decisions {
            text.push_str(&format!("{decision}\n"));
        }
        let verdicts: Vec<String> =
            self.verdicts.iter().map(|(words, n)| format!("{n} {words}")).collect();
        text.push_str(&format!("Verdicts: {}.\n{}\n", verdicts.join(", "), about.lines));
        if let Some((path, mut output)) = self.output.take() {
            let last = json!({"kind": "summary", "people": totals.people, "verdicts": self.verdicts,
                "lines": totals.lines.lines, "headers": totals.lines.headers,
                "blank": totals.lines.blank, "joined": totals.lines.joined,
                "records": totals.counts.records, "observed": totals.counts.observed,
                "noted": totals.counts.noted, "duplicate": totals.counts.duplicate,
                "quarantined": totals.counts.quarantined, "adds_up": totals.add_up()});
            let written = writeln!(output, "{last}").and_then(|()| output.flush());
            written.map_err(|e| Failure::file("written", &path, &e))?;
        }
        if let Some((path, report)) = self.report.take() {
            let io = |e: io::Error| Failure::file("written", &path, &e);
            // Written beside it first: a page is whole or not there.
            let beside = path.with_extension("html.part");
            let file = File::create(&beside).map_err(io)?;
            report.finish(BufWriter::new(file), &about).map_err(io)?;
            std::fs::rename(&beside, &path).map_err(io)?;
            text.push_str(&format!("Report: {}\n", path.display()));
        }
        self.say(&text)
    }

    /// What was decided for the reader, and the sums.
    fn about(&self, totals: &Totals, asked: &Replay) -> About {
        let mut decisions = Vec::new();
        let plans: Vec<&str> = self.programmes.keys().map(String::as_str).collect();
        let start = match asked.start {
            Start::After(days) => format!("{days} days after each person\u{2019}s first reading"),
            Start::Day(_) => "on the date that was given".to_owned(),
        };
        if !plans.is_empty() {
            decisions.push(format!("Plans: {}, started {start}.", plans.join(", ")));
        }
        let zone = |(zone, layouts): (&String, &BTreeSet<&str>)| {
            let layouts: Vec<&str> = layouts.iter().copied().collect();
            format!("{zone} ({})", layouts.join(", "))
        };
        let zones: Vec<String> = self.zones.iter().map(zone).collect();
        let whose =
            if asked.zone.is_some() { "as asked for" } else { "by data set; --zone changes it" };
        decisions.push(format!("Days are counted in {}, {whose}.", zones.join(", ")));
        if !asked.set.is_empty() {
            let set: Vec<String> = asked.set.iter().map(|(n, v)| format!("{n} = {v}")).collect();
            decisions.push(format!("Changed parameters: {}.", set.join(", ")));
        }
        About { decisions, lines: sums(totals) }
    }
}

/// A temporary file beside the target that vanishes with the process.
fn spool(beside: &Path) -> io::Result<File> {
    let path = beside.with_extension(format!("{}.spool", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// One line per course of a person, without control characters.
fn lines(patient: &ReplayedPatient) -> String {
    let alerts: Vec<String> = [Level::Critical, Level::Urgent, Level::Advisory]
        .into_iter()
        .map(|level| format!("{}{}", level.letter(), patient.alerts_at(level)))
        .collect();
    let rest = format!("alerts {}, prompts {}", alerts.join(" "), patient.prompts_sent());
    if patient.courses.is_empty() {
        return plain(&format!("{}: no plan watches this. {rest}", patient.subject)) + "\n";
    }
    let line = |course: &crate::replay::patient::Course| {
        // The sentence begins with the verdict.
        let sentence = match course.verdict() {
            Some((.., made)) => made.sentence.as_str(),
            None => "No evaluation: the recording is too short.",
        };
        plain(&format!("{}: {sentence} [{rest}]", patient.subject)) + "\n"
    };
    patient.courses.iter().map(line).collect()
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The last JSON line of a person.
fn summary(patient: &ReplayedPatient) -> serde_json::Value {
    let courses: Vec<_> = patient
        .courses
        .iter()
        .map(|course| {
            let found = course.verdict();
            json!({
                "programme": course.programme,
                "quantity": course.quantity.as_str(),
                "verdict": found.map(|(verdict, ..)| verdict),
                "reason": found.and_then(|(_, reason, _)| reason),
                "sentence": found.map(|(.., made)| made.sentence.as_str()),
                "evaluations": course.verdicts.len(),
            })
        })
        .collect();
    json!({
        "subject": patient.subject,
        "kind": "person",
        "files": patient.files,
        "layout": patient.layout,
        "zone": patient.zone,
        "remarks": patient.remarks,
        "courses": courses,
        "alerts": {"C": patient.alerts_at(Level::Critical), "U": patient.alerts_at(Level::Urgent),
            "A": patient.alerts_at(Level::Advisory)},
        "prompts": patient.prompts_sent(),
        "records": patient.counts.records,
        "observed": patient.counts.observed,
        "absent": patient.counts.absent,
        "noted": patient.counts.noted,
        "duplicate": patient.counts.duplicate,
        "quarantined": patient.counts.quarantined,
        "repaired": patient.counts.repaired,
    })
}

/// Where every line went, as one sentence that adds up.
fn sums(totals: &Totals) -> String {
    let (lines, counts) = (totals.lines, totals.counts);
    let short = if totals.add_up() { "" } else { " These do not add up: please report it." };
    let mut parts = vec![format!("{} readings", counts.observed)];
    if counts.absent > 0 {
        parts.push(format!("({} of them without a value)", counts.absent));
    }
    let mut text = parts.join(" ");
    let rest = [
        (counts.noted, "other entries (meals, doses and the like)"),
        (counts.duplicate, "second copies"),
        (counts.quarantined, "set aside as unreadable or impossible"),
        (lines.headers, if lines.headers == 1 { "header" } else { "headers" }),
        (lines.blank, "blank"),
        (lines.joined, "second halves of broken records"),
    ];
    for (n, what) in rest.into_iter().filter(|(n, _)| *n > 0) {
        text.push_str(&format!(", {n} {what}"));
    }
    format!("{} lines: {text}.{short}", lines.lines)
}
