//! One connected device: what it offers, what is read from it and written to it, and what it sends.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use btleplug::api::{CharPropFlags, Characteristic, Peripheral as _, ValueNotification, WriteType};
use btleplug::platform::Peripheral;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::air::{Address, Fault, Place, Properties, Services};
use super::super::bluez_error::On;
use super::{CentralDeadlines, locked, of};

/// Values that may wait for one connection: more than any known meter sends before its acknowledgement is
/// due, and little memory. Beyond it, they wait in the library.
const VALUES_MAX: usize = 1024;

struct LinkInner {
    peripheral: Peripheral,
    address: Address,
    deadlines: CentralDeadlines,
    places: Mutex<BTreeMap<Place, Characteristic>>,
    filter: Arc<Mutex<Filter>>,
    /// The way to the task that passes values on, once there is one.
    orders: Mutex<Option<mpsc::UnboundedSender<ReadDone>>>,
    closed: AtomicBool,
}

impl Drop for LinkInner {
    fn drop(&mut self) {
        if *self.closed.get_mut() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (peripheral, deadline) = (self.peripheral.clone(), self.deadlines.disconnect);
            // Nobody is left who could be told how it went.
            runtime.spawn(async move { drop(timeout(deadline, peripheral.disconnect()).await) });
        }
    }
}

/// One connected device. Dropping the last clone disconnects it.
#[derive(Clone)]
pub struct Link(Arc<LinkInner>);

impl Link {
    /// Not yet connected: dropping it ends the attempt.
    pub(super) fn new(
        peripheral: Peripheral,
        address: Address,
        deadlines: CentralDeadlines,
    ) -> Self {
        Self(Arc::new(LinkInner {
            peripheral,
            address,
            deadlines,
            places: Mutex::default(),
            filter: Arc::default(),
            orders: Mutex::default(),
            closed: AtomicBool::new(false),
        }))
    }

    /// Connects and waits for the services. What fails is ended.
    pub(super) async fn connect(&self) -> Result<(), Fault> {
        let link = &self.0;
        let failed = match timeout(link.deadlines.connect, link.peripheral.connect()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => of(error, On::Device),
            Err(_) => Fault::Timeout("connecting"),
        };
        // An error: there is nothing to end, or nobody to end it.
        let _ = self.disconnect().await;
        Err(failed)
    }

    /// Whose link it is.
    pub fn address(&self) -> Address {
        self.0.address
    }

    /// Everything that the device offers. BlueZ may say "resolved" before the last characteristic is
    /// there: whoever misses one asks again.
    ///
    /// # Errors
    /// [`Fault::Timeout`], [`Fault::Disconnected`], or what is wrong with the daemon.
    pub async fn services(&self) -> Result<Services, Fault> {
        let link = &self.0;
        timeout(link.deadlines.services, link.peripheral.discover_services())
            .await
            .map_err(|_| Fault::Timeout("listing its services"))?
            .map_err(|error| of(error, On::Link))?;
        let found = link.peripheral.characteristics();
        let services = found.iter().map(|one| (place_of(one), properties_of(one))).collect();
        *locked(&link.places) = found.into_iter().map(|one| (place_of(&one), one)).collect();
        Ok(services)
    }

    /// The values that the device sends at the places subscribed to, in order. To be opened before the
    /// first subscription: the first value may come before its answer. A second call replaces the first.
    /// The receiver ends with the link's last clone, not with the connection.
    ///
    /// # Errors
    /// [`Fault::Timeout`], or what is wrong with the daemon.
    pub async fn values(&self) -> Result<mpsc::Receiver<(Place, Vec<u8>)>, Fault> {
        let link = &self.0;
        let stream = timeout(link.deadlines.call, link.peripheral.notifications())
            .await
            .map_err(|_| Fault::DaemonFrozen)?
            .map_err(|error| of(error, On::Link))?;
        let (sender, values) = mpsc::channel(VALUES_MAX);
        // One order per read, and reads come one at a time.
        let (orders, taken) = mpsc::unbounded_channel();
        *locked(&link.orders) = Some(orders);
        tokio::spawn(pass_on(stream, link.filter.clone(), taken, sender));
        Ok(values)
    }

