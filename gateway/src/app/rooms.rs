//! Sets up the rooms behind the writer: the path itself, what comes in from the broker, and the household of a
//! first start.

use jiff::tz::TimeZone;

use crate::cli::exit::{Exit, Failure};
use crate::clock::{Clock, Now};
use crate::config::Config;
use crate::control::Command;
use crate::control::execute::{CommandResult, Origin};
use crate::path::{OpenError, Path, PathSettings};
use crate::store::{Store, StoreError};
use crate::uplink::message::{Answer, CONTRACT};
use crate::uplink::{UplinkWritten, incoming};
use crate::writer::{WriteError, Writer};

/// The path over an open store: raw rows of an earlier run that nobody judged are judged first.
pub(super) fn path(store: Store, config: &Config) -> Result<Path, Failure> {
    let zone = TimeZone::get(&config.gateway.zone).unwrap_or(TimeZone::UTC);
    let settings = PathSettings::new(config.gateway.id.clone(), zone);
    Path::open(store, settings).map_err(|error| match error {
        OpenError::Store(error) => super::store_failure(error),
        other => Failure::new(Exit::Internal, format!("The gateway did not start: {other}")),
    })
}

/// Something came in from the broker: it is journalled, executed where it is a command, and answered.
pub(super) fn incoming(
    path: &mut Path,
    gateway: &str,
    (to, payload, problem): (&'static str, &[u8], Option<&str>),
    now: Now,
) -> Result<UplinkWritten, StoreError> {
    let refused =
        |problem: &str| Answer::refused(gateway, to, incoming::command_id(payload), problem);
    let answer = match (problem, incoming::command(payload)) {
        (Some(problem), _) => {
            path.quarantine_command(payload, problem, now)?;
            refused(problem)
        }
        (None, Err(problem)) => {
            path.quarantine_command(payload, &problem, now)?;
            refused(&problem)
        }
        (None, Ok(command)) => {
            let done = execute(path, &command, Origin::Mqtt, now)?;
            Answer {
                contract: CONTRACT.to_owned(),
                gateway: gateway.to_owned(),
                id: Some(command.id),
                to: to.to_owned(),
                ok: done.done,
                error: (!done.done).then(|| done.sentence.clone()),
                result: serde_json::to_value(&done).ok(),
            }
        }
    };
    Ok(UplinkWritten::Answers(vec![answer]))
}

/// Executes one command, once per id.
pub(super) fn execute(
    path: &mut Path,
    command: &Command,
    origin: Origin,
    now: Now,
) -> Result<CommandResult, StoreError> {
    path.execute(command, origin, now)
}
