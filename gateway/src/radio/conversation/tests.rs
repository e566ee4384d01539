#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::sync::{Arc, Mutex};

use hearth_shared::time::UnixMillis;

use super::*;
use crate::clock::BootId;
use crate::radio::air::{Properties, sig};

const VALUES: Place = Place::sig(0x1808, 0x2A18);
const VENDOR: Place = Place { service: sig(0x1808), characteristic: uuid::Uuid::from_u128(7) };

/// Plays its steps one event at a time, and writes down what it is told.
struct Script {
    steps: VecDeque<Vec<Step>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Driver for Script {
    fn on(&mut self, event: Event<'_>, _: Moment) -> Vec<Step> {
        let text = match event {
            Event::Opened(_) => "opened".to_owned(),
            Event::Read { result, .. } => format!("read {result:?}"),
            Event::Written { result, .. } => format!("written {result:?}"),
            Event::Subscribed { result, .. } => format!("subscribed {result:?}"),
            Event::Value { octets, .. } => format!("value {octets:?}"),
            Event::Timer => "timer".to_owned(),
            Event::Closed => "closed".to_owned(),
        };
        self.told.lock().unwrap().push(text);
        self.steps.pop_front().unwrap_or_default()
    }
}

struct Stage {
    talk: Conversation,
    told: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    fn new(steps: Vec<Vec<Step>>) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let driver = Script { steps: steps.into(), told: told.clone() };
        let heading =
            Heading { device: "m1".to_owned(), connection: 3, link: LinkSecurity::default() };
        Self { talk: Conversation::new(Box::new(driver), heading), told }
    }

    fn on(&mut self, input: Input<'_>) -> Vec<Output> {
        let now = Now {
            wall: UnixMillis::from_seconds(1_000_000),
            monotonic_ms: 0,
            boot: BootId([0; 16]),
            trusted: true,
        };
        let moment = Moment { utc_ms: 1_000_000_000, local_s: 1_003_600, trusted: true };
        self.talk.on(input, now, moment)
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

fn services() -> Services {
    [(VALUES, Properties { notify: true, ..Properties::default() })].into()
}

fn octets(outputs: &[Output]) -> Vec<(u32, Vec<u8>, Option<i64>)> {
    let [Output::Commit(batch)] = outputs else { panic!("{outputs:?}") };
    batch
        .iter()
        .map(|a| match &a.payload {
            Payload::Gatt { octets, .. } => (a.position, octets.clone(), a.clock_offset_s),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn steps_go_out_one_by_one_and_values_are_told_after_they_are_durable() {
    let clock = Step::Found(Finding::Clock { face_s: 999_900 });
    let mut stage = Stage::new(vec![
        vec![Step::Subscribe(VALUES), clock.clone(), Step::Read(VALUES)],
        vec![],
        vec![],
        vec![Step::Done(Ending::Complete)],
    ]);
    let first = stage.on(Input::Opened(&services()));
    assert_eq!(first, [Output::Call(Call::Subscribe(VALUES))]);
    // The first value may come before the answer to the subscription.
    let early = stage.on(Input::Value(VALUES, vec![1]));
    assert_eq!(octets(&early), [(0, vec![1], None)]);
    assert_eq!(stage.told(), ["opened"]);
    let then = stage.on(Input::Answered(Ok(Vec::new())));
    let found = Output::Found(Finding::Clock { face_s: 999_900 });
    assert_eq!(then, [found, Output::Call(Call::Read(VALUES))]);
    // Two more wait for the batch under way; they carry the difference of the clocks.
    assert_eq!(stage.on(Input::Value(VALUES, vec![2])), []);
    assert_eq!(stage.on(Input::Value(VALUES, vec![3])), []);
    let second = stage.on(Input::Committed);
    assert_eq!(octets(&second), [(1, vec![2], Some(100)), (2, vec![3], Some(100))]);
    assert_eq!(stage.told(), ["subscribed Ok(())", "value [1]"]);
    // The driver is done at its second value; the end comes when the call under way is answered.
    assert_eq!(stage.on(Input::Committed), []);
    assert_eq!(stage.told(), ["value [2]", "value [3]"]);
    let end = stage.on(Input::Answered(Err(Fault::Att(0x0E))));
    assert_eq!(end, [Output::Done(Ending::Complete)]);
    assert_eq!(stage.talk.values(), 3);
    assert_eq!(stage.on(Input::Value(VALUES, vec![4])), []);
}

#[test]
fn what_came_before_the_link_was_lost_is_durable_before_the_end_is_told() {
    let mut stage = Stage::new(vec![vec![Step::Read(VALUES)]]);
    stage.on(Input::Opened(&services()));
    assert_eq!(stage.on(Input::Value(VALUES, vec![1])).len(), 1);
    stage.on(Input::Value(VALUES, vec![2]));
    assert_eq!(stage.on(Input::Lost(Fault::Disconnected)), []);
    let rest = stage.on(Input::Committed);
    assert_eq!(octets(&rest), [(1, vec![2], None)]);
    let end = stage.on(Input::Committed);
    assert_eq!(end, [Output::Done(Ending::Incomplete(Fault::Disconnected))]);
    // The driver was told of every value, and then of the end.
    assert_eq!(stage.told(), ["opened", "value [1]", "value [2]", "closed"]);
}

#[test]
fn a_driver_may_call_the_end_of_the_link_the_end_of_the_session() {
    let read = vec![Step::Read(VALUES)];
    let mut stage = Stage::new(vec![read, vec![Step::Done(Ending::Complete)]]);
    stage.on(Input::Opened(&services()));
    let end = stage.on(Input::Lost(Fault::Disconnected));
    assert_eq!(end, [Output::Done(Ending::Complete)]);
    assert_eq!(stage.told(), ["opened", "closed"]);
}

#[test]
fn a_flood_that_the_disk_cannot_follow_ends_the_link_and_keeps_what_came() {
    let mut stage = Stage::new(vec![]);
    stage.on(Input::Opened(&services()));
    let mut kept = 0;
    for n in 0..WAITING_MAX + 600 {
        let out = stage.on(Input::Value(VALUES, vec![0]));
        if let [Output::Commit(batch)] = &out[..] {
            kept += batch.len();
        }
        assert!(!matches!(out[..], [Output::Done(_)]), "{n}");
    }
    let ending = loop {
        match &stage.on(Input::Committed)[..] {
            [Output::Commit(batch)] => kept += batch.len(),
            [Output::Done(ending)] => break ending.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ending, Ending::Incomplete(Fault::Busy));
    assert_eq!(kept, WAITING_MAX + 600);
}

#[test]
fn what_a_driver_keeps_is_an_arrival_and_a_vendor_value_is_told_in_its_turn() {
    let keep = Step::Keep { characteristic: 0x2A19, octets: vec![88] };
    let mut stage = Stage::new(vec![vec![keep], vec![Step::Done(Ending::Complete)]]);
    let kept = stage.on(Input::Opened(&services()));
    assert_eq!(octets(&kept), [(0, vec![88], None)]);
    assert_eq!(stage.on(Input::Value(VENDOR, vec![9])), []);
    assert_eq!(stage.told(), ["opened"]);
    assert_eq!(stage.on(Input::Committed), [Output::Done(Ending::Complete)]);
    assert_eq!(stage.told(), ["value [9]"]);
}
