//! `hearth journal export | verify | stats`: what the gateway knows, read beside a running daemon
//! or without one. This is the logic; the command line calls it with a [`Reader`] and where to write.

mod command;
mod csv;

use std::io::{self, Write};
use std::path::Path;

use hearth_shared::observation::Quantity;
use serde_json::{Value, json};

use crate::assess::wording;
use crate::intake::{Payload, message};
use crate::outreach::local;
use crate::store::audit::{self, Checked, Exported, Finding, Stats};
use crate::store::journal::{self, RowOutcome};
use crate::store::observation::Observation;
use crate::store::{Reader, StoreError};

pub use command::Journal;

/// Why nothing (more) was written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output took nothing more; a closed pipe is no fault.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

impl JournalError {
    /// The reader of a pipe went away.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns for people.
    Table,
    /// One JSON object a line.
    JsonLines,
    /// Readings with an owner as Hearth's own CSV, which `hearth replay` reads.
    Csv,
}

/// Which rows are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Rows after this number of the journal.
    pub after: i64,
    /// Of this device only.
    pub device: Option<String>,
    /// Of this patient only.
    pub patient: Option<String>,
    /// Quarantined and damaged rows only.
    pub quarantine: bool,
}

/// What an export met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exports {
    /// Lines written, without a head.
    pub lines: u64,
    /// Rows that do not fit their checksum; their values were not written.
    pub damaged: u64,
}

