//! Signs beside buttons and values, twelve pixels square: each has its own shape, so that nothing hangs on
//! colour or brightness.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::primitives::Rectangle;
use hearth_shared::wire::Choice;

/// Side of a sign.
pub const SIDE: i32 = 12;

/// A picture: a row each, the leftmost pixel in bit 11.
pub type Sign = [u16; 12];

/// Done: a tick.
pub const TICK: Sign = [
    0b000000000000,
    0b000000000011,
    0b000000000111,
    0b000000001110,
    0b000000011100,
    0b110000111000,
    0b111001110000,
    0b011111100000,
    0b001111000000,
    0b000110000000,
    0b000000000000,
    0b000000000000,
];
/// Later: a clock.
pub const CLOCK: Sign = [
    0b000111111000,
    0b011100001110,
    0b011001000110,
    0b110001000011,
    0b110001000011,
    0b110001000011,
    0b110001111011,
    0b110000000011,
    0b110000000011,
    0b011000000110,
    0b011100001110,
    0b000111111000,
];
/// Help: a telephone receiver.
pub const PHONE: Sign = [
    0b011000000000,
    0b111100000000,
    0b111110000000,
    0b111100000000,
    0b011000000000,
    0b011100000000,
    0b001110000000,
    0b000111001100,
    0b000011111110,
    0b000001111111,
    0b000000111110,
    0b000000011100,
];
/// As expected: a smile.
pub const SMILE: Sign = [
    0b000111111000,
    0b011000000110,
    0b010000000010,
    0b100100001001,
    0b100100001001,
    0b100000000001,
    0b100000000001,
    0b101000000101,
    0b100110011001,
    0b010001100010,
    0b011000000110,
    0b000111111000,
];
/// Look: a ring with a point in it.
pub const LOOK: Sign = [
    0b000111111000,
    0b011100001110,
    0b011000000110,
    0b110000000011,
    0b110001100011,
    0b110011110011,
    0b110011110011,
    0b110001100011,
    0b110000000011,
    0b011000000110,
    0b011100001110,
    0b000111111000,
];
/// Danger: a filled triangle with an exclamation mark.
pub const DANGER: Sign = [
    0b000001100000,
    0b000011110000,
    0b000011110000,
    0b000110011000,
    0b000110011000,
    0b001110011100,
    0b001110011100,
    0b011110011110,
    0b011111111110,
    0b111110011111,
    0b111110011111,
    0b111111111111,
];
/// Connected: two links of a chain.
pub const LINKED: Sign = [
    0b000000000000,
    0b000000000000,
    0b000000000000,
    0b011110011110,
    0b110011110011,
    0b100001100001,
    0b100111111001,
    0b110011110011,
    0b011110011110,
    0b000000000000,
    0b000000000000,
    0b000000000000,
];
/// Not connected: a cross.
pub const BROKEN: Sign = [
    0b110000000011,
    0b111000000111,
    0b011100001110,
    0b001110011100,
    0b000111111000,
    0b000011110000,
    0b000011110000,
    0b000111111000,
    0b001110011100,
    0b011100001110,
    0b111000000111,
    0b110000000011,
];
const ONE: Sign = [
    0b000001100000,
    0b000011100000,
    0b000111100000,
    0b001101100000,
    0b000001100000,
    0b000001100000,
    0b000001100000,
    0b000001100000,
    0b000001100000,
    0b000001100000,
    0b001111111100,
    0b001111111100,
];
const TWO: Sign = [
    0b000111110000,
    0b001111111000,
    0b011000001100,
    0b000000001100,
    0b000000011000,
    0b000000110000,
    0b000001100000,
    0b000011000000,
    0b000110000000,
    0b001100000000,
    0b011111111100,
    0b011111111100,
];
const THREE: Sign = [
    0b000111110000,
    0b001111111000,
    0b011000001100,
    0b000000001100,
    0b000000011000,
    0b000011110000,
    0b000011110000,
    0b000000011000,
    0b000000001100,
    0b011000001100,
    0b001111111000,
    0b000111110000,
];

/// The sign of an answer beside button `place` (0 to 2).
pub const fn of_choice(choice: Choice, place: usize) -> &'static Sign {
    match choice {
        Choice::DONE => &TICK,
        Choice::LATER => &CLOCK,
        Choice::HELP => &PHONE,
        _ => match place {
            0 => &ONE,
            1 => &TWO,
            _ => &THREE,
        },
    }
}

/// The sign of a level: as expected, advisory and urgent, critical.
pub const fn of_level(level: u8) -> &'static Sign {
    match level {
        0 => &SMILE,
        1 | 2 => &LOOK,
        _ => &DANGER,
    }
}

/// Draws a sign.
///
/// # Errors
/// What the display said.
pub fn draw<D: DrawTarget<Color = BinaryColor>>(
    sign: &Sign,
    at: Point,
    target: &mut D,
) -> Result<(), D::Error> {
    let colors = sign.iter().flat_map(|row| {
        (0..12_u32)
            .rev()
            .map(move |bit| BinaryColor::from(row.checked_shr(bit).unwrap_or(0) & 1 == 1))
    });
    target.fill_contiguous(&Rectangle::new(at, Size::new(12, 12)), colors)
}
