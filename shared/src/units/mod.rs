//! One newtype per quantity; the only place where units are converted.
//!
//! The stored integers are so fine that every value a device can display comes back unchanged;
//! the rules' coarser steps derive from them (`clinical-rules` A9). Rounding happens once, half
//! away from zero, in `decimal`'s one function.

mod decimal;
mod display_unit;
mod glucose;
mod mass;
mod pressure;
mod rate;
mod saturation;
mod temperature;

pub use decimal::Decimal;
pub use display_unit::DisplayUnit;
pub use glucose::Glucose;
pub use mass::Mass;
pub use pressure::Pressure;
pub use rate::Rate;
pub use saturation::Saturation;
pub use temperature::Temperature;

/// A checked narrowing of an intermediate result into a stored integer.
fn narrow<T: TryFrom<i64>>(value: Option<i64>) -> Option<T> {
    T::try_from(value?).ok()
}

/// A rounded quotient of two products of stored integers and constants; it always fits an `i32`
/// for the ranges of this module and saturates otherwise.
fn to_i32(value: i128) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}
