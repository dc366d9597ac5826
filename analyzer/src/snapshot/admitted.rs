//! The stacks of a recording that are asked for by the names of their frames: decided for all of them before a replay, so that the replay
//! asks for a bit. Each address is named once, and each node of the stack table looked at once: a stack has what its outer part
//! has.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::{Epoch, StackId};
use tm_common::python::PythonFrame;
use tm_common::stack::{FrameKind, StackNode};

use super::namer::Namer;
use crate::analysis::{Frames, Sight};
use crate::model::{Frame, FramePatterns, StackPatterns};
use crate::reader::{Recording, StackFrame, StackMarks};
use crate::replay::StackSet;

/// A frame that is in sight of all; those that perhaps are, and that are not, follow.
const IN_SIGHT: u8 = 1;
const PERHAPS: u8 = 1 << 1;
const OUT_OF_SIGHT: u8 = 1 << 2;
const ANY: u8 = IN_SIGHT | PERHAPS | OUT_OF_SIGHT;
/// Marks for `focus` stand in the lowest bits, those for `ignore` beyond.
const IGNORE_SHIFT: u32 = 3;
/// A frame of Python code, which is shown.
const PYTHON: u8 = 1 << 6;

/// Decides about the stacks of one recording, which may grow.
pub struct AdmittedStacks {
    patterns: StackPatterns,
    /// The frames that are looked at.
    seen: Frames,
    namer: Namer,
    marks: StackMarks,
    /// The marks of native frames.
    of_address: FxHashMap<(Epoch, u64, FrameKind), u8>,
    /// Those of frames of Python code, by what the recording has.
    of_python: FxHashMap<u64, u8>,
    set: Arc<StackSet>,
    has_focused: bool,
    has_ignored: bool,
}

impl AdmittedStacks {
    /// Decides by `patterns` on the frames that are `seen`, none so far; `namer` names them.
    pub fn new(patterns: StackPatterns, seen: Frames, namer: Namer) -> AdmittedStacks {
        // Blocks without a stack, or with one that is not in the recording.
        let set = Arc::new(StackSet::new(patterns.admit(&[])));
        let unknown = Frame::unknown();
        let (has_focused, has_ignored) =
            (patterns.focus.matches(&unknown), patterns.ignore.matches(&unknown));
        AdmittedStacks {
            patterns,
            seen,
            namer,
            marks: StackMarks::default(),
            of_address: FxHashMap::default(),
            of_python: FxHashMap::default(),
            set,
            has_focused,
            has_ignored,
        }
    }

    /// Decides about the stacks that have come since the last time, and returns all that are asked for.
    pub fn update(&mut self, recording: &Recording) -> Arc<StackSet> {
        let table = &recording.stacks;
        let native = self.marks.unknown(table).filter_map(StackFrame::of_native);
        self.namer.prepare_frames(recording, native);
        let mut marks = std::mem::take(&mut self.marks);
        let new = marks.update(table, |node| self.marks_of(recording, node));
        self.marks = marks;
        for id in new {
            let is_admitted = self.decide(recording, id);
            Arc::make_mut(&mut self.set).set(id, is_admitted);
        }
        Arc::clone(&self.set)
    }

    /// What has named the frames, for names of the same recording.
    pub fn into_namer(self) -> Namer {
        self.namer
    }

    /// What the user should know of patterns that no stack has.
    pub fn notes(&self) -> Vec<String> {
        let unused = |patterns: &FramePatterns, option: &str, is_used: bool| {
            let texts: Vec<&str> = patterns.texts().collect();
            (!texts.is_empty() && !is_used)
                .then(|| format!("No frame of the recording matches {option} {}.", texts.join(" or ")))
        };
        let StackPatterns { focus, ignore } = &self.patterns;
        let notes =
            [unused(focus, "--focus", self.has_focused), unused(ignore, "--ignore", self.has_ignored)];
        notes.into_iter().flatten().collect()
    }

    /// The marks of one frame.
    fn marks_of(&mut self, recording: &Recording, node: StackNode) -> u8 {
        if let Some(frame) = StackFrame::of_native(node) {
            let key = (frame.epoch, frame.pc, frame.kind);
            if let Some(&known) = self.of_address.get(&key) {
                return known;
            }
            let frames = self.namer.frames_of(recording, frame);
            let marks = frames.iter().map(|frame| self.marks_of_frame(frame)).fold(0, |all, one| all | one);
            self.of_address.insert(key, marks);
            return marks;
        }
        let python = PythonFrame::decode(node.pc);
        if node.kind != FrameKind::Python || python.is_incomplete {
            return 0;
        }
        if let Some(&known) = self.of_python.get(&node.pc) {
            return known;
        }
        let frame = self.namer.python_frame(recording, python);
        let marks = PYTHON | self.marks_of_frame(&frame);
        self.of_python.insert(node.pc, marks);
        marks
    }

    fn marks_of_frame(&self, frame: &Frame) -> u8 {
        let sight = match self.seen.sight(frame) {
            Sight::Always => IN_SIGHT,
            Sight::Perhaps => PERHAPS,
            Sight::Never => OUT_OF_SIGHT,
        };
        let StackPatterns { focus, ignore } = &self.patterns;
        let focused = if focus.matches(frame) { sight } else { 0 };
        let ignored = if ignore.matches(frame) { sight << IGNORE_SHIFT } else { 0 };
        focused | ignored
    }

    /// Whether a stack is asked for.
    fn decide(&mut self, recording: &Recording, id: StackId) -> bool {
        let table = &recording.stacks;
        let (native, python) = table.parts(id);
        let marks = self.marks.of(table, native) | self.marks.of(table, python);
        let has_native = table.stack(native, 1).is_some_and(|mut frames| frames.next().is_some());
        if marks & PYTHON == 0 && !has_native {
            return self.patterns.admit(&[]);
        }
        let of_all = |marks: u8| match marks & ANY {
            0 => Some(false),
            // The stack has no Python frames, so all others are looked at.
            _ if marks & PYTHON == 0 => Some(true),
            found if found & IN_SIGHT != 0 => Some(true),
            OUT_OF_SIGHT if has_native => Some(false),
            _ => None,
        };
        let ignore_marks = marks >> IGNORE_SHIFT & ANY | marks & PYTHON;
        let (focused, ignored) = (of_all(marks), of_all(ignore_marks));
        self.has_focused |= focused != Some(false);
        self.has_ignored |= ignored != Some(false);
        match (focused, ignored) {
            (_, Some(true)) => false,
            (Some(focused), Some(false)) => focused || self.patterns.focus.is_empty(),
            // Which frames have started the interpreter shows the whole stack alone.
            _ => {
                let whole = self.namer.made(recording, id);
                self.patterns.admit(self.seen.of(&whole).frames())
            }
        }
    }
}

#[cfg(test)]
mod tests;
