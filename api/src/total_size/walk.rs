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
    /// Its start.
    pub fn address(&self) -> usize {
        self.0.address
    }

    /// The bytes that were asked for.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Its domain.
    pub fn domain(&self) -> Domain {
        Domain(self.0.domain)
    }

    /// 0 for the block that holds the pointer asked for, 1 for those that it points to, ...
    pub fn depth(&self) -> usize {
        self.0.depth as usize
    }

    /// `file:line` that allocated it, blamed outside of the allocation plumbing.
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

/// What a handler names further pointers of its block to.
#[derive(Debug)]
pub struct Walk<'a> {
    walk: *mut layout::Walk,
    /// Only during the handler's call.
    call: PhantomData<&'a ()>,
}

impl Walk<'_> {
    pub(super) fn new(walk: *mut layout::Walk) -> Self {
        Walk { walk, call: PhantomData }
    }

    /// The block points into the one that holds `pointer`, at which no word of it may say so.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the pointer is in no traced block.
    pub fn follow<T: ?Sized>(&self, pointer: *const T) -> Result<()> {
        let follow = function!(follow).ok_or(Error::NotLoaded)?;
        // SAFETY: the walk that the handler was given, during its call; the pointer is only looked up.
        Error::check(unsafe { follow(self.walk, pointer.cast()) }).map(|_| ())
    }
}
