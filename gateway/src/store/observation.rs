//! Observations: one row per value, never changed. Whose it is stands in `attribution.rs`,
//! circumstances that came later in `meal_context`.

use hearth_shared::device::{Sequence, UserSlot};
use hearth_shared::observation::{
    Absent, DisplayUnit, Marks, MealContext, Quantity, Reading, Value,
};
use hearth_shared::time::{ClockTrust, UnixMillis, UtcOffsetMinutes};
use hearth_shared::units::{Glucose, Mass, Pressure, Rate, Saturation, Temperature};
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::checksum::Sum;
use super::{Queries, StoreError, Tx};

/// How plausible a value is (`clinical-rules` A9). The codes are stored; never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// Within what a body and a device can show, or no number at all.
    Accepted = 1,
    /// Implausible on the dangerous side: may raise and confirm, never clears, never in a trend.
    Dangerous = 2,
    /// Implausible on the harmless side: kept, no rule.
    Harmless = 3,
}

impl Standing {
    /// The standing with this stored code.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Accepted, Self::Dangerous, Self::Harmless].into_iter().find(|s| *s as i64 == code)
    }

    /// The word used in messages: `accepted` or `implausible`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Dangerous | Self::Harmless => "implausible",
        }
    }
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// UUIDv5 of what it rests on (`intake::identity`).
    pub id: Uuid,
    /// The raw row.
    pub journal_seq: i64,
    /// Place within the payload.
    pub part: u8,
    /// Device id.
    pub device: String,
    /// The device's user slot.
    pub slot: Option<UserSlot>,
    /// The device's record number.
    pub sequence: Option<Sequence>,
    /// The identity rests on connection and position.
    pub weak: bool,
    /// Quantity, value or reason, unit, marks, meal.
    pub reading: Reading,
    /// The local stamp stood twice on the clock that night; the instant was chosen.
    pub ambiguous: bool,
    /// A value of a sensor that was probably pressed on in the night; marked suspect afterwards.
    pub pressed: bool,
    /// When it was measured.
    pub measured: UnixMillis,
    /// Local time minus UTC at `measured`.
    pub offset: UtcOffsetMinutes,
    /// How the time was arrived at.
    pub clock: ClockTrust,
    /// Bound on the error of `measured` in seconds; unknown: `None`.
    pub clock_error_s: Option<i64>,
    /// As the device gave it, without zone.
    pub device_time: Option<String>,
    /// When it was received.
    pub received: UnixMillis,
    /// How plausible it is.
    pub standing: Standing,
}

/// An observation with its row number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its row.
    pub seq: i64,
    /// What stands there.
    pub observation: Observation,
}

fn clock_code(clock: ClockTrust) -> i64 {
    match clock {
        ClockTrust::Synchronised => 1,
        ClockTrust::Corrected => 2,
        ClockTrust::Unchecked => 3,
        ClockTrust::Collector => 4,
        ClockTrust::Suspect => 5,
        ClockTrust::GatewayUnset => 6,
    }
}

/// The stored code of a [`ClockTrust`], for the device row.
pub fn clock_to_code(clock: ClockTrust) -> i64 {
    clock_code(clock)
}

/// The [`ClockTrust`] with this stored code.
pub fn clock_from_code(code: i64) -> Option<ClockTrust> {
    [
        ClockTrust::Synchronised,
        ClockTrust::Corrected,
        ClockTrust::Unchecked,
        ClockTrust::Collector,
        ClockTrust::Suspect,
        ClockTrust::GatewayUnset,
    ]
    .into_iter()
    .find(|c| clock_code(*c) == code)
}

/// Bits of the column `marks`; bit 5 is the ambiguous local stamp, bit 6 the pressed sensor.
fn mark_bits(o: &Observation) -> i64 {
    let marks = o.reading.marks;
    let bits = [
        marks.invalid,
        marks.suspect,
        marks.preliminary,
        marks.clock_fault,
        marks.battery_low,
        o.ambiguous,
        o.pressed,
    ];
    bits.iter().rev().fold(0, |all, bit| all << 1 | i64::from(*bit))
}

/// The marks, the ambiguous stamp, the pressed sensor.
fn marks_from_bits(bits: i64) -> (Marks, bool, bool) {
    let bit = |n: u32| bits >> n & 1 == 1;
    let marks = Marks {
        invalid: bit(0),
        suspect: bit(1),
        preliminary: bit(2),
        clock_fault: bit(3),
        battery_low: bit(4),
    };
    (marks, bit(5), bit(6))
}

