#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

const VECTORS: &str = include_str!("../../../../shared/tests/vectors/alerts.txt");
const ZERO: i64 = 20_000 * 86_400 + 36_000;

fn one(line: &str) -> (String, Summary) {
    let mut out = Vec::new();
    let summary = run(line.as_bytes(), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), summary)
}

/// A case whose answer is this error, with the id 7.
fn refused(case: &str, error: &str) {
    let (answer, summary) = one(case);
    assert_eq!(answer, format!("{{\"error\":\"{error}\",\"id\":7}}\n"), "{case}");
    assert_eq!(summary, Summary { cases: 1, errors: 1 });
}

fn moment(text: &str) -> i64 {
    let (minutes, seconds) = text.split_once(':').unwrap_or((text, "0"));
    ZERO + minutes.parse::<i64>().unwrap() * 60 + seconds.parse::<i64>().unwrap()
}

/// One event of the worked examples as the format writes it.
fn event(text: &str) -> Json {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (measured, arrived) = words[0].split_once('@').unwrap_or((words[0], words[0]));
    let t = moment(measured);
    match words[1] {
        "tick" => json!({"k": "tick", "t": t}),
        "symptom" => json!({"k": "symptom", "t": t, "q": words[2]}),
        "ack" => json!({"k": "ack", "t": t, "rule": words[2], "by": words[3]}),
        "set" => {
            let (name, value) = words[2].split_once('=').unwrap();
            let value: Json = serde_json::from_str(value).unwrap();
            json!({"k": "set", "t": t, name: value})
        }
        quantity => {
            let mut row =
                json!({"k": "reading", "t": t, "arrived": moment(arrived), "q": quantity});
            match (words[2], words[2].split_once('/')) {
                ("HI", _) => row["sat"] = json!(1),
                (_, Some((sys, dia))) => {
                    row["v"] = json!([sys.parse::<i64>().unwrap(), dia.parse::<i64>().unwrap()]);
                }
                (v, None) => row["v"] = json!(v.parse::<i64>().unwrap()),
            }
            for word in &words[3..] {
                match word.split_once('=') {
                    Some((name, value)) => row[name] = json!(value),
                    None => row["flags"] = json!([word]),
                }
            }
            row
        }
    }
}

fn phase(initial: &str) -> &'static str {
    match initial {
        "I" => "Idle",
        "P" => "Pending",
        "A" => "Active",
        "K" => "Acked",
        "C" => "Cleared",
        other => panic!("{other}"),
    }
}

fn transition(text: &str) -> Json {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (from, to) = words[2].split_once('>').unwrap();
    let mut row = json!({
        "t": moment(words[0]), "rule": words[1], "from": phase(from), "to": phase(to),
        "level": words[3], "reason": words[4],
    });
    if words.get(5) == Some(&"late") {
        row["late"] = json!(true);
    }
    row
}

fn notification(text: &str) -> Json {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut row = json!({
        "t": moment(words[0]), "to": words[1], "rule": words[2], "level": words[3],
        "kind": words[4],
    });
    for word in &words[5..] {
        match word.split_once('=') {
            Some(("step", step)) => row["step"] = json!(step.parse::<u8>().unwrap()),
            Some(("until", until)) => row["deferred_until"] = json!(moment(until)),
            _ => row[*word] = json!(true),
        }
    }
    row
}

fn list(text: &str, read: impl Fn(&str) -> Json) -> Vec<Json> {
    text.split("; ").filter(|item| *item != "-").map(read).collect()
}

#[test]
fn the_worked_examples_are_answered_to_the_byte() {
    let rows: Vec<&str> = VECTORS.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rows.len(), 35);
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [number, _, case, events, transitions, notifications] = cells[..] else {
            panic!("{row}")
        };
        let given =
            if case == "-" { String::new() } else { format!(",{}", case.trim_matches('`')) };
        let events = Json::Array(list(events, event));
        let expected = match transitions.strip_prefix("error ") {
            Some(error) => json!({"id": number, "error": error}),
            None => json!({
                "id": number, "transitions": list(transitions, transition),
                "notifications": list(notifications, notification),
            }),
        };
        let (answer, _) = one(&format!("{{\"id\":\"{number}\"{given},\"events\":{events}}}"));
        assert_eq!(answer, format!("{}\n", sorted(expected)));
    }
}

