//! Messages: what is sent next, what the broker answered, what came in.

use super::{
    ANSWERS_MAX, Action, Answer, Cargo, Fetch, Flight, Form, Lane, Machine, Now, Outbound, PAGE,
    Page, Parsed, Pending, Phase, REPLAYS_MAX, Rendered, Replay, ReplayRequest, Row, Sent,
    UplinkWritten, incoming, index, publish_size, reason, render,
};
use crate::uplink::reason::Fault;
use std::collections::VecDeque;

/// Place of the fault of our own messages (status, canary, answers) behind those of the lanes.
const OWN: usize = 2;
/// Pause before a refused replay goes on, ms.
const REPLAY_PAUSE_MS: u64 = 5_000;
/// Ranges of missing numbers named in an answer at most.
const MISSING_MAX: usize = 16;

impl Machine {
    pub(super) fn free_pkid(&mut self) -> u16 {
        // At most WINDOW_MAX ids are taken, so one is found within as many steps.
        loop {
            let pkid = self.next_pkid;
            self.next_pkid = self.next_pkid.checked_add(1).unwrap_or(1);
            if !self.flights.contains_key(&pkid) && pkid != self.subscribe_pkid {
                return pkid;
            }
        }
    }

    /// Sends as much as the window allows, the most urgent first.
    pub(super) fn fill(&mut self, now: &Now, out: &mut Vec<Action>) {
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        if !stopping && !matches!(self.phase, Phase::Ready { .. }) {
            return;
        }
        let window = usize::from(self.window());
        // A part of the window is kept for what is urgent, so that an alert never waits for the backlog.
        let reserve = (window / 4).max(usize::from(window > 1));
        let backlog_window = window - reserve;
        while self.flights.len() < window {
            if let Some((cargo, topic, payload)) = self.own.pop_front() {
                let retain = matches!(cargo, Cargo::Status) && self.limits.retain_available;
                self.launch(now, cargo, topic, payload, retain, None, out);
                continue;
            }
            if stopping {
                return;
            }
            if self.send_row(now, Lane::Alerts, out) || self.send_replay(now, Lane::Alerts, out) {
                continue;
            }
            if self.flights.len() >= backlog_window || !self.send_backlog(now, out) {
                return;
            }
        }
    }

    /// Observations and their replays take turns.
    fn send_backlog(&mut self, now: &Now, out: &mut Vec<Action>) -> bool {
        const LANE: Lane = Lane::Observations;
        self.replay_turn = !self.replay_turn;
        let replay_first = self.replay_turn;
        (replay_first && self.send_replay(now, LANE, out))
            || self.send_row(now, LANE, out)
            || (!replay_first && self.send_replay(now, LANE, out))
    }

    #[expect(clippy::too_many_arguments, reason = "one message has that many parts")]
    fn launch(
        &mut self,
        now: &Now,
        cargo: Cargo,
        topic: String,
        payload: Vec<u8>,
        retain: bool,
        expiry_s: Option<u32>,
        out: &mut Vec<Action>,
    ) {
        let pkid = self.free_pkid();
        let packet = Outbound { pkid, topic, payload, retain, dup: false, expiry_s };
        self.order += 1;
        self.said_ms = now.monotonic_ms;
        let flight =
            Flight { cargo, packet: packet.clone(), order: self.order, since_ms: now.monotonic_ms };
        self.flights.insert(pkid, flight);
        out.push(Action::Publish(packet));
    }

    fn render(&self, now: &Now, row: &Row) -> Option<Rendered> {
        let topic = self.topics.lane(row.lane).len();
        let max = self.limits.maximum_packet_size.map_or(usize::MAX, |m| m as usize);
        render(&self.settings.gateway, row, now.trusted.then_some(now.wall), |size, expiry| {
            publish_size(topic, size, expiry.is_some()) <= max
        })
    }

