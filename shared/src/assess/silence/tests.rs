#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::SilenceAction::{AskReason, DeviceNotice, Nudge, StaffTask};
use super::*;
use proptest::prelude::*;
use std::vec::Vec;

const FAIR: NudgeWeather = NudgeWeather { open: true, device_suspected: false };
const NIGHT: NudgeWeather = NudgeWeather { open: false, device_suspected: false };
const DEAD_BATTERY: NudgeWeather = NudgeWeather { open: true, device_suspected: true };

fn slots() -> [Slot; 1] {
    [Slot::fasting(300, 600).unwrap()]
}

fn plan<'a>(slots: &'a [Slot], pauses: &'a [Pause]) -> SilencePlan<'a> {
    SilencePlan {
        first: 100,
        last: None,
        weekdays: SilencePlan::EVERY_DAY,
        slots,
        pauses,
        patience: Patience::default(),
    }
}

fn at(day: i32, minute: u16) -> LocalMinute {
    LocalMinute { day, minute }
}

/// Lives from day `from` to day `to`; a reading at 08:00 on the days `measures` picks. Returns
/// what happened, with its day.
fn live(
    state: &mut Silence,
    plan: &SilencePlan<'_>,
    days: core::ops::RangeInclusive<i32>,
    weather: NudgeWeather,
    measures: impl Fn(i32) -> bool,
) -> Vec<(i32, SilenceAction)> {
    let mut happened = Vec::new();
    for day in days {
        if measures(day) {
            state.measured(plan, at(day, 480));
        }
        state.close(plan, at(day, 720), weather, |action| happened.push((day, action)));
        let unix_s = u64::try_from(day).unwrap() * 86_400 + 43_200;
        happened.extend(state.nudge(day, unix_s, weather).map(|nudge| (day, nudge)));
    }
    happened
}

#[test]
fn two_four_and_seven_missed_days_bring_nudge_question_and_task() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    let happened = live(&mut state, &plan, 100..=120, FAIR, |_| false);
    assert_eq!(happened, [(101, Nudge), (103, AskReason), (106, StaffTask)]);
    assert_eq!(state.run(&plan), 21);
}

#[test]
fn nothing_happens_before_the_last_grace_ends() {
    let slots = [Slot::fasting(300, 600).unwrap(), Slot::any_time(1000, 1300).unwrap()];
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    state.close(&plan, at(101, 1439), FAIR, |_| panic!("too early"));
    assert_eq!((state.run(&plan), state.is_waiting()), (1, false));
    state.close(&plan, at(102, 0), FAIR, |_| panic!("a nudge waits"));
    assert_eq!((state.run(&plan), state.is_waiting()), (2, true));
}

#[test]
fn a_late_reading_of_an_earlier_day_counts_and_withdraws() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    assert_eq!(live(&mut state, &plan, 100..=101, NIGHT, |_| false), []);
    assert!(state.is_waiting());
    assert!(state.measured(&plan, at(101, 500)));
    assert!(!state.is_waiting());
    assert_eq!(state.run(&plan), 0);
    // Outside the slot it counts for nothing.
    assert!(!state.measured(&plan, at(100, 600)));
    assert_eq!(state.adherence(&plan, 102, 14), Adherence { measured: 1, planned: 2 });
}

#[test]
fn the_run_starts_anew_after_a_measured_day() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    let happened = live(&mut state, &plan, 100..=109, FAIR, |day| day == 102);
    assert_eq!(happened, [(101, Nudge), (104, Nudge), (106, AskReason), (109, StaffTask)]);
}

#[test]
fn the_fourth_nudge_within_168_hours_is_dropped() {
    let slots = slots();
    let patience = Patience { nudge: 1, ..Patience::default() };
    let plan = SilencePlan { patience, ..plan(&slots, &[]) };
    let mut state = Silence::default();
    let happened = live(&mut state, &plan, 100..=108, FAIR, |day| day % 2 == 1);
    let days: Vec<i32> = happened.iter().map(|(day, _)| *day).collect();
    assert_eq!(days, [100, 102, 104, 108]);
    assert!(!state.is_waiting());
}

#[test]
fn at_most_one_nudge_a_day() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    live(&mut state, &plan, 100..=101, FAIR, |_| false);
    state.close(&plan, at(103, 720), FAIR, |_| {});
    let noon = 101 * 86_400 + 43_200;
    assert_eq!(state.nudge(101, noon + 60, FAIR), None);
    assert!(!state.is_waiting());
}

#[test]
fn a_nudge_waits_for_waking_hours() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    assert_eq!(live(&mut state, &plan, 100..=101, NIGHT, |_| false), []);
    assert_eq!(state.nudge(101, 101 * 86_400 + 50_000, FAIR), Some(Nudge));
}

#[test]
fn readings_known_before_do_not_take_a_waiting_nudge_back() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    assert_eq!(live(&mut state, &plan, 100..=102, NIGHT, |day| day == 100), []);
    assert!(!state.measured(&plan, at(100, 480)), "the same reading, handed again");
    assert_eq!(state.nudge(102, 102 * 86_400 + 50_000, FAIR), Some(Nudge));
}

#[test]
fn a_pause_takes_its_days_out_even_when_stated_afterwards() {
    let slots = slots();
    let mut state = Silence::default();
    let before = plan(&slots, &[]);
    assert_eq!(live(&mut state, &before, 100..=102, FAIR, |_| false), [(101, Nudge)]);
    let away = [Pause { first: 101, last: 102 }];
    let after = plan(&slots, &away);
    assert_eq!(state.run(&after), 1);
    assert_eq!(live(&mut state, &after, 103..=103, FAIR, |_| false), [(103, Nudge)]);
    assert_eq!(state.adherence(&after, 104, 14), Adherence { measured: 0, planned: 2 });
}

