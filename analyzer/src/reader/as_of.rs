//! The moment as of which a recording is read that somebody may still be writing to.
//!
//! ```text
//! records (who there is) -> do they run here? -> C, the clock now -> wait -> how far each stream was written
//! ```
//!
//! What happened up to C is in the streams once the wait is over, for the reasons that `follow` gives; what is later is left
//! out. Nobody who looks at what a process says of its end, or at whether it runs, after he has looked at its events can
//! know that he has seen them all; so all of that comes first.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tm_common::header::{GRAIN_BYTES, Header};
use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::segment::SegmentKind;

use super::file::{OpenFile, RecordingFile};
use super::metadata::TablesBuilder;
use super::{Process, scan};
use crate::error::{Error, Result};
use crate::host::Writers;
use crate::host::clock::now;

/// How long it takes until what happened up to a moment is in the file. Processors' clocks differ by 20 µs at most; a
/// thread that has lost its processor within `realloc`, which gives a block back before it writes so, mostly has it again.
const WRITTEN_AFTER: Duration = Duration::from_millis(1);

/// What is known before the events are looked at.
pub(super) struct AsOf {
    /// The header, read at the moment or after the last process had ended.
    pub header: Header,
    /// The moment; `None` if nobody writes to the file any more.
    pub moment: Option<Stamp>,
    /// The processes that ran a little before.
    pub running: BTreeSet<ProcessIndex>,
    /// Those that had ended by then for certain.
    pub gone: BTreeSet<ProcessIndex>,
}

impl AsOf {
    /// Looks at who writes to `file`, `were_gone` aside, who do not, and waits until what happened so far is in it.
    pub fn now(file: &RecordingFile, were_gone: &BTreeSet<ProcessIndex>) -> Result<AsOf> {
        let status = file.status().map_err(|source| Error::io("read", file.path(), source))?;
        let mut known = BTreeSet::new();
        loop {
            let header = read_header(
                file.opened().map_err(|source| Error::io("read", file.path(), source))?,
                file.path(),
            )?;
            let processes = processes(file);
            let asked: Vec<&Process> =
                processes.iter().filter(|process| !were_gone.contains(&process.index)).collect();
            let running = writers(&status, &asked);
            let mut gone = gone(&status, &processes, &asked, &running);
            gone.extend(were_gone);
            let moment = if running.is_empty() { None } else { now(&header.clock) };
            if moment.is_some() {
                thread::sleep(WRITTEN_AFTER);
                let header = read_header(
                    file.opened().map_err(|source| Error::io("read", file.path(), source))?,
                    file.path(),
                )?;
                return Ok(AsOf { header, moment, running, gone });
            }
            // One that has ended since may have forked another one before.
            let n_known = known.len();
            known.extend(processes.iter().map(|process| process.index));
            if known.len() == n_known {
                return Ok(AsOf { header, moment, running, gone });
            }
        }
    }
}

/// The ones of `processes` that may write now to the file with this status.
pub(super) fn writers(status: &Metadata, processes: &[&Process]) -> BTreeSet<ProcessIndex> {
    let mut writers = Writers::of(status);
    let writing = processes.iter().filter(|process| writers.has(process.liveness()));
    writing.map(|process| process.index).collect()
}

/// The ones of `asked`, of all `processes`, that write no more for certain; none where others may run that are not seen from here.
fn gone(
    status: &Metadata,
    processes: &[Process],
    asked: &[&Process],
    running: &BTreeSet<ProcessIndex>,
) -> BTreeSet<ProcessIndex> {
    // All of them are in the first one's namespace of pids, or in one inside of it. One that is forked into another has no parent there.
    let first = processes.iter().find(|process| process.parent.is_none());
    let sees_first = first.is_some_and(|first| running.contains(&first.index));
    let are_together = processes.iter().all(|process| process.parent.is_none() || process.ppid != 0);
    if running.is_empty() || !Writers::are_seen() || !(sees_first || are_together) {
        return BTreeSet::new();
    }
    let mut writers = Writers::of(status);
    let gone = asked
        .iter()
        .filter(|process| !running.contains(&process.index) && writers.is_without(process.liveness()));
    gone.map(|process| process.index).collect()
}

/// Reads the header of `file`, which is at `path`.
pub(crate) fn read_header(file: &OpenFile, path: &Path) -> Result<Header> {
    let mut buffer = Vec::new();
    file.read(0, GRAIN_BYTES, &mut buffer).map_err(|source| Error::io("read", path, source))?;
    Header::parse(&buffer).map_err(|source| Error::format(path, source))
}

/// The processes that have a record.
fn processes(file: &RecordingFile) -> Vec<Process> {
    let (mut tables, mut buffer) = (TablesBuilder::default(), Vec::new());
    for found in scan::scan(file).segments {
        if found.header.kind == SegmentKind::Metadata && found.read(file, &mut buffer).is_ok() {
            tables.add_segment(&buffer);
        }
    }
    tables.into_processes()
}
