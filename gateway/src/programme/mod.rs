//! Care programmes: what is measured, how it is judged, and what is done about it, as TOML data.
//!
//! A programme names a hypothesis, one series (for pressure two) with the parameters of NI-1, a
//! measuring schedule (`clinical-rules` A12), the calls to action with their texts in each
//! language, and the ladder of attempts that ends in a call by a nurse. Start day and limits belong
//! to the patient, not to the programme.

use std::collections::BTreeMap;
use std::path::Path;

use hearth_shared::observation::Quantity;
use serde::{Deserialize, Serialize};

use crate::checked_toml::{Problem, read};

mod check;
pub mod plan;
pub mod text;

#[cfg(test)]
mod tests;

use plan::PlanSpec;
use text::{ClockTime, Texts};

/// One care programme. [`Programme::parse`] has checked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programme {
    /// Identifier, stable between versions: lower case letters, digits and hyphens.
    pub id: String,
    /// Version, counted up with every change of meaning.
    pub version: u32,
    /// Title for staff.
    pub title: String,
    /// What the programme expects to happen, in one plain sentence.
    pub hypothesis: String,
    /// What is measured and how it is judged: one series, or systolic and diastolic.
    pub series: Vec<ProgrammeSeries>,
    /// When the patient measures.
    pub measure: MeasureSchedule,
    /// What is said to patient and staff.
    pub action: Actions,
    /// Attempts to reach the patient, then people.
    pub ladder: Ladder,
}

/// One series of values and the plan that judges it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgrammeSeries {
    /// What is measured.
    pub quantity: SeriesKind,
    /// NI-1 parameters; what is not given has the default of `clinical-rules` B2.
    #[serde(default)]
    pub plan: PlanSpec,
}

/// A number per reading that NI-1 can follow, in the rule's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesKind {
    /// Glucose of a meter, mg/dL.
    Glucose,
    /// Glucose of a sensor, mg/dL; as time in range per mille.
    ContinuousGlucose,
    /// Systolic pressure, mmHg.
    Systolic,
    /// Diastolic pressure, mmHg.
    Diastolic,
    /// Body weight, 10 g.
    Weight,
}

impl SeriesKind {
    /// The quantity of the observations the series is taken from.
    pub const fn quantity(self) -> Quantity {
        match self {
            Self::Glucose => Quantity::Glucose,
            Self::ContinuousGlucose => Quantity::ContinuousGlucose,
            Self::Systolic | Self::Diastolic => Quantity::BloodPressure,
            Self::Weight => Quantity::Weight,
        }
    }

    /// The word used in files, tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Glucose => "glucose",
            Self::ContinuousGlucose => "continuous_glucose",
            Self::Systolic => "systolic",
            Self::Diastolic => "diastolic",
            Self::Weight => "weight",
        }
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// All days, Monday first.
    pub const ALL: [Weekday; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The weekday of a local day number (days since 1970-01-01, a Thursday).
    pub const fn of_day(day: i64) -> Self {
        Self::ALL[(day + 3).rem_euclid(7) as usize]
    }
}

/// When the patient measures, and after how many missed days in a row who is told (A12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureSchedule {
    /// Planned days; all if not given.
    #[serde(default = "every_day")]
    pub weekdays: Vec<Weekday>,
    /// Clock windows; a reading in one of them makes the day a measured one.
    pub slot: Vec<Slot>,
    /// Missed days in a row until a friendly nudge.
    #[serde(default = "two")]
    pub nudge_days: u32,
    /// Missed days in a row until the question for a reason.
    #[serde(default = "four")]
    pub ask_reason_days: u32,
    /// Missed days in a row until a task for staff.
    #[serde(default = "seven")]
    pub staff_task_days: u32,
}

fn every_day() -> Vec<Weekday> {
    Weekday::ALL.to_vec()
}
fn two() -> u32 {
    2
}
fn four() -> u32 {
    4
}
fn seven() -> u32 {
    7
}

/// A clock window of a planned day, local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// First minute.
    pub from: ClockTime,
    /// The minute after the last one.
    pub to: ClockTime,
    /// Until when a missing reading is waited for; the end of the day if not given.
    #[serde(default = "ClockTime::end_of_day")]
    pub grace_until: ClockTime,
}

/// What is said, for each call to action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// To the patient: book a follow-up visit.
    pub follow_up_visit: Texts,
    /// To the patient: measure more often.
    pub measure_more: Texts,
    /// To the patient: after some missed days.
    pub nudge: Texts,
    /// To the patient: after more missed days, asking why.
    pub ask_reason: Texts,
    /// To staff: a person has to look.
    pub care_team_task: Texts,
    /// To staff: call the patient, the attempts brought nothing.
    pub call_task: Texts,
}

