//! A screen in memory, and PNG files of it.

use std::convert::Infallible;
use std::path::PathBuf;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::Pixel;

pub(crate) const WIDTH: usize = 128;
pub(crate) const HEIGHT: usize = 64;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) lit: Vec<bool>,
    /// Pixels that were drawn beyond an edge.
    pub(crate) outside: usize,
}

impl Picture {
    pub(crate) fn new() -> Self {
        Self { lit: vec![false; WIDTH * HEIGHT], outside: 0 }
    }
    pub(crate) fn count(&self) -> usize {
        self.lit.iter().filter(|lit| **lit).count()
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
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
            if (0..WIDTH as i32).contains(&at.x) && (0..HEIGHT as i32).contains(&at.y) {
                self.lit[at.y as usize * WIDTH + at.x as usize] = color.is_on();
            } else if color.is_on() {
                println!("beyond the edge: {at}");
                self.outside += 1;
            }
        }
        Ok(())
    }
}

fn chunk(name: &[u8; 4], data: &[u8], file: &mut Vec<u8>) {
    file.extend((data.len() as u32).to_be_bytes());
    let body = [name, data].concat();
    file.extend(&body);
    file.extend(hearth_shared::wire::frame::checksum(&body).to_be_bytes());
}

/// Grey octets as a PNG file; its data is stored without compression.
fn png(width: usize, grey: &[u8]) -> Vec<u8> {
    let height = grey.len() / width;
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = [(width as u32).to_be_bytes(), (height as u32).to_be_bytes()].concat();
    chunk(b"IHDR", &[size.as_slice(), &[8, 0, 0, 0, 0]].concat(), &mut file);
    let raw: Vec<u8> = grey.chunks(width).flat_map(|row| [&[0], row].concat()).collect();
    let mut data = vec![0x78, 1];
    let blocks = raw.chunks(65_535);
    let last = blocks.len() - 1;
    for (i, block) in blocks.enumerate() {
        data.push(u8::from(i == last));
        data.extend((block.len() as u16).to_le_bytes());
        data.extend((!(block.len() as u16)).to_le_bytes());
        data.extend(block);
    }
    let (a, b) = raw.iter().fold((1_u32, 0_u32), |(a, b), octet| {
        let a = (a + u32::from(*octet)) % 65_521;
        (a, (b + a) % 65_521)
    });
    data.extend(((b << 16) | a).to_be_bytes());
    chunk(b"IDAT", &data, &mut file);
    chunk(b"IEND", &[], &mut file);
    file
}

/// Where pictures are put to be looked at.
pub(crate) fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screens");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Pictures side by side, each twice its size, in rows of `across`.
pub(crate) fn sheet(pictures: &[Picture], across: usize, name: &str) {
    const SCALE: usize = 2;
    let (cell_w, cell_h) = (WIDTH * SCALE + 8, HEIGHT * SCALE + 8);
    let rows = pictures.len().div_ceil(across);
    let width = cell_w * across;
    let mut grey = vec![96_u8; width * cell_h * rows];
    for (i, picture) in pictures.iter().enumerate() {
        let (left, top) = (i % across * cell_w + 4, i / across * cell_h + 4);
        for y in 0..HEIGHT * SCALE {
            for x in 0..WIDTH * SCALE {
                let lit = picture.lit[y / SCALE * WIDTH + x / SCALE];
                grey[(top + y) * width + left + x] = if lit { 255 } else { 0 };
            }
        }
    }
    std::fs::write(folder().join(name), png(width, &grey)).unwrap();
}
