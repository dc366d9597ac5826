//! tm's own lists: tables `[[suppress]]`, in a file of their own or in the budget.

use std::path::Path;

use toml_edit::TableLike;

use super::{Rule, Suppression};
use crate::check::places::{self, Places};
use crate::errors::Result;
use crate::toml_file::{self, Source};

/// Reads a file of nothing else.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Suppression>> {
    let document = toml_file::parse(path, text)?;
    let source = Source { path, text };
    source.check_keys(document.as_table(), &["suppress"])?;
    read(source, document.as_table())
}

/// Reads the tables of a file.
///
/// # Errors
/// One of them says nothing of where, or has a key that is not known.
pub(in crate::check) fn read(source: Source<'_>, root: &dyn TableLike) -> Result<Vec<Suppression>> {
    let known: Vec<&str> = places::KEYS.into_iter().chain(["reason"]).collect();
    let mut all = Vec::new();
    for table in source.tables(root, "suppress")? {
        source.check_keys(table, &known)?;
        let first = table.iter().next().and_then(|(name, _)| table.key(name)).and_then(toml_edit::Key::span);
        let Some(places) = Places::read(source, table)? else {
            let what = "this suppression says nothing of where; write function, file, module or label";
            return Err(source.wrong(first, what));
        };
        let text = match source.string(table, "reason")? {
            Some(reason) => format!("{} ({reason})", places.text),
            None => places.text.clone(),
        };
        all.push(Suppression::new(source.path, source.line(first), text, Rule::Own(places)));
    }
    Ok(all)
}
