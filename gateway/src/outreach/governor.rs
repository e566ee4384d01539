//! The last gate before anything leaves for a patient: a pure machine, proved by properties.
//!
//! | | consent, language, zone | quiet hours, mutes | daily cap | nudge caps |
//! |---|---|---|---|---|
//! | notice at level C, and its request to measure again | asked, zone apart | ignored | - | - |
//! | other notices of alerts | asked | waited for, or shown silently | [`NOTICES_A_DAY`] | - |
//! | request to measure again | asked | waited for | - | - |
//! | nudge | asked | waited for; without any, the usual ones | yes | one a day, three in 168 h, dropped |
//! | everything else | asked | waited for | yes, put off to the next day | - |
//!
//! Times are compared by the wall clock as recorded with each prompt, in both directions, so a clock
//! that steps back or forth cannot buy a second budget for the same local day.

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::local;
use crate::clock::Now;

/// Notices of alerts below C a patient gets in a local day at most, whatever the rules say; staff
/// have each of them in any case.
pub const NOTICES_A_DAY: usize = 6;

/// Quiet hours of a patient of whom nothing else is said: 22:00 to 07:00, in local minutes
/// (`clinical-rules` A11).
pub const QUIET_MIN: (u16, u16) = (22 * 60, 7 * 60);

/// Nudges in 168 hours at most (`clinical-rules` A12).
pub const NUDGES_A_WEEK: usize = 3;

/// The 168 hours of the nudge cap, in milliseconds.
pub const WEEK_MS: i64 = 168 * 3_600_000;

/// How long a prompt waits for the gateway's clock before it is asked again.
const CLOCK_RETRY_S: i64 = 60;

/// Quiet hours and mutes can follow upon each other; after so many there is no waking moment.
const DEFERRALS_MAX: usize = 64;

/// How urgent a notice of an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Advisory.
    A,
    /// Urgent.
    U,
    /// Critical.
    C,
}

impl Level {
    /// From the letter of the rules.
    pub fn parse(letter: &str) -> Option<Self> {
        match letter {
            "A" => Some(Self::A),
            "U" => Some(Self::U),
            "C" => Some(Self::C),
            _ => None,
        }
    }
}

/// What a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An alert, its repeat, or the all-clear.
    Notice(Level),
    /// Please measure again, on behalf of a rule of this level.
    MeasureAgain(Level),
    /// A friendly nudge after missed measurements.
    Nudge,
    /// Anything that follows from a need.
    Care,
}

impl Kind {
    pub(super) fn is_critical(self) -> bool {
        matches!(self, Self::Notice(Level::C) | Self::MeasureAgain(Level::C))
    }

    /// Counts towards the daily cap.
    fn counts(self) -> bool {
        matches!(self, Self::Nudge | Self::Care)
    }

    fn counts_as_notice(self) -> bool {
        matches!(self, Self::Notice(Level::A | Level::U))
    }
}

/// What is known about the patient.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Enrolled, and not closed.
    pub monitored: bool,
    /// Consent to prompts; `None` unknown, `Some(false)` STOP.
    pub consent: Option<bool>,
    /// Whether the patient's language is known and there are texts in it.
    pub language: Language,
    /// The zone; `None` unknown.
    pub zone: Option<TimeZone>,
    /// Quiet hours [from, to) in local minutes of the day.
    pub quiet_min: Option<(u16, u16)>,
    /// Mutes [from, to) in UTC seconds.
    pub mutes_s: Vec<(i64, i64)>,
    /// Prompts a local day at most.
    pub daily_cap: u8,
    /// Nothing but notices of alerts before this moment (a pause of the patient or the programme).
    pub paused_until: Option<UnixMillis>,
}

/// What is known about the patient's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Nobody said.
    Unknown,
    /// There is no text in it.
    WithoutText,
    /// Texts exist.
    Known,
}

/// A prompt that wants to leave.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Idempotency id.
    pub id: Uuid,
    /// What it is.
    pub kind: Kind,
    /// Already to be shown without sound: quiet hours need not be waited for.
    pub silent: bool,
    /// Not after this moment.
    pub expires: UnixMillis,
}

