//! The life of the connection: when to connect, what must be settled before rows flow, when it is dead.

use super::{
    Action, CANARY_MS, Cargo, FORGET_MS, Fault, LaneQueue, LaneStatus, Machine, Now, Outbound,
    Pending, Phase, ROUND_TRIP_MAX_MS, Row, STATUS_MS, ServerLimits, Status, UplinkWrite,
    WINDOW_MAX, reason, rfc3339,
};
use crate::uplink::message::{CONTRACT, Lane};
use hearth_shared::time::UnixMillis;

/// Time limits of a connection. The defaults suit a hospital network; tests set shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Keep alive that we offer, s.
    pub keep_alive_s: u16,
    /// Connection, TLS and CONNACK within this time, ms.
    pub connect_ms: u64,
    /// Subscriptions and the store's answer within this time, ms.
    pub prepare_ms: u64,
    /// A ping is answered within this time, ms.
    pub ping_ms: u64,
    /// A message is answered within this time, ms, or the connection is taken for dead.
    pub answer_ms: u64,
    /// First pause before connecting again, ms; doubled each time.
    pub reconnect_min_ms: u64,
    /// Longest pause, ms.
    pub reconnect_max_ms: u64,
    /// A connection that lasted this long, ms, resets the pauses.
    pub stable_ms: u64,
    /// Time for the goodbye, ms.
    pub stop_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            keep_alive_s: 30,
            connect_ms: 15_000,
            prepare_ms: 15_000,
            ping_ms: 10_000,
            answer_ms: 60_000,
            reconnect_min_ms: 500,
            reconnect_max_ms: 60_000,
            stable_ms: 10_000,
            stop_ms: 3_000,
        }
    }
}

/// A refused subscription is tried again after this time, ms.
const RESUBSCRIBE_MS: u64 = 30_000;

/// Said while the broker takes messages, but does not give our own back.
const NO_ROUND_TRIP: &str = "Connected, but our own message on the topic `canary` has not come back \
     for two minutes. Allow this user to read and write `hearth/v1/<gateway>/canary`.";

