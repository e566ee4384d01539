//! The watch: who is near, who gets a connection, and what is done when the radio falls silent.
//!
//! A plain machine: an event and the time in, actions out. Its rules:
//!
//! - Scanning stops while a connection is being opened and goes on right after: controllers open one
//!   connection at a time, and scanning makes opening fail. What is open does not hinder scanning.
//! - A device gets its connection when it is heard, is on the roster, has the bond that its model asks
//!   for, and is not on hold. The one that has waited longest goes first, so that none starves.
//! - After a session the address is on hold, because devices go on advertising. A device that was silent
//!   meanwhile and is heard again has measured again: its hold ends at once.
//! - Recovery has rungs: scan restarted, adapter switched off and on, service restarted. Silence of
//!   everybody is a fault once; after a round without effect it is taken for a quiet home, and only
//!   the scan is restarted now and then until somebody is heard.

use std::collections::{BTreeMap, BTreeSet};

use super::air::{Address, Advert, Fault};

/// Devices remembered as heard; a street full of advertisers must not fill the memory.
const HEARD_MAX: usize = 256;
/// A device counts as near this long after it was heard.
pub const NEAR_MS: i64 = 5 * 60_000;
/// Connections open at once: common controllers keep seven, and a home has a handful of devices.
const OPEN_MAX: usize = 4;
/// A device not heard for this long while we listened was off: what comes then is a new measurement.
const GAP_MS: i64 = 10_000;
/// An advert older than this is no invitation any more.
const FRESH_MS: i64 = 3_000;
/// BlueZ tells of an advert only when something in it is new, so that a device at rest with a steady signal is
/// silent to us: a scan started anew tells of everybody who is there. At most this often.
const REFRESH_MS: i64 = 8_000;
/// A device heard this long ago may still be there.
const LINGERS_MS: i64 = 120_000;
/// First and longest pause after a connection that failed.
const RETRY_MIN_MS: i64 = 2_000;
const RETRY_MAX_MS: i64 = 60_000;
/// Longest hold of a device that has had nothing new for several sessions.
const HOLD_MAX_MS: i64 = 15 * 60_000;
/// Refused connections in a row, while the device is heard, that mean a lost bond
/// (`bluetooth-profiles` 19.3: three retries are ordinary).
const REFUSALS_MAX: u32 = 4;
/// Pause of a device whose bond is lost: only pairing helps, but the device may have been a moment away.
const LOST_MS: i64 = 15 * 60_000;
/// Silence of everybody that is a fault.
const SILENCE_MS: i64 = 90_000;
/// From one rung to the next.
const RUNG_MS: i64 = 30_000;
/// From one restart of the scan to the next in a home that was found to be quiet.
const QUIET_MS: i64 = 10 * 60_000;
/// How long a service that does not answer is waited for before it is restarted.
const FROZEN_MS: i64 = 20_000;
/// Between two restarts of the service.
const SERVICE_MS: i64 = 60_000;

/// A device of the roster, as far as the radio cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its address.
    pub address: Address,
    /// It is connected only with a bond.
    pub needs_bond: bool,
    /// It can be spoken with at all.
    pub supported: bool,
    /// Hold after a session, milliseconds.
    pub hold_ms: i64,
}

/// How a session ended, as far as the watch cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this many new values.
    Well {
        /// Values taken.
        values: u32,
    },
    /// In the middle, or before it began.
    Badly(Fault),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The adapter is there and on, our agent is registered; these devices have a bond here.
    Up {
        /// Addresses with a bond.
        bonded: Vec<Address>,
        /// Of these, devices whose link is open: left behind by a gateway that died, they do not advertise.
        connected: Vec<Address>,
    },
    /// The radio cannot be used, and why.
    Down(Fault),
    /// The devices of the roster.
    Roster(Vec<Known>),
    /// A bond was made (`true`) or removed.
    Bonded(Address, bool),
    /// A device was heard.
    Heard(Advert),
    /// The scan runs, or could not be started.
    Scanning(Result<(), Fault>),
    /// The link that [`Action::Open`] asked for is open: the radio is free for the next.
    Opened(Address),
    /// The session of this address is over, whether it was opened or not.
    Closed(Address, Ended),
    /// A person opened a pairing window, or it was closed.
    Window(Window),
    /// Time passes.
    Tick,
}

