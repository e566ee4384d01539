//! Glucose Measurement Context 2A34.
//!
//! | order | octets | field | unit | present |
//! |---|---|---|---|---|
//! | 1 | 1 | flags | - | always |
//! | 2 | 2 | sequence number of the related 2A18 | - | always |
//! | 3 | 1 | extended flags, all reserved | - | flag 7 |
//! | 4 | 1 + 2 | carbohydrate id, carbohydrate SFLOAT | kg | flag 0 |
//! | 5 | 1 | meal | - | flag 1 |
//! | 6 | 1 | tester (low nibble), health (high nibble) | - | flag 2 |
//! | 7 | 2 + 1 | exercise duration (0xFFFF overrun), intensity | s, % | flag 3 |
//! | 8 | 1 + 2 | medication id, medication SFLOAT | kg, with flag 5 L | flag 4 |
//! | 9 | 2 | HbA1c, SFLOAT | % | flag 6 |
//!
//! `bluetooth-profiles` 4.2.

use super::cursor::Cursor;
use super::number::bit;
use super::{Code, DecodeError, Field, Number, Unit, names};
use crate::observation::MealContext;

/// The circumstances of one glucose record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct GlucoseContext<'a> {
    pub flags: u8,
    /// The record this belongs to; join by it, not by position.
    pub sequence_number: u16,
    pub extended_flags: Option<u8>,
    pub carbohydrate_id: Option<Code>,
    pub carbohydrate: Option<Number>,
    pub meal: Option<Code>,
    pub tester: Option<Code>,
    pub health: Option<Code>,
    /// Seconds; 0xFFFF means longer than the field can say.
    pub exercise_duration_s: Option<u16>,
    pub exercise_intensity_percent: Option<u8>,
    pub medication_id: Option<Code>,
    pub medication: Option<Number>,
    pub hba1c: Option<Number>,
    /// Octets after the last known field.
    pub additional: &'a [u8],
}

impl<'a> GlucoseContext<'a> {
    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        let flags = c.u8(Field::Flags)?;
        let sequence_number = c.u16(Field::SequenceNumber)?;
        let extended_flags = bit(flags, 7).then(|| c.u8(Field::ExtendedFlags)).transpose()?;
        let carbohydrate_id = bit(flags, 0).then(|| c.u8(Field::CarbohydrateId)).transpose()?;
        let carbohydrate = bit(flags, 0).then(|| c.sfloat(Field::Carbohydrate)).transpose()?;
        let meal = bit(flags, 1).then(|| c.u8(Field::Meal)).transpose()?;
        let nibbles = bit(flags, 2).then(|| c.u8(Field::TesterAndHealth)).transpose()?;
        let duration = bit(flags, 3).then(|| c.u16(Field::ExerciseDuration)).transpose()?;
        let intensity = bit(flags, 3).then(|| c.u8(Field::ExerciseIntensity)).transpose()?;
        let medication_id = bit(flags, 4).then(|| c.u8(Field::MedicationId)).transpose()?;
        let medication = bit(flags, 4).then(|| c.sfloat(Field::Medication)).transpose()?;
        let hba1c = bit(flags, 6).then(|| c.sfloat(Field::Hba1c)).transpose()?;
        let medication_unit = if bit(flags, 5) { Unit::Litre } else { Unit::Kilogram };
        Ok(Self {
            flags,
            sequence_number,
            extended_flags,
            carbohydrate_id: carbohydrate_id.map(|id| Code::new(id, names::CARBOHYDRATE)),
            carbohydrate: carbohydrate.map(|value| Number { value, unit: Unit::Kilogram }),
            meal: meal.map(|m| Code::new(m, names::MEAL)),
            tester: nibbles.map(|n| Code::new(n & 0x0F, names::TESTER)),
            health: nibbles.map(|n| Code::new(n >> 4, names::HEALTH)),
            exercise_duration_s: duration,
            exercise_intensity_percent: intensity,
            medication_id: medication_id.map(|id| Code::new(id, names::MEDICATION)),
            medication: medication.map(|value| Number { value, unit: medication_unit }),
            hba1c: hba1c.map(|value| Number { value, unit: Unit::Percent }),
            additional: c.rest(),
        })
    }

    /// The meal as Hearth records it; `None` where it is not said or reserved.
    pub fn meal_context(&self) -> Option<MealContext> {
        MealContext::from_code(self.meal?.raw())
    }

    /// The reserved meal code by which CareSens meters mark the record as ketone, not glucose
    /// (`bluetooth-profiles` 18.9). It depends on the model, so the driver decides.
    pub fn has_ketone_mark(&self) -> bool {
        self.meal.is_some_and(|m| m.raw() == 6)
    }
}
