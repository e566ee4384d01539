//! What is asked of the person: a few prompts, one on the screen, each answered at most once.

use heapless::{Deque, String, Vec};
use hearth_shared::wire::{
    ANSWER_WORD_MAX, ANSWERS_MAX, Choice, HubTicks, PROMPT_TEXT_MAX, Prompt, PromptId, PromptState,
};

/// Prompts that can wait. The gateway sends those that find no room again.
pub const PROMPTS_MAX: usize = 4;

/// Answers that are remembered against a prompt that comes again. Only what the gateway has not
/// acknowledged has to be: it sends no prompt whose answer it has.
pub const ANSWERED_MAX: usize = 32;

/// From this level on a prompt is shown in quiet hours, too.
pub const CRITICAL: u8 = 3;

/// A prompt that waits or is shown.
#[derive(Clone, Debug)]
pub struct Held {
    /// Which.
    pub id: PromptId,
    /// 0 ordinary to 3 critical.
    pub level: u8,
    /// Words run from right to left.
    pub right_to_left: bool,
    /// It is one of the hub's own: its words are turned when drawn, and quantity stands above.
    pub own: Option<Own>,
    /// The text; empty for one of the hub's own.
    pub text: String<PROMPT_TEXT_MAX>,
    /// Answers, one for each button; empty for one of the hub's own.
    pub offers: Vec<(Choice, String<ANSWER_WORD_MAX>), ANSWERS_MAX>,
    /// It is taken off then.
    pub expires: HubTicks,
    /// When it came on the screen.
    pub shown: Option<HubTicks>,
}

/// A prompt of the hub itself: what its rules said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Place of the quantity in `alerts::Quantity::ALL`.
    pub quantity: u8,
    /// 0 alert, 1 measure again, 6 all clear, as in `HubAlert`.
    pub kind: u8,
}

impl Held {
    /// The choice beside a button.
    pub fn choice(&self, button: usize) -> Option<Choice> {
        if self.own.is_some() {
            return match button {
                0 => Some(Choice::DONE),
                1 => Some(Choice::HELP),
                _ => None,
            };
        }
        self.offers.get(button).map(|offer| offer.0)
    }
}

/// All prompts.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    held: Vec<Held, PROMPTS_MAX>,
    answered: Deque<PromptId, ANSWERED_MAX>,
}

impl Prompts {
    /// Nothing asked.
    pub const fn new() -> Self {
        Self { held: Vec::new(), answered: Deque::new() }
    }

    /// Takes a prompt of the gateway; the answer is a [`PromptState`] number.
    pub fn offer(&mut self, prompt: &Prompt<'_>, now: HubTicks) -> u8 {
        let lasts = u64::from(prompt.expires_in_s).saturating_mul(1000);
        let mut offers = Vec::new();
        for offer in &prompt.answers {
            let Ok(word) = String::try_from(offer.word) else { return PromptState::MALFORMED };
            // As many places as a prompt can have.
            let _ = offers.push((offer.choice, word));
        }
        let Ok(text) = String::try_from(prompt.text) else { return PromptState::MALFORMED };
        self.hold(Held {
            id: prompt.id,
            level: prompt.level,
            right_to_left: prompt.right_to_left,
            own: None,
            text,
            offers,
            expires: now.plus_millis(lasts),
            shown: None,
        })
    }

    /// Takes a prompt; the answer is a [`PromptState`] number.
    pub fn hold(&mut self, prompt: Held) -> u8 {
        if self.has_answered(prompt.id) {
            return PromptState::ANSWERED;
        }
        if let Some(known) = self.held.iter_mut().find(|known| known.id == prompt.id) {
            // The same one again: only its end may have moved.
            known.expires = prompt.expires;
            return if known.shown.is_some() { PromptState::SHOWN } else { PromptState::WAITS };
        }
        if self.held.push(prompt).is_err() { PromptState::NO_ROOM } else { PromptState::WAITS }
    }

    /// Takes a prompt off; `false` if it is not held.
    pub fn withdraw(&mut self, id: PromptId) -> bool {
        let before = self.held.len();
        self.held.retain(|held| held.id != id);
        self.held.len() < before
    }

    /// Takes off one whose time is over.
    pub fn expire(&mut self, now: HubTicks) -> Option<PromptId> {
        let over = self.held.iter().find(|held| held.expires <= now)?.id;
        self.withdraw(over);
        Some(over)
    }

    /// The one to show: the most urgent, of those the first that came; in quiet hours only critical ones.
    pub fn current(&mut self, quiet: bool) -> Option<&mut Held> {
        let place = self
            .held
            .iter()
            .enumerate()
            .filter(|(_, held)| !quiet || held.level >= CRITICAL)
            // The first of the highest: later places lose against earlier ones.
            .max_by_key(|(place, held)| (held.level, core::cmp::Reverse(*place)))?
            .0;
        self.held.get_mut(place)
    }

    /// Notes that a prompt was answered: it is never shown again.
    pub fn answered(&mut self, id: PromptId) {
        self.withdraw(id);
        if self.has_answered(id) {
            return;
        }
        if self.answered.is_full() {
            self.answered.pop_front();
        }
        // A place was just made.
        let _ = self.answered.push_back(id);
    }

    /// Whether a prompt was answered.
    pub fn has_answered(&self, id: PromptId) -> bool {
        self.answered.iter().any(|known| *known == id)
    }

    /// A prompt that is held.
    pub fn find(&self, id: PromptId) -> Option<&Held> {
        self.held.iter().find(|held| held.id == id)
    }

    /// Drops the least urgent prompt, of those the last that came: the gateway still has it.
    pub fn give_way(&mut self) {
        let least = self
            .held
            .iter()
            .enumerate()
            .min_by_key(|(place, held)| (held.level, core::cmp::Reverse(*place)));
        if let Some(id) = least.map(|(_, held)| held.id) {
            self.withdraw(id);
        }
    }

    /// Prompts that wait or are shown.
    pub fn count(&self) -> u8 {
        u8::try_from(self.held.len()).unwrap_or(u8::MAX)
    }

    /// Drops everything: the hub goes to other people.
    pub fn clear(&mut self) {
        self.held.clear();
        self.answered.clear();
    }

    /// When the next one's time is over.
    pub fn next_expiry(&self) -> Option<HubTicks> {
        self.held.iter().map(|held| held.expires).min()
    }
}
