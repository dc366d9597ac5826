//! Native and Python frames of one thread as one stack.
//!
//! CPython runs Python code by calling its evaluation function, which runs a function and those that it calls itself until one
//! calls C code. So each native frame of that function stands for a run of Python frames, which ends with the one that it was
//! called for:
//!
//! ```text
//! native, from the innermost     malloc  f  EVAL   g  EVAL      main
//! Python                                    c b*      a*                *: entry
//! merged                         malloc  f  c b  EVAL  g  a  EVAL  main
//! ```
//!
//! Where the counts of both differ, they are aligned from the innermost frame outward; Python frames that are left stand at
//! the root. None is dropped.

use tm_common::python::PythonFrame;

use super::addresses::Evaluation;

/// A frame of a merged stack; of a native one whatever the caller knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MergedFrame<N> {
    Native(N),
    Python(PythonFrame),
}

/// A merged stack.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged<N> {
    /// The frames, the innermost first, without those that CPython does not show.
    pub frames: Vec<MergedFrame<N>>,
    /// How many Python frames are not shown.
    pub n_incomplete: u32,
    /// Whether Python frames are left that no native frame has run, or native ones that have run none, though none is missing.
    pub differs: bool,
}

/// Frames of one kind, the innermost first.
pub(super) struct Part<I> {
    pub frames: I,
    /// Whether the last of them is the outermost of all, so that none is missing.
    pub is_whole: bool,
}

/// The frames of `native` and `python` as one stack.
pub(super) fn merge<N: Copy>(
    native: Part<&[(N, Evaluation)]>,
    python: Part<impl Iterator<Item = PythonFrame>>,
) -> Merged<N> {
    let mut merged = Merged { frames: Vec::new(), n_incomplete: 0, differs: false };
    let mut rest = python.frames.peekable();
    let mut native_frames = native.frames.iter().copied().peekable();
    while let Some((frame, evaluation)) = native_frames.next() {
        let caller = native_frames.peek().map(|&(_, caller)| caller);
        let runs_python = match evaluation {
            Evaluation::None => false,
            Evaluation::Function => true,
            // Its caller stands for both.
            Evaluation::Instruction => caller != Some(Evaluation::Function),
        };
        if runs_python {
            merged.differs |= python.is_whole && rest.peek().is_none();
            for frame in rest.by_ref() {
                merged.push(frame);
                if frame.is_entry {
                    break;
                }
            }
        }
        merged.frames.push(MergedFrame::Native(frame));
    }
    merged.differs |= native.is_whole && rest.peek().is_some();
    rest.for_each(|frame| merged.push(frame));
    merged
}

impl<N> Merged<N> {
    fn push(&mut self, frame: PythonFrame) {
        if frame.is_incomplete {
            self.n_incomplete += 1;
        } else {
            self.frames.push(MergedFrame::Python(frame));
        }
    }
}

#[cfg(test)]
mod tests;
