//! When to evaluate, what is published, and what is done about it: B5.

use serde::{Deserialize, Serialize};

use super::plan::{Parameters, Plan};
use super::verdict::{Evaluation, Phase, Reason, Verdict};

/// One evaluation that is due at the beginning of a local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueDay {
    /// The local day E.
    pub day: i32,
    /// The effective start it belongs to.
    pub start: i32,
    /// Interim or final.
    pub phase: Phase,
}

/// All evaluations of a plan in order. `events` are the days of medication changes, in any order;
/// each restarts the schedule, so that nothing of an older start falls on or after it.
pub fn due_days<'a>(plan: &Plan, events: &'a [i32]) -> DueDays<'a> {
    let p = *plan.parameters();
    DueDays { p, events, start: p.start, next: first_step(&p) }
}

/// Iterator of [`due_days`].
#[derive(Clone, Debug)]
pub struct DueDays<'a> {
    p: Parameters,
    events: &'a [i32],
    start: i64,
    /// Steps from the horizon; negative ones are interim.
    next: i64,
}

/// The most negative j with L + j x step >= first_interim; 0 if there is none.
fn first_step(p: &Parameters) -> i64 {
    -((p.horizon - p.first_interim).max(0) / p.step)
}

impl DueDays<'_> {
    fn next_start(&self) -> Option<i64> {
        self.events.iter().map(|event| i64::from(*event)).filter(|event| *event > self.start).min()
    }
}

impl Iterator for DueDays<'_> {
    type Item = DueDay;

    fn next(&mut self) -> Option<DueDay> {
        // Every round either returns or moves on to a later event: at most one round per event.
        loop {
            let after = self.p.horizon + self.next * self.p.step;
            let day = self.start + after;
            let restart = self.next_start();
            let over = self.next >= 0 && after > self.p.last_eval;
            if !over && restart.is_none_or(|event| day < event) {
                let phase = if self.next < 0 { Phase::Interim } else { Phase::Final };
                self.next += 1;
                let start = i32::try_from(self.start).ok()?;
                return Some(DueDay { day: i32::try_from(day).ok()?, start, phase });
            }
            self.start = restart?;
            self.next = first_step(&self.p);
        }
    }
}

/// What is to be done after an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Nothing.
    None,
    /// Ask the patient to measure more often.
    MeasureMore,
    /// Ask the patient to book a follow-up visit.
    FollowUpVisit,
    /// A person of the care team has to look.
    CareTeamTask,
}

impl Action {
    /// The name in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::MeasureMore => "MeasureMore",
            Self::FollowUpVisit => "FollowUpVisit",
            Self::CareTeamTask => "CareTeamTask",
        }
    }
}

/// What of an evaluation publication and action depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The local day E.
    pub day: i32,
    /// Effective start.
    pub start: i32,
    /// Interim or final.
    pub phase: Phase,
    /// Steps after the horizon.
    pub k: u32,
    /// The raw verdict.
    pub verdict: Verdict,
    /// Its reason.
    pub reason: Option<Reason>,
}

impl From<&Evaluation> for Outcome {
    fn from(e: &Evaluation) -> Self {
        let Evaluation { day, phase, k, verdict, reason, evidence } = *e;
        Self { day, start: evidence.start, phase, k, verdict, reason }
    }
}

/// The raw verdict of blood pressure: the worse of its two series, the systolic one on a tie. The
/// order of [`Verdict`]'s variants is that of B5, worst first.
pub fn combine<'a>(systolic: &'a Evaluation, diastolic: &'a Evaluation) -> &'a Evaluation {
    if diastolic.verdict < systolic.verdict { diastolic } else { systolic }
}

/// What patient and care team see after an evaluation, and what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The published verdict; `None` as long as nothing has been published.
    pub verdict: Option<Verdict>,
    /// Whether this evaluation changed it; a new start takes the old one back.
    pub changed: bool,
    /// The action of this evaluation.
    pub action: Action,
}

