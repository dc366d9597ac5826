//! The types of `api/include/tm.h` as C lays them out, and the table of functions that `libtm.so` exports. The header says
//! what they mean; a test holds the layouts against it.
//!
//! The crate `tm` has them once more, since it uses none of our crates.

use core::ffi::{c_char, c_int, c_uint, c_void};

/// The codes that calls return: `enum tm_result`.
pub mod result {
    use core::ffi::c_int;

    /// Success.
    pub const OK: c_int = 0;
    /// tm has no memory left, or the recording cannot grow.
    pub const NO_MEMORY: c_int = -1;
    /// Nothing is recorded now.
    pub const NOT_TRACING: c_int = -2;
    /// `libtm.so` is not in this process.
    pub const NOT_LOADED: c_int = -3;
    /// An argument is out of its range.
    pub const INVALID: c_int = -4;
    /// There is no such traced block.
    pub const NOT_FOUND: c_int = -5;
    /// The call was made in a callback, or while a call of this thread is interrupted.
    pub const BUSY: c_int = -6;
    /// The question could not be answered.
    pub const FAILED: c_int = -7;
}

/// The answers of a handler: `enum tm_follow`.
pub mod follow {
    use core::ffi::c_int;

    /// Count it, and follow its words.
    pub const FOLLOW: c_int = 0;
    /// Count it, but follow only what the handler has named.
    pub const STOP: c_int = 1;
    /// Skip it: neither count nor follow it.
    pub const SKIP: c_int = 2;
}

/// A code location of a stack: `tm_frame`.
#[repr(C)]
#[derive(Debug)]
pub struct Frame {
    /// The source file; without line information `module+0xoffset`.
    pub filename: *const c_char,
    /// 0 if there is none.
    pub lineno: c_uint,
    /// NULL if unknown.
    pub function: *const c_char,
    /// The return address; 0 for frames of inlined functions.
    pub address: usize,
}

/// The place where a block was allocated: `tm_traceback`.
#[repr(C)]
#[derive(Debug)]
pub struct Traceback {
    /// Oldest first.
    pub frames: *const Frame,
    /// The number of them.
    pub n_frames: usize,
    /// The number of frames before the stack was cut to the limit; 0 if that is not known.
    pub total_nframe: usize,
    /// The block's start.
    pub address: usize,
    /// The bytes that were asked for.
    pub size: usize,
    /// The block's domain.
    pub domain: c_uint,
}

/// A block that a walk has reached: `tm_block`.
#[repr(C)]
#[derive(Debug)]
pub struct Block {
    /// The start.
    pub address: usize,
    /// The bytes that were asked for.
    pub size: usize,
    /// The domain.
    pub domain: c_uint,
    /// The number of steps that it is away.
    pub depth: c_uint,
    /// The line that allocated it, `file:line`.
    pub location: *const c_char,
}

/// What a handler passes on to `tm_follow`; only the query library looks into it.
#[repr(C)]
#[derive(Debug)]
pub struct Walk {
    _opaque: [u8; 0],
}

/// Decides what is done with a block; returns one of [`follow`].
pub type Handler = unsafe extern "C" fn(context: *mut c_void, block: *const Block, walk: *mut Walk) -> c_int;
/// Is told of a block that is counted.
pub type Visit = unsafe extern "C" fn(context: *mut c_void, block: *const Block);

/// The way a walk goes: `tm_total_size_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TotalSizeOptions {
    /// Blocks further away are not reached; 0 and `usize::MAX`: no limit.
    pub depth_max: usize,
    /// The most blocks that are counted; 0: no limit.
    pub blocks_max: usize,
    /// Decides about each block that is reached, once.
    pub handler: Option<Handler>,
    /// Sees each block that is counted, once.
    pub visit: Option<Visit>,
    /// Passed to both.
    pub context: *mut c_void,
    /// Writes a line on standard error for each counted block, if not 0.
    pub verbose: c_int,
}

/// Bytes and blocks of one depth, or of one line: `tm_size_group`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SizeGroup {
    /// The depth, of groups by depth.
    pub depth: usize,
    /// `file:line`, of groups by line; else NULL.
    pub location: *const c_char,
    /// Bytes.
    pub size: usize,
    /// Blocks.
    pub count: usize,
}

/// What a walk has found: `tm_total_size_result`.
#[repr(C)]
#[derive(Debug)]
pub struct TotalSizeResult {
    /// Bytes of all counted blocks.
    pub size: usize,
    /// The number of them.
    pub count: usize,
    /// Ascending.
    pub by_depth: *const SizeGroup,
    /// The number of groups by depth.
    pub n_depths: usize,
    /// The largest first.
    pub by_line: *const SizeGroup,
    /// The number of groups by line.
    pub n_lines: usize,
    /// Tells by another number than 0 that a limit left blocks out.
    pub is_cut: c_int,
}

