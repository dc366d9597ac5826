//! How a text is to look where it goes: its width, whether it may be coloured, and its characters.

use std::borrow::Cow;

use super::human::ascii;
use tm_analyzer::text::raw_text;

/// The properties of a report's reader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Columns of the terminal; `None` where nothing needs to be shortened (files, pipes).
    pub width: Option<usize>,
    /// Whether names and paths are shown whole, however long.
    pub is_full: bool,
    /// Whether escape sequences for colour are understood and wanted.
    pub colour: bool,
    /// Whether ASCII is all that can be shown.
    pub is_ascii: bool,
}

impl Style {
    /// The heading of a table.
    pub fn heading(&self, text: &str) -> String {
        self.wrapped("\x1b[1m", text)
    }

    /// What the reader must not miss.
    pub fn warning(&self, text: &str) -> String {
        self.wrapped("\x1b[33m", text)
    }

    /// The bytes of `text`: names that are no UTF-8 as they were, and nothing that cannot be shown.
    pub fn bytes(&self, text: &str) -> Vec<u8> {
        let shown = if self.is_ascii { Cow::Owned(ascii(text)) } else { Cow::Borrowed(text) };
        raw_text::to_bytes(&shown).into_owned()
    }

    fn wrapped(&self, start: &str, text: &str) -> String {
        if self.colour { format!("{start}{text}\x1b[0m") } else { text.to_owned() }
    }
}
