//! Scenarios of the devices themselves, with the independent reader as their partner.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hearth_hardware_tests::virtual_radio::VirtualRadio;
use serde_json::{Value, json};

use crate::peer::{kept, peer, peer_does};

/// The octets that a meter holds: measurements, and contexts after theirs.
fn held(radio: &VirtualRadio, meter: &str) -> anyhow::Result<Vec<(String, String)>> {
    let held = radio.order(meter, json!({ "order": "hold" }))?;
    let mut found = Vec::new();
    for record in held["records"].as_array().context("no records")? {
        for (short, key) in [("2a18", "octets"), ("2a34", "context_octets")] {
            if let Some(octets) = record[key].as_str() {
                found.push((short.to_owned(), octets.to_owned()));
            }
        }
    }
    Ok(found)
}

/// The octets that a device without records of its own has indicated and seen confirmed, in order.
fn confirmed(radio: &VirtualRadio, device: &str) -> anyhow::Result<Vec<(String, String)>> {
    let held = radio.order(device, json!({ "order": "hold" }))?;
    let mut found = Vec::new();
    for record in held["confirmed"].as_array().context("no list")? {
        for value in record["octets"].as_array().context("no octets")? {
            let text = |it: &Value| it.as_str().unwrap_or_default().to_lowercase();
            found.push((text(&value[0]), text(&value[1])));
        }
    }
    Ok(found)
}

fn pending(radio: &VirtualRadio, device: &str) -> anyhow::Result<usize> {
    Ok(radio.order(device, json!({ "order": "hold" }))?["pending"].as_array().map_or(0, Vec::len))
}

fn off(radio: &VirtualRadio, device: &str) -> anyhow::Result<()> {
    radio.order(device, json!({ "order": "off" })).map(drop)
}

fn pair(radio: &VirtualRadio, device: &str, name: &str, passkey: &str) -> anyhow::Result<Value> {
    radio.order(device, json!({ "order": "on", "pairing": true }))?;
    let answer = peer_does(radio, &format!("pair --name {name} --passkey-from {passkey}"))?;
    off(radio, device)?;
    Ok(answer)
}

/// Pairs a device that no scenario before this one has paired.
fn bonded(radio: &VirtualRadio, device: &str, name: &str) -> anyhow::Result<()> {
    let described = radio.order(device, json!({ "order": "describe" }))?;
    if described["bonds"] == 0 {
        pair(radio, device, name, &format!("order:{device}"))?;
    }
    Ok(())
}

pub(crate) fn a_device_shows_itself_only_when_it_has_something_to_say(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    radio.order("air", json!({ "order": "flood", "count": 200, "interval_ms": 1000 }))?;
    let hidden = peer(radio, "scan --name meter --seconds 4")?;
    ensure!(hidden["error"] == "not found", "a hidden meter was seen: {hidden}");
    radio.order(
        "meter",
        json!({ "order": "measure", "mg_dl": 104, "when": "2026-03-01T07:00:00" }),
    )?;
    radio.order("air", json!({ "order": "rssi", "of": "meter", "dbm": -77 }))?;
    let seen = peer_does(radio, "scan --name meter")?;
    ensure!(seen["rssi"] == -77, "{seen}");
    radio.order("air", json!({ "order": "quiet" }))?;
    off(radio, "meter")
}

pub(crate) fn a_meter_pairs_by_its_passkey_and_only_in_pairing_mode(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    radio.order("meter", json!({ "order": "on" }))?;
    let refused = peer(radio, "pair --name meter --passkey-from 0 --timeout-s 20")?;
    ensure!(refused.get("error").is_some(), "paired outside pairing mode: {refused}");
    radio.order("meter", json!({ "order": "on", "pairing": true }))?;
    radio.order("meter", json!({ "order": "set", "passkey": 123_456 }))?;
    let wrong = peer(radio, "pair --name meter --passkey-from 654321 --timeout-s 30")?;
    ensure!(wrong.get("error").is_some(), "paired by a wrong passkey: {wrong}");
    radio.order("meter", json!({ "order": "set", "passkey": null }))?;
    let since = radio.next_event("meter")?;
    let answer = pair(radio, "meter", "meter", "order:meter")?;
    ensure!(answer["asked"] == json!(["passkey"]), "{answer}");
    let paired = radio.wait_for("meter", "paired", (since, 1))?;
    ensure!(paired[0]["authenticated"] == true, "{paired:?}");
    Ok(())
}

