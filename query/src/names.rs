//! Names for stacks, in the forms that C reads: each is looked up once.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_analyzer::analysis::Plumbing;
use tm_analyzer::blame::Blame;
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
    /// The state that they were made for: the most frames of a stack, and how many modules were known.
    made_for: (u32, usize),
}

impl Default for Names {
    fn default() -> Names {
        Names {
            namer: Namer::without_threads(),
            blame: Blame::new(Plumbing::known()),
            locations: FxHashMap::default(),
            texts: FxHashMap::default(),
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

    /// Returns `file:line` of the frame to blame for what `stack` allocated, outside of the allocation plumbing.
    pub fn location(&mut self, recording: &Recording, stack: StackId) -> Arc<CStr> {
        if let Some(known) = self.locations.get(&stack) {
            return known.clone();
        }
        let text = self.blame.frame(&mut self.namer, recording, stack).location();
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
