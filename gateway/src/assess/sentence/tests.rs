#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use hearth_shared::assess::trend::{DayValue, Measured, Mid, Parameters, evaluate};

use super::*;
use crate::programme::{BUILT_IN, Programme};

const ENGLISH: Speech = Speech {
    subject: Subject::FastingGlucose,
    unit: DisplayUnit::MgPerDl,
    language: Language::English,
};

fn plan() -> Plan {
    Plan::new(Parameters::starting(100)).unwrap()
}

/// The courses of B8: one reading on every day with d mod 4 != 0, assessed on day 142.
fn course(
    plan: &Plan,
    days: std::ops::RangeInclusive<i32>,
    value: impl Fn(i32) -> i32,
) -> Evaluation {
    let days: Vec<DayValue> =
        days.filter(|d| d % 4 != 0).map(|day| DayValue { day, y: 2 * value(day) }).collect();
    let measured = Measured { days: &days, first_day: days.first().map(|d| d.day) };
    evaluate(plan, &[], measured, 142).unwrap()
}

/// Every verdict and reason: the rows of B8.
fn rows(plan: &Plan) -> Vec<Evaluation> {
    let w = |d: i32| 175 + (7 * d) % 11;
    vec![
        course(plan, 86..=141, w),
        course(plan, 86..=141, |d| w(d) - (2 * (d - 100)).clamp(0, 40)),
        course(plan, 86..=141, |d| w(d) - (d - 100).clamp(0, 20)),
        course(plan, 86..=141, |d| w(d) - (d - 100).clamp(0, 17)),
        course(plan, 86..=141, |d| w(d) + (d - 100).clamp(0, 40)),
        course(plan, 86..=141, |d| w(d) - 55),
        course(plan, 86..=141, |d| 60 + 3 * ((37 * d) % 101)),
        course(plan, 115..=141, w),
        course(plan, 86..=129, w),
        course(plan, 86..=135, w),
        course(plan, 144..=144, w),
        course(plan, 115..=141, |d| w(d) - 55),
    ]
}

#[test]
fn every_verdict_has_its_sentence() {
    let expected = [
        "Not improving: the median of fasting glucose on 16 measured days in the last 3 weeks is \
         180.5 mg/dL, against 180 at the start, a change of -0.5 (-3 to +2); only a fall of 20 \
         counts as better (target 80 to 130 mg/dL; NI-1 v1).",
        "Improving: the median of fasting glucose on 16 measured days in the last 3 weeks is \
         140.5 mg/dL, against 179 at the start, a change of -38 (-41 to -35); a fall of 20 counts \
         as better (target 80 to 130 mg/dL; NI-1 v1).",
        "Improving: the median of fasting glucose on 16 measured days in the last 3 weeks is \
         160.5 mg/dL, against 179 at the start, a change of -19 (-22 to -16), and the trend comes \
         to -21 in 6 weeks; a fall of 20 counts as better (target 80 to 130 mg/dL; NI-1 v1).",
        "Cannot tell yet, the change is close to the limit: the median of fasting glucose on 16 \
         measured days in the last 3 weeks is 163.5 mg/dL, against 179 at the start, a change of \
         -16 (-19 to -13), and a fall of 20 would count (NI-1 v1).",
        "Getting worse: the median of fasting glucose on 16 measured days in the last 3 weeks is \
         211.5 mg/dL, against 182 at the start, a change of +29 (+24 to +35), where 20 already \
         counts (target 80 to 130 mg/dL; NI-1 v1).",
        "At target: the median of fasting glucose on 16 measured days in the last 3 weeks is \
         125.5 mg/dL, against 125 at the start (target 80 to 130 mg/dL; NI-1 v1).",
        "Cannot tell, the values vary too much: the median of fasting glucose on 16 measured days \
         in the last 3 weeks is 223.5 mg/dL, against 222 at the start, but the change may be \
         anything from -84 to +57, and a fall of 20 would count (NI-1 v1).",
        "Cannot tell, no baseline: 0 measured days of fasting glucose around the start on \
         1970-04-11, 6 are needed; the recent median is 180.5 mg/dL (NI-1 v1).",
        "Cannot tell, too few values: 7 measured days of fasting glucose in the last 3 weeks, 8 \
         are needed, the last one on 1970-05-10 (NI-1 v1).",
        "Cannot tell, nothing recent: fewer than 2 measured days of fasting glucose in the last \
         week, the last one on 1970-05-16 (NI-1 v1).",
        "Cannot tell, too few values: 0 measured days of fasting glucose in the last 3 weeks, 8 \
         are needed, and there are none yet (NI-1 v1).",
        "At target: the median of fasting glucose on 16 measured days in the last 3 weeks is \
         125.5 mg/dL (target 80 to 130 mg/dL; NI-1 v1).",
    ];
    for (evaluation, expected) in rows(&plan()).iter().zip(expected) {
        assert_eq!(sentence(evaluation, &plan(), &ENGLISH), expected);
    }
}

