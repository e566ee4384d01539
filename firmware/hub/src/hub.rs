//! The hub: joins its parts, and is the only one that acts on what comes.

mod draw;

use core::cell::RefCell;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use heapless::{Deque, String, Vec};
use hearth_shared::wire::{
    Ack, Answer, BootId, CONTENT_MAX, Choice, Content, Hello, HubId, HubTicks, Key, Loss,
    PairAccepted, PairOffer, Person, PromptId, PromptState, RecordId, RefusalCode, Refused,
    ResetCause, Restart, Sample, Settings, Status, StorageId, ToGateway, ToHub, UpdateStatus,
    WINDOW,
};

use crate::StoreFault;
use crate::checkin::{CheckIns, Part};
use crate::clock::HubClock;
use crate::flash::Shared;
use crate::link::{Heard, Link};
use crate::memory::{Memory, Pairing, Slot};
use crate::outbox::{Extent, Kept, Outbox, RECORD_BUFFER, RecordBuffer};
use crate::prompts::{CRITICAL, Held, Own, Prompts};
use crate::reading::Last;
use crate::rules::{Rules, Said};
use crate::screen::words::Words;
use crate::signals::{self, Buzzer, Lamp};
use draw::Face;

/// What is not acknowledged is sent again after this long.
const RESEND_MS: u64 = 1_000;
/// `Status` is sent at least this often.
const STATUS_MS: u64 = 60_000;
/// How long the pairing window stays open after the button was held.
const WINDOW_MS: u64 = 120_000;
/// How long the number to compare stands.
const DIGITS_MS: u64 = 60_000;
/// Thanks and its like stand this long.
const PASSING_MS: u64 = 3_000;
/// The word about help stands longer: it has to be read.
const HELP_MS: u64 = 10_000;
/// A press sooner after a prompt appeared was meant for what stood there before.
const TOO_SOON_MS: u64 = 700;
/// Holding the first button this long opens the pairing window.
const HOLD_PAIR_MS: u64 = 3_000;
/// Holding the last button this long calls for help.
const HOLD_HELP_MS: u64 = 2_000;
/// The time is remembered this often.
const REMEMBER_TIME_MS: i64 = 3_600_000;
/// Answers to messages that wait for the line.
const REPLIES_MAX: usize = 8;
/// What the rules said stands this long, unless somebody presses.
const OWN_LASTS_MS: u64 = 6 * 3_600_000;
/// The flash is asked this often whether it still answers.
const ASK_STORE_MS: u64 = 1_000;
/// The program looks around at least this often.
const LOOK_MS: u64 = 1_000;

/// What this program is and runs on.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// The hub.
    pub hub: HubId,
    /// Kind of board, as in `Hello`.
    pub board: u32,
    /// Version of the program, as in `Hello`.
    pub firmware: u32,
    /// The slot that runs.
    pub slot: u8,
    /// The program has confirmed itself.
    pub confirmed: bool,
}

/// Where in the flash.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// For what is remembered: up to eight pages.
    pub memory: Extent,
    /// For records: up to sixty-four pages.
    pub outbox: Extent,
}

/// Why and when the program started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// Why.
    pub cause: ResetCause,
    /// More about it, as in `Restart`.
    pub detail: u32,
    /// The clock at the start.
    pub now: HubTicks,
}

/// What `poll` asks of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// Call again then at the latest; sooner when an octet or a press came.
    pub at: HubTicks,
    /// The screen shows something else now: draw.
    pub redraw: bool,
    /// The lamp.
    pub lamp: bool,
    /// The buzzer: 0 silent to 3.
    pub buzzer: u8,
    /// The screen is to be dim.
    pub dim: bool,
}

#[derive(Clone, Copy)]
enum Passing {
    Thanks,
    NotKept,
    Help,
}

#[derive(Clone, Copy)]
enum Reply {
    Prompt(PromptState),
    Refused(Refused),
    Update(UpdateStatus),
    Paired(PairAccepted),
}

