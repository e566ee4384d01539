//! One evaluation at the beginning of local day E: B4, a pure function.

use super::TREND_DAYS_MAX;
use super::days::{DayValue, Measured};
use super::plan::{Direction, Mid, Parameters, Plan, Ratio, Target};
use super::select::{kth, two_middle};
use super::verdict::{Change, Evaluation, Evidence, Phase, Reason, TrendTooLong, Verdict};

/// The latest of `start` and the medication changes up to day `day`.
pub fn effective_start(plan: &Plan, events: &[i32], day: i32) -> i32 {
    // `Plan::new` keeps the start within 2^30.
    let start = plan.parameters().start as i32;
    events.iter().copied().filter(|event| *event <= day).fold(start, i32::max)
}

/// Evaluates at the beginning of local day `day`. `events` are the days of medication changes, in
/// any order.
///
/// # Errors
/// [`TrendTooLong`]: the series does not fit the rule's bounds.
pub fn evaluate(
    plan: &Plan,
    events: &[i32],
    measured: Measured<'_>,
    day: i32,
) -> Result<Evaluation, TrendTooLong> {
    let p = plan.parameters();
    let start = effective_start(plan, events, day);
    let windows = Windows::new(p, start, measured, day)?;
    let since_horizon = i64::from(day) - i64::from(start) - p.horizon;
    let (phase, k) = match since_horizon {
        0.. => (Phase::Final, since_horizon / p.step),
        _ => (Phase::Interim, 0),
    };
    let mut evidence = Evidence {
        start,
        n_base: windows.base.len() as u32,
        n_base_pre: windows.base.iter().filter(|d| d.day < start).count() as u32,
        n_recent: windows.recent.len() as u32,
        n_trend: windows.trend.len() as u32,
        last_day: windows.last_day,
        recent_med4: None,
        base_med4: None,
        overshoot: false,
        change: None,
    };
    let (verdict, reason) = decide(p, &windows, k, day, &mut evidence);
    // k is at most 2^31 / 1.
    Ok(Evaluation { day, phase, k: k as u32, verdict, reason, evidence })
}

/// The sets of days of B4; each is a stretch of the known days.
struct Windows<'a> {
    base: &'a [DayValue],
    recent: &'a [DayValue],
    trend: &'a [DayValue],
    last_day: Option<i32>,
}

impl<'a> Windows<'a> {
    fn new(
        p: &Parameters,
        start: i32,
        measured: Measured<'a>,
        day: i32,
    ) -> Result<Self, TrendTooLong> {
        debug_assert!(measured.days.is_sorted_by(|a, b| a.day < b.day));
        let before = |days: &[DayValue], end: i64| days.partition_point(|d| i64::from(d.day) < end);
        let s = i64::from(start);
        let mut known = &measured.days[..before(measured.days, i64::from(day))];
        if let Some((first, rest)) = known.split_first()
            && p.drop_first == 1
            && measured.first_day == Some(first.day)
        {
            known = rest;
        }
        let last_day = known.last().map(|d| d.day);
        let trend = &known[before(known, s - p.base_before)..];
        if trend.len() > TREND_DAYS_MAX {
            return Err(TrendTooLong { days: trend.len() });
        }
        // The baseline is the head of the trend: its window, then later days while it is thin.
        let mut end = s + p.base_after;
        let mut n_base = before(trend, end);
        while (n_base as i64) < p.base_want {
            let Some(next) = trend.get(n_base) else { break };
            if i64::from(next.day) >= s + p.base_after_max {
                break;
            }
            n_base += 1;
            end = i64::from(next.day) + 1;
        }
        let recent = &trend[before(trend, end.max(i64::from(day) - p.recent))..];
        Ok(Self { base: &trend[..n_base], recent, trend, last_day })
    }
}