#[test]
fn a_suspected_device_brings_a_notice_and_staff_still_hear() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    let happened = live(&mut state, &plan, 100..=110, DEAD_BATTERY, |_| false);
    assert_eq!(happened, [(101, DeviceNotice), (103, DeviceNotice), (106, StaffTask)]);
}

#[test]
fn an_outage_of_the_gateway_loses_no_staff_task() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    let mut happened = Vec::new();
    state.close(&plan, at(130, 0), FAIR, |action| happened.push(action));
    assert_eq!(happened, [StaffTask]);
    assert_eq!(state.nudge(130, 130 * 86_400, FAIR), Some(AskReason));
}

#[test]
fn only_planned_weekdays_count() {
    let slots = slots();
    // Day 102 is Monday, 1970-04-13; Mondays and Thursdays are planned.
    let plan = SilencePlan { weekdays: 0b000_1001, ..plan(&slots, &[]) };
    let mut state = Silence::default();
    let happened = live(&mut state, &plan, 100..=115, FAIR, |_| false);
    assert_eq!(happened, [(105, Nudge), (112, AskReason)]);
    assert_eq!(state.adherence(&plan, 116, 14), Adherence { measured: 0, planned: 4 });
}

#[test]
fn staff_see_fewer_than_sixteen_days_of_thirty() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    for (measured, shown) in [(15, true), (16, false)] {
        let mut state = Silence::default();
        live(&mut state, &plan, 100..=129, FAIR, |day| day < 100 + measured);
        let adherence = state.adherence(&plan, 130, 30);
        assert_eq!(adherence, Adherence { measured: u8::try_from(measured).unwrap(), planned: 30 });
        assert_eq!(state.needs_attention(&plan, 130), shown);
        assert!(!state.needs_attention(&plan, 129));
    }
}

#[test]
fn a_run_longer_than_the_window_keeps_counting() {
    let slots = slots();
    let plan = plan(&slots, &[]);
    let mut state = Silence::default();
    live(&mut state, &plan, 100..=299, FAIR, |_| false);
    assert_eq!(state.run(&plan), 200);
    let bytes = postcard::to_allocvec(&state).unwrap();
    assert_eq!(postcard::from_bytes::<Silence>(&bytes).unwrap(), state);
    assert!(bytes.len() < 64, "{}", bytes.len());
}

#[test]
fn slots_beyond_the_day_are_refused() {
    assert!(Slot::new(0, 1440, 1440).is_some());
    for (from, to, grace) in [(10, 10, 20), (0, 1441, 20), (0, 10, 1441), (0, 10, 0)] {
        assert_eq!(Slot::new(from, to, grace), None);
    }
}

proptest! {
    /// Against a plain list of days: runs, adherence, and no panic whatever the order.
    #[test]
    fn the_bits_agree_with_a_plain_list(
        steps in proptest::collection::vec((0_i32..3, proptest::option::of(0_i32..70)), 1..80),
        weekdays in 0_u8..128,
        pause in (90_i32..150, 0_i32..9),
    ) {
        let slots = slots();
        let pauses = [Pause { first: pause.0, last: pause.0 + pause.1 }];
        let plan = SilencePlan { weekdays, ..plan(&slots, &pauses) };
        let planned = |day: i32| {
            day >= 100 && (weekdays >> ((day + 3) % 7)) & 1 == 1
                && !(pauses[0].first..=pauses[0].last).contains(&day)
        };
        let mut state = Silence::default();
        let mut measured = std::collections::BTreeSet::new();
        let mut today = 100;
        for (ahead, back) in steps {
            today += ahead;
            state.close(&plan, at(today, 720), FAIR, |_| {});
            // The window remembers 64 days.
            if let Some(day) = back.map(|back| today - back).filter(|day| today - day < 64) {
                state.measured(&plan, at(day, 480));
                if planned(day) {
                    measured.insert(day);
                }
            }
            let run = (100..=today).rev().filter(|d| planned(*d));
            let run = run.take_while(|d| !measured.contains(d)).count();
            prop_assert_eq!(usize::from(state.run(&plan)), run);
            let of = |days: i32| {
                let days = (today - days).max(100)..today;
                let count = days.clone().filter(|d| planned(*d) && measured.contains(d)).count();
                (count, days.filter(|d| planned(*d)).count())
            };
            for days in [14_u8, 30] {
                let adherence = state.adherence(&plan, today, days);
                let shown = (usize::from(adherence.measured), usize::from(adherence.planned));
                prop_assert_eq!(shown, of(i32::from(days)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn extreme_days_never_panic(
        days in proptest::collection::vec(
            prop_oneof![Just(i32::MIN), Just(i32::MAX), -5_i32..60_000], 1..6),
        minute in any::<u16>(),
        first in prop_oneof![Just(i32::MIN), Just(i32::MAX), 0_i32..50_000],
    ) {
        let slots = slots();
        let plan = SilencePlan { first, ..plan(&slots, &[]) };
        let mut state = Silence::default();
        for day in days {
            state.measured(&plan, at(day, minute));
            state.close(&plan, at(day, minute), FAIR, |_| {});
            state.nudge(day, u64::MAX, FAIR);
            state.run(&plan);
            state.adherence(&plan, day, u8::MAX);
        }
    }
}
