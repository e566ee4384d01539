//! B5: due days, publication and actions.

use std::collections::BTreeSet;
use std::vec::Vec;

use super::super::*;
use super::{Random, plan_at};

fn due(plan: &Plan, events: &[i32]) -> Vec<i32> {
    due_days(plan, events).map(|due| due.day).collect()
}

#[test]
fn evaluations_run_weekly_from_the_first_interim_to_the_last_final_one() {
    let plan = plan_at(100);
    assert_eq!(due(&plan, &[]), [121, 128, 135, 142, 149, 156, 163, 170, 177, 184]);
    let finals = due_days(&plan, &[]).filter(|d| d.phase == Phase::Final).count();
    assert_eq!(finals, 7);
    // A change on day 135 takes that day's evaluation with it; one before the start is nothing.
    let restarted = due(&plan, &[135, 90, 135]);
    assert_eq!(restarted[..4], [121, 128, 156, 163]);
    assert_eq!(restarted.last(), Some(&219));
    let mut p = Parameters::starting(0);
    (p.horizon, p.last_eval, p.first_interim, p.step) = (10, 5, 4, 3);
    assert_eq!(due(&Plan::new(p).unwrap(), &[]), [4, 7], "no final one fits");
}

#[test]
fn due_days_are_those_of_the_text() {
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let mut p = Parameters::starting(random.within(-100, 100));
        p.horizon = random.within(1, 60);
        p.step = random.within(1, 20);
        p.first_interim = random.within(0, 60);
        p.last_eval = random.within(1, 112);
        let events: Vec<i32> =
            (0..random.within(0, 3)).map(|_| random.within(-150, 250) as i32).collect();
        let plan = Plan::new(p).unwrap();
        let mut starts: BTreeSet<i64> = events.iter().map(|e| i64::from(*e)).collect();
        starts.retain(|e| *e > p.start);
        starts.insert(p.start);
        let mut expected = Vec::new();
        for s in &starts {
            let end = starts.range(s + 1..).next().copied().unwrap_or(i64::MAX);
            for day in s - 10..s + 200 {
                let off = day - s - p.horizon;
                let on_step = off.rem_euclid(p.step) == 0;
                let interim = off < 0 && day >= s + p.first_interim;
                let last = off >= 0 && day <= s + p.last_eval;
                if on_step && (interim || last) && day < end {
                    expected.push(day as i32);
                }
            }
        }
        assert_eq!(due(&plan, &events), expected, "seed {seed} {p:?} {events:?}");
    }
}

/// `W`orsening, `N`otImproving, `I`mproving, `A`tTarget; insufficient: `r`ecent, `s`tale,
/// `b`aseline, `n`oisy, `g`rey (borderline).
fn outcome(letter: char, day: i32, plan: &Plan) -> Outcome {
    use Verdict::*;
    let (verdict, reason) = match letter {
        'W' => (Worsening, None),
        'N' => (NotImproving, None),
        'I' => (Improving, Some(Reason::Shift)),
        'A' => (AtTarget, None),
        'r' => (InsufficientData, Some(Reason::Recent)),
        's' => (InsufficientData, Some(Reason::Stale)),
        'b' => (InsufficientData, Some(Reason::Baseline)),
        'n' => (InsufficientData, Some(Reason::TooNoisy)),
        'g' => (InsufficientData, Some(Reason::Borderline)),
        other => panic!("no outcome {other}"),
    };
    let since = i64::from(day) - 142;
    let phase = if since >= 0 { Phase::Final } else { Phase::Interim };
    let k = since.max(0) / plan.parameters().step;
    Outcome { day, start: 100, phase, k: k as u32, verdict, reason }
}

/// Weekly outcomes from day 121 (three interim ones, then final ones): published verdicts
/// (`-` nothing, `?` InsufficientData) and actions (`F`ollow-up, `M`easure more, `C`are team).
#[track_caller]
fn check(outcomes: &str, published: &str, actions: &str) {
    let plan = plan_at(100);
    let mut publisher = Publisher::new();
    let (mut told, mut done) = (std::string::String::new(), std::string::String::new());
    for (week, letter) in outcomes.chars().enumerate() {
        let result = publisher.take(&plan, outcome(letter, 121 + 7 * week as i32, &plan));
        told.push(match result.verdict {
            None => '-',
            Some(Verdict::InsufficientData) => '?',
            Some(verdict) => verdict.as_str().chars().next().unwrap(),
        });
        done.push(match result.action {
            Action::None => '-',
            Action::FollowUpVisit => 'F',
            Action::MeasureMore => 'M',
            Action::CareTeamTask => 'C',
        });
    }
    assert_eq!((told.as_str(), done.as_str()), (published, actions), "{outcomes}");
}

