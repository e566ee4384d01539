//! Every message and every record content, octet by octet, in both directions.

use super::{Dice, golden};
use hearth_shared::assess::alerts::Limits;
use hearth_shared::wire::{
    Ack, Answer, BootId, CONTENT_MAX, Choice, Clock, Content, Forget, GatewayId, Hello, HubAlert,
    HubId, HubLog, HubTicks, LastReading, Loss, MessageError, Offer, PROMPT_TEXT_MAX, PairAccepted,
    PairOffer, Person, Prompt, PromptId, PromptState, Record, RecordId, RefusalCode, Refused,
    ResetCause, Restart, Sample, Settings, Stamp, Status, StorageId, ToGateway, ToHub, UpdateBegin,
    UpdateChunk, UpdateStatus, Welcome, Withdraw,
};

const UTC: i64 = 1_790_000_000_000;

fn counting<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|i| from + i as u8)
}

fn record_id(boot: u32, number: u32) -> RecordId {
    RecordId { boot: BootId(boot), number }
}

fn stamp(ticks: u64, utc_ms: Option<i64>) -> Stamp {
    Stamp { ticks: HubTicks::from_millis(ticks), utc_ms }
}

fn prompt_id() -> PromptId {
    PromptId(counting(0xA0))
}

pub(super) fn sample() -> Content {
    Content::Sample(Sample {
        sensor: 1,
        quantity: 8,
        absent: 0,
        value: 71_214,
        second: 0,
        raw: -5,
        unit: 10,
        marks: 2,
        person: Sample::NOBODY,
    })
}

pub(super) fn hello() -> ToGateway<'static> {
    ToGateway::Hello(Hello {
        hub: HubId(0xE660_D4A0_A712_3456),
        board: 1,
        firmware: 0x0102_0003,
        confirmed: true,
        slot: 0,
        rules: 0xDEAD_BEEF,
        key_check: 0x1122_3344,
        storage: StorageId(77),
        boot: BootId(42),
        cause: ResetCause::ASKED,
        oldest: Some(record_id(41, 9)),
        newest: None,
        nonce: counting(0),
    })
}

pub(super) fn welcome() -> ToHub<'static> {
    ToHub::Welcome(Welcome { gateway: GatewayId(0x1122_3344_5566_7788), nonce: counting(16) })
}

pub(super) fn status() -> ToGateway<'static> {
    ToGateway::Status(Status {
        now: stamp(60_000, None),
        kept: 5,
        storage_permille: 125,
        refused: 0,
        bad_frames: 3,
        settings: 9,
        prompts: 1,
    })
}

pub(super) fn ack() -> ToHub<'static> {
    ToHub::Ack(Ack { storage: StorageId(77), through: record_id(42, 300) })
}

