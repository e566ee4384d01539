//! Texts with placeholders in several languages, and clock times.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a text may name in braces. `{sentence_short}`: how the values went, for the patient;
/// `{sentence}`: the evidence in one sentence, for staff; `{last_change}`: the day of the last
/// medication change or start; `{attempts}`: prompts sent so far; `{days}`: missed days in a row.
pub const PLACEHOLDERS: [&str; 5] =
    ["sentence_short", "sentence", "last_change", "attempts", "days"];

/// One text in each language, by its lower-case ISO 639 code. English is always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Texts(pub BTreeMap<String, String>);

impl Texts {
    /// The text in this language (`de`, or `de-AT` for `de`); `None` if it is missing. There is no
    /// silent fallback: a prompt in the wrong language is worse than a task for staff.
    pub fn in_language(&self, language: &str) -> Option<&str> {
        let code = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        self.0.get(&code).map(String::as_str)
    }

    /// The languages given.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The names in braces of a text, in order; the inner error is the octet of an unclosed brace.
pub fn placeholders(text: &str) -> Result<Vec<&str>, usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find(['{', '}'])) {
        let open = at + open;
        let rest = &text[open + 1..];
        match rest.find(['{', '}']) {
            Some(close) if text[open..].starts_with('{') && rest[close..].starts_with('}') => {
                found.push(&rest[..close]);
                at = open + 1 + close + 1;
            }
            _ => return Err(open),
        }
    }
    Ok(found)
}

/// The text with its placeholders filled in; one that `value` does not know is left out.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        filled.push_str(&value(name).unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// A time of the local clock in minutes, written `"HH:MM"`; `"24:00"` is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockTime(u16);

impl ClockTime {
    /// Minutes since midnight, 0..=1440.
    pub const fn minutes(self) -> u16 {
        self.0
    }
    /// `None` above 1440.
    pub const fn from_minutes(minutes: u16) -> Option<Self> {
        if minutes <= 1440 { Some(Self(minutes)) } else { None }
    }
    /// 24:00.
    pub const fn end_of_day() -> Self {
        Self(1440)
    }
    /// Reads `HH:MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |part: &str| match part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())
        {
            true => part.parse::<u16>().ok(),
            false => None,
        };
        let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
        Self::from_minutes(number(hours)? * 60 + minutes)
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for ClockTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "expected a time from \"00:00\" to \"24:00\", found {text:?}"
            ))
        })
    }
}
