//! After pairing the person only measures.

use anyhow::{Context, ensure};
use hearth_hardware_tests::virtual_radio::VirtualRadio;
use serde_json::json;

use crate::gateway::{CUFF, Gateway, METER, Member, OXIMETER, SCALE, SOON, off};

/// Waits until everything is in the journal, and what the gateway knows of the clock.
fn collected(gateway: &Gateway, member: Member) -> anyhow::Result<()> {
    gateway.has_all_of(member, SOON)?;
    off(gateway.radio, member.label)
}

pub(crate) fn the_person_only_measures(radio: &VirtualRadio) -> anyhow::Result<()> {
    let gateway = Gateway::running(radio)?;
    for member in [METER, CUFF, SCALE, OXIMETER] {
        gateway.with(member)?;
    }
    // A clock that slipped by ten minutes is set to the place's time and read back.
    radio.order(METER.label, json!({ "order": "clock", "offset_s": 6_600 }))?;
    radio.order(
        METER.label,
        json!({ "order": "measure", "mg_dl": 104, "context": { "meal": 1 } }),
    )?;
    collected(&gateway, METER)?;
    let clock = radio.order(METER.label, json!({ "order": "clock" }))?;
    let written = clock["written"].as_array().context("no list")?;
    ensure!(!written.is_empty(), "the meter's clock was not set: {clock}");
    let known = gateway.device(METER.id)?["radio"].clone();
    ensure!(known["clock_set"] == true, "{known}");
    ensure!(known["clock_after_s"].as_i64().is_some_and(|s| s.abs() <= 2), "{known}");

    for (user, systolic) in [(1, 142), (2, 131)] {
        let measure = json!({ "order": "measure", "systolic": systolic, "diastolic": 88, "pulse": 71, "user": user });
        radio.order(CUFF.label, measure)?;
        collected(&gateway, CUFF)?;
    }
    for (user, kg) in [(1, 81.5), (2, 64.25)] {
        let measure = json!({ "order": "measure", "user": user, "kg": kg, "fat_percent": 24.5, "impedance_ohm": 452 });
        radio.order(SCALE.label, measure)?;
        collected(&gateway, SCALE)?;
    }
    radio.order(OXIMETER.label, json!({ "order": "measure", "saturation": 97, "rate": 64 }))?;
    collected(&gateway, OXIMETER)?;
    // Each slot is its person's.
    for id in [CUFF.id, SCALE.id] {
        for entry in gateway.journal(id)? {
            ensure!(entry.line["patient"].is_string(), "nobody's: {}", entry.line);
        }
    }
    Ok(())
}

pub(crate) fn a_device_that_was_off_comes_back_without_pairing(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    let gateway = Gateway::running(radio)?;
    gateway.with(METER)?;
    let since = radio.next_event(METER.label)?;
    radio.order(METER.label, json!({ "order": "vanish" }))?;
    radio.order(METER.label, json!({ "order": "measure", "mg_dl": 111 }))?;
    collected(&gateway, METER)?;
    let events = radio.order(METER.label, json!({ "order": "events", "since": since }))?;
    let seen = events["events"].to_string();
    ensure!(!seen.contains("pairing_asked"), "{seen}");
    ensure!(seen.contains("\"encrypted\""), "{seen}");
    // The same bond outlives the gateway's own end.
    gateway.stop()?;
    let gateway = Gateway::running(radio)?;
    radio.order(METER.label, json!({ "order": "measure", "mg_dl": 112 }))?;
    collected(&gateway, METER)
}
