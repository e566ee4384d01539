//! One line of a recorded file → readings, notes and the time, exactly as the line says.
//!
//! The line itself is the raw payload: it is journalled as it stands and decoded from nothing
//! but itself, so that a mended decoder can be run over history. Every line ends as readings
//! (with a value, or absent with a reason), as notes, or as a [`LineError`] that quarantines it.
//! What is judged *implausible* is not decided here: `000` and 5 mg/dL come out as they stand.
//!
//! | wart | outcome |
//! |---|---|
//! | impossible date (06-31) or time (56:35, 188:00, 11:0) | [`LineError`], quarantined |
//! | `0Hi`, `0Lo`, `HI`, `LO` | absent: above range, below range |
//! | `000` as a glucose, an empty cell | absent: not included |
//! | 5 mg/dL, 0.1 mmol/L, a sensor's end | the value; plausibility is judged by `assess` |
//! | a record broken over two lines | joined by the source, decoded, [`LineReading::repaired`] |
//! | a date without time (Fitbit) | [`LineTime::DateOnly`]: 08:00 local, marked as such |
//! | 56.70000076 kg | 56.7 kg: rounded once to what a scale can display |
//! | insulin, meals, exercise, symptoms, special events | [`Note`], no reading |
//! | codes nobody documented (0, 4, 36, 56) | [`Note::Undocumented`], whatever the number |

use hearth_shared::observation::{
    Absent, DisplayUnit, Marks, MealContext, Quantity, Reading, Value,
};

use crate::intake::LineFormat;

mod aim94;
mod hearth;
mod number;
mod sets;
mod time;

pub use hearth::{HEADER as HEARTH_HEADER, HELP as HEARTH_HELP};
pub use time::{DATE_ONLY_SECOND, LineTime};

/// What one line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineReading {
    /// When, in the line's own terms.
    pub time: LineTime,
    /// Whose, where the line says so.
    pub subject: Option<String>,
    /// Which device, where the line says so (Hearth's own layout).
    pub device: Option<String>,
    /// What was measured; empty for a line that only notes something.
    pub readings: Vec<Reading>,
    /// What else the line says.
    pub notes: Vec<Note>,
    /// The record was broken over two lines and has been put together again.
    pub repaired: bool,
}

/// Something a line says that is no measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A dose of insulin; the amount as written, in units.
    Insulin {
        /// `regular`, `NPH`, `ultralente`.
        kind: &'static str,
        /// As written, usually whole units.
        units: String,
    },
    /// A meal: `usual`, `more`, `less`.
    Meal(&'static str),
    /// Exercise: `usual`, `more`, `less`.
    Exercise(&'static str),
    /// The person felt the symptoms of a low glucose.
    HypoglycaemicSymptoms,
    /// A special event, not further described.
    SpecialEvent,
    /// The medication was changed; starts the clock of NI-1 anew.
    MedicationChange(String),
    /// Free text.
    Text(String),
    /// Asleep during the measurement.
    Asleep,
    /// A code nobody documented, with what stood behind it.
    Undocumented {
        /// The code.
        code: u16,
        /// The value as written.
        value: String,
    },
}

impl Note {
    /// The word used in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Insulin { .. } => "insulin",
            Self::Meal(_) => "meal",
            Self::Exercise(_) => "exercise",
            Self::HypoglycaemicSymptoms => "hypoglycaemic_symptoms",
            Self::SpecialEvent => "special_event",
            Self::MedicationChange(_) => "medication_change",
            Self::Text(_) => "text",
            Self::Asleep => "asleep",
            Self::Undocumented { .. } => "undocumented",
        }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Insulin { kind, units } => write!(f, "{kind} insulin, {units} units"),
            Self::Meal(size) => write!(f, "meal: {size}"),
            Self::Exercise(size) => write!(f, "exercise: {size}"),
            Self::HypoglycaemicSymptoms => f.write_str("symptoms of a low glucose"),
            Self::SpecialEvent => f.write_str("special event"),
            Self::MedicationChange(what) if what.is_empty() => f.write_str("medication changed"),
            Self::MedicationChange(what) => write!(f, "medication changed: {what}"),
            Self::Text(text) => f.write_str(text),
            Self::Asleep => f.write_str("asleep"),
            Self::Undocumented { code, value } => write!(f, "undocumented code {code}: {value}"),
        }
    }
}

