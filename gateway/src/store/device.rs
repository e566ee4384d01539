//! The roster's rows: devices, their owners, and what a device last said about itself.

use hearth_shared::time::{ClockTrust, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::checksum::Sum;
use super::observation::{clock_from_code, clock_to_code};
use super::{Queries, StoreError, Tx};

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Opaque id.
    pub id: String,
    /// `glucose_meter`, `blood_pressure_cuff`, `weight_scale`, …
    pub kind: String,
    /// What people call it here; never a person's name.
    pub alias: Option<String>,
    /// Model name.
    pub model: Option<String>,
    /// Bluetooth address.
    pub address: Option<String>,
    /// Zone of its clock; `None`: its owner's.
    pub zone: Option<String>,
    /// Longest ordinary silence, seconds.
    pub expected_interval_s: Option<u32>,
    /// When it came onto the roster: stamps 400 days before this are not believed.
    pub added: UnixMillis,
    /// Battery, percent.
    pub battery_percent: Option<u8>,
    /// How its clock was last found.
    pub clock_trust: Option<ClockTrust>,
    /// When it was last heard.
    pub last_seen: Option<UnixMillis>,
    /// Records it said it holds.
    pub records_reported: Option<u32>,
    /// Last record number it gave.
    pub last_sequence: Option<u16>,
    /// When it was retired.
    pub retired: Option<UnixMillis>,
}

impl Device {
    /// A device just put onto the roster.
    pub fn new(id: impl Into<String>, kind: impl Into<String>, added: UnixMillis) -> Self {
        Self {
            id: id.into(),
            kind: kind.into(),
            alias: None,
            model: None,
            address: None,
            zone: None,
            expected_interval_s: None,
            added,
            battery_percent: None,
            clock_trust: None,
            last_seen: None,
            records_reported: None,
            last_sequence: None,
            retired: None,
        }
    }
}

/// Whose a device, or one of its slots, was from–to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Device id.
    pub device: String,
    /// The slot; `None`: the whole device.
    pub slot: Option<u8>,
    /// Patient id.
    pub patient: String,
    /// From this moment.
    pub from: UnixMillis,
    /// Until before this moment; `None`: still.
    pub to: Option<UnixMillis>,
}

const COLUMNS: &str =
    "id, kind, model, address, zone, expected_interval_s, added_ms, battery_percent,
    clock_trust, last_seen_ms, records_reported, last_sequence, retired_ms, alias";

fn read(row: &Row<'_>) -> Result<Device, rusqlite::Error> {
    let time = |ms: Option<i64>| ms.map(UnixMillis::from_millis);
    Ok(Device {
        id: row.get(0)?,
        kind: row.get(1)?,
        model: row.get(2)?,
        address: row.get(3)?,
        zone: row.get(4)?,
        expected_interval_s: row.get(5)?,
        added: UnixMillis::from_millis(row.get(6)?),
        battery_percent: row.get(7)?,
        clock_trust: row.get::<_, Option<i64>>(8)?.and_then(clock_from_code),
        last_seen: time(row.get(9)?),
        records_reported: row.get(10)?,
        last_sequence: row.get(11)?,
        retired: time(row.get(12)?),
        alias: row.get(13)?,
    })
}

/// Puts a device onto the roster, or changes its row.
///
/// # Errors
/// What SQLite answered; an address twice is refused.
pub fn put(tx: &Tx<'_>, d: &Device) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into device (id, kind, model, address, zone, expected_interval_s, added_ms,
               battery_percent, clock_trust, last_seen_ms, records_reported, last_sequence, retired_ms,
               alias)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             on conflict (id) do update set kind = excluded.kind, model = excluded.model,
               address = excluded.address, zone = excluded.zone,
               expected_interval_s = excluded.expected_interval_s,
               battery_percent = excluded.battery_percent, clock_trust = excluded.clock_trust,
               last_seen_ms = excluded.last_seen_ms, records_reported = excluded.records_reported,
               last_sequence = excluded.last_sequence, retired_ms = excluded.retired_ms,
               alias = excluded.alias",
        )?
        .execute(params![
            d.id,
            d.kind,
            d.model,
            d.address,
            d.zone,
            d.expected_interval_s,
            d.added.millis(),
            d.battery_percent,
            d.clock_trust.map(clock_to_code),
            d.last_seen.map(UnixMillis::millis),
            d.records_reported,
            d.last_sequence,
            d.retired.map(UnixMillis::millis),
            d.alias,
        ])?;
    Ok(())
}

