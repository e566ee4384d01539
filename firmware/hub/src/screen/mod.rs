//! What the person sees: 128 by 64 pixels of one colour, large letters, few words.
//!
//! Each view is drawn whole from what it is given; nothing here remembers anything.

// Pixels: small numbers within a screen, far from any limit.
#![allow(clippy::arithmetic_side_effects)]

pub mod sign;

pub mod text;

pub mod words;

use core::fmt::Write;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::primitives::Rectangle;
use hearth_shared::wire::Choice;
use text::{Area, LINE, Text};
use words::Words;

/// Pixels from left to right.
pub const WIDTH: i32 = 128;
/// Pixels from top to bottom.
pub const HEIGHT: i32 = 64;

/// Width of a prompt's text: the signs of the answers stand beside the buttons at the right.
pub const PROMPT_WIDTH: i32 = WIDTH - sign::SIDE - 4;

/// Lines of a page.
pub const ROWS: usize = 4;

/// How the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// A gateway answers.
    Yes,
    /// None has answered since the start.
    Never,
    /// None answers since this minute of the local day, where it is known.
    NotSince(Option<u16>),
}

/// An answer that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered<'a> {
    /// What it means: its sign.
    pub choice: Choice,
    /// What it says.
    pub word: &'a str,
}

/// A prompt as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What precedes the text on lines of its own words: the name of a quantity, or nothing.
    pub title: &'a str,
    /// The text.
    pub text: Text<'a>,
    /// 0 ordinary to 3 critical.
    pub level: u8,
    /// One for each button.
    pub offers: &'a [Offered<'a>],
    /// Counts up; pages come in turn.
    pub turn: u32,
}

/// What is on the screen.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// The program starts.
    Starting,
    /// Never paired.
    First,
    /// The pairing window is open.
    Pairing,
    /// The number to compare.
    Digits(u32),
    /// Time and link.
    Home {
        /// Minute of the local day, if the time is known.
        minute: Option<u16>,
        /// The link.
        linked: Linked,
    },
    /// The last reading.
    Reading {
        /// What was measured.
        what: Text<'a>,
        /// The value with its unit.
        value: Text<'a>,
        /// What it means.
        meaning: Text<'a>,
        /// 0 as expected to 3 critical.
        level: u8,
    },
    /// No reading yet.
    NoReading,
    /// Something is asked of the person.
    Prompt(Shown<'a>),
    /// A press was kept.
    Thanks,
    /// A press could not be kept.
    NotKept,
    /// A call for help was kept.
    Help {
        /// A gateway is there to hear it.
        linked: bool,
    },
    /// An update is under way, this far in per mille.
    Update(u16),
    /// The flash does not answer.
    Fault,
}

const FULL: Area = Area { x: 0, y: 0, width: WIDTH, lines: ROWS };

/// Pages of a prompt: its text, then its answers in words.
pub fn pages(title: &str, words: &str, offers: usize) -> u32 {
    let rows = text::lines(title, PROMPT_WIDTH) + text::lines(words, PROMPT_WIDTH);
    let pages = rows.div_ceil(ROWS).max(1) + usize::from(offers > 0);
    u32::try_from(pages).unwrap_or(u32::MAX)
}

/// A minute of the day as people write it.
pub fn clock_face(minute: Option<u16>) -> heapless::String<8> {
    let mut face = heapless::String::new();
    // Five characters always fit eight.
    let _ = match minute {
        Some(minute) => write!(face, "{:02}:{:02}", minute / 60 % 24, minute % 60),
        None => face.write_str("--:--"),
    };
    face
}

/// Draws a view on a cleared target.
///
/// # Errors
/// What the display said.
pub fn draw<D: DrawTarget<Color = BinaryColor>>(
    view: &View<'_>,
    words: &Words,
    target: &mut D,
) -> Result<(), D::Error> {
    target.clear(BinaryColor::Off)?;
    let own =
        |text| Text { words: text, right_to_left: words.right_to_left, turn: words.right_to_left };
    match view {
        View::Starting => text::draw_centred(own(words.starting), FULL, target),
        View::First => text::draw_centred(own(words.first), FULL, target),
        View::Pairing => text::draw_centred(own(words.pairing), FULL, target),
        View::Digits(number) => {
            let mut digits = heapless::String::<8>::new();
            let _ = write!(digits, "{:03} {:03}", number / 1000 % 1000, number % 1000);
            text::draw_centred(own(words.compare), Area { lines: 1, ..FULL }, target)?;
            text::draw_digits(&digits, None, 58, target)
        }
        View::Home { minute, linked } => home(*minute, *linked, words, target),
        View::Reading { what, value, meaning, level } => {
            let row = |y| Area { x: 0, y, width: WIDTH, lines: 1 };
            let width = WIDTH - sign::SIDE - 4;
            let rows = text::lines(meaning.words, width).clamp(1, 2);
            let y = HEIGHT - LINE * i32::try_from(rows).unwrap_or(1);
            text::draw(*what, row(0), 0, target)?;
            text::draw_centred(*value, row(if rows == 2 { 16 } else { 24 }), target)?;
            sign::draw(sign::of_level(*level), Point::new(sign_x(meaning), y), target)?;
            let x = if meaning.right_to_left { 0 } else { sign::SIDE + 4 };
            text::draw(*meaning, Area { x, y, width, lines: 2 }, 0, target)
        }
        View::NoReading => text::draw_centred(own(words.no_reading), FULL, target),
        View::Prompt(shown) => prompt(shown, words, target),
        View::Thanks => {
            sign::draw(&sign::SMILE, Point::new((WIDTH - sign::SIDE) / 2, 8), target)?;
            text::draw_centred(own(words.thanks), Area { y: 28, lines: 1, ..FULL }, target)
        }
        View::NotKept => text::draw_centred(own(words.not_kept), FULL, target),
        View::Help { linked } => {
            let said = if *linked { words.help_sent } else { words.help_kept };
            text::draw_centred(own(said), FULL, target)
        }
        View::Update(permille) => {
            text::draw_centred(own(words.update), Area { lines: 3, ..FULL }, target)?;
            bar(*permille, target)
        }
        View::Fault => text::draw_centred(own(words.fault), FULL, target),
    }
}

