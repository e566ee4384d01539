//! A row that is written only to prove that writing works: the watchdog's heartbeat is earned by
//! it.

use hearth_shared::time::UnixMillis;

use super::{StoreError, Tx};

/// Notes that a write worked at `at`; one row, replaced each time, so that proving costs no space.
///
/// # Errors
/// What SQLite answered: writing does not work.
pub fn note(tx: &Tx<'_>, at: UnixMillis) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into meta (key, value) values ('probe_ms', ?1)
             on conflict (key) do update set value = excluded.value",
        )?
        .execute([at.millis().to_string()])?;
    Ok(())
}
