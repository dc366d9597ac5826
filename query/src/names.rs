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
use tm_common::ids::StackId;

/// The names so far.
pub struct Names {
    /// Gives stacks their frames.
    pub namer: Namer,
    plumbing: Plumbing,
    locations: FxHashMap<StackId, Arc<CStr>>,
}

impl Default for Names {
    fn default() -> Names {
        // The program gets no thread of ours.
        let namer = Namer::new().on_one_thread();
        Names { namer, plumbing: Plumbing::known(), locations: FxHashMap::default() }
    }
}

impl Names {
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
