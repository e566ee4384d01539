//! Keys that exist, but with another unit or in another table; and what can be checked of a file
//! that does not read.

use std::path::Path;

use toml::{Table, Value};

use super::{Config, Tls, check, folder_of};
use crate::checked_toml::{Document, Problem};

/// Endings that name a unit, with their size in the smallest unit of their quantity.
const UNITS: [(&str, &str, u64, &str); 14] = [
    ("_ms", "time", 1, "milliseconds"),
    ("_s", "time", 1_000, "seconds"),
    ("_sec", "time", 1_000, "seconds"),
    ("_secs", "time", 1_000, "seconds"),
    ("_seconds", "time", 1_000, "seconds"),
    ("_min", "time", 60_000, "minutes"),
    ("_minutes", "time", 60_000, "minutes"),
    ("_h", "time", 3_600_000, "hours"),
    ("_hours", "time", 3_600_000, "hours"),
    ("_days", "time", 86_400_000, "days"),
    ("_weeks", "time", 604_800_000, "weeks"),
    ("_mb", "size", 1_000_000, "megabytes"),
    ("_mib", "size", 1_048_576, "mebibytes"),
    ("_gb", "size", 1_000_000_000, "gigabytes"),
];

/// Every key that a file may have, with a value of its type.
pub(super) fn every_key() -> Table {
    let mut config = Config::default();
    config.uplink.tls = Some(Tls {
        ca: Some("ca.pem".into()),
        certificate: Some("gateway.pem".into()),
        key: Some("gateway.key".into()),
    });
    config.uplink.username = Some("gateway-1".into());
    config.uplink.password_file = Some("password".into());
    config.control.group = Some("hearth".into());
    config.household.file = Some("household.toml".into());
    config.programmes.folder = Some("programmes".into());
    config.radio.models = Some("models".into());
    Table::try_from(config).unwrap_or_default()
}

/// Says more about an unknown key where it is a known one in disguise.
pub(super) fn explain(mut problem: Problem, text: &str) -> Problem {
    if !problem.message.starts_with("unknown key") {
        return problem;
    }
    let (above, key) = problem.key.rsplit_once('.').unwrap_or(("", &problem.key));
    let known = every_key();
    let value = text.parse::<Table>().ok().and_then(|table| at(&table, &problem.key).cloned());
    if let Some((message, help)) = other_unit(&known, above, key, value.as_ref()) {
        (problem.message, problem.help) = (message, Some(help));
        return problem;
    }
    if let Some(table) = other_table(&known, above, key) {
        problem.message = format!("`{key}` does not belong here");
        problem.help = Some(format!("it belongs in [{table}]"));
    }
    problem
}

fn other_unit(
    known: &Table,
    above: &str,
    key: &str,
    value: Option<&Value>,
) -> Option<(String, String)> {
    let siblings = if above.is_empty() { known } else { at(known, above)?.as_table()? };
    let split = |name: &str| {
        let units = UNITS.iter().filter(|(end, ..)| name.ends_with(end));
        let unit = units.max_by_key(|(end, ..)| end.len())?;
        Some((name.strip_suffix(unit.0)?.to_owned(), *unit))
    };
    let (stem, (_, quantity, size, word)) = split(key).unwrap_or((key.to_owned(), ("", "", 0, "")));
    for sibling in siblings.keys() {
        let Some((known_stem, (_, known_quantity, known_size, known_word))) = split(sibling) else {
            continue;
        };
        if known_stem != stem || (size > 0 && quantity != known_quantity) {
            continue;
        }
        if size == 0 {
            let message = format!("`{key}` has no unit");
            return Some((message, format!("write `{sibling}`, in {known_word}")));
        }
        let message = format!("`{key}` has the wrong unit: this setting is in {known_word}");
        let number = value.and_then(Value::as_integer).and_then(|n| u64::try_from(n).ok());
        let help = match number.and_then(|n| n.checked_mul(size)) {
            Some(total) if total % known_size == 0 && total > 0 => {
                let n = number.unwrap_or_default();
                format!("write `{sibling} = {}` for {n} {word}", total / known_size)
            }
            _ => format!("write `{sibling} = …`, in {known_word}"),
        };
        return Some((message, help));
    }
    None
}

/// The table in which `key` is known.
fn other_table(known: &Table, above: &str, key: &str) -> Option<String> {
    known.iter().find_map(|(name, value)| {
        let inside = value.as_table()?;
        (name != above && inside.contains_key(key)).then(|| name.clone())
    })
}

fn at<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    let mut steps = path.split('.');
    let mut value = table.get(steps.next()?)?;
    for step in steps {
        value = value.as_table()?.get(step)?;
    }
    Some(value)
}

/// The checks of meaning for whatever remains once the offending keys are taken out.
pub(super) fn check_the_rest(text: &str, path: &Path, found: &[Problem]) -> Vec<Problem> {
    let Ok(mut table) = text.parse::<Table>() else { return Vec::new() };
    for problem in found {
        take_out(&mut table, &problem.key);
    }
    let Ok(config) = table.try_into::<Config>() else { return Vec::new() };
    let source = path.display().to_string();
    let Ok(document) = Document::parse(&source, text) else { return Vec::new() };
    let (mut problems, _) = check::check(&config.resolved(&folder_of(path)), &document);
    // A setting that was taken out has its default now; what the check says of that is not about
    // the file.
    problems.retain(|p| !found.iter().any(|f| f.key == p.key));
    problems
}

fn take_out(table: &mut Table, path: &str) {
    match path.split_once('.') {
        None => drop(table.remove(path)),
        Some((first, rest)) => {
            if let Some(inner) = table.get_mut(first).and_then(Value::as_table_mut) {
                take_out(inner, rest);
            }
        }
    }
}