/// A prompt that left.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Its id.
    pub id: Uuid,
    /// What it was.
    pub kind: Kind,
    /// When it left, by the wall clock.
    pub at: UnixMillis,
}

/// What the governor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may leave now.
    Send,
    /// Not before this moment; ask again then.
    Defer(UnixMillis, Wait),
    /// Never.
    Drop(Refusal),
    /// Never by itself: staff have to find something out first.
    Task(Missing),
}

/// Why a prompt waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Wait {
    QuietHours,
    Mute,
    DailyCap,
    Pause,
    GatewayClock,
}

impl Wait {
    /// The word in the store and in counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QuietHours => "quiet_hours",
            Self::Mute => "mute",
            Self::DailyCap => "daily_cap",
            Self::Pause => "pause",
            Self::GatewayClock => "gateway_clock",
        }
    }
}

/// Why a prompt never leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Refusal {
    NotMonitored,
    Stop,
    Duplicate,
    Expired,
    NudgeCap,
    DailyCap,
    Paused,
    NoWakingMoment,
}

impl Refusal {
    /// The word in the store and in counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotMonitored => "not_monitored",
            Self::Stop => "stop",
            Self::Duplicate => "duplicate",
            Self::Expired => "expired",
            Self::NudgeCap => "nudge_cap",
            Self::DailyCap => "daily_cap",
            Self::Paused => "paused",
            Self::NoWakingMoment => "no_waking_moment",
        }
    }
}

/// What staff have to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Missing {
    Consent,
    Language,
    TextInLanguage,
    Zone,
}

impl Missing {
    /// The word in the store and in counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent_unknown",
            Self::Language => "language_unknown",
            Self::TextInLanguage => "language_without_text",
            Self::Zone => "zone_unknown",
        }
    }

    /// What is missing, as the end of a sentence for staff.
    pub const fn plain(self) -> &'static str {
        match self {
            Self::Consent => "it is not known whether the patient agrees to prompts",
            Self::Language => "the patient's language is not known",
            Self::TextInLanguage => "there are no texts in the patient's language",
            Self::Zone => "the patient's time zone is not known",
        }
    }
}

/// Whether a candidate may leave now. `history` holds what left in the local day and in the 168 h
/// around `now`; more does no harm.
pub fn judge(facts: &Facts, candidate: &Candidate, history: &[Sent], now: Now) -> Ruling {
    if history.iter().any(|sent| sent.id == candidate.id) {
        return Ruling::Drop(Refusal::Duplicate);
    }
    if !facts.monitored {
        return Ruling::Drop(Refusal::NotMonitored);
    }
    match facts.consent {
        Some(true) => {}
        Some(false) => return Ruling::Drop(Refusal::Stop),
        None => return Ruling::Task(Missing::Consent),
    }
    match facts.language {
        Language::Known => {}
        Language::Unknown => return Ruling::Task(Missing::Language),
        Language::WithoutText => return Ruling::Task(Missing::TextInLanguage),
    }
    // What is critical waits for no hour of the day, so it needs no zone.
    if facts.zone.is_none() && !candidate.kind.is_critical() {
        return Ruling::Task(Missing::Zone);
    }
    if now.wall >= candidate.expires {
        return Ruling::Drop(Refusal::Expired);
    }
    if !now.trusted {
        return defer(candidate, now.wall.plus_seconds(CLOCK_RETRY_S), Wait::GatewayClock);
    }
    if candidate.kind.is_critical() {
        return Ruling::Send;
    }
    let Some(zone) = &facts.zone else { return Ruling::Task(Missing::Zone) };
    if !candidate.silent {
        match waking(facts, candidate.kind, zone, now.wall) {
            Some((until, wait)) if until > now.wall => return defer(candidate, until, wait),
            Some(_) => {}
            None => return Ruling::Drop(Refusal::NoWakingMoment),
        }
    }
    caps(facts, candidate, history, zone, now.wall)
}

/// Put off, unless it would be over by then.
fn defer(candidate: &Candidate, until: UnixMillis, wait: Wait) -> Ruling {
    if until >= candidate.expires {
        Ruling::Drop(Refusal::Expired)
    } else {
        Ruling::Defer(until, wait)
    }
}

