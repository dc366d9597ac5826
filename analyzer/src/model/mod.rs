//! tracemalloc's words as types: what a snapshot consists of, with CPython's names, texts and orders.
//!
//! Grouping, comparing and filtering are in [`crate::analysis`]; this module knows nothing of recordings.

mod amount;
mod doubt;
mod filter;
mod frame;
mod key;
mod module_file;
mod moment;
mod origin;
mod profile;
mod repr;
mod size;
mod snap_file;
mod snapshot;
mod statistic;
mod sums;
mod trace;
mod traceback;

pub use amount::Amount;
pub use doubt::{Doubt, DoubtKind};
pub use filter::{BaseFilter, DomainFilter, Filter};
pub use frame::Frame;
pub use key::{Cumulative, KeyType};
pub use module_file::ModuleFile;
pub use moment::Moment;
pub use origin::Origin;
pub use profile::{Profile, ProfileRow};
pub use size::format_size;
pub use snap_file::is_snap_file;
pub use snapshot::Snapshot;
pub use statistic::{Statistic, StatisticDiff};
pub use sums::SumsBy;
pub use trace::Trace;
pub use traceback::Traceback;
