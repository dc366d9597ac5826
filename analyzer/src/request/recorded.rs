//! A recording with what is asked of it, for answers on events and not on one moment alone.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::Arc;

use tm_common::ids::{ProcessIndex, Stamp};

use super::Request;
use super::blocks::Resolved;
use super::time::fixed;
use crate::analysis::Blame;
use crate::error::{Error, Refusal, Result};
use crate::inspect::own_allocator;
use crate::model::{EstimatesBy, Moment, Origin, Profile};
use crate::reader::Recording;
use crate::replay::{
    self, BlockSink, Engine, Finder, Findings, Observer, Processes, RawSnapshot, ResolvedMoment, Selection,
    Site,
};
use crate::snapshot::Namer;
use crate::symbolize::Search;

/// A recording and the part of it that a report is about.
pub struct Recorded {
    /// The recording.
    pub recording: Recording,
    /// The processes.
    pub processes: Processes,
    /// The blocks.
    pub selection: Selection,
    /// Events later than this.
    pub from: ResolvedMoment,
    /// Events up to this.
    pub until: ResolvedMoment,
    /// Sentences for the answer's notes.
    pub notes: Vec<String>,
    /// Does the reading.
    during: During,
    /// Where names are looked for.
    search: Arc<Search>,
    /// What has named frames to find the blocks, until it is asked for.
    namer: RefCell<Option<Namer>>,
    /// What the latest replay found.
    found: RefCell<Findings>,
}

/// Does the reading of a recording, which may take long.
pub type During = fn(&Recording, &mut dyn FnMut());

/// Does `read` within `during`.
///
/// # Errors
/// Those of `read`.
pub fn reading<T>(during: During, recording: &Recording, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let (mut read, mut done) = (Some(read), None);
    during(recording, &mut || {
        if let Some(read) = read.take() {
            done = Some(read());
        }
    });
    let interrupted = || Error::io("read", recording.file.path(), io::ErrorKind::Interrupted.into());
    done.unwrap_or_else(|| Err(interrupted()))
}

impl Recorded {
    /// Opens the recording that `request` asks of.
    ///
    /// # Errors
    /// If it cannot be read, or does not know what is asked for.
    pub(super) fn open(request: &Request) -> Result<Recorded> {
        let recording = Recording::open(&request.path)?;
        let resolved = reading(request.during, &recording, || {
            let namer = Namer::looking_in(&request.search);
            request.blocks.resolve(&recording, &request.time, request.grouping.frames, namer)
        });
        let Resolved { processes, selection, window, notes: of_blocks, namer } = resolved?;
        let (from, until) = match window {
            Some(window) => window,
            None => {
                let end = request.time.moment().unwrap_or(&Moment::End);
                let start = ResolvedMoment { stamp: Stamp(0), ns: 0 };
                (start, fixed(&recording, processes, selection.memory_kind(), end)?)
            }
        };
        let (notes, during) = ([request.notes.clone(), of_blocks].concat(), request.during);
        let namer = RefCell::new(Some(namer));
        let search = Arc::clone(&request.search);
        let found = RefCell::default();
        Ok(Recorded { recording, processes, selection, from, until, notes, during, search, namer, found })
    }

