//! A hub's screen: as the library draws it, as the emulator shows it, and as a file.

use std::convert::Infallible;
use std::fmt::Write as _;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::Pixel;

/// Pixels from left to right.
pub const WIDTH: usize = 128;
/// Pixels from top to bottom.
pub const HEIGHT: usize = 64;

/// What is lit.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture(Vec<bool>);

impl Default for Picture {
    fn default() -> Self {
        Self(vec![false; WIDTH * HEIGHT])
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Picture {
    /// From rows of pixels; `None` for another size.
    pub fn from_pixels(lit: Vec<bool>) -> Option<Self> {
        (lit.len() == WIDTH * HEIGHT).then_some(Self(lit))
    }

    /// Rows of `#` and `.`, as golden files hold them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for row in self.0.chunks(WIDTH) {
            text.extend(row.iter().map(|lit| if *lit { '#' } else { '.' }));
            text.push('\n');
        }
        text
    }

    /// A PGM file, three times the size, to be looked at.
    pub fn pgm(&self) -> Vec<u8> {
        const SCALE: usize = 3;
        let mut head = String::new();
        // Writing into a string does not fail.
        let _ = write!(head, "P5\n{} {}\n255\n", WIDTH * SCALE, HEIGHT * SCALE);
        let mut file = head.into_bytes();
        for row in self.0.chunks(WIDTH) {
            for _ in 0..SCALE {
                for lit in row {
                    file.extend([if *lit { 255 } else { 0 }; SCALE]);
                }
            }
        }
        file
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(128, 64)
    }
}

impl DrawTarget for Picture {
    type Color = BinaryColor;
    type Error = Infallible;
    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) else { continue };
            if x < WIDTH && y < HEIGHT {
                self.0[y * WIDTH + x] = color.is_on();
            }
        }
        Ok(())
    }
}
