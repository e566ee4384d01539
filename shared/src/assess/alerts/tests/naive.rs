//! Second, plain and independent answers to single questions, from the whole history.

use super::*;
use crate::assess::alerts::memory::{HighCluster, LowEpisodes, Weight, Weights};
use proptest::collection::vec;
use proptest::prelude::*;

const HOUR: i64 = 3600;

/// Only this rule.
fn only(rule: RuleId) -> Patient {
    let defaults = Limits::default();
    let mut limits = Limits {
        g1: None,
        g2: None,
        g3: None,
        g4: None,
        g5: None,
        p1: None,
        p2: None,
        p3: None,
        h1: None,
        o1: None,
        o2: None,
        w1: None,
        w2: None,
        t1: None,
    };
    match rule {
        RuleId::G1 => limits.g1 = defaults.g1,
        RuleId::G2 => limits.g2 = defaults.g2,
        RuleId::G4 => limits.g4 = defaults.g4,
        RuleId::O2 => limits.o2 = defaults.o2,
        other => panic!("{other:?}"),
    }
    Patient { limits, ..Patient::default() }
}

fn live(seconds: u32, quantity: &str, value: i32) -> Event {
    let t = ZERO + seconds;
    Event::Reading(Reading { value: Value::Number(value), ..reading(t, t, quantity, &["1"]) })
}

