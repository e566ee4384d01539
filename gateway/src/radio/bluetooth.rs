//! The radio's task: carries events between the air, the [`Watch`], a pairing conversation and the people who
//! ask, and keeps what was learned. It never waits for the air: `hands` does.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::air::{Address, Advert, Bond, Fault, short};
use super::central::CentralEvent;
use super::connection::{News, Plan, Report, moment};
use super::drivers::{self, Briefing, Ending, Finding};
use super::enrol::{self, Enrol, Fit, Secured};
use super::hands::{Hands, Order, Told};
use super::pairing::PairingEvent;
use super::profile::{Bonding, Gatt, Profile, Profiles};
use super::records::{self, Entry};
use super::watch::{Action, Ended, Event, Known, Watch, Window};
use crate::clock::{Clock, Now};
use crate::control::Command;
use crate::control::execute::Origin;
use crate::requests::{
    NearDevice, PairRequest, RadioAnswer, RadioHealth, RadioRequest, RadioRequests,
};
use crate::store::radio::{BondNote, How, SessionNote};
use crate::writer::{WriteError, Writer};

/// Events that may wait: a burst of adverts and the news of every session.
const TOLD_MAX: usize = 256;
/// Orders that may wait; the watch gives a handful at a time.
const ORDERS_MAX: usize = 64;
/// The watch's step.
const TICK_EVERY: Duration = Duration::from_millis(250);
/// From one attempt to open the adapter to the next.
const OPEN_AGAIN: Duration = Duration::from_secs(1);
/// How often the roster is read again after something was committed.
const ROSTER_EVERY_MS: i64 = 1_000;
/// How often a device that holds more than is here is asked for everything.
const READ_WHOLE_EVERY_MS: i64 = 24 * 3_600_000;
/// How long `hear` waits for news.
const HEAR_WITHIN_MS: i64 = 2_000;

/// Settings and neighbours.
#[derive(Debug)]
pub struct Bluetooth {
    /// `hci0`.
    pub adapter: String,
    /// The last resort, word by word.
    pub restart_command: Vec<String>,
    /// Zone of devices that have none of their own.
    pub place: TimeZone,
    /// The models that are known.
    pub profiles: Profiles,
    /// The clock.
    pub clock: Clock,
    /// The one writer.
    pub writer: Writer,
    /// Changes with every commit.
    pub committed: watch::Receiver<i64>,
    /// What people ask.
    pub requests: RadioRequests,
}

impl Bluetooth {
    /// Runs until `stop`; then sessions commit what they hold.
    ///
    /// # Errors
    /// The writer is gone: the process ends.
    pub async fn run(self, stop: CancellationToken) -> Result<(), WriteError> {
        let (told, mut said) = mpsc::channel(TOLD_MAX);
        let (orders, given) = mpsc::channel(ORDERS_MAX);
        let hands = Hands {
            adapter: self.adapter.clone(),
            restart_command: self.restart_command.clone(),
            clock: self.clock.clone(),
            writer: self.writer.clone(),
            told,
        };
        let hands = tokio::spawn(hands.run(given, stop.clone()));
        let Self { place, profiles, clock, writer, mut committed, mut requests, .. } = self;
        let mut desk = Desk {
            place,
            profiles,
            clock,
            writer,
            orders,
            watch: Watch::default(),
            entries: BTreeMap::new(),
            sessions: BTreeMap::new(),
            enrol: None,
            hearing: Vec::new(),
            unbonding: Vec::new(),
            read_whole: BTreeMap::new(),
            connection: 0,
            opening: false,
            open_at: 0,
            roster_at: i64::MIN,
            roster_stale: true,
            daemon_restarts: 0,
        };
        let mut tick = tokio::time::interval(TICK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(told) = said.recv() => desk.told(told).await?,
                Some((request, reply)) = requests.recv() => desk.asked(request, reply).await?,
                changed = committed.changed() => {
                    if changed.is_err() {
                        return Err(WriteError::Gone);
                    }
                    desk.roster_stale = true;
                }
                _ = tick.tick() => desk.tick().await?,
            }
        }
        // Sessions end in order; what they still tell is kept.
        let mut hands = std::pin::pin!(hands);
        loop {
            tokio::select! {
                _ = &mut hands => return Ok(()),
                Some(told) = said.recv() => desk.told(told).await?,
            }
        }
    }
}

