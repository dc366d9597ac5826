//! Where the text of a source line comes from when a traceback is printed: Python's `linecache`, made pluggable.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Gives the text of source lines.
pub trait LineSource {
    /// Line `lineno` (from 1) of `filename`, or `None` if it is not at hand.
    fn line(&mut self, filename: &str, lineno: u32) -> Option<String>;
}

impl<F: FnMut(&str, u32) -> Option<String>> LineSource for F {
    fn line(&mut self, filename: &str, lineno: u32) -> Option<String> {
        self(filename, lineno)
    }
}

/// No source at all.
pub struct NoLines;

impl LineSource for NoLines {
    fn line(&mut self, _filename: &str, _lineno: u32) -> Option<String> {
        None
    }
}

/// The files of this machine, each read once.
#[derive(Default)]
pub struct SourceFiles {
    files: HashMap<String, Option<Vec<String>>>,
}

/// Larger files are not source that anybody wrote, and the names come from the recording: it must not make us read
/// whatever it likes.
const SOURCE_BYTES_MAX: u64 = 16 << 20;

impl LineSource for SourceFiles {
    fn line(&mut self, filename: &str, lineno: u32) -> Option<String> {
        let index = usize::try_from(lineno.checked_sub(1)?).ok()?;
        if !self.files.contains_key(filename) {
            self.files.insert(filename.to_owned(), read_lines(Path::new(filename)));
        }
        self.files.get(filename)?.as_ref()?.get(index).cloned()
    }
}

fn read_lines(path: &Path) -> Option<Vec<String>> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > SOURCE_BYTES_MAX {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_from_one_and_what_is_missing_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.c");
        fs::write(&path, "first\n  second\n").unwrap();
        let name = path.to_str().unwrap();
        let mut files = SourceFiles::default();
        assert_eq!(files.line(name, 2).as_deref(), Some("  second"));
        assert_eq!(files.line(name, 0), None);
        assert_eq!(files.line(name, 3), None);
        assert_eq!(files.line(folder.path().to_str().unwrap(), 1), None);
        assert_eq!(files.line("/dev/zero", 1), None);
    }
}
