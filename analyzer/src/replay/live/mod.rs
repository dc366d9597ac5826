//! What lives in a process, and what lived at its peak.
//!
//! ```text
//! ledger (events -> blocks, totals, peak) -> live_blocks (all of a process) -> space_blocks (of one address space)
//!                                                                           -> ranges (mappings)
//! saved: a ledger as it stands in a checkpoint, whose blocks are columns (block_table)
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

mod block_table;

mod ledger;
mod saved;

pub use live_blocks::{LiveBlocks, MemoryKind};
pub use prefetch::prefetch;
pub use ranges::Ranges;
pub use sample_totals::SampleTotals;
pub use space_blocks::SpaceBlocks;
pub use totals::Totals;

pub(in crate::replay) use block_table::Owners;
pub(in crate::replay) use ledger::Ledger;
pub(in crate::replay) use saved::SavedLedger;
