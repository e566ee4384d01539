//! How data is printed: tables for people, JSON lines for programs, nothing more when nobody reads.

use std::io::{ErrorKind, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::exit::{Exit, Failure};

/// `--json` of every command that prints data.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Format {
    /// Print JSON lines for programs instead of a table for people
    #[arg(long)]
    pub json: bool,
}

/// One column: the field of a row, and its heading.
pub type Column = (&'static str, &'static str);

/// Writes to stdout. A reader that has gone (`| head`) is no error: the command ends quietly.
///
/// # Errors
/// Anything else that stdout answers.
pub fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let why = super::exit::plain(&error);
            Err(Failure::new(Exit::Io, format!("The output could not be written: {why}.")))
        }
        _ => Ok(()),
    }
}

/// Opens a file of lines.
///
/// # Errors
/// It cannot be read.
pub fn open(path: &std::path::Path) -> Result<std::io::BufReader<std::fs::File>, Failure> {
    std::fs::File::open(path)
        .map(std::io::BufReader::new)
        .map_err(|error| Failure::file("read", path, &error))
}

/// What a stream of lines ended with; `None` where the reader of the output has gone, which is no
/// failure.
///
/// # Errors
/// Any other error of reading or writing.
pub fn unless_nobody_reads<T>(done: std::io::Result<T>) -> Result<Option<T>, Failure> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether colour may be used on stdout: a terminal, and nobody said `NO_COLOR`.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Rows as JSON lines or as a table with these columns; `empty` is said to people when there are
/// none.
///
/// # Errors
/// See [`out`].
pub fn rows(
    format: Format,
    rows: &[Value],
    columns: &[Column],
    empty: &str,
) -> Result<(), Failure> {
    if format.json {
        return out(&rows.iter().map(|row| format!("{row}\n")).collect::<String>());
    }
    if rows.is_empty() {
        return out(&format!("{empty}\n"));
    }
    out(&table(rows, columns))
}

/// Rows as a table with these columns, a line each.
pub fn table(rows: &[Value], columns: &[Column]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width() {
        table.set_width(width);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(columns.iter().map(|(_, heading)| *heading));
    for row in rows {
        table.add_row(columns.iter().map(|(field, _)| cell(row.get(field))));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// One thing: as JSON, or each field on a line of its own.
///
/// # Errors
/// See [`out`].
pub fn thing(format: Format, value: &Value) -> Result<(), Failure> {
    if format.json {
        return out(&format!("{value}\n"));
    }
    let Some(fields) = value.as_object() else { return out(&format!("{}\n", cell(Some(value)))) };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in fields {
        let name = name.replace('_', " ");
        // Several things of one kind stand below each other.
        let lines: Vec<String> = match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                items.iter().map(|item| cell(Some(item))).collect()
            }
            value => vec![cell(Some(value))],
        };
        for (n, line) in lines.iter().enumerate() {
            let name = if n == 0 { name.as_str() } else { "" };
            text.push_str(&format!("{name:width$}  {line}\n"));
        }
    }
    out(&text)
}

/// A value as people read it.
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => printable(text),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => {
            let separator = if items.iter().any(Value::is_object) { "; " } else { ", " };
            items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(separator)
        }
        Some(Value::Object(fields)) => {
            let said = |value: &Value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(fields) => !fields.is_empty(),
                _ => true,
            };
            let parts: Vec<String> = fields
                .iter()
                // The numbers behind a verdict are for programs: its sentence says them.
                .filter(|(name, value)| name.as_str() != "evidence" && said(value))
                .map(|(name, value)| format!("{} {}", name.replace('_', " "), cell(Some(value))))
                .collect();
            if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
        }
        Some(Value::Number(number)) => number.to_string(),
    }
}

/// Text without control characters: what stands in a database must not move a terminal's cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The width to wrap tables at: a terminal's as it says in `COLUMNS`, none for a pipe.
fn width() -> Option<u16> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|w| *w >= 40)
        .or(Some(120))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_for_people_and_cannot_move_the_cursor() {
        assert_eq!(cell(None), "-");
        assert_eq!(cell(Some(&json!(true))), "yes");
        assert_eq!(cell(Some(&json!(["22:00", "07:00"]))), "22:00, 07:00");
        let owners = json!([{"patient": "p-1", "slot": null}, {"patient": "p-2", "slot": 1}]);
        assert_eq!(cell(Some(&owners)), "patient p-1; patient p-2, slot 1");
        assert_eq!(cell(Some(&json!({}))), "-");
        assert_eq!(cell(Some(&json!("a\u{1b}[2Jb"))), "a\u{fffd}[2Jb");
        assert_eq!(cell(Some(&json!({}))), "-");
        let owners = json!([{"patient": "p1", "slot": 1}, {"patient": "p2", "slot": null}]);
        assert_eq!(cell(Some(&owners)), "patient p1, slot 1; patient p2");
    }
}
