//! Follows one process's recording while it is being written: replays what has come since the last time, and knows what is
//! live now. It reads the file and nothing else, makes no thread, and needs no descriptor between two calls: so it may
//! serve inside of the recorded process itself.
//!
//! ```text
//! segments (which there are) -> growing stream (its events) -> merge -> window -> engine    replay's own, made to go on
//!                            -> stacks, metadata -> Recording, which grows in place
//! ```
//!
//! **What is exact.** The caller asks for the moment C, a stamp of the recording's clock that was read before the call.
//! [`Follower::catch_up`] waits until the clock is 20 µs past C, looks at how far the streams have been written, and replays
//! what has stamps up to C.
//!
//! - What happened before C was written, or is being written, when C came: an allocation's stamp is read and its record
//!   written before the hook returns, a free's before the real free is called. So for each address these events are closed
//!   under "happened before": of a block that is there, its allocation is; of one that was given out again, its free is.
//! - Processors' clocks differ by less than 1 µs. An event that happened before one with a stamp up to C may have a stamp
//!   after C; it was written before that one, so it is among what was read. All that was read with stamps after C is kept
//!   for the next time, and serves as look-ahead where stamps are swapped (`replay::repair`).
//! - A thread that lost its processor between stamp and record writes an event late, with an old stamp; `realloc` does
//!   always, whose record is written when it returns and has the stamp of its beginning. Nobody can know of it before, and
//!   nobody who asked has seen its effect: the hook has not returned. It is replayed when it comes. Where a block has taken
//!   the place of one that such a `realloc` gave back, its stamp tells which of the two is meant.
//! - A command's record (start, stop, clear) is written before what comes after it. One that comes late is obeyed late, and
//!   forgets the blocks up to its own stamp.

mod beginning;
mod grains;
mod growing_events;
mod growing_stream;
mod metadata;
mod segments;
mod stacks;

#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod made_program;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::free_list::Top;
use tm_common::header::Header;
use tm_common::ids::{ProcessIndex, Stamp, StreamIndex};
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};

use crate::error::{Error, Result};
use crate::events::{Block, Merge};
use crate::host::clock::{calibrate, is_ours, now};
use crate::reader::file::{FileIdentity, RecordingFile};
use crate::reader::totals::add_segment as add_lines;
use crate::reader::{FoundSegment, Headers, OpenFile, Problem, Recording, ThreadTags, read_header};
use crate::replay::{Beginning, LiveBlocks, MemoryKind, Observer, Replayer, Totals, tolerance};
use beginning::beginning;
use growing_events::GrowingEvents;
use growing_stream::GrowingStream;
use metadata::MetadataReader;
use segments::Segments;
use stacks::StackReader;

/// How often events may be folded while it is begun again.
const FOLDED_MEANWHILE_MAX: u32 = 3;

/// How to follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A clearing or a stop makes the peak 0 too, as the program sees it. Otherwise the peak is that of the whole run.
    pub resets_peak: bool,
    /// The file stays open between calls. Otherwise it is opened by its path each time, and has to be the same file.
    pub keep_open: bool,
    /// The file that it has to be (device and inode number); `None` for whatever is at the path.
    pub identity: Option<FileIdentity>,
}

/// A process whose recording is being followed.
#[derive(Debug)]
pub struct Follower {
    recording: Recording,
    process: ProcessIndex,
    options: Options,
    clock_is_ours: bool,
    engine: Replayer<GrowingEvents>,
    /// For each stream of the process, its place in the engine. The first of these is what it gave back.
    places: FxHashMap<StreamIndex, usize>,
    sources: Sources,
}

/// Where new things are found.
#[derive(Debug)]
struct Sources {
    segments: Segments,
    headers: Headers,
    /// What `headers` says of the present look, as of the look before.
    damaged_before: BTreeSet<u64>,
    metadata: MetadataReader,
    stacks: StackReader,
    /// Segments of events of the process that are not with their streams yet, and the look that found each.
    events: Vec<(FoundSegment, u64)>,
    /// The segments with the lines of the process's threads: read anew in each look.
    totals: Vec<FoundSegment>,
    /// How often it was looked.
    n_looks: u64,
    n_duplicates: u64,
}

