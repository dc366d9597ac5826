//! `malloc`, `calloc`, `realloc`, `reallocarray`, `free` and its relatives, `malloc_usable_size`.

use core::ffi::c_void;

use tm_common::functions::Function;
use tm_common::metadata::control;

use crate::hooks::caller;
use crate::hooks::stub::stub;
use crate::{real, recorder};

stub!(malloc or Malloc, 1, on_malloc, recorded recorder::malloc_returned, counted recorder::unsampled_returned);
stub!(calloc or Calloc, 2, on_calloc, recorded recorder::calloc_returned, counted recorder::unsampled_returned);
stub!(realloc, 2, on_realloc);
stub!(reallocarray, 3, on_reallocarray);

extern "C" fn on_malloc(size: usize, pc: usize, sp: usize, fp: usize) -> *mut c_void {
    let block = real::malloc(size);
    recorder::allocated(Function::Malloc, block, size, caller!(pc, sp, fp));
    block
}

extern "C" fn on_calloc(count: usize, size: usize, pc: usize, sp: usize, fp: usize) -> *mut c_void {
    let block = real::calloc(count, size);
    // The real function fails if the product overflows.
    recorder::allocated(Function::Calloc, block, count.wrapping_mul(size), caller!(pc, sp, fp));
    block
}

extern "C" fn on_realloc(old: *mut c_void, size: usize, pc: usize, sp: usize, fp: usize) -> *mut c_void {
    reallocate(Function::Realloc, old, size, caller!(pc, sp, fp))
}

/// Does the work of glibc's own `reallocarray`, which calls `realloc` through its symbol: that would be recorded too.
extern "C" fn on_reallocarray(
    old: *mut c_void,
    count: usize,
    size: usize,
    pc: usize,
    sp: usize,
    fp: usize,
) -> *mut c_void {
    let Some(bytes) = count.checked_mul(size) else { return real::reallocarray(old, count, size) };
    let new = reallocate(Function::Reallocarray, old, bytes, caller!(pc, sp, fp));
    if new.is_null() && bytes != 0 {
        // Not every allocator's `realloc` sets errno. Its `reallocarray` does, and an overflow is all that this call is.
        return real::reallocarray(old, usize::MAX, 2);
    }
    new
}

fn reallocate(
    function: Function,
    old: *mut c_void,
    size: usize,
    caller: crate::unwind::Caller,
) -> *mut c_void {
    if !recorder::is_on() {
        return real::realloc(old, size);
    }
    if old.is_null() || real::is_early(old) {
        let new = real::realloc(old, size);
        recorder::allocated(function, new, size, caller);
        return new;
    }
    let release = recorder::releasing(function, old);
    let new = real::realloc(old, size);
    if !new.is_null() {
        recorder::reallocated(function, old, new, size, &release, caller);
    } else if size == 0 {
        // The C library has freed the block; a failure leaves it alone, and cannot happen for size 0.
        recorder::freed_at(function, old, &release);
    } else {
        recorder::kept(old, &release);
    }
    new
}

macro_rules! free_hook {
    ($name:ident($($argument:ident),*), $function:ident) => {
        /// Hooks the function of this name.
        #[cfg_attr(not(test), unsafe(no_mangle))]
        pub unsafe extern "C" fn $name(block: *mut c_void, $($argument: usize),*) {
            if !real::is_early(block) {
                recorder::freeing(Function::$function, block);
                free_hook!(@ $function block $($argument)*);
            }
        }
    };
    (@ $function:ident $block:ident) => { real::free_by(Function::$function, $block, 0, 0) };
    (@ $function:ident $block:ident $a:ident) => { real::free_by(Function::$function, $block, $a, 0) };
    (@ $function:ident $block:ident $a:ident $b:ident) => { real::free_by(Function::$function, $block, $a, $b) };
}

/// Hooks the function of this name.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn free(block: *mut c_void) {
    // Each on its own, so that none pays for the registers of another.
    match recorder::word() {
        0 => recorder::free_one(block),
        word if word > control::IDLE => recorder::free_sampling(block, word),
        _ => free_idle(block),
    }
}

/// Does the work of [`free`] while nothing is recorded.
#[inline(always)]
fn free_idle(block: *mut c_void) {
    if recorder::is_child_unnoticed() {
        return recorder::free_unusual(block);
    }
    if !real::is_early(block) {
        real::free_late(block);
    }
}

free_hook!(cfree(), Cfree);
free_hook!(free_sized(size), FreeSized);
free_hook!(free_aligned_sized(alignment, size), FreeAlignedSized);

/// Hooks the function of this name.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
    real::malloc_usable_size(block)
}
