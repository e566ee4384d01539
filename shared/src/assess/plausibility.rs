//! Whether a value can be true: `clinical-rules` A9, table of plausibility, in the rules' steps.
//!
//! | quantity | possible | accepted | dangerous side | harmless side |
//! |---|---|---|---|---|
//! | glucose, mg/dL | 10..=1000 | 20..=600 | below, above | - |
//! | CGM, mg/dL | 10..=1000 | 39..=401 | below, above | - |
//! | systolic, mmHg | 20..=300 | 60..=260 | below, above | - |
//! | diastolic, mmHg | 10..=200, below systolic | 30..=160 | above | below, if nothing else is |
//! | systolic - diastolic | 1.. | 15.. | below | - |
//! | pulse, /min | 20..=300 | 25..=250 | below, above | - |
//! | SpO2, % | 50..=100 | 50..=100 | - | - |
//! | temperature, 0.1 °C | 250..=450 | 300..=430 | above | below |
//! | weight, 10 g | 1..=40000 | 2000..=30000 | - | below, above |
//! | body fat, 0.1 % | 1..=750 | 1..=750 | - | - |
//!
//! Body fat has no rule; its limits are those of `bluetooth-profiles` 17.5. Heart rate from a
//! strap has the pulse's limits of the possible and no others: no resting rule applies to it.

use serde::{Deserialize, Serialize};

use crate::observation::{Quantity, Value};

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plausibility {
    /// It can be true.
    Accepted,
    /// Hardly true, but if it were, somebody would have to act: kept, marked implausible, never in
    /// a trend; rules compare its number, and it never refutes, clears or re-arms.
    DangerousSide,
    /// Hardly true and nobody's danger: kept, marked implausible, no rule.
    HarmlessSide,
    /// It cannot be true: quarantine.
    Impossible,
}

impl Plausibility {
    /// The word used in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::DangerousSide => "dangerous_side",
            Self::HarmlessSide => "harmless_side",
            Self::Impossible => "impossible",
        }
    }
}

/// Judges a value as its quantity; a value of another kind than the quantity is impossible.
///
/// Worked value: 15 mg/dL of glucose is on the dangerous side, 9 is impossible.
pub fn judge(quantity: Quantity, value: &Value) -> Plausibility {
    use Plausibility::{Accepted, DangerousSide, HarmlessSide, Impossible};
    // Outside `possible`, inside `accepted`, below it, above it.
    let rank = |step: i32, possible: (i32, i32), accepted: (i32, i32), below, above| {
        if step < possible.0 || step > possible.1 {
            Impossible
        } else if step < accepted.0 {
            below
        } else if step > accepted.1 {
            above
        } else {
            Accepted
        }
    };
    match (quantity, value) {
        (Quantity::Glucose, Value::Glucose(g)) => {
            rank(g.step(), (10, 1000), (20, 600), DangerousSide, DangerousSide)
        }
        (Quantity::ContinuousGlucose, Value::Glucose(g)) => {
            rank(g.step(), (10, 1000), (39, 401), DangerousSide, DangerousSide)
        }
        (Quantity::BloodPressure, Value::BloodPressure { systolic, diastolic, .. }) => {
            pressure(systolic.step(), diastolic.step())
        }
        (Quantity::PulseRate, Value::Rate(r)) => {
            rank(r.step(), (20, 300), (25, 250), DangerousSide, DangerousSide)
        }
        (Quantity::HeartRate, Value::Rate(r)) => {
            rank(r.step(), (20, 300), (20, 300), Accepted, Accepted)
        }
        (Quantity::Saturation, Value::Saturation(s)) => {
            rank(s.step(), (50, 100), (50, 100), Accepted, Accepted)
        }
        (Quantity::Temperature, Value::Temperature(t)) => {
            rank(t.step(), (250, 450), (300, 430), HarmlessSide, DangerousSide)
        }
        (Quantity::Weight, Value::Mass(m)) => {
            rank(m.step(), (1, 40_000), (2_000, 30_000), HarmlessSide, HarmlessSide)
        }
        (Quantity::BodyFat, Value::Saturation(s)) => {
            rank(i32::from(s.tenths_percent()), (1, 750), (1, 750), Accepted, Accepted)
        }
        _ => Impossible,
    }
}

/// Both pressures in mmHg.
fn pressure(systolic: i32, diastolic: i32) -> Plausibility {
    let possible =
        (20..=300).contains(&systolic) && (10..=200).contains(&diastolic) && diastolic < systolic;
    if !possible {
        Plausibility::Impossible
    } else if !(60..=260).contains(&systolic) || diastolic > 160 || systolic - diastolic < 15 {
        Plausibility::DangerousSide
    } else if diastolic < 30 {
        Plausibility::HarmlessSide
    } else {
        Plausibility::Accepted
    }
}

