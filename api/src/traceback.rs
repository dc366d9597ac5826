//! Where a block was allocated.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::layout;
use crate::table::function;
use crate::tracking::Domain;

/// Returns where the traced block that holds `pointer` was allocated; it may point into the block's middle. Blocks of malloc are
/// looked for first, then those of other domains, mappings last. Inlined functions are frames of their own, and the
/// allocation plumbing is not left out.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NotTracing`], [`Error::Busy`], [`Error::Failed`], [`Error::NoMemory`],
/// [`Error::NotLoaded`].
pub fn object_traceback<T: ?Sized>(pointer: *const T) -> Result<Traceback> {
    let object_traceback = function!(get_object_traceback).ok_or(Error::NotLoaded)?;
    let mut traceback = std::ptr::null_mut();
    // SAFETY: the pointer is only looked up; a place to write to.
    Error::check(unsafe { object_traceback(pointer.cast(), &raw mut traceback) })?;
    NonNull::new(traceback).map(Traceback).ok_or(Error::Failed)
}

/// The stack that allocated a block. Shown as tracemalloc's `Traceback.format` shows it, all frames, the oldest first.
pub struct Traceback(NonNull<layout::Traceback>);

// SAFETY: nobody changes a traceback, and any thread may give it back.
unsafe impl Send for Traceback {}
// SAFETY: as above.
unsafe impl Sync for Traceback {}

impl Traceback {
    fn get(&self) -> &layout::Traceback {
        // SAFETY: ours until it is dropped.
        unsafe { self.0.as_ref() }
    }

    /// Returns the frames, oldest first as in tracemalloc: the last one is the most recent.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = Frame<'_>> + ExactSizeIterator {
        let traceback = self.get();
        // SAFETY: `frames` are so many, and live as long as the traceback.
        unsafe { slice(traceback.frames, traceback.n_frames) }.iter().map(Frame)
    }

    /// Returns how many frames the stack had before it was cut to the limit, if that is known.
    pub fn total_nframe(&self) -> Option<usize> {
        Some(self.get().total_nframe).filter(|number| *number > 0)
    }

    /// Returns the block's start.
    pub fn address(&self) -> usize {
        self.get().address
    }

    /// Returns the bytes that were asked for.
    pub fn size(&self) -> usize {
        self.get().size
    }

    /// Returns the block's domain.
    pub fn domain(&self) -> Domain {
        Domain(self.get().domain)
    }

    /// Returns the lines of tracemalloc's `Traceback.format`, each ended by a line end: `  File "NAME", line N` and, if the source
    /// can be read, `    SOURCE`. `limit` above 0: the most recent frames, below: the oldest, `None`: all.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Failed`].
    pub fn format(&self, limit: Option<i32>, most_recent_first: bool) -> Result<String> {
        let format = function!(traceback_format).ok_or(Error::NotLoaded)?;
        // `TM_FORMAT_ALL`.
        let limit = limit.unwrap_or(i32::MAX);
        let mut text: Vec<u8> = Vec::new();
        loop {
            let (room, size) = (text.as_mut_ptr().cast::<c_char>(), text.capacity());
            // SAFETY: our traceback, and so much room.
            let length = unsafe { format(self.get(), limit, c_int::from(most_recent_first), room, size) };
            let length = Error::check(length)? as usize;
            if length < size {
                // SAFETY: so many bytes were written, and a NUL.
                unsafe { text.set_len(length) };
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            text.reserve_exact(length + 1);
        }
    }
}

impl Drop for Traceback {
    fn drop(&mut self) {
        if let Some(free) = function!(traceback_free) {
            // SAFETY: ours, and nobody has it after us.
            unsafe { free(self.0.as_ptr()) };
        }
    }
}

impl fmt::Display for Traceback {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.format(None, false).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Traceback {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.frames()).finish()
    }
}

/// A code location of a stack. Shown as `file:line`.
#[derive(Clone, Copy)]
pub struct Frame<'a>(&'a layout::Frame);

impl<'a> Frame<'a> {
    /// Returns the source file; without line information `module+0xoffset`.
    pub fn filename(&self) -> Cow<'a, str> {
        // SAFETY: lives as long as the frame.
        unsafe { text(self.0.filename) }.unwrap_or_default()
    }

    /// Returns the line, if it is known.
    pub fn lineno(&self) -> Option<u32> {
        Some(self.0.lineno).filter(|line| *line > 0)
    }

    /// Returns the function, if it is known.
    pub fn function(&self) -> Option<Cow<'a, str>> {
        // SAFETY: lives as long as the frame.
        unsafe { text(self.0.function) }
    }

    /// Returns the return address; none for frames of inlined functions.
    pub fn address(&self) -> Option<usize> {
        Some(self.0.address).filter(|address| *address > 0)
    }
}

impl fmt::Display for Frame<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.filename(), self.0.lineno)
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self} {}", self.function().unwrap_or_default())
    }
}

/// Returns a text of C's; allocates only if it is not UTF-8.
///
/// # Safety
/// NULL, or a C string that lives as long as the answer.
pub unsafe fn text<'a>(text: *const c_char) -> Option<Cow<'a, str>> {
    // SAFETY: the caller's.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy())
}

/// Returns an array of C's, which may be NULL if it is empty.
///
/// # Safety
/// So many elements, which live as long as the answer.
pub unsafe fn slice<'a, T>(first: *const T, length: usize) -> &'a [T] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(first, length) }
}
