//! Devices that deliver, a hospital that asks for things, rules that find a need.

use hearth_gateway::intake::Outcome;
use hearth_gateway::outreach::{self, Context};
use hearth_gateway::store::{Queries, StoreError};
use hearth_gateway::uplink::message::Body;
use serde_json::json;

use super::{Event, Planted, Step, Visit, World, store};
use crate::simulator::gateway::{ANA, BEN, ID};
use crate::simulator::home::Record;

/// Payloads in one commit at most.
const PART: u64 = 6;
/// A critical value counts as live within this time of its measurement, ms.
const LIVE_MS: i64 = 3_600_000;

impl World<'_> {
    pub(super) fn connect(&mut self, index: usize) -> Step {
        if self.visiting[index] {
            return Ok(());
        }
        let true_ms = self.true_ms();
        let visit = self.devices[index].visit(index, true_ms, &mut self.dice);
        if !visit.places.is_empty() {
            self.visiting[index] = true;
            let (id, count) = (self.devices[index].id, visit.places.len());
            self.say(format_args!("{id} connects with {count}"));
            self.soon(50, Event::Part(visit, 0));
        }
        Ok(())
    }

    fn leave(&mut self, visit: &Visit, whole: bool) {
        self.visiting[visit.device] = false;
        if whole {
            self.devices[visit.device].forget();
        }
        if !self.devices[visit.device].is_empty_handed() {
            self.soon(8_000, Event::Connect(visit.device));
        }
    }

    /// A part of a visit arrives and is committed.
    pub(super) fn part(&mut self, visit: Visit, from: usize) -> Step {
        if from >= visit.places.len() {
            self.leave(&visit, true);
            return Ok(());
        }
        let size = usize::try_from(self.dice.between(1, PART)).unwrap_or(1);
        let part = from..(from + size).min(visit.places.len());
        let now = self.now();
        let arrivals = self.devices[visit.device].arrivals(&visit, part.clone(), now);
        let records = self.devices[visit.device].records_of(&visit, part.clone());
        let dies = self.dies_at_commit;
        let Some(gateway) = &mut self.gateway else { return Ok(()) };
        let life = gateway.life;
        let Some(process) = &mut gateway.process else {
            self.leave(&visit, false);
            return Ok(());
        };
        if self.planted == Some(Planted::AcknowledgesBeforeCommit) {
            process.owed.push_back((visit.device, records, arrivals));
            self.promise(&visit, part.clone());
            self.after(20, Event::Owed(life));
            self.soon(40, Event::Part(visit, part.end));
            return Ok(());
        }
        if dies == Some(false) {
            self.crash(false);
            self.leave(&visit, false);
            return Ok(());
        }
        match process.path.take(&arrivals) {
            Ok(outcomes) => {
                if outcomes.len() != arrivals.len() {
                    return Err(format!("{} outcomes for {}", outcomes.len(), arrivals.len()));
                }
                self.note(visit.device, &records, &outcomes)?;
                self.committed()?;
                self.alarmed(visit.device, &records, &outcomes)?;
                if dies == Some(true) {
                    self.crash(false);
                    self.leave(&visit, false);
                    return Ok(());
                }
                self.promise(&visit, part.clone());
                self.soon(40, Event::Part(visit, part.end));
                Ok(())
            }
            Err(StoreError::Disk(_)) => {
                self.say(format_args!("the disk took nothing"));
                self.leave(&visit, false);
                Ok(())
            }
            Err(error) => Err(store(&error)),
        }
    }

    /// A broken shell commits what it has long acknowledged.
    pub(super) fn owed(&mut self, life: u64) -> Step {
        let Some(process) = self.process(life) else { return Ok(()) };
        let Some((device, records, arrivals)) = process.owed.pop_front() else { return Ok(()) };
        match process.path.take(&arrivals) {
            Ok(outcomes) => {
                self.note(device, &records, &outcomes)?;
                self.committed()
            }
            // It does not look at what the store says, either.
            Err(_) => Ok(()),
        }
    }

    /// A live glucose below 54 mg/dL has its alert as soon as it is durable, also while the gateway's clock was
    /// never set.
    fn alarmed(&mut self, device: usize, records: &[Record], outcomes: &[Outcome]) -> Step {
        let gateway = self.gateway.as_ref().ok_or("no gateway")?;
        let (id, zone_s) = (self.devices[device].id, self.devices[device].zone_s);
        let patient = match id {
            "meter-ana" => ANA,
            "meter-ben" => BEN,
            _ => return Ok(()),
        };
        // A set clock that is wrong makes a live reading look like an old one.
        let plain = gateway.clock_error_ms == 0 || !gateway.synchronised;
        let Some(process) = gateway.process.as_ref().filter(|_| plain) else { return Ok(()) };
        for (record, outcome) in records.iter().zip(outcomes) {
            let live = self.true_ms() - record.measured_ms < LIVE_MS;
            let honest = record
                .stamp_s
                .is_some_and(|stamp_s| stamp_s - zone_s == record.measured_ms.div_euclid(1000));
            let low = record.value.is_some_and(|value| value < 54);
            if !(live && honest && low && matches!(outcome, Outcome::Observed { .. })) {
                continue;
            }
            let known = process
                .reader
                .connection()
                .query_row(
                    "select count(*) from alert where patient = ?1 and rule = 'G1'",
                    [patient],
                    |row| row.get::<_, i64>(0),
                )
                .map_err(|error| error.to_string())?;
            if known == 0 {
                return Err(format!("{id} sent {:?} mg/dL: no alert", record.value));
            }
        }
        Ok(())
    }

    /// The hospital asks for something.
    pub(super) fn command(&mut self) -> Step {
        self.commands += 1;
        let id = format!("c-{}", self.commands);
        let patient = if self.dice.chance(500) { ANA } else { BEN };
        let prompts: Vec<_> = self.hospital.shelves[0]
            .held
            .values()
            .filter(|envelope| matches!(envelope.body, Body::Prompt(_)))
            .map(|envelope| envelope.id)
            .collect();
        let (verb, with) = match self.dice.between(0, 5) {
            0 | 1 if !prompts.is_empty() => {
                let answers = ["done", "later", "help", "stop"];
                let answer = answers[self.dice.place(answers.len())];
                let prompt = prompts[self.dice.place(prompts.len())];
                ("prompt_answer", json!({"id": prompt, "answer": answer}))
            }
            2 => {
                let from = jiff::Timestamp::from_millisecond(self.true_ms()).unwrap_or_default();
                let day = jiff::tz::TimeZone::UTC.to_datetime(from).date();
                let with = json!({"id": patient, "from": day.to_string(), "to": day.to_string(), "reason": "away"});
                ("patient_pause", with)
            }
            3 => ("patient_edit", json!({"id": patient, "daily_kap": 1})),
            4 => (
                "need_close",
                json!({"id": "00000000-0000-0000-0000-000000000000",
                                       "outcome": "not_needed"}),
            ),
            _ => ("alert_acknowledge", json!({"patient": patient, "rule": "G1", "by": "staff"})),
        };
        self.say(format_args!("hospital wants {id}: {verb} {with}"));
        let command = json!({"id": id, "gateway": ID, "verb": verb, "with": with});
        let payload = serde_json::to_vec(&command).map_err(|error| error.to_string())?;
        self.hospital.command(id, payload);
        Ok(())
    }

    /// A rule finds that somebody needs a visit.
    pub(super) fn need(&mut self) -> Step {
        let now = self.now();
        let patient = if self.dice.chance(500) { ANA } else { BEN };
        let kind = if self.dice.chance(500) { "follow_up_visit" } else { "measure_more" };
        let day = self.true_ms() / 86_400_000;
        self.say(format_args!("{patient} needs {kind}"));
        let Some(gateway) = &mut self.gateway else { return Ok(()) };
        let (settings, templates) = (gateway.settings().clone(), gateway.templates);
        let Some(process) = &mut gateway.process else { return Ok(()) };
        let context = Context { gateway: ID, templates, programmes: &settings.programmes };
        let plan = format!("plan-{patient}");
        let reason = "The average has not come down.";
        let short = std::collections::BTreeMap::new();
        let finding =
            outreach::need::Finding { plan: &plan, patient, kind, reason, short: &short, day };
        let found = process
            .path
            .store()
            .transaction(|tx| outreach::need::find(tx, &context, &finding, now));
        match found {
            Ok(_) => self.committed(),
            Err(StoreError::Disk(_)) => Ok(()),
            Err(error) => Err(store(&error)),
        }
    }
}
