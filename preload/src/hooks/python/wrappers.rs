//! What stands in front of an allocator of CPython's: calls it, and tells the recorder, as `_tracemalloc.c` does with its own
//! tables: sizes are those asked for, a failed reallocation leaves everything as it was, a block that is not known may be
//! reallocated and freed. A call inside of another one is part of that: a large object's memory comes from the raw
//! allocator.
//!
//! A wrapper is called with the context of the allocator that it stands in front of. Other threads call the raw allocator
//! while a wrapper is put in its place, by five words that are not read at once: so whichever function they find, the
//! context is one that it takes.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, Ordering};

use tm_common::ids::Space;

use super::references;
use crate::hooks::caller;
use crate::hooks::stub::stub;
use crate::recorder;
use crate::sys::tls;
use crate::unwind::Caller;

/// `PyMemAllocatorEx`, `<cpython/pymem.h>`: the same in every version.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allocator {
    pub context: *mut c_void,
    pub malloc: usize,
    pub calloc: usize,
    pub realloc: usize,
    pub free: usize,
}

impl Allocator {
    pub const NONE: Allocator =
        Allocator { context: core::ptr::null_mut(), malloc: 0, calloc: 0, realloc: 0, free: 0 };

    fn malloc(&self, context: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: the address is that function's.
        let malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void =
            unsafe { core::mem::transmute(self.malloc) };
        // SAFETY: the arguments are the caller's.
        unsafe { malloc(context, size) }
    }

    fn calloc(&self, context: *mut c_void, count: usize, size: usize) -> *mut c_void {
        // SAFETY: the address is that function's.
        let calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void =
            unsafe { core::mem::transmute(self.calloc) };
        // SAFETY: the arguments are the caller's.
        unsafe { calloc(context, count, size) }
    }

    fn realloc(&self, context: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: the address is that function's.
        let realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void =
            unsafe { core::mem::transmute(self.realloc) };
        // SAFETY: the arguments are the caller's.
        unsafe { realloc(context, block, size) }
    }

    fn free(&self, context: *mut c_void, block: *mut c_void) {
        // SAFETY: the address is that function's.
        let free: unsafe extern "C" fn(*mut c_void, *mut c_void) = unsafe { core::mem::transmute(self.free) };
        // SAFETY: the arguments are the caller's.
        unsafe { free(context, block) }
    }
}

/// The most allocators of one domain that wrappers have stood in front of: an interpreter has a few of its own, and each tool
/// that wraps them brings one.
const WRAPPED_MAX: usize = 16;

/// The allocators that the wrappers of a domain stand in front of.
struct Wrapped {
    /// Each is written once, before it is published.
    places: UnsafeCell<[Allocator; WRAPPED_MAX]>,
    len: AtomicUsize,
    latest: AtomicPtr<Allocator>,
}

// SAFETY: `places` are written by `add` alone, whose caller has a lock, and read up to `len`.
unsafe impl Sync for Wrapped {}

