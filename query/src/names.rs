//! Names for stacks, in the forms that C reads: each is looked up once.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_analyzer::analysis::{Blame, Plumbing};
use tm_analyzer::model::Frame;
use tm_analyzer::reader::Recording;
use tm_analyzer::snapshot::Namer;
use tm_common::ids::{ProcessIndex, StackId, Stamp};

/// The names so far.
pub struct Names {
    /// Gives stacks their frames.
    pub namer: Namer,
    blame: Blame,
    locations: FxHashMap<StackId, Arc<CStr>>,
    /// The texts of locations, each once.
    texts: FxHashMap<String, Arc<CStr>>,
    /// The namer's generation that they are of.
    generation: u64,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            namer: Namer::without_threads(),
            blame: Blame::new(Plumbing::known()),
            locations: FxHashMap::default(),
            texts: FxHashMap::default(),
            generation: 0,
        }
    }
}

impl Names {
    /// Makes the names those of `process` as it is at `now`.
    pub fn refresh(&mut self, recording: &Recording, process: ProcessIndex, now: Stamp) {
        self.namer.limit_frames(recording.n_frames_max_at(process, now));
        let generation = self.namer.generation(recording);
        if self.generation != generation {
            self.generation = generation;
            self.locations.clear();
        }
    }

    /// Returns `file:line` of the frame to blame for what `stack` allocated, outside of the allocation plumbing.
    pub fn location(&mut self, recording: &Recording, stack: StackId) -> Arc<CStr> {
        if let Some(known) = self.locations.get(&stack) {
            return known.clone();
        }
        let text = if recording.stacks.has_python(stack) {
            let blamed = self.blame.cut(&self.namer.traceback(recording, stack));
            blamed.most_recent().unwrap_or(&Frame::unknown()).location()
        } else {
            self.blame.frame(self.namer.frames_outward(recording, stack)).location()
        };
        let text = match self.texts.get(&text) {
            Some(known) => known.clone(),
            None => {
                let c_text: Arc<CStr> = c_text(&text).into();
                self.texts.insert(text, c_text.clone());
                c_text
            }
        };
        self.locations.insert(stack, text.clone());
        text
    }
}

/// Returns a text for C, which ends at a NUL: there is none in it.
pub fn c_text(text: &str) -> CString {
    let bytes: Vec<u8> = text.bytes().filter(|&byte| byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}