/// The hub's program.
pub struct Hub<'f, F: MultiwriteNorFlash> {
    made: Made,
    memory: Memory<Shared<'f, F>>,
    outbox: Outbox<Shared<'f, F>>,
    link: Link,
    clock: HubClock,
    prompts: Prompts,
    rules: &'f mut Rules,
    buzzer: Buzzer,
    checks: CheckIns,
    start: Start,
    pairing: Option<(Key, Pairing)>,
    storage: StorageId,
    settings: Settings,
    last: Option<Last>,
    loss: Loss,
    /// The record sent last, and how many wait for their acknowledgement.
    cursor: Option<RecordId>,
    sent_through: Option<RecordId>,
    in_flight: u32,
    sent_at: HubTicks,
    /// What the gateway acknowledged last, and whether its saying so again was acted on.
    acknowledged: Option<RecordId>,
    went_back: bool,
    replies: Deque<Reply, REPLIES_MAX>,
    status_due: HubTicks,
    window_until: Option<HubTicks>,
    digits_until: Option<HubTicks>,
    passing: Option<(Passing, HubTicks)>,
    pressed: [Option<HubTicks>; 3],
    linked: bool,
    lost_since: Option<HubTicks>,
    alarm_again: Option<HubTicks>,
    time_remembered_ms: i64,
    store_asked: HubTicks,
    /// The store's latest answer was a fault.
    fault: bool,
    face: Option<Face>,
    home_since: HubTicks,
}

impl<'f, F: MultiwriteNorFlash> Hub<'f, F> {
    /// Starts: counts the boot, finds what an earlier one left, and keeps why it ended. `rules` is a new
    /// [`Rules`]; it is by far the largest part, and stays where the board put it.
    ///
    /// # Errors
    /// [`StoreFault`] if the flash cannot be used at all.
    pub fn start(
        made: Made,
        flash: &'f RefCell<F>,
        layout: Layout,
        start: Start,
        rules: &'f mut Rules,
    ) -> Result<Self, StoreFault> {
        let now = start.now;
        let mut memory = Memory::open(Shared::new(flash), layout.memory)?;
        let boot = memory.begin_boot()?;
        let floor: i64 = memory.recall(Slot::LastTime)?.unwrap_or_default();
        let settings: Settings = memory.recall(Slot::Settings)?.unwrap_or_default();
        rules.set_quiet(settings.quiet_from, settings.quiet_to);
        for slot in [Slot::Person0, Slot::Person1] {
            if let Some(person) = memory.recall::<Person>(slot)? {
                rules.set_person(&person);
            }
        }
        let mut loss: Loss = memory.recall(Slot::Loss)?.unwrap_or_default();
        let mut prompts = Prompts::new();
        let mut told = false;
        let mut outbox = Outbox::open(Shared::new(flash), layout.outbox, boot, |record| {
            match record.read() {
                Ok(Content::Answer(answer)) => prompts.answered(answer.prompt),
                // Power went between keeping the loss and forgetting that it was to be kept.
                Ok(Content::Loss(kept)) => told = told || kept == loss,
                Ok(Content::Sample(sample)) => {
                    let seconds = record.at.utc_ms.map(|ms| ms.div_euclid(1000));
                    if let Some(at) = seconds.and_then(|s| u32::try_from(s).ok()) {
                        // What was said then was said then.
                        let _ = rules.judge(&sample, at, at);
                    }
                }
                _ => {}
            }
        })?;
        if told {
            loss = Loss::default();
            memory.forget(Slot::Loss)?;
        }
        let clock = HubClock::after(floor);
        let restart = Restart {
            cause: start.cause,
            detail: start.detail,
            before: BootId(boot.0.saturating_sub(1)),
            firmware: made.firmware,
        };
        outbox.keep(clock.stamp(now), &Content::Restart(restart))?;
        let pairing: Option<Pairing> = memory.recall(Slot::Pairing)?;
        let storage = memory.storage()?;
        let last = memory.recall(Slot::LastReading)?;
        Ok(Self {
            made,
            memory,
            outbox,
            link: Link::new(now),
            clock,
            prompts,
            rules,
            buzzer: Buzzer::default(),
            checks: CheckIns::at(now),
            start,
            pairing: pairing.map(|pairing| (Key::from_octets(pairing.key), pairing)),
            storage,
            settings,
            last,
            loss,
            cursor: None,
            sent_through: None,
            in_flight: 0,
            sent_at: now,
            acknowledged: None,
            went_back: false,
            replies: Deque::new(),
            status_due: now,
            window_until: None,
            digits_until: None,
            passing: None,
            pressed: [None; 3],
            linked: false,
            lost_since: None,
            alarm_again: None,
            time_remembered_ms: floor,
            store_asked: now,
            fault: false,
            face: None,
            home_since: now,
        })
    }

