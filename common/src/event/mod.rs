//! Event records: what one allocation call leaves in a stream, `docs/format.md` section "Events".
//!
//! Both sides keep the same [`Context`]; a record says only what differs from what the context lets one expect. Writing
//! ([`Encoder`]) and reading ([`Decoder`]) stand in two files with the same steps in the same order.

mod decode;
mod encode;
pub mod fields;
#[cfg(test)]
mod tests;

pub use decode::Decoder;
pub use encode::Encoder;

use crate::functions::Function;
use crate::ids::{Address, Space, StackId, Stamp, TagIndex, ThreadIndex};
use crate::sampling::Totals;
use crate::varint::Writer;

/// The most bytes that a record takes: see [`Encoder::encode`]. A stream starts a new segment when fewer are left.
pub const MAX_BYTES: usize = 1 + 1 + 10 + 1 + 6 * TOTAL_BYTES_MAX;
/// A total is kept to as many bits as this many bytes of a varint have: 56.
const TOTAL_BYTES_MAX: usize = 8;
const _: () = assert!(MAX_BYTES >= 1 + 10 + 10 + 1 + 10 + 10 + 10 + 5, "a reallocation fits too");
const _: () = assert!(MAX_BYTES <= Writer::LEN_MAX, "the writer wraps there");

/// One call, as it is written and as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A block came into being.
    Allocate {
        /// The function that was called; for `realloc(NULL, n)` it is `realloc`.
        function: Function,
        /// The block.
        address: Address,
        /// Requested bytes.
        size: u64,
        /// The stack of the caller.
        stack: StackId,
        /// A moment between the real function's return and the hook's.
        stamp: Stamp,
    },
    /// A block was given back.
    Free {
        /// The function that was called; `realloc` for `realloc(p, 0)` where that frees.
        function: Function,
        /// The block.
        address: Address,
        /// A moment before the real function was called.
        stamp: Stamp,
    },
    /// A block was resized: `old` was given back some time after `begin`, `new` belongs to the caller since some time
    /// before `end`.
    Reallocate {
        /// The block that was passed in, never NULL.
        old: Address,
        /// The block that came back; may be the same.
        new: Address,
        /// Requested bytes.
        size: u64,
        /// The stack of the caller.
        stack: StackId,
        /// A moment before the real function was called.
        begin: Stamp,
        /// A moment after it returned.
        end: Stamp,
    },
    /// Something lives at an address of a space from here on: a block that the program tracks by itself, in place of
    /// what was tracked there; of [`Space::MAPPINGS`] a range, in place of all parts of ranges in it.
    Track {
        /// Where; not the C allocator's blocks as it makes them, but a program may track one of those.
        space: Space,
        /// The start.
        address: Address,
        /// Bytes.
        size: u64,
        /// The stack of the caller.
        stack: StackId,
        /// A moment at which it was there and the caller had not got it yet.
        stamp: Stamp,
    },
    /// The end of a block of which [`Event::Track`] told.
    Untrack {
        /// The place.
        space: Space,
        /// The start.
        address: Address,
        /// Bytes of the range, of [`Space::MAPPINGS`]; else 0.
        size: u64,
        /// A moment before it went.
        stamp: Stamp,
    },
    /// The end of all that was tracked in a space, other than that of the mappings.
    UntrackAll {
        /// The place.
        space: Space,
        /// The moment.
        stamp: Stamp,
    },
    /// What is tracked at an address belongs to another stack from here on, if anything is: its owner has taken it for something
    /// new, as CPython takes objects from its free lists.
    Move {
        /// The place, other than the heap and that of the mappings.
        space: Space,
        /// The start.
        address: Address,
        /// The stack of the caller.
        stack: StackId,
        /// The moment.
        stamp: Stamp,
    },
    /// The heap's block at an address counts in another space, where the program tells of it, until its end there. Recorded if the
    /// block is a sample and what the program tells is none: other samples of that space stand for it.
    Label {
        /// The place, other than the heap and that of the mappings.
        space: Space,
        /// The start.
        address: Address,
        /// How many bytes the program tells of: if the block has others, it is something else.
        size: u64,
        /// The moment.
        stamp: Stamp,
    },
    /// What the stream's thread did in a space so far: exact, beside samples.
    Totals {
        /// The place.
        space: Space,
        /// What it did.
        totals: Totals,
        /// The moment.
        stamp: Stamp,
    },
    /// The thread's events belong to this tag from here on.
    Tag {
        /// The tag; none from the start of a thread.
        tag: TagIndex,
        /// The moment.
        stamp: Stamp,
    },
    /// The stream belongs to another thread from here on, which has no tag.
    ThreadStart {
        /// The thread.
        thread: ThreadIndex,
        /// The moment when it took the stream over.
        stamp: Stamp,
    },
}

