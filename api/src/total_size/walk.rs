//! What a handler of a walk is given, and what it answers.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::layout;
use crate::table::function;
use crate::traceback::text;
use crate::tracking::Domain;

/// What a handler wants done with a block, `enum tm_follow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Count it, and follow every word of it that points into a traced block.
    All,
    /// Count it, but follow only what the handler has named by [`Walk::follow`].
    Named,
    /// Do not count it, nor follow it.
    Skip,
}

/// A block that was reached.
#[derive(Clone, Copy)]
pub struct Block<'a>(pub(super) &'a layout::Block);

impl<'a> Block<'a> {
    /// Returns its start.
    pub fn address(&self) -> usize {
        self.0.address
    }

    /// Returns the bytes that were asked for.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Returns its domain.
    pub fn domain(&self) -> Domain {
        Domain(self.0.domain)
    }

    /// Returns the depth: 0 for the block that holds the pointer asked for, 1 for those that it points to, ...
    pub fn depth(&self) -> usize {
        self.0.depth as usize
    }

    /// Returns the `file:line` that allocated it, blamed outside of the allocation plumbing.
    pub fn location(&self) -> Cow<'a, str> {
        // SAFETY: lives as long as the block.
        unsafe { text(self.0.location) }.unwrap_or_default()
    }
}

impl fmt::Debug for Block<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes at {:#x}, {}", self.size(), self.address(), self.location())
    }
}

/// A walk as a handler sees it, which names further pointers of its block to it.
#[derive(Debug)]
pub struct Walk<'a> {
    walk: *mut layout::Walk,
    /// Ends it with the handler's call.
    call: PhantomData<&'a ()>,
}

impl Walk<'_> {
    pub(super) fn new(walk: *mut layout::Walk) -> Self {
        Walk { walk, call: PhantomData }
    }

    /// Follows `pointer` from the block, in which no word may say where it leads.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the pointer is in no traced block.
    pub fn follow<T: ?Sized>(&self, pointer: *const T) -> Result<()> {
        let follow = function!(follow).ok_or(Error::NotLoaded)?;
        // SAFETY: the walk that the handler was given, during its call; the pointer is only looked up.
        Error::check(unsafe { follow(self.walk, pointer.cast()) }).map(|_| ())
    }
}
