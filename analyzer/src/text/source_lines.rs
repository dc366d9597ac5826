//! Where the text of a source line comes from when a traceback is printed: Python's `linecache`, made pluggable.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::raw_text;

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
    /// Files that were written later than this, in ns since 1970, are left out; 0 for none.
    written_until_ns: u64,
    n_left_out: usize,
}

impl SourceFiles {
    /// Those that were not written after this moment, in ns since 1970: the lines of others are not those that ran.
    #[must_use]
    pub fn as_of(written_until_ns: u64) -> SourceFiles {
        SourceFiles { written_until_ns, ..SourceFiles::default() }
    }

    /// What was left out, as a sentence.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let (files, of) = match self.n_left_out {
            0 => return None,
            1 => ("1 source file was".to_owned(), "it"),
            n => (format!("{n} source files were"), "them"),
        };
        Some(format!("{files} edited since the recording, so no lines of {of} are shown."))
    }

    fn read(&mut self, path: &Path) -> Option<Vec<String>> {
        // A program's own relative name is of the folder that it was built in, which is not known.
        if self.written_until_ns != 0 && !path.is_absolute() {
            return None;
        }
        let metadata = fs::metadata(path).ok()?;
        if !metadata.is_file() || metadata.len() > SOURCE_BYTES_MAX {
            return None;
        }
        let written = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let written_ns = written.map_or(0, |time| time.as_nanos());
        if self.written_until_ns != 0 && written_ns > u128::from(self.written_until_ns) {
            self.n_left_out += 1;
            return None;
        }
        let bytes = fs::read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }
}

/// Larger files are not source that anybody wrote, and the names come from the recording: it must not make us read
/// whatever it likes.
const SOURCE_BYTES_MAX: u64 = 16 << 20;

impl LineSource for SourceFiles {
    fn line(&mut self, filename: &str, lineno: u32) -> Option<String> {
        let index = usize::try_from(lineno.checked_sub(1)?).ok()?;
        if !self.files.contains_key(filename) {
            let lines = self.read(&raw_text::to_path(filename));
            self.files.insert(filename.to_owned(), lines);
        }
        self.files.get(filename)?.as_ref()?.get(index).cloned()
    }
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
        let mut files = SourceFiles::as_of(u64::MAX);
        assert_eq!((files.line("Cargo.toml", 1), files.note()), (None, None));
    }

    #[test]
    fn a_file_that_was_edited_since_is_left_out_and_said_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "first\nsecond\n").unwrap();
        let name = file.path().to_str().unwrap();
        let written = file.as_file().metadata().unwrap().modified().unwrap();
        let written_ns = written.duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let mut files = SourceFiles::as_of(written_ns);
        assert_eq!((files.line(name, 1).as_deref(), files.note()), (Some("first"), None));
        let mut files = SourceFiles::as_of(written_ns - 1);
        assert_eq!((files.line(name, 1), files.line(name, 2)), (None, None));
        let note = "1 source file was edited since the recording, so no lines of it are shown.";
        assert_eq!(files.note().as_deref(), Some(note));
    }
}
