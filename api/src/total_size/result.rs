//! What a walk has found.

use std::borrow::Cow;
use std::fmt;
use std::ptr::NonNull;

use crate::layout;
use crate::table::function;
use crate::traceback::{slice, text};

/// What [`total_size`](fn@crate::total_size) found.
/// Owned: it is given back when it is dropped.
pub struct TotalSize(pub(super) NonNull<layout::TotalSizeResult>);

// SAFETY: nobody changes a result, and any thread may give it back.
unsafe impl Send for TotalSize {}
// SAFETY: as above.
unsafe impl Sync for TotalSize {}

/// Bytes and blocks of one depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeByDepth {
    /// The number of steps that its blocks are away.
    pub depth: usize,
    /// Bytes.
    pub size: usize,
    /// Blocks.
    pub count: usize,
}

/// Bytes and blocks of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeByLine<'a> {
    /// `file:line`.
    pub location: Cow<'a, str>,
    /// Bytes.
    pub size: usize,
    /// Blocks.
    pub count: usize,
}

impl TotalSize {
    fn get(&self) -> &layout::TotalSizeResult {
        // SAFETY: ours until it is dropped.
        unsafe { self.0.as_ref() }
    }

    /// Bytes of all counted blocks, each once.
    pub fn size(&self) -> usize {
        self.get().size
    }

    /// Returns how many blocks were counted.
    pub fn count(&self) -> usize {
        self.get().count
    }

    /// Returns the sums by depth, ascending.
    pub fn by_depth(&self) -> impl ExactSizeIterator<Item = SizeByDepth> {
        let result = self.get();
        // SAFETY: so many, which live as long as the result.
        let groups = unsafe { slice(result.by_depth, result.n_depths) };
        groups.iter().map(|group| SizeByDepth { depth: group.depth, size: group.size, count: group.count })
    }

    /// Returns the sums by the line that allocated, the largest first.
    pub fn by_line(&self) -> impl ExactSizeIterator<Item = SizeByLine<'_>> {
        let result = self.get();
        // SAFETY: as above, their texts too.
        let groups = unsafe { slice(result.by_line, result.n_lines) };
        groups.iter().map(|group| SizeByLine {
            // SAFETY: as above.
            location: unsafe { text(group.location) }.unwrap_or_default(),
            size: group.size,
            count: group.count,
        })
    }

    /// Tells whether a limit left blocks out.
    pub fn is_cut(&self) -> bool {
        self.get().is_cut != 0
    }
}

impl Drop for TotalSize {
    fn drop(&mut self) {
        if let Some(free) = function!(total_size_free) {
            // SAFETY: ours, and nobody has it after us.
            unsafe { free(self.0.as_ptr()) };
        }
    }
}

impl fmt::Debug for TotalSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes in {} blocks", self.size(), self.count())
    }
}
