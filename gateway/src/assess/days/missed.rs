//! Missed measurements of one plan: days are closed when their grace ends, and what follows is done.

use hearth_shared::assess::silence::{
    LocalMinute, NudgeWeather, Patience, Pause, Silence, SilenceAction, SilencePlan, Slot,
};
use hearth_shared::observation::Quantity;
use hearth_shared::time::{ClockTrust, UnixMillis};
use serde::{Deserialize, Serialize};

use super::{Adherence, Day};
use crate::outreach::{self, governor, id_of, local, patient_facts, raise_task};
use crate::programme::text::ClockTime;
use crate::programme::{Programme, SeriesKind, Weekday};
use crate::store::plan::Plan;
use crate::store::task::Task;
use crate::store::{Queries, StoreError, counter, device, patient, prompt};

/// Days the rule remembers one by one.
const REMEMBERED_DAYS: i64 = 63;

/// After a gap of so many seconds in our own work it is not the patient who was silent.
const OUTAGE_S: i64 = 36 * 3600;

/// A battery at or below this is a likely cause of silence, percent.
const BATTERY_LOW_PERCENT: u8 = 10;

/// What is kept with the plan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    silence: Silence,
    /// First planned day: nothing was planned before the plan was known here.
    first: i32,
    /// When the days were last looked at, Unix seconds.
    at_s: i64,
}

impl Kept {
    fn of(plan: &Plan) -> Option<Self> {
        plan.silence.as_deref().and_then(|octets| postcard::from_bytes(octets).ok())
    }
}

/// What the schedule of a programme is to the rule.
struct Schedule {
    slots: Vec<Slot>,
    pauses: Vec<Pause>,
    weekdays: u8,
    patience: Patience,
    first: i32,
    last: Option<i32>,
}

impl Schedule {
    fn of(
        q: &impl Queries,
        programme: &Programme,
        plan: &Plan,
        first: i32,
    ) -> Result<Self, StoreError> {
        let measure = &programme.measure;
        let slot = |slot: &crate::programme::Slot| {
            Slot::new(minutes(slot.from), minutes(slot.to), minutes(slot.grace_until))
        };
        let bit = |day: &Weekday| Weekday::ALL.iter().position(|d| d == day).map_or(0, |n| 1 << n);
        let days = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        let mut pauses = patient::pauses(q, &plan.patient)?;
        pauses.extend(crate::store::plan::programme_pause(q, &plan.programme)?);
        let last_eval = programme.series.iter().map(|series| series.plan.last_eval).max();
        let events = crate::store::plan::events(q, &plan.id)?;
        let start = events.iter().map(|event| event.day).fold(plan.start_day, i64::max);
        Ok(Self {
            slots: measure.slot.iter().filter_map(slot).collect(),
            pauses: pauses
                .iter()
                .map(|pause| Pause { first: day32(pause.from_day), last: day32(pause.to_day) })
                .collect(),
            weekdays: measure.weekdays.iter().map(bit).fold(0, |all, bit| all | bit),
            patience: Patience {
                nudge: days(measure.nudge_days),
                ask_reason: days(measure.ask_reason_days),
                staff_task: days(measure.staff_task_days),
            },
            first,
            last: last_eval.map(|days| day32(start + days)),
        })
    }

    fn plan(&self) -> SilencePlan<'_> {
        SilencePlan {
            first: self.first,
            last: self.last,
            weekdays: self.weekdays,
            slots: &self.slots,
            pauses: &self.pauses,
            patience: self.patience,
        }
    }
}

