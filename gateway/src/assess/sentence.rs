//! The evidence of an NI-1 evaluation in one plain sentence, for staff ([`sentence`]) and, short,
//! for the patient ([`sentence_short`]).
//!
//! Numbers are shown in the unit the person knows. Quarter units (`clinical-rules` part B: a
//! quarter of the rule's step) become tenths, rounded half away from zero; mg/dL, mmHg and per
//! cent lose a ".0". So a median of 130.25 is shown as 130.3 and never as the limit itself.

use hearth_shared::assess::trend::{
    Change, Direction, Evaluation, Plan, RULE, Reason, Target, Verdict,
};
use hearth_shared::observation::DisplayUnit;

use crate::programme::plan::SummaryKind;
use crate::programme::text::fill;
use crate::programme::{ProgrammeSeries, SeriesKind};

mod phrases;

use phrases::Phrases;

/// A language with phrases for the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
    /// Spanish.
    Spanish,
}

impl Language {
    /// All languages.
    pub const ALL: [Language; 3] = [Self::English, Self::German, Self::Spanish];

    /// The language of a code such as `de` or `de-AT`; `None` if there are no phrases in it.
    pub fn from_code(code: &str) -> Option<Self> {
        match code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "de" => Some(Self::German),
            "es" => Some(Self::Spanish),
            _ => None,
        }
    }

    /// Its ISO 639 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
        }
    }

    const fn phrases(self) -> &'static Phrases {
        match self {
            Self::English => &phrases::ENGLISH,
            Self::German => &phrases::GERMAN,
            Self::Spanish => &phrases::SPANISH,
        }
    }
}

/// What a series is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Glucose before breakfast.
    FastingGlucose,
    /// Any other glucose of a meter.
    Glucose,
    /// Glucose of a sensor.
    SensorGlucose,
    /// Time in range.
    TimeInRange,
    /// Systolic pressure.
    Systolic,
    /// Diastolic pressure.
    Diastolic,
    /// Body weight.
    Weight,
}

impl Subject {
    /// All subjects.
    pub const ALL: [Subject; 7] = [
        Self::FastingGlucose,
        Self::Glucose,
        Self::SensorGlucose,
        Self::TimeInRange,
        Self::Systolic,
        Self::Diastolic,
        Self::Weight,
    ];
}

/// How to speak about one series to one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speech {
    /// What the series is called.
    pub subject: Subject,
    /// The unit its numbers are shown in; one that does not fit the subject is not used.
    pub unit: DisplayUnit,
    /// The language.
    pub language: Language,
}

impl Speech {
    /// For a series of a programme. Glucose of a plan that asks for fasting values, by tag or by a
    /// clock window, is called so.
    pub fn about(series: &ProgrammeSeries, unit: DisplayUnit, language: Language) -> Self {
        let plan = &series.plan;
        let fasting = plan.ctx.as_deref() == Some("fasting") || plan.tod.is_some();
        let subject = match series.quantity {
            _ if plan.summary == SummaryKind::Tir => Subject::TimeInRange,
            SeriesKind::Glucose if fasting => Subject::FastingGlucose,
            SeriesKind::Glucose => Subject::Glucose,
            SeriesKind::ContinuousGlucose => Subject::SensorGlucose,
            SeriesKind::Systolic => Subject::Systolic,
            SeriesKind::Diastolic => Subject::Diastolic,
            SeriesKind::Weight => Subject::Weight,
        };
        Self { subject, unit, language }
    }

    fn scale(&self) -> Scale {
        use DisplayUnit::{KPa, MmolPerL, Pound};
        let scale = |num, den, unit, whole| Scale { num, den, unit, whole };
        match (self.subject, self.unit) {
            (Subject::TimeInRange, _) => scale(1, 4, "%", true),
            // 1 mmol/L is 18.0156 mg/dL; 1 kPa is 7.50062 mmHg; 1 lb is 453.592 g.
            (Subject::FastingGlucose | Subject::Glucose | Subject::SensorGlucose, MmolPerL) => {
                scale(100_000, 720_624, "mmol/L", false)
            }
            (Subject::FastingGlucose | Subject::Glucose | Subject::SensorGlucose, _) => {
                scale(10, 4, "mg/dL", true)
            }
            (Subject::Systolic | Subject::Diastolic, KPa) => {
                scale(1_000_000, 3_000_248, "kPa", false)
            }
            (Subject::Systolic | Subject::Diastolic, _) => scale(10, 4, "mmHg", true),
            (Subject::Weight, Pound) => scale(25_000, 453_592, "lb", false),
            (Subject::Weight, _) => scale(1, 40, "kg", false),
        }
    }

