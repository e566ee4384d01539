//! Plans: a programme for one patient, with the state of its rules.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::patient::Pause;
use super::{Queries, StoreError, Tx};

/// Whether a plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanState {
    /// It runs.
    Active,
    /// It is held.
    Paused,
    /// It has ended.
    Closed,
}

impl PlanState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Closed => "closed",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "active" => Self::Active,
            "paused" => Self::Paused,
            _ => Self::Closed,
        }
    }
}

/// A programme for one patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Id, chosen by who assigned it.
    pub id: String,
    /// Patient id.
    pub patient: String,
    /// Programme id.
    pub programme: String,
    /// Local day number on which it starts.
    pub start_day: i64,
    /// NI-1 parameters that differ from the programme's.
    pub overrides: Map<String, Value>,
    /// Whether it runs.
    pub state: PlanState,
    /// State of the NI-1 schedule.
    pub publisher: Option<Vec<u8>>,
    /// State of the missed-measurement rule.
    pub silence: Option<Vec<u8>>,
    /// Last local day whose evaluation is done.
    pub evaluated_day: Option<i64>,
    /// When the day's work is due again; `None`: at once.
    pub next: Option<UnixMillis>,
}

impl Plan {
    /// A plan that has just been assigned.
    pub fn new(
        id: impl Into<String>,
        patient: impl Into<String>,
        programme: impl Into<String>,
        start_day: i64,
    ) -> Self {
        Self {
            id: id.into(),
            patient: patient.into(),
            programme: programme.into(),
            start_day,
            overrides: Map::new(),
            state: PlanState::Active,
            publisher: None,
            silence: None,
            evaluated_day: None,
            next: None,
        }
    }
}

/// Something that happened to a plan on a local day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanEvent {
    /// Local day number.
    pub day: i64,
    /// `medication_change`.
    pub kind: String,
    /// What changed, for the nurse.
    pub note: Option<String>,
}

const COLUMNS: &str = "id, patient, programme, start_day, overrides, state, publisher, silence, \
                       evaluated_day, next_ms";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Plan> {
    let overrides: String = row.get(4)?;
    let state: String = row.get(5)?;
    Ok(Plan {
        id: row.get(0)?,
        patient: row.get(1)?,
        programme: row.get(2)?,
        start_day: row.get(3)?,
        overrides: serde_json::from_str(&overrides).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                4,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })?,
        state: PlanState::from_word(&state),
        publisher: row.get(6)?,
        silence: row.get(7)?,
        evaluated_day: row.get(8)?,
        next: row.get::<_, Option<i64>>(9)?.map(UnixMillis::from_millis),
    })
}

/// The plan with this id.
///
/// # Errors
/// What SQLite answered.
pub fn get(q: &impl Queries, id: &str) -> Result<Option<Plan>, StoreError> {
    Ok(q.connection()
        .prepare_cached(&format!("select {COLUMNS} from plan where id = ?1"))?
        .query_row([id], from_row)
        .optional()?)
}

