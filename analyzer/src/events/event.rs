//! An event as it comes out of the merge: one moment of one address.

use tm_common::functions::{Function, Role};
use tm_common::ids::{Address, Space, StackId, Stamp, StreamIndex};

use super::block::Block;
use crate::reader::ThreadTag;

/// The address of an [`Action::Untrack`] of all that is tracked in the space: nothing is tracked there.
pub const ALL: Address = Address(0);

/// What happened to the address. A reallocation is two moments. Those by which a block goes stand in a row, and those that are no
/// matter of the heap's order behind the others: every event is asked for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A block came into being.
    Allocate,
    /// The block that `realloc` returned.
    ReallocateEnd,
    /// A block was given back.
    Free,
    /// A block was passed to `realloc`, which will succeed.
    ReallocateBegin,
    /// The program tells that a block is gone, or has unmapped a range.
    Untrack,
    /// The program tells of a block, or has mapped a range.
    Track,
    /// What is tracked at the address, if anything, belongs to another stack.
    Move,
    /// The heap's block at the address, if it has this size, counts in another space.
    Label,
    /// A part of a record of totals: see [`MergedEvent::total`]. It is of no address.
    TotalAllocated,
    /// See [`Action::TotalAllocated`].
    TotalFreed,
    /// See [`Action::TotalAllocated`]; the last of a record's.
    TotalHeld,
}

/// What the event's thread did in the event's space so far, exactly: a record of totals comes as one of each, with one stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// The calls that returned a block, those of `realloc` with them, and the bytes that they asked for.
    Allocated {
        /// The calls.
        calls: u64,
        /// The bytes.
        bytes: u64,
    },
    /// The calls that gave a block back, and those of `realloc` that returned one.
    Freed {
        /// The former, without the latter.
        calls: u64,
        /// The latter: they count in [`Total::Allocated`] too.
        reallocations: u64,
    },
    /// What the allocator says the thread's blocks hold, those that it gave back taken off: see
    /// [`tm_common::sampling::Totals`].
    Held {
        /// Now; over all threads of the process what is live.
        bytes: i64,
        /// The most since the thread's record before.
        high: i64,
    },
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
    /// The function that was called; of [`Action::Track`], [`Action::Untrack`], [`Action::Move`] and [`Action::Label`] nothing.
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
    /// The part of a record of totals that it is, if it is one.
    pub fn total(&self) -> Option<Total> {
        let (first, second) = (self.address.0, self.size);
        match self.action {
            Action::TotalAllocated => Some(Total::Allocated { calls: first, bytes: second }),
            Action::TotalFreed => Some(Total::Freed { calls: first, reallocations: second }),
            Action::TotalHeld => Some(Total::Held { bytes: first as i64, high: second as i64 }),
            _ => None,
        }
    }

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

    /// Whether the program tells of it, or it is a mapping, or of no address: then nothing is known of the order in which an
    /// address's events must stand.
    #[inline]
    pub fn is_tracking(&self) -> bool {
        matches!(self.action, Action::Track | Action::Untrack | Action::Move | Action::Label)
            || self.is_total()
    }

    /// Whether it is a part of a record of totals.
    #[inline]
    pub fn is_total(&self) -> bool {
        matches!(self.action, Action::TotalAllocated | Action::TotalFreed | Action::TotalHeld)
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
            _ => false,
        }
    }
}
