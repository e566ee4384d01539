//! Reads TOML and reports everything that is wrong with it at once.
//!
//! Serde stops at the first error; a person who sets up a ward wants the whole list. [`Document`]
//! therefore reads again after each error with the offending place taken out (or, where it must
//! not be absent, replaced by a stand-in) until nothing new turns up. A value made with such a
//! repair is never handed out: a document with problems has no value.
//!
//! Give structures `#[serde(deny_unknown_fields)]`: an unknown key is then reported with the
//! nearest known one. Without it the key is still reported, but without a suggestion.
//! An error that may be the consequence of an earlier one is held back until that is mended.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

mod repair;
mod wording;

use repair::{Edits, edit_table, stand_in_value};
pub use wording::nearest;

/// More problems than this in one document are not worth a person's reading.
const PROBLEMS_MAX: usize = 100;
/// Bound of the read-again loop: every round consumes a place or one of its few stand-ins.
const ROUNDS_MAX: usize = 2000;
/// What is put in the place of a required value that is missing or mistyped, in this order.
const STAND_INS: [&str; 6] = ["1", STAND_IN_TEXT, "true", "[]", "{}", "1.5"];

const STAND_IN_TEXT: &str = "\"x\"";

/// One thing that is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file's name as the caller gave it.
    pub source: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Dotted path of the key, elements of arrays counted from 0: `patient.0.zone`. Empty: the
    /// document as a whole.
    pub key: String,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it, where we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The text of the line, for the excerpt.
    #[serde(skip)]
    excerpt: String,
    /// The marked octets of `excerpt`.
    #[serde(skip)]
    marked: Range<usize>,
}

impl Problem {
    /// The problem with the excerpt of its line, in colour if asked.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let snippet = Snippet::source(self.excerpt.as_str())
            .path(self.source.as_str())
            .line_start(self.line)
            .annotation(AnnotationKind::Primary.span(self.marked.clone()));
        let title = match self.key.as_str() {
            "" => self.message.clone(),
            key => format!("{key}: {}", self.message),
        };
        let mut group = Level::ERROR.primary_title(title.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// The problem as one JSON object on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problem {}

/// One step of a path into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Index(usize),
}

type Path = Vec<Step>;

/// Where a value stands in the text.
#[derive(Clone, Debug)]
struct Place {
    path: Path,
    key: Option<Range<usize>>,
    value: Range<usize>,
    table: bool,
}

/// A syntactically sound TOML document that knows where everything stands.
#[derive(Clone, Debug)]
pub struct Document {
    source: String,
    text: String,
    places: Vec<Place>,
}

/// Reads a `T` and keeps the document, so that checks of meaning can name lines too.
///
/// # Errors
/// All problems of syntax; or else all unknown keys, missing keys and wrong values, by line.
pub fn read<T: DeserializeOwned>(source: &str, text: &str) -> Result<(T, Document), Vec<Problem>> {
    let document = Document::parse(source, text)?;
    let value = document.read()?;
    Ok((value, document))
}

impl Document {
    /// Parses the text.
    ///
    /// # Errors
    /// All problems of syntax, at most one for each line.
    pub fn parse(source: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut document =
            Self { source: source.to_owned(), text: text.to_owned(), places: Vec::new() };
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let mut problems: Vec<Problem> = errors
                .iter()
                .map(|error| {
                    let span = error.span().unwrap_or(0..0);
                    let message = error.message().trim().replace('\n', ", ");
                    document.problem_in(span, String::new(), message, None)
                })
                .collect();
            problems.sort_by_key(|p| (p.line, p.column));
            problems.dedup_by_key(|p| p.line);
            return Err(problems);
        }
        let span = root.span();
        document.places.push(Place { path: Vec::new(), key: None, value: span, table: true });
        collect_table(root.get_ref(), &mut Vec::new(), &mut document.places);
        Ok(document)
    }