    /// Reads a characteristic.
    ///
    /// # Errors
    /// [`Fault::Missing`], [`Fault::Att`], [`Fault::PairingNeeded`], [`Fault::Timeout`],
    /// [`Fault::Disconnected`], or what is wrong with the daemon.
    pub async fn read(&self, place: Place) -> Result<Vec<u8>, Fault> {
        let link = &self.0;
        let characteristic = self.characteristic(place)?;
        locked(&link.filter).begin_read(place);
        let mut done = Reading { link, place, octets: None };
        let octets = timeout(link.deadlines.io, link.peripheral.read(&characteristic))
            .await
            .map_err(|_| Fault::Timeout("reading"))?
            .map_err(|error| of(error, On::Link))?;
        done.octets = Some(octets.clone());
        Ok(octets)
    }

    /// Writes a characteristic; with `response`, waits for the device's answer.
    ///
    /// # Errors
    /// As [`Link::read`].
    pub async fn write(&self, place: Place, octets: &[u8], response: bool) -> Result<(), Fault> {
        let link = &self.0;
        let characteristic = self.characteristic(place)?;
        let kind = if response { WriteType::WithResponse } else { WriteType::WithoutResponse };
        timeout(link.deadlines.io, link.peripheral.write(&characteristic, octets, kind))
            .await
            .map_err(|_| Fault::Timeout("writing"))?
            .map_err(|error| of(error, On::Link))
    }

    /// Asks for a characteristic's notifications or indications.
    ///
    /// # Errors
    /// As [`Link::read`].
    pub async fn subscribe(&self, place: Place) -> Result<(), Fault> {
        let link = &self.0;
        let characteristic = self.characteristic(place)?;
        // Before the answer: the first value may overtake it.
        locked(&link.filter).subscribed.insert(place);
        let subscribed = timeout(link.deadlines.io, link.peripheral.subscribe(&characteristic))
            .await
            .map_err(|_| Fault::Timeout("subscribing"))
            .and_then(|done| done.map_err(|error| of(error, On::Link)));
        if subscribed.is_err() {
            locked(&link.filter).subscribed.remove(&place);
        }
        subscribed
    }

    /// Wants no more of them.
    ///
    /// # Errors
    /// As [`Link::read`].
    pub async fn unsubscribe(&self, place: Place) -> Result<(), Fault> {
        let link = &self.0;
        let characteristic = self.characteristic(place)?;
        let done = timeout(link.deadlines.io, link.peripheral.unsubscribe(&characteristic))
            .await
            .map_err(|_| Fault::Timeout("unsubscribing"))?
            .map_err(|error| of(error, On::Link));
        // What was on its way still counts.
        if done.is_ok() {
            locked(&link.filter).subscribed.remove(&place);
        }
        done
    }

    /// Ends the connection. One that has ended already is no error.
    ///
    /// # Errors
    /// [`Fault::Timeout`], or what is wrong with the daemon; the link counts as ended all the same.
    pub async fn disconnect(&self) -> Result<(), Fault> {
        let link = &self.0;
        let ended = timeout(link.deadlines.disconnect, link.peripheral.disconnect()).await;
        link.closed.store(true, Ordering::Relaxed);
        match ended.map_err(|_| Fault::Timeout("disconnecting"))? {
            Ok(()) => Ok(()),
            Err(error) => match of(error, On::Link) {
                Fault::Disconnected => Ok(()),
                fault => Err(fault),
            },
        }
    }

    /// Whether it is connected now.
    ///
    /// # Errors
    /// What is wrong with the daemon.
    pub async fn is_connected(&self) -> Result<bool, Fault> {
        let link = &self.0;
        let connected = timeout(link.deadlines.call, link.peripheral.is_connected()).await;
        match connected.map_err(|_| Fault::DaemonFrozen)? {
            Ok(connected) => Ok(connected),
            Err(error) => match of(error, On::Link) {
                // BlueZ has forgotten the device altogether.
                Fault::Disconnected => Ok(false),
                fault => Err(fault),
            },
        }
    }

    fn characteristic(&self, place: Place) -> Result<Characteristic, Fault> {
        locked(&self.0.places).get(&place).cloned().ok_or(Fault::Missing(place))
    }
}

fn place_of(characteristic: &Characteristic) -> Place {
    Place { service: characteristic.service_uuid, characteristic: characteristic.uuid }
}

fn properties_of(characteristic: &Characteristic) -> Properties {
    let has = |flag| characteristic.properties.contains(flag);
    Properties {
        read: has(CharPropFlags::READ),
        write: has(CharPropFlags::WRITE),
        write_without_response: has(CharPropFlags::WRITE_WITHOUT_RESPONSE),
        notify: has(CharPropFlags::NOTIFY),
        indicate: has(CharPropFlags::INDICATE),
    }
}

