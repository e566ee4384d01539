//! Exit codes, and how a failure is told: one plain sentence, a code, a next step. Never a
//! backtrace.

use std::io::Write;
use std::process::ExitCode;

use crate::checked_toml::Problem;

/// Every exit code of `hearth`; listed by `hearth --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// The answer is negative, or some of the cases given had errors.
    Negative = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No gateway answers on the socket.
    NotReachable = 3,
    /// The configuration or another file of settings is wrong.
    Configuration = 4,
    /// The gateway understood and refused.
    Refused = 5,
    /// The database cannot be used: damaged, of a newer version, or the disk failed.
    Store = 6,
    /// Another gateway already uses this data folder or socket.
    InUse = 7,
    /// A file or connection could not be read or written.
    Io = 8,
    /// A fault in Hearth itself; nothing acknowledged is lost.
    Internal = 70,
}

impl Exit {
    /// All codes in order.
    pub const ALL: [Exit; 10] = [
        Self::Ok,
        Self::Negative,
        Self::Usage,
        Self::NotReachable,
        Self::Configuration,
        Self::Refused,
        Self::Store,
        Self::InUse,
        Self::Io,
        Self::Internal,
    ];

    /// What the code means, for `--help` and the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Negative => "the answer is negative, or some cases had errors",
            Self::Usage => "the command line is wrong",
            Self::NotReachable => "no gateway answers on the socket",
            Self::Configuration => "the configuration or another file of settings is wrong",
            Self::Refused => "the gateway understood and refused",
            Self::Store => "the database cannot be used: damaged, newer, or the disk failed",
            Self::InUse => "another gateway uses this data folder or socket",
            Self::Io => "a file or connection could not be read or written",
            Self::Internal => "a fault in Hearth itself; nothing acknowledged is lost",
        }
    }

    /// The word in `error[word]`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Negative => "negative",
            Self::Usage => "usage",
            Self::NotReachable => "not_reachable",
            Self::Configuration => "configuration",
            Self::Refused => "refused",
            Self::Store => "store",
            Self::InUse => "in_use",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }

    /// The list for `hearth --help` and the manual.
    pub fn table() -> String {
        let mut text = String::from("Exit codes:\n");
        for exit in Self::ALL {
            text.push_str(&format!("  {:>2}  {}\n", exit as u8, exit.meaning()));
        }
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// A word that says more than the exit code, for programs.
    pub code: String,
    /// What happened, as one plain sentence.
    pub sentence: String,
    /// What to do next, where there is something to do.
    pub next: Option<String>,
    /// What is wrong with a file of settings, by line; told before the sentence.
    pub problems: Vec<Problem>,
}

impl Failure {
    /// A failure whose code is the exit code's word.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        let mut sentence: String = sentence.into();
        // Causes bring their own full stop or none.
        sentence.truncate(sentence.trim_end_matches(['.', ' ']).len());
        if !sentence.ends_with(['?', '!']) {
            sentence.push('.');
        }
        Self { exit, code: exit.word().to_owned(), sentence, next: None, problems: Vec::new() }
    }

    /// The same with a next step.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }

    /// A file could not be read or written.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(Exit::Io, format!("{} could not be {doing}: {}.", path.display(), plain(error)))
    }

    /// Tells it on stderr and gives the exit code.
    pub fn tell(&self) -> Exit {
        let mut text: String = self.problems.iter().map(|p| format!("{p}\n\n")).collect();
        text.push_str(&format!("error[{}]: {}\n", self.code, self.sentence));
        if let Some(next) = &self.next {
            text.push_str(&format!("  next: {next}\n"));
        }
        // Nobody reads stderr: the exit code still tells.
        let _ = std::io::stderr().write_all(text.as_bytes());
        self.exit
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Io, format!("Reading or writing failed: {}.", plain(&error)))
    }
}

/// The reason of an input or output error in words, without the number.
pub fn plain(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "it does not exist".to_owned(),
        ErrorKind::PermissionDenied => "this user may not do that".to_owned(),
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        ErrorKind::NotADirectory => "a part of the path is no folder".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        ErrorKind::AddrInUse => "the address is already in use".to_owned(),
        ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}