pub(crate) fn every_record_of_a_meter_arrives_and_only_new_ones_are_asked_for(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    bonded(radio, "meter", "meter")?;
    radio.order("meter", json!({ "order": "reset_sequence", "erase": true }))?;
    radio.order("meter", json!({ "order": "fill", "count": 49 }))?;
    let measure =
        json!({ "order": "measure", "mg_dl": 104, "context": { "meal": 1, "carbohydrate_g": 50 } });
    radio.order("meter", measure)?;
    let read = peer_does(radio, "read --name meter --database /root/records.db --set-time")?;
    ensure!(read["answer"] == "06000101" && read["values"] == 51, "{read}");
    ensure!(
        kept(radio, "/root/records.db")? == held(radio, "meter")?,
        "what was kept is not what the meter holds"
    );
    radio.order("meter", json!({ "order": "measure", "mmol_l": 5.9, "status": 0x20 }))?;
    let read =
        peer_does(radio, "read --name meter --database /root/records.db --from-sequence 51")?;
    ensure!(read["values"] == 1, "{read}");
    ensure!(
        kept(radio, "/root/records.db")? == held(radio, "meter")?,
        "what was kept is not what the meter holds"
    );
    off(radio, "meter")
}

pub(crate) fn a_transfer_that_broke_off_is_completed_later(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    bonded(radio, "meter", "meter")?;
    radio.order("meter", json!({ "order": "reset_sequence", "erase": true, "to": 65_500 }))?;
    radio
        .order("meter", json!({ "order": "fill", "count": 30, "start": "2026-04-01T06:00:00" }))?;
    radio.order("meter", json!({ "order": "vanish", "after": 12 }))?;
    radio.order("meter", json!({ "order": "on" }))?;
    let read = peer(radio, "read --name meter --database /root/vanish.db")?;
    ensure!(read["ended_by_device"] == true && read["values"] == 12, "{read}");
    radio.order("meter", json!({ "order": "on" }))?;
    let read =
        peer_does(radio, "read --name meter --database /root/vanish.db --from-sequence 65512")?;
    ensure!(read["values"] == 18, "{read}");
    ensure!(
        kept(radio, "/root/vanish.db")? == held(radio, "meter")?,
        "what was kept is not what the meter holds"
    );
    off(radio, "meter")
}

pub(crate) fn a_device_that_does_not_answer_costs_its_own_connection_only(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    bonded(radio, "meter", "meter")?;
    // BlueZ knows the meter, which is silent: the attempt is given up, and the next one finds the radio free.
    let path = "/org/bluez/hci0/dev_00_A0_50_00_00_01";
    let connect = format!(
        "dbus-send --system --print-reply --reply-timeout=60000 --dest=org.bluez {path} org.bluez.Device1.Connect"
    );
    let ran = radio.run_within(&connect, Duration::from_secs(90))?;
    ensure!(ran.status != 0, "connected to a silent meter: {}", ran.output);
    let free = radio.order("air", json!({ "order": "gateway" }))?;
    ensure!(free["connecting"] == false && free["connections"] == 0, "{free}");
    radio.order(
        "meter",
        json!({ "order": "measure", "mg_dl": 101, "when": "2026-04-03T07:00:00" }),
    )?;
    let read = peer_does(radio, "read --name meter --database /root/silent.db")?;
    ensure!(read["answer"] == "06000101", "{read}");
    off(radio, "meter")
}

