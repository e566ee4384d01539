//! Patients, the people behind them (kept apart), and their pauses.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::{Queries, StoreError, Tx};

/// One enrolled patient, without name or contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Patient {
    /// Opaque id.
    pub id: String,
    /// IANA zone; `None` unknown: no prompt is sent, staff are asked.
    pub zone: Option<String>,
    /// BCP 47 language; `None` unknown: the same.
    pub language: Option<String>,
    /// Enrolled in monitoring.
    pub monitoring: bool,
    /// Consent to prompts; `None` unknown.
    pub prompts: Option<bool>,
    /// Quiet hours [from, to) in local minutes of the day, 0..=1439; `None`: none.
    pub quiet_min: Option<(u16, u16)>,
    /// Monitored since.
    pub start: UnixMillis,
    /// Limits, rule id -> values, as in `clinical-rules` A13.
    pub limits: Map<String, Value>,
    /// Mutes [from, to) in UTC seconds; each has an end.
    pub mutes: Vec<(i64, i64)>,
    /// Prompts a local day at most.
    pub daily_cap: u8,
    /// When monitoring was ended for good.
    pub closed: Option<UnixMillis>,
}

/// Name and contact of a patient, local only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Name, as the patient wants to be called.
    pub name: Option<String>,
    /// How staff reach the patient.
    pub contact: Option<String>,
}

/// Days on which nothing is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// First local day.
    pub from_day: i64,
    /// Last local day, inclusive.
    pub to_day: i64,
    /// `away`, `ill`, `hospital`, `repair`, `programme`.
    pub reason: String,
}

const COLUMNS: &str = "id, zone, language, monitoring, prompts, quiet_from_min, quiet_to_min, \
                       start_ms, limits, mutes, daily_cap, closed_ms";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Patient> {
    let json = |index: usize| -> rusqlite::Result<Value> {
        let text: String = row.get(index)?;
        serde_json::from_str(&text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                index,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
    };
    let quiet = row.get::<_, Option<u16>>(5)?.zip(row.get::<_, Option<u16>>(6)?);
    let mutes = match json(9)? {
        Value::Array(list) => list
            .iter()
            .filter_map(|pair| Some((pair.get(0)?.as_i64()?, pair.get(1)?.as_i64()?)))
            .collect(),
        _ => Vec::new(),
    };
    Ok(Patient {
        id: row.get(0)?,
        zone: row.get(1)?,
        language: row.get(2)?,
        monitoring: row.get(3)?,
        prompts: row.get(4)?,
        quiet_min: quiet,
        start: UnixMillis::from_millis(row.get(7)?),
        limits: match json(8)? {
            Value::Object(map) => map,
            _ => Map::new(),
        },
        mutes,
        daily_cap: row.get(10)?,
        closed: row.get::<_, Option<i64>>(11)?.map(UnixMillis::from_millis),
    })
}

/// The patient with this id.
///
/// # Errors
/// What SQLite answered.
pub fn get(q: &impl Queries, id: &str) -> Result<Option<Patient>, StoreError> {
    Ok(q.connection()
        .prepare_cached(&format!("select {COLUMNS} from patient where id = ?1"))?
        .query_row([id], from_row)
        .optional()?)
}

/// All patients, in the order of their ids.
///
/// # Errors
/// What SQLite answered.
pub fn list(q: &impl Queries) -> Result<Vec<Patient>, StoreError> {
    let mut query =
        q.connection().prepare_cached(&format!("select {COLUMNS} from patient order by id"))?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes a patient as a whole: a new one, or the changed settings of a known one.
///
/// # Errors
/// What SQLite answered.
pub fn put(tx: &Tx<'_>, patient: &Patient) -> Result<(), StoreError> {
    let limits = serde_json::to_string(&patient.limits).map_err(StoreError::Message)?;
    let mutes = serde_json::to_string(&patient.mutes).map_err(StoreError::Message)?;
    tx.connection()
        .prepare_cached(&format!(
            "insert into patient ({COLUMNS}) values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)
             on conflict (id) do update set zone = ?2, language = ?3, monitoring = ?4, prompts = ?5,
                 quiet_from_min = ?6, quiet_to_min = ?7, start_ms = ?8, limits = ?9, mutes = ?10,
                 daily_cap = ?11, closed_ms = ?12"
        ))?
        .execute(params![
            patient.id,
            patient.zone,
            patient.language,
            patient.monitoring,
            patient.prompts,
            patient.quiet_min.map(|q| q.0),
            patient.quiet_min.map(|q| q.1),
            patient.start.millis(),
            limits,
            mutes,
            patient.daily_cap,
            patient.closed.map(UnixMillis::millis),
        ])?;
    Ok(())
}

/// Name and contact, where they are known.
///
/// # Errors
/// What SQLite answered.
pub fn person(q: &impl Queries, patient: &str) -> Result<Person, StoreError> {
    let found = q
        .connection()
        .prepare_cached("select name, contact from person where patient = ?1")?
        .query_row([patient], |row| Ok(Person { name: row.get(0)?, contact: row.get(1)? }))
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Writes name and contact.
///
/// # Errors
/// What SQLite answered.
pub fn put_person(tx: &Tx<'_>, patient: &str, person: &Person) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached(
            "insert into person (patient, name, contact) values (?1, ?2, ?3)
             on conflict (patient) do update set name = ?2, contact = ?3",
        )?
        .execute(params![patient, person.name, person.contact])?;
    Ok(())
}

/// Erases name and contact, the words of prompts that may contain the name, and notes about the
/// person. True if a name or contact was held.
///
/// # Errors
/// What SQLite answered.
pub fn erase_person(tx: &Tx<'_>, patient: &str) -> Result<bool, StoreError> {
    let connection = tx.connection();
    let held = connection.execute("delete from person where patient = ?1", [patient])?;
    connection.execute("update prompt set text = '' where patient = ?1", [patient])?;
    connection.execute(
        "update plan_event set note = null
         where plan in (select id from plan where patient = ?1)",
        [patient],
    )?;
    Ok(held > 0)
}

/// The pauses of a patient, earliest first.
///
/// # Errors
/// What SQLite answered.
pub fn pauses(q: &impl Queries, patient: &str) -> Result<Vec<Pause>, StoreError> {
    let mut query = q.connection().prepare_cached(
        "select from_day, to_day, reason from pause where patient = ?1 order by from_day",
    )?;
    let rows = query.query_map([patient], |row| {
        Ok(Pause { from_day: row.get(0)?, to_day: row.get(1)?, reason: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes a pause; one that starts on the same day is replaced.
///
/// # Errors
/// What SQLite answered.
pub fn put_pause(tx: &Tx<'_>, patient: &str, pause: &Pause) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached(
            "insert into pause (patient, from_day, to_day, reason) values (?1, ?2, ?3, ?4)
             on conflict (patient, from_day) do update set to_day = ?3, reason = ?4",
        )?
        .execute(params![patient, pause.from_day, pause.to_day, pause.reason])?;
    Ok(())
}

/// Ends the patient's ownership of every device.
///
/// # Errors
/// What SQLite answered.
pub fn end_ownerships(tx: &Tx<'_>, patient: &str, at: UnixMillis) -> Result<(), StoreError> {
    let running = "patient = ?1 and (to_ms is null or to_ms > ?2)";
    super::device::end(tx, running, params![patient, at.millis()], at)
}
