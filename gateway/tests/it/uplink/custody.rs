//! Nothing lost and nothing twice, whatever the broker does.

use std::sync::Arc;

use super::brokers::{Embedded, Mosquitto};
use super::gateway::{Consumer, Gateway, eventually, observation, prompt, settings, task};
use hearth_gateway::store::{Reader, watermark};
use hearth_gateway::uplink::message::{Body, Lane};

const LANE: Lane = Lane::Observations;
/// As many readings as the project promises to carry through every fault.
const ALL: u64 = 3_000;

fn readings(range: std::ops::RangeInclusive<u64>) -> Vec<hearth_gateway::store::outbox::Outgoing> {
    range.map(observation).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_every_reading_arrives_once_and_is_forgotten_after_the_watermark() {
    let broker = Embedded::memory();
    let gateway = Gateway::start(settings(broker.endpoint()));
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    gateway.push(readings(1..=ALL)).await;
    gateway.push(vec![task(1)]).await;
    consumer.holds(LANE, ALL as usize).await;
    consumer.holds(Lane::Alerts, 1).await;
    gateway.drained().await;
    let summary = consumer.end().await;
    assert_eq!((summary.new, summary.lost), (ALL + 1, 0));
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_killed_and_restarted_without_memory() {
    let mut broker = Embedded::memory();
    let gateway = Gateway::start(settings(broker.endpoint()));
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    gateway.push(readings(1..=1_000)).await;
    gateway.until(|view| view.taken > 300).await;
    broker.kill();
    gateway.push(readings(1_001..=ALL)).await;
    broker.up();
    consumer.holds(LANE, ALL as usize).await;
    gateway.drained().await;
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_what_it_acknowledged_and_lost_comes_again() {
    // The consumer is away, the broker says yes to everything and forgets it all.
    let mut broker = Embedded::memory();
    let gateway = Gateway::start(settings(broker.endpoint()));
    gateway.push(readings(1..=ALL)).await;
    gateway.drained().await;
    broker.kill();
    broker.up();
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    consumer.holds(LANE, ALL as usize).await;
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_frozen_and_thawed() {
    let Some(broker) = Mosquitto::start("allow_anonymous true", &[]) else { return };
    let gateway = Gateway::start(settings(broker.endpoint()));
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    gateway.push(readings(1..=500)).await;
    gateway.until(|view| view.taken > 100).await;
    broker.freeze();
    gateway.push(readings(501..=ALL)).await;
    // The silence is noticed although the connection stands.
    let view = gateway.until(|v| v.problem.as_ref().is_some_and(|p| p.word == "silent")).await;
    assert_ne!(view.state, "online");
    broker.thaw();
    consumer.holds(LANE, ALL as usize).await;
    gateway.drained().await;
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_killed_and_restarted_without_persistence() {
    let Some(mut broker) = Mosquitto::start("allow_anonymous true", &[]) else { return };
    let gateway = Gateway::start(settings(broker.endpoint()));
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    gateway.push(readings(1..=ALL)).await;
    for at in [200, 900, 1_500] {
        gateway.until(|view| view.taken > at).await;
        broker.kill();
        broker.up();
    }
    consumer.holds(LANE, ALL as usize).await;
    gateway.drained().await;
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_with_default_persistence_killed_right_after_its_acknowledgements() {
    let lines = "allow_anonymous true\npersistence true\npersistence_location {folder}/";
    let Some(mut broker) = Mosquitto::start(lines, &[]) else { return };
    let gateway = Gateway::start(settings(broker.endpoint()));
    // The consumer makes its session known, then goes away without confirming anything.
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    gateway.until(|view| view.state == "online").await;
    consumer.kill().await;
    gateway.push(readings(1..=ALL)).await;
    gateway.drained().await;
    broker.kill();
    broker.up();
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    consumer.holds(LANE, ALL as usize).await;
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_that_remembers_the_session_but_lost_the_tail() {
    // SIGUSR1 saves its database: the sessions survive the kill, later messages do not.
    let lines = "allow_anonymous true\npersistence true\npersistence_location {folder}/";
    let Some(mut broker) = Mosquitto::start(lines, &[]) else { return };
    let gateway = Gateway::start(settings(broker.endpoint()));
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    gateway.push(readings(1..=100)).await;
    consumer.holds(LANE, 100).await;
    gateway.until(|view| view.state == "online").await;
    consumer.kill().await;
    broker.save();
    gateway.push(readings(101..=200)).await;
    gateway.drained().await;
    broker.kill();
    broker.up();
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    consumer.holds(LANE, 200).await;
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_restarted_fifty_times_is_found_again_each_time() {
    let Some(mut broker) = Mosquitto::start("allow_anonymous true", &[]) else { return };
    let gateway = Gateway::start(settings(broker.endpoint()));
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    for round in 1..=50 {
        gateway.push(readings(round * 4 - 3..=round * 4)).await;
        let connections = gateway.view.borrow().connections;
        broker.kill();
        broker.up();
        gateway.until(|view| view.connections > connections).await;
    }
    consumer.holds(LANE, 200).await;
    gateway.drained().await;
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_ends_and_starts_again_in_the_middle() {
    let broker = Embedded::memory();
    let mut folder = Arc::new(tempfile::tempdir().unwrap());
    let consumer = Consumer::start(broker.endpoint(), folder.path());
    for round in 0..5 {
        let gateway = Gateway::start_in(folder, settings(broker.endpoint()));
        gateway.push(readings(round * 200 + 1..=round * 200 + 200)).await;
        folder = gateway.end().await;
    }
    let gateway = Gateway::start_in(folder, settings(broker.endpoint()));
    consumer.holds(LANE, 1_000).await;
    gateway.drained().await;
    let summary = consumer.end().await;
    assert_eq!(summary.new, 1_000);
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_is_killed_in_the_middle_and_misses_nothing() {
    let broker = Embedded::memory();
    let gateway = Gateway::start(settings(broker.endpoint()));
    gateway.push(readings(1..=ALL)).await;
    for at in [100, 700, 1_900] {
        let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
        eventually(async || consumer.held(LANE).len() >= at).await;
        consumer.kill().await;
    }
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    consumer.holds(LANE, ALL as usize).await;
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_overtakes_the_backlog() {
    let Some(broker) = Mosquitto::start("allow_anonymous true", &[]) else { return };
    let gateway = Gateway::start(settings(broker.endpoint()));
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    gateway.until(|view| view.state == "online").await;
    // A broker that takes nothing meanwhile: the backlog is there before the alert is made.
    broker.freeze();
    gateway.push(readings(1..=10_000)).await;
    gateway.push(vec![task(1)]).await;
    broker.thaw();
    consumer.holds(Lane::Alerts, 1).await;
    let text = std::fs::read_to_string(&consumer.file).unwrap();
    let at = text.lines().position(|line| line.contains("\"alerts\"")).unwrap();
    // What was under way when it was made.
    assert!(at < 1_000, "the alert came after {at} readings");
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_withdrawn_prompts_leave_their_number_as_a_tombstone() {
    let mut broker = Embedded::memory();
    let gateway = Gateway::start(settings(broker.endpoint()));
    gateway.until(|view| view.state == "online").await;
    broker.kill();
    let past = super::gateway::now().wall.plus_seconds(-5);
    let late = super::gateway::now().wall.plus_seconds(3_600);
    let withdrawn = prompt(2, "Please measure", Some(late));
    let id = withdrawn.id;
    gateway.push(vec![prompt(1, "Too late", Some(past)), withdrawn, prompt(3, "Good", None)]).await;
    gateway.withdraw(id).await;
    broker.up();
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    consumer.holds(Lane::Alerts, 3).await;
    let mut held = consumer.held(Lane::Alerts);
    held.sort_by_key(|e| e.seq);
    let told: Vec<_> = held
        .iter()
        .map(|e| match &e.body {
            Body::Tombstone(t) => t.reason.as_str(),
            body => body.kind(),
        })
        .collect();
    assert_eq!(told, ["expired", "withdrawn", "prompt"]);
    let text = std::fs::read_to_string(&consumer.file).unwrap();
    assert!(!text.contains("Too late") && !text.contains("Please measure"));
    consumer.end().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_rows_are_forgotten_and_others_kept() {
    let broker = Embedded::memory();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let gateway = Gateway::start_in(Arc::clone(&folder), settings(broker.endpoint()));
    gateway.push(readings(1..=50)).await;
    gateway.drained().await;
    assert_eq!(gateway.backlog().await[1].kept, 50);
    let consumer = Consumer::start(broker.endpoint(), folder.path());
    consumer.holds(LANE, 50).await;
    // Wait until the confirmation is stored, then start again, which keeps house at once.
    let reader = Reader::open(&folder.path().join("hearth.db")).unwrap();
    let ehr = ["ehr".to_owned()];
    eventually(async || watermark::confirmed(&reader, &ehr, LANE).unwrap() == 50).await;
    consumer.end().await;
    let folder = gateway.end().await;
    let gateway = Gateway::start_in(folder, settings(broker.endpoint()));
    eventually(async || gateway.backlog().await[1].kept == 0).await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_any_more_is_told_and_the_consumer_goes_on() {
    let broker = Embedded::memory();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let gateway = Gateway::start_in(Arc::clone(&folder), settings(broker.endpoint()));
    gateway.push(readings(1..=30)).await;
    let consumer = Consumer::start(broker.endpoint(), folder.path());
    consumer.holds(LANE, 30).await;
    let reader = Reader::open(&folder.path().join("hearth.db")).unwrap();
    let ehr = ["ehr".to_owned()];
    eventually(async || watermark::confirmed(&reader, &ehr, LANE).unwrap() == 30).await;
    let file = consumer.file.clone();
    consumer.end().await;
    gateway.end().await;
    let gateway = Gateway::start_in(Arc::clone(&folder), settings(broker.endpoint()));
    eventually(async || gateway.backlog().await[1].kept == 0).await;
    gateway.push(readings(31..=40)).await;
    // The consumer's disk is lost: it asks for what nobody holds, and hears so.
    std::fs::remove_file(&file).unwrap();
    let consumer = Consumer::start(broker.endpoint(), folder.path());
    eventually(async || consumer.held(LANE).len() == 10 && lost(&file)).await;
    eventually(async || watermark::confirmed(&reader, &ehr, LANE).unwrap() == 40).await;
    assert_eq!(consumer.end().await.lost, 30);
    gateway.end().await;
}

fn lost(file: &std::path::Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.contains(r#""why":"not_kept""#))
}
