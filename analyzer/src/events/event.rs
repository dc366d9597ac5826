//! An event as it comes out of the merge: one moment of one address.

use tm_common::functions::{Function, Role};
use tm_common::ids::{Address, Space, StackId, Stamp, StreamIndex};

use super::block::Block;
use crate::reader::ThreadTag;

/// The address of an [`Action::Untrack`] of all that is tracked in the space: nothing is tracked there.
pub const ALL: Address = Address(0);

/// What happened to the address. A reallocation is two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A block came into being.
    Allocate,
    /// A block was given back.
    Free,
    /// A block was passed to `realloc`, which will succeed.
    ReallocateBegin,
    /// The block that `realloc` returned.
    ReallocateEnd,
    /// The program tells of a block, or has mapped a range.
    Track,
    /// The program tells that a block is gone, or has unmapped a range.
    Untrack,
    /// What is tracked at the address, if anything, belongs to another stack.
    Move,
}

/// One moment of one address, in the order of the process's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergedEvent {
    /// When, in units of the recording's clock.
    pub stamp: Stamp,
    /// The block.
    pub address: Address,
    /// Requested bytes; 0 where a block goes, except for mappings.
    pub size: u64,
    /// The calling stack; [`StackId::NONE`] where a block goes.
    pub stack: StackId,
    /// The thread, and its tag.
    pub thread_tag: ThreadTag,
    /// The stream that it was read from: events of one stream come in the order in which they were written.
    pub stream: StreamIndex,
    /// What happened.
    pub action: Action,
    /// The function that was called; of [`Action::Track`], [`Action::Untrack`] and [`Action::Move`] nothing.
    pub function: Function,
    /// Where the block is.
    pub space: Space,
    pub(crate) state: State,
}

/// How far the repair is with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its turn has not come.
    Pending,
    /// It was replayed and fitted.
    Applied,
    /// It was replayed and did not fit: the address's earlier events have no part in later repairs.
    Leftover,
}

const _: () =
    assert!(size_of::<MergedEvent>() == 40, "batches of them cross from one processor's cache to another's");

impl MergedEvent {
    /// Whether a block goes.
    #[inline]
    pub fn is_release(&self) -> bool {
        matches!(self.action, Action::Free | Action::ReallocateBegin | Action::Untrack)
    }

    /// The block that comes.
    #[inline]
    pub fn block(&self) -> Block {
        let &MergedEvent { address, size, stack, thread_tag, stamp: birth, space, .. } = self;
        Block { address, size, stack, thread_tag, birth, space }
    }

    /// Whether the program tells of it, or it is a mapping: then nothing is known of the order in which an address's
    /// events must stand.
    #[inline]
    pub fn is_tracking(&self) -> bool {
        matches!(self.action, Action::Track | Action::Untrack | Action::Move)
    }

    /// Tells whether all that is tracked in the event's space ends with it.
    #[inline]
    #[must_use]
    pub fn ends_all(&self) -> bool {
        self.action == Action::Untrack && self.address == ALL && self.space != Space::MAPPINGS
    }

    /// Whether it counts as a reallocation, as `realloc(NULL, n)` does.
    #[inline]
    pub fn is_reallocation(&self) -> bool {
        match self.action {
            Action::ReallocateEnd => true,
            Action::Allocate => self.function.role() == Role::Reallocate,
            Action::Free | Action::ReallocateBegin | Action::Track | Action::Untrack | Action::Move => false,
        }
    }
}
