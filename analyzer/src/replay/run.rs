//! Replays one process, or all of them: each is an address space of its own that starts with what its parent had.

use std::mem;

use rustc_hash::{FxHashMap, FxHashSet};
use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::metadata::Ending;

use super::Engine;
use super::checkpoint::{Folded, FoldedPart};
use super::engine::{Beginning, From};
use super::live::{LiveBlocks, MemoryKind};
use super::observer::{Held, Observer};
use super::observers::Folding;
use crate::error::{Error, Result};
use crate::events::{Block, Decoders, Merge, MergedEvent};
use crate::reader::{Process, Recording};

/// Whose blocks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// Those of one process, the inherited ones with them.
    One(ProcessIndex),
    /// Those of all. A block counts for the process that allocated it: what a child inherited is memory that it
    /// shares with its parent until either writes to it.
    All,
}

/// Replays `processes` up to and including `until`, and no further than the recording reaches. `observer_of` makes the observer of a process at its start, `done` gets it back
/// with the engine at `until`. Processes that were forked later are left out of all; those that had ended are not;
/// and an observer hears of a block's end in the process that allocated it alone.
///
/// # Errors
/// There is no such process, or it was forked after `until`.
pub fn run<O: Observer>(
    recording: &Recording,
    processes: Processes,
    until: Stamp,
    mut observer_of: impl FnMut(&Engine<'_>) -> O,
    mut done: impl FnMut(&Engine<'_>, O),
) -> Result<()> {
    let until = until.min(recording.last_stamp());
    let mut folded = Folded::of(recording)?;
    Decoders::with(|decoders| match processes {
        Processes::One(process) => {
            began_by(recording, process, until)?;
            folded.has_blocks_of(recording, process)?;
            let from = beginning(recording, &mut folded, process, decoders)?;
            let mut engine = engine(recording, process, from, decoders);
            let mut observer = observer_of(&engine);
            engine.begin_told(true, &mut observer);
            engine.run(until, &mut observer);
            finish(recording, &mut engine, until);
            done(&engine, observer);
            Ok(())
        }
        Processes::All => {
            // A process whose parent left no trace starts with nothing.
            let roots = recording.processes.iter().filter(|process| parent(recording, process).is_none());
            let counts = |process| own_since(recording, Processes::All, process);
            let mut families = Families::new(recording, until, decoders, folded, counts, |_| true);
            for root in roots.filter(|root| root.start <= until) {
                families.run(root.index, &mut observer_of, &mut |engine, observer| {
                    finish(recording, engine, until);
                    done(engine, observer);
                });
            }
            Ok(())
        }
    })
}

/// Calls `call` with each event of `process` in the order in which it takes effect. An event of which it shows only
/// later that it came before others of its address comes after them.
///
/// # Errors
/// There is no such process.
pub fn events(recording: &Recording, process: ProcessIndex, call: impl FnMut(&MergedEvent)) -> Result<()> {
    let mut folded = Folded::of(recording)?;
    Decoders::with(|decoders| {
        let from = beginning(recording, &mut folded, process, decoders)?;
        engine(recording, process, from, decoders).run(recording.last_stamp(), &mut Call(call));
        Ok(())
    })
}

/// Calls a function with each event.
struct Call<F>(F);

impl<F: FnMut(&MergedEvent)> Observer for Call<F> {
    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        (self.0)(event);
    }

    fn on_total(&mut self, event: &MergedEvent) {
        (self.0)(event);
    }
}

/// When `process` was forked; `None` if it is not a fork.
pub fn forked_at(recording: &Recording, process: ProcessIndex) -> Option<Stamp> {
    let process = recording.process(process)?;
    process.parent.map(|_| process.start)
}

/// When `process` ended, if that is known.
pub fn ended_at(recording: &Recording, process: ProcessIndex) -> Option<Stamp> {
    let process = recording.process(process)?;
    (process.ending != Ending::Unknown).then_some(process.end)
}

/// # Errors
/// `process` was forked after `until`: at that time all blocks were its parent's.
fn began_by(recording: &Recording, process: ProcessIndex, until: Stamp) -> Result<()> {
    let Some(fork) = forked_at(recording, process).filter(|&fork| fork > until) else { return Ok(()) };
    let pid = recording.process(process).map_or(0, |process| process.pid);
    let (began_ns, until_ns) = (recording.ns(fork), recording.ns(until));
    Err(Error::BeganLater { path: recording.file.path().to_owned(), pid, began_ns, until_ns })
}

/// The process that `process` inherited its first blocks from, if that is in the recording.
pub fn parent<'a>(recording: &'a Recording, process: &Process) -> Option<&'a Process> {
    recording.process(process.parent?)
}

