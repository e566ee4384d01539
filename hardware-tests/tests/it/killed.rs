//! `kill -9` of the real daemon at random moments, with the embedded broker inside it and a consumer outside.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hearth_gateway::radio::{RadioCommand, RadioEvent};
use hearth_gateway::store::{Queries, Reader};
use hearth_gateway::uplink::message::{Body, Envelope, Lane};
use hearth_hardware_tests::devices::{DeviceTime, GlucoseMeter, Sent};
use hearth_hardware_tests::household::Radio;
use hearth_hardware_tests::simulator::dice::Dice;

use crate::process::{Home, METER};

/// 2026-03-02T09:00:00Z.
const START_MS: i64 = 1_772_442_000_000;

/// Sends what is not acknowledged until all is, or the gateway is gone. Returns how many are acknowledged.
fn deliver(
    radio: &mut Radio,
    connection: u32,
    records: &[Sent],
    clock_s: i64,
) -> Result<usize, hearth_hardware_tests::household::RadioError> {
    radio.send(&RadioEvent::Connected {
        address: METER.to_owned(),
        connection,
        encrypted: Some(true),
        device_clock_s: Some(clock_s),
    })?;
    let mut done = 0;
    for (part, chunk) in records.chunks(7).enumerate() {
        for (place, sent) in chunk.iter().enumerate() {
            radio.send(&RadioEvent::Value {
                address: METER.to_owned(),
                connection,
                position: u32::try_from(part * 7 + place).unwrap(),
                characteristic: format!("{:04X}", sent.characteristic),
                hex: sent.octets.iter().map(|octet| format!("{octet:02x}")).collect(),
            })?;
        }
        let through = part * 7 + chunk.len();
        while done < through {
            match radio.answer() {
                Ok(RadioCommand::Committed { connection: of, position }) if of == connection => {
                    done = done.max(usize::try_from(position).unwrap() + 1);
                }
                Ok(_) => {}
                // Killed meanwhile: what was acknowledged before stays acknowledged.
                Err(_) => return Ok(done),
            }
        }
    }
    Ok(done)
}

/// The messages in a consumer's file, by lane and number.
fn book(home: &Home) -> BTreeMap<(Lane, u64), Envelope> {
    let text = std::fs::read_to_string(home.path("ehr.book")).unwrap_or_default();
    let mut held = BTreeMap::new();
    for line in text.lines() {
        let Ok(envelope) = serde_json::from_str::<Envelope>(line) else { continue };
        let key = (envelope.lane, envelope.seq);
        let again = held.insert(key, envelope);
        let tombstone = held.get(&key).is_some_and(|e| matches!(e.body, Body::Tombstone(_)));
        assert!(again.is_none() || tombstone, "{key:?} is twice at the consumer");
    }
    held
}

#[test]
fn killed_at_random_moments_it_loses_nothing_and_tells_nothing_twice() {
    let Some(mut home) = Home::new() else { return };
    let kills = if std::env::var_os("HEARTH_SLOW").is_some() { 100 } else { 10 };
    let mut dice = Dice::new(9);
    let mut meter = GlucoseMeter::new(0);
    let mut measured: Vec<Sent> = Vec::new();
    let (mut acknowledged, mut minutes) = (0_usize, 0_i64);
    let mut consumer = None;
    for life in 0..=kills {
        home.start(None);
        let consume = ["consume", "--consumer", "ehr", "--state", "ehr.book", "--quiet"];
        consumer.get_or_insert_with(|| {
            home.command(&consume).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        });
        for _ in 0..30 {
            minutes += 5;
            let at = jiff::Timestamp::from_millisecond(START_MS + minutes * 60_000).unwrap();
            let local = jiff::tz::TimeZone::get("Europe/Madrid").unwrap().to_datetime(at);
            let value = u16::try_from(dice.between(45, 280)).unwrap();
            measured.extend(meter.measure(DeviceTime::new(local), value, None));
        }
        let now_ms = START_MS + minutes * 60_000 + 1_000;
        let mut radio = Radio::connect(&home.path("radio.sock")).unwrap();
        radio.send(&RadioEvent::Hello { version: 1, now_ms }).unwrap();
        let last = life == kills;
        let killer = (!last).then(|| {
            let pid = home.pid().to_string();
            let after = Duration::from_millis(dice.between(0, 120));
            std::thread::spawn(move || {
                std::thread::sleep(after);
                let kill = std::process::Command::new("sh")
                    .args(["-c", &format!("kill -9 {pid}")])
                    .status();
                assert!(kill.unwrap().success());
            })
        });
        // The meter was told about a few already and sends them again, as meters do.
        let from = acknowledged.saturating_sub(4);
        let connection = u32::try_from(life).unwrap() + 1;
        let clock_s = now_ms / 1000 + 3600;
        let through = deliver(&mut radio, connection, &measured[from..], clock_s).unwrap_or(0);
        acknowledged = acknowledged.max(from + through);
        if let Some(killer) = killer {
            killer.join().unwrap();
            home.kill();
        }
    }
    assert_eq!(acknowledged, measured.len(), "{}", home.log());
    let reader = Reader::open(&home.path("hearth.db")).unwrap();
    let mut lasts = [0_u64; 2];
    let started = Instant::now();
    let held = loop {
        for lane in Lane::ALL {
            let last: i64 = reader
                .connection()
                .query_row("select last from lane where lane = ?1", [lane as u8], |r| r.get(0))
                .unwrap();
            lasts[lane as usize - 1] = last.unsigned_abs();
        }
        let held = book(&home);
        if held.len() as u64 == lasts.iter().sum::<u64>() {
            break held;
        }
        assert!(
            started.elapsed() < Duration::from_secs(90),
            "{} of {lasts:?} at the consumer: {}",
            held.len(),
            home.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    if let Some(mut consumer) = consumer {
        consumer.kill().unwrap();
        consumer.wait().unwrap();
    }
    let mut ids: Vec<_> = held
        .values()
        .filter(|envelope| matches!(envelope.body, Body::Observation(_)))
        .map(|envelope| envelope.id)
        .collect();
    let told = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), told, "an observation came under two numbers");
    assert_eq!(told, measured.len(), "each measurement is one observation at the consumer");
    println!("{kills} kills, {told} readings and {} messages at the consumer", held.len());
}
