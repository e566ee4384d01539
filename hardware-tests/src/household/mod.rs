//! Three people, five devices, ten weeks. The days are drawn from a seed; what happens on them does not
//! depend on the wall clock, so the story is the same every time.

mod courses;
mod narrator;
mod radio;

pub use courses::{Happening, What, happenings};
pub use narrator::{Narrator, Seen};
pub use radio::{Radio, RadioError};

/// A person of the demo's household. The gateway only knows the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The patient id on the gateway.
    pub id: &'static str,
    /// What the story calls her or him.
    pub name: &'static str,
}

/// Her glucose does not improve.
pub const ROSA: Person = Person { id: "p-1", name: "Rosa" };
/// His glucose improves.
pub const KARIM: Person = Person { id: "p-2", name: "Karim" };
/// Measures blood pressure for three weeks, then falls silent.
pub const EDITH: Person = Person { id: "p-3", name: "Edith" };

/// All of them.
pub const PEOPLE: [Person; 3] = [ROSA, KARIM, EDITH];

/// Bluetooth addresses of the simulated devices (locally administered).
pub mod address {
    /// Rosa's glucose meter.
    pub const METER_ROSA: &str = "C2:00:00:00:00:01";
    /// Karim's glucose meter.
    pub const METER_KARIM: &str = "C2:00:00:00:00:02";
    /// The cuff, Edith's alone.
    pub const CUFF: &str = "C2:00:00:00:00:03";
    /// The scale: slot 1 Karim, slot 2 Edith.
    pub const SCALE: &str = "C2:00:00:00:00:04";
}
