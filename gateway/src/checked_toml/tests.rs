#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct House {
    name: String,
    port: u16,
    #[serde(default)]
    quiet: Option<Quiet>,
    #[serde(default)]
    patient: Vec<Patient>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Quiet {
    from: u16,
    to: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Patient {
    id: String,
    channel: Channel,
    age: u8,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Channel {
    Hub,
    Phone,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Lenient {
    a: u8,
    inner: Option<LenientInner>,
}
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct LenientInner {
    b: u8,
}

/// All problems as `line:column key: message | help`.
fn check<T: DeserializeOwned + fmt::Debug>(text: &str, expected: &[&str]) {
    let problems = read::<T>("house.toml", text).map(|(v, _)| v).expect_err("has problems");
    let found: Vec<String> = problems
        .iter()
        .map(|p| {
            let help = p.help.as_ref().map(|h| format!(" | {h}")).unwrap_or_default();
            format!("{}:{} {}: {}{help}", p.line, p.column, p.key, p.message)
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_sound_document_is_read() {
    let text = "name = 'a'\nport = 1\n[[patient]]\nid = 'p'\nchannel = 'hub'\nage = 3\n";
    let (house, document) = read::<House>("house.toml", text).unwrap();
    assert_eq!((house.name.as_str(), house.port, house.patient.len()), ("a", 1, 1));
    assert!(house.quiet.is_none());
    let problem = document.problem("patient.0.age", "too young", None);
    assert_eq!((problem.line, problem.column), (6, 7));
    let above = document.problem("patient.0.zone.name", "missing", None);
    assert_eq!(above.line, 3);
    assert_eq!(document.problem("nowhere", "missing", None).line, 1);
}

#[test]
fn everything_wrong_is_reported_at_once() {
    check::<House>(
        "nam = 'x'\nport = 'http'\n\n[quiet]\nfrom = true\nto = 70000\n\n[[patient]]\n\
         id = 7\nchanel = 'hub'\nage = 300\n\n[[patient]]\nid = 'b'\nchannel = 'phon'\nage = 1\n\
         colour = 'red'\n",
        &[
            "1:1 nam: unknown key `nam` | did you mean `name`?",
            "1:1 name: `name` is missing | add `name = …` here",
            "2:8 port: expected a whole number from 0 to 65535, found the text \"http\"",
            "5:8 quiet.from: expected a whole number from 0 to 65535, found true",
            "6:6 quiet.to: expected a whole number from 0 to 65535, found 70000",
            "8:1 patient.0.channel: `channel` is missing | add `channel = …` here",
            "9:6 patient.0.id: expected a text in quotes, found 7",
            "10:1 patient.0.chanel: unknown key `chanel` | did you mean `channel`?",
            "11:7 patient.0.age: expected a whole number from 0 to 255, found 300",
            "15:11 patient.1.channel: `phon` is not an allowed value | did you mean `phone`?",
            "17:1 patient.1.colour: unknown key `colour` | known keys here: id, channel, age",
        ],
    );
}

#[test]
fn unknown_keys_are_seen_in_lenient_structures_too() {
    check::<Lenient>(
        "a = 1\nc = 2\n[inner]\nb = 1\nd = 1\n",
        &["2:1 c: unknown key `c`", "5:1 inner.d: unknown key `d`"],
    );
}

#[test]
fn every_line_with_a_fault_of_syntax_is_named() {
    let problems = Document::parse("x.toml", "a = \nb = 1\nc = = 2\n").expect_err("broken");
    let lines: Vec<usize> = problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [1, 3]);
}

#[test]
fn a_problem_shows_its_line_and_its_json() {
    let problems = read::<House>("house.toml", "name = 'x'\nport = true\n").expect_err("wrong");
    let text = problems[0].to_string();
    for part in ["house.toml:2:8", "port = true", "^^^^", "expected a whole number"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json: serde_json::Value = serde_json::from_str(&problems[0].to_json()).unwrap();
    assert_eq!(json["line"], 2);
    assert_eq!(json["key"], "port");
    assert!(json.get("help").is_none());
}

#[test]
fn wide_characters_count_as_columns_and_never_panic() {
    let problems = read::<House>("h.toml", "name = '日本'\r\nport = '日'\r\n").expect_err("wrong");
    assert_eq!((problems[0].line, problems[0].column), (2, 8));
    assert!(problems[0].to_string().contains('日'));
    for cut in 0..60 {
        let text: String =
            "[[patient]]\nid = \"日\"\nquiet = {from=1, to='ü'}\n".chars().take(cut).collect();
        for problem in read::<House>("h.toml", &text).map(drop).err().into_iter().flatten() {
            assert!(problem.to_string().contains("h.toml"));
        }
    }
}
