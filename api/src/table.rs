//! Finds the functions of `libtm.so`, if it is in this process, with nothing to link against.
//!
//! The symbol `tm_api` is weak and undefined: the linker leaves it 0 where nobody has it, and the loader fills it in where
//! somebody does. It is read through the global offset table, because in position-dependent programs a plain weak
//! reference is 0 for ever, and in assembly, because weak references of the language are not stable.

use crate::layout::Table;

/// Returns the table of `libtm.so`; `None` where it is not loaded.
#[inline(always)]
pub fn loaded() -> Option<&'static Table> {
    let table: *const Table;
    // SAFETY: a load from the global offset table, which changes nothing. `.weak` is said in each object that has the
    // load inlined, since one object's strong reference would make the linker insist.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            ".weak tm_api",
            "mov {table}, qword ptr [rip + tm_api@GOTPCREL]",
            table = out(reg) table,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            ".weak tm_api",
            "adrp {table}, :got:tm_api",
            "ldr {table}, [{table}, :got_lo12:tm_api]",
            table = out(reg) table,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    // tm has no library for other machines.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        table = std::ptr::null();
    }
    // SAFETY: null, or a static of a library that is never unloaded, with the layout that every version begins with.
    unsafe { table.as_ref() }
}

/// A function of the loaded library: `None` where it is not loaded, or older than the function. A macro, so that it is
/// inlined where no optimization is done either.
macro_rules! function {
    ($field:ident) => {
        match $crate::table::loaded() {
            Some(table) if $crate::table::has(table, std::mem::offset_of!($crate::layout::Table, $field)) => {
                Some(table.$field)
            }
            _ => None,
        }
    };
}
pub(crate) use function;

/// Tells whether the loaded library's table has a function at `offset`.
#[inline(always)]
pub fn has(table: &Table, offset: usize) -> bool {
    offset + size_of::<usize>() <= table.size
}
