//! What the radio keeps and asks of the store: the roster as far as the air cares, and its own tables. Each
//! function is one piece of work on the writer's thread.

use hearth_shared::gatt::{self, Context, DateTime};
use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;

use super::air::Address;
use super::watch::DeviceState;
use crate::intake::Payload;
use crate::store::radio::{BondNote, DeviceBriefing, SessionNote};
use crate::store::{Queries, StoreError, device, journal, patient, radio};
use crate::writer::{WriteError, Writer};

/// A device of the roster with what a session must know.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) address: Address,
    pub(super) briefing: DeviceBriefing,
    /// Base time of the record at the cursor, seconds of the device's clock face.
    pub(super) cursor_base_s: Option<i64>,
    /// It holds records that are not here, although it was read to the end.
    pub(super) lacks: bool,
    /// Zone of its clock.
    pub(super) zone: TimeZone,
}

/// Reads the roster.
pub(super) async fn roster(
    writer: &Writer,
    place: TimeZone,
) -> Result<Result<Vec<Entry>, StoreError>, WriteError> {
    writer.run(move |path| path.store().transaction(|tx| entries(tx, &place))).await
}

fn entries(q: &impl Queries, place: &TimeZone) -> Result<Vec<Entry>, StoreError> {
    let mut found = Vec::new();
    for listed in device::all(q)? {
        if listed.retired.is_some() {
            continue;
        }
        let Some(address) = listed.address.as_deref().and_then(|a| a.parse::<Address>().ok())
        else {
            continue;
        };
        let Some(briefing) = radio::briefing(q, &address.to_string())? else { continue };
        let zone = match listed.zone {
            Some(zone) => Some(zone),
            None => owners_zone(q, &listed.id)?,
        };
        let zone = zone.and_then(|name| TimeZone::get(&name).ok()).unwrap_or_else(|| place.clone());
        let cursor_base_s = briefing.cursor_row.map(|row| base_s(q, row)).transpose()?.flatten();
        let last = radio::sessions(q, &listed.id, 1)?;
        let lacks = last.first().is_some_and(|session| session.how == radio::How::Complete)
            && radio::completeness(q, &listed.id, &[])?.verdict == "incomplete";
        found.push(Entry { address, briefing, cursor_base_s, lacks, zone });
    }
    Ok(found)
}

/// The base time in a raw row: a number that comes again with a later one is of another numbering.
fn base_s(q: &impl Queries, row: i64) -> Result<Option<i64>, StoreError> {
    let stored = journal::get(q, row)?.and_then(|stored| stored.arrival);
    let Some(Payload::Gatt { characteristic, octets }) = stored.map(|arrival| arrival.payload)
    else {
        return Ok(None);
    };
    let decoded = gatt::decode_uuid16(characteristic, &octets, Context::default()).ok();
    Ok(decoded.as_ref().and_then(gatt::base_time).and_then(DateTime::local_seconds))
}

/// The zone of its only owner.
fn owners_zone(q: &impl Queries, device: &str) -> Result<Option<String>, StoreError> {
    let mut zones = Vec::new();
    for owner in device::owners(q, device)?.into_iter().filter(|owner| owner.to.is_none()) {
        zones.push(patient::get(q, &owner.patient)?.and_then(|p| p.zone));
    }
    zones.dedup();
    Ok(if let [only] = &mut zones[..] { only.take() } else { None })
}

/// Keeps something; a disk that is full costs the note, never a value, and is told by the writer.
async fn keep(
    writer: &Writer,
    what: &'static str,
    work: impl FnOnce(&crate::store::Tx<'_>) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), WriteError> {
    if let Err(error) = writer.run(move |path| path.store().transaction(work)).await? {
        tracing::warn!(%error, what, "a note of the radio was not kept");
    }
    Ok(())
}

/// Keeps how a session went.
pub(super) async fn session(writer: &Writer, note: SessionNote) -> Result<(), WriteError> {
    keep(writer, "session", move |tx| radio::session(tx, &note)).await
}

/// Keeps what is known of a bond.
pub(super) async fn bond(
    writer: &Writer,
    device: String,
    note: BondNote,
    now: UnixMillis,
) -> Result<(), WriteError> {
    keep(writer, "bond", move |tx| radio::bond(tx, &device, &note, now)).await
}

/// Keeps which model it is, and the consent codes that a person gave.
pub(super) async fn model(
    writer: &Writer,
    device: String,
    profile: Option<String>,
    consents: Vec<(u8, u16)>,
) -> Result<(), WriteError> {
    keep(writer, "model", move |tx| {
        if let Some(profile) = profile {
            radio::set_profile(tx, &device, &profile)?;
        }
        for (slot, code) in consents {
            radio::consent(tx, &device, slot, Some(code))?;
        }
        Ok(())
    })
    .await
}

/// Keeps how a device is.
pub(super) async fn state(
    writer: &Writer,
    device: String,
    state: DeviceState,
    now: UnixMillis,
) -> Result<(), WriteError> {
    keep(writer, "state", move |tx| radio::state(tx, &device, state.as_str(), now)).await
}

/// The device numbers its records anew.
pub(super) async fn sequence_reset(writer: &Writer, device: String) -> Result<(), WriteError> {
    keep(writer, "numbering", move |tx| radio::sequence_reset(tx, &device)).await
}
