//! Where samples come from: a recording that is followed, added up, and given names.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::errors::Result;
use rustc_hash::FxHashMap;
use tm_common::ids::{ProcessIndex, Stamp};

use super::history::{History, STEP_NS};
use super::names::Names;
use super::place::Place;
use super::sample::{Facts, Interval, Sample, State};
use super::sites;
use super::sums::Sums;
use crate::report::parts::estimate;
use crate::report::parts::human::{counted, size};
use tm_analyzer::follow::{Follower, Options};
use tm_analyzer::host::{Liveness, Target};
use tm_analyzer::model::{Amount, KeyType, StackPatterns};
use tm_analyzer::reader::Process;
use tm_analyzer::reader::file::FileIdentity;
use tm_analyzer::replay::{self, MemoryKind, Totals};
use tm_analyzer::request::Grouping;
use tm_analyzer::snapshot::{AdmittedStacks, Namer};
use tm_analyzer::symbolize::Search;

/// How long names are looked up between two samples.
const NAMING: Duration = Duration::from_millis(200);

/// What of a moment is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What sites are grouped by.
    pub key_type: KeyType,
    /// The memory to show.
    pub memory_kind: MemoryKind,
}

/// The stacks that are asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// What they must have and must not have.
    pub patterns: StackPatterns,
    /// The same as the user wrote it, if he did.
    pub words: Option<String>,
    /// Where names are looked for.
    pub search: Arc<Search>,
}

/// A process whose recording is followed.
pub struct Source {
    follower: Follower,
    sums: Sums,
    /// Decides which stacks are asked for; `None` if all are.
    admitted: Option<AdmittedStacks>,
    /// The words that ask for them.
    asked: Option<String>,
    names: Names,
    /// Where files are looked for.
    search: Arc<Search>,
    place: Place,
    liveness: Liveness,
    state: State,
    /// When the process began.
    start: Stamp,
    /// The end of the latest interval.
    now: Stamp,
    /// The totals at the end of the interval before.
    before: Totals,
    lately: Interval,
    is_first: bool,
    /// Whether all is read that there will ever be.
    is_over: bool,
    has_unnamed: bool,
}

impl Source {
    /// Opens the recording at `path` at the start of `process`. `name` is what the user calls it; `identity` is the file
    /// that it has to be, if that is known; `grouping` says whom to blame, and `asked` of which stacks the blocks are shown.
    ///
    /// # Errors
    /// It cannot be read, is another file, or has no such process.
    pub fn open(
        path: &Path,
        name: &str,
        process: ProcessIndex,
        identity: Option<FileIdentity>,
        grouping: &Grouping,
        asked: Asked,
    ) -> Result<Source> {
        // Whatever becomes of the name, the file is read on.
        let options = Options { keep_open: true, identity, ..Options::default() };
        let follower = Follower::open(path, process, options)?;
        let recording = follower.recording();
        let start = recording.process(process).map_or(Stamp(0), |process| process.start);
        let history = History::new(start, replay::stamps_in(recording, STEP_NS));
        let mut sums = Sums::new(process, Arc::clone(&recording.thread_tags), history);
        let Asked { patterns, words, search } = asked;
        let admitted = || AdmittedStacks::new(patterns.clone(), grouping.frames, Namer::looking_in(&search));
        let mut admitted = (!patterns.is_empty()).then(admitted);
        sums.stacks = admitted.as_mut().map(|admitted| admitted.update(recording));
        for memory_kind in [MemoryKind::Traced, MemoryKind::Mappings] {
            follower.live().iter(memory_kind).for_each(|block| sums.inherit(&block));
        }
        follower.tell_folded(&mut sums);
        Ok(Source {
            place: Place::new(name, recording.file.identity()),
            liveness: recording.process(process).map(Process::liveness).unwrap_or_default(),
            before: *follower.totals(),
            follower,
            sums,
            admitted,
            asked: words,
            names: Names::new(grouping, &search),
            search,
            state: State::Running,
            start,
            now: start,
            lately: Interval::default(),
            is_first: true,
            is_over: false,
            has_unnamed: false,
        })
    }