/// A pairing window; while there is one, nobody else is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// There is none.
    #[default]
    Closed,
    /// A device is waited for.
    Open,
    /// It is being paired or connected: no scan meanwhile.
    Busy,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start scanning; answered by [`Event::Scanning`].
    StartScan,
    /// Stop scanning.
    StopScan,
    /// Connect and hold a session; answered by [`Event::Opened`] and [`Event::Closed`].
    Open(Address),
    /// Switch the adapter off and on.
    ResetAdapter,
    /// Run the configured command that restarts the Bluetooth service.
    RestartService,
    /// The state of this device changed: for the store and for people.
    Tell(Address, DeviceState),
}

/// What people see of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// Sessions work.
    Ok,
    /// Its model needs a bond and there is none.
    NotPaired,
    /// It is heard, there is a bond here, and it refuses.
    BondLost,
    /// It is heard and cannot be connected.
    Unreachable,
    /// Its link was not encrypted.
    NotEncrypted,
}

impl DeviceState {
    /// The word in the store and in `--json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotPaired => "not_paired",
            Self::BondLost => "bond_lost",
            Self::Unreachable => "unreachable",
            Self::NotEncrypted => "not_encrypted",
        }
    }
}

/// What is counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counters {
    pub sessions_complete: u64,
    pub sessions_incomplete: u64,
    pub sessions_failed: u64,
    pub scan_restarts: u64,
    pub adapter_resets: u64,
    pub service_restarts: u64,
    pub refused_links: u64,
}

#[derive(Clone, Debug)]
struct Device {
    known: Known,
    state: Option<DeviceState>,
    /// When it was last heard, on the clock and on the clock of listening.
    heard: Option<(i64, i64)>,
    /// It has asked for a connection since.
    asks_since: Option<i64>,
    not_before: i64,
    idle_sessions: u32,
    failures: u32,
    refusals: u32,
}

