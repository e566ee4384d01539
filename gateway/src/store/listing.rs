//! Rows as people list them: the tables of `hearth patient list` and its sisters, and the numbers
//! of
//! `hearth status`. Reads only; nothing here decides anything.

use hearth_shared::time::UnixMillis;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::radio::Completeness;
use super::{Queries, StoreError};
use crate::control::query::{List, Listing};
use crate::control::status::{
    ConsumerStatus, JournalStatus, LaneStatus, SilentDevice, TroubledDevice,
};
use crate::uplink::message::Lane;

/// Rows of one answer; more are of no use to a person, and a program asks per patient.
const ROWS_MAX: u32 = 10_000;

/// Columns that hold 0 or 1.
const YES_NO: [&str; 9] = [
    "monitoring",
    "prompts",
    "silent",
    "late",
    "history_only",
    "bonded",
    "secure_connections",
    "authenticated",
    "clock_set",
];
/// Columns that hold JSON.
const JSON: [&str; 6] = ["limits", "mutes", "history", "evidence", "overrides", "owners"];

/// The rows of one kind, newest or most urgent first.
///
/// # Errors
/// What the database answered.
pub fn list(q: &impl Queries, list: &List) -> Result<Vec<Value>, StoreError> {
    let sql = statement(list.what);
    let sql = format!(
        "select * from ({sql}) where (?1 is null or patient = ?1) and (?2 or open) limit ?3"
    );
    let mut rows = fetch(q, &sql, (&list.patient, list.all, ROWS_MAX))?;
    for row in &mut rows {
        row.remove("open");
        if list.what == Listing::Patients {
            row.remove("patient");
        }
    }
    Ok(rows.into_iter().map(Value::Object).collect())
}

/// One thing with what belongs to it; `None` where there is no such id.
///
/// # Errors
/// What the database answered.
pub fn show(q: &impl Queries, what: Listing, id: &str) -> Result<Option<Value>, StoreError> {
    let sql = statement(what);
    // Ids of alerts, needs, prompts and tasks are UUIDs in 16 octets; the others are text.
    let uuid = Uuid::parse_str(id).ok().map(|id| id.as_bytes().to_vec());
    let sql = format!("select * from ({sql}) where id = ?1 or id = ?2 limit 1");
    let Some(mut row) = fetch(q, &sql, (id, uuid))?.pop() else { return Ok(None) };
    row.remove("open");
    if what == Listing::Patients {
        row.remove("patient");
        let mut add = |name: &str, what| -> Result<(), StoreError> {
            let rows = list(q, &List { what, patient: Some(id.to_owned()), all: false })?;
            row.insert(name.to_owned(), Value::Array(rows));
            Ok(())
        };
        add("plans", Listing::Plans)?;
        add("alerts", Listing::Alerts)?;
        add("needs", Listing::Needs)?;
        add("tasks", Listing::Tasks)?;
        let pauses =
            "select from_day, to_day, reason from pause where patient = ?1 order by from_day";
        let pauses = fetch(q, pauses, (id,))?.into_iter().map(Value::Object).collect();
        row.insert("pauses".to_owned(), Value::Array(pauses));
    }
    if what == Listing::Plans {
        let events =
            "select day as event_day, kind, note from plan_event where plan = ?1 order by day";
        let events = fetch(q, events, (id,))?.into_iter().map(Value::Object).collect();
        row.insert("events".to_owned(), Value::Array(events));
        let verdicts = format!("{} where v.plan = ?1 order by v.day", VERDICTS);
        let verdicts = fetch(q, &verdicts, (id,))?.into_iter().map(Value::Object).collect();
        row.insert("verdicts".to_owned(), Value::Array(verdicts));
    }
    if what == Listing::Devices {
        let radio = fetch(q, RADIO, (id,))?.pop().map_or(Value::Null, Value::Object);
        row.insert("radio".to_owned(), radio);
        let sessions = fetch(q, SESSIONS, (id,))?.into_iter().map(Value::Object).collect();
        row.insert("last_sessions".to_owned(), Value::Array(sessions));
    }
    Ok(Some(Value::Object(row)))
}

/// What the radio knows of a device.
const RADIO: &str = "select state, state_ms as since_ms, bonded, secure_connections, authenticated, \
     key_octets, bonded_ms as bonded_at_ms, clock_before_s, clock_set, clock_after_s, \
     clock_ms as clock_at_ms, manufacturer, model, firmware, hardware, software, sessions_complete, \
     sessions_incomplete, sessions_failed, radio_day, radio_ms / 1000 as radio_s \
     from device_radio where device = ?1";

