//! The other end of the control socket: what the subcommands ask of the running gateway.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::exit::{Exit, Failure, plain};
use super::print::{self, Column, Format};
use crate::config::{self, Config};
use crate::control::query::{ANSWER_MAX, Answer, List, Listing, Request};
use crate::control::{Command, Verb};

/// Longest wait for an answer; a backup of a large database takes a while.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Which gateway to ask.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Daemon {
    /// The gateway's control socket [default: the one in the configuration file]
    #[arg(long, value_name = "PATH", help_heading = "Which gateway")]
    pub socket: Option<PathBuf>,
    /// The gateway's configuration file [default: hearth.toml, then /etc/hearth/hearth.toml]
    #[arg(long, value_name = "FILE", help_heading = "Which gateway")]
    pub config: Option<PathBuf>,
}

impl Daemon {
    /// The socket to try: as given, as configured, or where a packaged gateway has it.
    fn path(&self) -> PathBuf {
        if let Some(path) = &self.socket {
            return path.clone();
        }
        let file = config::find(self.config.as_deref());
        file.and_then(|file| config::control_socket_of(&file))
            .unwrap_or_else(|| Config::default().control.socket)
    }

    fn start_hint(&self) -> String {
        let file = config::find(self.config.as_deref());
        let file = file.as_deref().unwrap_or(Path::new("hearth.toml"));
        format!(
            "start it with `hearth run --config {}`, or say where it is with --socket or --config",
            file.display()
        )
    }

    /// Asks once.
    ///
    /// # Errors
    /// Nobody answers, or the gateway refuses.
    pub fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        let path = self.path();
        let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => Failure::new(
                Exit::NotReachable,
                format!("This user may not use the gateway's socket {}.", path.display()),
            )
            .next("join the group that owns the socket, or ask as the gateway's user"),
            _ => Failure::new(
                Exit::NotReachable,
                format!("No gateway answers at {}.", path.display()),
            )
            .next(self.start_hint()),
        })?;
        let lost = |error: std::io::Error| {
            Failure::new(
                Exit::NotReachable,
                format!("The gateway at {} did not answer: {}.", path.display(), plain(&error)),
            )
            .next("look at its log; `hearth status` tells whether it is well")
        };
        stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(lost)?;
        stream.set_write_timeout(Some(ANSWER_WITHIN)).map_err(lost)?;
        let mut line = serde_json::to_vec(request).map_err(internal)?;
        line.push(b'\n');
        (&stream).write_all(&line).map_err(lost)?;
        let mut answer = String::new();
        let limit = ANSWER_MAX as u64;
        BufReader::new((&stream).take(limit)).read_line(&mut answer).map_err(lost)?;
        if answer.is_empty() {
            return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&answer).map_err(internal)? {
            Answer::Refused { code, sentence, next } => {
                Err(Failure { exit: Exit::Refused, code, sentence, next, problems: Vec::new() })
            }
            answer => Ok(answer),
        }
    }

    /// Lets the gateway execute `verb` under a fresh id.
    ///
    /// # Errors
    /// As [`Daemon::ask`].
    pub fn execute(&self, verb: Verb) -> Result<Value, Failure> {
        let command = Command { id: fresh_id(), gateway: None, expires: None, verb };
        match self.ask(&Request::Command { command: Box::new(command) })? {
            Answer::Done { result } => Ok(result),
            other => Err(internal(format!("{other:?}"))),
        }
    }

    /// Rows of one kind.
    ///
    /// # Errors
    /// As [`Daemon::ask`].
    pub fn rows(&self, request: &Request) -> Result<Vec<Value>, Failure> {
        match self.ask(request)? {
            Answer::Rows { rows } => Ok(rows),
            other => Err(internal(format!("{other:?}"))),
        }
    }
}

/// Executes a command and prints what the gateway says: its sentence to people, the whole result
/// to programs.
pub(super) fn done(daemon: &Daemon, format: Format, verb: Verb) -> Result<Exit, Failure> {
    let result = daemon.execute(verb)?;
    if format.json {
        print::out(&format!("{result}\n"))?;
    } else {
        print::out(&format!("{}\n", print::cell(result.get("sentence"))))?;
        for remark in result.get("remarks").and_then(Value::as_array).into_iter().flatten() {
            print::out(&format!("note: {}\n", print::cell(Some(remark))))?;
        }
    }
    Ok(Exit::Ok)
}

/// Lists rows of one kind, of one patient or all, closed ones too or not.
pub(super) fn listed(
    daemon: &Daemon,
    format: Format,
    (what, patient, all): (Listing, Option<String>, bool),
    columns: &[Column],
    empty: &str,
) -> Result<Exit, Failure> {
    let rows = daemon.rows(&Request::List(List { what, patient, all }))?;
    print::rows(format, &rows, columns, empty)?;
    Ok(Exit::Ok)
}

/// Shows one thing; exit code 1 where there is none.
pub(super) fn shown(
    daemon: &Daemon,
    format: Format,
    what: Listing,
    id: String,
) -> Result<Exit, Failure> {
    match daemon.rows(&Request::Show { what, id: id.clone() })?.first() {
        Some(thing) => {
            print::thing(format, thing)?;
            Ok(Exit::Ok)
        }
        None => {
            let one = what.one();
            Err(Failure::new(Exit::Negative, format!("There is no {one} with the id {id}."))
                .next(format!("list them: hearth {one} list --all")))
        }
    }
}

/// The gateway and this command do not understand each other: versions differ, or a fault.
pub(super) fn internal(what: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Internal, format!("The gateway's answer was not understood: {what}."))
        .next("check that the gateway runs the same version: hearth status, hearth --version")
}

/// An id that nobody else has: the kernel's random UUID; where there is none, time, process and a
/// counter, hashed.
pub fn fresh_id() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    if let Ok(text) = std::fs::read_to_string("/proc/sys/kernel/random/uuid")
        && let Ok(id) = uuid::Uuid::parse_str(text.trim())
    {
        return id.to_string();
    }
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = crate::clock::Clock::system(crate::clock::RequireSync(false)).now();
    let seed = format!(
        "{}/{}/{}/{}/{count}",
        uuid::Uuid::from_bytes(now.boot.0),
        now.wall.millis(),
        now.monotonic_ms,
        std::process::id()
    );
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, seed.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn fresh_ids_differ() {
        assert_ne!(super::fresh_id(), super::fresh_id());
    }
}
