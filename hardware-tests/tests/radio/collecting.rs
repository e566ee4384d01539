//! After pairing the person only measures.

use std::time::Instant;

use anyhow::{Context, ensure};
use hearth_hardware_tests::virtual_radio::VirtualRadio;
use serde_json::json;

use crate::gateway::{CUFF, Gateway, METER, Member, OXIMETER, SCALE, SOON, off, until};

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

/// Waits until so many records of the meter are in the journal, or more.
fn has_some(gateway: &Gateway, least: usize) -> anyhow::Result<()> {
    until("in the middle", SOON, || Ok((gateway.observed(METER.id)?.len() >= least).then_some(())))
}

pub(crate) fn a_thousand_records_survive_two_deaths(radio: &VirtualRadio) -> anyhow::Result<()> {
    let gateway = Gateway::running(radio)?;
    gateway.with(METER)?;
    let before = gateway.observed(METER.id)?.len();
    radio.order(METER.label, json!({ "order": "set", "pace_ms": 20 }))?;
    radio.order(METER.label, json!({ "order": "fill", "count": 1000 }))?;
    radio.order(METER.label, json!({ "order": "on", "seconds": 900 }))?;
    // The gateway dies in the middle of the transfer, then bluetoothd does in the next one.
    has_some(&gateway, before + 200)?;
    gateway.kill()?;
    let gateway = Gateway::running(radio)?;
    has_some(&gateway, before + 500)?;
    let pid = gateway.pid()?;
    radio.run("kill -9 $(cat /run/bluetoothd.pid)")?;
    let died = Instant::now();
    until("back", SOON, || Ok(radio.is_powered()?.then_some(())))?;
    gateway.wait_until_up(SOON)?;
    eprintln!("radio: back {:.1} s after bluetoothd died", died.elapsed().as_secs_f32());
    let count = gateway.has_all_of(METER, SOON * 3)?;
    ensure!(count >= before + 1000, "{count} records");
    ensure!(gateway.pid()? == pid, "the gateway is another process");
    radio.order(METER.label, json!({ "order": "set", "pace_ms": 4 }))?;
    off(radio, METER.label)
}

pub(crate) fn a_lost_bond_is_told_and_made_anew(radio: &VirtualRadio) -> anyhow::Result<()> {
    let gateway = Gateway::running(radio)?;
    gateway.with(METER)?;
    radio.order(METER.label, json!({ "order": "forget" }))?;
    radio.order(METER.label, json!({ "order": "measure", "mg_dl": 120 }))?;
    radio.order(METER.label, json!({ "order": "on", "seconds": 300 }))?;
    gateway.waits_for_state(METER.id, "bond_lost")?;
    off(radio, METER.label)?;
    radio.order(METER.label, json!({ "order": "on", "pairing": true }))?;
    let said = gateway.does(&format!("devices pair {} --passkey 271828", METER.address))?;
    ensure!(said.contains("is paired"), "{said}");
    gateway.has_all_of(METER, SOON)?;
    off(radio, METER.label)
}
