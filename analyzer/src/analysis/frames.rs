//! The frames of the stacks of Python programs that are looked at: all, those of Python code, or the native ones.

use std::sync::Arc;

use crate::model::{Frame, Traceback};

/// The choice. A stack without Python frames has all its frames with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Frames {
    /// All but the interpreter's own.
    #[default]
    All,
    /// Those of Python code.
    Python,
    /// The native ones, with the interpreter's own.
    Native,
}

impl Frames {
    /// `traceback` with the frames that are chosen.
    ///
    /// ```
    /// use tm_analyzer::analysis::Frames;
    /// use tm_analyzer::model::{Frame, Traceback};
    ///
    /// let native = Traceback::new(vec![Frame::new("a.c", 1)], None);
    /// assert_eq!(Frames::Python.of(&native), native);
    /// ```
    #[must_use]
    pub fn of(self, traceback: &Traceback) -> Traceback {
        let frames = traceback.frames();
        if !traceback.has_python() {
            return traceback.clone();
        }
        let kept: Vec<Arc<Frame>> = frames.iter().filter(|frame| self.has(frame)).cloned().collect();
        if kept.len() == frames.len() || kept.is_empty() {
            return traceback.clone();
        }
        let n_left_out = (frames.len() - kept.len()) as u32;
        let total_nframe = traceback.total_nframe().map(|total| total.saturating_sub(n_left_out));
        traceback.with_frames(&kept, total_nframe)
    }

    /// Whether `frame` is looked at, of a stack that has Python frames.
    fn has(self, frame: &Frame) -> bool {
        match self {
            Frames::All => !frame.is_interpreter(),
            Frames::Python => frame.is_python(),
            Frames::Native => !frame.is_python(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::python_stack;

    fn files(traceback: &Traceback) -> Vec<&str> {
        traceback.frames().iter().map(|frame| &*frame.filename).collect()
    }

    #[test]
    fn each_choice_has_its_frames_and_counts_what_it_leaves_out() {
        let stack = python_stack();
        let of = |frames: Frames| {
            let seen = frames.of(&stack);
            (files(&seen).join(" "), seen.total_nframe())
        };
        assert_eq!(of(Frames::All), ("libc main.py ext.c lib.py ext.c".to_owned(), Some(105)));
        assert_eq!(of(Frames::Python), ("main.py lib.py".to_owned(), Some(102)));
        assert_eq!(
            of(Frames::Native),
            ("libc python python ext.c python ext.c python".to_owned(), Some(107))
        );
    }

    #[test]
    fn stacks_of_one_kind_stay_as_they_are() {
        let interpreter: Vec<Frame> = python_stack()
            .frames()
            .iter()
            .filter(|frame| !frame.is_python())
            .map(|it| (**it).clone())
            .collect();
        let python = Frame { kind: tm_common::stack::FrameKind::Python, ..Frame::new("a.py", 1) };
        for stack in [interpreter, vec![python], vec![]] {
            let stack = Traceback::new(stack, Some(9));
            for frames in [Frames::All, Frames::Python, Frames::Native] {
                assert_eq!(files(&frames.of(&stack)), files(&stack));
            }
        }
    }
}