/// A sign stands where reading begins.
fn sign_x(text: &Text<'_>) -> i32 {
    if text.right_to_left { WIDTH - sign::SIDE } else { 0 }
}

fn home<D: DrawTarget<Color = BinaryColor>>(
    minute: Option<u16>,
    linked: Linked,
    words: &Words,
    target: &mut D,
) -> Result<(), D::Error> {
    text::draw_digits(&clock_face(minute), None, 29, target)?;
    let (sign, said, since) = match linked {
        Linked::Yes => (&sign::LINKED, words.connected, None),
        Linked::Never | Linked::NotSince(None) => (&sign::BROKEN, words.never_linked, None),
        Linked::NotSince(Some(minute)) => (&sign::BROKEN, words.no_link, Some(minute)),
    };
    let mut line = heapless::String::<64>::new();
    let _ = line.push_str(said);
    if since.is_some() {
        let _ = write!(line, " {}", clock_face(since));
    }
    let said = Text { words: &line, right_to_left: words.right_to_left, turn: words.right_to_left };
    // Where word and time do not fit one line they take two, and the sign goes up.
    let width = WIDTH - sign::SIDE - 4;
    let rows = text::lines(&line, width).min(2);
    let y = HEIGHT - LINE * i32::try_from(rows).unwrap_or(1);
    sign::draw(sign, Point::new(sign_x(&said), y), target)?;
    let x = if said.right_to_left { 0 } else { sign::SIDE + 4 };
    text::draw(said, Area { x, y, width, lines: 2 }, 0, target)
}

fn prompt<D: DrawTarget<Color = BinaryColor>>(
    shown: &Shown<'_>,
    words: &Words,
    target: &mut D,
) -> Result<(), D::Error> {
    let (title, text) = (shown.title, shown.text);
    let pages = pages(title, text.words, shown.offers.len());
    let page = shown.turn % pages.max(1);
    let last = !shown.offers.is_empty() && page + 1 == pages;
    let buttons = |place: usize| i32::try_from(place).unwrap_or(0) * 24;
    for (place, offer) in shown.offers.iter().enumerate().take(3) {
        let at = Point::new(WIDTH - sign::SIDE, buttons(place) + 2);
        sign::draw(sign::of_choice(offer.choice, place), at, target)?;
        if last {
            let word = Text { words: offer.word, ..text };
            let area = Area { x: 0, y: buttons(place), width: PROMPT_WIDTH, lines: 1 };
            // The words stand at the button, whichever way they run.
            let wide = text::widest(offer.word, PROMPT_WIDTH);
            let area = Area { x: area.width - wide, width: wide, ..area };
            text::draw(word, area, 0, target)?;
        }
    }
    if last {
        return Ok(());
    }
    let head = text::lines(title, PROMPT_WIDTH);
    let skip = usize::try_from(page).unwrap_or(0) * ROWS;
    let area = Area { x: 0, y: 0, width: PROMPT_WIDTH, lines: ROWS };
    if skip < head {
        let own =
            Text { words: title, right_to_left: words.right_to_left, turn: words.right_to_left };
        text::draw(own, area, skip, target)?;
        let down = i32::try_from(head - skip).unwrap_or(0) * LINE;
        let lines = ROWS.saturating_sub(head - skip);
        text::draw(text, Area { y: down, lines, ..area }, 0, target)
    } else {
        text::draw(text, area, skip - head, target)
    }
}

fn bar<D: DrawTarget<Color = BinaryColor>>(permille: u16, target: &mut D) -> Result<(), D::Error> {
    let frame = Rectangle::new(Point::new(4, 52), Size::new(120, 10));
    target.fill_solid(&frame, BinaryColor::On)?;
    let inside = Rectangle::new(Point::new(6, 54), Size::new(116, 6));
    target.fill_solid(&inside, BinaryColor::Off)?;
    let done = u32::from(permille.min(1000)) * 112 / 1000;
    let filled = Rectangle::new(Point::new(8, 55), Size::new(done, 4));
    target.fill_solid(&filled, BinaryColor::On)
}
