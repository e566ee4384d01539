//! `hearth status`: how the gateway is.

use super::client::{Daemon, internal};
use super::devices;
use super::exit::{Exit, Failure};
use super::print::{self, Format};
use crate::control::query::{Answer, Request};
use crate::control::status::{LaneStatus, StatusReport};
use crate::requests::RadioHealth;

/// Show how the gateway is: clock, radio, broker, backlog, journal, disk, silent devices
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth status\n  hearth status --json | jq .backlog\n\n\
    Exit codes: 0 all is well, 1 something needs a look, 3 no gateway answers")]
pub struct Status {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

impl Status {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let status = match self.daemon.ask(&Request::Status)? {
            Answer::Status { status } => status,
            other => return Err(internal(format!("{other:?}"))),
        };
        if self.format.json {
            let text = serde_json::to_string(&status).map_err(internal)?;
            print::out(&format!("{text}\n"))?;
        } else {
            print::out(&told(&status))?;
        }
        Ok(if needs_a_look(&status).is_empty() { Exit::Ok } else { Exit::Negative })
    }
}

/// What somebody should see to, one plain sentence each.
pub fn needs_a_look(status: &StatusReport) -> Vec<String> {
    let mut list = Vec::new();
    if !status.clock.trusted {
        list.push("The clock is not trusted: nothing personal is sent.".to_owned());
    }
    if !matches!(status.broker.state.as_str(), "online" | "off" | "") {
        let why = status.broker.reason.clone().unwrap_or_default();
        let what = match status.broker.state.as_str() {
            "degraded" => "The broker does not take everything.",
            "connecting" => "The broker is being connected to.",
            _ => "The broker is not reachable.",
        };
        list.push(format!("{what} {why}").trim_end().to_owned());
    }
    if status.disk.full {
        list.push("The disk is full: readings are not accepted until there is room.".to_owned());
    } else if status.disk.alarm {
        list.push("The disk is nearly full.".to_owned());
    }
    if status.journal.quarantined > 0 {
        let n = status.journal.quarantined;
        list.push(format!("{n} payloads are set aside: hearth journal export --quarantine."));
    }
    if status.journal.unclaimed > 0 {
        let n = status.journal.unclaimed;
        list.push(format!("{n} readings have no owner: hearth claim list."));
    }
    if let Some(health) = status.radio.health.as_ref().filter(|health| is_ill(health)) {
        let what = health.sentence.clone().unwrap_or_else(|| {
            format!("The radio is not well: {}.", health.state.replace('_', " "))
        });
        let next = health.next.as_deref().unwrap_or("Look for the reason: hearth devices doctor.");
        list.push(format!("{what} {next}"));
    }
    for device in &status.radio.troubled {
        let (state, next) = devices::told_of_state(&device.state);
        list.push(
            format!("{}: {state} {}", device.device, next.unwrap_or_default())
                .trim_end()
                .to_owned(),
        );
    }
    for silent in &status.silent {
        let since = silent.last_seen.as_deref().unwrap_or("it was added");
        list.push(format!("{} is silent since {since}: {}.", silent.device, silent.cause));
    }
    list
}

/// The status as people read it.
fn told(status: &StatusReport) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: String| text.push_str(&format!("{name:<9} {what}\n"));
    line("gateway", format!("{}, hearth {}", status.gateway, status.version));
    line("up", duration(status.uptime_s));
    line("clock", format!("{}, {}", status.clock.now, status.clock.sentence));
    let radio = &status.radio;
    line(
        "radio",
        match (radio.simulated, radio.connected, &radio.health) {
            (true, true, _) => "SIMULATED, a household is connected".to_owned(),
            (true, false, _) => "SIMULATED, no household is connected".to_owned(),
            (false, _, Some(health)) => format!("{}: {}", radio.adapter, heard(health)),
            (false, _, None) => format!("{}: no readings arrive", radio.adapter),
        },
    );
    if let Some(health) = &radio.health {
        let [complete, incomplete, failed] = health.sessions;
        let met = format!("{complete} complete, {incomplete} incomplete, {failed} failed");
        let connected = match health.connected.len() {
            0 => String::new(),
            n => format!("; {n} connected now"),
        };
        line("", format!("sessions: {met}{connected}"));
        let counts = [
            (health.scan_restarts, "scan restarts"),
            (health.adapter_resets, "adapter resets"),
            (health.daemon_restarts, "restarts of the Bluetooth service"),
            (health.library_panics, "faults of the Bluetooth library"),
            (health.refused_links, "links refused because they were not encrypted"),
        ];
        let mended: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if !mended.is_empty() {
            line("", mended.join(", "));
        }
    }
    if radio.simulated {
        line("", format!("{} values committed, {} lines refused", radio.committed, radio.refused));
    }
    let broker = &status.broker;
    let place = if broker.embedded { " (embedded)" } else { "" };
    let since = broker.since.as_ref().map(|at| format!(" since {at}")).unwrap_or_default();
    // Everything else is told in the household's time then.
    let whose = if status.clock.trust == "simulated" { " of the machine's clock" } else { "" };
    let since = if since.is_empty() { since } else { since + whose };
    line("broker", format!("{}{since}, {}{place}", broker.state, broker.address));
    for lane in &status.backlog {
        let oldest = lane.oldest.as_ref().map(|at| format!(", oldest {at}")).unwrap_or_default();
        let lane_name = &lane.lane;
        line("backlog", format!("{lane_name}: {} to send{oldest}; {}", lane.queued, kept(lane)));
        for mark in &lane.watermarks {
            line(
                "",
                format!("{} confirmed {} of {} at {}", mark.consumer, mark.seq, lane.last, mark.at),
            );
        }
    }
    let j = &status.journal;
    line("journal", format!("{} raw rows, {} observations", j.rows, j.observations));
    line("", format!("{} duplicates, {} set aside, {} lost", j.duplicates, j.quarantined, j.lost));
    line("", format!("{} unclaimed, {} pending", j.unclaimed, j.pending));
    if j.forgotten > 0 {
        line("", format!("{} raw rows let go by age", j.forgotten));
    }
    let commands = &status.commands;
    line("commands", format!("{} executed, {} refused", commands.done, commands.refused));
    line("open", open(j.open_alerts, j.open_tasks));
    let disk = &status.disk;
    let free = disk.free_octets.map(|n| format!(", {} free", size(n))).unwrap_or_default();
    line("disk", format!("{} in {}{free}", size(disk.database_octets), disk.folder));
    let look = needs_a_look(status);
    if look.is_empty() {
        // Of the gateway: what waits for a nurse is said above, and stays hers.
        text.push_str("The gateway is well.\n");
    } else {
        text.push_str("Needs a look:\n");
        for sentence in look {
            text.push_str(&format!("- {sentence}\n"));
        }
    }
    text
}

