//! From events in the order of their stamps to what was live when: repaired where clocks disagree, and replayed against a
//! table of live blocks. Memory is bounded by the live blocks and the number of streams.
//!
//! ```text
//! events (merged) -> window (what is near) -> engine (live table, totals)
//!                                      |          \ repair, on a conflict
//!                                      +-> observers: allocations, timeline, ...
//! ```

mod live;
mod observer;

mod order;

mod by_stack;
mod checkpoint;
mod commands;

mod engine;
mod findings;

mod moment;
mod run;
mod selection;
mod site;
mod stack_set;

mod sink;
mod snapshot;
mod totals;

mod observers;

#[cfg(test)]
mod tests;

use crate::events::StreamEvents;

pub use by_stack::ByStack;
pub use checkpoint::{Folded, FoldedPart, FoldedProcess, FoldedSum};
pub use engine::{Replayer, TOLERANCE_NS};
pub use findings::{Finder, Findings};
pub use live::{LiveBlocks, MemoryKind, Ranges, SampleTotals, SpaceBlocks, Totals, prefetch};
pub use moment::{ResolvedMoment, known, resolve, stamp_at, stamps_in};
pub use observer::{Held, Observer};
pub use observers::{
    Activities, ActivitySums, Allocations, Churn, LatestBlocks, Life, Lifetimes, Lived, Lives, Moments,
    ProgramPoint, ProgramPoints, Step, Steps, Timeline,
};
pub use observers::{
    Cell, CourseStep, Flow, Grid, Histogram, Place, SiteSlices, SliceSums, SliceTime, Slices,
};
pub use run::{Processes, ended_at, events, forked_at, run};
pub use selection::{Gate, Selection};
pub use sink::{BlockSink, ByBirth};
pub use site::Site;
pub use snapshot::{RawSnapshot, Taker, snapshot, snapshot_at};
pub use stack_set::StackSet;
pub use totals::{AllTotals, all_totals};

/// A process of a recording being replayed.
pub type Engine<'a> = Replayer<StreamEvents<'a>>;

pub(crate) use engine::{Beginning, From, tolerance};
pub(crate) use run::{beginning_here, fold};
