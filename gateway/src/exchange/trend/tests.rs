#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;

use super::*;

fn answers(input: &str) -> (Vec<String>, Summary) {
    let mut out = Vec::new();
    let summary = run(input.as_bytes(), &mut out).unwrap();
    (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), summary)
}

fn assess(case: Value) -> Value {
    let (lines, _) = answers(&format!("{case}\n"));
    assert_eq!(lines.len(), 1);
    serde_json::from_str(&lines[0]).unwrap()
}

/// One reading at 08:00 on every day with d mod 4 != 0, as B8.
fn course(days: std::ops::RangeInclusive<i64>, value: impl Fn(i64) -> i64) -> Vec<Value> {
    days.filter(|d| d % 4 != 0)
        .map(|d| json!({"t": d * 86_400 + 8 * 3600, "v": value(d)}))
        .collect()
}

fn flat(d: i64) -> i64 {
    175 + (7 * d) % 11
}

#[test]
fn an_answer_is_written_to_the_byte() {
    let case = json!({"id": {"b": 1, "a": "ü"}, "plan": {"start": 100},
        "readings": course(86..=141, flat), "eval_days": [142]});
    let (lines, summary) = answers(&case.to_string());
    let expected = concat!(
        r#"{"evals":[{"action":"FollowUpVisit","day":142,"evidence":{"base_med4":720,"#,
        r#""last_day":141,"mid4":80,"mk_s":-15,"mk_var18":141234,"n_base":15,"n_base_pre":10,"#,
        r#""n_recent":16,"n_trend":41,"recent_med4":722,"shift4":2,"shift_hi4":12,"#,
        r#""shift_lo4":-8,"start":100,"trend4":0},"k":0,"phase":"final","#,
        r#""published":"NotImproving","reason":null,"verdict":"NotImproving"}],"#,
        r#""id":{"a":"ü","b":1}}"#,
    );
    assert_eq!(lines, [expected]);
    assert_eq!(summary, Summary { cases: 1, errors: 0 });
}

#[test]
fn a_case_without_readings_has_no_last_day() {
    let case = json!({"id": 1, "plan": {"start": 0}, "readings": [], "eval_days": [5]});
    let (lines, _) = answers(&case.to_string());
    let expected = concat!(
        r#"{"evals":[{"action":"None","day":5,"evidence":{"last_day":null,"n_base":0,"#,
        r#""n_base_pre":0,"n_recent":0,"n_trend":0,"start":0},"k":0,"phase":"interim","#,
        r#""published":null,"reason":"Recent","verdict":"InsufficientData"}],"id":1}"#,
    );
    assert_eq!(lines, [expected]);
}

#[test]
fn evaluation_days_come_in_order_and_repeated_ones_again() {
    let days = |eval_days: Value| {
        let mut case = json!({"id": 1, "plan": {"start": 100, "events": [{"day": 170}]},
            "readings": course(86..=180, flat)});
        if !eval_days.is_null() {
            case["eval_days"] = eval_days;
        }
        let evals = assess(case)["evals"].as_array().unwrap().clone();
        let show = |e: &Value| {
            format!("{} {} {}", e["day"], e["published"].as_str().unwrap_or("-"), e["action"])
        };
        evals.iter().map(show).collect::<Vec<_>>()
    };
    assert!(days(json!([])).is_empty());
    assert_eq!(
        days(json!([156, 142, 142])),
        [
            "142 NotImproving \"FollowUpVisit\"",
            "142 NotImproving \"None\"",
            "156 NotImproving \"FollowUpVisit\"",
        ]
    );
    let scheduled = days(Value::Null);
    assert_eq!(scheduled[0], "121 - \"None\"");
    assert_eq!(scheduled[6], "163 NotImproving \"None\"");
    assert_eq!(scheduled[7], "191 - \"None\"", "the medication change starts it anew");
}

