//! A hub and the gateway's end of the line, with power cuts, noise and lost octets in between.

use super::picture::Picture;
use super::stand_in::{Flash, PAGE};
use hearth_hub::outbox::Extent;
use hearth_hub::screen::words::Words;
use hearth_hub::screen::{View, draw};
use hearth_hub::{Hub, Layout, Made, Rules, Start, Wake};
use hearth_shared::assess::alerts::Limits;
use hearth_shared::wire::frame::{self, Accumulator, FRAME_MAX};
use hearth_shared::wire::session::{HEADER_SIZE, digest};
use hearth_shared::wire::{
    Ack, CONTENT_MAX, Choice, Clock, Content, GatewayId, Hello, HubId, HubTicks, Key, Offer,
    Opened, PairOffer, Person, Prompt, PromptId, PromptState, RecordId, RefusalCode, Refused,
    ResetCause, Sample, Session, Settings, Side, StorageId, ToGateway, ToHub, Welcome, plain, sort,
};
use std::cell::RefCell;

const UTC: i64 = 1_790_000_000_000;
const KEY: [u8; 32] = [42; 32];

fn layout() -> Layout {
    let page = PAGE as u32;
    Layout {
        memory: Extent { start: 0, end: 4 * page },
        outbox: Extent { start: 4 * page, end: 12 * page },
    }
}

fn made() -> Made {
    Made { hub: HubId(7), board: 0, firmware: 0x0001_0000, slot: 0, confirmed: true }
}

pub(crate) fn weight(grams: i32) -> Sample {
    let raw = grams * 3;
    Sample {
        sensor: 0,
        quantity: 8,
        absent: 0,
        value: grams,
        second: 0,
        raw,
        unit: 9,
        marks: 0,
        person: 0,
    }
}

/// The gateway's end: journals records, acknowledges what it has, and nothing else.
struct Gateway {
    accumulator: Accumulator,
    hello: Option<[u8; 32]>,
    said: Option<Hello>,
    session: Option<Session>,
    nonce: u8,
    /// Committed: survives a restart of the gateway.
    committed: Vec<(RecordId, Content)>,
    known: Option<RecordId>,
    out: Vec<u8>,
    states: Vec<PromptState>,
    refused: Vec<Refused>,
    pairing: bool,
    paired: bool,
    prompts: Vec<PromptId>,
    keeps_quiet: bool,
}

impl Gateway {
    fn new() -> Self {
        Self {
            accumulator: Accumulator::new(),
            hello: None,
            said: None,
            session: None,
            nonce: 0,
            committed: Vec::new(),
            known: None,
            out: Vec::new(),
            states: Vec::new(),
            refused: Vec::new(),
            pairing: false,
            paired: false,
            prompts: Vec::new(),
            keeps_quiet: false,
        }
    }

    /// The process was killed and came back: what was committed is there.
    fn restart(&mut self) {
        self.accumulator = Accumulator::new();
        (self.hello, self.session) = (None, None);
        self.out.clear();
    }

    fn line(&mut self, content: &[u8]) {
        let mut line = [0; FRAME_MAX];
        self.out.extend(frame::write(content, &mut line).unwrap());
    }

    fn plain(&mut self, message: &ToHub<'_>) -> Vec<u8> {
        let mut content = [0; CONTENT_MAX];
        let size = message.encode(&mut content[2..]).unwrap();
        let content = plain(&mut content, size).unwrap().to_vec();
        self.line(&content);
        content
    }

    fn sealed(&mut self, message: &ToHub<'_>) {
        let mut content = [0; CONTENT_MAX];
        let size = message.encode(&mut content[HEADER_SIZE..]).unwrap();
        let Some(session) = &mut self.session else { return };
        let content = session.seal(&mut content, size).unwrap().to_vec();
        self.line(&content);
    }

