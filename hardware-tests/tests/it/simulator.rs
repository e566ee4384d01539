//! The simulator over many seeds, and that it would notice.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_hardware_tests::simulator::{Life, Planted, live};

/// Lives through these seeds on two threads; all numbers added up, or the first violation.
fn live_all(seeds: Range<u64>) -> Result<Life, String> {
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Life::default());
    let violations = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || !violations.lock().unwrap().is_empty() {
                        return;
                    }
                    match live(seed, None, None) {
                        Ok(life) => sum.lock().unwrap().add(&life),
                        Err(violation) => violations.lock().unwrap().push(violation.to_string()),
                    }
                }
            });
        }
    });
    match violations.into_inner().unwrap().first() {
        Some(violation) => Err(violation.clone()),
        None => Ok(sum.into_inner().unwrap()),
    }
}

/// Seeds of an ordinary test run; `HEARTH_SEEDS=N` sets another number. CI lives through ten thousand with
/// `hearth-simulate` as an optimised program.
fn seeds() -> u64 {
    std::env::var("HEARTH_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000)
}

#[test]
fn no_seed_violates_what_must_hold() {
    let started = std::time::Instant::now();
    let seeds = seeds();
    let life = live_all(0..seeds).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{seeds} seeds in {:.1} s: {life:?}", started.elapsed().as_secs_f64());
    // A world in which nothing happens proves nothing.
    assert!(life.acknowledged > 20 * seeds, "{life:?}");
    assert!(life.prompts > seeds, "{life:?}");
    assert!(life.faults > 4 * seeds, "{life:?}");
    assert!(life.crashes > seeds, "{life:?}");
}

#[test]
fn the_same_seed_is_the_same_life_bit_for_bit() {
    let mut digests = Vec::new();
    for seed in [0, 7, 4711] {
        let mut lines = Vec::new();
        let first = live(seed, None, Some(&mut lines)).unwrap();
        let mut again = Vec::new();
        let second = live(seed, None, Some(&mut again)).unwrap();
        assert_eq!(first, second);
        assert_eq!(lines, again);
        assert!(lines.len() > 2_000, "seed {seed} says only {} octets", lines.len());
        digests.push(first.digest);
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 3, "different seeds are different lives");
}

#[test]
fn a_planted_bug_is_found_within_a_few_seeds() {
    let check = |planted, seeds: Range<u64>, word: &str| {
        let found = seeds.clone().find_map(|seed| live(seed, Some(planted), None).err());
        let violation = found.unwrap_or_else(|| panic!("{planted:?} was not found in {seeds:?}"));
        assert!(violation.what.contains(word), "{planted:?} shows as: {violation}");
        assert!(!violation.trace.is_empty());
        // With the safeguard back in its place the same seed ends well.
        let healthy = live(violation.seed, None, None);
        assert!(healthy.is_ok(), "{}", healthy.unwrap_err());
        println!("{planted:?}: seed {} shows it: {}", violation.seed, violation.what);
    };
    check(Planted::AcknowledgesBeforeCommit, 0..120, "it is lost");
    check(Planted::ForgetsAtPuback, 0..120, "not drained");
    check(Planted::TrustsAnyClock, 0..120, "the clock was not set");
    check(Planted::ConsumerBooksTwice, 0..120, "were booked as");
}
