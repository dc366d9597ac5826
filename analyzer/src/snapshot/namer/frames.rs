//! Names of single frames, for who looks at each of a recording once.

use std::sync::Arc;

use tm_common::python::PythonFrame;

use super::Namer;
use crate::model::Frame;
use crate::reader::{Recording, StackFrame};

impl Namer {
    /// Looks the addresses of `frames` up in one go, for [`Namer::frames_of`] to find.
    pub(in crate::snapshot) fn prepare_frames(
        &mut self,
        recording: &Recording,
        frames: impl Iterator<Item = StackFrame>,
    ) {
        self.generation(recording);
        self.addresses.prepare(recording, frames);
    }

    /// The frames that a native one is shown as, the innermost first.
    pub(in crate::snapshot) fn frames_of(
        &mut self,
        recording: &Recording,
        frame: StackFrame,
    ) -> Arc<[Arc<Frame>]> {
        Arc::clone(&self.addresses.at(recording, frame).frames)
    }

    /// The frame of Python code.
    pub(in crate::snapshot) fn python_frame(
        &mut self,
        recording: &Recording,
        frame: PythonFrame,
    ) -> Arc<Frame> {
        Arc::clone(self.python.frame(recording, frame))
    }
}
