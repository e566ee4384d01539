//! The real `hearth` in the guest, with its own devices on the air, and its journal beside what they hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hearth_hardware_tests::virtual_radio::{Ran, VirtualRadio};
use serde_json::{Value, json};

/// Longest wait for what happens by itself; a busy machine without KVM is slow.
pub(crate) const SOON: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Where the gateway lives in the guest.
const FOLDER: &str = "/var/lib/hearth";
/// What counts as a measurement.
const MEASUREMENTS: [&str; 6] = ["2A18", "2A34", "2A35", "2A9D", "2A9C", "2A5E"];

const CONFIG: &str = r#"
[gateway]
id = "gw"
zone = "Europe/Madrid"
data_dir = "."
[uplink]
enabled = false
[radio]
adapter = "hci0"
restart_command = ["sh", "-c", "kill -9 $(cat /run/bluetoothd.pid)"]
[control]
socket = "control.sock"
[clock]
require_sync = false
"#;

/// A device that the gateway is paired with: the air's label, the gateway's id, kind, name and address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) label: &'static str,
    pub(crate) id: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) address: &'static str,
}

pub(crate) const METER: Member = Member {
    label: "meter-1",
    id: "meter-1",
    kind: "meter",
    name: "meter+55550001",
    address: "00:A0:50:00:01:01",
};
pub(crate) const CUFF: Member = Member {
    label: "cuff-1",
    id: "cuff-1",
    kind: "cuff",
    name: "Hearth Cuff",
    address: "C0:DE:00:00:01:02",
};
pub(crate) const SCALE: Member = Member {
    label: "scale-1",
    id: "scale-1",
    kind: "scale",
    name: "Hearth Scale",
    address: "C0:DE:00:00:01:03",
};
pub(crate) const OXIMETER: Member = Member {
    label: "oximeter-1",
    id: "oximeter-1",
    kind: "oximeter",
    name: "HearthOx_0005",
    address: "00:A0:50:00:01:04",
};

/// The gateway as a process in the guest.
pub(crate) struct Gateway<'a> {
    pub(crate) radio: &'a VirtualRadio,
    program: PathBuf,
}