/// What a place sends, as it came.
type Value = (Place, Vec<u8>);

/// A read has ended; these octets were its answer.
struct ReadDone(Place, Option<Vec<u8>>);

/// Tells so however the read ends.
struct Reading<'a> {
    link: &'a LinkInner,
    place: Place,
    octets: Option<Vec<u8>>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let done = ReadDone(self.place, self.octets.take());
        let passed_on = match &*locked(&self.link.orders) {
            Some(orders) => orders.send(done).is_ok(),
            None => false,
        };
        if !passed_on {
            // Nobody wants values, so none is held.
            locked(&self.link.filter).end_read(self.place, None);
        }
    }
}

/// Which values are the device's own. BlueZ signals the answer of a read like a notification, right
/// before it answers the read, so a value of a place that is being read is held until that is known.
#[derive(Default)]
struct Filter {
    subscribed: BTreeSet<Place>,
    held: BTreeMap<Place, Vec<Vec<u8>>>,
}

impl Filter {
    fn begin_read(&mut self, place: Place) {
        self.held.entry(place).or_default();
    }

    /// The value, where it may be passed on now.
    fn take(&mut self, place: Place, octets: Vec<u8>) -> Option<Value> {
        if !self.subscribed.contains(&place) {
            return None;
        }
        match self.held.get_mut(&place) {
            Some(held) => {
                held.push(octets);
                None
            }
            None => Some((place, octets)),
        }
    }

    /// What was held, without the answer itself.
    fn end_read(&mut self, place: Place, answer: Option<&[u8]>) -> Vec<Value> {
        let mut held = self.held.remove(&place).unwrap_or_default();
        if let Some(echo) = held.iter().rposition(|octets| Some(octets.as_slice()) == answer) {
            held.remove(echo);
        }
        held.into_iter().map(|octets| (place, octets)).collect()
    }
}

async fn pass_on(
    mut stream: Pin<Box<dyn Stream<Item = ValueNotification> + Send>>,
    filter: Arc<Mutex<Filter>>,
    mut orders: mpsc::UnboundedReceiver<ReadDone>,
    values: mpsc::Sender<Value>,
) {
    loop {
        let passed = tokio::select! {
            // The echo of a read stands in the stream before its answer is seen: the stream goes first.
            biased;
            value = stream.next() => match value {
                Some(ValueNotification { uuid, service_uuid, value }) => {
                    let place = Place { service: service_uuid, characteristic: uuid };
                    locked(&filter).take(place, value).into_iter().collect()
                }
                None => return,
            },
            done = orders.recv() => match done {
                Some(ReadDone(place, answer)) => {
                    locked(&filter).end_read(place, answer.as_deref())
                }
                // The link is gone, or another receiver has taken over.
                None => return,
            },
            () = values.closed() => return,
        };
        for value in passed {
            if values.send(value).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Place = Place::sig(0x1808, 0x2A18);
    const B: Place = Place::sig(0x180F, 0x2A19);

    #[test]
    fn only_what_was_subscribed_to_is_passed_on() {
        let mut filter = Filter::default();
        filter.subscribed.insert(A);
        assert_eq!(filter.take(A, vec![1]), Some((A, vec![1])));
        assert_eq!(filter.take(B, vec![1]), None);
    }

    #[test]
    fn the_echo_of_a_read_is_no_notification() {
        let mut filter = Filter::default();
        filter.subscribed.extend([A, B]);
        filter.begin_read(B);
        assert_eq!(filter.take(B, vec![98]), None);
        assert_eq!(filter.take(A, vec![1]), Some((A, vec![1])), "another place goes on");
        assert_eq!(filter.take(B, vec![99]), None);
        assert_eq!(filter.take(B, vec![99]), None);
        let expected = vec![(B, vec![98]), (B, vec![99])];
        assert_eq!(filter.end_read(B, Some(&[99])), expected, "one of the two was the echo");
        assert_eq!(filter.take(B, vec![99]), Some((B, vec![99])));
    }

    #[test]
    fn a_read_that_failed_releases_what_it_held() {
        let mut filter = Filter::default();
        filter.subscribed.insert(A);
        filter.begin_read(A);
        assert_eq!(filter.take(A, vec![1]), None);
        assert_eq!(filter.end_read(A, None), vec![(A, vec![1])]);
    }
}
