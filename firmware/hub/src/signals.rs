//! Lamp and buzzer: the same message as the screen, for eyes and ears across the room.

use hearth_shared::wire::HubTicks;

/// What the buzzer plays: lengths in milliseconds, sounding and silent in turn.
pub type Tune = &'static [u16];

/// A prompt came.
pub const PROMPT: Tune = &[120, 120, 120];
/// An urgent prompt came.
pub const URGENT: Tune = &[250, 150, 250, 150, 250];
/// A critical alert; played again until somebody presses.
pub const CRITICAL: Tune = &[500, 200, 500, 200, 500, 200, 500];
/// A press was kept.
pub const THANKS: Tune = &[60];

/// A critical tune comes again after this long.
pub const REPEAT_MS: u64 = 10_000;

/// The buzzer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buzzer {
    playing: Option<(Tune, HubTicks)>,
}

impl Buzzer {
    /// Plays a tune from now on.
    pub fn play(&mut self, tune: Tune, now: HubTicks) {
        self.playing = Some((tune, now));
    }

    /// Silence.
    pub fn stop(&mut self) {
        self.playing = None;
    }

    /// Whether it sounds now, and when that changes.
    pub fn poll(&mut self, now: HubTicks) -> (bool, Option<HubTicks>) {
        let Some((tune, since)) = self.playing else { return (false, None) };
        let mut end = since;
        let mut sounds = true;
        for length in tune {
            end = end.plus_millis(u64::from(*length));
            if now < end {
                return (sounds, Some(end));
            }
            sounds = !sounds;
        }
        self.playing = None;
        (false, None)
    }
}

/// What the lamp says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lamp {
    /// Nothing is asked.
    #[default]
    Off,
    /// Something is asked: on for half of two seconds.
    Asks,
    /// Something is urgent: on for half of half a second.
    Urgent,
}

impl Lamp {
    /// Whether it is lit now, and when that changes.
    pub fn poll(self, now: HubTicks) -> (bool, Option<HubTicks>) {
        let half: u64 = match self {
            Self::Off => return (false, None),
            Self::Asks => 1000,
            Self::Urgent => 250,
        };
        let into = now.millis().checked_rem(half).unwrap_or(0);
        let turns = now.millis().checked_div(half).unwrap_or(0);
        (turns & 1 == 0, Some(now.plus_millis(half.saturating_sub(into))))
    }
}