    /// Where files are looked for.
    pub fn search(&self) -> &Arc<Search> {
        &self.search
    }

    /// The stamps between which there is something to read; the end of a process that could not say it is not known
    /// elsewhere than on its machine.
    pub fn ahead(&self) -> (Stamp, Option<Stamp>) {
        (self.now, self.recorded_end().or_else(|| self.follower.now()))
    }

    /// Reads up to `until`, which ends no interval.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn read_until(&mut self, until: Stamp) -> Result<()> {
        let Source { follower, sums, admitted, .. } = self;
        Ok(follower.catch_up_after(until, sums, |recording, sums| {
            sums.stacks = admitted.as_mut().map(|admitted| admitted.update(recording));
        })?)
    }

    /// Reads up to the present moment, which ends an interval. The first one began with the process.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn advance(&mut self) -> Result<()> {
        if self.is_over {
            self.lately = Interval::default();
            return Ok(());
        }
        // What it wrote before it said that it ends is there, if that was known before the reading.
        self.is_over = self.recorded_end().is_some();
        let runs = self.liveness.runs();
        let until = self.follower.now();
        self.read_until(until.unwrap_or(Stamp(u64::MAX)))?;
        let totals = *self.follower.totals();
        let n_events = n_events(&totals) - n_events(&self.before);
        // One that is not found here, and goes on, is in a namespace of its own.
        let goes_on = until.is_some() && (runs || n_events > 0 && !self.is_first);
        self.state = match (self.recorded_end(), goes_on) {
            (None, true) if self.follower.is_tracing() => State::Running,
            (None, true) => State::Idle,
            _ => State::Ended,
        };
        let from_ns = self.ns(self.now);
        let last_event = self.sums.history.latest();
        let end = self.recorded_end().unwrap_or(last_event);
        self.now = until.filter(|_| self.state != State::Ended).unwrap_or(end).max(last_event);
        self.sums.end_interval(self.now);
        self.lately = Interval {
            ns: self.ns(self.now).saturating_sub(from_ns),
            n_events,
            n_bytes: totals.bytes_allocated - self.before.bytes_allocated,
            is_first: self.is_first,
        };
        self.before = totals;
        self.is_first = false;
        Ok(())
    }

    /// A sample of what was read so far, with names for as much as there is time for; `until_named`: for all.
    pub fn sample(&mut self, choice: Choice, until_named: bool) -> Sample {
        let recording = self.follower.recording();
        let tables = self.sums.tables(choice.memory_kind);
        let deadline = Instant::now() + NAMING;
        self.has_unnamed =
            self.names.look_up(recording, &tables.sites, (!until_named).then_some(deadline)) > 0;
        let tags = match choice.key_type {
            KeyType::Tag => self.names.tags(recording, &tables.sites),
            _ => FxHashMap::default(),
        };
        // Of a recording of all events there are none.
        let is_sampled = self.follower.totals().samples.sampling().is_some();
        let samples = is_sampled.then(|| self.follower.live().iter(choice.memory_kind));
        let uncertainties = self.sums.uncertainties(samples.into_iter().flatten());
        let names = &self.names;
        Sample {
            facts: self.facts(),
            history: self.sums.history.clone(),
            key_type: choice.key_type,
            memory_kind: choice.memory_kind,
            traceback_limit: recording.n_frames_max(),
            sites: sites::by_key(
                &tables.sites,
                &uncertainties.sites,
                choice.key_type,
                |stack| names.get(stack),
                &tags,
            ),
            threads: sites::of_threads(&tables.threads, &uncertainties.threads, &recording.threads),
        }
    }

    /// The process is this one here: with another pid than for itself, if it is in a namespace of its own.
    pub fn set_target(&mut self, target: Target) {
        self.liveness.set_target(target);
    }

    /// Whether names are missing from the latest sample.
    pub fn has_unnamed(&self) -> bool {
        self.has_unnamed
    }

    fn facts(&self) -> Facts {
        let recording = self.follower.recording();
        let totals = self.follower.totals();
        let process = recording.process(self.follower.process());
        let (peak, peak_stamp) = totals.peak(MemoryKind::Traced);
        let program = process.map(|process| match process.command_line.as_slice() {
            [] => process.executable.clone().unwrap_or_default(),
            words => words.join(" "),
        });
        Facts {
            recording: self.place.name().to_owned(),
            recording_bytes: recording.segment_counts.bytes(),
            program: program
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| "(unknown program)".to_owned()),
            pid: process.map_or(recording.header.pid, |process| process.pid),
            state: self.state,
            elapsed_ns: self.ns(self.now).saturating_sub(self.ns(self.start)),
            live: totals.live(MemoryKind::Traced),
            peak,
            peak_ns: recording.ns(peak_stamp).saturating_sub(self.ns(self.start)),
            mapped: totals.live(MemoryKind::Mappings),
            mapped_peak: totals.peak(MemoryKind::Mappings).0,
            n_lost: recording.header.lost_events(),
            n_threads: self.sums.tables(MemoryKind::Traced).threads.len() as u64,
            is_estimated: totals.samples.sampling().is_some(),
            lately: self.lately,
            notes: self.notes(),
        }
    }

    fn notes(&self) -> Vec<String> {
        let recording = self.follower.recording();
        let n_processes = recording.processes.len();
        let others = (n_processes > 1).then(|| {
            format!("One of {n_processes} processes is shown; --process takes another's PID (tmtool info lists them).")
        });
        let problems = self.follower.problems().iter().map(ToString::to_string).collect::<Vec<_>>();
        let names = self.names.problems();
        let noticed = recording.note_sentences();
        let selected = self.asked.as_ref().map(|words| self.selected(words));
        let unused = self.admitted.iter().flat_map(AdmittedStacks::notes);
        let sampling = self.follower.totals().samples.sampling();
        let estimated = sampling.as_ref().map(estimate::sentence);
        let estimated = estimated.into_iter().chain(sampling.as_ref().and_then(estimate::peak_notice));
        let first = estimated.chain(selected).chain(unused).chain(self.place.note());
        first.chain(problems).chain(noticed).chain(others).chain(names).collect()
    }

    /// What the table and the chart are of.
    fn selected(&self, words: &str) -> String {
        let mut live = Amount::default();
        self.sums.tables(MemoryKind::Traced).sites.iter().for_each(|(_, sum)| live += sum.figures.live);
        let (bytes, blocks) = (size(live.bytes), counted(live.count, "block"));
        format!("Selected with {words}: table and chart are of these alone, {bytes} in {blocks} now.")
    }

    /// When the process ended, if it could say so.
    fn recorded_end(&self) -> Option<Stamp> {
        replay::ended_at(self.follower.recording(), self.follower.process())
    }

    fn ns(&self, stamp: Stamp) -> u64 {
        self.follower.recording().ns(stamp)
    }
}