impl Follower {
    /// Opens the recording at `path` at the start of `process`, of which nothing is replayed yet; a forked one has what
    /// its parent had, and one whose first events are folded what they made of it.
    ///
    /// # Errors
    /// It cannot be read, is not a recording that this version reads, or has no such process.
    pub fn open(path: &Path, process: ProcessIndex, options: Options) -> Result<Follower> {
        Follower::open_with(path, process, options, Arc::default())
    }

    /// Tells `observer` what is known of folded events, if the follower begins after such.
    pub fn tell_folded(&self, observer: &mut impl Observer) {
        self.engine.tell_folded(true, observer);
    }

    fn open_with(
        path: &Path,
        process: ProcessIndex,
        options: Options,
        thread_tags: Arc<ThreadTags>,
    ) -> Result<Follower> {
        let mut file = RecordingFile::open_growing(path)?;
        if options.identity.is_some_and(|identity| identity != file.identity()) {
            return Err(Error::Replaced { path: path.to_owned() });
        }
        let open = file.reopen()?;
        let header = read_header(&open, path)?;
        let mut recording = Recording::empty(file, header);
        recording.thread_tags = thread_tags;
        let mut sources = Sources {
            segments: Segments::new(),
            headers: Headers::default(),
            damaged_before: BTreeSet::new(),
            metadata: MetadataReader::new(process),
            stacks: StackReader::default(),
            events: Vec::new(),
            totals: Vec::new(),
            n_looks: 0,
            n_duplicates: 0,
        };
        sources.look_for_segments(&open, &mut recording, process);
        sources.stacks.look(&open, &mut sources.headers, &mut recording.stacks, None);
        // All commands so far: the engine begins with them.
        sources.metadata.look(&open, &mut sources.headers, &mut recording, None);
        let from = beginning(&mut recording, process)?;
        let clock_is_ours = recording
            .process(process)
            .is_some_and(|process| is_ours(&recording.header.clock, &process.liveness()));
        if clock_is_ours {
            calibrate(&mut recording.header.clock);
        }
        let beginning = Beginning { from, may_swap: true, resets_peak: options.resets_peak };
        let merge = Merge::of(vec![GrowingEvents::default()]);
        let engine = Replayer::new(&recording, process, merge, beginning);
        let places = FxHashMap::default();
        let mut follower = Follower { recording, process, options, clock_is_ours, engine, places, sources };
        follower.pause();
        Ok(follower)
    }

    /// Replays all events up to and including `until` that are in the recording by now, `observer` being told of each;
    /// later calls go on from there. If `until` is (nearly) the present moment it waits until all of them must have been
    /// written: 20 µs, during which it keeps its processor busy.
    ///
    /// # Errors
    /// The file cannot be opened or read, or its header is damaged; what was replayed before stays as it is. [`Error::Folded`]
    /// if events were folded since that had not been replayed: then another follower has to begin.
    pub fn catch_up(&mut self, until: Stamp, observer: &mut impl Observer) -> Result<()> {
        self.catch_up_after(until, observer, |_, _| {})
    }

    /// The same; `prepare` is called when the events are known, and the stacks that they name, and none is replayed yet.
    ///
    /// # Errors
    /// As [`Follower::catch_up`].
    pub fn catch_up_after<O: Observer>(
        &mut self,
        until: Stamp,
        observer: &mut O,
        prepare: impl FnOnce(&Recording, &mut O),
    ) -> Result<()> {
        self.wait_for(until);
        let mut read = self.read();
        for _ in 0..FOLDED_MEANWHILE_MAX {
            if matches!(read, Err(Error::Folded { .. })) {
                read = self.begin_again().and_then(|()| self.read());
            }
        }
        if read.is_ok() {
            prepare(&self.recording, observer);
            self.engine.run(until, observer);
            let known = self.now().unwrap_or_else(|| self.engine.replayed_until());
            self.recording.latest = self.recording.latest.max(Some(until.min(known)));
        }
        self.pause();
        read
    }