#[test]
fn names_are_sorted_and_nothing_is_spaced() {
    let line = r#" { "events" : [ {"q":"glucose","k":"reading","v":50,"t":36000,"arrived":50400 }],
        "id" : {"b":[1.5, null],"a":"ä"} } "#;
    let (answer, summary) = one(&format!("{}\n \n", line.replace('\n', "")));
    let expected = concat!(
        r#"{"id":{"a":"ä","b":[1.5,null]},"#,
        r#""notifications":[{"kind":"alert","late":true,"level":"C","rule":"G1","step":1,"#,
        r#""t":50400,"to":"staff"}],"#,
        r#""transitions":[{"from":"Idle","late":true,"level":"C","reason":"met","rule":"G1","#,
        r#""t":50400,"to":"Active"}]}"#,
        "\n"
    );
    assert_eq!(answer, expected);
    assert_eq!(summary, Summary { cases: 1, errors: 0 });
}

#[test]
fn a_malformed_case_does_not_end_the_run() {
    let (answer, summary) = one("no\n[1]\n{\"id\":null,\"events\":[]}\n\u{7f}");
    let bad = "{\"error\":\"plan\",\"id\":null}\n";
    let good = "{\"id\":null,\"notifications\":[],\"transitions\":[]}\n";
    assert_eq!(answer, format!("{bad}{bad}{good}{bad}"));
    assert_eq!(summary, Summary { cases: 4, errors: 3 });
    assert_eq!(one("{\"events\":[]}").0, bad);
    let mut out = Vec::new();
    run(&b"{\"id\":\"\xff\",\"events\":[]}"[..], &mut out).unwrap();
    assert_eq!(out, bad.as_bytes());
}

/// `plan` as the plan of an otherwise empty case.
fn plan_refused(plan: &str) {
    refused(&format!("{{\"id\":7,\"plan\":{plan},\"events\":[]}}"), "plan");
}

fn limits_refused(limits: &str) {
    refused(&format!("{{\"id\":7,\"limits\":{limits},\"events\":[]}}"), "limits");
    plan_refused(&format!("{{\"others\":[{limits}]}}"));
}

fn limits_taken(limits: &str) {
    let (answer, _) = one(&format!("{{\"id\":7,\"limits\":{limits},\"events\":[]}}"));
    assert_eq!(answer, "{\"id\":7,\"notifications\":[],\"transitions\":[]}\n", "{limits}");
}

fn event_refused(event: &str) {
    refused(&format!("{{\"id\":7,\"events\":[{event}]}}"), "event");
}

fn event_taken(event: &str) {
    let (answer, summary) = one(&format!("{{\"id\":7,\"events\":[{event}]}}"));
    assert_eq!(summary.errors, 0, "{event} {answer}");
}

#[test]
fn the_first_error_in_the_stated_order_is_told() {
    let late = r#"{"k":"tick","t":5},{"k":"tick","t":4}"#;
    refused(&format!("{{\"id\":7,\"events\":[{late}]}}"), "order");
    refused(&format!("{{\"id\":7,\"events\":[{late},3]}}"), "order");
    refused(&format!("{{\"id\":7,\"events\":[3,{late}]}}"), "event");
    refused(&format!("{{\"id\":7,\"limits\":1,\"events\":[{late}]}}"), "limits");
    refused(&format!("{{\"id\":7,\"plan\":1,\"limits\":1,\"events\":[{late}]}}"), "plan");
    refused("{\"id\":7,\"more\":1,\"limits\":1}", "plan");
    refused("{\"id\":7,\"limits\":1}", "limits");
    refused("{\"id\":7}", "event");
    refused("{\"id\":7,\"events\":{}}", "event");
}

#[test]
fn a_malformed_plan_is_refused() {
    for plan in [
        "null",
        "[]",
        "{\"zone\":1}",
        "{\"tz\":1.0}",
        "{\"tz\":true}",
        "{\"tz\":1441}",
        "{\"tz\":null}",
        "{\"quiet\":[1320]}",
        "{\"quiet\":[0,1440]}",
        "{\"quiet\":[-1,0]}",
        "{\"quiet\":[0,1,2]}",
        "{\"quiet\":[0,1e1]}",
        "{\"mute\":null}",
        "{\"mute\":[1,2]}",
        "{\"mute\":[[1,4294967296]]}",
        "{\"prompts\":1}",
        "{\"monitor\":null}",
        "{\"shared\":\"yes\"}",
        "{\"start\":-1}",
        "{\"start\":4294967296}",
        "{\"start\":99999999999999999999}",
        "{\"others\":{}}",
        "{\"others\":[null]}",
    ] {
        plan_refused(plan);
    }
    let whole = concat!(
        "{\"id\":7,\"plan\":{\"tz\":-1440,\"quiet\":null,\"mute\":[[0,4294967295],[5,5]],",
        "\"prompts\":false,\"monitor\":false,\"shared\":true,\"start\":4294967295,",
        "\"others\":[{},{\"G1\":null}]},\"limits\":{},\"events\":[]}"
    );
    assert_eq!(one(whole).1.errors, 0);
    assert_eq!(one("{\"id\":7,\"plan\":{\"quiet\":[5,5]},\"events\":[]}").1.errors, 0);
}

