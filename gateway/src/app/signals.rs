//! The signals the gateway listens to, from before anybody can reach it: one that comes during the start
//! must not end the process without the stop in order.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failures::internal;
use crate::cli::exit::{Failure, plain};

/// Listeners for what asks the gateway to stop, and for what changes nothing.
pub(super) struct StopSignals {
    term: Signal,
    int: Signal,
    hangup: Signal,
}

impl StopSignals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system has no room for a handler.
    pub(super) fn listen() -> Result<Self, Failure> {
        let of = |kind| {
            signal(kind).map_err(|e| internal(&format!("signals are not heard: {}", plain(&e))))
        };
        // Under a limit on the size of files (`LimitFSIZE`, `ulimit -f`) a write that goes beyond it is
        // answered like one to a full disk; without a handler the signal would end the process. The
        // handler stays when the listener goes.
        drop(of(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        Ok(Self {
            term: of(SignalKind::terminate())?,
            int: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
        })
    }

    /// Waits until the gateway is asked to stop. Cancel-safe.
    pub(super) async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.term.recv() => tracing::info!("asked to stop by SIGTERM"),
                _ = self.int.recv() => tracing::info!("asked to stop by SIGINT"),
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP changes nothing: settings are read at the start; restart for new ones");
                    continue;
                }
            }
            return;
        }
    }
}
