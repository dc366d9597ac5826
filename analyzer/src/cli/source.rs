//! Where a command's snapshot comes from: a `.snap` file, or a moment of a recording.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tm_common::ids::ProcessIndex;

use crate::error::{Error, Result};
use crate::model::{Moment, Snapshot, is_snap_file};
use crate::reader::Recording;
use crate::snapshot::take_snapshot;

/// The snapshot in the file at `path`, which is told by its content, not its name. Of a recording, that of `moment`,
/// by default the peak.
///
/// # Errors
/// If the file cannot be read or is neither, or if a moment is asked of a snapshot, which has but one.
pub fn load(path: &Path, moment: Option<&Moment>) -> Result<Snapshot> {
    match (is_snap_file(path)?, moment) {
        (true, None) => Snapshot::load(path),
        (true, Some(moment)) => {
            let name = path.display();
            let what = format!("{name} is a snapshot of one moment, so '{moment}' cannot be taken from it");
            Err(Error::Usage(format!("{what}; leave the moment out, or give the recording")))
        }
        (false, moment) => {
            let recording = Recording::open(path)?;
            take_snapshot(&recording, ProcessIndex(0), *moment.unwrap_or(&Moment::Peak))
        }
    }
}

/// A file and perhaps a moment, as `diff` takes them: `FILE` or `FILE@MOMENT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The moment, if one was given.
    pub moment: Option<Moment>,
}

impl Source {
    /// Takes `text` apart at its last `@`, unless a file has all of it as its name.
    ///
    /// # Errors
    /// If what stands behind a file's name and an `@` is no moment.
    pub fn parse(text: &OsStr) -> Result<Source> {
        let whole = Source { path: PathBuf::from(text), moment: None };
        let Some((path, moment)) = text.to_str().and_then(|text| text.rsplit_once('@')) else {
            return Ok(whole);
        };
        let path = PathBuf::from(path);
        match moment.parse() {
            _ if whole.path.exists() => Ok(whole),
            Ok(moment) => Ok(Source { path, moment: Some(moment) }),
            Err(error) if path.exists() => Err(error),
            Err(_) => Ok(whole),
        }
    }

    /// The snapshot.
    ///
    /// # Errors
    /// Those of [`load`].
    pub fn load(&self) -> Result<Snapshot> {
        load(&self.path, self.moment.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (String, Option<Moment>) {
        let source = Source::parse(OsStr::new(text)).unwrap();
        (source.path.to_str().unwrap().to_owned(), source.moment)
    }

    #[test]
    fn a_moment_follows_the_last_at_sign() {
        assert_eq!(parse("a.bin"), ("a.bin".to_owned(), None));
        assert_eq!(parse("a.bin@10s"), ("a.bin".to_owned(), Some(Moment::TimeNs(10_000_000_000))));
        assert_eq!(parse("x@y/a.bin@peak"), ("x@y/a.bin".to_owned(), Some(Moment::Peak)));
        assert_eq!(parse("x@y/a.bin"), ("x@y/a.bin".to_owned(), None));
    }

    #[test]
    fn a_file_with_an_at_sign_in_its_name_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a@end");
        std::fs::write(&path, "").unwrap();
        assert_eq!(parse(path.to_str().unwrap()), (path.to_str().unwrap().to_owned(), None));
        let typo = format!("{}@ten", path.display());
        assert!(Source::parse(OsStr::new(&typo)).unwrap_err().to_string().starts_with("'ten' is no moment"));
    }
}