fn caps(
    facts: &Facts,
    candidate: &Candidate,
    history: &[Sent],
    zone: &TimeZone,
    now: UnixMillis,
) -> Ruling {
    let today = local::day(now, zone);
    let sent_today = |counts: fn(Kind) -> bool| {
        history.iter().filter(|s| counts(s.kind) && local::day(s.at, zone) == today).count()
    };
    match candidate.kind {
        Kind::MeasureAgain(_) => Ruling::Send,
        Kind::Notice(_) if sent_today(Kind::counts_as_notice) >= NOTICES_A_DAY => {
            Ruling::Drop(Refusal::DailyCap)
        }
        Kind::Notice(_) => Ruling::Send,
        Kind::Nudge => {
            let near = |s: &&Sent| {
                s.kind == Kind::Nudge && now.millis().abs_diff(s.at.millis()) < WEEK_MS as u64
            };
            let week = history.iter().filter(near).count();
            if facts.paused_until.is_some_and(|until| now < until) {
                // Not saved up: a day within a pause asks for nothing.
                Ruling::Drop(Refusal::Paused)
            } else if week >= NUDGES_A_WEEK || sent_today(|kind| kind == Kind::Nudge) > 0 {
                Ruling::Drop(Refusal::NudgeCap)
            } else if sent_today(Kind::counts) >= usize::from(facts.daily_cap) {
                Ruling::Drop(Refusal::DailyCap)
            } else {
                Ruling::Send
            }
        }
        Kind::Care => match facts.paused_until {
            Some(until) if now < until => defer(candidate, until, Wait::Pause),
            _ if facts.daily_cap == 0 => Ruling::Drop(Refusal::DailyCap),
            _ if sent_today(Kind::counts) >= usize::from(facts.daily_cap) => {
                defer(candidate, local::start_of(today + 1, zone), Wait::DailyCap)
            }
            _ => Ruling::Send,
        },
    }
}

/// The next moment outside quiet hours and mutes for this kind, and what is waited for first; `now` itself if it is
/// one, `None` if there is none within reach.
///
/// Who asked for no quiet hours wants to hear alerts at night, not friendly words at midnight, when the
/// grace of a day may end: a nudge keeps to the usual hours then (A12: inside waking hours).
pub fn waking(
    facts: &Facts,
    kind: Kind,
    zone: &TimeZone,
    now: UnixMillis,
) -> Option<(UnixMillis, Wait)> {
    let chosen = facts.quiet_min.filter(|(from, to)| from != to);
    let quiet_min = chosen.or((kind == Kind::Nudge).then_some(QUIET_MIN));
    let mut at = now;
    let mut first = None;
    for _ in 0..DEFERRALS_MAX {
        let next = if let Some(end_s) = mute_end_s(&facts.mutes_s, at.seconds()) {
            (UnixMillis::from_seconds(end_s), Wait::Mute)
        } else if let Some(end) = quiet_end(quiet_min, zone, at) {
            (end, Wait::QuietHours)
        } else {
            return Some((at, first.unwrap_or(Wait::QuietHours)));
        };
        at = next.0;
        first.get_or_insert(next.1);
    }
    None
}

fn mute_end_s(mutes_s: &[(i64, i64)], at_s: i64) -> Option<i64> {
    mutes_s.iter().filter(|(from, to)| (*from..*to).contains(&at_s)).map(|mute| mute.1).max()
}

fn is_quiet((from, to): (u16, u16), minute: u16) -> bool {
    if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
}

/// The end of the quiet hours in force at a moment.
fn quiet_end(quiet_min: Option<(u16, u16)>, zone: &TimeZone, at: UnixMillis) -> Option<UnixMillis> {
    let quiet = quiet_min?;
    if !is_quiet(quiet, local::minute(at, zone)) {
        return None;
    }
    let (today, minute) = (local::day(at, zone), local::minute(at, zone));
    let end = local::at(today, quiet.1, zone);
    Some(if end > at {
        end
    } else if quiet.1 > minute {
        // The clock was set back across the end: this hour comes a second time.
        at.plus_seconds(60 * i64::from(quiet.1 - minute))
    } else {
        local::at(today + 1, quiet.1, zone)
    })
}

#[cfg(test)]
mod tests;