    fn send_row(&mut self, now: &Now, lane: Lane, out: &mut Vec<Action>) -> bool {
        let Some(row) = self.lanes[index(lane)].next(now.monotonic_ms) else { return false };
        match self.render(now, &row) {
            Some(rendered) => {
                if rendered.form == Form::SetAside {
                    self.set_aside(&row, rendered.reason.unwrap_or("too_large"));
                }
                let topic = self.topics.lane(lane);
                let cargo = Cargo::Row(row, rendered.form);
                self.launch(now, cargo, topic, rendered.payload, false, rendered.expiry_s, out);
            }
            None => {
                // Not even a tombstone fits: put aside without a word to the consumer, but said here.
                self.set_aside(&row, "too_large");
                self.lanes[index(lane)].taken(row.seq);
                out.push(Action::Acknowledged(Sent { lane, seq: row.seq, form: Form::SetAside }));
            }
        }
        true
    }

    fn set_aside(&mut self, row: &Row, reason: &'static str) {
        self.view.set_aside += 1;
        self.count(format!("uplink_{reason}"));
        let lane = row.lane;
        self.publish_fault[index(lane)] = Some(match (reason, self.limits.maximum_packet_size) {
            ("too_large", Some(max)) => Fault::lasting(
                "too_large",
                format!(
                    "Message {} of lane {} is larger than the {max} octets that the broker takes; \
                     it was set aside, and a tombstone sent in its place.",
                    row.seq,
                    lane.as_str()
                ),
                "Raise the broker's maximum packet size; it is then sent on request (replay).",
            ),
            _ => Fault::lasting(
                "damaged",
                format!(
                    "Message {} of lane {} is damaged in the outbox and was set aside.",
                    row.seq,
                    lane.as_str()
                ),
                "Run `hearth journal verify`; the observation itself is kept apart.",
            ),
        });
    }

    fn send_replay(&mut self, now: &Now, lane: Lane, out: &mut Vec<Action>) -> bool {
        let now_ms = now.monotonic_ms;
        let Some(replay) = self
            .replays
            .iter_mut()
            .find(|r| r.request.lane == lane && r.not_before_ms <= now_ms && !r.queue.is_empty())
        else {
            return false;
        };
        let Some(row) = replay.queue.pop_front() else { return false };
        if let Some(rendered) = self.render(now, &row) {
            let topic = self.topics.lane(lane);
            let cargo = Cargo::Replay(lane, row.seq);
            self.launch(now, cargo, topic, rendered.payload, false, rendered.expiry_s, out);
        }
        true
    }

    /// A message of a replay did not get through: its number is asked for again.
    pub(super) fn replay_again(&mut self, lane: Lane, seq: u64, not_before_ms: u64) {
        let request = ReplayRequest { consumer: String::new(), lane, from: seq, to: seq };
        self.add_replay(request, not_before_ms);
    }

    fn add_replay(&mut self, request: ReplayRequest, not_before_ms: u64) {
        self.replays.push_back(Replay {
            next: request.from,
            request,
            queue: VecDeque::new(),
            fetching: false,
            finished: false,
            missing: Vec::new(),
            not_before_ms,
        });
    }

