//! The screen: an SSD0323 OLED of 128 by 64 pixels in sixteen greys, of which two are used.

use core::convert::Infallible;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::Pixel;

use crate::pins::{Pin, Port};
use crate::spi::Spi;

const WIDTH: usize = 128;
const HEIGHT: usize = 64;

/// The picture, a bit for each pixel, and the pin that tells data from commands.
pub struct Oled {
    lit: [u8; WIDTH * HEIGHT / 8],
    data: Pin,
}

impl Oled {
    /// Switches the panel on, dark.
    pub fn new(spi: &mut Spi) -> Self {
        let oled = Self { lit: [0; WIDTH * HEIGHT / 8], data: Pin::output(Port::C, 7, false) };
        // Off; 64 lines; the panel's mapping, start line and offset; normal; on.
        for command in [
            &[0xAE][..],
            &[0xA8, 0x3F],
            &[0xA0, 0x52],
            &[0xA1, 0x00],
            &[0xA2, 0x4C],
            &[0x81, 0x60],
            &[0xA4],
            &[0xAF],
        ] {
            spi.write(command);
        }
        oled.show(spi, false);
        oled
    }

    /// Brings the picture on the panel.
    pub fn show(&self, spi: &mut Spi, dim: bool) {
        let grey: u8 = if dim { 5 } else { 15 };
        self.data.set(false);
        spi.write(&[0x15, 0, 63]);
        spi.write(&[0x75, 0, 63]);
        self.data.set(true);
        for octet in self.lit {
            for pair in 0..4 {
                let level = |bit: u8| if octet & (0x80 >> bit) != 0 { grey } else { 0 };
                spi.exchange((level(2 * pair) << 4) | level(2 * pair + 1));
            }
        }
        self.data.set(false);
    }
}

impl OriginDimensions for Oled {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl DrawTarget for Oled {
    type Color = BinaryColor;
    type Error = Infallible;
    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) else { continue };
            if x < WIDTH && y < HEIGHT {
                let place = &mut self.lit[(y * WIDTH + x) / 8];
                let bit = 0x80 >> (x % 8);
                *place = if color.is_on() { *place | bit } else { *place & !bit };
            }
        }
        Ok(())
    }
}
