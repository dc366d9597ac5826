//! Holds a layout against what the interpreter says of itself, in its own memory: a build that keeps things elsewhere is left
//! alone.

use core::ffi::CStr;
use core::ops::Range;

use tm_common::metadata::InterpreterState;

use super::layout::{CodeShape, FrameShape, Layout, Told};
use super::objects::word;
use crate::sys::objects::image::Image;

/// The first bytes of `_Py_DebugOffsets`, with which `_PyRuntime` begins since 3.13.
const COOKIE: u64 = u64::from_le_bytes(*b"xdebugpy");
/// The place of its version.
const VERSION_AT: usize = 8;
/// The place that is not 0 in an interpreter without the global lock.
const FREE_THREADED_AT: usize = 16;
/// The place of where `_PyRuntime` has the thread that finalizes it.
const FINALIZING_AT: usize = 32;
/// Its size in 3.13, which no later one is less than.
const TOLD_BYTES_MIN: usize = 584;

/// `PyTypeObject.tp_basicsize`, `tp_dealloc` and `tp_members`, in all versions.
const TYPE_SIZE: usize = 32;
pub const TYPE_DEALLOC: usize = 48;
const TYPE_MEMBERS: usize = 240;
const TYPE_BYTES_MIN: usize = 400;
/// `sizeof(PyMemberDef)`, and the place of the offset in it; the name is its first word.
const MEMBER_BYTES: usize = 40;
const MEMBER_OFFSET: usize = 16;
/// More members than any version has.
const MEMBERS_MAX: usize = 64;
/// A longer name is none of those that are looked for.
const MEMBER_NAME_BYTES_MAX: usize = 32;

/// Returns where the thread that finalizes the interpreter is noted, if it is laid out as `layout` says.
pub fn check(
    image: &Image,
    runtime: &Range<usize>,
    code_type: &Range<usize>,
    version: u32,
    layout: &Layout,
) -> Result<usize, InterpreterState> {
    let offset = match (layout.finalizing, layout.told) {
        (Some(offset), _) => offset,
        (None, Some(told)) => check_told(runtime, version, layout, &told)?,
        (None, None) => return Err(InterpreterState::UnexpectedLayout),
    };
    let place = runtime.start.saturating_add(offset);
    let is_inside = place.is_multiple_of(8) && place.saturating_add(8) <= runtime.end;
    let is_as_told =
        is_inside && code_type.len() >= TYPE_BYTES_MIN && has_members(image, code_type.start, &layout.code);
    if is_as_told { Ok(place) } else { Err(InterpreterState::UnexpectedLayout) }
}

/// Compares with `_Py_DebugOffsets`, and returns what that says of the runtime.
fn check_told(
    runtime: &Range<usize>,
    version: u32,
    layout: &Layout,
    told: &Told,
) -> Result<usize, InterpreterState> {
    let unexpected = Err(InterpreterState::UnexpectedLayout);
    if runtime.len() < TOLD_BYTES_MIN.max(told.text_parts + 24) || !runtime.start.is_multiple_of(8) {
        return unexpected;
    }
    // SAFETY: inside of `_PyRuntime`, which can be read as far as its symbol says.
    let at = |offset: usize| unsafe { word(runtime.start + offset) };
    if at(0) as u64 != COOKIE || at(VERSION_AT) != version as usize {
        return unexpected;
    }
    if at(FREE_THREADED_AT) != 0 {
        return Err(InterpreterState::FreeThreaded);
    }
    let Some(shape) = FrameShape::ALL.get(layout.shape) else { return unexpected };
    let code = &layout.code;
    let expected = [
        (told.frame, layout.frame),
        (told.thread_id, layout.thread_id),
        (told.frame_parts, shape.previous),
        (told.frame_parts + 8, shape.code),
        (told.frame_parts + 16, shape.instruction),
        (told.frame_parts + 32, shape.marks),
        (told.code_parts, code.file),
        (told.code_parts + 16, code.name),
        (told.code_parts + 24, code.line_table),
        (told.code_parts + 32, code.first_line),
        (told.instructions, code.size),
        (told.text_parts, super::objects::TEXT_STATE),
        (told.text_parts + 8, super::objects::TEXT_LEN),
        (told.text_parts + 16, layout.ascii_bytes),
    ];
    let is_as_told = expected.iter().all(|&(offset, ours)| at(offset) == ours);
    if is_as_told { Ok(at(FINALIZING_AT)) } else { unexpected }
}

/// Tells whether code objects have the parts of `shape` where it says.
fn has_members(image: &Image, code_type: usize, shape: &CodeShape) -> bool {
    // SAFETY: in the type, which can be read as far as its symbol says.
    let (size, members) = unsafe { (word(code_type + TYPE_SIZE), word(code_type + TYPE_MEMBERS)) };
    let mut expected = [shape.file, shape.name, shape.first_line, shape.line_table].map(Some);
    let mut names = 0..0;
    let readable = image.readable_around(members);
    for place in 0..MEMBERS_MAX {
        let member = members.saturating_add(place * MEMBER_BYTES);
        if !member.is_multiple_of(8) || !readable.contains(&member) || readable.end - member < MEMBER_BYTES {
            break;
        }
        // SAFETY: in a segment that can be read.
        let (name, offset) = unsafe { (word(member), word(member + MEMBER_OFFSET)) };
        if !names.contains(&name) {
            // The kernel is asked how far that can be read, so not for each name.
            names = image.readable_around(name);
        }
        let Some(name) = name_at(name, &names) else { break };
        for (wanted, expected) in shape.members.iter().zip(&mut expected) {
            if name == *wanted && *expected == Some(offset) {
                *expected = None;
            }
        }
    }
    size == shape.size && expected.iter().all(Option::is_none)
}

/// Returns the name at `address`; `None` if there is none, as at the end of the list.
fn name_at(address: usize, readable: &Range<usize>) -> Option<&'static [u8]> {
    let len = if readable.contains(&address) { readable.end - address } else { 0 };
    let len = len.min(MEMBER_NAME_BYTES_MAX);
    // SAFETY: as above.
    let bytes = (len > 0).then(|| unsafe { core::slice::from_raw_parts(address as *const u8, len) })?;
    CStr::from_bytes_until_nul(bytes).ok().map(CStr::to_bytes)
}
