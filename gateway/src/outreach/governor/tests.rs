#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use proptest::prelude::*;

use super::*;
use crate::clock::BootId;

const ZONES: [&str; 4] = ["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"];

fn facts() -> Facts {
    Facts {
        monitored: true,
        consent: Some(true),
        language: Language::Known,
        zone: local::zone("Europe/Berlin"),
        quiet_min: Some((1320, 420)),
        mutes_s: Vec::new(),
        daily_cap: 2,
        paused_until: None,
    }
}

fn now_at(text: &str) -> Now {
    now_ms(local::parse_moment(text).unwrap().millis(), true)
}

fn now_ms(ms: i64, trusted: bool) -> Now {
    Now { wall: UnixMillis::from_millis(ms), monotonic_ms: 0, boot: BootId([0; 16]), trusted }
}

fn candidate(kind: Kind) -> Candidate {
    Candidate {
        id: Uuid::from_u128(1),
        kind,
        silent: false,
        expires: local::parse_moment("2027-01-01T00:00:00Z").unwrap(),
    }
}

fn check(facts: &Facts, kind: Kind, at: &str, expected: Ruling) {
    assert_eq!(judge(facts, &candidate(kind), &[], now_at(at)), expected, "{kind:?} at {at}");
}

#[test]
fn a_good_hour_in_the_patients_zone_is_waited_for() {
    let until = local::parse_moment("2026-03-03T06:00:00Z").unwrap();
    let wait = Ruling::Defer(until, Wait::QuietHours);
    check(&facts(), Kind::Care, "2026-03-02T21:00:00Z", wait);
    check(&facts(), Kind::Care, "2026-03-02T20:59:00Z", Ruling::Send);
    check(&facts(), Kind::Nudge, "2026-03-03T05:59:59Z", wait);
    check(&facts(), Kind::Notice(Level::A), "2026-03-02T23:00:00Z", wait);
    check(&facts(), Kind::MeasureAgain(Level::U), "2026-03-02T23:00:00Z", wait);
    check(&facts(), Kind::Notice(Level::C), "2026-03-02T23:00:00Z", Ruling::Send);
    check(&facts(), Kind::MeasureAgain(Level::C), "2026-03-02T23:00:00Z", Ruling::Send);
}

#[test]
fn without_quiet_hours_a_nudge_keeps_to_the_usual_ones_and_nothing_else_does() {
    let until = local::parse_moment("2026-03-03T06:00:00Z").unwrap();
    for quiet_min in [None, Some((0, 0))] {
        let facts = Facts { quiet_min, ..facts() };
        let midnight = "2026-03-02T23:00:00Z";
        check(&facts, Kind::Nudge, midnight, Ruling::Defer(until, Wait::QuietHours));
        check(&facts, Kind::Nudge, "2026-03-03T06:00:00Z", Ruling::Send);
        for kind in [Kind::Notice(Level::U), Kind::MeasureAgain(Level::U), Kind::Care] {
            check(&facts, kind, midnight, Ruling::Send);
        }
    }
    // Quiet hours of one's own are the only ones.
    let facts = Facts { quiet_min: Some((600, 720)), ..facts() };
    check(&facts, Kind::Nudge, "2026-03-02T23:00:00Z", Ruling::Send);
}

#[test]
fn the_hour_that_comes_twice_is_quiet_twice() {
    let mut facts = facts();
    facts.quiet_min = Some((60, 150));
    // 2026-10-25 02:10 Berlin for the second time; quiet until 02:30.
    let until = local::parse_moment("2026-10-25T01:30:00Z").unwrap();
    check(&facts, Kind::Care, "2026-10-25T01:10:00Z", Ruling::Defer(until, Wait::QuietHours));
}

#[test]
fn a_mute_ends_and_then_quiet_hours_may_follow() {
    let mut facts = facts();
    let second = |text| local::parse_moment(text).unwrap().seconds();
    facts.mutes_s = vec![(second("2026-03-02T10:00:00Z"), second("2026-03-02T22:00:00Z"))];
    let until = local::parse_moment("2026-03-03T06:00:00Z").unwrap();
    check(&facts, Kind::Care, "2026-03-02T12:00:00Z", Ruling::Defer(until, Wait::Mute));
    check(&facts, Kind::Notice(Level::C), "2026-03-02T12:00:00Z", Ruling::Send);
}

#[test]
fn unknown_facts_are_a_task_for_staff_even_for_critical_notices() {
    let noon = "2026-03-02T12:00:00Z";
    for kind in [Kind::Care, Kind::Nudge, Kind::Notice(Level::C), Kind::MeasureAgain(Level::C)] {
        check(&Facts { consent: None, ..facts() }, kind, noon, Ruling::Task(Missing::Consent));
        check(
            &Facts { language: Language::Unknown, ..facts() },
            kind,
            noon,
            Ruling::Task(Missing::Language),
        );
        // What is critical waits for no hour, so it needs no zone.
        let zone = if kind.is_critical() { Ruling::Send } else { Ruling::Task(Missing::Zone) };
        check(&Facts { zone: None, ..facts() }, kind, noon, zone);
        check(
            &Facts { consent: Some(false), zone: None, ..facts() },
            kind,
            noon,
            Ruling::Drop(Refusal::Stop),
        );
    }
}

