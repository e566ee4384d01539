//! The Bluetooth radio's task, where the configuration names an adapter.

use tokio::sync::watch;

use super::failures::internal;
use crate::cli::exit::{Exit, Failure};
use crate::clock::Clock;
use crate::config::{Adapter, Config};
use crate::outreach::local;
use crate::radio::bluetooth::Bluetooth;
use crate::radio::profile::{LoadError, Profiles};
use crate::requests::Radio;
use crate::writer::Writer;

/// The device models that come with Hearth and those of the configured folder.
///
/// # Errors
/// A file of the folder cannot be used.
pub(super) fn profiles(config: &Config) -> Result<Profiles, Failure> {
    let Some(folder) = &config.radio.models else { return Ok(Profiles::built_in()) };
    Profiles::load(folder).map_err(|error| {
        let next = "mend the file, or take it out of radio.models";
        match error {
            LoadError::Problems(problems) => {
                let sentence = "A device model cannot be used; the lines are above.";
                let mut failure = Failure::new(Exit::Configuration, sentence).next(next);
                failure.problems = problems;
                failure
            }
            error @ LoadError::Read { .. } => {
                let sentence = format!("A device model cannot be used: {error}");
                Failure::new(Exit::Configuration, sentence).next(next)
            }
        }
    })
}

/// The task and the way to it; `None`: readings do not come over Bluetooth.
///
/// # Errors
/// A model that cannot be used, or a zone that is unknown.
pub(super) fn bluetooth(
    config: &Config,
    clock: &Clock,
    writer: &Writer,
    committed: watch::Receiver<i64>,
) -> Result<Option<(Radio, Bluetooth)>, Failure> {
    let Adapter::Bluetooth(adapter) = &config.radio.adapter else { return Ok(None) };
    let (radio, requests) = Radio::channel();
    let place = local::zone(&config.gateway.zone)
        .ok_or_else(|| internal(&format!("the zone {} is unknown", config.gateway.zone)))?;
    let task = Bluetooth {
        adapter: adapter.clone(),
        restart_command: config.radio.restart_command.clone(),
        place,
        profiles: profiles(config)?,
        clock: clock.clone(),
        writer: writer.clone(),
        committed,
        requests,
    };
    Ok(Some((radio, task)))
}
