//! A folder with a configuration, and the real binary in it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything in these tests; a loaded machine is slow.
const WITHIN: Duration = Duration::from_secs(30);

pub struct Home {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Home {
    /// A folder with these lines in its `hearth.toml`, beside those that keep everything inside it.
    pub fn new(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[gateway]\nid = \"gw-1\"\nzone = \"Europe/Berlin\"\ndata_dir = \"data\"\n\
             [control]\nsocket = \"control.sock\"\n{lines}\n"
        );
        std::fs::write(folder.path().join("hearth.toml"), text).unwrap();
        Self { folder, daemon: None }
    }

    /// Without broker, with a clock that is trusted.
    pub fn quiet() -> Self {
        Self::new("[uplink]\nenabled = false\n[clock]\nrequire_sync = false")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("HEARTH_CONFIG")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) {
        self.start_with("exec \"$0\" run --verbose");
    }

    /// The same with this shell script; `$0` is the binary.
    pub fn start_with(&mut self, script: &str) {
        let daemon = Command::new("bash")
            .args(["-c", script, env!("CARGO_BIN_EXE_hearth")])
            .current_dir(self.folder.path())
            .env_remove("HEARTH_CONFIG")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(self.path("out")).unwrap())
            .stderr(std::fs::File::create(self.path("err")).unwrap())
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        self.wait("the daemon answers", |home| {
            UnixStream::connect(home.path("data/control.sock")).is_ok()
        });
    }

    /// The daemon's process id.
    pub fn id(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// Waits until something is true; a daemon that has ended meanwhile fails the test with its words.
    pub fn wait(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            if let Some(status) = self.daemon.as_mut().and_then(|d| d.try_wait().unwrap()) {
                panic!("the daemon ended with {status} while: {what}\n{}", self.said());
            }
            assert!(started.elapsed() < WITHIN, "not in time: {what}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the daemon said on stdout and stderr.
    pub fn said(&self) -> String {
        let read = |name| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        format!("{}{}", read("out"), read("err"))
    }

    /// Asks it to stop by a signal and gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().unwrap();
        let id = daemon.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let started = Instant::now();
        loop {
            if let Some(status) = daemon.try_wait().unwrap() {
                return status.code();
            }
            if started.elapsed() > WITHIN {
                daemon.kill().unwrap();
                panic!("the daemon did not stop\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The status as JSON.
    pub fn status(&self) -> Value {
        let output = self.run(&["status", "--json"]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", text(&output), self.said()))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Both streams of a finished command.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A household's end of the radio socket.
pub struct Household {
    read: BufReader<UnixStream>,
    write: UnixStream,
}

impl Household {
    pub fn connect(home: &Home) -> Self {
        // The control socket, which `start` waits for, can be there before the radio's.
        let deadline = Instant::now() + WITHIN;
        let write = loop {
            match UnixStream::connect(home.path("data/radio.sock")) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{error}: {}", home.said()),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        write.set_read_timeout(Some(WITHIN)).unwrap();
        Self { read: BufReader::new(write.try_clone().unwrap()), write }
    }

    pub fn send(&mut self, line: &str) {
        self.write.write_all(line.as_bytes()).unwrap();
        self.write.write_all(b"\n").unwrap();
    }

    /// How long an answer is waited for.
    pub fn patience(&mut self, limit: Duration) {
        self.write.set_read_timeout(Some(limit)).unwrap();
    }

    pub fn answer(&mut self) -> Value {
        self.try_answer().expect("an answer in time")
    }

    /// The next answer; `None` when none comes in time.
    pub fn try_answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.read.read_line(&mut line) {
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
                assert!(line.is_empty(), "half an answer: {line}");
                None
            }
        }
    }
}