/// Its last sessions, newest first.
const SESSIONS: &str = "select started_ms, ended_ms, case how when 1 then 'complete' \
     when 2 then 'incomplete' else 'failed' end as how, how_many as received, code \
     from radio_session where device = ?1 order by seq desc limit 5";

const VERDICTS: &str = "select v.plan || '/' || v.day as id, p.patient, v.plan, v.day as verdict_day, \
     v.phase, v.verdict, v.reason, v.published, v.action, v.sentence, v.evidence, v.rule, \
     v.made_ms from verdict v join plan p on p.id = v.plan";

fn statement(what: Listing) -> &'static str {
    match what {
        Listing::Patients => {
            "select p.id, p.id as patient, n.name, p.zone, p.language, p.monitoring, p.prompts, \
             p.quiet_from_min, p.quiet_to_min, p.daily_cap, p.start_ms, p.limits, p.mutes, p.closed_ms, \
             (select group_concat(distinct o.device) from device_owner o \
               where o.patient = p.id and o.to_ms is null) as devices, \
             (select count(*) from alert a where a.patient = p.id \
               and a.state in ('Pending', 'Active', 'Acked', 'Cleared')) as open_alerts, \
             n.contact, p.closed_ms is null as open \
             from patient p left join person n on n.patient = p.id order by p.id"
        }
        Listing::Plans => {
            "select p.id, p.patient, p.programme, p.start_day, p.state, \
             (select v.published from verdict v where v.plan = p.id order by v.day desc limit 1) \
               as published, \
             (select v.sentence from verdict v where v.plan = p.id order by v.day desc limit 1) \
               as sentence, p.overrides, p.state <> 'closed' as open \
             from plan p order by p.patient, p.start_day, p.id"
        }
        Listing::Devices => {
            "select d.id, d.alias, d.kind, d.model, r.profile, d.address, r.bonded, r.state, d.zone, d.expected_interval_s, d.battery_percent, \
             d.added_ms, d.last_seen_ms, d.retired_ms, \
             (select json_group_array(json_object('patient', o.patient, 'slot', o.slot)) \
               from device_owner o where o.device = d.id and o.to_ms is null) as owners, \
             (select o.patient from device_owner o where o.device = d.id and o.to_ms is null limit 1) \
               as patient, d.retired_ms is null as open from device d \
             left join device_radio r on r.device = d.id order by d.id"
        }
        Listing::Alerts => {
            "select id, patient, rule, level, state, late, observation_seq, raised_ms, measured_ms, changed_ms, acked_ms, \
             acked_by, history, state in ('Pending', 'Active', 'Acked', 'Cleared') as open from alert \
             order by instr('CUA', level), raised_ms desc"
        }
        Listing::Needs => {
            "select id, patient, plan, kind, reason, state, attempts, attempts_max, next_ms, opened_ms, \
             changed_ms, outcome, state <> 'closed' as open from need order by opened_ms desc"
        }
        Listing::Prompts => {
            "select id, need, patient, kind, level, language, text, silent, created_ms, due_ms, expires_ms, \
             state, why, sent_ms, answer, state in ('waiting', 'sent') as open from prompt \
             order by created_ms desc"
        }
        Listing::Tasks => {
            "select id, patient, need, kind, reason, level, state, made_ms, done_ms, outcome, \
             state = 'open' as open from task order by instr('CUA', level), made_ms desc"
        }
        Listing::Claims => {
            "select o.id, o.device, o.slot, o.quantity, o.v1, o.v2, o.measured_ms, o.received_ms, \
             c.observation_seq, c.since_ms, null as patient, 1 as open from claim_tray c \
             join observation o on o.seq = c.observation_seq order by c.since_ms"
        }
        Listing::Verdicts => {
            "select v.plan || '/' || v.day as id, p.patient, v.plan, v.day as verdict_day, v.phase, \
             v.verdict, v.reason, v.published, v.action, v.sentence, v.evidence, v.rule, v.made_ms, \
             1 as open from verdict v join plan p on p.id = v.plan order by v.day desc, v.plan"
        }
    }
}

fn fetch(
    q: &impl Queries,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Map<String, Value>>, StoreError> {
    let mut statement = q.connection().prepare_cached(sql)?;
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut found = statement.query(parameters)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let mut fields = Map::new();
        for (at, name) in names.iter().enumerate() {
            let (name, value) = field(name, row.get_ref(at)?);
            fields.insert(name.to_owned(), value);
        }
        rows.push(fields);
    }
    Ok(rows)
}

