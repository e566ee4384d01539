//! Words on the screen: broken into lines between words, placed from the side from which they are read.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::BinaryColor;
use u8g2_fonts::FontRenderer;
use u8g2_fonts::fonts::{
    u8g2_font_helvB12_tf, u8g2_font_logisoso28_tn, u8g2_font_unifont_t_hebrew,
};
use u8g2_fonts::types::{FontColor, VerticalPosition};

const LATIN: FontRenderer =
    FontRenderer::new::<u8g2_font_helvB12_tf>().with_ignore_unknown_chars(true);
const HEBREW: FontRenderer =
    FontRenderer::new::<u8g2_font_unifont_t_hebrew>().with_ignore_unknown_chars(true);
const DIGITS: FontRenderer =
    FontRenderer::new::<u8g2_font_logisoso28_tn>().with_ignore_unknown_chars(true);

/// Height of a line, pixels: four lines fill the screen.
pub const LINE: i32 = 16;

/// Pixels between words.
const SPACE: i32 = 5;

/// Longest word in characters that is turned round or broken.
const WORD_MAX: usize = 32;

/// A text, and how its words run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// Words in reading order, one space between them; U+00A0 keeps words on one line.
    pub words: &'a str,
    /// They run from right to left.
    pub right_to_left: bool,
    /// The characters of each word stand in reading order and have to be turned round: the hub's own words.
    /// A gateway sends them turned.
    pub turn: bool,
}

impl<'a> Text<'a> {
    /// Of a language that is read from left to right.
    pub const fn left(words: &'a str) -> Self {
        Self { words, right_to_left: false, turn: false }
    }
}

/// Where text may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Pixels from the left edge.
    pub width: i32,
    /// Lines of [`LINE`] pixels.
    pub lines: usize,
}

fn renderer(piece: &str) -> &'static FontRenderer {
    let hebrew = piece.chars().any(|c| ('\u{590}'..='\u{5FF}').contains(&c));
    if hebrew { &HEBREW } else { &LATIN }
}

fn width(renderer: &FontRenderer, piece: &str) -> i32 {
    renderer
        .get_rendered_dimensions(piece, Point::zero(), VerticalPosition::Baseline)
        .map_or(0, |found| found.advance.x)
}

/// Pixels that a piece takes; pieces joined by U+00A0 are measured with the gaps between them.
fn measure(piece: &str) -> i32 {
    let mut total = 0;
    for (i, part) in piece.split('\u{A0}').enumerate() {
        total += width(renderer(part), part) + if i > 0 { SPACE } else { 0 };
    }
    total
}

/// One line: its words, and what is left of the text behind it.
fn take_line(text: &str, width: i32) -> (&str, &str) {
    let text = text.trim_start_matches(' ');
    let (mut used, mut end) = (0, 0);
    for word in text.split(' ') {
        let needed = measure(word) + if end > 0 { SPACE } else { 0 };
        if used + needed > width {
            break;
        }
        used += needed;
        end += word.len() + usize::from(end > 0);
    }
    if end == 0 {
        // A word that is wider than the line is broken where it must be.
        for (at, character) in text.char_indices() {
            let next = at + character.len_utf8();
            if measure(text.get(..next).unwrap_or(text)) > width && at > 0 {
                break;
            }
            end = next;
        }
    }
    (text.get(..end).unwrap_or(text), text.get(end..).unwrap_or(""))
}

/// How many lines a text takes in this width.
pub fn lines(text: &str, width: i32) -> usize {
    let mut rest = text.trim();
    let mut count = 0;
    // Each turn takes a character at least.
    while !rest.is_empty() && count < 64 {
        (_, rest) = take_line(rest, width);
        rest = rest.trim_start_matches(' ');
        count += 1;
    }
    count
}

/// The widest line of a text in this width, pixels; for tests of what fits.
pub fn widest(text: &str, width: i32) -> i32 {
    let mut rest = text.trim();
    let mut widest = 0;
    while !rest.is_empty() {
        let (line, behind) = take_line(rest, width);
        let words = line.split(' ').map(measure);
        widest = widest.max(words.fold(-SPACE, |sum, word| sum + SPACE + word));
        rest = behind.trim_start_matches(' ');
    }
    widest
}

