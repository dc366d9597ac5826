//! From streams of events to what was live when: merged in the order of time, repaired where clocks disagree, and
//! replayed against a table of live blocks. Memory is bounded by the live blocks and the number of streams.
//!
//! ```text
//! stream (decode) -> merge (by stamp) -> window (what is near in time) -> engine (live table, totals)
//!                                                                            \ repair, on a conflict
//! ```

mod event;
mod stream;

mod merge;

mod window;

mod repair;

mod live;
mod totals;

mod engine;

mod all;
mod snapshot;

#[cfg(test)]
mod tests;

pub use all::{AllTotals, all_totals};
pub use engine::{Engine, TOLERANCE_NS};
pub use event::{Action, MergedEvent};
pub use live::{Block, LiveTable};
pub use snapshot::{RawSnapshot, events, snapshot};
pub use stream::Damage;
pub use totals::Totals;

pub(crate) use stream::last_stamp;
