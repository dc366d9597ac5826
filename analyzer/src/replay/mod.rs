//! From events in the order of their stamps to what was live when: repaired where clocks disagree, and replayed against a
//! table of live blocks. Memory is bounded by the live blocks and the number of streams.
//!
//! ```text
//! events (merged) -> window (what is near) -> engine (live table, totals)
//!                                      |          \ repair, on a conflict
//!                                      +-> observers: tally, timeline, ...
//! ```

mod window;

mod repair;

mod live;
mod observer;
mod peak;
mod ranges;
mod tables;
mod totals;

mod commands;
mod ledger;

mod engine;

mod moment;
mod run;
mod selection;

mod all;
mod collect;
mod lifetimes;
mod snapshot;
mod tally;
mod timeline;

#[cfg(test)]
mod command_tests;
#[cfg(test)]
mod fork_tests;
#[cfg(test)]
mod mapping_tests;
#[cfg(test)]
mod tests;

use crate::events::StreamEvents;

pub use all::{AllTotals, all_totals};
pub use collect::Collect;
pub use engine::{Replayer, TOLERANCE_NS};
pub use lifetimes::Lifetimes;
pub use live::{LiveTable, prefetch};
pub use moment::{FixedMoment, fixed, stamp_at, stamps_in};
pub use observer::Observer;
pub use ranges::Ranges;
pub use run::{Processes, ended_at, events, forked_at, run};
pub use selection::Selection;
pub use snapshot::{RawSnapshot, snapshot, snapshot_at};
pub use tables::{Account, Tables};
pub use tally::{Allocations, Churn, Site, StackSums, Sum};
pub use timeline::{Step, Timeline};
pub use totals::{Amount, Totals};

/// A process of a recording being replayed.
pub type Engine<'a> = Replayer<StreamEvents<'a>>;

pub(crate) use engine::{Beginning, tolerance};
pub(crate) use run::inherited_here;