#[test]
fn malformed_limits_are_refused() {
    for limits in [
        "null",
        "[]",
        "{\"X\":{}}",
        "{\"g1\":{}}",
        "{\"G1\":[54,70]}",
        "{\"G1\":{\"hi\":1}}",
        "{\"G1\":{\"lo\":54.0}}",
        "{\"G1\":{\"lo\":true}}",
        "{\"G1\":{\"lo\":null}}",
        "{\"G1\":{\"lo\":19}}",
        "{\"G1\":{\"lo\":71}}",
        "{\"G1\":{\"rearm\":601}}",
        "{\"G1\":{\"lo\":70,\"rearm\":80},\"G2\":{\"lo\":69}}",
        "{\"G3\":{\"hi\":601}}",
        "{\"G3\":{\"rearm\":19}}",
        "{\"G3\":{\"rearm\":401}}",
        "{\"G4\":{\"hi\":401}}",
        "{\"G5\":{\"lo\":19}}",
        "{\"G5\":{\"rearm\":80}}",
        "{\"P1\":{\"sys\":261}}",
        "{\"P1\":{\"dia\":161}}",
        "{\"P1\":{\"rearm_sys\":59}}",
        "{\"P1\":{\"rearm_dia\":29}}",
        "{\"P1\":{\"rearm_dia\":121}}",
        "{\"P2\":{\"sys\":101}}",
        "{\"P2\":{\"sym\":101}}",
        "{\"P2\":{\"rearm\":261}}",
        "{\"P3\":{\"rearm_sys\":161}}",
        "{\"P3\":[]}",
        "{\"H1\":{\"lo\":24}}",
        "{\"H1\":{\"lo\":46}}",
        "{\"H1\":{\"rearm_lo\":119}}",
        "{\"H1\":{\"rearm_hi\":131}}",
        "{\"O1\":{\"le\":94}}",
        "{\"O1\":{\"le\":49}}",
        "{\"O1\":{\"rearm\":101}}",
        "{\"O1\":{\"le\":93},\"O2\":{\"le\":92,\"rearm\":95}}",
        "{\"W1\":{\"rearm\":0}}",
        "{\"W1\":{\"rearm\":137}}",
        "{\"W2\":{\"med\":135}}",
        "{\"W2\":{\"gain\":135}}",
        "{\"T1\":{\"ge\":431}}",
        "{\"T1\":{\"rearm\":381}}",
        "{\"T1\":{\"rearm\":299}}",
        "{\"T1\":{\"level\":\"A\"}}",
        "{\"T1\":{\"level\":\"Urgent\"}}",
        "{\"T1\":{\"level\":1}}",
        "{\"W1\":{\"gain\":99999999999}}",
    ] {
        limits_refused(limits);
    }
    for limits in [
        "{\"G1\":{\"lo\":20,\"rearm\":600}}",
        "{\"G1\":{\"lo\":70},\"G2\":null}",
        "{\"G2\":null,\"G1\":{\"lo\":100,\"rearm\":100}}",
        "{\"P3\":{}}",
        "{\"P3\":null}",
        "{\"G3\":{\"hi\":600,\"rearm\":20},\"G4\":{\"hi\":600}}",
        "{\"O2\":null}",
        "{\"H1\":{\"lo\":25,\"rearm_lo\":25,\"rearm_hi\":27,\"hi\":250}}",
        "{\"O1\":{\"le\":50}}",
        "{\"W2\":{\"gain\":1,\"med\":1,\"rearm\":1}}",
        "{\"T1\":{\"ge\":430,\"rearm\":430,\"level\":\"C\"}}",
        "{\"P2\":{\"sym\":90}}",
    ] {
        limits_taken(limits);
    }
}

