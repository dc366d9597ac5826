//! Names for stacks, in the forms that C reads: each is looked up once.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_analyzer::analysis::Plumbing;
use tm_analyzer::model::{Frame, Snapshot};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::Block;
use tm_analyzer::report::label;
use tm_analyzer::snapshot::Namer;
use tm_common::ids::{ProcessIndex, StackId, Stamp};

/// The names so far.
pub struct Names {
    /// Gives stacks their frames.
    pub namer: Namer,
    plumbing: Plumbing,
    locations: FxHashMap<StackId, Arc<CStr>>,
    /// What they were made for: the most frames of a stack, and how many modules were known.
    made_for: (u32, usize),
}

impl Default for Names {
    fn default() -> Names {
        Names {
            namer: Namer::without_threads(),
            plumbing: Plumbing::known(),
            locations: FxHashMap::default(),
            made_for: (0, 0),
        }
    }
}

impl Names {
    /// Makes the names those of `process` as it is at `now`.
    pub fn refresh(&mut self, recording: &Recording, process: ProcessIndex, now: Stamp) {
        let n_frames_max = recording.n_frames_max_at(process, now);
        let made_for = (n_frames_max, recording.modules.all().len());
        if self.made_for != made_for {
            self.made_for = made_for;
            self.namer.limit_frames(n_frames_max);
            self.locations.clear();
        }
    }

    /// `file:line` of the frame to blame for what `stack` allocated, outside of the allocation plumbing.
    pub fn location(&mut self, recording: &Recording, stack: StackId) -> Arc<CStr> {
        if !self.locations.contains_key(&stack) {
            self.prepare(recording, &[stack]);
        }
        self.locations.get(&stack).cloned().unwrap_or_default()
    }

    /// Looks the locations of all `stacks` up in one go.
    pub fn prepare(&mut self, recording: &Recording, stacks: &[StackId]) {
        let new = stacks.iter().filter(|stack| !self.locations.contains_key(stack));
        let blocks: Vec<Block> = new.map(|stack| Block { stack: *stack, ..Block::default() }).collect();
        let snapshot: Snapshot = self.namer.snapshot(recording, &blocks);
        let blamed = snapshot.without_plumbing(&self.plumbing);
        for (block, trace) in blocks.iter().zip(&blamed.traces) {
            let frame = trace.traceback.most_recent().cloned().unwrap_or_else(Frame::unknown);
            self.locations.insert(block.stack, c_text(&label::location(&frame)).into());
        }
    }
}

/// A text for C, which ends at a NUL: there is none in it.
pub fn c_text(text: &str) -> CString {
    let bytes: Vec<u8> = text.bytes().filter(|&byte| byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}
