//! Names of Python frames: what CPython shows of them in a traceback, each once.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tm_common::ids::CodeIndex;
use tm_common::python::PythonFrame;
use tm_common::stack::FrameKind;

use crate::model::Frame;
use crate::python::Lines;
use crate::reader::Recording;
use crate::text::words::counted;

/// The file name of frames whose code object is not in the recording.
const UNKNOWN: &str = "[unknown Python code]";

/// The names so far.
#[derive(Default)]
pub(super) struct PythonNames {
    /// The frames, by number.
    frames: Vec<Arc<Frame>>,
    of_frame: FxHashMap<(CodeIndex, Option<u32>), usize>,
    /// The lines of code objects; `None` where the recording does not have them all.
    lines: FxHashMap<CodeIndex, Option<Lines>>,
    /// The code objects that are missing, or whose line tables are.
    missing: FxHashSet<CodeIndex>,
    /// The number of the frame of those whose code object is not in the recording.
    unknown: Option<usize>,
}

impl PythonNames {
    /// The frame as it is shown.
    pub fn frame(&mut self, recording: &Recording, frame: PythonFrame) -> &Arc<Frame> {
        let number = self.number(recording, frame);
        &self.frames[number]
    }

    fn number(&mut self, recording: &Recording, frame: PythonFrame) -> usize {
        let PythonFrame { code: index, instruction, .. } = frame;
        if let Some(&known) = self.of_frame.get(&(index, instruction)) {
            return known;
        }
        let Some(code) = recording.python.code(index) else {
            self.missing.insert(index);
            return *self.unknown.get_or_insert_with(|| {
                self.frames.push(Frame { kind: FrameKind::Python, ..Frame::new(UNKNOWN, 0) }.into());
                self.frames.len() - 1
            });
        };
        let lines = self.lines.entry(index).or_insert_with(|| {
            let table = recording.python.line_table(index)?;
            Some(Lines::read(code.line_table_kind, &table, code.first_line))
        });
        if lines.is_none() {
            self.missing.insert(index);
        }
        let named = Frame {
            function: Some(Arc::clone(&code.name)),
            kind: FrameKind::Python,
            ..Frame::new(Arc::clone(&code.file), lines.as_ref().map_or(0, |lines| lines.line(instruction)))
        };
        self.frames.push(named.into());
        self.of_frame.insert((index, instruction), self.frames.len() - 1);
        self.frames.len() - 1
    }

    /// What kept names or lines from being found, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let n = self.missing.len() as u64;
        let objects = counted(n, "Python function");
        (n > 0).then(|| format!("The names or lines of {objects} are not in the recording."))
    }
}
