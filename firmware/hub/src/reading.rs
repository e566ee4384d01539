//! The last reading as the person sees it: worded by the gateway, or by the hub from its own sensor.

use core::fmt::Write;

use heapless::String;
use hearth_shared::assess::alerts::Quantity as Ruled;
use hearth_shared::observation::Quantity;
use hearth_shared::units::{Decimal, DisplayUnit, Glucose, Mass, Temperature};
use hearth_shared::wire::{LastReading, READING_TEXT_MAX, Sample, Settings};
use serde::{Deserialize, Serialize};

use crate::screen::words::Words;

/// A reading in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// What was measured.
    pub what: String<READING_TEXT_MAX>,
    /// The value with its unit.
    pub value: String<READING_TEXT_MAX>,
    /// What it means.
    pub meaning: String<READING_TEXT_MAX>,
    /// 0 as expected to 3 critical.
    pub level: u8,
    /// Words run from right to left.
    pub right_to_left: bool,
    /// The words are the hub's own: turned when drawn.
    pub own: bool,
}

impl Last {
    /// As the gateway worded it.
    pub fn told(told: &LastReading<'_>) -> Option<Self> {
        let text = |part: &str| String::try_from(part).ok();
        Some(Self {
            what: text(told.what)?,
            value: text(told.value)?,
            meaning: text(told.meaning)?,
            level: told.level,
            right_to_left: told.right_to_left,
            own: false,
        })
    }

    /// In the hub's own words; `None` for a value that it cannot show.
    pub fn own(sample: &Sample, level: u8, settings: &Settings, words: &Words) -> Option<Self> {
        if sample.absent != 0 {
            return None;
        }
        let (ruled, decimal, unit) = match sample.quantity()? {
            Quantity::Weight => {
                let unit = if settings.pounds { DisplayUnit::Pound } else { DisplayUnit::Kilogram };
                let mass = Mass::from_grams(u32::try_from(sample.value).ok()?);
                // A tenth is what a person needs: 71.2 kg.
                let shown = match unit {
                    DisplayUnit::Pound => rounded(mass.lb_hundredths(), 10),
                    _ => rounded(mass.step(), 10),
                };
                (Ruled::Weight, Decimal::new(shown, -1), if settings.pounds { "lb" } else { "kg" })
            }
            Quantity::Temperature => {
                let temperature = Temperature::from_milli_celsius(sample.value);
                let shown = if settings.fahrenheit {
                    temperature.fahrenheit_tenths()
                } else {
                    temperature.step()
                };
                let unit = if settings.fahrenheit { "°F" } else { "°C" };
                (Ruled::Temperature, Decimal::new(shown, -1), unit)
            }
            Quantity::Glucose => {
                let glucose = Glucose::from_umol_per_l(u32::try_from(sample.value).ok()?);
                let (shown, unit) = if settings.mmol {
                    (Decimal::new(glucose.mmol_per_l_tenths(), -1), "mmol/L")
                } else {
                    (Decimal::new(glucose.mg_per_dl(), 0), "mg/dL")
                };
                (Ruled::Glucose, shown, unit)
            }
            _ => return None,
        };
        let mut value = String::new();
        let whole = decimal.mantissa.checked_div(10)?;
        let tenth = decimal.mantissa.checked_rem(10)?.abs();
        // A number and a unit always fit.
        let _ = match decimal.exponent {
            0 => write!(value, "{}\u{A0}{unit}", decimal.mantissa),
            _ => write!(value, "{whole}{}{tenth}\u{A0}{unit}", words.decimal_mark),
        };
        let meaning = if level == 0 { words.as_expected } else { words.look };
        Some(Self {
            what: String::try_from(words.quantity(ruled)).ok()?,
            value,
            meaning: String::try_from(meaning).ok()?,
            level,
            right_to_left: words.right_to_left,
            own: true,
        })
    }
}

/// Divides, half away from zero.
fn rounded(value: i32, by: i32) -> i32 {
    let half = by.checked_div(2).unwrap_or(0);
    let moved = if value < 0 { value.saturating_sub(half) } else { value.saturating_add(half) };
    moved.checked_div(by).unwrap_or(0)
}