/// A place in Python code: `tm_python_frame`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PythonFrame {
    /// The file's name, a place among the texts.
    pub filename: u32,
    /// The qualified name, likewise.
    pub function: u32,
    /// 0 if there is none.
    pub lineno: u32,
}

/// A stack of Python frames: `tm_python_traceback`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PythonTraceback {
    /// The place of the most recent one among the frames; its callers follow.
    pub first_frame: u32,
    /// The number of them; 0 if no Python code ran.
    pub n_frames: u32,
    /// The number of frames before the stack was cut to the limit.
    pub total_nframe: u32,
}

/// A live block: `tm_python_trace`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PythonTrace {
    /// The bytes that were asked for.
    pub size: u64,
    /// The block's domain.
    pub domain: u32,
    /// Its place among the tracebacks.
    pub traceback: u32,
}

/// Live blocks: `tm_python_traces`.
#[repr(C)]
#[derive(Debug)]
pub struct PythonTraces {
    /// All blocks.
    pub traces: *const PythonTrace,
    /// The number of them.
    pub n_traces: usize,
    /// Each traceback once.
    pub tracebacks: *const PythonTraceback,
    /// The number of them.
    pub n_tracebacks: usize,
    /// The frames of all tracebacks.
    pub frames: *const PythonFrame,
    /// The number of them.
    pub n_frames: usize,
    /// Each text once.
    pub texts: *const *const c_char,
    /// The number of them.
    pub n_texts: usize,
}

/// Tells of a block of a domain: `tm_track`.
pub type Track = unsafe extern "C" fn(domain: c_uint, ptr: usize, size: usize) -> c_int;

/// Writes the text of a traceback: `tm_traceback_format`, for programs and in the query library's table.
pub type TracebackFormat = unsafe extern "C" fn(
    traceback: *const Traceback,
    limit: c_int,
    most_recent_first: c_int,
    buffer: *mut c_char,
    size: usize,
) -> c_int;

/// The functions of `libtm.so` that programs call, in the order of the header: `struct tm_api`. Later versions have more
/// at the end.
#[repr(C)]
#[allow(missing_docs, reason = "the fields are the header's functions")]
#[derive(Debug)]
pub struct Api {
    /// The bytes of this structure.
    pub size: usize,
    pub start: unsafe extern "C" fn(nframe: c_uint) -> c_int,
    pub stop: unsafe extern "C" fn() -> c_int,
    pub is_tracing: unsafe extern "C" fn() -> c_int,
    pub get_traceback_limit: unsafe extern "C" fn() -> c_uint,
    pub clear_traces: unsafe extern "C" fn() -> c_int,
    pub get_traced_memory: unsafe extern "C" fn(current: *mut u64, peak: *mut u64) -> c_int,
    pub reset_peak: unsafe extern "C" fn() -> c_int,
    pub get_tracemalloc_memory: unsafe extern "C" fn() -> usize,
    pub take_snapshot: unsafe extern "C" fn(name: *const c_char) -> c_int,
    pub dump_snapshot: unsafe extern "C" fn(path: *const c_char) -> c_int,
    pub get_object_traceback:
        unsafe extern "C" fn(ptr: *const c_void, traceback: *mut *mut Traceback) -> c_int,
    pub traceback_format: TracebackFormat,
    pub traceback_free: unsafe extern "C" fn(traceback: *mut Traceback),
    pub track: Track,
    pub untrack: unsafe extern "C" fn(domain: c_uint, ptr: usize) -> c_int,
    pub name_domain: unsafe extern "C" fn(domain: c_uint, name: *const c_char) -> c_int,
    pub get_domain_memory: unsafe extern "C" fn(domain: c_uint, current: *mut u64, peak: *mut u64) -> c_int,
    pub total_size: unsafe extern "C" fn(
        ptr: *const c_void,
        options: *const TotalSizeOptions,
        result: *mut *mut TotalSizeResult,
    ) -> c_int,
    pub follow: unsafe extern "C" fn(walk: *mut Walk, ptr: *const c_void) -> c_int,
    pub total_size_free: unsafe extern "C" fn(result: *mut TotalSizeResult),
    pub tag: unsafe extern "C" fn(name: *const c_char) -> u32,
    pub restore_tag: unsafe extern "C" fn(tag: u32) -> u32,
    pub python_objects: unsafe extern "C" fn(on: c_int) -> c_int,
    pub python_hide: unsafe extern "C" fn(hide: c_int) -> c_int,
    pub get_python_traces:
        unsafe extern "C" fn(ptr: *const c_void, nframe: c_uint, traces: *mut *mut PythonTraces) -> c_int,
    pub python_traces_free: unsafe extern "C" fn(traces: *mut PythonTraces),
    pub start_sampled: unsafe extern "C" fn(nframe: c_uint, mean_bytes: u64) -> c_int,
}
