//! Takes snapshots of a recording: replays it to a moment, and gives stacks names.
//!
//! The one place where the reader's numbers and the model's names meet.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tm_common::ids::{Epoch, StackId};
use tm_common::stack::FrameKind;

use crate::error::Result;
use crate::model::{Frame, Moment, Origin, Snapshot, Statistic, Tally, Trace, Traceback};
use crate::reader::{Module, Problem, Recording, StackFrame};
use crate::replay::{self, Block, Processes, RawSnapshot, Selection, StackSums, Sum};
use crate::symbolize::{ModuleImage, Symbolizer};

/// The file name of frames in code that belongs to no file: generated at run time.
const ANONYMOUS: &str = "[anonymous code]";

/// The live blocks of `processes` at `moment` that are in `selection`, with their tracebacks.
///
/// # Errors
/// If the recording has no such process or moment.
pub fn take_snapshot(
    recording: &Recording,
    processes: Processes,
    moment: &Moment,
    selection: &Selection,
) -> Result<Snapshot> {
    let raw: RawSnapshot = replay::snapshot(recording, processes, moment, selection)?;
    let mut namer = Namer::new(recording);
    let mut snapshot = namer.snapshot(&raw.blocks);
    snapshot.origin = Some(origin_at(&namer, processes, moment, &raw));
    Ok(snapshot)
}

/// The same by stack: memory is that of the stacks.
///
/// # Errors
/// If the recording has no such process or moment.
pub fn take_tally(
    recording: &Recording,
    processes: Processes,
    moment: &Moment,
    selection: &Selection,
) -> Result<Tally> {
    let raw: RawSnapshot<StackSums> = replay::snapshot(recording, processes, moment, selection)?;
    let mut namer = Namer::new(recording);
    let mut tally = namer.tally(&raw.blocks);
    tally.origin = Some(origin_at(&namer, processes, moment, &raw));
    Ok(tally)
}

fn origin_at<B>(namer: &Namer<'_>, processes: Processes, moment: &Moment, raw: &RawSnapshot<B>) -> Origin {
    Origin {
        moment: moment.to_string(),
        moment_ns: raw.moment_ns,
        live_bytes: raw.live_bytes,
        live_blocks: raw.live_blocks,
        unknown_frees: raw.totals.iter().map(|(_, totals)| totals.unknown_frees).sum(),
        ..namer.origin(processes, &raw.problems)
    }
}

/// Gives stacks their names, each once: all its blocks share a traceback.
pub struct Namer<'a> {
    recording: &'a Recording,
    symbolizer: Symbolizer,
    of_stack: FxHashMap<StackId, Traceback>,
    of_address: FxHashMap<(Epoch, u64, bool), Arc<[Frame]>>,
}

