//! Figures against named peers, in one run, contenders taking turns.
//!
//! Nothing here asserts a time: it prints what was measured and the ratios. Peers that cannot run here are named as such.

mod gateway;
mod peers;
mod store;

pub use gateway::{Daemon, MosquittoPeer, backlog, latency, sustained};
pub use peers::{Python, decoding, trend};
pub use store::commits;

use crate::devices::{DeviceTime, GlucoseMeter};

/// Median of some figures; NaN of none.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One line of the report: name, median and all rounds.
pub fn row(name: &str, unit: &str, figures: &[f64]) {
    let all: Vec<String> = figures.iter().map(|figure| format!("{figure:.0}")).collect();
    println!("  {name:<44} {:>10.0} {unit:<12} rounds: {}", median(figures), all.join(" "));
}

/// A ratio of two medians.
pub fn ratio(name: &str, ours: &[f64], theirs: &[f64]) {
    println!("  {name:<44} {:>10.2}", median(ours) / median(theirs));
}

/// Devices of a bench: one address, one meter, one patient each.
pub const DEVICES: usize = 10;

/// Address of bench device `index`.
#[must_use]
pub fn address(index: usize) -> String {
    format!("C2:00:00:00:01:{index:02X}")
}

/// The moment at which a bench's readings begin: 2026-03-02T08:00:00Z, in milliseconds.
pub const START_MS: i64 = 1_772_438_400_000;

/// `count` glucose values for [`DEVICES`] devices in turn, three seconds apart per device, about one in a hundred below
/// 54 mg/dL.
#[must_use]
pub fn values(count: usize) -> Vec<(usize, Vec<u8>)> {
    let mut meters = vec![GlucoseMeter::new(0); DEVICES];
    let start = jiff::civil::date(2026, 3, 2).at(8, 0, 0, 0);
    (0..count)
        .map(|number| {
            let device = number % DEVICES;
            let seconds = i64::try_from(number / DEVICES).unwrap_or(0) * 3;
            let time = start.saturating_add(jiff::Span::new().seconds(seconds));
            let spread = u16::try_from(number.wrapping_mul(7919) % 41).unwrap_or(0);
            let value = if number % 97 == 96 { 50 } else { 95 + spread };
            let sent = meters[device].measure(DeviceTime::new(time), value, None);
            (device, sent.into_iter().next().map(|sent| sent.octets).unwrap_or_default())
        })
        .collect()
}

/// The household file of a bench.
#[must_use]
pub fn household() -> String {
    (0..DEVICES)
        .map(|index| {
            format!(
                "[[patient]]\nid = \"p-{index}\"\nzone = \"UTC\"\nlanguage = \"en\"\nprompts = true\n\
                 start = \"2026-03-01\"\n[[device]]\nid = \"d-{index}\"\nkind = \"glucose_meter\"\n\
                 address = \"{}\"\n[[device.owner]]\npatient = \"p-{index}\"\nfrom = \"2026-03-01\"\n",
                address(index)
            )
        })
        .collect()
}
