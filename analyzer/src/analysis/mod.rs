//! What can be asked of snapshots: group, compare, filter. Results, orders and messages are CPython tracemalloc's.
//! Beyond it: keys `function`, `module` and `tag`, and snapshots without the allocation [`Plumbing`].
//!
//! The answers are methods of [`Profile`](crate::model::Profile), and of [`Snapshot`](crate::model::Snapshot) where each block
//! counts:
//!
//! ```
//! use tm_analyzer::model::{Cumulative, Filter, Frame, KeyType, Snapshot, Trace, Traceback};
//!
//! let trace = |size, file: &str| {
//!     let traceback = Traceback::new(vec![Frame::new(file, 5), Frame::new("main.c", 4)], None);
//!     Trace { domain: 0, size, traceback, tag: None, sample: None }
//! };
//! let old = Snapshot::new(vec![trace(10, "a.c")], 2);
//! let new = Snapshot::new(vec![trace(10, "a.c"), trace(90, "a.c"), trace(7, "b.c")], 2);
//!
//! let stats = new.profile().statistics(KeyType::Lineno, Cumulative::Off).unwrap();
//! assert_eq!(stats[0].to_string(), "a.c:5: size=100 B, count=2, average=50 B");
//!
//! let diff = new.profile().compare_to(&old.profile(), KeyType::Filename, Cumulative::Off).unwrap();
//! assert_eq!(diff[0].to_string(), "a.c:0: size=100 B (+90 B), count=2 (+1), average=50 B");
//!
//! let only_b = new.filter_traces(&[&Filter::new(true, "b.*")]);
//! assert_eq!(only_b.traces.len(), 1);
//! ```

mod blame;
mod compare;
mod filter;
mod frames;
mod group;
mod interner;
mod line_information;
mod plumbing;
mod relocate;
mod runtime;

pub use blame::Blame;
pub use frames::Frames;
pub(crate) use frames::Sight;
pub use group::{GroupName, Groups};
pub(crate) use line_information::LineInformation;
pub use plumbing::Plumbing;
pub use runtime::RuntimeLibraries;

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod tag_tests;