/// Allocations, reallocations and frees.
fn n_events(totals: &Totals) -> u64 {
    totals.allocations + totals.reallocations + totals.frees + totals.tracks + totals.untracks
}

#[cfg(test)]
mod tests {
    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::ids::{Address, StackId};
    use tm_common::metadata::TextKind;

    use super::*;
    use tm_analyzer::reader::file::RecordingFile;
    use tm_testing::RecordingBuilder;

    const LINES: Choice = Choice { key_type: KeyType::Lineno, memory_kind: MemoryKind::Traced };

    fn malloc(address: u64, size: u64, stamp: u64) -> Event {
        let (function, address, stamp) = (Function::Malloc, Address(address), Stamp(stamp));
        Event::Allocate { function, size, address, stack: StackId::NONE, stamp }
    }

    fn look(builder: &RecordingBuilder, process: u32) -> Sample {
        let file = builder.file();
        let process = ProcessIndex(process);
        let mut source =
            Source::open(file.path(), "a.bin", process, None, &Grouping::default(), Asked::default())
                .unwrap();
        source.advance().unwrap();
        let sample = source.sample(LINES, true);
        // Nothing comes any more, and all stays.
        source.advance().unwrap();
        let later = source.sample(LINES, true);
        assert_eq!((later.facts.live, later.facts.elapsed_ns), (sample.facts.live, sample.facts.elapsed_ns));
        assert_eq!(later.facts.lately.n_events, 0);
        sample
    }

