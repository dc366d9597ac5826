//! The text of source lines, from the files of this machine where a search looks for them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rustc_hash::FxHashSet;

use super::search::{Search, SourcePlace};
use crate::model::SourceText;
use crate::text::{LineSource, raw_text};

/// The files of this machine, each read once.
#[derive(Default)]
pub struct SourceFiles {
    files: HashMap<String, Option<Vec<String>>>,
    /// Files that were written later than this, in ns since 1970, are left out; 0 for none.
    written_until_ns: u64,
    search: Arc<Search>,
    /// The lines that recordings carry, which need no files.
    carried: Vec<Arc<SourceText>>,
    n_left_out: usize,
    /// Files that are younger, and shown all the same, because the user says that they are the source.
    n_younger: usize,
}

impl SourceFiles {
    /// Those that were not written after this moment, in ns since 1970: the lines of others are not those that ran.
    #[must_use]
    pub fn as_of(written_until_ns: u64) -> SourceFiles {
        SourceFiles { written_until_ns, ..SourceFiles::default() }
    }

    /// The same, at the places of `search`.
    #[must_use]
    pub fn looking_in(self, search: &Arc<Search>) -> SourceFiles {
        SourceFiles { search: Arc::clone(search), ..self }
    }

    /// The same, with the lines that a recording carries, before those of files.
    #[must_use]
    pub fn carrying(mut self, source: &Arc<SourceText>) -> SourceFiles {
        self.carried.push(Arc::clone(source));
        self
    }

    /// What was left out, or is in doubt, as sentences.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let were = |n, one: &'static str, several: &'static str| match n {
            1 => ("1 source file was".to_owned(), one),
            n => (format!("{n} source files were"), several),
        };
        let left_out = (self.n_left_out > 0).then(|| {
            let (files, of) = were(self.n_left_out, "it", "them");
            format!("{files} edited since the recording, so no lines of {of} are shown.")
        });
        let younger = (self.n_younger > 0).then(|| {
            let (files, its) = were(self.n_younger, "its", "their");
            format!("{files} written since the recording, where --map leads; {its} lines may be others.")
        });
        let all: Vec<String> = left_out.into_iter().chain(younger).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    fn read(&mut self, recorded: &Path) -> Option<Vec<String>> {
        // A program's own relative name is of the folder that it was built in, which is not known.
        if self.written_until_ns != 0 && !recorded.is_absolute() {
            return None;
        }
        let SourcePlace { path, is_named } = self.search.source(recorded);
        let metadata = fs::metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > SOURCE_BYTES_MAX {
            return None;
        }
        let written = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let written_ns = written.map_or(0, |time| time.as_nanos());
        if self.written_until_ns != 0 && written_ns > u128::from(self.written_until_ns) {
            // A copy of the sources that was made elsewhere is always younger.
            self.n_younger += usize::from(is_named);
            self.n_left_out += usize::from(!is_named);
            if !is_named {
                return None;
            }
        }
        let bytes = fs::read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }
}

/// Larger files are not source that anybody wrote, and the names come from the recording: it must not make us read
/// whatever it likes.
const SOURCE_BYTES_MAX: u64 = 16 << 20;

/// The endings of files with source. Names come from recordings, and pages and bundles are sent to others: a recording that was made up
/// must not take other files with it.
const ENDINGS: [&str; 27] = [
    "c", "h", "cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "tcc", "ipp", "inc", "inl", "rs", "py",
    "pyx", "go", "d", "f", "f90", "f95", "ml", "mli", "m", "mm", "zig",
];

/// Whether a file may be one of source, by its name.
#[must_use]
pub fn is_source(file: &str) -> bool {
    let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// How many lines before and after that of a frame are looked at with it.
pub const LINES_AROUND: u32 = 4;
/// What is longer is no line that anybody reads, in bytes.
pub const LINE_BYTES_MAX: usize = 240;

impl SourceFiles {
    /// The lines of `places` (file and line), and those around them.
    #[must_use]
    pub fn around<'a>(&mut self, places: impl Iterator<Item = (&'a str, u32)>) -> SourceText {
        let mut text = SourceText::default();
        let mut seen = FxHashSet::default();
        for (file, line) in places.filter(|(file, line)| *line > 0 && is_source(file)) {
            if !seen.insert((file, line)) || self.line(file, line).is_none() {
                continue;
            }
            for near in line.saturating_sub(LINES_AROUND).max(1)..=line.saturating_add(LINES_AROUND) {
                let Some(found) = self.line(file, near) else { break };
                let cut = found.get(..found.floor_char_boundary(LINE_BYTES_MAX)).unwrap_or_default();
                text.add(file, near, cut.to_owned());
            }
        }
        text
    }
}

impl LineSource for SourceFiles {
    fn line(&mut self, filename: &str, lineno: u32) -> Option<String> {
        if let Some(carried) = self.carried.iter().find_map(|source| source.line(filename, lineno)) {
            return Some(carried.to_owned());
        }
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

    #[test]
    fn source_is_where_a_search_looks_and_what_is_named_may_be_younger() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for (path, text) in
            [("src/a.c", "mapped"), ("root/app/b.py", "in the root folder"), ("here.c", "here")]
        {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        }
        let search = Arc::new(Search {
            maps: vec![("/build".into(), at("src"))],
            sysroot: Some(at("root")),
            ..Search::default()
        });
        let here = at("here.c").display().to_string();
        let mut files = SourceFiles::default().looking_in(&search);
        assert_eq!(files.line("/build/a.c", 1).as_deref(), Some("mapped"));
        assert_eq!(files.line("/app/b.py", 1).as_deref(), Some("in the root folder"));
        // A program is compiled on another machine than it runs on.
        assert_eq!((files.line(&here, 1).as_deref(), files.note()), (Some("here"), None));
        let mut files = SourceFiles::as_of(1).looking_in(&search);
        assert_eq!(files.line("/build/a.c", 1).as_deref(), Some("mapped"));
        assert_eq!((files.line("/app/b.py", 1), files.line("/build/none.c", 1)), (None, None));
        let note = files.note().unwrap();
        assert!(
            note.starts_with("1 source file was edited") && note.contains(" where --map leads"),
            "{note}"
        );
    }
}
