//! What a replay shows of one person: the plain record that the report, the terminal and the JSON
//! lines are made from. Values stand in the unit that the device displayed.

use hearth_shared::observation::Quantity;

/// Where each record of a person went; the four add up to `records`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that were handed to the path.
    pub records: u64,
    /// At least one observation, with a value or absent with a reason.
    pub observed: u64,
    /// Already held.
    pub duplicate: u64,
    /// Kept with a reason why it cannot be read or is impossible.
    pub quarantined: u64,
    /// Insulin, meals, symptoms, events: no measurement.
    pub noted: u64,
    /// Of the observed: absent with a reason.
    pub absent: u64,
    /// Of the records: put together from two lines.
    pub repaired: u64,
}

impl Counts {
    /// Adds another person's counts.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.observed += other.observed;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
        self.noted += other.noted;
        self.absent += other.absent;
        self.repaired += other.repaired;
    }

    /// Whether every record ended somewhere.
    pub fn add_up(&self) -> bool {
        self.records == self.observed + self.duplicate + self.quarantined + self.noted
    }
}

/// One person after the replay.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayedPatient {
    /// As the file calls the person.
    pub subject: String,
    /// Names of the files, without folders.
    pub files: Vec<String>,
    /// Name of the layout.
    pub layout: &'static str,
    /// IANA zone in which days were counted.
    pub zone: String,
    /// First and last local day with a record.
    pub days: (i32, i32),
    /// What was decided for this person, one plain sentence each.
    pub remarks: Vec<String>,
    /// One per plan.
    pub courses: Vec<Course>,
    /// In the order of time.
    pub alerts: Vec<AlertMark>,
    /// In the order of time.
    pub prompts: Vec<PromptMark>,
    /// What nurses would have been asked to do.
    pub tasks: Vec<TaskMark>,
    /// Where each record went.
    pub counts: Counts,
    /// Reasons of the quarantine and how often.
    pub quarantine: Vec<(String, u64)>,
}

/// A plan and what it made of the readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Programme id.
    pub programme: String,
    /// What it watches.
    pub quantity: Quantity,
    /// Unit of every value here, as shown.
    pub unit: &'static str,
    /// Effective start: the first day, or that of the last medication change.
    pub start_day: i32,
    /// Baseline window, first day and one past the last.
    pub baseline: (i32, i32),
    /// Recent window of the last evaluation, first day and one past the last.
    pub recent: (i32, i32),
    /// Target, inclusive; open ends are `None`.
    pub target: (Option<f64>, Option<f64>),
    /// Target of the second value (diastolic).
    pub target_second: (Option<f64>, Option<f64>),
    /// Medication changes.
    pub medication: Vec<(i32, String)>,
    /// All readings of the quantity.
    pub points: Vec<Point>,
    /// Daily medians of what the plan counts: local day, value, second value.
    pub medians: Vec<(i32, f64, Option<f64>)>,
    /// Evaluations in the order of their days.
    pub verdicts: Vec<VerdictMark>,
}

impl Course {
    /// The verdict that counts at the end: what was published last, else the last evaluation's.
    pub fn verdict(&self) -> Option<(&str, Option<&str>, &VerdictMark)> {
        let last = self.verdicts.last()?;
        match &last.published {
            Some(published) if *published != last.verdict => {
                let made = self.verdicts.iter().rev().find(|v| v.verdict == *published);
                Some((published, made.and_then(|v| v.reason.as_deref()), made.unwrap_or(last)))
            }
            _ => Some((&last.verdict, last.reason.as_deref(), last)),
        }
    }
}

/// One reading on the time axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Local wall clock, seconds since 1970-01-01.
    pub local_s: i64,
    /// The value; systolic for pressure. HI and LO are [`Shown::Above`], [`Shown::Below`].
    pub value: Shown,
    /// Diastolic.
    pub second: Option<f64>,
    /// Whether the plan counts it (context, time of day, plausibility).
    pub counted: bool,
}

