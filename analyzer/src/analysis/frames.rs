//! The frames of the stacks of Python programs that are looked at: all, those of Python code, or the native ones.

use std::sync::Arc;

use crate::model::{Frame, Refill, StackView, Traceback};

/// The choice. A stack without Python frames has all its frames with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Frames {
    /// All but the interpreter's own, and those of the C library that has started it.
    #[default]
    All,
    /// Those of Python code.
    Python,
    /// The native ones, with the interpreter's own.
    Native,
}

/// Whether a frame of a stack with Python frames is among those that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It is.
    Always,
    /// It is not if it has started the interpreter.
    Perhaps,
    /// It is not.
    Never,
}

impl Frames {
    /// Whether `frame` is looked at, of a stack that has Python frames.
    pub(crate) fn sight(self, frame: &Frame) -> Sight {
        match self.has(frame) {
            false => Sight::Never,
            true if self == Frames::All && is_of_c_library(frame) => Sight::Perhaps,
            true => Sight::Always,
        }
    }

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
        let view = traceback.view();
        let mut kept = Vec::new();
        let Some(kept) = self.kept(view, &mut kept) else { return traceback.clone() };
        traceback.with_frames(kept, view.with_kept(kept).total_nframe)
    }

    /// The frames of `stack` that are chosen, put in `room`, if they are others than all.
    pub(super) fn kept<'a>(
        self,
        stack: StackView<'_>,
        room: &'a mut Vec<Arc<Frame>>,
    ) -> Option<&'a [Arc<Frame>]> {
        let StackView { frames, total_nframe, has_python } = stack;
        if !has_python {
            return None;
        }
        let is_whole = total_nframe.is_some_and(|total| total as usize == frames.len());
        let n_start = if self == Frames::All && is_whole { n_of_start(frames) } else { 0 };
        let inner = frames.get(n_start..).unwrap_or_default();
        let mut kept = Refill::new(room);
        inner.iter().filter(|frame| self.has(frame)).for_each(|frame| kept.push(frame));
        let kept = kept.finish();
        (kept.len() < frames.len() && !kept.is_empty()).then_some(kept)
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

/// How many of the outermost frames are the start of a program or thread that is the interpreter's: the C library's and its
/// own, up to the first frame of Python code. A program that embeds an interpreter has frames of its own there, and keeps all.
fn n_of_start(oldest_first: &[Arc<Frame>]) -> usize {
    let is_start = |frame: &&Arc<Frame>| frame.is_interpreter() || is_of_c_library(frame);
    let n_start = oldest_first.iter().take_while(is_start).count();
    let outermost_of_program = oldest_first.get(n_start);
    if outermost_of_program.is_some_and(|frame| frame.is_python()) { n_start } else { 0 }
}

fn is_of_c_library(frame: &Frame) -> bool {
    let name = frame.module_path().and_then(|path| path.rsplit('/').next());
    let names = ["libc.so", "libc-", "libpthread.so", "libpthread-", "ld-musl-"];
    !frame.is_python() && name.is_some_and(|name| names.iter().any(|start| name.starts_with(start)))
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
    fn the_c_library_starts_the_interpreter_and_a_program_that_embeds_it() {
        let seen = |frames: Vec<Arc<Frame>>, n_left_out: usize| {
            let total = Some((frames.len() + n_left_out) as u32);
            files(&Frames::All.of(&Traceback::from_oldest_first(frames, total))).join(" ")
        };
        let frames = python_stack().frames().to_vec();
        assert_eq!(seen(frames.clone(), 0), "main.py ext.c lib.py ext.c");
        let cut = seen(frames.clone(), 5);
        assert_eq!(cut, "libc main.py ext.c lib.py ext.c", "what is outward of it is not known");
        let of_program =
            Frame { module: Some(crate::model::ModuleFile::at("/app")), ..Frame::new("app.c", 9) };
        let embedding = [&frames[..1], &[Arc::new(of_program)], &frames[1..]].concat();
        assert_eq!(seen(embedding, 0), "libc app.c main.py ext.c lib.py ext.c");
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