#[test]
fn the_patient_reads_a_short_sentence() {
    let expected = [
        "Your fasting glucose is about 181 mg/dL now. At the start it was about 180.",
        "Your fasting glucose is getting better: about 141 mg/dL now, 179 at the start.",
        "Your fasting glucose is getting better: about 161 mg/dL now, 179 at the start.",
        "Your fasting glucose is about 164 mg/dL now, and it is changing a little.",
        "Your fasting glucose is about 212 mg/dL now. At the start it was about 182.",
        "Your fasting glucose is where we want it: about 126 mg/dL.",
        "Your fasting glucose goes up and down a lot.",
        "From the start we have 0 of 6 days of your fasting glucose.",
        "We have 7 of 8 days of your fasting glucose that we need.",
        "The last value of your fasting glucose is from 1970-05-16.",
        "We have 0 of 8 days of your fasting glucose that we need.",
        "Your fasting glucose is where we want it: about 126 mg/dL.",
    ];
    for (evaluation, expected) in rows(&plan()).iter().zip(expected) {
        assert_eq!(sentence_short(evaluation, &plan(), &ENGLISH), expected);
    }
}

#[test]
fn no_language_leaves_a_gap_for_any_subject() {
    let mut parameters = Parameters::starting(100);
    let mut plans = vec![plan()];
    parameters.target = Target::Range { lo: Some(200), hi: None };
    parameters.mid = Mid::BasisPoints(1100);
    plans.push(Plan::new(parameters).unwrap());
    parameters.target = Target::Range { lo: None, hi: Some(129) };
    parameters.dir = Direction::Up;
    plans.push(Plan::new(parameters).unwrap());
    parameters.target = Target::DropBasisPoints(525);
    plans.push(Plan::new(parameters).unwrap());
    let mut texts = std::collections::BTreeSet::new();
    for plan in &plans {
        for evaluation in rows(plan) {
            for (language, subject) in Language::ALL.into_iter().flat_map(|language| {
                Subject::ALL.into_iter().map(move |subject| (language, subject))
            }) {
                let speech = Speech { subject, unit: DisplayUnit::MgPerDl, language };
                for text in [
                    sentence(&evaluation, plan, &speech),
                    sentence_short(&evaluation, plan, &speech),
                ] {
                    let gaps = ["{", "}", "  ", " ,", " ;", " .", "( ", "()", ", )", "is ,"];
                    let gap = gaps.iter().find(|gap| text.contains(**gap));
                    assert_eq!(gap, None, "{language:?}: {text}");
                    assert!(text.ends_with('.') && text.len() > 20, "{text}");
                    texts.insert(text);
                }
            }
        }
    }
    assert!(texts.len() > 300, "{}", texts.len());
}