    pub(super) fn fetch(&mut self, now: &Now, out: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Ready { .. }) {
            return;
        }
        for lane in &mut self.lanes {
            out.extend(lane.fetch(now.monotonic_ms).map(Action::Fetch));
        }
        if self.replays.iter().any(|r| r.fetching) {
            return;
        }
        let due = self
            .replays
            .iter_mut()
            .find(|r| !r.finished && r.queue.is_empty() && r.not_before_ms <= now.monotonic_ms);
        if let Some(replay) = due {
            replay.fetching = true;
            out.push(Action::Fetch(Fetch {
                lane: replay.request.lane,
                after: replay.next.saturating_sub(1),
                limit: PAGE,
                replay_to: Some(replay.request.to),
            }));
        }
        self.finish_replays();
    }

    pub(super) fn read(&mut self, now: &Now, asked: &Fetch, page: Result<Page, String>) {
        if asked.replay_to.is_some() {
            let Some(replay) = self.replays.iter_mut().find(|r| r.fetching) else { return };
            replay.fetching = false;
            match page {
                Ok(page) => replay.take(page, asked.limit),
                Err(_) => replay.not_before_ms = now.monotonic_ms + REPLAY_PAUSE_MS,
            }
            return;
        }
        match page {
            Ok(page) => {
                self.lanes[index(asked.lane)].arrived(asked, page);
                self.tell_tail(now);
            }
            Err(_) => {
                self.lanes[index(asked.lane)].fetch_failed();
                self.count("uplink_read_failed");
            }
        }
    }

    /// Answers replays that are through, saying which numbers are not kept any more.
    fn finish_replays(&mut self) {
        if self.replays.is_empty() {
            return;
        }
        let mut rest = VecDeque::new();
        let mut done = Vec::new();
        while let Some(replay) = self.replays.pop_front() {
            if replay.finished && replay.queue.is_empty() {
                done.push(replay);
            } else {
                rest.push_back(replay);
            }
        }
        self.replays = rest;
        for replay in done.into_iter().filter(|r| !r.missing.is_empty()) {
            let ReplayRequest { consumer, lane, from, to } = replay.request;
            let mut answer = Answer::refused(
                &self.settings.gateway,
                "replay",
                None,
                format!(
                    "Of the numbers {from} to {to} on lane {} some are not kept, or were never given.",
                    lane.as_str()
                ),
            );
            answer.result = Some(serde_json::json!({
                "consumer": consumer, "lane": lane.as_str(), "missing": replay.missing,
            }));
            self.answer(answer);
        }
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        let answers = self.own.iter().filter(|(cargo, ..)| matches!(cargo, Cargo::Answer)).count();
        if answers >= ANSWERS_MAX {
            let oldest = self.own.iter().position(|(cargo, ..)| matches!(cargo, Cargo::Answer));
            oldest.and_then(|at| self.own.remove(at));
            self.count("uplink_answers_dropped");
        }
        let payload = serde_json::to_vec(&answer).unwrap_or_default();
        let max = self.limits.maximum_packet_size.map_or(usize::MAX, |m| m as usize);
        let topic = self.topics.results();
        if publish_size(topic.len(), payload.len(), false) > max {
            self.count("uplink_answers_too_large");
            return;
        }
        self.own.push_back((Cargo::Answer, topic, payload));
    }

    /// The broker took a message, or refused it.
    pub(super) fn answered(
        &mut self,
        now: &Now,
        pkid: u16,
        code: u8,
        said: Option<String>,
        out: &mut Vec<Action>,
    ) {
        self.heard(now);
        let Some(flight) = self.flights.remove(&pkid) else {
            self.count("uplink_unasked_acknowledgements");
            return;
        };
        if code >= 0x80 {
            self.refused(now, flight, code, said);
            return;
        }
        match flight.cargo {
            Cargo::Row(row, form) => {
                let lane = &mut self.lanes[index(row.lane)];
                lane.taken(row.seq);
                self.view.taken += 1;
                if form != Form::SetAside && lane.refused() == 0 {
                    let fault = &mut self.publish_fault[index(row.lane)];
                    if fault.as_ref().is_some_and(|f| !matches!(f.word, "too_large" | "damaged")) {
                        *fault = None;
                    }
                }
                out.push(Action::Acknowledged(Sent { lane: row.lane, seq: row.seq, form }));
                self.tell_tail(now);
            }
            Cargo::Replay(..) => {}
            Cargo::Answer | Cargo::Status | Cargo::Canary => self.publish_fault[OWN] = None,
        }
    }

    fn refused(&mut self, now: &Now, flight: Flight, code: u8, said: Option<String>) {
        let fault = reason::publish(code, &flight.packet.topic).saying(said.as_deref());
        self.view.refused += 1;
        self.count(format!("uplink_refused_{}", fault.word));
        match flight.cargo {
            Cargo::Row(row, _) => {
                let lane = index(row.lane);
                self.lanes[lane].refuse(row, now.monotonic_ms);
                self.publish_fault[lane] = Some(fault);
            }
            Cargo::Replay(lane, seq) => {
                self.publish_fault[index(lane)] = Some(fault);
                if self.replays.len() < REPLAYS_MAX {
                    self.replay_again(lane, seq, now.monotonic_ms + REPLAY_PAUSE_MS);
                }
            }
            Cargo::Answer | Cargo::Status | Cargo::Canary => self.publish_fault[OWN] = Some(fault),
        }
    }

    /// A message came in.
    pub(super) fn came_in(
        &mut self,
        now: &Now,
        topic: &str,
        payload: Vec<u8>,
        pkid: u16,
        out: &mut Vec<Action>,
    ) {
        self.heard(now);
        let gateway = self.settings.gateway.clone();
        match incoming::parse(self.topics.inbound(topic), payload) {
            Parsed::Ignored => {
                self.count("uplink_unasked_messages");
                acknowledge(pkid, out);
            }
            Parsed::Canary(payload) => {
                acknowledge(pkid, out);
                if payload == format!("{:016x}", self.canary).into_bytes() {
                    self.round_trip_ms = Some(now.monotonic_ms);
                }
            }
            Parsed::Write { to, write } => self.write(Pending::Incoming { pkid, to }, write, out),
            Parsed::Replay(request) => {
                acknowledge(pkid, out);
                if self.replays.len() >= REPLAYS_MAX {
                    let full = format!("{REPLAYS_MAX} replays are waiting; ask again later.");
                    self.answer(Answer::refused(&gateway, "replay", None, full));
                } else {
                    self.count("uplink_replays");
                    self.add_replay(request, 0);
                }
            }
        }
    }

    /// The writer replied.
    pub(super) fn written(
        &mut self,
        now: &Now,
        token: u64,
        written: UplinkWritten,
        out: &mut Vec<Action>,
    ) {
        let Some(pending) = self.pending.remove(&token) else {
            // Of a connection that has ended: the message comes again, its answers are still due.
            if let UplinkWritten::Answers(answers) = written {
                answers.into_iter().for_each(|answer| self.answer(answer));
            }
            return;
        };
        match (pending, written) {
            (Pending::Recovery, UplinkWritten::Failed(why))
            | (Pending::Incoming { .. }, UplinkWritten::Failed(why)) => {
                let fault = Fault::passing(
                    "store",
                    format!("The gateway's own store refused a write: {why}."),
                    "Check disk space and `hearth journal verify`.",
                );
                self.give_up(now, fault, out);
            }
            (Pending::Recovery, _) => self.recovered(now, out),
            (Pending::Housekeeping, _) => {}
            (Pending::Incoming { pkid, to }, written) => {
                acknowledge(pkid, out);
                match written {
                    UplinkWritten::Refused(why) => {
                        let gateway = self.settings.gateway.clone();
                        self.answer(Answer::refused(&gateway, to, None, why));
                    }
                    UplinkWritten::Answers(answers) => {
                        answers.into_iter().for_each(|answer| self.answer(answer));
                    }
                    UplinkWritten::Done | UplinkWritten::Failed(_) => {}
                }
            }
        }
    }
}

fn acknowledge(pkid: u16, out: &mut Vec<Action>) {
    if pkid != 0 {
        out.push(Action::PubAck { pkid });
    }
}

impl Replay {
    /// Takes a page of rows and notes which numbers are missing in it.
    fn take(&mut self, page: Page, limit: u32) {
        let full = page.rows.len() >= limit as usize;
        for row in &page.rows {
            if row.seq > self.next {
                self.note_missing(self.next, row.seq - 1);
            }
            self.next = row.seq.saturating_add(1);
        }
        self.queue.extend(page.rows);
        self.finished = !full;
        if self.finished && self.next <= self.request.to && !self.request.consumer.is_empty() {
            self.note_missing(self.next, self.request.to);
        }
    }

    fn note_missing(&mut self, from: u64, to: u64) {
        if self.missing.len() < MISSING_MAX {
            self.missing.push((from, to));
        }
    }
}
