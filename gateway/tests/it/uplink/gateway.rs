//! The gateway's side in a test: a real store with its writer thread, the uplink, a consumer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hearth_gateway::cli::consume::{self, ConsumeError, ConsumeSettings, Print, Summary};
use hearth_gateway::clock::{BootId, Now};
use hearth_gateway::store::open::StoreOptions;
use hearth_gateway::store::outbox::{self, Backlog, Outgoing};
use hearth_gateway::store::{Store, StoreError};
use hearth_gateway::uplink::message::{
    Answer, Body, CONTRACT, Envelope, Lane, Observation, Prompt, Task,
};
use hearth_gateway::uplink::source::{self, UplinkWrite, UplinkWritten, WriteRequest};
use hearth_gateway::uplink::transport::Endpoint;
use hearth_gateway::uplink::{Pace, UplinkPorts, UplinkSettings, UplinkView, incoming};
use hearth_shared::time::UnixMillis;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Short limits, so that a fault is found within a test.
pub(crate) const PACE: Pace = Pace {
    keep_alive_s: 1,
    connect_ms: 2_000,
    prepare_ms: 2_000,
    ping_ms: 700,
    answer_ms: 3_000,
    reconnect_min_ms: 20,
    reconnect_max_ms: 300,
    stable_ms: 100,
    stop_ms: 2_000,
};

pub(crate) fn settings(endpoint: Endpoint) -> UplinkSettings {
    UplinkSettings {
        gateway: "g1".into(),
        endpoint,
        client_id: None,
        username: None,
        password_file: None,
        consumers: vec!["ehr".into()],
        keep_days: 7,
        pace: PACE,
        seed: 1,
        adapter: Some("simulated".into()),
    }
}

enum Ask {
    Push(Vec<Outgoing>, oneshot::Sender<()>),
    Look(oneshot::Sender<[Backlog; 2]>),
    Withdraw(uuid::Uuid, oneshot::Sender<()>),
}

/// Octets that came in, and why they cannot be executed.
type Journalled = Arc<Mutex<Vec<(Vec<u8>, Option<String>)>>>;

/// A store with an uplink.
pub(crate) struct Gateway {
    pub(crate) folder: Arc<tempfile::TempDir>,
    asks: mpsc::UnboundedSender<Ask>,
    pub(crate) view: watch::Receiver<UplinkView>,
    /// Incoming messages in the order in which they were journalled, and their problem.
    pub(crate) journal: Journalled,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    writer: std::thread::JoinHandle<()>,
}

pub(crate) fn now() -> Now {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(Instant::now);
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Now {
        wall: UnixMillis::from_millis(wall.as_millis() as i64),
        monotonic_ms: 1 + start.elapsed().as_millis() as u64,
        boot: BootId([1; 16]),
        trusted: true,
    }
}

