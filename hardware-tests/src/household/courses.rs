//! What happens on each day, drawn from a seed.

use jiff::civil::{Date, Time};

use super::address;
use crate::devices::{Cuff, DeviceTime, GlucoseMeter, Inflation, Scale, Sent};

/// One visit of a device to the radio.
#[derive(Clone, Debug)]
pub struct Happening {
    /// Local time of the home.
    pub at: jiff::civil::DateTime,
    /// Bluetooth address.
    pub address: &'static str,
    /// What is worth telling beyond the reading itself.
    pub what: What,
    /// What the device sends.
    pub sent: Vec<Sent>,
    /// What its clock shows while connected.
    pub clock: DeviceTime,
}

/// What is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing special.
    Ordinary,
    /// Karim's glucose falls too low.
    Low,
    /// He has eaten and measures again, as asked.
    Recovered,
}

/// A small generator (SplitMix64, Steele et al. 2014), so that a seed gives the same days everywhere.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from `low..=high`.
    fn between(&mut self, low: i16, high: i16) -> i16 {
        let span = u64::from(low.abs_diff(high)) + 1;
        low + i16::try_from(self.next() % span).unwrap_or(0)
    }
}

/// Everything that happens in `days` days from `first`, in order.
///
/// Rosa's fasting glucose stays near 178 mg/dL; Karim's falls by 2 mg/dL a day from day 14 on until it has
/// fallen by 55, with one low of 52 on the evening of day 45; Edith measures her pressure for 24 days and then stops.
pub fn happenings(seed: u64, first: Date, days: i32) -> Vec<Happening> {
    let mut dice = Dice(seed);
    let mut rosa = GlucoseMeter::new(100);
    let mut karim = GlucoseMeter::new(7);
    let mut all = Vec::new();
    for day in 0..days {
        let date = first.saturating_add(jiff::Span::new().days(day));
        let at = |hour: i8, minute: i16| {
            let minute = i8::try_from(minute).unwrap_or(0);
            date.to_datetime(Time::constant(hour, minute, 0, 0))
        };
        let (r, k) = (dice.between(-11, 11), dice.between(-9, 9));
        let (rm, km, em) = (dice.between(5, 40), dice.between(0, 55), dice.between(10, 50));
        if dice.between(0, 9) != 0 {
            let time = at(7, rm);
            let sent = rosa.measure(DeviceTime::new(time), unsigned(178 + r), Some(3));
            all.push(visit(time, address::METER_ROSA, What::Ordinary, sent));
        }
        if dice.between(0, 9) != 0 {
            let fall = (2 * (day - 14)).clamp(0, 55);
            let time = at(6, km);
            let value = 181 + k - i16::try_from(fall).unwrap_or(0);
            let sent = karim.measure(DeviceTime::new(time), unsigned(value), Some(3));
            all.push(visit(time, address::METER_KARIM, What::Ordinary, sent));
        }
        if day == 45 {
            for (minute, value, what) in [(10, 52, What::Low), (26, 96, What::Recovered)] {
                let time = at(18, minute);
                let sent = karim.measure(DeviceTime::new(time), value, None);
                all.push(visit(time, address::METER_KARIM, what, sent));
            }
        }
        if day < 24 {
            let inflation = Inflation {
                systolic: 138 + dice.between(-7, 7),
                diastolic: 84 + dice.between(-5, 5),
                pulse: 68 + dice.between(-6, 6),
                slot: 1,
            };
            let time = at(8, em);
            let sent = vec![Cuff.measure(DeviceTime::new(time), inflation)];
            all.push(visit(time, address::CUFF, What::Ordinary, sent));
        }
        if day % 7 == 2 {
            let loss = u32::try_from(day).unwrap_or(0) * 40;
            let grams = 91_400 - loss + u32::from(unsigned(dice.between(0, 300)));
            let time = at(6, 57);
            let sent = vec![Scale.measure(DeviceTime::new(time), grams, 1)];
            all.push(visit(time, address::SCALE, What::Ordinary, sent));
        }
    }
    all.sort_by_key(|happening| happening.at);
    all
}

fn unsigned(value: i16) -> u16 {
    value.unsigned_abs()
}

fn visit(
    at: jiff::civil::DateTime,
    address: &'static str,
    what: What,
    sent: Vec<Sent>,
) -> Happening {
    // The device connects a few seconds after the measurement; its clock is right.
    let clock = DeviceTime::new(at.saturating_add(jiff::Span::new().seconds(20)));
    Happening { at, address, what, sent, clock }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_days() {
        let first = jiff::civil::date(2026, 3, 2);
        let (a, b) = (happenings(1, first, 70), happenings(1, first, 70));
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(&b).all(|(a, b)| a.at == b.at && a.sent == b.sent));
        assert!(a.windows(2).all(|pair| pair[0].at <= pair[1].at), "in order of time");
        let other = happenings(2, first, 70);
        assert!(a.iter().zip(&other).any(|(a, b)| a.sent != b.sent), "another seed, other days");
    }

    #[test]
    fn edith_falls_silent_after_day_24() {
        let first = jiff::civil::date(2026, 3, 2);
        let last = happenings(1, first, 70)
            .into_iter()
            .filter(|happening| happening.address == address::CUFF)
            .map(|happening| happening.at.date())
            .max();
        assert_eq!(last, Some(jiff::civil::date(2026, 3, 25)));
    }
}