    fn prompt(&mut self, id: PromptId) {
        let answers = [(Choice::DONE, "Done"), (Choice::LATER, "Later"), (Choice::HELP, "Help")];
        let answers = answers.map(|(choice, word)| Offer { choice, word }).into_iter().collect();
        self.sealed(&ToHub::Prompt(Prompt {
            id,
            level: 0,
            right_to_left: false,
            expires_in_s: 3600,
            text: "Please measure your blood pressure today.",
            answers,
        }));
    }

    fn hear(&mut self, octets: &[u8], now: HubTicks) {
        for octet in octets {
            let Some(Ok(content)) = self.accumulator.push(*octet) else { continue };
            let content = content.to_vec();
            match sort(&content) {
                Ok(Opened::Plain(payload)) => match ToGateway::decode(payload) {
                    Ok(ToGateway::Hello(hello)) => self.greet(hello, &content),
                    Ok(ToGateway::PairAccepted(accepted)) => {
                        assert_eq!(accepted.key_check, Key::from_octets(KEY).check());
                        self.paired = true;
                    }
                    Ok(ToGateway::Refused(refused)) => self.refused.push(refused),
                    other => panic!("not to be believed without a seal: {other:?}"),
                },
                Ok(Opened::Sealed(content)) => self.open(content, now),
                other => panic!("{other:?}"),
            }
        }
    }

    fn greet(&mut self, hello: Hello, content: &[u8]) {
        self.said = Some(hello);
        if self.pairing && hello.key_check != Key::from_octets(KEY).check() {
            let offer = PairOffer { gateway: GatewayId(1), storage: StorageId(99), key: KEY };
            self.plain(&ToHub::PairOffer(offer));
            return;
        }
        if hello.key_check == 0 {
            return;
        }
        self.nonce = self.nonce.wrapping_add(1);
        let nonce = [self.nonce; 16];
        let welcome = self.plain(&ToHub::Welcome(Welcome { gateway: GatewayId(1), nonce }));
        let (hello, welcome) = (digest(content), digest(&welcome));
        self.session = Some(Session::new(&Key::from_octets(KEY), Side::Gateway, &hello, &welcome));
        self.hello = Some(hello);
    }

    fn open(&mut self, content: &[u8], now: HubTicks) {
        let Some(session) = &mut self.session else {
            self.plain(&ToHub::Refused(Refused { code: RefusalCode::NO_SESSION, about: 255 }));
            return;
        };
        let first = !session.confirmed();
        let Ok(payload) = session.open(content).map(<[u8]>::to_vec) else { return };
        match ToGateway::decode(&payload).unwrap() {
            ToGateway::Record(record) => {
                let content = record.read().unwrap();
                let known = self.known;
                if record.follows(known) && Some(record.id) > known {
                    self.committed.push((record.id, content));
                    self.known = Some(record.id);
                }
                if let Some(through) = self.known.filter(|_| !self.keeps_quiet) {
                    self.sealed(&ToHub::Ack(Ack { storage: StorageId(99), through }));
                }
            }
            ToGateway::PromptState(state) => self.states.push(state),
            ToGateway::Status(_) if first => {
                self.time(now);
                for id in self.prompts.clone() {
                    self.prompt(id);
                }
            }
            ToGateway::Refused(refused) => self.refused.push(refused),
            _ => {}
        }
    }

    fn time(&mut self, now: HubTicks) {
        self.sealed(&ToHub::Clock(Clock {
            utc_ms: UTC + now.millis() as i64,
            offset_min: 0,
            change_ms: None,
            then_min: 0,
        }));
    }
}

struct World {
    flash: Flash,
    now: u64,
    gateway: Gateway,
}

impl World {
    fn new() -> Self {
        Self { flash: Flash::blank(12), now: 1000, gateway: Gateway::new() }
    }

    fn now(&self) -> HubTicks {
        HubTicks::from_millis(self.now)
    }

    fn start(&self) -> Start {
        Start { cause: ResetCause::POWER, detail: 0, now: self.now() }
    }

