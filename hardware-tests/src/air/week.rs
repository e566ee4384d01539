//! Six devices of three people, their habits, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_gateway::clock::{BootId, Now};
use hearth_gateway::intake::{Arrival, LinkSecurity, Payload};
use hearth_gateway::path::{Path, PathSettings};
use hearth_gateway::radio::air::{Address, Fault, Services};
use hearth_gateway::radio::conversation::{Call, Conversation, Heading, Input, Output};
use hearth_gateway::radio::drivers::{self, Briefing, Ending, Finding, Moment};
use hearth_gateway::radio::profile::{Bonding, Profiles};
use hearth_gateway::radio::watch::{Action, Ended, Event, Known, Watch};
use hearth_gateway::store::device::{self, Device};
use hearth_gateway::store::{MemoryDisk, Store, StoreError, journal, radio};
use hearth_shared::time::UnixMillis;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::peripheral::{CODE, Kind, Peripheral};
use crate::simulator::dice::Dice;

/// 2026-03-02T00:00:00Z, a Monday.
const START_MS: i64 = 1_772_409_600_000;
const DAY_MS: i64 = 86_400_000;
/// Every device says its name this often while it advertises.
const ADVERT_MS: i64 = 1_000;
/// Connecting took 1.5 to 2.3 s with BlueZ and an emulated controller.
const CONNECT_MS: (u64, u64) = (1_200, 2_500);
/// One call: a round trip of some connection intervals.
const CALL_MS: (u64, u64) = (40, 160);
/// One commit.
const COMMIT_MS: (u64, u64) = (1, 12);
/// A transfer that nobody ends is over after this long, as in the shell.
const NOTHING_MS: i64 = 60_000;

/// What a run is.
#[derive(Clone, Copy, Debug)]
pub struct Week {
    /// The seed.
    pub seed: u64,
    /// Days.
    pub days: u16,
    /// Of 1000 sessions, so many lose their link in the middle.
    pub lost_links: u64,
    /// The gateway dies without warning so many times a day.
    pub crashes_a_day: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Payloads that were measured.
    pub measured: u64,
    /// Of these in the journal.
    pub collected: u64,
    /// Lost in the window between BlueZ's confirmation and our commit, when the gateway died in it.
    pub lost_in_window: u64,
    /// Sessions held.
    pub sessions: u64,
    /// Links lost.
    pub lost_links: u64,
    /// Crashes.
    pub crashes: u64,
    /// Records that came a second time and were counted.
    pub duplicates: u64,
    /// Longest time from a device's first advert after a measurement to its session, ms.
    pub longest_wait_ms: i64,
}

struct Session {
    talk: Conversation,
    opened: bool,
    /// When the link opens, or the call is answered.
    call: Option<(i64, Option<Call>)>,
    batch: Option<(i64, Vec<Arrival>)>,
    timer: Option<i64>,
    /// The seed wants the link lost then.
    lost: Option<i64>,
    heard: i64,
    last: i64,
}

struct Home {
    dice: Dice,
    now: i64,
    devices: Vec<Peripheral>,
    profiles: Profiles,
    zone: TimeZone,
    watch: Watch,
    sessions: BTreeMap<Address, Session>,
    path: Path,
    connection: u32,
    boot: u8,
    figures: Figures,
    /// When a device's first advert after silence was heard.
    asks: BTreeMap<Address, i64>,
    week: Week,
}

/// Lives through it and compares what was measured with what is in the journal.
///
/// # Errors
/// What was lost, twice, or starved, as a sentence; or what the store answered.
pub fn live(week: Week) -> Result<Figures, String> {
    static DISKS: AtomicU64 = AtomicU64::new(0);
    let name = format!("air-{}", DISKS.fetch_add(1, Ordering::Relaxed));
    let disk = MemoryDisk::new(&name).map_err(|error| error.to_string())?;
    let mut home = Home::new(week, &name)?;
    home.run()?;
    let figures = home.judge()?;
    drop(disk);
    Ok(figures)
}

