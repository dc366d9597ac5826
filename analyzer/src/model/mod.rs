//! tracemalloc's words as types: what a snapshot consists of, with CPython's names, texts and orders.
//!
//! Grouping, comparing and filtering are in [`crate::analysis`]; this module knows nothing of recordings.

mod filter;
mod frame_patterns;
mod moment;
mod origin;
mod repr;
mod sampling;
mod size;
mod snap_file;
mod snapshot;
mod source_text;
mod stack_patterns;
mod statistics;
mod traces;

pub use filter::{BaseFilter, DomainFilter, Filter};
pub use frame_patterns::FramePatterns;
pub use moment::Moment;
pub use origin::Origin;
pub use sampling::Sampling;
pub use size::format_size;
pub use snap_file::is_snap_file;
pub use snapshot::Snapshot;
pub use source_text::SourceText;
pub use stack_patterns::StackPatterns;
pub use statistics::{
    Activity, ActivityProfile, ActivityRow, ActivityUncertainty, Amount, Counted, Cumulative, EstimatesBy,
    KeyType, Profile, ProfileRow, Shown, Statistic, StatisticDiff, SumsBy, Uncertainty, Variance, Weight,
};
pub(crate) use traces::Refill;
pub use traces::{
    Doubt, DoubtKind, Frame, ModuleFile, Sample, StackList, StackView, StackWalk, Trace, Traceback,
    by_address, n_common,
};
