//! The Bluetooth radio's task, where the configuration names an adapter.

use tokio::sync::watch;

use super::failures::internal;
use super::rooms;
use crate::cli::exit::Failure;
use crate::clock::Clock;
use crate::config::{Adapter, Config};
use crate::outreach::local;
use crate::radio::bluetooth::Bluetooth;
use crate::requests::Radio;
use crate::writer::Writer;

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
        profiles: rooms::models(config)?,
        clock: clock.clone(),
        writer: writer.clone(),
        committed,
        requests,
    };
    Ok(Some((radio, task)))
}
