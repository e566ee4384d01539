//! What systemd is told. The watchdog's heartbeat is earned: a row committed, and every task alive.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::writer::{WriteError, Writer};

/// How long proving may take; a writer that needs longer for one row is not well.
const PROOF_WITHIN: Duration = Duration::from_secs(10);

/// How often the state is looked at where nobody asks for a heartbeat.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Tells systemd, if it listens.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Proves again and again that the gateway works.
pub(super) struct Health {
    pub(super) clock: Clock,
    pub(super) writer: Writer,
    /// Whether a task that must live has ended; its name.
    pub(super) dead: Box<dyn Fn() -> Option<&'static str> + Send + Sync>,
}

impl Health {
    /// Runs until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let watchdog = sd_notify::watchdog_enabled();
        let every = watchdog.map_or(LOOK_EVERY, |limit| limit / 3);
        let mut well = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            let ailment = self.ailment().await;
            match &ailment {
                None => {
                    if watchdog.is_some() {
                        tell(&[NotifyState::Watchdog]);
                    }
                    if !well {
                        tracing::info!("all parts are well again");
                        tell(&[NotifyState::Status("running")]);
                    }
                }
                // No heartbeat: systemd restarts the process, losing nothing acknowledged.
                Some(what) if well => {
                    tracing::error!(what, "a part is not well; the watchdog is not fed");
                    tell(&[NotifyState::Status(what)]);
                }
                Some(_) => {}
            }
            well = ailment.is_none();
        }
    }

    async fn ailment(&self) -> Option<String> {
        if let Some(task) = (self.dead)() {
            return Some(format!("the {task} has ended"));
        }
        let probe = self.writer.probe(self.clock.now());
        match tokio::time::timeout(PROOF_WITHIN, probe).await {
            Ok(Ok(())) => None,
            // A restart does not make room; readings wait in their devices.
            Ok(Err(WriteError::NoRoom(_))) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the writer does not answer".to_owned()),
        }
    }
}
