//! Brokers that can be frozen, killed and started again on the same port.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hearth_gateway::uplink::transport::Endpoint;

/// Mosquitto, if this machine has it.
pub(crate) fn mosquitto() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|p| p.join("mosquitto")).find(|p| p.is_file())
    });
    let found =
        on_path.or_else(|| Some(PathBuf::from("/usr/sbin/mosquitto")).filter(|p| p.is_file()));
    if found.is_none() {
        eprintln!("skipped: Mosquitto is not installed (Debian package mosquitto)");
    }
    found
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Mosquitto process with its folder.
pub(crate) struct Mosquitto {
    program: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    /// Starts with `lines` of configuration; `{folder}` in them is the broker's folder.
    pub(crate) fn start(lines: &str, files: &[(&str, &str)]) -> Option<Self> {
        let program = mosquitto()?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let here = folder.path().display().to_string();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        // Started by root it would become another user, who cannot write here; else it is ignored.
        let config =
            format!("user root\nlistener {port} 127.0.0.1\n{lines}\n").replace("{folder}", &here);
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Self { program, folder, port, child: None };
        broker.up();
        Some(broker)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { host: "127.0.0.1".into(), port: self.port, tls: None }
    }

    /// Starts the process and waits until it listens.
    pub(crate) fn up(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_for_port(self.port, || {
            std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        });
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id();
        let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status();
        assert!(status.unwrap().success());
    }
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }
    /// SIGKILL: nothing is written any more.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

fn wait_for_port(port: u16, log: impl Fn() -> String) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "no broker: {}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The embedded broker in a runtime of its own, so that it can be ended like a process.
pub(crate) struct Embedded {
    pub(crate) port: u16,
    settings: hearth_embedded_broker::Settings,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Embedded {
    pub(crate) fn start(settings: hearth_embedded_broker::Settings) -> Self {
        let mut broker = Self { port: 0, settings, runtime: None };
        broker.up();
        broker.settings.listen = SocketAddr::from(([127, 0, 0, 1], broker.port));
        broker
    }

    pub(crate) fn memory() -> Self {
        let storage = hearth_embedded_broker::Storage::Memory;
        Self::start(hearth_embedded_broker::Settings::loopback(0, storage))
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { host: "127.0.0.1".into(), port: self.port, tls: None }
    }

    pub(crate) fn up(&mut self) {
        tokio::task::block_in_place(|| self.up_now());
    }

    fn up_now(&mut self) {
        let start = Instant::now();
        loop {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let (tell, bound) = tokio::sync::oneshot::channel();
            let stop = tokio_util::sync::CancellationToken::new();
            runtime.spawn(hearth_embedded_broker::run(self.settings.clone(), tell, stop));
            // The port of a broker that has just ended may still be taken for a moment.
            if let Ok(address) = bound.blocking_recv() {
                self.port = address.port();
                self.runtime = Some(runtime);
                return;
            }
            runtime.shutdown_background();
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "the embedded broker does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it without a goodbye: its memory is gone, connections break.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            tokio::task::block_in_place(|| runtime.shutdown_timeout(Duration::from_secs(2)));
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Octets sent to whoever connects, then the end: a port that does not speak MQTT.
pub(crate) fn babbler(octets: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.write_all(octets);
        }
    });
    port
}

impl Mosquitto {
    /// SIGUSR1: saves the database now, and waits until it is there.
    pub(crate) fn save(&self) {
        let file = self.folder().join("mosquitto.db");
        let _ = std::fs::remove_file(&file);
        self.signal("USR1");
        let start = Instant::now();
        while !file.is_file() {
            assert!(start.elapsed() < Duration::from_secs(5), "no database was saved");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Mosquitto {
    /// SIGHUP: reads its access list again.
    pub(crate) fn reload(&self) {
        self.signal("HUP");
    }
}