#[test]
fn publication_and_actions_follow_the_text() {
    // The founding story: not improving at six weeks, prompted every other week, then a task.
    check("ggNNNNNNNNNN", "---NNNNNNNNN", "---F-F-F-C--");
    // Interim: only Worsening twice in a row is told, and asks for a visit at once.
    check("WgWNNNNNNN", "---NNNNNNN", "---F-F-F-C");
    check("gWWWIII", "--WWWII", "--F----");
    check("WWWWW", "-WWWW", "-F-F-");
    // The first final verdict counts at once, InsufficientData too; then anything else.
    check("WWgr", "-WW?", "-F-M");
    check("gggrIN", "---?II", "---M--");
    // Later a different one needs two, with none but InsufficientData between.
    check("gggNINI", "---NNNN", "---F-F-");
    check("gggNIrII", "---NNNII", "---F-M--");
    check("gggNIgI", "---NNNI", "---F---");
    // Two InsufficientData in a row are a verdict given twice; then any other is told at once.
    check("gggNrsI", "---NN?I", "---FMC-");
    check("gggNrIr", "---NNNN", "---FM-M");
    // NotImproving and Worsening count alike for the visit, never on a good day.
    check("gggNWIWWN", "---NNNNWW", "---F--F-F");
    check("gggANN", "---AAN", "-----F");
    // Missing data: once the patient, once the team, then nothing; anything else ends the row.
    check("gggrsbrIrs", "---????II?", "---MC---MC");
    check("gggrgr", "---???", "---M-M");
    // Noise: the patient while it may be put off, then one task, once and for all.
    check("gggnnnnNn", "---????NN", "---MMC-F-");
}

#[test]
fn a_new_start_resets_everything() {
    let plan = plan_at(100);
    let mut publisher = Publisher::new();
    for week in 0..8 {
        publisher.take(&plan, outcome('N', 142 + 7 * week, &plan));
    }
    assert_eq!((publisher.published(), publisher.prompts()), (Some(Verdict::NotImproving), 3));
    let restarted = Outcome { start: 200, phase: Phase::Interim, ..outcome('W', 221, &plan) };
    let result = publisher.take(&plan, restarted);
    assert_eq!((result.verdict, result.action), (None, Action::None));
    assert!(result.changed);
    assert_eq!(publisher.prompts(), 0);
}

#[test]
fn state_survives_being_stored_between_evaluations() {
    let plan = plan_at(100);
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let (mut whole, mut stored) = (Publisher::new(), Publisher::new());
        let mut day = 121;
        for _ in 0..12 {
            let letter = "WNIArsbng".chars().nth(random.within(0, 8) as usize).unwrap();
            let outcome = outcome(letter, day, &plan);
            let bytes = postcard::to_allocvec(&stored).unwrap();
            assert!(bytes.len() <= 32, "{}", bytes.len());
            stored = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(whole.take(&plan, outcome), stored.take(&plan, outcome));
            day += random.within(0, 9) as i32;
        }
    }
}

#[test]
fn pressure_takes_the_worse_series() {
    let order = ['W', 'N', 'r', 'I', 'A'];
    let evaluation = |letter: char, day: i32| {
        let days = [];
        let measured = Measured { days: &days, first_day: None };
        let Outcome { verdict, reason, .. } = outcome(letter, 142, &plan_at(100));
        let found = evaluate(&plan_at(100), &[], measured, day).unwrap();
        Evaluation { verdict, reason, ..found }
    };
    for (i, systolic) in order.iter().enumerate() {
        for (j, diastolic) in order.iter().enumerate() {
            let (one, other) = (evaluation(*systolic, 142), evaluation(*diastolic, 149));
            let expected = if j < i { other } else { one };
            assert_eq!(*combine(&one, &other), expected, "{systolic} {diastolic}");
        }
    }
}