impl Wrapped {
    const fn new() -> Wrapped {
        Wrapped {
            places: UnsafeCell::new([Allocator::NONE; WRAPPED_MAX]),
            len: AtomicUsize::new(0),
            latest: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    fn place(&self, number: usize) -> *mut Allocator {
        self.places.get().cast::<Allocator>().wrapping_add(number)
    }

    fn all(&self) -> &[Allocator] {
        // Acquire: receives the places.
        let len = self.len.load(Ordering::Acquire);
        // SAFETY: these places are written.
        unsafe { core::slice::from_raw_parts(self.place(0), len) }
    }

    /// Returns the allocator that a call with this context is for.
    #[inline(always)]
    fn of(&self, context: *mut c_void) -> &Allocator {
        // Acquire: receives the place.
        // SAFETY: a wrapper is only called after one was added.
        let latest = unsafe { &*self.latest.load(Ordering::Acquire) };
        if latest.context == context { latest } else { self.other(context).unwrap_or(latest) }
    }

    #[cold]
    fn other(&self, context: *mut c_void) -> Option<&Allocator> {
        self.all().iter().rev().find(|allocator| allocator.context == context)
    }

    /// Makes `allocator` one that the wrappers stand in front of; `false` if there are too many. The caller has a lock.
    fn add(&self, allocator: Allocator) -> bool {
        let known = self.all().iter().position(|known| *known == allocator);
        // Relaxed: the lock's owner alone changes it.
        let number = known.unwrap_or(self.len.load(Ordering::Relaxed));
        if number >= WRAPPED_MAX {
            return false;
        }
        if known.is_none() {
            // SAFETY: nobody reads this place yet.
            unsafe { self.place(number).write(allocator) };
            // Release: publishes the place.
            self.len.store(number + 1, Ordering::Release);
        }
        // Release: as above.
        self.latest.store(self.place(number), Ordering::Release);
        true
    }
}

/// CPython's allocator domains, by their numbers there.
pub(super) const N_DOMAINS: usize = 3;
static WRAPPED: [Wrapped; N_DOMAINS] = [const { Wrapped::new() }; N_DOMAINS];

/// Tells whether the blocks are recorded.
static IS_ON: AtomicBool = AtomicBool::new(false);
/// The space that they are in.
static SPACE: AtomicU8 = AtomicU8::new(0);

/// Returns whether the blocks are recorded.
pub(super) fn is_on() -> bool {
    // Relaxed: nothing is published.
    IS_ON.load(Ordering::Relaxed)
}

/// Begins to record the blocks in this space.
pub(super) fn begin(space: Space) {
    // Relaxed: the number comes with the mark.
    SPACE.store(space.0, Ordering::Relaxed);
    // Release: publishes the number.
    IS_ON.store(true, Ordering::Release);
}

/// Records no more blocks, and that all have ended.
pub(super) fn end() {
    // Relaxed, both: nothing is published.
    if IS_ON.swap(false, Ordering::Relaxed) {
        recorder::all_untracked(Space(SPACE.load(Ordering::Relaxed)));
    }
}

/// Returns the space if the blocks are recorded now.
#[inline(always)]
pub(super) fn recording() -> Option<Space> {
    // Acquire: receives the number.
    (IS_ON.load(Ordering::Acquire) && recorder::is_on()).then(|| Space(SPACE.load(Ordering::Relaxed)))
}

/// Returns the wrapper of an allocator of `domain`; `None` if there are too many. The caller has a lock.
pub(super) fn wrap(domain: usize, allocator: Allocator) -> Option<Allocator> {
    let (wrapped, wrapper) = (WRAPPED.get(domain)?, wrapper(domain)?);
    wrapped.add(allocator).then_some(Allocator { context: allocator.context, ..wrapper })
}

/// Returns the allocator that `allocator` is a wrapper of, if it is one of ours.
pub(super) fn unwrap(domain: usize, allocator: Allocator) -> Option<Allocator> {
    let ours = wrapper(domain)?;
    let is_ours = allocator == Allocator { context: allocator.context, ..ours };
    is_ours.then(|| *WRAPPED[domain].of(allocator.context))
}

/// The block that was allocated last under the interpreter's lock, until an object of it is known.
static LATEST: AtomicUsize = AtomicUsize::new(0);

/// Tells whether an object that has just been made at `block` is the first one there: then the block's stack is the object's.
#[inline(always)]
pub(super) fn is_first_of(block: usize) -> bool {
    // Relaxed, both: an object is made before its thread lets the lock go.
    let is_first = LATEST.load(Ordering::Relaxed) == block;
    if is_first {
        LATEST.store(0, Ordering::Relaxed);
    }
    is_first
}

/// Notes what an allocator other than the raw one, which is called without the lock, has handed out.
#[inline(always)]
fn handed_out(domain: usize, block: *mut c_void) {
    if domain != 0 {
        // Relaxed: as above.
        LATEST.store(block as usize, Ordering::Relaxed);
        references::keep();
    }
}

/// Tells whether the calling thread's new blocks are its own affair.
#[inline(always)]
pub(super) fn is_hiding() -> bool {
    // SAFETY: the calling thread's own block, read at once.
    unsafe { tls::current().as_ref() }.is_hiding != 0
}

#[inline(always)]
fn allocated(
    domain: usize,
    size: usize,
    pc: usize,
    sp: usize,
    fp: usize,
    allocate: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    let Some(space) = recording() else { return allocate() };
    let (block, is_outermost) = recorder::covering(allocate);
    if is_outermost && !block.is_null() && !is_hiding() {
        recorder::tracked(space, block as usize, size, caller!(pc, sp, fp));
    }
    handed_out(domain, block);
    block
}

#[inline(always)]
fn reallocated(
    domain: usize,
    old: *mut c_void,
    size: usize,
    caller: Caller,
    reallocate: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    let Some(space) = recording() else { return reallocate() };
    let begin = recorder::begin_release();
    let (new, is_outermost) = recorder::covering(reallocate);
    if is_outermost && !new.is_null() {
        if !old.is_null() && new != old {
            recorder::end_at(space, old as usize, begin);
        }
        match is_hiding() {
            false => recorder::tracked(space, new as usize, size, caller),
            true => recorder::end_at(space, new as usize, begin),
        };
    }
    handed_out(domain, new);
    new
}

#[inline(always)]
fn freed(block: *mut c_void, free: impl FnOnce()) {
    let Some(space) = recording().filter(|_| !block.is_null()) else { return free() };
    if !recorder::is_inside_covering() {
        recorder::untracked(space, block as usize);
    }
    recorder::covering(free);
}

macro_rules! wrappers {
    ($($domain:literal $name:ident),*) => {
        /// Returns the functions that stand in front of those of `domain`; the context is nothing.
        fn wrapper(domain: usize) -> Option<Allocator> {
            match domain {
                $($domain => Some($name::wrapper()),)*
                _ => None,
            }
        }

        $(mod $name {
            use super::*;

            pub fn wrapper() -> Allocator {
                Allocator {
                    context: core::ptr::null_mut(),
                    malloc: malloc as *const () as usize,
                    calloc: calloc as *const () as usize,
                    realloc: realloc as *const () as usize,
                    free: free as *const () as usize,
                }
            }

            stub!(own malloc, 2, on_malloc);
            stub!(own calloc, 3, on_calloc);
            stub!(own realloc, 3, on_realloc);

            extern "C" fn on_malloc(
                context: *mut c_void, size: usize, pc: usize, sp: usize, fp: usize,
            ) -> *mut c_void {
                let old = WRAPPED[$domain].of(context);
                allocated($domain, size, pc, sp, fp, || old.malloc(context, size))
            }

            extern "C" fn on_calloc(
                context: *mut c_void, count: usize, size: usize, pc: usize, sp: usize, fp: usize,
            ) -> *mut c_void {
                let old = WRAPPED[$domain].of(context);
                // The interpreter has refused products that overflow.
                allocated($domain, count.wrapping_mul(size), pc, sp, fp, || old.calloc(context, count, size))
            }

            extern "C" fn on_realloc(
                context: *mut c_void, block: *mut c_void, size: usize, pc: usize, sp: usize, fp: usize,
            ) -> *mut c_void {
                let old = WRAPPED[$domain].of(context);
                reallocated($domain, block, size, caller!(pc, sp, fp), || old.realloc(context, block, size))
            }

            extern "C" fn free(context: *mut c_void, block: *mut c_void) {
                let old = WRAPPED[$domain].of(context);
                freed(block, || old.free(context, block));
            }
        })*
    };
}

wrappers!(0 raw, 1 memory, 2 objects);