fn lower_middle(mut values: Vec<i32>) -> Option<i32> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The 32 latest weights against the whole list, in any order of arrival.
    #[test]
    fn weights_agree_with_the_whole_list(
        list in vec((0_u32..400, 7800_u16..8400), 0..60), at in 0_u32..400,
    ) {
        let mut memory = Weights::default();
        let mut all: Vec<(u32, u16)> = Vec::new();
        for (hours, value) in list {
            let t = ZERO + hours * 3600;
            memory.take(Weight::new(t, value, i64::from(t / 86_400)));
            all.push((t, value));
        }
        all.sort_by_key(|(t, _)| *t);
        let kept = &all[all.len().saturating_sub(32)..];
        let t = ZERO + at * 3600;
        let age = |then: u32| i64::from(t) - i64::from(then);
        let week: Vec<i32> = kept.iter().filter(|(then, _)| (1..=168 * HOUR).contains(&age(*then)))
            .map(|(_, v)| i32::from(*v)).collect();
        prop_assert_eq!(memory.lowest(t), week.iter().min().copied());
        let day = kept.iter().rfind(|(then, _)| (20 * HOUR..=48 * HOUR).contains(&age(*then)));
        prop_assert_eq!(memory.day_reference(t), day.map(|(_, v)| i32::from(*v)));
        let today = i64::from(t / 86_400);
        let days = kept.iter().filter(|(then, _)| {
            (today - 4..=today - 3).contains(&i64::from(then / 86_400))
        });
        let days = days.map(|(_, v)| i32::from(*v)).collect();
        prop_assert_eq!(memory.median(today), lower_middle(days));
        let middle = lower_middle(week.clone()).filter(|_| week.len() >= 3);
        prop_assert_eq!(memory.is_off(t, 8900), middle.is_some_and(|m| 8900 - m > 500));
    }

    /// G1 alone, live and in order: active from the first value below 54 to the first from 70 on.
    #[test]
    fn g1_follows_the_values(values in vec((60_u32..7000, 40_i32..90), 0..60)) {
        let mut now = 0;
        let (mut events, mut expected) = (Vec::new(), Vec::new());
        let mut active = false;
        for (pause, value) in values {
            now += pause;
            events.push(live(now, "glucose", value));
            if !active && value < 54 {
                active = true;
                expected.push((ZERO + now, Reason::Met));
            } else if active && value >= 70 {
                active = false;
                expected.push((ZERO + now, Reason::Rearmed));
            }
        }
        let log = only(RuleId::G1).run(&events);
        let shown: Vec<_> = log.transitions.iter().map(|s| (s.t, s.reason)).collect();
        prop_assert_eq!(shown, expected);
    }

    /// O2 alone: a low value asks, the next one a minute later or more decides, silence counts as
    /// yes after four minutes.
    #[test]
    fn o2_waits_for_its_repeat(values in vec((0_u32..300, 93_i32..97), 0..60)) {
        let mut now = 0;
        let (mut events, mut expected) = (Vec::new(), Vec::new());
        // None: idle; Some(None): active; Some(Some(first)): pending.
        let mut state: Option<Option<u32>> = None;
        let mut met = 0;
        for (pause, value) in values {
            now += pause;
            events.push(live(now, "spo2", value));
            if let Some(Some(first)) = state.filter(|s| s.is_some_and(|first| now > first + 240)) {
                state = Some(None);
                expected.push((first + 240, Reason::Silence));
            }
            match state {
                None if value <= 94 => {
                    state = Some(Some(now));
                    expected.push((now, Reason::Met));
                }
                Some(Some(first)) if now >= first + 60 => {
                    let low = value <= 94;
                    state = low.then_some(None);
                    let reason = if low { Reason::Confirmed } else { Reason::NotConfirmed };
                    expected.push((now, reason));
                }
                Some(None) if value >= 95 && now > met => {
                    state = None;
                    expected.push((now, Reason::Rearmed));
                }
                _ => {}
            }
            if value <= 94 {
                met = now;
            }
        }
        let log = only(RuleId::O2).run(&events);
        let shown: Vec<_> = log.transitions.iter().map(|s| (s.t - ZERO, s.reason)).collect();
        // A twin in the same second with the same value is the only thing the model lacks, and it
        // changes nothing.
        prop_assert_eq!(shown, expected);
    }

    /// Flapping of G2 against the whole list of activations and summaries.
    #[test]
    fn the_fourth_activation_of_a_week_is_summarised(
        pauses in vec(prop_oneof![1_u32..40, 20_u32..80], 1..40),
    ) {
        let mut now = 0;
        let (mut events, mut expected) = (Vec::new(), Vec::new());
        let (mut activations, mut summary): (Vec<u32>, Option<u32>) = (Vec::new(), None);
        for pause in pauses {
            now += pause * 3600;
            events.push(live(now, "glucose", 60));
            events.push(live(now + 1200, "glucose", 90));
            let week = |then: u32| now - then <= 168 * 3600;
            if activations.iter().filter(|then| week(**then)).count() < 3 {
                expected.push((now, NoticeKind::Alert));
            } else if summary.is_none_or(|then| !week(then)) {
                summary = Some(now);
                expected.push((now, NoticeKind::Summary));
            }
            activations.push(now);
        }
        let log = only(RuleId::G2).run(&events);
        let to_staff = log.notifications.iter().filter(|n| {
            n.to == Recipient::Staff && n.kind != NoticeKind::AllClear
        });
        let shown: Vec<_> = to_staff.map(|n| (n.t - ZERO, n.kind)).collect();
        prop_assert_eq!(shown, expected);
    }

    /// G1 on CGM against a search of the whole series for runs.
    #[test]
    fn cgm_runs_agree_with_the_whole_series(
        values in vec((1_u32..36, prop_oneof![50_i32..58, 66_i32..74]), 1..60),
    ) {
        let mut now = 0;
        let mut series: Vec<(u32, i32)> = Vec::new();
        let (mut events, mut expected) = (Vec::new(), Vec::new());
        let (mut active, mut from) = (false, 0);
        for (minutes, value) in values {
            now += minutes * 60;
            series.push((now, value));
            events.push(live(now, "cgm", value));
            let run = |from: usize, inside: &dyn Fn(i32) -> bool| {
                let mut start = series.len();
                while start > from && inside(series[start - 1].1)
                    && (start == series.len() || series[start].0 - series[start - 1].0 <= 1800)
                {
                    start -= 1;
                }
                start < series.len() && now - series[start].0 >= 900
            };
            if !active && run(from, &|v| v < 54) {
                active = true;
                expected.push((now, Reason::Met));
            } else if active && run(0, &|v| v >= 70) {
                active = false;
                from = series.len();
                expected.push((now, Reason::Rearmed));
            }
        }
        let log = only(RuleId::G1).run(&events);
        let shown: Vec<_> = log.transitions.iter()
            .filter(|s| matches!(s.reason, Reason::Met | Reason::Rearmed))
            .map(|s| (s.t - ZERO, s.reason)).collect();
        prop_assert_eq!(shown, expected);
    }

    /// Starts of low episodes against the whole list, for lows in order.
    #[test]
    fn low_episodes_agree_with_the_whole_list(gaps in vec(0_u32..80, 1..60)) {
        let mut memory = LowEpisodes::default();
        let mut starts: Vec<u32> = Vec::new();
        let mut t = ZERO;
        for gap in gaps {
            t += gap * 3600;
            let new = starts.iter().all(|start| t - start >= 7200);
            if new {
                starts.push(t);
            }
            let three = starts.len() >= 3 && t - starts[starts.len() - 3] <= 168 * 3600;
            prop_assert_eq!(memory.offer(t), new && three);
        }
    }

    /// In order and an hour apart or more, every high but the first of a day meets G4.
    #[test]
    fn highs_an_hour_apart_meet_the_one_before(gaps in vec(3600_u32..200_000, 1..30)) {
        let mut memory = HighCluster::default();
        let mut t = ZERO;
        memory.take(t);
        for gap in gaps {
            t += gap;
            prop_assert_eq!(memory.meets(t), gap <= 86_400);
            memory.take(t);
        }
    }
}

#[test]
fn the_cluster_of_highs_is_kept_as_stated() {
    let minute = |m: u32| ZERO + m * 60;
    let mut memory = HighCluster::default();
    for (at, meets, then) in [
        // (a, b) afterwards, by the text: 0,0; 0,30; 30,80 since 80 is an hour from 0;
        (0, false, (0, 0)),
        (30, false, (0, 30)),
        (80, true, (30, 80)),
        // inside the cluster: nothing moves; before it by less than an hour of b: a moves;
        (50, false, (30, 80)),
        (21, false, (21, 80)),
        // an hour or more before b: nothing moves; an hour after b: a new cluster.
        (20, true, (21, 80)),
        (140, true, (140, 140)),
    ] {
        assert_eq!(memory.meets(minute(at)), meets, "{at}");
        memory.take(minute(at));
        let bytes = postcard::to_allocvec(&memory).unwrap();
        let kept: Option<(u32, u32)> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(kept, Some((minute(then.0), minute(then.1))), "{at}");
    }
}
