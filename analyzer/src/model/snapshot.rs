//! All blocks that were live at one moment.

use std::path::Path;

use super::{Origin, Trace, snap_file};
use crate::error::Result;

/// The traces of one moment, tracemalloc's `Snapshot`.
///
/// Grouping, comparing and filtering are methods too; [`crate::analysis`] has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The live blocks, in no particular order.
    pub traces: Vec<Trace>,
    /// The most frames that a traceback was allowed to keep.
    pub traceback_limit: u32,
    /// The recording and moment that this is, if it was made from a recording.
    pub origin: Option<Origin>,
}

impl Snapshot {
    /// A snapshot of hand-made traces, without an origin.
    pub fn new(traces: Vec<Trace>, traceback_limit: u32) -> Snapshot {
        Snapshot { traces, traceback_limit, origin: None }
    }

    /// Bytes of all traces, of samples those that they stand for; a sum past 2^64 stays there.
    pub fn total_size(&self) -> u64 {
        self.traces.iter().fold(0, |sum: u64, trace| sum.saturating_add(trace.amount().bytes))
    }

    /// Whether it is of samples, also where a filter left none of them.
    pub fn is_sampled(&self) -> bool {
        let of_samples = self.origin.as_ref().is_some_and(|origin| origin.sampling.is_some());
        of_samples || self.traces.iter().any(|trace| trace.sample.is_some())
    }

    /// Writes the snapshot to `path`. A file of ours that is there is replaced by a whole one or stays as it is; what
    /// cannot be replaced (somebody else's, one with several names, a pipe) is written to.
    ///
    /// # Errors
    /// If it cannot be written.
    ///
    /// ```
    /// use tm_analyzer::model::{Frame, Snapshot, Trace, Traceback};
    ///
    /// let traceback = Traceback::new(vec![Frame::new("a.c", 3)], Some(1));
    /// let snapshot = Snapshot::new(vec![Trace { domain: 0, size: 64, traceback, tag: None, sample: None }], 16);
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("a.snap");
    /// snapshot.dump(&path).unwrap();
    /// assert_eq!(Snapshot::load(&path).unwrap(), snapshot);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dump(&self, path: &Path) -> Result<()> {
        snap_file::dump(self, path)
    }

    /// Reads a snapshot that [`Snapshot::dump`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is no snapshot file, or is cut, damaged or of a newer version.
    pub fn load(path: &Path) -> Result<Snapshot> {
        snap_file::load(path)
    }
}