/// The three value columns.
fn value_columns(value: Result<Value, Absent>) -> [Option<i64>; 3] {
    match value {
        Err(_) => [None; 3],
        Ok(Value::Glucose(v)) => [Some(i64::from(v.umol_per_l())), None, None],
        Ok(Value::BloodPressure { systolic, diastolic, mean }) => [
            Some(i64::from(systolic.pascals())),
            Some(i64::from(diastolic.pascals())),
            mean.map(|m| i64::from(m.pascals())),
        ],
        Ok(Value::Rate(v)) => [Some(i64::from(v.tenths_per_minute())), None, None],
        Ok(Value::Saturation(v)) => [Some(i64::from(v.tenths_percent())), None, None],
        Ok(Value::Temperature(v)) => [Some(i64::from(v.milli_celsius())), None, None],
        Ok(Value::Mass(v)) => [Some(i64::from(v.grams())), None, None],
    }
}

fn value_from_columns(quantity: Quantity, v: [Option<i64>; 3]) -> Option<Value> {
    let first = v[0]?;
    Some(match quantity {
        Quantity::Glucose | Quantity::ContinuousGlucose => {
            Value::Glucose(Glucose::from_umol_per_l(u32::try_from(first).ok()?))
        }
        Quantity::BloodPressure => Value::BloodPressure {
            systolic: Pressure::from_pascals(i32::try_from(first).ok()?),
            diastolic: Pressure::from_pascals(i32::try_from(v[1]?).ok()?),
            mean: match v[2] {
                Some(mean) => Some(Pressure::from_pascals(i32::try_from(mean).ok()?)),
                None => None,
            },
        },
        Quantity::PulseRate | Quantity::HeartRate => {
            Value::Rate(Rate::from_tenths_per_minute(u16::try_from(first).ok()?))
        }
        Quantity::Saturation | Quantity::BodyFat => {
            Value::Saturation(Saturation::from_tenths_percent(u16::try_from(first).ok()?))
        }
        Quantity::Temperature => {
            Value::Temperature(Temperature::from_milli_celsius(i32::try_from(first).ok()?))
        }
        Quantity::Weight => Value::Mass(Mass::from_grams(u32::try_from(first).ok()?)),
    })
}

fn checksum(seq: i64, o: &Observation) -> u32 {
    let mut sum = Sum::default();
    sum.int(seq).blob(o.id.as_bytes()).int(o.journal_seq).int(i64::from(o.part));
    sum.text(Some(&o.device)).optional(o.slot.map(|s| i64::from(s.0)));
    sum.optional(o.sequence.map(|s| i64::from(s.0))).int(i64::from(o.weak));
    sum.int(o.reading.quantity as i64);
    for value in value_columns(o.reading.value) {
        sum.optional(value);
    }
    sum.optional(o.reading.value.err().map(|a| a as i64)).int(o.reading.unit as i64);
    sum.int(mark_bits(o));
    sum.optional(o.reading.meal.map(|m| m as i64)).int(o.measured.millis());
    sum.int(i64::from(o.offset.minutes())).int(clock_code(o.clock)).optional(o.clock_error_s);
    sum.text(o.device_time.as_deref()).int(o.received.millis()).int(o.standing as i64);
    sum.finish()
}

/// Puts an observation in. Returns its row number.
///
/// # Errors
/// What SQLite answered; a second row of one id is refused.
pub fn insert(tx: &Tx<'_>, o: &Observation) -> Result<i64, StoreError> {
    let seq = tx.next("observation")?;
    let [v1, v2, v3] = value_columns(o.reading.value);
    tx.transaction
        .prepare_cached(
            "insert into observation (seq, id, journal_seq, part, device, slot, sequence, weak,
               quantity, v1, v2, v3, absent, unit, marks, meal, measured_ms, offset_min, clock,
               clock_error_s, device_time, received_ms, plausibility, checksum)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
               ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
        )?
        .execute(params![
            seq,
            o.id.as_bytes().as_slice(),
            o.journal_seq,
            o.part,
            o.device,
            o.slot.map(|s| s.0),
            o.sequence.map(|s| s.0),
            o.weak,
            o.reading.quantity as i64,
            v1,
            v2,
            v3,
            o.reading.value.err().map(|a| a as i64),
            o.reading.unit as i64,
            mark_bits(o),
            o.reading.meal.map(|m| m as i64),
            o.measured.millis(),
            o.offset.minutes(),
            clock_code(o.clock),
            o.clock_error_s,
            o.device_time,
            o.received.millis(),
            o.standing as i64,
            checksum(seq, o),
        ])?;
    Ok(seq)
}