/// What is gathered while a session runs.
struct Facts {
    note: SessionNote,
    in_enrolment: bool,
}

/// A client that waits for the next line of a conversation.
struct Hearing {
    after: u64,
    until: i64,
    reply: oneshot::Sender<RadioAnswer>,
}

struct Desk {
    place: TimeZone,
    profiles: Profiles,
    clock: Clock,
    writer: Writer,
    orders: mpsc::Sender<Order>,
    watch: Watch,
    entries: BTreeMap<Address, Entry>,
    sessions: BTreeMap<Address, Facts>,
    enrol: Option<Enrol>,
    hearing: Vec<Hearing>,
    unbonding: Vec<(Address, oneshot::Sender<RadioAnswer>)>,
    /// When a device was last asked for everything because something was missing.
    read_whole: BTreeMap<Address, i64>,
    connection: u32,
    opening: bool,
    open_at: i64,
    roster_at: i64,
    roster_stale: bool,
    daemon_restarts: u64,
}

impl Desk {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.now().monotonic_ms).unwrap_or(i64::MAX)
    }

    /// Orders are few and the hands always come back to them, so this waits for a moment at most.
    async fn order(&self, order: Order) {
        let _ = self.orders.send(order).await;
    }

    // ---- events -------------------------------------------------------------------------------

    async fn told(&mut self, told: Told) -> Result<(), WriteError> {
        match told {
            Told::Up(Ok(bonds)) => {
                self.opening = false;
                self.up(bonds).await?;
            }
            Told::Up(Err(fault)) => {
                self.opening = false;
                self.down(fault).await?;
            }
            Told::Scanning(result) => self.event(Event::Scanning(result)).await?,
            Told::Paired(result) => self.paired(result).await?,
            Told::Unbonded(address, done) => self.unbonded(address, done).await?,
            Told::Fault(fault) => self.down(fault).await?,
            Told::Central(event) => self.central(event).await?,
            Told::Pairing(event) => self.pairing(event).await?,
            Told::News(news) => self.news(news).await?,
            Told::Gone(error) => return Err(error),
        }
        Ok(())
    }

    async fn up(&mut self, bonds: Vec<Bond>) -> Result<(), WriteError> {
        if let Some((fault, _)) = self.watch.fault() {
            tracing::info!(was = fault.code(), "the radio is back");
        }
        self.read_roster().await?;
        let bonded: Vec<&Bond> = bonds.iter().filter(|bond| bond.bonded).collect();
        let connected = bonded.iter().filter(|b| b.connected).map(|b| b.address).collect();
        let bonded = bonded.iter().map(|bond| bond.address).collect();
        self.event(Event::Up { bonded, connected }).await
    }

    async fn down(&mut self, fault: Fault) -> Result<(), WriteError> {
        let known = self.watch.fault().is_some_and(|(known, _)| *known == fault);
        if !known {
            tracing::warn!(code = fault.code(), "{}", fault.sentence());
            if matches!(fault, Fault::NoDaemon) {
                self.daemon_restarts += 1;
            }
        }
        if self.enrol.as_ref().is_some_and(|enrol| !enrol.is_over()) {
            self.enrolment(enrol::Input::Down(fault.clone())).await?;
        }
        self.open_at = self.now_ms() + i64::try_from(OPEN_AGAIN.as_millis()).unwrap_or(1_000);
        self.event(Event::Down(fault)).await
    }

    async fn central(&mut self, event: CentralEvent) -> Result<(), WriteError> {
        match event {
            CentralEvent::Advert(advert) => self.heard(advert).await,
            CentralEvent::Power(false) => self.down(Fault::AdapterOff).await,
            CentralEvent::StreamEnded => self.down(Fault::NoDaemon).await,
            CentralEvent::Power(true)
            | CentralEvent::Connected(_)
            | CentralEvent::Disconnected(_) => Ok(()),
        }
    }

    async fn pairing(&mut self, event: PairingEvent) -> Result<(), WriteError> {
        match event {
            PairingEvent::DaemonGone => self.down(Fault::NoDaemon).await,
            // Everything that was opened before belongs to a service that is no more.
            PairingEvent::DaemonBack => {
                self.open_at = self.now_ms();
                self.down(Fault::NoDaemon).await
            }
            PairingEvent::BusLost => self.down(Fault::NoBus).await,
            PairingEvent::Asked { address, question } => {
                self.enrolment(enrol::Input::Asked(address, question)).await
            }
            PairingEvent::AskCancelled => Ok(()),
            PairingEvent::AdapterRemoved(name) => self.down(Fault::NoAdapter(name)).await,
            PairingEvent::AdapterAdded(_) => {
                self.open_at = self.now_ms();
                Ok(())
            }
        }
    }

    async fn heard(&mut self, advert: Advert) -> Result<(), WriteError> {
        let address = advert.address;
        self.recognise(&advert).await?;
        if self.enrol.as_ref().is_some_and(|enrol| enrol.wants(address)) {
            let merged = self.near_advert(address).cloned().unwrap_or_else(|| advert.clone());
            let near = self.near_device(&merged, 0);
            let fit = self.fit(&merged);
            self.enrolment(enrol::Input::Heard(near, address, fit)).await?;
        }
        self.event(Event::Heard(advert)).await
    }

    /// A device of the roster that has no model yet gets the one that its announcement fits.
    async fn recognise(&mut self, advert: &Advert) -> Result<(), WriteError> {
        let Some(entry) = self.entries.get_mut(&advert.address) else { return Ok(()) };
        if entry.briefing.profile.is_some() {
            return Ok(());
        }
        let Some(profile) = self.profiles.for_advert(advert) else { return Ok(()) };
        entry.briefing.profile = Some(profile.id.clone());
        let (device, profile) = (entry.briefing.device.clone(), profile.id.clone());
        tracing::info!(device, profile, "the model was recognised");
        records::model(&self.writer, device, Some(profile), Vec::new()).await?;
        let known = self.known();
        self.event(Event::Roster(known)).await
    }

    async fn event(&mut self, event: Event) -> Result<(), WriteError> {
        let now = self.now_ms();
        for action in self.watch.on(event, now) {
            match action {
                Action::StartScan => self.order(Order::StartScan).await,
                Action::StopScan => self.order(Order::StopScan).await,
                Action::Open(address) => self.open(address, None, false).await,
                Action::ResetAdapter => self.order(Order::ResetAdapter).await,
                Action::RestartService => self.order(Order::RestartService).await,
                Action::Tell(address, state) => {
                    let Some(entry) = self.entries.get(&address) else { continue };
                    let device = entry.briefing.device.clone();
                    tracing::info!(device, state = state.as_str(), "a device has changed");
                    records::state(&self.writer, device, state, self.now().wall).await?;
                }
            }
        }
        Ok(())
    }

    // ---- sessions -----------------------------------------------------------------------------

    async fn open(&mut self, address: Address, register: Option<u16>, in_enrolment: bool) {
        self.connection += 1;
        let now = self.now();
        let now_ms = self.now_ms();
        let entry = self.entries.get(&address);
        // It holds more than is here although it was read to the end: its numbering has been renewed
        // unnoticed, or somebody lost a row. What is here already costs no message.
        let whole = entry.is_some_and(|entry| entry.lacks)
            && self.read_whole.get(&address).is_none_or(|at| now_ms - at >= READ_WHOLE_EVERY_MS);
        let profile = entry.and_then(|e| e.briefing.profile.as_deref());
        let Some(profile) = self.profile(profile, address) else {
            // The watch opens nothing that cannot be spoken with.
            tracing::error!(%address, "no model fits a device that was to be connected");
            return;
        };
        let briefing = Briefing {
            cursor: entry.and_then(|e| e.briefing.cursor).filter(|_| !whole),
            cursor_base_s: entry.and_then(|e| e.cursor_base_s),
            consents: entry.map(|e| e.briefing.consents.clone()).unwrap_or_default(),
            register,
            pairing: in_enrolment,
        };
        let device =
            entry.map_or_else(|| address.to_string(), |entry| entry.briefing.device.clone());
        let note = SessionNote::new(device.clone(), (now.wall, now.wall), How::Failed);
        let plan = Plan {
            address,
            device,
            connection: self.connection,
            needs_bond: profile.bond.policy == Bonding::Required,
            zone: entry.map_or_else(|| self.place.clone(), |entry| entry.zone.clone()),
            driver: drivers::for_profile(profile, briefing),
        };
        self.sessions.insert(address, Facts { note, in_enrolment });
        if whole {
            self.read_whole.insert(address, now_ms);
        }
        self.order(Order::Session(Box::new(plan))).await;
    }

    /// The profile of this id, else the one that fits what was heard, else the standard one of its kind.
    fn profile(&self, id: Option<&str>, address: Address) -> Option<&Profile> {
        let kind = self.entries.get(&address).map(|entry| entry.briefing.kind.as_str());
        id.and_then(|id| self.profiles.named(id))
            .or_else(|| self.near_advert(address).and_then(|a| self.profiles.for_advert(a)))
            .or_else(|| {
                let mut standard = self.profiles.iter().filter(|p| p.is_standard());
                standard.find(|p| Some(p.kind.as_str()) == kind)
            })
    }

    async fn news(&mut self, news: News) -> Result<(), WriteError> {
        match news {
            News::Opened(address) => {
                if self.is_enrolling(address) {
                    self.event(Event::Window(Window::Open)).await?;
                }
                self.event(Event::Opened(address)).await
            }
            News::Collected(address, values) => {
                if self.is_enrolling(address) {
                    self.enrolment(enrol::Input::Collected(values)).await?;
                }
                Ok(())
            }
            News::Found(address, finding, at) => self.found(address, finding, at).await,
            News::Closed(address, report) => self.closed(address, report).await,
        }
    }

    fn is_enrolling(&self, address: Address) -> bool {
        self.enrol.as_ref().is_some_and(|e| e.in_session() && e.address() == Some(address))
    }

    async fn found(
        &mut self,
        address: Address,
        finding: Finding,
        at: Now,
    ) -> Result<(), WriteError> {
        let zone = self.entries.get(&address).map_or(&self.place, |entry| &entry.zone);
        let face_s = match finding {
            Finding::Clock { face_s } => Some(face_s),
            Finding::ClockSet { face_s } => face_s,
            _ => None,
        };
        let behind_s = face_s.map(|face| moment(at, zone).local_s.saturating_sub(face));
        if let Some(Facts { note, .. }) = self.sessions.get_mut(&address) {
            match &finding {
                Finding::Clock { .. } => note.clock_before_s = behind_s,
                Finding::ClockSet { .. } => {
                    (note.clock_set, note.clock_after_s) = (true, behind_s);
                }
                Finding::Information { characteristic, text } => {
                    note.information.push((*characteristic, text.clone()));
                }
                Finding::RecordsHeld(n) => note.records_held = Some(*n),
                Finding::RecordsNew(n) => note.records_new = Some(*n),
                Finding::RecordRange { first, last } => note.record_range = Some((*first, *last)),
                Finding::Registered { slot } => {
                    let code = self.enrol.as_ref().and_then(|e| e.request().register);
                    note.registered.extend(code.map(|code| (*slot, code)));
                }
                Finding::SequenceReset | Finding::Consent { .. } => {}
            }
        }
        if self.is_enrolling(address) {
            self.enrolment(enrol::Input::Found(finding, behind_s)).await?;
        }
        Ok(())
    }

    async fn closed(&mut self, address: Address, report: Report) -> Result<(), WriteError> {
        let Report { started, ending, values } = report;
        let ended = match &ending {
            Ending::Complete => Ended::Well { values },
            Ending::Incomplete(fault) | Ending::Failed(fault) => Ended::Badly(fault.clone()),
        };
        if let Some(Facts { mut note, in_enrolment }) = self.sessions.remove(&address) {
            (note.started, note.ended, note.values) = (started.wall, self.now().wall, values);
            (note.how, note.code) = match &ending {
                Ending::Complete => (How::Complete, None),
                Ending::Incomplete(fault) => (How::Incomplete, Some(fault.code().to_owned())),
                Ending::Failed(fault) => (How::Failed, Some(fault.code().to_owned())),
            };
            tracing::info!(
                device = note.device,
                values,
                how = ?note.how,
                code = note.code.as_deref().unwrap_or("-"),
                "a session is over"
            );
            let listed =
                self.entries.get(&address).is_some_and(|e| e.briefing.device == note.device);
            if listed {
                records::session(&self.writer, note).await?;
            }
            self.roster_stale = true;
            if in_enrolment {
                self.enrolment(enrol::Input::Ended(ending)).await?;
            }
        }
        // The cursor has moved: the next session must know it.
        self.read_roster().await?;
        self.event(Event::Closed(address, ended)).await
    }

    // ---- pairing ------------------------------------------------------------------------------

    async fn enrolment(&mut self, input: enrol::Input) -> Result<(), WriteError> {
        let now = self.now_ms();
        let Some(enrol) = self.enrol.as_mut() else { return Ok(()) };
        for output in enrol.on(input, now) {
            // What follows from an output comes back as an input of its own.
            Box::pin(self.carry_out(output)).await?;
        }
        self.answer_hearing(now);
        Ok(())
    }

    async fn carry_out(&mut self, output: enrol::Output) -> Result<(), WriteError> {
        match output {
            enrol::Output::Pair { address, stale } => {
                self.event(Event::Window(Window::Busy)).await?;
                self.order(Order::Pair { address, stale }).await;
            }
            enrol::Output::Answer(reply) => self.order(Order::Answer(reply)).await,
            enrol::Output::BreakOff(_) => self.order(Order::BreakOff).await,
            enrol::Output::Enrol(address) => {
                let input = match self.put_on_roster(address).await? {
                    Ok(device) => enrol::Input::Enrolled(device),
                    Err(sentence) => enrol::Input::NotEnrolled(sentence),
                };
                self.enrolment(input).await?;
            }
            enrol::Output::Open(address) => {
                let register = self.enrol.as_ref().and_then(|e| e.request().register);
                self.event(Event::Window(Window::Busy)).await?;
                self.open(address, register, true).await;
            }
            enrol::Output::Over => self.event(Event::Window(Window::Closed)).await?,
        }
        Ok(())
    }

    async fn paired(&mut self, result: Result<Secured, Fault>) -> Result<(), WriteError> {
        let address = self.enrol.as_ref().and_then(Enrol::address);
        if let (Some(address), Ok(_)) = (address, &result) {
            self.event(Event::Bonded(address, true)).await?;
        }
        let secured = result.as_ref().ok().copied();
        self.enrolment(enrol::Input::Paired(result)).await?;
        if let (Some(address), Some(secured)) = (address, secured)
            && let Some(entry) = self.entries.get(&address)
        {
            let note = BondNote {
                bonded: Some(true),
                secure_connections: secured.secure_connections,
                authenticated: secured.authenticated,
                key_octets: secured.key_octets,
            };
            let device = entry.briefing.device.clone();
            records::bond(&self.writer, device, note, self.now().wall).await?;
        }
        Ok(())
    }

    /// The device's id on the roster, where it is put if it is not there. The inner error is a sentence.
    async fn put_on_roster(
        &mut self,
        address: Address,
    ) -> Result<Result<String, String>, WriteError> {
        let request = self.enrol.as_ref().map(|e| e.request().clone()).unwrap_or_default();
        let chosen = request.profile.as_deref();
        let Some(profile) = self.profile(chosen, address).cloned() else {
            return Ok(Err("No model profile fits this device.".to_owned()));
        };
        let listed = self.entries.get(&address).map(|entry| entry.briefing.device.clone());
        let device = match listed {
            Some(device) => device,
            None => {
                let id = request.device.clone().unwrap_or_else(|| {
                    let [.., a, b] = address.0;
                    format!("{}-{a:02x}{b:02x}", profile.kind.replace('_', "-"))
                });
                let added = serde_json::json!({"id": id, "kind": profile.kind, "model": profile.id,
                    "address": address.to_string(), "expected_interval_s": profile.expected_interval_s});
                if let Err(sentence) = self.command("device_add", added).await? {
                    return Ok(Err(sentence));
                }
                id
            }
        };
        if let Some(patient) = &request.patient {
            let assigned = serde_json::json!({"id": device, "patient": patient,
                "slot": request.slot, "from": request.from});
            if let Err(sentence) = self.command("device_assign", assigned).await? {
                return Ok(Err(sentence));
            }
        }
        let consents = request.consents.clone();
        records::model(&self.writer, device.clone(), Some(profile.id), consents).await?;
        self.read_roster().await?;
        Ok(Ok(device))
    }

    async fn command(
        &self,
        verb: &str,
        mut with: serde_json::Value,
    ) -> Result<Result<(), String>, WriteError> {
        if let Some(fields) = with.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let now = self.now();
        let id = format!("radio-{}-{}-{verb}", self.connection, now.wall.millis());
        let command = serde_json::json!({"id": id, "verb": verb, "with": with});
        let command = match Command::parse(command.to_string().as_bytes()) {
            Ok(command) => command,
            Err(malformed) => return Ok(Err(malformed.sentence)),
        };
        match self.writer.execute(command, Origin::Socket, now).await {
            Ok(result) if result.done => Ok(Ok(())),
            Ok(result) => Ok(Err(result.sentence)),
            Err(WriteError::NoRoom(reason)) => Ok(Err(format!("The disk took nothing: {reason}."))),
            Err(error) => Err(error),
        }
    }

    // ---- people -------------------------------------------------------------------------------

    async fn asked(
        &mut self,
        request: RadioRequest,
        reply: oneshot::Sender<RadioAnswer>,
    ) -> Result<(), WriteError> {
        let answer = match request {
            RadioRequest::Near => RadioAnswer::Near { devices: self.near() },
            RadioRequest::State => RadioAnswer::State { health: self.health() },
            RadioRequest::Pair(request) | RadioRequest::Certify(request) => {
                self.begin(request).await?
            }
            RadioRequest::Answer(says) => match &self.enrol {
                Some(enrol) if !enrol.is_over() => {
                    self.enrolment(enrol::Input::Says(says)).await?;
                    RadioAnswer::Done
                }
                _ => refused(&Fault::WindowClosed),
            },
            RadioRequest::Cancel => {
                self.enrolment(enrol::Input::Cancel).await?;
                RadioAnswer::Done
            }
            RadioRequest::Hear { after } => {
                let until = self.now_ms() + HEAR_WITHIN_MS;
                self.hearing.push(Hearing { after, until, reply });
                self.answer_hearing(self.now_ms());
                return Ok(());
            }
            RadioRequest::Unbond { address } => match address.parse::<Address>() {
                Ok(address) => {
                    self.order(Order::Unbond(address)).await;
                    self.unbonding.push((address, reply));
                    return Ok(());
                }
                Err(error) => RadioAnswer::Refused {
                    code: "no_address".to_owned(),
                    sentence: error.to_string(),
                    next: "hearth devices list shows the addresses.".to_owned(),
                },
            },
        };
        let _ = reply.send(answer);
        Ok(())
    }

    async fn begin(&mut self, request: PairRequest) -> Result<RadioAnswer, WriteError> {
        if let Some((fault, _)) = self.watch.fault() {
            return Ok(refused(fault));
        }
        if self.enrol.as_ref().is_some_and(|enrol| !enrol.is_over()) {
            return Ok(RadioAnswer::Refused {
                code: "window_open".to_owned(),
                sentence: "Another pairing is under way.".to_owned(),
                next: "Wait until it is over, or end it: hearth devices pair --cancel.".to_owned(),
            });
        }
        if let Some(address) = &request.address
            && address.parse::<Address>().is_err()
        {
            return Ok(RadioAnswer::Refused {
                code: "no_address".to_owned(),
                sentence: format!("{address} is no Bluetooth address."),
                next: "hearth devices scan shows the addresses.".to_owned(),
            });
        }
        let profile = match request.profile.as_deref() {
            None => None,
            Some(id) => match self.profiles.named(id) {
                Some(profile) => Some(profile),
                None => {
                    return Ok(RadioAnswer::Refused {
                        code: "no_profile".to_owned(),
                        sentence: format!("No model profile is called {id}."),
                        next: "hearth devices models lists them.".to_owned(),
                    });
                }
            },
        };
        let hint = profile.and_then(|profile| profile.pairing_hint.clone());
        let now = self.now_ms();
        self.enrol = Some(Enrol::new(request, hint, now));
        self.event(Event::Window(Window::Open)).await?;
        // What was heard a moment ago is heard: a device in pairing mode need not speak again.
        let fresh: Vec<Advert> = self
            .watch
            .near(now)
            .filter(|(at, _)| now - at <= 3_000)
            .map(|(_, advert)| advert.clone())
            .collect();
        for advert in fresh {
            self.heard(advert).await?;
        }
        Ok(RadioAnswer::Done)
    }

    async fn unbonded(
        &mut self,
        address: Address,
        done: Result<(), Fault>,
    ) -> Result<(), WriteError> {
        if done.is_ok() {
            if let Some(entry) = self.entries.get(&address) {
                let note = BondNote { bonded: Some(false), ..BondNote::default() };
                let device = entry.briefing.device.clone();
                records::bond(&self.writer, device, note, self.now().wall).await?;
            }
            self.event(Event::Bonded(address, false)).await?;
        }
        let answer = done.as_ref().err().map_or(RadioAnswer::Done, refused);
        let (ours, others) =
            std::mem::take(&mut self.unbonding).into_iter().partition(|(at, _)| *at == address);
        self.unbonding = others;
        let ours: Vec<(Address, oneshot::Sender<RadioAnswer>)> = ours;
        for (_, reply) in ours {
            let _ = reply.send(answer.clone());
        }
        Ok(())
    }

    fn answer_hearing(&mut self, now: i64) {
        let lines = |after| self.enrol.as_ref().map_or_else(Vec::new, |e| e.lines(after).to_vec());
        let mut waiting = Vec::new();
        for hearing in std::mem::take(&mut self.hearing) {
            let lines = lines(hearing.after);
            if !lines.is_empty() || now >= hearing.until {
                let _ = hearing.reply.send(RadioAnswer::Told { lines });
            } else {
                waiting.push(hearing);
            }
        }
        self.hearing = waiting;
    }

    fn near_advert(&self, address: Address) -> Option<&Advert> {
        let now = self.now_ms();
        self.watch.near(now).map(|(_, advert)| advert).find(|advert| advert.address == address)
    }

    fn near(&self) -> Vec<NearDevice> {
        let now = self.now_ms();
        let mut devices: Vec<NearDevice> =
            self.watch.near(now).map(|(at, advert)| self.near_device(advert, now - at)).collect();
        devices.sort_by_key(|device| std::cmp::Reverse(device.rssi));
        devices
    }

    fn near_device(&self, advert: &Advert, ago_ms: i64) -> NearDevice {
        let entry = self.entries.get(&advert.address);
        let profile = entry
            .and_then(|e| e.briefing.profile.as_deref())
            .and_then(|id| self.profiles.named(id))
            .or_else(|| self.profiles.for_advert(advert));
        let services = advert.services.iter().filter_map(|uuid| short(*uuid));
        NearDevice {
            address: advert.address.to_string(),
            name: advert.name.clone(),
            profile: profile.map(|p| p.id.clone()),
            model: profile.map(|p| format!("{} {}", p.maker, p.name)),
            services: services.map(|short| format!("{short:04X}")).collect(),
            rssi: advert.rssi,
            heard_s_ago: u32::try_from(ago_ms / 1_000).unwrap_or(u32::MAX),
            bonded: self.watch.is_bonded(advert.address),
            device: entry.map(|e| e.briefing.device.clone()),
        }
    }

    fn fit(&self, advert: &Advert) -> Fit {
        let asked = self.enrol.as_ref().and_then(|e| e.request().profile.clone());
        let entry = self.entries.get(&advert.address);
        let profile = asked
            .as_deref()
            .or(entry.and_then(|e| e.briefing.profile.as_deref()))
            .and_then(|id| self.profiles.named(id))
            .or_else(|| self.profiles.for_advert(advert));
        let bonded = self.watch.is_bonded(advert.address);
        // A key that its device refuses is taken off before it is paired anew.
        let lost = entry
            .is_some_and(|e| matches!(e.briefing.state.as_str(), "bond_lost" | "not_encrypted"));
        Fit {
            supported: profile.is_some_and(speaks),
            bonds: profile.is_none_or(|p| p.bond.policy != Bonding::None),
            bonded,
            stale: bonded && lost,
        }
    }

    // ---- time ---------------------------------------------------------------------------------

    async fn tick(&mut self) -> Result<(), WriteError> {
        let now = self.now_ms();
        if !self.watch.is_up() && !self.opening && now >= self.open_at {
            self.opening = true;
            self.order(Order::Open).await;
        }
        if self.roster_stale && now >= self.roster_at.saturating_add(ROSTER_EVERY_MS) {
            self.read_roster().await?;
        }
        if self.enrol.is_some() {
            self.enrolment(enrol::Input::Tick).await?;
        }
        self.answer_hearing(now);
        self.event(Event::Tick).await
    }

    async fn read_roster(&mut self) -> Result<(), WriteError> {
        (self.roster_stale, self.roster_at) = (false, self.now_ms());
        let found = match records::roster(&self.writer, self.place.clone()).await? {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the roster could not be read; the one before stands");
                return Ok(());
            }
        };
        self.entries = found.into_iter().map(|entry| (entry.address, entry)).collect();
        let known = self.known();
        self.event(Event::Roster(known)).await
    }

    fn known(&self) -> Vec<Known> {
        self.entries
            .values()
            .map(|entry| {
                let profile = self.profile(entry.briefing.profile.as_deref(), entry.address);
                Known {
                    address: entry.address,
                    needs_bond: profile.is_none_or(|p| p.bond.policy == Bonding::Required),
                    supported: profile.is_some_and(speaks),
                    hold_ms: profile.map_or(0, |p| i64::from(p.session.hold_off_s) * 1_000),
                }
            })
            .collect()
    }

    fn health(&self) -> RadioHealth {
        let now = self.now();
        let now_ms = self.now_ms();
        let counters = self.watch.counters();
        let fault = self.watch.fault();
        let since = fault.map(|(_, since)| {
            UnixMillis::from_millis(now.wall.millis().saturating_sub(now_ms.saturating_sub(since)))
        });
        RadioHealth {
            state: match fault {
                Some((fault, _)) => fault.code().to_owned(),
                None if self.watch.is_up() => "ok".to_owned(),
                None => "starting".to_owned(),
            },
            sentence: fault.map(|(fault, _)| fault.sentence()),
            next: fault.map(|(fault, _)| fault.next().to_owned()),
            since: since
                .and_then(|at| jiff::Timestamp::from_millisecond(at.millis()).ok())
                .map(|t| t.to_string()),
            scanning: self.watch.is_scanning(),
            heard_s_ago: self
                .watch
                .last_heard()
                .map(|at| u32::try_from((now_ms - at) / 1_000).unwrap_or(0)),
            connected: self.watch.connected().map(|address| address.to_string()).collect(),
            sessions: [
                counters.sessions_complete,
                counters.sessions_incomplete,
                counters.sessions_failed,
            ],
            scan_restarts: counters.scan_restarts,
            adapter_resets: counters.adapter_resets,
            daemon_restarts: self.daemon_restarts.saturating_add(counters.service_restarts),
            library_panics: super::central::library_panics(),
            refused_links: counters.refused_links,
            // The agent makes itself the default one before each pairing; whether another program took that
            // over since cannot be asked.
            agent_default: None,
            bonds: self.watch.is_up().then(|| self.watch.bonds().map(|a| a.to_string()).collect()),
        }
    }
}

/// There is a driver for it.
fn speaks(profile: &Profile) -> bool {
    profile.unsupported.is_none() && (profile.gatt != Gatt::Private || drivers::has_own(profile))
}

fn refused(fault: &Fault) -> RadioAnswer {
    RadioAnswer::Refused {
        code: fault.code().to_owned(),
        sentence: fault.sentence(),
        next: fault.next().to_owned(),
    }
}
