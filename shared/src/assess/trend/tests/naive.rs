//! The rule once more, with sorted vectors and 128-bit integers, as plainly as B3 and B4 read.

use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::super::*;
use super::Random;

fn sum_two_middle(mut items: Vec<i128>) -> i128 {
    items.sort_unstable();
    items[(items.len() - 1) / 2] + items[items.len() / 2]
}

fn isqrt(n: i128) -> i128 {
    let mut root = 0;
    while (root + 1) * (root + 1) <= n {
        root += 1;
    }
    root
}

/// Verdict, reason and evidence by the text of B4.
fn naive(
    p: &Parameters,
    events: &[i32],
    measured: &BTreeMap<i32, i32>,
    first_day: Option<i32>,
    e: i32,
) -> Evaluation {
    let mut s = p.start as i32;
    for event in events {
        if *event <= e && *event > s {
            s = *event;
        }
    }
    let (s64, e64) = (i64::from(s), i64::from(e));
    let last = e64 >= s64 + p.horizon;
    let (phase, k) = if last {
        (Phase::Final, ((e64 - s64 - p.horizon).div_euclid(p.step)) as u32)
    } else {
        (Phase::Interim, 0)
    };
    let known: Vec<(i64, i128)> = measured
        .iter()
        .filter(|(d, _)| **d < e && !(p.drop_first == 1 && Some(**d) == first_day))
        .map(|(d, y)| (i64::from(*d), i128::from(*y)))
        .collect();
    let mut base: Vec<(i64, i128)> = Vec::new();
    let mut end = s64 + p.base_after;
    for x in &known {
        if s64 - p.base_before <= x.0 && x.0 < s64 + p.base_after {
            base.push(*x);
        }
    }
    for x in &known {
        let later = s64 + p.base_after <= x.0 && x.0 < s64 + p.base_after_max;
        if later && (base.len() as i64) < p.base_want {
            base.push(*x);
            end = x.0 + 1;
        }
    }
    let only = |from: i64| known.iter().copied().filter(move |x| x.0 >= from);
    let recent: Vec<(i64, i128)> = only(end).filter(|x| e64 - p.recent <= x.0).collect();
    let trend: Vec<(i64, i128)> = only(s64 - p.base_before).collect();
    let mut evidence = Evidence {
        start: s,
        n_base: base.len() as u32,
        n_base_pre: base.iter().filter(|x| x.0 < s64).count() as u32,
        n_recent: recent.len() as u32,
        n_trend: trend.len() as u32,
        last_day: known.last().map(|x| x.0 as i32),
        recent_med4: None,
        base_med4: None,
        overshoot: false,
        change: None,
    };
    let (verdict, reason) = steps(p, k, e64, &base, &recent, &trend, &mut evidence);
    Evaluation { day: e, phase, k, verdict, reason, evidence }
}

