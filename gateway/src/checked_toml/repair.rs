//! Takes places out of a document, or puts stand-ins there, so that reading can go on.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Path, Step};

/// Places to take out (`None`) or to replace.
pub(super) type Edits = BTreeMap<Path, Option<Spanned<DeValue<'static>>>>;

pub(super) fn edit_table<'i>(table: DeTable<'i>, path: &mut Path, edits: &Edits) -> DeTable<'i> {
    let mut edited = DeTable::new();
    for (key, value) in table {
        path.push(Step::Key(key.get_ref().to_string()));
        let kept = edit_value(value, path, edits);
        path.pop();
        if let Some(value) = kept {
            edited.insert(key, value);
        }
    }
    // Stand-ins for keys that the table does not have.
    for (at, stand_in) in edits {
        let (Some(Step::Key(name)), Some(value)) = (at.last(), stand_in) else { continue };
        if at[..at.len() - 1] == path[..] && !edited.contains_key(name.as_str()) {
            edited.insert(Spanned::new(value.span(), name.clone().into()), value.clone());
        }
    }
    edited
}

fn edit_value<'i>(
    value: Spanned<DeValue<'i>>,
    path: &mut Path,
    edits: &Edits,
) -> Option<Spanned<DeValue<'i>>> {
    let span = value.span();
    if let Some(stand_in) = edits.get(path) {
        return stand_in.clone();
    }
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(edit_table(table, path, edits)),
        DeValue::Array(items) => {
            let kept = items.into_iter().enumerate().filter_map(|(index, item)| {
                path.push(Step::Index(index));
                let item = edit_value(item, path, edits);
                path.pop();
                item
            });
            DeValue::Array(kept.collect())
        }
        other => other,
    };
    Some(Spanned::new(span, inner))
}

pub(super) fn stand_in_value(text: &str, span: Range<usize>) -> Option<Spanned<DeValue<'static>>> {
    let owned: DeValue<'static> = match text {
        "1" => DeValue::parse("1").ok()?.into_inner(),
        "1.5" => DeValue::parse("1.5").ok()?.into_inner(),
        "true" => DeValue::Boolean(true),
        "[]" => DeValue::Array(toml::de::DeArray::new()),
        "{}" => DeValue::Table(DeTable::new()),
        quoted => DeValue::String(quoted.trim_matches('"').to_owned().into()),
    };
    Some(Spanned::new(span, owned))
}