/// Closes the days whose grace has ended. Returns the state to keep and when to come again.
pub(super) fn close(day: &Day<'_>) -> Result<(Option<Vec<u8>>, UnixMillis), StoreError> {
    let now_s = day.now.wall.seconds();
    // What was written while the clock stood far ahead would keep every day until then closed.
    let believed = Kept::of(day.plan).filter(|kept| kept.at_s - now_s <= OUTAGE_S);
    let mut kept = believed.unwrap_or_else(|| Kept {
        first: day32(day.plan.start_day.max(day.today)),
        at_s: now_s,
        ..Kept::default()
    });
    let schedule = Schedule::of(day.tx, day.programme, day.plan, kept.first)?;
    let plan = schedule.plan();
    let waited = take_readings(day, &mut kept, &plan)?;
    let outage = now_s - kept.at_s > OUTAGE_S;
    let cause = device_cause(day)?;
    let facts = patient_facts(day.ctx, day.patient);
    let waking =
        governor::waking(&facts, governor::Kind::Nudge, day.zone, day.now.wall).map(|(at, _)| at);
    let weather = NudgeWeather {
        open: waking == Some(day.now.wall),
        device_suspected: cause.is_some() || outage,
    };
    let today =
        LocalMinute { day: day32(day.today), minute: local::minute(day.now.wall, day.zone) };
    let mut actions = Vec::new();
    kept.silence.close(&plan, today, weather, |action| actions.push(action));
    let unix_s = now_s.unsigned_abs();
    actions.extend(kept.silence.nudge(today.day, unix_s, weather));
    let run = kept.silence.run(&plan);
    if waited || run == 0 {
        measured_again(day)?;
    }
    for action in actions {
        act(day, action, run, cause.as_deref(), outage)?;
    }
    kept.at_s = now_s;
    let octets = postcard::to_allocvec(&kept).ok();
    let mut wake = next_grace(day, &schedule);
    if kept.silence.is_waiting() {
        wake = wake.min(waking.unwrap_or(wake).max(day.now.wall.plus_seconds(60)));
    }
    Ok((octets, wake))
}

/// Hands every reading of the remembered days to the rule; those it knows change nothing. True if one
/// took back a nudge that waited.
fn take_readings(
    day: &Day<'_>,
    kept: &mut Kept,
    plan: &SilencePlan<'_>,
) -> Result<bool, StoreError> {
    let Some(series) = day.programme.series.first() else { return Ok(false) };
    let from = (day.today - REMEMBERED_DAYS).max(i64::from(kept.first));
    let mut waited = false;
    for row in day.readings(series.quantity.quantity(), from)? {
        let seen = &row.stored.observation;
        if seen.reading.marks.invalid || seen.measured > day.now.wall {
            continue;
        }
        let local_s = seen.measured.seconds() + 60 * i64::from(seen.offset.minutes());
        let minute = local_s.rem_euclid(86_400) / 60;
        waited |= kept.silence.measured(
            plan,
            LocalMinute {
                day: day32(local_s.div_euclid(86_400)),
                minute: u16::try_from(minute).unwrap_or(0),
            },
        );
    }
    Ok(waited)
}

/// A reading came: nudges that nobody answered have done their work, those not sent are taken back.
fn measured_again(day: &Day<'_>) -> Result<(), StoreError> {
    let nudges = prompt::open_nudges(day.tx, &day.plan.id)?;
    outreach::withdraw(day.tx, nudges, "measured", Some("measured"), day.now)
}

fn act(
    day: &Day<'_>,
    action: SilenceAction,
    run: u16,
    cause: Option<&str>,
    outage: bool,
) -> Result<(), StoreError> {
    let date = local::date_of(day.today);
    let what = measured_quantity(day.programme);
    let days = format!("{run} planned day{} in a row", if run == 1 { "" } else { "s" });
    match action {
        SilenceAction::Nudge | SilenceAction::AskReason => {
            let kind = if action == SilenceAction::Nudge { "nudge" } else { "nudge_reason" };
            outreach::nudge(day.tx, day.ctx, day.plan, (kind, run), day.today, day.now)
        }
        SilenceAction::StaffTask => {
            let hint = match cause {
                Some(cause) => format!(" Likeliest cause: {cause}."),
                None if outage => " The gateway itself was off before this.".to_owned(),
                None => String::new(),
            };
            let last = last_reading(day, run)?;
            let reason = format!("No {what} on {days} (as of {date}); {last}.{hint} Please call.");
            task(day, "silent", "call", reason)
        }
        SilenceAction::DeviceNotice => match cause {
            Some(cause) => {
                let reason =
                    format!("No {what} on {days} (as of {date}); likeliest cause: {cause}.");
                task(day, "device", "device", reason)
            }
            // Our own outage: nobody is told off for it, and nothing is sent for days long gone.
            None => counter::add(day.tx, "nudges_dropped_after_outage", 1),
        },
    }
}

/// What the patient of a programme is asked to measure, without an id: it stands in sentences.
fn measured_quantity(programme: &Programme) -> &'static str {
    match programme.series.first().map(|series| series.quantity) {
        Some(SeriesKind::Glucose) => "glucose reading",
        Some(SeriesKind::ContinuousGlucose) => "sensor glucose",
        Some(SeriesKind::Systolic | SeriesKind::Diastolic) => "blood pressure",
        Some(SeriesKind::Weight) => "weight",
        None => "reading",
    }
}