#[test]
fn malformed_events_are_refused() {
    let reading = |rest: &str| format!("{{\"k\":\"reading\",\"t\":1,\"arrived\":1,{rest}}}");
    for event in [
        "1",
        "{}",
        "{\"k\":\"tick\"}",
        "{\"k\":\"tock\",\"t\":1}",
        "{\"k\":\"tick\",\"t\":1.0}",
        "{\"k\":\"tick\",\"t\":-1}",
        "{\"k\":\"tick\",\"t\":4294967296}",
        "{\"k\":\"tick\",\"t\":true}",
        "{\"k\":\"tick\",\"t\":1,\"q\":\"bp\"}",
        "{\"k\":\"symptom\",\"t\":1}",
        "{\"k\":\"symptom\",\"t\":1,\"q\":\"weight\"}",
        "{\"k\":\"ack\",\"t\":1,\"rule\":\"A9\",\"by\":\"staff\"}",
        "{\"k\":\"ack\",\"t\":1,\"rule\":\"G1\",\"by\":\"hub\"}",
        "{\"k\":\"ack\",\"t\":1,\"rule\":\"G1\"}",
        "{\"k\":\"set\",\"t\":1,\"prompts\":null}",
        "{\"k\":\"set\",\"t\":1,\"tz\":1e1}",
        "{\"k\":\"set\",\"t\":1,\"monitor\":0}",
        "{\"k\":\"reading\",\"t\":1,\"q\":\"glucose\",\"v\":1}",
        "{\"k\":\"reading\",\"arrived\":1,\"q\":\"glucose\",\"v\":1}",
    ] {
        event_refused(event);
    }
    for rest in [
        "\"q\":\"glucose\"",
        "\"v\":1",
        "\"q\":\"sugar\",\"v\":1",
        "\"q\":\"glucose\",\"v\":null",
        "\"q\":\"glucose\",\"v\":1000001",
        "\"q\":\"glucose\",\"v\":-1000001",
        "\"q\":\"glucose\",\"v\":100.0",
        "\"q\":\"glucose\",\"v\":[1,2]",
        "\"q\":\"glucose\",\"v\":1,\"sat\":1",
        "\"q\":\"glucose\",\"sat\":0",
        "\"q\":\"glucose\",\"sat\":true",
        "\"q\":\"pulse\",\"sat\":1",
        "\"q\":\"bp\",\"v\":120",
        "\"q\":\"bp\",\"v\":[120]",
        "\"q\":\"bp\",\"v\":[120,80,1]",
        "\"q\":\"bp\",\"v\":[120,80.5]",
        "\"q\":\"temp\",\"v\":370,\"flags\":\"invalid\"",
        "\"q\":\"temp\",\"v\":370,\"flags\":[\"late\"]",
        "\"q\":\"temp\",\"v\":370,\"claim\":null",
        "\"q\":\"temp\",\"v\":370,\"claim\":\"me\"",
        "\"q\":\"temp\",\"v\":370,\"id\":null",
        "\"q\":\"temp\",\"v\":370,\"id\":-1",
        "\"q\":\"temp\",\"v\":370,\"dev\":4294967296",
        "\"q\":\"temp\",\"v\":370,\"unit\":\"C\"",
    ] {
        event_refused(&reading(rest));
    }
    for rest in [
        "\"q\":\"glucose\",\"v\":-1000000",
        "\"q\":\"cgm\",\"sat\":-1",
        "\"q\":\"bp\",\"v\":[-1000000,1000000]",
        "\"q\":\"spo2\",\"v\":99,\"flags\":[]",
        "\"q\":\"temp\",\"v\":370,\"flags\":[\"invalid\",\"suspect\",\"invalid\"]",
        "\"q\":\"weight\",\"v\":1,\"claim\":\"person\",\"id\":0,\"dev\":4294967295",
    ] {
        event_taken(&reading(rest));
    }
    event_taken("{\"k\":\"set\",\"t\":4294967295}");
}

/// Random cases, cut down to what a step of a rule or a kind of notice needs; case and answer
/// take turns. The answers are those of a second, plain implementation that keeps the whole
/// history, written from the specification alone.
#[test]
fn a_second_implementation_gives_the_same_bytes() {
    let lines: Vec<&str> =
        include_str!("../../../../shared/tests/vectors/alerts-cases.jsonl").lines().collect();
    assert_eq!(lines.len(), 74);
    for pair in lines.chunks(2) {
        assert_eq!(one(pair[0]).0.trim_end(), pair[1], "{}", pair[0]);
    }
}
