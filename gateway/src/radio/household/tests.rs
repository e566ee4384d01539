#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::clock::BootId;

fn now(second: i64) -> Now {
    Now {
        wall: UnixMillis::from_seconds(second),
        monotonic_ms: 5,
        boot: BootId([7; 16]),
        trusted: true,
    }
}

fn event(line: &str) -> RadioEvent {
    understood(line).unwrap()
}

fn greeted() -> Household {
    let mut household = Household::default();
    household.on(event(r#"{"event":"hello","version":1,"now_ms":1000}"#), now(1)).unwrap();
    household
}

const CONNECTED: &str =
    r#"{"event":"connected","address":"AA","connection":3,"encrypted":true,"device_clock_s":940}"#;
const VALUE: &str = r#"{"event":"value","address":"AA","connection":3,"position":1,"characteristic":"2A18","hex":"0bFF"}"#;

#[test]
fn a_value_becomes_an_arrival_with_what_is_known_of_its_connection() {
    let mut household = greeted();
    household.on(event(CONNECTED), now(1000)).unwrap();
    household.named(3, "meter-1".into());
    let Action::Arrive(arrival) = household.on(event(VALUE), now(1010)).unwrap() else {
        panic!("no arrival")
    };
    assert_eq!(arrival.device, "meter-1");
    assert_eq!(arrival.payload, Payload::Gatt { characteristic: 0x2A18, octets: vec![0x0B, 0xFF] });
    assert_eq!(arrival.received, now(1010));
    assert_eq!((arrival.connection, arrival.position), (3, 1));
    assert_eq!(arrival.clock_offset_s, Some(60));
    assert_eq!(arrival.link.encrypted, Some(true));
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence_and_changes_nothing() {
    let mut fresh = Household::default();
    assert!(fresh.on(event(CONNECTED), now(1)).unwrap_err().contains("hello"));
    let hello = r#"{"event":"hello","version":9,"now_ms":1000}"#;
    assert!(fresh.on(event(hello), now(1)).unwrap_err().contains("version 9"));

    let mut household = greeted();
    assert!(household.on(event(VALUE), now(1)).unwrap_err().contains("never announced"));
    household.on(event(CONNECTED), now(1)).unwrap();
    for (from, to, sentence) in [
        ("AA", "BB", "belongs to AA, not to BB"),
        ("2A18", "2A1", "four hex digits"),
        ("2A18", "+A18", "four hex digits"),
        ("0bFF", "0bF", "even number"),
        ("0bFF", "0bé", "even number"),
    ] {
        let line = VALUE.replace(from, to);
        let reason = household.on(event(&line), now(1));
        assert!(reason.clone().is_err_and(|r| r.contains(sentence)), "{line}: {reason:?}");
    }
    household.on(event(VALUE), now(1)).unwrap();
    assert!(understood("{\"event\":\"hello\"").is_err());
    assert!(understood(r#"{"event":"time","now_ms":1,"extra":2}"#).is_err());
}

#[test]
fn connections_are_bounded_and_end() {
    let mut household = greeted();
    for n in 0..CONNECTIONS_MAX {
        let line = CONNECTED.replace("\"connection\":3", &format!("\"connection\":{n}"));
        household.on(event(&line), now(1)).unwrap();
    }
    let more = CONNECTED.replace("\"connection\":3", "\"connection\":9999");
    assert!(household.on(event(&more), now(1)).unwrap_err().contains("no more fit"));
    let gone = r#"{"event":"disconnected","address":"AA","connection":3}"#;
    assert_eq!(household.on(event(gone), now(1)), Ok(Action::Nothing));
    assert!(household.on(event(VALUE), now(1)).is_err());
    household.on(event(&more), now(1)).unwrap();
}

#[test]
fn a_household_drives_the_clock_and_lets_it_go() {
    let mut household = greeted();
    let time = event(r#"{"event":"time","now_ms":5000}"#);
    assert_eq!(household.on(time, now(1)), Ok(Action::Advance(UnixMillis::from_millis(5000))));
    assert_eq!(household.on(event(r#"{"event":"bye"}"#), now(1)), Ok(Action::Release));
}
