//! TOML files that somebody wrote by hand: what cannot be used is said with file and line, and a key that is not known is refused
//! with the nearest one that is.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, TableLike};

use crate::errors::{Error, Result};

/// What somebody wrote is not longer, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Why line `line` of the file at `path` cannot be used.
pub fn wrong(path: &Path, line: usize, what: impl std::fmt::Display) -> Error {
    Error::Message(format!("{}:{line}: {what}", path.display()))
}

/// The number of the line that byte `at` of `text` stands in, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

/// The text of the file at `path`, which is to be `what`.
///
/// # Errors
/// It cannot be read, or cannot be a text that somebody wrote.
pub fn read(path: &Path, what: &str) -> Result<String> {
    let status = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if status.len() > BYTES_MAX {
        let found =
            format!("{} has {} MiB and is nothing that somebody wrote", path.display(), status.len() >> 20);
        return Err(Error::Message(format!("{found}; name {what}")));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        wrong(path, valid.filter(|&&byte| byte == b'\n').count() + 1, "this is no text (UTF-8)")
    })
}

/// The tables of `text`, which stands in the file at `path`.
///
/// # Errors
/// It is no TOML: the line is named.
pub fn parse<'a>(path: &Path, text: &'a str) -> Result<Document<&'a str>> {
    Document::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        wrong(path, line, format!("this is no TOML: {}", error.message().replace('\n', "; ")))
    })
}

/// A TOML file that is being read.
#[derive(Clone, Copy)]
pub struct Source<'a> {
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
    pub fn wrong(&self, span: Option<Range<usize>>, what: impl std::fmt::Display) -> Error {
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