/// Looks until there is something to see.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "within {} s: not {what}", limit.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Quotes a word for the guest's shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl<'a> Gateway<'a> {
    /// The gateway, started if it does not run, with its radio up.
    pub(crate) fn running(radio: &'a VirtualRadio) -> anyhow::Result<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/hearth");
        ensure!(program.is_file(), "hearth is not built: cargo build -p hearth-gateway --bins");
        let gateway = Self { radio, program: program.canonicalize()? };
        if !gateway.is_alive()? {
            gateway.start()?;
            gateway.wait_until_up(SOON)?;
            if gateway.run("patient show p1")?.status != 0 {
                gateway.does("patient add p1 --zone Europe/Madrid")?;
                gateway.does("patient add p2 --zone Europe/Madrid")?;
            }
        }
        Ok(gateway)
    }

    /// Starts the process and does not wait for anything.
    pub(crate) fn start(&self) -> anyhow::Result<()> {
        std::fs::write(self.radio.shared("hearth.toml"), CONFIG)?;
        let program = self.program.display();
        let ran = self.radio.run(&format!(
            "mkdir -p {FOLDER} && cp /out/hearth.toml {FOLDER}/ && cd {FOLDER} && \
             (HEARTH_LOG=info,hearth_gateway=debug {program} run --config hearth.toml >>/out/hearth.log 2>&1 & \
              echo $! >/run/hearth.pid)"
        ))?;
        ensure!(ran.status == 0, "{}", ran.output);
        Ok(())
    }

    pub(crate) fn wait_until_up(&self, limit: Duration) -> anyhow::Result<()> {
        until(
            "up",
            limit,
            || Ok((self.status()?["radio"]["health"]["state"] == "ok").then_some(())),
        )
    }

    fn is_alive(&self) -> anyhow::Result<bool> {
        Ok(self.radio.run("kill -0 $(cat /run/hearth.pid)")?.status == 0)
    }

    /// Its process id, which must stay the same.
    pub(crate) fn pid(&self) -> anyhow::Result<String> {
        ensure!(self.is_alive()?, "the gateway has ended: {}", self.log_end());
        Ok(self.radio.run("cat /run/hearth.pid")?.output.trim().to_owned())
    }

    /// Ends it at once, as by a power cut.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        self.radio.run("kill -9 $(cat /run/hearth.pid)")?;
        Ok(())
    }

    /// Ends it in order.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        let ran = self.radio.run(
            "pid=$(cat /run/hearth.pid); kill $pid && timeout 40 tail --pid=$pid -f /dev/null",
        )?;
        ensure!(ran.status == 0, "the gateway did not end: {} {}", ran.output, self.log_end());
        Ok(())
    }

    /// The last lines of its log.
    pub(crate) fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.radio.shared("hearth.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// A command line of `hearth` beside it.
    pub(crate) fn command(&self, words: &str) -> String {
        format!("cd {FOLDER} && {} {words} --config hearth.toml", self.program.display())
    }

    pub(crate) fn run(&self, words: &str) -> anyhow::Result<Ran> {
        self.radio.run_within(&self.command(words), Duration::from_secs(200))
    }

    /// A command that has to succeed.
    pub(crate) fn does(&self, words: &str) -> anyhow::Result<String> {
        let ran = self.run(words)?;
        ensure!(ran.status == 0, "hearth {words} ended with {}: {}", ran.status, ran.output);
        Ok(ran.output)
    }

    /// `hearth status`; null while nobody answers.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        let ran = self.run("status --json")?;
        Ok(ran.output.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_default())
    }

    /// `hearth devices show`.
    pub(crate) fn device(&self, id: &str) -> anyhow::Result<Value> {
        let output = self.does(&format!("devices show {id} --json"))?;
        serde_json::from_str(output.trim()).with_context(|| format!("devices show said {output}"))
    }

    /// The journal of a device: one entry for each raw row that is a measurement, and its outcome.
    pub(crate) fn journal(&self, id: &str) -> anyhow::Result<Vec<Entry>> {
        let output = self.does(&format!("journal export --json --device {id}"))?;
        let mut rows = BTreeMap::new();
        for line in output.lines() {
            let line: Value = serde_json::from_str(line)
                .with_context(|| format!("journal export said {line}"))?;
            let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
            if MEASUREMENTS.contains(&text("source").as_str()) {
                rows.insert(
                    line["journal_seq"].as_i64().context("no number")?,
                    Entry {
                        source: text("source"),
                        raw: text("raw").to_lowercase(),
                        state: text("state"),
                        line,
                    },
                );
            }
        }
        Ok(rows.into_values().collect())
    }

    /// What was taken from a device, as characteristic and octets, sorted; what was set aside is not in it.
    pub(crate) fn observed(&self, id: &str) -> anyhow::Result<Vec<(String, String)>> {
        let mut found: Vec<_> = self
            .journal(id)?
            .into_iter()
            .filter(|it| !matches!(it.state.as_str(), "duplicate" | "quarantined" | "damaged"))
            .map(|it| (it.source, it.raw))
            .collect();
        found.sort();
        Ok(found)
    }

    /// Waits until the journal has everything that the device holds or has handed over, and nothing twice.
    pub(crate) fn has_all_of(&self, member: Member, limit: Duration) -> anyhow::Result<usize> {
        let truth = truth(self.radio, member.label)?;
        let deadline = Instant::now() + limit;
        loop {
            let observed = self.observed(member.id)?;
            if observed == truth {
                return Ok(truth.len());
            }
            if Instant::now() >= deadline {
                let mut lost = truth.clone();
                lost.retain(|it| !observed.contains(it));
                let mut more = observed.clone();
                more.retain(|it| !truth.contains(it));
                bail!(
                    "{}: {} of {} in the journal; lost {:?}; not the device's {:?}; {}",
                    member.id,
                    observed.len(),
                    truth.len(),
                    &lost[..lost.len().min(5)],
                    &more[..more.len().min(5)],
                    self.log_end()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for the state of a device.
    pub(crate) fn waits_for_state(&self, id: &str, state: &str) -> anyhow::Result<Value> {
        let found = until(&format!("{id} {state}"), SOON * 2, || {
            let device = self.device(id)?;
            Ok((device["radio"]["state"] == state).then_some(device))
        });
        found.with_context(|| self.log_end())
    }

    /// Pairs a member that is not paired yet: the device is made, put into pairing mode, paired and off again.
    pub(crate) fn with(&self, member: Member) -> anyhow::Result<()> {
        made(self.radio, member)?;
        let paired = self.run(&format!("devices show {} --json", member.id))?;
        if paired.status == 0 && paired.output.contains("\"bonded\":true") {
            return Ok(());
        }
        self.radio.order(member.label, json!({ "order": "set", "passkey": 271_828 }))?;
        self.radio.order(member.label, json!({ "order": "on", "pairing": true }))?;
        let more = match member.kind {
            "meter" => "--passkey 271828 --patient p1",
            "cuff" => "--patient p1 --slot 1",
            "scale" => "--patient p1 --slot 1 --consent 1=1234 --consent 2=5678",
            _ => "--yes --patient p1",
        };
        let words = format!("devices pair {} --as {} {more}", member.address, member.id);
        let said = self.does(&words)?;
        ensure!(said.contains("is paired"), "{said}");
        if matches!(member.kind, "cuff" | "scale") {
            self.does(&format!("devices assign {} --patient p2 --slot 2", member.id))?;
        }
        off(self.radio, member.label)
    }
}

/// A row of the journal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) source: String,
    pub(crate) raw: String,
    pub(crate) state: String,
    pub(crate) line: Value,
}

/// Makes a device of the air, unless it is there.
pub(crate) fn made(radio: &VirtualRadio, member: Member) -> anyhow::Result<()> {
    if radio.order(member.label, json!({ "order": "describe" })).is_err() {
        let create = json!({ "order": "create", "kind": member.kind, "name": member.name, "address": member.address });
        radio.order(member.label, create)?;
    }
    Ok(())
}

pub(crate) fn off(radio: &VirtualRadio, label: &str) -> anyhow::Result<()> {
    radio.order(label, json!({ "order": "off" })).map(drop)
}

/// Everything that a device keeps, or has handed over and seen confirmed, sorted.
pub(crate) fn truth(radio: &VirtualRadio, label: &str) -> anyhow::Result<Vec<(String, String)>> {
    let held = radio.order(label, json!({ "order": "hold" }))?;
    let mut found = Vec::new();
    for record in held["records"].as_array().into_iter().flatten() {
        for (short, key) in [("2A18", "octets"), ("2A34", "context_octets")] {
            if let Some(octets) = record[key].as_str() {
                found.push((short.to_owned(), octets.to_lowercase()));
            }
        }
    }
    for list in ["confirmed", "pending"] {
        for record in held[list].as_array().into_iter().flatten() {
            for value in record["octets"].as_array().into_iter().flatten() {
                let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
                found.push((text(&value[0]).to_uppercase(), text(&value[1]).to_lowercase()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `hearth` in the guest with its stdin from a file of the guest, in the background; its output and status are waited for.
pub(crate) struct Typed<'a> {
    gateway: &'a Gateway<'a>,
}

impl<'a> Typed<'a> {
    pub(crate) fn start(gateway: &'a Gateway<'a>, words: &str) -> anyhow::Result<Self> {
        let command = gateway.command(words);
        let ran = gateway.radio.run(&format!(
            "rm -f /run/typed /run/told /run/ended; mkfifo /run/typed; \
             (bash -c {} <>/run/typed >/run/told 2>&1; echo $? >/run/ended) >/dev/null 2>&1 &",
            quoted(&command)
        ))?;
        ensure!(ran.status == 0, "{ran:?}");
        Ok(Self { gateway })
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, words: &str) -> anyhow::Result<String> {
        until(&format!("told: {words}"), SOON, || {
            let told = self.gateway.radio.run("cat /run/told")?.output;
            Ok(told.contains(words).then_some(told))
        })
        .with_context(|| {
            let told = self.gateway.radio.run("cat /run/told").map(|it| it.output);
            format!("it said {:?}; {}", told.unwrap_or_default(), self.gateway.log_end())
        })
    }

    pub(crate) fn types(&self, line: &str) -> anyhow::Result<()> {
        self.gateway.radio.run(&format!("echo {} >/run/typed", quoted(line))).map(drop)
    }

    /// Everything it said once it has ended, with its exit status.
    pub(crate) fn ends(&self) -> anyhow::Result<Ran> {
        let status = until("ended", SOON * 2, || {
            Ok(self.gateway.radio.run("cat /run/ended")?.output.trim().parse::<i64>().ok())
        })?;
        Ok(Ran { status, output: self.gateway.radio.run("cat /run/told")?.output })
    }
}
