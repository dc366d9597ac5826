//! What is asked of a recording or a snapshot, and its answer: of which file, when, which blocks, what of them, blamed and
//! grouped how. One type for all that ask; what the words of a command line mean is decided before.
//!
//! ```no_run
//! # fn main() -> tm_analyzer::error::Result<()> {
//! use tm_analyzer::request::Request;
//!
//! let mut request = Request::parse("tm.prog.1234.bin@mark:loaded".as_ref())?;
//! request.blocks.thread = Some("worker*".to_owned());
//! let profile = request.profile()?;
//! for statistic in request.grouping.statistics(&profile)?.iter().take(3) {
//!     println!("{} bytes: {:?}", statistic.size, statistic.traceback.most_recent());
//! }
//! # Ok(())
//! # }
//! ```

mod activity;
mod blocks;
mod domain;
mod grouping;
mod recorded;
mod slices;
mod tags;
mod time;

pub use blocks::{Blocks, ProcessChoice, process};
pub use grouping::Grouping;
pub use recorded::{During, Recorded, reading};
pub use slices::{Sliced, Slicing};
pub use tags::NO_TAG;
pub use time::{Between, Time};

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use blocks::Resolved;

use crate::error::{Refusal, Result};
use crate::model::{Moment, Origin, Profile, Snapshot, is_snap_file};
use crate::reader::Recording;
use crate::replay::{Churn, Processes, Selection};
use crate::snapshot::Namer;
use crate::symbolize::Search;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The recording or the snapshot.
    pub path: PathBuf,
    /// When.
    pub time: Time,
    /// The blocks that are asked for.
    pub blocks: Blocks,
    /// Whether [`Request::profile`] is of the blocks that were freed in the time, and not of those that are live at its
    /// end.
    pub is_churn: bool,
    /// The frames to blame, and how to add up.
    pub grouping: Grouping,
    /// Where names are looked for.
    pub search: Arc<Search>,
    /// Sentences for the answer's notes.
    pub notes: Vec<String>,
    /// Does the reading, which may take long: the place to show how far it is.
    pub during: During,
}

impl Request {
    /// Asks for all blocks of the file at `path`, at the usual moment.
    pub fn of(path: impl Into<PathBuf>) -> Request {
        Request {
            path: path.into(),
            time: Time::Usual,
            blocks: Blocks::default(),
            is_churn: false,
            grouping: Grouping::default(),
            search: Arc::default(),
            notes: Vec::new(),
            during: |_, read| read(),
        }
    }

    /// As [`Request::of`], of `FILE` or `FILE@MOMENT`: taken apart at the last `@` (or at `@mark:`), unless a file has all
    /// of it as its name.
    ///
    /// # Errors
    /// If what stands behind a file's name and an `@` is no moment.
    pub fn parse(text: &OsStr) -> Result<Request> {
        let whole = PathBuf::from(text);
        let Some((path, moment)) = text.to_str().and_then(time::split) else {
            return Ok(Request::of(whole));
        };
        let path = PathBuf::from(path);
        match moment.parse() {
            _ if whole.exists() => Ok(Request::of(whole)),
            Ok(moment) => Ok(Request { time: Time::At(moment), ..Request::of(path) }),
            Err(error) if path.exists() => Err(error),
            Err(_) => Ok(Request::of(whole)),
        }
    }

    /// Opens the recording, for what a snapshot cannot tell. Without a moment the time is the whole run.
    ///
    /// # Errors
    /// If it is a snapshot or cannot be read, or does not know what is asked for.
    pub fn open(&self) -> Result<Recorded> {
        if is_snap_file(&self.path)? {
            return Err(Refusal::NeedsEvents.of(&self.path));
        }
        Recorded::open(self)
    }

    /// Takes each block: of a recording, by default those of its peak. Stacks are whole: no frame is cut for blame.
    ///
    /// # Errors
    /// If the file cannot be read or is neither recording nor snapshot, or does not know what is asked for.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let (mut snapshot, notes) = match is_snap_file(&self.path)? {
            true => (self.of_snap_file()?, Vec::new()),
            false => self.take(Namer::take_snapshot)?,
        };
        self.note(snapshot.origin.as_mut(), notes);
        Ok(snapshot)
    }

    /// Takes the blocks added up: those that [`Request::snapshot`] takes, or those that were freed in the time. Their
    /// stacks end where [`Grouping`] blames.
    ///
    /// # Errors
    /// As [`Request::snapshot`]; a `.snap` file has no freed blocks.
    pub fn profile(&self) -> Result<Profile> {
        if self.is_churn {
            return self.churn().map(|profile| self.grouping.blamed(profile));
        }
        let (mut profile, notes) = match is_snap_file(&self.path)? {
            true => (self.of_snap_file()?.profile(), Vec::new()),
            false => self.take(Namer::take_profile)?,
        };
        self.note(profile.origin.as_mut(), notes);
        Ok(self.grouping.blamed(profile))
    }

    /// Takes what lives added up, with whole stacks, and with a row for each [`crate::model::Amount::size_class`].
    ///
    /// # Errors
    /// As [`Request::snapshot`].
    pub fn sized_profile(&self) -> Result<Profile> {
        let (mut profile, notes) = match is_snap_file(&self.path)? {
            true => (self.of_snap_file()?.sized_profile(), Vec::new()),
            false => self.take(Namer::take_sized_profile)?,
        };
        self.note(profile.origin.as_mut(), notes);
        Ok(profile)
    }

    fn of_snap_file(&self) -> Result<Snapshot> {
        match &self.time {
            Time::Usual => {
                self.blocks.of_snapshot(Snapshot::load(&self.path)?, &self.path, self.grouping.frames)
            }
            Time::At(moment) => Err(Refusal::OneMoment { asked: moment.to_string() }.of(&self.path)),
            Time::Between(_) => Err(Refusal::NotInSnapshot { what: "times" }.of(&self.path)),
        }
    }

    /// Takes of a recording, with sentences for the answer's notes.
    fn take<T>(
        &self,
        take: impl FnOnce(Namer, &Recording, Processes, &Moment, &Selection) -> Result<T>,
    ) -> Result<(T, Vec<String>)> {
        let recording = Recording::open(&self.path)?;
        let moment = self.time.moment().cloned().unwrap_or(Moment::Peak);
        recorded::reading(self.during, &recording, || {
            let namer = Namer::looking_in(&self.search);
            let resolved = self.blocks.resolve(&recording, &self.time, self.grouping.frames, namer)?;
            let Resolved { processes, selection, notes, namer, .. } = resolved;
            Ok((take(namer, &recording, processes, &moment, &selection)?, notes))
        })
    }

    fn churn(&self) -> Result<Profile> {
        let recorded = self.open()?;
        let select = &recorded.selection;
        let mut profile = recorded.profile(|process| Churn::new(select, process), |churn| churn.sums)?;
        if let Some(origin) = &mut profile.origin {
            origin.churn_from_ns = Some(recorded.from.ns);
        }
        Ok(profile)
    }

    fn note(&self, origin: Option<&mut Origin>, of_blocks: Vec<String>) {
        let Some(origin) = origin else { return };
        origin.notes.extend(self.notes.iter().cloned().chain(of_blocks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (String, Option<Moment>) {
        let request = Request::parse(OsStr::new(text)).unwrap();
        (request.path.to_str().unwrap().to_owned(), request.time.moment().cloned())
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
        assert!(Request::parse(OsStr::new(&typo)).unwrap_err().to_string().starts_with("'ten' is no moment"));
    }
}