fn household() -> Vec<Peripheral> {
    let at = |last: u8| Address([0xC0, 0xFF, 0xEE, 0, 0, last]);
    let mut devices = vec![
        Peripheral::new(Kind::Meter, at(1), ("meter-1", "standard-glucose")),
        Peripheral::new(Kind::Meter, at(2), ("meter-2", "standard-glucose")),
        Peripheral::new(Kind::Cuff, at(3), ("cuff-1", "standard-blood-pressure")),
        Peripheral::new(Kind::Cuff, at(4), ("cuff-2", "standard-blood-pressure")),
        Peripheral::new(Kind::Scale, at(5), ("scale-1", "standard-weight")),
        Peripheral::new(Kind::Scale, at(6), ("scale-2", "standard-weight")),
    ];
    devices[5].talkative = true;
    devices[1].clock_error_ms = -43_000_000;
    devices
}

impl Home {
    fn new(week: Week, name: &str) -> Result<Self, String> {
        let devices = household();
        let mut store = Store::open_shared_memory(name).map_err(|e| e.to_string())?;
        let listed = devices.clone();
        store
            .transaction(|tx| {
                for peripheral in &listed {
                    let mut row =
                        Device::new(peripheral.device, "meter", UnixMillis::from_millis(START_MS));
                    row.address = Some(peripheral.address.to_string());
                    row.zone = Some("Europe/Madrid".to_owned());
                    device::put(tx, &row)?;
                    radio::set_profile(tx, peripheral.device, peripheral.profile)?;
                    for slot in [1, 2] {
                        radio::consent(tx, peripheral.device, slot, Some(CODE))?;
                    }
                }
                Ok::<(), StoreError>(())
            })
            .map_err(|e| e.to_string())?;
        let path = Path::open(store, PathSettings::new("air", TimeZone::UTC))
            .map_err(|e| e.to_string())?;
        let mut home = Self {
            dice: Dice::new(week.seed),
            now: START_MS,
            devices,
            profiles: Profiles::built_in(),
            zone: TimeZone::get("Europe/Madrid").map_err(|e| e.to_string())?,
            watch: Watch::default(),
            sessions: BTreeMap::new(),
            path,
            connection: 0,
            boot: 1,
            figures: Figures::default(),
            asks: BTreeMap::new(),
            week,
        };
        home.begin()?;
        Ok(home)
    }

    fn now(&self) -> Now {
        let mut boot = [0; 16];
        boot[0] = self.boot;
        Now {
            wall: UnixMillis::from_millis(self.now),
            monotonic_ms: u64::try_from(self.now - START_MS).unwrap_or(0),
            boot: BootId(boot),
            trusted: true,
        }
    }

    fn moment(&self) -> Moment {
        let at = Timestamp::from_millisecond(self.now).unwrap_or_default();
        let offset = i64::from(self.zone.to_offset(at).seconds());
        Moment { utc_ms: self.now, local_s: self.now.div_euclid(1_000) + offset, trusted: true }
    }

    /// A process starts: it knows what the store knows.
    fn begin(&mut self) -> Result<(), String> {
        self.watch = Watch::default();
        let known = self
            .devices
            .iter()
            .map(|peripheral| {
                let profile = self.profiles.named(peripheral.profile).ok_or(peripheral.profile)?;
                Ok(Known {
                    address: peripheral.address,
                    needs_bond: profile.bond.policy == Bonding::Required,
                    supported: true,
                    hold_ms: i64::from(profile.session.hold_off_s) * 1_000,
                })
            })
            .collect::<Result<Vec<_>, &str>>()
            .map_err(|id| format!("no profile is called {id}"))?;
        let bonded = known.iter().map(|known| known.address).collect();
        self.event(Event::Roster(known))?;
        self.event(Event::Up { bonded, connected: Vec::new() })
    }