/// Marks a reading as one of a sensor that was pressed on: suspect, its value as it was.
///
/// # Errors
/// [`StoreError::Row`] where the checksum does not fit; such a row is left alone.
pub fn mark_pressed(tx: &Tx<'_>, seq: i64) -> Result<(), StoreError> {
    let Some(Stored { mut observation, .. }) = get(tx, seq)? else { return Ok(()) };
    observation.pressed = true;
    observation.reading.marks.suspect = true;
    tx.transaction
        .prepare_cached("update observation set marks = ?2, checksum = ?3 where seq = ?1")?
        .execute(params![seq, mark_bits(&observation), checksum(seq, &observation)])?;
    Ok(())
}

/// The columns [`read`] takes, with the table named `o`.
pub(super) const COLUMNS: &str = "o.seq, o.id, o.journal_seq, o.part, o.device, o.slot, o.sequence,
    o.weak, o.quantity, o.v1, o.v2, o.v3, o.absent, o.unit, o.marks, o.meal, o.measured_ms,
    o.offset_min, o.clock, o.clock_error_s, o.device_time, o.received_ms, o.plausibility, o.checksum";

/// Reads a row selected by [`COLUMNS`]; one that does not fit its checksum is no value any more.
pub(super) fn read(row: &Row<'_>) -> Result<Stored, StoreError> {
    let seq: i64 = row.get(0)?;
    let damaged = || StoreError::Row { table: "observation", seq };
    let sum: i64 = row.get(23).map_err(|_| damaged())?;
    let observation = columns(row).ok().flatten().ok_or_else(damaged)?;
    if i64::from(checksum(seq, &observation)) != sum {
        return Err(damaged());
    }
    Ok(Stored { seq, observation })
}

/// `None`: a code that no version of the program wrote.
fn columns(row: &Row<'_>) -> Result<Option<Observation>, rusqlite::Error> {
    let code = |n: usize| row.get::<_, u8>(n);
    let optional = |n: usize| row.get::<_, Option<u8>>(n);
    let id: [u8; 16] = row.get(1)?;
    let (marks, ambiguous, pressed) = marks_from_bits(row.get(14)?);
    let Some(quantity) = Quantity::from_code(code(8)?) else { return Ok(None) };
    let value = match optional(12)? {
        Some(absent) => Absent::from_code(absent).map(Err),
        None => value_from_columns(quantity, [row.get(9)?, row.get(10)?, row.get(11)?]).map(Ok),
    };
    let (Some(value), Some(unit)) = (value, DisplayUnit::from_code(code(13)?)) else {
        return Ok(None);
    };
    let meal = match optional(15)? {
        Some(meal) => match MealContext::from_code(meal) {
            Some(meal) => Some(meal),
            None => return Ok(None),
        },
        None => None,
    };
    let (Some(offset), Some(clock), Some(standing)) = (
        UtcOffsetMinutes::new(row.get(17)?),
        clock_from_code(row.get(18)?),
        Standing::from_code(row.get(22)?),
    ) else {
        return Ok(None);
    };
    Ok(Some(Observation {
        id: Uuid::from_bytes(id),
        journal_seq: row.get(2)?,
        part: row.get(3)?,
        device: row.get(4)?,
        slot: optional(5)?.map(UserSlot),
        sequence: row.get::<_, Option<u16>>(6)?.map(Sequence),
        weak: row.get(7)?,
        reading: Reading { quantity, value, unit, marks, meal },
        ambiguous,
        pressed,
        measured: UnixMillis::from_millis(row.get(16)?),
        offset,
        clock,
        clock_error_s: row.get(19)?,
        device_time: row.get(20)?,
        received: UnixMillis::from_millis(row.get(21)?),
        standing,
    }))
}