fn steps(
    p: &Parameters,
    k: u32,
    e: i64,
    base: &[(i64, i128)],
    recent: &[(i64, i128)],
    trend: &[(i64, i128)],
    evidence: &mut Evidence,
) -> (Verdict, Option<Reason>) {
    let no = |reason| (Verdict::InsufficientData, Some(reason));
    if recent.is_empty() || (recent.len() as i64) < p.recent_min {
        return no(Reason::Recent);
    }
    if (recent.iter().filter(|x| x.0 >= e - p.fresh).count() as i64) < p.fresh_min {
        return no(Reason::Stale);
    }
    let med4 = sum_two_middle(recent.iter().map(|x| x.1).collect());
    evidence.recent_med4 = Some(med4 as i64);
    let enough = !base.is_empty() && base.len() as i64 >= p.base_min;
    let base4 = if enough { sum_two_middle(base.iter().map(|x| x.1).collect()) } else { 0 };
    if enough {
        evidence.base_med4 = Some(base4 as i64);
    }
    let down = p.dir == Direction::Down;
    match p.target {
        Target::Range { lo, hi } => {
            let lo4 = lo.map_or(i128::MIN, |lo| 4 * i128::from(lo));
            let hi4 = hi.map_or(i128::MAX, |hi| 4 * i128::from(hi));
            if lo4 <= med4 && med4 <= hi4 {
                return (Verdict::AtTarget, None);
            }
            evidence.overshoot = if down { med4 < lo4 } else { med4 > hi4 };
        }
        Target::DropBasisPoints(bp) if enough => {
            let bp = i128::from(bp);
            let reached = if down {
                med4 * 10_000 <= base4 * (10_000 - bp)
            } else {
                med4 * 10_000 >= base4 * (10_000 + bp)
            };
            if reached {
                return (Verdict::AtTarget, None);
            }
        }
        Target::DropBasisPoints(_) => {}
    }
    if !enough {
        return no(Reason::Baseline);
    }
    let sign: i128 = if down { 1 } else { -1 };
    let mut differences: Vec<i128> =
        base.iter().flat_map(|a| recent.iter().map(move |c| sign * (a.1 - c.1))).collect();
    differences.sort_unstable();
    let shift4 = sum_two_middle(differences.clone());
    let (m, n) = (base.len() as i128, recent.len() as i128);
    let wide = |r: Ratio| (i128::from(r.num), i128::from(r.den));
    let ((z, z_den), (vif, vif_den)) = (wide(p.z_ci), wide(p.vif));
    let q = isqrt(z * z * m * n * (m + n + 1) * vif / (12 * z_den * z_den * vif_den));
    let index = (m * n / 2 - q).max(0).min((m * n - 1) / 2) as usize;
    let lo4 = 2 * differences[index];
    let hi4 = 2 * differences[differences.len() - 1 - index];
    let (mut s, mut slopes) = (0_i128, Vec::new());
    for (i, a) in trend.iter().enumerate() {
        for b in &trend[i + 1..] {
            let fall = sign * (a.1 - b.1);
            s += fall.signum();
            slopes.push((fall * i128::from(p.horizon)).div_euclid(i128::from(b.0 - a.0)));
        }
    }
    let trend4 = sum_two_middle(slopes);
    let count = trend.len() as i128;
    let mut var18 = count * (count - 1) * (2 * count + 5);
    for y in trend.iter().map(|x| x.1).collect::<BTreeSet<_>>() {
        let t = trend.iter().filter(|x| x.1 == y).count() as i128;
        var18 -= t * (t - 1) * (2 * t + 5);
    }
    let mid4 = match p.mid {
        Mid::Absolute(mid) => 4 * i128::from(mid),
        Mid::BasisPoints(bp) => {
            let product = base4.abs() * i128::from(bp);
            (-(-product).div_euclid(10_000)).max(1)
        }
    };
    evidence.change = Some(Change {
        shift4: shift4 as i64,
        shift_lo4: lo4 as i64,
        shift_hi4: hi4 as i64,
        mk_s: s as i32,
        mk_var18: var18 as i32,
        trend4: trend4 as i64,
        mid4: mid4 as i64,
    });
    let passes = |s: i128, z: Ratio| {
        let (z, z_den) = wide(z);
        s > 0 && 18 * (s - 1) * (s - 1) * z_den * z_den * vif_den >= z * z * var18 * vif
    };
    if shift4 <= -mid4 && passes(-s, p.z_worse) {
        return (Verdict::Worsening, None);
    }
    let by_trend = trend4 >= mid4 && passes(s, p.z_trend);
    let (num, den) = wide(p.noisy);
    if !by_trend && (hi4 - lo4) * den > 2 * num * mid4 && lo4 < mid4 && mid4 <= hi4 {
        return no(Reason::TooNoisy);
    }
    let (num, den) = wide(p.grey);
    if !by_trend && i64::from(k) < p.defer_max && (shift4 - mid4).abs() * den < num * mid4 {
        return no(Reason::Borderline);
    }
    if by_trend || shift4 >= mid4 {
        let reason = if shift4 >= mid4 { Reason::Shift } else { Reason::Trend };
        return (Verdict::Improving, Some(reason));
    }
    (Verdict::NotImproving, None)
}

/// A plan with some parameters changed at random.
fn random_parameters(random: &mut Random) -> Parameters {
    let mut p = Parameters::starting(random.within(-50, 300));
    if random.one_in(2) {
        p.horizon = random.within(1, 70);
        p.step = random.within(1, 10);
        p.base_before = random.within(0, 30);
        p.base_after = random.within(0, 12);
        p.base_after_max = random.within(1, 25);
        p.base_want = random.within(1, 12);
        p.base_min = random.within(0, 8);
        p.recent = random.within(1, 30);
        p.recent_min = random.within(0, 9);
        p.fresh = random.within(1, 9);
        p.fresh_min = random.within(0, 3);
        p.drop_first = random.within(0, 1);
        p.defer_max = random.within(0, 3);
    }
    if random.one_in(3) {
        p.dir = Direction::Up;
    }
    p.target = match random.within(0, 4) {
        0 => Target::DropBasisPoints(random.within(100, 2500)),
        1 => Target::Range { lo: None, hi: Some(random.within(80, 160)) },
        2 => Target::Range { lo: Some(random.within(100, 200)), hi: None },
        _ => p.target,
    };
    if random.one_in(3) {
        p.mid = Mid::BasisPoints(random.within(0, 2500));
    } else if random.one_in(3) {
        p.mid = Mid::Absolute(random.within(0, 40));
    }
    if random.one_in(4) {
        let mut pair = |num, den| Ratio::new(random.within(1, num), random.within(1, den));
        (p.grey, p.noisy, p.vif) = (pair(4, 5), pair(4, 3), pair(5, 3));
        (p.z_trend, p.z_worse, p.z_ci) = (pair(300, 150), pair(300, 150), pair(300, 150));
    }
    p
}