#[test]
fn readings_are_chosen_as_b3_says() {
    let base = json!({"start": 0, "drop_first": 0, "recent_min": 1, "fresh_min": 0,
        "target": {"hi": -1}, "base_min": 50});
    // The median in quarter units of what counts on day 0.
    let check = |plan: Value, readings: Value, expected: Option<i64>| {
        let mut case = json!({"id": 0, "plan": base, "readings": readings, "eval_days": [1]});
        case["plan"]["base_after"] = json!(0);
        case["plan"]["base_after_max"] = json!(1);
        case["plan"]["base_want"] = json!(1);
        case["plan"]["recent"] = json!(1);
        for (name, value) in plan.as_object().unwrap() {
            case["plan"][name] = value.clone();
        }
        // A reading a day earlier fills the baseline, so that day 0 is recent.
        case["readings"]
            .as_array_mut()
            .unwrap()
            .push(json!({"t": -50_000, "v": 100, "ctx": "fasting", "id": "base"}));
        let answer = assess(case);
        let med4 = &answer["evals"][0]["evidence"]["recent_med4"];
        assert_eq!(med4.as_i64(), expected, "{answer}");
    };
    let none = json!({});
    check(none.clone(), json!([{"t": 0, "v": 100}, {"t": 9, "v": 103}]), Some(406));
    check(none.clone(), json!([{"t": 0, "v": 19}, {"t": 9, "v": 601}]), None);
    check(none.clone(), json!([{"t": 0, "sat": 1}, {"t": 9, "sat": -1, "v": 3}]), Some(1240));
    check(none.clone(), json!([{"t": 0, "v": 100, "q": true}, {"t": 9, "v": 90}]), Some(360));
    // Same second and value is one reading; with ids of their own they are two.
    let twins = json!([{"t": 0, "v": 100}, {"t": 0, "v": 100}, {"t": 9, "v": 90}]);
    check(none.clone(), twins, Some(380));
    let two =
        json!([{"t": 0, "v": 100, "id": "a"}, {"t": 0, "v": 100, "id": "b"}, {"t": 9, "v": 90}]);
    check(none.clone(), two, Some(400));
    // One id twice: the earlier local time counts, here that of the western offset.
    let moved = json!([{"t": 50_000, "v": 90, "id": "a"}, {"t": 50_001, "v": 80, "id": "a",
        "tz": -60}]);
    check(none.clone(), moved, Some(320));
    let hi_twice = json!([{"t": 0, "v": 600}, {"t": 0, "sat": 1}, {"t": 5, "v": 500}]);
    check(none.clone(), hi_twice, Some(2200));
    // The earliest k of a day by local time, then value.
    let many = json!([{"t": 3, "v": 300}, {"t": 2, "v": 200}, {"t": 1, "v": 100}]);
    check(json!({"k_per_day": 2}), many, Some(600));
    let fasting = json!([{"t": 5, "v": 100, "ctx": "fasting"}, {"t": 6, "v": 200}]);
    check(json!({"ctx": "fasting"}), fasting, Some(400));
    // 04:00-11:00 by the reading's own clock.
    let clock = json!([{"t": 4 * 3600, "v": 100}, {"t": 11 * 3600, "v": 200},
        {"t": 3600, "v": 102, "tz": 180}, {"t": 39_599, "v": 104}]);
    check(json!({"tod": [240, 660]}), clock, Some(408));
    // The day begins at 04:00: 03:59 belongs to the day before.
    let early = json!([{"t": 86_400 + 3 * 3600 + 3599, "v": 100}, {"t": 3600, "v": 300}]);
    check(json!({"day_start": 240}), early, Some(400));
}