/// One device by its id.
///
/// # Errors
/// What SQLite answered.
pub fn get(q: &impl Queries, id: &str) -> Result<Option<Device>, StoreError> {
    let sql = format!("select {COLUMNS} from device where id = ?1");
    Ok(q.connection().prepare_cached(&sql)?.query_row([id], read).optional()?)
}

/// One device by its Bluetooth address.
///
/// # Errors
/// What SQLite answered.
pub fn by_address(q: &impl Queries, address: &str) -> Result<Option<Device>, StoreError> {
    let sql = format!("select {COLUMNS} from device where address = ?1");
    Ok(q.connection().prepare_cached(&sql)?.query_row([address], read).optional()?)
}

/// All devices by id.
///
/// # Errors
/// What SQLite answered.
pub fn all(q: &impl Queries) -> Result<Vec<Device>, StoreError> {
    let sql = format!("select {COLUMNS} from device order by id");
    let mut statement = q.connection().prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// From `from` on the device, or the slot, is this patient's; the owner before ends there.
///
/// # Errors
/// What SQLite answered; unknown devices and patients are refused.
pub fn assign(
    tx: &Tx<'_>,
    device: &str,
    slot: Option<u8>,
    patient: &str,
    from: UnixMillis,
) -> Result<(), StoreError> {
    // Whoever says anew whose it is settles what a damaged row left open.
    let (_, damaged) = read_owners(tx, "device = ?1", [device])?;
    for row in damaged {
        tx.transaction.execute("delete from device_owner where rowid = ?1", [row])?;
    }
    let earlier = "device = ?1 and slot is ?2 and (to_ms is null or to_ms > ?3) and from_ms <= ?3";
    end(tx, earlier, params![device, slot, from.millis()], from)?;
    add_owner(tx, &Owner { device: device.into(), slot, patient: patient.into(), from, to: None })
}

/// Adds an owner beside the others: several whole-device owners make every reading a question.
///
/// # Errors
/// What SQLite answered; unknown devices and patients are refused.
pub fn add_owner(tx: &Tx<'_>, owner: &Owner) -> Result<(), StoreError> {
    tx.transaction.execute(
        "insert into device_owner (device, slot, patient, from_ms, to_ms, checksum)
         values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            owner.device,
            owner.slot,
            owner.patient,
            owner.from.millis(),
            owner.to.map(UnixMillis::millis),
            owner.checksum(),
        ],
    )?;
    Ok(())
}

impl Owner {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            device: row.get(1)?,
            slot: row.get(2)?,
            patient: row.get(3)?,
            from: UnixMillis::from_millis(row.get(4)?),
            to: row.get::<_, Option<i64>>(5)?.map(UnixMillis::from_millis),
        })
    }

    fn checksum(&self) -> u32 {
        let mut sum = Sum::default();
        sum.text(Some(&self.device)).optional(self.slot.map(i64::from)).text(Some(&self.patient));
        sum.int(self.from.millis()).optional(self.to.map(UnixMillis::millis));
        sum.finish()
    }
}

/// Whole rows with their numbers, and the numbers of damaged ones.
type OwnerRows = (Vec<(i64, Owner)>, Vec<i64>);

/// Whole rows with their numbers, oldest first, and the numbers of those that do not fit their checksum.
fn read_owners(
    q: &impl Queries,
    filter: &str,
    parameters: impl rusqlite::Params,
) -> Result<OwnerRows, StoreError> {
    let mut statement = q.connection().prepare_cached(&format!(
        "select rowid, device, slot, patient, from_ms, to_ms, checksum from device_owner
         where {filter} order by from_ms, patient"
    ))?;
    let mut rows = statement.query(parameters)?;
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        let fits =
            |owner: &Owner| row.get(6).is_ok_and(|sum: i64| sum == i64::from(owner.checksum()));
        match Owner::read(row).ok().filter(fits) {
            Some(owner) => whole.push((number, owner)),
            None => damaged.push(number),
        }
    }
    Ok((whole, damaged))
}