/// Publication and action between evaluations (B5): a few octets per series, to be stored with
/// the plan. A new effective start resets all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Publisher {
    /// Effective start this state belongs to; `None` before the first evaluation.
    start: Option<i32>,
    published: Option<Verdict>,
    /// The evaluation before this one was interim and found Worsening.
    interim_worsening: bool,
    /// The final evaluation before this one.
    last_final: Option<Verdict>,
    /// The latest final verdict other than InsufficientData.
    last_telling: Option<Verdict>,
    /// Final evaluations in a row that lacked data (Recent, Stale, Baseline); stops at 2.
    lacking: u8,
    /// Follow-up prompts given, and the day of the last one.
    prompts: u32,
    last_prompt: Option<i32>,
    /// The one care-team task after the last prompt, and the one for noisy data, were given.
    prompts_task: bool,
    noisy_task: bool,
}

impl Publisher {
    /// Nothing evaluated yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The verdict published so far.
    pub fn published(&self) -> Option<Verdict> {
        self.published
    }

    /// Follow-up prompts given since the effective start.
    pub fn prompts(&self) -> u32 {
        self.prompts
    }

    /// Takes the next evaluation; they come in ascending order of day.
    pub fn take(&mut self, plan: &Plan, outcome: impl Into<Outcome>) -> Published {
        let outcome = outcome.into();
        let before = self.published;
        if self.start != Some(outcome.start) {
            *self = Self { start: Some(outcome.start), ..Self::default() };
        }
        let action = match outcome.phase {
            Phase::Interim => {
                self.publish_interim(outcome.verdict);
                self.interim_action(plan, outcome)
            }
            Phase::Final => {
                self.publish_final(outcome.verdict);
                self.final_action(plan, outcome)
            }
        };
        Published { verdict: self.published, changed: self.published != before, action }
    }

    fn publish_interim(&mut self, verdict: Verdict) {
        let worsening = verdict == Verdict::Worsening;
        if worsening && self.interim_worsening {
            self.published = Some(verdict);
        }
        self.interim_worsening = worsening;
    }

    fn publish_final(&mut self, verdict: Verdict) {
        self.interim_worsening = false;
        let first = self.last_final.is_none();
        let nothing_told = matches!(self.published, None | Some(Verdict::InsufficientData));
        // InsufficientData between two verdicts does not part them; a pair of it has none between.
        let again = match verdict {
            Verdict::InsufficientData => self.last_final == Some(verdict),
            _ => self.last_telling == Some(verdict),
        };
        if first || nothing_told || again {
            self.published = Some(verdict);
        }
        self.last_final = Some(verdict);
        if verdict != Verdict::InsufficientData {
            self.last_telling = Some(verdict);
        }
    }

    fn interim_action(&mut self, plan: &Plan, outcome: Outcome) -> Action {
        let worsening = Some(Verdict::Worsening);
        if Some(outcome.verdict) == worsening && self.published == worsening {
            self.follow_up(plan.parameters(), outcome.day)
        } else {
            Action::None
        }
    }

    fn final_action(&mut self, plan: &Plan, outcome: Outcome) -> Action {
        let p = plan.parameters();
        let lacks =
            matches!(outcome.reason, Some(Reason::Recent | Reason::Stale | Reason::Baseline));
        self.lacking = if lacks { (self.lacking + 1).min(3) } else { 0 };
        match (outcome.verdict, outcome.reason) {
            (Verdict::InsufficientData, Some(Reason::TooNoisy)) => {
                if i64::from(outcome.k) < p.defer_max {
                    return Action::MeasureMore;
                }
                once(&mut self.noisy_task)
            }
            (Verdict::InsufficientData, _) => match self.lacking {
                1 => Action::MeasureMore,
                2 => Action::CareTeamTask,
                _ => Action::None,
            },
            (verdict, _) if verdict.is_bad() && self.published.is_some_and(Verdict::is_bad) => {
                self.follow_up(p, outcome.day)
            }
            _ => Action::None,
        }
    }

    /// A follow-up prompt if one is due, or, with the prompts used up, the one task instead.
    fn follow_up(&mut self, p: &Parameters, day: i32) -> Action {
        let due =
            self.last_prompt.is_none_or(|last| i64::from(day) - i64::from(last) >= p.cooldown);
        if !due {
            return Action::None;
        }
        if i64::from(self.prompts) >= p.max_prompts {
            return once(&mut self.prompts_task);
        }
        self.prompts += 1;
        self.last_prompt = Some(day);
        Action::FollowUpVisit
    }
}

fn once(given: &mut bool) -> Action {
    if core::mem::replace(given, true) { Action::None } else { Action::CareTeamTask }
}
