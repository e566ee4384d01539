//! What an auditor asks: is every row whole, is every number given, what was counted.

use hearth_shared::observation::MealContext;
use hearth_shared::time::UnixMillis;
use rusqlite::params;

use super::journal::{self, RowOutcome};
use super::{Queries, StoreError, alert, attribution, counter, device, observation, open, outbox};
use crate::uplink::message::Lane;

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A word for programs: `checksum`, `lane_gap`, `foreign_key`, `integrity`, `series`.
    pub kind: &'static str,
    /// One plain sentence.
    pub sentence: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Raw rows.
    pub journal: u64,
    /// Observations.
    pub observations: u64,
    /// Messages.
    pub messages: u64,
    /// Decisions whose a reading is, and owners of devices.
    pub owners: u64,
    /// States of the alert rules.
    pub states: u64,
}

/// Findings beyond this many of one kind are counted, not listed.
const LISTED_MAX: usize = 50;

/// Checks everything: the file's structure, every checksum, the numbers of the lanes, references,
/// and that each series is what the decisions say.
///
/// # Errors
/// What SQLite answered where a check could not be made at all.
pub fn verify(q: &impl Queries) -> Result<(Checked, Vec<Finding>), StoreError> {
    let mut findings = Vec::new();
    let mut checked = Checked::default();
    for line in open::findings(q.connection(), "pragma integrity_check")? {
        findings.push(Finding { kind: "integrity", sentence: line });
    }
    checksums(q, &mut checked, &mut findings)?;
    lanes(q, &mut findings)?;
    references(q, &mut findings)?;
    series(q, &mut findings)?;
    Ok((checked, findings))
}

fn checksums(
    q: &impl Queries,
    checked: &mut Checked,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let mut list = Listing::new("checksum", findings);
    journal::scan::<StoreError>(q, 0, |row| {
        checked.journal += 1;
        list.row(row.map(|_| ()))
    })?;
    observation::scan::<StoreError>(q, 0, |row| {
        checked.observations += 1;
        list.row(row.map(|_| ()))
    })?;
    checked.messages = outbox::scan(q, |lane, seq, damaged| {
        if damaged {
            let lane = lane.as_str();
            list.push(format!("message {seq} of lane {lane} does not fit its checksum"));
        }
    })?;
    let (damaged, decisions) = attribution::damaged(q)?;
    for seq in damaged {
        list.row(Err(StoreError::Row { table: "attribution", seq }))?;
    }
    let (damaged, owners) = device::damaged_owners(q)?;
    for seq in damaged {
        list.row(Err(StoreError::Row { table: "device_owner", seq }))?;
    }
    checked.owners = decisions + owners;
    let mut statement =
        q.connection().prepare("select patient from alert_state order by patient")?;
    let patients = statement.query_map([], |row| row.get::<_, String>(0))?;
    for (n, patient) in patients.collect::<Result<Vec<_>, _>>()?.iter().enumerate() {
        checked.states += 1;
        if alert::snapshot(q, patient)? == alert::Snapshot::Damaged {
            list.push(format!(
                "state {} of the alert rules does not fit its checksum; it will be rebuilt",
                n + 1
            ));
        }
    }
    list.finish();
    Ok(())
}

/// Lists findings of one kind up to a limit.
struct Listing<'a> {
    kind: &'static str,
    out: &'a mut Vec<Finding>,
    n: usize,
}

impl<'a> Listing<'a> {
    fn new(kind: &'static str, out: &'a mut Vec<Finding>) -> Self {
        Self { kind, out, n: 0 }
    }

    fn push(&mut self, sentence: String) {
        self.n += 1;
        if self.n <= LISTED_MAX {
            self.out.push(Finding { kind: self.kind, sentence });
        }
    }

