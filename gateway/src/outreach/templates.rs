//! What patients read, per language. A language counts as available only if every text is there:
//! what is missing is found when the program starts, not when a patient is waiting.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// The texts that come with Hearth.
const BUILTIN: [(&str, &str); 3] = [
    ("de", include_str!("templates/de/prompts.toml")),
    ("en", include_str!("templates/en/prompts.toml")),
    ("es", include_str!("templates/es/prompts.toml")),
];

/// Kinds of needs there are texts for.
pub const CARE_KINDS: [&str; 2] = ["follow_up_visit", "measure_more"];

/// Why texts were refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the texts for {language} cannot be used: {message}")]
pub struct TemplateError {
    /// The language.
    pub language: String,
    /// What is wrong, with the place.
    pub message: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    greeting: String,
    greeting_without_name: String,
    care: BTreeMap<String, Vec<String>>,
    nudge: Nudge,
    low: Family,
    high: Family,
    pressure_high: Family,
    pressure_low: Family,
    pulse: Family,
    saturation: Family,
    weight: Family,
    temperature: Family,
    reading: Reading,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nudge {
    first: String,
    reason: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    alert_critical: String,
    alert_urgent: String,
    repeat: String,
    measure_again: String,
    all_clear: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    measure_again: String,
}

/// The texts of all available languages.
#[derive(Clone, Debug)]
pub struct Templates {
    languages: BTreeMap<String, Texts>,
}

/// Rules whose notices are merged and told in the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum RuleFamily {
    Low,
    High,
    PressureHigh,
    PressureLow,
    Pulse,
    Saturation,
    Weight,
    Temperature,
    Reading,
}

impl RuleFamily {
    /// The family of a rule by its id; `A9` and unknown ids are about a reading.
    pub fn of(rule: &str) -> Self {
        match rule {
            "G1" | "G2" => Self::Low,
            "G3" | "G4" => Self::High,
            "P1" | "P3" => Self::PressureHigh,
            "P2" => Self::PressureLow,
            "H1" => Self::Pulse,
            "O1" | "O2" => Self::Saturation,
            "W1" | "W2" => Self::Weight,
            "T1" => Self::Temperature,
            _ => Self::Reading,
        }
    }
}

impl Templates {
    /// The texts that come with Hearth. They are read once in the life of a process: every path that
    /// is opened, also one of many in a replay, looks at the same.
    ///
    /// # Errors
    /// A text is missing or empty, or a key unknown.
    pub fn builtin() -> Result<&'static Self, TemplateError> {
        static READ: OnceLock<Result<Templates, TemplateError>> = OnceLock::new();
        READ.get_or_init(|| Self::read(BUILTIN)).as_ref().map_err(Clone::clone)
    }

    fn read(
        texts: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Result<Self, TemplateError> {
        let mut languages = BTreeMap::new();
        for (language, text) in texts {
            languages.insert(language.to_owned(), parse(language, text)?);
        }
        Ok(Self { languages })
    }

    /// Available languages, in order.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    /// The available language for a BCP 47 tag: itself, or its primary language (`de-AT` is `de`).
    pub fn language(&self, tag: &str) -> Option<&str> {
        let tag = tag.to_ascii_lowercase();
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        [tag.as_str(), primary]
            .into_iter()
            .find_map(|key| self.languages.get_key_value(key).map(|(found, _)| found.as_str()))
    }

    /// The words for a kind of need or nudge whose programme is no longer known, at this attempt (from
    /// 1); the last text serves for all later attempts.
    pub fn care(&self, language: &str, kind: &str, attempt: u32) -> Option<&str> {
        let texts = self.texts(language)?;
        match kind {
            "nudge" => return Some(&texts.nudge.first),
            "nudge_reason" => return Some(&texts.nudge.reason),
            _ => {}
        }
        let list = texts.care.get(kind)?;
        let last = list.len().checked_sub(1)?;
        let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(last).min(last);
        list.get(place).map(String::as_str)
    }

    /// A text with the greeting of its language before it.
    pub fn greeted(&self, language: &str, text: &str, name: Option<&str>) -> String {
        match self.texts(language) {
            Some(texts) => greet(texts, text, name),
            None => text.to_owned(),
        }
    }

    /// The words of a notice of an alert. No greeting: what to do comes first.
    /// `None` where the rules have nothing to say to the patient.
    pub fn notice(&self, language: &str, rule: &str, level: &str, kind: &str) -> Option<&str> {
        let texts = self.texts(language)?;
        let family = match RuleFamily::of(rule) {
            RuleFamily::Low => &texts.low,
            RuleFamily::High => &texts.high,
            RuleFamily::PressureHigh => &texts.pressure_high,
            RuleFamily::PressureLow => &texts.pressure_low,
            RuleFamily::Pulse => &texts.pulse,
            RuleFamily::Saturation => &texts.saturation,
            RuleFamily::Weight => &texts.weight,
            RuleFamily::Temperature => &texts.temperature,
            RuleFamily::Reading => {
                return (kind == "measure_again").then_some(&texts.reading.measure_again);
            }
        };
        Some(match kind {
            "alert" if level == "C" => &family.alert_critical,
            "alert" => &family.alert_urgent,
            "repeat" => &family.repeat,
            "measure_again" => &family.measure_again,
            "all_clear" => &family.all_clear,
            _ => return None,
        })
    }

    fn texts(&self, language: &str) -> Option<&Texts> {
        self.languages.get(self.language(language)?)
    }
}

