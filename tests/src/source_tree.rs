//! The workspace's own source files, for tests that hold them to its rules.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of what is built or fetched.
const MADE: [&str; 4] = ["target", "node_modules", "build", "dist"];

/// The files below `folder` whose names end with one of `suffixes`, without what is built or hidden.
///
/// # Panics
/// The folder cannot be read.
pub fn sources(folder: &Path, suffixes: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the workspace can be read") {
        let path = entry.expect("it is still there").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !MADE.contains(&name.as_str()) && !name.starts_with('.') {
            found.extend(sources(&path, suffixes));
        } else if suffixes.iter().any(|suffix| name.ends_with(suffix)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The text of a file.
///
/// # Panics
/// It cannot be read.
pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Asserts that a list of faults is empty.
///
/// # Panics
/// It is not; says `what` they are and names each.
pub fn assert_none(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}