impl Gateway {
    pub(crate) fn start(settings: UplinkSettings) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), settings)
    }

    /// Starts on a folder that may hold a store already.
    pub(crate) fn start_in(folder: Arc<tempfile::TempDir>, settings: UplinkSettings) -> Self {
        let store = Store::open(&StoreOptions::at(folder.path().join("hearth.db"))).unwrap();
        let reader = store.reader().unwrap();
        let (asks, asked) = mpsc::unbounded_channel();
        let (writes, written) = mpsc::channel(64);
        let (commit, committed) = watch::channel(0);
        let (_, notes) = watch::channel(Vec::new());
        let (show, view) = watch::channel(UplinkView::default());
        let journal = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let writer = {
            let journal = Arc::clone(&journal);
            let gateway = settings.gateway.clone();
            std::thread::spawn(move || write(store, asked, written, &commit, &journal, &gateway))
        };
        let ports = UplinkPorts {
            source: Box::new(reader),
            writes,
            committed,
            notes,
            view: show,
            clock: Box::new(now),
        };
        let run = hearth_gateway::uplink::run(settings, ports, stop.clone());
        let task = tokio::spawn(async move { run.await.unwrap() });
        Self { folder, asks, view, journal, stop, task, writer }
    }

    pub(crate) async fn push(&self, messages: Vec<Outgoing>) {
        let (reply, done) = oneshot::channel();
        self.asks.send(Ask::Push(messages, reply)).ok().unwrap();
        done.await.unwrap();
    }

    pub(crate) async fn backlog(&self) -> [Backlog; 2] {
        let (reply, done) = oneshot::channel();
        self.asks.send(Ask::Look(reply)).ok().unwrap();
        done.await.unwrap()
    }

    pub(crate) async fn withdraw(&self, id: uuid::Uuid) {
        let (reply, done) = oneshot::channel();
        self.asks.send(Ask::Withdraw(id, reply)).ok().unwrap();
        done.await.unwrap();
    }

    /// Waits until the view is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&UplinkView) -> bool) -> UplinkView {
        let mut watched = self.view.clone();
        let waited = tokio::time::timeout(WAIT, watched.wait_for(|view| wanted(view))).await;
        match waited {
            Ok(view) => view.unwrap().clone(),
            Err(_) => panic!("never so: {:?}", *self.view.borrow()),
        }
    }

    /// Waits until nothing is queued.
    pub(crate) async fn drained(&self) {
        eventually(async || self.backlog().await.iter().all(|lane| lane.queued == 0)).await;
    }

    pub(crate) async fn end(self) -> Arc<tempfile::TempDir> {
        self.stop.cancel();
        self.task.await.unwrap();
        drop(self.asks);
        self.writer.join().unwrap();
        self.folder
    }
}

/// How long anything may take.
pub(crate) const WAIT: Duration = Duration::from_secs(15);

/// Waits until `holds` holds.
pub(crate) async fn eventually(holds: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < WAIT, "it never came to hold");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The single writer: what it is asked is committed one by one.
fn write(
    mut store: Store,
    mut asked: mpsc::UnboundedReceiver<Ask>,
    mut written: mpsc::Receiver<WriteRequest>,
    commit: &watch::Sender<i64>,
    journal: &Mutex<Vec<(Vec<u8>, Option<String>)>>,
    gateway: &str,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    loop {
        let next = runtime.block_on(async {
            tokio::select! {
                ask = asked.recv() => ask.map(Ok),
                Some(request) = written.recv() => Some(Err(request)),
            }
        });
        match next {
            None => return,
            Some(Ok(Ask::Push(messages, reply))) => {
                store
                    .transaction(|tx| {
                        messages.iter().try_for_each(|m| outbox::push(tx, m).map(|_| ()))
                    })
                    .map_err(|e: StoreError| e)
                    .unwrap();
                commit.send_modify(|n| *n += 1);
                let _ = reply.send(());
            }
            Some(Ok(Ask::Look(reply))) => {
                let backlog =
                    store.transaction(|tx| outbox::backlog(tx)).map_err(|e: StoreError| e);
                let _ = reply.send(backlog.unwrap());
            }
            Some(Ok(Ask::Withdraw(id, reply))) => {
                store
                    .transaction(|tx| outbox::withdraw(tx, id))
                    .map_err(|e: StoreError| e)
                    .unwrap();
                commit.send_modify(|n| *n += 1);
                let _ = reply.send(());
            }
            Some(Err(WriteRequest { token, write, reply })) => {
                let result = match write {
                    UplinkWrite::Incoming { to, payload, problem } => {
                        let answer = answer(gateway, to, &payload, problem.as_deref());
                        journal.lock().unwrap().push((payload, problem));
                        UplinkWritten::Answers(vec![answer])
                    }
                    write => store
                        .transaction(|tx| source::apply(tx, &write, now().wall))
                        .map_err(|e: StoreError| e)
                        .unwrap(),
                };
                let _ = reply.send((token, result));
            }
        }
    }
}

fn answer(gateway: &str, to: &str, payload: &[u8], problem: Option<&str>) -> Answer {
    match problem {
        Some(problem) => Answer::refused(gateway, to, incoming::command_id(payload), problem),
        None => Answer {
            contract: CONTRACT.into(),
            gateway: gateway.into(),
            id: incoming::command(payload).ok().map(|c| c.id),
            to: to.into(),
            ok: true,
            error: None,
            result: None,
        },
    }
}

