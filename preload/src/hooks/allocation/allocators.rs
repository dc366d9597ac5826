//! Functions that allocators have beside `malloc`: jemalloc's, mimalloc's, tcmalloc's, oneTBB's, Boehm's collector's.
//!
//! Not exported: a program that looks whether such an allocator is there must not find us.
//! [`crate::hooks::objects::redirect`] leads the calls here. What an allocator calls of its own goes past us, so each call
//! is one event.

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

use tm_common::functions::{Family, Function};
use tm_common::ids::{Domain, Space};
use tm_common::metadata::NoteReason;

use super::arenas;
use super::shape::{
    Arguments, Shape, Size, allocate, allocate_unless, arg, free, product, reallocate, reallocate_or_free,
    store,
};
use crate::hooks::objects::redirect;
use crate::hooks::stub::{stub_own_new, stub_wide};
use crate::session::SESSION;
use crate::unwind::Caller;
use crate::{real, recorder};

macro_rules! hooks {
    ($($name:ident $function:ident $shape:expr;)*) => {
        /// The hooks of the functions that do not throw.
        static HOOKS: &[(Function, unsafe extern "C" fn())] = &[$((Function::$function, $name::hook),)*];

        $(mod $name {
            use super::*;

            stub_wide!(own hook, on_call);

            extern "C" fn on_call(
                a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, pc: usize, sp: usize, fp: usize,
            ) -> usize {
                called(Function::$function, $shape, &[a, b, c, d, e, f], Caller { pc, sp, fp })
            }
        })*
    };
}

/// Functions that may throw: no frame of ours may be on the stack then. The one that does not throw is called in their
/// place; if it fails, the stub jumps to the real one, which fails as it should. What that gets after all, because a
/// handler has freed something, is not recorded: its free shows as an unknown one.
macro_rules! throwing_hooks {
    ($($name:ident $function:ident by $other:ident $shape:expr;)*) => {
        static THROWING: &[(Function, unsafe extern "C" fn())] = &[$((Function::$function, $name::hook),)*];

        $(mod $name {
            use super::*;

            stub_own_new!(hook, $function, on_call);

            extern "C" fn on_call(a: usize, b: usize, c: usize, pc: usize, sp: usize, fp: usize) -> usize {
                if real::address(Function::$other).is_null() {
                    return 0;
                }
                called(Function::$other, $shape, &[a, b, c, 0, 0, 0], Caller { pc, sp, fp })
            }
        })*
    };
}