    /// The file's name as the caller gave it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Reads a `T` out of the document; may be called for several types in turn.
    ///
    /// # Errors
    /// All unknown keys, missing keys and wrong values, by line.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let mut reader = Reader { document: self, edits: BTreeMap::new(), problems: Vec::new() };
        let value = reader.run::<T>();
        match value {
            Some(value) if reader.problems.is_empty() => Ok(value),
            _ => {
                let mut problems = reader.problems;
                problems
                    .sort_by(|a, b| (a.line, a.column, &a.key).cmp(&(b.line, b.column, &b.key)));
                problems.dedup();
                Err(problems)
            }
        }
    }

    /// A problem of meaning at the dotted path `key` (`patient.0.zone`); where the document has
    /// no such place, at the nearest place above it.
    pub fn problem(&self, key: &str, message: impl Into<String>, help: Option<String>) -> Problem {
        let mut wanted = key;
        let place = loop {
            let found = self.places.iter().find(|p| dotted(&p.path) == wanted);
            match (found, wanted.rsplit_once('.')) {
                (Some(place), _) => break Some(place),
                (None, Some((above, _))) => wanted = above,
                (None, None) if !wanted.is_empty() => wanted = "",
                (None, None) => break None,
            }
        };
        let span = match place {
            Some(place) if place.path.is_empty() => 0..0,
            Some(place) if place.table => place.key.clone().unwrap_or(place.value.clone()),
            Some(place) => place.value.clone(),
            None => 0..0,
        };
        self.problem_in(span, key.to_owned(), message.into(), help)
    }

    fn problem_in(
        &self,
        span: Range<usize>,
        key: String,
        message: String,
        help: Option<String>,
    ) -> Problem {
        let text = self.text.as_str();
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let excerpt = text[line_start..line_end].trim_end_matches('\r').to_owned();
        let from = (start - line_start).min(excerpt.len());
        let mut to = span.end.saturating_sub(line_start).clamp(from, excerpt.len());
        while !excerpt.is_char_boundary(to) {
            to += 1;
        }
        Problem {
            source: self.source.clone(),
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            key,
            message,
            help,
            excerpt,
            marked: from..to,
        }
    }
}

