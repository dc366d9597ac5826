//! The frame to blame for a stack, without naming all of it: frames are named from the innermost outward, up to the first that
//! is no allocation plumbing. A million stacks that end at a hundred lines take the memory of the hundred.

use std::sync::Arc;

use tm_common::ids::StackId;

use crate::analysis::{Cutter, Plumbing};
use crate::model::Frame;
use crate::reader::Recording;
use crate::snapshot::Namer;

/// Decides by a table of plumbing.
pub struct Blame(Cutter<'static>);

impl Blame {
    /// Blames by `plumbing`.
    #[must_use]
    pub fn new(plumbing: Plumbing) -> Blame {
        Blame(Cutter::of(plumbing))
    }

    /// The frame of `stack` that [`crate::model::Snapshot::without_plumbing`] leaves as the most recent one: the
    /// innermost of all if there is nothing but plumbing.
    pub fn frame(&mut self, namer: &mut Namer, recording: &Recording, stack: StackId) -> Arc<Frame> {
        let mut innermost = None;
        for address in recording.stacks.stack(stack, namer.limit(recording)).into_iter().flatten() {
            for frame in namer.frames_at(recording, address).iter() {
                if !self.0.is_plumbing(frame) {
                    return frame.clone();
                }
                innermost.get_or_insert_with(|| frame.clone());
            }
        }
        innermost.unwrap_or_else(|| Frame::unknown().into())
    }
}
