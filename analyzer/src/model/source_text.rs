//! Lines of source that go with a recording, by file and number.

use std::collections::BTreeMap;

/// Some lines of some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceText(BTreeMap<String, BTreeMap<u32, String>>);

impl SourceText {
    /// Adds a line.
    pub fn add(&mut self, file: &str, lineno: u32, text: String) {
        if let Some(lines) = self.0.get_mut(file) {
            lines.insert(lineno, text);
        } else {
            self.0.insert(file.to_owned(), BTreeMap::from([(lineno, text)]));
        }
    }

    /// The text of a line, if it is one of them.
    #[must_use]
    pub fn line(&self, file: &str, lineno: u32) -> Option<&str> {
        self.0.get(file)?.get(&lineno).map(String::as_str)
    }

    /// The files with their lines, each rising.
    pub fn files(&self) -> impl Iterator<Item = (&str, &BTreeMap<u32, String>)> {
        self.0.iter().map(|(file, lines)| (file.as_str(), lines))
    }
}