/// The read-again loop.
struct Reader<'a> {
    document: &'a Document,
    /// Places taken out (`None`) or replaced by the n-th stand-in.
    edits: BTreeMap<Path, Option<String>>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn run<T: DeserializeOwned>(&mut self) -> Option<T> {
        // Stand-ins still to be tried for the place edited last.
        let mut untried: BTreeMap<Path, Vec<String>> = BTreeMap::new();
        for _ in 0..ROUNDS_MAX {
            let mut ignored = Vec::new();
            let error = match self.attempt::<T>(&mut ignored) {
                Ok(value) => {
                    for path in ignored {
                        self.report_unknown(&path);
                    }
                    return Some(value);
                }
                Err(error) => error,
            };
            if self.problems.len() >= PROBLEMS_MAX {
                return None;
            }
            let path = self.locate(&error);
            if let Some(edited) = self.edits.keys().find(|e| path.starts_with(e)).cloned() {
                // Our own repair does not fit: the next stand-in, or give up what contains it.
                let left = untried.entry(edited.clone()).or_default();
                let is_text = self.edits.get(&edited) == Some(&Some(STAND_IN_TEXT.to_owned()));
                if is_text && !wording::is_unknown_field(error.message()) {
                    left.extend(wording::names(error.message()).next().map(|n| format!("{n:?}")));
                }
                match left.pop() {
                    Some(next) => drop(self.edits.insert(edited, Some(next))),
                    None => self.give_up_parent(&edited)?,
                }
                continue;
            }
            if self.edits.keys().any(|e| e.starts_with(&path)) {
                // Perhaps only a consequence of a repair further down.
                self.take_out(&path)?;
                continue;
            }
            self.report(&error, &path);
            if !wording::is_unknown_field(error.message()) {
                let mut stand_ins: Vec<String> = STAND_INS.iter().map(|s| s.to_string()).collect();
                stand_ins.reverse();
                stand_ins.extend(wording::names(error.message()).next().map(|n| format!("{n:?}")));
                untried.insert(path.clone(), stand_ins);
            }
            if path.is_empty() {
                return None;
            }
            self.edits.insert(path, None);
        }
        None
    }

    fn give_up_parent(&mut self, path: &Path) -> Option<()> {
        let mut parent = path.clone();
        parent.pop();
        self.take_out(&parent)
    }

    fn take_out(&mut self, path: &Path) -> Option<()> {
        if path.is_empty() {
            return None;
        }
        self.edits.retain(|e, _| !e.starts_with(path));
        self.edits.insert(path.clone(), None);
        Some(())
    }

    fn attempt<T: DeserializeOwned>(&self, ignored: &mut Vec<Path>) -> Result<T, toml::de::Error> {
        let root = DeTable::parse(&self.document.text)?;
        let span = root.span();
        // A stand-in gets a span past the end of the text, by which `locate` knows it again.
        let edits = self.edits.iter().enumerate().map(|(index, (path, stand_in))| {
            let at = self.document.text.len() + 1 + index;
            let value = stand_in.as_ref().and_then(|text| stand_in_value(text, at..at));
            (path.clone(), value)
        });
        let edits: Edits = edits.collect();
        let table = edit_table(root.into_inner(), &mut Vec::new(), &edits);
        let deserializer = Deserializer::from(Spanned::new(span, table));
        serde_ignored::deserialize(deserializer, |path| ignored.push(ignored_path(&path)))
    }

    /// The path an error is about: the place with exactly its span, or the innermost around it.
    fn locate(&self, error: &toml::de::Error) -> Path {
        let Some(span) = error.span() else { return Vec::new() };
        if let Some(index) = span.start.checked_sub(self.document.text.len() + 1) {
            return self.edits.keys().nth(index).cloned().unwrap_or_default();
        }
        let missing = wording::missing_field(error.message());
        let exact = self.document.places.iter().filter(|p| {
            if missing.is_some() {
                return p.table && p.value == span;
            }
            p.value == span || p.key.as_ref() == Some(&span)
        });
        let around = self.document.places.iter().filter(|p| {
            let holds = |r: &Range<usize>| r.start <= span.start && span.end <= r.end;
            holds(&p.value) || p.key.as_ref().is_some_and(holds)
        });
        let place = exact.max_by_key(|p| p.path.len()).or(around.max_by_key(|p| p.path.len()));
        let mut path = place.map(|p| p.path.clone()).unwrap_or_default();
        if let Some(field) = missing {
            path.push(Step::Key(field.to_owned()));
        }
        path
    }

    fn report(&mut self, error: &toml::de::Error, path: &Path) {
        let (message, help) = wording::explain(error.message());
        let span = match wording::missing_field(error.message()) {
            Some(_) if path.len() == 1 => 0..0,
            Some(_) => self.span_of(&path[..path.len() - 1]),
            None => error.span().unwrap_or(0..0),
        };
        self.problems.push(self.document.problem_in(span, dotted(path), message, help));
    }

    fn report_unknown(&mut self, path: &Path) {
        let span = self.span_of(path);
        let name = match path.last() {
            Some(Step::Key(name)) => name.as_str(),
            _ => "",
        };
        let message = format!("unknown key `{name}`");
        self.problems.push(self.document.problem_in(span, dotted(path), message, None));
    }

    fn span_of(&self, path: &[Step]) -> Range<usize> {
        let place = self.document.places.iter().find(|p| p.path == path);
        place.map_or(0..0, |p| p.key.clone().unwrap_or(p.value.clone()))
    }
}

fn dotted(path: &[Step]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    parts.join(".")
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> Path {
    use serde_ignored::Path as P;
    match path {
        P::Root => Vec::new(),
        P::Seq { parent, index } => [ignored_path(parent), vec![Step::Index(*index)]].concat(),
        P::Map { parent, key } => [ignored_path(parent), vec![Step::Key(key.clone())]].concat(),
        P::Some { parent } | P::NewtypeStruct { parent } | P::NewtypeVariant { parent } => {
            ignored_path(parent)
        }
    }
}

fn collect_table(table: &DeTable<'_>, path: &mut Path, places: &mut Vec<Place>) {
    for (key, value) in table {
        path.push(Step::Key(key.get_ref().to_string()));
        collect_value(value, Some(key.span()), path, places);
        path.pop();
    }
}

fn collect_value(
    value: &Spanned<DeValue<'_>>,
    key: Option<Range<usize>>,
    path: &mut Path,
    places: &mut Vec<Place>,
) {
    let table = value.get_ref().is_table();
    places.push(Place { path: path.clone(), key, value: value.span(), table });
    match value.get_ref() {
        DeValue::Table(table) => collect_table(table, path, places),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                collect_value(item, None, path, places);
                path.pop();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