impl Device {
    fn new(known: Known) -> Self {
        Self {
            known,
            state: None,
            heard: None,
            asks_since: None,
            not_before: i64::MIN,
            idle_sessions: 0,
            failures: 0,
            refusals: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    Scan,
    Adapter,
    Service,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Watch {
    devices: BTreeMap<Address, Device>,
    bonded: BTreeSet<Address>,
    heard: BTreeMap<Address, (i64, Advert)>,
    up: bool,
    fault: Option<(Fault, i64)>,
    /// Since when the scan runs.
    scanning: Option<i64>,
    /// The scan was asked for and has not answered.
    starting: bool,
    /// Time spent listening in earlier scans.
    listened: i64,
    last_heard: Option<i64>,
    opening: Option<Address>,
    open: BTreeSet<Address>,
    window: Window,
    rung: Option<(Rung, i64)>,
    quiet: bool,
    service_restarted: Option<i64>,
    counters: Counters,
}

impl Watch {
    /// Takes an event at `now` (monotonic milliseconds).
    pub fn on(&mut self, event: Event, now: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Up { bonded, connected } => self.rise(bonded, &connected, now),
            Event::Down(fault) => self.fall(fault, now),
            Event::Roster(known) => self.roster(known),
            Event::Bonded(address, true) => {
                self.bonded.insert(address);
                if let Some(device) = self.devices.get_mut(&address) {
                    (device.refusals, device.failures, device.not_before) = (0, 0, i64::MIN);
                }
            }
            Event::Bonded(address, false) => {
                self.bonded.remove(&address);
            }
            Event::Heard(advert) => self.hear(advert, now, &mut actions),
            Event::Scanning(Ok(())) => {
                self.starting = false;
                self.scanning = Some(now);
                self.last_heard = Some(self.last_heard.unwrap_or(now));
            }
            Event::Scanning(Err(_)) => {
                // Tried again at the next tick; the rungs see that nobody is heard.
                self.starting = false;
            }
            Event::Opened(address) => {
                if self.opening == Some(address) {
                    self.opening = None;
                    self.open.insert(address);
                }
            }
            Event::Closed(address, how) => self.close(address, how, now, &mut actions),
            Event::Window(window) => {
                self.window = window;
                if window == Window::Busy && (self.scanning.is_some() || self.starting) {
                    actions.push(Action::StopScan);
                    self.stop_listening(now);
                    self.starting = false;
                }
            }
            Event::Tick => self.climb(now, &mut actions),
        }
        self.decide(now, &mut actions);
        actions
    }

    /// What is wrong with the radio as a whole, and since when (monotonic milliseconds).
    pub fn fault(&self) -> Option<(&Fault, i64)> {
        self.fault.as_ref().map(|(fault, since)| (fault, *since))
    }

    /// The adapter is there and on.
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// It scans.
    pub const fn is_scanning(&self) -> bool {
        self.scanning.is_some()
    }

    /// When anybody was last heard (monotonic milliseconds).
    pub const fn last_heard(&self) -> Option<i64> {
        self.last_heard
    }

    /// Addresses of open connections.
    pub fn connected(&self) -> impl Iterator<Item = Address> + '_ {
        self.open.iter().copied()
    }

    /// Devices heard within [`NEAR_MS`], and when.
    pub fn near(&self, now: i64) -> impl Iterator<Item = (i64, &Advert)> {
        self.heard.values().filter(move |(at, _)| now - at <= NEAR_MS).map(|(at, a)| (*at, a))
    }

    /// The device has a bond here.
    pub fn is_bonded(&self, address: Address) -> bool {
        self.bonded.contains(&address)
    }

    /// Devices with a bond here.
    pub fn bonds(&self) -> impl Iterator<Item = Address> + '_ {
        self.bonded.iter().copied()
    }

