//! The list of drivers, and what holds for all of them whatever a device does. What each says is
//! tested by the transcripts in `hardware-tests`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::radio::air::{Properties, sig};
use crate::radio::profile::Profiles;

#[test]
fn no_two_own_drivers_claim_one_profile() {
    let ids: BTreeSet<&str> = OWN.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), OWN.len());
    let profiles = Profiles::built_in();
    for id in ids {
        let profile = profiles.named(id).unwrap_or_else(|| panic!("{id} has no profile"));
        assert!(has_own(profile));
    }
}

/// What a device does in a test.
#[derive(Clone, Debug)]
enum Act {
    /// Answers the oldest step that waits, with octets or with an error.
    Answer(Result<Vec<u8>, Fault>),
    /// Sends octets from a place it has.
    Send(Index, Vec<u8>),
    Timer,
    Close,
}

const SHORT: [(u16, &[u16]); 12] = [
    (0x1805, &[0x2A2B]),
    (0x1808, &[0x2A18, 0x2A34, 0x2A51, 0x2A52, 0x2A08]),
    (0x1809, &[0x2A1C, 0x2A1D]),
    (0x180A, &[0x2A24, 0x2A25, 0x2A26, 0x2A29]),
    (0x180D, &[0x2A37, 0x2A38]),
    (0x180F, &[0x2A19]),
    (0x1810, &[0x2A35, 0x2A49, 0x2B34, 0x2B36, 0x2A52]),
    (0x181B, &[0x2A9B, 0x2A9C]),
    (0x181C, &[0x2A80, 0x2A99, 0x2A9F]),
    (0x181D, &[0x2A9D, 0x2A9E, 0x2A08]),
    (0x181F, &[0x2AA7, 0x2AA8, 0x2AAA, 0x2A52]),
    (0x1822, &[0x2A5E, 0x2A5F, 0x2A60, 0x2A52]),
];

fn services() -> impl Strategy<Value = Services> {
    let one = prop::collection::vec(any::<(bool, bool, bool, bool)>(), 5);
    prop::collection::vec((any::<bool>(), one), SHORT.len()).prop_map(|chosen| {
        let mut services = Services::new();
        for ((service, characteristics), (there, properties)) in SHORT.iter().zip(chosen) {
            for (characteristic, (read, write, notify, indicate)) in
                characteristics.iter().zip(properties).filter(|_| there)
            {
                let properties =
                    Properties { read, write, write_without_response: !write, notify, indicate };
                services.insert(Place::sig(*service, *characteristic), properties);
            }
        }
        services
    })
}

/// Octets that drivers listen to, and any others.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        &[5, 0, 2, 0],
        &[5, 0, 0, 0],
        &[6, 0, 4, 10],
        &[6, 0, 4, 2],
        &[6, 0, 1, 1],
        &[6, 0, 1, 6],
        &[6, 0, 1, 8],
        &[6, 0, 3, 1],
        &[0x20, 1, 1, 2],
        &[0x20, 2, 1],
        &[0x20, 2, 5],
        &[2, 9, 0, 0xEA, 7, 5, 12, 18, 0, 0, 90, 0xB0, 0x11],
        &[2, 0xFF, 0xFF, 0xEA, 7, 5, 12, 18, 0, 0, 90, 0xB0, 0x11],
        &[0xEA, 7, 5, 12, 18, 0, 0],
        &[0xEA, 7, 5, 12, 18, 0, 0, 2, 0, 0],
        &[0x51, 0x2B, 1, 0, 0, 0, 0xA5, 0x22],
    ];
    let known = select(known).prop_map(<[u8]>::to_vec);
    prop_oneof![4 => known, 1 => prop::collection::vec(any::<u8>(), 0..24)]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let fault = select(vec![
        Fault::Att(0x02),
        Fault::Att(0x05),
        Fault::Att(0x81),
        Fault::Att(0xFE),
        Fault::Timeout("answer"),
        Fault::Disconnected,
    ]);
    let act = prop_oneof![
        8 => octets().prop_map(|octets| Act::Answer(Ok(octets))),
        1 => fault.prop_map(|fault| Act::Answer(Err(fault))),
        6 => (any::<Index>(), octets()).prop_map(|(at, octets)| Act::Send(at, octets)),
        3 => Just(Act::Timer),
        1 => Just(Act::Close),
    ];
    prop::collection::vec(act, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever a device does: no panic, one end and nothing after it, no deletion, no serial number,
    /// nothing asked of a place that is not there, and a clock set only while ours is trusted.
    #[test]
    fn a_driver_keeps_its_manners_with_any_device(
        services in services(),
        which in any::<Index>(),
        acts in acts(),
        cursor in any::<Option<u16>>(),
        (trusted, pairing, register) in any::<(bool, bool, Option<u16>)>(),
    ) {
        static PROFILES: LazyLock<Profiles> = LazyLock::new(Profiles::built_in);
        let all: Vec<&Profile> = PROFILES.iter().collect();
        let profile = which.get(&all);
        let now = Moment { utc_ms: 0, local_s: 1_778_611_800, trusted };
        let consents = vec![(1, 1234), (2, 4321)];
        let cursor_base_s = cursor.map(|_| now.local_s);
        let briefing = Briefing { cursor, cursor_base_s, consents, register, pairing };
        let mut driver = for_profile(profile, briefing);
        let places: Vec<Place> = services.keys().copied().collect();
        let mut waiting = std::collections::VecDeque::new();
        let mut ends = 0;
        let mut steps = driver.on(Event::Opened(&services), now);
        for act in acts.iter().chain([&Act::Close, &Act::Timer]) {
            for step in &steps {
                prop_assert!(ends == 0, "{step:?} after the end");
                match step {
                    Step::Done(_) => ends += 1,
                    Step::Write { place, octets, .. } => {
                        let control = place.characteristic == sig(0x2A52);
                        prop_assert!(!control || octets.first() != Some(&2), "deletes");
                        let clock = [sig(0x2A2B), sig(0x2A08)].contains(&place.characteristic);
                        prop_assert!(trusted || !clock, "sets a clock by one that is not trusted");
                    }
                    Step::Read(place) => prop_assert!(place.characteristic != sig(0x2A25)),
                    _ => {}
                }
                if let Step::Read(place) | Step::Subscribe(place) | Step::Write { place, .. } = step {
                    prop_assert!(services.contains_key(place), "{place:?} is not there");
                    waiting.push_back(step.clone());
                }
            }
            steps = match act {
                Act::Answer(result) => {
                    let octets = result.as_ref().map(Vec::as_slice).map_err(Clone::clone);
                    let done = result.as_ref().map(|_| ()).map_err(Clone::clone);
                    match waiting.pop_front() {
                        Some(Step::Read(place)) => {
                            driver.on(Event::Read { place, result: octets }, now)
                        }
                        Some(Step::Subscribe(place)) => {
                            driver.on(Event::Subscribed { place, result: done }, now)
                        }
                        Some(Step::Write { place, .. }) => {
                            driver.on(Event::Written { place, result: done }, now)
                        }
                        _ => Vec::new(),
                    }
                }
                Act::Send(at, octets) if !places.is_empty() => {
                    driver.on(Event::Value { place: *at.get(&places), octets }, now)
                }
                Act::Send(..) => Vec::new(),
                Act::Timer => driver.on(Event::Timer, now),
                Act::Close => driver.on(Event::Closed, now),
            };
        }
        prop_assert!(steps.is_empty(), "{steps:?} after the end");
        prop_assert_eq!(ends, 1);
    }
}
