//! The blocks that are asked for, and what that means for a recording or a `.snap` file.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::{ProcessIndex, ThreadIndex};

use super::time::Time;
use super::{domain, tags};
use crate::analysis::Frames;
use crate::error::{Refusal, Result};
use crate::model::{DomainFilter, Snapshot, StackPatterns, Trace};
use crate::reader::{Recording, Thread};
use crate::replay::{self, Processes, ResolvedMoment, Selection};
use crate::snapshot::{AdmittedStacks, Namer};
use crate::text::Pattern;

/// Properties that a block must have; by default any of the first process's heap and own domains has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The process that they are of.
    pub process: ProcessChoice,
    /// The thread that allocated it: its number, its name, or a pattern that several match.
    pub thread: Option<String>,
    /// The tag that it was allocated under; [`super::NO_TAG`] for none.
    pub tag: Option<String>,
    /// What the stack that allocated it must have and must not have, of the frames that are looked at.
    pub stacks: StackPatterns,
    /// Its domain, by name or number.
    pub domain: Option<String>,
    /// How long it has lived at the moment, or lived in all, in ns.
    pub ages_ns: RangeInclusive<u64>,
    /// Its requested bytes.
    pub sizes: RangeInclusive<u64>,
}

/// A process or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessChoice {
    /// The recording's first.
    #[default]
    First,
    /// All, each block once.
    All,
    /// The one with this pid.
    Pid(u32),
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks {
            process: ProcessChoice::First,
            thread: None,
            tag: None,
            stacks: StackPatterns::default(),
            domain: None,
            ages_ns: 0..=u64::MAX,
            sizes: 0..=u64::MAX,
        }
    }
}

/// What is asked for in a recording's own terms.
pub(super) struct Resolved {
    /// The processes.
    pub processes: Processes,
    /// The blocks; with a window, those that were born in it.
    pub selection: Selection,
    /// The window, if one was asked for.
    pub window: Option<(ResolvedMoment, ResolvedMoment)>,
    /// Sentences for the answer's notes.
    pub notes: Vec<String>,
    /// What has named frames to find out.
    pub namer: Namer,
}

impl Blocks {
    /// What is asked for in the terms of `recording`; of its stacks, the frames that are `seen` count, named by
    /// `namer`.
    ///
    /// # Errors
    /// It has no such process, thread, tag, domain or moment, or a window ends before it starts.
    pub(super) fn resolve(
        &self,
        recording: &Recording,
        time: &Time,
        seen: Frames,
        namer: Namer,
    ) -> Result<Resolved> {
        if self.ages_ns.is_empty() {
            return Err(Refusal::NoSuchAge.of(recording.file.path()));
        }
        let processes = match self.process {
            ProcessChoice::First => {
                Processes::One(recording.first_process().map_or(ProcessIndex(0), |first| first.index))
            }
            ProcessChoice::All => Processes::All,
            ProcessChoice::Pid(pid) => Processes::One(process(recording, pid)?),
        };
        let stamps = |ns: u64| if ns == u64::MAX { ns } else { replay::stamps_in(recording, ns) };
        let mut selection = Selection {
            threads: self
                .thread
                .as_deref()
                .map(|thread| threads(recording, processes, thread))
                .transpose()?,
            sizes: self.sizes.clone(),
            ages: stamps(*self.ages_ns.start())..=stamps(*self.ages_ns.end()),
            tags: self.tag.as_deref().map(|tag| tags::of_recording(recording, tag)).transpose()?,
            stacks: None,
            spaces: self.domain.as_deref().map(|domain| domain::spaces(recording, domain)).transpose()?,
            thread_tags: Arc::clone(&recording.thread_tags),
            born_after: None,
        };
        let window = match time {
            Time::Between(between) => Some(between.resolve(recording, processes, selection.memory_kind())?),
            Time::Usual | Time::At(_) => None,
        };
        // Without a window nothing is excluded: inherited blocks may be older than any stamp.
        selection.born_after = window.map(|(from, _)| from.stamp);
        let (mut notes, mut namer) = (Vec::new(), namer);
        if !self.stacks.is_empty() {
            let mut admitted = AdmittedStacks::new(self.stacks.clone(), seen, namer);
            selection.stacks = Some(admitted.update(recording));
            (notes, namer) = (admitted.notes(), admitted.into_namer());
        }
        Ok(Resolved { processes, selection, window, notes, namer })
    }