#[test]
fn nothing_personal_leaves_before_the_gateways_clock_is_trusted() {
    let now = Now { trusted: false, ..now_at("2026-03-02T12:00:00Z") };
    for kind in [Kind::Care, Kind::Notice(Level::C)] {
        let ruling = judge(&facts(), &candidate(kind), &[], now);
        assert_eq!(ruling, Ruling::Defer(now.wall.plus_seconds(60), Wait::GatewayClock));
    }
}

#[test]
fn a_request_passes_the_cap_and_care_is_put_off_to_the_next_day() {
    let noon = now_at("2026-03-02T12:00:00Z");
    let sent = |n: u128| Sent { id: Uuid::from_u128(n), kind: Kind::Care, at: noon.wall };
    let history = [sent(10), sent(11)];
    let say = |kind| judge(&facts(), &candidate(kind), &history, noon);
    let midnight = local::parse_moment("2026-03-02T23:00:00Z").unwrap();
    assert_eq!(say(Kind::Care), Ruling::Defer(midnight, Wait::DailyCap));
    assert_eq!(say(Kind::Nudge), Ruling::Drop(Refusal::DailyCap));
    assert_eq!(say(Kind::MeasureAgain(Level::U)), Ruling::Send);
    assert_eq!(say(Kind::Notice(Level::U)), Ruling::Send);
}

#[derive(Clone, Debug)]
enum Step {
    Jump(i64),
    Ask { id: u8, kind: Kind, silent: bool },
    Consent(Option<bool>),
    Trust(bool),
    Mute(i64),
}

fn kinds() -> impl Strategy<Value = Kind> {
    let level = prop_oneof![Just(Level::A), Just(Level::U), Just(Level::C)];
    prop_oneof![
        level.clone().prop_map(Kind::Notice),
        level.prop_map(Kind::MeasureAgain),
        Just(Kind::Nudge),
        Just(Kind::Care),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        // Minutes to hours forward, now and then days back: restarts, resets, journeys.
        4 => (0i64..20_000).prop_map(Step::Jump),
        1 => (-400_000i64..400_000).prop_map(Step::Jump),
        8 => (any::<u8>(), kinds(), any::<bool>())
            .prop_map(|(id, kind, silent)| Step::Ask { id, kind, silent }),
        1 => proptest::option::of(proptest::bool::weighted(0.8)).prop_map(Step::Consent),
        1 => proptest::bool::weighted(0.8).prop_map(Step::Trust),
        1 => (0i64..50_000).prop_map(Step::Mute),
    ]
}

/// What must hold of everything that left, whatever happened in between.
fn holds(facts: &Facts, history: &[Sent]) -> Result<(), TestCaseError> {
    let zone = facts.zone.as_ref().unwrap();
    for (place, sent) in history.iter().enumerate() {
        prop_assert!(history.iter().skip(place + 1).all(|other| other.id != sent.id), "a twin");
        let day = local::day(sent.at, zone);
        let same_day = |counts: fn(Kind) -> bool| {
            history.iter().filter(|s| counts(s.kind) && local::day(s.at, zone) == day).count()
        };
        prop_assert!(same_day(Kind::counts) <= usize::from(facts.daily_cap), "the daily cap");
        prop_assert!(same_day(Kind::counts_as_notice) <= NOTICES_A_DAY, "the cap of notices");
        prop_assert!(same_day(|kind| kind == Kind::Nudge) <= 1, "one nudge a day");
        let week = history.iter().filter(|s| {
            let after = s.at.millis() - sent.at.millis();
            s.kind == Kind::Nudge && (0..WEEK_MS).contains(&after)
        });
        prop_assert!(week.count() <= NUDGES_A_WEEK, "three nudges in 168 h");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_sequence_of_events_gets_past_the_governor(
        steps in proptest::collection::vec(steps(), 1..120),
        zone in 0..ZONES.len(),
        quiet in proptest::option::of((0u16..1440, 0u16..1440)),
        cap in 0u8..4,
    ) {
        let mut facts = Facts {
            zone: local::zone(ZONES[zone]), quiet_min: quiet, daily_cap: cap, ..facts()
        };
        let zone = facts.zone.clone().unwrap();
        let mut history: Vec<Sent> = Vec::new();
        let (mut ms, mut trusted) = (1_772_000_000_000i64, true);
        for step in steps {
            match step {
                Step::Jump(seconds) => ms += seconds * 1000,
                Step::Consent(consent) => facts.consent = consent,
                Step::Trust(on) => trusted = on,
                Step::Mute(seconds) => facts.mutes_s.push((ms / 1000, ms / 1000 + seconds)),
                Step::Ask { id, kind, silent } => {
                    let now = now_ms(ms, trusted);
                    let id = Uuid::from_u128(u128::from(id));
                    let expires = now.wall.plus_seconds(80_000);
                    let candidate = Candidate { id, kind, silent, expires };
                    match judge(&facts, &candidate, &history, now) {
                        Ruling::Send => {
                            prop_assert!(trusted && facts.consent == Some(true));
                            let quiet_now = facts.quiet_min.is_some_and(|(from, to)| {
                                from != to && is_quiet((from, to), local::minute(now.wall, &zone))
                            });
                            let muted = facts.mutes_s.iter().any(|m| (m.0..m.1).contains(&(ms / 1000)));
                            prop_assert!(silent || kind.is_critical() || !(quiet_now || muted));
                            history.push(Sent { id, kind, at: now.wall });
                            holds(&facts, &history)?;
                        }
                        Ruling::Defer(until, _) => {
                            prop_assert!(until > now.wall && until < expires);
                        }
                        Ruling::Drop(_) | Ruling::Task(_) => {}
                    }
                }
            }
        }
    }
}
