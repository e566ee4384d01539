//! Words, dates and numbers of the page; the only way text gets into it is through [`Escaped`].

use std::fmt::{self, Display};

/// Text that cannot leave its place: the five characters that mean something in HTML are written
/// as references, control characters as U+FFFD.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(c)?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// `12 Mar 1991` of a local day number.
pub(super) fn date(day: i32) -> String {
    civil(day).strftime("%-d %b %Y").to_string()
}

/// `12 Mar`.
pub(super) fn date_short(day: i32) -> String {
    civil(day).strftime("%-d %b").to_string()
}

/// `12 Mar 1991, 07:30` of local seconds.
pub(super) fn moment(local_s: i64) -> String {
    let minute = local_s.rem_euclid(86_400) / 60;
    format!("{}, {:02}:{:02}", date(day_of(local_s)), minute / 60, minute % 60)
}

/// The local day of local seconds.
pub(super) fn day_of(local_s: i64) -> i32 {
    i32::try_from(local_s.div_euclid(86_400)).unwrap_or(i32::MAX)
}

pub(super) fn civil(day: i32) -> jiff::civil::Date {
    use jiff::ToSpan;
    jiff::civil::date(1970, 1, 1)
        .checked_add(i64::from(day).clamp(-700_000, 2_900_000).days())
        .unwrap_or(jiff::civil::Date::MAX)
}

/// A number with at most one decimal, none where it is whole.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// `1 alert`, `2 alerts`.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// The evidence of a sentence whose verdict stands beside it as a badge: what follows the first
/// colon, if that comes early.
pub(super) fn evidence(sentence: &str) -> String {
    let rest = match sentence.split_once(": ") {
        Some((verdict, rest)) if verdict.len() < 50 => rest,
        _ => sentence,
    };
    let mut letters = rest.chars();
    letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect())
}

/// How a verdict is shown: mark (never colour alone), class, words.
pub(super) fn verdict(verdict: &str, reason: Option<&str>) -> (&'static str, &'static str, String) {
    match verdict {
        "AtTarget" => ("\u{25ce}", "good", "At target".to_owned()),
        "Improving" => ("\u{2197}", "good", "Improving".to_owned()),
        "NotImproving" => ("\u{2192}", "watch", "Not improving".to_owned()),
        "Worsening" => ("\u{2198}", "bad", "Worsening".to_owned()),
        _ => ("?", "open", format!("Cannot tell{}", why(reason))),
    }
}

/// Why the data cannot tell, as half a sentence.
pub(super) fn why(reason: Option<&str>) -> &'static str {
    match reason {
        Some("Recent") => ": too few recent readings",
        Some("Stale") => ": no fresh readings",
        Some("Baseline") => ": too few readings to start from",
        Some("TooNoisy") => ": readings vary too much",
        Some("Borderline") => ": too close to call yet",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let hostile = "<script>alert('x')&\"\u{7}";
        let expected = "&lt;script&gt;alert(&#39;x&#39;)&amp;&quot;\u{fffd}";
        assert_eq!(Escaped(hostile).to_string(), expected);
    }

    #[test]
    fn the_evidence_stands_without_the_verdict_that_is_shown_beside_it() {
        assert_eq!(evidence("Getting worse: the median is 8."), "The median is 8.");
        assert_eq!(evidence("Nothing of the kind."), "Nothing of the kind.");
    }

    #[test]
    fn days_and_numbers_read_naturally() {
        assert_eq!(date(0), "1 Jan 1970");
        assert_eq!(moment(86_400 + 7 * 3600 + 5 * 60), "2 Jan 1970, 07:05");
        assert_eq!((number(7.0), number(5.94)), ("7".to_owned(), "5.9".to_owned()));
    }
}