impl<'a> Namer<'a> {
    /// For stacks of `recording`.
    pub fn new(recording: &'a Recording) -> Namer<'a> {
        Namer {
            recording,
            symbolizer: Symbolizer::new(),
            of_stack: FxHashMap::default(),
            of_address: FxHashMap::default(),
        }
    }

    /// `blocks` with their tracebacks, without an origin.
    pub fn snapshot(&mut self, blocks: &[Block]) -> Snapshot {
        self.prepare(blocks.iter().map(|block| block.stack));
        let trace = |block: &Block| Trace { domain: 0, size: block.size, traceback: self.of(block.stack) };
        Snapshot::new(blocks.iter().map(trace).collect(), self.recording.header.n_frames_max)
    }

    /// `sums` with their tracebacks, without an origin.
    pub fn tally(&mut self, sums: &StackSums) -> Tally {
        let sums = sums.sorted();
        self.prepare(sums.iter().map(|(stack, _)| *stack));
        let statistic = |(stack, sum): (StackId, Sum)| Statistic {
            traceback: self.of(stack),
            size: sum.size,
            count: sum.count,
        };
        let stacks = sums.into_iter().map(statistic).collect();
        Tally { stacks, traceback_limit: self.recording.header.n_frames_max, origin: None }
    }

    /// What is to be said of `processes`, without a moment. `problems` are those of the replay; those with the names
    /// so far are added.
    pub fn origin(&self, processes: Processes, problems: &[Problem]) -> Origin {
        let recording = self.recording;
        let first = recording.first_process();
        let process = match processes {
            Processes::One(index) => recording.process(index),
            Processes::All => first,
        };
        let described = process.filter(|process| process.executable.is_some()).or(first);
        let problems = recording.problems.iter().chain(problems).map(ToString::to_string);
        let symbol_problems = self.symbolizer.problems().iter().cloned();
        Origin {
            recording: recording.file.path().display().to_string(),
            program: described.and_then(|process| process.executable.clone()).unwrap_or_default(),
            command_line: described.map(|process| process.command_line.clone()).unwrap_or_default(),
            host: first.and_then(|process| process.host.clone()).unwrap_or_default(),
            pid: process.map_or(recording.header.pid, |process| process.pid),
            duration_ns: recording.duration_ns(),
            lost_events: recording.header.lost_events(),
            notes: problems.chain(processes_note(recording, processes)).chain(symbol_problems).collect(),
            ..Origin::default()
        }
    }

    /// Looks the addresses of all `stacks` up in one go.
    fn prepare(&mut self, stacks: impl Iterator<Item = StackId>) {
        let (mut seen, mut frames_seen) = (FxHashSet::default(), FxHashSet::default());
        let mut wanted: Vec<(ModuleImage, Vec<(u64, bool)>)> = Vec::new();
        let mut place_of = FxHashMap::default();
        let recording = self.recording;
        let new = stacks.filter(|&id| seen.insert(id) && !self.of_stack.contains_key(&id));
        for frame in new.filter_map(|id| recording.stack(id)).flatten() {
            let (exact, probe) = probe(&frame);
            if !frames_seen.insert((frame.epoch, frame.pc, exact)) {
                continue;
            }
            let Some(module) = recording.module_at(frame.epoch, probe) else { continue };
            let place = *place_of.entry((module.process, module.epoch, module.start)).or_insert_with(|| {
                wanted.push((image(module), Vec::new()));
                wanted.len() - 1
            });
            wanted.get_mut(place).into_iter().for_each(|(_, addresses)| addresses.push((frame.pc, exact)));
        }
        self.symbolizer.prepare(wanted.iter().map(|(image, addresses)| (image, addresses.as_slice())));
    }

    fn of(&mut self, id: StackId) -> Traceback {
        if let Some(traceback) = self.of_stack.get(&id) {
            return traceback.clone();
        }
        let traceback = self.make(id);
        self.of_stack.insert(id, traceback.clone());
        traceback
    }

    /// The frames of a stack with inlined functions as frames of their own, which count in the total depth too.
    fn make(&mut self, id: StackId) -> Traceback {
        let Some(stack) = self.recording.stack(id) else {
            return Traceback::new(vec![Frame::unknown()], None);
        };
        let total_depth = stack.total_depth();
        let (mut frames, mut n_physical) = (Vec::new(), 0);
        for frame in stack {
            frames.extend_from_slice(&self.frames_at(frame));
            n_physical += 1;
        }
        let n_inlined = (frames.len() - n_physical) as u32;
        Traceback::new(frames, total_depth.map(|depth| depth.saturating_add(n_inlined)))
    }

    fn frames_at(&mut self, frame: StackFrame) -> Arc<[Frame]> {
        let (exact, probe) = probe(&frame);
        let key = (frame.epoch, frame.pc, exact);
        if let Some(frames) = self.of_address.get(&key) {
            return frames.clone();
        }
        let frames: Arc<[Frame]> = match self.recording.module_at(frame.epoch, probe) {
            Some(module) => self.symbolizer.frames(&image(module), frame.pc, exact).into(),
            None => [anonymous(frame.pc)].into(),
        };
        self.of_address.insert(key, frames.clone());
        frames
    }
}

/// Which processes of several are shown.
fn processes_note(recording: &Recording, processes: Processes) -> Option<String> {
    let n = recording.processes.len();
    match processes {
        _ if n < 2 => None,
        Processes::All => Some(format!(
            "All {n} processes are added up; what a child inherited counts for its parent alone."
        )),
        Processes::One(shown) => {
            let is_first = recording.first_process().is_some_and(|first| first.index == shown);
            let which = if is_first { "the first is shown" } else { "one is shown, with what it inherited" };
            Some(format!("Of {n} processes {which}; --process takes another's PID, or all."))
        }
    }
}

/// Whether the address of `frame` is exact, and the instruction that is looked up. That decides the module: a call may
/// be the last of its file.
fn probe(frame: &StackFrame) -> (bool, u64) {
    let exact = frame.kind == FrameKind::Interrupted;
    (exact, if exact { frame.pc } else { frame.pc.saturating_sub(1) })
}

fn image(module: &Module) -> ModuleImage {
    ModuleImage {
        path: module.path.clone(),
        build_id: module.build_id.clone(),
        bias: module.bias,
        start: module.start.0,
        end: module.end.0,
    }
}

fn anonymous(pc: u64) -> Frame {
    let mut frame = Frame::new(ANONYMOUS, 0);
    frame.function = Some(format!("{pc:#x}").into());
    frame.module = Some(frame.filename.clone());
    frame
}
