#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

const A: Address = Address([0xA0, 0, 0, 0, 0, 1]);
const B: Address = Address([0xB0, 0, 0, 0, 0, 2]);

fn known(address: Address) -> Known {
    Known { address, needs_bond: true, supported: true, hold_ms: 40_000 }
}

/// A watch that scans, with both devices on the roster and bonded.
fn scanning() -> Watch {
    let mut watch = Watch::default();
    watch.on(Event::Roster(vec![known(A), known(B)]), 0);
    assert_eq!(
        watch.on(Event::Up { bonded: vec![A, B], connected: vec![] }, 0),
        [Action::StartScan]
    );
    assert_eq!(watch.on(Event::Scanning(Ok(())), 0), []);
    watch
}

fn heard(address: Address) -> Event {
    Event::Heard(Advert { rssi: Some(-50), ..Advert::of(address) })
}

/// The scan answers and time goes on.
fn rescan(watch: &mut Watch, now: i64) {
    watch.on(Event::Scanning(Ok(())), now);
}

#[test]
fn a_known_device_is_connected_when_it_is_heard_and_the_scan_goes_on_meanwhile() {
    let mut watch = scanning();
    assert_eq!(watch.on(heard(A), 1_000), [Action::StopScan, Action::Open(A)]);
    // The other one waits until the radio is free, then has its turn although it is not heard again.
    assert_eq!(watch.on(heard(B), 1_100), []);
    assert_eq!(watch.on(Event::Opened(A), 2_500), [Action::Open(B)]);
    assert_eq!(watch.on(Event::Opened(B), 3_500), [Action::StartScan]);
    assert_eq!(watch.connected().collect::<Vec<_>>(), [A, B]);
}

#[test]
fn a_device_that_a_dead_gateway_left_connected_is_spoken_with_at_once() {
    let mut watch = Watch::default();
    watch.on(Event::Roster(vec![known(A), known(B)]), 0);
    let up = Event::Up { bonded: vec![A, B], connected: vec![B, Address([7; 6])] };
    assert_eq!(watch.on(up, 0), [Action::Open(B)]);
    assert_eq!(watch.on(Event::Opened(B), 100), [Action::StartScan]);
}

#[test]
fn a_stranger_and_a_device_without_its_bond_are_left_alone() {
    let mut watch = scanning();
    let stranger = Address([1; 6]);
    assert_eq!(watch.on(heard(stranger), 1_000), []);
    watch.on(Event::Bonded(A, false), 1_000);
    assert_eq!(watch.on(heard(A), 2_000), [Action::Tell(A, DeviceState::NotPaired)]);
    assert_eq!(watch.on(heard(A), 3_000), []);
    assert_eq!(watch.near(3_000).count(), 2);
    assert_eq!(watch.near(3_000 + NEAR_MS).count(), 1);
}

#[test]
fn a_device_that_goes_on_advertising_is_on_hold_and_one_that_was_silent_is_not() {
    let mut watch = scanning();
    watch.on(heard(A), 1_000);
    watch.on(Event::Opened(A), 2_000);
    rescan(&mut watch, 2_000);
    watch.on(Event::Closed(A, Ended::Well { values: 3 }), 5_000);
    for second in 5..40 {
        assert_eq!(watch.on(heard(A), second * 1_000), [], "{second}");
    }
    assert_eq!(watch.on(heard(A), 45_000), [Action::StopScan, Action::Open(A)]);
    watch.on(Event::Opened(A), 46_000);
    rescan(&mut watch, 46_000);
    watch.on(Event::Closed(A, Ended::Well { values: 1 }), 47_000);
    // Its session was no silence.
    assert_eq!(watch.on(heard(A), 56_900), []);
    // Silent for ten seconds of listening: it has measured again.
    assert_eq!(watch.on(heard(A), 67_000), [Action::StopScan, Action::Open(A)]);
}

#[test]
fn a_device_with_a_steady_signal_is_heard_again_by_a_scan_started_anew() {
    let mut watch = scanning();
    watch.on(heard(A), 1_000);
    watch.on(Event::Opened(A), 2_000);
    rescan(&mut watch, 2_000);
    watch.on(Event::Closed(A, Ended::Well { values: 1 }), 5_000);
    assert_eq!(watch.on(heard(A), 6_000), []);
    // On hold, and then nothing new is told of it.
    let mut renewed = Vec::new();
    for second in 7..400 {
        // Somebody else keeps the radio from looking deaf.
        let actions = watch.on(heard(Address([9; 6])), second * 1_000);
        if actions == [Action::StopScan, Action::StartScan] {
            rescan(&mut watch, second * 1_000);
            renewed.push(second);
        }
    }
    assert_eq!(renewed.first(), Some(&45));
    // It has left: after a while nobody asks for it any more.
    assert!(renewed.last().is_some_and(|last| *last < 140), "{renewed:?}");
}