/// B5 read anew from the whole history at every evaluation: published verdict and action.
fn naive(p: &Parameters, history: &[Outcome]) -> (Option<Verdict>, Action) {
    use Verdict::InsufficientData;
    let now = history[history.len() - 1];
    let from = history.iter().rposition(|o| o.start != now.start).map_or(0, |i| i + 1);
    let history = &history[from..];
    let mut published: Vec<Option<Verdict>> = Vec::new();
    let mut actions: Vec<(i32, Action)> = Vec::new();
    let (mut prompts_task, mut noisy_task) = (false, false);
    for (i, o) in history.iter().enumerate() {
        let before = published.last().copied().flatten();
        let finals: Vec<Verdict> =
            history[..i].iter().filter(|o| o.phase == Phase::Final).map(|o| o.verdict).collect();
        let now = if o.phase == Phase::Interim {
            let twice = i > 0 && history[i - 1].verdict == Verdict::Worsening;
            if twice && o.verdict == Verdict::Worsening { Some(o.verdict) } else { before }
        } else if finals.is_empty() || before == Some(InsufficientData) {
            Some(o.verdict)
        } else {
            // The same verdict before, with nothing but InsufficientData since.
            let earlier = finals.iter().rposition(|v| *v == o.verdict);
            let given_twice =
                earlier.is_some_and(|at| finals[at + 1..].iter().all(|v| *v == InsufficientData));
            if given_twice { Some(o.verdict) } else { before }
        };
        published.push(now);
        let lacks = |o: &Outcome| {
            matches!(o.reason, Some(Reason::Recent | Reason::Stale | Reason::Baseline))
        };
        let row =
            history[..=i].iter().rev().take_while(|o| o.phase == Phase::Final && lacks(o)).count();
        let prompts: Vec<i32> =
            actions.iter().filter(|a| a.1 == Action::FollowUpVisit).map(|a| a.0).collect();
        let due = prompts.last().is_none_or(|last| i64::from(o.day - last) >= p.cooldown);
        let bad =
            |v: Option<Verdict>| matches!(v, Some(Verdict::NotImproving | Verdict::Worsening));
        let asks = match o.phase {
            Phase::Interim => [now, Some(o.verdict)] == [Some(Verdict::Worsening); 2],
            Phase::Final => bad(now) && bad(Some(o.verdict)),
        };
        let first = |given: &mut bool| {
            if core::mem::replace(given, true) { Action::None } else { Action::CareTeamTask }
        };
        let action = if asks && due {
            match (prompts.len() as i64) < p.max_prompts {
                true => Action::FollowUpVisit,
                false => first(&mut prompts_task),
            }
        } else if o.phase == Phase::Final && o.reason == Some(Reason::TooNoisy) {
            match i64::from(o.k) < p.defer_max {
                true => Action::MeasureMore,
                false => first(&mut noisy_task),
            }
        } else {
            match row {
                1 => Action::MeasureMore,
                2 => Action::CareTeamTask,
                _ => Action::None,
            }
        };
        actions.push((o.day, action));
    }
    (published[published.len() - 1], actions[actions.len() - 1].1)
}

#[test]
fn the_publisher_remembers_enough_of_the_history() {
    for seed in 0..4000 {
        let mut random = Random::new(seed);
        let mut p = Parameters::starting(100);
        p.cooldown = random.within(1, 21);
        p.max_prompts = random.within(1, 4);
        p.defer_max = random.within(0, 3);
        let plan = Plan::new(p).unwrap();
        let mut publisher = Publisher::new();
        let mut history = Vec::new();
        let (mut day, mut shift) = (114 + 7 * random.within(0, 4) as i32, 0);
        // Few letters make long rows of the same outcome likely.
        let letters: Vec<char> = (0..random.within(1, 4))
            .map(|_| random.within(0, 8) as usize)
            .map(|i| "WNIArsbng".chars().nth(i).unwrap())
            .collect();
        for _ in 0..16 {
            let letter = letters[random.within(0, letters.len() as i64 - 1) as usize];
            let mut outcome = outcome(letter, day, &plan);
            outcome.day += shift;
            outcome.start += shift;
            history.push(outcome);
            let found = publisher.take(&plan, outcome);
            assert_eq!((found.verdict, found.action), naive(&p, &history), "seed {seed}");
            day += 7 * random.within(0, 2) as i32;
            if random.one_in(12) {
                shift += day - 100;
                day = 121;
            }
        }
    }
}