    /// Both ends run for this long; octets pass through `line` in each direction.
    fn run(
        &mut self,
        hub: &mut Hub<'_, Flash>,
        millis: u64,
        line: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Wake {
        let end = self.now + millis;
        loop {
            let now = self.now();
            let wake = hub.poll(now);
            let mut up = hub.outgoing().to_vec();
            hub.sent(up.len());
            let mut down = std::mem::take(&mut self.gateway.out);
            let busy = !up.is_empty() || !down.is_empty();
            line(&mut up);
            line(&mut down);
            self.gateway.hear(&up, now);
            hub.receive(&down, now);
            hub.screen_checked(now);
            assert_eq!(hub.overdue(now), None);
            if self.now >= end {
                return wake;
            }
            self.now = if busy { self.now + 1 } else { wake.at.millis().clamp(self.now + 1, end) };
        }
    }

    fn seen(&self) -> Vec<Content> {
        let seen = self.gateway.committed.iter().map(|(_, content)| *content);
        seen.filter(|content| !matches!(content, Content::Restart(_))).collect()
    }
}

fn clean(_: &mut Vec<u8>) {}

/// A cell for the flash that outlives the hub.
fn cell(world: &World) -> RefCell<Flash> {
    RefCell::new(world.flash.clone())
}

fn pair(world: &mut World) {
    let cell = cell(world);
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &cell, layout(), world.start(), &mut rules).unwrap();
    world.gateway.pairing = true;
    world.run(&mut hub, 3000, &mut clean);
    assert!(world.gateway.paired && hub.connected());
    world.gateway.pairing = false;
}

fn paired() -> World {
    let mut world = World::new();
    pair(&mut world);
    world.gateway.committed.clear();
    world
}

#[test]
fn a_new_hub_is_paired_and_both_show_the_same_number() {
    let mut world = World::new();
    let flash = cell(&world);
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
    world.run(&mut hub, 8000, &mut clean);
    let hello = world.gateway.said.unwrap();
    assert_eq!((hello.key_check, hello.storage, hello.boot.0), (0, StorageId(0), 1));
    assert!(!hub.connected());
    world.gateway.pairing = true;
    world.run(&mut hub, 6000, &mut clean);
    assert!(hub.connected() && world.gateway.paired);
    assert_eq!(world.gateway.said.unwrap().storage, StorageId(99));
    // Another gateway's offer finds the window closed.
    world.gateway.plain(&ToHub::PairOffer(PairOffer {
        gateway: GatewayId(2),
        storage: StorageId(5),
        key: [1; 32],
    }));
    world.run(&mut hub, 100, &mut clean);
    let refused = Refused { code: RefusalCode::WINDOW_CLOSED, about: 8 };
    assert_eq!(world.gateway.refused, [refused]);
    // Holding the first button opens it.
    hub.press(0, world.now());
    hub.press(0, world.now());
    world.run(&mut hub, 3500, &mut clean);
    world.gateway.plain(&ToHub::PairOffer(PairOffer {
        gateway: GatewayId(1),
        storage: StorageId(5),
        key: KEY,
    }));
    world.run(&mut hub, 3000, &mut clean);
    assert!(hub.connected());
    assert_eq!(
        world.gateway.said.unwrap().storage,
        StorageId(99),
        "a named storage keeps its name"
    );
}

#[test]
fn samples_are_handed_over_in_order_and_erased_after_the_acknowledgement() {
    let mut world = paired();
    let flash = cell(&world);
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
    world.gateway.keeps_quiet = true;
    for n in 0..40 {
        hub.sample(&weight(70_000 + n), world.now());
    }
    world.run(&mut hub, 1500, &mut clean);
    assert_eq!(hub.kept(), 41, "nothing is erased before the acknowledgement");
    world.gateway.keeps_quiet = false;
    world.run(&mut hub, 5000, &mut clean);
    assert_eq!(hub.kept(), 0);
    let expected: Vec<_> = (0..40).map(|n| Content::Sample(weight(70_000 + n))).collect();
    assert_eq!(world.seen(), expected);
}