    fn row(&mut self, row: Result<(), StoreError>) -> Result<(), StoreError> {
        match row {
            Ok(()) => Ok(()),
            Err(error @ StoreError::Row { .. }) => {
                self.push(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn finish(self) {
        if self.n > LISTED_MAX {
            let sentence = format!("and {} more", self.n - LISTED_MAX);
            self.out.push(Finding { kind: self.kind, sentence });
        }
    }
}

/// Every number between the first message kept and the last number given is there.
fn lanes(q: &impl Queries, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    for lane in Lane::ALL {
        let (first, kept, top, last): (Option<i64>, i64, Option<i64>, i64) = q
            .connection()
            .prepare_cached(
                "select min(seq), count(*), max(seq), (select last from lane where lane = ?1)
                 from outbox where lane = ?1",
            )?
            .query_row([lane as u8], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        let Some(first) = first else { continue };
        let missing = last - first + 1 - kept;
        if missing != 0 || top != Some(last) {
            let lane = lane.as_str();
            let sentence =
                format!("lane {lane}: {missing} numbers between {first} and {last} are missing");
            findings.push(Finding { kind: "lane_gap", sentence });
        }
    }
    Ok(())
}

fn references(q: &impl Queries, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let mut statement = q.connection().prepare("pragma foreign_key_check")?;
    let mut rows = statement.query([])?;
    let mut list = Listing::new("foreign_key", findings);
    while let Some(row) = rows.next()? {
        let (table, rowid, parent): (String, Option<i64>, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let rowid = rowid.map_or_else(|| "?".to_owned(), |n| n.to_string());
        list.push(format!("row {rowid} of {table} refers to a row of {parent} that is not there"));
    }
    list.finish();
    Ok(())
}

/// Every reading is in its owner's series, in no other, and the unclaimed are in the tray.
fn series(q: &impl Queries, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let wrong: i64 = q.connection().query_row(
        "with owner as (
           select a.observation_seq as seq, a.patient from attribution a
           where a.seq = (select max(seq) from attribution b
                          where b.observation_seq = a.observation_seq))
         select (select count(*) from owner o where o.patient is not null and not exists
                  (select 1 from series s join observation x on x.seq = s.observation_seq
                   where s.observation_seq = o.seq and s.patient = o.patient
                     and s.quantity = x.quantity and s.measured_ms = x.measured_ms))
              + (select count(*) from owner o where o.patient is null and not exists
                  (select 1 from claim_tray c where c.observation_seq = o.seq))
              + (select count(*) from series s where not exists
                  (select 1 from owner o where o.seq = s.observation_seq and o.patient = s.patient))",
        [],
        |row| row.get(0),
    )?;
    if wrong > 0 {
        let sentence = format!("{wrong} readings are not in the series their owner says");
        findings.push(Finding { kind: "series", sentence });
    }
    Ok(())
}

/// One lane's backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The lane.
    pub lane: Lane,
    /// Messages not acknowledged by a broker.
    pub queued: u64,
    /// The oldest of them.
    pub oldest: Option<UnixMillis>,
    /// Messages kept, acknowledged or not.
    pub kept: u64,
    /// Last number given.
    pub last: u64,
}

/// The numbers of `hearth journal stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Raw rows by outcome.
    pub journal: Vec<(RowOutcome, u64)>,
    /// Observations by quantity code.
    pub observations: Vec<(u8, u64)>,
    /// Readings waiting for an owner.
    pub unclaimed: u64,
    /// Both lanes.
    pub backlog: Vec<Backlog>,
    /// Second copies by device: how many, when the last came.
    pub duplicates: Vec<(String, u64, UnixMillis)>,
    /// Quarantined raw rows by the first word of their reason.
    pub quarantined: Vec<(String, u64)>,
    /// Losses, oldest first.
    pub losses: Vec<counter::Loss>,
    /// All counters.
    pub counters: Vec<(String, u64)>,
}

/// Counts everything.
///
/// # Errors
/// What SQLite answered.
pub fn stats(q: &impl Queries) -> Result<Stats, StoreError> {
    let pairs = |sql: &str| -> Result<Vec<(i64, u64)>, StoreError> {
        let mut statement = q.connection().prepare_cached(sql)?;
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let mut backlog = Vec::new();
    for lane in Lane::ALL {
        backlog.push(
            q.connection()
                .prepare_cached(
                    "select count(*) filter (where state in (0, 2)),
                       min(created_ms) filter (where state = 0), count(*),
                       (select last from lane where lane = ?1)
                     from outbox where lane = ?1",
                )?
                .query_row(params![lane as u8], |row| {
                    Ok(Backlog {
                        lane,
                        queued: row.get::<_, i64>(0)?.unsigned_abs(),
                        oldest: row.get::<_, Option<i64>>(1)?.map(UnixMillis::from_millis),
                        kept: row.get::<_, i64>(2)?.unsigned_abs(),
                        last: row.get::<_, i64>(3)?.unsigned_abs(),
                    })
                })?,
        );
    }
    let mut quarantined = q.connection().prepare_cached(
        "select case when instr(coalesce(detail, ''), ':') > 0
                     then substr(detail, 1, instr(detail, ':') - 1) else 'other' end, count(*)
         from journal where outcome = 3 group by 1 order by 2 desc, 1",
    )?;
    let quarantined = quarantined
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
        .collect::<Result<_, _>>()?;
    Ok(Stats {
        journal: pairs("select outcome, count(*) from journal group by 1 order by 1")?
            .into_iter()
            .filter_map(|(code, n)| Some((RowOutcome::from_code(code)?, n)))
            .collect(),
        observations: pairs("select quantity, count(*) from observation group by 1 order by 1")?
            .into_iter()
            .filter_map(|(code, n)| Some((u8::try_from(code).ok()?, n)))
            .collect(),
        unclaimed: observation::count_unclaimed(q)?,
        backlog,
        duplicates: counter::duplicates(q)?,
        quarantined,
        losses: counter::losses(q)?,
        counters: counter::all(q)?,
    })
}

/// An observation as it is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The observation, or that its row does not fit its checksum.
    pub stored: Result<observation::Stored, i64>,
    /// Its owner.
    pub patient: Option<String>,
    /// Meal, also where it came in a record of its own.
    pub meal: Option<MealContext>,
}

/// The observations of one raw row, by place.
///
/// # Errors
/// What SQLite answered.
pub fn observations_of(q: &impl Queries, journal_seq: i64) -> Result<Vec<Exported>, StoreError> {
    let sql = format!(
        "select {},
           (select m.meal from meal_context m where m.observation_seq = o.seq
            order by m.journal_seq desc limit 1)
         from observation o where o.journal_seq = ?1 order by o.part",
        observation::COLUMNS
    );
    let mut statement = q.connection().prepare_cached(&sql)?;
    let mut rows = statement.query([journal_seq])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let stored = match observation::read(row) {
            Ok(stored) => Ok(stored),
            Err(StoreError::Row { seq, .. }) => Err(seq),
            Err(error) => return Err(error),
        };
        let later = row.get::<_, Option<u8>>(24)?.and_then(MealContext::from_code);
        let own = stored.as_ref().ok().and_then(|s| s.observation.reading.meal);
        let patient = match &stored {
            Ok(stored) => attribution::owner(q, stored.seq)?.0,
            Err(seq) => attribution::owner(q, *seq)?.0,
        };
        out.push(Exported { stored, patient, meal: later.or(own) });
    }
    Ok(out)
}
