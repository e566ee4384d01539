//! What goes wrong, and when it is over.

use hearth_gateway::uplink::machine::Event as UplinkEvent;
use hearth_gateway::uplink::reason::Fault;

use super::{Client, Event, Packet, Step, World, store};
use crate::simulator::broker::Survives;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Disturbance {
    /// The gateway's process ends at once.
    Crash,
    /// It ends at its next commit, before it or after it.
    CrashAtCommit { after: bool },
    /// The machine restarts.
    Reboot,
    /// The broker's process dies.
    BrokerDies(Survives),
    /// The broker stops reading.
    Freeze,
    /// The broker refuses what goes onto the lanes.
    Refuse,
    /// Somebody clears the broker.
    Forget,
    /// The broker writes its state.
    Save,
    /// A connection is reset.
    Reset(Client),
    /// The gateway's wall clock steps.
    ClockStep,
    /// The gateway's wall clock is at its first day and not synchronised.
    ClockUnset,
    /// The gateway's wall clock is right again.
    ClockSet,
    /// The disk takes a few pages more, then nothing.
    DiskFull,
    /// A device's clock goes wrong.
    DeviceClock(usize),
    /// A meter is reset to its factory state.
    DeviceReset(usize),
}

impl World<'_> {
    fn draw_fault(&mut self) -> Disturbance {
        let survives = match self.dice.between(0, 2) {
            0 => Survives::All,
            1 => Survives::Nothing,
            _ => Survives::Autosave,
        };
        let client = if self.dice.chance(500) { Client::Gateway } else { Client::Hospital };
        let device = self.dice.place(self.devices.len());
        match self.dice.between(0, 19) {
            0 | 1 => Disturbance::Crash,
            2 | 3 => Disturbance::CrashAtCommit { after: false },
            4 | 5 => Disturbance::CrashAtCommit { after: true },
            6 => Disturbance::Reboot,
            7 | 8 => Disturbance::BrokerDies(survives),
            9 => Disturbance::Freeze,
            10 => Disturbance::Refuse,
            11 => Disturbance::Forget,
            12 => Disturbance::Save,
            13 => Disturbance::Reset(client),
            14 => Disturbance::ClockStep,
            15 => Disturbance::ClockUnset,
            16 => Disturbance::ClockSet,
            17 => Disturbance::DiskFull,
            18 => Disturbance::DeviceClock(device),
            _ => Disturbance::DeviceReset(device),
        }
    }

    /// What will happen in the next minute.
    pub(super) fn plan_round(&mut self) {
        for index in 0..self.devices.len() {
            if self.dice.chance(450) {
                for _ in 0..self.dice.between(1, 3) {
                    self.soon(15_000, Event::Measure(index));
                }
            }
        }
        for _ in 0..self.dice.between(0, 3) {
            let fault = self.draw_fault();
            self.soon(20_000, Event::Fault(fault));
        }
        if self.dice.chance(350) {
            self.soon(15_000, Event::Command);
        }
        if self.dice.chance(250) {
            self.soon(15_000, Event::Need);
        }
    }

    pub(super) fn fault(&mut self, event: Event) -> Step {
        match event {
            Event::Fault(disturbance) if !self.healed => {
                self.life.faults += 1;
                self.say(format_args!("FAULT {disturbance:?}"));
                return self.disturb(disturbance);
            }
            Event::BrokerStarts => {
                self.broker.start();
                self.say(format_args!("broker starts"));
            }
            Event::Thaw if self.broker.is_frozen() => {
                self.say(format_args!("broker reads on"));
                let mut out = Vec::new();
                self.broker.thaw(&mut self.dice, &mut out);
                self.deliver(out);
            }
            Event::Accept => self.broker.refuse(false),
            Event::DiskFree => {
                self.say(format_args!("the disk has room again"));
                if let Some(gateway) = &mut self.gateway {
                    gateway.fill(None).map_err(|error| store(&error))?;
                }
            }
            Event::Start(life) => {
                let waits =
                    self.gateway.as_ref().is_some_and(|g| g.life == life && g.process.is_none());
                if waits {
                    return self.start();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn disturb(&mut self, disturbance: Disturbance) -> Step {
        match disturbance {
            Disturbance::Crash => self.crash(false),
            Disturbance::Reboot => self.crash(true),
            Disturbance::CrashAtCommit { after } => self.dies_at_commit = Some(after),
            Disturbance::BrokerDies(survives) => {
                if self.broker.is_up() {
                    self.broker.die(survives);
                    self.close_all();
                    self.soon(9_000, Event::BrokerStarts);
                }
            }
            Disturbance::Freeze => {
                if self.broker.is_up() && !self.broker.is_frozen() {
                    self.broker.freeze();
                    self.soon(50_000, Event::Thaw);
                }
            }
            Disturbance::Refuse => {
                self.broker.refuse(true);
                self.soon(15_000, Event::Accept);
            }
            Disturbance::Forget => {
                if self.broker.is_up() && !self.broker.is_frozen() {
                    let mut out = Vec::new();
                    self.broker.forget(&mut out);
                    self.deliver(out);
                }
            }
            Disturbance::Save => self.broker.save(),
            Disturbance::Reset(client) => return self.reset_link(client),
            Disturbance::ClockStep | Disturbance::ClockUnset | Disturbance::ClockSet => {
                self.step_clock(disturbance);
            }
            Disturbance::DiskFull => {
                let pages = self.dice.signed(0, 6);
                if let Some(gateway) = &mut self.gateway
                    && !gateway.is_full()
                {
                    gateway.fill(Some(pages)).map_err(|error| store(&error))?;
                    self.soon(12_000, Event::DiskFree);
                }
            }
            Disturbance::DeviceClock(index) => {
                let true_ms = self.true_ms();
                self.devices[index].disturb_clock(true_ms, &mut self.dice);
            }
            Disturbance::DeviceReset(index) => {
                if !self.visiting[index] {
                    self.devices[index].reset();
                }
            }
        }
        Ok(())
    }

    fn step_clock(&mut self, disturbance: Disturbance) {
        let true_ms = self.true_ms();
        let step_ms = self.dice.signed(-36 * 3_600_000, 36 * 3_600_000);
        let Some(gateway) = &mut self.gateway else { return };
        (gateway.clock_error_ms, gateway.synchronised) = match disturbance {
            Disturbance::ClockStep => (step_ms, gateway.synchronised),
            Disturbance::ClockUnset => (86_400_000 - true_ms, false),
            _ => (0, true),
        };
    }

    /// The gateway's process ends; `reboot`: the whole machine does.
    pub(super) fn crash(&mut self, reboot: bool) {
        let now_ms = self.now_ms;
        let Some(gateway) = &mut self.gateway else { return };
        let Some(process) = &gateway.process else { return };
        let link = process.link;
        gateway.crash();
        if reboot {
            gateway.reboot(now_ms);
        }
        let life = gateway.life;
        self.life.crashes += 1;
        self.dies_at_commit = None;
        self.due = None;
        if let Some(link) = link {
            self.send(Client::Gateway, true, link, Packet::Closed);
        }
        self.soon(6_000, Event::Start(life));
    }

    fn close_all(&mut self) {
        let gateway = self.gateway.as_ref().and_then(|g| g.process.as_ref()).and_then(|p| p.link);
        if let Some(link) = gateway {
            self.send(Client::Gateway, false, link, Packet::Closed);
        }
        if let Some(link) = self.hospital.link {
            self.send(Client::Hospital, false, link, Packet::Closed);
        }
    }

    fn reset_link(&mut self, client: Client) -> Step {
        match client {
            Client::Hospital => {
                if let Some(link) = self.hospital.link {
                    self.send(client, true, link, Packet::Closed);
                    self.send(client, false, link, Packet::Closed);
                }
                Ok(())
            }
            Client::Gateway => {
                let process = self.gateway.as_mut().and_then(|g| g.process.as_mut());
                let Some(link) = process.and_then(|p| p.link.take()) else { return Ok(()) };
                self.send(client, true, link, Packet::Closed);
                let fault = Fault::passing("network", "The connection was reset.", "");
                self.feed(UplinkEvent::Disconnected(fault))
            }
        }
    }

    /// All faults are over; everybody delivers what is left.
    pub(super) fn heal(&mut self) -> Step {
        self.say(format_args!("all faults are over"));
        self.healed = true;
        self.dies_at_commit = None;
        self.broker.refuse(false);
        if !self.broker.is_up() {
            self.broker.start();
        }
        if self.broker.is_frozen() {
            self.fault(Event::Thaw)?;
        }
        self.step_clock(Disturbance::ClockSet);
        self.fault(Event::DiskFree)?;
        if self.gateway.as_ref().is_some_and(|g| g.process.is_none()) {
            self.start()?;
        }
        for index in 0..self.devices.len() {
            self.soon(3_000, Event::Connect(index));
        }
        Ok(())
    }
}
