//! What the local socket carries: one [`Request`] a line in, one [`Answer`] a line out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Command;
use super::status::StatusReport;
use crate::requests::RadioRequest;

/// Longest line in either direction. A command is a few hundred octets; a list of some thousand
/// rows fits.
pub const REQUEST_MAX: usize = 64 * 1024;

/// Longest answer a client reads.
pub const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// How the gateway is.
    Status,
    /// Do something; journalled, executed once per id.
    Command {
        /// What.
        command: Box<Command>,
    },
    /// Rows of one kind.
    List(List),
    /// One thing with everything that belongs to it.
    Show {
        /// Of which kind.
        what: Listing,
        /// Its id.
        id: String,
    },
    /// A person says that the gateway's clock is right.
    ClockConfirm,
    /// Something of the radio; its answer is the result.
    Radio {
        /// What.
        request: RadioRequest,
    },
    /// A consistent copy of the database, made while the gateway runs.
    Backup {
        /// Where to; a file that does not exist yet.
        to: PathBuf,
    },
}

/// Which rows are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Of which kind.
    pub what: Listing,
    /// Of this patient only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// Closed and done ones too.
    #[serde(default)]
    pub all: bool,
}

/// Kinds of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Listing {
    Patients,
    Plans,
    Devices,
    Alerts,
    Needs,
    Prompts,
    Tasks,
    Claims,
    Verdicts,
}

impl Listing {
    /// One of them, as people say it.
    pub const fn one(self) -> &'static str {
        match self {
            Self::Patients => "patient",
            Self::Plans => "plan",
            Self::Devices => "device",
            Self::Alerts => "alert",
            Self::Needs => "need",
            Self::Prompts => "prompt",
            Self::Tasks => "task",
            Self::Claims => "unclaimed reading",
            Self::Verdicts => "verdict",
        }
    }
}

/// What the gateway answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// How it is.
    Status {
        /// See there.
        status: Box<StatusReport>,
    },
    /// A command was executed, or had been before.
    Done {
        /// What it says.
        result: Value,
    },
    /// The rows asked for.
    Rows {
        /// One object each.
        rows: Vec<Value>,
    },
    /// Not done.
    Refused {
        /// A word for programs.
        code: String,
        /// Why, as one plain sentence.
        sentence: String,
        /// What to do next.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
}

impl Answer {
    /// A refusal without a next step.
    pub fn refused(code: &str, sentence: impl Into<String>) -> Self {
        Self::Refused { code: code.to_owned(), sentence: sentence.into(), next: None }
    }
}
