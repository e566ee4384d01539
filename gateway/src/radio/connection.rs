//! The shell of one session: connects, looks at the link's security, carries out what the
//! [`Conversation`] asks, and commits what it hands over. No decision is in here but deadlines.
//!
//! BlueZ confirms an indication by itself, before we have it. What a device forgets then is lost if
//! the power goes between that confirmation and our commit: so a value goes to the writer the moment it
//! is read from the stream, in front of everything else.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::air::{Address, Fault, Place};
use super::central::{Central, Link};
use super::conversation::{Call, Conversation, Heading, Input, Output};
use super::drivers::{Driver, Ending, Finding, Moment};
use super::hands::Told;
use super::{records, security};
use crate::clock::{Clock, Now};
use crate::intake::{Arrival, LinkSecurity};
use crate::writer::{WriteError, Writer};

/// A session in which nothing happens at all is over: no driver waits longer (its longest timer is the
/// 30 s of a record transfer).
const NOTHING_WITHIN: Duration = Duration::from_secs(60);

/// A device that streams (a strap, a finger in an oximeter) is let go after this long, so that its place is
/// free for others; 10,000 stored records took five minutes of an emulated meter.
const SESSION_WITHIN: Duration = Duration::from_secs(15 * 60);

/// A refused link fails at once; a device that is not there takes as long as the controller's own
/// connection timeout. This tells them apart.
const REFUSED_WITHIN: Duration = Duration::from_secs(6);

/// First and longest pause between two attempts to commit while the disk is full.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What a session is given.
pub(super) struct Plan {
    pub(super) address: Address,
    /// Device id, or the address where no roster has it.
    pub(super) device: String,
    /// Counts the connections since boot.
    pub(super) connection: u32,
    /// Nothing is taken over a link that is not encrypted.
    pub(super) needs_bond: bool,
    /// Zone of the device's clock.
    pub(super) zone: TimeZone,
    pub(super) driver: Box<dyn Driver>,
}

/// What a session tells while it runs.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// The link is open; the radio is free for the next.
    Opened(Address),
    /// What was learned.
    Found(Address, Finding, Now),
    /// So many values are durable.
    Collected(Address, u32),
    /// It is over.
    Closed(Address, Report),
}

/// How a session went.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) started: Now,
    pub(super) ending: Ending,
    /// Measurements that were committed.
    pub(super) values: u32,
}

/// Who carries out a session.
pub(super) struct Shell {
    pub(super) central: Central,
    pub(super) writer: Writer,
    pub(super) clock: Clock,
    pub(super) told: mpsc::Sender<Told>,
    /// `hci0`.
    pub(super) adapter: String,
    /// Our adapter's address, under which BlueZ keeps its bonds.
    pub(super) own_address: Option<Address>,
}

impl Shell {
    async fn tell(&self, news: News) {
        let _ = self.told.send(Told::News(news)).await;
    }

    /// Holds one session and tells its end.
    ///
    /// # Errors
    /// The writer is gone: the process ends.
    pub(super) async fn hold(self, plan: Plan, stop: CancellationToken) -> Result<(), WriteError> {
        let (address, started) = (plan.address, self.clock.now());
        let began = Instant::now();
        let opened = tokio::select! {
            () = stop.cancelled() => Err(Fault::Disconnected),
            link = self.central.connect(&address) => link,
        };
        let (ending, values) = match opened {
            Err(Fault::NotConnected) if began.elapsed() > REFUSED_WITHIN => {
                (Ending::Failed(Fault::Timeout("connecting")), 0)
            }
            Err(fault) => (Ending::Failed(fault), 0),
            Ok(link) => {
                self.tell(News::Opened(address)).await;
                let held = self.talk(&link, plan, &stop).await;
                if let Err(fault) = link.disconnect().await {
                    tracing::debug!(code = fault.code(), "the link did not end in order");
                }
                held?
            }
        };
        let report = Report { started, ending, values };
        self.tell(News::Closed(address, report)).await;
        Ok(())
    }

    async fn talk(
        &self,
        link: &Link,
        plan: Plan,
        stop: &CancellationToken,
    ) -> Result<(Ending, u32), WriteError> {
        let services = match link.services().await {
            Ok(services) => services,
            Err(fault) => return Ok((Ending::Incomplete(fault), 0)),
        };
        // After the services: BlueZ resolves them of a bonded device over the encrypted link only.
        let security = self.security(plan.address);
        if plan.needs_bond && security.encrypted == Some(false) {
            return Ok((Ending::Failed(Fault::NotEncrypted), 0));
        }
        let mut values = match link.values().await {
            Ok(values) => values,
            Err(fault) => return Ok((Ending::Incomplete(fault), 0)),
        };
        let heading =
            Heading { device: plan.device.clone(), connection: plan.connection, link: security };
        let talk = Conversation::new(plan.driver, heading);
        let mut running = Running {
            shell: self,
            link,
            address: plan.address,
            device: plan.device,
            zone: plan.zone,
            talk,
            timer: None,
            call: None,
            batch: None,
            ending: None,
        };
        running.on(Input::Opened(&services)).await?;
        running.run(&mut values, stop).await
    }

    /// What is known of this link: from the kernel, and from BlueZ's file of the bond.
    fn security(&self, address: Address) -> LinkSecurity {
        let folder = std::path::Path::new(security::BONDS);
        let bond = self.own_address.and_then(|own| security::bond(folder, own, address));
        LinkSecurity {
            encrypted: security::is_encrypted(&self.adapter, address),
            authenticated: bond.and_then(|bond| bond.authenticated),
            secure_connections: bond.and_then(|bond| bond.secure_connections),
        }
    }

