//! The sums over one process's events.

use serde::{Deserialize, Serialize};
use tm_common::ids::{Space, Stamp};

use super::exact::News;
use super::live_blocks::MemoryKind;
use super::sample_totals::SampleTotals;
use crate::model::Amount;

/// What a process did, and what was live when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Successful calls of allocating functions other than `realloc` and `reallocarray`.
    pub allocations: u64,
    /// Successful calls of `realloc` and `reallocarray` that returned a block.
    pub reallocations: u64,
    /// Blocks given back, those by `realloc(p, 0)` with them.
    pub frees: u64,
    /// Requested bytes of all allocations and reallocations.
    pub bytes_allocated: u64,
    /// What is live now.
    pub live: Amount,
    /// What was live when that was the most bytes.
    pub peak: Amount,
    /// When that was first so.
    #[serde(with = "stamp")]
    pub peak_stamp: Stamp,
    /// Frees and reallocations of blocks that were never allocated.
    pub unknown_frees: u64,
    /// Allocations where a block was live: its free is not in the recording.
    pub missed_frees: u64,
    /// Frees and reallocations of blocks from before the tracing began or was cleared.
    pub forgotten_frees: u64,
    /// Blocks that the program told of, and those it told were gone.
    pub tracks: u64,
    /// See `tracks`.
    pub untracks: u64,
    /// Memory mappings: bytes and pieces now, ...
    pub mapped: Amount,
    /// ... and when they were the most.
    pub mapped_peak: Amount,
    /// When that was first so.
    #[serde(with = "stamp")]
    pub mapped_peak_stamp: Stamp,
    /// Mappings made, moved or made longer, and those taken away in whole or in part.
    pub maps: u64,
    /// See `maps`.
    pub unmaps: u64,
    /// What was allocated while samples alone were recorded. It is exact in all other totals but those of what lives.
    pub samples: SampleTotals,
}

/// A stamp as a number.
mod stamp {
    use serde::{Deserialize, Deserializer, Serializer};
    use tm_common::ids::Stamp;

    pub fn serialize<S: Serializer>(stamp: &Stamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(stamp.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stamp, D::Error> {
        u64::deserialize(deserializer).map(Stamp)
    }
}

impl Totals {
    /// Adds what a thread that samples has told of a space.
    pub(in crate::replay) fn add_exact(&mut self, space: Space, news: News) {
        let is_heap = space == Space::HEAP;
        match news {
            News::Allocated(amount) if is_heap => {
                self.allocations += amount.count;
                self.bytes_allocated = self.bytes_allocated.wrapping_add(amount.bytes);
                self.samples.exact += amount;
            }
            News::Allocated(amount) => self.tracks += amount.count,
            News::Freed { calls, reallocations } if is_heap => {
                self.frees += calls;
                self.reallocations += reallocations;
                self.allocations = self.allocations.saturating_sub(reallocations);
            }
            News::Freed { calls, .. } => self.untracks += calls,
            News::Held(_) => {}
        }
    }

    /// What lives now.
    pub fn live(&self, memory_kind: MemoryKind) -> Amount {
        match memory_kind {
            MemoryKind::Traced => self.live,
            MemoryKind::Mappings => self.mapped,
        }
    }

    /// Whether the peak is that of what threads that sample have told, which is no sum of the blocks that were drawn.
    pub fn is_peak_told(&self, memory_kind: MemoryKind) -> bool {
        let SampleTotals { sample_bytes, is_peak_estimated, .. } = self.samples;
        memory_kind == MemoryKind::Traced && sample_bytes > 0 && !is_peak_estimated
    }

    /// The most that lived, and when that was first so.
    pub fn peak(&self, memory_kind: MemoryKind) -> (Amount, Stamp) {
        match memory_kind {
            MemoryKind::Traced => (self.peak, self.peak_stamp),
            MemoryKind::Mappings => (self.mapped_peak, self.mapped_peak_stamp),
        }
    }
}