/// B4 steps 1 to 11: the first hit wins.
fn decide(
    p: &Parameters,
    windows: &Windows<'_>,
    k: i64,
    day: i32,
    evidence: &mut Evidence,
) -> (Verdict, Option<Reason>) {
    use Verdict::{AtTarget, Improving, InsufficientData, NotImproving, Worsening};
    let insufficient = |reason| (InsufficientData, Some(reason));
    // A minimum of 0 still needs one day: an empty set has no median.
    let n_recent = windows.recent.len() as i64;
    if n_recent < p.recent_min.max(1) {
        return insufficient(Reason::Recent);
    }
    let fresh_from = i64::from(day) - p.fresh;
    let fresh = windows.recent.iter().filter(|d| i64::from(d.day) >= fresh_from).count();
    if (fresh as i64) < p.fresh_min {
        return insufficient(Reason::Stale);
    }
    let med4 = med4(windows.recent);
    evidence.recent_med4 = Some(med4);
    let has_base = windows.base.len() as i64 >= p.base_min.max(1);
    evidence.base_med4 = has_base.then(|| self::med4(windows.base));
    match target_reached(p, med4, evidence.base_med4) {
        AgainstTarget::Reached => return (AtTarget, None),
        AgainstTarget::Beyond => evidence.overshoot = true,
        AgainstTarget::Not => {}
    }
    let Some(base4) = evidence.base_med4 else { return insufficient(Reason::Baseline) };
    let change = compare(p, windows, base4);
    evidence.change = Some(change);
    let Change { shift4, shift_lo4, shift_hi4, mk_s, trend4, mid4, .. } = change;
    let passes = |s: i32, z: Ratio| significant(s, change.mk_var18, z, p.vif);
    if shift4 <= -mid4 && passes(-mk_s, p.z_worse) {
        return (Worsening, None);
    }
    if trend4 >= mid4 && passes(mk_s, p.z_trend) {
        let reason = if shift4 >= mid4 { Reason::Shift } else { Reason::Trend };
        return (Improving, Some(reason));
    }
    let (num, den) = p.noisy.wide();
    let wide = i128::from(shift_hi4 - shift_lo4) * den > 2 * num * i128::from(mid4);
    if wide && shift_lo4 < mid4 && mid4 <= shift_hi4 {
        return insufficient(Reason::TooNoisy);
    }
    let (num, den) = p.grey.wide();
    if k < p.defer_max && i128::from((shift4 - mid4).abs()) * den < num * i128::from(mid4) {
        return insufficient(Reason::Borderline);
    }
    if shift4 >= mid4 { (Improving, Some(Reason::Shift)) } else { (NotImproving, None) }
}

enum AgainstTarget {
    Reached,
    Beyond,
    Not,
}

/// B4 step 3.
fn target_reached(p: &Parameters, med4: i64, base4: Option<i64>) -> AgainstTarget {
    let reached = match p.target {
        Target::Range { lo, hi } => {
            let below = lo.is_some_and(|lo| med4 < 4 * lo);
            let above = hi.is_some_and(|hi| med4 > 4 * hi);
            let beyond = match p.dir {
                Direction::Down => below,
                Direction::Up => above,
            };
            if beyond {
                return AgainstTarget::Beyond;
            }
            !below && !above
        }
        Target::DropBasisPoints(bp) => base4.is_some_and(|base4| {
            let recent = i128::from(med4) * 10_000;
            match p.dir {
                Direction::Down => recent <= i128::from(base4) * i128::from(10_000 - bp),
                Direction::Up => recent >= i128::from(base4) * i128::from(10_000 + bp),
            }
        }),
    };
    if reached { AgainstTarget::Reached } else { AgainstTarget::Not }
}

/// Smallest and largest y; `days` is not empty.
fn ends(days: &[DayValue]) -> (i64, i64) {
    days.iter().fold((i64::MAX, i64::MIN), |(low, high), d| {
        (low.min(i64::from(d.y)), high.max(i64::from(d.y)))
    })
}

/// Sum of the two middle y, quarter units.
fn med4(days: &[DayValue]) -> i64 {
    let (low, high) = ends(days);
    let at_most = |v: i64| days.iter().filter(|d| i64::from(d.y) <= v).count() as u32;
    two_middle(at_most, days.len() as u32, low, high)
}