    /// Octets from the line.
    pub fn receive(&mut self, octets: &[u8], now: HubTicks) {
        let mut place = [0; CONTENT_MAX];
        for octet in octets {
            match self.link.hear(*octet, now, &mut place) {
                None => {}
                Some(Heard::OtherVersion) => self.link.refuse_version(now),
                Some(Heard::Plain(size)) => {
                    let payload = place.get(..size).unwrap_or(&[]);
                    self.heard_plain(payload, now);
                }
                Some(Heard::Sealed(size)) => {
                    let payload = place.get(..size).unwrap_or(&[]);
                    self.heard_sealed(payload, now);
                }
            }
        }
        self.checks.check_in(Part::Line, now);
    }

    fn heard_plain(&mut self, payload: &[u8], now: HubTicks) {
        let Ok(message) = ToHub::decode(payload) else { return };
        match message {
            ToHub::Welcome(_) => {
                let Some((key, _)) = &self.pairing else { return };
                if self.link.welcomed(key, payload, now) {
                    self.status_due = now;
                }
            }
            ToHub::PairOffer(offer) => self.pair(offer, now),
            // Advice: the worst that comes of a false one is another `Hello`.
            ToHub::Refused(Refused { code: RefusalCode::NO_SESSION, .. }) if self.link.open() => {
                self.link.restart(now);
            }
            _ => {}
        }
    }

    fn pair(&mut self, offer: PairOffer, now: HubTicks) {
        if !self.window_open(now) {
            self.reply(Reply::Refused(Refused { code: RefusalCode::WINDOW_CLOSED, about: 8 }));
            return;
        }
        let pairing = Pairing { gateway: offer.gateway, key: offer.key };
        let kept = (|| {
            if self.storage == StorageId::default() {
                self.memory.remember(Slot::Storage, &offer.storage)?;
                self.storage = offer.storage;
            }
            self.memory.remember(Slot::Pairing, &pairing)
        })();
        if self.note(kept, now).is_none() {
            self.reply(Reply::Refused(Refused { code: RefusalCode::STORAGE, about: 8 }));
            return;
        }
        let key = Key::from_octets(offer.key);
        let key_check = key.check();
        self.pairing = Some((key, pairing));
        self.window_until = None;
        self.digits_until = Some(now.plus_millis(DIGITS_MS));
        self.reply(Reply::Paired(PairAccepted {
            hub: self.made.hub,
            storage: self.storage,
            key_check,
        }));
        self.link.restart(now);
    }

    /// A hub that was never paired stands open; another one while a person says so.
    fn window_open(&self, now: HubTicks) -> bool {
        self.pairing.is_none() || self.window_until.is_some_and(|until| now < until)
    }

