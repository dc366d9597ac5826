//! Memory that tm does not see: of pools, arenas, other address spaces.

use crate::error::{Error, Result};
use crate::name::Name;
use crate::table::function;

/// An address space that blocks live in. Any number; a process has room for 250 different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(pub u32);

impl Domain {
    /// malloc and its relatives, `operator new` and Rust's global allocator among them.
    pub const HEAP: Domain = Domain(0);
    /// mmap, mremap and brk. Not part of the traced memory, because the heap lies in it; cannot be tracked by hand.
    pub const MMAP: Domain = Domain(0x6d6d_6170);
    /// Blocks of CPython's own allocators, see [`crate::python_objects`].
    pub const PYTHON: Domain = Domain(0x7079_6f62);
}

/// Tells of a block of `size` bytes that tm does not see. `address` is where it is in the domain, or any number but 0 that
/// names it. If it is tracked already, the new size and caller count. For signal handlers too.
///
/// # Errors
/// [`Error::NotTracing`], [`Error::NoMemory`], [`Error::Invalid`] (address 0, size of 2^48 or more, [`Domain::MMAP`]),
/// [`Error::NotLoaded`].
// The frame that is recorded is the caller's.
#[inline(always)]
pub fn track(domain: Domain, address: usize, size: usize) -> Result<()> {
    let Some(track) = function!(track) else { return Err(Error::NotLoaded) };
    // SAFETY: takes any numbers.
    let result = unsafe { track(domain.0, address, size) };
    Error::check(result).map(|_| ())
}

/// Tells that such a block is gone. One that was not tracked is no error. For signal handlers too.
///
/// # Errors
/// [`Error::NotTracing`], [`Error::NoMemory`], [`Error::Invalid`] ([`Domain::MMAP`]), [`Error::NotLoaded`].
pub fn untrack(domain: Domain, address: usize) -> Result<()> {
    let untrack = function!(untrack).ok_or(Error::NotLoaded)?;
    // SAFETY: takes any numbers.
    Error::check(unsafe { untrack(domain.0, address) }).map(|_| ())
}

/// Gives a domain a name, for reports and `tmtool --domain NAME`. May be called before or after it is used.
///
/// # Errors
/// [`Error::NoMemory`], [`Error::Invalid`] (an empty name, a domain of tm's own), [`Error::Failed`] (no recording),
/// [`Error::NotLoaded`].
pub fn name_domain(domain: Domain, name: &str) -> Result<()> {
    let name_domain = function!(name_domain).ok_or(Error::NotLoaded)?;
    // SAFETY: the name lives during the call.
    Error::check(unsafe { name_domain(domain.0, Name::new(name).as_ptr()) }).map(|_| ())
}