/// B4 step 5. Base, Recent are not empty and at most 128 days each; so the trend has two days.
fn compare(p: &Parameters, windows: &Windows<'_>, base4: i64) -> Change {
    let sign = match p.dir {
        Direction::Down => 1,
        Direction::Up => -1,
    };
    let (base, recent) = (windows.base, windows.recent);
    let (m, n) = (base.len() as i64, recent.len() as i64);
    let pairs = (m * n) as u32;
    let at_most = |v: i64| {
        let count = |a: &DayValue| {
            let a = i64::from(a.y);
            recent.iter().filter(|c| sign * (a - i64::from(c.y)) <= v).count() as u32
        };
        base.iter().map(count).sum()
    };
    let ((base_low, base_high), (recent_low, recent_high)) = (ends(base), ends(recent));
    let (one, other) = (sign * (base_low - recent_high), sign * (base_high - recent_low));
    let (low, high) = (one.min(other), one.max(other));
    let index = interval_index(m, n, p);
    let mid4 = match p.mid {
        Mid::Absolute(mid) => 4 * mid,
        // ceil(a / b) = floor((a + b - 1) / b); at most 4e9 x 1e9 / 1e4 fits i64.
        Mid::BasisPoints(bp) => {
            let product = i128::from(base4.abs()) * i128::from(bp);
            ((product + 9_999).div_euclid(10_000) as i64).max(1)
        }
    };
    let (mk_s, mk_var18) = mann_kendall(windows.trend, sign);
    Change {
        shift4: two_middle(at_most, pairs, low, high),
        shift_lo4: 2 * kth(at_most, index, low, high),
        shift_hi4: 2 * kth(at_most, pairs.saturating_sub(1).saturating_sub(index), low, high),
        mk_s,
        mk_var18,
        trend4: theil_sen4(windows.trend, sign, p.horizon),
        mid4,
    }
}

/// K of B4: from which smallest and largest difference the interval runs.
fn interval_index(m: i64, n: i64, p: &Parameters) -> u32 {
    let ((z_num, z_den), (vif_num, vif_den)) = (p.z_ci.wide(), p.vif.wide());
    let spread = i128::from(m * n * (m + n + 1));
    let variance = z_num * z_num * spread * vif_num / (12 * z_den * z_den * vif_den);
    let q = variance.isqrt().min(i128::from(m * n)) as i64;
    (m * n / 2 - q).max(0).min((m * n - 1) / 2) as u32
}

/// S and 18 times its variance with ties, over the days in order.
fn mann_kendall(days: &[DayValue], sign: i64) -> (i32, i32) {
    let n = days.len() as i32;
    let mut s = 0;
    let mut var18 = n * (n - 1) * (2 * n + 5);
    for (i, a) in days.iter().enumerate() {
        for b in &days[i + 1..] {
            s += (sign * (i64::from(a.y) - i64::from(b.y))).signum() as i32;
        }
        // A group of equal values is counted at its first member.
        if days[..i].iter().all(|b| b.y != a.y) {
            let t = days[i..].iter().filter(|b| b.y == a.y).count() as i32;
            var18 -= t * (t - 1) * (2 * t + 5);
        }
    }
    (s, var18)
}

/// "z >= Z" of B4 for this S: 18 (S-1)^2 Zden^2 vif_den >= Znum^2 V18 vif_num; never for S <= 0.
fn significant(s: i32, var18: i32, z: Ratio, vif: Ratio) -> bool {
    if s <= 0 {
        return false;
    }
    let ((z_num, z_den), (vif_num, vif_den)) = (z.wide(), vif.wide());
    let s = i128::from(s - 1);
    18 * s * s * z_den * z_den * vif_den >= z_num * z_num * i128::from(var18) * vif_num
}

/// Sum of the two middle floor((y_i - y_j) L / (d_j - d_i)), i < j. At least two days.
fn theil_sen4(days: &[DayValue], sign: i64, horizon: i64) -> i64 {
    let n = days.len() as u32;
    // floor(a L / t) <= v  <=>  a L < (v + 1) t, for t > 0. The product may saturate: it is then
    // beyond any a L, which `plan` keeps below 2^61.
    let at_most = |v: i64| {
        let mut count = 0;
        for (i, a) in days.iter().enumerate() {
            for b in &days[i + 1..] {
                let rise = sign * (i64::from(a.y) - i64::from(b.y)) * horizon;
                let apart = i64::from(b.day) - i64::from(a.day);
                count += u32::from(rise < (v + 1).saturating_mul(apart));
            }
        }
        count
    };
    let (low, high) = ends(days);
    let most = (high - low) * horizon;
    two_middle(at_most, n * n.saturating_sub(1) / 2, -most, most)
}