hooks! {
    mallocx Mallocx allocate(arg(0));
    rallocx Rallocx reallocate(0, arg(1));
    xallocx Xallocx Shape::Resize;
    mallctl Mallctl Shape::FreeMany(arenas::is_reset, true);
    mallctlbymib Mallctlbymib Shape::FreeMany(arenas::is_reset_by_mib, true);
    dallocx Dallocx free(0);
    sdallocx Sdallocx free(0);
    je_malloc JeMalloc allocate(arg(0));
    je_calloc JeCalloc allocate(product(0, 1));
    je_realloc JeRealloc reallocate(0, arg(1));
    je_free JeFree free(0);
    je_posix_memalign JePosixMemalign store(arg(2));
    je_aligned_alloc JeAlignedAlloc allocate(arg(1));
    je_memalign JeMemalign allocate(arg(1));
    je_valloc JeValloc allocate(arg(0));
    je_mallocx JeMallocx allocate(arg(0));
    je_rallocx JeRallocx reallocate(0, arg(1));
    je_xallocx JeXallocx Shape::Resize;
    je_mallctl JeMallctl Shape::FreeMany(arenas::is_reset, true);
    je_mallctlbymib JeMallctlbymib Shape::FreeMany(arenas::is_reset_by_mib, true);
    je_dallocx JeDallocx free(0);
    je_sdallocx JeSdallocx free(0);
    mi_malloc MiMalloc allocate(arg(0));
    mi_malloc_small MiMallocSmall allocate(arg(0));
    mi_zalloc MiZalloc allocate(arg(0));
    mi_zalloc_small MiZallocSmall allocate(arg(0));
    mi_valloc MiValloc allocate(arg(0));
    mi_pvalloc MiPvalloc allocate(arg(0));
    mi_new_nothrow MiNewNothrow allocate(arg(0));
    mi_malloc_aligned MiMallocAligned allocate(arg(0));
    mi_malloc_aligned_at MiMallocAlignedAt allocate(arg(0));
    mi_zalloc_aligned MiZallocAligned allocate(arg(0));
    mi_zalloc_aligned_at MiZallocAlignedAt allocate(arg(0));
    mi_new_aligned_nothrow MiNewAlignedNothrow allocate(arg(0));
    mi_calloc MiCalloc allocate(product(0, 1));
    mi_mallocn MiMallocn allocate(product(0, 1));
    mi_calloc_aligned MiCallocAligned allocate(product(0, 1));
    mi_calloc_aligned_at MiCallocAlignedAt allocate(product(0, 1));
    mi_memalign MiMemalign allocate(arg(1));
    mi_aligned_alloc MiAlignedAlloc allocate(arg(1));
    mi_posix_memalign MiPosixMemalign store(arg(2));
    mi_strdup MiStrdup allocate(Size::Text);
    mi_strndup MiStrndup allocate(Size::Text);
    mi_mbsdup MiMbsdup allocate(Size::Text);
    mi_realpath MiRealpath allocate_unless(1);
    mi_realloc MiRealloc reallocate(0, arg(1));
    mi_rezalloc MiRezalloc reallocate(0, arg(1));
    mi_realloc_aligned MiReallocAligned reallocate(0, arg(1));
    mi_realloc_aligned_at MiReallocAlignedAt reallocate(0, arg(1));
    mi_rezalloc_aligned MiRezallocAligned reallocate(0, arg(1));
    mi_rezalloc_aligned_at MiRezallocAlignedAt reallocate(0, arg(1));
    mi_expand MiExpand reallocate(0, arg(1));
    mi_reallocf MiReallocf reallocate_or_free(0, arg(1));
    mi_reallocn MiReallocn reallocate(0, product(1, 2));
    mi_recalloc MiRecalloc reallocate(0, product(1, 2));
    mi_reallocarray MiReallocarray reallocate(0, product(1, 2));
    mi_recalloc_aligned MiRecallocAligned reallocate(0, product(1, 2));
    mi_recalloc_aligned_at MiRecallocAlignedAt reallocate(0, product(1, 2));
    mi_aligned_recalloc MiAlignedRecalloc reallocate(0, product(1, 2));
    mi_aligned_offset_recalloc MiAlignedOffsetRecalloc reallocate(0, product(1, 2));
    mi_free MiFree free(0);
    mi_cfree MiCfree free(0);
    mi_free_size MiFreeSize free(0);
    mi_free_size_aligned MiFreeSizeAligned free(0);
    mi_free_aligned MiFreeAligned free(0);
    mi_heap_destroy MiHeapDestroy Shape::FreeMany(|_, &[heap, ..]| heap != 0, false);
    mi_heap_malloc MiHeapMalloc allocate(arg(1));
    mi_heap_malloc_small MiHeapMallocSmall allocate(arg(1));
    mi_heap_zalloc MiHeapZalloc allocate(arg(1));
    mi_heap_malloc_aligned MiHeapMallocAligned allocate(arg(1));
    mi_heap_malloc_aligned_at MiHeapMallocAlignedAt allocate(arg(1));
    mi_heap_zalloc_aligned MiHeapZallocAligned allocate(arg(1));
    mi_heap_zalloc_aligned_at MiHeapZallocAlignedAt allocate(arg(1));
    mi_heap_calloc MiHeapCalloc allocate(product(1, 2));
    mi_heap_mallocn MiHeapMallocn allocate(product(1, 2));
    mi_heap_calloc_aligned MiHeapCallocAligned allocate(product(1, 2));
    mi_heap_calloc_aligned_at MiHeapCallocAlignedAt allocate(product(1, 2));
    mi_heap_strdup MiHeapStrdup allocate(Size::Text);
    mi_heap_strndup MiHeapStrndup allocate(Size::Text);
    mi_heap_realpath MiHeapRealpath allocate_unless(2);
    mi_heap_realloc MiHeapRealloc reallocate(1, arg(2));
    mi_heap_rezalloc MiHeapRezalloc reallocate(1, arg(2));
    mi_heap_realloc_aligned MiHeapReallocAligned reallocate(1, arg(2));
    mi_heap_realloc_aligned_at MiHeapReallocAlignedAt reallocate(1, arg(2));
    mi_heap_rezalloc_aligned MiHeapRezallocAligned reallocate(1, arg(2));
    mi_heap_rezalloc_aligned_at MiHeapRezallocAlignedAt reallocate(1, arg(2));
    mi_heap_reallocf MiHeapReallocf reallocate_or_free(1, arg(2));
    mi_heap_reallocn MiHeapReallocn reallocate(1, product(2, 3));
    mi_heap_recalloc MiHeapRecalloc reallocate(1, product(2, 3));
    mi_heap_recalloc_aligned MiHeapRecallocAligned reallocate(1, product(2, 3));
    mi_heap_recalloc_aligned_at MiHeapRecallocAlignedAt reallocate(1, product(2, 3));
    tc_malloc TcMalloc allocate(arg(0));
    tc_malloc_skip_new_handler TcMallocSkipNewHandler allocate(arg(0));
    tc_calloc TcCalloc allocate(product(0, 1));
    tc_realloc TcRealloc reallocate(0, arg(1));
    tc_free TcFree free(0);
    tc_cfree TcCfree free(0);
    tc_free_sized TcFreeSized free(0);
    tc_memalign TcMemalign allocate(arg(1));
    tc_valloc TcValloc allocate(arg(0));
    tc_pvalloc TcPvalloc allocate(arg(0));
    tc_posix_memalign TcPosixMemalign store(arg(2));
    tc_new_nothrow TcNewNothrow allocate(arg(0));
    tc_newarray_nothrow TcNewarrayNothrow allocate(arg(0));
    tc_new_aligned_nothrow TcNewAlignedNothrow allocate(arg(0));
    tc_newarray_aligned_nothrow TcNewarrayAlignedNothrow allocate(arg(0));
    tc_delete TcDelete free(0);
    tc_delete_sized TcDeleteSized free(0);
    tc_delete_nothrow TcDeleteNothrow free(0);
    tc_delete_aligned TcDeleteAligned free(0);
    tc_delete_sized_aligned TcDeleteSizedAligned free(0);
    tc_delete_aligned_nothrow TcDeleteAlignedNothrow free(0);
    tc_deletearray TcDeletearray free(0);
    tc_deletearray_sized TcDeletearraySized free(0);
    tc_deletearray_nothrow TcDeletearrayNothrow free(0);
    tc_deletearray_aligned TcDeletearrayAligned free(0);
    tc_deletearray_sized_aligned TcDeletearraySizedAligned free(0);
    tc_deletearray_aligned_nothrow TcDeletearrayAlignedNothrow free(0);
    scalable_malloc ScalableMalloc allocate(arg(0));
    scalable_calloc ScalableCalloc allocate(product(0, 1));
    scalable_realloc ScalableRealloc reallocate(0, arg(1));
    scalable_free ScalableFree free(0);
    scalable_posix_memalign ScalablePosixMemalign store(arg(2));
    scalable_aligned_malloc ScalableAlignedMalloc allocate(arg(0));
    scalable_aligned_realloc ScalableAlignedRealloc reallocate(0, arg(1));
    scalable_aligned_free ScalableAlignedFree free(0);
    GC_malloc GCMalloc allocate(arg(0));
    GC_malloc_atomic GCMallocAtomic allocate(arg(0));
    GC_malloc_uncollectable GCMallocUncollectable allocate(arg(0));
    GC_malloc_atomic_uncollectable GCMallocAtomicUncollectable allocate(arg(0));
    GC_malloc_ignore_off_page GCMallocIgnoreOffPage allocate(arg(0));
    GC_malloc_atomic_ignore_off_page GCMallocAtomicIgnoreOffPage allocate(arg(0));
    GC_malloc_stubborn GCMallocStubborn allocate(arg(0));
    GC_malloc_kind GCMallocKind allocate(arg(0));
    GC_malloc_kind_global GCMallocKindGlobal allocate(arg(0));
    GC_generic_malloc GCGenericMalloc allocate(arg(0));
    GC_malloc_explicitly_typed GCMallocExplicitlyTyped allocate(arg(0));
    GC_gcj_malloc GCGcjMalloc allocate(arg(0));
    GC_debug_malloc GCDebugMalloc allocate(arg(0));
    GC_debug_malloc_atomic GCDebugMallocAtomic allocate(arg(0));
    GC_debug_malloc_uncollectable GCDebugMallocUncollectable allocate(arg(0));
    GC_calloc_explicitly_typed GCCallocExplicitlyTyped allocate(product(0, 1));
    GC_memalign GCMemalign allocate(arg(1));
    GC_posix_memalign GCPosixMemalign store(arg(2));
    GC_strdup GCStrdup allocate(Size::Text);
    GC_strndup GCStrndup allocate(Size::Text);
    GC_realloc GCRealloc reallocate(0, arg(1));
    GC_debug_realloc GCDebugRealloc reallocate(0, arg(1));
    GC_free GCFree free(0);
    GC_debug_free GCDebugFree free(0);
}

