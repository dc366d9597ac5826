//! The bytes of a data structure: of a block and of all that can be reached from it.

mod options;
mod result;
mod walk;

mod callbacks;

pub use options::Options;
pub use result::{SizeByDepth, SizeByLine, TotalSize};
pub use walk::{Block, Follow, Walk};

use std::ffi::c_int;
use std::panic::resume_unwind;
use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::layout;
use crate::table::function;
use callbacks::{Callbacks, call_handler, call_visit};

/// Returns the bytes of the traced block that holds `pointer` and of every traced block that can be reached from it, each counted
/// once.
///
/// Every aligned word of a block that points into a traced block, its middle included, is taken for a pointer, so a number
/// that looks like one can reach too much, and a pointer that is stored compressed reaches nothing:
/// [`Options::handler`] mends both. Other threads should not change the structure meanwhile; a block that goes away is
/// passed over.
///
/// ```
/// let table = vec![vec![0_u8; 100], vec![0_u8; 200]];
/// if let Ok(size) = tm::total_size(table.as_ptr(), tm::Options::new()) {
///     assert_eq!((size.size(), size.count()), (2 * size_of::<Vec<u8>>() + 300, 3));
/// }
/// ```
///
/// # Errors
/// [`Error::NotFound`] (the pointer is in no traced block), [`Error::NotTracing`], [`Error::Busy`], [`Error::Failed`],
/// [`Error::NoMemory`], [`Error::NotLoaded`].
///
/// # Panics
/// If the handler or the visitor does.
pub fn total_size<T: ?Sized>(pointer: *const T, options: Options<'_>) -> Result<TotalSize> {
    let total_size = function!(total_size).ok_or(Error::NotLoaded)?;
    let mut callbacks = Callbacks { handler: options.handler, visit: options.visit, panic: None };
    let options = layout::TotalSizeOptions {
        // 0 means no limit there.
        depth_max: options.depth_max.unwrap_or(usize::MAX),
        blocks_max: options.blocks_max,
        handler: callbacks.handler.is_some().then_some(call_handler),
        visit: callbacks.visit.is_some().then_some(call_visit),
        context: (&raw mut callbacks).cast(),
        verbose: c_int::from(options.verbose),
    };
    let mut result = std::ptr::null_mut();
    // SAFETY: the pointer is only looked up; options and callbacks live during the call; a place to write to.
    let outcome = unsafe { total_size(pointer.cast(), &raw const options, &raw mut result) };
    let result = NonNull::new(result).map(TotalSize);
    if let Some(panic) = callbacks.panic {
        drop(result);
        resume_unwind(panic);
    }
    Error::check(outcome)?;
    result.ok_or(Error::Failed)
}