    /// Replays it; `done` gets each process's observer back.
    ///
    /// # Errors
    /// There is no such process.
    pub fn run<O: Observer>(
        &self,
        observer_of: impl FnMut(&Engine<'_>) -> O,
        mut done: impl FnMut(&Engine<'_>, O),
    ) -> Result<Findings> {
        let mut finder = Finder::default();
        let done = |engine: &Engine<'_>, observer| {
            finder.add(engine);
            done(engine, observer);
        };
        reading(self.during, &self.recording, || {
            replay::run(&self.recording, self.processes, self.until.stamp, observer_of, done)
        })?;
        let findings = finder.finish();
        self.found.borrow_mut().clone_from(&findings);
        Ok(findings)
    }

    /// What the latest replay found beside its answer.
    pub fn found(&self) -> Findings {
        self.found.borrow().clone()
    }

    /// Says what is missing where each event is shown by itself: those that are folded into sums.
    pub fn left_out(&self) -> Option<String> {
        let folded = self.recording.folded_until().filter(|&until| self.from.stamp < until)?;
        Some(left_out(&self.recording, folded))
    }

    /// What is live at the end of the time, of the selection, added to `blocks`.
    ///
    /// # Errors
    /// There is no such process.
    pub fn live<B: BlockSink>(&self, blocks: B) -> Result<RawSnapshot<B>> {
        let Recorded { recording, processes, selection, until, .. } = self;
        reading(self.during, recording, || {
            replay::snapshot_at(recording, *processes, *until, selection, blocks)
        })
    }

    /// The start of the time: of a forked process, the fork at the earliest.
    pub fn begin(&self) -> ResolvedMoment {
        let Processes::One(process) = self.processes else { return self.from };
        let fork = replay::forked_at(&self.recording, process).filter(|&fork| fork > self.from.stamp);
        fork.map_or(self.from, |stamp| ResolvedMoment { stamp, ns: self.recording.ns(stamp) })
    }

    /// The end of the time: of a process that ended before, its own. Nothing gets older after it.
    pub fn end(&self) -> ResolvedMoment {
        let Processes::One(process) = self.processes else { return self.until };
        let end = replay::ended_at(&self.recording, process).filter(|&end| end < self.until.stamp);
        end.map_or(self.until, |stamp| ResolvedMoment { stamp, ns: self.recording.ns(stamp) })
    }

    /// Asks whether this is of one process alone: `what`, as "a peak", each has of its own.
    ///
    /// # Errors
    /// If all processes are asked for.
    pub fn one_process(&self, what: &'static str) -> Result<()> {
        match self.processes {
            Processes::All => Err(Refusal::OneProcess { what }.of(self.recording.file.path())),
            Processes::One(_) => Ok(()),
        }
    }

    /// The sums of an observer over all processes, with whole stacks.
    ///
    /// # Errors
    /// There is no such process.
    pub fn profile<O: Observer>(
        &self,
        observer_of: impl Fn(ProcessIndex) -> O,
        sums_of: impl Fn(O) -> EstimatesBy<Site>,
    ) -> Result<Profile> {
        let (sums, findings) = self.sums(observer_of, sums_of)?;
        let mut namer = self.namer();
        let profile = namer.profile(&self.recording, &sums);
        Ok(Profile { origin: Some(self.origin(&namer, &findings)), ..profile })
    }

    /// The same with stacks as `blame` cuts them.
    ///
    /// # Errors
    /// There is no such process.
    pub fn blamed_profile<O: Observer>(
        &self,
        observer_of: impl Fn(ProcessIndex) -> O,
        sums_of: impl Fn(O) -> EstimatesBy<Site>,
        blame: &mut Blame,
    ) -> Result<Profile> {
        let (sums, findings) = self.sums(observer_of, sums_of)?;
        let mut namer = self.namer();
        let profile = namer.blamed_profile(&self.recording, sums, blame);
        Ok(Profile { origin: Some(self.origin(&namer, &findings)), ..profile })
    }

    fn sums<O: Observer>(
        &self,
        observer_of: impl Fn(ProcessIndex) -> O,
        sums_of: impl Fn(O) -> EstimatesBy<Site>,
    ) -> Result<(EstimatesBy<Site>, Findings)> {
        let mut sums = EstimatesBy::default();
        let observer_of = |engine: &Engine<'_>| observer_of(engine.process());
        let findings = self.run(observer_of, |_, observer| sums.absorb(sums_of(observer)))?;
        Ok((sums, findings))
    }

    /// For the blocks that were live at a moment: with as many frames as were kept then.
    pub fn namer_at(&self, stamp: Stamp) -> Namer {
        let of = |process| self.recording.n_frames_max_at(process, stamp);
        let n_frames_max = match self.processes {
            Processes::One(process) => of(process),
            Processes::All => {
                self.recording.processes.iter().map(|process| of(process.index)).max().unwrap_or(u32::MAX)
            }
        };
        let mut namer = self.namer();
        namer.limit_frames(n_frames_max);
        namer
    }

    /// For names of the recording: what has named frames to find the blocks, or else a new one.
    pub fn namer(&self) -> Namer {
        self.namer.take().unwrap_or_else(|| Namer::looking_in(&self.search))
    }

    /// What the report's first lines say; `findings` are those of the replay.
    pub fn origin(&self, namer: &Namer, findings: &Findings) -> Origin {
        let mut origin = namer.origin(&self.recording, self.processes, findings);
        origin.moment = self.until_text();
        origin.moment_ns = self.until.ns;
        origin.notes.extend(own_allocator::sentence(&self.recording));
        origin.notes.extend(findings.left_out_until.map(|until| left_out(&self.recording, until)));
        origin.notes.extend(self.notes.iter().cloned());
        origin
    }

    fn until_text(&self) -> String {
        if self.until.stamp == Stamp(u64::MAX) {
            Moment::End.to_string()
        } else {
            Moment::TimeNs(self.until.ns).to_string()
        }
    }
}

/// What is said where sums of the events up to `until` are all that is left of them, and more is asked for.
fn left_out(recording: &Recording, until: Stamp) -> String {
    let seconds = recording.ns(until) as f64 / 1e9;
    format!(
        "Of what came before {seconds} s only sums are left, to stay within the limit; it is not in these figures."
    )
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recorded { processes, selection, from, until, notes, .. } = self;
        f.debug_struct("Recorded")
            .field("file", &self.recording.file.path())
            .field("processes", processes)
            .field("selection", selection)
            .field("from", from)
            .field("until", until)
            .field("notes", notes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::ids::{Address, StackId};

    use super::*;
    use crate::snapshot::take_profile;
    use tm_testing::RecordingBuilder;

    /// Each way to a report has the frees that were not seen: a free of nothing, and a block where one was.
    #[test]
    fn every_report_knows_of_frees_that_were_not_seen() {
        let mut builder = RecordingBuilder::with_process();
        let (function, address, stack) = (Function::Malloc, Address(0x10), StackId::NONE);
        for stamp in [Stamp(1_000), Stamp(900_000)] {
            builder.event(ProcessIndex(0), 0, &Event::Allocate { function, address, size: 8, stack, stamp });
        }
        let function = Function::Free;
        builder.event(
            ProcessIndex(0),
            0,
            &Event::Free { function, address: Address(0x90), stamp: Stamp(950_000) },
        );
        let file = builder.file();
        let recorded = Request::of(file.path()).open().unwrap();
        let of_snapshot = recorded.origin(&Namer::new(), &recorded.live(Vec::new()).unwrap().findings);
        let of_events = recorded.profile(|_| (), |()| EstimatesBy::default()).unwrap().origin.unwrap();
        let taken = take_profile(&recorded.recording, recorded.processes, &Moment::End, &recorded.selection);
        for origin in [of_snapshot, of_events, taken.unwrap().origin.unwrap()] {
            assert_eq!((origin.unknown_frees, origin.missed_frees), (1, 1));
        }
    }

    #[test]
    fn a_process_begins_and_ends_within_the_time() {
        let mut builder = RecordingBuilder::with_process();
        let child = builder.process(Some(0), 1_500, Some(2_000));
        let file = builder.file();
        let mut recorded = Request::of(file.path()).open().unwrap();
        let moment = |ns| ResolvedMoment { stamp: Stamp(ns), ns };
        for (processes, (from, until), (begin, end)) in [
            (Processes::One(ProcessIndex(0)), (0, 9_000), (0, 9_000)),
            (Processes::All, (0, 9_000), (0, 9_000)),
            (Processes::One(child), (0, 9_000), (1_500, 2_000)),
            (Processes::One(child), (1_600, 1_700), (1_600, 1_700)),
        ] {
            (recorded.processes, recorded.from, recorded.until) = (processes, moment(from), moment(until));
            assert_eq!((recorded.begin(), recorded.end()), (moment(begin), moment(end)), "{processes:?}");
        }
    }
}
