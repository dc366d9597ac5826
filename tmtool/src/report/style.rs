//! How a text is to look where it goes: its width and whether it may be coloured.

/// The properties of a report's reader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Columns of the terminal; `None` where nothing needs to be shortened (files, pipes).
    pub width: Option<usize>,
    /// Whether names and paths are shown whole, however long.
    pub is_full: bool,
    /// Whether escape sequences for colour are understood and wanted.
    pub colour: bool,
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

    fn wrapped(&self, start: &str, text: &str) -> String {
        if self.colour { format!("{start}{text}\x1b[0m") } else { text.to_owned() }
    }
}