#[test]
fn time_in_range_counts_the_first_reading_of_a_slot() {
    let plan = |min_n: i64| {
        json!({"start": 0, "summary": "tir", "dir": "up", "target": {"lo": 700}, "drop_first": 0,
            "mid": {"abs": 100}, "tir": {"lo": 70, "hi": 180, "slot": 15, "min_n": min_n},
            "recent_min": 1, "fresh_min": 0, "base_after": 0, "base_want": 1, "recent": 1})
    };
    let readings = json!([
        {"t": -40_000, "v": 100}, {"t": -38_000, "v": 100}, {"t": -36_000, "v": 100},
        {"t": 0, "v": 70}, {"t": 899, "v": 500}, {"t": 900, "v": 181}, {"t": 900, "v": 100,
        "id": "second"}, {"t": 1800, "v": 200}]);
    let at = |min_n: i64| {
        assess(json!({"id": 0, "plan": plan(min_n), "readings": readings, "eval_days": [1]}))
            ["evals"][0]["evidence"].clone()
    };
    // Slots 0 and 1 (100 comes before 181) are in range, slot 2 is not: 666 per mille.
    assert_eq!(at(3)["recent_med4"], 4 * 666);
    assert_eq!(at(4)["n_trend"], 0);
}

#[test]
fn the_set_of_readings_decides_alone() {
    let mut state = 7_u64;
    let mut random = move |n: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for seed in 0..60 {
        let mut readings: Vec<Value> = (0..150)
            .map(|i| {
                let t = (86 + random(56) as i64) * 86_400 + random(86_400) as i64;
                let mut reading = json!({"t": t, "v": 90 + random(120), "tz": random(600)});
                if random(3) == 0 {
                    reading["id"] = json!(format!("m-{i}"));
                }
                reading
            })
            .collect();
        let case = |readings: &[Value]| {
            assess(json!({"id": seed, "plan": {"start": 100}, "readings": readings}))
        };
        let plain = case(&readings);
        for _ in 0..40 {
            let again = readings[random(readings.len())].clone();
            readings.push(again);
        }
        for i in (1..readings.len()).rev() {
            readings.swap(i, random(i + 1));
        }
        assert_eq!(case(&readings), plain, "seed {seed}");
    }
}

/// The plan `{"start": 1}` with one thing changed by a JSON merge.
fn refused(change: &str) {
    let mut case = json!({"id": "x", "plan": {"start": 1}, "readings": []});
    fn merge(into: &mut Value, change: Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                for (name, value) in change {
                    merge(into.entry(name).or_insert(json!({})), value);
                }
            }
            (into, change) => *into = change,
        }
    }
    merge(&mut case, serde_json::from_str(change).unwrap());
    let answer = assess(case);
    assert!(answer.get("error").is_some() && answer["id"] == "x", "{change}: {answer}");
}