/// A column as people and programs read it: times as RFC 3339, days as dates, ids as text.
fn field<'n>(name: &'n str, value: ValueRef<'_>) -> (&'n str, Value) {
    match value {
        ValueRef::Integer(ms) if name.ends_with("_ms") => {
            (name.trim_end_matches("_ms"), json!(rfc3339(UnixMillis::from_millis(ms))))
        }
        ValueRef::Integer(day) if name.ends_with("_day") => {
            (name.trim_end_matches("_day"), json!(date(day)))
        }
        ValueRef::Integer(minute) if name.ends_with("_min") => {
            let text = format!("{:02}:{:02}", minute.div_euclid(60), minute.rem_euclid(60));
            (name.trim_end_matches("_min"), json!(text))
        }
        ValueRef::Integer(n) if YES_NO.contains(&name) => (name, json!(n != 0)),
        ValueRef::Integer(n) => (name, json!(n)),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            if JSON.contains(&name) {
                let parsed = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
                return (name, parsed);
            }
            (name, json!(text))
        }
        ValueRef::Blob(octets) => {
            (name, json!(Uuid::from_slice(octets).ok().map(|id| id.to_string())))
        }
        ValueRef::Real(number) => (name, json!(number)),
        ValueRef::Null => {
            let short = ["_ms", "_day", "_min"].iter().find_map(|end| name.strip_suffix(end));
            (short.unwrap_or(name), Value::Null)
        }
    }
}

/// A count; a negative one cannot be.
fn count(row: &rusqlite::Row<'_>, at: usize) -> Result<u64, rusqlite::Error> {
    Ok(row.get::<_, i64>(at)?.unsigned_abs())
}

/// RFC 3339 in UTC with whole seconds.
pub fn rfc3339(at: UnixMillis) -> String {
    jiff::Timestamp::from_second(at.seconds())
        .map_or_else(|_| at.millis().to_string(), |t| t.to_string())
}

/// ISO 8601 date of a day number since 1970-01-01.
fn date(day: i64) -> String {
    jiff::Timestamp::from_second(day.saturating_mul(86_400)).map_or_else(
        |_| day.to_string(),
        |t| jiff::tz::Offset::UTC.to_datetime(t).date().to_string(),
    )
}