pub(crate) fn two_meters_are_read_at_the_same_time(radio: &VirtualRadio) -> anyhow::Result<()> {
    bonded(radio, "meter", "meter")?;
    let create = json!({ "order": "create", "kind": "meter", "name": "second+87654321", "address": "00:A0:50:00:00:22" });
    radio.order("second", create)?;
    pair(radio, "second", "second", "order:second")?;
    radio.order("second", json!({ "order": "fill", "count": 200 }))?;
    radio.order("meter", json!({ "order": "fill", "count": 200 }))?;
    std::thread::scope(|scope| {
        let readers = ["meter", "second"].map(|name| {
            scope.spawn(move || {
                radio.order(name, json!({ "order": "on" }))?;
                peer_does(
                    radio,
                    &format!(
                        "read --name {name} --database /root/{name}-together.db --window-s 20"
                    ),
                )
            })
        });
        for reader in readers {
            let read = reader.join().map_err(|_| anyhow::anyhow!("a reader's thread ended"))??;
            ensure!(read["answer"] == "06000101", "{read}");
        }
        Ok(())
    })?;
    for name in ["meter", "second"] {
        let kept = kept(radio, &format!("/root/{name}-together.db"))?;
        ensure!(kept == held(radio, name)?, "what was kept of {name} is not what it holds");
        off(radio, name)?;
    }
    Ok(())
}

pub(crate) fn a_cuff_forgets_what_was_confirmed_and_nothing_else(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    pair(radio, "cuff", "Virtual\\ Cuff", "0")?;
    for (systolic, user) in [(142, 1), (131, 2), (125, 1)] {
        let measure = json!({ "order": "measure", "systolic": systolic, "diastolic": 88, "pulse": 71, "user": user, "quiet": true });
        radio.order("cuff", measure)?;
    }
    // The battery falls out after the second value, before its confirmation could arrive.
    radio.order("cuff", json!({ "order": "vanish", "after": 2, "unconfirmed": true }))?;
    radio.order("cuff", json!({ "order": "on" }))?;
    let read = peer(radio, "read --name Virtual\\ Cuff --database /root/cuff.db --set-time")?;
    ensure!(read["ended_by_device"] == true, "{read}");
    ensure!(pending(radio, "cuff")? == 2, "the cuff forgot what nobody confirmed");
    radio.order("cuff", json!({ "order": "on" }))?;
    peer_does(radio, "read --name Virtual\\ Cuff --database /root/cuff.db --set-time")?;
    ensure!(pending(radio, "cuff")? == 0, "the cuff kept what was confirmed");
    let (kept, confirmed) = (kept(radio, "/root/cuff.db")?, confirmed(radio, "cuff")?);
    ensure!(
        confirmed.iter().all(|it| kept.contains(it)),
        "confirmed and not kept: {kept:?} of {confirmed:?}"
    );
    ensure!(kept.iter().collect::<BTreeSet<_>>().len() == 3, "{kept:?}");
    off(radio, "cuff")
}

pub(crate) fn a_scale_tells_each_person_after_consent_only(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    pair(radio, "scale", "Virtual\\ Scale", "0")?;
    for (user, kg) in [(1, 81.5), (2, 64.25)] {
        let measure = json!({ "order": "measure", "user": user, "kg": kg, "fat_percent": 24.5, "impedance_ohm": 452, "quiet": true });
        radio.order("scale", measure)?;
    }
    for (consent, answer, values, left) in
        [("1:4321", "200205", 0, 2), ("1:1234", "200201", 2, 1), ("2:5678", "200201", 2, 0)]
    {
        radio.order("scale", json!({ "order": "on" }))?;
        let words =
            format!("read --name Virtual\\ Scale --database /root/scale.db --consent {consent}");
        let read = peer_does(radio, &words)?;
        ensure!(read["answer"] == answer && read["values"] == values, "{read}");
        ensure!(pending(radio, "scale")? == left, "{left} values should be left");
        off(radio, "scale")?;
    }
    ensure!(
        kept(radio, "/root/scale.db")? == confirmed(radio, "scale")?,
        "what was kept is not what was confirmed"
    );
    Ok(())
}

pub(crate) fn an_oximeter_pairs_by_comparison(radio: &VirtualRadio) -> anyhow::Result<()> {
    let answer = pair(radio, "oximeter", "VirtualOx", "0")?;
    ensure!(answer["asked"] == json!(["comparison"]), "{answer}");
    radio.order(
        "oximeter",
        json!({ "order": "measure", "saturation": 97, "rate": 64, "status": 0x0100 }),
    )?;
    let read = peer_does(radio, "read --name VirtualOx --database /root/oximeter.db")?;
    ensure!(read["values"] == 1, "{read}");
    ensure!(
        kept(radio, "/root/oximeter.db")? == confirmed(radio, "oximeter")?,
        "another value was kept"
    );
    off(radio, "oximeter")
}

