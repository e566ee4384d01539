//! Known departures of single models from the standards, mended octet by octet before decoding.
//!
//! A quirk is applied only where the device's profile names it, never by the look of the octets:
//! many of these values are legal frames with another meaning. What does not have the shape the
//! quirk describes is left as it is. The octets as sent stay in the journal.
//!
//! | quirk | characteristic | what is sent | mended |
//! |---|---|---|---|
//! | `beurer_bm85` | 2A35 | flags 0x56; pulse and status big-endian; an unannounced user octet | flag 3 set, octets turned |
//! | `renpho_es_wbe28` | 2A9D | counts of 0.05 kg | ten times the count |
//! | `xiaomi_mi_scale_v2` | 2A9C | unit, state, time, impedance, weight | a 2A9D |
//! | `isens_month13` | 2A18, 2A08, 2A2B | month 13 for January | month 1 |
//! | `fora_2037` | 2A18 | a made-up HI of 2037 once the memory is full | refused |
//! | `caresens_ketone` | 2A18 | ketone, told apart only by the context that follows | held until it came |

use heapless::Vec;

use super::encode::{ENCODED_MAX, Encoded};

/// Why a record of 2037 is refused.
pub const MADE_UP: &str = "a made-up result of a meter whose memory is full";

/// One departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Quirk {
    BeurerBm85,
    RenphoEsWbe28,
    XiaomiMiScaleV2,
    IsensMonth13,
    Fora2037,
    CaresensKetone,
}

/// What a quirk makes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// It is no case of it.
    AsSent,
    /// What it says in the standard's terms.
    As {
        /// 16-bit UUID.
        characteristic: u16,
        /// The octets.
        octets: Encoded,
    },
    /// It says nothing about the person.
    Refused(&'static str),
}

impl Quirk {
    /// All of them.
    pub const ALL: [Quirk; 6] = [
        Self::BeurerBm85,
        Self::RenphoEsWbe28,
        Self::XiaomiMiScaleV2,
        Self::IsensMonth13,
        Self::Fora2037,
        Self::CaresensKetone,
    ];

    /// The word used in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeurerBm85 => "beurer_bm85",
            Self::RenphoEsWbe28 => "renpho_es_wbe28",
            Self::XiaomiMiScaleV2 => "xiaomi_mi_scale_v2",
            Self::IsensMonth13 => "isens_month13",
            Self::Fora2037 => "fora_2037",
            Self::CaresensKetone => "caresens_ketone",
        }
    }

    /// The quirk of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|quirk| quirk.name() == name)
    }

    /// Mends a value of a device that has this quirk.
    pub fn mend(self, characteristic: u16, octets: &[u8]) -> Mended {
        let mended = match (self, characteristic) {
            (Self::BeurerBm85, 0x2A35) => beurer(octets).map(|octets| (0x2A35, octets)),
            (Self::RenphoEsWbe28, 0x2A9D) => renpho(octets).map(|octets| (0x2A9D, octets)),
            (Self::XiaomiMiScaleV2, 0x2A9C) => xiaomi(octets).map(|octets| (0x2A9D, octets)),
            (Self::IsensMonth13, 0x2A18) => month_13(octets, 5).map(|octets| (0x2A18, octets)),
            (Self::IsensMonth13, 0x2A08 | 0x2A2B) => {
                month_13(octets, 2).map(|octets| (characteristic, octets))
            }
            (Self::Fora2037, 0x2A18) if is_made_up(octets) => {
                return Mended::Refused(MADE_UP);
            }
            _ => None,
        };
        match mended {
            Some((characteristic, octets)) => Mended::As { characteristic, octets },
            None => Mended::AsSent,
        }
    }
}

/// The whole as one value; `None` if it is too long for one.
fn joined(parts: &[&[u8]]) -> Option<Encoded> {
    let mut out: Vec<u8, ENCODED_MAX> = Vec::new();
    for part in parts {
        out.extend_from_slice(part).ok()?;
    }
    Some(out)
}

/// Beurer BM: flags 0x56 (time, pulse, status, and the reserved 6), three pressures, time, pulse
/// big-endian, user, status big-endian. Worked value: `00 3f 00 00 00` is pulse 63 of user 0.
fn beurer(octets: &[u8]) -> Option<Encoded> {
    const FLAGS: u8 = 0x56;
    const USER_ID: u8 = 0x08;
    let (flags, rest) = octets.split_first()?;
    let (pressures_and_time, rest) = rest.split_first_chunk::<13>()?;
    let [pulse_high, pulse_low, user, status_high, status_low] =
        *<&[u8; 5]>::try_from(rest).ok()?;
    if *flags != FLAGS {
        return None;
    }
    let turned = [pulse_low, pulse_high, user, status_low, status_high];
    joined(&[&[FLAGS | USER_ID], pressures_and_time, &turned])
}

/// Renpho: ten times the count. Worked value: 1898 is 94.9 kg, in standard counts 18980.
fn renpho(octets: &[u8]) -> Option<Encoded> {
    const UNSUCCESSFUL: u16 = 0xFFFF;
    let (flags, rest) = octets.split_first()?;
    let (counts, rest) = rest.split_first_chunk::<2>()?;
    let counts = u16::from_le_bytes(*counts);
    // What is no weight stays none; what does not fit ten times over is none either.
    let standard = counts.checked_mul(10).unwrap_or(UNSUCCESSFUL);
    joined(&[&[*flags], &standard.to_le_bytes(), rest])
}