    fn heard_sealed(&mut self, payload: &[u8], now: HubTicks) {
        let about = payload.first().copied().unwrap_or(255);
        let message = match ToHub::decode(payload) {
            Ok(message) => message,
            Err(hearth_shared::wire::MessageError::Unknown(_)) => {
                let code = RefusalCode::UNKNOWN_MESSAGE;
                return self.reply(Reply::Refused(Refused { code, about }));
            }
            Err(_) => {
                let code = RefusalCode::MALFORMED;
                return self.reply(Reply::Refused(Refused { code, about }));
            }
        };
        let done = match message {
            ToHub::Ack(ack) => self.acknowledged(ack, now),
            ToHub::Prompt(prompt) => {
                let state = self.prompts.offer(&prompt, now);
                self.reply(Reply::Prompt(PromptState { prompt: prompt.id, state }));
                Ok(())
            }
            ToHub::Withdraw(withdraw) => {
                let state = if self.prompts.has_answered(withdraw.prompt) {
                    PromptState::ANSWERED
                } else {
                    self.prompts.withdraw(withdraw.prompt);
                    PromptState::WITHDRAWN
                };
                self.reply(Reply::Prompt(PromptState { prompt: withdraw.prompt, state }));
                Ok(())
            }
            ToHub::Clock(clock) => {
                self.clock.set(now, &clock);
                self.tell_rules(now);
                if clock.utc_ms.saturating_sub(self.time_remembered_ms).abs() >= REMEMBER_TIME_MS {
                    self.time_remembered_ms = clock.utc_ms;
                    self.memory.remember(Slot::LastTime, &clock.utc_ms)
                } else {
                    Ok(())
                }
            }
            ToHub::Settings(settings) => {
                self.settings = settings;
                self.rules.set_quiet(settings.quiet_from, settings.quiet_to);
                self.memory.remember(Slot::Settings, &settings)
            }
            ToHub::Person(person) => self.person(&person, now),
            ToHub::LastReading(told) => match Last::told(&told) {
                Some(last) => {
                    let kept = self.memory.remember(Slot::LastReading, &last);
                    self.last = Some(last);
                    kept
                }
                None => Ok(()),
            },
            ToHub::Forget(forget) => self.forget(forget.records, now),
            ToHub::UpdateBegin(_) | ToHub::UpdateChunk(_) | ToHub::UpdateFinish => {
                let reason = RefusalCode::NO_UPDATE.0;
                self.reply(Reply::Update(UpdateStatus { state: 4, reason, next: 0 }));
                Ok(())
            }
            ToHub::Welcome(_) | ToHub::PairOffer(_) | ToHub::Refused(_) => Ok(()),
        };
        if self.note(done, now).is_none() {
            self.reply(Reply::Refused(Refused { code: RefusalCode::STORAGE, about }));
        }
    }

    fn acknowledged(&mut self, ack: Ack, now: HubTicks) -> Result<(), StoreFault> {
        // Only what was sent can have been committed.
        if ack.storage != self.storage || Some(ack.through) > self.sent_through {
            self.reply(Reply::Refused(Refused { code: RefusalCode::OUT_OF_RANGE, about: 1 }));
            return Ok(());
        }
        if self.acknowledged == Some(ack.through) {
            // The same once more: a record behind it was lost on the way. Go back at once, but once only;
            // the records that were under way behind the lost one each bring such an answer.
            if self.in_flight > 0 && !self.went_back {
                self.went_back = true;
                (self.cursor, self.in_flight) = (None, 0);
            }
            return Ok(());
        }
        let erased = self.outbox.acknowledge(ack.through)?;
        if erased > 0 {
            self.acknowledged = Some(ack.through);
            self.went_back = false;
            self.in_flight = self.in_flight.saturating_sub(erased);
            self.sent_at = now;
        }
        Ok(())
    }

    fn person(&mut self, person: &Person, now: HubTicks) -> Result<(), StoreFault> {
        let slot = match person.slot {
            0 => Slot::Person0,
            1 => Slot::Person1,
            _ => {
                self.reply(Reply::Refused(Refused { code: RefusalCode::OUT_OF_RANGE, about: 6 }));
                return Ok(());
            }
        };
        if !self.rules.set_person(person) {
            self.reply(Reply::Refused(Refused { code: RefusalCode::OUT_OF_RANGE, about: 6 }));
            return Ok(());
        }
        let at = self.clock.rule_seconds(now);
        let tz = self.clock.offset_min(now);
        self.rules.set_settings(person.slot, at, tz, Some(person.prompts));
        self.memory.remember(slot, person)
    }

