//! `tmtool check`, the gate for CI: what a run is allowed (`budget`), which leaks are known (`suppressions`), what it did
//! (`tally`), and whether that is within (`judge`); written for machines by `junit`, `sarif` and `github`. What is shown is
//! [`crate::report::check::Verdict`].

pub mod amount;
pub mod bless;
pub mod budget;
pub mod figure;
pub mod github;
pub mod judge;
pub mod junit;
mod keys;
pub mod places;
pub mod sarif;
pub mod suppressions;
pub mod tally;

use std::path::Path;

use crate::errors::Error;

/// Why line `line` of the file at `path` cannot be used.
fn wrong(path: &Path, line: usize, what: impl std::fmt::Display) -> Error {
    Error::Message(format!("{}:{line}: {what}", path.display()))
}

/// The number of the line that byte `at` of `text` stands in, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}
