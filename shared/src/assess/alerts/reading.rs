//! One reading as the rules see it, how far its value can be believed, and its identity.

use super::words::{Claim, Quantity};
use serde::{Deserialize, Serialize};

/// A value in rule steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// mg/dL, per minute, percent, 0.1 degC or 10 g.
    Number(i32),
    /// mmHg.
    Pressure {
        /// Systolic.
        sys: i32,
        /// Diastolic.
        dia: i32,
    },
    /// The meter said HI: above its range.
    High,
    /// The meter said LO: below its range.
    Low,
}

/// Device and record number, or what stands for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Device and record in one number; the strongest identity.
    pub record: Option<u32>,
    /// Device; together with stamp and value the identity of a reading without a record.
    pub device: Option<u32>,
}

/// What the device or the caller says about a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// Invalid by device status: may raise, but never confirm, refute, clear or re-arm.
    pub invalid: bool,
    /// Disturbed, e.g. by movement: counts in full, but the patient is asked for another.
    pub suspect: bool,
}

/// One measured value on its way to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// When it was measured, Unix seconds, as stamped.
    pub t: u32,
    /// When it arrived, Unix seconds: the time of processing.
    pub arrived: u32,
    /// What was measured.
    pub quantity: Quantity,
    /// The value in rule steps.
    pub value: Value,
    /// What the device says about it.
    pub flags: Flags,
    /// Whose it is.
    pub claim: Claim,
    /// Which record of which device.
    pub identity: Identity,
}

/// How far a value can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plausibility {
    Accepted,
    /// Implausible on the side a rule watches: may raise and confirm, nothing else.
    Dangerous,
    /// Implausible on a side no rule watches.
    Harmless,
    /// No such value exists: quarantine.
    Impossible,
}

/// Numbers that stand for HI and LO of a glucose meter: beyond every possible number (10 to
/// 1000) and every limit (20 to 600), and small enough for an identity.
const HIGH_NUMBER: i32 = 2000;
const LOW_NUMBER: i32 = 0;

fn grade(v: i32, possible: (i32, i32), accepted: (i32, i32)) -> Plausibility {
    if v < possible.0 || possible.1 < v {
        Plausibility::Impossible
    } else if v < accepted.0 || accepted.1 < v {
        Plausibility::Dangerous
    } else {
        Plausibility::Accepted
    }
}

fn grade_pressure(sys: i32, dia: i32) -> Plausibility {
    if !(20..=300).contains(&sys) || !(10..=200).contains(&dia) || dia >= sys {
        Plausibility::Impossible
    } else if !(60..=260).contains(&sys) || dia > 160 || sys - dia < 15 {
        Plausibility::Dangerous
    } else if dia < 30 {
        Plausibility::Harmless
    } else {
        Plausibility::Accepted
    }
}

impl Reading {
    /// Ranges of the table of plausibility; a value of the wrong shape is impossible.
    pub(super) fn plausibility(&self) -> Plausibility {
        let v = match (self.quantity, self.value) {
            (Quantity::Glucose | Quantity::Cgm, Value::High | Value::Low) => {
                return Plausibility::Accepted;
            }
            (Quantity::Pressure, Value::Pressure { sys, dia }) => return grade_pressure(sys, dia),
            (Quantity::Pressure, _) => return Plausibility::Impossible,
            (_, Value::Number(v)) => v,
            _ => return Plausibility::Impossible,
        };
        match self.quantity {
            Quantity::Glucose => grade(v, (10, 1000), (20, 600)),
            Quantity::Cgm => grade(v, (10, 1000), (39, 401)),
            Quantity::Pulse => grade(v, (20, 300), (25, 250)),
            Quantity::Saturation => grade(v, (50, 100), (50, 100)),
            Quantity::Temperature if (250..300).contains(&v) => Plausibility::Harmless,
            Quantity::Temperature => grade(v, (250, 450), (300, 430)),
            Quantity::Weight => match grade(v, (1, 40_000), (2000, 30_000)) {
                Plausibility::Dangerous => Plausibility::Harmless,
                other => other,
            },
            Quantity::Pressure => Plausibility::Impossible,
        }
    }

    /// The number rules compare: for pressure the systolic one.
    pub(super) fn number(&self) -> i32 {
        match self.value {
            Value::Number(v) => v,
            Value::Pressure { sys, .. } => sys,
            Value::High => HIGH_NUMBER,
            Value::Low => LOW_NUMBER,
        }
    }

    /// The diastolic value, 0 without one.
    pub(super) fn diastolic(&self) -> i32 {
        match self.value {
            Value::Pressure { dia, .. } => dia,
            _ => 0,
        }
    }

    /// What makes two deliveries the same reading. `None` for a value no device can send.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        if let Some(record) = self.identity.record {
            return Some(Fingerprint::Record(record));
        }
        let (value, second) = match self.value {
            // An impossible number must not pass for HI or LO.
            Value::Number(LOW_NUMBER) => return None,
            Value::Number(HIGH_NUMBER) if self.quantity != Quantity::Weight => return None,
            _ => (u16::try_from(self.number()).ok()?, u16::try_from(self.diastolic()).ok()?),
        };
        Some(Fingerprint::Content { device: self.identity.device, t: self.t, value, second })
    }
}

/// The identity of a reading among those of its quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fingerprint {
    Record(u32),
    Content { device: Option<u32>, t: u32, value: u16, second: u16 },
}
