#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::sync::Mutex;

use tokio_util::sync::CancellationToken;

use super::super::talk::Beforehand;
use super::*;
use crate::control::socket::{self, Access, Answers};
use crate::requests::{PairRequest, Telling};

/// A radio that tells a script over a real control socket, one batch a question, and notes what it is asked.
#[derive(Default)]
struct Scripted {
    batches: Mutex<Vec<Vec<Telling>>>,
    asked: Mutex<Vec<RadioRequest>>,
}

impl Answers for Scripted {
    async fn answer(&self, request: Request) -> Answer {
        let Request::Radio { request } = request else {
            return Answer::refused("unexpected", format!("{request:?}"));
        };
        let answer = match &request {
            RadioRequest::Hear { after } => {
                let mut batches = self.batches.lock().unwrap();
                let batch = if batches.is_empty() { Vec::new() } else { batches.remove(0) };
                let lines = batch
                    .into_iter()
                    .enumerate()
                    .map(|(at, what)| Told { n: after + at as u64 + 1, what })
                    .collect();
                RadioAnswer::Told { lines }
            }
            _ => RadioAnswer::Done,
        };
        self.asked.lock().unwrap().push(request);
        Answer::Done { result: serde_json::to_value(answer).unwrap() }
    }
}

/// Leads a conversation with a scripted radio: its end, what the radio was asked, who was enrolled.
fn lead(
    batches: Vec<Vec<Telling>>,
    talk: &mut Talk,
) -> (Result<(), Failure>, Vec<RadioRequest>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let radio = Arc::new(Scripted { batches: Mutex::new(batches), ..Scripted::default() });
    let stop = CancellationToken::new();
    let listener = runtime
        .block_on(async { socket::listen(&path, &Access { mode: 0o600, group: None }) })
        .unwrap();
    let server = runtime.spawn(socket::serve(listener, radio.clone(), stop.clone()));
    let daemon = Daemon { socket: Some(path), config: None };
    let mut enrolled = Vec::new();
    let outcome = converse(
        &daemon,
        Format { json: true },
        RadioRequest::Pair(PairRequest::default()),
        talk,
        &mut |device| {
            enrolled.push(device.to_owned());
            Ok(Value::Null)
        },
    );
    stop.cancel();
    runtime.block_on(server).unwrap();
    let asked = radio.asked.lock().unwrap().clone();
    (outcome, asked, enrolled)
}

#[test]
fn digits_given_beforehand_are_answered_and_the_owner_is_told_once_it_is_listed() {
    let passkey = Some("012345".to_owned());
    let mut talk = Talk::new(Beforehand { passkey, yes: false });
    let (outcome, asked, enrolled) = lead(
        vec![
            vec![Telling::WindowOpen { seconds: 120, hint: None }],
            // Nothing new for a while.
            Vec::new(),
            vec![Telling::Pairing, Telling::AskPasskey],
            vec![
                Telling::Enrolled { device: "cuff-1".to_owned() },
                Telling::Done { device: Some("cuff-1".to_owned()) },
            ],
        ],
        &mut talk,
    );
    outcome.unwrap();
    assert_eq!(enrolled, ["cuff-1"]);
    let hear = |after| RadioRequest::Hear { after };
    assert_eq!(
        asked,
        [
            RadioRequest::Pair(PairRequest::default()),
            hear(0),
            hear(1),
            hear(1),
            RadioRequest::Answer(PersonSays::Passkey("012345".to_owned())),
            hear(3),
        ]
    );
}

#[test]
fn what_the_radio_gives_up_is_a_failure_with_its_code_and_nothing_is_left_to_close() {
    let failed = Telling::Failed {
        code: "bonded_elsewhere".to_owned(),
        sentence: "It may be bonded to a phone.".to_owned(),
        next: "Remove it from the phone.".to_owned(),
    };
    let (outcome, asked, _) = lead(vec![vec![failed]], &mut Talk::default());
    let failure = outcome.unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (Exit::Negative, "bonded_elsewhere"));
    assert_eq!(failure.sentence, "It may be bonded to a phone.");
    assert_eq!(failure.next.as_deref(), Some("Remove it from the phone."));
    assert!(!asked.contains(&RadioRequest::Cancel), "{asked:?}");
}