/// The id of the device with this Bluetooth address that is in use.
///
/// # Errors
/// What the database answered.
pub fn device_at(q: &impl Queries, address: &str) -> Result<Option<String>, StoreError> {
    let sql =
        "select id from device where upper(address) = upper(?1) and retired_ms is null limit 1";
    let mut statement = q.connection().prepare_cached(sql)?;
    let mut rows = statement.query([address])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

/// Whether a message that expires waits to be sent; one look at a partial index.
///
/// # Errors
/// What the database answered.
pub fn anything_expiring_queued(q: &impl Queries) -> Result<bool, StoreError> {
    let sql = "select exists(select 1 from outbox where state = 0 and expires_ms is not null)";
    Ok(q.connection().prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// What waits on each lane and what consumers have confirmed.
///
/// # Errors
/// What the database answered.
pub fn backlog(q: &impl Queries) -> Result<Vec<LaneStatus>, StoreError> {
    let mut lanes = Vec::new();
    for lane in Lane::ALL {
        let sql = "select (select count(*) from outbox where lane = ?1 and state in (0, 2)), \
                   (select min(created_ms) from outbox where lane = ?1 and state in (0, 2)), \
                   (select count(*) from outbox where lane = ?1), \
                   (select last from lane where lane = ?1)";
        let mut status = q.connection().prepare_cached(sql)?.query_row([lane as u8], |row| {
            Ok(LaneStatus {
                lane: lane.as_str().to_owned(),
                queued: count(row, 0)?,
                oldest: row
                    .get::<_, Option<i64>>(1)?
                    .map(|ms| rfc3339(UnixMillis::from_millis(ms))),
                kept: count(row, 2)?,
                last: count(row, 3)?,
                watermarks: Vec::new(),
            })
        })?;
        let sql = "select consumer, seq, at_ms from watermark where lane = ?1 order by consumer";
        let mut statement = q.connection().prepare_cached(sql)?;
        let marks = statement.query_map([lane as u8], |row| {
            Ok(ConsumerStatus {
                consumer: row.get(0)?,
                seq: count(row, 1)?,
                at: rfc3339(UnixMillis::from_millis(row.get(2)?)),
            })
        })?;
        status.watermarks = marks.collect::<Result<_, _>>()?;
        lanes.push(status);
    }
    Ok(lanes)
}

/// What the journal holds.
///
/// # Errors
/// What the database answered.
pub fn journal(q: &impl Queries) -> Result<JournalStatus, StoreError> {
    let sql = "select (select count(*) from journal where kind in (1, 2, 5)), \
               (select count(*) from journal where outcome = 0 and kind in (1, 2, 5)), \
               (select count(*) from journal where outcome = 3), \
               (select count(*) from observation), (select count(*) from claim_tray), \
               (select coalesce(sum(n), 0) from duplicate), \
               (select coalesce(sum(count), 0) from loss), \
               (select count(*) from alert where state in ('Pending', 'Active', 'Acked', 'Cleared')), \
               (select count(*) from task where state = 'open'), \
               (select coalesce(sum(n), 0) from counter where name = 'forgotten_rows')";
    Ok(q.connection().prepare_cached(sql)?.query_row([], |row| {
        Ok(JournalStatus {
            rows: count(row, 0)?,
            pending: count(row, 1)?,
            quarantined: count(row, 2)?,
            observations: count(row, 3)?,
            unclaimed: count(row, 4)?,
            duplicates: count(row, 5)?,
            lost: count(row, 6)?,
            open_alerts: count(row, 7)?,
            open_tasks: count(row, 8)?,
            forgotten: count(row, 9)?,
        })
    })?)
}

/// Words of a device's state that pass by themselves.
const PASSING: &str = "'new', 'ok', 'out_of_range', 'unreachable', 'not_paired', 'not_heard', 'not_connected', 'timeout', \
     'disconnected', 'busy', 'att_error', 'other'";

/// Devices in use with which no session succeeds until a person does something.
///
/// # Errors
/// What the database answered.
pub fn troubled_devices(q: &impl Queries) -> Result<Vec<TroubledDevice>, StoreError> {
    let sql = format!(
        "select d.id, r.state, r.state_ms from device d join device_radio r on r.device = d.id \
         where d.retired_ms is null and r.state not in ({PASSING}) order by r.state_ms"
    );
    let mut statement = q.connection().prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| {
        Ok(TroubledDevice {
            device: row.get(0)?,
            state: row.get(1)?,
            since: row.get::<_, Option<i64>>(2)?.map(|ms| rfc3339(UnixMillis::from_millis(ms))),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a device holds beside what is here, as people and programs read it.
pub fn completeness(c: &Completeness) -> Value {
    let missing: Vec<String> = c
        .missing
        .iter()
        .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
        .collect();
    json!({
        "verdict": c.verdict, "held": c.held, "first": c.first, "last": c.last,
        "said": c.said_ms.map(|ms| rfc3339(UnixMillis::from_millis(ms))),
        "collected": c.collected, "set_aside": c.set_aside, "acknowledged": c.acknowledged,
        "confirmed": c.confirmed, "resets": c.resets, "missing": missing,
    })
}

/// Devices in use that have been silent for longer than their expected interval.
///
/// # Errors
/// What the database answered.
pub fn silent_devices(q: &impl Queries, now: UnixMillis) -> Result<Vec<SilentDevice>, StoreError> {
    let sql = "select d.id, d.kind, d.last_seen_ms, d.battery_percent, r.state, \
               (select group_concat(distinct o.patient) from device_owner o \
                 where o.device = d.id and o.to_ms is null) \
               from device d left join device_radio r on r.device = d.id \
               where d.retired_ms is null and d.expected_interval_s is not null \
               and coalesce(d.last_seen_ms, d.added_ms) + d.expected_interval_s * 1000 < ?1 \
               order by coalesce(d.last_seen_ms, d.added_ms)";
    let mut statement = q.connection().prepare_cached(sql)?;
    let rows = statement.query_map([now.millis()], |row| {
        let last_seen: Option<i64> = row.get(2)?;
        let battery: Option<i64> = row.get(3)?;
        let state: Option<String> = row.get(4)?;
        let patients: Option<String> = row.get(5)?;
        Ok(SilentDevice {
            device: row.get(0)?,
            kind: row.get(1)?,
            patients: patients.iter().flat_map(|p| p.split(',')).map(str::to_owned).collect(),
            last_seen: last_seen.map(|ms| rfc3339(UnixMillis::from_millis(ms))),
            cause: match (last_seen, battery) {
                _ if state.as_deref() == Some("bond_lost") => {
                    "it no longer knows this gateway: pair it anew".to_owned()
                }
                (None, _) => "never heard since it was added".to_owned(),
                (_, Some(percent)) if percent <= 15 => {
                    format!("its battery was at {percent} % when it was last heard")
                }
                _ => "not measuring, or out of reach".to_owned(),
            },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
