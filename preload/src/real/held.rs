//! How many bytes the allocator says that a block of the heap holds: what can be told of it when it comes and when it goes.

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tm_common::functions::{Family, Function};

use super::{known, malloc_usable_size, symbol};
use crate::sys::objects::elf::Symbols;

/// `malloc` is glibc's, whose blocks have their size before them.
static HAS_SIZES_BEFORE: AtomicBool = AtomicBool::new(false);
/// `malloc_usable_size` is that of the object which has `malloc`: it may be asked about its blocks.
static CAN_ASK: AtomicBool = AtomicBool::new(false);
/// The families, by their places in [`Family::INTERFACES`], whose blocks `malloc_usable_size` knows too.
static FAMILIES_OF_MALLOC: AtomicU8 = AtomicU8::new(0);
const _: () = assert!(Family::INTERFACES.len() <= 8);

/// Returns how many bytes `block`, which `function` has returned or is to give back, holds. 0 where that cannot be asked.
#[inline(always)]
pub fn held_bytes(function: Function, block: *mut c_void) -> usize {
    match function.family() {
        Family::C | Family::Cxx => of_malloc(block),
        family => of_family(family, block),
    }
}

#[inline(always)]
fn of_malloc(block: *mut c_void) -> usize {
    // Relaxed: set before there are blocks.
    if !HAS_SIZES_BEFORE.load(Ordering::Relaxed) {
        return asked(block);
    }
    // SAFETY: a block of glibc's, see `note_malloc`.
    unsafe { before(block) }.unwrap_or_else(|| asked(block))
}

/// Returns what a block of glibc's holds, as it says in front of the block; `None` if it is mapped by itself. For one of the early arena
/// too.
///
/// ```text
///  block - 8   size of the chunk, with this word | 1 the one before is in use | 2 mapped by itself | 4 of another arena
/// ```
///
/// # Safety
/// A block of an allocator that [is quick](is_quick).
#[inline(always)]
pub unsafe fn before(block: *mut c_void) -> Option<usize> {
    // SAFETY: the caller's.
    let size = unsafe { *block.cast::<usize>().wrapping_sub(1) };
    (size & 2 == 0).then(|| (size & !7).wrapping_sub(size_of::<usize>()))
}

/// Tells whether the real functions are known, and their blocks say in front of them what they hold. So it stays.
pub fn is_quick() -> bool {
    let functions = [Function::Malloc, Function::Calloc, Function::Free];
    // Relaxed: as above.
    HAS_SIZES_BEFORE.load(Ordering::Relaxed) && functions.iter().all(|&function| !known(function).is_null())
}

/// Asks the allocator. 0 if it cannot be asked: another's function would read what is none of its blocks.
#[inline(never)]
fn asked(block: *mut c_void) -> usize {
    // Relaxed: as above.
    if CAN_ASK.load(Ordering::Relaxed) { malloc_usable_size(block) } else { 0 }
}

#[cold]
fn of_family(family: Family, block: *mut c_void) -> usize {
    let place = Family::INTERFACES.iter().position(|known| *known == family);
    // Relaxed: as above.
    let is_of_malloc = place.is_some_and(|at| FAMILIES_OF_MALLOC.load(Ordering::Relaxed) & 1 << at != 0);
    if is_of_malloc { of_malloc(block) } else { 0 }
}

/// Takes note of the object that defines `malloc`.
pub(super) fn note_malloc(symbols: &Symbols) {
    // Both functions are in one object in glibc alone. Debugging allocators, which lay blocks out otherwise, have objects of their own.
    let is_glibc = symbols.function(c"gnu_get_libc_version").is_some();
    HAS_SIZES_BEFORE.store(is_glibc && symbols.function(c"malloc_usable_size").is_some(), Ordering::Relaxed);
}

/// Takes note of whether one object has `malloc` and `malloc_usable_size`.
pub(super) fn note_usable_size(is_of_malloc: bool) {
    CAN_ASK.store(is_of_malloc, Ordering::Relaxed);
}

/// Takes note of the object that has the functions of a family.
pub(super) fn note_family(symbols: &Symbols, family: Family) {
    let malloc = symbols.function(symbol(Function::Malloc).as_c_str());
    let is_of_malloc = malloc.is_some_and(|address| address == known(Function::Malloc) as usize);
    if let Some(place) = Family::INTERFACES.iter().position(|known| *known == family).filter(|_| is_of_malloc)
    {
        FAMILIES_OF_MALLOC.fetch_or(1 << place, Ordering::Relaxed);
    }
}

/// Holds what is read before a block against what its allocator says; if they differ, that is asked from here on. Called with the
/// first blocks, before they count.
#[cold]
pub fn check(block: *mut c_void) {
    if HAS_SIZES_BEFORE.load(Ordering::Relaxed) && of_malloc(block) != asked(block) {
        HAS_SIZES_BEFORE.store(false, Ordering::Relaxed);
    }
}
