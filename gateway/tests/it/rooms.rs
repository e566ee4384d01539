//! Who may know whom, read off the source: rooms import only their neighbours, an outside crate has
//! one room, the wall clock one reader, and the shared core no float.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Words that every room may use: plain data and pure functions without a room's decisions.
const WORDS: [&str; 15] = [
    "checked_toml",
    "clock",
    "control::Command",
    "control::command",
    // What a screen asks and is shown; the store fills them in.
    "control::query",
    "control::status",
    "exchange::trend::evaluation_json",
    "intake::Arrival",
    "intake::LineFormat",
    "intake::LinkSecurity",
    "intake::Payload",
    "intake::VendorProtocol",
    "json_lines",
    // Civil time: dates, zones and moments as people write them.
    "outreach::local",
    // Contract types.
    "uplink::message",
];

/// Whom a room may import besides itself and [`WORDS`]; `app` and `cli` may import every room.
const MAY_IMPORT: [(&str, &[&str]); 20] = [
    ("clock", &[]),
    ("json_lines", &[]),
    ("checked_toml", &[]),
    ("gatt_json", &[]),
    // The writer's inbox takes what the uplink asks to be written.
    ("writer", &["control", "intake", "path", "uplink::source"]),
    // Radio hands arrivals to the writer and gets its acknowledgements.
    // What it is asked, and what it tells meanwhile. It keeps tables of its own (bonds, sessions, cursors),
    // and puts a device that was paired onto the roster by a command like any other.
    ("radio", &["requests", "writer", "store", "control::execute::Origin"]),
    // The handle of the radio's task, and plain data.
    ("requests", &[]),
    // Recorded lines are decoded where radio's octets are.
    ("intake", &["assess", "store", "replay::line"]),
    // The daily work of assess ends in needs and tasks, which `outreach` words and keeps; alerts
    // take their ids from `identity`, and a command's effect on alerts is asked through a trait.
    (
        "assess",
        &[
            "store",
            "outreach",
            "programme",
            "intake::identity",
            "intake::message",
            "intake::roster",
            "control::execute",
        ],
    ),
    ("programme", &["assess"]),
    ("outreach", &["store", "programme"]),
    ("household", &["assess::days", "control", "outreach", "store"]),
    ("store", &[]),
    // The path joins the rooms that share one transaction.
    ("path", &["intake", "assess", "outreach", "control", "programme", "store"]),
    ("uplink", &["store"]),
    // What is asked of the radio is carried; a device is called nobody's name, as an id in a file.
    ("control", &["assess::days", "config::looks_like_a_name", "outreach", "requests", "store"]),
    ("replay", &["assess::series", "control", "intake", "path", "programme", "store"]),
    ("exchange", &["assess", "programme"]),
    // Both ask one question of a file: the group's number, and how an error reads without its chain.
    ("config", &["control::socket", "cli::exit::plain"]),
    ("main", &["cli"]),
];

