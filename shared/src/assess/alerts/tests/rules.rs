//! One sentence of the specification each, in the notation of the worked examples.

use super::*;

fn plain(input: &str, transitions: &str, notifications: &str) {
    check(&Patient::default(), input, transitions, notifications);
}

fn with(limits: &str) -> Patient {
    let limits: Limits = serde_json::from_str(limits).unwrap();
    limits.validate().unwrap();
    Patient { limits, ..Patient::default() }
}

/// Only what goes to somebody matters here.
fn told(patient: &Patient, input: &str, notifications: &str) {
    assert_eq!(show(&patient.run(&events(input))).1, notifications, "{input}");
}

/// Only the life cycle matters here.
fn lives(patient: &Patient, input: &str, transitions: &str) {
    assert_eq!(show(&patient.run(&events(input))).0, transitions, "{input}");
}

#[test]
fn harmless_and_impossible_values_bring_one_device_notice_a_day() {
    for value in ["weight 1999", "weight 30001", "temp 299", "bp 80/29", "spo2 49", "pulse 301"] {
        let input = format!("0 {value}; 1439 {value}; 1440 {value}");
        let shown = "0 staff A9 A device; 1440 staff A9 A device";
        plain(&input, "-", shown);
    }
    // Waits for the end of the quiet hours: 07:00 is 21 hours after 10:00.
    plain("840 temp 299", "-", "840 staff A9 A device until=1260");
}

