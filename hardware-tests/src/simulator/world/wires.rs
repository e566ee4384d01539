//! The wires between gateway, broker and consumer, and what the uplink wants done.

use hearth_gateway::store::StoreError;
use hearth_gateway::store::outbox_page::{Fetch, Form};
use hearth_gateway::uplink::machine::{Action, Event as UplinkEvent, ServerLimits};
use hearth_gateway::uplink::reason::Fault;
use hearth_gateway::uplink::source::{OutboxSource, UplinkWrite, UplinkWritten};
use hearth_shared::time::UnixMillis;

use super::{Client, Event, Packet, Planted, Step, World, store};

impl World<'_> {
    /// Puts a packet onto a wire; those of one direction arrive in order.
    pub(super) fn send(&mut self, client: Client, to_broker: bool, link: u64, packet: Packet) {
        let at = self.now_ms + self.dice.between(1, 25);
        let last = self.wires.entry((client, to_broker)).or_insert(0);
        *last = at.max(*last);
        let delay_ms = *last - self.now_ms;
        let event = if to_broker {
            Event::ToBroker(client, link, packet)
        } else {
            Event::ToClient(client, link, packet)
        };
        self.after(delay_ms, event);
    }

    pub(super) fn deliver(&mut self, out: Vec<(Client, u64, Packet)>) {
        for (client, link, packet) in out {
            self.send(client, false, link, packet);
        }
    }

    pub(super) fn hospital_sends(&mut self, packets: Vec<Packet>) {
        if let Some(link) = self.hospital.link {
            for packet in packets {
                self.send(Client::Hospital, true, link, packet);
            }
        }
    }

    pub(super) fn hospital_takes(&mut self, link: u64, packet: Packet) -> Step {
        if self.hospital.link != Some(link) {
            return Ok(());
        }
        let packets = self.hospital.take(packet, self.now_ms)?;
        if self.hospital.link.is_none() {
            self.soon(3_000, Event::HospitalConnects);
        }
        self.hospital_sends(packets);
        Ok(())
    }

    pub(super) fn gateway_takes(&mut self, link: u64, packet: Packet) -> Step {
        let Some(process) = self.gateway.as_mut().and_then(|g| g.process.as_mut()) else {
            return Ok(());
        };
        if process.link != Some(link) {
            return Ok(());
        }
        let event = match packet {
            Packet::Connack { session_present } => {
                UplinkEvent::Connected { session_present, limits: ServerLimits::default() }
            }
            Packet::Suback { pkid, codes } => UplinkEvent::SubAck { pkid, codes },
            Packet::Puback { pkid, code } => UplinkEvent::PubAck { pkid, code, said: None },
            Packet::Publish { pkid, topic, payload, .. } => {
                UplinkEvent::Publish { topic, payload, pkid }
            }
            Packet::Pong => UplinkEvent::Pong,
            Packet::Closed => {
                process.link = None;
                UplinkEvent::Disconnected(Fault::passing("closed", "It closed.", ""))
            }
            _ => return Ok(()),
        };
        self.feed(event)
    }

    /// The process of this life, if it still runs.
    pub(super) fn process(&mut self, life: u64) -> Option<&mut crate::simulator::gateway::Process> {
        let gateway = self.gateway.as_mut()?;
        if gateway.life == life { gateway.process.as_mut() } else { None }
    }

    /// One step of the uplink, and what it wants done.
    pub(super) fn feed(&mut self, event: UplinkEvent) -> Step {
        let now = self.now();
        let Some(gateway) = &mut self.gateway else { return Ok(()) };
        let life = gateway.life;
        let Some(process) = &mut gateway.process else { return Ok(()) };
        let actions = process.step(&now, event);
        let wake_ms = process.machine.wake_ms(&now).saturating_sub(now.monotonic_ms);
        let at = self.now_ms.saturating_add(wake_ms);
        if at < process.timer_ms {
            process.timer_ms = at;
            self.after(wake_ms, Event::Timer(life, at));
        }
        for action in actions {
            self.act(life, action);
        }
        Ok(())
    }

    pub(super) fn act(&mut self, life: u64, action: Action) {
        let link = self.process(life).and_then(|process| process.link);
        let packet = match action {
            Action::Connect => {
                let link = self.next_link();
                if let Some(process) = self.process(life) {
                    process.link = Some(link);
                }
                self.say(format_args!("gateway connects"));
                return self.send(Client::Gateway, true, link, Packet::Connect);
            }
            Action::Close | Action::Disconnect => {
                self.say(format_args!("gateway closes"));
                if let Some(process) = self.process(life) {
                    process.link = None;
                }
                Packet::Closed
            }
            Action::Subscribe { pkid, filters } => Packet::Subscribe { pkid, filters },
            Action::Publish(m) => {
                self.say(format_args!("publishes {} {} octets", m.topic, m.payload.len()));
                let (pkid, topic, payload, retain) = (m.pkid, m.topic, m.payload, m.retain);
                Packet::Publish { pkid, topic, payload, retain }
            }
            Action::PubAck { pkid } => Packet::Puback { pkid, code: 0 },
            Action::Ping => Packet::Ping,
            Action::Fetch(fetch) => return self.soon(4, Event::Fetch(life, fetch)),
            Action::Acknowledged(sent) => {
                let Some(process) = self.process(life) else { return };
                process.batch.push(sent);
                if !process.flush_due {
                    process.flush_due = true;
                    self.after(100, Event::Flush(life));
                }
                return;
            }
            Action::Write { token, write } => return self.queue_write(life, token, write),
            Action::Stopped => return,
        };
        if let Some(link) = link {
            self.send(Client::Gateway, true, link, packet);
        }
    }

    /// The writer takes one request after the other.
    pub(super) fn queue_write(&mut self, life: u64, token: u64, write: UplinkWrite) {
        self.wrote_ms = self.wrote_ms.max(self.now_ms + self.dice.between(0, 8));
        self.after(self.wrote_ms - self.now_ms, Event::Write(life, token, write));
    }

    pub(super) fn fetch(&mut self, life: u64, asked: Fetch) -> Step {
        let Some(process) = self.process(life) else { return Ok(()) };
        let page = process.reader.fetch(&asked);
        self.feed(UplinkEvent::Rows { asked, page })
    }

    pub(super) fn flush(&mut self, life: u64) -> Step {
        let Some(process) = self.process(life) else { return Ok(()) };
        process.flush_due = false;
        if process.flushing.is_some() {
            process.flush_due = true;
            self.after(20, Event::Flush(life));
            return Ok(());
        }
        let sent = std::mem::take(&mut process.batch);
        if !sent.is_empty() {
            process.flushing = Some(sent.clone());
            self.queue_write(life, 0, UplinkWrite::Acknowledged(sent));
        }
        Ok(())
    }

    pub(super) fn write(&mut self, life: u64, token: u64, write: UplinkWrite) -> Step {
        let now = self.now();
        let forgets = self.planted == Some(Planted::ForgetsAtPuback);
        let Some(process) = self.process(life) else { return Ok(()) };
        let incoming = matches!(write, UplinkWrite::Incoming { .. });
        let mut written = process.write(&write, now);
        if forgets && let UplinkWrite::Acknowledged(sent) = &write {
            debug_assert!(sent.iter().all(|one| one.form != Form::SetAside));
            let all = UplinkWrite::Forget {
                consumers: Vec::new(),
                acknowledged_before: UnixMillis::from_millis(i64::MAX),
            };
            written = written.and_then(|_| process.write(&all, now));
        }
        let written = match written {
            Ok(written) => written,
            Err(StoreError::Disk(_)) => UplinkWritten::Failed("the disk is full".to_owned()),
            Err(error) => return Err(store(&error)),
        };
        if token == 0 {
            let sent = process.flushing.take().unwrap_or_default();
            if matches!(written, UplinkWritten::Failed(_)) {
                process.batch.extend(sent);
                if !std::mem::replace(&mut process.flush_due, true) {
                    self.after(2_000, Event::Flush(life));
                }
                return Ok(());
            }
            return self.feed(UplinkEvent::Stored(sent));
        }
        if incoming {
            self.say(format_args!("a command came in: {written:?}"));
        }
        self.feed(UplinkEvent::Written { token, written })?;
        if incoming { self.committed() } else { Ok(()) }
    }
}