#[test]
fn malformed_cases_are_answered_in_their_place() {
    let input = "nonsense\n\n[1]\n{\"id\":3}\n{\"id\":4,\"plan\":{\"start\":0},\"readings\":[]}";
    let (lines, summary) = answers(input);
    assert_eq!(summary, Summary { cases: 4, errors: 3 });
    for (line, id) in lines.iter().zip(["null", "null", "3", "4"]) {
        assert!(line.ends_with(&format!("\"id\":{id}}}")), "{line}");
    }
    assert!(lines[3].starts_with("{\"evals\":["));
    let mut latin = Vec::new();
    let summary = run(&b"{\"id\":\"\xff\"}\n"[..], &mut latin).unwrap();
    assert_eq!(summary.errors, 1);
    for plan in [
        r#"{"colour":1}"#,
        r#"{"start":1.0}"#,
        r#"{"start":true}"#,
        r#"{"start":null}"#,
        r#"{"horizon":0}"#,
        r#"{"horizon":null}"#,
        r#"{"base_after_max":0}"#,
        r#"{"recent":0}"#,
        r#"{"fresh":0}"#,
        r#"{"base_want":0}"#,
        r#"{"step":0}"#,
        r#"{"k_per_day":0}"#,
        r#"{"cooldown":0}"#,
        r#"{"max_prompts":0}"#,
        r#"{"base_before":-1}"#,
        r#"{"lookback":-1}"#,
        r#"{"day_start":-1}"#,
        r#"{"drop_first":2}"#,
        r#"{"drop_first":true}"#,
        r#"{"base_before":43}"#,
        r#"{"dir":"left"}"#,
        r#"{"dir":{"down":null}}"#,
        r#"{"target":{}}"#,
        r#"{"target":null}"#,
        r#"{"target":{"lo":null,"hi":null}}"#,
        r#"{"target":{"lo":2,"hi":1}}"#,
        r#"{"target":{"lo":2,"drop_bp":1}}"#,
        r#"{"target":{"drop_bp":null,"hi":3}}"#,
        r#"{"target":[1,2,null]}"#,
        r#"{"mid":{}}"#,
        r#"{"mid":{"abs":1,"bp":1}}"#,
        r#"{"mid":20}"#,
        r#"{"grey":[0,3]}"#,
        r#"{"grey":[1,0]}"#,
        r#"{"grey":[1]}"#,
        r#"{"grey":[1,2,3]}"#,
        r#"{"vif":[-1,-2]}"#,
        r#"{"z_ci":[1.5,1]}"#,
        r#"{"plaus":[2,1]}"#,
        r#"{"tod":[5,5]}"#,
        r#"{"tod":[6,5]}"#,
        r#"{"ctx":5}"#,
        r#"{"tz":null}"#,
        r#"{"summary":"mean"}"#,
        r#"{"tir":{"lo":70,"hi":180,"slot":5}}"#,
        r#"{"tir":{"lo":70,"hi":180,"slot":0,"min_n":1}}"#,
        r#"{"tir":{"lo":70,"hi":180,"slot":5,"min_n":0}}"#,
        r#"{"tir":{"lo":181,"hi":180,"slot":5,"min_n":1}}"#,
        r#"{"tir":[70,180,5,1]}"#,
        r#"{"events":[{}]}"#,
        r#"{"events":[{"day":"1"}]}"#,
        r#"{"events":[[1]]}"#,
        r#"{"events":[{"day":1,"drug":"x"}]}"#,
        r#"{"events":{}}"#,
    ] {
        refused(&format!("{{\"plan\":{plan}}}"));
    }
    for reading in [
        r#"{"v":1}"#,
        r#"{"t":1}"#,
        r#"{"t":1,"v":null}"#,
        r#"{"t":1,"v":1,"sat":2}"#,
        r#"{"t":1,"v":1,"sat":null}"#,
        r#"{"t":1,"v":1,"tz":null}"#,
        r#"{"t":1,"v":1,"id":null}"#,
        r#"{"t":1,"v":1,"id":7}"#,
        r#"{"t":1,"v":1,"q":null}"#,
        r#"{"t":1,"v":1,"q":1}"#,
        r#"{"t":1,"v":1,"x":1}"#,
        r#"{"t":1.5,"v":1}"#,
        r#"{"t":"1","v":1}"#,
        r#"[1,2]"#,
        "7",
        r#"{"t":1,"v":1,"ctx":1}"#,
    ] {
        refused(&format!("{{\"readings\":[{reading}]}}"));
    }
    for case in [
        r#"{"readings":null}"#,
        r#"{"plan":[1]}"#,
        r#"{"eval_days":null}"#,
        r#"{"eval_days":[1.0]}"#,
        r#"{"eval_days":3}"#,
        r#"{"extra":1}"#,
        r#"{"plan":{"base_before":14,"last_eval":113}}"#,
    ] {
        refused(case);
    }
}

#[test]
fn what_may_be_null_or_absent_is_taken() {
    let answer = assess(json!({"plan": {"start": 1, "tod": null, "ctx": null, "base_after": 0,
        "target": {"lo": null, "hi": 130}, "first_interim": 0, "lookback": 0},
        "readings": [{"t": 1, "sat": 1}, {"t": 1, "sat": -1, "v": null}, {"t": 1, "v": 1,
        "ctx": null, "q": false}]}));
    assert!(answer["evals"].is_array() && answer["id"].is_null(), "{answer}");
}

#[test]
fn a_trend_of_more_than_128_days_is_an_error_of_the_case() {
    let readings: Vec<Value> = (86..300).map(|d| json!({"t": d * 86_400, "v": 150})).collect();
    let case = |day: i64| {
        assess(json!({"id": 1, "plan": {"start": 100}, "readings": readings, "eval_days": [day]}))
    };
    // Day 86 is the first day and is dropped.
    assert!(case(215).get("evals").is_some());
    assert!(case(216).get("error").is_some());
}