    /// Commits a batch, however long that takes; nothing is given up while the disk is full.
    async fn commit(
        &self,
        batch: Vec<Arrival>,
        stop: &CancellationToken,
    ) -> Result<(), WriteError> {
        let mut pause = BACKOFF_MIN;
        loop {
            match self.writer.arrivals(batch.clone()).await {
                Ok(_) => return Ok(()),
                Err(WriteError::NoRoom(reason)) => {
                    tokio::select! {
                        () = stop.cancelled() => return Err(WriteError::NoRoom(reason)),
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(BACKOFF_MAX);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// A session under way.
struct Running<'a> {
    shell: &'a Shell,
    link: &'a Link,
    address: Address,
    device: String,
    zone: TimeZone,
    talk: Conversation,
    timer: Option<Instant>,
    call: Option<Call>,
    batch: Option<Vec<Arrival>>,
    ending: Option<Ending>,
}

impl Running<'_> {
    async fn on(&mut self, input: Input<'_>) -> Result<(), WriteError> {
        let now = self.shell.clock.now();
        for output in self.talk.on(input, now, moment(now, &self.zone)) {
            match output {
                Output::Call(call) => self.call = Some(call),
                Output::Commit(batch) => self.batch = Some(batch),
                Output::Wait { after_ms } => {
                    self.timer = Some(Instant::now() + Duration::from_millis(after_ms.into()));
                }
                Output::Found(finding) => {
                    if finding == Finding::SequenceReset {
                        // Before the records are asked for again: they belong to the new numbering.
                        records::sequence_reset(&self.shell.writer, self.device.clone()).await?;
                    }
                    self.shell.tell(News::Found(self.address, finding, now)).await;
                }
                Output::Done(ending) => self.ending = Some(ending),
            }
        }
        Ok(())
    }

    async fn run(
        mut self,
        values: &mut mpsc::Receiver<(Place, Vec<u8>)>,
        stop: &CancellationToken,
    ) -> Result<(Ending, u32), WriteError> {
        // Futures that go on while others are waited for: the call under way, the batch under way.
        let mut calling = std::pin::pin!(None);
        let mut committing = std::pin::pin!(None);
        let mut open = true;
        let long_enough = Instant::now() + SESSION_WITHIN;
        loop {
            if let Some(ending) = self.ending.take() {
                return Ok((ending, self.talk.values()));
            }
            if let Some(call) = self.call.take() {
                calling.set(Some(carry_out(self.link, call)));
            }
            if let Some(batch) = self.batch.take() {
                committing.set(Some(self.shell.commit(batch, stop)));
            }
            let timer = self.timer;
            tokio::select! {
                biased;
                // What is on the air first: each value goes to the writer as soon as it is here.
                value = values.recv(), if open => match value {
                    Some((place, octets)) => self.on(Input::Value(place, octets)).await?,
                    None => {
                        open = false;
                        calling.set(None);
                        self.on(Input::Lost(Fault::Disconnected)).await?;
                    }
                },
                done = either(committing.as_mut().as_pin_mut()), if committing.is_some() => {
                    committing.set(None);
                    match done {
                        Ok(()) => {}
                        // The gateway stops while the disk is full: what is not durable was never taken.
                        Err(WriteError::NoRoom(_)) => {
                            return Ok((Ending::Incomplete(Fault::Busy), self.talk.values()));
                        }
                        Err(error) => return Err(error),
                    }
                    self.on(Input::Committed).await?;
                    self.shell.tell(News::Collected(self.address, self.talk.values())).await;
                }
                answer = either(calling.as_mut().as_pin_mut()), if calling.is_some() => {
                    calling.set(None);
                    self.on(Input::Answered(answer)).await?;
                }
                () = tokio::time::sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {
                    self.timer = None;
                    self.on(Input::Timer).await?;
                }
                () = stop.cancelled(), if open => {
                    open = false;
                    calling.set(None);
                    self.on(Input::Lost(Fault::Disconnected)).await?;
                }
                () = tokio::time::sleep_until(long_enough), if open => {
                    open = false;
                    calling.set(None);
                    self.on(Input::Lost(Fault::Disconnected)).await?;
                }
                () = tokio::time::sleep(NOTHING_WITHIN), if open => {
                    open = false;
                    calling.set(None);
                    self.on(Input::Lost(Fault::Timeout("nothing happens"))).await?;
                }
            }
        }
    }
}

async fn carry_out(link: &Link, call: Call) -> Result<Vec<u8>, Fault> {
    match call {
        Call::Read(place) => link.read(place).await,
        Call::Write { place, octets, response } => {
            link.write(place, &octets, response).await.map(|()| Vec::new())
        }
        Call::Subscribe(place) => link.subscribe(place).await.map(|()| Vec::new()),
        Call::Unsubscribe(place) => link.unsubscribe(place).await.map(|()| Vec::new()),
    }
}

/// Waits for a future that is there; the caller asks only then.
async fn either<F: Future>(future: Option<std::pin::Pin<&mut F>>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// The time for a driver, with the clock face at the device's place.
pub(super) fn moment(now: Now, zone: &TimeZone) -> Moment {
    let utc_s = now.wall.seconds();
    let offset =
        Timestamp::from_second(utc_s).map_or(0, |t| i64::from(zone.to_offset(t).seconds()));
    Moment { utc_ms: now.wall.millis(), local_s: utc_s + offset, trusted: now.trusted }
}