#[cfg(test)]
mod tests {
    use super::Plausibility::{Accepted, DangerousSide, HarmlessSide, Impossible};
    use super::*;
    use crate::units::{Decimal, Glucose, Mass, Pressure, Rate, Saturation, Temperature};

    fn check(quantity: Quantity, make: impl Fn(i32) -> Value, cases: &[(i32, Plausibility)]) {
        for (step, expected) in cases {
            assert_eq!(judge(quantity, &make(*step)), *expected, "{quantity:?} {step}");
        }
    }

    fn glucose(step: i32) -> Value {
        Value::Glucose(Glucose::from_mg_per_dl(Decimal::new(step, 0)).unwrap())
    }

    fn rate(step: i32) -> Value {
        Value::Rate(Rate::from_per_minute(Decimal::new(step, 0)).unwrap())
    }

    #[test]
    fn every_limit_of_the_table_is_where_it_says() {
        let d = DangerousSide;
        check(
            Quantity::Glucose,
            glucose,
            &[
                (9, Impossible),
                (10, d),
                (19, d),
                (20, Accepted),
                (600, Accepted),
                (601, d),
                (1000, d),
                (1001, Impossible),
            ],
        );
        check(
            Quantity::ContinuousGlucose,
            glucose,
            &[(9, Impossible), (10, d), (38, d), (39, Accepted), (401, Accepted), (402, d)],
        );
        check(
            Quantity::PulseRate,
            rate,
            &[(19, Impossible), (20, d), (24, d), (25, Accepted), (250, Accepted), (251, d)],
        );
        check(Quantity::PulseRate, rate, &[(300, d), (301, Impossible)]);
        check(Quantity::HeartRate, rate, &[(19, Impossible), (20, Accepted), (300, Accepted)]);
        check(
            Quantity::Saturation,
            |s| Value::Saturation(Saturation::from_percent(Decimal::new(s, 0)).unwrap()),
            &[(49, Impossible), (50, Accepted), (100, Accepted), (101, Impossible)],
        );
        check(
            Quantity::Temperature,
            |t| Value::Temperature(Temperature::from_celsius(Decimal::new(t, -1)).unwrap()),
            &[
                (-400, Impossible),
                (249, Impossible),
                (250, HarmlessSide),
                (299, HarmlessSide),
                (300, Accepted),
                (430, Accepted),
                (431, d),
                (450, d),
                (451, Impossible),
            ],
        );
        check(
            Quantity::Weight,
            |w| Value::Mass(Mass::from_kg(Decimal::new(w, -2)).unwrap()),
            &[
                (0, Impossible),
                (1, HarmlessSide),
                (1_999, HarmlessSide),
                (2_000, Accepted),
                (30_000, Accepted),
                (30_001, HarmlessSide),
                (40_000, HarmlessSide),
                (40_001, Impossible),
            ],
        );
        check(
            Quantity::BodyFat,
            |f| Value::Saturation(Saturation::from_percent(Decimal::new(f, -1)).unwrap()),
            &[(0, Impossible), (1, Accepted), (750, Accepted), (751, Impossible)],
        );
    }

    #[test]
    fn pressures_are_judged_together() {
        for (systolic, diastolic, expected) in [
            (120, 80, Accepted),
            (60, 45, Accepted),
            (260, 160, Accepted),
            (59, 40, DangerousSide),
            (261, 90, DangerousSide),
            (200, 161, DangerousSide),
            (94, 80, DangerousSide),
            (95, 80, Accepted),
            (120, 29, HarmlessSide),
            (120, 10, HarmlessSide),
            (265, 20, DangerousSide),
            (120, 9, Impossible),
            (80, 80, Impossible),
            (72, 81, Impossible),
            (19, 10, Impossible),
            (301, 90, Impossible),
            (250, 201, Impossible),
            (-5, -10, Impossible),
        ] {
            let mmhg = |v| Pressure::from_mmhg(Decimal::new(v, 0)).unwrap();
            let (s, d) = (mmhg(systolic), mmhg(diastolic));
            let value = Value::BloodPressure { systolic: s, diastolic: d, mean: None };
            let judged = judge(Quantity::BloodPressure, &value);
            assert_eq!(judged, expected, "{systolic}/{diastolic}");
        }
    }

    #[test]
    fn a_unit_bit_error_and_a_foreign_value_are_impossible() {
        let kpa = |v| Pressure::from_kpa(Decimal::new(v, 0)).unwrap();
        let value = Value::BloodPressure { systolic: kpa(121), diastolic: kpa(81), mean: None };
        assert_eq!(judge(Quantity::BloodPressure, &value), Impossible);
        assert_eq!(judge(Quantity::Weight, &glucose(100)), Impossible);
    }
}
