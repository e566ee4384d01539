//! Sets up the rooms behind the writer: the path itself, what comes in from the broker, and the
//! household of a first start.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::cli::exit::{Exit, Failure};
use crate::clock::{Clock, Now};
use crate::config::Config;
use crate::control::Command;
use crate::control::execute::{CommandResult, Origin};
use crate::household::Household;
use crate::outreach::Context;
use crate::outreach::templates::Templates;
use crate::path::{OpenError, Path, PathSettings};
use crate::programme::{Library, LoadError};
use crate::radio::profile::{self, Profiles};
use crate::store::{Store, StoreError};
use crate::uplink::message::{Answer, CONTRACT};
use crate::uplink::{UplinkWritten, incoming};
use crate::writer::Writer;

/// The path over an open store: raw rows of an earlier run that nobody judged are judged first.
pub(super) fn path(
    store: Store,
    config: &Config,
    programmes: Arc<Library>,
) -> Result<Path, Failure> {
    let zone = TimeZone::get(&config.gateway.zone).unwrap_or(TimeZone::UTC);
    let gateway_id = config.gateway.id.clone();
    let settings = PathSettings::new(gateway_id, zone)
        .with_programmes(programmes)
        .with_quirks(models(config)?.quirks());
    Path::open(store, settings).map_err(|error| match error {
        OpenError::Store(error) => super::failures::store_failure(error),
        other => Failure::new(Exit::Internal, format!("The gateway did not start: {other}")),
    })
}

/// The programmes that come with Hearth and those of the configured folder.
///
/// # Errors
/// A file of the folder cannot be used.
pub(super) fn programmes(config: &Config) -> Result<Library, Failure> {
    let mut library = Library::built_in();
    if let Some(folder) = &config.programmes.folder {
        library.add_folder(folder).map_err(|error| {
            let next = "mend the file, or take it out of programmes.folder";
            match error {
                LoadError::Problems(problems) => {
                    let sentence = "A care programme cannot be used; the lines are above.";
                    let mut failure = Failure::new(Exit::Configuration, sentence).next(next);
                    failure.problems = problems;
                    failure
                }
                error => {
                    let sentence = format!("A care programme cannot be used: {error}");
                    Failure::new(Exit::Configuration, sentence).next(next)
                }
            }
        })?;
    }
    Ok(library)
}

/// The device models that come with Hearth and those of the configured folder.
///
/// # Errors
/// A file of the folder cannot be used.
pub(super) fn models(config: &Config) -> Result<Profiles, Failure> {
    let Some(folder) = &config.radio.models else { return Ok(Profiles::built_in()) };
    Profiles::load(folder).map_err(|error| {
        let next = "mend the file, or take it out of radio.models";
        match error {
            profile::LoadError::Problems(problems) => {
                let sentence = "A device model cannot be used; the lines are above.";
                let mut failure = Failure::new(Exit::Configuration, sentence).next(next);
                failure.problems = problems;
                failure
            }
            error @ profile::LoadError::Read { .. } => {
                let sentence = format!("A device model cannot be used: {error}");
                Failure::new(Exit::Configuration, sentence).next(next)
            }
        }
    })
}

/// The household file, applied: each entry once, what people have changed since stays.
///
/// # Errors
/// The file cannot be used, or one of its entries was refused; those before it are done.
pub(super) async fn apply_household(
    config: &Config,
    writer: &Writer,
    clock: &Clock,
) -> Result<(), Failure> {
    let Some(file) = &config.household.file else { return Ok(()) };
    let text = crate::config::read_bounded(file).map_err(|e| Failure::file("read", file, &e))?;
    let household = household(config, file, &text)?;
    let now = clock.now();
    let applied = writer.run(move |path| -> Result<Vec<CommandResult>, StoreError> {
        let commands = path.store().transaction(|tx| household.commands(tx))?;
        let mut results = Vec::new();
        for command in &commands {
            results.push(path.execute(command, Origin::Household, now)?);
        }
        Ok(results)
    });
    let results = match applied.await {
        Ok(Ok(results)) => results,
        Ok(Err(error)) => return Err(super::failures::store_failure(error)),
        Err(error) => return Err(Failure::new(Exit::Store, error.to_string())),
    };
    let done = results.iter().filter(|result| result.done).count();
    tracing::info!(done, refused = results.len() - done, "the household file is applied");
    match results.iter().find(|result| !result.done) {
        None => Ok(()),
        Some(first) => Err(Failure::new(
            Exit::Configuration,
            format!("{} was not applied whole: {}", file.display(), first.sentence),
        )
        .next("mend the entry; the others are applied and stay")),
    }
}

fn household(config: &Config, file: &std::path::Path, text: &str) -> Result<Household, Failure> {
    let templates = Templates::builtin()
        .map_err(|e| Failure::new(Exit::Internal, format!("The texts cannot be used: {e}")))?;
    let shelf = programmes(config)?;
    let context = Context { gateway: &config.gateway.id, templates, programmes: &shelf };
    Household::read(&file.display().to_string(), text, &context).map_err(|problems| {
        let count = match problems.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        let sentence = format!("{} has {count}; nothing of it was applied.", file.display());
        let mut failure = Failure::new(Exit::Configuration, sentence)
            .next("mend the lines above; every key is explained in household.example.toml");
        failure.problems = problems;
        failure
    })
}

/// Whether the files that the configuration names can be used: programmes and household.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    programmes(config)?;
    models(config)?;
    let Some(file) = &config.household.file else { return Ok(()) };
    let text = crate::config::read_bounded(file).map_err(|e| Failure::file("read", file, &e))?;
    household(config, file, &text).map(drop)
}

/// Something came in from the broker: it is journalled, executed where it is a command, and
/// answered.
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
            path.quarantine_command(&incoming::without_names(payload), problem, now)?;
            refused(problem)
        }
        (None, Err(problem)) => {
            path.quarantine_command(&incoming::without_names(payload), &problem, now)?;
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
