//! The functions that the hooks stand in front of, and an arena that serves before they are known.
//!
//! They are looked up in the loader's list without its lock, since `dlsym` may allocate and lock: in which part of it says
//! [`Search`].

#![allow(clippy::not_unsafe_ptr_arg_deref, reason = "blocks are handed on as the target gave them")]

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use tm_common::functions::{Family, Function};

use crate::sys::objects::elf::Symbols;
use crate::sys::objects::link_map::LinkMap;
use crate::sys::{c_library, syscall};

mod held;
mod interfaces;
pub mod mappings;
mod musl;
mod search;

pub use held::{before as held_before, check as check_held, held_bytes, is_quick};
pub(crate) use interfaces::symbol;
pub use interfaces::{
    find_interfaces, has_interfaces, is_allocator, is_interface, is_loader, is_only_definition,
    remove_closed_interfaces,
};
pub use search::Search;

/// The real functions by their numbers; the stubs of [`crate::hooks::allocation::cxx`] jump through it.
pub static ADDRESSES: [AtomicPtr<c_void>; N_NUMBERS] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; N_NUMBERS];
/// A function's number is a byte.
const N_NUMBERS: usize = 1 << 8;
/// See [`allocator_defines_new`]; the stubs read it themselves.
pub static ALLOCATOR_DEFINES_NEW: AtomicBool = AtomicBool::new(false);

/// `std::get_new_handler`, if the process has a C++ runtime.
static GET_NEW_HANDLER: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Looks all functions up. Any thread may do so at any time; the result is always the same.
#[cold]
pub fn resolve() {
    let (mut owner_of_malloc, mut owner_of_new, mut owner_of_usable_size) = (None, None, None);
    let mut get_new_handler = None;
    let mut is_found = [false; N_NUMBERS];
    let mut is_searched = Search::here() == Search::AllOthers;
    for map in LinkMap::all() {
        if map.is_ours() {
            is_searched = true;
            continue;
        }
        let Some(symbols) = Symbols::of(map) else { continue };
        let is_c_library = symbols.find(c"__libc_start_main").is_some();
        get_new_handler = get_new_handler.or_else(|| symbols.function(c"_ZSt15get_new_handlerv"));
        let exported = Function::ALL.iter().filter(|function| is_searched && function.family().is_exported());
        for &function in exported {
            let is_found = &mut is_found[function as usize];
            if *is_found {
                continue;
            }
            let Some(address) = symbols.function(symbol(function).as_c_str()) else { continue };
            *is_found = true;
            let address = if !is_c_library {
                address
            } else if c_library::is_glibc() {
                instead_of_glibc_s(function, address)
            } else {
                musl::instead_of(&symbols, function, address)
            };
            match function {
                Function::Malloc => {
                    owner_of_malloc = Some(core::ptr::from_ref(map));
                    held::note_malloc(&symbols);
                }
                Function::New => owner_of_new = Some(core::ptr::from_ref(map)),
                Function::MallocUsableSize => owner_of_usable_size = Some(core::ptr::from_ref(map)),
                _ => {}
            }
            // Relaxed: an address of code that is loaded for good; nothing else is published with it.
            place(function).store(address as *mut c_void, Ordering::Relaxed);
        }
    }
    held::note_usable_size(owner_of_malloc.is_some() && owner_of_malloc == owner_of_usable_size);
    let together = owner_of_malloc.is_some() && owner_of_malloc == owner_of_new;
    // Relaxed, both: as above.
    ALLOCATOR_DEFINES_NEW.store(together, Ordering::Relaxed);
    GET_NEW_HANDLER.store(get_new_handler.unwrap_or(0) as *mut c_void, Ordering::Relaxed);
}

/// Returns what is to be called for glibc's `function` at `address`: these two call `free` by its symbol (since 2.43), which would
/// come back to us and be recorded a second time.
fn instead_of_glibc_s(function: Function, address: usize) -> usize {
    let free = known(Function::Free) as usize;
    if matches!(function, Function::FreeSized | Function::FreeAlignedSized) && free != 0 {
        free
    } else {
        address
    }
}

/// Tells whether `operator new` must be recorded because the allocator defines it beside `malloc` and does not call that.
#[inline]
pub fn allocator_defines_new() -> bool {
    // Relaxed: see `resolve`.
    ALLOCATOR_DEFINES_NEW.load(Ordering::Relaxed)
}

/// Tells whether the program has installed a `std::new_handler`, which every failing `operator new` runs.
#[inline]
pub fn has_new_handler() -> bool {
    // Relaxed: see `resolve`.
    let address = GET_NEW_HANDLER.load(Ordering::Relaxed);
    if address.is_null() {
        return false;
    }
    // SAFETY: the address is that function's, which takes nothing and returns a function pointer or null.
    let get_new_handler: extern "C" fn() -> *mut c_void = unsafe { core::mem::transmute(address) };
    !get_new_handler().is_null()
}

#[inline]
fn place(function: Function) -> &'static AtomicPtr<c_void> {
    // There is a place for every byte.
    &ADDRESSES[function as usize]
}

