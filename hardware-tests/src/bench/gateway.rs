//! The real daemon against a real Mosquitto: sustained rate, latency, memory, start-up, backlog.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};

use super::peers::seconds;
use super::{Python, START_MS, address, household, median, ratio, row, values};

const SUSTAINED: usize = 20_000;
const BACKLOG: usize = 100_000;
const PACED: usize = 1_000;
const ROUNDS: usize = 3;
const DEADLINE: Duration = Duration::from_secs(180);

/// A Mosquitto of our own, without persistence, on a free port.
#[derive(Debug)]
pub struct MosquittoPeer {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl MosquittoPeer {
    /// Starts one, where Mosquitto is installed.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> Result<Option<Self>> {
        let places = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"];
        let Some(program) = places.iter().find(|place| Path::new(place).exists()) else {
            return Ok(None);
        };
        let port = free_port()?;
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("mosquitto.conf");
        std::fs::write(
            &config,
            format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n\
                 max_inflight_messages 100\n"
            ),
        )?;
        let child = Command::new(program)
            .args(["-c".as_ref(), config.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let peer = Self { child, port, _folder: folder };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(started.elapsed() < Duration::from_secs(5), "Mosquitto does not come up");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Some(peer))
    }
}

impl Drop for MosquittoPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A running `hearth run` with a simulated radio.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    folder: tempfile::TempDir,
    ready_ms: f64,
}

