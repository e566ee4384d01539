//! B8 to the digit, a naive implementation over random courses, and the properties of B7.

use std::vec::Vec;

use super::plan::RING_SPAN_MAX;
use super::*;

mod naive;
mod schedule;

/// Xorshift: enough for test courses, and the same on every target.
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B);
        for _ in 0..8 {
            random.next();
        }
        random
    }
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    /// Within `low..=high`.
    pub(super) fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

fn plan_at(start: i64) -> Plan {
    Plan::new(Parameters::starting(start)).unwrap()
}

/// One reading a day on every day of `days` with d mod 4 != 0, as B8 says.
fn course(days: core::ops::RangeInclusive<i32>, value: impl Fn(i32) -> i32) -> Vec<DayValue> {
    days.filter(|d| d % 4 != 0).map(|day| DayValue { day, y: 2 * value(day) }).collect()
}

fn assess(days: &[DayValue], day: i32) -> Evaluation {
    let measured = Measured { days, first_day: days.first().map(|d| d.day) };
    evaluate(&plan_at(100), &[], measured, day).unwrap()
}

/// The worked examples of B8 at day 142; `change`: shift4, lo4, hi4, S, V18, trend4.
#[track_caller]
fn check(
    days: &[DayValue],
    verdict: (Verdict, Option<Reason>),
    base4: Option<i64>,
    med4: Option<i64>,
    change: Option<[i64; 6]>,
) {
    let e = assess(days, 142);
    assert_eq!((e.verdict, e.reason), verdict);
    assert_eq!((e.phase, e.k, e.day), (Phase::Final, 0, 142));
    assert_eq!(e.evidence.base_med4, base4);
    assert_eq!(e.evidence.recent_med4, med4);
    let found = e.evidence.change.map(|c| {
        assert_eq!(c.mid4, 80);
        let (s, var18) = (i64::from(c.mk_s), i64::from(c.mk_var18));
        [c.shift4, c.shift_lo4, c.shift_hi4, s, var18, c.trend4]
    });
    assert_eq!(found, change);
    if change.is_some() {
        let n = (e.evidence.n_base, e.evidence.n_base_pre, e.evidence.n_recent, e.evidence.n_trend);
        assert_eq!(n, (15, 10, 16, 41));
    }
}

#[test]
fn the_worked_examples_come_out_to_the_digit() {
    use Reason::*;
    use Verdict::*;
    let w = |d: i32| (7 * d) % 11;
    let rough = |d: i32| (37 * d) % 101;
    check(
        &course(86..=141, |d| 175 + w(d)),
        (NotImproving, None),
        Some(720),
        Some(722),
        Some([2, -8, 12, -15, 141_234, 0]),
    );
    check(
        &course(86..=141, |d| 175 + w(d) - (2 * (d - 100)).clamp(0, 40)),
        (Improving, Some(Shift)),
        Some(716),
        Some(562),
        Some([152, 140, 164, 593, 142_518, 168]),
    );
    check(
        &course(86..=141, |d| 175 + w(d) - (d - 100).clamp(0, 20)),
        (Improving, Some(Trend)),
        Some(716),
        Some(642),
        Some([76, 64, 88, 522, 142_260, 84]),
    );
    check(
        &course(86..=141, |d| 175 + w(d) - (d - 100).clamp(0, 17)),
        (InsufficientData, Some(Borderline)),
        Some(716),
        Some(654),
        Some([64, 52, 76, 478, 142_272, 67]),
    );
    check(
        &course(86..=141, |d| 175 + w(d) + (d - 100).clamp(0, 40)),
        (Worsening, None),
        Some(728),
        Some(846),
        Some([-116, -140, -96, -672, 142_560, -146]),
    );
    check(&course(86..=141, |d| 120 + w(d)), (AtTarget, None), Some(500), Some(502), None);
    check(
        &course(86..=141, |d| 60 + 3 * rough(d)),
        (InsufficientData, Some(TooNoisy)),
        Some(888),
        Some(894),
        Some([78, -228, 336, 34, 142_680, 106]),
    );
    check(
        &course(86..=141, |d| 150 + rough(d)),
        (NotImproving, None),
        Some(816),
        Some(818),
        Some([26, -76, 112, 34, 142_680, 34]),
    );
    let at = |days| course(days, |d| 175 + w(d));
    check(&at(115..=141), (InsufficientData, Some(Baseline)), None, Some(722), None);
    check(&at(86..=129), (InsufficientData, Some(Recent)), None, None, None);
    check(&at(86..=135), (InsufficientData, Some(Stale)), None, None, None);
}

