//! `mmap`, `mmap64`, `munmap`, `mremap`, `brk`, `sbrk`: ranges of a space of their own, since the heap lies in them.
//!
//! What is recorded is what the kernel did: sizes are rounded up to its pages, and the break is where it says. What the C
//! library maps for itself (the heap, stacks, loaded libraries) it maps by calls that nobody can stand in front of.
//! A call that fails is no event, though one with MAP_FIXED or MREMAP_FIXED may have unmapped its target before.

use core::ffi::{c_int, c_void};

use tm_common::functions::Function;
use tm_common::ids::Stamp;

use crate::hooks::caller;
use crate::hooks::stub::{stub, stub_wide};
use crate::real::mappings::{self as real, FAILED, Wanted};
use crate::sys::process::page_bytes;
use crate::{recorder, unwind::Caller};

stub_wide!(mmap, on_mmap);
stub_wide!(mmap64, on_mmap64);
stub_wide!(mremap, on_mremap);
stub!(brk, 1, on_brk);
stub!(sbrk, 1, on_sbrk);

macro_rules! mmap_hook {
    ($name:ident, $function:ident) => {
        extern "C" fn $name(
            address: *mut c_void,
            size: usize,
            protection: c_int,
            flags: c_int,
            fd: c_int,
            offset: i64,
            pc: usize,
            sp: usize,
            fp: usize,
        ) -> *mut c_void {
            let wanted = Wanted { address, size, protection, flags, fd, offset };
            let start = real::mmap(Function::$function, wanted);
            if start != FAILED {
                recorder::mapped(start as usize, mapped_bytes(size, flags), caller!(pc, sp, fp));
            }
            start
        }
    };
}

mmap_hook!(on_mmap, Mmap);
mmap_hook!(on_mmap64, Mmap64);

/// Hooks the function of this name.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn munmap(start: *mut c_void, size: usize) -> c_int {
    let begin = begin();
    let result = real::munmap(start, size);
    if result == 0 {
        unmapped(start as usize, rounded_up(size, page_bytes()), begin);
    }
    result
}

/// Records the ends and beginnings of mappings. An old size of 0 maps the pages of a shared mapping once more;
/// MREMAP_DONTUNMAP takes the pages alone away. Both leave the old range mapped.
extern "C" fn on_mremap(
    old: *mut c_void,
    old_size: usize,
    new_size: usize,
    flags: c_int,
    new: *mut c_void,
    _unused: usize,
    pc: usize,
    sp: usize,
    fp: usize,
) -> *mut c_void {
    let begin = begin();
    let start = real::mremap(old, old_size, new_size, flags, new);
    if start != FAILED {
        if old_size != 0 && flags & libc::MREMAP_DONTUNMAP == 0 {
            unmapped(old as usize, rounded_up(old_size, page_bytes()), begin);
        }
        recorder::mapped(start as usize, rounded_up(new_size, page_bytes()), caller!(pc, sp, fp));
    }
    start
}

extern "C" fn on_brk(wanted: *mut c_void, pc: usize, sp: usize, fp: usize) -> c_int {
    let begin = begin();
    let before = real::sbrk(0);
    let result = real::brk(wanted);
    if result == 0 && before != FAILED {
        break_moved(before as usize, begin, caller!(pc, sp, fp));
    }
    result
}

extern "C" fn on_sbrk(increment: isize, pc: usize, sp: usize, fp: usize) -> *mut c_void {
    if increment == 0 {
        return real::sbrk(0);
    }
    let begin = begin();
    let before = real::sbrk(increment);
    if before != FAILED {
        break_moved(before as usize, begin, caller!(pc, sp, fp));
    }
    before
}

/// Records a break that was at `before` when the call began. It is asked for anew: success may also mean that the
/// kernel has left it where it was. The C library knows without a system call.
fn break_moved(before: usize, begin: Option<Stamp>, caller: Caller) {
    let now = real::sbrk(0) as usize;
    if now > before {
        recorder::mapped(before, now - before, caller);
    } else if now < before {
        unmapped(now, before - now, begin);
    }
}

/// Returns the moment before a call that may unmap; none while nothing is recorded.
fn begin() -> Option<Stamp> {
    recorder::is_on().then(recorder::begin_release)
}

fn unmapped(start: usize, size: usize, begin: Option<Stamp>) {
    if let Some(begin) = begin {
        recorder::unmapped(start, size, begin);
    }
}

/// Returns what the kernel maps for `size` bytes. The upper bits of the flags say the size of huge pages by its logarithm; 0 is
/// the default, mostly as much as a table of pages covers.
fn mapped_bytes(size: usize, flags: c_int) -> usize {
    let page = page_bytes();
    if flags & libc::MAP_HUGETLB == 0 {
        return rounded_up(size, page);
    }
    let huge = match flags as u32 >> libc::MAP_HUGE_SHIFT & libc::MAP_HUGE_MASK as u32 {
        0 => page * (page / size_of::<usize>()),
        logarithm => 1 << logarithm,
    };
    rounded_up(size, huge)
}

/// Rounds `size` up to a multiple of `unit`. A call that succeeded had no size so large that this wraps.
fn rounded_up(size: usize, unit: usize) -> usize {
    size.wrapping_add(unit - 1) & !(unit - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_pages() {
        let (page, kib) = (page_bytes(), 1 << 10);
        assert_eq!([1, page, page + 1].map(|size| mapped_bytes(size, 0) / page), [1, 1, 2]);
        let two_mib = libc::MAP_HUGETLB | libc::MAP_HUGE_2MB;
        assert_eq!(mapped_bytes(1, two_mib), 2 * kib * kib);
        assert_eq!(mapped_bytes(1, libc::MAP_HUGETLB | libc::MAP_HUGE_1GB), kib * kib * kib);
        if page == 4096 {
            assert_eq!(mapped_bytes(page, libc::MAP_HUGETLB), 2 * kib * kib);
        }
        assert_eq!(rounded_up(usize::MAX, page), 0);
    }
}