    fn number(&self, quarter_units: i64) -> String {
        let scale = self.scale();
        let product = i128::from(quarter_units) * i128::from(scale.num);
        let den = i128::from(scale.den);
        let tenths = (2 * product.abs() + den) / (2 * den) * product.signum();
        let sign = if tenths < 0 { "-" } else { "" };
        let (whole, tenth) = (tenths.abs() / 10, tenths.abs() % 10);
        if scale.whole && tenth == 0 {
            return format!("{sign}{whole}");
        }
        format!("{sign}{whole}{}{tenth}", self.language.phrases().decimal)
    }

    fn signed(&self, quarter_units: i64) -> String {
        let number = self.number(quarter_units);
        let nothing = number.chars().all(|c| !c.is_ascii_digit() || c == '0');
        if quarter_units > 0 && !nothing { format!("+{number}") } else { number }
    }

    fn with_unit(&self, quarter_units: i64) -> String {
        format!("{} {}", self.number(quarter_units), self.scale().unit)
    }

    /// For "about": mg/dL, mmHg and per cent as whole numbers.
    fn about_number(&self, quarter_units: i64) -> String {
        let scale = self.scale();
        if !scale.whole {
            return self.number(quarter_units);
        }
        let product = i128::from(quarter_units) * i128::from(scale.num);
        let den = 10 * i128::from(scale.den);
        ((2 * product.abs() + den) / (2 * den) * product.signum()).to_string()
    }
}

/// Tenths of the shown unit = quarter units x num / den.
struct Scale {
    num: i64,
    den: i64,
    unit: &'static str,
    /// A trailing ".0" is left out.
    whole: bool,
}

/// The evaluation in one sentence: verdict, median, baseline, change with its interval, what would
/// count, target, days measured, rule and version; or what is missing and how much of it.
pub fn sentence(evaluation: &Evaluation, plan: &Plan, speech: &Speech) -> String {
    let phrases = speech.language.phrases();
    let template = match (evaluation.verdict, evaluation.reason) {
        (Verdict::AtTarget, _) if evaluation.evidence.base_med4.is_some() => phrases.at_target,
        (Verdict::AtTarget, _) => phrases.at_target_without_base,
        (Verdict::Worsening, _) => phrases.worsening,
        (Verdict::NotImproving, _) => phrases.not_improving,
        (Verdict::Improving, Some(Reason::Trend)) => phrases.improving_by_trend,
        (Verdict::Improving, _) => phrases.improving,
        (_, Some(Reason::Stale)) => phrases.stale,
        (_, Some(Reason::Baseline)) => phrases.no_baseline,
        (_, Some(Reason::TooNoisy)) => phrases.too_noisy,
        (_, Some(Reason::Borderline)) => phrases.borderline,
        (_, _) => phrases.too_few,
    };
    fill(template, |name| value(name, evaluation, plan, speech))
}

