//! The real `hearth` as a process in a folder of its own, with its embedded broker and a simulated household.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything; a loaded machine is slow.
const WITHIN: Duration = Duration::from_secs(60);

/// The program beside this test's own; `None`, said aloud, where nobody has built it.
pub(crate) fn program() -> Option<PathBuf> {
    let here = std::env::current_exe().unwrap();
    let found = here.parent()?.parent()?.join("hearth");
    if found.is_file() {
        return Some(found);
    }
    eprintln!("skipped: {} is not there; cargo build -p hearth-gateway --bins", found.display());
    None
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) struct Home {
    program: PathBuf,
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Home {
    /// A folder with a configuration; `None` where the program has not been built.
    pub(crate) fn new() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = format!(
            "[gateway]\nid = \"gw\"\nzone = \"Europe/Madrid\"\ndata_dir = \".\"\n\
             [uplink]\nport = {port}\nconsumers = [\"ehr\"]\n\
             [embedded_broker]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\n\
             [radio]\nadapter = \"simulated\"\n[control]\nsocket = \"control.sock\"\n\
             [clock]\nrequire_sync = false\n[household]\nfile = \"household.toml\"\n\
             [log]\nlevel = \"info\"\n"
        );
        std::fs::write(folder.path().join("hearth.toml"), config).unwrap();
        std::fs::write(folder.path().join("household.toml"), HOUSEHOLD).unwrap();
        Some(Self { program, folder, daemon: None })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("HEARTH_CONFIG")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the daemon, or `command` that becomes it, and waits until its household can connect.
    pub(crate) fn start(&mut self, command: Option<Command>) {
        let mut command = command.unwrap_or_else(|| self.command(&["run"]));
        let log = std::fs::File::options().create(true).append(true).open(self.path("log"));
        let log = log.unwrap();
        // Of a process that was killed; nobody listens there.
        let _ = std::fs::remove_file(self.path("radio.sock"));
        self.daemon = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let started = Instant::now();
        while UnixStream::connect(self.path("control.sock")).is_err()
            || !self.path("radio.sock").exists()
        {
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended with {ended:?}: {}", self.log());
            assert!(started.elapsed() < WITHIN, "the daemon does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            self.kill();
        }
    }
}

/// Bluetooth address of the meter.
pub(crate) const METER: &str = "C2:00:00:00:00:01";

const HOUSEHOLD: &str = r#"
[[patient]]
id = "ana"
zone = "Europe/Madrid"
language = "es"
prompts = true
start = "2026-01-01"

[[device]]
id = "meter"
kind = "glucose_meter"
address = "C2:00:00:00:00:01"
[[device.owner]]
patient = "ana"
from = "2026-01-01"
"#;