#[test]
fn dangerous_values_raise_and_confirm_but_never_clear() {
    lives(
        &with(r#"{"P2":null}"#),
        "0 bp 261/80; 5 bp 300/80; 8 bp 120/106; 9 bp 120/80",
        "0 P1 I>A U met; 5 P1 A>A C raised; 9 P1 A>C C rearmed",
    );
    lives(&Patient::default(), "0 temp 431; 15 temp 450", "0 T1 I>P U met; 15 T1 P>A U confirmed");
    lives(&Patient::default(), "0 pulse 24; 5 pulse 251", "0 H1 I>P U met; 5 H1 P>A U confirmed");
    // dia 29 is harmless alone, but not beside another fault.
    lives(&Patient::default(), "0 bp 59/29", "0 P2 I>P U met");
}

#[test]
fn suspicious_readings_are_asked_for_again() {
    let none = with(r#"{"G1":null,"G2":null,"G3":null,"G4":null,"G5":null}"#);
    let asked = "14 patient A9 A measure_again";
    told(&none, "-1 glucose 301; 14 glucose 179", asked);
    told(&none, "-1 glucose 300; 14 glucose 179", "-");
    told(&none, "-1 glucose 301; 14 glucose 180", "-");
    told(&none, "-2:59 glucose 301; 14 glucose 100", "-");
    told(&none, "0 glucose 250; 14 glucose 100", "-");
    told(&none, "0 glucose 251; 14 glucose 100", asked);
    told(&none, "0 glucose HI; 14 glucose 450", "-");
    told(&none, "0 glucose HI; 14 glucose 449", asked);
    told(&Patient::default(), "14 temp 349", asked);
    told(&Patient::default(), "14 temp 350", "-");
    told(&Patient::default(), "14 bp 119/100", asked);
    told(&Patient::default(), "14 bp 120/100; 15 bp 161/60", "15 patient A9 A measure_again");
    told(&Patient::default(), "4 bp 120/80; 14 bp 141/80", asked);
    told(&Patient::default(), "4 bp 120/80; 14 bp 140/80", "-");
    told(&Patient::default(), "3:59 bp 120/80; 14 bp 141/80", "-");
    told(&Patient::default(), "14 pulse 70 suspect; 43:59 pulse 70 invalid", asked);
    told(
        &Patient::default(),
        "14 pulse 70 suspect; 44 pulse 70 invalid",
        "14 patient A9 A measure_again; 44 patient A9 A measure_again",
    );
    // Per quantity; not late, not old.
    told(
        &Patient::default(),
        "14 pulse 70 suspect; 14 spo2 97 suspect",
        "14 patient A9 A measure_again; 14 patient A9 A measure_again",
    );
    told(&Patient::default(), "-107@14 pulse 70 suspect", "-");
    told(&Patient::default(), "14 pulse 70; 13@14 pulse 71 suspect", "-");
    // On CGM a mark alone is no reason, an implausible value is.
    told(&Patient::default(), "14 cgm 100 suspect", "-");
    told(&with(r#"{"G3":null}"#), "14 cgm 402", asked);
}

#[test]
fn nobody_is_asked_for_a_suspicious_reading_in_quiet_hours_or_a_mute() {
    told(&Patient::default(), "840 pulse 70 suspect", "-");
    let mutes = std::vec![Mute { from: moment("0"), to: moment("10") }];
    let muted = Patient { mutes, ..Patient::default() };
    told(&muted, "9:59 pulse 70 suspect; 10 pulse 71 suspect", "10 patient A9 A measure_again");
}

#[test]
fn a_weight_far_off_asks_whose_it_is_until_a_person_says() {
    let shared = Patient { shared: true, ..with(r#"{"W1":null}"#) };
    let before = "-4320 weight 8000; -2880 weight 8010; -1440 weight 8020";
    told(&shared, &format!("{before}; 0 weight 8510"), "0 patient W2 U measure_again");
    told(&shared, &format!("{before}; 0 weight 8511"), "0 hub A9 A claim");
    told(&shared, &format!("{before}; 0 weight 8511 claim=person"), "0 patient W2 U measure_again");
    told(&shared, &format!("{before}; 0 weight 7509"), "0 hub A9 A claim");
    // Two weights are not enough to tell.
    let two = "-2880 weight 8010; -1440 weight 8020; 0 weight 7000";
    told(&shared, two, "-");
    // With one owner it alarms and asks, but is no reference afterwards.
    let owner = with(r#"{"W1":null,"W2":null}"#);
    told(
        &owner,
        &format!("{before}; 0 weight 8511; 31 weight 8511"),
        "0 patient A9 A measure_again; 31 patient A9 A measure_again",
    );
    let one = with(r#"{"W1":null}"#);
    lives(&one, &format!("{before}; 0 weight 7000; 60 weight 8030"), "-");
}

#[test]
fn a_record_counts_once_whatever_it_says() {
    lives(&Patient::default(), "0 spo2 91 id=5; 2 spo2 90 id=5", "0 O1 I>P C met; 0 O2 I>P U met");
    // Without a record: device, stamp and value.
    lives(
        &with(r#"{"O2":null}"#),
        "0 spo2 91 dev=1; 0@1 spo2 91 dev=1; 0@2 spo2 91 dev=2; 4 tick",
        "0 O1 I>P C met; 4 O1 P>A C silence",
    );
    lives(
        &with(r#"{"G4":null}"#),
        "0 glucose HI; 0@1 glucose HI; 2 glucose HI",
        "0 G3 I>P C met; 2 G3 P>A C confirmed",
    );
    // What belongs to nobody is not remembered: after the claim it is evaluated.
    let input = "0 glucose 50 claim=none; 0@5 glucose 50 claim=person";
    plain(input, "5 G1 I>A C met", "0 staff G1 C alert; 0 hub G1 C alert; 5 patient G1 C alert");
    // The oldest of 64 is forgotten first.
    let many: Vec<String> = (0..64).map(|n| format!("{n} temp 370 id={n}")).collect();
    let input =
        format!("{}; 70 temp 380 id=0; 71 temp 370 id=99; 72 temp 380 id=0", many.join("; "));
    lives(&Patient::default(), &input, "72 T1 I>P U met");
}

#[test]
fn an_unclaimed_reading_is_told_without_a_name_if_critical_for_anybody() {
    let pregnant: Limits = serde_json::from_str(r#"{"P3":{}}"#).unwrap();
    let chemotherapy: Limits = serde_json::from_str(r#"{"T1":{"level":"C"}}"#).unwrap();
    let home = Patient { others: std::vec![pregnant, chemotherapy], ..Patient::default() };
    told(&home, "0 bp 160/80 claim=none", "0 staff P3 C alert; 0 hub P3 C alert");
    told(&Patient::default(), "0 bp 200/130 claim=none", "-");
    told(&home, "-121@0 temp 380 claim=none", "0 staff T1 C alert late; 0 hub T1 C alert late");
    told(&home, "0 cgm LO claim=none; 0 spo2 49 claim=none; 0 weight 100 claim=none", "-");
    told(&home, "840 spo2 92 claim=none invalid", "840 staff O1 C alert; 840 hub O1 C alert");
    let later = Patient { start: moment("1"), ..home };
    told(&later, "0 spo2 80 claim=none; 0 spo2 80", "-");
}

#[test]
fn a_stamp_ahead_of_its_arrival_becomes_the_arrival() {
    plain("10@0 glucose 60", "0 G2 I>A U met", "0 patient G2 U alert; 0 staff G2 U alert");
    plain(
        "10:01@0 glucose 60",
        "0 G2 I>A U met",
        "0 staff A9 A device; 0 patient G2 U alert; 0 staff G2 U alert",
    );
    plain(
        "0 glucose 50; 10@0:30 glucose 70",
        "0 G1 I>A C met; 0:30 G1 A>C C rearmed",
        "0 patient G1 C alert; 0:30 patient G1 C all_clear; 0:30 staff G1 C all_clear",
    );
}

#[test]
fn before_the_start_only_weights_count_and_only_as_references() {
    let later = Patient { start: moment("0"), ..with(r#"{"W2":null}"#) };
    let input = "-1440 weight 8000; -1 glucose 45; -1@0 glucose 40; 0 weight 8136";
    check(&later, input, "0 W1 I>P U met", "0 patient W1 U measure_again");
}

#[test]
fn symptoms_hold_for_half_an_hour_and_for_their_own_rules() {
    lives(&Patient::default(), "0 symptom bp; 30 bp 181/90", "30 P1 I>A C met");
    lives(&Patient::default(), "0 symptom general; 30:01 bp 181/90", "30:01 P1 I>A U met");
    lives(
        &Patient::default(),
        "0 symptom pulse; 1 bp 181/90; 1 pulse 131",
        "1 P1 I>A U met; 1 H1 I>A C met",
    );
    lives(
        &Patient::default(),
        "0 pulse 131; 1 symptom bp; 2 symptom general",
        "0 H1 I>P U met; 2 H1 P>A C symptom",
    );
    lives(
        &Patient::default(),
        "0 symptom bp; 1 bp 95/60; 3 bp 96/60; 4 bp 89/60",
        "1 P2 I>P U met; 3 P2 P>A U confirmed; 4 P2 A>A C symptom",
    );
    lives(
        &Patient::default(),
        "0 bp 190/90; 1 ack P1 staff; 2 symptom general",
        "0 P1 I>A U met; 1 P1 A>K U ack; 2 P1 K>A C symptom",
    );
    // One notice for the family; 85/75 is implausible and leaves P1 alone.
    told(
        &Patient::default(),
        "0 bp 190/90; 2 bp 85/75; 3 symptom general",
        "0 patient P1 U alert; 0 staff P1 U alert; 2 patient P2 U measure_again; \
         3 patient P1 C alert",
    );
}

#[test]
fn a_late_or_old_reading_raises_and_does_nothing_else() {
    plain("-120@0 glucose 60", "0 G2 I>A U met", "0 patient G2 U alert; 0 staff G2 U alert");
    plain("-121@0 glucose 60", "0 G2 I>A U met late", "0 staff G2 U alert late");
    plain(
        "-121@0 spo2 90; 5 spo2 97; 6 ack O1 staff",
        "0 O1 I>A C met late; 5 O1 A>C C rearmed late; 6 O1 C>I C ack late",
        "0 staff O1 C alert step=1 late; 5 staff O1 C all_clear",
    );
    // Steps 2 and 3 only for a reading of the last 24 hours.
    plain(
        "-1440@0 spo2 90; 61 tick",
        "0 O1 I>A C met late",
        "0 staff O1 C alert step=1 late; 30 staff O1 C alert step=2 late; \
         60 staff O1 C alert step=3 late",
    );
    plain("-1441:59@0 spo2 90; 61 tick", "0 O1 I>A C met late", "0 staff O1 C alert step=1 late");
    // Neither confirms nor refutes nor raises to C.
    lives(
        &with(r#"{"O2":null}"#),
        "0 spo2 91; 2 spo2 93 invalid; -3@2 spo2 97; -2@3 spo2 90",
        "0 O1 I>P C met",
    );
    lives(&Patient::default(), "10 glucose 60; 12 glucose 75; 11@13 glucose 60", "10 G2 I>A U met");
    // A late lows alert is filed.
    let lows = with(r#"{"G1":null,"G2":null}"#);
    plain_of(
        &lows,
        "-1000@0 glucose 60; -800@0 glucose 60; -600@0 glucose 60",
        "0 G5 I>A A met late",
        "-",
    );
}

fn plain_of(patient: &Patient, input: &str, transitions: &str, notifications: &str) {
    check(patient, input, transitions, notifications);
}

#[test]
fn a_live_reading_makes_a_late_rule_live_and_lets_the_worse_rule_take_over() {
    lives(
        &Patient::default(),
        "-130@0 glucose 60; 1 glucose 60; 2 glucose 60",
        "0 G2 I>A U met late; 1 G2 A>A U live; 2 G2 A>A C raised",
    );
    lives(
        &Patient::default(),
        "-130@0 glucose 45; 1 glucose 60; 3 glucose 50",
        "0 G1 I>A C met late; 1 G2 I>A U met; 3 G1 A>A C live; 3 G2 A>I U superseded",
    );
    lives(
        &Patient::default(),
        "-130@0 bp 190/90; 1 symptom general",
        "0 P1 I>A U met late; 1 P1 A>A C symptom",
    );
}

#[test]
fn the_worse_rule_takes_over_and_the_lesser_one_rests() {
    lives(
        &Patient::default(),
        "0 glucose 60; 1 ack G2 staff; 2 glucose 50",
        "0 G2 I>A U met; 1 G2 A>K U ack; 2 G1 I>A C met; 2 G2 K>I U superseded",
    );
    lives(
        &Patient::default(),
        "0 glucose 60; 10 glucose 85; 20 glucose 50",
        "0 G2 I>A U met; 10 G2 A>C U rearmed; 20 G1 I>A C met; 20 G2 C>I U superseded",
    );
    // While it rests, G4 keeps its memory.
    lives(
        &Patient::default(),
        "0 glucose 410; 5 glucose 410; 70 glucose 310; 75 glucose 290; \
         135 glucose 260",
        "0 G3 I>P C met; 5 G3 P>A C confirmed; 75 G3 A>C C rearmed; 135 G4 I>A U met",
    );
    // A worse rule raised late leaves the lesser one alone, except for its own number.
    lives(
        &Patient::default(),
        "10 glucose 60; 9@11 glucose 45",
        "10 G2 I>A U met; 11 G1 I>A C met late",
    );
}

#[test]
fn a_new_episode_is_not_silent() {
    // More than 72 hours at U, more than 24 hours at C; measured times.
    lives(
        &Patient::default(),
        "0 bp 190/90; 4320 bp 190/90; 8640:01 bp 190/90",
        "0 P1 I>A U met; 8640:01 P1 A>A U again",
    );
    lives(
        &with(r#"{"G5":null}"#),
        "0 glucose 50; 1440 glucose 50; 2880:01 glucose 50",
        "0 G1 I>A C met; 2880:01 G1 A>A C again",
    );
    // Readings that could do nothing else count on both sides.
    lives(
        &Patient::default(),
        "0 bp 190/90; 4000 bp 190/90 invalid; 8000 bp 190/90",
        "0 P1 I>A U met",
    );
    lives(
        &Patient::default(),
        "0 bp 190/90; 5000 bp 190/90 invalid; 5001 symptom bp",
        "0 P1 I>A U met; 5000 P1 A>A U again; 5001 P1 A>A C symptom",
    );
    plain(
        "0 glucose 50; 1 ack G1 staff; 1500@1700 glucose 50",
        "0 G1 I>A C met; 1 G1 A>K C ack; 1700 G1 K>A C again late",
        "0 patient G1 C alert; 1700 staff G1 C alert step=1 late",
    );
    // Without asking first; at C with a symptom.
    lives(
        &Patient::default(),
        "0 pulse 140; 5 pulse 140; 4400 symptom pulse; 4401 pulse 140",
        "0 H1 I>P U met; 5 H1 P>A U confirmed; 4400 H1 A>A C symptom; 4401 H1 A>A C again",
    );
}

#[test]
fn repeats_run_on_under_stop_but_are_held_back() {
    plain(
        "0 glucose 50; 3 set prompts=false; 6 glucose 50; 7 set prompts=true; 10 glucose 50; \
         11 glucose 50",
        "0 G1 I>A C met",
        "0 patient G1 C alert; 11 patient G1 C repeat",
    );
}

#[test]
fn the_patient_presses_once_for_each_activation() {
    lives(
        &Patient::default(),
        "0 glucose 60; 1 ack G2 patient; 2 ack G2 patient; 3 glucose 60; \
         4 ack G2 patient; 5 ack G2 staff; 6 ack G2 patient; 7 ack G2 staff",
        "0 G2 I>A U met; 1 G2 A>A U ack_patient; 3 G2 A>A C raised; 4 G2 A>A C ack_patient; \
         5 G2 A>K C ack",
    );
    lives(
        &Patient::default(),
        "0 spo2 90; 1 ack O1 staff; 1 ack G1 staff",
        "0 O1 I>P C met; 0 O2 I>P U met",
    );
    // Step 1 is gone already: nothing is put off.
    told(
        &Patient::default(),
        "0 glucose 50; 16 ack G1 patient; 31 tick",
        "0 patient G1 C alert; 15 staff G1 C alert step=1; 30 staff G1 C alert step=2",
    );
}

#[test]
fn the_end_of_monitoring_forgets_everything() {
    let input = "0 glucose 60; 0 spo2 90; 1 set monitor=false; 2 glucose 40; 3 ack G2 staff; \
         4 symptom bp; 60 tick; 61 set monitor=true; 62 bp 190/90; 62 glucose 60";
    plain(
        input,
        "0 G2 I>A U met; 0 O1 I>P C met; 0 O2 I>P U met; 1 G2 A>I U off; 1 O1 P>I C off; \
         1 O2 P>I U off; 62 P1 I>A U met; 62 G2 I>A U met",
        "0 patient G2 U alert; 0 staff G2 U alert; 0 patient O1 C measure_again; \
         62 patient P1 U alert; 62 staff P1 U alert; 62 patient G2 U alert; 62 staff G2 U alert",
    );
}

#[test]
fn only_critical_notices_ignore_quiet_hours_and_mutes() {
    let mutes = std::vec![Mute { from: moment("0"), to: moment("2") }];
    let muted = Patient { mutes, ..with(r#"{"O2":null,"G5":{"lo":80}}"#) };
    told(&muted, "0 spo2 90", "0 patient O1 C measure_again");
    told(&muted, "0 pulse 140", "0 patient H1 U measure_again until=2");
    told(&muted, "0 bp 190/90", "0 patient P1 U alert silent; 0 staff P1 U alert");
    told(
        &muted,
        "0 glucose 50; 1 glucose 70",
        "0 patient G1 C alert; 1 patient G1 C all_clear silent; 1 staff G1 C all_clear",
    );
    // An advisory alert waits for the end of the quiet hours, not of a mute.
    told(&muted, "-600 glucose 75; -300 glucose 75; 0 glucose 75", "0 staff G5 A alert");
    told(
        &muted,
        "300 glucose 75; 600 glucose 75; 840 glucose 75",
        "840 staff G5 A alert until=1260",
    );
}

#[test]
fn the_noon_of_the_weight_rules_is_local() {
    let day = "-1440 weight 8000";
    let w1 = with(r#"{"W2":null}"#);
    // 10:00: noon is two hours off; 11:30: an hour after arrival; 15:00: the same.
    lives(&w1, &format!("{day}; 0 weight 8136; 121 tick"), "0 W1 I>P U met; 120 W1 P>A U silence");
    lives(
        &w1,
        &format!("{day}; 90 weight 8136; 151 tick"),
        "90 W1 I>P U met; 150 W1 P>A U silence",
    );
    lives(
        &w1,
        &format!("{day}; 300 weight 8136; 361 tick"),
        "300 W1 I>P U met; 360 W1 P>A U silence",
    );
}

#[test]
fn a_gain_is_measured_from_the_reference_that_raised_it() {
    let w1 = with(r#"{"W2":null}"#);
    // Confirmed against 8000, although 8100 is the latest of the window by then.
    lives(
        &w1,
        "-1440 weight 8000; -1170 weight 8100; 0 weight 8136; 60 weight 8136",
        "0 W1 I>P U met; 60 W1 P>A U confirmed",
    );
    lives(
        &w1,
        "-1440 weight 8000; 0 weight 8136; 60 weight 8136; 1440 weight 8140; \
         1441 ack W1 staff; 2880 weight 8145",
        "0 W1 I>P U met; 60 W1 P>A U confirmed; 1441 W1 A>K U ack; 2880 W1 K>I U rearmed",
    );
    // W2: lowest first; the median by itself needs more than 200.
    let w2 = with(r#"{"W1":null,"W2":{"gain":300}}"#);
    let before = "-5760 weight 8000; -5700 weight 8010; -4320 weight 8000";
    lives(&w2, &format!("{before}; 0 weight 8200"), "-");
    lives(
        &w2,
        &format!("{before}; 0 weight 8201; 60 weight 8200; 70 weight 8135"),
        "0 W2 I>P U met; 60 W2 P>I U not_confirmed",
    );
    lives(
        &w2,
        &format!("{before}; 0 weight 8201; 60 weight 8201; 70 weight 8136; 80 weight 8135"),
        "0 W2 I>P U met; 60 W2 P>A U confirmed; 80 W2 A>C U rearmed",
    );
}

#[test]
fn on_cgm_a_second_reading_counts_after_fifteen_minutes() {
    lives(
        &with(r#"{"G5":null}"#),
        "0 cgm 65; 15 cgm 65; 20 cgm 65; 29:59 cgm 65; 30 cgm 65",
        "15 G2 I>A U met; 30 G2 A>A C raised",
    );
    // A gap of more than 30 minutes ends a run; an invalid or older value is passed over.
    lives(
        &Patient::default(),
        "0 cgm 65; 30:01 cgm 65; 45 cgm 65; 45:01 cgm 65",
        "45:01 G2 I>A U met",
    );
    lives(
        &Patient::default(),
        "0 cgm 65; 5 cgm 90 invalid; 4@6 cgm 60; 3@7 cgm 90; 15 cgm 65",
        "15 G2 I>A U met",
    );
    // A meter re-arms, and the run below is forgotten.
    lives(
        &Patient::default(),
        "0 cgm 50; 15 cgm 50; 16 glucose 70; 20 cgm 50; 34 cgm 50; 35 cgm 50",
        "15 G1 I>A C met; 16 G1 A>C C rearmed; 20 G2 I>A U met; 35 G1 C>A C met; \
         35 G2 A>I U superseded",
    );
    lives(
        &with(r#"{"G1":null,"G2":null,"G5":null}"#),
        "0 cgm 401; 1 cgm HI; 2 cgm 299",
        "0 G3 I>P C met; 1 G3 P>A C confirmed; 2 G3 A>C C rearmed",
    );
}

#[test]
fn lows_rearm_a_week_after_the_last_start() {
    let lows = with(r#"{"G1":null,"G2":null}"#);
    let three = "0 glucose 60; 120 glucose 60; 240 glucose 60";
    lives(
        &lows,
        &format!("{three}; 10319 glucose 100; 10320 glucose 60; 10441 cgm 100"),
        "240 G5 I>A A met",
    );
    lives(
        &lows,
        &format!("{three}; 10320 cgm 70; 10321 ack G5 staff"),
        "240 G5 I>A A met; 10320 G5 A>C A rearmed; 10321 G5 C>I A ack",
    );
    // 168 hours from the first to the third still count, a second more does not.
    lives(&lows, "0 glucose 60; 120 glucose 60; 10080 glucose 60", "10080 G5 I>A A met");
    lives(&lows, "0 glucose 60; 120 glucose 60; 10080:01 glucose 60", "-");
}

#[test]
fn a_rule_back_from_pending_is_what_it_was() {
    plain(
        "-130@0 pulse 140; 1 pulse 70; 10 pulse 140; 12 pulse 70; 20 ack H1 staff",
        "0 H1 I>A U met late; 1 H1 A>C U rearmed late; 10 H1 C>P U met; \
         12 H1 P>C U not_confirmed; 20 H1 C>I U ack late",
        "0 staff H1 U alert late; 1 staff H1 U all_clear; 10 patient H1 U measure_again",
    );
}

#[test]
fn limits_may_change_between_two_events() {
    let mut engine = Engine::new(Settings::default());
    let mut log = Log::default();
    let plan = AlertPlan::default();
    let strict: Limits = serde_json::from_str(r#"{"G1":{"lo":60,"rearm":70}}"#).unwrap();
    let steps = [("0 glucose 58", Limits::default()), ("1 glucose 58", strict)];
    for (input, limits) in steps {
        engine.handle(&plan, &limits, &event(input), &mut log);
    }
    let shown = "0 G2 I>A U met; 1 G1 I>A C met; 1 G2 A>I U superseded";
    assert_eq!(show(&log).0, shown);
    assert_eq!(engine.standing(RuleId::G1), (Phase::Active, Level::Critical));
}