throwing_hooks! {
    mi_new MiNew by MiMalloc allocate(arg(0));
    mi_new_n MiNewN by MiMallocn allocate(product(0, 1));
    mi_new_aligned MiNewAligned by MiMallocAligned allocate(arg(0));
    mi_new_realloc MiNewRealloc by MiRealloc reallocate(0, arg(1));
    mi_new_reallocn MiNewReallocn by MiReallocn reallocate(0, product(1, 2));
    mi_heap_alloc_new MiHeapAllocNew by MiHeapMalloc allocate(arg(1));
    mi_heap_alloc_new_n MiHeapAllocNewN by MiHeapMallocn allocate(product(1, 2));
    tc_new TcNew by TcNewNothrow allocate(arg(0));
    tc_newarray TcNewarray by TcNewarrayNothrow allocate(arg(0));
    tc_new_aligned TcNewAligned by TcNewAlignedNothrow allocate(arg(0));
    tc_newarray_aligned TcNewarrayAligned by TcNewarrayAlignedNothrow allocate(arg(0));
}

/// Returns where calls of `function` are to be led.
pub(in crate::hooks) fn hook(function: Function) -> Option<usize> {
    let of = |table: &[(Function, unsafe extern "C" fn())]| {
        table.iter().find(|(known, _)| *known == function).map(|(_, hook)| *hook as usize)
    };
    of(HOOKS).or_else(|| of(THROWING))
}

