//! What the radio knows, as people say it.

use crate::radio::air::Fault;

/// A stretch of seconds: `2 min 10 s`, `3 h 5 min`, `12 d`.
pub(super) fn stretch(seconds: u64) -> String {
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60, seconds % 60);
    match (days, hours, minutes, rest) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, 0) => format!("{m} min"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, 0, _) => format!("{h} h"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, 0, ..) => format!("{d} d"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

/// How far a clock is off; `behind_s`: seconds it is behind ours.
pub(super) fn off(behind_s: i64) -> String {
    match behind_s {
        0 => "exact".to_owned(),
        s if s > 0 => format!("{} behind", stretch(s.unsigned_abs())),
        s => format!("{} ahead", stretch(s.unsigned_abs())),
    }
}

/// So many things: `1 record`, `12 records`.
pub(super) fn count(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// The fault with this code: what happened and what to do next, as the radio itself says it.
pub(super) fn fault(code: &str) -> Option<Fault> {
    [
        Fault::AdapterOff,
        Fault::Blocked(false),
        Fault::NoDaemon,
        Fault::DaemonFrozen,
        Fault::NoBus,
        Fault::NotPermitted,
        Fault::NotHeard,
        Fault::NotConnected,
        Fault::BondLost,
        Fault::NotEncrypted,
        Fault::PairingNeeded,
        Fault::WrongPasskey,
        Fault::PairingRefused,
        Fault::PairingTimeout,
        Fault::BondedElsewhere,
        Fault::Disconnected,
        Fault::Busy,
    ]
    .into_iter()
    .find(|fault| fault.code() == code)
}

/// The state of a device as one plain sentence.
pub(super) fn state(word: &str) -> String {
    match word {
        "ok" => "At its last meeting all was well.".to_owned(),
        "new" => "The radio has not met it yet.".to_owned(),
        "out_of_range" => "It is out of reach, or asleep.".to_owned(),
        "unreachable" => "It is heard, but does not let itself be connected.".to_owned(),
        "not_paired" => "It is listed, but not paired.".to_owned(),
        code => match fault(code) {
            Some(fault) => fault.sentence(),
            None => format!("The last session failed: {}.", code.replace('_', " ")),
        },
    }
}

/// What to do about the state of a device, where somebody must do something.
pub(super) fn next(word: &str) -> Option<&'static str> {
    match word {
        "ok" | "new" | "out_of_range" => None,
        "unreachable" => Some(Fault::NotConnected.next()),
        "not_paired" => Some(Fault::PairingNeeded.next()),
        code => {
            Some(fault(code).map_or("Look for the reason: hearth devices doctor.", |f| f.next()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, words) in [
            (0, "0 s"),
            (130, "2 min 10 s"),
            (120, "2 min"),
            (3_700, "1 h 1 min"),
            (7_200, "2 h"),
            (90_000, "1 d 1 h"),
            (172_800, "2 d"),
        ] {
            assert_eq!(stretch(seconds), words);
        }
        assert_eq!([off(130), off(-1), off(0)], ["2 min 10 s behind", "1 s ahead", "exact"]);
    }

    #[test]
    fn a_state_that_a_person_must_mend_says_how() {
        assert!(state("bond_lost").contains("no longer knows this gateway"));
        assert!(next("bond_lost").is_some_and(|step| step.contains("hearth devices pair")));
        assert_eq!((next("ok"), next("out_of_range")), (None, None));
        assert_eq!(state("att_error"), "The last session failed: att error.");
    }
}
