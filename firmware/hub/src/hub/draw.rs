//! Which view stands on the screen, and drawing it.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_storage::nor_flash::MultiwriteNorFlash;
use heapless::Vec;
use hearth_shared::wire::{Choice, HubTicks, PromptId};

use super::{Hub, Passing};
use crate::prompts::Own;
use crate::screen::text::Text;
use crate::screen::words::Words;
use crate::screen::{self, Linked, Offered, Shown, View};

/// A page of a prompt stands this long.
const PAGE_MS: u64 = 3_500;
/// Level C of the alert rules.
const CRITICAL: u8 = 3;
/// Time and last reading take turns.
const HOME_MS: u64 = 5_000;

/// Everything that decides what the screen shows: where it is equal, nothing has to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Fault,
    Thanks,
    NotKept,
    Help(bool),
    Digits(u32),
    Prompt(PromptId, u32),
    First,
    Pairing,
    Home(Option<u16>, Linked),
    Reading(u32),
}

impl<F: MultiwriteNorFlash> Hub<'_, F> {
    pub(super) fn find_face(&mut self, now: HubTicks) -> Face {
        // A critical prompt stands above everything: a hub that cannot keep records still warns.
        let quiet = self.quiet(now);
        let critical = self.prompts.current(quiet).is_some_and(|held| held.level >= CRITICAL);
        if self.fault && !critical {
            return Face::Fault;
        }
        match self.passing {
            Some((Passing::Thanks, _)) => return Face::Thanks,
            Some((Passing::NotKept, _)) => return Face::NotKept,
            // Passed on is what the gateway has acknowledged, not what was sent over an open link.
            Some((Passing::Help, _)) => return Face::Help(self.outbox.kept() == 0),
            None => {}
        }
        if let Some(held) = self.prompts.current(quiet) {
            let since = held.shown.unwrap_or(now);
            let turn = now.millis_since(since).checked_div(PAGE_MS).unwrap_or(0);
            return Face::Prompt(held.id, u32::try_from(turn).unwrap_or(0));
        }
        if let (Some(_), Some((key, _))) = (self.digits_until, &self.pairing) {
            return Face::Digits(key.digits());
        }
        if self.pairing.is_none() {
            return Face::First;
        }
        if self.window_until.is_some() {
            return Face::Pairing;
        }
        let turn = now.millis_since(self.home_since).checked_div(HOME_MS).unwrap_or(0);
        if turn & 1 == 0 && self.last.is_some() {
            return Face::Reading(u32::try_from(turn).unwrap_or(0));
        }
        let linked = if self.link.connected() {
            Linked::Yes
        } else {
            match self.lost_since {
                None => Linked::Never,
                Some(at) => Linked::NotSince(self.clock.minute(at)),
            }
        };
        Face::Home(self.clock.minute(now), linked)
    }

    /// Draws what the latest `poll` decided on.
    ///
    /// # Errors
    /// What the display said.
    pub fn draw<D: DrawTarget<Color = BinaryColor>>(
        &mut self,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let words = Words::of(self.settings.language);
        let own = |text| Text {
            words: text,
            right_to_left: words.right_to_left,
            turn: words.right_to_left,
        };
        let view = match self.face {
            None => View::Starting,
            Some(Face::Fault) => View::Fault,
            Some(Face::Thanks) => View::Thanks,
            Some(Face::NotKept) => View::NotKept,
            Some(Face::Help(linked)) => View::Help { linked },
            Some(Face::Digits(number)) => View::Digits(number),
            Some(Face::First) => View::First,
            Some(Face::Pairing) => View::Pairing,
            Some(Face::Home(minute, linked)) => View::Home { minute, linked },
            Some(Face::Reading(_)) => match &self.last {
                None => View::NoReading,
                Some(last) => {
                    let turn = last.own && last.right_to_left;
                    let text = |words| Text { words, right_to_left: last.right_to_left, turn };
                    View::Reading {
                        what: text(last.what.as_str()),
                        value: text(last.value.as_str()),
                        meaning: text(last.meaning.as_str()),
                        level: last.level,
                    }
                }
            },
            Some(Face::Prompt(id, turn)) => {
                let Some(held) = self.prompts.find(id) else {
                    return screen::draw(&View::Thanks, words, target);
                };
                let mut offers: Vec<Offered<'_>, 3> = Vec::new();
                let (title, text) = match held.own {
                    Some(of) => {
                        for (choice, word) in
                            [(Choice::DONE, words.done), (Choice::HELP, words.help)]
                        {
                            // Two of three places.
                            let _ = offers.push(Offered { choice, word });
                        }
                        let title = words.quantities.get(usize::from(of.quantity));
                        (title.copied().unwrap_or(""), own(own_text(of, held.level, words)))
                    }
                    None => {
                        for (choice, word) in &held.offers {
                            // As many places as a prompt can have.
                            let _ = offers.push(Offered { choice: *choice, word });
                        }
                        let right_to_left = held.right_to_left;
                        ("", Text { words: &held.text, right_to_left, turn: false })
                    }
                };
                let shown = Shown { title, text, level: held.level, offers: &offers, turn };
                return screen::draw(&View::Prompt(shown), words, target);
            }
        };
        screen::draw(&view, words, target)
    }
}

fn own_text(own: Own, level: u8, words: &Words) -> &'static str {
    match (own.kind, level) {
        (6, _) => words.all_clear,
        (1 | 4, _) => words.again,
        (_, 3..) => words.critical,
        _ => words.urgent,
    }
}