fn random_course(random: &mut Random, p: &Parameters) -> BTreeMap<i32, i32> {
    let level = random.within(90, 260);
    let noise = random.within(0, 40);
    let slope = random.within(-60, 60);
    let density = random.within(1, 10);
    let (from, to) = (random.within(-30, 10), random.within(20, 95));
    let mut days = BTreeMap::new();
    for after in from..to {
        if random.within(1, 10) <= density {
            let y = 2 * level + slope * after.clamp(0, 42) / 21 + random.within(-noise, noise);
            days.insert((p.start + after) as i32, y as i32);
        }
    }
    days
}

fn days_of(course: &BTreeMap<i32, i32>) -> Vec<DayValue> {
    course.iter().map(|(day, y)| DayValue { day: *day, y: *y }).collect()
}

#[test]
fn random_courses_give_what_the_plain_text_says() {
    let mut seen = BTreeMap::new();
    for seed in 0..6000 {
        let mut random = Random::new(seed);
        let p = random_parameters(&mut random);
        let Ok(plan) = Plan::new(p) else { continue };
        let course = random_course(&mut random, &p);
        // The first day may be one without a daily value.
        let first_day = course.keys().next().map(|d| d - i32::from(random.one_in(5)));
        let events: Vec<i32> =
            (0..random.within(0, 2)).map(|_| (p.start + random.within(-20, 70)) as i32).collect();
        let days = days_of(&course);
        let measured = Measured { days: &days, first_day };
        for _ in 0..3 {
            let day = (p.start + random.within(-10, 90)) as i32;
            let found = evaluate(&plan, &events, measured, day).unwrap();
            let expected = naive(&p, &events, &course, first_day, day);
            assert_eq!(found, expected, "seed {seed}: {p:?}");
            *seen.entry((found.verdict, found.reason)).or_insert(0) += 1;
        }
    }
    // Every verdict and reason must have been met, or the comparison shows little.
    assert_eq!(seen.len(), 10, "{seen:?}");
    assert!(seen.values().all(|n| *n >= 20), "{seen:?}");
}

#[test]
fn a_shift_of_all_values_or_days_changes_only_what_it_must() {
    for seed in 0..800 {
        let mut random = Random::new(1_000_000 + seed);
        let mut p = random_parameters(&mut random);
        p.mid = Mid::Absolute(random.within(1, 40));
        let (lo, hi) = (random.within(80, 120), random.within(121, 170));
        p.target = Target::Range { lo: Some(lo), hi: Some(hi) };
        let Ok(plan) = Plan::new(p) else { continue };
        let course = random_course(&mut random, &p);
        let days = days_of(&course);
        let first_day = days.first().map(|d| d.day);
        let day = (p.start + random.within(0, 90)) as i32;
        let plain = evaluate(&plan, &[], Measured { days: &days, first_day }, day).unwrap();

        let up = random.within(-500, 500);
        let mut shifted = p;
        shifted.target = Target::Range { lo: Some(lo + up), hi: Some(hi + up) };
        let raised: Vec<DayValue> =
            days.iter().map(|d| DayValue { y: d.y + 2 * up as i32, ..*d }).collect();
        let measured = Measured { days: &raised, first_day };
        let mut found = evaluate(&Plan::new(shifted).unwrap(), &[], measured, day).unwrap();
        let back = |med4: Option<i64>| med4.map(|med4| med4 - 4 * up);
        found.evidence.recent_med4 = back(found.evidence.recent_med4);
        found.evidence.base_med4 = back(found.evidence.base_med4);
        assert_eq!(found, plain, "seed {seed}");

        let mut negated = p;
        negated.target = Target::Range { lo: Some(-hi), hi: Some(-lo) };
        negated.dir = if p.dir == Direction::Down { Direction::Up } else { Direction::Down };
        let mirrored: Vec<DayValue> = days.iter().map(|d| DayValue { y: -d.y, ..*d }).collect();
        let measured = Measured { days: &mirrored, first_day };
        let found = evaluate(&Plan::new(negated).unwrap(), &[], measured, day).unwrap();
        assert_eq!((found.verdict, found.reason), (plain.verdict, plain.reason), "seed {seed}");
        assert_eq!(found.evidence.change, plain.evidence.change, "seed {seed}");

        let later = random.within(-4000, 4000) as i32;
        let moved: Vec<DayValue> =
            days.iter().map(|d| DayValue { day: d.day + later, ..*d }).collect();
        let measured = Measured { days: &moved, first_day: first_day.map(|d| d + later) };
        let plan = plan.starting(p.start + i64::from(later)).unwrap();
        let mut found = evaluate(&plan, &[], measured, day + later).unwrap();
        found.day -= later;
        found.evidence.start -= later;
        found.evidence.last_day = found.evidence.last_day.map(|d| d - later);
        assert_eq!(found, plain, "seed {seed}");
    }
}
