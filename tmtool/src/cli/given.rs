//! A setting, and what made it: the command line before the environment before the file of settings.

use std::fmt;
use std::path::PathBuf;

/// A value, and what says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// What says so.
    pub by: Giver,
}

/// What makes a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Giver {
    /// This option of the command line.
    Option(&'static str),
    /// This variable of the environment.
    Variable(&'static str),
    /// A file of settings.
    File {
        /// The file.
        path: PathBuf,
        /// The key in it.
        key: String,
        /// The key's line.
        line: usize,
    },
}

impl<T> Given<T> {
    /// What `option` is if it is there.
    pub fn by_option(value: Option<T>, option: &'static str) -> Option<Given<T>> {
        value.map(|value| Given { value, by: Giver::Option(option) })
    }

    /// Another value by the same.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Given<U> {
        Given { value: change(self.value), by: self.by }
    }
}

impl fmt::Display for Giver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Giver::Option(name) | Giver::Variable(name) => f.write_str(name),
            Giver::File { path, key, line } => write!(f, "{}:{line}: {key}", path.display()),
        }
    }
}
