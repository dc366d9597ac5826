//! Native stacks as frames: the names of each node of the stack table are found once, and what a stack shares with the one before
//! it is not gone through again. Stacks come in the order of their numbers, where neighbours differ in a few inner frames.

use std::sync::Arc;

use tm_common::ids::StackId;

use super::addresses::Addresses;
use crate::model::Frame;
use crate::reader::{Recording, StackFrame};

/// The names of nodes, and the last stack.
#[derive(Default)]
pub(super) struct NativeFrames {
    /// For each place in the table, one more than the number of the names of its address; 0 where these are not known.
    numbers: Vec<u32>,
    /// The nodes of the last stack, from the outermost on.
    path: Vec<Step>,
    /// Its frames.
    frames: Vec<Arc<Frame>>,
    /// The nodes that the next one does not share with it, from the innermost on.
    inner: Vec<(usize, StackFrame)>,
}

/// A node of the last stack.
struct Step {
    place: usize,
    /// How many frames there are from the outermost up to those of the node.
    n_frames: usize,
    /// Whether none of them is a guess, and the stack is followed up to its outermost frame.
    is_certain: bool,
}

/// The frames of a native stack.
pub(super) struct NativeStack<'a> {
    /// The frames, the outermost first.
    pub frames: &'a [Arc<Frame>],
    /// How many of them are no inlined functions.
    pub n_physical: usize,
    /// Whether it has no doubts.
    pub is_certain: bool,
}

/// What is looked up for [`NativeFrames`], and has no number yet.
const WANTED: u32 = u32::MAX;

impl NativeFrames {
    /// Forgets all names.
    pub fn forget(&mut self) {
        *self = NativeFrames::default();
    }

    /// Looks the addresses of `stacks` up in one go, of each as far as `limit` frames.
    pub fn prepare(
        &mut self,
        (recording, addresses): (&Recording, &mut Addresses),
        stacks: impl Iterator<Item = StackId>,
        limit: u32,
    ) {
        let table = &recording.stacks;
        let mut wanted: Vec<(usize, StackFrame)> = Vec::new();
        for stack in stacks {
            let (mut next, mut n_frames) = (table.parts(stack).0, 0);
            while n_frames < limit
                && let Some(node) = table.native_node(next)
            {
                if let Some(frame) = node.frame {
                    // Most of a stack is outward of where it leaves one that was seen.
                    match self.number_at(node.place) {
                        0 => wanted.push((node.place, frame)),
                        _ => break,
                    }
                    self.set(node.place, WANTED);
                    n_frames += 1;
                }
                next = node.caller;
            }
        }
        addresses.prepare(recording, wanted.iter().map(|(_, frame)| *frame));
        for (place, frame) in wanted {
            let number = addresses.number(recording, frame);
            self.set(place, number + 1);
        }
    }

    /// The number of the names of the node at `place`.
    pub fn number(
        &mut self,
        (recording, addresses): (&Recording, &mut Addresses),
        (place, frame): (usize, StackFrame),
    ) -> u32 {
        match self.number_at(place) {
            0 | WANTED => {
                let number = addresses.number(recording, frame);
                self.set(place, number + 1);
                number
            }
            known => known - 1,
        }
    }

    /// The stack that begins at the node `native`, if it is one of at most `limit` frames with those that are not in the recording.
    pub fn stack(
        &mut self,
        (recording, addresses): (&Recording, &mut Addresses),
        native: StackId,
        limit: u32,
    ) -> Option<NativeStack<'_>> {
        let table = &recording.stacks;
        let innermost = table.native_node(native)?;
        if table.native_depth(innermost.place) > limit {
            return None;
        }
        let (mut inner, mut next, mut n_shared) = (std::mem::take(&mut self.inner), native, 0);
        while let Some(node) = table.native_node(next) {
            // All frames outward of it count, so that is its place in a stack that has it.
            let depth = table.native_depth(node.place) as usize;
            if self.path.get(depth.wrapping_sub(1)).is_some_and(|step| step.place == node.place) {
                n_shared = depth;
                break;
            }
            inner.extend(node.frame.map(|frame| (node.place, frame)));
            next = node.caller;
        }
        self.path.truncate(n_shared);
        self.frames.truncate(self.path.last().map_or(0, |step| step.n_frames));
        let mut is_certain = match self.path.last() {
            Some(step) => step.is_certain,
            None => !table.is_incomplete(next),
        };
        for (place, frame) in inner.drain(..).rev() {
            let number = self.number((recording, &mut *addresses), (place, frame));
            match &*addresses.named(number).frames {
                [one] => self.frames.push(Arc::clone(one)),
                several => self.frames.extend(several.iter().rev().cloned()),
            }
            is_certain &= frame.kind != tm_common::stack::FrameKind::Guessed;
            self.path.push(Step { place, n_frames: self.frames.len(), is_certain });
        }
        self.inner = inner;
        Some(NativeStack { frames: &self.frames, n_physical: self.path.len(), is_certain })
    }

    fn number_at(&self, place: usize) -> u32 {
        self.numbers.get(place).copied().unwrap_or(0)
    }

    fn set(&mut self, place: usize, number: u32) {
        if self.numbers.len() <= place {
            self.numbers.resize(place + 1, 0);
        }
        self.numbers.get_mut(place).into_iter().for_each(|known| *known = number);
    }
}