    /// The part of a `.snap` file's blocks that is asked for; of its stacks, the frames that are `seen` count.
    ///
    /// # Errors
    /// If anything is asked for that such a file does not know.
    pub(super) fn of_snapshot(&self, mut snapshot: Snapshot, path: &Path, seen: Frames) -> Result<Snapshot> {
        for (is_asked_for, what) in [
            (self.process != ProcessChoice::First, "processes"),
            (self.thread.is_some(), "threads"),
            (self.ages_ns != Blocks::default().ages_ns, "ages"),
        ] {
            if is_asked_for {
                return Err(Refusal::NotInSnapshot { what }.of(path));
            }
        }
        if let Some(tag) = &self.tag {
            tags::keep(&mut snapshot, path, tag)?;
        }
        snapshot.traces.retain(|trace| self.sizes.contains(&trace.size));
        if !self.stacks.is_empty() {
            snapshot.traces = self.of_stacks(snapshot.traces, seen);
        }
        if let Some(domain) = &self.domain {
            let domain = domain::number(&snapshot, path, domain)?;
            snapshot = snapshot.filter_traces(&[&DomainFilter::new(true, domain)]);
        }
        Ok(snapshot)
    }

    /// The traces with stacks that are asked for. Each shared traceback is looked at once.
    fn of_stacks(&self, mut traces: Vec<Trace>, seen: Frames) -> Vec<Trace> {
        let mut known: FxHashMap<usize, bool> = FxHashMap::default();
        let admits = |trace: &Trace| self.stacks.admit(seen.of(&trace.traceback).frames());
        // What is left out is dropped at the end, so that no address becomes another one's.
        let kept = traces
            .iter()
            .map(|trace| *known.entry(trace.traceback.identity()).or_insert_with(|| admits(trace)));
        let mut kept = kept.collect::<Vec<bool>>().into_iter();
        traces.retain(|_| kept.next().unwrap_or(false));
        traces
    }
}

/// The process with this pid.
///
/// # Errors
/// There is none.
pub fn process(recording: &Recording, pid: u32) -> Result<ProcessIndex> {
    let found = recording.processes.iter().find(|process| process.pid == pid);
    found.map(|process| process.index).ok_or_else(|| {
        let known = recording.processes.iter().map(|process| process.pid).collect();
        Refusal::NoProcess { pid, known }.of(recording.file.path())
    })
}

/// Whether `process` is `owner` or descends from it: then it has inherited that one's blocks.
fn is_of(recording: &Recording, process: ProcessIndex, owner: ProcessIndex) -> bool {
    std::iter::successors(Some(process), |&index| recording.process(index)?.parent)
        .any(|index| index == owner)
}

fn threads(recording: &Recording, processes: Processes, text: &str) -> Result<Vec<ThreadIndex>> {
    let tid = text.parse().ok();
    let named = |is: &dyn Fn(&str) -> bool| {
        recording.threads.iter().filter(|thread| is(&thread.name) || Some(thread.tid) == tid).collect()
    };
    let mut matches: Vec<&Thread> = named(&|name| name == text);
    if matches.is_empty() {
        // A name may have any character in it, so a pattern comes second.
        let pattern = Pattern::new(text);
        matches = named(&|name| pattern.matches(name));
    }
    let is_shown = |thread: &&Thread| match processes {
        Processes::All => true,
        Processes::One(process) => is_of(recording, process, thread.process),
    };
    let found: Vec<ThreadIndex> =
        matches.iter().filter(|thread| is_shown(thread)).map(|thread| thread.index).collect();
    let text = text.to_owned();
    match matches.first() {
        _ if !found.is_empty() => Ok(found),
        Some(elsewhere) => {
            let pid = recording.process(elsewhere.process).map_or(0, |process| process.pid);
            Err(Refusal::OtherProcess { text, pid }.of(recording.file.path()))
        }
        None => {
            let known = recording.threads.iter().map(|thread| format!("{} {}", thread.tid, thread.label()));
            Err(Refusal::NoThread { text, known: known.collect() }.of(recording.file.path()))
        }
    }
}