    #[test]
    fn a_process_that_has_ended_is_as_it_was_at_its_end() {
        let mut builder = RecordingBuilder::with_process();
        builder.text(0, TextKind::Executable, "/bin/prog");
        builder.thread(0, 0, "main");
        builder.event(ProcessIndex(0), 0, &malloc(0x10, 100, 1_000));
        builder.event(ProcessIndex(0), 0, &malloc(0x20, 50, 2_000));
        let free = Event::Free { function: Function::Free, address: Address(0x10), stamp: Stamp(500_000) };
        builder.event(ProcessIndex(0), 0, &free);
        let Sample { facts, sites, threads, history, .. } = look(&builder, 0);
        assert_eq!(
            (facts.state, facts.elapsed_ns, facts.program.as_str()),
            (State::Ended, 1_000_000, "/bin/prog")
        );
        assert_eq!(
            (facts.live, facts.peak),
            (Amount { bytes: 50, count: 1 }, Amount { bytes: 150, count: 2 })
        );
        assert_eq!((facts.peak_ns, facts.n_threads, facts.notes.len()), (2_000, 1, 0));
        let lately = Interval { ns: 1_000_000, n_events: 3, n_bytes: 150, is_first: true };
        assert_eq!(facts.lately, lately);
        assert_eq!((sites.len(), sites[0].figures.live), (1, Amount { bytes: 50, count: 1 }));
        assert_eq!(threads[0].figures.allocated, Amount { bytes: 150, count: 2 });
        assert_eq!(threads[0].name.text(KeyType::Lineno, None), "100 main");
        assert_eq!(history.columns(3), [150]);
    }

    #[test]
    fn a_file_that_has_taken_the_name_is_not_shown() {
        let file = RecordingBuilder::with_process().file();
        let open = |identity| {
            Source::open(
                file.path(),
                "a.bin",
                ProcessIndex(0),
                Some(identity),
                &Grouping::default(),
                Asked::default(),
            )
            .map(drop)
        };
        let (device, inode) = RecordingFile::open(file.path()).unwrap().identity();
        assert!(open((device, inode)).is_ok());
        let error = open((device, inode + 1)).unwrap_err().to_string();
        assert!(error.contains(" is another file now: "), "{error}");
    }

    #[test]
    fn a_forked_process_has_its_parents_blocks_and_a_time_of_its_own() {
        let mut builder = RecordingBuilder::with_process();
        let child = builder.process(Some(0), 5_000, None);
        builder.event(ProcessIndex(0), 0, &malloc(0x10, 100, 1_000));
        builder.event(child, 1, &malloc(0x20, 7, 8_000));
        let Sample { facts, sites, .. } = look(&builder, 1);
        assert_eq!((facts.live, facts.peak_ns), (Amount { bytes: 107, count: 2 }, 3_000));
        // Nobody of its pid runs here, so its last event was its end.
        assert_eq!((facts.state, facts.elapsed_ns), (State::Ended, 3_000));
        assert_eq!(sites[0].figures.allocated, Amount { bytes: 7, count: 1 });
        assert!(facts.notes[0].starts_with("One of 2 processes is shown; "), "{:?}", facts.notes);
    }
}
