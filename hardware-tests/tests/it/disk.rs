//! A full disk: nothing that was acknowledged is lost, nothing is acknowledged that is not held, and it goes on by
//! itself when there is room again.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path as FilePath;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hearth_gateway::path::Path;
use hearth_gateway::radio::{RadioCommand, RadioEvent};
use hearth_gateway::store::{Queries, Reader, Store, StoreError, StoreOptions, audit};
use hearth_hardware_tests::devices::{DeviceTime, GlucoseMeter, Sent};
use hearth_hardware_tests::simulator::gateway::{household, settings};

use crate::process::{Home, METER};

/// 2026-03-02T09:00:00Z.
const START_MS: i64 = 1_772_442_000_000;

/// The household's end of the radio socket, with answers that can be waited for with a limit.
struct Wire {
    out: UnixStream,
    answers: Receiver<RadioCommand>,
    /// Connection and number of records acknowledged last.
    through: (u32, usize),
}

impl Wire {
    fn connect(home: &Home, now_ms: i64) -> Self {
        let out = UnixStream::connect(home.path("radio.sock")).unwrap();
        let lines = BufReader::new(out.try_clone().unwrap());
        let (tell, answers) = channel();
        std::thread::spawn(move || {
            for line in lines.lines() {
                let Ok(line) = line else { return };
                let Ok(command) = serde_json::from_str(&line) else { continue };
                if tell.send(command).is_err() {
                    return;
                }
            }
        });
        let mut wire = Self { out, answers, through: (0, 0) };
        let mut hello = serde_json::to_vec(&RadioEvent::Hello { version: 1, now_ms }).unwrap();
        hello.push(b'\n');
        wire.out.write_all(&hello).unwrap();
        wire
    }

    /// Sends records in one connection. Whoever is not listened to would wait, so a thread does it.
    fn deliver(&mut self, connection: u32, records: &[Sent]) {
        let mut lines = Vec::new();
        let mut add = |event: &RadioEvent| {
            lines.extend(serde_json::to_vec(event).unwrap());
            lines.push(b'\n');
        };
        add(&RadioEvent::Connected {
            address: METER.to_owned(),
            connection,
            encrypted: Some(true),
            device_clock_s: None,
        });
        for (position, sent) in (0..).zip(records) {
            add(&RadioEvent::Value {
                address: METER.to_owned(),
                connection,
                position,
                characteristic: format!("{:04X}", sent.characteristic),
                hex: sent.octets.iter().map(|octet| format!("{octet:02x}")).collect(),
            });
        }
        let mut out = self.out.try_clone().unwrap();
        std::thread::spawn(move || out.write_all(&lines));
    }