impl Daemon {
    /// Starts the daemon; `port` is the broker's, `embedded` runs it inside.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(program: &Path, port: u16, embedded: bool) -> Result<Self> {
        let folder = tempfile::tempdir_in(".")?;
        std::fs::write(
            folder.path().join("hearth.toml"),
            format!(
                "[gateway]\nid = \"bench\"\ndata_dir = \".\"\n[uplink]\nport = {port}\nconsumers = [\"bench\"]\n\
                 [embedded_broker]\nenabled = {embedded}\nlisten = \"127.0.0.1:{port}\"\n\
                 [radio]\nadapter = \"simulated\"\n[control]\nsocket = \"control.sock\"\n\
                 [clock]\nrequire_sync = false\n[household]\nfile = \"household.toml\"\n\
                 [log]\nlevel = \"error\"\n"
            ),
        )?;
        std::fs::write(folder.path().join("household.toml"), household())?;
        let started = Instant::now();
        let child = Command::new(program)
            .arg("run")
            .arg("--config")
            .arg(folder.path().join("hearth.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        let mut daemon = Self { child, folder, ready_ms: 0.0 };
        while UnixStream::connect(daemon.folder.path().join("radio.sock")).is_err() {
            if let Some(status) = daemon.child.try_wait()? {
                bail!("the gateway ended at once: {status}");
            }
            ensure!(started.elapsed() < Duration::from_secs(20), "the gateway does not come up");
            std::thread::sleep(Duration::from_micros(500));
        }
        daemon.ready_ms = started.elapsed().as_secs_f64() * 1000.0;
        Ok(daemon)
    }

    fn radio(&self) -> Result<UnixStream> {
        let mut stream = UnixStream::connect(self.folder.path().join("radio.sock"))?;
        let reader = stream.try_clone()?;
        std::thread::spawn(move || {
            let mut lines = BufReader::new(reader).lines();
            while let Some(Ok(line)) = lines.next() {
                if line.contains("refused") {
                    eprintln!("the gateway refused: {line}");
                }
            }
        });
        writeln!(stream, r#"{{"event":"hello","version":1,"now_ms":{START_MS}}}"#)?;
        for device in 0..super::DEVICES {
            writeln!(
                stream,
                r#"{{"event":"connected","address":"{}","connection":{},"encrypted":true,"device_clock_s":{}}}"#,
                address(device),
                device + 1,
                START_MS / 1000
            )?;
        }
        Ok(stream)
    }

    fn resident_mb(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(device: usize, position: usize, octets: &[u8]) -> String {
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    format!(
        "{{\"event\":\"value\",\"address\":\"{}\",\"connection\":{},\"position\":{position},\
         \"characteristic\":\"2A18\",\"hex\":\"{hex}\"}}\n",
        address(device),
        device + 1
    )
}

/// Every message of the gateway with the moment it came.
fn listen(port: u16, topic: &str) -> Result<Receiver<(Instant, String)>> {
    let mut options =
        MqttOptions::new(format!("bench-{topic}").replace('/', "-"), "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(60));
    let (client, mut connection) = Client::new(options, 16);
    client.subscribe(topic, QoS::AtLeastOnce)?;
    let (tell, heard) = channel();
    let (ready, is_ready) = channel();
    std::thread::spawn(move || {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.send(())),
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let text = String::from_utf8_lossy(&publish.payload).into_owned();
                    if tell.send((Instant::now(), text)).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    is_ready.recv_timeout(Duration::from_secs(10)).context("the broker confirms a subscription")?;
    Ok(heard)
}

fn wait_for(heard: &Receiver<(Instant, String)>, count: usize) -> Result<Instant> {
    let mut last = Instant::now();
    let deadline = Instant::now() + DEADLINE;
    for number in 0..count {
        let left = deadline.saturating_duration_since(Instant::now());
        match heard.recv_timeout(left) {
            Ok((at, _)) => last = at,
            Err(RecvTimeoutError::Timeout) => bail!("only {number} of {count} messages came"),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the broker closed after {number} messages")
            }
        }
    }
    Ok(last)
}

fn rate(count: usize, elapsed: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / elapsed
}

/// Readings per second from the radio socket to a subscriber, against the straightforward script.
///
/// # Errors
/// When a process does not come up or messages stay away.
pub fn sustained(program: &Path, python: Option<&Python>) -> Result<()> {
    println!(
        "\nSustained: {SUSTAINED} readings in, durable, assessed, published (Mosquitto on the same cores)"
    );
    let values = values(SUSTAINED);
    let lines: String =
        values.iter().enumerate().map(|(n, (device, octets))| line(*device, n, octets)).collect();
    let hex: String = values
        .iter()
        .map(|(_, octets)| {
            octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>() + "\n"
        })
        .collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let Some(broker) = MosquittoPeer::start()? else {
            println!("  not run: Mosquitto is not installed");
            return Ok(());
        };
        let heard = listen(broker.port, "hearth/v1/bench/observations")?;
        let daemon = Daemon::start(program, broker.port, false)?;
        let mut radio = daemon.radio()?;
        let started = Instant::now();
        radio.write_all(lines.as_bytes())?;
        let last = wait_for(&heard, SUSTAINED)?;
        ours.push(rate(SUSTAINED, last.duration_since(started).as_secs_f64()));
        drop(daemon);
        if let Some(python) = python {
            let folder = tempfile::tempdir_in(".")?;
            let arguments = [
                "--database".to_owned(),
                folder.path().join("script.db").display().to_string(),
                "--port".to_owned(),
                broker.port.to_string(),
            ];
            theirs.push(rate(
                SUSTAINED,
                seconds(&python.run("straightforward.py", &arguments, &hex)?),
            ));
        }
    }
    row("Hearth (the daemon)", "readings/s", &ours);
    if theirs.is_empty() {
        println!("  the straightforward script: not run, its packages are not installed");
    } else {
        row("straightforward script (Python)", "readings/s", &theirs);
        ratio("Hearth / script", &ours, &theirs);
    }
    Ok(())
}

/// From the value on the radio socket to the alert at a subscriber, at 100 readings a second; memory and start-up.
///
/// # Errors
/// As [`sustained`].
pub fn latency(program: &Path) -> Result<()> {
    println!("\nLatency at 100 readings/s, memory and start-up");
    let Some(broker) = MosquittoPeer::start()? else {
        println!("  not run: Mosquitto is not installed");
        return Ok(());
    };
    let heard = listen(broker.port, "hearth/v1/bench/+")?;
    let daemon = Daemon::start(program, broker.port, false)?;
    let mut radio = daemon.radio()?;
    std::thread::sleep(Duration::from_millis(300));
    let mut sent: BTreeMap<u64, Instant> = BTreeMap::new();
    let started = Instant::now();
    for (number, (device, octets)) in values(PACED).iter().enumerate() {
        let due = started + Duration::from_millis(10 * u64::try_from(number)?);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        sent.insert(u64::try_from(number)? + 1, Instant::now());
        radio.write_all(line(*device, number, octets).as_bytes())?;
    }
    let (mut observed, mut alerted) = (Vec::new(), Vec::new());
    let mut journal: BTreeMap<String, u64> = BTreeMap::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut count = 0;
    while observed.len() < PACED && Instant::now() < deadline {
        let Ok((at, text)) = heard.recv_timeout(Duration::from_secs(2)) else { break };
        let message: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        match message["body"]["kind"].as_str() {
            Some("observation") if message["body"]["revision"].as_u64().unwrap_or(0) == 0 => {
                count += 1;
                let id = message["id"].as_str().unwrap_or_default().to_owned();
                journal.insert(id, count);
                if let Some(began) = sent.get(&count) {
                    observed.push(at.duration_since(*began).as_secs_f64() * 1000.0);
                }
            }
            Some("alert") if message["body"]["to"] == "Active" => {
                alerted.push((
                    at,
                    message["body"]["observation"].as_str().unwrap_or_default().to_owned(),
                ));
            }
            _ => {}
        }
    }
    let alerts: Vec<f64> = alerted
        .iter()
        .filter_map(|(at, id)| {
            let began = sent.get(journal.get(id)?)?;
            Some(at.duration_since(*began).as_secs_f64() * 1000.0)
        })
        .collect();
    for (name, figures) in [("observation", &observed), ("alert", &alerts)] {
        let mut sorted = figures.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: usize| sorted.get(sorted.len() * share / 100).copied().unwrap_or(f64::NAN);
        println!(
            "  reading to {name:<33} p50 {:.2} ms, p99 {:.2} ms ({} of them)",
            at(50),
            at(99),
            sorted.len()
        );
    }
    println!("  resident, broker outside                     {:>10.1} MB", daemon.resident_mb()?);
    drop(daemon);
    let mut ready = Vec::new();
    let mut inside = Vec::new();
    for _ in 0..ROUNDS {
        ready.push(Daemon::start(program, broker.port, false)?.ready_ms);
        let daemon = Daemon::start(program, free_port()?, true)?;
        std::thread::sleep(Duration::from_millis(500));
        inside.push(daemon.resident_mb()?);
    }
    println!("  resident, embedded broker                    {:>10.1} MB", median(&inside));
    println!("  start until it takes readings                {:>10.1} ms", median(&ready));
    Ok(())
}

/// A backlog of 100,000 observations drained after the broker comes up, against raw rumqttc QoS 1 from memory.
///
/// # Errors
/// As [`sustained`].
pub fn backlog(program: &Path) -> Result<()> {
    println!("\nBacklog: {BACKLOG} observations drained to Mosquitto");
    let lines: String = values(BACKLOG)
        .iter()
        .enumerate()
        .map(|(n, (device, octets))| line(*device, n, octets))
        .collect();
    let port = free_port()?;
    let daemon = Daemon::start(program, port, false)?;
    let mut radio = daemon.radio()?;
    radio.write_all(lines.as_bytes())?;
    let file = daemon.folder.path().join("hearth.db");
    let deadline = Instant::now() + DEADLINE;
    loop {
        let db = rusqlite::Connection::open_with_flags(
            &file,
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
        )?;
        let held: i64 = db.query_row("select count(*) from observation", [], |row| row.get(0))?;
        if held >= i64::try_from(BACKLOG)? {
            break;
        }
        ensure!(Instant::now() < deadline, "only {held} of {BACKLOG} readings were taken");
        std::thread::sleep(Duration::from_millis(200));
    }
    let sample = {
        let db = rusqlite::Connection::open_with_flags(
            &file,
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
        )?;
        let body: String =
            db.query_row("select body from outbox where lane = 2 limit 1", [], |row| row.get(0))?;
        "x".repeat(body.len() + 180)
    };
    let Some(broker) = MosquittoPeer::start()? else {
        println!("  not run: Mosquitto is not installed");
        return Ok(());
    };
    let heard = listen(broker.port, "hearth/v1/bench/observations")?;
    // The gateway's broker address leads to Mosquitto from now on.
    Relay::start(port, broker.port)?;
    let started = wait_for(&heard, 1)?;
    let last = wait_for(&heard, BACKLOG - 1)?;
    let ours = [rate(BACKLOG - 1, last.duration_since(started).as_secs_f64())];
    drop(daemon);

    let heard = listen(broker.port, "raw")?;
    let mut options = MqttOptions::new("raw", "127.0.0.1", broker.port);
    options.set_outgoing_inflight_upper_limit(100);
    let (client, mut connection) = Client::new(options, 1000);
    std::thread::spawn(move || connection.iter().take_while(Result::is_ok).for_each(drop));
    let feeder = std::thread::spawn(move || -> Result<()> {
        for _ in 0..BACKLOG {
            client.publish("raw", QoS::AtLeastOnce, false, sample.clone())?;
        }
        // Dropped only after everything was heard.
        std::thread::sleep(Duration::from_secs(3600));
        Ok(())
    });
    let started = wait_for(&heard, 1)?;
    let last = wait_for(&heard, BACKLOG - 1)?;
    drop(feeder);
    let theirs = [rate(BACKLOG - 1, last.duration_since(started).as_secs_f64())];
    row("Hearth (from the store)", "messages/s", &ours);
    row("raw rumqttc QoS 1 (from memory)", "messages/s", &theirs);
    ratio("Hearth / raw rumqttc", &ours, &theirs);
    Ok(())
}

/// Carries octets from one local port to another, so that a broker can appear where there was none.
struct Relay;

impl Relay {
    fn start(from: u16, to: u16) -> Result<()> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", from))?;
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) =
                    (client, std::net::TcpStream::connect(("127.0.0.1", to)))
                else {
                    return;
                };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (Ok(client_reads), Ok(server_reads)) = (client.try_clone(), server.try_clone())
                else {
                    return;
                };
                for (mut reads, mut writes) in [(client_reads, server), (server_reads, client)] {
                    std::thread::spawn(move || std::io::copy(&mut reads, &mut writes));
                }
            }
        });
        Ok(())
    }
}
