//! Opens a recording: finds its segments, and loads everything but the events, which `events` reads stream by stream.
//!
//! Whatever is readable of a cut or damaged file is read; what is not is listed in [`Recording::problems`].

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use tm_common::header::Header;
use tm_common::ids::{Domain, Epoch, ProcessIndex, Space, StackId, Stamp, TagIndex};

mod as_of;
pub mod checkpoint;
pub mod file;
pub mod headers;
pub mod metadata;
mod open;
pub mod problem;
pub mod scan;
pub mod stacks;
pub mod streams;
pub mod totals;

#[cfg(test)]
mod tests;

pub(crate) use as_of::read_header;
use checkpoint::Checkpoint;
pub(crate) use file::OpenFile;
use file::RecordingFile;
pub(crate) use headers::{FoundSegment, GRAIN, Headers};
pub use metadata::Process;
pub(crate) use metadata::TablesBuilder;
pub use metadata::commands::Command;
pub use metadata::domains::OwnDomain;
pub use metadata::modules::Module;
use metadata::modules::Modules;
pub use metadata::notes::Note;
pub use metadata::python::{Code, Interpreter, PythonTables};
pub use metadata::thread::Thread;
pub use metadata::thread_tags::{ThreadTag, ThreadTags};
pub(crate) use open::Settled;
pub use problem::Problem;
use scan::{OwnExtent, SegmentCounts};
pub(crate) use stacks::{FirstIds, NodePlace, Repeats, StackTable};
pub use stacks::{PythonStack, RawDoubts, Stack, StackFrame, StackMarks};
use streams::Stream;

use crate::bundle::Bundle;

/// An open recording.
#[derive(Debug)]
pub struct Recording {
    /// The file.
    pub file: RecordingFile,
    /// The file's header.
    pub header: Header,
    /// How many segments of each kind there are.
    pub segment_counts: SegmentCounts,
    /// The processes, by number; each that has events is there.
    pub processes: Vec<Process>,
    /// The threads, by number.
    pub threads: Vec<Thread>,
    /// The loaded files of all processes.
    pub modules: Modules,
    /// All stacks.
    pub stacks: StackTable,
    /// What the processes were told to do with their traces, and marks, by process and stamp.
    pub commands: Vec<Command>,
    /// The tags that threads put on events, by number from 1; none twice.
    pub tags: Vec<(TagIndex, String)>,
    /// The address spaces that the program named or numbered, by number.
    pub spaces: Vec<(Space, Domain, String)>,
    /// What the recorder noticed that every report must say, by reason.
    pub notes: Vec<Note>,
    /// The Python interpreters of all processes, and the code objects that they ran.
    pub python: PythonTables,
    /// The makers of events, and their tags; filled as they are decoded.
    pub thread_tags: Arc<ThreadTags>,
    /// The names that it carries, for machines that have nothing else.
    pub bundle: Arc<Bundle>,
    /// The events, by process and number.
    pub streams: Vec<Stream>,
    /// What threads that sample had done when the file was read, which may be a little after [`Recording::last_stamp`].
    pub totals: totals::AllLines,
    /// Where segments of events begin that are folded, in grains from the file's start.
    pub(crate) folded_grains: Vec<u64>,
    /// The extents that one stream has for itself, by place.
    pub own_extents: Vec<OwnExtent>,
    /// What stands in place of its first events, if it was kept within a limit.
    pub checkpoint: Option<Checkpoint>,
    /// What is missing or damaged, except what only shows when events are decoded.
    pub problems: Vec<Problem>,
    /// The last moment that it is known of, if it is being followed; else the streams say it.
    pub(crate) latest: Option<Stamp>,
    /// The stamp of the streams' last event, once it was looked for.
    pub(crate) last_event: OnceLock<Option<Stamp>>,
    /// The moment as of which it was read, if somebody may have been writing to it: what is later is left out.
    pub(crate) as_of: Option<Stamp>,
    /// The processes that ran at that moment.
    pub(crate) running: BTreeSet<ProcessIndex>,
    /// Those that had ended by then for certain: all that they wrote is there.
    pub(crate) gone: BTreeSet<ProcessIndex>,
    epochs: Vec<(Epoch, ProcessIndex)>,
}

impl Recording {
    /// A recording of which nothing but its header was read.
    pub(crate) fn empty(file: RecordingFile, header: Header) -> Recording {
        Recording {
            file,
            header,
            segment_counts: SegmentCounts::default(),
            processes: Vec::new(),
            threads: Vec::new(),
            modules: Modules::default(),
            stacks: StackTable::default(),
            commands: Vec::new(),
            tags: Vec::new(),
            spaces: Vec::new(),
            notes: Vec::new(),
            python: PythonTables::default(),
            thread_tags: Arc::default(),
            bundle: Arc::default(),
            streams: Vec::new(),
            totals: Vec::new(),
            folded_grains: Vec::new(),
            own_extents: Vec::new(),
            checkpoint: None,
            problems: Vec::new(),
            latest: None,
            last_event: OnceLock::new(),
            as_of: None,
            running: BTreeSet::new(),
            gone: BTreeSet::new(),
            epochs: Vec::new(),
        }
    }