impl Actions {
    /// All texts with their names in the file.
    pub fn all(&self) -> [(&'static str, &Texts, Audience); 6] {
        [
            ("follow_up_visit", &self.follow_up_visit, Audience::Patient),
            ("measure_more", &self.measure_more, Audience::Patient),
            ("nudge", &self.nudge, Audience::Patient),
            ("ask_reason", &self.ask_reason, Audience::Patient),
            ("care_team_task", &self.care_team_task, Audience::Staff),
            ("call_task", &self.call_task, Audience::Staff),
        ]
    }
}

/// Whom a text is for: a patient's is short, kind and easy to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The patient or a carer.
    Patient,
    /// Nurses and physicians.
    Staff,
}

/// How a need is pursued: attempts to reach the patient, then a call task for a nurse.
///
/// Attempt n (from 0) goes out n x `days_between` days after the need arose; the call task comes
/// `days_to_call` days after the last attempt. All of it lies within `window_days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// Prompts for one need, 1..=10.
    #[serde(default = "two")]
    pub attempts: u32,
    /// Days between two attempts.
    pub days_between: u32,
    /// Days from the last attempt to the nurse's call task.
    pub days_to_call: u32,
    /// Hours after which an unanswered prompt is withdrawn.
    pub prompt_expiry_hours: u32,
    /// Days within which all of it must have happened.
    pub window_days: u32,
}

impl Ladder {
    /// Days from the need's beginning to the call task.
    pub const fn call_day(&self) -> u32 {
        self.attempts
            .saturating_sub(1)
            .saturating_mul(self.days_between)
            .saturating_add(self.days_to_call)
    }
}

/// The programmes compiled in: file name and text.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("fasting-glucose-6w.toml", include_str!("library/fasting-glucose-6w.toml")),
    ("glucose-high-baseline.toml", include_str!("library/glucose-high-baseline.toml")),
    ("home-blood-pressure-6w.toml", include_str!("library/home-blood-pressure-6w.toml")),
    ("weight-loss-24w.toml", include_str!("library/weight-loss-24w.toml")),
    ("cgm-time-in-range.toml", include_str!("library/cgm-time-in-range.toml")),
];

/// Why a programme file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file or folder.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The file has problems; all of them.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
}

impl Programme {
    /// Reads and checks a programme.
    ///
    /// # Errors
    /// All problems: of syntax, or else of keys and types, or else of meaning.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let (programme, document) = read::<Self>(source_name, text)?;
        let problems = check::problems(&programme, &document);
        if problems.is_empty() { Ok(programme) } else { Err(problems) }
    }

    /// Reads and checks a programme file.
    ///
    /// # Errors
    /// The file cannot be read, or all its problems.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|cause| LoadError::Read { path: name.clone(), cause })?;
        Self::parse(&name, &text).map_err(LoadError::Problems)
    }

    /// The series whose verdicts are combined: for pressure systolic first.
    pub fn series_of(&self, kind: SeriesKind) -> Option<&ProgrammeSeries> {
        self.series.iter().find(|series| series.quantity == kind)
    }
}

/// The programmes known to this gateway, by id.
#[derive(Clone, Debug, Default)]
pub struct Library {
    programmes: BTreeMap<String, Programme>,
}

impl Library {
    /// The programmes compiled in. A test shows that each of them is sound.
    pub fn built_in() -> Self {
        let parsed = BUILT_IN.iter().filter_map(|(name, text)| Programme::parse(name, text).ok());
        Self { programmes: parsed.map(|p| (p.id.clone(), p)).collect() }
    }

    /// Adds every `*.toml` of a folder, in the order of their names; one with the id of a
    /// compiled-in programme takes its place.
    ///
    /// # Errors
    /// The folder or a file cannot be read; or all problems of all files, among them two files
    /// with one id. Nothing was added then.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), LoadError> {
        let unreadable = |cause| LoadError::Read { path: folder.display().to_string(), cause };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        let (mut added, mut problems) = (BTreeMap::new(), Vec::new());
        for path in &paths {
            match Programme::load(path) {
                Ok(programme) => {
                    let twice = added.insert(programme.id.clone(), (path.clone(), programme));
                    if let Some((other, programme)) = twice {
                        let what = format!("id `{}` is also in {}", programme.id, other.display());
                        problems.extend(duplicate_id(path, what));
                    }
                }
                Err(LoadError::Problems(found)) => problems.extend(found),
                Err(error) => return Err(error),
            }
        }
        if !problems.is_empty() {
            return Err(LoadError::Problems(problems));
        }
        self.programmes.extend(added.into_iter().map(|(id, (_, programme))| (id, programme)));
        Ok(())
    }

    /// Adds a programme; one with its id is replaced.
    pub fn insert(&mut self, programme: Programme) {
        self.programmes.insert(programme.id.clone(), programme);
    }

    /// The programme with this id.
    pub fn get(&self, id: &str) -> Option<&Programme> {
        self.programmes.get(id)
    }

    /// All programmes by id.
    pub fn iter(&self) -> impl Iterator<Item = &Programme> {
        self.programmes.values()
    }
}

fn duplicate_id(path: &Path, message: String) -> Option<Problem> {
    let text = std::fs::read_to_string(path).ok()?;
    let document = crate::checked_toml::Document::parse(&path.display().to_string(), &text).ok()?;
    Some(document.problem("id", message, Some("give each programme its own id".into())))
}
