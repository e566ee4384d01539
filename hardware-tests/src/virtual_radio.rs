//! A Linux guest with a real Bluetooth stack, and devices of an independent one on the same emulated air.
//!
//! The guest (`hardware-tests/virtual-radio`) runs Debian's kernel and `bluetoothd`; its adapter `hci0` and every device are
//! emulated. It sees the host's files read-only under a throw-away overlay, so programs that were built here run there
//! by their path here. Nothing is slept through: a slow machine takes longer, and every wait has an end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

/// Port of the agent in the guest, which runs shell commands.
const AGENT_PORT: u16 = 7000;
/// Port of the air in the guest, which takes orders to devices.
const ORDER_PORT: u16 = 7001;
/// Longest start of the guest; 13 s are usual, a machine that compiles meanwhile needs three times as long.
const START: Duration = Duration::from_secs(240);
/// Longest answer to an order that does not say itself how long it waits.
const ORDER: Duration = Duration::from_secs(60);
/// What an answer may take beyond the time that the guest was given.
const GRACE: Duration = Duration::from_secs(30);
/// Longest orderly end of the guest.
const END: Duration = Duration::from_secs(20);

/// What a command in the guest said and how it ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Exit status; 124 when it was killed after its time, negative for a signal.
    pub status: i64,
    /// Both output streams, in order.
    pub output: String,
}

/// The running guest. Dropping it ends the machine.
#[derive(Debug)]
pub struct VirtualRadio {
    machine: Child,
    folder: PathBuf,
    ports: BTreeMap<u16, u16>,
    /// Whether the logs stay when the machine ends: until it is up, they are all that tells why it is not.
    keep_logs: bool,
    /// From power-on to a powered adapter and answering devices.
    pub started_in: Duration,
}

/// `true` where the environment asks for tests on the virtual radio (`HEARTH_RADIO=1`).
#[must_use]
pub fn is_wanted() -> bool {
    std::env::var_os("HEARTH_RADIO").is_some_and(|it| it == "1")
}

/// Folder of the scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("virtual-radio")
}

/// Folder of kernel, Python environment and logs: `HEARTH_RADIO_CACHE`, or `target/virtual-radio`.
#[must_use]
pub fn cache() -> PathBuf {
    std::env::var_os("HEARTH_RADIO_CACHE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/virtual-radio"),
        PathBuf::from,
    )
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// One JSON line to a port of this host, one back.
fn ask(port: u16, question: &Value, within: Duration) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    ensure!(!line.is_empty(), "the guest closed the connection without an answer");
    Ok(serde_json::from_str(&line)?)
}

