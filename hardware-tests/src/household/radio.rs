//! The household's end of the radio socket: JSON lines, one question at a time.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use hearth_gateway::radio::{RadioCommand, RadioEvent};

/// How long the gateway may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// How long one answer may take; the gateway may be doing a whole day's work.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// What went wrong on the socket.
#[derive(Debug)]
pub enum RadioError {
    /// Nobody listens there.
    NobodyListens(std::path::PathBuf, std::io::Error),
    /// The connection broke.
    Broken(std::io::Error),
    /// The gateway refused an event.
    Refused(String),
    /// The gateway closed the socket.
    Closed,
    /// An answer that is no command.
    NotUnderstood(String),
}

impl std::fmt::Display for RadioError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NobodyListens(path, error) => write!(
                f,
                "no gateway listens on {} ({error}); start it with `hearth run` and adapter = \"simulated\"",
                path.display()
            ),
            Self::Broken(error) => write!(f, "the connection to the gateway broke: {error}"),
            Self::Refused(reason) => write!(f, "the gateway refused an event: {reason}"),
            Self::Closed => write!(f, "the gateway closed the radio socket"),
            Self::NotUnderstood(line) => {
                write!(f, "the gateway answered `{line}`, which is no command")
            }
        }
    }
}

impl std::error::Error for RadioError {}

/// A connected household.
#[derive(Debug)]
pub struct Radio {
    out: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Radio {
    /// Connects, waiting for the gateway to come up.
    ///
    /// # Errors
    /// [`RadioError::NobodyListens`] after 20 s.
    pub fn connect(socket: &Path) -> Result<Self, RadioError> {
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if started.elapsed() > START_DEADLINE => {
                    return Err(RadioError::NobodyListens(socket.to_owned(), error));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_read_timeout(Some(ANSWER_DEADLINE)).map_err(RadioError::Broken)?;
        let answers = BufReader::new(stream.try_clone().map_err(RadioError::Broken)?);
        Ok(Self { out: stream, answers })
    }

    /// Sends one event.
    ///
    /// # Errors
    /// [`RadioError::Broken`].
    pub fn send(&mut self, event: &RadioEvent) -> Result<(), RadioError> {
        let mut line = serde_json::to_vec(event)
            .map_err(|error| RadioError::Broken(std::io::Error::other(error)))?;
        line.push(b'\n');
        self.out.write_all(&line).map_err(RadioError::Broken)
    }

    /// Waits for the next command.
    ///
    /// # Errors
    /// Any [`RadioError`]; a refusal is an error here, because a household that is refused is wrong.
    pub fn answer(&mut self) -> Result<RadioCommand, RadioError> {
        let mut line = String::new();
        if self.answers.read_line(&mut line).map_err(RadioError::Broken)? == 0 {
            return Err(RadioError::Closed);
        }
        match serde_json::from_str(&line) {
            Ok(RadioCommand::Refused { reason }) => Err(RadioError::Refused(reason)),
            Ok(command) => Ok(command),
            Err(_) => Err(RadioError::NotUnderstood(line.trim_end().to_owned())),
        }
    }

    /// Moves the clock and waits until everything due has been done.
    ///
    /// # Errors
    /// Any [`RadioError`].
    pub fn advance(&mut self, now_ms: i64) -> Result<(), RadioError> {
        self.send(&RadioEvent::Time { now_ms })?;
        loop {
            if matches!(self.answer()?, RadioCommand::Reached { now_ms: at } if at >= now_ms) {
                return Ok(());
            }
        }
    }

    /// Waits until a connection is durable through `position`.
    ///
    /// # Errors
    /// Any [`RadioError`].
    pub fn committed(&mut self, connection: u32, position: u32) -> Result<(), RadioError> {
        loop {
            if let RadioCommand::Committed { connection: of, position: through } = self.answer()?
                && of == connection
                && through >= position
            {
                return Ok(());
            }
        }
    }
}