#[test]
fn hostile_lines_never_panic() {
    let whole = json!({"id": 1, "plan": {"start": 100, "events": [{"day": 120}],
        "target": {"hi": 120}, "mid": {"bp": 1000}, "tod": [0, 1440], "grey": [1, 3]},
        "readings": [{"t": 8_640_000, "v": 150, "sat": 0, "tz": 60}], "eval_days": [142]})
    .to_string();
    let extremes = ["9223372036854775807", "-9223372036854775808", "1e99", "-0", "null", "{}"];
    let mut state = 99_u64;
    for _ in 0..20_000 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % whole.len();
        let mut line = whole.clone();
        match (state >> 60) % 4 {
            0 => line.truncate(at),
            1 => line.replace_range(at..=at, ["{", "}", "\"", "[", "9", "-"][at % 6]),
            2 => line.insert_str(at, extremes[at % extremes.len()]),
            _ => {
                let end = line[at..].find(|c: char| !c.is_ascii_digit()).map_or(at, |n| at + n);
                line.replace_range(at..end, extremes[at % extremes.len()]);
            }
        }
        let (lines, summary) = answers(&line);
        assert_eq!(lines.len() as u64, summary.cases, "{line}");
    }
}

#[test]
fn moved_raised_and_mirrored_readings_move_raise_and_mirror_the_answer() {
    let mut random = Random(3);
    for seed in 0..150 {
        let first: Vec<(i64, i64, i64)> = (0..120)
            .map(|i| {
                let t = (86 + random.below(60)) * 86_400 + i * 600 + random.below(599);
                (t, 60 + random.below(200), random.below(40) - 1)
            })
            .collect();
        // `days` later, values x `sign` + `up`; the oddest of 40 readings are HI or LO.
        let case = |days: i64, sign: i64, up: i64| {
            let value = |v: i64| sign * v + up;
            let range =
                |low: i64, high: i64| (value(low).min(value(high)), value(low).max(value(high)));
            let ((low, high), (target_low, target_high)) = (range(70, 250), range(80, 130));
            let readings: Vec<Value> = first
                .iter()
                .map(|(t, v, sat)| {
                    let t = t + 86_400 * days;
                    match sat {
                        -1 | 1 => json!({"t": t, "sat": sign * sat}),
                        _ => json!({"t": t, "v": value(*v)}),
                    }
                })
                .collect();
            let answer = assess(json!({"id": 1, "readings": readings, "plan": {
                "start": 100 + days, "plaus": [low, high], "events": [{"day": 110 + days}],
                "dir": if sign > 0 { "down" } else { "up" },
                "target": {"lo": target_low, "hi": target_high}}}));
            let mut evals = answer["evals"].clone();
            for eval in evals.as_array_mut().unwrap() {
                eval["day"] = json!(eval["day"].as_i64().unwrap() - days);
                let evidence = eval["evidence"].as_object_mut().unwrap();
                for day in ["start", "last_day"] {
                    if let Some(at) = evidence[day].as_i64() {
                        evidence.insert(day.to_owned(), json!(at - days));
                    }
                }
                for median in ["base_med4", "recent_med4"] {
                    if let Some(med4) = evidence.get(median).and_then(Value::as_i64) {
                        let back = sign * (med4 - 4 * up);
                        evidence.insert(median.to_owned(), json!(back));
                    }
                }
            }
            evals
        };
        let plain = case(0, 1, 0);
        assert_eq!(plain.as_array().unwrap().len(), 10);
        assert_eq!(case(random.below(9000) - 4000, 1, 0), plain, "days, seed {seed}");
        assert_eq!(case(0, 1, random.below(4000) - 2000), plain, "values, seed {seed}");
        assert_eq!(case(0, -1, 0), plain, "mirror, seed {seed}");
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as i64 % n
    }
}
