//! Commits: the whole path into the store, against raw SQLite that writes the same rows.

use std::path::Path as FilePath;
use std::time::Instant;

use anyhow::{Context, Result};
use hearth_gateway::clock::{BootId, Now};
use hearth_gateway::control::Command;
use hearth_gateway::control::execute::Origin;
use hearth_gateway::intake::{Arrival, LinkSecurity, Payload};
use hearth_gateway::path::{Path, PathSettings};
use hearth_gateway::store::{Store, StoreOptions};
use hearth_shared::time::UnixMillis;
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;

use super::{START_MS, median, ratio, row, values};

const READINGS: usize = 20_000;
const ROUNDS: usize = 3;
/// The tables that a reading writes to, with the column that orders their rows.
const TABLES: [&str; 5] = ["journal", "observation", "attribution", "series", "outbox"];

fn now(millis: i64) -> Now {
    Now {
        wall: UnixMillis::from_millis(millis),
        monotonic_ms: u64::try_from(millis - START_MS + 1_000_000).unwrap_or(0),
        boot: BootId([7; 16]),
        trusted: true,
    }
}

fn arrivals() -> Vec<Arrival> {
    let mut position = 0;
    values(READINGS)
        .into_iter()
        .enumerate()
        .map(|(number, (device, octets))| {
            position += 1;
            let seconds = i64::try_from(number / super::DEVICES).unwrap_or(0) * 3;
            Arrival {
                device: format!("d-{device}"),
                payload: Payload::Gatt { characteristic: 0x2a18, octets },
                received: now(START_MS + seconds * 1000 + 500),
                connection: 1,
                position,
                clock_offset_s: Some(0),
                link: LinkSecurity::default(),
            }
        })
        .collect()
}

fn fresh_path(file: &FilePath) -> Result<Path> {
    let store = Store::open(&StoreOptions::at(file))?;
    let mut path = Path::open(store, PathSettings::new("bench", jiff::tz::TimeZone::UTC))?;
    for index in 0..super::DEVICES {
        let patient = format!("p-{index}");
        let device = format!("d-{index}");
        for (verb, with) in [
            (
                "patient_add",
                json!({"id": patient, "zone": "UTC", "language": "en", "prompts": true, "start": "2026-03-01"}),
            ),
            ("device_add", json!({"id": device, "kind": "glucose_meter"})),
            ("device_assign", json!({"id": device, "patient": patient, "from": "2026-03-01"})),
        ] {
            let command = json!({"id": format!("{verb}-{index}"), "verb": verb, "with": with});
            let command = Command::parse(command.to_string().as_bytes())
                .map_err(|malformed| anyhow::anyhow!(malformed.sentence))?;
            let result = path.execute(&command, Origin::Household, now(START_MS))?;
            anyhow::ensure!(result.done, "{result:?}");
        }
    }
    Ok(path)
}

fn hearth(file: &FilePath, arrivals: &[Arrival], batch: usize) -> Result<f64> {
    let mut path = fresh_path(file)?;
    let started = Instant::now();
    for part in arrivals.chunks(batch) {
        path.take(part)?;
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Rows of one table, to be inserted with one statement.
struct Rows {
    insert: String,
    rows: Vec<Vec<Value>>,
}

fn read_back(file: &FilePath) -> Result<(Vec<String>, Vec<Rows>)> {
    let db = Connection::open(file)?;
    let mut schema = db.prepare(
        "select sql from sqlite_schema where sql is not null and name not like 'sqlite_%'",
    )?;
    let schema: Vec<String> = schema.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut all = Vec::new();
    for table in TABLES {
        let mut statement = db.prepare(&format!("select * from {table}"))?;
        let columns = statement.column_count();
        let rows = statement
            .query_map([], |row| (0..columns).map(|at| row.get(at)).collect())?
            .collect::<Result<Vec<Vec<Value>>, _>>()?;
        let places = vec!["?"; columns].join(", ");
        all.push(Rows { insert: format!("insert into {table} values ({places})"), rows });
    }
    Ok((schema, all))
}

fn raw(file: &FilePath, schema: &[String], all: &[Rows], batches: usize) -> Result<f64> {
    let mut db = Connection::open(file)?;
    db.execute_batch("pragma journal_mode = wal; pragma synchronous = full;")?;
    for sql in schema {
        db.execute_batch(sql)?;
    }
    let started = Instant::now();
    for batch in 0..batches {
        let tx = db.transaction()?;
        for table in all {
            let size = table.rows.len().div_ceil(batches);
            let from = (batch * size).min(table.rows.len());
            let to = ((batch + 1) * size).min(table.rows.len());
            let mut insert = tx.prepare_cached(&table.insert)?;
            for row in table.rows.get(from..to).unwrap_or_default() {
                insert.execute(rusqlite::params_from_iter(row))?;
            }
        }
        tx.commit()?;
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Readings committed per second with everything that belongs to them, at two batch sizes.
///
/// # Errors
/// When a database cannot be written.
pub fn commits() -> Result<()> {
    let arrivals = arrivals();
    let folder = tempfile::tempdir_in(".").context("a folder on the disk of this checkout")?;
    for batch in [100, 1] {
        let count = if batch == 1 { READINGS / 10 } else { READINGS };
        let arrivals = arrivals.get(..count).unwrap_or(&arrivals);
        println!("\nCommits: {count} readings in batches of {batch} (WAL, synchronous FULL)");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let file = folder.path().join(format!("hearth-{batch}-{round}.db"));
            ours.push(rate(count, hearth(&file, arrivals, batch)?));
            let (schema, rows) = read_back(&file)?;
            let file = folder.path().join(format!("raw-{batch}-{round}.db"));
            theirs.push(rate(count, raw(&file, &schema, &rows, count.div_ceil(batch))?));
        }
        row("Hearth (decode, rules, alerts, outbox)", "readings/s", &ours);
        row("raw SQLite, the same rows", "readings/s", &theirs);
        ratio("Hearth / raw SQLite", &ours, &theirs);
        println!("  {:<44} {:>10.1} us", "cost per reading", 1e6 / median(&ours));
    }
    Ok(())
}

fn rate(count: usize, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds
}