    /// How many of `count` records are acknowledged, after `wait` at the latest.
    fn acknowledged(&mut self, connection: u32, count: usize, wait: Duration) -> usize {
        let started = Instant::now();
        while self.through.1 < count || self.through.0 != connection {
            let left = wait.saturating_sub(started.elapsed());
            match self.answers.recv_timeout(left) {
                Ok(RadioCommand::Committed { connection, position }) => {
                    self.through = (connection, usize::try_from(position).unwrap() + 1);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        if self.through.0 == connection { self.through.1 } else { 0 }
    }
}

/// `count` records of one meter, a minute apart, with a value and a number of their own.
fn measure(meter: &mut GlucoseMeter, from: i64, count: i64) -> Vec<Sent> {
    (from..from + count)
        .flat_map(|nth| {
            let at = jiff::Timestamp::from_millisecond(START_MS + nth * 60_000).unwrap();
            let local = jiff::tz::TimeZone::get("Europe/Madrid").unwrap().to_datetime(at);
            meter.measure(DeviceTime::new(local), u16::try_from(100 + nth % 90).unwrap(), None)
        })
        .collect()
}

fn payloads(reader: &Reader) -> Vec<Vec<u8>> {
    let mut statement = reader
        .connection()
        .prepare("select j.payload from observation o join journal j on j.seq = o.journal_seq")
        .unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Files of a process may not grow beyond `octets`; it goes on when the limit is lifted.
fn limit(pid: u32, octets: Option<u64>) {
    let size = octets.map_or("unlimited".to_owned(), |octets| octets.to_string());
    let done = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--fsize={size}:")])
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn the_daemon_outlives_a_full_disk() {
    if !Command::new("prlimit").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: prlimit is not there (Debian package util-linux)");
        return;
    }
    let Some(mut home) = Home::new() else { return };
    let program = home.command(&["run"]).get_program().to_owned();
    let mut shell = Command::new("sh");
    // Without this the kernel ends a process that grows a file beyond its limit.
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" run"]).arg(program);
    shell.current_dir(home.path(""));
    home.start(Some(shell));
    let mut meter = GlucoseMeter::new(0);
    let mut wire = Wire::connect(&home, START_MS);
    let long = Duration::from_secs(30);
    let first = measure(&mut meter, 0, 50);
    wire.deliver(1, &first);
    assert_eq!(wire.acknowledged(1, first.len(), long), first.len(), "{}", home.log());

    let log = home.path("hearth.db-wal").metadata().unwrap().len();
    limit(home.pid(), Some(log + 100_000));
    let second = measure(&mut meter, 50, 600);
    wire.deliver(2, &second);
    let held = wire.acknowledged(2, second.len(), Duration::from_secs(5));
    assert!(held < second.len(), "the limit was not felt");
    let reader = Reader::open(&home.path("hearth.db")).unwrap();
    let there = payloads(&reader);
    for sent in first.iter().chain(&second[..held]) {
        assert!(there.contains(&sent.octets), "acknowledged, but not held");
    }
    let status = home.run(&["status"]);
    let shown = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(shown.contains("disk") || home.log().contains("disk"), "{shown}\n{}", home.log());

    limit(home.pid(), None);
    assert_eq!(wire.acknowledged(2, second.len(), long), second.len(), "{}", home.log());
    let mut there = payloads(&reader);
    assert_eq!(there.len(), 650, "each reading once");
    there.sort();
    there.dedup();
    assert_eq!(there.len(), 650, "no reading twice");
    assert!(audit::verify(&reader).unwrap().1.is_empty(), "the journal is whole");
    println!("{held} of {} were held when the disk was full", second.len());
}

/// A file system of two megabytes in memory, where we may make one.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder.path())
            .output();
        if made.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: no small file system can be mounted here");
        None
    }

    fn path(&self) -> &FilePath {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_file_system_is_a_typed_error_and_passes() {
    let Some(small) = Small::new() else { return };
    let ballast = small.path().join("ballast");
    std::fs::write(&ballast, vec![1; 900_000]).unwrap();
    let mut store = Store::open(&StoreOptions::at(small.path().join("gw.db"))).unwrap();
    store.transaction(household).unwrap();
    let reader = store.reader().unwrap();
    let mut path = Path::open(store, settings()).unwrap();
    let mut meter = GlucoseMeter::new(0);
    let records = measure(&mut meter, 0, 3_000);
    let mut held = Vec::new();
    let (mut refused, mut at_first) = (0, 0);
    for (nth, chunk) in records.chunks(10).enumerate() {
        let arrivals: Vec<_> = chunk.iter().map(|sent| arrival(sent, nth, START_MS)).collect();
        match path.take(&arrivals) {
            Ok(_) => held.extend(chunk.iter().map(|sent| sent.octets.clone())),
            Err(StoreError::Disk(_)) => {
                refused += 1;
                if refused == 3 {
                    at_first = held.len();
                    std::fs::remove_file(&ballast).unwrap();
                }
                if refused > 10 {
                    break;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused >= 3, "the file system did not fill up");
    assert!(held.len() > at_first, "it did not go on when there was room again");
    let there = payloads(&reader);
    assert_eq!(there.len(), held.len(), "held is what was acknowledged, no more");
    let missing = held.iter().filter(|octets| !there.contains(octets)).count();
    assert_eq!(missing, 0);
    assert!(audit::verify(&reader).unwrap().1.is_empty(), "the journal is whole");
    println!("{refused} commits refused, {} readings held", held.len());
}

fn arrival(sent: &Sent, connection: usize, now_ms: i64) -> hearth_gateway::intake::Arrival {
    use hearth_gateway::clock::{BootId, Now};
    use hearth_gateway::intake::{Arrival, LinkSecurity, Payload};
    let wall = hearth_shared::time::UnixMillis::from_millis(now_ms + 200_000_000);
    Arrival {
        device: "meter-ana".to_owned(),
        payload: Payload::Gatt { characteristic: sent.characteristic, octets: sent.octets.clone() },
        received: Now { wall, monotonic_ms: 1, boot: BootId([1; 16]), trusted: true },
        connection: u32::try_from(connection).unwrap(),
        position: 0,
        clock_offset_s: None,
        link: LinkSecurity::default(),
    }
}