    fn tell_rules(&mut self, now: HubTicks) {
        let (at, tz) = (self.clock.rule_seconds(now), self.clock.offset_min(now));
        self.rules.set_settings(0, at, tz, None);
        self.rules.set_settings(1, at, tz, None);
    }

    fn forget(&mut self, records: bool, now: HubTicks) -> Result<(), StoreFault> {
        self.pairing = None;
        self.prompts.clear();
        self.rules.clear();
        self.settings = Settings::default();
        self.last = None;
        self.link.restart(now);
        for slot in [Slot::Pairing, Slot::Settings, Slot::Person0, Slot::Person1, Slot::LastReading]
        {
            self.memory.forget(slot)?;
        }
        if records { self.outbox.clear() } else { Ok(()) }
    }

    /// A value of one of the board's sensors: kept, judged, shown.
    pub fn sample(&mut self, sample: &Sample, now: HubTicks) {
        let at = self.clock.stamp(now);
        let kept = self.keep_sample(sample, now);
        self.note(kept, now);
        let measured = self.clock.rule_seconds(now);
        let said = self.rules.judge(sample, measured, measured);
        let level = said.iter().map(|said| said.alert.level.saturating_add(1)).max().unwrap_or(0);
        let words = Words::of(self.settings.language);
        if let Some(last) = Last::own(sample, level, &self.settings, words) {
            self.last = Some(last);
            self.home_since = now;
        }
        self.say(&said, at.ticks);
    }

    fn keep_sample(&mut self, sample: &Sample, now: HubTicks) -> Result<(), StoreFault> {
        let at = self.clock.stamp(now);
        if self.outbox.has_room()? {
            if self.loss.count > 0
                && let Kept::Yes(_) = self.outbox.keep(at, &Content::Loss(self.loss))?
            {
                self.loss = Loss::default();
                self.memory.forget(Slot::Loss)?;
            }
            if let Kept::Yes(_) = self.outbox.keep(at, &Content::Sample(*sample))? {
                return Ok(());
            }
        }
        let first = if self.loss.count == 0 { at } else { self.loss.first };
        self.loss = Loss { count: self.loss.count.saturating_add(1), first, last: at };
        self.memory.remember(Slot::Loss, &self.loss)
    }

    /// What the rules said: kept, and on the screen whether it could be kept or not.
    fn say(&mut self, said: &[Said], now: HubTicks) {
        for said in said {
            let kept = self.outbox.keep(self.clock.stamp(now), &Content::Alert(said.alert));
            let number = match self.note(kept, now) {
                Some(Kept::Yes(id)) => id.number,
                _ => 0,
            };
            let quantity = quantity_place(said.quantity);
            let held = || Held {
                id: own_prompt(self.outbox.boot(), number, quantity),
                level: said.alert.level.saturating_add(1),
                right_to_left: false,
                own: Some(Own { quantity, kind: said.alert.kind }),
                text: String::new(),
                offers: Vec::new(),
                expires: now.plus_millis(OWN_LASTS_MS),
                shown: None,
            };
            if self.prompts.hold(held()) == PromptState::NO_ROOM {
                // The newest word of the rules stands in place of the least urgent prompt.
                self.prompts.give_way();
                self.prompts.hold(held());
            }
        }
    }

