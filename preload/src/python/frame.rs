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
#[repr(C)]
pub struct Live {
    /// The frame's address.
    pub frame: usize,
    /// The address of its code object.
    pub code: usize,
    /// Its instruction, as [`FrameShape::instruction`] has it.
    pub instruction: usize,
    /// Its marks, where they stand in their word.
    pub marks: usize,
}

/// Bits of the words that [`Live`] is read of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bits {
    code: usize,
    /// The instruction and the marks: beside each other in most frames, and then compared at once.
    rest: [usize; 2],
}

impl Bits {
    /// Adds those by which a frame differs from what was read of it.
    ///
    /// # Safety
    /// There is still a frame, of this shape.
    #[inline(always)]
    pub unsafe fn add_difference<const SHAPE: usize>(&mut self, live: &Live) {
        let shape = const { FrameShape::ALL[SHAPE] };
        // SAFETY: the caller's. Not volatile, so that words beside each other are read at once: the frames are the thread's own.
        let (code, rest) = unsafe {
            let word = |offset| ((live.frame + offset) as *const usize).read_unaligned();
            let rest = match shape.marks_word() {
                _ if shape.marks_mask == 0 => [word(shape.instruction), 0],
                at if at == shape.instruction + size_of::<usize>() => {
                    ((live.frame + shape.instruction) as *const [usize; 2]).read_unaligned()
                }
                at => [word(shape.instruction), word(at)],
            };
            (word(shape.code), rest)
        };
        self.code |= code ^ live.code;
        let Self { rest: [instruction, marks], .. } = *self;
        self.rest = [instruction | rest[0] ^ live.instruction, marks | rest[1] ^ live.marks];
    }

    /// Tells whether there is one among them that is read.
    #[inline(always)]
    pub fn are_any<const SHAPE: usize>(self) -> bool {
        let shape = const { FrameShape::ALL[SHAPE] };
        let [instruction, marks] = self.rest;
        let rest = instruction & shape.instruction_mask | marks & shape.marks_bits();
        self.code & !shape.code_tags | rest != 0
    }
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
            instruction: word(frame + shape.instruction) & shape.instruction_mask,
            marks: if shape.marks_mask == 0 {
                0
            } else {
                word(frame + shape.marks_word()) & shape.marks_bits()
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

/// Returns what [`previous`] does, read in any order with other words.
///
/// # Safety
/// As for [`read`].
#[inline(always)]
pub unsafe fn plain_previous<const SHAPE: usize>(frame: usize) -> usize {
    // SAFETY: the caller's.
    unsafe { ((frame + const { FrameShape::ALL[SHAPE] }.previous) as *const usize).read() }
}

/// Enters a frame, whose code object has a number, under its caller's node. A frame of none, 0, is where the chain ends.
#[inline(always)]
pub fn enter(
    shape: &FrameShape,
    live: Live,
    code: CodeIndex,
    outer: Option<usize>,
    caller: StackId,
    nodes: &impl Nodes,
) -> StackId {
    if code.0 == 0 {
        return nodes.enter(StackId::NONE, EndReason::PythonFrame as u64, FrameKind::Incomplete);
    }
    nodes.enter(caller, frame_of(shape, live, code, outer, nodes).encode(), FrameKind::Python)
}

/// Returns what a recording says of a frame, whose caller's marks are `outer`.
#[inline(always)]
fn frame_of(
    shape: &FrameShape,
    live: Live,
    code: CodeIndex,
    outer: Option<usize>,
    nodes: &impl Nodes,
) -> PythonFrame {
    let (instruction, is_incomplete) = if shape.marks_mask == 0 {
        // A number, -1 before the first one.
        (i64::from(live.instruction as u32 as i32) >> shape.instruction_shift, false)
    } else {
        let (start, first_traceable) = nodes.instructions(live.code);
        let instruction = live.instruction.wrapping_sub(start) as i64 >> shape.instruction_shift;
        (instruction, shape.owner(live.marks) != OWNER_GENERATOR && instruction < first_traceable as i64)
    };
    let instruction = u32::try_from(instruction).ok();
    PythonFrame { code, instruction, is_incomplete, is_entry: shape.is_entry(live.marks, outer) }
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
            let code = nodes.code(live.code).unwrap_or(CodeIndex(0));
            if code.0 == 0 || !frame_of(&shape, live, code, outer_marks, nodes).is_incomplete {
                return enter(&shape, live, code, outer_marks, StackId::NONE, nodes);
            }
        }
        frame = outer;
    }
    StackId::NONE
}