/// The moment from which a process counts when all processes are summed: a forked child contributes only what it
/// allocated after the fork.
pub(super) fn own_since(recording: &Recording, processes: Processes, process: ProcessIndex) -> Option<Stamp> {
    let process = recording.process(process).filter(|_| processes == Processes::All)?;
    parent(recording, process).map(|_| process.start)
}

/// Tells an observer of no inherited block that goes, nor of parts of one: it is the parent's, where it counts.
struct Own<O> {
    observer: O,
    /// Blocks up to this are inherited.
    since: Option<Stamp>,
}

impl<O: Observer> Observer for Own<O> {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        self.observer.on_folded(part)
    }

    #[inline]
    fn on_turn(&mut self, stamp: Stamp) {
        self.observer.on_turn(stamp);
    }

    #[inline(always)]
    fn on_alloc(&mut self, block: &Block) {
        if self.since.is_none_or(|fork| block.birth > fork) {
            self.observer.on_alloc(block);
        }
    }

    #[inline(always)]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        if self.since.is_none_or(|fork| block.birth > fork) {
            self.observer.on_free(block, event);
        }
    }

    #[inline]
    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        if self.since.is_none_or(|fork| block.birth > fork) {
            self.observer.on_forget(block, stamp);
        }
    }

    #[inline]
    fn on_peak_reset(&mut self, stamp: Stamp) {
        self.observer.on_peak_reset(stamp);
    }

    #[inline(always)]
    fn on_event(&mut self, event: &MergedEvent) {
        self.observer.on_event(event);
    }

    #[inline]
    fn on_total(&mut self, event: &MergedEvent) {
        self.observer.on_total(event);
    }

    #[inline]
    fn on_held(&mut self, held: Option<&Held>, stamp: Stamp) {
        self.observer.on_held(held, stamp);
    }
}

/// A process on the way, and its forks that are still to come.
struct Member<'a, O> {
    engine: Engine<'a>,
    observer: Own<O>,
    /// (when, child), latest first.
    forks: Vec<(Stamp, ProcessIndex)>,
}

/// Processes and all that descend from them, each replayed once; memory is that of one line of descent.
struct Families<'a, 'd, F> {
    recording: &'a Recording,
    until: Stamp,
    decoders: &'d Decoders<'a>,
    folded: Folded,
    /// Since when a process's blocks count as its own.
    counts: F,
    /// Those that are to come, by parent: (when, child), latest first.
    forks: FxHashMap<ProcessIndex, Vec<(Stamp, ProcessIndex)>>,
}

impl<'a, 'd, F: Fn(ProcessIndex) -> Option<Stamp>> Families<'a, 'd, F> {
    /// Those of `recording` that began by `until`, `with` these alone.
    fn new(
        recording: &'a Recording,
        until: Stamp,
        decoders: &'d Decoders<'a>,
        folded: Folded,
        counts: F,
        with: impl Fn(ProcessIndex) -> bool,
    ) -> Families<'a, 'd, F> {
        let mut forks: FxHashMap<ProcessIndex, Vec<(Stamp, ProcessIndex)>> = FxHashMap::default();
        for process in
            recording.processes.iter().filter(|process| process.start <= until && with(process.index))
        {
            if let Some(parent) = process.parent {
                forks.entry(parent).or_default().push((process.start, process.index));
            }
        }
        forks.values_mut().for_each(|forks| forks.sort_unstable_by(|a, b| b.cmp(a)));
        Families { recording, until, decoders, folded, counts, forks }
    }

