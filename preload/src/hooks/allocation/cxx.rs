//! C++ `operator new` and `delete`: recorded only where the allocator defines them beside `malloc`.
//!
//! Everywhere else they call `malloc`. Then the stubs jump straight to the real operators, and the symbols are taken
//! out of this library's symbol table, so that libraries loaded later bind to the operators they would bind to
//! without us.

use core::ffi::c_void;

use tm_common::functions::Function;

use crate::hooks::caller;
use crate::hooks::stub::stub_new;
use crate::{real, recorder};

/// An object to pass as `std::nothrow`, which is only a tag.
static NOTHROW: u8 = 0;

/// Defines what the stub of a throwing operator calls: the allocator's operator that does not throw, so that no
/// exception crosses a frame of ours. Null on failure and where nothing is recorded.
///
/// The nothrow operator runs a `std::new_handler`, and the throwing one would run it again; so where there is one, the
/// allocator's `malloc` is asked, which has none. A block that the throwing operator gets after all, because the
/// handler has freed something, is not recorded: its free shows as an unknown one.
macro_rules! new_hooks {
    ($($name:ident $function:ident by $nothrow:ident ($($argument:ident),*) $target:ident;)*) => { $(
        stub_new!($name, $function, $target);

        extern "C" fn $target(first: usize, second: usize, third: usize, pc: usize, sp: usize, fp: usize)
            -> *mut c_void
        {
            let (size, _) = (first, (second, third));
            real::address(Function::$function);
            if !real::allocator_defines_new() {
                return core::ptr::null_mut();
            }
            let block = if real::has_new_handler() {
                new_hooks!(@ plain size $(, $argument second)*)
            } else {
                recorder::inside_new(size, || new_hooks!(@ $nothrow size $(, $argument second)*))
            };
            recorder::allocated(Function::$function, block, size, caller!(pc, sp, fp));
            block
        }
    )* };
    (@ plain $size:ident) => {
        real::malloc($size)
    };
    (@ plain $size:ident, $alignment:ident $second:ident) => {
        real::allocate_by(Function::AlignedAlloc, $second, $size, 0)
    };
    (@ $nothrow:ident $size:ident) => {
        real::allocate_by(Function::$nothrow, $size, &raw const NOTHROW as usize, 0)
    };
    (@ $nothrow:ident $size:ident, $alignment:ident $second:ident) => {
        real::allocate_by(Function::$nothrow, $size, $second, &raw const NOTHROW as usize)
    };
}

new_hooks! {
    _Znwm New by NewNothrow () on_new;
    _Znam NewArray by NewArrayNothrow () on_new_array;
    _ZnwmRKSt9nothrow_t NewNothrow by NewNothrow () on_new_nothrow;
    _ZnamRKSt9nothrow_t NewArrayNothrow by NewArrayNothrow () on_new_array_nothrow;
    _ZnwmSt11align_val_t NewAligned by NewAlignedNothrow (alignment) on_new_aligned;
    _ZnamSt11align_val_t NewArrayAligned by NewArrayAlignedNothrow (alignment) on_new_array_aligned;
    _ZnwmSt11align_val_tRKSt9nothrow_t NewAlignedNothrow by NewAlignedNothrow (alignment) on_new_aligned_nothrow;
    _ZnamSt11align_val_tRKSt9nothrow_t NewArrayAlignedNothrow by NewArrayAlignedNothrow (alignment)
        on_new_array_aligned_nothrow;
}

/// Operators that free. Not recorded, they are `free_by` alone: the real operator, which calls `free`.
macro_rules! delete_hooks {
    ($($name:ident $function:ident;)*) => { $(
        /// Hooks the C++ operator of this name.
        #[cfg_attr(not(test), unsafe(no_mangle))]
        pub unsafe extern "C" fn $name(block: *mut c_void, second: usize, third: usize) {
            let free_it = || real::free_by(Function::$function, block, second, third);
            if real::allocator_defines_new() {
                recorder::deleting(Function::$function, block, free_it);
            } else {
                free_it();
            }
        }
    )* };
}

delete_hooks! {
    _ZdlPv Delete;
    _ZdaPv DeleteArray;
    _ZdlPvm DeleteSized;
    _ZdaPvm DeleteArraySized;
    _ZdlPvRKSt9nothrow_t DeleteNothrow;
    _ZdaPvRKSt9nothrow_t DeleteArrayNothrow;
    _ZdlPvSt11align_val_t DeleteAligned;
    _ZdaPvSt11align_val_t DeleteArrayAligned;
    _ZdlPvmSt11align_val_t DeleteSizedAligned;
    _ZdaPvmSt11align_val_t DeleteArraySizedAligned;
    _ZdlPvSt11align_val_tRKSt9nothrow_t DeleteAlignedNothrow;
    _ZdaPvSt11align_val_tRKSt9nothrow_t DeleteArrayAlignedNothrow;
}