/// A value, or the end of the device's range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown {
    /// A number.
    Value(f64),
    /// Kept, but implausible.
    Implausible(f64),
    /// HI.
    Above,
    /// LO.
    Below,
    /// No value, for another reason.
    Absent,
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictMark {
    /// Local day of the evaluation.
    pub day: i32,
    /// `interim`, `final`.
    pub phase: String,
    /// Raw verdict of this day.
    pub verdict: String,
    /// Its reason.
    pub reason: Option<String>,
    /// What patient and team see.
    pub published: Option<String>,
    /// `None`, `MeasureMore`, `FollowUpVisit`, `CareTeamTask`.
    pub action: String,
    /// One plain sentence.
    pub sentence: String,
}

/// An alert that became active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertMark {
    /// Local wall clock, seconds since 1970-01-01.
    pub local_s: i64,
    /// `G1` … `T1`.
    pub rule: String,
    /// `C`, `U`, `A`.
    pub level: Level,
    /// Why: `met`, `confirmed`, `silence`, …
    pub reason: String,
}

/// How soon somebody must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Next working day.
    Advisory,
    /// Today.
    Urgent,
    /// Minutes.
    Critical,
}

impl Level {
    /// From the letter of the contract; unknown letters count as critical.
    pub fn from_letter(letter: &str) -> Self {
        match letter {
            "A" => Self::Advisory,
            "U" => Self::Urgent,
            _ => Self::Critical,
        }
    }

    /// The letter of the contract.
    pub const fn letter(self) -> char {
        match self {
            Self::Advisory => 'A',
            Self::Urgent => 'U',
            Self::Critical => 'C',
        }
    }

    /// The word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Advisory => "advisory",
            Self::Urgent => "urgent",
            Self::Critical => "critical",
        }
    }
}

/// A prompt that would have gone out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptMark {
    /// Local wall clock, seconds since 1970-01-01.
    pub local_s: i64,
    /// `follow_up_visit`, `measure_more`, `nudge`, `measure_again`, `alert`, …
    pub kind: String,
    /// What the patient would have read.
    pub text: String,
    /// The programme that asks; absent for notices of alerts.
    pub programme: Option<String>,
    /// After the last record: the recording ended, the person did not fall silent.
    pub after_record: bool,
}

impl PromptMark {
    /// The kind for people.
    pub fn word(&self) -> String {
        match self.kind.as_str() {
            "follow_up_visit" => "book a follow-up visit".to_owned(),
            "measure_more" => "please measure more often".to_owned(),
            "nudge" => "friendly nudge".to_owned(),
            "nudge_reason" => "nudge that asks for a reason".to_owned(),
            other => other.replace('_', " "),
        }
    }

    /// Whether it may stand beside this course: another programme's prompts are not about its chart.
    pub fn is_of(&self, course: &Course) -> bool {
        self.programme.as_ref().is_none_or(|asks| *asks == course.programme)
    }

    /// Whether it belongs to an alert, not to the programme.
    pub fn of_alert(&self) -> bool {
        matches!(self.kind.as_str(), "alert" | "repeat" | "measure_again" | "all_clear")
    }
}

/// Something a nurse would have been asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskMark {
    /// Local wall clock, seconds since 1970-01-01.
    pub local_s: i64,
    /// Why, one plain sentence.
    pub reason: String,
    /// After the last record.
    pub after_record: bool,
}

impl ReplayedPatient {
    /// Alerts that became active at this level.
    pub fn alerts_at(&self, level: Level) -> usize {
        self.alerts.iter().filter(|a| a.level == level).count()
    }

    /// Prompts of a course's programme that would have gone out while the recording lasted.
    pub fn asked<'a>(&'a self, course: &'a Course) -> impl Iterator<Item = &'a PromptMark> {
        self.prompts.iter().filter(|p| !p.of_alert() && !p.after_record && p.is_of(course))
    }

    /// Prompts of all programmes that would have gone out while the recording lasted.
    pub fn prompts_sent(&self) -> usize {
        self.prompts.iter().filter(|p| !p.of_alert() && !p.after_record).count()
    }
}
