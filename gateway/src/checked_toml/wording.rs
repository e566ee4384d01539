//! Serde's messages in words for people who edit a file, with the nearest known name.

/// The field of a "missing field" message.
pub(super) fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Whether the message is about a key that no one knows.
pub(super) fn is_unknown_field(message: &str) -> bool {
    message.starts_with("unknown field `")
}

/// The names a message offers after "expected": `` expected one of `a`, `b` ``.
pub(super) fn names(message: &str) -> impl Iterator<Item = &str> {
    let offered = match (message.starts_with("unknown "), message.split_once("`, expected ")) {
        (true, Some((_, offered))) => offered,
        _ => "",
    };
    offered.split('`').skip(1).step_by(2)
}

/// What is wrong, and what to do about it.
pub(super) fn explain(message: &str) -> (String, Option<String>) {
    if let Some(field) = missing_field(message) {
        return (format!("`{field}` is missing"), Some(format!("add `{field} = …` here")));
    }
    let quoted = message.split('`').nth(1).unwrap_or_default();
    if is_unknown_field(message) {
        return (format!("unknown key `{quoted}`"), suggest(quoted, message, "known keys here"));
    }
    if message.starts_with("unknown variant `") {
        let what = format!("`{quoted}` is not an allowed value");
        return (what, suggest(quoted, message, "allowed"));
    }
    if let Some(key) = message.strip_prefix("duplicate field `") {
        return (format!("`{}` is given twice", key.trim_end_matches('`')), None);
    }
    for prefix in ["invalid type: ", "invalid value: ", "invalid length "] {
        let Some((found, expected)) =
            message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected "))
        else {
            continue;
        };
        return (format!("expected {}, found {}", kind(expected), found_words(found)), None);
    }
    (message.trim().replace('\n', ", "), None)
}

/// "did you mean", if a name is near enough; else the list of names.
fn suggest(given: &str, message: &str, list_title: &str) -> Option<String> {
    if let Some(near) = nearest(given, names(message)) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = names(message).collect();
    (!all.is_empty()).then(|| format!("{list_title}: {}", all.join(", ")))
}

/// The known name nearest to what was given, if a slip of the finger explains the difference.
pub fn nearest<'n>(given: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = given.to_lowercase().replace('-', "_");
    known
        .map(|name| {
            (strsim::damerau_levenshtein(&lower, &name.to_lowercase().replace('-', "_")), name)
        })
        .filter(|(distance, name)| *distance * 3 <= name.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn kind(expected: &str) -> String {
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "string" => "a text in quotes",
        "a sequence" => "a list in [ ]",
        "a map" => "a table",
        other => return other.strip_prefix("struct ").map_or(other.into(), |_| "a table".into()),
    };
    words.to_owned()
}

fn found_words(found: &str) -> String {
    match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "floating" | "boolean", rest)) => {
            rest.trim_start_matches("point ").trim_matches('`').to_owned()
        }
        _ => match found {
            "map" => "a table".to_owned(),
            "sequence" => "a list".to_owned(),
            other => other.to_owned(),
        },
    }
}
