//! `posix_memalign`, `aligned_alloc`, `memalign`, `valloc`, `pvalloc`.

use core::ffi::{c_int, c_void};

use tm_common::functions::Function;

use crate::hooks::caller;
use crate::hooks::stub::stub;
use crate::{real, recorder};

stub!(posix_memalign or PosixMemalign, 3, on_posix_memalign);
stub!(aligned_alloc or AlignedAlloc, 2, on_aligned_alloc);
stub!(memalign or Memalign, 2, on_memalign);
stub!(valloc or Valloc, 1, on_valloc);
stub!(pvalloc or Pvalloc, 1, on_pvalloc);

extern "C" fn on_posix_memalign(
    place: *mut *mut c_void,
    alignment: usize,
    size: usize,
    pc: usize,
    sp: usize,
    fp: usize,
) -> c_int {
    let result = real::posix_memalign(place, alignment, size);
    if result == 0 {
        // SAFETY: on success the real function has written the block there.
        let block = unsafe { *place };
        recorder::allocated(Function::PosixMemalign, block, size, caller!(pc, sp, fp));
    }
    result
}

extern "C" fn on_aligned_alloc(
    alignment: usize,
    size: usize,
    pc: usize,
    sp: usize,
    fp: usize,
) -> *mut c_void {
    let block = real::allocate_by(Function::AlignedAlloc, alignment, size, 0);
    recorder::allocated(Function::AlignedAlloc, block, size, caller!(pc, sp, fp));
    block
}

extern "C" fn on_memalign(alignment: usize, size: usize, pc: usize, sp: usize, fp: usize) -> *mut c_void {
    let block = real::allocate_by(Function::Memalign, alignment, size, 0);
    recorder::allocated(Function::Memalign, block, size, caller!(pc, sp, fp));
    block
}

extern "C" fn on_valloc(size: usize, pc: usize, sp: usize, fp: usize) -> *mut c_void {
    let block = real::allocate_by(Function::Valloc, size, 0, 0);
    recorder::allocated(Function::Valloc, block, size, caller!(pc, sp, fp));
    block
}

extern "C" fn on_pvalloc(size: usize, pc: usize, sp: usize, fp: usize) -> *mut c_void {
    let block = real::allocate_by(Function::Pvalloc, size, 0, 0);
    recorder::allocated(Function::Pvalloc, block, size, caller!(pc, sp, fp));
    block
}