#[test]
fn a_press_is_kept_before_the_thanks_and_arrives_once_whatever_happens() {
    let prompt = PromptId([5; 16]);
    // How many flash operations does a press take? Cut before each of them, and after.
    for cut in 0..12 {
        let mut world = paired();
        world.gateway.prompts = vec![prompt];
        let thanked = {
            let flash = cell(&world);
            let mut rules = Rules::new();
            let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
            world.run(&mut hub, 2000, &mut clean);
            let shown = PromptState { prompt, state: PromptState::SHOWN };
            assert!(world.gateway.states.contains(&shown), "{:?}", world.gateway.states);
            // The gateway is gone from here on.
            let before = world.flash.operations();
            world.flash.cut_at(before + cut);
            hub.press(0, world.now());
            let face = hub.poll(world.now());
            assert!(face.redraw);
            let mut picture = Picture::new();
            hub.draw(&mut picture).unwrap();
            let mut thanks = Picture::new();
            let words = hearth_hub::screen::words::Words::of(*b"en");
            hearth_hub::screen::draw(&hearth_hub::screen::View::Thanks, words, &mut thanks)
                .unwrap();
            picture == thanks
        };
        // Power comes back; the gateway, too, and sends the prompt again.
        world.flash.power_on();
        world.gateway.restart();
        world.gateway.states.clear();
        let flash = cell(&world);
        let mut rules = Rules::new();
        let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
        world.run(&mut hub, 8000, &mut clean);
        let answers =
            |world: &World| world.seen().iter().filter(|c| matches!(c, Content::Answer(_))).count();
        if thanked {
            assert_eq!(answers(&world), 1, "cut {cut}: thanked, and the answer is lost");
            let states: Vec<u8> = world.gateway.states.iter().map(|s| s.state).collect();
            assert_eq!(states, [PromptState::ANSWERED], "cut {cut}: shown again");
        } else if answers(&world) == 0 {
            // Not kept, not thanked: it is asked again, and can be answered.
            hub.press(0, world.now());
            world.run(&mut hub, 3000, &mut clean);
            assert_eq!(answers(&world), 1, "cut {cut}");
        }
        hub.press(0, world.now());
        hub.press(0, world.now());
        world.run(&mut hub, 4000, &mut clean);
        assert_eq!(answers(&world), 1, "cut {cut}: answered twice");
    }
}

#[test]
fn with_resets_kills_noise_and_lost_octets_everything_arrives_once_and_in_order() {
    for seed in 1..=12_u64 {
        let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut below = move |n: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 20) % n
        };
        let mut world = paired();
        let mut made_here = Vec::new();
        for round in 0..12 {
            let flash = cell(&world);
            let mut rules = Rules::new();
            let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
            for _ in 0..below(6) + 1 {
                for _ in 0..below(8) {
                    let grams = 60_000 + made_here.len() as i32;
                    hub.sample(&weight(grams), world.now());
                    made_here.push(Content::Sample(weight(grams)));
                }
                let noise = below(4) == 0;
                let mut dice = below(u64::MAX) | 1;
                let mut line = |octets: &mut Vec<u8>| {
                    octets.retain_mut(|octet| {
                        dice ^= dice << 13;
                        dice ^= dice >> 7;
                        dice ^= dice << 17;
                        if noise && dice.is_multiple_of(97) {
                            *octet ^= 1 << (dice >> 61);
                        }
                        !(noise && dice.is_multiple_of(101))
                    });
                };
                world.run(&mut hub, 200 + below(4000), &mut line);
                if below(4) == 0 {
                    world.gateway.restart();
                }
            }
            assert!(round < 12);
        }
        let flash = cell(&world);
        let mut rules = Rules::new();
        let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
        world.run(&mut hub, 60_000, &mut clean);
        assert_eq!(hub.kept(), 0, "seed {seed}");
        assert_eq!(world.seen(), made_here, "seed {seed}");
    }
}