/// How the values went, for the patient: one short sentence, or two. Never a judgement.
pub fn sentence_short(evaluation: &Evaluation, plan: &Plan, speech: &Speech) -> String {
    let phrases = speech.language.phrases();
    let evidence = &evaluation.evidence;
    let template = match (evaluation.verdict, evaluation.reason) {
        (Verdict::AtTarget, _) => phrases.short_at_target,
        (Verdict::Improving, _) => phrases.short_improving,
        (Verdict::Worsening | Verdict::NotImproving, _) => phrases.short_not_improving,
        (_, Some(Reason::TooNoisy)) => phrases.short_too_noisy,
        (_, Some(Reason::Borderline)) => phrases.short_borderline,
        (_, Some(Reason::Baseline)) => phrases.short_no_baseline,
        (_, Some(Reason::Stale)) if evidence.last_day.is_some() => phrases.short_stale,
        (_, _) => phrases.short_too_few,
    };
    let about = |quarter_units: Option<i64>| quarter_units.map(|q| speech.about_number(q));
    let text = fill(template, |name| match name {
        "med" => about(evidence.recent_med4).map(|med| format!("{med} {}", speech.scale().unit)),
        "base" => about(evidence.base_med4),
        _ => value(name, evaluation, plan, speech),
    });
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What a placeholder of the phrases stands for.
fn value(name: &str, evaluation: &Evaluation, plan: &Plan, speech: &Speech) -> Option<String> {
    let (phrases, p) = (speech.language.phrases(), plan.parameters());
    let evidence = &evaluation.evidence;
    let change = evidence.change.as_ref();
    // Evidence is oriented (improvement is positive); people are shown the change itself.
    let sign = match p.dir {
        Direction::Down => -1,
        Direction::Up => 1,
    };
    let changed = |pick: fn(&Change) -> i64| change.map(|c| speech.signed(sign * pick(c)));
    match name {
        "median_of" => Some(phrases.median_of(speech.subject).to_owned()),
        "values_of" => Some(phrases.values_of(speech.subject).to_owned()),
        "your" => Some(phrases.your(speech.subject).to_owned()),
        "n" => Some(phrases.measured_days(i64::from(evidence.n_recent))),
        "n_base" => Some(phrases.measured_days(i64::from(evidence.n_base))),
        "count" => Some(evidence.n_recent.to_string()),
        "base_count" => Some(evidence.n_base.to_string()),
        "recent_min" => Some(p.recent_min.max(1).to_string()),
        "base_min" => Some(p.base_min.max(1).to_string()),
        "fresh_min" => Some(p.fresh_min.to_string()),
        "window" => Some(phrases.window(p.recent)),
        "fresh" => Some(phrases.window(p.fresh)),
        "horizon" => Some(phrases.period(p.horizon)),
        "med" => evidence.recent_med4.map(|q| speech.with_unit(q)),
        "base" => evidence.base_med4.map(|q| speech.number(q)),
        "change" => changed(|c| c.shift4),
        // The ends of the interval change places with the sign.
        "lo" => changed(if sign < 0 { |c| c.shift_hi4 } else { |c| c.shift_lo4 }),
        "hi" => changed(if sign < 0 { |c| c.shift_lo4 } else { |c| c.shift_hi4 }),
        "trend" => changed(|c| c.trend4),
        "mid" => change.map(|c| speech.number(c.mid4)),
        "better" => Some(phrases.better(p.dir).to_owned()),
        "target" => Some(target(plan, speech)),
        "overshoot" if evidence.overshoot => Some(phrases.overshoot(p.dir).to_owned()),
        "last" => Some(match evidence.last_day {
            Some(day) => fill(phrases.last_on, |_| Some(date(day))),
            None => phrases.none_yet.to_owned(),
        }),
        "last_date" => evidence.last_day.map(date),
        "start" => Some(date(evidence.start)),
        "rule" => Some(RULE.to_owned()),
        _ => None,
    }
}

fn target(plan: &Plan, speech: &Speech) -> String {
    let phrases = speech.language.phrases();
    let p = plan.parameters();
    match p.target {
        Target::Range { lo: Some(lo), hi: Some(hi) } => {
            format!("{} {} {}", speech.number(4 * lo), phrases.to, speech.with_unit(4 * hi))
        }
        Target::Range { lo: Some(lo), hi: None } => {
            format!("{} {}", phrases.at_least, speech.with_unit(4 * lo))
        }
        Target::Range { hi, .. } => {
            format!("{} {}", phrases.at_most, speech.with_unit(4 * hi.unwrap_or_default()))
        }
        Target::DropBasisPoints(bp) => {
            let mut percent = format!("{}", bp / 100);
            let rest = format!("{:02}", bp.unsigned_abs() % 100);
            let rest = rest.trim_end_matches('0');
            if !rest.is_empty() {
                percent.push_str(phrases.decimal);
                percent.push_str(rest);
            }
            let template = match p.dir {
                Direction::Down => phrases.percent_below,
                Direction::Up => phrases.percent_above,
            };
            fill(template, |_| Some(percent.clone()))
        }
    }
}

/// The date of a local day number, as ISO 8601.
pub fn date(day: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    let date = jiff::Span::new().try_days(i64::from(day)).and_then(|span| epoch.checked_add(span));
    date.map_or_else(|_| format!("day {day}"), |date| date.to_string())
}

#[cfg(test)]
mod tests;