#[test]
fn units_and_rounding() {
    let show = |subject, unit, quarter_units| {
        Speech { subject, unit, language: Language::English }.with_unit(quarter_units)
    };
    use DisplayUnit::*;
    use Subject::*;
    let check = |subject, unit, quarter_units, expected: &str| {
        assert_eq!(show(subject, unit, quarter_units), expected);
    };
    check(Glucose, MgPerDl, 720, "180 mg/dL");
    check(Glucose, MgPerDl, 721, "180.3 mg/dL");
    check(Glucose, MgPerDl, 722, "180.5 mg/dL");
    check(Glucose, MgPerDl, 723, "180.8 mg/dL");
    check(Glucose, MgPerDl, -1, "-0.3 mg/dL");
    check(Glucose, MmolPerL, 4 * 180, "10.0 mmol/L");
    check(Glucose, MmolPerL, 4 * 70, "3.9 mmol/L");
    check(Glucose, MmolPerL, 4 * 54, "3.0 mmol/L");
    check(Glucose, MmolPerL, 4 * 250, "13.9 mmol/L");
    check(Glucose, MmHg, 4, "1 mg/dL");
    check(Systolic, MmHg, 4 * 120, "120 mmHg");
    check(Systolic, KPa, 4 * 120, "16.0 kPa");
    check(Weight, Kilogram, 4 * 8136, "81.4 kg");
    check(Weight, Pound, 4 * 8000, "176.4 lb");
    check(TimeInRange, MgPerDl, 4 * 700, "70 %");
    check(TimeInRange, Percent, 4 * 666, "66.6 %");
    check(Glucose, MgPerDl, i64::MAX / 8, "288230376151711743.8 mg/dL");
    let german = Speech { language: Language::German, ..ENGLISH };
    assert_eq!(german.with_unit(722), "180,5 mg/dL");
    let signs = [(0, "0"), (2, "+0.5"), (-2, "-0.5")].map(|(q, text)| (ENGLISH.signed(q), text));
    assert!(signs.iter().all(|(found, text)| found == text), "{signs:?}");
    let mmol = Speech { unit: MmolPerL, ..ENGLISH };
    assert_eq!((mmol.signed(1), mmol.signed(-1)), ("0.0".into(), "0.0".into()));
}

#[test]
fn a_rise_is_spoken_of_as_a_rise() {
    let programme = Programme::parse("cgm", BUILT_IN[4].1).unwrap();
    let series = &programme.series[0];
    let (plan, _) = series.plan.build(100).unwrap();
    let e = course(&plan, 86..=141, |d| 500 + (7 * d) % 11 + (4 * (d - 100)).clamp(0, 120));
    let speech = Speech::about(series, DisplayUnit::MgPerDl, Language::English);
    assert_eq!(
        sentence(&e, &plan, &speech),
        "Improving: the median of time in range on 16 measured days in the last 3 weeks is \
         62.3 %, against 50.7 at the start, a change of +11 (+9.8 to +11.9); a rise of 10 counts \
         as better (target at least 70 %; NI-1 v1)."
    );
    let e = course(&plan, 86..=141, |d| 500 + (7 * d) % 11 - (4 * (d - 100)).clamp(0, 120));
    let german = Speech { language: Language::German, ..speech };
    let text = sentence(&e, &plan, &german);
    assert!(text.starts_with("Verschlechterung: der Median der Zeit im Zielbereich"), "{text}");
    assert!(text.contains("eine Änderung um -"), "{text}");
}

#[test]
fn an_overshoot_is_said() {
    let e = course(&plan(), 86..=141, |d| 175 + (7 * d) % 11 - (5 * (d - 100)).clamp(0, 110));
    assert!(e.evidence.overshoot);
    let text = sentence(&e, &plan(), &ENGLISH);
    assert!(
        text.contains("(target 80 to 130 mg/dL, which the median now lies below; NI-1"),
        "{text}"
    );
}

#[test]
fn dates_and_language_codes() {
    assert_eq!(date(0), "1970-01-01");
    assert_eq!(date(20_000), "2024-10-04");
    assert_eq!(date(i32::MAX), "day 2147483647");
    for language in Language::ALL {
        assert_eq!(Language::from_code(language.code()), Some(language));
    }
    assert_eq!(Language::from_code("DE-at"), Some(Language::German));
    assert_eq!(Language::from_code("fr"), None);
}