fn greet(texts: &Texts, text: &str, name: Option<&str>) -> String {
    let greeting = match name.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => texts.greeting.replace("{name}", name),
        None => texts.greeting_without_name.clone(),
    };
    format!("{greeting} {text}")
}

fn parse(language: &str, text: &str) -> Result<Texts, TemplateError> {
    let fail = |message: String| TemplateError { language: language.to_owned(), message };
    let texts: Texts = toml::from_str(text).map_err(|error| fail(error.to_string()))?;
    for kind in CARE_KINDS {
        let list = texts.care.get(kind).map(Vec::as_slice).unwrap_or_default();
        if list.is_empty() {
            return Err(fail(format!("care.{kind} has no text")));
        }
    }
    let value: toml::Table = toml::from_str(text).map_err(|error| fail(error.to_string()))?;
    match empty(&toml::Value::Table(value)) {
        true => Err(fail("a text is empty".to_owned())),
        false => Ok(texts),
    }
}

fn empty(value: &toml::Value) -> bool {
    match value {
        toml::Value::String(text) => text.trim().is_empty(),
        toml::Value::Array(list) => list.iter().any(empty),
        toml::Value::Table(table) => table.values().any(empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_language_has_every_text() {
        let templates = Templates::builtin().unwrap();
        let languages: Vec<_> = templates.languages().collect();
        assert_eq!(languages, ["de", "en", "es"]);
        for language in languages {
            for rule in ["G1", "G2", "G3", "G4", "P1", "P2", "P3", "H1", "O1", "O2", "W1", "T1"] {
                for level in ["U", "C"] {
                    for kind in ["alert", "repeat", "measure_again", "all_clear"] {
                        assert!(templates.notice(language, rule, level, kind).is_some());
                    }
                }
            }
            assert!(templates.notice(language, "A9", "A", "measure_again").is_some());
            for kind in CARE_KINDS {
                let first = templates.care(language, kind, 1).unwrap();
                assert_ne!(first, templates.care(language, kind, 2).unwrap());
                assert!(templates.care(language, kind, 9).is_some());
                let greeted = templates.greeted(language, first, Some("Ana"));
                assert!(greeted.contains("Ana") && !greeted.contains('{'), "{greeted}");
            }
        }
    }

    #[test]
    fn the_texts_are_read_once_and_a_fault_keeps_its_language() {
        assert!(std::ptr::eq(Templates::builtin().unwrap(), Templates::builtin().unwrap()));
        let error = Templates::read([BUILTIN[0], ("es", "greeting = 1")]).unwrap_err();
        assert_eq!(error.language, "es");
    }

    #[test]
    fn nobody_is_told_that_help_is_on_its_way() {
        for (language, text) in BUILTIN {
            let text = text.split_once("greeting =").unwrap().1.to_lowercase();
            for promise in ["on its way", "on their way", "unterwegs", "en camino"] {
                assert!(!text.contains(promise), "{language}: {promise}");
            }
        }
    }

    #[test]
    fn a_region_is_served_by_its_language_and_an_unknown_one_is_not() {
        let templates = Templates::builtin().unwrap();
        assert_eq!(templates.language("de-AT"), Some("de"));
        assert_eq!(templates.language("ES"), Some("es"));
        assert_eq!(templates.language("fr"), None);
        assert_eq!(templates.language(""), None);
    }

    #[test]
    fn a_language_with_a_missing_or_empty_text_is_refused_at_load() {
        let english = BUILTIN[1].1;
        assert!(parse("en", &english.replace("all_clear = \"Your glucose has", "#")).is_err());
        let empty = english.replace(
            "That reading looks unusual. Please measure again as described in your plan.",
            "",
        );
        assert!(parse("en", &empty).unwrap_err().message.contains("empty"));
        assert!(parse("en", &english.replace("measure_more", "measure_less")).is_err());
    }
}
