//! Takes a snapshot of a recording: replays it to a moment, and gives each live block's stack names.
//!
//! The one place where the reader's numbers and the model's names meet.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::{Epoch, ProcessIndex, StackId};
use tm_common::stack::FrameKind;

use crate::error::Result;
use crate::model::{Frame, Moment, Origin, Snapshot, Trace, Traceback};
use crate::reader::{Module, Recording, StackFrame};
use crate::replay::{self, RawSnapshot};
use crate::symbolize::{ModuleImage, Symbolizer};

/// The file name of frames in code that belongs to no file: generated at run time.
const ANONYMOUS: &str = "[anonymous code]";

/// The live blocks of `process` at `moment`, with their tracebacks.
///
/// # Errors
/// If the recording has no such process.
pub fn take_snapshot(recording: &Recording, process: ProcessIndex, moment: Moment) -> Result<Snapshot> {
    let raw = replay::snapshot(recording, process, moment)?;
    let mut tracebacks = Tracebacks::new(recording);
    let traces = raw.blocks.iter().map(|block| Trace {
        domain: 0,
        size: block.size,
        traceback: tracebacks.of(block.stack),
    });
    let traces: Vec<Trace> = traces.collect();
    let mut snapshot = Snapshot::new(traces, recording.header.n_frames_max);
    snapshot.origin = Some(origin(recording, &raw, moment, tracebacks.symbolizer.problems()));
    Ok(snapshot)
}

fn origin(recording: &Recording, raw: &RawSnapshot, moment: Moment, symbol_problems: &[String]) -> Origin {
    let first = recording.first_process();
    let process = recording.process(raw.process).or(first);
    let problems = recording.problems.iter().chain(&raw.problems).map(ToString::to_string);
    let n_processes = recording.processes.len();
    let others = (n_processes > 1).then(|| {
        format!("One of {n_processes} processes of the recording is shown, the first; tmtool info lists all.")
    });
    Origin {
        recording: recording.file.path().display().to_string(),
        program: first.and_then(|process| process.executable.clone()).unwrap_or_default(),
        command_line: first.map(|process| process.command_line.clone()).unwrap_or_default(),
        host: first.and_then(|process| process.host.clone()).unwrap_or_default(),
        pid: process.map_or(recording.header.pid, |process| process.pid),
        moment: moment.to_string(),
        moment_ns: raw.moment_ns,
        duration_ns: recording.duration_ns(),
        live_bytes: raw.blocks.iter().map(|block| block.size).sum(),
        live_blocks: raw.blocks.len() as u64,
        lost_events: recording.header.lost_events(),
        unknown_frees: raw.totals.unknown_frees,
        notes: problems.chain(others).chain(symbol_problems.iter().cloned()).collect(),
    }
}

/// Tracebacks by stack id, each made once and shared by all its blocks.
struct Tracebacks<'a> {
    recording: &'a Recording,
    symbolizer: Symbolizer,
    of_stack: FxHashMap<StackId, Traceback>,
    of_address: FxHashMap<(Epoch, u64, bool), Arc<[Frame]>>,
}

impl<'a> Tracebacks<'a> {
    fn new(recording: &'a Recording) -> Tracebacks<'a> {
        Tracebacks {
            recording,
            symbolizer: Symbolizer::new(),
            of_stack: FxHashMap::default(),
            of_address: FxHashMap::default(),
        }
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
        let exact = frame.kind == FrameKind::Interrupted;
        let key = (frame.epoch, frame.pc, exact);
        if let Some(frames) = self.of_address.get(&key) {
            return frames.clone();
        }
        // The instruction that is looked up decides the module: a call may be the last of its file.
        let probe = if exact { frame.pc } else { frame.pc.saturating_sub(1) };
        let frames: Arc<[Frame]> = match self.recording.module_at(frame.epoch, probe) {
            Some(module) => self.symbolizer.frames(&image(module), frame.pc, exact).into(),
            None => [anonymous(frame.pc)].into(),
        };
        self.of_address.insert(key, frames.clone());
        frames
    }
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