    fn event(&mut self, event: Event) -> Result<(), String> {
        let now = self.now - START_MS;
        for action in self.watch.on(event, now) {
            match action {
                Action::StartScan => self.event(Event::Scanning(Ok(())))?,
                Action::Open(address) => self.open(address)?,
                Action::StopScan
                | Action::ResetAdapter
                | Action::RestartService
                | Action::Tell(..) => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, address: Address) -> Result<(), String> {
        let known = self
            .path
            .store()
            .transaction(|tx| radio::briefing(tx, &address.to_string()))
            .map_err(|e| e.to_string())?
            .ok_or("a device of the roster has no briefing")?;
        let id = known.profile.unwrap_or_default();
        let profile = self.profiles.named(&id).ok_or("no profile")?;
        let briefing = Briefing {
            cursor: known.cursor,
            cursor_base_s: None,
            consents: known.consents,
            register: None,
            pairing: false,
        };
        self.connection += 1;
        let heading = Heading {
            device: known.device,
            connection: self.connection,
            link: LinkSecurity { encrypted: Some(true), ..LinkSecurity::default() },
        };
        let talk = Conversation::new(drivers::for_profile(profile, briefing), heading);
        let opens = self.now + draw(&mut self.dice, CONNECT_MS);
        let lost =
            self.dice.chance(self.week.lost_links).then(|| opens + self.dice.signed(10, 3_000));
        // One that never falls silent is met when its hold is over; that is no waiting.
        let talkative = self.peripheral(address).is_some_and(|p| p.talkative);
        let heard = self.asks.remove(&address).filter(|_| !talkative).unwrap_or(self.now);
        let session = Session {
            talk,
            opened: false,
            call: Some((opens, None)),
            batch: None,
            timer: None,
            lost,
            heard,
            last: self.now,
        };
        self.sessions.insert(address, session);
        self.figures.sessions += 1;
        Ok(())
    }

    fn peripheral(&mut self, address: Address) -> Option<&mut Peripheral> {
        self.devices.iter_mut().find(|device| device.address == address)
    }

    fn input(&mut self, address: Address, input: Input<'_>) -> Result<(), String> {
        let (now, moment) = (self.now(), self.moment());
        let Some(session) = self.sessions.get_mut(&address) else { return Ok(()) };
        session.last = self.now;
        let mut done = None;
        let mut reset = false;
        for output in session.talk.on(input, now, moment) {
            match output {
                Output::Call(call) => {
                    session.call = Some((self.now + draw(&mut self.dice, CALL_MS), Some(call)));
                }
                Output::Commit(batch) => {
                    session.batch = Some((self.now + draw(&mut self.dice, COMMIT_MS), batch));
                }
                Output::Wait { after_ms } => session.timer = Some(self.now + i64::from(after_ms)),
                Output::Found(finding) => reset |= finding == Finding::SequenceReset,
                Output::Done(ending) => done = Some((ending, session.talk.values())),
            }
        }
        if reset && let Some(device) = self.peripheral(address).map(|p| p.device) {
            let done = self.path.store().transaction(|tx| radio::sequence_reset(tx, device));
            done.map_err(|e| e.to_string())?;
        }
        if let Some((ending, values)) = done {
            self.sessions.remove(&address);
            if let Some(peripheral) = self.peripheral(address) {
                peripheral.disconnect();
            }
            let how = match ending {
                Ending::Complete => Ended::Well { values },
                Ending::Incomplete(fault) | Ending::Failed(fault) => Ended::Badly(fault),
            };
            self.event(Event::Closed(address, how))?;
        }
        Ok(())
    }

    /// The next moment at which anything happens, within this advert step.
    fn next(&self, until: i64) -> i64 {
        let mut next = until;
        for (address, session) in &self.sessions {
            let device = self.devices.iter().find(|d| d.address == *address);
            let moments = [
                session.call.as_ref().map(|(at, _)| *at),
                session.batch.as_ref().map(|(at, _)| *at),
                session.timer,
                session.lost,
                device.and_then(Peripheral::next_ms),
                Some(session.last + NOTHING_MS),
            ];
            next = moments.into_iter().flatten().fold(next, i64::min);
        }
        next.max(self.now)
    }

    /// Everything that is due now in one session.
    fn due(&mut self, address: Address) -> Result<(), String> {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&address) else { return Ok(()) };
        if session.opened && session.lost.is_some_and(|at| at <= now) {
            (session.lost, session.call) = (None, None);
            self.figures.lost_links += 1;
            if let Some(peripheral) = self.peripheral(address) {
                peripheral.disconnect();
            }
            return self.input(address, Input::Lost(Fault::Disconnected));
        }
        if session.last + NOTHING_MS <= now {
            session.call = None;
            return self.input(address, Input::Lost(Fault::Timeout("nothing happens")));
        }
        // What is on the air first, as the shell does.
        if let Some((place, octets)) = self.peripheral(address).and_then(|p| p.pop(now)) {
            return self.input(address, Input::Value(place, octets));
        }
        let Some(session) = self.sessions.get_mut(&address) else { return Ok(()) };
        if session.batch.as_ref().is_some_and(|(at, _)| *at <= now)
            && let Some((_, batch)) = session.batch.take()
        {
            self.path.take(&batch).map_err(|e| e.to_string())?;
            for arrival in &batch {
                if let Payload::Gatt { octets, .. } = &arrival.payload
                    && let Some(peripheral) = self.peripheral(address)
                {
                    peripheral.confirmed.remove(octets);
                }
            }
            return self.input(address, Input::Committed);
        }
        if session.timer.is_some_and(|at| at <= now) {
            session.timer = None;
            return self.input(address, Input::Timer);
        }
        if session.call.as_ref().is_some_and(|(at, _)| *at <= now)
            && let Some((_, call)) = session.call.take()
        {
            return match call {
                None => self.opened(address),
                Some(call) => {
                    let peripheral = self.peripheral(address).ok_or("a device vanished")?;
                    let answer = peripheral.call(&call, now);
                    self.input(address, Input::Answered(answer))
                }
            };
        }
        Ok(())
    }

    fn opened(&mut self, address: Address) -> Result<(), String> {
        let now = self.now;
        let services: Option<Services> = self.peripheral(address).and_then(|p| p.connect(now));
        let Some(services) = services else {
            self.sessions.remove(&address);
            let how = Ended::Badly(Fault::Timeout("connecting"));
            return self.event(Event::Closed(address, how));
        };
        if let Some(session) = self.sessions.get_mut(&address) {
            session.opened = true;
            let waited = now - session.heard;
            self.figures.longest_wait_ms = self.figures.longest_wait_ms.max(waited);
        }
        self.event(Event::Opened(address))?;
        self.input(address, Input::Opened(&services))
    }

    fn crash(&mut self) -> Result<(), String> {
        self.figures.crashes += 1;
        for address in std::mem::take(&mut self.sessions).into_keys() {
            if let Some(peripheral) = self.peripheral(address) {
                peripheral.disconnect();
            }
        }
        // The process is away for a while.
        self.now += self.dice.signed(2_000, 40_000);
        self.boot = self.boot.wrapping_add(1);
        self.asks.clear();
        self.begin()
    }

    /// Who measures in this second.
    fn habits(&mut self) {
        let hour = (self.now - START_MS).rem_euclid(DAY_MS) / 3_600_000;
        // Mornings and evenings are busy, nights are quiet.
        let per_mille_a_minute = match hour {
            6..=8 => 40,
            18..=21 => 30,
            9..=17 => 8,
            _ => 0,
        };
        let now = self.now;
        for device in &mut self.devices {
            if !self.dice.chance(1_000 / 60) || !self.dice.chance(per_mille_a_minute) {
                continue;
            }
            let again = if device.kind == Kind::Meter { 1 } else { self.dice.between(1, 2) };
            if device.is_connected() {
                continue;
            }
            for _ in 0..again {
                let value = match device.kind {
                    Kind::Meter => self.dice.between(70, 300),
                    Kind::Cuff => self.dice.between(105, 175),
                    Kind::Scale => self.dice.between(11_000, 18_000),
                };
                let slot = u8::try_from(self.dice.between(1, 2)).unwrap_or(1);
                let awake = self.dice.signed(15_000, 60_000);
                // A cuff inflates, a strip is inserted: meanwhile it is silent.
                let done = now + self.dice.signed(12_000, 40_000);
                device.begin(done, u16::try_from(value).unwrap_or(100), slot, awake);
            }
        }
    }

    fn run(&mut self) -> Result<(), String> {
        let end = START_MS + i64::from(self.week.days) * DAY_MS;
        let crash_chance = self.week.crashes_a_day;
        while self.now < end {
            self.habits();
            self.second()?;
            if crash_chance > 0 && self.dice.between(1, 86_400) <= crash_chance {
                self.crash()?;
            }
        }
        // The last ones are given the time to be collected: each device is woken by its button.
        self.week.lost_links = 0;
        for _ in 0..4 {
            let now = self.now;
            for device in &mut self.devices {
                device.awake_until = now + 120_000;
            }
            let until = now + 1_200_000;
            while self.now < until {
                self.second()?;
            }
        }
        Ok(())
    }

    /// One second: adverts at its start, then everything that is due.
    fn second(&mut self) -> Result<(), String> {
        let until = self.now + ADVERT_MS;
        for device in &mut self.devices {
            device.finish(self.now);
        }
        for place in 0..self.devices.len() {
            if let Some(advert) = self.devices[place].advert(self.now)
                && self.watch.is_scanning()
            {
                if self.devices[place].fresh {
                    self.asks.entry(advert.address).or_insert(self.now);
                    self.devices[place].fresh = false;
                }
                self.event(Event::Heard(advert))?;
            }
        }
        self.event(Event::Tick)?;
        loop {
            self.now = self.next(until);
            if self.now >= until {
                self.now = until;
                return Ok(());
            }
            let addresses: Vec<Address> = self.sessions.keys().copied().collect();
            for address in addresses {
                self.due(address)?;
            }
            // Death prefers the worst moment: values are on their way to the disk.
            let busy = self.sessions.values().any(|s| s.batch.is_some());
            if busy && self.week.crashes_a_day > 0 && self.dice.chance(20) {
                self.crash()?;
                return Ok(());
            }
        }
    }

    /// What was measured beside what is in the journal.
    fn judge(mut self) -> Result<Figures, String> {
        let mut journal_rows: BTreeMap<(String, Vec<u8>), u64> = BTreeMap::new();
        let mut broken = 0_u64;
        self.path
            .store()
            .transaction(|tx| {
                journal::scan(tx, 0, |row| {
                    match row.map(|stored| stored.arrival) {
                        Ok(Some(Arrival {
                            device, payload: Payload::Gatt { octets, .. }, ..
                        })) => {
                            *journal_rows.entry((device, octets)).or_default() += 1;
                        }
                        Ok(_) => {}
                        Err(_) => broken += 1,
                    }
                    Ok::<(), StoreError>(())
                })
            })
            .map_err(|e| e.to_string())?;
        if broken > 0 {
            return Err(format!("{broken} raw rows are damaged"));
        }
        let status = self.path.status().map_err(|e| e.to_string())?;
        self.figures.duplicates = status.duplicates;
        for device in &self.devices {
            let truth: BTreeSet<&Vec<u8>> = device.truth.iter().collect();
            for octets in truth {
                self.figures.measured += 1;
                match journal_rows.get(&(device.device.to_owned(), octets.clone())) {
                    Some(1) => self.figures.collected += 1,
                    Some(n) => {
                        return Err(format!("{}: {octets:02x?} is there {n} times", device.device));
                    }
                    // BlueZ had said yes for us, and we died before our commit.
                    None if device.confirmed.contains(octets) => self.figures.lost_in_window += 1,
                    None => {
                        return Err(format!(
                            "seed {}: {}: {octets:02x?} was measured and is not in the journal",
                            self.week.seed, device.device
                        ));
                    }
                }
            }
        }
        Ok(self.figures)
    }
}

fn draw(dice: &mut Dice, (from, to): (u64, u64)) -> i64 {
    i64::try_from(dice.between(from, to)).unwrap_or(1)
}