fn contents() -> [(&'static str, Content); 6] {
    let answer = Answer { prompt: prompt_id(), choice: Choice::DONE, after_ms: 1500 };
    let loss = Loss { count: 300, first: stamp(1000, None), last: stamp(9000, Some(UTC)) };
    let restart = Restart {
        cause: ResetCause::WATCHDOG,
        detail: 7,
        before: BootId(41),
        firmware: 0x0102_0003,
    };
    [
        ("content sample", sample()),
        ("content answer", Content::Answer(answer)),
        ("content alert", Content::Alert(HubAlert { person: 0, rule: 11, level: 1, kind: 0 })),
        ("content help", Content::Help),
        ("content loss", Content::Loss(loss)),
        ("content restart", Content::Restart(restart)),
    ]
}

fn to_gateway(sample: &[u8], check: &mut dyn FnMut(&str, ToGateway<'_>)) {
    check("hello", hello());
    let record = Record {
        id: record_id(42, 300),
        after: Some(record_id(42, 299)),
        at: stamp(123_456, Some(UTC)),
        content: sample,
    };
    check("record", ToGateway::Record(record));
    check("status", status());
    check(
        "prompt_state",
        ToGateway::PromptState(PromptState { prompt: prompt_id(), state: PromptState::SHOWN }),
    );
    let at = HubTicks::from_millis(99);
    check("log", ToGateway::Log(HubLog { at, level: 2, code: 513, text: "no room" }));
    check("update", ToGateway::Update(UpdateStatus { state: 4, reason: 16, next: 4096 }));
    let hub = HubId(0xE660_D4A0_A712_3456);
    let accepted = PairAccepted { hub, storage: StorageId(77), key_check: 0x1122_3344 };
    check("pair_accepted", ToGateway::PairAccepted(accepted));
    check("refused", ToGateway::Refused(Refused { code: RefusalCode::WINDOW_CLOSED, about: 8 }));
}

fn to_hub(check: &mut dyn FnMut(&str, ToHub<'_>)) {
    check("welcome", welcome());
    check("ack", ack());
    let offer = |choice, word| Offer { choice, word };
    let answers = [
        offer(Choice::DONE, "Erledigt"),
        offer(Choice::LATER, "Später"),
        offer(Choice::HELP, "Hilfe"),
    ];
    let prompt = Prompt {
        id: prompt_id(),
        level: 3,
        right_to_left: false,
        expires_in_s: 3600,
        text: "Bitte gleich messen. Grüße",
        answers: answers.into_iter().collect(),
    };
    check("prompt", ToHub::Prompt(prompt));
    check("withdraw", ToHub::Withdraw(Withdraw { prompt: prompt_id() }));
    let clock = Clock { utc_ms: UTC, offset_min: 120, change_ms: Some(UTC + 1), then_min: 60 };
    check("clock", ToHub::Clock(clock));
    let settings = Settings {
        revision: 9,
        language: *b"de",
        quiet_from: 1320,
        quiet_to: 420,
        muted_until_ms: None,
        volume: 2,
        mmol: true,
        ..Settings::default()
    };
    check("settings", ToHub::Settings(settings));
    let person = Person {
        slot: 0,
        present: true,
        prompts: true,
        start: 1_700_000_000,
        limits: Limits::default(),
    };
    check("person", ToHub::Person(person));
    let last = LastReading {
        utc_ms: UTC,
        right_to_left: false,
        level: 0,
        what: "Weight",
        value: "71.2 kg",
        meaning: "As expected",
    };
    check("last_reading", ToHub::LastReading(last));
    let gateway = GatewayId(0x1122_3344_5566_7788);
    check(
        "pair_offer",
        ToHub::PairOffer(PairOffer { gateway, storage: StorageId(77), key: counting(100) }),
    );
    check("forget", ToHub::Forget(Forget { records: true }));
    let begin = UpdateBegin {
        size: 65_536,
        firmware: 0x0102_0004,
        board: 2,
        digest: [1; 32],
        signature_r: [2; 32],
        signature_s: [3; 32],
    };
    check("update_begin", ToHub::UpdateBegin(begin));
    check("update_chunk", ToHub::UpdateChunk(UpdateChunk { offset: 512, octets: &[0; 5] }));
    check("update_finish", ToHub::UpdateFinish);
    check("refused", ToHub::Refused(Refused { code: RefusalCode::NO_SESSION, about: 255 }));
}

#[test]
fn every_record_content_has_its_golden_octets() {
    for (name, content) in contents() {
        let expected = golden(name);
        let mut place = [0; 64];
        assert_eq!(content.encode(&mut place).unwrap(), expected, "{name}");
        assert_eq!(Content::decode(&expected), Ok(content), "{name}");
        for end in 0..expected.len() {
            let cut = Content::decode(&expected[..end]);
            assert_eq!(cut, Err(MessageError::Malformed), "{name} cut at {end}");
        }
    }
}

#[test]
fn every_message_to_the_gateway_has_its_golden_octets() {
    let mut count = 0;
    to_gateway(&golden("content sample"), &mut |name, message| {
        let expected = golden(&format!("gateway {name}"));
        let mut place = [0; CONTENT_MAX];
        let size = message.encode(&mut place).unwrap();
        assert_eq!(place[..size], expected, "{name}");
        assert_eq!(ToGateway::decode(&expected), Ok(message), "{name}");
        assert_eq!(u32::from(expected[0]), count, "{name} keeps its number");
        for end in 0..expected.len() {
            assert_eq!(ToGateway::decode(&expected[..end]), Err(MessageError::Malformed));
        }
        let longer = [expected.as_slice(), &[0]].concat();
        assert_eq!(ToGateway::decode(&longer), Err(MessageError::Malformed), "{name}");
        count += 1;
    });
    assert_eq!(ToGateway::decode(&[count as u8]), Err(MessageError::Unknown(count)));
}

#[test]
fn every_message_to_the_hub_has_its_golden_octets() {
    let mut count = 0;
    to_hub(&mut |name, message| {
        let expected = golden(&format!("hub {name}"));
        let mut place = [0; CONTENT_MAX];
        let size = message.encode(&mut place).unwrap();
        assert_eq!(place[..size], expected, "{name}");
        assert_eq!(ToHub::decode(&expected).as_ref(), Ok(&message), "{name}");
        assert_eq!(u32::from(expected[0]), count, "{name} keeps its number");
        for end in 0..expected.len() {
            assert_eq!(ToHub::decode(&expected[..end]), Err(MessageError::Malformed));
        }
        count += 1;
    });
    assert_eq!(ToHub::decode(&[count as u8]), Err(MessageError::Unknown(count)));
}

#[test]
fn a_record_of_a_later_kind_is_carried_though_it_cannot_be_read() {
    let content = [200, 1, 2, 3];
    let record = Record { id: record_id(1, 1), after: None, at: stamp(5, None), content: &content };
    let mut place = [0; 64];
    let size = ToGateway::Record(record).encode(&mut place).unwrap();
    let Ok(ToGateway::Record(back)) = ToGateway::decode(&place[..size]) else { panic!("lost") };
    assert_eq!(back.content, content);
    assert_eq!(back.read(), Err(MessageError::Unknown(200)));
}

#[test]
fn the_hubs_own_prompts_are_told_by_their_id() {
    let own = PromptId::of_hub(record_id(1, 2));
    assert_eq!(own.0, *b"hearthub\0\0\0\x01\0\0\0\x02");
    assert_eq!(own.alert(), Some(record_id(1, 2)));
    assert_eq!(prompt_id().alert(), None);
}

#[test]
fn what_is_too_long_is_not_sent_and_not_taken() {
    let text = "x".repeat(PROMPT_TEXT_MAX + 1);
    let mut prompt = Prompt {
        id: prompt_id(),
        level: 0,
        right_to_left: false,
        expires_in_s: 1,
        text: &text,
        answers: heapless::Vec::new(),
    };
    let mut place = [0; CONTENT_MAX];
    assert_eq!(ToHub::Prompt(prompt.clone()).encode(&mut place), Err(MessageError::TooLong));
    let by_hand = postcard::to_slice(&ToHub::Prompt(prompt.clone()), &mut place).unwrap();
    assert_eq!(ToHub::decode(by_hand), Err(MessageError::TooLong));
    prompt.text = &text[1..];
    assert!(ToHub::Prompt(prompt).encode(&mut place).is_ok());
}

#[test]
fn random_octets_are_refused_or_come_back_the_same() {
    let seed = 0x5EED_0001;
    println!("seed {seed:#x}");
    let mut dice = Dice(seed);
    let mut accepted = 0;
    for _ in 0..200_000 {
        let size = dice.below(40) as usize;
        let octets: Vec<u8> = (0..size)
            .map(|i| if i == 0 { dice.below(16) as u8 } else { dice.below(256) as u8 })
            .collect();
        if let Ok(message) = ToHub::decode(&octets) {
            let mut place = [0; CONTENT_MAX];
            let size = message.encode(&mut place).unwrap();
            assert_eq!(ToHub::decode(&place[..size]).as_ref(), Ok(&message));
            accepted += 1;
        }
        if let Ok(message) = ToGateway::decode(&octets) {
            let mut place = [0; CONTENT_MAX];
            let size = message.encode(&mut place).unwrap();
            assert_eq!(ToGateway::decode(&place[..size]), Ok(message));
            accepted += 1;
        }
    }
    assert!(accepted > 100, "{accepted}");
}
