//! The C library of the process, glibc or musl, as far as they differ: what only one of them has is looked for by weak references,
//! so that this library loads with either. What both have is simply called.
//!
//! | | glibc | musl |
//! |---|---|---|
//! | the loader's list | `_r_debug` | `*_dl_debug_addr` |
//! | the initial stack | `__libc_stack_end` | below `environ`, as long as nobody has changed that |
//! | its version | `gnu_get_libc_version()` | |

use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::text::parse_number;

/// The oldest glibc that is tested: that of Debian 11.
pub const OLDEST_GLIBC: (u64, u64) = (2, 31);

// Addresses that the loader fills in; 0 for what the process has not. A reference from Rust would not be weak.
global_asm!(
    ".section .data.rel.ro.tm_c_library,\"aw\"",
    ".p2align 3",
    ".weak _r_debug",
    ".weak _dl_debug_addr",
    ".weak __libc_stack_end",
    ".weak gnu_get_libc_version",
    ".hidden tm_c_library",
    ".globl tm_c_library",
    "tm_c_library:",
    ".quad _r_debug",
    ".quad _dl_debug_addr",
    ".quad __libc_stack_end",
    ".quad gnu_get_libc_version",
    ".text",
);

/// What the assembly reserves.
#[repr(C)]
struct Found {
    debug: *const Debug,
    debug_of_musl: *const *const Debug,
    stack_end: *const *const usize,
    version: Option<extern "C" fn() -> *const c_char>,
}

/// The loader's rendezvous with debuggers, `struct r_debug` of `<link.h>`: the same in both.
#[repr(C)]
struct Debug {
    version: i32,
    objects: *const u8,
}

unsafe extern "C" {
    static tm_c_library: Found;
    /// The environment as the C library has it.
    static environ: *const *const c_char;
}

fn found() -> &'static Found {
    // SAFETY: the loader writes it before any code of this library runs, and nobody afterwards.
    unsafe { &tm_c_library }
}

/// Returns the version of glibc; `None` in a process that has another C library.
pub fn glibc_version() -> Option<&'static CStr> {
    // SAFETY: glibc's own constant.
    found().version.map(|version| unsafe { CStr::from_ptr(version()) })
}

/// Tells whether the C library is glibc.
pub fn is_glibc() -> bool {
    found().version.is_some()
}

/// Returns the version of a glibc that is older than [`OLDEST_GLIBC`].
pub fn too_old() -> Option<&'static CStr> {
    glibc_version().filter(|version| is_older(version.to_bytes()))
}

fn is_older(version: &[u8]) -> bool {
    let mut numbers =
        version.split(|byte| !byte.is_ascii_digit()).map(|number| parse_number(number).unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) < OLDEST_GLIBC
}

/// Returns the first object of the loader's list; null before there is one.
pub fn first_object() -> *const u8 {
    let found = found();
    // SAFETY: null, or the variable of that name.
    let of_musl = unsafe { found.debug_of_musl.as_ref() }.copied();
    let debug = if found.debug.is_null() { of_musl.unwrap_or(core::ptr::null()) } else { found.debug };
    // SAFETY: null, or the loader's; it writes the field before it runs any code of a library.
    unsafe { debug.as_ref() }.map_or(core::ptr::null(), |debug| debug.objects)
}

/// Returns where the initial stack begins: `argc, argv..., NULL, envp..., NULL, auxv...`.
#[inline]
pub fn initial_stack() -> usize {
    // Relaxed: the same number for all, of memory that is there from the beginning.
    match INITIAL_STACK.load(Ordering::Relaxed) {
        0 => find_initial_stack(),
        known => known,
    }
}

static INITIAL_STACK: AtomicUsize = AtomicUsize::new(0);

#[cold]
fn find_initial_stack() -> usize {
    // SAFETY: null, or the variable of that name, which the loader sets before it runs any code of a library.
    let of_glibc = unsafe { found().stack_end.as_ref() }.copied();
    // SAFETY: the kernel's, or what the loader has made of it.
    let of_glibc = of_glibc.map(|stack| unsafe { behind_loader(stack) });
    // SAFETY: the C library's variable: as the kernel has made it, since this is asked for at the first call of a hook or by a
    // constructor, and who changes the environment allocates for it before.
    let stack = of_glibc.unwrap_or_else(|| unsafe { before_environment(environ.cast()) });
    INITIAL_STACK.store(stack as usize, Ordering::Relaxed);
    stack as usize
}

/// Returns where the loader before glibc 2.36 has put `argc` if it was told to start the program (`ld.so ./prog`): in the place of its
/// own last argument.
///
/// # Safety
/// The stack is an initial one.
unsafe fn behind_loader(stack: *const usize) -> *const usize {
    // SAFETY: the caller's: the first word is argc, so many arguments follow it.
    let argc = unsafe { *stack };
    // SAFETY: as above. An argument's address is larger than any count.
    let moved = (1..argc).find(|&place| unsafe { *stack.add(place) } == argc - place);
    // SAFETY: as above.
    moved.map_or(stack, |place| unsafe { stack.add(place) })
}

/// Returns where `argc` stands: in front of the arguments that it counts, whose NULL is in front of the environment.
///
/// # Safety
/// The environment is the kernel's.
unsafe fn before_environment(environment: *const usize) -> *const usize {
    let mut n_arguments = 0;
    loop {
        // SAFETY: the kernel has put argc, the arguments and a NULL in front of the environment, and no argument is so low an
        // address that it could be a count.
        let place = unsafe { environment.sub(2 + n_arguments) };
        // SAFETY: as above.
        if unsafe { *place } == n_arguments {
            return place;
        }
        n_arguments += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, is_old) in [
            ("2.31", false),
            ("2.4", true),
            ("2.30.9000", true),
            ("2.100", false),
            ("3.0", false),
            ("", true),
        ] {
            assert_eq!(is_older(version.as_bytes()), is_old, "{version}");
        }
        assert_eq!(too_old(), None);
    }

    #[test]
    fn the_initial_stack_is_found_from_the_environment() {
        let by_glibc = initial_stack() as *const usize;
        // SAFETY: the kernel's block, as the program was started.
        unsafe {
            let environment = by_glibc.add(1 + *by_glibc + 1);
            assert_eq!(before_environment(environment), by_glibc);
        }
        let [argument, end] = [0x7fff_0000, 0];
        for (stack, place) in [
            ([2, argument, argument, end], 0),
            ([3, 2, argument, argument], 1),
            ([4, argument, 2, argument], 2),
            ([0, end, argument, argument], 0),
        ] {
            // SAFETY: laid out as the kernel does, and then the loader.
            assert_eq!(unsafe { behind_loader(stack.as_ptr()) }, &raw const stack[place]);
        }
        let without_arguments = [0, 0, 1];
        // SAFETY: laid out as the kernel does.
        let found = unsafe { before_environment(without_arguments.as_ptr().add(2)) };
        assert_eq!(found, without_arguments.as_ptr());
    }
}