/// Why a line cannot be read; it is quarantined with this sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not UTF-8.
    #[error("the line is not text: octet {at} is not UTF-8")]
    NotText {
        /// Offset of the first bad octet.
        at: usize,
    },
    /// Longer than any layout needs.
    #[error("the line has {octets} octets; at most {MAX_LINE_OCTETS} are read")]
    TooLong {
        /// Its length.
        octets: usize,
    },
    /// Too few or too many cells.
    #[error("{found} cells where {needed} are needed")]
    Cells {
        /// How many there are.
        found: usize,
        /// How many this layout has.
        needed: usize,
    },
    /// No such day.
    #[error("\"{text}\" is no date ({needed})")]
    Date {
        /// As written.
        text: String,
        /// The layout's way to write dates.
        needed: &'static str,
    },
    /// No such time of day.
    #[error("\"{text}\" is no time of day ({needed})")]
    Time {
        /// As written.
        text: String,
        /// The layout's way to write times.
        needed: &'static str,
    },
    /// Not a number.
    #[error("{name} \"{text}\" is no number")]
    Number {
        /// Name of the cell.
        name: &'static str,
        /// As written.
        text: String,
    },
    /// Not one of the words this cell may hold.
    #[error("{name} \"{text}\" is not known; it may be {known}")]
    Word {
        /// Name of the cell.
        name: &'static str,
        /// As written.
        text: String,
        /// What it may be.
        known: &'static str,
    },
    /// A number too large for its unit.
    #[error("{name} {text} is beyond what can be stored")]
    Range {
        /// Name of the cell.
        name: &'static str,
        /// As written.
        text: String,
    },
    /// This unit does not measure this quantity.
    #[error("{quantity} is not measured in {unit}")]
    Unit {
        /// The quantity's word.
        quantity: &'static str,
        /// The unit's UCUM code.
        unit: &'static str,
    },
    /// A code this layout does not have.
    #[error("code {code} does not exist in this layout")]
    Code {
        /// The code.
        code: u16,
    },
}

/// Longest line that is read; longer ones are quarantined.
pub const MAX_LINE_OCTETS: usize = 4096;

/// Reads one line (without its end; a carriage return is tolerated).
///
/// # Errors
/// Why the line is quarantined; see [`LineError`].
pub fn decode(format: LineFormat, line: &[u8]) -> Result<LineReading, LineError> {
    if line.len() > MAX_LINE_OCTETS {
        return Err(LineError::TooLong { octets: line.len() });
    }
    let text = std::str::from_utf8(line).map_err(|e| LineError::NotText { at: e.valid_up_to() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.trim_end_matches(['\r', '\n']);
    match format {
        LineFormat::Hearth => hearth::decode(text),
        LineFormat::Aim94 => aim94::decode(text),
        LineFormat::BpDiary => sets::bp_diary(text),
        LineFormat::BpHypnos => sets::bp_hypnos(text),
        LineFormat::FitbitWeight => sets::fitbit_weight(text),
        LineFormat::Iglu => sets::iglu(text),
        LineFormat::T1dUom => sets::t1d_uom(text),
    }
}

impl LineReading {
    fn at(time: LineTime) -> Self {
        Self {
            time,
            subject: None,
            device: None,
            readings: Vec::new(),
            notes: Vec::new(),
            repaired: false,
        }
    }
}

fn reading(quantity: Quantity, value: Result<Value, Absent>, unit: DisplayUnit) -> Reading {
    Reading { quantity, value, unit, marks: Marks::default(), meal: None }
}

fn with_meal(mut reading: Reading, meal: Option<MealContext>) -> Reading {
    reading.meal = meal;
    reading
}

/// The cells of a line, exactly `N` of them.
fn cells<const N: usize>(text: &str, separator: char) -> Result<[&str; N], LineError> {
    let mut found = [""; N];
    let mut count = 0;
    for cell in text.split(separator) {
        if let Some(place) = found.get_mut(count) {
            *place = cell.trim();
        }
        count += 1;
    }
    if count == N { Ok(found) } else { Err(LineError::Cells { found: count, needed: N }) }
}

#[cfg(test)]
mod tests;
