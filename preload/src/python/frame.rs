//! A frame of an interpreter: what is read of it, and what a recording says of that.

use tm_common::ids::{CodeIndex, StackId};
use tm_common::python::PythonFrame;
use tm_common::stack::{EndReason, FrameKind};

use super::layout::{FrameShape, OWNER_GENERATOR};
use super::objects::{is_plausible, word};

/// The number of frames that have not begun which may be inward of all others.
const INCOMPLETE_MAX: usize = 64;

/// What is read of a frame: if all of it is the same, so is the frame's node under the same caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// The frame's address.
    pub frame: usize,
    /// The address of its code object.
    pub code: usize,
    /// Its instruction, as [`FrameShape::instruction`] has it.
    pub instruction: usize,
    /// Its marks.
    pub marks: u16,
}

/// What a chain's nodes are made of.
pub trait Nodes {
    /// Enters a node under its parent; [`StackId::NONE`] if the file cannot grow.
    fn enter(&self, parent: StackId, pc: u64, kind: FrameKind) -> StackId;
    /// Returns the number of the code object that a frame says it runs; `None` if it is none, or there are no numbers left.
    fn code(&self, address: usize) -> Option<CodeIndex>;
    /// Returns where its instructions begin, and the first one that its frames have to come to.
    fn instructions(&self, address: usize) -> (usize, usize);
}

/// Reads the frame at `frame`.
///
/// # Safety
/// There is one, of this shape.
#[inline(always)]
pub unsafe fn read<const SHAPE: usize>(frame: usize) -> Live {
    let shape = const { FrameShape::ALL[SHAPE] };
    // SAFETY: the caller's.
    unsafe {
        Live {
            frame,
            code: word(frame + shape.code) & !shape.code_tags,
            instruction: if shape.instruction_mask == usize::MAX {
                word(frame + shape.instruction)
            } else {
                ((frame + shape.instruction) as *const u32).read_volatile() as usize
            },
            marks: if shape.marks_mask == 0 {
                0
            } else {
                ((frame + shape.marks) as *const u16).read_volatile() & shape.marks_mask
            },
        }
    }
}

/// Returns the frame that called the one at `frame`, 0 for none.
///
/// # Safety
/// As for [`read`].
#[inline(always)]
pub unsafe fn previous<const SHAPE: usize>(frame: usize) -> usize {
    // SAFETY: the caller's.
    unsafe { word(frame + const { FrameShape::ALL[SHAPE] }.previous) }
}

/// Enters a frame under its caller's node. A frame of no code object is where the chain ends.
#[inline(always)]
pub fn enter(
    shape: &FrameShape,
    live: Live,
    outer: Option<u16>,
    caller: StackId,
    nodes: &impl Nodes,
) -> StackId {
    match frame_of(shape, live, outer, nodes) {
        Some(frame) => nodes.enter(caller, frame.encode(), FrameKind::Python),
        None => nodes.enter(StackId::NONE, EndReason::PythonFrame as u64, FrameKind::Incomplete),
    }
}

/// Returns what a recording says of a frame, whose caller's marks are `outer`; `None` if it runs no code object.
#[inline(always)]
fn frame_of(shape: &FrameShape, live: Live, outer: Option<u16>, nodes: &impl Nodes) -> Option<PythonFrame> {
    let code = nodes.code(live.code)?;
    let (instruction, is_incomplete) = if shape.marks_mask == 0 {
        // A number, -1 before the first one.
        (i64::from(live.instruction as u32 as i32) >> shape.instruction_shift, false)
    } else {
        let (start, first_traceable) = nodes.instructions(live.code);
        let instruction = live.instruction.wrapping_sub(start) as i64 >> shape.instruction_shift;
        (instruction, shape.owner(live.marks) != OWNER_GENERATOR && instruction < first_traceable as i64)
    };
    let instruction = u32::try_from(instruction).ok();
    Some(PythonFrame { code, instruction, is_incomplete, is_entry: shape.is_entry(live.marks, outer) })
}

/// Returns the node of the innermost frame alone, of those from `innermost` on that have begun.
#[inline(never)]
pub fn innermost_node<const SHAPE: usize>(innermost: usize, nodes: &impl Nodes) -> StackId {
    let shape = const { FrameShape::ALL[SHAPE] };
    let mut frame = innermost;
    for _ in 0..INCOMPLETE_MAX {
        if !is_plausible(frame) {
            break;
        }
        // SAFETY: as in `super::chain`.
        let (live, outer) = unsafe { (read::<SHAPE>(frame), previous::<SHAPE>(frame)) };
        // SAFETY: as above.
        let outer_marks = is_plausible(outer).then(|| unsafe { read::<SHAPE>(outer) }.marks);
        if !shape.is_shim(live.marks) {
            match frame_of(&shape, live, outer_marks, nodes) {
                Some(found) if found.is_incomplete => {}
                _ => return enter(&shape, live, outer_marks, StackId::NONE, nodes),
            }
        }
        frame = outer;
    }
    StackId::NONE
}
