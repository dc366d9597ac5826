//! What lives in a process, and what lived at its peak.
//!
//! ```text
//! ledger (events -> blocks, totals, peak) -> live_blocks (all of a process) -> space_blocks (of one address space)
//!                                                                           -> ranges (mappings)
//! ```

mod index;
mod prefetch;

mod ranges;
mod space_blocks;

mod exact;
mod labels;
mod live_blocks;
mod peak;
mod sample_totals;
mod totals;

mod ledger;

pub use live_blocks::{LiveBlocks, MemoryKind};
pub use prefetch::prefetch;
pub use ranges::Ranges;
pub use sample_totals::SampleTotals;
pub use space_blocks::SpaceBlocks;
pub use totals::Totals;

pub(in crate::replay) use ledger::Ledger;
