//! The virtual radio: a real Bluetooth stack, independent devices, and first of all an independent reader, so that what the
//! devices do is known to be right before a gateway is measured against them.
//!
//! Runs with `HEARTH_RADIO=1` after `hardware-tests/virtual-radio/prepare` (`scripts/radio` does both). One guest, one sequence:
//! each scenario finds the bonds that the ones before it made. `HEARTH_RADIO_ONLY=pair,cuff` leaves the others out.

mod collecting;
mod devices;
mod gateway;
mod pairing;
mod peer;

use std::time::Instant;

use hearth_hardware_tests::virtual_radio::{self, VirtualRadio};

/// A scenario: its name, and what it shows. `Err` tells what was not as it should be.
type Scenario = (&'static str, fn(&VirtualRadio) -> anyhow::Result<()>);

const SCENARIOS: &[Scenario] = &[
    ("scan", devices::a_device_shows_itself_only_when_it_has_something_to_say),
    ("pair", devices::a_meter_pairs_by_its_passkey_and_only_in_pairing_mode),
    ("records", devices::every_record_of_a_meter_arrives_and_only_new_ones_are_asked_for),
    ("vanish", devices::a_transfer_that_broke_off_is_completed_later),
    ("silent", devices::a_device_that_does_not_answer_costs_its_own_connection_only),
    ("together", devices::two_meters_are_read_at_the_same_time),
    ("cuff", devices::a_cuff_forgets_what_was_confirmed_and_nothing_else),
    ("scale", devices::a_scale_tells_each_person_after_consent_only),
    ("oximeter", devices::an_oximeter_pairs_by_comparison),
    ("damaged", devices::damaged_and_oversize_values_arrive_as_they_are),
    ("daemon", devices::a_bond_survives_the_death_of_bluetoothd),
    ("twin", devices::a_hostile_twin_talks_before_it_is_asked),
    ("lost", devices::a_lost_bond_is_refused_and_made_anew),
    ("unasked", pairing::nothing_pairs_without_a_window),
    ("window", pairing::a_window_closes_with_the_right_sentence),
    ("digits", pairing::a_meter_is_paired_by_the_digits_that_it_shows),
    ("compare", pairing::a_comparison_and_just_works_pair_too),
    ("measures", collecting::the_person_only_measures),
    ("returns", collecting::a_device_that_was_off_comes_back_without_pairing),
    ("deaths", collecting::a_thousand_records_survive_two_deaths),
    ("bond", collecting::a_lost_bond_is_told_and_made_anew),
];

#[test]
fn devices_on_the_air() -> anyhow::Result<()> {
    if !virtual_radio::is_wanted() {
        eprintln!("skipped: the virtual radio runs with HEARTH_RADIO=1, or by scripts/radio");
        return Ok(());
    }
    let only = std::env::var("HEARTH_RADIO_ONLY").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|it| !it.is_empty()).collect();
    let radio = VirtualRadio::start(&[])?;
    eprintln!("radio: up in {:.1} s", radio.started_in.as_secs_f32());
    let mut failed = Vec::new();
    for &(name, scenario) in SCENARIOS {
        if !only.is_empty() && !only.contains(&name) {
            continue;
        }
        let started = Instant::now();
        let outcome = scenario(&radio);
        let seconds = started.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => eprintln!("radio: {name} ok, {seconds:.1} s"),
            Err(error) => {
                eprintln!("radio: {name} FAILED after {seconds:.1} s: {error:#}");
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
    Ok(())
}