pub(super) fn call(function: Function, [a, b, c, d, e, f]: Arguments) -> usize {
    let address = real::address(function);
    if address.is_null() {
        return 0;
    }
    // SAFETY: the address is that function's, which takes at most six integers, and the C calling convention lets a callee
    // ignore arguments.
    let real: unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> usize =
        unsafe { core::mem::transmute(address) };
    // SAFETY: the arguments are the caller's.
    unsafe { real(a, b, c, d, e, f) }
}

/// Calls the real function and records what it has done.
fn called(function: Function, shape: Shape, arguments: &Arguments, caller: Caller) -> usize {
    let argument = |place: usize| arguments.get(place).copied().unwrap_or(0);
    if !recorder::is_on() {
        return match shape {
            Shape::Free(place) if real::is_early(argument(place) as *mut c_void) => 0,
            _ => call(function, *arguments),
        };
    }
    match shape {
        Shape::AllocateUnless(place) if argument(place) != 0 => call(function, *arguments),
        Shape::Allocate(_) | Shape::AllocateUnless(_) => {
            let size = if let Shape::Allocate(size) = shape { size } else { Size::Text };
            let block = call(function, *arguments);
            if block != 0 {
                allocated(function, block, size.bytes(arguments, block), caller);
            }
            block
        }
        Shape::Store(size) => {
            let result = call(function, *arguments);
            if result as i32 == 0 {
                // SAFETY: on success the real function has written the block there.
                let block = unsafe { *(argument(0) as *const usize) };
                allocated(function, block, size.bytes(arguments, block), caller);
            }
            result
        }
        Shape::Reallocate(place, size, frees) => {
            reallocating(function, argument(place), size, frees, arguments, caller)
        }
        Shape::Resize => {
            let (block, size) = (argument(0), argument(1));
            let block = block as *mut c_void;
            let release = recorder::releasing(function, block);
            let usable = call(function, *arguments);
            if usable >= size {
                recorder::reallocated(function, block, block, size, &release, caller);
            } else {
                recorder::kept(block, &release);
            }
            usable
        }
        Shape::Free(place) => {
            let block = argument(place);
            if real::is_early(block as *mut c_void) {
                return 0;
            }
            freeing(function, block);
            call(function, *arguments)
        }
        Shape::FreeMany(frees, has_status) => {
            let frees = frees(function, arguments);
            let result = call(function, *arguments);
            if frees && !(has_status && result as i32 != 0) {
                redirect::note(NoteReason::FreedAtOnce, function.name().as_bytes());
            }
            result
        }
    }
}

