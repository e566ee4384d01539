#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn lines(talk: &mut Talk, tellings: &[&str]) -> Vec<Act> {
    tellings
        .iter()
        .flat_map(|text| talk.on(&serde_json::from_str::<Telling>(text).unwrap()))
        .collect()
}

fn said(acts: &[Act]) -> Vec<&str> {
    acts.iter()
        .map(|act| match act {
            Act::Say(line) | Act::Progress(line) | Act::Ask(line) => line.as_str(),
            Act::Enrolled(_) => "(enrolled)",
            Act::Done => "(done)",
            Act::Answer(_) | Act::Failed(..) => panic!("{act:?}"),
        })
        .collect()
}

#[test]
fn a_pairing_reads_as_a_conversation() {
    let mut talk = Talk::new(Beforehand::default());
    let acts = lines(
        &mut talk,
        &[
            r#"{"tell":"window_open","seconds":120,"hint":"Hold the button until the light blinks."}"#,
            r#"{"tell":"heard","address":"C0:FF:EE:00:00:01","name":"M-1","model":"Meter One",
                "services":["1808"],"rssi":-54,"heard_s_ago":0,"bonded":false}"#,
            r#"{"tell":"pairing"}"#,
            r#"{"tell":"paired","secure_connections":"yes","authenticated":"yes","key_octets":16}"#,
            r#"{"tell":"enrolled","device":"meter-1"}"#,
            r#"{"tell":"information","what":"firmware","text":"1.2"}"#,
            r#"{"tell":"clock","before_s":130}"#,
            r#"{"tell":"clock","before_s":130,"after_s":0}"#,
            r#"{"tell":"records","held":12}"#,
            r#"{"tell":"records","new":1}"#,
            r#"{"tell":"collected","values":1}"#,
            r#"{"tell":"slot","slot":2,"state":"refused"}"#,
            r#"{"tell":"done","device":"meter-1"}"#,
        ],
    );
    assert_eq!(
        said(&acts),
        [
            "The window is open for 2 min. Put the device into pairing mode.",
            "  Hold the button until the light blinks.",
            "Heard Meter One (C0:FF:EE:00:00:01, signal -54 dBm).",
            "Pairing …",
            "Paired, protected against a man in the middle, by LE Secure Connections, key of 16 octets.",
            "It is on the roster as meter-1.",
            "(enrolled)",
            "It says: firmware 1.2.",
            "Its clock is 2 min 10 s behind.",
            "Its clock was 2 min 10 s behind; set; now exact.",
            "It holds 12 records.",
            "1 of its records is new.",
            "1 value from it in the journal.",
            "User slot 2 refused its consent code: its readings cannot be fetched.",
            "(done)",
        ]
    );
    assert_eq!(talk.learned.device.as_deref(), Some("meter-1"));
}

#[test]
fn a_clock_that_was_set_and_cannot_be_read_back_is_not_called_exact() {
    let mut talk = Talk::new(Beforehand::default());
    let acts = lines(
        &mut talk,
        &[r#"{"tell":"clock","before_s":-3}"#, r#"{"tell":"clock","before_s":-3}"#],
    );
    assert_eq!(
        said(&acts),
        ["Its clock is 3 s ahead.", "Its clock was set; it cannot be read back."]
    );
}

#[test]
fn digits_are_asked_for_until_they_are_six_and_no_breaks_it_off() {
    let mut talk = Talk::new(Beforehand::default());
    assert!(matches!(lines(&mut talk, &[r#"{"tell":"ask_passkey"}"#])[..], [Act::Ask(_)]));
    assert!(talk.waits());
    assert!(matches!(talk.typed("12345")[..], [Act::Ask(_)]));
    assert_eq!(talk.typed(" 012-345 "), [Act::Answer(PersonSays::Passkey("012345".into()))]);
    assert!(!talk.waits());
    // A line nobody asked for changes nothing.
    assert_eq!(talk.typed("999999"), []);
    lines(&mut talk, &[r#"{"tell":"ask_passkey"}"#]);
    assert_eq!(talk.typed("no"), [Act::Answer(PersonSays::No)]);
}

#[test]
fn a_passkey_given_beforehand_is_used_once() {
    let beforehand = Beforehand { passkey: Some("123456".into()), yes: false };
    let mut talk = Talk::new(beforehand);
    let answer = lines(&mut talk, &[r#"{"tell":"ask_passkey"}"#]);
    assert_eq!(answer, [Act::Answer(PersonSays::Passkey("123456".into()))]);
    assert!(matches!(lines(&mut talk, &[r#"{"tell":"ask_passkey"}"#])[..], [Act::Ask(_)]));
}

#[test]
fn compared_digits_take_yes_the_digits_themselves_or_what_was_said_beforehand() {
    let ask = r#"{"tell":"ask_confirm","digits":"012345"}"#;
    let answer = |beforehand: Beforehand, line: &str| {
        let mut talk = Talk::new(beforehand);
        let mut acts = lines(&mut talk, &[ask]);
        assert_eq!(acts.remove(0), Act::Say("The digits are 012 345.".into()));
        if talk.waits() {
            acts = talk.typed(line);
        }
        acts
    };
    let given = |digits: &str| Beforehand { passkey: Some(digits.into()), yes: true };
    let yes = [Act::Answer(PersonSays::Yes)];
    let no = [Act::Answer(PersonSays::No)];
    assert_eq!(answer(Beforehand::default(), "Yes"), yes);
    assert_eq!(answer(Beforehand::default(), "012345"), yes);
    assert_eq!(answer(Beforehand::default(), "543210"), no);
    assert!(matches!(answer(Beforehand::default(), "perhaps")[..], [Act::Ask(_)]));
    assert_eq!(answer(Beforehand { passkey: None, yes: true }, ""), yes);
    assert_eq!(answer(given("012345"), ""), yes);
    // Other digits than those expected are another device, whatever else was said.
    assert_eq!(answer(given("111111"), ""), no);
}

#[test]
fn a_failure_keeps_its_code_sentence_and_next_step() {
    let mut talk = Talk::new(Beforehand::default());
    let acts = lines(
        &mut talk,
        &[
            r#"{"tell":"failed","code":"wrong_passkey","sentence":"They did not fit.","next":"Again."}"#,
        ],
    );
    let expected = Act::Failed("wrong_passkey".into(), "They did not fit.".into(), "Again.".into());
    assert_eq!(acts, [expected]);
}
