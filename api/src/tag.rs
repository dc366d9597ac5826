//! A tag on the calling thread's events.

use std::marker::PhantomData;

use crate::name::Name;
use crate::table::function;

/// Puts the tag `name` (a request, a phase, a tenant) on the calling thread's events, until the answer is dropped.
/// `tmtool stats --key tag` groups by it, `--tag NAME` selects it. Does nothing without `libtm.so`.
pub fn tag(name: &str) -> Tag {
    // SAFETY: the name lives during the call.
    let outer = function!(tag).map(|tag| unsafe { tag(Name::new(name).as_ptr()) });
    Tag { outer, thread: PhantomData }
}

/// A tag that is in force for the thread that made it.
#[derive(Debug)]
#[must_use = "the tag ends when this is dropped"]
pub struct Tag {
    /// The tag before it; `None` without `libtm.so`.
    outer: Option<u32>,
    /// Keeps it from being dropped on another thread.
    thread: PhantomData<*const ()>,
}

impl Drop for Tag {
    fn drop(&mut self) {
        if let (Some(outer), Some(restore)) = (self.outer, function!(restore_tag)) {
            // SAFETY: a tag that was in force.
            unsafe { restore(outer) };
        }
    }
}