#[test]
fn the_ring_gives_the_same_days_in_any_order() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let k = random.within(1, 8) as u8;
        let first = random.within(-200, 20_000) as i32;
        let mut readings: Vec<(i32, u32, u16)> = (0..random.within(1, 400))
            .map(|_| {
                let day = first + random.within(0, 127) as i32;
                (day, random.within(0, 86_399) as u32, random.within(0, 65_535) as u16)
            })
            .collect();
        readings.sort_unstable();
        let expected: Vec<DayValue> = readings
            .chunk_by(|a, b| a.0 == b.0)
            .map(|day| {
                let mut kept: Vec<i32> =
                    day.iter().take(usize::from(k)).map(|r| i32::from(r.2)).collect();
                kept.sort_unstable();
                let y = kept[(kept.len() - 1) / 2] + kept[kept.len() / 2];
                DayValue { day: day[0].0, y }
            })
            .collect();
        let smallest = readings[0].0;
        for _ in 0..3 {
            for i in (1..readings.len()).rev() {
                readings.swap(i, random.within(0, i as i64) as usize);
            }
            let mut ring = DayRing::new(k);
            for (day, second, value) in &readings {
                ring.insert(*day, *second, *value).unwrap();
            }
            assert_eq!(ring.days().as_slice(), expected, "seed {seed}");
            assert_eq!(ring.first_day(), Some(smallest), "seed {seed}");
        }
    }
}

#[test]
fn the_ring_moves_on_and_refuses_what_is_too_old() {
    let mut ring = DayRing::new(8);
    ring.insert(0, 5, 10).unwrap();
    ring.insert(127, 5, 20).unwrap();
    assert_eq!((ring.y(0), ring.y(127)), (Some(20), Some(40)));
    ring.insert(128, 5, 30).unwrap();
    assert_eq!((ring.y(0), ring.y(128), ring.days().len()), (None, Some(60), 2));
    assert_eq!(ring.insert(0, 5, 1), Err(days::RingError::TooOld { oldest: 1 }));
    assert_eq!(ring.insert(128, 86_400, 1), Err(days::RingError::SecondOutOfRange));
    ring.insert(i32::MAX, 0, 7).unwrap();
    assert_eq!(ring.days().as_slice(), [DayValue { day: i32::MAX, y: 14 }]);
    assert_eq!(ring.first_day(), Some(0));
    let mut low = DayRing::new(1);
    low.insert(i32::MIN, 9, 65_535).unwrap();
    low.insert(i32::MIN, 8, 1).unwrap();
    assert_eq!(low.y(i32::MIN), Some(2));
    low.insert(i32::MAX, 0, 7).unwrap();
    assert_eq!(low.days().len(), 1);
}

