//! What happens again and again in real time: due work, and what the status topic should know.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::rooms;
use crate::clock::Clock;
use crate::config::{Adapter, Config};
use crate::writer::{WriteError, Writer};

/// How often due work is looked for in real time; no rule has a step below a second.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// How often the status topic learns what needs a look.
const NOTES_EVERY: Duration = Duration::from_secs(30);

/// Keeps the status topic informed of what somebody should see to.
pub(super) async fn tell_what_needs_a_look(
    desk: Arc<Desk>,
    notes: watch::Sender<Vec<String>>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(NOTES_EVERY) => {}
        }
        if let Ok(report) = desk.report().await {
            let found = crate::cli::status::needs_a_look(&report);
            notes.send_if_modified(|known| {
                let news = *known != found;
                *known = found;
                news
            });
        }
    }
}

/// Does what is due in real time, unless a household holds the clock; applies the household file
/// at its first moment.
pub(super) async fn timer(
    config: Config,
    clock: Clock,
    writer: Writer,
    mut moments: mpsc::Receiver<oneshot::Sender<()>>,
    stop: CancellationToken,
) {
    let mut open = true;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            moment = moments.recv(), if open => match moment {
                Some(done) => {
                    if let Err(failure) = rooms::apply_household(&config, &writer, &clock).await {
                        tracing::error!(reason = failure.sentence, "the household file was not applied");
                    }
                    let _ = done.send(());
                }
                None => open = false,
            },
            () = tokio::time::sleep(TICK_EVERY) => {
                let waits = config.radio.adapter == Adapter::Simulated && !clock.was_driven();
                if clock.is_driven() || waits {
                    continue;
                }
                match writer.tick(clock.now()).await {
                    Ok(_) | Err(WriteError::NoRoom(_)) => {}
                    // The end of the writer is told by the writer.
                    Err(WriteError::Fatal(_) | WriteError::Gone) => return,
                }
            }
        }
    }
}