pub(crate) fn observation(n: u64) -> Outgoing {
    let body = Body::Observation(Observation {
        device: "meter-1".into(),
        quantity: "glucose".into(),
        value: Some(112.into()),
        diastolic: None,
        mean: None,
        unit: "mg/dL".into(),
        absent: None,
        measured: "2026-03-01T08:00:00+01:00".into(),
        clock: "synchronised".into(),
        received: "2026-03-01T07:00:02.000Z".into(),
        device_time: None,
        sequence: Some(n as u16),
        slot: None,
        meal: None,
        plausibility: "accepted".into(),
        marks: Vec::new(),
        journal_seq: n as i64,
        weak_identity: false,
        revision: 0,
    });
    outgoing(Lane::Observations, u128::from(n), body)
}

pub(crate) fn task(n: u64) -> Outgoing {
    let body = Body::Task(Task {
        task: "call".into(),
        reason: "Glucose has not improved in six weeks.".into(),
        level: "A".into(),
        state: "open".into(),
        need: None,
    });
    outgoing(Lane::Alerts, (1 << 64) + u128::from(n), body)
}

pub(crate) fn prompt(n: u64, text: &str, expires: Option<UnixMillis>) -> Outgoing {
    let body = Body::Prompt(Prompt {
        prompt: "nudge".into(),
        need: None,
        attempt: 1,
        language: "en".into(),
        text: text.into(),
        silent: false,
        level: None,
        answers: vec!["done".into()],
    });
    Outgoing { expires, ..outgoing(Lane::Alerts, (2 << 64) + u128::from(n), body) }
}

fn outgoing(lane: Lane, id: u128, body: Body) -> Outgoing {
    Outgoing {
        lane,
        id: uuid::Uuid::from_u128(id),
        patient: Some("p-7".into()),
        body,
        created: now().wall,
        expires: None,
    }
}

/// The reference consumer with its file.
pub(crate) struct Consumer {
    pub(crate) file: PathBuf,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<Summary, ConsumeError>>,
}

impl Consumer {
    pub(crate) fn start(endpoint: Endpoint, folder: &Path) -> Self {
        let file = folder.join("held.jsonl");
        let settings = ConsumeSettings {
            endpoint,
            login: None,
            gateway: "g1".into(),
            consumer: "ehr".into(),
            state: file.clone(),
            since_start: false,
            count: None,
            print: Print::Nothing,
        };
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move {
            let mut say = |_: &str| ();
            consume::run(&settings, &mut std::io::sink(), &mut say, token).await
        });
        Self { file, stop, task }
    }

    /// Kills it: no goodbye, nothing written any more.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) async fn end(self) -> Summary {
        self.stop.cancel();
        self.task.await.unwrap().unwrap()
    }

    pub(crate) fn held(&self, lane: Lane) -> Vec<Envelope> {
        held(&self.file, lane)
    }

    /// Waits until `n` messages of the lane are held, then checks that they are `n` distinct ones.
    pub(crate) async fn holds(&self, lane: Lane, n: usize) {
        let start = Instant::now();
        loop {
            let held = self.held(lane);
            if held.len() >= n {
                let mut ids: Vec<_> = held.iter().map(|e| e.id).collect();
                ids.sort_unstable();
                ids.dedup();
                let mut numbers: Vec<_> = held.iter().map(|e| e.seq).collect();
                numbers.sort_unstable();
                assert_eq!(numbers, (1..=n as u64).collect::<Vec<_>>());
                assert_eq!(ids.len(), n, "none twice");
                return;
            }
            assert!(start.elapsed() < WAIT, "only {} of {n} held", held.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(crate) fn held(file: &Path, lane: Lane) -> Vec<Envelope> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Envelope>(line).ok())
        .filter(|envelope| envelope.lane == lane)
        .collect()
}