/// Where an outside crate, or a part of the standard library, may be named.
const MAY_NAME: [(&str, &[&str]); 23] = [
    ("rusqlite", &["store/"]),
    ("rusqlite_migration", &["store/"]),
    ("rumqttc", &["uplink/broker.rs"]),
    ("hearth_embedded_broker", &["app"]),
    ("rustls", &["uplink/transport.rs", "cli/consume", "app.rs"]),
    ("tokio_rustls", &["uplink/transport.rs"]),
    ("rustls_native_certs", &["uplink/transport.rs"]),
    ("sd_notify", &["app"]),
    ("tracing_subscriber", &["app/log.rs"]),
    ("clap", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("comfy_table", &["cli/"]),
    // `cli/journal` has a file of that name.
    ("csv", &["cli/replay.rs", "cli/journal", "replay/"]),
    // Only shells wait: rooms are machines.
    (
        "tokio",
        &[
            "app",
            "cli/consume",
            // Ctrl-C closes the pairing window.
            "cli/devices/ask.rs",
            "json_lines.rs",
            "writer.rs",
            "requests.rs",
            "control/socket.rs",
            "radio/simulated.rs",
            "radio/central",
            "radio/pairing",
            "radio/connection.rs",
            "radio/bluetooth.rs",
            "radio/hands.rs",
            "uplink/broker.rs",
            "uplink/task.rs",
            "uplink/transport.rs",
            "uplink/source.rs",
        ],
    ),
    ("SystemTime", &["clock.rs"]),
    // Durations on a monotonic clock, for the log, for `uptime` and for the consumer's patience.
    ("Instant", &["clock.rs", "app", "cli/consume", "cli/devices/scan.rs", "radio/connection.rs"]),
    ("bluer", &[]),
    ("btleplug", &["radio/central"]),
    // The error inside btleplug's: its own does not tell what BlueZ said.
    ("bluez_async", &["radio/central"]),
    ("dbus", &["radio/pairing"]),
    ("dbus_crossroads", &["radio/pairing"]),
    ("dbus_tokio", &["radio/pairing"]),
    ("futures_util", &["radio/central"]),
];

struct Source {
    /// Path below `src`.
    name: String,
    /// Without comments, strings and what only tests see.
    code: String,
    /// The whole text without what only tests see.
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn sources(crate_folder: &str) -> Vec<Source> {
    let src = root().join(crate_folder).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    found.sort();
    let mut sources = Vec::new();
    // Modules declared for tests only live in files of their own.
    let mut only_tests = BTreeSet::new();
    for path in &found {
        let text = std::fs::read_to_string(path).unwrap();
        let mut of_tests = false;
        for line in text.lines().map(str::trim) {
            if of_tests
                && let Some(rest) =
                    line.strip_prefix("mod ").or(line.strip_prefix("pub(crate) mod "))
            {
                let folder = match path.file_name().unwrap().to_str().unwrap() {
                    "mod.rs" | "lib.rs" => path.parent().unwrap().to_owned(),
                    _ => path.with_extension(""),
                };
                only_tests.insert(folder.join(rest.trim_end_matches([';', ' ', '{'])));
            }
            of_tests = line.contains("#[cfg(test)]") || (of_tests && line.starts_with('#'));
        }
    }
    for path in found {
        let stem = path.with_extension("");
        let named_so = stem.to_str().unwrap().ends_with("_tests");
        if named_so || only_tests.iter().any(|test| stem.starts_with(test)) {
            continue;
        }
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let whole = std::fs::read_to_string(&path).unwrap();
        // A test module at the end of a file ends what is looked at.
        let end = whole.find("#[cfg(test)]\nmod tests {").unwrap_or(whole.len());
        let text = whole[..end].to_owned();
        sources.push(Source { name, code: without_words(&text), text });
    }
    assert!(sources.len() > 10, "no sources of {crate_folder}");
    sources
}

/// The code alone: comments and the insides of strings become spaces.
fn without_words(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |at| at + 2)
        } else if first == '"' {
            let mut escaped = false;
            let inside = rest[1..].char_indices().find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            inside.map_or(rest.len(), |(at, _)| at + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("b'\"'") {
            rest[1..].find('\'').map_or(rest.len(), |at| at + 4).min(rest.len())
        } else {
            0
        };
        if skipped > 0 {
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            code.push(' ');
            rest = &rest[skipped..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

fn of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `word` stands in `code` as a word of its own; a crate's name only where a path begins with
/// it, since a field may be called the same.
fn names(code: &str, word: &str) -> bool {
    let of_a_crate = word.starts_with(char::is_lowercase);
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let rest = &code[at + word.len()..];
        let begins_a_path = rest.starts_with("::") || code[..at].ends_with("use ");
        !before.is_some_and(of_a_word)
            && !rest.chars().next().is_some_and(of_a_word)
            && (begins_a_path || !of_a_crate)
    })
}

/// Every path below `crate::`, lists in braces taken apart one deep.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        if code[..at].chars().next_back().is_some_and(of_a_word) {
            continue;
        }
        let rest = &code[at + start.len()..];
        let end = rest.find(|c| !of_a_word(c) && c != ':').unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches(':');
        if path.is_empty() {
            // A list of rooms: each is its own import.
            assert!(rest.starts_with('{'), "{}", &rest[..rest.len().min(40)]);
        }
        if !rest[end..].starts_with('{') {
            found.insert(path.to_owned());
            continue;
        }
        let mut depth = 0;
        let mut item = String::new();
        for c in rest[end..].chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 1 && c != ',' => item.push(c),
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                let item = std::mem::take(&mut item);
                let name = item.split_whitespace().next().unwrap_or_default();
                match name.trim_end_matches(':') {
                    "" => {}
                    "self" => drop(found.insert(path.to_owned())),
                    name if path.is_empty() => drop(found.insert(name.to_owned())),
                    name => drop(found.insert(format!("{path}::{name}"))),
                }
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn below(path: &str, allowed: &str) -> bool {
    path.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn room_of(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap_or(name)
}

#[test]
fn rooms_import_only_their_neighbours() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources("gateway") {
        let room = room_of(&source.name);
        if matches!(room, "app" | "cli" | "lib") {
            continue;
        }
        let (_, neighbours) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{room} is a new room: say whom it may import"));
        for path in imports(&source.code).iter().filter(|path| !below(path, room)) {
            let words = WORDS.iter().find(|word| below(path, word));
            let neighbour = neighbours.iter().find(|allowed| below(path, allowed));
            match (words, neighbour) {
                (None, None) => wrong.push(format!("{}: crate::{path}", source.name)),
                (None, Some(allowed)) => drop(used.insert((room.to_owned(), *allowed))),
                (Some(_), _) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "imports that nobody has allowed:\n{}", wrong.join("\n"));
    let unused: Vec<String> = MAY_IMPORT
        .iter()
        .flat_map(|(room, list)| list.iter().map(|to| ((*room).to_owned(), *to)))
        .filter(|edge| edge.0 != "main" && !used.contains(edge))
        .map(|(room, to)| format!("{room} -> {to}"))
        .collect();
    assert!(unused.is_empty(), "allowed, but nobody does it:\n{}", unused.join("\n"));
}

#[test]
fn an_outside_crate_has_one_room() {
    let sources = sources("gateway");
    for (word, places) in MAY_NAME {
        for source in sources.iter().filter(|source| names(&source.code, word)) {
            let allowed = places.iter().any(|place| source.name.starts_with(place));
            assert!(allowed, "{} names {word}; only {places:?} may", source.name);
        }
    }
}

#[test]
fn sql_stands_in_the_store_only() {
    const SQL: [&str; 5] = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA "];
    for source in sources("gateway").iter().filter(|s| room_of(&s.name) != "store") {
        for sql in SQL {
            assert!(!source.text.contains(sql), "{} speaks SQL: {sql}", source.name);
        }
    }
}

#[test]
fn only_the_embedded_broker_and_the_core_are_crates_the_gateway_knows() {
    let manifest = std::fs::read_to_string(root().join("gateway/Cargo.toml")).unwrap();
    let ours: BTreeSet<&str> = manifest
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("hearth-"))
        .collect();
    assert_eq!(ours, BTreeSet::from(["hearth-embedded-broker", "hearth-shared"]));
}

#[test]
fn the_shared_core_has_no_float_and_knows_its_order() {
    // Each may import what stands before it, and itself.
    const ORDER: [&str; 7] = ["time", "device", "units", "observation", "gatt", "assess", "wire"];
    for source in sources("shared") {
        for float in ["f32", "f64"] {
            let found = source.code.split(|c| !of_a_word(c)).any(|word| word == float);
            assert!(!found, "{} has a float", source.name);
        }
        for word in ["std", "alloc", "HashMap"] {
            // `lib.rs` names std for its tests.
            let allowed = source.name == "lib.rs" && word == "std";
            assert!(allowed || !names(&source.code, word), "{} names {word}", source.name);
        }
        let Some(own) = ORDER.iter().position(|room| *room == room_of(&source.name)) else {
            assert_eq!(source.name, "lib.rs", "a new room: give it a place in the order");
            continue;
        };
        for path in imports(&source.code) {
            let room = path.split("::").next().unwrap_or_default();
            let place = ORDER.iter().position(|known| *known == room);
            assert!(place.is_some_and(|at| at <= own), "{} imports crate::{path}", source.name);
        }
    }
    let lib = std::fs::read_to_string(root().join("shared/src/lib.rs")).unwrap();
    assert!(lib.contains("\n#![no_std]\n") && lib.contains("clippy::float_arithmetic"));
}

#[test]
fn the_reader_of_sources_sees_code_only() {
    let code = without_words("use a; // crate::x\nlet s = \"crate::y \\\" z\"; crate::q::R\n");
    assert_eq!(imports(&code), BTreeSet::from(["q::R".to_owned()]));
    let list = "use crate::uplink::{self, message::Lane, reason};";
    let found: Vec<String> = imports(list).into_iter().collect();
    assert_eq!(found, ["uplink", "uplink::message::Lane", "uplink::reason"]);
    assert!(names("use tokio::net;", "tokio") && !names("tokio_rustls::x", "tokio"));
}
