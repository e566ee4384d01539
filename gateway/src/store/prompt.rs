//! Messages to patients: waiting, sent, and what became of them.

use hearth_shared::time::UnixMillis;
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::need::{optional_millis, optional_uuid, uuid};
use super::{Queries, StoreError, Tx};
use crate::uplink::message::Lane;

/// How far a prompt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptState {
    /// Not before its due time, and not before the governor lets it through.
    Waiting,
    /// In the outbox, with a number.
    Sent,
    /// The governor said no.
    Dropped,
    /// The reason is gone.
    Withdrawn,
    /// Its time was over before anybody answered.
    Expired,
    /// The patient answered.
    Answered,
}

impl PromptState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Answered => "answered",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "waiting" => Self::Waiting,
            "sent" => Self::Sent,
            "withdrawn" => Self::Withdrawn,
            "expired" => Self::Expired,
            "answered" => Self::Answered,
            _ => Self::Dropped,
        }
    }
}

/// One message to a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// UUIDv5 of need and attempt, or of rule and observation.
    pub id: Uuid,
    /// The need it serves.
    pub need: Option<Uuid>,
    /// The plan it comes from.
    pub plan: Option<String>,
    /// Planned days missed in a row, for nudges.
    pub missed: Option<u16>,
    /// Patient id.
    pub patient: String,
    /// `follow_up_visit`, `measure_more`, `nudge`, `nudge_reason`, or of an alert: `alert`,
    /// `repeat`, `measure_again`, `all_clear`.
    pub kind: String,
    /// Level of the alert, for its notices.
    pub level: Option<String>,
    /// Rule of the alert, for its notices.
    pub rule: Option<String>,
    /// Language of the text; empty while it is not known.
    pub language: String,
    /// What the patient reads; empty while it is not known in which language.
    pub text: String,
    /// Shown without sound or light.
    pub silent: bool,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Made at.
    pub created: UnixMillis,
    /// Not before.
    pub due: UnixMillis,
    /// Not after.
    pub expires: UnixMillis,
    /// How far it has come.
    pub state: PromptState,
    /// The governor's word when it was dropped or put off.
    pub why: Option<String>,
    /// Sent at.
    pub sent: Option<UnixMillis>,
    /// Its number on lane 1.
    pub lane_seq: Option<u64>,
    /// Hour of the patient's day when it was sent, 0..=23.
    pub local_hour: Option<u8>,
    /// The patient's answer.
    pub answer: Option<String>,
    /// What it led to: `done`, `later`, `help`, `stop`, `booked`, `measured`, `expired`.
    pub outcome: Option<String>,
}

const COLUMNS: &str = "id, need, patient, kind, level, rule, language, text, silent, attempt, \
                       created_ms, due_ms, expires_ms, state, why, sent_ms, lane_seq, local_hour, \
                       answer, outcome, plan, missed";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Prompt> {
    let state: String = row.get(13)?;
    Ok(Prompt {
        id: uuid(row, 0)?,
        need: optional_uuid(row, 1)?,
        patient: row.get(2)?,
        kind: row.get(3)?,
        level: row.get(4)?,
        rule: row.get(5)?,
        language: row.get(6)?,
        text: row.get(7)?,
        silent: row.get(8)?,
        attempt: row.get(9)?,
        created: UnixMillis::from_millis(row.get(10)?),
        due: UnixMillis::from_millis(row.get(11)?),
        expires: UnixMillis::from_millis(row.get(12)?),
        state: PromptState::from_word(&state),
        why: row.get(14)?,
        sent: optional_millis(row, 15)?,
        lane_seq: row.get::<_, Option<i64>>(16)?.map(i64::unsigned_abs),
        local_hour: row.get(17)?,
        answer: row.get(18)?,
        outcome: row.get(19)?,
        plan: row.get(20)?,
        missed: row.get(21)?,
    })
}

