//! Opens a recording: finds its segments, and loads everything but the events. If somebody still writes to it, what is
//! loaded is what was there at one moment.

use std::collections::BTreeSet;
use std::path::Path;

use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::metadata::Ending;
use tm_common::segment::SegmentKind;

use super::Recording;
use super::as_of::{AsOf, writers};
use super::checkpoint::Checkpoint;
use super::file::RecordingFile;
use super::headers::FoundSegment;
use super::metadata::{TablesBuilder, commands};
use super::problem::Problem;
use super::scan::{Layout, scan};
use super::stacks::StackTable;
use super::streams::{Expected, Stream, streams};
use super::totals;
use crate::error::Result;
use crate::host::clock::calibrate;

/// What is known of a recording that was opened before, and does not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled<'a> {
    /// Processes that write no more: they are not asked for again.
    pub gone: &'a BTreeSet<ProcessIndex>,
    /// What is to be taken in place of the checkpoint, if that still has this number.
    pub checkpoint: Option<(u32, &'a Checkpoint)>,
}

impl Recording {
    /// Opens the recording at `path`. One that is still being written is as of a moment: nothing of it changes afterwards.
    ///
    /// # Errors
    /// It cannot be read, or is not a recording that this version reads. A damaged recording is not an error.
    pub fn open(path: &Path) -> Result<Recording> {
        Recording::open_again(path, &Settled { gone: &BTreeSet::new(), checkpoint: None })
    }

    /// The same by who has opened it before, and knows some of it.
    ///
    /// # Errors
    /// As [`Recording::open`].
    pub(crate) fn open_again(path: &Path, settled: &Settled<'_>) -> Result<Recording> {
        let mut file = RecordingFile::open(path)?;
        let as_of = AsOf::now(&file, settled.gone)?;
        let layout = layout(&mut file, as_of.moment);
        let mut header = as_of.header;
        if as_of.moment.is_some() {
            calibrate(&mut header.clock);
        }
        let (written, expected) = match as_of.moment {
            None => (Some(header.grains_written()), Expected::Whole(header.n_streams)),
            Some(moment) => (None, Expected::AsOf(moment)),
        };
        let bundle = file.bundle();
        let mut problems = Problem::of_packed(&file);
        problems.extend(Problem::of_bundle(&bundle));
        problems.extend(layout.problems(file.len_bytes(), written));
        let known = settled.checkpoint.filter(|(number, _)| u64::from(*number) == header.checkpoint >> 32);
        let loaded = match known {
            Some((_, checkpoint)) => Ok(Some(checkpoint.clone())),
            None => Checkpoint::load(&file, &layout.segments, &header),
        };
        let checkpoint = loaded.unwrap_or_else(|_| {
            problems.push(Problem::DamagedCheckpoint);
            None
        });
        let folded = checkpoint.as_ref();
        let folded_grains = folded.map_or_else(Vec::new, |folded| folded.grains_in(&layout.segments));
        let mut streams = streams(&layout.segments, file.len_bytes(), folded, expected, &mut problems);
        let mut contents = Contents::default();
        for found in &layout.segments {
            contents.load(&file, found);
        }
        commands::waiting(&header).for_each(|command| contents.tables.command(command));
        if let Some(moment) = as_of.moment {
            let later = contents.tables.forget_after(moment);
            streams.retain(|stream| !later.contains(&stream.process));
            contents.totals.retain(|(process, _)| !later.contains(process));
        }
        problems.extend(contents.problems(&streams, as_of.moment.is_some()));
        let mut recording = Recording {
            segment_counts: layout.counts,
            stacks: contents.stacks,
            streams,
            totals: contents.totals,
            bundle: bundle.into(),
            folded_grains,
            own_extents: layout.own_extents,
            checkpoint,
            problems,
            as_of: as_of.moment,
            gone: as_of.gone,
            ..Recording::empty(file, header)
        };
        contents.tables.place_modules();
        contents.tables.exchange(&mut recording);
        recording.running = recording.still_running(&as_of.running);
        Ok(recording)
    }

    /// The processes that had not ended at the moment and ran a little before or run now.
    fn still_running(&self, ran: &BTreeSet<ProcessIndex>) -> BTreeSet<ProcessIndex> {
        if self.as_of.is_none() {
            return BTreeSet::new();
        }
        let unended = self.processes.iter().filter(|process| process.ending == Ending::Unknown);
        let unended = unended.filter(|process| !self.gone.contains(&process.index));
        let (known, unknown): (Vec<_>, Vec<_>) = unended.partition(|process| ran.contains(&process.index));
        let mut running: BTreeSet<_> = known.iter().map(|process| process.index).collect();
        if let Ok(status) = self.file.status() {
            running.extend(writers(&status, &unknown));
        }
        running
    }
}

/// Where everything is; of a file that is being written, events first, for what they refer to was written before them.
fn layout(file: &mut RecordingFile, moment: Option<Stamp>) -> Layout {
    file.measure();
    let layout = scan(file);
    if moment.is_none() {
        return layout;
    }
    file.measure();
    layout.with_later(scan(file))
}

/// What is loaded when a recording is opened.
#[derive(Default)]
struct Contents {
    tables: TablesBuilder,
    stacks: StackTable,
    totals: totals::AllLines,
    buffer: Vec<u8>,
    damaged_metadata: u64,
    damaged_nodes: u64,
    duplicates: u64,
    read_errors: u64,
    reason: String,
}

impl Contents {
    fn load(&mut self, file: &RecordingFile, found: &FoundSegment) {
        use SegmentKind::{Checkpoint, Events, Extent};
        if matches!(found.header.kind, Events | Extent | Checkpoint) {
            return;
        }
        if let Err(error) = found.read(file, &mut self.buffer) {
            self.reason = error.to_string();
            self.read_errors += 1;
        } else if found.header.kind == SegmentKind::Metadata {
            self.damaged_metadata += self.tables.add_segment(&self.buffer);
        } else if found.header.kind == SegmentKind::Totals {
            let process = found.header.process;
            self.damaged_metadata += totals::add_segment(process, &self.buffer, &mut self.totals);
        } else {
            match self.stacks.add_segment(found.header.sequence, &self.buffer) {
                Some(damaged) => self.damaged_nodes += damaged,
                None => self.duplicates += 1,
            }
        }
    }

    /// Counts the frames of all stacks, and makes entries of processes that have nothing but events. What is wrong.
    fn problems(&mut self, streams: &[Stream], is_written: bool) -> Vec<Problem> {
        let unknown_processes = streams.iter().map(|stream| self.tables.need_process(stream.process)).sum();
        let damaged_stacks = self.damaged_nodes + self.stacks.finish(is_written);
        let newer_stacks = self.stacks.n_unknown();
        let problems = [
            (self.duplicates, Problem::DuplicateSegments { count: self.duplicates }),
            (self.read_errors, Problem::Unreadable { count: self.read_errors, reason: self.reason.clone() }),
            (self.damaged_metadata, Problem::DamagedMetadata { count: self.damaged_metadata }),
            (damaged_stacks, Problem::DamagedStacks { count: damaged_stacks }),
            (newer_stacks, Problem::NewerStacks { count: newer_stacks }),
            (unknown_processes, Problem::UnknownProcesses { count: unknown_processes }),
        ];
        problems.into_iter().filter(|(count, _)| *count > 0).map(|(_, problem)| problem).collect()
    }
}