/// Returns the address of the real function; null if the process has none.
#[inline]
pub fn address(function: Function) -> *mut c_void {
    // Relaxed: see `resolve`.
    let address = place(function).load(Ordering::Relaxed);
    if !address.is_null() {
        return address;
    }
    resolve_late(function)
}

/// Returns the address of the real function as far as it is known; null if it is not.
#[inline]
pub fn known(function: Function) -> *mut c_void {
    // Relaxed: see `resolve`.
    place(function).load(Ordering::Relaxed)
}

/// Finds functions on the first call, and those of libraries that were loaded since start (a C++ runtime).
#[cold]
fn resolve_late(function: Function) -> *mut c_void {
    if !function.family().is_exported() {
        return core::ptr::null_mut();
    }
    let may_come_later = matches!(function.family(), Family::Cxx | Family::System);
    // Relaxed: see `resolve`.
    if may_come_later || place(Function::Malloc).load(Ordering::Relaxed).is_null() {
        resolve();
    }
    place(function).load(Ordering::Relaxed)
}

macro_rules! call_real {
    ($function:ident as fn($($name:ident: $kind:ty),*) -> $result:ty, or $fallback:expr) => {{
        let address = address(Function::$function);
        if address.is_null() {
            $fallback
        } else {
            // SAFETY: the address is that function's, whose C signature this is.
            let function: unsafe extern "C" fn($($kind),*) -> $result = unsafe { core::mem::transmute(address) };
            // SAFETY: the arguments are the caller's.
            unsafe { function($($name),*) }
        }
    }};
}

/// Calls `malloc`.
#[inline]
pub fn malloc(size: usize) -> *mut c_void {
    call_real!(Malloc as fn(size: usize) -> *mut c_void, or early_allocate(size, MIN_ALIGN))
}

/// Calls `free` with a block that is none of the early arena's.
///
/// # Safety
/// It is known, as where [`is_quick`].
#[inline(always)]
pub unsafe fn known_free(block: *mut c_void) {
    // SAFETY: the caller's.
    let function: unsafe extern "C" fn(*mut c_void) = unsafe { core::mem::transmute(known(Function::Free)) };
    // SAFETY: the argument is the caller's.
    unsafe { function(block) }
}

/// Calls `calloc`.
#[inline]
pub fn calloc(count: usize, size: usize) -> *mut c_void {
    call_real!(Calloc as fn(count: usize, size: usize) -> *mut c_void,
        or count.checked_mul(size).map_or(core::ptr::null_mut(), |bytes| early_allocate(bytes, MIN_ALIGN)))
}

/// Calls `realloc`. A block of the early arena is copied out of it.
#[inline]
pub fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    if is_early(block) {
        return move_early(block, size);
    }
    call_real!(Realloc as fn(block: *mut c_void, size: usize) -> *mut c_void, or core::ptr::null_mut())
}

/// Calls `reallocarray`, for a product that overflows: then it does not call `realloc`, which would be recorded.
#[cold]
pub fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void {
    call_real!(Reallocarray as fn(block: *mut c_void, count: usize, size: usize) -> *mut c_void, or core::ptr::null_mut())
}

/// Calls `free`. A block of the early arena stays where it is.
#[inline]
pub fn free(block: *mut c_void) {
    if !is_early(block) {
        call_real!(Free as fn(block: *mut c_void) -> (), or());
    }
}

/// Calls `free` with a block that is none of the early arena's.
#[inline(always)]
pub fn free_late(block: *mut c_void) {
    call_real!(Free as fn(block: *mut c_void) -> (), or());
}

/// Calls a function `(block, ...)` that frees, by its number; `free` where the process has none. The further arguments
/// are sizes and alignments.
#[inline]
pub fn free_by(function: Function, block: *mut c_void, second: usize, third: usize) {
    if is_early(block) {
        return;
    }
    let address = address(function);
    if address.is_null() {
        return free(block);
    }
    // SAFETY: the address is that function's; it takes a block and up to two integer arguments, and the C calling
    // convention lets a callee ignore arguments.
    let function: unsafe extern "C" fn(*mut c_void, usize, usize) = unsafe { core::mem::transmute(address) };
    // SAFETY: the arguments are the caller's.
    unsafe { function(block, second, third) }
}

/// Calls a function `(size, ...)` or `(alignment, size)` that allocates, by its number. Returns null where the process has none.
#[inline]
pub fn allocate_by(function: Function, first: usize, second: usize, third: usize) -> *mut c_void {
    let address = address(function);
    if address.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: as in `free_by`.
    let function: unsafe extern "C" fn(usize, usize, usize) -> *mut c_void =
        unsafe { core::mem::transmute(address) };
    // SAFETY: the arguments are the caller's.
    unsafe { function(first, second, third) }
}

/// Calls `posix_memalign`.
#[inline]
pub fn posix_memalign(block: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    call_real!(PosixMemalign as fn(block: *mut *mut c_void, alignment: usize, size: usize) -> c_int, or libc::ENOMEM)
}

/// Calls `malloc_usable_size`.
pub fn malloc_usable_size(block: *mut c_void) -> usize {
    if is_early(block) {
        return early_size(block);
    }
    call_real!(MallocUsableSize as fn(block: *mut c_void) -> usize, or 0)
}

