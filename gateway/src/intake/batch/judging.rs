//! What is new in a batch, delivery by delivery, before the rules.

use std::collections::BTreeMap;

use hearth_shared::device::Sequence;
use hearth_shared::time::{ClockTrust, UnixMillis};

use super::Batch;
use crate::assess::live::{Case, Live, PatientNotice};
use crate::intake::roster::{self, Decision};
use crate::intake::{Arrival, artefact, decode};
use crate::store::StoreError;
use crate::store::observation::Observation;

/// Arrivals of one connection within this time are one delivery.
const DELIVERY_MS: i64 = 60_000;

/// Arrivals of one connection, handed over together.
#[derive(Debug)]
pub(super) struct Delivery {
    device: String,
    boot: [u8; 16],
    connection: u32,
    first: UnixMillis,
}

/// One new reading for the rules.
#[derive(Debug)]
pub(super) struct Item {
    delivery: usize,
    observation_seq: Option<i64>,
    observation: Observation,
    impossible: bool,
    ahead: bool,
    shared: bool,
    decision: Decision,
}

impl Batch<'_, '_> {
    pub(super) fn item(
        &mut self,
        arrival: &Arrival,
        observation_seq: Option<i64>,
        observation: Observation,
        ahead: bool,
        decision: Decision,
    ) -> Result<(), StoreError> {
        if !decode::is_watched(observation.reading.quantity) {
            return Ok(());
        }
        let entry = self.around.directory.device(self.tx, &arrival.device)?;
        let shared = entry.is_some_and(|e| roster::is_shared(&e.owners, observation.measured));
        let delivery = self.delivery(arrival);
        self.items.push(Item {
            delivery,
            observation_seq,
            impossible: observation_seq.is_none(),
            observation,
            ahead,
            shared,
            decision,
        });
        Ok(())
    }

    fn delivery(&mut self, arrival: &Arrival) -> usize {
        let received = arrival.received;
        let same = |d: &Delivery| {
            d.connection == arrival.connection
                && d.boot == received.boot.0
                && d.device == arrival.device
                && (0..=DELIVERY_MS).contains(&(received.wall.millis() - d.first.millis()))
        };
        // The newest delivery is nearly always the one; a batch holds few.
        if let Some(at) = self.deliveries.iter().rposition(same) {
            return at;
        }
        self.deliveries.push(Delivery {
            device: arrival.device.clone(),
            boot: received.boot.0,
            connection: arrival.connection,
            first: received.wall,
        });
        self.deliveries.len() - 1
    }

    /// Lets the rules judge what was new: delivery by delivery, each sorted by measured time.
    ///
    /// # Errors
    /// What the store answered.
    pub fn judge(
        &mut self,
        live: &mut Live,
        out: &mut Vec<PatientNotice>,
    ) -> Result<(), StoreError> {
        let mut items = std::mem::take(&mut self.items);
        items.sort_by_key(|i| {
            let o = &i.observation;
            (self.deliveries[i.delivery].first, i.delivery, o.measured, o.sequence)
        });
        let stale = stale(&items);
        for (item, stale) in items.iter().zip(stale) {
            if stale {
                continue;
            }
            let case = Case {
                observation_seq: item.observation_seq,
                observation: &item.observation,
                impossible: item.impossible,
                ahead: item.ahead,
                shared: item.shared,
                claimed: false,
            };
            let now = item.observation.received;
            match &item.decision {
                Decision::Owner { patient, .. } => {
                    live.reading(self.tx, patient, &case, now, out)?
                }
                Decision::Unclaimed { candidates } => {
                    live.unclaimed(self.tx, candidates, &case, now)?;
                }
            }
        }
        self.mark_dips(&items)
    }

    /// Looks at the nights that new values of a sensor complete, sensor by sensor.
    fn mark_dips(&self, items: &[Item]) -> Result<(), StoreError> {
        let mut spans: BTreeMap<(&str, &str), [UnixMillis; 3]> = BTreeMap::new();
        for item in items.iter().filter(|item| artefact::is_watched(&item.observation)) {
            let Decision::Owner { patient, .. } = &item.decision else { continue };
            let Observation { device, measured, received, .. } = &item.observation;
            let [from, to, now] =
                spans.entry((patient, device)).or_insert([*measured, *measured, *received]);
            (*from, *to) = ((*from).min(*measured), (*to).max(*measured));
            *now = (*now).max(*received);
        }
        for (sensor, [from, to, now]) in spans {
            artefact::mark(self.tx, sensor, (from, to), now)?;
        }
        Ok(())
    }
}

/// Of stored records whose time is not known, handed over together, only the one with the highest
/// number can have been measured just now (`clinical-rules` B6: such readings alarm if received
/// live).
fn stale(items: &[Item]) -> Vec<bool> {
    let key = |i: &Item| (i.delivery, i.observation.reading.quantity as u8);
    let timeless = |i: &Item| {
        i.observation.clock == ClockTrust::Suspect && !i.ahead && i.observation.sequence.is_some()
    };
    let mut newest: BTreeMap<(usize, u8), Option<Sequence>> = BTreeMap::new();
    for item in items.iter().filter(|i| timeless(i)) {
        let best = newest.entry(key(item)).or_default();
        *best = (*best).max(item.observation.sequence);
    }
    items
        .iter()
        .map(|i| timeless(i) && newest.get(&key(i)).is_some_and(|n| i.observation.sequence < *n))
        .collect()
}