    /// What is counted.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn rise(&mut self, bonded: Vec<Address>, connected: &[Address], now: i64) {
        self.up = true;
        self.fault = None;
        self.bonded = bonded.into_iter().collect();
        self.stop_listening(now);
        self.starting = false;
        self.last_heard = None;
        (self.opening, self.rung) = (None, None);
        self.open.clear();
        let listened = self.listened(now);
        for address in connected {
            if let Some(device) = self.devices.get_mut(address) {
                device.heard = Some((now, listened));
                device.asks_since = Some(now);
                device.not_before = device.not_before.min(now);
            }
        }
    }

    fn fall(&mut self, fault: Fault, now: i64) {
        self.up = false;
        self.stop_listening(now);
        self.starting = false;
        self.rung = None;
        let same = self.fault.as_ref().is_some_and(|(known, _)| *known == fault);
        if !same {
            self.fault = Some((fault, now));
        }
    }

    fn roster(&mut self, known: Vec<Known>) {
        let mut before = std::mem::take(&mut self.devices);
        for known in known {
            let address = known.address;
            let device = match before.remove(&address) {
                Some(device) => Device { known, ..device },
                None => Device::new(known),
            };
            self.devices.insert(address, device);
        }
    }

    /// Milliseconds of listening since the start.
    fn listened(&self, now: i64) -> i64 {
        self.listened + self.scanning.map_or(0, |since| now - since)
    }

    fn stop_listening(&mut self, now: i64) {
        self.listened = self.listened(now);
        self.scanning = None;
    }

    fn hear(&mut self, advert: Advert, now: i64, actions: &mut Vec<Action>) {
        (self.last_heard, self.rung, self.quiet) = (Some(now), None, false);
        let address = advert.address;
        let listened = self.listened(now);
        if let Some(device) = self.devices.get_mut(&address) {
            let gap = device.heard.is_none_or(|(_, at)| listened - at >= GAP_MS);
            device.heard = Some((now, listened));
            if gap && device.refusals < REFUSALS_MAX {
                device.not_before = device.not_before.min(now);
            }
            device.asks_since = device.asks_since.or(Some(now));
            if device.known.needs_bond && !self.bonded.contains(&address) {
                tell(device, DeviceState::NotPaired, actions);
            }
        }
        let merged = match self.heard.remove(&address) {
            Some((_, before)) => merge(before, advert),
            None => advert,
        };
        if self.heard.len() >= HEARD_MAX {
            // Whoever was silent longest makes room; a device of the roster comes back when it is heard.
            if let Some(oldest) = self.heard.iter().min_by_key(|(_, (at, _))| *at).map(|(a, _)| *a)
            {
                self.heard.remove(&oldest);
            }
        }
        self.heard.insert(address, (now, merged));
    }

    fn close(&mut self, address: Address, how: Ended, now: i64, actions: &mut Vec<Action>) {
        if self.opening == Some(address) {
            self.opening = None;
        }
        let was_open = self.open.remove(&address);
        let listened = self.listened(now);
        match &how {
            Ended::Well { .. } => self.counters.sessions_complete += 1,
            Ended::Badly(Fault::Disconnected | Fault::Timeout(_)) => {
                self.counters.sessions_incomplete += 1;
            }
            Ended::Badly(_) => self.counters.sessions_failed += 1,
        }
        if matches!(how, Ended::Badly(Fault::NotEncrypted)) {
            self.counters.refused_links += 1;
        }
        let bonded = self.bonded.contains(&address);
        let Some(device) = self.devices.get_mut(&address) else { return };
        device.asks_since = None;
        if was_open {
            // A connected device does not advertise: that is no silence.
            device.heard = Some((now, listened));
        }
        match how {
            Ended::Well { values } => {
                (device.failures, device.refusals) = (0, 0);
                device.idle_sessions = if values == 0 { device.idle_sessions + 1 } else { 0 };
                let doubled = device.idle_sessions.saturating_sub(1).min(8);
                let hold = device.known.hold_ms.saturating_mul(1 << doubled);
                device.not_before = now + hold.min(HOLD_MAX_MS.max(device.known.hold_ms));
                tell(device, DeviceState::Ok, actions);
            }
            Ended::Badly(fault) => {
                device.failures += 1;
                let doubled = (device.failures - 1).min(8);
                device.not_before = now + (RETRY_MIN_MS << doubled).min(RETRY_MAX_MS);
                match fault {
                    Fault::NotConnected | Fault::BondLost if bonded => {
                        device.refusals += 1;
                        if device.refusals >= REFUSALS_MAX || fault == Fault::BondLost {
                            device.refusals = REFUSALS_MAX;
                            device.not_before = now + LOST_MS;
                            tell(device, DeviceState::BondLost, actions);
                        }
                    }
                    Fault::NotConnected if device.failures >= REFUSALS_MAX => {
                        tell(device, DeviceState::Unreachable, actions);
                    }
                    Fault::NotEncrypted => {
                        device.not_before = now + RETRY_MAX_MS;
                        tell(device, DeviceState::NotEncrypted, actions);
                    }
                    Fault::PairingNeeded => tell(device, DeviceState::NotPaired, actions),
                    _ => {}
                }
            }
        }
    }

    /// Recovery while nobody is heard, and while the service does not answer.
    fn climb(&mut self, now: i64, actions: &mut Vec<Action>) {
        if let Some((Fault::DaemonFrozen, since)) = &self.fault
            && now - since >= FROZEN_MS
            && self.service_restarted.is_none_or(|at| now - at >= SERVICE_MS)
        {
            self.restart_service(now, actions);
        }
        if !self.up
            || self.opening.is_some()
            || !self.open.is_empty()
            || self.window != Window::Closed
        {
            return;
        }
        let Some(last) = self.last_heard else { return };
        let silence = if self.quiet { QUIET_MS } else { SILENCE_MS };
        match self.rung {
            None if now - last >= silence => {
                self.counters.scan_restarts += 1;
                actions.push(Action::StopScan);
                self.stop_listening(now);
                if self.quiet {
                    self.last_heard = Some(now);
                } else {
                    self.rung = Some((Rung::Scan, now));
                }
            }
            Some((Rung::Scan, since)) if now - since >= RUNG_MS => {
                self.counters.adapter_resets += 1;
                self.rung = Some((Rung::Adapter, now));
                self.stop_listening(now);
                self.starting = false;
                actions.push(Action::ResetAdapter);
            }
            Some((Rung::Adapter, since)) if now - since >= RUNG_MS => {
                self.rung = Some((Rung::Service, now));
                self.restart_service(now, actions);
            }
            Some((Rung::Service, since)) if now - since >= RUNG_MS => {
                (self.rung, self.quiet, self.last_heard) = (None, true, Some(now));
            }
            _ => {}
        }
    }

    fn restart_service(&mut self, now: i64, actions: &mut Vec<Action>) {
        self.counters.service_restarts += 1;
        self.service_restarted = Some(now);
        actions.push(Action::RestartService);
    }

    /// Who is next, and whether to scan.
    fn decide(&mut self, now: i64, actions: &mut Vec<Action>) {
        if !self.up || self.opening.is_some() {
            return;
        }
        if self.window == Window::Closed
            && self.open.len() < OPEN_MAX
            && let Some(next) = self.next(now)
        {
            if self.scanning.is_some() || self.starting {
                actions.push(Action::StopScan);
                self.stop_listening(now);
                self.starting = false;
            }
            self.opening = Some(next);
            actions.push(Action::Open(next));
            return;
        }
        if self.scanning.is_some_and(|since| now - since >= REFRESH_MS) && self.lingers(now) {
            actions.push(Action::StopScan);
            self.stop_listening(now);
        }
        if self.scanning.is_none() && !self.starting && self.window != Window::Busy {
            self.starting = true;
            actions.push(Action::StartScan);
        }
    }

    /// Somebody who was heard a while ago would be connected now, if only he were heard again.
    fn lingers(&self, now: i64) -> bool {
        let listened = self.listened(now);
        self.window == Window::Closed
            && self.devices.values().any(|device| {
                self.may(device, now)
                    && device.heard.is_some_and(|(_, at)| listened - at <= LINGERS_MS)
            })
    }

    /// It asks, and nothing forbids it.
    fn may(&self, device: &Device, now: i64) -> bool {
        let known = &device.known;
        device.asks_since.is_some()
            && known.supported
            && !self.open.contains(&known.address)
            && (!known.needs_bond || self.bonded.contains(&known.address))
            && device.not_before <= now
    }

    /// The device that has asked longest and may have a connection.
    fn next(&self, now: i64) -> Option<Address> {
        let listened = self.listened(now);
        self.devices
            .values()
            .filter(|device| self.may(device, now))
            .filter(|device| device.heard.is_some_and(|(_, at)| listened - at <= FRESH_MS))
            .min_by_key(|device| device.asks_since)
            .map(|device| device.known.address)
    }
}

fn tell(device: &mut Device, state: DeviceState, actions: &mut Vec<Action>) {
    if device.state != Some(state) {
        device.state = Some(state);
        actions.push(Action::Tell(device.known.address, state));
    }
}

/// Adverts and scan responses come one by one and each says a part.
fn merge(before: Advert, now: Advert) -> Advert {
    let mut services = before.services;
    for service in now.services {
        if !services.contains(&service) && services.len() < 32 {
            services.push(service);
        }
    }
    let mut manufacturer = before.manufacturer;
    manufacturer.extend(now.manufacturer);
    let mut service_data = before.service_data;
    service_data.extend(now.service_data);
    Advert {
        name: now.name.or(before.name),
        rssi: now.rssi.or(before.rssi),
        services,
        manufacturer,
        service_data,
        ..Advert { address: now.address, random: now.random, ..Advert::of(now.address) }
    }
}

#[cfg(test)]
mod tests;