    /// The present moment as a stamp of the recording's clock, if that is a clock of this machine since its latest boot.
    pub fn now(&self) -> Option<Stamp> {
        now(&self.recording.header.clock).filter(|_| self.clock_is_ours)
    }

    /// What is recorded besides events, as of the latest [`Follower::catch_up`]: modules, stacks, threads, tags, address
    /// spaces, commands. What is new of other processes than this and those that it was forked from may be missing. It has
    /// no streams.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The process.
    pub fn process(&self) -> ProcessIndex {
        self.process
    }

    /// The sums over the events so far.
    pub fn totals(&self) -> &Totals {
        self.engine.totals()
    }

    /// The blocks that are live.
    pub fn live(&self) -> &LiveBlocks {
        self.engine.live()
    }

    /// The blocks that were live at the latest peak of a kind of memory, in no order.
    pub fn peak_blocks(&self, memory_kind: MemoryKind) -> impl Iterator<Item = Block> + '_ {
        self.engine.peak_blocks(memory_kind)
    }

    /// Whether the process's events are recorded.
    pub fn is_tracing(&self) -> bool {
        self.engine.is_tracing()
    }

    /// Makes what is live the peak, of all kinds of memory; `at` is when that was asked for.
    pub fn reset_peak(&mut self, at: Stamp) {
        self.engine.reset_peak(at);
    }

    /// What is missing or damaged. A header that is damaged may be one that is just being written: it is named if it was
    /// so in two looks, and no longer than it is.
    pub fn problems(&self) -> Vec<Problem> {
        let Sources { headers, damaged_before, metadata, stacks, n_duplicates, .. } = &self.sources;
        let damaged = &headers.damaged & damaged_before;
        let (n_damaged, first) = (damaged.len() as u64, damaged.first().copied().unwrap_or(0));
        let n_newer = self.recording.stacks.n_unknown();
        let counts = [
            (n_damaged, Problem::DamagedHeaders { count: n_damaged, first }),
            (*n_duplicates, Problem::DuplicateSegments { count: *n_duplicates }),
            (metadata.n_damaged, Problem::DamagedMetadata { count: metadata.n_damaged }),
            (stacks.n_damaged, Problem::DamagedStacks { count: stacks.n_damaged }),
            (n_newer, Problem::NewerStacks { count: n_newer }),
        ];
        let mut problems: Vec<Problem> =
            counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, problem)| problem).collect();
        problems.extend(headers.unreadable_problem());
        problems.extend(self.engine.damage().problems());
        problems
    }

    /// Waits until what has stamps up to `until` must have been written.
    fn wait_for(&self, until: Stamp) {
        let tolerance = tolerance(&self.recording);
        let written = until.0.saturating_add(tolerance);
        // A moment that is still to come is not waited for.
        while self.now().is_some_and(|now| now.0 < written && until.0 <= now.0.saturating_add(tolerance)) {
            std::hint::spin_loop();
        }
    }

    /// Finds out what is new. Events are looked at before what they refer to.
    fn read(&mut self) -> Result<()> {
        let file = self.recording.file.reopen()?;
        self.recording.file.hold();
        let Follower { recording, process, engine, places, sources, .. } = self;
        let clock = recording.header.clock;
        let header = read_header(&file, recording.file.path())?;
        // Room that was given back holds other segments than were found there.
        let given = |header: &Header| (header.checkpoint, Top::of(header.free_extents).n_pushed);
        if given(&header) != given(&recording.header) {
            return Err(Error::Folded { path: recording.file.path().to_owned() });
        }
        recording.header = header;
        if self.clock_is_ours {
            calibrate(&mut recording.header.clock);
        }
        if recording.header.clock != clock {
            engine.set_tolerance(tolerance(recording));
        }
        sources.look_for_segments(&file, recording, *process);
        let line = line(recording, *process);
        engine.resume(|streams, given_back| {
            streams.first_mut().into_iter().for_each(|first| first.put_before(given_back));
            for (found, look) in sources.events.drain(..) {
                let place = *places.entry(found.header.stream).or_insert_with(|| {
                    let stream = GrowingStream::new(found.header.stream, *process, recording);
                    streams.push(GrowingEvents::of(stream));
                    streams.len() - 1
                });
                let stream = streams.get_mut(place).and_then(GrowingEvents::stream_mut);
                let is_new = stream.is_some_and(|stream| stream.add(&found, look));
                sources.n_duplicates += u64::from(!is_new);
            }
            let growing = streams.iter_mut().filter_map(GrowingEvents::stream_mut);
            growing.for_each(|stream| stream.look(&file, &mut sources.headers, sources.n_looks));
            // Before events are decoded, which is next: the ids in them are the first ones of their stacks.
            sources.stacks.look(&file, &mut sources.headers, &mut recording.stacks, Some(&line));
        });
        sources.read_totals(&file, recording);
        let Sources { metadata, headers, .. } = sources;
        for command in metadata.look(&file, headers, recording, Some(&line)) {
            if command.process == *process {
                engine.add_command(command);
            }
        }
        Ok(())
    }

    /// Gives back what is not needed until the next time.
    fn pause(&mut self) {
        let keep_open = self.options.keep_open;
        self.engine.streams_mut().iter_mut().for_each(|stream| stream.pause(keep_open));
        self.recording.file.let_go();
        if !keep_open {
            self.recording.file.close();
        }
    }
}