fn select(
    q: &impl Queries,
    filter: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Prompt>, StoreError> {
    let mut query =
        q.connection().prepare_cached(&format!("select {COLUMNS} from prompt where {filter}"))?;
    let rows = query.query_map(parameters, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The prompt with this id.
///
/// # Errors
/// What SQLite answered.
pub fn get(q: &impl Queries, id: Uuid) -> Result<Option<Prompt>, StoreError> {
    Ok(q.connection()
        .prepare_cached(&format!("select {COLUMNS} from prompt where id = ?1"))?
        .query_row([id.as_bytes().as_slice()], from_row)
        .optional()?)
}

/// Adds a prompt. False if the same prompt was made before, whatever became of it.
///
/// # Errors
/// What SQLite answered.
pub fn add(tx: &Tx<'_>, prompt: &Prompt) -> Result<bool, StoreError> {
    let added = tx
        .connection()
        .prepare_cached(&format!(
            "insert into prompt ({COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                 ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22) on conflict (id) do nothing"
        ))?
        .execute(params![
            prompt.id.as_bytes().as_slice(),
            prompt.need.map(|need| need.as_bytes().to_vec()),
            prompt.patient,
            prompt.kind,
            prompt.level,
            prompt.rule,
            prompt.language,
            prompt.text,
            prompt.silent,
            prompt.attempt,
            prompt.created.millis(),
            prompt.due.millis(),
            prompt.expires.millis(),
            prompt.state.as_str(),
            prompt.why,
            prompt.sent.map(UnixMillis::millis),
            prompt.lane_seq.and_then(|seq| i64::try_from(seq).ok()),
            prompt.local_hour,
            prompt.answer,
            prompt.outcome,
            prompt.plan,
            prompt.missed,
        ])?;
    Ok(added > 0)
}

/// Writes what became of a prompt.
///
/// # Errors
/// What SQLite answered.
pub fn update(tx: &Tx<'_>, prompt: &Prompt) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached(
            "update prompt set language = ?2, text = ?3, due_ms = ?4, state = ?5, why = ?6,
                 sent_ms = ?7, lane_seq = ?8, local_hour = ?9, answer = ?10, outcome = ?11
             where id = ?1",
        )?
        .execute(params![
            prompt.id.as_bytes().as_slice(),
            prompt.language,
            prompt.text,
            prompt.due.millis(),
            prompt.state.as_str(),
            prompt.why,
            prompt.sent.map(UnixMillis::millis),
            prompt.lane_seq.and_then(|seq| i64::try_from(seq).ok()),
            prompt.local_hour,
            prompt.answer,
            prompt.outcome,
        ])?;
    Ok(())
}

/// Waiting prompts whose time has come, in the order of their time.
///
/// # Errors
/// What SQLite answered.
pub fn due(q: &impl Queries, now: UnixMillis) -> Result<Vec<Prompt>, StoreError> {
    select(q, "state = 'waiting' and due_ms <= ?1 order by due_ms, created_ms, id", [now.millis()])
}

/// When the next waiting prompt is due, or a sent one expires unanswered.
///
/// # Errors
/// What SQLite answered.
pub fn next_due(q: &impl Queries) -> Result<Option<UnixMillis>, StoreError> {
    let next: Option<i64> = q
        .connection()
        .prepare_cached(
            "select min(at) from (select min(due_ms) as at from prompt where state = 'waiting'
             union all select min(expires_ms) from prompt where state = 'sent')",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(next.map(UnixMillis::from_millis))
}

/// The nudges of a plan that have not ended: waiting, or sent and unanswered.
///
/// # Errors
/// What SQLite answered.
pub fn open_nudges(q: &impl Queries, plan: &str) -> Result<Vec<Prompt>, StoreError> {
    select(
        q,
        "plan = ?1 and missed is not null and state in ('waiting', 'sent') order by created_ms, id",
        [plan],
    )
}

/// Sent prompts that nobody answered in time.
///
/// # Errors
/// What SQLite answered.
pub fn lapsed(q: &impl Queries, now: UnixMillis) -> Result<Vec<Prompt>, StoreError> {
    select(q, "state = 'sent' and expires_ms <= ?1 order by expires_ms, id", [now.millis()])
}

/// The prompts of a patient that have not ended: waiting, or sent and unanswered.
///
/// # Errors
/// What SQLite answered.
pub fn pending(q: &impl Queries, patient: &str) -> Result<Vec<Prompt>, StoreError> {
    select(q, "patient = ?1 and state in ('waiting', 'sent') order by created_ms, id", [patient])
}

/// The prompts of a need, first attempt first.
///
/// # Errors
/// What SQLite answered.
pub fn of_need(q: &impl Queries, need: Uuid) -> Result<Vec<Prompt>, StoreError> {
    select(q, "need = ?1 order by attempt, created_ms, id", [need.as_bytes().as_slice()])
}

/// All prompts, or those of one patient, newest first.
///
/// # Errors
/// What SQLite answered.
pub fn list(q: &impl Queries, patient: Option<&str>) -> Result<Vec<Prompt>, StoreError> {
    select(q, "?1 is null or patient = ?1 order by created_ms desc, id", [patient])
}

/// What left for a patient within `[from, to]`, earliest first: every row with a sending time.
///
/// # Errors
/// What SQLite answered.
pub fn sent_between(
    q: &impl Queries,
    patient: &str,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Vec<Prompt>, StoreError> {
    select(
        q,
        "patient = ?1 and sent_ms between ?2 and ?3 order by sent_ms, id",
        params![patient, from.millis(), to.millis()],
    )
}

/// Whether an alert rule of the patient still waits for its second reading.
///
/// # Errors
/// What SQLite answered.
pub fn rule_is_pending(q: &impl Queries, patient: &str, rule: &str) -> Result<bool, StoreError> {
    Ok(q.connection()
        .prepare_cached(
            "select exists (select 1 from alert
             where patient = ?1 and rule = ?2 and state = 'Pending')",
        )?
        .query_row([patient, rule], |row| row.get(0))?)
}

/// What became of the message of a prompt that is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// A tombstone stands in its place, now or since before.
    Replaced,
    /// It was confirmed and is not kept any more; only a new message can say it.
    Gone,
}

/// Puts a tombstone in the place of a prompt that was given a number, if it is still kept.
///
/// # Errors
/// What SQLite answered.
pub fn take_back(tx: &Tx<'_>, prompt: &Prompt) -> Result<TakenBack, StoreError> {
    let Some(seq) = prompt.lane_seq.and_then(|seq| i64::try_from(seq).ok()) else {
        return Ok(TakenBack::Gone);
    };
    // As `outbox::withdraw`, but by the row's key. A row that is a tombstone already stays as it is.
    let found = tx
        .connection()
        .prepare_cached(
            "update outbox set state = case when state in (0, 1, 4) then 2 else state end
             where lane = ?1 and seq = ?2 and id = ?3",
        )?
        .execute(params![Lane::Alerts as u8, seq, prompt.id.as_bytes().as_slice()])?;
    Ok(if found > 0 { TakenBack::Replaced } else { TakenBack::Gone })
}
