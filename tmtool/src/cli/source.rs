//! Where a command's blocks come from: a `.snap` file, or a moment of a recording.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::programs::{self, Chosen};
use super::progress;
use super::recorded::Recorded;
use super::selection::SelectionArgs;
use crate::errors::{Error, Result};
use tm_analyzer::model::{Moment, Origin, Profile, Snapshot, is_snap_file};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{Churn, Processes, Selection};
use tm_analyzer::snapshot::{take_profile, take_snapshot};

/// A file and perhaps a moment: `FILE` or `FILE@MOMENT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The moment, if one was given.
    pub moment: Option<Moment>,
}

impl Source {
    /// Takes `text` apart at its last `@` (or at `@mark:`), unless a file has all of it as its name.
    ///
    /// # Errors
    /// If what stands behind a file's name and an `@` is no moment.
    pub fn parse(text: &OsStr) -> Result<Source> {
        let whole = Source { path: PathBuf::from(text), moment: None };
        let Some((path, moment)) = text.to_str().and_then(split) else {
            return Ok(whole);
        };
        let path = PathBuf::from(path);
        match moment.parse() {
            _ if whole.path.exists() => Ok(whole),
            Ok(moment) => Ok(Source { path, moment: Some(moment) }),
            Err(error) if path.exists() => Err(error.into()),
            Err(_) => Ok(whole),
        }
    }

    /// The same with the moment of `--at`, which is not given twice.
    ///
    /// # Errors
    /// If it is.
    pub fn at(mut self, moment: Option<&Moment>) -> Result<Source> {
        match (&self.moment, moment) {
            (Some(one), Some(other)) => {
                return Err(Error::Usage(format!("two moments: @{one} and --at {other}; leave one out")));
            }
            (None, Some(moment)) => self.moment = Some(moment.clone()),
            (_, None) => {}
        }
        Ok(self)
    }

    /// Each block of `selection`: of a recording, by default those of its peak.
    ///
    /// # Errors
    /// If the file cannot be read or is neither recording nor snapshot, or does not know what is asked for.
    pub fn snapshot(&self, selection: &SelectionArgs) -> Result<Snapshot> {
        let chosen = self.choose(selection)?;
        let snapshot = self.live(&chosen.path, selection, |snapshot| snapshot, take_snapshot)?;
        Ok(Snapshot { origin: noted(selection.noted(snapshot.origin), chosen), ..snapshot })
    }

    /// The same added up, or with churn, what was freed in its window.
    ///
    /// # Errors
    /// As [`Source::snapshot`]; a `.snap` file has no freed blocks.
    pub fn profile(&self, selection: &SelectionArgs) -> Result<Profile> {
        if selection.churn {
            return self.churn(selection);
        }
        let chosen = self.choose(selection)?;
        let profile = self.live(&chosen.path, selection, |snapshot| snapshot.profile(), take_profile)?;
        Ok(Profile { origin: noted(selection.noted(profile.origin), chosen), ..profile })
    }

    /// The file: of a folder's programs the one that is asked for.
    fn choose(&self, selection: &SelectionArgs) -> Result<Chosen> {
        match selection.program.as_deref() {
            None if !self.path.is_dir() => Ok(Chosen { path: self.path.clone(), note: None }),
            wanted => programs::choose(&self.path, wanted),
        }
    }

    /// The blocks of `selection`: those of a `.snap` file by `of_snapshot`, those of a recording by `take`.
    fn live<T>(
        &self,
        path: &Path,
        selection: &SelectionArgs,
        of_snapshot: impl FnOnce(Snapshot) -> T,
        take: impl FnOnce(&Recording, Processes, &Moment, &Selection) -> tm_analyzer::error::Result<T>,
    ) -> Result<T> {
        let name = path.display();
        match (is_snap_file(path)?, &self.moment) {
            (true, None) => selection.of_snapshot(Snapshot::load(path)?, &name.to_string()).map(of_snapshot),
            (true, Some(moment)) => {
                let what =
                    format!("{name} is a snapshot of one moment, so '{moment}' cannot be taken from it");
                Err(Error::Usage(format!("{what}; leave the moment out, or give the recording")))
            }
            (false, moment) => {
                let recording = Recording::open(path)?;
                let at = moment_of(moment.as_ref(), selection)?;
                progress::during(&recording, || {
                    let resolved = selection.resolve(&recording)?;
                    Ok(take(&recording, resolved.processes, &at, &resolved.selection)?)
                })
            }
        }
    }

    fn churn(&self, selection: &SelectionArgs) -> Result<Profile> {
        let recorded = self.recording(selection)?;
        let select = &recorded.selection;
        let mut profile = recorded.profile(|process| Churn::new(select, process), |churn| churn.sums)?;
        if let Some(origin) = &mut profile.origin {
            origin.churn_from_ns = Some(recorded.from.ns);
        }
        Ok(profile)
    }

    /// The recording, for what a snapshot cannot tell.
    ///
    /// # Errors
    /// If it is a snapshot or cannot be read, or does not know what is asked for.
    pub fn recording(&self, selection: &SelectionArgs) -> Result<Recorded> {
        let Chosen { path, note } = self.choose(selection)?;
        if is_snap_file(&path)? {
            let what = format!("{} is a snapshot of live blocks, and this needs all events", path.display());
            return Err(Error::Usage(format!("{what}; give the recording")));
        }
        let mut recorded = Recorded::open(&path, self.moment.as_ref(), selection)?;
        recorded.notes.extend(note);
        Ok(recorded)
    }
}

/// `origin` with the note on which of a folder's recordings it is.
fn noted(mut origin: Option<Origin>, chosen: Chosen) -> Option<Origin> {
    if let Some(origin) = &mut origin {
        origin.notes.extend(chosen.note);
    }
    origin
}

/// A file's name and a moment, if there is an `@`.
fn split(text: &str) -> Option<(&str, &str)> {
    match text.find("@mark:") {
        Some(place) => Some((text.get(..place)?, text.get(place + 1..)?)),
        None => text.rsplit_once('@'),
    }
}

/// The moment of a snapshot: with a window its end, else what is given or the peak.
fn moment_of(given: Option<&Moment>, selection: &SelectionArgs) -> Result<Moment> {
    match (given, &selection.between) {
        (Some(moment), Some(_)) => {
            Err(Error::Usage(format!("--between has its own end, so leave the moment '{moment}' out")))
        }
        (Some(moment), None) => Ok(moment.clone()),
        (None, Some(between)) => Ok(between.until.clone()),
        (None, None) => Ok(Moment::Peak),
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
        assert_eq!(parse("a.bin@mark:x@y"), ("a.bin".to_owned(), Some(Moment::Mark("x@y".to_owned()))));
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
