//! What happens again and again in real time: due work, and what the status topic should know.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::rooms;
use crate::clock::Clock;
use crate::config::{Adapter, Config};
use crate::outreach;
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
    let mut known_disk = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(NOTES_EVERY) => {}
        }
        if let Ok(report) = desk.report().await {
            let low = report.disk.alarm || report.disk.full;
            if known_disk != Some(low) && tell_staff_of_disk(&desk, low).await {
                known_disk = Some(low);
            }
            let found = crate::cli::status::needs_a_look(&report);
            notes.send_if_modified(|known| {
                let news = *known != found;
                *known = found;
                news
            });
        }
    }
}

/// A task for staff while the disk is nearly full, ended once there is room. False: try again.
async fn tell_staff_of_disk(desk: &Desk, low: bool) -> bool {
    let now = desk.clock.now();
    let told = desk
        .writer
        .run(move |path| path.store().transaction(|tx| outreach::tasks::tell_disk(tx, low, now)));
    match told.await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, low, "staff could not be told about the disk; it is tried again");
            false
        }
        Err(_) => false,
    }
}

/// How often old readings are looked for, and how long there is rest once none is left.
const RETENTION_EVERY: Duration = Duration::from_secs(10);
const RETENTION_REST: Duration = Duration::from_secs(3_600);

/// Lets readings go that are older than `days`, a few at a time, while the clock is trusted.
pub(super) async fn retention(days: u32, clock: Clock, writer: Writer, stop: CancellationToken) {
    let (mut after, mut pause) = (0, RETENTION_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let now = clock.now();
        if !now.trusted {
            continue;
        }
        let before = now.wall.plus_seconds(-i64::from(days) * 86_400);
        match writer.run(move |path| path.store().forget_old(before, after)).await {
            Ok(Ok(step)) => {
                if step.rows > 0 {
                    tracing::info!(rows = step.rows, through = step.through, "old rows have left");
                }
                after = if step.finished { 0 } else { step.through };
                pause = if step.finished { RETENTION_REST } else { RETENTION_EVERY };
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "old rows could not leave; it is tried again");
                pause = RETENTION_REST;
            }
            // The end of the writer is told by the writer.
            Err(_) => return,
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
