//! Whose device it was when the reading was taken. A guess is never made: what is not certain waits
//! in the claim tray.

use hearth_shared::time::UnixMillis;

use super::decode::Slot;
use crate::store::attribution::Method;
use crate::store::device::Owner;

/// Whose a reading is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Certain.
    Owner {
        /// Patient id.
        patient: String,
        /// How it was found.
        method: Method,
    },
    /// Not certain: it may be any of these, or nobody's.
    Unclaimed {
        /// Patients with any part in the device at that time, by id.
        candidates: Vec<String>,
    },
}

/// Decides by the owners of the device, the slot it named and the time of measurement.
pub fn decide(owners: &[Owner], slot: Slot, measured: UnixMillis) -> Decision {
    let then = |o: &&Owner| o.from <= measured && o.to.is_none_or(|to| measured < to);
    let candidates = distinct(owners.iter().filter(then));
    let whole = distinct(owners.iter().filter(then).filter(|o| o.slot.is_none()));
    match slot {
        // The device says that it does not know who it was: a guest, or somebody of the house.
        Slot::Unknown => {}
        Slot::Known(slot) => {
            let mapped = distinct(owners.iter().filter(then).filter(|o| o.slot == Some(slot.0)));
            match (mapped.as_slice(), whole.as_slice()) {
                ([patient], _) => return owner(patient, Method::UserSlot),
                // The whole device is one person's and no slot is anybody else's.
                ([], [patient]) if candidates.len() == 1 => {
                    return owner(patient, Method::SoleOwner);
                }
                _ => {}
            }
        }
        Slot::Unsaid => {
            if let [patient] = candidates.as_slice() {
                return owner(patient, Method::SoleOwner);
            }
        }
    }
    Decision::Unclaimed { candidates }
}

/// The device has several people at that time: a scale asks "is it yours?" where a weight is off.
pub fn is_shared(owners: &[Owner], measured: UnixMillis) -> bool {
    let then = |o: &&Owner| o.from <= measured && o.to.is_none_or(|to| measured < to);
    distinct(owners.iter().filter(then)).len() > 1
}

fn owner(patient: &str, method: Method) -> Decision {
    Decision::Owner { patient: patient.to_owned(), method }
}

fn distinct<'a>(owners: impl Iterator<Item = &'a Owner>) -> Vec<String> {
    let mut patients: Vec<String> = owners.map(|o| o.patient.clone()).collect();
    patients.sort_unstable();
    patients.dedup();
    patients
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use hearth_shared::device::UserSlot;

    use super::*;

    fn own(slot: Option<u8>, patient: &str, from_s: i64, to_s: Option<i64>) -> Owner {
        Owner {
            device: "scale".into(),
            slot,
            patient: patient.into(),
            from: UnixMillis::from_seconds(from_s),
            to: to_s.map(UnixMillis::from_seconds),
        }
    }

    fn check(owners: &[Owner], slot: Slot, at_s: i64, expected: &str) {
        let text = match decide(owners, slot, UnixMillis::from_seconds(at_s)) {
            Decision::Owner { patient, method } => format!("{patient} {}", method.as_str()),
            Decision::Unclaimed { candidates } => format!("? {}", candidates.join(",")),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn the_owner_at_the_time_of_measurement_counts() {
        let owners = [own(None, "anna", 0, Some(100)), own(None, "ben", 100, None)];
        check(&owners, Slot::Unsaid, 99, "anna sole_owner");
        check(&owners, Slot::Unsaid, 100, "ben sole_owner");
        check(&owners, Slot::Unsaid, -1, "? ");
        check(&[], Slot::Unsaid, 5, "? ");
    }

    #[test]
    fn slots_tell_people_apart_and_what_they_do_not_say_is_not_guessed() {
        let owners = [own(Some(1), "anna", 0, None), own(Some(2), "ben", 0, None)];
        check(&owners, Slot::Known(UserSlot(1)), 5, "anna user_slot");
        check(&owners, Slot::Known(UserSlot(2)), 5, "ben user_slot");
        check(&owners, Slot::Known(UserSlot(3)), 5, "? anna,ben");
        check(&owners, Slot::Unknown, 5, "? anna,ben");
        check(&owners, Slot::Unsaid, 5, "? anna,ben");
    }

    #[test]
    fn a_device_of_one_person_is_theirs_whatever_slot_it_used_but_not_a_guests() {
        let owners = [own(None, "anna", 0, None)];
        check(&owners, Slot::Known(UserSlot(2)), 5, "anna sole_owner");
        check(&owners, Slot::Unknown, 5, "? anna");
        check(&[own(Some(1), "anna", 0, None)], Slot::Unsaid, 5, "anna sole_owner");
        check(&[own(Some(1), "anna", 0, None)], Slot::Known(UserSlot(2)), 5, "? anna");
        let two = [own(None, "anna", 0, None), own(None, "ben", 0, None)];
        check(&two, Slot::Unsaid, 5, "? anna,ben");
        assert!(is_shared(&two, UnixMillis::from_seconds(5)));
        let mixed = [own(None, "anna", 0, None), own(Some(2), "ben", 0, None)];
        check(&mixed, Slot::Known(UserSlot(2)), 5, "ben user_slot");
        check(&mixed, Slot::Known(UserSlot(1)), 5, "? anna,ben");
    }
}
