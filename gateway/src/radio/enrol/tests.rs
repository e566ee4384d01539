#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

const METER: Address = Address([1, 2, 3, 4, 5, 6]);
const NEW: Fit = Fit { supported: true, bonds: true, bonded: false, stale: false };

fn near(address: Address, rssi: i16) -> NearDevice {
    NearDevice {
        address: address.to_string(),
        name: Some("meter+1".to_owned()),
        profile: Some("standard-glucose".to_owned()),
        model: Some("glucose meter".to_owned()),
        services: vec!["1808".to_owned()],
        rssi: Some(rssi),
        heard_s_ago: 0,
        bonded: false,
        device: None,
    }
}

fn named() -> Enrol {
    let request = PairRequest { address: Some(METER.to_string()), ..PairRequest::default() };
    Enrol::new(request, None, 0)
}

fn words(enrol: &Enrol) -> Vec<String> {
    enrol
        .lines(0)
        .iter()
        .map(|line| {
            let value = serde_json::to_value(line).unwrap();
            let detail = value.get("code").or(value.get("digits")).and_then(|v| v.as_str());
            let word = value["tell"].as_str().unwrap();
            detail.map_or(word.to_owned(), |detail| format!("{word} {detail}"))
        })
        .collect()
}

#[test]
fn a_meter_with_a_passkey_is_paired_enrolled_and_read() {
    let mut enrol = named();
    let pair = Output::Pair { address: METER, stale: false };
    assert_eq!(enrol.on(Input::Heard(near(METER, -50), METER, NEW), 1_000), [pair]);
    assert_eq!(enrol.on(Input::Asked(METER, Question::Passkey), 2_000), []);
    // What is not six digits is asked for once more.
    assert_eq!(enrol.on(Input::Says(PersonSays::Passkey("12a".to_owned())), 3_000), []);
    let typed = PersonSays::Passkey("012 345".to_owned());
    assert_eq!(enrol.on(Input::Says(typed), 4_000), [Output::Answer(Reply::Passkey(12_345))]);
    let secured = Secured { secure_connections: Some(true), ..Secured::default() };
    assert_eq!(enrol.on(Input::Paired(Ok(secured)), 5_000), [Output::Enrol(METER)]);
    assert_eq!(enrol.on(Input::Enrolled("m1".to_owned()), 5_100), [Output::Open(METER)]);
    enrol.on(Input::Found(Finding::Clock { face_s: 0 }, Some(130)), 6_000);
    enrol.on(Input::Found(Finding::ClockSet { face_s: Some(0) }, Some(0)), 6_100);
    enrol.on(Input::Found(Finding::RecordsHeld(50), None), 6_200);
    enrol.on(Input::Collected(50), 7_000);
    assert_eq!(enrol.on(Input::Ended(Ending::Complete), 8_000), [Output::Over]);
    let expected = [
        "window_open",
        "heard",
        "pairing",
        "ask_passkey",
        "ask_passkey",
        "paired",
        "enrolled",
        "clock",
        "clock",
        "records",
        "collected",
        "done",
    ];
    assert_eq!(words(&enrol), expected);
    let clock = enrol.lines(8).first().unwrap();
    assert_eq!(clock.what, Telling::Clock { before_s: 130, after_s: Some(0) });
    assert!(enrol.is_over());
}

#[test]
fn a_wrong_passkey_a_closed_window_and_a_device_that_is_not_there_each_have_their_sentence() {
    let mut enrol = named();
    enrol.on(Input::Heard(near(METER, -50), METER, NEW), 0);
    let out = enrol.on(Input::Paired(Err(Fault::WrongPasskey)), 1);
    assert_eq!(out, [Output::BreakOff(METER), Output::Over]);
    assert_eq!(words(&enrol).last().unwrap(), "failed wrong_passkey");

    let mut enrol = named();
    assert_eq!(enrol.on(Input::Tick, 119_999), []);
    assert_eq!(enrol.on(Input::Tick, 120_000), [Output::Over]);
    assert_eq!(words(&enrol).last().unwrap(), "failed not_heard");

    let mut enrol = named();
    enrol.on(Input::Heard(near(METER, -50), METER, NEW), 0);
    assert_eq!(enrol.on(Input::Cancel, 1), [Output::BreakOff(METER), Output::Over]);
    assert_eq!(words(&enrol).last().unwrap(), "failed window_closed");
    assert_eq!(enrol.on(Input::Paired(Ok(Secured::default())), 2), []);

    let mut enrol = named();
    enrol.on(Input::Heard(near(METER, -50), METER, NEW), 0);
    enrol.on(Input::Asked(METER, Question::Confirm(42)), 1);
    assert_eq!(enrol.on(Input::Says(PersonSays::No), 2), [Output::Answer(Reply::No)]);
    assert_eq!(words(&enrol).last().unwrap(), "ask_confirm 000042");
    let out = enrol.on(Input::Tick, 80_000);
    assert_eq!(out, [Output::BreakOff(METER), Output::Over]);
    assert_eq!(words(&enrol).last().unwrap(), "failed pairing_timeout");
}

#[test]
fn without_a_name_the_nearest_new_device_is_chosen_and_a_paired_one_is_not_meant() {
    let mut enrol = Enrol::new(PairRequest::default(), None, 0);
    let far = Address([9; 6]);
    let paired = Fit { bonded: true, ..NEW };
    assert_eq!(enrol.on(Input::Heard(near(Address([8; 6]), -10), Address([8; 6]), paired), 1), []);
    assert_eq!(enrol.on(Input::Heard(near(far, -90), far, NEW), 100), []);
    assert_eq!(enrol.on(Input::Heard(near(METER, -40), METER, NEW), 200), []);
    assert_eq!(enrol.on(Input::Tick, 3_000), []);
    let pair = Output::Pair { address: METER, stale: false };
    assert_eq!(enrol.on(Input::Tick, 3_100), [pair]);
}

#[test]
fn a_bonded_device_goes_straight_to_its_session_and_a_stale_key_is_replaced() {
    let mut enrol = named();
    let bonded = Fit { bonded: true, ..NEW };
    assert_eq!(enrol.on(Input::Heard(near(METER, -50), METER, bonded), 0), [Output::Enrol(METER)]);
    let mut enrol = named();
    let stale = Fit { bonded: true, stale: true, ..NEW };
    let out = enrol.on(Input::Heard(near(METER, -50), METER, stale), 0);
    assert_eq!(out, [Output::Pair { address: METER, stale: true }]);
    // Just Works: the window is the person's word.
    let out = enrol.on(Input::Asked(METER, Question::Authorize), 1);
    assert_eq!(out, [Output::Answer(Reply::Yes)]);
}

#[test]
fn a_model_with_a_protocol_of_its_own_is_recognised_and_refused() {
    let mut enrol = named();
    let private = Fit { supported: false, ..NEW };
    let out = enrol.on(Input::Heard(near(METER, -50), METER, private), 0);
    assert_eq!(out, [Output::Over]);
    assert_eq!(words(&enrol).last().unwrap(), "failed not_supported");
}
