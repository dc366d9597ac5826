//! The sums over one process's events.

use tm_common::ids::Stamp;

/// What a process did, and what was live when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Successful calls of allocating functions other than `realloc` and `reallocarray`.
    pub allocations: u64,
    /// Successful calls of `realloc` and `reallocarray` that returned a block.
    pub reallocations: u64,
    /// Blocks given back, those by `realloc(p, 0)` with them.
    pub frees: u64,
    /// Requested bytes of all allocations and reallocations.
    pub bytes_allocated: u64,
    /// Requested bytes that are live now.
    pub live_bytes: u64,
    /// Blocks that are live now.
    pub live_blocks: u64,
    /// The most bytes that were live.
    pub peak_bytes: u64,
    /// The blocks that were live then.
    pub peak_blocks: u64,
    /// When that was first so.
    pub peak_stamp: Stamp,
    /// Frees and reallocations of blocks that were never allocated.
    pub unknown_frees: u64,
    /// Allocations where a block was live: its free is not in the recording.
    pub missed_frees: u64,
}