/// Xiaomi: unit, state, time, impedance, weight in counts of 0.005 kg, 0.01 lb or (state bit 6)
/// 0.01 catty of 500 g, which is 0.005 kg again: the standard's counts.
fn xiaomi(octets: &[u8]) -> Option<Encoded> {
    const POUNDS: u8 = 0x01;
    const CATTY: u8 = 0x40;
    const WITH_TIME: u8 = 0x02;
    let [unit, state, rest @ ..] = <&[u8; 13]>::try_from(octets).ok()?;
    let (time, rest) = rest.split_first_chunk::<7>()?;
    let (_impedance, weight) = rest.split_first_chunk::<2>()?;
    let imperial = unit & POUNDS != 0 && state & CATTY == 0;
    joined(&[&[WITH_TIME | u8::from(imperial)], weight, time])
}

/// i-SENS: month 13 for January, the year as it should be.
fn month_13(octets: &[u8], at: usize) -> Option<Encoded> {
    let mut mended = joined(&[octets])?;
    let month = mended.get_mut(at).filter(|month| **month == 13)?;
    *month = 1;
    Some(mended)
}

/// Fora: base time in 2037.
fn is_made_up(octets: &[u8]) -> bool {
    const YEAR: u16 = 2037;
    octets.get(3..5) == Some(&YEAR.to_le_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::gatt::{Context, Measurement, decode_uuid16, readings};
    use crate::observation::Value;

    extern crate std;
    use std::vec::Vec as Octets;

    fn octets(hex: &str) -> Octets<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits.map(|d| u8::from_str_radix(str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    }

    fn mended(quirk: Quirk, characteristic: u16, hex: &str) -> (u16, Octets<u8>) {
        match quirk.mend(characteristic, &octets(hex)) {
            Mended::As { characteristic, octets } => (characteristic, octets.to_vec()),
            other => panic!("{hex}: {other:?}"),
        }
    }

    fn check(quirk: Quirk, from: u16, hex: &str, expect: impl FnOnce(Measurement<'_>)) {
        let (characteristic, octets) = mended(quirk, from, hex);
        expect(decode_uuid16(characteristic, &octets, Context::default()).unwrap());
    }

    #[test]
    fn names_come_back() {
        for quirk in Quirk::ALL {
            assert_eq!(Quirk::named(quirk.name()), Some(quirk));
        }
        assert_eq!(Quirk::named("none"), None);
    }

    #[test]
    fn a_beurer_cuff_gives_its_pulse_and_its_user() {
        let hex = "566a0047000000ea07080b121f00003f000000";
        check(Quirk::BeurerBm85, 0x2A35, hex, |m| {
            let Measurement::BloodPressure(m) = m else { panic!("{m:?}") };
            assert_eq!(m.pulse_rate.unwrap().value.unwrap().mantissa, 63);
            assert_eq!(m.user_id.map(|user| user.0), Some(0));
            assert_eq!(m.measurement_status.map(|status| status.0), Some(0));
            assert!(m.additional.is_empty());
        });
        // A relative that keeps to the standard is left alone.
        let standard = octets("1e6a0047000000ea07080b121f003f00000000");
        assert_eq!(Quirk::BeurerBm85.mend(0x2A35, &standard), Mended::AsSent);
    }

    #[test]
    fn a_renpho_scale_counts_in_steps_of_fifty_grams() {
        check(Quirk::RenphoEsWbe28, 0x2A9D, "4e6a07ea0707040c1a06aa00000000", |m| {
            let reading = readings(&m).first().cloned().unwrap().unwrap();
            let Ok(Value::Mass(mass)) = reading.value else { panic!("{reading:?}") };
            assert_eq!(mass.grams(), 94_900);
        });
    }

    #[test]
    fn a_xiaomi_frame_is_a_weighing() {
        check(Quirk::XiaomiMiScaleV2, 0x2A9C, "0204e307011d1135010000ac3f", |m| {
            let time = crate::gatt::device_time(&m).unwrap();
            assert_eq!((time.year(), time.month(), time.second()), (Some(2019), Some(1), 1));
            let reading = readings(&m).first().cloned().unwrap().unwrap();
            let Ok(Value::Mass(mass)) = reading.value else { panic!("{reading:?}") };
            assert_eq!(mass.grams(), 81_500);
        });
        // Pounds: 0x3fac is 163.00 lb.
        let (_, pounds) = mended(Quirk::XiaomiMiScaleV2, 0x2A9C, "0304e307011d1135010000ac3f");
        assert_eq!(pounds.first(), Some(&3));
    }

    #[test]
    fn month_13_is_january() {
        let (_, clock) = mended(Quirk::IsensMonth13, 0x2A08, "e8070d01000000");
        assert_eq!(clock, octets("e8070101000000"));
        let (_, record) = mended(Quirk::IsensMonth13, 0x2A18, "030200e4070d0a0d310000000db011");
        assert_eq!(record, octets("030200e407010a0d310000000db011"));
        let june = octets("e8070601000000");
        assert_eq!(Quirk::IsensMonth13.mend(0x2A08, &june), Mended::AsSent);
    }

    #[test]
    fn a_result_of_2037_is_refused() {
        let record = octets("030200f507010a0d310000000db011");
        assert!(matches!(Quirk::Fora2037.mend(0x2A18, &record), Mended::Refused(_)));
        let record = octets("030200ea07010a0d310000000db011");
        assert_eq!(Quirk::Fora2037.mend(0x2A18, &record), Mended::AsSent);
    }

    #[test]
    fn no_octets_make_a_quirk_panic() {
        let all: Octets<u8> = (0..=40).map(|n: u8| n.wrapping_mul(37)).collect();
        for quirk in Quirk::ALL {
            for length in 0..all.len() {
                for characteristic in [0x2A18, 0x2A35, 0x2A9C, 0x2A9D, 0x2A08, 0x2A2B] {
                    let _ = quirk.mend(characteristic, all.get(..length).unwrap());
                }
            }
        }
    }
}
