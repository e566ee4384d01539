//! `hearth devices scan`: what the radio hears.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::client::{Daemon, internal};
use super::super::exit::{Exit, Failure};
use super::super::print::{self, Column, Format};
use super::ask;
use crate::requests::{NearDevice, RadioAnswer, RadioRequest};

/// Show which devices are near: their names, models and signal
///
/// A table that keeps itself up to date on a terminal; in a pipe a line for each device that is heard.
/// Many devices are heard only while they are woken: measure, or hold the button.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth devices scan --seconds 30\n  \
    hearth devices scan --json | jq -r .address\n\n\
    Exit codes: 0 something was heard, 1 nothing was")]
pub(super) struct Scan {
    /// How long to listen
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

/// How often the radio is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);

const COLUMNS: [Column; 7] = [
    ("address", "ADDRESS"),
    ("name", "NAME"),
    ("model", "MODEL"),
    ("rssi", "SIGNAL dBm"),
    ("heard", "HEARD"),
    ("bonded", "PAIRED"),
    ("device", "DEVICE"),
];

impl Scan {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let until = Instant::now() + Duration::from_secs(u64::from(self.seconds));
        let live = !self.format.json && std::io::stdout().is_terminal();
        let stopped = ask::stop_flag();
        let mut known = BTreeMap::new();
        let mut shown_lines = 0;
        loop {
            let devices = match ask::radio(&self.daemon, RadioRequest::Near)? {
                RadioAnswer::Near { devices } => devices,
                other => return Err(internal(format!("{other:?}"))),
            };
            for near in news(&mut known, &devices) {
                if self.format.json {
                    let text = serde_json::to_string(near).map_err(internal)?;
                    print::out(&format!("{text}\n"))?;
                } else if !live {
                    print::out(&line(near))?;
                }
            }
            if live {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                let text = screen(&devices, left);
                print::out(&redrawn(shown_lines, &text))?;
                shown_lines = text.lines().count();
            }
            if Instant::now() + ASK_EVERY > until || stopped.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(ASK_EVERY);
        }
        if known.is_empty() {
            return Err(Failure::new(Exit::Negative, "Nothing was heard.").next(
                "wake the device (measure, or hold its button) within two metres; \
                 then: hearth devices doctor",
            ));
        }
        Ok(Exit::Ok)
    }
}

/// Devices that were not told yet, or of which something else than signal and age is to be told.
fn news<'d>(
    known: &mut BTreeMap<String, NearDevice>,
    devices: &'d [NearDevice],
) -> Vec<&'d NearDevice> {
    devices
        .iter()
        .filter(|near| {
            let still = NearDevice { rssi: None, heard_s_ago: 0, ..(*near).clone() };
            known.insert(near.address.clone(), still.clone()).is_none_or(|before| before != still)
        })
        .collect()
}

fn fields(near: &NearDevice) -> Value {
    let heard = match near.heard_s_ago {
        0 | 1 => "now".to_owned(),
        s => format!("{} ago", super::words::stretch(u64::from(s))),
    };
    json!({
        "address": near.address, "name": near.name, "model": near.model, "rssi": near.rssi,
        "heard": heard, "bonded": near.bonded, "device": near.device,
    })
}

fn screen(devices: &[NearDevice], left_s: u64) -> String {
    let rows: Vec<Value> = devices.iter().map(fields).collect();
    format!("{}Listening for another {left_s} s; Ctrl-C ends it.\n", print::table(&rows, &COLUMNS))
}

/// The text in place of the lines shown before.
fn redrawn(lines: usize, text: &str) -> String {
    let back = if lines == 0 { String::new() } else { format!("\u{1b}[{lines}A\u{1b}[J") };
    format!("{back}{text}")
}

fn line(near: &NearDevice) -> String {
    let name = near.model.as_ref().or(near.name.as_ref()).map_or("unknown", |name| name.as_str());
    let mut parts = vec![near.address.clone(), name.to_owned()];
    parts.extend(near.rssi.map(|dbm| format!("{dbm} dBm")));
    if near.bonded {
        parts.push("paired".to_owned());
    }
    parts.extend(near.device.clone());
    format!("{}\n", print::printable(&parts.join("  ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(address: &str, rssi: i16) -> NearDevice {
        NearDevice {
            address: address.to_owned(),
            name: Some("Meter\u{1b}[2J".to_owned()),
            profile: None,
            model: None,
            services: vec!["1808".to_owned()],
            rssi: Some(rssi),
            heard_s_ago: 130,
            bonded: false,
            device: None,
        }
    }

    #[test]
    fn a_device_is_told_once_and_again_when_it_has_changed() {
        let mut known = BTreeMap::new();
        let mut heard = vec![near("C0:FF:EE:00:00:01", -50)];
        assert_eq!(news(&mut known, &heard).len(), 1);
        heard[0].rssi = Some(-60);
        assert_eq!(news(&mut known, &heard).len(), 0);
        heard[0].bonded = true;
        heard.push(near("C0:FF:EE:00:00:02", -70));
        assert_eq!(news(&mut known, &heard).len(), 2);
    }

    #[test]
    fn a_name_from_the_air_cannot_move_the_cursor() {
        let device = near("C0:FF:EE:00:00:01", -50);
        assert_eq!(line(&device), "C0:FF:EE:00:00:01  Meter\u{fffd}[2J  -50 dBm\n");
        let text = screen(&[device], 7);
        assert!(text.contains("2 min 10 s ago") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(redrawn(3, "x"), "\u{1b}[3A\u{1b}[Jx");
    }
}