/// Writes the journal, oldest first: a line for each observation, and one for each raw row without
/// any.
///
/// # Errors
/// See [`JournalError`].
pub fn export(
    reader: &Reader,
    selection: &Selection,
    form: Form,
    out: &mut dyn Write,
) -> Result<Exports, JournalError> {
    let mut exports = Exports::default();
    match form {
        Form::Table => writeln!(out, "{}", table_line(&HEAD))?,
        Form::Csv => writeln!(out, "{}", csv::HEADER)?,
        Form::JsonLines => {}
    }
    journal::scan::<JournalError>(reader, selection.after, |row| {
        for line in lines_of(reader, selection, row)? {
            exports.damaged += u64::from(line["state"] == "damaged");
            let line = match form {
                Form::JsonLines => line.to_string(),
                Form::Table => table_line(&cells(&line)),
                Form::Csv => match csv::line(&line) {
                    Some(line) => line,
                    None => continue,
                },
            };
            exports.lines += 1;
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    if form == Form::Csv {
        exports.lines += csv::changes(reader, selection.patient.as_deref(), out)?;
    }
    out.flush()?;
    Ok(exports)
}

/// The lines of one raw row.
fn lines_of(
    reader: &Reader,
    selection: &Selection,
    row: Result<journal::Stored, StoreError>,
) -> Result<Vec<Value>, StoreError> {
    let stored = match row {
        Ok(stored) => stored,
        Err(StoreError::Row { seq, .. }) => {
            let wanted = selection.device.is_none() && selection.patient.is_none();
            let line = json!({"journal_seq": seq, "state": "damaged",
                "reason": "the raw row does not fit its checksum"});
            return Ok(if wanted { vec![line] } else { Vec::new() });
        }
        Err(error) => return Err(error),
    };
    let device = stored.arrival.as_ref().map(|a| a.device.as_str());
    if selection.device.is_some() && selection.device.as_deref() != device {
        return Ok(Vec::new());
    }
    let observations = audit::observations_of(reader, stored.seq)?;
    let mut lines: Vec<Value> = observations
        .iter()
        .filter(|o| selection.patient.is_none() || o.patient == selection.patient)
        .map(|o| observation_line(&stored, o))
        .collect();
    if observations.is_empty() && selection.patient.is_none() {
        lines.push(raw_line(&stored, stored.outcome.as_str()));
    }
    if selection.quarantine {
        lines.retain(|line| matches!(line["state"].as_str(), Some("quarantined" | "damaged")));
    }
    Ok(lines)
}

/// What is known of the raw row itself.
fn raw_line(stored: &journal::Stored, state: &str) -> Value {
    let mut line = json!({
        "journal_seq": stored.seq,
        "state": state,
        "received": local::rfc3339(stored.received),
        "raw": hex(&stored.octets),
    });
    if let Some(reason) = &stored.detail {
        line["reason"] = json!(reason);
    }
    match &stored.arrival {
        Some(arrival) => {
            line["device"] = json!(arrival.device);
            line["source"] = match &arrival.payload {
                Payload::Gatt { characteristic, .. } => json!(format!("{characteristic:04X}")),
                Payload::Line { format, .. } => json!(format!("line {}", *format as u16)),
                Payload::Vendor { protocol, .. } => json!(format!("vendor {}", *protocol as u16)),
            };
        }
        None => line["source"] = json!(if stored.kind == 3 { "command" } else { "probe" }),
    }
    line
}

fn observation_line(stored: &journal::Stored, exported: &Exported) -> Value {
    let mut line = raw_line(stored, "observed");
    let observation = match &exported.stored {
        Ok(row) => &row.observation,
        Err(seq) => {
            line["state"] = json!("damaged");
            let reason = format!("observation {seq} does not fit its checksum");
            line["reason"] = json!(reason);
            return line;
        }
    };
    if exported.patient.is_none() {
        line["state"] = json!("unclaimed");
    }
    let decisions = 0;
    let body = message::body(observation, exported.meal, decisions);
    // A message has an object's form; its fields join what is known of the raw row.
    if let (Ok(Value::Object(fields)), Some(line)) =
        (serde_json::to_value(&body), line.as_object_mut())
    {
        line.extend(fields.into_iter().filter(|(name, _)| name != "revision"));
        line.insert("id".to_owned(), json!(observation.id));
        line.insert("part".to_owned(), json!(observation.part));
        line.insert("patient".to_owned(), json!(exported.patient));
        line.insert("clock_error_s".to_owned(), json!(observation.clock_error_s));
        line.insert("shown".to_owned(), json!(shown(observation)));
    }
    line
}

/// The value as the device displayed it.
fn shown(o: &Observation) -> String {
    match o.reading.value {
        Ok(value) => wording::display(value, o.reading.unit),
        Err(reason) => reason.as_str().to_owned(),
    }
}

const HEAD: [&str; 9] = [
    "SEQ",
    "RECEIVED (UTC)",
    "DEVICE",
    "QUANTITY",
    "VALUE",
    "MEASURED",
    "CLOCK",
    "PATIENT",
    "STATE",
];
const WIDTHS: [usize; 8] = [7, 20, 14, 18, 16, 25, 13, 12];

fn cells(line: &Value) -> [String; 9] {
    let text = |name: &str| match &line[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let quantity = if line["quantity"].is_null() { text("source") } else { text("quantity") };
    let state = match &line["reason"] {
        Value::String(reason) => format!("{}: {reason}", text("state")),
        _ => text("state"),
    };
    let received = text("received").chars().take(19).collect();
    [
        text("journal_seq"),
        received,
        text("device"),
        quantity,
        text("shown"),
        text("measured"),
        text("clock"),
        text("patient"),
        state,
    ]
}

fn table_line<T: AsRef<str>>(cells: &[T; 9]) -> String {
    let mut out = String::new();
    for (cell, width) in cells.iter().zip(WIDTHS) {
        out.push_str(&format!("{:<width$} ", cell.as_ref()));
    }
    out.push_str(cells[8].as_ref());
    out.trim_end().to_owned()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02X}")).collect()
}

/// What `verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What was looked at.
    pub checked: Checked,
    /// What is not as it must be; empty: all is well, exit status 0.
    pub findings: Vec<Finding>,
}

/// Checks everything and says what it found.
///
/// # Errors
/// See [`JournalError`].
pub fn verify(reader: &Reader, form: Form, out: &mut dyn Write) -> Result<Verified, JournalError> {
    let (checked, findings) = audit::verify(reader)?;
    match form {
        Form::JsonLines => {
            for f in &findings {
                writeln!(out, "{}", json!({"finding": f.kind, "sentence": f.sentence}))?;
            }
            let sound = findings.is_empty();
            writeln!(
                out,
                "{}",
                json!({"sound": sound, "journal": checked.journal,
                    "observations": checked.observations, "messages": checked.messages,
                    "owners": checked.owners, "states": checked.states})
            )?;
        }
        Form::Table | Form::Csv => {
            for f in &findings {
                writeln!(out, "{:<12} {}", f.kind, f.sentence)?;
            }
            let Checked { journal, observations, messages, owners, states } = checked;
            writeln!(
                out,
                "{journal} raw rows, {observations} observations, {messages} messages, {owners} \
                 owners and {states} \
                 alert states checked: {}",
                if findings.is_empty() { "all whole." } else { "NOT all whole." }
            )?;
            if !findings.is_empty() {
                writeln!(
                    out,
                    "Stop the gateway and start it with --salvage, or restore a backup."
                )?;
            }
        }
    }
    out.flush()?;
    Ok(Verified { checked, findings })
}

/// Sizes of the database's files in octets, by the end of their names.
fn sizes(database: &Path) -> Vec<(String, u64)> {
    ["", "-wal", "-shm"]
        .iter()
        .filter_map(|end| {
            let mut name = database.as_os_str().to_owned();
            name.push(end);
            let size = std::fs::metadata(&name).ok()?.len();
            let name = Path::new(&name).file_name()?.to_string_lossy().into_owned();
            Some((name, size))
        })
        .collect()
}

/// Counts what is there. `database` is the file, for its size.
///
/// # Errors
/// See [`JournalError`].
pub fn stats(
    reader: &Reader,
    database: &Path,
    form: Form,
    out: &mut dyn Write,
) -> Result<(), JournalError> {
    let stats = audit::stats(reader)?;
    let sizes = sizes(database);
    match form {
        Form::JsonLines => writeln!(out, "{}", stats_json(&stats, &sizes))?,
        Form::Table | Form::Csv => stats_table(&stats, &sizes, out)?,
    }
    out.flush()?;
    Ok(())
}

fn quantity(code: u8) -> &'static str {
    Quantity::from_code(code).map_or("unknown", Quantity::as_str)
}

fn stats_json(s: &Stats, sizes: &[(String, u64)]) -> Value {
    let map = |pairs: &[(String, u64)]| -> Value {
        pairs
            .iter()
            .map(|(name, n)| (name.clone(), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let journal: Vec<_> = s.journal.iter().map(|(o, n)| (o.as_str().to_owned(), *n)).collect();
    let kinds: Vec<_> = s.observations.iter().map(|(c, n)| (quantity(*c).to_owned(), *n)).collect();
    json!({
        "journal": map(&journal),
        "observations": map(&kinds),
        "unclaimed": s.unclaimed,
        "backlog": s.backlog.iter().map(|b| json!({
            "lane": b.lane.as_str(), "queued": b.queued, "oldest": b.oldest.map(local::rfc3339),
            "kept": b.kept, "last": b.last,
        })).collect::<Vec<_>>(),
        "duplicates": s.duplicates.iter().map(|(device, n, last)| json!({
            "device": device, "count": n, "last": local::rfc3339(*last),
        })).collect::<Vec<_>>(),
        "quarantined": map(&s.quarantined),
        "losses": s.losses.iter().map(|l| json!({
            "device": l.device, "count": l.count, "reason": l.reason, "noted": local::rfc3339(l.noted),
        })).collect::<Vec<_>>(),
        "counters": map(&s.counters),
        "files": map(sizes),
    })
}

fn stats_table(s: &Stats, sizes: &[(String, u64)], out: &mut dyn Write) -> io::Result<()> {
    let mut line = |name: &str, value: String| writeln!(out, "{name:<28} {value}");
    for (outcome, n) in &s.journal {
        line(&format!("raw rows, {}", outcome.as_str()), n.to_string())?;
    }
    for (code, n) in &s.observations {
        line(&format!("observations, {}", quantity(*code)), n.to_string())?;
    }
    line("waiting for an owner", s.unclaimed.to_string())?;
    for b in &s.backlog {
        let oldest =
            b.oldest.map_or_else(String::new, |t| format!(", oldest {}", local::rfc3339(t)));
        let value = format!("{} of {} kept, last number {}{oldest}", b.queued, b.kept, b.last);
        line(&format!("backlog, {}", b.lane.as_str()), value)?;
    }
    for (device, n, last) in &s.duplicates {
        line(&format!("duplicates, {device}"), format!("{n}, last {}", local::rfc3339(*last)))?;
    }
    for (reason, n) in &s.quarantined {
        line(&format!("quarantined, {reason}"), n.to_string())?;
    }
    for loss in &s.losses {
        line("lost", format!("{}: {}", loss.count, loss.reason))?;
    }
    let pending = s.journal.iter().find(|(o, _)| *o == RowOutcome::Pending);
    if let Some((_, n)) = pending.filter(|(_, n)| *n > 0) {
        line("not yet judged", format!("{n}, at the next start"))?;
    }
    for (name, size) in sizes {
        line(name, format!("{size} octets"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