/// Milliseconds until a thousand records are handed over at 115,200 baud, 11 octets a millisecond each way.
fn handed_over(errors: u64) -> u64 {
    let mut world = paired();
    world.flash = Flash::blank(68);
    let page = PAGE as u32;
    let layout = Layout {
        memory: Extent { start: 0, end: 4 * page },
        outbox: Extent { start: 4 * page, end: 68 * page },
    };
    let flash = cell(&world);
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &flash, layout, world.start(), &mut rules).unwrap();
    world.gateway.pairing = true;
    world.gateway.known = None;
    world.run(&mut hub, 3000, &mut clean);
    world.gateway.committed.clear();
    for n in 0..1000 {
        hub.sample(&weight(n), world.now());
    }
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let mut dice = 0x5EED_0004_u64;
    let mut hurt = |octets: &mut Vec<u8>| {
        octets.retain_mut(|octet| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            match (dice >> 8) % 10_000 {
                chance if chance < errors => *octet ^= 1 << (dice >> 61),
                chance if chance < 2 * errors => return false,
                _ => {}
            }
            true
        });
    };
    let start = world.now;
    while hub.kept() > 0 {
        assert!(world.now - start < 600_000, "{} are left", hub.kept());
        world.now += 1;
        let now = world.now();
        hub.poll(now);
        let room = 11_usize.saturating_sub(up.len());
        let taken = hub.outgoing().len().min(room);
        up.extend_from_slice(&hub.outgoing()[..taken]);
        hub.sent(taken);
        down.append(&mut world.gateway.out);
        let mut arrives: Vec<u8> = down.drain(..down.len().min(11)).collect();
        hurt(&mut up);
        hurt(&mut arrives);
        world.gateway.hear(&up, now);
        up.clear();
        hub.receive(&arrives, now);
    }
    let expected: Vec<_> = (0..1000).map(|n| Content::Sample(weight(n))).collect();
    assert_eq!(world.seen(), expected);
    world.now - start
}

#[test]
fn flips_and_drops_of_one_in_ten_thousand_leave_four_fifths_of_the_goodput() {
    let (clean, noisy) = (handed_over(0), handed_over(1));
    println!("1000 records: {clean} ms clean, {noisy} ms with flips and drops at 1e-4 each");
    assert!(noisy * 80 <= clean * 100, "{noisy} ms against {clean} ms");
    // And where every other frame is hurt it still ends.
    println!("{} ms at 5e-3 each", handed_over(50));
}

#[test]
fn when_the_storage_is_full_the_loss_is_told_in_its_place() {
    let mut world = paired();
    let flash = cell(&world);
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
    let mut n = 0;
    // Until samples are refused: more than fit, and no gateway.
    while n < 1200 {
        hub.sample(&weight(50_000 + n), world.now());
        n += 1;
    }
    let kept = hub.kept();
    drop(hub);
    // A power cut does not forget the count.
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
    world.run(&mut hub, 60_000, &mut clean);
    assert_eq!(hub.kept(), 0);
    hub.sample(&weight(99_000), world.now());
    world.run(&mut hub, 3000, &mut clean);
    let seen = world.seen();
    let lost: Vec<u32> = seen
        .iter()
        .filter_map(|content| match content {
            Content::Loss(loss) => Some(loss.count),
            _ => None,
        })
        .collect();
    let arrived = seen.iter().filter(|c| matches!(c, Content::Sample(_))).count() as u32;
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0] + arrived, 1201, "{kept} kept");
    assert!(matches!(seen[seen.len() - 2], Content::Loss(_)), "before the next sample");
    assert_eq!(seen.last(), Some(&Content::Sample(weight(99_000))));
}

