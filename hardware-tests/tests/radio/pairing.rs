//! Pairing, as a person meets it: digits, comparison, Just Works, and every way in which it fails.

use anyhow::ensure;
use hearth_hardware_tests::virtual_radio::{Ran, VirtualRadio};
use serde_json::json;

use crate::gateway::{CUFF, Gateway, METER, OXIMETER, SCALE, Typed, made, off};

/// It failed, with this code and sentence.
fn failed(ran: &Ran, code: &str, sentence: &str) -> anyhow::Result<()> {
    ensure!(ran.status == 1, "exit status {}: {}", ran.status, ran.output);
    ensure!(ran.output.contains(&format!("error[{code}]")), "not {code}: {}", ran.output);
    ensure!(ran.output.contains(sentence), "not \"{sentence}\": {}", ran.output);
    ensure!(ran.output.contains("next: "), "no next step: {}", ran.output);
    Ok(())
}

pub(crate) fn nothing_pairs_without_a_window(radio: &VirtualRadio) -> anyhow::Result<()> {
    let gateway = Gateway::running(radio)?;
    made(radio, METER)?;
    radio.order(METER.label, json!({ "order": "on", "pairing": true }))?;
    let seen = gateway.does("devices scan --seconds 20 --json")?;
    ensure!(seen.contains(METER.address), "the meter was not heard: {seen}");
    let described = radio.order(METER.label, json!({ "order": "describe" }))?;
    ensure!(described["bonds"] == 0, "it paired by itself");
    // A device that asks for pairing by itself, as a stranger could: it is listed, connected, and refused.
    let since = radio.next_event(METER.label)?;
    let path = format!("/org/bluez/hci0/dev_{}", METER.address.replace(':', "_"));
    let asked = radio.run(&format!(
        "dbus-send --system --print-reply --reply-timeout=20000 --dest=org.bluez {path} org.bluez.Device1.Pair"
    ))?;
    ensure!(asked.status != 0, "somebody else's pairing was carried out: {}", asked.output);
    let described = radio.order(METER.label, json!({ "order": "describe" }))?;
    ensure!(described["bonds"] == 0, "it was paired without a window");
    radio.wait_for(METER.label, "connected", (since, 1))?;
    off(radio, METER.label)
}

pub(crate) fn a_window_closes_with_the_right_sentence(radio: &VirtualRadio) -> anyhow::Result<()> {
    let gateway = Gateway::running(radio)?;
    made(radio, METER)?;
    off(radio, METER.label)?;
    let address = METER.address;
    // Nobody there.
    let ran = gateway.run("devices pair 00:A0:50:00:0F:0F --seconds 10")?;
    failed(&ran, "not_heard", "The device was not heard.")?;
    // Closed by the person, from another terminal.
    let typed = Typed::start(&gateway, &format!("devices pair {address} --seconds 60"))?;
    typed.says("window is open")?;
    gateway.does("devices pair --cancel")?;
    failed(&typed.ends()?, "window_closed", "No pairing window is open.")?;
    // Outside pairing mode.
    radio.order(METER.label, json!({ "order": "on" }))?;
    let ran = gateway.run(&format!("devices pair {address} --passkey 111111"))?;
    failed(&ran, "bonded_elsewhere", "The device does not want to be paired")
        .or_else(|_| failed(&ran, "pairing_refused", "Pairing was refused."))?;
    off(radio, METER.label)
}

pub(crate) fn a_meter_is_paired_by_the_digits_that_it_shows(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    let gateway = Gateway::running(radio)?;
    made(radio, METER)?;
    let address = METER.address;
    radio.order(METER.label, json!({ "order": "set", "passkey": 271_828 }))?;
    radio.order(METER.label, json!({ "order": "on", "pairing": true }))?;
    let ran = gateway.run(&format!("devices pair {address} --passkey 314159"))?;
    failed(&ran, "wrong_passkey", "The six digits did not fit.")?;
    // Digits that the device makes up, typed when they are asked for.
    radio.order(METER.label, json!({ "order": "set", "passkey": null }))?;
    radio.order(METER.label, json!({ "order": "fill", "count": 20 }))?;
    let since = radio.next_event(METER.label)?;
    radio.order(METER.label, json!({ "order": "on", "pairing": true }))?;
    let typed =
        Typed::start(&gateway, &format!("devices pair {address} --as {} --patient p1", METER.id))?;
    let shown = radio.wait_for(METER.label, "displayed", (since, 1))?;
    typed.says("digits")?;
    typed.types(&format!("{:06}", shown[0]["passkey"].as_u64().unwrap_or_default()))?;
    let ran = typed.ends()?;
    ensure!(ran.status == 0, "{}", ran.output);
    let paired = radio.wait_for(METER.label, "paired", (since, 1))?;
    ensure!(paired[0]["authenticated"] == true, "{paired:?}");
    gateway.has_all_of(METER, crate::gateway::SOON)?;
    let device = gateway.device(METER.id)?;
    let bond = &device["radio"];
    ensure!(bond["bonded"] == true && bond["authenticated"] == true, "{bond}");
    ensure!(bond["secure_connections"] == true && bond["key_octets"] == 16, "{bond}");
    ensure!(device["completeness"]["verdict"] == "complete", "{device}");
    off(radio, METER.label)
}

pub(crate) fn a_comparison_and_just_works_pair_too(radio: &VirtualRadio) -> anyhow::Result<()> {
    let gateway = Gateway::running(radio)?;
    // Digits on both sides: the person says no, then yes.
    made(radio, OXIMETER)?;
    radio.order(OXIMETER.label, json!({ "order": "on", "pairing": true }))?;
    let words = format!("devices pair {} --as {}", OXIMETER.address, OXIMETER.id);
    let typed = Typed::start(&gateway, &words)?;
    typed.says("Does the device show the same")?;
    typed.types("no")?;
    failed(&typed.ends()?, "pairing_refused", "Pairing was refused.")?;
    gateway.with(OXIMETER)?;
    let bond = gateway.device(OXIMETER.id)?["radio"].clone();
    ensure!(bond["authenticated"] == true && bond["secure_connections"] == true, "{bond}");
    gateway.with(CUFF)?;
    let bond = gateway.device(CUFF.id)?["radio"].clone();
    ensure!(bond["bonded"] == true && bond["authenticated"] == false, "{bond}");
    gateway.with(SCALE)?;
    let device = gateway.device(SCALE.id)?;
    ensure!(device["owners"].as_array().map(Vec::len) == Some(2), "{device}");
    Ok(())
}