    /// A button went down; `button` is 0 to 2. The board has debounced it.
    pub fn press(&mut self, button: usize, now: HubTicks) {
        if let Some(pressed) = self.pressed.get_mut(button) {
            *pressed = None;
        }
        if self.passing.take().is_some() {
            return;
        }
        let quiet = self.quiet(now);
        if let Some(held) = self.prompts.current(quiet) {
            let shown = held.shown;
            let long = shown.map(|at| now.millis_since(at)).filter(|ms| *ms >= TOO_SOON_MS);
            let (Some(after), Some(choice)) = (long, held.choice(button)) else { return };
            let after_ms = u32::try_from(after).unwrap_or(u32::MAX);
            let id = held.id;
            let answer = Answer { prompt: id, choice, after_ms };
            let kept = self.outbox.keep(self.clock.stamp(now), &Content::Answer(answer));
            self.buzzer.stop();
            if let Some(Kept::Yes(_)) = self.note(kept, now) {
                // Kept first; only now is anything said.
                self.prompts.answered(id);
                let help = choice == Choice::HELP;
                self.pass(if help { Passing::Help } else { Passing::Thanks }, now);
                self.sound(signals::THANKS, 0, now);
            } else {
                self.pass(Passing::NotKept, now);
            }
            return;
        }
        if self.digits_until.take().is_some() {
            return;
        }
        if let Some(pressed) = self.pressed.get_mut(button) {
            *pressed = Some(now);
        }
        // The middle button shows the last reading.
        if button == 1 {
            self.home_since = now;
        }
    }

    /// A button came up.
    pub fn release(&mut self, button: usize) {
        if let Some(pressed) = self.pressed.get_mut(button) {
            *pressed = None;
        }
    }

    fn held_long_enough(&mut self, now: HubTicks) {
        let [first, _, last] = self.pressed;
        if first.is_some_and(|since| now.millis_since(since) >= HOLD_PAIR_MS) {
            self.pressed = [None; 3];
            self.window_until = Some(now.plus_millis(WINDOW_MS));
        }
        if last.is_some_and(|since| now.millis_since(since) >= HOLD_HELP_MS) {
            self.pressed = [None; 3];
            let kept = self.outbox.keep(self.clock.stamp(now), &Content::Help);
            let kept = self.note(kept, now);
            let help = matches!(kept, Some(Kept::Yes(_)));
            self.pass(if help { Passing::Help } else { Passing::NotKept }, now);
        }
    }

    fn pass(&mut self, what: Passing, now: HubTicks) {
        let lasts = if matches!(what, Passing::Help) { HELP_MS } else { PASSING_MS };
        self.passing = Some((what, now.plus_millis(lasts)));
    }

    fn reply(&mut self, reply: Reply) {
        // When the line cannot keep up the oldest answer is dropped: the gateway asks again.
        if self.replies.is_full() {
            self.replies.pop_front();
        }
        let _ = self.replies.push_back(reply);
    }

    /// Notes whether the store worked: the screen says so if it does not.
    fn note<T>(&mut self, done: Result<T, StoreFault>, now: HubTicks) -> Option<T> {
        self.fault = done.is_err();
        self.checks.check_in(Part::Store, now);
        done.ok()
    }

    fn quiet(&self, now: HubTicks) -> bool {
        let muted = match (self.settings.muted_until_ms, self.clock.utc_ms(now)) {
            (Some(until), Some(utc)) => utc < until,
            _ => false,
        };
        let (from, to) = (self.settings.quiet_from, self.settings.quiet_to);
        let quiet = self.clock.minute(now).is_some_and(|minute| {
            if from <= to { from <= minute && minute < to } else { from <= minute || minute < to }
        });
        muted || quiet
    }

    fn sound(&mut self, tune: signals::Tune, level: u8, now: HubTicks) {
        if level >= CRITICAL || (!self.quiet(now) && self.settings.volume > 0) {
            self.buzzer.play(tune, now);
        }
    }

