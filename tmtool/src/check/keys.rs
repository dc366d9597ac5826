//! The keys of a table of a TOML file: each is known, or refused with the nearest one that is.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Item, TableLike};

use super::{line_of, wrong};
use crate::errors::Result;

/// A TOML file that is being read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What it says.
    pub text: &'a str,
}

impl Source<'_> {
    /// The line of a span.
    pub fn line(&self, span: Option<Range<usize>>) -> usize {
        line_of(self.text, span.map_or(0, |span| span.start))
    }

    /// Why what stands at `span` cannot be used.
    pub fn wrong(&self, span: Option<Range<usize>>, what: impl std::fmt::Display) -> crate::errors::Error {
        wrong(self.path, self.line(span), what)
    }

    /// Asks whether all keys of `table` are among `known`.
    ///
    /// # Errors
    /// One is not.
    pub fn check_keys(&self, table: &dyn TableLike, known: &[&str]) -> Result<()> {
        for (name, item) in table.iter() {
            if known.contains(&name) {
                continue;
            }
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name));
            let hint = match nearest {
                Some(near) if strsim::damerau_levenshtein(near, name) <= 1 + near.len() / 3 => {
                    format!("did you mean '{near}'?")
                }
                _ => format!("there are {}", known.join(", ")),
            };
            return Err(self.wrong(span, format!("there is no key '{name}' here; {hint}")));
        }
        Ok(())
    }

    /// The text of `key`, if it is there.
    ///
    /// # Errors
    /// It is something else.
    pub fn string(&self, table: &dyn TableLike, key: &str) -> Result<Option<String>> {
        let Some(item) = table.get(key) else { return Ok(None) };
        match item.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(self.wrong(item.span(), format!("'{key}' is no text; write {key} = \"...\""))),
        }
    }

    /// The truth of `key`; no, if it is not there.
    ///
    /// # Errors
    /// It is something else.
    pub fn boolean(&self, table: &dyn TableLike, key: &str) -> Result<bool> {
        let Some(item) = table.get(key) else { return Ok(false) };
        item.as_bool().ok_or_else(|| self.wrong(item.span(), format!("'{key}' is neither true nor false")))
    }

    /// The tables of `[[key]]`.
    ///
    /// # Errors
    /// It is something else.
    pub fn tables<'t>(&self, of: &'t dyn TableLike, key: &str) -> Result<Vec<&'t dyn TableLike>> {
        let Some(item) = of.get(key) else { return Ok(Vec::new()) };
        let wrong = || self.wrong(item.span(), format!("'{key}' is no list of tables; write [[{key}]]"));
        match item {
            Item::ArrayOfTables(tables) => Ok(tables.iter().map(|table| table as &dyn TableLike).collect()),
            Item::Value(toml_edit::Value::Array(values)) => {
                let table =
                    |value: &'t toml_edit::Value| value.as_inline_table().map(|it| it as &dyn TableLike);
                values.iter().map(|value| table(value).ok_or_else(wrong)).collect()
            }
            _ => Err(wrong()),
        }
    }

    /// The table `[key]`.
    ///
    /// # Errors
    /// It is something else.
    pub fn table<'t>(&self, of: &'t dyn TableLike, key: &str) -> Result<Option<&'t dyn TableLike>> {
        let Some(item) = of.get(key) else { return Ok(None) };
        let wrong = || self.wrong(item.span(), format!("'{key}' is no table; write [{key}]"));
        item.as_table_like().map(Some).ok_or_else(wrong)
    }
}
