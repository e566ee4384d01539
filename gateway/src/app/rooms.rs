//! Sets up the rooms behind the writer: the path itself, and the household of a first start.

use crate::cli::exit::Failure;
use crate::clock::{Clock, Now};
use crate::config::Config;
use crate::path::Path;
use crate::store::{Store, StoreError};
use crate::uplink::UplinkWritten;
use crate::writer::Writer;

/// The path over an open store.
pub(super) fn path(store: Store, config: &Config) -> Result<Path, Failure> {
    let _ = config;
    Ok(Path::new(store))
}
/// x
pub(super) async fn apply_household(_: &Config, _: &Writer, _: &Clock) -> Result<(), Failure> {
    Ok(())
}
/// x
pub(super) fn incoming(
    _path: &mut Path,
    _to: &'static str,
    _payload: &[u8],
    _problem: Option<&str>,
    _now: Now,
) -> Result<UplinkWritten, StoreError> {
    Ok(UplinkWritten::Done)
}
/// x
pub(super) fn backup(_: &crate::store::Reader, _: &std::path::Path) -> Result<(), StoreError> {
    Ok(())
}