/// Ends ownerships that a filter finds. A row that does not fit its checksum stays as it is.
pub(super) fn end(
    tx: &Tx<'_>,
    filter: &str,
    parameters: impl rusqlite::Params,
    at: UnixMillis,
) -> Result<(), StoreError> {
    for (number, owner) in read_owners(tx, filter, parameters)?.0 {
        let ended = Owner { to: Some(at), ..owner };
        tx.transaction
            .prepare_cached("update device_owner set to_ms = ?2, checksum = ?3 where rowid = ?1")?
            .execute(params![number, at.millis(), ended.checksum()])?;
    }
    Ok(())
}

/// Gives rows of an earlier schema their checksum.
///
/// # Errors
/// What SQLite answered.
pub(super) fn sum_missing(connection: &Connection) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "select rowid, device, slot, patient, from_ms, to_ms from device_owner
         where checksum is null",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let sum = Owner::read(row)?.checksum();
        connection
            .prepare_cached("update device_owner set checksum = ?2 where rowid = ?1")?
            .execute(params![row.get::<_, i64>(0)?, sum])?;
    }
    Ok(())
}

/// The numbers of the rows that do not fit their checksum, and how many rows there are.
///
/// # Errors
/// What SQLite answered.
pub(super) fn damaged_owners(q: &impl Queries) -> Result<(Vec<i64>, u64), StoreError> {
    let (whole, damaged) = read_owners(q, "true", [])?;
    let n = (whole.len() + damaged.len()) as u64;
    Ok((damaged, n))
}

/// All owners of a device, oldest first. Of a device of which one row does not fit its checksum nobody is
/// known to be the owner: its readings wait until a person says whose it is.
///
/// # Errors
/// What SQLite answered.
pub fn owners(q: &impl Queries, device: &str) -> Result<Vec<Owner>, StoreError> {
    let (whole, damaged) = read_owners(q, "device = ?1", [device])?;
    if !damaged.is_empty() {
        return Ok(Vec::new());
    }
    Ok(whole.into_iter().map(|(_, owner)| owner).collect())
}

/// What a device said about itself in one batch; `None` leaves what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// When it was last heard.
    pub last_seen: Option<UnixMillis>,
    /// Battery, percent.
    pub battery_percent: Option<u8>,
    /// How its clock was found.
    pub clock_trust: Option<ClockTrust>,
    /// Last record number.
    pub last_sequence: Option<u16>,
    /// Records it said it holds.
    pub records_reported: Option<u32>,
}

/// Keeps what a device said about itself.
///
/// # Errors
/// What SQLite answered.
pub fn seen(tx: &Tx<'_>, id: &str, s: &Sighting) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "update device set last_seen_ms = max(coalesce(last_seen_ms, 0), coalesce(?2, 0)),
               battery_percent = coalesce(?3, battery_percent),
               clock_trust = coalesce(?4, clock_trust),
               last_sequence = coalesce(?5, last_sequence),
               records_reported = coalesce(?6, records_reported)
             where id = ?1",
        )?
        .execute(params![
            id,
            s.last_seen.map(UnixMillis::millis),
            s.battery_percent,
            s.clock_trust.map(clock_to_code),
            s.last_sequence,
            s.records_reported,
        ])?;
    Ok(())
}

/// Keeps when a sensor's session started: its clock face in seconds, and UTC where known.
///
/// # Errors
/// What SQLite answered.
pub fn keep_session(
    tx: &Tx<'_>,
    device: &str,
    local_s: i64,
    utc_s: Option<i64>,
) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached(
            "insert into sensor_session (device, local_s, utc_s) values (?1, ?2, ?3)
             on conflict (device) do update set local_s = excluded.local_s, utc_s = excluded.utc_s",
        )?
        .execute(params![device, local_s, utc_s])?;
    Ok(())
}

/// When a sensor's session started: its clock face in seconds, and UTC where known.
///
/// # Errors
/// What SQLite answered.
pub fn session(q: &impl Queries, device: &str) -> Result<Option<(i64, Option<i64>)>, StoreError> {
    Ok(q.connection()
        .prepare_cached("select local_s, utc_s from sensor_session where device = ?1")?
        .query_row([device], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}
