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

use serde::Serializer;
use tm_common::ids::{ProcessIndex, Stamp};

use crate::error::{Error, Result};
use crate::reader::checkpoint::BodyEnd;
use crate::reader::{Process, Recording};

/// The processes of a checkpoint, by number.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    processes: BTreeMap<u32, FoldedProcess>,
    /// All of them, also those that were taken out.
    known: BTreeMap<u32, Known>,
    /// Those that are kept as a checkpoint holds them: nothing is added to what is known of them. The latest, one after the other, ...
    sealed: Vec<u8>,
    /// ... those before, compressed, ...
    compressed: BodyEnd,
    /// ... and how many all of these are.
    n_sealed: u32,
}

/// So many bytes of sealed processes are compressed at once: fewer are not worth it.
const SEALED_BYTES: usize = if cfg!(test) { 1 << 10 } else { 256 << 10 };

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
        Folded { processes, known, ..Folded::default() }
    }

    /// Seals those that have ended and of which all is folded: from here on they are written as they are, and no more is asked of them
    /// than whether and until when they are there.
    ///
    /// # Errors
    /// The system has no memory for it.
    pub(crate) fn seal(&mut self) -> std::io::Result<()> {
        for (_, process) in self.processes.extract_if(.., |_, process| process.is_closed()) {
            rmp_serde::encode::write(&mut self.sealed, &process).map_err(std::io::Error::other)?;
            self.n_sealed += 1;
        }
        if self.sealed.len() >= SEALED_BYTES {
            self.compressed.push(&self.sealed)?;
            self.sealed.clear();
        }
        Ok(())
    }

    /// Adds processes in any order, in place of what was known of them.
    pub(in crate::replay) fn add(&mut self, processes: Vec<FoldedProcess>) {
        let Folded { processes, known, .. } = Folded::new(processes);
        self.processes.extend(processes);
        self.known.extend(known);
    }

    /// All of them, with the moments up to which they are folded, and whether they have ended and all is.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ProcessIndex, Stamp, bool)> + '_ {
        self.known.iter().map(|(&process, known)| (ProcessIndex(process), known.until, known.is_closed))
    }

    /// Returns the body of a checkpoint, and its end.
    ///
    /// # Errors
    /// The system has no memory for it.
    pub(crate) fn encode(&self) -> std::io::Result<(Vec<u8>, &BodyEnd)> {
        let n = self.n_sealed as usize + self.processes.len();
        let mut bytes = Vec::new();
        // A list of messagepack's: its length, then what is in it.
        rmp_serde::Serializer::new(&mut bytes).serialize_seq(Some(n)).map_err(std::io::Error::other)?;
        bytes.extend_from_slice(&self.sealed);
        for process in self.processes.values() {
            rmp_serde::encode::write(&mut bytes, process).map_err(std::io::Error::other)?;
        }
        Ok((bytes, &self.compressed))
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
