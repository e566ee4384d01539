//! A broker that refuses: each reason has its sentence, and what can flow goes on flowing.

use std::path::Path;
use std::time::Duration;

use super::brokers::{Embedded, Mosquitto, babbler, free_port};
use super::gateway::{Consumer, Gateway, WAIT, observation, prompt, settings, task};
use hearth_embedded_broker::{Login, Settings, Storage};
use hearth_gateway::uplink::UplinkSettings;
use hearth_gateway::uplink::broker::{self, Hello, Link, Received};
use hearth_gateway::uplink::machine::Outbound;
use hearth_gateway::uplink::message::{Answer, Body, Lane};
use hearth_gateway::uplink::source::INCOMING_MAX;
use hearth_gateway::uplink::transport::{Endpoint, Tls};

/// Starts an uplink and waits for a problem of this kind, whose sentence and remedy are given back.
#[track_caller]
fn check(settings: UplinkSettings, word: &'static str) -> impl Future<Output = String> {
    let gateway = Gateway::start(settings);
    async move {
        let wanted = |v: &hearth_gateway::uplink::UplinkView| {
            v.problem.as_ref().is_some_and(|p| p.word == word)
        };
        let view = gateway.until(wanted).await;
        assert_ne!(view.state, "online");
        gateway.end().await;
        view.problem.unwrap().to_string()
    }
}