impl Machine {
    /// Milliseconds, between half of `base_ms` and `base_ms` (splitmix64, public domain).
    fn jittered(&mut self, base_ms: u64) -> u64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.jitter;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        base_ms / 2 + z % (base_ms / 2 + 1)
    }

    pub(super) fn connected(
        &mut self,
        now: &Now,
        session_present: bool,
        limits: ServerLimits,
        out: &mut Vec<Action>,
    ) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.limits = limits;
        self.view.connections += 1;
        self.heard_ms = now.monotonic_ms;
        self.said_ms = now.monotonic_ms;
        if limits.maximum_qos == 0 {
            self.give_up(now, reason::connect(0x9B), out);
            return;
        }
        self.connection_fault = None;
        self.publish_fault = [None, None, None];
        let recovered = session_present || self.settings.consumers.is_empty();
        if session_present {
            self.keep_what_fits();
        } else {
            self.land_all();
            self.lanes.iter_mut().for_each(LaneQueue::rewind);
            if !recovered {
                let consumers = self.settings.consumers.clone();
                self.write(Pending::Recovery, UplinkWrite::SessionLost { consumers }, out);
            }
        }
        self.lanes.iter_mut().for_each(LaneQueue::reconnected);
        self.subscribe(out);
        let until_ms = now.monotonic_ms + self.settings.pace.prepare_ms;
        self.phase = Phase::Preparing { until_ms, subscribed: false, recovered };
    }

    fn subscribe(&mut self, out: &mut Vec<Action>) {
        self.resubscribe_ms = u64::MAX;
        self.subscribe_pkid = self.free_pkid();
        out.push(Action::Subscribe { pkid: self.subscribe_pkid, filters: self.filters() });
    }

    fn filters(&self) -> Vec<(String, u8)> {
        let topics = &self.topics;
        vec![
            (topics.commands(), 1),
            (topics.watermarks("+"), 1),
            (topics.replay(), 1),
            (topics.canary(), 0),
        ]
    }

    pub(super) fn subscribed(&mut self, now: &Now, pkid: u16, codes: &[u8], out: &mut Vec<Action>) {
        self.heard(now);
        if pkid != self.subscribe_pkid {
            return;
        }
        self.subscribe_pkid = 0;
        let filters = self.filters();
        let refused = filters.iter().zip(codes).find(|(_, code)| **code >= 0x80);
        self.subscribe_fault = refused.map(|((filter, _), code)| reason::subscribe(*code, filter));
        if let Some(word) = self.subscribe_fault.as_ref().map(|f| f.word) {
            self.resubscribe_ms = now.monotonic_ms.saturating_add(RESUBSCRIBE_MS);
            self.count(format!("uplink_subscription_refused_{word}"));
        }
        if let Phase::Preparing { until_ms, recovered, .. } = self.phase {
            self.phase = Phase::Preparing { until_ms, recovered, subscribed: true };
            self.become_ready(now, out);
        }
    }

    /// The store has queued again what the broker may have lost.
    pub(super) fn recovered(&mut self, now: &Now, out: &mut Vec<Action>) {
        self.lanes.iter_mut().for_each(LaneQueue::rewind);
        if let Phase::Preparing { until_ms, subscribed, .. } = self.phase {
            self.phase = Phase::Preparing { until_ms, subscribed, recovered: true };
            self.become_ready(now, out);
        }
    }

    fn become_ready(&mut self, now: &Now, out: &mut Vec<Action>) {
        let Phase::Preparing { subscribed: true, recovered: true, .. } = self.phase else { return };
        self.phase = Phase::Ready { since_ms: now.monotonic_ms };
        self.round_trip_ms = None;
        self.said_state = None;
        self.canary_due_ms = 0;
        self.status_due_ms = 0;
        // Same packet ids, in the order they were first sent (MQTT 5, section 4.4).
        let mut again: Vec<_> = self.flights.values_mut().collect();
        again.sort_by_key(|flight| flight.order);
        for flight in again {
            flight.packet.dup = true;
            flight.since_ms = now.monotonic_ms;
            out.push(Action::Publish(flight.packet.clone()));
        }
    }

    /// Everything under way goes back to where it came from: the broker knows nothing of it.
    fn land_all(&mut self) {
        let flights = std::mem::take(&mut self.flights);
        self.land(flights.into_values().collect());
    }

    /// The session goes on, but the new connection may allow less under way than the last.
    fn keep_what_fits(&mut self) {
        let window = usize::from(self.window());
        let mut all: Vec<_> = std::mem::take(&mut self.flights).into_iter().collect();
        all.sort_by_key(|(_, flight)| flight.order);
        let rest = all.split_off(window.min(all.len()));
        self.flights = all.into_iter().collect();
        self.land(rest.into_iter().map(|(_, flight)| flight).collect());
    }

    fn land(&mut self, mut flights: Vec<super::Flight>) {
        flights.sort_by_key(|flight| flight.order);
        let mut rows: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
        for flight in flights.into_iter().rev() {
            match flight.cargo {
                Cargo::Row(row, _) => rows[super::index(row.lane)].push(row),
                Cargo::Replay(lane, seq) => self.replay_again(lane, seq, 0),
                Cargo::Answer => {
                    let Outbound { topic, payload, .. } = flight.packet;
                    self.own.push_front((Cargo::Answer, topic, payload));
                }
                // Said anew on the new connection.
                Cargo::Status | Cargo::Canary => {}
            }
        }
        for (lane, rows) in self.lanes.iter_mut().zip(rows) {
            lane.landed(rows);
        }
    }

    pub(super) fn disconnected(&mut self, now: &Now, fault: Fault, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Waiting { .. } | Phase::Stopped => {}
            Phase::Stopping { .. } => self.stopped(out),
            _ => self.wait(now, fault),
        }
    }

    /// Ends the connection from our side.
    pub(super) fn give_up(&mut self, now: &Now, fault: Fault, out: &mut Vec<Action>) {
        out.push(Action::Close);
        self.disconnected(now, fault, out);
    }

    fn wait(&mut self, now: &Now, fault: Fault) {
        if let Phase::Ready { since_ms } = self.phase {
            // Two gateways with one client id push each other off at once: no fresh start for that.
            let lasted = now.monotonic_ms.saturating_sub(since_ms);
            if lasted >= self.settings.pace.stable_ms && fault.word != "taken_over" {
                self.attempts = 0;
            }
        }
        self.count(format!("uplink_disconnected_{}", fault.word));
        let pace = self.settings.pace;
        let base = pace.reconnect_min_ms.max(1).saturating_mul(1 << self.attempts.min(16));
        // Where a person has to act, knocking every second only fills the broker's log.
        let factor = if fault.configuration { 4 } else { 1 };
        let base = base.saturating_mul(factor).min(pace.reconnect_max_ms);
        let pause = self.jittered(base);
        self.attempts = self.attempts.saturating_add(1);
        self.connection_fault = Some(fault);
        self.phase = Phase::Waiting { until_ms: now.monotonic_ms.saturating_add(pause) };
        self.ping_since_ms = None;
        self.round_trip_ms = None;
        self.subscribe_pkid = 0;
        // Their packet ids mean nothing on the next connection; they come again.
        self.pending.retain(|_, pending| !matches!(pending, Pending::Incoming { .. }));
    }

    pub(super) fn stop(&mut self, now: &Now, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Ready { .. } => {
                let until_ms = now.monotonic_ms + self.settings.pace.stop_ms;
                self.phase = Phase::Stopping { until_ms };
                self.say_status(now, "offline");
            }
            Phase::Stopping { .. } | Phase::Stopped => {}
            Phase::Connecting { .. } | Phase::Preparing { .. } => {
                out.push(Action::Close);
                self.stopped(out);
            }
            Phase::Waiting { .. } => self.stopped(out),
        }
    }

    fn stopped(&mut self, out: &mut Vec<Action>) {
        self.write_counts(out);
        self.phase = Phase::Stopped;
        out.push(Action::Stopped);
    }

    pub(super) fn heard(&mut self, now: &Now) {
        self.heard_ms = now.monotonic_ms;
        self.ping_since_ms = None;
    }

    fn keep_alive_ms(&self) -> u64 {
        let s = self.limits.keep_alive_s.unwrap_or(self.settings.pace.keep_alive_s);
        u64::from(s).saturating_mul(1000)
    }

    fn ping_due_ms(&self) -> u64 {
        match self.keep_alive_ms() {
            0 => u64::MAX,
            ms => self.heard_ms.min(self.said_ms).saturating_add(ms / 2),
        }
    }

    fn answer_due_ms(&self) -> u64 {
        let oldest = self.flights.values().map(|f| f.since_ms).min();
        oldest.map_or(u64::MAX, |at| at.saturating_add(self.settings.pace.answer_ms))
    }

    pub(super) fn next_liveness_ms(&self) -> u64 {
        let ping = match self.ping_since_ms {
            Some(since) => since.saturating_add(self.settings.pace.ping_ms),
            None => self.ping_due_ms(),
        };
        // Looking through the flights at every event would cost more than a second's delay.
        ping.min(self.answer_due_ms())
    }

    pub(super) fn run_timers(&mut self, now: &Now, out: &mut Vec<Action>) {
        let now_ms = now.monotonic_ms;
        match self.phase {
            Phase::Waiting { until_ms } if now_ms >= until_ms => {
                let until_ms = now_ms.saturating_add(self.settings.pace.connect_ms);
                self.phase = Phase::Connecting { until_ms };
                out.push(Action::Connect);
            }
            Phase::Connecting { until_ms } if now_ms >= until_ms => {
                let fault = Fault::passing(
                    "no_answer",
                    "The broker did not answer the connection in time.",
                    "Check that it runs and that host and port are right.",
                );
                self.give_up(now, fault, out);
            }
            Phase::Preparing { until_ms, .. } if now_ms >= until_ms => {
                let fault = Fault::passing(
                    "not_prepared",
                    "Subscriptions were not answered in time.",
                    "Look into the broker's log.",
                );
                self.give_up(now, fault, out);
            }
            Phase::Ready { .. } => self.run_ready(now, out),
            Phase::Stopping { until_ms }
                if now_ms >= until_ms || (self.flights.is_empty() && self.own.is_empty()) =>
            {
                out.push(Action::Disconnect);
                self.stopped(out);
            }
            _ => {}
        }
        if now_ms >= self.forget_due_ms && self.phase != Phase::Stopped {
            self.keep_house(now, out);
        }
    }

    fn run_ready(&mut self, now: &Now, out: &mut Vec<Action>) {
        let now_ms = now.monotonic_ms;
        let silent = self
            .ping_since_ms
            .is_some_and(|at| now_ms.saturating_sub(at) >= self.settings.pace.ping_ms);
        if silent || now_ms >= self.answer_due_ms() {
            let fault = Fault::passing(
                "silent",
                "The broker has stopped answering on an open connection.",
                "Check whether it hangs, and the network between.",
            );
            self.give_up(now, fault, out);
            return;
        }
        if self.ping_since_ms.is_none() && now_ms >= self.ping_due_ms() {
            self.ping_since_ms = Some(now_ms);
            self.said_ms = now_ms;
            out.push(Action::Ping);
        }
        if now_ms >= self.resubscribe_ms {
            self.subscribe(out);
        }
        if now_ms >= self.canary_due_ms {
            self.canary_due_ms = now_ms.saturating_add(CANARY_MS);
            self.canary = self.canary.wrapping_add(1);
            let payload = format!("{:016x}", self.canary).into_bytes();
            self.own.push_back((Cargo::Canary, self.topics.canary(), payload));
        }
        let state = self.state(now);
        let news = self.said_state != Some(state) || now_ms >= self.status_due_ms;
        // "Connecting" is not for the world: the retained status says nothing new until it is known.
        let late = self.round_trip_ms.is_none() && self.connected_for(now) < ROUND_TRIP_MAX_MS;
        if news && !(state == "connecting" && late) {
            let word = if state == "connecting" { "degraded" } else { state };
            self.said_state = Some(state);
            self.say_status(now, word);
        }
    }

    fn connected_for(&self, now: &Now) -> u64 {
        match self.phase {
            Phase::Ready { since_ms } => now.monotonic_ms.saturating_sub(since_ms),
            _ => 0,
        }
    }

    pub(super) fn say_status(&mut self, now: &Now, state: &str) {
        self.status_due_ms = now.monotonic_ms.saturating_add(STATUS_MS);
        self.said_last = [self.lanes[0].last(), self.lanes[1].last()];
        let status = Status {
            state: state.to_owned(),
            contract: Some(CONTRACT.to_owned()),
            gateway: Some(self.settings.gateway.clone()),
            at: now.trusted.then(|| rfc3339(now.wall)),
            lanes: Lane::ALL
                .iter()
                .map(|&lane| LaneStatus { lane, last: self.said_last[super::index(lane)] })
                .collect(),
            problem: self
                .problem()
                .map(ToString::to_string)
                .or_else(|| (state == "degraded").then(|| NO_ROUND_TRIP.to_owned())),
            adapter: self.adapter.clone(),
            notes: self.notes.clone(),
        };
        let payload = serde_json::to_vec(&status).unwrap_or_default();
        self.own.retain(|(cargo, ..)| !matches!(cargo, Cargo::Status));
        self.own.push_back((Cargo::Status, self.topics.status(), payload));
    }

    /// A lane has been emptied since the last status: say its last number soon, so that a consumer
    /// notices a lost tail. At most every five seconds.
    pub(super) fn tell_tail(&mut self, now: &Now) {
        let moved = self.lanes.iter().zip(self.said_last).any(|(l, said)| l.last() > said);
        if moved && self.lanes.iter().all(LaneQueue::drained) {
            self.status_due_ms = self.status_due_ms.min(now.monotonic_ms.saturating_add(5_000));
        }
    }

    fn keep_house(&mut self, now: &Now, out: &mut Vec<Action>) {
        self.forget_due_ms = now.monotonic_ms.saturating_add(FORGET_MS);
        self.write_counts(out);
        if now.trusted || !self.settings.consumers.is_empty() {
            let keep_ms = i64::from(self.settings.keep_days).saturating_mul(86_400_000);
            let before = now.wall.millis().saturating_sub(keep_ms);
            let write = UplinkWrite::Forget {
                consumers: self.settings.consumers.clone(),
                acknowledged_before: UnixMillis::from_millis(before),
            };
            self.write(Pending::Housekeeping, write, out);
        }
    }

    fn write_counts(&mut self, out: &mut Vec<Action>) {
        let counts = std::mem::take(&mut self.counts);
        if !counts.is_empty() {
            let counts = counts.into_iter().collect();
            self.write(Pending::Housekeeping, UplinkWrite::Count(counts), out);
        }
    }

    /// Messages that may be under way.
    pub(super) fn window(&self) -> u16 {
        self.limits.receive_maximum.clamp(1, WINDOW_MAX)
    }
}
