//! tracemalloc's words as types: what a snapshot consists of, with CPython's names, texts and orders.
//!
//! Grouping, comparing and filtering are in [`crate::analysis`]; this module knows nothing of recordings.

mod doubt;
mod filter;
mod frame;
mod key;
mod moment;
mod origin;
mod repr;
mod size;
mod snap_file;
mod snapshot;
mod statistic;
mod tally;
mod trace;
mod traceback;

pub use doubt::{Doubt, DoubtKind};
pub use filter::{BaseFilter, DomainFilter, Filter};
pub use frame::Frame;
pub use key::{Cumulative, KeyType};
pub use moment::Moment;
pub use origin::Origin;
pub use size::format_size;
pub use snap_file::is_snap_file;
pub use snapshot::Snapshot;
pub use statistic::{Statistic, StatisticDiff};
pub use tally::Tally;
pub use trace::Trace;
pub use traceback::Traceback;