#[test]
fn a_plan_is_checked() {
    let check = |change: fn(&mut Parameters), parameter: &str| {
        let mut p = Parameters::starting(100);
        change(&mut p);
        let named = match Plan::new(p).unwrap_err() {
            PlanError::TooSmall { parameter, .. }
            | PlanError::TooLarge { parameter, .. }
            | PlanError::Reversed { parameter } => parameter,
            PlanError::NoTarget => "target",
            PlanError::RingTooShort { .. } => "last_eval",
        };
        assert_eq!(named, parameter);
    };
    check(|p| p.horizon = 0, "horizon");
    check(|p| p.base_before = -1, "base_before");
    check(|p| p.base_after_max = 0, "base_after_max");
    check(|p| p.base_want = 0, "base_want");
    check(|p| p.recent = 0, "recent");
    check(|p| p.drop_first = 2, "drop_first");
    check(|p| p.cooldown = 0, "cooldown");
    check(|p| p.max_prompts = 0, "max_prompts");
    check(|p| p.vif.den = 0, "vif");
    check(|p| p.z_ci.num = 1 << 31, "z_ci");
    check(|p| p.target = Target::Range { lo: Some(2), hi: Some(1) }, "target");
    check(|p| p.target = Target::Range { lo: None, hi: None }, "target");
    check(|p| p.last_eval = RING_SPAN_MAX - 13, "last_eval");
    let zeros = |p: &mut Parameters| {
        (p.base_before, p.base_after, p.base_min, p.recent_min, p.fresh_min) = (0, 0, 0, 0, 0);
        (p.defer_max, p.drop_first, p.first_interim) = (0, 0, 0);
        p.last_eval = RING_SPAN_MAX;
    };
    let mut p = Parameters::starting(100);
    zeros(&mut p);
    let plan = Plan::new(p).unwrap();
    let nothing = Measured { days: &[], first_day: None };
    let e = evaluate(&plan, &[], nothing, 142).unwrap();
    assert_eq!((e.verdict, e.reason), (Verdict::InsufficientData, Some(Reason::Recent)));
    let one = [DayValue { day: 141, y: 300 }];
    let e = evaluate(&plan, &[], Measured { days: &one, first_day: None }, 142).unwrap();
    assert_eq!(e.reason, Some(Reason::Baseline), "no baseline, though none is asked for");
    let early = [DayValue { day: 105, y: 300 }];
    let e = evaluate(&plan, &[], Measured { days: &early, first_day: None }, 106).unwrap();
    assert_eq!(e.reason, Some(Reason::Recent), "the only day fills the thin baseline");
}

#[test]
fn more_than_128_days_are_an_error() {
    let days: Vec<DayValue> = (86..86 + 130).map(|day| DayValue { day, y: 300 }).collect();
    let measured = Measured { days: &days, first_day: Some(86) };
    let at = |day| evaluate(&plan_at(100), &[], measured, day);
    assert_eq!(at(86 + 129).unwrap().evidence.n_trend, 128);
    assert_eq!(at(86 + 130).unwrap_err(), TrendTooLong { days: 129 });
}

#[test]
fn the_widest_values_do_not_overflow() {
    let extreme = plan::VALUE_MAX as i32 * 2;
    let mut p = Parameters::starting(0);
    p.horizon = plan::SPAN_MAX;
    p.mid = Mid::BasisPoints(plan::VALUE_MAX);
    let ratio = Ratio::new(plan::RATIO_MAX, 1);
    let small = Ratio::new(1, plan::RATIO_MAX);
    for (z, vif) in [(ratio, ratio), (small, small), (ratio, small), (small, ratio)] {
        (p.z_trend, p.z_worse, p.z_ci, p.vif, p.noisy, p.grey) = (z, z, z, vif, z, z);
        for dir in [Direction::Down, Direction::Up] {
            p.dir = dir;
            let plan = Plan::new(p).unwrap();
            for turn in [1, 2, 3] {
                let days: Vec<DayValue> = (-14..110)
                    .map(|day| DayValue {
                        day,
                        y: if day % turn == 0 { extreme } else { -extreme } * day.signum(),
                    })
                    .collect();
                let measured = Measured { days: &days, first_day: None };
                for day in [-20, 30, 110, i32::MAX] {
                    let _ = evaluate(&plan, &[3], measured, day).unwrap();
                }
            }
        }
    }
}