/// Calls `dlclose`.
pub fn dlclose(handle: *mut c_void) -> c_int {
    call_real!(Dlclose as fn(handle: *mut c_void) -> c_int, or - 1)
}

/// Calls `prctl`.
pub fn prctl(option: c_int, [first, b, c, d]: [usize; 4]) -> c_int {
    call_real!(Prctl as fn(option: c_int, first: usize, b: usize, c: usize, d: usize) -> c_int, or - 1)
}

/// Calls `mlockall`.
pub fn mlockall(flags: c_int) -> c_int {
    call_real!(Mlockall as fn(flags: c_int) -> c_int, or - 1)
}

/// Calls `pthread_setname_np`; ENOSYS where the C library has it in another library that is not loaded.
pub fn pthread_setname_np(thread: libc::pthread_t, name: *const core::ffi::c_char) -> c_int {
    call_real!(PthreadSetnameNp as fn(thread: libc::pthread_t, name: *const core::ffi::c_char) -> c_int, or libc::ENOSYS)
}

/// Calls `quick_exit`. A program that calls it has a C library with it; if not, the process ends all the same.
pub fn quick_exit(status: c_int) -> ! {
    call_real!(QuickExit as fn(status: c_int) -> (), or());
    syscall::exit_group(status)
}

/// Calls `__register_frame` and `__deregister_frame`; nothing where the process has no registry.
pub fn register_frame(function: Function, frame: *mut c_void) {
    let address = address(function);
    if !address.is_null() {
        // SAFETY: the address is that function's.
        let function: unsafe extern "C" fn(*mut c_void) = unsafe { core::mem::transmute(address) };
        // SAFETY: the argument is the caller's.
        unsafe { function(frame) }
    }
}

/// The arena's size: ld.so and libc allocate less than 1 KiB before our functions are known.
const EARLY_BYTES: usize = 64 * 1024;
/// The alignment that `malloc` promises.
const MIN_ALIGN: usize = 16;

#[repr(align(4096))]
struct Early(core::cell::UnsafeCell<[u8; EARLY_BYTES]>);
// SAFETY: parts of it are handed out once each, by EARLY_USED.
unsafe impl Sync for Early {}

static EARLY: Early = Early(core::cell::UnsafeCell::new([0; EARLY_BYTES]));
static EARLY_USED: AtomicUsize = AtomicUsize::new(0);

/// Tells whether a block comes from the arena of before our functions were known. Such blocks are no events.
#[inline]
pub fn is_early(block: *mut c_void) -> bool {
    (block as usize).wrapping_sub(EARLY.0.get() as usize) < EARLY_BYTES
}

/// What stands in the word before an early block beside its size: as where a block of glibc's is mapped by itself, so that
/// [`held_before`] says nothing of it.
const EARLY_MARK: usize = 2;
const EARLY_SIZE_SHIFT: u32 = 3;

/// Returns a zeroed block, its size in the word before it; null when the arena is used up.
#[cold]
fn early_allocate(size: usize, align: usize) -> *mut c_void {
    let Some(needed) = size.checked_next_multiple_of(align).and_then(|rounded| rounded.checked_add(align))
    else {
        return core::ptr::null_mut();
    };
    // Relaxed: it only divides the arena; the block reaches other threads by the program's own synchronisation.
    let at = EARLY_USED.fetch_add(needed.min(EARLY_BYTES), Ordering::Relaxed);
    if at.saturating_add(needed) > EARLY_BYTES {
        return core::ptr::null_mut();
    }
    // SAFETY: [at, at + needed) lies in the arena and belongs to this call alone.
    unsafe {
        let block = EARLY.0.get().cast::<u8>().add(at + align);
        block.cast::<usize>().sub(1).write(size << EARLY_SIZE_SHIFT | EARLY_MARK);
        block.cast()
    }
}

fn early_size(block: *mut c_void) -> usize {
    // SAFETY: `early_allocate` wrote the size there.
    unsafe { block.cast::<usize>().sub(1).read() >> EARLY_SIZE_SHIFT }
}

#[cold]
fn move_early(block: *mut c_void, size: usize) -> *mut c_void {
    let new = malloc(size);
    if !new.is_null() {
        let n_bytes = size.min(early_size(block));
        // SAFETY: both blocks are at least that long and distinct.
        unsafe { core::ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast::<u8>(), n_bytes) };
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_blocks_are_aligned_zeroed_distinct_and_end() {
        let first = early_allocate(24, MIN_ALIGN);
        let second = early_allocate(1, MIN_ALIGN);
        assert!(is_early(first) && is_early(second) && first != second);
        assert_eq!((first as usize % MIN_ALIGN, early_size(first)), (0, 24));
        free(first);
        assert!(early_allocate(EARLY_BYTES, MIN_ALIGN).is_null());
        assert!(early_allocate(usize::MAX, MIN_ALIGN).is_null());
        assert!(early_allocate(8, MIN_ALIGN).is_null(), "the arena stays used up");
    }
}