    /// The process with number `index`.
    pub fn process(&self, index: ProcessIndex) -> Option<&Process> {
        let place = self.processes.binary_search_by_key(&index, |process| process.index).ok()?;
        self.processes.get(place)
    }

    /// The streams of a process: they stand by process and number.
    pub(crate) fn streams_of(&self, process: ProcessIndex) -> &[Stream] {
        let first = self.streams.partition_point(|stream| stream.process < process);
        let rest = self.streams.get(first..).unwrap_or_default();
        rest.get(..rest.partition_point(|stream| stream.process == process)).unwrap_or_default()
    }

    /// The process that began the recording; `None` if nothing is left of it.
    pub fn first_process(&self) -> Option<&Process> {
        self.processes.first()
    }

    /// The process whose addresses an epoch is about.
    pub fn process_of_epoch(&self, epoch: Epoch) -> Option<ProcessIndex> {
        let end = self.epochs.partition_point(|(first, _)| *first <= epoch);
        self.epochs.get(end.checked_sub(1)?).map(|(_, process)| *process)
    }

    /// The loaded file that a code address of `epoch` belongs to: one of the epoch's process, else one that it had
    /// from its parent.
    pub fn module_at(&self, epoch: Epoch, pc: u64) -> Option<&Module> {
        let mut epoch = epoch;
        let mut process = self.process_of_epoch(epoch)?;
        loop {
            if let Some(module) = self.modules.of_process(process, epoch, pc) {
                return Some(module);
            }
            let child = self.process(process)?;
            (process, epoch) = (child.parent?, child.parent_epoch);
        }
    }

    /// The commands to `process`, by stamp.
    pub fn commands_of(&self, process: ProcessIndex) -> impl Iterator<Item = &Command> {
        self.commands.iter().filter(move |command| command.process == process)
    }

    /// The domain that `space` is, with its name.
    pub fn domain(&self, space: Space) -> (Domain, &str) {
        let built_in = |domain: Domain| (domain, domain.built_in_name().unwrap_or_default());
        match space {
            Space::HEAP => built_in(Domain::HEAP),
            Space::MAPPINGS => built_in(Domain::MAPPINGS),
            _ => {
                let known = self.spaces.iter().find(|(known, ..)| *known == space);
                known.map_or((Domain(space.0.into()), ""), |(_, domain, name)| (*domain, name))
            }
        }
    }

    /// The name of a tag; `None` for no tag, and for one whose name was not recorded.
    pub fn tag_name(&self, tag: TagIndex) -> Option<&str> {
        let place = self.tags.binary_search_by_key(&tag, |(known, _)| *known).ok()?;
        self.tags.get(place).map(|(_, name)| name.as_str())
    }

    /// The native frames of the stack `id`, with as many frames as were ever asked for at most; `None` if there is none, or it is not in the
    /// recording.
    pub fn stack(&self, id: StackId) -> Option<Stack<'_>> {
        self.stacks.stack(id, self.n_frames_max())
    }

    /// The mean number of bytes from one sample to the next, the largest of several; 0 if every event was recorded.
    pub fn sample_bytes(&self) -> u64 {
        let segments = self.streams.iter().flat_map(|stream| &stream.segments);
        let folded = self.checkpoint.as_ref().map(|checkpoint| checkpoint.sample_bytes);
        segments.map(|segment| segment.sample_rate.mean_bytes()).chain(folded).max().unwrap_or(0)
    }

    /// The moment up to which events are folded into sums, as a stamp; `None` if all events are there.
    pub fn folded_until(&self) -> Option<Stamp> {
        self.checkpoint.as_ref().map(|checkpoint| checkpoint.until)
    }

    /// Nanoseconds from the recording's start to `stamp`.
    #[inline]
    pub fn ns(&self, stamp: Stamp) -> u64 {
        self.header.clock.ns_since_start(stamp)
    }

    /// The last stamp that is part of it.
    pub fn last_stamp(&self) -> Stamp {
        self.as_of.unwrap_or(Stamp(u64::MAX))
    }

    /// Whether `process` still ran when the recording was read.
    pub fn is_running(&self, process: ProcessIndex) -> bool {
        self.running.contains(&process)
    }

    /// Whether any process did, so that more was to come.
    pub fn is_unfinished(&self) -> bool {
        !self.running.is_empty()
    }
}
