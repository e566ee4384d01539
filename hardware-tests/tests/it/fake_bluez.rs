//! The gateway's central and pairing against a `bluetoothd` that fails in every way: each fault ends in
//! its word within its deadline, and nothing hangs.
//!
//! libdbus reads the address of the bus once per process: each scenario runs in a process of its own, on
//! a bus of its own, and is ended where it takes too long.

use std::future::Future;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hearth_gateway::radio::air::{Address, Advert, Fault, Place, Question, Reply, sig};
use hearth_gateway::radio::central::{
    Central, CentralDeadlines, CentralEvent, Link, is_library_panic, library_panics,
};
use hearth_gateway::radio::pairing::{Pairing, PairingDeadlines, PairingEvent, ScanWas};
use hearth_hardware_tests::fake_bluez::{Device, FakeBluez, Manner, PrivateBus};
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

/// Stands for every deadline; nothing in here takes as long unless it is not answered.
const SHORT: Duration = Duration::from_millis(400);

/// A scenario that is not over by then hangs.
const HANGS: Duration = Duration::from_secs(60);

/// What is expected to come comes within this time.
const SOON: Duration = Duration::from_secs(5);

const BUS_PROCESS: &str = "HEARTH_FAKE_BUS_PROCESS";

const METER: Address = Address([0xC0, 0xFF, 0xEE, 0, 0, 1]);
const MEASUREMENT: Place = Place::sig(0x1808, 0x2A18);
const CONTROL: Place = Place::sig(0x1808, 0x2A52);
const BATTERY: Place = Place::sig(0x180F, 0x2A19);

fn deadlines() -> CentralDeadlines {
    CentralDeadlines {
        // Two calls stand in it, and the bus has to say hello.
        open: SHORT * 4,
        call: SHORT,
        connect: SHORT,
        services: SHORT * 2,
        io: SHORT,
        disconnect: SHORT,
    }
}

fn pairing_deadlines() -> PairingDeadlines {
    PairingDeadlines {
        ping: SHORT,
        call: SHORT,
        pair: SHORT * 4,
        answer: SHORT * 2,
        switches: "/nonexistent/rfkill".into(),
    }
}

