//! What replay makes of the events that a recording has folded away, as it stands in a checkpoint: of each process what lived,
//! what it adds up to, and what the whole run did up to then.

mod course;
mod process;
mod sums;

pub(in crate::replay) use course::Course;
pub(in crate::replay) use process::State;
pub use process::{FoldedPart, FoldedProcess};
pub use sums::FoldedSum;

use std::collections::BTreeMap;

use tm_common::ids::{ProcessIndex, Stamp};

use crate::error::{Error, Result};
use crate::reader::{Process, Recording};

/// The processes of a checkpoint, by number.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    processes: BTreeMap<u32, FoldedProcess>,
    /// All of them, also those that were taken out.
    known: BTreeMap<u32, Known>,
}

/// What is asked of a process whose checkpoint was taken out.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The latest event that is folded.
    latest: Stamp,
    until: Stamp,
    is_closed: bool,
}

impl Folded {
    /// Makes one of processes in any order.
    #[must_use]
    pub fn new(processes: Vec<FoldedProcess>) -> Folded {
        let known = |process: &FoldedProcess| Known {
            latest: process.latest(),
            until: process.until(),
            is_closed: process.is_closed(),
        };
        let known = processes.iter().map(|process| (process.process, known(process))).collect();
        let processes = processes.into_iter().map(|process| (process.process, process)).collect();
        Folded { processes, known }
    }

    /// Returns the body of a checkpoint.
    ///
    /// # Errors
    /// The system has no memory for it.
    pub fn encode(&self) -> std::io::Result<Vec<u8>> {
        rmp_serde::to_vec(&self.processes.values().collect::<Vec<_>>()).map_err(std::io::Error::other)
    }

    /// What is folded of `recording`; nothing of most.
    ///
    /// # Errors
    /// It is written by another version, or damaged.
    pub fn of(recording: &Recording) -> Result<Folded> {
        let Some(checkpoint) = &recording.checkpoint else { return Ok(Folded::default()) };
        let processes: Option<Vec<FoldedProcess>> = rmp_serde::from_slice(&checkpoint.body).ok();
        processes
            .filter(|processes| processes.iter().all(FoldedProcess::is_sound))
            .map(Folded::new)
            .ok_or_else(|| Error::NewerCheckpoint { path: recording.file.path().to_owned() })
    }

    /// Takes the process with this number out.
    pub(in crate::replay) fn take(&mut self, index: ProcessIndex) -> Option<FoldedProcess> {
        self.processes.remove(&index.0)
    }

    /// Takes out those that have ended and of which all is folded.
    pub(in crate::replay) fn take_closed(&mut self) -> Vec<FoldedProcess> {
        self.processes.extract_if(.., |_, process| process.is_closed()).map(|(_, process)| process).collect()
    }

    /// Whether `process` was forked before an event of its parent's that is folded: what lived then is not known.
    pub(in crate::replay) fn is_late(&self, process: &Process) -> bool {
        let parent = process.parent.and_then(|parent| self.known.get(&parent.0));
        parent.is_some_and(|parent| parent.is_closed || process.start < parent.latest)
            && !self.known.contains_key(&process.index.0)
    }

    /// # Errors
    /// `process` had ended when it was folded: its blocks are counted among those of all processes, and what it had from its parent
    /// is not known any more.
    pub(in crate::replay) fn has_blocks_of(
        &self,
        recording: &Recording,
        process: ProcessIndex,
    ) -> Result<()> {
        let Some(known) = self.known.get(&process.0).filter(|known| known.is_closed) else { return Ok(()) };
        let pid = recording.process(process).map_or(0, |process| process.pid);
        let (path, folded_ns) = (recording.file.path().to_owned(), recording.ns(known.until));
        Err(Error::Closed { path, pid, folded_ns })
    }
}