#[test]
fn a_critical_value_is_on_the_screen_at_once_without_any_gateway() {
    let mut world = paired();
    {
        let flash = cell(&world);
        let mut rules = Rules::new();
        let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
        world.run(&mut hub, 2000, &mut clean);
        let person =
            Person { slot: 0, present: true, prompts: true, start: 0, limits: Limits::default() };
        world.gateway.sealed(&ToHub::Person(person));
        // Quiet hours all day long.
        world.gateway.sealed(&ToHub::Settings(Settings {
            revision: 3,
            language: *b"en",
            quiet_from: 0,
            quiet_to: 1439,
            volume: 2,
            ..Settings::default()
        }));
        world.run(&mut hub, 1000, &mut clean);
        let prompt = PromptId([6; 16]);
        world.gateway.prompt(prompt);
        let wake = world.run(&mut hub, 1000, &mut clean);
        assert!(wake.dim && !wake.lamp && wake.buzzer == 0, "an ordinary prompt waits");
    }
    // A power cut, and the gateway stays away: glucose of 2.5 mmol/L.
    let flash = cell(&world);
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
    let low = Sample { quantity: 1, value: 2500, unit: 2, ..weight(0) };
    hub.sample(&low, world.now());
    let wake = hub.poll(world.now());
    assert!(wake.redraw && wake.buzzer > 0 && !wake.dim, "{wake:?}");
    let alert = {
        let mut picture = Picture::new();
        hub.draw(&mut picture).unwrap();
        picture
    };
    assert!(alert.count() > 300);
    super::picture::sheet(&[alert], 1, "alert-without-gateway.png");
    world.now += 5000;
    hub.poll(world.now());
    hub.press(0, world.now());
    // Back again: sample, alert, answer, in this order.
    world.gateway.restart();
    world.run(&mut hub, 8000, &mut clean);
    let seen = world.seen();
    let tail = &seen[seen.len() - 3..];
    assert!(
        matches!(tail, [Content::Sample(_), Content::Alert(_), Content::Answer(_)]),
        "{tail:?}"
    );
    let Content::Alert(alert) = tail[1] else { unreachable!() };
    assert_eq!((alert.rule, alert.level, alert.kind), (0, 2, 0));
}

#[test]
fn holding_the_last_button_calls_for_help() {
    let mut world = paired();
    let flash = cell(&world);
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
    world.run(&mut hub, 2000, &mut clean);
    hub.press(2, world.now());
    world.run(&mut hub, 1000, &mut clean);
    hub.release(2);
    world.run(&mut hub, 3000, &mut clean);
    assert_eq!(world.seen(), [], "a short press is no call");
    hub.press(2, world.now());
    world.run(&mut hub, 4000, &mut clean);
    assert_eq!(world.seen(), [Content::Help]);
}

#[test]
fn a_call_for_help_is_passed_on_only_once_it_is_acknowledged() {
    let mut world = paired();
    let flash = cell(&world);
    let mut rules = Rules::new();
    let mut hub = Hub::start(made(), &flash, layout(), world.start(), &mut rules).unwrap();
    world.run(&mut hub, 2000, &mut clean);
    let words = Words::of(*b"en");
    let seen = |hub: &mut Hub<'_, Flash>| {
        let mut picture = Picture::new();
        hub.draw(&mut picture).unwrap();
        picture
    };
    let shown = |linked| {
        let mut picture = Picture::new();
        draw(&View::Help { linked }, words, &mut picture).unwrap();
        picture
    };
    // The link counts as open, but nothing gets through.
    hub.press(2, world.now());
    world.run(&mut hub, 4000, &mut |bytes| bytes.clear());
    assert!(hub.connected());
    assert!(seen(&mut hub) == shown(false), "kept here, not passed on");
    hub.release(2);
    world.run(&mut hub, 2500, &mut clean);
    assert_eq!(world.seen(), [Content::Help]);
    assert!(seen(&mut hub) == shown(true), "passed on");
}