impl Sources {
    /// Reads what the process's threads have done by now. Lines that cannot be read now are read the next time.
    fn read_totals(&mut self, file: &OpenFile, recording: &mut Recording) {
        let (mut lines, mut buffer) = (Vec::new(), Vec::new());
        for found in &self.totals {
            let used = self.headers.used_now(file, found.offset).unwrap_or(0);
            let found = FoundSegment { header: SegmentHeader { used, ..found.header }, ..*found };
            if file.read(found.offset + HEADER_BYTES as u64, found.used_bytes(u64::MAX), &mut buffer).is_ok()
            {
                add_lines(found.header.process, &buffer, &mut lines);
            }
        }
        recording.totals = lines;
    }

    /// Finds segments, and passes them on to who reads them.
    fn look_for_segments(&mut self, file: &OpenFile, recording: &mut Recording, process: ProcessIndex) {
        self.n_looks += 1;
        self.damaged_before = std::mem::take(&mut self.headers.damaged);
        let counts = &mut recording.segment_counts;
        for found in self.segments.look(file, &recording.header, &mut self.headers) {
            counts.grains += u64::from(found.header.grains);
            match found.header.kind {
                SegmentKind::Events => {
                    counts.events += 1;
                    if found.header.process == process {
                        self.events.push((found, self.n_looks));
                    }
                }
                SegmentKind::Stacks => {
                    counts.stacks += 1;
                    let is_new = self.stacks.add(&found, &mut recording.stacks);
                    self.n_duplicates += u64::from(!is_new);
                }
                SegmentKind::Metadata => {
                    counts.metadata += 1;
                    self.metadata.add(&found);
                }
                SegmentKind::Totals => {
                    counts.totals += 1;
                    if found.header.process == process {
                        self.totals.push(found);
                    }
                }
                SegmentKind::Checkpoint => counts.checkpoints += 1,
                SegmentKind::Extent => {}
            }
        }
        counts.grains += self.segments.n_extents - counts.extents;
        counts.extents = self.segments.n_extents;
    }
}

/// `process` and those that it was forked from.
fn line(recording: &Recording, process: ProcessIndex) -> Vec<ProcessIndex> {
    let parent = |&process: &ProcessIndex| recording.process(process).and_then(|process| process.parent);
    std::iter::successors(Some(process), parent).collect()
}
