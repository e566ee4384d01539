//! One newtype per quantity; the only place where units are converted.

mod glucose;
mod mass;
mod pressure;
mod rate;
mod saturation;
mod temperature;

pub use glucose::Glucose;
pub use mass::Mass;
pub use pressure::Pressure;
pub use rate::Rate;
pub use saturation::Saturation;
pub use temperature::Temperature;
