//! Daily values in bounded memory: B3 steps 4 and 5, B7.

use super::TREND_DAYS_MAX;

/// One measured local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayValue {
    /// Local day number.
    pub day: i32,
    /// Half units: twice the daily median; for time in range twice the per mille.
    pub y: i32,
}

/// What is known of one series: the input of an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// Measured days, ascending, each day once.
    pub days: &'a [DayValue],
    /// The smallest local day with an accepted reading, also when it has no daily value.
    pub first_day: Option<i32>,
}

/// Readings kept per local day at most.
pub const KEPT_MAX: usize = 8;

/// One kept reading in 6 octets: second of the local day (low, high) and value.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kept([u16; 3]);

impl Kept {
    const EMPTY: Self = Self([u16::MAX; 3]);

    const fn new(second: u32, value: u16) -> Self {
        Self([(second & 0xFFFF) as u16, (second >> 16) as u16, value])
    }
    const fn is_empty(self) -> bool {
        self.0[1] == u16::MAX
    }
    /// Order by (second, value); empty places come last.
    const fn key(self) -> u64 {
        ((self.0[1] as u64) << 32) | ((self.0[0] as u64) << 16) | self.0[2] as u64
    }
    const fn value(self) -> u16 {
        self.0[2]
    }
}

// The ring is 6 KiB and a little (B7).
const _: () = assert!(size_of::<Kept>() == 6);
const _: () = assert!(size_of::<DayRing>() <= 6 * 1024 + 64);

/// Why a reading was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// The day lies 128 or more days before the newest one.
    TooOld {
        /// The oldest day still kept.
        oldest: i32,
    },
    /// The second is not within a day.
    SecondOutOfRange,
}

/// The last 128 local days of one series, up to 8 readings each. Not for time in range.
///
/// The caller hands over each distinct reading once (B3 steps 1 to 3); order does not matter, as
/// long as no day is 128 days older than the newest.
#[derive(Clone)]
pub struct DayRing {
    slots: [[Kept; KEPT_MAX]; TREND_DAYS_MAX],
    newest: Option<i32>,
    first_day: Option<i32>,
    k_per_day: u8,
}

impl DayRing {
    /// An empty ring that keeps the earliest `k_per_day` readings of a day, 1..=8 (else clamped).
    pub const fn new(k_per_day: u8) -> Self {
        let k_per_day = match k_per_day {
            0 => 1,
            k if k as usize > KEPT_MAX => KEPT_MAX as u8,
            k => k,
        };
        Self {
            slots: [[Kept::EMPTY; KEPT_MAX]; TREND_DAYS_MAX],
            newest: None,
            first_day: None,
            k_per_day,
        }
    }

    /// Takes one reading: `second` counts from the beginning of the local day, 0..86400; `value`
    /// is in the plan's unit. O(8), and O(128) once after a gap.
    ///
    /// # Errors
    /// [`RingError`]; nothing has changed then.
    pub fn insert(&mut self, day: i32, second: u32, value: u16) -> Result<(), RingError> {
        if second >= 86_400 {
            return Err(RingError::SecondOutOfRange);
        }
        self.make_room(day)?;
        self.first_day = Some(self.first_day.map_or(day, |first| first.min(day)));
        let slot = &mut self.slots[slot_of(day)];
        let mut carried = Kept::new(second, value);
        for place in slot.iter_mut().take(usize::from(self.k_per_day)) {
            if carried.key() < place.key() {
                core::mem::swap(place, &mut carried);
            }
        }
        Ok(())
    }

    fn make_room(&mut self, day: i32) -> Result<(), RingError> {
        let Some(newest) = self.newest else {
            self.newest = Some(day);
            return Ok(());
        };
        let oldest = newest.saturating_sub(TREND_DAYS_MAX as i32 - 1);
        if day < oldest {
            return Err(RingError::TooOld { oldest });
        }
        // i64: the two days may lie at opposite ends of their range.
        let ahead = (i64::from(day) - i64::from(newest)).clamp(0, TREND_DAYS_MAX as i64);
        for back in 0..ahead as i32 {
            self.slots[slot_of(day.wrapping_sub(back))] = [Kept::EMPTY; KEPT_MAX];
        }
        self.newest = Some(newest.max(day));
        Ok(())
    }

    /// The daily value of this day, in half units; `None` if nothing was kept.
    pub fn y(&self, day: i32) -> Option<i32> {
        let newest = i64::from(self.newest?);
        if i64::from(day) > newest || i64::from(day) <= newest - TREND_DAYS_MAX as i64 {
            return None;
        }
        let mut values = [0_u16; KEPT_MAX];
        let mut count = 0;
        for kept in self.slots[slot_of(day)].iter().take_while(|kept| !kept.is_empty()) {
            values[count] = kept.value();
            count += 1;
        }
        let values = &mut values[..count];
        values.sort_unstable();
        let lower = values.get(count.checked_sub(1)? / 2)?;
        Some(i32::from(*lower) + i32::from(*values.get(count / 2)?))
    }

    /// The smallest day ever inserted.
    pub fn first_day(&self) -> Option<i32> {
        self.first_day
    }

    /// The measured days, ascending: 1 KiB.
    pub fn days(&self) -> heapless::Vec<DayValue, TREND_DAYS_MAX> {
        let mut days = heapless::Vec::new();
        let Some(newest) = self.newest else { return days };
        for back in (0..TREND_DAYS_MAX as i32).rev() {
            let Some(day) = newest.checked_sub(back) else { continue };
            if let Some(y) = self.y(day) {
                // There are no more than 128 days, so the vector cannot be full.
                let pushed = days.push(DayValue { day, y });
                debug_assert!(pushed.is_ok());
            }
        }
        days
    }
}

const fn slot_of(day: i32) -> usize {
    day.rem_euclid(TREND_DAYS_MAX as i32) as usize
}
