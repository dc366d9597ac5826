//! The types of `tm.h` as C lays them out. The header says what they mean; `layout_tests` holds them against it.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// `tm_frame`.
#[repr(C)]
pub struct Frame {
    pub filename: *const c_char,
    pub lineno: c_uint,
    pub function: *const c_char,
    pub address: usize,
}

/// `tm_traceback`.
#[repr(C)]
pub struct Traceback {
    pub frames: *const Frame,
    pub n_frames: usize,
    pub total_nframe: usize,
    pub address: usize,
    pub size: usize,
    pub domain: c_uint,
}

/// `tm_block`.
#[repr(C)]
pub struct Block {
    pub address: usize,
    pub size: usize,
    pub domain: c_uint,
    pub depth: c_uint,
    pub location: *const c_char,
}

/// `tm_walk`, which only the query library looks into.
#[repr(C)]
pub struct Walk {
    _opaque: [u8; 0],
}

/// The handler of `tm_total_size_options`: returns an `enum tm_follow`.
pub type Handler = unsafe extern "C" fn(*mut c_void, *const Block, *mut Walk) -> c_int;
/// The visitor of `tm_total_size_options`.
pub type Visit = unsafe extern "C" fn(*mut c_void, *const Block);

/// `tm_total_size_options`.
#[repr(C)]
pub struct TotalSizeOptions {
    pub depth_max: usize,
    pub blocks_max: usize,
    pub handler: Option<Handler>,
    pub visit: Option<Visit>,
    pub context: *mut c_void,
    pub verbose: c_int,
}

/// `tm_size_group`.
#[repr(C)]
pub struct SizeGroup {
    pub depth: usize,
    pub location: *const c_char,
    pub size: usize,
    pub count: usize,
}

/// `tm_total_size_result`.
#[repr(C)]
pub struct TotalSizeResult {
    pub size: usize,
    pub count: usize,
    pub by_depth: *const SizeGroup,
    pub n_depths: usize,
    pub by_line: *const SizeGroup,
    pub n_lines: usize,
    pub is_cut: c_int,
}

/// `struct tm_api`: later versions have more functions at the end.
#[repr(C)]
pub struct Table {
    pub size: usize,
    pub start: unsafe extern "C" fn(c_uint) -> c_int,
    pub stop: unsafe extern "C" fn() -> c_int,
    pub is_tracing: unsafe extern "C" fn() -> c_int,
    pub get_traceback_limit: unsafe extern "C" fn() -> c_uint,
    pub clear_traces: unsafe extern "C" fn() -> c_int,
    pub get_traced_memory: unsafe extern "C" fn(*mut u64, *mut u64) -> c_int,
    pub reset_peak: unsafe extern "C" fn() -> c_int,
    pub get_tracemalloc_memory: unsafe extern "C" fn() -> usize,
    pub take_snapshot: unsafe extern "C" fn(*const c_char) -> c_int,
    pub dump_snapshot: unsafe extern "C" fn(*const c_char) -> c_int,
    pub get_object_traceback: unsafe extern "C" fn(*const c_void, *mut *mut Traceback) -> c_int,
    pub traceback_format: unsafe extern "C" fn(*const Traceback, c_int, c_int, *mut c_char, usize) -> c_int,
    pub traceback_free: unsafe extern "C" fn(*mut Traceback),
    pub track: unsafe extern "C" fn(c_uint, usize, usize) -> c_int,
    pub untrack: unsafe extern "C" fn(c_uint, usize) -> c_int,
    pub name_domain: unsafe extern "C" fn(c_uint, *const c_char) -> c_int,
    pub get_domain_memory: unsafe extern "C" fn(c_uint, *mut u64, *mut u64) -> c_int,
    pub total_size:
        unsafe extern "C" fn(*const c_void, *const TotalSizeOptions, *mut *mut TotalSizeResult) -> c_int,
    pub follow: unsafe extern "C" fn(*mut Walk, *const c_void) -> c_int,
    pub total_size_free: unsafe extern "C" fn(*mut TotalSizeResult),
    pub tag: unsafe extern "C" fn(*const c_char) -> u32,
    pub restore_tag: unsafe extern "C" fn(u32) -> u32,
    pub python_objects: unsafe extern "C" fn(c_int) -> c_int,
    /// Here for its place, as what follows: the package for Python calls it.
    pub python_hide: unsafe extern "C" fn(c_int) -> c_int,
    pub get_python_traces: unsafe extern "C" fn(*const c_void, c_uint, *mut *mut c_void) -> c_int,
    pub python_traces_free: unsafe extern "C" fn(*mut c_void),
    pub start_sampled: unsafe extern "C" fn(c_uint, u64) -> c_int,
}
