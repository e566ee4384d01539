//! What keeps the gateway from starting or ends it, each with its exit code and its next step.

use tokio::sync::oneshot;

use super::custody;
use crate::cli::exit::{Exit, Failure};
use crate::control::socket::SocketError;
use crate::store::{SalvageReport, StoreError};

pub(super) fn socket_failure(error: SocketError) -> Failure {
    let exit = match error {
        SocketError::InUse { .. } => Exit::InUse,
        _ => Exit::Io,
    };
    let failure = Failure::new(exit, format!("The gateway did not start: {error}."));
    match exit {
        Exit::InUse => {
            failure.next("stop the other one, or give this one its own data_dir and socket")
        }
        _ => failure
            .next("set control.socket or radio.socket to a path the gateway's user may write"),
    }
}

/// What a salvage kept and lost.
pub(super) fn salvage_sentence(report: &SalvageReport) -> String {
    let sum = |rows: &std::collections::BTreeMap<String, u64>| rows.values().sum::<u64>();
    format!(
        "{} rows are kept, {} are lost, {} readings are decoded again; the damaged file is {}.",
        sum(&report.kept),
        sum(&report.lost),
        report.decode_again,
        report.moved_to.display()
    )
}

/// Why the database cannot be used, with a next step for each cause.
pub(crate) fn store_failure(error: StoreError) -> Failure {
    let exit = match error {
        StoreError::InUse { .. } => Exit::InUse,
        _ => Exit::Store,
    };
    let mut text = error.to_string();
    // The store's sentences carry their remedy behind the last colon; findings have some of their own.
    let next = match (&error, text.rsplit_once(": ")) {
        (
            StoreError::InUse { .. }
            | StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::Damaged { .. },
            Some((what, remedy)),
        ) => {
            let remedy = remedy.to_owned();
            text = what.to_owned();
            Some(remedy)
        }
        _ => None,
    };
    let failure = Failure::new(exit, format!("The gateway did not start: {text}."));
    match next {
        Some(remedy) => failure.next(remedy),
        None => failure,
    }
}

pub(super) fn ended(end: Result<custody::End, oneshot::error::RecvError>) -> Failure {
    match end {
        Ok(custody::End::Fatal(why)) => {
            Failure::new(Exit::Store, format!("The gateway had to stop: {why}."))
                .next("look at disk and log; the next start reads what the disk kept")
        }
        Ok(custody::End::Done) => internal("the writer ended before its time"),
        Err(_) => internal("the writer met a fault"),
    }
}

pub(super) fn internal(what: &str) -> Failure {
    Failure::new(Exit::Internal, format!("The gateway had to stop: {what}."))
        .next("start it again; nothing acknowledged is lost. Please report the lines of the log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_of_a_damaged_database_is_the_remedy_and_not_a_finding() {
        let failure = store_failure(StoreError::Damaged {
            path: "/data/hearth.db".into(),
            findings: vec!["Tree 3 page 3: error 11".to_owned(), "Page 7: never used".to_owned()],
        });
        assert!(failure.sentence.ends_with("Page 7: never used)."), "{}", failure.sentence);
        assert!(failure.next.is_some_and(|next| next.starts_with("start with --salvage")));
    }
}