/// Since when nothing came, as the end of a sentence for staff.
fn last_reading(day: &Day<'_>, run: u16) -> Result<String, StoreError> {
    let Some(series) = day.programme.series.first() else { return Ok("none before".to_owned()) };
    let rows = day.readings(series.quantity.quantity(), day.today - REMEMBERED_DAYS)?;
    let newest = rows.iter().map(|row| row.stored.observation.measured).max();
    Ok(match newest {
        Some(at) if local::day(at, day.zone) >= day.today - i64::from(run) => {
            let at = local::plain(at, day.zone);
            format!("the last one was taken on {at}, outside the planned hours")
        }
        Some(at) => format!("the last one was taken on {}", local::plain(at, day.zone)),
        None => format!("none in the last {REMEMBERED_DAYS} days"),
    })
}

fn task(day: &Day<'_>, what: &str, kind: &str, reason: String) -> Result<(), StoreError> {
    let id = id_of(&["missed", what, &day.plan.id, &day.today.to_string()]);
    raise_task(
        day.tx,
        Task {
            id,
            patient: Some(day.plan.patient.clone()),
            need: None,
            kind: kind.to_owned(),
            reason,
            level: "A".to_owned(),
            done: None,
            made: day.now.wall,
            outcome: None,
        },
    )?;
    Ok(())
}

/// Why a device rather than the patient may be silent, as the end of a sentence for staff.
fn device_cause(day: &Day<'_>) -> Result<Option<String>, StoreError> {
    for device in device::all(day.tx)? {
        if device.retired.is_some() || is_another_kind(&device.kind, day.programme) {
            continue;
        }
        let owned = device::owners(day.tx, &device.id)?
            .into_iter()
            .any(|owner| owner.patient == day.plan.patient && owner.to.is_none());
        if !owned {
            continue;
        }
        if let Some(percent) = device.battery_percent.filter(|p| *p <= BATTERY_LOW_PERCENT) {
            return Ok(Some(format!("the battery of {} is at {percent} %", device.id)));
        }
        if device.clock_trust == Some(ClockTrust::Suspect) {
            return Ok(Some(format!("the clock of {} is wrong", device.id)));
        }
    }
    Ok(None)
}

/// A device that never measures what the plan asks for explains nothing. Kinds that are not told apart
/// by name may measure anything.
fn is_another_kind(kind: &str, programme: &Programme) -> bool {
    let Some(series) = programme.series.first() else { return false };
    let measures = match kind {
        "glucose_meter" => Quantity::Glucose,
        "continuous_glucose_monitor" => Quantity::ContinuousGlucose,
        "blood_pressure_cuff" => Quantity::BloodPressure,
        "weight_scale" | "body_composition_scale" => Quantity::Weight,
        "pulse_oximeter" => Quantity::Saturation,
        "thermometer" => Quantity::Temperature,
        "heart_rate_sensor" => Quantity::HeartRate,
        _ => return false,
    };
    measures != series.quantity.quantity()
}

/// The next end of a grace on the local clock.
fn next_grace(day: &Day<'_>, schedule: &Schedule) -> UnixMillis {
    let grace = day.programme.measure.slot.iter().map(|slot| minutes(slot.grace_until)).max();
    let tomorrow = local::start_of(day.today + 1, day.zone);
    match grace {
        Some(minute) if minute < 1440 && !schedule.slots.is_empty() => {
            let today = local::at(day.today, minute, day.zone);
            if today > day.now.wall { today } else { tomorrow }
        }
        _ => tomorrow,
    }
}

pub(super) fn adherence(
    q: &impl Queries,
    programme: &Programme,
    plan: &Plan,
    today: i64,
) -> Result<Option<Adherence>, StoreError> {
    let Some(kept) = Kept::of(plan) else { return Ok(None) };
    let schedule = Schedule::of(q, programme, plan, kept.first)?;
    let rule = schedule.plan();
    let today = day32(today);
    let of = |days| {
        let counted = kept.silence.adherence(&rule, today, days);
        (counted.measured, counted.planned)
    };
    Ok(Some(Adherence {
        fortnight: of(14),
        month: of(30),
        run: kept.silence.run(&rule),
        needs_attention: kept.silence.needs_attention(&rule, today),
    }))
}

fn minutes(time: ClockTime) -> u16 {
    time.minutes()
}

/// Local days are some ten thousands; beyond the calendar they saturate.
fn day32(day: i64) -> i32 {
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}