/// Whether somebody must look after the radio; one that is just starting is left alone.
fn is_ill(health: &RadioHealth) -> bool {
    !matches!(health.state.as_str(), "ok" | "starting")
}

/// Whether the radio hears anything.
fn heard(health: &RadioHealth) -> String {
    let state = match health.state.as_str() {
        "ok" if health.scanning => "scanning".to_owned(),
        "ok" => "well".to_owned(),
        "starting" => "starting".to_owned(),
        code => format!("NOT WELL ({})", code.replace('_', " ")),
    };
    match health.heard_s_ago {
        Some(s) => format!("{state}, something was heard {} ago", duration(u64::from(s))),
        None => format!("{state}, nothing was heard yet"),
    }
}

/// What stands in the outbox although it was sent: consumers can ask for it again.
fn kept(lane: &LaneStatus) -> String {
    let sent = lane.kept.saturating_sub(lane.queued);
    format!("{sent} sent and kept for consumers that ask again")
}

/// What waits for a person, with the command that shows it.
fn open(alerts: u64, tasks: u64) -> String {
    let of = |n: u64, word: &str| {
        let s = if n == 1 { "" } else { "s" };
        let hint = if n == 0 { String::new() } else { format!(" (hearth {word} list)") };
        format!("{n} {word}{s}{hint}")
    };
    format!("{}, {}", of(alerts, "alert"), of(tasks, "task"))
}

fn duration(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes) = (rest / 3_600, rest % 3_600 / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

fn size(octets: u64) -> String {
    match octets {
        0..10_000_000 => format!("{} kB", octets / 1_000),
        10_000_000..10_000_000_000 => format!("{} MB", octets / 1_000_000),
        _ => format!("{} GB", octets / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_simulated_radio_is_always_called_so_and_trouble_is_listed() {
        let mut status = StatusReport::default();
        status.radio.simulated = true;
        status.clock.trusted = true;
        assert!(told(&status).contains("SIMULATED"));
        assert!(told(&status).ends_with("The gateway is well.\n"));
        (status.commands.done, status.commands.refused) = (3, 1);
        assert!(told(&status).contains("\ncommands  3 executed, 1 refused\n"), "{}", told(&status));
        status.disk.full = true;
        status.broker.state = "offline".into();
        assert_eq!(needs_a_look(&status).len(), 2);
    }

    #[test]
    fn a_radio_that_is_not_well_and_a_lost_bond_need_a_look_with_a_next_step() {
        let mut status = StatusReport::default();
        status.clock.trusted = true;
        status.radio.adapter = "hci0".into();
        status.radio.health = Some(RadioHealth {
            state: "ok".into(),
            scanning: true,
            heard_s_ago: Some(3),
            sessions: [4, 1, 0],
            scan_restarts: 2,
            ..RadioHealth::default()
        });
        let text = told(&status);
        assert!(text.contains("hci0: scanning, something was heard 3 s ago\n"), "{text}");
        assert!(text.contains("sessions: 4 complete, 1 incomplete, 0 failed\n"), "{text}");
        assert!(text.contains("2 scan restarts\n") && !text.contains("adapter resets"), "{text}");
        assert!(needs_a_look(&status).is_empty());
        status.radio.health =
            Some(RadioHealth { state: "adapter_off".into(), ..RadioHealth::default() });
        status.radio.troubled = vec![crate::control::status::TroubledDevice {
            device: "cuff-1".into(),
            state: "bond_lost".into(),
            since: None,
        }];
        let look = needs_a_look(&status);
        assert_eq!(look.len(), 2, "{look:?}");
        assert!(look[0].contains("adapter off") && look[0].contains("hearth devices doctor"));
        assert!(look[1].starts_with("cuff-1: The device no longer knows this gateway"), "{look:?}");
        assert!(look[1].contains("Pair it anew"), "{look:?}");
    }

    #[test]
    fn durations_and_sizes_are_for_people() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(3_700), "1 h 1 min");
        assert_eq!(duration(90_000), "1 d 1 h");
        assert_eq!(size(4_096_000), "4096 kB");
        assert_eq!(size(12_000_000_000), "12 GB");
    }
}