/// The kinds of records. The numbers are bits 0 to 2 of a record's first byte.
mod kind {
    pub const EXTENDED: u8 = 0;
    pub const MALLOC: u8 = 1;
    pub const CALLOC: u8 = 2;
    pub const ALLOCATE: u8 = 3;
    pub const FREE: u8 = 4;
    pub const REALLOCATE: u8 = 5;
    pub const TRACK: u8 = 6;
    pub const UNTRACK: u8 = 7;
}

/// Bits 3 to 7 of the first byte of an extended record.
mod extended {
    pub const THREAD_START: u8 = 1;
    pub const TAG: u8 = 2;
    pub const UNTRACK_ALL: u8 = 3;
    pub const MOVE: u8 = 4;
    pub const TOTALS: u8 = 5;
    pub const LABEL: u8 = 6;
}

const ADDRESS_IN_SLOT: u8 = 1 << 3;
const SITE_IN_SLOT: u8 = 1 << 4;
const OTHER_FUNCTION: u8 = 1 << 4;
const TIME_SHIFT: u32 = 5;
const TIME_FOLLOWS: u64 = 7;

const SLOTS: usize = 256;

/// The part of an event that repeats at the same line of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Site {
    size: u64,
    stack: StackId,
}

/// What both sides remember of the records of a segment so far. A segment starts with a fresh one, so that segments
/// can be read in any order.
#[derive(Debug)]
pub struct Context {
    stamp: u64,
    address: u64,
    addresses: [u64; SLOTS],
    sites: [Site; SLOTS],
}

impl Context {
    /// A context that remembers nothing.
    pub const EMPTY: Context = Context {
        stamp: 0,
        address: 0,
        addresses: [0; SLOTS],
        sites: [Site { size: 0, stack: StackId::NONE }; SLOTS],
    };

    /// Forgets everything; the first time difference counts from `base`.
    pub fn reset(&mut self, base: Stamp) {
        self.stamp = base.0;
        self.address = 0;
        self.addresses.fill(0);
        self.sites.fill(Site::default());
    }

    /// Returns the latest stamp.
    #[inline]
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.stamp)
    }

    /// Returns the slot of an address: bits that differ between neighbouring 16-byte blocks.
    #[inline]
    fn address_slot(address: u64) -> usize {
        ((address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }

    #[inline]
    fn site_slot(site: Site) -> usize {
        let key = (u64::from(site.stack.0) << 20) ^ site.size;
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }

    #[inline]
    fn remember_address(&mut self, slot: usize, address: u64) {
        self.addresses[slot & (SLOTS - 1)] = address;
        self.address = address;
    }
}

/// Returns the difference of two addresses: twice its sixteenth where it is a multiple of 16, else twice itself plus one.
#[inline]
fn fold_difference(address: u64, base: u64) -> i64 {
    let difference = address.wrapping_sub(base) as i64;
    if difference & 15 == 0 { difference >> 4 << 1 } else { difference << 1 | 1 }
}

#[inline]
fn unfold_difference(folded: i64, base: u64) -> u64 {
    let difference = if folded & 1 == 0 { folded >> 1 << 4 } else { folded >> 1 };
    base.wrapping_add_signed(difference)
}