    /// Does what is due, and says what the board has to do.
    pub fn poll(&mut self, now: HubTicks) -> Wake {
        self.checks.check_in(Part::Loop, now);
        self.held_long_enough(now);
        while let Some(prompt) = self.prompts.expire(now) {
            self.reply(Reply::Prompt(PromptState { prompt, state: PromptState::EXPIRED }));
        }
        if self.passing.is_some_and(|(_, until)| until <= now) {
            self.passing = None;
        }
        for until in [&mut self.window_until, &mut self.digits_until] {
            if until.is_some_and(|until| until <= now) {
                *until = None;
            }
        }
        let seconds = self.clock.rule_seconds(now);
        if self.rules.next_due().is_some_and(|due| due <= seconds) {
            let said = self.rules.tick(seconds);
            self.say(&said, now);
        }
        self.drive_link(now);
        self.show_prompt(now);
        let face = self.find_face(now);
        let redraw = self.face.as_ref() != Some(&face);
        self.face = Some(face);
        let quiet = self.quiet(now);
        let level = self.prompts.current(quiet).map_or(0, |held| held.level.max(1));
        let lamp = match level {
            0 => Lamp::Off,
            1 => Lamp::Asks,
            _ => Lamp::Urgent,
        };
        let (lamp, lamp_next) = lamp.poll(now);
        let (sounds, buzzer_next) = self.buzzer.poll(now);
        let at = [lamp_next, buzzer_next, self.prompts.next_expiry(), Some(self.link.next_due())]
            .into_iter()
            .flatten()
            .fold(now.plus_millis(LOOK_MS), HubTicks::min);
        let volume =
            if level >= CRITICAL { self.settings.volume.max(1) } else { self.settings.volume };
        Wake {
            at,
            redraw,
            lamp,
            buzzer: if sounds { volume } else { 0 },
            dim: quiet && level < CRITICAL,
        }
    }

    /// A prompt that comes on the screen is told to the gateway and heard.
    fn show_prompt(&mut self, now: HubTicks) {
        let quiet = self.quiet(now);
        if self.passing.is_some() {
            return;
        }
        let Some(held) = self.prompts.current(quiet) else {
            self.alarm_again = None;
            return;
        };
        let (level, id, own) = (held.level, held.id, held.own.is_some());
        let new = held.shown.is_none();
        if new {
            held.shown = Some(now);
        }
        let again = level >= CRITICAL && self.alarm_again.is_some_and(|at| at <= now);
        if new || again {
            let tune = match level {
                0 | 1 => signals::PROMPT,
                2 => signals::URGENT,
                _ => signals::CRITICAL,
            };
            self.sound(tune, level, now);
            self.alarm_again = Some(now.plus_millis(signals::REPEAT_MS));
        }
        if new && !own {
            self.reply(Reply::Prompt(PromptState { prompt: id, state: PromptState::SHOWN }));
        }
    }

    fn drive_link(&mut self, now: HubTicks) {
        let connected = self.link.connected();
        if connected != self.linked {
            self.linked = connected;
            self.lost_since = if connected { None } else { Some(now) };
        }
        if !self.link.idle() {
            return;
        }
        // Plain answers go before `Hello`: pairing ends with its own answer.
        if !self.link.open()
            && let Some(reply) = self.replies.pop_front()
        {
            if matches!(reply, Reply::Refused(_) | Reply::Paired(_)) {
                self.send_reply(reply);
            }
            return;
        }
        if let Some(count) = self.link.call_due(now) {
            let hello = self.hello(count);
            (self.cursor, self.in_flight) = (None, 0);
            self.link.call(hello, now);
            return;
        }
        if !self.link.open() {
            return;
        }
        if self.status_due <= now {
            let status = self.status(now);
            if self.link.send(&ToGateway::Status(status)) {
                self.status_due = now.plus_millis(STATUS_MS);
            }
            return;
        }
        if !connected {
            return;
        }
        if let Some(reply) = self.replies.pop_front() {
            self.send_reply(reply);
            return;
        }
        self.send_record(now);
    }

    fn send_reply(&mut self, reply: Reply) {
        // The line was idle: what cannot be sealed now is asked for again.
        let _ = match reply {
            Reply::Prompt(state) => self.link.send(&ToGateway::PromptState(state)),
            Reply::Refused(refused) => self.link.send(&ToGateway::Refused(refused)),
            Reply::Update(status) => self.link.send(&ToGateway::Update(status)),
            Reply::Paired(accepted) => self.link.send(&ToGateway::PairAccepted(accepted)),
        };
    }