fn at(host: &str, port: u16, tls: Option<Tls>) -> UplinkSettings {
    settings(Endpoint { host: host.into(), port, tls })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_cannot_be_reached_is_told_apart_by_cause() {
    let said = check(at("127.0.0.1", free_port(), None), "refused").await;
    assert!(said.contains("Nothing listens at 127.0.0.1"), "{said}");
    let said = check(at("no-such-host.invalid", 1883, None), "name").await;
    assert!(said.contains("could not be resolved"), "{said}");
    let said =
        check(at("127.0.0.1", babbler(b"220 mail.example ESMTP\r\n"), None), "not_mqtt").await;
    assert!(said.contains("not MQTT"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_wrong_password_then_the_right_one() {
    let mut with_login = Settings::loopback(0, Storage::Memory);
    with_login.logins = vec![Login { username: "ward".into(), password: "right".into() }];
    let broker = Embedded::start(with_login);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong\n").unwrap();
    let mut settings = settings(broker.endpoint());
    settings.username = Some("ward".into());
    settings.password_file = Some(file.clone());
    let gateway = Gateway::start(settings);
    let refused = |v: &hearth_gateway::uplink::UplinkView| {
        v.problem.as_ref().is_some_and(|p| matches!(p.word, "credentials" | "not_authorised"))
    };
    let view = gateway.until(refused).await;
    assert!(view.problem.unwrap().configuration);
    // Mended without a restart.
    std::fs::write(&file, "right\n").unwrap();
    gateway.until(|view| view.state == "online").await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_without_a_password_and_with_an_unreadable_password_file() {
    let Some(broker) = Mosquitto::start("allow_anonymous false", &[]) else { return };
    let said = check(settings(broker.endpoint()), "not_authorised").await;
    assert!(said.contains("may not connect"), "{said}");
    let mut missing = settings(broker.endpoint());
    missing.username = Some("ward".into());
    missing.password_file = Some(broker.folder().join("nothing-here"));
    let said = check(missing, "password_file").await;
    assert!(said.contains("nothing-here"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_lane_is_tried_again_and_the_other_flows_on() {
    let rule = |lane: &str| {
        format!(
            "topic readwrite hearth/v1/g1/{lane}\ntopic readwrite hearth/v1/g1/canary\n\
             topic readwrite hearth/v1/g1/status\ntopic readwrite hearth/v1/g1/results\n\
             topic readwrite hearth/v1/g1/watermarks/#\ntopic readwrite hearth/v1/g1/replay\n\
             topic readwrite hearth/v1/g1/commands\n"
        )
    };
    let lines = "allow_anonymous true\nacl_file {folder}/acl";
    let files = [("acl", rule("observations"))];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let Some(broker) = Mosquitto::start(lines, &files) else { return };
    let gateway = Gateway::start(settings(broker.endpoint()));
    gateway.until(|view| view.state == "online").await;
    gateway.push((1..=20).map(task).collect()).await;
    gateway.push((1..=300).map(observation).collect()).await;
    let view = gateway
        .until(|v| v.taken >= 300 && v.problem.as_ref().is_some_and(|p| p.word == "not_authorised"))
        .await;
    let said = view.problem.unwrap().to_string();
    assert!(said.contains("hearth/v1/g1/alerts") && said.contains("Allow"), "{said}");
    assert!(view.refused >= 1 && view.state == "degraded", "{}", view.state);
    let backlog = gateway.backlog().await;
    assert_eq!(backlog[0].queued, 20, "refused is not delivered");
    // The operator allows it; nobody restarts anything.
    std::fs::write(broker.folder().join("acl"), rule("#")).unwrap();
    broker.reload();
    gateway.until(|v| v.taken >= 320 && v.state == "online").await;
    gateway.drained().await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_too_large_is_set_aside_and_the_one_behind_it_arrives() {
    let lines = "allow_anonymous true\nmax_packet_size 2000";
    let Some(broker) = Mosquitto::start(lines, &[]) else { return };
    let gateway = Gateway::start(settings(broker.endpoint()));
    let consumer = Consumer::start(broker.endpoint(), gateway.folder.path());
    let large = "x".repeat(5_000);
    gateway
        .push(vec![prompt(1, "First", None), prompt(2, &large, None), prompt(3, "Last", None)])
        .await;
    consumer.holds(Lane::Alerts, 3).await;
    gateway.drained().await;
    let held = consumer.held(Lane::Alerts);
    let second = held.iter().find(|e| e.seq == 2).unwrap();
    assert!(matches!(&second.body, Body::Tombstone(t) if t.reason == "too_large"));
    let view = gateway.until(|v| v.set_aside == 1).await;
    let said = view.problem.unwrap().to_string();
    assert!(said.contains("larger than the 2000 octets") && said.contains("Raise"), "{said}");
    assert_eq!(gateway.backlog().await[0].set_aside, 1);
    // It does not come round again.
    assert_eq!(gateway.until(|v| v.in_flight == 0).await.set_aside, 1);
    consumer.end().await;
    gateway.end().await;
}

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// A CA, a server certificate for `localhost` alone, and a client certificate.
    fn make() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        let authority = |name: &str| {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            (certificate.pem(), Issuer::new(params, key))
        };
        let (pem, issuer) = authority("Test CA");
        write("ca.pem", pem);
        write("stranger.pem", authority("Somebody else").0);
        for (name, host) in [("server", "localhost"), ("client", "gateway-g1")] {
            let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            write(&format!("{name}.pem"), params.signed_by(&key, &issuer).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn tls(&self, ca: &str, client: bool) -> Option<Tls> {
        let at = |name: &str| self.path().join(name);
        Some(Tls {
            ca_file: Some(at(ca)),
            client: client.then(|| (at("client.pem"), at("client.key"))),
            server_name: None,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_client_certificate_and_every_way_to_get_it_wrong() {
    let certificates = Certificates::make();
    let here = certificates.path().display();
    let lines = format!(
        "allow_anonymous true\ncafile {here}/ca.pem\ncertfile {here}/server.pem\n\
         keyfile {here}/server.key\nrequire_certificate true"
    );
    let Some(broker) = Mosquitto::start(&lines, &[]) else { return };
    let port = broker.port;
    // Right: readings arrive.
    let gateway = Gateway::start(at("localhost", port, certificates.tls("ca.pem", true)));
    gateway.push((1..=200).map(observation).collect()).await;
    gateway.until(|view| view.taken >= 200 && view.state == "online").await;
    gateway.end().await;
    // And wrong.
    let said = check(at("localhost", port, certificates.tls("ca.pem", false)), "tls_alert").await;
    assert!(said.contains("client certificate"), "{said}");
    let said =
        check(at("127.0.0.1", port, certificates.tls("ca.pem", true)), "tls_wrong_name").await;
    assert!(said.contains("not for the name 127.0.0.1"), "{said}");
    let stranger = certificates.tls("stranger.pem", true);
    let said = check(at("localhost", port, stranger), "tls_unknown_issuer").await;
    assert!(said.contains("nobody we trust"), "{said}");
    let said =
        check(at("localhost", port, certificates.tls("missing.pem", true)), "tls_file").await;
    assert!(said.contains("missing.pem"), "{said}");
    // Plain to a TLS port, TLS to a plain port.
    let said = check(at("localhost", port, None), "not_mqtt").await;
    assert!(said.contains("expects TLS"), "{said}");
    let plain = Embedded::memory();
    let said =
        check(at("localhost", plain.port, certificates.tls("ca.pem", true)), "tls_plain_port")
            .await;
    assert!(said.contains("TLS"), "{said}");
}

/// Somebody who sends commands and reads the answers.
async fn operator(endpoint: &Endpoint) -> Link {
    let hello = Hello {
        client_id: "operator".into(),
        login: None,
        keep_alive_s: 30,
        will: None,
        clean_start: true,
    };
    let (mut link, ..) = broker::connect(endpoint, &hello).await.unwrap();
    link.subscribe(1, &[("hearth/v1/g1/results".into(), 1), ("hearth/v1/g1/status".into(), 1)])
        .unwrap();
    while !matches!(link.next().await.unwrap(), Received::SubAck { .. }) {}
    link
}

async fn answers(link: &mut Link, n: usize) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    while answers.len() < n {
        let received = tokio::time::timeout(WAIT, link.next()).await.expect("an answer").unwrap();
        if let Received::Publish { topic, payload, pkid } = received {
            if topic.ends_with("/results") {
                answers.push(serde_json::from_slice(&payload).unwrap());
            }
            if pkid != 0 {
                link.acknowledge(pkid).unwrap();
            }
        }
    }
    answers
}

fn send(link: &mut Link, pkid: u16, last: &str, payload: Vec<u8>) {
    let topic = format!("hearth/v1/g1/{last}");
    let message = Outbound { pkid, topic, payload, retain: false, dup: false, expiry_s: None };
    link.publish(&message).unwrap();
}

async fn commands(endpoint: Endpoint) {
    let gateway = Gateway::start(settings(endpoint.clone()));
    gateway.until(|view| view.state == "online").await;
    let mut link = operator(&endpoint).await;
    let good = br#"{"id":"c-1","verb":"need_book","with":{"id":"n"}}"#.to_vec();
    send(&mut link, 2, "commands", vec![b'x'; INCOMING_MAX + 1]);
    send(&mut link, 3, "commands", br#"{"id":"c-0","verb":"need_boo"#.to_vec());
    send(&mut link, 4, "commands", br#"{"id":"c-2","verb":"need_book","wiht":1}"#.to_vec());
    send(
        &mut link,
        5,
        "watermarks/ehr",
        br#"{"consumer":"ehr","lane":"alerts","seq":99}"#.to_vec(),
    );
    send(&mut link, 6, "commands", good.clone());
    let answers = answers(&mut link, 5).await;
    let of = |ok: bool, part: &str| {
        answers.iter().any(|a| a.ok == ok && a.error.as_deref().unwrap_or("").contains(part))
    };
    assert!(of(false, "65536 are allowed"), "{answers:?}");
    assert!(of(false, "not JSON"), "{answers:?}");
    assert!(of(false, "did you mean \"with\"?"), "{answers:?}");
    assert!(of(false, "beyond 0"), "{answers:?}");
    assert!(answers.iter().any(|a| a.ok && a.id.as_deref() == Some("c-1")), "{answers:?}");
    assert!(answers.iter().any(|a| !a.ok && a.id.as_deref() == Some("c-2")), "{answers:?}");
    // All of them were journalled, the good one without a problem.
    let journal = gateway.journal.lock().unwrap().clone();
    assert_eq!(journal.len(), 4);
    assert_eq!(journal.iter().filter(|(_, problem)| problem.is_none()).count(), 1);
    assert!(journal.iter().all(|(payload, _)| payload.len() <= INCOMING_MAX));
    link.goodbye(Duration::from_secs(1)).await;
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_a_faulty_command_is_quarantined_and_the_good_one_behind_it_is_done() {
    let broker = Embedded::memory();
    commands(broker.endpoint()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_a_faulty_command_is_quarantined_and_the_good_one_behind_it_is_done() {
    let Some(broker) = Mosquitto::start("allow_anonymous true", &[]) else { return };
    commands(broker.endpoint()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_retained_and_says_offline_after_a_goodbye_and_after_a_death() {
    let broker = Embedded::memory();
    let state = async || {
        let mut link = operator(&broker.endpoint()).await;
        let received = tokio::time::timeout(WAIT, async {
            loop {
                if let Received::Publish { topic, payload, .. } = link.next().await.unwrap()
                    && topic.ends_with("/status")
                {
                    return serde_json::from_slice::<serde_json::Value>(&payload).unwrap();
                }
            }
        });
        let status = received.await.expect("a retained status");
        link.goodbye(Duration::from_secs(1)).await;
        status
    };
    let gateway = Gateway::start(settings(broker.endpoint()));
    gateway.until(|view| view.state == "online").await;
    super::gateway::eventually(async || state().await["state"] == "online").await;
    let status = state().await;
    assert_eq!((&status["adapter"], &status["gateway"]), (&"simulated".into(), &"g1".into()));
    gateway.end().await;
    assert_eq!(state().await["state"], "offline");
    // Dies without a goodbye: the broker says it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let endpoint = broker.endpoint();
    let (tell, told) = tokio::sync::oneshot::channel();
    runtime.spawn(async move {
        let gateway = Gateway::start(settings(endpoint));
        gateway.until(|view| view.state == "online").await;
        let _ = tell.send(());
        std::future::pending::<()>().await;
    });
    told.await.unwrap();
    runtime.shutdown_background();
    super::gateway::eventually(async || state().await["state"] == "offline").await;
}