/// Runs a scenario on a bus of its own; `name` is the test's.
fn on_a_bus<F: Future<Output = ()>>(name: &str, scenario: impl FnOnce(FakeBluez) -> F) {
    if let Ok(address) = std::env::var("DBUS_SYSTEM_BUS_ADDRESS")
        && std::env::var(BUS_PROCESS).is_ok()
    {
        let otherwise = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|place| is_library_panic(place.file())) {
                otherwise(info);
            }
        }));
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().worker_threads(2).build().unwrap();
        return runtime.block_on(async {
            scenario(FakeBluez::start(&address).await.unwrap()).await;
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = PrivateBus::start(folder.path()).unwrap() else {
        eprintln!("skipped: dbus-daemon is not installed (package dbus)");
        return;
    };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("fake_bluez::{name}"), "--nocapture"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
        .env(BUS_PROCESS, bus.process().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > HANGS {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{name} hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    // A name that no test has would run nothing and succeed.
    let ran = output.status.success() && told.contains("1 passed");
    assert!(ran, "{name}: {}\n{told}", output.status);
}

/// The first event that this picks.
async fn event<E: std::fmt::Debug, T>(
    events: &mut Receiver<E>,
    pick: impl Fn(&E) -> Option<T>,
) -> T {
    let next = async {
        loop {
            let event = events.recv().await.expect("no more events");
            if let Some(picked) = pick(&event) {
                return picked;
            }
        }
    };
    timeout(SOON, next).await.expect("the event did not come")
}

fn is<E: PartialEq>(expected: E) -> impl Fn(&E) -> Option<()> {
    move |event| (*event == expected).then_some(())
}

fn meter() -> Device {
    Device { name: Some("meter+".to_owned()), services: vec![sig(0x1808)], ..Device::new(METER) }
        .with(MEASUREMENT, &["notify"], &[])
        .with(CONTROL, &["write", "indicate"], &[])
        .with(BATTERY, &["read", "notify"], &[98])
}

/// Within its deadline and some; nothing may hang.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("longer than any deadline")
}

async fn connected(fake: &FakeBluez) -> (Central, Receiver<CentralEvent>, Link) {
    fake.put(meter());
    let (central, events) = Central::open_with("hci0", deadlines()).await.unwrap();
    let link = soon(central.connect(&METER)).await.unwrap();
    link.services().await.unwrap();
    (central, events, link)
}

#[test]
fn only_what_is_heard_now_is_an_advert() {
    on_a_bus("only_what_is_heard_now_is_an_advert", async |fake| {
        let other = Address([1; 6]);
        fake.put(Device { services: vec![sig(0x1810)], ..Device::new(other) });
        let (central, mut events) = Central::open_with("hci0", deadlines()).await.unwrap();
        central.start_scan().await.unwrap();
        assert_eq!(fake.filter(), ["DuplicateData=1", "Transport=le"]);
        let manufacturer = [(0x0075, vec![1, 2])].into();
        fake.advertise(&Device { rssi: Some(-50), manufacturer, ..meter() });
        let advert = |event: &CentralEvent| match event {
            CentralEvent::Advert(advert) => Some(advert.clone()),
            _ => None,
        };
        let heard = event(&mut events, advert).await;
        let expected = Advert {
            random: true,
            name: Some("meter+".to_owned()),
            services: vec![sig(0x1808)],
            manufacturer: [(0x0075, vec![1, 2])].into(),
            rssi: Some(-50),
            ..Advert::of(METER)
        };
        assert_eq!(heard, expected, "the remembered one came first, and was no advert");
        fake.advertise(&Device { rssi: Some(-60), ..meter() });
        let closer = |event: &CentralEvent| advert(event).filter(|it| it.rssi == Some(-60));
        assert_eq!(event(&mut events, closer).await.address, METER);
        assert_eq!(central.stop_scan().await, Ok(ScanWas::Running));
        assert_eq!(central.stop_scan().await, Ok(ScanWas::Idle));
        fake.set_power(false);
        event(&mut events, is(CentralEvent::Power(false))).await;
        assert_eq!(central.start_scan().await, Err(Fault::AdapterOff));
        fake.refuse(
            "Adapter1.StopDiscovery",
            "org.bluez.Error.InProgress",
            "Operation already in progress",
        );
        assert_eq!(central.stop_scan().await, Err(Fault::Busy), "the tell of a stalled discovery");
    });
}

#[test]
fn a_connected_device_is_read_written_and_heard() {
    on_a_bus("a_connected_device_is_read_written_and_heard", async |fake| {
        let (_central, mut events, link) = connected(&fake).await;
        event(&mut events, is(CentralEvent::Connected(METER))).await;
        let services = link.services().await.unwrap();
        assert_eq!(services.len(), 3);
        assert!(services[&BATTERY].read && services[&MEASUREMENT].notify);
        assert!(services[&CONTROL].write && services[&CONTROL].indicate);
        let mut values = link.values().await.unwrap();
        let sends = vec![(MEASUREMENT, vec![1])];
        fake.put(Device { sends, connected: true, ..fake.device(METER).unwrap() });
        fake.notify(METER, MEASUREMENT, &[0]);
        link.subscribe(MEASUREMENT).await.unwrap();
        link.subscribe(BATTERY).await.unwrap();
        assert_eq!(link.read(BATTERY).await.unwrap(), [98]);
        link.write(CONTROL, &[1, 1], true).await.unwrap();
        fake.notify(METER, BATTERY, &[97]);
        fake.notify(METER, CONTROL, &[6, 0, 1, 1]);
        fake.notify(METER, MEASUREMENT, &[2]);
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(soon(values.recv()).await.unwrap());
        }
        let expected = [(MEASUREMENT, vec![1]), (BATTERY, vec![97]), (MEASUREMENT, vec![2])];
        assert_eq!(heard, expected, "neither the read's echo, nor what nobody asked for");
        let device = fake.device(METER).unwrap();
        assert!(device.characteristics[1].value == [1, 1] && device.characteristics[0].notifying);
        link.unsubscribe(MEASUREMENT).await.unwrap();
        fake.notify(METER, MEASUREMENT, &[3]);
        fake.notify(METER, BATTERY, &[96]);
        assert_eq!(soon(values.recv()).await.unwrap(), (BATTERY, vec![96]));
        assert_eq!(link.read(Place::sig(1, 2)).await, Err(Fault::Missing(Place::sig(1, 2))));
        assert_eq!(link.is_connected().await, Ok(true));
        fake.hang_up(METER);
        event(&mut events, is(CentralEvent::Disconnected(METER))).await;
        assert_eq!(link.is_connected().await, Ok(false));
        assert_eq!(soon(link.read(BATTERY)).await, Err(Fault::Disconnected));
        link.disconnect().await.unwrap();
        fake.vanish(METER);
        assert_eq!(link.is_connected().await, Ok(false));
    });
}

#[test]
fn a_dropped_link_or_attempt_is_disconnected() {
    on_a_bus("a_dropped_link_or_attempt_is_disconnected", async |fake| {
        let (central, mut events, link) = connected(&fake).await;
        drop(link);
        event(&mut events, is(CentralEvent::Disconnected(METER))).await;
        fake.calls();
        fake.silence("Device1.Connect");
        assert_eq!(soon(central.connect(&METER)).await.err(), Some(Fault::Timeout("connecting")));
        assert!(fake.calls().contains(&"Device1.Disconnect".to_owned()), "no half connection");
        let attempt = timeout(SHORT / 2, central.connect(&METER)).await;
        assert!(attempt.is_err());
        let disconnected = async {
            while !fake.calls().contains(&"Device1.Disconnect".to_owned()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        soon(disconnected).await;
        fake.refuse("Device1.Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
        assert_eq!(soon(central.connect(&METER)).await.err(), Some(Fault::NotConnected));
        assert_eq!(soon(central.connect(&Address([9; 6]))).await.err(), Some(Fault::NotHeard));
    });
}

/// Silences a method, and looks how the call ends.
async fn unanswered(
    fake: &FakeBluez,
    method: &str,
    expected: &str,
    call: impl Future<Output = Option<Fault>>,
) {
    fake.silence(method);
    let began = Instant::now();
    let fault = soon(call).await;
    assert_eq!(fault.as_ref().map(Fault::code), Some(expected), "{method}: {fault:?}");
    assert!(began.elapsed() < SHORT * 6, "{method} took {:?}", began.elapsed());
    fake.heal();
}

#[test]
fn a_method_without_answer_ends_at_its_deadline() {
    on_a_bus("a_method_without_answer_ends_at_its_deadline", async |fake| {
        const FROZEN: &str = "bluetoothd_frozen";
        let fake = &fake;
        let (central, _events, link) = connected(fake).await;
        let read = async { link.read(BATTERY).await.err() };
        unanswered(fake, "GattCharacteristic1.ReadValue", "timeout", read).await;
        let write = async { link.write(CONTROL, &[1], true).await.err() };
        unanswered(fake, "GattCharacteristic1.WriteValue", "timeout", write).await;
        let subscribe = async { link.subscribe(MEASUREMENT).await.err() };
        unanswered(fake, "GattCharacteristic1.StartNotify", "timeout", subscribe).await;
        let unsubscribe = async { link.unsubscribe(MEASUREMENT).await.err() };
        unanswered(fake, "GattCharacteristic1.StopNotify", "timeout", unsubscribe).await;
        for method in ["Introspectable.Introspect", "Properties.Get", "Properties.GetAll"] {
            let services = async { link.services().await.err() };
            unanswered(fake, method, "timeout", services).await;
        }
        let asked = async { link.is_connected().await.err() };
        unanswered(fake, "Properties.GetAll", FROZEN, asked).await;
        let disconnect = async { link.disconnect().await.err() };
        unanswered(fake, "Device1.Disconnect", "timeout", disconnect).await;
        for (method, code) in [
            ("Device1.Connect", "timeout"),
            ("ObjectManager.GetManagedObjects", FROZEN),
            // The wait for the services.
            ("Properties.Get", "timeout"),
        ] {
            let connect = async { central.connect(&METER).await.err() };
            unanswered(fake, method, code, connect).await;
        }
        for method in ["Adapter1.SetDiscoveryFilter", "Adapter1.StartDiscovery"] {
            let start = async { central.start_scan().await.err() };
            unanswered(fake, method, FROZEN, start).await;
        }
        let stop = async { central.stop_scan().await.err() };
        unanswered(fake, "Adapter1.StopDiscovery", FROZEN, stop).await;
        for method in ["ObjectManager.GetManagedObjects", "Properties.GetAll"] {
            let open = async { Central::open_with("hci0", deadlines()).await.err() };
            unanswered(fake, method, FROZEN, open).await;
        }
    });
}

async fn opened() -> (Pairing, Receiver<PairingEvent>) {
    Pairing::open_with("hci0", pairing_deadlines()).await.unwrap()
}

fn asked(question: Question) -> PairingEvent {
    PairingEvent::Asked { address: METER, question }
}

#[test]
fn each_kind_of_question_pairs() {
    on_a_bus("each_kind_of_question_pairs", async |fake| {
        let (pairing, mut events) = opened().await;
        pairing.ping().await.unwrap();
        assert_eq!(fake.agents(), 1);
        pairing.allow(METER);
        for (manner, question, reply) in [
            (Manner::JustWorks, None, None),
            (Manner::Authorize, Some(Question::Authorize), None),
            (Manner::Passkey(42), Some(Question::Passkey), Some(Reply::Passkey(42))),
            (Manner::Confirm(123_456), Some(Question::Confirm(123_456)), Some(Reply::Yes)),
            (Manner::Display(7), Some(Question::Display(7)), None),
        ] {
            fake.put(Device { manner, ..meter() });
            let person = async {
                if let Some(question) = question {
                    event(&mut events, is(asked(question))).await;
                }
                if let Some(reply) = reply {
                    assert!(pairing.answer(reply));
                }
            };
            let (paired, ()) = soon(async { tokio::join!(pairing.pair(METER), person) }).await;
            assert_eq!(paired, Ok(()), "{manner:?}");
            assert!(fake.device(METER).unwrap().paired);
            let bond = pairing.bonds().await.unwrap();
            assert!(bond.len() == 1 && bond[0].bonded && bond[0].address == METER);
            assert_eq!(pairing.pair(METER).await, Err(Fault::AlreadyBonded));
            pairing.trust(METER, true).await.unwrap();
            assert!(fake.device(METER).unwrap().trusted);
            pairing.unbond(METER).await.unwrap();
            pairing.unbond(METER).await.unwrap();
            assert_eq!(pairing.trust(METER, true).await, Err(Fault::NotHeard));
            assert_eq!(pairing.pair(METER).await, Err(Fault::NotHeard));
        }
        assert!(!pairing.answer(Reply::Yes), "nothing is asked any more");
        assert!(events.try_recv().is_err(), "the digits were shown once");
    });
}

#[test]
fn a_pairing_that_fails_says_why() {
    on_a_bus("a_pairing_that_fails_says_why", async |fake| {
        let (pairing, mut events) = opened().await;
        assert_eq!(pairing.pair(METER).await, Err(Fault::WindowClosed));
        pairing.allow(METER);
        let digits = Reply::Passkey(41);
        for (manner, reply, expected) in [
            (Manner::Passkey(42), Some(digits), Fault::WrongPasskey),
            (Manner::Confirm(1), Some(Reply::No), Fault::PairingRefused),
            (Manner::Passkey(42), Some(Reply::No), Fault::PairingRefused),
            (Manner::Refuses, None, Fault::PairingRefused),
            (Manner::HangsUp, None, Fault::BondedElsewhere),
            (Manner::Silent, None, Fault::PairingTimeout),
            (Manner::TakesBack, None, Fault::PairingRefused),
        ] {
            fake.put(Device { manner, ..meter() });
            fake.calls();
            let person = async {
                if let Some(reply) = reply {
                    let question = |event: &PairingEvent| {
                        matches!(event, PairingEvent::Asked { .. }).then_some(())
                    };
                    event(&mut events, question).await;
                    pairing.answer(reply);
                }
            };
            let (paired, ()) = soon(async { tokio::join!(pairing.pair(METER), person) }).await;
            assert_eq!(paired, Err(expected), "{manner:?}");
            let cancelled = fake.calls().contains(&"Device1.CancelPairing".to_owned());
            assert_eq!(cancelled, manner == Manner::Silent, "{manner:?}");
            if manner == Manner::TakesBack {
                event(&mut events, is(PairingEvent::AskCancelled)).await;
            }
        }
        fake.put(Device { manner: Manner::Passkey(42), ..meter() });
        assert_eq!(soon(pairing.pair(METER)).await, Err(Fault::PairingTimeout), "nobody types");
        event(&mut events, is(asked(Question::Passkey))).await;
        let closing = async {
            event(&mut events, is(asked(Question::Passkey))).await;
            pairing.deny();
        };
        let (paired, ()) = soon(async { tokio::join!(pairing.pair(METER), closing) }).await;
        assert_eq!(paired, Err(Fault::WindowClosed));
        pairing.allow(METER);
        fake.put(Device { manner: Manner::Silent, ..meter() });
        assert!(timeout(SHORT, pairing.pair(METER)).await.is_err());
        let cancelled = async {
            while !fake.calls().contains(&"Device1.CancelPairing".to_owned()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        soon(cancelled).await;
    });
}

#[test]
fn nobody_is_let_in_beside_the_device_of_the_window() {
    on_a_bus("nobody_is_let_in_beside_the_device_of_the_window", async |fake| {
        fake.put(meter());
        let (pairing, _events) = opened().await;
        assert_eq!(fake.ask(METER).await, Some(false), "no window");
        pairing.allow(Address([7; 6]));
        assert_eq!(fake.ask(METER).await, Some(false), "the window of another one");
        pairing.allow(METER);
        assert_eq!(fake.ask(METER).await, Some(true));
        pairing.deny();
        assert_eq!(fake.ask(METER).await, Some(false));
        // Somebody who owns another name of the bus, and calls himself BlueZ.
        pairing.allow(METER);
        fake.release_name().await.unwrap();
        soon(async {
            while pairing.ping().await != Err(Fault::NoDaemon) {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(fake.ask(METER).await, Some(false), "only the owner of org.bluez may ask");
    });
}

#[test]
fn a_daemon_that_goes_and_comes_is_told_and_gets_its_agent() {
    on_a_bus("a_daemon_that_goes_and_comes_is_told_and_gets_its_agent", async |mut fake| {
        let (central, mut heard, link) = connected(&fake).await;
        let (pairing, mut events) = opened().await;
        // In the middle of a read.
        fake.silence("GattCharacteristic1.ReadValue");
        let dying = async {
            sleep(SHORT / 4).await;
            fake.die();
        };
        let (read, ()) = soon(async { tokio::join!(link.read(BATTERY), dying) }).await;
        assert_eq!(read, Err(Fault::NoDaemon));
        event(&mut events, is(PairingEvent::DaemonGone)).await;
        assert_eq!(pairing.ping().await, Err(Fault::NoDaemon));
        assert_eq!(soon(central.start_scan()).await, Err(Fault::NoDaemon));
        assert_eq!(soon(central.stop_scan()).await, Err(Fault::NoDaemon));
        assert_eq!(soon(link.is_connected()).await, Err(Fault::NoDaemon));
        assert_eq!(soon(central.connect(&METER)).await.err(), Some(Fault::NoDaemon));
        assert_eq!(soon(pairing.bonds()).await, Err(Fault::NoDaemon));
        assert_eq!(soon(pairing.start_daemon()).await, Err(Fault::NoDaemon));
        assert_eq!(
            soon(Central::open_with("hci0", deadlines())).await.err(),
            Some(Fault::NoDaemon)
        );
        fake.heal();
        fake.come_back().await.unwrap();
        event(&mut events, is(PairingEvent::DaemonBack)).await;
        assert_eq!(fake.agents(), 1, "registered with the new one");
        assert_eq!(pairing.ping().await, Ok(()));
        assert_eq!(link.is_connected().await, Ok(false));
        let again = soon(central.connect(&METER)).await.unwrap();
        again.services().await.unwrap();
        assert_eq!(again.read(BATTERY).await.unwrap(), [98]);
        event(&mut heard, is(CentralEvent::Connected(METER))).await;
        // The name changes hands while a call is under way: it is never answered.
        fake.silence("GattCharacteristic1.ReadValue");
        let handing_over = async {
            sleep(SHORT / 4).await;
            fake.release_name().await.unwrap();
            fake.take_name().await.unwrap();
        };
        let (read, ()) = soon(async { tokio::join!(again.read(BATTERY), handing_over) }).await;
        assert_eq!(read, Err(Fault::Timeout("reading")));
        event(&mut events, is(PairingEvent::DaemonGone)).await;
        event(&mut events, is(PairingEvent::DaemonBack)).await;
        // Frozen, not dead.
        fake.freeze();
        assert_eq!(soon(pairing.ping()).await, Err(Fault::DaemonFrozen));
        for fault in [
            soon(pairing.power(true)).await.err(),
            soon(pairing.adapters()).await.err(),
            soon(pairing.bonds()).await.err(),
            soon(pairing.adapter_address()).await.err(),
        ] {
            assert_eq!(fault, Some(Fault::DaemonFrozen));
        }
        fake.heal();
        assert_eq!(pairing.ping().await, Ok(()));
    });
}

#[test]
fn a_daemon_that_comes_late_is_met_then() {
    on_a_bus("a_daemon_that_comes_late_is_met_then", async |mut fake| {
        fake.die();
        let (pairing, mut events) = opened().await;
        assert_eq!(pairing.ping().await, Err(Fault::NoDaemon));
        fake.silence("AgentManager1.RegisterAgent");
        fake.come_back().await.unwrap();
        event(&mut events, is(PairingEvent::DaemonBack)).await;
        assert_eq!(soon(pairing.ping()).await, Err(Fault::DaemonFrozen), "no agent yet");
        fake.heal();
        assert_eq!(pairing.ping().await, Ok(()), "the ping has made it up");
        assert_eq!(fake.agents(), 1);
    });
}

#[test]
fn an_adapter_that_goes_comes_or_is_off_is_told() {
    on_a_bus("an_adapter_that_goes_comes_or_is_off_is_told", async |fake| {
        let (central, _heard, link) = connected(&fake).await;
        let (pairing, mut events) = opened().await;
        assert_eq!(pairing.adapters().await.unwrap(), ["hci0"]);
        assert_eq!(pairing.adapter_address().await.unwrap().to_string(), "00:1A:7D:DA:71:13");
        fake.unplug();
        event(&mut events, is(PairingEvent::AdapterRemoved("hci0".to_owned()))).await;
        let none = || Fault::NoAdapter("hci0".to_owned());
        assert_eq!(pairing.ping().await, Err(none()));
        assert_eq!(central.start_scan().await, Err(none()));
        assert_eq!(pairing.power(true).await, Err(none()));
        assert_eq!(pairing.adapters().await.unwrap(), [""; 0]);
        assert_eq!(link.read(BATTERY).await, Err(Fault::Disconnected));
        assert_eq!(Central::open_with("hci0", deadlines()).await.err(), Some(none()));
        fake.plug();
        event(&mut events, is(PairingEvent::AdapterAdded("hci0".to_owned()))).await;
        assert_eq!(pairing.ping().await, Ok(()));
        pairing.power(false).await.unwrap();
        assert_eq!(pairing.ping().await, Err(Fault::AdapterOff));
        fake.refuse("Properties.Set", "org.bluez.Error.Blocked", "Blocked through rfkill");
        let switches = tempfile::tempdir().unwrap();
        let switch = switches.path().join("rfkill0");
        std::fs::create_dir(&switch).unwrap();
        for (file, text) in [("type", "bluetooth"), ("name", "hci0"), ("soft", "0"), ("hard", "1")]
        {
            std::fs::write(switch.join(file), text).unwrap();
        }
        let blocked =
            PairingDeadlines { switches: switches.path().to_owned(), ..pairing_deadlines() };
        let (blocked, _) = Pairing::open_with("hci0", blocked).await.unwrap();
        assert_eq!(blocked.power(true).await, Err(Fault::Blocked(true)));
        assert_eq!(blocked.ping().await, Err(Fault::Blocked(true)));
    });
}

#[test]
fn a_bus_that_is_gone_is_told() {
    on_a_bus("a_bus_that_is_gone_is_told", async |fake| {
        let (central, mut heard, link) = connected(&fake).await;
        let (pairing, mut events) = opened().await;
        let bus = std::env::var(BUS_PROCESS).unwrap();
        let ended = Command::new("sh").args(["-c", &format!("kill {bus}")]).status().unwrap();
        assert!(ended.success());
        event(&mut events, is(PairingEvent::BusLost)).await;
        event(&mut heard, is(CentralEvent::StreamEnded)).await;
        assert_eq!(soon(pairing.ping()).await, Err(Fault::NoBus));
        assert_eq!(soon(central.start_scan()).await, Err(Fault::NoBus));
        assert!(soon(link.read(BATTERY)).await.is_err());
        assert!(soon(Central::open_with("hci0", deadlines())).await.is_err());
        assert_eq!(soon(Pairing::open("hci0")).await.err(), Some(Fault::NoBus));
        // Taking its signal matches back fails in the library's background, at once or at the D-Bus
        // library's own deadline of 10 s: counted, and survived.
        drop((central, link));
        let counted = async {
            while library_panics() == 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON * 4, counted).await.expect("the panic was not counted");
    });
}