fn reallocating(
    function: Function,
    old: usize,
    size: Size,
    frees: bool,
    arguments: &Arguments,
    caller: Caller,
) -> usize {
    let is_heap = function.family() != Family::Collector && !real::is_early(old as *mut c_void);
    let release =
        recorder::releasing(function, if is_heap { old as *mut c_void } else { core::ptr::null_mut() });
    let new = call(function, *arguments);
    let bytes = size.bytes(arguments, new);
    let (old_block, new_block) = (old as *mut c_void, new as *mut c_void);
    if new == 0 {
        if old != 0 && (frees || bytes == 0) {
            freed_at(function, old, &release);
        } else {
            recorder::kept(old_block, &release);
        }
    } else if old == 0 || real::is_early(old_block) {
        allocated(function, new, bytes, caller);
    } else if function.family() == Family::Collector {
        freed_at(function, old, &release);
        allocated(function, new, bytes, caller);
    } else {
        recorder::reallocated(function, old_block, new_block, bytes, &release, caller);
    }
    new
}

fn allocated(function: Function, block: usize, size: usize, caller: Caller) {
    if function.family() != Family::Collector {
        return recorder::allocated(function, block as *mut c_void, size, caller);
    }
    if let Some(space) = collector_space() {
        recorder::tracked(space, block, size, caller);
    }
}

fn freeing(function: Function, block: usize) {
    if function.family() != Family::Collector {
        recorder::freeing(function, block as *mut c_void);
    } else if let Some(space) = collector_space().filter(|_| block != 0) {
        recorder::untracked(space, block);
    }
}

fn freed_at(function: Function, block: usize, release: &recorder::Release) {
    if function.family() == Family::Collector {
        freeing(function, block);
    } else {
        recorder::freed_at(function, block as *mut c_void, release);
    }
}

/// Returns the space of the collector's blocks, which has a name from the first on.
fn collector_space() -> Option<Space> {
    static IS_NAMED: AtomicBool = AtomicBool::new(false);
    if !SESSION.is_recording() {
        return None;
    }
    let space = SESSION.names.space(&SESSION, Domain::COLLECTOR)?;
    // Relaxed: two names of one space are as good as one.
    if !IS_NAMED.swap(true, Ordering::Relaxed) {
        let _ = SESSION.names.name_space(&SESSION, Domain::COLLECTOR, b"gc");
    }
    Some(space)
}