pub(crate) fn damaged_and_oversize_values_arrive_as_they_are(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    bonded(radio, "oximeter", "VirtualOx")?;
    let values = ["", "0b", "ff0000", &"a5".repeat(300)];
    let since = radio.next_event("oximeter")?;
    radio.order("oximeter", json!({ "order": "on" }))?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            peer_does(radio, "read --name VirtualOx --database /root/damaged.db --window-s 10")
        });
        radio.wait_for("oximeter", "subscribed", (since, 2))?;
        for octets in values {
            radio.order(
                "oximeter",
                json!({ "order": "send", "characteristic": "2A5E", "octets": octets }),
            )?;
        }
        reader.join().map_err(|_| anyhow::anyhow!("the reader's thread ended"))?
    })?;
    let kept: Vec<String> = kept(radio, "/root/damaged.db")?.into_iter().map(|it| it.1).collect();
    ensure!(kept == values, "{kept:?}");
    off(radio, "oximeter")
}

pub(crate) fn a_bond_survives_the_death_of_bluetoothd(radio: &VirtualRadio) -> anyhow::Result<()> {
    bonded(radio, "meter", "meter")?;
    radio.run("kill -9 $(cat /run/bluetoothd.pid)")?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while radio.is_powered()? {
        ensure!(Instant::now() < deadline, "bluetoothd did not die");
    }
    while !radio.is_powered()? {
        ensure!(Instant::now() < deadline, "bluetoothd did not come back");
        std::thread::sleep(Duration::from_millis(200));
    }
    radio.order(
        "meter",
        json!({ "order": "measure", "mg_dl": 99, "when": "2026-05-01T07:00:00" }),
    )?;
    let read = peer_does(radio, "read --name meter --database /root/daemon.db")?;
    ensure!(read["answer"] == "06000101", "{read}");
    off(radio, "meter")
}

pub(crate) fn a_hostile_twin_talks_before_it_is_asked(radio: &VirtualRadio) -> anyhow::Result<()> {
    bonded(radio, "meter", "meter")?;
    let lie = "020100ea0704010600002cb111";
    radio.order(
        "twin",
        json!({ "order": "twin", "of": "meter", "values": [["2A18", lie], ["2A18", lie]] }),
    )?;
    let since = radio.next_event("twin")?;
    radio.order("twin", json!({ "order": "on" }))?;
    let read = peer(radio, "read --name meter --database /root/twin.db --timeout-s 30")?;
    radio.wait_for("twin", "unasked_sent", (since, 1))?;
    // A bonded address that has no key: the kernel refuses to talk to it, so the reader keeps nothing.
    ensure!(read.get("error").is_some(), "{read}");
    let kept = kept(radio, "/root/twin.db")?;
    ensure!(kept.is_empty(), "kept from a stranger: {kept:?}");
    off(radio, "twin")
}

pub(crate) fn a_lost_bond_is_refused_and_made_anew(radio: &VirtualRadio) -> anyhow::Result<()> {
    bonded(radio, "meter", "meter")?;
    radio.order("meter", json!({ "order": "forget" }))?;
    radio.order(
        "meter",
        json!({ "order": "measure", "mg_dl": 97, "when": "2026-05-02T07:00:00" }),
    )?;
    let read = peer(radio, "read --name meter --database /root/lost.db --timeout-s 30")?;
    ensure!(read.get("error").is_some(), "read without a bond: {read}");
    ensure!(radio.is_powered()?, "bluetoothd did not survive a lost bond");
    peer_does(radio, "remove --name meter")?;
    pair(radio, "meter", "meter", "order:meter")?;
    radio.order("meter", json!({ "order": "on" }))?;
    let read = peer_does(radio, "read --name meter --database /root/lost.db")?;
    ensure!(kept(radio, "/root/lost.db")? == held(radio, "meter")?, "{read}");
    off(radio, "meter")
}