fn place<D: DrawTarget<Color = BinaryColor>>(
    renderer: &FontRenderer,
    piece: &str,
    at: Point,
    target: &mut D,
) -> Result<(), D::Error> {
    use u8g2_fonts::Error;
    let color = FontColor::Transparent(BinaryColor::On);
    match renderer.render(piece, at, VerticalPosition::Baseline, color, target) {
        Err(Error::DisplayError(fault)) => Err(fault),
        // A character that the font lacks leaves a gap; the rest is drawn.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn draw_word<D: DrawTarget<Color = BinaryColor>>(
    word: &str,
    turn: bool,
    at: Point,
    target: &mut D,
) -> Result<(), D::Error> {
    let mut x = at.x;
    for part in word.split('\u{A0}') {
        let renderer = renderer(part);
        let mut turned = heapless::String::<{ WORD_MAX * 4 }>::new();
        let hebrew = part.chars().any(|c| ('\u{590}'..='\u{5FF}').contains(&c));
        let shown = if turn && hebrew {
            for character in part.chars().rev() {
                // A word beyond the limit is cut rather than lost.
                let _ = turned.push(character);
            }
            turned.as_str()
        } else {
            part
        };
        place(renderer, shown, Point::new(x, at.y), target)?;
        x += width(renderer, part) + SPACE;
    }
    Ok(())
}

/// Draws the lines of `text` from line `skip` on, as many as the area has.
///
/// # Errors
/// What the display said.
pub fn draw<D: DrawTarget<Color = BinaryColor>>(
    text: Text<'_>,
    area: Area,
    skip: usize,
    target: &mut D,
) -> Result<(), D::Error> {
    let mut rest = text.words.trim();
    let mut row = 0;
    while !rest.is_empty() && row < skip + area.lines {
        let (line, behind) = take_line(rest, area.width);
        rest = behind.trim_start_matches(' ');
        if row >= skip {
            let down = i32::try_from(row - skip).unwrap_or(0) * LINE;
            // The base line leaves four pixels to descenders; an accent takes thirteen above it, which
            // only the uppermost line of the screen has not.
            let y = (area.y + down + 12).max(13);
            let mut x = if text.right_to_left { area.x + area.width } else { area.x };
            for word in line.split(' ') {
                let wide = measure(word);
                if text.right_to_left {
                    x -= wide;
                }
                draw_word(word, text.turn, Point::new(x, y), target)?;
                x += if text.right_to_left { -SPACE } else { wide + SPACE };
            }
        }
        row += 1;
    }
    Ok(())
}

/// Draws one line in the middle of the area.
///
/// # Errors
/// What the display said.
pub fn draw_centred<D: DrawTarget<Color = BinaryColor>>(
    text: Text<'_>,
    area: Area,
    target: &mut D,
) -> Result<(), D::Error> {
    let rows = i32::try_from(lines(text.words, area.width)).unwrap_or(0);
    let room = i32::try_from(area.lines).unwrap_or(0);
    let down = ((room - rows) * LINE / 2).max(0);
    let wide = widest(text.words, area.width);
    let inset = if rows == 1 { (area.width - wide) / 2 } else { 0 };
    let inside =
        Area { x: area.x + inset, y: area.y + down, width: area.width - 2 * inset, ..area };
    draw(text, inside, 0, target)
}

/// Draws large digits with their left edge at `x` and their foot at `y`; in the middle of the screen
/// without an `x`.
///
/// # Errors
/// What the display said.
pub fn draw_digits<D: DrawTarget<Color = BinaryColor>>(
    digits: &str,
    x: Option<i32>,
    y: i32,
    target: &mut D,
) -> Result<(), D::Error> {
    let x = x.unwrap_or_else(|| (super::WIDTH - width(&DIGITS, digits)) / 2);
    place(&DIGITS, digits, Point::new(x, y), target)
}