    fn run<O: Observer>(
        &mut self,
        root: ProcessIndex,
        observer_of: &mut impl FnMut(&Engine<'_>) -> O,
        done: &mut impl FnMut(&mut Engine<'_>, O),
    ) {
        let mut line = vec![self.start(root, LiveBlocks::default, observer_of)];
        while let Some(mut member) = line.pop() {
            if let Some((fork, child)) = member.forks.pop() {
                member.engine.run(fork, &mut member.observer);
                let child = self.start(child, || member.engine.live().clone(), observer_of);
                line.extend([member, child]);
            } else {
                member.engine.run(self.until, &mut member.observer);
                done(&mut member.engine, member.observer.observer);
            }
        }
    }

    /// Starts with a process that would inherit what `live` returns.
    fn start<O: Observer>(
        &mut self,
        index: ProcessIndex,
        live: impl FnOnce() -> LiveBlocks,
        observer_of: &mut impl FnMut(&Engine<'_>) -> O,
    ) -> Member<'a, O> {
        let Families { recording, decoders, folded, counts, forks, .. } = self;
        let forks = forks.remove(&index).unwrap_or_default();
        let is_late = recording.process(index).is_some_and(|process| folded.is_late(process));
        let from = match folded.take(index) {
            Some(known) => From::Checkpoint(Box::new(known)),
            None if is_late => From::Unknown,
            None => From::Start(Box::new(live())),
        };
        let mut engine = engine(recording, index, from, decoders);
        let mut observer = Own { observer: observer_of(&engine), since: counts(index) };
        engine.begin_told(observer.since.is_none(), &mut observer);
        Member { engine, observer, forks }
    }
}

/// Folds all events of `recording` up to `until` that are later than what is `folded`, to which they are added: each process goes on to
/// the moment that it has to, and no further.
pub(crate) fn fold(recording: &Recording, folded: &mut Folded, until: Stamp) {
    // Nothing is added to what is known of these, and their children know what they had, or nothing does.
    let closed: FxHashSet<ProcessIndex> =
        folded.all().filter(|(.., is_closed)| *is_closed).map(|(process, ..)| process).collect();
    let mut processes = Vec::new();
    let is_forked = |process| forked_at(recording, process).is_some();
    // The program that is recorded has its processor to itself.
    Decoders::beside(1, |decoders| {
        let open = recording.processes.iter().filter(|process| !closed.contains(&process.index));
        let roots = open
            .filter(|process| parent(recording, process).is_none_or(|parent| closed.contains(&parent.index)));
        // All that happens in a process is folded, whosever blocks it is about.
        let is_open = |process| !closed.contains(&process);
        let mut families = Families::new(recording, until, decoders, mem::take(folded), |_| None, is_open);
        let thread_tags = &recording.thread_tags;
        for root in roots.filter(|root| root.start <= until) {
            let observer_of = &mut |engine: &Engine<'_>| {
                let forked = forked_at(recording, engine.process());
                let start = recording.process(engine.process()).map_or(Stamp(0), |process| process.start);
                let live = [MemoryKind::Traced, MemoryKind::Mappings].map(|kind| engine.totals().live(kind));
                Folding::new(thread_tags, start, forked, live)
            };
            families.run(root.index, observer_of, &mut |engine, mut folding| {
                let until = engine.settle(until, &mut folding);
                let process = engine.process();
                let is_whole = recording.gone.contains(&process) && is_forked(process) && engine.is_at_end();
                if is_whole {
                    engine.finish_totals(recording);
                }
                processes.push(engine.fold(
                    folding,
                    until,
                    forked_at(recording, process).filter(|_| is_whole),
                ));
            });
        }
        *folded = families.folded;
    });
    folded.add(processes);
}

/// Adds to a replay of all events what threads did after their last records.
fn finish(recording: &Recording, engine: &mut Engine<'_>, until: Stamp) {
    if until >= recording.last_stamp() {
        engine.finish_totals(recording);
    }
}

/// A process that begins with `from`.
fn engine<'a>(
    recording: &'a Recording,
    process: ProcessIndex,
    from: From,
    decoders: &Decoders<'a>,
) -> Engine<'a> {
    let merge = Merge::new(recording, process, decoders);
    let beginning = Beginning { from, may_swap: merge.n_streams() > 1, resets_peak: false };
    Engine::new(recording, process, merge, beginning)
}

/// What a process begins with, found without a thread besides the calling one.
///
/// # Errors
/// There is no such process, or what was folded cannot be read.
pub(crate) fn beginning_here(recording: &Recording, process: ProcessIndex) -> Result<From> {
    let mut folded = Folded::of(recording)?;
    Decoders::without_threads(|decoders| beginning(recording, &mut folded, process, decoders))
}

/// What a process begins with: what is folded of it, or the blocks that its parent had when it was forked.
fn beginning<'a>(
    recording: &'a Recording,
    folded: &mut Folded,
    process: ProcessIndex,
    decoders: &Decoders<'a>,
) -> Result<From> {
    // From the process out to the first one of which anything is known, then back.
    let (mut line, mut next) = (Vec::new(), Some(process));
    let mut from = From::Start(Box::default());
    while let Some(index) = next {
        let Some(found) = recording.process(index) else { break };
        line.push((index, found.start));
        if let Some(known) = folded.take(index) {
            from = From::Checkpoint(Box::new(known));
            break;
        }
        if folded.is_late(found) {
            from = From::Unknown;
            break;
        }
        next = found.parent;
    }
    if line.is_empty() {
        let (path, known) = (recording.file.path().to_owned(), recording.processes.len());
        return Err(Error::NoSuchProcess { path, process, known });
    }
    for pair in line.windows(2).rev() {
        if let [(_, fork), (parent, _)] = *pair {
            let mut engine = engine(recording, parent, from, decoders);
            engine.run(fork, &mut ());
            from = From::Start(Box::new(engine.into_live()));
        }
    }
    Ok(from)
}