    fn send_record(&mut self, now: HubTicks) {
        if self.in_flight > 0 && now.millis_since(self.sent_at) >= RESEND_MS {
            (self.cursor, self.in_flight) = (None, 0);
        }
        if self.in_flight >= WINDOW {
            return;
        }
        let mut buffer: RecordBuffer = [0; RECORD_BUFFER];
        let found = self.outbox.next(self.cursor, &mut buffer);
        self.checks.check_in(Part::Store, now);
        let record = match found {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(_) => {
                self.fault = true;
                return;
            }
        };
        if self.link.send(&ToGateway::Record(record)) {
            if self.in_flight == 0 {
                self.sent_at = now;
            }
            self.cursor = Some(record.id);
            self.sent_through = self.sent_through.max(self.cursor);
            self.in_flight = self.in_flight.saturating_add(1);
        }
    }

    fn hello(&mut self, count: u32) -> Hello {
        let boot = self.outbox.boot();
        let key = self.pairing.as_ref().map(|(key, _)| key);
        Hello {
            hub: self.made.hub,
            board: self.made.board,
            firmware: self.made.firmware,
            confirmed: self.made.confirmed,
            slot: self.made.slot,
            rules: RULES,
            key_check: key.map_or(0, Key::check),
            storage: self.storage,
            boot,
            cause: self.start.cause,
            oldest: self.outbox.oldest(),
            newest: self.outbox.newest(),
            nonce: key.map_or([0; 16], |key| key.nonce(boot.0, count)),
        }
    }

    fn status(&mut self, now: HubTicks) -> Status {
        Status {
            now: self.clock.stamp(now),
            kept: self.outbox.kept(),
            storage_permille: self.outbox.used_permille().unwrap_or(1000),
            refused: self.loss.count,
            bad_frames: self.link.bad_frames(),
            settings: self.settings.revision,
            prompts: self.prompts.count(),
        }
    }

    /// Octets for the line.
    pub fn outgoing(&self) -> &[u8] {
        self.link.outgoing()
    }

    /// So many of them were taken.
    pub fn sent(&mut self, count: usize) {
        self.link.taken(count);
    }

    /// The board drew the screen, or looked at it.
    pub fn screen_checked(&mut self, now: HubTicks) {
        self.checks.check_in(Part::Screen, now);
    }

    /// The part that has not checked in, as a number for the reset's detail: do not feed the watchdog then.
    /// The board calls `receive`, with nothing if nothing came, `poll` and [`Self::screen_checked`] in every
    /// turn of its loop; the flash is asked here.
    pub fn overdue(&mut self, now: HubTicks) -> Option<u8> {
        if now.millis_since(self.store_asked) >= ASK_STORE_MS {
            self.store_asked = now;
            // A dead flash is shown and told; a reset does not mend it.
            let answer = self.memory.recall::<BootId>(Slot::Boot);
            self.note(answer, now);
        }
        self.checks.overdue(now)
    }

    /// Records kept.
    pub const fn kept(&self) -> u32 {
        self.outbox.kept()
    }

    /// A gateway answers.
    pub fn connected(&self) -> bool {
        self.link.connected()
    }
}

/// Digest of the rules that run here, told in `Hello`: raised with every change of a rule or a default.
const RULES: u32 = 1;

fn quantity_place(quantity: hearth_shared::assess::alerts::Quantity) -> u8 {
    use hearth_shared::assess::alerts::Quantity;
    let place = Quantity::ALL.iter().position(|known| *known == quantity);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
}

/// The id of the hub's own prompt about an alert. One that could not be kept has number 0, and gets a number
/// that no record reaches, by its quantity.
fn own_prompt(boot: BootId, number: u32, quantity: u8) -> PromptId {
    let unkept = u32::from(quantity).saturating_add(1).saturating_mul(1 << 24);
    PromptId::of_hub(RecordId { boot, number: if number == 0 { unkept } else { number } })
}
