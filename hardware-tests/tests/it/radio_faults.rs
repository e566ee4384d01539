//! The whole daemon against a stand-in for `bluetoothd`: what devices send over its GATT is in the journal
//! once, and the status says how the radio is.
//!
//! Each scenario has a bus, a stand-in and a daemon of its own. What a kernel knows (whether a link is
//! encrypted) is not in it: that belongs to the virtual radio.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hearth_gateway::radio::air::{Address, Place, sig};
use hearth_hardware_tests::fake_bluez::{Device, FakeBluez, PrivateBus};
use serde_json::Value;

use crate::process::program;

/// Longest wait for anything that is expected.
const WITHIN: Duration = Duration::from_secs(60);

const CUFF: Address = Address([0xC0, 0xFF, 0xEE, 0, 0, 2]);
const METER: Address = Address([0xC0, 0xFF, 0xEE, 0, 0, 1]);
const PRESSURE: Place = Place::sig(0x1810, 0x2A35);
const GLUCOSE: Place = Place::sig(0x1808, 0x2A18);
const CONTROL: Place = Place::sig(0x1808, 0x2A52);

struct House {
    folder: tempfile::TempDir,
    bus: PrivateBus,
    fake: FakeBluez,
    /// Carries the stand-in.
    _runtime: tokio::runtime::Runtime,
    daemon: Option<Child>,
    program: std::path::PathBuf,
}

impl House {
    /// `None`, said aloud, where the bus or the program is missing.
    /// BlueZ knows these devices from the start, as it does their bonds.
    fn new(devices: [Device; 2]) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let Some(bus) = PrivateBus::start(folder.path()).unwrap() else {
            eprintln!("skipped: dbus-daemon is not installed (package dbus)");
            return None;
        };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().worker_threads(1).build().unwrap();
        let fake = runtime.block_on(FakeBluez::start(&bus.address())).unwrap();
        devices.into_iter().for_each(|device| fake.put(device));
        let config = "[gateway]\nid = \"gw\"\nzone = \"Europe/Madrid\"\ndata_dir = \".\"\n\
             [uplink]\nenabled = false\n[radio]\nadapter = \"hci0\"\n\
             [control]\nsocket = \"control.sock\"\n[clock]\nrequire_sync = false\n";
        std::fs::write(folder.path().join("hearth.toml"), config).unwrap();
        let mut house = Self { folder, bus, fake, _runtime: runtime, daemon: None, program };
        house.start();
        for (id, kind, address) in
            [("cuff", "blood_pressure_cuff", CUFF), ("meter", "glucose_meter", METER)]
        {
            let address = address.to_string();
            house.run(&["devices", "add", id, "--kind", kind, "--address", &address]);
        }
        Some(house)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address())
            .env_remove("HEARTH_CONFIG")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut command = self.command(&["run"]);
        let daemon = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.daemon = Some(daemon);
        self.wait("the radio is up", |house| house.health()["state"] == "ok");
    }

    /// How the radio is, as `hearth status` tells it.
    fn health(&self) -> Value {
        let output = self.command(&["status", "--json"]).output().unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status["radio"]["health"].clone()
    }

    /// Waits, while whoever is not connected advertises.
    fn wait(&mut self, what: &str, until: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        let mut strength = -60;
        while !until(self) {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(began.elapsed() < WITHIN, "not within {WITHIN:?}: {what}\n{}", log());
            strength = if strength == -60 { -61 } else { -60 };
            for address in [CUFF, METER] {
                if let Some(device) = self.fake.device(address).filter(|one| !one.connected) {
                    self.fake.advertise(&Device { rssi: Some(strength), ..device });
                }
            }
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended with {ended:?}: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The octets of a device's measurements, one for each observation in the journal, sorted.
    fn measured(&self, device: &str) -> Vec<String> {
        let exported = self.run(&["journal", "export", "--json"]);
        let rows = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ours = rows.filter(|row| row["device"] == device && row["quantity"].is_string());
        let mut octets: Vec<String> =
            ours.map(|row| row["raw"].as_str().unwrap().to_owned()).collect();
        octets.sort();
        octets
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// A bonded cuff with so many readings to tell.
fn cuff(readings: u8) -> Device {
    let reading =
        |n: u8| (PRESSURE, vec![0x02, 120 + n, 0, 80, 0, 93, 0, 0xEA, 0x07, 3, 2, 9, n, 0]);
    Device {
        services: vec![sig(0x1810)],
        paired: true,
        sends: (0..readings).map(reading).collect(),
        ..Device::new(CUFF)
    }
    .with(PRESSURE, &["indicate"], &[])
}

/// A bonded meter that stores so many records.
fn meter(records: u8) -> Device {
    let record = |n: u8| vec![0x02, n, 0, 0xEA, 0x07, 3, 2, 9, n, 0, 100 + n, 0xB0, 0x11];
    Device {
        services: vec![sig(0x1808)],
        paired: true,
        records: (1..=records).map(record).collect(),
        ..Device::new(METER)
    }
    .with(GLUCOSE, &["notify"], &[])
    .with(CONTROL, &["write", "indicate"], &[])
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

#[test]
fn what_bonded_devices_send_is_in_the_journal_once() {
    let (cuff, meter) = (cuff(3), meter(6));
    let readings: Vec<String> = cuff.sends.iter().map(|(_, octets)| hex(octets)).collect();
    let records: Vec<String> = meter.records.iter().map(|octets| hex(octets)).collect();
    let Some(mut house) = House::new([cuff, meter]) else { return };
    house.wait("both sessions are complete", |house| {
        let sessions = &house.health()["sessions"];
        sessions[0].as_u64().is_some_and(|complete| complete >= 2)
    });
    let health = house.health();
    assert_eq!(health["state"], "ok", "{health}");
    let sessions = &health["sessions"];
    assert!(sessions[1] == 0 && sessions[2] == 0, "one was incomplete or failed: {health}");
    assert_eq!(house.measured("cuff"), readings);
    assert_eq!(house.measured("meter"), records);
}
