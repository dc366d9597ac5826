//! The blocks of CPython's own allocators, in a program that has an interpreter inside.

use std::ffi::c_int;

use crate::error::{Error, Result};
use crate::table::function;

/// Begins or ends to record the blocks that CPython's own allocators hand out, each once, in [`crate::Domain::PYTHON`]: what
/// tracemalloc counts. The end forgets all of them, as `tracemalloc.stop` does. Only for threads that hold the
/// interpreter's lock; of two who wrap the allocators the one who began last has to end first.
///
/// # Errors
/// [`Error::NotFound`] (no CPython in this process), [`Error::NoMemory`], [`Error::Busy`], [`Error::Failed`] (no
/// recording), [`Error::NotLoaded`].
pub fn python_objects(on: bool) -> Result<()> {
    let python_objects = function!(python_objects).ok_or(Error::NotLoaded)?;
    // SAFETY: the caller holds the interpreter's lock, or has no interpreter.
    Error::check(unsafe { python_objects(c_int::from(on)) }).map(|_| ())
}