/// All plans, or those of one patient, in the order of their ids.
///
/// # Errors
/// What SQLite answered.
pub fn list(q: &impl Queries, patient: Option<&str>) -> Result<Vec<Plan>, StoreError> {
    let mut query = q.connection().prepare_cached(&format!(
        "select {COLUMNS} from plan where ?1 is null or patient = ?1 order by id"
    ))?;
    let rows = query.query_map([patient], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The day's work is never due later than tomorrow; what stands further ahead was written while the
/// clock was wrong. Milliseconds.
const AHEAD_MS: i64 = 2 * 86_400_000;

/// The running plans whose day's work is due, in the order of their ids.
///
/// # Errors
/// What SQLite answered.
pub fn due(q: &impl Queries, now: UnixMillis) -> Result<Vec<Plan>, StoreError> {
    let mut query = q.connection().prepare_cached(&format!(
        "select {COLUMNS} from plan
         where state = 'active' and (next_ms is null or next_ms <= ?1 or next_ms > ?2) order by id"
    ))?;
    let ahead = now.millis().saturating_add(AHEAD_MS);
    let rows = query.query_map([now.millis(), ahead], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the day's work of a running plan is due next.
///
/// # Errors
/// What SQLite answered.
pub fn next_due(q: &impl Queries) -> Result<Option<UnixMillis>, StoreError> {
    let next: Option<i64> = q
        .connection()
        .prepare_cached("select min(coalesce(next_ms, 0)) from plan where state = 'active'")?
        .query_row([], |row| row.get(0))?;
    Ok(next.map(UnixMillis::from_millis))
}

/// Something the day's work depends on has changed: all plans of a patient are looked at again.
///
/// # Errors
/// What SQLite answered.
pub fn wake(tx: &Tx<'_>, patient: &str) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached("update plan set next_ms = null where patient = ?1")?
        .execute([patient])?;
    Ok(())
}

/// A patient has measured: plans of which a nudge is on its way are looked at again, so that it is taken
/// back before it arrives.
///
/// # Errors
/// What SQLite answered.
pub fn wake_for_nudges(tx: &Tx<'_>, patient: &str) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached(
            "update plan set next_ms = null where patient = ?1 and exists
                 (select 1 from prompt n where n.patient = ?1 and n.plan = plan.id
                  and n.missed is not null and n.state in ('waiting', 'sent'))",
        )?
        .execute([patient])?;
    Ok(())
}

/// Writes a plan as a whole.
///
/// # Errors
/// What SQLite answered.
pub fn put(tx: &Tx<'_>, plan: &Plan) -> Result<(), StoreError> {
    let overrides = serde_json::to_string(&plan.overrides).map_err(StoreError::Message)?;
    tx.connection()
        .prepare_cached(&format!(
            "insert into plan ({COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             on conflict (id) do update set programme = ?3, start_day = ?4, overrides = ?5,
                 state = ?6, publisher = ?7, silence = ?8, evaluated_day = ?9, next_ms = ?10"
        ))?
        .execute(params![
            plan.id,
            plan.patient,
            plan.programme,
            plan.start_day,
            overrides,
            plan.state.as_str(),
            plan.publisher,
            plan.silence,
            plan.evaluated_day,
            plan.next.map(UnixMillis::millis),
        ])?;
    Ok(())
}

/// The events of a plan, earliest first.
///
/// # Errors
/// What SQLite answered.
pub fn events(q: &impl Queries, plan: &str) -> Result<Vec<PlanEvent>, StoreError> {
    let mut query = q.connection().prepare_cached(
        "select day, kind, note from plan_event where plan = ?1 order by day, kind",
    )?;
    let rows = query.query_map([plan], |row| {
        Ok(PlanEvent { day: row.get(0)?, kind: row.get(1)?, note: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds an event. False if the plan already has it.
///
/// # Errors
/// What SQLite answered.
pub fn add_event(tx: &Tx<'_>, plan: &str, event: &PlanEvent) -> Result<bool, StoreError> {
    let added = tx
        .connection()
        .prepare_cached(
            "insert into plan_event (plan, day, kind, note) values (?1, ?2, ?3, ?4)
             on conflict (plan, day, kind) do nothing",
        )?
        .execute(params![plan, event.day, event.kind, event.note])?;
    Ok(added > 0)
}

/// The pause in which a programme asks nothing of anybody, the latest that was stated.
///
/// # Errors
/// What SQLite answered.
pub fn programme_pause(q: &impl Queries, programme: &str) -> Result<Option<Pause>, StoreError> {
    let text: Option<String> = q
        .connection()
        .prepare_cached("select value from meta where key = ?1")?
        .query_row([pause_key(programme)], |row| row.get(0))
        .optional()?;
    let known: Option<(i64, i64, String)> = text.and_then(|text| serde_json::from_str(&text).ok());
    Ok(known.map(|(from_day, to_day, reason)| Pause { from_day, to_day, reason }))
}

/// Holds a programme for everybody, and has all plans looked at again.
///
/// # Errors
/// What SQLite answered.
pub fn put_programme_pause(tx: &Tx<'_>, programme: &str, pause: &Pause) -> Result<(), StoreError> {
    let row = (pause.from_day, pause.to_day, &pause.reason);
    let text = serde_json::to_string(&row).map_err(StoreError::Message)?;
    tx.connection()
        .prepare_cached(
            "insert into meta (key, value) values (?1, ?2)
             on conflict (key) do update set value = ?2",
        )?
        .execute(params![pause_key(programme), text])?;
    tx.connection()
        .prepare_cached("update plan set next_ms = null where programme = ?1")?
        .execute([programme])?;
    Ok(())
}

fn pause_key(programme: &str) -> String {
    format!("programme_pause:{programme}")
}