#[test]
fn sessions_without_news_make_the_hold_longer_up_to_a_quarter_of_an_hour() {
    let mut watch = scanning();
    let mut now = 1_000;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let began = now;
        // It is heard every second and never falls silent.
        while watch.on(heard(A), now).is_empty() {
            now += 1_000;
        }
        pauses.push((now - began) / 1_000);
        watch.on(Event::Opened(A), now);
        rescan(&mut watch, now);
        watch.on(Event::Closed(A, Ended::Well { values: 0 }), now);
        now += 1_000;
    }
    assert_eq!(pauses, [0, 39, 79, 159, 319, 639, 899, 899]);
}

#[test]
fn refusals_of_a_bonded_device_that_is_heard_mean_a_lost_bond() {
    let mut watch = scanning();
    let mut now = 1_000;
    let mut told = Vec::new();
    for _ in 0..4 {
        while !watch.on(heard(A), now).contains(&Action::Open(A)) {
            rescan(&mut watch, now);
            now += 500;
        }
        let after = watch.on(Event::Closed(A, Ended::Badly(Fault::NotConnected)), now);
        rescan(&mut watch, now);
        told.extend(after.into_iter().filter(|a| matches!(a, Action::Tell(..))));
    }
    assert_eq!(told, [Action::Tell(A, DeviceState::BondLost)]);
    // It is not tormented meanwhile, not even after it was silent.
    assert_eq!(watch.on(heard(A), now + 60_000), []);
    // A new bond ends that at once.
    assert!(watch.on(Event::Bonded(A, true), now + 61_000).contains(&Action::Open(A)));
    let well = watch.on(Event::Closed(A, Ended::Well { values: 1 }), now + 70_000);
    assert!(well.contains(&Action::Tell(A, DeviceState::Ok)));
}

#[test]
fn one_device_that_fails_for_ever_does_not_starve_another() {
    let mut watch = scanning();
    let mut opened = 0;
    for step in 0..2_000 {
        let now = step * 100;
        watch.on(heard(A), now);
        let actions = watch.on(heard(B), now);
        for action in actions {
            if let Action::Open(B) = action {
                opened += 1;
            }
        }
        if watch.opening == Some(A) {
            watch.on(Event::Closed(A, Ended::Badly(Fault::Timeout("connecting"))), now);
        }
        if watch.opening == Some(B) {
            opened += 1;
            watch.on(Event::Opened(B), now);
            watch.on(Event::Closed(B, Ended::Well { values: 1 }), now);
        }
        rescan(&mut watch, now);
    }
    assert!(opened >= 4, "{opened} sessions of the healthy device in 200 s");
}

#[test]
fn silence_of_everybody_climbs_the_rungs_once_and_is_then_taken_for_a_quiet_home() {
    let mut watch = scanning();
    watch.on(heard(Address([9; 6])), 0);
    let mut seen = Vec::new();
    for second in 1..2_000 {
        let now = second * 1_000;
        for action in watch.on(Event::Tick, now) {
            match action {
                Action::StartScan => rescan(&mut watch, now),
                action => seen.push((second, action)),
            }
        }
    }
    let quiet = [780, 1_380, 1_980].map(|second| (second, Action::StopScan));
    let mut expected =
        vec![(90, Action::StopScan), (120, Action::ResetAdapter), (150, Action::RestartService)];
    expected.extend(quiet);
    assert_eq!(seen, expected);
    // The first voice ends it.
    watch.on(heard(Address([9; 6])), 2_000_000);
    assert!(!watch.quiet);
}

#[test]
fn a_service_that_does_not_answer_is_restarted_after_a_while_and_again_after_a_minute() {
    let mut watch = scanning();
    let mut restarts = Vec::new();
    for second in 0..100 {
        let now = second * 1_000;
        let mut actions = watch.on(Event::Down(Fault::DaemonFrozen), now);
        actions.extend(watch.on(Event::Tick, now));
        restarts.extend(actions.iter().filter(|a| **a == Action::RestartService).map(|_| second));
        assert!(!actions.contains(&Action::StartScan));
    }
    assert_eq!(restarts, [20, 80]);
    assert_eq!(watch.fault().unwrap().0.code(), "bluetoothd_frozen");
    assert_eq!(
        watch.on(Event::Up { bonded: vec![A], connected: vec![] }, 100_000),
        [Action::StartScan]
    );
    assert_eq!(watch.fault(), None);
}

#[test]
fn a_window_lets_nobody_else_in_and_scanning_goes_on() {
    let mut watch = scanning();
    watch.on(Event::Window(Window::Open), 500);
    assert_eq!(watch.on(heard(A), 1_000), []);
    assert!(watch.is_scanning());
    assert_eq!(watch.on(Event::Window(Window::Busy), 1_200), [Action::StopScan]);
    assert_eq!(watch.on(Event::Tick, 1_300), []);
    assert_eq!(watch.on(Event::Window(Window::Open), 1_400), [Action::StartScan]);
    rescan(&mut watch, 1_450);
    assert_eq!(watch.on(Event::Window(Window::Closed), 1_500), [Action::StopScan, Action::Open(A)]);
}

#[test]
fn what_is_heard_stays_bounded() {
    let mut watch = scanning();
    for n in 0..2_000_u32 {
        let [_, b, c, d] = n.to_be_bytes();
        watch.on(heard(Address([1, 1, 1, b, c, d])), i64::from(n));
    }
    assert_eq!(watch.near(2_000).count(), HEARD_MAX);
}