impl VirtualRadio {
    /// Boots the guest and waits until its adapter is powered and its devices answer. `guest_ports` are forwarded, each to
    /// a free port of this host's loopback; see [`Self::port`].
    ///
    /// # Errors
    /// The machine is not prepared (`hardware-tests/virtual-radio/prepare`), or it did not come up; the message names its logs.
    pub fn start(guest_ports: &[u16]) -> anyhow::Result<Self> {
        let started = Instant::now();
        let folder = cache().join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let mut ports = BTreeMap::new();
        for guest in [AGENT_PORT, ORDER_PORT].iter().chain(guest_ports) {
            ports.insert(*guest, free_port()?);
        }
        let machine = Command::new(scripts().join("boot"))
            .arg(&folder)
            .args(ports.iter().map(|(guest, host)| format!("{host}:{guest}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("starting hardware-tests/virtual-radio/boot")?;
        let mut radio =
            Self { machine, folder, ports, keep_logs: true, started_in: Duration::ZERO };
        radio.wait_until_up(started + START)?;
        radio.keep_logs = false;
        radio.started_in = started.elapsed();
        Ok(radio)
    }

    fn wait_until_up(&mut self, deadline: Instant) -> anyhow::Result<()> {
        // QEMU accepts on a forwarded port long before anybody listens behind it: only an answer counts.
        let mut last = anyhow::anyhow!("no answer yet");
        while Instant::now() < deadline {
            if let Some(status) = self.machine.try_wait()? {
                bail!(
                    "the virtual radio ended at once ({status}): see {}/console.log",
                    self.folder.display()
                );
            }
            match self.is_up() {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err(last
            .context(format!("the virtual radio did not come up: see {}", self.folder.display())))
    }

    fn is_up(&self) -> anyhow::Result<bool> {
        let brief = Duration::from_secs(10);
        ask(self.port(ORDER_PORT), &json!({ "order": "devices" }), brief)?;
        self.is_powered()
    }

    /// Whether `bluetoothd` is there and its adapter powered.
    ///
    /// # Errors
    /// The guest does not answer.
    pub fn is_powered(&self) -> anyhow::Result<bool> {
        let ran = self.run(
            "dbus-send --system --print-reply --reply-timeout=5000 --dest=org.bluez /org/bluez/hci0 \
             org.freedesktop.DBus.Properties.Get string:org.bluez.Adapter1 string:Powered",
        )?;
        Ok(ran.status == 0 && ran.output.contains("boolean true"))
    }

    /// Runs a shell command as root in the guest, for a minute at most. A program that stays is started with its output
    /// redirected: `program >/out/program.log 2>&1 & echo $!`.
    ///
    /// # Errors
    /// The guest does not answer. A command that fails is no error: see [`Ran::status`].
    pub fn run(&self, command: &str) -> anyhow::Result<Ran> {
        self.run_within(command, Duration::from_secs(60))
    }

    /// As [`Self::run`], with another limit; the command is killed after it (status 124).
    ///
    /// # Errors
    /// The guest does not answer.
    pub fn run_within(&self, command: &str, limit: Duration) -> anyhow::Result<Ran> {
        let question = json!({ "run": command, "timeout_s": limit.as_secs_f64() });
        let answer = ask(self.port(AGENT_PORT), &question, limit + GRACE)
            .with_context(|| format!("running {command}"))?;
        Ok(Ran {
            status: answer["status"].as_i64().context("an answer without a status")?,
            output: answer["output"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Gives a device an order, for instance `order("meter", json!({ "order": "measure", "mg_dl": 104 }))`; the answer has `at`,
    /// the guest's time in seconds. Devices and orders are listed in `hardware-tests/virtual-radio/README.md`.
    ///
    /// # Errors
    /// The guest does not answer, or the device refuses the order and says why.
    pub fn order(&self, device: &str, order: Value) -> anyhow::Result<Value> {
        let mut question = order;
        question["device"] = json!(device);
        let within =
            question["timeout_s"].as_f64().map_or(ORDER, |it| Duration::from_secs_f64(it) + GRACE);
        let answer = ask(self.port(ORDER_PORT), &question, within)
            .with_context(|| format!("ordering {question}"))?;
        ensure!(answer["ok"] == true, "{device} refuses {question}: {}", answer["error"]);
        Ok(answer)
    }

    /// The number of the next event of a device: what [`Self::wait_for`] counts from.
    ///
    /// # Errors
    /// As [`Self::order`].
    pub fn next_event(&self, device: &str) -> anyhow::Result<u64> {
        self.order(device, json!({ "order": "describe" }))?["next_event"]
            .as_u64()
            .context("no event number")
    }

    /// Waits until a device has seen an event, `count` times from number `since` on; answers with those events.
    ///
    /// # Errors
    /// The time is over: the message says what was seen instead.
    pub fn wait_for(
        &self,
        device: &str,
        event: &str,
        (since, count): (u64, u64),
    ) -> anyhow::Result<Vec<Value>> {
        let wait = json!({ "order": "wait", "event": event, "since": since, "count": count, "timeout_s": 90 });
        let answer = self.order(device, wait)?;
        Ok(answer["events"].as_array().cloned().unwrap_or_default())
    }

    /// A file of the folder that both sides see: `/out/<name>` in the guest. It takes files as a whole, not SQLite in WAL mode.
    #[must_use]
    pub fn shared(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The port of this host's loopback that leads to a port of the guest; 0 for one that was not asked for.
    #[must_use]
    pub fn port(&self, guest: u16) -> u16 {
        self.ports.get(&guest).copied().unwrap_or(0)
    }

    /// The Python that has `bumble`, `bleak` and `dbus-fast`; the same path here and in the guest.
    ///
    /// # Errors
    /// The machine is not prepared.
    pub fn python(&self) -> anyhow::Result<PathBuf> {
        // Not canonical itself: the link is what makes it the environment's Python.
        Ok(cache().canonicalize()?.join("venv/bin/python"))
    }
}

impl Drop for VirtualRadio {
    fn drop(&mut self) {
        let _ = ask(self.port(AGENT_PORT), &json!({ "quit": true }), Duration::from_secs(10));
        let deadline = Instant::now() + END;
        while Instant::now() < deadline && matches!(self.machine.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(100));
        }
        if matches!(self.machine.try_wait(), Ok(None)) {
            // The script passes this on to the machine; killing the script would leave the machine behind.
            let _ = Command::new("kill").arg(self.machine.id().to_string()).status();
            let _ = self.machine.wait();
        }
        if self.keep_logs || std::thread::panicking() {
            eprintln!(
                "the virtual radio's logs and its capture of the air: {}",
                self.folder.display()
            );
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