/// The row of an id: its number and its raw row, or `None`.
///
/// # Errors
/// What SQLite answered.
pub fn find(q: &impl Queries, id: &Uuid) -> Result<Option<(i64, i64)>, StoreError> {
    Ok(q.connection()
        .prepare_cached("select seq, journal_seq from observation where id = ?1")?
        .query_row([id.as_bytes().as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// One observation by its row.
///
/// # Errors
/// [`StoreError::Row`] where the checksum does not fit.
pub fn get(q: &impl Queries, seq: i64) -> Result<Option<Stored>, StoreError> {
    let sql = format!("select {COLUMNS} from observation o where o.seq = ?1");
    let mut statement = q.connection().prepare_cached(&sql)?;
    statement.query_row([seq], |row| Ok(read(row))).optional()?.transpose()
}

/// The raw row of another copy of this reading: same device, same stamp, same quantity and value
/// (`bluetooth-profiles` 17.4). Without a stamp nothing is a copy.
///
/// # Errors
/// What SQLite answered.
pub fn twin(q: &impl Queries, o: &Observation) -> Result<Option<i64>, StoreError> {
    let Some(stamp) = &o.device_time else { return Ok(None) };
    let [v1, v2, v3] = value_columns(o.reading.value);
    Ok(q.connection()
        .prepare_cached(
            "select journal_seq from observation
             where device = ?1 and device_time = ?2 and quantity = ?3 and v1 is ?4 and v2 is ?5
               and v3 is ?6 and absent is ?7 and slot is ?8 and journal_seq <> ?9
             order by seq limit 1",
        )?
        .query_row(
            params![
                o.device,
                stamp,
                o.reading.quantity as i64,
                v1,
                v2,
                v3,
                o.reading.value.err().map(|a| a as i64),
                o.slot.map(|s| s.0),
                o.journal_seq,
            ],
            |row| row.get(0),
        )
        .optional()?)
}

/// One reading of a patient's series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesRow {
    /// The observation.
    pub stored: Stored,
    /// Meal context, also where it came in a record of its own.
    pub meal: Option<MealContext>,
}

/// A patient's readings of one quantity measured in `from..to`, by measured time. Rows that do not
/// fit their checksum, or of which the decision in force says that they are somebody else's, are left out;
/// their numbers are the second part.
///
/// # Errors
/// What SQLite answered.
pub fn series(
    q: &impl Queries,
    patient: &str,
    quantity: Quantity,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<(Vec<SeriesRow>, Vec<i64>), StoreError> {
    let sql = format!(
        "select {COLUMNS}, (select m.meal from meal_context m where m.observation_seq = o.seq
                            order by m.journal_seq desc limit 1),
           (select a.patient from attribution a where a.observation_seq = o.seq
            order by a.seq desc limit 1) is ?1
         from series s join observation o on o.seq = s.observation_seq
         where s.patient = ?1 and s.quantity = ?2 and s.measured_ms >= ?3 and s.measured_ms < ?4
         order by s.measured_ms, s.observation_seq"
    );
    let mut statement = q.connection().prepare_cached(&sql)?;
    let mut rows =
        statement.query(params![patient, quantity as i64, from.millis(), to.millis()])?;
    let (mut out, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(stored) if !row.get::<_, bool>(25)? => damaged.push(stored.seq),
            Ok(stored) => {
                let later: Option<u8> = row.get(24)?;
                let meal =
                    later.and_then(MealContext::from_code).or(stored.observation.reading.meal);
                out.push(SeriesRow { stored, meal });
            }
            Err(StoreError::Row { seq, .. }) => damaged.push(seq),
            Err(error) => return Err(error),
        }
    }
    Ok((out, damaged))
}

/// A patient's readings of every quantity measured from `from` on, by measured time, the order in
/// which rules run over them again.
///
/// # Errors
/// What SQLite answered.
pub fn since(
    q: &impl Queries,
    patient: &str,
    from: UnixMillis,
) -> Result<(Vec<Stored>, Vec<i64>), StoreError> {
    let (mut out, mut damaged) = (Vec::new(), Vec::new());
    for quantity in Quantity::ALL {
        let (rows, bad) = series(q, patient, quantity, from, UnixMillis::from_millis(i64::MAX))?;
        out.extend(rows.into_iter().map(|r| r.stored));
        damaged.extend(bad);
    }
    out.sort_by_key(|s| (s.observation.measured, s.seq));
    Ok((out, damaged))
}

/// Takes a damaged row out of every series and the claim tray, so that no rule uses it. The row
/// itself stays for a person to look at.
///
/// # Errors
/// What SQLite answered.
pub fn set_aside(tx: &Tx<'_>, seq: i64) -> Result<(), StoreError> {
    for sql in [
        "delete from series where observation_seq = ?1",
        "delete from claim_tray where observation_seq = ?1",
    ] {
        tx.transaction.prepare_cached(sql)?.execute([seq])?;
    }
    Ok(())
}

/// How many observations wait for an owner.
///
/// # Errors
/// What SQLite answered.
pub fn count_unclaimed(q: &impl Queries) -> Result<u64, StoreError> {
    let n: i64 = q
        .connection()
        .prepare_cached("select count(*) from claim_tray")?
        .query_row([], |row| row.get(0))?;
    Ok(n.unsigned_abs())
}

/// Calls `each` with every row after `after`, oldest first, checksums verified.
///
/// # Errors
/// What SQLite answered, or what `each` returned.
pub fn scan<E: From<StoreError>>(
    q: &impl Queries,
    after: i64,
    mut each: impl FnMut(Result<Stored, StoreError>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = format!("select {COLUMNS} from observation o where o.seq > ?1 order by o.seq");
    let mut statement = q.connection().prepare_cached(&sql).map_err(StoreError::from)?;
    let mut rows = statement.query([after]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        each(read(row))?;
    }
    Ok(())
}
